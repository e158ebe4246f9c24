/* test_guard.c - what makes a compile not fit a call, and in what words it is said. */
#include "tests/unit/unit.h"

#include "plumb.h"
#include "runtime/compile/guard.h"

/* A function of up to three inputs is traced as t_use says; then other inputs come. */
enum { INPUTS = 3, MANY = 40 };
static struct traced {
    struct arena arena;
    struct graph g;
    struct guard_set guards;
} on;
static struct plumb_tensor *kept;

static int open_session(void **state)
{
    (void)state;
    if (!plumb_open(&(struct plumb_options){.seed = 1})) return -1;
    memset(&on, 0, sizeof on);
    kept = plumb_parameter("kept", plumb_tensor(PLUMB_F32, 2, (int64_t[]){3, 4}, NULL));
    return kept ? 0 : -1;
}
static int close_session(void **state)
{
    (void)state;
    guard_release(&on.guards);
    graph_release(&on.g);
    arena_release(&on.arena);
    return plumb_close();
}

static struct plumb_tensor *zeros(enum plumb_dtype dtype, int n, int64_t a, int64_t b, int64_t c)
{
    return plumb_tensor(dtype, n, (int64_t[]){a, b, c}, NULL);
}
static struct plumb_tensor *matrix(void)
{
    return zeros(PLUMB_F32, 2, 3, 4, 0);
}

static enum err trace_it(struct plumb_tensor *const *in, int n, void (*use)(void))
{
    struct trace t;
    graph_init(&on.g, &on.arena, "f");
    enum err err = trace_begin(&t, &on.g, in, n);
    if (!err && use) use();
    if (!err && t.broken) err = ERR_REFUSED;
    trace_end(&t);
    return err ? err : guard_make(&on.g, in, n, NULL, &on.guards);
}
static void traced(struct plumb_tensor *const *in, int n, void (*use)(void))
{
    if (trace_it(in, n, use)) fail_msg("%s", err_text());
    assert_null(guard_check(&on.guards, in, n, NULL, 0));
}
static void fits(struct plumb_tensor *const *in, int n)
{
    char reason[256] = "";
    if (guard_check(&on.guards, in, n, reason, sizeof reason)) fail_msg("%s", reason);
}
static void misses(struct plumb_tensor *const *in, int n, enum guard_kind kind, const char *text)
{
    char reason[256] = "";
    const struct guard *g = guard_check(&on.guards, in, n, reason, sizeof reason);
    assert_non_null(g);
    assert_string_equal(reason, text);
    assert_int_equal(g->kind, kind);
    assert_ptr_equal(guard_check(&on.guards, in, n, NULL, 0), g);
    assert_non_null(guard_check(&on.guards, in, n, reason, 10)); /* cut, not overrun */
    assert_int_equal(strlen(reason), 9);
}
#define IN(...)                                                                                    \
    (struct plumb_tensor *[])                                                                      \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/* ---- one input ---- */

static void test_forms(void **state)
{
    (void)state;
    struct plumb_tensor *wide = zeros(PLUMB_F32, 2, 3, 5, 0), *tall = zeros(PLUMB_F32, 2, 4, 3, 0);
    traced(IN(matrix()), 1, NULL);
    fits(IN(matrix()), 1);
    misses(IN(zeros(PLUMB_BF16, 2, 3, 4, 0)), 1, GUARD_DTYPE,
           "tensor 'L['in'][0]' dtype mismatch. expected f32, actual bf16");
    misses(IN(zeros(PLUMB_F32, 1, 3, 0, 0)), 1, GUARD_DIMS,
           "tensor 'L['in'][0]' rank mismatch. expected 2, actual 1");
    misses(IN(zeros(PLUMB_F32, 3, 3, 4, 1)), 1, GUARD_DIMS,
           "tensor 'L['in'][0]' rank mismatch. expected 2, actual 3");
    misses(IN(tall), 1, GUARD_SIZE,
           "tensor 'L['in'][0]' size mismatch at index 0. expected 3, actual 4");
    misses(IN(wide), 1, GUARD_SIZE,
           "tensor 'L['in'][0]' size mismatch at index 1. expected 4, actual 5");
    misses(IN(plumb_t(tall)), 1, GUARD_STRIDE,
           "tensor 'L['in'][0]' stride mismatch at index 0. expected 4, actual 1");
    struct plumb_tensor *x = matrix();
    x->requires_grad = true;
    misses(IN(x), 1, GUARD_REQUIRES_GRAD,
           "tensor 'L['in'][0]' requires_grad mismatch. expected requires_grad=0");
    misses(IN(matrix(), x), 2, GUARD_COUNT, "len(L['in']) mismatch. expected 1, actual 2");
    misses(NULL, 0, GUARD_COUNT, "len(L['in']) mismatch. expected 1, actual 0");
    plumb_no_grad_begin();
    misses(IN(matrix()), 1, GUARD_GRAD_MODE, "GLOBAL_STATE changed: grad_mode");
    plumb_no_grad_end();
    thread_self.session->determinism = PLUMB_EXACT;
    misses(IN(matrix()), 1, GUARD_DETERMINISM, "GLOBAL_STATE changed: determinism");
}

