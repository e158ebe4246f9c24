/* guard.h - what must hold for a compile to be used again.
 *
 * Per input: dtype, dimensions, sizes, strides, wanting gradients, back end, and which inputs share
 * memory (and how far apart). Per captured tensor: that it is there (kept ones live as long as the
 * session), whether it has a gradient and of which form, where the function read it. Of the thread:
 * whether gradients are kept, determinism, no hooks, no faults to inject.
 */
#ifndef RUNTIME_COMPILE_GUARD_H
#define RUNTIME_COMPILE_GUARD_H

#include "runtime/compile/graph.h"
#include "runtime/session.h"

enum guard_kind {
    GUARD_COUNT, /* number of inputs */
    GUARD_DTYPE,
    GUARD_DIMS,
    GUARD_SIZE,
    GUARD_STRIDE,
    GUARD_REQUIRES_GRAD,
    GUARD_ALIAS, /* two inputs share memory, or do not, or lie otherwise */
    GUARD_GRAD,  /* a captured tensor has a gradient, of that form, or has none */
    GUARD_GRAD_MODE,
    GUARD_DETERMINISM,
    GUARD_BACKEND,
};
struct guard {
    enum guard_kind kind;
    int input, dim; /* or captured; -1 */
    int64_t value;
    bool symbolic; /* SIZE: any value from 2 on is accepted (marked dynamic) */
};
struct guard_set {
    LIST_OF(struct guard) guard;
};
WARN_UNUSED enum err guard_make(const struct graph *g, struct plumb_tensor *const *in, int n_in,
                                struct guard_set *out);
void guard_release(struct guard_set *s);
/* NULL: all hold. Else the first that does not; `reason` says it as a recompile reason:
 * "tensor 'x' size mismatch at index 0. expected 32, actual 8". */
const struct guard *guard_check(const struct guard_set *s, const struct graph *g,
                                struct plumb_tensor *const *in, int n_in, char *reason,
                                size_t reason_size);
/* One guard as PyTorch's guards are written: code ("check_tensor(L['x'], ...)" parts), for the log. */
void guard_text(const struct guard *g, struct buf *out);

#endif
