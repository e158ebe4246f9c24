/* test_passes.c - each rule of the passes by hand: what it takes away, what it leaves, and that all
 * bits stay: NaN with payloads, -0, infinities, denormals. */
#include "runtime/compile/passes.h"
#include "runtime/compile/trace.h"
#include "runtime/ops.h"
#include "tests/unit/graph_eager.h"

#include "plumb.h"

enum { OUT = 4, N = 12 };

static struct arena arena;
static struct graph graph;
static struct plumb_tensor *input[3]; /* f32 [3, 4], hostile; a second; i64 [4] */

static int open_session(void **state)
{
    static const uint32_t odd[N] = {0x7fc00000, 0xffc12345, 0x7f800001, 0x80000000,
                                    0,          0x7f800000, 0xff800000, 1,
                                    0x80000007, 0x3f800000, 0xc0490fdb, 0x7f7fffff};
    static const int64_t matrix[] = {3, 4}, row[] = {4}, whole[] = {0, -1, 7, INT64_MIN};
    float plain[N];
    (void)state;
    for (int i = 0; i < N; i++) plain[i] = (float)i - 5.5f;
    if (!plumb_open(NULL) || plumb_frame_begin()) return -1;
    input[0] = plumb_tensor(PLUMB_F32, 2, matrix, odd);
    input[1] = plumb_tensor(PLUMB_F32, 2, matrix, plain);
    input[2] = plumb_tensor(PLUMB_I64, 1, row, whole);
    graph_init(&graph, &arena, "f");
    return 0;
}

static int close_session(void **state)
{
    (void)state;
    for (size_t i = 0; i < graph.constant.n; i++) tensor_free(graph.constant.p[i]);
    graph_release(&graph);
    arena_release(&arena);
    plumb_frame_end();
    return plumb_close();
}

/* ---- tracing, running, counting ---- */

static int n_out;

static void trace_of(plumb_function fn, int n)
{
    struct trace t;
    struct plumb_tensor *out[OUT];
    n_out = n;
    if (trace_begin(&t, &graph, input, 3)) fail_msg("%s", err_text());
    if (fn(NULL, t.in, 3, out, n)) fail_msg("%s", plumb_error());
    for (int i = 0; i < n; i++) assert_int_equal(trace_output(&t, out[i], GRAPH_RESULT, i), 0);
    trace_end(&t);
    if (graph_check(&graph)) fail_msg("%s", err_text());
}

/* The bits of all results, one after another; the caller frees them. */
static char *run_graph(size_t *size)
{
    struct plumb_tensor *out[OUT];
    assert_int_equal(plumb_frame_begin(), 0);
    struct plumb_tensor *in[] = {plumb_clone(input[0]), plumb_clone(input[1]),
                                 plumb_clone(input[2])};
    struct graph_eager e = {.g = &graph, .input = in};
    e.value = calloc(graph.value.n + 1, sizeof *e.value);
    graph_run(&e, out);
    char *bits = malloc(4096), *to = bits;
    for (int i = 0; i < n_out; i++) {
        int64_t n = view_n_bytes(&out[i]->view);
        assert_int_equal(plumb_read(out[i], to, n), 0);
        to += n;
    }
    *size = (size_t)(to - bits);
    free(e.value);
    plumb_frame_end();
    return bits;
}

/* One pass, or all with NULL: the graph is sound after it and gives the same bits. */
static void run_pass(enum err (*pass)(struct graph *, struct pass_result *))
{
    size_t before, after;
    char *want = run_graph(&before);
    struct pass_result r = {0};
    if (pass ? pass(&graph, &r) : passes_run(&graph, NULL, NULL)) fail_msg("%s", err_text());
    if (graph_check(&graph)) fail_msg("%s", err_text());
    char *got = run_graph(&after);
    assert_int_equal(before, after);
    assert_memory_equal(want, got, before);
    free(want);
    free(got);
}

/* Calls of that operator that are left. */
static int calls_of(enum op_id id)
{
    int n = 0;
    for (size_t i = 0; i < graph.node.n; i++) n += graph.node.p[i].op == op_at(id);
    return n;
}

