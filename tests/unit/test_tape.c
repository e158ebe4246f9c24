/* test_tape.c - gradients past writes in place, kept tensors, frames and threads: right or refused,
 * never silently less. */
#include "tests/unit/unit.h"

#include <pthread.h>

#include "plumb.h"

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

static struct plumb_tensor *pair(double a, double b)
{
    return plumb_tensor(PLUMB_F64, 1, &(int64_t){2}, (double[]){a, b});
}
static struct plumb_tensor *leaf(double a, double b)
{
    return plumb_parameter("p", pair(a, b));
}
static void assert_pair(const struct plumb_tensor *t, double a, double b)
{
    double got[2];
    if (!t) print_error("%s\n", plumb_error());
    assert_non_null(t);
    assert_int_equal(plumb_read(t, got, sizeof got), 0);
    assert_true(got[0] == a && got[1] == b);
}
static void walk_back(struct plumb_tensor *y)
{
    int rc = plumb_backward(plumb_sum(y, 0));
    if (rc) print_error("%s\n", plumb_error());
    assert_int_equal(rc, 0);
}
static void assert_refused(struct plumb_tensor *y, const char *part)
{
    assert_int_equal(plumb_backward(plumb_sum(y, 0)), -1);
    assert_non_null(strstr(plumb_error(), part));
}

/* ---- written in place ---- */

/* The call that writes needs what it wrote over only for its other argument. */
static void test_overwritten_by_itself(void **state)
{
    (void)state;
    struct plumb_tensor *x = leaf(1, 2), *u = leaf(5, 6), *c = pair(5, 6);
    assert_refused(plumb_mul_(plumb_mul_scalar(x, 3), u), "overwritten in place");
    struct plumb_tensor *y = plumb_mul_scalar(x, 3);
    assert_refused(plumb_mul_(y, y), "overwritten in place");
    walk_back(plumb_mul_(plumb_mul_scalar(x, 3), c));
    assert_pair(plumb_grad(x), 15, 18);
    y = plumb_mul_scalar(x, 3);
    walk_back(plumb_add_(y, y));
    assert_pair(plumb_grad(x), 21, 24);
}

/* What used a tensor before it was written gives its gradient to where the tensor came from. */
static void test_used_before_written(void **state)
{
    (void)state;
    struct plumb_tensor *x = leaf(1, -2), *a = plumb_mul_scalar(x, 3);
    struct plumb_tensor *y = plumb_mul_scalar(a, 2);
    assert_non_null(plumb_relu_(a));
    walk_back(plumb_add(y, a));
    assert_pair(plumb_grad(x), 9, 6);
}

/* A leaf that a step of training moved between call and walk gets its gradient. */
static void test_leaf_moved(void **state)
{
    (void)state;
    struct plumb_tensor *x = leaf(1, 2), *y = plumb_mul_scalar(x, 3);
    plumb_no_grad_begin();
    assert_non_null(plumb_add_(x, x));
    plumb_no_grad_end();
    walk_back(y);
    assert_pair(plumb_grad(x), 3, 3);
}

/* A refused write has not been done. */
static void test_refused_write(void **state)
{
    (void)state;
    struct plumb_tensor *x = leaf(1, 2), *sum = plumb_keep(pair(0, 0));
    assert_null(plumb_add_(x, x));
    assert_non_null(strstr(plumb_error(), "leaf"));
    assert_pair(x, 1, 2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(plumb_frame_begin(), 0);
        assert_null(plumb_add_(sum, x));
        assert_non_null(strstr(plumb_error(), "outlives"));
        plumb_frame_end();
    }
    assert_pair(sum, 0, 0);
}

/* ---- kept tensors, frames, threads ---- */

/* A gradient that is used as a value outlives its successor until the tape has been walked. */
/* What gradients would not follow is refused before anything is written. */
static void test_views_and_lists(void **state)
{
    (void)state;
    struct plumb_tensor *w = leaf(1, 2), *x = plumb_mul_scalar(pair(3, 4), 1), *row, *list[1];
    row = plumb_view(x, (int64_t[]){1, 2}, 2);
    assert_null(plumb_mul_(row, w));
    assert_non_null(strstr(plumb_error(), "through a view"));
    assert_pair(x, 3, 4);
    list[0] = w;
    assert_int_equal(plumb__foreach_mul__scalar(list, 1, 2), -1);
    assert_non_null(strstr(plumb_error(), "leaf"));
    list[0] = plumb_mul_scalar(w, 1);
    assert_int_equal(plumb__foreach_mul__scalar(list, 1, 2), -1);
    assert_non_null(strstr(plumb_error(), "no gradient rule"));
    plumb_no_grad_begin();
    list[0] = w;
    assert_true(plumb__foreach_mul__scalar(list, 1, 2) >= 0);
    plumb_no_grad_end();
    assert_pair(w, 2, 4);
}

static void test_gradient_as_value(void **state)
{
    (void)state;
    struct plumb_tensor *x = leaf(1, 2);
    walk_back(plumb_mul_scalar(x, 3));
    struct plumb_tensor *g = plumb_grad(x);
    walk_back(plumb_add(plumb_mul(x, g), plumb_mul(x, g)));
    assert_pair(plumb_grad(x), 9, 9);
    struct plumb_tensor *y = plumb_mul(x, plumb_grad(x));
    plumb_zero_grad(x);
    walk_back(y);
    assert_pair(plumb_grad(x), 9, 9);
}

/* Kept, a result is a leaf that wants nothing; what used it before is not cut off. */
static void test_kept_result(void **state)
{
    (void)state;
    struct plumb_tensor *x = leaf(1, 2), *h = plumb_mul_scalar(x, 3);
    struct plumb_tensor *before = plumb_mul_scalar(h, 2);
    assert_ptr_equal(plumb_keep(h), h);
    assert_refused(h, "nothing that wants gradients");
    walk_back(before);
    assert_pair(plumb_grad(x), 6, 6);
    assert_null(plumb_grad(h));
}

struct other {
    struct plumb *session;
    struct plumb_tensor *h; /* of the other thread */
    bool kept, entered, walked;
    char error[256];
};
static void *beside(void *context)
{
    struct other *o = context;
    o->kept = plumb_keep(o->h) != NULL;
    o->entered = !plumb_enter(o->session);
    o->kept = o->kept || plumb_keep(o->h);
    o->walked = !plumb_backward(plumb_sum(o->h, 0));
    snprintf(o->error, sizeof o->error, "%s", plumb_error());
    plumb_leave();
    return NULL;
}

static void test_other_thread(void **state)
{
    (void)state;
    plumb_close();
    struct other o = {.session = plumb_open(NULL)};
    pthread_t t;
    struct plumb_tensor *x = leaf(1, 2);
    o.h = plumb_mul_scalar(x, 3);
    assert_int_equal(pthread_create(&t, NULL, beside, &o), 0);
    pthread_join(t, NULL);
    assert_false(o.kept);
    assert_true(o.entered);
    assert_false(o.walked);
    assert_non_null(strstr(o.error, "another's"));
    walk_back(o.h);
    assert_pair(plumb_grad(x), 3, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overwritten_by_itself),
        cmocka_unit_test(test_used_before_written),
        cmocka_unit_test(test_leaf_moved),
        cmocka_unit_test(test_refused_write),
        cmocka_unit_test(test_views_and_lists),
        cmocka_unit_test(test_gradient_as_value),
        cmocka_unit_test(test_kept_result),
        cmocka_unit_test(test_other_thread),
    };
    return cmocka_run_group_tests(tests, open_session, close_session);
}
