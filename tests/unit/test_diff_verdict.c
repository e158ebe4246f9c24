/* test_diff_verdict.c - what becomes of pairs: each verdict, who made what, and what cannot be
 * told. Streams are written by hand; calls are paired by position. */
#include "unit.h"

#include <math.h>

#include "store/diff/judge.h"
#include "store/diff/verdict.h"

/* A tensor of a call: in("[0][0]", 5) reads, out(7) makes. */
struct t {
    int phase;
    const char *path;
    int64_t digest;
    enum diff_hash hash; /* 0: PKM64; -1: none */
    uint32_t number, version;
    const char *shape;
    int64_t elements;
};
#define IN(p, d)                                                                                   \
    {                                                                                              \
        .phase = 0, .path = p, .digest = d                                                         \
    }
#define OUT(d)                                                                                     \
    {                                                                                              \
        .phase = 1, .path = "", .digest = d                                                        \
    }
#define NUM(x, n)                                                                                  \
    {                                                                                              \
        .phase = x, .path = x ? "" : "[0][0]", .hash = -1, .number = n                             \
    }
enum { MOST = 6 };
struct call {
    const char *name, *args, *kwargs, *output;
    struct t t[MOST];
    uint32_t scope;
};

static int64_t bits(double v)
{
    int64_t b;
    memcpy(&b, &v, sizeof b);
    return b;
}

static void add_use(struct diff_stream *s, const struct t *t, bool numbers)
{
    struct diff_words *w = s->words;
    int hash = (int)t->hash;
    struct diff_form f = {.path = diff_word(w, span_of(t->path)),
                          .dtype = diff_word(w, SPAN("f32")),
                          .shape = diff_word(w, span_of(t->shape ? t->shape : "[4]")),
                          .stride = DIFF_NONE,
                          .phase = (uint8_t)t->phase,
                          .hash = (uint8_t)(hash < 0 ? DIFF_NO_HASH
                                            : hash   ? hash
                                                     : DIFF_PKM64),
                          .part = -1,
                          .elements = t->elements ? t->elements : 4};
    uint32_t number = numbers ? t->number : (uint32_t)DIFF_NONE;
    uint32_t version = numbers ? t->version : (uint32_t)DIFF_NONE;
    assert_int_equal(diff_add_use(s, diff_form(w, &f), t->digest, number, version), ERR_OK);
}

static void fill(struct diff_stream *s, const struct call *c, int n, bool numbers)
{
    struct diff_words *w = s->words;
    for (int i = 0; i < n; i++) {
        struct diff_text text = {
            .kind = 3,
            .name = diff_word(w, span_of(c[i].name)),
            .args = diff_word(w, span_of(c[i].args ? c[i].args : "t: f32[4]")),
            .kwargs = diff_word(w, span_of(c[i].kwargs ? c[i].kwargs : "")),
            .output = diff_word(w, span_of(c[i].output ? c[i].output : "  ->  t: f32[4]"))};
        assert_int_equal(
            diff_add_call(s, (uint32_t)i + 1, (uint32_t)i, c[i].scope, diff_text(w, &text)),
            ERR_OK);
        for (int k = 0; k < MOST && c[i].t[k].path; k++) add_use(s, &c[i].t[k], numbers);
    }
}

/* Two streams, their pairs and verdicts. */
struct world {
    struct diff_stream a, b;
    struct diff_pairs pairs;
    struct diff_verdicts v;
};

static void start(struct world *w)
{
    *w = (struct world){0};
    assert_int_equal(diff_stream_init(&w->a), ERR_OK);
    assert_int_equal(diff_stream_init(&w->b), ERR_OK);
}

static void judge(struct world *w, enum diff_hash hash)
{
    struct diff_verdict_options o = {.hash = hash, .all = true};
    assert_int_equal(diff_join(&w->a, &w->b), ERR_OK);
    uint32_t n = w->a.n_calls > w->b.n_calls ? w->a.n_calls : w->b.n_calls;
    for (uint32_t i = 0; i < n; i++) {
        struct diff_pair *p = LIST_PUSH(&w->pairs.pair);
        assert_non_null(p);
        *p = (struct diff_pair){.a = i < w->a.n_calls ? i : (uint32_t)DIFF_NONE,
                                .b = i < w->b.n_calls ? i : (uint32_t)DIFF_NONE,
                                .method = DIFF_BY_POSITION};
    }
    assert_int_equal(diff_judge(&w->a, &w->b, &w->pairs, &o, &w->v), ERR_OK);
}

