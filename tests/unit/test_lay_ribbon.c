/* test_lay_ribbon.c - ribbons: equal neighbours are one, a single cause is seen and lies on top. */
#include "tests/unit/unit.h"

#include <string.h>

#include "web/lay_ribbon.h"

static void neighbours_are_one(void **state)
{
    (void)state;
    const uint8_t worst[] = {0, 4, 4, 0, 7, 4};
    struct ribbon_rect r[6];
    assert_int_equal(lay_minimap(worst, 6, 60, 5, r), 3);
    assert_true(r[0].x == 10 && r[0].width == 20 && r[0].verdict == 4);
    assert_true(r[1].x == 50 && r[1].width == 10 && r[1].verdict == 4);
    assert_true(r[2].x == 40 && r[2].width == 10 && r[2].verdict == 7); /* drawn last */
}

static void a_cause_is_never_too_small(void **state)
{
    (void)state;
    enum { N = 5000 };
    static uint8_t worst[N];
    static struct ribbon_rect r[N];
    memset(worst, 4, sizeof worst);
    worst[0] = 8, worst[2500] = 7, worst[N - 1] = 5;
    int n = lay_minimap(worst, N, 1000, 5, r);
    assert_int_equal(n, 5);
    for (int i = 0; i < n; i++) {
        assert_true(r[i].x >= 0 && r[i].x + r[i].width <= 1000);
        assert_true((r[i].verdict >= 5) == (i >= 2));
        if (r[i].verdict >= 5) assert_true(r[i].width >= RIBBON_LEAST);
    }
}

static void nothing_differs(void **state)
{
    (void)state;
    const uint8_t worst[3] = {0};
    struct ribbon_rect r[3];
    assert_int_equal(lay_minimap(worst, 3, 100, 5, r), 0);
    assert_int_equal(lay_minimap(worst, 0, 100, 5, r), 0);
}

static void stretches_cover_all(void **state)
{
    (void)state;
    const uint64_t key[] = {1, 1, 2, 1};
    struct ribbon_span s[4];
    assert_int_equal(lay_stretches(key, 4, 80, s), 3);
    assert_true(s[0].x == 0 && s[0].width == 40 && s[1].from == 2 && s[1].to == 3);
    assert_true(s[2].x == 60 && s[2].width == 20);
}

static void taller_is_worse(void **state)
{
    (void)state;
    struct ribbon_bar last = lay_bar(0, 80, 1208, 100, 1);
    for (int level = 2; level <= 4; level++) {
        struct ribbon_bar b = lay_bar(level, 80, 1208, 100, level);
        assert_true(b.height > last.height && b.x > last.x && b.y + b.height == 100);
        last = b;
    }
    struct ribbon_bar end = lay_bar(999, 1000, 1208, 100, 4);
    assert_true(end.width > 0 && end.x + end.width <= 1208.001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_are_one), cmocka_unit_test(a_cause_is_never_too_small),
        cmocka_unit_test(nothing_differs),    cmocka_unit_test(stretches_cover_all),
        cmocka_unit_test(taller_is_worse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
