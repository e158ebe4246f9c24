/* test_exact_cast.c - conversions of the kernel texts against those of store/base. */
#include "tests/unit/unit.h"

#include <math.h>

#include "kernels/exact_c.h"
#include "store/base/dtype.h"
#include "store/base/half.h"

/* PLUMB_EXACT_ALL=1: all 2^32 floats; else each 1009th, and those beside every border. */
static void narrow(u32 u)
{
    float v = x_asf(u);
    if (x_to_f16(v) != half_f16_of_f32(v) || x_to_bf16(v) != half_bf16_of_f32(v) ||
        x_to_f8e4m3fn(v) != half_f8e4m3fn_of_f32(v) || x_to_f8e5m2(v) != half_f8e5m2_of_f32(v))
        fail_msg("%a (%08x) is narrowed otherwise", v, u);
}
static void test_narrowing_equals_half_h(void **state)
{
    (void)state;
    uint64_t step = getenv("PLUMB_EXACT_ALL") ? 1 : 1009;
    for (uint64_t u = 0; u < 1ull << 32; u += step) narrow((u32)u);
    /* a format with m bits has its values and its ties at multiples of 2^(22 - m) */
    for (u32 u = 0; u < 1u << 20; u++)
        for (u32 d = 0; d < 3; d++) narrow((u << 12) + d - 1);
}
static void test_widening_equals_half_h(void **state)
{
    (void)state;
    for (u32 h = 0; h < 65536; h++) {
        assert_int_equal(x_asu(x_from_f16(h)), half_bits(half_f32_of_f16((uint16_t)h)));
        assert_int_equal(x_asu(x_from_bf16(h)), half_bits(half_f32_of_bf16((uint16_t)h)));
    }
    for (u32 c = 0; c < 256; c++) {
        assert_int_equal(x_asu(x_from_f8e5m2(c)), half_bits(half_f32_of_f8e5m2((uint8_t)c)));
        assert_int_equal(x_asu(x_from_f8e4m3fn(c)), half_bits(half_f32_of_f8e4m3fn((uint8_t)c)));
    }
}

/* dtype, its name in the texts, how it is stored, the type it computes in */
#define DTYPES_OF_TEXTS(X)                                                                         \
    X(F64, f64, double, f64)                                                                       \
    X(F32, f32, float, f32)                                                                        \
    X(F16, f16, u16, f32)                                                                          \
    X(BF16, bf16, u16, f32)                                                                        \
    X(F8E4M3FN, f8e4m3fn, u8, f32)                                                                 \
    X(F8E5M2, f8e5m2, u8, f32)                                                                     \
    X(C64, c64, x_c64, c64)                                                                        \
    X(C128, c128, x_c128, c128)                                                                    \
    X(I8, i8, i8, i64)                                                                             \
    X(I16, i16, i16, i64)                                                                          \
    X(I32, i32, i32, i64)                                                                          \
    X(I64, i64, i64, i64)                                                                          \
    X(U8, u8, u8, i64)                                                                             \
    X(U16, u16, u16, i64)                                                                          \
    X(U32, u32, u32, i64)                                                                          \
    X(U64, u64, u64, u64)                                                                          \
    X(B8, b8, u8, b8)

/* Conversions are named after types that compute; each by each makes 7 x 17. */
#define TO(from, id, name, stored)                                                                 \
    case DTYPE_##id: {                                                                             \
        stored got = (stored)x_cast_##from##_##name(v);                                            \
        memcpy(out, &got, sizeof got);                                                             \
        break;                                                                                     \
    }
#define TO_STRUCT(from, id, name, stored)                                                          \
    case DTYPE_##id: {                                                                             \
        stored got = x_cast_##from##_##name(v);                                                    \
        memcpy(out, &got, sizeof got);                                                             \
        break;                                                                                     \
    }
