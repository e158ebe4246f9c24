/* exact_half.h - f16, bf16 and the two float8 formats as storage formats of f32.
 *
 * The bits are those of store/base/half.h: nearest even; overflow to infinity, in f8e4m3fn, which
 * has none, to 448; a NaN becomes 0x7fc0 or 0x7e00, in float8 it keeps its sign; widening a NaN
 * keeps sign and payload and makes it quiet. Branch-free, by integer and f32 operations.
 */
#ifndef KERNELS_EXACT_HALF_H
#define KERNELS_EXACT_HALF_H

X_FN float x_from_bf16(u32 h)
{
    u32 u = h << 16;
    return x_asf((u & 0x7fffffffu) > 0x7f800000u ? u | 0x400000u : u);
}
/* A magnitude of 15 bits, exponent of 5; the denormals are anchored at 0.5, whose last place is
 * 2^-24. */
X_FN float x_from_f16(u32 h)
{
    u32 m = h & 0x3ffu, e = h & 0x7c00u;
    u32 norm = ((h & 0x7fffu) << 13) + 0x38000000u, sub = x_asu(x_asf(m + 0x3f000000u) - 0.5f);
    u32 special = 0x7f800000u | m << 13 | (m ? 0x400000u : 0u);
    return x_asf((e == 0u ? sub : e == 0x7c00u ? special : norm) | (h & 0x8000u) << 16);
}
X_FN float x_from_f8e5m2(u32 c)
{
    return x_from_f16(c << 8);
}
X_FN float x_from_f8e4m3fn(u32 c)
{
    u32 rest = c & 0x7fu;
    u32 norm = (rest << 20) + 0x3c000000u, sub = x_asu(x_asf(rest + 0x46800000u) - 16384.0f);
    return x_asf((rest == 0x7fu ? 0x7fc00000u : rest < 8u ? sub : norm) | (c & 0x80u) << 24);
}

X_FN u32 x_to_bf16(float v)
{
    u32 u = x_asu(v);
    return v != v ? 0x7fc0u : (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
}
/* The magnitude `a`, its low `drop` bits rounded off, the exponent less `bias`. */
X_FN u32 x_half_round(u32 a, u32 drop, u32 bias)
{
    return (a + (1u << (drop - 1u)) - 1u + ((a >> drop) & 1u) - (bias << 23)) >> drop;
}
/* A magnitude in units of the denormals of its format: `anchor` is the power of two whose last
 * place is that unit, so the addition does the rounding. */
X_FN u32 x_half_denormal(u32 a, float anchor)
{
    return x_asu(x_asf(a) + anchor) - x_asu(anchor);
}
X_FN u32 x_to_f16(float v)
{
    u32 u = x_asu(v), a = u & 0x7fffffffu;
    u32 r = a >= 0x477ff000u ? 0x7c00u : x_half_round(a, 13u, 112u);
    r = a < 0x38800000u ? x_half_denormal(a, 0.5f) : r;
    return v != v ? 0x7e00u : ((u >> 16) & 0x8000u) | r;
}
X_FN u32 x_to_f8e5m2(float v)
{
    u32 u = x_asu(v), a = u & 0x7fffffffu;
    u32 r = a >= 0x47700000u ? 0x7cu : x_half_round(a, 21u, 112u);
    r = a < 0x38800000u ? x_half_denormal(a, 128.0f) : r;
    return ((u >> 24) & 0x80u) | (v != v ? 0x7fu : r);
}
X_FN u32 x_to_f8e4m3fn(float v)
{
    u32 u = x_asu(v), a = u & 0x7fffffffu;
    u32 r = a > 0x43e00000u ? 0x7eu : x_half_round(a, 20u, 120u);
    r = a < 0x3c800000u ? x_half_denormal(a, 16384.0f) : r;
    return ((u >> 24) & 0x80u) | (v != v ? 0x7fu : r);
}

#endif
