/* oracle_arith.c - oracles of arithmetic. Where a body rounds on the way, mag sums what it rounds.
 */
#include "kernels/oracle_point.h"

/* ---- sums: a product is rounded, then the sum ---- */

REAL(add, p->y = x[0] + x[2] * x[1]; p->mag = fabsl(x[0]) + fabsl(x[2] * x[1]))
REAL(sub, p->y = x[0] - x[2] * x[1]; p->mag = fabsl(x[0]) + fabsl(x[2] * x[1]))
REAL(rsub, p->y = x[1] - x[2] * x[0]; p->mag = fabsl(x[1]) + fabsl(x[2] * x[0]))
COMPLEX(add, p->w = z[0] + z[2] * z[1]; p->mag = cabsl(z[0]) + cabsl(z[2]) * cabsl(z[1]))
COMPLEX(sub, p->w = z[0] - z[2] * z[1]; p->mag = cabsl(z[0]) + cabsl(z[2]) * cabsl(z[1]))
COMPLEX(rsub, p->w = z[1] - z[2] * z[0]; p->mag = cabsl(z[1]) + cabsl(z[2]) * cabsl(z[0]))

/* Integers wrap: sums and products modulo 2^64, which the result's dtype cuts. Of truth values + is
 * "or" and * is "and". */
static int64_t times(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}
static int64_t plus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}
static int64_t less(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}
INTEGER(add,
        p->whole = p->compute == DTYPE_B8 ? i[0] || (i[2] && i[1]) : plus(i[0], times(i[2], i[1])))
INTEGER(sub, p->whole = less(i[0], times(i[2], i[1])))
INTEGER(rsub, p->whole = less(i[1], times(i[2], i[0])))

ORACLE_FIC(add_Tensor, add)
ORACLE_FIC(add__Tensor, add)
ORACLE_FIC(add_Scalar, add)
ORACLE_FIC(add__Scalar, add)
ORACLE_FIC(sub_Tensor, sub)
ORACLE_FIC(sub__Tensor, sub)
ORACLE_FIC(sub_Scalar, sub)
ORACLE_FIC(sub__Scalar, sub)
ORACLE_FIC(rsub_Scalar, rsub)

/* ---- products and quotients ---- */

REAL(mul, p->y = x[0] * x[1])
INTEGER(mul, p->whole = p->compute == DTYPE_B8 ? i[0] && i[1] : times(i[0], i[1]))
COMPLEX(mul, p->w = z[0] * z[1]; p->mag = cabsl(z[0]) * cabsl(z[1]))
ORACLE_FIC(mul_Tensor, mul)
ORACLE_FIC(mul__Tensor, mul)
ORACLE_FIC(mul_Scalar, mul)
ORACLE_FIC(mul__Scalar, mul)

REAL(div, p->y = x[0] / x[1])
COMPLEX(div, p->w = z[0] / z[1])
ORACLE_FC(div_Tensor, div)
ORACLE_FC(div__Tensor, div)
ORACLE_FC(div_Scalar, div)
ORACLE_FC(div__Scalar, div)

REAL(reciprocal, p->y = 1 / x[0])
COMPLEX(reciprocal, p->w = 1 / z[0])
ORACLE_FC(reciprocal, reciprocal)

static bool is_u64(const struct point *p)
{
    return p->compute == DTYPE_U64;
}
/* Towards zero. A divisor of 0 gives 0 with remainder a (docs/exact.md: an operator does not stop
 * for a value). */
static int64_t quotient(const struct point *p)
{
    const int64_t *i = p->i;
    if (!i[1]) return 0;
    if (is_u64(p)) return (int64_t)((uint64_t)i[0] / (uint64_t)i[1]);
    return i[1] == -1 ? less(0, i[0]) : i[0] / i[1];
}
static int64_t rest(const struct point *p)
{
    return less(p->i[0], times(quotient(p), p->i[1]));
}
/* The remainder is there and its sign is not the divisor's. */
static bool rounds_down(const struct point *p)
{
    return !is_u64(p) && p->i[1] && rest(p) && (rest(p) < 0) != (p->i[1] < 0);
}
/* floor(a / b) from the exact remainder: a - m is a multiple of b but for one rounding. */
static long double floor_quotient(long double a, long double b)
{
    long double m = fmodl(a, b), q = rintl((a - m) / b);
    if (b == 0) return a / b;
    if (m != 0 && (m < 0) != (b < 0)) q--;
    return q == 0 ? copysignl(0, a / b) : q;
}
REAL(floor_divide, p->y = floor_quotient(x[0], x[1]))
INTEGER(floor_divide, p->whole = quotient(p) - rounds_down(p))
ORACLE_FI(floor_divide, floor_divide)
ORACLE_FI(floor_divide_Scalar, floor_divide)

REAL(fmod, p->y = fmodl(x[0], x[1]))
INTEGER(fmod, p->whole = rest(p))
ORACLE_FI(fmod_Tensor, fmod)
ORACLE_FI(fmod_Scalar, fmod)

/* fmod is exact, and so is m; one addition rounds. */
static long double remainder_of(long double a, long double b)
{
    long double m = fmodl(a, b);
    return m != 0 && (m < 0) != (b < 0) ? m + b : m;
}
REAL(remainder, p->y = remainder_of(x[0], x[1]); p->mag = fabsl(x[1]))
INTEGER(remainder, p->whole = rounds_down(p) ? plus(rest(p), i[1]) : rest(p))
ORACLE_FI(remainder_Tensor, remainder)
ORACLE_FI(remainder_Scalar, remainder)

