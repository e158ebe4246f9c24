/* shape_norm.c - shapes, loops and bodies of layer, RMS and batch norm. */
#include "runtime/norm.h"
#include "runtime/ops.h"
#include "runtime/plan.h"

int norm_outer(const struct op_call *c, int input, int normalized)
{
    return c->arg[input].t->view.shape.n - c->arg[normalized].n;
}

struct view_shape norm_stats(const struct view_shape *input, int n_outer)
{
    struct view_shape s = *input;
    for (int d = n_outer; d < s.n; d++) s.size[d] = 1;
    return s;
}

/* ---- what is accepted ---- */

static enum err check_normalized(const struct op_call *c, int input, int arg)
{
    char ti[VIEW_TEXT], tn[VIEW_TEXT];
    const struct view_shape *x = &c->arg[input].t->view.shape;
    struct view_shape want = {.n = c->arg[arg].n < VIEW_DIMS ? c->arg[arg].n : VIEW_DIMS};
    for (int i = 0; i < want.n; i++) want.size[i] = c->arg[arg].is[i];
    int outer = x->n - c->arg[arg].n;
    bool fits = want.n > 0 && outer >= 0;
    for (int i = 0; fits && i < want.n; i++) fits = want.size[i] == x->size[outer + i];
    if (fits) return ERR_OK;
    return op_fail(c, arg, "%s was given; the last sizes of '%s', %s, at least one, are accepted",
                   view_shape_text(&want, tn), c->op->s.param[input].name, view_shape_text(x, ti));
}

/* An optional argument has that shape, and the input's dtype or, beside f16 and bf16, f32. */
static enum err check_like(const struct op_call *c, int input, int arg,
                           const struct view_shape *shape)
{
    char text[TENSOR_TEXT], want[VIEW_TEXT];
    if (c->arg[arg].kind == OP_NONE) return ERR_OK;
    const struct plumb_tensor *t = c->arg[arg].t;
    enum dtype in = c->arg[input].t->view.dtype;
    bool narrow = in == DTYPE_F16 || in == DTYPE_BF16;
    bool fits = t->view.dtype == in || (narrow && t->view.dtype == DTYPE_F32);
    struct view v = {.shape = *shape};
    if (view_same_shape(&t->view, &v) && fits) return ERR_OK;
    return op_fail(c, arg, "%s was given; %s of dtype %s%s is accepted", tensor_text(t, text),
                   view_shape_text(shape, want), dtype_name(in), narrow ? " or f32" : "");
}

static struct view_shape last_sizes(const struct view_shape *x, int first)
{
    struct view_shape s = {.n = x->n - first};
    for (int d = first; d < x->n; d++) s.size[d - first] = x->size[d];
    return s;
}

/* f32 as soon as an argument of a narrow input is: statistics are kept in it then. */
static enum dtype stats_dtype(const struct op_call *c, enum dtype in, int first, int n)
{
    for (int i = first; i < first + n; i++)
        if (c->arg[i].kind == OP_TENSOR && c->arg[i].t->view.dtype != in) return DTYPE_F32;
    return in;
}

static enum err begin_norm(struct op_call *c, int input)
{
    c->compute = c->arg[input].t->view.dtype;
    return op_check_dtype(c, input, c->compute, c->op->dtypes);
}

static void plan_optional(struct plan_space *s, const struct op_call *c, int arg)
{
    if (c->arg[arg].kind == OP_TENSOR) plan_add(s, &c->arg[arg].t->view);
}

/* ---- layer norm: rows are the last dimensions together ---- */

#define LAYER_NORM                                                                                 \
    "m = sum(input) / to_compute(n); d = input - m; "                                              \
    "r = rsqrt(sum(d * d) / to_compute(n) + eps); out1 = m; out2 = r; "
static const char *const layer_norm_bodies[2][2] = {
    {LAYER_NORM "out = d * r", LAYER_NORM "out = d * r + bias"},
    {LAYER_NORM "out = (d * r) * weight", LAYER_NORM "out = fma(d * r, weight, bias)"}};

enum err shape_native_layer_norm(struct op_call *c)
{
    enum { INPUT, NORMALIZED, WEIGHT, BIAS };
    const struct view *x = &c->arg[INPUT].t->view;
    struct plan_space s;
    TRY(begin_norm(c, INPUT));
    TRY(check_normalized(c, INPUT, NORMALIZED));
    int outer = norm_outer(c, INPUT, NORMALIZED);
    struct view_shape row = last_sizes(&x->shape, outer), stats = norm_stats(&x->shape, outer);
    TRY(check_like(c, INPUT, WEIGHT, &row));
    TRY(check_like(c, INPUT, BIAS, &row));
    enum dtype kept = stats_dtype(c, x->dtype, WEIGHT, 2);
    op_result(c, 0, x->dtype, &x->shape);
    op_result(c, 1, kept, &stats);
    op_result(c, 2, kept, &stats);
    c->body = layer_norm_bodies[c->arg[WEIGHT].kind != OP_NONE][c->arg[BIAS].kind != OP_NONE];
    plan_begin(&s, &c->plan, &x->shape, PLAN_FROM(outer));
    plan_add(&s, x);
    plan_optional(&s, c, WEIGHT);
    plan_optional(&s, c, BIAS);
    plan_add_dense(&s, &x->shape, 0);
    plan_add_dense(&s, &stats, 0);
    plan_add_dense(&s, &stats, 0);
    return ERR_OK;
}

