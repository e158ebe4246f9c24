/* timeline_pack.h - parts of a timeline as packed little-endian bytes for the browser. Pure.
 *
 *   head      "PLT1", u32 number of sections
 *   section   u32 track, u32 lane, u32 n, u32 flags, f64 end; then n marks of 32 bytes:
 *   mark      f64 ts, f64 dur, u32 count, u32 id, f32 busy, u16 name, u16 flags
 *   value     f64 ts, f64 low, f64 high, u32 count, f32 last       (section flag PACK_VALUES)
 *
 * Times are ns from the base of the run, which a double holds exactly for 104 days. A tile is
 * PACK_CELLS cells of 4^level ns; tile n begins n tiles after the base. A tile with at most
 * PACK_ROWS events in all its tracks holds every event singly (PACK_EXACT).
 */
#ifndef WEB_TIMELINE_PACK_H
#define WEB_TIMELINE_PACK_H

#include "store/base/buf.h"
#include "web/timeline_view.h"

enum { PACK_CELLS = 256, PACK_LEVELS = 24, PACK_ROWS = 8000 };
enum pack_flags {
    PACK_EXACT = 1,
    PACK_CUT = 2 /* marks from `end` on are left out */,
    PACK_VALUES = 4
};

/* Writes the tracks that the view shows. ERR_LIMIT for a level or tile there is none of. */
enum err WARN_UNUSED timeline_pack_tile(const struct timeline_view *v, int64_t level, int64_t tile,
                                        struct buf *out);

/* Values of a counter in columns: low and high of each that has any. */
struct timeline_range {
    int64_t ts; /* of the first value in the column */
    double low, high, last;
    uint32_t n;
};
int timeline_values(const struct timeline_track *k, int64_t t0, int64_t column, int64_t n_columns,
                    struct timeline_range *out);
/* Busy share of the whole run per column, of streams or of all other tracks: the busiest one's.
 * Above 1 where an event of the column goes on after it. */
enum { TIMELINE_MAP = 180 };
void timeline_map(const struct timeline_view *v, bool streams, double share[TIMELINE_MAP]);
/* Events that begin in [t0, t1) on the shown tracks. */
int64_t timeline_count(const struct timeline_view *v, int64_t t0, int64_t t1);

#endif
