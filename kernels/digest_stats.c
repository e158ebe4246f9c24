/* digest_stats.c - one loop over lanes, written once and built for each instruction set.
 *
 * Napkin math per number: 6 additions, a multiplication, 4 comparisons and 10 operations on masks,
 * where PKM64 has 5 to 15 operations per word. So statistics, not memory, set the pace: with AVX2
 * they take about two thirds of the time of a digest with them.
 */
#include "kernels/digest_stats.h"

#include <math.h>

/* A product and a sum stay two roundings, or fma machines would differ from others. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC optimize("fp-contract=off")
#endif

/* Masks choose between the bits of two vectors. */
#define PICK(d, mask, a, b)                                                                        \
    ((d)(((mask) & (__typeof__(mask))(a)) | (~(mask) & (__typeof__(mask))(b))))

/* n turns of eight f64 or f32 numbers. A vector of `w` doubles is one register of the instruction
 * set; it keeps its lanes' seven accumulators in registers through all turns before the next ones
 * have theirs: the numbers are in the first-level cache. */
#define TURNS(name, attribute, w, number)                                                          \
    attribute static void name(struct digest_lanes *l, const char *p, size_t n)                    \
    {                                                                                              \
        typedef double f64 __attribute__((vector_size(8 * (w)), aligned(8), may_alias));           \
        typedef int64_t i64 __attribute__((vector_size(8 * (w)), aligned(8), may_alias));          \
        typedef number source                                                                      \
            __attribute__((vector_size(sizeof(number) * (w)), aligned(4), may_alias));             \
        for (int at = 0; at < DIGEST_LANES; at += (w)) {                                           \
            i64 n_nan = *(i64 *)(l->n_nan + at), n_inf = *(i64 *)(l->n_inf + at);                  \
            f64 min = *(f64 *)(l->min + at), max = *(f64 *)(l->max + at);                          \
            f64 sum = *(f64 *)(l->sum + at), sum_abs = *(f64 *)(l->sum_abs + at);                  \
            f64 sum_squares = *(f64 *)(l->sum_squares + at);                                       \
            const char *from = p + sizeof(number) * (size_t)at;                                    \
            for (size_t i = 0; i < n; i++, from += sizeof(number) * DIGEST_LANES) {                \
                f64 x = __builtin_convertvector(*(const source *)from, f64) + 0.0;                 \
                f64 gone = x - x; /* 0, or NaN for NaN and infinities */                           \
                i64 is_nan = x != x, is_finite = gone == 0;                                        \
                f64 y = (f64)((i64)x & is_finite), magnitude = (f64)((i64)y & INT64_MAX);          \
                n_nan -= is_nan;                                                                   \
                n_inf -= ~is_finite & ~is_nan;                                                     \
                min = PICK(f64, x < min, x, min);                                                  \
                max = PICK(f64, x > max, x, max);                                                  \
                sum += y;                                                                          \
                sum_abs += magnitude;                                                              \
                sum_squares += y * y;                                                              \
            }                                                                                      \
            *(i64 *)(l->n_nan + at) = n_nan, *(i64 *)(l->n_inf + at) = n_inf;                      \
            *(f64 *)(l->min + at) = min, *(f64 *)(l->max + at) = max;                              \
            *(f64 *)(l->sum + at) = sum, *(f64 *)(l->sum_abs + at) = sum_abs;                      \
            *(f64 *)(l->sum_squares + at) = sum_squares;                                           \
        }                                                                                          \
    }
TURNS(f64_portable, , 2, double)
TURNS(f32_portable, , 2, float)
#ifdef __x86_64__
#define AVX2   __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512dq")))
TURNS(f64_avx2, AVX2, 4, double)
TURNS(f32_avx2, AVX2, 4, float)
TURNS(f64_avx512, AVX512, 8, double)
TURNS(f32_avx512, AVX512, 8, float)
#else
#define f64_avx2   f64_portable
#define f32_avx2   f32_portable
#define f64_avx512 f64_portable
#define f32_avx512 f32_portable
#endif

