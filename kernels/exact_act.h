/* exact_act.h - tanh, erf, sigmoid, gelu and pow in f32; after exact.h, whose invariants hold.
 *
 * Where a factor e^z magnifies the error of z, z and the exponential are carried in two floats.
 */
#ifndef KERNELS_EXACT_ACT_H
#define KERNELS_EXACT_ACT_H

X_FN float x_tanh(float x)
{
    float a = x_abs(x), z = a * a;
    float p = x_fma(x_fma(x_fma(x_fma(TANHF_11, z, TANHF_9), z, TANHF_7), z, TANHF_5), z, TANHF_3);
    float s = x_fma(x * z, p, x);
    float c = a > 10.0f ? 10.0f : a, w = c + c, t = x_exp_t(w);
    float e = (1.0f + x_exp_q(w, t)) * x_pow2i(x_magic_int(t) & 63);
    float b = 1.0f - 2.0f / (e + 1.0f);
    return a < 0.6f ? (x == 0.0f ? x : s) : x_sign_of(x != x ? x : b, x);
}
X_FN float x_erf(float x)
{
    float a = x_abs(x), z = a * a;
    float p = x_fma(x_fma(x_fma(ERFF_15, z, ERFF_13), z, ERFF_11), z, ERFF_9);
    p = x_fma(x_fma(x_fma(x_fma(p, z, ERFF_7), z, ERFF_5), z, ERFF_3), z, ERFF_1);
    float s = x_fma(x, p, x);
    float c = a > 4.0f ? 4.0f : a;
    float q = x_fma(x_fma(x_fma(x_fma(ERFCF_8, c, ERFCF_7), c, ERFCF_6), c, ERFCF_5), c, ERFCF_4);
    q = x_fma(x_fma(x_fma(x_fma(q, c, ERFCF_3), c, ERFCF_2), c, ERFCF_1), c, ERFCF_0);
    float w = -q, t = x_exp_t(w), e = (1.0f + x_exp_q(w, t)) * x_pow2i(x_magic_int(t) | -64);
    return a < 1.0f ? (x == 0.0f ? x : s) : x_sign_of(x != x ? x : 1.0f - e, x);
}
/* (n + nl) / (1 + t + tl), one division and one correction */
X_FN float x_over_1p(float n, float nl, float t, float tl)
{
    float d = 1.0f + t, dl = ((1.0f - d) + t) + tl, rc = 1.0f / d, y = n * rc;
    return x_fma(x_fma(-y, dl, x_fma(-y, d, n) + nl), rc, y);
}
X_FN float x_sigmoid(float x)
{
    float a = x_abs(x), z = a > 104.0f ? -104.0f : -a, t = x_exp_t(z);
    float b = x_exp_hi(z, 0.0f, t), c = x_exp_lo(z, 0.0f, t);
    i32 k = x_magic_int(t),
        kc = k < -60 ? -60 : k; /* beyond 2^-60 the denominator is 1 whatever t is */
    float s = x_pow2i(kc), n = x < 0.0f ? b : 1.0f, nl = x < 0.0f ? c : 0.0f;
    float y = x_over_1p(n, nl, s * b, s * c);
    return x < 0.0f ? x_scale(y, k) : y;
}
/* gelu(x) = x Phi(x); the tail Q(t) = erfc(t / sqrt 2) / 2 = e^(-t^2/2) H(u) / (t + 3) is
 * relative-accurate, so nothing cancels; H, the reciprocal and the exponential are carried in two
 * floats */
