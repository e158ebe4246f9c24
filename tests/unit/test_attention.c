/* test_attention.c - attention and its gradients equal their definition to the bit and are near the
 * true value: masks, shared heads, strides, spans, what is not finite, instruction sets, splits. */
#include "tests/unit/split.h"

#include <math.h>

#include "kernels/attention.h"
#include "kernels/exact_c.h"

static uint64_t seed = 77;
static uint32_t number(void)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 32);
}

/* ---- arithmetic of the accumulator's type, held in doubles ---- */

static bool wide; /* f64, else f32 */
static double rounded(double v)
{
    return wide ? v : (double)(float)v;
}
static double chain(double a, double b, double c)
{
    return wide ? fma(a, b, c) : (double)fmaf((float)a, (float)b, (float)c);
}
static double exp2_of(double f)
{
    return wide ? x_exp264(f) : (double)x_exp2((float)f);
}
static double power(double d)
{
    return d < (wide ? -1022 : -126) ? 0 : ldexp(1, (int)d);
}
/* The row sum of docs/exact.md, rows up to 1024. */
static double row_sum(const double *v, int64_t n)
{
    double lane[128];
    for (int l = 0; l < 128; l++) lane[l] = -0.0;
    for (int64_t i = 0; i < n; i++) lane[i % 128] = rounded(lane[i % 128] + v[i]);
    for (int s = 64; s > 0; s /= 2)
        for (int l = 0; l < s; l++) lane[l] = rounded(lane[l] + lane[l + s]);
    return n ? lane[0] : 0;
}

/* ---- a case ---- */

enum { MOST = 1 << 20, SPAN = 4096 };
struct shape {
    int64_t n_batch, n_heads, n_kv_heads, n_queries, n_keys, size, value_size;
    bool causal;
    enum dtype bias; /* NONE: none */
    uint32_t hidden; /* of 8 keys that many are masked */
};
struct arrays {
    char *q, *k, *v, *bias, *out, *dout, *dq, *dk, *dv, *logsumexp;
};
static double at(enum dtype t, const struct attention_array *x, int64_t b, int64_t h, int64_t r,
                 int64_t c)
{
    double v[2];
    int64_t e = b * x->batch + h * x->head + r * x->row + c * x->column;
    dtype_load_f64(t, (const char *)x->p + e * (int64_t)dtype_size(t), 1, v);
    return t == DTYPE_B8 || wide ? v[0] : (double)(float)v[0];
}
static struct attention_array of_result(const struct attention_result *x)
{
    return (struct attention_array){x->p, x->batch, x->head, x->row, x->column};
}

/* z; -inf: takes no part. */
static double score(const struct attention *a, int64_t b, int64_t h, int64_t i, int64_t j)
{
    double s = 0;
    int64_t kv = h / (a->n_heads / a->n_kv_heads);
    if (a->causal && j > i) return -INFINITY;
    for (int64_t d = 0; d < a->size; d++)
        s = chain(at(a->dtype, &a->q, b, h, i, d), at(a->dtype, &a->k, b, kv, j, d), s);
    double z = rounded(rounded(a->scale * 0x1.71547652b82fep+0) * s);
    if (a->bias.p && a->bias_dtype == DTYPE_B8) {
        if (at(DTYPE_B8, &a->bias, b, h, i, j) == 0) return -INFINITY;
    } else if (a->bias.p) {
        double bias = at(a->bias_dtype, &a->bias, b, h, i, j);
        if (bias == -(double)INFINITY) return bias;
        z = rounded(z + rounded(bias * rounded(0x1.71547652b82fep+0)));
    }
    if (z == (double)INFINITY) return NAN;
    if (z == -(double)INFINITY) return z;
    return z > 0x1p21 ? 0x1p21 : z < -0x1p21 ? -0x1p21 : z;
}
/* e 2^(n - top) */
static double probability(double z, double top)
{
    if (z == -(double)INFINITY) return 0;
    double n = nearbyint(z);
    return rounded(exp2_of(rounded(z - n)) * power(n - top));
}

