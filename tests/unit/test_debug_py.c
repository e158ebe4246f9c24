/* test_debug_py.c - Python's literals: read, printed as repr does, as type-tagged JSON, and as
 * hashes. */
#include "tests/unit/unit.h"

#include "capture/py.h"

static struct arena arena;

static void same_text(const char *text)
{
    struct py *v;
    struct buf b = {0};
    assert_int_equal(py_parse(span_of(text), &arena, &v), ERR_OK);
    py_print(&b, v, PY_PLAIN);
    assert_string_equal(b.p, text);
    buf_release(&b);
}

static void prints_what_it_reads(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "None",
        "True",
        "(1.5,)",
        "()",
        "[]",
        "{}",
        "{'a': (1, [2.0, None]), 3: 'x'}",
        "nan",
        "-inf",
        "-0.0",
        "1e+16",
        "1e-05",
        "5e-324",
        "0.0001",
        "1234567890123456.0",
        "1.7976931348623157e+308",
        "18446744073709551616",
        "'it\\n'",
        "\"it's\"",
        "'\\'\"'",
        "'\\x00\\u2028'",
        "'\xc3\xa9'",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) same_text(texts[i]);
}

static void refuses_what_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {"",     "(",     "(1)",     "[1",     "{1}", "'a",   "1 2",
                                        "nope", "'\\q'", "{'a': }", "[1,,2]", "007", "1.2.3"};
    struct py *v;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(py_parse(span_of(texts[i]), &arena, &v), ERR_FORMAT);
    char deep[4000];
    memset(deep, '[', sizeof deep);
    assert_int_equal(py_parse((struct span){deep, sizeof deep}, &arena, &v), ERR_FORMAT);
}

static void tagged_json_comes_back(void **state)
{
    (void)state;
    static const char text[] =
        "{\"type\": \"dict\", \"items\": [[\"h\", {\"type\": \"tuple\", \"items\": [{\"type\": "
        "\"scalar\", "
        "\"value\": 1.5}, {\"type\": \"nonfinite_float\", \"value\": \"-inf\"}]}]]}";
    struct json *j;
    struct py *v;
    struct buf b = {0};
    assert_int_equal(json_parse(span_of(text), &arena, &j), ERR_OK);
    assert_int_equal(py_from_json(j, &arena, &v), ERR_OK);
    py_print_json(&b, v);
    assert_string_equal(b.p, text);
    buf_clear(&b);
    py_print(&b, v, PY_PLAIN);
    assert_string_equal(b.p, "{'h': (1.5, -inf)}");
    buf_release(&b);
}

static void every_digest_is_a_number(void **state)
{
    (void)state;
    static const char *const texts[] = {"0",   "18446744073709551615", "9223372036854775808",
                                        "-1",  "-9223372036854775808", "1.5",
                                        "-0.0"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct py *v;
        struct py_hash hash;
        struct buf b = {0};
        assert_int_equal(py_parse(span_of(texts[i]), &arena, &v), ERR_OK);
        assert_true(py_to_hash(v, &hash));
        assert_int_equal(py_set_hash(v, hash, &arena), ERR_OK);
        py_print(&b, v, PY_PLAIN);
        assert_string_equal(b.p, texts[i]);
        buf_release(&b);
    }
    struct py *large;
    struct py_hash hash;
    assert_int_equal(py_parse(SPAN("18446744073709551616"), &arena, &large), ERR_OK);
    assert_false(py_to_hash(large, &hash));
}

static int release(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_what_it_reads),
        cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(tagged_json_comes_back),
        cmocka_unit_test(every_digest_is_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}
