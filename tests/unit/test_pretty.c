/* test_pretty.c - laid out JSON is the same JSON. */
#include "unit.h"

#include "store/base/json.h"
#include "web/pretty.h"

static void expect(const char *text, const char *want)
{
    struct buf b = {0};
    pretty_json(span_of(text), &b);
    assert_string_equal(buf_text(&b).p, want);
    buf_release(&b);
}

static void test_layout(void **unused)
{
    (void)unused;
    expect("1", "1");
    expect(" { } ", "{}");
    expect("{\"a\":1,\"b\":[1,2]}", "{\n  \"a\": 1,\n  \"b\": [1, 2]\n}");
    expect("[[1],{\"x\":\"a,b:]}\"}]", "[\n  [1],\n  {\"x\": \"a,b:]}\"}\n]");
    expect("{\"q\":\"\\\"\"}", "{\"q\": \"\\\"\"}");
}

static void test_wide_lists_are_broken(void **unused)
{
    (void)unused;
    struct buf b = {0}, text = {0};
    buf_puts(&text, "[1000000");
    for (int i = 0; i < 40; i++) buf_puts(&text, ",1000000");
    buf_puts(&text, "]");
    pretty_json(buf_text(&text), &b);
    int lines = 0;
    for (size_t i = 0; i < b.n; i++) lines += b.p[i] == '\n';
    assert_int_equal(lines, 42);
    buf_release(&b);
    buf_release(&text);
}

/* Without the blanks between tokens nothing has changed; depth does not blow the text up. */
static void test_same_json(void **unused)
{
    (void)unused;
    struct buf text = {0}, b = {0}, one = {0}, two = {0};
    struct arena arena = {0};
    struct json *before, *after;
    for (int i = 0; i < 60; i++) buf_puts(&text, "{\"k\\u00e9\": [1.5e-3, \"x\", ");
    buf_puts(&text, "null");
    for (int i = 0; i < 60; i++) buf_puts(&text, "]}");
    assert_int_equal(json_parse(buf_text(&text), &arena, &before), ERR_OK);
    pretty_json(buf_text(&text), &b);
    assert_int_equal(json_parse(buf_text(&b), &arena, &after), ERR_OK);
    json_print(&one, before);
    json_print(&two, after);
    assert_string_equal(buf_text(&one).p, buf_text(&two).p);
    assert_true(b.n < text.n * 12);
    arena_release(&arena);
    buf_release(&text);
    buf_release(&b);
    buf_release(&one);
    buf_release(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_wide_lists_are_broken),
        cmocka_unit_test(test_same_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
