/* test_nest.c - the body language, levels and passes, the verifier, and the interpreter. */
#include "unit.h"

#include <math.h>

#include "runtime/backend.h"
#include "runtime/nest_fn.h"
#include "runtime/interp.h"

static struct arena arena;

static void must(enum err err)
{
    if (err) print_error("%s\n", err_text());
    assert_int_equal(err, ERR_OK);
}

/* x and y are arguments, out and out1 results; s is a scalar, k an integer. */
static struct nest_spec spec_of(const char *body, enum dtype dtype, int n_inner)
{
    struct nest_spec s = {.body = body, .compute = dtype, .n_outer = 1, .n_inner = n_inner};
    static const char *const names[] = {"x", "y", "out", "out1"};
    s.n_arrays = 4;
    for (int i = 0; i < 4; i++)
        s.array[i] = (struct nest_array){.name = names[i], .dtype = dtype, .written = i >= 2};
    s.n_params = 2;
    s.param[0] = "s";
    s.param[1] = "k";
    s.param_type[0] = nest_type_of(dtype);
    s.param_type[1] = NEST_I64;
    s.outer[3] = true;
    return s;
}

static void expect_text(const struct nest_spec *spec, const char *nodes)
{
    struct nest n;
    struct buf text = {0};
    must(nest_build(spec, &arena, &n));
    must(nest_verify(&n));
    nest_text(&n, &text);
    const char *first = strstr(text.p, "%0");
    assert_string_equal(first, nodes);
    buf_release(&text);
}

static void test_text(void **state)
{
    (void)state;
    struct nest_spec s = spec_of("out = x + 2 * y", DTYPE_BF16, 0);
    expect_text(&s, "%0 f32 outer 0 load 0\n"
                    "%1 f32 outer 0 load 1\n"
                    "%2 f32 outer 0 const 0x1p+1\n"
                    "%3 f32 outer 0 call mul %2 %1\n"
                    "%4 f32 outer 0 call add %0 %3\n"
                    "%5 f32 outer 0 store 2 %4\n");
    s = spec_of("m = amax(x); e = exp(x - m); out = e / sum(e); out1 = m; unused = x * x",
                DTYPE_F32, 1);
    expect_text(&s, "%0 f32 inner 0 load 0\n"
                    "%1 f32 outer 0 reduce max %0\n"
                    "%2 f32 inner 1 call sub %0 %1\n"
                    "%3 f32 inner 1 call exp %2\n"
                    "%4 f32 outer 1 reduce sum %3\n"
                    "%5 f32 inner 2 call div %3 %4\n"
                    "%6 f32 inner 2 store 2 %5\n"
                    "%7 f32 outer 1 store 3 %1\n");
}

static void test_bodies_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *says;
    } bad[] = {
        {"", "stores nothing"},
        {"y = x", "stores nothing"},
        {"out = ", "is missing"},
        {"out = x +", "is missing"},
        {"out = (x", "\")\" is missing"},
        {"out = x y", "\";\" is missing"},
        {"out = z", "there is no \"z\""},
        {"out = frob(x)", "no function \"frob\""},
        {"out = exp(x, y)", "takes 1 arguments, not 2"},
        {"out = x + k", "takes f32, not i64"},
        {"out = k + 0.5", "fraction meets an integer"},
        {"out = where(x, x, y)", "takes b, not f32"},
        {"out = and(x, y)", "does not take f32"},
        {"out = any(x)", "any does not take f32"},
        {"out = load(x, 1)", "computed positions"},
        {"out = to_f31(x)", "no conversion"},
        {"out = at(9)", "number of a loop"},
        {"out = word(k, 4)", "0 to 3"},
        {"out = sum(x, y)", "one argument"},
        {"store(x) = y", "store into an argument"},
        {"out = 99999999999999999999", "beyond 64 bits"},
        {"out = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "too long"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct nest_spec s = spec_of(bad[i].body, DTYPE_F32, 1);
        struct nest n;
        assert_int_equal(nest_build(&s, &arena, &n), ERR_USAGE);
        if (!strstr(err_text(), bad[i].says)) fail_msg("%s: %s", bad[i].body, err_text());
    }
    struct nest_spec s = spec_of("out = sum(x)", DTYPE_F32, 0);
    struct nest n;
    assert_int_equal(nest_build(&s, &arena, &n), ERR_USAGE);
    s = spec_of("out = tan(x)", DTYPE_F32, 0);
    s.exact = true;
    assert_int_equal(nest_build(&s, &arena, &n), ERR_UNSUPPORTED);
    char deep[1000] = "out = ";
    memset(deep + 6, '(', 500);
    s.body = deep;
    assert_int_equal(nest_build(&s, &arena, &n), ERR_USAGE);
}

