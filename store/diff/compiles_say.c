/* compiles_say.c - what the compiler did differently, in words. */
#include "store/diff/compiles_parts.h"

enum { SHOWN = 100, MOST_OPERATORS = 4, BEFORE = 24 };

const char *compiles_aspect_name(enum compile_aspect aspect)
{
    static const char *const names[] = {
#define X(code, name, one, many) name,
        COMPILE_ASPECTS(X)
#undef X
    };
    return names[aspect];
}

const char *compiles_aspect_noun(enum compile_aspect aspect, size_t n)
{
    static const char *const nouns[][2] = {
#define X(code, name, one, many) {one, many},
        COMPILE_ASPECTS(X)
#undef X
    };
    return nouns[aspect][n != 1];
}

void compiles_excerpt(struct buf *out, struct span text, struct span other, size_t most)
{
    size_t same = 0, from = 0;
    while (same < text.n && same < other.n && text.p[same] == other.p[same]) same++;
    if (text.n > most && same > BEFORE && same < text.n) from = same - BEFORE;
    if (text.n > most && from + most > text.n) from = text.n - most;
    while (from && (text.p[from] & 0xc0) == 0x80) from--;
    size_t end = from + most < text.n ? from + most : text.n;
    while (end < text.n && (text.p[end] & 0xc0) == 0x80) end--;
    if (from) buf_puts(out, "...");
    for (size_t i = from; i < end; i++) {
        bool blank = text.p[i] == '\n' || text.p[i] == '\r' || text.p[i] == '\t';
        buf_putc(out, blank ? ' ' : text.p[i]);
    }
    if (end < text.n) buf_puts(out, "...");
}

static void code(struct buf *out, struct span text, struct span other, bool mark)
{
    if (mark) buf_putc(out, '`');
    compiles_excerpt(out, text, other, SHOWN);
    if (mark) buf_putc(out, '`');
}

static void word(struct buf *out, struct span text, bool mark)
{
    code(out, text, SPAN_NONE, mark);
}

/* torch.ops.aten.relu.default is aten.relu to whoever reads. */
static struct span short_name(struct span name)
{
    if (span_starts(name, "torch.ops.")) name = span_from(name, 10);
    if (span_ends(name, ".default")) name = span_to(name, name.n - 8);
    return name;
}

bool compiles_operators(const struct compile_graph_change *g, int sign, struct buf *out, bool mark)
{
    int n = 0;
    for (size_t i = 0; i < g->n_operators; i++) {
        int64_t more = g->operators[i].more * sign;
        if (more <= 0 || n++ >= MOST_OPERATORS) continue;
        if (n > 1) buf_puts(out, ", ");
        word(out, short_name(g->operators[i].name), mark);
        if (more > 1) buf_printf(out, " (%lld times)", (long long)more);
    }
    if (n > MOST_OPERATORS) buf_printf(out, " and %d others", n - MOST_OPERATORS);
    return n > 0;
}

static void put_place(struct buf *out, const struct compile_change *d)
{
    const struct compile_graph_change *g = d->graph;
    int64_t line = g->operator_line ? g->operator_line : d->line[1] ? d->line[1] : d->line[0];
    if (!line) return;
    buf_puts(out, " (");
    buf_span(out, d->name);
    buf_printf(out, " line %lld", (long long)line);
    if (g->source_line > 0) {
        buf_puts(out, ", from ");
        buf_span(out, compiles_base(g->file));
        buf_printf(out, ":%lld", (long long)g->source_line);
    }
    if (g->source.n) {
        buf_puts(out, ": ");
        compiles_excerpt(out, span_trim(g->source), SPAN_NONE, SHOWN);
    }
    buf_puts(out, ")");
}

/* One side has a line there that the other lacks, or both have other ones. */
static void line_clause(const struct compile_change *d, struct buf *out, bool mark)
{
    if (d->text[1].p) code(out, d->text[1], d->text[0], mark);
    else buf_puts(out, "nothing");
    buf_puts(out, " where it had ");
    if (d->text[0].p) code(out, d->text[0], d->text[1], mark);
    else buf_puts(out, "nothing");
}

static void graph_clause(const struct compile_change *d, struct buf *out, bool mark)
{
    struct buf more = {0}, less = {0};
    bool has_more = compiles_operators(d->graph, 1, &more, mark);
    bool has_less = compiles_operators(d->graph, -1, &less, mark);
    buf_puts(out, d->aspect == COMPILE_GRAPH ? "the graph has " : "it has ");
    if (has_more && has_less) {
        buf_span(out, buf_text(&more));
        buf_puts(out, " where it had ");
        buf_span(out, buf_text(&less));
    } else if (has_more) {
        buf_span(out, buf_text(&more));
        buf_puts(out, " more");
    } else if (has_less) {
        buf_puts(out, "lost ");
        buf_span(out, buf_text(&less));
    } else line_clause(d, out, mark);
    put_place(out, d);
    out->failed |= more.failed || less.failed;
    buf_release(&more);
    buf_release(&less);
}

