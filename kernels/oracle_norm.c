/* oracle_norm.c - oracles of layer, RMS and batch norm and their gradients. Errors are carried
 * along the steps that nests do (oracle_num.h).
 *
 * A *group* is what is normalized together: `n` elements, element k at place(group, k). For
 * layer and RMS norm it is a row, for batch norm a channel.
 */
#include "kernels/oracle_num.h"

oracle_fn oracle_native_layer_norm, oracle_native_layer_norm_backward, oracle__fused_rms_norm,
    oracle__fused_rms_norm_backward, oracle_native_batch_norm, oracle_native_batch_norm_backward;

struct groups {
    struct num_kind kind;
    int64_t n_groups, n, n_inner; /* batch norm: n_inner elements of a channel lie together */
    bool channels;
};

static int64_t place(const struct groups *g, int64_t group, int64_t k)
{
    if (!g->channels) return group * g->n + k;
    return (k / g->n_inner * g->n_groups + group) * g->n_inner + k % g->n_inner;
}

static struct groups rows_of(const struct oracle_call *c, int input, int normalized)
{
    const struct oracle_array *x = c->arg[input].a;
    struct groups g = {num_kind(x->dtype), 1, 1, 1, false};
    int outer = x->shape.n - c->arg[normalized].n;
    for (int d = 0; d < x->shape.n; d++) *(d < outer ? &g.n_groups : &g.n) *= x->shape.size[d];
    return g;
}

static struct groups channels_of(const struct oracle_array *x)
{
    struct groups g = {num_kind(x->dtype), x->shape.size[1], x->shape.size[0], 1, true};
    for (int d = 2; d < x->shape.n; d++) g.n_inner *= x->shape.size[d];
    g.n *= g.n_inner;
    return g;
}

static const struct oracle_array *given(const struct oracle_call *c, int arg)
{
    return c->arg[arg].kind == ORACLE_NONE ? NULL : c->arg[arg].a;
}

static struct num count_of(const struct groups *g)
{
    return num_of((long double)g->n);
}

struct stats {
    struct num mean, squares, scale; /* squares: sum of (x - mean)^2; scale: 1 / deviation */
};

static struct stats stats_of(const struct groups *g, const struct oracle_array *x, int64_t group,
                             struct num eps)
{
    struct num_kind k = g->kind;
    struct num_sum sum = {0}, squares = {0};
    struct stats s;
    for (int64_t i = 0; i < g->n; i++) num_sum_add(&sum, num_at(x, place(g, group, i)));
    s.mean = num_div(k, num_sum_end(k, &sum), count_of(g));
    for (int64_t i = 0; i < g->n; i++) {
        struct num d = num_sub(k, num_at(x, place(g, group, i)), s.mean);
        num_sum_add(&squares, num_mul(k, d, d));
    }
    s.squares = num_sum_end(k, &squares);
    s.scale = num_rsqrt(k, num_add(k, num_div(k, s.squares, count_of(g)), eps));
    return s;
}

/* ((x - mean) scale) w + b, of which any of w and b may be absent; their element is `at`. */
static struct num normal(const struct groups *g, struct num x, const struct stats *s,
                         const struct oracle_array *w, const struct oracle_array *b, int64_t at)
{
    struct num_kind k = g->kind;
    struct num y = num_mul(k, num_sub(k, x, s->mean), s->scale);
    if (w && b) return num_fma(k, y, num_at(w, at), num_at(b, at));
    if (w) return num_mul(k, y, num_at(w, at));
    return b ? num_add(k, y, num_at(b, at)) : y;
}

/* ---- layer norm ---- */

void oracle_native_layer_norm(struct oracle_call *c)
{
    struct groups g = rows_of(c, 0, 1);
    const struct oracle_array *x = c->arg[0].a, *w = given(c, 2), *b = given(c, 3);
    struct num eps = num_param(g.kind, c->arg[4].r);
    for (int64_t r = 0; r < g.n_groups; r++) {
        struct stats s = stats_of(&g, x, r, eps);
        num_put(&c->out[1], r, s.mean);
        num_put(&c->out[2], r, s.scale);
        for (int64_t i = 0; i < g.n; i++)
            num_put(&c->out[0], r * g.n + i, normal(&g, num_at(x, r * g.n + i), &s, w, b, i));
    }
}

/* What the gradient of a row or channel is made of. */
struct grads {
    const struct groups *g;
    const struct oracle_array *grad, *x, *w;
};

static struct num unit(const struct grads *p, int64_t at, const struct stats *s, bool centred)
{
    struct num x = num_at(p->x, at);
    if (centred) x = num_sub(p->g->kind, x, s->mean);
    return num_mul(p->g->kind, x, s->scale);
}

