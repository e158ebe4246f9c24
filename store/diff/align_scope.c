/* align_scope.c - the trees of steps, modules and annotations of two runs, side by side.
 *
 * Top down: children of scopes that belong together are aligned by name and content (a hash of all
 * calls below), then by name alone in what that left. Then scopes without partner on both sides are
 * aligned by name once more, wherever they stand: a run with one level more (a compiled region
 * around the model) still has the same modules. These are weak: they get no key_id in common.
 */
#include "store/diff/align_parts.h"

#include <stdlib.h>
#include <string.h>

struct tree {
    const struct diff_stream *s;
    uint32_t n;
    uint32_t *first, *child; /* children of p are child[first[p]] .. child[first[p + 1]] */
    uint64_t *content;       /* of all calls and scopes below, in any order */
    uint32_t *partner;
};

static void tree_release(struct tree *t)
{
    free(t->first);
    free(t->child);
    free(t->content);
    free(t->partner);
}

static enum err tree_init(struct tree *t, const struct diff_stream *s)
{
    *t = (struct tree){.s = s, .n = (uint32_t)s->scopes.n};
    t->first = calloc((size_t)t->n + 2, sizeof *t->first);
    t->child = calloc(t->n, sizeof *t->child);
    t->content = calloc(t->n, sizeof *t->content);
    t->partner = malloc(t->n * sizeof *t->partner);
    if (t->first && t->child && t->content && t->partner) {
        memset(t->partner, 0xff, t->n * sizeof *t->partner);
        return ERR_OK;
    }
    tree_release(t);
    FAIL(ERR_NOMEM, "no memory to align %u scopes", t->n);
}

/* A part of a scope (DIFF_LOG below the log) is told from the other parts by its phase. */
static uint64_t name_key(const struct diff_scope *s)
{
    return mix(s->kind == DIFF_LOG ? 64u + s->phase : s->kind, s->key);
}

/* Children in order of their numbers, which is that of the log. */
static void list_children(struct tree *t)
{
    for (uint32_t i = 1; i < t->n; i++) t->first[t->s->scopes.p[i].parent + 2]++;
    for (uint32_t p = 2; p < t->n + 2; p++) t->first[p] += t->first[p - 1];
    for (uint32_t i = 1; i < t->n; i++) t->child[t->first[t->s->scopes.p[i].parent + 1]++] = i;
}

static void sum_content(struct tree *t)
{
    for (uint32_t c = 0; c < t->s->n_calls; c++)
        t->content[t->s->scope[c]] += diff_call_text(t->s, c)->strict;
    for (uint32_t i = t->n; i-- > 1;)
        t->content[t->s->scopes.p[i].parent] += mix(t->content[i], name_key(&t->s->scopes.p[i]));
}

/* Both trees are one: the case of most comparisons. */
static bool equal_trees(const struct tree *a, const struct tree *b)
{
    if (a->n != b->n || a->content[0] != b->content[0]) return false;
    for (uint32_t i = 1; i < a->n; i++) {
        const struct diff_scope *x = &a->s->scopes.p[i], *y = &b->s->scopes.p[i];
        if (x->parent != y->parent || name_key(x) != name_key(y)) return false;
    }
    return true;
}

/* Lists of scopes, those without partner aligned by name (and content). */
struct siblings {
    struct aligner *al;
    struct tree *t[2];
    const uint32_t *list[2];
    uint32_t n[2];
    uint32_t *partner[2]; /* what is set: of t, or weak */
};

static enum err align_list(struct siblings *s, struct seq_range r, bool content)
{
    struct aligner *al = s->al;
    uint32_t lo[2] = {r.a0, r.b0}, n[2] = {r.a1 - r.a0, r.b1 - r.b0};
    for (int k = 0; k < 2; k++) {
        TRY(align_room(&al->key[k], &al->key_size[k], n[k], sizeof *al->key[k]));
        for (uint32_t i = 0; i < n[k]; i++) {
            uint32_t scope = s->list[k][lo[k] + i];
            uint64_t key = name_key(&s->t[k]->s->scopes.p[scope]);
            al->key[k][i] = content ? mix(key, s->t[k]->content[scope]) : key;
        }
    }
    TRY(align_room(&al->found, &al->found_size, n[0], sizeof *al->found));
    TRY(diff_seq_align(&al->seq, al->key[0], n[0], al->key[1], n[1], al->found));
    for (uint32_t i = 0; i < n[0]; i++) {
        if (al->found[i] == SEQ_NONE) continue;
        uint32_t a = s->list[0][lo[0] + i], b = s->list[1][lo[1] + al->found[i]];
        s->partner[0][a] = b;
        s->partner[1][b] = a;
    }
    return ERR_OK;
}

