/* verdict.c - walks the pairs and decides of each what became of it.
 *
 * The calls of both sides are entered into their flow in their own order, before the pair that
 * reads what they made; so a pair knows the pairs that made its arguments, and their verdicts.
 */
#include "store/diff/judge.h"

#include <stdlib.h>

static const char *const names[] = {
#define X(code, number, letter, name, sentence) [number] = name,
    DIFF_VERDICTS(X)
#undef X
};
static const char *const letters[] = {
#define X(code, number, letter, name, sentence) [number] = letter,
    DIFF_VERDICTS(X)
#undef X
};
const char *diff_verdict_name(enum diff_verdict v)
{
    return names[v];
}
const char *diff_verdict_letter(enum diff_verdict v)
{
    return letters[v];
}

/* The walk over all pairs. */
struct walk {
    struct judge j;
    struct diff_pairs *pairs;
    struct diff_verdicts *out;
    uint32_t *pair_of[2];                       /* by call: its pair */
    LIST_OF(struct diff_argument) arguments[2]; /* of the pair being judged */
    struct map seen; /* (digest of A, of B): tensors from outside that differed already */
    uint32_t now;    /* the pair being judged */
    bool differed;   /* an earlier pair's tensors differ */
    bool all;        /* rows of every pair are kept */
    unsigned found;  /* bits of enum answer: pairs of which the first was met */
};

enum answer { FOUND_FIRST = 1, FOUND_ORIGIN = 2, FOUND_RECEIVER = 4 };

/* What the tensors and arguments of a pair come to. */
struct findings {
    bool shape, argument, scalar_result, compared;
    bool in_differs, in_unknown, external;
    bool out_differs, out_unknown, out_hashed, artefact, cannot_tell;
    bool unfolded; /* of a kernel's operator: what was not stored is not missing */
};

static enum err index_pairs(struct walk *w)
{
    for (int k = 0; k < 2; k++) {
        size_t n = w->j.side[k]->n_calls;
        w->pair_of[k] = malloc((n ? n : 1) * sizeof(uint32_t));
        if (!w->pair_of[k]) FAIL(ERR_NOMEM, "out of memory for %zu calls of a log", n);
        for (size_t i = 0; i < n; i++) w->pair_of[k][i] = DIFF_NONE;
    }
    for (size_t i = 0; i < w->pairs->pair.n; i++) {
        const struct diff_pair *p = &w->pairs->pair.p[i];
        if (p->a != DIFF_NONE) w->pair_of[0][p->a] = (uint32_t)i;
        if (p->b != DIFF_NONE) w->pair_of[1][p->b] = (uint32_t)i;
    }
    return ERR_OK;
}

/* ---- printed arguments and results ---- */

static enum err put_argument(struct walk *w, const char *path, struct span a, struct span b)
{
    struct diff_words *words = w->j.side[0]->words;
    struct diff_argument_pair *to = LIST_PUSH(&w->out->argument);
    if (!to) FAIL(ERR_NOMEM, "out of memory for arguments that differ");
    *to = (struct diff_argument_pair){w->now, diff_word(words, span_of(path)), diff_word(words, a),
                                      diff_word(words, b)};
    return ERR_OK;
}

static enum err list_arguments(struct walk *w, int k, const struct diff_text *t)
{
    const struct diff_words *words = w->j.side[0]->words;
    struct diff_arguments rest = {.args = diff_span(words, t->args),
                                  .kwargs = diff_span(words, t->kwargs)};
    struct diff_argument next;
    w->arguments[k].n = 0;
    while (diff_next_argument(&rest, &next)) {
        struct diff_argument *to = LIST_PUSH(&w->arguments[k]);
        if (!to) FAIL(ERR_NOMEM, "out of memory for the arguments of a call");
        *to = next;
    }
    return ERR_OK;
}

