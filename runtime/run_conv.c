/* run_conv.c - convolution as products of matrices (kernels/gemm.h), in the canonical order.
 *
 *   forward          out[o, p]     = sum over k = (c, tap)     of weight[o, k]  unfolded[k, p]
 *   for the input    grad[c, q]    = sum over k = (o, tap)     of weight'[c, k] spread[k, q]
 *   for the weight   grad[o, c t]  = sum over k = (n, p)       of grad_out[o, k] unfolded'[k, c t]
 *
 * unfolded[k, p] is the input element that tap k of position p meets, spread[k, q] the gradient at
 * the position whose tap k meets input element q; +0 where there is none, so padding takes part.
 * Each is written once and read once by the product's packing: 2 (taps) times the input's bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/gemm.h"
#include "runtime/call_nest.h"
#include "runtime/conv.h"
#include "runtime/kernel.h"
#include "runtime/ops.h"

/* Unfolded elements are large: freed at the end of the call, not of the frame. */
struct room {
    void *p[2];
};

static enum err room_init(const struct op_call *c, struct room *r, int64_t first, int64_t second)
{
    size_t size = dtype_size(c->compute);
    r->p[0] = malloc((size_t)(first + 1) * size);
    r->p[1] = malloc((size_t)(second + 1) * size);
    if (r->p[0] && r->p[1]) return ERR_OK;
    FAIL(ERR_NOMEM, "%s: out of memory for %lld unfolded elements", c->op->s.name,
         (long long)first);
}

static void room_release(struct room *r)
{
    free(r->p[0]);
    free(r->p[1]);
}

/* Row-major index to coordinates. */
static void unravel(int n, const int64_t *size, int64_t index, int64_t *at)
{
    for (int d = n - 1; d >= 0; d--) {
        at[d] = index % size[d];
        index /= size[d];
    }
}

/* The input element that a tap of an output position meets; -1: padding. */
static int64_t met_by(const struct conv *v, const int64_t *tap, const int64_t *p)
{
    int64_t at = 0;
    for (int d = 0; d < v->n_dims; d++) {
        int64_t i = p[d] * v->stride[d] - v->padding[d] + tap[d] * v->dilation[d];
        if (i < 0 || i >= v->in[d]) return -1;
        at = at * v->in[d] + i;
    }
    return at;
}

/* The output position whose tap meets an input element; -1: none. */
static int64_t meets(const struct conv *v, const int64_t *tap, const int64_t *q)
{
    int64_t at = 0;
    for (int d = 0; d < v->n_dims; d++) {
        int64_t i = q[d] + v->padding[d] - tap[d] * v->dilation[d];
        if (i < 0 || i % v->stride[d] || i / v->stride[d] >= v->out[d]) return -1;
        at = at * v->out[d] + i / v->stride[d];
    }
    return at;
}

struct gather {
    const struct conv *v;
    const char *from; /* channels of one group and batch, packed */
    int64_t n_channels;
    bool spread;
    char *to;
    int64_t row; /* elements from one row (channel, tap) to the next */
    size_t size; /* bytes of an element */
};

static void copy(char *to, const char *from, int64_t at, size_t size)
{
    if (at < 0) memset(to, 0, size);
    else memcpy(to, from + (size_t)at * size, size);
}

static void gather(const struct gather *g)
{
    const struct conv *v = g->v;
    const int64_t *to_size = g->spread ? v->in : v->out, *from_size = g->spread ? v->out : v->in;
    int64_t taps = conv_count(v, v->taps), n = conv_count(v, to_size);
    int64_t channel = conv_count(v, from_size), tap[CONV_DIMS], at[CONV_DIMS];
    for (int64_t c = 0; c < g->n_channels; c++)
        for (int64_t t = 0; t < taps; t++) {
            const char *from = g->from + (size_t)(c * channel) * g->size;
            char *to = g->to + (size_t)((c * taps + t) * g->row) * g->size;
            unravel(v->n_dims, v->taps, t, tap);
            for (int64_t i = 0; i < n; i++) {
                unravel(v->n_dims, to_size, i, at);
                int64_t met = g->spread ? meets(v, tap, at) : met_by(v, tap, at);
                copy(to + (size_t)i * g->size, from, met, g->size);
            }
        }
}

