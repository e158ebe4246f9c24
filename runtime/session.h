/* session.h - what is common to a program's threads, and what each thread has of its own.
 *
 *   session   back end, options, recorder, kept tensors          one per plumb_open
 *   thread    current session, frames, hooks, ring, generator    thread-local; no lock on the way
 * of a call
 */
#ifndef RUNTIME_SESSION_H
#define RUNTIME_SESSION_H

#include <pthread.h>

#include "capture/cap.h"
#include "plumb.h"
#include "runtime/backend.h"
#include "runtime/compile/lower.h"
#include "runtime/compile/trace.h"
#include "runtime/inject.h"
#include "store/base/lists.h"
#include "store/base/map.h"

struct keep_rule {
    char op[64];
    int64_t number; /* of the calls of that operator, from 0; -1 all */
};
struct plumb {
    const struct backend *backend;
    struct cap *cap; /* NULL: nothing is recorded */
    enum plumb_determinism determinism;
    unsigned hashes; /* plumb_hash bits */
    bool hash_inputs, stacks, ids, modules;
    uint64_t seed;
    int threads;
    LIST_OF(struct keep_rule) keep;
    struct inject *inject; /* owned; NULL: no faults are asked for */
    pthread_mutex_t lock;  /* guards kept, n_threads */
    struct plumb_tensor *kept;
    int n_threads;                   /* threads that entered, for their generators */
    struct plumb_compiled *compiled; /* newest first; guarded by the lock */
    int n_compiled;
    int exit_code;
};

/* Tensors, tape and memory of one plumb_frame_begin. */
struct frame {
    struct frame *outer;
    struct arena arena;
    struct plumb_tensor *tensors;
    struct tape_node *tape;     /* newest first */
    struct compiled_hold *held; /* instances that calls on the tape need (compiled.h) */
};
/* Structs that ended, for the next of the thread. */
enum { SPARES = 32 };
struct spare {
    void *p[SPARES];
    int n;
};
enum { HOOKS = 32 };
struct thread {
    struct plumb *session;
    struct frame *frame, *spare; /* spare: one that ended, for the next; NULL */
    struct cap_thread *ring;     /* NULL: nothing is recorded */
    const struct plumb_hook *hook[HOOKS];
    int n_hooks;
    bool in_hook;              /* one runs */
    int no_grad, quiet;        /* depths: no tape; no recording */
    const char *site;          /* cap_launch.site of launches, of a compiled program's call; NULL */
    struct trace *trace;       /* the thread traces; NULL: it computes */
    struct collector *collect; /* loop nests go there instead of being run (lower.h) */
    struct inject *inject;     /* the session's, for the thread that opened it; else NULL */
    int number;                /* of the thread in its session: 0 opened it */
    uint64_t serial;           /* no other thread of any session has or had it; from 1 */
    uint64_t generator;        /* number << 40, plus calls so far */
    struct map words;          /* texts and forms already registered with the recorder */
    struct map digested; /* tensors of other threads: number -> 1 + storage_content (record.c) */
    int64_t *counts;     /* calls per operator, for keep rules */
    struct spare tensors, storages; /* tensor.c */
};
extern _Thread_local struct thread thread_self;

/* ERR_USAGE when the thread has no session. */
WARN_UNUSED enum err thread_check(const char *what);
uint32_t thread_word(struct thread *t, const char *text);
/* Notes a failure for plumb_error; false when there was one. */
bool api_ok(enum err err);

/* ---- record.c: what the dispatcher tells the recorder ---- */
struct call_record {
    bool on;
    uint64_t lost; /* cap_lost when it began */
};
uint32_t record_stack(struct thread *t); /* where the program is; 0 unless asked for */
void record_begin(struct thread *t, const struct op_call *c, struct call_record *r);
void record_results(struct thread *t, const struct op_call *c, struct call_record *r);
void record_end(struct thread *t, const struct op_call *c, struct call_record *r, enum err err);
/* A compiled kernel as a call: its arguments by keyword, with what it reads digested where the log
 * has no digest of it, and after it what it wrote. */
struct record_use {
    struct plumb_tensor *tensor;
    const char *keyword;
    bool reads, writes;
};
void record_kernel_begin(struct thread *t, const char *name, const struct record_use *use, int n,
                         struct call_record *r);
void record_kernel_end(struct thread *t, const struct record_use *use, int n, struct call_record *r,
                       enum err err);

/* ---- tape.c ---- */
/* A tensor argument as it was when its call was made; later calls may write it in place. */
struct tape_slot {
    struct plumb_tensor *tensor; /* NULL: absent */
    struct tape_node *made_by;   /* NULL: a leaf */
    int result;                  /* which result of made_by */
    bool wants;                  /* gradients are wanted for it */
    uint32_t version;            /* of its storage, before the call */
};
struct tape_node {
    struct tape_node *older;
    struct frame *frame;        /* whose tape it is on */
    struct op_call *call;       /* without its plan */
    struct plumb_tensor **grad; /* per result, as they come in; NULL none */
    struct tape_slot *slot;     /* per tensor argument (op_slot) */
    uint32_t *version;          /* of the storages of results, after the call */
    bool done;                  /* walked back */
    int traced;                 /* node of the graph that the call is; GRAPH_NONE: not traced */
};
bool tape_wants(const struct thread *t, const struct op_call *c);
/* Before a call that the tape wants: whether what it writes in place may be written. */
WARN_UNUSED enum err tape_check(const struct thread *t, const struct op_call *c);
WARN_UNUSED enum err tape_add(struct thread *t, const struct op_call *c);
/* g (of the thread's frame; NULL none) becomes the gradient of a leaf, in place of the one it has.
 */
void tape_set_grad(struct plumb_tensor *leaf, struct plumb_tensor *g);
/* Gradients that came to leaves, in order: several of one leaf are to be added one by one. */
struct tape_gift {
    struct plumb_tensor *leaf, *grad;
};
struct tape_gifts {
    LIST_OF(struct tape_gift) gift;
};
/* Walks back from y[i], each made by a call on the tape, with gradient tangent[i] (NULL: none), as
 * plumb_backward does, from the innermost frame out to `last`; what comes to leaves is listed
 * instead of added to their gradients. */
WARN_UNUSED enum err tape_gradients(struct plumb_tensor *const *y,
                                    struct plumb_tensor *const *tangent, int n,
                                    const struct frame *last, struct tape_gifts *out);
/* Whether a frame is one of the thread's. */
bool thread_has_frame(const struct thread *t, const struct frame *f);

#endif
