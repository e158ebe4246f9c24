/* test_op_schema.c - the schema texts of operators: what is read, what is refused. */
#include "tests/unit/unit.h"

#include "runtime/op_schema.h"

static struct op_schema read(const char *text)
{
    struct op_schema s;
    enum err err = op_schema_read(text, &s);
    if (err) print_error("%s\n", err_text());
    assert_int_equal(err, ERR_OK);
    return s;
}

static void test_arguments(void **state)
{
    (void)state;
    struct op_schema s =
        read("aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor");
    assert_string_equal(s.name, "aten::add.Tensor");
    assert_int_equal(s.n_params, 3);
    assert_string_equal(s.param[1].name, "other");
    assert_int_equal(s.param[1].kind, OP_TENSOR);
    assert_false(s.param[1].keyword);
    assert_true(s.param[2].keyword && s.param[2].has_default && s.param[2].value.is_int);
    assert_int_equal(s.param[2].value.i, 1);
    assert_int_equal(s.n_results, 1);
    assert_int_equal(s.result_arg[0], -1);
}

static void test_defaults(void **state)
{
    (void)state;
    struct op_schema s = read("aten::x(Tensor? a, int[2] b=[3, -4], int[1]? c=None, float p=0.5, "
                              "bool t=True, bool f=False, str m='none', int r=Mean, "
                              "ScalarType? dtype=None, float q=-inf) -> (Tensor, Tensor)");
    assert_true(s.param[0].optional && !s.param[0].has_default);
    assert_int_equal(s.param[1].value.n, 2);
    assert_int_equal(s.param[1].ints[1], -4);
    assert_true(s.param[2].has_default && s.param[2].value.kind == OP_NONE);
    assert_true(s.param[3].value.r == 0.5 && !s.param[3].value.is_int);
    assert_int_equal(s.param[4].value.i, 1);
    assert_int_equal(s.param[5].value.i, 0);
    assert_string_equal(s.param[6].text, "none");
    assert_int_equal(s.param[7].value.i, 1);
    assert_int_equal(s.param[8].kind, OP_DTYPE);
    assert_true(s.param[9].value.r < -1e308);
    assert_int_equal(s.n_results, 2);
}

static void test_aliases(void **state)
{
    (void)state;
    struct op_schema s = read("aten::add_.Tensor(Tensor(a!) self, Tensor other) -> Tensor(a!)");
    assert_true(s.param[0].written);
    assert_int_equal(s.result_arg[0], 0);
    assert_false(s.result_view[0]);
    s = read("aten::t(Tensor(a) self) -> Tensor(a)");
    assert_false(s.param[0].written);
    assert_true(s.result_view[0]);
    assert_int_equal(s.result_arg[0], -1);
    s = read("aten::_foreach_add_.List(Tensor(a!)[] self, Tensor[] other) -> ()");
    assert_true(s.param[0].written);
    assert_int_equal(s.param[0].kind, OP_TENSORS);
    assert_int_equal(s.n_results, 0);
    s = read("aten::split.Tensor(Tensor(a -> *) self, int n) -> Tensor(a)[]");
    assert_true(s.result_list);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "aten::f",
        "aten::f(",
        "aten::f(Tensor) -> Tensor",
        "aten::f(Complex a) -> Tensor",
        "aten::f(Tensor a -> Tensor",
        "aten::f(Tensor a) -> int",
        "aten::f(Tensor a) -> Tensor x y",
        "aten::f(str m='very long text that nothing needs') -> Tensor",
        "aten::f(int[] a=[1, 2, 3, 4, 5]) -> Tensor",
        "aten::f(int a=) -> Tensor",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct op_schema s;
        assert_int_equal(op_schema_read(bad[i], &s), ERR_FORMAT);
        assert_non_null(strstr(err_text(), "at byte"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
