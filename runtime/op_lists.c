/* op_lists.c - operators on lists of tensors and fused optimisers: one nest per member.
 *
 * Members of the same place in all lists have one shape and one dtype, which may differ from those
 * of other places. A member is computed in its own dtype.
 */
#include "kernels/exact_c.h"
#include "runtime/shape.h"

#include <stdio.h>
#include <string.h>

/* ---- checks ---- */

static const struct plumb_tensor *member(const struct op_call *c, int arg, int k)
{
    return c->arg[arg].ts[k];
}

static enum err check_member(const struct op_call *c, int arg, int k, bool casts)
{
    const struct plumb_tensor *self = member(c, 0, k), *t = member(c, arg, k);
    char a[TENSOR_TEXT], b[TENSOR_TEXT];
    if (!t || !self) return op_fail(c, t ? 0 : arg, "member %d is no tensor; each is to be one", k);
    bool fits = view_same_shape(&self->view, &t->view);
    if (fits && (casts || self->view.dtype == t->view.dtype)) return ERR_OK;
    return op_fail(c, arg, "member %d is %s; the shape and dtype of '%s', %s, are accepted", k,
                   tensor_text(t, a), c->op->s.param[0].name, tensor_text(self, b));
}

static enum err check_list(const struct op_call *c, int arg, bool casts)
{
    int n = c->arg[0].n;
    if (c->arg[arg].n != n)
        return op_fail(c, arg, "%d tensors were given; as many as in '%s', %d, are accepted",
                       c->arg[arg].n, c->op->s.param[0].name, n);
    for (int k = 0; k < n; k++) TRY(check_member(c, arg, k, casts));
    return ERR_OK;
}

static enum err check_members_dtype(const struct op_call *c, int arg)
{
    for (int k = 0; k < c->arg[arg].n; k++) {
        if (!member(c, arg, k)) return op_fail(c, arg, "member %d is no tensor", k);
        TRY(op_check_dtype(c, arg, member(c, arg, k)->view.dtype, c->op->dtypes));
    }
    return ERR_OK;
}

/* A number with a fraction does not meet integers. */
static enum err check_number(const struct op_call *c, int arg)
{
    if (c->arg[arg].is_int) return ERR_OK;
    for (int k = 0; k < c->arg[0].n; k++)
        if (dtype_is_integer(member(c, 0, k)->view.dtype))
            return op_fail(c, arg, "%g is no integer, and member %d is %s; floating ones take it",
                           c->arg[arg].r, k, dtype_name(member(c, 0, k)->view.dtype));
    return ERR_OK;
}

static enum err check_scalar_tensor(const struct op_call *c, int arg)
{
    const struct plumb_tensor *t = c->arg[arg].t;
    char text[TENSOR_TEXT];
    if (t->view.shape.n)
        return op_fail(c, arg, "%s was given; a tensor without dimensions is accepted",
                       tensor_text(t, text));
    for (int k = 0; k < c->arg[0].n; k++)
        if (!dtype_can_cast(t->view.dtype, member(c, 0, k)->view.dtype))
            return op_fail(c, arg, "dtype %s does not meet member %d, which is %s",
                           dtype_name(t->view.dtype), k, dtype_name(member(c, 0, k)->view.dtype));
    return ERR_OK;
}

static enum err give_members(struct op_call *c)
{
    struct op_member *m = op_members(c, c->arg[0].n);
    if (!m) FAIL(ERR_NOMEM, "out of memory for a list of results");
    for (int k = 0; k < c->arg[0].n; k++)
        m[k] = (struct op_member){member(c, 0, k)->view.dtype, member(c, 0, k)->view.shape};
    return ERR_OK;
}

enum err shape_foreach(struct op_call *c)
{
    bool casts = strstr(c->op->s.name, "_copy_");
    TRY(check_members_dtype(c, 0));
    for (int i = 1; i < c->op->s.n_params; i++) {
        if (c->arg[i].kind == OP_TENSORS) TRY(check_list(c, i, casts));
        if (c->arg[i].kind == OP_TENSOR) TRY(check_scalar_tensor(c, i));
        if (c->arg[i].kind == OP_SCALAR) TRY(check_number(c, i));
    }
    if (c->op->s.param[0].written) return op_check_written(c, 0);
    return give_members(c);
}

/* ---- one nest per member ---- */

