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

/* Positions outside are met where values are: on each back end that computes, in place of a wild
 * access. */
static const struct refusal outside[] = {
    {"aten::gather", "n[3, 4], 1, i64<-9>[2, 2]", "index|out of"},
    {"aten::gather", "n[], 0, i64<-9>[4]", "index|out of"},
    {"aten::index_select", "n[3, 4], 0, i32<-9>[4]", "index|out of"},
    {"aten::index_select", "n[0, 4], 0, i64<1>[1]", "index 0|out of"},
    {"aten::scatter.src", "n[3], 0, i64<-9>[5], n[5]", "index|out of"},
    {"aten::scatter.value", "n[3], 0, i64<-9>[5], 1", "index|out of"},
    {"aten::scatter_add", "n[3], 0, i64<-9>[5], n[5]", "index|out of range"},
    {"aten::index_add", "n[3], 0, i64<-9>[5], n[5]", "index|out of range"},
    {"aten::index.Tensor", "n[3, 4], {None, i64<-90>[5]}", "out of"},
    {"aten::index_put", "n[3, 4], {i64<-90>[5]}, n[]", "out of"},
    {"aten::index_put_", "n[3, 4], {i64<-90>[5]}, n[], true", "indices|out of range"},
};
static void test_outside(void **state)
{
    (void)state;
    for (int how = SUITE_REF; how < SUITE_HOWS; how++) {
        suite_open((enum suite_how)how);
        for (size_t i = 0; i < COUNT(outside); i++)
            suite_refuse(outside[i].op, outside[i].args, DTYPE_F32, outside[i].says);
        assert_int_equal(plumb_close(), 0);
    }
    assert_int_equal(suite.failures, 0);
}

/* Under the sanitizers, too, memory that cannot be had is an error. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* Views that repeat one element more often than can be counted are refused, not counted wrong. */
static void refuse_uncountable(void)
{
    const int64_t one = 1, long_run = (int64_t)1 << 57, wide[] = {1, 16};
    const int64_t far = (int64_t)1 << 62, taps = ((int64_t)1 << 34) + 1;
    const uint8_t bytes[16] = {0};
    int64_t zero = 0, by = 1, dilated = 1 << 30;
    struct plumb_tensor *byte = plumb_tensor(PLUMB_U8, 1, &one, bytes);
    struct plumb_tensor *position = plumb_tensor(PLUMB_I64, 1, &one, &zero);
    struct plumb_tensor *half = plumb_expand(byte, &far, 1), *four[] = {half, half, half, half};
    struct plumb_tensor *index = plumb_expand(position, &long_run, 1);
    assert_non_null(half);
    assert_non_null(index);
    assert_null(plumb_cat(four, 4, 0));
    assert_non_null(strstr(plumb_error(), "aten::cat"));
    assert_null(plumb_index_put(plumb_tensor(PLUMB_U8, 2, wide, bytes), &index, 1, byte, true));
    assert_non_null(strstr(plumb_error(), "memory"));

    struct plumb_tensor *input = plumb_zeros((int64_t[]){1, 1, 4}, 3, PLUMB_F32);
    struct plumb_tensor *tap = plumb_zeros((int64_t[]){1, 1, 1}, 3, PLUMB_F32);
    struct plumb_tensor *weight = plumb_expand(tap, (int64_t[]){1, 1, taps}, 3);
    assert_non_null(weight);
    assert_null(
        plumb_convolution(input, weight, NULL, &by, 1, &zero, 1, &dilated, 1, false, &zero, 1, 1));
    assert_non_null(strstr(plumb_error(), "do not fit"));
    struct plumb_tensor *empty = plumb_empty_memory_format((int64_t[]){far, 4, 0}, 3, PLUMB_F32);
    assert_non_null(empty);
    assert_null(plumb_flatten_using_ints(empty, 0, 1));
    assert_non_null(strstr(plumb_error(), "elements"));
}
static void test_uncountable(void **state)
{
    (void)state;
    const int64_t one = 1, most = (int64_t)1 << 60;
    suite_open(SUITE_PLAIN);
    refuse_uncountable();
    assert_int_equal(plumb_close(), 0);
    suite_open(SUITE_REF);
    refuse_uncountable();
    struct plumb_tensor *byte = plumb_tensor(PLUMB_U8, 1, &one, &(uint8_t){1});
    assert_null(plumb_sum(plumb_expand(byte, &most, 1), (enum plumb_dtype)0));
    assert_non_null(strstr(plumb_error(), "memory"));
    assert_int_equal(plumb_close(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_move_refusals),
        cmocka_unit_test(test_move_gradients),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_uncountable),
        cmocka_unit_test(test_reduce),
        cmocka_unit_test(test_reduce_refusals),
        cmocka_unit_test(test_reduce_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
