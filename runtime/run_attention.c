/* run_attention.c - scaled dot-product attention: what is accepted, and the call of its kernel. One
 * kernel serves every level of determinism: its order is the canonical one. */
#include "kernels/attention.h"

#include <math.h>

#include "kernels/run.h"
#include "runtime/kernel.h"
#include "runtime/ops.h"

/* Where arguments stand: the forward operator's, and the backward one's. */
struct places {
    int q, k, v, dropout, causal, mask, scale;
};
static const struct places forward = {0, 1, 2, 3, 4, 5, 6}, backward = {1, 2, 3, 6, 7, 8, 9};

/* ---- what is accepted ---- */

static enum err check_one(const struct op_call *c, int arg, enum dtype dtype)
{
    char text[TENSOR_TEXT];
    const struct plumb_tensor *t = c->arg[arg].t;
    if (t->view.shape.n == 4 && t->view.dtype == dtype) return ERR_OK;
    return op_fail(c, arg, "%s was given; [batch, heads, rows, columns] of %s is accepted",
                   tensor_text(t, text), dtype_name(dtype));
}

static enum err check_sizes(const struct op_call *c, const struct places *at)
{
    char tq[VIEW_TEXT], tk[VIEW_TEXT], tv[VIEW_TEXT];
    const struct view_shape *q = &c->arg[at->q].t->view.shape, *k = &c->arg[at->k].t->view.shape,
                            *v = &c->arg[at->v].t->view.shape;
    view_shape_text(q, tq);
    view_shape_text(k, tk);
    view_shape_text(v, tv);
    int64_t n = q->size[1], n_kv = k->size[1];
    bool heads = n && n_kv ? n % n_kv == 0 : n == n_kv;
    if (k->size[0] != q->size[0] || !heads || k->size[3] != q->size[3])
        OP_FAIL(c, at->k,
                "shape %s does not go with 'query' of shape %s; the same batch and columns, and "
                "heads that divide the query's are accepted",
                tk, tq);
    if (v->size[0] != k->size[0] || v->size[1] != k->size[1] || v->size[2] != k->size[2])
        OP_FAIL(c, at->v,
                "shape %s does not go with 'key' of shape %s; the same batch, heads and rows are "
                "accepted",
                tv, tk);
    return ERR_OK;
}

static struct view_shape scores_shape(const struct op_call *c, const struct places *at)
{
    struct view_shape s = c->arg[at->q].t->view.shape;
    s.size[3] = c->arg[at->k].t->view.shape.size[2];
    return s;
}

static enum err check_mask(const struct op_call *c, const struct places *at)
{
    char text[TENSOR_TEXT], want[VIEW_TEXT];
    struct view v;
    if (c->arg[at->mask].kind == OP_NONE) return ERR_OK;
    const struct plumb_tensor *m = c->arg[at->mask].t;
    struct view_shape s = scores_shape(c, at);
    bool dtype = m->view.dtype == DTYPE_B8 || m->view.dtype == c->compute ||
                 (m->view.dtype == DTYPE_F32 && c->compute != DTYPE_F64);
    if (!dtype || view_expand(&m->view, &s, &v))
        OP_FAIL(c, at->mask, "%s was given; b8 or %s that repeats to %s is accepted",
                tensor_text(m, text), dtype_name(c->compute), view_shape_text(&s, want));
    return ERR_OK;
}

static enum err check_attention(struct op_call *c, const struct places *at)
{
    c->compute = c->arg[at->q].t->view.dtype;
    TRY(op_check_dtype(c, at->q, c->compute, c->op->dtypes));
    for (int i = at->q; i <= at->v; i++) TRY(check_one(c, i, c->compute));
    TRY(check_sizes(c, at));
    for (int i = at->q; i <= at->v; i += at->v - at->q) /* before a trace takes the call */
        if (c->arg[i].t->view.shape.size[3] > RUN)
            OP_FAIL(c, i, "heads of %lld columns were given; at most %d are accepted",
                    (long long)c->arg[i].t->view.shape.size[3], RUN);
    TRY(check_mask(c, at));
    if (c->arg[at->dropout].r != 0)
        OP_FAIL(c, at->dropout, "%g was given; 0 is accepted: dropout within attention is not done",
                c->arg[at->dropout].r);
    return ERR_OK;
}

static enum dtype sums_dtype(const struct op_call *c)
{
    return c->compute == DTYPE_F64 ? DTYPE_F64 : DTYPE_F32;
}

/* [batch, heads, queries, columns of value] */
static struct view_shape out_shape(const struct op_call *c, const struct places *at)
{
    struct view_shape s = c->arg[at->q].t->view.shape;
    s.size[3] = c->arg[at->v].t->view.shape.size[3];
    return s;
}

