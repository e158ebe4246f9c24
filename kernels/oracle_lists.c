/* oracle_lists.c - oracles of operators on lists, which are those of single tensors member by
 * member, and of fused optimisers. */
#include <math.h>
#include <string.h>

#include "kernels/oracle.h"

/* ---- member by member ---- */

static void set_member(const struct oracle_value *from, int k, struct oracle_value *to)
{
    *to = *from;
    if (from->kind != ORACLE_TENSORS) return;
    to->kind = ORACLE_TENSOR;
    to->a = &from->a[k];
}

static void copy_array(const struct oracle_array *from, struct oracle_array *to)
{
    size_t n = (size_t)from->n * (dtype_kind(from->dtype) == DTYPE_COMPLEX ? 2 : 1);
    memcpy(to->v, from->v, n * sizeof *to->v);
    memcpy(to->mag, from->mag, n * sizeof *to->mag);
}

/* Into the result, or, in place, into the member itself. */
static void run_member(struct oracle_call *c, oracle_fn *f, int k)
{
    enum { MORE = 4 };
    struct oracle_value arg[MORE + 4] = {0};
    struct oracle_array *self = &c->arg[0].a[k], out;
    struct oracle_call one = {.arg = arg, .n_args = c->n_args, .out = &out, .n_out = 1};
    for (int i = 0; i < c->n_args; i++) set_member(&c->arg[i], k, &arg[i]);
    /* alpha of additions of a number */
    if (c->n_args < 3)
        arg[one.n_args++] = (struct oracle_value){.kind = ORACLE_REAL, .r = 1, .i = 1};
    one.compute = self->dtype;
    if (c->n_out) {
        one.out = &c->out[k];
        f(&one);
        return;
    }
    if (!oracle_array_init(&out, self->dtype, &self->shape)) {
        c->failed = true;
        return;
    }
    f(&one);
    copy_array(&out, self);
    oracle_array_release(&out);
}

static void each(struct oracle_call *c, oracle_fn *f)
{
    for (int k = 0; k < c->arg[0].n; k++) run_member(c, f, k);
}