static void test_verifier(void **state)
{
    (void)state;
    struct nest_spec s = spec_of("out = x / sum(x)", DTYPE_F32, 1);
    struct nest n;
    must(nest_build(&s, &arena, &n));
    must(nest_verify(&n));
    struct nest_node keep;
#define BREAKS(i, change)                                                                          \
    do {                                                                                           \
        keep = n.node[i];                                                                          \
        n.node[i].change;                                                                          \
        assert_int_equal(nest_verify(&n), ERR_FORMAT);                                             \
        n.node[i] = keep;                                                                          \
    } while (0)
    /* %0 load, %1 reduce, %2 call div, %3 store */
    BREAKS(0, index = 7);
    BREAKS(0, type = (enum nest_type)NEST_TYPES);
    BREAKS(1, arg[0] = 1);
    BREAKS(1, level = NEST_INNER);
    BREAKS(1, type = NEST_F64);
    BREAKS(1, index = 99);
    BREAKS(2, pass = 0);
    BREAKS(2, n_args = 1);
    BREAKS(2, index = NEST_FNS);
    BREAKS(2, level = NEST_OUTER);
    BREAKS(3, index = 0); /* not written */
    BREAKS(3, kind = NEST_LOAD);
    BREAKS(3, pass = 2);
    must(nest_verify(&n));
}

/* Every function takes each type its row lists. */
static void test_functions(void **state)
{
    (void)state;
    enum nest_type result;
    for (int fn = 0; fn < NEST_FNS; fn++)
        for (int t = 0; t < NEST_TYPES; t++) {
            bool takes = nest_fn_type(fn, (enum nest_type)t, &result);
            assert_int_equal(takes, interp_call(fn, (enum nest_type)t)->run != NULL);
        }
}

/* ---- running ---- */

struct call {
    struct nest nest;
    struct nest_plan plan;
    struct nest_run run;
};

/* Rows of `m` points (n_inner 1) or n points; out as x and y, out1 a value per row. */
static void run_body(const char *body, enum dtype dtype, int64_t n, int64_t m, void *x, void *y,
                     void *out, void *out1)
{
    struct call c = {0};
    struct nest_spec s = spec_of(body, dtype, m >= 0);
    must(nest_build(&s, &arena, &c.nest));
    must(nest_verify(&c.nest));
    int64_t row = m < 0 ? 1 : m;
    c.plan = (struct nest_plan){.n_outer = 1, .n_inner = m >= 0, .size = {n, m}, .n_arrays = 4};
    for (int i = 0; i < 3; i++) c.plan.lie[i] = (struct nest_lie){.stride = {row, m >= 0}};
    c.plan.lie[3].stride[0] = 1;
    c.run = (struct nest_run){.nest = &c.nest, .plan = &c.plan, .base = {x, y, out, out1}};
    c.run.param[0].r = 0.5;
    c.run.param[1].i = 3;
    if (s.param_type[0] == NEST_I64) c.run.param[0].i = 2;
    must(nest_interpret(&c.run));
}

static void test_pointwise(void **state)
{
    (void)state;
    static float x[3000], y[3000], out[3000], out1[3000];
    for (int i = 0; i < 3000; i++) x[i] = (float)i - 1500, y[i] = 1.0f / (float)(i + 1);
    run_body("out = x * s + y; out1 = where(x > 0, x, 0)", DTYPE_F32, 3000, -1, x, y, out, out1);
    for (int i = 0; i < 3000; i++) {
        assert_true(out[i] == x[i] * 0.5f + y[i]);
        assert_true(out1[i] == (x[i] > 0 ? x[i] : 0));
    }
    int8_t a[4] = {-128, 127, 5, -7}, b[4] = {1, 1, 2, 2}, c[4], d[4];
    run_body("out = x + y; out1 = floordiv(x, y)", DTYPE_I8, 4, -1, a, b, c, d);
    assert_int_equal(c[1], -128); /* wraps */
    assert_int_equal(d[3], -4);
}

