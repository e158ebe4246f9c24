/* fuse_loops.c - common loops of two drafts.
 *
 * Strides of shared arrays tell which loop is which: of an array that both touch, the loop with
 * the smallest stride in the one is that in the other; where one is longer, it is cut in two. What
 * no array tells about (loops along which nothing shared varies) is matched in order, from the
 * last. Then every pair of uses of one buffer of which one writes must be the same point by point.
 */
#include <string.h>

#include "runtime/compile/fuse_draft.h"

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for fusing");
}

bool fuse_overlap(const struct lowered *l, const struct lower_use *a, const struct lower_use *b)
{
    if (a->buffer != b->buffer || a->buffer < 0) return false;
    struct view u = lower_shifted(l, a), v = lower_shifted(l, b);
    return view_overlap(&u, &v) != VIEW_APART;
}

static bool asks_coordinates(const struct nest *n)
{
    for (int i = 0; i < n->n_nodes; i++)
        if (n->node[i].kind == NEST_COORD) return true;
    return false;
}

/* Whether loop `lo` continues loop `hi` in every array. Its logical index does too: the joined
 * loop's coordinate counts points of `lo`. */
static bool continues(const struct lower_item *it, int hi, int lo)
{
    if ((hi < it->plan.n_outer) != (lo < it->plan.n_outer)) return false;
    for (int i = 0; i < it->nest->n_arrays; i++)
        if (it->plan.lie[i].stride[hi] != it->plan.lie[i].stride[lo] * it->plan.size[lo])
            return false;
    return true;
}

/* Loops of one point are left out, those that continue one another are joined. */
static void take_loops(const struct lower_item *it, struct fuse_draft *out)
{
    bool joins = !asks_coordinates(it->nest);
    int last = -1;
    for (int d = 0; d < it->plan.n_outer + it->plan.n_inner; d++) {
        int64_t before = 1;
        if (it->plan.size[d] == 1) continue;
        if (joins && last >= 0 && continues(it, last, d)) before = out->size[--out->n_loops];
        out->member->part[out->n_loops] =
            (struct fuse_part){.present = true, .origin = d, .multiple = 1};
        out->inner[out->n_loops] = d >= it->plan.n_outer;
        out->size[out->n_loops++] = before * it->plan.size[d];
        last = d;
    }
}

enum err fuse_draft_of(const struct lowered *l, int item, struct fuse_draft *out,
                       enum fuse_reason *reason)
{
    const struct lower_item *it = &l->item.p[item];
    int64_t inner_points = 1;
    memset(out, 0, sizeof *out);
    out->l = l;
    out->member = calloc(1, sizeof *out->member);
    if (!out->member) return no_memory();
    out->n_members = 1;
    out->member->item = item;
    *reason = it->is_extern ? FUSE_EXTERN_KERNEL : it->nest->serial ? FUSE_SERIAL : FUSE_FUSED;
    if (*reason != FUSE_FUSED) return ERR_OK;
    out->has_inner = it->nest->n_inner > 0;
    for (int d = 0; d < it->plan.n_outer + it->plan.n_inner; d++) {
        if (d >= it->plan.n_outer) inner_points *= it->plan.size[d];
        if (!it->plan.size[d]) *reason = FUSE_SPACE;
    }
    take_loops(it, out);
    if (out->has_inner && inner_points == 1) *reason = FUSE_SPACE;
    return ERR_OK;
}

int64_t fuse_stride(const struct fuse_draft *d, int member, int array, int c)
{
    const struct fuse_part *p = &d->member[member].part[c];
    const struct lower_item *it = &d->l->item.p[d->member[member].item];
    return p->present ? p->multiple * it->plan.lie[array].stride[p->origin] : 0;
}

static int by_item(const void *item, const void *member)
{
    return *(const int *)item - ((const struct fuse_member *)member)->item;
}
bool fuse_has(const struct fuse_draft *d, int item)
{
    return bsearch(&item, d->member, (size_t)d->n_members, sizeof *d->member, by_item);
}

/* ---- matching ---- */

struct matcher {
    struct fuse_draft a, b; /* whose members are others' until a loop is split */
    int to[NEST_LOOPS];     /* per loop of a: the loop of b; -1 */
    struct arena *arena;
    bool no_memory; /* for members of their own */
};

