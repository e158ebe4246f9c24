/* test_op_complex.c - gradients of complex products against differences: with y = f(a, b) and a
 * real loss L = sum of weights times parts of y, the gradient is dL/d re + i dL/d im. */
#include "tests/unit/unit.h"

#include <math.h>

#include "plumb.h"

enum { MOST = 64 };

struct operand {
    int n;
    int64_t size[3];
    double v[2 * MOST];
};
typedef struct plumb_tensor *product_fn(struct plumb_tensor *const *x);

static int64_t numbers(const struct operand *o)
{
    int64_t n = 2;
    for (int d = 0; d < o->n; d++) n *= o->size[d];
    return n;
}

static void fill(struct operand *o, int salt)
{
    for (int i = 0; i < 2 * MOST; i++) o->v[i] = (double)((i * 37 + salt * 11) % 41 - 20) / 16;
}

static struct plumb_tensor *loss_of(product_fn *f, const struct operand *o, int n,
                                    struct plumb_tensor **x)
{
    double w[2 * MOST];
    for (int i = 0; i < n; i++) x[i] = plumb_tensor(PLUMB_C128, o[i].n, o[i].size, o[i].v);
    for (int i = 0; i < n; i++) x[i] = plumb_parameter("x", x[i]);
    struct plumb_tensor *y = plumb_view_as_real(f(x));
    assert_non_null(y);
    int64_t size[4];
    for (int d = 0; d < plumb_dims(y); d++) size[d] = plumb_size(y, d);
    for (int i = 0; i < 2 * MOST; i++) w[i] = 0.5 + (double)(i * 29 % 64) / 64;
    struct plumb_tensor *weights = plumb_tensor(PLUMB_F64, plumb_dims(y), size, w);
    return plumb_sum(plumb_mul(y, weights), (enum plumb_dtype)0);
}

static double value_of(product_fn *f, const struct operand *o, int n)
{
    struct plumb_tensor *x[3];
    assert_int_equal(plumb_frame_begin(), 0);
    double v = plumb_item(loss_of(f, o, n, x));
    plumb_frame_end();
    return v;
}

static void check(product_fn *f, struct operand *o, int n)
{
    const double step = 0x1p-10; /* products are linear in each number: any step is exact */
    struct plumb_tensor *x[3];
    double got[2 * MOST];
    for (int i = 0; i < n; i++) fill(&o[i], i);
    assert_int_equal(plumb_frame_begin(), 0);
    struct plumb_tensor *loss = loss_of(f, o, n, x);
    if (plumb_backward(loss)) fail_msg("%s", plumb_error());
    for (int i = 0; i < n; i++) {
        int64_t count = numbers(&o[i]);
        assert_int_equal(plumb_read(plumb_grad(x[i]), got, count * (int64_t)sizeof *got), 0);
        for (int64_t k = 0; k < count; k++) {
            double old = o[i].v[k];
            o[i].v[k] = old + step;
            double up = value_of(f, o, n);
            o[i].v[k] = old - step;
            double want = (up - value_of(f, o, n)) / (2 * step);
            o[i].v[k] = old;
            if (fabs(got[k] - want) > 1e-9 * (1 + fabs(want)))
                fail_msg("operand %d, number %d: %.12g, differences say %.12g", i, (int)k, got[k],
                         want);
        }
    }
    plumb_frame_end();
}

static struct plumb_tensor *mm(struct plumb_tensor *const *x)
{
    return plumb_mm(x[0], x[1]);
}
static struct plumb_tensor *mm_turned(struct plumb_tensor *const *x)
{
    return plumb_mm(plumb_t(x[0]), plumb_t(x[1]));
}
static struct plumb_tensor *addmm(struct plumb_tensor *const *x)
{
    return plumb_addmm_full(x[2], x[0], x[1], 0.5, 2);
}
static struct plumb_tensor *bmm(struct plumb_tensor *const *x)
{
    return plumb_bmm(x[0], x[1]);
}
static struct plumb_tensor *mv(struct plumb_tensor *const *x)
{
    return plumb_mv(x[0], x[1]);
}
static struct plumb_tensor *dot(struct plumb_tensor *const *x)
{
    return plumb_dot(x[0], x[1]);
}

static void test_products(void **state)
{
    (void)state;
    check(mm, (struct operand[]){{2, {3, 4}, {0}}, {2, {4, 2}, {0}}}, 2);
    check(mm_turned, (struct operand[]){{2, {4, 3}, {0}}, {2, {2, 4}, {0}}}, 2);
    check(addmm, (struct operand[]){{2, {3, 4}, {0}}, {2, {4, 2}, {0}}, {1, {2}, {0}}}, 3);
    check(bmm, (struct operand[]){{3, {2, 2, 3}, {0}}, {3, {2, 3, 2}, {0}}}, 2);
    check(mv, (struct operand[]){{2, {3, 4}, {0}}, {1, {4}, {0}}}, 2);
    check(dot, (struct operand[]){{1, {5}, {0}}, {1, {5}, {0}}}, 2);
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_products, open_session, close_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
