/* test_joint_fn.c - gradients of traced functions of several calls: written in place, viewed, drawn
 * at random, with tensors kept outside, and of steps that walk back themselves. */
#include "tests/unit/graph_eager.h"

#include "plumb.h"
#include "runtime/compile/joint.h"
#include "runtime/compile/passes.h"

/* ---- what functions work on ---- */

enum { ROWS = 4, COLUMNS = 8, INPUTS = 3, KEPT = 4, OUTS = 4, LEAVES = INPUTS + KEPT, MANY = 256 };
static struct {
    struct plumb_tensor *w, *b, *g, *plain; /* kept; the last wants no gradient */
    struct plumb_tensor *leaf[LEAVES];      /* inputs that want gradients, then kept ones */
    bool fresh_inputs;                      /* inputs have no gradient before, whatever the rest */
} on;

static struct plumb_tensor *numbers(int n, const int64_t *size, int seed)
{
    float v[ROWS * COLUMNS * COLUMNS];
    int64_t count = 1;
    for (int i = 0; i < n; i++) count *= size[i];
    for (int64_t i = 0; i < count; i++)
        v[i] = (float)((i * 37 + seed * 11) % 61 - 30) / 23 + (float)(i % 5) / 64;
    return plumb_tensor(PLUMB_F32, n, size, v);
}

static int open_session(void **state)
{
    (void)state;
    const int64_t square[] = {COLUMNS, COLUMNS}, row[] = {COLUMNS};
    if (!plumb_open(&(struct plumb_options){.seed = 3})) return -1;
    on.w = plumb_parameter("w", numbers(2, square, 1));
    on.b = plumb_parameter("b", numbers(1, row, 2));
    on.g = plumb_parameter("g", numbers(1, row, 3));
    on.plain = plumb_keep(numbers(1, row, 4));
    return on.plain ? 0 : -1;
}
static int close_session(void **state)
{
    (void)state;
    return plumb_close();
}

static void make_inputs(struct plumb_tensor **in)
{
    const int64_t size[] = {ROWS, COLUMNS}, rows = ROWS;
    int64_t label[ROWS];
    for (int i = 0; i < ROWS; i++) label[i] = (i * 3 + 1) % COLUMNS;
    in[0] = numbers(2, size, 5);
    in[1] = numbers(2, size, 6);
    in[2] = plumb_tensor(PLUMB_I64, 1, &rows, label);
    in[0]->requires_grad = true;
    struct plumb_tensor *leaf[LEAVES] = {in[0], NULL, NULL, on.w, on.b, on.g};
    memcpy(on.leaf, leaf, sizeof leaf);
}

/* ---- the functions ---- */

#define FUNCTION(name)                                                                             \
    static int name(void *context, struct plumb_tensor *const *in, int n_in,                       \
                    struct plumb_tensor **out, int n_out)
#define UNUSED (void)context, (void)n_in, (void)n_out, (void)in

/* w is used twice, so that its gradient comes from two calls */
FUNCTION(tied)
{
    UNUSED;
    struct plumb_tensor *h = plumb_relu(plumb_linear(in[0], on.w, on.b));
    h = plumb_linear(plumb_mul(h, on.plain), on.w, NULL);
    out[0] = plumb_cross_entropy_loss(h, in[2], NULL, PLUMB_MEAN, -100, 0);
    return out[0] ? 1 : -1;
}

FUNCTION(drawn)
{
    UNUSED;
    struct plumb_tensor *r[2];
    bool train = true;
    struct plumb_tensor *h = plumb_gelu(plumb_mul(in[0], on.g), "none");
    if (plumb_native_dropout(h, 0.25, &train, r) < 0) return -1;
    h = plumb_sin(plumb_linear(r[0], on.w, on.b));
    if (plumb_native_dropout(h, 0.5, &train, r) < 0) return -1;
    out[0] = plumb_mul(r[0], h);
    return out[0] ? 1 : -1;
}

FUNCTION(in_place)
{
    UNUSED;
    struct plumb_tensor *a = plumb_relu_(plumb_mul_scalar(in[0], 2));
    out[0] = plumb_sin(plumb_add_(plumb_mul_scalar(a, 3), in[1]));
    out[1] = plumb_exp(plumb_select_int(a, 0, 1));
    return out[0] && out[1] ? 2 : -1;
}