static void end(struct world *w)
{
    diff_verdicts_release(&w->v);
    diff_pairs_release(&w->pairs);
    diff_stream_release(&w->b);
    diff_stream_release(&w->a);
}

/* Verdicts as letters, one per pair. */
static void expect_letters(const struct world *w, const char *want)
{
    char got[64] = "";
    for (size_t i = 0; i < w->pairs.pair.n; i++)
        strcat(got, diff_verdict_letter(w->pairs.pair.p[i].verdict));
    assert_string_equal(got, want);
}

static void expect(const struct call *a, int n, const struct call *b, int m, bool numbers,
                   const char *want)
{
    struct world w;
    start(&w);
    fill(&w.a, a, n, numbers);
    fill(&w.b, b, m, numbers);
    judge(&w, 0);
    expect_letters(&w, want);
    end(&w);
}
#define EXPECT(a, b, want) expect(a, sizeof a / sizeof *a, b, sizeof b / sizeof *b, false, want)
#define EXPECT_NUMBERED(a, b, want)                                                                \
    expect(a, sizeof a / sizeof *a, b, sizeof b / sizeof *b, true, want)

/* A weight that differs: an input where it is first used, then received, then masked by relu, and
 * gone; used again it is received. */
static void test_input(void **unused)
{
    (void)unused;
    const struct call a[] = {{"aten::neg", .t = {IN("[0][0]", 1), OUT(2)}},
                             {"aten::mm", .t = {IN("[0][0]", 2), IN("[0][1]", 3), OUT(4)}},
                             {"aten::add", .t = {IN("[0][0]", 4), OUT(5)}},
                             {"aten::relu", .t = {IN("[0][0]", 5), OUT(6)}},
                             {"aten::sum", .t = {IN("[0][0]", 6), OUT(7)}},
                             {"aten::t", .t = {IN("[0][0]", 3), OUT(8)}}};
    struct call b[6];
    memcpy(b, a, sizeof a);
    b[1].t[1].digest = 33;
    b[1].t[2].digest = 44;
    b[2].t[0].digest = 44;
    b[2].t[1].digest = 55;
    b[3].t[0].digest = 55;
    b[5].t[0].digest = 33;
    b[5].t[1].digest = 88;
    struct world w;
    start(&w);
    fill(&w.a, a, 6, false);
    fill(&w.b, b, 6, false);
    judge(&w, 0);
    expect_letters(&w, "=IRM=R");
    assert_int_equal(w.v.first, 1);
    assert_int_equal(w.v.origin, (uint32_t)DIFF_NONE);
    assert_int_equal(w.v.before, 1);
    /* The tensor that tells it, and who made what is received. */
    assert_int_equal(w.v.tensor.p[0].pair, 1);
    assert_true(w.v.tensor.p[0].external);
    assert_int_equal(w.v.tensor.p[0].phase, 0);
    for (size_t i = 0; i < w.v.tensor.n; i++)
        if (w.v.tensor.p[i].pair == 2 && !w.v.tensor.p[i].phase)
            assert_int_equal(w.v.tensor.p[i].producer, 1);
    end(&w);
}

static void test_origin_and_argument(void **unused)
{
    (void)unused;
    const struct call a[] = {
        {"aten::sum", .t = {IN("[0][0]", 1), OUT(2)}},
        {"aten::add", "t: f32[4], 1", .t = {IN("[0][0]", 9), OUT(5)}},
        {"aten::add", "t: f32[4], 1", ", alpha=1", .t = {IN("[0][0]", 10), OUT(6)}},
        {"aten::item", .output = "  ->  1.5", .t = {IN("[0][0]", 11)}},
        {"aten::item", .output = "  ->  1.5", .t = {IN("[0][0]", 11)}}};
    const struct call b[] = {
        {"aten::sum", .t = {IN("[0][0]", 1), OUT(22)}},
        {"aten::add", "t: f32[4], 2", .t = {IN("[0][0]", 9), OUT(5)}},
        {"aten::add", "t: f32[4], 1", ", alpha=2", .t = {IN("[0][0]", 10), OUT(66)}},
        {"aten::item", .output = "  ->  1.5", .t = {IN("[0][0]", 11)}},
        {"aten::item", .output = "  ->  2.5", .t = {IN("[0][0]", 11)}}};
    struct world w;
    start(&w);
    fill(&w.a, a, 5, false);
    fill(&w.b, b, 5, false);
    judge(&w, 0);
    expect_letters(&w, "OPO=O");
    assert_int_equal(w.pairs.pair.p[0].flags & DIFF_ARGUMENT_DIFFERS, 0);
    assert_int_equal(w.pairs.pair.p[2].flags & DIFF_ARGUMENT_DIFFERS, DIFF_ARGUMENT_DIFFERS);
    assert_int_equal(w.v.argument.n, 2);
    assert_true(span_is(diff_span(w.a.words, w.v.argument.p[0].path), "[0][1]"));
    assert_true(span_is(diff_span(w.a.words, w.v.argument.p[1].path), "[1]['alpha']"));
    assert_true(span_is(diff_span(w.a.words, w.v.argument.p[1].b), "2"));
    end(&w);
}

