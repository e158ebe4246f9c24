/* test_compile_random.c - random programs: as they are, compiled, uncombined, unfused, interpreted
 * and built by the C compiler, they give the same bits in results and in what they write.
 *
 * PLUMB_TEST_GRAPHS sets how many programs (the long run: 10000), PLUMB_TEST_SEED the first. They
 * are interpreted; of every BUILT programs one is built too, or as many as PLUMB_TEST_BUILT says.
 * PLUMB_TEST_BACKEND=cuda: on a device, with the kernels of its own.
 * PLUMB_TEST_REASONS prints why programs were not compiled. One that fails is printed after it was
 * made smaller.
 */
#include "runtime/compile/compiled.h"
#include "tests/unit/graphs_run.h"

enum { BUILT = 100, DEFAULT_GRAPHS = 300 };

static int64_t run_as_it_is, called_as_it_is, compiled, differentiated, built;
static bool build; /* kernels of the programs now checked are built */

/* ---- a graph, by hand ---- */

static void run_program(const struct graphs_program *p, const struct program *program,
                        uint64_t stream, struct graphs_bits *b)
{
    struct plumb_tensor *in[GRAPHS_INPUTS], *out[GRAPHS_OUT];
    assert_int_equal(plumb_frame_begin(), 0);
    graphs_inputs(p, in);
    struct program_call c = {.input = in, .output = out, .stream = (int64_t)stream};
    if (program_run(program, &c))
        fail_msg("seed %llu: %s", (unsigned long long)p->seed, err_text());
    graphs_read_bits(p, in, out, b);
    plumb_frame_end();
}

static const struct {
    const char *name;
    struct program_options o;
} ways[] = {
    {"program", {.interpret = true}},
    {"program without combos", {.interpret = true, .no_combos = true}},
    {"program without fusion", {.interpret = true, .no_fusion = true}},
    {"program without either", {.interpret = true, .no_fusion = true, .no_combos = true}},
};

static const char *check_ways(const struct graphs_program *p, const struct graph *g,
                              uint64_t stream, const struct graphs_bits *want)
{
    const char *failed = NULL;
    for (size_t i = 0; !failed && i < sizeof ways / sizeof *ways; i++) {
        struct program_options o = ways[i].o;
        struct program program = {0};
        struct arena arena = {0};
        struct graphs_bits got;
        o.determinism = thread_self.session->determinism;
        if (program_build(g, &o, &arena, &program)) {
            print_error("%s\n", err_text());
            failed = ways[i].name;
        } else {
            run_program(p, &program, stream, &got);
            if (!graphs_same_bits(want, &got)) failed = ways[i].name;
            if (failed) print_error("%s: %s\n", failed, graphs_difference(want, &got));
            graphs_bits_release(&got);
        }
        program_release(&program);
        arena_release(&arena);
    }
    return failed;
}

/* ---- the whole way, as a program goes it ---- */

/* The first call compiles, the second finds what is compiled, for other values. */
static const char *check_calls(struct graphs_program *p, uint64_t stream)
{
    struct plumb_compiled *c = plumb_compile("random", graphs_function, p, NULL);
    const char *failed = NULL;
    if (!c) fail_msg("%s", plumb_error());
    c->interpret = !build;
    for (int i = 0; i < 2 && !failed; i++) {
        struct plumb_tensor *in[GRAPHS_INPUTS], *out[GRAPHS_OUT];
        struct graphs_bits got, want;
        p->values = (uint64_t)i;
        graphs_run_eager(p, stream, &want);
        assert_int_equal(plumb_frame_begin(), 0);
        graphs_inputs(p, in);
        thread_self.generator = stream;
        if (plumb_compiled_call(c, in, p->n_in, out, p->n_out)) {
            print_error("seed %llu: %s\n", (unsigned long long)p->seed, plumb_error());
            failed = "a compiled call that fails";
        } else {
            graphs_read_bits(p, in, out, &got);
            graphs_read_identity(p, in, out, &got);
            if (!graphs_same_bits(&want, &got)) failed = i ? "the second call" : "the first call";
            if (failed) print_error("%s\n", graphs_difference(&want, &got));
            graphs_bits_release(&got);
        }
        graphs_bits_release(&want);
        plumb_frame_end();
    }
    p->values = 0;
    if (c->n_entries != 1) return failed ? failed : "a guard that does not hold the second time";
    if (*c->entry[0]->broken) {
        called_as_it_is++;
        if (getenv("PLUMB_TEST_REASONS")) print_message("%s\n", c->entry[0]->broken);
    }
    return failed;
}

