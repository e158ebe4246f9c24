/* drain_state.h - what the parts of the drain share.
 *
 *   drain.c        passes, batches, the clock
 *   drain_lane.c   records -> calls and their neighbours
 *   drain_digest.c digests -> the uses that they are of
 *   drain_log.c    what a compiler tells -> a log, and rows as of an imported one
 *   drain_text.c   a call's items -> its texts
 *   drain_use.c    a call's items -> rows of tensor_use
 *   drain_stack.c  return addresses -> stack
 *   drain_recover.c  after a kill: where the trace ends, what it has
 *
 * An operator's arguments, results and digests are *items* until it ends; then they become texts
 * and rows. Rows of events wait for the batch, so that most ends are known when they are written;
 * the end of a call whose event is in the file already is an UPDATE.
 */
#ifndef CAPTURE_DRAIN_STATE_H
#define CAPTURE_DRAIN_STATE_H

#include "capture/cap.h"
#include "capture/drain.h"
#include "store/base/buf.h"
#include "store/base/lists.h"

enum { DRAIN_INDICES = 16 };

enum drain_what { ITEM_TENSOR, ITEM_SCALAR, ITEM_LIST, ITEM_LIST_END };
struct drain_item {
    uint8_t what;
    uint8_t sub;    /* TENSOR cap_phase, SCALAR cap_scalar */
    bool is_result; /* SCALAR, and what is_result_item finds out of LIST */
    uint32_t keyword, form, version;
    uint32_t digest, n_digests; /* TENSOR: index + 1 of its first in the lane's list; 0 none */
    uint64_t value;             /* TENSOR number in the log + 1; SCALAR its bits */
    int64_t artifact;
};
/* A digest of a use. */
struct drain_digest {
    uint32_t next; /* of the same use: index + 1, 0 none */
    int64_t kind;
    int64_t bits, part;
    bool stats;
    int64_t nans, infs;
    double low, high, total, magnitude, squares;
};
struct drain_remark {
    uint32_t key;
    struct cap_value value;
};
/* How far a ring is in the trace. */
struct drain_mark {
    uint64_t at;
    int64_t calls;
    int64_t top; /* event of the innermost open scope, 0 none */
};
struct drain_call {
    int64_t number, ts, done; /* done: 0 not said */
    enum cap_kind kind;
    uint32_t name, header, stack;
    int64_t position, depth;              /* of its line */
    uint64_t generation;                  /* of the batch that its event waits for */
    size_t event;                         /* place in that batch */
    size_t items, uses, digests, remarks; /* where its own begin in the lane's lists */
    bool cut, known; /* known: all its rows are in the file already (recovery) */
    int64_t failed;  /* event of an error, 0 none */
    struct drain_mark begin;
};
struct drain_counter {
    uint32_t name;
    int64_t track, ts;
};

/* A ring and its owner. */
struct drain_lane {
    struct ring_head *head;
    const struct ring_record *records;
    uint64_t mask;
    int region;
    uint32_t owner;         /* 0: none yet */
    struct drain_mark mark; /* records read */
    uint64_t until;         /* of this pass */
    uint64_t written;       /* recovery: what records below become at once is in the trace */
    uint64_t dropped, cut;  /* counted already */
    int64_t source, track, last_ts; /* source 0: its owner has ended */
    int raised;                     /* lines are that much deeper */
    bool touched, left;             /* left: its owner has ended, and this batch is its last */
    LIST_OF(struct drain_call) open;
    LIST_OF(struct drain_item) items;
    LIST_OF(size_t) uses; /* items that are tensors */
    LIST_OF(struct drain_digest) digests;
    LIST_OF(struct drain_remark) remarks;
    LIST_OF(struct drain_counter) counters;
};

/* Words of a form. */
struct drain_form {
    int64_t dtype, shape, stride;
    struct span text; /* "f32[3, 8]", in keep */
};
/* Words of a call's texts. */
struct drain_texts {
    int64_t args, kwargs, output, log;
};

struct drain {
    struct ring *ring;
    struct store_writer *writer;
    struct drain_log *log; /* of compiles; NULL in a recovery */
    sqlite3 *db;           /* recovery: for what is in the trace already; else NULL */
    LIST_OF(struct drain_lane) lanes;

    struct store_batch *batch;        /* owned */
    LIST_OF(struct row_event) events; /* of the batch, still open ones too */
    uint64_t generation;

