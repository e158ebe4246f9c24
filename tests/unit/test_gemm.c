/* test_gemm.c - the exact product equals its definition to the bit: any shape, strides, dtype,
 * values, instruction set and split of the work. */
#include "tests/unit/split.h"

#include <math.h>
#include <stdatomic.h>

#include "kernels/gemm.h"
#include "kernels/gemm_kernel.h"

static const enum dtype DTYPES_IN[] = {DTYPE_F32,      DTYPE_F64,    DTYPE_F16, DTYPE_BF16,
                                       DTYPE_F8E4M3FN, DTYPE_F8E5M2, DTYPE_C64, DTYPE_C128};
static const char *const ISA_NAMES[] = {"scalar", "AVX2", "AVX-512"};

static uint64_t seed = 1;
static uint32_t number(void)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 32);
}

/* ---- the definition, word for word ---- */

static bool is_complex(enum dtype t)
{
    return dtype_kind(t) == DTYPE_COMPLEX;
}
static bool is_wide(enum dtype t)
{
    return t == DTYPE_F64 || t == DTYPE_C128;
}
static void load(enum dtype t, const void *p, int64_t at, double out[2])
{
    out[1] = 0;
    dtype_load_f64(t, (const char *)p + at * (int64_t)dtype_size(t), 1, out);
}
/* One operation in the accumulator's type. */
static double fma_in(bool wide, double a, double b, double c)
{
    return wide ? fma(a, b, c) : (double)fmaf((float)a, (float)b, (float)c);
}
static double add_in(bool wide, double a, double b)
{
    return wide ? a + b : (double)((float)a + (float)b);
}
static double multiply_in(bool wide, double a, double b)
{
    return wide ? a * b : (double)((float)a * (float)b);
}

static void chain(const struct gemm *g, int64_t batch, int64_t i, int64_t j, double out[2])
{
    bool wide = is_wide(g->in);
    out[0] = out[1] = 0;
    for (int64_t s = 0; s < g->k && g->alpha != 0; s += 4096) {
        double re = 0, im = 0, a[2], b[2];
        for (int64_t k = s; k < g->k && k < s + 4096; k++) {
            load(g->in, g->a.p, batch * g->a.batch + i * g->a.row + k * g->a.column, a);
            load(g->in, g->b.p, batch * g->b.batch + k * g->b.row + j * g->b.column, b);
            a[1] = g->a.conj ? -a[1] : a[1];
            b[1] = g->b.conj ? -b[1] : b[1];
            re = fma_in(wide, a[0], b[0], re);
            if (!is_complex(g->in)) continue;
            re = fma_in(wide, -a[1], b[1], re);
            im = fma_in(wide, a[1], b[0], fma_in(wide, a[0], b[1], im));
        }
        out[0] = s ? add_in(wide, out[0], re) : re;
        out[1] = s ? add_in(wide, out[1], im) : im;
    }
}
static void finish(const struct gemm *g, int64_t batch, int64_t i, int64_t j, double v[2])
{
    bool wide = is_wide(g->in);
    double c[2];
    for (int p = 0; p < 2; p++)
        if (g->alpha != 1 && g->alpha != 0) v[p] = multiply_in(wide, v[p], g->alpha);
    if (g->c.p && g->beta != 0) {
        load(g->out, g->c.p, batch * g->c.batch + i * g->c.row + j * g->c.column, c);
        for (int p = 0; p < 2; p++)
            v[p] = add_in(wide, v[p], g->beta != 1 ? multiply_in(wide, c[p], g->beta) : c[p]);
    }
}
static void store(enum dtype t, const double v[2], bool wide, void *out)
{
    double d[2] = {isnan(v[0]) ? (double)NAN : v[0], isnan(v[1]) ? (double)NAN : v[1]};
    float f[2] = {(float)d[0], (float)d[1]};
    bool complex = is_complex(t);
    if (wide) dtype_cast(complex ? DTYPE_C128 : DTYPE_F64, d, t, out, 1);
    else dtype_cast(complex ? DTYPE_C64 : DTYPE_F32, f, t, out, 1);
}

/* Elements of the result that differ from the definition; of large results every seventh counts. */
static int64_t n_wrong(const struct gemm *g)
{
    int64_t wrong = 0, step = g->m * g->n * g->k > 200000 ? 7 : 1, at = 0;
    for (int64_t b = 0; b < g->n_batch; b++)
        for (int64_t i = 0; i < g->m; i++)
            for (int64_t j = 0; j < g->n; j++) {
                double v[2];
                char want[16], *got = g->result;
                if (at++ % step) continue;
                chain(g, b, i, j, v);
                finish(g, b, i, j, v);
                store(g->out, v, is_wide(g->in), want);
                got += (b * g->batch + i * g->row + j * g->column) * (int64_t)dtype_size(g->out);
                wrong += memcmp(want, got, dtype_size(g->out)) != 0;
            }
    return wrong;
}

