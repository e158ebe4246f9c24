/* suite_run.h - runs samples on every back end, refusals on the plain cpu, gradient checks on ref.
 *
 *   null          shapes, dtypes and errors only
 *   ref           oracles, one rounding
 *   interpreted   nests by the interpreter, run functions; compared with the oracles
 *   compiled      nests built by the compiler; compared. Building takes long: each sample in one
 *                 dtype, another for each, and of the operators one in eight, one sample of each;
 *                 PLUMB_SUITE=all: all operators and samples
 */
#ifndef TESTS_SUITE_RUN_H
#define TESTS_SUITE_RUN_H

#include "plumb.h"
#include "runtime/ops.h"
#include "tests/unit/suite_check.h"

static struct {
    int64_t operators, cases, refusals, gradients;
    bool met[OP_N_IDS];
} suite_count;

extern const struct backend backend_cpu;

/* ---- sessions ---- */

enum suite_how {
    SUITE_NULL,
    SUITE_REF,
    SUITE_INTERPRETED,
    SUITE_COMPILED,
    SUITE_HOWS,
    SUITE_PLAIN, /* cpu, nothing compared */
};
static const char *const suite_hows[] = {"null",         "ref", "cpu interpreted",
                                         "cpu compiled", "",    "cpu"};

static void suite_open(enum suite_how how)
{
    static struct backend checked;
    struct plumb_options o = {.backend = how == SUITE_NULL  ? "null"
                                         : how == SUITE_REF ? "ref"
                                                            : "cpu",
                              .seed = 7};
    if (thread_self.session) plumb_close(); /* of a test that failed */
    if (!plumb_open(&o)) fail_msg("%s", plumb_error());
    suite.how = suite_hows[how];
    nest_compile_after(how == SUITE_COMPILED ? 0 : INT64_MAX);
    if (how < SUITE_INTERPRETED || how == SUITE_PLAIN) return;
    checked = backend_cpu;
    checked.run_oracle = suite_run_call;
    if (how == SUITE_INTERPRETED) checked.run_nest = nest_interpret;
    thread_self.session->backend = &checked;
}

/* ---- which dtypes ---- */

static unsigned suite_bit(enum dtype t)
{
    switch (dtype_kind(t)) {
    case DTYPE_BOOL: return OP_B;
    case DTYPE_UNSIGNED: return t == DTYPE_U8 ? OP_I : OP_U;
    case DTYPE_SIGNED: return OP_I;
    case DTYPE_FLOAT8: return OP_F8;
    case DTYPE_FLOAT: return OP_F;
    default: return OP_C;
    }
}

/* f32 first: what runs in one dtype only runs in that. */
static const enum dtype suite_dtypes[] = {
    DTYPE_F32, DTYPE_F64, DTYPE_F16, DTYPE_BF16,     DTYPE_I64,   DTYPE_I32,
    DTYPE_I16, DTYPE_I8,  DTYPE_U8,  DTYPE_B8,       DTYPE_C64,   DTYPE_C128,
    DTYPE_U16, DTYPE_U32, DTYPE_U64, DTYPE_F8E4M3FN, DTYPE_F8E5M2};
enum { SUITE_DTYPES = sizeof suite_dtypes / sizeof *suite_dtypes };

/* A composite operator takes what those that it calls take: f32 and f64 unless the sample says. */
static bool suite_takes(const struct op *op, const struct sample *s, enum dtype t)
{
    unsigned only = s->only ? s->only : op->dtypes;
    if (op->class == OP_COMPOSITE && !s->only) return t == DTYPE_F32 || t == DTYPE_F64;
    return op->dtypes & only & suite_bit(t);
}

/* ---- one case ---- */

static uint64_t suite_seed(const struct sample *s, enum dtype t)
{
    uint64_t h = 14695981039346656037u + t;
    for (const char *p = s->args; *p; p++) h = (h ^ (unsigned char)*p) * 1099511628211u;
    return h;
}

static const struct op *suite_op(const char *name)
{
    const struct op *op = op_find(name);
    if (!op) fail_msg("there is no operator %s", name);
    return op;
}

static void suite_begin(struct suite_case *k, const char *op, const char *args, enum dtype dtype,
                        uint64_t seed)
{
    *k = (struct suite_case){.op = op, .args = args, .dtype = dtype, .random = seed};
    suite.at = k;
    assert_int_equal(plumb_frame_begin(), 0);
    suite_arguments(k);
}

static void suite_end_case(void)
{
    plumb_frame_end();
    suite.at = NULL;
}

static void suite_one(const struct op *op, const struct sample *s, enum dtype dtype)
{
    static struct suite_case k;
    struct op_results r;
    suite_begin(&k, s->op, s->args, dtype, suite_seed(s, dtype));
    if (op_run(op, k.v, k.n, &r) && suite_may_complain(op))
        print_error("%s on %s, sample (%s) in %s: %s\n", s->op, suite.how, s->args,
                    dtype_name(dtype), err_text());
    suite_count.cases++;
    suite_end_case();
}

