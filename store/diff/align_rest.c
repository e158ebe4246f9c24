/* align_rest.c - what equal keys left over: variants, kernels, moves, equal results (align.h).
 *
 * Kernels: a call that a compiler made of several operators stands in a gap with some of these. The
 * last of them made the tensors that the kernel makes, so it is its partner; the others are marked
 * as explained. A kernel that is called more than once lists the operators of all its calls; where
 * their names repeat, one period is taken for a call.
 */
#include "store/diff/align_parts.h"

#include <stdlib.h>
#include <string.h>

enum { FUSION_REACH = 1000 }; /* calls without partner that an operator is looked for in */

static bool base_in_scope(const struct aligner *al, int side, uint32_t i, uint64_t *out)
{
    *out = mix(text_of(al, side, i)->base, scope_of(al, side, i)->key_id);
    return true;
}

static bool base(const struct aligner *al, int side, uint32_t i, uint64_t *out)
{
    *out = text_of(al, side, i)->base;
    return true;
}

/* ---- shapes ---- */

static bool same_names(const struct aligner *al, struct seq_range gap)
{
    if (gap.a1 - gap.a0 != gap.b1 - gap.b0) return false;
    for (uint32_t k = 0; k < gap.a1 - gap.a0; k++)
        if (text_of(al, 0, gap.a0 + k)->name != text_of(al, 1, gap.b0 + k)->name) return false;
    return true;
}

/* A gap where both runs call the same operators one by one, on other shapes: another batch,
 * another width. */
static enum err align_shapes(struct aligner *al)
{
    al->next_gap.n = 0;
    for (size_t k = 0; k < al->gap.n; k++) {
        struct seq_range gap = al->gap.p[k];
        if (!same_names(al, gap)) TRY(align_push_gap(al, gap));
        else
            for (uint32_t i = 0; i < gap.a1 - gap.a0; i++)
                join(al, gap.a0 + i, gap.b0 + i, DIFF_BY_LOOSE_KEY);
    }
    align_take_gaps(al);
    return ERR_OK;
}

/* ---- fusion ---- */

struct fusion {
    struct aligner *al;
    int side;            /* that has the kernels */
    uint32_t *n_calls;   /* per word: calls of that name */
    uint32_t *found;     /* calls of the other side that one kernel was made of */
    uint32_t most_found; /* room there */
    uint32_t at, end;    /* of the other side: where the gap goes on */
};

/* Operators of a kernel: origins[*first], n of them. */
static uint32_t origins_of(const struct fusion *f, uint32_t kernel, uint32_t *first)
{
    const struct diff_origin *o = f->al->options->origins[f->side];
    uint32_t lo = 0, n = f->al->options->n_origins[f->side], hi = n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (o[mid].kernel < kernel) lo = mid + 1;
        else hi = mid;
    }
    *first = lo;
    while (lo < n && o[lo].kernel == kernel) lo++;
    n = lo - *first;
    if (n < 2 || f->n_calls[kernel] < 2) return n;
    for (uint32_t period = 1; period <= n / 2; period++) {
        uint32_t k = period;
        while (k < n && o[*first + k].op == o[*first + k - period].op) k++;
        if (k == n && n % period == 0) return period;
    }
    return n;
}

static bool is_free(const struct aligner *al, int side, uint32_t i)
{
    return al->match[side][i] == DIFF_NONE && al->method[side][i] != DIFF_BY_FUSION;
}

/* The next call of an operator from `at` on; DIFF_NONE. */
static uint32_t find_operator(const struct fusion *f, uint32_t op, uint32_t at)
{
    for (uint32_t reach = 0; at < f->end && reach < FUSION_REACH; at++) {
        if (!is_free(f->al, 1 - f->side, at)) continue;
        if (text_of(f->al, 1 - f->side, at)->name == op) return at;
        reach++;
    }
    return DIFF_NONE;
}

/* Pairs a kernel with the last of its operators, if that is in the gap. */
static bool explain(struct fusion *f, uint32_t i)
{
    uint32_t first, at = f->at, n_found = 0, last = DIFF_NONE;
    uint32_t kernel = text_of(f->al, f->side, i)->name;
    uint32_t n = kernel == DIFF_NONE ? 0 : origins_of(f, kernel, &first);
    for (uint32_t k = 0; k < n && n_found < f->most_found; k++) {
        last = find_operator(f, f->al->options->origins[f->side][first + k].op, at);
        if (last == DIFF_NONE) continue;
        f->found[n_found++] = last;
        at = last + 1;
    }
    if (last == DIFF_NONE) return false;
    for (uint32_t k = 0; k + 1 < n_found; k++)
        f->al->method[1 - f->side][f->found[k]] = DIFF_BY_FUSION;
    if (f->side == 0) join(f->al, i, last, DIFF_BY_FUSION);
    else join(f->al, last, i, DIFF_BY_FUSION);
    f->at = last + 1;
    return true;
}