/* A gradient has the shape of what it belongs to. */
static enum err check_shape(const struct op_call *c, int arg, const struct view_shape *shape)
{
    char text[TENSOR_TEXT], want[VIEW_TEXT];
    struct view v = {.shape = *shape};
    const struct plumb_tensor *t = c->arg[arg].t;
    unsigned kinds = c->op->dtypes;
    TRY(op_check_dtype(c, arg, t->view.dtype, kinds));
    if (view_same_shape(&t->view, &v)) return ERR_OK;
    return op_fail(c, arg, "%s was given; %s is accepted", tensor_text(t, text),
                   view_shape_text(shape, want));
}

static enum err check_mask(const struct op_call *c, int arg, int n)
{
    if (c->arg[arg].n == n) return ERR_OK;
    return op_fail(c, arg, "%d truth values were given; %d are accepted", c->arg[arg].n, n);
}

/* Result r: of the shape and dtype of an argument, where the mask asks for it and it is there. */
static void masked_result(struct op_call *c, int r, int mask, int arg,
                          const struct view_shape *shape, enum dtype dtype)
{
    bool there = c->arg[arg].kind == OP_TENSOR;
    if (c->arg[mask].is[r] && shape)
        op_result(c, r, there ? c->arg[arg].t->view.dtype : dtype, shape);
    else op_absent(c, r);
}

enum err shape_native_layer_norm_backward(struct op_call *c)
{
    enum { GRAD, INPUT, NORMALIZED, MEAN, RSTD, WEIGHT, BIAS, MASK };
    const struct view *x = &c->arg[INPUT].t->view;
    TRY(begin_norm(c, INPUT));
    TRY(check_normalized(c, INPUT, NORMALIZED));
    int outer = norm_outer(c, INPUT, NORMALIZED);
    struct view_shape row = last_sizes(&x->shape, outer), stats = norm_stats(&x->shape, outer);
    TRY(check_shape(c, GRAD, &x->shape));
    TRY(check_shape(c, MEAN, &stats));
    TRY(check_shape(c, RSTD, &stats));
    TRY(check_like(c, INPUT, WEIGHT, &row));
    TRY(check_like(c, INPUT, BIAS, &row));
    TRY(check_mask(c, MASK, 3));
    masked_result(c, 0, MASK, INPUT, &x->shape, x->dtype);
    masked_result(c, 1, MASK, WEIGHT, &row, x->dtype);
    masked_result(c, 2, MASK, BIAS, &row, x->dtype);
    return ERR_OK;
}

/* ---- RMS norm ---- */

/* Without eps, the distance from 1 to the next number of the type it is computed in. */
#define RMS(eps) "r = rsqrt(sum(input * input) / to_compute(n) + " eps "); out1 = r; "
static const char *const rms_norm_bodies[3][2] = {
    {RMS("eps") "out = input * r", RMS("eps") "out = (input * r) * weight"},
    {RMS("1.1920928955078125e-07") "out = input * r",
     RMS("1.1920928955078125e-07") "out = (input * r) * weight"},
    {RMS("2.220446049250313e-16") "out = input * r",
     RMS("2.220446049250313e-16") "out = (input * r) * weight"}};

enum err shape_fused_rms_norm(struct op_call *c)
{
    enum { INPUT, NORMALIZED, WEIGHT, EPS };
    const struct view *x = &c->arg[INPUT].t->view;
    struct plan_space s;
    TRY(begin_norm(c, INPUT));
    TRY(check_normalized(c, INPUT, NORMALIZED));
    int outer = norm_outer(c, INPUT, NORMALIZED);
    struct view_shape row = last_sizes(&x->shape, outer), stats = norm_stats(&x->shape, outer);
    TRY(check_like(c, INPUT, WEIGHT, &row));
    op_result(c, 0, x->dtype, &x->shape);
    op_result(c, 1, x->dtype == DTYPE_F64 ? DTYPE_F64 : DTYPE_F32, &stats);
    int eps = c->arg[EPS].kind != OP_NONE ? 0 : x->dtype == DTYPE_F64 ? 2 : 1;
    c->body = rms_norm_bodies[eps][c->arg[WEIGHT].kind != OP_NONE];
    plan_begin(&s, &c->plan, &x->shape, PLAN_FROM(outer));
    plan_add(&s, x);
    plan_optional(&s, c, WEIGHT);
    plan_add_dense(&s, &x->shape, 0);
    plan_add_dense(&s, &stats, 0);
    return ERR_OK;
}

