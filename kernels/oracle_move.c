/* oracle_move.c - moving elements: every result from where its element comes from. */
#include <math.h>
#include <string.h>

#include "kernels/oracle.h"

static int parts_of(const struct oracle_array *a)
{
    return dtype_kind(a->dtype) == DTYPE_COMPLEX ? 2 : 1;
}

/* Element `from` of x becomes element `to` of y. */
static void move(struct oracle_array *y, int64_t to, const struct oracle_array *x, int64_t from)
{
    int py = parts_of(y), px = parts_of(x);
    for (int p = 0; p < py; p++) y->v[to * py + p] = p < px ? x->v[from * px + p] : 0;
}

static void coordinates(const struct view_shape *s, int64_t at, int64_t out[VIEW_DIMS])
{
    for (int d = s->n - 1; d >= 0; d--) {
        out[d] = at % s->size[d];
        at /= s->size[d];
    }
}
static int64_t index_of(const struct view_shape *s, const int64_t at[VIEW_DIMS])
{
    int64_t index = 0;
    for (int d = 0; d < s->n; d++) index = index * s->size[d] + at[d];
    return index;
}
static int dim_of(int64_t d, int n)
{
    return (int)(d < 0 ? d + (n ? n : 1) : d);
}

/* ---- whole tensors ---- */

oracle_fn oracle_clone, oracle_flip, oracle_repeat, oracle_tril, oracle_triu;
void oracle_clone(struct oracle_call *c)
{
    for (int64_t i = 0; i < c->out[0].n; i++) move(&c->out[0], i, c->arg[0].a, i);
}

void oracle_flip(struct oracle_call *c)
{
    const struct oracle_array *x = c->arg[0].a;
    for (int64_t i = 0; i < x->n; i++) {
        int64_t at[VIEW_DIMS];
        coordinates(&x->shape, i, at);
        for (int k = 0; k < c->arg[1].n && x->shape.n; k++) {
            int d = dim_of(c->arg[1].is[k], x->shape.n);
            at[d] = x->shape.size[d] - 1 - at[d];
        }
        move(&c->out[0], index_of(&x->shape, at), x, i);
    }
}

void oracle_repeat(struct oracle_call *c)
{
    const struct oracle_array *x = c->arg[0].a;
    struct oracle_array *y = &c->out[0];
    int lead = y->shape.n - x->shape.n;
    for (int64_t i = 0; i < y->n; i++) {
        int64_t at[VIEW_DIMS], from[VIEW_DIMS];
        coordinates(&y->shape, i, at);
        for (int d = 0; d < x->shape.n; d++) from[d] = at[lead + d] % x->shape.size[d];
        move(y, i, x, index_of(&x->shape, from));
    }
}

static void triangle(struct oracle_call *c, bool upper)
{
    const struct oracle_array *x = c->arg[0].a;
    int n = x->shape.n;
    for (int64_t i = 0; i < x->n; i++) {
        int64_t at[VIEW_DIMS];
        coordinates(&x->shape, i, at);
        int64_t diagonal = at[n - 1] - at[n - 2];
        bool kept = upper ? diagonal >= c->arg[1].i : diagonal <= c->arg[1].i;
        if (kept) move(&c->out[0], i, x, i);
    }
}
void oracle_tril(struct oracle_call *c)
{
    triangle(c, false);
}
void oracle_triu(struct oracle_call *c)
{
    triangle(c, true);
}

oracle_fn oracle_cat, oracle_stack;
void oracle_cat(struct oracle_call *c)
{
    struct oracle_array *y = &c->out[0];
    int d = dim_of(c->arg[1].i, y->shape.n);
    int64_t begin = 0;
    for (int k = 0; k < c->arg[0].n; k++) {
        const struct oracle_array *x = &c->arg[0].a[k];
        if (x->shape.n == 1 && !x->n) continue;
        for (int64_t i = 0; i < x->n; i++) {
            int64_t at[VIEW_DIMS];
            coordinates(&x->shape, i, at);
            at[d] += begin;
            move(y, index_of(&y->shape, at), x, i);
        }
        begin += x->shape.size[d];
    }
}

