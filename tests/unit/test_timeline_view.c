/* test_timeline_view.c - addresses as views, sums of areas, tiles and rows of a made timeline. */
#include "unit.h"

#include <math.h>

#include "store/row.h"
#include "web/lay_timeline.h"
#include "web/timeline_area.h"
#include "web/timeline_pack.h"

/*            0         100       200       300       400
 * p1.t5   0  [step      150][step          ]            dur 150 from 0, 150 from 150
 *         1  [mm 40]  [mm 40]  [relu 20]                at 0, 60, 160
 * p1.s7   0     [mm 50]              [mm 90]            at 30, 200
 * p1.v9      values 1 2 NaN at 0, 100, 200
 */
enum { STEP, MM, RELU };
static const int64_t BASE = 1700000000000000000;

static void push(struct timeline_track *k, int lane, int64_t at, int64_t dur, uint16_t name,
                 uint32_t id)
{
    struct lane_row r = {.ts = BASE + at, .dur = dur, .name = name, .id = id};
    assert_int_equal(lane_push(&k->lane[lane], &r), ERR_OK);
    k->n++;
    if (r.ts < k->first) k->first = r.ts;
    if (r.ts + dur > k->last) k->last = r.ts + dur;
}

static struct timeline_track *track(struct timeline *t, int kind, const char *key, int lanes)
{
    struct timeline_track *k = LIST_PUSH(&t->track);
    assert_non_null(k);
    *k = (struct timeline_track){.id = (int64_t)t->track.n,
                                 .process = 1,
                                 .run = 1,
                                 .kind = kind,
                                 .rank = STORE_NULL,
                                 .pid = 1,
                                 .key = key,
                                 .n_lanes = lanes,
                                 .first = INT64_MAX,
                                 .last = INT64_MIN};
    k->lane = calloc((size_t)lanes + 1, sizeof *k->lane);
    assert_non_null(k->lane);
    return k;
}

static void point(struct timeline_track *k, int64_t at, double value)
{
    struct timeline_point *p = LIST_PUSH(&k->point);
    assert_non_null(p);
    *p = (struct timeline_point){BASE + at, value};
    k->first = BASE, k->last = BASE + at;
}

static int make(void **state)
{
    static const char *const names[] = {"step", "aten::mm", "aten::relu"};
    struct timeline *t = calloc(1, sizeof *t);
    assert_non_null(t);
    for (int i = 0; i < 3; i++) {
        struct timeline_name *n = LIST_PUSH(&t->name);
        assert_non_null(n);
        *n = (struct timeline_name){.text = span_of(names[i]), .kind = i ? 3 : 13, .colour = 1};
    }
    struct timeline_track *k = track(t, TIMELINE_THREAD, "p1.t5", 2);
    push(k, 0, 0, 150, STEP, 1);
    push(k, 1, 0, 40, MM, 2);
    push(k, 1, 60, 40, MM, 3);
    push(k, 0, 150, 150, STEP, 4);
    push(k, 1, 160, 20, RELU, 5);
    k = track(t, TIMELINE_STREAM, "p1.s7", 1);
    push(k, 0, 30, 50, MM, 6);
    push(k, 0, 200, 90, MM, 7);
    k = track(t, TIMELINE_COUNTER, "p1.v9", 0);
    point(k, 0, 1), point(k, 100, 2), point(k, 200, NAN);
    for (size_t i = 0; i < t->track.n; i++)
        for (int d = 0; d < t->track.p[i].n_lanes; d++)
            assert_int_equal(lane_build(&t->track.p[i].lane[d]), ERR_OK);
    *state = t;
    return 0;
}

static int unmake(void **state)
{
    timeline_release(*state);
    free(*state);
    return 0;
}

static struct arena arena;

static struct timeline_view view(struct timeline *t, struct timeline_ask ask)
{
    struct timeline_view v;
    assert_int_equal(timeline_view_make(t, 1, &ask, &arena, &v), ERR_OK);
    return v;
}

