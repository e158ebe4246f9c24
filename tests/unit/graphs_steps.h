/* graphs_steps.h - the kinds of steps that random programs are made of (graphs.h), and the
 * function that runs a program. */
#ifndef TESTS_GRAPHS_STEPS_H
#define TESTS_GRAPHS_STEPS_H

#include "tests/unit/graphs.h"

#define T              GRAPHS_T
#define TS             GRAPHS_TS
#define I              GRAPHS_I
#define IS             GRAPHS_IS
#define R              GRAPHS_R
#define B              GRAPHS_B
#define D              GRAPHS_D
#define NONE           GRAPHS_NONE
#define CALL           GRAPHS_CALL
#define PICK(r, names) ((names)[graphs_pick((r), (int64_t)(sizeof(names) / sizeof *(names)))])

static void step_unary(struct graphs_run *r)
{
    static const char *const names[] = {
        "aten::exp",         "aten::log",        "aten::sin",      "aten::tanh",
        "aten::erf",         "aten::sqrt",       "aten::rsqrt",    "aten::sigmoid",
        "aten::relu",        "aten::silu",       "aten::gelu",     "aten::neg",
        "aten::abs",         "aten::sign",       "aten::square",   "aten::floor",
        "aten::round",       "aten::isnan",      "aten::isinf",    "aten::logical_not",
        "aten::bitwise_not", "aten::reciprocal", "aten::softplus", "aten::leaky_relu",
        "aten::log1p",       "aten::expm1",      "aten::cos",      "aten::trunc",
        "aten::atan"};
    CALL(r, PICK(r, names), T(graphs_any(r)));
}

static void step_binary(struct graphs_run *r)
{
    static const char *const names[] = {"aten::add.Tensor",
                                        "aten::sub.Tensor",
                                        "aten::mul.Tensor",
                                        "aten::div.Tensor",
                                        "aten::maximum",
                                        "aten::minimum",
                                        "aten::atan2",
                                        "aten::copysign.Tensor",
                                        "aten::mul.Tensor",
                                        "aten::add.Tensor",
                                        "aten::pow.Tensor_Tensor",
                                        "aten::fmod.Tensor",
                                        "aten::remainder.Tensor",
                                        "aten::eq.Tensor",
                                        "aten::lt.Tensor",
                                        "aten::ge.Tensor",
                                        "aten::ne.Tensor",
                                        "aten::logical_and",
                                        "aten::logical_xor",
                                        "aten::bitwise_and.Tensor",
                                        "aten::floor_divide"};
    struct plumb_tensor *x = graphs_any(r);
    CALL(r, PICK(r, names), T(x), T(graphs_mate(r, x)));
}

static void step_number(struct graphs_run *r)
{
    static const char *const names[] = {
        "aten::add.Scalar",  "aten::sub.Scalar",        "aten::mul.Scalar", "aten::div.Scalar",
        "aten::rsub.Scalar", "aten::add.Scalar",        "aten::mul.Scalar", "aten::clamp_min",
        "aten::clamp_max",   "aten::pow.Tensor_Scalar", "aten::gt.Scalar",  "aten::le.Scalar",
        "aten::fmod.Scalar", "aten::remainder.Scalar"};
    struct plumb_tensor *x = graphs_any(r);
    if (graphs_pick(r, 3)) CALL(r, PICK(r, names), T(x), R(graphs_number(r)));
    else CALL(r, PICK(r, names), T(x), I(graphs_pick(r, 4) - 1));
}

static void step_where(struct graphs_run *r)
{
    struct plumb_tensor *x = graphs_any(r), *y = graphs_mate(r, x);
    struct plumb_tensor *c = CALL(r, "aten::gt.Scalar", T(graphs_mate(r, x)), R(0.25));
    if (!c) return;
    switch (graphs_pick(r, 3)) {
    case 0: CALL(r, "aten::where.self", T(c), T(x), T(y)); break;
    case 1: CALL(r, "aten::masked_fill.Scalar", T(x), T(c), R(graphs_number(r))); break;
    default: CALL(r, "aten::where.ScalarOther", T(c), T(x), R(graphs_number(r)));
    }
}

