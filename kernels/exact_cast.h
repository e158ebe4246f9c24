/* exact_cast.h - conversions between element types, as store/base/dtype.h defines them.
 *
 *   x_load_<dtype>(stored)        the value of an element in the type its dtype computes in, exact
 *   x_cast_<type>_<dtype>(value)  what is stored for a value; rounded or cut once
 *
 * Types that compute: f32 (of f16, bf16, float8 too), f64, i64 (of i8 to i32, u8 to u32 too), u64,
 * b8 (i32, 0 or 1), c64, c128. Stored f16 and bf16 are u16, float8 and b8 u8, complex numbers the
 * structs of exact_complex.h. From one computing type to another is the same call.
 *
 *   to a floating dtype  nearest even, 16 bits and fewer through f32; a NaN becomes the canonical
 *                        one (float8 keeps its sign)
 *   float to integer     towards zero, to the nearest end of the range; NaN becomes 0
 *   integer to integer   modulo 2^bits
 *   to b8                whether it is not zero; a NaN is not
 *   complex to real      the real part; to b8 either counts
 * x_cast_<t>_<t> keeps every bit.
 */
#ifndef KERNELS_EXACT_CAST_H
#define KERNELS_EXACT_CAST_H

/* dtype, stored as, computes as, value of stored v */
#define X_LOADS(X)                                                                                 \
    X(f32, float, float, v)                                                                        \
    X(f16, u16, float, x_from_f16(v))                                                              \
    X(bf16, u16, float, x_from_bf16(v))                                                            \
    X(f8e4m3fn, u8, float, x_from_f8e4m3fn(v))                                                     \
    X(f8e5m2, u8, float, x_from_f8e5m2(v))                                                         \
    X(c64, x_c64, x_c64, v)                                                                        \
    X(i8, i8, i64, v)                                                                              \
    X(i16, i16, i64, v)                                                                            \
    X(i32, i32, i64, v)                                                                            \
    X(i64, i64, i64, v)                                                                            \
    X(u8, u8, i64, v)                                                                              \
    X(u16, u16, i64, v)                                                                            \
    X(u32, u32, i64, v)                                                                            \
    X(u64, u64, u64, v)                                                                            \
    X(b8, u8, i32, v != 0)
#define X_LOAD(id, stored, type, value)                                                            \
    X_FN type x_load_##id(stored v)                                                                \
    {                                                                                              \
        return value;                                                                              \
    }
X_LOADS(X_LOAD)
#ifdef X_F64
X_LOAD(f64, double, double, v)
X_LOAD(c128, x_c128, x_c128, v)
#endif

/* A float becomes an integer type R within [LOW, HIGH]; END is HIGH + 1, a power of two: comparing
 * with it is exact. What is converted is in range, whatever v is. */
#define X_SATURATE(from, T, id, R, LOW, HIGH, END)                                                 \
    X_FN R x_cast_##from##_##id(T v)                                                               \
    {                                                                                              \
        T in = v > (T)(LOW) && v < (T)(END) ? v : (T)0;                                            \
        R r = v <= (T)(LOW) ? (LOW) : (R)in;                                                       \
        return v >= (T)(END) ? (HIGH) : r;                                                         \
    }
#define X_SATURATES(from, T)                                                                       \
    X_SATURATE(from, T, i8, i8, -128, 127, 128)                                                    \
    X_SATURATE(from, T, i16, i16, -32768, 32767, 32768)                                            \
    X_SATURATE(from, T, i32, i32, -2147483647 - 1, 2147483647, 2147483648ul)                       \
    X_SATURATE(from, T, i64, i64, -9223372036854775807l - 1, 9223372036854775807l,                 \
               9223372036854775808ul)                                                              \
    X_SATURATE(from, T, u8, u8, 0, 255, 256)                                                       \
    X_SATURATE(from, T, u16, u16, 0, 65535, 65536)                                                 \
    X_SATURATE(from, T, u32, u32, 0, 4294967295u, 4294967296ul)                                    \
    X_SATURATE(from, T, u64, u64, 0, 18446744073709551615ul, 0x1p64f)

#define X_CAST(from, T, id, R, value)                                                              \
    X_FN R x_cast_##from##_##id(T v)                                                               \
    {                                                                                              \
        return (value);                                                                            \
    }
/* floats of 16 and 8 bits, and b8, from any real type */
#define X_NARROW(from, T)                                                                          \
    X_CAST(from, T, f16, u16, (u16)x_to_f16((float)v))                                             \
    X_CAST(from, T, bf16, u16, (u16)x_to_bf16((float)v))                                           \
    X_CAST(from, T, f8e4m3fn, u8, (u8)x_to_f8e4m3fn((float)v))                                     \
    X_CAST(from, T, f8e5m2, u8, (u8)x_to_f8e5m2((float)v))                                         \
    X_CAST(from, T, b8, i32, v != (T)0)
