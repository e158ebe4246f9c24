/* report.c - the answer of a comparison in words and as JSON.
 *
 * One paragraph: where the runs part and why; how much before it agrees; what follows. Code stands
 * in back-ticks, which a terminal leaves out.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "store/diff/report.h"

enum { KERNEL = 6, SHOWN_CALLS = 3, LONGEST_VALUE = 160 };

/* ---- words ---- */

void diff_put_code(struct buf *b, struct span s)
{
    bool cut = s.n > LONGEST_VALUE;
    buf_putc(b, '`');
    for (size_t i = 0; i < s.n && i < LONGEST_VALUE; i++)
        buf_putc(b, s.p[i] == '`' ? '\'' : s.p[i]);
    buf_puts(b, cut ? "...`" : "`");
}

/* 1 call, 12 calls */
static void number_of(struct buf *b, uint64_t n, const char *thing)
{
    buf_printf(b, "%" PRIu64 " %s%s", n, thing, n == 1 ? "" : "s");
}

static const char *agreement(enum diff_hash hash)
{
    switch (hash) {
    case DIFF_PKM64:
    case DIFF_SHA256: return "in every bit";
    case DIFF_NORM: return "by their norms";
    case DIFF_HASH_TENSOR: return "by hash_tensor";
    default: return "in their arguments";
    }
}

static struct span word(const struct diff_fact *f, uint32_t w)
{
    return diff_span(f->s->words, w);
}

static const char *phase_name(const struct diff_scope *s)
{
    static const char *const names[] = {NULL, "forward", "backward", "optimizer"};
    return names[s->phase];
}

/* The innermost annotation or range around a call; absent when a module is nearer, or none. */
static struct span annotation(const struct diff_fact *f)
{
    uint32_t i = (uint32_t)(f->scope - f->s->scopes.p);
    for (; i; i = f->s->scopes.p[i].parent) {
        const struct diff_scope *s = &f->s->scopes.p[i];
        if (s->kind == DIFF_MODULE) break;
        if (s->kind == DIFF_ANNOTATION && word(f, s->name).n) return word(f, s->name);
    }
    return (struct span){0};
}

/* " at call 154, in step 1, `Gpt.h.0.attn`, rank 2" */
static void place(struct buf *b, const struct diff_comparison *c, const struct diff_fact *f)
{
    struct span step = word(f, f->scope->step), module = word(f, f->scope->module);
    struct span range = annotation(f);
    buf_printf(b, " at call %u", f->s->position[f->call]);
    if (step.n) {
        buf_puts(b, ", in ");
        diff_put_words(b, step);
    }
    if (phase_name(f->scope) && f->scope->phase != DIFF_FORWARD)
        buf_printf(b, ", %s", phase_name(f->scope));
    if (range.n || module.n) {
        buf_puts(b, ", ");
        diff_put_code(b, range.n ? range : module);
    }
    if (c->lane.n > 1 && f->s->rank >= 0) buf_printf(b, ", rank %" PRId64, f->s->rank);
    else if (c->lane.n > 1) {
        buf_puts(b, ", log ");
        diff_put_code(b, f->s->log);
    }
}

/* "`[0][0]`, f32 [32, 16]" */
static void tensor(struct buf *b, const struct diff_fact *f)
{
    const struct diff_tensor *t = f->tensor;
    const struct diff_form *form =
        t->a != DIFF_NONE ? diff_use_form(f->lane->a, t->a) : diff_use_form(f->lane->b, t->b);
    struct span path = word(f, t->path);
    if (path.n) diff_put_code(b, path);
    else buf_puts(b, "its result");
    if (form->dtype == DIFF_NONE) return;
    buf_puts(b, ", ");
    buf_span(b, word(f, form->dtype));
    buf_putc(b, ' ');
    buf_span(b, word(f, form->shape));
}

/* ---- what differs, by kind ---- */

