/* test_exact.c - the exact functions against libm, at samples of all bit patterns and at special
 * values; integers, complex numbers and Philox.
 *
 * PLUMB_EXACT_ALL=1 takes every one of the 2^32 floats (about 40 minutes on one core).
 */
#include "tests/unit/unit.h"

#include <complex.h>
#include <math.h>

#include "kernels/exact_c.h"

/* ---- errors in units of the last place ---- */

/* Of a result of `digits` digits whose least exponent is `least`; 1e9 where only one is finite. */
static double ulps(long double got, long double want, int digits, int least, double most)
{
    if (isnan(got) || isnan(want)) return isnan(got) && isnan(want) ? 0 : 1e9;
    if (fabsl(want) > (long double)most && isinf(got)) return (got > 0) == (want > 0) ? 0 : 1e9;
    if (isinf(got) || isinf(want)) return got == want ? 0 : 1e9;
    int e;
    frexpl(want, &e);
    e = e - digits < least ? least : e - digits;
    return (double)(fabsl(got - want) / ldexpl(1, e));
}

static long double ref_sigmoid(long double x)
{
    return 1 / (1 + expl(-x));
}
static long double ref_gelu(long double x)
{
    return isinf(x) ? (x > 0 ? x : -0.0L) : x * erfcl(-x * sqrtl(0.5L)) / 2;
}
static long double ref_gelu_tanh(long double x)
{
    long double z = 2 * sqrtl(2 / acosl(-1)) * (x + 0.044715L * x * x * x);
    return isinf(x) ? (x > 0 ? x : -0.0L) : x * ref_sigmoid(z);
}
static long double ref_rsqrt(long double x)
{
    return 1 / sqrtl(x);
}

/* Bounds: f32 exp to rsqrt the maxima over all inputs (docs/exact.md) rounded up; sinh and cosh
 * from those of expm1 and exp and three more operations; f64 by the same steps. */
#define FUNCTIONS(X)                                                                               \
    X(exp, expl, 1.02, 1.0)                                                                        \
    X(exp2, exp2l, 0.90, 1.0)                                                                      \
    X(expm1, expm1l, 1.05, 1.2)                                                                    \
    X(log, logl, 0.94, 0.9)                                                                        \
    X(log2, log2l, 0.96, 1.0)                                                                      \
    X(log1p, log1pl, 1.17, 1.2)                                                                    \
    X(sin, sinl, 1.04, 1.0)                                                                        \
    X(cos, cosl, 1.06, 1.0)                                                                        \
    X(tanh, tanhl, 1.34, 3.0)                                                                      \
    X(erf, erfl, 1.09, 1.0)                                                                        \
    X(sigmoid, ref_sigmoid, 0.78, 3.0)                                                             \
    X(gelu, ref_gelu, 1.49, 4.0)                                                                   \
    X(gelu_tanh, ref_gelu_tanh, 0.82, 4.0)                                                         \
    X(rsqrt, ref_rsqrt, 1.50, 1.5)                                                                 \
    X(sinh, sinhl, 3.0, 3.0)                                                                       \
    X(cosh, coshl, 3.0, 3.0)

struct function {
    const char *name;
    float (*f)(float);
    double (*f64)(double);
    long double (*ref)(long double);
    double bound, bound64;
};
#define X(name, ref, bound, bound64)                                                               \
    static float call_##name(float x)                                                              \
    {                                                                                              \
        return x_##name(x);                                                                        \
    }                                                                                              \
    static double call64_##name(double x)                                                          \
    {                                                                                              \
        return x_##name##64(x);                                                                    \
    }
FUNCTIONS(X)
#undef X
static const struct function functions[] = {
#define X(name, ref, bound, bound64) {#name, call_##name, call64_##name, ref, bound, bound64},
    FUNCTIONS(X)
#undef X
};
enum { N_FUNCTIONS = sizeof functions / sizeof *functions };

