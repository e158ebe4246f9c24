/* composite_nn.c - softmax, losses, norms and attention as programs call them: each calls the
 * operators that PyTorch 2.13 logs for it on the CPU. */
#include <math.h>

#include "plumb.h"
#include "runtime/ops.h"

/* ---- softmax ---- */

static struct plumb_tensor *in_dtype(const struct op_call *c, int dtype_arg)
{
    struct plumb_tensor *t = c->arg[0].t;
    if (c->arg[dtype_arg].kind == OP_NONE) return t;
    enum dtype want = (enum dtype)c->arg[dtype_arg].i;
    return t->view.dtype == want ? t : plumb__to_copy(t, (enum plumb_dtype)want);
}

enum err run_softmax(struct op_call *c)
{
    return op_give(c, 0, plumb__softmax(in_dtype(c, 2), c->arg[1].i, false));
}
enum err run_log_softmax(struct op_call *c)
{
    return op_give(c, 0, plumb__log_softmax(in_dtype(c, 2), c->arg[1].i, false));
}

/* ---- cross entropy ---- */

enum { CE_SELF, CE_TARGET, CE_WEIGHT, CE_REDUCTION, CE_IGNORE, CE_SMOOTHING };

/* Of each row, a probability per class. */
static struct plumb_tensor *against_probabilities(const struct op_call *c,
                                                  struct plumb_tensor *logs, int class_dim)
{
    const struct view_shape *s = &logs->view.shape;
    struct plumb_tensor *w = c->arg[CE_WEIGHT].t, *terms = plumb_mul(logs, c->arg[CE_TARGET].t);
    int64_t dim = class_dim, rows = 1, sizes[VIEW_DIMS];
    for (int d = 0; d < s->n; d++) {
        sizes[d] = d == class_dim ? s->size[d] : 1;
        if (d != class_dim) rows *= s->size[d];
    }
    if (w) terms = plumb_mul(terms, plumb_view(w, sizes, s->n));
    if (c->arg[CE_REDUCTION].i == PLUMB_NONE)
        return plumb_neg(plumb_sum_dim_intlist(terms, &dim, 1, false, (enum plumb_dtype)0));
    struct plumb_tensor *sum = plumb_neg(plumb_sum(terms, (enum plumb_dtype)0));
    if (c->arg[CE_REDUCTION].i == PLUMB_SUM) return sum;
    return plumb_div_scalar(sum, s->n > 1 ? (double)rows : 1);
}

/* Loss and total weight of rows. */
static enum err nll(const struct op_call *c, struct plumb_tensor *logs, struct plumb_tensor *target,
                    struct plumb_tensor *out[2])
{
    int n = plumb_nll_loss_forward(logs, target, c->arg[CE_WEIGHT].t, c->arg[CE_REDUCTION].i,
                                   c->arg[CE_IGNORE].i, out);
    return n < 0 ? ERR_USAGE : ERR_OK;
}

/* [batch, classes, positions ...]: every position becomes a row. */
static enum err nll_positions(const struct op_call *c, struct plumb_tensor *logs,
                              struct plumb_tensor *out[2])
{
    const struct view_shape *s = &logs->view.shape;
    struct plumb_tensor *target = c->arg[CE_TARGET].t;
    struct view_shape shape = target->view.shape;
    int64_t order[VIEW_DIMS] = {0}, rows = s->size[0], n_classes = s->size[1];
    for (int d = 2; d < s->n; d++) {
        order[d - 1] = d;
        rows *= s->size[d];
    }
    order[s->n - 1] = 1;
    logs = plumb_permute(logs, order, s->n);
    logs = plumb_reshape(logs, (int64_t[]){rows, n_classes}, 2);
    TRY(nll(c, logs, plumb_reshape(target, &rows, 1), out));
    if (c->arg[CE_REDUCTION].i == PLUMB_NONE) out[0] = plumb_view(out[0], shape.size, shape.n);
    return out[0] ? ERR_OK : ERR_USAGE;
}

/* Every class counts a little: loss (1 - smoothing) - sum over classes (weighted) smoothing / n.
 * */
