/* shape_contract.c - shapes of products of matrices, batches of them, and vectors. */
#include "runtime/ops.h"

static enum err check_dims(const struct op_call *c, int arg, int n)
{
    char text[VIEW_TEXT];
    const struct view_shape *s = &c->arg[arg].t->view.shape;
    if (s->n == n) return ERR_OK;
    return op_fail(c, arg, "shape %s has %d dimensions; %d are accepted", view_shape_text(s, text),
                   s->n, n);
}

static enum err check_size(const struct op_call *c, int a, int dim_a, int b, int dim_b)
{
    char ta[VIEW_TEXT], tb[VIEW_TEXT];
    const struct view_shape *sa = &c->arg[a].t->view.shape, *sb = &c->arg[b].t->view.shape;
    if (sa->size[dim_a] == sb->size[dim_b]) return ERR_OK;
    return op_fail(c, b,
                   "shape %s does not go with '%s' of shape %s; size %lld is accepted for "
                   "dimension %d",
                   view_shape_text(sb, tb), c->op->s.param[a].name, view_shape_text(sa, ta),
                   (long long)sa->size[dim_a], dim_b);
}

/* Arguments a and a + 1, of n_a and n_b dimensions: [batch,] [m,] k  times  [batch,] k [, n]. */
static enum err product(struct op_call *c, int a, int n_a, int n_b)
{
    int b = a + 1;
    struct view_shape out = {0};
    TRY(check_dims(c, a, n_a));
    TRY(check_dims(c, b, n_b));
    if (n_a == 3) TRY(check_size(c, a, 0, b, 0));
    TRY(check_size(c, a, n_a - 1, b, n_b > 1 ? n_b - 2 : 0));
    const struct view_shape *sa = &c->arg[a].t->view.shape, *sb = &c->arg[b].t->view.shape;
    for (int d = 0; d < n_a - 1; d++) out.size[out.n++] = sa->size[d];
    if (n_b > 1) out.size[out.n++] = sb->size[n_b - 1];
    op_result(c, 0, c->compute, &out);
    return ERR_OK;
}

/* The first argument, added to the product, may be smaller and is repeated. */
static enum err check_addend(const struct op_call *c)
{
    char want[VIEW_TEXT], got[VIEW_TEXT];
    struct view v;
    if (!view_expand(&c->arg[0].t->view, &c->shape[0], &v)) return ERR_OK;
    return op_fail(c, 0, "shape %s cannot be repeated to the product's %s",
                   view_shape_text(&c->arg[0].t->view.shape, got),
                   view_shape_text(&c->shape[0], want));
}

enum err shape_mm(struct op_call *c)
{
    return product(c, 0, 2, 2);
}
enum err shape_bmm(struct op_call *c)
{
    return product(c, 0, 3, 3);
}
enum err shape_mv(struct op_call *c)
{
    return product(c, 0, 2, 1);
}
enum err shape_dot(struct op_call *c)
{
    return product(c, 0, 1, 1);
}
enum err shape_addmm(struct op_call *c)
{
    TRY(product(c, 1, 2, 2));
    return check_addend(c);
}
enum err shape_baddbmm(struct op_call *c)
{
    TRY(product(c, 1, 3, 3));
    return check_addend(c);
}
