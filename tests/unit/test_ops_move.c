/* test_ops_move.c - the operator suite of views, movement, indexing, reductions and scans. */
#include "tests/unit/suite_run.h"

#include "tests/unit/samples_move.c"
#include "tests/unit/samples_reduce.c"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void test_move(void **state)
{
    (void)state;
    suite_samples(samples_move, COUNT(samples_move));
}
static void test_move_refusals(void **state)
{
    (void)state;
    suite_refusals(refusals_move, COUNT(refusals_move));
}
static void test_move_gradients(void **state)
{
    (void)state;
    suite_gradients(samples_move, COUNT(samples_move));
}
static void test_reduce(void **state)
{
    (void)state;
    suite_samples(samples_reduce, COUNT(samples_reduce));
}
static void test_reduce_refusals(void **state)
{
    (void)state;
    suite_refusals(refusals_reduce, COUNT(refusals_reduce));
}
static void test_reduce_gradients(void **state)
{
    (void)state;
    suite_gradients(samples_reduce, COUNT(samples_reduce));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_move_refusals),
        cmocka_unit_test(test_move_gradients),
        cmocka_unit_test(test_reduce),
        cmocka_unit_test(test_reduce_refusals),
        cmocka_unit_test(test_reduce_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
