/* page_recompiles.c - which guard failed, and which two values met: the chain of versions of each
 * function.
 *
 * "Called with" is read from the reason where PyTorch writes both values, else from a symbol or
 * guard that the new compile made of that very call (named query recompile_called); the source is
 * named beside each value. */
#include <stdio.h>

#include "web/reason.h"
#include "web/say.h"

/* ---- tables ---- */

static void write_frame(struct web_cell *c)
{
    struct span frame = web_text(c->row, "frame");
    html(c->h, "<a class=\"k\" href=\"%s#%u\">%f</a>",
         web_here(c->q, "frame", web_keep(c->q, frame).p, NULL), frame,
         web_text(c->row, "function"));
}

static void write_line(struct web_cell *c)
{
    web_place(c->h, web_text(c->row, "file"), web_int(c->row, "line"));
}

static void write_kinds(struct web_cell *c)
{
    struct span rest = web_text(c->row, "kinds");
    if (web_int(c->row, "limits") > 0) web_mark(c->h, "bad", "F", "recompile limit reached");
    for (int n = 0; rest.n; n++) {
        size_t comma = span_find(rest, SPAN(","), 0);
        struct span kind = span_to(rest, comma);
        html(c->h, "%s%s", n ? ", " : "", kind);
        rest = comma == SIZE_MAX ? SPAN_NONE : span_from(rest, comma + 1);
    }
}

static const struct web_column FRAMES[] = {
    {.name = "function", .head = "Function", .cell = write_frame, .filter = true},
    {.name = "file", .head = "Line", .class_ = "fit opt", .cell = write_line, .filter = true},
    {.name = "recompiles", .head = "n", .kind = WEB_COUNT},
    {.name = "cost_ns", .head = "Cost", .kind = WEB_MS},
    {.name = "bar", .class_ = "fit opt", .kind = WEB_BAR},
    {.name = "kinds", .head = "What changed", .cell = write_kinds, .filter = true},
    {0}};

static const struct web_column KINDS[] = {
    {.name = "kind", .head = "Kind", .class_ = "fit", .kind = WEB_TEXT},
    {.name = "reasons", .head = "n", .kind = WEB_COUNT},
    {.name = "cost_ns", .head = "Cost", .kind = WEB_MS},
    {.name = "helps", .head = "What usually helps", .class_ = "grow", .kind = WEB_WRAP},
    {0}};

static enum err write_tables(struct web_request *q, struct html *h)
{
    web_section(q, h, "functions", "By function", NULL, "recompile_frames");
    TRY(web_table(q, h,
                  &(struct web_table){.id = "function",
                                      .query = "recompile_frames",
                                      .columns = FRAMES,
                                      .own = true,
                                      .limit = 20,
                                      .unit = "functions"},
                  NULL));
    web_section_end(h);
    web_section(q, h, "guards", "By kind of guard", NULL, "recompiles_by_guard");
    TRY(web_table(q, h,
                  &(struct web_table){.id = "kind",
                                      .query = "recompiles_by_guard",
                                      .columns = KINDS,
                                      .own = true,
                                      .unit = "kinds"},
                  NULL));
    web_section_end(h);
    html(h, "<section><p class=\"note\">\xe2\x80\x9c"
            "Called with\xe2\x80\x9d is read from the reason where PyTorch writes both "
            "values, else from the symbols and guards that the new compile made of this call; the "
            "source is named beside "
            "each value. Where neither exists, it says so.</p></section>");
    return ERR_OK;
}

/* ---- chain ---- */

struct link {
    struct web_request *q;
    struct html *h;
    int64_t compile;              /* the link that is open, 0 none */
    bool table;                   /* its table of guards is open */
    struct recompile_reason last; /* newest reason, for the user's line; spans are kept */
    char frame[256];              /* the chain that is open */
    const char *sql, *csv,
        *json; /* addresses of the query: asking for them while it runs would end it */
    int n_chains;
};

