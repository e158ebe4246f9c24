/* run_sort.c - sort and topk: rows put in order by their keys, elements moved with all their bits.
 *
 * The order is the one of amax and amin (docs/exact.md): -inf ... -0, +0 ... +inf, NaN. Equal
 * elements stay in the order of their positions, so every sort here is a stable one, and of equal
 * elements topk takes the first.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/oracle.h"
#include "runtime/ops.h"

struct item {
    long double key;
    int64_t at; /* position in the row */
};

/* ---- shapes ---- */

static enum err take_dim(const struct op_call *c, int arg, int *out)
{
    return op_dim(c, arg, c->arg[arg].i, c->arg[0].t->view.shape.n, out);
}

static int dim_arg(const struct op_call *c)
{
    return c->op == op_at(OP_ID_sort) ? 1 : 2;
}

enum err shape_sort(struct op_call *c)
{
    int d;
    TRY(take_dim(c, dim_arg(c), &d));
    op_result(c, 0, c->compute, &c->arg[0].t->view.shape);
    op_result(c, 1, DTYPE_I64, &c->arg[0].t->view.shape);
    return ERR_OK;
}

enum err shape_topk(struct op_call *c)
{
    struct view_shape out = c->arg[0].t->view.shape;
    int64_t k = c->arg[1].i;
    int d;
    TRY(take_dim(c, 2, &d));
    int64_t size = out.n ? out.size[d] : 1;
    if (k < 0 || k > size)
        OP_FAIL(c, 1, "%lld of dimension %d, which has size %lld; 0 to %lld are accepted",
                (long long)k, d, (long long)size, (long long)size);
    if (out.n) out.size[d] = k;
    op_result(c, 0, c->compute, &out);
    op_result(c, 1, DTYPE_I64, &out);
    return ERR_OK;
}

/* ---- order ---- */

static int by_key(long double a, long double b)
{
    if (isnan(a) || isnan(b)) return !!isnan(a) - !!isnan(b);
    if (a == b) return !!signbit(b) - !!signbit(a); /* differs for zeros only */
    return a < b ? -1 : 1;
}
static int by_place(const struct item *a, const struct item *b)
{
    return a->at < b->at ? -1 : a->at > b->at;
}
static int rising(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int order = by_key(x->key, y->key);
    return order ? order : by_place(x, y);
}
static int falling(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int order = by_key(y->key, x->key);
    return order ? order : by_place(x, y);
}

/* ---- rows ---- */

/* One row: from[k * step] are its elements, to[k * next] become them in order. */
struct sorted_row {
    const char *from;
    int64_t step; /* bytes */
    char *to;
    int64_t *index;
    int64_t next; /* elements of both results */
    int64_t n, k; /* elements there are; elements wanted */
};

static void sort_row(const struct sorted_row *r, struct item *item, const long double *key,
                     bool descending, size_t size)
{
    for (int64_t i = 0; i < r->n; i++) item[i] = (struct item){key[i], i};
    qsort(item, (size_t)r->n, sizeof *item, descending ? falling : rising);
    for (int64_t i = 0; i < r->k; i++) {
        memcpy(r->to + i * r->next * (int64_t)size, r->from + item[i].at * r->step, size);
        r->index[i * r->next] = item[i].at;
    }
}

/* A view of dimension d alone, or of the only element. */
static struct view along(const struct view *x, int d, int64_t offset)
{
    struct view v = {.dtype = x->dtype, .shape = {.n = 1, .size = {1}}, .offset = offset};
    if (x->shape.n) {
        v.shape.size[0] = x->shape.size[d];
        v.stride[0] = x->stride[d];
    }
    return v;
}

static enum err sort_rows(struct op_call *c, int d, bool descending, struct item *item)
{
    const struct plumb_tensor *x = c->arg[0].t;
    const struct view *out = &c->result[0]->view;
    struct view rows = x->view, places = *out;
    size_t size = dtype_size(x->view.dtype);
    if (rows.shape.n) rows.shape.size[d] = places.shape.size[d] = 1;
    for (int64_t i = 0; i < view_count(&rows); i++) {
        struct view v = along(&x->view, d, view_at(&rows, i));
        struct oracle_array keys;
        int64_t to = view_at(&places, i);
        if (!oracle_array_init(&keys, v.dtype, &v.shape))
            FAIL(ERR_NOMEM, "%s: out of memory for a row", c->op->s.name);
        oracle_load(&keys, &v, x->storage->p);
        struct sorted_row r = {.from = (const char *)x->storage->p + v.offset * (int64_t)size,
                               .step = v.stride[0] * (int64_t)size,
                               .to = (char *)op_data(c->result[0]) + to * (int64_t)size,
                               .index = (int64_t *)op_data(c->result[1]) + to,
                               .next = out->shape.n ? out->stride[d] : 1,
                               .n = v.shape.size[0],
                               .k = out->shape.n                 ? out->shape.size[d]
                                    : c->op == op_at(OP_ID_topk) ? c->arg[1].i
                                                                 : 1};
        sort_row(&r, item, keys.v, descending, size);
        oracle_array_release(&keys);
    }
    return ERR_OK;
}

static enum err sort_by(struct op_call *c, int arg, bool descending)
{
    const struct view_shape *s = &c->arg[0].t->view.shape;
    int d;
    TRY(take_dim(c, arg, &d));
    int64_t n = s->n ? s->size[d] : 1;
    if (!view_count(&c->result[0]->view)) return ERR_OK;
    struct item *item = calloc((size_t)n, sizeof *item);
    if (!item) FAIL(ERR_NOMEM, "%s: out of memory for %lld keys", c->op->s.name, (long long)n);
    enum err err = sort_rows(c, d, descending, item);
    free(item);
    return err;
}

enum err run_sort(struct op_call *c)
{
    int arg = dim_arg(c);
    return sort_by(c, arg, c->arg[arg + 1].i);
}
enum err run_topk(struct op_call *c)
{
    return sort_by(c, 2, c->arg[3].i);
}
