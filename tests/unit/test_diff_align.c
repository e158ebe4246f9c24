/* test_diff_align.c - two runs with known edits: the calls that stayed find each other, whatever
 * the edit, and nothing is left out. */
#include "tests/unit/unit.h"

#include <time.h>

#include "store/diff/align.h"

enum { NONE = UINT32_MAX };

struct world {
    struct diff_stream a, b;
    struct diff_pairs pairs;
    uint32_t method[16]; /* pairs of each */
};

static void start(struct world *w)
{
    *w = (struct world){0};
    assert_int_equal(diff_stream_init(&w->a), ERR_OK);
    assert_int_equal(diff_stream_init(&w->b), ERR_OK);
}

static void finish(struct world *w)
{
    diff_pairs_release(&w->pairs);
    diff_stream_release(&w->b);
    diff_stream_release(&w->a);
}

static uint32_t scope(struct diff_stream *s, uint32_t parent, enum diff_scope_kind kind,
                      const char *name)
{
    uint32_t out;
    assert_int_equal(diff_add_scope(s, parent, kind, span_of(name), &out), ERR_OK);
    return out;
}

static uint32_t call(struct diff_stream *s, uint32_t where, const char *name, const char *args)
{
    struct diff_text t = {.kind = strchr(name, ':') ? 3 : 6,
                          .name = diff_word(s->words, span_of(name)),
                          .args = diff_word(s->words, span_of(args)),
                          .kwargs = diff_word(s->words, SPAN("")),
                          .output = DIFF_NONE};
    uint32_t i = s->n_calls;
    assert_int_equal(diff_add_call(s, i + 1, 2 * i, where, diff_text(s->words, &t)), ERR_OK);
    return i;
}

static void use(struct diff_stream *s, int phase, uint32_t tensor, int64_t digest)
{
    struct diff_form f = {.path = diff_word(s->words, SPAN("[0][0]")),
                          .dtype = diff_word(s->words, SPAN("f32")),
                          .shape = diff_word(s->words, SPAN("[4]")),
                          .stride = DIFF_NONE,
                          .phase = (uint8_t)phase,
                          .hash = digest ? DIFF_PKM64 : DIFF_NO_HASH,
                          .part = -1,
                          .elements = 4};
    assert_int_equal(diff_add_use(s, diff_form(s->words, &f), digest, tensor, NONE), ERR_OK);
}

/* Every call once on its side; ordinary pairs rise; calls only in B before the next pair. */
static void check_list(struct world *w)
{
    uint32_t next_a = 0, next_b = 0, n_b = 0;
    uint8_t *seen = calloc(w->b.n_calls + 1, 1);
    memset(w->method, 0, sizeof w->method);
    for (size_t k = 0; k < w->pairs.pair.n; k++) {
        struct diff_pair p = w->pairs.pair.p[k];
        assert_true(p.a != NONE || p.b != NONE);
        w->method[p.method]++;
        if (p.a != NONE) assert_int_equal(p.a, next_a++);
        if (p.b == NONE) continue;
        assert_true(p.b < w->b.n_calls && !seen[p.b]);
        seen[p.b] = 1;
        n_b++;
        if (p.method == DIFF_BY_MOVE) continue;
        assert_true(p.b >= next_b);
        next_b = p.b + 1;
    }
    assert_int_equal(next_a, w->a.n_calls);
    assert_int_equal(n_b, w->b.n_calls);
    free(seen);
}

static void align_with(struct world *w, const struct diff_align_options *o)
{
    assert_int_equal(diff_join(&w->a, &w->b), ERR_OK);
    if (diff_align(&w->a, &w->b, o, &w->pairs)) fail_msg("%s", err_text());
    check_list(w);
}

/* "0-0p 1-" : numbers and the method, by the first letter of its code's name below. */
static const char *list(struct world *w)
{
    static char out[4096];
    static const char letters[] = "-pklTvftmch!";
    int n = 0;
    out[0] = 0;
    for (size_t k = 0; k < w->pairs.pair.n; k++) {
        struct diff_pair p = w->pairs.pair.p[k];
        n += snprintf(out + n, sizeof out - (size_t)n, k ? " " : "");
        if (p.a != NONE) n += snprintf(out + n, sizeof out - (size_t)n, "%u", p.a);
        n += snprintf(out + n, sizeof out - (size_t)n, "%c", letters[p.method]);
        if (p.b != NONE) n += snprintf(out + n, sizeof out - (size_t)n, "%u", p.b);
    }
    return out;
}

/* One line of calls in the log itself: "name args;name args". */
static void put(struct diff_stream *s, uint32_t where, const char *calls)
{
    char text[1024];
    snprintf(text, sizeof text, "%s", calls);
    for (char *save, *c = strtok_r(text, ";", &save); c; c = strtok_r(NULL, ";", &save)) {
        char *args = strchr(c, ' ');
        if (args) *args++ = 0;
        call(s, where, c, args ? args : "");
    }
}

