/* shape_point.c - shapes, dtypes and plans of operators that compute a value from values,
 * broadcast. */
#include "runtime/shape.h"

#include <string.h>

int op_arg(const struct op_call *c, const char *name)
{
    int i = 0;
    while (i < c->op->s.n_params && strcmp(c->op->s.param[i].name, name)) i++;
    REQUIRE("runtime:op-arg", i < c->op->s.n_params);
    return i;
}

/* ---- broadcasting ---- */

enum err shape_of_all(const struct op_call *c, struct view_shape *out)
{
    struct view so_far = {.dtype = DTYPE_B8};
    char have[VIEW_TEXT], got[VIEW_TEXT];
    for (int i = 0; i < c->op->s.n_params; i++) {
        if (c->arg[i].kind != OP_TENSOR) continue;
        const struct view *v = &c->arg[i].t->view, *both[2] = {&so_far, v};
        struct view_shape shape;
        if (view_broadcast(both, 2, &shape))
            return op_fail(c, i,
                           "shape %s does not broadcast with %s; from the last dimension on, "
                           "sizes are to be equal or 1",
                           view_shape_text(&v->shape, got), view_shape_text(&so_far.shape, have));
        so_far.shape = shape;
    }
    *out = so_far.shape;
    return ERR_OK;
}

/* A result that is a written argument has its shape, and a dtype that takes the values. */
static enum err check_in_place(const struct op_call *c, int r, const struct view_shape *shape)
{
    int arg = c->op->s.result_arg[r];
    const struct view *v = &c->arg[arg].t->view;
    struct view whole = {.shape = *shape};
    char want[VIEW_TEXT], have[VIEW_TEXT];
    if (!view_same_shape(v, &whole))
        return op_fail(c, arg, "shape %s is written in place, and the result has shape %s",
                       view_shape_text(&v->shape, have), view_shape_text(shape, want));
    if (!dtype_can_cast(c->dtype[r], v->dtype))
        return op_fail(c, arg, "the result, of dtype %s, cannot be stored as %s",
                       dtype_name(c->dtype[r]), dtype_name(v->dtype));
    return op_check_written(c, arg);
}

static enum err plan_result(struct op_call *c, struct plan_space *space, int r,
                            const struct view_shape *shape)
{
    struct view dense;
    int arg = c->op->s.result_arg[r];
    if (arg >= 0) {
        TRY(check_in_place(c, r, shape));
        plan_add(space, &c->arg[arg].t->view);
        return ERR_OK;
    }
    enum err err = view_dense(c->dtype[r], shape, &dense);
    if (err) return err_wrap(err, "%s: ", c->op->s.name);
    op_result(c, r, c->dtype[r], shape);
    plan_add(space, &dense);
    return ERR_OK;
}

enum err shape_pointwise(struct op_call *c, const struct view_shape *shape)
{
    struct plan_space space;
    bool own[NEST_ARRAYS];
    memcpy(own, c->plan.own, sizeof own);
    plan_begin(&space, &c->plan, shape, 0);
    memcpy(c->plan.own, own, sizeof own);
    for (int i = 0; i < c->op->s.n_params; i++)
        if (c->arg[i].kind == OP_TENSOR) plan_add(&space, &c->arg[i].t->view);
    for (int r = 0; r < c->n_results; r++) TRY(plan_result(c, &space, r, shape));
    return ERR_OK;
}

enum err shape_broadcast(struct op_call *c)
{
    struct view_shape shape;
    TRY(shape_of_all(c, &shape));
    return shape_pointwise(c, &shape);
}

/* ---- bodies that depend on the dtype ---- */

static bool is_discrete(enum dtype t)
{
    return dtype_is_integer(t) || t == DTYPE_B8;
}

/* The last argument is a factor: alpha or value. */
static enum err check_factor(const struct op_call *c)
{
    int i = c->op->s.n_params - 1;
    if (c->arg[i].is_int || !is_discrete(c->compute)) return ERR_OK;
    return op_fail(c, i, "%g was given; %s takes integers", c->arg[i].r, dtype_name(c->compute));
}

enum err shape_add(struct op_call *c)
{
    TRY(check_factor(c));
    if (c->compute == DTYPE_B8) c->body = "out = self || (alpha && other)";
    return shape_broadcast(c);
}

enum err shape_mul(struct op_call *c)
{
    if (c->compute == DTYPE_B8) c->body = "out = self && other";
    return shape_broadcast(c);
}

/* Of integers no one is special. */
enum err shape_question(struct op_call *c)
{
    bool finite = strstr(c->body, "isfinite");
    if (is_discrete(c->compute)) c->body = finite ? "out = self == self" : "out = self != self";
    return shape_broadcast(c);
}

/* A real number is its own conjugate. */
enum err shape_conj(struct op_call *c)
{
    if (dtype_kind(c->compute) != DTYPE_COMPLEX) c->body = "out = self";
    return shape_broadcast(c);
}

enum err shape_abs(struct op_call *c)
{
    enum dtype t = c->compute = c->arg[0].t->view.dtype;
    TRY(op_check_dtype(c, 0, t, c->op->dtypes));
    c->dtype[0] = t == DTYPE_C64 ? DTYPE_F32 : t == DTYPE_C128 ? DTYPE_F64 : t;
    return shape_broadcast(c);
}

