/* shape_move.c - shapes and loops of operators that move elements. */
#include "runtime/move.h"

#include <stdlib.h>
#include <string.h>

static const struct view *self_of(const struct op_call *c)
{
    return &c->arg[0].t->view;
}

static enum err take_dtype(struct op_call *c)
{
    c->compute = self_of(c)->dtype;
    c->dtype[0] = c->compute;
    return op_check_dtype(c, 0, c->compute, c->op->dtypes);
}

/* ---- whole tensors ---- */

enum err shape_clone(struct op_call *c)
{
    struct plan_space s;
    op_result(c, 0, self_of(c)->dtype, &self_of(c)->shape);
    plan_begin(&s, &c->plan, &self_of(c)->shape, 0);
    plan_add(&s, self_of(c));
    plan_add_dense(&s, &self_of(c)->shape, 0);
    return ERR_OK;
}

/* The dimensions of `arg`, each turned round: it begins at its last element and goes back. */
enum err shape_flip(struct op_call *c)
{
    const struct view *x = self_of(c);
    unsigned seen = 0;
    TRY(shape_clone(c));
    for (int i = 0; i < c->arg[1].n; i++) {
        int d;
        TRY(op_dim(c, 1, c->arg[1].is[i], x->shape.n, &d));
        if (seen & 1u << d) OP_FAIL(c, 1, "dimension %d occurs twice; each is accepted once", d);
        seen |= 1u << d;
        if (!x->shape.n || x->shape.size[d] < 2) continue;
        c->plan.lie[0].stride[d] = -x->stride[d];
        c->plan.lie[0].offset += (x->shape.size[d] - 1) * x->stride[d];
    }
    return ERR_OK;
}

/* Loops: for each dimension the repeats, then the elements. */
enum err shape_repeat(struct op_call *c)
{
    const struct view *x = self_of(c);
    struct view_shape out = {.n = c->arg[1].n}, loops = {.n = 2 * out.n};
    struct view from = {.shape = loops};
    struct plan_space s;
    int lead = out.n - x->shape.n;
    if (lead < 0 || loops.n > NEST_LOOPS)
        OP_FAIL(c, 1, "%d repeats were given; %d to %d are accepted", out.n, x->shape.n,
                NEST_LOOPS / 2);
    for (int d = 0; d < out.n; d++) {
        int64_t times = c->arg[1].is[d], size = d < lead ? 1 : x->shape.size[d - lead];
        if (times < 0) OP_FAIL(c, 1, "%lld was given; 0 or more is accepted", (long long)times);
        if (__builtin_mul_overflow(times, size, &out.size[d]))
            OP_FAIL(c, 1, "%lld repeats are too many", (long long)times);
        loops.size[2 * d] = times;
        loops.size[2 * d + 1] = size;
        from.stride[2 * d + 1] = d < lead ? 0 : x->stride[d - lead];
    }
    from.shape = loops;
    op_result(c, 0, x->dtype, &out);
    plan_begin(&s, &c->plan, &loops, 0);
    struct nest_lie *l = plan_add_at(&s, &from, 0);
    for (int d = 0; d < out.n; d++) l->stride[2 * d] = 0;
    plan_add_dense(&s, &loops, 0);
    return ERR_OK;
}

/* Rows and columns are the last two loops. */
enum err shape_triangle(struct op_call *c)
{
#define LOWER(r, k) "out = at(" #k ") - at(" #r ") <= diagonal ? self : 0"
#define UPPER(r, k) "out = at(" #k ") - at(" #r ") >= diagonal ? self : 0"
    static const char *const bodies[2][7] = {
        {LOWER(0, 1), LOWER(1, 2), LOWER(2, 3), LOWER(3, 4), LOWER(4, 5), LOWER(5, 6), LOWER(6, 7)},
        {UPPER(0, 1), UPPER(1, 2), UPPER(2, 3), UPPER(3, 4), UPPER(4, 5), UPPER(5, 6),
         UPPER(6, 7)}};
#undef LOWER
#undef UPPER
    int n = self_of(c)->shape.n;
    if (n < 2 || n > 8) OP_FAIL(c, 0, "it has %d dimensions; 2 to 8 are accepted", n);
    c->body = bodies[strstr(c->op->s.name, "triu") != NULL][n - 2];
    return shape_clone(c);
}

