/* test_diff_compiles.c - comparing compiles: texts without addresses, frames that move, excerpts.
 */
#include "unit.h"

#include "store/diff/compiles_parts.h"

static void expect_plain(const char *text, enum compile_plain how, const char *want)
{
    struct arena arena = {0};
    struct span got;
    assert_int_equal(compiles_plain(&arena, span_of(text), how, &got), ERR_OK);
    assert_string_equal(got.p, want);
    arena_release(&arena);
}

static void test_plain(void **unused)
{
    (void)unused;
    expect_plain("", COMPILE_PLAIN, "");
    expect_plain("<function f at 0x7f3c12ab>", COMPILE_PLAIN, "<function f at 0x#>");
    expect_plain("mask 0xff", COMPILE_PLAIN, "mask 0xff");
    expect_plain("___check_type_id(L['x'], 8812224), type=<class 'int'>", COMPILE_PLAIN,
                 "___check_type_id(L['x'], #), type=<class 'int'>");
    expect_plain("size=[1, 5242880], stride=[5242880, 1]", COMPILE_PLAIN,
                 "size=[1, 5242880], stride=[5242880, 1]");
    expect_plain("G['__optimizer_140220125510880']", COMPILE_PLAIN, "G['__optimizer_#']");
    expect_plain("torch_dynamo_resume_in_f_at_12", COMPILE_PLAIN, "torch_dynamo_resume_in_f_at_#");
    expect_plain("look_at_12", COMPILE_PLAIN, "look_at_12");
    expect_plain("open '/tmp/torchinductor_user/ab/x.py'", COMPILE_PLAIN, "open 'x.py'");
    expect_plain("a / b and a/b", COMPILE_PLAIN, "a / b and a/b");
    expect_plain("at prog.py:12, line 14", COMPILE_PLAIN, "at prog.py:12, line 14");
    expect_plain("at prog.py:12, line 14", COMPILE_PLAIN_LINES, "at prog.py:#, line #");
}

static void test_lines(void **unused)
{
    (void)unused;
    struct arena arena = {0};
    struct compile_lines l;
    struct span text =
        SPAN("def f():\n    # File: a.py:1\n\n    x = 1  # PlainAOTInput\n#pragma omp\n#\n");
    assert_int_equal(compiles_lines(&arena, text, &l), ERR_OK);
    assert_string_equal(l.text.p, "def f():\n    x = 1\n#pragma omp\n");
    assert_int_equal(l.n, 3);
    assert_int_equal(l.number[0], 1);
    assert_int_equal(l.number[1], 4);
    assert_int_equal(l.number[2], 5);
    assert_int_equal(compiles_lines(&arena, SPAN("\nreturn x"), &l), ERR_OK);
    assert_string_equal(l.text.p, "return x\n");
    arena_release(&arena);
}

/* A compile of a log as "function file line frame nth". */
struct made {
    const char *function, *file;
    int64_t line, frame, nth;
};

static void fill(struct compile_comparison *c, int k, const struct made *made, size_t n)
{
    struct compile_side *s = &c->side[k];
    *s = (struct compile_side){.arena = &c->arena};
    *LIST_PUSH(&s->log) = (struct compile_log){1, -1, 0};
    for (size_t i = 0; i < n; i++)
        *LIST_PUSH(&s->compile) = (struct compile_row){.id = (int64_t)i + 1,
                                                       .source = 1,
                                                       .frame = made[i].frame,
                                                       .nth = made[i].nth,
                                                       .rank = -1,
                                                       .line = made[i].line,
                                                       .function = span_of(made[i].function),
                                                       .file = span_of(made[i].file),
                                                       .partner = DIFF_NONE};
}