static void end_table(struct link *l)
{
    if (!l->table) return;
    html(l->h, "</div>");
    if (l->last.loc.n) {
        html(l->h, "<div class=\"one\">");
        if (l->last.line)
            html(l->h, "<span class=\"dim\" title=\"%s\">%d</span>  ", l->last.file, l->last.line);
        html(l->h, "%s</div>", l->last.loc);
    }
    l->table = false;
}

static void end_link(struct link *l)
{
    if (!l->compile) return;
    end_table(l);
    html(l->h, "</div></div>\n");
    l->compile = 0;
}

static void end_chain(struct link *l)
{
    end_link(l);
    if (l->frame[0]) {
        html(l->h, "</div>");
        web_section_end(l->h);
    }
    l->frame[0] = 0;
}

static void begin_chain(struct link *l, sqlite3_stmt *s)
{
    struct span frame = web_text(s, "frame");
    end_chain(l);
    snprintf(l->frame, sizeof l->frame, "%.*s", SPAN_ARG(frame));
    l->n_chains++;
    html(l->h, "<section id=\"%s\"><div class=\"sh\"><h2>%f</h2><span class=\"dim small\">", frame,
         web_text(s, "function"));
    web_place(l->h, web_text(s, "file"), web_int(s, "line"));
    if (web_int(s, "rank") != STORE_NULL) html(l->h, " \xc2\xb7 rank %d", web_int(s, "rank"));
    html(l->h,
         "</span><span class=\"src\"><a href=\"%s\">SQL</a><a href=\"%s\">CSV</a><a "
         "href=\"%s\">JSON</a></span></div>"
         "<div class=\"chain\">\n",
         l->sql, l->csv, l->json);
}

static bool is_limit(struct span failure)
{
    return span_find(failure, SPAN("recompile limit"), 0) != SIZE_MAX;
}

/* "(currently set to 3)" in the text of the failure. */
static struct span limit_of(struct span failure)
{
    size_t at = span_find(failure, SPAN("currently set to "), 0), end;
    if (at == SIZE_MAX) return SPAN_NONE;
    struct span rest = span_from(failure, at + 17);
    end = span_find(rest, SPAN(")"), 0);
    return end > 12 ? SPAN_NONE : span_to(rest, end);
}

static void write_headline(struct link *l, sqlite3_stmt *s)
{
    struct span failure = web_text(s, "failure"), reason = web_text(s, "reason");
    if (is_limit(failure)) {
        html(l->h, "<b class=\"t-bad\">Recompile limit reached</b> <span class=\"dim\">\xc2\xb7 ");
        if (limit_of(failure).n) html(l->h, "the limit is %s; ", limit_of(failure));
        html(l->h, "the function runs uncompiled from here on, and its later calls leave no "
                   "record</span>");
    } else if (failure.p) {
        struct complaint c = reason_of_complaint(failure);
        html(l->h, "<b class=\"t-bad\">Failed:</b> %s", c.headline);
    } else if (!reason.p) {
        html(l->h, "<b>First compile</b>");
    } else {
        struct recompile_reason r = reason_of_recompile(reason, SPAN_NONE);
        struct span what = r.subject.p ? r.subject : r.what;
        html(l->h, "<b><code>%s</code> changed</b>", what);
    }
    html(l->h, " <span class=\"dim\">");
    if (!failure.p && web_int(s, "n_guards") != STORE_NULL)
        html(l->h, "\xc2\xb7 %n guards", web_int(s, "n_guards"));
    if (!failure.p && web_int(s, "n_ops") != STORE_NULL)
        html(l->h, " \xc2\xb7 %n operator%s", web_int(s, "n_ops"),
             web_int(s, "n_ops") == 1 ? "" : "s");
    html(l->h, "</span>");
}

