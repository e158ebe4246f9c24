/* bench_gemm.c - products, attention and scattering in fixed order, against the usual ways.
 *
 *     bench_gemm [ROUNDS]
 *
 * One thread, f32 unless said, processor time. The ways take turns and the best round of each
 * counts, so that other work on the machine strikes all alike.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "kernels/scatter.h"

static uint64_t seed = 88172645463325252u;
static uint32_t number(void)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 32);
}
static void *filled(enum dtype t, int64_t n)
{
    char *p = malloc((size_t)n * dtype_size(t) + 64);
    enum dtype real = t == DTYPE_C64 ? DTYPE_F32 : t;
    if (!p) exit(2);
    n = n * (int64_t)(dtype_size(t) / dtype_size(real));
    for (int64_t i = 0; i < n; i++) {
        float v = (float)(int32_t)number() * 0x1p-31f;
        dtype_cast(DTYPE_F32, &v, real, p + i * (int64_t)dtype_size(real), 1);
    }
    return p;
}
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static void keep_best(double *best, double s)
{
    *best = s < *best ? s : *best;
}

/* ---- products ---- */

/* A BLAS left to itself: one call for the whole product. */
typedef void sgemm_fn(int, int, int, int, int, int, float, const void *, int, const void *, int,
                      float, void *, int);
static sgemm_fn *find_sgemm(void)
{
    void *lib = gemm_blas_name() ? dlopen("libopenblas.so.0", RTLD_NOW) : NULL;
    return lib ? (sgemm_fn *)dlsym(lib, "cblas_sgemm") : NULL;
}

struct product {
    const char *text;
    enum dtype dtype;
    int64_t m, n, k;
    bool b_is_transposed;
};
static void measure_product(const struct product *x, int rounds)
{
    int64_t m = x->m, n = x->n, k = x->k;
    double best[3] = {1e9, 1e9, 1e9};
    struct gemm g = {.in = x->dtype,
                     .out = x->dtype,
                     .n_batch = 1,
                     .m = m,
                     .n = n,
                     .k = k,
                     .a = {filled(x->dtype, m * k), k, 1, 0, false},
                     .b = {filled(x->dtype, n * k), x->b_is_transposed ? 1 : n,
                           x->b_is_transposed ? k : 1, 0, false},
                     .result = filled(x->dtype, m * n),
                     .row = n,
                     .column = 1,
                     .alpha = 1};
    sgemm_fn *sgemm = x->dtype == DTYPE_F32 ? find_sgemm() : NULL;
    for (int r = 0; r < rounds; r++) {
        double t = now();
        if (gemm_exact(&g, NULL)) exit(2);
        keep_best(&best[0], now() - t);
        t = now();
        if (gemm_blas_name() && gemm_blas(&g, NULL)) exit(2);
        keep_best(&best[1], now() - t);
        t = now();
        if (sgemm)
            sgemm(101, 111, x->b_is_transposed ? 112 : 111, (int)m, (int)n, (int)k, 1, g.a.p,
                  (int)k, g.b.p, (int)(x->b_is_transposed ? k : n), 0, g.result, (int)n);
        keep_best(&best[2], now() - t);
    }
    double f = 2e-9 * (double)m * (double)n * (double)k * (x->dtype == DTYPE_C64 ? 4 : 1);
    printf("  %-28s exact %6.1f GFLOP/s", x->text, f / best[0]);
    if (gemm_blas_name())
        printf(", OpenBLAS in our tiles %6.1f (%.2f)", f / best[1], best[1] / best[0]);
    if (sgemm) printf(", in one call %6.1f (%.2f)", f / best[2], best[2] / best[0]);
    printf("\n");
    free((void *)g.a.p), free((void *)g.b.p), free(g.result);
}

static void measure_products(int rounds)
{
    static const struct product PRODUCTS[] = {
        {"512 x 512 x 512", DTYPE_F32, 512, 512, 512, false},
        {"1024 x 1024 x 1024", DTYPE_F32, 1024, 1024, 1024, false},
        {"1024 x 1024 x 1024, B'", DTYPE_F32, 1024, 1024, 1024, true},
        {"1 x 4096 x 4096", DTYPE_F32, 1, 4096, 4096, false},
        {"1 x 4096 x 4096, B'", DTYPE_F32, 1, 4096, 4096, true},
        {"4 x 4096 x 4096", DTYPE_F32, 4, 4096, 4096, false},
        {"16 x 4096 x 4096", DTYPE_F32, 16, 4096, 4096, false},
        {"16 x 4096 x 4096, B'", DTYPE_F32, 16, 4096, 4096, true},
        {"4096 x 64 x 4096", DTYPE_F32, 4096, 64, 4096, false},
        {"4096 x 4096 x 64", DTYPE_F32, 4096, 4096, 64, false},
        {"64 x 64 x 65536", DTYPE_F32, 64, 64, 65536, false},
        {"32 x 32 x 32", DTYPE_F32, 32, 32, 32, false},
        {"1024 x 1024 x 1024, f64", DTYPE_F64, 1024, 1024, 1024, false},
        {"512 x 512 x 512, c64", DTYPE_C64, 512, 512, 512, false},
        {"1024 x 1024 x 1024, bf16", DTYPE_BF16, 1024, 1024, 1024, false},
        {"1024 x 1024 x 1024, f16", DTYPE_F16, 1024, 1024, 1024, false},
    };
    printf("products, m x n x k; %s\n", gemm_blas_name() ? gemm_blas_name() : "no BLAS found");
    for (size_t i = 0; i < sizeof PRODUCTS / sizeof *PRODUCTS; i++)
        measure_product(&PRODUCTS[i], rounds);
}

