/* fuse.c - which items become one kernel: candidates by what they save, largest share first.
 *
 *   pairs of items that touch one buffer ─ score ─► tried in order ─► drafts ─► groups, in order
 *
 * Two drafts are merged when their loops fit, no third kernel stands between them, and the nest is
 * not too large. Pairs are tried again after others were merged, until nothing changes: what was
 * refused for want of a common loop may have one then.
 */
#include <stdio.h>
#include <string.h>

#include "runtime/compile/fuse_draft.h"

static const struct {
    const char *word, *text;
} reasons[] = {
#define X(id, word, text) {word, text},
    FUSE_REASONS(X)
#undef X
};
const char *fuse_reason_word(enum fuse_reason r)
{
    return reasons[r].word;
}
const char *fuse_reason_text(enum fuse_reason r)
{
    return reasons[r].text;
}

enum { MAX_NODES = 512, SIBLINGS_MOST = 8, ROUNDS = 3 };

struct candidate {
    int a, b; /* items, a first */
    bool siblings;
    int64_t saved;
    double score;
    int stamp; /* changes of both groups when it was tried; -1 not yet */
};
struct fuser {
    const struct lowered *l;
    const struct fuse_options *o;
    struct arena *arena;
    struct arena scratch; /* of one try */
    struct fused *out;
    struct fuse_draft *draft;     /* per item; those of a group are the first member's */
    enum fuse_reason *excluded;   /* per item: why it is fused with nothing; FUSED: it may be */
    int *group;                   /* per item: first member of its group */
    int *stamp;                   /* per group: how often it has grown */
    struct fuse_readers *readers; /* per buffer */
    LIST_OF(struct candidate) candidate;
    struct map decided;    /* (a, b) -> index of the decision */
    struct map refused;    /* (group, group) -> when, in changes of both, and why */
    bool *seen;            /* scratch of the search for cycles, per item */
    int *found;            /* the same */
    int **after, *n_after; /* per item: items that need it */
};

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for fusing");
}

/* ---- readers, followers ---- */

static enum err find_readers(struct fuser *f)
{
    const struct lowered *l = f->l;
    f->readers = arena_array(f->arena, l->buffer.n + 1, sizeof *f->readers);
    if (!f->readers) return no_memory();
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < l->item.n; i++)
            for (int u = 0; u < l->item.p[i].n_uses; u++) {
                const struct lower_use *use = &l->item.p[i].use[u];
                if (use->buffer < 0 || use->written) continue;
                struct fuse_readers *r = &f->readers[use->buffer];
                if (turn) ((int *)r->item)[r->n] = (int)i;
                r->n++;
            }
        for (size_t b = 0; b < l->buffer.n && !turn; b++) {
            f->readers[b].item = arena_array(f->arena, (size_t)f->readers[b].n + 1, sizeof(int));
            if (!f->readers[b].item) return no_memory();
            f->readers[b].n = 0;
        }
    }
    return ERR_OK;
}

static enum err find_followers(struct fuser *f)
{
    size_t n = f->l->item.n;
    f->after = arena_array(f->arena, n + 1, sizeof *f->after);
    f->n_after = arena_array(f->arena, n + 1, sizeof *f->n_after);
    if (!f->after || !f->n_after) return no_memory();
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < f->l->item.p[i].n_before; k++) f->n_after[f->l->item.p[i].before[k]]++;
    for (size_t i = 0; i < n; i++) {
        f->after[i] = arena_array(f->arena, (size_t)f->n_after[i] + 1, sizeof(int));
        if (!f->after[i]) return no_memory();
        f->n_after[i] = 0;
    }
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < f->l->item.p[i].n_before; k++) {
            int b = f->l->item.p[i].before[k];
            f->after[b][f->n_after[b]++] = (int)i;
        }
    return ERR_OK;
}

/* ---- candidates ---- */