static void expect(const char *a, const char *b, const char *want)
{
    struct world w;
    start(&w);
    put(&w.a, 0, a);
    put(&w.b, 0, b);
    align_with(&w, NULL);
    assert_string_equal(list(&w), want);
    finish(&w);
}

static void stages(void **state)
{
    (void)state;
    expect("", "", "");
    expect("", "x::a;x::b", "-0 -1");
    expect("x::a;x::b", "", "0- 1-");
    expect("x::a;x::b;x::c", "x::a;x::b;x::c", "0p0 1p1 2p2");
    /* an insertion smears no pair */
    expect("x::a;x::b;x::c", "x::a;x::z;x::b;x::c", "0p0 -1 1p2 2p3");
    /* a changed argument keeps its pair, with neighbours of the same name */
    expect("x::a t: f32[2], 1;x::a t: f32[2], 2;x::a t: f32[2], 3",
           "x::a t: f32[2], 1;x::a t: f32[2], 7;x::a t: f32[2], 3", "0p0 1l1 2p2");
    /* and the calls that only one side has stand A's first */
    expect("x::a;x::b;x::c", "x::a;x::y;x::z;x::c", "0p0 1- -1 -2 2p3");
    expect("x::a;x::mm t: f32[2];x::c", "x::a;x::mm.out t: f32[2];x::c", "0p0 1v1 2p2");
    expect("x::a;x::relu t: f32[2];x::c", "x::a;x::relu_ t: f32[2];x::c", "0p0 1v1 2p2");
    expect("x::a;x::m;x::b;x::c;x::d", "x::a;x::b;x::c;x::m;x::d", "0p0 1m3 2k1 3k2 4p4");
    expect("x::a;x::b;x::c", "x::d;x::e", "0- 1- 2- -0 -1");
    expect("x::a;x::b;x::c;x::d", "x::d;x::c;x::b;x::a", "0m3 1m2 2m1 3k0");
}

/* Layers are told by their module: A's layer 1 is gone in B, no call of another takes its place. */
static void scopes_hold_calls(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    for (int side = 0; side < 2; side++) {
        struct diff_stream *s = side ? &w.b : &w.a;
        for (int layer = 0; layer < 4; layer++) {
            char name[32];
            if (side && layer == 1) continue;
            snprintf(name, sizeof name, "M.h.%d", layer);
            put(s, scope(s, 0, DIFF_MODULE, name), "x::mm;x::add;x::mm");
        }
    }
    align_with(&w, NULL);
    assert_string_equal(list(&w), "0p0 1p1 2p2 3- 4- 5- 6p3 7p4 8p5 9p6 10p7 11p8");
    finish(&w);
}

/* Equal names: what is inside decides. */
static void content_tells_equal_modules(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    for (int k = 0; k < 3; k++) {
        const char *const inside[] = {"x::a;x::k", "x::b;x::k", "x::c;x::k", "x::d;x::k"};
        put(&w.a, scope(&w.a, 0, DIFF_MODULE, "M.x"), inside[k]);
        put(&w.b, scope(&w.b, 0, DIFF_MODULE, "M.x"), inside[k + 1]);
    }
    align_with(&w, NULL);
    assert_string_equal(list(&w), "0- 1- 2k0 3k1 4k2 5k3 -4 -5");
    finish(&w);
}

/* A level more around the model, and a call that stands one level higher. */
static void a_level_more(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    uint32_t stack = scope(&w.a, 0, DIFF_MODULE, "Stack");
    uint32_t region = scope(&w.b, 0, DIFF_ANNOTATION, "[region] enter");
    for (int layer = 0; layer < 3; layer++) {
        char name[64];
        snprintf(name, sizeof name, "Stack.layers.%d", layer);
        uint32_t in_a = scope(&w.a, stack, DIFF_MODULE, name);
        put(&w.a, in_a, "x::norm;x::gelu");
        snprintf(name, sizeof name, "L['self'].layers.%d", layer);
        uint32_t in_b = scope(&w.b, region, DIFF_MODULE, name);
        put(&w.b, in_b, "x::norm");
        put(&w.b, region, "x::gelu");
    }
    align_with(&w, NULL);
    assert_int_equal(w.method[DIFF_BY_TEXT] + w.method[DIFF_BY_KEY], 6);
    finish(&w);
}

