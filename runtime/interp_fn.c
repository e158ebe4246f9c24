/* interp_fn.c - functions and conversions of columns: the kernels' own texts in loops. */
#include "runtime/interp.h"

#include "kernels/exact_c.h"

/* Of each type: what its functions' names end in, its C type, its real type. */
#define NAME_f32(name)  x_##name
#define NAME_f64(name)  x_##name##64
#define NAME_i64(name)  x_##name##_i
#define NAME_u64(name)  x_##name##_u
#define NAME_b8(name)   x_##name##_b
#define NAME_c64(name)  x_##name##_c
#define NAME_c128(name) x_##name##_z
#define C_f32           float
#define C_f64           double
#define C_i64           int64_t
#define C_u64           uint64_t
#define C_b8            int32_t
#define C_c64           x_c64
#define C_c128          x_c128
#define REAL_c64        float
#define REAL_c128       double

/* One loop of each number of arguments; `call` sees a, b and c. */
#define LOOP(id, A, R, count, call)                                                                \
    static void id(int64_t n, const struct columns *in, void *out)                                 \
    {                                                                                              \
        R *o = out;                                                                                \
        for (int64_t i = 0; i < n; i++) {                                                          \
            GET_##count(A);                                                                        \
            o[i] = (call);                                                                         \
        }                                                                                          \
    }
#define GET(k, A) ((const A *)in->p[k])[i * in->step[k]]
#define GET_1(A)  A a = GET(0, A)
#define GET_2(A)  A a = GET(0, A), b = GET(1, A)
#define GET_3(A)  A a = GET(0, A), b = GET(1, A), c = GET(2, A)

