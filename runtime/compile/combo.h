/* combo.h - horizontal fusion: independent kernels that become one launch.
 *
 * Pure: descriptions of kernels in, groups and decisions out. Members keep their own block counts
 * and their own order of reduction, so that a combined kernel gives the bits of its members run one
 * by one. Rules: those of Inductor's combo kernels (2.10, and what was learned since), see the
 * table in combo.c.
 */
#ifndef RUNTIME_COMPILE_COMBO_H
#define RUNTIME_COMPILE_COMBO_H

#include "store/base/arena.h"
#include "store/base/err.h"
#include "store/base/lists.h"

/* A kernel as the rules see it. */
struct combo_kernel {
    int level;          /* kernels of one level do not depend on each other */
    int device, stream; /* numbers; kernels of different ones are not combined */
    bool is_extern, is_nop, is_foreach, scatters, indirect; /* indirect: computed positions read */
    int n_dims;       /* tiling dimensions: 1, 2 (x, y) or 3 */
    int reduced_dims; /* tiling dimensions of the rows of a reduction: 0 or 1, or 2 (r0, r1) */
    int64_t x, y;     /* sizes of the tiling dimensions; y 1 where there is one */
    int64_t reduced;  /* points per row of a reduction; 0 pointwise */
    bool persistent;  /* its rows fit one chunk */
    bool inner;       /* a reduction along contiguous memory; false: across (outer) */
    bool dynamic;     /* sizes are numbers of the call; those here are hints */
    int n_args;       /* pointers and numbers it takes */
    const int
        *reads;    /* arrays it reads, each once, in any order; kernels that share some are put */
    int n_reads;   /* beside each other. 0: nothing is known */
    int64_t bytes; /* read and written */
    double own_ns; /* measured, or estimated from bytes and flops; what estimate_ns gives */
    int registers, shared_bytes, spills; /* of the kernel built alone; 0 unknown */
    int threads;                         /* of its blocks when alone; 0: as the rules choose */
    uint64_t body;                       /* equal bodies share one code path */
};
/* How a block finds its member and its place in it, from its number pid:
 *   SEQUENTIAL   the member with first <= pid < first + blocks; x block pid - first, y block from
 *                the second axis of the grid
 *   FLAT         the same member; l = pid - first: x block l mod x_blocks, y block l div x_blocks
 *   ROUND_ROBIN  member pid mod n_members, x block pid div n_members; none beyond its blocks */
enum combo_dispatch { COMBO_SEQUENTIAL, COMBO_FLAT, COMBO_ROUND_ROBIN };
/* Points that a block takes. */
struct combo_block {
    int x, y; /* y 1 where there is one tiling dimension */
    int row;  /* of a row at once: a persistent one whole, as a power of 2; 0: pointwise */
};
struct combo_member {
    int kernel;
    int path;                 /* code path, from 0; members of equal bodies have one */
    int64_t first, blocks;    /* SEQUENTIAL, FLAT: its range of blocks. ROUND_ROBIN: blocks only */
    int64_t x_blocks;         /* FLAT: x = local mod x_blocks, y = local div x_blocks */
    struct combo_block block; /* FLAT: its own; else the group's, x 1 where a block takes one row */
};
struct combo_group {
    enum combo_dispatch dispatch;
    struct combo_member *member; /* largest first; in the arena */
    int n_members, n_paths;
    int64_t blocks;           /* of the launch; along the first axis of the grid */
    int64_t y_blocks;         /* along the second; 1 FLAT and where there is one dimension */
    struct combo_block block; /* FLAT: of the largest member */
    int threads;              /* of a block */
    int n_args;
};
#define COMBO_REASONS(X)                                                                           \
    X(COMBINED, "combined", "independent, small, and alike enough")                                \
    X(OFF, "turned off", "combining is turned off for this compile")                               \
    X(NOP, "nop", "there is nothing to launch")                                                    \
    X(EXTERN, "extern", "a library's kernel is launched by itself")                                \
    X(LEVEL, "dependence", "of different levels: the one may need the other, through a third too") \
    X(DEVICE, "device", "they run on different devices or streams")                                \
    X(POINTWISE_ONLY, "pointwise only", "reductions are left out in this mode")                    \
    X(DIMS, "dimensions", "they tile different numbers of dimensions")                             \
    X(TILES, "tiles", "three tiling dimensions, or two of a reduction, stay alone")                \
    X(LIST, "list", "kernels of list operators are combined among themselves")                     \
    X(DYNAMIC, "dynamic sizes", "lists of dynamic sizes are not combined")                         \
    X(MIXED, "mixed kinds", "pointwise beside reduction")                                          \
    X(PERSISTENT, "persistent", "a persistent reduction beside a looped one")                      \
    X(LONG, "long reduction", "more than 2048 points per row stay apart")                          \
    X(LARGE, "large", "more than 51,200,000 points stay alone")                                    \
    X(RATIO, "sizes", "x differs by more than 8 times within a group")                             \
    X(RUNTIME, "long enough", "its own run time is above the limit, a launch is nothing to it")    \
    X(HINT, "inner and outer", "a reduction along rows beside one across them")                    \
    X(INDIRECT, "computed positions", "what reads or writes at computed positions stays apart")    \
    X(SCATTER, "scatter", "it scatters")                                                           \
    X(ARGS, "arguments", "the kernel would take more arguments than it may")                       \
    X(MEMBERS, "members", "the group is full")                                                     \
    X(SIZES, "mixed sizes", "mixed sizes are turned off, and y differs")                           \
    X(OCCUPANCY, "occupancy", "together they would fit fewer blocks than the worst of them alone") \
    X(SPILLS, "spills", "it spills registers")                                                     \
    X(SLOWER, "slower", "measured: not faster together")                                           \
    X(ALONE, "alone", "no second kernel was left for it")
