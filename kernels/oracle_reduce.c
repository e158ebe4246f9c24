/* oracle_reduce.c - folding dimensions: every result from the row of its terms, in logical order.
 *
 * `mag`: in the canonical order (docs/exact.md) a term goes through at most 8 additions in its lane
 * and 7 in the fold per level of 1024 terms: DEPTH(n) roundings of at most the sum of |terms|. A
 * scan goes through 4 in its block, 64 of carries and one per level.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/oracle.h"

/* The rows of one call: which dimensions are folded, and one row at a time. */
struct rows {
    const struct oracle_array *x;
    unsigned folded;
    int64_t n_rows, n; /* rows; terms of each */
    int parts;         /* 2 for complex */
    long double *v;    /* n * parts */
};

static int64_t level_depth(int64_t n, int64_t per_level)
{
    int64_t depth = 0;
    for (; n > 1; n = (n + 1023) / 1024) depth += per_level;
    return depth;
}
static long double sum_depth(int64_t n)
{
    return (long double)level_depth(n, 15);
}

/* Dimensions from a list or a number; None and an empty list are all. */
static unsigned folded_by(const struct oracle_call *c, int arg)
{
    const struct oracle_value *v = arg < 0 ? NULL : &c->arg[arg];
    int n = c->arg[0].a->shape.n;
    unsigned mask = 0;
    if (!v || v->kind == ORACLE_NONE || (v->kind == ORACLE_INTS && !v->n)) return ~0u;
    if (v->kind == ORACLE_INT) return 1u << (v->i < 0 ? v->i + (n ? n : 1) : v->i);
    for (int i = 0; i < v->n; i++) mask |= 1u << (v->is[i] < 0 ? v->is[i] + (n ? n : 1) : v->is[i]);
    return mask;
}

static bool rows_open(struct oracle_call *c, int dim_arg, struct rows *r)
{
    const struct oracle_array *x = c->arg[0].a;
    *r = (struct rows){.x = x, .folded = folded_by(c, dim_arg), .n_rows = 1, .n = 1};
    r->parts = dtype_kind(x->dtype) == DTYPE_COMPLEX ? 2 : 1;
    for (int d = 0; d < x->shape.n; d++)
        *(r->folded & 1u << d ? &r->n : &r->n_rows) *= x->shape.size[d];
    r->v = malloc((size_t)(r->n * r->parts + 1) * sizeof *r->v);
    if (!r->v) c->failed = true;
    return r->v;
}

/* Logical index in x of term k of row i. */
static int64_t place(const struct rows *r, int64_t i, int64_t k)
{
    int64_t at = 0, stride = 1;
    for (int d = r->x->shape.n - 1; d >= 0; d--) {
        int64_t size = r->x->shape.size[d], *from = r->folded & 1u << d ? &k : &i;
        at += *from % size * stride;
        *from /= size;
        stride *= size;
    }
    return at;
}

static const long double *row(struct rows *r, int64_t i)
{
    for (int64_t k = 0; k < r->n; k++)
        memcpy(r->v + k * r->parts, r->x->v + place(r, i, k) * r->parts,
               (size_t)r->parts * sizeof *r->v);
    return r->v;
}

/* A function of one row: *v the value, *mag its magnitude, both preset to 0 and -1. */
typedef void row_fn(const struct oracle_call *c, const long double *x, int64_t n, long double *v,
                    long double *mag);

static void each_row(struct oracle_call *c, int dim_arg, int result, row_fn *f)
{
    struct rows r;
    struct oracle_array *y = &c->out[result];
    if (!rows_open(c, dim_arg, &r)) return;
    for (int64_t i = 0; i < r.n_rows; i++) {
        const long double *x = row(&r, i);
        f(c, x, r.n, &y->v[i], &y->mag[i]);
    }
    free(r.v);
}

#define ROWS(id, dim_arg, f)                                                                       \
    oracle_fn oracle_##id;                                                                         \
    void oracle_##id(struct oracle_call *c)                                                        \
    {                                                                                              \
        each_row(c, dim_arg, 0, f);                                                                \
    }

/* ---- sums and products ---- */

static bool is_whole(enum dtype t)
{
    return dtype_is_integer(t) || t == DTYPE_B8;
}

