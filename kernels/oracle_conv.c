/* oracle_conv.c - oracles of convolution and its gradients, as sums over taps.
 *
 * Each result is a product of matrices' element: k terms, taps on padding among them, pass at most
 * k + 1 roundings each (oracle_contract.c); the bias adds one. A bias gradient is a row sum.
 */
#include "kernels/oracle_num.h"

oracle_fn oracle_convolution, oracle_convolution_backward;

enum { CONV_DIMS = 3 };
struct conv {
    struct num_kind kind;
    int n;
    const int64_t *in, *out, *taps, *stride, *padding, *dilation;
    int64_t n_batch, n_groups, in_channels, out_channels; /* of a group */
    int64_t n_in, n_out, n_taps;
    int n_stride, n_padding, n_dilation;
};

static struct conv conv_of(const struct oracle_call *c, int input, int stride,
                           const struct view_shape *out)
{
    const struct oracle_array *x = c->arg[input].a, *w = c->arg[input + 1].a;
    const struct oracle_value *s = &c->arg[stride];
    struct conv v = {.kind = num_kind(x->dtype),
                     .n = x->shape.n - 2,
                     .in = x->shape.size + 2,
                     .out = out->size + 2,
                     .taps = w->shape.size + 2,
                     .stride = s[0].is,
                     .padding = s[1].is,
                     .dilation = s[2].is,
                     .n_batch = x->shape.size[0],
                     .n_groups = s[5].i,
                     .in_channels = w->shape.size[1],
                     .out_channels = w->shape.size[0] / s[5].i,
                     .n_in = 1,
                     .n_out = 1,
                     .n_taps = 1,
                     .n_stride = s[0].n,
                     .n_padding = s[1].n,
                     .n_dilation = s[2].n};
    for (int d = 0; d < v.n; d++) {
        v.n_in *= v.in[d];
        v.n_out *= v.out[d];
        v.n_taps *= v.taps[d];
    }
    return v;
}

/* The input element that tap t of position p meets; -1: padding. */
static int64_t met(const struct conv *v, int64_t t, int64_t p)
{
    int64_t at = 0, step = 1;
    for (int d = v->n - 1; d >= 0; d--) {
        int64_t i = p % v->out[d] * v->stride[v->n_stride == 1 ? 0 : d] -
                    v->padding[v->n_padding == 1 ? 0 : d] +
                    t % v->taps[d] * v->dilation[v->n_dilation == 1 ? 0 : d];
        if (i < 0 || i >= v->in[d]) return -1;
        at += i * step;
        step *= v->in[d];
        p /= v->out[d];
        t /= v->taps[d];
    }
    return at;
}

/* One term of each of the three sums: elements of input, weight and output that meet. */
struct meeting {
    int64_t x, w, y;
};
typedef void meeting_fn(struct oracle_call *c, const struct meeting *m);

static void each_meeting(struct oracle_call *c, const struct conv *v, meeting_fn *f)
{
    int64_t outs = v->n_groups * v->out_channels;
    for (int64_t row = 0; row < v->n_batch * outs; row++) {
        int64_t batch = row / outs, o = row % outs, group = o / v->out_channels;
        for (int64_t ch = 0; ch < v->in_channels; ch++)
            for (int64_t t = 0; t < v->n_taps; t++)
                for (int64_t p = 0; p < v->n_out; p++) {
                    int64_t at = met(v, t, p);
                    int64_t in = (batch * v->n_groups + group) * v->in_channels + ch;
                    struct meeting m = {in * v->n_in + at,
                                        (o * v->in_channels + ch) * v->n_taps + t,
                                        row * v->n_out + p};
                    if (at >= 0) f(c, &m);
                }
    }
}

static void clear(struct oracle_array *a)
{
    for (int64_t i = 0; i < a->n; i++) num_put(a, i, num_of(0));
}
static void term(struct oracle_array *to, int64_t at, long double a, long double b)
{
    to->v[at] += a * b;
    to->mag[at] += fabsl(a * b);
}
/* From the sum of the sizes of k terms to an error. */
static void finish(struct oracle_array *a, struct num_kind kind, int64_t k)
{
    for (int64_t i = 0; i < a->n; i++) a->mag[i] = (long double)(k + 1) * (a->mag[i] + kind.tiny);
}

static void forward(struct oracle_call *c, const struct meeting *m)
{
    term(c->out, m->y, c->arg[0].a->v[m->x], c->arg[1].a->v[m->w]);
}

void oracle_convolution(struct oracle_call *c)
{
    struct conv v = conv_of(c, 0, 3, &c->out->shape);
    clear(c->out);
    each_meeting(c, &v, forward);
    finish(c->out, v.kind, v.in_channels * v.n_taps);
    for (int64_t i = 0; c->arg[2].kind != ORACLE_NONE && i < c->out->n; i++) {
        struct num y = {c->out->v[i], c->out->mag[i]};
        struct num b = num_at(c->arg[2].a, i / v.n_out % (v.n_groups * v.out_channels));
        num_put(c->out, i, num_add(v.kind, y, b));
    }
}

static void backward(struct oracle_call *c, const struct meeting *m)
{
    const int64_t *mask = c->arg[10].is;
    long double g = c->arg[0].a->v[m->y];
    if (mask[0]) term(&c->out[0], m->x, c->arg[2].a->v[m->w], g);
    if (mask[1]) term(&c->out[1], m->w, c->arg[1].a->v[m->x], g);
}

void oracle_convolution_backward(struct oracle_call *c)
{
    const struct oracle_array *g = c->arg[0].a;
    struct conv v = conv_of(c, 1, 4, &g->shape);
    const int64_t *mask = c->arg[10].is;
    int64_t outs = v.n_groups * v.out_channels;
    for (int r = 0; r < 2; r++)
        if (mask[r]) clear(&c->out[r]);
    each_meeting(c, &v, backward);
    if (mask[0]) finish(&c->out[0], v.kind, v.out_channels * v.n_taps);
    if (mask[1]) finish(&c->out[1], v.kind, v.n_batch * v.n_out);
    for (int64_t o = 0; mask[2] && o < outs; o++) {
        struct num_sum sum = {0};
        for (int64_t i = 0; i < v.n_batch * v.n_out; i++)
            num_sum_add(&sum, num_at(g, (i / v.n_out * outs + o) * v.n_out + i % v.n_out));
        num_put(&c->out[2], o, num_sum_end(v.kind, &sum));
    }
}
