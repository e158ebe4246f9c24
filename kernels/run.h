/* run.h - short runs of strided elements of any dtype, to and from dense numbers of another.
 *
 * A kernel computes on dense numbers of one or two types; these two functions are where strides and
 * dtypes end. Widening is exact, narrowing rounds once (store/base/dtype.h).
 */
#ifndef KERNELS_RUN_H
#define KERNELS_RUN_H

#include "store/base/dtype.h"

enum { RUN = 512 }; /* most elements of a call */

/* Room for RUN elements of any dtype. */
union run {
    double align;
    char bytes[RUN * 16];
};

/* `n` elements at distance `stride` as dtype `to`: where they lie if they can, else in `room`. */
const void *run_load(enum dtype from, const void *p, int64_t stride, int64_t n, enum dtype to,
                     union run *room);
/* Stores `n` dense numbers of dtype `from`. */
void run_store(enum dtype from, const void *v, int64_t n, enum dtype to, void *p, int64_t stride);

#endif
