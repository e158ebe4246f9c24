/* half.h - f16, bf16 and the two float8 formats as storage formats of f32: one value at a time.
 *
 *   f16       1 sign, 5 exponent (bias 15), 10 significand bits; largest 65504
 *   bf16      the upper half of an f32; largest about 3.39e38
 *   f8e4m3fn  1, 4 (bias 7), 3; no infinity, NaN only S.1111.111; largest 448
 *   f8e5m2    the upper half of an f16; largest 57344
 *
 * Widening is exact; a NaN keeps sign and payload and becomes quiet, as processors do it. Narrowing
 * rounds to nearest, ties to even. Too large a value becomes infinity; in f8e4m3fn, which has none,
 * it and infinity become 448. A NaN becomes 0x7e00 or 0x7fc0; in float8 it keeps its sign.
 * Only integer operations and f32 additions that no denormal enters: flushing denormals to zero
 * changes nothing here.
 */
#ifndef STORE_BASE_HALF_H
#define STORE_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t half_bits(float v)
{
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    return u;
}
static inline float half_float(uint32_t u)
{
    float v;
    memcpy(&v, &u, sizeof v);
    return v;
}

static inline float half_f32_of_bf16(uint16_t h)
{
    uint32_t u = (uint32_t)h << 16;
    int nan = (u & 0x7fffffffu) > 0x7f800000u;
    return half_float(nan ? u | 0x400000u : u);
}

static inline float half_f32_of_f16(uint16_t h)
{
    uint32_t sign = (h & 0x8000u) << 16, exponent = h & 0x7c00u, m = h & 0x3ffu;
    if (exponent == 0x7c00u) return half_float(sign | 0x7f800000u | m << 13 | (m ? 0x400000u : 0));
    if (exponent == 0) return half_float(sign | half_bits((float)m * 0x1p-24f));
    return half_float(sign | (((h & 0x7fffu) << 13) + (112u << 23)));
}

static inline float half_f32_of_f8e5m2(uint8_t c)
{
    return half_f32_of_f16((uint16_t)(c << 8));
}

static inline float half_f32_of_f8e4m3fn(uint8_t c)
{
    uint32_t sign = (c & 0x80u) << 24, rest = c & 0x7fu;
    if (rest == 0x7fu) return half_float(sign | 0x7fc00000u);
    if (rest < 8) return half_float(sign | half_bits((float)rest * 0x1p-9f));
    return half_float(sign | ((rest << 20) + (120u << 23)));
}

static inline uint16_t half_bf16_of_f32(float v)
{
    uint32_t u = half_bits(v);
    if (v != v) return 0x7fc0u;
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

/* The magnitude bits `a` of an f32, its low `drop` bits rounded off, the exponent less `bias`. */
static inline uint32_t half_round(uint32_t a, unsigned drop, uint32_t bias)
{
    return (a + (1u << (drop - 1)) - 1 + ((a >> drop) & 1u) - (bias << 23)) >> drop;
}
/* A magnitude below the smallest normal, in units of its format's denormals: `anchor` is the power
 * of two whose own last place is that unit, so the addition does the rounding. */
static inline uint32_t half_round_denormal(uint32_t a, float anchor)
{
    return half_bits(half_float(a) + anchor) - half_bits(anchor);
}

static inline uint16_t half_f16_of_f32(float v)
{
    uint32_t u = half_bits(v), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
    if (v != v) return 0x7e00u;
    uint32_t r = a < 0x38800000u    ? half_round_denormal(a, 0.5f)
                 : a >= 0x477ff000u ? 0x7c00u
                                    : half_round(a, 13, 112);
    return (uint16_t)(sign | r);
}

static inline uint8_t half_f8e5m2_of_f32(float v)
{
    uint32_t u = half_bits(v), sign = (u >> 24) & 0x80u, a = u & 0x7fffffffu;
    uint32_t r = a > 0x7f800000u    ? 0x7fu
                 : a < 0x38800000u  ? half_round_denormal(a, 128.0f)
                 : a >= 0x47700000u ? 0x7cu
                                    : half_round(a, 21, 112);
    return (uint8_t)(sign | r);
}

static inline uint8_t half_f8e4m3fn_of_f32(float v)
{
    uint32_t u = half_bits(v), sign = (u >> 24) & 0x80u, a = u & 0x7fffffffu;
    uint32_t r = a > 0x7f800000u   ? 0x7fu
                 : a < 0x3c800000u ? half_round_denormal(a, 16384.0f)
                 : a > 0x43e00000u ? 0x7eu
                                   : half_round(a, 20, 120);
    return (uint8_t)(sign | r);
}

#endif
