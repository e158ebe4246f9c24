/* run_move.c - movement that takes more than one nest, and sums by index. */
#include <stdlib.h>
#include <string.h>

#include "kernels/scatter.h"
#include "runtime/call_nest.h"
#include "runtime/api.h"
#include "runtime/kernel.h"
#include "runtime/move.h"

/* ---- copies ---- */

enum err move_copy(struct op_call *c, struct plumb_tensor *from, struct plumb_tensor *to)
{
    struct nest_plan plan;
    struct plan_space s;
    plan_begin(&s, &plan, &to->view.shape, 0);
    plan_add(&s, &from->view);
    plan_add(&s, &to->view);
    struct op_nest n = {.body = "out = self",
                        .compute = to->view.dtype,
                        .plan = &plan,
                        .tensor = {from, to},
                        .name = {"self", "out"},
                        .n_read = 1,
                        .n_written = 1};
    return op_nest_run(c, &n);
}

enum err move_zero(struct op_call *c, struct plumb_tensor *to)
{
    struct nest_plan plan;
    struct plan_space s;
    plan_begin(&s, &plan, &to->view.shape, 0);
    plan_add(&s, &to->view);
    struct op_nest n = {.body = "out = 0",
                        .compute = to->view.dtype,
                        .plan = &plan,
                        .tensor = {to},
                        .name = {"out"},
                        .n_written = 1};
    return op_nest_run(c, &n);
}

enum err run_contiguous(struct op_call *c)
{
    struct plumb_tensor *x = c->arg[0].t;
    return op_give(c, 0, view_is_contiguous(&x->view) ? x : plumb_clone(x));
}

static int dim_of(const struct op_call *c, int arg, int n)
{
    int64_t d = c->arg[arg].i;
    return (int)(d < 0 ? d + (n ? n : 1) : d);
}

enum err run_cat(struct op_call *c)
{
    struct plumb_tensor *out = c->result[0], *part;
    int d = dim_of(c, 1, out->view.shape.n);
    int64_t at = 0;
    for (int i = 0; i < c->arg[0].n; i++) {
        struct plumb_tensor *t = c->arg[0].ts[i];
        struct view v;
        if (!view_count(&t->view)) continue;
        TRY(view_slice(&out->view, d, at, at + t->view.shape.size[d], 1, &v));
        TRY(tensor_view(out, &v, &part));
        TRY(move_copy(c, t, part));
        at += t->view.shape.size[d];
    }
    return ERR_OK;
}

enum err run_stack(struct op_call *c)
{
    struct plumb_tensor *out = c->result[0], *part;
    int d = dim_of(c, 1, out->view.shape.n);
    for (int i = 0; i < c->arg[0].n; i++) {
        struct view v;
        TRY(view_select(&out->view, d, i, &v));
        TRY(tensor_view(out, &v, &part));
        TRY(move_copy(c, c->arg[0].ts[i], part));
    }
    return ERR_OK;
}

/* One slice of zeros in one nest, which fuses with what adds it to others. */
static enum err spread_slice(struct op_call *c)
{
#define AT(d) "out = at(" #d ") == index ? grad : 0"
    static const char *const bodies[] = {AT(0), AT(1), AT(2), AT(3), AT(4), AT(5), AT(6), AT(7)};
#undef AT
    struct plumb_tensor *out = c->result[0], *grad = c->arg[0].t, *wide;
    int n = out->view.shape.n, d = dim_of(c, 2, n);
    struct op_value index = {.kind = OP_INT, .i = c->arg[3].i};
    struct view v = grad->view;
    struct call_nest m;
    if (index.i < 0) index.i += out->view.shape.size[d];
    v.shape = out->view.shape;
    memmove(&v.stride[d + 1], &v.stride[d], (size_t)(n - d - 1) * sizeof *v.stride);
    v.stride[d] = 0;
    TRY(tensor_view(grad, &v, &wide));
    call_nest_begin(&m, c, bodies[d], &out->view.shape, 0);
    call_nest_read(&m, "grad", wide, 0);
    call_nest_write(&m, "out", out, 0);
    call_nest_number(&m, "index", &index);
    return call_nest_run(&m);
}

