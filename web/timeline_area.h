/* timeline_area.h - exact sums over a stretch of time of some tracks. Pure.
 *
 * An event that begins or ends outside counts with the part inside: in `within` and `self`. n,
 * whole, least and longest are of whole events. self is what of `within` no event of the lane
 * below covers, so that the selves and the idle time of a track add up to the stretch.
 */
#ifndef WEB_TIMELINE_AREA_H
#define WEB_TIMELINE_AREA_H

#include "web/timeline.h"

struct timeline_total {
    int track;
    uint16_t name;
    int64_t n, within, self, whole, least, longest;
};
struct timeline_idle {
    int track;
    int64_t n, total; /* gaps, ns */
    int64_t longest, longest_ts;
};
struct timeline_area {
    LIST_OF(struct timeline_total) total; /* per name and track; release with LIST_RELEASE */
    LIST_OF(struct timeline_idle) idle;   /* per track with lanes */
};
enum err WARN_UNUSED timeline_area_sum(const struct timeline *t, const int *track, int n_tracks,
                                       int64_t t0, int64_t t1, struct timeline_area *out);
void timeline_area_release(struct timeline_area *a);

/* Of one track: how long nothing ran on it in [t0, t1). */
struct timeline_idle timeline_idle_of(const struct timeline_track *k, int64_t t0, int64_t t1);
/* Stretches of [t0, t1) in which nothing runs on the track and that last at least `least` ns. */
struct timeline_gap {
    int64_t ts, dur;
};
int timeline_gaps(const struct timeline_track *k, int64_t t0, int64_t t1, int64_t least,
                  struct timeline_gap *out, int limit);

#endif
