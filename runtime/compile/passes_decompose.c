/* passes_decompose.c - calls of kernels that are loop nests in truth, written as those.
 *
 * A call of a kernel takes no part in fusion. Operators made of nests (norms, lists, cat) are taken
 * apart when a graph is lowered; here go products of matrices whose inner size is 1:
 *
 *   mm [m, 1] x [1, n], bmm   mul(self, mat2) + 0
 *
 * The kernel adds the one product to +0 with a single rounding: fma(a, b, 0). That is the rounded
 * product, but +0 where the product is -0, which adding 0 makes of it. A product of two 16-bit
 * floats is exact in f32, and f32 rounds it once, as the kernel's store does. addmm stays: there
 * the sum with self is rounded elsewhere.
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

static enum err as_product(struct graph *g, int i, int made[2])
{
    struct graph_node n = g->node.p[i];
    struct op_value two[] = {{.kind = OP_TENSOR}, {.kind = OP_TENSOR}};
    struct op_value sum[] = {{.kind = OP_TENSOR},
                             {.kind = OP_SCALAR, .is_int = true},
                             {.kind = OP_SCALAR, .is_int = true, .i = 1, .r = 1}};
    TRY(graph_call_for(g, i, op_at(OP_ID_mul_Tensor), two, n.in, 2, GRAPH_NONE, &made[0]));
    const int *product = g->node.p[made[0]].out;
    return graph_call_for(g, i, op_at(OP_ID_add_Scalar), sum, product, 1, n.out[0], &made[1]);
}

/* New calls stand at the end until all are made; order[] says where they belong. */
static enum err decompose(struct graph *g, int *order, int *n, int *changed)
{
    int old = (int)g->node.n;
    for (int i = 0; i < old; i++) {
        int made[2];
        if (!is_outer(g, &g->node.p[i])) {
            order[(*n)++] = i;
            continue;
        }
        TRY(as_product(g, i, made));
        order[(*n)++] = made[0];
        order[(*n)++] = made[1];
        ++*changed;
    }
    return ERR_OK;
}

enum err pass_decompose(struct graph *g, struct pass_result *out)
{
    struct arena arena = {0};
    int *order = arena_array(&arena, 2 * g->node.n + 1, sizeof *order), n = 0;
    enum err err = order ? decompose(g, order, &n, &out->changed)
                         : err_set(ERR_NOMEM, "out of memory in a pass");
    if (!err) err = graph_order(g, order, n);
    arena_release(&arena);
    return err;
}
