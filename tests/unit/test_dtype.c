/* test_dtype.c - every code of the small floats against doubles; casts; promotion. */
#include "tests/unit/vectors.h"

#include <math.h>

#include "store/base/dtype.h"

/* What a code means, told in doubles; shares nothing with the code under test. */
struct format {
    enum dtype dtype;
    int exponent_bits, fraction_bits;
    bool saturates; /* no infinity: the code after the largest value is NaN */
    uint32_t nan;   /* what a positive NaN is stored as */
};
static const struct format formats[] = {
    {DTYPE_F16, 5, 10, false, 0x7e00},
    {DTYPE_BF16, 8, 7, false, 0x7fc0},
    {DTYPE_F8E4M3FN, 4, 3, true, 0x7f},
    {DTYPE_F8E5M2, 5, 2, false, 0x7f},
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

static uint32_t sign_of(const struct format *f)
{
    return 1u << (f->exponent_bits + f->fraction_bits);
}
/* The first code that is no finite value. */
static uint32_t end_of(const struct format *f)
{
    return f->saturates ? sign_of(f) - 1 : sign_of(f) - (1u << f->fraction_bits);
}
/* By the formula alone, also for the codes that infinity and NaN took. */
static double formula(const struct format *f, uint32_t code)
{
    int bias = (1 << (f->exponent_bits - 1)) - 1;
    int e = (int)(code >> f->fraction_bits);
    double m = (double)(code & ((1u << f->fraction_bits) - 1));
    return e ? ldexp(m + (1 << f->fraction_bits), e - bias - f->fraction_bits)
             : ldexp(m, 1 - bias - f->fraction_bits);
}
static double value(const struct format *f, uint32_t code)
{
    uint32_t a = code & (sign_of(f) - 1);
    double v = a < end_of(f) ? formula(f, a) : a == end_of(f) && !f->saturates ? INFINITY : NAN;
    return code & sign_of(f) ? -v : v;
}
/* The nearest code, by search among all; ties to the even code. */
static uint32_t nearest(const struct format *f, double v)
{
    uint32_t low = 0, high = end_of(f), sign = signbit(v) ? sign_of(f) : 0;
    double a = fabs(v);
    if (isnan(v)) return f->nan | (dtype_kind(f->dtype) == DTYPE_FLOAT8 ? sign : 0);
    if (a >= formula(f, high)) return sign | (f->saturates ? high - 1 : high);
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (formula(f, middle) <= a) low = middle;
        else high = middle;
    }
    double down = a - formula(f, low), up = formula(f, high) - a;
    uint32_t code = down < up ? low : up < down ? high : low % 2 ? high : low;
    return sign | (f->saturates && code == end_of(f) ? code - 1 : code);
}

static uint32_t code_of(enum dtype from, const void *src, enum dtype to)
{
    uint32_t code = 0;
    dtype_cast(from, src, to, &code, 1);
    return code;
}
static void check_rounds(const struct format *f, float v)
{
    uint32_t got = code_of(DTYPE_F32, &v, f->dtype), want = nearest(f, (double)v);
    if (got != want)
        fail_msg("%a to %s: 0x%x, not 0x%x", (double)v, dtype_name(f->dtype), got, want);
}
static void check_rounds_both(const struct format *f, double v)
{
    float x = (float)v;
    check_rounds(f, x);
    check_rounds(f, -x);
    check_rounds(f, nextafterf(x, INFINITY));
    check_rounds(f, -nextafterf(x, 0));
}