static void step_fused_math(struct graphs_run *r)
{
    struct plumb_tensor *x = graphs_any_float(r), *y = graphs_mate(r, x), *z = graphs_mate(r, y);
    switch (graphs_pick(r, 4)) {
    case 0: CALL(r, "aten::addcmul", T(x), T(y), T(z), R(graphs_number(r))); break;
    case 1: CALL(r, "aten::addcdiv", T(x), T(y), T(z), R(0.5)); break;
    case 2: CALL(r, "aten::lerp.Scalar", T(x), T(y), R(0.3)); break;
    default: CALL(r, "aten::clamp", T(x), R(-0.5), R(0.75));
    }
}

static void step_cast(struct graphs_run *r)
{
    struct plumb_tensor *x = graphs_any(r);
    enum dtype t = graphs_dtype(&r->random);
    x = CALL(r, "aten::_to_copy", T(x), D(t));
    if (x && graphs_pick(r, 3) == 0) CALL(r, "aten::_to_copy", T(x), D(graphs_dtype(&r->random)));
}

static void step_view(struct graphs_run *r)
{
    struct plumb_tensor *x = graphs_any(r);
    int64_t d = graphs_dim(r, x), n = graphs_size(x, d), rank = x->view.shape.n;
    int64_t all[] = {-1}, order[VIEW_DIMS], wide[VIEW_DIMS + 1] = {2};
    for (int i = 0; i < rank; i++) order[i] = rank - 1 - i;
    for (int i = 0; i < rank; i++) wide[i + 1] = x->view.shape.size[i];
    switch (graphs_pick(r, 16)) {
    case 0: CALL(r, "aten::t", T(x)); break;
    case 1: CALL(r, "aten::transpose.int", T(x), I(d), I(graphs_dim(r, x))); break;
    case 2: CALL(r, "aten::permute", T(x), IS(order, (int)rank)); break;
    case 3: CALL(r, "aten::unsqueeze", T(x), I(d)); break;
    case 4: CALL(r, "aten::squeeze", T(x)); break;
    case 5:
    case 6:
        CALL(r, "aten::slice.Tensor", T(x), I(d), I(graphs_pick(r, n + 1)),
             I(1 + graphs_pick(r, n + 1)), I(1 + graphs_pick(r, 2)));
        break;
    case 7:
        if (n) CALL(r, "aten::select.int", T(x), I(d), I(graphs_pick(r, n)));
        break;
    case 8: CALL(r, "aten::expand", T(x), IS(wide, (int)rank + 1)); break;
    case 9: CALL(r, "aten::reshape", T(x), IS(all, 1)); break;
    case 10: CALL(r, "aten::diagonal", T(x), I(graphs_pick(r, 3) - 1), I(0), I(1)); break;
    case 11: CALL(r, "aten::split.Tensor", T(x), I(1 + n / 2), I(d)); break;
    case 12: CALL(r, "aten::detach", T(x)); break;
    case 13: CALL(r, "aten::view", T(x), IS(all, 1)); break;
    case 14: CALL(r, "aten::view", T(x), IS(wide + 1, (int)rank)); break;
    default: CALL(r, "aten::flatten.using_ints", T(x), I(0), I(-1));
    }
}

static void step_reduce(struct graphs_run *r)
{
    static const char *const alone[] = {"aten::sum", "aten::mean", "aten::max", "aten::prod",
                                        "aten::any"};
    static const char *const lists[] = {
        "aten::sum.dim_IntList", "aten::mean.dim", "aten::amax", "aten::amin",
        "aten::any.dims",        "aten::logsumexp"};
    static const char *const ones[] = {"aten::max.dim", "aten::argmax", "aten::prod.dim_int",
                                       "aten::all.dim", "aten::min.dim"};
    struct plumb_tensor *x = graphs_any(r);
    int64_t d = graphs_dim(r, x), dims[] = {d, graphs_dim(r, x)};
    bool keep = graphs_pick(r, 2);
    switch (graphs_pick(r, 6)) {
    case 0: CALL(r, PICK(r, alone), T(x)); break;
    case 1:
    case 2: CALL(r, PICK(r, lists), T(x), IS(dims, 1 + (int)graphs_pick(r, 2)), B(keep)); break;
    case 3: CALL(r, PICK(r, ones), T(x), I(d), B(keep)); break;
    case 4: CALL(r, "aten::var_mean.correction", T(x), IS(dims, 1), I(1), B(keep)); break;
    default: CALL(r, "aten::linalg_vector_norm", T(x), R(2), IS(dims, 1), B(keep));
    }
}