/* The argument of that path, nearly always the one at that place; NULL. */
static const struct diff_argument *named(const struct walk *w, int k, const char *path, size_t at)
{
    size_t n = w->arguments[k].n;
    for (size_t i = 0; i < n; i++) {
        const struct diff_argument *p = &w->arguments[k].p[(at + i) % n];
        if (!strcmp(p->path, path)) return p;
    }
    return NULL;
}

/* Scalar arguments that differ are listed; a tensor against none, or of another form, is a matter
 * of shape. */
static enum err compare_arguments(struct walk *w, const struct diff_text *a,
                                  const struct diff_text *b, struct findings *f)
{
    TRY(list_arguments(w, 0, a));
    TRY(list_arguments(w, 1, b));
    for (size_t i = 0; i < w->arguments[0].n; i++) {
        const struct diff_argument *x = &w->arguments[0].p[i], *y = named(w, 1, x->path, i);
        if (y && span_eq(x->text, y->text)) continue;
        if (x->tensor || (y && y->tensor)) {
            f->shape = true;
            continue;
        }
        f->argument = true;
        TRY(put_argument(w, x->path, x->text, y ? y->text : SPAN_NONE));
    }
    for (size_t i = 0; i < w->arguments[1].n; i++) {
        const struct diff_argument *y = &w->arguments[1].p[i];
        if (named(w, 0, y->path, i)) continue;
        f->shape |= y->tensor;
        f->argument |= !y->tensor;
        if (!y->tensor) TRY(put_argument(w, y->path, SPAN_NONE, y->text));
    }
    return ERR_OK;
}

static bool shows_tensor(struct span output)
{
    for (size_t i = 0; i + 1 < output.n; i++)
        if (output.p[i] == 't' && output.p[i + 1] == ':') return true;
    return false;
}

static enum err compare_texts(struct walk *w, const struct diff_pair *p, struct findings *f)
{
    const struct diff_stream *sa = w->j.side[0], *sb = w->j.side[1];
    if (sa->text[p->a] == sb->text[p->b]) return ERR_OK;
    const struct diff_text *a = diff_call_text(sa, p->a), *b = diff_call_text(sb, p->b);
    const struct diff_words *words = sa->words;
    bool variant = p->method == DIFF_BY_VARIANT || p->method == DIFF_BY_FUSION ||
                   judge_is_unfolded(sa, p->a) || judge_is_unfolded(sb, p->b);
    if (!variant && (a->kind != b->kind || a->name != b->name)) f->shape = true;
    /* A variant (out=, another overload) takes other arguments by its nature. */
    if (!variant && a->strict != b->strict) TRY(compare_arguments(w, a, b, f));
    if (a->output == b->output || a->output == DIFF_NONE || b->output == DIFF_NONE) return ERR_OK;
    if (shows_tensor(diff_span(words, a->output)) || shows_tensor(diff_span(words, b->output)))
        f->shape |= !variant;
    else f->scalar_result = true;
    return ERR_OK;
}

/* ---- tensors ---- */

static struct map_key seen_key(const struct walk *w, const struct match *m)
{
    return map_key_int(w->j.side[0]->digest[m->a], w->j.side[1]->digest[m->b]);
}

/* Were its results other than in the other run, so that who reads them receives a difference? */
static bool spreads(const struct walk *w, uint32_t pair)
{
    const struct diff_pair *p = &w->pairs->pair.p[pair];
    if (p->verdict == DIFF_UNKNOWN && p->flags & DIFF_INSIDE) return false;
    switch (p->verdict) {
    case DIFF_SAME:
    case DIFF_MASKED:
    case DIFF_ARTEFACT:
    case DIFF_ARGUMENT: return false;
    default: return true;
    }
}

/* Who made a differing argument: its pair into t->producer; whether it comes from outside, or is
 * another tensor than the other run reads. */
