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
        else to.size[to.n - 1] *= x->view.shape.size[i];
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
    if (start < 0 || length < 0 || start + length > size)
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
    int64_t size = (x->view.shape.size[d] + c->arg[1].i - 1) / c->arg[1].i;
    struct op_value v[] = {value_tensor(x, false), value_int(size ? size : 1), value_int(d)};
    TRY(op_run(op_at(OP_ID_split_Tensor), v, 3, &r));
    c->result = r.p;
    c->n_results = r.n;
    return ERR_OK;
}
