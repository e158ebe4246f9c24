/* bench_exact.c - exact functions against glibc's, canonical orders against plain loops.
 *
 *     bench_exact [ROUNDS]
 *
 * This file is compiled with the flags of printed kernels for AVX2 (Makefile). A plain loop does
 * its operations in the order written; a free one may be reordered (-ffast-math for that function).
 * Rounds alternate between the competitors and the best counts, so that other work on the machine
 * strikes all alike. 64 KiB of f32 in cache, unless it says memory.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/exact_c.h"
#include "store/base/clock.h"

enum { N = 16384, BIG = 1 << 25 };
static float *x, *y, *w, *b;
static volatile double sink;

#define FREE __attribute__((noinline, optimize("O3", "fast-math")))
#define KEPT __attribute__((noinline))

/* ---- functions ---- */
#define FUNCTIONS(X)                                                                               \
    X(exp, expf)                                                                                   \
    X(exp2, exp2f)                                                                                 \
    X(expm1, expm1f)                                                                               \
    X(log, logf)                                                                                   \
    X(log2, log2f)                                                                                 \
    X(log1p, log1pf)                                                                               \
    X(sin_near, sinf)                                                                              \
    X(cos_near, cosf)                                                                              \
    X(tanh, tanhf)                                                                                 \
    X(erf, erff)                                                                                   \
    X(sigmoid, plain_sigmoid)                                                                      \
    X(gelu, plain_gelu)                                                                            \
    X(gelu_tanh, plain_gelu_tanh)                                                                  \
    X(rsqrt, plain_rsqrt)
