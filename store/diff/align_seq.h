/* align_seq.h - two sequences of 64-bit keys, and which items of one are which of the other.
 *
 *   trim ─► Myers, few edits ─► [ drop keys of one side ─► anchors ─► gaps ]* ─► Myers, capped
 *                                                    numbered anchors ◄──┴─► piece by piece
 *
 * Anchors are keys that occur once on both sides, the longest chain of them in order (patience).
 * Between anchors the same again, until there are none; what is left goes to Myers' O(ND) in linear
 * space. A range that needs more edits than allowed is cut by occurrences instead: the n-th of a
 * key belongs to the n-th, the longest chain of these in order; if that is less than half of what
 * could be, piece by piece as far as edits lead. What is beyond the work allowed is in `lost`.
 *
 * Only equality of keys counts, never their order or value: equal inputs give equal results in any
 * process. Threads: a struct diff_seq belongs to one.
 */
#ifndef STORE_DIFF_ALIGN_SEQ_H
#define STORE_DIFF_ALIGN_SEQ_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/err.h"
#include "store/base/lists.h"

enum { SEQ_NONE = UINT32_MAX };

struct seq_range {
    uint32_t a0, a1, b0, b1; /* items a0 <= i < a1 of A, b0 <= j < b1 of B */
};
struct seq_link {
    uint32_t a, b, before; /* places in A and B; the link before it in its chain */
};

/* Zero-initialise, set most_edits; what else is there is storage kept for the next use. */
struct diff_seq {
    uint32_t most_edits;            /* per range */
    uint64_t work;                  /* steps that Myers has made */
    uint64_t most_work;             /* it gives up beyond these; 0 none */
    LIST_OF(struct seq_range) lost; /* of the last diff_seq_align, in order */

    /* of the range at hand: items that may have a partner, A's and B's */
    const uint64_t *whole[2];
    uint32_t *match; /* borrowed from the caller */
    uint64_t *key[2];
    uint32_t *pos[2];
    size_t key_size[2], pos_size[2];
    uint32_t *n[2], *at, *next; /* per class: items of A and B, first of B; per item of B: next */
    size_t n_size[2], at_size, next_size;
    uint32_t *slots, *tail;
    size_t slots_size, tail_size;
    uint64_t *class_key;
    size_t class_size;
    struct seq_link *link;
    size_t link_size;
    int64_t *front[2]; /* furthest points of Myers' search, forward and backward */
    size_t front_size[2];
};

/* Sets match[i] for the n items of A: the item of B, or SEQ_NONE. Rises where it is set. */
enum err WARN_UNUSED diff_seq_align(struct diff_seq *q, const uint64_t *a, uint32_t n,
                                    const uint64_t *b, uint32_t m, uint32_t *match);
void diff_seq_release(struct diff_seq *q);

#endif