void oracle_stack(struct oracle_call *c)
{
    struct oracle_array *y = &c->out[0];
    int d = dim_of(c->arg[1].i, y->shape.n);
    for (int k = 0; k < c->arg[0].n; k++) {
        const struct oracle_array *x = &c->arg[0].a[k];
        for (int64_t i = 0; i < x->n; i++) {
            int64_t at[VIEW_DIMS], to[VIEW_DIMS];
            coordinates(&x->shape, i, at);
            for (int e = 0; e < y->shape.n; e++) to[e] = e < d ? at[e] : e == d ? k : at[e - 1];
            move(y, index_of(&y->shape, to), x, i);
        }
    }
}

/* ---- parts put back ---- */

oracle_fn oracle_slice_backward, oracle_select_backward;
void oracle_slice_backward(struct oracle_call *c)
{
    const struct oracle_array *g = c->arg[0].a;
    struct oracle_array *y = &c->out[0];
    int d = dim_of(c->arg[2].i, y->shape.n);
    int64_t size = y->shape.size[d], start = c->arg[3].i;
    start = start < 0 ? start + size : start;
    start = start < 0 ? 0 : start > size ? size : start;
    for (int64_t i = 0; i < g->n; i++) {
        int64_t at[VIEW_DIMS];
        coordinates(&g->shape, i, at);
        at[d] = start + at[d] * c->arg[5].i;
        move(y, index_of(&y->shape, at), g, i);
    }
}

void oracle_select_backward(struct oracle_call *c)
{
    const struct oracle_array *g = c->arg[0].a;
    struct oracle_array *y = &c->out[0];
    int d = dim_of(c->arg[2].i, y->shape.n);
    int64_t chosen = c->arg[3].i < 0 ? c->arg[3].i + y->shape.size[d] : c->arg[3].i;
    for (int64_t i = 0; i < g->n; i++) {
        int64_t at[VIEW_DIMS], to[VIEW_DIMS];
        coordinates(&g->shape, i, at);
        for (int e = 0; e < y->shape.n; e++) to[e] = e < d ? at[e] : e == d ? chosen : at[e - 1];
        move(y, index_of(&y->shape, to), g, i);
    }
}

oracle_fn oracle_diagonal_backward;
void oracle_diagonal_backward(struct oracle_call *c)
{
    const struct oracle_array *g = c->arg[0].a;
    struct oracle_array *y = &c->out[0];
    int a = dim_of(c->arg[3].i, y->shape.n), b = dim_of(c->arg[4].i, y->shape.n);
    int64_t offset = c->arg[2].i;
    for (int64_t i = 0; i < g->n; i++) {
        int64_t at[VIEW_DIMS], to[VIEW_DIMS];
        coordinates(&g->shape, i, at);
        int64_t k = at[g->shape.n - 1];
        for (int d = 0, next = 0; d < y->shape.n; d++)
            to[d] = d == a   ? k + (offset < 0 ? -offset : 0)
                    : d == b ? k + (offset > 0 ? offset : 0)
                             : at[next++];
        move(y, index_of(&y->shape, to), g, i);
    }
}

oracle_fn oracle_roll, oracle_constant_pad_nd;
void oracle_roll(struct oracle_call *c)
{
    const struct oracle_array *x = c->arg[0].a;
    for (int64_t i = 0; i < x->n; i++) {
        int64_t at[VIEW_DIMS] = {0}, to = i;
        coordinates(&x->shape, i, at);
        for (int k = 0; k < c->arg[2].n; k++) {
            int d = dim_of(c->arg[2].is[k], x->shape.n);
            int64_t size = x->shape.size[d];
            at[d] = ((at[d] + c->arg[1].is[k] % size) % size + size) % size;
        }
        if (c->arg[2].n) to = index_of(&x->shape, at);
        else to = ((i + c->arg[1].is[0] % x->n) % x->n + x->n) % x->n;
        move(&c->out[0], to, x, i);
    }
}

