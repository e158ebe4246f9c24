/* test_view.c - views against loops over indices: walks, cuts, overlap; hostile shapes. */
#include "tests/unit/unit.h"

#include "store/base/view.h"

#define SHAPE(...)                                                                                 \
    (&(struct view_shape){sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), {__VA_ARGS__}})
#define STRIDES(...) ((const int64_t[VIEW_DIMS]){__VA_ARGS__})
static const struct view_shape no_dims = {0, {0}};

static struct view dense(const struct view_shape *shape)
{
    struct view v;
    assert_int_equal(view_dense(DTYPE_F32, shape, &v), ERR_OK);
    return v;
}
static struct view strided(const struct view_shape *shape, const int64_t *stride, int64_t offset)
{
    struct view v;
    assert_int_equal(view_strided(DTYPE_F32, shape, stride, offset, &v), ERR_OK);
    return v;
}
static void assert_shape(const struct view_shape *got, const char *want)
{
    char text[VIEW_TEXT];
    assert_string_equal(view_shape_text(got, text), want);
}

/* The places of all elements in logical order, by counting indices. */
static int places(const struct view *v, int64_t *out, int most)
{
    int64_t index[VIEW_DIMS] = {0};
    int n = 0;
    for (int d = 0; d < v->shape.n; d++)
        if (v->shape.size[d] == 0) return 0;
    for (;;) {
        int64_t at = v->offset;
        int d = v->shape.n - 1;
        for (int k = 0; k < v->shape.n; k++) at += index[k] * v->stride[k];
        assert_true(n < most);
        out[n++] = at;
        while (d >= 0 && ++index[d] == v->shape.size[d]) index[d--] = 0;
        if (d < 0) return n;
    }
}

static uint32_t seed = 1;
static int64_t below(int64_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (int64_t)(seed >> 8) % n;
}
static struct view random_view(int dims, int64_t most_size, int64_t most_stride)
{
    struct view_shape shape = {.n = (int)below(dims + 1)};
    int64_t stride[VIEW_DIMS];
    for (int d = 0; d < shape.n; d++) {
        shape.size[d] = below(20) ? 1 + below(most_size) : 0;
        stride[d] = below(most_stride);
    }
    return strided(&shape, stride, below(10));
}

static void makes_dense_views(void **state)
{
    (void)state;
    struct view v = dense(SHAPE(2, 3, 4));
    int64_t first, end;
    assert_memory_equal(v.stride, STRIDES(12, 4, 1), 3 * sizeof(int64_t));
    assert_int_equal(view_count(&v), 24);
    assert_int_equal(view_n_bytes(&v), 96);
    view_extent(&v, &first, &end);
    assert_true(first == 0 && end == 96 && view_is_contiguous(&v));
    v = dense(&no_dims);
    assert_true(view_count(&v) == 1 && view_is_contiguous(&v) && view_at(&v, 0) == 0);
    v = dense(SHAPE(3, 0, 5));
    view_extent(&v, &first, &end);
    assert_true(view_count(&v) == 0 && first == 0 && end == 0 && view_is_contiguous(&v));
    v = dense(SHAPE((int64_t)1 << 60));
    assert_int_equal(view_n_bytes(&v), (int64_t)1 << 62);
    v = dense(SHAPE((int64_t)1 << 40, (int64_t)1 << 40, 0));
    assert_int_equal(view_count(&v), 0);
}

static void says_contiguous_only_where_so(void **state)
{
    (void)state;
    struct view v = strided(SHAPE(1, 5, 1), STRIDES(999, 1, 77), 3);
    assert_true(view_is_contiguous(&v));
    v = strided(SHAPE(5, 2), STRIDES(1, 5), 0);
    assert_false(view_is_contiguous(&v));
    v = strided(SHAPE(5, 2), STRIDES(3, 1), 0);
    assert_false(view_is_contiguous(&v));
    v = strided(SHAPE(5), STRIDES(0), 0);
    assert_false(view_is_contiguous(&v));
    v = strided(SHAPE(5, 0), STRIDES(7, 7), 0);
    assert_true(view_is_contiguous(&v));
}

