/* prelude_c.h - what the shared kernel texts need of C11 (gcc, clang); embedded before each kernel.
 *
 * The texts (exact*.h, philox.h) are written in a subset that C11, CUDA C and OpenCL C have in
 * common. Each language has a prelude with the same names:
 *
 *   u32 i32 u64 i64    integers of that many bits; i32 is the type of truth values (0 or 1)
 *   X_FN X_CONST       how a function and a table are declared
 *   x_asu x_asf ...64  bits of a number and back
 *   x_fma x_sqrt ...64 the operations that IEEE 754 rounds once, as the hardware has them
 *   x_floor ...        exact by definition too
 *   X_LIBM(f) ...64    the language's own f: good to some ulp, not the same bits everywhere
 *   X_F64              defined where f64 exists
 *   X_LID X_LSIZE ...  work-groups (CUDA C, OpenCL C), for exact_group.h
 *   X_VECTOR           defined where GCC's vector types exist (exact_reduce.h wants them)
 *
 * Build with -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math (docs/exact.md, Arithmetic).
 * No header is included: a printed kernel compiles in a few milliseconds.
 */
#ifndef KERNELS_PRELUDE_C_H
#define KERNELS_PRELUDE_C_H

#ifdef __FAST_MATH__
#error "plumb's kernels need IEEE arithmetic: -ffast-math and -Ofast change bits"
#endif
#if __FLT_EVAL_METHOD__ != 0
#error "plumb's kernels need arithmetic in the type written: -mfpmath=387 is refused"
#endif
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

typedef __UINT8_TYPE__ u8;
typedef __INT8_TYPE__ i8;
typedef __UINT16_TYPE__ u16;
typedef __INT16_TYPE__ i16;
typedef __UINT32_TYPE__ u32;
typedef __INT32_TYPE__ i32;
typedef __UINT64_TYPE__ u64;
typedef __INT64_TYPE__ i64;

#define X_FN           static inline __attribute__((always_inline, unused))
#define X_CONST        static const
#define X_F64          1
#define X_VECTOR       1
#define X_LIBM(name)   __builtin_##name##f
#define X_LIBM64(name) __builtin_##name

#define x_fma     __builtin_fmaf
#define x_fma64   __builtin_fma
#define x_sqrt    __builtin_sqrtf
#define x_sqrt64  __builtin_sqrt
#define x_floor   __builtin_floorf
#define x_floor64 __builtin_floor
#define x_ceil    __builtin_ceilf
#define x_ceil64  __builtin_ceil
#define x_trunc   __builtin_truncf
#define x_trunc64 __builtin_trunc
#define x_round   __builtin_rintf /* half to even: nobody may have changed the rounding mode */
#define x_round64 __builtin_rint
#define x_fmod    __builtin_fmodf
#define x_fmod64  __builtin_fmod

X_FN u32 x_asu(float v)
{
    u32 r;
    __builtin_memcpy(&r, &v, 4);
    return r;
}
X_FN float x_asf(u32 v)
{
    float r;
    __builtin_memcpy(&r, &v, 4);
    return r;
}
X_FN u64 x_asu64(double v)
{
    u64 r;
    __builtin_memcpy(&r, &v, 8);
    return r;
}
X_FN double x_asf64(u64 v)
{
    double r;
    __builtin_memcpy(&r, &v, 8);
    return r;
}

#endif
