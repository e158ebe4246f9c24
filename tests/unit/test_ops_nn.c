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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
