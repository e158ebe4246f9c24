/* exact_int.h - functions of 64-bit integers and truth values; nothing here is undefined.
 *
 * Names end in _i (signed), _u (unsigned), _b (truth values: i32, 0 or 1). Sums, differences and
 * products wrap; so narrower integers compute in 64 bits and are cut when stored. A zero divisor
 * gives quotient 0 and remainder a, the smallest integer by -1 gives itself and remainder 0.
 * Shifts by a negative count or by 64 and more move every bit out.
 */
#ifndef KERNELS_EXACT_INT_H
#define KERNELS_EXACT_INT_H

X_FN i64 x_add_i(i64 a, i64 b)
{
    return (i64)((u64)a + (u64)b);
}
X_FN i64 x_sub_i(i64 a, i64 b)
{
    return (i64)((u64)a - (u64)b);
}
X_FN i64 x_mul_i(i64 a, i64 b)
{
    return (i64)((u64)a * (u64)b);
}
X_FN i64 x_neg_i(i64 a)
{
    return (i64)(0ul - (u64)a);
}
/* towards zero; the remainder has the sign of a */
X_FN i64 x_div_i(i64 a, i64 b)
{
    return b == 0 ? 0 : b == -1 ? x_neg_i(a) : a / b;
}
X_FN i64 x_fmod_i(i64 a, i64 b)
{
    return b == 0 ? a : b == -1 ? 0 : a % b;
}
/* towards minus infinity; the remainder has the sign of b */
X_FN i64 x_floordiv_i(i64 a, i64 b)
{
    i64 q = x_div_i(a, b), r = x_fmod_i(a, b);
    return b != 0 && r != 0 && (r < 0) != (b < 0) ? q - 1 : q;
}
X_FN i64 x_remainder_i(i64 a, i64 b)
{
    i64 r = x_fmod_i(a, b);
    return b != 0 && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
X_FN u64 x_add_u(u64 a, u64 b)
{
    return a + b;
}
X_FN u64 x_sub_u(u64 a, u64 b)
{
    return a - b;
}
X_FN u64 x_mul_u(u64 a, u64 b)
{
    return a * b;
}
X_FN u64 x_neg_u(u64 a)
{
    return 0ul - a;
}
X_FN u64 x_div_u(u64 a, u64 b)
{
    return b == 0 ? 0 : a / b;
}
X_FN u64 x_fmod_u(u64 a, u64 b)
{
    return b == 0 ? a : a % b;
}
X_FN u64 x_floordiv_u(u64 a, u64 b)
{
    return x_div_u(a, b);
}
X_FN u64 x_remainder_u(u64 a, u64 b)
{
    return x_fmod_u(a, b);
}

X_FN i64 x_abs_i(i64 a)
{
    return a < 0 ? x_neg_i(a) : a;
}
X_FN u64 x_abs_u(u64 a)
{
    return a;
}
X_FN i64 x_sign_i(i64 a)
{
    return (a > 0) - (a < 0);
}
X_FN u64 x_sign_u(u64 a)
{
    return a > 0;
}
/* a^b modulo 2^64; of a negative power only 1 and -1 leave something */
X_FN u64 x_pow_u(u64 a, u64 b)
{
    u64 r = 1;
    for (; b; b >>= 1, a *= a)
        if (b & 1) r *= a;
    return r;
}
X_FN i64 x_pow_i(i64 a, i64 b)
{
    if (b >= 0) return (i64)x_pow_u((u64)a, (u64)b);
    return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
}
X_FN i64 x_shl_i(i64 a, i64 n)
{
    return n < 0 || n > 63 ? 0 : (i64)((u64)a << n);
}
X_FN u64 x_shl_u(u64 a, u64 n)
{
    return n > 63 ? 0 : a << n;
}
X_FN i64 x_shr_i(i64 a, i64 n)
{
    return a >> (n < 0 || n > 63 ? 63 : n);
}
X_FN u64 x_shr_u(u64 a, u64 n)
{
    return n > 63 ? 0 : a >> n;
}
X_FN i64 x_not_i(i64 a)
{
    return ~a;
}
X_FN u64 x_not_u(u64 a)
{
    return ~a;
}
X_FN i32 x_not_b(i32 a)
{
    return !a;
}

/* Of all three types. */
#define X_INTEGERS(T, S)                                                                           \
    X_FN T x_max##S(T a, T b)                                                                      \
    {                                                                                              \
        return a > b ? a : b;                                                                      \
    }                                                                                              \
    X_FN T x_min##S(T a, T b)                                                                      \
    {                                                                                              \
        return a < b ? a : b;                                                                      \
    }                                                                                              \
    X_FN T x_where##S(i32 c, T a, T b)                                                             \
    {                                                                                              \
        return c ? a : b;                                                                          \
    }                                                                                              \
    X_FN T x_and##S(T a, T b)                                                                      \
    {                                                                                              \
        return a & b;                                                                              \
    }                                                                                              \
    X_FN T x_or##S(T a, T b)                                                                       \
    {                                                                                              \
        return a | b;                                                                              \
    }                                                                                              \
    X_FN T x_xor##S(T a, T b)                                                                      \
    {                                                                                              \
        return a ^ b;                                                                              \
    }
X_INTEGERS(i64, _i)
X_INTEGERS(u64, _u)
X_INTEGERS(i32, _b)

/* An integer is its own floor. */
#define X_WHOLE(T, S)                                                                              \
    X_FN T x_floor##S(T a)                                                                         \
    {                                                                                              \
        return a;                                                                                  \
    }                                                                                              \
    X_FN T x_ceil##S(T a)                                                                          \
    {                                                                                              \
        return a;                                                                                  \
    }                                                                                              \
    X_FN T x_trunc##S(T a)                                                                         \
    {                                                                                              \
        return a;                                                                                  \
    }                                                                                              \
    X_FN T x_round##S(T a)                                                                         \
    {                                                                                              \
        return a;                                                                                  \
    }
X_WHOLE(i64, _i)
X_WHOLE(u64, _u)

#endif
