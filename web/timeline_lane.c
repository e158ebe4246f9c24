/* timeline_lane.c - events of a row in 16 bytes each, and a pyramid of sums over them. */
#include "web/timeline_lane.h"

#include <string.h>

#include "store/base/span.h"

enum { FIRST_SIZE = 16 };

static const int64_t SPAN_NS = (int64_t)1 << 48;

static int64_t ts_of(const struct timeline_lane *l, size_t i)
{
    const struct lane_event *e = &l->event[i];
    return l->base + (int64_t)((uint64_t)e->ts_high << 32 | e->ts_low);
}

static int by_at(const void *key, const void *item)
{
    uint32_t a = *(const uint32_t *)key, b = *(const uint32_t *)item; /* `at` is the first member */
    return a < b ? -1 : a > b;
}

static int64_t dur_of(const struct timeline_lane *l, size_t i)
{
    uint32_t at = (uint32_t)i;
    if (l->event[i].dur != UINT32_MAX) return l->event[i].dur;
    const struct lane_longer *longer =
        bsearch(&at, l->longer.p, l->longer.n, sizeof *l->longer.p, by_at);
    return longer ? longer->dur : 0;
}

static uint8_t flags_of(const struct timeline_lane *l, size_t i)
{
    uint32_t at = (uint32_t)i;
    if (!l->flagged.n) return 0;
    const struct lane_flagged *f =
        bsearch(&at, l->flagged.p, l->flagged.n, sizeof *l->flagged.p, by_at);
    return f ? f->flags : 0;
}

static int64_t end_at(int64_t ts, int64_t dur)
{
    int64_t end;
    return __builtin_add_overflow(ts, dur, &end) ? INT64_MAX : end;
}

/* ---- filling ---- */

static bool grow(struct timeline_lane *l)
{
    size_t size = l->size ? l->size * 2 : FIRST_SIZE;
    struct lane_event *fresh = realloc(l->event, size * sizeof *fresh);
    if (!fresh) return false;
    l->event = fresh;
    l->size = size;
    return true;
}

enum err lane_push(struct timeline_lane *l, const struct lane_row *row)
{
    int64_t at;
    if (!l->n && __builtin_sub_overflow(row->ts, SPAN_NS / 2, &l->base)) l->base = INT64_MIN;
    if (__builtin_sub_overflow(row->ts, l->base, &at) || at < 0 || at >= SPAN_NS)
        FAIL(ERR_LIMIT, "an event stands more than 39 hours from the first of its track");
    if (l->n == UINT32_MAX) FAIL(ERR_LIMIT, "a track has more than 4 294 967 295 events");
    if (l->n == l->size && !grow(l)) FAIL(ERR_NOMEM, "out of memory for a timeline");
    uint32_t index = (uint32_t)l->n;
    bool is_long = row->dur >= UINT32_MAX;
    if (is_long) {
        struct lane_longer *longer = LIST_PUSH(&l->longer);
        if (!longer) FAIL(ERR_NOMEM, "out of memory for a timeline");
        *longer = (struct lane_longer){index, row->dur};
    }
    if (row->flags) {
        struct lane_flagged *f = LIST_PUSH(&l->flagged);
        if (!f) FAIL(ERR_NOMEM, "out of memory for a timeline");
        *f = (struct lane_flagged){index, row->flags};
    }
    l->event[l->n++] = (struct lane_event){.id = row->id,
                                           .dur = is_long        ? UINT32_MAX
                                                  : row->dur > 0 ? (uint32_t)row->dur
                                                                 : 0,
                                           .ts_low = (uint32_t)at,
                                           .ts_high = (uint16_t)(at >> 32),
                                           .name = row->name};
    return ERR_OK;
}

void lane_release(struct timeline_lane *l)
{
    free(l->event);
    LIST_RELEASE(&l->longer);
    LIST_RELEASE(&l->flagged);
    for (int k = 0; k < l->n_levels; k++) free(l->node[k]);
    *l = (struct timeline_lane){0};
}

/* ---- sums ---- */

static struct lane_sum no_sum(void)
{
    return (struct lane_sum){.longest = SIZE_MAX};
}

static void vote(struct lane_sum *s, uint16_t name, float weight)
{
    if (s->longest == SIZE_MAX || s->name == name) {
        s->name = name;
        s->weight += weight;
    } else if (weight > s->weight) {
        s->name = name;
        s->weight = weight - s->weight;
    } else s->weight -= weight;
}

