/* digest_torch.c - the hashes that PyTorch's DebugMode prints, to compare its logs with ours. */
#include "kernels/digest.h"

#include <math.h>

#include "kernels/pack.h"

enum { BLOCK = 256, CHUNK = 32768 }; /* elements; from CHUNK on PyTorch uses its threads */

/* The block's elements as PyTorch's norm sees them: two doubles for a complex one. */
static void load_norm(enum dtype t, const struct pack_block *b, double *out)
{
    float rounded[BLOCK];
    if (dtype_kind(t) >= DTYPE_FLOAT8) {
        dtype_load_f64(t, b->p, (size_t)b->n, out);
        return;
    }
    dtype_cast(t, b->p, DTYPE_F32, rounded, (size_t)b->n);
    dtype_load_f64(DTYPE_F32, rounded, (size_t)b->n, out);
}

static double norm_range(const struct view *v, const void *storage, int64_t first, int64_t n)
{
    bool pairs = dtype_kind(v->dtype) == DTYPE_COMPLEX;
    double x[2 * BLOCK], sum = 0;
    struct pack_block block;
    struct pack pack;
    pack_begin(&pack, v, storage, first, n, BLOCK);
    while (pack_next(&pack, &block)) {
        load_norm(v->dtype, &block, x);
        for (int64_t i = 0; i < block.n; i++)
            sum += pairs ? hypot(x[2 * i], x[2 * i + 1]) : fabs(x[i]);
    }
    return sum;
}

double digest_norm(const struct view *v, const void *storage, int threads)
{
    int64_t n = view_count(v), chunks = n / CHUNK + (n % CHUNK != 0);
    if (chunks > threads) chunks = threads;
    if (n < CHUNK || chunks < 1) chunks = 1;
    int64_t size = n / chunks + (n % chunks != 0);
    double sum = 0;
    for (int64_t at = 0; at < n; at += size)
        sum += norm_range(v, storage, at, n - at < size ? n - at : size);
    return sum;
}

/* 64-bit patterns of the block; returns how many. */
static int64_t load_bits(enum dtype t, const struct pack_block *b, int64_t *out)
{
    double numbers[2 * BLOCK];
    if (dtype_kind(t) < DTYPE_FLOAT8) {
        dtype_load_i64(t, b->p, (size_t)b->n, out);
        return b->n;
    }
    int64_t n = dtype_kind(t) == DTYPE_COMPLEX ? 2 * b->n : b->n;
    dtype_load_f64(t, b->p, (size_t)b->n, numbers);
    memcpy(out, numbers, (size_t)n * sizeof *out);
    return n;
}

uint64_t digest_hash_tensor(const struct view *v, const void *storage, int64_t first, int64_t n)
{
    int64_t bits[2 * BLOCK], all = 0;
    struct pack_block block;
    struct pack pack;
    pack_begin(&pack, v, storage, first, n, BLOCK);
    while (pack_next(&pack, &block)) {
        int64_t m = load_bits(v->dtype, &block, bits);
        for (int64_t i = 0; i < m; i++) all ^= bits[i];
    }
    return (uint64_t)all;
}
