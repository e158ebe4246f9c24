/* bench_product.c - products with the operators behind them on their tiles, against the same
 * compiled without fusion, in one run.
 *
 *     bench_product [ROUNDS]
 *
 * One thread, processor time; the two take turns and the best round of each counts. The last
 * columns are what the operators behind cost: the time beside that of the product alone.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plumb.h"
#include "runtime/backend.h"
#include "runtime/build.h"
#include "store/base/clock.h"

enum { IN = 4, WAYS = 3 };
static int rounds = 9;

static void *must_have(void *p)
{
    if (!p) {
        fprintf(stderr, "bench_product: %s\n", plumb_error());
        exit(1);
    }
    return p;
}

/* ---- what is computed: in[0] m x k, in[1] n x k, in[2] n, in[3] m x n ---- */

static struct plumb_tensor *linear(struct plumb_tensor *const *in)
{
    return plumb_linear(in[0], in[1], in[2]);
}
static int product(void *context, struct plumb_tensor *const *in, int n_in,
                   struct plumb_tensor **out, int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    return (out[0] = linear(in)) ? 0 : -1;
}
static int with_relu(void *context, struct plumb_tensor *const *in, int n_in,
                     struct plumb_tensor **out, int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    return (out[0] = plumb_relu(linear(in))) ? 0 : -1;
}
static int with_gelu(void *context, struct plumb_tensor *const *in, int n_in,
                     struct plumb_tensor **out, int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    return (out[0] = plumb_gelu(linear(in), "tanh")) ? 0 : -1;
}
static int with_residual(void *context, struct plumb_tensor *const *in, int n_in,
                         struct plumb_tensor **out, int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    return (out[0] = plumb_add(linear(in), in[3])) ? 0 : -1;
}

/* ---- measuring ---- */

struct way {
    struct plumb_compiled *compiled;
    double best_ns;
};

static double once(const struct way *w, struct plumb_tensor *const *in, int times)
{
    struct plumb_tensor *out;
    int64_t begin = clock_read_(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < times; i++) {
        plumb_frame_begin();
        if (plumb_compiled_call(w->compiled, in, IN, &out, 1)) must_have(NULL);
        plumb_frame_end();
    }
    return (double)(clock_read_(CLOCK_THREAD_CPUTIME_ID) - begin) / times;
}

static void race(struct way *way, struct plumb_tensor *const *in)
{
    double one = 0;
    for (int i = 0; i < WAYS; i++) {
        once(&way[i], in, 1); /* compiles, touches memory */
        one = once(&way[i], in, 1);
        way[i].best_ns = INFINITY;
    }
    int times = one < 4e6 ? (int)(4e6 / one) + 1 : 1;
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < WAYS; i++)
            way[i].best_ns = fmin(way[i].best_ns, once(&way[i], in, times));
}

static void measure(const char *name, plumb_function fn, struct plumb_tensor *const *in,
                    const int64_t *s)
{
    const struct plumb_compile_options apart = {.no_fusion = true};
    struct way way[WAYS] = {{must_have(plumb_compile("product", product, NULL, NULL)), 0},
                            {must_have(plumb_compile(name, fn, NULL, &apart)), 0},
                            {must_have(plumb_compile(name, fn, NULL, NULL)), 0}};
    race(way, in);
    printf("linear %5lld x %4lld x %4lld and %-8s  apart %9.1f us   on tiles %9.1f us   ratio "
           "%.3f   beside the product %7.1f, %7.1f us\n",
           (long long)s[0], (long long)s[2], (long long)s[1], name, way[1].best_ns / 1e3,
           way[2].best_ns / 1e3, way[2].best_ns / way[1].best_ns,
           (way[1].best_ns - way[0].best_ns) / 1e3, (way[2].best_ns - way[0].best_ns) / 1e3);
}

static void measure_all(const int64_t *s, enum plumb_dtype dtype)
{
    const int64_t m = s[0], n = s[1], k = s[2];
    plumb_frame_begin();
    struct plumb_tensor *in[IN] = {
        plumb_randn((int64_t[]){m, k}, 2, dtype), plumb_randn((int64_t[]){n, k}, 2, dtype),
        plumb_randn(&n, 1, dtype), plumb_randn((int64_t[]){m, n}, 2, dtype)};
    for (int i = 0; i < IN; i++) must_have(in[i]);
    measure("relu", with_relu, in, s);
    measure("gelu", with_gelu, in, s);
    measure("residual", with_residual, in, s);
    plumb_frame_end();
}

int main(int argc, char **argv)
{
    static const int64_t sizes[][3] = {
        {256, 128, 32}, {256, 32, 128}, {1024, 3072, 768}, {16384, 4096, 64}};
    char folder[] = "/tmp/plumb-bench-product-XXXXXX";
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1) rounds = atoi(argv[1]);
    if (!mkdtemp(folder)) return 1;
    build_set_options(&(struct build_options){.cache = folder});
    nest_compile_after(0);
    must_have(plumb_open(&(struct plumb_options){.threads = 1, .seed = 1}));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) measure_all(sizes[i], PLUMB_F32);
    if (plumb_close()) must_have(NULL);
    return 0;
}
