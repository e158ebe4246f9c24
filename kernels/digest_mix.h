/* digest_mix.h - the inner loop of PKM64: words mixed with their positions and added up.
 *
 *   sum over i of mix64(word[i] ^ (first + i + 1) * PHI)        modulo 2^64
 *
 * Napkin math per 8-byte word: one load, 2 multiplications, 3 shifts, 4 xors, 2 additions. AVX-512
 * has 64-bit multiplication; AVX2 builds one of three 32-bit ones. A sum has no order, so lanes,
 * threads and blocks may take the words as they come.
 */
#ifndef KERNELS_DIGEST_MIX_H
#define KERNELS_DIGEST_MIX_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/digest.h"

/* 2^64 divided by the golden ratio, odd: positions become keys that share few bits. */
#define DIGEST_PHI 0x9e3779b97f4a7c15ull
/* The two multipliers of splitmix64 (Steele, Lea, Flood 2014; constants by Stafford). */
#define DIGEST_M1 0xbf58476d1ce4e5b9ull
#define DIGEST_M2 0x94d049bb133111ebull

/* splitmix64's finaliser: a bijection, each bit of z moves about half of the result. */
static inline uint64_t digest_mix64(uint64_t z)
{
    z = (z ^ (z >> 30)) * DIGEST_M1;
    z = (z ^ (z >> 27)) * DIGEST_M2;
    return z ^ (z >> 31);
}

/* The sum over n words at p (any alignment), of which the first has index `first`. */
uint64_t digest_mix(enum digest_isa isa, const void *p, size_t n, uint64_t first);

#endif