static void put_where(struct buf *out, struct span place)
{
    if (!place.n) return;
    buf_puts(out, " at ");
    buf_span(out, compiles_base(place));
}

static void break_clause(const struct compile_change *d, struct buf *out, bool mark)
{
    bool gone = d->kind == COMPILE_REMOVED;
    buf_puts(out, gone ? "the graph no longer breaks" : "the graph breaks");
    put_where(out, d->place[!gone]);
    if (d->kind == COMPILE_ADDED) buf_puts(out, ", where A's does not");
    buf_puts(out, ": ");
    code(out, d->text[!gone], d->text[gone], mark);
    if (d->kind != COMPILE_CHANGED) return;
    buf_puts(out, "; in A it breaks");
    put_where(out, d->place[0]);
    buf_puts(out, ": ");
    code(out, d->text[0], d->text[1], mark);
}

/* "<changed> `b` where <before> `a`", "<added> `b`", "<removed> `a`" */
struct phrase {
    const char *changed, *before, *added, *removed;
};

static void phrase_clause(const struct compile_change *d, const struct phrase *words,
                          struct buf *out, bool mark)
{
    bool gone = d->kind == COMPILE_REMOVED;
    buf_puts(out, gone ? words->removed : d->kind == COMPILE_ADDED ? words->added : words->changed);
    code(out, d->text[!gone], d->text[gone], mark);
    if (d->kind != COMPILE_CHANGED) return;
    buf_puts(out, words->before);
    code(out, d->text[0], d->text[1], mark);
}

static void fact_clause(const struct compile_change *d, struct buf *out, bool mark)
{
    const char *noun = compiles_aspect_noun(d->aspect, 1);
    bool gone = d->kind == COMPILE_REMOVED, changed = d->kind == COMPILE_CHANGED;
    buf_printf(out, "%s ", noun);
    word(out, d->name, mark);
    buf_puts(out, gone ? " is gone" : changed ? " is " : " is new");
    if (d->aspect == COMPILE_KERNEL && !changed) return;
    if (!changed && d->text[!gone].n) buf_puts(out, ": ");
    code(out, d->text[!gone], d->text[gone], mark && d->text[!gone].n);
    if (changed) {
        buf_puts(out, " where it was ");
        code(out, d->text[0], d->text[1], mark);
    }
    if (d->aspect == COMPILE_GUARD && d->place[!gone].n) {
        buf_puts(out, " (");
        compiles_excerpt(out, d->place[!gone], SPAN_NONE, SHOWN);
        buf_puts(out, ")");
    }
}

static void cache_clause(const struct compile_change *d, struct buf *out, bool mark)
{
    static const struct phrase answer = {" answers ", " where it answered ",
                                         " is asked: ", " is not asked where it answered "};
    buf_puts(out, "cache ");
    word(out, d->name, mark);
    phrase_clause(d, &answer, out, mark);
}

void compiles_clause(const struct compile_change *d, struct buf *out, bool mark)
{
    static const struct phrase failure = {"it fails with ", " where it failed with ",
                                          "it fails: ", "it no longer fails: "};
    static const struct phrase again = {"it was compiled again because ", ", in A because ",
                                        "it was compiled again because ",
                                        "it was compiled again only in A, because "};
    static const struct phrase restart = {"it was begun again because ", ", in A because ",
                                          "it was begun again, because ",
                                          "it was begun again only in A, because "};
    switch (d->aspect) {
    case COMPILE_FAILURE: phrase_clause(d, &failure, out, mark); return;
    case COMPILE_RECOMPILE: phrase_clause(d, &again, out, mark); return;
    case COMPILE_RESTART: phrase_clause(d, &restart, out, mark); return;
    case COMPILE_BREAK: break_clause(d, out, mark); return;
    case COMPILE_CACHE: cache_clause(d, out, mark); return;
    default: break;
    }
    if (d->graph && d->aspect == COMPILE_GRAPH) graph_clause(d, out, mark);
    else if (d->graph) {
        buf_printf(out, "%s ", compiles_aspect_noun(d->aspect, 1));
        word(out, d->name, mark);
        buf_puts(out, " has ");
        line_clause(d, out, mark);
    } else fact_clause(d, out, mark);
}

static const struct compile_row *row_of(const struct compile_comparison *c,
                                        const struct compile_pair *p, int k)
{
    return &c->side[k].compile.p[k ? p->b : p->a];
}