enum err shape_fused_rms_norm_backward(struct op_call *c)
{
    enum { GRAD, INPUT, NORMALIZED, RSTD, WEIGHT, MASK };
    const struct view *x = &c->arg[INPUT].t->view;
    TRY(begin_norm(c, INPUT));
    TRY(check_normalized(c, INPUT, NORMALIZED));
    int outer = norm_outer(c, INPUT, NORMALIZED);
    struct view_shape row = last_sizes(&x->shape, outer), stats = norm_stats(&x->shape, outer);
    TRY(check_shape(c, GRAD, &x->shape));
    TRY(check_shape(c, RSTD, &stats));
    TRY(check_like(c, INPUT, WEIGHT, &row));
    TRY(check_mask(c, MASK, 2));
    bool weighted = c->arg[WEIGHT].kind != OP_NONE;
    masked_result(c, 0, MASK, INPUT, &x->shape, x->dtype);
    masked_result(c, 1, MASK, WEIGHT, weighted ? &row : NULL, x->dtype);
    return ERR_OK;
}

/* ---- batch norm: all but dimension 1 are normalized together ---- */

static enum err check_batch(struct op_call *c, int input)
{
    char text[VIEW_TEXT];
    const struct view *x = &c->arg[input].t->view;
    TRY(begin_norm(c, input));
    if (x->shape.n < 2)
        OP_FAIL(c, input, "shape %s was given; [batch, channels, ...] is accepted",
                view_shape_text(&x->shape, text));
    return ERR_OK;
}

static enum err check_channels(const struct op_call *c, int input, int first, int n)
{
    struct view_shape channels = {.n = 1, .size = {c->arg[input].t->view.shape.size[1]}};
    for (int i = first; i < first + n; i++) TRY(check_like(c, input, i, &channels));
    return ERR_OK;
}

/* Both or neither; in evaluation they are what is subtracted and divided by. */
static enum err check_running(const struct op_call *c, int mean, bool needed)
{
    bool has_mean = c->arg[mean].kind == OP_TENSOR, has_var = c->arg[mean + 1].kind == OP_TENSOR;
    if (has_mean != has_var)
        OP_FAIL(c, has_mean ? mean + 1 : mean, "None was given without the other statistic");
    if (needed && !has_mean) OP_FAIL(c, mean, "None was given; evaluation needs it");
    return ERR_OK;
}

enum err shape_native_batch_norm(struct op_call *c)
{
    enum { INPUT, WEIGHT, BIAS, MEAN, VAR, TRAINING };
    const struct view *x = &c->arg[INPUT].t->view;
    bool training = c->arg[TRAINING].i;
    TRY(check_batch(c, INPUT));
    TRY(check_channels(c, INPUT, WEIGHT, 4));
    TRY(check_running(c, MEAN, !training));
    if (!view_count(x)) OP_FAIL(c, INPUT, "it has no elements; at least one is accepted");
    enum dtype kept = stats_dtype(c, x->dtype, WEIGHT, 4);
    struct view_shape stats = {.n = 1, .size = {training ? x->shape.size[1] : 0}};
    op_result(c, 0, x->dtype, &x->shape);
    op_result(c, 1, kept, &stats);
    op_result(c, 2, kept, &stats);
    c->writes_nothing = !training;
    for (int i = MEAN; training && i <= VAR; i++)
        if (c->arg[i].kind == OP_TENSOR) TRY(op_check_written(c, i));
    return ERR_OK;
}

enum err shape_native_batch_norm_backward(struct op_call *c)
{
    enum { GRAD, INPUT, WEIGHT, MEAN, VAR, SAVE_MEAN, SAVE_INVSTD, TRAIN, EPS, MASK };
    const struct view *x = &c->arg[INPUT].t->view;
    bool train = c->arg[TRAIN].i;
    TRY(check_batch(c, INPUT));
    TRY(check_shape(c, GRAD, &x->shape));
    TRY(check_channels(c, INPUT, WEIGHT, 3));
    TRY(check_running(c, MEAN, !train));
    if (train) {
        TRY(check_running(c, SAVE_MEAN, true));
        TRY(check_channels(c, INPUT, SAVE_MEAN, 2));
    }
    TRY(check_mask(c, MASK, 3));
    struct view_shape channels = {.n = 1, .size = {x->shape.size[1]}};
    masked_result(c, 0, MASK, INPUT, &x->shape, x->dtype);
    masked_result(c, 1, MASK, WEIGHT, &channels, x->dtype);
    masked_result(c, 2, MASK, WEIGHT, &channels, x->dtype);
    return ERR_OK;
}
