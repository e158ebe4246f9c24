/* grad_nn.c - gradient rules of products, softmax, losses, norms, attention, rope and embedding.
 *
 * They call operators in the order in which PyTorch does: arguments by name, so that logs agree.
 */
#include "plumb.h"
#include "runtime/ops.h"

static enum err set(struct plumb_tensor **grad, struct plumb_tensor *g)
{
    *grad = g;
    return g ? ERR_OK : ERR_USAGE; /* the operator that failed has said why */
}

static struct plumb_tensor *scaled(struct plumb_tensor *t, double factor)
{
    return factor == 1 ? t : plumb_mul_scalar(t, factor);
}

/* The complex conjugate, where there is one to take. */
static struct plumb_tensor *conjugate(struct plumb_tensor *t)
{
    return t && dtype_kind(t->view.dtype) == DTYPE_COMPLEX ? plumb_conj_physical(t) : t;
}

/* Sums over what was repeated to make `g`'s shape out of t's. */
static struct plumb_tensor *reduced(struct plumb_tensor *g, const struct plumb_tensor *t)
{
    const struct view_shape *from = &t->view.shape;
    int64_t dim[VIEW_DIMS];
    int n = 0, shift;
    if (!g || view_same_shape(&g->view, &t->view)) return g;
    shift = g->view.shape.n - from->n;
    for (int d = 0; d < g->view.shape.n; d++)
        if (d < shift || (from->size[d - shift] == 1 && g->view.shape.size[d] != 1)) dim[n++] = d;
    g = plumb_sum_dim_intlist(g, dim, n, true, (enum plumb_dtype)0);
    return shift ? plumb_view(g, from->size, from->n) : g;
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
    if (by_columns(a)) return plumb_t(plumb_mm(conjugate(b), plumb_t(g)));
    return plumb_mm(g, conjugate(plumb_t(b)));
}
static struct plumb_tensor *right_grad(struct plumb_tensor *g, struct plumb_tensor *a,
                                       struct plumb_tensor *b)
{
    if (!by_columns(b)) return plumb_mm(conjugate(plumb_t(a)), g);
    struct plumb_tensor *turned = plumb_t(g);
    return plumb_t(plumb_mm(turned, conjugate(a)));
}

enum err grad_mm(struct op_call *c, struct plumb_tensor *const *result_grad,
                 struct plumb_tensor **grad)
{
    struct plumb_tensor *g = result_grad[0], *a = c->arg[0].t, *b = c->arg[1].t;
    if (op_needs_grad(c, 1)) TRY(set(&grad[1], right_grad(g, a, b)));
    if (op_needs_grad(c, 0)) TRY(set(&grad[0], left_grad(g, a, b)));
    return ERR_OK;
}

enum err grad_addmm(struct op_call *c, struct plumb_tensor *const *result_grad,
                    struct plumb_tensor **grad)
{
    struct plumb_tensor *g = result_grad[0], *a = c->arg[1].t, *b = c->arg[2].t;
    double beta = c->arg[3].r, alpha = c->arg[4].r;
    if (op_needs_grad(c, 1)) TRY(set(&grad[1], scaled(left_grad(g, a, b), alpha)));
    if (op_needs_grad(c, 2)) TRY(set(&grad[2], scaled(right_grad(g, a, b), alpha)));
    if (op_needs_grad(c, 0)) TRY(set(&grad[0], reduced(scaled(g, beta), c->arg[0].t)));
    return ERR_OK;
}

static struct plumb_tensor *turned(struct plumb_tensor *t)
{
    return conjugate(plumb_transpose_int(t, 1, 2));
}

enum err grad_bmm(struct op_call *c, struct plumb_tensor *const *result_grad,
                  struct plumb_tensor **grad)
{
    struct plumb_tensor *g = result_grad[0], *a = c->arg[0].t, *b = c->arg[1].t;
    if (op_needs_grad(c, 1)) TRY(set(&grad[1], plumb_bmm(turned(a), g)));
    if (op_needs_grad(c, 0)) TRY(set(&grad[0], plumb_bmm(g, turned(b))));
    return ERR_OK;
}

enum err grad_baddbmm(struct op_call *c, struct plumb_tensor *const *result_grad,
                      struct plumb_tensor **grad)
{
    struct plumb_tensor *g = result_grad[0], *a = c->arg[1].t, *b = c->arg[2].t;
    double beta = c->arg[3].r, alpha = c->arg[4].r;
    if (op_needs_grad(c, 1)) TRY(set(&grad[1], scaled(plumb_bmm(g, turned(b)), alpha)));
    if (op_needs_grad(c, 2)) TRY(set(&grad[2], scaled(plumb_bmm(turned(a), g), alpha)));
    if (op_needs_grad(c, 0)) TRY(set(&grad[0], reduced(scaled(g, beta), c->arg[0].t)));
    return ERR_OK;
}

