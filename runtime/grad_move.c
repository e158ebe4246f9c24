/* grad_move.c - gradient rules of operators that move elements. */
#include "runtime/grad.h"

static const struct view_shape *self_shape(const struct op_call *c)
{
    return &c->arg[0].t->view.shape;
}

GRAD_RULE(grad_flip, GRAD_GIVE(0, plumb_flip(g, c->arg[1].is, c->arg[1].n)))
GRAD_RULE(grad_triangle,
          bool upper = c->op == op_at(OP_ID_triu);
          GRAD_GIVE(0, upper ? plumb_triu(g, c->arg[1].i) : plumb_tril(g, c->arg[1].i)))

/* ---- lists ---- */

enum err grad_cat(struct op_call *c, struct plumb_tensor *const *result_grad,
                  struct plumb_tensor **grad)
{
    int64_t at = 0, d = c->arg[1].i;
    int n = c->result[0]->view.shape.n;
    for (int i = 0; i < c->arg[0].n; i++) {
        const struct plumb_tensor *t = c->arg[0].ts[i];
        bool counts = t->view.shape.n != 1 || t->view.shape.size[0];
        int64_t end = at + (counts ? t->view.shape.size[d < 0 ? d + n : d] : 0);
        if (op_needs_grad(c, i)) {
            struct plumb_tensor *part = counts ? plumb_slice(result_grad[0], d, &at, &end, 1)
                                               : plumb_zeros_like(c->arg[0].ts[i], 0);
            if (part && part->view.dtype != t->view.dtype)
                part = plumb__to_copy(part, (enum plumb_dtype)t->view.dtype);
            if (!part) return ERR_USAGE;
            grad[i] = part;
        }
        at = end;
    }
    return ERR_OK;
}

enum err grad_stack(struct op_call *c, struct plumb_tensor *const *result_grad,
                    struct plumb_tensor **grad)
{
    for (int i = 0; i < c->arg[0].n; i++) {
        if (!op_needs_grad(c, i)) continue;
        grad[i] = plumb_select_int(result_grad[0], c->arg[1].i, i);
        if (grad[i] && grad[i]->view.dtype != c->arg[0].ts[i]->view.dtype)
            grad[i] = plumb__to_copy(grad[i], (enum plumb_dtype)c->arg[0].ts[i]->view.dtype);
        if (!grad[i]) return ERR_USAGE;
    }
    return ERR_OK;
}

/* ---- by index ---- */

static struct plumb_tensor *zeros_of(const struct op_call *c)
{
    return plumb_zeros(self_shape(c)->size, self_shape(c)->n,
                       (enum plumb_dtype)c->arg[0].t->view.dtype);
}

GRAD_RULE(grad_gather, GRAD_GIVE(0, plumb_scatter_add(zeros_of(c), c->arg[1].i, GRAD_T(2), g)))
GRAD_RULE(grad_index_select,
          GRAD_GIVE(0, plumb_index_add(zeros_of(c), c->arg[1].i, GRAD_T(2), g)))
GRAD_RULE(grad_scatter_add, GRAD_GIVE(0, g);
          GRAD_GIVE(3, plumb_gather(g, c->arg[1].i, GRAD_T(2))))
GRAD_RULE(grad_index_add, GRAD_GIVE(0, g); GRAD_GIVE(
          3, plumb_mul_scalar(plumb_index_select(g, c->arg[1].i, GRAD_T(2)), GRAD_N(4))))
GRAD_RULE(grad_index,
          GRAD_GIVE(0, plumb_index_put(zeros_of(c), c->arg[1].ts, c->arg[1].n, g, true)))
