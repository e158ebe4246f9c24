/* oracle_point.c - the loop over elements that oracles of pointwise operators share. */
#include "kernels/oracle_point.h"

#include <string.h>

static bool is_complex(enum dtype t)
{
    return dtype_kind(t) == DTYPE_COMPLEX;
}
static bool is_discrete(enum dtype t)
{
    return dtype_is_integer(t) || t == DTYPE_B8;
}

enum dtype oracle_entry(enum dtype t)
{
    if (t == DTYPE_F64 || t == DTYPE_C128 || t == DTYPE_C64 || t == DTYPE_U64 || t == DTYPE_B8)
        return t;
    return is_discrete(t) ? DTYPE_I64 : DTYPE_F32;
}

long double oracle_cut(enum dtype dtype, int64_t i)
{
    if (dtype == DTYPE_B8) return i != 0;
    if (dtype == DTYPE_U64) return (long double)(uint64_t)i;
    int64_t back = 0;
    unsigned char bytes[8] = {0};
    dtype_cast(DTYPE_I64, &i, dtype, bytes, 1);
    dtype_load_i64(dtype, bytes, 1, &back);
    return (long double)back;
}

long double oracle_larger(long double a, long double b)
{
    if (a != a) return a;
    if (b != b) return b;
    if (a == b) return signbit(a) ? b : a;
    return a > b ? a : b;
}

long double oracle_smaller(long double a, long double b)
{
    if (a != a) return a;
    if (b != b) return b;
    if (a == b) return signbit(a) ? a : b;
    return a < b ? a : b;
}

/* Towards zero and to the nearest end; NaN is 0. */
static int64_t whole_of(enum dtype entry, long double v)
{
    if (v != v) return 0;
    if (entry == DTYPE_B8) return v != 0;
    if (v >= 0x1p63L) return entry == DTYPE_U64 ? (int64_t)(uint64_t)v : INT64_MAX;
    return v < -0x1p63L ? INT64_MIN : (int64_t)v;
}

/* A value of some dtype (or a number) enters in the type of the compute dtype. */
static void enter(struct point *p, int k, long double re, long double im)
{
    enum dtype entry = oracle_entry(p->compute);
    enum dtype part = entry == DTYPE_C64 ? DTYPE_F32 : entry == DTYPE_C128 ? DTYPE_F64 : entry;
    if (is_discrete(entry)) {
        p->i[k] = whole_of(entry, re);
        p->x[k] = re;
        return;
    }
    p->x[k] = oracle_round(part, re);
    __real__ p->z[k] = p->x[k];
    __imag__ p->z[k] = oracle_round(part, im);
}

/* Modulo 2^bits of an integer compute dtype. */
static void enter_number(struct point *p, int k, long double v)
{
    enter(p, k, v, 0);
    if (dtype_is_integer(p->compute) && p->compute != DTYPE_U64)
        p->i[k] = (int64_t)oracle_cut(p->compute, p->i[k]);
}

static void enter_argument(struct point *p, int k, const struct view_shape *shape)
{
    const struct oracle_value *v = &p->c->arg[k];
    if (v->kind == ORACLE_REAL) enter_number(p, k, v->r);
    if (v->kind == ORACLE_INT) enter(p, k, (long double)v->i, 0), p->i[k] = v->i;
    if (v->kind != ORACLE_TENSOR) return;
    bool two = is_complex(v->a->dtype), casts = v->a->shape.n && v->a->dtype != p->compute;
    int64_t at = oracle_broadcast(v->a, shape, p->at) * (two ? 2 : 1);
    enter(p, k, v->a->v[at], two ? v->a->v[at + 1] : 0);
    /* promoted to a 16-bit dtype through f32; without dimensions a tensor counts as a number */
    if (casts && !is_discrete(p->compute)) p->x[k] = oracle_round(p->compute, p->x[k]);
}

static void leave(const struct point *p, bool whole, bool complex, struct oracle_array *out)
{
    long double mag = p->mag;
    if (!is_complex(out->dtype)) {
        out->v[p->at] = whole && is_discrete(out->dtype) ? oracle_cut(out->dtype, p->whole)
                        : whole                          ? (long double)p->whole
                                                         : p->y;
        out->mag[p->at] = mag;
        return;
    }
    long double _Complex w = complex ? p->w : p->y;
    if (mag < 0) mag = cabsl(w);
    out->v[2 * p->at] = creall(w);
    out->v[2 * p->at + 1] = cimagl(w);
    out->mag[2 * p->at] = out->mag[2 * p->at + 1] = mag;
}

void oracle_points(struct oracle_call *c, int r, const struct point_functions *f)
{
    struct oracle_array *out = &c->out[r];
    bool complex = is_complex(c->compute), whole = is_discrete(c->compute);
    point_fn *fn = complex ? f->complex : whole ? f->integer : f->real;
    struct point p = {.c = c, .compute = c->compute, .to = out->dtype};
    int n = c->n_args < POINT_ARGS ? c->n_args : POINT_ARGS;
    REQUIRE("kernels:oracle-kind", fn);
    for (p.at = 0; p.at < out->n; p.at++) {
        for (int k = 0; k < n; k++) enter_argument(&p, k, &out->shape);
        p.mag = -1;
        fn(&p);
        leave(&p, whole, complex, out);
    }
}