void oracle_constant_pad_nd(struct oracle_call *c)
{
    const struct oracle_array *x = c->arg[0].a;
    struct oracle_array *y = &c->out[0];
    long double value =
        y->dtype == DTYPE_B8 ? c->arg[2].r != 0 : oracle_round(y->dtype, c->arg[2].r);
    for (int64_t i = 0; i < y->n; i++) {
        int64_t at[VIEW_DIMS] = {0};
        bool inside = true;
        coordinates(&y->shape, i, at);
        for (int k = 0; k < c->arg[1].n / 2; k++) {
            int d = y->shape.n - 1 - k;
            at[d] -= c->arg[1].is[2 * k];
            inside = inside && at[d] >= 0 && at[d] < x->shape.size[d];
        }
        if (inside) move(y, i, x, index_of(&x->shape, at));
        else y->v[i * parts_of(y)] = value;
    }
}

/* ---- by index ---- */

/* Where element `i` of the index, argument 2, along `dim` points to in x; -1 outside. */
static int64_t pointed(struct oracle_call *c, const struct oracle_array *x, int dim, int64_t i)
{
    const struct oracle_array *index = c->arg[2].a;
    int64_t at[VIEW_DIMS] = {0};
    int64_t to = oracle_position(c, 2, index->v[i], x->shape.n ? x->shape.size[dim] : 1);
    if (to < 0) return -1;
    coordinates(&index->shape, i, at);
    if (x->shape.n) at[dim] = to;
    return index_of(&x->shape, at);
}

/* Row at[dim] of the index, argument 2, in place of at[dim] itself; false outside. */
static bool point_row(struct oracle_call *c, const struct view_shape *s, int dim,
                      int64_t at[VIEW_DIMS])
{
    int64_t to = oracle_position(c, 2, c->arg[2].a->v[at[dim]], s->n ? s->size[dim] : 1);
    at[dim] = to;
    return to >= 0;
}

oracle_fn oracle_gather, oracle_index_select;
void oracle_gather(struct oracle_call *c)
{
    const struct oracle_array *x = c->arg[0].a, *index = c->arg[2].a;
    int d = dim_of(c->arg[1].i, x->shape.n);
    for (int64_t i = 0; i < index->n; i++) {
        int64_t from = pointed(c, x, d, i);
        if (from >= 0) move(&c->out[0], i, x, from);
    }
}

void oracle_index_select(struct oracle_call *c)
{
    const struct oracle_array *x = c->arg[0].a;
    struct oracle_array *y = &c->out[0];
    int d = dim_of(c->arg[1].i, x->shape.n);
    for (int64_t i = 0; i < y->n; i++) {
        int64_t at[VIEW_DIMS] = {0};
        coordinates(&y->shape, i, at);
        if (point_row(c, &x->shape, d, at)) move(y, i, x, index_of(&x->shape, at));
    }
}