static void widens_every_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FORMATS; i++) {
        const struct format *f = &formats[i];
        for (uint32_t code = 0; code < 2 * sign_of(f); code++) {
            double d, want = value(f, code), number;
            float s;
            dtype_cast(f->dtype, &code, DTYPE_F64, &d, 1);
            dtype_cast(f->dtype, &code, DTYPE_F32, &s, 1);
            dtype_load_f64(f->dtype, &code, 1, &number);
            if (isnan(want)) {
                assert_true(isnan(d) && isnan(s) && isnan(number) && !signbit(d));
                assert_int_equal(signbit(number) != 0, (code & sign_of(f)) != 0);
                continue;
            }
            assert_true(d == want && (double)s == want && number == want);
            assert_int_equal(signbit(d), signbit(want));
            assert_int_equal(code_of(DTYPE_F64, &d, f->dtype), code);
            assert_int_equal(code_of(DTYPE_F32, &s, f->dtype), code);
        }
    }
}

static void rounds_to_the_nearest(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FORMATS; i++) {
        const struct format *f = &formats[i];
        for (uint32_t code = 0; code < end_of(f); code++) {
            check_rounds_both(f, formula(f, code));
            check_rounds_both(f, (formula(f, code) + formula(f, code + 1)) / 2);
        }
        uint32_t bits = 1;
        for (int k = 0; k < 200000; k++) {
            float v;
            bits = bits * 1664525u + 1013904223u;
            memcpy(&v, &bits, sizeof v);
            check_rounds(f, v);
        }
        check_rounds_both(f, INFINITY);
        check_rounds(f, NAN);
        check_rounds(f, -NAN);
    }
}

/* Every code of every small float to every other: through f32, which holds them all. */
static void converts_between_small_floats(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FORMATS; i++)
        for (size_t j = 0; j < N_FORMATS; j++)
            for (uint32_t code = 0; i != j && code < 2 * sign_of(&formats[i]); code++) {
                uint32_t got = code_of(formats[i].dtype, &code, formats[j].dtype);
                double v = value(&formats[i], code);
                if (got != nearest(&formats[j], v))
                    fail_msg("%s 0x%x to %s: 0x%x", dtype_name(formats[i].dtype), code,
                             dtype_name(formats[j].dtype), got);
            }
}

/* What PyTorch 2.13 on x86-64 answered. */
static void rounds_twice_as_pytorch_does(void **state)
{
    (void)state;
    double half = 1 + 0x1p-11 + 0x1p-40, brain = 1 + 0x1p-8 + 0x1p-40, e4m3 = 1 + 0x1p-4 + 0x1p-40;
    int64_t wide = (1ll << 40) + (1ll << 32) + 1, once = (1ll << 62) + (1ll << 38) + 1;
    float f;
    assert_int_equal(code_of(DTYPE_F64, &half, DTYPE_F16), 0x3c00);
    assert_int_equal(code_of(DTYPE_F64, &brain, DTYPE_BF16), 0x3f80);
    assert_int_equal(code_of(DTYPE_F64, &e4m3, DTYPE_F8E4M3FN), 0x38);
    assert_int_equal(code_of(DTYPE_I64, &wide, DTYPE_BF16), 0x5380);
    dtype_cast(DTYPE_I64, &once, DTYPE_F32, &f, 1);
    assert_true(f == 0x1.000002p62f);
}

/* Small numbers survive every pair of dtypes; arrays longer than one chunk, at odd addresses. */
static void casts_between_all_dtypes(void **state)
{
    (void)state;
    enum { N = 700 };
    static char from[N * 16 + 1], to[N * 16 + 1];
    double want[N], got[2 * N];
    for (int k = 0; k < N; k++) want[k] = k % 9;
    for (int a = 1; a < DTYPE_END; a++)
        for (int b = 1; b < DTYPE_END; b++) {
            bool pair = dtype_kind((enum dtype)b) == DTYPE_COMPLEX,
                 truth = a == DTYPE_B8 || b == DTYPE_B8;
            dtype_cast(DTYPE_F64, want, (enum dtype)a, from + 1, N);
            dtype_cast((enum dtype)a, from + 1, (enum dtype)b, to + 1, N);
            dtype_load_f64((enum dtype)b, to + 1, N, got);
            for (int k = 0; k < N; k++) {
                double v = truth ? want[k] != 0 : want[k];
                if (got[pair ? 2 * k : k] != v || (pair && got[2 * k + 1] != 0))
                    fail_msg("%s to %s: %g became %g", dtype_name((enum dtype)a),
                             dtype_name((enum dtype)b), v, got[k]);
            }
        }
}

