/* test_timeline_lane.c - lanes: what goes in comes out, sums and marks against plain loops. */
#include "unit.h"

#include "web/timeline_lane.h"

enum { N = 3000 };

static uint32_t state = 1;
static uint32_t next_random(void)
{
    state = state * 1664525 + 1013904223;
    return state >> 8;
}

static void fill(struct timeline_lane *l, struct lane_row *rows, int n)
{
    int64_t ts = 1700000000000000000;
    for (int i = 0; i < n; i++) {
        int64_t dur = next_random() % 10 ? next_random() % 900 : 5000000000 + next_random();
        ts += next_random() % 500;
        rows[i] = (struct lane_row){.ts = ts,
                                    .dur = dur,
                                    .id = (uint32_t)i + 7,
                                    .name = (uint16_t)(next_random() % 5),
                                    .flags = next_random() % 100 ? 0 : LANE_ERROR};
        assert_int_equal(lane_push(l, &rows[i]), ERR_OK);
        ts += dur;
    }
    assert_int_equal(lane_build(l), ERR_OK);
}

static void test_rows_come_back(void **s)
{
    (void)s;
    static struct lane_row rows[N];
    struct timeline_lane l = {0};
    fill(&l, rows, N);
    assert_int_equal(sizeof(struct lane_event), 16);
    for (int i = 0; i < N; i++) {
        struct lane_row r = lane_row_at(&l, (size_t)i);
        assert_int_equal(r.ts, rows[i].ts);
        assert_int_equal(r.dur, rows[i].dur);
        assert_int_equal(r.id, rows[i].id);
        assert_int_equal(r.name, rows[i].name);
        assert_int_equal(r.flags, rows[i].flags);
    }
    lane_release(&l);
}

static void test_sums_equal_a_loop(void **s)
{
    (void)s;
    static struct lane_row rows[N];
    struct timeline_lane l = {0};
    fill(&l, rows, N);
    for (int k = 0; k < 400; k++) {
        size_t from = next_random() % N, end = from + next_random() % (N + 1 - from);
        struct lane_sum sum = lane_sum(&l, from, end);
        double busy = 0;
        int64_t longest = -1;
        unsigned flags = 0;
        for (size_t i = from; i < end; i++) {
            busy += (double)rows[i].dur;
            flags |= rows[i].flags;
            if (rows[i].dur > longest) longest = rows[i].dur;
        }
        assert_true(sum.busy == busy);
        assert_int_equal(sum.flags, flags);
        if (from < end) assert_true((double)rows[sum.longest].dur > 0.999999 * (double)longest - 1);
        else assert_true(sum.longest == SIZE_MAX);
    }
    lane_release(&l);
}

static void test_a_majority_is_the_dominant_name(void **s)
{
    (void)s;
    struct timeline_lane l = {0};
    for (int i = 0; i < 1000; i++) {
        struct lane_row r = {
            .ts = i * 100, .dur = i % 3 ? 60 : 50, .name = i % 3 ? 2 : (uint16_t)(10 + i % 7)};
        assert_int_equal(lane_push(&l, &r), ERR_OK);
    }
    assert_int_equal(lane_build(&l), ERR_OK);
    for (size_t from = 0; from < 900; from += 13)
        assert_int_equal(lane_sum(&l, from, from + 90).name, 2);
    lane_release(&l);
}

static void test_places(void **s)
{
    (void)s;
    struct timeline_lane l = {0};
    for (int i = 0; i < 40; i++) {
        struct lane_row r = {.ts = 100 * i, .dur = 50};
        assert_int_equal(lane_push(&l, &r), ERR_OK);
    }
    assert_int_equal(lane_lower(&l, 0), 0);
    assert_int_equal(lane_lower(&l, 101), 2);
    assert_int_equal(lane_lower(&l, 99999), 40);
    assert_int_equal(lane_first_seen(&l, 149), 1);
    assert_int_equal(lane_first_seen(&l, 150), 2);
    lane_release(&l);
}

static void test_times_too_far_apart_are_refused(void **s)
{
    (void)s;
    struct timeline_lane l = {0};
    struct lane_row near = {.ts = 1700000000000000000},
                    far = {.ts = 1700000000000000000 + ((int64_t)1 << 47)},
                    lowest = {.ts = INT64_MIN}, before = {.ts = near.ts - ((int64_t)1 << 47)};
    assert_int_equal(lane_push(&l, &near), ERR_OK);
    assert_int_equal(lane_push(&l, &far), ERR_LIMIT);
    assert_int_equal(lane_push(&l, &lowest), ERR_LIMIT);
    assert_int_equal(lane_push(&l, &before), ERR_OK);
    assert_int_equal(lane_row_at(&l, 1).ts, before.ts);
    lane_release(&l);
    assert_int_equal(lane_push(&l, &lowest), ERR_OK); /* alone it is where it says */
    assert_true(lane_row_at(&l, 0).ts == INT64_MIN);
    lane_release(&l);
    err_clear();
}

