/* passes.h - rewriting a graph before it is lowered. Each pass leaves a graph that graph_check
 * accepts and that gives the same bits.
 *
 *   decompose     calls that are written as smaller ones (kept: opaque kernels), so that they fuse
 *   canonicalise  forms that mean the same become one: views of views, casts of casts, copies of
 *                 what lies alike, x * 1. Only what keeps every bit: x + 0 is not x (-0 + 0 is +0);
 *                 x - 0 and x * 1 are x but for the payload of NaN, so x is to have none
 *   cse           calls of equal operator, numbers and values are made once (no random ones, none
 *                 that read or write a storage that is written between)
 *   fold          what depends on constants alone is computed now; full, zeros, arange stay
 *                 (they cost nothing to make and much to store)
 *   layout        copies whose only reader takes any strides
 *   dce           what nothing needs goes; random calls keep their stream numbers
 *
 * What the caller sees stays: each result is a tensor of its own that lies as it lay, and shares
 * memory with what it shared memory with.
 */
#ifndef RUNTIME_COMPILE_PASSES_H
#define RUNTIME_COMPILE_PASSES_H

#include "runtime/compile/graph.h"

#define PASSES(X)                                                                                  \
    X(decompose)                                                                                   \
    X(canonicalise)                                                                                \
    X(cse)                                                                                         \
    X(fold)                                                                                        \
    X(layout)                                                                                      \
    X(dce)
struct pass_result {
    int changed; /* nodes rewritten or removed */
    int64_t ns;  /* time it took */
};
#define X(name) WARN_UNUSED enum err pass_##name(struct graph *g, struct pass_result *out);
PASSES(X)
#undef X
/* All of them in order, each checked; seen(context, name, g, r) after each, NULL none. */
WARN_UNUSED enum err passes_run(struct graph *g,
                                enum err (*seen)(void *context, const char *pass,
                                                 const struct graph *g,
                                                 const struct pass_result *r),
                                void *context);
/* The same of a graph that differs in sizes alone from one whose passes were checked: checked in
 * the end. */
WARN_UNUSED enum err passes_run_again(struct graph *g);

#endif