static void step_row(struct graphs_run *r)
{
    struct plumb_tensor *x = graphs_any_float(r);
    int64_t d = graphs_dim(r, x);
    switch (graphs_pick(r, 4)) {
    case 0: CALL(r, "aten::_softmax", T(x), I(d), B(0)); break;
    case 1: CALL(r, "aten::_log_softmax", T(x), I(d), B(0)); break;
    case 2: CALL(r, "aten::cumsum", T(x), I(d)); break;
    default: CALL(r, "aten::cumprod", T(x), I(d));
    }
}

/* Ones of a shape, or its values: a weight. */
static struct plumb_tensor *step_weight(struct graphs_run *r, enum dtype t, int64_t n)
{
    struct plumb_tensor *x = CALL(r, "aten::arange", I(n), D(t));
    return x ? CALL(r, "aten::mul.Scalar", T(x), R(0.25)) : NULL;
}

static void step_norm(struct graphs_run *r)
{
    struct plumb_tensor *x = graphs_any_float(r);
    int rank = x->view.shape.n;
    if (!rank) return;
    int64_t last[] = {x->view.shape.size[rank - 1]}, channels = rank > 1 ? graphs_size(x, 1) : 0;
    struct plumb_tensor *w = step_weight(r, x->view.dtype, last[0]);
    if (!w) return;
    switch (graphs_pick(r, 4)) {
    case 0: CALL(r, "aten::layer_norm", T(x), IS(last, 1), T(w), T(w), R(1e-5)); break;
    case 1: CALL(r, "aten::layer_norm", T(x), IS(last, 1)); break;
    case 2: CALL(r, "aten::rms_norm", T(x), IS(last, 1), T(w), R(1e-6)); break;
    default:
        if (rank < 2 || !(w = step_weight(r, x->view.dtype, channels))) return;
        CALL(r, "aten::native_batch_norm", T(x), T(w), NONE, T(w), T(w), B(graphs_pick(r, 2)),
             R(0.1), R(1e-5));
    }
}

/* Whole numbers below n, of that shape, in i64. */
static struct plumb_tensor *step_indices(struct graphs_run *r, int n_dims, const int64_t *size,
                                         int64_t n)
{
    if (graphs_pick(r, 2)) return CALL(r, "aten::randint", I(n), IS(size, n_dims));
    int64_t data[64], count = 1;
    for (int i = 0; i < n_dims; i++) count *= size[i];
    if (count > 64) return CALL(r, "aten::randint", I(n), IS(size, n_dims));
    for (int64_t i = 0; i < count; i++) data[i] = graphs_pick(r, n);
    struct plumb_tensor *x = plumb_tensor(PLUMB_I64, n_dims, size, data);
    return x;
}

static void step_index(struct graphs_run *r)
{
    struct plumb_tensor *x = graphs_any(r), *k;
    int64_t d = graphs_dim(r, x), n = graphs_size(x, d), few[] = {1 + graphs_pick(r, 5)};
    int rank = x->view.shape.n;
    int64_t size[VIEW_DIMS];
    memcpy(size, x->view.shape.size, sizeof size);
    if (!n || !rank) return;
    int at = (int)(d < 0 ? d + rank : d);
    size[at] = few[0];
    bool full = graphs_pick(r, 2);
    if (!(k = full ? step_indices(r, rank, size, n) : step_indices(r, 1, few, n))) return;
    struct plumb_tensor *list[VIEW_DIMS] = {0};
    list[at] = k;
    switch (full ? graphs_pick(r, 3) : 3 + graphs_pick(r, 4)) {
    case 0: CALL(r, "aten::gather", T(x), I(d), T(k)); break;
    case 1: CALL(r, "aten::scatter.value", T(x), I(d), T(k), R(2)); break;
    case 2: CALL(r, "aten::scatter_add", T(x), I(d), T(k), T(x)); break;
    case 3: CALL(r, "aten::index_select", T(x), I(d), T(k)); break;
    case 4: CALL(r, "aten::index.Tensor", T(x), TS(list, at + 1)); break;
    case 5:
        if (at == 0) CALL(r, "aten::embedding", T(x), T(k));
        break;
    default: CALL(r, "aten::index_select", T(x), I(d), T(k));
    }
}

