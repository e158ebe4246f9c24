/* grad_reduce.c - gradient rules of reductions and scans. */
#include <math.h>

#include "runtime/grad.h"

static const struct view_shape *self_shape(const struct op_call *c)
{
    return &c->arg[0].t->view.shape;
}

static bool is_folded(const struct op_call *c, int arg, int d)
{
    const struct op_value *v = &c->arg[arg];
    int n = self_shape(c)->n;
    if (v->kind == OP_NONE || (v->kind == OP_INTS && !v->n)) return true;
    if (v->kind == OP_INT) return (v->i < 0 ? v->i + n : v->i) == d;
    for (int i = 0; i < v->n; i++)
        if ((v->is[i] < 0 ? v->is[i] + n : v->is[i]) == d) return true;
    return false;
}

/* t, a result folded over the dimensions that `arg` names (-1: all), with those of size 1 again. */
static struct plumb_tensor *unfold(const struct op_call *c, struct plumb_tensor *t, int arg,
                                   bool kept)
{
    if (kept || !t) return t;
    for (int d = 0; d < self_shape(c)->n; d++)
        if (arg < 0 || is_folded(c, arg, d)) t = plumb_unsqueeze(t, d);
    return t;
}

static struct plumb_tensor *spread(const struct op_call *c, struct plumb_tensor *t)
{
    return plumb_expand(t, self_shape(c)->size, self_shape(c)->n);
}

static int64_t folded_count(const struct op_call *c, int arg)
{
    int64_t n = 1;
    for (int d = 0; d < self_shape(c)->n; d++)
        if (arg < 0 || is_folded(c, arg, d)) n *= self_shape(c)->size[d];
    return n;
}

/* ---- sums ---- */

GRAD_RULE(grad_sum_all, GRAD_GIVE(0, spread(c, g)))
GRAD_RULE(grad_sum_dims, GRAD_GIVE(0, spread(c, unfold(c, g, 1, c->arg[2].i))))
GRAD_RULE(grad_mean_all, GRAD_GIVE(0, plumb_div_scalar(spread(c, g), (double)folded_count(c, -1))))
GRAD_RULE(grad_mean_dims, GRAD_GIVE(0, plumb_div_scalar(spread(c, unfold(c, g, 1, c->arg[2].i)),
                                                        (double)folded_count(c, 1))))

/* ---- products: right where elements are 0, too ---- */

/* Along d the products of all elements before each. */
static struct plumb_tensor *before(struct plumb_tensor *x, int64_t d)
{
    if (!x) return NULL;
    struct view_shape first = x->view.shape;
    int64_t start = 0, end = first.size[d] - 1;
    first.size[d] = 1;
    struct plumb_tensor *parts[] = {
        plumb_ones(first.size, first.n, (enum plumb_dtype)x->view.dtype),
        plumb_slice(x, d, &start, &end, 1)};
    if (!parts[0] || !parts[1]) return NULL;
    return plumb_cumprod(plumb_cat(parts, 2, d), d, 0);
}

/* Along d the products of all elements but each. */
static struct plumb_tensor *others(struct plumb_tensor *x, int64_t d)
{
    if (!x || !x->view.shape.size[d]) return x;
    struct plumb_tensor *after = plumb_flip(before(plumb_flip(x, &d, 1), d), &d, 1);
    return plumb_mul(before(x, d), after);
}

static struct plumb_tensor *prod_slope(const struct op_call *c, struct plumb_tensor *g)
{
    const int64_t all = -1;
    struct plumb_tensor *x = plumb_reshape(grad_conjugate(GRAD_T(0)), &all, 1);
    return plumb_reshape(plumb_mul(g, others(x, 0)), self_shape(c)->size, self_shape(c)->n);
}
GRAD_RULE(grad_prod_all, GRAD_GIVE(0, prod_slope(c, g)))

