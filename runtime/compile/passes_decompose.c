/* passes_decompose.c - calls of kernels that are loop nests in truth, written as those.
 *
 * A call of a kernel takes no part in fusion. Operators made of nests (norms, lists, cat) are taken
 * apart when a graph is lowered; here go products of matrices whose inner size is 1:
 *
 *   mm [m, 1] x [1, n], bmm   p = mul(self, mat2), then
 *     exact                   where(self = 0 or mat2 = 0, p + 0, p)
 *     else                    p + 0, of 16-bit floats in f32
 *
 * In canonical order the one product is added to +0 with a single rounding, fma(a, b, 0): +0 where
 * a factor is 0, which adding 0 makes of -0; but a product too small for its dtype stays -0. The
 * other kernels add zeros of their own to the sum in f32 or f64, which make +0 of any -0 before the
 * store rounds to 16 bits. addmm stays: there the sum with self is rounded elsewhere.
 */
#include "runtime/compile/passes.h"
#include "runtime/compile/rewrite.h"
#include "runtime/ops.h"

static bool is_outer(const struct graph *g, const struct graph_node *n)
{
    if (n->op != op_at(OP_ID_mm) && n->op != op_at(OP_ID_bmm)) return false;
    const struct view *a = &g->value.p[n->in[0]].view;
    return a->shape.size[a->shape.n - 1] == 1 && dtype_kind(a->dtype) == DTYPE_FLOAT;
}

enum { CALLS = 6 };

/* Calls that stand in for node `of`, each with one result. */
struct calls {
    struct graph *g;
    int of, made[CALLS], n;
};

/* Makes `value`, or a new one; `second`: the second argument, a number. */
static enum err add(struct calls *c, const struct op *op, const struct op_value *second,
                    const int *in, int n_in, int value, int *out)
{
    struct op_value arg[OP_ARGS];
    for (int i = 0; i < op->s.n_params; i++) {
        arg[i] = op->s.param[i].value;
        if (i < n_in) arg[i] = (struct op_value){.kind = OP_TENSOR};
    }
    if (second) arg[1] = *second;
    int *node = &c->made[c->n++];
    TRY(graph_call_for(c->g, c->of, op, arg, in, n_in, value, node));
    *out = c->g->node.p[*node].out[0];
    return ERR_OK;
}

static const struct op_value zero = {.kind = OP_SCALAR, .is_int = true};

static enum err exactly(struct calls *c, const int in[2], int value)
{
    int product, sum, is_zero[2], choice[3];
    TRY(add(c, op_at(OP_ID_mul_Tensor), NULL, in, 2, GRAPH_NONE, &product));
    TRY(add(c, op_at(OP_ID_add_Scalar), &zero, &product, 1, GRAPH_NONE, &sum));
    for (int i = 0; i < 2; i++)
        TRY(add(c, op_at(OP_ID_eq_Scalar), &zero, &in[i], 1, GRAPH_NONE, &is_zero[i]));
    TRY(add(c, op_at(OP_ID_logical_or), NULL, is_zero, 2, GRAPH_NONE, &choice[0]));
    choice[1] = sum;
    choice[2] = product;
    return add(c, op_at(OP_ID_where_self), NULL, choice, 3, value, &product);
}

static enum err cast(struct calls *c, int in, enum dtype dtype, int value, int *out)
{
    const struct op_value to = {.kind = OP_DTYPE, .i = dtype};
    return add(c, op_at(OP_ID__to_copy), &to, &in, 1, value, out);
}

static enum err widely(struct calls *c, const int in[2], int value)
{
    enum dtype dtype = c->g->value.p[value].view.dtype;
    bool narrow = dtype_size(dtype) == 2;
    int wide[2] = {in[0], in[1]}, x;
    for (int i = 0; i < 2 && narrow; i++) TRY(cast(c, in[i], DTYPE_F32, GRAPH_NONE, &wide[i]));
    TRY(add(c, op_at(OP_ID_mul_Tensor), NULL, wide, 2, GRAPH_NONE, &x));
    TRY(add(c, op_at(OP_ID_add_Scalar), &zero, &x, 1, narrow ? GRAPH_NONE : value, &x));
    return narrow ? cast(c, x, dtype, value, &x) : ERR_OK;
}

static enum err as_product(struct calls *c)
{
    const struct graph_node n = c->g->node.p[c->of];
    return c->g->exact ? exactly(c, n.in, n.out[0]) : widely(c, n.in, n.out[0]);
}

/* New calls stand at the end until all are made; order[] says where they belong. */
static enum err decompose(struct graph *g, int *order, int *n, int *changed)
{
    int old = (int)g->node.n;
    for (int i = 0; i < old; i++) {
        struct calls c = {.g = g, .of = i};
        if (!is_outer(g, &g->node.p[i])) {
            order[(*n)++] = i;
            continue;
        }
        TRY(as_product(&c));
        for (int k = 0; k < c.n; k++) order[(*n)++] = c.made[k];
        ++*changed;
    }
    return ERR_OK;
}

enum err pass_decompose(struct graph *g, struct pass_result *out)
{
    struct arena arena = {0};
    int *order = arena_array(&arena, CALLS * g->node.n + 1, sizeof *order), n = 0;
    enum err err = order ? decompose(g, order, &n, &out->changed)
                         : err_set(ERR_NOMEM, "out of memory in a pass");
    if (!err) err = graph_order(g, order, n);
    arena_release(&arena);
    return err;
}