enum err grad_mv(struct op_call *c, struct plumb_tensor *const *result_grad,
                 struct plumb_tensor **grad)
{
    struct plumb_tensor *g = result_grad[0], *a = c->arg[0].t, *v = c->arg[1].t;
    int64_t column[] = {a->view.shape.size[0], 1};
    if (op_needs_grad(c, 0)) TRY(set(&grad[0], plumb_mul(plumb_view(g, column, 2), conjugate(v))));
    if (op_needs_grad(c, 1)) TRY(set(&grad[1], plumb_mv(conjugate(plumb_t(a)), g)));
    return ERR_OK;
}

enum err grad_dot(struct op_call *c, struct plumb_tensor *const *result_grad,
                  struct plumb_tensor **grad)
{
    struct plumb_tensor *g = result_grad[0];
    if (op_needs_grad(c, 0)) TRY(set(&grad[0], plumb_mul(g, conjugate(c->arg[1].t))));
    if (op_needs_grad(c, 1)) TRY(set(&grad[1], plumb_mul(g, conjugate(c->arg[0].t))));
    return ERR_OK;
}

/* ---- softmax and losses ---- */

enum err grad_softmax(struct op_call *c, struct plumb_tensor *const *result_grad,
                      struct plumb_tensor **grad)
{
    enum plumb_dtype dtype = (enum plumb_dtype)c->arg[0].t->view.dtype;
    return set(grad,
               plumb__softmax_backward_data(result_grad[0], c->result[0], c->arg[1].i, dtype));
}

enum err grad_log_softmax(struct op_call *c, struct plumb_tensor *const *result_grad,
                          struct plumb_tensor **grad)
{
    enum plumb_dtype dtype = (enum plumb_dtype)c->arg[0].t->view.dtype;
    return set(grad,
               plumb__log_softmax_backward_data(result_grad[0], c->result[0], c->arg[1].i, dtype));
}

enum err grad_nll_loss_forward(struct op_call *c, struct plumb_tensor *const *result_grad,
                               struct plumb_tensor **grad)
{
    const struct op_value *a = c->arg;
    if (!op_needs_grad(c, 0) || !result_grad[0]) return ERR_OK;
    return set(grad, plumb_nll_loss_backward(result_grad[0], a[0].t, a[1].t, a[2].t, a[3].i, a[4].i,
                                             c->result[1]));
}

enum err grad_mse_loss(struct op_call *c, struct plumb_tensor *const *result_grad,
                       struct plumb_tensor **grad)
{
    struct plumb_tensor *g = result_grad[0], *x = c->arg[0].t, *t = c->arg[1].t;
    int64_t reduction = c->arg[2].i;
    if (op_needs_grad(c, 0))
        TRY(set(&grad[0], reduced(plumb_mse_loss_backward(g, x, t, reduction), x)));
    if (op_needs_grad(c, 1))
        TRY(set(&grad[1], reduced(plumb_mse_loss_backward(g, t, x, reduction), t)));
    return ERR_OK;
}

/* ---- norms ---- */

/* Whether a gradient is wanted for the argument; absent ones have no slot. */
static bool wants(const struct op_call *c, int arg)
{
    return c->arg[arg].kind == OP_TENSOR && op_needs_grad(c, op_slot(c, arg));
}

static enum err put(const struct op_call *c, int arg, struct plumb_tensor *g,
                    struct plumb_tensor **grad)
{
    return wants(c, arg) ? set(&grad[op_slot(c, arg)], g) : ERR_OK;
}

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
    int64_t mask[] = {wants(c, INPUT), wants(c, WEIGHT), wants(c, BIAS)};
    TRY(only_first(c, result_grad, 3));
    if (plumb_native_layer_norm_backward(result_grad[0], a[INPUT].t, a[NORMALIZED].is,
                                         a[NORMALIZED].n, c->result[1], c->result[2], a[WEIGHT].t,
                                         a[BIAS].t, mask, 3, out) < 0)
        return ERR_USAGE;
    TRY(put(c, INPUT, out[0], grad));
    TRY(put(c, WEIGHT, out[1], grad));
    return put(c, BIAS, out[2], grad);
}

