/* test_line_diff.c - edit scripts: small ones by eye, random ones by what must hold of any. */
#include "unit.h"

#include "store/base/buf.h"
#include "store/base/line_diff.h"

static void expect(const char *a, const char *b, const char *want)
{
    struct arena arena = {0};
    struct line_diff d;
    struct buf got = {0};
    assert_int_equal(line_diff(&arena, span_of(a), span_of(b), &d), ERR_OK);
    for (size_t i = 0; i < d.n; i++) {
        buf_putc(&got, "=-+"[d.lines[i].kind]);
        buf_span(&got, d.lines[i].text);
        buf_putc(&got, ' ');
    }
    assert_string_equal(buf_text(&got).p, want);
    buf_release(&got);
    arena_release(&arena);
}

static void test_small(void **unused)
{
    (void)unused;
    expect("", "", "");
    expect("a\nb\n", "a\nb\n", "=a =b ");
    expect("a\nb\nc", "a\nc", "=a -b =c ");
    expect("a\nc\n", "a\nb\nc\n", "=a +b =c ");
    expect("a\n", "", "-a ");
    expect("", "a\n", "+a ");
    expect("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n", "-a -b =c +b =a =b -b =a +c ");
}

static uint32_t seed = 3;
static uint32_t next(uint32_t n)
{
    return (seed = seed * 1664525 + 1013904223) / 65536 % n;
}

static void make(char *text, int n)
{
    for (int i = 0; i < n; i++) {
        *text++ = (char)('a' + next(4));
        *text++ = '\n';
    }
    *text = 0;
}

/* Without the new lines it is a, without the gone ones it is b, and numbers count up. */
static void check(const char *a, const char *b, int64_t most)
{
    struct arena arena = {0};
    struct line_diff d;
    struct buf left = {0}, right = {0};
    int64_t na = 0, nb = 0;
    assert_int_equal(line_diff(&arena, span_of(a), span_of(b), &d), ERR_OK);
    for (size_t i = 0; i < d.n; i++) {
        const struct line_edit *l = &d.lines[i];
        if (l->kind != LINE_NEW)
            buf_span(&left, l->text), buf_putc(&left, '\n'), assert_int_equal(l->a, ++na);
        if (l->kind != LINE_GONE)
            buf_span(&right, l->text), buf_putc(&right, '\n'), assert_int_equal(l->b, ++nb);
    }
    assert_string_equal(buf_text(&left).p, a);
    assert_string_equal(buf_text(&right).p, b);
    assert_true(d.n_gone + d.n_new <= most);
    buf_release(&left);
    buf_release(&right);
    arena_release(&arena);
}

static void test_random(void **unused)
{
    (void)unused;
    char a[128], b[128];
    for (int i = 0; i < 2000; i++) {
        int n = (int)next(40), m = (int)next(40);
        make(a, n);
        make(b, m);
        check(a, b, n + m);
    }
}

static void test_limits(void **unused)
{
    (void)unused;
    struct arena arena = {0};
    struct line_diff d;
    struct buf a = {0}, b = {0};
    for (int i = 0; i < LINE_DIFF_EDITS; i++)
        buf_printf(&a, "a%d\n", i), buf_printf(&b, "b%d\n", i);
    assert_int_equal(line_diff(&arena, buf_text(&a), buf_text(&b), &d), ERR_LIMIT);
    for (int i = 0; i < LINE_DIFF_LINES; i++) buf_puts(&a, "\n");
    assert_int_equal(line_diff(&arena, buf_text(&a), buf_text(&b), &d), ERR_LIMIT);
    arena_release(&arena);
    buf_release(&a);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