static void begin_link(struct link *l, sqlite3_stmt *s)
{
    struct span outcome = web_text(s, "outcome");
    bool failed = span_is(outcome, "failed");
    end_link(l);
    l->compile = web_int(s, "compile");
    l->last = (struct recompile_reason){0};
    html(l->h, "<div class=\"link %s\"><div class=\"who\"><div>",
         failed                    ? "fail"
         : web_text(s, "reason").p ? "re"
                                   : "");
    web_compile_link(l->q, l->h, web_text(s, "log"), web_text(s, "compile_id"),
                     web_int(s, "occurrence"), outcome);
    html(l->h, "</div><div class=\"micro\">%t</div></div><div class=\"what\">",
         web_int(s, "total_ns"));
    write_headline(l, s);
}

/* What the call had, and how that is known. */
struct called {
    struct span value, known_from, range, symbol;
};

static enum err find_called(struct link *l, const struct recompile_reason *r, struct called *out)
{
    sqlite3_stmt *s;
    enum err err;
    *out = (struct called){.value = r->actual, .known_from = SPAN("by the reason")};
    if (r->actual.n) return ERR_OK;
    if (span_is(r->property, "requires_grad") && r->expected.n) {
        *out = (struct called){.value = span_is(r->expected, "0") ? SPAN("1") : SPAN("0"),
                               .known_from = SPAN("the one other value")};
        return ERR_OK;
    }
    *out = (struct called){0};
    if (!span_is(r->property, "==") || !r->subject.n) return ERR_OK;
    const char *subject = arena_printf(&l->q->arena, "L['%.*s']", SPAN_ARG(r->subject));
    TRY(web_query(l->q, "recompile_called", &s));
    TRY(store_bind_int(s, ":of", l->compile));
    TRY(store_bind_text(s, ":subject", subject, -1));
    if (web_step(l->q, s, &err)) {
        *out = (struct called){
            web_keep(l->q, web_text(s, "value")), web_keep(l->q, web_text(s, "known_from")),
            web_keep(l->q, web_text(s, "range")), web_keep(l->q, web_text(s, "symbol"))};
        sqlite3_reset(s);
    } else if (!err && (span_is(r->expected, "True") || span_is(r->expected, "False"))) {
        *out = (struct called){.value = span_is(r->expected, "True") ? SPAN("False") : SPAN("True"),
                               .known_from = SPAN("the one other value of a bool")};
    }
    return err;
}

static void write_guard(struct link *l, const struct recompile_reason *r, struct span previous,
                        const struct called *called)
{
    struct html *h = l->h;
    html(h, "<div>");
    web_mark(h, "warn", "!", "this guard failed");
    if (r->subject.p) html(h, " <code>%s</code>", r->subject);
    if (r->property.p && !span_is(r->property, "==")) html(h, " %s %s", r->property, r->place);
    html(h, "</div><div class=\"exp\">");
    if (r->expected.p)
        html(h, "<b>%s</b> <span class=\"dim\">guard of [%s]</span>", r->expected, previous);
    else html(h, "<code>%s</code> <span class=\"dim\">guard of [%s]</span>", r->what, previous);
    html(h, "</div><div class=\"act\">");
    if (called->value.p)
        html(h, "<b>%s</b> <span class=\"dim\">%s</span>", called->value, called->known_from);
    else html(h, "<b>not recorded</b> <span class=\"dim\">the log does not hold the value</span>");
    html(h, "</div>");
}

static enum err write_reason(struct link *l, sqlite3_stmt *s)
{
    struct span text = web_keep(l->q, web_text(s, "reason"));
    struct recompile_reason r = reason_of_recompile(text, web_keep(l->q, web_text(s, "origin")));
    struct called called;
    TRY(find_called(l, &r, &called));
    if (!l->table) {
        if (called.symbol.n)
            html(l->h,
                 " <span class=\"dim\">\xc2\xb7 now the symbol</span> <code>%s</code> <span "
                 "class=\"dim\">in %s, so other "
                 "values do not recompile</span>",
                 called.symbol, called.range);
        html(l->h,
             "<div class=\"vs\"><div>guard</div><div>compiled for</div><div>called with</div>");
        l->table = true;
    }
    write_guard(l, &r, web_text(s, "previous"), &called);
    if (!l->last.loc.n) l->last = r;
    return ERR_OK;
}