void compiles_place(const struct compile_row *r, struct buf *out, bool mark)
{
    if (r->function.n) {
        buf_puts(out, " ");
        word(out, r->function, mark);
    }
    if (r->file.n) {
        buf_puts(out, " (");
        buf_span(out, compiles_base(r->file));
        if (r->line >= 0) buf_printf(out, ":%lld", (long long)r->line);
        buf_puts(out, ")");
    }
}

void compiles_name(const struct compile_comparison *c, const struct compile_pair *p,
                   struct buf *out, bool mark)
{
    const struct compile_row *r = row_of(c, p, p->a == DIFF_NONE);
    buf_puts(out, "[");
    buf_span(out, r->compile_id);
    buf_puts(out, "]");
    if (r->occurrence > 1) buf_printf(out, " (time %lld)", (long long)r->occurrence);
    compiles_place(r, out, mark);
    if (r->rank >= 0 && c->side[p->a == DIFF_NONE].log.n > 1)
        buf_printf(out, " of rank %lld", (long long)r->rank);
}

/* Causes before what only follows, or depends on what a cache holds. */
static bool is_cause(const struct compile_comparison *c, const struct compile_pair *p)
{
    return p->a == DIFF_NONE || p->b == DIFF_NONE ||
           (p->different && c->change.p[p->first].aspect <= COMPILE_OUTCOME);
}

const struct compile_pair *compiles_first(const struct compile_comparison *c)
{
    const struct compile_pair *first = NULL;
    for (int pass = 0; pass < 2 && !first; pass++)
        for (size_t i = 0; i < c->pair.n && !first; i++)
            if (c->pair.p[i].different && (pass || is_cause(c, &c->pair.p[i])))
                first = &c->pair.p[i];
    bool weak = !first || !is_cause(c, first);
    for (size_t i = 0; i < c->pair.n && weak; i++) {
        if (c->pair.p[i].a != DIFF_NONE && c->pair.p[i].b != DIFF_NONE) continue;
        first = &c->pair.p[i];
        weak = false;
    }
    return first;
}

static const struct compile_fact *reason_of(const struct compile_side *s,
                                            const struct compile_row *r)
{
    for (size_t i = 0; i < r->n_facts; i++)
        if (s->fact.p[r->fact + i].aspect == COMPILE_RECOMPILE) return &s->fact.p[r->fact + i];
    return NULL;
}

static void put_counts(const struct compile_comparison *c, struct buf *out)
{
    const struct diff_compiles *r = &c->result;
    long long n = (long long)r->n_matched;
    if (r->n_different && n == 1) buf_puts(out, "The only compile of both differs");
    else if (r->n_different)
        buf_printf(out, "%lld of %lld compiles %s", (long long)r->n_different, n,
                   r->n_different == 1 ? "differs" : "differ");
    else if (!n) buf_puts(out, "No compile of A is one of B");
    else if (n == 1) buf_puts(out, "The compile that both have agrees");
    else buf_printf(out, "All %lld compiles that both have agree", n);
    for (int k = 0; k < 2; k++)
        if (r->n_alone[k])
            buf_printf(out, "%s %lld %s only in %c", k && r->n_alone[0] ? " and" : ",",
                       (long long)r->n_alone[k], r->n_alone[k] == 1 ? "is" : "are", "AB"[k]);
}

static void put_moved(const struct compile_comparison *c, struct buf *out)
{
    size_t n = 0;
    for (size_t i = 0; i < c->pair.n; i++) n += c->pair.p[i].moved;
    if (n)
        buf_printf(out, " %zu %s moved to another line or name.", n,
                   n == 1 ? "compile stands on a frame that" : "compiles stand on frames that");
}

void compiles_sentence(const struct compile_comparison *c, struct buf *out, bool mark)
{
    const struct compile_pair *p = compiles_first(c);
    if (!p) {
        if (c->result.n_matched == 1) buf_puts(out, "The only compile agrees.");
        else buf_printf(out, "All %lld compiles agree.", (long long)c->result.n_matched);
        put_moved(c, out);
        return;
    }
    put_counts(c, out);
    buf_puts(out, c->result.n_different + c->result.n_alone[0] + c->result.n_alone[1] == 1
                      ? ": "
                      : ": first ");
    compiles_name(c, p, out, mark);
    if (p->a == DIFF_NONE || p->b == DIFF_NONE) {
        int k = p->a == DIFF_NONE;
        const struct compile_fact *reason = reason_of(&c->side[k], row_of(c, p, k));
        buf_printf(out, " is only in %c", "AB"[k]);
        if (reason) {
            buf_puts(out, ", compiled again because ");
            word(out, reason->shown, mark);
        }
    } else {
        buf_puts(out, ": ");
        compiles_clause(&c->change.p[p->first], out, mark);
    }
    buf_puts(out, ".");
    put_moved(c, out);
}