FUNCTION(viewed)
{
    UNUSED;
    struct plumb_tensor *a = plumb_linear(in[0], on.w, on.b);
    struct plumb_tensor *v = plumb_view(a, (int64_t[]){ROWS * COLUMNS}, 1);
    struct plumb_tensor *s = plumb_mul_scalar(v, 3);
    a = plumb_tanh(plumb_relu_(a));
    out[0] = plumb_mul(plumb_neg(v), s); /* v shows what was written */
    out[1] = plumb_mul(plumb_transpose_int(a, 0, 1), plumb_transpose_int(a, 0, 1));
    return out[0] && out[1] ? 2 : -1;
}

FUNCTION(attended)
{
    UNUSED;
    const int64_t heads[] = {1, ROWS, 2, COLUMNS / 2}, order[] = {0, 2, 1, 3};
    struct plumb_tensor *x = plumb_layer_norm(in[0], (int64_t[]){COLUMNS}, 1, on.g, on.b, 1e-5, 1);
    struct plumb_tensor *q = plumb_linear(x, on.w, NULL);
    q = plumb_permute(plumb_view(q, heads, 4), order, 4);
    struct plumb_tensor *k = plumb_permute(plumb_view(x, heads, 4), order, 4);
    x = plumb_scaled_dot_product_attention(q, k, plumb_sin(k), NULL, 0, true);
    x = plumb_reshape(plumb_permute(x, order, 4), (int64_t[]){ROWS, COLUMNS}, 2);
    x = plumb_add(in[0], plumb_gelu(x, "tanh"));
    out[0] = plumb_softmax_int(plumb_rms_norm(x, (int64_t[]){COLUMNS}, 1, on.g, NULL), -1, 0);
    return out[0] ? 1 : -1;
}

/* An input, what wants no gradient, a result twice */
FUNCTION(given_back)
{
    UNUSED;
    out[0] = in[0];
    out[1] = plumb_neg(in[1]);
    out[2] = out[3] = plumb_exp(plumb_mul(in[0], in[1]));
    return out[3] ? 4 : -1;
}

FUNCTION(empty_and_single)
{
    UNUSED;
    struct plumb_tensor *none = plumb_slice(in[0], 0, &(int64_t){2}, &(int64_t){2}, 1);
    out[0] = plumb_mul(plumb_sin(none), none);
    out[1] = plumb_exp(plumb_select_int(plumb_select_int(in[0], 0, 0), 0, 0));
    return out[0] && out[1] ? 2 : -1;
}

/* ---- as it is ---- */

struct outcome {
    int64_t size[OUTS + LEAVES]; /* -1: none */
    char bytes[OUTS + LEAVES][COLUMNS * COLUMNS * 4];
};

static void put(struct outcome *o, int i, const struct plumb_tensor *t)
{
    o->size[i] = t ? view_n_bytes(&t->view) : -1;
    if (t) assert_int_equal(plumb_read(t, o->bytes[i], o->size[i]), 0);
}
static void clear(struct outcome *o)
{
    for (int i = 0; i < OUTS + LEAVES; i++) o->size[i] = -1;
}
static void compare(const struct outcome *want, const struct outcome *got, const char *name,
                    const char *how)
{
    for (int i = 0; i < OUTS + LEAVES; i++) {
        const char *what = i < OUTS ? "result" : "gradient of leaf";
        int number = i < OUTS ? i : i - OUTS;
        if (want->size[i] != got->size[i])
            fail_msg("%s, %s: %s %d has %d bytes for %d", name, how, what, number,
                     (int)got->size[i], (int)want->size[i]);
        if (want->size[i] > 0 && memcmp(want->bytes[i], got->bytes[i], (size_t)want->size[i]))
            fail_msg("%s, %s: %s %d has other bits", name, how, what, number);
    }
}

static struct plumb_tensor *tangent_like(const struct view *v, int seed)
{
    return numbers(v->shape.n, v->shape.size, 20 + seed);
}

static void forget_gradients(void)
{
    for (int i = 0; i < LEAVES; i++) plumb_zero_grad(on.leaf[i]);
}
/* Every leaf has a gradient before: what comes is added in eager's order. */
static void begin_gradients(bool before)
{
    forget_gradients();
    for (int i = 0; i < LEAVES && before; i++) {
        if (!on.leaf[i] || (on.fresh_inputs && i < INPUTS)) continue;
        struct plumb_tensor *g = tangent_like(&on.leaf[i]->view, 40 + i);
        tensor_keep(g);
        on.leaf[i]->grad = g;
    }
}
static void take_gradients(struct outcome *out)
{
    for (int i = 0; i < LEAVES; i++) put(out, OUTS + i, on.leaf[i] ? plumb_grad(on.leaf[i]) : NULL);
    forget_gradients();
}