/* Modulo 2^64, then cut to the result's dtype. */
static long double wrap(enum dtype t, uint64_t sum)
{
    int64_t back = 0;
    unsigned char bytes[8] = {0};
    dtype_cast(DTYPE_U64, &sum, t, bytes, 1);
    if (t == DTYPE_U64) return (long double)sum;
    dtype_load_i64(t, bytes, 1, &back);
    return (long double)back;
}
static uint64_t bits_of(long double v)
{
    return v < 0 ? -(uint64_t)-v : (uint64_t)v;
}

static void add_up(const struct oracle_call *c, const long double *x, int64_t n, long double *v,
                   long double *mag)
{
    enum dtype to = c->out[0].dtype;
    uint64_t whole = 0;
    long double size = 0;
    if (is_whole(to)) {
        for (int64_t k = 0; k < n; k++) whole += bits_of(truncl(x[k]));
        *v = wrap(to, whole);
        return;
    }
    for (int64_t k = 0; k < n; k++) {
        *v += x[k];
        size += fabsl(x[k]);
    }
    *mag = isfinite(size) ? size * sum_depth(n) : size;
}

/* Complex rows: the parts apart. */
static void sum_rows(struct oracle_call *c, int dim_arg, bool mean)
{
    struct rows r;
    struct oracle_array *y = &c->out[0];
    if (!rows_open(c, dim_arg, &r)) return;
    for (int64_t i = 0; i < r.n_rows; i++) {
        const long double *x = row(&r, i);
        for (int p = 0; p < r.parts; p++) {
            long double *v = &y->v[i * r.parts + p], *mag = &y->mag[i * r.parts + p];
            long double part[1024];
            *v = 0;
            *mag = 0;
            if (r.parts == 1) add_up(c, x, r.n, v, mag);
            for (int64_t k = 0; r.parts == 2 && k < r.n; k += 1024) { /* gathered, then added */
                int64_t many = r.n - k < 1024 ? r.n - k : 1024;
                long double s = 0, m = 0;
                for (int64_t j = 0; j < many; j++) part[j] = x[2 * (k + j) + p];
                add_up(c, part, many, &s, &m);
                *v += s;
                *mag += many > 1 ? m / sum_depth(many) : fabsl(s);
            }
            if (r.parts == 2) *mag *= sum_depth(r.n);
            if (!mean) continue;
            *v /= (long double)r.n;
            *mag = *mag / (long double)r.n + 2 * fabsl(*v);
        }
    }
    free(r.v);
}

#define SUMS(id, dim_arg, mean)                                                                    \
    oracle_fn oracle_##id;                                                                         \
    void oracle_##id(struct oracle_call *c)                                                        \
    {                                                                                              \
        sum_rows(c, dim_arg, mean);                                                                \
    }
SUMS(sum, -1, false)
SUMS(sum_dim_IntList, 1, false)
SUMS(mean, -1, true)
SUMS(mean_dim, 1, true)

static void multiply(const struct oracle_call *c, const long double *x, int64_t n, long double *v,
                     long double *mag)
{
    enum dtype to = c->out[0].dtype;
    uint64_t whole = 1;
    *v = 1;
    if (is_whole(to)) {
        for (int64_t k = 0; k < n; k++) whole *= bits_of(truncl(x[k]));
        *v = to == DTYPE_B8 ? whole != 0 : wrap(to, whole);
        return;
    }
    for (int64_t k = 0; k < n; k++) *v *= x[k];
    *mag = fabsl(*v) * (long double)n;
}
/* v = v t; a part of a product of complex numbers is off by less than 3 units of its size. */
static void complex_multiply(long double v[2], const long double t[2])
{
    long double re = v[0] * t[0] - v[1] * t[1];
    v[1] = v[0] * t[1] + v[1] * t[0];
    v[0] = re;
}

