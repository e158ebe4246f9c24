/* oracle_unary.c - oracles of functions of one number, of activations and of their gradients. */
#include "kernels/oracle_point.h"

#define PI 3.141592653589793238462643383279502884L

/* ---- elementary functions: their value, rounded once ---- */

#define FUNCTION(id, f)                                                                            \
    REAL(id, p->y = f(x[0]))                                                                       \
    ORACLE_F(id, id)
#define FUNCTION_C(id, f, cf)                                                                      \
    REAL(id, p->y = f(x[0]))                                                                       \
    COMPLEX(id, p->w = cf(z[0]))                                                                   \
    ORACLE_FC(id, id)

static long double sigmoidl(long double x)
{
    return x >= 0 ? 1 / (1 + expl(-x)) : expl(x) / (1 + expl(x));
}
static long double rsqrtl(long double x)
{
    return 1 / sqrtl(x);
}
FUNCTION_C(exp, expl, cexpl)
FUNCTION_C(log, logl, clogl)
FUNCTION_C(sin, sinl, csinl)
FUNCTION_C(cos, cosl, ccosl)
FUNCTION_C(sqrt, sqrtl, csqrtl)
FUNCTION(exp2, exp2l)
FUNCTION(expm1, expm1l)
FUNCTION(log2, log2l)
FUNCTION(log10, log10l)
FUNCTION(log1p, log1pl)
FUNCTION(tan, tanl)
FUNCTION(asin, asinl)
FUNCTION(acos, acosl)
FUNCTION(atan, atanl)
FUNCTION(sinh, sinhl)
FUNCTION(cosh, coshl)
FUNCTION(tanh, tanhl)
FUNCTION(erf, erfl)
FUNCTION(rsqrt, rsqrtl)
FUNCTION(sigmoid, sigmoidl)
ORACLE_F(exp_, exp)
ORACLE_F(sqrt_, sqrt)
ORACLE_F(tanh_, tanh)
ORACLE_F(sigmoid_, sigmoid)
REAL(atan2, p->y = atan2l(x[0], x[1]))
ORACLE_F(atan2, atan2)

/* An integer is its own floor. */
INTEGER(same, p->whole = i[0])
#define TO_WHOLE(id, f)                                                                            \
    REAL(id, p->y = f(x[0]))                                                                       \
    ORACLE(id, id##_real, same_integer, NULL)
TO_WHOLE(floor, floorl)
TO_WHOLE(ceil, ceill)
TO_WHOLE(trunc, truncl)
TO_WHOLE(round_default, rintl)

/* ---- activations ---- */

REAL(relu, p->y = x[0] < 0 ? 0 : x[0])
INTEGER(relu, p->whole = i[0] < 0 ? 0 : i[0])
ORACLE_FI(relu, relu)
ORACLE_FI(relu_, relu)
REAL(threshold_backward, p->y = x[1] <= x[2] ? 0 : x[0])
INTEGER(threshold_backward, p->whole = i[1] <= i[2] ? 0 : i[0])
ORACLE_FI(threshold_backward, threshold_backward)

/* 1 - output rounds against 1 + |output|, which matters where output is near 1. */
REAL(sigmoid_backward, p->y = x[0] * (1 - x[1]) * x[1])
REAL(tanh_backward, p->y = x[0] * (1 - x[1] * x[1]); p->mag = fabsl(x[0]) * (1 + x[1] * x[1]))
ORACLE_F(sigmoid_backward, sigmoid_backward)
ORACLE_F(tanh_backward, tanh_backward)

REAL(silu, p->y = x[0] * sigmoidl(x[0]))
ORACLE_F(silu, silu)
/* g s (1 + x (1 - s)): the sum in brackets cancels, and 1 - s does */
static void silu_backward_real(struct point *p)
{
    long double g = p->x[0], x = p->x[1], s = sigmoidl(x);
    p->y = g * s * (1 + x * (1 - s));
    p->mag = fabsl(g * s) * (1 + fabsl(x) * (1 + s));
}
ORACLE_F(silu_backward, silu_backward)

static bool by_tanh(const struct point *p, int arg)
{
    return p->c->arg[arg].s[0] == 't';
}
/* Phi(x); erfc keeps the tail */
static long double normal_cdf(long double x)
{
    return erfcl(-x * sqrtl(0.5L)) / 2;
}
/* x (1 + tanh u) / 2 = x sigmoid(2 u); the limit at -inf is -0 */
static long double tanh_argument(long double x)
{
    return sqrtl(2 / PI) * (x + 0.044715L * x * x * x);
}
/* In f32 the tail is relative-accurate; in f64 the argument of the exponential is rounded, which
 * its size magnifies. */
static void gelu_real(struct point *p)
{
    long double x = p->x[0];
    long double phi = by_tanh(p, 1) ? sigmoidl(2 * tanh_argument(x)) : normal_cdf(x);
    p->y = isinf(x) && x < 0 ? -0.0L : x * phi;
    if (oracle_roundoff(p->compute) < 0x1p-40L && p->y != 0)
        p->mag = fabsl(p->y) * (1 + x * x + fabsl(by_tanh(p, 1) ? 2 * tanh_argument(x) : 0));
}
ORACLE_F(gelu, gelu)

/* Sums that cancel: 1 + erf (1 + tanh), and the two terms. The argument of exp carries two
 * roundings, so its error is x^2 / 2 times as large; that of tanh likewise. */
static void gelu_backward_erf(struct point *p)
{
    long double g = p->x[0], x = p->x[1], d = expl(-x * x / 2) / sqrtl(2 * PI);
    p->y = g * (normal_cdf(x) + x * d);
    p->mag = fabsl(g) * (1 + fabsl(x) * d * (1 + x * x / 2));
}
static void gelu_backward_tanh(struct point *p)
{
    long double g = p->x[0], x = p->x[1], u = tanh_argument(x), t = tanhl(u);
    long double q = 1 - t * t, d = sqrtl(2 / PI) * (1 + 3 * 0.044715L * x * x);
    p->y = g * ((1 + t) / 2 + x * q * d / 2);
    p->mag = fabsl(g) * (1 + fabsl(u) * q + fabsl(x) * d * (1 + t * t) / 2);
}
static void gelu_backward_real(struct point *p)
{
    if (by_tanh(p, 2)) gelu_backward_tanh(p);
    else gelu_backward_erf(p);
}
ORACLE_F(gelu_backward, gelu_backward)

REAL(leaky_relu, p->y = x[0] > 0 ? x[0] : x[0] * x[1])
REAL(leaky_relu_backward, p->y = x[1] > 0 ? x[0] : x[0] * x[2])
ORACLE_F(leaky_relu, leaky_relu)
ORACLE_F(leaky_relu_backward, leaky_relu_backward)

/* exp(z) carries the rounding of z: |z| units, which log1p damps to at most that. */
static void softplus_real(struct point *p)
{
    long double z = oracle_round(oracle_entry(p->compute), p->x[0] * p->x[1]);
    bool far = z > p->x[2];
    p->y = far ? p->x[0] : log1pl(expl(z)) / p->x[1];
    if (!far) p->mag = fabsl(p->y) * (1 + fabsl(z));
}
static void softplus_backward_real(struct point *p)
{
    long double g = p->x[0], z = oracle_round(oracle_entry(p->compute), p->x[1] * p->x[2]);
    bool far = z > p->x[3];
    p->y = far ? g : g * sigmoidl(z);
    if (!far) p->mag = fabsl(p->y) * (1 + fabsl(z));
}
ORACLE_F(softplus, softplus)
ORACLE_F(softplus_backward, softplus_backward)
