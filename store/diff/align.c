/* align.c - the stages of the alignment, from equal ends to what needs a guess (align.h).
 *
 * Each stage gives the calls in the gaps a key and aligns equal keys; its pairs cut the gaps for
 * the next. A stage with looser keys thus never undoes a pair that a stricter one has made.
 */
#include "store/diff/align.h"

#include <stdlib.h>
#include <string.h>

#include "store/diff/align_parts.h"

/* Myers' steps over a whole comparison: some seconds. */
enum { WORK_PER_CALL = 200, WORK_AT_LEAST = 400 * 1000 * 1000 };

const char *diff_method_name(enum diff_method m)
{
    static const char *const names[] = {
#define X(code, number, name, confidence) [number] = name,
        DIFF_METHODS(X)
#undef X
    };
    return (size_t)m < sizeof names / sizeof *names ? names[m] : "unknown";
}

int diff_method_confidence(enum diff_method m)
{
    static const uint8_t percent[] = {
#define X(code, number, name, confidence) [number] = confidence,
        DIFF_METHODS(X)
#undef X
    };
    return (size_t)m < sizeof percent ? percent[m] : 0;
}

enum err align_room(void *array, size_t *size, size_t n, size_t item)
{
    void **p = array;
    if (n <= *size && *p) return ERR_OK;
    size_t want = n + n / 4 + 16;
    free(*p);
    *size = 0;
    *p = malloc(want * item);
    if (!*p) FAIL(ERR_NOMEM, "no memory to align %zu calls", n);
    *size = want;
    return ERR_OK;
}

static void release(struct aligner *al)
{
    for (int k = 0; k < 2; k++) {
        free(al->match[k]);
        free(al->method[k]);
        free(al->weak[k]);
        free(al->hint[k]);
        free(al->key[k]);
        free(al->at[k]);
    }
    free(al->found);
    LIST_RELEASE(&al->gap);
    LIST_RELEASE(&al->next_gap);
    diff_seq_release(&al->seq);
}

/* ---- one stage ---- */

/* Keys of the calls lo .. hi that have no partner; how many. */
static enum err take_keys(struct aligner *al, const struct align_stage *stage, int side,
                          uint32_t lo, uint32_t hi, uint32_t *n)
{
    *n = 0;
    TRY(align_room(&al->key[side], &al->key_size[side], hi - lo, sizeof *al->key[side]));
    TRY(align_room(&al->at[side], &al->at_size[side], hi - lo, sizeof *al->at[side]));
    for (uint32_t i = lo; i < hi; i++) {
        if (al->match[side][i] != DIFF_NONE || al->method[side][i] == DIFF_BY_FUSION) continue;
        if (!stage->key(al, side, i, &al->key[side][*n])) continue;
        al->at[side][(*n)++] = i;
    }
    return ERR_OK;
}

enum err align_push_gap(struct aligner *al, struct seq_range gap)
{
    if (gap.a0 >= gap.a1 || gap.b0 >= gap.b1) return ERR_OK;
    struct seq_range *p = LIST_PUSH(&al->next_gap);
    if (!p) FAIL(ERR_NOMEM, "no memory to align calls");
    *p = gap;
    return ERR_OK;
}

void align_take_gaps(struct aligner *al)
{
    struct seq_list done = al->gap;
    al->gap = al->next_gap;
    al->next_gap = done;
    al->next_gap.n = 0;
}

static void mark_lost(struct aligner *al)
{
    for (size_t k = 0; k < al->seq.lost.n; k++) {
        struct seq_range r = al->seq.lost.p[k];
        for (uint32_t i = r.a0; i < r.a1; i++)
            if (al->found[i] == SEQ_NONE) al->method[0][al->at[0][i]] = DIFF_GIVEN_UP;
        for (uint32_t j = r.b0; j < r.b1; j++)
            if (al->match[1][al->at[1][j]] == DIFF_NONE)
                al->method[1][al->at[1][j]] = DIFF_GIVEN_UP;
    }
}

