/* test_work_gradients.c - gradients of each workload's loss: compiled in f32 against operators run
 * in f64 by their oracles. */
#include "tests/unit/unit.h"

#include "runtime/compile/compiled.h"

/* The workloads themselves: what they keep to themselves is named alike. */
#define linear    mlp_linear
#define forward   mlp_forward
#define make      mlp_make
#define loss_of   mlp_loss_of
#define step      mlp_step
#define MAX_BATCH MLP_BATCH
#define work_mlp  again_work_mlp
#include "runtime/work_mlp.c"
int again_work_optimizer(struct work *w);
int again_work_gpt(struct work *w);
#undef linear
#undef forward
#undef make
#undef loss_of
#undef step
#undef MAX_BATCH
#define make           optimizer_make
#define loss_of        optimizer_loss_of
#define step           optimizer_step
#define work_optimizer again_work_optimizer
#include "runtime/work_optimizer.c"
#undef make
#undef loss_of
#undef step
#define work_gpt again_work_gpt
#include "runtime/work_gpt.c"

enum { LEAVES = 64, BATCH = 4 };
static struct gradients {
    int n;
    int64_t count[LEAVES];
    double *of[LEAVES];
} compiled, oracle;

/* Both runs begin with the same numbers: those of f64 are rounded to f32. */
static void round_values(struct plumb_tensor *t)
{
    double *p = t->storage->p;
    if (t->view.dtype != DTYPE_F64) return;
    for (int64_t i = 0; i < view_count(&t->view); i++) p[i] = (float)p[i];
}

static struct plumb_tensor *as_f64(struct plumb_tensor *t)
{
    return t->view.dtype == DTYPE_F64 ? t : plumb__to_copy(t, PLUMB_F64);
}

static void take(struct gradients *out, struct plumb_tensor *g)
{
    int64_t n = view_count(&g->view);
    assert_true(out->n < LEAVES);
    out->count[out->n] = n;
    out->of[out->n] = malloc((size_t)n * sizeof(double));
    assert_non_null(out->of[out->n]);
    assert_int_equal(plumb_read(as_f64(g), out->of[out->n++], n * (int64_t)sizeof(double)), 0);
}

static void release(struct gradients *g)
{
    for (int i = 0; i < g->n; i++) free(g->of[i]);
    *g = (struct gradients){0};
}

typedef int inputs_fn(struct work *w, void *context, struct plumb_tensor **in);
struct workload {
    plumb_function loss;
    inputs_fn *inputs; /* makes the model and the first step's inputs; how many */
    void *context;
};

static void run(const struct workload *l, enum plumb_dtype dtype, struct gradients *out)
{
    struct work w = {.batch = BATCH, .seed = 5, .dtype = dtype};
    struct plumb_tensor *in[4], *loss;
    bool as_oracle = dtype == PLUMB_F64;
    release(out);
    assert_non_null(plumb_open(&(struct plumb_options){.backend = as_oracle ? "ref" : "cpu"}));
    assert_int_equal(plumb_frame_begin(), 0);
    int n = l->inputs(&w, l->context, in);
    for (struct plumb_tensor *t = thread_self.session->kept; t; t = t->next) round_values(t);
    for (int i = 0; i < n; i++) round_values(in[i]);
    struct plumb_compiled *c = plumb_compile("loss", l->loss, l->context, NULL);
    assert_non_null(c);
    c->interpret = true; /* the same bits, and no compiler is waited for */
    int rc =
        as_oracle ? l->loss(l->context, in, n, &loss, 1) : plumb_compiled_call(c, in, n, &loss, 1);
    if (rc || plumb_backward(loss)) fail_msg("%s", plumb_error());
    assert_true(as_oracle || (c->n_entries == 1 && !*c->entry[0]->broken));
    plumb_no_grad_begin();
    for (struct plumb_tensor *t = thread_self.session->kept; t; t = t->next)
        if (t->requires_grad) take(out, t->grad);
    plumb_no_grad_end();
    plumb_frame_end();
    assert_int_equal(plumb_close(), 0);
}

/* Some 2,000 roundings of 2^-24 lie between a parameter and its gradient, in sums of products
 * foremost; errors of either sign add up to about the root of that, 45, and 64 are allowed, of the
 * largest element. A gradient that is lost, or comes twice, is far beyond. */
#define SLACK 0x1p-18

static void compare(void)
{
    double nearest = 0;
    assert_int_equal(compiled.n, oracle.n);
    assert_true(oracle.n > 0);
    for (int i = 0; i < oracle.n; i++) {
        double largest = 0, worst = 0;
        assert_int_equal(compiled.count[i], oracle.count[i]);
        for (int64_t k = 0; k < oracle.count[i]; k++) {
            double error = fabs(compiled.of[i][k] - oracle.of[i][k]);
            largest = fmax(largest, fabs(oracle.of[i][k]));
            worst = error <= worst ? worst : error; /* NaN is the worst */
        }
        if (!(worst <= SLACK * largest) || !largest)
            fail_msg("gradient %d of %d: an error of %g; the largest element is %g", i, oracle.n,
                     worst, largest);
        nearest = fmax(nearest, worst / largest);
    }
    print_message("%d gradients, within %.1f times 2^-24 of the largest element\n", oracle.n,
                  nearest * 0x1p24);
}

static void check(const struct workload *l)
{
    run(l, PLUMB_F32, &compiled);
    run(l, PLUMB_F64, &oracle);
    compare();
    release(&compiled);
    release(&oracle);
}

/* ---- the three ---- */

static int mlp_inputs(struct work *w, void *context, struct plumb_tensor **in)
{
    mlp_make(w, context);
    in[0] = points(w, 0, &in[1]);
    return 2;
}
static void test_mlp(void **state)
{
    static struct mlp m;
    (void)state;
    check(&(struct workload){mlp_loss_of, mlp_inputs, &m});
}

static int optimizer_inputs(struct work *w, void *context, struct plumb_tensor **in)
{
    struct problem *q = context;
    (void)in;
    memset(q, 0, sizeof *q);
    optimizer_make(w, q);
    return 0;
}
static void test_optimizer(void **state)
{
    static struct problem q;
    (void)state;
    check(&(struct workload){optimizer_loss_of, optimizer_inputs, &q});
}

static int gpt_inputs(struct work *w, void *context, struct plumb_tensor **in)
{
    struct gpt *g = context;
    int64_t code[BATCH * CONTEXT], n = BATCH * CONTEXT;
    memset(g, 0, sizeof *g);
    g->w = w;
    make(g);
    for (int64_t i = 0; i < n; i++) code[i] = (i * 7 + i / 5) % VOCABULARY;
    in[0] = plumb_tensor(PLUMB_I64, 2, (int64_t[]){BATCH, CONTEXT}, code);
    in[1] = plumb_tensor(PLUMB_I64, 1, &n, code);
    return 2;
}
static void test_gpt(void **state)
{
    static struct gpt g;
    (void)state;
    check(&(struct workload){loss_of, gpt_inputs, &g});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mlp),
        cmocka_unit_test(test_optimizer),
        cmocka_unit_test(test_gpt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
