/* align_flow.c - calls that belong together because of their tensors: where these come from, or
 * what they hold (align.h).
 *
 * Both look only for the tensors of calls that are left over, so that a pass over a run needs
 * little more than the tensors of these.
 */
#include "store/diff/align_parts.h"

#include <stdlib.h>
#include <string.h>

#include "store/diff/argument.h"

enum { MOST_ROUNDS = 4, SIEVE_BITS = 20 };

/* Tensors looked for, by number or by digest. The sieve tells most others apart without the map. */
struct wanted {
    struct map map; /* to the call that made it last, or how many did */
    uint8_t *sieve;
};

static struct map_key tensor_key(const struct diff_stream *s, uint32_t use)
{
    if (s->tensor && s->tensor[use] != DIFF_NONE) return map_key_int(s->tensor[use], -1);
    const struct diff_form *f = diff_use_form(s, use);
    return map_key_int(s->digest[use], (int64_t)f->hash << 32 | f->shape);
}

static bool has_tensor(const struct diff_stream *s, uint32_t use)
{
    if (s->tensor && s->tensor[use] != DIFF_NONE) return true;
    return diff_use_form(s, use)->hash != DIFF_NO_HASH;
}

static uint32_t sieve_bit(struct map_key key)
{
    return (uint32_t)(key.lo >> 7) & ((1u << SIEVE_BITS) - 1);
}

static enum err want(struct wanted *w, struct map_key key, int64_t initial)
{
    if (!w->sieve) w->sieve = calloc(1, 1u << SIEVE_BITS >> 3);
    if (!w->sieve || !map_put(&w->map, key, initial, NULL))
        FAIL(ERR_NOMEM, "no memory to follow tensors");
    w->sieve[sieve_bit(key) >> 3] |= (uint8_t)(1 << (sieve_bit(key) & 7));
    return ERR_OK;
}

static int64_t *look(const struct wanted *w, struct map_key key)
{
    if (!w->sieve || !(w->sieve[sieve_bit(key) >> 3] >> (sieve_bit(key) & 7) & 1)) return NULL;
    return map_get(&w->map, key);
}

static void wanted_release(struct wanted *w)
{
    map_release(&w->map);
    free(w->sieve);
}

static enum err make_hints(struct aligner *al)
{
    for (int k = 0; k < 2; k++) {
        free(al->hint[k]);
        al->hint[k] = calloc((size_t)al->n[k] + 1, sizeof *al->hint[k]);
        if (!al->hint[k]) FAIL(ERR_NOMEM, "no memory to align %u calls", al->n[k]);
    }
    return ERR_OK;
}

static bool by_hint(const struct aligner *al, int side, uint32_t i, uint64_t *out)
{
    *out = al->hint[side][i];
    return *out != 0;
}

/* Hints of calls in gaps only; the rest of the middle keeps 0. Calls f for each. */
static enum err each_left(struct aligner *al, int side,
                          enum err (*f)(struct aligner *, int, uint32_t, struct wanted *),
                          struct wanted *w)
{
    for (size_t k = 0; k < al->gap.n; k++) {
        struct seq_range r = al->gap.p[k];
        for (uint32_t i = side ? r.b0 : r.a0; i < (side ? r.b1 : r.a1); i++)
            if (al->match[side][i] == DIFF_NONE && al->method[side][i] != DIFF_BY_FUSION)
                TRY(f(al, side, i, w));
    }
    return ERR_OK;
}

/* ---- producers ---- */

static enum err want_arguments(struct aligner *al, int side, uint32_t i, struct wanted *w)
{
    const struct diff_stream *s = al->s[side];
    uint32_t c = call_of(al, i);
    for (uint32_t u = s->first_use[c]; u < s->first_use[c + 1]; u++)
        if (diff_use_form(s, u)->phase == 0 && has_tensor(s, u))
            TRY(want(w, tensor_key(s, u), DIFF_NONE));
    al->hint[side][i] = 1; /* to be found out when its turn comes */
    return ERR_OK;
}

/* A number that the partner of a call has too; DIFF_NONE without partner. */
static uint32_t pair_number(const struct aligner *al, int side, uint32_t c)
{
    if (c < al->lo) return c;
    uint32_t i = c - al->lo;
    if (i >= al->n[side]) return al->lo + al->n[0] + (i - al->n[side]);
    if (al->match[side][i] == DIFF_NONE) return DIFF_NONE;
    return al->lo + (side ? al->match[1][i] : i);
}