struct state {
    double top, sum, o[64];
};
static double zero_for_none(double top)
{
    return top == -(double)INFINITY ? 0 : top;
}
static void add_block(const struct attention *a, int64_t b, int64_t h, int64_t i, int64_t first,
                      struct state *s)
{
    double z[64], p[64], most = s->top;
    int64_t n = a->n_keys - first < 64 ? a->n_keys - first : 64, n_seen = 0;
    int64_t kv = h / (a->n_heads / a->n_kv_heads);
    for (int64_t j = 0; j < n; j++) {
        z[j] = score(a, b, h, i, first + j);
        n_seen += z[j] != -(double)INFINITY;
        most = nearbyint(z[j]) > most ? nearbyint(z[j]) : most;
    }
    if (!n_seen) return;
    double f = power(s->top - zero_for_none(most));
    s->top = most;
    for (int64_t j = 0; j < n; j++) p[j] = probability(z[j], zero_for_none(most));
    s->sum = rounded(rounded(s->sum * f) + row_sum(p, n));
    for (int64_t d = 0; d < a->value_size; d++) {
        s->o[d] = rounded(s->o[d] * f);
        for (int64_t j = 0; j < n; j++)
            s->o[d] = chain(p[j], at(a->dtype, &a->v, b, kv, first + j, d), s->o[d]);
    }
}
static void query_state(const struct attention *a, int64_t b, int64_t h, int64_t i, struct state *s)
{
    for (int64_t span = 0; span == 0 || span < a->n_keys; span += SPAN) {
        struct state t = {-INFINITY, 0, {0}};
        for (int64_t k = span; k < a->n_keys && k < span + SPAN; k += 64)
            add_block(a, b, h, i, k, &t);
        if (span == 0) {
            *s = t;
            continue;
        }
        double most = t.top > s->top ? t.top : s->top;
        double x = power(s->top - zero_for_none(most)), y = power(t.top - zero_for_none(most));
        s->top = most;
        s->sum = rounded(rounded(s->sum * x) + rounded(t.sum * y));
        for (int64_t d = 0; d < a->value_size; d++)
            s->o[d] = rounded(rounded(s->o[d] * x) + rounded(t.o[d] * y));
    }
}

static void put(enum dtype t, double v, char *base, int64_t e)
{
    double d = isnan(v) ? (double)NAN : v;
    float f = isnan(v) ? NAN : (float)v;
    dtype_cast(wide ? DTYPE_F64 : DTYPE_F32, wide ? (void *)&d : (void *)&f, t,
               base + e * (int64_t)dtype_size(t), 1);
}
static void same(const char *what, const struct attention *a, double want, const char *base,
                 int64_t e, enum dtype t)
{
    char bits[8];
    put(t, want, bits, 0);
    if (memcmp(bits, base + e * (int64_t)dtype_size(t), dtype_size(t)) == 0) return;
    double got[2];
    dtype_load_f64(t, base + e * (int64_t)dtype_size(t), 1, got);
    fail_msg("%s: %a, wanted %a; %s, %lld queries, %lld keys, sizes %lld and %lld", what, got[0],
             want, dtype_name(a->dtype), (long long)a->n_queries, (long long)a->n_keys,
             (long long)a->size, (long long)a->value_size);
}
static void check_forward(const struct attention *a)
{
    for (int64_t b = 0; b < a->n_batch; b++)
        for (int64_t h = 0; h < a->n_heads; h++)
            for (int64_t i = 0; i < a->n_queries; i++) {
                struct state s;
                query_state(a, b, h, i, &s);
                for (int64_t d = 0; d < a->value_size; d++)
                    same("out", a, s.sum == 0 ? 0 : rounded(s.o[d] / s.sum), a->out.p,
                         b * a->out.batch + h * a->out.head + i * a->out.row + d * a->out.column,
                         a->dtype);
                double log = wide ? x_log64(s.sum) : (double)x_log((float)s.sum);
                double ln2 = wide ? 0x1.62e42fefa39efp-1 : 0x1.62e43p-1;
                double sums = rounded(rounded(s.top * ln2) + log);
                same("logsumexp", a, s.sum == 0 ? -INFINITY : sums, a->logsumexp,
                     (b * a->n_heads + h) * a->n_queries + i, wide ? DTYPE_F64 : DTYPE_F32);
            }
}

