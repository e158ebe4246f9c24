/* dtype_cast.c - casts through one of three carriers: double, a pair of doubles, 64-bit integer.
 *
 *   src --load--> carrier --store--> dst      256 elements at a time
 *
 * Every dtype's values fit one carrier exactly, so 17 loaders and 17 storers do 289 casts, and only
 * the storer rounds.
 */
#include "store/base/dtype.h"

#include "store/base/half.h"

enum { CHUNK = 256 };

enum carrier { REAL, PAIR, INT, UINT };

struct chunk {
    enum carrier carrier;
    size_t n;
    double f[2 * CHUNK]; /* REAL: n numbers, PAIR: 2 n */
    int64_t i[CHUNK];    /* INT; UINT keeps the bits of a uint64_t here */
};

/* dtype, C type of a stored number, its value as a double */
#define FLOATS(X)                                                                                  \
    X(F64, double, v)                                                                              \
    X(F32, float, (double)v)                                                                       \
    X(F16, uint16_t, (double)half_f32_of_f16(v))                                                   \
    X(BF16, uint16_t, (double)half_f32_of_bf16(v))                                                 \
    X(F8E4M3FN, uint8_t, (double)half_f32_of_f8e4m3fn(v))                                          \
    X(F8E5M2, uint8_t, (double)half_f32_of_f8e5m2(v))

/* dtype, C type, smallest and largest value */
#define INTEGERS(X)                                                                                \
    X(I8, int8_t, INT8_MIN, INT8_MAX)                                                              \
    X(I16, int16_t, INT16_MIN, INT16_MAX)                                                          \
    X(I32, int32_t, INT32_MIN, INT32_MAX)                                                          \
    X(I64, int64_t, INT64_MIN, INT64_MAX)                                                          \
    X(U8, uint8_t, 0, UINT8_MAX)                                                                   \
    X(U16, uint16_t, 0, UINT16_MAX)                                                                \
    X(U32, uint32_t, 0, UINT32_MAX)                                                                \
    X(U64, uint64_t, 0, UINT64_MAX)

/* The number at index k of an array that may lie anywhere. */
#define AT(type, src, k)                                                                           \
    ({                                                                                             \
        type at_;                                                                                  \
        memcpy(&at_, (const char *)(src) + (k) * sizeof at_, sizeof at_);                          \
        at_;                                                                                       \
    })
#define PUT(type, dst, k, value)                                                                   \
    do {                                                                                           \
        type put_ = (value);                                                                       \
        memcpy((char *)(dst) + (k) * sizeof put_, &put_, sizeof put_);                             \
    } while (0)

#define X(id, type, value)                                                                         \
    static void load_##id(const void *src, size_t n, double *out)                                  \
    {                                                                                              \
        for (size_t k = 0; k < n; k++) {                                                           \
            type v = AT(type, src, k);                                                             \
            out[k] = value;                                                                        \
        }                                                                                          \
    }
FLOATS(X)
#undef X

#define X(id, type, low, high)                                                                     \
    static void load_##id(const void *src, size_t n, int64_t *out)                                 \
    {                                                                                              \
        for (size_t k = 0; k < n; k++) out[k] = (int64_t)AT(type, src, k);                         \
    }
INTEGERS(X)
#undef X

static void load_B8(const void *src, size_t n, int64_t *out)
{
    for (size_t k = 0; k < n; k++) out[k] = AT(uint8_t, src, k) != 0;
}

void dtype_load_i64(enum dtype t, const void *src, size_t n, int64_t *out)
{
    switch (t) {
#define X(id, type, low, high)                                                                     \
    case DTYPE_##id: load_##id(src, n, out); return;
        INTEGERS(X)
#undef X
    case DTYPE_B8: load_B8(src, n, out); return;
    default: REQUIRE("dtype:integer", dtype_is_integer(t));
    }
}

static void load_integers_f64(enum dtype t, const char *src, size_t n, double *out)
{
    int64_t i[CHUNK];
    for (size_t at = 0, m; at < n; at += m) {
        m = n - at < CHUNK ? n - at : CHUNK;
        dtype_load_i64(t, src + at * dtype_size(t), m, i);
        for (size_t k = 0; k < m; k++)
            out[at + k] = t == DTYPE_U64 ? (double)(uint64_t)i[k] : (double)i[k];
    }
}

void dtype_load_f64(enum dtype t, const void *src, size_t n, double *out)
{
    switch (t) {
#define X(id, type, value)                                                                         \
    case DTYPE_##id: load_##id(src, n, out); return;
        FLOATS(X)
#undef X
    case DTYPE_C64: load_F32(src, 2 * n, out); return;
    case DTYPE_C128: load_F64(src, 2 * n, out); return;
    default: load_integers_f64(t, src, n, out);
    }
}