static int walk_back(struct plumb_tensor *const *y, int n)
{
    struct plumb_tensor *loss = NULL;
    for (int i = 0; i < n; i++) {
        if (!y[i]->made_by || (i && y[i] == y[i - 1])) continue;
        struct plumb_tensor *part = plumb_sum(plumb_mul(y[i], tangent_like(&y[i]->view, i)), 0);
        loss = loss ? plumb_add(loss, part) : part;
    }
    return plumb_backward(loss);
}

static void run_eager(plumb_function f, bool before, struct outcome *out)
{
    struct plumb_tensor *in[INPUTS], *y[OUTS] = {0};
    assert_int_equal(plumb_frame_begin(), 0);
    clear(out);
    make_inputs(in);
    begin_gradients(before);
    int n = f(NULL, in, INPUTS, y, OUTS);
    if (n < 0 || walk_back(y, n)) fail_msg("%s", plumb_error());
    for (int i = 0; i < n; i++) put(out, i, y[i]);
    take_gradients(out);
    plumb_frame_end();
}

/* ---- traced ---- */

struct traced {
    struct arena arena;
    struct graph joint;
    struct joint_split split;
};
static void traced_release(struct traced *t)
{
    joint_split_release(&t->split);
    for (size_t i = 0; i < t->joint.constant.n; i++) tensor_free(t->joint.constant.p[i]);
    graph_release(&t->joint);
    arena_release(&t->arena);
}
static void assert_fine(enum err err, const char *what)
{
    if (err) fail_msg("%s: %s", what, err_text());
}

/* The error of the first step that failed; the frame stays open. */
static enum err trace_it(plumb_function f, struct traced *out)
{
    struct trace t;
    struct plumb_tensor *in[INPUTS], *y[OUTS] = {0};
    *out = (struct traced){0};
    make_inputs(in);
    graph_init(&out->joint, &out->arena, "f");
    enum err err = trace_begin(&t, &out->joint, in, INPUTS);
    int n = err ? 0 : f(NULL, in, INPUTS, y, OUTS);
    if (n < 0) err = ERR_USAGE;
    for (int i = 0; i < n && !err; i++) err = trace_output(&t, y[i], GRAPH_RESULT, i);
    if (!err) err = trace_leaf_gradients(&t);
    if (!err) err = joint_trace(&t, y, n > 0 ? n : 0);
    trace_end(&t);
    return err ? err : graph_check(&out->joint);
}

struct run {
    struct plumb_tensor *in[INPUTS], *tangent[OUTS], *saved[MANY], *out[MANY];
    uint64_t stream;
};

static void run_graph(const struct graph *g, struct run *r)
{
    struct graph_eager e = {.g = g,
                            .input = r->in,
                            .tangent = r->tangent,
                            .saved = r->saved,
                            .stream = r->stream,
                            .value = calloc(g->value.n + 1, sizeof(void *))};
    assert_non_null(e.value);
    assert_true(g->output.n <= MANY);
    for (size_t i = 0; i < g->value.n; i++)
        if (g->value.p[i].origin == GRAPH_TANGENT)
            r->tangent[g->value.p[i].index] =
                tangent_like(&g->value.p[i].view, g->value.p[i].index);
    graph_run(&e, r->out);
    free(e.value);
}

/* The leaf that a value of the joint graph stands for. */
static struct plumb_tensor *leaf_of(const struct run *r, const struct graph *joint, int value)
{
    const struct graph_value *v = &joint->value.p[value];
    if (v->origin == GRAPH_INPUT) return r->in[v->index];
    assert_int_equal(v->origin, GRAPH_CAPTURED);
    return joint->captured.p[v->index].tensor;
}

static void set_gradient(struct plumb_tensor *leaf, struct plumb_tensor *g)
{
    if (g) tensor_keep(g);
    leaf->grad = g; /* what it had ends with the session */
}

