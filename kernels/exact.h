/* exact.h - exponentials, logarithms, sine and cosine in f32, the same bits in every language.
 *
 * Only + - * / sqrt fma, compares, selects and 32/64-bit integer operations are used, each of them
 * defined to the bit by IEEE 754 or the language. One table (2/pi); one branch (|x| > 2^17 in sin
 * and cos). A float becomes an integer by adding 1.5 * 2^23 (X_MAGIC) and reading the mantissa,
 * which rounds to nearest even in every back end; an integer becomes a float only where it fits.
 *
 * Invariants
 *  1. No multiplication feeds an addition by accident: contraction is off, every fma is written.
 *  2. Denormal inputs and results are kept (no FTZ, no DAZ).
 *  3. A NaN has unspecified bits here; x_canon, applied at the store, makes it 0x7fc00000.
 *  4. docs/exact.md has the errors: maxima over all 2^32 inputs.
 *
 * Loops over these functions vectorise. sin and cos do only without their branch: a loop tests the
 * arguments of a block of points with x_is_far, then goes over the block with x_sin_near and
 * x_cos_near if none is far, else with x_sin and x_cos. The bits are the same either way.
 */
#ifndef KERNELS_EXACT_H
#define KERNELS_EXACT_H

#define X_MAGIC 0x1.8p23f
#define X_NAN   x_asf(0x7fc00000u)
#define X_INF   x_asf(0x7f800000u)

X_FN float x_canon(float v)
{
    return v == v ? v : X_NAN;
}
X_FN float x_abs(float v)
{
    return x_asf(x_asu(v) & 0x7fffffffu);
}
X_FN float x_sign_of(float mag, float s)
{
    return x_asf((x_asu(mag) & 0x7fffffffu) | (x_asu(s) & 0x80000000u));
}
/* 2^k for -126 <= k <= 127 */
X_FN float x_pow2i(i32 k)
{
    return x_asf((u32)(k + 127) << 23);
}
/* y * 2^n, n integral in [-252, 254]: two exact scalings, at most one rounding (the second, into
 * the denormals) */
X_FN float x_scale(float y, i32 k)
{
    i32 h = k >> 1;
    return y * x_pow2i(h) * x_pow2i(k - h);
}
X_FN i32 x_magic_int(float t)
{
    return (i32)(x_asu(t) - 0x4b400000u);
}

/* y * 2^n where t = X_MAGIC + n: the same two factors. As bits t is n above a number whose low ten
 * bits are 0, so that shifts bring n and its half to the exponent. */
X_FN float x_scale_magic(float y, float t)
{
    u32 n = x_asu(t), h = ((n << 22) & 0xff800000u) + 0x3f800000u;
    return y * x_asf(h) * x_asf((n << 23) + 0x7f000000u - h);
}

/* exp family: z = n ln2 + r, |r| <= 0.347.  Beyond the ends x_exp_floor and x_exp_ceil bound what n
 * is made of; the latter, of bits as integers, where r may grow as z does: 2^128 (1 + r) is
 * infinite in any case. (Two selects in a row become six masks when gcc 12 vectorises them.) */
X_FN float x_exp_floor(float x, float least)
{
    return x < least ? least : x;
}
X_FN float x_exp_ceil(float x, float most)
{
    i32 b = (i32)x_asu(x), m = (i32)x_asu(most);
    return x_asf((u32)(b < m ? b : m));
}
X_FN float x_exp_t(float z)
{
    return x_fma(z, L2EF_0, X_MAGIC);
}
/* e^r - 1 where r = z - n ln2 */
X_FN float x_exp_q(float z, float t)
{
    float n = t - X_MAGIC;
    float r = x_fma(n, -LN2F_1, x_fma(n, -LN2F_0, z));
    float p = x_fma(x_fma(x_fma(x_fma(EXPF_6, r, EXPF_5), r, EXPF_4), r, EXPF_3), r, EXPF_2);
    return x_fma(r * r, p, r);
}
/* e^r as two floats b + c, b the rounded sum: for results that multiply it further.  u = 1 + r, v
 * the rest */
