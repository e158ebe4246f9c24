/* test_json.c - json.c: what Python writes, and what nobody should. */
#include "tests/unit/unit.h"

#include <math.h>

#include "store/base/json_plain.h"

static struct json *parse(struct arena *a, const char *text)
{
    struct json *j = NULL;
    assert_int_equal(json_parse(span_of(text), a, &j), ERR_OK);
    return j;
}

static void reads_members(void **state)
{
    (void)state;
    struct arena a = {0};
    struct json *j = parse(&a, "{\"a\": [1, -2.5, \"x\\ny\", null, true], \"b\": {\"c\": "
                               "12345678901234567890}, \"a2\": \"\"}");
    const struct json *l = json_get(j, "a");
    assert_int_equal(l->n, 5);
    assert_int_equal(json_int(l->first, 0), 1);
    assert_true(json_real(l->first->next) == -2.5);
    assert_true(span_is(json_string(l->first->next->next), "x\ny"));
    assert_int_equal(json_get(json_get(j, "b"), "c")->type, JSON_REAL);
    assert_true(json_string(json_get(j, "a2")).p != NULL);
    assert_null(json_string(json_get(j, "none")).p);
    arena_release(&a);
}

static void prints_what_it_read(void **state)
{
    (void)state;
    static const char *const same[] = {"[]", "{}", "[1, 2.50, \"a\\\"b\", null, true, false]",
                                       "{\"k\": [NaN, Infinity, -Infinity]}", "\"\\u0001\\n\""};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct arena a = {0};
        struct buf b = {0};
        json_print(&b, parse(&a, same[i]));
        assert_string_equal(b.p, same[i]);
        buf_release(&b);
        arena_release(&a);
    }
}

static void keeps_non_finite_numbers(void **state)
{
    (void)state;
    struct arena a = {0};
    struct json *j = parse(&a, "[NaN, -Infinity, \"NaN \\\" Infinity\", 5]");
    assert_true(isnan(json_real(j->first)));
    assert_true(json_real(j->first->next) == -INFINITY);
    assert_true(span_is(json_string(j->first->next->next), "NaN \" Infinity"));
    arena_release(&a);
}

static void refuses_with_a_sentence(void **state)
{
    (void)state;
    static const char *const bad[] = {"",      "{",   "[1,]",          "{\"a\" 1}", "nul",
                                      "[1] 2", "\"a", "{\"a\": NaNs}", "\x01"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct arena a = {0};
        struct json *j = NULL;
        assert_int_equal(json_parse(span_of(bad[i]), &a, &j), ERR_FORMAT);
        assert_true(strlen(err_text()) > 10);
        arena_release(&a);
    }
}

static void limits_depth(void **state)
{
    (void)state;
    struct arena a = {0};
    struct json *j;
    char text[1001];
    memset(text, '[', 1000);
    text[1000] = 0;
    assert_int_equal(json_parse(span_of(text), &a, &j), ERR_FORMAT);
    assert_non_null(strstr(err_text(), "200"));
    arena_release(&a);
}

static bool same(const struct json *a, const struct json *b)
{
    if (a->type != b->type || a->n != b->n || a->i != b->i || a->r != b->r ||
        !span_eq(a->key, b->key))
        return false;
    if (a->type == JSON_STRING && !span_eq(a->text, b->text)) return false;
    const struct json *x = a->first, *y = b->first;
    for (; x && y; x = x->next, y = y->next)
        if (!same(x, y)) return false;
    return !x && !y;
}

/* The quick reader and yajl agree, and the quick one leaves to yajl what is not plain. */
static void both_readers_agree(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool plain;
    } cases[] = {
        {" {\"a\" : [ ] , \"b\":{}} \n", true},
        {"[0, -0, 12, -9223372036854775808, 9223372036854775808]", true},
        {"[0.1, 1795407854223399.5, 1e3, -2.5E-7, 123456789012345678901234567890]", true},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20ac\\ud83d\\ude00\"", true},
        {"\"\"", true},
        {"null", true},
        {"\"\\ud800\"", false},
        {"\"\\u0000\"", false},
        {"[NaN]", false},
        {"[1,]", false},
        {"{\"a\"}", false},
        {"[01]", false},
        {"[1.]", false},
        {"\"a", false},
        {"[1] x", false},
        {"", false},
        {"{\"a\": 1, }", false},
        {"\"\n\"", false},
        {"[1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a = {0};
        struct json *other = NULL;
        enum err why;
        struct json *quick = json_plain(span_of(cases[i].text), &a, &why);
        if ((quick != NULL) != cases[i].plain) fail_msg("%s", cases[i].text);
        if (quick && (json_by_yajl(span_of(cases[i].text), &a, &other) || !same(quick, other)))
            fail_msg("%s", cases[i].text);
        arena_release(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_readers_agree),      cmocka_unit_test(reads_members),
        cmocka_unit_test(prints_what_it_read),     cmocka_unit_test(keeps_non_finite_numbers),
        cmocka_unit_test(refuses_with_a_sentence), cmocka_unit_test(limits_depth),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
