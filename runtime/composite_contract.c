/* composite_contract.c - outer, matmul and linear, which call products of two or three dimensions
 * as PyTorch 2.13 does on the CPU. */
#include "plumb.h"
#include "runtime/ops.h"

enum err run_outer(struct op_call *c)
{
    struct plumb_tensor *a = c->arg[0].t, *b = c->arg[1].t;
    for (int i = 0; i < 2; i++)
        if (c->arg[i].t->view.shape.n != 1)
            OP_FAIL(c, i, "%d dimensions were given; 1 is accepted", c->arg[i].t->view.shape.n);
    return op_give(c, 0, plumb_mul(plumb_view(a, (int64_t[]){a->view.shape.size[0], 1}, 2), b));
}

/* ---- matmul ---- */

static struct plumb_tensor *turned(struct plumb_tensor *t)
{
    return plumb_transpose_int(t, -2, -1);
}

static struct plumb_tensor *shaped(struct plumb_tensor *t, const struct view_shape *s)
{
    return plumb__unsafe_view(t, s->size, s->n);
}

static int64_t count(const struct view_shape *s)
{
    int64_t n = 1;
    for (int d = 0; d < s->n; d++) n *= s->size[d];
    return n;
}

/* One side has batches, the other is a matrix or vector: can the batches be rows of one matrix? A
 * smaller side that wants gradients says yes at any price: repeating it would make its gradient
 * large. */
static enum err folds(struct plumb_tensor *a, struct plumb_tensor *b, bool *out)
{
    bool first = a->view.shape.n >= b->view.shape.n;
    struct plumb_tensor *large = first ? a : turned(b), *small = first ? b : a;
    *out = false;
    if (!large) return ERR_USAGE;
    const struct view *v = &large->view;
    if (v->shape.n < 3 || small->view.shape.n > 2) return ERR_OK;
    *out = true;
    if (small->requires_grad || !view_count(&a->view) || !view_count(&b->view)) return ERR_OK;
    for (int d = 0; d < v->shape.n - 2; d++)
        *out = *out && v->stride[d] == v->stride[d + 1] * v->shape.size[d + 1];
    return ERR_OK;
}

static struct plumb_tensor *folded(struct plumb_tensor *a, struct plumb_tensor *b)
{
    bool swapped = b->view.shape.n > a->view.shape.n;
    struct plumb_tensor *large = swapped ? turned(b) : a, *small = b;
    if (swapped) small = a->view.shape.n == 2 ? plumb_t(a) : a;
    if (!large || !small) return NULL;
    struct view_shape out = large->view.shape;
    int64_t k = out.size[--out.n], rows = count(&out);
    bool matrix = small->view.shape.n == 2;
    if (matrix) out.size[out.n++] = small->view.shape.size[1];
    large = plumb_reshape(large, (int64_t[]){rows, k}, 2);
    if (!matrix) return shaped(plumb_mv(large, small), &out);
    struct plumb_tensor *r = plumb_mm(large, small);
    if (!r) return NULL;
    r = shaped(r, &out);
    return swapped ? plumb_contiguous(turned(r)) : r;
}

/* Sizes before the last two. */
static struct view_shape batch_of(const struct plumb_tensor *t)
{
    struct view_shape s = t->view.shape;
    s.n = s.n > 2 ? s.n - 2 : 0;
    return s;
}

static struct plumb_tensor *in_batches(struct plumb_tensor *t, const struct view_shape *batch,
                                       int64_t rows, int64_t columns)
{
    struct view_shape s = *batch;
    s.size[s.n++] = rows;
    s.size[s.n++] = columns;
    struct plumb_tensor *e = plumb_expand(t, s.size, s.n);
    return plumb_reshape(e, (int64_t[]){count(batch), rows, columns}, 3);
}

static struct plumb_tensor *batched_vector(struct plumb_tensor *v, const struct view_shape *batch)
{
    struct view_shape s = *batch;
    int64_t n = v->view.shape.size[0];
    s.size[s.n++] = n;
    struct plumb_tensor *e = plumb_expand(v, s.size, s.n);
    return plumb_unsqueeze(plumb_reshape(e, (int64_t[]){count(batch), n}, 2), 2);
}

