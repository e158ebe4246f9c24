/* shape_reduce.c - shapes and loops of reductions and scans: folded dimensions are inner loops. */
#include <math.h>
#include <string.h>

#include "runtime/plan.h"
#include "runtime/shape.h"

static const struct view *self_of(const struct op_call *c)
{
    return &c->arg[0].t->view;
}

static unsigned all_dims(const struct op_call *c)
{
    int n = self_of(c)->shape.n;
    return n ? (1u << n) - 1 : 1u;
}

/* A list of dimensions as a mask; None and an empty list are all. */
static enum err dims_of(const struct op_call *c, int arg, unsigned *out)
{
    const struct op_value *v = &c->arg[arg];
    *out = 0;
    if (v->kind == OP_NONE || !v->n) {
        *out = all_dims(c);
        return ERR_OK;
    }
    for (int i = 0; i < v->n; i++) {
        int d;
        TRY(op_dim(c, arg, v->is[i], self_of(c)->shape.n, &d));
        if (*out & 1u << d) OP_FAIL(c, arg, "dimension %d occurs twice; each is accepted once", d);
        *out |= 1u << d;
    }
    return ERR_OK;
}

static enum err dim_of(const struct op_call *c, int arg, unsigned *out)
{
    int d;
    TRY(op_dim(c, arg, c->arg[arg].i, self_of(c)->shape.n, &d));
    *out = 1u << d;
    return ERR_OK;
}

static enum err refuse_empty(const struct op_call *c, unsigned dims)
{
    char have[TENSOR_TEXT];
    const struct view_shape *s = &self_of(c)->shape;
    for (int d = 0; d < s->n; d++)
        if (dims & 1u << d && !s->size[d])
            OP_FAIL(c, 0, "%s: dimension %d is empty and this reduction has no value for nothing",
                    tensor_text(c->arg[0].t, have), d);
    return ERR_OK;
}

/* Results number 0 to n - 1 of self folded over `dims`; their dtypes are in c->dtype. */
static enum err fold(struct op_call *c, unsigned dims, bool keep, int n)
{
    struct plan_space s;
    struct view_shape kept = self_of(c)->shape, out = {.n = 0};
    for (int d = 0; d < kept.n; d++) {
        bool folded = dims & 1u << d;
        if (folded) kept.size[d] = 1;
        if (!folded || keep) out.size[out.n++] = kept.size[d];
    }
    plan_begin(&s, &c->plan, &self_of(c)->shape, dims);
    plan_add(&s, self_of(c));
    for (int i = 0; i < n; i++) {
        op_result(c, i, c->dtype[i], &out);
        plan_add_dense(&s, &kept, 0);
    }
    return ERR_OK;
}

/* ---- dtypes ---- */

static bool is_discrete(enum dtype t)
{
    return dtype_is_integer(t) || t == DTYPE_B8;
}

/* The dtype asked for, else self's; integers and b8 add up in i64. */
static enum err sum_dtype(struct op_call *c, int dtype_arg)
{
    enum dtype t = self_of(c)->dtype;
    const struct op_value *given = &c->arg[dtype_arg];
    bool asked = given->kind == OP_DTYPE;
    TRY(op_check_dtype(c, 0, t, asked ? OP_FIBC | OP_U : c->op->dtypes));
    c->compute = asked ? (enum dtype)given->i : is_discrete(t) ? DTYPE_I64 : t;
    TRY(op_check_dtype(c, dtype_arg, c->compute, c->op->dtypes & ~(unsigned)OP_B));
    if (!dtype_can_cast(t, c->compute) && dtype_kind(t) == DTYPE_COMPLEX)
        return op_fail(c, dtype_arg,
                       "%s would lose the imaginary parts of %s; c64 and c128 keep them",
                       dtype_name(c->compute), dtype_name(t));
    c->dtype[0] = c->compute;
    return ERR_OK;
}

/* ---- sums ---- */

enum err shape_sum_all(struct op_call *c)
{
    TRY(sum_dtype(c, 1));
    return fold(c, all_dims(c), false, 1);
}

enum err shape_sum_dims(struct op_call *c)
{
    unsigned dims;
    TRY(sum_dtype(c, 3));
    TRY(dims_of(c, 1, &dims));
    return fold(c, dims, c->arg[2].i, 1);
}

enum err shape_prod_dim(struct op_call *c)
{
    unsigned dims;
    TRY(sum_dtype(c, 3));
    TRY(dim_of(c, 1, &dims));
    return fold(c, dims, c->arg[2].i, 1);
}

enum err shape_count_nonzero(struct op_call *c)
{
    unsigned dims = all_dims(c);
    TRY(op_check_dtype(c, 0, self_of(c)->dtype, c->op->dtypes));
    c->compute = self_of(c)->dtype;
    c->dtype[0] = DTYPE_I64;
    if (c->arg[1].kind == OP_INT) TRY(dim_of(c, 1, &dims));
    if (c->arg[1].kind == OP_INTS) TRY(dims_of(c, 1, &dims));
    return fold(c, dims, false, 1);
}

/* ---- extremes ---- */

enum err shape_extreme_dims(struct op_call *c)
{
    unsigned dims;
    TRY(dims_of(c, 1, &dims));
    TRY(refuse_empty(c, dims));
    return fold(c, dims, c->arg[2].i, 1);
}