static bool may_spread(const struct op_call *c)
{
    enum dtype t = c->compute;
    return c->op == op_at(OP_ID_select_backward) && c->result[0]->view.shape.n <= 8 &&
           (t == DTYPE_F32 || t == DTYPE_F64 || t == DTYPE_F16 || t == DTYPE_BF16);
}

enum err run_part_backward(struct op_call *c)
{
    struct plumb_tensor *out = c->result[0], *part;
    struct view v;
    if (may_spread(c)) return spread_slice(c);
    TRY(move_part(c, &out->view, &v));
    TRY(move_zero(c, out));
    TRY(tensor_view(out, &v, &part));
    return move_copy(c, c->arg[0].t, part);
}

/* ---- roll and pad: boxes of one tensor become boxes of another ---- */

static enum err copy_box(struct op_call *c, struct plumb_tensor *from, const struct view *box,
                         struct plumb_tensor *to, const struct view *place)
{
    struct plumb_tensor *a, *b;
    if (!view_count(box)) return ERR_OK;
    TRY(tensor_view(from, box, &a));
    TRY(tensor_view(to, place, &b));
    return move_copy(c, a, b);
}

/* Each dimension falls into two parts that change places: 2^n boxes. */
static enum err roll_boxes(struct op_call *c, struct plumb_tensor *from, struct plumb_tensor *to,
                           const struct view *x, const struct view *y, const int64_t *shift)
{
    for (unsigned box = 0; box < 1u << x->shape.n; box++) {
        struct view a = *x, b = *y;
        bool empty = false;
        for (int d = 0; d < x->shape.n; d++) {
            int64_t size = x->shape.size[d], cut = size - shift[d];
            bool low = !(box >> d & 1);
            empty |= !low && !shift[d];
            TRY(view_slice(&a, d, low ? 0 : cut, low ? cut : size, 1, &a));
            TRY(view_slice(&b, d, low ? shift[d] : 0, low ? size : shift[d], 1, &b));
        }
        if (!empty) TRY(copy_box(c, from, &a, to, &b));
    }
    return ERR_OK;
}

static int64_t wrapped(int64_t i, int64_t size)
{
    int64_t r = size ? i % size : 0;
    return r < 0 ? r + size : r;
}

enum err run_roll(struct op_call *c)
{
    struct plumb_tensor *x = c->arg[0].t, *out = c->result[0], *dense;
    int64_t shift[VIEW_DIMS] = {0}, n = view_count(&x->view);
    if (c->arg[2].n) {
        for (int i = 0; i < c->arg[2].n; i++) {
            int d = (int)wrapped(c->arg[2].is[i], x->view.shape.n);
            int64_t size = x->view.shape.size[d];
            shift[d] = wrapped(shift[d] + wrapped(c->arg[1].is[i], size), size);
        }
        return roll_boxes(c, x, out, &x->view, &out->view, shift);
    }
    struct view_shape flat = {.n = 1, .size = {n}};
    struct view line;
    TRY(op_scratch(c, x->view.dtype, &x->view.shape, &dense));
    TRY(move_copy(c, x, dense));
    TRY(view_dense(x->view.dtype, &flat, &line));
    shift[0] = wrapped(c->arg[1].is[0], n);
    return roll_boxes(c, dense, out, &line, &line, shift);
}

static enum err fill(struct op_call *c, struct plumb_tensor *to, const struct op_value *value)
{
    struct nest_plan plan;
    struct plan_space s;
    plan_begin(&s, &plan, &to->view.shape, 0);
    plan_add(&s, &to->view);
    struct op_nest n = {.body = "out = value",
                        .plan = &plan,
                        .tensor = {to},
                        .name = {"out"},
                        .n_written = 1,
                        .param = {"value"},
                        .value = {*value},
                        .n_params = 1};
    return op_nest_run(c, &n);
}

