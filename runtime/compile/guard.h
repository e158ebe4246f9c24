/* guard.h - what must hold for a compile to be used again.
 *
 * Per input: dtype, dimensions, sizes, strides, wanting gradients, back end, and which inputs share
 * memory (and how far apart). Per captured tensor: that it is there (kept ones live as long as the
 * session), whether it has a gradient and of which form, where the function read it. Of the thread:
 * whether gradients are kept, and determinism. Hooks and faults to inject are no guards: with them
 * a function runs as it is.
 *
 * A hit compares what every tensor was, place by place: inputs, then captured tensors. Guards are
 * the same, as a list, for the log and for the reason of a miss. A check allocates nothing.
 *
 * Guards on symbols (symbols.h) are such a list alone, checked when no instance of an entry fits.
 */
#ifndef RUNTIME_COMPILE_GUARD_H
#define RUNTIME_COMPILE_GUARD_H

#include "runtime/compile/graph.h"
#include "runtime/compile/symbols.h"
#include "runtime/session.h"

enum { GUARD_INPUTS = 1024 }; /* of one function; with more it runs as it is */

enum guard_kind {
    GUARD_COUNT, /* number of inputs */
    GUARD_DTYPE,
    GUARD_DIMS,
    GUARD_SIZE,
    GUARD_STRIDE, /* where it matters: not of dimensions of size 1 nor of empty tensors */
    GUARD_SYMBOL, /* the size or stride that a symbol stands for is 2 or more; value: the symbol */
    GUARD_REQUIRES_GRAD,
    GUARD_ALIAS,  /* the first input that has this one's storage (dim; -1 none), and how many bytes
                   * behind that one's first element this one's lies (value) */
    GUARD_SAME,   /* dim: the first input that is the same tensor */
    GUARD_ITSELF, /* the tensor of this number */
    GUARD_GRAD,   /* it has a gradient (value), or none; an input without is a leaf */
    GUARD_GRAD_MODE,
    GUARD_DETERMINISM,
    GUARD_BACKEND, /* the tensor lies on the session's */
};
struct guard {
    enum guard_kind kind;
    int place; /* input, or captured tensor; -1: of the call or thread */
    int dim;
    int64_t value;
    bool captured, grad;      /* the place is a captured tensor; its gradient */
    struct symbol_product of; /* SIZE, STRIDE: a product of symbols, and no value */
};
/* A tensor as it was when the function was traced: inputs, then captured ones. */
struct guard_place {
    const struct plumb_tensor *tensor; /* captured ones; borrowed. NULL: an input */
    const struct storage *storage;     /* of a captured tensor, not of its gradient; else NULL */
    bool grad;                         /* the place is the gradient of `tensor` */
    bool there, requires_grad, own_backend;
    bool asked, has_grad;
    int first, same; /* of GUARD_ALIAS and GUARD_SAME; the place itself: none */
    int64_t apart;
    uint64_t itself; /* its number; 0: another will do */
    struct view view;
};
struct guard_set {
    LIST_OF(struct guard) guard;
    struct guard_place *place; /* owned */
    int n_in, n_places;
    bool grad_mode;
    enum plumb_determinism determinism;
    const struct symbols *symbols; /* borrowed; NULL: all numbers are what they were */
};
/* What held when g was traced from these inputs; with symbols of them: for any sizes. Release also
 * after a failure. */
WARN_UNUSED enum err guard_make(const struct graph *g, struct plumb_tensor *const *in, int n_in,
                                const struct symbols *symbols, struct guard_set *out);
void guard_release(struct guard_set *s);
/* NULL: all hold. Else the first that does not; `reason` (may be NULL) says it as a recompile
 * reason: "tensor 'L['in'][0]' size mismatch at index 0. expected 32, actual 8". */
const struct guard *guard_check(const struct guard_set *s, struct plumb_tensor *const *in, int n_in,
                                char *reason, size_t reason_size);
/* One guard as PyTorch writes guards: code ("L['in'][0].ndim == 2"), for the log. */
void guard_text(const struct guard_set *s, const struct guard *g, struct buf *out);
/* Whether it is on symbols. */
static inline bool guard_is_symbolic(const struct guard *g)
{
    return g->kind == GUARD_SYMBOL || g->of.n;
}

#endif