static void say_argument(struct buf *b, const struct diff_fact *f)
{
    const struct diff_argument_pair *a = f->argument;
    struct span path = word(f, a->path);
    diff_put_code(b, word(f, f->text->name));
    struct span x = word(f, a->a), y = word(f, a->b);
    buf_puts(b, " gets ");
    /* [1]['alpha'] is alpha */
    if (span_starts(path, "[1]['") && span_ends(path, "']"))
        diff_put_code(b, (struct span){path.p + 5, path.n - 7});
    else diff_put_code(b, path);
    buf_putc(b, ' ');
    if (x.p) diff_put_code(b, x);
    buf_puts(b, x.p ? " in A and " : "");
    if (y.p) diff_put_code(b, y);
    else buf_puts(b, "its default");
    buf_puts(b, x.p ? " in B" : " in B, where A has its default");
}

static void say_input(struct buf *b, const struct diff_fact *f)
{
    diff_put_code(b, word(f, f->text->name));
    buf_puts(b, " reads a tensor from outside that differs (");
    if (f->tensor) tensor(b, f);
    buf_puts(b, "): a weight, a batch or a seed, not an operator");
}

static void say_digests(struct buf *b, const struct diff_fact *f)
{
    const struct diff_tensor *t = f->tensor;
    if (t->a == DIFF_NONE || t->b == DIFF_NONE) return;
    uint8_t hash = diff_use_form(f->lane->a, t->a)->hash;
    if (hash < DIFF_HASH_TENSOR || hash != diff_use_form(f->lane->b, t->b)->hash) return;
    buf_printf(b, ", %s %016" PRIx64 " in A and %016" PRIx64 " in B", diff_hash_name(hash),
               (uint64_t)f->lane->a->digest[t->a], (uint64_t)f->lane->b->digest[t->b]);
}

static void say_origin(struct buf *b, struct diff_comparison *c, const struct diff_fact *f)
{
    struct diff_details d;
    struct diff_detail detail = {.relative = NAN, .elements = STORE_NULL, .ulp = STORE_NULL};
    bool kernel = diff_say_kernels(b, c, f);
    if (!kernel || f->text->kind != KERNEL) {
        if (kernel) buf_puts(b, ": ");
        diff_put_code(b, word(f, f->text->name));
    }
    buf_puts(b, f->p->flags & DIFF_INPUTS_UNHASHED
                    ? " makes a different result (its arguments were not hashed)"
                    : " gets equal tensors and makes a different one");
    if (!f->tensor) return;
    buf_puts(b, " (");
    tensor(b, f);
    if (!diff_details_init(&d, c)) {
        if (diff_detail_read(&d, f->lane, f->tensor, &detail)) detail.relative = NAN;
        diff_details_release(&d);
    }
    say_digests(b, f);
    if (detail.relative > 0) buf_printf(b, ", relative %.2g", detail.relative);
    if (detail.elements != STORE_NULL)
        buf_printf(b, ", %" PRId64 " %s", detail.elements,
                   detail.elements == 1 ? "element" : "elements");
    if (detail.ulp != STORE_NULL) buf_printf(b, ", up to %" PRId64 " ulp", detail.ulp);
    if (detail.nans[0] != detail.nans[1] && detail.nans[0] >= 0 && detail.nans[1] >= 0)
        buf_printf(b, ", %" PRId64 " NaN in A and %" PRId64 " in B", detail.nans[0],
                   detail.nans[1]);
    buf_putc(b, ')');
}

/* Calls of one side in the stretch of lone calls around a pair. */
static uint32_t lone(const struct diff_fact *f, int side, struct buf *b)
{
    const struct diff_pair *p = f->lane->pairs.pair.p;
    uint32_t n = 0, from = f->pair, all = (uint32_t)f->lane->pairs.pair.n;
    while (from && (p[from - 1].a == DIFF_NONE || p[from - 1].b == DIFF_NONE)) from--;
    for (uint32_t i = from; i < all && (p[i].a == DIFF_NONE || p[i].b == DIFF_NONE); i++) {
        const struct diff_stream *s = side ? f->lane->b : f->lane->a;
        uint32_t call = side ? p[i].b : p[i].a;
        if (call == DIFF_NONE) continue;
        if (n < SHOWN_CALLS) {
            if (n) buf_puts(b, ", ");
            diff_put_code(b, diff_span(s->words, diff_call_text(s, call)->name));
        }
        n++;
    }
    if (n > SHOWN_CALLS) buf_printf(b, " and %u more", n - SHOWN_CALLS);
    return n;
}

