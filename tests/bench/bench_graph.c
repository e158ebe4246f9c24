/* bench_graph.c - how long the layout of a graph like a transformer's takes.
 *
 *     bench_graph [BOXES]
 *
 * Processor time, the least of nine, for a hundredth, a tenth and all of the boxes (10 000). Beside
 * it as a multiple of reading each number of what it makes once, so that a slow machine is seen.
 */
#include "tests/unit/graph_sample.h"

#include <time.h>

static volatile double sink;

static int64_t processor_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static double touch(const struct graph_layout *o, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += o->places[i].x + o->places[i].y;
    for (int i = 0; i < o->n_segments; i++) sum += o->segments[i].x1 - o->segments[i].y0;
    return sum;
}

static void measure(int n)
{
    enum { TIMES = 9 };
    struct graph_sample g = sample_make(n);
    int64_t least = INT64_MAX, read = INT64_MAX;
    struct graph_layout o = {0};
    for (int i = 0; i < TIMES; i++) {
        struct arena a = {0};
        int64_t t0 = processor_ns();
        if (sample_lay(&g, &a, &o)) exit(1);
        int64_t t1 = processor_ns();
        sink = touch(&o, n);
        int64_t t2 = processor_ns();
        if (t1 - t0 < least) least = t1 - t0;
        if (t2 - t1 < read) read = t2 - t1;
        arena_release(&a);
    }
    printf("  layout of %6d boxes, %6d edges, %5d ranks, %5lld crossings  %8.2f ms  %6.0f times "
           "reading it  %s\n",
           n, g.n_edges, o.n_ranks, (long long)o.crossings, (double)least / 1e6,
           (double)least / (double)(read ? read : 1), n == 10000 ? "50 ms" : "");
    sample_free(&g);
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 10000;
    for (int part = 100; part >= 1; part /= 10)
        if (n / part > 0) measure(n / part);
    return 0;
}
