/* test_provenance.c - line maps by the rules of capture/provenance.h, one small text per rule. */
#include "tests/unit/unit.h"

#include "capture/provenance.h"

static struct arena arena;
static struct provenance_links links;

static const char pre[] = "class G:\n  def forward(self, x):\n    # File: a.py:1 in f, code: a = "
                          "3\n    a: \"f32[8]\" = x + 1\n\n"
                          "    b = a * 2;  a = None\n    return (b,)\n";
static const char post[] =
    "p: \"f32[8]\" = torch.ops.aten.add.Tensor(x, 1)\nq = p\nr = q\n  q: \"t\" = r\n";

static int64_t read_links(const char *code, bool is_cpp, const char *mappings)
{
    struct json *root = NULL;
    struct provenance_texts texts = {
        .pre = span_of(pre), .post = span_of(post), .code = span_of(code), .is_cpp = is_cpp};
    arena_clear(&arena);
    links.n = 0;
    assert_int_equal(json_parse(span_of(mappings), &arena, &root), ERR_OK);
    return provenance_read(&texts, root, &arena, &links);
}

/* "2>5,6 7>1" of one relation. */
static const char *show(enum provenance_relation relation)
{
    static char out[4096];
    size_t n = 0;
    uint32_t line = 0;
    out[0] = 0;
    for (size_t i = 0; i < links.n; i++) {
        const struct provenance_link *l = &links.p[i];
        if (l->relation != relation) continue;
        if (l->line == line) n += (size_t)snprintf(out + n, sizeof out - n, ",%u", l->to_line);
        else
            n += (size_t)snprintf(out + n, sizeof out - n, "%s%u>%u", n ? " " : "", l->line,
                                  l->to_line);
        line = l->line;
    }
    return out;
}

static const char *kernels(const char *code, bool is_cpp, const char *name)
{
    char mappings[256];
    snprintf(mappings, sizeof mappings, "{\"cppCodeToPost\": {\"%s\": [\"p\"]}}", name);
    assert_int_equal(read_links(code, is_cpp, mappings), ERR_OK);
    return show(is_cpp ? PROVENANCE_CPP_CODE_TO_POST : PROVENANCE_PY_CODE_TO_POST);
}

static void maps_nodes(void **state)
{
    (void)state;
    assert_int_equal(
        read_links("", false,
                   "{\"preToPost\": {\"b\": [\"q\", \"nothing\", \"p\", 3, \"p\"], \"a\": [\"r\"], "
                   "\"z\": [\"p\"], "
                   "\"return (b,)\": []}, \"postToPre\": {\"q\": [\"b\", \"a\"], \"r\": \"a\"}}"),
        ERR_OK);
    assert_string_equal(show(PROVENANCE_PRE_TO_POST),
                        "4>3 6>4,1,1"); /* the last line of q, every repetition */
    assert_string_equal(show(PROVENANCE_POST_TO_PRE), "4>6,4");
    assert_int_equal(links.p[1].position, 0);
    assert_int_equal(links.p[2].position, 1);
}

static const char python[] = "\n"                                       /* 1 */
                             "# AOT ID: ['0_inference']\n"              /* 2, tlparse's 1 */
                             "k0 = async_compile.cpp('''\n"             /* 3 */
                             "def call(args):\n"                        /* 4 */
                             "    # [Provenance debug handles] k0:1\n"  /* 5 */
                             "    x = 1\n"                              /* 6 */
                             "    k0(x)  # first\n"                     /* 7 */
                             "    k0(y)\n"                              /* 8 */
                             "    # [Provenance debug handles] k0:20\n" /* 9 */
                             "    k0(z)\n"                              /* 10 */
                             "    m.extern(k0:7)\n";                    /* 11 */

static void finds_kernels_in_python(void **state)
{
    (void)state;
    assert_string_equal(kernels(python, false, "k0"), "5>1 7>1 8>1 9>1 10>1 11>1");
    assert_string_equal(kernels(python, false, "k0:1"), "7>1");
    assert_string_equal(kernels(python, false, "k0:2"),
                        "10>1"); /* a handle is looked for as text */
    assert_string_equal(kernels(python, false, "k0:7"),
                        "5>1 7>1 8>1 9>1 10>1 11>1"); /* in no comment */
    assert_string_equal(kernels(python, false, "m.extern:3"), "11>1");
    assert_string_equal(kernels(python, false, "k0:1:2"), "5>1 7>1 8>1 9>1 10>1 11>1");
    assert_string_equal(kernels(python, false, ":1"), "");
    assert_string_equal(kernels(python, false, ""), "");
    assert_string_equal(kernels("k0\nk0 # k0:1", false, "k0:1"),
                        "1>1 2>1"); /* no start, no id, nothing below */
    assert_int_equal(provenance_code_line(span_of(python), false), 2);
}

