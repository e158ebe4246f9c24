/* shape_view.c - views: which elements of the argument's storage a result is. */
#include <stdio.h>

#include "runtime/move.h"

static const struct view *self_of(const struct op_call *c)
{
    return &c->arg[0].t->view;
}

/* The only result's view, to be filled. */
static enum err one(struct op_call *c, struct view **out)
{
    *out = op_views(c, 0, 1);
    if (!*out) FAIL(ERR_NOMEM, "out of memory for a view");
    **out = *self_of(c);
    return ERR_OK;
}

static enum err dims_of(const struct op_call *c, int arg, int n, int *out)
{
    unsigned seen = 0;
    for (int i = 0; i < c->arg[arg].n; i++) {
        TRY(op_dim(c, arg, c->arg[arg].is[i], n, &out[i]));
        if (seen & 1u << out[i])
            OP_FAIL(c, arg, "dimension %d occurs twice; each is accepted once", out[i]);
        seen |= 1u << out[i];
    }
    return ERR_OK;
}

/* ---- other sizes ---- */

static char *ints_text(const struct op_value *v, char out[VIEW_TEXT])
{
    struct view_shape s = {.n = v->n < VIEW_DIMS ? v->n : VIEW_DIMS};
    for (int i = 0; i < s.n; i++) s.size[i] = v->is[i];
    return view_shape_text(&s, out);
}

enum err shape_sizes(const struct op_call *c, int arg, int64_t count, struct view_shape *out)
{
    const struct op_value *v = &c->arg[arg];
    char text[VIEW_TEXT];
    int64_t known = 1;
    int open = -1;
    if (v->n > VIEW_DIMS) OP_FAIL(c, arg, "%d dimensions; up to %d are accepted", v->n, VIEW_DIMS);
    out->n = v->n;
    for (int i = 0; i < v->n; i++) {
        out->size[i] = v->is[i];
        if (v->is[i] == -1 && open < 0) open = i;
        else if (v->is[i] < 0)
            OP_FAIL(c, arg, "%s: sizes are 0 or more, one may be -1", ints_text(v, text));
        else if (__builtin_mul_overflow(known, v->is[i], &known))
            OP_FAIL(c, arg, "%s has too many elements", ints_text(v, text));
    }
    if (open >= 0 && known && count % known == 0) out->size[open] = count / known;
    else if (open >= 0 || known != count)
        OP_FAIL(c, arg, "%s does not hold %lld elements%s", ints_text(v, text), (long long)count,
                open >= 0 && !known ? "; -1 is ambiguous beside a 0" : "");
    struct view dense; /* beside a 0, too, strides are to be counted */
    enum err err = view_dense(self_of(c)->dtype, out, &dense);
    return err ? err_wrap(err, "%s: argument '%s': ", c->op->s.name, c->op->s.param[arg].name)
               : ERR_OK;
}

/* Whether `to` is a view of v, dimension groups of equal extent matched from the last. */
bool shape_restride(const struct view *v, const struct view_shape *to, int64_t *stride)
{
    int d = v->shape.n - 1, k = to->n - 1;
    if (view_count(v) == 0) {
        int64_t s = 1;
        for (; k >= 0; k--) {
            stride[k] = s;
            s *= to->size[k] > 1 ? to->size[k] : 1;
        }
        return true;
    }
    while (k >= 0) {
        while (d >= 0 && v->shape.size[d] == 1) d--;
        int64_t base = d >= 0 ? v->stride[d] : 1, have = d >= 0 ? v->shape.size[d] : 1, want = 1;
        int low = d;
        int64_t run = base;
        for (;;) { /* one group of v whose dimensions continue one another */
            while (k >= 0 && want * to->size[k] <= have && have % (want * to->size[k]) == 0) {
                stride[k] = run;
                run *= to->size[k];
                want *= to->size[k];
                k--;
            }
            if (want == have || k < 0) break;
            int next = low - 1;
            while (next >= 0 && v->shape.size[next] == 1) next--;
            if (next < 0 || v->stride[next] != base * have) return false;
            have *= v->shape.size[next];
            low = next;
        }
        if (want != have) return false;
        d = low - 1;
    }
    return true;
}

enum err shape_view(struct op_call *c)
{
    struct view *v;
    char have[TENSOR_TEXT];
    TRY(one(c, &v));
    TRY(shape_sizes(c, 1, view_count(v), &v->shape));
    if (!shape_restride(self_of(c), &v->shape, v->stride))
        OP_FAIL(c, 1, "%s cannot be seen with these sizes without a copy; use reshape",
                tensor_text(c->arg[0].t, have));
    return ERR_OK;
}