static enum err write_chains(struct web_request *q, struct html *h, int *n)
{
    struct link l = {.q = q,
                     .h = h,
                     .sql = web_data_link(q, "recompile_chain", NULL),
                     .csv = web_data_link(q, "recompile_chain", "csv"),
                     .json = web_data_link(q, "recompile_chain", "json")};
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "recompile_chain", &s));
    while (web_step(q, s, &err)) {
        if (!span_eq(web_text(s, "frame"), span_of(l.frame))) begin_chain(&l, s);
        if (web_int(s, "compile") != l.compile) begin_link(&l, s);
        if (web_text(s, "reason").p) err = write_reason(&l, s);
        if (err) break;
    }
    sqlite3_reset(s);
    end_chain(&l);
    *n = l.n_chains;
    return err;
}

/* ---- the page ---- */

static enum err write_answer(struct web_request *q, struct html *h, int64_t *recompiles,
                             int64_t *functions)
{
    sqlite3_stmt *s;
    enum err err;
    *recompiles = *functions = 0;
    TRY(web_query(q, "recompile_summary", &s));
    if (!web_step(q, s, &err)) return err;
    *recompiles = web_int(s, "recompiles"), *functions = web_int(s, "functions");
    int64_t cost = web_int(s, "cost_ns"), all = web_int(s, "all_ns"),
            values = web_int(s, "from_values");
    html(h, "<p class=\"answer\">");
    if (!*recompiles)
        html(h, "<b>No recompiles.</b> %n compiles were read; none has a reason for a recompile.",
             web_int(s, "compiles"));
    else {
        html(h, "<b>%n recompile%s of %n function%s", *recompiles, *recompiles == 1 ? "" : "s",
             *functions, *functions == 1 ? "" : "s");
        if (cost > 0 && all > 0)
            html(h, " cost %t, %p of all compile time", cost, (double)cost / (double)all);
        html(h, ".</b>");
        if (values > 0)
            html(h,
                 " %n of the %n come%s from Python values (numbers, bools, strings) that Dynamo "
                 "compiled in as constants.",
                 values, *recompiles, values == 1 ? "s" : "");
        if (web_int(s, "limits") > 0)
            html(h, " <b class=\"t-bad\">%n ran into the recompile limit.</b>",
                 web_int(s, "limits"));
    }
    html(h, "</p>");
    sqlite3_reset(s);
    return ERR_OK;
}

enum err page_recompiles(struct web_request *q, struct html *h)
{
    int64_t recompiles, functions;
    int shown;
    web_crumb(q, h, "Recompiles", NULL);
    html(&q->actions, "<a href=\"%s\">All compiles</a>", web_link(q, "/compiles", NULL));
    if (web_param(q, "frame"))
        html(&q->actions, "<a href=\"%s\">All functions</a>", web_here(q, "frame", "", NULL));
    TRY(write_answer(q, h, &recompiles, &functions));
    if (!recompiles) return ERR_OK;
    html(h, "<div class=\"cols nar\"><div>");
    TRY(write_tables(q, h));
    html(h, "</div><div>");
    TRY(write_chains(q, h, &shown));
    if (!shown)
        web_state(h, WEB_NO_MATCH, "No such function.",
                  "The link names a function of another run or file.");
    else if (shown < functions)
        html(h,
             "<p class=\"cut\">%n of %n functions are shown; the table on the left opens any of "
             "them.</p>",
             (int64_t)shown, functions);
    html(h, "</div></div>");
    return ERR_OK;
}
