/* timeline_draw.c - a view of the timeline as SVG: the whole run small, an axis, tracks, losses. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "web/draw.h"
#include "web/lay_line.h"
#include "web/lay_timeline.h"
#include "web/timeline_area.h"
#include "web/timeline_pack.h"
#include "web/timeline_page.h"

enum {
    GUTTER = 164, /* px of labels at the left */
    PLOT = DRAW_WIDTH - GUTTER - 8,
    MAP_H = 26,
    AXIS_Y = 34,
    ROWS_Y = 54,
    COLUMNS = 180,
    MARKS = 2 * PACK_CELLS + LANE_LOOK_BACK + 2,
    GAPS = 24
};

struct drawing {
    struct web_request *q;
    struct html *h;
    const struct timeline_view *v;
    struct span_axis axis;
    struct lane_mark *mark;
    struct lay_box *box;
    int64_t cell;
    double top; /* of the row that is drawn */
};

static const char *px(struct drawing *d, double x)
{
    const char *text = arena_printf(&d->q->arena, "%.1f", x);
    return text ? text : "0";
}

static void put_rect(struct drawing *d, const char *class_, double x, double y, double w, double hh)
{
    html(d->h, "<rect class=\"%s\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\"/>", class_,
         px(d, x), px(d, y), px(d, w), px(d, hh));
}

static double x_of(const struct drawing *d, int64_t ts)
{
    return lay_axis_x(&d->axis, ts);
}

static const char *colour(const struct drawing *d, char letter, uint16_t name)
{
    static const char *const boxes[] = {"c6", "c1", "c2", "c3", "c4", "c5", "c6"};
    static const char *const bars[] = {"b6", "b1", "b2", "b3", "b4", "b5", "b6"};
    int c = d->v->t->name.p[name].colour;
    return (letter == 'c' ? boxes : bars)[c >= 1 && c <= 6 ? c : 0];
}

/* ---- the whole run ---- */

static void put_map_row(struct drawing *d, bool streams, double y, const char *class_)
{
    double share[TIMELINE_MAP];
    timeline_map(d->v, streams, share);
    for (int c = 0; c < TIMELINE_MAP; c++) {
        double height = share[c] > 1 ? 8 : share[c] * 8;
        if (share[c] > 0)
            put_rect(d, class_, GUTTER + (double)PLOT * c / TIMELINE_MAP, y + 8 - fmax(height, 1),
                     (double)PLOT / TIMELINE_MAP + 0.2, fmax(height, 1));
    }
}

static void put_map(struct drawing *d)
{
    const struct timeline_view *v = d->v;
    double all = (double)(v->end - v->base);
    put_rect(d, "g1", GUTTER, 4, PLOT, 22);
    html(d->h,
         "<text x=\"8\" y=\"19\" class=\"tm t10\">whole run</text><text x=\"156\" y=\"19\" "
         "class=\"tm t10 te\">%t</text>",
         v->end - v->base);
    put_map_row(d, false, 6, "b6");
    put_map_row(d, true, 16, "b1");
    if (v->t0 > v->base || v->t1 < v->end)
        put_rect(d, "sel", GUTTER + PLOT * ((double)(v->t0 - v->base) / all), 3,
                 fmax(3, PLOT * ((double)(v->t1 - v->t0) / all)), 24);
}

static void put_axis(struct drawing *d, double height)
{
    html(d->h, "<g transform=\"translate(0 %d)\">", AXIS_Y);
    draw_axis(d->h, &d->axis, (int)height - AXIS_Y);
    html(d->h, "</g>");
}

/* ---- marks ---- */