static struct plumb_tensor *step_matrix(struct graphs_run *r, struct plumb_tensor *x)
{
    int64_t wide = graphs_pick(r, 2) ? 15 : 0; /* products that have epilogues are */
    int64_t to[] = {graphs_size(x, x->view.shape.n - 1), 1 + wide + graphs_pick(r, 5)};
    struct plumb_tensor *w = step_weight(r, x->view.dtype, to[0] * to[1]);
    return w ? CALL(r, "aten::view", T(w), IS(to, 2)) : NULL;
}

static void step_product(struct graphs_run *r)
{
    struct plumb_tensor *x = graphs_any_float(r), *w;
    if (!graphs_is_float(x) || !x->view.shape.n || !(w = step_matrix(r, x))) return;
    int64_t d = x->view.shape.n - 1;
    struct plumb_tensor *row = plumb_select_int(x, d, 0), *t;
    switch (graphs_pick(r, 5)) {
    case 0:
    case 1: CALL(r, "aten::matmul", T(x), T(w)); break;
    case 2:
        if ((t = CALL(r, "aten::t", T(w)))) CALL(r, "aten::linear", T(x), T(t));
        break;
    case 3:
        if ((t = CALL(r, "aten::select.int", T(w), I(0), I(0))))
            CALL(r, "aten::addmm", T(t), T(x), T(w));
        break;
    default:
        if (row && x->view.shape.n == 2) CALL(r, "aten::outer", T(row), T(row));
        CALL(r, "aten::mm", T(x), T(w));
    }
}

static void step_lists(struct graphs_run *r)
{
    static const char *const to[] = {"aten::_foreach_add.Scalar", "aten::_foreach_mul.Scalar",
                                     "aten::_foreach_mul_.Scalar", "aten::_foreach_add_.Scalar"};
    static const char *const two[] = {"aten::_foreach_add.List", "aten::_foreach_mul_.List",
                                      "aten::_foreach_sub.List", "aten::_foreach_add_.List"};
    struct plumb_tensor *a[3], *b[3];
    int n = 1 + (int)graphs_pick(r, 3);
    for (int i = 0; i < n; i++) {
        a[i] = graphs_any_float(r);
        b[i] = graphs_twin(r, a[i]);
    }
    if (graphs_pick(r, 2)) CALL(r, PICK(r, to), TS(a, n), R(graphs_number(r)));
    else CALL(r, PICK(r, two), TS(a, n), TS(b, n));
}

static void step_in_place(struct graphs_run *r)
{
    static const char *const one[] = {"aten::exp_", "aten::tanh_", "aten::sigmoid_", "aten::relu_",
                                      "aten::neg_", "aten::zero_", "aten::sqrt_"};
    static const char *const two[] = {"aten::add_.Tensor", "aten::mul_.Tensor", "aten::sub_.Tensor",
                                      "aten::div_.Tensor", "aten::copy_"};
    static const char *const number[] = {"aten::add_.Scalar", "aten::mul_.Scalar",
                                         "aten::fill_.Scalar"};
    struct plumb_tensor *x = graphs_any(r);
    switch (graphs_pick(r, 4)) {
    case 0: CALL(r, PICK(r, one), T(x)); break;
    case 1: CALL(r, PICK(r, number), T(x), R(graphs_number(r))); break;
    case 2: CALL(r, "aten::clamp_", T(x), R(-1), R(1)); break;
    default: CALL(r, PICK(r, two), T(x), T(graphs_mate(r, x)));
    }
}

static void step_random(struct graphs_run *r)
{
    struct plumb_tensor *x = graphs_any_float(r);
    switch (graphs_pick(r, 6)) {
    case 0: CALL(r, "aten::rand_like", T(x)); break;
    case 1: CALL(r, "aten::randn_like", T(x)); break;
    case 2: CALL(r, "aten::native_dropout", T(x), R(0.3), B(1)); break;
    case 3: CALL(r, "aten::bernoulli.p", T(x), R(0.5)); break;
    case 4: CALL(r, "aten::uniform_", T(x), R(0), R(2)); break;
    default: CALL(r, "aten::rand", IS(r->p->dim, 2));
    }
}

