/* call_nest.h - a loop nest that a run function makes, array by array.
 *
 *   call_nest_begin(&n, c, "out = sum(x)", &shape, inner);
 *   call_nest_read(&n, "x", t, 0);  call_nest_write(&n, "out", c->result[0], 0);
 *   TRY(call_nest_run(&n));
 *
 * Arrays that are read come first. A tensor that is NULL is left out; the body does without it.
 */
#ifndef RUNTIME_CALL_NEST_H
#define RUNTIME_CALL_NEST_H

#include "runtime/op.h"
#include "runtime/plan.h"

struct call_nest {
    struct op_call *c; /* borrowed, as all that is added */
    struct op_nest nest;
    struct nest_plan plan;
    struct plan_space space;
};
/* Loops over a shape; inner: bit d is set when dimension d is an inner loop. */
void call_nest_begin(struct call_nest *n, struct op_call *c, const char *body,
                     const struct view_shape *shape, unsigned inner);
/* Dimension 0 of the tensor lies over the shape's dimension `first`. */
void call_nest_read(struct call_nest *n, const char *name, struct plumb_tensor *t, int first);
void call_nest_write(struct call_nest *n, const char *name, struct plumb_tensor *t, int first);
void call_nest_number(struct call_nest *n, const char *name, const struct op_value *v);
WARN_UNUSED enum err call_nest_run(struct call_nest *n);

#endif
