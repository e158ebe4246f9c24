/* test_exact_reduce.c - canonical reductions and scans against their literal definition. */
#include "tests/unit/unit.h"

#include <math.h>

#include "kernels/exact_c.h"

/* The definition of docs/exact.md, one operation at a time (volatile: nothing is reordered). */
#define DEFINITION(NAME, T, OP, IDENTITY, EMPTY)                                                   \
    static T NAME##_chunk(const T *x, i64 n)                                                       \
    {                                                                                              \
        volatile T lane[128];                                                                      \
        for (int l = 0; l < 128; l++) lane[l] = (T)(IDENTITY);                                     \
        for (i64 i = 0; i < n; i++) lane[i % 128] = lane[i % 128] OP x[i];                         \
        for (int s = 64; s; s /= 2)                                                                \
            for (int l = 0; l < s; l++) lane[l] = lane[l] OP lane[l + s];                          \
        return lane[0];                                                                            \
    }                                                                                              \
    static T NAME(const T *x, i64 n)                                                               \
    {                                                                                              \
        if (n == 0) return (T)(EMPTY);                                                             \
        if (n <= 1024) return NAME##_chunk(x, n);                                                  \
        i64 chunks = (n + 1023) / 1024;                                                            \
        T *p = malloc((size_t)chunks * sizeof *p);                                                 \
        assert_non_null(p);                                                                        \
        for (i64 c = 0; c < chunks; c++)                                                           \
            p[c] = NAME##_chunk(x + 1024 * c, n - 1024 * c < 1024 ? n - 1024 * c : 1024);          \
        T r = NAME(p, chunks);                                                                     \
        free(p);                                                                                   \
        return r;                                                                                  \
    }                                                                                              \
    static void NAME##_scan(const T *x, T *y, i64 n)                                               \
    {                                                                                              \
        i64 chunks = (n + 1023) / 1024;                                                            \
        T *total = malloc(2 * (size_t)chunks * sizeof *total + 1), *before = total + chunks;       \
        assert_non_null(total);                                                                    \
        volatile T carry = 0;                                                                      \
        for (i64 b = 0; b < n; b += 16) {                                                          \
            i64 m = n - b < 16 ? n - b : 16;                                                       \
            volatile T v[16];                                                                      \
            if (b % 1024 == 0) carry = (T)(IDENTITY);                                              \
            for (i64 i = 0; i < m; i++) v[i] = x[b + i];                                           \
            for (i64 d = 1; d < 16; d *= 2)                                                        \
                for (i64 i = m - 1; i >= d; i--) v[i] = v[i] OP v[i - d];                          \
            for (i64 i = 0; i < m; i++) y[b + i] = carry OP v[i];                                  \
            carry = carry OP v[m - 1];                                                             \
            total[b / 1024] = y[b + m - 1];                                                        \
        }                                                                                          \
        if (chunks > 1) NAME##_scan(total, before, chunks);                                        \
        for (i64 i = 1024; i < n; i++) y[i] = before[i / 1024 - 1] OP y[i];                        \
        free(total);                                                                               \
    }
DEFINITION(sum, float, +, -0.0, 0)
DEFINITION(sum64, double, +, -0.0, 0)
DEFINITION(prod, float, *, 1, 1)
DEFINITION(prod64, double, *, 1, 1)

enum { MOST = 1100 * 1024 + 77 };
static float x[MOST], y[MOST], z[MOST];
static double x64[MOST], y64[MOST], z64[MOST];