enum err shape_roll(struct op_call *c)
{
    const struct view *x = self_of(c);
    int shifts = c->arg[1].n, dims = c->arg[2].n;
    if (!shifts) OP_FAIL(c, 1, "none was given; at least one is needed");
    if (shifts != dims && !(shifts == 1 && !dims))
        OP_FAIL(c, 1, "%d shifts for %d dimensions; one for each is accepted", shifts, dims);
    for (int i = 0, d; i < dims; i++) {
        if (!x->shape.n) OP_FAIL(c, 2, "dimension %lld; self has none", (long long)c->arg[2].is[i]);
        TRY(op_dim(c, 2, c->arg[2].is[i], x->shape.n, &d));
    }
    op_result(c, 0, x->dtype, &x->shape);
    return ERR_OK;
}

/* pad: two numbers per dimension, from the last; negative ones cut. */
enum err shape_pad(struct op_call *c)
{
    const struct view *x = self_of(c);
    const struct op_value *pad = &c->arg[1];
    struct view_shape out = x->shape;
    TRY(take_dtype(c));
    if (pad->n % 2 || pad->n > 2 * out.n)
        OP_FAIL(c, 1, "%d numbers; an even number up to %d is accepted", pad->n, 2 * out.n);
    for (int i = 0; i < pad->n / 2; i++) {
        int64_t left = pad->is[2 * i], right = pad->is[2 * i + 1];
        int64_t *size = &out.size[out.n - 1 - i], kept = *size;
        bool fits = left >= -kept && right >= -kept;
        if (fits) kept += (left < 0 ? left : 0) + (right < 0 ? right : 0);
        if (!fits || kept < 0)
            OP_FAIL(c, 1, "%lld and %lld cut more than the %lld elements of a dimension",
                    (long long)left, (long long)right, (long long)*size);
        if (__builtin_add_overflow(*size, left, size) || __builtin_add_overflow(*size, right, size))
            OP_FAIL(c, 1, "%lld and %lld are too many", (long long)left, (long long)right);
    }
    op_result(c, 0, c->compute, &out);
    return ERR_OK;
}

/* ---- lists ---- */

static bool counts(const struct plumb_tensor *t)
{
    return t->view.shape.n != 1 || t->view.shape.size[0]; /* an empty list of numbers joins any */
}

static enum err first_of(const struct op_call *c, const struct plumb_tensor **out)
{
    *out = NULL;
    if (!c->arg[0].n) OP_FAIL(c, 0, "the list is empty; at least one tensor is needed");
    for (int i = 0; i < c->arg[0].n; i++) {
        const struct plumb_tensor *t = c->arg[0].ts[i];
        if (!t) OP_FAIL(c, 0, "member %d is no tensor", i);
        if (!*out || (!counts(*out) && counts(t))) *out = t;
    }
    return ERR_OK;
}

static enum err check_member(const struct op_call *c, int i, const struct plumb_tensor *first,
                             int d)
{
    char a[TENSOR_TEXT], b[TENSOR_TEXT];
    const struct plumb_tensor *t = c->arg[0].ts[i];
    bool fits = t->view.shape.n == first->view.shape.n;
    for (int k = 0; fits && k < t->view.shape.n; k++)
        fits = k == d || t->view.shape.size[k] == first->view.shape.size[k];
    if (fits) return ERR_OK;
    OP_FAIL(c, 0, "member %d is %s; sizes as of %s are accepted%s", i, tensor_text(t, a),
            tensor_text(first, b), d < 0 ? "" : ", but for the dimension that is joined");
}

enum err shape_cat(struct op_call *c)
{
    const struct plumb_tensor *first;
    int d;
    TRY(first_of(c, &first));
    struct view_shape out = first->view.shape;
    if (!out.n) OP_FAIL(c, 0, "a tensor without dimensions cannot be joined; use stack");
    TRY(op_dim(c, 1, c->arg[1].i, out.n, &d));
    TRY(op_promote(c, 1, &c->compute));
    TRY(op_check_dtype(c, 0, c->compute, c->op->dtypes));
    out.size[d] = 0;
    for (int i = 0; i < c->arg[0].n; i++) {
        const struct plumb_tensor *t = c->arg[0].ts[i];
        if (!counts(t)) continue;
        TRY(check_member(c, i, first, d));
        if (__builtin_add_overflow(out.size[d], t->view.shape.size[d], &out.size[d]))
            OP_FAIL(c, 0, "dimension %d would have more than 2^63 - 1 elements", d);
    }
    op_result(c, 0, c->compute, &out);
    return ERR_OK;
}

