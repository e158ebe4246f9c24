/* timeline_area.c - sums over a stretch of time, row by row. */
#include "web/timeline_area.h"

#include <string.h>

struct stretch {
    int64_t t0, t1;
};

static int64_t inside(const struct stretch *s, int64_t ts, int64_t dur)
{
    int64_t end;
    if (__builtin_add_overflow(ts, dur, &end)) end = INT64_MAX;
    if (ts < s->t0) ts = s->t0;
    if (end > s->t1) end = s->t1;
    return end > ts ? end - ts : 0;
}

/* What a file says may be more than 64 bits of it. */
static void add_to(int64_t *sum, int64_t x)
{
    if (__builtin_add_overflow(*sum, x, sum)) *sum = INT64_MAX;
}

/* Time of events of the lane below that begin within an event, cut to it and to the stretch.
 * *at: where the lane below stands; it only goes forward. */
static int64_t below(const struct timeline_lane *l, const struct stretch *s,
                     const struct lane_row *in, size_t *at)
{
    int64_t sum = 0;
    struct stretch cut = {in->ts > s->t0 ? in->ts : s->t0, in->ts + in->dur};
    if (cut.t1 > s->t1) cut.t1 = s->t1;
    while (*at < l->n) {
        struct lane_row r = lane_row_at(l, *at);
        if (r.ts >= in->ts + in->dur) break;
        if (r.ts >= in->ts) add_to(&sum, inside(&cut, r.ts, r.dur));
        ++*at;
    }
    return sum;
}

static void add(struct timeline_total *total, const struct lane_row *r, int64_t within,
                int64_t self)
{
    if (!total->n || r->dur < total->least) total->least = r->dur;
    if (r->dur > total->longest) total->longest = r->dur;
    total->n++;
    add_to(&total->whole, r->dur);
    add_to(&total->within, within);
    add_to(&total->self, self > 0 ? self : 0);
}

static void sum_lane(const struct timeline_track *k, int d, const struct stretch *s,
                     struct timeline_total *totals)
{
    static const struct timeline_lane none = {0};
    const struct timeline_lane *l = &k->lane[d],
                               *next = d + 1 < k->n_lanes ? &k->lane[d + 1] : &none;
    size_t i = lane_first_seen(l, s->t0),
           at = i < l->n ? lane_lower(next, lane_row_at(l, i).ts) : 0;
    for (; i < l->n; i++) {
        struct lane_row r = lane_row_at(l, i);
        if (r.ts >= s->t1) break;
        int64_t within = inside(s, r.ts, r.dur);
        if (!within && r.ts < s->t0) continue;
        add(&totals[r.name], &r, within, within - below(next, s, &r, &at));
    }
}

static enum err sum_track(const struct timeline *t, int track, const struct stretch *s,
                          struct timeline_total *totals, struct timeline_area *out)
{
    const struct timeline_track *k = &t->track.p[track];
    memset(totals, 0, t->name.n * sizeof *totals);
    for (int d = 0; d < k->n_lanes; d++) sum_lane(k, d, s, totals);
    for (size_t i = 0; i < t->name.n; i++) {
        if (!totals[i].n) continue;
        struct timeline_total *to = LIST_PUSH(&out->total);
        if (!to) FAIL(ERR_NOMEM, "out of memory for the sums of an area");
        *to = totals[i];
        to->name = (uint16_t)i;
        to->track = track;
    }
    return ERR_OK;
}

/* ---- idle ---- */

struct gaps {
    const struct timeline_track *k;
    int64_t least;
    struct timeline_gap *out;
    int n, limit;
    struct timeline_idle sum;
};

/* What of [t0, t1) no event of lane d covers; what an event of the lane above did not cover can
 * still be covered by one that outlasted it. */
static void find_gaps(struct gaps *g, int d, int64_t t0, int64_t t1)
{
    if (d < g->k->n_lanes) {
        const struct timeline_lane *l = &g->k->lane[d];
        int64_t at = t0;
        for (size_t i = lane_first_seen(l, t0); i < l->n && at < t1; i++) {
            struct lane_row r = lane_row_at(l, i);
            if (r.ts >= t1) break;
            if (r.ts > at) find_gaps(g, d + 1, at, r.ts);
            if (r.ts + r.dur > at) at = r.ts + r.dur;
        }
        if (at < t1) find_gaps(g, d + 1, at, t1);
        return;
    }
    int64_t dur = t1 - t0;
    g->sum.n++;
    g->sum.total += dur;
    if (dur > g->sum.longest) g->sum.longest = dur, g->sum.longest_ts = t0;
    if (dur >= g->least && g->n < g->limit) g->out[g->n++] = (struct timeline_gap){t0, dur};
}

int timeline_gaps(const struct timeline_track *k, int64_t t0, int64_t t1, int64_t least,
                  struct timeline_gap *out, int limit)
{
    struct gaps g = {.k = k, .least = least, .out = out, .limit = limit};
    if (k->n_lanes && t1 > t0) find_gaps(&g, 0, t0, t1);
    return g.n;
}

struct timeline_idle timeline_idle_of(const struct timeline_track *k, int64_t t0, int64_t t1)
{
    struct gaps g = {.k = k, .least = INT64_MAX};
    if (k->n_lanes && t1 > t0) find_gaps(&g, 0, t0, t1);
    return g.sum;
}

enum err timeline_area_sum(const struct timeline *t, const int *track, int n_tracks, int64_t t0,
                           int64_t t1, struct timeline_area *out)
{
    struct stretch s = {t0, t1};
    struct timeline_total *totals = calloc(t->name.n + 1, sizeof *totals);
    enum err err = totals ? ERR_OK : err_set(ERR_NOMEM, "out of memory for the sums of an area");
    for (int i = 0; i < n_tracks && !err && t1 > t0; i++) {
        const struct timeline_track *k = &t->track.p[track[i]];
        if (!k->n_lanes) continue;
        err = sum_track(t, track[i], &s, totals, out);
        struct timeline_idle *idle = err ? NULL : LIST_PUSH(&out->idle);
        if (idle) *idle = timeline_idle_of(k, t0, t1), idle->track = track[i];
        else if (!err) err = err_set(ERR_NOMEM, "out of memory for the sums of an area");
    }
    free(totals);
    return err;
}

void timeline_area_release(struct timeline_area *a)
{
    LIST_RELEASE(&a->total);
    LIST_RELEASE(&a->idle);
}
