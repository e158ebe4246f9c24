/* test_passes_random.c - random programs: the graph before and after each pass gives the bits that
 * the program gives, in results and in what it wrote; the text of the graph is read back.
 * PLUMB_TEST_GRAPHS sets how many, PLUMB_TEST_SEED the first. */
#include "capture/fx_text.h"
#include "runtime/compile/passes.h"
#include "runtime/compile/trace.h"
#include "tests/unit/graphs_run.h"

static int64_t traced, broken, changed[16];

/* ---- the text ---- */

/* The node of the text that stands in that line. */
static const struct fx_node *fx_at(const struct fx_text *fx, int line)
{
    for (size_t i = 0; i < fx->nodes.n; i++)
        if (fx->nodes.p[i].op != FX_PLACEHOLDER && (int)fx->nodes.p[i].line == line)
            return &fx->nodes.p[i];
    fail_msg("no node stands in line %d", line);
    return NULL;
}

/* The call, as many arguments as it has tensors, and the type of its only result. */
static void check_call(const struct graph *g, int i, const struct fx_text *fx,
                       const struct fx_node *got)
{
    const struct graph_node *n = &g->node.p[i];
    uint32_t args = 0;
    char target[96];
    snprintf(target, sizeof target, "torch.ops.aten.%s%s", strstr(n->op->s.name, "::") + 2,
             strchr(n->op->s.name, '.') ? "" : ".default");
    assert_true(got->op == FX_CALL_FUNCTION && span_is(got->target, target));
    for (int s = 0; s < n->n_in; s++) args += n->in[s] >= 0;
    assert_int_equal(got->n_args, args);
    for (uint32_t a = 0; a < got->n_args; a++)
        assert_true(fx->args.p[got->first_arg + a] < (uint32_t)(got - fx->nodes.p));
    bool one = n->n_out == 1 && !n->op->s.result_list && n->out[0] >= 0;
    if (!one || !span_is(got->name, g->value.p[n->out[0]].name)) return;
    const char *type = dtype_name(g->value.p[n->out[0]].view.dtype);
    assert_true(span_starts(got->type, type) && span_ends(got->type, "]cpu"));
}

static void check_text(const struct graph *g)
{
    static struct fx_text fx;
    struct graph_text t;
    size_t inputs = 0;
    if (graph_print(g, "GraphModule", &t)) fail_msg("%s", err_text());
    if (fx_text_read(buf_text(&t.text), &fx)) fail_msg("%s", err_text());
    assert_int_equal(fx.graphs.n, 1);
    assert_int_equal(fx.graphs.p[0].n_unread, 0);
    for (size_t i = 0; i < g->value.n; i++) {
        enum graph_origin origin = g->value.p[i].origin;
        inputs += origin != GRAPH_MADE && origin != GRAPH_CONSTANT;
    }
    size_t found = 0;
    for (size_t i = 0; i < fx.nodes.n; i++) found += fx.nodes.p[i].op == FX_PLACEHOLDER;
    assert_int_equal(found, inputs);
    for (int i = 0; i < (int)g->node.n; i++) check_call(g, i, &fx, fx_at(&fx, t.node_line[i]));
    assert_int_equal(fx.nodes.p[fx.nodes.n - 1].n_args, g->output.n);
    graph_text_release(&t);
}

/* ---- one program ---- */

struct check {
    struct graphs_program *p;
    const struct graphs_bits *want;
    uint64_t stream;
    const char *failed; /* pass after which bits were others */
    int n;
};

static enum err see(void *context, const char *pass, const struct graph *g,
                    const struct pass_result *r)
{
    struct check *k = context;
    struct graphs_bits got;
    changed[k->n++] += r->changed;
    if (k->failed) return ERR_OK;
    graphs_run_graph(k->p, g, k->stream, &got);
    if (!graphs_same_bits(k->want, &got)) k->failed = pass;
    graphs_bits_release(&got);
    return ERR_OK;
}

/* The pass that went wrong, "trace", or NULL. */
static const char *check_program(struct graphs_program *p)
{
    struct arena arena = {0};
    struct graph g;
    struct graphs_bits want, got;
    uint64_t stream = p->seed % 1000;
    struct check k = {.p = p, .want = &want, .stream = stream};
    graph_init(&g, &arena, "random");
    graphs_run_exactly(p, stream, &want);
    if (graphs_trace_program(p, &g)) {
        traced++;
        if (graph_check(&g)) fail_msg("seed %llu: %s", (unsigned long long)p->seed, err_text());
        graphs_run_graph(p, &g, stream, &got);
        if (!graphs_same_bits(&want, &got)) k.failed = "trace";
        graphs_bits_release(&got);
        check_text(&g);
        if (!k.failed && passes_run(&g, see, &k)) {
            print_error("%s\n", err_text());
            k.failed = "check";
        }
        check_text(&g);
    } else {
        broken++;
    }
    for (size_t i = 0; i < g.constant.n; i++) tensor_free(g.constant.p[i]);
    graph_release(&g);
    arena_release(&arena);
    graphs_bits_release(&want);
    return k.failed;
}

static void fail_smaller(struct graphs_program *p)
{
    graphs_shrink(p, check_program);
    const char *why = check_program(p);
    fail_msg("seed %llu, skip %llx: %s changes bits", (unsigned long long)p->seed,
             (unsigned long long)p->skip, why ? why : "nothing now");
}

static void each_program(enum plumb_determinism determinism)
{
    uint64_t count = graphs_setting("PLUMB_TEST_GRAPHS", 200);
    uint64_t from = graphs_setting("PLUMB_TEST_SEED", 1);
    nest_compile_after(INT64_MAX);
    if (!plumb_open(&(struct plumb_options){.determinism = determinism}))
        fail_msg("%s", plumb_error());
    traced = broken = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct graphs_program p;
        graphs_draw(&p, from + i);
        p.grads = p.inner = false;
        graphs_keep(&p);
        if (check_program(&p)) fail_smaller(&p);
    }
    assert_int_equal(plumb_close(), 0);
    print_message("%lld programs traced, %lld broken; changed:", (long long)traced,
                  (long long)broken);
    for (int i = 0; i < 6; i++) print_message(" %lld", (long long)changed[i]);
    print_message("; %lld calls, %lld refused\n", (long long)graphs_calls,
                  (long long)graphs_refused);
    assert_true(traced > (int64_t)count / 2);
}

static void keeps_bits_in_run(void **state)
{
    (void)state;
    each_program(PLUMB_RUN);
}

static void keeps_bits_in_exact(void **state)
{
    (void)state;
    each_program(PLUMB_EXACT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keeps_bits_in_run),
                                       cmocka_unit_test(keeps_bits_in_exact)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
