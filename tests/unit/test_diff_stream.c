/* test_diff_stream.c - words, texts and forms by number, scopes and what follows from their names,
 * arguments of printed calls, and joining. */
#include "unit.h"

#include "store/diff/argument.h"
#include "store/diff/stream.h"

static void expect_span(struct span got, const char *want)
{
    if (!want) {
        assert_null(got.p);
        return;
    }
    assert_non_null(got.p);
    assert_int_equal(got.n, strlen(want));
    assert_memory_equal(got.p, want, got.n);
}

static uint32_t text_of(struct diff_words *w, const char *name, const char *args,
                        const char *kwargs)
{
    struct diff_text t = {.kind = 3,
                          .name = diff_word(w, span_of(name)),
                          .args = diff_word(w, span_of(args)),
                          .kwargs = diff_word(w, span_of(kwargs)),
                          .output = DIFF_NONE};
    return diff_text(w, &t);
}

static const struct diff_text *row(struct diff_words *w, const char *name, const char *args,
                                   const char *kwargs)
{
    uint32_t number =
        text_of(w, name, args, kwargs); /* may move the list: before it is looked at */
    return &w->text.p[number];
}

static void test_words(void **unused)
{
    (void)unused;
    struct diff_stream s;
    assert_int_equal(diff_stream_init(&s), ERR_OK);
    uint32_t a = diff_word(s.words, SPAN("aten::mm")), b = diff_word(s.words, SPAN("aten::t"));
    assert_int_not_equal(a, b);
    assert_int_equal(diff_word(s.words, SPAN("aten::mm")), a);
    assert_int_equal(diff_word(s.words, SPAN_NONE), (uint32_t)DIFF_NONE);
    assert_int_not_equal(diff_word(s.words, SPAN("")), (uint32_t)DIFF_NONE);
    expect_span(diff_span(s.words, b), "aten::t");
    expect_span(diff_span(s.words, DIFF_NONE), NULL);
    diff_stream_release(&s);
}