/* ---- cases ---- */

/* Numbers of all sizes; one in `odd` is a NaN with payload, an infinity, -0 or a denormal. */
static void fill(enum dtype t, void *p, int64_t n, uint32_t odd)
{
    static const float ODD[] = {-0.0f, INFINITY, -INFINITY, 1e-40f, 0, -1e-42f, 3e38f};
    int parts = is_complex(t) ? 2 : 1;
    enum dtype real = t == DTYPE_C64 ? DTYPE_F32 : t == DTYPE_C128 ? DTYPE_F64 : t;
    for (int64_t i = 0; i < n * parts; i++) {
        float v = (float)(int32_t)number() * 0x1p-31f;
        if (odd && number() % odd == 0) v = ODD[number() % 7];
        if (odd && number() % (4 * odd) == 0) memcpy(&v, &(uint32_t){0xffc12345u}, 4);
        dtype_cast(DTYPE_F32, &v, real, (char *)p + i * (int64_t)dtype_size(real), 1);
    }
}
enum layout { ROWS, COLUMNS, LOOSE, N_LAYOUTS }; /* LOOSE: no stride is 1 */
static void lay(enum layout l, int64_t rows, int64_t columns, int64_t *row, int64_t *column)
{
    *row = l == ROWS ? columns : l == COLUMNS ? 1 : 3 * columns + 1;
    *column = l == ROWS ? 1 : l == COLUMNS ? rows : 3;
}
struct matrices {
    char *a, *b, *c, *result;
    int64_t result_size;
};
/* Takes the shape of g, gives it strides, values and memory. */
static struct matrices make(struct gemm *g, enum layout a, enum layout b, enum layout to,
                            uint32_t odd)
{
    struct matrices x;
    int64_t na = g->m * g->k * (a == LOOSE ? 4 : 1) + 8, nr = g->m * g->n * 4 + 8;
    int64_t nb = g->k * g->n * (b == LOOSE ? 4 : 1) + 8;
    lay(a, g->m, g->k, &g->a.row, &g->a.column);
    lay(b, g->k, g->n, &g->b.row, &g->b.column);
    lay(to, g->m, g->n, &g->row, &g->column);
    lay((to + 1) % N_LAYOUTS, g->m, g->n, &g->c.row, &g->c.column);
    if (g->n_batch > 1) g->a.batch = na, g->b.batch = 0, g->batch = nr, g->c.batch = nr;
    na *= g->n_batch, nr *= g->n_batch;
    x.a = calloc((size_t)na, dtype_size(g->in));
    x.b = calloc((size_t)nb, dtype_size(g->in));
    x.c = calloc((size_t)nr, dtype_size(g->out));
    x.result_size = nr * (int64_t)dtype_size(g->out);
    x.result = malloc((size_t)x.result_size);
    assert_true(x.a && x.b && x.c && x.result);
    memset(x.result, 0xaa, (size_t)x.result_size);
    fill(g->in, x.a, na, odd);
    fill(g->in, x.b, nb, odd);
    fill(g->out, x.c, nr, odd);
    g->a.p = x.a, g->b.p = x.b, g->result = x.result;
    if (g->beta != 0) g->c.p = x.c;
    return x;
}
static void drop(struct matrices *x)
{
    free(x->a), free(x->b), free(x->c), free(x->result);
}

static void check(struct gemm *g, enum layout a, enum layout b, enum layout to, uint32_t odd,
                  enum gemm_isa isa)
{
    struct matrices x = make(g, a, b, to, odd);
    assert_int_equal(gemm_exact(g, &(struct gemm_how){.isa = isa}), ERR_OK);
    int64_t wrong = n_wrong(g);
    if (wrong)
        fail_msg("%lld wrong: %s %s -> %s, %lld x %lld x %lld, batch %lld, layouts %d %d %d",
                 (long long)wrong, ISA_NAMES[isa], dtype_name(g->in), dtype_name(g->out),
                 (long long)g->m, (long long)g->n, (long long)g->k, (long long)g->n_batch, a, b,
                 to);
    drop(&x);
}
#define EACH_ISA(isa)                                                                              \
    for (enum gemm_isa isa = GEMM_SCALAR; isa < GEMM_N_ISAS; isa++)                                \
        if (!gemm_isa_present(isa))                                                                \
            print_message("not run: %s, which this machine lacks\n", ISA_NAMES[isa]);              \
        else

