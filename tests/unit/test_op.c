/* test_op.c - sessions, frames, the dispatcher's checks, hooks, the tape, many threads. */
#include "tests/unit/unit.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "plumb.h"
#include "runtime/op.h"

static int open_session(void **state)
{
    (void)state;
    return plumb_open(NULL) ? 0 : -1;
}
static int close_session(void **state)
{
    (void)state;
    return plumb_close();
}

static struct plumb_tensor *row(int64_t n, const double *values)
{
    return plumb_tensor(PLUMB_F64, 1, &n, values);
}
static struct plumb_tensor *want_grad(struct plumb_tensor *t)
{
    return plumb_parameter("p", t);
}
static void assert_values(const struct plumb_tensor *t, int n, const double *want)
{
    double got[16];
    if (!t) print_error("%s\n", plumb_error());
    assert_non_null(t);
    assert_int_equal(plumb_read(t, got, (int64_t)sizeof *got * n), 0);
    for (int i = 0; i < n; i++) assert_true(got[i] == want[i]);
}
static void walk_back(struct plumb_tensor *loss)
{
    int rc = plumb_backward(loss);
    if (rc) print_error("%s\n", plumb_error());
    assert_int_equal(rc, 0);
}
static void assert_error(const char *part)
{
    const char *text = plumb_error();
    if (!strstr(text, part)) print_error("\"%s\" does not contain \"%s\"\n", text, part);
    assert_non_null(strstr(text, part));
}

/* ---- calls ---- */

static void test_values(void **state)
{
    (void)state;
    struct plumb_tensor *a = row(3, (double[]){1, 2, 3}), *b = row(3, (double[]){10, 20, 30});
    assert_values(plumb_add(a, b), 3, (double[]){11, 22, 33});
    assert_values(plumb_add_full(a, b, 2), 3, (double[]){21, 42, 63});
    assert_values(plumb_mul_scalar(a, -1), 3, (double[]){-1, -2, -3});
    assert_true(plumb_item(plumb_sum(a, 0)) == 6);
}

static void test_errors_name_all(void **state)
{
    (void)state;
    struct plumb_tensor *a = row(3, (double[]){1, 2, 3}), *b = row(2, (double[]){1, 2}), *out;
    assert_null(plumb_add(a, b));
    assert_error("aten::add.Tensor");
    assert_null(plumb_add(a, b));
    assert_error("[3]");
    assert_null(plumb_add(a, b));
    assert_error("[2]");
    assert_null(plumb_tensor(PLUMB_F32, 17, (int64_t[17]){0}, NULL));
    assert_error("0 to 16");
    assert_null(plumb_tensor((enum plumb_dtype)99, 0, NULL, NULL));
    assert_error("no dtype");
    assert_int_equal(plumb_call("aten::nothing", NULL, 0, &out, 1), -1);
    assert_error("aten::nothing");
    assert_true(isnan(plumb_item(a)));
    assert_error("f64[3]");
}

/* The first error of a chain stays; reading it ends the chain. */
static void test_errors_travel(void **state)
{
    (void)state;
    struct plumb_tensor *a = row(3, (double[]){1, 2, 3}), *b = row(2, (double[]){1, 2});
    struct plumb_tensor *c = plumb_relu(plumb_mul(plumb_add(a, b), a));
    assert_null(c);
    assert_error("aten::add.Tensor");
    assert_null(plumb_relu(NULL));
    assert_error("aten::relu");
    assert_error("no tensor was given");
}

static void test_no_session(void **state)
{
    (void)state;
    assert_int_equal(plumb_close(), 0);
    assert_null(plumb_tensor(PLUMB_F32, 0, NULL, NULL));
    assert_error("plumb_open");
    assert_int_equal(plumb_frame_begin(), -1);
    assert_int_equal(open_session(NULL), 0);
    assert_null(plumb_open(NULL));
    assert_error("in a session already");
}

static void test_written_overlap(void **state)
{
    (void)state;
    struct plumb_tensor *a = row(4, (double[]){1, 2, 3, 4});
    struct plumb_tensor *one = plumb_slice(a, 0, &(int64_t){0}, &(int64_t){3}, 1);
    struct plumb_tensor *two = plumb_slice(a, 0, &(int64_t){1}, &(int64_t){4}, 1);
    assert_null(plumb_add_(one, two));
    assert_error("shares elements");
    struct plumb_tensor *wide = plumb_expand(row(1, (double[]){5}), (int64_t[]){3}, 1);
    assert_null(plumb_add_(wide, wide));
    assert_error("share one element");
    assert_values(plumb_add_(one, one), 3, (double[]){2, 4, 6});
    assert_values(a, 4, (double[]){2, 4, 6, 4});
}

