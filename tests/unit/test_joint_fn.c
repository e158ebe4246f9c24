/* test_joint_fn.c - gradients of traced functions of several calls: written in place, viewed, drawn
 * at random, with tensors kept outside, and of steps that walk back themselves. */
#include "tests/unit/graph_eager.h"
#include "tests/unit/joint_functions.h"
#include "tests/unit/joint_traced.h"

#include "plumb.h"
#include "runtime/compile/joint.h"
#include "runtime/compile/passes.h"
#include "runtime/compile/program.h"

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

/* As a program whose kernels are interpreted. */
static void run_program(const struct graph *g, struct run *r)
{
    struct arena arena = {0};
    struct program p;
    struct program_options o = {.interpret = true, .determinism = PLUMB_EXACT};
    struct program_call c = {.input = r->in,
                             .tangent = r->tangent,
                             .saved = r->saved,
                             .stream = (int64_t)r->stream,
                             .output = r->out};
    enum err err = program_build(g, &o, &arena, &p);
    if (!err) err = program_run(&p, &c);
    if (err) fail_msg("the program: %s", err_text());
    program_release(&p);
    arena_release(&arena);
}

static void run_graph(const struct graph *g, struct run *r, bool fused)
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
    if (fused) run_program(g, r);
    else graph_run(&e, r->out);
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
enum how { BY_CALLS, FUSED };
static void run_traced(const struct traced *t, enum how how, uint64_t stream, bool before,
                       struct outcome *out)
{
    struct run r = {.stream = stream};
    bool split = t->split.decision;
    clear(out);
    make_inputs(r.in);
    begin_gradients(before);
    const struct graph *first = split ? &t->split.forward : &t->joint;
    run_graph(first, &r, how == FUSED);
    take_outputs(first, &t->joint, &r, out);
    if (split) {
        run_graph(&t->split.backward, &r, how == FUSED);
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
    struct plumb_tensor *in[INPUTS];
    struct traced t;
    uint64_t stream = thread_self.generator;
    run_eager(f, before, &want);
    assert_int_equal(plumb_frame_begin(), 0);
    make_inputs(in);
    begin_gradients(before);
    assert_fine(trace_it(f, &t), name);
    run_traced(&t, BY_CALLS, stream, before, &got);
    compare(&want, &got, name, "joint");
    split_it(&t, &(struct joint_options){.save_all = true});
    run_traced(&t, BY_CALLS, stream, before, &got);
    compare(&want, &got, name, "all saved");
    split_it(&t, NULL);
    run_traced(&t, BY_CALLS, stream, before, &got);
    compare(&want, &got, name, "split");
    assert_fine(passes_run(&t.joint, NULL, NULL), "passes");
    split_it(&t, NULL);
    run_traced(&t, BY_CALLS, stream, before, &got);
    compare(&want, &got, name, "split after passes");
    run_traced(&t, FUSED, stream, before, &got);
    compare(&want, &got, name, "programs");
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
CHECKED(takes_gradient)

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
    run_traced(&t, BY_CALLS, 0, before, &got);
    put_kept(&got);
    compare(&want, &got, before ? "step, with gradients before" : "step", "traced");
    restore(on.w, old.bytes[1]);
    restore(on.g, old.bytes[3]);
    assert_fine(passes_run(&t.joint, NULL, NULL), "passes");
    run_traced(&t, FUSED, 0, before, &got);
    put_kept(&got);
    compare(&want, &got, before ? "step, with gradients before" : "step", "program");
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

FUNCTION(writes_given)
{
    UNUSED;
    out[0] = plumb_mul_(in[0], on.g);
    return out[0] ? 1 : -1;
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
    assert_breaks(writes_given, in[1], "writes a tensor that was given");
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
        TEST(tied),
        TEST(drawn),
        TEST(in_place),
        TEST(viewed),
        TEST(attended),
        TEST(given_back),
        TEST(empty_and_single),
        TEST(takes_gradient),
        TEST(step),
        TEST(first_step),
        TEST(marks),
        TEST(breaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
