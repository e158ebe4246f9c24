/* shape_softmax.c - shapes and loops of softmax, log-softmax and their gradients: rows along one
 * dimension are inner. */
#include "runtime/ops.h"
#include "runtime/plan.h"

static enum err rows_along(struct op_call *c, int dim_arg, enum dtype result)
{
    const struct view *x = &c->arg[0].t->view;
    struct plan_space s;
    int dim;
    TRY(op_dim(c, dim_arg, c->arg[dim_arg].i, x->shape.n, &dim));
    op_result(c, 0, result, &x->shape);
    plan_begin(&s, &c->plan, &x->shape, 1u << dim);
    for (int i = 0; i < dim_arg; i++) plan_add(&s, &c->arg[i].t->view);
    plan_add_dense(&s, &x->shape, 0);
    return ERR_OK;
}

enum err shape_softmax(struct op_call *c)
{
    if (c->arg[2].i) OP_FAIL(c, 2, "True is not supported on the CPU; convert 'self' first");
    return rows_along(c, 1, c->compute);
}

enum err shape_softmax_backward(struct op_call *c)
{
    char want[TENSOR_TEXT], got[TENSOR_TEXT];
    const struct plumb_tensor *g = c->arg[0].t, *y = c->arg[1].t;
    enum dtype input = (enum dtype)c->arg[3].i;
    if (!view_same_shape(&g->view, &y->view))
        OP_FAIL(c, 1, "%s has another shape than 'grad_output', %s", tensor_text(y, got),
                tensor_text(g, want));
    if (input != c->compute)
        OP_FAIL(c, 3, "%s was given; the dtype of 'output', %s, is accepted", dtype_name(input),
                dtype_name(c->compute));
    return rows_along(c, 2, c->compute);
}
