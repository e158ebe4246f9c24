/* grad_point.c - gradient rules of arithmetic, functions of one number, activations, choices and
 * casts.
 *
 * They are those of PyTorch (derivatives.yaml), so that a backward pass shows the same operators.
 */
#include "runtime/grad.h"

#include <math.h>
#include <string.h>

#define T GRAD_T
#define N GRAD_N

static struct plumb_tensor *scaled(struct plumb_tensor *t, double by)
{
    return by == 1 ? t : by == -1 ? plumb_neg(t) : plumb_mul_scalar(t, by);
}
/* times argument i, a tensor or a number */
static struct plumb_tensor *times(const struct op_call *c, struct plumb_tensor *t, int i)
{
    if (c->arg[i].kind == OP_TENSOR) return plumb_mul(t, grad_conjugate(T(i)));
    return plumb_mul_scalar(t, N(i));
}
static struct plumb_tensor *over(const struct op_call *c, struct plumb_tensor *t, int i)
{
    if (c->arg[i].kind == OP_TENSOR) return plumb_div(t, grad_conjugate(T(i)));
    return plumb_div_scalar(t, N(i));
}
static bool is_named(const struct op_call *c, const char *part)
{
    return strstr(c->op->s.name, part);
}
/* g where the truth value holds, else 0. */
static struct plumb_tensor *only(struct plumb_tensor *mask, struct plumb_tensor *g)
{
    return plumb_where_scalarother(mask, g, 0);
}
static struct plumb_tensor *except(struct plumb_tensor *mask, struct plumb_tensor *g)
{
    return plumb_where_scalarself(mask, 0, g);
}

/* ---- arithmetic ---- */

GRAD_RULE(grad_add, GRAD_GIVE(0, g); GRAD_GIVE(1, scaled(g, N(2))))
GRAD_RULE(grad_sub, GRAD_GIVE(0, g); GRAD_GIVE(1, scaled(g, -N(2))))
GRAD_RULE(grad_rsub, GRAD_GIVE(0, scaled(g, -N(2))))
GRAD_RULE(grad_mul, GRAD_GIVE(0, times(c, g, 1)); GRAD_GIVE(1, times(c, g, 0)))
GRAD_RULE(grad_div, GRAD_GIVE(0, over(c, g, 1));
          GRAD_GIVE(1, plumb_mul(plumb_neg(g),
                                 grad_conjugate(plumb_div(plumb_div(T(0), T(1)), T(1))))))
enum err grad_div_mode(struct op_call *c, struct plumb_tensor *const *result_grad,
                       struct plumb_tensor **grad)
{
    return c->arg[2].kind == OP_TEXT ? ERR_OK : grad_div(c, result_grad, grad);
}
/* fmod and remainder: the quotient steps, so only other's slope is its value. */
GRAD_RULE(grad_pass_self, const char *mode = is_named(c, "fmod") ? "trunc" : "floor";
          GRAD_GIVE(0, g);
          GRAD_GIVE(1, plumb_neg(plumb_mul(g, plumb_div_tensor_mode(T(0), T(1), mode)))))

static struct plumb_tensor *pow_base(struct plumb_tensor *g, struct plumb_tensor *x,
                                     struct plumb_tensor *e)
{
    struct plumb_tensor *slope = plumb_mul(e, plumb_pow_tensor(x, plumb_sub_scalar(e, 1, 1)));
    return plumb_mul(g, except(plumb_eq_scalar(e, 0), slope));
}
/* 0^e is 0 around e >= 0. */
static struct plumb_tensor *pow_exponent(struct plumb_tensor *g, struct plumb_tensor *x,
                                         struct plumb_tensor *e, struct plumb_tensor *y)
{
    struct plumb_tensor *flat = plumb_logical_and(plumb_eq_scalar(x, 0), plumb_ge_scalar(e, 0));
    return plumb_mul(g, except(flat, plumb_mul(y, plumb_log(x))));
}
GRAD_RULE(grad_pow, GRAD_GIVE(0, pow_base(g, T(0), T(1)));
          GRAD_GIVE(1, pow_exponent(g, T(0), T(1), y)))
GRAD_RULE(grad_pow_scalar,
          GRAD_GIVE(0, N(1) == 0
                           ? plumb_zeros_like(T(0), (enum plumb_dtype)0)
                           : plumb_mul(g, plumb_mul_scalar(plumb_pow_tensor_scalar(T(0), N(1) - 1),
                                                           N(1)))))
