/* gemm_kernel.h - what the instruction sets give to gemm.c: products of packed blocks.
 *
 * A lane is a row of A or a column of B. Lanes are packed in groups of the kernel's tile, padded
 * with zeros, and widened to the accumulator's type; complex numbers lie apart by part:
 *
 *   real      [group][k][lane]
 *   complex   [group][k][real, imaginary][lane]
 *
 * The accumulators of a block lie in rows, each a whole number of groups of columns, so a kernel
 * meets no edges: what the padding gives is computed and left alone. A complex row is, for each
 * group of columns, the real parts and then the imaginary ones.
 */
#ifndef KERNELS_GEMM_KERNEL_H
#define KERNELS_GEMM_KERNEL_H

#include "kernels/gemm.h"

enum gemm_acc { GEMM_F32, GEMM_F64, GEMM_C64, GEMM_C128, GEMM_N_ACCS };

/* c += a b for all groups. */
struct gemm_block {
    const void *a, *b;
    void *c;
    int64_t c_row;    /* from one row of c to the next, in reals */
    int64_t n_a, n_b; /* groups */
    int64_t k;
    bool go_on; /* false: c is not read, the chains start at +0 */
};
/* The same for at most GEMM_FEW rows, with b where it lies: reading it twice, to pack it, would
 * cost more than the arithmetic. */
enum { GEMM_FEW = 16 };
struct gemm_few {
    const void *a; /* groups */
    const void *b;
    int64_t b_row; /* from k to k + 1; columns are adjacent */
    void *c;
    int64_t c_row;
    int64_t rows; /* of A and c */
    int64_t n;    /* columns, whole groups */
    int64_t k;
    bool go_on;
};
struct gemm_kernel {
    int rows, columns; /* lanes of a group of A and of B */
    void (*block)(const struct gemm_block *);
    void (*few_rows)(const struct gemm_few *); /* NULL for complex numbers */
};
/* The table of a file that includes gemm_micro.h with names ending in _f32 and _f64. */
#define GEMM_REAL(t)                                                                               \
    {                                                                                              \
        rows_##t, columns_##t, block_##t, few_rows_##t                                             \
    }
#define GEMM_COMPLEX(t)                                                                            \
    {                                                                                              \
        complex_rows_##t, complex_columns_##t, complex_block_##t, NULL                             \
    }
#define GEMM_KERNELS                                                                               \
    {                                                                                              \
        [GEMM_F32] = GEMM_REAL(f32), [GEMM_F64] = GEMM_REAL(f64), [GEMM_C64] = GEMM_COMPLEX(f32),  \
        [GEMM_C128] = GEMM_COMPLEX(f64)                                                            \
    }
extern const struct gemm_kernel gemm_scalar[GEMM_N_ACCS], gemm_avx2[GEMM_N_ACCS],
    gemm_avx512[GEMM_N_ACCS];
/* One that is present: what is asked for if it is, else the next smaller. */
const struct gemm_kernel *gemm_kernel_of(enum gemm_isa isa, enum gemm_acc acc);

/* ---- gemm_pack.c ---- */
enum gemm_acc gemm_acc_of(enum dtype in);
enum dtype gemm_acc_dtype(enum gemm_acc acc);
int gemm_acc_parts(enum gemm_acc acc); /* reals of a number: 1 or 2 */

struct gemm_lanes {
    const void *p; /* element (lane, k) at lane * lane_stride + k * k_stride elements */
    enum dtype dtype;
    int64_t lane_stride, k_stride;
    bool conj;
};
/* Lanes [0, n) and k in [0, n_k), n and n_k at most RUN (kernels/run.h), into groups of `group`
 * lanes, as above. */
void gemm_pack(const struct gemm_lanes *x, enum gemm_acc acc, int64_t n, int64_t n_k, int group,
               void *out);

/* ---- gemm_store.c ---- */
/* Rows of accumulators, groups of `group` columns as above, after alpha, beta and c into
 * g->result, of which they are the rows from `row` on, the columns from `column` on. Group 0: the
 * numbers lie one after the other, complex ones too. */
struct gemm_part {
    int64_t batch, row, column, rows, columns;
};
void gemm_store(const struct gemm *g, const struct gemm_part *part, const void *acc,
                int64_t acc_row, int group);

#endif
