/* timeline_view.c - an address as a view, a selection as an event, and steps between events. */
#include "web/timeline_view.h"

#include <string.h>
#include <strings.h>

#include "store/row.h"

/* ---- view ---- */

static bool has_times(const struct timeline_track *k)
{
    return k->first <= k->last;
}

static void find_range(struct timeline_view *v)
{
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (size_t i = 0; i < v->t->track.n; i++) {
        const struct timeline_track *k = &v->t->track.p[i];
        if (k->run != v->run || !has_times(k)) continue;
        if (k->first < first) first = k->first;
        if (k->last > last) last = k->last;
    }
    v->base = first <= last ? first : 0;
    v->end = first <= last ? (last > first ? last : first + 1) : 0;
}

static int64_t time_of(const char *text, int64_t otherwise)
{
    int64_t value;
    return text && span_to_i64(span_of(text), &value) ? value : otherwise;
}

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

static void find_stretch(struct timeline_view *v, const struct timeline_ask *ask)
{
    v->t0 = clamp(time_of(ask->t0, v->base), v->base, v->end);
    v->t1 = clamp(time_of(ask->t1, v->end), v->base, v->end);
    if (v->t1 <= v->t0) v->t0 = v->base, v->t1 = v->end;
    v->a0 = clamp(time_of(ask->a0, v->base), v->base, v->end);
    v->a1 = clamp(time_of(ask->a1, v->base), v->base, v->end);
    if (v->a1 <= v->a0) v->a0 = v->a1 = v->base;
}

/* Is the key one of the list? */
static bool listed(struct span list, const char *key)
{
    struct span k = span_of(key);
    while (list.n) {
        size_t comma = span_find(list, SPAN(","), 0);
        if (span_eq(span_to(list, comma), k)) return true;
        list = comma == SIZE_MAX ? SPAN("") : span_from(list, comma + 1);
    }
    return false;
}

static int choose(const struct timeline_view *v, const char *keys, int *out)
{
    int n = 0;
    for (size_t i = 0; i < v->t->track.n; i++) {
        const struct timeline_track *k = &v->t->track.p[i];
        if (k->run == v->run && has_times(k) && (!keys || listed(span_of(keys), k->key)))
            out[n++] = (int)i;
    }
    return n;
}

enum err timeline_view_make(const struct timeline *t, int64_t run, const struct timeline_ask *ask,
                            struct arena *arena, struct timeline_view *v)
{
    *v = (struct timeline_view){.t = t, .run = run};
    v->track = arena_array(arena, t->track.n + 1, sizeof *v->track);
    v->on = arena_array(arena, t->track.n + 1, sizeof *v->on);
    if (!v->track || !v->on) FAIL(ERR_NOMEM, "out of memory for a view of the timeline");
    find_range(v);
    find_stretch(v, ask);
    v->n_all = choose(v, NULL, v->track);
    v->n_tracks = ask->tracks ? choose(v, ask->tracks, v->track) : v->n_all;
    if (!v->n_tracks) v->n_tracks = choose(v, NULL, v->track);
    v->n_on = choose(v, ask->on ? ask->on : ask->tracks, v->on);
    if (!v->n_on) v->n_on = choose(v, NULL, v->on);
    return ERR_OK;
}

/* ---- selection ---- */

static const struct timeline_pick NOTHING = {-1, -1, SIZE_MAX};

/* The event of a lane that begins at ts; the first of several. */
static size_t begins_at(const struct timeline_lane *l, int64_t ts)
{
    size_t i = lane_lower(l, ts);
    return i < l->n && lane_row_at(l, i).ts == ts ? i : SIZE_MAX;
}

