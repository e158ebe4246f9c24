/* view_overlap.c - whether strided views share an element: a bounded linear equation.
 *
 *   sum of stride[i] * x[i] = target,   0 <= x[i] <= bound[i]
 *
 * Two views share a byte when offset + strides * x of one equals that of the other; with
 * y -> bound - y on one side all strides are positive. The terms are sorted by stride, largest
 * first, and tried in turn: of a term only the values that the smaller terms can complete, by size
 * and by their common divisor, are visited. When the smaller terms reach every multiple of their
 * divisor (as those of a dense view do), the answer is known without a visit.
 */
#include "store/base/view.h"

typedef __int128 wide; /* products of sums of two extents */

enum { TERMS = 2 * VIEW_DIMS + 2 };

struct equation {
    int n;
    wide stride[TERMS], bound[TERMS];
    /* Of the terms from i on: largest sum, common divisor (0 for none), and whether every multiple
     * of it up to the largest sum can be had. */
    wide reach[TERMS + 1], divisor[TERMS + 1];
    bool full[TERMS + 1];
    int steps; /* left */
};

static wide divisor_of(wide a, wide b)
{
    while (b) {
        wide r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* Keeps the terms sorted, largest stride first, and equal strides as one term. */
static void add_term(struct equation *e, wide stride, wide bound)
{
    int i = 0;
    if (bound == 0) return;
    while (i < e->n && e->stride[i] > stride) i++;
    if (i < e->n && e->stride[i] == stride) {
        e->bound[i] += bound;
        return;
    }
    for (int k = e->n++; k > i; k--) {
        e->stride[k] = e->stride[k - 1];
        e->bound[k] = e->bound[k - 1];
    }
    e->stride[i] = stride;
    e->bound[i] = bound;
}

static void prepare(struct equation *e)
{
    e->steps = VIEW_OVERLAP_STEPS;
    e->reach[e->n] = e->divisor[e->n] = 0;
    e->full[e->n] = true;
    for (int i = e->n - 1; i >= 0; i--) {
        wide below = e->divisor[i + 1], s = e->stride[i];
        e->reach[i] = e->reach[i + 1] + s * e->bound[i];
        e->divisor[i] = divisor_of(s, below);
        e->full[i] =
            e->full[i + 1] && (below == 0 || (s % below == 0 && s <= e->reach[i + 1] + below));
    }
}

/* x with a * x = 1 modulo m, for coprime a and m > 1. */
static wide inverse(wide a, wide m)
{
    wide r0 = m, r1 = a % m, t0 = 0, t1 = 1;
    while (r1) {
        wide q = r0 / r1, r = r0 - q * r1, t = t0 - q * t1;
        r0 = r1;
        r1 = r;
        t0 = t1;
        t1 = t;
    }
    return t0 < 0 ? t0 + m : t0;
}

/* The values of term i that leave a multiple of the smaller terms' divisor: first and distance. */
static wide first_value(const struct equation *e, int i, wide target, wide low, wide *distance)
{
    wide below = e->divisor[i + 1], g = e->divisor[i], m = *distance = below ? below / g : 1;
    if (m == 1) return low;
    wide x = target / g % m * inverse(e->stride[i] / g, m) % m;
    wide ahead = (x - low % m) % m;
    return low + (ahead < 0 ? ahead + m : ahead);
}

static enum view_overlap search(struct equation *e, int i, wide target)
{
    wide distance;
    if (target < 0 || target > e->reach[i]) return VIEW_APART;
    if (e->divisor[i] && target % e->divisor[i]) return VIEW_APART;
    if (e->full[i]) return VIEW_OVERLAPS;
    wide s = e->stride[i], short_of = target - e->reach[i + 1];
    wide low = short_of > 0 ? (short_of + s - 1) / s : 0;
    wide high = target / s < e->bound[i] ? target / s : e->bound[i];
    for (wide x = first_value(e, i, target, low, &distance); x <= high; x += distance) {
        if (e->steps-- <= 0) return VIEW_MAY_OVERLAP;
        enum view_overlap found = search(e, i + 1, target - s * x);
        if (found != VIEW_APART) return found;
    }
    return VIEW_APART;
}

static enum view_overlap solve(struct equation *e, wide target)
{
    prepare(e);
    return search(e, 0, target);
}

/* Two indices that differ first in dimension `first`, by 1 + x there and by -bound to +bound in the
 * later ones. */
static enum view_overlap overlap_from(const struct view *v, int first)
{
    struct equation e = {0};
    wide target = -(wide)v->stride[first];
    add_term(&e, v->stride[first], v->shape.size[first] - 2);
    for (int d = first + 1; d < v->shape.n; d++) {
        wide bound = v->shape.size[d] - 1;
        target += v->stride[d] * bound;
        add_term(&e, v->stride[d], 2 * bound);
    }
    return solve(&e, target);
}

/* Each stride steps over all that the smaller ones reach: so it is in cuts of dense views. */
static bool is_nested(const struct view *v)
{
    struct equation e = {0};
    int n = 0;
    for (int d = 0; d < v->shape.n; d++) {
        n += v->shape.size[d] > 1;
        add_term(&e, v->stride[d], v->shape.size[d] - 1);
    }
    prepare(&e);
    for (int i = 0; i < e.n; i++)
        if (e.stride[i] <= e.reach[i + 1]) return false;
    return e.n == n;
}

enum view_overlap view_overlap_self(const struct view *v)
{
    enum view_overlap all = VIEW_APART;
    if (view_count(v) == 0) return VIEW_APART;
    for (int d = 0; d < v->shape.n; d++)
        if (v->shape.size[d] > 1 && v->stride[d] == 0) return VIEW_OVERLAPS;
    if (is_nested(v)) return VIEW_APART;
    for (int d = 0; d < v->shape.n; d++) {
        if (v->shape.size[d] == 1) continue;
        enum view_overlap one = overlap_from(v, d);
        if (one == VIEW_OVERLAPS) return one;
        if (one == VIEW_MAY_OVERLAP) all = one;
    }
    return all;
}

/* The bytes of a view as terms; returns the largest distance from its first byte. */
static wide add_bytes(struct equation *e, const struct view *v)
{
    wide size = (wide)dtype_size(v->dtype), reach = size - 1;
    add_term(e, 1, size - 1);
    for (int d = 0; d < v->shape.n; d++) {
        wide bound = v->shape.size[d] - 1;
        if (v->stride[d] == 0) continue;
        add_term(e, v->stride[d] * size, bound);
        reach += v->stride[d] * size * bound;
    }
    return reach;
}

enum view_overlap view_overlap(const struct view *a, const struct view *b)
{
    struct equation e = {0};
    if (view_count(a) == 0 || view_count(b) == 0) return VIEW_APART;
    add_bytes(&e, a);
    wide reach = add_bytes(&e, b);
    wide from = (wide)a->offset * (wide)dtype_size(a->dtype);
    wide to = (wide)b->offset * (wide)dtype_size(b->dtype);
    return solve(&e, to - from + reach);
}