static struct num weighted(const struct grads *p, int64_t at, int64_t column)
{
    struct num h = num_at(p->grad, at);
    return p->w ? num_mul(p->g->kind, h, num_at(p->w, column)) : h;
}

/* (h - sum(h)/n - x' sum(h x')/n) scale; without the first mean where not centred. */
static void row_grad(const struct grads *p, int64_t row, const struct stats *s, bool centred,
                     struct oracle_array *out)
{
    struct num_kind k = p->g->kind;
    struct num_sum sum = {0}, dot = {0};
    int64_t n = p->g->n, first = row * n;
    for (int64_t i = 0; i < n; i++) {
        struct num h = weighted(p, first + i, i);
        num_sum_add(&sum, h);
        num_sum_add(&dot, num_mul(k, h, unit(p, first + i, s, centred)));
    }
    struct num mean = num_div(k, num_sum_end(k, &sum), count_of(p->g));
    struct num slope = num_div(k, num_sum_end(k, &dot), count_of(p->g));
    for (int64_t i = 0; i < n; i++) {
        struct num d = weighted(p, first + i, i);
        if (centred) d = num_sub(k, d, mean);
        d = num_sub(k, d, num_mul(k, unit(p, first + i, s, centred), slope));
        num_put(out, first + i, num_mul(k, d, s->scale));
    }
}

/* Over all rows of a column: sum(grad x'), or sum(grad). */
static struct num column_grad(const struct grads *p, int64_t column,
                              const struct oracle_array *mean, const struct oracle_array *scale,
                              bool times_x)
{
    struct num_sum sum = {0};
    for (int64_t r = 0; r < p->g->n_groups; r++) {
        int64_t at = r * p->g->n + column;
        struct stats s = {.scale = num_at(scale, r)};
        struct num h = num_at(p->grad, at);
        if (mean) s.mean = num_at(mean, r);
        num_sum_add(&sum, times_x ? num_mul(p->g->kind, h, unit(p, at, &s, mean != NULL)) : h);
    }
    return num_sum_end(p->g->kind, &sum);
}

void oracle_native_layer_norm_backward(struct oracle_call *c)
{
    struct groups g = rows_of(c, 1, 2);
    const struct oracle_array *mean = c->arg[3].a, *scale = c->arg[4].a;
    struct grads p = {&g, c->arg[0].a, c->arg[1].a, given(c, 5)};
    const int64_t *mask = c->arg[7].is;
    for (int64_t r = 0; mask[0] && r < g.n_groups; r++) {
        struct stats s = {.mean = num_at(mean, r), .scale = num_at(scale, r)};
        row_grad(&p, r, &s, true, &c->out[0]);
    }
    for (int64_t i = 0; i < g.n; i++) {
        if (mask[1]) num_put(&c->out[1], i, column_grad(&p, i, mean, scale, true));
        if (mask[2]) num_put(&c->out[2], i, column_grad(&p, i, mean, scale, false));
    }
}

/* ---- RMS norm ---- */

void oracle__fused_rms_norm(struct oracle_call *c)
{
    struct groups g = rows_of(c, 0, 1);
    const struct oracle_array *x = c->arg[0].a, *w = given(c, 2);
    struct num_kind k = g.kind;
    struct num eps = num_of(2 * k.u);
    if (c->arg[3].kind != ORACLE_NONE) eps = num_param(k, c->arg[3].r);
    for (int64_t r = 0; r < g.n_groups; r++) {
        struct num_sum squares = {0};
        for (int64_t i = 0; i < g.n; i++)
            num_sum_add(&squares, num_mul(k, num_at(x, r * g.n + i), num_at(x, r * g.n + i)));
        struct num mean = num_div(k, num_sum_end(k, &squares), count_of(&g));
        struct num scale = num_rsqrt(k, num_add(k, mean, eps));
        num_put(&c->out[1], r, scale);
        for (int64_t i = 0; i < g.n; i++) {
            struct num y = num_mul(k, num_at(x, r * g.n + i), scale);
            num_put(&c->out[0], r * g.n + i, w ? num_mul(k, y, num_at(w, i)) : y);
        }
    }
}

void oracle__fused_rms_norm_backward(struct oracle_call *c)
{
    struct groups g = rows_of(c, 1, 2);
    const struct oracle_array *scale = c->arg[3].a;
    struct grads p = {&g, c->arg[0].a, c->arg[1].a, given(c, 4)};
    const int64_t *mask = c->arg[5].is;
    for (int64_t r = 0; mask[0] && r < g.n_groups; r++) {
        struct stats s = {.scale = num_at(scale, r)};
        row_grad(&p, r, &s, false, &c->out[0]);
    }
    for (int64_t i = 0; mask[1] && p.w && i < g.n; i++)
        num_put(&c->out[1], i, column_grad(&p, i, NULL, scale, true));
}

