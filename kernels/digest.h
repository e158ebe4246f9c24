/* digest.h - PKM64, the 64-bit digest of a tensor, with statistics; and PyTorch's two hashes.
 *
 *   elements in logical order, packed, little-endian, cut into 8-byte words, the last padded by 0:
 *   sum     = sum over i of mix64(word[i] ^ (i + 1) * PHI)           modulo 2^64
 *   digest  = sum, then for each x of dtype code, bytes, dimensions, size[0], size[1], ...:
 *             digest = mix64((digest + PHI) ^ x)
 *
 * mix64 and PHI are in digest_mix.h. Every bit counts: -0 is not 0, NaN payloads differ, a b8 is
 * its byte. Position counts: permuted, swapped or repeated elements change it. Strides, offset,
 * threads, blocks and instruction set do not. Two different tensors collide with probability about
 * 2^-64; it is no defence against somebody who wants a collision. Reasons: docs/decisions/0015.
 *
 * A tensor is digested in ranges of elements, in any split and by any thread; neighbours are merged
 * in order. A range may begin within a word: its state keeps the pieces at both ends.
 */
#ifndef KERNELS_DIGEST_H
#define KERNELS_DIGEST_H

#include "store/base/view.h"

/* Instruction sets that the inner loop is written for; all give the same bits. */
enum digest_isa { DIGEST_PORTABLE, DIGEST_AVX2, DIGEST_AVX512, DIGEST_N_ISA };
const char *digest_isa_name(enum digest_isa isa);
bool digest_isa_present(enum digest_isa isa);
enum digest_isa digest_isa_best(void);

/* Of numbers: a complex element is two. Integers are taken as doubles. */
struct digest_stats {
    int64_t n, n_nan, n_inf;
    double min, max; /* of all but NaN, -0 as 0; inf and -inf when there are none */
    double sum, sum_abs, sum_squares; /* of the finite ones, in double */
};

struct digest {
    uint64_t begin, end; /* bytes of the packed tensor */
    uint64_t sum;        /* of the words wholly inside */
    uint64_t head,
        tail; /* bytes of a word begun before `begin`, and of one that ends after `end` */
    struct digest_stats stats; /* n is 0 when they were not asked for */
};

struct digest_how {
    enum digest_isa isa;
    bool stats;
};

/* The state of elements [first, first + n) of a view over `storage`; `how.isa` is to be present. */
void digest_range(const struct view *v, const void *storage, int64_t first, int64_t n,
                  struct digest_how how, struct digest *out);
/* Adds the range that begins where `d` ends. Digests do not depend on the split; sums of statistics
 * do, in their last bits (not on strides or instruction set). */
void digest_merge(struct digest *d, const struct digest *next);
/* Of a state that covers the whole view. */
uint64_t digest_finish(const struct digest *d, const struct view *v);
/* All of it in one call, with the best instruction set; *stats may be NULL. */
uint64_t digest_view(const struct view *v, const void *storage, struct digest_stats *stats);
/* Euclidean length of the finite numbers. */
double digest_l2(const struct digest_stats *stats);

/* What PyTorch 2.13's DebugMode calls "norm" on the CPU with that number of threads, bit for bit:
 * b8 and integers go through f32, then |x| is added in double in logical order; from 32768 elements
 * on in one chunk per thread. A complex number counts by hypot. NaN gives NaN, of any sign. */
double digest_norm(const struct view *v, const void *storage, int threads);
/* "hash_tensor": xor of the numbers' bits, as doubles (complex as two) or 64-bit integers. Also
 * where PyTorch refuses (complex of no dimension, or with a last stride other than 1). The xor of
 * the parts is that of the whole. */
uint64_t digest_hash_tensor(const struct view *v, const void *storage, int64_t first, int64_t n);

#endif
