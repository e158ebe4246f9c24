/* interp_io.c - elements of every dtype into columns and back, by kernels/exact_cast.h. */
#include "runtime/interp.h"

#include "kernels/exact_c.h"

/* dtype, as it is stored, the type it computes in */
#define ELEMENTS(X)                                                                                \
    X(F32, f32, float, float)                                                                      \
    X(F64, f64, double, double)                                                                    \
    X(F16, f16, u16, float)                                                                        \
    X(BF16, bf16, u16, float)                                                                      \
    X(F8E4M3FN, f8e4m3fn, u8, float)                                                               \
    X(F8E5M2, f8e5m2, u8, float)                                                                   \
    X(C64, c64, x_c64, x_c64)                                                                      \
    X(C128, c128, x_c128, x_c128)                                                                  \
    X(I8, i8, int8_t, int64_t)                                                                     \
    X(I16, i16, int16_t, int64_t)                                                                  \
    X(I32, i32, int32_t, int64_t)                                                                  \
    X(I64, i64, int64_t, int64_t)                                                                  \
    X(U8, u8, uint8_t, int64_t)                                                                    \
    X(U16, u16, uint16_t, int64_t)                                                                 \
    X(U32, u32, uint32_t, int64_t)                                                                 \
    X(U64, u64, uint64_t, uint64_t)                                                                \
    X(B8, b8, uint8_t, int32_t)
/* Those whose movement takes functions of its own. */
#define MOVED(X)                                                                                   \
    X(F16, f16, u16, float)                                                                        \
    X(BF16, bf16, u16, float)                                                                      \
    X(F8E5M2, f8e5m2, u8, float)

#define LOAD(id, stored, type, convert)                                                            \
    static void id(int64_t n, const void *base, const int64_t *at, void *out)                      \
    {                                                                                              \
        const stored *x = base;                                                                    \
        type *o = out;                                                                             \
        for (int64_t i = 0; i < n; i++) o[i] = convert(x[at[i]]);                                  \
    }
#define X(dtype, id, stored, type) LOAD(load_##id, stored, type, x_load_##id)
ELEMENTS(X)
#undef X
#define X(dtype, id, stored, type) LOAD(move_from_##id, stored, type, x_move_from_##id)
MOVED(X)
#undef X

static const struct interp_load loads[DTYPE_END] = {
#define X(dtype, id, stored, type) [DTYPE_##dtype] = {load_##id},
    ELEMENTS(X)
#undef X
};
static const struct interp_load moving_loads[DTYPE_END] = {
#define X(dtype, id, stored, type) [DTYPE_##dtype] = {move_from_##id},
    MOVED(X)
#undef X
};

const struct interp_load *interp_load(enum dtype dtype, bool moves)
{
    return moves && moving_loads[dtype].run ? &moving_loads[dtype] : &loads[dtype];
}

#define STORE(id, from, stored, convert)                                                           \
    static void id(int64_t n, const struct columns *in, void *base, const int64_t *at)             \
    {                                                                                              \
        const from *v = in->p[0];                                                                  \
        stored *x = base;                                                                          \
        for (int64_t i = 0; i < n; i++) x[at[i]] = (stored)convert(v[i * in->step[0]]);            \
    }
#define STORE_STRUCT(id, from, stored, convert)                                                    \
    static void id(int64_t n, const struct columns *in, void *base, const int64_t *at)             \
    {                                                                                              \
        const from *v = in->p[0];                                                                  \
        stored *x = base;                                                                          \
        for (int64_t i = 0; i < n; i++) x[at[i]] = convert(v[i * in->step[0]]);                    \
    }
#define REAL_STORES(f, from)                                                                       \
    STORE(f##_f32, from, float, x_cast_##f##_f32)                                                  \
    STORE(f##_f64, from, double, x_cast_##f##_f64)                                                 \
    STORE(f##_f16, from, u16, x_cast_##f##_f16)                                                    \
    STORE(f##_bf16, from, u16, x_cast_##f##_bf16)                                                  \
    STORE(f##_f8e4m3fn, from, u8, x_cast_##f##_f8e4m3fn)                                           \
    STORE(f##_f8e5m2, from, u8, x_cast_##f##_f8e5m2)                                               \
    STORE_STRUCT(f##_c64, from, x_c64, x_cast_##f##_c64)                                           \
    STORE_STRUCT(f##_c128, from, x_c128, x_cast_##f##_c128)                                        \
    STORE(f##_i8, from, int8_t, x_cast_##f##_i8)                                                   \
    STORE(f##_i16, from, int16_t, x_cast_##f##_i16)                                                \
    STORE(f##_i32, from, int32_t, x_cast_##f##_i32)                                                \
    STORE(f##_i64, from, int64_t, x_cast_##f##_i64)                                                \
    STORE(f##_u8, from, uint8_t, x_cast_##f##_u8)                                                  \
    STORE(f##_u16, from, uint16_t, x_cast_##f##_u16)                                               \
    STORE(f##_u32, from, uint32_t, x_cast_##f##_u32)                                               \
    STORE(f##_u64, from, uint64_t, x_cast_##f##_u64)                                               \
    STORE(f##_b8, from, uint8_t, x_cast_##f##_b8)
REAL_STORES(f32, float)
REAL_STORES(f64, double)
REAL_STORES(i64, int64_t)
REAL_STORES(u64, uint64_t)
REAL_STORES(b8, int32_t)
REAL_STORES(c64, x_c64)
REAL_STORES(c128, x_c128)
#define X(dtype, id, stored, type) STORE(move_to_##id, float, stored, x_move_to_##id)
MOVED(X)
#undef X

static const struct interp_store stores[NEST_TYPES][DTYPE_END] = {
#define X(dtype, id, stored, type)                                                                 \
    [NEST_F32][DTYPE_##dtype] = {f32_##id}, [NEST_F64][DTYPE_##dtype] = {f64_##id},                \
    [NEST_I64][DTYPE_##dtype] = {i64_##id}, [NEST_U64][DTYPE_##dtype] = {u64_##id},                \
    [NEST_B][DTYPE_##dtype] = {b8_##id}, [NEST_C64][DTYPE_##dtype] = {c64_##id},                   \
    [NEST_C128][DTYPE_##dtype] = {c128_##id},
    ELEMENTS(X)
#undef X
};
static const struct interp_store moving_stores[DTYPE_END] = {
#define X(dtype, id, stored, type) [DTYPE_##dtype] = {move_to_##id},
    MOVED(X)
#undef X
};

const struct interp_store *interp_store(enum nest_type type, enum dtype dtype, bool moves)
{
    bool own = moves && type == NEST_F32 && moving_stores[dtype].run;
    return own ? &moving_stores[dtype] : &stores[type][dtype];
}