static const struct {
    const char *name, *body;
} bodies[] = {
    {"add.Scalar", "out = self + scalar"},
    {"add.List", "out = self + alpha * other"},
    {"sub.Scalar", "out = self - scalar"},
    {"sub.List", "out = self - alpha * other"},
    {"mul.Scalar", "out = self * scalar"},
    {"mul.List", "out = self * other"},
    {"mul.Tensor", "out = self * other"},
    {"div.Scalar", "out = self / scalar"},
    {"div.List", "out = self / other"},
    {"addcmul.Scalar", "out = self + value * tensor1 * tensor2"},
    {"addcdiv.Scalar", "out = self + value * tensor1 / tensor2"},
    {"lerp.Scalar", "out = self + weight * (tensors1 - self)"},
    {"sqrt", "out = sqrt(self)"},
    {"neg", "out = -self"},
    {"zero", "out = 0"},
    {"copy", "out = src"},
};

/* "aten::_foreach_add_.Scalar" is "add.Scalar", computed in place. */
static const char *body_of(const struct op_call *c)
{
    char name[64];
    const char *from = c->op->s.name + strlen("aten::_foreach_");
    size_t n = strcspn(from, "."), bare = n && from[n - 1] == '_' ? n - 1 : n;
    snprintf(name, sizeof name, "%.*s%s", (int)bare, from, from + n);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        if (!strcmp(bodies[i].name, name)) return bodies[i].body;
    return NULL;
}

/* A nest over the elements of a tensor, to be given arrays and numbers. */
struct each {
    struct op_nest nest;
    struct nest_plan plan;
    struct plan_space space;
};

/* inner: as in plan_begin */
static void each_begin(struct each *e, const char *body, const struct plumb_tensor *t,
                       unsigned inner)
{
    memset(e, 0, sizeof *e);
    e->nest = (struct op_nest){.body = body, .compute = t->view.dtype, .plan = &e->plan};
    plan_begin(&e->space, &e->plan, &t->view.shape, inner);
}

static void each_array(struct each *e, const char *name, struct plumb_tensor *t, bool written)
{
    int i = e->nest.n_read + e->nest.n_written;
    e->nest.tensor[i] = t;
    e->nest.name[i] = name;
    *(written ? &e->nest.n_written : &e->nest.n_read) += 1;
    plan_add(&e->space, &t->view);
}

static void each_value(struct each *e, const char *name, struct op_value v)
{
    e->nest.param[e->nest.n_params] = name;
    e->nest.value[e->nest.n_params++] = v;
}
static void each_real(struct each *e, const char *name, double r)
{
    each_value(e, name, (struct op_value){.kind = OP_REAL, .r = r});
}

static enum err run_member(struct op_call *c, const char *body, int k)
{
    struct each e;
    struct plumb_tensor *self = c->arg[0].ts[k];
    each_begin(&e, body, self, 0);
    for (int i = 0; i < c->op->s.n_params; i++) {
        const struct op_value *v = &c->arg[i];
        const char *name = c->op->s.param[i].name;
        if (v->kind == OP_TENSORS) each_array(&e, name, v->ts[k], false);
        if (v->kind == OP_TENSOR) each_array(&e, name, v->t, false);
        if (v->kind == OP_SCALAR) each_value(&e, name, *v);
    }
    if (!strcmp(body, "out = src")) {
        e.nest.compute = c->arg[1].ts[k]->view.dtype;
        e.plan.own[0] = true;
    }
    each_array(&e, "out", c->member ? c->result[k] : self, true);
    return op_nest_run(c, &e.nest);
}

enum err run_foreach(struct op_call *c)
{
    const char *body = body_of(c);
    REQUIRE("runtime:foreach-body", body);
    for (int k = 0; k < c->arg[0].n; k++) TRY(run_member(c, body, k));
    return ERR_OK;
}

/* ---- norms ---- */

static const char *norm_body(double order)
{
    if (order == 2) return "out = sqrt(sum(self * self))";
    if (order == 1) return "out = sum(abs(self))";
    return order == __builtin_inf() ? "out = amax(abs(self))" : NULL;
}

enum err shape_foreach_norm(struct op_call *c)
{
    const struct op_value *dtype = &c->arg[2];
    TRY(check_members_dtype(c, 0));
    if (!norm_body(c->arg[1].r))
        return op_fail(c, 1, "order %g was given; 1, 2 and inf are accepted", c->arg[1].r);
    if (dtype->kind) TRY(op_check_dtype(c, 2, (enum dtype)dtype->i, c->op->dtypes));
    TRY(give_members(c));
    for (int k = 0; k < c->n_results; k++) {
        c->member[k].shape = (struct view_shape){0};
        if (dtype->kind) c->member[k].dtype = (enum dtype)dtype->i;
        bool empty = !view_count(&member(c, 0, k)->view);
        if (empty && c->arg[1].r > 2)
            return op_fail(c, 0, "member %d is empty; it has no largest element", k);
    }
    return ERR_OK;
}