static struct plumb_tensor *number(const char *op, struct plumb_tensor *x, double v)
{
    struct plumb_value arg[] = {{.kind = PLUMB_V_TENSOR, .tensor = x},
                                {.kind = PLUMB_V_REAL, .r = v}};
    struct plumb_tensor *y = NULL;
    if (plumb_call(op, arg, 2, &y, 1) != 1) fail_msg("%s", plumb_error());
    return y;
}

static struct plumb_tensor *cast(struct plumb_tensor *x, enum plumb_dtype t)
{
    struct plumb_value arg[] = {{.kind = PLUMB_V_TENSOR, .tensor = x},
                                {.kind = PLUMB_V_DTYPE, .i = t}};
    struct plumb_tensor *y = NULL;
    if (plumb_call("aten::_to_copy", arg, 2, &y, 1) != 1) fail_msg("%s", plumb_error());
    return y;
}

#define FUNCTION(name)                                                                             \
    static int name(void *context, struct plumb_tensor *const *in, int n_in,                       \
                    struct plumb_tensor **out, int n)
#define UNUSED (void)context, (void)n_in, (void)n, (void)in

/* ---- canonicalise ---- */

/* Numbers that change nothing, of what a nest computed; what they are of x itself stays. */
FUNCTION(neutral)
{
    UNUSED;
    struct plumb_tensor *x = plumb_exp(in[0]), *y = plumb_neg(in[1]);
    out[0] = plumb_add(number("aten::mul.Scalar", x, 1), y);
    out[1] = plumb_add(number("aten::sub.Scalar", y, 0), number("aten::add.Scalar", y, -0.0));
    out[2] = plumb_add(number("aten::div.Scalar", y, 1), x);
    return 0;
}

static void takes_neutral_numbers_away(void **state)
{
    (void)state;
    trace_of(neutral, 3);
    run_pass(pass_canonicalise);
    run_pass(pass_dce);
    assert_int_equal(calls_of(OP_ID_mul_Scalar) + calls_of(OP_ID_sub_Scalar) +
                         calls_of(OP_ID_add_Scalar) + calls_of(OP_ID_div_Scalar),
                     0);
}

/* -0 + 0 is +0; -0 - -0 too; and an input's NaN has bits of its own, which x * 1 loses. */
FUNCTION(not_neutral)
{
    UNUSED;
    struct plumb_tensor *zero = plumb_mul(in[1], plumb_neg(plumb_zeros_like(in[1], PLUMB_F32)));
    out[0] = plumb_neg(number("aten::add.Scalar", zero, 0));
    out[1] = plumb_neg(number("aten::sub.Scalar", zero, -0.0));
    out[2] = plumb_flip(number("aten::mul.Scalar", in[0], 1), (int64_t[]){0}, 1);
    out[3] = number("aten::mul.Scalar", plumb_neg(in[2]), 1.0);
    return 0;
}

static void leaves_numbers_that_matter(void **state)
{
    (void)state;
    trace_of(not_neutral, 4);
    run_pass(pass_canonicalise);
    run_pass(pass_dce);
    assert_int_equal(calls_of(OP_ID_add_Scalar), 1);
    assert_int_equal(calls_of(OP_ID_sub_Scalar), 1);
    assert_int_equal(calls_of(OP_ID_mul_Scalar), 2);
}

FUNCTION(views)
{
    UNUSED;
    struct plumb_tensor *twice = plumb_t(plumb_t(in[0]));
    struct plumb_tensor *flat =
        plumb_view(plumb_view(in[0], (int64_t[]){2, 6}, 2), (int64_t[]){12}, 1);
    out[0] = plumb_relu(twice);
    out[1] = plumb_relu(flat);
    out[2] = plumb_relu(plumb_detach(in[0]));
    return 0;
}

static void joins_views(void **state)
{
    (void)state;
    trace_of(views, 3);
    run_pass(pass_canonicalise);
    run_pass(pass_dce);
    assert_int_equal(calls_of(OP_ID_t) + calls_of(OP_ID_detach), 0);
    assert_int_equal(calls_of(OP_ID_view), 1);
    assert_int_equal(calls_of(OP_ID_relu), 3);
}

