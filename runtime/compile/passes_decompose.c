/* passes_decompose.c - calls of kernels that are loop nests in truth, written as those.
 *
 * A call of a kernel takes no part in fusion. Operators made of nests (norms, lists, cat) are taken
 * apart when a graph is lowered. Here go products over an inner size of 0: mm, bmm, mv, dot give
 * +0 everywhere, which zeros gives too, and which fuses with what reads it.
 *
 * Not products over an inner size of 1: the kernel's fma(a, b, 0) is neither the product, which may
 * be -0 of factors that are 0, nor the product + 0, which is +0 where a product below the smallest
 * number is rounded to -0.
 */
#include "runtime/compile/passes.h"
#include "runtime/compile/rewrite.h"
#include "runtime/ops.h"

static bool is_empty_product(const struct graph *g, const struct graph_node *n)
{
    static const enum op_id products[] = {OP_ID_mm, OP_ID_bmm, OP_ID_mv, OP_ID_dot};
    bool known = false;
    for (size_t i = 0; i < sizeof products / sizeof *products; i++)
        known |= n->op == op_at(products[i]);
    if (!known || n->out[0] < 0) return false;
    const struct view_shape *a = &g->value.p[n->in[0]].view.shape;
    return a->size[a->n - 1] == 0 && view_count(&g->value.p[n->out[0]].view) > 0;
}

static enum err as_zeros(struct graph *g, int i, int *made)
{
    int out = g->node.p[i].out[0];
    const struct view *v = &g->value.p[out].view;
    int64_t *size = arena_array(g->arena, (size_t)v->shape.n + 1, sizeof *size);
    if (!size) FAIL(ERR_NOMEM, "out of memory in a pass");
    for (int d = 0; d < v->shape.n; d++) size[d] = v->shape.size[d];
    struct op_value arg[] = {{.kind = OP_INTS, .is = size, .n = v->shape.n},
                             {.kind = OP_DTYPE, .i = v->dtype},
                             {.kind = OP_NONE},
                             {.kind = OP_NONE},
                             {.kind = OP_NONE}};
    const int none = GRAPH_NONE;
    return graph_call_for(g, i, op_at(OP_ID_zeros), arg, &none, 0, out, made);
}

/* New calls stand at the end until all are made; order[] says where they belong. */
static enum err decompose(struct graph *g, int *order, int *changed)
{
    int old = (int)g->node.n;
    for (int i = 0; i < old; i++) {
        order[i] = i;
        if (!is_empty_product(g, &g->node.p[i])) continue;
        TRY(as_zeros(g, i, &order[i]));
        ++*changed;
    }
    return ERR_OK;
}

enum err pass_decompose(struct graph *g, struct pass_result *out)
{
    struct arena arena = {0};
    int *order = arena_array(&arena, g->node.n + 1, sizeof *order), n = (int)g->node.n;
    enum err err =
        order ? decompose(g, order, &out->changed) : err_set(ERR_NOMEM, "out of memory in a pass");
    if (!err && out->changed) err = graph_order(g, order, n);
    arena_release(&arena);
    return err;
}