static void test_the_whole_run_is_the_view_without_an_address(void **state)
{
    struct timeline_view v = view(*state, (struct timeline_ask){0});
    assert_int_equal(v.base, BASE);
    assert_int_equal(v.end, BASE + 300);
    assert_int_equal(v.t0, v.base);
    assert_int_equal(v.t1, v.end);
    assert_int_equal(v.n_tracks, 3);
    assert_int_equal(v.a0, v.a1);
    struct timeline_view other;
    assert_int_equal(timeline_view_make(*state, 2, &(struct timeline_ask){0}, &arena, &other),
                     ERR_OK);
    assert_int_equal(other.n_all, 0);
    assert_int_equal(other.base, other.end);
}

static void test_an_address_chooses(void **state)
{
    struct timeline_view v = view(*state, (struct timeline_ask){.t0 = "1700000000000000050",
                                                                .t1 = "1700000000000000900",
                                                                .tracks = "p1.s7,none",
                                                                .a0 = "1700000000000000010",
                                                                .a1 = "1700000000000000020",
                                                                .on = "p1.t5"});
    assert_int_equal(v.t0, BASE + 50);
    assert_int_equal(v.t1, BASE + 300);
    assert_int_equal(v.n_tracks, 1);
    assert_int_equal(v.track[0], 1);
    assert_int_equal(v.a1 - v.a0, 10);
    assert_int_equal(v.n_on, 1);
    assert_int_equal(v.on[0], 0);
}

