/* test_reason.c - texts as PyTorch 2.13 wrote them, and texts nobody foresaw. */
#include "unit.h"

#include "web/reason.h"

static void is(struct span s, const char *want)
{
    if (!want) {
        assert_null(s.p);
        return;
    }
    assert_int_equal(s.n, strlen(want));
    assert_memory_equal(s.p, want, s.n);
}

static struct recompile_reason read(const char *text)
{
    return reason_of_recompile(span_of(text), SPAN_NONE);
}

static void test_size(void **unused)
{
    (void)unused;
    struct recompile_reason r = read("tensor 'x' size mismatch at index 0. expected 4, actual 6");
    is(r.subject, "x");
    is(r.property, "size");
    is(r.place, "at index 0");
    is(r.expected, "4");
    is(r.actual, "6");
    is(r.file, NULL);
}

static void test_dtype_and_flags(void **unused)
{
    (void)unused;
    struct recompile_reason r =
        read("tensor 'self.w' dtype mismatch. expected Float, actual Double");
    is(r.subject, "self.w");
    is(r.property, "dtype");
    is(r.actual, "Double");
    r = read("tensor 'w' requires_grad mismatch. expected requires_grad=0");
    is(r.property, "requires_grad");
    is(r.expected, "0");
    is(r.actual, NULL);
    r = read("GLOBAL_STATE changed: grad_mode ");
    is(r.subject, "grad_mode");
    is(r.expected, NULL);
}

static void test_symbols(void **unused)
{
    (void)unused;
    struct recompile_reason r = read("L['y'].size()[0] == L['x'].size()[0]. expected 7, actual 8");
    is(r.subject, "L['y'].size()[0]");
    is(r.property, "== L['x'].size()[0]");
    is(r.expected, "7");
    is(r.actual, "8");
    r = read("2 <= L['x'].size()[0]. expected at least 2, actual 1");
    is(r.subject, "L['x'].size()[0]");
    is(r.property, "2 <=");
    is(r.expected, "at least 2");
    is(r.actual, "1");
    r = read("x. expected more");
    is(r.subject, NULL);
}

static void test_value_with_user_stack(void **unused)
{
    (void)unused;
    struct recompile_reason r = read(
        "power == 2                                  # y = x**power  # me/user/project/a.py:20 in "
        "f\n"
        "User stack trace:\n  File \"/home/user/project/a.py\", line 20, in f\n    y = x**power");
    is(r.what, "power == 2");
    is(r.subject, "power");
    is(r.expected, "2");
    is(r.actual, NULL);
    is(r.loc, "y = x**power");
    is(r.file, "/home/user/project/a.py");
    assert_int_equal(r.line, 20);
    r = read("L['n'] == 3");
    is(r.subject, "n");
    r = read("L['a'] + L['b'] == 3");
    is(r.subject, "L['a'] + L['b']");
}

static void test_origin_apart(void **unused)
{
    (void)unused;
    struct recompile_reason r = reason_of_recompile(
        SPAN("name == 'a'"), SPAN("return x + len(name)  # me/user/a.py:29 in by_name"));
    is(r.expected, "'a'");
    is(r.loc, "return x + len(name)");
    is(r.file, "me/user/a.py");
    assert_int_equal(r.line, 29);
    r = reason_of_recompile(SPAN("x"), SPAN("no place"));
    is(r.loc, NULL);
    r = reason_of_recompile(SPAN("x"), SPAN("loc  # a.py in f"));
    is(r.loc, "loc");
    is(r.file, NULL);
}

static void test_unforeseen(void **unused)
{
    (void)unused;
    struct recompile_reason r = read("");
    is(r.subject, NULL);
    r = read("tensor 'x");
    is(r.what, "tensor 'x");
    is(r.expected, NULL);
    r = read("___check_type_id(L['x'], 12)");
    is(r.what, "___check_type_id(L['x'], 12)");
    r = read("a == 1\nUser stack trace:\n  File \"x\", line 99999999999999999999");
    assert_int_equal(r.line, 0);
}

static const char BREAK[] =
    "Graph break in user code at /home/user/project/a.py:16\n"
    "Graph Break Reason: Encountered graph break when attempting to trace CALL: f(x, y):\n\n"
    "Failed to trace builtin operator\n"
    "  Explanation: Dynamo does not know how to trace `print`.\n"
    "  Hint: Avoid calling it.\n"
    "  Hint: Please report an issue.\n\n"
    "  Developer debug context: builtin print\n\n"
    " For more details about this graph break, please visit: https://example.org/gb0059.html\n\n"
    "User code traceback:\n  File \"a.py\", line 16, in f\n";

static void test_break(void **unused)
{
    (void)unused;
    struct complaint c = reason_of_complaint(span_of(BREAK));
    is(c.headline, "Failed to trace builtin operator");
    assert_true(span_starts(c.preface, "Graph break in user code"));
    is(c.explanation, "Dynamo does not know how to trace `print`.");
    assert_int_equal(c.n_hints, 2);
    is(c.hints[1], "Please report an issue.");
    is(c.context, "builtin print");
    is(c.url, "https://example.org/gb0059.html");
    assert_true(span_starts(c.rest, "User code traceback:"));
}

static void test_failure_without_labels(void **unused)
{
    (void)unused;
    struct complaint c =
        reason_of_complaint(SPAN("backend='b' raised:\nNotImplementedError: nothing"));
    is(c.headline, "backend='b' raised:");
    is(c.rest, "NotImplementedError: nothing");
    is(c.explanation, NULL);
    c = reason_of_complaint(SPAN("\n\n"));
    assert_int_equal(c.headline.n, 0);
    assert_int_equal(c.rest.n, 0);
    c = reason_of_complaint(SPAN("Explanation: of nothing"));
    is(c.headline, "Explanation: of nothing");
}

/* More hints than are kept do no harm. */
static void test_many_hints(void **unused)
{
    (void)unused;
    char text[1000] = "Head\n  Explanation: e\n";
    for (int i = 0; i < 40; i++) strcat(text, "  Hint: h\n");
    assert_int_equal(reason_of_complaint(span_of(text)).n_hints, REASON_HINTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size),         cmocka_unit_test(test_dtype_and_flags),
        cmocka_unit_test(test_symbols),      cmocka_unit_test(test_value_with_user_stack),
        cmocka_unit_test(test_origin_apart), cmocka_unit_test(test_unforeseen),
        cmocka_unit_test(test_break),        cmocka_unit_test(test_failure_without_labels),
        cmocka_unit_test(test_many_hints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