static struct plumb_tensor *smoothed(const struct op_call *c, struct plumb_tensor *logs,
                                     int class_dim, struct plumb_tensor *const nll_out[2])
{
    const struct view_shape *s = &logs->view.shape;
    double smoothing = c->arg[CE_SMOOTHING].r;
    int64_t dim = class_dim, sizes[VIEW_DIMS];
    struct plumb_tensor *w = c->arg[CE_WEIGHT].t, *t = c->arg[CE_TARGET].t, *all = logs;
    for (int d = 0; d < s->n; d++) sizes[d] = d == class_dim ? s->size[d] : 1;
    if (w) all = plumb_mul(all, plumb_view(w, sizes, s->n));
    all = plumb_neg(plumb_sum_dim_intlist(all, &dim, 1, false, (enum plumb_dtype)0));
    struct plumb_tensor *ignored = plumb_eq_scalar(t, (double)c->arg[CE_IGNORE].i);
    all = plumb_masked_fill_scalar(all, ignored, 0);
    if (c->arg[CE_REDUCTION].i != PLUMB_NONE) all = plumb_sum(all, (enum plumb_dtype)0);
    if (c->arg[CE_REDUCTION].i == PLUMB_MEAN) all = plumb_div(all, nll_out[1]);
    all = plumb_mul_scalar(all, smoothing / (double)s->size[class_dim]);
    return plumb_add(all, plumb_mul_scalar(nll_out[0], 1 - smoothing));
}

static enum err check_positions(const struct op_call *c)
{
    char tx[VIEW_TEXT], tt[VIEW_TEXT];
    const struct view_shape *x = &c->arg[CE_SELF].t->view.shape,
                            *t = &c->arg[CE_TARGET].t->view.shape;
    bool same = t->n == x->n - 1 && t->size[0] == x->size[0];
    for (int d = 1; same && d < t->n; d++) same = t->size[d] == x->size[d + 1];
    if (same) return ERR_OK;
    return op_fail(c, CE_TARGET,
                   "shape %s was given; that of 'self', %s, without the classes, is accepted",
                   view_shape_text(t, tt), view_shape_text(x, tx));
}

enum err run_cross_entropy_loss(struct op_call *c)
{
    struct plumb_tensor *x = c->arg[CE_SELF].t, *t = c->arg[CE_TARGET].t;
    int class_dim = x->view.shape.n > 1;
    if (!x->view.shape.n) OP_FAIL(c, CE_SELF, "it has no dimensions; at least 1 is accepted");
    double smoothing = c->arg[CE_SMOOTHING].r;
    if (!(smoothing >= 0 && smoothing <= 1))
        OP_FAIL(c, CE_SMOOTHING, "%g was given; 0 to 1 is accepted", smoothing);
    bool probabilities =
        view_same_shape(&x->view, &t->view) && dtype_kind(t->view.dtype) == DTYPE_FLOAT;
    if (!probabilities && x->view.shape.n > 2) TRY(check_positions(c));
    struct plumb_tensor *logs = plumb__log_softmax(x, class_dim, false);
    if (!logs) return ERR_USAGE;
    if (probabilities) {
        if (smoothing > 0)
            OP_FAIL(c, CE_SMOOTHING, "%g was given with probabilities as targets; 0 is accepted",
                    smoothing);
        return op_give(c, 0, against_probabilities(c, logs, class_dim));
    }
    struct plumb_tensor *out[2];
    TRY(x->view.shape.n > 2 ? nll_positions(c, logs, out) : nll(c, logs, t, out));
    return op_give(c, 0, smoothing > 0 ? smoothed(c, logs, class_dim, out) : out[0]);
}

/* ---- norms ---- */

enum err run_layer_norm(struct op_call *c)
{
    struct plumb_tensor *out[3];
    int n = plumb_native_layer_norm(c->arg[0].t, c->arg[1].is, c->arg[1].n, c->arg[2].t,
                                    c->arg[3].t, c->arg[4].r, out);
    return op_give(c, 0, n < 0 ? NULL : out[0]);
}

enum err run_rms_norm(struct op_call *c)
{
    struct plumb_tensor *out[2];
    const double *eps = c->arg[3].kind == OP_NONE ? NULL : &c->arg[3].r;
    int n = plumb__fused_rms_norm(c->arg[0].t, c->arg[1].is, c->arg[1].n, c->arg[2].t, eps, out);
    return op_give(c, 0, n < 0 ? NULL : out[0]);
}

/* Without elements there is nothing to normalize; weight and bias still get gradients. */
static struct plumb_tensor *batch_norm_of_nothing(const struct op_value *a)
{
    struct plumb_tensor *y = plumb_clone(a[0].t), *w = a[1].t, *b = a[2].t;
    if (w && view_count(&w->view)) y = plumb_mul(y, plumb_select_int(w, 0, 0));
    if (b && view_count(&b->view)) y = plumb_add(y, plumb_select_int(b, 0, 0));
    return y;
}

