/* lay_timeline.c - rows, boxes and the size of cells. */
#include "web/lay_timeline.h"

int lay_timeline(const struct timeline_view *v, struct lay_row *out, double *height)
{
    int n = 0;
    double y = 0;
    int64_t process = -1;
    for (int i = 0; i < v->n_tracks; i++) {
        const struct timeline_track *k = &v->t->track.p[v->track[i]];
        if (k->process != process) {
            out[n++] = (struct lay_row){.track = -1, .y = y, .height = LAY_GROUP};
            y += LAY_GROUP;
            process = k->process;
        }
        int lanes = k->n_lanes < LAY_LANES ? k->n_lanes : LAY_LANES;
        double h = k->kind >= TIMELINE_COUNTER ? LAY_VALUES : lanes * LAY_LANE + 3;
        out[n++] = (struct lay_row){v->track[i], y, h, lanes, k->n_lanes - lanes};
        y += h;
    }
    *height = y;
    return n;
}

int64_t lay_cell(int64_t t0, int64_t t1, double width, double px)
{
    double least = (double)(t1 - t0) / width * px;
    int64_t cell = 1;
    while ((double)cell < least && cell < (int64_t)1 << 60) cell *= 4;
    return cell;
}

static struct lay_box box_of(const struct lane_mark *m, int64_t t0, int64_t t1, double x0,
                             double width)
{
    double per_ns = width / (double)(t1 - t0);
    double left = (double)(m->ts - t0) * per_ns, right = left + (double)m->dur * per_ns;
    if (left < 0) left = 0;
    if (right > width) right = width;
    if (right < left) right = left;
    return (struct lay_box){.x = x0 + left,
                            .width = right - left,
                            .count = m->count,
                            .name = m->name,
                            .flags = m->flags};
}

/* A mark of one that is too narrow to be seen counts as one of many. */
static bool small(const struct lay_box *b)
{
    return b->count > 1 || b->width < 2;
}

int lay_marks(const struct lane_mark *m, int n, int64_t t0, int64_t t1, double x0, double width,
              struct lay_box *out)
{
    int boxes = 0;
    double busy = 0;
    for (int i = 0; i < n; i++) {
        struct lay_box b = box_of(&m[i], t0, t1, x0, width);
        struct lay_box *last = boxes ? &out[boxes - 1] : NULL;
        b.first = (uint32_t)i;
        if (last && small(last) && small(&b) && b.x - (last->x + last->width) < 1) {
            if (m[i].busy > busy) last->name = b.name, busy = m[i].busy;
            last->width = b.x + b.width - last->x;
            last->count += b.count;
            last->flags |= b.flags;
            continue;
        }
        busy = m[i].busy;
        out[boxes++] = b;
    }
    return boxes;
}