static const char *title_of(struct drawing *d, const struct lane_mark *m, const struct lay_box *b)
{
    struct buf text = {0};
    const struct timeline_name *name = &d->v->t->name.p[b->name];
    if (b->count > 1) {
        html_number(&text, 'n', html_of_int(b->count));
        buf_printf(&text, " events, mostly %.*s", SPAN_ARG(name->text));
    } else {
        buf_printf(&text, "%.*s: ", SPAN_ARG(name->text));
        html_number(&text, 't', html_of_int(m->dur));
        buf_puts(&text, ", ");
        buf_puts(&text, timeline_kind_word(name->kind));
    }
    if (b->flags & LANE_ERROR) buf_puts(&text, ", with an error");
    if (b->flags & LANE_DIVERGENCE) buf_puts(&text, ", differs in a comparison");
    if (b->flags & LANE_NONFINITE) buf_puts(&text, ", with a NaN or an infinity");
    if (b->flags & LANE_UNCLOSED) buf_puts(&text, ", never closed");
    struct span kept = web_keep(d->q, buf_text(&text));
    buf_release(&text);
    return kept.p ? kept.p : "";
}

/* Where a box leads: an event is selected, many are zoomed to. */
static const char *href_of(struct drawing *d, const struct lane_mark *m, const struct lay_box *b,
                           struct timeline_pick at)
{
    if (b->count == 1) {
        const struct timeline_track *k = &d->v->t->track.p[at.track];
        return web_here(d->q, "sel",
                        arena_printf(&d->q->arena, "%s@%lld:%d", k->key, (long long)m->ts, at.lane),
                        NULL);
    }
    double per_px = (double)(d->v->t1 - d->v->t0) / PLOT;
    int64_t t0 = d->v->t0 + (int64_t)((b->x - GUTTER) * per_px);
    int64_t t1 = t0 + (int64_t)(b->width * per_px) + 1;
    return web_here(d->q, "t0", timeline_time(d->q, t0), "t1", timeline_time(d->q, t1), NULL);
}

static void put_many(struct drawing *d, const struct lay_box *b, double y)
{
    double width = b->width < 1 ? 1 : b->width;
    int c = d->v->t->name.p[b->name].colour;
    html(d->h, "<rect fill=\"url(#h%d)\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%d\"/>", c,
         px(d, b->x), px(d, y + 1), px(d, width), LAY_LANE - 3);
    if (width < 34) return;
    const char *text = arena_printf(&d->q->arena, "\xc3\x97%u", b->count);
    double room = 6.2 * (double)(strlen(text ? text : "") - 1) + 6, at = b->x + width / 2;
    put_rect(d, "g0 nopointer", at - room / 2, y + 3, room, LAY_LANE - 7);
    html(d->h, "<text class=\"t10 tx nopointer\" x=\"%s\" y=\"%s\">%s</text>", px(d, at),
         px(d, y + 12), text ? text : "");
}

static void put_flags(struct drawing *d, const struct lay_box *b, double y)
{
    static const unsigned bad = LANE_ERROR | LANE_DIVERGENCE | LANE_NONFINITE;
    if (!(b->flags & (bad | LANE_UNCLOSED))) return;
    put_rect(d, b->flags & bad ? "fbad" : "fwarn", b->x, y, fmax(2, fmin(b->width, 6)), 3);
}

static void put_mark(struct drawing *d, const struct lay_box *b, struct timeline_pick at, double y)
{
    const struct lane_mark *m = &d->mark[b->first];
    struct timeline_pick pick = at;
    const char *title = title_of(d, m, b), *href = href_of(d, m, b, pick);
    if (b->count == 1) {
        struct draw_box box = {
            .x = b->x,
            .y = y,
            .width = b->width < 1 ? 1 : b->width,
            .height = LAY_LANE - 1,
            .class_ = colour(d, 'c', b->name),
            .label = b->width >= 30 ? web_keep(d->q, d->v->t->name.p[b->name].text).p : NULL,
            .title = title,
            .href = href};
        draw_box(d->h, &box);
    } else {
        html(d->h,
             "<a class=\"bx\" href=\"%s\"><rect class=\"%s\" x=\"%s\" y=\"%s\" width=\"%s\" "
             "height=\"%d\"><title>%s</title></rect>",
             href, colour(d, 'c', b->name), px(d, b->x + 0.5), px(d, y + 0.5),
             px(d, b->width > 2 ? b->width - 1 : 1), LAY_LANE - 2, title);
        put_many(d, b, y);
        html(d->h, "</a>");
    }
    put_flags(d, b, y);
}

