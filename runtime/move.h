/* move.h - what operators that move elements share: advanced indices, and nests that copy. */
#ifndef RUNTIME_MOVE_H
#define RUNTIME_MOVE_H

#include "runtime/ops.h"
#include "runtime/plan.h"

/* Integer tensors in the place of dimensions, as in x[i, :, j]. They repeat to one shape, which
 * stands where the first of them does, or in front when they are not neighbours. */
struct move_index {
    int n;                 /* index tensors */
    int dim[NEST_INDICES]; /* of self, which each takes the place of */
    const struct plumb_tensor *t[NEST_INDICES];
    struct view_shape shape; /* of all of them together */
    int first;               /* where that shape stands in the result */
    struct view_shape result;
};
WARN_UNUSED enum err move_index_read(const struct op_call *c, int arg, struct move_index *out);
/* Lays index tensors and the indexed tensor along the loops of a space of shape x->result. */
void move_plan_indices(struct plan_space *s, const struct move_index *x, const struct view *self);

/* Sizes from a list in argument `arg` for `count` elements; one may be -1: what is left. */
WARN_UNUSED enum err shape_sizes(const struct op_call *c, int arg, int64_t count,
                                 struct view_shape *out);
/* Strides by which v is seen with other sizes; false when that takes a copy. */
bool shape_restride(const struct view *v, const struct view_shape *to, int64_t *stride);

/* Of x, the elements whose index b exceeds index a by offset, as a last dimension. */
void move_diagonal(const struct view *x, int64_t offset, int a, int b, struct view *out);
/* The part of `whole` that a ..._backward operator puts its first argument into. */
WARN_UNUSED enum err move_part(const struct op_call *c, const struct view *whole, struct view *out);

/* to = from, element by element; from repeats to the shape of to. */
WARN_UNUSED enum err move_copy(struct op_call *c, struct plumb_tensor *from,
                               struct plumb_tensor *to);
WARN_UNUSED enum err move_zero(struct op_call *c, struct plumb_tensor *to);

#endif
