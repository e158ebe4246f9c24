/* shape_conv.c - what convolutions accept, and their shapes. */
#include "runtime/conv.h"
#include "runtime/ops.h"

const struct conv_places conv_forward = {0, 1, 3}, conv_backward = {1, 2, 4};

int64_t conv_count(const struct conv *v, const int64_t *size)
{
    int64_t n = 1;
    for (int d = 0; d < v->n_dims; d++) n *= size[d];
    return n;
}

/* A number per spatial dimension, or one for all. */
static enum err per_dim(const struct op_call *c, int arg, int n, int64_t least, int64_t *out)
{
    const struct op_value *v = &c->arg[arg];
    if (v->n != n && v->n != 1)
        OP_FAIL(c, arg, "%d numbers were given; 1 or %d are accepted", v->n, n);
    for (int d = 0; d < n; d++) {
        out[d] = v->is[v->n == 1 ? 0 : d];
        if (out[d] < least || out[d] > 1 << 30)
            OP_FAIL(c, arg, "%lld was given; %lld to 2^30 are accepted", (long long)out[d],
                    (long long)least);
    }
    return ERR_OK;
}

static enum err check_plain(const struct op_call *c, int transposed)
{
    if (c->arg[transposed].i)
        OP_FAIL(c, transposed, "True was given; False is accepted: it is not transposed");
    for (int i = 0; i < c->arg[transposed + 1].n; i++)
        if (c->arg[transposed + 1].is[i])
            OP_FAIL(c, transposed + 1, "%lld was given; 0 is accepted",
                    (long long)c->arg[transposed + 1].is[i]);
    if (c->arg[transposed + 2].i < 1)
        OP_FAIL(c, transposed + 2, "%lld was given; 1 or more is accepted",
                (long long)c->arg[transposed + 2].i);
    return ERR_OK;
}

static enum err check_channels(const struct op_call *c, const struct conv_places *at)
{
    char tw[TENSOR_TEXT], tx[TENSOR_TEXT];
    const struct plumb_tensor *x = c->arg[at->input].t, *w = c->arg[at->weight].t;
    int64_t groups = c->arg[at->stride + 5].i;
    const int64_t *sx = x->view.shape.size, *sw = w->view.shape.size;
    int n = x->view.shape.n;
    if (n < 3 || n > CONV_DIMS + 2)
        OP_FAIL(c, at->input, "%s was given; [batch, channels, 1 to 3 sizes] is accepted",
                tensor_text(x, tx));
    int64_t channels;
    bool fits = w->view.shape.n == n && w->view.dtype == x->view.dtype &&
                !__builtin_mul_overflow(sw[1], groups, &channels) && channels == sx[1];
    if (!fits || sw[0] % groups)
        OP_FAIL(c, at->weight,
                "%s does not go with 'input', %s, in %lld groups; the same dtype, [a multiple of "
                "groups, input channels / groups, taps] is accepted",
                tensor_text(w, tw), tensor_text(x, tx), (long long)groups);
    return ERR_OK;
}

/* What is unfolded, an element for each tap of each position, can be counted in bytes. */
static enum err check_size(const struct op_call *c, int weight, const struct conv *v)
{
    int64_t n = 16, most[] = {v->n_batch, v->in_channels, v->out_channels};
    bool over = false;
    for (int i = 0; i < 3; i++) over = over || __builtin_mul_overflow(n, most[i] ? most[i] : 1, &n);
    for (int d = 0; d < v->n_dims; d++) {
        over = over || __builtin_mul_overflow(n, v->taps[d], &n);
        over = over || __builtin_mul_overflow(n, v->in[d] > v->out[d] ? v->in[d] : v->out[d], &n);
    }
    if (!over) return ERR_OK;
    return op_fail(c, weight, "its taps times all positions are more than can be counted");
}

