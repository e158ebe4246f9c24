/* grad_nn.c - gradient rules of products, softmax, losses, norms, attention, rope and embedding.
 *
 * They call operators in the order in which PyTorch does: arguments by name, so that logs agree.
 */
#include "runtime/grad.h"

static struct plumb_tensor *scaled(struct plumb_tensor *t, double factor)
{
    return factor == 1 ? t : plumb_mul_scalar(t, factor);
}

/* ---- products of matrices ---- */

static bool by_columns(const struct plumb_tensor *t)
{
    const struct view *v = &t->view;
    return v->stride[0] == 1 && v->stride[1] == v->shape.size[0];
}

/* grad of a in a b, laid out as a is. */
static struct plumb_tensor *left_grad(struct plumb_tensor *g, struct plumb_tensor *a,
                                      struct plumb_tensor *b)
{
    if (by_columns(a)) return plumb_t(plumb_mm(grad_conjugate(b), plumb_t(g)));
    return plumb_mm(g, grad_conjugate(plumb_t(b)));
}
static struct plumb_tensor *right_grad(struct plumb_tensor *g, struct plumb_tensor *a,
                                       struct plumb_tensor *b)
{
    if (!by_columns(b)) return plumb_mm(grad_conjugate(plumb_t(a)), g);
    struct plumb_tensor *turned = plumb_t(g);
    return plumb_t(plumb_mm(turned, grad_conjugate(a)));
}

enum err grad_mm(struct op_call *c, struct plumb_tensor *const *result_grad,
                 struct plumb_tensor **grad)
{
    struct plumb_tensor *g = result_grad[0], *a = c->arg[0].t, *b = c->arg[1].t;
    GRAD_GIVE(1, right_grad(g, a, b));
    GRAD_GIVE(0, left_grad(g, a, b));
    return ERR_OK;
}

enum err grad_addmm(struct op_call *c, struct plumb_tensor *const *result_grad,
                    struct plumb_tensor **grad)
{
    struct plumb_tensor *g = result_grad[0], *a = c->arg[1].t, *b = c->arg[2].t;
    double beta = c->arg[3].r, alpha = c->arg[4].r;
    GRAD_GIVE(1, scaled(left_grad(g, a, b), alpha));
    GRAD_GIVE(2, scaled(right_grad(g, a, b), alpha));
    GRAD_GIVE(0, scaled(g, beta));
    return ERR_OK;
}

static struct plumb_tensor *turned(struct plumb_tensor *t)
{
    return grad_conjugate(plumb_transpose_int(t, 1, 2));
}

enum err grad_bmm(struct op_call *c, struct plumb_tensor *const *result_grad,
                  struct plumb_tensor **grad)
{
    struct plumb_tensor *g = result_grad[0], *a = c->arg[0].t, *b = c->arg[1].t;
    GRAD_GIVE(1, plumb_bmm(turned(a), g));
    GRAD_GIVE(0, plumb_bmm(g, turned(b)));
    return ERR_OK;
}

enum err grad_baddbmm(struct op_call *c, struct plumb_tensor *const *result_grad,
                      struct plumb_tensor **grad)
{
    struct plumb_tensor *g = result_grad[0], *a = c->arg[1].t, *b = c->arg[2].t;
    double beta = c->arg[3].r, alpha = c->arg[4].r;
    GRAD_GIVE(1, scaled(plumb_bmm(g, turned(b)), alpha));
    GRAD_GIVE(2, scaled(plumb_bmm(turned(a), g), alpha));
    GRAD_GIVE(0, scaled(g, beta));
    return ERR_OK;
}

enum err grad_mv(struct op_call *c, struct plumb_tensor *const *result_grad,
                 struct plumb_tensor **grad)
{
    struct plumb_tensor *g = result_grad[0], *a = c->arg[0].t, *v = c->arg[1].t;
    int64_t column[] = {a->view.shape.size[0], 1};
    GRAD_GIVE(0, plumb_mul(plumb_view(g, column, 2), grad_conjugate(v)));
    GRAD_GIVE(1, plumb_mv(grad_conjugate(plumb_t(a)), g));
    return ERR_OK;
}

enum err grad_dot(struct op_call *c, struct plumb_tensor *const *result_grad,
                  struct plumb_tensor **grad)
{
    struct plumb_tensor *g = result_grad[0];
    GRAD_GIVE(0, plumb_mul(g, grad_conjugate(c->arg[1].t)));
    GRAD_GIVE(1, plumb_mul(g, grad_conjugate(c->arg[0].t)));
    return ERR_OK;
}

