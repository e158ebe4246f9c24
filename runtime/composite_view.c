/* composite_view.c - operators on views that are made of others. */
#include "runtime/api.h"
#include "runtime/move.h"

/* A view where strides allow it, else of a copy; PyTorch logs the same operators. */
enum err run_reshape(struct op_call *c)
{
    struct plumb_tensor *x = c->arg[0].t;
    struct view_shape to;
    int64_t stride[VIEW_DIMS];
    TRY(shape_sizes(c, 1, view_count(&x->view), &to));
    if (shape_restride(&x->view, &to, stride)) return op_give(c, 0, plumb_view(x, to.size, to.n));
    return op_give(c, 0, plumb__unsafe_view(plumb_clone(x), to.size, to.n));
}

enum err run_flatten(struct op_call *c)
{
    struct plumb_tensor *x = c->arg[0].t;
    struct view_shape to = {.n = 0};
    int first, last, n = x->view.shape.n;
    TRY(op_dim(c, 1, c->arg[1].i, n, &first));
    TRY(op_dim(c, 2, c->arg[2].i, n, &last));
    if (first > last) OP_FAIL(c, 1, "dimension %d comes after end_dim, %d", first, last);
    if (n && first == last) return op_give(c, 0, x);
    for (int i = 0; i < n; i++) {
        if (i <= first || i > last) to.size[to.n++] = x->view.shape.size[i];
        else if (__builtin_mul_overflow(to.size[to.n - 1], x->view.shape.size[i],
                                        &to.size[to.n - 1])) /* of a tensor without elements */
            OP_FAIL(c, 0, "dimensions %d to %d hold more than 2^63 - 1 elements", first, last);
    }
    if (!n) to.size[to.n++] = 1;
    return op_give(c, 0, plumb_reshape(x, to.size, to.n));
}

enum err run_narrow(struct op_call *c)
{
    struct plumb_tensor *x = c->arg[0].t;
    int d;
    if (!x->view.shape.n) OP_FAIL(c, 0, "it has no dimension to narrow");
    TRY(op_dim(c, 1, c->arg[1].i, x->view.shape.n, &d));
    int64_t size = x->view.shape.size[d], start = c->arg[2].i, length = c->arg[3].i;
    if (start < 0) start += size;
    if (start < 0 || length < 0 || length > size - start)
        OP_FAIL(c, 3, "%lld elements from %lld on; dimension %d has size %lld", (long long)length,
                (long long)start, d, (long long)size);
    int64_t end = start + length;
    return op_give(c, 0, plumb_slice(x, d, &start, &end, 1));
}

enum err run_chunk(struct op_call *c)
{
    struct plumb_tensor *x = c->arg[0].t;
    struct op_results r;
    int d;
    if (!x->view.shape.n) OP_FAIL(c, 0, "it has no dimension to cut");
    TRY(op_dim(c, 2, c->arg[2].i, x->view.shape.n, &d));
    if (c->arg[1].i < 1)
        OP_FAIL(c, 1, "%lld was given; 1 or more is accepted", (long long)c->arg[1].i);
    int64_t extent = x->view.shape.size[d], n = c->arg[1].i;
    int64_t size = extent ? (extent - 1) / n + 1 : 0;
    struct op_value v[] = {value_tensor(x, false), value_int(size), value_int(d)};
    if (!extent) { /* as many parts as were asked for, all empty */
        if (n > INT32_MAX) OP_FAIL(c, 1, "it makes %lld parts", (long long)n);
        int64_t *none = arena_array(c->arena, (size_t)n, sizeof *none);
        if (!none) FAIL(ERR_NOMEM, "out of memory for views");
        v[1] = value_ints(none, (int)n, false);
    }
    TRY(op_run(op_at(extent ? OP_ID_split_Tensor : OP_ID_split_with_sizes), v, 3, &r));
    c->result = r.p;
    c->n_results = r.n;
    return ERR_OK;
}

/* ---- by index ---- */

/* `x` with the sizes of `to` but for dimension d, which it keeps. */
static struct plumb_tensor *expand_beside(struct plumb_tensor *x, struct view_shape to, int d)
{
    to.size[d] = x->view.shape.size[d];
    return plumb_expand(x, to.size, to.n);
}

enum err run_take_along_dim(struct op_call *c)
{
    struct plumb_tensor *x = c->arg[0].t, *index = c->arg[1].t;
    const int64_t all = -1;
    int d;
    if (c->arg[2].kind != OP_INT)
        return op_give(c, 0,
                       plumb_gather(plumb_reshape(x, &all, 1), 0, plumb_reshape(index, &all, 1)));
    int n = x->view.shape.n;
    if (index->view.shape.n != n)
        OP_FAIL(c, 1, "%d dimensions; as many as self has, %d, are accepted", index->view.shape.n,
                n);
    TRY(op_dim(c, 2, c->arg[2].i, n, &d));
    if (!n) return op_give(c, 0, plumb_gather(x, d, index));
    struct view a = x->view, b = index->view;
    const struct view *both[] = {&a, &b};
    struct view_shape to;
    a.shape.size[d] = b.shape.size[d] = 1;
    enum err err = view_broadcast(both, 2, &to);
    if (err) return err_wrap(err, "%s: argument 'indices': ", c->op->s.name);
    return op_give(c, 0, plumb_gather(expand_beside(x, to, d), d, expand_beside(index, to, d)));
}

enum err run_one_hot(struct op_call *c)
{
    struct plumb_tensor *x = c->arg[0].t;
    struct view_shape to = x->view.shape;
    int64_t n = c->arg[1].i;
    if (x->view.dtype != DTYPE_I64)
        OP_FAIL(c, 0, "dtype %s is not accepted; i64 is", dtype_name(x->view.dtype));
    if (n < 1)
        OP_FAIL(c, 1, "%lld was given; 1 or more is accepted (it is not looked up in the values)",
                (long long)n);
    if (to.n == VIEW_DIMS) OP_FAIL(c, 0, "it has %d dimensions; one less is accepted", VIEW_DIMS);
    to.size[to.n++] = n;
    return op_give(
        c, 0,
        plumb_scatter_value(plumb_zeros(to.size, to.n, PLUMB_I64), -1, plumb_unsqueeze(x, -1), 1));
}