static void test_rows(void **state)
{
    (void)state;
    static float x[3 * 2500], y[3 * 2500], out[3 * 2500], out1[3];
    for (int i = 0; i < 3 * 2500; i++) x[i] = sinf((float)i) * 10;
    run_body("m = amax(x); e = exp(x - m); z = sum(e); out = e / z; out1 = z", DTYPE_F32, 3, 2500,
             x, y, out, out1);
    for (int r = 0; r < 3; r++) {
        double z = 0, top = -1e9, total = 0;
        for (int i = 0; i < 2500; i++) top = fmax(top, x[r * 2500 + i]);
        for (int i = 0; i < 2500; i++) z += exp(x[r * 2500 + i] - top);
        assert_true(fabs(out1[r] / z - 1) < 1e-5);
        for (int i = 0; i < 2500; i++) total += out[r * 2500 + i];
        assert_true(fabs(total - 1) < 1e-5);
    }
    double d[7] = {1, 2, 3, 4, 5, 6, 7}, cum[7], p[1];
    run_body("out = cumsum(x); out1 = prod(x)", DTYPE_F64, 1, 7, d, d, cum, p);
    assert_true(cum[6] == 28 && cum[2] == 6 && p[0] == 5040);
    run_body("out = x - sum(x) / to_compute(n); out1 = sum(x)", DTYPE_F64, 1, 7, d, d, d, p);
    assert_true(d[0] == -3 && d[6] == 3 && p[0] == 28); /* in place */
    run_body("out1 = sum(x)", DTYPE_F64, 1, 0, d, d, d, p);
    assert_true(p[0] == 0);
    int64_t q[5] = {3, 9, -1, 9, 2}, at[1], unused[5];
    run_body("out = x; out1 = argmax(x)", DTYPE_I64, 1, 5, q, q, unused, at);
    assert_int_equal(at[0], 1);
}

/* Movement keeps every code of every narrow float; computing makes NaN canonical. */
static void test_bits(void **state)
{
    (void)state;
    static const enum dtype dtypes[] = {DTYPE_F16, DTYPE_BF16, DTYPE_F8E4M3FN, DTYPE_F8E5M2};
    static uint16_t in[65536], out[65536];
    for (int t = 0; t < 4; t++) {
        bool wide = t < 2;
        int n = wide ? 65536 : 256;
        for (int i = 0; i < n; i++)
            if (wide) in[i] = (uint16_t)i;
            else ((uint8_t *)in)[i] = (uint8_t)i;
        struct nest_spec s = spec_of("out = where(k > 0, x, s)", dtypes[t], 0);
        struct nest nest;
        s.array[0].moves = s.array[2].moves = true;
        must(nest_build(&s, &arena, &nest));
        struct nest_plan plan = {.n_outer = 1, .size = {n}, .n_arrays = 4};
        plan.lie[0].stride[0] = plan.lie[2].stride[0] = 1;
        struct nest_run run = {.nest = &nest, .plan = &plan, .base = {in, NULL, out, NULL}};
        run.param[1].i = 1;
        must(nest_interpret(&run));
        assert_memory_equal(in, out, wide ? n * 2 : n);
    }
    float x[2] = {-NAN, 1}, y[2];
    run_body("out = x + s", DTYPE_F32, 2, -1, x, x, y, x);
    uint32_t bits;
    memcpy(&bits, y, 4);
    assert_int_equal(bits, 0x7fc00000);
}

static void test_positions(void **state)
{
    (void)state;
    float table[6] = {0, 1, 2, 3, 4, 5}, out[4];
    int64_t index[4] = {2, 0, 1, 2};
    struct nest_spec s = {.body = "out = load(x, i)",
                          .compute = DTYPE_F32,
                          .array = {{.name = "x", .dtype = DTYPE_F32, .n_indexed = 1},
                                    {.name = "i", .dtype = DTYPE_I64},
                                    {.name = "out", .dtype = DTYPE_F32, .written = true}},
                          .own = {false, true},
                          .n_arrays = 3,
                          .n_outer = 1};
    struct nest nest;
    must(nest_build(&s, &arena, &nest));
    struct nest_plan plan = {.n_outer = 1, .size = {4}, .n_arrays = 3};
    plan.lie[0] = (struct nest_lie){.index_stride = {2}, .index_size = {3}};
    plan.lie[1].stride[0] = plan.lie[2].stride[0] = 1;
    struct nest_run run = {.nest = &nest, .plan = &plan, .base = {table, index, out}};
    must(nest_interpret(&run));
    assert_true(out[0] == 4 && out[1] == 0 && out[2] == 2 && out[3] == 4);
    index[2] = 3;
    assert_int_equal(nest_interpret(&run), ERR_USAGE);
    assert_non_null(
        strstr(err_text(), "index 3 is out of bounds for computed position 0 of \"x\""));
    index[2] = -1;
    assert_int_equal(nest_interpret(&run), ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),      cmocka_unit_test(test_bodies_refused),
        cmocka_unit_test(test_verifier),  cmocka_unit_test(test_functions),
        cmocka_unit_test(test_pointwise), cmocka_unit_test(test_rows),
        cmocka_unit_test(test_bits),      cmocka_unit_test(test_positions),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_release(&arena);
    return failed;
}