static enum err batched(struct op_call *c, struct plumb_tensor *a, struct plumb_tensor *b)
{
    const struct view_shape *sa = &a->view.shape, *sb = &b->view.shape;
    struct view va = {.shape = batch_of(a)}, vb = {.shape = batch_of(b)};
    const struct view *both[] = {&va, &vb};
    struct view_shape out;
    enum err err = view_broadcast(both, 2, &out);
    if (err) return err_wrap(err, "%s: argument 'other': batches: ", c->op->s.name);
    int64_t rows = sa->n > 1 ? sa->size[sa->n - 2] : 1;
    bool vector = sb->n == 1;
    struct plumb_tensor *x = in_batches(a, &out, rows, sa->size[sa->n - 1]);
    struct plumb_tensor *y = vector ? batched_vector(b, &out)
                                    : in_batches(b, &out, sb->size[sb->n - 2], sb->size[sb->n - 1]);
    if (sa->n > 1) out.size[out.n++] = rows;
    if (!vector) out.size[out.n++] = sb->size[sb->n - 1];
    struct plumb_tensor *r = plumb_bmm(x, y);
    return op_give(c, 0, shaped(vector ? plumb_squeeze_dim(r, -1) : r, &out));
}

static enum err many_dims(struct op_call *c, struct plumb_tensor *a, struct plumb_tensor *b)
{
    const struct view_shape *sa = &a->view.shape, *sb = &b->view.shape;
    bool fold;
    TRY(folds(a, b, &fold));
    if (fold) return op_give(c, 0, folded(a, b));
    if (sa->n == 3 && sb->n == 3 && sa->size[0] != sb->size[0]) {
        if (sa->size[0] == 1 && a->requires_grad)
            return op_give(c, 0, plumb_matmul(plumb_squeeze_dim(a, 0), b));
        if (sb->size[0] == 1 && b->requires_grad)
            return op_give(c, 0, plumb_matmul(a, plumb_squeeze_dim(b, 0)));
    }
    return batched(c, a, b);
}

enum err run_matmul(struct op_call *c)
{
    struct plumb_tensor *a = c->arg[0].t, *b = c->arg[1].t;
    int na = a->view.shape.n, nb = b->view.shape.n;
    for (int i = 0; i < 2; i++)
        if (!c->arg[i].t->view.shape.n)
            OP_FAIL(c, i, "a tensor without dimensions was given; at least 1 is accepted");
    if (na > 2 || nb > 2) return many_dims(c, a, b);
    if (na == 1 && nb == 1) return op_give(c, 0, plumb_dot(a, b));
    if (nb == 1) return op_give(c, 0, plumb_mv(a, b));
    if (na == 1) return op_give(c, 0, plumb_squeeze_dim(plumb_mm(plumb_unsqueeze(a, 0), b), 0));
    return op_give(c, 0, plumb_mm(a, b));
}

/* ---- linear ---- */

/* All leading dimensions as rows. */
static struct plumb_tensor *linear_rows(struct plumb_tensor *x, struct plumb_tensor *w,
                                        struct plumb_tensor *bias)
{
    struct view_shape s = x->view.shape;
    int64_t k = s.size[--s.n];
    struct plumb_tensor *rows = plumb_view(x, (int64_t[]){count(&s), k}, 2);
    struct plumb_tensor *r = plumb_addmm(bias, rows, plumb_t(w));
    if (!r) return NULL;
    s.size[s.n++] = r->view.shape.size[1];
    return plumb_view(r, s.size, s.n);
}

enum err run_linear(struct op_call *c)
{
    struct plumb_tensor *x = c->arg[0].t, *w = c->arg[1].t, *bias = c->arg[2].t;
    for (int i = 0; i < 2; i++)
        if (!c->arg[i].t->view.shape.n)
            OP_FAIL(c, i, "a tensor without dimensions was given; at least 1 is accepted");
    if (bias && x->view.shape.n == 2) return op_give(c, 0, plumb_addmm(bias, x, plumb_t(w)));
    if (bias && w->view.shape.n == 2 && view_is_contiguous(&x->view))
        return op_give(c, 0, linear_rows(x, w, bias));
    struct plumb_tensor *r = plumb_matmul(x, plumb_t(w));
    return op_give(c, 0, bias ? plumb_add(r, bias) : r);
}

/* ---- convolution ---- */

static enum err convolve(struct op_call *c, int n_dims)
{
    static const int64_t none[2];
    int64_t number[3][2];
    const struct op_value *a = c->arg;
    for (int i = 0; i < 3; i++) {
        const struct op_value *v = &a[3 + i];
        if (v->n != 1 && v->n != n_dims)
            OP_FAIL(c, 3 + i, "%d numbers were given; 1 or %d are accepted", v->n, n_dims);
        for (int d = 0; d < n_dims; d++) number[i][d] = v->is[v->n == 1 ? 0 : d];
    }
    return op_give(c, 0,
                   plumb_convolution(a[0].t, a[1].t, a[2].t, number[0], n_dims, number[1], n_dims,
                                     number[2], n_dims, false, none, n_dims, a[6].i));
}

enum err run_conv1d(struct op_call *c)
{
    return convolve(c, 1);
}
enum err run_conv2d(struct op_call *c)
{
    return convolve(c, 2);
}