static void add_longest(struct lane_sum *s, size_t at, float dur)
{
    if (s->longest == SIZE_MAX || dur > s->most) s->longest = at, s->most = dur;
}

static void add_event(const struct timeline_lane *l, struct lane_sum *s, size_t i)
{
    int64_t dur = dur_of(l, i);
    vote(s, l->event[i].name, (float)dur);
    s->busy += (double)dur;
    add_longest(s, i, (float)dur);
}

/* Events [from, end) one by one. */
static void add_events(const struct timeline_lane *l, struct lane_sum *s, size_t from, size_t end)
{
    if (from >= end) return;
    for (size_t i = from; i < end; i++) add_event(l, s, i);
    size_t low = 0, high = l->flagged.n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (l->flagged.p[mid].at < from) low = mid + 1;
        else high = mid;
    }
    for (; low < l->flagged.n && l->flagged.p[low].at < end; low++)
        s->flags |= l->flagged.p[low].flags;
}

static void add_node(struct lane_sum *s, const struct lane_node *n)
{
    vote(s, n->name, n->weight);
    s->busy += n->busy;
    add_longest(s, n->longest, n->most);
    s->flags |= n->flags;
}

static struct lane_node node_of(const struct lane_sum *s)
{
    return (struct lane_node){.busy = s->busy,
                              .weight = s->weight,
                              .longest = (uint32_t)s->longest,
                              .most = s->most,
                              .name = s->name,
                              .flags = s->flags};
}

static enum err make_level(struct timeline_lane *l, size_t below, size_t fan)
{
    int k = l->n_levels;
    size_t n = (below + fan - 1) / fan;
    l->node[k] = malloc((n ? n : 1) * sizeof *l->node[k]);
    if (!l->node[k]) FAIL(ERR_NOMEM, "out of memory for the pyramid of a timeline");
    l->n_nodes[k] = n;
    l->n_levels = k + 1;
    for (size_t i = 0; i < n; i++) {
        struct lane_sum s = no_sum();
        size_t end = (i + 1) * fan < below ? (i + 1) * fan : below;
        if (!k) add_events(l, &s, i * fan, end);
        for (size_t j = i * fan; k && j < end; j++) add_node(&s, &l->node[k - 1][j]);
        l->node[k][i] = node_of(&s);
    }
    return ERR_OK;
}

enum err lane_build(struct timeline_lane *l)
{
    TRY(make_level(l, l->n, LANE_LEAF));
    while (l->n_nodes[l->n_levels - 1] > LANE_FAN && l->n_levels < LANE_LEVELS)
        TRY(make_level(l, l->n_nodes[l->n_levels - 1], LANE_FAN));
    if (l->n && l->size > l->n) {
        struct lane_event *tight = realloc(l->event, l->n * sizeof *tight);
        if (tight) l->event = tight, l->size = l->n;
    }
    return ERR_OK;
}

/* Nodes [from, end) of level k; their ragged ends from the level itself, the middle from above. */
static void sum_nodes(const struct timeline_lane *l, int k, size_t from, size_t end,
                      struct lane_sum *s)
{
    size_t up = (from + LANE_FAN - 1) / LANE_FAN, up_end = end / LANE_FAN;
    if (k + 1 >= l->n_levels || up >= up_end) {
        for (size_t i = from; i < end; i++) add_node(s, &l->node[k][i]);
        return;
    }
    for (size_t i = from; i < up * LANE_FAN; i++) add_node(s, &l->node[k][i]);
    sum_nodes(l, k + 1, up, up_end, s);
    for (size_t i = up_end * LANE_FAN; i < end; i++) add_node(s, &l->node[k][i]);
}

struct lane_sum lane_sum(const struct timeline_lane *l, size_t from, size_t end)
{
    struct lane_sum s = no_sum();
    size_t leaf = (from + LANE_LEAF - 1) / LANE_LEAF, leaf_end = end / LANE_LEAF;
    if (!l->n_levels || leaf >= leaf_end) {
        add_events(l, &s, from, end);
        return s;
    }
    add_events(l, &s, from, leaf * LANE_LEAF);
    sum_nodes(l, 0, leaf, leaf_end, &s);
    add_events(l, &s, leaf_end * LANE_LEAF, end);
    return s;
}

/* ---- places ---- */