#define CAST_FROM(from, T)                                                                         \
    static void cast_##from(T v, enum dtype to, void *out)                                         \
    {                                                                                              \
        switch (to) {                                                                              \
            TO(from, F64, f64, double)                                                             \
            TO(from, F32, f32, float)                                                              \
            TO(from, F16, f16, u16)                                                                \
            TO(from, BF16, bf16, u16)                                                              \
            TO(from, F8E4M3FN, f8e4m3fn, u8)                                                       \
            TO(from, F8E5M2, f8e5m2, u8)                                                           \
            TO_STRUCT(from, C64, c64, x_c64)                                                       \
            TO_STRUCT(from, C128, c128, x_c128)                                                    \
            TO(from, I8, i8, i8)                                                                   \
            TO(from, I16, i16, i16)                                                                \
            TO(from, I32, i32, i32)                                                                \
            TO(from, I64, i64, i64)                                                                \
            TO(from, U8, u8, u8)                                                                   \
            TO(from, U16, u16, u16)                                                                \
            TO(from, U32, u32, u32)                                                                \
            TO(from, U64, u64, u64)                                                                \
            TO(from, B8, b8, u8)                                                                   \
        default: fail();                                                                           \
        }                                                                                          \
    }
CAST_FROM(f32, float)
CAST_FROM(f64, double)
CAST_FROM(i64, i64)
CAST_FROM(u64, u64)
CAST_FROM(b8, i32)
CAST_FROM(c64, x_c64)
CAST_FROM(c128, x_c128)

static void cast(enum dtype from, const void *in, enum dtype to, void *out)
{
    switch (from) {
#define X(id, name, stored, type)                                                                  \
    case DTYPE_##id: {                                                                             \
        stored v;                                                                                  \
        memcpy(&v, in, sizeof v);                                                                  \
        cast_##type(x_load_##name(v), to, out);                                                    \
        break;                                                                                     \
    }
        DTYPES_OF_TEXTS(X)
#undef X
    default: fail();
    }
    /* f16 to f32 and the like compute nothing in the texts; a cast operator makes NaN canonical */
    float v;
    memcpy(&v, out, sizeof v);
    if (to == DTYPE_F32 && v != v) v = x_canon(v), memcpy(out, &v, sizeof v);
}

/* Borders of every range, as bits of f64; then arbitrary bits. */
static void sample(enum dtype from, int k, void *out)
{
    static const double border[] = {0,
                                    0.5,
                                    0.99,
                                    1,
                                    1.5,
                                    127,
                                    127.5,
                                    128,
                                    255.9,
                                    256,
                                    32767.5,
                                    65535.5,
                                    2147483647,
                                    2147483648,
                                    4294967295.5,
                                    4294967296,
                                    0x1p63,
                                    0x1.fffffffffffffp62,
                                    0x1p64,
                                    0x1.fffffffffffffp63,
                                    448,
                                    464,
                                    57344,
                                    61440,
                                    65504,
                                    65520,
                                    1e39,
                                    0x1p-149,
                                    0x1p-150,
                                    1e300,
                                    INFINITY,
                                    NAN};
    enum { N = sizeof border / sizeof *border };
    u64 bits[2] = {x_philox(1, 2, (u64)k).w0 | (u64)x_philox(3, 4, (u64)k).w0 << 32, (u64)k * 77};
    double v = k % 2 ? border[k / 2 % N] : -border[k / 2 % N];
    if (k >= 2 * N) {
        memcpy(out, bits, dtype_size(from));
        return;
    }
    dtype_cast(DTYPE_F64, &v, from, out, 1);
}
static void test_conversions_equal_dtype_cast(void **state)
{
    (void)state;
    for (enum dtype from = DTYPE_F64; from < DTYPE_END; from++)
        for (enum dtype to = DTYPE_F64; to < DTYPE_END; to++)
            for (int k = 0; k < 3000 && from != to; k++) {
                char in[16] = {0}, got[16] = {0}, want[16] = {0};
                sample(from, k, in);
                cast(from, in, to, got);
                dtype_cast(from, in, to, want, 1);
                if (memcmp(got, want, dtype_size(to)))
                    fail_msg("%s to %s, sample %d", dtype_name(from), dtype_name(to), k);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_narrowing_equals_half_h),
        cmocka_unit_test(test_widening_equals_half_h),
        cmocka_unit_test(test_conversions_equal_dtype_cast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