static void a_kernel_is_its_operators(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        struct world w;
        start(&w);
        struct diff_stream *plain = side ? &w.a : &w.b, *fused = side ? &w.b : &w.a;
        put(plain, 0, "x::in;x::mul;x::view;x::add;x::mm;x::mul;x::add;x::out");
        put(fused, 0, "x::in;fused_mul_add;x::mm;fused_mul_add;x::out");
        assert_int_equal(diff_join(&w.a, &w.b), ERR_OK);
        uint32_t kernel = diff_word(w.a.words, SPAN("fused_mul_add"));
        uint32_t mul = diff_word(w.a.words, SPAN("x::mul"));
        uint32_t add = diff_word(w.a.words, SPAN("x::add"));
        struct diff_origin o[] = {
            {kernel, mul, 0}, {kernel, add, 1}, {kernel, mul, 2}, {kernel, add, 3}};
        struct diff_align_options options = {0};
        options.origins[side] = o;
        options.n_origins[side] = 4;
        if (diff_align(&w.a, &w.b, &options, &w.pairs)) fail_msg("%s", err_text());
        check_list(&w);
        assert_string_equal(list(&w),
                            side ? "0p0 1f 2- 3f1 4k2 5f 6f3 7p4" : "0p0 f1 -2 1f3 2k4 f5 3f6 4p7");
        finish(&w);
    }
}

static void tensors_lead_to_partners(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    for (int side = 0; side < 2; side++) {
        struct diff_stream *s = side ? &w.b : &w.a;
        call(s, 0, "x::in", "");
        use(s, 1, 7u + (uint32_t)side, 0);
        /* other shapes: neither key nor variant; its argument comes from the pair before */
        call(s, 0, "x::sum", side ? "t: f32[2, 2]" : "t: f32[4]");
        use(s, 0, 7u + (uint32_t)side, 0);
        use(s, 1, 9u, 0);
        call(s, 0, "x::exp", side ? "t: f32[2]" : "t: f32[1]");
        use(s, 0, 9u, 0);
        /* equal results of another operator: a hint */
        call(s, 0, side ? "x::relu" : "x::clamp", "");
        use(s, 1, NONE, 12345);
        call(s, 0, side ? "x::zeros" : "x::empty", "");
        use(s, 1, NONE, 5);
        call(s, 0, "x::end", "");
        use(s, 1, NONE, 5);
    }
    align_with(&w, NULL);
    assert_string_equal(list(&w), "0p0 1t1 2t2 3c3 4- -4 5p5");
    finish(&w);
}

/* Equal calls in a row, one more in B: results tell which. */
static void results_tell_which_is_new(void **state)
{
    (void)state;
    static const char *const want[] = {"-0 0k1 1k2 2k3 3p4", "0p0 -1 1k2 2k3 3p4",
                                       "0p0 1p1 -2 2k3 3p4", "0p0 1p1 2p2 -3 3p4"};
    for (int more = 0; more < 8; more++) {
        struct world w;
        char text[64], *p = text;
        start(&w);
        for (int side = 0; side < 2; side++)
            for (int k = 0; k < 5; k++) {
                struct diff_stream *s = side == more / 4 ? &w.a : &w.b;
                if (side == more / 4 && k == more % 4) continue;
                call(s, 0, k == 4 ? "x::end" : "x::a", "");
                use(s, 1, NONE, 100 + k);
            }
        if (more >= 4) {
            struct diff_stream swap = w.a;
            w.a = w.b;
            w.b = swap;
        }
        align_with(&w, NULL);
        for (const char *c = want[more % 4]; *c; c++) *p++ = *c;
        *p = 0;
        if (more < 4) assert_string_equal(list(&w), text);
        else
            for (size_t k = 0; k < w.pairs.pair.n; k++)
                assert_true((w.pairs.pair.p[k].b == NONE) == (k == (size_t)more % 4));
        finish(&w);
    }
}

static void by_hand(void **state)
{
    (void)state;
    struct diff_manual good[] = {{6, 2}, {6, 2}}, cross[] = {{0, 4}, {2, 2}}, none[] = {{1, 0}};
    struct diff_manual twice[] = {{2, 2}, {2, 4}};
    struct diff_align_options o = {.manual = good, .n_manual = 2};
    struct world w;
    start(&w);
    put(&w.a, 0, "x::a;x::a;x::a;x::q;x::a");
    put(&w.b, 0, "x::a;x::b;x::a");
    align_with(&w, &o);
    assert_string_equal(list(&w), "0p0 1- 2- 3h1 4p2");
    const struct diff_manual *bad[] = {cross, none, twice};
    const char *const words[] = {"cross", "no call at 1", "paired twice"};
    for (int k = 0; k < 3; k++) {
        struct diff_pairs pairs;
        o = (struct diff_align_options){.manual = bad[k], .n_manual = k == 1 ? 1 : 2};
        assert_int_equal(diff_align(&w.a, &w.b, &o, &pairs), ERR_USAGE);
        assert_non_null(strstr(err_text(), words[k]));
    }
    finish(&w);
}

/* ---- random edits ---- */

static uint64_t seed;