/* ---- batch norm ---- */

/* Of a channel in evaluation. */
static struct stats fixed_stats(const struct groups *g, const struct oracle_array *mean,
                                const struct oracle_array *var, int64_t channel, struct num eps)
{
    struct num v = num_add(g->kind, num_at(var, channel), eps);
    return (struct stats){.mean = num_at(mean, channel), .scale = num_rsqrt(g->kind, v)};
}

/* (1 - momentum) old + momentum now */
static void move_towards(struct num_kind k, struct oracle_array *old, int64_t at, struct num now,
                         struct num momentum)
{
    struct num kept = num_mul(k, num_sub(k, num_of(1), momentum), num_at(old, at));
    struct num next = num_add(k, kept, num_mul(k, momentum, now));
    old->v[at] = next.v;
    if (old->mag) old->mag[at] = next.e;
}

void oracle_native_batch_norm(struct oracle_call *c)
{
    enum { INPUT, WEIGHT, BIAS, MEAN, VAR, TRAINING, MOMENTUM, EPS };
    const struct oracle_array *x = c->arg[INPUT].a, *w = given(c, WEIGHT), *b = given(c, BIAS);
    struct groups g = channels_of(x);
    struct num_kind k = g.kind;
    struct num eps = num_param(k, c->arg[EPS].r), momentum = num_param(k, c->arg[MOMENTUM].r);
    bool training = c->arg[TRAINING].i;
    for (int64_t ch = 0; ch < g.n_groups; ch++) {
        struct stats s = training ? stats_of(&g, x, ch, eps)
                                  : fixed_stats(&g, given(c, MEAN), given(c, VAR), ch, eps);
        for (int64_t i = 0; i < g.n; i++) {
            int64_t at = place(&g, ch, i);
            num_put(&c->out[0], at, normal(&g, num_at(x, at), &s, w, b, ch));
        }
        if (!training) continue;
        num_put(&c->out[1], ch, s.mean);
        num_put(&c->out[2], ch, s.scale);
        if (!given(c, MEAN)) continue;
        move_towards(k, c->arg[MEAN].a, ch, s.mean, momentum);
        struct num var = num_div(k, s.squares, num_of((long double)g.n - 1));
        move_towards(k, c->arg[VAR].a, ch, var, momentum);
    }
}

/* One channel: sums over it, then its elements. */
static void channel_grad(struct oracle_call *c, const struct grads *p, int64_t ch,
                         const struct stats *s, bool train)
{
    struct num_kind k = p->g->kind;
    struct num_sum sum = {0}, dot = {0};
    const int64_t *mask = c->arg[9].is;
    int64_t n = p->g->n;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = place(p->g, ch, i);
        num_sum_add(&sum, num_at(p->grad, at));
        num_sum_add(&dot, num_mul(k, num_at(p->grad, at), unit(p, at, s, true)));
    }
    struct num all = num_sum_end(k, &sum), slope = num_sum_end(k, &dot);
    if (mask[1]) num_put(&c->out[1], ch, slope);
    if (mask[2]) num_put(&c->out[2], ch, all);
    all = num_div(k, all, count_of(p->g));
    slope = num_div(k, slope, count_of(p->g));
    for (int64_t i = 0; mask[0] && i < n; i++) {
        int64_t at = place(p->g, ch, i);
        struct num d = num_at(p->grad, at);
        if (train) {
            d = num_sub(k, d, all);
            d = num_sub(k, d, num_mul(k, unit(p, at, s, true), slope));
        }
        d = num_mul(k, d, s->scale);
        num_put(&c->out[0], at, p->w ? num_mul(k, d, num_at(p->w, ch)) : d);
    }
}

void oracle_native_batch_norm_backward(struct oracle_call *c)
{
    enum { GRAD, INPUT, WEIGHT, MEAN, VAR, SAVE_MEAN, SAVE_INVSTD, TRAIN, EPS };
    struct groups g = channels_of(c->arg[INPUT].a);
    struct grads p = {&g, c->arg[GRAD].a, c->arg[INPUT].a, given(c, WEIGHT)};
    struct num eps = num_param(g.kind, c->arg[EPS].r);
    bool train = c->arg[TRAIN].i;
    for (int64_t ch = 0; ch < g.n_groups; ch++) {
        struct stats s;
        if (train) {
            s = (struct stats){.mean = num_at(c->arg[SAVE_MEAN].a, ch),
                               .scale = num_at(c->arg[SAVE_INVSTD].a, ch)};
        } else {
            s = fixed_stats(&g, c->arg[MEAN].a, c->arg[VAR].a, ch, eps);
        }
        channel_grad(c, &p, ch, &s, train);
    }
}
