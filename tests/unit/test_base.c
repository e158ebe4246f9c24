/* test_base.c - spans, buffers, arenas, maps, lists, errors. */
#include "tests/unit/unit.h"

#include <math.h>

#include "store/base/arena.h"
#include "store/base/buf.h"
#include "store/base/clock.h"
#include "store/base/lists.h"
#include "store/base/map.h"

static void reads_numbers_whole(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"1 ", false, 0},
        {"0x1", false, 0},
        {"99999999999999999999999", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t v = 0;
        assert_int_equal(span_to_i64(span_of(cases[i].text), &v), cases[i].ok);
        if (cases[i].ok) assert_true(v == cases[i].value);
    }
    double d;
    assert_true(span_to_f64(SPAN("-2.5e3"), &d) && d == -2500);
    assert_false(span_to_f64(SPAN("0x10"), &d));
    assert_false(span_to_f64(SPAN(" 1"), &d));
    assert_false(span_to_f64(SPAN("1,"), &d));
}

static void cuts_lines(void **state)
{
    (void)state;
    struct span rest = SPAN("a\n\nb"), line;
    assert_true(span_next_line(&rest, &line) && span_is(line, "a"));
    assert_true(span_next_line(&rest, &line) && line.n == 0);
    assert_true(span_next_line(&rest, &line) && span_is(line, "b"));
    assert_false(span_next_line(&rest, &line));
    assert_int_equal(span_find(SPAN("abcabc"), SPAN("ca"), 0), 2);
    assert_true(span_find(SPAN("abc"), SPAN("x"), 0) == SIZE_MAX);
    assert_true(span_is(span_trim(SPAN(" \t a b \r\n")), "a b"));
}

static void knows_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
    } cases[] = {
        {"a", 1},        {"\xc3\xa9", 2},     {"\xe2\x82\xac", 3},     {"\xf0\x9f\x98\x80", 4},
        {"\xc0\x80", 0}, {"\xed\xa0\x80", 0}, {"\xf4\x90\x80\x80", 0}, {"\x80", 0},
        {"\xe2\x82", 0}, {"\xff", 0},         {"\xe0\x80\x80", 0},     {"\xf0\x80\x80\x80", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(utf8_length(span_of(cases[i].bytes)), cases[i].length);
}

static void escapes(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_json(&b, (struct span){"a\"\\\n\x01\x00\xff\xc3\xa9<", 10});
    assert_string_equal(b.p, "\"a\\\"\\\\\\n\\u0001\\u0000\xef\xbf\xbd\xc3\xa9<\"");
    buf_clear(&b);
    buf_terminal(&b, SPAN("a\x1b[31m\tb\xc2\x9bq\n\x7f"));
    assert_string_equal(b.p, "a\xef\xbf\xbd[31m\tb\xef\xbf\xbdq\n\xef\xbf\xbd");
    buf_clear(&b);
    buf_json_real(&b, 0.1);
    buf_json_real(&b, NAN);
    buf_json_real(&b, 3);
    assert_string_equal(b.p, "0.1null3.0");
    buf_release(&b);
}

static void buffers_grow_and_fail_softly(void **state)
{
    (void)state;
    struct buf b = {0};
    for (int i = 0; i < 1000; i++) buf_printf(&b, "%d,", i);
    assert_int_equal(b.n, 3890);
    assert_int_equal(strlen(b.p), b.n);
    assert_null(buf_reserve(&b, SIZE_MAX - 10));
    assert_int_equal(buf_ok(&b), ERR_NOMEM);
    buf_puts(&b, "ignored");
    assert_int_equal(b.n, 3890);
    buf_release(&b);
}

static void arenas_align_and_clear(void **state)
{
    (void)state;
    struct arena a = {0};
    for (int i = 1; i < 2000; i++) {
        char *p = arena_alloc(&a, (size_t)i);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (int k = 0; k < i; k++) assert_int_equal(p[k], 0);
        memset(p, 0xff, (size_t)i);
    }
    assert_null(arena_array(&a, SIZE_MAX / 2, 4));
    assert_null(arena_copy(&a, SPAN_NONE).p);
    assert_string_equal(arena_copy(&a, SPAN("x")).p, "x");
    arena_clear(&a);
    assert_int_equal(a.used, 0);
    assert_string_equal(arena_printf(&a, "%d-%s", 5, "y"), "5-y");
    arena_release(&a);
}

static void maps_remember(void **state)
{
    (void)state;
    struct map m = {0};
    for (int64_t i = 0; i < 10000; i++) {
        bool added;
        *map_put(&m, map_key_int(i, i * 7), 0, &added) = i;
        assert_true(added);
    }
    for (int64_t i = 0; i < 10000; i++) assert_true(*map_get(&m, map_key_int(i, i * 7)) == i);
    assert_null(map_get(&m, map_key(SPAN("absent"))));
    assert_int_equal(m.n, 10000);
    map_clear(&m);
    assert_null(map_get(&m, map_key_int(1, 7)));
    map_release(&m);
}

static void lists_grow(void **state)
{
    (void)state;
    LIST_OF(int) l = {0};
    for (int i = 0; i < 100; i++) *LIST_PUSH(&l) = i;
    assert_int_equal(l.n, 100);
    assert_int_equal(l.p[99], 99);
    LIST_RELEASE(&l);
}

static enum err fails(void)
{
    FAIL(ERR_FORMAT, "byte %d is wrong", 5);
}
static enum err forwards(void)
{
    TRY(fails());
    return ERR_OK;
}

static void errors_chain(void **state)
{
    (void)state;
    enum err e = forwards();
    assert_int_equal(e, ERR_FORMAT);
    assert_int_equal(err_wrap(e, "reading %s: ", "a.log"), ERR_FORMAT);
    assert_string_equal(err_text(), "reading a.log: byte 5 is wrong");
    assert_string_equal(err_name(e), "FORMAT");
    err_clear();
    assert_string_equal(err_text(), "");
}

static void counts_days(void **state)
{
    (void)state;
    assert_int_equal(clock_days(1970, 1, 1), 0);
    assert_int_equal(clock_days(2000, 2, 29), 11016);
    assert_int_equal(clock_days(2026, 11, 23), 20780);
    assert_int_equal(clock_days(1969, 12, 31), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_numbers_whole),
        cmocka_unit_test(cuts_lines),
        cmocka_unit_test(knows_utf8),
        cmocka_unit_test(escapes),
        cmocka_unit_test(buffers_grow_and_fail_softly),
        cmocka_unit_test(arenas_align_and_clear),
        cmocka_unit_test(maps_remember),
        cmocka_unit_test(lists_grow),
        cmocka_unit_test(errors_chain),
        cmocka_unit_test(counts_days),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
