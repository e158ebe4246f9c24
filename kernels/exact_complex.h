/* exact_complex.h - complex numbers of two f32 (names end in _c) or two f64 (_z).
 *
 * Each part is made of the operations and functions of exact.h; z = re + i im. Magnitudes are
 * scaled by powers of two first, so that squares neither overflow nor vanish. Special values as in
 * C99's annex G where a few selects reach that. Products are written with fma: gcc 12 makes one of
 * them anyway when it vectorises a complex product, contraction or not.
 */
#ifndef KERNELS_EXACT_COMPLEX_H
#define KERNELS_EXACT_COMPLEX_H

typedef struct {
    float re, im;
} x_c64;
#ifdef X_F64
typedef struct {
    double re, im;
} x_c128;
#endif

/* the exponent k that brings the larger of two magnitudes into [1, 2) by 2^k; 0 is left alone */
X_FN i32 x_scale_of(float a, float b)
{
    i32 e = (i32)(x_asu(x_abs(a) > x_abs(b) ? a : b) >> 23 & 0xffu);
    return e == 0 ? 149 : 127 - e;
}
#ifdef X_F64
X_FN i64 x_scale_of64(double a, double b)
{
    i64 e = (i64)(x_asu64(x_abs64(a) > x_abs64(b) ? a : b) >> 52 & 0x7fful);
    return e == 0 ? 1074 : 1023 - e;
}
#endif

/* Z: the type; T: of its parts; C: what ends its functions' names; S: those of its parts; I: of
 * exponents */
