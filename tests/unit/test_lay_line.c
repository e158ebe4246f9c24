/* test_lay_line.c - lines of values: points stay inside, peaks are kept, gaps break the line. */
#include "tests/unit/unit.h"

#include <float.h>
#include <math.h>

#include "web/lay_line.h"

static const struct line_box BOX = {.x = 10, .y = 5, .width = 100, .height = 50, .n_columns = 11};

static void peaks_and_gaps(void **state)
{
    (void)state;
    const struct line_bucket b[] = {{0, 1, 1}, {1, 0, 4}, {2, NAN, NAN}, {10, 3, 3}};
    struct line_box box = BOX;
    struct line_point p[8];
    lay_line_range(b, 4, &box);
    assert_true(box.low == 0 && box.high == 4);
    assert_int_equal(lay_line(b, 4, &box, p), 4);
    assert_true(p[0].x == 10 && p[0].y == 5 + 50 * 0.75 && p[0].begins);
    assert_true(p[1].x == 20 && p[1].y == 55 && !p[1].begins); /* the low is nearer to 1 */
    assert_true(p[2].x == 20 && p[2].y == 5);
    assert_true(p[3].x == 110 && p[3].begins);
}

static void odd_ranges(void **state)
{
    (void)state;
    const struct line_bucket flat[] = {{0, 2, 2}, {1, 2, 2}}, none[] = {{0, NAN, NAN}},
                             wide[] = {
                                 {0, -DBL_MAX, -DBL_MAX}, {1, DBL_MAX, INFINITY}, {2, 0, DBL_MAX}};
    struct line_box box = BOX;
    struct line_point p[8];
    lay_line_range(flat, 2, &box);
    assert_int_equal(lay_line(flat, 2, &box, p), 2);
    assert_true(p[0].y == 30 && p[1].y == 30);
    lay_line_range(none, 1, &box);
    assert_true(box.low == 0 && box.high == 1);
    assert_int_equal(lay_line(none, 1, &box, p), 0);
    lay_line_range(wide, 3, &box);
    int n = lay_line(wide, 3, &box, p);
    assert_int_equal(n, 3);
    for (int i = 0; i < n; i++) assert_true(p[i].y >= 5 && p[i].y <= 55);
    box.n_columns = 1;
    assert_int_equal(lay_line(flat, 1, &box, p), 1);
    assert_true(p[0].x == 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(peaks_and_gaps),
                                       cmocka_unit_test(odd_ranges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
