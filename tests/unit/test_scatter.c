/* test_scatter.c - scatter-add equals its definition to the bit: any dtype, strides, lists and
 * split of the work. */
#include "tests/unit/split.h"

#include <math.h>

#include "kernels/scatter.h"

static uint64_t seed = 9;
static uint32_t number(void)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 32);
}

/* ---- the definition ---- */

static enum dtype part_of(enum dtype t)
{
    return t == DTYPE_C64 ? DTYPE_F32 : t == DTYPE_C128 ? DTYPE_F64 : t;
}
/* A number in the type that sums are taken in. */
union value {
    float f;
    double d;
    uint64_t u;
};
static bool sums_in_f32(enum dtype t)
{
    return t != DTYPE_F64 && (dtype_kind(t) == DTYPE_FLOAT || dtype_kind(t) == DTYPE_FLOAT8);
}
static union value load(enum dtype t, const char *p)
{
    union value v = {.u = 0};
    if (t == DTYPE_F64) memcpy(&v.d, p, 8);
    else if (sums_in_f32(t)) dtype_cast(t, p, DTYPE_F32, &v.f, 1);
    else memcpy(&v.u, p, dtype_size(t));
    return v;
}
static union value add(enum dtype t, union value a, union value b)
{
    if (t == DTYPE_F64) a.d = a.d + b.d;
    else if (sums_in_f32(t)) a.f = a.f + b.f;
    else if (t == DTYPE_B8) a.u = a.u || b.u;
    else a.u = a.u + b.u;
    return a;
}
static void store(enum dtype t, union value v, char *p)
{
    if (t == DTYPE_F64) {
        v.d = isnan(v.d) ? (double)NAN : v.d;
        memcpy(p, &v.d, 8);
    } else if (sums_in_f32(t)) {
        v.f = isnan(v.f) ? NAN : v.f;
        dtype_cast(DTYPE_F32, &v.f, t, p, 1);
    } else memcpy(p, &v.u, dtype_size(t));
}

/* One part of one destination; `old` holds what it holds now. */
static void define(const struct scatter *s, int64_t row, int64_t batch, int64_t column, int part,
                   char *old)
{
    enum dtype t = part_of(s->dtype);
    int64_t count = 0, size = (int64_t)dtype_size(s->dtype);
    union value out = load(t, old), span = out;
    for (int64_t i = 0; i < s->n; i++) {
        if (s->index[i] != row) continue;
        int64_t e = batch * s->from.batch + i * s->from.row + column * s->from.column;
        union value v = load(t, (const char *)s->source + e * size + part * (int64_t)dtype_size(t));
        if (count && count % 1024 == 0) {
            out = count == 1024 ? span : add(t, out, span);
            span = v;
        } else span = add(t, span, v);
        count++;
    }
    if (!count) return;
    out = count <= 1024 ? span : add(t, out, span);
    store(t, out, old);
}

/* ---- cases ---- */

static void fill(enum dtype t, char *p, int64_t n)
{
    enum dtype real = part_of(t);
    n *= (int64_t)(dtype_size(t) / dtype_size(real));
    bool is_float = dtype_kind(real) == DTYPE_FLOAT || dtype_kind(real) == DTYPE_FLOAT8;
    for (int64_t i = 0; i < n; i++) {
        float f = (float)(int32_t)number() * 0x1p-31f;
        if (number() % 300 == 0) f = number() & 1 ? -0.0f : 1e-41f;
        if (number() % 5000 == 0) f = number() & 1 ? NAN : INFINITY;
        uint64_t u = real == DTYPE_B8 ? number() & 1 : (uint64_t)number() << 29;
        char *to = p + i * (int64_t)dtype_size(real);
        if (is_float) dtype_cast(DTYPE_F32, &f, real, to, 1);
        else memcpy(to, &u, dtype_size(real));
    }
}
struct shape {
    int64_t n_batch, n_rows, n, width;
    uint32_t skew; /* of 4 sources that many go to row 0 */
};
static void check(enum dtype t, const struct shape *x, bool loose, int64_t threads)
{
    int64_t gap = loose ? 3 : 1, size = (int64_t)dtype_size(t);
    struct scatter s = {t,         x->n_batch,
                        x->n_rows, x->n,
                        x->width,  NULL,
                        NULL,      {x->n * x->width * gap, x->width * gap, gap},
                        NULL,      {x->width * gap, x->n_batch * x->width * gap, gap}};
    int64_t n_from = x->n_batch * x->n * x->width * gap,
            n_to = x->n_batch * x->n_rows * x->width * gap;
    char *source = malloc((size_t)(n_from * size) + 1), *out = malloc((size_t)(n_to * size) + 1);
    char *want = malloc((size_t)(n_to * size) + 1);
    int64_t *index = malloc((size_t)x->n * sizeof *index + 1);
    assert_true(source && out && want && index);
    fill(t, source, n_from), fill(t, out, n_to);
    memcpy(want, out, (size_t)(n_to * size));
    for (int64_t i = 0; i < x->n; i++) {
        index[i] = number() % 4 < x->skew ? 0 : number() % x->n_rows;
        if (number() % 50 == 0) index[i] = -1;
    }
    s.source = source, s.out = out, s.index = index;
    for (int64_t b = 0; b < x->n_batch; b++)
        for (int64_t r = 0; r < x->n_rows; r++)
            for (int64_t c = 0; c < x->width; c++)
                for (int p = 0; p < size / (int64_t)dtype_size(part_of(t)); p++) {
                    int64_t e = b * s.to.batch + r * s.to.row + c * s.to.column;
                    define(&s, r, b, c, p, want + e * size + p * (int64_t)dtype_size(part_of(t)));
                }
    struct gemm_how how = {.isa = GEMM_SCALAR, .split = split_by_threads, .pool = &threads};
    assert_int_equal(scatter_add(&s, threads ? &how : NULL), ERR_OK);
    assert_memory_equal(out, want, (size_t)(n_to * size));
    free(source), free(out), free(want), free(index);
}

static const struct shape SHAPES[] = {
    {1, 1, 0, 1, 0},       {1, 1, 1, 1, 0},      {1, 5, 40, 1, 1},    {3, 4, 17, 2, 2},
    {1, 7, 3000, 1, 3},    {1, 3, 4100, 5, 2},   {2, 90, 1500, 9, 0}, {40, 3, 1100, 1, 4},
    {1, 70000, 300, 1, 0}, {1, 2, 2100, 600, 4},
};
static void equals_the_definition(void **state)
{
    (void)state;
    for (int t = DTYPE_F64; t < DTYPE_END; t++)
        for (size_t i = 0; i < 9; i++) check((enum dtype)t, SHAPES + i, (t + (int)i) & 1, 0);
    check(DTYPE_F32, SHAPES + 9, false, 0);
    check(DTYPE_BF16, SHAPES + 9, true, 0);
}
static void any_split_gives_the_same_bits(void **state)
{
    (void)state;
    static const struct shape LARGE = {1, 60, 9000, 32, 2}, NARROW = {1, 400, 20000, 4, 1};
    for (int64_t threads = 1; threads < 5; threads += 3) {
        check(DTYPE_F32, &LARGE, false, threads);
        check(DTYPE_F16, &LARGE, false, threads);
        check(DTYPE_C64, &NARROW, true, threads);
        check(DTYPE_U8, &NARROW, false, threads);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_definition),
        cmocka_unit_test(any_split_gives_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
