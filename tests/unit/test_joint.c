/* test_joint.c - gradients of traced functions: the joint graph, and its forward and backward, give
 * the bits of plumb_backward, for every sample of the operator suite that has a gradient. */
#include "tests/unit/graph_eager.h"
#include "tests/unit/joint_traced.h"
#include "tests/unit/suite_run.h"

#include "runtime/compile/joint.h"
#include "runtime/compile/passes.h"
#include "runtime/compile/program.h"
#include "tests/unit/samples_move.c"
#include "tests/unit/samples_nn.c"
#include "tests/unit/samples_point.c"
#include "tests/unit/samples_reduce.c"

/* ---- a function that is run as it is, and traced ---- */

enum { INPUTS = SUITE_TENSORS, RESULTS = 64, OUTPUTS = 512 };
struct function {
    struct suite_case *k; /* its tensors are the inputs */
    const struct op *op;
    bool within; /* inputs are computed, and results used, by calls beside the operator's */
};

static bool is_float(const struct plumb_tensor *t)
{
    return t && dtype_kind(t->view.dtype) == DTYPE_FLOAT;
}

/* The arguments as they are, or those that want gradients multiplied first. */
static void make_arguments(const struct function *p, struct op_value *arg,
                           struct plumb_tensor **list)
{
    struct suite_case *k = p->k;
    struct plumb_tensor *to[SUITE_TENSORS];
    for (int i = 0; i < k->n_tensors; i++) {
        to[i] = k->tensor[i];
        if (p->within && to[i] && k->varied[i]) to[i] = plumb_mul_scalar(to[i], 0.875);
    }
    for (int i = 0; i < k->n; i++) {
        arg[i] = k->v[i];
        for (int t = 0; arg[i].kind == OP_TENSOR && t < k->n_tensors; t++)
            if (k->v[i].t == k->tensor[t]) arg[i].t = to[t];
        if (arg[i].kind == OP_TENSORS) arg[i].ts = list;
        for (int m = 0; arg[i].kind == OP_TENSORS && m < arg[i].n; m++, list++)
            for (int t = 0; t < k->n_tensors; t++)
                if (k->v[i].ts[m] == k->tensor[t]) *list = to[t];
    }
}

/* Results that gradients can go back from; -1 refused. */
static int run(const struct function *p, struct plumb_tensor **y)
{
    struct op_value arg[OP_ARGS];
    struct plumb_tensor *list[SUITE_TENSORS] = {0};
    struct op_results r;
    int n = 0;
    make_arguments(p, arg, list);
    if (op_run(p->op, arg, p->k->n, &r)) return -1;
    for (int i = 0; i < r.n && n < RESULTS; i++) {
        if (!is_float(r.p[i]) || !r.p[i]->made_by) continue;
        y[n] = p->within ? plumb_mul(plumb_sin(r.p[i]), r.p[i]) : r.p[i];
        if (!y[n++]) return -1;
    }
    return n;
}

/* ---- what comes out ---- */

enum { BYTES = 1 << 16 };
struct outcome {
    int n_results;
    int64_t size[RESULTS + INPUTS]; /* of results, then of gradients of inputs; -1 none */
    char *bytes[RESULTS + INPUTS];
};

static void outcome_put(struct outcome *o, int i, const struct plumb_tensor *t)
{
    o->size[i] = t ? view_n_bytes(&t->view) : -1;
    if (!t) return;
    o->bytes[i] = malloc((size_t)o->size[i] + 1);
    assert_non_null(o->bytes[i]);
    assert_int_equal(plumb_read(t, o->bytes[i], o->size[i]), 0);
}
static void outcome_release(struct outcome *o)
{
    for (int i = 0; i < RESULTS + INPUTS; i++) free(o->bytes[i]);
    *o = (struct outcome){0};
}