static void say_lone(struct buf *b, const struct diff_fact *f)
{
    struct buf a_calls = {0}, b_calls = {0};
    uint32_t n = lone(f, 0, &a_calls), m = lone(f, 1, &b_calls);
    if (n && m)
        buf_printf(b, "A calls %s where B calls %s", buf_text(&a_calls).p, buf_text(&b_calls).p);
    else buf_printf(b, "only %s calls %s", n ? "A" : "B", buf_text(n ? &a_calls : &b_calls).p);
    buf_release(&a_calls);
    buf_release(&b_calls);
}

static void say_structure(struct buf *b, const struct diff_fact *f)
{
    if (f->p->a == DIFF_NONE || f->p->b == DIFF_NONE) {
        say_lone(b, f);
        return;
    }
    const struct diff_text *x = f->text, *y = diff_call_text(f->lane->b, f->p->b);
    diff_put_code(b, word(f, x->name));
    if (x->name != y->name) {
        buf_puts(b, " in A is ");
        diff_put_code(b, word(f, y->name));
        buf_puts(b, " in B");
    } else if (x->args != y->args || x->output != y->output) {
        uint32_t p = x->args != y->args ? x->args : x->output;
        uint32_t q = x->args != y->args ? y->args : y->output;
        buf_puts(b, x->args != y->args ? " is called with " : " makes ");
        diff_put_code(b, word(f, p));
        buf_puts(b, " in A and ");
        diff_put_code(b, word(f, q));
        buf_puts(b, " in B");
    } else if (f->tensor && f->tensor->class == DIFF_VALUES) {
        buf_puts(b, " reads another tensor in B than in A (");
        tensor(b, f);
        buf_puts(b, "), made by calls that agree");
    } else if (f->tensor) {
        buf_puts(b, " has a tensor of another dtype, shape or stride (");
        tensor(b, f);
        buf_putc(b, ')');
    } else buf_puts(b, " is called otherwise");
}

static void say_what(struct buf *b, struct diff_comparison *c, const struct diff_fact *f)
{
    if (!strcmp(f->kind, "argument") && f->argument) say_argument(b, f);
    else if (!strcmp(f->kind, "input")) say_input(b, f);
    else if (!strcmp(f->kind, "origin")) say_origin(b, c, f);
    else if (!strcmp(f->kind, "structure")) say_structure(b, f);
    else {
        diff_put_code(b, word(f, f->text->name));
        buf_puts(b, " reads a tensor that differs already (");
        if (f->tensor) tensor(b, f);
        buf_puts(b, "); the call that made it has no digest");
    }
}

/* ---- the paragraph ---- */

static void say_before(struct buf *b, const struct diff_comparison *c, const struct diff_fact *f)
{
    uint32_t before = f->pair;
    const char *how = agreement(f->lane->verdicts.hash);
    const char *agree = c->before == 1 ? "call before it agrees" : "calls before it agree";
    if (!before) buf_puts(b, " It is the first call.");
    else if (c->before == before) buf_printf(b, " The %u %s %s.", before, agree, how);
    else if (c->before && c->before + c->before_inside == before)
        buf_printf(b, " The %" PRIu64 " %s %s; %" PRIu64 " more %s inside kernels, or %s.",
                   c->before, agree, how, c->before_inside, c->before_inside == 1 ? "is" : "are",
                   c->before_inside == 1 ? "a view" : "views");
    else
        buf_printf(b, " Of the %u %s before it %" PRIu64 " agree %s, the rest cannot be told.",
                   before, before == 1 ? "call" : "calls", c->before, how);
}