/* ---- frames ---- */

static void test_frames(void **state)
{
    (void)state;
    double v = 3;
    struct plumb_tensor *outer = row(1, &v), *kept = NULL;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(plumb_frame_begin(), 0);
        struct plumb_tensor *t = plumb_add(outer, outer);
        if (i == 1) kept = plumb_keep(plumb_mul(t, t));
        plumb_frame_end();
    }
    assert_true(plumb_item(kept) == 36);
    plumb_frame_end(); /* the outermost stays */
    assert_true(plumb_item(outer) == 3);
}

/* ---- hooks ---- */

struct seen {
    int before, after;
    char last[64];
    const char *veto;
};
static const char *before(void *context, const char *op)
{
    struct seen *s = context;
    s->before++;
    return s->veto && !strcmp(op, s->veto) ? "not today" : NULL;
}
static void after(void *context, const char *op, struct plumb_tensor *const *result, int n)
{
    struct seen *s = context;
    s->after++;
    assert_true(n == 1 && result[0]);
    snprintf(s->last, sizeof s->last, "%s", op);
}

static void test_hooks(void **state)
{
    (void)state;
    struct seen s = {.veto = "aten::mul.Tensor"}, inner = {0};
    struct plumb_hook hook = {before, after, &s}, second = {before, after, &inner};
    struct plumb_tensor *a = row(2, (double[]){1, 2});
    assert_int_equal(plumb_hook_push(&hook), 0);
    assert_int_equal(plumb_hook_push(&second), 0);
    assert_non_null(plumb_add(a, a));
    assert_null(plumb_mul(a, a));
    assert_error("aten::mul.Tensor: not today");
    plumb_hook_pop();
    assert_non_null(plumb_add(a, a));
    plumb_hook_pop();
    assert_non_null(plumb_mul(a, a));
    assert_int_equal(s.before, 3);
    assert_int_equal(s.after, 2);
    assert_int_equal(inner.before, 1);
    assert_string_equal(s.last, "aten::add.Tensor");
}

/* ---- the tape ---- */

/* It is not called for what it calls itself. */
static const char *before_calls(void *context, const char *op)
{
    ++*(int *)context;
    return plumb_neg(row(1, (double[]){1})) ? NULL : op;
}
static void after_calls(void *context, const char *op, struct plumb_tensor *const *result, int n)
{
    ++*(int *)context;
    if (n == 1 && !plumb_neg(result[0])) print_error("%s: %s\n", op, plumb_error());
}

static void test_hook_calls(void **state)
{
    (void)state;
    int n = 0;
    struct plumb_hook hook = {before_calls, after_calls, &n};
    assert_int_equal(plumb_hook_push(&hook), 0);
    assert_non_null(plumb_neg(row(1, (double[]){1})));
    plumb_hook_pop();
    assert_int_equal(n, 2);
}

static void test_bad_values(void **state)
{
    (void)state;
    struct plumb_tensor *x = row(2, (double[]){1, 2});
    assert_null(plumb_zeros(&(int64_t){2}, 1, (enum plumb_dtype)99));
    assert_error("99 is no dtype");
    assert_null(plumb_zeros(&(int64_t){2}, -1, PLUMB_F32));
    assert_error("a list of -1 members");
    assert_null(plumb_cat(&x, -1, 0));
    assert_error("a list of -1 members");
    assert_null(plumb_cat(NULL, 1, 0));
    assert_error("at NULL");
}

/* A second session of one thread is refused before it touches the first one's trace. */
static void test_open_twice(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/twice.db", unit_folder());
    struct plumb_options o = {.trace = path, .overwrite = true};
    assert_int_equal(plumb_close(), 0);
    assert_int_equal(plumb_enter(NULL), -1);
    assert_error("no session to enter");
    o.determinism = 3;
    assert_null(plumb_open(&o));
    assert_error("3 is no level");
    o.determinism = PLUMB_RUN;
    assert_non_null(plumb_open(&o));
    assert_non_null(plumb_neg(row(1, (double[]){1})));
    assert_null(plumb_open(&o));
    assert_error("in a session already");
    assert_int_equal(plumb_close(), 0);
    FILE *f = tmpfile();
    assert_int_equal(plumb_debug_print(path, 0, f), 0);
    assert_true(ftell(f) > 0);
    fclose(f);
    unlink(path);
    assert_int_equal(open_session(NULL), 0);
}