#define EACH(id, single)                                                                           \
    oracle_fn oracle__foreach_##id, oracle_##single;                                               \
    void oracle__foreach_##id(struct oracle_call *c)                                               \
    {                                                                                              \
        each(c, oracle_##single);                                                                  \
    }
EACH(add_Scalar, add_Scalar)
EACH(add__Scalar, add_Scalar)
EACH(add_List, add_Tensor)
EACH(add__List, add_Tensor)
EACH(sub_Scalar, sub_Scalar)
EACH(sub__Scalar, sub_Scalar)
EACH(sub_List, sub_Tensor)
EACH(sub__List, sub_Tensor)
EACH(mul_Scalar, mul_Scalar)
EACH(mul__Scalar, mul_Scalar)
EACH(mul_List, mul_Tensor)
EACH(mul__List, mul_Tensor)
EACH(mul_Tensor, mul_Tensor)
EACH(mul__Tensor, mul_Tensor)
EACH(div_Scalar, div_Scalar)
EACH(div__Scalar, div_Scalar)
EACH(div_List, div_Tensor)
EACH(div__List, div_Tensor)
EACH(addcmul_Scalar, addcmul)
EACH(addcmul__Scalar, addcmul)
EACH(addcdiv_Scalar, addcdiv)
EACH(addcdiv__Scalar, addcdiv)
EACH(lerp_Scalar, lerp_Scalar)
EACH(lerp__Scalar, lerp_Scalar)
EACH(sqrt, sqrt)
EACH(sqrt_, sqrt)
EACH(neg, neg)
EACH(neg_, neg)
EACH(zero_, zero_)
EACH(copy_, copy_)

/* ---- norms: sums of positive terms, so their errors are relative ---- */

static long double norm(const struct oracle_array *a, long double order)
{
    long double s = 0;
    for (int64_t i = 0; i < a->n; i++) {
        long double v = fabsl(a->v[i]);
        if (isinf(order)) s = s != s || s > v ? s : v;
        else s += order == 2 ? v * v : v;
    }
    return order == 2 ? sqrtl(s) : s;
}
oracle_fn oracle__foreach_norm_Scalar;
void oracle__foreach_norm_Scalar(struct oracle_call *c)
{
    for (int k = 0; k < c->n_out; k++) c->out[k].v[0] = norm(&c->arg[0].a[k], c->arg[1].r);
}

/* ---- optimisers ---- */

/* Adam's arguments; lists have a member per parameter. */
enum {
    SELF,
    GRADS,
    FIRST,
    SECOND,
    LARGEST,
    STEPS,
    LR,
    BETA1,
    BETA2,
    DECAY,
    EPS,
    AMSGRAD,
    MAXIMIZE
};

static long double *value(struct oracle_call *c, int list, int k, int64_t i)
{
    return &c->arg[list].a[k].v[i];
}
static void set(struct oracle_call *c, int list, int k, int64_t i, long double v, long double mag)
{
    c->arg[list].a[k].v[i] = v;
    c->arg[list].a[k].mag[i] = mag;
}

/* What a parameter's update is made of: gradient (with what it is summed from) and step. */
struct update {
    long double g, g_mag, p, m, v, d;
};

static void adam_moments(struct oracle_call *c, bool adamw, int k, int64_t i, struct update *u)
{
    long double self = *value(c, SELF, k, i), g = *value(c, GRADS, k, i), decay = c->arg[DECAY].r;
    long double b1 = c->arg[BETA1].r, b2 = c->arg[BETA2].r;
    if (c->arg[MAXIMIZE].i) g = -g;
    u->g = adamw ? g : g + decay * self;
    u->g_mag = fabsl(g) + (adamw ? 0 : fabsl(decay * self));
    u->p = adamw ? self * (1 - c->arg[LR].r * decay) : self;
    u->m = *value(c, FIRST, k, i) + (u->g - *value(c, FIRST, k, i)) * (1 - b1);
    u->v = b2 * *value(c, SECOND, k, i) + (1 - b2) * u->g * u->g;
}

/* The step errs by the moment's error and its own roundings, of which there are fewer than eight,
 * each at most |m0| + |g| times the factor of m. */
static void adam_element(struct oracle_call *c, bool adamw, int k, int64_t i)
{
    struct update u;
    long double step = *value(c, STEPS, k, 0), m0 = fabsl(*value(c, FIRST, k, i));
    long double v0 = fabsl(*value(c, SECOND, k, i)), rest2 = 1 - (long double)c->arg[BETA2].r;
    adam_moments(c, adamw, k, i, &u);
    long double bias1 = -expm1l(step * logl(c->arg[BETA1].r));
    long double bias2 = sqrtl(-expm1l(step * logl(c->arg[BETA2].r)));
    long double largest = u.v;
    if (c->arg[AMSGRAD].i) {
        long double w = *value(c, LARGEST, k, i);
        largest = w != w || w > u.v ? w : u.v;
        set(c, LARGEST, k, i, largest, fabsl(largest) + rest2 * u.g_mag * u.g_mag);
    }
    long double by = c->arg[LR].r / bias1 / (sqrtl(largest) / bias2 + c->arg[EPS].r);
    set(c, FIRST, k, i, u.m, m0 + u.g_mag);
    set(c, SECOND, k, i, u.v, v0 + rest2 * u.g_mag * u.g_mag);
    set(c, SELF, k, i, u.p - by * u.m, fabsl(u.p) + fabsl(by) * (m0 + u.g_mag));
}

static void adam(struct oracle_call *c, bool adamw)
{
    for (int k = 0; k < c->arg[SELF].n; k++)
        for (int64_t i = 0; i < c->arg[SELF].a[k].n; i++) adam_element(c, adamw, k, i);
}
oracle_fn oracle__fused_adam_, oracle__fused_adamw_;
void oracle__fused_adam_(struct oracle_call *c)
{
    adam(c, false);
}
void oracle__fused_adamw_(struct oracle_call *c)
{
    adam(c, true);
}

enum { BUFFERS = 2, SGD_DECAY, MOMENTUM, SGD_LR, DAMPENING, NESTEROV, SGD_MAXIMIZE, IS_FIRST };

static void sgd_element(struct oracle_call *c, int k, int64_t i)
{
    long double self = *value(c, SELF, k, i), g = *value(c, GRADS, k, i), by = c->arg[MOMENTUM].r;
    long double decay = c->arg[SGD_DECAY].r, lr = c->arg[SGD_LR].r, mag;
    if (c->arg[SGD_MAXIMIZE].i) g = -g;
    mag = fabsl(g) + fabsl(decay * self);
    g += decay * self;
    if (by != 0) {
        long double old = *value(c, BUFFERS, k, i), b = g;
        if (!c->arg[IS_FIRST].i) b = by * old + (1 - c->arg[DAMPENING].r) * g;
        if (!c->arg[IS_FIRST].i) mag += fabsl(by * old);
        set(c, BUFFERS, k, i, b, mag);
        g = c->arg[NESTEROV].i ? g + by * b : b;
        mag *= 1 + by;
    }
    set(c, SELF, k, i, self - lr * g, fabsl(self) + fabsl(lr) * mag);
}
oracle_fn oracle__fused_sgd_;
void oracle__fused_sgd_(struct oracle_call *c)
{
    for (int k = 0; k < c->arg[SELF].n; k++)
        for (int64_t i = 0; i < c->arg[SELF].a[k].n; i++) sgd_element(c, k, i);
}