enum err run_pad(struct op_call *c)
{
    struct plumb_tensor *x = c->arg[0].t, *out = c->result[0];
    struct view a = x->view, b = out->view;
    for (int i = 0; i < c->arg[1].n / 2; i++) {
        int64_t left = c->arg[1].is[2 * i], right = c->arg[1].is[2 * i + 1];
        int d = a.shape.n - 1 - i;
        int64_t had = a.shape.size[d], got = b.shape.size[d];
        TRY(view_slice(&a, d, left < 0 ? -left : 0, right < 0 ? had + right : had, 1, &a));
        TRY(view_slice(&b, d, left > 0 ? left : 0, right > 0 ? got - right : got, 1, &b));
    }
    TRY(fill(c, out, &c->arg[2]));
    return copy_box(c, x, &a, out, &b);
}

/* ---- scatter: the last source of a place wins ---- */

enum err run_scatter(struct op_call *c)
{
    struct plumb_tensor *out = c->result[0], *index = c->arg[2].t;
    int dim = dim_of(c, 1, out->view.shape.n);
    struct view as = out->view;
    struct nest_plan plan;
    struct plan_space s;
    bool number = c->arg[3].kind != OP_TENSOR;
    TRY(move_copy(c, c->arg[0].t, out));
    if (!as.shape.n) as = (struct view){.shape = {.n = 1, .size = {1}}, .stride = {1}};
    plan_begin(&s, &plan, &index->view.shape, 0);
    plan.own[plan.n_arrays] = true;
    plan_add(&s, &index->view);
    if (!number) plan_add_at(&s, &c->arg[3].t->view, 0);
    struct nest_lie *l = plan_add_indexed(&s, &as, dim);
    for (int i = 0; i < plan.n_outer && index->view.shape.n == as.shape.n; i++)
        l->stride[i] = s.dim[i] == dim ? 0 : as.stride[s.dim[i]];
    struct op_nest n = {.body = number ? "store(out, index) = value" : "store(out, index) = src",
                        .plan = &plan,
                        .tensor = {index, number ? out : c->arg[3].t, number ? NULL : out},
                        .name = {"index", number ? "out" : "src", "out"},
                        .n_read = 1 + !number,
                        .n_written = 1,
                        .serial = true};
    if (number) {
        n.param[n.n_params] = "value";
        n.value[n.n_params++] = c->arg[3];
    }
    return op_nest_run(c, &n);
}

/* ---- sums by index ---- */

static int64_t index_at(const struct plumb_tensor *t, int64_t at)
{
    const char *p = op_data(t);
    return t->view.dtype == DTYPE_I64 ? ((const int64_t *)(const void *)p)[at]
                                      : ((const int32_t *)(const void *)p)[at];
}

/* low: the least index that is accepted. */
static enum err out_of_range(const struct op_call *c, int arg, int64_t i, int64_t low, int64_t size)
{
    OP_FAIL(c, arg, "index %lld is out of range; %lld to %lld are accepted", (long long)i,
            (long long)low, (long long)size - 1);
}

/* A packed copy of a view, in scratch. */
static enum err packed(struct op_call *c, struct plumb_tensor *t, const struct view *v,
                       struct plumb_tensor **out)
{
    struct plumb_tensor *part;
    TRY(op_scratch(c, v->dtype, &v->shape, out));
    TRY(tensor_view(t, v, &part));
    return move_copy(c, part, *out);
}

static enum err run_sum(struct op_call *c, struct scatter *s)
{
    struct gemm_how how = kernel_how(c);
    enum err err = scatter_add(s, &how);
    return err ? err_wrap(err, "%s: ", c->op->s.name) : ERR_OK;
}