static void test_backward(void **state)
{
    (void)state;
    struct plumb_tensor *x = want_grad(row(3, (double[]){1, 2, 3}));
    struct plumb_tensor *y = plumb_mul(x, x), *loss = plumb_sum(plumb_add(y, x), 0);
    assert_int_equal(plumb_backward(loss), 0);
    assert_values(plumb_grad(x), 3, (double[]){3, 5, 7});
    assert_int_equal(plumb_backward(plumb_sum(plumb_mul(x, x), 0)), 0); /* gradients add up */
    assert_values(plumb_grad(x), 3, (double[]){5, 9, 13});
    plumb_zero_grad(x);
    assert_null(plumb_grad(x));
}

static void test_backward_refused(void **state)
{
    (void)state;
    struct plumb_tensor *x = want_grad(row(2, (double[]){1, 2}));
    assert_int_equal(plumb_backward(plumb_mul(x, x)), -1);
    assert_error("one element");
    assert_int_equal(plumb_backward(plumb_sum(row(2, (double[]){1, 2}), 0)), -1);
    assert_error("nothing that wants gradients");
    plumb_no_grad_begin();
    struct plumb_tensor *loss = plumb_sum(plumb_mul(x, x), 0);
    plumb_no_grad_end();
    assert_int_equal(plumb_backward(loss), -1);
    assert_null(plumb_add_(x, x));
    assert_error("leaf");
}

/* Two losses of one step are walked one after the other; none twice. */
static void test_two_losses(void **state)
{
    (void)state;
    struct plumb_tensor *x = want_grad(row(2, (double[]){1, 2}));
    struct plumb_tensor *one = plumb_sum(plumb_mul(x, x), 0), *two = plumb_sum(x, 0);
    walk_back(one);
    walk_back(two);
    assert_values(plumb_grad(x), 2, (double[]){3, 5});
    assert_int_equal(plumb_backward(one), -1);
    assert_error("walked back already");
    struct plumb_tensor *y = plumb_mul(x, x);
    walk_back(plumb_sum(y, 0));
    assert_int_equal(plumb_backward(plumb_sum(plumb_mul(y, y), 0)), -1);
    assert_error("walked back already");
}

/* A value that a gradient needs and that was overwritten is missed; one that none needs is not. */
static void test_overwritten(void **state)
{
    (void)state;
    struct plumb_tensor *x = want_grad(row(2, (double[]){1, 2}));
    struct plumb_tensor *c = row(2, (double[]){5, 6});
    struct plumb_tensor *loss = plumb_sum(plumb_mul(x, c), 0);
    assert_non_null(plumb_add_(c, c));
    assert_int_equal(plumb_backward(loss), -1);
    assert_error("overwritten");
    c = row(2, (double[]){5, 6});
    loss = plumb_sum(plumb_add(x, c), 0);
    assert_non_null(plumb_add_(c, c));
    plumb_zero_grad(x);
    walk_back(loss);
    assert_values(plumb_grad(x), 2, (double[]){1, 1});
}

static void test_in_place_on_the_way(void **state)
{
    (void)state;
    struct plumb_tensor *x = want_grad(row(2, (double[]){1, 2}));
    struct plumb_tensor *y = plumb_mul_scalar(x, 3);
    assert_non_null(plumb_add_(y, x));
    walk_back(plumb_sum(y, 0));
    assert_values(plumb_grad(x), 2, (double[]){4, 4});
}

/* ---- out of memory, and more elements than 32 bits count ---- */

static void test_too_large(void **state)
{
    (void)state;
    const int64_t huge[] = {INT64_C(1) << 40, 1 << 10}, beyond[] = {INT64_MAX, 2};
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__ /* their allocators abort */
    assert_null(plumb_zeros(huge, 2, PLUMB_F32));
    assert_error("memory");
#else
    (void)huge;
#endif
    assert_null(plumb_zeros(beyond, 2, PLUMB_F32));
    assert_error("more than 2^63 - 1 bytes");
    assert_non_null(plumb_zeros((int64_t[]){0, INT64_MAX}, 2, PLUMB_U8));
}

/* 2^31 + 5 elements, when the machine has the memory for them. */
static void test_many_elements(void **state)
{
    (void)state;
    const int64_t n = (INT64_C(1) << 31) + 5;
    if (!getenv("PLUMB_TEST_LARGE")) {
        print_message("tensors of 2^31 elements: not run, PLUMB_TEST_LARGE is not set\n");
        skip();
    }
    assert_int_equal(plumb_frame_begin(), 0);
    struct plumb_tensor *x = plumb_zeros(&n, 1, PLUMB_U8);
    int64_t last = n - 1, end = n;
    assert_non_null(plumb_fill__scalar(plumb_slice(x, 0, &last, &end, 1), 7));
    assert_true(plumb_item(plumb_sum(x, 0)) == 7);
    assert_true(plumb_item(plumb_argmax(x, NULL, false)) == (double)last);
    struct plumb_tensor *y = plumb_add(x, x);
    assert_true(plumb_item(plumb_select_int(y, 0, -1)) == 14);
    assert_true(plumb_item(plumb_count_nonzero(y, NULL)) == 1);
    plumb_frame_end();
}