static void outcome_compare(const struct function *p, const struct outcome *want,
                            const struct outcome *got, const char *how)
{
    const char *within = p->within ? ", within others" : "";
    for (int i = 0; i < RESULTS + INPUTS; i++) {
        const char *what = i < RESULTS ? "result" : "gradient";
        int number = i < RESULTS ? i : i - RESULTS;
        if (want->size[i] != got->size[i])
            fail_msg("%s(%s)%s, %s: %s %d has %lld bytes for %lld", p->k->op, p->k->args, within,
                     how, what, number, (long long)got->size[i], (long long)want->size[i]);
        if (want->size[i] > 0 && memcmp(want->bytes[i], got->bytes[i], (size_t)want->size[i]))
            fail_msg("%s(%s)%s, %s: %s %d has other bits", p->k->op, p->k->args, within, how, what,
                     number);
    }
}

/* ---- as it is ---- */

static void set_wanted(const struct suite_case *k)
{
    for (int i = 0; i < k->n_tensors; i++)
        if (k->tensor[i]) k->tensor[i]->requires_grad = k->varied[i];
}

/* What stands for the gradient of result `i`. */
static struct plumb_tensor *tangent_of(const struct plumb_tensor *y, int i)
{
    static double w[SUITE_WEIGHTS];
    int64_t n = view_count(&y->view);
    assert_true(n <= SUITE_WEIGHTS);
    for (int64_t e = 0; e < n; e++) w[e] = suite_weight(e + i);
    struct plumb_tensor *t = plumb_tensor(PLUMB_F64, y->view.shape.n, y->view.shape.size, w);
    return plumb__to_copy(t, (enum plumb_dtype)y->view.dtype);
}

/* The gradient of a sum of products is the other factor, to the bit. */
static int walk_back(struct plumb_tensor *const *y, int n)
{
    struct plumb_tensor *loss = NULL;
    for (int i = 0; i < n; i++) {
        struct plumb_tensor *part = plumb_sum(plumb_mul(y[i], tangent_of(y[i], i)), 0);
        loss = loss ? plumb_add(loss, part) : part;
    }
    return plumb_backward(loss);
}

/* False: refused, or nothing to go back from. */
static bool run_eager(const struct function *p, struct outcome *out)
{
    struct plumb_tensor *y[RESULTS];
    const struct suite_case *k = p->k;
    set_wanted(k);
    int n = run(p, y);
    bool ok = n > 0 && !walk_back(y, n);
    for (int i = 0; i < RESULTS; i++) outcome_put(out, i, ok && i < n ? y[i] : NULL);
    for (int i = 0; i < INPUTS; i++) {
        struct plumb_tensor *t = i < k->n_tensors ? k->tensor[i] : NULL;
        outcome_put(out, RESULTS + i, ok && t ? t->grad : NULL);
        plumb_zero_grad(t);
    }
    out->n_results = n;
    return ok;
}

/* ---- as graphs ---- */

static int inputs_of(const struct suite_case *k, struct plumb_tensor **in)
{
    int n = 0;
    for (int i = 0; i < k->n_tensors; i++)
        if (k->tensor[i]) in[n++] = k->tensor[i];
    return n;
}

static void assert_fine(const struct function *p, enum err err, const char *what)
{
    if (!err) return;
    fail_msg("%s of %s(%s)%s: %s", what, p->k->op, p->k->args, p->within ? ", within" : "",
             err_text());
}

/* False: it is run as it is. */
static bool trace_it(const struct function *p, struct traced *out)
{
    struct trace t;
    struct plumb_tensor *in[INPUTS], *y[RESULTS];
    set_wanted(p->k);
    graph_init(&out->joint, &out->arena, p->op->id);
    assert_fine(p, trace_begin(&t, &out->joint, in, inputs_of(p->k, in)), "tracing");
    int n = run(p, y);
    assert_fine(p, n < 0 && !t.broken ? ERR_USAGE : ERR_OK, "tracing");
    for (int i = 0; i < n; i++) assert_fine(p, trace_output(&t, y[i], GRAPH_RESULT, i), "a result");
    if (!t.broken) assert_fine(p, joint_trace(&t, y, n), "gradients");
    trace_end(&t);
    if (!t.broken) assert_fine(p, graph_check(&out->joint), "the joint graph");
    return !t.broken;
}