/* What gives other bits than the program as it is, or NULL. */
static const char *check_program(struct graphs_program *p)
{
    struct arena arena = {0};
    struct graph g;
    struct graphs_bits want;
    uint64_t stream = p->seed % 1000;
    const char *failed = NULL;
    graphs_run_exactly(p, stream, &want);
    graph_init(&g, &arena, "random");
    if (build) {
        built++;
    } else if (p->grads) {
        differentiated++;
    } else if (graphs_trace_program(p, &g)) {
        compiled++;
        if (graph_check(&g) || passes_run(&g, NULL, NULL)) failed = err_text();
        if (!failed) failed = check_ways(p, &g, stream, &want);
    } else {
        run_as_it_is++;
    }
    if (!failed) failed = check_calls(p, stream);
    for (size_t i = 0; i < g.constant.n; i++) tensor_free(g.constant.p[i]);
    graph_release(&g);
    arena_release(&arena);
    graphs_bits_release(&want);
    return failed;
}

static void check_or_fail(uint64_t seed)
{
    struct graphs_program p;
    graphs_draw(&p, seed);
    graphs_keep(&p);
    if (!check_program(&p)) return;
    graphs_shrink(&p, check_program);
    const char *why = check_program(&p);
    fail_msg("seed %llu, skip %llx: %s gives other bits", (unsigned long long)seed,
             (unsigned long long)p.skip, why ? why : "nothing now");
}

static void check_all(enum plumb_determinism determinism, uint64_t from, uint64_t n)
{
    struct plumb_options o = {
        .determinism = determinism, .threads = 3, .backend = getenv("PLUMB_TEST_BACKEND")};
    if (!plumb_open(&o))
        fail_msg("%s", plumb_error());
    for (uint64_t i = 0; i < n; i++) check_or_fail(from + i);
    assert_int_equal(plumb_close(), 0);
}

static void check_some(enum plumb_determinism determinism)
{
    uint64_t n = graphs_setting("PLUMB_TEST_GRAPHS", DEFAULT_GRAPHS);
    uint64_t from = graphs_setting("PLUMB_TEST_SEED", 1);
    compiled = run_as_it_is = called_as_it_is = differentiated = built = 0;
    build = false;
    nest_compile_after(INT64_MAX);
    for (uint64_t i = 0; i < n; i += 50) /* compiled functions live as long as a session */
        check_all(determinism, from + i, n - i < 50 ? n - i : 50);
    build = true;
    check_all(determinism, from, graphs_setting("PLUMB_TEST_BUILT", (n + BUILT - 1) / BUILT));
    print_message("%lld programs compiled, %lld with gradients, %lld built; %lld and %lld run as "
                  "they are\n",
                  (long long)compiled, (long long)differentiated, (long long)built,
                  (long long)run_as_it_is, (long long)called_as_it_is);
    print_message("%lld calls, %lld of them refused\n", (long long)graphs_calls,
                  (long long)graphs_refused);
    assert_true(n < 2 || compiled + differentiated - called_as_it_is > (int64_t)n / 2);
}

static void gives_the_same_bits_in_run(void **state)
{
    (void)state;
    check_some(PLUMB_RUN);
}

static void gives_the_same_bits_in_exact(void **state)
{
    (void)state;
    check_some(PLUMB_EXACT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gives_the_same_bits_in_run),
                                       cmocka_unit_test(gives_the_same_bits_in_exact)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
