/* oracle_num.h - numbers that carry a bound of their rounding error, for oracles of operators with
 * several steps.
 *
 * v is the true value, e how far a kernel that does the same steps in the compute dtype may be
 * from it, in units of its roundoff u: |kernel - v| <= e u. Each step adds the error of its own
 * rounding, |v| (and `tiny`, for results among the denormals), to what its operands carry, to
 * first order and with the second order where it can matter (products, quotients, roots of
 * almost nothing). Higham, Accuracy and Stability of Numerical Algorithms, 3.3. Functions: their
 * errors in ulps, of docs/exact.md, times 2.
 *
 * A sum of n terms in the row order of docs/exact.md passes each term through at most `depth`
 * additions.
 */
#ifndef KERNELS_ORACLE_NUM_H
#define KERNELS_ORACLE_NUM_H

#include <math.h>

#include "kernels/oracle.h"

struct num {
    long double v, e;
};
/* u: roundoff. tiny: half the smallest denormal, in units of u. */
struct num_kind {
    long double u, tiny;
};

static inline struct num_kind num_kind(enum dtype dtype)
{
    long double u = oracle_roundoff(dtype);
    return (struct num_kind){u, u < 0x1p-40L ? 0x1p-1022L : 0x1p-126L};
}
static inline struct num num_of(long double v)
{
    return (struct num){v, 0};
}
/* A number given to the call, which enters in the compute type. */
static inline struct num num_param(struct num_kind k, long double v)
{
    return num_of(k.u < 0x1p-40L ? (double)v : (float)v);
}
/* One rounding of v on top of an error e. */
static inline struct num num_round(struct num_kind k, long double v, long double e)
{
    return (struct num){v, e + fabsl(v) + k.tiny};
}
static inline struct num num_add(struct num_kind k, struct num a, struct num b)
{
    return num_round(k, a.v + b.v, a.e + b.e);
}
static inline struct num num_sub(struct num_kind k, struct num a, struct num b)
{
    return num_round(k, a.v - b.v, a.e + b.e);
}
static inline long double num_mul_error(struct num_kind k, struct num a, struct num b)
{
    return fabsl(a.v) * b.e + fabsl(b.v) * a.e + a.e * b.e * k.u;
}
static inline struct num num_mul(struct num_kind k, struct num a, struct num b)
{
    return num_round(k, a.v * b.v, num_mul_error(k, a, b));
}
/* a b + c, one rounding. */
static inline struct num num_fma(struct num_kind k, struct num a, struct num b, struct num c)
{
    return num_round(k, a.v * b.v + c.v, num_mul_error(k, a, b) + c.e);
}
static inline struct num num_div(struct num_kind k, struct num a, struct num b)
{
    long double least = fabsl(b.v) - b.e * k.u, v = a.v / b.v;
    long double e = b.e || a.e ? (a.e + fabsl(v) * b.e) / (least > 0 ? least : 0) : 0;
    return num_round(k, v, e);
}
/* 1 / sqrt(a), two roundings; a >= 0. */
static inline struct num num_rsqrt(struct num_kind k, struct num a)
{
    long double v = 1 / sqrtl(a.v), least = a.v - a.e * k.u;
    long double worst = least > 0 ? 1 / sqrtl(least) : (long double)INFINITY;
    return num_round(k, v, (a.e ? (worst - v) / k.u : 0) + fabsl(v));
}
static inline struct num num_exp(struct num_kind k, struct num a)
{
    long double v = expl(a.v);
    /* 0, infinity or NaN, whatever the error */
    if (v == 0 || !isfinite(v)) return (struct num){v, v == 0 ? 2 * k.tiny : 0};
    return (struct num){v, v * (expm1l(a.e * k.u) / k.u) + 2.1L * v + 2 * k.tiny};
}
static inline struct num num_log(struct num_kind k, struct num a)
{
    long double v = logl(a.v);
    return (struct num){v, a.e / fabsl(a.v) + 2 * fabsl(v) + k.tiny};
}

/* Additions that a term of a row of n passes through: in a chunk of 1024 a lane of 128 takes up
 * to 8 terms, then 7 folds; the chunks' sums are such a row again. */
static inline long double num_depth(int64_t n)
{
    long double depth = 0;
    while (n > 1) {
        int64_t chunk = n < 1024 ? n : 1024;
        depth += (long double)((chunk + 127) / 128 + 7);
        n = (n + 1023) / 1024;
    }
    return depth;
}
/* A row sum as it grows: errors of the terms, and their sizes. */
struct num_sum {
    long double v, e, size;
    int64_t n;
};
static inline void num_sum_add(struct num_sum *s, struct num a)
{
    s->v += a.v;
    s->e += a.e;
    s->size += fabsl(a.v) + fabsl(a.e) * 0x1p-20L;
    s->n++;
}
static inline struct num num_sum_end(struct num_kind k, const struct num_sum *s)
{
    long double depth = num_depth(s->n);
    return (struct num){s->v, s->e + depth * (s->size + k.tiny)};
}
/* An element of an argument, exactly as it is. */
static inline struct num num_at(const struct oracle_array *a, int64_t i)
{
    return num_of(a->v[i]);
}
static inline void num_put(struct oracle_array *a, int64_t i, struct num x)
{
    a->v[i] = x.v;
    a->mag[i] = x.e;
}

#endif