static void equals_the_definition_for_hostile_shapes(void **state)
{
    (void)state;
    static const int64_t SHAPES[][3] = {{0, 3, 3},   {3, 0, 3},   {2, 3, 0},    {1, 1, 1},
                                        {1, 17, 5},  {5, 1, 300}, {3, 5, 7},    {4, 33, 257},
                                        {6, 16, 64}, {7, 49, 31}, {14, 32, 40}, {29, 65, 19}};
    EACH_ISA(isa)
    for (size_t t = 0; t < sizeof DTYPES_IN / sizeof *DTYPES_IN; t++)
        for (size_t s = 0; s < sizeof SHAPES / sizeof *SHAPES; s++)
            for (int l = 0; l < 9; l++) {
                struct gemm g = {.in = DTYPES_IN[t],
                                 .out = DTYPES_IN[t],
                                 .n_batch = 1,
                                 .m = SHAPES[s][0],
                                 .n = SHAPES[s][1],
                                 .k = SHAPES[s][2],
                                 .alpha = 1};
                check(&g, l % 3, l / 3, (l + (int)s) % 3, 0, isa);
            }
}

static void rounds_once_at_the_end(void **state)
{
    (void)state;
    static const double FACTORS[][2] = {{1, 1}, {0.3, 0}, {0, 0.7}, {-1.5, 1}, {1, -0.1}};
    EACH_ISA(isa)
    for (size_t t = 0; t < sizeof DTYPES_IN / sizeof *DTYPES_IN; t++)
        for (size_t f = 0; f < 5; f++) {
            enum dtype in = DTYPES_IN[t];
            struct gemm g = {.in = in,
                             .out = in,
                             .n_batch = 3,
                             .m = 9,
                             .n = 21,
                             .k = 35,
                             .alpha = FACTORS[f][0],
                             .beta = FACTORS[f][1],
                             .a.conj = f & 1,
                             .b.conj = t & 1};
            check(&g, ROWS, COLUMNS, LOOSE, 0, isa);
            if (in != DTYPE_F16 && in != DTYPE_BF16 && dtype_kind(in) != DTYPE_FLOAT8) continue;
            g.out = DTYPE_F32;
            check(&g, COLUMNS, ROWS, ROWS, 0, isa);
        }
}

static void spans_are_joined_in_order(void **state)
{
    (void)state;
    static const int64_t SHAPES[][3] = {
        {1, 70, 4097}, {5, 3, 9000}, {2, 2, 4096}, {8, 17, 8193}, {200, 3, 4100}};
    EACH_ISA(isa)
    for (size_t s = 0; s < sizeof SHAPES / sizeof *SHAPES; s++)
        for (size_t t = 0; t < 8; t += 2) {
            struct gemm g = {.in = DTYPES_IN[t],
                             .out = DTYPES_IN[t],
                             .n_batch = 1,
                             .m = SHAPES[s][0],
                             .n = SHAPES[s][1],
                             .k = SHAPES[s][2],
                             .alpha = 1};
            check(&g, ROWS, s & 1 ? COLUMNS : ROWS, ROWS, 0, isa);
        }
}

static void keeps_what_is_not_finite(void **state)
{
    (void)state;
    EACH_ISA(isa)
    for (size_t t = 0; t < sizeof DTYPES_IN / sizeof *DTYPES_IN; t++)
        for (uint32_t odd = 3; odd < 400; odd *= 5) {
            struct gemm g = {.in = DTYPES_IN[t],
                             .out = DTYPES_IN[t],
                             .n_batch = 2,
                             .m = 13,
                             .n = 37,
                             .k = 29,
                             .alpha = 1,
                             .beta = odd & 1,
                             .a.conj = true};
            check(&g, ROWS, ROWS, ROWS, odd, isa);
        }
}

/* Beta 0 does not read c, alpha 0 neither a nor b: NaN there does not count. */
static void reads_only_what_counts(void **state)
{
    (void)state;
    float nan = NAN, c = 2, out = 7;
    struct gemm g = {.in = DTYPE_F32,
                     .out = DTYPE_F32,
                     .n_batch = 1,
                     .m = 1,
                     .n = 1,
                     .k = 1,
                     .a = {&nan, 1, 1, 0, false},
                     .b = {&nan, 1, 1, 0, false},
                     .c = {&c, 1, 1, 0, false},
                     .result = &out,
                     .row = 1,
                     .column = 1,
                     .alpha = 0,
                     .beta = 3};
    assert_int_equal(gemm_exact(&g, NULL), ERR_OK);
    assert_true(out == 6);
    g.c.p = &nan, g.beta = 0;
    assert_int_equal(gemm_exact(&g, NULL), ERR_OK);
    assert_true(out == 0 && !signbit(out));
}