/* Strides of one row, and of nothing, are not looked at; neither is where a tensor begins. */
static void test_strides_without_meaning(void **state)
{
    (void)state;
    struct plumb_tensor *columns = plumb_t(zeros(PLUMB_F32, 2, 4, 1, 0)); /* [1, 4]: 1, 1 */
    struct plumb_tensor *rows = zeros(PLUMB_F32, 2, 1, 4, 0);             /* [1, 4]: 4, 1 */
    assert_int_not_equal(columns->view.stride[0], rows->view.stride[0]);
    traced(IN(rows), 1, NULL);
    fits(IN(columns), 1);
    fits(IN(plumb_slice(matrix(), 0, &(int64_t){2}, NULL, 1)), 1);
}
static void test_empty(void **state)
{
    (void)state;
    traced(IN(zeros(PLUMB_F32, 2, 0, 4, 0)), 1, NULL);
    fits(IN(plumb_t(zeros(PLUMB_F32, 2, 4, 0, 0))), 1);
    misses(IN(zeros(PLUMB_F32, 2, 1, 4, 0)), 1, GUARD_SIZE,
           "tensor 'L['in'][0]' size mismatch at index 0. expected 0, actual 1");
}
static void test_no_dimensions(void **state)
{
    (void)state;
    traced(IN(zeros(PLUMB_F64, 0, 0, 0, 0)), 1, NULL);
    fits(IN(zeros(PLUMB_F64, 0, 0, 0, 0)), 1);
    misses(IN(zeros(PLUMB_F64, 1, 1, 0, 0)), 1, GUARD_DIMS,
           "tensor 'L['in'][0]' rank mismatch. expected 0, actual 1");
}

/* ---- shared memory ---- */

static struct plumb_tensor *rows_from(struct plumb_tensor *x, int64_t first)
{
    int64_t end = first + 3;
    return plumb_slice(x, 0, &first, &end, 1);
}
static void test_apart(void **state)
{
    (void)state;
    struct plumb_tensor *all = zeros(PLUMB_F32, 2, 9, 4, 0), *x = matrix();
    traced(IN(matrix(), matrix(), matrix()), 3, NULL);
    fits(IN(matrix(), matrix(), matrix()), 3);
    misses(IN(x, matrix(), x), 3, GUARD_ALIAS,
           "L['in'][2] should not alias to anything, but is aliased to L['in'][0]");
    misses(IN(matrix(), rows_from(all, 0), rows_from(all, 6)), 3, GUARD_ALIAS,
           "L['in'][2] should not alias to anything, but is aliased to L['in'][1]");
}
static void test_overlapping(void **state)
{
    (void)state;
    struct plumb_tensor *all = zeros(PLUMB_F32, 2, 9, 4, 0);
    traced(IN(rows_from(all, 1), rows_from(all, 2)), 2, NULL);
    fits(IN(rows_from(all, 3), rows_from(all, 4)), 2); /* as far apart */
    misses(IN(rows_from(all, 2), rows_from(all, 1)), 2, GUARD_ALIAS,
           "L['in'][1] is aliased to L['in'][0] otherwise than it was");
    misses(IN(matrix(), matrix()), 2, GUARD_ALIAS,
           "L['in'][1] is not aliased to L['in'][0] any more");
}
/* One tensor twice is one value: gradients come to one tensor. Two views of one memory are not. */
static void test_same(void **state)
{
    (void)state;
    struct plumb_tensor *x = matrix();
    traced(IN(x, x), 2, NULL);
    x = matrix();
    fits(IN(x, x), 2);
    misses(IN(x, rows_from(x, 0)), 2, GUARD_ALIAS,
           "L['in'][1] is aliased to L['in'][0] otherwise than it was");
}
/* More inputs than are compared in pairs. */
static void test_many(void **state)
{
    (void)state;
    struct plumb_tensor *in[MANY], *other[MANY];
    for (int i = 0; i < MANY; i++) in[i] = matrix();
    in[MANY - 1] = in[3];
    traced(in, MANY, NULL);
    for (int i = 0; i < MANY; i++) other[i] = matrix();
    misses(other, MANY, GUARD_ALIAS, "L['in'][39] is not aliased to L['in'][3] any more");
    other[MANY - 1] = other[3];
    fits(other, MANY);
    other[20] = other[19];
    misses(other, MANY, GUARD_ALIAS,
           "L['in'][20] should not alias to anything, but is aliased to L['in'][19]");
}

/* ---- captured tensors ---- */

