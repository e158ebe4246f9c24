/* plan.h - making plans of loop nests: the loops of a space, and how arrays lie along them.
 *
 * A *space* is a shape; each of its dimensions is a loop, those named by `inner` come last. An
 * array is added by its shape and strides, its dimensions laid over some of the space's; where it
 * has size 1, or no dimension, it repeats. A space without dimensions counts as one of size 1.
 */
#ifndef RUNTIME_PLAN_H
#define RUNTIME_PLAN_H

#include "runtime/nest.h"

struct plan_space {
    struct nest_plan *plan; /* borrowed */
    struct view_shape shape;
    int dim[NEST_LOOPS]; /* of the space, per loop */
};
/* All dimensions from `first` on, as a mask. */
#define PLAN_FROM(first) (~0u << (first))

/* Clears the plan and sets its loops. inner: bit d is set when dimension d is an inner loop. */
void plan_begin(struct plan_space *s, struct nest_plan *plan, const struct view_shape *shape,
                unsigned inner);
/* The next array; its last dimension lies over the space's last. Borrowed until the plan ends. */
struct nest_lie *plan_add(struct plan_space *s, const struct view *v);
/* The same, its first dimension over the space's dimension `first`. */
struct nest_lie *plan_add_at(struct plan_space *s, const struct view *v, int first);
/* The next array, dense, of that shape, as a result that is yet to be allocated. */
struct nest_lie *plan_add_dense(struct plan_space *s, const struct view_shape *shape, int first);
/* The next array, read at one computed position along dimension `indexed` of v. It varies along no
 * loop until the caller says so. */
struct nest_lie *plan_add_indexed(struct plan_space *s, const struct view *v, int indexed);

#endif
