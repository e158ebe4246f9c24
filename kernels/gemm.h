/* gemm.h - products of matrices in one fixed order, and by a BLAS.
 *
 *   out[m, n] = sum over k of a[m, k] b[k, n]
 *
 * GEMM_EXACT: spans of 4096 in k; within a span p = +0, then p = fma(a, b, p) for k rising; out =
 * p_0, then out = out + p_s in
 * order. f32 for f32, f16, bf16 and float8 (which are widened exactly while packing), f64 for
 * f64, complex per docs/exact.md.
 * The bits do not depend on instruction set, tiles or threads.
 * GEMM_BLAS: OpenBLAS where present (dlopen), single-threaded calls on tiles that depend on the
 * shape only, so that any
 * number of threads gives the same bits on one machine; f32, f64, c64, c128 (16-bit and float8
 * are widened to f32 first).
 */
#ifndef KERNELS_GEMM_H
#define KERNELS_GEMM_H

#include "store/base/view.h"

struct gemm_matrix {
    const void *p;
    int64_t row, column; /* strides in elements; either may be 0 or larger than the other */
    int64_t batch;       /* stride from one matrix to the next */
    bool conj;           /* complex: take the conjugate */
};
/* After the product, in the accumulator's type, one operation each, then one rounding to the
 * result's dtype:
 * v = product; alpha != 1: v = v * alpha; beta != 0: v = v + (beta != 1 ? c * beta : c). With
 * alpha 0 the product is not formed,
 * with beta 0 c is not read (NaN there does not count), as in PyTorch. */
struct gemm {
    enum dtype in, out; /* out: of the same or a wider kind */
    int64_t n_batch, m, n, k;
    /* c.p NULL: none; c is of dtype `out`, its strides may be 0 (bias) */
    struct gemm_matrix a, b, c;
    void *result; /* of dtype out */
    /* its strides; elements do not overlap each other or a, b (c may be the result itself) */
    int64_t row, column, batch;
    double alpha, beta;
};
enum gemm_isa { GEMM_SCALAR, GEMM_AVX2, GEMM_AVX512, GEMM_N_ISAS };
bool gemm_isa_present(enum gemm_isa isa);
enum gemm_isa gemm_isa_best(void);

/* Work is shared among threads by `split`, which calls part(context, i) for all i in [0, n), from
 * any threads, and returns
 * when all are done. NULL: one after the other. */
typedef void gemm_split(void *pool, void (*part)(void *context, int64_t i), void *context,
                        int64_t n);
/* A finished tile of the result, which lies in a cache: element (row + i, column + j) of matrix
 * `batch` at at[i * step + j]. Tiles do not overlap, and together are the result. */
struct gemm_done_tile {
    int64_t batch, row, column, rows, columns;
    void *at;
    int64_t step; /* elements; at least the tile's columns */
};
/* Is given each tile by the thread that made it, in no order. */
struct gemm_done {
    void (*take)(void *context, const struct gemm_done_tile *t);
    void *context;
    bool only; /* nothing is stored: the result is neither needed nor touched */
};
struct gemm_how {
    enum gemm_isa isa;
    gemm_split *split;
    void *pool;
    const struct gemm_done *done; /* NULL: nobody; else the result's column is 1 */
};
/* ERR_NOMEM when packing buffers cannot be had. k == 0 gives zeros (plus beta c). */
WARN_UNUSED enum err gemm_exact(const struct gemm *g, const struct gemm_how *how);
/* ERR_UNSUPPORTED when no BLAS can be loaded (gemm_blas_name says which one is). */
WARN_UNUSED enum err gemm_blas(const struct gemm *g, const struct gemm_how *how);
const char *gemm_blas_name(void); /* "OpenBLAS 0.3.21", or NULL; static */

#endif
