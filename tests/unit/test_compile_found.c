/* test_compile_found.c - what random programs (test_compile_random.c) found, each by hand. */
#include "tests/unit/compiled_both.h"

#include <math.h>

/* A NaN that a subtraction made is canonical for the movement that it is fused with. */
FUNCTION_OF(moved_nan, plumb_tril(plumb_sub(in[0], in[0]), 0))
static void moved_nan_program(void)
{
    float odd[] = {INFINITY, -INFINITY, 1, INFINITY};
    struct plumb_tensor *x = plumb_tensor(PLUMB_F32, 2, (int64_t[]){2, 2}, odd), *y;
    for (int i = 0; i < 2; i++) {
        must(call(moved_nan, IN(x), 1, &y, 1));
        note(y);
    }
}
TEST_BOTH(moved_nan, moved_nan_program, 1, 1)

/* Host data is made once; through a view of it, it is not written either. */
FUNCTION(written_host_data)
{
    UNUSED;
    const float data[] = {1, 2, 3};
    struct plumb_tensor *x = plumb_tensor(PLUMB_F32, 1, (int64_t[]){3}, data);
    GIVES(0, plumb_exp_(plumb_unsqueeze(x, 0)));
    return 0;
}
/* Each call gives a tensor of its own, which the caller may write. */
FUNCTION(given_host_data)
{
    UNUSED;
    const float data[] = {1, 2, 3};
    GIVES(0, plumb_unsqueeze(plumb_tensor(PLUMB_F32, 1, (int64_t[]){3}, data), 0));
    return 0;
}
/* A call that fails ends the trace, whether the function looks or not. */
FUNCTION(goes_on)
{
    UNUSED;
    const float data[] = {1, 2, 3};
    struct plumb_tensor *x = plumb_tensor(PLUMB_F32, 1, (int64_t[]){3}, data);
    if (!plumb_exp_(x)) plumb_error();
    GIVES(0, plumb_add(in[0], x));
    return 0;
}
static plumb_function of_host_data;
static void host_data_program(void)
{
    struct plumb_tensor *y;
    for (int i = 0; i < 3; i++) {
        must(call(of_host_data, IN(numbers(2, 3, i)), 1, &y, 1));
        note(y);
        note(plumb_exp_(y));
    }
}
TEST(host_data)
{
    const plumb_function of[] = {written_host_data, given_host_data, goes_on};
    for (int i = 0; i < 3; i++) {
        of_host_data = of[i];
        run_both(host_data_program);
        assert_broken(0, "host data");
    }
}

/* Two results that show the same elements are two tensors, each with its gradient: a view that was
 * taken before the tensor was written keeps that of what it showed then. */
FUNCTION(two_views)
{
    UNUSED;
    struct plumb_tensor *y = plumb_add(in[0], in[1]);
    GIVES(1, plumb_squeeze(y));
    GIVES(0, plumb_relu_(y));
    return 0;
}
FUNCTION(detached)
{
    UNUSED;
    GIVES(0, plumb_mul(in[0], in[1]));
    GIVES(1, plumb_detach(out[0]));
    return 0;
}
static void two_results_program(void)
{
    const plumb_function fn[] = {two_views, detached};
    for (int i = 0; i < 4; i++) {
        struct plumb_tensor *x = parameter(3, 4, i), *y[2];
        must(call(fn[i % 2], IN(x, numbers(3, 4, 2)), 2, y, 2));
        note(y[0]);
        note(y[1]);
        walk(plumb_add(plumb_square(y[0]), plumb_exp(y[1])));
        note(plumb_grad(x));
    }
}
TEST(two_results)
{
    run_both(two_results_program);
    assert_entries(0, 1, 1);
    assert_entries(1, 1, 1);
}

/* A tensor that is taken twice gets two gradients, added in the order in which eager adds them. */
FUNCTION_OF(taken_twice, plumb_mul__scalar(plumb_sub(in[0], in[0]), 3))
static void taken_twice_program(void)
{
    for (int i = 0; i < 2; i++) {
        struct plumb_tensor *x = parameter(2, 3, i), *y;
        must(call(taken_twice, IN(x), 1, &y, 1));
        walk(plumb_add(y, plumb_exp(x)));
        note(plumb_grad(x));
    }
}
TEST_BOTH(taken_twice, taken_twice_program, 1, 1)

/* The gradient of x to the power of 0 is zeros, whatever comes in; the other result is not used. */
FUNCTION(power_of_nothing)
{
    UNUSED;
    struct plumb_tensor *x = plumb_mul_scalar(in[0], 2);
    GIVES(0, plumb_pow_tensor_scalar(x, -0.0));
    GIVES(1, plumb_rsub_scalar(x, 1, 1));
    return 0;
}
static void power_of_nothing_program(void)
{
    for (int i = 0; i < 2; i++) {
        struct plumb_tensor *x = parameter(2, 3, i), *y[2];
        must(call(power_of_nothing, IN(x), 1, y, 2));
        walk(y[i]);
        note(plumb_grad(x));
    }
}
TEST_BOTH(power_of_nothing, power_of_nothing_program, 1, 1)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moved_nan), cmocka_unit_test(test_host_data),
        cmocka_unit_test(test_two_results), cmocka_unit_test(test_taken_twice),
        cmocka_unit_test(test_power_of_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