static void take_outputs(const struct graph *g, const struct graph *joint, struct run *r,
                         struct outcome *out)
{
    plumb_no_grad_begin();
    for (size_t i = 0; i < g->output.n; i++) {
        const struct graph_output *o = &g->output.p[i];
        struct plumb_tensor *y = r->out[i];
        if (o->gives == GRAPH_RESULT) put(out, o->index, y);
        if (o->gives == GRAPH_SAVE) r->saved[o->index] = y;
        if (o->gives == GRAPH_LEAF_GRAD) set_gradient(leaf_of(r, g, o->index), y);
        if (o->gives != GRAPH_GRADIENT || !y) continue;
        struct plumb_tensor *leaf = leaf_of(r, joint, o->index);
        set_gradient(leaf, leaf->grad ? plumb_add(leaf->grad, y) : plumb_clone(y));
    }
    plumb_no_grad_end();
}

/* Forward and backward where the graph was split, else the joint graph. */
static void run_traced(const struct traced *t, uint64_t stream, bool before, struct outcome *out)
{
    struct run r = {.stream = stream};
    bool split = t->split.decision;
    clear(out);
    make_inputs(r.in);
    begin_gradients(before);
    const struct graph *first = split ? &t->split.forward : &t->joint;
    run_graph(first, &r);
    take_outputs(first, &t->joint, &r, out);
    if (split) {
        run_graph(&t->split.backward, &r);
        take_outputs(&t->split.backward, &t->joint, &r, out);
    }
    take_gradients(out);
}

static void split_it(struct traced *t, const struct joint_options *o)
{
    joint_split_release(&t->split);
    assert_fine(joint_split(&t->joint, o, &t->arena, &t->split), "splitting");
    assert_fine(graph_check(&t->split.forward), "the forward graph");
    assert_fine(graph_check(&t->split.backward), "the backward graph");
}

static void check_function(const char *name, plumb_function f, bool before)
{
    static struct outcome want, got;
    struct traced t;
    uint64_t stream = thread_self.generator;
    run_eager(f, before, &want);
    assert_int_equal(plumb_frame_begin(), 0);
    assert_fine(trace_it(f, &t), name);
    run_traced(&t, stream, before, &got);
    compare(&want, &got, name, "joint");
    split_it(&t, &(struct joint_options){.save_all = true});
    run_traced(&t, stream, before, &got);
    compare(&want, &got, name, "all saved");
    split_it(&t, NULL);
    run_traced(&t, stream, before, &got);
    compare(&want, &got, name, "split");
    assert_fine(passes_run(&t.joint, NULL, NULL), "passes");
    split_it(&t, NULL);
    run_traced(&t, stream, before, &got);
    compare(&want, &got, name, "split after passes");
    traced_release(&t);
    plumb_frame_end();
}

#define CHECKED(name)                                                                              \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        check_function(#name, name, false);                                                        \
        check_function(#name, name, true);                                                         \
    }
CHECKED(tied)
CHECKED(drawn)
CHECKED(in_place)
CHECKED(viewed)
CHECKED(attended)
CHECKED(given_back)
CHECKED(empty_and_single)

/* ---- functions that walk back themselves ---- */

/* A step: the loss, gradients of all, w written and its gradient forgotten, b's kept; and within,
 * gradients of a part in a frame of its own. */
FUNCTION(step)
{
    UNUSED;
    if (plumb_frame_begin()) return -1;
    struct plumb_tensor *part = plumb_sum(plumb_mul(plumb_mul(on.g, on.b), on.g), 0);
    int rc = plumb_backward(part);
    plumb_frame_end();
    if (rc || tied(context, in, n_in, out, n_out) < 0) return -1;
    if (plumb_backward(out[0])) return -1;
    plumb_no_grad_begin();
    struct plumb_tensor *w = plumb_add__full(on.w, plumb_grad(on.w), -0.125);
    if (w) w = plumb_add__full(on.g, plumb_grad(on.g), -0.5);
    plumb_no_grad_end();
    plumb_zero_grad(on.w);
    return w ? 1 : -1;
}

/* Values of the kept tensors follow the result. */
static void put_kept(struct outcome *o)
{
    put(o, 1, on.w);
    put(o, 2, on.b);
    put(o, 3, on.g);
}
static void restore(struct plumb_tensor *t, const char *bytes)
{
    memcpy(t->storage->p, bytes, (size_t)view_n_bytes(&t->view));
}