static void step_move(struct graphs_run *r)
{
    struct plumb_tensor *x = graphs_any(r), *list[3] = {x, graphs_twin(r, x), x};
    int64_t d = graphs_dim(r, x), dims[] = {d}, pad[] = {1, 2}, twice[VIEW_DIMS], one[] = {1};
    for (int i = 0; i < x->view.shape.n; i++) twice[i] = 1 + graphs_pick(r, 2);
    switch (graphs_pick(r, 9)) {
    case 0: CALL(r, "aten::cat", TS(list, 1 + (int)graphs_pick(r, 3)), I(d)); break;
    case 1: CALL(r, "aten::stack", TS(list, 2), I(d)); break;
    case 2: CALL(r, "aten::constant_pad_nd", T(x), IS(pad, 2), R(1.5)); break;
    case 3: CALL(r, "aten::flip", T(x), IS(dims, 1)); break;
    case 4: CALL(r, "aten::repeat", T(x), IS(twice, x->view.shape.n)); break;
    case 5: CALL(r, "aten::roll", T(x), IS(one, 1), IS(dims, 1)); break;
    case 6: CALL(r, "aten::tril", T(x)); break;
    case 7: CALL(r, "aten::contiguous", T(x)); break;
    default: CALL(r, "aten::clone", T(x));
    }
}

static void step_make(struct graphs_run *r)
{
    const int64_t *size = r->p->dim;
    enum dtype t = graphs_dtype(&r->random);
    int64_t few[] = {3};
    struct plumb_tensor *x, *y;
    switch (graphs_pick(r, 6)) {
    case 0: CALL(r, "aten::full", IS(size, 2), R(graphs_number(r)), D(t)); break;
    case 1: CALL(r, "aten::zeros", IS(size + 1, 2), D(t)); break;
    case 2: CALL(r, "aten::arange", I(size[0]), D(t)); break;
    case 3: CALL(r, "aten::ones_like", T(graphs_any(r))); break;
    case 4:
        if (!(x = CALL(r, "aten::empty_like", T(graphs_any(r))))) break;
        r->pool[GRAPHS_INPUTS + r->step * GRAPHS_EACH] = NULL; /* it has no values yet */
        y = graphs_twin(r, x);
        if (y == x) CALL(r, "aten::fill_.Scalar", T(x), R(graphs_number(r)));
        else CALL(r, "aten::copy_", T(x), T(y));
        break;
    default: /* host data: a constant of the graph, and what is computed of it */
        x = graphs_dense(&r->random, t, r->p->hostile, 1, few);
        CALL(r, "aten::mul.Scalar", T(x), R(graphs_number(r)));
        CALL(r, "aten::unsqueeze", T(x), I(0));
    }
}

static void step_order(struct graphs_run *r)
{
    struct plumb_tensor *x = graphs_any(r);
    int64_t d = graphs_dim(r, x);
    if (graphs_pick(r, 2)) CALL(r, "aten::sort", T(x), I(d), B(graphs_pick(r, 2)));
    else CALL(r, "aten::topk", T(x), I(graphs_size(x, d) / 2), I(d));
}

/* What passes look for. */
static void step_needless(struct graphs_run *r)
{
    struct plumb_tensor *x = graphs_any(r), *y;
    switch (graphs_pick(r, 6)) {
    case 0:
        if ((y = CALL(r, "aten::t", T(x)))) CALL(r, "aten::t", T(y));
        break;
    case 1:
        if ((y = CALL(r, "aten::t", T(x))) && (y = CALL(r, "aten::clone", T(y))))
            CALL(r, "aten::add.Tensor", T(y), T(graphs_mate(r, y)));
        break;
    case 2:
        if ((y = CALL(r, "aten::neg", T(x)))) CALL(r, "aten::mul.Scalar", T(y), I(1));
        break;
    case 3:
        CALL(r, "aten::exp", T(x));
        CALL(r, "aten::exp", T(x));
        break;
    case 4:
        if ((y = CALL(r, "aten::sigmoid", T(x)))) CALL(r, "aten::sub.Scalar", T(y), R(0));
        break;
    default: CALL(r, "aten::_to_copy", T(x), D(x->view.dtype));
    }
}

/* ---- what models are made of: chains that one kernel or a few are to do ---- */

static void block_softmax(struct graphs_run *r, struct plumb_tensor *x, int64_t d)
{
    const int64_t dims[] = {d};
    struct plumb_tensor *y = CALL(r, "aten::amax", T(x), IS(dims, 1), B(1)), *sum;
    if (!y || !(y = CALL(r, "aten::sub.Tensor", T(x), T(y)))) return;
    if (!(y = CALL(r, "aten::exp", T(y)))) return;
    if ((sum = plumb_sum_dim_intlist(y, dims, 1, true, (enum plumb_dtype)0)))
        CALL(r, "aten::div.Tensor", T(y), T(sum));
}

