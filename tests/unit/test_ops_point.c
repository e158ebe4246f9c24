/* test_ops_point.c - the operator suite of ops_point.def: samples, refusals, gradients. */
#include "tests/unit/suite_run.h"

#include "tests/unit/samples_point.c"

enum { N_SAMPLES = sizeof samples_point / sizeof *samples_point };
enum { N_REFUSALS = sizeof refusals_point / sizeof *refusals_point };

/* ---- samples of rows that only broadcast: shapes by place of the tensor ---- */

enum { PLACES = 4 };
static const char *const shapes[][PLACES] = {
    {"x[]", "x[]", "x[]", "x[]"},
    {"n[7]", "n[7]", "n[7]", "n[7]"},
    {"x[0]", "x[0]", "x[1]", "x[]"},
    {"n[3, 2, 4]", "n[2, 1]", "n[4]", "n[]"},
    {"x[33, 5]t", "x[33, 5]", "x[5]o", "x[33, 1]"},
    {"x[4, 6]s", "x[6]e", "x[4, 1]", "x[4, 6]f"},
    {"x[1031]", "x[1031]", "x[1]", "x[1031]"},
};
/* The first argument is as large as the result: so that rows that write it are sampled too. */
static const char *const small_first[PLACES] = {"x[1]", "x[3, 4]e", "x[4]", "x[2, 1, 1]"};
static const char *const numbers[] = {"2", "0.5", "-3", "1", "3", "7", "2.25"};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static bool writes_first(const struct op *op)
{
    return op->s.param[0].written;
}

/* In place an integer cannot take what promotion makes of a number with a fraction. */
static const char *number_for(const struct op *op, size_t i)
{
    return writes_first(op) ? numbers[i % 2 * 3] : numbers[i];
}

static bool is_broadcast(const struct op *op)
{
    return op->shape == shape_broadcast || op->shape == shape_add || op->shape == shape_mul;
}

static bool sampled_by_hand(const struct op *op)
{
    for (size_t i = 0; i < N_SAMPLES; i++)
        if (op_find(samples_point[i].op) == op) return true;
    return false;
}

static void write_sample(const struct op *op, const char *const *shape, size_t which, char *out,
                         size_t size)
{
    size_t at = 0;
    int tensors = 0;
    out[0] = 0;
    for (int i = 0; i < op->s.n_params; i++) {
        const struct op_param *p = &op->s.param[i];
        if (p->has_default || p->kind == OP_NONE) break;
        const char *text = p->kind == OP_TENSOR ? shape[tensors++]
                           : p->kind == OP_BOOL ? "false"
                                                : number_for(op, which);
        at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "", text);
    }
}

/* Each row once with each set of shapes, in every dtype it takes. */
static void each_broadcast_row(void (*f)(const struct sample *s, enum suite_how how),
                               enum suite_how how)
{
    const struct op *table;
    int n;
    assert_int_equal(op_table(&table, &n), 0);
    for (int i = 0; i < n; i++) {
        const struct op *op = &table[i];
        if (!is_broadcast(op) || sampled_by_hand(op)) continue;
        char args[256];
        struct sample s = {.op = op->s.name, .args = args};
        if (writes_first(op) && op->types == OP_T_FLOAT) s.only = OP_F | OP_C;
        for (size_t k = 0; k <= N_SHAPES; k++) {
            if (k == N_SHAPES && writes_first(op)) continue;
            write_sample(op, k < N_SHAPES ? shapes[k] : small_first, k % N_SHAPES, args,
                         sizeof args);
            f(&s, how);
        }
    }
}

static void each_gradient(const struct sample *s, enum suite_how how)
{
    (void)how;
    suite_gradient(s);
}

static void test_samples(void **state)
{
    (void)state;
    for (int how = 0; how < SUITE_HOWS; how++) {
        suite_open((enum suite_how)how);
        each_broadcast_row(suite_sample, (enum suite_how)how);
        assert_int_equal(plumb_close(), 0);
    }
    suite_samples(samples_point, N_SAMPLES);
}

/* ---- refusals ---- */

static int op_tensors(const struct op *op)
{
    int n = 0;
    for (int i = 0; i < op->s.n_params; i++) n += op->s.param[i].kind == OP_TENSOR;
    return n;
}
/* A number may lift the dtype to one that is taken. */
static bool op_promotes_numbers(const struct op *op)
{
    bool any = false;
    for (int i = 0; i < op->s.n_params; i++)
        any = any || (op->s.param[i].kind == OP_SCALAR && !op->s.param[i].has_default);
    return any;
}

/* Shapes that do not meet, and dtypes that a row does not take, for every row. */
static void refuse_row(const struct op *op)
{
    char args[256];
    bool two = op_tensors(op) > 1, numbers_too = op_promotes_numbers(op);
    static const char *const apart[PLACES] = {"n[2, 3]", "n[2]", "n[3]", "n[3]"};
    static const char *const plain[PLACES] = {"n[3]", "n[3]", "n[3]", "n[3]"};
    write_sample(op, apart, 3, args, sizeof args);
    if (two)
        suite_refuse(op->s.name, args, (op->dtypes & OP_F) ? DTYPE_F32 : DTYPE_I32, "[2, 3]|[2]");
    write_sample(op, plain, 3, args, sizeof args);
    for (int i = 0; i < SUITE_DTYPES; i++)
        if (!numbers_too && !(op->dtypes & suite_bit(suite_dtypes[i])))
            suite_refuse(op->s.name, args, suite_dtypes[i], "");
}

static void test_refusals(void **state)
{
    const struct op *table;
    int n;
    (void)state;
    assert_int_equal(op_table(&table, &n), 0);
    suite_open(SUITE_PLAIN);
    for (int i = 0; i < n; i++)
        if (is_broadcast(&table[i])) refuse_row(&table[i]);
    assert_int_equal(plumb_close(), 0);
    suite_refusals(refusals_point, N_REFUSALS);
}

static void test_gradients(void **state)
{
    (void)state;
    suite_open(SUITE_REF);
    each_broadcast_row(each_gradient, SUITE_REF);
    assert_int_equal(plumb_close(), 0);
    suite_gradients(samples_point, N_SAMPLES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