X_FN float x_gelu(float x)
{
    float t = x_abs(x);
    t = t > 14.5f ? 14.5f : t;
    float d = t + 3.0f, dl = t - (d - 3.0f), rc = 1.0f / d,
          rl = x_fma(-rc, dl, x_fma(-rc, d, 1.0f)) * rc;
    float u = x_fma(-6.0f, rc, 1.0f), p = x_fma(PHIF_10, u, PHIF_9);
    p = x_fma(x_fma(x_fma(x_fma(p, u, PHIF_8), u, PHIF_7), u, PHIF_6), u, PHIF_5);
    p = x_fma(x_fma(x_fma(x_fma(p, u, PHIF_4), u, PHIF_3), u, PHIF_2), u, PHIF_1);
    float w = p * u, hh = PHIF_0 + w,
          hl = ((PHIF_0 - hh) + w) + (x_fma(p, u, -w) + x_fma(p, -6.0f * rl, PHIF_LO));
    float g = hh * rc, gl = x_fma(hh, rc, -g) + x_fma(hl, rc, hh * rl);
    float sq = t * t, h = -0.5f * sq, lo = -0.5f * x_fma(t, t, -sq), m = x_exp_t(h);
    float b = x_exp_hi(h, lo, m), c = x_exp_lo(h, lo, m);
    float q = g * b, ql = x_fma(g, b, -q) + x_fma(g, c, gl * b); /* Q(t) 2^-k */
    float xc = x < -14.5f ? -14.5f : x, y = x_fma(xc, q, xc * ql);
    i32 k = x_magic_int(m);
    float s = x_pow2i(k < -60 ? -60 : k), v = 1.0f - s * q,
          vl = ((1.0f - v) - s * q) - s * ql; /* Phi for x > 0 */
    float pos = x_fma(x, v, x * vl), neg = x_scale(y, k);
    pos = x > 30.0f ? x : pos;
    return x > 0.0f ? pos : x == 0.0f ? x : neg;
}
/* the tanh form is x sigmoid(z), z = x (A + B x^2) kept in two floats because e^z magnifies its
 * error */
X_FN float x_gelu_tanh(float x)
{
    float c = x_abs(x);
    c = c > 12.0f ? 12.0f : c;
    float xh = c * c, xl = x_fma(c, c, -xh);
    float ph = xh * GELU_BF_0,
          pl = x_fma(xh, GELU_BF_0, -ph) + x_fma(xl, GELU_BF_0, xh * GELU_BF_1);
    float s = GELU_AF_0 + ph, bb = s - GELU_AF_0, e = (GELU_AF_0 - (s - bb)) + (ph - bb);
    float sl = e + (pl + GELU_AF_1);
    float zh = -(c * s), zl = -(x_fma(c, s, zh) + c * sl);
    float m = x_exp_t(zh), b = x_exp_hi(zh, zl, m), q = x_exp_lo(zh, zl, m);
    i32 k = x_magic_int(m), kc = k < -60 ? -60 : k;
    float w = x_pow2i(kc), xc = x < -12.0f ? -12.0f : x, xb = xc * b,
          xbl = x_fma(xc, b, -xb) + xc * q;
    float n = x < 0.0f ? xb : x, nl = x < 0.0f ? xbl : 0.0f;
    float y = x_over_1p(n, nl, w * b, w * q);
    y = x_abs(n) < 0x1p-100f ? n / (1.0f + w * b)
                             : y; /* the correction would fall into the denormals */
    y = x == X_INF ? x : y;
    return x < 0.0f ? x_scale(y, k) : y;
}
X_FN float x_rsqrt(float x)
{
    return 1.0f / x_sqrt(x);
}