static enum err trace(struct walk *w, const struct match *m, const uint32_t use[2],
                      struct diff_tensor *t, struct findings *f)
{
    uint32_t made[2], spreading = DIFF_NONE, any = DIFF_NONE;
    for (int k = 1; k >= 0; k--) {
        uint32_t call = use[k] == DIFF_NONE ? DIFF_NONE : flow_maker(&w->j.flow[k], use[k]);
        made[k] = call == DIFF_NONE ? DIFF_NONE : w->pair_of[k][call];
        if (made[k] == DIFF_NONE) continue;
        any = made[k];
        if (spreads(w, made[k])) spreading = made[k];
    }
    t->producer = spreading != DIFF_NONE ? spreading : any;
    if (spreading != DIFF_NONE || map_get(&w->seen, seen_key(w, m))) return ERR_OK;
    /* Made by calls that agree, and yet different: the runs read different tensors. */
    if (made[0] != DIFF_NONE && made[1] != DIFF_NONE) {
        f->shape |= made[0] != made[1];
        return ERR_OK;
    }
    t->producer = DIFF_NONE;
    t->external = 1;
    f->external = true;
    if (!map_put(&w->seen, seen_key(w, m), 1, NULL))
        FAIL(ERR_NOMEM, "out of memory for tensors from outside that differ");
    return ERR_OK;
}

/* The uses of the pair itself at the place of a match whose content was resolved elsewhere. */
static uint32_t own_use(const struct diff_stream *s, uint32_t call, const struct match *m,
                        uint32_t use)
{
    if (use >= s->first_use[call] && use < s->first_use[call + 1]) return use;
    for (uint32_t u = s->first_use[call]; u < s->first_use[call + 1]; u++) {
        const struct diff_form *f = diff_use_form(s, u);
        if (f->phase == m->phase && f->path == m->path) return u;
    }
    return DIFF_NONE;
}

static enum err note(struct walk *w, const struct diff_pair *p, const struct match *m,
                     struct findings *f)
{
    struct diff_tensor t = {.pair = w->now,
                            .a = m->a,
                            .b = m->b,
                            .path = m->path,
                            .producer = DIFF_NONE,
                            .phase = m->phase,
                            .class = m->class,
                            .artefact = m->artefact};
    if (m->class == DIFF_VALUES && !m->phase && !m->artefact) {
        uint32_t use[2] = {own_use(w->j.side[0], p->a, m, m->a),
                           own_use(w->j.side[1], p->b, m, m->b)};
        TRY(trace(w, m, use, &t, f));
    }
    struct diff_tensor *to = LIST_PUSH(&w->out->tensor);
    if (!to) FAIL(ERR_NOMEM, "out of memory for tensors that differ");
    *to = t;
    return ERR_OK;
}

static void count(const struct match *m, struct findings *f)
{
    bool differs = m->class == DIFF_VALUES && !m->artefact;
    bool unknown = m->class == DIFF_NOT_HASHED || m->class == DIFF_OTHER_HASH;
    if (m->class && m->artefact) f->artefact |= m->class == DIFF_VALUES;
    else if (m->class == DIFF_SHAPE) f->shape = true;
    /* What only one run hashed or recorded is no difference of what it computed. */
    else if (m->class == DIFF_ONE_SIDE) unknown = true;
    unknown &= !m->artefact;
    f->compared |= m->hashed;
    if (!m->phase) {
        f->in_differs |= differs;
        f->in_unknown |= unknown;
    } else {
        f->out_hashed |= m->hashed;
        f->out_differs |= differs;
        f->out_unknown |= unknown;
        f->cannot_tell |= m->class == DIFF_CANNOT_TELL && !m->artefact;
    }
}

/* A tensor that one side has in a register or as a view: what is read is as the operator that made
 * it found its own, what is made is not compared. */