static bool is_matched(const struct matcher *m, int db)
{
    for (int d = 0; d < m->a.n_loops; d++)
        if (m->to[d] == db) return true;
    return false;
}

static bool own_members(struct matcher *m, struct fuse_draft *f)
{
    size_t n = (size_t)f->n_members;
    struct fuse_member *to = arena_array(m->arena, n, sizeof *to);
    m->no_memory |= !to;
    if (to) f->member = memcpy(to, f->member, n * sizeof *to);
    return to;
}

/* Loop d becomes two: one of size / lo points, and behind it one of lo. */
static bool split(struct matcher *m, struct fuse_draft *f, int d, int64_t lo)
{
    if (f->n_loops == NEST_LOOPS || !own_members(m, f)) return false;
    size_t behind = (size_t)(f->n_loops - d);
    memmove(&f->size[d + 1], &f->size[d], behind * sizeof *f->size);
    memmove(&f->inner[d + 1], &f->inner[d], behind * sizeof *f->inner);
    f->n_loops++;
    f->size[d] /= lo;
    f->size[d + 1] = lo;
    for (int i = 0; i < f->n_members; i++) {
        struct fuse_part *p = &f->member[i].part[d];
        memmove(p + 1, p, behind * sizeof *p);
        p->multiple *= lo;
    }
    return true;
}

static bool split_a(struct matcher *m, int d, int64_t lo)
{
    if (!split(m, &m->a, d, lo)) return false;
    memmove(&m->to[d + 1], &m->to[d], (size_t)(m->a.n_loops - 1 - d) * sizeof *m->to);
    m->to[d] = -1;
    return true;
}
static bool split_b(struct matcher *m, int d, int64_t lo)
{
    if (!split(m, &m->b, d, lo)) return false;
    for (int k = 0; k < m->a.n_loops; k++)
        if (m->to[k] > d) m->to[k]++;
    return true;
}

static bool levels_fit(const struct matcher *m, int da, int db)
{
    return !m->a.has_inner || !m->b.has_inner || m->a.inner[da] == m->b.inner[db];
}

/* Loops da and db are one, as far as the shorter goes: the end of each. */
static bool join(struct matcher *m, int da, int db)
{
    int64_t na = m->a.size[da], nb = m->b.size[db];
    if (!levels_fit(m, da, db)) return false;
    if (na < nb && (nb % na || !split_b(m, db++, na))) return false;
    if (nb < na && (na % nb || !split_a(m, da++, nb))) return false;
    m->to[da] = db;
    return true;
}

/* The unmatched loop along which the array moves least; -1 none. */
static int least(const struct matcher *m, bool of_b, int member, int array)
{
    const struct fuse_draft *f = of_b ? &m->b : &m->a;
    int best = -1;
    for (int d = 0; d < f->n_loops; d++) {
        int64_t s = fuse_stride(f, member, array, d);
        bool taken = of_b ? is_matched(m, d) : m->to[d] >= 0;
        if (taken || !s) continue;
        if (best < 0 || s < fuse_stride(f, member, array, best)) best = d;
    }
    return best;
}

static bool link(struct matcher *m, int ma, int x, int mb, int y)
{
    for (;;) {
        int da = least(m, false, ma, x), db = least(m, true, mb, y);
        if (da < 0 || db < 0) return da < 0 && db < 0;
        if (fuse_stride(&m->a, ma, x, da) != fuse_stride(&m->b, mb, y, db)) return false;
        if (!join(m, da, db)) return false;
    }
}

static const struct lower_item *item_of(const struct fuse_draft *f, int member)
{
    return &f->l->item.p[f->member[member].item];
}

/* Two arrays of one buffer, read as the same elements. */
static bool same_base(const struct lower_item *p, int x, const struct lower_item *q, int y)
{
    return p->use[x].buffer >= 0 && p->use[x].buffer == q->use[y].buffer &&
           p->nest->array[x].dtype == q->nest->array[y].dtype &&
           p->plan.lie[x].offset == q->plan.lie[y].offset && !p->nest->array[x].n_indexed &&
           !q->nest->array[y].n_indexed;
}

/* A link that fails leaves nothing behind. */
static bool try_link(struct matcher *m, int ma, int x, int mb, int y)
{
    struct matcher trial = *m;
    if (least(m, false, ma, x) < 0 && least(m, true, mb, y) < 0) return true;
    bool ok = link(&trial, ma, x, mb, y);
    if (ok) *m = trial;
    m->no_memory |= trial.no_memory;
    return ok;
}

