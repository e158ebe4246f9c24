/* selftest_c.h - the self-test of exact arithmetic as C text, behind the prelude: 29 digests.
 *
 * Inputs are made of integers only: 14 functions on 2^18 arbitrary bit patterns; a chain of gelu,
 * addition and multiplication; softmax and layer norm of 24 rows at 7 lengths, with denormals, -0,
 * infinities and NaN of any payload. A compiler, processor or set of flags is admitted when its
 * digests are those of kernels/selftest.c.
 */
#ifndef KERNELS_SELFTEST_C_H
#define KERNELS_SELFTEST_C_H

enum { X_TEST_POINTS = 1 << 18, X_TEST_ROWS = 24, X_TEST_LONGEST = 5000, X_TEST_UNARY = 14 };
enum { X_TEST_LENGTHS = 7, X_TEST_DIGESTS = X_TEST_UNARY + 1 + 2 * X_TEST_LENGTHS };

X_FN u64 x_test_mix(u64 z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ul;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebul;
    return z ^ (z >> 31);
}
X_FN u64 x_test_random(u64 i)
{
    return x_test_mix(i * 0x9e3779b97f4a7c15ul);
}
/* Words of 32 bits with their places; a sum, so that any order gives it. */
X_FN u64 x_test_digest(const float *p, i64 n)
{
    u64 h = 0;
    for (i64 i = 0; i < n; i++) h += x_test_mix(x_asu(p[i]) ^ ((u64)i + 1) * 0x9e3779b97f4a7c15ul);
    return x_test_mix(h ^ (u64)n);
}
/* In (-8, 8); special 1: some denormals and -0 among them, 2: infinities and NaN too. */
X_FN float x_test_usual(u64 i, i32 special)
{
    u64 r = x_test_random(i + 1000003);
    u32 k = (u32)(r >> 56);
    float v = (float)(i32)(u32)r * 0x1p-28f;
    if (special && k == 1) v = x_asf((u32)r & 0x807fffffu);
    if (special && k == 2) v = x_asf(0x80000000u);
    if (special > 1 && k == 3) v = x_asf(((u32)r & 0x80000000u) | 0x7f800000u);
    if (special > 1 && k == 4) v = x_asf(0xffc12345u);
    return v;
}

#define X_TEST_EACH(f)                                                                             \
    for (i64 i = 0; i < X_TEST_POINTS; i++) y[i] = x_canon(f(x[i]));                               \
    *out++ = x_test_digest(y, X_TEST_POINTS);
static u64 *x_test_unary(float *x, float *y, u64 *out)
{
    for (i64 i = 0; i < X_TEST_POINTS; i++) x[i] = x_asf((u32)x_test_random((u64)i));
    X_TEST_EACH(x_exp)
    X_TEST_EACH(x_exp2)
    X_TEST_EACH(x_expm1)
    X_TEST_EACH(x_log)
    X_TEST_EACH(x_log2)
    X_TEST_EACH(x_log1p)
    X_TEST_EACH(x_sin)
    X_TEST_EACH(x_cos)
    X_TEST_EACH(x_tanh)
    X_TEST_EACH(x_erf)
    X_TEST_EACH(x_sigmoid)
    X_TEST_EACH(x_gelu)
    X_TEST_EACH(x_gelu_tanh)
    X_TEST_EACH(x_rsqrt)
    return out;
}
static u64 *x_test_chain(float *y, u64 *out)
{
    for (i64 i = 0; i < X_TEST_POINTS; i++) {
        u64 at = (u64)i;
        float a = x_test_usual(at + 7777777, 1), b = x_test_usual(at + 99999999, 1);
        y[i] = x_canon((x_gelu(x_test_usual(at, 2)) + a) * b);
    }
    *out++ = x_test_digest(y, X_TEST_POINTS);
    return out;
}
/* The sum over a row of a term that is made in a buffer. */
#define X_TEST_SUM(result, term)                                                                   \
    x_fold_begin(&fold);                                                                           \
    for (i64 c = 0; c < n; c += X_CHUNK) {                                                         \
        i64 m = n - c < X_CHUNK ? n - c : X_CHUNK;                                                 \
        for (i64 i = 0; i < m; i++) {                                                              \
            float v = x[c + i];                                                                    \
            t[i] = (term);                                                                         \
        }                                                                                          \
        x_sum_push(&fold, x_sum_chunk(t, m));                                                      \
    }                                                                                              \
    float result = x_sum_end(&fold);
static void x_test_softmax(const float *x, float *y, i64 n)
{
    x_fold fold;
    float t[X_CHUNK], top = x_max_row(x, n);
    X_TEST_SUM(sum, x_exp(v - top))
    for (i64 i = 0; i < n; i++) y[i] = x_canon(x_exp(x[i] - top) / sum);
}
static void x_test_norm(const float *x, float *y, i64 n)
{
    x_fold fold;
    float t[X_CHUNK];
    X_TEST_SUM(sum, v)
    float mean = sum / (float)n;
    X_TEST_SUM(square, (v - mean) * (v - mean))
    float r = 1.0f / x_sqrt(square / (float)n + 1e-5f);
    for (i64 i = 0; i < n; i++) {
        float w = x_test_usual((u64)i, 0), b = x_test_usual((u64)i + 555, 0);
        y[i] = x_canon(x_fma((x[i] - mean) * r, w, b));
    }
}
static u64 *x_test_rows(float *x, float *y, i64 n, u64 *out)
{
    for (i64 r = 0; r < X_TEST_ROWS; r++)
        for (i64 i = 0; i < n; i++) {
            float v = x_test_usual((u64)(r * X_TEST_LONGEST + i), r == 1 ? 1 : r == 2 ? 2 : 0);
            x[r * n + i] = r == 3 ? 1.5f : r == 4 ? -0.0f : v;
        }
    for (i64 r = 0; r < X_TEST_ROWS; r++) x_test_softmax(x + r * n, y + r * n, n);
    *out++ = x_test_digest(y, X_TEST_ROWS * n);
    for (i64 r = 0; r < X_TEST_ROWS; r++) x_test_norm(x + r * n, y + r * n, n);
    *out++ = x_test_digest(y, X_TEST_ROWS * n);
    return out;
}

/* scratch: 2 X_TEST_POINTS numbers */
__attribute__((unused)) static void x_test(float *scratch, u64 *out)
{
    static const i64 length[X_TEST_LENGTHS] = {1, 5, 127, 1000, 1024, 1025, X_TEST_LONGEST};
    float *x = scratch, *y = scratch + X_TEST_POINTS;
    out = x_test_chain(y, x_test_unary(x, y, out));
    for (i32 k = 0; k < X_TEST_LENGTHS; k++) out = x_test_rows(x, y, length[k], out);
}

#endif