/* Kernels of a gap; the gaps between their pairs are for the next stage. */
static enum err explain_gap(struct fusion *f, struct seq_range gap)
{
    struct aligner *al = f->al;
    uint32_t lo = f->side ? gap.b0 : gap.a0, hi = f->side ? gap.b1 : gap.a1;
    f->at = f->side ? gap.a0 : gap.b0;
    f->end = f->side ? gap.a1 : gap.b1;
    for (uint32_t i = lo; i < hi; i++) {
        if (!is_free(al, f->side, i) || !explain(f, i)) continue;
        uint32_t a = f->side ? al->match[1][i] : i, b = f->side ? i : al->match[0][i];
        TRY(align_push_gap(al, (struct seq_range){gap.a0, a, gap.b0, b}));
        gap.a0 = a + 1;
        gap.b0 = b + 1;
    }
    return align_push_gap(al, gap);
}

static enum err explain_gaps(struct fusion *f)
{
    const struct diff_stream *s = f->al->s[f->side];
    for (uint32_t i = 0; i < s->n_calls; i++) {
        uint32_t name = diff_call_text(s, i)->name;
        if (name != DIFF_NONE) f->n_calls[name]++;
    }
    for (size_t k = 0; k < f->al->gap.n; k++) TRY(explain_gap(f, f->al->gap.p[k]));
    align_take_gaps(f->al);
    return ERR_OK;
}

static enum err align_kernels(struct aligner *al, int side)
{
    uint32_t n = al->options ? al->options->n_origins[side] : 0;
    if (!n) return ERR_OK;
    struct fusion f = {.al = al, .side = side, .most_found = n};
    f.n_calls = calloc(al->s[side]->words->word.n + 1, sizeof *f.n_calls);
    f.found = malloc(n * sizeof *f.found);
    enum err err = f.n_calls && f.found
                       ? explain_gaps(&f)
                       : err_set(ERR_NOMEM, "no memory to align %u origins of kernels", n);
    free(f.n_calls);
    free(f.found);
    return err;
}

/* ---- moves ---- */

struct loose_end {
    uint64_t key;
    uint32_t side, call;
};

static int by_key(const void *x, const void *y)
{
    const struct loose_end *p = x, *q = y;
    if (p->key != q->key) return p->key < q->key ? -1 : 1;
    if (p->side != q->side) return p->side < q->side ? -1 : 1;
    return p->call < q->call ? -1 : p->call > q->call;
}

static uint32_t count_free(const struct aligner *al, int side)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < al->n[side]; i++) n += is_free(al, side, i);
    return n;
}

/* One of each side and no third. */
static void pair_moved(struct aligner *al, const struct loose_end *e, size_t n)
{
    for (size_t k = 0, next; k < n; k = next) {
        for (next = k + 1; next < n && e[next].key == e[k].key; next++) {
        }
        if (next == k + 2 && e[k].side != e[k + 1].side)
            join(al, e[k].call, e[k + 1].call, DIFF_BY_MOVE);
    }
}

/* Whatever order: the same call in the same scope, once on each side among what is left. */
static enum err align_moved(struct aligner *al)
{
    size_t n_a = count_free(al, 0), n_b = count_free(al, 1), n = 0;
    if (!n_a || !n_b) return ERR_OK;
    struct loose_end *e = malloc((n_a + n_b) * sizeof *e);
    if (!e) FAIL(ERR_NOMEM, "no memory to align %zu calls", n_a + n_b);
    for (int side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < al->n[side]; i++) {
            if (!is_free(al, side, i)) continue;
            uint64_t key = mix(text_of(al, side, i)->strict, scope_of(al, side, i)->key_id);
            e[n++] = (struct loose_end){key, (uint32_t)side, i};
        }
    }
    qsort(e, n, sizeof *e, by_key);
    pair_moved(al, e, n);
    free(e);
    return ERR_OK;
}

enum err align_rest(struct aligner *al)
{
    TRY(align_by(al, (struct align_stage){base_in_scope, DIFF_BY_VARIANT, false}));
    TRY(align_by(al, (struct align_stage){base, DIFF_BY_VARIANT, false}));
    TRY(align_shapes(al));
    for (int side = 0; side < 2; side++) TRY(align_kernels(al, side));
    TRY(align_by_flow(al));
    TRY(align_moved(al));
    return align_by_content(al);
}