/* Every event is in one mark; one that is a cell long or alone in its cell is a mark of its own. */
static void check_marks(const struct timeline_lane *l, const struct lane_row *rows, int64_t t0,
                        int64_t cell, int64_t n_cells)
{
    static struct lane_mark mark[2 * N];
    int64_t end;
    size_t n = lane_marks(l, t0, cell, n_cells, mark, 2 * N, &end), at = lane_lower(l, t0);
    assert_int_equal(end, t0 + cell * n_cells);
    for (size_t i = 0; i < n; i++) {
        if (mark[i].ts < t0) { /* runs into the window */
            assert_int_equal(i, 0);
            assert_int_equal(mark[i].id, rows[at - 1].id);
            continue;
        }
        assert_int_equal(mark[i].ts, rows[at].ts);
        int64_t place = (rows[at].ts - t0) / cell;
        for (uint32_t k = 0; k < mark[i].count; k++, at++) {
            assert_true(rows[at].ts < end && (rows[at].ts - t0) / cell == place);
            if (mark[i].count > 1) assert_true(rows[at].dur < cell);
        }
        if (mark[i].count == 1) assert_int_equal(mark[i].dur, rows[at - 1].dur);
    }
    assert_int_equal(at, lane_lower(l, end));
}

static void test_marks(void **s)
{
    (void)s;
    static struct lane_row rows[N];
    struct timeline_lane l = {0};
    fill(&l, rows, N);
    int64_t t0 = rows[0].ts, length = rows[N - 1].ts - t0;
    for (int64_t cell = 1; cell < length; cell *= 4) {
        int64_t from = t0 + (int64_t)((double)length * (next_random() % 100) / 100);
        check_marks(&l, rows, from, cell, 512);
        check_marks(&l, rows, t0 - 1000, cell, length / cell < 3000 ? length / cell + 2 : 3000);
    }
    lane_release(&l);
}

static void test_a_single_flag_is_seen_at_every_zoom(void **s)
{
    (void)s;
    struct timeline_lane l = {0};
    for (int i = 0; i < N; i++) {
        struct lane_row r = {.ts = i * 10, .dur = 5, .flags = i == 1234 ? LANE_NONFINITE : 0};
        assert_int_equal(lane_push(&l, &r), ERR_OK);
    }
    assert_int_equal(lane_build(&l), ERR_OK);
    for (int64_t cell = 1; cell < 10 * N; cell *= 4) {
        static struct lane_mark mark[2 * N];
        int64_t end;
        unsigned seen = 0;
        size_t n = lane_marks(&l, 0, cell, 10 * N / cell + 1, mark, 2 * N, &end);
        for (size_t i = 0; i < n; i++) seen |= mark[i].flags;
        assert_int_equal(seen, LANE_NONFINITE);
    }
    lane_release(&l);
}

static void test_nesting(void **s)
{
    (void)s;
    struct lane_nest nest = {0};
    bool overlaps;
    assert_int_equal(lane_nest_place(&nest, 0, 100, &overlaps), 0);
    assert_int_equal(lane_nest_place(&nest, 0, 40, &overlaps), 1);
    assert_int_equal(lane_nest_place(&nest, 10, 5, &overlaps), 2);
    assert_int_equal(lane_nest_place(&nest, 40, 10, &overlaps), 1);
    assert_int_equal(lane_nest_place(&nest, 90, 30, &overlaps), 1); /* outlasts what it began in */
    assert_int_equal(lane_nest_place(&nest, 110, 5, &overlaps), 2);
    assert_int_equal(lane_nest_place(&nest, 120, 0, &overlaps), 0);
    for (int i = 0; i < LANE_DEPTHS; i++) {
        assert_int_equal(lane_nest_place(&nest, 200 + i, 1000, &overlaps), i);
        assert_false(overlaps);
    }
    assert_int_equal(lane_nest_place(&nest, 300, INT64_MAX, &overlaps), LANE_DEPTHS - 1);
    assert_true(overlaps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_come_back),
        cmocka_unit_test(test_sums_equal_a_loop),
        cmocka_unit_test(test_a_majority_is_the_dominant_name),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_times_too_far_apart_are_refused),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_a_single_flag_is_seen_at_every_zoom),
        cmocka_unit_test(test_nesting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
