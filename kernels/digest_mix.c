/* digest_mix.c - PKM64's inner loop: the definition, and two forms for x86-64. */
#include "kernels/digest_mix.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "words are little-endian; a big-endian machine needs swapped loads here and in digest.c"
#endif

static uint64_t mix_portable(const char *p, size_t n, uint64_t first)
{
    uint64_t sum = 0, word;
    for (size_t i = 0; i < n; i++) {
        memcpy(&word, p + 8 * i, sizeof word);
        sum += digest_mix64(word ^ (first + i + 1) * DIGEST_PHI);
    }
    return sum;
}

#ifdef __x86_64__
#include <immintrin.h>

/* Bytes ahead that are asked for early: a page, beyond which the processor does not look itself. */
enum { AHEAD = 4096 };

#define AVX2   __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512dq")))

/* The low 64 bits of z * m:  lo * lo + ((hi * lo + lo * hi) << 32). `m` and `m_high` hold m's low
 * and high half in the low half of each lane. */
AVX2 static inline __m256i multiply_avx2(__m256i z, __m256i m, __m256i m_high)
{
    __m256i low = _mm256_mul_epu32(z, m);
    __m256i cross = _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(z, 32), m),
                                     _mm256_mul_epu32(z, m_high));
    return _mm256_add_epi64(low, _mm256_slli_epi64(cross, 32));
}

AVX2 static inline __m256i mix_avx2_4(__m256i z)
{
    const __m256i m1 = _mm256_set1_epi64x((long long)DIGEST_M1);
    const __m256i m2 = _mm256_set1_epi64x((long long)DIGEST_M2);
    const __m256i m1_high = _mm256_set1_epi64x((long long)(DIGEST_M1 >> 32));
    const __m256i m2_high = _mm256_set1_epi64x((long long)(DIGEST_M2 >> 32));
    z = multiply_avx2(_mm256_xor_si256(z, _mm256_srli_epi64(z, 30)), m1, m1_high);
    z = multiply_avx2(_mm256_xor_si256(z, _mm256_srli_epi64(z, 27)), m2, m2_high);
    return _mm256_xor_si256(z, _mm256_srli_epi64(z, 31));
}

/* 16 words a turn in four independent chains. */
AVX2 static uint64_t mix_avx2(const char *p, size_t n, uint64_t first)
{
    __m256i key[4], sum[4], step = _mm256_set1_epi64x((long long)(16 * DIGEST_PHI));
    uint64_t lanes[4];
    size_t i = 0;
    for (uint64_t j = 0; j < 4; j++) {
        uint64_t at = first + 4 * j;
        key[j] = _mm256_set_epi64x(
            (long long)((at + 4) * DIGEST_PHI), (long long)((at + 3) * DIGEST_PHI),
            (long long)((at + 2) * DIGEST_PHI), (long long)((at + 1) * DIGEST_PHI));
        sum[j] = _mm256_setzero_si256();
    }
    for (; i + 16 <= n; i += 16) {
        _mm_prefetch(p + 8 * i + AHEAD, _MM_HINT_T0);
        _mm_prefetch(p + 8 * i + AHEAD + 64, _MM_HINT_T0);
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++) {
            __m256i word = _mm256_loadu_si256((const void *)(p + 8 * i + 32 * j));
            sum[j] = _mm256_add_epi64(sum[j], mix_avx2_4(_mm256_xor_si256(word, key[j])));
            key[j] = _mm256_add_epi64(key[j], step);
        }
    }
    sum[0] = _mm256_add_epi64(_mm256_add_epi64(sum[0], sum[1]), _mm256_add_epi64(sum[2], sum[3]));
    _mm256_storeu_si256((void *)lanes, sum[0]);
    return lanes[0] + lanes[1] + lanes[2] + lanes[3] + mix_portable(p + 8 * i, n - i, first + i);
}

AVX512 static inline __m512i mix_avx512_8(__m512i z)
{
    const __m512i m1 = _mm512_set1_epi64((long long)DIGEST_M1);
    const __m512i m2 = _mm512_set1_epi64((long long)DIGEST_M2);
    z = _mm512_mullo_epi64(_mm512_xor_si512(z, _mm512_srli_epi64(z, 30)), m1);
    z = _mm512_mullo_epi64(_mm512_xor_si512(z, _mm512_srli_epi64(z, 27)), m2);
    return _mm512_xor_si512(z, _mm512_srli_epi64(z, 31));
}

/* 32 words a turn in four independent chains. */
AVX512 static uint64_t mix_avx512(const char *p, size_t n, uint64_t first)
{
    __m512i key[4], sum[4], step = _mm512_set1_epi64((long long)(32 * DIGEST_PHI));
    uint64_t lanes[8], total = 0;
    size_t i = 0;
    for (uint64_t j = 0; j < 4; j++) {
        for (uint64_t k = 0; k < 8; k++) lanes[k] = (first + 8 * j + k + 1) * DIGEST_PHI;
        key[j] = _mm512_loadu_si512((const void *)lanes);
        sum[j] = _mm512_setzero_si512();
    }
    for (; i + 32 <= n; i += 32) {
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++) {
            __m512i word = _mm512_loadu_si512((const void *)(p + 8 * i + 64 * j));
            _mm_prefetch(p + 8 * i + 64 * j + AHEAD, _MM_HINT_T0);
            sum[j] = _mm512_add_epi64(sum[j], mix_avx512_8(_mm512_xor_si512(word, key[j])));
            key[j] = _mm512_add_epi64(key[j], step);
        }
    }
    sum[0] = _mm512_add_epi64(_mm512_add_epi64(sum[0], sum[1]), _mm512_add_epi64(sum[2], sum[3]));
    _mm512_storeu_si512((void *)lanes, sum[0]);
    for (int k = 0; k < 8; k++) total += lanes[k];
    return total + mix_portable(p + 8 * i, n - i, first + i);
}

bool digest_isa_present(enum digest_isa isa)
{
    switch (isa) {
    case DIGEST_PORTABLE: return true;
    case DIGEST_AVX2: return __builtin_cpu_supports("avx2");
    case DIGEST_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
    case DIGEST_N_ISA: break;
    }
    return false;
}

uint64_t digest_mix(enum digest_isa isa, const void *p, size_t n, uint64_t first)
{
    if (isa == DIGEST_AVX512) return mix_avx512(p, n, first);
    if (isa == DIGEST_AVX2) return mix_avx2(p, n, first);
    return mix_portable(p, n, first);
}

#else

bool digest_isa_present(enum digest_isa isa)
{
    return isa == DIGEST_PORTABLE;
}

uint64_t digest_mix(enum digest_isa isa, const void *p, size_t n, uint64_t first)
{
    (void)isa;
    return mix_portable(p, n, first);
}

#endif

const char *digest_isa_name(enum digest_isa isa)
{
    static const char *const names[] = {"portable", "avx2", "avx512"};
    return isa < DIGEST_N_ISA ? names[isa] : "unknown";
}

enum digest_isa digest_isa_best(void)
{
    if (digest_isa_present(DIGEST_AVX512)) return DIGEST_AVX512;
    return digest_isa_present(DIGEST_AVX2) ? DIGEST_AVX2 : DIGEST_PORTABLE;
}