static enum err multiply(struct op_call *c, const struct gemm *g)
{
    struct gemm_how how = kernel_how(c);
    if (!g->m || !g->n) return ERR_OK;
    bool blas = !c->exact && gemm_blas_name();
    enum err err = blas ? gemm_blas(g, &how) : gemm_exact(g, &how);
    return err ? err_wrap(err, "%s: ", c->op->s.name) : ERR_OK;
}

static struct gemm product(const struct op_call *c, int64_t m, int64_t n, int64_t k)
{
    return (struct gemm){.in = c->compute,
                         .out = c->compute,
                         .n_batch = 1,
                         .m = m,
                         .n = n,
                         .k = k,
                         .a = {.row = k, .column = 1},
                         .b = {.row = n, .column = 1},
                         .row = n,
                         .column = 1,
                         .alpha = 1};
}

/* Where the channels of a group of a batch begin. */
static const char *channels(const void *p, int64_t batch, int64_t n_groups, int64_t group,
                            int64_t elements, size_t size)
{
    return (const char *)p + (size_t)((batch * n_groups + group) * elements) * size;
}

/* One batch, one group after the other; columns: room for what is unfolded. */
static enum err forward(struct op_call *c, const struct conv *v, void *columns)
{
    const void *x, *w;
    size_t size = dtype_size(c->compute);
    TRY(kernel_packed(c, c->arg[0].t, &x));
    TRY(kernel_packed(c, c->arg[1].t, &w));
    int64_t n = conv_count(v, v->out), k = v->in_channels * conv_count(v, v->taps);
    struct gather u = {v, NULL, v->in_channels, false, columns, n, size};
    struct gemm g = product(c, v->out_channels, n, k);
    const struct plumb_tensor *bias = c->arg[2].kind == OP_TENSOR ? c->arg[2].t : NULL;
    for (int64_t i = 0; i < v->n_batch * v->n_groups; i++) {
        int64_t batch = i / v->n_groups, group = i % v->n_groups;
        u.from =
            channels(x, batch, v->n_groups, group, v->in_channels * conv_count(v, v->in), size);
        gather(&u);
        g.a.p = (const char *)w + (size_t)(group * v->out_channels * k) * size;
        g.b.p = columns;
        g.result = (void *)channels(op_data(c->result[0]), batch, v->n_groups, group,
                                    v->out_channels * n, size);
        if (bias) {
            int64_t step = bias->view.stride[0], first = group * v->out_channels * step;
            g.beta = 1;
            g.c = (struct gemm_matrix){.p = (char *)op_data(bias) + (size_t)first * size,
                                       .row = step};
        }
        TRY(multiply(c, &g));
    }
    return ERR_OK;
}

enum err run_convolution(struct op_call *c)
{
    struct room r = {{0}};
    struct conv v;
    TRY(conv_of(c, &conv_forward, &v));
    if (!view_count(&c->result[0]->view)) return ERR_OK;
    int64_t columns = v.in_channels * conv_count(&v, v.taps) * conv_count(&v, v.out);
    enum err err = room_init(c, &r, columns, 0);
    if (!err) err = forward(c, &v, r.p[0]);
    room_release(&r);
    return err;
}

/* ---- gradients ---- */

/* weight'[c, (o, tap)] of a group. */
static void turn_weight(const struct conv *v, const char *w, char *to, size_t size)
{
    int64_t taps = conv_count(v, v->taps);
    for (int64_t c = 0; c < v->in_channels; c++)
        for (int64_t o = 0; o < v->out_channels; o++)
            memcpy(to + (size_t)((c * v->out_channels + o) * taps) * size,
                   w + (size_t)((o * v->in_channels + c) * taps) * size, (size_t)taps * size);
}

