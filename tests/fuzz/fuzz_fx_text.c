/* fuzz_fx_text.c - libFuzzer target: any bytes as FX graphs and as a guard tree; the invariants
 * must hold. */
#include <stdlib.h>

#include "capture/fx_text.h"
#include "capture/guard_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool held)
{
    if (!held) abort();
}

static void check_node(const struct fx_text *t, const struct fx_graph *g, uint32_t index,
                       struct span text)
{
    const struct fx_node *n = &t->nodes.p[index];
    check(n->op >= FX_PLACEHOLDER && n->op <= FX_OUTPUT);
    check(n->name.p && n->target.p && n->line >= g->line && n->line <= text.n + 1);
    check(n->frame <= t->frames.n);
    check((size_t)n->first_arg + n->n_args <= t->args.n);
    for (uint32_t i = 0; i < n->n_args; i++) {
        uint32_t argument = t->args.p[n->first_arg + i];
        check(argument >= g->first_node && argument < index);
    }
}

static void read_graphs(struct span text)
{
    static struct fx_text t; /* reused, as the importer does */
    check(fx_text_read(text, &t) == ERR_OK);
    uint32_t next = 0;
    for (size_t i = 0; i < t.graphs.n; i++) {
        const struct fx_graph *g = &t.graphs.p[i];
        check(g->first_node == next);
        next += g->n_nodes;
        for (uint32_t k = g->first_node; k < next; k++) check_node(&t, g, k, text);
    }
    check(next == t.nodes.n);
}

static void read_guards(struct span text)
{
    struct guard_tree tree = {.rest = text};
    struct guard_leaf leaf;
    int64_t line = 0;
    while (guard_tree_next(&tree, &leaf)) {
        check(leaf.line > line);
        line = leaf.line;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    read_graphs(text);
    read_guards(text);
    return 0;
}
