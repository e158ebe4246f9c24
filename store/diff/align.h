/* align.h - which call of A is which call of B.
 *
 * Pure: two joined streams in, pairs out. Order-preserving but for DIFF_BY_MOVE. The stages, each
 * on what the ones before left over (each a method that is stored with the pair):
 *   scopes   trees of steps, modules and annotations are matched level by level (equal keys in
 *            order, by a longest common subsequence; equal content decides among equal names);
 *            scopes that belong together get one key_id
 *   position equal beginnings and ends
 *   key      calls of equal scope and text that occur once in the gap anchor it (patience), then
 *            Myers' O(ND) within gaps with at most DIFF_MOST_EDITS edits; the same again with
 *            looser keys: without scalar arguments, then without scopes
 *   variant  aten::addmm and aten::addmm.out, relu and relu_; then gaps with the same operators one
 *            by one, on other shapes
 *   fusion   a kernel of one side and the operators that it was made of, by origins
 *   flow     calls whose tensors come from calls that belong together
 *   move     equal text and scope, unique among what is left, in another order
 *   content  equal results of equal shape: a hint, never proof
 *   manual   given by a person; before all others
 * What then has no partner is in the list alone; nothing is left out. Among equal calls in a row
 * it is the one around which most results agree.
 */
#ifndef STORE_DIFF_ALIGN_H
#define STORE_DIFF_ALIGN_H

#include "store/diff/stream.h"

enum { DIFF_MOST_EDITS = 2000 };

/* enumerator, number in pair.method, name, confidence in percent */
#define DIFF_METHODS(X)                                                                            \
    X(ALONE, 0, "alone", 100)                                                                      \
    X(BY_POSITION, 1, "position", 100)                                                             \
    X(BY_KEY, 2, "key", 95)                                                                        \
    X(BY_LOOSE_KEY, 3, "key without arguments", 85)                                                \
    X(BY_TEXT, 4, "key without modules", 80)                                                       \
    X(BY_VARIANT, 5, "variant of the operator", 70)                                                \
    X(BY_FUSION, 6, "origins of the kernel", 70)                                                   \
    X(BY_FLOW, 7, "tensors", 60)                                                                   \
    X(BY_MOVE, 8, "moved", 60)                                                                     \
    X(BY_CONTENT, 9, "equal results", 30)                                                          \
    X(BY_HAND, 10, "by hand", 100)                                                                 \
    X(GIVEN_UP, 11, "gap too large to align", 0)
enum diff_method {
#define X(code, number, name, confidence) DIFF_##code = number,
    DIFF_METHODS(X)
#undef X
};
const char *diff_method_name(enum diff_method m);
int diff_method_confidence(enum diff_method m);

struct diff_pair {
    uint32_t a, b;   /* numbers of calls; DIFF_NONE: only in the other */
    uint8_t method;  /* enum diff_method */
    uint8_t verdict; /* enum diff_verdict (verdict.h) */
    uint8_t flags;   /* enum diff_pair_flag (verdict.h) */
};
struct diff_pairs {
    LIST_OF(struct diff_pair)
    pair; /* as aligned: calls of A in order, those only in B before the
                                       next matched pair */
};

/* Origins of a kernel (a call of kind 6, or any call): operators it was made of. */
struct diff_origin {
    uint32_t kernel;   /* word: its name */
    uint32_t op;       /* word: operator as calls name it, aten::add.Tensor */
    uint32_t position; /* order within the kernel */
};
struct diff_manual {
    uint32_t a, b; /* positions in the logs (call.position) */
};
struct diff_align_options {
    const struct diff_origin
        *origins[2]; /* of A's and of B's kernels, sorted by kernel, position */
    uint32_t n_origins[2];
    const struct diff_manual *manual;
    uint32_t n_manual;
    uint32_t most_edits; /* 0: DIFF_MOST_EDITS */
};
/* Aligns; the streams must be joined (diff_join); scopes get their key_id. ERR_USAGE: a manual pair
 * names a position that has no call, or two cross. options may be NULL. */
enum err WARN_UNUSED diff_align(struct diff_stream *a, struct diff_stream *b,
                                const struct diff_align_options *options, struct diff_pairs *out);
void diff_pairs_release(struct diff_pairs *p);

#endif