/* Numbers near 1 in size, of both signs; rows of special ones at the end of the list. */
static void fill(void)
{
    u64 r = 88172645463325252u;
    for (int i = 0; i < MOST; i++) {
        r ^= r << 13;
        r ^= r >> 7;
        r ^= r << 17;
        x64[i] = (double)(i64)r * 0x1p-63 * (1 + (double)(r & 3));
        x[i] = (float)x64[i];
    }
}
/* Every length to 700, every 37th to 8192, and some beyond 2^20. */
static i64 next_length(i64 n)
{
    return n < 700 ? n + 1 : n < 8192 ? n + 37 : n < 1 << 20 ? (1 << 20) : n == 1 << 20 ? MOST : -1;
}
#define SAME(type, got, want, n)                                                                   \
    do {                                                                                           \
        type a_ = (got), b_ = (want);                                                              \
        if (memcmp(&a_, &b_, sizeof a_)) fail_msg("%s of %ld is %a, not %a", #got, n, a_, b_);     \
    } while (0)

static void test_rows_equal_the_definition(void **state)
{
    (void)state;
    int lengths = 0;
    for (i64 n = 0; n >= 0; n = next_length(n), lengths++) {
        const float *p = x + (n < 4096 ? n % 64 : 0);
        SAME(float, x_sum_row(p, n), sum(p, n), n);
        SAME(float, x_prod_row(p, n), prod(p, n), n);
        SAME(double, x_sum_row64(x64, n), sum64(x64, n), n);
        SAME(double, x_prod_row64(x64, n), prod64(x64, n), n);
    }
    print_message("%d lengths\n", lengths);
}

static void test_zeros_and_nan(void **state)
{
    (void)state;
    float v[200];
    for (int i = 0; i < 200; i++) v[i] = -0.0f;
    for (i64 n = 1; n <= 200; n++) assert_int_equal(x_asu(x_sum_row(v, n)), 0x80000000u);
    assert_int_equal(x_asu(x_sum_row(v, 0)), 0);
    assert_true(x_prod_row(v, 0) == 1);
    x_cumsum_row(v, y, 200);
    for (int i = 0; i < 200; i++) assert_int_equal(x_asu(y[i]), 0x80000000u);
    v[77] = NAN;
    assert_true(isnan(x_sum_row(v, 200)) && isnan(x_sum_row(v, 78)) && !isnan(x_sum_row(v, 77)));
}

/* A length that the compiler knows takes another way through the text. */
#define KNOWN(n)                                                                                   \
    SAME(float, x_sum_chunk(x + 3, n), sum(x + 3, n), (long)n);                                    \
    SAME(double, x_sum_chunk64(x64 + 3, n), sum64(x64 + 3, n), (long)n);
static void test_known_lengths(void **state)
{
    (void)state;
    KNOWN(1)
    KNOWN(7)
    KNOWN(16)
    KNOWN(31)
    KNOWN(64)
    KNOWN(100)
    KNOWN(128)
    KNOWN(129)
    KNOWN(256)
    KNOWN(1000)
    KNOWN(1024)
}

/* As threads do it: partials of any chunk at any time, then the row of partials; scans in two
 * passes. */
static void test_chunks_in_any_order(void **state)
{
    (void)state;
    static float part[MOST / 1024 + 1], before[MOST / 1024 + 1];
    for (i64 n = 5000; n <= MOST; n = n == 5000 ? 300000 : n == 300000 ? MOST : MOST + 1) {
        i64 chunks = (n + 1023) / 1024;
        for (i64 c = chunks - 1; c >= 0; c--)
            part[c] = x_sum_chunk(x + 1024 * c, n - 1024 * c < 1024 ? n - 1024 * c : 1024);
        SAME(float, x_sum_row(part, chunks), sum(x, n), n);
        for (i64 c = chunks - 1; c >= 0; c--)
            part[c] = x_cumsum_total(x + 1024 * c, n - 1024 * c < 1024 ? n - 1024 * c : 1024);
        x_cumsum_row(part, before, chunks);
        for (i64 c = chunks - 1; c >= 0; c--)
            x_cumsum_chunk(x + 1024 * c, y + 1024 * c, n - 1024 * c < 1024 ? n - 1024 * c : 1024,
                           c ? before[c - 1] : 0, c == 0);
        sum_scan(x, z, n);
        assert_memory_equal(y, z, (size_t)n * sizeof *y);
    }
}

static void test_scans_equal_the_definition(void **state)
{
    (void)state;
    for (i64 n = 0; n >= 0; n = next_length(n)) {
        if (n > 100 && n < 1 << 20 && n % 5) continue;
#define SCAN(f, g, x, y, z)                                                                        \
    f(x, y, n);                                                                                    \
    g(x, z, n);                                                                                    \
    if (memcmp(y, z, (size_t)n * sizeof *y)) fail_msg("%s of %ld", #f, n);
        SCAN(x_cumsum_row, sum_scan, x, y, z)
        SCAN(x_cumprod_row, prod_scan, x, y, z)
        SCAN(x_cumsum_row64, sum64_scan, x64, y64, z64)
        SCAN(x_cumprod_row64, prod64_scan, x64, y64, z64)
    }
    memcpy(y, x, 9000 * sizeof *x);
    x_cumsum_row(y, y, 9000); /* in place */
    sum_scan(x, z, 9000);
    assert_memory_equal(y, z, 9000 * sizeof *y);
}

/* Sums of the rows' first W columns, a lane after the other. */
static void sum_lanes(float *a, const float *rows, i64 m, i64 wide, i64 w)
{
    i64 n = m < 128 ? m : 128, visited = 0;
    for (i64 l = 0; l >= 0; l = x_lane_after(l, n)) {
        float *u = a + x_lane_row(l) * wide;
        visited += l < n;
        for (i64 j = 0; j < w; j++) u[j] = -0.0f;
        for (i64 k = l; l < n && k < m; k += 128)
            for (i64 j = 0; j < w; j++) u[j] = u[j] + rows[k * w + j];
        x_sum_up(a, l, n, wide, w);
    }
    assert_int_equal(visited, n);
}

static void test_columns_equal_rows_of_the_transpose(void **state)
{
    (void)state;
    enum { W = 24, WIDE = 32 };
    static float a[8 * WIDE], part[260 * WIDE], column[300 * 1024];
    for (i64 rows = 1; rows < 30000; rows += rows < 300 ? 13 : 1777) {
        for (i64 c = 0; c * 1024 < rows; c++) {
            i64 m = rows - 1024 * c < 1024 ? rows - 1024 * c : 1024;
            sum_lanes(a, x + 1024 * c * W, m, WIDE, W);
            memcpy(part + c * WIDE, a, W * sizeof *a);
        }
        x_sum_parts(part, (rows + 1023) / 1024, WIDE, W);
        for (i64 j = 0; j < W; j++) {
            for (i64 i = 0; i < rows; i++) column[i] = x[i * W + j];
            SAME(float, part[j], sum(column, rows), rows);
        }
    }
    for (i64 n = 1; n <= 260; n += 37) { /* partials of more chunks than there are lanes */
        for (i64 i = 0; i < n * WIDE; i++) part[i] = x[i];
        x_sum_parts(part, n, WIDE, W);
        for (i64 j = 0; j < W; j++) {
            for (i64 i = 0; i < n; i++) column[i] = x[i * WIDE + j];
            SAME(float, part[j], sum(column, n), n);
        }
    }
}

static void test_extrema(void **state)
{
    (void)state;
    for (i64 n = 1; n < 3000; n = n * 2 + 1) {
        float top = x[0], low = x[0];
        i64 at = 0, at_low = 0;
        for (i64 i = 1; i < n; i++) {
            if (x[i] > top) top = x[i], at = i;
            if (x[i] < low) low = x[i], at_low = i;
        }
        x_arg a, b, half;
        x_arg_begin(&a);
        x_arg_begin(&b);
        x_arg_begin(&half);
        x_argmax_push(&half, x + n / 2, n - n / 2, n / 2); /* the later half first */
        x_argmax_push(&a, x, n / 2, 0);
        x_arg_join(&half, &a);
        x_argmin_push64(&b, x64, n, 0);
        assert_true(x_max_row(x, n) == top && x_min_row(x, n) == low && half.at == at);
        assert_int_equal(b.at, at_low);
        assert_true(x_max_row64(x64, n) == x64[at] && x_min_row64(x64, n) == x64[at_low]);
    }
}
static void test_ties_zeros_and_nan_of_extrema(void **state)
{
    (void)state;
    float v[] = {-0.0f, 0.0f, -1, 0.0f}, nan[] = {1, INFINITY, -NAN, NAN};
    x_arg a, b, c, d;
    x_arg_begin(&a), x_arg_begin(&b), x_arg_begin(&c), x_arg_begin(&d);
    x_argmax_push(&a, v, 4, 10);
    x_argmax_push(&b, nan, 4, 0);
    x_argmin_push(&c, nan, 4, 0);
    i64 least[] = {3, INT64_MIN, INT64_MIN};
    x_argmin_push_i(&d, least, 3, 0);
    assert_true(a.at == 10 && b.at == 2 && c.at == 2 && d.at == 1);
    assert_int_equal(x_asu(x_max_row(v, 4)), 0);
    assert_int_equal(x_asu(x_min_row(v, 2)), 0x80000000u);
    assert_int_equal(x_asu(x_max_row(nan, 4)), 0x7fc00000u);
    assert_int_equal(x_asu(x_min_row(nan, 4)), 0x7fc00000u);
}

static int setup(void **state)
{
    (void)state;
    fill();
    return 0;
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_equal_the_definition),
        cmocka_unit_test(test_zeros_and_nan),
        cmocka_unit_test(test_known_lengths),
        cmocka_unit_test(test_chunks_in_any_order),
        cmocka_unit_test(test_scans_equal_the_definition),
        cmocka_unit_test(test_columns_equal_rows_of_the_transpose),
        cmocka_unit_test(test_extrema),
        cmocka_unit_test(test_ties_zeros_and_nan_of_extrema),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
