/* fuse_draft.h - groups in the making: loops that several items share, and the nest they become.
 * Used by fuse*.c only.
 */
#ifndef RUNTIME_COMPILE_FUSE_DRAFT_H
#define RUNTIME_COMPILE_FUSE_DRAFT_H

#include "runtime/compile/fuse.h"

/* A loop of a draft as a member sees it: a piece of one of its own loops, or nothing (the member
 * does not vary along it). */
struct fuse_part {
    bool present;
    int origin;       /* loop of the item's plan */
    int64_t multiple; /* the coordinate along `origin` is the sum of multiple times coordinate */
};
struct fuse_member {
    int item;
    struct fuse_part part[NEST_LOOPS];
};
/* Outer loops come first. Loops of one point are left out. */
struct fuse_draft {
    const struct lowered *l; /* borrowed */
    int n_loops;
    int64_t size[NEST_LOOPS];
    bool inner[NEST_LOOPS];
    bool has_inner;
    struct fuse_member *member; /* by rising item; owned, or of an arena */
    int n_members;
};
/* An item alone, whose member is owned. *reason is FUSED, or why it can be fused with nothing. */
WARN_UNUSED enum err fuse_draft_of(const struct lowered *l, int item, struct fuse_draft *out,
                                   enum fuse_reason *reason);
/* Both over common loops, in the arena; *reason is FUSED, or why there are none. */
WARN_UNUSED enum err fuse_draft_merge(const struct fuse_draft *a, const struct fuse_draft *b,
                                      struct arena *arena, struct fuse_draft *out,
                                      enum fuse_reason *reason);
/* Elements between two points of loop c, of an array of a member's item. */
int64_t fuse_stride(const struct fuse_draft *d, int member, int array, int c);
/* Whether the item is a member. */
bool fuse_has(const struct fuse_draft *d, int item);
/* Fills what the nest gives: nest, plan, numbers, uses, kind, bytes, points. of_buffer: items that
 * read a buffer, ascending. *reason is FUSED, ARRAYS or NODES. */
struct fuse_readers {
    const int *item;
    int n;
};
WARN_UNUSED enum err fuse_draft_nest(const struct fuse_draft *d, const struct fuse_readers *readers,
                                     int max_nodes, struct arena *arena, struct fuse_group *out,
                                     enum fuse_reason *reason);
bool fuse_is_product(const struct lowered *l, int item);
/* The draft's nest, which *out is, made the epilogue of the product; *reason is FUSED, or why it
 * cannot be, then *out is left as it was. */
WARN_UNUSED enum err fuse_epilogue(const struct fuse_draft *d, int product,
                                   const struct fuse_readers *readers, struct arena *arena,
                                   struct fuse_group *out, enum fuse_reason *reason);
/* Whether threads would have less of the nest, as an epilogue, than each of them could have. */
bool fuse_has_few_tiles(const struct lowered *l, int product, int threads);
/* Whether two uses may touch the same element. */
bool fuse_overlap(const struct lowered *l, const struct lower_use *a, const struct lower_use *b);

#endif
