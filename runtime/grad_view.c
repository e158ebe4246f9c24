/* grad_view.c - gradient rules of views: the gradient goes back to where the elements were. */
#include "runtime/grad.h"

static const struct view_shape *self_shape(const struct op_call *c)
{
    return &c->arg[0].t->view.shape;
}

GRAD_RULE(grad_alias, GRAD_GIVE(0, g))
GRAD_RULE(grad_view, GRAD_GIVE(0, plumb_reshape(g, self_shape(c)->size, self_shape(c)->n)))
GRAD_RULE(grad_t, GRAD_GIVE(0, plumb_t(g)))
GRAD_RULE(grad_transpose, GRAD_GIVE(0, plumb_transpose_int(g, c->arg[1].i, c->arg[2].i)))
GRAD_RULE(grad_expand, GRAD_GIVE(0, g))
GRAD_RULE(grad_view_as_real, GRAD_GIVE(0, plumb_view_as_complex(g)))
GRAD_RULE(grad_view_as_complex, GRAD_GIVE(0, plumb_view_as_real(g)))

enum err grad_permute(struct op_call *c, struct plumb_tensor *const *result_grad,
                      struct plumb_tensor **grad)
{
    int64_t back[VIEW_DIMS] = {0};
    int n = self_shape(c)->n;
    for (int i = 0; i < n; i++) {
        int64_t d = c->arg[1].is[i];
        back[d < 0 ? d + n : d] = i;
    }
    GRAD_GIVE(0, plumb_permute(result_grad[0], back, n));
    return ERR_OK;
}

GRAD_RULE(grad_slice, int64_t start = c->arg[2].kind ? c->arg[2].i : 0;
          int64_t end = c->arg[3].kind ? c->arg[3].i : INT64_MAX;
          GRAD_GIVE(0, plumb_slice_backward(g, self_shape(c)->size, self_shape(c)->n, c->arg[1].i,
                                            start, end, c->arg[4].i)))
GRAD_RULE(grad_select, GRAD_GIVE(0, plumb_select_backward(g, self_shape(c)->size, self_shape(c)->n,
                                                          c->arg[1].i, c->arg[2].i)))

GRAD_RULE(grad_diagonal,
          GRAD_GIVE(0, plumb_diagonal_backward(g, self_shape(c)->size, self_shape(c)->n,
                                               c->arg[1].i, c->arg[2].i, c->arg[3].i)))

enum err grad_as_strided(struct op_call *c, struct plumb_tensor *const *result_grad,
                         struct plumb_tensor **grad)
{
    (void)result_grad, (void)grad;
    OP_FAIL(c, 0, "a view by strides has no gradient; take view, permute, slice or expand");
}

/* Only the shape of t is looked at: its values may be gone. */
static struct plumb_tensor *zeros_as(const struct plumb_tensor *t)
{
    return plumb_zeros(t->view.shape.size, t->view.shape.n, (enum plumb_dtype)t->view.dtype);
}

/* Gradients of all parts, zeros for those that none came for. */
static enum err parts(struct op_call *c, struct plumb_tensor *const *result_grad,
                      struct plumb_tensor **out)
{
    for (int i = 0; i < c->n_results; i++) {
        out[i] = result_grad[i] ? result_grad[i] : zeros_as(c->result[i]);
        if (!out[i]) return ERR_USAGE;
    }
    return ERR_OK;
}

enum err grad_split(struct op_call *c, struct plumb_tensor *const *result_grad,
                    struct plumb_tensor **grad)
{
    struct plumb_tensor **all = arena_array(c->arena, (size_t)c->n_results + 1, sizeof *all);
    if (!all) FAIL(ERR_NOMEM, "out of memory for gradients");
    TRY(parts(c, result_grad, all));
    GRAD_GIVE(0, plumb_cat(all, c->n_results, c->arg[2].i));
    return ERR_OK;
}

enum err grad_unbind(struct op_call *c, struct plumb_tensor *const *result_grad,
                     struct plumb_tensor **grad)
{
    struct plumb_tensor **all = arena_array(c->arena, (size_t)c->n_results + 1, sizeof *all);
    if (!all) FAIL(ERR_NOMEM, "out of memory for gradients");
    TRY(parts(c, result_grad, all));
    GRAD_GIVE(0, plumb_stack(all, c->n_results, c->arg[1].i));
    return ERR_OK;
}
