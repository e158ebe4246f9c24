/* shape_loss.c - shapes, loops and bodies of losses. */
#include "plumb.h"
#include "runtime/ops.h"
#include "runtime/plan.h"

static enum err check_reduction(const struct op_call *c, int arg)
{
    int64_t r = c->arg[arg].i;
    if (r >= PLUMB_NONE && r <= PLUMB_SUM) return ERR_OK;
    return op_fail(c, arg, "%lld was given; 0 (none), 1 (mean) and 2 (sum) are accepted",
                   (long long)r);
}

/* ---- negative log likelihood ---- */

enum { NLL_SELF, NLL_TARGET, NLL_WEIGHT, NLL_REDUCTION };

/* `first` is the number of the argument self. */
static enum err check_nll(const struct op_call *c, int first)
{
    const struct op_value *a = &c->arg[first];
    const struct view *x = &a[NLL_SELF].t->view, *t = &a[NLL_TARGET].t->view;
    char tx[VIEW_TEXT], tt[VIEW_TEXT];
    if (x->shape.n < 1 || x->shape.n > 2)
        OP_FAIL(c, first, "shape %s was given; [classes] and [rows, classes] are accepted",
                view_shape_text(&x->shape, tx));
    if (t->dtype != DTYPE_I64 && t->dtype != DTYPE_U8)
        OP_FAIL(c, first + NLL_TARGET, "dtype %s is not accepted; i64 u8 are",
                dtype_name(t->dtype));
    int64_t rows = x->shape.n == 2 ? x->shape.size[0] : 1, targets = view_count(t);
    if (t->shape.n > 1 || targets != rows || (x->shape.n == 2 && !t->shape.n))
        OP_FAIL(c, first + NLL_TARGET, "shape %s was given; one target for each row of 'self', %s",
                view_shape_text(&t->shape, tt), view_shape_text(&x->shape, tx));
    TRY(check_reduction(c, first + NLL_REDUCTION));
    if (a[NLL_WEIGHT].kind == OP_NONE) return ERR_OK;
    const struct view *w = &a[NLL_WEIGHT].t->view;
    if (w->shape.n != 1 || w->shape.size[0] != x->shape.size[x->shape.n - 1])
        OP_FAIL(c, first + NLL_WEIGHT,
                "shape %s was given; one weight for each class of 'self', %s",
                view_shape_text(&w->shape, tt), view_shape_text(&x->shape, tx));
    if (w->dtype != x->dtype)
        OP_FAIL(c, first + NLL_WEIGHT, "dtype %s is not accepted; that of 'self', %s, is",
                dtype_name(w->dtype), dtype_name(x->dtype));
    return ERR_OK;
}

/* [rows, classes], also of a single row. */
static struct view as_rows(const struct view *x)
{
    struct view v = *x;
    if (x->shape.n == 2) return v;
    v.shape = (struct view_shape){.n = 2, .size = {1, x->shape.size[0]}};
    v.stride[1] = x->stride[0];
    v.stride[0] = 0;
    return v;
}

/* A target that is left out is never used as a position. */
#define NLL_PICK "on = target != ignore_index; k = where(on, target, 0); x = load(self, k); "
#define NLL_ONE  NLL_PICK "w = to_compute(on); l = where(on, -x, 0); "
#define NLL_EACH NLL_PICK "w = where(on, load(weight, k), 0); l = where(on, -(x * w), 0); "
static const char *const nll_bodies[2][3] = {
    {NLL_ONE "out = l; out1 = 0", NLL_ONE "total = sum(w); out = sum(l) / total; out1 = total",
     NLL_ONE "out = sum(l); out1 = sum(w)"},
    {NLL_EACH "out = l; out1 = 0", NLL_EACH "total = sum(w); out = sum(l) / total; out1 = total",
     NLL_EACH "out = sum(l); out1 = sum(w)"}};

enum err shape_nll_loss_forward(struct op_call *c)
{
    static const struct view_shape scalar;
    struct plan_space s;
    TRY(check_nll(c, 0));
    c->compute = c->arg[NLL_SELF].t->view.dtype;
    TRY(op_check_dtype(c, NLL_SELF, c->compute, c->op->dtypes));
    struct view x = as_rows(&c->arg[NLL_SELF].t->view);
    const struct view *target = &c->arg[NLL_TARGET].t->view;
    struct view_shape rows = {.n = 1, .size = {x.shape.size[0]}};
    bool each = c->arg[NLL_REDUCTION].i == PLUMB_NONE;
    bool weighted = c->arg[NLL_WEIGHT].kind == OP_TENSOR;
    op_result(c, 0, c->compute, each ? &target->shape : &scalar);
    op_result(c, 1, c->compute, &scalar);
    c->body = nll_bodies[weighted][c->arg[NLL_REDUCTION].i];

    plan_begin(&s, &c->plan, &rows, 1);
    struct nest_lie *l = plan_add_indexed(&s, &x, 1);
    l->stride[0] = x.stride[0];
    c->plan.own[c->plan.n_arrays] = true;
    plan_add(&s, target);
    if (weighted) plan_add_indexed(&s, &c->arg[NLL_WEIGHT].t->view, 0);
    plan_add_dense(&s, each ? &rows : &scalar, 0);
    plan_add_dense(&s, &scalar, 0);
    return ERR_OK;
}

