/* joint.h - gradients of a traced function: joint graph, and its split into forward and backward.
 *
 * The joint graph is the forward graph, tangents of its results as further inputs, and the calls
 * of the gradient rules, in the order in which the tape would make them: the bits are those of
 * plumb_backward on the uncompiled function.
 *
 * The split: a value that the backward needs is *saved* by the forward or *computed again* from
 * what is saved. Which ones is a minimum cut (Dinic) of the graph between the inputs and the
 * backward, with the bytes of a value as the price of saving it, as min_cut_rematerialization in
 * PyTorch; what is dear to compute (contractions, reductions, opaque kernels) or may not be
 * computed twice (writes in place) is never computed again; nor is what a library's kernel takes,
 * as nothing fuses with that: there time is dearer than memory. A result that no gradient rule
 * takes is not saved: its caller may overwrite it. Random numbers come from the same counters, so
 * dropout may be computed again.
 */
#ifndef RUNTIME_COMPILE_JOINT_H
#define RUNTIME_COMPILE_JOINT_H

#include "runtime/compile/trace.h"

/* While tracing: results y[] of the function are known (outputs RESULT are set). Adds a tangent for
 * each result that gradients can go back from (not for an input given back, nor for one equal to an
 * earlier result; none: the graph stays as it is), and outputs GRADIENT for each input and captured
 * tensor that wants one, in order of values. What comes to one tensor from several calls are
 * several outputs: added to its gradient one by one in their order, they give eager's bits. What
 * cannot be walked back breaks the trace. */
WARN_UNUSED enum err joint_trace(struct trace *t, struct plumb_tensor *const *y, int n);

enum joint_fate {
    JOINT_SAVED,
    JOINT_RECOMPUTED,
    JOINT_INPUT /* given to both */,
    JOINT_NOT_NEEDED
};
#define JOINT_REASONS(X)                                                                           \
    X(CUT, "smallest cut")                                                                         \
    X(CHEAP, "cheap to compute again")                                                             \
    X(DEAR, "dear to compute again")                                                               \
    X(STORED, "a library's kernel takes it: computed again it would be stored again")              \
    X(OPAQUE, "made by a library's kernel")                                                        \
    X(WRITTEN, "its storage is written later")                                                     \
    X(RESULT, "a result anyway")                                                                   \
    X(ALL, "nothing is computed again, as asked")                                                  \
    X(GIVEN, "an input of the function")                                                           \
    X(UNUSED, "the backward does not need it")
enum joint_reason {
#define X(id, text) JOINT_##id,
    JOINT_REASONS(X)
#undef X
        JOINT_N_REASONS
};
const char *joint_reason_text(enum joint_reason r);
struct joint_decision {
    int value; /* of the joint graph */
    enum joint_fate fate;
    enum joint_reason reason;
    int64_t bytes;
};
struct joint_split {
    struct graph forward, backward;  /* numbers of inputs, of captured tensors and of
                                      * constants, and names, are the joint graph's */
    struct joint_decision *decision; /* per forward value; in the arena */
    int n_decisions;
    int64_t saved_bytes, all_bytes; /* saved; what saving everything would take */
};
struct joint_options {
    bool save_all; /* nothing is computed again */
};
/* Release also after a failure. */
WARN_UNUSED enum err joint_split(const struct graph *joint, const struct joint_options *o,
                                 struct arena *arena, struct joint_split *out);
void joint_split_release(struct joint_split *s);

#endif
