/* exact_num.h - sign, order, division with a floor and questions about numbers, in f32 and f64.
 *
 * x_max and x_min take the total order -inf < ... < -0 < +0 < ... < inf, and a NaN wins in both; so
 * they may be folded in any order. Their NaN is the canonical one. The rest follows PyTorch where
 * IEEE 754 leaves a choice: sign(NaN) = 0, the sign of remainder is that of the divisor.
 */
#ifndef KERNELS_EXACT_NUM_H
#define KERNELS_EXACT_NUM_H

/* T: the type; S: what ends its functions' names; U: its bits; SIGN: the sign bit */
#define X_NUMBERS(T, S, U, SIGN)                                                                   \
    X_FN T x_sign##S(T x)                                                                          \
    {                                                                                              \
        return (T)((x > (T)0) - (x < (T)0));                                                       \
    }                                                                                              \
    X_FN T x_copysign##S(T mag, T s)                                                               \
    {                                                                                              \
        return x_sign_of##S(mag, s);                                                               \
    }                                                                                              \
    X_FN T x_max##S(T a, T b)                                                                      \
    {                                                                                              \
        T m = a > b ? a : b;                                                                       \
        m = a == b ? x_asf##S(x_asu##S(a) & x_asu##S(b)) : m;                                      \
        return a != a || b != b ? X_NAN##S : m;                                                    \
    }                                                                                              \
    X_FN T x_min##S(T a, T b)                                                                      \
    {                                                                                              \
        T m = a < b ? a : b;                                                                       \
        m = a == b ? x_asf##S(x_asu##S(a) | x_asu##S(b)) : m;                                      \
        return a != a || b != b ? X_NAN##S : m;                                                    \
    }                                                                                              \
    X_FN T x_where##S(i32 c, T a, T b)                                                             \
    {                                                                                              \
        return c ? a : b;                                                                          \
    }                                                                                              \
    X_FN i32 x_isnan##S(T x)                                                                       \
    {                                                                                              \
        return x != x;                                                                             \
    }                                                                                              \
    X_FN i32 x_isinf##S(T x)                                                                       \
    {                                                                                              \
        return x_abs##S(x) == X_INF##S;                                                            \
    }                                                                                              \
    X_FN i32 x_isfinite##S(T x)                                                                    \
    {                                                                                              \
        return x_abs##S(x) < X_INF##S;                                                             \
    }                                                                                              \
    X_FN i32 x_signbit##S(T x)                                                                     \
    {                                                                                              \
        return (x_asu##S(x) & (SIGN)) != (U)0;                                                     \
    }                                                                                              \
    X_FN T x_remainder##S(T a, T b)                                                                \
    {                                                                                              \
        T m = x_fmod##S(a, b);                                                                     \
        return m != (T)0 && (m < (T)0) != (b < (T)0) ? m + b : m;                                  \
    }                                                                                              \
    /* a - m is a multiple of b but for one rounding: the nearest integer is meant */              \
    X_FN T x_floordiv##S(T a, T b)                                                                 \
    {                                                                                              \
        T m = x_fmod##S(a, b), q = (a - m) / b;                                                    \
        q = m != (T)0 && (m < (T)0) != (b < (T)0) ? q - (T)1 : q;                                  \
        T f = x_floor##S(q);                                                                       \
        f = q - f > (T)0.5f ? f + (T)1 : f;                                                        \
        f = q == (T)0 ? x_sign_of##S((T)0, a / b) : f;                                             \
        return b == (T)0 ? a / b : f;                                                              \
    }

X_NUMBERS(float, , u32, 0x80000000u)
#ifdef X_F64
X_NUMBERS(double, 64, u64, 0x8000000000000000ul)
#endif

/* The total order as signed integers, NaN outermost. */
X_FN i32 x_max_key(float v)
{
    i32 b = (i32)x_asu(v), k = b ^ ((b >> 31) & 0x7fffffff);
    return v == v ? k : 0x7fffffff;
}
X_FN float x_max_unkey(i32 k)
{
    return k == 0x7fffffff ? X_NAN : x_asf((u32)(k ^ ((k >> 31) & 0x7fffffff)));
}
#ifdef X_F64
X_FN i64 x_max_key64(double v)
{
    i64 b = (i64)x_asu64(v), k = b ^ ((b >> 63) & 0x7fffffffffffffffl);
    return v == v ? k : 0x7fffffffffffffffl;
}
X_FN double x_max_unkey64(i64 k)
{
    return k == 0x7fffffffffffffffl ? X_NAN64
                                    : x_asf64((u64)(k ^ ((k >> 63) & 0x7fffffffffffffffl)));
}
#endif

/* The best so far: -0 equals +0, a NaN beats all, the lowest index wins ties. */
typedef struct {
    i64 key, at;
} x_arg;
X_FN void x_arg_begin(x_arg *a)
{
    a->key = -0x7fffffffffffffffl - 1;
    a->at = 0x7fffffffffffffffl;
}
X_FN void x_arg_join(x_arg *a, const x_arg *b)
{
    if (b->key > a->key || (b->key == a->key && b->at < a->at)) *a = *b;
}
X_FN void x_arg_value(x_arg *a, i64 key, i64 at)
{
    x_arg b;
    b.key = key;
    b.at = at;
    x_arg_join(a, &b);
}

#endif