static void test_structure(void **unused)
{
    (void)unused;
    const struct call a[] = {{"aten::relu", .t = {IN("[0][0]", 1), OUT(2)}},
                             {"aten::mm", "t: f32[4]", .t = {IN("[0][0]", 2), OUT(3)}},
                             {"aten::neg", .t = {IN("[0][0]", 3), OUT(4)}}};
    const struct call b[] = {{"aten::clamp_min", .t = {IN("[0][0]", 1), OUT(2)}},
                             {"aten::mm", "t: f32[5]", .t = {IN("[0][0]", 2), OUT(3)}},
                             {"aten::neg", .t = {IN("[0][0]", 3), OUT(4)}},
                             {"aten::neg", .t = {IN("[0][0]", 4), OUT(3)}}};
    EXPECT(a, b, "SS=S");
    /* A tensor of another shape or only one run with it at all. */
    const struct call c[] = {{"aten::relu", .t = {{0, "[0][0]", 1, .shape = "[4]"}, OUT(2)}}};
    const struct call d[] = {{"aten::relu", .t = {{0, "[0][0]", 7, .shape = "[5]"}, OUT(2)}}};
    EXPECT(c, d, "S");
}

/* Two calls agree; a third reads the first one's result in one run and the second one's in the
 * other. With numbers nothing needs to be guessed. */
static void test_other_wiring(void **unused)
{
    (void)unused;
    const struct call a[] = {{"aten::neg", .t = {IN("[0][0]", 1), OUT(2)}},
                             {"aten::abs", .t = {IN("[0][0]", 1), OUT(3)}},
                             {"aten::sum", .t = {IN("[0][0]", 2), OUT(4)}}};
    const struct call b[] = {{"aten::neg", .t = {IN("[0][0]", 1), OUT(2)}},
                             {"aten::abs", .t = {IN("[0][0]", 1), OUT(3)}},
                             {"aten::sum", .t = {IN("[0][0]", 3), OUT(5)}}};
    EXPECT(a, b, "==S");
}

/* A weight of A that happens to equal a result (zeros) is still an input. */
static void test_coincidence(void **unused)
{
    (void)unused;
    const struct call a[] = {{"aten::zeros", "[4]", .t = {OUT(1)}},
                             {"aten::add", .t = {IN("[0][0]", 1), OUT(2)}}};
    const struct call b[] = {{"aten::zeros", "[4]", .t = {OUT(1)}},
                             {"aten::add", .t = {IN("[0][0]", 9), OUT(3)}}};
    EXPECT(a, b, "=I");
}

static void test_artefacts(void **unused)
{
    (void)unused;
    const struct call a[] = {
        {"aten::empty.memory_format", "[4]", .t = {OUT(1)}},
        {"aten::fill_.Scalar", "t: f32[4], 0", .t = {IN("[0][0]", 1), OUT(5)}},
        {"aten::mm.out", .kwargs = ", out=t: f32[4]",
         .t = {IN("[0][0]", 6), IN("[1]['out']", 7), OUT(8)}},
        {"aten::new_empty", "t: f32[4], [4]", .t = {IN("[0][0]", 6), {1, "", 0, -1}}}};
    struct call b[4];
    memcpy(b, a, sizeof a);
    b[0].t[0].digest = 11;
    b[1].t[0].digest = 11;
    b[2].t[1].digest = 77;
    EXPECT(a, b, "AAA=");
}

