/* notes.c - what a comparison could not see, one sentence per line. */
#include <inttypes.h>
#include <string.h>

#include "store/diff/report.h"

enum { SHOWN_NAMES = 4 };

static void about_hash(struct buf *b, enum diff_hash hash)
{
    if (hash == DIFF_NORM)
        buf_puts(b, "The norm adds absolute values: signs, and another order of the elements, are "
                    "not seen.\n");
    if (hash == DIFF_HASH_TENSOR)
        buf_puts(b, "hash_tensor combines elements by exclusive or: another order is not seen, and "
                    "equal elements cancel in pairs.\n");
}

/* Names of operators with a flag, the first ones met. */
struct tally {
    uint32_t name, n;
};

static size_t tally(const struct diff_comparison *c, unsigned flag, struct tally *out,
                    const struct diff_lane **lane, uint64_t *all)
{
    size_t n = 0;
    *all = 0;
    for (size_t i = 0; i < c->lane.n; i++) {
        const struct diff_lane *l = &c->lane.p[i];
        for (size_t k = 0; k < l->pairs.pair.n; k++) {
            const struct diff_pair *p = &l->pairs.pair.p[k];
            if (!(p->flags & flag) || p->flags & DIFF_INSIDE || p->a == DIFF_NONE) continue;
            ++*all;
            if (*lane && *lane != l) continue; /* names are numbers of one lane */
            *lane = l;
            uint32_t name = diff_call_text(l->a, p->a)->name;
            size_t at = 0;
            while (at < n && out[at].name != name) at++;
            if (at == SHOWN_NAMES) continue;
            if (at == n) out[n++] = (struct tally){.name = name};
            out[at].n++;
        }
    }
    return n;
}

static void about_flag(struct buf *b, const struct diff_comparison *c, unsigned flag,
                       const char *what)
{
    struct tally t[SHOWN_NAMES];
    const struct diff_lane *lane = NULL;
    uint64_t all;
    size_t n = tally(c, flag, t, &lane, &all);
    if (!all) return;
    buf_printf(b, "%" PRIu64 " %s %s", all, all == 1 ? "call has" : "calls have", what);
    for (size_t i = 0; i < n; i++) {
        struct span name = diff_span(lane->a->words, t[i].name);
        buf_printf(b, "%s`%.*s` (%u)", i ? ", " : ": ", (int)name.n, name.p, t[i].n);
    }
    buf_puts(b, ".\n");
}

static void about_rounding(struct buf *b, const struct diff_comparison *c)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->lane.n; i++) n += c->lane.p[i].verdicts.n_cannot_tell;
    if (n)
        buf_printf(b,
                   "%" PRIu64 " norm%s of 32768 elements and more differ%s by less than %s own "
                   "rounding, which depends on the number of threads: that is no finding.\n",
                   n, n == 1 ? "" : "s", n == 1 ? "s" : "", n == 1 ? "its" : "their");
}

static void about_alignment(struct buf *b, const struct diff_comparison *c)
{
    uint64_t given_up = 0, moved = 0, hinted = 0;
    for (size_t i = 0; i < c->lane.n; i++) {
        const struct diff_lane *l = &c->lane.p[i];
        for (size_t k = 0; k < l->pairs.pair.n; k++) {
            uint8_t method = l->pairs.pair.p[k].method;
            given_up += method == DIFF_GIVEN_UP;
            moved += method == DIFF_BY_MOVE;
            hinted += method == DIFF_BY_CONTENT;
        }
        if (!l->a || !l->b) {
            const struct diff_stream *s = l->a ? l->a : l->b;
            buf_printf(b, "Log %.*s is in %s only.\n", (int)s->log.n, s->log.n ? s->log.p : "",
                       l->a ? "A" : "B");
        }
    }
    if (given_up)
        buf_printf(b, "%" PRIu64 " %s in a stretch too different to be aligned.\n", given_up,
                   given_up == 1 ? "call stands" : "calls stand");
    if (moved)
        buf_printf(b, "%" PRIu64 " %s made in another order.\n", moved,
                   moved == 1 ? "call is" : "calls are");
    if (hinted)
        buf_printf(b, "Matched by equal results alone, which is a hint: %" PRIu64 ".\n", hinted);
}

/* ---- kernels ---- */

static void about_kernels(struct buf *b, const struct diff_comparison *c)
{
    uint64_t n[2] = {0};
    for (size_t i = 0; i < c->lane.n; i++) {
        const struct diff_lane *l = &c->lane.p[i];
        const struct diff_stream *s[2] = {l->a, l->b};
        for (int k = 0; k < 2; k++)
            for (uint32_t call = 0; s[k] && s[k]->from && call < s[k]->n_calls; call++)
                n[k] += diff_is_unfolded(s[k], call);
    }
    if (!n[0] && !n[1]) return;
    buf_printf(b,
               "%s compiled; kernels are compared operator by operator, each by what a kernel "
               "stored of it. What stays in registers, views and copies that compiled code does "
               "without (%" PRIu64 ") are taken to be as what they read.\n",
               n[0] && n[1] ? "Both runs are"
               : n[0]       ? "A is"
                            : "B is",
               c->n_inside);
}

static void about_losses(struct buf *b, const struct diff_comparison *c)
{
    for (int k = 0; k < 2; k++) {
        int64_t n = 0;
        if (store_int(c->db[k], "SELECT coalesce(sum(count), 0) FROM loss", &n)) err_clear();
        if (n > 0)
            buf_printf(b,
                       "The trace of %s lost or refused %" PRId64 " record%s (see its health).\n",
                       k ? "B" : "A", n, n == 1 ? "" : "s");
    }
}

/* plumb run --inject: a run that was made wrong is not to be taken for a finding. */
static void about_faults(struct buf *b, const struct diff_comparison *c)
{
    for (int k = 0; k < 2; k++) {
        int64_t n = 0;
        if (store_int(c->db[k],
                      "SELECT count(*) FROM diag WHERE origin = 'inject' AND severity < 3", &n))
            err_clear();
        if (n > 0)
            buf_printf(b,
                       "In the trace of %s %" PRId64 " fault%s put in on request (see its "
                       "health).\n",
                       k ? "B" : "A", n, n == 1 ? " was" : "s were");
    }
}

static void about_origin(struct buf *b, const struct diff_comparison *c)
{
    struct diff_fact f;
    if (diff_fact(c, true, &f) && f.p->flags & DIFF_VIEW)
        buf_puts(b, "The first origin only moves data: whoever made it different was not recorded "
                    "or not hashed.\n");
}

void diff_notes(struct diff_comparison *c, struct buf *b)
{
    about_hash(b, diff_strongest_of(c));
    about_flag(b, c, DIFF_UNHASHED, "a result without a digest that both runs have");
    about_flag(b, c, DIFF_INPUTS_UNHASHED,
               "arguments without a digest, whose content is not known otherwise");
    about_rounding(b, c);
    about_alignment(b, c);
    about_kernels(b, c);
    about_origin(b, c);
    about_losses(b, c);
    about_faults(b, c);
}