static void count_unseen(const struct walk *w, const struct match *m, struct findings *f)
{
    if (m->phase) return;
    bool known = false;
    for (int k = 0; k < 2; k++) {
        uint32_t use = k ? m->b : m->a;
        if (!judge_is_unseen(w->j.side[k], use)) continue;
        uint32_t call = flow_maker(&w->j.flow[k], use);
        uint32_t made = call == DIFF_NONE ? DIFF_NONE : w->pair_of[k][call];
        if (made == DIFF_NONE) continue;
        const struct diff_pair *p = &w->pairs->pair.p[made];
        f->in_differs |= spreads(w, made);
        known |= !(p->flags & DIFF_INPUTS_UNHASHED);
    }
    f->in_unknown |= !known;
}

static bool is_unseen(const struct walk *w, const struct match *m)
{
    return judge_is_unseen(w->j.side[0], m->a) || judge_is_unseen(w->j.side[1], m->b);
}

static enum err compare_tensors(struct walk *w, const struct diff_pair *p, struct findings *f)
{
    TRY(judge_uses(&w->j, p->a, p->b));
    for (size_t i = 0; i < w->j.match.n; i++) {
        const struct match *m = &w->j.match.p[i];
        if (f->unfolded && is_unseen(w, m)) {
            count_unseen(w, m, f);
            continue;
        }
        if (f->unfolded && m->phase && m->class == DIFF_ONE_SIDE) continue;
        count(m, f);
        w->out->n_cannot_tell += m->class == DIFF_CANNOT_TELL;
        if (m->class) TRY(note(w, p, m, f));
    }
    return ERR_OK;
}

/* ---- the verdict ---- */

/* Nothing that it makes was hashed, and it makes something. */
static bool is_unhashed(const struct walk *w, const struct diff_pair *p, const struct findings *f)
{
    const struct diff_text *t = diff_call_text(w->j.side[0], p->a);
    struct span name = diff_span(w->j.side[0]->words, t->name);
    if (f->out_hashed || f->out_differs || (t->kind != 3 && t->kind != 6)) return false;
    if (op_leaves_memory(name)) return false;
    return op_mutates(name) || f->out_unknown || t->kind == 6 ||
           shows_tensor(diff_span(w->j.side[0]->words, t->output));
}

static enum diff_verdict decide(const struct walk *w, struct diff_pair *p, const struct findings *f)
{
    bool unhashed = !f->unfolded && is_unhashed(w, p, f);
    bool out = f->out_differs || f->scalar_result;
    bool inside = f->unfolded && !f->out_hashed;
    if (inside) p->flags |= DIFF_INSIDE;
    if (f->argument) p->flags |= DIFF_ARGUMENT_DIFFERS;
    if (unhashed || f->out_unknown) p->flags |= DIFF_UNHASHED;
    if (f->in_unknown) p->flags |= DIFF_INPUTS_UNHASHED;
    if (f->external) return DIFF_INPUT;
    if (f->shape) return DIFF_STRUCTURE;
    if (f->in_differs)
        return out || unhashed || inside || f->out_unknown ? DIFF_RECEIVER : DIFF_MASKED;
    if (out) {
        const struct diff_text *t = diff_call_text(w->j.side[0], p->a);
        if (f->in_unknown && w->differed && !f->argument) return DIFF_RECEIVER;
        if (op_moves(diff_span(w->j.side[0]->words, t->name))) p->flags |= DIFF_VIEW;
        return DIFF_ORIGIN;
    }
    if (f->argument) return DIFF_ARGUMENT;
    if (unhashed || inside || f->out_unknown || f->cannot_tell) return DIFF_UNKNOWN;
    return f->artefact ? DIFF_ARTEFACT : DIFF_SAME;
}

/* Is the pair one that the answer may tell? The first of each kind is. */
static bool is_told(struct walk *w, const struct diff_pair *p)
{
    unsigned is = p->verdict >= DIFF_STRUCTURE ? FOUND_FIRST : 0;
    if (p->verdict == DIFF_ORIGIN) is |= FOUND_ORIGIN;
    if (p->verdict == DIFF_RECEIVER || p->verdict == DIFF_MASKED) is |= FOUND_RECEIVER;
    bool told = is & ~w->found;
    w->found |= is;
    return told;
}