typedef void turns(struct digest_lanes *l, const char *p, size_t n);
static turns *const f64_forms[DIGEST_N_ISA] = {f64_portable, f64_avx2, f64_avx512};
static turns *const f32_forms[DIGEST_N_ISA] = {f32_portable, f32_avx2, f32_avx512};

/* One number into the lane whose turn it is; same operations as in TURNS. */
static void add_one(struct digest_lanes *l, double x)
{
    int k = (int)(l->n++ % DIGEST_LANES);
    x += 0.0;
    double y = isfinite(x) ? x : 0;
    l->n_nan[k] += x != x;
    l->n_inf[k] += isinf(x) != 0;
    l->min[k] = x < l->min[k] ? x : l->min[k];
    l->max[k] = x > l->max[k] ? x : l->max[k];
    l->sum[k] += y;
    l->sum_abs[k] += fabs(y);
    l->sum_squares[k] += y * y;
}

/* n f64 or f32 numbers: singly up to lane 0, then whole turns, then singly. */
static void add_numbers(struct digest_lanes *l, enum digest_isa isa, bool wide, const char *p,
                        size_t n)
{
    size_t size = wide ? 8 : 4, i = 0, n_turns;
    enum dtype t = wide ? DTYPE_F64 : DTYPE_F32;
    double x;
    for (; i < n && l->n % DIGEST_LANES; i++) {
        dtype_load_f64(t, p + i * size, 1, &x);
        add_one(l, x);
    }
    n_turns = (n - i) / DIGEST_LANES;
    if (n_turns) (wide ? f64_forms : f32_forms)[isa](l, p + i * size, n_turns);
    l->n += (int64_t)(n_turns * DIGEST_LANES);
    for (i += n_turns * DIGEST_LANES; i < n; i++) {
        dtype_load_f64(t, p + i * size, 1, &x);
        add_one(l, x);
    }
}

void digest_lanes_add(struct digest_lanes *l, enum digest_isa isa, enum dtype t, const void *p,
                      size_t n)
{
    enum { BLOCK = 256 };
    double numbers[BLOCK];
    size_t size = dtype_size(t);
    switch (t) {
    case DTYPE_F64: add_numbers(l, isa, true, p, n); return;
    case DTYPE_F32: add_numbers(l, isa, false, p, n); return;
    case DTYPE_C128: add_numbers(l, isa, true, p, 2 * n); return;
    case DTYPE_C64: add_numbers(l, isa, false, p, 2 * n); return;
    default: break;
    }
    for (size_t i = 0, m; i < n; i += m) {
        m = n - i < BLOCK ? n - i : BLOCK;
        dtype_load_f64(t, (const char *)p + i * size, m, numbers);
        add_numbers(l, isa, true, (const char *)numbers, m);
    }
}

void digest_lanes_begin(struct digest_lanes *l)
{
    *l = (struct digest_lanes){0};
    for (int k = 0; k < DIGEST_LANES; k++) {
        l->min[k] = INFINITY;
        l->max[k] = -INFINITY;
    }
}

/* ((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7)) */
static double fold(const double *v)
{
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

void digest_lanes_fold(const struct digest_lanes *l, struct digest_stats *out)
{
    digest_stats_begin(out);
    out->n = l->n;
    for (int k = 0; k < DIGEST_LANES; k++) {
        out->n_nan += l->n_nan[k];
        out->n_inf += l->n_inf[k];
        if (l->min[k] < out->min) out->min = l->min[k];
        if (l->max[k] > out->max) out->max = l->max[k];
    }
    out->sum = fold(l->sum);
    out->sum_abs = fold(l->sum_abs);
    out->sum_squares = fold(l->sum_squares);
}

void digest_stats_begin(struct digest_stats *s)
{
    *s = (struct digest_stats){.min = INFINITY, .max = -INFINITY};
}

void digest_stats_merge(struct digest_stats *s, const struct digest_stats *next)
{
    s->n += next->n;
    s->n_nan += next->n_nan;
    s->n_inf += next->n_inf;
    if (next->min < s->min) s->min = next->min;
    if (next->max > s->max) s->max = next->max;
    s->sum += next->sum;
    s->sum_abs += next->sum_abs;
    s->sum_squares += next->sum_squares;
}