/* Bytes of the elements that the array touches. */
static int64_t bytes_of(const struct lower_item *it, int x)
{
    if (it->is_extern) return it->use[x].buffer < 0 ? 0 : view_n_bytes(&it->use[x].view);
    int64_t n = (int64_t)dtype_size(it->nest->array[x].dtype);
    for (int d = 0; d < it->plan.n_outer + it->plan.n_inner; d++)
        if (it->plan.lie[x].stride[d]) n *= it->plan.size[d];
    return n;
}

static int64_t all_bytes(const struct lower_item *it)
{
    int64_t n = 0;
    for (int x = 0; x < it->n_uses; x++) n += bytes_of(it, x);
    return n;
}

static bool writes(const struct lower_item *it, int buffer)
{
    for (int u = 0; u < it->n_uses; u++)
        if (it->use[u].buffer == buffer && it->use[u].written) return true;
    return false;
}

/* What fusing saves: reads of what the other made or reads too, and the write where nobody else
 * reads it. */
static int64_t saved(const struct fuser *f, int a, int b)
{
    const struct lower_item *p = &f->l->item.p[a], *q = &f->l->item.p[b];
    int64_t n = 0;
    for (int y = 0; y < q->n_uses; y++) {
        const struct lower_use *v = &q->use[y];
        if (v->buffer < 0 || v->written) continue;
        for (int x = 0; x < p->n_uses; x++) {
            const struct lower_use *u = &p->use[x];
            if (u->buffer != v->buffer || !fuse_overlap(f->l, u, v)) continue;
            const struct lower_buffer *buffer = &f->l->buffer.p[u->buffer];
            n += bytes_of(q, y);
            if (u->written && !buffer->given && !buffer->escapes && f->readers[u->buffer].n == 1)
                n += bytes_of(p, x);
            break;
        }
    }
    return n;
}

static enum err add_candidate(struct fuser *f, int a, int b, bool siblings)
{
    bool added;
    struct map_key key = map_key_int(a, b);
    if (!map_put(&f->decided, key, -1, &added)) return no_memory();
    if (!added) return ERR_OK;
    struct candidate *c = LIST_PUSH(&f->candidate);
    if (!c) return no_memory();
    *c = (struct candidate){
        .a = a, .b = b, .siblings = siblings, .saved = saved(f, a, b), .stamp = -1};
    int64_t all = all_bytes(&f->l->item.p[a]) + all_bytes(&f->l->item.p[b]);
    c->score = all ? (double)c->saved / (double)all : 0;
    return ERR_OK;
}

/* Makers with those who need them; then readers of one buffer with the next few. */
static enum err find_candidates(struct fuser *f)
{
    const struct lowered *l = f->l;
    for (size_t i = 0; i < l->item.n; i++)
        for (int k = 0; k < l->item.p[i].n_before; k++)
            TRY(add_candidate(f, l->item.p[i].before[k], (int)i, false));
    for (size_t b = 0; b < l->buffer.n; b++) {
        const struct fuse_readers *r = &f->readers[b];
        for (int i = 0; i < r->n; i++)
            for (int k = i + 1; k < r->n && k <= i + SIBLINGS_MOST; k++)
                if (r->item[i] != r->item[k] && !writes(&l->item.p[r->item[i]], (int)b))
                    TRY(add_candidate(f, r->item[i], r->item[k], true));
    }
    return ERR_OK;
}

static int by_score(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->siblings != y->siblings) return x->siblings - y->siblings;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    if (x->b != y->b) return x->b - y->b;
    return x->a - y->a;
}

/* ---- trying ---- */

static enum err decide(struct fuser *f, const struct candidate *c, enum fuse_reason reason)
{
    bool fused = reason == FUSE_FUSED;
    int64_t *at = map_get(&f->decided, map_key_int(c->a, c->b));
    struct fuse_decision *d = at && *at >= 0 ? &f->out->decision.p[*at] : NULL;
    if (!d) {
        d = LIST_PUSH(&f->out->decision);
        if (!d || !at) return no_memory();
        *at = (int64_t)f->out->decision.n - 1;
    }
    *d = (struct fuse_decision){.a = c->a,
                                .b = c->b,
                                .fused = fused,
                                .reason = fused && c->siblings ? FUSE_SIBLINGS_READ : reason,
                                .bytes_saved = c->saved,
                                .score = c->score};
    return ERR_OK;
}

