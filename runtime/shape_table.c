/* shape_table.c - rotary positions and embedding tables: shapes, loops, and the sum of an
 * embedding's gradient. */
#include <string.h>

#include "kernels/scatter.h"
#include "runtime/kernel.h"
#include "runtime/ops.h"
#include "runtime/plan.h"

/* ---- rope ---- */

static enum err check_angles(const struct op_call *c, int arg, const struct view_shape *pairs)
{
    char text[TENSOR_TEXT], want[VIEW_TEXT];
    const struct plumb_tensor *t = c->arg[arg].t;
    enum dtype in = c->compute;
    struct view v;
    bool narrow = in == DTYPE_F16 || in == DTYPE_BF16;
    bool fits = t->view.dtype == in || (narrow && t->view.dtype == DTYPE_F32);
    if (fits && !view_expand(&t->view, pairs, &v)) return ERR_OK;
    return op_fail(c, arg, "%s was given; %s%s that repeats to %s is accepted",
                   tensor_text(t, text), dtype_name(in), narrow ? " or f32" : "",
                   view_shape_text(pairs, want));
}

/* Loops: the two halves, the leading dimensions, the pairs. */
static void plan_rope(struct op_call *c, const struct view *x, const struct view_shape *pairs)
{
    int last = x->shape.n - 1;
    int64_t half = pairs->size[last];
    struct view_shape space = {.n = pairs->n + 1, .size = {2}};
    struct view halves = {.shape = space};
    struct plan_space s;
    for (int d = 0; d < pairs->n; d++) space.size[d + 1] = pairs->size[d];
    plan_begin(&s, &c->plan, &space, 0);

    struct nest_lie *l = plan_add_indexed(&s, x, last);
    l->index_stride[0] = half * x->stride[last];
    l->index_size[0] = 2;
    for (int d = 0; d <= last; d++) l->stride[d + 1] = x->shape.size[d] == 1 ? 0 : x->stride[d];
    l->stride[last + 1] = half == 1 ? 0 : x->stride[last];
    plan_add(&s, &c->arg[1].t->view);
    plan_add(&s, &c->arg[2].t->view);

    halves.shape = space;
    halves.stride[0] = half;
    halves.stride[last + 1] = 1;
    for (int64_t d = last - 1, n = 2 * half; d >= 0; n *= pairs->size[d--])
        halves.stride[d + 1] = n;
    plan_add_at(&s, &halves, 0);
}

enum err shape_rope(struct op_call *c)
{
    char text[TENSOR_TEXT];
    const struct plumb_tensor *x = c->arg[0].t;
    int n = x->view.shape.n;
    c->compute = x->view.dtype;
    TRY(op_check_dtype(c, 0, c->compute, c->op->dtypes));
    if (!n || n == VIEW_DIMS || x->view.shape.size[n - 1] % 2)
        OP_FAIL(c, 0, "%s was given; an even last size, of at most %d dimensions, is accepted",
                tensor_text(x, text), VIEW_DIMS - 1);
    struct view_shape pairs = x->view.shape;
    pairs.size[n - 1] /= 2;
    TRY(check_angles(c, 1, &pairs));
    TRY(check_angles(c, 2, &pairs));
    op_result(c, 0, c->compute, &x->view.shape);
    plan_rope(c, &x->view, &pairs);
    return ERR_OK;
}

/* ---- embedding ---- */

static enum err check_indices(const struct op_call *c, int arg)
{
    enum dtype t = c->arg[arg].t->view.dtype;
    if (t == DTYPE_I64 || t == DTYPE_I32) return ERR_OK;
    return op_fail(c, arg, "dtype %s is not accepted; i64 i32 are", dtype_name(t));
}

static enum err check_off(const struct op_call *c, int arg)
{
    if (!c->arg[arg].i) return ERR_OK;
    return op_fail(c, arg, "True was given; False is accepted");
}