static uint32_t dice(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % n);
}

/* A training run: steps of layers of eight calls. An edit strikes one call in `rare`. */
struct edits {
    uint32_t steps, layers, rare;
    bool modules;
    uint32_t kept, changed; /* calls that stayed, and those with another argument */
};

static const char *const ops[] = {"x::t",    "x::mm",  "x::add", "x::gelu",
                                  "x::view", "x::sum", "x::div", "x::add"};

static void put_layer(struct world *w, struct edits *e, uint32_t in_a, uint32_t in_b,
                      uint32_t *truth)
{
    for (int k = 0; k < 8; k++) {
        uint32_t i = call(&w->a, in_a, ops[k], "t: f32[8], 1");
        uint32_t kind = dice(e->rare) ? 9 : dice(4);
        truth[i] = NONE;
        if (kind == 0) continue;
        if (kind == 1) call(&w->b, in_b, "x::inserted", "t: f32[8]");
        if (kind == 2) call(&w->b, in_b, ops[dice(8)], "t: f32[8], 1");
        truth[i] = call(&w->b, in_b, ops[k], kind == 3 ? "t: f32[8], 2" : "t: f32[8], 1");
        e->changed += kind == 3;
        e->kept++;
    }
}

static uint32_t *make_runs(struct world *w, struct edits *e)
{
    uint32_t *truth = calloc((size_t)e->steps * e->layers * 8, sizeof *truth);
    char name[64];
    start(w);
    for (uint32_t step = 0; step < e->steps; step++) {
        snprintf(name, sizeof name, "step %u", step);
        uint32_t a = e->modules ? scope(&w->a, 0, DIFF_STEP, name) : 0;
        uint32_t b = e->modules ? scope(&w->b, 0, DIFF_STEP, name) : 0;
        for (uint32_t layer = 0; layer < e->layers; layer++) {
            snprintf(name, sizeof name, "M.h.%u", layer);
            put_layer(w, e, e->modules ? scope(&w->a, a, DIFF_MODULE, name) : 0,
                      e->modules ? scope(&w->b, b, DIFF_MODULE, name) : 0, truth);
        }
    }
    return truth;
}

static uint32_t count_right(const struct world *w, const uint32_t *truth)
{
    uint32_t right = 0;
    for (size_t k = 0; k < w->pairs.pair.n; k++) {
        struct diff_pair p = w->pairs.pair.p[k];
        right += p.a != NONE && p.b != NONE && truth[p.a] == p.b;
    }
    return right;
}

static uint32_t count_pairs(const struct world *w)
{
    uint32_t n = 0;
    for (size_t k = 0; k < w->pairs.pair.n; k++)
        n += w->pairs.pair.p[k].a != NONE && w->pairs.pair.p[k].b != NONE;
    return n;
}

/* In modules nearly all calls that stayed are found; where a call of the same text was put beside
 * one, either may be taken. Without modules as many are paired. */
static void random_edits(void **state)
{
    (void)state;
    for (uint32_t k = 0; k < 12; k++) {
        struct edits e = {.steps = 6, .layers = 12, .rare = 4 + 12 * (k / 2), .modules = k & 1};
        struct world w;
        seed = 100 + k;
        uint32_t *truth = make_runs(&w, &e);
        align_with(&w, NULL);
        assert_true(count_pairs(&w) >= e.kept);
        uint32_t right = count_right(&w, truth);
        if (e.modules) assert_true(right >= e.kept - e.kept / e.rare / 4 - 3);
        free(truth);
        finish(&w);
    }
}

/* Fusion of every layer, no modules: many edits, all keys repeat. A step's worth is right. */
static void every_layer_changed(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    for (uint32_t layer = 0; layer < 5000; layer++) {
        for (int k = 0; k < 8; k++) call(&w.a, 0, ops[k], "t: f32[8]");
        call(&w.b, 0, "x::mm", "t: f32[8]");
        call(&w.b, 0, "x::fused", "t: f32[8]");
        call(&w.b, 0, "x::view", "t: f32[8]");
        call(&w.b, 0, "x::sum", "t: f32[8]");
    }
    clock_t before = clock();
    align_with(&w, NULL);
    assert_true((double)(clock() - before) / CLOCKS_PER_SEC < 5);
    assert_int_equal(count_pairs(&w), 15000);
    finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages),
        cmocka_unit_test(scopes_hold_calls),
        cmocka_unit_test(content_tells_equal_modules),
        cmocka_unit_test(a_level_more),
        cmocka_unit_test(a_kernel_is_its_operators),
        cmocka_unit_test(tensors_lead_to_partners),
        cmocka_unit_test(results_tell_which_is_new),
        cmocka_unit_test(by_hand),
        cmocka_unit_test(random_edits),
        cmocka_unit_test(every_layer_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
