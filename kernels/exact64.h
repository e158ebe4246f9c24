/* exact64.h - exp, log and what is made of them in f64, in the manner of exact.h.
 *
 * Empty where the prelude does not define X_F64: a device without f64. Functions by X_LIBM64 are
 * those that kernels/scalar.def calls exact in F32 only.
 */
#ifndef KERNELS_EXACT64_H
#define KERNELS_EXACT64_H
#ifdef X_F64

#define X_MAGIC64 0x1.8p52
#define X_INF64   x_asf64(0x7ff0000000000000ul)
#define X_NAN64   x_asf64(0x7ff8000000000000ul)

X_FN double x_canon64(double v)
{
    return v == v ? v : X_NAN64;
}
X_FN double x_abs64(double v)
{
    return x_asf64(x_asu64(v) & 0x7ffffffffffffffful);
}
X_FN double x_sign_of64(double mag, double s)
{
    return x_asf64((x_asu64(mag) & 0x7ffffffffffffffful) | (x_asu64(s) & 0x8000000000000000ul));
}
X_FN double x_pow2i64(i64 k)
{
    return x_asf64((u64)(k + 1023) << 52);
}
X_FN double x_scale64(double y, i64 k)
{
    i64 h = k >> 1;
    return y * x_pow2i64(h) * x_pow2i64(k - h);
}
X_FN i64 x_magic_int64(double t)
{
    return (i64)(x_asu64(t) - 0x4338000000000000ul);
}

/* e^r - 1 for |r| <= 0.347, of which `lo` was cut off */
X_FN double x_exp_q64(double r, double lo)
{
    double p = x_fma64(EXPD_12, r, EXPD_11);
    p = x_fma64(x_fma64(x_fma64(p, r, EXPD_10), r, EXPD_9), r, EXPD_8);
    p = x_fma64(x_fma64(x_fma64(p, r, EXPD_7), r, EXPD_6), r, EXPD_5);
    p = x_fma64(x_fma64(x_fma64(p, r, EXPD_4), r, EXPD_3), r, EXPD_2);
    return x_fma64(r * r, p, lo);
}
X_FN double x_exp64(double x)
{
    double z = x > 710.0 ? 710.0 : x;
    z = z < -746.0 ? -746.0 : z;
    double t = x_fma64(z, L2ED_0, X_MAGIC64), n = t - X_MAGIC64;
    double r = x_fma64(n, -LN2D_1, x_fma64(n, -LN2D_0, z));
    return x_scale64(1.0 + x_exp_q64(r, r), x_magic_int64(t));
}
X_FN double x_exp264(double x)
{
    double z = x > 1025.0 ? 1025.0 : x;
    z = z < -1076.0 ? -1076.0 : z;
    double t = z + X_MAGIC64, f = z - (t - X_MAGIC64); /* exact */
    double r = f * LN2D_F, lo = x_fma64(f, LN2D_F, -r);
    return x_scale64(1.0 + (r + x_exp_q64(r, lo)), x_magic_int64(t));
}
/* As x_expm1: 2^n (1 + r + q) - 1, halved so that n = 1024 does not overflow. */
X_FN double x_expm164(double x)
{
    double z = x > 710.0 ? 710.0 : x;
    z = z < -60.0 ? -60.0 : z;
    double t = x_fma64(z, L2ED_0, X_MAGIC64), n = t - X_MAGIC64;
    double h = x_fma64(n, -LN2D_0, z), r = x_fma64(n, -LN2D_1, h);
    double q = x_exp_q64(r, x_fma64(n, -LN2D_1, h - r)), s = x_pow2i64(x_magic_int64(t) - 1);
    double a = s - 0.5, b = x_fma64(s, r, a), e = x_fma64(s, r, a - b);
    double y = (b + x_fma64(s, q, e)) * 2.0;
    return x_abs64(x) < 0x1p-54 ? x : y;
}

X_FN double x_log_special64(double x, double y)
{
    y = x == X_INF64 ? X_INF64 : y;
    y = x == 0.0 ? -X_INF64 : y;
    return x < 0.0 || x != x ? X_NAN64 : y;
}
X_FN u64 x_log_bits64(double x)
{
    return x_asu64(x < 0x1p-1022 ? x * 0x1p52 : x) - 0x3fe5555555555555ul;
}
X_FN double x_log_f64(u64 b)
{
    return x_asf64((b & 0xffffffffffffful) + 0x3fe5555555555555ul) - 1.0;
}
/* k ln2 + log(1 + f + lo), by s = f / (2 + f): log(1+f) = f - (h - s (h + p)) */
X_FN double x_log_join64(double k, double f, double lo)
{
    double s = f / (2.0 + f), z = s * s, h = 0.5 * f * f;
    double p = x_fma64(x_fma64(x_fma64(LOGD_17, z, LOGD_15), z, LOGD_13), z, LOGD_11);
    p = x_fma64(x_fma64(x_fma64(x_fma64(p, z, LOGD_9), z, LOGD_7), z, LOGD_5), z, LOGD_3) * z;
    return k * LN2D_0 + (f - (h - x_fma64(k, LN2D_1, x_fma64(s, h + p, lo))));
}
X_FN double x_log_k64(double x, u64 b)
{
    return (double)(i32)((i64)b >> 52) - (x < 0x1p-1022 ? 52.0 : 0.0);
}
X_FN double x_log64(double x)
{
    u64 b = x_log_bits64(x);
    return x_log_special64(x, x_log_join64(x_log_k64(x, b), x_log_f64(b), 0.0));
}
X_FN double x_log1p64(double x)
{
    double u = 1.0 + x;
    u64 b = x_asu64(u) - 0x3fe5555555555555ul;
    i64 k = (i32)((i64)b >> 52);
    double s = x_pow2i64(k > 60 ? 0 : -k), a = s - 1.0;
    double f = x_fma64(x, s, a), lo = x_fma64(x, s, a - f) / (1.0 + f);
    f = k > 60 ? x_log_f64(b) : f;
    lo = k > 60 ? 0.0 : lo;
    double y = x_log_special64(u, x_log_join64((double)(i32)k, f, lo));
    return x_abs64(x) < 0x1p-54 ? x : y;
}

