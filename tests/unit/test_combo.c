/* test_combo.c - which independent kernels become one launch: a test per rule. */
#include "tests/unit/combo.h"

#include <math.h>

/* Two kernels that are combined, or kept apart for that reason. */
static void pair(struct combo_kernel a, struct combo_kernel b, const struct combo_options *o,
                 enum combo_reason r)
{
    struct combo_kernel k[2] = {a, b};
    struct formed f;
    form(&f, k, 2, o);
    assert_int_equal(together(&f.c, 0, 1), r == COMBO_COMBINED);
    assert_true(said(&f.c, 0, 1, r));
    done(&f);
}
/* The first of three equal kernels is kept out; the other two are combined. */
static void kept_out(struct combo_kernel a, struct combo_kernel twin, const struct combo_options *o,
                     enum combo_reason r)
{
    struct combo_kernel k[3] = {a, twin, twin};
    struct formed f;
    form(&f, k, 3, o);
    assert_int_equal(group_of(&f.c, 0), -1);
    assert_true(said(&f.c, 0, -1, r));
    assert_true(together(&f.c, 1, 2));
    done(&f);
}

/* ---- rules ----------------------------------------------------------------------------------- */

static void test_independent_kernels_are_combined(void **state)
{
    (void)state;
    struct combo_options o = options();
    pair(pointwise(1000), pointwise(1000), &o, COMBO_COMBINED);
    pair(reduction(64, 512), reduction(32, 100), &o, COMBO_COMBINED);
    pair(plane(64, 16), plane(64, 48), &o, COMBO_COMBINED);
}

static void test_off(void **state)
{
    (void)state;
    struct combo_options o = options();
    o.off = true;
    struct combo_kernel k[2] = {pointwise(10), pointwise(10)};
    struct formed f;
    form(&f, k, 2, &o);
    assert_int_equal(f.c.group.n, 0);
    assert_true(said(&f.c, 0, -1, COMBO_OFF) && said(&f.c, 1, -1, COMBO_OFF));
    done(&f);
}

static void test_a_kernel_left_over_is_alone(void **state)
{
    (void)state;
    struct combo_options o = options();
    struct combo_kernel k = pointwise(10);
    struct formed f;
    form(&f, &k, 1, &o);
    assert_true(said(&f.c, 0, -1, COMBO_ALONE));
    done(&f);
}

static void test_levels_devices_streams(void **state)
{
    (void)state;
    struct combo_options o = options();
    struct combo_kernel a = pointwise(100), b = a;
    b.level = 1;
    pair(a, b, &o, COMBO_LEVEL);
    b = a, b.device = 1;
    pair(a, b, &o, COMBO_DEVICE);
    b = a, b.stream = 1;
    pair(a, b, &o, COMBO_DEVICE);
}

static void test_filters(void **state)
{
    (void)state;
    struct combo_options o = options();
    struct combo_kernel k = pointwise(100), a = k;
    a.is_extern = true;
    kept_out(a, k, &o, COMBO_EXTERN);
    a = k, a.is_nop = true;
    kept_out(a, k, &o, COMBO_NOP);
    a = k, a.x = 0;
    kept_out(a, k, &o, COMBO_NOP);
    a = k, a.scatters = true;
    kept_out(a, k, &o, COMBO_SCATTER);
    a = k, a.indirect = true;
    kept_out(a, k, &o, COMBO_INDIRECT);
    a = k, a.spills = 8;
    kept_out(a, k, &o, COMBO_SPILLS);
    a = k, a.own_ns = 50001;
    kept_out(a, k, &o, COMBO_RUNTIME);
    o.own_ns = 60000;
    pair(a, k, &o, COMBO_COMBINED);
    o.own_ns = 0, o.device.launch_ns = 2000;
    a.own_ns = 20001;
    kept_out(a, k, &o, COMBO_RUNTIME);
}

static void test_pointwise_only(void **state)
{
    (void)state;
    struct combo_options o = options();
    o.pointwise_only = true;
    kept_out(reduction(100, 10), pointwise(100), &o, COMBO_POINTWISE_ONLY);
}

static void test_three_dimensions_and_two_reduced_ones_alone(void **state)
{
    (void)state;
    struct combo_options o = options();
    struct combo_kernel a = plane(8, 8), b = reduction(8, 64);
    a.n_dims = 3;
    kept_out(a, plane(8, 8), &o, COMBO_TILES);
    b.reduced_dims = 2;
    kept_out(b, reduction(8, 64), &o, COMBO_TILES);
}