enum err shape_embedding(struct op_call *c)
{
    enum { WEIGHT, INDICES, PADDING, BY_FREQUENCY, SPARSE };
    char text[VIEW_TEXT];
    const struct view *w = &c->arg[WEIGHT].t->view, *i = &c->arg[INDICES].t->view;
    struct plan_space s;
    c->compute = w->dtype;
    TRY(op_check_dtype(c, WEIGHT, c->compute, c->op->dtypes));
    if (w->shape.n != 2)
        OP_FAIL(c, WEIGHT, "shape %s was given; [rows, columns] is accepted",
                view_shape_text(&w->shape, text));
    TRY(check_indices(c, INDICES));
    if (i->shape.n == VIEW_DIMS)
        OP_FAIL(c, INDICES, "it has %d dimensions; at most %d are accepted", VIEW_DIMS,
                VIEW_DIMS - 1);
    TRY(check_off(c, SPARSE));
    struct view_shape out = i->shape;
    out.size[out.n++] = w->shape.size[1];
    op_result(c, 0, w->dtype, &out);

    plan_begin(&s, &c->plan, &out, 0);
    struct nest_lie *l = plan_add_indexed(&s, w, 0);
    l->stride[out.n - 1] = w->stride[1];
    c->plan.own[c->plan.n_arrays] = true;
    plan_add_at(&s, i, 0);
    plan_add_dense(&s, &out, 0);
    return ERR_OK;
}

enum err shape_embedding_backward(struct op_call *c)
{
    enum { GRAD, INDICES, ROWS, PADDING, BY_FREQUENCY };
    char text[TENSOR_TEXT], ti[TENSOR_TEXT];
    const struct plumb_tensor *g = c->arg[GRAD].t, *i = c->arg[INDICES].t;
    c->compute = g->view.dtype;
    TRY(op_check_dtype(c, GRAD, c->compute, c->op->dtypes));
    TRY(check_indices(c, INDICES));
    TRY(check_off(c, BY_FREQUENCY));
    bool fits = g->view.shape.n == i->view.shape.n + 1;
    for (int d = 0; fits && d < i->view.shape.n; d++)
        fits = g->view.shape.size[d] == i->view.shape.size[d];
    if (!fits)
        OP_FAIL(c, GRAD, "%s was given; the shape of 'indices', %s, with one more dimension",
                tensor_text(g, text), tensor_text(i, ti));
    if (c->arg[ROWS].i < 0)
        OP_FAIL(c, ROWS, "%lld was given; 0 or more is accepted", (long long)c->arg[ROWS].i);
    struct view_shape out = {.n = 2,
                             .size = {c->arg[ROWS].i, g->view.shape.size[g->view.shape.n - 1]}};
    op_result(c, 0, c->compute, &out);
    return ERR_OK;
}

static enum err rows_of(struct op_call *c, int64_t n, const int64_t **out)
{
    const struct plumb_tensor *t = c->arg[1].t;
    int64_t rows = c->arg[2].i, padding = c->arg[3].i;
    const void *p;
    TRY(kernel_packed(c, t, &p));
    int64_t *i = arena_array(c->arena, (size_t)n + 1, sizeof *i);
    if (!i) FAIL(ERR_NOMEM, "%s: out of memory for indices", c->op->s.name);
    dtype_load_i64(t->view.dtype, p, (size_t)n, i);
    for (int64_t k = 0; k < n; k++) {
        if (i[k] < 0 || i[k] >= rows)
            OP_FAIL(c, 1, "index %lld at element %lld is out of range; 0 to %lld are accepted",
                    (long long)i[k], (long long)k, (long long)rows - 1);
        if (i[k] == padding) i[k] = -1;
    }
    *out = i;
    return ERR_OK;
}

enum err run_embedding_backward(struct op_call *c)
{
    const struct plumb_tensor *g = c->arg[0].t, *r = c->result[0];
    int64_t n = view_count(&c->arg[1].t->view), width = r->view.shape.size[1];
    struct scatter s = {.dtype = c->compute,
                        .n_batch = 1,
                        .n_rows = r->view.shape.size[0],
                        .n = n,
                        .width = width,
                        .from = {.row = width, .column = 1},
                        .out = op_data(r),
                        .to = {.row = width, .column = 1}};
    if (!view_count(&r->view)) return rows_of(c, n, &s.index);
    memset(s.out, 0, (size_t)view_n_bytes(&r->view));
    TRY(rows_of(c, n, &s.index));
    TRY(kernel_packed(c, g, &s.source));
    struct gemm_how how = kernel_how(c);
    enum err err = scatter_add(&s, &how);
    return err ? err_wrap(err, "%s: ", c->op->s.name) : ERR_OK;
}
