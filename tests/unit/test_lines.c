/* test_lines.c - windows of lines: what is kept, what is counted, what is cut, however the text
 * is cut in pieces. */
#include "unit.h"

#include "web/lines.h"

static void feed(struct lines_window *w, const char *text, size_t n, size_t piece, int64_t first,
                 int64_t many, enum hl_language language)
{
    lines_begin(w, first, language);
    w->many = many;
    for (size_t i = 0; i < n; i += piece)
        assert_int_equal(lines_add(w, (struct span){text + i, n - i < piece ? n - i : piece}),
                         ERR_OK);
    assert_int_equal(lines_end(w), ERR_OK);
}

static void expect(const char *text, int64_t first, int64_t many, int64_t from, int64_t total,
                   const char *want)
{
    for (size_t piece = 1; piece < 6; piece++) {
        struct lines_window w;
        feed(&w, text, strlen(text), piece, first, many, HL_PLAIN);
        assert_int_equal(w.first, from);
        assert_int_equal(w.total, total);
        assert_string_equal(buf_text(&w.text).p, want);
        lines_release(&w);
    }
}

static void test_windows(void **unused)
{
    (void)unused;
    expect("", 1, 10, 1, 0, "");
    expect("a", 1, 10, 1, 1, "a\n");
    expect("a\n", 1, 10, 1, 1, "a\n");
    expect("a\n\nb", 1, 10, 1, 3, "a\n\nb\n");
    expect("a\nb\nc\nd\n", 2, 2, 2, 4, "b\nc\n");
    expect("a\nb\n", 9, 2, 3, 2, "");
    expect("a\nb\n", -5, 1, 1, 2, "a\n");
}

static void test_long_lines_are_cut_and_counted(void **unused)
{
    (void)unused;
    size_t n = 3 * LINES_LONGEST;
    char *text = malloc(n + 3);
    assert_non_null(text);
    memset(text, 'x', n);
    memcpy(text + n, "\ny", 3);
    struct lines_window w;
    feed(&w, text, n + 2, 1000, 1, 10, HL_PLAIN);
    assert_int_equal(w.total, 2);
    assert_int_equal(w.n, 2);
    assert_int_equal(w.n_cut, n - LINES_LONGEST);
    assert_int_equal(w.longest, n);
    assert_int_equal(w.text.n, LINES_LONGEST + 3);
    lines_release(&w);
    free(text);
}

static void test_bytes_of_a_window_are_bounded(void **unused)
{
    (void)unused;
    struct lines_window w;
    struct buf text = {0};
    for (int i = 0; i < 1000; i++) {
        for (int k = 0; k < 4000; k++) buf_putc(&text, 'x');
        buf_putc(&text, '\n');
    }
    feed(&w, text.p, text.n, 1 << 20, 1, LINES_MANY, HL_PLAIN);
    assert_int_equal(w.total, 1000);
    assert_true(w.text.n < LINES_BYTES + LINES_LONGEST + 1);
    assert_true(w.n < 200);
    lines_release(&w);
    buf_release(&text);
}

/* A window that begins inside a string knows it. */
static void test_tokenizer_is_led_to_the_window(void **unused)
{
    (void)unused;
    static const char text[] = "x = '''\ninside\n'''\ny";
    struct lines_window w;
    feed(&w, text, sizeof text - 1, 3, 2, 10, HL_PYTHON);
    assert_int_equal(w.state.open, '\'');
    lines_release(&w);
    feed(&w, text, sizeof text - 1, 3, 4, 10, HL_PYTHON);
    assert_int_equal(w.state.open, 0);
    lines_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_long_lines_are_cut_and_counted),
        cmocka_unit_test(test_bytes_of_a_window_are_bounded),
        cmocka_unit_test(test_tokenizer_is_led_to_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