static enum err align_gap(struct aligner *al, const struct align_stage *stage, struct seq_range gap)
{
    uint32_t n, m;
    TRY(take_keys(al, stage, 0, gap.a0, gap.a1, &n));
    if (n) TRY(take_keys(al, stage, 1, gap.b0, gap.b1, &m));
    if (!n || !m) return align_push_gap(al, gap);
    TRY(align_room(&al->found, &al->found_size, n, sizeof *al->found));
    TRY(diff_seq_align(&al->seq, al->key[0], n, al->key[1], m, al->found));
    struct seq_range rest = gap;
    for (uint32_t k = 0; k < n; k++) {
        if (al->found[k] == SEQ_NONE) continue;
        uint32_t i = al->at[0][k], j = al->at[1][al->found[k]];
        join(al, i, j, stage->method);
        TRY(align_push_gap(al, (struct seq_range){rest.a0, i, rest.b0, j}));
        rest.a0 = i + 1;
        rest.b0 = j + 1;
    }
    if (stage->last) mark_lost(al);
    return align_push_gap(al, rest);
}

enum err align_by(struct aligner *al, struct align_stage stage)
{
    al->next_gap.n = 0;
    for (size_t k = 0; k < al->gap.n; k++) TRY(align_gap(al, &stage, al->gap.p[k]));
    align_take_gaps(al);
    return ERR_OK;
}

/* ---- keys ---- */

static uint32_t weak_of(const struct aligner *al, int side, uint32_t i)
{
    return al->weak[side][al->s[side]->scope[call_of(al, i)]];
}

static bool strict_in_scope(const struct aligner *al, int side, uint32_t i, uint64_t *out)
{
    *out = mix(text_of(al, side, i)->strict, scope_of(al, side, i)->key_id);
    return true;
}

static bool loose_in_scope(const struct aligner *al, int side, uint32_t i, uint64_t *out)
{
    *out = mix(text_of(al, side, i)->loose, scope_of(al, side, i)->key_id);
    return true;
}

static bool strict_in_weak(const struct aligner *al, int side, uint32_t i, uint64_t *out)
{
    *out = mix(text_of(al, side, i)->strict, weak_of(al, side, i));
    return true;
}

static bool loose_in_weak(const struct aligner *al, int side, uint32_t i, uint64_t *out)
{
    *out = mix(text_of(al, side, i)->loose, weak_of(al, side, i));
    return true;
}

static bool strict(const struct aligner *al, int side, uint32_t i, uint64_t *out)
{
    *out = text_of(al, side, i)->strict;
    return true;
}

static bool loose(const struct aligner *al, int side, uint32_t i, uint64_t *out)
{
    *out = text_of(al, side, i)->loose;
    return true;
}

static enum err align_keys(struct aligner *al)
{
    TRY(align_by(al, (struct align_stage){strict_in_scope, DIFF_BY_KEY, false}));
    TRY(align_by(al, (struct align_stage){loose_in_scope, DIFF_BY_LOOSE_KEY, false}));
    if (al->weak[0]) {
        TRY(align_by(al, (struct align_stage){strict_in_weak, DIFF_BY_TEXT, false}));
        TRY(align_by(al, (struct align_stage){loose_in_weak, DIFF_BY_TEXT, false}));
    }
    TRY(align_by(al, (struct align_stage){strict, DIFF_BY_TEXT, false}));
    return align_by(al, (struct align_stage){loose, DIFF_BY_TEXT, true});
}

/* ---- by hand ---- */

/* Number of the call at a position of its log, DIFF_NONE for none. */
static uint32_t call_at(const struct diff_stream *s, uint32_t position)
{
    uint32_t lo = 0, hi = s->n_calls;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (s->position[mid] < position) lo = mid + 1;
        else hi = mid;
    }
    return lo < s->n_calls && s->position[lo] == position ? lo : DIFF_NONE;
}

static int by_a(const void *x, const void *y)
{
    const struct diff_manual *p = x, *q = y;
    if (p->a != q->a) return p->a < q->a ? -1 : 1;
    return p->b < q->b ? -1 : p->b > q->b;
}