static struct plumb_tensor *prod_dim_slope(const struct op_call *c, struct plumb_tensor *g)
{
    int64_t d = c->arg[1].i;
    int n = self_shape(c)->n;
    if (!n) return g;
    g = unfold(c, g, 1, c->arg[2].i);
    return plumb_mul(g, others(grad_conjugate(GRAD_T(0)), d < 0 ? d + n : d));
}
GRAD_RULE(grad_prod_dim, GRAD_GIVE(0, prod_dim_slope(c, g)))

/* y_j = x_0 ... x_j: what x_k gets is the product before it times s_k, s_k = g_k + x_k+1 s_k+1. */
static struct plumb_tensor *cumprod_slope(const struct op_call *c, struct plumb_tensor *g)
{
    struct plumb_tensor *x = grad_conjugate(GRAD_T(0));
    int64_t d = c->arg[1].i;
    if (!self_shape(c)->n) return g;
    if (d < 0) d += self_shape(c)->n;
    int64_t n = self_shape(c)->size[d];
    struct plumb_tensor **s = arena_array(c->arena, (size_t)n + 1, sizeof *s);
    if (!s || n > INT32_MAX) return NULL;
    for (int64_t k = n - 1; k >= 0; k--) {
        s[k] = plumb_select_int(g, d, k);
        if (k + 1 < n) s[k] = plumb_add(s[k], plumb_mul(plumb_select_int(x, d, k + 1), s[k + 1]));
        if (!s[k]) return NULL;
    }
    return n ? plumb_mul(before(x, d), plumb_stack(s, (int)n, d)) : g;
}
GRAD_RULE(grad_cumprod, GRAD_GIVE(0, cumprod_slope(c, g)))

/* sum over [i, n) = total - sum over [0, i) is not exact; the gradient is scanned from the end. */
enum err grad_cumsum(struct op_call *c, struct plumb_tensor *const *result_grad,
                     struct plumb_tensor **grad)
{
    int64_t dim = c->arg[1].i;
    if (!self_shape(c)->n) GRAD_GIVE(0, result_grad[0]);
    else
        GRAD_GIVE(0,
                  plumb_flip(plumb_cumsum(plumb_flip(result_grad[0], &dim, 1), dim, 0), &dim, 1));
    return ERR_OK;
}

/* ---- extremes: equal ones share, as in PyTorch ---- */

static struct plumb_tensor *share(const struct op_call *c, struct plumb_tensor *x,
                                  struct plumb_tensor *g, struct plumb_tensor *y, int arg)
{
    struct plumb_tensor *mask = plumb_eq(x, y);
    struct plumb_tensor *f = plumb__to_copy(mask, (enum plumb_dtype)(g ? g->view.dtype : 0));
    int64_t dim[VIEW_DIMS];
    int n = 0;
    for (int d = 0; d < self_shape(c)->n; d++)
        if (arg < 0 || is_folded(c, arg, d)) dim[n++] = d;
    struct plumb_tensor *many = n ? plumb_sum_dim_intlist(f, dim, n, true, 0) : f;
    return plumb_mul(f, plumb_div(g, many));
}

GRAD_RULE(grad_extreme_dims, bool kept = c->arg[2].i;
          GRAD_GIVE(0, share(c, GRAD_T(0), unfold(c, g, 1, kept), unfold(c, y, 1, kept), 1)))
GRAD_RULE(grad_extreme_all, GRAD_GIVE(0, share(c, GRAD_T(0), g, y, -1)))

/* The element that was taken gets it all. */
static struct plumb_tensor *put_back(const struct op_call *c, struct plumb_tensor *g,
                                     struct plumb_tensor *index)
{
    bool kept = c->arg[2].i;
    struct plumb_tensor *zeros = plumb_zeros_like(GRAD_T(0), 0);
    if (!self_shape(c)->n) return g;
    return plumb_scatter_add(zeros, c->arg[1].i, unfold(c, index, 1, kept), unfold(c, g, 1, kept));
}
GRAD_RULE(grad_extreme_dim, GRAD_GIVE(0, put_back(c, g, c->result[1])))