enum err shape_div_mode(struct op_call *c)
{
    int mode = op_arg(c, "rounding_mode");
    const char *s = c->arg[mode].kind == OP_TEXT ? c->arg[mode].s : NULL;
    unsigned accepted = OP_F | OP_I | (s ? OP_U : OP_B | OP_C);
    TRY(op_promote(c, 3, &c->compute));
    TRY(op_check_dtype(c, 0, c->compute, accepted));
    if (!s && is_discrete(c->compute)) c->compute = DTYPE_F32;
    if (s && strcmp(s, "trunc") && strcmp(s, "floor"))
        return op_fail(c, mode, "\"%s\" was given; None, \"trunc\" and \"floor\" are accepted", s);
    c->body = !s || (*s == 't' && is_discrete(c->compute)) ? "out = self / other"
              : *s == 't'                                  ? "out = trunc(self / other)"
                                                           : "out = floordiv(self, other)";
    c->dtype[0] = c->compute;
    return shape_broadcast(c);
}

enum err shape_pow_scalar(struct op_call *c)
{
    if (dtype_is_integer(c->compute) && c->arg[1].r < 0)
        return op_fail(c, 1, "%lld is negative; integers are raised to powers from 0 on",
                       (long long)c->arg[1].i);
    return shape_broadcast(c);
}

enum err shape_clamp(struct op_call *c)
{
    bool low = c->arg[1].kind, high = c->arg[2].kind;
    if (!low && !high) return op_fail(c, 1, "neither min nor max was given; one is needed");
    c->body = low && high ? "out = min(max(self, min), max)"
              : low       ? "out = max(self, min)"
                          : "out = min(self, max)";
    return shape_broadcast(c);
}

enum err shape_gelu(struct op_call *c)
{
    int mode = op_arg(c, "approximate");
    const char *s = c->arg[mode].s;
    bool back = mode == 2, tanh = !strcmp(s, "tanh");
    if (!tanh && strcmp(s, "none"))
        return op_fail(c, mode, "\"%s\" was given; \"none\" and \"tanh\" are accepted", s);
    if (!back) c->body = tanh ? "out = gelu_tanh(self)" : "out = gelu(self)";
    else if (!tanh)
        c->body = "p = 0.5 * (1 + erf(self * 0.70710678118654752440));"
                  "d = exp(-0.5 * self * self) * 0.39894228040143267794;"
                  "out = grad_output * (p + self * d)";
    else
        c->body = "k = 0.79788456080286535588; c = 0.044715; q = self * self;"
                  "t = tanh(k * (self + c * q * self));"
                  "d = k * (1 + 3 * c * q);"
                  "out = grad_output * (0.5 * (1 + t) + 0.5 * self * (1 - t * t) * d)";
    return shape_broadcast(c);
}

/* ---- by a truth value ---- */

static enum err own_truth(struct op_call *c, int arg, int array)
{
    TRY(op_check_dtype(c, arg, c->arg[arg].t->view.dtype, OP_B));
    c->plan.own[array] = true;
    return ERR_OK;
}

enum err shape_where(struct op_call *c)
{
    TRY(own_truth(c, 0, 0));
    TRY(op_promote(c, 1u << 1 | 1u << 2, &c->compute));
    TRY(op_check_dtype(c, 1, c->compute, c->op->dtypes));
    c->dtype[0] = c->compute;
    return shape_broadcast(c);
}

/* A tensor without dimensions that dtype `to` can take. A number is cast, as PyTorch does. */
static enum err check_value(const struct op_call *c, int arg, enum dtype to)
{
    const struct op_value *v = &c->arg[arg];
    char text[TENSOR_TEXT];
    if (v->kind != OP_TENSOR) return ERR_OK;
    if (v->t->view.shape.n)
        return op_fail(c, arg, "%s was given; a tensor without dimensions is accepted",
                       tensor_text(v->t, text));
    if (!dtype_can_cast(v->t->view.dtype, to))
        return op_fail(c, arg, "dtype %s cannot be stored as %s", dtype_name(v->t->view.dtype),
                       dtype_name(to));
    return ERR_OK;
}

enum err shape_masked_fill(struct op_call *c)
{
    c->dtype[0] = c->compute = c->arg[0].t->view.dtype;
    TRY(op_check_dtype(c, 0, c->compute, c->op->dtypes));
    TRY(own_truth(c, 1, 1));
    TRY(check_value(c, 2, c->compute));
    return shape_broadcast(c);
}

enum err shape_fill_(struct op_call *c)
{
    c->dtype[0] = c->compute = c->arg[0].t->view.dtype;
    TRY(op_check_dtype(c, 0, c->compute, c->op->dtypes));
    if (c->op->s.n_params > 1) TRY(check_value(c, 1, c->compute));
    return shape_broadcast(c);
}

/* ---- parts of complex numbers ---- */

static enum err part(struct op_call *c, int which)
{
    const struct view *v = &c->arg[0].t->view;
    struct view *out = op_views(c, 0, 1);
    if (!out) FAIL(ERR_NOMEM, "out of memory for a view");
    *out = *v;
    if (dtype_kind(v->dtype) != DTYPE_COMPLEX) {
        if (which) TRY(op_check_dtype(c, 0, v->dtype, OP_C));
        return ERR_OK;
    }
    out->dtype = v->dtype == DTYPE_C64 ? DTYPE_F32 : DTYPE_F64;
    out->offset = 2 * v->offset + which;
    for (int i = 0; i < v->shape.n; i++) out->stride[i] = 2 * v->stride[i];
    return ERR_OK;
}

enum err shape_real(struct op_call *c)
{
    return part(c, 0);
}
enum err shape_imag(struct op_call *c)
{
    return part(c, 1);
}

enum err shape_dropout_backward(struct op_call *c)
{
    c->dtype[0] = c->compute = c->arg[0].t->view.dtype;
    TRY(op_check_dtype(c, 0, c->compute, c->op->dtypes));
    TRY(own_truth(c, 1, 1));
    return shape_broadcast(c);
}
