/* program_inject.c - which operators a compiled program stands for, where faults are asked for.
 *
 * Operators are counted as an eager run of the same graph calls them: in the order of its nodes,
 * values that are computed a second time not at all.
 */
#include "runtime/compile/program_parts.h"

enum err program_number_calls(const struct program *p, struct arena *arena, int64_t **out)
{
    const struct graph *g = p->graph;
    *out = arena_array(arena, g->node.n + 1, sizeof **out);
    if (!*out) FAIL(ERR_NOMEM, "out of memory for the calls of a program");
    for (size_t i = 0; i < g->node.n; i++)
        if (!g->node.p[i].recomputed) (*out)[i] = inject_next(thread_self.inject, g->node.p[i].op);
    return ERR_OK;
}

static int first_result(const struct graph_node *n)
{
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] >= 0) return n->out[i];
    for (int i = 0; i < n->n_in; i++)
        if (n->after[i] >= 0) return n->after[i];
    return GRAPH_NONE;
}

static bool stores(const struct program_launch *l, int value)
{
    for (int i = 0; i < l->n_args; i++)
        if (l->arg[i].made == value) return value >= 0;
    return false;
}

static bool any_stores(const struct program *p, int value)
{
    for (size_t i = 0; i < p->launch.n; i++)
        if (stores(&p->launch.p[i], value)) return true;
    return false;
}

enum err program_list_stored(const struct program *p, const struct program_launch *l,
                             struct arena *arena, struct program_stored **out, int *n)
{
    size_t most = 1;
    *n = 0;
    for (int m = 0; m < l->n_groups; m++) most += (size_t)p->fused.group.p[l->group[m]].n_items;
    *out = arena_array(arena, most, sizeof **out);
    if (!*out) FAIL(ERR_NOMEM, "out of memory for the operators of a kernel");
    for (int m = 0; m < l->n_groups; m++) {
        const struct fuse_group *g = &p->fused.group.p[l->group[m]];
        for (int i = 0; i < g->n_items; i++) {
            int node = p->lowered.item.p[g->item[i]].node;
            int value = first_result(&p->graph->node.p[node]);
            if (stores(l, value)) (*out)[(*n)++] = (struct program_stored){node, value};
            else if (!any_stores(p, value)) (*out)[(*n)++] = (struct program_stored){node, -1};
        }
    }
    return ERR_OK;
}