static void say_after(struct buf *b, const struct diff_comparison *c, const struct diff_fact *f)
{
    uint64_t origins = c->n[DIFF_ORIGIN] - (f->p->verdict == DIFF_ORIGIN);
    uint64_t alone = c->alone[0] + c->alone[1] - c->n_fused;
    uint64_t unknown = c->n[DIFF_UNKNOWN] - c->n_inside - (f->p->verdict == DIFF_UNKNOWN);
    uint64_t shaped = c->n[DIFF_STRUCTURE] > alone ? c->n[DIFF_STRUCTURE] - alone : 0;
    if (f->p->a == DIFF_NONE || f->p->b == DIFF_NONE) alone -= alone > 0;
    else if (f->p->verdict == DIFF_STRUCTURE) shaped -= shaped > 0;
    const struct {
        uint64_t n;
        const char *one, *many;
    } part[] = {
        {c->n[DIFF_RECEIVER] - (f->p->verdict == DIFF_RECEIVER), "receives a difference",
         "receive a difference"},
        {c->n[DIFF_MASKED] - (f->p->verdict == DIFF_MASKED), "masks it again", "mask it again"},
        {c->n[DIFF_INPUT] - (f->p->verdict == DIFF_INPUT), "reads another input that differs",
         "read other inputs that differ"},
        {origins, "more makes one from equal tensors", "more make one from equal tensors"},
        {c->n[DIFF_ARGUMENT] - (f->p->verdict == DIFF_ARGUMENT),
         "more is called with another argument", "more are called with other arguments"},
        {shaped, "more has tensors of another shape or dtype",
         "more have tensors of other shapes or dtypes"},
        {alone, "more has no partner", "more have no partner"},
        {c->n_inside, "is inside a kernel or a view", "are inside kernels or views"},
        {unknown, "cannot be told", "cannot be told"}};
    int said = 0;
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        if (!part[i].n) continue;
        buf_puts(b, said++ ? ", " : " Of the others ");
        buf_printf(b, "%" PRIu64 " %s", part[i].n, part[i].n == 1 ? part[i].one : part[i].many);
    }
    if (said) buf_putc(b, '.');
    else if (c->n[DIFF_SAME]) buf_printf(b, " All others agree.");
}

static void say_same(struct buf *b, const struct diff_comparison *c)
{
    uint64_t all = 0;
    for (int i = 0; i < DIFF_N_VERDICTS; i++) all += c->n[i];
    buf_printf(b, "A and B agree: %" PRIu64 " of ", c->n[DIFF_SAME]);
    number_of(b, all - c->n_inside, "call");
    buf_printf(b, ", %s", agreement(diff_strongest_of(c)));
    if (c->n_inside)
        buf_printf(b, "; %" PRIu64 " more %s inside kernels, or %s", c->n_inside,
                   c->n_inside == 1 ? "is" : "are", c->n_inside == 1 ? "a view" : "views");
    buf_putc(b, '.');
}

static void list_hashes(struct buf *b, unsigned kinds)
{
    int n = 0;
    for (int k = 1; k <= DIFF_SHA256; k++)
        if (kinds >> k & 1) buf_printf(b, "%s%s", n++ ? ", " : "", diff_hash_name(k));
    if (!n) buf_puts(b, "none");
}

static unsigned hashes_of(const struct diff_comparison *c, int side)
{
    unsigned kinds = 0;
    for (size_t i = 0; i < c->logs[side].stream.n; i++) kinds |= c->logs[side].stream.p[i].hashes;
    return kinds & ~1u;
}

static void say_not_comparable(struct buf *b, const struct diff_comparison *c)
{
    unsigned a = hashes_of(c, 0), h = hashes_of(c, 1);
    uint64_t calls = 0;
    for (int i = 0; i < DIFF_N_VERDICTS; i++) calls += c->n[i];
    if (!calls) {
        buf_puts(b, "A and B cannot be compared: neither log has a call.");
        return;
    }
    buf_puts(b, "A and B cannot be compared beyond the sequence of their calls, which is equal: ");
    if (a && h && !(a & h)) {
        buf_puts(b, "their digests are of different kinds (A: ");
        list_hashes(b, a);
        buf_puts(b, "; B: ");
        list_hashes(b, h);
        buf_puts(b, ").");
    } else if ((a & h) && !c->common) {
        buf_puts(b, "they have no digests in common of the kind that was asked for (A: ");
        list_hashes(b, a);
        buf_puts(b, "; B: ");
        list_hashes(b, h);
        buf_puts(b, ").");
    } else if (a && h) buf_puts(b, "no call has a digest that both have.");
    else
        buf_printf(b,
                   "%s digests of tensors. `plumb record --debug-mode -- ...` records them, and "
                   "`plumb run` unless it is told `--hash none`.",
                   a || h ? (a ? "B has no" : "A has no") : "neither has");
}