/* Whether a group between the two needs the one and is needed by the other. */
static bool reaches(struct fuser *f, int from, int goal)
{
    int n = 0;
    memset(f->seen, 0, f->l->item.n * sizeof *f->seen);
    f->seen[from] = true;
    for (f->found[n++] = from; n;) {
        int group = f->found[--n];
        const struct fuse_draft *d = &f->draft[group];
        for (int i = 0; i < d->n_members; i++)
            for (int item = d->member[i].item, k = 0; k < f->n_after[item]; k++) {
                int next = f->group[f->after[item][k]];
                if (next == goal && group != from) return true;
                if (next == goal || f->seen[next]) continue;
                f->seen[next] = true;
                f->found[n++] = next;
            }
    }
    return false;
}

static bool makes_cycle(struct fuser *f, int a, int b)
{
    return reaches(f, a, b) || reaches(f, b, a);
}

static enum err merge_groups(struct fuser *f, int a, int b, struct fuse_draft *merged,
                             enum fuse_reason *reason)
{
    struct fuse_group trial = {0};
    *reason = FUSE_CYCLE;
    if (makes_cycle(f, a, b)) return ERR_OK;
    arena_clear(&f->scratch);
    TRY(fuse_draft_merge(&f->draft[a], &f->draft[b], &f->scratch, merged, reason));
    if (*reason != FUSE_FUSED) return ERR_OK;
    int max = f->o->max_nodes ? f->o->max_nodes : MAX_NODES;
    TRY(fuse_draft_nest(merged, f->readers, max, &f->scratch, &trial, reason));
    if (*reason == FUSE_FUSED && f->o->fits && !f->o->fits(trial.nest, &trial.plan))
        *reason = FUSE_LOCAL;
    return ERR_OK;
}

/* Two groups are not tried again for another pair of their items while neither has grown. */
static enum err try_merge(struct fuser *f, const struct candidate *c, struct fuse_draft *merged,
                          enum fuse_reason *reason)
{
    int a = f->group[c->a], b = f->group[c->b];
    int64_t stamp = f->stamp[a] + f->stamp[b];
    *reason = FUSE_OFF;
    if (f->o->off) return ERR_OK;
    *reason = f->excluded[c->a] != FUSE_FUSED ? f->excluded[c->a] : f->excluded[c->b];
    if (*reason != FUSE_FUSED) return ERR_OK;
    *reason = FUSE_NO_GAIN;
    if (!c->saved) return ERR_OK;
    int64_t *refused = map_put(&f->refused, map_key_int(a, b), -1, NULL);
    if (!refused) return no_memory();
    if (*refused >= 0 && *refused / FUSE_N_REASONS == stamp) {
        *reason = (enum fuse_reason)(*refused % FUSE_N_REASONS);
        return ERR_OK;
    }
    TRY(merge_groups(f, a, b, merged, reason));
    if (*reason != FUSE_FUSED) *refused = stamp * FUSE_N_REASONS + *reason;
    return ERR_OK;
}

/* The merged draft, which is in scratch memory, in place of both. */
static enum err take_merged(struct fuser *f, int a, int b, const struct fuse_draft *merged)
{
    int first = a < b ? a : b;
    size_t bytes = (size_t)merged->n_members * sizeof *merged->member;
    struct fuse_member *own = malloc(bytes);
    if (!own) return no_memory();
    free(f->draft[a].member);
    free(f->draft[b].member);
    f->draft[a].member = f->draft[b].member = NULL;
    f->draft[first] = *merged;
    f->draft[first].member = memcpy(own, merged->member, bytes);
    f->stamp[first] = f->stamp[a] + f->stamp[b] + 1;
    for (int i = 0; i < merged->n_members; i++) f->group[merged->member[i].item] = first;
    return ERR_OK;
}

