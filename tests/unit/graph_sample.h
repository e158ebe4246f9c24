/* graph_sample.h - a graph like that of a transformer, for the tests and the bench of lay_graph.
 *
 * Blocks of 25 boxes in program order: each reads the one before it, one in six a parameter that
 * stands just before it, three of a block the same one (queries, keys, values), which meet again,
 * the last of a block what came into the block (the residual), and one in nine what stands some
 * way before, so that lines cross.
 */
#ifndef TESTS_GRAPH_SAMPLE_H
#define TESTS_GRAPH_SAMPLE_H

#include "tests/unit/unit.h"
#include "web/lay_graph.h"

struct graph_sample {
    struct graph_box *boxes;
    struct graph_edge *edges;
    int n, n_edges;
};

static inline void sample_edge(struct graph_sample *g, int from, int to)
{
    g->edges[g->n_edges++] = (struct graph_edge){from, to, from};
}

static inline struct graph_sample sample_make(int n)
{
    struct graph_sample g = {calloc((size_t)n + 1, sizeof *g.boxes),
                             calloc(5 * (size_t)n + 1, sizeof *g.edges), n, 0};
    int last = -1, block = -1;
    for (int i = 0; i < n; i++) {
        g.boxes[i] = (struct graph_box){160 + i % 5 * 20, 40 + i % 7 * 16};
        int at = i % 25;
        if (at % 6 == 2) continue;
        bool fan = at == 4 || at == 5;
        if (last >= 0) sample_edge(&g, fan ? i - at + 1 : last, i);
        if (at == 6) sample_edge(&g, i - 2, i), sample_edge(&g, i - 3, i);
        if (i && (i - 1) % 25 % 6 == 2) sample_edge(&g, i - 1, i);
        if (i % 25 == 24 && block >= 0) sample_edge(&g, block, i);
        if (i % 25 == 0) block = i;
        if (i % 9 == 4 && i > 60 && (i - 21) % 25 % 6 != 2) sample_edge(&g, i - 21 - i % 2 * 25, i);
        last = i;
    }
    return g;
}

static inline enum err sample_lay(const struct graph_sample *g, struct arena *a,
                                  struct graph_layout *out)
{
    return lay_graph(&(struct graph_in){.boxes = g->boxes,
                                        .n_boxes = g->n,
                                        .edges = g->edges,
                                        .n_edges = g->n_edges,
                                        .n_nets = g->n,
                                        .wide = 1200},
                     a, out);
}

static inline void sample_free(struct graph_sample *g)
{
    free(g->boxes);
    free(g->edges);
}

#endif