/* Positions to numbers of calls, rising; pairs that are given twice count once. */
static enum err check_manual(const struct aligner *al, struct diff_manual *m, uint32_t *n)
{
    uint32_t kept = 0;
    qsort(m, *n, sizeof *m, by_a);
    for (uint32_t k = 0; k < *n; k++) {
        uint32_t position[2] = {m[k].a, m[k].b}, call[2];
        for (int side = 0; side < 2; side++) {
            call[side] = call_at(al->s[side], position[side]);
            if (call[side] == DIFF_NONE)
                FAIL(ERR_USAGE,
                     "pair %u %u given by hand: %c has no call at %u; a call is named by its "
                     "number in the log, counted from 0",
                     m[k].a, m[k].b, "AB"[side], position[side]);
        }
        if (k && m[k].a == m[k - 1].a && m[k].b == m[k - 1].b) continue;
        if (kept && m[k].a == m[k - 1].a)
            FAIL(ERR_USAGE, "call %u of A is paired twice by hand: with %u and with %u of B",
                 m[k].a, m[k - 1].b, m[k].b);
        if (kept && m[k].b <= m[k - 1].b)
            FAIL(ERR_USAGE,
                 "pairs %u %u and %u %u given by hand cross; the order of calls must be that of "
                 "both logs",
                 m[k - 1].a, m[k - 1].b, m[k].a, m[k].b);
        kept++;
    }
    return ERR_OK;
}

/* Copies the pairs given by hand, as numbers of calls. *out is owned. */
static enum err take_manual(const struct aligner *al, struct diff_manual **out, uint32_t *n)
{
    uint32_t given = al->options ? al->options->n_manual : 0, kept = 0;
    *out = NULL;
    *n = 0;
    if (!given) return ERR_OK;
    struct diff_manual *m = malloc(given * sizeof *m);
    if (!m) FAIL(ERR_NOMEM, "no memory for %u pairs given by hand", given);
    memcpy(m, al->options->manual, given * sizeof *m);
    enum err err = check_manual(al, m, &given);
    if (err) {
        free(m);
        return err;
    }
    for (uint32_t k = 0; k < given; k++) {
        struct diff_manual call = {call_at(al->s[0], m[k].a), call_at(al->s[1], m[k].b)};
        if (!kept || m[kept - 1].a != call.a) m[kept++] = call;
    }
    *out = m;
    *n = kept;
    return ERR_OK;
}

/* ---- position ---- */

bool align_same_call(const struct diff_stream *a, uint32_t i, const struct diff_stream *b,
                     uint32_t j)
{
    if (a->scopes.p[a->scope[i]].key_id != b->scopes.p[b->scope[j]].key_id) return false;
    return a->text[i] == b->text[j] || diff_call_text(a, i)->strict == diff_call_text(b, j)->strict;
}

/* Equal ends of a gap of the middle. */
static void trim_gap(struct aligner *al, struct seq_range *r)
{
    while (r->a0 < r->a1 && r->b0 < r->b1 &&
           align_same_call(al->s[0], call_of(al, r->a0), al->s[1], call_of(al, r->b0)))
        join(al, r->a0++, r->b0++, DIFF_BY_POSITION);
    while (r->a0 < r->a1 && r->b0 < r->b1 &&
           align_same_call(al->s[0], call_of(al, r->a1 - 1), al->s[1], call_of(al, r->b1 - 1)))
        join(al, --r->a1, --r->b1, DIFF_BY_POSITION);
}

/* Pairs equal ends up to the first and last pair given by hand; those need no storage. */
static void trim_ends(struct aligner *al, const struct diff_manual *manual, uint32_t n_manual)
{
    const struct diff_stream *a = al->s[0], *b = al->s[1];
    uint32_t n = n_manual ? manual[0].a : a->n_calls, m = n_manual ? manual[0].b : b->n_calls;
    while (al->lo < n && al->lo < m && align_same_call(a, al->lo, b, al->lo)) al->lo++;
    uint32_t a0 = n_manual ? manual[n_manual - 1].a + 1 : al->lo;
    uint32_t b0 = n_manual ? manual[n_manual - 1].b + 1 : al->lo;
    while (a->n_calls - al->hi > a0 && b->n_calls - al->hi > b0 &&
           align_same_call(a, a->n_calls - al->hi - 1, b, b->n_calls - al->hi - 1))
        al->hi++;
    al->n[0] = a->n_calls - al->lo - al->hi;
    al->n[1] = b->n_calls - al->lo - al->hi;
}

static enum err make_middle(struct aligner *al)
{
    for (int k = 0; k < 2; k++) {
        al->match[k] = malloc(((size_t)al->n[k] + 1) * sizeof *al->match[k]);
        al->method[k] = calloc((size_t)al->n[k] + 1, 1);
        if (!al->match[k] || !al->method[k])
            FAIL(ERR_NOMEM, "no memory to align %u calls", al->n[k]);
        memset(al->match[k], 0xff, al->n[k] * sizeof *al->match[k]);
    }
    return ERR_OK;
}