/* Where the elements of `index` point to, in elements of the dense `out`. */
static enum err offsets_along(struct op_call *c, int dim, int64_t *to)
{
    const struct plumb_tensor *index = c->arg[2].t;
    const struct view *out = &c->result[0]->view, *v = &index->view;
    int64_t n = view_count(v), size = out->shape.n ? out->shape.size[dim] : 1;
    for (int64_t k = 0; k < n; k++) {
        int64_t i = index_at(index, view_at(v, k) - v->offset);
        if (i < 0 || i >= size) return out_of_range(c, 2, i, 0, size);
        int64_t rest = k, at = v->shape.n || !out->shape.n ? 0 : i * out->stride[0];
        for (int d = v->shape.n - 1; d >= 0 && out->shape.n; d--) {
            at += (d == dim ? i : rest % v->shape.size[d]) * out->stride[d];
            rest /= v->shape.size[d];
        }
        to[k] = at;
    }
    return ERR_OK;
}

enum err run_scatter_add(struct op_call *c)
{
    struct plumb_tensor *out = c->result[0], *src = c->arg[3].t, *flat;
    struct view part = src->view;
    int64_t n = view_count(&c->arg[2].t->view);
    int64_t *to = malloc((size_t)(n ? n : 1) * sizeof *to);
    if (!to) FAIL(ERR_NOMEM, "%s: out of memory for indices", c->op->s.name);
    part.shape = c->arg[2].t->view.shape; /* of src as much as the index covers */
    enum err err = move_copy(c, c->arg[0].t, out);
    if (!err) err = offsets_along(c, dim_of(c, 1, out->view.shape.n), to);
    if (!err && n) err = packed(c, src, &part, &flat);
    if (!err && n) {
        struct scatter s = {.dtype = c->compute,
                            .n_batch = 1,
                            .n_rows = view_count(&out->view),
                            .n = n,
                            .width = 1,
                            .index = to,
                            .source = op_data(flat),
                            .from = {0, 1, 1},
                            .out = op_data(out),
                            .to = {0, 1, 1}};
        err = run_sum(c, &s);
    }
    free(to);
    return err;
}

static enum err row_indices(const struct op_call *c, int64_t size, int64_t *to)
{
    const struct plumb_tensor *index = c->arg[2].t;
    for (int64_t k = 0; k < view_count(&index->view); k++) {
        to[k] = index_at(index, view_at(&index->view, k) - index->view.offset);
        if (to[k] < 0 || to[k] >= size) return out_of_range(c, 2, to[k], 0, size);
    }
    return ERR_OK;
}

static enum err scaled_source(struct op_call *c, struct plumb_tensor **out)
{
    struct plumb_tensor *source = c->arg[3].t;
    struct nest_plan plan;
    struct plan_space s;
    TRY(op_scratch(c, c->compute, &source->view.shape, out));
    plan_begin(&s, &plan, &source->view.shape, 0);
    plan_add(&s, &source->view);
    plan_add(&s, &(*out)->view);
    struct op_nest n = {.body = "out = source * alpha",
                        .plan = &plan,
                        .tensor = {source, *out},
                        .name = {"source", "out"},
                        .n_read = 1,
                        .n_written = 1,
                        .param = {"alpha"},
                        .value = {c->arg[4]},
                        .n_params = 1};
    return op_nest_run(c, &n);
}

