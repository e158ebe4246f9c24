/* rewrite.h - what passes and printers share: comparing views and numbers, replacing values,
 * taking nodes out. */
#ifndef RUNTIME_COMPILE_REWRITE_H
#define RUNTIME_COMPILE_REWRITE_H

#include "runtime/compile/graph.h"

/* dtype, sizes, strides and offset are equal. */
bool graph_same_view(const struct view *a, const struct view *b);
/* Equal for equal views of one storage where the version given is the same. */
struct map_key graph_view_key(const struct graph_value *v, int version);
/* The same number or text; reals bit for bit, so -0 is not 0 and NaN is itself. Of tensors only
 * kind and count are compared. */
bool graph_same_number(const struct op_value *a, const struct op_value *b);
/* Left out of a call, the parameter would have this value. */
bool graph_is_default(const struct op_param *p, const struct op_value *v);

/* The arguments of a node become the first values, among those met so far in `seen`, that are the
 * same elements of the same version; what it makes is met. For each node in order. Outputs stay as
 * they are: each is a tensor of its own for the caller, with a gradient of its own. */
WARN_UNUSED enum err graph_unify(struct graph *g, struct map *seen, int node, int *changed);

/* The call gives its argument 0 with every bit, if it gives the same dtype and shape. */
bool graph_is_copy(const struct graph_node *n);

/* What passes ask of a graph; kept up to date by graph_replace. In the arena given. */
struct graph_facts {
    int *last_use; /* per storage: last node that takes or writes a value of it; the number of
                    * nodes for outputs; -1 none */
    bool *escapes; /* per storage: an output lies in it */
};
WARN_UNUSED enum err graph_facts_find(const struct graph *g, struct arena *arena,
                                      struct graph_facts *out);
/* Whether the storage of a value holds what it held until node `until` has run. */
bool graph_holds(const struct graph *g, int value, int until);
/* Every use of `from` becomes one of `to`, which has its elements; views of `from` become views of
 * `to`. Not done, and nothing changed, when that could be seen from outside the graph or by a later
 * write, or when a view cannot be had of `to`. `from` is made by a node, and is all of its
 * storage. */
WARN_UNUSED enum err graph_replace(struct graph *g, struct graph_facts *f, int from, int to,
                                   bool *done);
/* Appends a call that stands in for node `of`, with its place in the program; its only result is
 * made anew unless `value` names the one that it is to make. */
WARN_UNUSED enum err graph_call_for(struct graph *g, int of, const struct op *op,
                                    const struct op_value *arg, const int *in, int n_in, int value,
                                    int *node);
/* Nodes in another order, or fewer: order[0..n) are the old numbers. Values and storages that
 * nothing speaks of any more go; all numbers are made anew. What is given (inputs, captured,
 * constants, tangents, saved) stays. */
WARN_UNUSED enum err graph_order(struct graph *g, const int *order, int n);

#endif