static const char cpp[] = "\n"                                       /* 1 */
                          "x k0\n"                                   /* 2, tlparse's 1 */
                          "model->run_impl(k0)\n"                    /* 3 */
                          "void M::run_impl(\n"                      /* 4 */
                          "  // [Provenance debug handles] k0:1\n"   /* 5 */
                          "  int64_t k0_xnumel = 5;\n"               /* 6 */
                          "  k0(2);\n"                               /* 7 */
                          "  // [Provenance debug handles] a::b:2\n" /* 8 */
                          "  a::b(1);\n"                             /* 9 */
                          "  a::b(2);\n";                            /* 10 */

static void finds_kernels_in_cpp(void **state)
{
    (void)state;
    assert_string_equal(kernels(cpp, true, "k0"), "5>1 6>1 7>1");
    assert_string_equal(kernels(cpp, true, "k0:1"), "7>1"); /* not the declaration of its size */
    assert_string_equal(kernels(cpp, true, "a::b:2"), "9>1");
    assert_string_equal(kernels(cpp, true, "nowhere:2"), "");
    assert_int_equal(provenance_code_line(span_of(cpp), true), 2);
    assert_true(span_is(provenance_bare_name(SPAN("a::b:2"), true), "a::b"));
    assert_true(span_is(provenance_bare_name(SPAN("a:b:2"), false), "a"));
    assert_true(span_is(provenance_bare_name(SPAN("plain"), true), "plain"));
}

static void joins_both_ways(void **state)
{
    (void)state;
    assert_int_equal(
        read_links(
            "# AOT ID: x\nk1 k0\nk1\n", false,
            "{\"cppCodeToPost\": {\"k1\": [\"q\", \"p\"], \"k0\": [\"r\"], \"k\": [\"none\"]}, "
            "\"postToCppCode\": {\"p\": [\"k1\", \"unlisted\", \"k0\"], \"r\": [\"k0\", \"k0\"]}}"),
        ERR_OK);
    assert_string_equal(show(PROVENANCE_PY_CODE_TO_POST),
                        "2>4,1 3>4,1"); /* k1 after k0 by name, not by place */
    assert_string_equal(show(PROVENANCE_POST_TO_PY_CODE), "1>2,3,2 3>2,2");
    assert_string_equal(show(PROVENANCE_CPP_CODE_TO_POST), "");
}

static void takes_any_mapping(void **state)
{
    (void)state;
    static const char *const mappings[] = {
        "{}",
        "[]",
        "3",
        "null",
        "{\"preToPost\": []}",
        "{\"preToPost\": {\"a\": {\"p\": 1}}, \"cppCodeToPost\": [\"k\"]}",
        "{\"version\": 2.0, \"postToPre\": null, \"cppCodeToPost\": {\"k\": null}, "
        "\"postToCppCode\": {\"p\": [[\"k\"]]}}",
    };
    for (size_t i = 0; i < sizeof mappings / sizeof *mappings; i++) {
        assert_int_equal(read_links(python, false, mappings[i]), ERR_OK);
        assert_int_equal(links.n, 0);
    }
    struct provenance_texts none = {.is_cpp = false};
    struct json *root = NULL;
    assert_int_equal(
        json_parse(SPAN("{\"preToPost\": {\"a\": [\"p\"]}, \"cppCodeToPost\": {\"k\": [\"p\"]}}"),
                   &arena, &root),
        ERR_OK);
    assert_int_equal(provenance_read(&none, root, &arena, &links), ERR_OK);
    assert_int_equal(links.n, 0);
}

/* 100,000 lines with the kernel and 100 nodes of it would be ten million links. */
static void refuses_too_many_links(void **state)
{
    (void)state;
    enum { LINES = 100000, NODES = 100 };
    char *code = malloc(2 * LINES + 1), *mappings = malloc(NODES * 6 + 100), *p = mappings;
    assert_non_null(code);
    assert_non_null(mappings);
    for (int i = 0; i < LINES; i++) memcpy(code + 2 * i, "k\n", 2);
    code[2 * LINES] = 0;
    p += sprintf(p, "{\"cppCodeToPost\": {\"k\": [");
    for (int i = 0; i < NODES; i++) p += sprintf(p, "%s\"p\"", i ? "," : "");
    sprintf(p, "]}}");
    assert_int_equal(read_links(code, false, mappings), ERR_LIMIT);
    free(code);
    free(mappings);
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    LIST_RELEASE(&links);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_nodes),           cmocka_unit_test(finds_kernels_in_python),
        cmocka_unit_test(finds_kernels_in_cpp), cmocka_unit_test(joins_both_ways),
        cmocka_unit_test(takes_any_mapping),    cmocka_unit_test(refuses_too_many_links),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
