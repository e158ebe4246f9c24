/* derive.c - steps from the ends of optimizer ranges, then phases by one walk over the calls. */
#include "store/diff/derive.h"

#include <stdio.h>
#include <stdlib.h>

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for the steps of a log");
}

void derive_release(struct derive *d)
{
    LIST_RELEASE(&d->range);
    LIST_RELEASE(&d->backward);
}

/* ---- steps ---- */

struct steps {
    struct diff_stream *s;
    uint32_t around;         /* scope that the ranges stand in */
    uint32_t *first, *last;  /* of each scope: its first and last call, DIFF_NONE none */
    uint32_t *number;        /* of each scope: its new number */
    LIST_OF(uint32_t) end;   /* of each step but the last: its last call, plus 1 */
    LIST_OF(uint32_t) scope; /* of each step: its new number; 0 not made */
    LIST_OF(struct diff_scope) fresh;
};

static void steps_release(struct steps *t)
{
    free(t->first);
    free(t->last);
    free(t->number);
    LIST_RELEASE(&t->end);
    LIST_RELEASE(&t->scope);
    LIST_RELEASE(&t->fresh);
}

static void put_extent(struct steps *t, uint32_t scope, uint32_t first, uint32_t last)
{
    if (t->first[scope] == DIFF_NONE || first < t->first[scope]) t->first[scope] = first;
    if (t->last[scope] == DIFF_NONE || last > t->last[scope]) t->last[scope] = last;
}

static enum err find_extents(struct steps *t)
{
    const struct diff_stream *s = t->s;
    size_t bytes = s->scopes.n * sizeof *t->first;
    t->first = malloc(bytes);
    t->last = malloc(bytes);
    t->number = malloc(bytes);
    if (!t->first || !t->last || !t->number) return no_memory();
    memset(t->first, 0xff, bytes);
    memset(t->last, 0xff, bytes);
    for (uint32_t i = 0; i < s->n_calls; i++) put_extent(t, s->scope[i], i, i);
    for (size_t k = s->scopes.n; k-- > 1;)
        if (t->first[k] != DIFF_NONE) put_extent(t, s->scopes.p[k].parent, t->first[k], t->last[k]);
    return ERR_OK;
}

/* Ranges with no call between them end one step: several optimizers of one model. */
static enum err find_ends(struct steps *t, const struct derive *d)
{
    for (size_t i = 0; i < d->range.n; i++) {
        const struct derive_range *r = &d->range.p[i];
        if (t->s->scopes.p[r->scope].parent != t->around) continue;
        uint32_t begin = t->first[r->scope] == DIFF_NONE ? r->begin : t->first[r->scope];
        uint32_t end = t->last[r->scope] == DIFF_NONE ? r->begin : t->last[r->scope] + 1;
        bool goes_on = t->end.n && begin <= t->end.p[t->end.n - 1];
        uint32_t *last = goes_on ? &t->end.p[t->end.n - 1] : LIST_PUSH(&t->end);
        if (!last) return no_memory();
        *last = end;
    }
    return ERR_OK;
}

/* The step of a call, from 0. */
static size_t step_of(const struct steps *t, uint32_t call)
{
    size_t low = 0, high = t->end.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->end.p[middle] <= call) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* The scope of a step, made in the new list when it is asked for first. */
static enum err step_scope(struct steps *t, size_t step, uint32_t *out)
{
    while (t->scope.n <= step) {
        uint32_t *none = LIST_PUSH(&t->scope);
        if (!none) return no_memory();
        *none = 0;
    }
    *out = t->scope.p[step];
    if (*out) return ERR_OK;
    char name[32];
    snprintf(name, sizeof name, "step %zu", step + 1);
    struct diff_scope *row = LIST_PUSH(&t->fresh);
    if (!row) return no_memory();
    uint32_t parent = t->number[t->around];
    *row = t->fresh.p[parent];
    row->parent = parent;
    row->kind = DIFF_STEP;
    row->call = DIFF_NONE;
    row->inferred = 1;
    row->name = row->key = row->step = diff_word(t->s->words, span_of(name));
    *out = t->scope.p[step] = (uint32_t)(t->fresh.n - 1);
    return t->s->words->failed ? no_memory() : ERR_OK;
}

static enum err move_scopes(struct steps *t, const struct derive *d)
{
    const struct diff_stream *s = t->s;
    size_t range = 0;
    for (uint32_t i = 0; i < s->scopes.n; i++) {
        struct diff_scope scope = s->scopes.p[i];
        uint32_t begin = t->first[i];
        while (range < d->range.n && d->range.p[range].scope < i) range++;
        if (begin == DIFF_NONE && range < d->range.n && d->range.p[range].scope == i)
            begin = d->range.p[range].begin ? d->range.p[range].begin - 1 : 0;
        if (i && scope.parent == t->around && begin != DIFF_NONE)
            TRY(step_scope(t, step_of(t, begin), &scope.parent));
        else if (i) scope.parent = t->number[scope.parent];
        if (i && scope.step == DIFF_NONE) {
            scope.step = t->fresh.p[scope.parent].step;
            scope.inferred |= scope.step != DIFF_NONE;
        }
        t->number[i] = (uint32_t)t->fresh.n;
        struct diff_scope *row = LIST_PUSH(&t->fresh);
        if (!row) return no_memory();
        *row = scope;
    }
    return ERR_OK;
}