enum err run_foreach_norm(struct op_call *c)
{
    for (int k = 0; k < c->n_results; k++) {
        struct each e;
        struct plumb_tensor *self = c->arg[0].ts[k];
        each_begin(&e, norm_body(c->arg[1].r), self, PLAN_FROM(0));
        if (c->arg[2].kind) e.nest.compute = (enum dtype)c->arg[2].i;
        each_array(&e, "self", self, false);
        each_array(&e, "out", c->result[k], true);
        TRY(op_nest_run(c, &e.nest));
    }
    return ERR_OK;
}

/* ---- optimisers ---- */

/* Scaling of gradients is left to the caller. */
static enum err check_scaling(const struct op_call *c)
{
    for (int i = c->op->s.n_params - 2; i < c->op->s.n_params; i++)
        if (c->arg[i].kind) return op_fail(c, i, "a tensor was given; None is accepted");
    return ERR_OK;
}

static enum err check_steps(const struct op_call *c, int arg)
{
    char text[TENSOR_TEXT];
    if (c->arg[arg].n != c->arg[0].n)
        return op_fail(c, arg, "%d tensors were given; as many as in 'self', %d, are accepted",
                       c->arg[arg].n, c->arg[0].n);
    for (int k = 0; k < c->arg[arg].n; k++) {
        const struct plumb_tensor *t = member(c, arg, k);
        if (!t || view_count(&t->view) != 1 || dtype_kind(t->view.dtype) != DTYPE_FLOAT)
            return op_fail(c, arg, "member %d is %s; a floating tensor of one element is accepted",
                           k, t ? tensor_text(t, text) : "None");
    }
    return ERR_OK;
}

enum { SELF, GRADS, FIRST, SECOND, LARGEST, STEPS }; /* arguments of Adam */

enum err shape_fused_adam(struct op_call *c)
{
    bool amsgrad = c->arg[op_arg(c, "amsgrad")].i;
    TRY(check_members_dtype(c, SELF));
    TRY(check_list(c, GRADS, false));
    TRY(check_list(c, FIRST, false));
    TRY(check_list(c, SECOND, false));
    if (amsgrad) TRY(check_list(c, LARGEST, false));
    TRY(check_steps(c, STEPS));
    TRY(check_scaling(c));
    TRY(op_check_written(c, SELF));
    TRY(op_check_written(c, FIRST));
    TRY(op_check_written(c, SECOND));
    return amsgrad ? op_check_written(c, LARGEST) : ERR_OK;
}

/* 1 - beta^step, and the root of the second one, in f64: they differ from 0 by little. expm1 and
 * log have an exact form there (docs/exact.md), pow has not. The logarithms are the same for all
 * members, so they are numbers of the nest. */
static enum err bias_corrections(struct op_call *c, int k, struct plumb_tensor **first,
                                 struct plumb_tensor **second)
{
    struct each e;
    struct plumb_tensor *step = c->arg[STEPS].ts[k];
    struct view_shape none = {0};
    TRY(op_scratch(c, DTYPE_F64, &none, first));
    TRY(op_scratch(c, DTYPE_F64, &none, second));
    each_begin(&e, "out = -expm1(step * log1); out1 = sqrt(-expm1(step * log2))", *first, 0);
    each_array(&e, "step", step, false);
    each_array(&e, "out", *first, true);
    each_array(&e, "out1", *second, true);
    each_real(&e, "log1", x_log64(c->arg[op_arg(c, "beta1")].r));
    each_real(&e, "log2", x_log64(c->arg[op_arg(c, "beta2")].r));
    return op_nest_run(c, &e.nest);
}

#define ADAM_GRAD  "g = sign * grad + decay * self; p = self;"
#define ADAMW_GRAD "g = sign * grad; p = self * decay;"
#define MOMENTS                                                                                    \
    "m = first + (g - first) * rest1; v = beta2 * second + rest2 * g * g;"                         \
    "out1 = m; out2 = v;"
#define UPDATE(v) "out = p - lr / bias1 * m / (sqrt(" v ") / bias2 + eps)"
#define AMSGRAD   "w = max(largest, v); out3 = w;"

static const char *const adam_bodies[2][2] = {
    {ADAM_GRAD MOMENTS UPDATE("v"), ADAM_GRAD MOMENTS AMSGRAD UPDATE("w")},
    {ADAMW_GRAD MOMENTS UPDATE("v"), ADAMW_GRAD MOMENTS AMSGRAD UPDATE("w")}};

static double number(const struct op_call *c, const char *name)
{
    return c->arg[op_arg(c, name)].r;
}

