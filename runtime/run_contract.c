/* run_contract.c - products of matrices by kernels/gemm.h: in the canonical order at determinism
 * exact, else by a BLAS where there is one. */
#include "kernels/gemm.h"
#include "runtime/kernel.h"
#include "runtime/ops.h"

/* As the matrix on the left: a vector is one row. */
static struct gemm_matrix left(const struct plumb_tensor *t)
{
    const struct view *v = &t->view;
    int n = v->shape.n;
    return (struct gemm_matrix){.p = op_data(t),
                                .batch = n > 2 ? v->stride[n - 3] : 0,
                                .row = n > 1 ? v->stride[n - 2] : 0,
                                .column = v->stride[n - 1]};
}

/* As the matrix on the right: a vector is one column. */
static struct gemm_matrix right(const struct plumb_tensor *t)
{
    struct gemm_matrix m = left(t);
    if (t->view.shape.n > 1) return m;
    m.row = m.column;
    m.column = 0;
    return m;
}

static enum err set_addend(struct op_call *c, struct gemm *g)
{
    struct view v;
    TRY(view_expand(&c->arg[0].t->view, &c->result[0]->view.shape, &v));
    int n = v.shape.n;
    g->c = (struct gemm_matrix){.p = op_data(c->arg[0].t),
                                .batch = n > 2 ? v.stride[n - 3] : 0,
                                .row = v.stride[n - 2],
                                .column = v.stride[n - 1]};
    return ERR_OK;
}

/* (self, a, b, beta, alpha) or (a, b). */
enum err run_contract(struct op_call *c)
{
    bool adds = c->op->s.n_params > 2;
    const struct plumb_tensor *a = c->arg[adds].t, *b = c->arg[adds + 1].t, *r = c->result[0];
    const struct view_shape *sa = &a->view.shape, *sb = &b->view.shape;
    struct gemm g = {.in = c->compute,
                     .out = r->view.dtype,
                     .n_batch = sa->n > 2 ? sa->size[0] : 1,
                     .m = sa->n > 1 ? sa->size[sa->n - 2] : 1,
                     .n = sb->n > 1 ? sb->size[sb->n - 1] : 1,
                     .k = sa->size[sa->n - 1],
                     .a = left(a),
                     .b = right(b),
                     .result = op_data(r),
                     .alpha = 1,
                     .beta = 0};
    g.column = 1;
    g.row = g.n;
    g.batch = g.m * g.n;
    if (adds) {
        g.beta = c->arg[3].r;
        g.alpha = c->arg[4].r;
        TRY(set_addend(c, &g));
    }
    if (!view_count(&r->view)) return ERR_OK;
    struct gemm_how how = kernel_how(c);
    how.done = c->done;
    bool blas = !c->exact && gemm_blas_name();
    enum err err = blas ? gemm_blas(&g, &how) : gemm_exact(&g, &how);
    return err ? err_wrap(err, "%s: ", c->op->s.name) : ERR_OK;
}