/* ---- the log ---- */

static void read_all(FILE *f, char *out, size_t size)
{
    rewind(f);
    size_t n = fread(out, 1, size - 1, f);
    out[n] = 0;
    fclose(f);
}

static void test_log(void **state)
{
    (void)state;
    char path[96], text[8192];
    snprintf(path, sizeof path, "%s/log.db", unit_folder());
    assert_int_equal(plumb_close(), 0);
    const struct plumb_options o = {.trace = path, .overwrite = true, .hashes = PLUMB_HASH_TENSOR};
    assert_non_null(plumb_open(&o));
    struct plumb_tensor *a = row(2, (double[]){1, 2});
    plumb_module_begin("Net.fc");
    assert_non_null(plumb_add_full(a, a, 2));
    plumb_module_end();
    assert_int_equal(plumb_close(), 0);
    FILE *f = tmpfile();
    assert_int_equal(plumb_debug_print(path, 0, f), 0);
    read_all(f, text, sizeof text);
    assert_string_equal(text,
                        "    aten::add.Tensor(t: f64[2], t: f64[2], alpha=2)  ->  t: f64[2]\n");
    f = tmpfile();
    assert_int_equal(plumb_debug_print(path, PLUMB_DEBUG_MODULES | PLUMB_DEBUG_HASHES, f), 0);
    read_all(f, text, sizeof text);
    assert_non_null(strstr(text, "    [nn.Mod] Net.fc\n      aten::add.Tensor("));
    assert_non_null(strstr(text, "# {'hash': "));
    f = tmpfile();
    assert_int_equal(plumb_debug_save(path, "main", f), 0);
    read_all(f, text, sizeof text);
    assert_non_null(strstr(text, "\"torch.utils._debug_mode.DebugMode.logs\""));
    assert_int_equal(plumb_debug_save(path, "nobody", stdout), -1);
    assert_error("nobody");
    unlink(path);
    assert_int_equal(open_session(NULL), 0);
}

/* ---- threads ---- */

enum { THREADS = 8, ROUNDS = 200 };
struct job {
    struct plumb *session;
    struct plumb_tensor *shared;
    double sum;
};

static void *work(void *context)
{
    struct job *j = context;
    if (plumb_enter(j->session)) return NULL;
    for (int i = 0; i < ROUNDS; i++) {
        plumb_frame_begin();
        plumb_module_begin("Job");
        struct plumb_tensor *t = plumb_mul(j->shared, plumb_add(j->shared, j->shared));
        j->sum += plumb_item(plumb_sum(t, 0));
        plumb_module_end();
        plumb_frame_end();
    }
    plumb_leave();
    return context;
}

static void test_threads(void **state)
{
    (void)state;
    char path[96];
    pthread_t thread[THREADS];
    struct job job[THREADS];
    snprintf(path, sizeof path, "%s/threads.db", unit_folder());
    assert_int_equal(plumb_close(), 0);
    struct plumb *s = plumb_open(&(struct plumb_options){.trace = path, .overwrite = true});
    if (!s) print_error("%s\n", plumb_error());
    assert_non_null(s);
    struct plumb_tensor *shared = plumb_keep(row(3, (double[]){1, 2, 3}));
    for (int i = 0; i < THREADS; i++) {
        job[i] = (struct job){.session = s, .shared = shared};
        assert_int_equal(pthread_create(&thread[i], NULL, work, &job[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *done;
        pthread_join(thread[i], &done);
        assert_non_null(done);
        assert_true(job[i].sum == 28.0 * ROUNDS);
    }
    assert_int_equal(plumb_close(), 0);
    unlink(path);
    assert_int_equal(open_session(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_errors_name_all),
        cmocka_unit_test(test_errors_travel),
        cmocka_unit_test(test_no_session),
        cmocka_unit_test(test_written_overlap),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_hooks),
        cmocka_unit_test(test_hook_calls),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_open_twice),
        cmocka_unit_test(test_backward),
        cmocka_unit_test(test_backward_refused),
        cmocka_unit_test(test_overwritten),
        cmocka_unit_test(test_two_losses),
        cmocka_unit_test(test_in_place_on_the_way),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_many_elements),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, open_session, close_session);
}