static void multiply_rows(struct oracle_call *c, int dim_arg)
{
    struct rows r;
    struct oracle_array *y = &c->out[0];
    if (dtype_kind(y->dtype) != DTYPE_COMPLEX) {
        each_row(c, dim_arg, 0, multiply);
        return;
    }
    if (!rows_open(c, dim_arg, &r)) return;
    for (int64_t i = 0; i < r.n_rows; i++) {
        const long double *x = row(&r, i);
        long double *v = &y->v[2 * i], size;
        v[0] = 1;
        v[1] = 0;
        for (int64_t k = 0; k < r.n; k++)
            complex_multiply(v, r.parts == 2 ? &x[2 * k] : (long double[]){x[k], 0});
        size = hypotl(v[0], v[1]) * 3 * (long double)r.n;
        y->mag[2 * i] = y->mag[2 * i + 1] = size;
    }
    free(r.v);
}
oracle_fn oracle_prod, oracle_prod_dim_int;
void oracle_prod(struct oracle_call *c)
{
    multiply_rows(c, -1);
}
void oracle_prod_dim_int(struct oracle_call *c)
{
    multiply_rows(c, 1);
}

oracle_fn oracle_count_nonzero;
void oracle_count_nonzero(struct oracle_call *c)
{
    struct rows r;
    if (!rows_open(c, 1, &r)) return;
    for (int64_t i = 0; i < r.n_rows; i++) {
        const long double *x = row(&r, i);
        int64_t many = 0;
        for (int64_t k = 0; k < r.n; k++)
            many += x[k * r.parts] != 0 || (r.parts == 2 && x[k * 2 + 1] != 0);
        c->out[0].v[i] = (long double)many;
    }
    free(r.v);
}

oracle_fn oracle_count_nonzero_dim_IntList;
void oracle_count_nonzero_dim_IntList(struct oracle_call *c)
{
    oracle_count_nonzero(c);
}

/* ---- extremes ---- */

/* A NaN is above all and below all; +0 is above -0. */
static bool wins(long double a, long double b, bool largest)
{
    if (isnan(a) || isnan(b)) return isnan(a) && !isnan(b);
    if (a == 0 && b == 0) return largest ? signbit(b) && !signbit(a) : signbit(a) && !signbit(b);
    return largest ? a > b : a < b;
}
/* For places 0 and -0 are one value, and the first of equals wins. */
static bool wins_place(long double a, long double b, bool largest)
{
    if (isnan(a) || isnan(b)) return isnan(a) && !isnan(b);
    return largest ? a > b : a < b;
}

static void best(const long double *x, int64_t n, bool largest, long double *v)
{
    *v = x[0];
    for (int64_t k = 1; k < n; k++)
        if (wins(x[k], *v, largest)) *v = x[k];
}
static void best_place(const long double *x, int64_t n, bool largest, long double *v)
{
    int64_t at = 0;
    for (int64_t k = 1; k < n; k++)
        if (wins_place(x[k], x[at], largest)) at = k;
    *v = (long double)at;
}

#define ROW_FN(name, ...)                                                                          \
    static void name(const struct oracle_call *c, const long double *x, int64_t n, long double *v, \
                     long double *mag)                                                             \
    {                                                                                              \
        (void)c, (void)mag, (void)n;                                                               \
        __VA_ARGS__;                                                                               \
    }
ROW_FN(largest, best(x, n, true, v))
ROW_FN(smallest, best(x, n, false, v))
ROW_FN(place_of_largest, best_place(x, n, true, v))
ROW_FN(place_of_smallest, best_place(x, n, false, v))
ROWS(amax, 1, largest)
ROWS(amin, 1, smallest)
ROWS(max, -1, largest)
ROWS(min, -1, smallest)
ROWS(argmax, 1, place_of_largest)
ROWS(argmin, 1, place_of_smallest)

oracle_fn oracle_max_dim, oracle_min_dim;
void oracle_max_dim(struct oracle_call *c)
{
    each_row(c, 1, 0, largest);
    each_row(c, 1, 1, place_of_largest);
}
void oracle_min_dim(struct oracle_call *c)
{
    each_row(c, 1, 0, smallest);
    each_row(c, 1, 1, place_of_smallest);
}

static void truths(struct oracle_call *c, int dim_arg, bool all)
{
    struct rows r;
    if (!rows_open(c, dim_arg, &r)) return;
    for (int64_t i = 0; i < r.n_rows; i++) {
        const long double *x = row(&r, i);
        bool v = all;
        for (int64_t k = 0; k < r.n; k++) {
            bool one = x[k * r.parts] != 0 || (r.parts == 2 && x[k * 2 + 1] != 0);
            v = all ? v && one : v || one;
        }
        c->out[0].v[i] = v;
    }
    free(r.v);
}
#define TRUTHS(id, dim_arg, all)                                                                   \
    oracle_fn oracle_##id;                                                                         \
    void oracle_##id(struct oracle_call *c)                                                        \
    {                                                                                              \
        truths(c, dim_arg, all);                                                                   \
    }