/* One point per element: its row's gradient where its class is the row's target. */
#define NLL_HIT "hit = (at(1) == target) && (target != ignore_index); "
static const char *const nll_backward_bodies[2][2] = {
    {NLL_HIT "out = where(hit, -grad_output, 0)",
     NLL_HIT "out = where(hit, -(grad_output / total_weight), 0)"},
    {NLL_HIT "out = where(hit, -(grad_output * weight), 0)",
     NLL_HIT "out = where(hit, -((grad_output / total_weight) * weight), 0)"}};

static enum err check_nll_grad(const struct op_call *c, bool each)
{
    char text[TENSOR_TEXT];
    const struct plumb_tensor *g = c->arg[0].t, *total = c->arg[6].t;
    int64_t n = each ? view_count(&c->arg[1 + NLL_TARGET].t->view) : 1;
    if (view_count(&g->view) != n || g->view.dtype != c->compute)
        OP_FAIL(c, 0, "%s was given; %lld elements of %s are accepted", tensor_text(g, text),
                (long long)n, dtype_name(c->compute));
    if (view_count(&total->view) != 1 || total->view.dtype != c->compute)
        OP_FAIL(c, 6, "%s was given; one element of %s is accepted", tensor_text(total, text),
                dtype_name(c->compute));
    return ERR_OK;
}

enum err shape_nll_loss_backward(struct op_call *c)
{
    const struct op_value *a = c->arg + 1;
    struct plan_space s;
    TRY(check_nll(c, 1));
    c->compute = a[NLL_SELF].t->view.dtype;
    TRY(op_check_dtype(c, 1, c->compute, c->op->dtypes));
    bool each = a[NLL_REDUCTION].i == PLUMB_NONE, weighted = a[NLL_WEIGHT].kind == OP_TENSOR;
    TRY(check_nll_grad(c, each));
    struct view x = as_rows(&a[NLL_SELF].t->view);
    op_result(c, 0, c->compute, &a[NLL_SELF].t->view.shape);
    c->body = nll_backward_bodies[weighted][a[NLL_REDUCTION].i == PLUMB_MEAN];

    plan_begin(&s, &c->plan, &x.shape, 0);
    plan_add_at(&s, &c->arg[0].t->view, 0);
    plan_add_at(&s, &x, 0);
    c->plan.own[c->plan.n_arrays] = true;
    plan_add_at(&s, &a[NLL_TARGET].t->view, 0);
    if (weighted) plan_add_at(&s, &a[NLL_WEIGHT].t->view, 1);
    plan_add_at(&s, &c->arg[6].t->view, 2);
    plan_add_dense(&s, &x.shape, 0);
    return ERR_OK;
}

/* ---- squared error ---- */

static enum err broadcast_first(struct op_call *c, int first, int n, struct view_shape *out)
{
    const struct view *v[3];
    for (int i = 0; i < n; i++) v[i] = &c->arg[first + i].t->view;
    enum err err = view_broadcast(v, n, out);
    return err ? err_wrap(err, "%s: argument '%s': ", c->op->s.name,
                          c->op->s.param[first + n - 1].name)
               : ERR_OK;
}

enum err shape_mse_loss(struct op_call *c)
{
    static const char *const bodies[] = {"d = self - target; out = d * d",
                                         "d = self - target; out = sum(d * d) / to_compute(n)",
                                         "d = self - target; out = sum(d * d)"};
    static const struct view_shape scalar;
    struct view_shape shape;
    struct plan_space s;
    TRY(check_reduction(c, 2));
    TRY(broadcast_first(c, 0, 2, &shape));
    bool each = c->arg[2].i == PLUMB_NONE;
    op_result(c, 0, c->compute, each ? &shape : &scalar);
    c->body = bodies[c->arg[2].i];
    plan_begin(&s, &c->plan, &shape, each ? 0 : PLAN_FROM(0));
    plan_add(&s, &c->arg[0].t->view);
    plan_add(&s, &c->arg[1].t->view);
    plan_add_dense(&s, each ? &shape : &scalar, 0);
    return ERR_OK;
}

enum err shape_mse_loss_backward(struct op_call *c)
{
    struct view_shape shape;
    struct plan_space s;
    TRY(check_reduction(c, 3));
    TRY(broadcast_first(c, 0, 3, &shape));
    bool mean = c->arg[3].i == PLUMB_MEAN;
    op_result(c, 0, c->compute, &shape);
    c->body = mean ? "out = ((2 * (self - target)) * grad_output) / to_compute(n)"
                   : "out = (2 * (self - target)) * grad_output";
    plan_begin(&s, &c->plan, &shape, PLAN_FROM(0)); /* all inner: n counts every element */
    for (int i = 0; i < 3; i++) plan_add(&s, &c->arg[i].t->view);
    plan_add_dense(&s, &shape, 0);
    return ERR_OK;
}
