/* digest_stats.h - statistics of packed numbers, eight lanes at a time.
 *
 * Number k of a range goes to lane k % 8, whatever blocks it comes in; the lanes are folded in one
 * order. So sums have the same bits on every instruction set and for every layout of a range.
 */
#ifndef KERNELS_DIGEST_STATS_H
#define KERNELS_DIGEST_STATS_H

#include "kernels/digest.h"

enum { DIGEST_LANES = 8 };

struct digest_lanes {
    int64_t n; /* numbers so far */
    int64_t n_nan[DIGEST_LANES], n_inf[DIGEST_LANES];
    double min[DIGEST_LANES], max[DIGEST_LANES];
    double sum[DIGEST_LANES], sum_abs[DIGEST_LANES], sum_squares[DIGEST_LANES];
};

void digest_lanes_begin(struct digest_lanes *l);
/* `n` packed elements. */
void digest_lanes_add(struct digest_lanes *l, enum digest_isa isa, enum dtype t, const void *p,
                      size_t n);
void digest_lanes_fold(const struct digest_lanes *l, struct digest_stats *out);
/* What no number gives. */
void digest_stats_begin(struct digest_stats *s);
/* Adds the statistics of the next range. */
void digest_stats_merge(struct digest_stats *s, const struct digest_stats *next);

#endif