static enum err try_candidate(struct fuser *f, struct candidate *c, bool *changed)
{
    int a = f->group[c->a], b = f->group[c->b], stamp = f->stamp[a] + f->stamp[b];
    if (c->stamp == stamp) return ERR_OK; /* nothing has changed since */
    c->stamp = stamp;
    struct fuse_draft merged;
    enum fuse_reason reason = FUSE_FUSED;
    if (a != b) TRY(try_merge(f, c, &merged, &reason));
    TRY(decide(f, c, reason));
    if (a == b || reason != FUSE_FUSED) return ERR_OK;
    *changed = true;
    return take_merged(f, a, b, &merged);
}

static enum err try_all(struct fuser *f)
{
    bool changed = true;
    for (int round = 0; changed && round < ROUNDS; round++) {
        changed = false;
        for (size_t i = 0; i < f->candidate.n; i++)
            TRY(try_candidate(f, &f->candidate.p[i], &changed));
    }
    return ERR_OK;
}

/* ---- groups in order ---- */

static enum err set_before(struct fuser *f, struct fuse_group *g, const int *number)
{
    struct arena scratch = {0};
    size_t n = f->out->group.n;
    bool *before = arena_array(&scratch, n + 1, sizeof *before);
    if (!before) return no_memory();
    for (int i = 0; i < g->n_items; i++) {
        const struct lower_item *it = &f->l->item.p[g->item[i]];
        for (int k = 0; k < it->n_before; k++)
            if (f->group[it->before[k]] != f->group[g->item[i]])
                before[number[f->group[it->before[k]]]] = true;
    }
    for (size_t i = 0; i < n; i++) g->n_before += before[i];
    g->before = arena_array(f->arena, (size_t)g->n_before + 1, sizeof *g->before);
    for (size_t i = 0, k = 0; g->before && i < n; i++) {
        if (!before[i]) continue;
        g->before[k++] = (int)i;
        if (f->out->group.p[i].level >= g->level) g->level = f->out->group.p[i].level + 1;
    }
    arena_release(&scratch);
    return g->before ? ERR_OK : no_memory();
}

static const char *op_name(const struct fuser *f, int item, size_t *n)
{
    const char *name = f->l->graph->node.p[f->l->item.p[item].node].op->s.name;
    const char *from = strchr(name, ':');
    from = from ? from + 2 : name;
    while (*from == '_') from++;
    *n = strcspn(from, ".");
    while (*n && from[*n - 1] == '_') --*n; /* in place or not: the same operator */
    return from;
}

/* pl_poi_fused_add_relu_3: operators as they first appear, at most ten. */
static const char *name_of(struct fuser *f, const struct fuse_group *g, int number)
{
    static const char *const kinds[] = {"pl_poi_fused", "pl_red_fused", "pl_per_fused", "extern"};
    struct buf b = {0};
    buf_puts(&b, kinds[g->kind]);
    for (int i = 0, n_ops = 0; i < g->n_items && n_ops < 10; i++) {
        size_t n, m;
        const char *name = op_name(f, g->item[i], &n);
        bool known = false;
        for (int k = 0; k < i && !known; k++) {
            const char *other = op_name(f, g->item[k], &m);
            known = n == m && !memcmp(name, other, n);
        }
        if (known) continue;
        buf_printf(&b, "_%.*s", (int)n, name);
        n_ops++;
    }
    buf_printf(&b, "_%d", number);
    const char *out = arena_copy(f->arena, buf_text(&b)).p;
    buf_release(&b);
    return out;
}

