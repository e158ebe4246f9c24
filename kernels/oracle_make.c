/* oracle_make.c - oracles of casts, copies, factories and random numbers. */
#include "kernels/oracle_point.h"

static bool is_discrete(enum dtype t)
{
    return dtype_is_integer(t) || t == DTYPE_B8;
}
static bool is_complex(enum dtype t)
{
    return dtype_kind(t) == DTYPE_COMPLEX;
}

/* ---- casts: dtype.h tells the rules ---- */

/* Towards zero, then to the nearest end of the range; NaN is 0. */
static long double to_integer(enum dtype to, long double v)
{
    bool is_signed = dtype_kind(to) == DTYPE_SIGNED;
    long double half = scalbnl(1, (int)(8 * dtype_size(to)) - 1);
    long double low = is_signed ? -half : 0, high = is_signed ? half - 1 : 2 * half - 1;
    v = truncl(v);
    return v != v ? 0 : v < low ? low : v > high ? high : v;
}
/* 16-bit and float8 dtypes round through f32. */
static long double to_real(enum dtype to, long double v)
{
    bool narrow = to != DTYPE_F64 && to != DTYPE_F32;
    return narrow ? oracle_round(DTYPE_F32, v) : v;
}
static long double cast_one(enum dtype from, enum dtype to, long double v)
{
    if (to == DTYPE_B8) return v != 0;
    if (!is_discrete(to)) return to_real(to, v);
    if (!is_discrete(from)) return to_integer(to, v);
    return oracle_cut(to, v >= 0x1p63L ? (int64_t)(uint64_t)v : (int64_t)v);
}
/* Element `at` of a into the next element of out. */
static void cast_element(const struct oracle_array *a, int64_t at, struct oracle_array *out,
                         int64_t to)
{
    bool two = is_complex(a->dtype);
    long double re = a->v[at * (two ? 2 : 1)], im = two ? a->v[2 * at + 1] : 0;
    if (is_complex(out->dtype)) {
        out->v[2 * to] = re;
        out->v[2 * to + 1] = im;
    } else {
        out->v[to] = cast_one(a->dtype, out->dtype, re);
        if (out->dtype == DTYPE_B8) out->v[to] = re != 0 || im != 0;
    }
}
static void cast_all(struct oracle_call *c, int arg)
{
    const struct oracle_array *a = c->arg[arg].a;
    for (int64_t i = 0; i < c->out->n; i++)
        cast_element(a, oracle_broadcast(a, &c->out->shape, i), c->out, i);
}
oracle_fn oracle__to_copy, oracle_copy_;
void oracle__to_copy(struct oracle_call *c)
{
    cast_all(c, 0);
}
void oracle_copy_(struct oracle_call *c)
{
    cast_all(c, 1);
}

/* ---- fills and factories ---- */

#define CONSTANT(id, v)                                                                            \
    REAL(id, p->y = v)                                                                             \
    INTEGER(id, p->whole = v)                                                                      \
    COMPLEX(id, p->w = v)                                                                          \
    ORACLE_FIC(id, id)
CONSTANT(zero_, 0)
CONSTANT(zeros, 0)
CONSTANT(ones, 1)
CONSTANT(zeros_like, 0)
CONSTANT(ones_like, 1)
#define FROM_ARGUMENT(name, k)                                                                     \
    REAL(name, p->y = x[k])                                                                        \
    INTEGER(name, p->whole = i[k])                                                                 \
    COMPLEX(name, p->w = z[k])
FROM_ARGUMENT(first, 0)
FROM_ARGUMENT(second, 1)
ORACLE_FIC(fill__Scalar, second)
ORACLE_FIC(fill__Tensor, second)
ORACLE_FIC(full, second)
ORACLE_FIC(full_like, second)
ORACLE_FIC(scalar_tensor, first)

/* No values are promised. */
static void nothing(struct oracle_call *c)
{
    (void)c;
}
oracle_fn oracle_empty_memory_format, oracle_empty_like;
void oracle_empty_memory_format(struct oracle_call *c)
{
    nothing(c);
}
void oracle_empty_like(struct oracle_call *c)
{
    nothing(c);
}

/* start + k step: the product rounds, then the sum; k itself does in f32 beyond 2^24. */
REAL(arange, p->y = (long double)p->at)
INTEGER(arange, p->whole = p->at)
ORACLE_FI(arange, arange)
REAL(arange_start, p->y = x[0] + (long double)p->at; p->mag = fabsl(x[0]) + (long double)p->at)
INTEGER(arange_start, p->whole = (int64_t)((uint64_t)i[0] + (uint64_t)p->at))
ORACLE_FI(arange_start, arange_start)
REAL(arange_step, p->y = x[0] + (long double)p->at * x[2];
     p->mag = fabsl(x[0]) + fabsl((long double)p->at * x[2]))
INTEGER(arange_step, p->whole = (int64_t)((uint64_t)i[0] + (uint64_t)p->at * (uint64_t)i[2]))
ORACLE_FI(arange_start_step, arange_step)

