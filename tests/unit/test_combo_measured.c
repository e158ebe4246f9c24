/* test_combo_measured.c - combos by measured times, real ones and distorted ones.
 *
 * Whatever a clock says, `run` and `exact` choose as if there were none and no bit changes; at
 * `off` the choice is the clock's, and still no bit changes, which is the least that the bounds of
 * `off` ask: members keep their order of reduction.
 * PLUMB_TEST_GRAPHS sets how many random programs there are, PLUMB_TEST_SEED the first.
 */
#include "tests/unit/graphs_run.h"

#include <dirent.h>
#include <unistd.h>

#include "runtime/build.h"
#include "runtime/compile/passes.h"
#include "runtime/compile/program.h"

enum { GRAPHS = 120, LISTS = 6 };
static char cache[100];

/* ---- clocks ---- */

static int64_t asked; /* how often a clock was */

static double nothing_takes_time(void *context, const int *kernel, int n)
{
    (void)context, (void)kernel, (void)n;
    asked++;
    return 0;
}
/* More members take longer than the members do. */
static double together_takes_longer(void *context, const int *kernel, int n)
{
    (void)context, (void)kernel;
    asked++;
    return n > 1 ? 1e9 : 1e6;
}
static double apart_takes_longer(void *context, const int *kernel, int n)
{
    (void)context, (void)kernel;
    asked++;
    return n > 1 ? 1e6 : 1e9;
}
static double at_random(void *context, const int *kernel, int n)
{
    uint64_t *state = context;
    (void)kernel, (void)n;
    asked++;
    return (double)graphs_below(state, 1 << 30);
}
static double together_spills(void *context, const int *kernel, int n)
{
    (void)context, (void)kernel;
    asked++;
    return n > 1 ? INFINITY : 1e6;
}

static uint64_t drawn = 1;
static const struct distorted {
    const char *name;
    struct combo_clock clock;
    enum { AS_RULES, NONE, SOME } combined; /* of the groups, at `off` */
} clocks[] = {
    {"no clock", {NULL, NULL}, AS_RULES},
    {"zeros", {nothing_takes_time, NULL}, AS_RULES},
    {"combos long", {together_takes_longer, NULL}, NONE},
    {"members long", {apart_takes_longer, NULL}, AS_RULES},
    {"random", {at_random, &drawn}, SOME},
    {"spills", {together_spills, NULL}, NONE},
};
enum { CLOCKS = sizeof clocks / sizeof *clocks };

/* ---- random programs ---- */

static int64_t n_groups, n_random;

static void run_program(const struct graphs_program *p, const struct program *program,
                        struct graphs_bits *b)
{
    struct plumb_tensor *in[GRAPHS_INPUTS], *out[GRAPHS_OUT];
    assert_int_equal(plumb_frame_begin(), 0);
    graphs_inputs(p, in);
    struct program_call c = {.input = in, .output = out};
    if (program_run(program, &c)) fail_msg("%s", err_text());
    graphs_read_bits(p, in, out, b);
    plumb_frame_end();
}

/* Pairs, verdicts and reasons; at `off` the groups that are left. */
static void check_choice(const struct distorted *d, const struct combined *rules,
                         const struct combined *c, bool off)
{
    if (off && d->combined == NONE) assert_int_equal(c->group.n, 0);
    if (off && d->combined == SOME) n_random += (int64_t)c->group.n;
    if (off && d->combined != AS_RULES) return;
    assert_int_equal(c->group.n, rules->group.n);
    assert_int_equal(c->decision.n, rules->decision.n);
    for (size_t i = 0; i < c->decision.n; i++) {
        const struct combo_decision *x = &c->decision.p[i], *y = &rules->decision.p[i];
        assert_true(x->a == y->a && x->b == y->b && x->combined == y->combined);
        assert_int_equal(x->reason, y->reason);
        if (!off) assert_true(x->a_ns == 0 && x->b_ns == 0 && x->together_ns == 0);
    }
}