/* What is equal by which hash. */
static void test_texts(void **unused)
{
    (void)unused;
    struct diff_stream s;
    assert_int_equal(diff_stream_init(&s), ERR_OK);
    struct diff_words *w = s.words;
    uint32_t t = text_of(w, "aten::addmm", "t$1: f32[4], t$22: f32[2, 4]", "");
    assert_int_equal(text_of(w, "aten::addmm", "t$9: f32[4], t: f32[2, 4]", ""), t);
    assert_int_equal(text_of(w, "aten::addmm", "t$1: f32[4], t$22: f32[2, 4]", ""), t);
    expect_span(diff_span(w, w->text.p[t].args), "t: f32[4], t: f32[2, 4]");
    const struct {
        const char *name, *args, *kwargs;
        bool strict, loose, base; /* equal to the one above */
    } cases[] = {
        {"aten::addmm", "t: f32[4], t: f32[2, 4]", ", alpha=2", false, true, true},
        {"aten::addmm", "t: f32[4], t: f32[2, 4], 3", "", false, true, true},
        {"aten::addmm.out", "t: f32[4], t: f32[2, 4]", ", out=t: f32[2, 4]", false, false, true},
        {"aten::addmm_", "t: f32[4], t: f32[2, 4]", "", false, false, true},
        {"aten::addmm", "t: f64[4], t: f32[2, 4]", "", false, false, true},
        {"aten::addmm", "t: f32[4], t: f32[2, 5]", "", false, false, false},
        {"aten::addmm", "t: f32[4]", "", false, false, false},
        {"aten::add", "t: f32[4], t: f32[2, 4]", "", false, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct diff_text other = *row(w, cases[i].name, cases[i].args, cases[i].kwargs);
        assert_int_equal(other.strict == w->text.p[t].strict, cases[i].strict);
        assert_int_equal(other.loose == w->text.p[t].loose, cases[i].loose);
        assert_int_equal(other.base == w->text.p[t].base, cases[i].base);
    }
    diff_stream_release(&s);
}

static void test_names(void **unused)
{
    (void)unused;
    const char *bases[][2] = {
        {"aten::addmm.out", "aten::addmm"},        {"aten::relu_", "aten::relu"},
        {"aten::add_.Tensor", "aten::add"},        {"aten::__and__.Tensor", "aten::__and__"},
        {"triton_poi.fused_", "triton_poi.fused"}, {"_", "_"},
        {"aten::_to_copy", "aten::_to_copy"},      {"", ""},
    };
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++)
        expect_span(diff_base_name(span_of(bases[i][0])), bases[i][1]);
    const char *keys[][2] = {
        {"Stack.layers.0.up", "layers.0.up"},
        {"L['self'].layers.0.up", "layers.0.up"},
        {"Stack", ""},
        {"L['a.b]'].c", "c"},
        {"L[", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        expect_span(diff_module_key(span_of(keys[i][0])), keys[i][1]);
}

static void test_plain(void **unused)
{
    (void)unused;
    const char *cases[][2] = {
        {"t$3: f32[2], dt$14: f32[2]| S(0), [ft$0: i64[1]]",
         "t: f32[2], dt: f32[2]| S(0), [ft: i64[1]]"},
        {"('t$3: f32[2]', 't: i64[2]')", "('t: f32[2]', 't: i64[2]')"},
        {"cost$3: 4, t$: 1, $3:, t$3 f, at$3: x", "cost$3: 4, t$: 1, $3:, t$3 f, at$3: x"},
        {"t$3", "t$3"},
        {"<Generator object at 0x7f0a9>, dt$1: f32[]", "<Generator object at 0x>, dt: f32[]"},
        {"at 0x12, seen at 0x", "at 0x12, seen at 0x"},
        {"t$3:", "t:"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf got = {0};
        diff_strip_numbers(span_of(cases[i][0]), &got);
        expect_span(buf_text(&got), cases[i][1]);
        buf_release(&got);
    }
}

static void expect_argument(const char *args, const char *kwargs, int n, const char *path,
                            const char *text, bool tensor)
{
    struct diff_argument a;
    struct diff_arguments rest = {.args = span_of(args), .kwargs = span_of(kwargs)};
    bool found = true;
    for (int i = 0; i <= n && found; i++) found = diff_next_argument(&rest, &a);
    assert_int_equal(found, path != NULL);
    if (!found) return;
    assert_string_equal(a.path, path);
    expect_span(a.text, text);
    assert_int_equal(a.tensor, tensor);
}

static void test_arguments(void **unused)
{
    (void)unused;
    const char *args = "t: f32[4, 16], [16], t$2: f32[], 1e-05";
    const char *kwargs = ", alpha=-0.1, out=t: f32[2], names=['a, b', \"c\"]";
    expect_argument(args, kwargs, 0, "[0][0]", "t: f32[4, 16]", true);
    expect_argument(args, kwargs, 1, "[0][1]", "[16]", false);
    expect_argument(args, kwargs, 2, "[0][2]", "t$2: f32[]", true);
    expect_argument(args, kwargs, 3, "[0][3]", "1e-05", false);
    expect_argument(args, kwargs, 4, "[1]['alpha']", "-0.1", false);
    expect_argument(args, kwargs, 5, "[1]['out']", "t: f32[2]", true);
    expect_argument(args, kwargs, 6, "[1]['names']", "['a, b', \"c\"]", false);
    expect_argument(args, kwargs, 7, NULL, NULL, false);
    expect_argument("ij,jk->ik, [t: f32[2, 2], t: f32[2, 2]]", NULL, 0, "[0][0]", "ij,jk->ik",
                    false);
    expect_argument("ij,jk->ik, [t: f32[2, 2], t: f32[2, 2]]", NULL, 1, "[0][1]",
                    "[t: f32[2, 2], t: f32[2, 2]]", false);
    expect_argument("don't, 2", "", 1, "[0][1]", "2", false);
    expect_argument("'it\\'s, so', 2", "", 1, "[0][1]", "2", false);
    expect_argument(NULL, "BLOCK=32, x=t: f32[2]", 1, "[1]['x']", "t: f32[2]", true);
    expect_argument("", ", ", 0, NULL, NULL, false);
    expect_argument("[[[, (", "", 0, "[0][0]", "[[[, (", false);
    expect_argument("'", "", 0, "[0][0]", "'", false);
    expect_argument("'\\", "", 0, "[0][0]", "'\\", false);
}

static uint32_t scope(struct diff_stream *s, uint32_t parent, enum diff_scope_kind kind,
                      const char *name)
{
    uint32_t out;
    assert_int_equal(diff_add_scope(s, parent, kind, span_of(name), &out), ERR_OK);
    assert_int_equal(s->scopes.p[out].parent, parent);
    assert_int_equal(s->scopes.p[out].kind, kind);
    return out;
}

static void test_scopes(void **unused)
{
    (void)unused;
    struct diff_stream s;
    assert_int_equal(diff_stream_init(&s), ERR_OK);
    uint32_t step = scope(&s, 0, DIFF_STEP, "step 3");
    uint32_t module = scope(&s, step, DIFF_MODULE, "Gpt.h.0.attn");
    uint32_t note = scope(&s, module, DIFF_ANNOTATION, "a part");
    uint32_t update = scope(&s, step, DIFF_ANNOTATION, "Optimizer.step#SGD.step");
    const struct diff_scope *p = s.scopes.p;
    expect_span(diff_span(s.words, p[step].step), "step 3");
    assert_int_equal(p[step].module, (uint32_t)DIFF_NONE);
    assert_int_equal(p[step].phase, DIFF_PHASE_NONE);
    expect_span(diff_span(s.words, p[module].key), "h.0.attn");
    expect_span(diff_span(s.words, p[module].module), "Gpt.h.0.attn");
    assert_int_equal(p[module].phase, DIFF_FORWARD);
    assert_int_equal(p[note].module, p[module].module);
    assert_int_equal(p[note].step, p[step].step);
    assert_int_equal(p[note].phase, DIFF_FORWARD);
    expect_span(diff_span(s.words, p[note].key), "a part");
    assert_int_equal(p[update].phase, DIFF_OPTIMIZER);
    assert_int_equal(p[0].kind, DIFF_LOG);
    diff_stream_release(&s);
}

static uint32_t form_of(struct diff_words *w, const char *shape, int phase, enum diff_hash hash)
{
    struct diff_form f = {.path = diff_word(w, SPAN("")),
                          .dtype = diff_word(w, SPAN("f32")),
                          .shape = diff_word(w, span_of(shape)),
                          .stride = DIFF_NONE,
                          .phase = (uint8_t)phase,
                          .hash = (uint8_t)hash,
                          .part = -1,
                          .elements = 4};
    return diff_form(w, &f);
}

static void call(struct diff_stream *s, const char *name, const char *args, int64_t digest,
                 uint32_t tensor)
{
    struct diff_words *w = s->words;
    uint32_t before = form_of(w, "[2, 2]", 0, DIFF_PKM64);
    uint32_t after = form_of(w, "[4]", 1, digest ? DIFF_SHA256 : DIFF_NO_HASH);
    assert_int_equal(
        diff_add_call(s, s->n_calls * 2 + 1, s->n_calls, 0, text_of(w, name, args, "")), ERR_OK);
    assert_int_equal(diff_add_use(s, before, digest + 1, tensor, DIFF_NONE), ERR_OK);
    assert_int_equal(diff_add_use(s, after, digest, DIFF_NONE, DIFF_NONE), ERR_OK);
    assert_int_equal(diff_add_use(s, after, digest, DIFF_NONE, DIFF_NONE), ERR_OK);
}

static void test_calls(void **unused)
{
    (void)unused;
    struct diff_stream s;
    assert_int_equal(diff_stream_init(&s), ERR_OK);
    for (int i = 0; i < 1000; i++)
        call(&s, "aten::mm", "t: f32[2, 2]", i % 2, i < 500 ? DIFF_NONE : (uint32_t)i);
    assert_int_equal(s.n_calls, 1000);
    assert_int_equal(s.n_uses, 3000);
    assert_int_equal(s.n_hashed, 500);
    assert_int_equal(s.n_arguments, 1000);
    assert_int_equal(s.hashes, 1 << DIFF_PKM64 | 1 << DIFF_SHA256);
    assert_null(s.version);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(s.first_use[i], 3 * i);
        assert_int_equal(s.tensor[3 * i], i < 500 ? (uint32_t)DIFF_NONE : i);
        assert_int_equal(s.tensor[3 * i + 1], (uint32_t)DIFF_NONE);
        assert_int_equal(s.digest[3 * i], i % 2 + 1);
    }
    assert_int_equal(s.first_use[1000], 3000);
    diff_stream_release(&s);
}

/* Joined, equal things have equal numbers, and each call still says what it said. */
static void test_join(void **unused)
{
    (void)unused;
    struct diff_stream a, b;
    assert_int_equal(diff_stream_init(&a), ERR_OK);
    assert_int_equal(diff_stream_init(&b), ERR_OK);
    call(&a, "aten::mm", "t: f32[2, 2]", 1, 7);
    call(&b, "aten::t", "t: f32[2, 2]", 1, 7);
    call(&b, "aten::mm", "t: f32[2, 2]", 1, 8);
    scope(&b, 0, DIFF_MODULE, "Net.up");
    scope(&a, 0, DIFF_MODULE, "Stack.up");
    uint64_t strict = diff_call_text(&b, 1)->strict;
    assert_int_equal(diff_join(&a, &b), ERR_OK);
    assert_ptr_equal(a.words, b.words);
    assert_int_equal(a.text[0], b.text[1]);
    assert_int_not_equal(a.text[0], b.text[0]);
    assert_true(strict == diff_call_text(&a, 0)->strict);
    expect_span(diff_span(b.words, diff_call_text(&b, 0)->name), "aten::t");
    assert_int_equal(a.form[0], b.form[0]);
    assert_int_equal(a.form[1], b.form[4]);
    expect_span(diff_span(b.words, diff_use_form(&b, 1)->shape), "[4]");
    assert_int_equal(diff_use_form(&b, 1)->stride, (uint32_t)DIFF_NONE);
    assert_int_equal(a.scopes.p[1].key, b.scopes.p[1].key);
    assert_int_not_equal(a.scopes.p[1].name, b.scopes.p[1].name);
    assert_int_equal(diff_join(&a, &b), ERR_OK);
    diff_stream_release(&b);
    diff_stream_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),     cmocka_unit_test(test_texts),
        cmocka_unit_test(test_names),     cmocka_unit_test(test_plain),
        cmocka_unit_test(test_arguments), cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_calls),     cmocka_unit_test(test_join),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
