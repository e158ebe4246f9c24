/* line_diff.h - which lines two texts share: the shortest edit script, by E. Myers' greedy
 * algorithm (Algorithmica 1, 1986).
 *
 * Lines are compared by a 128-bit hash of their bytes. Time and memory grow with the square of
 * the differences, so they are limited.
 */
#ifndef STORE_BASE_LINE_DIFF_H
#define STORE_BASE_LINE_DIFF_H

#include "store/base/arena.h"
#include "store/base/err.h"

enum { LINE_DIFF_LINES = 60000 /* of both texts together */, LINE_DIFF_EDITS = 2000 };

enum line_kind { LINE_SAME, LINE_GONE, LINE_NEW };
struct line_edit {
    enum line_kind kind;
    int64_t a, b;     /* 1-based number in either text, 0: not in it */
    struct span text; /* borrows a (GONE) or b */
};
struct line_diff {
    struct line_edit *lines; /* in the arena */
    size_t n;
    int64_t n_gone, n_new;
};

/* ERR_LIMIT when there are too many lines or differences. */
enum err WARN_UNUSED line_diff(struct arena *arena, struct span a, struct span b,
                               struct line_diff *out);

#endif
