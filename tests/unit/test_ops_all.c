/* test_ops_all.c - that no row of the operator table is left out: each is sampled somewhere, and
 * what the table says of it holds together. */
#include "tests/unit/unit.h"

#include "runtime/ops.h"
#include "tests/unit/samples_move.c"
#include "tests/unit/samples_nn.c"
#include "tests/unit/samples_point.c"
#include "tests/unit/samples_reduce.c"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct op *table;
static int n_rows;

static int read_table(void **state)
{
    (void)state;
    return op_table(&table, &n_rows) ? -1 : 0;
}

static void mark(bool *sampled, const struct sample *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct op *op = op_find(s[i].op);
        if (!op) fail_msg("there is no operator %s", s[i].op);
        sampled[op - table] = true;
    }
}

/* Run where others are: by products, and by the gradient check of the forward row. */
static const char *const through_others[] = {
    "aten::_unsafe_view", "aten::_scaled_dot_product_flash_attention_for_cpu_backward"};

static bool is_through_others(const struct op *op)
{
    for (size_t i = 0; i < COUNT(through_others); i++)
        if (!strcmp(op->s.name, through_others[i])) return true;
    return false;
}

/* Rows that only broadcast are sampled by rule (test_ops_point.c). */
static bool by_rule(const struct op *op)
{
    return op->shape == shape_broadcast || op->shape == shape_add || op->shape == shape_mul;
}

static void test_every_row_is_sampled(void **state)
{
    static bool sampled[OP_N_IDS];
    int missing = 0;
    (void)state;
    mark(sampled, samples_move, COUNT(samples_move));
    mark(sampled, samples_nn, COUNT(samples_nn));
    mark(sampled, samples_point, COUNT(samples_point));
    mark(sampled, samples_reduce, COUNT(samples_reduce));
    for (int i = 0; i < n_rows; i++) {
        if (sampled[i] || by_rule(&table[i]) || is_through_others(&table[i])) continue;
        print_error("%s has no sample\n", table[i].s.name);
        missing++;
    }
    print_message("%d operators\n", n_rows);
    assert_int_equal(missing, 0);
}

/* Names lead to their rows, and no two rows share one. */
static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < n_rows; i++) {
        const struct op *found = op_find(table[i].s.name);
        if (found != &table[i]) fail_msg("%s is named twice", table[i].s.name);
    }
}

static void check_row(const struct op *op)
{
    bool runs = op->class == OP_OPAQUE || op->class == OP_COMPOSITE;
    bool computes = op->class == OP_NEST || op->class == OP_OPAQUE;
    if (runs != (op->run != NULL)) fail_msg("%s: run function", op->s.name);
    if (computes != (op->oracle != NULL)) fail_msg("%s: oracle", op->s.name);
    if (!op->shape != (op->class == OP_COMPOSITE)) fail_msg("%s: shape function", op->s.name);
    if (op->tolerance < 0 || !op->dtypes) fail_msg("%s: tolerance or dtypes", op->s.name);
    if (op->body && op->class != OP_NEST) fail_msg("%s: body", op->s.name);
    if (op->flags & OP_RANDOM && op->class == OP_VIEW) fail_msg("%s: random view", op->s.name);
}

static void test_rows_hold_together(void **state)
{
    (void)state;
    for (int i = 0; i < n_rows; i++) check_row(&table[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_sampled),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_rows_hold_together),
    };
    return cmocka_run_group_tests(tests, read_table, NULL);
}