static void use_kept(void)
{
    assert_non_null(plumb_mul(kept, kept));
}
static void use_gradient(void)
{
    struct plumb_tensor *g = plumb_grad(kept);
    if (g) assert_non_null(plumb_neg(g));
}
static void test_captured(void **state)
{
    (void)state;
    traced(NULL, 0, use_kept);
    fits(NULL, 0);
    kept->requires_grad = false;
    misses(NULL, 0, GUARD_REQUIRES_GRAD,
           "tensor 'captured[0]' requires_grad mismatch. expected requires_grad=1");
    kept->requires_grad = true;
    assert_int_equal(plumb_backward(plumb_sum(kept, 0)), 0);
    fits(NULL, 0); /* nobody asked whether it has one */
}
static void test_captured_is_given(void **state)
{
    (void)state;
    traced(IN(matrix()), 1, use_kept);
    kept->requires_grad = false; /* an input may be the tensor that is captured as well */
    struct plumb_tensor *view = plumb_view(kept, (int64_t[]){3, 4}, 2);
    kept->requires_grad = true;
    misses(IN(view), 1, GUARD_ALIAS,
           "captured[0] should not alias to anything, but is aliased to L['in'][0]");
}
static void test_gradient_is_none(void **state)
{
    (void)state;
    traced(NULL, 0, use_gradient);
    assert_int_equal(plumb_backward(plumb_sum(kept, 0)), 0);
    misses(NULL, 0, GUARD_GRAD, "'captured[0]'.grad is not as expected: None");
    plumb_zero_grad(kept);
    fits(NULL, 0);
}
static void test_gradient_is_there(void **state)
{
    (void)state;
    assert_int_equal(plumb_backward(plumb_sum(kept, 0)), 0);
    traced(NULL, 0, use_gradient);
    struct plumb_tensor *was = kept->grad;
    kept->grad = plumb_t(zeros(PLUMB_F32, 2, 4, 3, 0));
    misses(NULL, 0, GUARD_STRIDE,
           "tensor 'captured[1].grad' stride mismatch at index 0. expected 4, actual 1");
    kept->grad = was;
    fits(NULL, 0);
    plumb_zero_grad(kept);
    misses(NULL, 0, GUARD_GRAD, "'captured[0]'.grad is not as expected: a gradient");
}
/* An input that the function reaches by another way too is that very tensor. */
static void test_itself(void **state)
{
    (void)state;
    struct plumb_tensor *other =
        plumb_parameter("other", plumb_tensor(PLUMB_F32, 2, (int64_t[]){3, 4}, NULL));
    traced(IN(kept), 1, use_kept);
    misses(IN(other), 1, GUARD_ITSELF, "L['in'][0] is not the same tensor");
    fits(IN(kept), 1);
}

/* ---- text ---- */

static void test_text(void **state)
{
    (void)state;
    struct buf b = {0};
    struct plumb_tensor *x = matrix();
    traced(IN(x, x), 2, use_kept);
    for (size_t i = 0; i < on.guards.guard.n; i++) {
        guard_text(&on.guards, &on.guards.guard.p[i], &b);
        buf_putc(&b, '\n');
    }
    assert_string_equal(b.p, "len(L['in']) == 2\n"
                             "L['in'][0].dtype == f32\n"
                             "L['in'][0].ndim == 2\n"
                             "L['in'][0].size()[0] == 3\n"
                             "L['in'][0].size()[1] == 4\n"
                             "L['in'][0].stride()[0] == 4\n"
                             "L['in'][0].stride()[1] == 1\n"
                             "L['in'][0].requires_grad == False\n"
                             "L['in'][0].device == session.device\n"
                             "L['in'][0] shares no memory\n"
                             "L['in'][1].dtype == f32\n"
                             "L['in'][1].ndim == 2\n"
                             "L['in'][1].size()[0] == 3\n"
                             "L['in'][1].size()[1] == 4\n"
                             "L['in'][1].stride()[0] == 4\n"
                             "L['in'][1].stride()[1] == 1\n"
                             "L['in'][1].requires_grad == False\n"
                             "L['in'][1].device == session.device\n"
                             "L['in'][1] lies 0 bytes behind L['in'][0]\n"
                             "L['in'][1] is L['in'][0]\n"
                             "captured[0].requires_grad == True\n"
                             "captured[0] shares no memory\n"
                             "grad_mode == on\n"
                             "determinism == run\n");
    buf_release(&b);
}

#define EACH(name) cmocka_unit_test_setup_teardown(name, open_session, close_session)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_forms),
        EACH(test_strides_without_meaning),
        EACH(test_empty),
        EACH(test_no_dimensions),
        EACH(test_apart),
        EACH(test_overlapping),
        EACH(test_same),
        EACH(test_many),
        EACH(test_captured),
        EACH(test_captured_is_given),
        EACH(test_gradient_is_none),
        EACH(test_gradient_is_there),
        EACH(test_itself),
        EACH(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