enum err shape_stack(struct op_call *c)
{
    const struct plumb_tensor *first;
    int d;
    TRY(first_of(c, &first));
    first = c->arg[0].ts[0];
    struct view_shape out = first->view.shape;
    if (out.n == VIEW_DIMS) OP_FAIL(c, 0, "%d dimensions; one less fits", out.n);
    TRY(op_dim(c, 1, c->arg[1].i, out.n + 1, &d));
    TRY(op_promote(c, 1, &c->compute));
    TRY(op_check_dtype(c, 0, c->compute, c->op->dtypes));
    for (int i = 0; i < c->arg[0].n; i++) TRY(check_member(c, i, first, -1));
    for (int k = out.n++; k > d; k--) out.size[k] = out.size[k - 1];
    out.size[d] = c->arg[0].n;
    op_result(c, 0, c->compute, &out);
    return ERR_OK;
}

/* ---- parts put back ---- */

enum err move_part(const struct op_call *c, const struct view *whole, struct view *out)
{
    int n = whole->shape.n, d, e;
    if (c->op == op_at(OP_ID_diagonal_backward)) {
        TRY(op_dim(c, 3, c->arg[3].i, n, &d));
        TRY(op_dim(c, 4, c->arg[4].i, n, &e));
        if (d == e) OP_FAIL(c, 4, "it is dimension %d, as dim1 is; two are needed", d);
        move_diagonal(whole, c->arg[2].i, d, e, out);
        return ERR_OK;
    }
    if (!n) OP_FAIL(c, 1, "no size was given; at least one is needed");
    TRY(op_dim(c, 2, c->arg[2].i, n, &d));
    int64_t i = c->arg[3].i, size = whole->shape.size[d];
    if (c->op == op_at(OP_ID_slice_backward)) {
        if (c->arg[5].i < 1)
            OP_FAIL(c, 5, "%lld was given; 1 or more is accepted", (long long)c->arg[5].i);
        return view_slice(whole, d, i, c->arg[4].i, c->arg[5].i, out);
    }
    if (i < -size || i >= size)
        OP_FAIL(c, 3, "%lld is out of range; dimension %d has size %lld", (long long)i, d,
                (long long)size);
    return view_select(whole, d, i < 0 ? i + size : i, out);
}

enum err shape_part_backward(struct op_call *c)
{
    struct view_shape out = {.n = c->arg[1].n};
    struct view whole, part;
    char want[VIEW_TEXT], got[TENSOR_TEXT];
    if (out.n > VIEW_DIMS) OP_FAIL(c, 1, "%d dimensions; up to %d are accepted", out.n, VIEW_DIMS);
    for (int i = 0; i < out.n; i++) {
        out.size[i] = c->arg[1].is[i];
        if (out.size[i] < 0) OP_FAIL(c, 1, "a size is %lld", (long long)out.size[i]);
    }
    enum err err = view_dense(c->compute, &out, &whole);
    if (err) return err_wrap(err, "%s: argument 'input_sizes': ", c->op->s.name);
    TRY(move_part(c, &whole, &part));
    if (!view_same_shape(&part, self_of(c)))
        OP_FAIL(c, 0, "%s; %s is accepted", tensor_text(c->arg[0].t, got),
                view_shape_text(&part.shape, want));
    op_result(c, 0, c->compute, &out);
    return ERR_OK;
}

/* ---- by index ---- */

static enum err check_index(const struct op_call *c, int arg)
{
    enum dtype t = c->arg[arg].t->view.dtype;
    if (t == DTYPE_I64 || t == DTYPE_I32) return ERR_OK;
    OP_FAIL(c, arg, "dtype %s is no index; i64 and i32 are accepted", dtype_name(t));
}

/* The index has the dimensions of `within`, none counting as one of size 1, and reaches beyond it
 * in `dim` only. */
static enum err check_reach(const struct op_call *c, int arg, int dim,
                            const struct view_shape *within, const char *of)
{
    char text[TENSOR_TEXT], want[VIEW_TEXT];
    const struct view_shape *s = &c->arg[arg].t->view.shape;
    bool fits = (s->n ? s->n : 1) == (within->n ? within->n : 1);
    for (int d = 0; fits && d < s->n; d++)
        fits = d == dim || s->size[d] <= (within->n ? within->size[d] : 1);
    if (fits || !view_count(&c->arg[arg].t->view)) return ERR_OK;
    OP_FAIL(c, arg, "%s reaches beyond %s, %s", tensor_text(c->arg[arg].t, text), of,
            view_shape_text(within, want));
}

