/* trace.h - running a function once on tensors without memory, to learn what it calls.
 *
 * While a thread traces, the dispatcher checks and shapes calls as ever, keeps them for gradients,
 * and gives them here instead of computing. Results have storage without memory (storage.fake).
 * A real tensor that a call takes is replaced by its *twin*, a tensor without memory that stands
 * for it: for an input, a kept tensor (captured), or one made of host data within the trace (a
 * constant). Others are refused: they would not be there at the next call. So nothing real is
 * written or marked while tracing; plumb_grad and plumb_zero_grad speak of the twin's gradient.
 *
 * What needs values or cannot be replayed ends the trace: plumb_read, plumb_item, plumb_digest of
 * such a tensor; counters and remarks. The reason is kept, every later call fails, and the
 * function is run as it is: a graph break.
 */
#ifndef RUNTIME_COMPILE_TRACE_H
#define RUNTIME_COMPILE_TRACE_H

#include "runtime/compile/graph.h"

/* A tensor without memory and what it stands for. */
struct trace_twin {
    struct plumb_tensor *real, *fake; /* borrowed; of the trace's outermost frame */
    int value;                        /* of the graph, when it was met */
    bool loaded;                      /* fake->grad is what the real one's stands for */
    bool changed;                     /* its gradient was added to, or forgotten */
};
struct trace_storage {
    const struct storage *real; /* NULL: made in the trace */
    struct storage *fake;       /* counted */
    int64_t base;               /* bytes of the real storage that lie before the graph's */
    int writer;                 /* node that made the version now; only if that is above 0 */
};
struct trace {
    struct graph *graph;                   /* borrowed */
    struct frame *frame;                   /* the thread's innermost when the trace began */
    struct map values;                     /* tensor number -> value now */
    LIST_OF(struct trace_storage) storage; /* by the graph's number */
    struct map twin_of;                    /* number of a real or fake tensor -> index in twin */
    LIST_OF(struct trace_twin) twin;
    struct plumb_tensor **in; /* twins of the inputs, in order; in the graph's arena */
    uint64_t first_generator; /* the thread's, when the trace began */
    bool broken;
    char reason[512]; /* why, one sentence */
    int forward;      /* node whose gradient rule runs; GRAPH_NONE */
    enum graph_phase phase;
    LIST_OF(const char *) module; /* scopes open now, innermost last; in the graph's arena */
};
/* Begins on the calling thread: pushes a frame for what is made. Inputs become values in order,
 * each once (an input given twice is one value). */
WARN_UNUSED enum err trace_begin(struct trace *t, struct graph *g, struct plumb_tensor *const *in,
                                 int n_in);
/* Ends: pops the frame. Tensors of the trace are gone. The thread computes again. */
void trace_end(struct trace *t);
/* A tensor given back by the function becomes an output. y may be NULL: GRAPH_NONE. */
WARN_UNUSED enum err trace_output(struct trace *t, struct plumb_tensor *y, enum graph_gives gives,
                                  int index);
/* Gradients of captured tensors that changed become outputs GRAPH_LEAF_GRAD. */
WARN_UNUSED enum err trace_leaf_gradients(struct trace *t);
/* The value a tensor of the trace has now. */
WARN_UNUSED enum err trace_value(struct trace *t, const struct plumb_tensor *x, int *out);
/* A tensor without memory like `like`, as an input of that origin (a tangent). */
WARN_UNUSED enum err trace_input(struct trace *t, enum graph_origin origin, int index,
                                 const struct plumb_tensor *like, struct plumb_tensor **out);

/* ---- for the dispatcher and the interface (thread_self.trace is set) ---- */
/* The call's results are made; makes its node. */
WARN_UNUSED enum err trace_call(struct trace *t, const struct op_call *c);
/* The tensor that stands for x in the trace: x itself when it has no memory. */
WARN_UNUSED enum err trace_twin(struct trace *t, struct plumb_tensor *x, struct plumb_tensor **out);
/* plumb_grad and plumb_zero_grad of a tensor, given or of the trace. */
struct plumb_tensor *trace_grad(struct trace *t, const struct plumb_tensor *x);
void trace_zero_grad(struct trace *t, struct plumb_tensor *x);
/* Whether x is, or stands for, a tensor that the function was given or that was kept. */
bool trace_is_given(const struct trace *t, const struct plumb_tensor *x);
/* A gradient comes to a leaf of the trace: its gradient now is loaded, and noted as changed. */
WARN_UNUSED enum err trace_leaf(struct trace *t, struct plumb_tensor *leaf);
void trace_module(struct trace *t, const char *name); /* NULL: the innermost ends */
/* Ends the trace with a reason; ERR_REFUSED. */
enum err trace_break(struct trace *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