/* What is not hashed, and what an unhashed call hands on. */
static void test_unknown(void **unused)
{
    (void)unused;
    const struct call a[] = {{"aten::relu", .t = {IN("[0][0]", 1), {1, "", 0, -1}}},
                             {"aten::_foreach_add_.Scalar", "['t: f32[4]'], 1",
                              .output = "  ->  None", .t = {IN("[0][0][0]", 3)}},
                             {"aten::neg", .t = {{0, "[0][0]", 0, -1}, OUT(4)}},
                             {"aten::abs", .t = {{0, "[0][0]", 0, -1}, OUT(5)}}};
    struct call b[4];
    memcpy(b, a, sizeof a);
    EXPECT(a, b, "UU==");
    /* The first difference whose arguments are not hashed is taken for an origin, and said; later
     * ones may have received it. */
    b[2].t[1].digest = 44;
    b[3].t[1].digest = 55;
    struct world w;
    start(&w);
    fill(&w.a, a, 4, false);
    fill(&w.b, b, 4, false);
    judge(&w, 0);
    expect_letters(&w, "UUOR");
    assert_int_equal(w.pairs.pair.p[2].flags & DIFF_INPUTS_UNHASHED, DIFF_INPUTS_UNHASHED);
    assert_int_equal(w.v.n_unhashed, 2);
    end(&w);
}

static void test_norms(void **unused)
{
    (void)unused;
    double s = 12345.678;
    const struct call a[] = {
        {"aten::log", .t = {{0, "[0][0]", bits(1), DIFF_NORM}, {1, "", bits(NAN), DIFF_NORM}}},
        {"aten::mm", .t = {{0, "[0][0]", bits(1), DIFF_NORM},
                           {1, "", bits(s), DIFF_NORM, .shape = "[65536]", .elements = 65536}}},
        {"aten::sum",
         .t = {{0, "[0][0]", bits(s), DIFF_NORM, .shape = "[65536]", .elements = 65536},
               {1, "", bits(3), DIFF_NORM}}},
        {"aten::mm", .t = {{0, "[0][0]", bits(1), DIFF_NORM},
                           {1, "", bits(s), DIFF_NORM, .shape = "[512]", .elements = 512}}}};
    struct call b[4];
    memcpy(b, a, sizeof a);
    b[0].t[1].digest = bits(-NAN);
    b[1].t[1].digest = b[2].t[0].digest = bits(nextafter(s, 0));
    b[2].t[1].digest = bits(3.5);
    b[3].t[1].digest = bits(nextafter(s, 0));
    /* NaN equals NaN; a norm of many elements may differ by its own rounding, one of few not. */
    EXPECT(a, b, "=UOO");
}

/* The strongest kind that both have decides; one may be asked for; different ones never meet. */
static void test_kinds(void **unused)
{
    (void)unused;
    const struct call a[] = {{"aten::neg", .t = {{0, "[0][0]", bits(1), DIFF_NORM},
                                                 {0, "[0][0]", 10, DIFF_SHA256},
                                                 {1, "", bits(2), DIFF_NORM},
                                                 {1, "", 20, DIFF_SHA256}}}};
    struct call b[1];
    memcpy(b, a, sizeof a);
    b[0].t[1].digest = 11; /* a sign, which the norm does not see */
    b[0].t[3].digest = 21;
    EXPECT(a, b, "I");
    struct world w;
    start(&w);
    fill(&w.a, a, 1, false);
    fill(&w.b, b, 1, false);
    judge(&w, DIFF_NORM);
    expect_letters(&w, "=");
    assert_int_equal(w.v.hash, DIFF_NORM);
    end(&w);
    const struct call c[] = {
        {"aten::neg", .t = {{0, "[0][0]", 7, DIFF_HASH_TENSOR}, {1, "", 8, DIFF_HASH_TENSOR}}}};
    start(&w);
    fill(&w.a, a, 1, false);
    fill(&w.b, c, 1, false);
    judge(&w, 0);
    expect_letters(&w, "U");
    assert_int_equal(w.v.hash, DIFF_NO_HASH);
    end(&w);
}

/* With tensor numbers, what is not hashed where it is read is known from where it was made, as
 * long as it was not written since. */