/* Differences from 1 are taken in f64, before they are rounded. */
static void adam_numbers(const struct op_call *c, bool adamw, struct each *e)
{
    double lr = number(c, "lr"), decay = number(c, "weight_decay");
    each_real(e, "sign", c->arg[op_arg(c, "maximize")].i ? -1 : 1);
    each_real(e, "decay", adamw ? 1 - lr * decay : decay);
    each_real(e, "rest1", 1 - number(c, "beta1"));
    each_real(e, "beta2", number(c, "beta2"));
    each_real(e, "rest2", 1 - number(c, "beta2"));
    each_real(e, "lr", lr);
    each_real(e, "eps", number(c, "eps"));
}

static enum err adam_member(struct op_call *c, bool adamw, bool amsgrad, int k)
{
    struct each e;
    struct plumb_tensor *bias1, *bias2, *self = c->arg[SELF].ts[k];
    TRY(bias_corrections(c, k, &bias1, &bias2));
    each_begin(&e, adam_bodies[adamw][amsgrad], self, 0);
    each_array(&e, "self", self, false);
    each_array(&e, "grad", c->arg[GRADS].ts[k], false);
    each_array(&e, "first", c->arg[FIRST].ts[k], false);
    each_array(&e, "second", c->arg[SECOND].ts[k], false);
    if (amsgrad) each_array(&e, "largest", c->arg[LARGEST].ts[k], false);
    each_array(&e, "bias1", bias1, false);
    each_array(&e, "bias2", bias2, false);
    each_array(&e, "out", self, true);
    each_array(&e, "out1", c->arg[FIRST].ts[k], true);
    each_array(&e, "out2", c->arg[SECOND].ts[k], true);
    if (amsgrad) each_array(&e, "out3", c->arg[LARGEST].ts[k], true);
    adam_numbers(c, adamw, &e);
    return op_nest_run(c, &e.nest);
}

enum err run_fused_adam(struct op_call *c)
{
    bool adamw = strstr(c->op->s.name, "adamw"), amsgrad = c->arg[op_arg(c, "amsgrad")].i;
    for (int k = 0; k < c->arg[SELF].n; k++) TRY(adam_member(c, adamw, amsgrad, k));
    return ERR_OK;
}

enum { BUFFERS = 2 };

enum err shape_fused_sgd(struct op_call *c)
{
    bool moves = number(c, "momentum") != 0;
    TRY(check_members_dtype(c, SELF));
    TRY(check_list(c, GRADS, false));
    if (moves) TRY(check_list(c, BUFFERS, false));
    TRY(check_scaling(c));
    TRY(op_check_written(c, SELF));
    return moves ? op_check_written(c, BUFFERS) : ERR_OK;
}

#define SGD_GRAD "g = sign * grad + decay * self;"
static const char *sgd_body(const struct op_call *c, bool moves)
{
    bool first = c->arg[op_arg(c, "is_first_step")].i, nesterov = c->arg[op_arg(c, "nesterov")].i;
    if (!moves) return SGD_GRAD "out = self - lr * g";
    if (first)
        return nesterov ? SGD_GRAD "out1 = g; out = self - lr * (g + momentum * g)"
                        : SGD_GRAD "out1 = g; out = self - lr * g";
    return nesterov ? SGD_GRAD "b = momentum * buffer + rest * g; out1 = b;"
                               "out = self - lr * (g + momentum * b)"
                    : SGD_GRAD "b = momentum * buffer + rest * g; out1 = b; out = self - lr * b";
}

static enum err sgd_member(struct op_call *c, bool moves, int k)
{
    struct each e;
    struct plumb_tensor *self = c->arg[SELF].ts[k];
    each_begin(&e, sgd_body(c, moves), self, 0);
    each_array(&e, "self", self, false);
    each_array(&e, "grad", c->arg[GRADS].ts[k], false);
    if (moves) each_array(&e, "buffer", c->arg[BUFFERS].ts[k], false);
    each_array(&e, "out", self, true);
    if (moves) each_array(&e, "out1", c->arg[BUFFERS].ts[k], true);
    each_real(&e, "sign", c->arg[op_arg(c, "maximize")].i ? -1 : 1);
    each_real(&e, "decay", number(c, "weight_decay"));
    each_real(&e, "lr", number(c, "lr"));
    each_real(&e, "momentum", number(c, "momentum"));
    each_real(&e, "rest", 1 - number(c, "dampening"));
    return op_nest_run(c, &e.nest);
}

enum err run_fused_sgd(struct op_call *c)
{
    bool moves = number(c, "momentum") != 0;
    for (int k = 0; k < c->arg[SELF].n; k++) TRY(sgd_member(c, moves, k));
    return ERR_OK;
}
