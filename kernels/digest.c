/* digest.c - states of ranges, their merging at any byte, and the last step of PKM64. */
#include "kernels/digest.h"

#include <math.h>

#include "kernels/digest_mix.h"
#include "kernels/digest_stats.h"
#include "kernels/pack.h"

enum { WORD = 8, STATS_BLOCK = 8192 }; /* bytes; a block is mixed, then counted while it is near */

static void begin(struct digest *d, uint64_t at)
{
    *d = (struct digest){.begin = at, .end = at};
    digest_stats_begin(&d->stats);
}

/* Up to 7 bytes, placed within a word from byte `at` on. */
static uint64_t fragment(const char *p, size_t n, unsigned at)
{
    uint64_t bytes = 0;
    memcpy(&bytes, p, n);
    return bytes << 8 * at;
}

/* The state of n packed bytes that lie at byte `at` of the tensor. */
static void piece(struct digest *d, enum digest_isa isa, const char *p, uint64_t n, uint64_t at)
{
    unsigned into = at % WORD;
    uint64_t head = into ? WORD - into : 0;
    if (head > n) head = n;
    uint64_t words = (n - head) / WORD, tail = (n - head) % WORD;
    *d = (struct digest){.begin = at, .end = at + n};
    d->head = fragment(p, head, into);
    d->sum = digest_mix(isa, p + head, words, (at + head) / WORD);
    d->tail = fragment(p + head + words * WORD, tail, 0);
}

/* Whether the state holds the first byte of the word that its end cuts. */
static bool has_word_start(const struct digest *d)
{
    return d->end / WORD * WORD >= d->begin;
}

/* Joins the words' sides of the cut; statistics are left alone. */
static void join(struct digest *d, const struct digest *next)
{
    uint64_t word = d->end / WORD, cut = d->end % WORD;
    uint64_t tail = next->tail;
    d->sum += next->sum;
    if (cut) {
        bool started = has_word_start(d), ended = next->end >= (word + 1) * WORD;
        uint64_t whole = (started ? d->tail : d->head) | next->head;
        if (started && ended) d->sum += digest_mix64(whole ^ (word + 1) * DIGEST_PHI);
        else if (started) tail = whole;
        else d->head = whole;
    }
    d->tail = tail;
    d->end = next->end;
}

void digest_merge(struct digest *d, const struct digest *next)
{
    if (next->begin == next->end) return;
    if (d->begin == d->end) {
        *d = *next;
        return;
    }
    REQUIRE("digest:next", d->end == next->begin);
    join(d, next);
    digest_stats_merge(&d->stats, &next->stats);
}

void digest_range(const struct view *v, const void *storage, int64_t first, int64_t n,
                  struct digest_how how, struct digest *out)
{
    uint64_t size = dtype_size(v->dtype);
    struct digest_lanes lanes;
    struct pack_block block;
    struct pack pack;
    struct digest part;
    begin(out, (uint64_t)first * size);
    digest_lanes_begin(&lanes);
    pack_begin(&pack, v, storage, first, n, how.stats ? STATS_BLOCK / (int64_t)size : INT64_MAX);
    while (pack_next(&pack, &block)) {
        piece(&part, how.isa, block.p, (uint64_t)block.n * size, out->end);
        if (out->begin == out->end) *out = part;
        else join(out, &part);
        if (how.stats) digest_lanes_add(&lanes, how.isa, v->dtype, block.p, (size_t)block.n);
    }
    digest_lanes_fold(&lanes, &out->stats);
}

static uint64_t absorb(uint64_t digest, uint64_t x)
{
    return digest_mix64((digest + DIGEST_PHI) ^ x);
}

uint64_t digest_finish(const struct digest *d, const struct view *v)
{
    uint64_t h = d->sum, bytes = (uint64_t)view_n_bytes(v);
    REQUIRE("digest:whole", (d->begin == 0 || bytes == 0) && d->end - d->begin == bytes);
    if (bytes % WORD) h += digest_mix64(d->tail ^ (bytes / WORD + 1) * DIGEST_PHI);
    h = absorb(h, (uint64_t)v->dtype);
    h = absorb(h, bytes);
    h = absorb(h, (uint64_t)v->shape.n);
    for (int k = 0; k < v->shape.n; k++) h = absorb(h, (uint64_t)v->shape.size[k]);
    return h;
}

uint64_t digest_view(const struct view *v, const void *storage, struct digest_stats *stats)
{
    struct digest d;
    struct digest_how how = {digest_isa_best(), stats != NULL};
    digest_range(v, storage, 0, view_count(v), how, &d);
    if (stats) *stats = d.stats;
    return digest_finish(&d, v);
}

double digest_l2(const struct digest_stats *stats)
{
    return sqrt(stats->sum_squares);
}
