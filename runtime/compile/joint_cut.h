/* joint_cut.h - minimum cut of a network, by Dinic's maximum flow (Dinic, 1970).
 *
 * Of all cuts of least price the one nearest the sink is taken. Prices are whole numbers; CUT_NEVER
 * is more than any sum of them may be.
 */
#ifndef RUNTIME_COMPILE_JOINT_CUT_H
#define RUNTIME_COMPILE_JOINT_CUT_H

#include <stdbool.h>

#include "store/base/arena.h"
#include "store/base/err.h"
#include "store/base/lists.h"

#define CUT_NEVER (INT64_MAX / 4)

struct cut_edge {
    int to, next; /* next edge of the same point; -1 the last */
    int64_t
        left; /* what may still flow; its counter edge has the number with the last bit turned */
};
struct cut {
    int *first; /* per point; -1 none */
    int n_points;
    LIST_OF(struct cut_edge) edge;
    struct arena *arena; /* borrowed */
};
enum { CUT_SOURCE, CUT_SINK, CUT_POINTS /* the first of the caller's */ };

/* Points 0 to n - 1, of which the first two are source and sink. */
WARN_UNUSED enum err cut_init(struct cut *c, int n_points, struct arena *arena);
void cut_release(struct cut *c);
WARN_UNUSED enum err cut_edge(struct cut *c, int from, int to, int64_t price);
/* The price of the cut, at least CUT_NEVER when there is none; after[p]: point p lies on the sink's
 * side. after is of the arena. */
WARN_UNUSED enum err cut_run(struct cut *c, int64_t *price, bool **after);

#endif