enum err run_batch_norm(struct op_call *c)
{
    struct plumb_tensor *out[3];
    const struct op_value *a = c->arg;
    if (!view_count(&a[0].t->view)) return op_give(c, 0, batch_norm_of_nothing(a));
    int n = plumb_native_batch_norm(a[0].t, a[1].t, a[2].t, a[3].t, a[4].t, a[5].i, a[6].r, a[7].r,
                                    out);
    return op_give(c, 0, n < 0 ? NULL : out[0]);
}

/* ---- attention ---- */

enum { SDPA_Q, SDPA_K, SDPA_V, SDPA_MASK, SDPA_DROPOUT, SDPA_CAUSAL, SDPA_SCALE, SDPA_GQA };

/* [batch, heads, rows, columns], batch and heads repeated where they are 1; heads 0: as they
 * are. */
static struct plumb_tensor *four_dims(struct plumb_tensor *t, int64_t batch, int64_t heads)
{
    while (t && t->view.shape.n < 4) t = plumb_unsqueeze(t, 0);
    if (!t) return NULL;
    struct view_shape s = t->view.shape;
    if (s.size[0] == 1) s.size[0] = batch;
    if (s.size[1] == 1 && heads) s.size[1] = heads;
    struct view v = {.shape = s};
    return view_same_shape(&v, &t->view) ? t : plumb_expand(t, s.size, s.n);
}

/* What is not 1 in any of query, key and value, `from_end` dimensions before the end. */
static int64_t common(const struct op_call *c, int from_end)
{
    for (int i = SDPA_Q; i <= SDPA_V; i++) {
        const struct view_shape *s = &c->arg[i].t->view.shape;
        if (s->n >= from_end && s->size[s->n - from_end] != 1) return s->size[s->n - from_end];
    }
    return 1;
}

static enum err check_heads(const struct op_call *c)
{
    for (int i = SDPA_Q; i <= SDPA_V; i++) {
        const struct view_shape *s = &c->arg[i].t->view.shape;
        if (s->n < 2 || s->n > 4)
            OP_FAIL(c, i, "%d dimensions were given; [[batch,] heads,] rows, columns are accepted",
                    s->n);
        if (c->arg[SDPA_GQA].i || s->n < 3) continue;
        if (s->size[s->n - 3] != 1 && s->size[s->n - 3] != common(c, 3))
            OP_FAIL(c, i,
                    "its heads differ from those of the others; enable_gqa accepts fewer "
                    "for key and value");
    }
    return ERR_OK;
}

/* Step by step, for the gradient of a mask that is added. */
static struct plumb_tensor *by_steps(const struct op_call *c, struct plumb_tensor *const t[3])
{
    const struct op_value *a = c->arg;
    double size = (double)t[0]->view.shape.size[3];
    double scale = a[SDPA_SCALE].kind == OP_NONE ? 1 / sqrt(size) : a[SDPA_SCALE].r;
    struct plumb_tensor *q = plumb_mul_scalar(t[0], sqrt(scale));
    struct plumb_tensor *k = plumb_mul_scalar(plumb_transpose_int(t[1], -2, -1), sqrt(scale));
    struct plumb_tensor *scores = plumb_add(plumb_matmul(q, k), a[SDPA_MASK].t);
    return plumb_matmul(plumb__softmax(scores, -1, false), t[2]);
}

static bool by_steps_only(const struct op_call *c)
{
    const struct plumb_tensor *mask = c->arg[SDPA_MASK].t;
    bool same_heads = common(c, 3) == 1 || !c->arg[SDPA_GQA].i;
    return mask && mask->requires_grad && same_heads && !c->arg[SDPA_CAUSAL].i;
}

enum err run_scaled_dot_product_attention(struct op_call *c)
{
    const struct op_value *a = c->arg;
    struct plumb_tensor *out[2], *t[3];
    const double *scale = a[SDPA_SCALE].kind == OP_NONE ? NULL : &a[SDPA_SCALE].r;
    int dims = 2;
    TRY(check_heads(c));
    for (int i = 0; i < 3; i++) {
        int n = a[i].t->view.shape.n;
        dims = n > dims ? n : dims;
        t[i] = four_dims(a[i].t, common(c, 4), a[SDPA_GQA].i ? 0 : common(c, 3));
        if (!t[i]) return ERR_USAGE;
    }
    if (by_steps_only(c)) {
        out[0] = by_steps(c, t);
    } else if (plumb__scaled_dot_product_flash_attention_for_cpu_full(
                   t[0], t[1], t[2], a[SDPA_DROPOUT].r, a[SDPA_CAUSAL].i, a[SDPA_MASK].t, scale,
                   out) < 0) {
        return ERR_USAGE;
    }
    for (; dims < 4; dims++) out[0] = plumb_squeeze_dim(out[0], 0);
    return op_give(c, 0, out[0]);
}