/* The gaps between pairs given by hand, their equal ends cut off. */
static enum err make_gaps(struct aligner *al, const struct diff_manual *manual, uint32_t n_manual)
{
    struct seq_range gap = {0, 0, 0, 0};
    for (uint32_t k = 0; k <= n_manual; k++) {
        gap.a1 = k < n_manual ? manual[k].a - al->lo : al->n[0];
        gap.b1 = k < n_manual ? manual[k].b - al->lo : al->n[1];
        struct seq_range rest = gap;
        if (n_manual) trim_gap(al, &rest);
        TRY(align_push_gap(al, rest));
        if (k < n_manual) join(al, gap.a1, gap.b1, DIFF_BY_HAND);
        gap.a0 = gap.a1 + 1;
        gap.b0 = gap.b1 + 1;
    }
    align_take_gaps(al);
    return ERR_OK;
}

/* ---- the list ---- */

static void put(struct diff_pairs *out, uint32_t a, uint32_t b, uint8_t method)
{
    out->pair.p[out->pair.n++] = (struct diff_pair){.a = a, .b = b, .method = method};
}

static void put_b_alone(const struct aligner *al, uint32_t *j, uint32_t end, struct diff_pairs *out)
{
    for (; *j < end; ++*j)
        if (al->match[1][*j] == DIFF_NONE) put(out, DIFF_NONE, call_of(al, *j), al->method[1][*j]);
}

static enum err list_pairs(const struct aligner *al, struct diff_pairs *out)
{
    uint64_t n = (uint64_t)al->lo + al->hi + al->n[0] + al->n[1];
    for (uint32_t i = 0; i < al->n[0]; i++) n -= al->match[0][i] != DIFF_NONE;
    if (n >= DIFF_NONE) FAIL(ERR_LIMIT, "the two runs have more than 2^32 - 2 calls together");
    out->pair.p = malloc((n + 1) * sizeof *out->pair.p);
    if (!out->pair.p) FAIL(ERR_NOMEM, "no memory for %llu pairs", (unsigned long long)n);
    out->pair.size = n + 1;
    for (uint32_t i = 0; i < al->lo; i++) put(out, i, i, DIFF_BY_POSITION);
    uint32_t j = 0;
    for (uint32_t i = 0; i < al->n[0]; i++) {
        uint32_t partner = al->match[0][i];
        if (partner != DIFF_NONE && al->method[0][i] != DIFF_BY_MOVE) {
            put_b_alone(al, &j, partner, out);
            j = partner + 1;
        }
        put(out, call_of(al, i), partner == DIFF_NONE ? DIFF_NONE : call_of(al, partner),
            al->method[0][i]);
    }
    put_b_alone(al, &j, al->n[1], out);
    for (uint32_t k = 0; k < al->hi; k++)
        put(out, call_of(al, al->n[0]) + k, call_of(al, al->n[1]) + k, DIFF_BY_POSITION);
    return ERR_OK;
}

static enum err align(struct aligner *al, const struct diff_manual *manual, uint32_t n_manual)
{
    TRY(align_scopes(al));
    trim_ends(al, manual, n_manual);
    TRY(make_middle(al));
    TRY(make_gaps(al, manual, n_manual));
    if (!al->gap.n) return ERR_OK;
    TRY(align_unfolded(al));
    TRY(align_keys(al));
    return align_rest(al);
}

enum err diff_align(struct diff_stream *a, struct diff_stream *b,
                    const struct diff_align_options *options, struct diff_pairs *out)
{
    REQUIRE("align:joined", a->words == b->words);
    struct aligner al = {.s = {a, b}, .options = options};
    struct diff_manual *manual;
    uint32_t n_manual;
    *out = (struct diff_pairs){0};
    al.seq.most_edits = options && options->most_edits ? options->most_edits : DIFF_MOST_EDITS;
    al.seq.most_work = WORK_AT_LEAST + WORK_PER_CALL * ((uint64_t)a->n_calls + b->n_calls);
    TRY(take_manual(&al, &manual, &n_manual));
    enum err err = align(&al, manual, n_manual);
    if (!err) err = list_pairs(&al, out);
    if (!err && al.n[0] + al.n[1]) align_slide(&al, out);
    free(manual);
    release(&al);
    return err;
}

void diff_pairs_release(struct diff_pairs *p)
{
    LIST_RELEASE(&p->pair);
}