/* P and dS of all pairs of one head; NaN in `seen`-less pairs never shows: they are 0. */
struct pairs {
    double *p, *ds;
    bool *seen;
};
static void head_pairs(const struct attention *a, const struct attention_grad *g, int64_t b,
                       int64_t h, struct pairs *x)
{
    int64_t kv = h / (a->n_heads / a->n_kv_heads);
    struct attention_array out = of_result(&a->out);
    for (int64_t i = 0; i < a->n_queries; i++) {
        struct state s;
        double term[64];
        query_state(a, b, h, i, &s);
        for (int64_t d = 0; d < a->value_size; d++)
            term[d] = rounded(at(a->dtype, &out, b, h, i, d) * at(a->dtype, &g->out, b, h, i, d));
        double dot = row_sum(term, a->value_size);
        for (int64_t j = 0; j < a->n_keys; j++) {
            double z = score(a, b, h, i, j), dp = 0;
            int64_t e = i * a->n_keys + j;
            for (int64_t d = 0; d < a->value_size; d++)
                dp = chain(at(a->dtype, &g->out, b, h, i, d), at(a->dtype, &a->v, b, kv, j, d), dp);
            x->seen[e] = z != -(double)INFINITY;
            x->p[e] = x->seen[e] ? rounded(probability(z, zero_for_none(s.top)) / s.sum) : 0;
            x->ds[e] = x->seen[e] ? rounded(x->p[e] * rounded(dp - dot)) : 0;
        }
    }
}
/* Chain of w[r * step] * y(r), blocks of 64 of which none is seen passed over. */
static double pair_chain(const double *w, const bool *seen, int64_t n, int64_t step, enum dtype t,
                         const struct attention_array *y, int64_t b, int64_t h, int64_t d)
{
    double all = 0;
    for (int64_t span = 0; span == 0 || span < n; span += SPAN) {
        double part = 0;
        for (int64_t first = span; first < n && first < span + SPAN; first += 64) {
            int64_t end = first + 64 < n ? first + 64 : n;
            bool any = false;
            for (int64_t r = first; r < end; r++) any |= seen[r * step];
            for (int64_t r = first; any && r < end; r++)
                part = chain(w[r * step], at(t, y, b, h, r, d), part);
        }
        all = span ? rounded(all + part) : part;
    }
    return all;
}
static void check_backward(const struct attention *a, const struct attention_grad *g)
{
    size_t n = (size_t)(a->n_queries * a->n_keys) + 1;
    int64_t n_shared = a->n_heads / a->n_kv_heads;
    double scale = rounded(a->scale);
    double *dk = calloc((size_t)(a->n_keys * (a->size + a->value_size)) + 1, sizeof *dk);
    struct pairs x = {malloc(n * 8), malloc(n * 8), malloc(n)};
    assert_true(dk && x.p && x.ds && x.seen);
    double *dv = dk + a->n_keys * a->size;
    for (int64_t b = 0; b < a->n_batch; b++)
        for (int64_t h = 0; h < a->n_heads; h++) {
            int64_t kv = h / n_shared;
            head_pairs(a, g, b, h, &x);
            for (int64_t i = 0; i < a->n_queries; i++)
                for (int64_t d = 0; d < a->size; d++)
                    same("dq", a,
                         rounded(scale * pair_chain(x.ds + i * a->n_keys, x.seen + i * a->n_keys,
                                                    a->n_keys, 1, a->dtype, &a->k, b, kv, d)),
                         g->q.p, b * g->q.batch + h * g->q.head + i * g->q.row + d * g->q.column,
                         a->dtype);
            for (int64_t j = 0; j < a->n_keys; j++) {
                for (int64_t d = 0; d < a->size; d++) {
                    double v = pair_chain(x.ds + j, x.seen + j, a->n_queries, a->n_keys, a->dtype,
                                          &a->q, b, h, d);
                    double *sum = &dk[j * a->size + d];
                    *sum = h % n_shared ? rounded(*sum + v) : v;
                    if (h % n_shared == n_shared - 1)
                        same("dk", a, rounded(scale * *sum), g->k.p,
                             b * g->k.batch + kv * g->k.head + j * g->k.row + d * g->k.column,
                             a->dtype);
                }
                for (int64_t d = 0; d < a->value_size; d++) {
                    double v = pair_chain(x.p + j, x.seen + j, a->n_queries, a->n_keys, a->dtype,
                                          &g->out, b, h, d);
                    double *sum = &dv[j * a->value_size + d];
                    *sum = h % n_shared ? rounded(*sum + v) : v;
                    if (h % n_shared == n_shared - 1)
                        same("dv", a, *sum, g->v.p,
                             b * g->v.batch + kv * g->v.head + j * g->v.row + d * g->v.column,
                             a->dtype);
                }
            }
        }
    free(dk), free(x.p), free(x.ds), free(x.seen);
}

/* ---- making cases ---- */