struct lane_row lane_row_at(const struct timeline_lane *l, size_t i)
{
    return (struct lane_row){.ts = ts_of(l, i),
                             .dur = dur_of(l, i),
                             .id = l->event[i].id,
                             .name = l->event[i].name,
                             .flags = flags_of(l, i)};
}

/* lane_lower within [from, n): gallops, since the next place is mostly near. */
static size_t lower_from(const struct timeline_lane *l, size_t from, int64_t ts)
{
    size_t step = 1, low = from, high = from;
    while (high < l->n && ts_of(l, high) < ts) {
        low = high + 1;
        high = l->n - high > step ? high + step : l->n;
        step *= 2;
    }
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (ts_of(l, mid) < ts) low = mid + 1;
        else high = mid;
    }
    return low;
}

size_t lane_lower(const struct timeline_lane *l, int64_t ts)
{
    size_t low = 0, high = l->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (ts_of(l, mid) < ts) low = mid + 1;
        else high = mid;
    }
    return low;
}

size_t lane_first_seen(const struct timeline_lane *l, int64_t ts)
{
    size_t at = lane_lower(l, ts), first = at;
    size_t back = l->overlaps ? LANE_LOOK_BACK : 1;
    for (size_t i = 1; i <= back && i <= at; i++)
        if (end_at(ts_of(l, at - i), dur_of(l, at - i)) > ts) first = at - i;
    return first;
}

/* ---- marks ---- */

static struct lane_mark mark_of(const struct timeline_lane *l, size_t i)
{
    int64_t dur = dur_of(l, i);
    return (struct lane_mark){.ts = ts_of(l, i),
                              .dur = dur,
                              .busy = (double)dur,
                              .count = 1,
                              .id = l->event[i].id,
                              .name = l->event[i].name,
                              .flags = flags_of(l, i)};
}

static struct lane_mark mark_of_many(const struct timeline_lane *l, size_t from, size_t end)
{
    if (end - from == 1) return mark_of(l, from);
    struct lane_sum s = lane_sum(l, from, end);
    int64_t ts = ts_of(l, from);
    return (struct lane_mark){.ts = ts,
                              .dur = end_at(ts_of(l, end - 1), dur_of(l, end - 1)) - ts,
                              .busy = s.busy,
                              .count = (uint32_t)(end - from),
                              .id = l->event[s.longest].id,
                              .name = s.name,
                              .flags = s.flags};
}

size_t lane_marks(const struct timeline_lane *l, int64_t t0, int64_t cell, int64_t n_cells,
                  struct lane_mark *out, size_t limit, int64_t *end)
{
    int64_t length;
    if (__builtin_mul_overflow(cell, n_cells, &length)) length = INT64_MAX;
    *end = end_at(t0, length);
    size_t n = 0, i = lane_first_seen(l, t0);
    for (; i < l->n && ts_of(l, i) < t0 && n < limit; i++) {
        int64_t stop = end_at(ts_of(l, i), dur_of(l, i));
        if (stop > t0) out[n++] = mark_of(l, i);
    }
    while (i < l->n && ts_of(l, i) < *end) {
        if (n + 2 > limit) {
            *end = ts_of(l, i);
            break;
        }
        /* Of the events that begin in a cell only the last can be longer than what is left of it;
         * in a lane whose events overlap any can, and then the cell is as long as they are. */
        uint64_t into = (uint64_t)ts_of(l, i) - (uint64_t)t0;
        int64_t cell_end = end_at(end_at(t0, (int64_t)(into - into % (uint64_t)cell)), cell);
        size_t next = lower_from(l, i, cell_end);
        bool last_is_long = next - i > 1 && dur_of(l, next - 1) >= cell;
        out[n++] = mark_of_many(l, i, next - last_is_long);
        if (last_is_long) out[n++] = mark_of(l, next - 1);
        i = next;
    }
    return n;
}

/* ---- nesting ---- */

int lane_nest_place(struct lane_nest *nest, int64_t ts, int64_t dur, bool *overlaps)
{
    while (nest->open && nest->end[nest->open - 1] <= ts) nest->open--;
    *overlaps = nest->open == LANE_DEPTHS;
    int at = *overlaps ? LANE_DEPTHS - 1 : nest->open++;
    int64_t end = end_at(ts, dur);
    if (!*overlaps || end > nest->end[at]) nest->end[at] = end;
    return at;
}