/* Gaps between siblings that have partners, by name alone. */
static enum err align_by_name(struct siblings *s)
{
    struct seq_range gap = {0, 0, 0, 0};
    while (gap.a1 < s->n[0] || gap.b1 < s->n[1]) {
        while (gap.a1 < s->n[0] && s->partner[0][s->list[0][gap.a1]] == DIFF_NONE) gap.a1++;
        while (gap.b1 < s->n[1] && s->partner[1][s->list[1][gap.b1]] == DIFF_NONE) gap.b1++;
        if (gap.a0 < gap.a1 && gap.b0 < gap.b1) TRY(align_list(s, gap, false));
        gap.a0 = ++gap.a1;
        gap.b0 = ++gap.b1;
    }
    return ERR_OK;
}

static enum err align_children(struct aligner *al, struct tree *a, struct tree *b, uint32_t x,
                               uint32_t y)
{
    struct siblings s = {al,
                         {a, b},
                         {a->child + a->first[x], b->child + b->first[y]},
                         {a->first[x + 1] - a->first[x], b->first[y + 1] - b->first[y]},
                         {a->partner, b->partner}};
    if (!s.n[0] || !s.n[1]) return ERR_OK;
    TRY(align_list(&s, (struct seq_range){0, s.n[0], 0, s.n[1]}, true));
    return align_by_name(&s);
}

/* Scopes without partner, in the order of the log. */
static uint32_t list_alone(const struct tree *t, uint32_t *list)
{
    uint32_t n = 0;
    for (uint32_t i = 1; i < t->n; i++)
        if (t->partner[i] == DIFF_NONE) list[n++] = i;
    return n;
}

/* Numbers that scopes share when levels without partner are skipped. */
static enum err make_weak(struct aligner *al, struct tree *t, uint32_t *const alone[2],
                          uint32_t *const partner[2])
{
    struct siblings s = {al,
                         {&t[0], &t[1]},
                         {alone[0], alone[1]},
                         {list_alone(&t[0], alone[0]), list_alone(&t[1], alone[1])},
                         {partner[0], partner[1]}};
    if (!s.n[0] && !s.n[1]) return ERR_OK;
    if (s.n[0] && s.n[1]) TRY(align_list(&s, (struct seq_range){0, s.n[0], 0, s.n[1]}, false));
    for (int k = 0; k < 2; k++) {
        al->weak[k] = calloc(t[k].n, sizeof *al->weak[k]);
        if (!al->weak[k]) FAIL(ERR_NOMEM, "no memory to align %u scopes", t[k].n);
        for (uint32_t i = 1; i < t[k].n; i++)
            al->weak[k][i] = partner[k][i] == DIFF_NONE ? al->weak[k][t[k].s->scopes.p[i].parent]
                             : k                        ? partner[k][i]
                                                        : i;
    }
    return ERR_OK;
}

static enum err align_weak(struct aligner *al, struct tree *t)
{
    uint32_t *alone[2] = {0}, *partner[2] = {0};
    bool room = true;
    for (int k = 0; k < 2; k++) {
        alone[k] = malloc(t[k].n * sizeof **alone);
        partner[k] = malloc(t[k].n * sizeof **partner);
        room = room && alone[k] && partner[k];
        if (partner[k]) memcpy(partner[k], t[k].partner, t[k].n * sizeof **partner);
    }
    enum err err = room ? make_weak(al, t, alone, partner)
                        : err_set(ERR_NOMEM, "no memory to align %u scopes", t[0].n);
    for (int k = 0; k < 2; k++) {
        free(alone[k]);
        free(partner[k]);
    }
    return err;
}

static enum err align_trees(struct aligner *al, struct tree *t)
{
    for (int k = 0; k < 2; k++) sum_content(&t[k]);
    if (equal_trees(&t[0], &t[1])) {
        for (int k = 0; k < 2; k++)
            for (uint32_t i = 0; i < t[k].n; i++) al->s[k]->scopes.p[i].key_id = i;
        return ERR_OK;
    }
    for (int k = 0; k < 2; k++) list_children(&t[k]);
    t[0].partner[0] = t[1].partner[0] = 0;
    for (uint32_t i = 0; i < t[0].n; i++)
        if (t[0].partner[i] != DIFF_NONE) TRY(align_children(al, &t[0], &t[1], i, t[0].partner[i]));
    for (uint32_t i = 0; i < t[0].n; i++) al->s[0]->scopes.p[i].key_id = i;
    for (uint32_t j = 0; j < t[1].n; j++)
        al->s[1]->scopes.p[j].key_id = t[1].partner[j] == DIFF_NONE ? t[0].n + j : t[1].partner[j];
    return align_weak(al, t);
}

enum err align_scopes(struct aligner *al)
{
    struct tree t[2];
    if (al->s[0]->scopes.n + al->s[1]->scopes.n >= DIFF_NONE)
        FAIL(ERR_LIMIT, "the two runs have more than 2^32 - 2 scopes together");
    TRY(tree_init(&t[0], al->s[0]));
    enum err err = tree_init(&t[1], al->s[1]);
    if (err) {
        tree_release(&t[0]);
        return err;
    }
    err = align_trees(al, t);
    tree_release(&t[0]);
    tree_release(&t[1]);
    return err;
}