static struct attention_array strides(const char *p, int64_t h, int64_t r, int64_t c, bool loose)
{
    if (loose) return (struct attention_array){p, 2 * h * r * c, 2 * c, 2 * h * c, 2};
    return (struct attention_array){p, h * r * c, r * c, c, 1};
}
static struct attention_result result(char *p, int64_t h, int64_t r, int64_t c, bool loose)
{
    struct attention_array x = strides(p, h, r, c, loose);
    return (struct attention_result){p, x.batch, x.head, x.row, x.column};
}
static char *array(enum dtype t, int64_t n, double size, uint32_t odd)
{
    static const float ODD[] = {-0.0f, INFINITY, -INFINITY, 1e-40f, NAN, 3e38f};
    char *p = calloc((size_t)n + 1, dtype_size(t));
    assert_non_null(p);
    for (int64_t i = 0; i < n; i++) {
        float v = (float)((double)(int32_t)number() * 0x1p-31 * size);
        if (odd && number() % odd == 0) v = ODD[number() % 6];
        dtype_cast(DTYPE_F32, &v, t, p + i * (int64_t)dtype_size(t), 1);
    }
    return p;
}
static char *mask(const struct shape *s)
{
    int64_t n = s->n_queries * s->n_keys;
    char *p = calloc((size_t)n + 1, dtype_size(s->bias));
    assert_non_null(p);
    for (int64_t i = 0; i < n; i++) {
        /* whole rows and whole blocks of keys are hidden now and then */
        bool hide = number() % 8 < s->hidden || i / s->n_keys % 5 == 3 ||
                    (i / s->n_keys % 3 == 1 && i % s->n_keys / 64 == 1);
        float v = s->bias == DTYPE_B8 ? !hide
                  : hide              ? -INFINITY
                                      : (float)(int32_t)number() * 0x1p-30f;
        dtype_cast(DTYPE_F32, &v, s->bias, p + i * (int64_t)dtype_size(s->bias), 1);
    }
    return p;
}
struct made {
    struct attention a;
    struct attention_grad g;
    struct arrays x;
};
static struct made make(enum dtype t, const struct shape *s, double size, uint32_t odd)
{
    bool loose = number() & 1;
    int64_t gap = loose ? 2 : 1, b = s->n_batch * gap;
    int64_t nq = b * s->n_heads * s->n_queries, nk = b * s->n_kv_heads * s->n_keys;
    struct arrays x = {.q = array(t, nq * s->size, size, odd),
                       .k = array(t, nk * s->size, size, odd),
                       .v = array(t, nk * s->value_size, 1, odd),
                       .bias = s->bias ? mask(s) : NULL,
                       .out = array(t, nq * s->value_size, 1, 0),
                       .dout = array(t, nq * s->value_size, 1, odd),
                       .dq = array(t, nq * s->size, 1, 0),
                       .dk = array(t, nk * s->size, 1, 0),
                       .dv = array(t, nk * s->value_size, 1, 0),
                       .logsumexp = array(DTYPE_F64, nq, 1, 0)};
    wide = t == DTYPE_F64;
    return (struct made){{.dtype = t,
                          .n_batch = s->n_batch,
                          .n_heads = s->n_heads,
                          .n_kv_heads = s->n_kv_heads,
                          .n_queries = s->n_queries,
                          .n_keys = s->n_keys,
                          .size = s->size,
                          .value_size = s->value_size,
                          .q = strides(x.q, s->n_heads, s->n_queries, s->size, loose),
                          .k = strides(x.k, s->n_kv_heads, s->n_keys, s->size, loose),
                          .v = strides(x.v, s->n_kv_heads, s->n_keys, s->value_size, loose),
                          .bias_dtype = s->bias ? s->bias : DTYPE_F32,
                          .bias = {x.bias, 0, 0, s->n_keys, 1},
                          .causal = s->causal,
                          .scale = 0.3,
                          .out = result(x.out, s->n_heads, s->n_queries, s->value_size, loose),
                          .logsumexp = x.logsumexp},
                         {.out = strides(x.dout, s->n_heads, s->n_queries, s->value_size, loose),
                          .q = result(x.dq, s->n_heads, s->n_queries, s->size, loose),
                          .k = result(x.dk, s->n_kv_heads, s->n_keys, s->size, loose),
                          .v = result(x.dv, s->n_kv_heads, s->n_keys, s->value_size, loose)},
                         x};
}
static void drop(struct made *m)
{
    char *all[] = {m->x.q,    m->x.k,  m->x.v,  m->x.bias, m->x.out,
                   m->x.dout, m->x.dq, m->x.dk, m->x.dv,   m->x.logsumexp};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static const struct shape SHAPES[] = {
    {1, 1, 1, 1, 1, 1, 1, false, DTYPE_NONE, 0},    {2, 3, 3, 5, 7, 4, 3, false, DTYPE_NONE, 0},
    {1, 2, 1, 70, 70, 8, 10, true, DTYPE_NONE, 0},  {1, 4, 2, 33, 130, 16, 16, false, DTYPE_B8, 3},
    {2, 1, 1, 20, 129, 5, 33, false, DTYPE_F32, 2}, {1, 2, 2, 67, 140, 12, 6, true, DTYPE_F32, 1},
    {1, 1, 1, 9, 0, 4, 4, false, DTYPE_NONE, 0},    {1, 1, 1, 80, 40, 3, 2, true, DTYPE_B8, 5},
};
static const char *const ISA_NAMES[] = {"scalar", "AVX2", "AVX-512"};
#define EACH_ISA(isa)                                                                              \
    for (enum gemm_isa isa = GEMM_SCALAR; isa < GEMM_N_ISAS; isa++)                                \
        if (!gemm_isa_present(isa))                                                                \
            print_message("not run: %s, which this machine lacks\n", ISA_NAMES[isa]);              \
        else

static void check(enum dtype t, const struct shape *s, double size, uint32_t odd,
                  const struct gemm_how *how)
{
    struct made m = make(t, s, size, odd);
    assert_int_equal(attention_forward(&m.a, how), ERR_OK);
    check_forward(&m.a);
    assert_int_equal(attention_backward(&m.a, &m.g, how), ERR_OK);
    check_backward(&m.a, &m.g);
    drop(&m);
}
static void equals_its_definition(void **state)
{
    (void)state;
    static const enum dtype DTYPES_IN[] = {DTYPE_F32, DTYPE_F64, DTYPE_F16, DTYPE_BF16};
    EACH_ISA(isa)
    for (int t = 0; t < 4; t++)
        for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES; i++)
            check(DTYPES_IN[t], SHAPES + i, i % 3 == 1 ? 40 : 1, 0, &(struct gemm_how){.isa = isa});
}
static void keeps_what_is_not_finite(void **state)
{
    (void)state;
    EACH_ISA(isa)
    for (uint32_t odd = 40; odd < 4000; odd *= 4)
        for (size_t i = 1; i < sizeof SHAPES / sizeof *SHAPES; i++)
            check(odd & 64 ? DTYPE_F64 : DTYPE_F32, SHAPES + i, 1, odd,
                  &(struct gemm_how){.isa = isa});
}
static void joins_spans_in_order(void **state)
{
    (void)state;
    static const struct shape KEYS = {1, 1, 1, 3, 8200, 3, 2, false, DTYPE_F32, 2},
                              QUERIES = {1, 1, 1, 4200, 70, 2, 2, true, DTYPE_NONE, 0};
    check(DTYPE_F32, &KEYS, 3, 0, NULL);
    check(DTYPE_F32, &QUERIES, 3, 0, NULL);
}
static void any_split_gives_the_same_bits(void **state)
{
    (void)state;
    for (int64_t threads = 2; threads < 8; threads += 3) {
        struct gemm_how how = {.isa = gemm_isa_best(), .split = split_by_threads, .pool = &threads};
        check(DTYPE_F32, SHAPES + 5, 1, 0, &how);
        check(DTYPE_BF16, SHAPES + 3, 1, 0, &how);
    }
}

