/* align_parts.h - what the files of the alignment share; align.h is what others see.
 *
 * The first `lo` calls of both runs are paired by position, and the last `hi`. What lies between is
 * the middle; its calls are numbered from 0 on each side. A gap is a stretch of the middle between
 * two ordered pairs that has calls without partner on both sides.
 *
 *   A  ═══lo═══╪── a ──┬── a ──╪═══hi═══      match[0][i] = j, match[1][j] = i
 *   B  ═══lo═══╪── b ──┴── b ──╪═══hi═══      where a pair is, else DIFF_NONE
 *
 * Invariant: pairs other than DIFF_BY_MOVE rise on both sides.
 */
#ifndef STORE_DIFF_ALIGN_PARTS_H
#define STORE_DIFF_ALIGN_PARTS_H

#include "store/diff/align.h"
#include "store/diff/align_seq.h"

struct seq_list {
    struct seq_range *p;
    size_t n, size;
};

struct aligner {
    struct diff_stream *s[2];
    const struct diff_align_options *options;
    uint32_t lo, hi;    /* calls paired by position at the beginning and at the end */
    uint32_t n[2];      /* calls of the middle */
    uint32_t *match[2]; /* owned */
    uint8_t *method[2]; /* owned; enum diff_method, also of calls that stay alone */
    struct seq_list gap, next_gap;
    uint32_t *weak[2]; /* owned, by scope: as key_id, where levels that only one run has do not
                          count; NULL when all scopes have partners */
    uint64_t *hint[2]; /* owned, by call of the middle: key of DIFF_BY_FLOW and such; 0 none */
    struct diff_seq seq;
    /* of the gap at hand: keys, and the calls that they are of */
    uint64_t *key[2];
    uint32_t *at[2], *found;
    size_t key_size[2], at_size[2], found_size;
};

/* Number in the stream of a call of the middle. */
static inline uint32_t call_of(const struct aligner *al, uint32_t i)
{
    return al->lo + i;
}
static inline const struct diff_text *text_of(const struct aligner *al, int side, uint32_t i)
{
    return diff_call_text(al->s[side], call_of(al, i));
}
static inline const struct diff_scope *scope_of(const struct aligner *al, int side, uint32_t i)
{
    return &al->s[side]->scopes.p[al->s[side]->scope[call_of(al, i)]];
}
/* A key of two numbers; equal numbers give equal keys. */
static inline uint64_t mix(uint64_t x, uint64_t y)
{
    x ^= (y + 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    x ^= x >> 29;
    x *= 0x94d049bb133111ebu;
    return x ^ x >> 32;
}
static inline void join(struct aligner *al, uint32_t i, uint32_t j, enum diff_method method)
{
    al->match[0][i] = j;
    al->match[1][j] = i;
    al->method[0][i] = al->method[1][j] = (uint8_t)method;
}
/* Makes room for n items without keeping what was there. */
enum err WARN_UNUSED align_room(void *array, size_t *size, size_t n, size_t item);

/* A stage: key of a call of the middle; false: it takes no part. */
struct align_stage {
    bool (*key)(const struct aligner *al, int side, uint32_t i, uint64_t *out);
    enum diff_method method;
    bool last; /* no later stage has more equal keys: what it gives up stays so */
};
/* Aligns by equal keys within all gaps, which get smaller. */
enum err WARN_UNUSED align_by(struct aligner *al, struct align_stage stage);
/* A gap that is left for the next stage, dropped when a side is empty; the stage is over. */
enum err WARN_UNUSED align_push_gap(struct aligner *al, struct seq_range gap);
void align_take_gaps(struct aligner *al);

/* align_scope.c: scopes that belong together get one key_id; al->weak. */
enum err WARN_UNUSED align_scopes(struct aligner *al);
/* align_unfold.c: operators of kernels. */
enum err WARN_UNUSED align_unfolded(struct aligner *al);
/* align_rest.c: variants, kernels, moves; align_flow.c: tensors, results. */
enum err WARN_UNUSED align_rest(struct aligner *al);
enum err WARN_UNUSED align_by_flow(struct aligner *al);
enum err WARN_UNUSED align_by_content(struct aligner *al);
/* align_slide.c: moves stretches of calls without partner to where results around them agree. */
void align_slide(const struct aligner *al, struct diff_pairs *pairs);

/* Equal texts in scopes that belong together; i of a, j of b. */
bool align_same_call(const struct diff_stream *a, uint32_t i, const struct diff_stream *b,
                     uint32_t j);
/* Number of the use: the first result of a call that has a digest; DIFF_NONE. */
uint32_t align_first_result(const struct diff_stream *s, uint32_t c);

#endif