/* Through f32 and back an input's NaN loses its payload; that one stays. */
FUNCTION(casts)
{
    UNUSED;
    struct plumb_tensor *half = cast(in[0], PLUMB_BF16), *wide = cast(in[0], PLUMB_F64);
    out[0] = cast(cast(half, PLUMB_F32), PLUMB_I32);
    out[1] = cast(wide, PLUMB_F16);
    out[2] = cast(wide, PLUMB_F32);
    out[3] = plumb_flip(cast(in[0], PLUMB_F32), (int64_t[]){1}, 1);
    return 0;
}

static void joins_casts(void **state)
{
    (void)state;
    trace_of(casts, 4);
    run_pass(pass_canonicalise);
    run_pass(pass_dce);
    /* to bf16, of that to i32, to f64, of that to f32, and to f16 at once */
    assert_int_equal(calls_of(OP_ID__to_copy), 5);
}

/* ---- common calls, dead code ---- */

FUNCTION(common)
{
    UNUSED;
    struct plumb_tensor *a = plumb_exp(in[0]), *b = plumb_exp(in[0]);
    out[0] = plumb_add(a, b);
    out[1] = plumb_relu(in[1]);
    out[2] = plumb_relu(in[1]); /* a second tensor for the caller */
    plumb_relu_(in[0]);
    out[3] = plumb_exp(in[0]); /* of other values */
    return 0;
}

static void makes_equal_calls_once(void **state)
{
    (void)state;
    trace_of(common, 4);
    run_pass(pass_cse);
    run_pass(pass_dce);
    assert_int_equal(calls_of(OP_ID_exp), 2);
    assert_int_equal(calls_of(OP_ID_relu), 2);
    assert_int_not_equal(graph.output.p[1].value, graph.output.p[2].value);
}

FUNCTION(written)
{
    UNUSED;
    struct plumb_tensor *a = plumb_neg(in[1]), *b = plumb_neg(in[1]);
    plumb_relu_(a);
    out[0] = plumb_add(a, b);
    out[1] = plumb_add(plumb_rand_like(in[1], PLUMB_F32), plumb_rand_like(in[1], PLUMB_F32));
    return 0;
}

static void keeps_what_is_written_or_random_apart(void **state)
{
    (void)state;
    trace_of(written, 2);
    run_pass(pass_cse);
    run_pass(pass_dce);
    assert_int_equal(calls_of(OP_ID_neg), 2);
    assert_int_equal(calls_of(OP_ID_rand_like), 2);
}

FUNCTION(dead)
{
    UNUSED;
    struct plumb_tensor *t = plumb_t(in[0]), *lost = plumb_neg(in[1]);
    plumb_rand_like(in[1], PLUMB_F32);
    out[1] = plumb_rand_like(in[1], PLUMB_F32);
    plumb_relu_(lost);
    plumb_exp(lost);
    plumb_relu_(in[0]); /* seen by t, and by the caller */
    out[0] = plumb_neg(t);
    plumb_tanh_(in[1]); /* seen by the caller alone */
    return 0;
}

static void takes_dead_calls_away(void **state)
{
    (void)state;
    trace_of(dead, 2);
    run_pass(pass_dce);
    assert_int_equal(calls_of(OP_ID_rand_like), 1);
    assert_int_equal(calls_of(OP_ID_relu_), 1);
    assert_int_equal(calls_of(OP_ID_tanh_), 1);
    assert_int_equal(calls_of(OP_ID_exp), 0);
    assert_int_equal(graph.n_streams, 2);
    for (size_t i = 0; i < graph.node.n; i++)
        if (graph.node.p[i].op == op_at(OP_ID_rand_like))
            assert_int_equal(graph.node.p[i].stream, 1);
}

/* ---- constants, layout, products ---- */

FUNCTION(constants)
{
    UNUSED;
    const float data[] = {1, -0.0f, 3, 0.5f};
    struct plumb_tensor *c = plumb_tensor(PLUMB_F32, 1, (int64_t[]){4}, data);
    struct plumb_tensor *d = plumb_exp(plumb_flip(c, (int64_t[]){0}, 1));
    out[0] = plumb_mul(in[1], d);
    out[1] = plumb_neg(c); /* leaves the graph: made anew each time */
    out[2] = plumb_mul(in[1], plumb_ones_like(in[1], PLUMB_F32));
    return 0;
}