enum err shape_extreme_all(struct op_call *c)
{
    TRY(refuse_empty(c, all_dims(c)));
    return fold(c, all_dims(c), false, 1);
}

enum err shape_extreme_dim(struct op_call *c)
{
    unsigned dims;
    TRY(dim_of(c, 1, &dims));
    TRY(refuse_empty(c, dims));
    c->dtype[1] = DTYPE_I64;
    return fold(c, dims, c->arg[2].i, 2);
}

enum err shape_arg(struct op_call *c)
{
    unsigned dims = all_dims(c);
    if (c->arg[1].kind == OP_INT) TRY(dim_of(c, 1, &dims));
    TRY(refuse_empty(c, dims));
    return fold(c, dims, c->arg[2].i, 1);
}

/* Of u8 the result is u8: it was the truth value once. */
static void truth_dtype(struct op_call *c)
{
    if (c->compute == DTYPE_U8) c->dtype[0] = DTYPE_U8;
}

enum err shape_truth_dims(struct op_call *c)
{
    unsigned dims;
    truth_dtype(c);
    if (c->arg[1].kind == OP_INTS && !c->arg[1].n) { /* folds nothing, here only */
        c->body = "out = self != 0";
        return fold(c, 0, true, 1);
    }
    TRY(dims_of(c, 1, &dims));
    return fold(c, dims, c->arg[2].i, 1);
}

enum err shape_truth_all(struct op_call *c)
{
    truth_dtype(c);
    return fold(c, all_dims(c), false, 1);
}

enum err shape_truth_dim(struct op_call *c)
{
    unsigned dims;
    truth_dtype(c);
    TRY(dim_of(c, 1, &dims));
    return fold(c, dims, c->arg[2].i, 1);
}

/* ---- moments and norms ---- */

#define MOMENTS   "m = sum(self) / to_compute(n); d = self - m; "
#define SQUARES   "s = sum(d * d) / max(to_compute(n) - correction, 0); "
#define SQUARES_1 "s = sum(d * d) / max(to_compute(n) - 1, 0); "

enum err shape_var(struct op_call *c)
{
    static const char *const bodies[3][2] = {
        {MOMENTS SQUARES_1 "out = s", MOMENTS SQUARES "out = s"},
        {MOMENTS SQUARES_1 "out = sqrt(s)", MOMENTS SQUARES "out = sqrt(s)"},
        {MOMENTS SQUARES_1 "out = s; out1 = m", MOMENTS SQUARES "out = s; out1 = m"}};
    unsigned dims;
    bool given = c->arg[2].kind == OP_SCALAR;
    int which = strstr(c->op->s.name, "var_mean") ? 2 : strstr(c->op->s.name, "std") ? 1 : 0;
    TRY(dims_of(c, 1, &dims));
    c->body = bodies[which][given];
    return fold(c, dims, c->arg[3].i, c->n_results);
}

enum err shape_vector_norm(struct op_call *c)
{
    double ord = c->arg[1].r;
    unsigned dims;
    enum dtype wide;
    TRY(op_check_dtype(c, 0, self_of(c)->dtype, c->op->dtypes));
    TRY(sum_dtype(c, 4));
    TRY(dims_of(c, 2, &dims));
    if (dtype_promote(self_of(c)->dtype, c->compute, &wide) || wide != c->compute)
        OP_FAIL(c, 4, "%s holds less than %s, self's", dtype_name(c->compute),
                dtype_name(self_of(c)->dtype));
    if (dtype_kind(c->compute) != dtype_kind(self_of(c)->dtype))
        OP_FAIL(c, 4, "%s of self, which is %s; both are real or both complex",
                dtype_name(c->compute), dtype_name(self_of(c)->dtype));
    if (c->compute == DTYPE_C64) c->dtype[0] = DTYPE_F32;
    if (c->compute == DTYPE_C128) c->dtype[0] = DTYPE_F64;
    bool complex = dtype_kind(c->compute) == DTYPE_COMPLEX;
    if (isinf(ord) || ord < 0) TRY(refuse_empty(c, dims));
    if (ord == 2)
        c->body =
            complex ? "a = abs(self); out = sqrt(sum(a * a))" : "out = sqrt(sum(self * self))";
    else if (ord == 1) c->body = "out = sum(abs(self))";
    else if (ord == 0) c->body = "out = sum(to_compute(self != 0))";
    else if (isinf(ord)) c->body = ord > 0 ? "out = amax(abs(self))" : "out = amin(abs(self))";
    else if (complex) OP_FAIL(c, 1, "%g; 0, 1, 2, inf and -inf are accepted for complex", ord);
    else c->body = "out = pow(sum(pow(abs(self), ord)), 1 / ord)";
    return fold(c, dims, c->arg[3].i, 1);
}

enum err shape_logsumexp(struct op_call *c)
{
    unsigned dims;
    TRY(dims_of(c, 1, &dims));
    return fold(c, dims, c->arg[2].i, 1);
}

/* ---- scans ---- */

enum err shape_scan(struct op_call *c)
{
    struct plan_space s;
    unsigned dims;
    TRY(sum_dtype(c, 2));
    TRY(dim_of(c, 1, &dims));
    op_result(c, 0, c->dtype[0], &self_of(c)->shape);
    plan_begin(&s, &c->plan, &self_of(c)->shape, dims);
    plan_add(&s, self_of(c));
    plan_add_dense(&s, &self_of(c)->shape, 0);
    return ERR_OK;
}