/* ---- the true value ---- */

/* A score: a chain of `size` and 4 roundings more, each at most u of the terms' sizes. So p is
 * right to e = ln 2 times that, 2 u for the exponential, 2 u for rescaling and the division; l and
 * o add n_keys u, and out is their quotient. */
static void is_near(const struct attention *a, int64_t b, int64_t h, int64_t i)
{
    long double l = 0, o[64] = {0}, mag[64] = {0}, most = -INFINITY, worst = 0;
    long double u = wide ? 0x1p-53L : 0x1p-24L, store = a->dtype == DTYPE_BF16 ? 0x1p-8L : u;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t j = 0; j < a->n_keys; j++) {
            long double s = 0, size = 0;
            if (a->causal && j > i) continue;
            for (int64_t d = 0; d < a->size; d++) {
                long double x =
                    (long double)at(a->dtype, &a->q, b, h, i, d) * at(a->dtype, &a->k, b, h, j, d);
                s += x * a->scale, size += fabsl(x) * a->scale;
            }
            worst = size > worst ? size : worst;
            most = s > most ? s : most;
            if (!pass) continue;
            l += expl(s - most);
            for (int64_t d = 0; d < a->value_size; d++) {
                o[d] += expl(s - most) * at(a->dtype, &a->v, b, h, j, d);
                mag[d] += expl(s - most) * fabs(at(a->dtype, &a->v, b, h, j, d));
            }
        }
    long double e = ((a->size + 4) * worst + 4 + a->n_keys) * u;
    struct attention_array out = of_result(&a->out);
    for (int64_t d = 0; d < a->value_size; d++) {
        long double want = o[d] / l, bound = 2 * e * (1 + e) * mag[d] / l;
        long double error = fabsl(at(a->dtype, &out, b, h, i, d) - want);
        assert_true(error <= bound + store * (fabsl(want) + bound));
    }
}
static void is_near_the_true_value(void **state)
{
    (void)state;
    static const struct shape SHAPE = {2, 2, 2, 50, 300, 32, 24, false, DTYPE_NONE, 0};
    static const enum dtype DTYPES_IN[] = {DTYPE_F32, DTYPE_F64, DTYPE_BF16};
    for (int t = 0; t < 3; t++)
        for (double size = 0.5; size < 40; size *= 8)
            for (int causal = 0; causal < 2; causal++) {
                struct shape s = SHAPE;
                s.causal = causal;
                struct made m = make(DTYPES_IN[t], &s, size, 0);
                assert_int_equal(attention_forward(&m.a, NULL), ERR_OK);
                for (int64_t i = 0; i < s.n_queries; i += 7) is_near(&m.a, i % 2, i / 2 % 2, i);
                drop(&m);
            }
}