/* By each clock; the first is none, and says what the rules choose. */
static void check_graph(const struct graphs_program *p, const struct graph *g,
                        const struct graphs_bits *want)
{
    enum plumb_determinism level = thread_self.session->determinism;
    struct program by[CLOCKS] = {0};
    struct arena arena[CLOCKS] = {0};
    for (int i = 0; i < CLOCKS; i++) {
        struct program_options o = {
            .interpret = true, .combo.clock = clocks[i].clock, .determinism = level};
        struct graphs_bits got;
        asked = 0;
        if (program_build(g, &o, &arena[i], &by[i])) fail_msg("%s", err_text());
        assert_true(level == PLUMB_OFF || !asked);
        check_choice(&clocks[i], &by[0].combined, &by[i].combined, level == PLUMB_OFF);
        run_program(p, &by[i], &got);
        if (!graphs_same_bits(want, &got))
            fail_msg("seed %llu, %s: %s", (unsigned long long)p->seed, clocks[i].name,
                     graphs_difference(want, &got));
        graphs_bits_release(&got);
    }
    n_groups += (int64_t)by[0].combined.group.n;
    for (int i = 0; i < CLOCKS; i++) {
        program_release(&by[i]);
        arena_release(&arena[i]);
    }
}

static void check_seed(uint64_t seed)
{
    struct graphs_program p;
    struct arena arena = {0};
    struct graph g;
    struct graphs_bits want;
    graphs_draw(&p, seed);
    if (p.grads) return;
    graphs_keep(&p);
    graphs_run_exactly(&p, 0, &want);
    graph_init(&g, &arena, "random");
    if (graphs_trace_program(&p, &g)) {
        if (passes_run(&g, NULL, NULL)) fail_msg("%s", err_text());
        check_graph(&p, &g, &want);
    }
    for (size_t i = 0; i < g.constant.n; i++) tensor_free(g.constant.p[i]);
    graph_release(&g);
    arena_release(&arena);
    graphs_bits_release(&want);
}

static void no_clock_changes_a_bit(void **state)
{
    static const enum plumb_determinism levels[] = {PLUMB_OFF, PLUMB_RUN, PLUMB_EXACT};
    uint64_t n = graphs_setting("PLUMB_TEST_GRAPHS", GRAPHS);
    uint64_t from = graphs_setting("PLUMB_TEST_SEED", 1);
    (void)state;
    nest_compile_after(INT64_MAX);
    for (int i = 0; i < 3; i++) {
        n_groups = n_random = 0;
        if (!plumb_open(&(struct plumb_options){.determinism = levels[i], .threads = 2}))
            fail_msg("%s", plumb_error());
        for (uint64_t k = 0; k < n; k++) check_seed(from + k);
        assert_int_equal(plumb_close(), 0);
        assert_true(n < GRAPHS || n_groups > (int64_t)n / 8);
        if (levels[i] == PLUMB_OFF && n >= GRAPHS) assert_in_range(n_random, 1, n_groups - 1);
    }
}

/* ---- a real clock ---- */

/* An optimiser's step, so that there are many alike, and a reduction beside a pointwise kernel. */
static int function(void *context, struct plumb_tensor *const *in, int n_in,
                    struct plumb_tensor **out, int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    out[0] = plumb_sum(plumb_exp(in[0]), 0);
    return out[0] ? plumb__foreach_mul__scalar(in, LISTS, 0.5) : -1;
}

struct measured {
    struct arena arena;
    struct graph graph;
    struct program program;
};

static void build(struct measured *m, enum plumb_determinism level)
{
    struct plumb_tensor *in[LISTS], *out[1];
    struct trace t;
    memset(m, 0, sizeof *m);
    if (!plumb_open(&(struct plumb_options){.determinism = level, .threads = 2}))
        fail_msg("%s", plumb_error());
    assert_int_equal(plumb_frame_begin(), 0);
    for (int i = 0; i < LISTS; i++)
        assert_non_null(in[i] = plumb_ones((int64_t[]){64, 16 + i}, 2, PLUMB_F32));
    graph_init(&m->graph, &m->arena, "measured");
    assert_int_equal(trace_begin(&t, &m->graph, in, LISTS), ERR_OK);
    assert_int_equal(function(NULL, t.in, LISTS, out, 1), 0);
    assert_int_equal(trace_output(&t, out[0], GRAPH_RESULT, 0), ERR_OK);
    trace_end(&t);
    struct program_options o = {.determinism = level};
    if (program_build(&m->graph, &o, &m->arena, &m->program)) fail_msg("%s", err_text());
    /* It runs, whatever was chosen. */
    struct program_call c = {.input = in, .output = out};
    assert_int_equal(program_run(&m->program, &c), ERR_OK);
    float half;
    assert_int_equal(plumb_read(plumb_slice(plumb_view(in[1], (int64_t[]){64 * 17}, 1), 0,
                                            (int64_t[]){5}, (int64_t[]){6}, 1),
                                &half, sizeof half),
                     0);
    assert_true(half == 0.5f);
    plumb_frame_end();
}

