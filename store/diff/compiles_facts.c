/* compiles_facts.c - rows of two compiles that belong together: which came, went or changed. */
#include "store/diff/compiles_parts.h"

struct compile_change *compiles_add(struct compile_comparison *c, struct compile_pair *p,
                                    enum compile_aspect aspect, enum compile_change_kind kind)
{
    struct compile_change *d = LIST_PUSH(&c->change);
    if (!d) return NULL;
    *d = (struct compile_change){
        .aspect = aspect, .kind = kind, .counts = true, .number = (uint32_t)p->n++};
    return d;
}

static int order(struct span a, struct span b)
{
    int d = a.n && b.n ? memcmp(a.p, b.p, a.n < b.n ? a.n : b.n) : 0;
    return d ? d : (a.n > b.n) - (a.n < b.n);
}

/* A cache key hashes the version of PyTorch; a field that only one version records says nothing. */
static bool counts(enum compile_aspect aspect, enum compile_change_kind kind)
{
    bool field = aspect == COMPILE_METRIC || aspect == COMPILE_SETTING;
    return aspect != COMPILE_CACHE_KEY && !(field && kind != COMPILE_CHANGED);
}

static void fill(struct compile_change *d, const struct compile_fact *a,
                 const struct compile_fact *b)
{
    const struct compile_fact *facts[2] = {a, b};
    d->name = a ? a->key : b->key;
    d->counts = counts(d->aspect, d->kind);
    for (int k = 0; k < 2; k++)
        if (facts[k]) d->text[k] = facts[k]->shown, d->place[k] = facts[k]->place;
}

/* Facts of one aspect and key, sorted by text. */
struct group {
    const struct compile_fact *p;
    size_t n;
};

static enum err add(struct compile_comparison *c, struct compile_pair *p,
                    const struct compile_fact *a, const struct compile_fact *b)
{
    enum compile_aspect aspect = a ? a->aspect : b->aspect;
    struct compile_change *d = compiles_add(
        c, p, aspect, a && b ? COMPILE_CHANGED : (a ? COMPILE_REMOVED : COMPILE_ADDED));
    if (!d) FAIL(ERR_NOMEM, "out of memory for the differences of compiles");
    fill(d, a, b);
    bool keys = aspect == COMPILE_CACHE_KEY && a && b;
    return keys ? compiles_compare_keys(c, a->id, b->id, d) : ERR_OK;
}

/* Equal texts cancel; what is left pairs in order. */
static enum err compare_group(struct compile_comparison *c, struct compile_pair *p, struct group a,
                              struct group b)
{
    size_t i = 0, k = 0, n_a = 0, n_b = 0;
    const struct compile_fact **left = arena_array(&c->arena, a.n + 1, sizeof(void *));
    const struct compile_fact **right = arena_array(&c->arena, b.n + 1, sizeof(void *));
    if (!left || !right) FAIL(ERR_NOMEM, "out of memory for the differences of compiles");
    while (i < a.n || k < b.n) {
        int d = i == a.n ? 1 : (k == b.n ? -1 : order(a.p[i].text, b.p[k].text));
        if (d < 0) left[n_a++] = &a.p[i];
        if (d > 0) right[n_b++] = &b.p[k];
        i += d <= 0;
        k += d >= 0;
    }
    for (size_t at = 0; at < n_a || at < n_b; at++)
        TRY(add(c, p, at < n_a ? left[at] : NULL, at < n_b ? right[at] : NULL));
    return ERR_OK;
}

static struct group next_group(struct group *rest)
{
    struct group g = {rest->p, 0};
    while (g.n < rest->n && g.p[g.n].aspect == g.p[0].aspect && span_eq(g.p[g.n].key, g.p[0].key))
        g.n++;
    return g;
}

static void drop(struct group *rest, size_t n)
{
    rest->p += n;
    rest->n -= n;
}

static int group_order(const struct group *a, const struct group *b)
{
    if (!a->n || !b->n) return a->n ? -1 : 1;
    if (a->p->aspect != b->p->aspect) return a->p->aspect < b->p->aspect ? -1 : 1;
    return order(a->p->key, b->p->key);
}

static enum err compare_outcome(struct compile_comparison *c, struct compile_pair *p, struct span a,
                                struct span b)
{
    if (span_eq(a, b)) return ERR_OK;
    struct compile_change *d = compiles_add(c, p, COMPILE_OUTCOME, COMPILE_CHANGED);
    if (!d) FAIL(ERR_NOMEM, "out of memory for the differences of compiles");
    d->name = SPAN("outcome");
    d->text[0] = a;
    d->text[1] = b;
    return ERR_OK;
}

enum err compiles_compare_facts(struct compile_comparison *c, struct compile_pair *p)
{
    const struct compile_side *s = c->side;
    const struct compile_row *a = &s[0].compile.p[p->a], *b = &s[1].compile.p[p->b];
    struct group rest[2] = {{s[0].fact.p ? s[0].fact.p + a->fact : NULL, a->n_facts},
                            {s[1].fact.p ? s[1].fact.p + b->fact : NULL, b->n_facts}};
    TRY(compare_outcome(c, p, a->outcome, b->outcome));
    while (rest[0].n || rest[1].n) {
        int d = group_order(&rest[0], &rest[1]);
        struct group x = d <= 0 ? next_group(&rest[0]) : (struct group){0};
        struct group y = d >= 0 ? next_group(&rest[1]) : (struct group){0};
        TRY(compare_group(c, p, x, y));
        drop(&rest[0], x.n);
        drop(&rest[1], y.n);
    }
    return ERR_OK;
}
