/* nest_make.h - how a nest grows: the parser adds nodes one by one, then levels and passes are set.
 *
 * Used by nest.c, nest_parse.c and the fusion of nests.
 */
#ifndef RUNTIME_NEST_MAKE_H
#define RUNTIME_NEST_MAKE_H

#include "runtime/nest.h"

enum { NEST_NODES = 4096 }; /* a body that makes more is refused */

struct nest_maker {
    const struct nest_spec *spec;
    enum nest_type compute;
    struct nest_node *node; /* owned */
    int n_nodes, size;
};
/* Adds a node, or finds the one of the same content (stores are never shared). The level is made
 * of the arguments' and the one given. */
WARN_UNUSED enum err nest_add(struct nest_maker *m, const struct nest_node *node, int *out);
/* The body's text into nodes. */
WARN_UNUSED enum err nest_parse(struct nest_maker *m);

/* Empty, with a number of its own. */
void nest_start(struct nest *out);
/* Nodes that no store needs go; levels, passes and the order of stores are set. Everything else of
 * *out is there. */
WARN_UNUSED enum err nest_finish(struct nest_maker *m, struct arena *arena, struct nest *out);

#endif