enum err shape_alias(struct op_call *c)
{
    struct view *v;
    return one(c, &v);
}

static void drop(struct view *v, int d)
{
    for (int i = d; i + 1 < v->shape.n; i++) {
        v->shape.size[i] = v->shape.size[i + 1];
        v->stride[i] = v->stride[i + 1];
    }
    v->shape.n--;
}

static enum err squeeze(struct op_call *c, unsigned dims)
{
    struct view *v;
    TRY(one(c, &v));
    for (int d = v->shape.n - 1; d >= 0; d--)
        if (dims & 1u << d && v->shape.size[d] == 1) drop(v, d);
    return ERR_OK;
}

enum err shape_squeeze(struct op_call *c)
{
    return squeeze(c, ~0u);
}

enum err shape_squeeze_dim(struct op_call *c)
{
    int d;
    TRY(op_dim(c, 1, c->arg[1].i, self_of(c)->shape.n, &d));
    return squeeze(c, 1u << d);
}

enum err shape_squeeze_dims(struct op_call *c)
{
    int dim[VIEW_DIMS];
    unsigned dims = 0;
    if (c->arg[1].n > VIEW_DIMS) OP_FAIL(c, 1, "more than %d dimensions", VIEW_DIMS);
    TRY(dims_of(c, 1, self_of(c)->shape.n, dim));
    for (int i = 0; i < c->arg[1].n; i++) dims |= 1u << dim[i];
    return squeeze(c, dims);
}

enum err shape_unsqueeze(struct op_call *c)
{
    struct view *v;
    int d;
    TRY(op_dim(c, 1, c->arg[1].i, self_of(c)->shape.n + 1, &d));
    TRY(one(c, &v));
    if (v->shape.n == VIEW_DIMS) OP_FAIL(c, 0, "it has %d dimensions; no more fit", VIEW_DIMS);
    int64_t stride = d < v->shape.n ? v->shape.size[d] * v->stride[d] : 1;
    for (int i = v->shape.n++; i > d; i--) {
        v->shape.size[i] = v->shape.size[i - 1];
        v->stride[i] = v->stride[i - 1];
    }
    v->shape.size[d] = 1;
    v->stride[d] = stride;
    return ERR_OK;
}

enum err shape_expand(struct op_call *c)
{
    const struct view *self = self_of(c);
    char have[TENSOR_TEXT], want[VIEW_TEXT];
    struct view *v;
    struct view_shape to = {.n = c->arg[1].n};
    TRY(one(c, &v));
    if (to.n > VIEW_DIMS) OP_FAIL(c, 1, "%d dimensions; up to %d are accepted", to.n, VIEW_DIMS);
    for (int i = 0; i < to.n; i++) to.size[i] = c->arg[1].is[i];
    if (!view_expand(self, &to, v)) return ERR_OK;
    OP_FAIL(c, 1, "%s does not expand to %s: a size is kept (or -1), or was 1",
            tensor_text(c->arg[0].t, have), view_shape_text(&to, want));
}

/* ---- other orders ---- */

static enum err swap(struct op_call *c, int a, int b)
{
    struct view *v;
    TRY(one(c, &v));
    if (!v->shape.n) return ERR_OK;
    int64_t size = v->shape.size[a], stride = v->stride[a];
    v->shape.size[a] = v->shape.size[b];
    v->stride[a] = v->stride[b];
    v->shape.size[b] = size;
    v->stride[b] = stride;
    return ERR_OK;
}

enum err shape_t(struct op_call *c)
{
    char have[TENSOR_TEXT];
    int n = self_of(c)->shape.n;
    if (n > 2)
        OP_FAIL(c, 0, "%s has %d dimensions; at most 2 are accepted",
                tensor_text(c->arg[0].t, have), n);
    return swap(c, 0, n > 1);
}

enum err shape_transpose(struct op_call *c)
{
    int a, b;
    TRY(op_dim(c, 1, c->arg[1].i, self_of(c)->shape.n, &a));
    TRY(op_dim(c, 2, c->arg[2].i, self_of(c)->shape.n, &b));
    return swap(c, a, b);
}