/* ---- softmax and losses ---- */

enum err grad_softmax(struct op_call *c, struct plumb_tensor *const *result_grad,
                      struct plumb_tensor **grad)
{
    enum plumb_dtype dtype = (enum plumb_dtype)c->arg[0].t->view.dtype;
    GRAD_GIVE(0, plumb__softmax_backward_data(result_grad[0], c->result[0], c->arg[1].i, dtype));
    return ERR_OK;
}

enum err grad_log_softmax(struct op_call *c, struct plumb_tensor *const *result_grad,
                          struct plumb_tensor **grad)
{
    enum plumb_dtype dtype = (enum plumb_dtype)c->arg[0].t->view.dtype;
    GRAD_GIVE(0,
              plumb__log_softmax_backward_data(result_grad[0], c->result[0], c->arg[1].i, dtype));
    return ERR_OK;
}

enum err grad_nll_loss_forward(struct op_call *c, struct plumb_tensor *const *result_grad,
                               struct plumb_tensor **grad)
{
    const struct op_value *a = c->arg;
    if (!result_grad[0]) return ERR_OK;
    GRAD_GIVE(0, plumb_nll_loss_backward(result_grad[0], a[0].t, a[1].t, a[2].t, a[3].i, a[4].i,
                                         c->result[1]));
    return ERR_OK;
}

enum err grad_mse_loss(struct op_call *c, struct plumb_tensor *const *result_grad,
                       struct plumb_tensor **grad)
{
    struct plumb_tensor *g = result_grad[0], *x = c->arg[0].t, *t = c->arg[1].t;
    int64_t reduction = c->arg[2].i;
    GRAD_GIVE(0, plumb_mse_loss_backward(g, x, t, reduction));
    GRAD_GIVE(1, plumb_mse_loss_backward(g, t, x, reduction));
    return ERR_OK;
}

/* ---- norms ---- */

/* Gradients of statistics that a norm also gives are not defined. */
static enum err only_first(const struct op_call *c, struct plumb_tensor *const *result_grad, int n)
{
    for (int i = 1; i < n; i++)
        if (result_grad[i])
            FAIL(ERR_UNSUPPORTED, "%s: result %d has no gradient; only the first has",
                 c->op->s.name, i);
    return ERR_OK;
}

enum err grad_native_layer_norm(struct op_call *c, struct plumb_tensor *const *result_grad,
                                struct plumb_tensor **grad)
{
    enum { INPUT, NORMALIZED, WEIGHT, BIAS };
    const struct op_value *a = c->arg;
    struct plumb_tensor *out[3];
    int64_t mask[] = {grad_wants(c, INPUT), grad_wants(c, WEIGHT), grad_wants(c, BIAS)};
    TRY(only_first(c, result_grad, 3));
    if (plumb_native_layer_norm_backward(result_grad[0], a[INPUT].t, a[NORMALIZED].is,
                                         a[NORMALIZED].n, c->result[1], c->result[2], a[WEIGHT].t,
                                         a[BIAS].t, mask, 3, out) < 0)
        return ERR_USAGE;
    GRAD_GIVE(INPUT, out[0]);
    GRAD_GIVE(WEIGHT, out[1]);
    GRAD_GIVE(BIAS, out[2]);
    return ERR_OK;
}

enum err grad_fused_rms_norm(struct op_call *c, struct plumb_tensor *const *result_grad,
                             struct plumb_tensor **grad)
{
    enum { INPUT, NORMALIZED, WEIGHT };
    const struct op_value *a = c->arg;
    struct plumb_tensor *out[2];
    int64_t mask[] = {grad_wants(c, INPUT), grad_wants(c, WEIGHT)};
    TRY(only_first(c, result_grad, 2));
    if (plumb__fused_rms_norm_backward(result_grad[0], a[INPUT].t, a[NORMALIZED].is,
                                       a[NORMALIZED].n, c->result[1], a[WEIGHT].t, mask, 2,
                                       out) < 0)
        return ERR_USAGE;
    GRAD_GIVE(INPUT, out[0]);
    GRAD_GIVE(WEIGHT, out[1]);
    return ERR_OK;
}

