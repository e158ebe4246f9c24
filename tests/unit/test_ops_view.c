/* test_ops_view.c - what views show, and what their gradients are. */
#include "plumb.h"
#include "tests/unit/unit.h"

/* ---- views: what they show of 0, 1, 2, ... ---- */

struct shown {
    struct plumb_tensor *t;
    int n;
    int64_t size[4];
    int count;
    double values[12];
};

static void check_shown(const struct shown *s)
{
    double got[16];
    if (!s->t) print_error("%s\n", plumb_error());
    assert_non_null(s->t);
    assert_int_equal(plumb_dims(s->t), s->n);
    for (int d = 0; d < s->n; d++) assert_int_equal(plumb_size(s->t, d), s->size[d]);
    assert_int_equal(plumb_read(s->t, got, (int64_t)sizeof *got * s->count), 0);
    for (int i = 0; i < s->count; i++) assert_true(got[i] == s->values[i]);
}

static void test_views(void **state)
{
    (void)state;
    double v[24];
    for (int i = 0; i < 24; i++) v[i] = i;
    assert_non_null(plumb_open(NULL));
    struct plumb_tensor *a = plumb_tensor(PLUMB_F64, 2, (int64_t[]){2, 3}, v);
    struct plumb_tensor *b = plumb_tensor(PLUMB_F64, 3, (int64_t[]){2, 3, 4}, v), *part[4];
    int64_t one = 1, five = 5;
    assert_int_equal(plumb_split(a, 2, 1, part, 4), 2);
    const struct shown all[] = {
        {plumb_t(a), 2, {3, 2}, 6, {0, 3, 1, 4, 2, 5}},
        {plumb_view(a, (int64_t[]){3, -1}, 2), 2, {3, 2}, 6, {0, 1, 2, 3, 4, 5}},
        {plumb_view(plumb_transpose_int(b, 0, 0), (int64_t[]){2, 12}, 2), 2, {2, 12}, 0, {0}},
        {plumb_reshape(plumb_t(a), (int64_t[]){6}, 1), 1, {6}, 6, {0, 3, 1, 4, 2, 5}},
        {plumb_permute(b, (int64_t[]){2, 0, 1}, 3), 3, {4, 2, 3}, 0, {0}},
        {plumb_select_int(plumb_permute(b, (int64_t[]){2, 0, 1}, 3), 0, -1),
         2,
         {2, 3},
         6,
         {3, 7, 11, 15, 19, 23}},
        {plumb_slice(a, 1, &one, &five, 1), 2, {2, 2}, 4, {1, 2, 4, 5}},
        {plumb_slice(a, 1, NULL, NULL, 2), 2, {2, 2}, 4, {0, 2, 3, 5}},
        {plumb_expand(plumb_unsqueeze(plumb_select_int(a, 0, 1), 0), (int64_t[]){2, -1}, 2),
         2,
         {2, 3},
         6,
         {3, 4, 5, 3, 4, 5}},
        {plumb_squeeze(plumb_unsqueeze(plumb_unsqueeze(a, 0), -1)),
         2,
         {2, 3},
         6,
         {0, 1, 2, 3, 4, 5}},
        {plumb_diagonal(a, 1, 0, 1), 1, {2}, 2, {1, 5}},
        {plumb_diagonal(a, -1, 1, 0), 1, {2}, 2, {1, 5}},
        {plumb_diagonal(a, 7, 0, 1), 1, {0}, 0, {0}},
        {plumb_as_strided(a, (int64_t[]){2, 2}, 2, (int64_t[]){1, 2}, 2, &one),
         2,
         {2, 2},
         4,
         {1, 3, 2, 4}},
        {part[0], 2, {2, 2}, 4, {0, 1, 3, 4}},
        {part[1], 2, {2, 1}, 2, {2, 5}},
        {plumb_flatten_using_ints(b, 1, -1), 2, {2, 12}, 0, {0}},
        {plumb_narrow(a, 1, -2, 2), 2, {2, 2}, 4, {1, 2, 4, 5}},
        {plumb_view(plumb_unsqueeze(plumb_t(a), 1), (int64_t[]){3, 2, 1}, 3),
         3,
         {3, 2, 1},
         6,
         {0, 3, 1, 4, 2, 5}},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].count || all[i].n == 1) check_shown(&all[i]);
        else assert_non_null(all[i].t);
    assert_null(plumb_view(plumb_t(a), (int64_t[]){6}, 1));
    assert_int_equal(plumb_close(), 0);
}

/* Gradients of views, by the sum of squares of what they show: 2 x times how often x is shown. */
static void check_slope(struct plumb_tensor *leaf, struct plumb_tensor *shown, const double *times)
{
    double x[6], g[6];
    if (!shown) print_error("%s\n", plumb_error());
    int rc = plumb_backward(plumb_sum(plumb_mul(shown, shown), 0));
    if (rc) print_error("%s\n", plumb_error());
    assert_int_equal(rc, 0);
    assert_int_equal(plumb_read(leaf, x, sizeof x), 0);
    assert_int_equal(plumb_read(plumb_grad(leaf), g, sizeof g), 0);
    for (int i = 0; i < 6; i++) assert_true(g[i] == 2 * x[i] * times[i]);
    plumb_zero_grad(leaf);
}

static void test_view_gradients(void **state)
{
    (void)state;
    const double v[] = {1, 2, 3, 4, 5, 6}, all[] = {1, 1, 1, 1, 1, 1};
    int64_t one = 1, three = 3;
    struct plumb_tensor *part[3];
    assert_non_null(plumb_open(NULL));
    struct plumb_tensor *a = plumb_parameter("a", plumb_tensor(PLUMB_F64, 2, (int64_t[]){2, 3}, v));
    check_slope(a, plumb_t(a), all);
    check_slope(a, plumb_view(a, (int64_t[]){6}, 1), all);
    check_slope(a, plumb_reshape(plumb_t(a), (int64_t[]){6}, 1), all);
    check_slope(a, plumb_permute(a, (int64_t[]){-1, 0}, 2), all);
    check_slope(a, plumb_unsqueeze(a, 1), all);
    check_slope(a, plumb_alias(a), all);
    check_slope(a, plumb_expand(a, (int64_t[]){4, 2, 3}, 3), (double[]){4, 4, 4, 4, 4, 4});
    check_slope(a, plumb_slice(a, 1, &one, &three, 1), (double[]){0, 1, 1, 0, 1, 1});
    check_slope(a, plumb_select_int(a, 1, -1), (double[]){0, 0, 1, 0, 0, 1});
    assert_int_equal(plumb_split(a, 2, 1, part, 3), 2);
    check_slope(a, part[1], (double[]){0, 0, 1, 0, 0, 1});
    assert_int_equal(plumb_unbind_int(a, 0, part, 3), 2);
    check_slope(a, part[1], (double[]){0, 0, 0, 1, 1, 1});
    assert_int_equal(plumb_close(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_view_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