enum err shape_permute(struct op_call *c)
{
    int order[VIEW_DIMS], n = self_of(c)->shape.n;
    char have[TENSOR_TEXT];
    struct view *v;
    if (c->arg[1].n != n)
        OP_FAIL(c, 1, "%d dimensions are named; %s has %d", c->arg[1].n,
                tensor_text(c->arg[0].t, have), n);
    TRY(dims_of(c, 1, n, order));
    TRY(one(c, &v));
    return view_permute(self_of(c), order, n, v);
}

/* ---- parts ---- */

enum err shape_slice(struct op_call *c)
{
    struct view *v;
    int d;
    int64_t start = c->arg[2].kind ? c->arg[2].i : 0, step = c->arg[4].i;
    int64_t end = c->arg[3].kind ? c->arg[3].i : INT64_MAX;
    if (!self_of(c)->shape.n) OP_FAIL(c, 0, "it has no dimension to slice");
    TRY(op_dim(c, 1, c->arg[1].i, self_of(c)->shape.n, &d));
    if (step < 1) OP_FAIL(c, 4, "%lld was given; 1 or more is accepted", (long long)step);
    TRY(one(c, &v));
    return view_slice(self_of(c), d, start, end, step, v);
}

enum err shape_select(struct op_call *c)
{
    struct view *v;
    int d;
    if (!self_of(c)->shape.n) OP_FAIL(c, 0, "it has no dimension to select from");
    TRY(op_dim(c, 1, c->arg[1].i, self_of(c)->shape.n, &d));
    int64_t size = self_of(c)->shape.size[d], i = c->arg[2].i;
    if (i < -size || i >= size)
        OP_FAIL(c, 2, "%lld is out of range; dimension %d has size %lld", (long long)i, d,
                (long long)size);
    TRY(one(c, &v));
    return view_select(self_of(c), d, i < 0 ? i + size : i, v);
}

void move_diagonal(const struct view *x, int64_t offset, int a, int b, struct view *out)
{
    int64_t rows = x->shape.size[a], columns = x->shape.size[b];
    int64_t n = offset >= 0 ? (rows < columns - offset ? rows : columns - offset)
                            : (rows + offset < columns ? rows + offset : columns);
    int64_t stride = x->stride[a] + x->stride[b];
    *out = *x;
    if (n > 0) out->offset += offset >= 0 ? offset * x->stride[b] : -offset * x->stride[a];
    drop(out, a > b ? a : b);
    drop(out, a > b ? b : a);
    out->shape.size[out->shape.n] = n > 0 ? n : 0;
    out->stride[out->shape.n++] = stride;
}

enum err shape_diagonal(struct op_call *c)
{
    struct view *v;
    int a, b;
    int64_t offset = c->arg[1].i;
    const struct view *x = self_of(c);
    TRY(op_dim(c, 2, c->arg[2].i, x->shape.n, &a));
    TRY(op_dim(c, 3, c->arg[3].i, x->shape.n, &b));
    if (a == b) OP_FAIL(c, 3, "it is dimension %d, as dim1 is; two are needed", b);
    TRY(one(c, &v));
    move_diagonal(x, offset, a, b, v);
    return ERR_OK;
}

enum err shape_as_strided(struct op_call *c)
{
    const struct plumb_tensor *t = c->arg[0].t;
    struct view_shape shape = {.n = c->arg[1].n};
    struct view *v;
    char text[VIEW_TEXT];
    int64_t offset = c->arg[3].kind ? c->arg[3].i : t->view.offset;
    if (c->arg[1].n != c->arg[2].n || c->arg[1].n > VIEW_DIMS)
        OP_FAIL(c, 2, "%d strides for %d sizes; as many are accepted, up to %d", c->arg[2].n,
                c->arg[1].n, VIEW_DIMS);
    for (int i = 0; i < shape.n; i++) shape.size[i] = c->arg[1].is[i];
    TRY(one(c, &v));
    enum err err = view_strided(t->view.dtype, &shape, c->arg[2].is, offset, v);
    if (!err) err = view_check_storage(v, t->storage->size);
    if (!err) return ERR_OK;
    snprintf(text, sizeof text, "%s", err_text());
    OP_FAIL(c, 1, "%s", text);
}