static void check(const struct function *f, float x)
{
    double e = ulps(f->f(x), f->ref(x), 24, -149, 0x1.fffffefp127);
    if (e > f->bound) fail_msg("%s(%a) = %a is off by %.3f ulp", f->name, x, f->f(x), e);
}
static void check64(const struct function *f, double x)
{
    double e = ulps(f->f64(x), f->ref(x), 53, -1074, 0x1.fffffffffffffp1023);
    /* A factor rounded to a denormal is multiplied by x in the end. */
    if (fabsl(f->ref(x)) < 0x1p-1016L) e -= fabs(x);
    if (e > f->bound64) fail_msg("%s64(%a) = %a is off by %.3f ulp", f->name, x, f->f64(x), e);
}

static void test_functions_keep_their_bounds(void **state)
{
    (void)state;
    uint64_t step = getenv("PLUMB_EXACT_ALL") ? 1 : 40009;
    for (int k = 0; k < N_FUNCTIONS; k++)
        for (uint64_t u = 0; u < 1ull << 32; u += step) check(&functions[k], x_asf((u32)u));
    for (int k = 0; k < N_FUNCTIONS; k++)
        for (int i = -60000; i < 60000; i++) check(&functions[k], (float)i * 0x1.8p-10f);
}
static void test_functions_keep_their_bounds_in_f64(void **state)
{
    (void)state;
    for (int k = 0; k < N_FUNCTIONS; k++)
        for (int i = -40000; i < 40000; i++) {
            uint64_t bits = (uint64_t)(i + 40000) * 0x0000d1b71758e219u;
            if (!strstr("gelu gelu_tanh", functions[k].name)) check64(&functions[k], x_asf64(bits));
            check64(&functions[k], i * 0x1.23456789p-11);
        }
}

static const float special[] = {
    0.0f,           -0.0f,      1,         -1,           INFINITY,        -INFINITY,        NAN,
    0x1p-149f,      -0x1p-149f, 0x1p-126f, -0x1p-126f,   0x1.fffffep127f, -0x1.fffffep127f, 0x1p17f,
    0x1.000002p17f, 88.8f,      -103.98f,  0x1.921fb6p0f};
static void test_special_values_are_those_of_c99(void **state)
{
    (void)state;
    for (int k = 0; k < N_FUNCTIONS; k++)
        for (unsigned i = 0; i < sizeof special / sizeof *special; i++) {
            const struct function *f = &functions[k];
            check(f, special[i]);
            long double want = f->ref(special[i]);
            if (want != 0 || fabsf(special[i]) > 1) continue;
            assert_int_equal(!!signbit(f->f(special[i])), !!signbit(want));
            assert_int_equal(!!signbit(f->f64(special[i])), !!signbit(want));
        }
    assert_int_equal(x_asu(x_canon(x_asf(0xffc12345u))), 0x7fc00000u);
    assert_int_equal(x_asu(x_gelu(-INFINITY)), 0x80000000u);
}

static void test_near_and_far_arguments_give_the_same_sine(void **state)
{
    (void)state;
    for (float x = -0x1p17f; x <= 0x1p17f; x += 7.25f) {
        assert_false(x_is_far(x));
        assert_int_equal(x_asu(x_sin(x)), x_asu(x_sin_near(x)));
        assert_int_equal(x_asu(x_cos(x)), x_asu(x_cos_near(x)));
    }
    assert_true(x_is_far(NAN) && x_is_far(-INFINITY) && x_is_far(0x1.000002p17f));
}

static void test_pow(void **state)
{
    (void)state;
    uint64_t r = 1;
    for (int i = 0; i < 200000; i++) {
        r = r * 6364136223846793005u + 1442695040888963407u;
        float x = x_asf((u32)(r >> 32)), y = (float)(int32_t)(r >> 8) * 0x1p-27f;
        double e = ulps(x_pow(x, y), powl(x, y), 24, -149, 0x1.fffffefp127);
        if (e > 1.0) fail_msg("pow(%a, %a) = %a is off by %.3f ulp", x, y, x_pow(x, y), e);
    }
    for (unsigned i = 0; i < sizeof special / sizeof *special; i++)
        for (unsigned j = 0; j < sizeof special / sizeof *special; j++) {
            float x = special[i], y = special[j], got = x_canon(x_pow(x, y));
            float want = x_canon((float)powl(x, y));
            if (x_asu(got) != x_asu(want) && !(ulps(got, powl(x, y), 24, -149, 1e38) <= 1.0))
                fail_msg("pow(%a, %a) is %a, not %a", x, y, got, want);
        }
}

