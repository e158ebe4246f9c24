/* timeline.h - what ran when, of a whole file, in memory: tracks, their lanes, names, losses.
 *
 *   timeline_load.c   one scan of the file's events in a thread of its own, into lanes
 *   timeline_special.c  what must be seen at every zoom
 *   timeline_hold.c   one timeline per file that is shown; requests borrow it
 *   timeline_area.c   exact sums of a stretch (pure)
 *   timeline_pack.c   the same as packed bytes for the browser (pure)
 *
 * Words: a track is a row of `track`; its lanes are the rows it is drawn as, by nesting. A track's
 * key stands in addresses: rank or pid, kind and number, "r0.t3804", "p26597.s7".
 * Threads: the loading thread alone writes until `state` is TIMELINE_READY; then nobody does. What
 * is read before is in `coarse`, guarded by its lock, and the atomics.
 * Memory: 16 bytes per event, 2 for the pyramid, 64 MB at most beside it for names and tracks.
 */
#ifndef WEB_TIMELINE_H
#define WEB_TIMELINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/base/arena.h"
#include "store/base/span.h"
#include "store/sqlite.h"
#include "web/timeline_lane.h"

enum timeline_state { TIMELINE_READING, TIMELINE_READY, TIMELINE_FAILED };
enum { TIMELINE_COLUMNS = 256, TIMELINE_NAMES = 65535, TIMELINE_COMPARISONS = 4 };

/* Track kinds (capture/events.def) and what is made of other tables. */
enum timeline_kind {
    TIMELINE_CHROMIUM = 1,
    TIMELINE_THREAD = 2,
    TIMELINE_STREAM = 3,
    TIMELINE_COUNTER = 4,
    TIMELINE_MEMORY = 5 /* bytes in use, summed over `alloc` */
};

struct timeline_name {
    struct span text;
    int kind;   /* event.kind */
    int colour; /* 1..6: c1..c6 */
    int64_t n;  /* events of that name */
    double busy;
};

/* How many events began per column; a column grows as the range does. */
struct timeline_coarse {
    int64_t t0, column; /* ns; column 0: nothing was read */
    uint32_t n[TIMELINE_COLUMNS];
    double busy[TIMELINE_COLUMNS];
};

struct timeline_point {
    int64_t ts;
    double value; /* NaN: not a number */
};

struct timeline_track {
    int64_t id, process, run;
    int kind;
    int64_t pid, tid, rank; /* STORE_NULL: none */
    const char *key;
    struct span name; /* absent: none */
    struct timeline_lane *lane;
    int n_lanes;
    struct lane_nest nest;
    int64_t last_ts, last_dur; /* of the row read last */
    bool unordered;            /* rows did not come by time: sorted after the scan */
    int64_t n, busy;           /* events; ns of lane 0 */
    int64_t first, last;       /* ns: begin of the first, end of the last; first > last: none */
    double high, low;          /* of the points */
    LIST_OF(struct timeline_point) point;
    struct timeline_coarse coarse;
};

struct timeline_loss {
    int64_t ts, run, count;
    struct span kind, message;
};

struct timeline {
    /* set before the thread starts */
    char *path, *shown;                     /* owned; as it is opened, as the user named it */
    char *comparison[TIMELINE_COMPARISONS]; /* owned; comparisons that are open too, then NULL */
    int file, generation;
    char tag[32];  /* names these contents in addresses of tiles */
    int refs;      /* guarded by the holder's lock */
    unsigned used; /* when it was asked for last; likewise */
    pthread_t thread;
    bool started;
    atomic_bool stop;
    /* while reading */
    atomic_int state;
    _Atomic int64_t n_read, n_total;
    atomic_int readers;   /* want the lock: the scan pauses */
    pthread_mutex_t lock; /* of coarse, and of tracks until ready */
    pthread_cond_t done;  /* state changed */
    /* when ready */
    struct arena arena;
    LIST_OF(struct timeline_track) track;
    LIST_OF(struct timeline_name) name;
    LIST_OF(struct timeline_loss) loss;
    int64_t n_untimed; /* events without a time */
    int64_t n_outside; /* events too far from the others of their track */
    int64_t n_trackless;
    char error[256];
};

/* timeline_load.c */
void *timeline_load(void *timeline);
void timeline_release(struct timeline *t);
/* Adds one event while the lock is held. */
void timeline_coarse_add(struct timeline_coarse *c, int64_t ts, int64_t dur);
/* 1..6: contraction or operator, copy, pointwise and reduction, collective, attention or combo,
 * host. */
int timeline_colour(int kind, struct span name);

/* timeline_special.c: flags by event id, sorted; an event may occur several times. */
struct timeline_special {
    LIST_OF(struct lane_flagged) list; /* at is the id */
};
enum err WARN_UNUSED timeline_read_special(const struct timeline *t, sqlite3 *db,
                                           struct timeline_special *out);

/* timeline_hold.c */
struct web_request;
struct timeline_hold;
struct timeline_hold *timeline_hold_new(void);
void timeline_hold_free(struct timeline_hold *h);
/* The timeline of the file that is shown; begins to read it, and waits for at most wait_ns. Give
 * it back. Whether it is ready is in its state. */
enum err WARN_UNUSED timeline_get(struct web_request *q, int64_t wait_ns, struct timeline **out);
void timeline_put(struct web_request *q, struct timeline *t);

#endif
