/* tensor.h - tensors: views of reference-counted storage; frames that own them.
 *
 * A tensor belongs to the *frame* of the thread that made it and is freed with it; what is to live
 * longer is kept (tensor_keep moves it to the session). Storage is shared by views and counted. A
 * storage has a
 * version: each write by an operator raises it, so that a tape sees what it saved being
 * overwritten.
 */
#ifndef RUNTIME_TENSOR_H
#define RUNTIME_TENSOR_H

#include <stdatomic.h>

#include "store/base/view.h"

struct backend;
struct frame;
struct tape_node;

struct storage {
    atomic_int refs;
    atomic_uint version;
    atomic_uint faults; /* bits flipped on request (inject.h): new values without a write */
    const struct backend *backend; /* borrowed, static */
    /* NULL on a back end without memory (null), when size is 0, and when it is fake */
    void *p;
    int64_t size;  /* bytes */
    bool fake;     /* without memory: of a trace or a graph (runtime/compile) */
    bool of_graph; /* made by graph_op_call: `number` is that of the graph's storage */
    int number;
};
struct plumb_tensor {
    struct view view;
    struct storage *storage; /* counted */
    uint64_t number;         /* identity in this process, from 1 */
    bool requires_grad;
    bool uninitialised;        /* made by an operator that gives no values (empty): not digested */
    bool is_view;              /* made by an operator of class VIEW */
    bool stale;                /* on a tape: overwritten since; its values are gone */
    bool sole;                 /* a gradient that nobody else holds: a leaf takes it as it is */
    struct tape_node *made_by; /* borrowed from the frame's tape; NULL a leaf */
    int result;                /* which result of made_by */
    uint64_t maker;            /* thread.serial of the thread that made it */
    uint32_t digested; /* by its maker: 1 + storage_content at that time; 0 never (record.c) */
    struct plumb_tensor *grad; /* of a leaf: kept by the session */
    struct plumb_tensor *next; /* in its owner's list */
    struct frame *frame;       /* NULL: kept by the session */
};

/* New storage, uninitialised, one reference. ERR_NOMEM names the bytes. */
WARN_UNUSED enum err storage_new(const struct backend *backend, int64_t size, struct storage **out);
void storage_retain(struct storage *s);
void storage_release(struct storage *s); /* NULL is legal */
/* A tensor that is in no list ends, its storage being released. */
void tensor_end(struct plumb_tensor *t);
void tensor_spares_free(void); /* of the thread, before it leaves its session */
/* Rises with whatever changes the values: what a trace records as the storage's version. */
static inline uint32_t storage_content(const struct storage *s)
{
    return atomic_load_explicit(&s->version, memory_order_relaxed) +
           atomic_load_explicit(&s->faults, memory_order_relaxed);
}

/* A dense tensor with storage of its own, in the thread's frame; values are not set. */
WARN_UNUSED enum err tensor_new(enum dtype dtype, const struct view_shape *shape,
                                struct plumb_tensor **out);
/* Another view of t's storage, in the thread's frame. */
WARN_UNUSED enum err tensor_view(const struct plumb_tensor *t, const struct view *view,
                                 struct plumb_tensor **out);
/* Another view of any storage, in the thread's frame. */
WARN_UNUSED enum err tensor_of(struct storage *s, const struct view *view,
                               struct plumb_tensor **out);
/* An identity that no tensor of the process has or had. */
uint64_t tensor_number(void);
/* Moves a tensor out of the calling thread's frame: it lives until the session ends, tensor_give or
 * tensor_free. It is a leaf from then on: the tape of its frame does not outlive the frame. */
void tensor_keep(struct plumb_tensor *t);
/* Gives a kept tensor to a frame of the calling thread, with which it ends. */
void tensor_give(struct plumb_tensor *t, struct frame *f);
void tensor_free(struct plumb_tensor *t);

/* "f32[3, 8]", with stride when it is not dense; for messages. Returns out. */
enum { TENSOR_TEXT = 2 * VIEW_TEXT + 64 };
char *tensor_text(const struct plumb_tensor *t, char out[TENSOR_TEXT]);

#endif
