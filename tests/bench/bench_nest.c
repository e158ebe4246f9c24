/* bench_nest.c - compiled loop nests against loops written by hand, built with the same flags, in
 * one run.
 *
 *     bench_nest [ROUNDS]
 *
 * Both sides go through build_kernel; hand-written kernels take the arguments of printed ones.
 * Rounds alternate and the best counts. A ratio is the hand-written loop's time over the nest's:
 * 1.00 says as fast. "call" is what a call costs beside its loop.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/prelude.h"
#include "runtime/backend.h"
#include "runtime/build.h"
#include "runtime/print_c.h"
#include "store/base/clock.h"

struct bench {
    const char *name, *body, *by_hand; /* by hand: statements of a kernel over n rows of m */
    enum dtype in, out;
    int64_t rows, points; /* points 0: a flat nest over rows */
    bool columns;         /* rows lie across memory */
};

static void must(enum err err)
{
    if (!err) return;
    fprintf(stderr, "bench_nest: %s\n", err_text());
    exit(1);
}

#define FLAT(in, out, expr)                                                                        \
    "const " in " *x = a->base[0], *y = a->base[1]; " out " *o = a->base[2];\n"                    \
    "_Pragma(\"GCC ivdep\") for (i64 i = 0; i < n; i++) o[i] = " expr ";"
#define ROWS(init, step, end)                                                                      \
    "const float *x = a->base[0]; float *o = a->base[2];\n"                                        \
    "for (i64 r = 0; r < n; r++, x += m) { float s = " init "; for (i64 i = 0; i < m; i++) " step  \
    "; o[r] = " end "; }"

enum { KB32 = 8192, MB64 = 1 << 24 };
#define FLATS(n)                                                                                   \
    {"add f32", "out = x + y", FLAT("float", "float", "x[i] + y[i]"), DTYPE_F32, DTYPE_F32, n,     \
     0,         false},                                                                            \
        {"mul f32", "out = x * y", FLAT("float", "float", "x[i] * y[i]"), DTYPE_F32, DTYPE_F32, n, \
         0,         false},                                                                        \
        {"relu f32",                                                                               \
         "out = where(isnan(x), x, where(x > 0, x, 0))",                                           \
         FLAT("float", "float", "x[i] != x[i] ? x_asf(0x7fc00000) : x[i] > 0 ? x[i] : 0"),         \
         DTYPE_F32,                                                                                \
         DTYPE_F32,                                                                                \
         n,                                                                                        \
         0,                                                                                        \
         false},                                                                                   \
        {"f32 to bf16",                                                                            \
         "out = x",                                                                                \
         FLAT("float", "u16", "x_to_bf16(x[i])"),                                                  \
         DTYPE_F32,                                                                                \
         DTYPE_BF16,                                                                               \
         n,                                                                                        \
         0,                                                                                        \
         false},                                                                                   \
        {"bf16 to f32",                                                                            \
         "out = x",                                                                                \
         FLAT("u16", "float", "x_from_bf16(x[i])"),                                                \
         DTYPE_BF16,                                                                               \
         DTYPE_F32,                                                                                \
         n,                                                                                        \
         0,                                                                                        \
         false},                                                                                   \
        {"f32 to f16",                                                                             \
         "out = x",                                                                                \
         FLAT("float", "u16", "x_to_f16(x[i])"),                                                   \
         DTYPE_F32,                                                                                \
         DTYPE_F16,                                                                                \
         n,                                                                                        \
         0,                                                                                        \
         false},                                                                                   \
        {"f32 to i32",                                                                             \
         "out = x",                                                                                \
         FLAT("float", "i32", "x_cast_f32_i32(x[i])"),                                             \
         DTYPE_F32,                                                                                \
         DTYPE_I32,                                                                                \
         n,                                                                                        \
         0,                                                                                        \
         false},                                                                                   \
    {                                                                                              \
        "f32 to f64", "out = x", FLAT("float", "double", "x_cast_f32_f64(x[i])"), DTYPE_F32,       \
            DTYPE_F64, n, 0, false                                                                 \
    }
#define SUM_ROWS(n, m)                                                                             \
    {                                                                                              \
        "sum of rows", "out = sum(x)", ROWS("0", "s += x[i]", "s"), DTYPE_F32, DTYPE_F32, n, m,    \
            false                                                                                  \
    }

static const struct bench benches[] = {
    FLATS(KB32),
    FLATS(MB64),
    SUM_ROWS(4096, 16),
    SUM_ROWS(4096, 32),
    SUM_ROWS(4096, 64),
    SUM_ROWS(4096, 128),
    SUM_ROWS(4096, 256),
    SUM_ROWS(1024, 1024),
    SUM_ROWS(256, 4096),
    SUM_ROWS(1, MB64),
    {"sum of columns", "out = sum(x)",
     "const float *x = a->base[0]; float *o = a->base[2];\n"
     "for (i64 r = 0; r < n; r++) o[r] = 0;\n"
     "for (i64 i = 0; i < m; i++, x += n)\n"
     "_Pragma(\"GCC ivdep\") for (i64 r = 0; r < n; r++) o[r] += x[r];",
     DTYPE_F32, DTYPE_F32, 4096, 4096, true},
    {"max of rows", "out = amax(x)", ROWS("x[0]", "s = x[i] > s ? x[i] : s", "s"), DTYPE_F32,
     DTYPE_F32, 1024, 1024, false},
};

/* ---- a nest and its kernels ---- */