#define X_COMPLEX(Z, T, C, S, I)                                                                   \
    X_FN Z x_make##C(T re, T im)                                                                   \
    {                                                                                              \
        Z z;                                                                                       \
        z.re = re;                                                                                 \
        z.im = im;                                                                                 \
        return z;                                                                                  \
    }                                                                                              \
    X_FN Z x_canon##C(Z a)                                                                         \
    {                                                                                              \
        return x_make##C(x_canon##S(a.re), x_canon##S(a.im));                                      \
    }                                                                                              \
    X_FN Z x_add##C(Z a, Z b)                                                                      \
    {                                                                                              \
        return x_make##C(a.re + b.re, a.im + b.im);                                                \
    }                                                                                              \
    X_FN Z x_sub##C(Z a, Z b)                                                                      \
    {                                                                                              \
        return x_make##C(a.re - b.re, a.im - b.im);                                                \
    }                                                                                              \
    X_FN Z x_neg##C(Z a)                                                                           \
    {                                                                                              \
        return x_make##C(-a.re, -a.im);                                                            \
    }                                                                                              \
    X_FN Z x_conj##C(Z a)                                                                          \
    {                                                                                              \
        return x_make##C(a.re, -a.im);                                                             \
    }                                                                                              \
    X_FN T x_real##C(Z a)                                                                          \
    {                                                                                              \
        return a.re;                                                                               \
    }                                                                                              \
    X_FN T x_imag##C(Z a)                                                                          \
    {                                                                                              \
        return a.im;                                                                               \
    }                                                                                              \
    X_FN i32 x_eq##C(Z a, Z b)                                                                     \
    {                                                                                              \
        return (a.re == b.re) & (a.im == b.im);                                                    \
    }                                                                                              \
    X_FN Z x_where##C(i32 c, Z a, Z b)                                                             \
    {                                                                                              \
        return c ? a : b;                                                                          \
    }                                                                                              \
    X_FN i32 x_isnan##C(Z a)                                                                       \
    {                                                                                              \
        return x_isnan##S(a.re) | x_isnan##S(a.im);                                                \
    }                                                                                              \
    X_FN i32 x_isinf##C(Z a)                                                                       \
    {                                                                                              \
        return x_isinf##S(a.re) | x_isinf##S(a.im);                                                \
    }                                                                                              \
    X_FN i32 x_isfinite##C(Z a)                                                                    \
    {                                                                                              \
        return x_isfinite##S(a.re) & x_isfinite##S(a.im);                                          \
    }                                                                                              \
    X_FN Z x_mul##C(Z a, Z b)                                                                      \
    {                                                                                              \
        return x_make##C(x_fma##S(a.re, b.re, -(a.im * b.im)), x_fma##S(a.re, b.im, a.im * b.re)); \
    }                                                                                              \
    /* the divisor in [1/4, 1/2): no product overflows, nor the quotient before it is scaled */    \
    X_FN Z x_div##C(Z a, Z b)                                                                      \
    {                                                                                              \
        I k = x_scale_of##S(b.re, b.im) - 2, less = k < 0 ? k : 0;                                 \
        T c = x_scale##S(b.re, k), d = x_scale##S(b.im, k), m = x_fma##S(c, c, d * d);             \
        T re = x_fma##S(a.re, c, a.im * d), im = x_fma##S(a.im, c, -(a.re * d));                   \
        re = x_scale##S(re, less);                                                                 \
        im = x_scale##S(im, less);                                                                 \
        return x_make##C(x_scale##S(re / m, k - less), x_scale##S(im / m, k - less));              \
    }                                                                                              \
    /* sqrt(a^2 + b^2) of magnitudes below 2^7 */                                                  \
    X_FN T x_length##C(T a, T b)                                                                   \
    {                                                                                              \
        T p = x_abs##S(a), q = x_abs##S(b), m = p > q ? p : q, n = p > q ? q : p;                  \
        return x_sqrt##S(x_fma##S(m, m, n * n));                                                   \
    }                                                                                              \
    X_FN T x_abs##C(Z a)                                                                           \
    {                                                                                              \
        I k = x_scale_of##S(a.re, a.im);                                                           \
        T h = x_length##C(x_scale##S(a.re, k), x_scale##S(a.im, k));                               \
        return x_isinf##C(a) ? X_INF##S : x_scale##S(h, -k);                                       \
    }                                                                                              \
    /* t^2 = (|re| + |z|) / 2; the other part is im / 2t */                                        \
    X_FN Z x_sqrt##C(Z a)                                                                          \
    {                                                                                              \
        I k = x_scale_of##S(a.re, a.im) & ~(I)1;                                                   \
        T p = x_scale##S(x_abs##S(a.re), k), q = x_scale##S(x_abs##S(a.im), k);                    \
        T t = x_sqrt##S((T)0.5f * (p + x_length##C(p, q)));                                        \
        T u = q == (T)0 ? (T)0 : q / (t + t);                                                      \
        t = x_scale##S(t, -(k / 2));                                                               \
        u = x_scale##S(u, -(k / 2));                                                               \
        i32 flat = x_isinf##S(a.re) && x_isfinite##S(a.im);                                        \
        t = flat ? X_INF##S : t;                                                                   \
        u = flat ? (T)0 : u;                                                                       \
        T re = a.re < (T)0 ? u : t, im = x_sign_of##S(a.re < (T)0 ? t : u, a.im);                  \
        re = x_isinf##S(a.im) ? X_INF##S : re;                                                     \
        im = x_isinf##S(a.im) ? a.im : im;                                                         \
        return x_make##C(re, im);                                                                  \
    }                                                                                              \
    X_FN Z x_exp##C(Z a)                                                                           \
    {                                                                                              \
        T e = x_exp##S(a.re), re = e * x_cos##S(a.im), im = e * x_sin##S(a.im);                    \
        i32 gone = e == (T)0 && !x_isfinite##S(a.im);                                              \
        return x_make##C(gone ? (T)0 : re, a.im == (T)0 ? a.im : gone ? (T)0 : im);                \
    }                                                                                              \
    /* log|z| near |z| = 1 from |z|^2 - 1 = (m - 1)(m + 1) + n^2 */                                \
    X_FN Z x_log##C(Z a)                                                                           \
    {                                                                                              \
        T p = x_abs##S(a.re), q = x_abs##S(a.im), m = p > q ? p : q, n = p > q ? q : p;            \
        T h = x_abs##C(a);                                                                         \
        T near = (T)0.5f * x_log1p##S((m - (T)1) * (m + (T)1) + n * n);                            \
        return x_make##C(h > (T)0.5f && h < (T)2 ? near : x_log##S(h), x_atan2##S(a.im, a.re));    \
    }                                                                                              \
    X_FN Z x_sin##C(Z a)                                                                           \
    {                                                                                              \
        return x_make##C(x_sin##S(a.re) * x_cosh##S(a.im), x_cos##S(a.re) * x_sinh##S(a.im));      \
    }                                                                                              \
    X_FN Z x_cos##C(Z a)                                                                           \
    {                                                                                              \
        return x_make##C(x_cos##S(a.re) * x_cosh##S(a.im), -(x_sin##S(a.re) * x_sinh##S(a.im)));   \
    }

X_COMPLEX(x_c64, float, _c, , i32)
#ifdef X_F64
X_COMPLEX(x_c128, double, _z, 64, i64)
#endif

#endif