/* Name and producers as a key; 0 when a producer has no partner or none is known. */
static uint64_t flow_key(const struct aligner *al, int side, uint32_t c, const struct wanted *w)
{
    const struct diff_stream *s = al->s[side];
    struct span name = diff_base_name(diff_span(s->words, diff_call_text(s, c)->name));
    uint64_t key = map_key(name).lo;
    bool known = false;
    for (uint32_t u = s->first_use[c]; u < s->first_use[c + 1]; u++) {
        if (diff_use_form(s, u)->phase != 0 || !has_tensor(s, u)) continue;
        const int64_t *made = look(w, tensor_key(s, u));
        if (!made || *made == DIFF_NONE) continue;
        uint32_t pair = pair_number(al, side, (uint32_t)*made);
        if (pair == DIFF_NONE) return 0;
        key = mix(mix(key, pair), diff_use_form(s, u)->path);
        known = true;
    }
    return known ? key | 2 : 0;
}

static void follow(struct aligner *al, int side, struct wanted *w)
{
    const struct diff_stream *s = al->s[side];
    for (uint32_t c = 0; c < al->lo + al->n[side]; c++) {
        uint64_t *hint = c >= al->lo ? &al->hint[side][c - al->lo] : NULL;
        if (hint && *hint) *hint = flow_key(al, side, c, w);
        for (uint32_t u = s->first_use[c]; u < s->first_use[c + 1]; u++) {
            if (diff_use_form(s, u)->phase == 0 || !has_tensor(s, u)) continue;
            int64_t *made = look(w, tensor_key(s, u));
            if (made) *made = c;
        }
    }
}

static uint32_t count_pairs(const struct aligner *al)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < al->n[0]; i++) n += al->match[0][i] != DIFF_NONE;
    return n;
}

enum err align_by_flow(struct aligner *al)
{
    for (int round = 0; round < MOST_ROUNDS && al->gap.n; round++) {
        uint32_t before = count_pairs(al);
        TRY(make_hints(al));
        for (int side = 0; side < 2; side++) {
            struct wanted w = {0};
            enum err err = each_left(al, side, want_arguments, &w);
            if (!err) follow(al, side, &w);
            wanted_release(&w);
            TRY(err);
        }
        TRY(align_by(al, (struct align_stage){by_hint, DIFF_BY_FLOW, false}));
        if (count_pairs(al) == before) break;
    }
    return ERR_OK;
}

/* ---- contents ---- */

uint32_t align_first_result(const struct diff_stream *s, uint32_t c)
{
    for (uint32_t u = s->first_use[c]; u < s->first_use[c + 1]; u++)
        if (diff_use_form(s, u)->phase == 1 && diff_use_form(s, u)->hash != DIFF_NO_HASH) return u;
    return DIFF_NONE;
}

static struct map_key content_key(const struct diff_stream *s, uint32_t use)
{
    const struct diff_form *f = diff_use_form(s, use);
    return map_key_int(s->digest[use], (int64_t)f->hash << 32 | f->shape);
}

static enum err want_result(struct aligner *al, int side, uint32_t i, struct wanted *w)
{
    uint32_t use = align_first_result(al->s[side], call_of(al, i));
    return use == DIFF_NONE ? ERR_OK : want(w, content_key(al->s[side], use), 0);
}

static void count_results(const struct diff_stream *s, struct wanted *w)
{
    for (uint32_t c = 0; c < s->n_calls; c++) {
        uint32_t use = align_first_result(s, c);
        int64_t *n = use == DIFF_NONE ? NULL : look(w, content_key(s, use));
        if (n) ++*n;
    }
}

/* What one call of a run alone made; zeros and constants are made by many. */
static enum err hint_result(struct aligner *al, int side, uint32_t i, struct wanted *w)
{
    uint32_t use = align_first_result(al->s[side], call_of(al, i));
    if (use == DIFF_NONE) return ERR_OK;
    struct map_key key = content_key(al->s[side], use);
    const int64_t *n = look(w, key);
    if (n && *n == 1) al->hint[side][i] = mix(key.lo, key.hi) | 1;
    return ERR_OK;
}

enum err align_by_content(struct aligner *al)
{
    if (!al->gap.n) return ERR_OK;
    TRY(make_hints(al));
    for (int side = 0; side < 2; side++) {
        struct wanted w = {0};
        enum err err = each_left(al, side, want_result, &w);
        if (!err) count_results(al->s[side], &w);
        if (!err) err = each_left(al, side, hint_result, &w);
        wanted_release(&w);
        TRY(err);
    }
    return align_by(al, (struct align_stage){by_hint, DIFF_BY_CONTENT, false});
}
