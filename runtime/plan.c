/* plan.c - making plans of loop nests. */
#include "runtime/plan.h"

#include <string.h>

void plan_begin(struct plan_space *s, struct nest_plan *plan, const struct view_shape *shape,
                unsigned inner)
{
    memset(plan, 0, sizeof *plan);
    *s = (struct plan_space){.plan = plan, .shape = *shape};
    if (!shape->n) s->shape = (struct view_shape){.n = 1, .size = {1}};
    for (int pass = 0; pass < 2; pass++)
        for (int d = 0; d < s->shape.n; d++) {
            if ((int)(inner >> d & 1) != pass) continue;
            int loop = plan->n_outer + plan->n_inner;
            s->dim[loop] = d;
            plan->size[loop] = s->shape.size[d];
            *(pass ? &plan->n_inner : &plan->n_outer) += 1;
        }
}

struct nest_lie *plan_add_at(struct plan_space *s, const struct view *v, int first)
{
    struct nest_lie *l = &s->plan->lie[s->plan->n_arrays++];
    for (int i = 0; i < s->plan->n_outer + s->plan->n_inner; i++) {
        int d = s->dim[i] - first;
        bool varies = d >= 0 && d < v->shape.n && v->shape.size[d] != 1;
        l->stride[i] = varies ? v->stride[d] : 0;
    }
    return l;
}

struct nest_lie *plan_add(struct plan_space *s, const struct view *v)
{
    return plan_add_at(s, v, s->shape.n - v->shape.n);
}

struct nest_lie *plan_add_dense(struct plan_space *s, const struct view_shape *shape, int first)
{
    struct view v = {.shape = *shape};
    int64_t n = 1;
    for (int d = shape->n - 1; d >= 0; d--) {
        v.stride[d] = n;
        n *= shape->size[d] ? shape->size[d] : 1;
    }
    return plan_add_at(s, &v, first);
}

struct nest_lie *plan_add_indexed(struct plan_space *s, const struct view *v, int indexed)
{
    int i = s->plan->n_arrays++;
    struct nest_lie *l = &s->plan->lie[i];
    l->index_stride[0] = v->stride[indexed];
    l->index_size[0] = v->shape.size[indexed];
    s->plan->n_indexed[i] = 1;
    return l;
}
