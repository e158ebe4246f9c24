/* timeline_pack.c - marks of the lanes as packed bytes. */
#include "web/timeline_pack.h"

#include <endian.h>
#include <math.h>
#include <string.h>

enum { MARKS = 2 * PACK_CELLS + LANE_LOOK_BACK + 2, MARKS_EXACT = PACK_ROWS + LANE_LOOK_BACK + 2 };

static void put_u16(struct buf *b, uint16_t x)
{
    x = htole16(x);
    buf_put(b, (const char *)&x, sizeof x);
}

static void put_u32(struct buf *b, uint32_t x)
{
    x = htole32(x);
    buf_put(b, (const char *)&x, sizeof x);
}

static void put_f32(struct buf *b, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    put_u32(b, bits);
}

static void put_f64(struct buf *b, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = htole64(bits);
    buf_put(b, (const char *)&bits, sizeof bits);
}

int64_t timeline_count(const struct timeline_view *v, int64_t t0, int64_t t1)
{
    int64_t n = 0;
    for (int i = 0; i < v->n_tracks; i++) {
        const struct timeline_track *k = &v->t->track.p[v->track[i]];
        for (int d = 0; d < k->n_lanes; d++)
            n += (int64_t)(lane_lower(&k->lane[d], t1) - lane_lower(&k->lane[d], t0));
    }
    return n;
}

void timeline_map(const struct timeline_view *v, bool streams, double share[TIMELINE_MAP])
{
    double one = (double)(v->end - v->base) / TIMELINE_MAP;
    for (int c = 0; c < TIMELINE_MAP; c++) share[c] = 0;
    for (int i = 0; i < v->n_tracks; i++) {
        const struct timeline_track *k = &v->t->track.p[v->track[i]];
        if (!k->n_lanes || (k->kind == TIMELINE_STREAM) != streams) continue;
        for (int c = 0; c < TIMELINE_MAP; c++) {
            int64_t from = v->base + (int64_t)(one * c), to = v->base + (int64_t)(one * (c + 1));
            size_t first = lane_first_seen(&k->lane[0], from), end = lane_lower(&k->lane[0], to);
            double busy = first < end ? lane_sum(&k->lane[0], first, end).busy / (one + 1) : 0;
            if (busy > share[c]) share[c] = busy;
        }
    }
}

struct packing {
    const struct timeline_view *v;
    struct buf *out;
    struct lane_mark *mark;
    int64_t t0, t1, cell;
    bool exact;
    uint32_t n_sections;
};

static void put_head(struct packing *p, int track, int lane, uint32_t n, uint32_t flags,
                     int64_t end)
{
    put_u32(p->out, (uint32_t)track);
    put_u32(p->out, (uint32_t)lane);
    put_u32(p->out, n);
    put_u32(p->out, flags);
    put_f64(p->out, (double)(end - p->v->base));
    p->n_sections++;
}

static void put_lane(struct packing *p, int track, int lane)
{
    const struct timeline_lane *l = &p->v->t->track.p[track].lane[lane];
    int64_t cell = p->exact ? 1 : p->cell, end;
    size_t limit = p->exact ? MARKS_EXACT : MARKS;
    size_t n = lane_marks(l, p->t0, cell, (p->t1 - p->t0) / cell, p->mark, limit, &end);
    if (!n) return;
    uint32_t flags = (p->exact ? PACK_EXACT : 0) | (end < p->t1 ? PACK_CUT : 0);
    put_head(p, track, lane, (uint32_t)n, flags, end);
    for (size_t i = 0; i < n; i++) {
        const struct lane_mark *m = &p->mark[i];
        put_f64(p->out, (double)(m->ts - p->v->base));
        put_f64(p->out, (double)m->dur);
        put_u32(p->out, m->count);
        put_u32(p->out, m->id);
        put_f32(p->out, (float)m->busy);
        put_u16(p->out, m->name);
        put_u16(p->out, m->flags);
    }
}

/* First point at or after ts. */
static size_t point_lower(const struct timeline_track *k, int64_t ts)
{
    size_t low = 0, high = k->point.n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (k->point.p[mid].ts < ts) low = mid + 1;
        else high = mid;
    }
    return low;
}

int timeline_values(const struct timeline_track *k, int64_t t0, int64_t column, int64_t n_columns,
                    struct timeline_range *out)
{
    int n = 0;
    size_t i = point_lower(k, t0);
    if (i) i--; /* the value that holds at t0 */
    int64_t at = -2;
    for (; i < k->point.n; i++) {
        const struct timeline_point *p = &k->point.p[i];
        int64_t place = p->ts < t0 ? -1 : (p->ts - t0) / column;
        if (place >= n_columns) break;
        if (place != at) out[n++] = (struct timeline_range){p->ts, p->value, p->value, p->value, 0};
        at = place;
        struct timeline_range *r = &out[n - 1];
        r->low = fmin(r->low, p->value), r->high = fmax(r->high, p->value);
        r->last = p->value;
        r->n++;
    }
    return n;
}

static void put_values(struct packing *p, int track)
{
    struct timeline_range value[PACK_CELLS + 1];
    int n = timeline_values(&p->v->t->track.p[track], p->t0, p->cell, PACK_CELLS, value);
    if (!n) return;
    put_head(p, track, 0, (uint32_t)n, PACK_VALUES, p->t1);
    for (int i = 0; i < n; i++) {
        put_f64(p->out, (double)(value[i].ts - p->v->base));
        put_f64(p->out, value[i].low);
        put_f64(p->out, value[i].high);
        put_u32(p->out, value[i].n);
        put_f32(p->out, (float)value[i].last);
    }
}

static void put_sections(struct packing *p)
{
    for (int i = 0; i < p->v->n_tracks; i++) {
        const struct timeline_track *k = &p->v->t->track.p[p->v->track[i]];
        for (int d = 0; d < k->n_lanes; d++) put_lane(p, p->v->track[i], d);
        if (k->point.n) put_values(p, p->v->track[i]);
    }
}

enum err timeline_pack_tile(const struct timeline_view *v, int64_t level, int64_t tile,
                            struct buf *out)
{
    struct packing p = {.v = v, .out = out};
    int64_t length;
    if (level < 0 || level >= PACK_LEVELS)
        FAIL(ERR_LIMIT, "level %lld: tiles have levels 0 to %d", (long long)level, PACK_LEVELS - 1);
    p.cell = (int64_t)1 << 2 * level;
    if (__builtin_mul_overflow(p.cell, (int64_t)PACK_CELLS, &length) || tile < 0 ||
        __builtin_mul_overflow(length, tile, &p.t0) ||
        __builtin_add_overflow(p.t0, v->base, &p.t0) || __builtin_add_overflow(p.t0, length, &p.t1))
        FAIL(ERR_LIMIT, "tile %lld of level %lld is past the end of time", (long long)tile,
             (long long)level);
    p.exact = timeline_count(v, p.t0, p.t1) <= PACK_ROWS;
    p.mark = malloc(MARKS_EXACT * sizeof *p.mark);
    if (!p.mark) FAIL(ERR_NOMEM, "out of memory for a tile");
    buf_puts(out, "PLT1");
    put_u32(out, 0);
    put_sections(&p);
    if (!out->failed) {
        uint32_t n = htole32(p.n_sections);
        memcpy(out->p + 4, &n, sizeof n);
    }
    free(p.mark);
    return buf_ok(out);
}