/* ---- tiles that are handed on ---- */

typedef enum err multiply_fn(const struct gemm *, const struct gemm_how *);

/* What is gathered of tiles, in rows of one matrix after another. */
struct gathered {
    const struct gemm *g;
    char *p;
    atomic_llong elements;
};
static void gather(void *context, const struct gemm_done_tile *t)
{
    struct gathered *x = context;
    size_t size = dtype_size(x->g->out);
    for (int64_t i = 0; i < t->rows; i++) {
        int64_t to = (t->batch * x->g->m + t->row + i) * x->g->n + t->column;
        memcpy(x->p + (size_t)to * size, (const char *)t->at + (size_t)(i * t->step) * size,
               (size_t)t->columns * size);
    }
    atomic_fetch_add(&x->elements, t->rows * t->columns);
}

/* Handed on, whether they are stored too or not, tiles are the result. */
static void tiles_agree(struct gemm *g, multiply_fn *multiply, enum gemm_isa isa)
{
    struct matrices x = make(g, COLUMNS, ROWS, ROWS, 9);
    int64_t n = g->n_batch * g->m * g->n, count = 3;
    size_t size = (size_t)n * dtype_size(g->out);
    g->batch = g->m * g->n;
    assert_int_equal(multiply(g, &(struct gemm_how){.isa = isa}), ERR_OK);
    char *want = malloc(size + 1), *got = malloc(size + 1);
    assert_true(want && got);
    memcpy(want, x.result, size);
    for (int only = 0; only < 2; only++) {
        struct gathered all = {.g = g, .p = got};
        struct gemm_done done = {gather, &all, only};
        struct gemm_how how = {
            .isa = isa, .split = split_by_threads, .pool = &count, .done = &done};
        memset(got, 0xaa, size);
        memset(x.result, 0xaa, size);
        if (only) g->result = NULL;
        assert_int_equal(multiply(g, &how), ERR_OK);
        assert_int_equal(all.elements, n);
        assert_memory_equal(want, got, size);
        if (!only) assert_memory_equal(want, x.result, size);
    }
    free(want);
    free(got);
    drop(&x);
}
static void tiles_are_the_result(void **state)
{
    static const int64_t SHAPES[][3] = {{1, 1, 1},     {3, 5, 7},     {400, 3, 2}, {7, 530, 3},
                                        {390, 520, 2}, {8, 17, 9000}, {5, 20, 0}};
    (void)state;
    for (size_t t = 0; t < sizeof DTYPES_IN / sizeof *DTYPES_IN; t++)
        for (size_t s = 0; s < sizeof SHAPES / sizeof *SHAPES; s++) {
            struct gemm g = {.in = DTYPES_IN[t],
                             .out = DTYPES_IN[t],
                             .n_batch = 1 + (int64_t)(s & 1),
                             .m = SHAPES[s][0],
                             .n = SHAPES[s][1],
                             .k = SHAPES[s][2],
                             .alpha = 1,
                             .beta = s & 2};
            for (enum gemm_isa isa = GEMM_SCALAR; isa < GEMM_N_ISAS; isa++)
                if (gemm_isa_present(isa)) tiles_agree(&g, gemm_exact, isa);
            if (gemm_blas_name()) tiles_agree(&g, gemm_blas, GEMM_SCALAR);
        }
}

/* ---- any split of the work ---- */

static void backwards(void *pool, void (*part)(void *, int64_t), void *context, int64_t n)
{
    *(int64_t *)pool += n;
    for (int64_t i = n; i-- > 0;) part(context, i);
}
static void splits_agree(multiply_fn *multiply, enum dtype t, int64_t batch, int64_t m, int64_t n,
                         int64_t k)
{
    struct gemm g = {.in = t, .out = t, .n_batch = batch, .m = m, .n = n, .k = k, .alpha = 1};
    struct matrices x = make(&g, ROWS, COLUMNS, ROWS, 0);
    char *one = malloc((size_t)x.result_size);
    assert_non_null(one);
    assert_int_equal(multiply(&g, NULL), ERR_OK);
    memcpy(one, x.result, (size_t)x.result_size);
    for (int64_t threads = 0; threads < 6; threads++) {
        int64_t n_parts = 0, count = threads;
        struct gemm_how how = {.isa = gemm_isa_best(),
                               .split = threads ? split_by_threads : backwards,
                               .pool = threads ? &count : &n_parts};
        memset(x.result, 0xaa, (size_t)x.result_size);
        assert_int_equal(multiply(&g, &how), ERR_OK);
        assert_memory_equal(one, x.result, (size_t)x.result_size);
        if (!threads) assert_true(n_parts > 1);
    }
    free(one);
    drop(&x);
}
static void any_split_gives_the_same_bits(void **state)
{
    (void)state;
    splits_agree(gemm_exact, DTYPE_F32, 1, 500, 600, 100);
    splits_agree(gemm_exact, DTYPE_BF16, 5, 100, 300, 40);
    splits_agree(gemm_exact, DTYPE_F64, 1, 3, 5, 20000);
    splits_agree(gemm_exact, DTYPE_C64, 40, 33, 40, 50);
}

