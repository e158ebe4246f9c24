/* fact.c - the first difference of a comparison as facts, which sentence, JSON and file tell. */
#include <string.h>

#include "store/diff/report.h"

const char *diff_hash_name(enum diff_hash hash)
{
    static const char *const names[] = {[DIFF_NO_HASH] = "none",
                                        [DIFF_NORM] = "norm",
                                        [DIFF_HASH_TENSOR] = "hash_tensor",
                                        [DIFF_NEGATIVE] = "negative integer",
                                        [DIFF_PKM64] = "PKM64",
                                        [DIFF_SHA256] = "SHA-256"};
    return names[hash];
}

const struct diff_tensor *diff_tensors_of(const struct diff_verdicts *v, uint32_t pair, size_t *n)
{
    size_t low = 0, high = v->tensor.n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (v->tensor.p[mid].pair < pair) low = mid + 1;
        else high = mid;
    }
    for (*n = 0; low + *n < v->tensor.n && v->tensor.p[low + *n].pair == pair; ++*n) {
    }
    return v->tensor.p ? v->tensor.p + low : NULL;
}

const struct diff_argument_pair *diff_arguments_of(const struct diff_verdicts *v, uint32_t pair,
                                                   size_t *n)
{
    size_t low = 0, high = v->argument.n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (v->argument.p[mid].pair < pair) low = mid + 1;
        else high = mid;
    }
    for (*n = 0; low + *n < v->argument.n && v->argument.p[low + *n].pair == pair; ++*n) {
    }
    return v->argument.p ? v->argument.p + low : NULL;
}

static bool tells(const struct diff_tensor *t, const char *kind)
{
    if (t->artefact || t->class > DIFF_ONE_SIDE) return false;
    if (!strcmp(kind, "input")) return t->external;
    if (!strcmp(kind, "origin")) return t->phase != 0;
    return true;
}

static void fill(const struct diff_lane *lane, uint32_t pair, bool origin, struct diff_fact *out)
{
    const struct diff_pair *p = &lane->pairs.pair.p[pair];
    bool argument = p->flags & DIFF_ARGUMENT_DIFFERS;
    size_t n;
    *out = (struct diff_fact){.lane = lane, .pair = pair, .p = p};
    out->kind = p->verdict == DIFF_ORIGIN && argument && !origin ? "argument"
                : p->verdict <= DIFF_RECEIVER                    ? "receiver"
                                                                 : diff_verdict_name(p->verdict);
    out->side = p->a == DIFF_NONE;
    out->s = out->side ? lane->b : lane->a;
    out->call = out->side ? p->b : p->a;
    out->text = diff_call_text(out->s, out->call);
    out->scope = &out->s->scopes.p[out->s->scope[out->call]];
    const struct diff_tensor *t = diff_tensors_of(&lane->verdicts, pair, &n);
    for (size_t i = 0; i < n && !out->tensor; i++)
        if (tells(&t[i], out->kind)) out->tensor = &t[i];
    const struct diff_argument_pair *a = diff_arguments_of(&lane->verdicts, pair, &n);
    if (n) out->argument = a;
}

bool diff_fact(const struct diff_comparison *c, bool origin, struct diff_fact *out)
{
    int lane = origin ? c->origin_lane : c->first_lane;
    if (lane < 0) return false;
    const struct diff_verdicts *v = &c->lane.p[lane].verdicts;
    fill(&c->lane.p[lane], origin ? v->origin : v->first, origin, out);
    return true;
}

void diff_put_words(struct buf *b, struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != ' ' || (i && s.p[i - 1] != ' ')) buf_putc(b, s.p[i]);
}

enum err diff_fact_line(struct diff_comparison *c, const struct diff_fact *f, struct buf *out)
{
    struct diff_details d;
    TRY(diff_details_init(&d, c));
    enum err err = diff_line_of(&d, f->lane, f->side, f->call, out);
    if (!err && !out->n && !f->side && f->p->b != DIFF_NONE)
        err = diff_line_of(&d, f->lane, 1, f->p->b, out);
    diff_details_release(&d);
    return err;
}