static enum err grad_input(struct op_call *c, const struct conv *v, const struct room *r,
                           const void *grad, const void *w)
{
    size_t size = dtype_size(c->compute);
    int64_t n = conv_count(v, v->in), k = v->out_channels * conv_count(v, v->taps);
    void *columns = r->p[0], *turned = r->p[1];
    struct gather u = {v, NULL, v->out_channels, true, columns, n, size};
    struct gemm g = product(c, v->in_channels, n, k);
    for (int64_t group = 0; group < v->n_groups; group++) {
        turn_weight(v, (const char *)w + (size_t)(group * v->in_channels * k) * size, turned, size);
        for (int64_t batch = 0; batch < v->n_batch; batch++) {
            u.from = channels(grad, batch, v->n_groups, group,
                              v->out_channels * conv_count(v, v->out), size);
            gather(&u);
            g.a.p = turned;
            g.b.p = columns;
            g.result = (void *)channels(op_data(c->result[0]), batch, v->n_groups, group,
                                        v->in_channels * n, size);
            TRY(multiply(c, &g));
        }
    }
    return ERR_OK;
}

static enum err grad_weight(struct op_call *c, const struct conv *v, const struct room *r,
                            const void *grad, const void *x)
{
    size_t size = dtype_size(c->compute);
    int64_t p = conv_count(v, v->out), n = v->in_channels * conv_count(v, v->taps);
    int64_t k = v->n_batch * p;
    void *columns = r->p[0], *rows = r->p[1];
    struct gather u = {v, NULL, v->in_channels, false, NULL, k, size};
    struct gemm g = product(c, v->out_channels, n, k);
    g.b.row = 1;
    g.b.column = k;
    for (int64_t group = 0; group < v->n_groups; group++) {
        for (int64_t b = 0; b < v->n_batch; b++) {
            u.from =
                channels(x, b, v->n_groups, group, v->in_channels * conv_count(v, v->in), size);
            u.to = (char *)columns + (size_t)(b * p) * size;
            gather(&u);
            const char *from = channels(grad, b, v->n_groups, group, v->out_channels * p, size);
            for (int64_t o = 0; o < v->out_channels; o++)
                memcpy((char *)rows + (size_t)(o * k + b * p) * size, from + (size_t)(o * p) * size,
                       (size_t)p * size);
        }
        g.a.p = rows;
        g.b.p = columns;
        g.result = (char *)op_data(c->result[1]) + (size_t)(group * v->out_channels * n) * size;
        TRY(multiply(c, &g));
    }
    return ERR_OK;
}

static enum err grad_bias(struct op_call *c)
{
    struct call_nest n;
    if (!c->result[2]) return ERR_OK;
    call_nest_begin(&n, c, "out2 = sum(grad)", &c->arg[0].t->view.shape, ~(1u << 1));
    call_nest_read(&n, "grad", c->arg[0].t, 0);
    call_nest_write(&n, "out2", c->result[2], 1);
    return call_nest_run(&n);
}

static enum err to_input(struct op_call *c, const struct conv *v, const void *grad)
{
    struct room r = {{0}};
    const void *w;
    int64_t k = v->out_channels * conv_count(v, v->taps);
    TRY(kernel_packed(c, c->arg[2].t, &w));
    enum err err = room_init(c, &r, k * conv_count(v, v->in), k * v->in_channels);
    if (!err) err = grad_input(c, v, &r, grad, w);
    room_release(&r);
    return err;
}

static enum err to_weight(struct op_call *c, const struct conv *v, const void *grad)
{
    struct room r = {{0}};
    const void *x;
    int64_t k = v->n_batch * conv_count(v, v->out);
    TRY(kernel_packed(c, c->arg[1].t, &x));
    enum err err =
        room_init(c, &r, k * v->in_channels * conv_count(v, v->taps), k * v->out_channels);
    if (!err) err = grad_weight(c, v, &r, grad, x);
    room_release(&r);
    return err;
}

enum err run_convolution_backward(struct op_call *c)
{
    struct conv v;
    const void *grad;
    TRY(conv_of(c, &conv_backward, &v));
    TRY(kernel_packed(c, c->arg[0].t, &grad));
    if (c->result[0]) TRY(to_input(c, &v, grad));
    if (c->result[1]) TRY(to_weight(c, &v, grad));
    return grad_bias(c);
}
