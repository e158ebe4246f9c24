/* guard_tree.h - reads the tree of guards that Dynamo prints, one line at a time.
 *
 *   TREE_GUARD_MANAGER:
 *   +- RootGuardManager
 *   | +- DEFAULT_DEVICE: utils_device.CURRENT_DEVICE == None        # _dynamo/output_graph.py:1122
 *   | +- GuardManager: source=L['x'], accessed_by=FrameLocalsGuardAccessor(...), type=...
 *   | | +- TENSOR_MATCH: check_tensor(L['x'], ...)                  # return x + 1  # a.py:21 in f
 *   | | +- NO_TENSOR_ALIASING
 *
 * A line whose label says Manager is an inner node, any other with "+- " is a leaf: a guard.
 * Format: torch/_dynamo/guards.py (GuardManagerWrapper.construct_manager_string) of PyTorch 2.4 to
 * 2.13.
 */
#ifndef CAPTURE_GUARD_TREE_H
#define CAPTURE_GUARD_TREE_H

#include "store/base/span.h"

enum { GUARD_TREE_DEPTH = 256 }; /* deeper managers count as this deep */

struct guard_leaf {
    struct span kind;   /* TENSOR_MATCH */
    struct span parent; /* source of the manager that holds it, absent none */
    struct span code;   /* what is checked, absent none */
    struct span origin; /* comment behind it, absent none */
    int64_t line;       /* 1-based in the text */
};
struct guard_tree {
    struct span rest; /* set to the text before the first call */
    int64_t line;     /* 0 before the first call */
    struct span sources[GUARD_TREE_DEPTH];
};

/* The next leaf; false at the end of the text. */
bool guard_tree_next(struct guard_tree *t, struct guard_leaf *out);

#endif