struct timeline_pick timeline_pick_parse(const struct timeline_view *v, const char *sel)
{
    struct span s = span_of(sel);
    size_t at = span_find(s, SPAN("@"), 0), colon = span_find(s, SPAN(":"), 0);
    int64_t ts, lane = -1;
    if (at == SIZE_MAX || !span_to_i64(span_from(span_to(s, colon), at + 1), &ts)) return NOTHING;
    if (colon != SIZE_MAX && !span_to_i64(span_from(s, colon + 1), &lane)) return NOTHING;
    for (size_t i = 0; i < v->t->track.n; i++) {
        const struct timeline_track *k = &v->t->track.p[i];
        if (k->run != v->run || !span_eq(span_to(s, at), span_of(k->key))) continue;
        for (int d = 0; d < k->n_lanes; d++) {
            size_t found = lane < 0 || lane == d ? begins_at(&k->lane[d], ts) : SIZE_MAX;
            if (found != SIZE_MAX) return (struct timeline_pick){(int)i, d, found};
        }
    }
    return NOTHING;
}

const char *timeline_pick_print(const struct timeline_view *v, struct timeline_pick p,
                                struct arena *arena)
{
    const struct timeline_track *k = &v->t->track.p[p.track];
    return arena_printf(arena, "%s@%lld:%d", k->key,
                        (long long)lane_row_at(&k->lane[p.lane], p.at).ts, p.lane);
}

struct timeline_pick timeline_find(const struct timeline_view *v, int64_t track_id, int64_t ts,
                                   int64_t id)
{
    for (size_t i = 0; i < v->t->track.n; i++) {
        const struct timeline_track *k = &v->t->track.p[i];
        if (k->id != track_id) continue;
        for (int d = 0; d < k->n_lanes; d++) {
            size_t at = begins_at(&k->lane[d], ts);
            for (; at < k->lane[d].n && lane_row_at(&k->lane[d], at).ts == ts; at++)
                if (k->lane[d].event[at].id == id) return (struct timeline_pick){(int)i, d, at};
        }
    }
    return NOTHING;
}

/* ---- steps ---- */

/* Which names hold the words, without regard to case; NULL: out of memory. */
static bool *matching_names(const struct timeline *t, const char *words, struct arena *arena)
{
    bool *match = arena_array(arena, t->name.n + 1, sizeof *match);
    size_t n = strlen(words);
    for (size_t i = 0; match && i < t->name.n; i++) {
        struct span s = t->name.p[i].text;
        for (size_t at = 0; at + n <= s.n && !match[i]; at++)
            match[i] = !strncasecmp(s.p + at, words, n);
    }
    return match;
}

/* The nearest event of a lane that begins after (before) ts and matches; SIZE_MAX none. */
static size_t step_in(const struct timeline_lane *l, int64_t ts, int step, const bool *match)
{
    size_t i = lane_lower(l, step > 0 && ts < INT64_MAX ? ts + 1 : ts);
    if (step > 0) {
        while (i < l->n && match && !match[l->event[i].name]) i++;
        return i < l->n ? i : SIZE_MAX;
    }
    while (i > 0 && match && !match[l->event[i - 1].name]) i--;
    return i ? i - 1 : SIZE_MAX;
}

static bool nearer(int64_t ts, int64_t best, int step)
{
    return step > 0 ? ts < best : ts > best;
}

struct timeline_pick timeline_step(const struct timeline_view *v, int track, int lane, int64_t ts,
                                   int step, const char *words, struct arena *arena)
{
    struct timeline_pick best = NOTHING;
    int64_t best_ts = 0;
    const bool *match = words ? matching_names(v->t, words, arena) : NULL;
    if (words && !match) return NOTHING;
    for (int i = 0; i < v->n_tracks; i++) {
        const struct timeline_track *k = &v->t->track.p[v->track[i]];
        if (track >= 0 && v->track[i] != track) continue;
        for (int d = 0; d < k->n_lanes; d++) {
            if (track >= 0 && lane >= 0 && d != lane) continue;
            size_t at = step_in(&k->lane[d], ts, step, match);
            if (at == SIZE_MAX) continue;
            int64_t found = lane_row_at(&k->lane[d], at).ts;
            if (best.track >= 0 && !nearer(found, best_ts, step)) continue;
            best = (struct timeline_pick){v->track[i], d, at};
            best_ts = found;
        }
    }
    return best;
}
