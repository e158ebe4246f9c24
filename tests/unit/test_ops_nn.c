/* test_ops_nn.c - the operator suite of ops_nn.def: samples, refusals, gradients. */
#include "tests/unit/suite_run.h"

#include "tests/unit/samples_nn.c"

enum { N_SAMPLES = sizeof samples_nn / sizeof *samples_nn };
enum { N_REFUSALS = sizeof refusals_nn / sizeof *refusals_nn };

static void test_samples(void **state)
{
    (void)state;
    suite_samples(samples_nn, N_SAMPLES);
}
/* Products in the canonical order instead of a BLAS'. */
static void test_exact(void **state)
{
    (void)state;
    suite_open(SUITE_INTERPRETED);
    thread_self.session->determinism = PLUMB_EXACT;
    for (size_t i = 0; i < N_SAMPLES; i++) suite_sample(&samples_nn[i], SUITE_INTERPRETED);
    assert_int_equal(plumb_close(), 0);
    assert_int_equal(suite.failures, 0);
}
static void test_refusals(void **state)
{
    (void)state;
    suite_refusals(refusals_nn, N_REFUSALS);
}
static void test_gradients(void **state)
{
    (void)state;
    suite_gradients(samples_nn, N_SAMPLES);
}

/* Classes and rows outside are refused by each back end that computes. */
static const struct refusal outside[] = {
    {"aten::nll_loss_forward", "n[4, 5], i64<-9>[4], None, 1, -100", "index|out of"},
    {"aten::nll_loss_forward", "n[4, 5], i64<-9>[4], c[5], 0, -100", "index|out of"},
    {"aten::embedding", "n[5, 3], i64<-9>[2, 3]", "index|out of"},
    {"aten::embedding", "n[0, 3], i32<1>[2]", "index 0|out of"},
    {"aten::embedding_dense_backward", "n[6, 3], i64<-9>[6], 5, -1, false", "index|out of range"},
};
static void test_outside(void **state)
{
    (void)state;
    for (int how = SUITE_REF; how < SUITE_HOWS; how++) {
        suite_open((enum suite_how)how);
        for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
            suite_refuse(outside[i].op, outside[i].args, DTYPE_F32, outside[i].says);
        assert_int_equal(plumb_close(), 0);
    }
    assert_int_equal(suite.failures, 0);
}

/* Where dtypes were promoted, each argument's gradient has the argument's own. */
static void test_gradient_dtypes(void **state)
{
    (void)state;
    const int64_t two = 2;
    suite_open(SUITE_PLAIN);
    struct plumb_tensor *x = plumb_parameter("x", plumb_ones(&two, 1, PLUMB_F32));
    struct plumb_tensor *t = plumb_parameter("t", plumb_zeros(&two, 1, PLUMB_F16));
    int rc = plumb_backward(plumb_mse_loss(x, t, PLUMB_SUM));
    if (rc) print_error("%s\n", plumb_error());
    assert_int_equal(rc, 0);
    assert_int_equal(plumb_dtype(plumb_grad(x)), PLUMB_F32);
    assert_int_equal(plumb_dtype(plumb_grad(t)), PLUMB_F16);
    assert_int_equal(plumb_close(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),  cmocka_unit_test(test_exact),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_outside),  cmocka_unit_test(test_gradient_dtypes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