static void computes_constants_once(void **state)
{
    (void)state;
    trace_of(constants, 3);
    run_pass(pass_fold);
    run_pass(pass_dce);
    assert_int_equal(calls_of(OP_ID_exp) + calls_of(OP_ID_flip), 0);
    assert_int_equal(calls_of(OP_ID_neg), 1);
    assert_int_equal(calls_of(OP_ID_ones_like), 1);
    assert_int_equal(graph.constant.n, 2);
}

FUNCTION(copies)
{
    UNUSED;
    struct plumb_tensor *turned = plumb_clone(plumb_t(in[0])), *both = plumb_clone(plumb_t(in[1]));
    out[0] = plumb_relu(turned);                           /* read once, by strides */
    out[1] = plumb_add(plumb_exp(both), plumb_neg(both));  /* read twice */
    out[2] = plumb_clone(plumb_t(in[1]));                  /* for the caller */
    out[3] = plumb_mm(in[1], plumb_clone(plumb_t(in[0]))); /* packed anyway */
    return 0;
}

static void takes_copies_away(void **state)
{
    (void)state;
    trace_of(copies, 4);
    run_pass(pass_layout);
    run_pass(pass_dce);
    assert_int_equal(calls_of(OP_ID_clone), 2);
}

/* Over an inner size of 0; over 1 the kernel rounds as no other call does. */
FUNCTION(empty)
{
    UNUSED;
    struct plumb_tensor *none = plumb_select_int(in[0], 0, 0);
    const int64_t zero = 0;
    none = plumb_unsqueeze(plumb_slice(none, 0, &zero, &zero, 1), 0);
    out[0] = plumb_neg(plumb_mm(plumb_t(none), none));
    out[1] = plumb_neg(plumb_mm(none, plumb_t(none)));
    out[2] = plumb_mm(plumb_view(in[0], (int64_t[]){12, 1}, 2),
                      plumb_view(in[0], (int64_t[]){1, 12}, 2));
    return 0;
}

static void writes_empty_products_as_zeros(void **state)
{
    (void)state;
    trace_of(empty, 3);
    run_pass(pass_decompose);
    assert_int_equal(calls_of(OP_ID_mm), 2);
    assert_int_equal(calls_of(OP_ID_zeros), 1);
}

/* A product that is rounded to -0 stays it, which adding 0 would not. */
FUNCTION(underflow)
{
    UNUSED;
    struct plumb_tensor *tiny = plumb_full((int64_t[]){2, 1}, 2, -0x1p-100, PLUMB_F32);
    out[0] = plumb_mm(tiny, plumb_t(plumb_neg(tiny)));
    return 0;
}

static void leaves_products_that_underflow(void **state)
{
    (void)state;
    trace_of(underflow, 1);
    run_pass(NULL);
    assert_int_equal(calls_of(OP_ID_mm), 1);
}

/* ---- all of them ---- */

static enum err count(void *context, const char *pass, const struct graph *g,
                      const struct pass_result *r)
{
    (void)pass, (void)g;
    ++*(int *)context;
    assert_true(r->ns >= 0 && r->changed >= 0);
    return ERR_OK;
}

static void runs_all_in_order(void **state)
{
    (void)state;
    int n = 0;
    trace_of(dead, 2);
    run_pass(NULL);
    assert_int_equal(passes_run(&graph, count, &n), 0);
    assert_int_equal(n, 6);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_session, close_session)
    const struct CMUnitTest tests[] = {CASE(takes_neutral_numbers_away),
                                       CASE(leaves_numbers_that_matter),
                                       CASE(joins_views),
                                       CASE(joins_casts),
                                       CASE(makes_equal_calls_once),
                                       CASE(keeps_what_is_written_or_random_apart),
                                       CASE(takes_dead_calls_away),
                                       CASE(computes_constants_once),
                                       CASE(takes_copies_away),
                                       CASE(writes_empty_products_as_zeros),
                                       CASE(leaves_products_that_underflow),
                                       CASE(runs_all_in_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