#define X_WRAPS(from, T)                                                                           \
    X_CAST(from, T, i8, i8, (i8)v)                                                                 \
    X_CAST(from, T, i16, i16, (i16)v)                                                              \
    X_CAST(from, T, i32, i32, (i32)v)                                                              \
    X_CAST(from, T, i64, i64, (i64)v)                                                              \
    X_CAST(from, T, u8, u8, (u8)v)                                                                 \
    X_CAST(from, T, u16, u16, (u16)v)                                                              \
    X_CAST(from, T, u32, u32, (u32)v)                                                              \
    X_CAST(from, T, u64, u64, (u64)v)

X_NARROW(f32, float)
X_SATURATES(f32, float)
X_CAST(f32, float, f32, float, v)
X_NARROW(i64, i64)
X_WRAPS(i64, i64)
X_CAST(i64, i64, f32, float, (float)v)
X_NARROW(u64, u64)
X_WRAPS(u64, u64)
X_CAST(u64, u64, f32, float, (float)v)
X_NARROW(b8, i32)
X_WRAPS(b8, i32)
X_CAST(b8, i32, f32, float, (float)v)
#ifdef X_F64
X_NARROW(f64, double)
X_SATURATES(f64, double)
X_CAST(f64, double, f64, double, v)
X_CAST(f64, double, f32, float, x_canon((float)v))
X_CAST(f32, float, f64, double, x_canon64((double)v))
X_CAST(i64, i64, f64, double, (double)v)
X_CAST(u64, u64, f64, double, (double)v)
X_CAST(b8, i32, f64, double, (double)v)
#endif

/* real to complex */
#define X_TO_C64(from, T)                                                                          \
    X_FN x_c64 x_cast_##from##_c64(T v)                                                            \
    {                                                                                              \
        return x_make_c(x_canon(x_cast_##from##_f32(v)), 0.0f);                                    \
    }
#define X_TO_C128(from, T)                                                                         \
    X_FN x_c128 x_cast_##from##_c128(T v)                                                          \
    {                                                                                              \
        return x_make_z(x_canon64(x_cast_##from##_f64(v)), 0.0);                                   \
    }
X_TO_C64(f32, float)
X_TO_C64(i64, i64)
X_TO_C64(u64, u64)
X_TO_C64(b8, i32)
#ifdef X_F64
X_TO_C64(f64, double)
X_TO_C128(f32, float)
X_TO_C128(f64, double)
X_TO_C128(i64, i64)
X_TO_C128(u64, u64)
X_TO_C128(b8, i32)
#endif

/* complex to real: by the real part, of type `part` */
#define X_FROM_COMPLEX(from, T, part)                                                              \
    X_CAST(from, T, f16, u16, x_cast_##part##_f16(v.re))                                           \
    X_CAST(from, T, bf16, u16, x_cast_##part##_bf16(v.re))                                         \
    X_CAST(from, T, f8e4m3fn, u8, x_cast_##part##_f8e4m3fn(v.re))                                  \
    X_CAST(from, T, f8e5m2, u8, x_cast_##part##_f8e5m2(v.re))                                      \
    X_CAST(from, T, i8, i8, x_cast_##part##_i8(v.re))                                              \
    X_CAST(from, T, i16, i16, x_cast_##part##_i16(v.re))                                           \
    X_CAST(from, T, i32, i32, x_cast_##part##_i32(v.re))                                           \
    X_CAST(from, T, i64, i64, x_cast_##part##_i64(v.re))                                           \
    X_CAST(from, T, u8, u8, x_cast_##part##_u8(v.re))                                              \
    X_CAST(from, T, u16, u16, x_cast_##part##_u16(v.re))                                           \
    X_CAST(from, T, u32, u32, x_cast_##part##_u32(v.re))                                           \
    X_CAST(from, T, u64, u64, x_cast_##part##_u64(v.re))                                           \
    X_CAST(from, T, b8, i32, (v.re != 0) | (v.im != 0))
X_FROM_COMPLEX(c64, x_c64, f32)
X_CAST(c64, x_c64, f32, float, x_canon(v.re))
X_CAST(c64, x_c64, c64, x_c64, v)
#ifdef X_F64
X_CAST(c64, x_c64, f64, double, x_cast_f32_f64(v.re))
X_CAST(c64, x_c64, c128, x_c128, x_make_z(x_cast_f32_f64(v.re), x_cast_f32_f64(v.im)))
X_FROM_COMPLEX(c128, x_c128, f64)
X_CAST(c128, x_c128, f32, float, x_cast_f64_f32(v.re))
X_CAST(c128, x_c128, f64, double, x_canon64(v.re))
X_CAST(c128, x_c128, c64, x_c64, x_make_c(x_cast_f64_f32(v.re), x_cast_f64_f32(v.im)))
X_CAST(c128, x_c128, c128, x_c128, v)
#endif

#endif