static struct plumb_tensor *pow_of_number(struct plumb_tensor *g, double x, struct plumb_tensor *e,
                                          struct plumb_tensor *y)
{
    struct plumb_tensor *slope = plumb_mul_scalar(y, log(x));
    return plumb_mul(g, x == 0 ? except(plumb_ge_scalar(e, 0), slope) : slope);
}
GRAD_RULE(grad_pow_of_scalar, GRAD_GIVE(1, pow_of_number(g, N(0), T(1), y)))

GRAD_RULE(grad_neg, GRAD_GIVE(0, plumb_neg(g)))
static struct plumb_tensor *direction(struct plumb_tensor *x, struct plumb_tensor *size)
{
    if (dtype_kind(x->view.dtype) != DTYPE_COMPLEX) return plumb_sign(x);
    return except(plumb_eq_scalar(x, 0), plumb_div(x, size));
}
GRAD_RULE(grad_abs, GRAD_GIVE(0, plumb_mul(g, direction(T(0), y))))
GRAD_RULE(grad_zero, )
GRAD_RULE(grad_square, GRAD_GIVE(0, plumb_mul(g, plumb_mul_scalar(T(0), 2))))
GRAD_RULE(grad_reciprocal, GRAD_GIVE(0, plumb_mul(plumb_neg(g), grad_conjugate(plumb_mul(y, y)))))

/* Equal ones share the gradient. */
static struct plumb_tensor *of_winner(struct plumb_tensor *g, struct plumb_tensor *a,
                                      struct plumb_tensor *b, struct plumb_tensor *loses)
{
    struct plumb_tensor *half = plumb_where_self(plumb_eq(a, b), plumb_div_scalar(g, 2), g);
    return plumb_masked_fill_scalar(half, loses, 0);
}
GRAD_RULE(grad_maximum, GRAD_GIVE(0, of_winner(g, T(0), T(1), plumb_lt(T(0), T(1))));
          GRAD_GIVE(1, of_winner(g, T(0), T(1), plumb_gt(T(0), T(1)))))
GRAD_RULE(grad_minimum, GRAD_GIVE(0, of_winner(g, T(0), T(1), plumb_gt(T(0), T(1))));
          GRAD_GIVE(1, of_winner(g, T(0), T(1), plumb_lt(T(0), T(1)))))

static struct plumb_tensor *by_length(struct plumb_tensor *g, struct plumb_tensor *a,
                                      struct plumb_tensor *b)
{
    return plumb_mul(g, plumb_reciprocal(plumb_add(plumb_mul(a, a), plumb_mul(b, b))));
}
GRAD_RULE(grad_atan2, GRAD_GIVE(0, plumb_mul(by_length(g, T(0), T(1)), T(1)));
          GRAD_GIVE(1, plumb_neg(plumb_mul(by_length(g, T(0), T(1)), T(0)))))
GRAD_RULE(grad_copysign,
          GRAD_GIVE(0, plumb_mul(g, except(plumb_eq_scalar(T(0), 0), plumb_div(y, T(0))))))

static struct plumb_tensor *clamped(const struct op_call *c, struct plumb_tensor *g)
{
    if (c->arg[1].kind) g = only(plumb_ge_scalar(T(0), N(1)), g);
    if (c->arg[2].kind) g = only(plumb_le_scalar(T(0), N(2)), g);
    return g;
}
GRAD_RULE(grad_clamp, GRAD_GIVE(0, clamped(c, g)))
GRAD_RULE(grad_clamp_one, GRAD_GIVE(0, only(is_named(c, "min") ? plumb_ge_scalar(T(0), N(1))
                                                               : plumb_le_scalar(T(0), N(1)),
                                            g)))

GRAD_RULE(grad_addcmul, GRAD_GIVE(0, g);
          GRAD_GIVE(1, plumb_mul(g, grad_conjugate(scaled(T(2), N(3)))));
          GRAD_GIVE(2, plumb_mul(g, grad_conjugate(scaled(T(1), N(3))))))
GRAD_RULE(grad_addcdiv, GRAD_GIVE(0, g);
          GRAD_GIVE(1, plumb_mul(g, grad_conjugate(plumb_div(
                                        plumb_full_like(T(2), N(3), (enum plumb_dtype)0), T(2)))));
          GRAD_GIVE(2, plumb_neg(plumb_mul(g, grad_conjugate(plumb_div(scaled(T(1), N(3)),
                                                                       plumb_mul(T(2), T(2))))))))
static struct plumb_tensor *rest_of(const struct op_call *c)
{
    return plumb_rsub_scalar(T(2), 1, 1);
}
GRAD_RULE(grad_lerp, GRAD_GIVE(0, c->arg[2].kind == OP_TENSOR ? plumb_mul(g, rest_of(c))
                                                              : plumb_mul_scalar(g, 1 - N(2)));
          GRAD_GIVE(1, times(c, g, 2)); GRAD_GIVE(2, plumb_mul(g, plumb_sub(T(1), T(0)))))