enum err shape_split(struct op_call *c)
{
    const struct view *x = self_of(c);
    int d;
    int64_t size = c->arg[1].i;
    if (!x->shape.n) OP_FAIL(c, 0, "it has no dimension to split");
    TRY(op_dim(c, 2, c->arg[2].i, x->shape.n, &d));
    int64_t extent = x->shape.size[d];
    if (size < 0 || (!size && extent))
        OP_FAIL(c, 1, "%lld was given; 1 or more is accepted", (long long)size);
    if (size > extent) size = extent; /* so that no product below overflows */
    int64_t n = extent && size ? (extent + size - 1) / size : 1;
    if (n > INT32_MAX) OP_FAIL(c, 1, "it makes %lld parts", (long long)n);
    struct view *v = op_views(c, 0, (int)n);
    if (!v) FAIL(ERR_NOMEM, "out of memory for views");
    for (int64_t i = 0; i < n; i++) TRY(view_slice(x, d, i * size, (i + 1) * size, 1, &v[i]));
    return ERR_OK;
}

enum err shape_split_sizes(struct op_call *c)
{
    const struct view *x = self_of(c);
    const struct op_value *sizes = &c->arg[1];
    int64_t end = 0;
    int d;
    if (!x->shape.n) OP_FAIL(c, 0, "it has no dimension to split");
    TRY(op_dim(c, 2, c->arg[2].i, x->shape.n, &d));
    for (int i = 0; i < sizes->n; i++)
        if (sizes->is[i] < 0 || __builtin_add_overflow(end, sizes->is[i], &end))
            OP_FAIL(c, 1, "size %lld is not accepted", (long long)sizes->is[i]);
    if (end != x->shape.size[d])
        OP_FAIL(c, 1, "they sum to %lld; dimension %d has size %lld", (long long)end, d,
                (long long)x->shape.size[d]);
    struct view *v = op_views(c, 0, sizes->n);
    if (!v) FAIL(ERR_NOMEM, "out of memory for views");
    for (int64_t i = 0, at = 0; i < sizes->n; at += sizes->is[i++])
        TRY(view_slice(x, d, at, at + sizes->is[i], 1, &v[i]));
    return ERR_OK;
}

enum err shape_unbind(struct op_call *c)
{
    const struct view *x = self_of(c);
    int d;
    if (!x->shape.n) OP_FAIL(c, 0, "it has no dimension to unbind");
    TRY(op_dim(c, 1, c->arg[1].i, x->shape.n, &d));
    int64_t n = x->shape.size[d];
    if (n > INT32_MAX) OP_FAIL(c, 1, "it makes %lld parts", (long long)n);
    struct view *v = op_views(c, 0, (int)n);
    if (!v) FAIL(ERR_NOMEM, "out of memory for views");
    for (int64_t i = 0; i < n; i++) TRY(view_select(x, d, i, &v[i]));
    return ERR_OK;
}

/* ---- complex numbers as pairs ---- */

enum err shape_view_as_real(struct op_call *c)
{
    struct view *v;
    TRY(op_check_dtype(c, 0, self_of(c)->dtype, OP_C));
    TRY(one(c, &v));
    if (v->shape.n == VIEW_DIMS) OP_FAIL(c, 0, "it has %d dimensions; no more fit", VIEW_DIMS);
    v->dtype = v->dtype == DTYPE_C64 ? DTYPE_F32 : DTYPE_F64;
    for (int i = 0; i < v->shape.n; i++) v->stride[i] *= 2;
    v->offset *= 2;
    v->shape.size[v->shape.n] = 2;
    v->stride[v->shape.n++] = 1;
    return ERR_OK;
}

enum err shape_view_as_complex(struct op_call *c)
{
    const struct view *x = self_of(c);
    char have[TENSOR_TEXT];
    struct view *v;
    int last = x->shape.n - 1;
    bool fits = (x->dtype == DTYPE_F32 || x->dtype == DTYPE_F64) && last >= 0 &&
                x->shape.size[last] == 2 && x->stride[last] == 1 && x->offset % 2 == 0;
    for (int i = 0; i < last; i++) fits = fits && x->stride[i] % 2 == 0;
    if (!fits)
        OP_FAIL(c, 0,
                "%s; f32 or f64 is accepted, its last dimension of size 2 and stride 1, all "
                "other strides even",
                tensor_text(c->arg[0].t, have));
    TRY(one(c, &v));
    v->dtype = x->dtype == DTYPE_F32 ? DTYPE_C64 : DTYPE_C128;
    v->shape.n--;
    v->offset /= 2;
    for (int i = 0; i < last; i++) v->stride[i] /= 2;
    return ERR_OK;
}
