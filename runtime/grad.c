/* grad.c - what gradient rules share: sums over broadcast dimensions, casts, conjugates. */
#include "runtime/grad.h"

bool grad_wants(const struct op_call *c, int arg)
{
    return c->arg[arg].kind == OP_TENSOR && op_needs_grad(c, op_slot(c, arg));
}

/* Dimensions that broadcasting added or widened. */
static int widened(const struct view_shape *from, const struct view_shape *to,
                   int64_t dim[VIEW_DIMS])
{
    int n = 0, more = to->n - from->n;
    for (int d = 0; d < to->n; d++)
        if (d < more || (from->size[d - more] == 1 && to->size[d] != 1)) dim[n++] = d;
    return n;
}

static struct plumb_tensor *sum_to(struct plumb_tensor *g, const struct view_shape *shape)
{
    int64_t dim[VIEW_DIMS];
    int n = widened(shape, &g->view.shape, dim);
    if (!n) return g;
    g = plumb_sum_dim_intlist(g, dim, n, true, (enum plumb_dtype)0);
    return g && g->view.shape.n != shape->n ? plumb_view(g, shape->size, shape->n) : g;
}

static bool is_complex(enum dtype t)
{
    return dtype_kind(t) == DTYPE_COMPLEX;
}

struct plumb_tensor *grad_to(const struct op_call *c, int arg, struct plumb_tensor *g)
{
    const struct view *v = &c->arg[arg].t->view;
    if (!g) return NULL;
    g = sum_to(g, &v->shape);
    if (g && is_complex(g->view.dtype) && !is_complex(v->dtype)) g = plumb_real(g);
    if (g && g->view.dtype != v->dtype) g = plumb__to_copy(g, (enum plumb_dtype)v->dtype);
    return g;
}

struct plumb_tensor *grad_conjugate(struct plumb_tensor *t)
{
    return t && is_complex(t->view.dtype) ? plumb_conj_physical(t) : t;
}