enum err grad_native_batch_norm(struct op_call *c, struct plumb_tensor *const *result_grad,
                                struct plumb_tensor **grad)
{
    enum { INPUT, WEIGHT, BIAS, MEAN, VAR, TRAINING, MOMENTUM, EPS };
    const struct op_value *a = c->arg;
    struct plumb_tensor *out[3];
    bool training = a[TRAINING].i;
    int64_t mask[] = {grad_wants(c, INPUT), grad_wants(c, WEIGHT), grad_wants(c, BIAS)};
    TRY(only_first(c, result_grad, 3));
    /* In training the running statistics have moved on; they are not needed. */
    if (plumb_native_batch_norm_backward(result_grad[0], a[INPUT].t, a[WEIGHT].t,
                                         training ? NULL : a[MEAN].t, training ? NULL : a[VAR].t,
                                         c->result[1], c->result[2], training, a[EPS].r, mask, 3,
                                         out) < 0)
        return ERR_USAGE;
    GRAD_GIVE(INPUT, out[0]);
    GRAD_GIVE(WEIGHT, out[1]);
    GRAD_GIVE(BIAS, out[2]);
    return ERR_OK;
}

/* ---- attention, rope, embedding ---- */

enum err grad_attention(struct op_call *c, struct plumb_tensor *const *result_grad,
                        struct plumb_tensor **grad)
{
    enum { Q, K, V, DROPOUT, CAUSAL, MASK, SCALE };
    const struct op_value *a = c->arg;
    struct plumb_tensor *out[3];
    const double *scale = a[SCALE].kind == OP_NONE ? NULL : &a[SCALE].r;
    TRY(only_first(c, result_grad, 2));
    if (grad_wants(c, MASK)) OP_FAIL(c, MASK, "a gradient is wanted for it; none is computed");
    if (plumb__scaled_dot_product_flash_attention_for_cpu_backward_full(
            result_grad[0], a[Q].t, a[K].t, a[V].t, c->result[0], c->result[1], a[DROPOUT].r,
            a[CAUSAL].i, a[MASK].t, scale, out) < 0)
        return ERR_USAGE;
    for (int i = Q; i <= V; i++) GRAD_GIVE(i, out[i]);
    return ERR_OK;
}

enum err grad_rope(struct op_call *c, struct plumb_tensor *const *result_grad,
                   struct plumb_tensor **grad)
{
    for (int i = 1; i <= 2; i++)
        if (grad_wants(c, i)) OP_FAIL(c, i, "a gradient is wanted for it; none is computed");
    GRAD_GIVE(0, plumb_rope_backward(result_grad[0], c->arg[1].t, c->arg[2].t));
    return ERR_OK;
}

enum err grad_embedding(struct op_call *c, struct plumb_tensor *const *result_grad,
                        struct plumb_tensor **grad)
{
    const struct op_value *a = c->arg;
    GRAD_GIVE(0, plumb_embedding_dense_backward(result_grad[0], a[1].t, a[0].t->view.shape.size[0],
                                                a[2].i, a[3].i));
    return ERR_OK;
}

/* ---- convolution ---- */

enum err grad_convolution(struct op_call *c, struct plumb_tensor *const *result_grad,
                          struct plumb_tensor **grad)
{
    enum { INPUT, WEIGHT, BIAS, STRIDE, PADDING, DILATION, TRANSPOSED, OUTPUT_PADDING, GROUPS };
    const struct op_value *a = c->arg;
    struct plumb_tensor *out[3], *g = result_grad[0];
    bool biased = a[BIAS].kind == OP_TENSOR;
    int64_t mask[] = {grad_wants(c, INPUT), grad_wants(c, WEIGHT), grad_wants(c, BIAS)};
    const int64_t *bias_sizes = biased ? a[BIAS].t->view.shape.size : NULL;
    if (plumb_convolution_backward(g, a[INPUT].t, a[WEIGHT].t, bias_sizes, biased, a[STRIDE].is,
                                   a[STRIDE].n, a[PADDING].is, a[PADDING].n, a[DILATION].is,
                                   a[DILATION].n, a[TRANSPOSED].i, a[OUTPUT_PADDING].is,
                                   a[OUTPUT_PADDING].n, a[GROUPS].i, mask, 3, out) < 0)
        return ERR_USAGE;
    GRAD_GIVE(INPUT, out[0]);
    GRAD_GIVE(WEIGHT, out[1]);
    GRAD_GIVE(BIAS, out[2]);
    return ERR_OK;
}
