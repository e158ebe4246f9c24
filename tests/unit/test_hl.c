/* test_hl.c - the tokenizer: what it colours, what it carries over lines, that it never loses a
 * byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "store/base/buf.h"
#include "web/hl.h"

/* Writes "k[def] name" style text: class letter and brackets around all that is not plain. */
static void show(void *context, enum hl_class class, struct span text)
{
    struct buf *b = context;
    assert_true(text.n > 0);
    if (class == HL_TEXT) buf_span(b, text);
    else buf_printf(b, "%c[%.*s]", hl_class_css(class)[2], SPAN_ARG(text));
}

static void expect(struct hl_state *state, const char *line, const char *want)
{
    struct buf b = {0};
    hl_line(state, span_of(line), show, &b);
    assert_string_equal(buf_text(&b).p, want);
    buf_release(&b);
}

static void expect_one(enum hl_language language, const char *line, const char *want)
{
    struct hl_state state = hl_begin(language);
    expect(&state, line, want);
}

static void test_python(void **unused)
{
    (void)unused;
    expect_one(HL_PYTHON, "def call(self, args): # all", "k[def] f[call](k[self], args): c[# all]");
    expect_one(HL_PYTHON, "x = 'a\\'b' + \"c\" + 1e-5 + 0x1F",
               "x = s['a\\'b'] + s[\"c\"] + n[1e-5] + n[0x1F]");
    expect_one(HL_PYTHON, "return_value = 0x1e-5", "return_value = n[0x1e]-n[5]");
    expect_one(HL_PYTHON, "t = 'open", "t = s['open]");
}

static void test_triple_quotes_are_carried(void **unused)
{
    (void)unused;
    struct hl_state state = hl_begin(HL_PYTHON);
    expect(&state, "x = '''one", "x = s['''one]");
    expect(&state, "def \" # two", "s[def \" # two]");
    expect(&state, "three''' + y # end", "s[three'''] + y c[# end]");
    expect(&state, "def", "k[def]");
}

static void test_kernels_inside_python(void **unused)
{
    (void)unused;
    struct hl_state state = hl_begin(HL_PYTHON);
    expect(&state, "k = async_compile.cpp_pybinding(['float*'], r'''",
           "k = async_compile.f[cpp_pybinding]([s['float*']], rs[''']");
    expect(&state, "#include <a.h>", "c[#include <a.h>]");
    expect(&state, "extern \"C\" void kernel(float* p) /* x",
           "k[extern] s[\"C\"] k[void] f[kernel](k[float]* p) c[/* x]");
    expect(&state, "y */ int64_t a = 16L; // z", "c[y */] k[int64_t] a = n[16L]; c[// z]");
    expect(&state, "''')", "s['''])");
}

static void test_kernels_close(void **unused)
{
    (void)unused;
    struct hl_state state = hl_begin(HL_PYTHON);
    expect(&state, "k = async_compile.triton('n', '''",
           "k = async_compile.f[triton](s['n'], s[''']");
    expect(&state, "def k(x): # \"\"\"", "k[def] f[k](x): c[# \"\"\"]");
    expect(&state, "''', device_str='cuda') # done", "s['''], device_str=s['cuda']) c[# done]");
    expect(&state, "auto x", "auto x");
}

static void test_cpp(void **unused)
{
    (void)unused;
    struct hl_state state = hl_begin(HL_CPP);
    expect(&state, "auto s = R\"(a", "k[auto] s = s[R\"(a]");
    expect(&state, "int b)\"; int c;", "s[int b)\"]; k[int] c;");
    expect(&state, "  #pragma once", "  c[#pragma once]");
}

static void test_json(void **unused)
{
    (void)unused;
    expect_one(HL_JSON, "{\"a\" : [1, -2.5e+3, true, null, \"b\"]}",
               "{f[\"a\"] : [n[1], -n[2.5e+3], k[true], k[null], s[\"b\"]]}");
}

static void test_fx(void **unused)
{
    (void)unused;
    expect_one(HL_FX, "x: f32[8, 32][32, 1]cpu = torch.relu(y)",
               "x: t[f32][n[8], n[32]][n[32], n[1]]cpu = torch.f[relu](y)");
}