static void test_tiling_dimensions(void **state)
{
    (void)state;
    struct combo_options o = options();
    pair(pointwise(64), plane(64, 2), &o, COMBO_DIMS);
}

static void test_reductions_apart_from_pointwise(void **state)
{
    (void)state;
    struct combo_options o = options();
    pair(pointwise(64), reduction(64, 64), &o, COMBO_MIXED);
    o.mixed_pointwise_reduction = true;
    pair(pointwise(64), reduction(64, 64), &o, COMBO_COMBINED);
    pair(reduction(64, 64), pointwise(64), &o, COMBO_COMBINED);
    /* One class of reductions takes the pointwise kernel; the classes stay apart. */
    struct combo_kernel k[3] = {reduction(64, 64), pointwise(64), reduction(64, 2000)};
    struct formed f;
    form(&f, k, 3, &o);
    assert_false(together(&f.c, 0, 2));
    assert_int_equal(f.c.group.n, 1);
    assert_true(group_of(&f.c, 1) >= 0);
    assert_true(said(&f.c, 0, 2, COMBO_PERSISTENT));
    done(&f);
}

static void test_long_reductions_apart(void **state)
{
    (void)state;
    struct combo_options o = options();
    pair(reduction(8, 2048), reduction(8, 2049), &o, COMBO_LONG);
    pair(reduction(8, 3000), reduction(8, 2049), &o, COMBO_COMBINED);
}

static void test_large_pointwise_alone(void **state)
{
    (void)state;
    struct combo_options o = options();
    struct combo_kernel k = pointwise(51200000);
    kept_out(pointwise(51200001), k, &o, COMBO_LARGE);
    pair(plane(51200001, 1), plane(51200001, 1), &o, COMBO_COMBINED);
}

static void test_persistent_apart(void **state)
{
    (void)state;
    struct combo_options o = options();
    pair(reduction(8, 1024), reduction(8, 1025), &o, COMBO_PERSISTENT);
}

static void test_inner_and_outer_apart(void **state)
{
    (void)state;
    struct combo_options o = options();
    struct combo_kernel b = reduction(8, 64);
    b.inner = false;
    pair(reduction(8, 64), b, &o, COMBO_HINT);
}

static void test_ratio(void **state)
{
    (void)state;
    struct combo_options o = options();
    pair(pointwise(80), pointwise(10), &o, COMBO_COMBINED);
    pair(pointwise(81), pointwise(10), &o, COMBO_RATIO);
    o.ratio = 100;
    pair(pointwise(1000), pointwise(10), &o, COMBO_COMBINED);
    /* The range is that of the whole group, not of neighbours. */
    o.ratio = 8;
    struct combo_kernel k[3] = {pointwise(1), pointwise(8), pointwise(64)};
    struct formed f;
    form(&f, k, 3, &o);
    assert_true(together(&f.c, 1, 2) && !together(&f.c, 0, 1));
    done(&f);
}

static void test_arguments(void **state)
{
    (void)state;
    struct combo_options o = options();
    struct combo_kernel a = pointwise(10);
    a.n_args = 125;
    pair(a, a, &o, COMBO_COMBINED);
    a.n_args = 126;
    pair(a, a, &o, COMBO_ARGS);
    o.max_args = 252;
    pair(a, a, &o, COMBO_COMBINED);
}

static void test_members(void **state)
{
    (void)state;
    struct combo_options o = options();
    struct combo_kernel k[20];
    for (int i = 0; i < 20; i++) k[i] = pointwise(100);
    struct formed f;
    form(&f, k, 20, &o);
    assert_int_equal(f.c.group.n, 3);
    assert_int_equal(f.c.group.p[0].n_members, 8);
    assert_int_equal(f.c.group.p[2].n_members, 4);
    assert_true(said(&f.c, 0, 8, COMBO_MEMBERS));
    done(&f);
    o.max_members = 32;
    form(&f, k, 20, &o);
    assert_int_equal(f.c.group.n, 1);
    done(&f);
}

static void test_mixed_sizes(void **state)
{
    (void)state;
    struct combo_options o = options();
    for (int list = 0; list < 2; list++)
        for (o.mixed_sizes = -1; o.mixed_sizes <= 2; o.mixed_sizes++) {
            struct combo_kernel a = plane(64, 16), b = plane(64, 17);
            a.is_foreach = b.is_foreach = list;
            int level = o.mixed_sizes < 0 ? 1 : o.mixed_sizes;
            pair(a, b, &o, level > list ? COMBO_COMBINED : COMBO_SIZES);
            b.y = 16, b.x = 65;
            pair(a, b, &o, COMBO_COMBINED);
        }
}