X_FN float x_exp_r(float z, float t)
{
    return x_fma(t - X_MAGIC, -LN2F_1, x_fma(t - X_MAGIC, -LN2F_0, z));
}
X_FN float x_exp_rest(float z, float lo, float t)
{
    float n = t - X_MAGIC, h = x_fma(n, -LN2F_0, z), r = x_exp_r(z, t);
    float l = x_fma(n, -LN2F_1, h - r) + lo;
    float p = x_fma(x_fma(x_fma(x_fma(EXPF_6, r, EXPF_5), r, EXPF_4), r, EXPF_3), r, EXPF_2);
    float v = r * r * p;
    return x_fma(l, 1.0f + (r + v), v); /* e^l = 1 + l is enough: |l| < 2^-17 */
}
X_FN float x_exp_hi(float z, float lo, float t)
{
    return (1.0f + x_exp_r(z, t)) + x_exp_rest(z, lo, t);
}
X_FN float x_exp_lo(float z, float lo, float t)
{
    float r = x_exp_r(z, t), u = 1.0f + r, v = x_exp_rest(z, lo, t), b = u + v;
    return ((u - b) + v) + ((1.0f - u) + r);
}
X_FN float x_exp(float x)
{
    float z = x_exp_floor(x, -104.0f), t = x_exp_t(x_exp_ceil(z, 89.0f));
    return x_scale_magic(1.0f + x_exp_q(z, t), t);
}
X_FN float x_exp2(float x)
{
    float z = x_exp_floor(x, -151.0f), t = x_exp_ceil(z, 129.0f) + X_MAGIC;
    float r = z - (t - X_MAGIC);
    float p =
        x_fma(x_fma(x_fma(x_fma(x_fma(EXP2F_6, r, EXP2F_5), r, EXP2F_4), r, EXP2F_3), r, EXP2F_2),
              r, EXP2F_1);
    return x_scale_magic(x_fma(p, r, 1.0f), t);
}
X_FN float x_expm1(float x)
{
    float z = x > 89.0f ? 89.0f : x;
    z = z < -30.0f ? -30.0f : z;
    float t = x_exp_t(z), n = t - X_MAGIC;
    float h = x_fma(n, -LN2F_0, z), r = x_fma(n, -LN2F_1, h);
    float p = x_fma(
        x_fma(x_fma(x_fma(x_fma(EXPM1F_7, r, EXPM1F_6), r, EXPM1F_5), r, EXPM1F_4), r, EXPM1F_3), r,
        EXPM1F_2);
    float lo = x_fma(n, -LN2F_1, h - r); /* what r lost by rounding */
    float q = x_fma(r * r, p, lo), s = x_pow2i(x_magic_int(t) - 1);
    /* 2^n (1 + r + q) - 1, halved so that n = 128 does not overflow: 2^(n-1) - 1/2 is exact where
     * it matters */
    float a = s - 0.5f, b = x_fma(s, r, a), e = x_fma(s, r, a - b);
    float y = (b + x_fma(s, q, e)) * 2.0f;
    return x_abs(x) < 0x1p-25f ? x : y;
}

/* log family: x = 2^k (1 + f), 1 + f in [2/3, 4/3) */
X_FN float x_log_special(float x, float y)
{
    y = x == X_INF ? X_INF : y;
    y = x == 0.0f ? -X_INF : y;
    return x < 0.0f || x != x ? X_NAN : y;
}
X_FN u32 x_log_bits(float x)
{
    return x_asu(x < 0x1p-126f ? x * 0x1p23f : x) - 0x3f2aaaabu;
}
X_FN float x_log_k(float x, u32 b)
{
    i32 k = ((i32)b >> 23) - (x < 0x1p-126f ? 23 : 0);
    return (float)k; /* |k| < 2^8: exact */
}
X_FN float x_log_f(u32 b)
{
    return x_asf((b & 0x7fffffu) + 0x3f2aaaabu) - 1.0f;
}
X_FN float x_log_poly(float f)
{ /* (log(1+f) - f + f^2/2) / f^3 */
    float p = x_fma(LOGF_10, f, LOGF_9);
    p = x_fma(p, f, LOGF_8);
    p = x_fma(p, f, LOGF_7);
    p = x_fma(p, f, LOGF_6);
    p = x_fma(p, f, LOGF_5);
    p = x_fma(p, f, LOGF_4);
    return x_fma(p, f, LOGF_3);
}
/* k ln2 + log(1 + f + lo) */
X_FN float x_log_join(float k, float f, float lo)
{
    float q = x_fma(x_log_poly(f), f, -0.5f);
    float b = x_fma(k, LN2F_0, f), e = x_fma(k, LN2F_0, -b) + f;
    return b + (x_fma(f * f, q, lo) + x_fma(k, LN2F_1, e));
}
X_FN float x_log(float x)
{
    u32 b = x_log_bits(x);
    return x_log_special(x, x_log_join(x_log_k(x, b), x_log_f(b), 0.0f));
}
X_FN float x_log2(float x)
{
    u32 b = x_log_bits(x);
    float k = x_log_k(x, b), f = x_log_f(b), p = x_fma(LOG2F_10, f, LOG2F_9);
    p = x_fma(p, f, LOG2F_8);
    p = x_fma(p, f, LOG2F_7);
    p = x_fma(p, f, LOG2F_6);
    p = x_fma(p, f, LOG2F_5);
    p = x_fma(p, f, LOG2F_4);
    p = x_fma(p, f, LOG2F_3);
    p = x_fma(p, f, LOG2F_2);
    float t = f * L2EF_0, e = x_fma(f, L2EF_1, x_fma(f, L2EF_0, -t));
    float s = k + t, r = k == 0.0f ? 0.0f : (k - s) + t;
    return x_log_special(x, s + (x_fma(f * f, p, e) + r));
}
X_FN float x_log1p(float x)
{
    float u = 1.0f + x;
    u32 b = x_asu(u) - 0x3f2aaaabu;
    i32 k = (i32)b >> 23;
    float s = x_pow2i(k > 30 ? 0 : -k), a = s - 1.0f;
    float f = x_fma(x, s, a), lo = x_fma(x, s, a - f);
    f = k > 30 ? x_log_f(b) : f;
    lo = k > 30 ? 0.0f : lo;
    float y = x_log_special(u, x_log_join((float)k, f, lo));
    return x_abs(x) < 0x1p-25f ? x : y;
}