static void test_nonsense_gives_the_whole_run(void **state)
{
    static const char *const words[] = {"",
                                        "x",
                                        "-1",
                                        "9223372036854775807",
                                        "-9223372036854775808",
                                        "99999999999999999999",
                                        "1e9",
                                        ",,,",
                                        "p1.t",
                                        "@",
                                        "@@:",
                                        "p1.t5@"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (size_t j = 0; j < sizeof words / sizeof *words; j++) {
            struct timeline_view v = view(*state, (struct timeline_ask){.t0 = words[i],
                                                                        .t1 = words[j],
                                                                        .tracks = words[i],
                                                                        .a0 = words[j],
                                                                        .a1 = words[i],
                                                                        .on = words[j]});
            assert_true(v.base <= v.t0 && v.t0 < v.t1 && v.t1 <= v.end);
            assert_true(v.a0 <= v.a1 && v.n_tracks > 0);
            assert_int_equal(timeline_pick_parse(&v, words[i]).track, -1);
        }
}

static void test_a_selection_is_found_by_its_own_address(void **state)
{
    struct timeline_view v = view(*state, (struct timeline_ask){0});
    struct timeline_pick p = timeline_pick_parse(&v, "p1.t5@1700000000000000000");
    assert_int_equal(p.track, 0);
    assert_int_equal(p.lane, 0);
    p = timeline_pick_parse(&v, "p1.t5@1700000000000000000:1");
    assert_int_equal(p.lane, 1);
    assert_string_equal(timeline_pick_print(&v, p, &arena), "p1.t5@1700000000000000000:1");
    assert_int_equal(timeline_pick_parse(&v, "p1.t5@1700000000000000001").track, -1);
    assert_int_equal(timeline_pick_parse(&v, NULL).track, -1);
    p = timeline_find(&v, 1, BASE, 2);
    assert_int_equal(p.lane, 1);
    assert_int_equal(timeline_find(&v, 1, BASE, 99).track, -1);
}

static void test_steps(void **state)
{
    struct timeline_view v = view(*state, (struct timeline_ask){0});
    struct timeline_pick p = timeline_step(&v, 0, 1, BASE, 1, NULL, &arena);
    assert_int_equal(lane_row_at(&v.t->track.p[0].lane[1], p.at).id, 3);
    p = timeline_step(&v, -1, -1, BASE + 70, 1, "MM", &arena);
    assert_int_equal(p.track, 1);
    assert_int_equal(lane_row_at(&v.t->track.p[1].lane[0], p.at).id, 7);
    p = timeline_step(&v, -1, -1, BASE + 300, -1, "relu", &arena);
    assert_int_equal(lane_row_at(&v.t->track.p[0].lane[1], p.at).id, 5);
    assert_int_equal(timeline_step(&v, -1, -1, BASE, -1, NULL, &arena).track, -1);
    assert_int_equal(timeline_step(&v, -1, -1, BASE, 1, "no such", &arena).track, -1);
}

static const struct timeline_total *total(const struct timeline_area *a, int track, int name)
{
    for (size_t i = 0; i < a->total.n; i++)
        if (a->total.p[i].track == track && a->total.p[i].name == name) return &a->total.p[i];
    return NULL;
}

static void test_an_area_counts_what_is_inside(void **state)
{
    struct timeline_area a = {0};
    const int both[] = {0, 1};
    assert_int_equal(timeline_area_sum(*state, both, 2, BASE + 20, BASE + 170, &a), ERR_OK);
    const struct timeline_total *step = total(&a, 0, STEP), *mm = total(&a, 0, MM),
                                *relu = total(&a, 0, RELU), *device = total(&a, 1, MM);
    assert_int_equal(step->n, 2);
    assert_int_equal(step->within, 130 + 20);
    assert_int_equal(step->self, 150 - 20 - 40 - 10);
    assert_int_equal(step->whole, 300);
    assert_int_equal(mm->n, 2);
    assert_int_equal(mm->within, 20 + 40);
    assert_int_equal(mm->least, 40);
    assert_int_equal(relu->within, 10);
    assert_int_equal(relu->longest, 20);
    assert_int_equal(device->n, 1);
    assert_int_equal(device->within, 50);
    assert_int_equal(a.idle.n, 2);
    assert_int_equal(a.idle.p[0].total, 0);
    assert_int_equal(a.idle.p[1].total, 100);
    assert_int_equal(a.idle.p[1].longest, 90);
    int64_t sum[2] = {a.idle.p[0].total, a.idle.p[1].total};
    for (size_t i = 0; i < a.total.n; i++) sum[a.total.p[i].track] += a.total.p[i].self;
    assert_int_equal(sum[0], 150); /* selves and idle time add up to the stretch */
    assert_int_equal(sum[1], 150);
    timeline_area_release(&a);
}

static void test_gaps(void **state)
{
    struct timeline *t = *state;
    struct timeline_gap gap[4];
    int n = timeline_gaps(&t->track.p[1], BASE, BASE + 300, 20, gap, 4);
    assert_int_equal(n, 2);
    assert_int_equal(gap[0].dur, 30);
    assert_int_equal(gap[1].ts, BASE + 80);
    assert_int_equal(gap[1].dur, 120);
    assert_int_equal(timeline_gaps(&t->track.p[0], BASE, BASE + 300, 1, gap, 4), 0);
    assert_int_equal(timeline_gaps(&t->track.p[1], BASE, BASE + 300, 1, gap, 1), 1);
}

static uint32_t u32_at(const struct buf *b, size_t at)
{
    uint32_t x;
    memcpy(&x, b->p + at, sizeof x);
    return x;
}

static double f64_at(const struct buf *b, size_t at)
{
    double x;
    memcpy(&x, b->p + at, sizeof x);
    return x;
}

static void test_a_tile(void **state)
{
    struct timeline_view v = view(*state, (struct timeline_ask){0});
    struct buf b = {0};
    assert_int_equal(timeline_pack_tile(&v, 0, 0, &b), ERR_OK);
    assert_memory_equal(b.p, "PLT1", 4);
    assert_int_equal(u32_at(&b, 4), 4); /* three lanes, one value */
    assert_int_equal(b.n, 8 + 4 * 24 + 32 * (2 + 3 + 2 + 3));
    assert_int_equal(u32_at(&b, 8 + 8), 2);
    assert_int_equal(u32_at(&b, 8 + 12), PACK_EXACT);
    assert_true(f64_at(&b, 8 + 24) == 0 && f64_at(&b, 8 + 32) == 150);
    assert_int_equal(u32_at(&b, 8 + 40), 1);
    assert_int_equal(u32_at(&b, 8 + 44), 1);
    buf_clear(&b);
    assert_int_equal(timeline_pack_tile(&v, 0, 2, &b), ERR_OK); /* past the end: only the value */
    assert_int_equal(u32_at(&b, 4), 1);
    buf_release(&b);
}

static void test_tiles_that_there_are_not(void **state)
{
    static const int64_t none[][2] = {{-1, 0},         {24, 0},        {0, -1},
                                      {23, INT64_MAX}, {0, INT64_MAX}, {INT64_MAX, 1}};
    struct timeline_view v = view(*state, (struct timeline_ask){0});
    struct buf b = {0};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(timeline_pack_tile(&v, none[i][0], none[i][1], &b), ERR_LIMIT);
    err_clear();
    buf_release(&b);
}

static void test_values(void **state)
{
    struct timeline *t = *state;
    struct timeline_range r[8];
    assert_int_equal(timeline_values(&t->track.p[2], BASE, 150, 2, r), 2);
    assert_true(r[0].low == 1 && r[0].high == 2 && r[0].last == 2 && r[0].n == 2);
    assert_true(isnan(r[1].low));
    assert_int_equal(timeline_values(&t->track.p[2], BASE + 150, 10, 2, r),
                     1); /* the one that holds */
    assert_true(r[0].low == 2);
}

static void test_rows(void **state)
{
    struct timeline_view v = view(*state, (struct timeline_ask){0});
    struct lay_row row[8];
    double height;
    assert_int_equal(lay_timeline(&v, row, &height), 4);
    assert_int_equal(row[0].track, -1);
    assert_true(row[1].y == LAY_GROUP && row[1].height == 2 * LAY_LANE + 3);
    assert_true(row[2].y == row[1].y + row[1].height);
    assert_true(row[3].height == LAY_VALUES && height == row[3].y + LAY_VALUES);
}

static void test_boxes(void **state)
{
    (void)state;
    struct lane_mark m[] = {
        {.ts = -50, .dur = 100, .count = 1, .name = 1, .busy = 100},
        {.ts = 60, .dur = 1, .count = 1, .name = 2, .busy = 1},
        {.ts = 61, .dur = 2, .count = 5, .name = 3, .busy = 2, .flags = LANE_ERROR},
        {.ts = 90, .dur = 30, .count = 1, .name = 4, .busy = 30}};
    struct lay_box b[4];
    assert_int_equal(lay_marks(m, 4, 0, 100, 10, 100, b), 3);
    assert_true(b[0].x == 10 && b[0].width == 50 && b[0].count == 1);
    assert_true(b[1].x == 70 && b[1].width == 3 && b[1].count == 6 && b[1].name == 3);
    assert_int_equal(b[1].flags, LANE_ERROR);
    assert_true(b[2].x == 100 && b[2].width == 10);
    assert_int_equal(lay_cell(0, 1000, 100, 1), 16);
    assert_int_equal(lay_cell(0, 1, 1000, 4), 1);
}

static void test_coarse(void **state)
{
    (void)state;
    struct timeline_coarse c = {0};
    uint64_t n = 0;
    for (int i = 0; i < 1000; i++) timeline_coarse_add(&c, BASE + (int64_t)i * i * 1000, 5);
    timeline_coarse_add(&c, 0, 5);
    timeline_coarse_add(&c, INT64_MAX, 5);
    for (int i = 0; i < TIMELINE_COLUMNS; i++) n += c.n[i];
    assert_int_equal(n, 1002);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_whole_run_is_the_view_without_an_address),
        cmocka_unit_test(test_an_address_chooses),
        cmocka_unit_test(test_nonsense_gives_the_whole_run),
        cmocka_unit_test(test_a_selection_is_found_by_its_own_address),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_an_area_counts_what_is_inside),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_a_tile),
        cmocka_unit_test(test_tiles_that_there_are_not),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_boxes),
        cmocka_unit_test(test_coarse),
    };
    int failed = cmocka_run_group_tests(tests, make, unmake);
    arena_release(&arena);
    return failed;
}