TRUTHS(any, -1, false)
TRUTHS(any_dim, 1, false)
/* Of these two, and no other operator, an empty list folds nothing. */
static void truths_of(struct oracle_call *c, bool all)
{
    const struct oracle_array *x = c->arg[0].a;
    int parts = dtype_kind(x->dtype) == DTYPE_COMPLEX ? 2 : 1;
    if (c->arg[1].kind != ORACLE_INTS || c->arg[1].n) {
        truths(c, 1, all);
        return;
    }
    for (int64_t i = 0; i < x->n; i++)
        c->out[0].v[i] = x->v[i * parts] != 0 || (parts == 2 && x->v[i * 2 + 1] != 0);
}
oracle_fn oracle_any_dims, oracle_all_dims;
void oracle_any_dims(struct oracle_call *c)
{
    truths_of(c, false);
}
void oracle_all_dims(struct oracle_call *c)
{
    truths_of(c, true);
}
TRUTHS(all, -1, true)
TRUTHS(all_dim, 1, true)

/* ---- moments and norms ---- */

struct moments {
    long double mean, mean_mag, var, var_mag;
};

/* The computed mean is off by u mean_mag; each deviation by that and a rounding of its own. */
static struct moments moments_of(const struct oracle_call *c, const long double *x, int64_t n)
{
    struct moments m = {0};
    long double size = 0, squares = 0, spread = 0, count = (long double)n, off;
    long double correction = c->arg[2].kind == ORACLE_REAL ? c->arg[2].r : 1;
    long double by = count - correction > 0 ? count - correction : 0;
    for (int64_t k = 0; k < n; k++) {
        m.mean += x[k];
        size += fabsl(x[k]);
    }
    m.mean /= count;
    m.mean_mag = size * sum_depth(n) / count + 2 * fabsl(m.mean);
    for (int64_t k = 0; k < n; k++) {
        long double d = x[k] - m.mean;
        squares += d * d;
        spread += fabsl(d);
    }
    m.var = squares / by;
    off = m.mean_mag * oracle_roundoff(c->arg[0].a->dtype);
    m.var_mag =
        (squares * (sum_depth(n) + 6) + 2 * spread * m.mean_mag + count * off * m.mean_mag) / by;
    return m;
}

ROW_FN(variance, struct moments m = moments_of(c, x, n); *v = m.var; *mag = m.var_mag)
ROW_FN(deviation, struct moments m = moments_of(c, x, n); *v = sqrtl(m.var);
       *mag = *v > 0 ? m.var_mag / *v + *v : sqrtl(m.var_mag))
ROW_FN(average, struct moments m = moments_of(c, x, n); *v = m.mean; *mag = m.mean_mag)
ROWS(var_correction, 1, variance)
ROWS(std_correction, 1, deviation)
oracle_fn oracle_var_mean_correction;
void oracle_var_mean_correction(struct oracle_call *c)
{
    each_row(c, 1, 0, variance);
    each_row(c, 1, 1, average);
}

/* |x| of each element, complex by hypot. */
static long double norm_of(const long double *x, int64_t n, int parts, long double ord)
{
    long double s = ord == INFINITY ? 0 : ord == -INFINITY ? INFINITY : 0;
    for (int64_t k = 0; k < n; k++) {
        long double a = parts == 2 ? hypotl(x[2 * k], x[2 * k + 1]) : fabsl(x[k]);
        if (isinf(ord)) s = isnan(a) || isnan(s) ? NAN : ord > 0 ? fmaxl(s, a) : fminl(s, a);
        else s += ord == 0 ? x[k * parts] != 0 || (parts == 2 && x[2 * k + 1] != 0) : powl(a, ord);
    }
    return isinf(ord) || ord == 0 ? s : powl(s, 1 / ord);
}
oracle_fn oracle_linalg_vector_norm;
void oracle_linalg_vector_norm(struct oracle_call *c)
{
    struct rows r;
    long double ord = c->arg[1].r;
    if (!rows_open(c, 2, &r)) return;
    for (int64_t i = 0; i < r.n_rows; i++) {
        const long double *x = row(&r, i);
        long double *v = &c->out[0].v[i];
        *v = norm_of(x, r.n, r.parts, ord);
        /* powers: 2 units each, times the exponent of the root; squares underflow to denormals */
        c->out[0].mag[i] = fabsl(*v) * (sum_depth(r.n) + 8 + 4 * fabsl(1 / (ord ? ord : 1)));
    }
    free(r.v);
}

