/* oracle_sort.c - sort and topk: the place of an element is how many come before it. */
#include <math.h>

#include "kernels/oracle.h"

/* NaN above all, +0 above -0; of equals the earlier one comes first either way. */
static bool comes_before(long double a, int64_t at_a, long double b, int64_t at_b, bool descending)
{
    bool same = (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
    bool below = isnan(b) ? !isnan(a) : a == b ? signbit(a) && !signbit(b) : a < b;
    return same ? at_a < at_b : below != descending;
}

static void place_all(struct oracle_call *c, int64_t dim, bool descending)
{
    const struct oracle_array *x = c->arg[0].a;
    struct oracle_array *y = &c->out[0], *index = &c->out[1];
    struct oracle_rows r = oracle_rows(&x->shape, x->shape.n ? (int)dim : 0);
    int64_t kept = y->shape.n ? oracle_rows(&y->shape, (int)dim).size : y->n;
    for (int64_t row = 0; row < r.n_outer * r.n_inner; row++) {
        int64_t outer = row / r.n_inner, inner = row % r.n_inner;
        for (int64_t k = 0; k < r.size; k++) {
            long double v = x->v[(outer * r.size + k) * r.n_inner + inner];
            int64_t place = 0;
            for (int64_t j = 0; j < r.size; j++)
                place += comes_before(x->v[(outer * r.size + j) * r.n_inner + inner], j, v, k,
                                      descending);
            if (place >= kept) continue;
            y->v[(outer * kept + place) * r.n_inner + inner] = v;
            index->v[(outer * kept + place) * r.n_inner + inner] = (long double)k;
        }
    }
}

oracle_fn oracle_sort, oracle_sort_stable, oracle_topk;
void oracle_sort(struct oracle_call *c)
{
    place_all(c, c->arg[1].i, c->arg[2].i);
}
void oracle_sort_stable(struct oracle_call *c)
{
    place_all(c, c->arg[2].i, c->arg[3].i);
}
void oracle_topk(struct oracle_call *c)
{
    place_all(c, c->arg[2].i, c->arg[3].i);
}