static void block_norm(struct graphs_run *r, struct plumb_tensor *x, int64_t d)
{
    const int64_t dims[] = {d};
    struct plumb_tensor *mean = CALL(r, "aten::mean.dim", T(x), IS(dims, 1), B(1)), *y, *var;
    if (!mean || !(y = CALL(r, "aten::sub.Tensor", T(x), T(mean)))) return;
    if (!(var = plumb_mean_dim(plumb_square(y), dims, 1, true, (enum plumb_dtype)0))) return;
    if ((var = plumb_rsqrt(plumb_add_scalar(var, 1e-5, 1))))
        CALL(r, "aten::mul.Tensor", T(y), T(var));
}

static void block_layer(struct graphs_run *r, struct plumb_tensor *x)
{
    struct plumb_tensor *w = step_matrix(r, x), *y;
    r->n_left = 0;
    if (!w || !(y = plumb_matmul(x, w))) return;
    if ((y = plumb_gelu(plumb_add_scalar(y, 0.5, 1), "tanh")))
        y = CALL(r, "aten::native_dropout", T(y), R(0.25), B(1));
    if (y && graphs_pick(r, 2)) CALL(r, "aten::sum.dim_IntList", T(y), IS(((int64_t[]){0}), 1));
}

/* A product and what may be computed on its tiles; sometimes it is needed too. */
static void step_epilogue(struct graphs_run *r)
{
    struct plumb_tensor *x = graphs_any_float(r), *w, *y;
    if (!graphs_is_float(x) || !x->view.shape.n) return;
    w = step_matrix(r, x);
    r->n_left = 0;
    if (!w || !(y = CALL(r, "aten::matmul", T(x), T(w)))) return;
    if (graphs_pick(r, 3)) r->n_left = 0;
    for (int i = (int)graphs_pick(r, 3); i >= 0 && y; i--) switch (graphs_pick(r, 7)) {
        case 0: y = plumb_gelu(y, "tanh"); break;
        case 1: y = plumb_add(y, graphs_mate(r, y)); break;
        case 2: y = plumb_relu_(y); break;
        case 3: y = plumb_mul(y, plumb_select_int(y, 0, 0)); break;
        case 4: y = plumb__to_copy(y, PLUMB_BF16); break;
        case 5: y = plumb_transpose_int(y, 0, -1); break;
        default: y = plumb_mul(graphs_twin(r, y), y);
        }
    if (y) CALL(r, "aten::mul.Scalar", T(y), R(0.5));
}

static void block_attention(struct graphs_run *r, struct plumb_tensor *x)
{
    int64_t n = x->view.shape.n, heads[] = {0, 0, 1, 1}, order[] = {0, 2, 1, 3};
    if (n != 3) return;
    for (int i = 0; i < 2; i++) heads[i] = x->view.shape.size[i];
    heads[3] = x->view.shape.size[2];
    struct plumb_tensor *q = plumb_permute(plumb_reshape(x, heads, 4), order, 4);
    if (q)
        CALL(r, "aten::scaled_dot_product_attention", T(q), T(q), T(q), NONE, R(0),
             B(graphs_pick(r, 2)));
}

/* Many small independent calls: what combined kernels are made of. */
static void block_lists(struct graphs_run *r)
{
    struct plumb_tensor *a[12], *b[12];
    int n = 3 + (int)graphs_pick(r, 10);
    for (int i = 0; i < n; i++) {
        a[i] = graphs_any_float(r);
        b[i] = graphs_twin(r, a[i]);
    }
    struct plumb_tensor *y[12];
    struct plumb_value arg[] = {TS(a, n), TS(b, n)};
    if (plumb_call("aten::_foreach_mul.List", arg, 2, y, 12) != n) {
        plumb_error();
        return;
    }
    CALL(r, "aten::_foreach_add.Scalar", TS(y, n), R(0.5));
    CALL(r, "aten::_foreach_norm.Scalar", TS(y, n), R(2));
}