enum err shape_gather(struct op_call *c)
{
    const struct view *x = self_of(c), *index = &c->arg[2].t->view;
    struct plan_space s;
    struct view as = *x;
    int dim;
    TRY(take_dtype(c));
    TRY(check_index(c, 2));
    TRY(op_dim(c, 1, c->arg[1].i, x->shape.n, &dim));
    TRY(check_reach(c, 2, dim, &x->shape, "self"));
    op_result(c, 0, c->compute, &index->shape);
    if (!as.shape.n) as = (struct view){.shape = {.n = 1, .size = {1}}, .stride = {1}};
    plan_begin(&s, &c->plan, &index->shape, 0);
    struct nest_lie *l = plan_add_indexed(&s, &as, dim);
    for (int i = 0; i < c->plan.n_outer && index->shape.n == x->shape.n; i++)
        l->stride[i] = s.dim[i] == dim || index->shape.size[s.dim[i]] < 2 ? 0 : as.stride[s.dim[i]];
    c->plan.own[c->plan.n_arrays] = true;
    plan_add(&s, index);
    plan_add_dense(&s, &index->shape, 0);
    return ERR_OK;
}

enum err shape_index_select(struct op_call *c)
{
    const struct view *x = self_of(c), *index = &c->arg[2].t->view;
    struct view_shape out = x->shape;
    struct plan_space s;
    struct view as = *x, flat = *index;
    char text[TENSOR_TEXT];
    int dim;
    TRY(take_dtype(c));
    TRY(check_index(c, 2));
    TRY(op_dim(c, 1, c->arg[1].i, x->shape.n, &dim));
    if (index->shape.n > 1)
        OP_FAIL(c, 2, "%s; at most one dimension is accepted", tensor_text(c->arg[2].t, text));
    int64_t n = view_count(index);
    if (out.n) out.size[dim] = n;
    else if (n != 1) OP_FAIL(c, 2, "%lld indices into a tensor without dimensions", (long long)n);
    op_result(c, 0, c->compute, &out);
    if (!as.shape.n) as = (struct view){.shape = {.n = 1, .size = {1}}, .stride = {1}};
    if (!flat.shape.n) flat = (struct view){.shape = {.n = 1, .size = {1}}, .stride = {1}};
    plan_begin(&s, &c->plan, &out, 0);
    struct nest_lie *l = plan_add_indexed(&s, &as, dim);
    for (int i = 0; i < c->plan.n_outer && out.n; i++)
        l->stride[i] = s.dim[i] == dim || out.size[s.dim[i]] < 2 ? 0 : as.stride[s.dim[i]];
    c->plan.own[c->plan.n_arrays] = true;
    plan_add_at(&s, &flat, dim);
    plan_add_dense(&s, &out, 0);
    return ERR_OK;
}

enum err shape_scatter(struct op_call *c)
{
    char text[TENSOR_TEXT];
    const struct view *x = self_of(c);
    int dim;
    TRY(take_dtype(c));
    TRY(check_index(c, 2));
    TRY(op_dim(c, 1, c->arg[1].i, x->shape.n, &dim));
    TRY(check_reach(c, 2, dim, &x->shape, "self"));
    if (c->arg[3].kind == OP_TENSOR) {
        if (c->arg[3].t->view.dtype != x->dtype)
            OP_FAIL(c, 3, "%s; the dtype of self, %s, is accepted", tensor_text(c->arg[3].t, text),
                    dtype_name(x->dtype));
        TRY(check_reach(c, 2, -1, &c->arg[3].t->view.shape, "src"));
    }
    op_result(c, 0, c->compute, &x->shape);
    return ERR_OK;
}

enum err shape_index_add(struct op_call *c)
{
    char text[TENSOR_TEXT];
    const struct view *x = self_of(c), *source = &c->arg[3].t->view;
    int dim;
    TRY(take_dtype(c));
    TRY(check_index(c, 2));
    TRY(op_dim(c, 1, c->arg[1].i, x->shape.n, &dim));
    int64_t n = view_count(&c->arg[2].t->view);
    bool fits = source->shape.n == x->shape.n && c->arg[2].t->view.shape.n <= 1 &&
                source->dtype == x->dtype;
    for (int d = 0; fits && d < x->shape.n; d++)
        fits = source->shape.size[d] == (d == dim ? n : x->shape.size[d]);
    if (!fits)
        OP_FAIL(c, 3, "%s; %s with the sizes of self is accepted, and size %lld in dimension %d",
                tensor_text(c->arg[3].t, text), dtype_name(x->dtype), (long long)n, dim);
    op_result(c, 0, c->compute, &x->shape);
    return ERR_OK;
}