enum err conv_of(const struct op_call *c, const struct conv_places *at, struct conv *out)
{
    const int64_t *x = c->arg[at->input].t->view.shape.size;
    const int64_t *w = c->arg[at->weight].t->view.shape.size;
    int64_t groups = c->arg[at->stride + 5].i;
    TRY(check_plain(c, at->stride + 3));
    TRY(check_channels(c, at));
    *out = (struct conv){.n_dims = c->arg[at->input].t->view.shape.n - 2,
                         .n_batch = x[0],
                         .n_groups = groups,
                         .in_channels = w[1],
                         .out_channels = w[0] / groups};
    TRY(per_dim(c, at->stride, out->n_dims, 1, out->stride));
    TRY(per_dim(c, at->stride + 1, out->n_dims, 0, out->padding));
    TRY(per_dim(c, at->stride + 2, out->n_dims, 1, out->dilation));
    for (int d = 0; d < out->n_dims; d++) {
        out->in[d] = x[d + 2];
        out->taps[d] = w[d + 2];
        /* from the first tap to the last, and as far as there are elements */
        int64_t reach = 0, room = 0, taps = out->taps[d];
        bool fits = taps && !__builtin_mul_overflow(out->dilation[d], taps - 1, &reach) &&
                    !__builtin_add_overflow(out->in[d], 2 * out->padding[d] - 1, &room) &&
                    room >= reach;
        if (!fits)
            OP_FAIL(
                c, at->weight,
                "%lld taps, %lld apart, do not fit into size %lld of dimension %d with its padding",
                (long long)taps, (long long)out->dilation[d], (long long)out->in[d], d + 2);
        out->out[d] = (room - reach) / out->stride[d] + 1;
    }
    return check_size(c, at->weight, out);
}

static struct view_shape result_shape(const struct conv *v)
{
    struct view_shape s = {.n = v->n_dims + 2, .size = {v->n_batch, v->out_channels * v->n_groups}};
    for (int d = 0; d < v->n_dims; d++) s.size[d + 2] = v->out[d];
    return s;
}

enum err shape_convolution(struct op_call *c)
{
    enum { INPUT, WEIGHT, BIAS };
    char text[TENSOR_TEXT];
    struct conv v;
    c->compute = c->arg[INPUT].t->view.dtype;
    TRY(op_check_dtype(c, INPUT, c->compute, c->op->dtypes));
    TRY(conv_of(c, &conv_forward, &v));
    struct view_shape out = result_shape(&v);
    if (c->arg[BIAS].kind == OP_TENSOR) {
        const struct plumb_tensor *b = c->arg[BIAS].t;
        if (b->view.shape.n != 1 || b->view.shape.size[0] != out.size[1] ||
            b->view.dtype != c->compute)
            OP_FAIL(c, BIAS, "%s was given; %s[%lld] is accepted", tensor_text(b, text),
                    dtype_name(c->compute), (long long)out.size[1]);
    }
    op_result(c, 0, c->compute, &out);
    return ERR_OK;
}

enum err shape_convolution_backward(struct op_call *c)
{
    enum { GRAD, INPUT, WEIGHT, MASK = 10 };
    char text[TENSOR_TEXT], want[VIEW_TEXT];
    const struct plumb_tensor *g = c->arg[GRAD].t;
    struct conv v;
    c->compute = c->arg[INPUT].t->view.dtype;
    TRY(op_check_dtype(c, INPUT, c->compute, c->op->dtypes));
    TRY(conv_of(c, &conv_backward, &v));
    struct view grad = {.shape = result_shape(&v)};
    if (!view_same_shape(&grad, &g->view) || g->view.dtype != c->compute)
        OP_FAIL(c, GRAD, "%s was given; %s of %s is accepted", tensor_text(g, text),
                view_shape_text(&grad.shape, want), dtype_name(c->compute));
    if (c->arg[MASK].n != 3)
        OP_FAIL(c, MASK, "%d truth values were given; 3 are accepted", c->arg[MASK].n);
    struct view_shape channels = {.n = 1, .size = {grad.shape.size[1]}};
    const struct view_shape *shape[] = {&c->arg[INPUT].t->view.shape, &c->arg[WEIGHT].t->view.shape,
                                        &channels};
    for (int r = 0; r < 3; r++)
        if (c->arg[MASK].is[r]) op_result(c, r, c->compute, shape[r]);
        else op_absent(c, r);
    return ERR_OK;
}