/* An optimiser's step on the kept tensors. */
static void block_adam(struct graphs_run *r)
{
    struct plumb_tensor *p[2], *g[2], *m[2], *v[2], *steps[2], *none[1] = {0};
    for (int i = 0; i < 2; i++) {
        p[i] = r->p->kept[i];
        g[i] = plumb_mul_scalar(p[i], 0.5);
        m[i] = plumb_zeros_like(p[i], (enum plumb_dtype)0);
        v[i] = plumb_ones_like(p[i], (enum plumb_dtype)0);
        steps[i] = plumb_ones((int64_t[]){0}, 0, PLUMB_F32);
    }
    plumb_no_grad_begin();
    CALL(r, "aten::_fused_adamw_", TS(p, 2), TS(g, 2), TS(m, 2), TS(v, 2), TS(none, 0),
         TS(steps, 2), R(0.01), R(0.9), R(0.99), R(0.1), R(1e-8), B(0), B(0));
    plumb_no_grad_end();
    r->pool[GRAPHS_INPUTS + r->step * GRAPHS_EACH + r->n_left++] = m[1];
}

static void step_block(struct graphs_run *r)
{
    struct plumb_tensor *x = graphs_any_float(r);
    int64_t d = graphs_dim(r, x);
    switch (graphs_pick(r, 6)) {
    case 0: block_softmax(r, x, d); break;
    case 1: block_norm(r, x, d); break;
    case 2:
        if (graphs_is_float(x) && x->view.shape.n) block_layer(r, x);
        break;
    case 3: block_attention(r, x); break;
    case 4: block_lists(r); break;
    default: block_adam(r);
    }
}

/* A tensor that is not given: its value, and the step's own view of it. */
static void step_kept(struct graphs_run *r)
{
    struct plumb_tensor *x = r->p->kept[graphs_pick(r, GRAPHS_KEPT)];
    r->pool[GRAPHS_INPUTS + r->step * GRAPHS_EACH + r->n_left++] = x;
    CALL(r, "aten::mul.Tensor", T(x), T(graphs_mate(r, x)));
}

/* Goes back from the newest tensor that leads to kept ones, and moves these along. */
static void step_train(struct graphs_run *r)
{
    struct plumb_tensor *loss = NULL;
    for (int i = GRAPHS_POOL - 1; i >= 0 && !loss; i--)
        if (r->pool[i] && r->pool[i]->made_by && graphs_is_float(r->pool[i]))
            loss = plumb_sum(r->pool[i], PLUMB_F64);
    if (!loss || plumb_backward(loss)) return;
    plumb_no_grad_begin();
    for (int i = 0; i < GRAPHS_KEPT; i++) {
        struct plumb_tensor *x = r->p->kept[i], *grad = plumb_grad(x), *y;
        struct plumb_value add[] = {T(x), T(grad), R(-0.125)};
        if (grad && plumb_call("aten::add_.Tensor", add, 3, &y, 1) < 0) plumb_error();
        if (r->p->seed & 1) plumb_zero_grad(x);
    }
    plumb_no_grad_end();
}

/* One call of the program: a plumb_function. Outputs are the newest tensors and some others. */
static inline int graphs_function(void *context, struct plumb_tensor *const *in, int n_in,
                                  struct plumb_tensor **out, int n_out)
{
    static void (*const steps[])(struct graphs_run *) = {
        step_unary,      step_unary,  step_binary, step_binary,   step_number,  step_where,
        step_fused_math, step_cast,   step_view,   step_view,     step_reduce,  step_reduce,
        step_row,        step_norm,   step_index,  step_product,  step_lists,   step_in_place,
        step_in_place,   step_random, step_move,   step_make,     step_order,   step_needless,
        step_kept,       step_block,  step_block,  step_epilogue, step_epilogue};
    struct graphs_run r = {.p = context};
    for (int i = 0; i < n_in; i++) r.pool[i] = in[i];
    for (r.step = 0; r.step < r.p->n_steps; r.step++) {
        if (r.p->skip >> r.step & 1) continue;
        r.random = r.p->seed * 0x9e3779b97f4a7c15u + (uint64_t)r.step;
        r.n_left = 0;
        PICK(&r, steps)(&r);
    }
    if (r.p->inner) step_train(&r);
    r.random = r.p->seed + 99;
    for (int i = 0, at = GRAPHS_POOL; i < n_out; i++) {
        for (at--; at > 0 && !r.pool[at];) at--;
        if (at <= 0 || i == 3) out[i] = graphs_any(&r);
        else out[i] = r.pool[at];
    }
    return 0;
}

#undef T
#undef TS
#undef I
#undef IS
#undef R
#undef B
#undef D
#undef NONE
#undef CALL
#undef PICK

#endif
