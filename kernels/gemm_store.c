/* gemm_store.c - what comes after the chains: alpha, beta and c, one rounding, the store.
 *
 * A row of accumulators is taken in runs that fit the first cache, so that each of these steps is
 * a plain loop over it. Per element this is a handful of operations beside the 2 k of its chain.
 */
#include "kernels/gemm_kernel.h"
#include "kernels/run.h"

#include <string.h>

/* From [group][part][lane] to numbers one after the other. */
#define JOIN(type)                                                                                 \
    static void join_##type(const type *acc, int group, int64_t first, int64_t n, type *out)       \
    {                                                                                              \
        for (int64_t i = first; i < first + n; i++, out += 2) {                                    \
            const type *at = acc + i / group * group * 2 + i % group;                              \
            out[0] = at[0];                                                                        \
            out[1] = at[group];                                                                    \
        }                                                                                          \
    }                                                                                              \
    static void scale_##type(type *v, int64_t n, type alpha)                                       \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) v[i] = v[i] * alpha;                                       \
    }                                                                                              \
    static void add_##type(type *v, const type *c, int64_t n, type beta)                           \
    {                                                                                              \
        if (beta == 1)                                                                             \
            for (int64_t i = 0; i < n; i++) v[i] = v[i] + c[i];                                    \
        else                                                                                       \
            for (int64_t i = 0; i < n; i++) v[i] = v[i] + c[i] * beta;                             \
    }                                                                                              \
    static void make_nan_canonical_##type(type *v, int64_t n)                                      \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) v[i] = v[i] == v[i] ? v[i] : (type)__builtin_nan("");      \
    }
JOIN(float)
JOIN(double)

#define FINISH(type)                                                                               \
    static void finish_##type(const struct gemm *g, type *v, const type *c, int64_t n)             \
    {                                                                                              \
        if (g->alpha != 1 && g->alpha != 0) scale_##type(v, n, (type)g->alpha);                    \
        if (c) add_##type(v, c, n, (type)g->beta);                                                 \
        make_nan_canonical_##type(v, n);                                                           \
    }
FINISH(float)
FINISH(double)

/* Columns [first, first + n) of a row, n at most RUN. */
static void store_run(const struct gemm *g, const struct gemm_part *part, int64_t row,
                      const char *acc, int group, int64_t first, int64_t n)
{
    union run numbers, others;
    enum gemm_acc kind = gemm_acc_of(g->in);
    enum dtype type = gemm_acc_dtype(kind);
    int64_t i = part->row + row, j = part->column + first, size = (int64_t)dtype_size(g->out);
    const void *c = NULL;
    bool wide = type == DTYPE_F64 || type == DTYPE_C128;
    if (g->c.p && g->beta != 0) {
        int64_t at = part->batch * g->c.batch + i * g->c.row + j * g->c.column;
        c = run_load(g->out, (const char *)g->c.p + at * size, g->c.column, n, type, &others);
    }
    if (gemm_acc_parts(kind) == 1 || !group)
        memcpy(numbers.bytes, acc + first * (int64_t)dtype_size(type),
               (size_t)n * dtype_size(type));
    else if (wide) join_double((const double *)acc, group, first, n, (double *)numbers.bytes);
    else join_float((const float *)acc, group, first, n, (float *)numbers.bytes);
    if (wide) finish_double(g, (double *)numbers.bytes, c, n * gemm_acc_parts(kind));
    else finish_float(g, (float *)numbers.bytes, c, n * gemm_acc_parts(kind));
    int64_t at = part->batch * g->batch + i * g->row + j * g->column;
    run_store(type, numbers.bytes, n, g->out, (char *)g->result + at * size, g->column);
}

void gemm_store(const struct gemm *g, const struct gemm_part *part, const void *acc,
                int64_t acc_row, int group)
{
    enum gemm_acc kind = gemm_acc_of(g->in);
    int64_t step = acc_row * (int64_t)dtype_size(gemm_acc_dtype(kind)) / gemm_acc_parts(kind);
    for (int64_t i = 0; i < part->rows; i++)
        for (int64_t j = 0; j < part->columns; j += RUN) {
            int64_t n = part->columns - j < RUN ? part->columns - j : RUN;
            store_run(g, part, i, (const char *)acc + i * step, group, j, n);
        }
}
