/* gemm_pack.c - brings strided lanes of any dtype into the order that the inner loops read.
 *
 * Every number of A is read once per 512 columns and every number of B once per 384 rows, so that
 * packing costs a few percent of the product; in return the inner loops meet one dtype, no strides
 * and no edges, and widening f16, bf16 and float8 (which is exact) happens here alone.
 *
 * The order of reading follows memory: along the lanes where these are adjacent, else along k.
 */
#include "kernels/gemm_kernel.h"
#include "kernels/run.h"

#include <string.h>

static const struct {
    enum dtype dtype;
    int parts;
} ACCS[GEMM_N_ACCS] = {
    [GEMM_F32] = {DTYPE_F32, 1},
    [GEMM_F64] = {DTYPE_F64, 1},
    [GEMM_C64] = {DTYPE_C64, 2},
    [GEMM_C128] = {DTYPE_C128, 2},
};

enum gemm_acc gemm_acc_of(enum dtype in)
{
    return in == DTYPE_F64    ? GEMM_F64
           : in == DTYPE_C64  ? GEMM_C64
           : in == DTYPE_C128 ? GEMM_C128
                              : GEMM_F32;
}
enum dtype gemm_acc_dtype(enum gemm_acc acc)
{
    return ACCS[acc].dtype;
}
int gemm_acc_parts(enum gemm_acc acc)
{
    return ACCS[acc].parts;
}

/* One k of lanes [0, n): whole groups are copied. */
#define SPREAD_LANES(type)                                                                         \
    static void spread_lanes_##type(const type *v, int64_t n, int64_t n_k, int group, type *out)   \
    {                                                                                              \
        for (int64_t i = 0; i < n; i += group, out += n_k * group) {                               \
            int64_t w = n - i < group ? n - i : group;                                             \
            memcpy(out, v + i, (size_t)w * sizeof *v);                                             \
            for (; w < group; w++) out[w] = 0;                                                     \
        }                                                                                          \
    }                                                                                              \
    static void spread_k_##type(const type *v, int64_t n_k, int group, type *out)                  \
    {                                                                                              \
        for (int64_t k = 0; k < n_k; k++) out[k * group] = v[k];                                   \
    }                                                                                              \
    static void split_lanes_##type(const type *v, type sign, int64_t n, int64_t n_k, int group,    \
                                   type *out)                                                      \
    {                                                                                              \
        for (int64_t i = 0; i < n; i += group, out += 2 * n_k * group)                             \
            for (int64_t w = 0; w < group; w++) {                                                  \
                out[w] = i + w < n ? v[2 * (i + w)] : 0;                                           \
                out[group + w] = i + w < n ? sign * v[2 * (i + w) + 1] : 0;                        \
            }                                                                                      \
    }                                                                                              \
    static void split_k_##type(const type *v, type sign, int64_t n_k, int group, type *out)        \
    {                                                                                              \
        for (int64_t k = 0; k < n_k; k++, out += 2 * group) {                                      \
            out[0] = v[2 * k];                                                                     \
            out[group] = sign * v[2 * k + 1];                                                      \
        }                                                                                          \
    }
SPREAD_LANES(float)
SPREAD_LANES(double)

static void pack_along_lanes(const struct gemm_lanes *x, enum gemm_acc acc, int64_t n, int64_t n_k,
                             int group, char *out)
{
    union run room;
    enum dtype to = gemm_acc_dtype(acc);
    int64_t step = x->k_stride * (int64_t)dtype_size(x->dtype), sign = x->conj ? -1 : 1;
    for (int64_t k = 0; k < n_k; k++, out += (size_t)group * dtype_size(to)) {
        const char *at = (const char *)x->p + k * step;
        const void *v = run_load(x->dtype, at, x->lane_stride, n, to, &room);
        switch (acc) {
        case GEMM_F32: spread_lanes_float(v, n, n_k, group, (float *)out); break;
        case GEMM_F64: spread_lanes_double(v, n, n_k, group, (double *)out); break;
        case GEMM_C64: split_lanes_float(v, (float)sign, n, n_k, group, (float *)out); break;
        default: split_lanes_double(v, (double)sign, n, n_k, group, (double *)out);
        }
    }
}

/* The lanes of a group lie next to each other in `out`, so its lines are written `group` times,
 * but soon after each other. */
static void pack_along_k(const struct gemm_lanes *x, enum gemm_acc acc, int64_t n, int64_t n_k,
                         int group, char *out)
{
    union run room;
    enum dtype to = gemm_acc_dtype(acc);
    int64_t step = x->lane_stride * (int64_t)dtype_size(x->dtype), sign = x->conj ? -1 : 1;
    int64_t size = (int64_t)dtype_size(to), real = size / gemm_acc_parts(acc);
    if (n % group) memset(out + n / group * group * n_k * size, 0, (size_t)(group * n_k * size));
    for (int64_t i = 0; i < n; i++) {
        const void *v =
            run_load(x->dtype, (const char *)x->p + i * step, x->k_stride, n_k, to, &room);
        char *at = out + i / group * group * n_k * size + i % group * real;
        switch (acc) {
        case GEMM_F32: spread_k_float(v, n_k, group, (float *)at); break;
        case GEMM_F64: spread_k_double(v, n_k, group, (double *)at); break;
        case GEMM_C64: split_k_float(v, (float)sign, n_k, group, (float *)at); break;
        default: split_k_double(v, (double)sign, n_k, group, (double *)at);
        }
    }
}

void gemm_pack(const struct gemm_lanes *x, enum gemm_acc acc, int64_t n, int64_t n_k, int group,
               void *out)
{
    bool along_k = x->k_stride == 1 && x->lane_stride != 1;
    (along_k ? pack_along_k : pack_along_lanes)(x, acc, n, n_k, group, out);
}
