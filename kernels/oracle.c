/* oracle.c - arrays of long double for the oracles: filled from tensors, rounded back into them
 * once. */
#include "kernels/oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256 };

static bool is_complex(enum dtype t)
{
    return dtype_kind(t) == DTYPE_COMPLEX;
}
static bool is_whole(enum dtype t)
{
    return dtype_is_integer(t) || t == DTYPE_B8;
}

/* ---- arrays ---- */

bool oracle_array_init(struct oracle_array *a, enum dtype dtype, const struct view_shape *shape)
{
    struct view v = {.shape = *shape};
    *a = (struct oracle_array){.dtype = dtype, .shape = *shape, .n = view_count(&v)};
    size_t n = (size_t)a->n * (is_complex(dtype) ? 2 : 1);
    a->v = calloc(n ? n : 1, sizeof *a->v);
    a->mag = a->v ? malloc((n ? n : 1) * sizeof *a->mag) : NULL;
    for (size_t i = 0; a->mag && i < n; i++) a->mag[i] = -1;
    if (a->v && a->mag) return true;
    oracle_array_release(a);
    return false;
}

void oracle_array_release(struct oracle_array *a)
{
    free(a->v);
    free(a->mag);
    a->v = a->mag = NULL;
}

/* ---- one run of elements, packed ---- */

static void load_block(enum dtype t, const void *p, size_t n, long double *out)
{
    int64_t whole[BLOCK];
    double real[2 * BLOCK];
    if (!is_whole(t)) {
        size_t parts = n * (is_complex(t) ? 2 : 1);
        dtype_load_f64(t, p, n, real);
        for (size_t i = 0; i < parts; i++) out[i] = real[i];
        return;
    }
    dtype_load_i64(t, p, n, whole);
    for (size_t i = 0; i < n; i++)
        out[i] = t == DTYPE_U64 ? (long double)(uint64_t)whole[i] : (long double)whole[i];
}

static void store_one(enum dtype t, long double v, void *p)
{
    if (is_whole(t)) {
        int64_t i = t == DTYPE_U64 ? (int64_t)(uint64_t)v : t == DTYPE_B8 ? v != 0 : (int64_t)v;
        dtype_cast(t == DTYPE_B8 ? DTYPE_I64 : DTYPE_U64, &i, t, p, 1);
    } else if (t == DTYPE_F64) {
        double d = (double)v;
        memcpy(p, &d, sizeof d);
    } else {
        float f = (float)oracle_round(t, v);
        if (t == DTYPE_F32) memcpy(p, &f, sizeof f);
        else dtype_cast(DTYPE_F32, &f, t, p, 1);
    }
}

static void store_element(enum dtype t, const long double *v, void *p)
{
    if (!is_complex(t)) {
        store_one(t, *v, p);
        return;
    }
    enum dtype part = t == DTYPE_C64 ? DTYPE_F32 : DTYPE_F64;
    for (int i = 0; i < 2; i++) store_one(part, v[i], (char *)p + (size_t)i * dtype_size(part));
}

/* ---- views ---- */

void oracle_load(struct oracle_array *a, const struct view *v, const void *storage)
{
    size_t size = dtype_size(v->dtype), parts = is_complex(v->dtype) ? 2 : 1;
    struct view_walk w;
    struct view_run run;
    long double *out = a->v;
    view_walk_begin(&w, v, 0, a->n);
    while (view_walk_next(&w, BLOCK, &run))
        for (int64_t i = 0; i < run.n; i++, out += parts)
            load_block(v->dtype, (const char *)storage + (run.at + i * run.stride) * (int64_t)size,
                       1, out);
}

void oracle_store(const struct oracle_array *a, const struct view *v, void *storage)
{
    size_t size = dtype_size(v->dtype), parts = is_complex(v->dtype) ? 2 : 1;
    struct view_walk w;
    struct view_run run;
    const long double *in = a->v;
    view_walk_begin(&w, v, 0, a->n);
    while (view_walk_next(&w, BLOCK, &run))
        for (int64_t i = 0; i < run.n; i++, in += parts)
            store_element(v->dtype, in,
                          (char *)storage + (run.at + i * run.stride) * (int64_t)size);
}

int64_t oracle_broadcast(const struct oracle_array *a, const struct view_shape *to, int64_t at)
{
    int64_t index = 0, stride = 1;
    for (int d = to->n - 1, k = a->shape.n - 1; k >= 0; d--, k--) {
        int64_t size = a->shape.size[k];
        if (size != 1) index += at % to->size[d] * stride;
        at /= to->size[d];
        stride *= size;
    }
    return index;
}

struct oracle_rows oracle_rows(const struct view_shape *s, int dim)
{
    struct oracle_rows r = {1, 1, 1};
    if (dim < 0) dim += s->n;
    for (int i = 0; i < s->n; i++)
        *(i < dim ? &r.n_outer : i == dim ? &r.size : &r.n_inner) *= s->size[i];
    return r;
}

/* ---- rounding ---- */

/* Significand bits, exponent of the smallest normal, largest value; overflow saturates or not. */
static const struct form {
    enum dtype dtype;
    int bits, low;
    long double largest;
    bool saturates;
} forms[] = {{DTYPE_F32, 24, -126, 0x1.fffffep127L, false},
             {DTYPE_C64, 24, -126, 0x1.fffffep127L, false},
             {DTYPE_F16, 11, -14, 65504, false},
             {DTYPE_BF16, 8, -126, 0x1.fep127L, false},
             {DTYPE_F8E4M3FN, 4, -6, 448, true},
             {DTYPE_F8E5M2, 3, -14, 57344, false}};

int64_t oracle_position(struct oracle_call *c, int arg, long double at, int64_t size)
{
    if (at >= 0 && at < (long double)size) return (int64_t)at;
    if (!c->outside_arg) {
        c->outside_arg = arg + 1;
        c->outside = (int64_t)at;
        c->outside_size = size;
    }
    return -1;
}

long double oracle_round(enum dtype dtype, long double v)
{
    if (is_whole(dtype)) return v;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const struct form *f = &forms[i];
        if (f->dtype != dtype) continue;
        if (v != v || v == 0) return v;
        if (isinf(v)) return f->saturates ? copysignl(f->largest, v) : v;
        int e = ilogbl(v), unit = (e > f->low ? e : f->low) - (f->bits - 1);
        long double r = scalbnl(rintl(scalbnl(v, -unit)), unit);
        if (fabsl(r) <= f->largest) return r;
        return copysignl(f->saturates ? f->largest : (long double)INFINITY, v);
    }
    return (long double)(double)v;
}

long double oracle_roundoff(enum dtype dtype)
{
    if (is_whole(dtype)) return 0;
    return dtype == DTYPE_F64 || dtype == DTYPE_C128 ? 0x1p-53L : 0x1p-24L;
}