static enum err add_group(struct fuser *f, int first, int *number)
{
    const struct fuse_draft *d = &f->draft[first];
    struct fuse_group g = {.n_items = d->n_members};
    enum fuse_reason reason;
    int max = f->o->max_nodes ? f->o->max_nodes : MAX_NODES;
    g.item = arena_array(f->arena, (size_t)g.n_items, sizeof *g.item);
    if (!g.item) return no_memory();
    for (int i = 0; i < g.n_items; i++) g.item[i] = d->member[i].item;
    TRY(fuse_draft_nest(d, f->readers, max, f->arena, &g, &reason));
    TRY(set_before(f, &g, number));
    number[first] = (int)f->out->group.n;
    g.name = name_of(f, &g, number[first]);
    struct fuse_group *to = LIST_PUSH(&f->out->group);
    if (!to || !g.name) return no_memory();
    *to = g;
    return ERR_OK;
}

/* Whether all that the group needs is numbered. */
static bool is_ready(const struct fuser *f, int first, const int *number)
{
    const struct fuse_draft *d = &f->draft[first];
    for (int i = 0; i < d->n_members; i++) {
        const struct lower_item *it = &f->l->item.p[d->member[i].item];
        for (int k = 0; k < it->n_before; k++) {
            int g = f->group[it->before[k]];
            if (g != first && number[g] < 0) return false;
        }
    }
    return true;
}

/* By the last member's place in the program, as soon as what it needs is there. */
static enum err order_groups(struct fuser *f)
{
    size_t n = f->l->item.n, left = 0;
    int *number = arena_array(f->arena, n + 1, sizeof *number);
    if (!number) return no_memory();
    for (size_t i = 0; i < n; i++) {
        number[i] = -1;
        left += f->group[i] == (int)i;
    }
    while (left) {
        size_t before = left;
        for (size_t i = 0; i < n; i++) {
            int first = f->group[i];
            const struct fuse_draft *d = &f->draft[first];
            if (number[first] >= 0 || d->member[d->n_members - 1].item != (int)i) continue;
            if (!is_ready(f, first, number)) continue;
            TRY(add_group(f, first, number));
            left--;
        }
        if (left == before) FAIL(ERR_FORMAT, "kernels that wait for each other");
    }
    return ERR_OK;
}

static enum err fuse(struct fuser *f)
{
    size_t n = f->l->item.n;
    f->draft = arena_array(f->arena, n + 1, sizeof *f->draft);
    f->excluded = arena_array(f->arena, n + 1, sizeof *f->excluded);
    f->group = arena_array(f->arena, n + 1, sizeof *f->group);
    f->seen = arena_array(f->arena, n + 1, sizeof *f->seen);
    f->found = arena_array(f->arena, n + 1, sizeof *f->found);
    f->stamp = arena_array(f->arena, n + 1, sizeof *f->stamp);
    if (!f->draft || !f->excluded || !f->group || !f->seen || !f->found || !f->stamp)
        return no_memory();
    for (size_t i = 0; i < n; i++) {
        TRY(fuse_draft_of(f->l, (int)i, &f->draft[i], &f->excluded[i]));
        f->group[i] = (int)i;
    }
    TRY(find_readers(f));
    TRY(find_followers(f));
    TRY(find_candidates(f));
    if (f->candidate.n) qsort(f->candidate.p, f->candidate.n, sizeof *f->candidate.p, by_score);
    TRY(try_all(f));
    return order_groups(f);
}

enum err fuse_items(const struct lowered *l, const struct fuse_options *o, struct arena *arena,
                    struct fused *out)
{
    static const struct fuse_options defaults;
    struct fuser f = {.l = l, .o = o ? o : &defaults, .arena = arena, .out = out};
    memset(out, 0, sizeof *out);
    out->lowered = l;
    enum err err = fuse(&f);
    for (size_t i = 0; f.draft && i < l->item.n; i++) free(f.draft[i].member);
    LIST_RELEASE(&f.candidate);
    map_release(&f.decided);
    map_release(&f.refused);
    arena_release(&f.scratch);
    return err;
}

void fuse_release(struct fused *f)
{
    LIST_RELEASE(&f->group);
    LIST_RELEASE(&f->decision);
}