/* want: for each compile of A its partner in B, -1 none. */
static void expect_match(const struct made *a, size_t n_a, const struct made *b, size_t n_b,
                         const int *want)
{
    struct compile_comparison c = {0};
    fill(&c, 0, a, n_a);
    fill(&c, 1, b, n_b);
    assert_int_equal(compiles_match(&c), ERR_OK);
    for (size_t i = 0; i < n_a; i++) assert_int_equal((int)c.pair.p[i].b, want[i]);
    int64_t alone = c.result.n_alone[0] + c.result.n_alone[1];
    assert_int_equal(2 * c.result.n_matched + alone, n_a + n_b);
    for (int k = 0; k < 2; k++) {
        LIST_RELEASE(&c.side[k].log);
        LIST_RELEASE(&c.side[k].compile);
        LIST_RELEASE(&c.side[k].frame);
    }
    LIST_RELEASE(&c.pair);
    arena_release(&c.arena);
}

#define MATCH(a, b, ...)                                                                           \
    expect_match(a, sizeof(a) / sizeof *(a), b, sizeof(b) / sizeof *(b), (const int[]){__VA_ARGS__})

static void test_frames(void **unused)
{
    (void)unused;
    const struct made a[] = {
        {"f", "/x/p.py", 3, 0, 0}, {"f", "/x/p.py", 3, 0, 1}, {"g", "/x/p.py", 9, 1, 0}};
    const struct made moved[] = {{"g", "/y/p.py", 10, 0, 0}, {"f", "/y/p.py", 4, 1, 0}};
    const struct made renamed[] = {{"f2", "/x/p.py", 3, 0, 0}, {"h", "/x/p.py", 20, 1, 0}};
    const struct made nothing[] = {{"k", "/x/q.py", 1, 5, 0}};
    MATCH(a, a, 0, 1, 2);
    MATCH(a, moved, 1, -1, 0);
    MATCH(a, renamed, 0, -1, -1);
    MATCH(a, nothing, -1, -1, -1);
}

static void test_frames_of_one_name(void **unused)
{
    (void)unused;
    /* Two lambdas; one of them stayed where it was. */
    const struct made a[] = {{"<lambda>", "p.py", 3, 0, 0}, {"<lambda>", "p.py", 8, 1, 0}};
    const struct made b[] = {{"<lambda>", "p.py", 8, 0, 0}, {"<lambda>", "p.py", 5, 1, 0}};
    MATCH(a, b, 1, 0);
    /* The same code after a reset is another frame. */
    const struct made reset[] = {
        {"f", "p.py", 3, 0, 0}, {"f", "p.py", 3, 0, 1}, {"f", "p.py", 3, 0, 0}};
    const struct made less[] = {{"f", "p.py", 3, 0, 0}, {"f", "p.py", 3, 0, 0}};
    MATCH(reset, less, 0, -1, 1);
    const struct made resumed[] = {{"torch_dynamo_resume_in_f_at_8", "p.py", 8, 1, 0}};
    const struct made later[] = {{"torch_dynamo_resume_in_f_at_9", "p.py", 9, 2, 0}};
    MATCH(resumed, later, 0);
}

static void expect_excerpt(const char *text, const char *other, size_t most, const char *want)
{
    struct buf b = {0};
    compiles_excerpt(&b, span_of(text), span_of(other), most);
    assert_string_equal(buf_text(&b).p, want);
    buf_release(&b);
}

static void test_excerpt(void **unused)
{
    (void)unused;
    expect_excerpt("", "x", 5, "");
    expect_excerpt("a\nb", "", 5, "a b");
    expect_excerpt("abcdefgh", "abcdefgx", 5, "abcde...");
    /* A little of what both share, from where they part. */
    expect_excerpt("0123456789012345678901234567890123456789XYZ",
                   "0123456789012345678901234567890123456789abc", 27,
                   "...678901234567890123456789XYZ");
    /* Letters of several bytes are not cut. */
    expect_excerpt("\xc3\xa4\xc3\xa4\xc3\xa4", "", 3, "\xc3\xa4...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),   cmocka_unit_test(test_lines),
        cmocka_unit_test(test_frames),  cmocka_unit_test(test_frames_of_one_name),
        cmocka_unit_test(test_excerpt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