/* Outputs of a graph: results, and gradients added up as a tape does. */
static void take_outputs(const struct function *p, const struct graph *g, const struct graph *joint,
                         struct plumb_tensor *const *y, struct outcome *out)
{
    struct plumb_tensor *sum[INPUTS] = {0}, *in[INPUTS];
    int n = inputs_of(p->k, in);
    for (size_t i = 0; i < g->output.n; i++) {
        const struct graph_output *o = &g->output.p[i];
        if (o->gives == GRAPH_RESULT) outcome_put(out, o->index, y[i]);
        if (o->gives != GRAPH_GRADIENT || !y[i]) continue;
        const struct graph_value *v = &joint->value.p[o->index];
        assert_int_equal(v->origin, GRAPH_INPUT);
        sum[v->index] = sum[v->index] ? plumb_add(sum[v->index], y[i]) : y[i];
    }
    for (int i = 0; i < n; i++)
        for (int t = 0; sum[i] && t < p->k->n_tensors; t++)
            if (p->k->tensor[t] == in[i]) outcome_put(out, RESULTS + t, sum[i]);
}

static void outcome_clear(struct outcome *o)
{
    outcome_release(o);
    for (int i = 0; i < RESULTS + INPUTS; i++) o->size[i] = -1;
}

struct values {
    struct plumb_tensor *in[INPUTS], *tangent[RESULTS], *saved[OUTPUTS], *out[OUTPUTS];
    uint64_t stream;
    bool fused; /* as a program, its kernels interpreted */
};

static void run_program(const struct graph *g, struct values *v)
{
    struct arena arena = {0};
    struct program p;
    struct program_options o = {.interpret = true, .determinism = PLUMB_EXACT};
    struct program_call c = {.input = v->in,
                             .tangent = v->tangent,
                             .saved = v->saved,
                             .stream = (int64_t)v->stream,
                             .output = v->out};
    enum err err = program_build(g, &o, &arena, &p);
    if (!err) err = program_run(&p, &c);
    if (err) fail_msg("the program of %s: %s", g->name, err_text());
    program_release(&p);
    arena_release(&arena);
}

static void run_graph(const struct graph *g, struct values *v)
{
    struct graph_eager e = {.g = g,
                            .input = v->in,
                            .tangent = v->tangent,
                            .saved = v->saved,
                            .stream = v->stream,
                            .value = calloc(g->value.n + 1, sizeof(void *))};
    assert_non_null(e.value);
    assert_true(g->output.n <= OUTPUTS);
    if (v->fused) run_program(g, v);
    else graph_run(&e, v->out);
    free(e.value);
}

static void make_tangents(const struct graph *g, struct values *v)
{
    struct plumb_tensor like = {0};
    for (size_t i = 0; i < g->value.n; i++) {
        if (g->value.p[i].origin != GRAPH_TANGENT) continue;
        like.view = g->value.p[i].view;
        v->tangent[g->value.p[i].index] = tangent_of(&like, g->value.p[i].index);
    }
}

static void run_joint(const struct function *p, const struct traced *t, struct values *v,
                      struct outcome *out)
{
    run_graph(&t->joint, v);
    take_outputs(p, &t->joint, &t->joint, v->out, out);
}

static void run_split(const struct function *p, const struct traced *t, struct values *v,
                      struct outcome *out)
{
    const struct graph *f = &t->split.forward;
    run_graph(f, v);
    take_outputs(p, f, &t->joint, v->out, out);
    for (size_t i = 0; i < f->output.n; i++)
        if (f->output.p[i].gives == GRAPH_SAVE) v->saved[f->output.p[i].index] = v->out[i];
    run_graph(&t->split.backward, v);
    take_outputs(p, &t->split.backward, &t->joint, v->out, out);
}

/* ---- one sample ---- */

static struct {
    int64_t samples, saved, all;
} count;

static void run_fused(const struct function *p, const struct traced *t, struct values *v,
                      struct outcome *out)
{
    v->fused = true;
    run_split(p, t, v, out);
}

typedef void run_fn(const struct function *, const struct traced *, struct values *,
                    struct outcome *);