/* log(sum) + m: the sum is off by sum_depth + 2 units of itself, exp's argument by its rounding. */
ROW_FN(log_sum_exp, long double m = -INFINITY; long double s = 0; long double off = 0;
       for (int64_t k = 0; k < n; k++) m = isnan(x[k]) || x[k] > m ? x[k] : m;
       long double shift = isfinite(m) ? m : 0;
       for (int64_t k = 0; k < n; k++) s += expl(x[k] - shift);
       for (int64_t k = 0; k < n; k++) if (x[k] > -INFINITY) off +=
       expl(x[k] - shift) * fabsl(x[k] - shift);
       *v = logl(s) + shift;
       *mag = (sum_depth(n) + 4) + (s > 0 ? off / s : 0) + 2 * fabsl(*v) + 2 * fabsl(shift);
       if (!isfinite(*v)) *mag = 0)
ROWS(logsumexp, 1, log_sum_exp)

/* ---- scans ---- */

/* The parts of sums apart; the size of a product is that of both. */
static void complex_scan(struct oracle_call *c, bool product)
{
    struct oracle_array *x = c->arg[0].a, *y = &c->out[0];
    int parts = dtype_kind(x->dtype) == DTYPE_COMPLEX ? 2 : 1;
    struct oracle_rows r = oracle_rows(&x->shape, x->shape.n ? (int)c->arg[1].i : 0);
    for (int64_t i = 0; i < r.n_outer * r.n_inner; i++) {
        int64_t base = i / r.n_inner * r.size * r.n_inner + i % r.n_inner;
        long double v[2] = {product, 0}, size[2] = {0};
        for (int64_t k = 0; k < r.size; k++) {
            int64_t at = base + k * r.n_inner;
            long double t[2] = {x->v[at * parts], parts == 2 ? x->v[at * 2 + 1] : 0};
            if (product) complex_multiply(v, t);
            for (int p = 0; p < 2; p++) {
                if (!product) v[p] += t[p];
                size[p] += fabsl(t[p]);
                y->v[2 * at + p] = v[p];
                y->mag[2 * at + p] = product ? hypotl(v[0], v[1]) * 3 * (long double)(k + 1)
                                             : size[p] * (long double)level_depth(k + 2, 70);
            }
        }
    }
}

static void scan(struct oracle_call *c, bool product)
{
    struct oracle_array *x = c->arg[0].a, *y = &c->out[0];
    struct oracle_rows r = oracle_rows(&x->shape, x->shape.n ? (int)c->arg[1].i : 0);
    if (dtype_kind(y->dtype) == DTYPE_COMPLEX) {
        complex_scan(c, product);
        return;
    }
    for (int64_t i = 0; i < r.n_outer * r.n_inner; i++) {
        int64_t base = i / r.n_inner * r.size * r.n_inner + i % r.n_inner;
        long double v = product, size = 0;
        uint64_t whole = product;
        for (int64_t k = 0; k < r.size; k++) {
            int64_t at = base + k * r.n_inner;
            long double t = x->v[at];
            v = product ? v * t : v + t;
            size += fabsl(t);
            if (is_whole(y->dtype))
                whole = product ? whole * bits_of(truncl(t)) : whole + bits_of(truncl(t));
            y->v[at] = is_whole(y->dtype) ? wrap(y->dtype, whole) : v;
            y->mag[at] = product ? fabsl(v) * (long double)(k + 1)
                                 : size * (long double)level_depth(k + 2, 70);
        }
    }
}
oracle_fn oracle_cumsum, oracle_cumprod;
void oracle_cumsum(struct oracle_call *c)
{
    scan(c, false);
}
void oracle_cumprod(struct oracle_call *c)
{
    scan(c, true);
}
