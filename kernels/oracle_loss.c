/* oracle_loss.c - oracles of losses and their gradients. Errors are carried along the steps that
 * nests do (oracle_num.h). */
#include "kernels/oracle_num.h"

oracle_fn oracle_nll_loss_forward, oracle_nll_loss_backward, oracle_mse_loss,
    oracle_mse_loss_backward;

enum { REDUCE_NONE, REDUCE_MEAN, REDUCE_SUM };

/* ---- negative log likelihood: [self, target, weight, reduction, ignore_index] from arg[first]
 * ---- */

struct nll {
    struct oracle_call *refuses; /* a class out of range; NULL: it counts as none */
    struct num_kind kind;
    const struct oracle_array *x, *target, *weight;
    int64_t reduction, ignored, n_classes, n_rows;
};

static struct nll nll_of(struct oracle_call *c, int first)
{
    const struct oracle_value *a = c->arg + first;
    const struct view_shape *s = &a[0].a->shape;
    return (struct nll){first ? NULL : c,
                        num_kind(a[0].a->dtype),
                        a[0].a,
                        a[1].a,
                        a[2].kind == ORACLE_NONE ? NULL : a[2].a,
                        a[3].i,
                        a[4].i,
                        s->size[s->n - 1],
                        s->n == 2 ? s->size[0] : 1};
}

/* The class that counts in a row; -1: none. */
static int64_t class_of(const struct nll *p, int64_t row)
{
    int64_t t = (int64_t)p->target->v[row];
    if (t == p->ignored) return -1;
    if (p->refuses) return oracle_position(p->refuses, 1, p->target->v[row], p->n_classes);
    return t < 0 || t >= p->n_classes ? -1 : t;
}

static struct num weight_of(const struct nll *p, int64_t class)
{
    if (class < 0) return num_of(0);
    return p->weight ? num_at(p->weight, class) : num_of(1);
}

static struct num loss_of(const struct nll *p, int64_t row)
{
    int64_t class = class_of(p, row);
    if (class < 0) return num_of(0);
    struct num x = num_at(p->x, row * p->n_classes + class);
    struct num l = p->weight ? num_mul(p->kind, x, weight_of(p, class)) : x;
    return (struct num){-l.v, l.e};
}

void oracle_nll_loss_forward(struct oracle_call *c)
{
    struct nll p = nll_of(c, 0);
    struct num_sum losses = {0}, weights = {0};
    for (int64_t r = 0; r < p.n_rows; r++) {
        struct num l = loss_of(&p, r);
        if (p.reduction == REDUCE_NONE) num_put(&c->out[0], r, l);
        num_sum_add(&losses, l);
        num_sum_add(&weights, weight_of(&p, class_of(&p, r)));
    }
    struct num loss = num_sum_end(p.kind, &losses), total = num_sum_end(p.kind, &weights);
    if (!p.weight) total.e = 0; /* a count */
    if (p.reduction == REDUCE_MEAN) loss = num_div(p.kind, loss, total);
    if (p.reduction != REDUCE_NONE) num_put(&c->out[0], 0, loss);
    num_put(&c->out[1], 0, p.reduction == REDUCE_NONE ? num_of(0) : total);
}

void oracle_nll_loss_backward(struct oracle_call *c)
{
    struct nll p = nll_of(c, 1);
    const struct oracle_array *g = c->arg[0].a, *total = c->arg[6].a;
    for (int64_t i = 0; i < c->out->n; i++) num_put(c->out, i, num_of(0));
    for (int64_t r = 0; r < p.n_rows; r++) {
        int64_t class = class_of(&p, r);
        if (class < 0) continue;
        struct num d = num_at(g, p.reduction == REDUCE_NONE ? r : 0);
        if (p.reduction == REDUCE_MEAN) d = num_div(p.kind, d, num_at(total, 0));
        if (p.weight) d = num_mul(p.kind, d, weight_of(&p, class));
        num_put(c->out, r * p.n_classes + class, (struct num){-d.v, d.e});
    }
}

/* ---- squared error ---- */

static struct num difference(struct num_kind k, const struct oracle_array *a,
                             const struct oracle_array *b, const struct view_shape *s, int64_t i)
{
    return num_sub(k, num_at(a, oracle_broadcast(a, s, i)), num_at(b, oracle_broadcast(b, s, i)));
}

/* The shape that both broadcast to. */
static struct view_shape common(const struct oracle_array *a, const struct oracle_array *b)
{
    const struct oracle_array *large = a->shape.n >= b->shape.n ? a : b;
    const struct oracle_array *small = large == a ? b : a;
    struct view_shape s = large->shape;
    int shift = large->shape.n - small->shape.n;
    for (int d = 0; d < small->shape.n; d++)
        if (s.size[d + shift] == 1) s.size[d + shift] = small->shape.size[d];
    return s;
}

void oracle_mse_loss(struct oracle_call *c)
{
    const struct oracle_array *a = c->arg[0].a, *b = c->arg[1].a;
    struct num_kind k = num_kind(c->out->dtype);
    struct view_shape s = common(a, b);
    struct num_sum sum = {0};
    int64_t n = 1;
    for (int d = 0; d < s.n; d++) n *= s.size[d];
    for (int64_t i = 0; i < n; i++) {
        struct num d = difference(k, a, b, &s, i), square = num_mul(k, d, d);
        if (c->arg[2].i == REDUCE_NONE) num_put(c->out, i, square);
        else num_sum_add(&sum, square);
    }
    if (c->arg[2].i == REDUCE_NONE) return;
    struct num r = num_sum_end(k, &sum);
    num_put(c->out, 0, c->arg[2].i == REDUCE_MEAN ? num_div(k, r, num_of((long double)n)) : r);
}

void oracle_mse_loss_backward(struct oracle_call *c)
{
    const struct oracle_array *g = c->arg[0].a, *a = c->arg[1].a, *b = c->arg[2].a;
    struct num_kind k = num_kind(c->out->dtype);
    const struct view_shape *s = &c->out->shape;
    for (int64_t i = 0; i < c->out->n; i++) {
        struct num d = difference(k, a, b, s, i);
        d = num_mul(k, (struct num){2 * d.v, 2 * d.e}, num_at(g, oracle_broadcast(g, s, i)));
        if (c->arg[3].i == REDUCE_MEAN) d = num_div(k, d, num_of((long double)c->out->n));
        num_put(c->out, i, d);
    }
}
