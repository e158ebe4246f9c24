/* lay_graph.h - a directed graph in layers, as boxes and lines with right angles: boxes and edges
 * in, places and segments out. Pure.
 *
 *        ┌─────┐        rank 0
 *        └──┬──┘
 *      ┌────┴────┐      a track of the channel between two ranks
 *   ┌──┴──┐      │      rank 1; the net passes through it in a slot of its own
 *   └──┬──┘      │
 *   ┌──┴─────────┴──┐   rank 2
 *
 * Words: a *net* is one value with all its readers: it leaves a box at one place and its lines
 * share what they can. Boxes come in program order and an edge leads from an earlier box to a
 * later one; what does not (bad data) is *cut*: not drawn, and counted. The order of the program
 * seeds the order within a rank, so that a small change of the graph changes the drawing little.
 *
 * The way: ranks by longest path, sources pulled down to their first reader; a slot per net and
 * rank that it passes; a fixed number of sweeps by barycentre, then by median, each followed by
 * exchanges of neighbours, the best kept; places by least squares against the neighbours, with the
 * distances as bounds (exact in linear time); tracks of a channel by the left edge, above those
 * whose line would run into theirs.
 */
#ifndef WEB_LAY_GRAPH_H
#define WEB_LAY_GRAPH_H

#include "store/base/arena.h"
#include "store/base/err.h"

#include <stdbool.h>

struct graph_box {
    double width, height; /* px */
};
/* All edges of a net have the same `from`. */
struct graph_edge {
    int from, to, net;
};
struct graph_in {
    const struct graph_box *boxes; /* in program order */
    int n_boxes;
    const struct graph_edge *edges;
    int n_edges, n_nets;
    double wide; /* boxes without an edge stand below in rows of at most this width */
};

struct graph_place {
    double x, y; /* px, top left */
    int rank;    /* -1: below, without an edge */
    int order;   /* from the left, slots of nets counted; in its row when rank is -1 */
};
struct graph_segment {
    int net;
    double x0, y0, x1, y1; /* upright or level; downwards or to the right */
};
struct graph_end {
    double x, y; /* where the edge meets its reader */
    bool cut;    /* not drawn */
};
struct graph_start {
    double x, y;       /* where the net leaves its box */
    double room, left; /* px for a label to the right, to the left of it */
    bool drawn;
};
struct graph_layout {
    struct graph_place *places;     /* per box */
    struct graph_segment *segments; /* grouped by nothing; order is the same for the same graph */
    int n_segments;
    struct graph_end *ends;     /* per edge */
    struct graph_start *starts; /* per net */
    int n_ranks, n_cut;
    int64_t crossings; /* of neighbouring ranks, as ordered */
    double width, height;
};
/* Everything lives in the arena. */
enum err WARN_UNUSED lay_graph(const struct graph_in *in, struct arena *arena,
                               struct graph_layout *out);

#endif