static void load(enum dtype t, const void *src, struct chunk *c)
{
    enum dtype_kind kind = dtype_kind(t);
    c->carrier = kind == DTYPE_COMPLEX  ? PAIR
                 : kind >= DTYPE_FLOAT8 ? REAL
                 : t == DTYPE_U64       ? UINT
                                        : INT;
    if (c->carrier == INT || c->carrier == UINT) dtype_load_i64(t, src, c->n, c->i);
    else dtype_load_f64(t, src, c->n, c->f);
}

/* A NaN of any sign and payload is stored as one. */
static double plain_f64(double v)
{
    return v != v ? __builtin_nan("") : v;
}
static float plain_f32(float v)
{
    return v != v ? __builtin_nanf("") : v;
}

/* dtype, C type, how `v` is stored: a double, or an integer, which is rounded once */
#define STORED(X)                                                                                  \
    X(F64, double, plain_f64((double)v))                                                           \
    X(F32, float, plain_f32((float)v))                                                             \
    X(F16, uint16_t, half_f16_of_f32((float)v))                                                    \
    X(BF16, uint16_t, half_bf16_of_f32((float)v))                                                  \
    X(F8E4M3FN, uint8_t, half_f8e4m3fn_of_f32((float)v))                                           \
    X(F8E5M2, uint8_t, half_f8e5m2_of_f32((float)v))

/* `v` of the chunk's number k, real part only, handed to the statement. */
#define EACH(c, ...)                                                                               \
    for (size_t k = 0; k < (c)->n; k++) switch ((c)->carrier) {                                    \
        case REAL: {                                                                               \
            double v = (c)->f[k];                                                                  \
            __VA_ARGS__;                                                                           \
        } break;                                                                                   \
        case PAIR: {                                                                               \
            double v = (c)->f[2 * k];                                                              \
            __VA_ARGS__;                                                                           \
        } break;                                                                                   \
        case INT: {                                                                                \
            int64_t v = (c)->i[k];                                                                 \
            __VA_ARGS__;                                                                           \
        } break;                                                                                   \
        case UINT: {                                                                               \
            uint64_t v = (uint64_t)(c)->i[k];                                                      \
            __VA_ARGS__;                                                                           \
        } break;                                                                                   \
        }

#define X(id, type, value)                                                                         \
    static void store_##id(const struct chunk *c, void *dst)                                       \
    {                                                                                              \
        EACH(c, PUT(type, dst, k, value))                                                          \
    }
STORED(X)
#undef X

/* 2^digits is the first double above `high`; comparing with it is exact, with `high` it is not. */
#define X(id, type, low, high)                                                                     \
    static type clamp_##id(double v)                                                               \
    {                                                                                              \
        if (v != v) return 0;                                                                      \
        if (v <= (double)(low)) return (low);                                                      \
        return v >= ((double)((high) / 2 + 1)) * 2 ? (high) : (type)v;                             \
    }                                                                                              \
    static void store_##id(const struct chunk *c, void *dst)                                       \
    {                                                                                              \
        for (size_t k = 0; k < c->n; k++) {                                                        \
            bool integer = c->carrier == INT || c->carrier == UINT;                                \
            size_t at = c->carrier == PAIR ? 2 * k : k;                                            \
            PUT(type, dst, k, integer ? (type)c->i[k] : clamp_##id(c->f[at]));                     \
        }                                                                                          \
    }
INTEGERS(X)
#undef X

static void store_B8(const struct chunk *c, void *dst)
{
    for (size_t k = 0; k < c->n; k++) {
        bool v = c->carrier == PAIR   ? c->f[2 * k] != 0 || c->f[2 * k + 1] != 0
                 : c->carrier == REAL ? c->f[k] != 0
                                      : c->i[k] != 0;
        PUT(uint8_t, dst, k, v);
    }
}

#define X(id, type, value)                                                                         \
    static void store_##id(const struct chunk *c, void *dst)                                       \
    {                                                                                              \
        EACH(c, PUT(type, dst, 2 * k, value))                                                      \
        for (size_t k = 0; k < c->n; k++) {                                                        \
            double v = c->carrier == PAIR ? c->f[2 * k + 1] : 0;                                   \
            PUT(type, dst, 2 * k + 1, value);                                                      \
        }                                                                                          \
    }
X(C64, float, plain_f32((float)v))
X(C128, double, plain_f64((double)v))
#undef X

static void (*const storers[DTYPE_END])(const struct chunk *, void *) = {
#define X(id, code, name, torch, size, kind) [DTYPE_##id] = store_##id,
    DTYPES(X)
#undef X
};

void dtype_cast(enum dtype from, const void *src, enum dtype to, void *dst, size_t n)
{
    size_t in = dtype_size(from), out = dtype_size(to);
    struct chunk c;
    if (from == to) {
        if (n) memcpy(dst, src, n * in);
        return;
    }
    for (size_t at = 0; at < n; at += c.n) {
        c.n = n - at < CHUNK ? n - at : CHUNK;
        load(from, (const char *)src + at * in, &c);
        storers[to](&c, (char *)dst + at * out);
    }
}
