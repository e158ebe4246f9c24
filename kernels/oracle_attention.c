/* oracle_attention.c - oracles of scaled dot-product attention, rotary positions and embedding
 * tables.
 *
 * Errors are carried along the steps of kernels/attention.h (oracle_num.h): a score is a chain
 * over d of products, scaled in base 2, z = c (q k) + b bias; its whole part is exact, so a
 * probability is 2^z relative to a power of two: the error of z ln 2 plus that of the
 * polynomial. Sums of probabilities and the chain over keys pass each term through at most n
 * additions.
 */
#include <stdlib.h>

#include "kernels/oracle_num.h"

oracle_fn oracle__scaled_dot_product_flash_attention_for_cpu,
    oracle__scaled_dot_product_flash_attention_for_cpu_backward, oracle_rope, oracle_rope_backward,
    oracle_embedding, oracle_embedding_dense_backward;

#define LN2 0.693147180559945309417232121458176568L

struct attention {
    struct num_kind kind;
    const struct oracle_array *q, *k, *v, *mask;
    int64_t n_batch, n_heads, n_kv, n_queries, n_keys, size, value_size;
    bool causal;
    long double scale;
    struct num *p, *d; /* a row of probabilities and of their gradients; owned */
};

static struct attention attention_of(const struct oracle_call *c, int q)
{
    const int64_t *sq = c->arg[q].a->shape.size, *sk = c->arg[q + 1].a->shape.size;
    int scale = c->n_args - 1, mask = c->n_args - 2, causal = c->n_args - 3;
    struct attention a = {.kind = num_kind(c->arg[q].a->dtype),
                          .q = c->arg[q].a,
                          .k = c->arg[q + 1].a,
                          .v = c->arg[q + 2].a,
                          .mask = c->arg[mask].kind == ORACLE_NONE ? NULL : c->arg[mask].a,
                          .n_batch = sq[0],
                          .n_heads = sq[1],
                          .n_kv = sk[1],
                          .n_queries = sq[2],
                          .n_keys = sk[2],
                          .size = sq[3],
                          .value_size = c->arg[q + 2].a->shape.size[3],
                          .causal = c->arg[causal].i,
                          .scale = 1 / sqrtl((long double)sq[3])};
    if (c->arg[scale].kind != ORACLE_NONE) a.scale = c->arg[scale].r;
    a.p = calloc((size_t)a.n_keys + 1, sizeof *a.p);
    a.d = calloc((size_t)a.n_keys + 1, sizeof *a.d);
    return a;
}

/* A query: which rows it reads. */
struct query {
    int64_t batch, head, i;
};
static int64_t row_of_q(const struct attention *a, struct query x)
{
    return (x.batch * a->n_heads + x.head) * a->n_queries + x.i;
}
static int64_t row_of_k(const struct attention *a, struct query x, int64_t key)
{
    return (x.batch * a->n_kv + x.head / (a->n_heads / a->n_kv)) * a->n_keys + key;
}

static bool takes_part(const struct attention *a, struct query x, int64_t key, struct num *bias)
{
    *bias = num_of(0);
    if (a->causal && key > x.i) return false;
    if (!a->mask) return true;
    struct view_shape s = {.n = 4, .size = {a->n_batch, a->n_heads, a->n_queries, a->n_keys}};
    int64_t at = oracle_broadcast(a->mask, &s, row_of_q(a, x) * a->n_keys + key);
    if (a->mask->dtype == DTYPE_B8) return a->mask->v[at] != 0;
    *bias = num_at(a->mask, at);
    return !(isinf(bias->v) && bias->v < 0);
}

/* scale q k + bias; in base 2 it takes five roundings more than the chain. */
static struct num score(const struct attention *a, struct query x, int64_t key, struct num bias)
{
    const long double *q = a->q->v + row_of_q(a, x) * a->size;
    const long double *k = a->k->v + row_of_k(a, x, key) * a->size;
    long double v = 0, size = 0;
    for (int64_t d = 0; d < a->size; d++) {
        v += q[d] * k[d];
        size += fabsl(q[d] * k[d]);
    }
    long double chain = (long double)a->size * (size + a->kind.tiny) * fabsl(a->scale);
    v = v * a->scale + bias.v;
    return (struct num){v, chain + 3 * fabsl(v - bias.v) + 2 * fabsl(bias.v) + fabsl(v)};
}