static void test_numbers(void **unused)
{
    (void)unused;
    const struct call a[] = {
        {"aten::neg", .t = {{0, "[0][0]", 1, .number = 1}, {1, "", 2, .number = 2}}},
        {"aten::abs", .t = {NUM(0, 2), {1, "", 3, .number = 3}}},
        {"aten::relu", .t = {NUM(0, 3), {1, "", 4, .number = 4}}}};
    struct call b[3];
    memcpy(b, a, sizeof a);
    EXPECT_NUMBERED(a, b, "===");
    b[0].t[1].digest = 22;
    b[1].t[1].digest = 33;
    EXPECT_NUMBERED(a, b, "ORM"); /* not one origin after another */
    b[1].t[0].version = 1;        /* written between by what was not recorded */
    EXPECT_NUMBERED(a, b, "ORM");
    struct call c[2][3]; /* a number that is none, of a tensor that nothing reads */
    memcpy(c[0], a, sizeof a);
    memcpy(c[1], b, sizeof b);
    c[0][2].t[1].number = c[1][2].t[1].number = DIFF_NONE - 1;
    EXPECT_NUMBERED(c[0], c[1], "ORM");
}

/* A composite whose inside parts only hands it on. */
static void test_composite(void **unused)
{
    (void)unused;
    struct world w;
    uint32_t scope;
    struct call a[] = {{"aten::linear", .t = {IN("[0][0]", 1), OUT(3)}},
                       {"aten::t", .t = {IN("[0][0]", 1), OUT(2)}},
                       {"aten::mm", .t = {IN("[0][0]", 2), OUT(3)}}};
    struct call b[3];
    start(&w);
    for (int k = 0; k < 2; k++) {
        struct diff_stream *s = k ? &w.b : &w.a;
        assert_int_equal(diff_add_scope(s, 0, DIFF_CALL, SPAN("aten::linear"), &scope), ERR_OK);
        s->scopes.p[scope].call = 0;
    }
    a[1].scope = a[2].scope = scope;
    memcpy(b, a, sizeof a);
    b[0].t[1].digest = b[2].t[1].digest = 33;
    fill(&w.a, a, 3, false);
    fill(&w.b, b, 3, false);
    judge(&w, 0);
    expect_letters(&w, "R=O");
    assert_int_equal(w.v.first, 2);
    assert_int_equal(w.pairs.pair.p[0].flags & DIFF_CONTAINS, DIFF_CONTAINS);
    end(&w);
}

/* Composites in composites: the innermost is the origin. A call around that no log has is none. */
static void test_nested(void **unused)
{
    (void)unused;
    enum { DEEP = 2000 };
    struct world w;
    struct call c = {"aten::linear", .t = {IN("[0][0]", 1), OUT(3)}};
    start(&w);
    for (int k = 0; k < 2; k++) {
        struct diff_stream *s = k ? &w.b : &w.a;
        uint32_t scope;
        assert_int_equal(diff_add_scope(s, 0, DIFF_CALL, SPAN("aten::lost"), &scope), ERR_OK);
        c.t[1].digest += k;
        for (uint32_t i = 0; i < DEEP; i++) {
            c.scope = scope;
            fill(s, &c, 1, false);
            assert_int_equal(diff_add_scope(s, scope, DIFF_CALL, SPAN("aten::linear"), &scope),
                             ERR_OK);
            s->scopes.p[scope].call = i;
        }
    }
    judge(&w, 0);
    for (uint32_t i = 0; i < DEEP; i++)
        assert_int_equal(w.pairs.pair.p[i].verdict, i + 1 < DEEP ? DIFF_RECEIVER : DIFF_ORIGIN);
    assert_int_equal(w.v.first, DEEP - 1);
    end(&w);
}

static void test_empty(void **unused)
{
    (void)unused;
    struct world w;
    start(&w);
    judge(&w, 0);
    expect_letters(&w, "");
    assert_int_equal(w.v.first, (uint32_t)DIFF_NONE);
    end(&w);
    const struct call a[] = {{"aten::neg", .t = {IN("[0][0]", 1), OUT(2)}}};
    expect(a, 1, NULL, 0, false, "S");
    expect(NULL, 0, a, 1, false, "S");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_input),       cmocka_unit_test(test_origin_and_argument),
        cmocka_unit_test(test_structure),   cmocka_unit_test(test_other_wiring),
        cmocka_unit_test(test_coincidence), cmocka_unit_test(test_artefacts),
        cmocka_unit_test(test_unknown),     cmocka_unit_test(test_norms),
        cmocka_unit_test(test_kinds),       cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_composite),   cmocka_unit_test(test_nested),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
