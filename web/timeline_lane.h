/* timeline_lane.h - the events of one row of a track, and sums over any stretch of them. Pure.
 *
 * A lane holds events in the order of their beginnings; in all lanes but the deepest of a track no
 * two overlap, so what begins in a stretch of time is a stretch of the array. Over it stands a
 * pyramid: a node of level 0 sums LANE_LEAF events, a node of level k 4 nodes of level k - 1.
 *
 *   level 1   [            64 events            ] ...
 *   level 0   [  16  ][  16  ][  16  ][  16  ]  ...
 *   events    ................................  16 bytes each
 *
 * A sum over n events so touches about 6 log4(n) nodes and at most 2 * LANE_LEAF events, whatever
 * the zoom. The pyramid is over events and not over time: it costs 2 bytes per event whether they
 * are dense or years apart, and its cells are exact.
 *
 * Words: id is event.id; a name is an index into the timeline's names.
 */
#ifndef WEB_TIMELINE_LANE_H
#define WEB_TIMELINE_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"
#include "store/base/lists.h"

enum { LANE_LEAF = 16, LANE_FAN = 4, LANE_LEVELS = 16, LANE_LOOK_BACK = 64 };

/* What must be seen at every zoom. */
enum lane_flags {
    LANE_ERROR = 1,      /* an error was reported in it */
    LANE_DIVERGENCE = 2, /* it differs in a comparison that the file holds */
    LANE_NONFINITE = 4,  /* a NaN or an infinity in its tensors */
    LANE_INSTANT = 8,    /* it has no length by its kind */
    LANE_UNCLOSED = 16   /* its end is not known; dur is 0 */
};

/* An event as it comes in and goes out. Times are ns of CLOCK_REALTIME. */
struct lane_row {
    int64_t ts, dur;
    uint32_t id;
    uint16_t name;
    uint8_t flags; /* enum lane_flags */
};

struct lane_event {
    uint32_t id, dur; /* dur UINT32_MAX: stands in `longer` */
    uint32_t ts_low;  /* ts - base, 48 bits */
    uint16_t ts_high, name;
};
struct lane_longer {
    uint32_t at; /* index of the event */
    int64_t dur;
};
struct lane_flagged {
    uint32_t at;
    uint8_t flags;
};
struct lane_node {
    double busy;      /* ns, sum of durations */
    float weight;     /* by how much `name` leads (majority vote weighted by duration) */
    uint32_t longest; /* index of the longest event, as far as 7 digits tell */
    float most;       /* its duration */
    uint16_t name;    /* the dominant one: exact when it has more than half of the time */
    uint8_t flags;
};
struct timeline_lane {
    int64_t base; /* set by the first push */
    struct lane_event *event;
    size_t n, size;
    LIST_OF(struct lane_longer) longer;
    LIST_OF(struct lane_flagged) flagged;
    struct lane_node *node[LANE_LEVELS];
    size_t n_nodes[LANE_LEVELS];
    int n_levels; /* 0 until lane_build */
    bool overlaps;
};

/* Appends; the caller gives rows by rising ts. ERR_LIMIT for a time more than 2^47 ns (39 hours)
 * from the lane's first: the caller counts it. ERR_NOMEM. */
enum err WARN_UNUSED lane_push(struct timeline_lane *l, const struct lane_row *row);
/* Makes the pyramid. */
enum err WARN_UNUSED lane_build(struct timeline_lane *l);
void lane_release(struct timeline_lane *l);

struct lane_row lane_row_at(const struct timeline_lane *l, size_t i);
/* First event that begins at or after ts. */
size_t lane_lower(const struct timeline_lane *l, int64_t ts);
/* First event that ends after ts: what a view from ts on shows. Looks back one event, in a lane
 * whose events overlap LANE_LOOK_BACK. */
size_t lane_first_seen(const struct timeline_lane *l, int64_t ts);

/* Sum over the events [from, end). */
struct lane_sum {
    double busy;
    size_t longest; /* SIZE_MAX: no events */
    float most, weight;
    uint16_t name;
    uint8_t flags;
};
struct lane_sum lane_sum(const struct timeline_lane *l, size_t from, size_t end);
/* What is drawn: single events that are at least a cell long or alone in their cell, and cells of
 * several that are shorter. Events that begin before t0 and are still running at t0 come first. */
struct lane_mark {
    int64_t ts,
        dur;        /* of the event; of a cell from its first event's begin to its last one's end */
    double busy;    /* ns */
    uint32_t count; /* 1: a single event */
    uint32_t id;    /* of the event; of a cell its longest */
    uint16_t name;  /* dominant */
    uint8_t flags;
};
/* Marks of [t0, t0 + n_cells * cell) at most `limit`; returns their number. A stretch that needs
 * more ends early: then *end is where, else the end of the window. */
size_t lane_marks(const struct timeline_lane *l, int64_t t0, int64_t cell, int64_t n_cells,
                  struct lane_mark *out, size_t limit, int64_t *end);

/* Puts the events of a track into lanes by nesting: row d is what begins while one is open in row
 * d - 1. Rows must come by (ts rising, dur falling, id). */
enum { LANE_DEPTHS = 48 };
struct lane_nest {
    int64_t end[LANE_DEPTHS];
    int open; /* lanes 0 .. open - 1 have an event that has not ended */
};
/* The lane of an event; a deeper one than there is goes into the last and overlaps there. */
int lane_nest_place(struct lane_nest *nest, int64_t ts, int64_t dur, bool *overlaps);

#endif