static void put_lane(struct drawing *d, int track, int lane, double y)
{
    const struct timeline_view *v = d->v;
    int64_t end, cells = (v->t1 - v->t0) / d->cell + 1;
    size_t n =
        lane_marks(&v->t->track.p[track].lane[lane], v->t0, d->cell, cells, d->mark, MARKS, &end);
    int boxes = lay_marks(d->mark, (int)n, v->t0, v->t1, GUTTER, PLOT, d->box);
    for (int i = 0; i < boxes; i++)
        put_mark(d, &d->box[i], (struct timeline_pick){track, lane, 0}, y);
}

static void put_gaps(struct drawing *d, const struct timeline_track *k, double y)
{
    struct timeline_gap gap[GAPS];
    int64_t least = (d->v->t1 - d->v->t0) / 100 + 1;
    if (k->kind == TIMELINE_CHROMIUM) return;
    int64_t from = k->first > d->v->t0 ? k->first : d->v->t0,
            to = k->last < d->v->t1 ? k->last : d->v->t1;
    int n = timeline_gaps(k, from, to, least, gap, GAPS);
    for (int i = 0; i < n; i++) {
        double x = x_of(d, gap[i].ts), w = x_of(d, gap[i].ts + gap[i].dur) - x;
        html(d->h,
             "<rect class=\"idle\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%d\"><title>idle for "
             "%t</title></rect>",
             px(d, x + 0.5), px(d, y + 0.5), px(d, fmax(1, w - 1)), LAY_LANE - 2, gap[i].dur);
        if (w >= 34)
            html(d->h, "<text class=\"tm t10 tx nopointer\" x=\"%s\" y=\"%s\">idle</text>",
                 px(d, x + w / 2), px(d, y + 12));
    }
}

/* ---- values ---- */

static void put_values(struct drawing *d, const struct timeline_track *k, double y)
{
    struct timeline_range range[COLUMNS + 1];
    struct line_bucket bucket[COLUMNS + 1];
    struct line_point point[2 * COLUMNS + 2];
    int64_t column = (d->v->t1 - d->v->t0) / COLUMNS + 1;
    int n = timeline_values(k, d->v->t0, column, COLUMNS, range);
    for (int i = 0; i < n; i++) {
        int64_t at = range[i].ts < d->v->t0 ? 0 : (range[i].ts - d->v->t0) / column;
        bucket[i] = (struct line_bucket){at, range[i].low, range[i].high};
    }
    struct line_box box = {
        .x = GUTTER, .y = y + 4, .width = PLOT, .height = LAY_VALUES - 10, .n_columns = COLUMNS};
    lay_line_range(bucket, n, &box);
    n = lay_line(bucket, n, &box, point);
    html(d->h, "<path class=\"line\" d=\"");
    for (int i = 0; i < n; i++)
        html(d->h, "%s%s %s", point[i].begins ? "M" : "L", px(d, point[i].x), px(d, point[i].y));
    html(d->h, "\"/>");
}

/* ---- rows ---- */

static void put_label(struct drawing *d, const struct lay_row *r, const struct timeline_track *k)
{
    double y = d->top + r->y;
    char text[48] = "";
    draw_label(d->h, 18, y + 12, k->point.n ? 86 : 108, "", timeline_label(d->q, k));
    if (k->kind == TIMELINE_MEMORY) {
        struct buf b = {0};
        html_number(&b, 'b', html_of_real(k->high));
        snprintf(text, sizeof text, "%.*s", SPAN_ARG(buf_text(&b)));
        buf_release(&b);
    } else if (k->kind == TIMELINE_COUNTER) snprintf(text, sizeof text, "%.3g max", k->high);
    else if (k->last > k->first)
        snprintf(text, sizeof text, "%.0f %%",
                 100.0 * (double)k->busy / (double)(k->last - k->first));
    html(d->h, "<text x=\"156\" y=\"%s\" class=\"tm t10 te\">%s</text>", px(d, y + 12), text);
    if (r->hidden)
        html(d->h, "<text x=\"18\" y=\"%s\" class=\"tm t10\">%d deeper rows not drawn</text>",
             px(d, y + r->height - 6), r->hidden);
}