void diff_sentence(struct diff_comparison *c, struct buf *b)
{
    struct diff_fact f;
    if (c->answer == DIFF_ANSWER_NOT_COMPARABLE) {
        say_not_comparable(b, c);
        return;
    }
    if (!diff_fact(c, false, &f)) {
        say_same(b, c);
        return;
    }
    buf_puts(b, "A and B part");
    place(b, c, &f);
    buf_puts(b, ": ");
    say_what(b, c, &f);
    buf_putc(b, '.');
    say_before(b, c, &f);
    say_after(b, c, &f);
    struct buf line = {0};
    if (!diff_fact_line(c, &f, &line) && line.n) {
        buf_puts(b, " Source: ");
        diff_put_code(b, buf_text(&line));
        buf_putc(b, '.');
    }
    buf_release(&line);
}

/* ---- JSON ---- */

static void put_text(struct buf *b, const char *name, struct span s)
{
    buf_printf(b, ", \"%s\": ", name);
    if (s.p) buf_json(b, s);
    else buf_puts(b, "null");
}

static struct span path_of(const struct diff_fact *f)
{
    if (!strcmp(f->kind, "argument") && f->argument) return word(f, f->argument->path);
    return f->tensor ? word(f, f->tensor->path) : (struct span){0};
}

static void put_calls(struct buf *b, const struct diff_fact *f)
{
    const struct diff_pair *p = f->p;
    buf_printf(b, ", \"call\": %u", f->s->position[f->call]);
    if (p->a != DIFF_NONE) buf_printf(b, ", \"a_call\": %u", f->lane->a->position[p->a]);
    else buf_puts(b, ", \"a_call\": null");
    if (p->b != DIFF_NONE) buf_printf(b, ", \"b_call\": %u", f->lane->b->position[p->b]);
    else buf_puts(b, ", \"b_call\": null");
}

/* As hexadecimal digits, those of integers; null where a side has none. */
static void put_digests(struct buf *b, const struct diff_fact *f)
{
    static const char *const names[] = {"a_digest", "b_digest"};
    for (int k = 0; k < 2; k++) {
        const struct diff_stream *s = k ? f->lane->b : f->lane->a;
        uint32_t use = !f->tensor ? DIFF_NONE : k ? f->tensor->b : f->tensor->a;
        char text[24] = "";
        if (use != DIFF_NONE && diff_use_form(s, use)->hash)
            snprintf(text, sizeof text, "%016" PRIx64, (uint64_t)s->digest[use]);
        put_text(b, names[k], *text ? span_of(text) : SPAN_NONE);
    }
}

static void put_fact(struct buf *b, struct diff_comparison *c, bool origin)
{
    struct diff_fact f;
    struct buf step = {0}, line = {0};
    if (!diff_fact(c, origin, &f)) {
        buf_puts(b, "null");
        return;
    }
    diff_put_words(&step, word(&f, f.scope->step));
    buf_printf(b, "{\"kind\": \"%s\"", f.kind);
    put_text(b, "operator", word(&f, f.text->name));
    put_text(b, "step", step.n ? buf_text(&step) : (struct span){0});
    put_text(b, "phase", phase_name(f.scope) ? span_of(phase_name(f.scope)) : (struct span){0});
    put_text(b, "module", word(&f, f.scope->module));
    put_calls(b, &f);
    put_text(b, "path", path_of(&f));
    put_digests(b, &f);
    diff_json_kernels(b, c, &f);
    if (f.s->rank >= 0) buf_printf(b, ", \"rank\": %" PRId64, f.s->rank);
    else buf_puts(b, ", \"rank\": null");
    put_text(b, "log", f.s->log);
    bool known = !diff_fact_line(c, &f, &line) && line.n;
    put_text(b, "source", known ? buf_text(&line) : (struct span){0});
    if (f.argument) {
        put_text(b, "a", word(&f, f.argument->a));
        put_text(b, "b", word(&f, f.argument->b));
    }
    buf_putc(b, '}');
    buf_release(&step);
    buf_release(&line);
}