enum err grad_fused_rms_norm(struct op_call *c, struct plumb_tensor *const *result_grad,
                             struct plumb_tensor **grad)
{
    enum { INPUT, NORMALIZED, WEIGHT };
    const struct op_value *a = c->arg;
    struct plumb_tensor *out[2];
    int64_t mask[] = {wants(c, INPUT), wants(c, WEIGHT)};
    TRY(only_first(c, result_grad, 2));
    if (plumb__fused_rms_norm_backward(result_grad[0], a[INPUT].t, a[NORMALIZED].is,
                                       a[NORMALIZED].n, c->result[1], a[WEIGHT].t, mask, 2,
                                       out) < 0)
        return ERR_USAGE;
    TRY(put(c, INPUT, out[0], grad));
    return put(c, WEIGHT, out[1], grad);
}

enum err grad_native_batch_norm(struct op_call *c, struct plumb_tensor *const *result_grad,
                                struct plumb_tensor **grad)
{
    enum { INPUT, WEIGHT, BIAS, MEAN, VAR, TRAINING, MOMENTUM, EPS };
    const struct op_value *a = c->arg;
    struct plumb_tensor *out[3];
    bool training = a[TRAINING].i;
    int64_t mask[] = {wants(c, INPUT), wants(c, WEIGHT), wants(c, BIAS)};
    TRY(only_first(c, result_grad, 3));
    /* In training the running statistics have moved on; they are not needed. */
    if (plumb_native_batch_norm_backward(result_grad[0], a[INPUT].t, a[WEIGHT].t,
                                         training ? NULL : a[MEAN].t, training ? NULL : a[VAR].t,
                                         c->result[1], c->result[2], training, a[EPS].r, mask, 3,
                                         out) < 0)
        return ERR_USAGE;
    TRY(put(c, INPUT, out[0], grad));
    TRY(put(c, WEIGHT, out[1], grad));
    return put(c, BIAS, out[2], grad);
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
    if (wants(c, MASK)) OP_FAIL(c, MASK, "a gradient is wanted for it; none is computed");
    if (plumb__scaled_dot_product_flash_attention_for_cpu_backward_full(
            result_grad[0], a[Q].t, a[K].t, a[V].t, c->result[0], c->result[1], a[DROPOUT].r,
            a[CAUSAL].i, a[MASK].t, scale, out) < 0)
        return ERR_USAGE;
    for (int i = Q; i <= V; i++) TRY(put(c, i, out[i], grad));
    return ERR_OK;
}

enum err grad_rope(struct op_call *c, struct plumb_tensor *const *result_grad,
                   struct plumb_tensor **grad)
{
    for (int i = 1; i <= 2; i++)
        if (wants(c, i)) OP_FAIL(c, i, "a gradient is wanted for it; none is computed");
    return set(grad, plumb_rope_backward(result_grad[0], c->arg[1].t, c->arg[2].t));
}

enum err grad_embedding(struct op_call *c, struct plumb_tensor *const *result_grad,
                        struct plumb_tensor **grad)
{
    const struct op_value *a = c->arg;
    return set(grad, plumb_embedding_dense_backward(result_grad[0], a[1].t,
                                                    a[0].t->view.shape.size[0], a[2].i, a[3].i));
}

/* ---- convolution ---- */

enum err grad_convolution(struct op_call *c, struct plumb_tensor *const *result_grad,
                          struct plumb_tensor **grad)
{
    enum { INPUT, WEIGHT, BIAS, STRIDE, PADDING, DILATION, TRANSPOSED, OUTPUT_PADDING, GROUPS };
    const struct op_value *a = c->arg;
    struct plumb_tensor *out[3], *g = result_grad[0];
    bool biased = a[BIAS].kind == OP_TENSOR;
    int64_t mask[] = {wants(c, INPUT), wants(c, WEIGHT), wants(c, BIAS)};
    const int64_t *bias_sizes = biased ? a[BIAS].t->view.shape.size : NULL;
    if (plumb_convolution_backward(g, a[INPUT].t, a[WEIGHT].t, bias_sizes, biased, a[STRIDE].is,
                                   a[STRIDE].n, a[PADDING].is, a[PADDING].n, a[DILATION].is,
                                   a[DILATION].n, a[TRANSPOSED].i, a[OUTPUT_PADDING].is,
                                   a[OUTPUT_PADDING].n, a[GROUPS].i, mask, 3, out) < 0)
        return ERR_USAGE;
    TRY(put(c, INPUT, out[0], grad));
    TRY(put(c, WEIGHT, out[1], grad));
    return put(c, BIAS, out[2], grad);
}