/* What a kernel of the other run holds is not compared; it hands on what it reads. */
static void judge_explained(const struct walk *w, struct diff_pair *p)
{
    int k = p->a == DIFF_NONE;
    const struct diff_stream *s = w->j.side[k];
    uint32_t call = k ? p->b : p->a;
    p->flags |= DIFF_INSIDE;
    p->verdict = DIFF_UNKNOWN;
    for (uint32_t u = s->first_use[call]; u < s->first_use[call + 1]; u++) {
        if (diff_use_form(s, u)->phase) continue;
        uint32_t maker = flow_maker(&w->j.flow[k], u);
        uint32_t made = maker == DIFF_NONE ? DIFF_NONE : w->pair_of[k][maker];
        if (made != DIFF_NONE && spreads(w, made)) p->verdict = DIFF_RECEIVER;
    }
}

static enum err judge_pair(struct walk *w, struct diff_pair *p)
{
    struct findings f = {0};
    size_t tensors = w->out->tensor.n, arguments = w->out->argument.n;
    p->flags = 0;
    if (p->a != DIFF_NONE) TRY(flow_advance(&w->j.flow[0], p->a));
    if (p->b != DIFF_NONE) TRY(flow_advance(&w->j.flow[1], p->b));
    if (p->a == DIFF_NONE || p->b == DIFF_NONE) {
        w->found |= p->method == DIFF_BY_FUSION ? 0 : FOUND_FIRST;
        p->verdict = DIFF_STRUCTURE;
        if (p->method == DIFF_BY_FUSION) judge_explained(w, p);
        return ERR_OK;
    }
    f.unfolded = judge_is_unfolded(w->j.side[0], p->a) || judge_is_unfolded(w->j.side[1], p->b);
    if (judge_plainly_equal(&w->j, p->a, p->b)) {
        p->verdict = DIFF_SAME;
        w->out->n_compared++;
        return ERR_OK;
    }
    TRY(compare_texts(w, p, &f));
    TRY(compare_tensors(w, p, &f));
    p->verdict = (uint8_t)decide(w, p, &f);
    w->out->n_compared += f.compared;
    w->differed |= f.out_differs || f.in_differs || p->verdict >= DIFF_RECEIVER;
    if (!w->all && !is_told(w, p)) {
        w->out->tensor.n = tensors;
        w->out->argument.n = arguments;
    }
    return ERR_OK;
}

/* Of each scope: the innermost call around it, DIFF_NONE for none. */
static uint32_t *calls_around(const struct diff_stream *s)
{
    uint32_t *around = malloc(s->scopes.n * sizeof *around);
    for (size_t c = 0; around && c < s->scopes.n; c++) {
        const struct diff_scope *p = &s->scopes.p[c];
        bool call = p->kind == DIFF_CALL && p->call < s->n_calls;
        around[c] = call ? p->call : c ? around[p->parent] : (uint32_t)DIFF_NONE;
    }
    return around;
}

/* A call that contains one that parts is no origin itself: it hands on what its inside made. From
 * the last call to the first, so that what is inside comes before what is around it. */
static enum err look_inside(const struct walk *w, int k)
{
    const struct diff_stream *s = w->j.side[k];
    uint32_t *around = calls_around(s);
    bool *holds = calloc((size_t)s->n_calls + 1, sizeof *holds); /* one that parts */
    bool room = around && holds;
    for (uint32_t i = room ? s->n_calls : 0; i-- > 0;) {
        struct diff_pair *p = &w->pairs->pair.p[w->pair_of[k][i]];
        uint32_t outer = around[s->scope[i]];
        bool parts = holds[i] || p->verdict >= DIFF_STRUCTURE;
        if (holds[i] && p->verdict == DIFF_ORIGIN && !(p->flags & DIFF_ARGUMENT_DIFFERS))
            p->verdict = DIFF_RECEIVER;
        if (outer >= i) continue;
        w->pairs->pair.p[w->pair_of[k][outer]].flags |= DIFF_CONTAINS;
        holds[outer] |= parts;
    }
    free(around);
    free(holds);
    if (!room) FAIL(ERR_NOMEM, "out of memory for the calls within %u calls", s->n_calls);
    return ERR_OK;
}