/* 1 / (1 + e^-x), from the smaller exponential */
X_FN double x_sigmoid64(double x)
{
    double e = x_exp64(-x_abs64(x));
    return (x < 0.0 ? e : x != x ? x : 1.0) / (1.0 + e);
}
X_FN double x_tanh64(double x)
{
    double a = x_abs64(x), t = x_expm164(a > 22.0 ? -44.0 : -2.0 * a);
    return x == 0.0 || x != x ? x : x_sign_of64(-t / (2.0 + t), x);
}
X_FN double x_rsqrt64(double x)
{
    return 1.0 / x_sqrt64(x);
}
X_FN double x_sinh64(double x)
{
    double a = x_abs64(x), t = x_expm164(a > 709.0 ? 709.0 : a), h = x_exp64(0.5 * a);
    double y = a > 709.0 ? 0.5 * h * h : 0.5 * (t + t / (t + 1.0));
    return x == 0.0 || x != x ? x : x_sign_of64(y, x);
}
X_FN double x_cosh64(double x)
{
    double a = x_abs64(x), e = x_exp64(a > 709.0 ? 0.5 * a : a);
    return a > 709.0 ? 0.5 * e * e : 0.5 * e + 0.5 / e;
}

X_FN double x_log264(double x)
{
    return X_LIBM64(log2)(x);
}
X_FN double x_log1064(double x)
{
    return X_LIBM64(log10)(x);
}
X_FN double x_sin64(double x)
{
    return X_LIBM64(sin)(x);
}
X_FN double x_cos64(double x)
{
    return X_LIBM64(cos)(x);
}
X_FN double x_tan64(double x)
{
    return X_LIBM64(tan)(x);
}
X_FN double x_asin64(double x)
{
    return X_LIBM64(asin)(x);
}
X_FN double x_acos64(double x)
{
    return X_LIBM64(acos)(x);
}
X_FN double x_atan64(double x)
{
    return X_LIBM64(atan)(x);
}
X_FN double x_atan264(double y, double x)
{
    return X_LIBM64(atan2)(y, x);
}
X_FN double x_erf64(double x)
{
    return X_LIBM64(erf)(x);
}
X_FN double x_erfc64(double x)
{
    return X_LIBM64(erfc)(x);
}
X_FN double x_pow64(double x, double y)
{
    return X_LIBM64(pow)(x, y);
}
/* x erfc(a) / 2, a = -x / sqrt 2; what a loses by rounding counts a^2 times as much in the tail */
X_FN double x_gelu64(double x)
{
    double a = x * -0x1.6a09e667f3bcdp-1, lo = x_fma64(x, -0x1.6a09e667f3bcdp-1, -a);
    lo = x_fma64(x, 0x1.bdd3413b26456p-55, lo);
    double t = x_erfc64(a) - 0x1.20dd750429b6dp+0 * lo * x_exp64(-a * a);
    return x == -X_INF64 ? -0.0 : x == X_INF64 ? x : 0.5 * x * t;
}
/* x sigmoid(z), z = 2 sqrt(2/pi) (x + 0.044715 x^3) in two numbers */
X_FN double x_gelu_tanh64(double x)
{
    double c = x < -40.0 ? -40.0 : x > 40.0 ? 40.0 : x, u = c * c, ul = x_fma64(c, c, -u);
    double p = u * GELU_BD_0,
           pl = x_fma64(u, GELU_BD_0, -p) + x_fma64(ul, GELU_BD_0, u * GELU_BD_1);
    double s = GELU_AD_0 + p, b = s - GELU_AD_0, sl = (GELU_AD_0 - (s - b)) + (p - b);
    double z = c * s, zl = x_fma64(c, s, -z) + c * (sl + (pl + GELU_AD_1));
    double e = x_exp64(-x_abs64(z)), y = (z < 0.0 ? e : 1.0) / (1.0 + e);
    y = x_fma64(y, zl * (z < 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e)), y);
    return x == -X_INF64 ? -0.0 : x * y;
}

#endif
#endif
