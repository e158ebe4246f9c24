/* attention_kernel.h - what happens to one tile of scores, for each instruction set.
 *
 * A tile is 64 rows of N columns, N being the group of columns of the product's kernel, dense. In
 * the forward pass and for dq its rows are keys and its columns queries, so that a query's maximum,
 * its sum and its rescaling run down the rows and all N queries go together, and the tile is at
 * once the packed operand of the product that follows: nothing is transposed. For dk and dv rows
 * are queries and columns keys.
 *
 * All pointers are to numbers of the accumulator's type.
 */
#ifndef KERNELS_ATTENTION_KERNEL_H
#define KERNELS_ATTENTION_KERNEL_H

#include "kernels/attention.h"
#include "kernels/gemm_kernel.h"

/* What a query knows of the keys so far, for each column. */
struct attention_state {
    void *top, *sum; /* M (-inf before the first key) and l */
};
struct attention_tile {
    void *scores;      /* chains in; p or P out. Rows from n_rows to 64 become 0 */
    const void *shift; /* is added to the scaled scores, -inf: takes no part; or NULL: nothing */
    int64_t n_rows;
    double scale; /* c, a number of the accumulator's type */
    void *factor; /* forward: N numbers out, what o is to be multiplied by */
    void *seen;   /* N numbers out, 1 where a key of the column (or a query of it) takes part */
    /* gradients only */
    void *grads;                 /* dP in, dS out */
    const void *top, *sum, *dot; /* M, l and D: of columns, or of rows where by_rows */
    bool by_rows;
};
struct attention_kernel {
    void (*forward)(const struct attention_tile *, const struct attention_state *);
    void (*backward)(const struct attention_tile *);
    /* o (rows of N) is multiplied by `factor`, column by column; all 1: not touched. */
    void (*rescale)(void *o, int64_t n_rows, const void *factor);
    /* Joins a span's state and o to those of the spans before. */
    void (*join)(const struct attention_state *to, void *to_o, const struct attention_state *from,
                 const void *from_o, int64_t n_rows);
    /* out[i] = o[i * N] / sum, NaN canonical, 0 where sum is 0. */
    void (*divide)(const void *o, int64_t n, const void *sum, void *out);
    /* M ln 2 + log l */
    void (*logsumexp)(const void *top, const void *sum, void *out);
    /* Row sum of a[i] * b[i] in the order of docs/exact.md. */
    void (*dot)(const void *a, const void *b, int64_t n, void *out);
    /* shift = shift * log2 e (b8: true is 0, false -inf), in place */
    void (*shift)(void *shift, int64_t n, bool is_bool);
    void (*hide)(void *shift); /* -inf */
    /* to[i] += from[i] */
    void (*add)(void *to, const void *from, int64_t n);
    /* out[i] = v[i * N] * scale, NaN canonical */
    void (*multiply)(const void *v, int64_t n, double scale, void *out);
};
/* GEMM_F32 and GEMM_F64 */
extern const struct attention_kernel attention_scalar[2], attention_avx2[2], attention_avx512[2];
#define ATTENTION_KERNEL(t)                                                                        \
    {                                                                                              \
        forward_##t, backward_##t, rescale_##t, join_##t, divide_##t, logsumexp_##t, dot_##t,      \
            shift_##t, hide_##t, add_##t, multiply_##t                                             \
    }

#endif