/* ---- functions of one number ---- */

#define FUNCTION(name, slope) GRAD_RULE(grad_##name, GRAD_GIVE(0, slope))
#define LN_2                  0.693147180559945309417232121458176568
#define LN_10                 2.302585092994045684017991454684364208
#define TWO_OVER_ROOT_PI      1.128379167095512573896158903121545172

static struct plumb_tensor *one_minus_square(struct plumb_tensor *x)
{
    return plumb_rsub_scalar(plumb_mul(x, x), 1, 1);
}
FUNCTION(exp, plumb_mul(g, grad_conjugate(y)))
FUNCTION(exp2, plumb_mul_scalar(plumb_mul(g, y), LN_2))
FUNCTION(expm1, plumb_mul(g, plumb_add_scalar(y, 1, 1)))
FUNCTION(log, plumb_div(g, grad_conjugate(T(0))))
FUNCTION(log2, plumb_div(g, plumb_mul_scalar(T(0), LN_2)))
FUNCTION(log10, plumb_div(g, plumb_mul_scalar(T(0), LN_10)))
FUNCTION(log1p, plumb_div(g, plumb_add_scalar(T(0), 1, 1)))
FUNCTION(sin, plumb_mul(g, grad_conjugate(plumb_cos(T(0)))))
FUNCTION(cos, plumb_mul(g, grad_conjugate(plumb_neg(plumb_sin(T(0))))))
FUNCTION(tan, plumb_mul(g, plumb_add_scalar(plumb_mul(y, y), 1, 1)))
FUNCTION(asin, plumb_mul(g, plumb_rsqrt(one_minus_square(T(0)))))
FUNCTION(acos, plumb_mul(g, plumb_neg(plumb_rsqrt(one_minus_square(T(0))))))
FUNCTION(atan, plumb_div(g, plumb_add_scalar(plumb_mul(T(0), T(0)), 1, 1)))
FUNCTION(sinh, plumb_mul(g, plumb_cosh(T(0))))
FUNCTION(cosh, plumb_mul(g, plumb_sinh(T(0))))
FUNCTION(tanh, plumb_tanh_backward(g, y))
FUNCTION(erf,
         plumb_mul(plumb_mul_scalar(plumb_exp(plumb_neg(plumb_mul(T(0), T(0)))), TWO_OVER_ROOT_PI),
                   g))
FUNCTION(sqrt, plumb_div(g, plumb_mul_scalar(grad_conjugate(y), 2)))
FUNCTION(rsqrt, plumb_mul(plumb_mul_scalar(g, -0.5), plumb_mul(y, plumb_mul(y, y))))
FUNCTION(sigmoid, plumb_sigmoid_backward(g, y))
FUNCTION(conj, plumb_conj_physical(g))

/* ---- activations ---- */

FUNCTION(relu, plumb_threshold_backward(g, y, 0))
FUNCTION(threshold_backward, plumb_threshold_backward(g, T(1), N(2)))
FUNCTION(silu, plumb_silu_backward(g, T(0)))
FUNCTION(gelu, plumb_gelu_backward(g, T(0), c->arg[1].s))
FUNCTION(leaky_relu, plumb_leaky_relu_backward(g, T(0), N(1), false))
FUNCTION(softplus, plumb_softplus_backward(g, T(0), N(1), N(2)))

/* ---- choices, casts, copies ---- */

GRAD_RULE(grad_where, GRAD_GIVE(1, only(T(0), g)); GRAD_GIVE(2, except(T(0), g)))
GRAD_RULE(grad_masked_fill, GRAD_GIVE(0, plumb_masked_fill_scalar(g, T(1), 0));
          GRAD_GIVE(2, only(T(1), g)))
GRAD_RULE(grad_to_copy, GRAD_GIVE(0, g))
/* What was there before has no part in the result. */
GRAD_RULE(grad_copy_, GRAD_GIVE(1, g))
GRAD_RULE(grad_fill_, if (c->op->s.n_params > 1) GRAD_GIVE(1, g))

/* Whoever was kept was scaled by 1 / (1 - p). */
static struct plumb_tensor *kept(const struct op_call *c, struct plumb_tensor *g)
{
    bool train = c->arg[2].kind == OP_NONE || c->arg[2].i;
    double p = N(1), scale = !train ? 1 : p == 1 ? 0 : 1 / (1 - p);
    return plumb_native_dropout_backward(g, c->result[1], scale);
}
FUNCTION(native_dropout, kept(c, g))