/* d out / d x by differences, in f64: the third-order term of a central difference and rounding
 * leave about h^2 + u / h of the size of the values; 1e-5 and 1e-16 / 1e-5 give 1e-9. */
static double loss(struct made *m)
{
    double sum = 0;
    struct attention_array out = of_result(&m->a.out);
    assert_int_equal(attention_forward(&m->a, NULL), ERR_OK);
    for (int64_t h = 0; h < m->a.n_heads; h++)
        for (int64_t i = 0; i < m->a.n_queries; i++)
            for (int64_t d = 0; d < m->a.value_size; d++)
                sum += at(DTYPE_F64, &out, 0, h, i, d) * at(DTYPE_F64, &m->g.out, 0, h, i, d);
    return sum;
}
static void gradients_equal_differences(void **state)
{
    (void)state;
    static const struct shape SHAPE = {1, 4, 2, 9, 11, 5, 4, true, DTYPE_F64, 1};
    struct made m = make(DTYPE_F64, &SHAPE, 1, 0);
    loss(&m);
    assert_int_equal(attention_backward(&m.a, &m.g, NULL), ERR_OK);
    char *x[] = {m.x.q, m.x.k, m.x.v}, *dx[] = {m.x.dq, m.x.dk, m.x.dv};
    int64_t gap = m.a.q.column;
    int64_t n[] = {4 * 9 * 5 * gap, 2 * 11 * 5 * gap, 2 * 11 * 4 * gap};
    for (int t = 0; t < 3; t++)
        for (int64_t i = 0; i < n[t]; i += 2 * gap) {
            double h = 1e-5, *v = (double *)x[t] + i, old = *v, grad;
            *v = old + h;
            double up = loss(&m);
            *v = old - h;
            double down = loss(&m);
            *v = old;
            memcpy(&grad, dx[t] + 8 * i, 8);
            assert_true(fabs((up - down) / (2 * h) - grad) < 1e-7);
        }
    drop(&m);
}

static void refuses_what_it_does_not_serve(void **state)
{
    (void)state;
    struct attention a = {.dtype = DTYPE_I32, .size = 4, .value_size = 4};
    assert_int_equal(attention_forward(&a, NULL), ERR_UNSUPPORTED);
    assert_non_null(strstr(err_text(), "i32"));
    a.dtype = DTYPE_F32, a.size = 1000;
    assert_int_equal(attention_forward(&a, NULL), ERR_UNSUPPORTED);
    assert_non_null(strstr(err_text(), "1000"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_its_definition),
        cmocka_unit_test(keeps_what_is_not_finite),
        cmocka_unit_test(joins_spans_in_order),
        cmocka_unit_test(any_split_gives_the_same_bits),
        cmocka_unit_test(is_near_the_true_value),
        cmocka_unit_test(gradients_equal_differences),
        cmocka_unit_test(refuses_what_it_does_not_serve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