static void done(struct measured *m)
{
    program_release(&m->program);
    graph_release(&m->graph);
    arena_release(&m->arena);
    assert_int_equal(plumb_close(), 0);
}

static const struct combo_decision *first_pair(const struct measured *m)
{
    const struct combined *c = &m->program.combined;
    for (size_t i = 0; i < c->decision.n; i++)
        if (c->decision.p[i].combined || c->decision.p[i].reason == COMBO_SLOWER)
            return &c->decision.p[i];
    fail_msg("no group was formed");
    return NULL;
}

/* Elements that lie far apart: nobody asks for so much memory to measure so little. */
static int far(void *context, struct plumb_tensor *const *in, int n_in, struct plumb_tensor **out,
               int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    out[0] = plumb_exp(in[0]);
    out[1] = plumb_relu(in[1]);
    return out[1] ? 0 : -1;
}

static void what_lies_far_apart_is_not_measured(void **state)
{
    int64_t size = 1 << 24;
    struct measured m = {0};
    struct plumb_tensor *in[2], *out[2];
    struct trace t;
    (void)state;
    if (!plumb_open(&(struct plumb_options){.determinism = PLUMB_OFF}))
        fail_msg("%s", plumb_error());
    assert_int_equal(plumb_frame_begin(), 0);
    for (int i = 0; i < 2; i++)
        in[i] = plumb_slice(plumb_empty_memory_format(&size, 1, PLUMB_F32), 0, NULL, NULL, 1 << 20);
    graph_init(&m.graph, &m.arena, "far");
    assert_int_equal(trace_begin(&t, &m.graph, in, 2), ERR_OK);
    assert_int_equal(far(NULL, t.in, 2, out, 2), 0);
    for (int i = 0; i < 2; i++) assert_int_equal(trace_output(&t, out[i], GRAPH_RESULT, i), ERR_OK);
    trace_end(&t);
    struct program_options o = {.determinism = PLUMB_OFF};
    if (program_build(&m.graph, &o, &m.arena, &m.program)) fail_msg("%s", err_text());
    assert_true(first_pair(&m)->combined && first_pair(&m)->together_ns == 0);
    plumb_frame_end();
    done(&m);
}

static bool has_compiler(const struct measured *m)
{
    int64_t ns;
    return strncmp(code_how(m->program.code, &ns), "interpreted", 11) != 0;
}

static void times_are_measured_once(void **state)
{
    struct measured first, second;
    (void)state;
    build(&first, PLUMB_OFF);
    if (!has_compiler(&first)) {
        done(&first);
        skip();
    }
    struct combo_decision was = *first_pair(&first);
    int64_t ns;
    assert_string_equal(code_how(first.program.code, &ns), "compiled");
    assert_true(ns > 0 && first.program.build_ns >= ns && first.program.gate_ns > 0);
    assert_true(was.a_ns > 0 && was.b_ns > 0 && was.together_ns > 0);
    done(&first);
    struct build_stats before = build_stats();
    build(&second, PLUMB_OFF);
    const struct combo_decision *is = first_pair(&second);
    assert_int_equal(build_stats().built, before.built);
    assert_true(is->a_ns == was.a_ns && is->b_ns == was.b_ns && is->together_ns == was.together_ns);
    assert_int_equal(is->combined, was.combined);
    done(&second);
}

static void nothing_is_measured_where_bits_are_promised(void **state)
{
    static const enum plumb_determinism levels[] = {PLUMB_RUN, PLUMB_EXACT};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct measured m;
        build(&m, levels[i]);
        const struct combo_decision *d = first_pair(&m);
        assert_true(d->combined && d->together_ns == 0 && m.program.gate_ns == 0);
        done(&m);
    }
}

/* ---- */

static int set_cache(void **state)
{
    (void)state;
    snprintf(cache, sizeof cache, "/tmp/plumb-unit-measured-%d", (int)getpid());
    build_set_options(&(struct build_options){.cache = cache});
    return 0;
}

static int remove_cache(void **state)
{
    char path[400];
    DIR *d = opendir(cache);
    (void)state;
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", cache, e->d_name);
        unlink(path);
    }
    if (d) closedir(d);
    rmdir(cache);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_clock_changes_a_bit),
        cmocka_unit_test(times_are_measured_once),
        cmocka_unit_test(what_lies_far_apart_is_not_measured),
        cmocka_unit_test(nothing_is_measured_where_bits_are_promised),
    };
    return cmocka_run_group_tests(tests, set_cache, remove_cache);
}