static void test_guards(void **unused)
{
    (void)unused;
    expect_one(HL_GUARDS, "| +- TENSOR_MATCH: check(L['x'], True)  # a.py:3",
               "c[| +- ]k[TENSOR_MATCH]: f[check](L[s['x']], k[True])  c[# a.py:3]");
    expect_one(HL_GUARDS, "| +- x", "c[| +- ]x");
}

static void test_utf8_is_never_cut(void **unused)
{
    (void)unused;
    expect_one(HL_PYTHON, "\xc3\xa9t\xc3\xa9(1) # \xe2\x82\xac",
               "f[\xc3\xa9t\xc3\xa9](n[1]) c[# \xe2\x82\xac]");
}

static void test_guess(void **unused)
{
    (void)unused;
    assert_int_equal(hl_guess(SPAN("dynamo_cpp_guards_str"), SPAN("")), HL_GUARDS);
    assert_int_equal(hl_guess(SPAN("inductor_output_code"), SPAN("# AOT ID")), HL_PYTHON);
    assert_int_equal(hl_guess(SPAN("inductor_output_code"), SPAN("\n#include <x>")), HL_CPP);
    assert_int_equal(hl_guess(SPAN("aot_forward_graph"), SPAN("class GraphModule(")), HL_FX);
    assert_int_equal(hl_guess(SPAN("fx_graph_cache_miss"), SPAN("{\"key\": 1}")), HL_JSON);
    assert_int_equal(hl_guess(SPAN("f_MODIFIED_BYTECODE"), SPAN("def x")), HL_PLAIN);
    assert_int_equal(hl_guess(SPAN("note"), SPAN("")), HL_PLAIN);
}

struct sum {
    struct span line;
    size_t n;
    enum hl_class last;
};
static void add(void *context, enum hl_class class, struct span text)
{
    struct sum *s = context;
    assert_ptr_equal(text.p, s->line.p + s->n);
    assert_true(s->n == 0 || class != s->last);
    s->n += text.n;
    s->last = class;
}

/* Pieces cover each line exactly, whatever it is made of, in every language. */
static void test_nothing_is_lost(void **unused)
{
    (void)unused;
    static const char BYTES[] = "'\"#/*\\R()\n ab0.e-\xc3\xa9\x80|+:{}[]async_compile.triton('''";
    uint32_t seed = 7;
    for (int round = 0; round < 3000; round++) {
        struct hl_state state = hl_begin((enum hl_language)(round % HL_N_LANGUAGES));
        for (int l = 0; l < 4; l++) {
            char text[40];
            size_t n = (seed >> 8) % sizeof text;
            for (size_t i = 0; i < n; i++)
                text[i] = BYTES[((seed = seed * 1664525 + 1013904223) >> 8) % sizeof BYTES];
            struct sum sum = {.line = {text, n}};
            hl_line(&state, sum.line, add, &sum);
            assert_int_equal(sum.n, n);
        }
    }
}

/* Look-ahead that starts over and over would take hours for these lines: the alarm ends it. */
static void test_linear(void **unused)
{
    (void)unused;
    static const char *const PATTERNS[] = {" ",  "a ", "''", "\"", ";#", "async_compile.'''",
                                           "( ", "/*", "1e", "\\"};
    alarm(300);
    for (size_t i = 0; i < sizeof PATTERNS / sizeof *PATTERNS; i++) {
        struct buf b = {0};
        while (b.n < 1 << 18) buf_puts(&b, PATTERNS[i]);
        for (int language = 0; language < HL_N_LANGUAGES; language++) {
            struct hl_state state = hl_begin((enum hl_language)language);
            struct sum sum = {.line = buf_text(&b)};
            hl_line(&state, sum.line, add, &sum);
            assert_int_equal(sum.n, b.n);
        }
        buf_release(&b);
    }
    alarm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_python),
        cmocka_unit_test(test_triple_quotes_are_carried),
        cmocka_unit_test(test_kernels_inside_python),
        cmocka_unit_test(test_kernels_close),
        cmocka_unit_test(test_cpp),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_fx),
        cmocka_unit_test(test_guards),
        cmocka_unit_test(test_utf8_is_never_cut),
        cmocka_unit_test(test_guess),
        cmocka_unit_test(test_nothing_is_lost),
        cmocka_unit_test(test_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
