/* ops.h - ops.def expanded: an enumerator per operator, and the functions that its rows name. */
#ifndef RUNTIME_OPS_H
#define RUNTIME_OPS_H

#include "runtime/op.h"

enum op_id {
#define POINT(id, ...)     OP_ID_##id,
#define NEST(id, ...)      OP_ID_##id,
#define VIEW(id, ...)      OP_ID_##id,
#define OPAQUE(id, ...)    OP_ID_##id,
#define COMPOSITE(id, ...) OP_ID_##id,
#include "runtime/ops.def"
#undef POINT
#undef NEST
#undef VIEW
#undef OPAQUE
#undef COMPOSITE
    OP_N_IDS
};

/* A row without a gradient, shape or run function says NULL, which must not become a declaration.
 * */
#pragma push_macro("NULL")
#undef NULL
#define NULL                                              op_no_function
#define POINT(id, schema, types, dtypes, body, grad, tol) oracle_fn oracle_##id;
#define NEST(id, schema, types, dtypes, shape, body, grad, tol, flags)                             \
    enum err shape(struct op_call *c);                                                             \
    oracle_fn oracle_##id;
#define VIEW(id, schema, shape, grad) enum err shape(struct op_call *c);
#define OPAQUE(id, schema, types, dtypes, shape, run, grad, tol, flags)                            \
    enum err shape(struct op_call *c);                                                             \
    enum err run(struct op_call *c);                                                               \
    oracle_fn oracle_##id;
#define COMPOSITE(id, schema, run) enum err run(struct op_call *c);
#include "runtime/ops.def"
#undef POINT
#undef NEST
#undef VIEW
#undef OPAQUE
#undef COMPOSITE
#undef NULL
#define NULL op_no_gradient
#define OP_GRAD(f)                                                                                 \
    enum err f(struct op_call *c, struct plumb_tensor *const *result_grad,                         \
               struct plumb_tensor **grad);
#define POINT(id, schema, types, dtypes, body, grad, tol)               OP_GRAD(grad)
#define NEST(id, schema, types, dtypes, shape, body, grad, tol, flags)  OP_GRAD(grad)
#define VIEW(id, schema, shape, grad)                                   OP_GRAD(grad)
#define OPAQUE(id, schema, types, dtypes, shape, run, grad, tol, flags) OP_GRAD(grad)
#define COMPOSITE(id, schema, run)
#include "runtime/ops.def"
#undef POINT
#undef NEST
#undef VIEW
#undef OPAQUE
#undef COMPOSITE
#undef OP_GRAD
#undef NULL
#pragma pop_macro("NULL")

enum err shape_broadcast(struct op_call *c); /* of all POINT rows */

/* The row of an operator. */
const struct op *op_at(enum op_id id);

#endif