enum err shape_attention(struct op_call *c)
{
    TRY(check_attention(c, &forward));
    struct view_shape out = out_shape(c, &forward), sums = out;
    sums.n = 3;
    op_result(c, 0, c->compute, &out);
    op_result(c, 1, sums_dtype(c), &sums);
    return ERR_OK;
}

static enum err check_same(const struct op_call *c, int arg, enum dtype dtype,
                           const struct view_shape *shape)
{
    char text[TENSOR_TEXT], want[VIEW_TEXT];
    const struct plumb_tensor *t = c->arg[arg].t;
    struct view v = {.shape = *shape};
    if (t->view.dtype == dtype && view_same_shape(&t->view, &v)) return ERR_OK;
    return op_fail(c, arg, "%s was given; %s of %s is accepted", tensor_text(t, text),
                   view_shape_text(shape, want), dtype_name(dtype));
}

enum err shape_attention_backward(struct op_call *c)
{
    enum { GRAD_OUT, Q, K, V, OUT, SUMS };
    TRY(check_attention(c, &backward));
    struct view_shape out = out_shape(c, &backward), sums = out;
    sums.n = 3;
    TRY(check_same(c, GRAD_OUT, c->compute, &out));
    TRY(check_same(c, OUT, c->compute, &out));
    TRY(check_same(c, SUMS, sums_dtype(c), &sums));
    for (int i = 0; i < 3; i++) op_result(c, i, c->compute, &c->arg[Q + i].t->view.shape);
    return ERR_OK;
}

/* ---- running ---- */

static struct attention_array array_of(const struct plumb_tensor *t, const struct view *v)
{
    return (struct attention_array){op_data(t), v->stride[0], v->stride[1], v->stride[2],
                                    v->stride[3]};
}
static struct attention_result result_of(const struct plumb_tensor *t)
{
    const int64_t *s = t->view.stride;
    return (struct attention_result){op_data(t), s[0], s[1], s[2], s[3]};
}

static enum err describe(struct op_call *c, const struct places *at, struct attention *a)
{
    const struct plumb_tensor *q = c->arg[at->q].t, *k = c->arg[at->k].t, *v = c->arg[at->v].t;
    const int64_t *sq = q->view.shape.size, *sk = k->view.shape.size;
    double size = (double)sq[3];
    *a = (struct attention){.dtype = c->compute,
                            .n_batch = sq[0],
                            .n_heads = sq[1],
                            .n_kv_heads = sk[1],
                            .n_queries = sq[2],
                            .n_keys = sk[2],
                            .size = sq[3],
                            .value_size = v->view.shape.size[3],
                            .q = array_of(q, &q->view),
                            .k = array_of(k, &k->view),
                            .v = array_of(v, &v->view),
                            .causal = c->arg[at->causal].i,
                            .scale = 1 / sqrt(size)};
    if (c->arg[at->scale].kind != OP_NONE) a->scale = c->arg[at->scale].r;
    if (c->arg[at->mask].kind == OP_NONE) return ERR_OK;
    const struct plumb_tensor *m = c->arg[at->mask].t;
    struct view_shape scores = scores_shape(c, at);
    struct view mask;
    TRY(view_expand(&m->view, &scores, &mask));
    a->bias = array_of(m, &mask);
    a->bias_dtype = m->view.dtype;
    return ERR_OK;
}

static enum err named(const struct op_call *c, enum err err)
{
    return err ? err_wrap(err, "%s: ", c->op->s.name) : ERR_OK;
}

enum err run_attention(struct op_call *c)
{
    struct attention a;
    TRY(describe(c, &forward, &a));
    a.out = result_of(c->result[0]);
    a.logsumexp = op_data(c->result[1]);
    struct gemm_how how = kernel_how(c);
    return named(c, attention_forward(&a, &how));
}

enum err run_attention_backward(struct op_call *c)
{
    enum { GRAD_OUT, OUT = 4, SUMS };
    struct attention a;
    TRY(describe(c, &backward, &a));
    a.out = result_of(c->arg[OUT].t);
    a.logsumexp = op_data(c->arg[SUMS].t);
    struct attention_grad g = {.out = array_of(c->arg[GRAD_OUT].t, &c->arg[GRAD_OUT].t->view),
                               .q = result_of(c->result[0]),
                               .k = result_of(c->result[1]),
                               .v = result_of(c->result[2])};
    struct gemm_how how = kernel_how(c);
    return named(c, attention_backward(&a, &g, &how));
}