/* ---- the BLAS ---- */

/* k products and k - 1 additions in any order, then alpha, beta and c, then the store: at most
 * k + 3 roundings of the accumulator on each term (complex: twice as many), one of the result. */
static void is_within_bound(const struct gemm *g, int64_t i, int64_t j)
{
    long double sum[2] = {0, 0}, mag = 0;
    double a[2], b[2], c[2], got[2];
    for (int64_t k = 0; k < g->k; k++) {
        load(g->in, g->a.p, i * g->a.row + k * g->a.column, a);
        load(g->in, g->b.p, k * g->b.row + j * g->b.column, b);
        a[1] = g->a.conj ? -a[1] : a[1];
        sum[0] += (long double)a[0] * b[0] - (long double)a[1] * b[1];
        sum[1] += (long double)a[0] * b[1] + (long double)a[1] * b[0];
        mag += hypotl(a[0], a[1]) * hypotl(b[0], b[1]);
    }
    load(g->out, g->c.p, i * g->c.row + j * g->c.column, c);
    load(g->out, g->result, i * g->row + j * g->column, got);
    long double u = is_wide(g->in) ? 0x1p-53L : 0x1p-24L;
    long double store = g->out == DTYPE_BF16 ? 0x1p-8L : u;
    for (int p = 0; p < 2; p++) {
        long double want = sum[p] * g->alpha + c[p] * (long double)g->beta;
        long double bound = (mag * fabs(g->alpha) + hypotl(c[0], c[1])) * u * (2 * g->k + 3);
        assert_true(fabsl(got[p] - want) <= bound + store * (fabsl(want) + bound));
    }
}
static void blas_is_near_the_true_value(void **state)
{
    (void)state;
    static const enum dtype IN[] = {DTYPE_F32, DTYPE_F64, DTYPE_BF16, DTYPE_C64, DTYPE_C128};
    if (!gemm_blas_name()) {
        print_message("not run: libopenblas.so.0 is absent\n");
        skip();
    }
    print_message("%s\n", gemm_blas_name());
    for (int t = 0; t < 5; t++)
        for (int l = 0; l < 9; l++)
            for (int64_t k = 1; k < 1500; k = 35 * k + 4) {
                struct gemm g = {.in = IN[t],
                                 .out = IN[t],
                                 .n_batch = 1,
                                 .m = 37,
                                 .n = 70,
                                 .k = k,
                                 .alpha = 1.5,
                                 .beta = 0.5,
                                 .a.conj = l & 1};
                struct matrices x = make(&g, l % 3, l / 3, (l + t) % 3, 0);
                assert_int_equal(gemm_blas(&g, NULL), ERR_OK);
                for (int64_t i = 0; i < g.m; i += 9)
                    for (int64_t j = 0; j < g.n; j += 11) is_within_bound(&g, i, j);
                drop(&x);
            }
}
static void blas_gives_the_same_bits_for_any_number_of_threads(void **state)
{
    (void)state;
    if (!gemm_blas_name()) skip();
    splits_agree(gemm_blas, DTYPE_F32, 1, 500, 900, 300);
    splits_agree(gemm_blas, DTYPE_F64, 3, 400, 130, 100);
    splits_agree(gemm_blas, DTYPE_F16, 2, 390, 70, 2100);
    splits_agree(gemm_blas, DTYPE_C64, 30, 33, 40, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_definition_for_hostile_shapes),
        cmocka_unit_test(rounds_once_at_the_end),
        cmocka_unit_test(spans_are_joined_in_order),
        cmocka_unit_test(keeps_what_is_not_finite),
        cmocka_unit_test(reads_only_what_counts),
        cmocka_unit_test(tiles_are_the_result),
        cmocka_unit_test(any_split_gives_the_same_bits),
        cmocka_unit_test(blas_is_near_the_true_value),
        cmocka_unit_test(blas_gives_the_same_bits_for_any_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
