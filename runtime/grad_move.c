/* grad_move.c - gradient rules of operators that move elements. */
#include "runtime/grad.h"

static const struct view_shape *self_shape(const struct op_call *c)
{
    return &c->arg[0].t->view.shape;
}

GRAD_RULE(grad_flip, GRAD_GIVE(0, plumb_flip(g, c->arg[1].is, c->arg[1].n)))
GRAD_RULE(grad_triangle, bool upper = c->op == op_at(OP_ID_triu);
          GRAD_GIVE(0, upper ? plumb_triu(g, c->arg[1].i) : plumb_tril(g, c->arg[1].i)))

/* The repeats and the elements as dimensions of their own; summed over the repeats. */
static struct plumb_tensor *add_repeats(const struct op_call *c, struct plumb_tensor *g)
{
    const struct view_shape *x = self_shape(c);
    int64_t size[2 * VIEW_DIMS], dim[VIEW_DIMS];
    int n = c->arg[1].n, lead = n - x->n;
    for (int d = 0; d < n; d++) {
        size[2 * d] = c->arg[1].is[d];
        size[2 * d + 1] = d < lead ? 1 : x->size[d - lead];
        dim[d] = 2 * d;
    }
    if (n) g = plumb_sum_dim_intlist(plumb_reshape(g, size, 2 * n), dim, n, false, 0);
    return plumb_reshape(g, x->size, x->n);
}
GRAD_RULE(grad_repeat, GRAD_GIVE(0, add_repeats(c, g)))

/* Rolled or padded by what is the opposite. */
static struct plumb_tensor *opposite(const struct op_call *c, struct plumb_tensor *g, bool pad)
{
    const struct op_value *v = &c->arg[1];
    int64_t *back = arena_array(c->arena, (size_t)v->n + 1, sizeof *back);
    if (!back) return NULL;
    for (int i = 0; i < v->n; i++) back[i] = -v->is[i];
    return pad ? plumb_constant_pad_nd(g, back, v->n, 0)
               : plumb_roll(g, back, v->n, c->arg[2].is, c->arg[2].n);
}
GRAD_RULE(grad_roll, GRAD_GIVE(0, opposite(c, g, false)))
GRAD_RULE(grad_pad, GRAD_GIVE(0, opposite(c, g, true)))

static struct plumb_tensor *take_part(const struct op_call *c, struct plumb_tensor *g)
{
    const struct op_value *v = c->arg;
    if (c->op == op_at(OP_ID_diagonal_backward)) return plumb_diagonal(g, v[2].i, v[3].i, v[4].i);
    if (c->op == op_at(OP_ID_select_backward)) return plumb_select_int(g, v[2].i, v[3].i);
    return plumb_slice(g, v[2].i, &v[3].i, &v[4].i, v[5].i);
}
GRAD_RULE(grad_part_backward, GRAD_GIVE(0, take_part(c, g)))

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
GRAD_RULE(grad_index_select, GRAD_GIVE(0, plumb_index_add(zeros_of(c), c->arg[1].i, GRAD_T(2), g)))

/* What the index took from src; zeros where src is larger than the index. */
static struct plumb_tensor *taken(const struct op_call *c, struct plumb_tensor *g)
{
    const struct view_shape *src = &GRAD_T(3)->view.shape, *index = &GRAD_T(2)->view.shape;
    int64_t pad[2 * VIEW_DIMS] = {0};
    bool larger = false;
    g = plumb_gather(g, c->arg[1].i, GRAD_T(2));
    if (src->n && !index->n) g = plumb_unsqueeze(g, 0); /* a single index */
    for (int d = 0; d < src->n; d++) {
        int64_t size = index->n ? index->size[d] : 1;
        pad[2 * (src->n - 1 - d) + 1] = src->size[d] - size;
        larger |= src->size[d] != size;
    }
    return larger ? plumb_constant_pad_nd(g, pad, 2 * src->n, 0) : g;
}
GRAD_RULE(grad_scatter_add, GRAD_GIVE(0, g); GRAD_GIVE(3, taken(c, g)))
GRAD_RULE(grad_scatter, GRAD_GIVE(0, plumb_scatter_value(g, c->arg[1].i, GRAD_T(2), 0));
          if (c->arg[3].kind == OP_TENSOR) GRAD_GIVE(3, taken(c, g)))
GRAD_RULE(grad_index_add, GRAD_GIVE(0, g);
          GRAD_GIVE(3, plumb_mul_scalar(plumb_index_select(g, c->arg[1].i, GRAD_T(2)), GRAD_N(4))))
GRAD_RULE(grad_index,
          GRAD_GIVE(0, plumb_index_put(zeros_of(c), c->arg[1].ts, c->arg[1].n, g, true)))

static struct plumb_tensor *unput(const struct op_call *c, struct plumb_tensor *g)
{
    if (c->arg[3].i) return g;
    return plumb_index_put(g, c->arg[1].ts, c->arg[1].n,
                           plumb_zeros(NULL, 0, (enum plumb_dtype)g->view.dtype), false);
}
GRAD_RULE(grad_index_put, GRAD_GIVE(0, unput(c, g));
          GRAD_GIVE(2, plumb_index(g, c->arg[1].ts, c->arg[1].n)))

/* ---- order ---- */

static struct plumb_tensor *to_places(const struct op_call *c, struct plumb_tensor *g, int64_t dim)
{
    return plumb_scatter_src(zeros_of(c), dim, c->result[1], g);
}
GRAD_RULE(grad_sort, GRAD_GIVE(0, to_places(c, g, c->arg[1].i)))
/* The dimension is argument 2, as of topk. */
GRAD_RULE(grad_sort_stable, GRAD_GIVE(0, to_places(c, g, c->arg[2].i)))