enum combo_reason {
#define X(id, word, text) COMBO_##id,
    COMBO_REASONS(X)
#undef X
        COMBO_N_REASONS
};
const char *combo_reason_word(enum combo_reason r);
const char *combo_reason_text(enum combo_reason r);
struct combo_decision {
    int a, b; /* kernels; b -1: about a alone */
    bool combined;
    enum combo_reason reason;
    double a_ns, b_ns, together_ns; /* measured, together: of the whole group; 0 not */
    double apart_ns;                /* of all of the group, one after the other */
    double score; /* arrays that both read, over those of the one that reads fewer */
};
/* Resources of a processor that blocks share; zeros: unknown, occupancy is not judged. */
struct combo_device {
    int registers, shared_bytes, threads, blocks; /* per multiprocessor */
    int64_t launch_ns;                            /* what one launch costs; 0 unknown */
};
/* ns: time of one launch of these kernels together (n > 1) or of one alone; INFINITY: a kernel
 * spills; 0: not measured. */
struct combo_clock {
    double (*ns)(void *context, const int *kernel, int n);
    void *context;
};
struct combo_options {
    bool off;
    int max_args;    /* 0: 250 */
    int max_members; /* 0: 8; lists (foreach) are not limited by it */
    int mixed_sizes; /* 0 never, 1 all but foreach (default when -1), 2 all */
    bool pointwise_only, mixed_pointwise_reduction;
    bool static_lists;        /* lists of dynamic sizes are not combined */
    bool per_member_blocks;   /* FLAT dispatch; each its own block size */
    double ratio;             /* 0: 8 */
    double own_ns;            /* 0: ten launches, 50000 where their cost is not known */
    bool deterministic;       /* the compile is run or exact: nothing may be chosen by time */
    bool measure;             /* a gate by measurement: ERR_REFUSED beside deterministic */
    struct combo_clock clock; /* set where measure is */
    double small_ns;          /* a shorter time is not told from noise; 0: 300000 */
    struct combo_device device;
};
struct combined {
    LIST_OF(struct combo_group) group; /* of two and more */
    LIST_OF(struct combo_decision) decision;
};
/* Equal input, equal output. At least one decision per kernel. Release also after a failure. */
WARN_UNUSED enum err combo_form(const struct combo_kernel *kernel, int n,
                                const struct combo_options *o, struct arena *arena,
                                struct combined *out);
void combo_release(struct combined *c);

#endif