/* ---- random numbers: words, uniform and normal as kernels/philox.h says ---- */

static void philox(const struct point *p, uint32_t w[4])
{
    uint64_t seed = p->c->seed, stream = p->c->stream, index = (uint64_t)p->at;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    w[0] = (uint32_t)index, w[1] = (uint32_t)(index >> 32);
    w[2] = (uint32_t)stream, w[3] = (uint32_t)(stream >> 32);
    for (int round = 0; round < 10; round++, k0 += 0x9e3779b9u, k1 += 0xbb67ae85u) {
        uint64_t a = (uint64_t)0xd2511f53u * w[0], b = (uint64_t)0xcd9e8d57u * w[2];
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ w[1] ^ k0, (uint32_t)b,
                            (uint32_t)(a >> 32) ^ w[3] ^ k1, (uint32_t)a};
        for (int i = 0; i < 4; i++) w[i] = next[i];
    }
}
static uint64_t pair(uint32_t high, uint32_t low)
{
    return ((uint64_t)high << 32 | low) >> 11;
}
static long double uniform(const struct point *p)
{
    uint32_t w[4];
    philox(p, w);
    if (oracle_entry(p->compute) == DTYPE_F64) return (long double)pair(w[0], w[1]) * 0x1p-53L;
    return (w[0] >> 8) * 0x1p-24L;
}
/* *radius bounds what the rounded angle, up to 2 pi, does to the result: 2 pi u times it. */
static long double normal(const struct point *p, long double *radius)
{
    uint32_t w[4];
    philox(p, w);
    bool wide = oracle_entry(p->compute) == DTYPE_F64;
    long double u =
        wide ? (long double)(pair(w[0], w[1]) + 1) * 0x1p-53L : ((w[0] >> 8) + 1) * 0x1p-24L;
    long double v = wide ? (long double)pair(w[2], w[3]) * 0x1p-53L : (w[1] >> 8) * 0x1p-24L;
    *radius = sqrtl(-2 * logl(u));
    return *radius * cosl(2 * 3.141592653589793238462643383279502884L * v);
}

REAL(rand, p->y = uniform(p))
REAL(randn, p->y = normal(p, &p->mag))
ORACLE_F(rand, rand)
ORACLE_F(rand_like, rand)
ORACLE_F(randn, randn)
ORACLE_F(randn_like, randn)

static int64_t word_below(const struct point *p, int64_t range)
{
    uint32_t w[4];
    philox(p, w);
    return w[0] % range;
}
static int64_t randint(const struct point *p)
{
    return word_below(p, p->c->arg[0].i);
}
static int64_t randint_low(const struct point *p)
{
    int64_t low = p->c->arg[0].i;
    return low + word_below(p, p->c->arg[1].i - low);
}
REAL(randint, p->y = oracle_round(oracle_entry(p->compute), (long double)randint(p)))
INTEGER(randint, p->whole = randint(p))
ORACLE_FI(randint, randint)
REAL(randint_low, p->y = oracle_round(oracle_entry(p->compute), (long double)randint_low(p)))
INTEGER(randint_low, p->whole = randint_low(p))
ORACLE_FI(randint_low, randint_low)

REAL(uniform_, p->y = x[1] + uniform(p) * (x[2] - x[1]); p->mag = fabsl(x[1]) + fabsl(x[2] - x[1]))
ORACLE_F(uniform_, uniform_)
static void normal__real(struct point *p)
{
    long double r, n = normal(p, &r);
    p->y = p->x[1] + n * p->x[2];
    p->mag = fabsl(p->x[1]) + r * p->x[2];
}
ORACLE_F(normal_, normal_)
REAL(bernoulli, p->y = uniform(p) < x[1])
ORACLE_F(bernoulli_p, bernoulli)
ORACLE_F(bernoulli__float, bernoulli)

/* 1 - p as the kernel has it decides who is kept. */
static long double keep_below(const struct point *p)
{
    return oracle_round(oracle_entry(p->compute), 1 - p->x[1]);
}
static bool trains(const struct point *p)
{
    return p->c->arg[2].kind == ORACLE_NONE || p->c->arg[2].i;
}
REAL(dropout_mask, p->y = !trains(p) || uniform(p) < keep_below(p))
static void dropout_real(struct point *p)
{
    long double q = keep_below(p);
    bool keep = !trains(p) || uniform(p) < q;
    p->y = p->x[0] * (keep ? trains(p) ? 1 / q : 1 : 0);
}
oracle_fn oracle_native_dropout;
void oracle_native_dropout(struct oracle_call *c)
{
    static const struct point_functions value = {.real = dropout_real};
    static const struct point_functions mask = {.real = dropout_mask_real};
    oracle_points(c, 0, &value);
    oracle_points(c, 1, &mask);
}
REAL(dropout_backward, p->y = (x[1] != 0 ? x[0] : 0) * x[2])
ORACLE_F(native_dropout_backward, dropout_backward)