struct side {
    struct nest_run run;
    struct nest nest;
    struct nest_plan plan;
    struct print_kernel by_hand;
    struct print_call call;
    int64_t number[PRINT_NUMBERS];
};

static void make_nest(const struct bench *b, struct arena *arena, struct side *s)
{
    struct nest_spec spec = {.body = b->body, .compute = b->in, .n_arrays = 3};
    static const char *const names[] = {"x", "y", "out"};
    spec.n_outer = 1;
    spec.n_inner = b->points > 0;
    for (int i = 0; i < 3; i++)
        spec.array[i] = (struct nest_array){
            .name = names[i], .dtype = i == 2 ? b->out : b->in, .written = i == 2};
    spec.outer[2] = true;
    must(nest_build(&spec, arena, &s->nest));
    s->plan = (struct nest_plan){.n_outer = 1, .n_inner = b->points > 0};
    s->plan.size[0] = b->rows;
    s->plan.size[1] = b->points;
    for (int i = 0; i < 3; i++) {
        s->plan.lie[i].stride[0] = b->points && i < 2 ? b->points : 1;
        s->plan.lie[i].stride[1] = i < 2 && b->points;
        if (b->columns && i < 2) s->plan.lie[i] = (struct nest_lie){.stride = {1, b->rows}};
    }
    s->run.nest = &s->nest;
    s->run.plan = &s->plan;
    s->run.threads = 1;
}

static void make_by_hand(const struct bench *b, struct side *s)
{
    struct buf text = {0};
    void *function;
    buf_puts(&text, prelude_c_text());
    buf_printf(&text,
               "typedef struct { void *base[24]; const i64 *number; } x_call;\n"
               "void plumb_kernel(const x_call *a, i64 row, i64 end, i64 low, i64 high) {\n"
               "i64 n = a->number[0], m = a->number[1];\n%s }\n",
               b->by_hand);
    must(build_kernel(buf_text(&text), &function));
    memcpy(&s->by_hand.run, &function, sizeof function);
    buf_release(&text);
    s->number[0] = b->rows;
    s->number[1] = b->points;
    for (int i = 0; i < 3; i++) s->call.base[i] = s->run.base[i];
    s->call.number = s->number;
}

/* ---- measuring ---- */

static double once(struct side *s, int side, int64_t times)
{
    int64_t begin = clock_mono();
    for (int64_t i = 0; i < times; i++) {
        if (side) must(nest_compiled(&s->run));
        else s->by_hand.run(&s->call, 0, 1, 0, 0);
    }
    return (double)(clock_mono() - begin) / (double)times;
}

static void measure(const struct bench *b, void *const *array, int rounds)
{
    struct arena arena = {0};
    struct side s = {0};
    double best[2] = {1e18, 1e18};
    int64_t n = b->rows * (b->points ? b->points : 1), times = (MB64 / 2) / n + 1;
    for (int i = 0; i < 3; i++) s.run.base[i] = array[i];
    make_nest(b, &arena, &s);
    make_by_hand(b, &s);
    for (int i = 0; i < 2; i++) once(&s, i, 1);
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < 2; i++) {
            double t = once(&s, i, times);
            if (t < best[i]) best[i] = t;
        }
    printf("%-14s %8lld x %-8lld  by hand %8.3f ns/1000  nest %8.3f ns/1000  ratio %.2f\n", b->name,
           (long long)b->rows, (long long)b->points, best[0] / (double)n * 1000,
           best[1] / (double)n * 1000, best[0] / best[1]);
    arena_release(&arena);
}

static void measure_call(void *const *array, int rounds)
{
    static const struct bench tiny = {
        "call", "out = x + y", FLAT("float", "float", "x[i] + y[i]"), DTYPE_F32, DTYPE_F32, 16,
        0,      false};
    struct arena arena = {0};
    struct side s = {0};
    double best = 1e18;
    for (int i = 0; i < 3; i++) s.run.base[i] = array[i];
    make_nest(&tiny, &arena, &s);
    for (int r = 0; r < rounds * 4; r++) {
        double t = once(&s, 1, 100000);
        if (t < best) best = t;
    }
    struct build_stats b = build_stats();
    printf("a call of 16 elements: %.0f ns\n", best);
    if (b.failed) printf("%s\n", build_note());
    if (b.built)
        printf("a kernel to build: %.0f ms (%lld built)\n",
               (double)b.build_ns / 1e6 / (double)b.built, (long long)b.built);
    arena_release(&arena);
}

/* The kernels of this run, and their folder. */
static void remove_cache(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    char file[600];
    while (d && (e = readdir(d))) {
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.') unlink(file);
    }
    if (d) closedir(d);
    rmdir(path);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 7;
    char cache[] = "/tmp/plumb-bench-nest-XXXXXX";
    void *array[3];
    if (!mkdtemp(cache)) return 1;
    build_set_options(&(struct build_options){.cache = cache});
    nest_compile_after(0);
    for (int i = 0; i < 3; i++) {
        array[i] = aligned_alloc(64, (size_t)MB64 * 8);
        for (int64_t k = 0; k < MB64 * 2; k++) ((float *)array[i])[k] = (float)(k % 1000) / 1000;
    }
    for (size_t i = 0; i < sizeof benches / sizeof *benches; i++)
        measure(&benches[i], array, rounds);
    measure_call(array, rounds);
    for (int i = 0; i < 3; i++) free(array[i]);
    remove_cache(cache);
    return 0;
}