/* ---- numbers ---- */

static void test_max_and_min_follow_the_total_order(void **state)
{
    (void)state;
    assert_int_equal(x_asu(x_max(-0.0f, 0.0f)), 0);
    assert_int_equal(x_asu(x_max(0.0f, -0.0f)), 0);
    assert_int_equal(x_asu(x_min(0.0f, -0.0f)), 0x80000000u);
    assert_int_equal(x_asu(x_min(x_asf(0xffffffffu), -INFINITY)), 0x7fc00000u);
    assert_int_equal(x_asu(x_max(1, x_asf(0xffffffffu))), 0x7fc00000u);
    assert_true(x_max64(-3, -2) == -2 && x_min64(-3, -2) == -3);
}

static void test_division_with_a_floor_is_pythons(void **state)
{
    (void)state;
    static const float a[] = {5, -5, 0, -0.0f, 5, -4, 1, 0},
                       b[] = {3, 3, -3, 3, -INFINITY, 2, 0, 0};
    static const float want[] = {1, -2, -0.0f, -0.0f, -1, -2, INFINITY, NAN};
    for (int i = 0; i < 8; i++)
        assert_int_equal(x_asu(x_canon(x_floordiv(a[i], b[i]))), x_asu(x_canon(want[i])));
    assert_true(x_remainder(-5.0f, 3.0f) == 1.0f && x_remainder64(5, -3) == -1.0);
    for (i64 p = -9; p < 10; p++)
        for (i64 q = -4; q < 5; q++) {
            if (!q) continue;
            i64 f = (i64)floor((double)p / (double)q);
            assert_int_equal(x_floordiv_i(p, q), f);
            assert_int_equal(x_remainder_i(p, q), p - f * q);
            assert_int_equal(x_div_i(p, q), p / q);
            assert_int_equal(x_fmod_i(p, q), p % q);
        }
}

static void test_integers_have_no_undefined_case(void **state)
{
    (void)state;
    assert_true(x_div_i(INT64_MIN, -1) == INT64_MIN && x_fmod_i(INT64_MIN, -1) == 0);
    assert_true(x_div_i(7, 0) == 0 && x_fmod_i(7, 0) == 7 && x_floordiv_u(7, 0) == 0);
    assert_true(x_add_i(INT64_MAX, 1) == INT64_MIN && x_neg_i(INT64_MIN) == INT64_MIN);
    assert_true(x_abs_i(INT64_MIN) == INT64_MIN && x_mul_i(INT64_MAX, 2) == -2);
    assert_true(x_shl_i(1, 64) == 0 && x_shl_i(1, -1) == 0 && x_shr_i(-8, 70) == -1);
    assert_true(x_shr_i(-8, -1) == -1 && x_shl_i(-1, 63) == INT64_MIN && x_shr_u(8, 64) == 0);
    assert_true(x_pow_i(-3, 3) == -27 && x_pow_i(2, -1) == 0 && x_pow_i(-1, -3) == -1);
    assert_true(x_pow_i(0, 0) == 1 && x_pow_i(0, -1) == 0 &&
                x_pow_u(3, 40) == 12157665459056928801u);
}