/* ---- attention ---- */

static void measure_attention(const char *text, int64_t heads, int64_t n, int64_t d, bool causal,
                              int rounds)
{
    double best[3] = {1e9, 1e9, 1e9};
    int64_t all = heads * n * d;
    struct attention_array x = {NULL, all, n * d, d, 1};
    struct attention_result to = {NULL, all, n * d, d, 1};
    struct attention a = {.dtype = DTYPE_F32,
                          .n_batch = 1,
                          .n_heads = heads,
                          .n_kv_heads = heads,
                          .n_queries = n,
                          .n_keys = n,
                          .size = d,
                          .value_size = d,
                          .q = x,
                          .k = x,
                          .v = x,
                          .causal = causal,
                          .scale = 0.125,
                          .out = to};
    struct attention_grad g = {x, to, to, to};
    a.q.p = filled(DTYPE_F32, all), a.k.p = filled(DTYPE_F32, all), a.v.p = filled(DTYPE_F32, all);
    a.out.p = filled(DTYPE_F32, all), g.out.p = filled(DTYPE_F32, all);
    g.q.p = filled(DTYPE_F32, all), g.k.p = filled(DTYPE_F32, all), g.v.p = filled(DTYPE_F32, all);
    /* the two products of the forward pass alone, without what lies between */
    float *scores = filled(DTYPE_F32, heads * n * n);
    struct gemm qk = {.in = DTYPE_F32,
                      .out = DTYPE_F32,
                      .n_batch = heads,
                      .m = n,
                      .n = n,
                      .k = d,
                      .a = {a.q.p, d, 1, n * d, false},
                      .b = {a.k.p, 1, d, n * d, false},
                      .result = scores,
                      .row = n,
                      .column = 1,
                      .batch = n * n,
                      .alpha = 1};
    struct gemm pv = {.in = DTYPE_F32,
                      .out = DTYPE_F32,
                      .n_batch = heads,
                      .m = n,
                      .n = d,
                      .k = n,
                      .a = {scores, n, 1, n * n, false},
                      .b = {a.v.p, d, 1, n * d, false},
                      .result = a.out.p,
                      .row = d,
                      .column = 1,
                      .batch = n * d,
                      .alpha = 1};
    for (int r = 0; r < rounds; r++) {
        double t = now();
        if (gemm_exact(&qk, NULL) || gemm_exact(&pv, NULL)) exit(2);
        keep_best(&best[2], now() - t);
        t = now();
        if (attention_forward(&a, NULL)) exit(2);
        keep_best(&best[0], now() - t);
        t = now();
        if (attention_backward(&a, &g, NULL)) exit(2);
        keep_best(&best[1], now() - t);
    }
    double f = 4e-9 * (double)heads * (double)n * (double)n * (double)d / (causal ? 2 : 1);
    printf("  %-28s forward %6.1f GFLOP/s, backward %6.1f (as 2.5 forward passes)", text,
           f / best[0], 2.5 * f / best[1]);
    if (!causal) printf(", its two products alone %6.1f (%.2f)", f / best[2], best[2] / best[0]);
    printf("\n");
    void *made[] = {(void *)a.q.p, (void *)a.k.p, (void *)a.v.p, a.out.p, (void *)g.out.p,
                    g.q.p,         g.k.p,         g.v.p,         scores};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) free(made[i]);
}

/* ---- scatter ---- */

static void plainly(const struct scatter *s)
{
    float *out = s->out;
    const float *from = s->source;
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t j = 0; j < s->width; j++)
            out[s->index[i] * s->width + j] += from[i * s->width + j];
}
static void measure_scatter(const char *text, int64_t rows, int64_t n, int64_t width, bool skewed,
                            int rounds)
{
    double best[2] = {1e9, 1e9};
    int64_t *index = malloc((size_t)n * sizeof *index);
    if (!index) exit(2);
    for (int64_t i = 0; i < n; i++) index[i] = skewed && i % 4 ? 0 : number() % rows;
    struct scatter s = {DTYPE_F32,
                        1,
                        rows,
                        n,
                        width,
                        index,
                        filled(DTYPE_F32, n * width),
                        {0, width, 1},
                        filled(DTYPE_F32, rows * width),
                        {0, width, 1}};
    for (int r = 0; r < rounds; r++) {
        double t = now();
        plainly(&s);
        keep_best(&best[0], now() - t);
        t = now();
        if (scatter_add(&s, NULL)) exit(2);
        keep_best(&best[1], now() - t);
    }
    printf("  %-52s plain loop %7.2f ms, fixed order %7.2f ms (%.2f)\n", text, best[0] * 1e3,
           best[1] * 1e3, best[0] / best[1]);
    free(index), free((void *)s.source), free(s.out);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    measure_products(rounds);
    printf("attention, heads x positions x columns\n");
    measure_attention("8 x 1024 x 64", 8, 1024, 64, false, rounds);
    measure_attention("8 x 1024 x 64, causal", 8, 1024, 64, true, rounds);
    measure_attention("4 x 1024 x 128", 4, 1024, 128, false, rounds);
    measure_attention("64 x 128 x 32", 64, 128, 32, false, rounds);
    printf("scatter-add\n");
    measure_scatter("262144 rows of 128 into 50000", 50000, 262144, 128, false, rounds);
    measure_scatter("the same, three of four into one", 50000, 262144, 128, true, rounds);
    measure_scatter("4194304 elements into 1048576", 1 << 20, 1 << 22, 1, false, rounds);
    measure_scatter("4194304 elements into 1000", 1000, 1 << 22, 1, false, rounds);
    return 0;
}