/* Whether a sample is built in this run: an operator's first, of one operator in eight, or all. */
static bool suite_builds(int op)
{
    static bool done[OP_N_IDS];
    if (getenv("PLUMB_SUITE")) return true;
    bool first = !done[op];
    done[op] = true;
    return first && op % 8 == 0;
}

static void suite_sample(const struct sample *s, enum suite_how how)
{
    const struct op *op = suite_op(s->op), *table;
    enum dtype taken[SUITE_DTYPES];
    int n = 0;
    assert_int_equal(op_table(&table, &n), 0);
    int index = (int)(op - table);
    if (how == SUITE_COMPILED && !suite_builds(index)) return;
    if (!suite_count.met[index]) suite_count.operators++;
    suite_count.met[index] = true;
    n = 0;
    for (int i = 0; i < SUITE_DTYPES; i++)
        if (suite_takes(op, s, suite_dtypes[i])) taken[n++] = suite_dtypes[i];
    if (how == SUITE_COMPILED && n) taken[0] = taken[suite_seed(s, DTYPE_F32) % (uint64_t)n], n = 1;
    for (int i = 0; i < n; i++) suite_one(op, s, taken[i]);
}

/* ---- refusals ---- */

static void suite_refuse(const char *name, const char *args, enum dtype dtype, const char *says)
{
    static struct suite_case k;
    const struct op *op = suite_op(name);
    struct op_results r;
    char part[128];
    suite_begin(&k, name, args, dtype, 1);
    suite_count.refusals++;
    err_clear();
    bool refused = op_run(op, k.v, k.n, &r);
    const char *text = err_text();
    /* a composite operator is refused by one that it calls */
    bool said = refused && (op->class == OP_COMPOSITE || strstr(text, op->s.name));
    while (*says) {
        size_t n = strcspn(says, "|");
        snprintf(part, sizeof part, "%.*s", (int)n, says);
        said = said && strstr(text, part);
        says += says[n] ? n + 1 : n;
    }
    if (!said && suite_may_complain(op))
        print_error("%s(%s) in %s %s: %s\n", name, args, dtype_name(dtype),
                    refused ? "was refused, but said" : "was not refused", refused ? text : "");
    suite_end_case();
}

/* ---- gradients: central differences in f64 against the rules ---- */

enum { SUITE_WEIGHTS = 4096 };
/* 2^-17: the step's error is about 2^-34 times the third derivative, that of rounding 2^-36 times
 * the value. What the samples hold is of the order of 1; 2^-20 leaves room for steep functions. */
#define SUITE_STEP  0x1p-17
#define SUITE_SLACK 0x1p-20

static double suite_weight(int64_t i)
{
    return 0.5 + (double)((i * 29 + 7) % 64) / 64;
}

/* Of several results only the first is differentiable; of a list all are. */
static int suite_n_smooth(const struct op *op, const struct op_results *r)
{
    return op->s.result_list || !r->n ? r->n : 1;
}

/* The sum of all floating results times weights. */
static double suite_total(const struct op *op, struct suite_case *k)
{
    struct op_results r;
    double total = 0, v[SUITE_WEIGHTS];
    if (op_run(op, k->v, k->n, &r)) fail_msg("%s(%s): %s", k->op, k->args, err_text());
    for (int i = 0; i < suite_n_smooth(op, &r); i++) {
        int64_t n = r.p[i] ? view_count(&r.p[i]->view) : 0;
        if (!n || r.p[i]->view.dtype != DTYPE_F64 || n > SUITE_WEIGHTS) continue;
        assert_int_equal(plumb_read(r.p[i], v, n * (int64_t)sizeof *v), 0);
        for (int64_t e = 0; e < n; e++) total += v[e] * suite_weight(e + i);
    }
    return total;
}

static struct plumb_tensor *suite_weighted(struct plumb_tensor *y, int shift)
{
    double w[SUITE_WEIGHTS];
    int64_t n = view_count(&y->view);
    for (int64_t i = 0; i < n; i++) w[i] = suite_weight(i + shift);
    struct plumb_tensor *t = plumb_tensor(PLUMB_F64, y->view.shape.n, y->view.shape.size, w);
    return plumb_sum(plumb_mul(y, t), (enum plumb_dtype)0);
}

static bool suite_backward(const struct op *op, struct suite_case *k)
{
    struct op_results r;
    struct plumb_tensor *loss = NULL;
    for (int i = 0; i < k->n_tensors; i++)
        if (k->tensor[i]) k->tensor[i]->requires_grad = k->varied[i];
    if (op_run(op, k->v, k->n, &r)) fail_msg("%s(%s): %s", k->op, k->args, err_text());
    for (int i = 0; i < suite_n_smooth(op, &r); i++) {
        struct plumb_tensor *y = r.p[i];
        if (!y || y->view.dtype != DTYPE_F64 || !y->made_by || !view_count(&y->view)) continue;
        struct plumb_tensor *part = suite_weighted(y, i);
        loss = loss ? plumb_add(loss, part) : part;
    }
    if (loss && plumb_backward(loss)) {
        if (suite_may_complain(op))
            print_error("gradient of %s(%s): %s\n", k->op, k->args, plumb_error());
        loss = NULL;
    }
    for (int i = 0; i < k->n_tensors; i++)
        if (k->tensor[i]) k->tensor[i]->requires_grad = false;
    return loss;
}