/* The distance is measured by |want|: the parts of a complex function share their roundings. */
static void near_complex(const char *what, x_c64 got, complex double want, double bound)
{
    double d = cabs(CMPLX(got.re, got.im) - want) / cabs(want) * 0x1p24;
    if (!(d <= bound)) fail_msg("%s is off by %.3f units of 2^-24 |z|", what, d);
}
static void test_complex_functions(void **state)
{
    (void)state;
    uint64_t r = 7;
    for (int i = 0; i < 50000; i++) {
        float v[4];
        for (int k = 0; k < 4; k++) {
            r = r * 6364136223846793005u + 1442695040888963407u;
            v[k] = (float)(int32_t)(r >> 32) * 0x1p-29f;
        }
        x_c64 a = {v[0], v[1]}, b = {v[2], v[3]};
        complex double p = CMPLX(a.re, a.im), q = CMPLX(b.re, b.im);
        near_complex("mul", x_mul_c(a, b), p * q, 4);
        near_complex("div", x_div_c(a, b), p / q, 8);
        near_complex("sqrt", x_sqrt_c(a), csqrt(p), 6);
        near_complex("exp", x_exp_c(a), cexp(p), 6);
        near_complex("log", x_log_c(a), clog(p), 8);
        near_complex("sin", x_sin_c(a), csin(p), 10);
        near_complex("cos", x_cos_c(a), ccos(p), 10);
        assert_true(fabs(x_abs_c(a) / cabs(p) - 1) < 0x1p-22);
        assert_true(cabs(CMPLX(x_abs_z((x_c128){v[0], v[1]}), 0) / cabs(p) - 1) < 0x1p-51);
    }
    x_c64 big = {3e38f, 3e38f}, one = x_div_c(big, big), small = {0x1p-149f, 0};
    assert_true(one.re == 1 && fabsf(one.im) < 0x1p-23f && x_abs_c(small) == 0x1p-149f);
    assert_true(x_abs_c((x_c64){INFINITY, NAN}) == INFINITY &&
                x_sqrt_c((x_c64){-4, -0.0f}).im == -2);
}

/* ---- Philox ---- */

static void is_words(x_words w, u32 a, u32 b, u32 c, u32 d)
{
    assert_int_equal(w.w0, a);
    assert_int_equal(w.w1, b);
    assert_int_equal(w.w2, c);
    assert_int_equal(w.w3, d);
}
/* Known answers that Random123 publishes for philox4x32-10. */
static void test_philox_gives_the_known_answers(void **state)
{
    (void)state;
    is_words(x_philox(0, 0, 0), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
    is_words(x_philox(~0ul, ~0ul, ~0ul), 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
    is_words(x_philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88), 0xd16cfe09,
             0x94fdcceb, 0x5001e420, 0x24126ea1);
    assert_int_equal(x_word(0, 0, 0, 2), 0xbc57ac4c);
    assert_true(x_uniform(0, 0, 0) == 0x6627e8p-24f);
    assert_true(x_uniform64(0, 0, 0) == 0x6627e8d5e169c58dp-64 - 0x58dp-64);
}
/* Of n numbers: mean within 5 sigma / sqrt n; variance within 5 sqrt(2 / n). */
static void test_normal_numbers_are_normal(void **state)
{
    (void)state;
    enum { N = 100000 };
    double sum = 0, square = 0, sum64 = 0;
    for (u64 i = 0; i < N; i++) {
        double v = x_normal(1, 2, i);
        assert_true(isfinite(v) && x_uniform(1, 2, i) < 1);
        sum += v;
        square += v * v;
        sum64 += x_normal64(1, 2, i);
    }
    assert_true(fabs(sum) < 5 * sqrt(N) && fabs(sum64) < 5 * sqrt(N));
    assert_true(fabs(square / N - 1) < 5 * sqrt(2.0 / N));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions_keep_their_bounds),
        cmocka_unit_test(test_functions_keep_their_bounds_in_f64),
        cmocka_unit_test(test_special_values_are_those_of_c99),
        cmocka_unit_test(test_near_and_far_arguments_give_the_same_sine),
        cmocka_unit_test(test_pow),
        cmocka_unit_test(test_max_and_min_follow_the_total_order),
        cmocka_unit_test(test_division_with_a_floor_is_pythons),
        cmocka_unit_test(test_integers_have_no_undefined_case),
        cmocka_unit_test(test_complex_functions),
        cmocka_unit_test(test_philox_gives_the_known_answers),
        cmocka_unit_test(test_normal_numbers_are_normal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
