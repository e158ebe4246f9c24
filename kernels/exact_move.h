/* exact_move.h - elements of narrow floats on their way through f32 without a change of bits.
 *
 * x_load_f16 and x_cast_f32_f16 quiet a NaN and drop its payload, as computing does. Movement
 * keeps every bit: here a NaN's sign and payload go to f32 and come back as they were. A NaN from
 * elsewhere keeps what fits of its payload, and stays a NaN. f8e4m3fn has one NaN of each sign,
 * which x_load and x_cast keep already.
 */
#ifndef KERNELS_EXACT_MOVE_H
#define KERNELS_EXACT_MOVE_H

X_FN float x_move_from_f16(u32 h)
{
    u32 nan = (h & 0x8000u) << 16 | 0x7f800000u | (h & 0x3ffu) << 13;
    return (h & 0x7fffu) > 0x7c00u ? x_asf(nan) : x_from_f16(h);
}
X_FN u32 x_move_to_f16(float v)
{
    u32 u = x_asu(v), payload = (u >> 13) & 0x3ffu;
    u32 nan = ((u >> 16) & 0x8000u) | 0x7c00u | (payload ? payload : 0x200u);
    return (u & 0x7fffffffu) > 0x7f800000u ? nan : x_to_f16(v);
}
X_FN float x_move_from_f8e5m2(u32 c)
{
    return x_move_from_f16(c << 8);
}
X_FN u32 x_move_to_f8e5m2(float v)
{
    u32 u = x_asu(v), payload = (u >> 21) & 3u;
    u32 nan = ((u >> 24) & 0x80u) | 0x7cu | (payload ? payload : 2u);
    return (u & 0x7fffffffu) > 0x7f800000u ? nan : x_to_f8e5m2(v);
}
X_FN float x_move_from_bf16(u32 h)
{
    return x_asf(h << 16);
}
X_FN u32 x_move_to_bf16(float v)
{
    u32 u = x_asu(v), nan = (u >> 16 & 0x7fu) ? u >> 16 : u >> 16 | 0x40u;
    return (u & 0x7fffffffu) > 0x7f800000u ? nan : x_to_bf16(v);
}

#endif