/* Adds; integers wrap. mag gathers |terms| and is scaled by the number of terms at the end. */
static void add(struct oracle_array *y, int64_t to, const long double *term, long double by)
{
    int parts = parts_of(y);
    bool whole = dtype_is_integer(y->dtype) || y->dtype == DTYPE_B8;
    for (int p = 0; p < parts; p++) {
        long double *v = &y->v[to * parts + p], *mag = &y->mag[to * parts + p];
        if (*mag < 0) *mag = fabsl(*v);
        if (y->dtype == DTYPE_B8) *v = *v != 0 || term[p] != 0;
        else if (whole) {
            uint64_t sum = (*v < 0 ? -(uint64_t) - *v : (uint64_t)*v) +
                           (term[p] < 0 ? -(uint64_t)-term[p] : (uint64_t)term[p]) *
                               (by < 0 ? -(uint64_t)-by : (uint64_t)by);
            int64_t back = 0;
            unsigned char bytes[8] = {0};
            dtype_cast(DTYPE_U64, &sum, y->dtype, bytes, 1);
            dtype_load_i64(y->dtype, bytes, 1, &back);
            *v = y->dtype == DTYPE_U64 ? (long double)(uint64_t)back : (long double)back;
        } else { /* a term that is scaled is rounded before it is added */
            long double t = by == 1 ? term[p] : oracle_round(y->dtype, term[p] * by);
            *v += t;
            *mag += 2 * fabsl(t);
        }
    }
}
static void finish(struct oracle_array *y, int64_t n_terms)
{
    int64_t n = y->n * parts_of(y);
    bool whole = dtype_is_integer(y->dtype) || y->dtype == DTYPE_B8;
    for (int64_t i = 0; i < n; i++)
        y->mag[i] = whole ? -1 : y->mag[i] < 0 ? 0 : y->mag[i] * (long double)(n_terms + 1);
}

oracle_fn oracle_scatter_src, oracle_scatter_value, oracle_scatter_add, oracle_index_add;
void oracle_scatter_src(struct oracle_call *c)
{
    const struct oracle_array *index = c->arg[2].a, *src = c->arg[3].a;
    struct oracle_array *y = &c->out[0];
    int d = dim_of(c->arg[1].i, y->shape.n);
    oracle_clone(c);
    for (int64_t i = 0; i < index->n; i++) {
        int64_t at[VIEW_DIMS] = {0};
        coordinates(&index->shape, i, at);
        int64_t to = pointed(c, y, d, i);
        if (to >= 0) move(y, to, src, index_of(&src->shape, at));
    }
}

void oracle_scatter_value(struct oracle_call *c)
{
    const struct oracle_array *index = c->arg[2].a;
    struct oracle_array *y = &c->out[0];
    int d = dim_of(c->arg[1].i, y->shape.n);
    oracle_clone(c);
    for (int64_t i = 0; i < index->n; i++) {
        int64_t at = pointed(c, y, d, i) * parts_of(y);
        if (at < 0) continue;
        y->v[at] = y->dtype == DTYPE_B8 ? c->arg[3].r != 0 : oracle_round(y->dtype, c->arg[3].r);
        if (parts_of(y) == 2) y->v[at + 1] = 0;
    }
}

void oracle_scatter_add(struct oracle_call *c)
{
    const struct oracle_array *index = c->arg[2].a, *src = c->arg[3].a;
    struct oracle_array *y = &c->out[0];
    int d = dim_of(c->arg[1].i, y->shape.n);
    oracle_clone(c);
    for (int64_t i = 0; i < index->n; i++) {
        int64_t at[VIEW_DIMS] = {0};
        coordinates(&index->shape, i, at);
        int64_t to = pointed(c, y, d, i);
        if (to >= 0) add(y, to, src->v + index_of(&src->shape, at) * parts_of(src), 1);
    }
    finish(y, index->n);
}

void oracle_index_add(struct oracle_call *c)
{
    const struct oracle_array *index = c->arg[2].a, *source = c->arg[3].a;
    struct oracle_array *y = &c->out[0];
    int d = dim_of(c->arg[1].i, y->shape.n);
    oracle_clone(c);
    for (int64_t i = 0; i < source->n; i++) {
        int64_t at[VIEW_DIMS] = {0};
        coordinates(&source->shape, i, at);
        if (!point_row(c, &y->shape, d, at)) continue;
        add(y, index_of(&y->shape, at), source->v + i * parts_of(source), c->arg[4].r);
    }
    finish(y, index->n);
}

/* ---- advanced indices ---- */

