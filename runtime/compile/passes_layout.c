/* passes_layout.c - copies that only lay a tensor out anew, for a reader that takes any strides.
 *
 * A copy writes and reads its tensor once more than a reader of strides does. It goes where it is
 * read by one call, once per element: a nest that neither looks elements up by index nor stretches
 * the copy over more points, or a contraction, which packs its operands whatever their strides are.
 * Views of the copy become views of what was copied; where that has no such view (joining
 * dimensions that do not follow one another) the copy stays. Operators give the same bits for any
 * strides: reductions run in logical order.
 */
#include "runtime/compile/passes.h"

#include <string.h>

#include "runtime/compile/rewrite.h"
#include "runtime/ops.h"

/* The only call that takes values of the storage of node i's result, other than for views;
 * GRAPH_NONE. */
static int only_reader(const struct graph *g, const struct graph_facts *f, int i, int *value)
{
    int storage = g->value.p[g->node.p[i].out[0]].storage, last = f->last_use[storage];
    int reader = GRAPH_NONE, n = 0;
    for (int k = i + 1; k <= last && k < (int)g->node.n && n < 2; k++)
        for (int s = 0; s < g->node.p[k].n_in; s++) {
            int in = g->node.p[k].in[s];
            if (in < 0 || g->value.p[in].storage != storage) continue;
            if (g->node.p[k].op->class == OP_VIEW) continue;
            reader = k;
            *value = in;
            n++;
        }
    return n == 1 ? reader : GRAPH_NONE;
}

static bool is_product(const struct op *op)
{
    return op == op_at(OP_ID_mm) || op == op_at(OP_ID_bmm) || op == op_at(OP_ID_addmm) ||
           op == op_at(OP_ID_baddbmm);
}

/* Every element is read once. */
static bool reads_once(const struct graph *g, const struct graph_node *n, int value)
{
    const struct view *v = &g->value.p[value].view;
    if (is_product(n->op)) return true;
    if (n->op->class != OP_NEST || (n->op->body && strstr(n->op->body, "load("))) return false;
    for (int d = 0; d < v->shape.n; d++)
        if (v->stride[d] == 0 && v->shape.size[d] > 1) return false;
    return n->n_out > 0 && n->out[0] >= 0 &&
           view_count(&g->value.p[n->out[0]].view) <= view_count(v);
}

static enum err take_source(struct graph *g, struct graph_facts *f, int i, int *changed)
{
    const struct graph_node *n = &g->node.p[i];
    bool done = false;
    int value = GRAPH_NONE;
    if (!graph_is_copy(n) || n->n_out != 1 || n->out[0] < 0 || n->in[0] < 0) return ERR_OK;
    int reader = only_reader(g, f, i, &value);
    if (reader < 0 || !reads_once(g, &g->node.p[reader], value)) return ERR_OK;
    TRY(graph_replace(g, f, n->out[0], n->in[0], &done));
    *changed += done;
    return ERR_OK;
}

enum err pass_layout(struct graph *g, struct pass_result *out)
{
    struct arena arena = {0};
    struct graph_facts f;
    enum err err = graph_facts_find(g, &arena, &f);
    for (size_t i = 0; !err && i < g->node.n; i++) err = take_source(g, &f, (int)i, &out->changed);
    arena_release(&arena);
    return err;
}
