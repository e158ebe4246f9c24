/* test_lay_span.c - axes, lanes and the phases of a compile: boxes stay inside, sums add up. */
#include "tests/unit/unit.h"

#include "web/lay_phase.h"
#include "web/lay_span.h"

static struct arena arena;

static void axis_has_round_steps(void **state)
{
    (void)state;
    static const struct {
        int64_t length, step;
    } cases[] = {{1070000000, 100000000},
                 {6650000000, 1000000000},
                 {100, 10},
                 {1, 1},
                 {11, 1},
                 {12, 2},
                 {0, 1},
                 {130, 20}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span_axis a = lay_axis(1000, 1000 + cases[i].length, 10, 100, 12);
        assert_int_equal(a.step, cases[i].step);
        assert_true(a.n_ticks >= 1 && a.n_ticks <= 12);
    }
    struct span_axis all = lay_axis(INT64_MIN, INT64_MAX, 0, 100, 12);
    assert_true(all.n_ticks <= 12 && all.step > 0);
    assert_true(lay_axis_x(&all, 0) > 49 && lay_axis_x(&all, 0) < 51);
    struct span_axis a = lay_axis(0, 10, 5, 100, 12);
    assert_true(lay_axis_x(&a, -5) == 5 && lay_axis_x(&a, 15) == 105);
}

static void overlapping_spans_take_lanes(void **state)
{
    (void)state;
    static const struct span_item items[] = {
        {0, 0, 100}, {0, 50, 100}, {1, 60, 10}, {0, 120, 10}, {0, 160, 5}};
    struct span_axis a = lay_axis(0, 200, 0, 200, 10);
    struct span_box *boxes;
    int *first;
    assert_int_equal(lay_lanes(&a, items, 5, 2, 2, &arena, &boxes, &first), ERR_OK);
    assert_int_equal(first[1], 2);
    assert_int_equal(first[2], 3);
    assert_int_equal(boxes[0].lane, 0);
    assert_int_equal(boxes[1].lane, 1);
    assert_int_equal(boxes[2].lane, 2);
    assert_int_equal(boxes[3].lane, 0);
    assert_int_equal(boxes[4].lane, 0);
    assert_true(boxes[0].x == 0 && boxes[0].width == 100);
}

static void labels_fit_or_are_left_out(void **state)
{
    (void)state;
    assert_int_equal(lay_fit(200, 10), 10);
    assert_int_equal(lay_fit(10, 10), 0);
    assert_true(lay_fit(60, 30) < 30);
}

/* dynamo (100) > entire_frame (98, same kind: folded) > backend (60), other (20) */
static const struct phase_span spans[] = {
    {1, 0, 0, 100, 1, 0}, {2, 1, 1, 98, 1, 0},  {3, 2, 2, 60, 1, 1},
    {4, 3, 3, 30, 1, -1}, {5, 2, 70, 20, 1, 2}, {6, 0, 10, 5, 9, -1},
};

static void folds_chains_and_keeps_sums(void **state)
{
    (void)state;
    struct phase_layout l;
    assert_int_equal(lay_phases(spans, 6, 4, 0, 1000, &arena, &l), ERR_OK);
    assert_int_equal(l.boxes[0].row, 0);
    assert_int_equal(l.boxes[1].host, 0);
    assert_int_equal(l.boxes[2].row, 1);
    assert_int_equal(l.boxes[3].row, 2);
    assert_int_equal(l.boxes[3].kind, 1); /* of its parent */
    assert_int_equal(l.boxes[4].row, 1);
    assert_int_equal(l.boxes[5].row, 3);  /* another track stands below */
    assert_int_equal(l.boxes[5].kind, 3); /* of none */
    assert_int_equal(l.n_rows, 4);
    int64_t sum = 0;
    for (int i = 0; i < 6; i++) sum += l.boxes[i].self;
    assert_int_equal(sum, 105);
    assert_true(l.boxes[4].x > 699 && l.boxes[4].x < 701);
}

static void survives_damage(void **state)
{
    (void)state;
    static const struct phase_span bad[] = {
        {1, 1, 0, -1, 1, 0},         {2, 3, 5, -1, 1, 9},
        {3, 2, 6, INT64_MAX, 1, -1}, {4, 99, INT64_MAX, INT64_MAX, 1, 0},
        {1, 1, INT64_MAX, 1, 2, 0},
    };
    struct phase_layout l;
    assert_int_equal(lay_phases(bad, 5, 4, 0, 1000, &arena, &l), ERR_OK);
    for (int i = 0; i < 5; i++) {
        assert_true(l.boxes[i].self >= 0 && l.boxes[i].dur >= 0);
        assert_true(l.boxes[i].x >= 0 && l.boxes[i].x + l.boxes[i].width <= 1001);
        assert_true(l.boxes[i].kind >= 0 && l.boxes[i].kind < 4);
    }
    assert_int_equal(lay_phases(NULL, 0, 4, 0, 1000, &arena, &l), ERR_OK);
    assert_int_equal(l.n_rows, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axis_has_round_steps),
        cmocka_unit_test(overlapping_spans_take_lanes),
        cmocka_unit_test(labels_fit_or_are_left_out),
        cmocka_unit_test(folds_chains_and_keeps_sums),
        cmocka_unit_test(survives_damage),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_release(&arena);
    return failed;
}
