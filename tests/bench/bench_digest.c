/* bench_digest.c - PKM64 against plain reading of the same bytes, in one run.
 *
 *     bench_digest [MEGABYTES [ROUNDS]]
 *
 * A tensor far larger than the caches (256 MB) is read with xor, digested with each instruction
 * set, and digested with statistics, by one thread and all. Rounds alternate and the best counts,
 * so that other work on the machine strikes all alike. Figures are shares of the reading bandwidth.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernels/digest.h"
#include "store/base/clock.h"

enum { MOST_THREADS = 64 };

/* ways of going over the bytes, as DIGEST_N_ISA pairs behind READ */
enum { READ, DIGESTS, WAYS = DIGESTS + 2 * DIGEST_N_ISA };

typedef uint64_t u64x8 __attribute__((vector_size(64), aligned(8), may_alias));

struct job {
    const struct view *v;
    const char *storage;
    int64_t first, n; /* elements of 4 bytes */
    int way;
    uint64_t out;
};

__attribute__((target_clones("default", "avx2", "avx512f"))) static uint64_t read_all(const char *p,
                                                                                      size_t n)
{
    u64x8 x[4] = {{0}, {0}, {0}, {0}};
    for (size_t i = 0; i + 256 <= n; i += 256) {
        for (int j = 0; j < 4; j++) __builtin_prefetch(p + i + 64 * j + 4096);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) x[j] ^= *(const u64x8 *)(p + i + 64 * j);
    }
    x[0] ^= x[1] ^ x[2] ^ x[3];
    return x[0][0] ^ x[0][1] ^ x[0][2] ^ x[0][3] ^ x[0][4] ^ x[0][5] ^ x[0][6] ^ x[0][7];
}

static void *run(void *p)
{
    struct job *j = p;
    struct digest d;
    if (j->way == READ) {
        j->out = read_all(j->storage + 4 * j->first, 4 * (size_t)j->n);
        return NULL;
    }
    struct digest_how how = {(enum digest_isa)((j->way - DIGESTS) / 2), (j->way - DIGESTS) % 2};
    digest_range(j->v, j->storage, j->first, j->n, how, &d);
    j->out = d.sum;
    return NULL;
}

/* Seconds that `threads` threads take together. */
static double timed(const struct view *v, const char *storage, int way, int threads)
{
    static volatile uint64_t sink;
    struct job jobs[MOST_THREADS];
    pthread_t t[MOST_THREADS];
    int64_t n = view_count(v), begun = clock_mono();
    for (int k = 0; k < threads; k++) {
        int64_t first = n / threads * k, end = k + 1 < threads ? first + n / threads : n;
        jobs[k] = (struct job){v, storage, first, end - first, way, 0};
        if (k && pthread_create(&t[k], NULL, run, &jobs[k])) abort();
    }
    run(&jobs[0]);
    for (int k = 1; k < threads; k++) pthread_join(t[k], NULL);
    for (int k = 0; k < threads; k++) sink += jobs[k].out;
    return (double)(clock_mono() - begun) * 1e-9;
}

static bool present(int way)
{
    return way == READ || digest_isa_present((enum digest_isa)((way - DIGESTS) / 2));
}

static void measure(const struct view *v, const char *storage, int threads, int rounds)
{
    double best[WAYS], size = (double)view_n_bytes(v);
    for (int w = 0; w < WAYS; w++) best[w] = 1e30;
    for (int r = 0; r < rounds; r++)
        for (int w = 0; w < WAYS; w++) {
            double s = present(w) ? timed(v, storage, w, threads) : 1e30;
            if (s < best[w]) best[w] = s;
        }
    printf("  %d thread%s, %.0f MB, best of %d: reading %.1f GB/s\n", threads,
           threads > 1 ? "s" : "", size * 1e-6, rounds, size * 1e-9 / best[READ]);
    for (int w = DIGESTS; w < WAYS; w++) {
        const char *name = digest_isa_name((enum digest_isa)((w - DIGESTS) / 2)),
                   *what = (w - DIGESTS) % 2 ? " with statistics" : "";
        if (!present(w)) printf("    PKM64%s, %s: not on this machine\n", what, name);
        else
            printf("    PKM64%s, %s: %.1f GB/s, %.0f %% of reading\n", what, name,
                   size * 1e-9 / best[w], 100 * best[READ] / best[w]);
    }
}

int main(int argc, char **argv)
{
    int64_t megabytes = argc > 1 ? atoll(argv[1]) : 256;
    int rounds = argc > 2 ? atoi(argv[2]) : 7;
    long threads = sysconf(_SC_NPROCESSORS_ONLN);
    struct view_shape shape = {1, {megabytes * 250000}};
    struct view v;
    if (view_dense(DTYPE_F32, &shape, &v)) return 2;
    float *x = aligned_alloc(64, (size_t)view_n_bytes(&v) / 64 * 64 + 64);
    if (!x) return 2;
    for (int64_t k = 0; k < view_count(&v); k++) x[k] = (float)(k % 1000) * 0.01f - 5;
    measure(&v, (const char *)x, 1, rounds);
    if (threads > 1)
        measure(&v, (const char *)x, (int)(threads < MOST_THREADS ? threads : MOST_THREADS),
                rounds);
    free(x);
    return 0;
}