static bool nests(const struct diff_stream *s)
{
    for (size_t i = 0; i < s->scopes.n; i++)
        if (s->scopes.p[i].kind == DIFF_CALL) return true;
    return false;
}

static void sum_up(const struct walk *w, struct diff_verdicts *out)
{
    const struct diff_pair *p = w->pairs->pair.p;
    uint32_t receiver = DIFF_NONE, same = 0, same_before = 0;
    for (uint32_t i = 0; i < w->pairs->pair.n; i++) {
        enum diff_verdict v = p[i].verdict;
        out->n[v]++;
        out->n_argument += (p[i].flags & DIFF_ARGUMENT_DIFFERS) != 0;
        out->n_unhashed += (p[i].flags & DIFF_UNHASHED) != 0;
        out->alone[0] += p[i].b == DIFF_NONE;
        out->alone[1] += p[i].a == DIFF_NONE;
        if (out->origin == DIFF_NONE && v == DIFF_ORIGIN) out->origin = i;
        if (out->first == DIFF_NONE && v >= DIFF_STRUCTURE) {
            out->first = i;
            out->before = same;
        }
        if (receiver == DIFF_NONE && (v == DIFF_RECEIVER || v == DIFF_MASKED)) {
            receiver = i;
            same_before = same;
        }
        same += v == DIFF_SAME;
    }
    if (out->first != DIFF_NONE) return;
    /* Who made it was not hashed: the first that received it is all that can be told. */
    out->first = receiver;
    out->before = same_before;
}

static unsigned allowed_of(const struct diff_verdict_options *options)
{
    return options && options->hash ? 1u << options->hash : ~1u;
}

static enum err judge_all(struct walk *w)
{
    for (int k = 0; k < 2; k++) TRY(flow_init(&w->j.flow[k], w->j.side[k]));
    TRY(index_pairs(w));
    /* What is an origin at first sight may turn out to contain one. */
    w->all |= nests(w->j.side[0]) || nests(w->j.side[1]);
    for (w->now = 0; w->now < w->pairs->pair.n; w->now++)
        TRY(judge_pair(w, &w->pairs->pair.p[w->now]));
    for (int k = 0; k < 2; k++)
        if (nests(w->j.side[k])) TRY(look_inside(w, k));
    sum_up(w, w->out);
    return ERR_OK;
}

enum err diff_judge(const struct diff_stream *a, const struct diff_stream *b,
                    struct diff_pairs *pairs, const struct diff_verdict_options *options,
                    struct diff_verdicts *out)
{
    struct walk w = {.j = {.side = {a, b}, .allowed = allowed_of(options)},
                     .pairs = pairs,
                     .out = out,
                     .all = options && options->all};
    *out = (struct diff_verdicts){.first = DIFF_NONE, .origin = DIFF_NONE};
    REQUIRE("diff:joined", a->words == b->words);
    out->common = a->hashes & b->hashes & w.j.allowed & ~1u;
    out->hash = diff_strongest(out->common);
    enum err err = judge_all(&w);
    for (int k = 0; k < 2; k++) {
        flow_release(&w.j.flow[k]);
        free(w.pair_of[k]);
        LIST_RELEASE(&w.arguments[k]);
    }
    LIST_RELEASE(&w.j.match);
    map_release(&w.seen);
    if (err) diff_verdicts_release(out);
    return err;
}

void diff_verdicts_release(struct diff_verdicts *v)
{
    LIST_RELEASE(&v->tensor);
    LIST_RELEASE(&v->argument);
}