static enum err add_rows(struct op_call *c, int64_t *to)
{
    struct plumb_tensor *out = c->result[0], *source;
    const struct view_shape *s = &out->view.shape;
    int dim = dim_of(c, 1, s->n);
    struct oracle_rows r = {1, 1, 1};
    for (int d = 0; d < s->n; d++)
        *(d < dim ? &r.n_outer : d == dim ? &r.size : &r.n_inner) *= s->size[d];
    int64_t n = view_count(&c->arg[2].t->view);
    TRY(row_indices(c, r.size, to));
    TRY(move_copy(c, c->arg[0].t, out));
    if (!n || !r.n_outer || !r.n_inner) return ERR_OK;
    if (c->arg[4].is_int && c->arg[4].i == 1)
        TRY(packed(c, c->arg[3].t, &c->arg[3].t->view, &source));
    else TRY(scaled_source(c, &source));
    struct scatter x = {.dtype = c->compute,
                        .n_batch = r.n_outer,
                        .n_rows = r.size,
                        .n = n,
                        .width = r.n_inner,
                        .index = to,
                        .source = op_data(source),
                        .from = {n * r.n_inner, r.n_inner, 1},
                        .out = op_data(out),
                        .to = {r.size * r.n_inner, r.n_inner, 1}};
    return run_sum(c, &x);
}

enum err run_index_add(struct op_call *c)
{
    int64_t n = view_count(&c->arg[2].t->view);
    int64_t *to = malloc((size_t)(n ? n : 1) * sizeof *to);
    if (!to) FAIL(ERR_NOMEM, "%s: out of memory for indices", c->op->s.name);
    enum err err = add_rows(c, to);
    free(to);
    return err;
}

/* ---- advanced indices ---- */

#define AT(x, k) "(i" #k " < 0 ? i" #k " + xsize(" x ", " #k ") : i" #k ")"

static const char *const index_names[] = {"i0", "i1", "i2", "i3"};

enum err run_index(struct op_call *c)
{
    static const char *const bodies[] = {
        "out = load(self, " AT("self", 0) ")",
        "out = load(self, " AT("self", 0) ", " AT("self", 1) ")",
        "out = load(self, " AT("self", 0) ", " AT("self", 1) ", " AT("self", 2) ")",
        "out = load(self, " AT("self", 0) ", " AT("self", 1) ", " AT("self", 2) ", " AT("self",
                                                                                        3) ")"};
    struct move_index x;
    struct nest_plan plan;
    struct plan_space s;
    TRY(move_index_read(c, 1, &x));
    plan_begin(&s, &plan, &x.result, 0);
    move_plan_indices(&s, &x, &c->arg[0].t->view);
    plan_add_dense(&s, &x.result, 0);
    struct op_nest n = {.body = bodies[x.n - 1], .plan = &plan, .n_read = 1 + x.n, .n_written = 1};
    n.tensor[0] = c->arg[0].t;
    n.name[0] = "self";
    for (int k = 0; k < x.n; k++) {
        n.tensor[1 + k] = (struct plumb_tensor *)x.t[k];
        n.name[1 + k] = index_names[k];
    }
    n.tensor[1 + x.n] = c->result[0];
    n.name[1 + x.n] = "out";
    return op_nest_run(c, &n);
}

/* Stores in logical order: a later point wins. */
static enum err put(struct op_call *c, const struct move_index *x, struct plumb_tensor *out)
{
    static const char *const bodies[] = {
        "store(out, " AT("out", 0) ") = values",
        "store(out, " AT("out", 0) ", " AT("out", 1) ") = values",
        "store(out, " AT("out", 0) ", " AT("out", 1) ", " AT("out", 2) ") = values",
        "store(out, " AT("out", 0) ", " AT("out", 1) ", " AT("out", 2) ", " AT("out",
                                                                               3) ") = values"};
    struct nest_plan plan;
    struct plan_space s;
    plan_begin(&s, &plan, &x->result, 0);
    move_plan_indices(&s, x, &out->view);
    struct nest_lie stored = plan.lie[0]; /* results come last */
    memmove(&plan.lie[0], &plan.lie[1], (size_t)x->n * sizeof plan.lie[0]);
    for (int k = 0; k <= x->n; k++) plan.own[k] = k < x->n;
    plan.n_indexed[0] = 0;
    plan.n_arrays = x->n;
    plan_add(&s, &c->arg[2].t->view);
    plan.lie[plan.n_arrays] = stored;
    plan.n_indexed[plan.n_arrays++] = x->n;
    struct op_nest n = {.body = bodies[x->n - 1],
                        .plan = &plan,
                        .n_read = x->n + 1,
                        .n_written = 1,
                        .serial = true};
    for (int k = 0; k < x->n; k++) {
        n.tensor[k] = (struct plumb_tensor *)x->t[k];
        n.name[k] = index_names[k];
    }
    n.tensor[x->n] = c->arg[2].t;
    n.name[x->n] = "values";
    n.tensor[x->n + 1] = out;
    n.name[x->n + 1] = "out";
    return op_nest_run(c, &n);
}

