/* lower.h - a graph as loop nests and calls of kernels on buffers.
 *
 *   node of class NEST ─────────────► one item
 *   node OP_BY_NESTS (norms, lists, optimisers, cat, ...): its run function is run with a collector
 *                                     in place of the back end ─► an item per nest
 *   other OPAQUE node ──────────────► one item that calls its kernel (extern)
 *   node of class VIEW ─────────────► nothing: views are strides
 *
 * Items stand in the order of the nodes. A *buffer* is a storage of the graph, or scratch of an
 * item. Dependencies are those of buffers: reads after writes, writes after reads, writes after
 * writes, where elements may overlap.
 */
#ifndef RUNTIME_COMPILE_LOWER_H
#define RUNTIME_COMPILE_LOWER_H

#include "runtime/compile/graph.h"

struct lower_buffer {
    int storage;     /* of the graph; GRAPH_NONE: scratch */
    int64_t size;    /* bytes, of what is made here; given ones: of the graph's range */
    bool given;      /* an input, captured, constant: memory comes from outside */
    bool escapes;    /* outputs lie in it */
    int first, last; /* items that touch it first and last */
};
/* How an item takes a tensor. */
struct lower_use {
    int buffer;
    int value;        /* of the graph; GRAPH_NONE: scratch */
    struct view view; /* offset: elements from the buffer's first element of that dtype */
    bool written;
};
union lower_number {
    double r;
    int64_t i;
};
struct lower_item {
    int node; /* of the graph */
    int part; /* which nest of the node, from 0 */
    bool is_extern;
    /* nest */
    const struct nest *nest; /* NULL: extern */
    struct nest_plan plan;   /* lies' offsets: from the buffer's first element */
    union lower_number param[NEST_PARAMS];
    int64_t stream; /* -1: no random numbers; else as graph_node.stream */
    /* nest: one use per array, in the nest's order. extern: per tensor slot, then per result;
     * buffer GRAPH_NONE absent */
    struct lower_use *use;
    int n_uses;
    int *before; /* items that must have ended, ascending; in the arena */
    int n_before;
    int level; /* 0, or one more than the highest of `before` */
};
struct lowered {
    const struct graph *graph; /* borrowed */
    struct arena *arena;       /* borrowed */
    LIST_OF(struct lower_buffer) buffer;
    LIST_OF(struct lower_item) item;
};
/* Release with lower_release also after a failure. */
WARN_UNUSED enum err lower_graph(const struct graph *g, struct arena *arena, struct lowered *out);
void lower_release(struct lowered *l);
/* The view of a use, its offset moved up by a number of its buffer's, so that it is not below 0. */
struct view lower_shifted(const struct lowered *l, const struct lower_use *u);

/* ---- the collector: op_nest_run gives nests here while it is set (thread_self.collect) ---- */
struct op_nest;
struct collector {
    /* run: the nest, its plan and numbers; without memory */
    enum err (*take)(struct collector *to, struct op_call *c, const struct op_nest *n,
                     const struct nest_run *run);
};

#endif