static void test_lists(void **state)
{
    (void)state;
    struct combo_options o = options();
    struct combo_kernel k[100], one = pointwise(64);
    for (int i = 0; i < 100; i++) {
        k[i] = pointwise(1 + 977 * i % 5000); /* any ratio */
        k[i].is_foreach = true;
    }
    struct formed f;
    form(&f, k, 100, &o);
    assert_int_equal(f.c.group.n, 2); /* 300 arguments */
    assert_int_equal(f.c.group.p[0].n_members, 83);
    assert_int_equal(f.c.group.p[0].n_args, 249);
    done(&f);
    k[0] = one, k[0].is_foreach = true;
    pair(one, k[0], &o, COMBO_LIST);
    k[0].dynamic = true;
    pair(k[0], k[0], &o, COMBO_COMBINED);
    o.static_lists = true;
    form(&f, k, 1, &o);
    assert_true(said(&f.c, 0, -1, COMBO_DYNAMIC));
    done(&f);
}

static void test_occupancy(void **state)
{
    (void)state;
    struct combo_device d = {
        .registers = 65536, .shared_bytes = 102400, .threads = 2048, .blocks = 32};
    assert_int_equal(combo_occupancy(&d, 32, 0, 256), 8);
    assert_int_equal(combo_occupancy(&d, 64, 0, 256), 4);
    assert_int_equal(combo_occupancy(&d, 65, 0, 256), 3); /* as 72 */
    assert_int_equal(combo_occupancy(&d, 32, 51200, 256), 2);
    assert_int_equal(combo_occupancy(&d, 16, 0, 32), 32);
    assert_int_equal(combo_occupancy(&(struct combo_device){0}, 32, 0, 256), 0);
    /* Many registers in few threads beside few in many: each fits twice and more, both do once. */
    struct combo_options o = options();
    o.device = d;
    struct combo_kernel a = pointwise(4096), b = a;
    a.registers = 64, a.threads = 128;
    b.registers = 32, b.threads = 1024;
    pair(a, b, &o, COMBO_OCCUPANCY);
    b.threads = 128;
    pair(a, b, &o, COMBO_COMBINED);
    o.device = (struct combo_device){0};
    b.threads = 1024;
    pair(a, b, &o, COMBO_COMBINED);
}

static void test_occupancy_leaves_a_group_open(void **state)
{
    (void)state;
    struct combo_options o = options();
    o.device = (struct combo_device){.registers = 65536, .threads = 2048, .blocks = 32};
    struct combo_kernel k[6];
    for (int i = 0; i < 6; i++) {
        k[i] = pointwise(4096);
        k[i].registers = i % 2 ? 64 : 32;
        k[i].threads = i % 2 ? 128 : 1024;
    }
    struct formed f;
    form(&f, k, 6, &o);
    assert_int_equal(f.c.group.n, 2);
    assert_true(together(&f.c, 0, 2) && together(&f.c, 2, 4) && together(&f.c, 1, 5));
    done(&f);
}

/* ---- measuring ------------------------------------------------------------------------------- */

struct clock {
    double alone, together;
};
static double fake_time(void *context, const int *kernel, int n)
{
    (void)kernel;
    const struct clock *c = context;
    return n == 1 ? c->alone : c->together;
}

static void test_measured_gate(void **state)
{
    (void)state;
    static const struct {
        double alone, together;
        enum combo_reason reason;
    } cases[] = {
        {400000, 700000, COMBO_COMBINED},                                  /* faster */
        {400000, 900000, COMBO_SLOWER},    {400000, 800000, COMBO_SLOWER}, /* as fast is no gain */
        {140000, 299999, COMBO_COMBINED},  /* under 0.3 ms is not told from noise */
        {149999, 500000, COMBO_COMBINED},  /* the sum is */
        {400000, INFINITY, COMBO_SPILLS},  /* together they spill */
        {INFINITY, 900000, COMBO_COMBINED} /* alone one does */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct clock clock = {cases[i].alone, cases[i].together};
        struct combo_options o = options();
        o.measure = true, o.clock = (struct combo_clock){fake_time, &clock};
        pair(pointwise(100), pointwise(100), &o, cases[i].reason);
    }
}

