/* timeline_view.h - what of a timeline an address asks for: run, stretch of time, tracks, area,
 * selection. Pure; whatever the address holds gives a view that can be drawn.
 *
 *   t0, t1      ns of CLOCK_REALTIME; the whole run when they are none
 *   tracks      keys with commas; all tracks when not given
 *   a0, a1, on  selected area and its tracks; none, and those that are shown
 *   sel         KEY@TS or KEY@TS:LANE
 */
#ifndef WEB_TIMELINE_VIEW_H
#define WEB_TIMELINE_VIEW_H

#include "web/timeline.h"

struct timeline_view {
    const struct timeline *t;
    int64_t run;
    int64_t base, end; /* first and last time of the run; base == end: it has no times */
    int64_t t0, t1;    /* shown; base <= t0 < t1 */
    int64_t a0, a1;    /* area; a0 == a1: none */
    int *track;        /* shown, indices into t->track, owned by the arena */
    int n_tracks, n_all;
    int *on; /* of the area */
    int n_on;
};

struct timeline_ask { /* NULL: not given */
    const char *t0, *t1, *tracks, *a0, *a1, *on;
};
enum err WARN_UNUSED timeline_view_make(const struct timeline *t, int64_t run,
                                        const struct timeline_ask *ask, struct arena *arena,
                                        struct timeline_view *out);

struct timeline_pick {
    int track, lane; /* track -1: nothing is selected, or what is there is not found */
    size_t at;
};
struct timeline_pick timeline_pick_parse(const struct timeline_view *v, const char *sel);
/* Its address; NULL when out of memory. */
const char *timeline_pick_print(const struct timeline_view *v, struct timeline_pick p,
                                struct arena *arena);
/* The next (step 1) or previous (-1) event after `ts` on any shown track or, when not negative,
 * only on `track` and `lane`; words: NULL, or a text that names must hold. */
struct timeline_pick timeline_step(const struct timeline_view *v, int track, int lane, int64_t ts,
                                   int step, const char *words, struct arena *arena);
/* The event of that id. */
struct timeline_pick timeline_find(const struct timeline_view *v, int64_t track_id, int64_t ts,
                                   int64_t id);

#endif