static void refuses_what_cannot_be_counted(void **state)
{
    (void)state;
    const int64_t big = INT64_MAX;
    const struct {
        struct view_shape shape;
        int64_t stride[2], offset;
        enum err code;
        const char *says;
    } cases[] = {
        {{2, {-1, 3}}, {1, 1}, 0, ERR_USAGE, "[-1, 3]"},
        {{17, {1}}, {1, 1}, 0, ERR_LIMIT, "up to 16"},
        {{-1, {1}}, {1, 1}, 0, ERR_LIMIT, "-1 dimensions"},
        {{2, {big, big}}, {0, 0}, 0, ERR_LIMIT, "2^63"},
        {{1, {big / 2}}, {0, 0}, 0, ERR_LIMIT, "bytes"},
        {{2, {2, 3}}, {-3, 1}, 0, ERR_USAGE, "-3 of dimension 0 is negative"},
        {{2, {2, 3}}, {big, 1}, 0, ERR_LIMIT, "[2, 3] with strides"},
        {{2, {3, 3}}, {big, 1}, 0, ERR_LIMIT, "reaches beyond"},
        {{2, {2, 3}}, {3, 1}, big, ERR_LIMIT, "offset 9223372036854775807"},
        {{2, {2, 3}}, {3, 1}, -1, ERR_USAGE, "offset -1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct view v;
        enum err e = view_strided(DTYPE_F32, &cases[i].shape, cases[i].stride, cases[i].offset, &v);
        if (e != cases[i].code || !strstr(err_text(), cases[i].says))
            fail_msg("case %zu: %s: %s", i, err_name(e), err_text());
    }
    struct view v;
    assert_int_equal(view_dense(DTYPE_F32, SHAPE(0, big, big), &v), ERR_LIMIT);
    assert_int_equal(
        view_strided(DTYPE_F32, SHAPE(0, 3), STRIDES(INT64_MAX, INT64_MAX), INT64_MAX, &v), ERR_OK);
    assert_int_equal(view_strided(DTYPE_I8, SHAPE(INT64_MAX), STRIDES(1), 0, &v), ERR_OK);
    assert_int_equal(view_overlap_self(&v), VIEW_APART);
    v = strided(SHAPE(2, 3), STRIDES(4, 1), 2);
    assert_int_equal(view_check_storage(&v, 36), ERR_OK);
    assert_int_equal(view_check_storage(&v, 35), ERR_USAGE);
    assert_non_null(strstr(err_text(), "needs 36 bytes, but its storage has 35"));
}

static void walks_in_logical_order(void **state)
{
    (void)state;
    static int64_t want[5000];
    for (int round = 0; round < 2000; round++) {
        struct view v = random_view(5, 5, 9);
        int n = places(&v, want, 5000), from = (int)below(n + 1),
            to = from + (int)below(n - from + 1), k = from;
        struct view_walk w;
        struct view_run run;
        assert_int_equal(view_count(&v), n);
        view_walk_begin(&w, &v, from, to - from);
        int64_t most = 1 + below(7);
        while (view_walk_next(&w, most, &run)) {
            assert_true(run.n > 0 && run.n <= most);
            for (int64_t i = 0; i < run.n; i++, k++) {
                assert_true(k < to);
                assert_int_equal(run.at + i * run.stride, want[k]);
                assert_int_equal(view_at(&v, k), want[k]);
            }
        }
        assert_int_equal(k, to);
    }
}

static void walks_contiguous_views_in_one_run(void **state)
{
    (void)state;
    struct view v = strided(SHAPE(2, 1, 3, 4), STRIDES(12, 99, 4, 1), 5);
    struct view_walk w;
    struct view_run run;
    view_walk_begin(&w, &v, 0, 24);
    assert_true(view_walk_next(&w, INT64_MAX, &run));
    assert_true(run.at == 5 && run.n == 24 && run.stride == 1);
    assert_false(view_walk_next(&w, INT64_MAX, &run));
    v = dense(SHAPE(3, 0));
    view_walk_begin(&w, &v, 0, 0);
    assert_false(view_walk_next(&w, INT64_MAX, &run));
    struct view huge = strided(SHAPE((int64_t)1 << 30, (int64_t)1 << 30), STRIDES(0, 1), 0);
    view_walk_begin(&w, &huge, ((int64_t)1 << 60) - 1, 1);
    assert_true(view_walk_next(&w, 9, &run) && run.at == (1 << 30) - 1 && run.n == 1);
}

static void broadcasts_from_the_last_dimension(void **state)
{
    (void)state;
    struct view a = dense(SHAPE(5, 1, 4)), b = dense(SHAPE(3, 1)), c = dense(&no_dims),
                d = dense(SHAPE(3, 2)), e = dense(SHAPE(0, 1));
    struct view_shape out = {0, {0}};
    assert_int_equal(view_broadcast((const struct view *[]){&a, &b, &c}, 3, &out), ERR_OK);
    assert_shape(&out, "[5, 3, 4]");
    assert_int_equal(view_broadcast((const struct view *[]){&e, &c, &a}, 3, &out), ERR_OK);
    assert_shape(&out, "[5, 0, 4]");
    assert_int_equal(view_broadcast((const struct view *[]){&c}, 1, &out), ERR_OK);
    assert_shape(&out, "[]");
    assert_int_equal(view_broadcast((const struct view *[]){&a, &d}, 2, &out), ERR_USAGE);
    assert_non_null(strstr(err_text(), "[5, 1, 4] and [3, 2]"));
    assert_non_null(strstr(err_text(), "sizes 4 and 2 of dimension -1"));
    assert_int_equal(view_broadcast((const struct view *[]){&d, &e}, 2, &out), ERR_USAGE);
}

static void expands(void **state)
{
    (void)state;
    struct view v = strided(SHAPE(3, 1), STRIDES(7, 5), 2), out;
    assert_int_equal(view_expand(&v, SHAPE(4, -1, 6), &out), ERR_OK);
    assert_shape(&out.shape, "[4, 3, 6]");
    assert_memory_equal(out.stride, STRIDES(0, 7, 0), 3 * sizeof(int64_t));
    assert_int_equal(view_overlap_self(&out), VIEW_OVERLAPS);
    assert_int_equal(view_expand(&v, SHAPE(3, 0), &out), ERR_OK);
    assert_int_equal(view_count(&out), 0);
    assert_int_equal(view_expand(&v, SHAPE(4, 6), &out), ERR_USAGE);
    assert_non_null(
        strstr(err_text(), "[3, 1] cannot be expanded to [4, 6]: size 3 of dimension 0"));
    assert_int_equal(view_expand(&v, SHAPE(6), &out), ERR_USAGE);
    assert_int_equal(view_expand(&v, SHAPE(-1, 3, 1), &out), ERR_USAGE);
    assert_int_equal(view_expand(&v, SHAPE(INT64_MAX, 3, 2), &out), ERR_LIMIT);
}

static void permutes_slices_and_selects(void **state)
{
    (void)state;
    struct view v = dense(SHAPE(4, 5, 6)), p, s;
    assert_int_equal(view_permute(&v, (const int[]){2, 0, -2}, 3, &p), ERR_OK);
    assert_shape(&p.shape, "[6, 4, 5]");
    assert_memory_equal(p.stride, STRIDES(1, 30, 6), 3 * sizeof(int64_t));
    assert_int_equal(view_permute(&v, (const int[]){2, 0, 0}, 3, &p), ERR_USAGE);
    assert_non_null(strstr(err_text(), "[4, 5, 6]"));
    assert_int_equal(view_permute(&v, (const int[]){0, 1}, 2, &p), ERR_USAGE);
    assert_int_equal(view_slice(&v, -1, 1, INT64_MAX, 2, &s), ERR_OK);
    assert_shape(&s.shape, "[4, 5, 3]");
    assert_true(s.offset == 1 && s.stride[2] == 2);
    assert_int_equal(view_slice(&v, 0, -3, -1, 1, &s), ERR_OK);
    assert_true(s.offset == 30 && s.shape.size[0] == 2);
    assert_int_equal(view_slice(&v, 1, 4, 2, 1, &s), ERR_OK);
    assert_int_equal(view_count(&s), 0);
    assert_int_equal(view_slice(&v, 1, INT64_MIN, INT64_MAX, INT64_MAX, &s), ERR_OK);
    assert_shape(&s.shape, "[4, 1, 6]");
    assert_int_equal(view_slice(&v, 1, 0, 5, 0, &s), ERR_USAGE);
    assert_int_equal(view_slice(&v, 3, 0, 5, 1, &s), ERR_USAGE);
    assert_non_null(strstr(err_text(), "[4, 5, 6] has no dimension 3"));
    assert_int_equal(view_select(&v, 1, -1, &s), ERR_OK);
    assert_shape(&s.shape, "[4, 6]");
    assert_true(s.offset == 24 && s.stride[0] == 30 && s.stride[1] == 1);
    assert_int_equal(view_select(&v, 1, 5, &s), ERR_USAGE);
    assert_non_null(strstr(err_text(), "index 5 of dimension 1 of shape [4, 5, 6]; it has 5"));
    v = strided(SHAPE(5, 0), STRIDES((int64_t)1 << 62, 1), 0);
    assert_int_equal(view_slice(&v, 0, 3, 5, 1, &s), ERR_OK);
    assert_int_equal(view_select(&v, 0, 4, &s), ERR_OK);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void decides_overlap_of_one_view(void **state)
{
    (void)state;
    static int64_t at[5000];
    int found[3] = {0};
    for (int round = 0; round < 5000; round++) {
        struct view v = random_view(4, 5, 40);
        int n = places(&v, at, 5000);
        enum view_overlap want = VIEW_APART, got = view_overlap_self(&v);
        qsort(at, (size_t)n, sizeof *at, by_value);
        for (int k = 1; k < n; k++)
            if (at[k] == at[k - 1]) want = VIEW_OVERLAPS;
        if (got != want) fail_msg("round %d: %d, not %d", round, got, want);
        found[got]++;
    }
    assert_true(found[VIEW_APART] > 500 && found[VIEW_OVERLAPS] > 500);
}

static void decides_overlap_of_two_views(void **state)
{
    (void)state;
    static const enum dtype dtypes[] = {DTYPE_I8, DTYPE_F16, DTYPE_F32, DTYPE_C128};
    static int64_t at[5000];
    static char taken[16 * 1000];
    int found[3] = {0};
    for (int round = 0; round < 5000; round++) {
        struct view a = random_view(3, 4, 30), b = random_view(3, 4, 30);
        enum view_overlap want = VIEW_APART, got;
        a.dtype = dtypes[below(4)];
        b.dtype = dtypes[below(4)];
        a.offset += below(60);
        int64_t a_size = (int64_t)dtype_size(a.dtype), b_size = (int64_t)dtype_size(b.dtype);
        memset(taken, 0, sizeof taken);
        int n = places(&a, at, 5000);
        for (int k = 0; k < n; k++) memset(taken + at[k] * a_size, 1, (size_t)a_size);
        n = places(&b, at, 5000);
        for (int k = 0; k < n; k++)
            if (memchr(taken + at[k] * b_size, 1, (size_t)b_size)) want = VIEW_OVERLAPS;
        got = view_overlap(&a, &b);
        if (got != want || got != view_overlap(&b, &a))
            fail_msg("round %d: %d, not %d", round, got, want);
        found[got]++;
    }
    assert_true(found[VIEW_APART] > 500 && found[VIEW_OVERLAPS] > 500);
}

static void decides_large_views(void **state)
{
    (void)state;
    const int64_t p = 1000000007, q = 998244353;
    struct view v = strided(SHAPE(q, p), STRIDES(p, q), 0);
    assert_int_equal(view_overlap_self(&v), VIEW_APART);
    v = strided(SHAPE(q + 1, p + 1), STRIDES(p, q), 0);
    assert_int_equal(view_overlap_self(&v), VIEW_OVERLAPS);
    struct view even = strided(SHAPE(p), STRIDES(2), 0), odd = strided(SHAPE(p), STRIDES(2), 1);
    assert_int_equal(view_overlap(&even, &odd), VIEW_APART);
    odd.offset = 2 * p - 2;
    assert_int_equal(view_overlap(&even, &odd), VIEW_OVERLAPS);
    odd.offset = 2 * p - 1;
    assert_int_equal(view_overlap(&even, &odd), VIEW_APART);
    struct view rows = dense(SHAPE(1000, 1000, 1000)), left, right, turned;
    assert_int_equal(view_slice(&rows, 2, 0, 500, 1, &left), ERR_OK);
    assert_int_equal(view_slice(&rows, 2, 500, 1000, 1, &right), ERR_OK);
    assert_int_equal(view_overlap(&left, &right), VIEW_APART);
    assert_int_equal(view_overlap(&left, &rows), VIEW_OVERLAPS);
    assert_int_equal(view_permute(&left, (const int[]){2, 1, 0}, 3, &turned), ERR_OK);
    assert_int_equal(view_overlap_self(&turned), VIEW_APART);
    assert_false(view_same_elements(&left, &turned));
    assert_true(view_same_elements(&left, &left));
}

/* Six large coprime strides and a target that must be searched for: given up, and said so. */
static void gives_up_and_says_so(void **state)
{
    (void)state;
    struct view v =
        strided(SHAPE(40, 40, 40, 40, 40, 40),
                STRIDES(982451653, 961748941, 941083987, 920419823, 899809363, 879190841), 0);
    assert_int_equal(view_overlap_self(&v), VIEW_MAY_OVERLAP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_dense_views),
        cmocka_unit_test(says_contiguous_only_where_so),
        cmocka_unit_test(refuses_what_cannot_be_counted),
        cmocka_unit_test(walks_in_logical_order),
        cmocka_unit_test(walks_contiguous_views_in_one_run),
        cmocka_unit_test(broadcasts_from_the_last_dimension),
        cmocka_unit_test(expands),
        cmocka_unit_test(permutes_slices_and_selects),
        cmocka_unit_test(decides_overlap_of_one_view),
        cmocka_unit_test(decides_overlap_of_two_views),
        cmocka_unit_test(decides_large_views),
        cmocka_unit_test(gives_up_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
