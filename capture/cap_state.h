/* cap_state.h - what lies behind cap.h: a recording, and a thread that records.
 *
 *   struct cap ── ring file, writer, drain
 *        └─ struct cap_thread (one per thread, its own alone) ── ring
 *
 * A call that begins pushes a level; what is recorded next belongs to the newest level. An operator
 * that has not ended and holds no other call is *private*: its records are above `head`, and are
 * taken back when the ring is full.
 */
#ifndef CAPTURE_CAP_STATE_H
#define CAPTURE_CAP_STATE_H

#include "capture/cap.h"
#include "capture/ring.h"
#include "store/writer.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

enum {
    CAP_LEVELS = 512,    /* calls within calls; deeper ones are dropped */
    CAP_NUMBERS = 1024,  /* numbers of calls that a thread takes at a time */
    CAP_SLOTS = 1 << 15, /* newest tensor uses that may get digests */
    CAP_INDEX_BITS = 24, /* of a slot: index of the use in its call */
    CAP_PAGE_BITS = 14,  /* tensors of a page of numbers */
    CAP_PAGES = 1 << 18, /* tensors up to 2^32 have numbers */
    CAP_STACK = 64,      /* frames of a stack */
    CAP_NO_LEVEL = -1,
};

/* The clock of records. Its readings become ns by pairs of readings (ring_knot). */
static inline uint64_t cap_ticks(void)
{
#if defined(__x86_64__)
    return __rdtsc();
#elif defined(__aarch64__)
    uint64_t t;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(t));
    return t;
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}

struct cap_level {
    uint64_t number; /* 0: dropped */
    uint32_t n_uses;
    bool is_launch;
    bool cut; /* arguments or results were dropped */
};

struct cap_thread {
    struct ring_record *records;
    uint64_t mask;
    uint64_t at;    /* records written */
    uint64_t limit; /* at may reach this */
    struct ring_head *head;
    bool muted;                   /* a child after fork, or the recording is over */
    bool wait;                    /* a full ring makes the thread wait */
    int depth;                    /* levels open */
    int private;                  /* level of the private operator, or CAP_NO_LEVEL */
    int skipped;                  /* level from which all is dropped, or CAP_NO_LEVEL */
    uint64_t private_at;          /* where its records begin */
    uint64_t reserved;            /* ends of open calls that need room */
    uint64_t number, last_number; /* of the next call, and behind the block */
    uint32_t slot;                /* newest */
    uint32_t n_tensors;           /* numbered in this log */
    struct cap_level level[CAP_LEVELS];
    uint64_t slots[CAP_SLOTS];  /* call << CAP_INDEX_BITS | index of the use */
    uint32_t *pages[CAP_PAGES]; /* owned: tensor -> number in the log + 1 */

    struct cap *cap;
    uint32_t owner; /* number of the thread */
    int64_t kept;   /* bytes of the log's stream: values kept */
    struct cap_thread *next;
};

struct drain;
struct drain_log;
struct cap {
    struct ring ring;
    struct store_writer *writer; /* owned until close */
    struct drain *drain;         /* owned */
    struct drain_log *log;       /* owned: what a compiler tells */
    char *path;                  /* owned */
    int64_t ring_size;
    bool wait;
    bool child;         /* a copy in a child after fork */
    struct row_run run; /* its texts are in `keep` */
    struct row_process process;
    struct arena keep;
    struct cap_thread *threads; /* owned; this and what follows under the registry's lock */
    int n_threads;
    uint64_t instance; /* of this program: a thread's memory of its ring is of this one */
    struct cap *next;
};

/* Recordings that are open, for threads that end and for fork (cap_thread.c). */
WARN_UNUSED enum err cap_register(struct cap *c);
void cap_unregister(struct cap *c);
/* The record that a use was kept as an artifact. */
void cap_kept(struct cap_thread *t, uint32_t slot, int64_t artifact);
/* Frees what threads have; none records any more. */
void cap_threads_free(struct cap *c);

#endif
