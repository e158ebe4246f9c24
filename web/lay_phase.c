/* lay_phase.c - the nested spans of one compile as rows of boxes.
 *
 * Parents come before their children in time order; a parent that comes later (damaged input) is
 * no parent. So one pass in order resolves rows, kinds and durations, and nothing recurses.
 */
#include "web/lay_phase.h"

#include "store/base/map.h"

struct layout {
    const struct phase_span *spans;
    int n, n_kinds;
    struct phase_box *boxes;
    int *children; /* per span: how many boxes of their own stand right below */
    int64_t end;
};

static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static enum err find_parents(struct layout *l)
{
    struct map ids = {0};
    enum err err = ERR_OK;
    for (int i = 0; i < l->n && !err; i++) {
        int64_t *parent =
            l->spans[i].parent > 0 ? map_get(&ids, map_key_int(l->spans[i].parent, 1)) : NULL;
        l->boxes[i].parent = parent ? (int)*parent : -1;
        if (!map_put(&ids, map_key_int(l->spans[i].id, 1), i, NULL))
            err = err_set(ERR_NOMEM, "out of memory for %d spans", l->n);
    }
    map_release(&ids);
    return err;
}

static void find_end(struct layout *l)
{
    for (int i = 0; i < l->n; i++) {
        int64_t end = add(l->spans[i].ts, l->spans[i].dur > 0 ? l->spans[i].dur : 0);
        if (i == 0 || end > l->end) l->end = end;
    }
}

static void resolve(struct layout *l, int i)
{
    struct phase_box *b = &l->boxes[i];
    const struct phase_span *s = &l->spans[i];
    const struct phase_box *parent = b->parent >= 0 ? &l->boxes[b->parent] : NULL;
    int64_t parent_end = parent ? add(l->spans[b->parent].ts, parent->dur) : l->end;
    b->dur = s->dur >= 0 ? s->dur : parent_end > s->ts ? parent_end - s->ts : 0;
    b->self = b->dur;
    b->kind = s->kind >= 0 && s->kind < l->n_kinds ? s->kind
              : parent                             ? parent->kind
                                                   : l->n_kinds - 1;
    if (parent) {
        struct phase_box *p = &l->boxes[b->parent];
        p->self = p->self > b->dur ? p->self - b->dur : 0;
    }
}

/* Row below its parent's; outermost spans of each track stand below the tracks before. */
static void place(struct layout *l, int i, int base)
{
    struct phase_box *b = &l->boxes[i];
    b->host = i;
    if (b->parent < 0) {
        b->row = base;
        return;
    }
    const struct phase_box *parent = &l->boxes[b->parent];
    const struct phase_box *host = &l->boxes[parent->host];
    bool most = (double)b->dur >= 0.9 * (double)parent->dur && parent->dur > 0;
    b->row = host->row + 1;
    if (most && b->kind == host->kind) b->host = parent->host;
}

static int place_track(struct layout *l, int64_t track, int base)
{
    int last = base - 1;
    for (int i = 0; i < l->n; i++) {
        if (l->spans[i].track != track) continue;
        place(l, i, base);
        if (l->boxes[i].row >= base + PHASE_MAX_ROWS) l->boxes[i].row = base + PHASE_MAX_ROWS - 1;
        if (l->boxes[i].host == i && l->boxes[i].row > last) last = l->boxes[i].row;
        if (l->boxes[i].host != i) l->boxes[i].row = -1;
    }
    return last + 1;
}

enum err lay_phases(const struct phase_span *spans, int n, int n_kinds, double x0, double width,
                    struct arena *arena, struct phase_layout *out)
{
    struct layout l = {.spans = spans, .n = n, .n_kinds = n_kinds};
    *out = (struct phase_layout){0};
    out->boxes = l.boxes = arena_array(arena, (size_t)n + 1, sizeof *l.boxes);
    bool *done = arena_array(arena, (size_t)n + 1, sizeof *done);
    if (!l.boxes || !done) FAIL(ERR_NOMEM, "out of memory for %d spans", n);
    TRY(find_parents(&l));
    find_end(&l);
    for (int i = 0; i < n; i++) resolve(&l, i);
    for (int i = 0; i < n; i++) {
        if (done[i]) continue;
        out->n_rows = place_track(&l, spans[i].track, out->n_rows);
        for (int k = i; k < n; k++) done[k] |= spans[k].track == spans[i].track;
    }
    out->t0 = n ? spans[0].ts : 0, out->t1 = l.end;
    out->axis = lay_axis(out->t0, out->t1, x0, width, 14);
    for (int i = 0; i < n; i++) {
        struct phase_box *b = &l.boxes[i];
        b->x = lay_axis_x(&out->axis, spans[i].ts);
        b->width = lay_axis_x(&out->axis, add(spans[i].ts, b->dur)) - b->x;
    }
    return ERR_OK;
}