/* Arrays where one writes come first: they must fit. Then what both read, the largest at ease. */
static bool link_all(struct matcher *m, bool written)
{
    for (int ma = 0; ma < m->a.n_members; ma++)
        for (int mb = 0; mb < m->b.n_members; mb++) {
            const struct lower_item *p = item_of(&m->a, ma), *q = item_of(&m->b, mb);
            for (int x = 0; x < p->n_uses; x++)
                for (int y = 0; y < q->n_uses; y++) {
                    if (!same_base(p, x, q, y)) continue;
                    if ((p->use[x].written || q->use[y].written) != written) continue;
                    if (!try_link(m, ma, x, mb, y) && written) return false;
                }
        }
    return true;
}

/* The last loop that is not matched, at the level of `like` where both have levels. */
static int last_left(const struct matcher *m, bool of_b, const bool *level)
{
    const struct fuse_draft *f = of_b ? &m->b : &m->a;
    for (int d = f->n_loops - 1; d >= 0; d--) {
        bool taken = of_b ? is_matched(m, d) : m->to[d] >= 0;
        if (!taken && (!level || f->inner[d] == *level)) return d;
    }
    return -1;
}

static bool match_rest(struct matcher *m)
{
    bool both = m->a.has_inner && m->b.has_inner;
    for (int level = both; level >= 0; level--) {
        bool inner = level;
        for (;;) {
            int da = last_left(m, false, both ? &inner : NULL);
            int db = last_left(m, true, both ? &inner : NULL);
            if (da < 0 || db < 0) break;
            if (!join(m, da, db)) return false;
        }
    }
    return true;
}

/* What is left on one side only is all of that side's inner loops: the other one is outer. */
static enum fuse_reason check_left(const struct matcher *m)
{
    int a_left = 0, b_left = 0, a_inner = 0, b_inner = 0, a_wrong = 0, b_wrong = 0;
    for (int d = 0; d < m->a.n_loops; d++) {
        a_left += m->to[d] < 0;
        a_inner += m->a.inner[d];
        a_wrong += m->to[d] < 0 && !m->a.inner[d];
    }
    for (int d = 0; d < m->b.n_loops; d++) {
        b_left += !is_matched(m, d);
        b_inner += m->b.inner[d];
        b_wrong += !is_matched(m, d) && !m->b.inner[d];
    }
    if (a_wrong || b_wrong || (a_left && b_left)) return FUSE_RECOMPUTE;
    if (a_left && (m->b.has_inner || a_left != a_inner)) return FUSE_SPACE;
    if (b_left && (m->a.has_inner || b_left != b_inner)) return FUSE_SPACE;
    return FUSE_FUSED;
}

/* Inner loops stand in the same order in both: it is the order of the reduction. */
static bool same_order(const struct matcher *m)
{
    int last = -1;
    for (int d = 0; d < m->a.n_loops && m->a.has_inner && m->b.has_inner; d++) {
        if (!m->a.inner[d]) continue;
        if (m->to[d] <= last) return false;
        last = m->to[d];
    }
    return true;
}

/* ---- merging ---- */

static void add_member(struct fuse_draft *out, const struct fuse_member *from, const int *loop)
{
    int at = out->n_members++;
    while (at > 0 && out->member[at - 1].item > from->item) {
        out->member[at] = out->member[at - 1];
        at--;
    }
    struct fuse_member *to = &out->member[at];
    memset(to, 0, sizeof *to);
    to->item = from->item;
    for (int c = 0; c < out->n_loops; c++)
        if (loop[c] >= 0) to->part[c] = from->part[loop[c]];
}

/* The loops of the merged draft: per loop, that of a and that of b (-1: it does not vary). */
static int order_loops(const struct matcher *m, int *of_a, int *of_b, bool *inner)
{
    int n = 0;
    for (int d = 0; d < m->a.n_loops; d++) {
        bool in = m->a.inner[d] || (m->b.has_inner && m->to[d] >= 0 && m->b.inner[m->to[d]]);
        if (in && !m->a.has_inner) continue; /* in b's order, below */
        of_a[n] = d;
        of_b[n] = m->to[d];
        inner[n++] = in;
    }
    for (int e = 0; e < m->b.n_loops && !m->a.has_inner && n < NEST_LOOPS; e++) {
        if (!m->b.inner[e]) continue;
        of_a[n] = -1;
        for (int d = 0; d < m->a.n_loops; d++)
            if (m->to[d] == e) of_a[n] = d;
        of_b[n] = e;
        inner[n++] = true;
    }
    return n;
}

