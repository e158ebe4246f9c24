/* shape.h - what shape functions share: plans of pointwise nests, and where arguments stand. */
#ifndef RUNTIME_SHAPE_H
#define RUNTIME_SHAPE_H

#include "runtime/ops.h"
#include "runtime/plan.h"

/* The shape that all tensor arguments broadcast to. */
WARN_UNUSED enum err shape_of_all(const struct op_call *c, struct view_shape *out);
/* Results of `shape` and of the dtypes in c->dtype, or the written argument, which is checked; and
 * the plan: a point of the nest per element, arguments broadcast, results as they will lie.
 * c->plan.own stays as it was. */
WARN_UNUSED enum err shape_pointwise(struct op_call *c, const struct view_shape *shape);
/* The parameter of that name; the schema has it. */
int op_arg(const struct op_call *c, const char *name);

#endif