static void check_step(bool before)
{
    static struct outcome old, want, got;
    struct plumb_tensor *in[INPUTS], *y[OUTS] = {0};
    struct traced t;
    assert_int_equal(plumb_frame_begin(), 0);
    put_kept(&old);
    on.fresh_inputs = true; /* a gradient of an input is not to be had while tracing */
    make_inputs(in);
    begin_gradients(before);
    assert_fine(trace_it(step, &t), "step");
    make_inputs(in);
    begin_gradients(before);
    clear(&want);
    if (step(NULL, in, INPUTS, y, OUTS) < 0) fail_msg("%s", plumb_error());
    put(&want, 0, y[0]);
    put_kept(&want);
    take_gradients(&want);
    restore(on.w, old.bytes[1]);
    restore(on.g, old.bytes[3]);
    assert_int_equal(t.joint.n_tangents, 0);
    run_traced(&t, 0, before, &got);
    put_kept(&got);
    compare(&want, &got, before ? "step, with gradients before" : "step", "traced");
    restore(on.w, old.bytes[1]);
    restore(on.g, old.bytes[3]);
    on.fresh_inputs = false;
    traced_release(&t);
    plumb_frame_end();
}

static void test_step(void **state)
{
    (void)state;
    check_step(true);
}
/* Whether there is a gradient before changes what is called: it is traced so. */
static void test_first_step(void **state)
{
    (void)state;
    check_step(false);
}

/* How many gradients of layer norm say that they are one's. */
static int count_marks(const struct graph *g)
{
    int marked = 0;
    for (size_t i = 0; i < g->node.n; i++) {
        const struct graph_node *n = &g->node.p[i];
        if (n->phase == GRAPH_FORWARD) assert_int_equal(n->forward, GRAPH_NONE);
        if (n->forward == GRAPH_NONE) continue;
        const struct graph_node *of = &g->node.p[n->forward];
        assert_int_equal(of->phase, GRAPH_FORWARD);
        assert_non_null(of->op->grad);
        marked += !strcmp(of->op->s.name, "aten::native_layer_norm") &&
                  !strcmp(n->op->s.name, "aten::native_layer_norm_backward");
    }
    return marked;
}

/* Calls of gradient rules say which call they are on behalf of, passes or not. */
static void test_marks(void **state)
{
    (void)state;
    struct traced t;
    assert_int_equal(plumb_frame_begin(), 0);
    assert_fine(trace_it(attended, &t), "tracing");
    assert_int_equal(count_marks(&t.joint), 1);
    assert_fine(passes_run(&t.joint, NULL, NULL), "passes");
    assert_int_equal(count_marks(&t.joint), 1);
    traced_release(&t);
    plumb_frame_end();
}

/* ---- what cannot be traced ---- */

static struct plumb_tensor *outside;
FUNCTION(walks_outside)
{
    UNUSED;
    out[0] = plumb_neg(in[0]);
    return plumb_backward(outside) ? -1 : 1;
}

FUNCTION(walks_beyond)
{
    UNUSED;
    out[0] = plumb_sum(plumb_mul(in[0], in[0]), 0);
    return plumb_backward(out[0]) ? -1 : 1;
}

static void assert_breaks(plumb_function f, struct plumb_tensor *in, const char *says)
{
    struct traced t = {0};
    struct trace trace;
    struct plumb_tensor *y[OUTS];
    graph_init(&t.joint, &t.arena, "f");
    assert_fine(trace_begin(&trace, &t.joint, &in, 1), "tracing");
    assert_int_equal(f(NULL, trace.in, 1, y, OUTS), -1);
    assert_true(trace.broken);
    if (!strstr(trace.reason, says)) fail_msg("%s", trace.reason);
    trace_end(&trace);
    traced_release(&t);
}

static void test_breaks(void **state)
{
    (void)state;
    struct plumb_tensor *in[INPUTS];
    assert_int_equal(plumb_frame_begin(), 0);
    make_inputs(in);
    outside = plumb_sum(plumb_mul(in[0], on.g), 0);
    assert_breaks(walks_outside, in[1], "what another function computed");
    assert_breaks(walks_beyond, plumb_mul(in[0], on.g), "beyond the function");
    assert_int_equal(plumb_backward(outside), 0); /* as if nothing had been traced */
    assert_non_null(plumb_grad(in[0]));
    forget_gradients();
    plumb_frame_end();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, open_session, close_session)
    const struct CMUnitTest tests[] = {
        TEST(tied),       TEST(drawn),      TEST(in_place),         TEST(viewed),
        TEST(attended),   TEST(given_back), TEST(empty_and_single), TEST(step),
        TEST(first_step), TEST(marks),      TEST(breaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