/* Fills a->p with probabilities before division; returns their sum, and the largest score. */
static struct num probabilities(struct attention *a, struct query x, long double *top)
{
    struct num bias, sum = {0};
    long double size = 0;
    *top = -(long double)INFINITY;
    for (int64_t k = 0; k < a->n_keys; k++) {
        if (!takes_part(a, x, k, &bias)) {
            a->p[k] = (struct num){-(long double)INFINITY, -1};
            continue;
        }
        a->p[k] = score(a, x, k, bias);
        if (a->p[k].v > *top || isnan(a->p[k].v)) *top = a->p[k].v;
    }
    for (int64_t k = 0; k < a->n_keys; k++) {
        if (a->p[k].e == -1) {
            a->p[k] = num_of(0);
            continue;
        }
        a->p[k] = num_exp(a->kind, (struct num){a->p[k].v - *top, a->p[k].e});
        sum.v += a->p[k].v;
        sum.e += a->p[k].e;
        size += fabsl(a->p[k].v);
    }
    sum.e += (long double)(a->n_keys + 8) * (size + a->kind.tiny);
    return sum;
}

/* sum over n of x[i] y[i * step], as a chain. */
static struct num chain(struct num_kind k, const struct num *x, const long double *y, int64_t n,
                        int64_t step)
{
    struct num r = {0};
    long double size = 0;
    for (int64_t i = 0; i < n; i++) {
        long double t = x[i].v * y[i * step];
        if (x[i].v == 0 && x[i].e == 0) continue; /* takes no part, even against infinity */
        r.v += t;
        r.e += x[i].e * fabsl(y[i * step]);
        size += fabsl(t);
    }
    r.e += (long double)(n + 2) * (size + k.tiny);
    return r;
}

static void forward(struct oracle_call *c, struct attention *a, struct query x)
{
    long double top;
    struct num sum = probabilities(a, x, &top);
    int64_t row = row_of_q(a, x);
    struct num log_sum = num_log(a->kind, sum);
    log_sum.v += top;
    log_sum.e += 4 * fabsl(top) + fabsl(log_sum.v) + fabsl(log_sum.v - top);
    for (int64_t k = 0; k < a->n_keys; k++) log_sum.e = fmaxl(log_sum.e, a->p[k].e);
    bool any = sum.v != 0;
    num_put(&c->out[1], row, any ? log_sum : num_of(-(long double)INFINITY));
    const long double *v = a->v->v + row_of_k(a, x, 0) * a->value_size;
    for (int64_t d = 0; d < a->value_size; d++) {
        struct num o = chain(a->kind, a->p, v + d, a->n_keys, a->value_size);
        num_put(&c->out[0], row * a->value_size + d, any ? num_div(a->kind, o, sum) : num_of(0));
    }
}

typedef void query_fn(struct oracle_call *c, struct attention *a, struct query x);
static void each_query(struct oracle_call *c, struct attention *a, query_fn *f)
{
    if (!a->p || !a->d) c->failed = true;
    for (int64_t b = 0; !c->failed && b < a->n_batch; b++)
        for (int64_t h = 0; h < a->n_heads; h++)
            for (int64_t i = 0; i < a->n_queries; i++) f(c, a, (struct query){b, h, i});
    free(a->p);
    free(a->d);
}

void oracle__scaled_dot_product_flash_attention_for_cpu(struct oracle_call *c)
{
    struct attention a = attention_of(c, 0);
    each_query(c, &a, forward);
}

/* ---- gradients ---- */

static void add_to(struct oracle_array *out, int64_t at, long double v, long double e)
{
    out->v[at] += v;
    out->mag[at] += e;
}

/* P = p / sum and dS = P (do v - do out): a->p and a->d. */
static void row_gradients(struct oracle_call *c, struct attention *a, struct query x)
{
    struct num_kind k = a->kind;
    long double top, dot = 0, dot_size = 0;
    struct num sum = probabilities(a, x, &top);
    int64_t row = row_of_q(a, x) * a->value_size;
    const long double *go = c->arg[0].a->v + row, *out = c->arg[4].a->v + row;
    for (int64_t d = 0; d < a->value_size; d++) {
        dot += go[d] * out[d];
        dot_size += fabsl(go[d] * out[d]);
    }
    struct num mean = {dot, (long double)a->value_size * (dot_size + k.tiny)};
    for (int64_t j = 0; j < a->n_keys; j++) {
        const long double *v = a->v->v + row_of_k(a, x, j) * a->value_size;
        long double s = 0, size = 0;
        bool part = a->p[j].v != 0 || a->p[j].e != 0;
        for (int64_t d = 0; d < a->value_size; d++) {
            s += go[d] * v[d];
            size += fabsl(go[d] * v[d]);
        }
        struct num to = {s, (long double)a->value_size * (size + k.tiny)};
        a->p[j] = part ? num_div(k, a->p[j], sum) : num_of(0);
        a->d[j] = part ? num_mul(k, a->p[j], num_sub(k, to, mean)) : num_of(0);
    }
}