static enum err make_merged(const struct matcher *m, struct arena *arena, struct fuse_draft *out)
{
    int of_a[2 * NEST_LOOPS], of_b[2 * NEST_LOOPS];
    memset(out, 0, sizeof *out);
    out->l = m->a.l;
    out->has_inner = m->a.has_inner || m->b.has_inner;
    out->n_loops = order_loops(m, of_a, of_b, out->inner);
    for (int c = 0; c < out->n_loops; c++)
        out->size[c] = of_a[c] >= 0 ? m->a.size[of_a[c]] : m->b.size[of_b[c]];
    out->member =
        arena_array(arena, (size_t)(m->a.n_members + m->b.n_members), sizeof *out->member);
    if (!out->member) return no_memory();
    for (int i = 0; i < m->a.n_members; i++) add_member(out, &m->a.member[i], of_a);
    for (int i = 0; i < m->b.n_members; i++) add_member(out, &m->b.member[i], of_b);
    return ERR_OK;
}

/* Uses of one buffer of which one writes: the same point by point. */
static enum fuse_reason check_uses(const struct fuse_draft *f, int i, int k)
{
    const struct lower_item *p = item_of(f, i), *q = item_of(f, k);
    for (int x = 0; x < p->n_uses; x++)
        for (int y = 0; y < q->n_uses; y++) {
            const struct lower_use *u = &p->use[x], *v = &q->use[y];
            if (!u->written && !v->written) continue;
            if (!fuse_overlap(f->l, u, v)) continue;
            enum fuse_reason why = u->written && !v->written ? FUSE_PLACE : FUSE_WRITES;
            if (!same_base(p, x, q, y)) return why;
            for (int c = 0; c < f->n_loops; c++)
                if (fuse_stride(f, i, x, c) != fuse_stride(f, k, y, c)) return why;
        }
    return FUSE_FUSED;
}

static int64_t stream_of(const struct fuse_draft *f)
{
    int64_t stream = -1;
    for (int i = 0; i < f->n_members && stream < 0; i++) stream = item_of(f, i)->stream;
    return stream;
}

/* Members of `a` with the others: those of one side fit each other already. */
static enum fuse_reason check_all(const struct fuse_draft *f, const struct fuse_draft *a,
                                  const struct fuse_draft *b)
{
    int64_t p = stream_of(a), q = stream_of(b);
    if (p >= 0 && q >= 0 && p != q) return FUSE_RANDOM;
    const struct fuse_draft *fewer = a->n_members < b->n_members ? a : b;
    for (int i = 0; i < f->n_members; i++)
        for (int k = 0; fuse_has(fewer, f->member[i].item) && k < f->n_members; k++) {
            if (fuse_has(fewer, f->member[k].item)) continue;
            enum fuse_reason r = i < k ? check_uses(f, i, k) : check_uses(f, k, i);
            if (r != FUSE_FUSED) return r;
        }
    return FUSE_FUSED;
}

enum err fuse_draft_merge(const struct fuse_draft *a, const struct fuse_draft *b,
                          struct arena *arena, struct fuse_draft *out, enum fuse_reason *reason)
{
    struct matcher m = {.a = *a, .b = *b, .arena = arena};
    for (int d = 0; d < NEST_LOOPS; d++) m.to[d] = -1;
    *reason = FUSE_PLACE;
    bool ok = link_all(&m, true);
    if (ok) {
        link_all(&m, false);
        *reason = FUSE_SPACE;
        ok = match_rest(&m);
    }
    if (m.no_memory) return no_memory();
    if (!ok) return ERR_OK;
    *reason = check_left(&m);
    if (*reason != FUSE_FUSED) return ERR_OK;
    *reason = FUSE_REDUCED;
    if (!same_order(&m)) return ERR_OK;
    TRY(make_merged(&m, arena, out));
    *reason = check_all(out, a, b);
    return ERR_OK;
}
