/* gemm_pack.c - brings strided lanes of any dtype into the order that the inner loops read.
 *
 * Every number of A is read once per 512 columns and every number of B once per 384 rows, so that
 * packing costs a few percent of the product; in return the inner loops meet one dtype, no strides
 * and no edges, and widening f16, bf16 and float8 (which is exact) happens here alone.
 *
 * The order of reading follows memory: along the lanes where these are adjacent and not too few,
 * else along k.
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

/* ---- one k of many lanes ---- */

/* Whole groups are copied, four numbers at a time: groups are small, a call would cost more. */
#define SPREAD(type)                                                                               \
    static void spread_lanes_##type(const type *v, int64_t n, int64_t n_k, int group, type *out)   \
    {                                                                                              \
        for (int64_t i = 0; i < n; i += group, out += n_k * group) {                               \
            int64_t w = 0, end = n - i < group ? n - i : group;                                    \
            for (; w + 4 <= end; w += 4) memcpy(out + w, v + i + w, 4 * sizeof *v);                \
            for (; w < end; w++) out[w] = v[i + w];                                                \
            for (; w < group; w++) out[w] = 0;                                                     \
        }                                                                                          \
    }                                                                                              \
    static void split_lanes_##type(const type *v, type sign, int64_t n, int64_t n_k, int group,    \
                                   type *out)                                                      \
    {                                                                                              \
        for (int64_t i = 0; i < n; i += group, out += 2 * n_k * group)                             \
            for (int64_t w = 0; w < group; w++) {                                                  \
                out[w] = i + w < n ? v[2 * (i + w)] : 0;                                           \
                out[group + w] = i + w < n ? sign * v[2 * (i + w) + 1] : 0;                        \
            }                                                                                      \
    }
SPREAD(float)
SPREAD(double)

/* ---- many k of four lanes ---- */

#define SPLIT_K(type)                                                                              \
    static void split_k_##type(const type *v, type sign, int64_t n_k, int group, type *out)        \
    {                                                                                              \
        for (int64_t k = 0; k < n_k; k++, out += 2 * group) {                                      \
            out[0] = v[2 * k];                                                                     \
            out[group] = sign * v[2 * k + 1];                                                      \
        }                                                                                          \
    }
SPLIT_K(float)
SPLIT_K(double)

typedef float float4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef double double4 __attribute__((vector_size(32), aligned(8), may_alias));

/* Four lanes become adjacent: 4 x 4 numbers are turned in registers. */
#define TURN(type)                                                                                 \
    static void turn_##type(const type *const v[4], int64_t n_k, int group, type *out)             \
    {                                                                                              \
        typedef type##4 four;                                                                      \
        int64_t k = 0;                                                                             \
        for (; k + 4 <= n_k; k += 4, out += 4 * group) {                                           \
            four a = *(const four *)(v[0] + k), b = *(const four *)(v[1] + k);                     \
            four c = *(const four *)(v[2] + k), d = *(const four *)(v[3] + k);                     \
            four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5),                                   \
                 cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);                                   \
            *(four *)out = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);                            \
            *(four *)(out + group) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);                  \
            ab = __builtin_shufflevector(a, b, 2, 6, 3, 7),                                        \
            cd = __builtin_shufflevector(c, d, 2, 6, 3, 7);                                        \
            *(four *)(out + 2 * group) = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);              \
            *(four *)(out + 3 * group) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);              \
        }                                                                                          \
        for (; k < n_k; k++, out += group)                                                         \
            for (int i = 0; i < 4; i++) out[i] = v[i][k];                                          \
    }                                                                                              \
    static void spread_k_##type(const type *v, int64_t n_k, int group, type *out)                  \
    {                                                                                              \
        for (int64_t k = 0; k < n_k; k++) out[k * group] = v[k];                                   \
    }
TURN(float)
TURN(double)

/* ---- the two directions ---- */

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

static const char *lane(const struct gemm_lanes *x, int64_t i)
{
    return (const char *)x->p + i * x->lane_stride * (int64_t)dtype_size(x->dtype);
}
static void pack_lane(const struct gemm_lanes *x, enum gemm_acc acc, int64_t i, int64_t n_k,
                      int group, char *at)
{
    union run room;
    int64_t sign = x->conj ? -1 : 1;
    const void *v = run_load(x->dtype, lane(x, i), x->k_stride, n_k, gemm_acc_dtype(acc), &room);
    switch (acc) {
    case GEMM_F32: spread_k_float(v, n_k, group, (float *)at); break;
    case GEMM_F64: spread_k_double(v, n_k, group, (double *)at); break;
    case GEMM_C64: split_k_float(v, (float)sign, n_k, group, (float *)at); break;
    default: split_k_double(v, (double)sign, n_k, group, (double *)at);
    }
}
static void pack_four_lanes(const struct gemm_lanes *x, enum gemm_acc acc, int64_t i, int64_t n_k,
                            int group, char *at)
{
    union run room[4];
    const void *v[4];
    for (int j = 0; j < 4; j++)
        v[j] = run_load(x->dtype, lane(x, i + j), 1, n_k, gemm_acc_dtype(acc), &room[j]);
    if (acc == GEMM_F32)
        turn_float((const float *const[]){v[0], v[1], v[2], v[3]}, n_k, group, (float *)at);
    else turn_double((const double *const[]){v[0], v[1], v[2], v[3]}, n_k, group, (double *)at);
}

static void pack_along_k(const struct gemm_lanes *x, enum gemm_acc acc, int64_t n, int64_t n_k,
                         int group, char *out)
{
    int64_t size = (int64_t)dtype_size(gemm_acc_dtype(acc)), real = size / gemm_acc_parts(acc);
    int64_t step = group * n_k * size;
    if (n % group) memset(out + n / group * step, 0, (size_t)step);
    for (int64_t i = 0; i < n;) {
        char *at = out + i / group * step + i % group * real;
        bool four = real == size && i % group + 4 <= group && i + 4 <= n;
        (four ? pack_four_lanes : pack_lane)(x, acc, i, n_k, group, at);
        i += four ? 4 : 1;
    }
}

void gemm_pack(const struct gemm_lanes *x, enum gemm_acc acc, int64_t n, int64_t n_k, int group,
               void *out)
{
    bool along_k = n < 4 || (x->k_stride == 1 && x->lane_stride != 1);
    (along_k ? pack_along_k : pack_along_lanes)(x, acc, n, n_k, group, out);
}