static void integers_saturate_and_wrap(void **state)
{
    (void)state;
    static const struct {
        double from;
        enum dtype to;
        int64_t want;
    } cases[] = {
        {-1.9, DTYPE_I8, -1},
        {127.9, DTYPE_I8, 127},
        {128, DTYPE_I8, 127},
        {-129, DTYPE_I8, -128},
        {-0.9, DTYPE_U8, 0},
        {-1, DTYPE_U8, 0},
        {255.5, DTYPE_U8, 255},
        {256, DTYPE_U8, 255},
        {NAN, DTYPE_I32, 0},
        {INFINITY, DTYPE_I16, 32767},
        {-INFINITY, DTYPE_I32, INT32_MIN},
        {2147483647.5, DTYPE_I32, INT32_MAX},
        {1e300, DTYPE_I64, INT64_MAX},
        {-0x1p63, DTYPE_I64, INT64_MIN},
        {0x1p63, DTYPE_I64, INT64_MAX},
        {0x1p63, DTYPE_U64, INT64_MIN},
        {0x1p64, DTYPE_U64, -1},
        {4294967295.9, DTYPE_U32, 4294967295},
        {65536, DTYPE_U16, 65535},
        {-0.0, DTYPE_B8, 0},
        {NAN, DTYPE_B8, 1},
        {0x1p-1074, DTYPE_B8, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t bits = 0, got;
        dtype_cast(DTYPE_F64, &cases[i].from, cases[i].to, &bits, 1);
        dtype_load_i64(cases[i].to, &bits, 1, &got);
        if (got != cases[i].want)
            fail_msg("%g to %s: %lld", cases[i].from, dtype_name(cases[i].to), (long long)got);
    }
    int64_t big = -2, wrapped;
    uint64_t all = 0;
    dtype_cast(DTYPE_I64, &big, DTYPE_U16, &all, 1);
    assert_int_equal(all, 65534);
    dtype_cast(DTYPE_U16, &all, DTYPE_I8, &wrapped, 1);
    assert_int_equal((int8_t)wrapped, -2);
    all = UINT64_MAX;
    double d;
    dtype_cast(DTYPE_U64, &all, DTYPE_F64, &d, 1);
    assert_true(d == 0x1p64);
}

static void complex_and_nan(void **state)
{
    (void)state;
    float z[2] = {0, 2}, real = 5;
    double w[2];
    uint8_t truth = 7;
    uint32_t payload = 0xffc12345, same;
    uint64_t wide;
    dtype_cast(DTYPE_C64, z, DTYPE_C128, w, 1);
    assert_true(w[0] == 0 && w[1] == 2);
    dtype_cast(DTYPE_C64, z, DTYPE_F32, &real, 1);
    assert_true(real == 0);
    dtype_cast(DTYPE_C64, z, DTYPE_B8, &truth, 1);
    assert_int_equal(truth, 1);
    dtype_cast(DTYPE_F32, &payload, DTYPE_F32, &same, 1);
    assert_int_equal(same, 0xffc12345);
    dtype_cast(DTYPE_F32, &payload, DTYPE_F64, &wide, 1);
    assert_true(wide == 0x7ff8000000000000);
    assert_int_equal(code_of(DTYPE_F32, &payload, DTYPE_F16), 0x7e00);
    uint16_t signalling = 0x7c01;
    dtype_load_f64(DTYPE_F16, &signalling, 1, w);
    memcpy(&wide, w, sizeof wide);
    assert_true(wide == 0x7ff8040000000000);
}

static void names_are_found(void **state)
{
    (void)state;
    enum dtype t;
    for (int k = 1; k < DTYPE_END; k++) {
        char long_name[40];
        snprintf(long_name, sizeof long_name, "torch.%s", dtype_torch_name((enum dtype)k));
        assert_int_equal(dtype_find(span_of(long_name), &t), ERR_OK);
        assert_int_equal(t, k);
        assert_int_equal(dtype_find(span_of(dtype_name((enum dtype)k)), &t), ERR_OK);
        assert_int_equal(t, k);
    }
    assert_int_equal(dtype_find(SPAN("float12"), &t), ERR_NOT_FOUND);
    assert_non_null(strstr(err_text(), "float12"));
    assert_non_null(strstr(err_text(), "f8e4m3fn"));
    assert_int_equal(dtype_find(SPAN_NONE, &t), ERR_NOT_FOUND);
}

/* Rows and columns in the order of DTYPES; "-" is refused. */
static const char *const promotions[] = {
    "f64  f64  f64  f64  -  -  c128 c128 f64  f64  f64  f64  f64  f64  f64  f64  f64",
    "f64  f32  f32  f32  -  -  c64  c128 f32  f32  f32  f32  f32  f32  f32  f32  f32",
    "f64  f32  f16  f32  -  -  c64  c128 f16  f16  f16  f16  f16  f16  f16  f16  f16",
    "f64  f32  f32  bf16 -  -  c64  c128 bf16 bf16 bf16 bf16 bf16 bf16 bf16 bf16 bf16",
    "-    -    -    -    f8e4m3fn - - -  -    -    -    -    -    -    -    -    -",
    "-    -    -    -    - f8e5m2 - -    -    -    -    -    -    -    -    -    -",
    "c128 c64  c64  c64  -  -  c64  c128 c64  c64  c64  c64  c64  -    -    -    c64",
    "c128 c128 c128 c128 -  -  c128 c128 c128 c128 c128 c128 c128 -    -    -    c128",
    "f64  f32  f16  bf16 -  -  c64  c128 i8   i16  i32  i64  i16  -    -    -    i8",
    "f64  f32  f16  bf16 -  -  c64  c128 i16  i16  i32  i64  i16  -    -    -    i16",
    "f64  f32  f16  bf16 -  -  c64  c128 i32  i32  i32  i64  i32  -    -    -    i32",
    "f64  f32  f16  bf16 -  -  c64  c128 i64  i64  i64  i64  i64  -    -    -    i64",
    "f64  f32  f16  bf16 -  -  c64  c128 i16  i16  i32  i64  u8   -    -    -    u8",
    "f64  f32  f16  bf16 -  -  -    -    -    -    -    -    -    u16  -    -    -",
    "f64  f32  f16  bf16 -  -  -    -    -    -    -    -    -    -    u32  -    -",
    "f64  f32  f16  bf16 -  -  -    -    -    -    -    -    -    -    -    u64  -",
    "f64  f32  f16  bf16 -  -  c64  c128 i8   i16  i32  i64  u8   -    -    -    b8",
};

static void promotes_as_the_table_says(void **state)
{
    (void)state;
    for (int a = 1; a < DTYPE_END; a++) {
        char line[200];
        snprintf(line, sizeof line, "%s", promotions[a - 1]);
        char *word = strtok(line, " ");
        for (int b = 1; b < DTYPE_END; b++, word = strtok(NULL, " ")) {
            enum dtype t;
            enum err e = dtype_promote((enum dtype)a, (enum dtype)b, &t);
            const char *got = e ? "-" : dtype_name(t);
            if (strcmp(got, word)) fail_msg("row %d, column %d: %s, not %s", a, b, got, word);
            if (!e) continue;
            assert_non_null(strstr(err_text(), dtype_torch_name((enum dtype)a)));
            assert_non_null(strstr(err_text(), dtype_torch_name((enum dtype)b)));
        }
    }
}

/* NONE for what PyTorch has and we have not. */
static enum dtype find_or_none(struct span name)
{
    enum dtype t;
    return dtype_find(name, &t) ? DTYPE_NONE : t;
}
static bool split(struct span key, struct span *a, struct span *b)
{
    size_t comma = span_find(key, SPAN(","), 0);
    *a = span_to(key, comma);
    *b = span_from(key, comma + 1);
    return comma != SIZE_MAX;
}
/* The answer must be `want`; a refusal, or a dtype we have not, must be refused. */
static void check_answer(struct span key, enum err e, enum dtype got, const struct json *want)
{
    enum dtype known = want->type == JSON_STRING ? find_or_none(want->text) : DTYPE_NONE;
    if ((e != 0) != (known == DTYPE_NONE) || (!e && got != known))
        fail_msg("%.*s: %s", SPAN_ARG(key), e ? err_text() : got ? dtype_name(got) : "no dtype");
}

static int check_pairs(const struct json *pairs)
{
    int n = 0;
    for (const struct json *j = pairs->first; j; j = j->next) {
        struct span a, b;
        assert_true(split(j->key, &a, &b));
        enum dtype x = find_or_none(a), y = find_or_none(b), got = DTYPE_NONE;
        if (!x || !y) continue;
        n++;
        if (j->type == JSON_BOOL) {
            assert_int_equal(dtype_can_cast(x, y), j->i);
            continue;
        }
        enum err e = dtype_promote(x, y, &got);
        check_answer(j->key, e, got, j);
    }
    return n;
}

/* "float32 0-d" or "int scalar" into its category; false for a dtype that we have not. */
static bool add_operand(struct dtype_mix *mix, struct span text)
{
    static const struct {
        const char *word;
        enum dtype dtype;
    } numbers[] = {
        {"bool", DTYPE_B8}, {"int", DTYPE_I64}, {"float", DTYPE_F32}, {"complex", DTYPE_C64}};
    size_t blank = span_find(text, SPAN(" "), 0);
    struct span word = span_to(text, blank), kind = span_from(text, blank + 1);
    for (size_t i = 0; span_is(kind, "scalar") && i < 4; i++)
        if (span_is(word, numbers[i].word)) return (mix->number = numbers[i].dtype) != DTYPE_NONE;
    enum dtype t = find_or_none(word);
    if (span_is(kind, "0-d")) return (mix->zero = t) != DTYPE_NONE;
    assert_true(span_is(kind, "tensor"));
    return (mix->tensor = t) != DTYPE_NONE;
}

static int check_mixes(const struct json *mixes)
{
    int n = 0;
    for (const struct json *j = mixes->first; j; j = j->next) {
        struct dtype_mix mix = {DTYPE_NONE, DTYPE_NONE, DTYPE_NONE};
        struct span a, b;
        enum dtype got = DTYPE_NONE;
        assert_true(split(j->key, &a, &b));
        if (!add_operand(&mix, a) || !add_operand(&mix, b)) continue;
        enum err e = dtype_result(&mix, &got);
        check_answer(j->key, e, got, j);
        n++;
    }
    return n;
}

static void promotes_as_pytorch_answered(void **state)
{
    (void)state;
    struct arena arena = {0};
    size_t size;
    char *text = vectors_read("debug_mode/op_vectors/promotion.json", &size);
    if (!text) skip();
    const struct json *j = vectors_json(text, size, &arena);
    assert_int_equal(check_pairs(json_get(j, "promote_types")), 17 * 17);
    assert_int_equal(check_pairs(json_get(j, "can_cast")), 17 * 17);
    int mixes = check_mixes(json_get(j, "result_type"));
    print_message("%d mixes of tensors and numbers\n", mixes);
    assert_int_equal(mixes, 425);
    arena_release(&arena);
    free(text);
}

static void nothing_has_no_dtype(void **state)
{
    (void)state;
    struct dtype_mix mix = {DTYPE_NONE, DTYPE_NONE, DTYPE_NONE};
    enum dtype t;
    assert_int_equal(dtype_result(&mix, &t), ERR_USAGE);
}

/* One file of codes against casts of the `n` inputs of dtype `from`. */
static void check_file(enum dtype to, const char *what, enum dtype from, const void *inputs,
                       size_t n)
{
    char name[128];
    size_t size;
    snprintf(name, sizeof name, "debug_mode/op_vectors/fp8/%s.%s.npy", dtype_torch_name(to), what);
    char *bytes = vectors_read(name, &size);
    assert_non_null(bytes);
    const uint8_t *want = vectors_npy(bytes, size, n, 1);
    uint8_t *got = malloc(n);
    dtype_cast(from, inputs, to, got, n);
    for (size_t k = 0; k < n; k++)
        if (got[k] != want[k])
            fail_msg("%s, input %zu: 0x%02x, not 0x%02x", name, k, got[k], want[k]);
    free(got);
    free(bytes);
}

/* The vectors began with PyTorch's own rounding, which made NaN the bf16 0xffff. */
static void narrow(const float *inputs, size_t n, enum dtype to, uint16_t *out)
{
    dtype_cast(DTYPE_F32, inputs, to, out, n);
    for (size_t k = 0; k < n; k++)
        if (isnan(inputs[k]) && to == DTYPE_BF16) out[k] = 0xffff;
}

static void check_float8(enum dtype t, const float *inputs, size_t n)
{
    uint16_t *all = malloc(65536 * sizeof *all);
    for (uint32_t k = 0; k < 65536; k++) all[k] = (uint16_t)k;
    check_file(t, "round_output_bits", DTYPE_F32, inputs, n);
    check_file(t, "all_halves_bits", DTYPE_F16, all, 65536);
    check_file(t, "all_bfloat16_bits", DTYPE_BF16, all, 65536);
    narrow(inputs, n, DTYPE_BF16, all);
    check_file(t, "from_bfloat16_bits", DTYPE_BF16, all, n);
    narrow(inputs, n, DTYPE_F16, all);
    check_file(t, "from_float16_bits", DTYPE_F16, all, n);
    free(all);
    char name[128];
    size_t size;
    snprintf(name, sizeof name, "debug_mode/op_vectors/fp8/%s.all_codes_to_float32.npy",
             dtype_torch_name(t));
    char *bytes = vectors_read(name, &size);
    const char *want = vectors_npy(bytes, size, 256, 4);
    for (int k = 0; k < 256; k++) {
        uint8_t code = (uint8_t)k;
        float v, w;
        dtype_cast(t, &code, DTYPE_F32, &v, 1);
        memcpy(&w, want + 4 * k, 4);
        assert_true(isnan(w) ? isnan(v) : !memcmp(&v, &w, 4));
    }
    free(bytes);
}

static void float8_as_pytorch_answered(void **state)
{
    (void)state;
    size_t size;
    char *bytes = vectors_read("debug_mode/op_vectors/fp8/round_input_float32.npy", &size);
    if (!bytes) skip();
    float *inputs = malloc(4096 * sizeof *inputs);
    memcpy(inputs, vectors_npy(bytes, size, 4096, 4), 4096 * sizeof *inputs);
    check_float8(DTYPE_F8E4M3FN, inputs, 4096);
    check_float8(DTYPE_F8E5M2, inputs, 4096);
    free(inputs);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widens_every_code),
        cmocka_unit_test(rounds_to_the_nearest),
        cmocka_unit_test(converts_between_small_floats),
        cmocka_unit_test(rounds_twice_as_pytorch_does),
        cmocka_unit_test(casts_between_all_dtypes),
        cmocka_unit_test(integers_saturate_and_wrap),
        cmocka_unit_test(complex_and_nan),
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(promotes_as_the_table_says),
        cmocka_unit_test(promotes_as_pytorch_answered),
        cmocka_unit_test(nothing_has_no_dtype),
        cmocka_unit_test(float8_as_pytorch_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