/* Offset in the dense `out` of the point number `k` of the result's space. */
static enum err offset_of(const struct op_call *c, const struct move_index *x,
                          const struct view *out, int64_t k, int64_t *to)
{
    int64_t at[VIEW_DIMS] = {0}, offset = 0;
    for (int d = x->result.n - 1; d >= 0; d--) {
        at[d] = k % x->result.size[d];
        k /= x->result.size[d];
    }
    for (int d = 0, i = 0, from = x->first ? 0 : x->shape.n; d < out->shape.n; d++) {
        if (i < x->n && d == x->dim[i]) {
            const struct view *v = &x->t[i]->view;
            int64_t place = 0, size = out->shape.size[d];
            for (int e = 0; e < v->shape.n; e++)
                if (v->shape.size[e] != 1)
                    place += at[x->first + x->shape.n - v->shape.n + e] * v->stride[e];
            int64_t value = index_at(x->t[i++], place);
            if (value < -size || value >= size) return out_of_range(c, 1, value, -size, size);
            offset += (value < 0 ? value + size : value) * out->stride[d];
            continue;
        }
        if (from == x->first && x->first) from += x->shape.n;
        offset += at[from++] * out->stride[d];
    }
    *to = offset;
    return ERR_OK;
}

static enum err add_points(struct op_call *c, const struct move_index *x,
                           struct plumb_tensor *dense, int64_t n, int64_t *to)
{
    struct plumb_tensor *values;
    struct view v;
    for (int64_t k = 0; k < n; k++) TRY(offset_of(c, x, &dense->view, k, &to[k]));
    TRY(view_expand(&c->arg[2].t->view, &x->result, &v));
    TRY(packed(c, c->arg[2].t, &v, &values));
    struct scatter s = {.dtype = c->compute,
                        .n_batch = 1,
                        .n_rows = view_count(&dense->view),
                        .n = n,
                        .width = 1,
                        .index = to,
                        .source = op_data(values),
                        .from = {0, 1, 1},
                        .out = op_data(dense),
                        .to = {0, 1, 1}};
    return run_sum(c, &s);
}

static enum err accumulate(struct op_call *c, const struct move_index *x, struct plumb_tensor *out)
{
    struct view_shape shape = x->result;
    struct view space;
    struct plumb_tensor *dense = out;
    TRY(view_dense(DTYPE_U8, &shape, &space));
    int64_t n = view_count(&space);
    bool strided = !view_is_contiguous(&out->view);
    if (!n) return ERR_OK;
    if (strided) TRY(packed(c, out, &out->view, &dense));
    size_t size;
    int64_t *to = __builtin_mul_overflow((size_t)n, sizeof *to, &size) ? NULL : malloc(size);
    if (!to) FAIL(ERR_NOMEM, "%s: out of memory for indices", c->op->s.name);
    enum err err = add_points(c, x, dense, n, to);
    free(to);
    return err || !strided ? err : move_copy(c, dense, out);
}

enum err run_index_put(struct op_call *c)
{
    struct plumb_tensor *out = c->result[0];
    struct move_index x;
    TRY(move_index_read(c, 1, &x));
    if (out != c->arg[0].t) TRY(move_copy(c, c->arg[0].t, out));
    return c->arg[3].i ? accumulate(c, &x, out) : put(c, &x, out);
}
