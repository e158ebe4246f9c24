/* fuse.h - vertical fusion: which items become one kernel, and the nest of that kernel.
 *
 * Two items can be one nest when every point at which the one needs an element of the other is the
 * point that makes it. Loops of both are cut to a common refinement first (a loop of 12 beside two
 * of 3 and 4); then each array's strides tell. An item without inner loops joins one with inner
 * loops at the inner level where it varies along them, else at the outer level. What a kernel made
 * itself it reads from registers, rounded to the dtype it would have been stored in, so that the
 * bits are those of the items run one by one; it is stored only where someone else needs it.
 *
 * Every pair that was looked at is a decision.
 */
#ifndef RUNTIME_COMPILE_FUSE_H
#define RUNTIME_COMPILE_FUSE_H

#include "runtime/compile/lower.h"

enum fuse_kind {
    FUSE_POINTWISE,  /* pl_poi_...: no reduction */
    FUSE_REDUCTION,  /* pl_red_...: reduces rows of more than one chunk (1024 points) */
    FUSE_PERSISTENT, /* pl_per_...: rows that fit one chunk */
    FUSE_EXTERN,     /* a library's or plumb's own kernel */
};
/* One kernel: a nest of one or more items, or an extern item. */
struct fuse_group {
    enum fuse_kind kind;
    int *item; /* members in order of the program; in the arena */
    int n_items;
    const struct nest *nest; /* of the whole group; NULL extern */
    struct nest_plan plan;
    union lower_number param[NEST_PARAMS];
    int64_t stream;        /* of its random numbers, as graph_node.stream; -1 none */
    struct lower_use *use; /* per array of the nest, or as the extern item has them */
    int n_uses;
    int *before; /* groups that must have ended, ascending */
    int n_before, level;
    const char *name;                  /* pl_poi_fused_add_relu_3; unique in the compile, stable */
    int64_t bytes_read, bytes_written; /* of arrays outside */
    int64_t n_outer, n_inner;          /* points of the spaces */
};
/* Why a pair was fused or not. */
#define FUSE_REASONS(X)                                                                            \
    X(FUSED, "fused", "the consumer reads what the producer makes, point by point")                \
    X(SIBLINGS_READ, "siblings", "both read the same array over the same loops")                   \
    X(EXTERN_KERNEL, "extern",                                                                     \
      "one of them is a library's kernel, which takes no prologue or epilogue")                    \
    X(SPACE, "iteration space", "their loops have no common refinement")                           \
    X(PLACE, "index", "an element is needed at another point than it is made at")                  \
    X(REDUCED, "reduction in the way",                                                             \
      "the consumer needs reduced values at points of the same "                                   \
      "loop in which another reduction makes them")                                                \
    X(SERIAL, "serial", "one of them runs in logical order (scatter)")                             \
    X(SCAN, "scan", "the consumer would need a scan's value at another point")                     \
    X(CYCLE, "cycle", "a kernel between them needs the one and is needed by the other")            \
    X(WRITES, "in place", "one of them overwrites what the other, or a third, still reads")        \
    X(ARRAYS, "too many arrays", "the kernel would take more than 24 arrays")                      \
    X(NODES, "too large", "the kernel would have more nodes than it may")                          \
    X(LOCAL, "local memory",                                                                       \
      "its reductions would take more local memory than the device gives a kernel")                \
    X(RECOMPUTE, "recomputation", "the producer would be computed again for each reader")          \
    X(NO_GAIN, "no shared data", "they share no array")                                            \
    X(RANDOM, "random", "random numbers of different streams that cannot be told apart")           \
    X(OFF, "turned off", "fusion is turned off for this compile")
enum fuse_reason {
#define X(id, word, text) FUSE_##id,
    FUSE_REASONS(X)
#undef X
        FUSE_N_REASONS
};
const char *fuse_reason_word(enum fuse_reason r);
const char *fuse_reason_text(enum fuse_reason r);
struct fuse_decision {
    int a, b; /* items */
    bool fused;
    enum fuse_reason reason;
    int64_t bytes_saved; /* of reads and writes of memory that the fusion makes needless */
    double score; /* bytes_saved over bytes of both: what candidates are taken by, highest first */
};
struct fused {
    const struct lowered *lowered;    /* borrowed */
    LIST_OF(struct fuse_group) group; /* in an order that can be run */
    LIST_OF(struct fuse_decision) decision;
};
struct fuse_options {
    bool off;      /* every item is a kernel of its own */
    int max_nodes; /* of a kernel's nest; 0: 512 */
    /* Whether a device could build it; NULL: any. */
    bool (*fits)(const struct nest *n, const struct nest_plan *p);
};
WARN_UNUSED enum err fuse_items(const struct lowered *l, const struct fuse_options *o,
                                struct arena *arena, struct fused *out);
void fuse_release(struct fused *f);

#endif