/* "trunc" cuts the rounded quotient, as PyTorch does. */
static void div_mode_real(struct point *p)
{
    const char *mode = p->c->arg[2].s;
    long double q = p->x[0] / p->x[1];
    if (mode && *mode == 'f') q = floor_quotient(p->x[0], p->x[1]);
    if (mode && *mode == 't') q = truncl(oracle_round(oracle_entry(p->compute), q));
    p->y = q;
}
INTEGER(div_mode, p->whole = quotient(p) - (*p->c->arg[2].s == 'f' && rounds_down(p)))
ORACLE(div_Tensor_mode, div_mode_real, div_mode_integer, div_complex)
ORACLE(div_Scalar_mode, div_mode_real, div_mode_integer, div_complex)

/* ---- powers ---- */

static int64_t power(int64_t a, int64_t b)
{
    uint64_t r = 1, by = (uint64_t)a;
    if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
    for (; b; b >>= 1, by *= by)
        if (b & 1) r *= by;
    return (int64_t)r;
}
REAL(pow, p->y = powl(x[0], x[1]))
INTEGER(pow, p->whole = power(i[0], i[1]))
ORACLE_FI(pow_Tensor_Tensor, pow)
ORACLE_FI(pow_Tensor_Scalar, pow)
ORACLE_FI(pow_Scalar, pow)

REAL(square, p->y = x[0] * x[0])
INTEGER(square, p->whole = times(i[0], i[0]))
ORACLE_FI(square, square)

/* ---- signs and sizes ---- */

REAL(neg, p->y = -x[0])
INTEGER(neg, p->whole = less(0, i[0]))
COMPLEX(neg, p->w = -z[0])
ORACLE_FIC(neg, neg)
ORACLE_FIC(neg_, neg)
REAL(abs, p->y = fabsl(x[0]))
INTEGER(abs, p->whole = i[0] < 0 ? less(0, i[0]) : i[0])
COMPLEX(abs, p->y = cabsl(z[0]))
ORACLE_FIC(abs, abs)
REAL(sign, p->y = (x[0] > 0) - (x[0] < 0))
INTEGER(sign, p->whole = (i[0] > 0) - (i[0] < 0))
ORACLE_FI(sign, sign)
REAL(copysign, p->y = copysignl(x[0], x[1]))
ORACLE_F(copysign_Tensor, copysign)
REAL(conj_physical, p->y = x[0])
INTEGER(conj_physical, p->whole = i[0])
COMPLEX(conj_physical, p->w = conjl(z[0]))
ORACLE_FIC(conj_physical, conj_physical)

static bool below(const struct point *p, int a, int b)
{
    return is_u64(p) ? (uint64_t)p->i[a] < (uint64_t)p->i[b] : p->i[a] < p->i[b];
}
REAL(maximum, p->y = oracle_larger(x[0], x[1]))
INTEGER(maximum, p->whole = below(p, 0, 1) ? i[1] : i[0])
ORACLE_FI(maximum, maximum)
ORACLE_FI(clamp_min, maximum)
REAL(minimum, p->y = oracle_smaller(x[0], x[1]))
INTEGER(minimum, p->whole = below(p, 0, 1) ? i[0] : i[1])
ORACLE_FI(minimum, minimum)
ORACLE_FI(clamp_max, minimum)

static bool given(const struct point *p, int k)
{
    return p->c->arg[k].kind != ORACLE_NONE;
}
static void clamp_real(struct point *p)
{
    p->y = p->x[0];
    if (given(p, 1)) p->y = oracle_larger(p->y, p->x[1]);
    if (given(p, 2)) p->y = oracle_smaller(p->y, p->x[2]);
}
/* The upper bound is the last word, as in PyTorch. */
static void clamp_integer(struct point *p)
{
    int at = 0;
    if (given(p, 1) && below(p, 0, 1)) at = 1;
    if (given(p, 2) && below(p, 2, at)) at = 2;
    p->whole = p->i[at];
}
ORACLE_FI(clamp, clamp)
ORACLE_FI(clamp_, clamp)

/* ---- three at once ---- */

static void addc(struct point *p, long double term)
{
    p->y = p->x[0] + term;
    p->mag = fabsl(p->x[0]) + fabsl(term);
}
static void addc_complex(struct point *p, long double _Complex term)
{
    p->w = p->z[0] + term;
    p->mag = cabsl(p->z[0]) + cabsl(term);
}
REAL(addcmul, addc(p, x[3] * x[1] * x[2]))
INTEGER(addcmul, p->whole = plus(i[0], times(i[3], times(i[1], i[2]))))
COMPLEX(addcmul, addc_complex(p, z[3] * z[1] * z[2]))
REAL(addcdiv, addc(p, x[3] * x[1] / x[2]))
COMPLEX(addcdiv, addc_complex(p, z[3] * z[1] / z[2]))
ORACLE_FIC(addcmul, addcmul)
ORACLE_FIC(addcmul_, addcmul)
ORACLE_FC(addcdiv, addcdiv)
ORACLE_FC(addcdiv_, addcdiv)

/* end - self rounds, the product does, the sum does. */
REAL(lerp, p->y = x[0] + x[2] * (x[1] - x[0]); p->mag = fabsl(x[0]) + fabsl(x[2] * (x[1] - x[0])))
ORACLE_F(lerp_Scalar, lerp)
ORACLE_F(lerp_Tensor, lerp)
ORACLE_F(lerp__Scalar, lerp)