/* sin, cos: x = n pi/2 + r */
/* r + lo -> sin or cos by quadrant; both polynomials are evaluated, one is chosen */
X_FN float x_trig_join(float r, float lo, u32 q)
{
    float z = r * r;
    float s = x_fma(x_fma(x_fma(SINF_9, z, SINF_7), z, SINF_5), z, SINF_3);
    float c = x_fma(x_fma(COSF_8, z, COSF_6), z, COSF_4);
    float w = 0.5f * z, h = 1.0f - w;
    float vs = r + x_fma(r * z, s, lo), vc = h + (((1.0f - h) - w) + x_fma(z * z, c, -(r * lo)));
    float v = (q & 1u) ? vc : vs;
    return x_asf(x_asu(v) ^ ((q & 2u) << 30));
}
X_FN float x_trig_near(float x, u32 add)
{ /* |x| <= 2^17 */
    float t = x_fma(x, IPIO2F_0, X_MAGIC), n = t - X_MAGIC;
    float a = x_fma(n, -PIO2F_0, x); /* exact */
    float w = n * -PIO2F_1, wl = x_fma(n, -PIO2F_1, -w);
    float r = a + w, v = r - a, e = (a - (r - v)) + (w - v); /* two-sum: e is what r lost */
    return x_trig_join(r, x_fma(n, -PIO2F_2, e + wl), (x_asu(t) & 3u) + add);
}
X_CONST u32 x_two_over_pi[8] = {0, TWO_OVER_PI_WORDS};
/* |x| = m 2^(e - 23).  Bit j of 2/pi contributes m 2^(e - 23 - j), whole turns while j <= e - 25:
 * the window starts there, and |x| 2/pi / 4 = frac(m W 2^-96) for the 96 bits W of the window. */
X_FN float x_trig_far(float x, u32 add)
{
    u32 ix = x_asu(x), m = (ix & 0x7fffffu) | 0x800000u;
    u32 start = ((ix >> 23) & 0xffu) - 127u - 25u + 32u; /* table has 32 zero bits in front */
    u32 w = (start >> 5) & 7u, d = start & 31u;
    w = w > 4u ? 4u : w; /* infinities and NaN: stay inside */
    u64 w0 = x_two_over_pi[w], w1 = x_two_over_pi[w + 1u], w2 = x_two_over_pi[w + 2u],
        w3 = x_two_over_pi[w + 3u];
    u32 a = (u32)(((w0 << 32 | w1) << d) >> 32), b = (u32)(((w1 << 32 | w2) << d) >> 32);
    u32 c = (u32)(((w2 << 32 | w3) << d) >> 32);
    u64 mid = (u64)m * b + (((u64)m * c) >> 32), hi = (u64)m * a + (mid >> 32);
    u64 p = hi << 32 | (mid & 0xffffffffu); /* fraction of a turn, units 2^-64 */
    u32 q = (u32)(p >> 62);
    i64 f = (i64)(p << 2); /* signed fraction of a quadrant, units 2^-64 */
    q += (u32)((u64)f >> 63);
    i32 f2 = (i32)(f >> 40); /* three exact pieces: 24, 24 and 16 bits */
    u32 f1 = (u32)(f >> 16) & 0xffffffu, f0 = (u32)f & 0xffffu;
    float h = (float)f2 * 0x1p-24f, g = (float)(i32)f1 * 0x1p-48f, l = (float)(i32)f0 * 0x1p-64f;
    float s = h + g, t = (h - s) + g + l, v = s + t;
    t = (s - v) + t;
    float r = v * PIO2F_0, e = x_fma(v, PIO2F_0, -r) + x_fma(v, PIO2F_1, t * PIO2F_0);
    u32 neg = ix >> 31; /* sin is odd: reduce |x|, then flip r and the quadrant */
    r = neg ? -r : r;
    e = neg ? -e : e;
    q = neg ? 0u - q : q;
    float y = x_trig_join(r, e, (q & 3u) + add);
    return x_abs(x) < X_INF ? y : X_NAN;
}
/* Whether x is too large for x_sin_near and x_cos_near; a NaN or infinity is. */
X_FN i32 x_is_far(float x)
{
    return !(x_abs(x) <= 0x1p17f);
}
X_FN float x_sin_near(float x)
{
    return x == 0.0f ? x : x_trig_near(x, 0u);
}
X_FN float x_cos_near(float x)
{
    return x_trig_near(x, 1u);
}
X_FN float x_sin(float x)
{
    return x_is_far(x) ? x_trig_far(x, 0u) : x_sin_near(x);
}
X_FN float x_cos(float x)
{
    return x_is_far(x) ? x_trig_far(x, 1u) : x_cos_near(x);
}

#endif