    /* words */
    LIST_OF(int64_t) words; /* number of a word -> string */
    LIST_OF(struct drain_form) forms;
    LIST_OF(int64_t) stacks;
    struct map launches; /* record -> launch */
    struct map texts;    /* items -> index in known */
    LIST_OF(struct drain_texts) known;
    int64_t index[DRAIN_INDICES], word_t, word_empty, device;
    struct arena keep;
    struct buf scratch, line;
    LIST_OF(uint64_t) key;

    /* clock */
    LIST_OF(struct ring_knot) knots;
    int64_t real_offset, clock_row; /* CLOCK_REALTIME - CLOCK_MONOTONIC at the start */

    int64_t seen, n_records, lost_threads;
    int64_t cpu_ns; /* processor time of the thread, once it has ended */
    struct map thread_names;
    enum err err; /* first failure: from then on records are counted only */
    char why[1024];

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    uint64_t asked, answered; /* flushes */
    bool closing;
};

/* ---- drain_clock.c ---- */
WARN_UNUSED enum err drain_clock_read(struct drain *d); /* a reading behind all that is read next */
WARN_UNUSED enum err drain_clock_put(struct drain *d);  /* a row of clock, once a second */
int64_t drain_ns(struct drain *d, uint64_t ticks);

/* ---- drain.c ---- */
struct drain *drain_alloc(struct ring *ring, struct store_writer *writer);
void drain_free(struct drain *d);
WARN_UNUSED enum err drain_find_lanes(struct drain *d);
/* A ring that has a new owner. */
WARN_UNUSED enum err drain_meet(struct drain *d, struct drain_lane *l);
/* All records up to l->until. */
WARN_UNUSED enum err drain_read_lane(struct drain *d, struct drain_lane *l);
WARN_UNUSED enum err drain_send(struct drain *d);
/* A row of loss. */
WARN_UNUSED enum err drain_lose(struct drain *d, int64_t source, const char *kind, int64_t count,
                                const char *message);
WARN_UNUSED enum err drain_count_losses(struct drain *d, struct drain_lane *l);
WARN_UNUSED enum err drain_count_threads(struct drain *d);
int64_t drain_word(struct drain *d, uint32_t number); /* string of a word; 0 absent */
/* Rows and statements that the next batch has so far. */
static inline size_t drain_waiting(const struct drain *d)
{
    return d->batch->n_rows + d->batch->n_statements + d->events.n;
}

/* Calls with arguments and results of their own: operators and compiled kernels. */
static inline bool drain_is_whole(enum cap_kind kind)
{
    return kind == CAP_OP || kind == CAP_KERNEL;
}

/* In a recovery: the record was read before; what it became at once is in the trace. */
static inline bool drain_is_written(const struct drain_lane *l)
{
    return l->mark.at < l->written;
}
/* The n-th record behind the one that is read. */
static inline const struct ring_record *drain_behind(const struct drain_lane *l, uint64_t n)
{
    return &l->records[(l->mark.at + n) & l->mask];
}
static inline double drain_real(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* ---- drain_digest.c ---- */
WARN_UNUSED enum err drain_read_digest(struct drain *d, struct drain_lane *l,
                                       const struct ring_record *r);
WARN_UNUSED enum err drain_read_keep(struct drain *d, struct drain_lane *l,
                                     const struct ring_record *r);

/* ---- drain_lane.c ---- */
/* Reads records up to lane->until or until the batch is large. */
WARN_UNUSED enum err drain_read(struct drain *d, struct drain_lane *l);
/* Its owner has ended, or was killed: open calls stay without end. */
WARN_UNUSED enum err drain_leave(struct drain *d, struct drain_lane *l);
void drain_lane_release(struct drain_lane *l);

/* ---- drain_recover.c ---- */
/* The track that the trace has for a counter, and its last time; track 0: none. */
WARN_UNUSED enum err drain_find_counter(struct drain *d, const struct drain_lane *l,
                                        struct drain_counter *out);

/* ---- drain_text.c ---- */
WARN_UNUSED enum err drain_texts(struct drain *d, const struct drain_lane *l,
                                 const struct drain_call *c, struct drain_texts *out);
const struct drain_form *drain_form(struct drain *d, uint32_t number);
/* A list of items is of results when its first member is. */
bool drain_is_result(const struct drain_lane *l, size_t item);

/* ---- drain_use.c ---- */
WARN_UNUSED enum err drain_uses(struct drain *d, const struct drain_lane *l,
                                const struct drain_call *c);

/* ---- drain_stack.c ---- */
int64_t drain_stack(struct drain *d, uint32_t number);

#endif
