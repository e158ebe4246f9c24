/* test_html.c - the escaping writer: nothing of a trace becomes markup, numbers read as the
 * design says. */
#include "tests/unit/unit.h"

#include <math.h>

#include "web/html.h"

#define EXPECT(text, ...)                                                                          \
    do {                                                                                           \
        struct html h_ = {0};                                                                      \
        html(&h_, __VA_ARGS__);                                                                    \
        assert_string_equal(h_.out.p ? h_.out.p : "", text);                                       \
        html_release(&h_);                                                                         \
    } while (0)

static void escapes_text(void **state)
{
    (void)state;
    EXPECT("&lt;script&gt;&amp;&quot;&#39;", "%s", "<script>&\"'");
    EXPECT("<p title=\"a&quot; onclick=&quot;x\">", "<p title=\"%s\">", "a\" onclick=\"x");
    EXPECT("a\xef\xbf\xbd[31mb", "%s", "a\x1b[31mb");
    EXPECT("x\ny\tz", "%s", "x\ny\r\tz");
    EXPECT("100%", "100%%%s", "");
}

static void replaces_what_is_not_text(void **state)
{
    (void)state;
    struct span nul = {"a\0b", 3};
    EXPECT("a\xef\xbf\xbd"
           "b",
           "%s", nul);
    EXPECT("\xef\xbf\xbd", "%s", "\xff");
    EXPECT("\xef\xbf\xbd", "%s", "\xc3");                         /* cut in the middle */
    EXPECT("\xef\xbf\xbd\xef\xbf\xbd", "%s", "\xc0\xaf");         /* overlong slash */
    EXPECT("\xc3\xa9\xe2\x82\xac", "%s", "\xc3\xa9\xe2\x82\xac"); /* e acute, euro */
    EXPECT("a\xef\xbf\xbd"
           "b",
           "%s",
           "a\xe2\x80\xae"
           "b"); /* right-to-left override */
    EXPECT("a\xef\xbf\xbd"
           "b",
           "%s",
           "a\xe2\x81\xa6"
           "b");                              /* isolate */
    EXPECT("\xef\xbf\xbd", "%s", "\xc2\x9b"); /* C1 control: a terminal's CSI */
}

static void writes_absent_values(void **state)
{
    (void)state;
    EXPECT("[]", "[%s]", (const char *)NULL);
    EXPECT("[\xe2\x80\x93]", "[%n]", STORE_NULL);
    EXPECT("[\xe2\x80\x93]", "[%t]", NAN);
    EXPECT("[\xe2\x80\x93]", "[%f]", SPAN_NONE);
}

static void writes_numbers(void **state)
{
    (void)state;
    EXPECT("0 84 1\xe2\x80\xaf"
           "234 9\xe2\x80\xaf"
           "999\xe2\x80\xaf"
           "999 12.3 M",
           "%n %n %n %n %n", 0, 84, 1234, 9999999, 12345678);
    EXPECT("\xe2\x88\x92"
           "5",
           "%n", -5);
    EXPECT("-5 1234567", "%d %d", -5, (int64_t)1234567);
    EXPECT("6.65 s, 25.2 ms, 84 ns, 1.50 \xc2\xb5s, 135 ms", "%t, %t, %t, %t, %t",
           (int64_t)6650000000, 25200000, 84, 1500, 135000000);
    EXPECT("1.00 s", "%t", 999999999);
    EXPECT("47\xe2\x80\xaf"
           "072.0 0 0.1",
           "%m %m %m", (int64_t)47072000000, 0, 100000);
    EXPECT("0 B, 1023 B, 1.0 KiB, 16.0 MiB", "%b, %b, %b, %b", 0, 1023, 1024, 16777216);
    EXPECT("77 %, 1.6 %, 100 %, 0 %", "%p, %p, %p, %p", 0.77, 0.016, 1.0, 0.0);
    EXPECT("04:21:57.541 2026-11-23 04:21:57.541", "%c %C", (int64_t)1795407717541000000,
           (int64_t)1795407717541000000);
}

static void extreme_numbers_end(void **state)
{
    (void)state;
    struct html h = {0};
    static const double reals[] = {1e308, -1e308, INFINITY, -INFINITY, NAN, 5e-324};
    static const char verbs[] = "dntmbpcC";
    for (const char *v = verbs; *v; v++) {
        for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
            html_number(&h.out, *v, html_of_real(reals[i]));
        html_number(&h.out, *v, html_of_int(INT64_MAX));
        html_number(&h.out, *v, html_of_int(INT64_MIN + 1));
    }
    assert_true(h.out.n > 0 && !html_ok(&h));
    html_release(&h);
}

static void encodes_addresses(void **state)
{
    (void)state;
    EXPECT("/a?x=a%20b%26c%3Dd%22%3C", "/a?x=%u", "a b&c=d\"<");
    EXPECT("0/1", "%u", "0/1");
}

static void reads_function_names(void **state)
{
    (void)state;
    EXPECT("<code>f</code>", "%f", "f");
    EXPECT("<span title=\"torch_dynamo_resume_in_broken_at_16\"><code>broken</code> <span "
           "class=\"dim\">resumed at 16</span></span>",
           "%f", "torch_dynamo_resume_in_broken_at_16");
    EXPECT("<code>torch_dynamo_resume_in_x</code>", "%f", "torch_dynamo_resume_in_x");
    EXPECT("<code>torch_dynamo_resume_in_x_at_&lt;b&gt;</code>", "%f",
           "torch_dynamo_resume_in_x_at_<b>");
}

static void cuts_long_names_between_characters(void **state)
{
    (void)state;
    EXPECT("short", "%l", "short");
    EXPECT("<span class=\"mid\" "
           "title=\"inductor_provenance_tracking_node_mappings\"><span>inductor_provenance_"
           "tracking_n</span>"
           "<span>ode_mappings</span></span>",
           "%l", "inductor_provenance_tracking_node_mappings");
    struct html h = {0};
    html(&h, "%l",
         "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
         "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9x");
    assert_null(strstr(h.out.p, "\xef\xbf\xbd"));
    html_release(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_text),
        cmocka_unit_test(replaces_what_is_not_text),
        cmocka_unit_test(writes_absent_values),
        cmocka_unit_test(writes_numbers),
        cmocka_unit_test(extreme_numbers_end),
        cmocka_unit_test(encodes_addresses),
        cmocka_unit_test(reads_function_names),
        cmocka_unit_test(cuts_long_names_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
