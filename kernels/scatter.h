/* scatter.h - adding rows into rows by index, in one fixed order.
 *
 *   for every source i in rising order:   out[index[i]] = out[index[i]] + source[i]
 *
 * A destination's sources, in rising position, are cut into spans of 1024. The first span is a
 * chain of additions that starts at the old value; each later span is a chain that starts at its
 * first member; out = out + span, in order. So up to 1024 sources give what a plain loop gives,
 * and long lists run in parallel with the same bits for any number of threads.
 *
 * f16, bf16 and float8 are added in f32 (old value, chains and joins) and rounded once; complex:
 * the parts apart; integers modulo 2^bits; b8: or. A NaN becomes the canonical one; destinations
 * without sources keep their bits.
 *
 * What it serves: scatter_add (width 1, index = offset of the element in `out`), index_add (rows
 * along the dimension, outer dimensions as batch), index_put with accumulate (width = elements
 * behind the indexed dimensions), embedding backward (index -1 for the padding row). The caller
 * checks the indices and gives them as [0, n_rows) or -1.
 */
#ifndef KERNELS_SCATTER_H
#define KERNELS_SCATTER_H

#include "kernels/gemm.h"

enum { SCATTER_SPAN = 1024 };

struct scatter_rows {
    int64_t batch, row, column; /* strides in elements; of `out` no two elements may coincide */
};
struct scatter {
    enum dtype dtype;                  /* of out and source */
    int64_t n_batch, n_rows, n, width; /* rows of out; sources; elements of each row */
    const int64_t *index;              /* n, the same for every batch; -1 leaves a source out */
    const void *source;                /* n rows; strides may be 0 */
    struct scatter_rows from;
    void *out; /* holds the old values */
    struct scatter_rows to;
};
/* `how` may be NULL (one thread); its isa does not matter. ERR_NOMEM. */
WARN_UNUSED enum err scatter_add(const struct scatter *s, const struct gemm_how *how);

#endif