/* pow: log2(x) in two floats, then exp2 */
X_FN float x_pow(float x, float y)
{
    float ax = x_abs(x);
    u32 b = x_log_bits(ax);
    float k = x_log_k(ax, b), f = x_log_f(b);
    float d = f + 2.0f, dl = f - (d - 2.0f), rc = 1.0f / d;
    float s = f * rc, sl = x_fma(-s, dl, x_fma(-s, d, f)) * rc;
    float z = s * s, zl = x_fma(s, s, -z) + 2.0f * s * sl;
    float r = x_fma(x_fma(x_fma(ATANHF_9, z, ATANHF_7), z, ATANHF_5), z, THIRDF_1);
    float ph = THIRDF_0 + r, pl = (THIRDF_0 - ph) + r;
    float wh = z * ph, wl = x_fma(z, ph, -wh) + x_fma(z, pl, zl * ph);
    float ah = 1.0f + wh, al = ((1.0f - ah) + wh) + wl; /* atanh(s) = s (a) */
    float th = s * ah, tl = x_fma(s, ah, -th) + x_fma(s, al, sl * ah);
    float gh = th * TWO_L2EF_0,
          gl = x_fma(th, TWO_L2EF_0, -gh) + x_fma(tl, TWO_L2EF_0, th * TWO_L2EF_1);
    float lh = k + gh, ll = (k == 0.0f ? 0.0f : (k - lh) + gh) + gl; /* log2|x| */
    float n1 = lh + ll;
    ll = (lh - n1) + ll;
    lh = n1;
    float yc = y > 0x1p40f ? 0x1p40f : y; /* beyond: the result is decided by overflow or |x| = 1 */
    yc = yc < -0x1p40f ? -0x1p40f : yc;
    float eh = yc * lh, el = x_fma(yc, lh, -eh) + yc * ll;
    el = x_abs(eh) > 200.0f ? 0.0f : el;
    eh = eh > 200.0f ? 200.0f : eh;
    eh = eh < -200.0f ? -200.0f : eh;
    float t = eh + X_MAGIC, q = (eh - (t - X_MAGIC)) + el;
    float p =
        x_fma(x_fma(x_fma(x_fma(x_fma(EXP2F_6, q, EXP2F_5), q, EXP2F_4), q, EXP2F_3), q, EXP2F_2),
              q, EXP2F_1);
    float v = x_scale_magic(x_fma(p, q, 1.0f), t);
    float ay = x_abs(y), ty = ay + 0x1p23f, iy = ty - 0x1p23f; /* integrality and parity of y */
    u32 is_int = ay >= 0x1p23f || iy == ay,
        odd = is_int && ay < 0x1p24f && (ay >= 0x1p23f ? x_asu(ay) & 1u : x_asu(ty) & 1u);
    v = ax == 0.0f ? (y < 0.0f ? X_INF : 0.0f) : v;
    v = ax == X_INF ? (y < 0.0f ? 0.0f : X_INF) : v;
    v = ay == X_INF ? (ax == 1.0f ? 1.0f : ((ax > 1.0f) == (y > 0.0f) ? X_INF : 0.0f)) : v;
    v = x_asf(x_asu(v) | (odd ? x_asu(x) & 0x80000000u : 0u));
    v = x < 0.0f && !is_int && ax != X_INF ? X_NAN : v;
    v = x != x || y != y ? X_NAN : v;
    return y == 0.0f || x == 1.0f ? 1.0f : v;
}

/* expm1 keeps the small values of sinh; beyond 88 e^x / 2 is a product of two roots. */
X_FN float x_sinh(float x)
{
    float a = x_abs(x), t = x_expm1(a > 88.0f ? 88.0f : a), h = x_exp(0.5f * a);
    float y = a > 88.0f ? 0.5f * h * h : 0.5f * (t + t / (t + 1.0f));
    return x == 0.0f || x != x ? x : x_sign_of(y, x);
}
X_FN float x_cosh(float x)
{
    float a = x_abs(x), e = x_exp(a > 88.0f ? 0.5f * a : a);
    return a > 88.0f ? 0.5f * e * e : 0.5f * e + 0.5f / e;
}
/* No own form yet: refused at determinism exact. */
X_FN float x_log10(float x)
{
    return X_LIBM(log10)(x);
}
X_FN float x_tan(float x)
{
    return X_LIBM(tan)(x);
}
X_FN float x_asin(float x)
{
    return X_LIBM(asin)(x);
}
X_FN float x_acos(float x)
{
    return X_LIBM(acos)(x);
}
X_FN float x_atan(float x)
{
    return X_LIBM(atan)(x);
}
X_FN float x_atan2(float y, float x)
{
    return X_LIBM(atan2)(y, x);
}
X_FN float x_erfc(float x)
{
    return X_LIBM(erfc)(x);
}

#endif
