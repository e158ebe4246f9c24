/* lay_graph_in.h - what the steps of lay_graph share: vertices in layers and links between
 * neighbouring layers.
 *
 * A *vertex* is a box or the slot of a net in a rank that it passes. A *link* joins vertices of
 * neighbouring ranks.
 */
#ifndef WEB_LAY_GRAPH_IN_H
#define WEB_LAY_GRAPH_IN_H

#include "web/lay_graph.h"

enum { GRAPH_SLOT_WIDTH = 8, GRAPH_GAP = 28, GRAPH_SLOT_GAP = 8, GRAPH_MARGIN = 12 };

struct graph_vertex {
    int rank, box;                          /* box -1: a slot */
    int order;                              /* in its layer */
    int first_up, n_up, first_down, n_down; /* in ups and downs */
    double seed;                            /* program order, for the first order of its layer */
    double width, x;                        /* px, left */
};
struct graph_link {
    int up, down; /* vertices */
    int net, edge;
    double port_up, port_down; /* px from the left of either vertex */
};
struct graph_lay {
    const struct graph_in *in;
    struct arena *arena;
    struct graph_layout *out;
    struct graph_vertex *v;
    struct graph_link *links;
    int *ups, *downs;    /* links by lower, by upper vertex */
    int *layer, *layers; /* layer[r] .. layer[r + 1] of layers: vertices of a rank in order */
    int n_v, n_links, n_ranks;
};

/* Finds the order within the layers. */
enum err WARN_UNUSED lay_graph_order(struct graph_lay *l);
/* Places ports and vertices from the left. */
enum err WARN_UNUSED lay_graph_settle(struct graph_lay *l);
/* Heights, tracks and segments. */
enum err WARN_UNUSED lay_graph_route(struct graph_lay *l);

static inline void *graph_array(struct graph_lay *l, int n, size_t size)
{
    return arena_array(l->arena, n ? (size_t)n : 1, size);
}
#define GRAPH_NEW(l, at, n)                                                                        \
    do {                                                                                           \
        (at) = graph_array((l), (n), sizeof *(at));                                                \
        if (!(at)) FAIL(ERR_NOMEM, "out of memory for the layout of a graph");                     \
    } while (0)

#endif