static void test_measuring_is_refused_where_bits_are_promised(void **state)
{
    (void)state;
    struct clock clock = {1, 1};
    struct combo_options o = options();
    o.measure = o.deterministic = true, o.clock = (struct combo_clock){fake_time, &clock};
    struct combo_kernel k[2] = {pointwise(1), pointwise(1)};
    struct arena arena = {0};
    struct combined c;
    assert_int_equal(combo_form(k, 2, &o, &arena, &c), ERR_REFUSED);
    assert_non_null(strstr(err_text(), "determinism"));
    combo_release(&c);
    arena_release(&arena);
}

/* ---- shared data and bodies ------------------------------------------------------------------ */

static void test_kernels_that_share_arrays_stand_together(void **state)
{
    (void)state;
    static const int array[4][2] = {{1, 2}, {3, 4}, {5, 6}, {7, 8}};
    struct combo_options o = options();
    o.max_members = 4;
    struct combo_kernel k[16];
    for (int i = 0; i < 16; i++) {
        k[i] = pointwise(100);
        k[i].reads = array[i % 4];
        k[i].n_reads = 2;
    }
    struct formed f;
    form(&f, k, 16, &o);
    assert_int_equal(f.c.group.n, 4);
    for (int i = 4; i < 16; i++) assert_true(together(&f.c, i, i % 4));
    for (size_t i = 0; i < f.c.decision.n; i++)
        if (f.c.decision.p[i].combined) assert_true(f.c.decision.p[i].score == 1);
    done(&f);
}

static void test_sharing_through_a_third(void **state)
{
    (void)state;
    static const int array[] = {1, 2, 3};
    struct combo_options o = options();
    o.max_members = 3;
    struct combo_kernel k[6];
    for (int i = 0; i < 6; i++) k[i] = pointwise(100);
    k[0].reads = &array[0], k[0].n_reads = 1;
    k[3].reads = &array[0], k[3].n_reads = 2;
    k[5].reads = &array[1], k[5].n_reads = 2;
    struct formed f;
    form(&f, k, 6, &o);
    assert_true(together(&f.c, 0, 3) && together(&f.c, 0, 5));
    assert_true(together(&f.c, 1, 2) && together(&f.c, 1, 4));
    done(&f);
}

static void test_equal_bodies_share_a_path(void **state)
{
    (void)state;
    struct combo_options o = options();
    struct combo_kernel k[5];
    for (int i = 0; i < 5; i++) k[i] = pointwise(100), k[i].body = i < 4 ? 7 + i % 2 : 0;
    struct formed f;
    form(&f, k, 5, &o);
    const struct combo_group *g = &f.c.group.p[0];
    assert_int_equal(g->n_paths, 3);
    assert_int_equal(g->member[0].path, g->member[2].path);
    assert_int_equal(g->member[1].path, g->member[3].path);
    assert_int_equal(g->member[4].path, 2);
    k[3].body = 0;
    done(&f);
    form(&f, k, 5, &o);
    assert_int_equal(f.c.group.p[0].n_paths, 4); /* unknown ones share with none */
    done(&f);
}

static void test_every_reason_has_words(void **state)
{
    (void)state;
    for (int r = 0; r < COMBO_N_REASONS; r++) {
        assert_true(strlen(combo_reason_word(r)) > 1);
        assert_true(strlen(combo_reason_text(r)) > 5);
        for (int s = 0; s < r; s++)
            assert_string_not_equal(combo_reason_word(r), combo_reason_word(s));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_independent_kernels_are_combined),
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_a_kernel_left_over_is_alone),
        cmocka_unit_test(test_levels_devices_streams),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_pointwise_only),
        cmocka_unit_test(test_three_dimensions_and_two_reduced_ones_alone),
        cmocka_unit_test(test_tiling_dimensions),
        cmocka_unit_test(test_reductions_apart_from_pointwise),
        cmocka_unit_test(test_long_reductions_apart),
        cmocka_unit_test(test_large_pointwise_alone),
        cmocka_unit_test(test_persistent_apart),
        cmocka_unit_test(test_inner_and_outer_apart),
        cmocka_unit_test(test_ratio),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_mixed_sizes),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_occupancy),
        cmocka_unit_test(test_occupancy_leaves_a_group_open),
        cmocka_unit_test(test_measured_gate),
        cmocka_unit_test(test_measuring_is_refused_where_bits_are_promised),
        cmocka_unit_test(test_kernels_that_share_arrays_stand_together),
        cmocka_unit_test(test_sharing_through_a_third),
        cmocka_unit_test(test_equal_bodies_share_a_path),
        cmocka_unit_test(test_every_reason_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
