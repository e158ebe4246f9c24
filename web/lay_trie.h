/* lay_trie.h - the stack frames of many compiles as one tree, each frame once: rows in, rows of a
 * drawing out. Pure.
 *
 *   main                    depth 0
 *   ├─ f            [0/0]         1
 *   └─ compile_wrapper            1
 *      ├─ g         [1/0]         2
 *
 * A frame with one child keeps its depth: only branches indent. Frames of libraries between two
 * frames of the program are one row that names them.
 */
#ifndef WEB_LAY_TRIE_H
#define WEB_LAY_TRIE_H

#include "store/base/arena.h"
#include "store/base/err.h"

struct trie_frame {
    int64_t id, parent; /* parent 0: outermost */
    bool library;       /* may be folded */
};
/* What hangs at a frame: compiles, in order of start. */
struct trie_leaf {
    int64_t frame; /* id, 0: no stack was recorded */
    int64_t ns;    /* its time, for the sums */
};

struct trie_row {
    int frame;  /* index of the (last) frame, -1: leaves without a stack */
    int folded; /* library frames folded into this row, before or instead of `frame`: 0, or >= 1 */
    int depth;  /* indentation */
    uint64_t guides;    /* bit d: a line goes on at depth d below this row (d < 64) */
    bool branch;        /* a connector leads to it: its parent has several children */
    bool last;          /* the last of them; of a lone child: as its parent */
    int leaf, n_leaves; /* first of its own leaves in `order`, and how many */
    int below;          /* leaves of the whole subtree, its own included */
    int64_t ns;         /* their time */
    int end;            /* index of the row after its subtree */
};
struct trie {
    struct trie_row *rows;
    int n_rows;
    int *order; /* indices of leaves, grouped by frame */
    int *
        /* per frame: next frame of a folded chain, -1 end (a row's `frame` begins its chain) */
        fold_next;
};

/* Frames in any order; a parent that is not among them counts as 0, what hangs in a cycle is left
 * out. Everything lives in the arena. */
enum err WARN_UNUSED lay_trie(const struct trie_frame *frames, int n_frames,
                              const struct trie_leaf *leaves, int n_leaves, struct arena *arena,
                              struct trie *out);

#endif
