/* oracle_contract.c - oracles of products of matrices, batches of them, and vectors.
 *
 * A product of k terms may be added in any order, by fused multiply-adds or not: each term passes
 * at most k + 1 roundings, so the error is at most (k + 1) u times the sum of |a b|. Scaling by
 * alpha and beta and the last addition add one rounding each of what they give. A rounding among
 * the denormals adds half a denormal, whatever the size.
 */
#include "kernels/oracle_num.h"

oracle_fn oracle_mm, oracle_bmm, oracle_mv, oracle_dot, oracle_addmm, oracle_baddbmm;

struct matrix {
    const long double *v;
    int64_t batch, row, column; /* in elements of the dtype */
};
struct product {
    struct num_kind kind;
    bool complex;
    int64_t k;
    struct matrix a, b;
};
/* A real number, or both parts, and the sum of the sizes of the terms of each part. */
struct value {
    long double v[2], size[2];
};

static struct matrix left(const struct oracle_array *a)
{
    int n = a->shape.n;
    const int64_t *s = a->shape.size;
    if (n < 2) return (struct matrix){a->v, 0, 0, 1};
    return (struct matrix){a->v, n > 2 ? s[n - 2] * s[n - 1] : 0, s[n - 1], 1};
}

static struct matrix right(const struct oracle_array *a)
{
    struct matrix m = left(a);
    if (a->shape.n > 1) return m;
    m.row = 1;
    m.column = 0;
    return m;
}

static struct value one(const struct product *p, int64_t batch, int64_t i, int64_t j)
{
    struct value r = {{0}, {0}};
    for (int64_t k = 0; k < p->k; k++) {
        int64_t ia = batch * p->a.batch + i * p->a.row + k * p->a.column;
        int64_t ib = batch * p->b.batch + k * p->b.row + j * p->b.column;
        if (!p->complex) {
            long double t = p->a.v[ia] * p->b.v[ib];
            r.v[0] += t;
            r.size[0] += fabsl(t);
            continue;
        }
        const long double *a = p->a.v + 2 * ia, *b = p->b.v + 2 * ib;
        r.v[0] += a[0] * b[0] - a[1] * b[1];
        r.v[1] += a[0] * b[1] + a[1] * b[0];
        r.size[0] += fabsl(a[0] * b[0]) + fabsl(a[1] * b[1]);
        r.size[1] += fabsl(a[0] * b[1]) + fabsl(a[1] * b[0]);
    }
    return r;
}

/* beta * addend + alpha * product, of one part. */
static struct num join(const struct product *p, const struct value *x, int part, long double alpha,
                       long double beta, long double addend)
{
    long double terms = (long double)((p->complex ? 2 : 1) * p->k + 1);
    struct num r = {x->v[part], terms * (x->size[part] + p->kind.tiny)};
    if (alpha == 0) r = num_of(0);
    else if (alpha != 1) r = num_mul(p->kind, r, num_of(alpha));
    if (beta == 0) return r;
    struct num c = num_of(addend);
    if (beta != 1) c = num_mul(p->kind, c, num_of(beta));
    return num_add(p->kind, r, c);
}

/* Arguments a and a + 1; with a = 1 argument 0 is added, then come beta and alpha. */
static void product(struct oracle_call *c, int first)
{
    const struct oracle_array *a = c->arg[first].a, *b = c->arg[first + 1].a, *add = c->arg[0].a;
    struct oracle_array *out = c->out;
    const int64_t *sa = a->shape.size, *sb = b->shape.size;
    int na = a->shape.n, nb = b->shape.n;
    int64_t m = na > 1 ? sa[na - 2] : 1, n = nb > 1 ? sb[nb - 1] : 1;
    struct product p = {.kind = num_kind(out->dtype),
                        .complex = dtype_kind(out->dtype) == DTYPE_COMPLEX,
                        .k = sa[na - 1],
                        .a = left(a),
                        .b = right(b)};
    long double beta = first ? num_param(p.kind, c->arg[3].r).v : 0;
    long double alpha = first ? num_param(p.kind, c->arg[4].r).v : 1;
    int parts = p.complex ? 2 : 1;
    for (int64_t at = 0; at < out->n; at++) {
        struct value x = one(&p, at / (m * n), at / n % m, at % n);
        int64_t from = first ? oracle_broadcast(add, &out->shape, at) : 0;
        for (int part = 0; part < parts; part++)
            num_put(out, at * parts + part,
                    join(&p, &x, part, alpha, beta, first ? add->v[from * parts + part] : 0));
    }
}

void oracle_mm(struct oracle_call *c)
{
    product(c, 0);
}
void oracle_bmm(struct oracle_call *c)
{
    product(c, 0);
}
void oracle_mv(struct oracle_call *c)
{
    product(c, 0);
}
void oracle_dot(struct oracle_call *c)
{
    product(c, 0);
}
void oracle_addmm(struct oracle_call *c)
{
    product(c, 1);
}
void oracle_baddbmm(struct oracle_call *c)
{
    product(c, 1);
}