/* Which element of x the point `at` of the result's space is, x[i0, :, i1, ...]; -1 outside. */
static int64_t chosen(struct oracle_call *c, const struct view_shape *x,
                      const struct view_shape *space, const int64_t at[VIEW_DIMS])
{
    int64_t from[VIEW_DIMS] = {0};
    const struct oracle_value *list = &c->arg[1];
    int given = 0, first = -1, last = -1;
    for (int d = 0; d < list->n; d++)
        if (list->a[d].v) {
            given++;
            first = first < 0 ? d : first;
            last = d;
        }
    int wide = space->n - (x->n - given), begin = last - first == given - 1 ? first : 0;
    for (int d = 0, next = 0; d < x->n; d++) {
        if (next == begin) next += wide;
        if (d >= list->n || !list->a[d].v) {
            from[d] = at[next++];
            continue;
        }
        const struct oracle_array *index = &list->a[d];
        int64_t place[VIEW_DIMS] = {0};
        for (int e = 0; e < index->shape.n; e++)
            place[e] = index->shape.size[e] == 1 ? 0 : at[begin + wide - index->shape.n + e];
        long double v = index->v[index_of(&index->shape, place)];
        if (v < 0 && v >= (long double)-x->size[d]) v += (long double)x->size[d];
        from[d] = oracle_position(c, 1, v, x->size[d]);
        if (from[d] < 0) return -1;
    }
    return index_of(x, from);
}

oracle_fn oracle_index_Tensor, oracle_index_put, oracle_index_put_;
void oracle_index_Tensor(struct oracle_call *c)
{
    const struct oracle_array *x = c->arg[0].a;
    struct oracle_array *y = &c->out[0];
    for (int64_t i = 0; i < y->n; i++) {
        int64_t at[VIEW_DIMS] = {0};
        coordinates(&y->shape, i, at);
        int64_t from = chosen(c, &x->shape, &y->shape, at);
        if (from >= 0) move(y, i, x, from);
    }
}

/* The shape that the index tensors and the rest of x make together. */
static void space_of(const struct oracle_call *c, const struct view_shape *x,
                     struct view_shape *out)
{
    struct view_shape wide = {.n = 0};
    const struct oracle_value *list = &c->arg[1];
    int given = 0, first = -1, last = -1;
    for (int d = 0; d < list->n; d++) {
        const struct view_shape *s = &list->a[d].shape;
        if (!list->a[d].v) continue;
        given++;
        first = first < 0 ? d : first;
        last = d;
        for (; wide.n < s->n; wide.n++) {
            memmove(&wide.size[1], &wide.size[0], sizeof(int64_t) * (size_t)wide.n);
            wide.size[0] = 1;
        }
        for (int e = 0; e < s->n; e++)
            if (s->size[e] != 1) wide.size[wide.n - s->n + e] = s->size[e];
    }
    int begin = last - first == given - 1 ? first : 0;
    *out = (struct view_shape){0};
    for (int d = 0, kept = 0; d <= x->n; d++) {
        if (kept == begin && out->n == kept)
            for (int e = 0; e < wide.n; e++) out->size[out->n++] = wide.size[e];
        if (d == x->n || (d < list->n && list->a[d].v)) continue;
        out->size[out->n++] = x->size[d];
        kept++;
    }
}

void oracle_index_put(struct oracle_call *c)
{
    struct oracle_array *y = &c->out[0];
    const struct oracle_array *values = c->arg[2].a;
    struct view_shape space;
    int64_t n = 1;
    for (int64_t i = 0; i < y->n; i++) move(y, i, c->arg[0].a, i);
    space_of(c, &y->shape, &space);
    for (int d = 0; d < space.n; d++) n *= space.size[d];
    for (int64_t i = 0; i < n; i++) {
        int64_t at[VIEW_DIMS] = {0};
        coordinates(&space, i, at);
        int64_t to = chosen(c, &y->shape, &space, at), from = oracle_broadcast(values, &space, i);
        if (to < 0) continue;
        if (c->arg[3].i) add(y, to, values->v + from * parts_of(values), 1);
        else move(y, to, values, from);
    }
    if (c->arg[3].i) finish(y, n);
}
void oracle_index_put_(struct oracle_call *c)
{
    oracle_index_put(c);
}