static void put_group(struct drawing *d, const struct lay_row *r)
{
    const struct timeline_track *k = &d->v->t->track.p[r[1].track];
    double y = d->top + r->y;
    put_rect(d, "g1", 0, y, DRAW_WIDTH, LAY_GROUP - 1);
    html(d->h, "<text x=\"8\" y=\"%s\" class=\"t10 tb\">", px(d, y + 12));
    if (k->rank != STORE_NULL) html(d->h, "rank %d", k->rank);
    else html(d->h, "process %d", k->process);
    if (k->pid != STORE_NULL && k->pid) html(d->h, " \xc2\xb7 pid %d", k->pid);
    html(d->h, "</text>");
}

static void put_row(struct drawing *d, const struct lay_row *r)
{
    double y = d->top + r->y;
    if (r->track < 0) {
        put_group(d, r);
        return;
    }
    const struct timeline_track *k = &d->v->t->track.p[r->track];
    html(d->h, "<path class=\"l3\" d=\"M0 %sH%d\"/>", px(d, y + r->height - 0.5), (int)DRAW_WIDTH);
    put_label(d, r, k);
    if (k->point.n) put_values(d, k, y);
    if (k->n_lanes) put_gaps(d, k, y + 1);
    for (int lane = 0; lane < r->lanes; lane++)
        put_lane(d, r->track, lane, y + 1 + lane * LAY_LANE);
}

static int put_losses(struct drawing *d, double y)
{
    int n = 0;
    for (size_t i = 0; i < d->v->t->loss.n; i++) {
        const struct timeline_loss *l = &d->v->t->loss.p[i];
        if (l->run != d->v->run || l->ts < d->v->t0 || l->ts >= d->v->t1) continue;
        double x = x_of(d, l->ts);
        if (!n++) html(d->h, "<text x=\"18\" y=\"%s\" class=\"t10\">losses</text>", px(d, y + 12));
        html(d->h,
             "<a href=\"%s\"><path class=\"fwarn\" d=\"M%s %sl5 9h-10z\"><title>%n lost (%s): "
             "%s</title></path></a>",
             web_link(d->q, "/health", NULL), px(d, x), px(d, y + 4), l->count, l->kind,
             l->message);
    }
    return n;
}

static void put_area(struct drawing *d, double y, double height)
{
    const struct timeline_view *v = d->v;
    if (v->a1 <= v->t0 || v->a0 >= v->t1 || v->a1 <= v->a0) return;
    double x = x_of(d, v->a0), w = x_of(d, v->a1) - x;
    put_rect(d, "self nopointer", x, y, fmax(2, w), height);
    html(d->h, "<text class=\"tacc t10 tx\" x=\"%s\" y=\"%s\">selected %t</text>", px(d, x + w / 2),
         px(d, y - 3), v->a1 - v->a0);
}

static void put_selected(struct drawing *d, const struct lay_row *row, int n_rows)
{
    struct timeline_pick p = timeline_pick_parse(d->v, web_param(d->q, "sel"));
    if (p.track < 0) return;
    struct lane_row r = lane_row_at(&d->v->t->track.p[p.track].lane[p.lane], p.at);
    for (int i = 0; i < n_rows; i++) {
        if (row[i].track != p.track || p.lane >= row[i].lanes || r.ts >= d->v->t1 ||
            r.ts + r.dur < d->v->t0)
            continue;
        double x = x_of(d, r.ts), w = x_of(d, r.ts + r.dur) - x;
        put_rect(d, "sel nopointer", x - 1, d->top + row[i].y + p.lane * LAY_LANE, fmax(3, w + 2),
                 LAY_LANE + 1);
    }
}