static void put_counts(struct buf *b, const struct diff_comparison *c)
{
    buf_putc(b, '{');
    for (int v = 0; v < DIFF_N_VERDICTS; v++)
        buf_printf(b, "%s\"%s\": %" PRIu64, v ? ", " : "", diff_verdict_name(v), c->n[v]);
    buf_printf(b,
               ", \"before\": %" PRIu64 ", \"only_a\": %" PRIu64 ", \"only_b\": %" PRIu64
               ", \"unhashed\": %" PRIu64 ", \"inside\": %" PRIu64 "}",
               c->before, c->alone[0], c->alone[1], c->n_unhashed, c->n_inside);
}

static void put_side(struct buf *b, const struct diff_comparison *c, int k)
{
    buf_puts(b, "{\"file\": ");
    buf_json(b, span_of(c->side[k].file));
    put_text(b, "run", c->logs[k].run);
    buf_putc(b, '}');
}

void diff_json(struct diff_comparison *c, struct buf *b)
{
    struct buf text = {0};
    buf_printf(b, "{\"verdict\": \"%s\", \"sentence\": ", diff_answer_name(c->answer));
    diff_sentence(c, &text);
    buf_json(b, buf_text(&text));
    buf_puts(b, ", \"first_difference\": ");
    put_fact(b, c, false);
    buf_puts(b, ", \"first_origin\": ");
    put_fact(b, c, true);
    buf_puts(b, ", \"counts\": ");
    put_counts(b, c);
    buf_printf(b, ", \"hash\": \"%s\", \"a\": ", diff_hash_name(diff_strongest_of(c)));
    put_side(b, c, 0);
    buf_puts(b, ", \"b\": ");
    put_side(b, c, 1);
    buf_puts(b, ", \"notes\": [");
    buf_clear(&text);
    diff_notes(c, &text);
    struct span rest = buf_text(&text);
    for (int i = 0; rest.n; i++) {
        const char *end = memchr(rest.p, '\n', rest.n);
        size_t n = end ? (size_t)(end - rest.p) : rest.n;
        if (i) buf_puts(b, ", ");
        buf_json(b, span_to(rest, n));
        rest = span_from(rest, end ? n + 1 : n);
    }
    buf_puts(b, "]}\n");
    buf_release(&text);
}

const char *diff_answer_name(enum diff_answer_kind kind)
{
    static const char *const names[] = {"same", "different", "not comparable"};
    return names[kind];
}

int diff_exit_code(const struct diff_comparison *c, unsigned fail_on)
{
    if (c->answer == DIFF_ANSWER_NOT_COMPARABLE) return 2;
    if ((fail_on & DIFF_FAIL_UNHASHED) && c->n_unhashed) return 1;
    for (int v = DIFF_STRUCTURE; v < DIFF_N_VERDICTS; v++)
        if ((fail_on >> v & 1) && c->n[v] > (v == DIFF_ORIGIN ? c->n_argument_origins : 0))
            return 1;
    if ((fail_on >> DIFF_ARGUMENT & 1) && c->n_argument_origins) return 1;
    /* What was received comes from something that was not hashed: a difference all the same. */
    bool received = c->first_lane >= 0 && !c->n[DIFF_INPUT] && !c->n[DIFF_ARGUMENT] &&
                    !c->n[DIFF_ORIGIN] && !c->n[DIFF_STRUCTURE];
    return received && fail_on & 1u << DIFF_ORIGIN;
}