/* ---- advanced indices ---- */

static enum err read_one(const struct op_call *c, int arg, int d, struct move_index *x)
{
    char text[TENSOR_TEXT];
    const struct plumb_tensor *t = c->arg[arg].ts[d];
    if (t->view.dtype != DTYPE_I64 && t->view.dtype != DTYPE_I32)
        OP_FAIL(c, arg,
                "member %d is %s; i64 and i32 are accepted (of a b8 mask take where or "
                "masked_fill)",
                d, tensor_text(t, text));
    if (x->n == NEST_INDICES)
        OP_FAIL(c, arg, "more than %d index tensors; as many are accepted", NEST_INDICES);
    x->dim[x->n] = d;
    x->t[x->n++] = t;
    return ERR_OK;
}

enum err move_index_read(const struct op_call *c, int arg, struct move_index *x)
{
    const struct view *self = self_of(c), *views[NEST_INDICES];
    const struct op_value *list = &c->arg[arg];
    *x = (struct move_index){0};
    if (list->n > self->shape.n)
        OP_FAIL(c, arg, "%d indices for %d dimensions", list->n, self->shape.n);
    for (int d = 0; d < list->n; d++)
        if (list->ts[d]) TRY(read_one(c, arg, d, x));
    if (!x->n) OP_FAIL(c, arg, "no index tensor was given; at least one is needed");
    for (int i = 0; i < x->n; i++) views[i] = &x->t[i]->view;
    enum err err = view_broadcast(views, x->n, &x->shape);
    if (err) return err_wrap(err, "%s: argument '%s': ", c->op->s.name, c->op->s.param[arg].name);
    bool neighbours = x->dim[x->n - 1] - x->dim[0] == x->n - 1;
    x->first = neighbours ? x->dim[0] : 0;
    if (self->shape.n - x->n + x->shape.n > VIEW_DIMS)
        OP_FAIL(c, arg, "the result has more than %d dimensions", VIEW_DIMS);
    for (int d = 0, k = 0; d <= self->shape.n; d++) {
        if (x->result.n == x->first && k < x->n)
            for (int i = 0; i < x->shape.n; i++) x->result.size[x->result.n++] = x->shape.size[i];
        while (k < x->n && d == x->dim[k]) d++, k++;
        if (d < self->shape.n) x->result.size[x->result.n++] = self->shape.size[d];
    }
    return ERR_OK;
}

void move_plan_indices(struct plan_space *s, const struct move_index *x, const struct view *self)
{
    struct nest_plan *p = s->plan;
    struct nest_lie *l = &p->lie[p->n_arrays];
    p->n_indexed[p->n_arrays++] = x->n;
    for (int k = 0; k < x->n; k++) {
        l->index_stride[k] = self->stride[x->dim[k]];
        l->index_size[k] = self->shape.size[x->dim[k]];
    }
    /* the other dimensions of self, in order, before and behind those of the indices */
    for (int d = 0, k = 0, at = x->first ? 0 : x->shape.n; d < self->shape.n; d++) {
        if (k < x->n && d == x->dim[k]) {
            k++;
            continue;
        }
        if (at == x->first && x->first) at += x->shape.n;
        l->stride[at] = self->shape.size[d] > 1 ? self->stride[d] : 0;
        at++;
    }
    for (int k = 0; k < x->n; k++) {
        p->own[p->n_arrays] = true;
        plan_add_at(s, &x->t[k]->view, x->first + x->shape.n - x->t[k]->view.shape.n);
    }
}

enum err shape_index(struct op_call *c)
{
    struct move_index x;
    TRY(take_dtype(c));
    TRY(move_index_read(c, 1, &x));
    op_result(c, 0, c->compute, &x.result);
    return ERR_OK;
}

enum err shape_index_put(struct op_call *c)
{
    char text[TENSOR_TEXT], want[VIEW_TEXT];
    struct move_index x;
    struct view v;
    TRY(take_dtype(c));
    TRY(move_index_read(c, 1, &x));
    if (c->arg[2].t->view.dtype != c->compute || view_expand(&c->arg[2].t->view, &x.result, &v))
        OP_FAIL(c, 2, "%s; %s that repeats to %s is accepted", tensor_text(c->arg[2].t, text),
                dtype_name(c->compute), view_shape_text(&x.result, want));
    if (c->op->s.param[0].written) return op_check_written(c, 0);
    op_result(c, 0, c->compute, &self_of(c)->shape);
    return ERR_OK;
}