static void backward(struct oracle_call *c, struct attention *a, struct query x)
{
    row_gradients(c, a, x);
    int64_t row = row_of_q(a, x), key = row_of_k(a, x, 0);
    const long double *q = a->q->v + row * a->size, *go = c->arg[0].a->v + row * a->value_size;
    struct oracle_array *dq = &c->out[0], *dk = &c->out[1], *dv = &c->out[2];
    /* chains over queries and heads: each term passes at most so many additions */
    long double queries = (long double)(a->n_queries + a->n_heads + 3), scale = a->scale;
    long double tiny = a->kind.tiny;
    for (int64_t d = 0; d < a->size; d++) {
        struct num s = chain(a->kind, a->d, a->k->v + key * a->size + d, a->n_keys, a->size);
        num_put(dq, row * a->size + d, num_mul(a->kind, s, num_of(scale)));
    }
    for (int64_t j = 0; j < a->n_keys; j++) {
        struct num p = a->p[j], t = a->d[j];
        if (p.v == 0 && p.e == 0) continue;
        for (int64_t d = 0; d < a->size; d++) {
            long double v = t.v * q[d] * scale;
            add_to(dk, (key + j) * a->size + d, v,
                   t.e * fabsl(q[d] * scale) + queries * (fabsl(v) + tiny));
        }
        for (int64_t d = 0; d < a->value_size; d++) {
            long double v = p.v * go[d];
            add_to(dv, (key + j) * a->value_size + d, v,
                   p.e * fabsl(go[d]) + queries * (fabsl(v) + tiny));
        }
    }
}

void oracle__scaled_dot_product_flash_attention_for_cpu_backward(struct oracle_call *c)
{
    struct attention a = attention_of(c, 1);
    for (int r = 1; r <= 2; r++)
        for (int64_t i = 0; i < c->out[r].n; i++) num_put(&c->out[r], i, num_of(0));
    each_query(c, &a, backward);
}

/* ---- rope ---- */

static void rotate(struct oracle_call *c, long double direction)
{
    const struct oracle_array *x = c->arg[0].a, *cosine = c->arg[1].a, *sine = c->arg[2].a;
    struct num_kind k = num_kind(x->dtype);
    struct view_shape pairs = x->shape;
    int64_t half = pairs.size[pairs.n - 1] /= 2;
    for (int64_t i = 0; i < x->n / 2; i++) {
        int64_t at = half ? i / half * 2 * half + i % half : 0;
        struct num a = num_at(x, at), b = num_at(x, at + half);
        struct num co = num_at(cosine, oracle_broadcast(cosine, &pairs, i));
        struct num si = num_at(sine, oracle_broadcast(sine, &pairs, i));
        si.v *= direction;
        num_put(c->out, at, num_sub(k, num_mul(k, a, co), num_mul(k, b, si)));
        num_put(c->out, at + half, num_add(k, num_mul(k, b, co), num_mul(k, a, si)));
    }
}

void oracle_rope(struct oracle_call *c)
{
    rotate(c, 1);
}
void oracle_rope_backward(struct oracle_call *c)
{
    rotate(c, -1);
}

/* ---- embedding ---- */

void oracle_embedding(struct oracle_call *c)
{
    const struct oracle_array *w = c->arg[0].a, *index = c->arg[1].a;
    int parts = dtype_kind(w->dtype) == DTYPE_COMPLEX ? 2 : 1;
    int64_t width = w->shape.size[1] * parts;
    for (int64_t i = 0; width && i < index->n; i++) {
        int64_t row = oracle_position(c, 1, index->v[i], w->shape.size[0]);
        for (int64_t d = 0; row >= 0 && d < width; d++)
            c->out->v[i * width + d] = w->v[row * width + d];
    }
}

/* A destination's sources are added in order, each passing at most as many additions as there
 * are. */
void oracle_embedding_dense_backward(struct oracle_call *c)
{
    const struct oracle_array *g = c->arg[0].a, *index = c->arg[1].a;
    int parts = dtype_kind(g->dtype) == DTYPE_COMPLEX ? 2 : 1;
    int64_t width = g->shape.size[g->shape.n - 1] * parts;
    for (int64_t i = 0; i < c->out->n * parts; i++) num_put(c->out, i, num_of(0));
    for (int64_t i = 0; i < index->n; i++) {
        int64_t row = oracle_position(c, 1, index->v[i], c->out->shape.size[0]);
        for (int64_t d = 0; row >= 0 && row != c->arg[3].i && d < width; d++)
            add_to(c->out, row * width + d, g->v[i * width + d],
                   (long double)index->n * fabsl(g->v[i * width + d]));
    }
}