/* The case anew: what ran before may have written its tensors. */
static void compare(struct function *p, const struct sample *s, const struct traced *t,
                    uint64_t stream, run_fn *run_it, const struct outcome *want, const char *how)
{
    static struct outcome got;
    static struct values v;
    outcome_clear(&got);
    memset(&v, 0, sizeof v);
    suite_begin(p->k, s->op, s->args, p->k->dtype, suite_seed(s, p->k->dtype));
    inputs_of(p->k, v.in);
    v.stream = stream;
    make_tangents(&t->joint, &v);
    run_it(p, t, &v, &got);
    outcome_compare(p, want, &got, how);
    outcome_release(&got);
    suite_end_case();
}

static void split_it(const struct function *p, struct traced *t, const struct joint_options *o)
{
    joint_split_release(&t->split);
    assert_fine(p, joint_split(&t->joint, o, &t->arena, &t->split), "splitting");
    assert_fine(p, graph_check(&t->split.forward), "the forward graph");
    assert_fine(p, graph_check(&t->split.backward), "the backward graph");
    assert_true(t->split.saved_bytes <= t->split.all_bytes);
}

static void compare_traced(struct function *p, const struct sample *s, struct traced *t,
                           uint64_t stream, const struct outcome *want)
{
    compare(p, s, t, stream, run_joint, want, "the joint graph");
    split_it(p, t, &(struct joint_options){.save_all = true});
    compare(p, s, t, stream, run_split, want, "forward and backward, all saved");
    split_it(p, t, NULL);
    compare(p, s, t, stream, run_split, want, "forward and backward");
    assert_fine(p, passes_run(&t->joint, NULL, NULL), "passes");
    compare(p, s, t, stream, run_joint, want, "the joint graph after passes");
    split_it(p, t, NULL);
    compare(p, s, t, stream, run_split, want, "forward and backward after passes");
    compare(p, s, t, stream, run_fused, want, "programs");
    count.samples++;
    count.saved += t->split.saved_bytes;
    count.all += t->split.all_bytes;
}

static void compare_all(struct function *p, const struct sample *s, uint64_t stream,
                        const struct outcome *want)
{
    struct traced t = {0};
    suite_begin(p->k, s->op, s->args, p->k->dtype, suite_seed(s, p->k->dtype));
    bool traced = trace_it(p, &t);
    suite_end_case();
    if (traced) compare_traced(p, s, &t, stream, want);
    traced_release(&t);
}

static void check_sample(const struct sample *s, bool within)
{
    static struct suite_case k;
    static struct outcome want;
    struct function p = {.k = &k, .op = suite_op(s->op), .within = within};
    if (s->no_grad || !(p.op->grad || p.op->class == OP_COMPOSITE)) return;
    if (!suite_takes(p.op, s, DTYPE_F32)) return;
    suite_begin(&k, s->op, s->args, DTYPE_F32, suite_seed(s, DTYPE_F32));
    int64_t elements = 0;
    for (int i = 0; i < k.n_tensors; i++)
        if (k.tensor[i]) elements += view_count(&k.tensor[i]->view);
    uint64_t stream = thread_self.generator;
    bool ok = elements < 200 && run_eager(&p, &want);
    suite_end_case();
    if (ok) compare_all(&p, s, stream, &want);
    outcome_release(&want);
}

static void check_samples(const struct sample *s, size_t n)
{
    count.samples = count.saved = count.all = 0;
    for (size_t i = 0; i < n; i++) {
        check_sample(&s[i], false);
        check_sample(&s[i], true);
    }
    print_message("%lld samples; %lld bytes saved of %lld\n", (long long)count.samples,
                  (long long)count.saved, (long long)count.all);
    assert_true(count.samples > (int64_t)n / 4);
}

#define SUITE(name)                                                                                \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        check_samples(samples_##name, sizeof samples_##name / sizeof *samples_##name);             \
    }
SUITE(point)
SUITE(reduce)
SUITE(move)
SUITE(nn)

static int open_session(void **state)
{
    (void)state;
    suite_open(SUITE_PLAIN);
    return 0;
}
static int close_session(void **state)
{
    (void)state;
    return plumb_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_point, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_reduce, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_move, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_nn, open_session, close_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
