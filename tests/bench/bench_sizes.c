/* bench_sizes.c - what a size that is new costs: compiled anew, and as an instance of one compile.
 *
 *     bench_sizes [ROUNDS]
 *
 * Time of one thread; the ways take turns and the best counts. Kernels are built once, before.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "plumb.h"
#include "store/base/clock.h"

enum { LAYERS = 14, WIDE = 64, SIZES = 6, HITS = 20000 };
static int rounds = 15;

static void *must_have(void *p)
{
    if (p) return p;
    fprintf(stderr, "bench_sizes: %s\n", plumb_error());
    exit(1);
}
static double now(void)
{
    return (double)clock_read_(CLOCK_THREAD_CPUTIME_ID);
}

/* Seven operators a layer: 98, and two. */
static int hundred(void *context, struct plumb_tensor *const *in, int n_in,
                   struct plumb_tensor **out, int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    struct plumb_tensor *x = in[0], *norm[3];
    for (int i = 0; i < LAYERS; i++) {
        struct plumb_tensor *y = plumb_mm(x, in[1]);
        y = plumb_gelu(plumb_add(y, in[2]), "tanh");
        y = plumb_mul(plumb_sub(y, x), in[2]);
        if (plumb_native_layer_norm(y, (int64_t[]){WIDE}, 1, in[2], in[2], 1e-5, norm) < 0)
            return -1;
        x = i % 2 ? plumb_relu(norm[0]) : plumb_tanh(norm[0]);
    }
    out[0] = plumb__softmax(plumb_mul(x, x), -1, false);
    return out[0] ? 0 : -1;
}
static int add(void *context, struct plumb_tensor *const *in, int n_in, struct plumb_tensor **out,
               int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    out[0] = plumb_add(in[0], in[1]);
    return out[0] ? 0 : -1;
}

static struct plumb_tensor *kept(int n, const int64_t *size)
{
    return plumb_keep(must_have(plumb_tensor(PLUMB_F32, n, size, NULL)));
}
/* What a call takes. */
static double call(struct plumb_compiled *c, struct plumb_tensor *const *in, int n)
{
    struct plumb_tensor *y;
    double begin = now();
    if (plumb_frame_begin() || plumb_compiled_call(c, in, n, &y, 1)) must_have(NULL);
    plumb_frame_end();
    return now() - begin;
}

/* A call with a size that is new, less what running takes: the best of each. */
struct fresh {
    double first_ns, again_ns;
};
static void new_sizes(bool dynamic, struct plumb_tensor *const *x, struct fresh *best)
{
    struct plumb_compile_options o = {.dynamic = dynamic};
    struct plumb_compiled *c = must_have(plumb_compile("sizes", hundred, NULL, &o));
    struct plumb_tensor *w = kept(2, (int64_t[]){WIDE, WIDE}), *b = kept(1, (int64_t[]){WIDE});
    for (int i = 0; i < SIZES; i++) {
        struct plumb_tensor *in[] = {x[i], w, b};
        double first = call(c, in, 3), again = call(c, in, 3);
        if (i) best->first_ns = fmin(best->first_ns, first);
        best->again_ns = fmin(best->again_ns, again);
    }
}
static void race_sizes(const char *trace, const char *how)
{
    struct fresh best[2] = {{INFINITY, INFINITY}, {INFINITY, INFINITY}};
    struct plumb_tensor *x[SIZES];
    must_have(plumb_open(&(struct plumb_options){.threads = 1, .trace = trace, .overwrite = true}));
    for (int i = 0; i < SIZES; i++) x[i] = kept(2, (int64_t[]){WIDE + 7 * i, WIDE});
    for (int r = 0; r < 2 * rounds; r++) new_sizes(r % 2, x, &best[r % 2]);
    double fixed = best[0].first_ns - best[0].again_ns;
    double dynamic = best[1].first_ns - best[1].again_ns;
    if (how)
        printf(
            "a new size of 100 operators%s: compiled anew %.2f ms, an instance of one compile %.2f "
            "ms (%.2f of it)\n",
            how, fixed / 1e6, dynamic / 1e6, dynamic / fixed);
    if (plumb_close()) must_have(NULL);
}

static void race_hits(void)
{
    double best[2] = {INFINITY, INFINITY};
    struct plumb_compiled *c[2];
    int64_t n = 16;
    must_have(plumb_open(&(struct plumb_options){.threads = 1}));
    struct plumb_tensor *in[] = {kept(1, &n), kept(1, &n)};
    for (int i = 0; i < 2; i++)
        c[i] = must_have(
            plumb_compile("one", add, NULL, &(struct plumb_compile_options){.dynamic = i}));
    for (int r = 0; r < 2 * rounds; r++) {
        double ns = 0;
        for (int i = 0; i < HITS; i++) ns += call(c[r % 2], in, 2) / HITS;
        best[r % 2] = fmin(best[r % 2], ns);
    }
    printf("a call of one operator on 16 elements: compiled %.0f ns, an instance %.0f ns\n",
           best[0], best[1]);
    if (plumb_close()) must_have(NULL);
}

int main(int argc, char **argv)
{
    char trace[] = "/tmp/plumb-bench-sizes-XXXXXX";
    if (argc > 1) rounds = atoi(argv[1]);
    if (mkstemp(trace) < 0) return 1;
    race_sizes(NULL, NULL); /* memory and kernels are there from now on */
    race_sizes(NULL, "");
    race_sizes(trace, ", recorded");
    race_hits();
    unlink(trace);
    return 0;
}
