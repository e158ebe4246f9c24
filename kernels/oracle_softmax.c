/* oracle_softmax.c - oracles of softmax, log-softmax and their gradients, row by row. Errors are
 * carried along the steps that nests do (oracle_num.h). */
#include "kernels/oracle_num.h"

oracle_fn oracle__softmax, oracle__log_softmax, oracle__softmax_backward_data,
    oracle__log_softmax_backward_data;

struct row {
    struct num_kind kind;
    int64_t first, n, step; /* elements */
};
typedef void row_fn(struct oracle_call *c, const struct row *r);

static void each_row(struct oracle_call *c, int dim_arg, row_fn *f)
{
    const struct oracle_array *x = c->arg[0].a;
    struct oracle_rows rows = oracle_rows(&x->shape, (int)c->arg[dim_arg].i);
    for (int64_t o = 0; o < rows.n_outer; o++)
        for (int64_t i = 0; i < rows.n_inner; i++) {
            struct row r = {num_kind(x->dtype), o * rows.size * rows.n_inner + i, rows.size,
                            rows.n_inner};
            f(c, &r);
        }
}

/* A NaN is the largest. */
static long double largest(const struct oracle_array *x, const struct row *r)
{
    long double m = -(long double)INFINITY;
    for (int64_t k = 0; k < r->n; k++) {
        long double v = x->v[r->first + k * r->step];
        if (isnan(v)) return v;
        if (v > m) m = v;
    }
    return m;
}

static struct num shifted(const struct oracle_array *x, const struct row *r, int64_t k,
                          long double m)
{
    return num_sub(r->kind, num_at(x, r->first + k * r->step), num_of(m));
}

static struct num sum_of_exp(const struct oracle_array *x, const struct row *r, long double m)
{
    struct num_sum s = {0};
    for (int64_t k = 0; k < r->n; k++) num_sum_add(&s, num_exp(r->kind, shifted(x, r, k, m)));
    return num_sum_end(r->kind, &s);
}

static void softmax_row(struct oracle_call *c, const struct row *r)
{
    const struct oracle_array *x = c->arg[0].a;
    long double m = largest(x, r);
    struct num sum = sum_of_exp(x, r, m);
    for (int64_t k = 0; k < r->n; k++) {
        struct num e = num_exp(r->kind, shifted(x, r, k, m));
        num_put(c->out, r->first + k * r->step, num_div(r->kind, e, sum));
    }
}

static void log_softmax_row(struct oracle_call *c, const struct row *r)
{
    const struct oracle_array *x = c->arg[0].a;
    long double m = largest(x, r);
    struct num log_sum = num_log(r->kind, sum_of_exp(x, r, m));
    for (int64_t k = 0; k < r->n; k++)
        num_put(c->out, r->first + k * r->step, num_sub(r->kind, shifted(x, r, k, m), log_sum));
}

static void softmax_backward_row(struct oracle_call *c, const struct row *r)
{
    const struct oracle_array *g = c->arg[0].a, *y = c->arg[1].a;
    struct num_sum s = {0};
    for (int64_t k = 0; k < r->n; k++) {
        int64_t i = r->first + k * r->step;
        num_sum_add(&s, num_mul(r->kind, num_at(g, i), num_at(y, i)));
    }
    struct num dot = num_sum_end(r->kind, &s);
    for (int64_t k = 0; k < r->n; k++) {
        int64_t i = r->first + k * r->step;
        struct num d = num_sub(r->kind, num_at(g, i), dot);
        num_put(c->out, i, num_mul(r->kind, d, num_at(y, i)));
    }
}

static void log_softmax_backward_row(struct oracle_call *c, const struct row *r)
{
    const struct oracle_array *g = c->arg[0].a, *y = c->arg[1].a;
    struct num_sum s = {0};
    for (int64_t k = 0; k < r->n; k++) num_sum_add(&s, num_at(g, r->first + k * r->step));
    struct num sum = num_sum_end(r->kind, &s);
    for (int64_t k = 0; k < r->n; k++) {
        int64_t i = r->first + k * r->step;
        struct num p = num_mul(r->kind, num_exp(r->kind, num_at(y, i)), sum);
        num_put(c->out, i, num_sub(r->kind, num_at(g, i), p));
    }
}

void oracle__softmax(struct oracle_call *c)
{
    each_row(c, 1, softmax_row);
}
void oracle__log_softmax(struct oracle_call *c)
{
    each_row(c, 1, log_softmax_row);
}
void oracle__softmax_backward_data(struct oracle_call *c)
{
    each_row(c, 2, softmax_backward_row);
}
void oracle__log_softmax_backward_data(struct oracle_call *c)
{
    each_row(c, 2, log_softmax_backward_row);
}