/* ---- moments and norms ---- */

static struct plumb_tensor *deviation(const struct op_call *c)
{
    int64_t dim[VIEW_DIMS];
    int n = 0;
    for (int d = 0; d < self_shape(c)->n; d++)
        if (is_folded(c, 1, d)) dim[n++] = d;
    return plumb_sub(GRAD_T(0), n ? plumb_mean_dim(GRAD_T(0), dim, n, true, 0) : GRAD_T(0));
}

static struct plumb_tensor *var_slope(const struct op_call *c, struct plumb_tensor *g)
{
    double correction = c->arg[2].kind == OP_SCALAR ? c->arg[2].r : 1;
    double by = 2 / ((double)folded_count(c, 1) - correction);
    return plumb_mul(plumb_mul_scalar(unfold(c, g, 1, c->arg[3].i), by), deviation(c));
}
GRAD_RULE(grad_var, GRAD_GIVE(0, var_slope(c, g)))
/* 0 where nothing deviates, as in PyTorch. */
GRAD_RULE(grad_std, struct plumb_tensor *half = plumb_div(g, plumb_mul_scalar(y, 2));
          GRAD_GIVE(0, var_slope(c, plumb_masked_fill_scalar(half, plumb_eq_scalar(y, 0), 0))))

enum err grad_var_mean(struct op_call *c, struct plumb_tensor *const *result_grad,
                       struct plumb_tensor **grad)
{
    struct plumb_tensor *of_var = NULL, *of_mean = NULL;
    double n = (double)folded_count(c, 1);
    if (result_grad[0]) of_var = var_slope(c, result_grad[0]);
    if (result_grad[1])
        of_mean = plumb_div_scalar(spread(c, unfold(c, result_grad[1], 1, c->arg[3].i)), n);
    if ((result_grad[0] && !of_var) || (result_grad[1] && !of_mean)) return ERR_USAGE;
    GRAD_GIVE(0, of_var && of_mean ? plumb_add(of_var, of_mean) : of_var ? of_var : of_mean);
    return ERR_OK;
}

/* d |x|_p / d x_i = sign(x_i) (|x_i| / |x|_p)^(p - 1); 0 where the norm is 0. */
static struct plumb_tensor *norm_slope(const struct op_call *c, struct plumb_tensor *g,
                                       struct plumb_tensor *y)
{
    double ord = GRAD_N(1);
    struct plumb_tensor *x = GRAD_T(0);
    g = unfold(c, g, 2, c->arg[3].i);
    y = unfold(c, y, 2, c->arg[3].i);
    if (ord == 0) return plumb_zeros_like(x, 0);
    if (ord == 1) return plumb_mul(plumb_sign(x), g);
    if (isinf(ord)) return plumb_mul(plumb_sign(x), share(c, plumb_abs(x), g, y, 2));
    struct plumb_tensor *zero = plumb_eq_scalar(y, 0), *slope;
    if (ord == 2) slope = plumb_mul(x, plumb_div(g, y));
    else
        slope = plumb_mul(plumb_mul(plumb_sign(x), g),
                          plumb_pow_tensor_scalar(plumb_div(plumb_abs(x), y), ord - 1));
    return plumb_masked_fill_scalar(slope, zero, 0);
}
enum err grad_vector_norm(struct op_call *c, struct plumb_tensor *const *result_grad,
                          struct plumb_tensor **grad)
{
    if (dtype_kind(GRAD_T(0)->view.dtype) == DTYPE_COMPLEX)
        OP_FAIL(c, 0, "gradients of norms are for real tensors");
    GRAD_GIVE(0, norm_slope(c, result_grad[0], c->result[0]));
    return ERR_OK;
}

GRAD_RULE(grad_logsumexp, bool kept = c->arg[2].i;
          GRAD_GIVE(0, plumb_mul(unfold(c, g, 1, kept),
                                 plumb_exp(plumb_sub(GRAD_T(0), unfold(c, y, 1, kept))))))