static double *suite_at(const struct plumb_tensor *t, int64_t i)
{
    return (double *)t->storage->p + view_at(&t->view, i);
}

/* Expanded elements lie together: what one of them gets is what all give. */
static double suite_analytic(const struct plumb_tensor *t, int64_t i)
{
    double v[SUITE_WEIGHTS], sum = 0;
    int64_t n = view_count(&t->view);
    if (!t->grad) return 0;
    assert_int_equal(plumb_read(t->grad, v, n * (int64_t)sizeof *v), 0);
    for (int64_t e = 0; e < n; e++)
        if (suite_at(t, e) == suite_at(t, i)) sum += v[e];
    return sum;
}

static void suite_check_slopes(const struct op *op, struct suite_case *k, struct plumb_tensor *t)
{
    for (int64_t i = 0; i < view_count(&t->view); i++) {
        double *x = suite_at(t, i), old = *x, up, down;
        *x = old + SUITE_STEP, up = suite_total(op, k);
        *x = old - SUITE_STEP, down = suite_total(op, k);
        *x = old;
        double want = (up - down) / (2 * SUITE_STEP), got = suite_analytic(t, i);
        double size = 1 + fabs(want) + fabs(up) * 0x1p-10;
        if (fabs(got - want) <= SUITE_SLACK * size) continue;
        if (suite_may_complain(op))
            print_error(
                "gradient of %s(%s): tensor %d, element %lld: %.12g, differences say %.12g\n",
                k->op, k->args, (int)(t->number % 1000), (long long)i, got, want);
        return;
    }
}

static bool suite_writes(const struct op *op)
{
    for (int i = 0; i < op->s.n_params; i++)
        if (op->s.param[i].written) return true;
    return false;
}

/* Large samples and those of hostile values are left out, and what draws random numbers, as each
 * call draws others. */
static void suite_gradient(const struct sample *s)
{
    static struct suite_case k;
    const struct op *op = suite_op(s->op);
    int64_t elements = 0;
    bool differentiable = op->grad || op->class == OP_COMPOSITE;
    if (s->no_grad || !differentiable || suite_writes(op) || op->flags & OP_RANDOM) return;
    if (!suite_takes(op, s, DTYPE_F64)) return;
    suite_begin(&k, s->op, s->args, DTYPE_F64, suite_seed(s, DTYPE_F64));
    for (int i = 0; i < k.n_tensors; i++)
        if (k.tensor[i]) elements += view_count(&k.tensor[i]->view);
    if (!k.hostile && elements && elements < 200 && suite_backward(op, &k)) {
        suite_count.gradients++;
        plumb_no_grad_begin();
        for (int i = 0; i < k.n_tensors; i++)
            if (k.varied[i]) suite_check_slopes(op, &k, k.tensor[i]);
        plumb_no_grad_end();
    }
    for (int i = 0; i < k.n_tensors; i++)
        if (k.tensor[i]) plumb_zero_grad(k.tensor[i]);
    suite_end_case();
}

/* ---- all of it; the four tests of a program ---- */

static inline void suite_samples(const struct sample *s, size_t n)
{
    for (int how = 0; how < SUITE_HOWS; how++) {
        suite_open((enum suite_how)how);
        for (size_t i = 0; i < n; i++) suite_sample(&s[i], (enum suite_how)how);
        assert_int_equal(plumb_close(), 0);
    }
    print_message("%lld operators, %lld cases, %lld values compared; nearest to its bound: %s, "
                  "%.2f\n",
                  (long long)suite_count.operators, (long long)suite_count.cases,
                  (long long)suite.values, suite.worst_op, suite.worst);
    assert_int_equal(suite.failures, 0);
}

static inline void suite_refusals(const struct refusal *r, size_t n)
{
    suite_open(SUITE_PLAIN);
    for (size_t i = 0; i < n; i++) suite_refuse(r[i].op, r[i].args, DTYPE_F32, r[i].says);
    assert_int_equal(plumb_close(), 0);
    print_message("%lld refusals\n", (long long)suite_count.refusals);
    assert_int_equal(suite.failures, 0);
}

static inline void suite_gradients(const struct sample *s, size_t n)
{
    suite_open(SUITE_REF);
    for (size_t i = 0; i < n; i++) suite_gradient(&s[i]);
    assert_int_equal(plumb_close(), 0);
    print_message("%lld samples with gradients\n", (long long)suite_count.gradients);
    assert_int_equal(suite.failures, 0);
}

#endif
