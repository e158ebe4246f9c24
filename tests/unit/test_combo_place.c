/* test_combo_place.c - how the blocks of a combined kernel are cut and handed out. */
#include "tests/unit/combo.h"

static void test_sequential_ranges_largest_first(void **state)
{
    (void)state;
    struct combo_options o = options();
    struct combo_kernel k[4] = {pointwise(2000), pointwise(9000), pointwise(2000), pointwise(4000)};
    struct formed f;
    form(&f, k, 4, &o);
    const struct combo_group *g = &f.c.group.p[0];
    static const int order[] = {1, 3, 0, 2}; /* equal ones as they came */
    static const int64_t first[] = {0, 9, 13, 15};
    assert_int_equal(g->dispatch, COMBO_SEQUENTIAL);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(g->member[i].kernel, order[i]);
        assert_int_equal(g->member[i].first, first[i]);
    }
    assert_int_equal(g->blocks, 17);
    assert_int_equal(g->block.x, 1024);
    assert_int_equal(g->threads, 256);
    done(&f);
}

static void test_round_robin(void **state)
{
    (void)state;
    struct combo_options o = options();
    struct combo_kernel k[3] = {pointwise(10240), pointwise(10240), pointwise(4100)};
    struct formed f;
    form(&f, k, 3, &o); /* 25 of 30 blocks are needed */
    assert_int_equal(f.c.group.p[0].dispatch, COMBO_ROUND_ROBIN);
    assert_int_equal(f.c.group.p[0].blocks, 30);
    assert_int_equal(f.c.group.p[0].member[2].blocks, 5);
    done(&f);
    k[2].x = 4096; /* 24 of 30 are 0.8, not above it */
    form(&f, k, 3, &o);
    assert_int_equal(f.c.group.p[0].dispatch, COMBO_SEQUENTIAL);
    done(&f);
    k[2].x = 10240, k[2].dynamic = true;
    form(&f, k, 3, &o);
    assert_int_equal(f.c.group.p[0].dispatch, COMBO_SEQUENTIAL);
    done(&f);
    k[2].dynamic = false, o.mixed_sizes = 0;
    form(&f, k, 3, &o);
    assert_int_equal(f.c.group.p[0].dispatch, COMBO_SEQUENTIAL);
    done(&f);
}

static void test_two_dimensions(void **state)
{
    (void)state;
    struct combo_options o = options();
    struct combo_kernel k[2] = {plane(64, 100), plane(200, 40)};
    struct formed f;
    form(&f, k, 2, &o);
    const struct combo_group *g = &f.c.group.p[0];
    assert_int_equal(g->dispatch, COMBO_SEQUENTIAL);
    assert_int_equal(g->member[0].kernel, 1); /* 8000 points before 6400 */
    assert_int_equal(g->member[0].blocks, 7);
    assert_int_equal(g->member[1].blocks, 2);
    assert_int_equal(g->y_blocks, 4);
    done(&f);
    o.per_member_blocks = true;
    form(&f, k, 2, &o);
    g = &f.c.group.p[0];
    assert_int_equal(g->dispatch, COMBO_FLAT);
    assert_int_equal(g->member[0].x_blocks, 7);
    assert_int_equal(g->member[0].blocks, 14);
    assert_int_equal(g->member[1].first, 14);
    assert_int_equal(g->blocks, 14 + 2 * 4);
    assert_int_equal(g->y_blocks, 1);
    done(&f);
}

static void test_a_block_per_row_without_x_dimension(void **state)
{
    (void)state;
    struct combo_options o = options();
    struct combo_kernel k[2] = {reduction(100, 1000), reduction(60, 300)};
    struct formed f;
    form(&f, k, 2, &o);
    const struct combo_group *g = &f.c.group.p[0];
    assert_int_equal(g->member[0].blocks, 100);
    assert_int_equal(g->member[1].blocks, 60);
    assert_int_equal(g->block.row, 1024);
    assert_int_equal(g->member[1].block.row, 512);
    done(&f);
}

static struct combo_block block_of(struct combo_kernel *k, int n, struct combo_options *o)
{
    struct formed f;
    form(&f, k, n, o);
    assert_int_equal(f.c.group.n, 1);
    struct combo_block b = f.c.group.p[0].block;
    done(&f);
    return b;
}

static void test_common_block(void **state)
{
    (void)state;
    struct combo_options o = options();
    o.mixed_pointwise_reduction = true;
    struct combo_kernel k[6] = {pointwise(700), pointwise(300)};
    assert_int_equal(block_of(k, 2, &o).x, 1024);
    k[0].x = 400;
    assert_int_equal(block_of(k, 2, &o).x, 512);
    for (int i = 0; i < 4; i++) k[1 + i] = reduction(300, 20);
    assert_int_equal(block_of(k, 4, &o).x, 512);
    assert_int_equal(block_of(k, 5, &o).x, 128); /* four persistent reductions */
    struct combo_kernel looped[3] = {reduction(500, 1500), reduction(100, 1200), pointwise(500)};
    assert_int_equal(block_of(looped, 3, &o).row, 256);
    looped[0].inner = looped[1].inner = false;
    assert_int_equal(block_of(looped, 3, &o).x, 32);
    struct combo_kernel rows[2] = {reduction(300, 20), reduction(200, 100)};
    assert_int_equal(block_of(rows, 2, &o).row, 128); /* the longest row */
    assert_int_equal(block_of(rows, 2, &o).x, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequential_ranges_largest_first),
        cmocka_unit_test(test_round_robin),
        cmocka_unit_test(test_two_dimensions),
        cmocka_unit_test(test_a_block_per_row_without_x_dimension),
        cmocka_unit_test(test_common_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