static float plain_sigmoid(float v)
{
    return 1 / (1 + expf(-v));
}
static float plain_gelu(float v)
{
    return v * erfcf(-v * 0x1.6a09e6p-1f) / 2;
}
static float plain_gelu_tanh(float v)
{
    return v / 2 * (1 + tanhf(0.79788456f * (v + 0.044715f * v * v * v)));
}
static float plain_rsqrt(float v)
{
    return 1 / sqrtf(v);
}
#define X(name, plain)                                                                             \
    KEPT static void exact_##name(void)                                                            \
    {                                                                                              \
        for (int i = 0; i < N; i++) y[i] = x_canon(x_##name(x[i]));                                \
    }                                                                                              \
    KEPT static void plain_loop_##name(void)                                                       \
    {                                                                                              \
        for (int i = 0; i < N; i++) y[i] = plain(x[i]);                                            \
    }
FUNCTIONS(X)
#undef X

/* ---- rows ---- */
#define ROWS(n)                                                                                    \
    KEPT static void sum_##n(void)                                                                 \
    {                                                                                              \
        for (int r = 0; r < N / n; r++) y[r] = x_canon(x_sum_chunk(x + r * n, n));                 \
    }                                                                                              \
    KEPT static void plain_sum_##n(void)                                                           \
    {                                                                                              \
        for (int r = 0; r < N / n; r++) {                                                          \
            float s = 0;                                                                           \
            for (int i = 0; i < n; i++) s += x[r * n + i];                                         \
            y[r] = s;                                                                              \
        }                                                                                          \
    }                                                                                              \
    FREE static void free_sum_##n(void)                                                            \
    {                                                                                              \
        for (int r = 0; r < N / n; r++) {                                                          \
            float s = 0;                                                                           \
            for (int i = 0; i < n; i++) s += x[r * n + i];                                         \
            y[r] = s;                                                                              \
        }                                                                                          \
    }
ROWS(16)
ROWS(24)
ROWS(32)
ROWS(64)
ROWS(100)
ROWS(128)
ROWS(200)
ROWS(256)

enum { ROW = 4096 };
#define EACH_ROW(...)                                                                              \
    for (int r_ = 0; r_ < N; r_ += ROW) {                                                          \
        const float *p = x + r_;                                                                   \
        float *q = y + r_;                                                                         \
        __VA_ARGS__                                                                                \
    }
#define PLAIN_AND_FREE(name, ...)                                                                  \
    KEPT static void plain_##name(void){EACH_ROW(__VA_ARGS__)} FREE static void free_##name(void)  \
    {                                                                                              \
        EACH_ROW(__VA_ARGS__)                                                                      \
    }
KEPT static void exact_sum(void)
{
    EACH_ROW(q[0] = x_sum_row(p, ROW);)
}
PLAIN_AND_FREE(sum, float s = 0; for (int i = 0; i < ROW; i++) s += p[i]; q[0] = s;)
KEPT static void exact_max(void)
{
    EACH_ROW(q[0] = x_max_row(p, ROW);)
}
PLAIN_AND_FREE(max, float s = p[0]; for (int i = 0; i < ROW; i++) s = p[i] > s ? p[i] : s;
               q[0] = s;)
KEPT static void exact_cumsum(void)
{
    EACH_ROW(x_cumsum_row(p, q, ROW);)
}
PLAIN_AND_FREE(cumsum, float s = 0; for (int i = 0; i < ROW; i++) q[i] = s += p[i];)

/* The sum over a row of a term made in a buffer, as printed kernels do it. */
#define TERMS(result, term)                                                                        \
    x_fold_begin(&fold);                                                                           \
    for (int c = 0; c < ROW; c += X_CHUNK) {                                                       \
        float t[X_CHUNK];                                                                          \
        for (int i = 0; i < X_CHUNK; i++) {                                                        \
            float v = p[c + i];                                                                    \
            t[i] = (term);                                                                         \
        }                                                                                          \
        x_sum_push(&fold, x_sum_chunk(t, X_CHUNK));                                                \
    }                                                                                              \
    float result = x_sum_end(&fold);
KEPT static void exact_softmax(void)
{
    x_fold fold;
    EACH_ROW(float m = x_max_row(p, ROW); for (int i = 0; i < ROW; i++) q[i] = x_exp(p[i] - m);
             float s = x_sum_row(q, ROW); for (int i = 0; i < ROW; i++) q[i] = x_canon(q[i] / s);)
    (void)fold;
}
PLAIN_AND_FREE(softmax, float m = p[0], s = 0;
               for (int i = 0; i < ROW; i++) m = p[i] > m ? p[i] : m;
               for (int i = 0; i < ROW; i++) s += q[i] = expf(p[i] - m);
               for (int i = 0; i < ROW; i++) q[i] /= s;)
KEPT static void exact_norm(void)
{
    x_fold fold;
    EACH_ROW(float mean = x_sum_row(p, ROW) / ROW;
             TERMS(s, (v - mean) * (v - mean)) float r = 1 / x_sqrt(s / ROW + 1e-5f);
             for (int i = 0; i < ROW; i++) q[i] = x_canon(x_fma((p[i] - mean) * r, w[i], b[i]));)
}
PLAIN_AND_FREE(norm, float m = 0, s = 0; for (int i = 0; i < ROW; i++) m += p[i]; m /= ROW;
               for (int i = 0; i < ROW; i++) s += (p[i] - m) * (p[i] - m);
               float r = 1 / sqrtf(s / ROW + 1e-5f);
               for (int i = 0; i < ROW; i++) q[i] = (p[i] - m) * r * w[i] + b[i];)

/* ---- memory ---- */
KEPT static void exact_memory(void)
{
    sink = x_sum_row(x, BIG);
}
FREE static void free_memory(void)
{
    float s = 0;
    for (int i = 0; i < BIG; i++) s += x[i];
    sink = s;
}
KEPT static void plain_memory(void)
{
    float s = 0;
    for (int i = 0; i < BIG; i++) s += x[i];
    sink = s;
}

struct race {
    const char *name;
    void (*exact)(void), (*plain)(void), (*free)(void);
    double elements;
};
static const struct race races[] = {
#define X(name, plain) {#name, exact_##name, plain_loop_##name, NULL, N},
    FUNCTIONS(X)
#undef X
#define R(n)                                                                                       \
    {                                                                                              \
        "sum of rows of " #n, sum_##n, plain_sum_##n, free_sum_##n, N                              \
    }
        R(16),
    R(24),
    R(32),
    R(64),
    R(100),
    R(128),
    R(200),
    R(256),
#undef R
    {"sum of rows of 4096", exact_sum, plain_sum, free_sum, N},
    {"max of rows of 4096", exact_max, plain_max, free_max, N},
    {"cumsum of rows of 4096", exact_cumsum, plain_cumsum, free_cumsum, N},
    {"softmax of rows of 4096", exact_softmax, plain_softmax, free_softmax, N},
    {"layer norm of rows of 4096", exact_norm, plain_norm, free_norm, N},
    {"sum of 128 MiB, memory", exact_memory, plain_memory, free_memory, BIG},
};

static double seconds(void (*f)(void), int times)
{
    int64_t begun = clock_mono();
    for (int i = 0; i < times; i++) f();
    return (double)(clock_mono() - begun) * 1e-9 / times;
}
static void run(const struct race *r, int rounds)
{
    void (*way[3])(void) = {r->exact, r->plain, r->free};
    double best[3] = {1e9, 1e9, 1e9};
    for (int k = 0; k < rounds; k++)
        for (int j = 0; j < 3; j++) {
            double t = way[j] ? seconds(way[j], r->elements == N ? 20 : 1) : 1e9;
            if (t < best[j]) best[j] = t;
        }
    printf("%-27s %7.3f ns %7.1f GB/s   plain / exact %6.2f", r->name, best[0] / r->elements * 1e9,
           r->elements * 4e-9 / best[0], best[1] / best[0]);
    if (r->free) printf("   free / exact %5.2f", best[2] / best[0]);
    puts("");
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 15;
#ifdef __x86_64__
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return puts("bench_exact: built for AVX2 with FMA, which this processor has not"), 0;
#endif
    x = malloc(BIG * sizeof *x);
    y = malloc(4 * N * sizeof *y);
    if (!x || !y || rounds < 1) return 1;
    w = y + N;
    b = w + N;
    for (int i = 0; i < BIG; i++)
        x[i] = (float)(i32)(x_philox(1, 0, (u64)i % N).w0 >> 1) * 0x1p-28f + 0.01f;
    for (int i = 0; i < N; i++) w[i] = 1 + (float)i * 1e-4f, b[i] = (float)i * 1e-5f;
    puts("f32; times of the exact form per element; how much longer the others take");
    for (unsigned i = 0; i < sizeof races / sizeof *races; i++) run(&races[i], rounds);
    return 0;
}