#define ONE(t, name)      LOOP(name##_##t, C_##t, C_##t, 1, NAME_##t(name)(a))
#define TWO(t, name)      LOOP(name##_##t, C_##t, C_##t, 2, NAME_##t(name)(a, b))
#define ASK(t, name)      LOOP(name##_##t, C_##t, int32_t, 1, NAME_##t(name)(a))
#define PART(t, name)     LOOP(name##_##t, C_##t, REAL_##t, 1, NAME_##t(name)(a))
#define SIGN(t, name, op) LOOP(name##_##t, C_##t, C_##t, 2, a op b)
#define TEST(t, name, op) LOOP(name##_##t, C_##t, int32_t, 2, a op b)
#define WHERE(t)                                                                                   \
    static void where_##t(int64_t n, const struct columns *in, void *out)                          \
    {                                                                                              \
        C_##t *o = out;                                                                            \
        for (int64_t i = 0; i < n; i++) o[i] = GET(0, int32_t) ? GET(1, C_##t) : GET(2, C_##t);    \
    }

/* The functions of each type by their form: X(t, name). */
#define FLOAT_ONE(X, t)                                                                            \
    X(t, canon)                                                                                    \
    X(t, exp)                                                                                      \
    X(t, exp2)                                                                                     \
    X(t, expm1)                                                                                    \
    X(t, log)                                                                                      \
    X(t, log2)                                                                                     \
    X(t, log10)                                                                                    \
    X(t, log1p)                                                                                    \
    X(t, sin)                                                                                      \
    X(t, cos)                                                                                      \
    X(t, tan)                                                                                      \
    X(t, asin)                                                                                     \
    X(t, acos)                                                                                     \
    X(t, atan)                                                                                     \
    X(t, sinh)                                                                                     \
    X(t, cosh)                                                                                     \
    X(t, tanh)                                                                                     \
    X(t, erf)                                                                                      \
    X(t, erfc)                                                                                     \
    X(t, sigmoid)                                                                                  \
    X(t, gelu)                                                                                     \
    X(t, gelu_tanh)                                                                                \
    X(t, sqrt) X(t, rsqrt) X(t, abs) X(t, sign) X(t, floor) X(t, ceil) X(t, trunc) X(t, round)
#define FLOAT_TWO(X, t)                                                                            \
    X(t, pow)                                                                                      \
    X(t, fmod) X(t, remainder) X(t, floordiv) X(t, atan2) X(t, copysign) X(t, max) X(t, min)
#define FLOAT_ASK(X, t) X(t, isnan) X(t, isinf) X(t, isfinite) X(t, signbit)
#define WHOLE_ONE(X, t)                                                                            \
    X(t, abs) X(t, sign) X(t, floor) X(t, ceil) X(t, trunc) X(t, round) X(t, not ) X(t, neg)
#define WHOLE_TWO(X, t)                                                                            \
    X(t, pow)                                                                                      \
    X(t, fmod)                                                                                     \
    X(t, remainder)                                                                                \
    X(t, floordiv)                                                                                 \
    X(t, max)                                                                                      \
    X(t, min)                                                                                      \
    X(t, and) X(t, or) X(t, xor) X(t, shl) X(t, shr) X(t, add) X(t, sub) X(t, mul) X(t, div)
#define TRUTH_TWO(X, t) X(t, max) X(t, min) X(t, and) X(t, or) X(t, xor)
#define COMPLEX_ONE(X, t)                                                                          \
    X(t, canon) X(t, exp) X(t, log) X(t, sin) X(t, cos) X(t, sqrt) X(t, conj) X(t, neg)
#define COMPLEX_TWO(X, t)  X(t, add) X(t, sub) X(t, mul) X(t, div)
#define COMPLEX_PART(X, t) X(t, abs) X(t, real) X(t, imag)
#define COMPLEX_ASK(X, t)  X(t, isnan) X(t, isinf) X(t, isfinite)

#define TESTS(t)                                                                                   \
    TEST(t, lt, <) TEST(t, le, <=) TEST(t, gt, >) TEST(t, ge, >=) TEST(t, eq, ==) TEST(t, ne, !=)
#define FLOATS(t)                                                                                  \
    FLOAT_ONE(ONE, t)                                                                              \
    FLOAT_TWO(TWO, t)                                                                              \
    FLOAT_ASK(ASK, t)                                                                              \
    SIGN(t, add, +)                                                                                \
    SIGN(t, sub, -)                                                                                \
    SIGN(t, mul, *)                                                                                \
    SIGN(t, div, /)                                                                                \
    LOOP(neg_##t, C_##t, C_##t, 1, -a)                                                             \
    LOOP(fma_##t, C_##t, C_##t, 3, NAME_##t(fma)(a, b, c)) TESTS(t) WHERE(t)
#define WHOLES(t) WHOLE_ONE(ONE, t) WHOLE_TWO(TWO, t) TESTS(t) WHERE(t)
#define COMPLEXES(t)                                                                               \
    COMPLEX_ONE(ONE, t)                                                                            \
    COMPLEX_TWO(TWO, t)                                                                            \
    COMPLEX_PART(PART, t)                                                                          \
    COMPLEX_ASK(ASK, t)                                                                            \
    LOOP(eq_##t, C_##t, int32_t, 2, NAME_##t(eq)(a, b))                                            \
    LOOP(ne_##t, C_##t, int32_t, 2, !NAME_##t(eq)(a, b)) WHERE(t)

FLOATS(f32)
FLOATS(f64)
WHOLES(i64)
WHOLES(u64)
TRUTH_TWO(TWO, b8)
ONE(b8, not )
SIGN(b8, add, |)
SIGN(b8, mul, &)
TESTS(b8)
WHERE(b8)
COMPLEXES(c64)
COMPLEXES(c128)

#define T_f32  NEST_F32
#define T_f64  NEST_F64
#define T_i64  NEST_I64
#define T_u64  NEST_U64
#define T_b8   NEST_B
#define T_c64  NEST_C64
#define T_c128 NEST_C128

#define ROW(t, name) [NEST_FN_##name][T_##t] = {name##_##t},
#define TEST_ROWS(t) ROW(t, lt) ROW(t, le) ROW(t, gt) ROW(t, ge) ROW(t, eq) ROW(t, ne)
#define FLOAT_ROWS(t)                                                                              \
    FLOAT_ONE(ROW, t)                                                                              \
    FLOAT_TWO(ROW, t)                                                                              \
    FLOAT_ASK(ROW, t)                                                                              \
    ROW(t, add)                                                                                    \
    ROW(t, sub) ROW(t, mul) ROW(t, div) ROW(t, neg) ROW(t, fma) ROW(t, where) TEST_ROWS(t)
#define WHOLE_ROWS(t) WHOLE_ONE(ROW, t) WHOLE_TWO(ROW, t) TEST_ROWS(t) ROW(t, where)
#define COMPLEX_ROWS(t)                                                                            \
    COMPLEX_ONE(ROW, t)                                                                            \
    COMPLEX_TWO(ROW, t) COMPLEX_PART(ROW, t) COMPLEX_ASK(ROW, t) ROW(t, eq) ROW(t, ne) ROW(t, where)

static const struct interp_op calls[NEST_FNS][NEST_TYPES] = {
    FLOAT_ROWS(f32) FLOAT_ROWS(f64) WHOLE_ROWS(i64) WHOLE_ROWS(u64) TRUTH_TWO(ROW, b8) ROW(b8, not )
        ROW(b8, add) ROW(b8, mul) ROW(b8, where) TEST_ROWS(b8) COMPLEX_ROWS(c64)
            COMPLEX_ROWS(c128)};

const struct interp_op *interp_call(int fn, enum nest_type type)
{
    return &calls[fn][type];
}

/* ---- conversions ---- */

#define TYPES(X, f) X(f, f32) X(f, f64) X(f, i64) X(f, u64) X(f, b8) X(f, c64) X(f, c128)
#define CAST(f, t)  LOOP(cast_##f##_##t, C_##f, C_##t, 1, x_cast_##f##_##t(a))
TYPES(CAST, f32)
TYPES(CAST, f64)
TYPES(CAST, i64)
TYPES(CAST, u64)
TYPES(CAST, b8)
TYPES(CAST, c64)
TYPES(CAST, c128)
#define CAST_ROW(f, t) [T_##f][T_##t] = {cast_##f##_##t},

static const struct interp_op casts[NEST_TYPES][NEST_TYPES] = {
    TYPES(CAST_ROW, f32) TYPES(CAST_ROW, f64) TYPES(CAST_ROW, i64) TYPES(CAST_ROW, u64)
        TYPES(CAST_ROW, b8) TYPES(CAST_ROW, c64) TYPES(CAST_ROW, c128)};

const struct interp_op *interp_cast(enum nest_type from, enum nest_type to)
{
    return &casts[from][to];
}

static const struct interp_op canons[NEST_TYPES] = {[NEST_F32] = {canon_f32},
                                                    [NEST_F64] = {canon_f64},
                                                    [NEST_C64] = {canon_c64},
                                                    [NEST_C128] = {canon_c128}};

const struct interp_op *interp_canon(enum nest_type type)
{
    return &canons[type];
}

size_t interp_size(enum nest_type type)
{
    static const uint8_t size[] = {4, 8, 8, 8, 4, 8, 16};
    return size[type];
}

void interp_random(int kind, enum nest_type type, const struct random_key *key, int64_t n,
                   const struct columns *in, void *out)
{
    for (int64_t i = 0; i < n; i++) {
        uint64_t at = GET(0, uint64_t);
        if (kind >= NEST_WORD)
            ((int64_t *)out)[i] = x_word(key->seed, key->stream, at, kind - NEST_WORD);
        else if (type == NEST_F32)
            ((float *)out)[i] = kind == NEST_UNIFORM ? x_uniform(key->seed, key->stream, at)
                                                     : x_normal(key->seed, key->stream, at);
        else
            ((double *)out)[i] = kind == NEST_UNIFORM ? x_uniform64(key->seed, key->stream, at)
                                                      : x_normal64(key->seed, key->stream, at);
    }
}
