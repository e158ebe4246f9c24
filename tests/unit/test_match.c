/* test_match.c - match.c: words and expressions by line, with payload tabs, invalid bytes and
 * costly patterns. */
#include "tests/unit/unit.h"

#include "store/match.h"

/* Offsets of all first matches per line, as "at:n at:n". */
static const char *matches(const char *pattern, unsigned flags, struct span text)
{
    static char out[512];
    struct match_pattern *p;
    struct match_scan scan;
    struct match m;
    size_t at = 0;
    int used = 0;
    out[0] = 0;
    if (match_pattern_new(span_of(pattern), flags, &p)) fail_msg("%s", err_text());
    assert_int_equal(match_scan_init(&scan, p), ERR_OK);
    while (match_next(&scan, text, at, &m)) {
        used += snprintf(out + used, sizeof out - (size_t)used, "%s%zu:%zu", used ? " " : "", m.at,
                         m.n);
        const char *end = memchr(text.p + m.at, '\n', text.n - m.at);
        at = end ? (size_t)(end - text.p) + 1 : text.n + 1;
    }
    match_scan_release(&scan);
    match_pattern_free(p);
    return out;
}

static void words(void **state)
{
    (void)state;
    assert_string_equal(matches("b", 0, SPAN("abb\nxb\nyy\nb")), "1:1 5:1 10:1");
    assert_string_equal(matches("a.c", 0, SPAN("abc a.c")), "4:3");
    assert_string_equal(matches("B", 0, SPAN("ab")), "");
    assert_string_equal(matches("B", MATCH_IGNORE_CASE, SPAN("ab")), "1:1");
    assert_string_equal(matches("(", MATCH_IGNORE_CASE, SPAN("f(x)")), "1:1");
    assert_string_equal(matches("\xc3\x9c", MATCH_IGNORE_CASE, SPAN("x\xc3\xbc")), "1:2");
}

static void expressions_stay_within_lines(void **state)
{
    (void)state;
    assert_string_equal(matches("a\\s+b", MATCH_REGEX, SPAN("a\nb\na b\n")), "4:3");
    assert_string_equal(matches("x.*$", MATCH_REGEX, SPAN("axb\nxc")), "1:2 4:2");
    assert_string_equal(matches("[^z]+", MATCH_REGEX, SPAN("ab\ncd\n")), "0:2 3:2");
    assert_string_equal(matches("b\\b", MATCH_REGEX, SPAN("ab\r\nbb\r\n")), "1:1 5:1");
}

static void anchors_stand_behind_the_tab(void **state)
{
    (void)state;
    assert_string_equal(matches("^def", MATCH_REGEX, SPAN("\tdef f\n\t def g\ndef h\n")),
                        "1:3 15:3");
    assert_string_equal(matches("^$", MATCH_REGEX, SPAN("\ta\n\t\nb\n")), "4:0");
    assert_string_equal(matches("a$", MATCH_REGEX, SPAN("\ta\r\n\tb a\n")), "1:1 7:1");
}

static void bytes_that_are_no_text(void **state)
{
    (void)state;
    assert_string_equal(matches("b+", MATCH_REGEX,
                                SPAN("\xff\xfe"
                                     "bb\n\x80"
                                     "b")),
                        "2:2 6:1");
    assert_string_equal(matches("b", 0, ((struct span){"\0b\0\nb", 5})), "1:1 4:1");
}

static void costly_places_are_skipped_and_counted(void **state)
{
    (void)state;
    struct match_pattern *p;
    struct match_scan scan;
    struct match m;
    char text[4100];
    memset(text, 'a', sizeof text);
    text[4000] = '\n';
    memcpy(text + 4001, "xaab", 4);
    assert_int_equal(match_pattern_new(SPAN("(a*)*b"), MATCH_REGEX, &p), ERR_OK);
    assert_int_equal(match_scan_init(&scan, p), ERR_OK);
    bool found = match_next(&scan, (struct span){text, 4005}, 0, &m);
    assert_true(found ? m.at >= 4001 : scan.n_skipped > 0);
    match_scan_release(&scan);
    match_pattern_free(p);
}

static void patterns_that_are_none(void **state)
{
    (void)state;
    struct match_pattern *p;
    assert_int_equal(match_pattern_new(SPAN(""), 0, &p), ERR_USAGE);
    assert_int_equal(match_pattern_new(SPAN("a\nb"), 0, &p), ERR_USAGE);
    assert_int_equal(match_pattern_new(SPAN("[a"), MATCH_REGEX, &p), ERR_USAGE);
    assert_non_null(strstr(err_text(), "at byte 2"));
    assert_int_equal(match_pattern_new(SPAN("\\C"), MATCH_REGEX, &p), ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(expressions_stay_within_lines),
        cmocka_unit_test(anchors_stand_behind_the_tab),
        cmocka_unit_test(bytes_that_are_no_text),
        cmocka_unit_test(costly_places_are_skipped_and_counted),
        cmocka_unit_test(patterns_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