static void put_hatches(struct html *h)
{
    html(h, "<defs>");
    for (int c = 1; c <= 6; c++)
        html(h,
             "<pattern id=\"h%d\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" "
             "patternTransform=\"rotate(45)\"><rect class=\"b%d\" width=\"1.3\" "
             "height=\"5\"/></pattern>",
             c, c);
    html(h, "</defs>");
}

static enum err prepare(struct drawing *d, struct lay_row **row, int *n_rows, double *height)
{
    const struct timeline_view *v = d->v;
    *row = arena_array(&d->q->arena, 2 * (size_t)v->n_tracks + 1, sizeof **row);
    d->mark = arena_array(&d->q->arena, MARKS, sizeof *d->mark);
    d->box = arena_array(&d->q->arena, MARKS, sizeof *d->box);
    if (!*row || !d->mark || !d->box) FAIL(ERR_NOMEM, "out of memory for a timeline");
    *n_rows = lay_timeline(v, *row, height);
    d->axis = lay_axis(v->t0, v->t1, GUTTER, PLOT, 10);
    d->cell = lay_cell(v->t0, v->t1, PLOT, 4);
    d->top = ROWS_Y;
    return ERR_OK;
}

enum err timeline_draw(struct web_request *q, struct html *h, const struct timeline_view *v,
                       const char *label)
{
    struct html rows = {0};
    struct drawing d = {.q = q, .h = &rows, .v = v};
    struct lay_row *row;
    int n_rows = 0;
    double height = 0;
    TRY(prepare(&d, &row, &n_rows, &height));
    for (int i = 0; i < n_rows; i++) put_row(&d, &row[i]);
    put_area(&d, d.top, height);
    put_selected(&d, row, n_rows);
    bool losses = put_losses(&d, d.top + height) > 0;
    double bottom = d.top + height + (losses ? LAY_LANE : 0) + 2;
    draw_begin(h, (int)bottom, label);
    d.h = h;
    put_hatches(h);
    put_map(&d);
    put_axis(&d, bottom);
    buf_span(&h->out, buf_text(&rows.out));
    html(h, "</svg>");
    enum err err = html_ok(&rows);
    html_release(&rows);
    return err;
}

/* ---- while it is read ---- */

enum err timeline_draw_coarse(struct web_request *q, struct html *h, struct timeline *t)
{
    struct drawing d = {.q = q, .h = h};
    double y = 4;
    int n = 0;
    t->readers++;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->track.n; i++)
        n += t->track.p[i].run == q->run && t->track.p[i].coarse.column;
    draw_begin(h, (n > 40 ? 40 : n) * 22 + 8, "How many events each track has so far, over time");
    for (size_t i = 0; i < t->track.n && y < 40 * 22; i++) {
        const struct timeline_track *k = &t->track.p[i];
        const struct timeline_coarse *c = &k->coarse;
        uint32_t most = 1;
        if (k->run != q->run || !c->column) continue;
        for (int j = 0; j < TIMELINE_COLUMNS; j++) most = c->n[j] > most ? c->n[j] : most;
        draw_label(h, 8, y + 13, GUTTER - 16, "", timeline_label(q, k));
        for (int j = 0; j < TIMELINE_COLUMNS; j++)
            if (c->n[j])
                put_rect(&d, "b6", GUTTER + (double)PLOT * j / TIMELINE_COLUMNS,
                         y + 18 - 17.0 * c->n[j] / most, (double)PLOT / TIMELINE_COLUMNS,
                         17.0 * c->n[j] / most + 0.5);
        y += 22;
    }
    pthread_mutex_unlock(&t->lock);
    t->readers--;
    html(h, "</svg>");
    return ERR_OK;
}