static enum err move_calls(struct steps *t)
{
    struct diff_stream *s = t->s;
    for (uint32_t i = 0; i < s->n_calls; i++) {
        if (s->scope[i] == t->around) TRY(step_scope(t, step_of(t, i), &s->scope[i]));
        else s->scope[i] = t->number[s->scope[i]];
    }
    return ERR_OK;
}

static enum err derive_steps(const struct derive *d, struct diff_stream *s)
{
    for (size_t i = 0; i < s->scopes.n; i++)
        if (s->scopes.p[i].kind == DIFF_STEP) return ERR_OK;
    if (!d->range.n) return ERR_OK;
    struct steps t = {.s = s, .around = s->scopes.p[d->range.p[0].scope].parent};
    enum err err;
    TRY_OUT(find_extents(&t));
    TRY_OUT(find_ends(&t, d));
    TRY_OUT(move_scopes(&t, d));
    TRY_OUT(move_calls(&t));
    LIST_RELEASE(&s->scopes);
    s->scopes.p = t.fresh.p;
    s->scopes.n = t.fresh.n;
    s->scopes.size = t.fresh.size;
    t.fresh.p = NULL;
out:
    steps_release(&t);
    return err;
}

/* ---- phases ---- */

enum { UNSEEN, PLAIN, BEGINS_BACKWARD, UPDATES };

/* What the text of a call tells of its phase. */
static uint8_t text_class(const struct diff_words *w, const struct diff_text *t)
{
    struct span name = diff_span(w, t->name), args = diff_span(w, t->args);
    if (span_find(name, SPAN("::_foreach_"), 0) != SIZE_MAX ||
        span_find(name, SPAN("::_fused_adam"), 0) != SIZE_MAX ||
        span_find(name, SPAN("::_fused_sgd"), 0) != SIZE_MAX)
        return UPDATES;
    bool loss = span_is(name, "aten::ones_like") && span_ends(args, "[]");
    return loss || span_find(name, SPAN("_backward"), 0) != SIZE_MAX ? BEGINS_BACKWARD : PLAIN;
}

struct phases {
    struct diff_stream *s;
    uint8_t *class;       /* of each text */
    struct map parts;     /* scope and phase to scope */
    uint32_t step;        /* word */
    uint8_t now;          /* enum diff_phase of calls that stand in no scope of a phase */
    uint32_t scope, part; /* the last answer, for this phase: */
    uint8_t part_phase;
};

static uint8_t class_of(struct phases *p, uint32_t text)
{
    if (p->class[text] == UNSEEN)
        p->class[text] = text_class(p->s->words, &p->s->words->text.p[text]);
    return p->class[text];
}

static uint8_t phase_of(struct phases *p, uint32_t call, bool backward)
{
    const struct diff_scope *scope = &p->s->scopes.p[p->s->scope[call]];
    if (scope->step != p->step) p->now = DIFF_PHASE_NONE;
    p->step = scope->step;
    if (scope->phase == DIFF_OPTIMIZER) {
        p->now = DIFF_PHASE_NONE;
        return DIFF_OPTIMIZER;
    }
    if (backward) return p->now = DIFF_BACKWARD;
    if (scope->phase != DIFF_PHASE_NONE) return p->now = scope->phase;
    uint8_t class = class_of(p, p->s->text[call]);
    if (class == BEGINS_BACKWARD && p->now != DIFF_OPTIMIZER) p->now = DIFF_BACKWARD;
    if (class == UPDATES && p->now == DIFF_BACKWARD) p->now = DIFF_OPTIMIZER;
    return p->now;
}

static enum err part_scope(struct phases *p, uint32_t scope, uint8_t phase, uint32_t *out)
{
    if (p->part && p->scope == scope && p->part_phase == phase) {
        *out = p->part;
        return ERR_OK;
    }
    struct diff_stream *s = p->s;
    bool added;
    int64_t *part = map_put(&p->parts, map_key_int(scope, phase), (int64_t)s->scopes.n, &added);
    if (!part || s->scopes.n >= DIFF_NONE - 1) return no_memory();
    if (added) {
        struct diff_scope row = s->scopes.p[scope];
        struct diff_scope *place = LIST_PUSH(&s->scopes);
        if (!place) return no_memory();
        row.parent = scope;
        row.kind = DIFF_LOG;
        row.call = DIFF_NONE;
        row.phase = phase;
        row.inferred = 1;
        *place = row;
    }
    p->scope = scope;
    p->part_phase = phase;
    *out = p->part = (uint32_t)*part;
    return ERR_OK;
}

static enum err derive_phases(const struct derive *d, struct diff_stream *s)
{
    struct phases p = {.s = s, .step = DIFF_NONE};
    enum err err = ERR_OK;
    size_t next = 0;
    p.class = calloc(s->words->text.n + 1, 1);
    if (!p.class) return no_memory();
    for (uint32_t i = 0; i < s->n_calls && !err; i++) {
        bool backward = next < d->backward.n && d->backward.p[next] == i;
        next += backward;
        uint8_t phase = phase_of(&p, i, backward);
        if (phase != s->scopes.p[s->scope[i]].phase)
            err = part_scope(&p, s->scope[i], phase, &s->scope[i]);
    }
    free(p.class);
    map_release(&p.parts);
    return err;
}

enum err derive(const struct derive *d, struct diff_stream *s)
{
    TRY(derive_steps(d, s));
    return derive_phases(d, s);
}
