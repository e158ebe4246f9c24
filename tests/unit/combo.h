/* combo.h - kernels made up for tests of combining, and what became of them. */
#ifndef TESTS_UNIT_COMBO_H
#define TESTS_UNIT_COMBO_H

#include "runtime/compile/combo_place.h"
#include "tests/unit/unit.h"

static inline struct combo_kernel pointwise(int64_t x)
{
    return (struct combo_kernel){.n_dims = 1, .x = x, .y = 1, .n_args = 3, .own_ns = 1000};
}
static inline struct combo_kernel reduction(int64_t x, int64_t reduced)
{
    struct combo_kernel k = pointwise(x);
    k.reduced_dims = 1;
    k.reduced = reduced;
    k.persistent = reduced <= 1024;
    k.inner = true;
    return k;
}
static inline struct combo_kernel plane(int64_t x, int64_t y)
{
    struct combo_kernel k = pointwise(x);
    k.n_dims = 2;
    k.y = y;
    return k;
}

static inline struct combo_options options(void)
{
    return (struct combo_options){.mixed_sizes = -1};
}

struct formed {
    struct arena arena;
    struct combined c;
};
static inline void form(struct formed *f, const struct combo_kernel *k, int n,
                        const struct combo_options *o)
{
    memset(f, 0, sizeof *f);
    assert_int_equal(combo_form(k, n, o, &f->arena, &f->c), ERR_OK);
}
static inline void done(struct formed *f)
{
    combo_release(&f->c);
    arena_release(&f->arena);
}
/* The group of a kernel, or -1. */
static inline int group_of(const struct combined *c, int kernel)
{
    for (size_t g = 0; g < c->group.n; g++)
        for (int i = 0; i < c->group.p[g].n_members; i++)
            if (c->group.p[g].member[i].kernel == kernel) return (int)g;
    return -1;
}
static inline bool together(const struct combined *c, int a, int b)
{
    return group_of(c, a) >= 0 && group_of(c, a) == group_of(c, b);
}
static inline bool said(const struct combined *c, int a, int b, enum combo_reason r)
{
    for (size_t i = 0; i < c->decision.n; i++) {
        const struct combo_decision *d = &c->decision.p[i];
        if (((d->a == a && d->b == b) || (d->a == b && d->b == a)) && d->reason == r)
            return d->combined == (r == COMBO_COMBINED);
    }
    return false;
}

#endif
