/* page_compile.c - what did this compile do, and where did its time go? */
#include <stdio.h>

#include "web/compile.h"

static enum err read_compile(struct web_request *q, struct compile_shown *c, bool *found)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "compile", &s));
    *found = web_step(q, s, &err);
    if (!*found) return err;
    *c = (struct compile_shown){
        .id = web_keep(q, web_text(s, "compile_id")),
        .outcome = web_keep(q, web_text(s, "outcome")),
        .function = web_keep(q, web_text(s, "function")),
        .file = web_keep(q, web_text(s, "file")),
        .log = web_keep(q, web_text(s, "log")),
        .previous = web_keep(q, web_text(s, "previous")),
        .recompile_reason = web_keep(q, web_text(s, "recompile_reason")),
        .before_id = web_keep(q, web_text(s, "before_id")),
        .next_id = web_keep(q, web_text(s, "next_id")),
        .occurrence = web_int(s, "occurrence"),
        .attempts = web_int(s, "attempts"),
        .line = web_int(s, "line"),
        .start_ts = web_int(s, "start_ts"),
        .total_ns = web_int(s, "total_ns"),
        .lost_ns = web_int(s, "lost_ns"),
        .n_ops = web_int(s, "n_ops"),
        .n_nodes = web_int(s, "n_nodes"),
        .n_guards = web_int(s, "n_guards"),
        .frame_id = web_int(s, "frame_id"),
        .rank = web_int(s, "rank"),
        .kernels = web_int(s, "kernels"),
        .guard_leaves = web_int(s, "guard_leaves"),
        .lowered_nodes = web_int(s, "lowered_nodes"),
        .versions = web_int(s, "versions"),
        .before_occurrence = web_int(s, "before_occurrence"),
        .next_occurrence = web_int(s, "next_occurrence"),
        .code_offset = web_int(s, "code_offset"),
    };
    sqlite3_reset(s);
    return ERR_OK;
}

static void not_there(struct web_request *q, struct html *h)
{
    const char *id = web_param(q, "compile_id");
    q->status = 404;
    q->title = SPAN("No such compile");
    web_state(h, WEB_NO_MATCH,
              id ? arena_printf(&q->arena, "No compile [%s] in this run.", id)
                 : "The address names no compile.",
              "Ids are those of the run's log; after a reset they begin again, and the address "
              "then carries an occurrence.");
    html(h, "<p><a href=\"%s\">All compiles of this run</a></p>", web_link(q, "/compiles", NULL));
}

/* ---- head ---- */

static struct span readable(struct web_request *q, struct span function)
{
    struct span rest = function;
    while (span_starts(rest, "torch_dynamo_resume_in_"))
        rest = span_from(rest, strlen("torch_dynamo_resume_in_"));
    size_t at = SIZE_MAX;
    for (size_t i = span_find(rest, SPAN("_at_"), 0); i != SIZE_MAX;
         i = span_find(rest, SPAN("_at_"), i + 1))
        at = i;
    if (rest.p == function.p || at == SIZE_MAX) return function;
    return span_of(arena_printf(&q->arena, "%.*s, resumed at %.*s", SPAN_ARG(span_to(rest, at)),
                                SPAN_ARG(span_from(rest, at + 4))));
}

static void put_timeline_link(struct web_request *q, const struct compile_shown *c)
{
    int64_t end;
    if (c->start_ts <= 0 || c->total_ns <= 0) return;
    if (__builtin_add_overflow(c->start_ts, c->total_ns, &end)) return;
    html(&q->actions, "<a href=\"%s\">In the timeline</a>",
         web_link(q, "/timeline", "t0", arena_printf(&q->arena, "%lld", (long long)c->start_ts),
                  "t1", arena_printf(&q->arena, "%lld", (long long)end), NULL));
}

static void put_head(struct web_request *q, const struct compile_shown *c)
{
    struct html *a = &q->actions;
    const char *times =
        c->occurrence > 1 ? arena_printf(&q->arena, " #%lld", (long long)c->occurrence) : "";
    const char *title = c->function.p
                            ? arena_printf(&q->arena, "Compile [%.*s]%s of %.*s", SPAN_ARG(c->id),
                                           times, SPAN_ARG(readable(q, c->function)))
                            : arena_printf(&q->arena, "Compile [%.*s]%s", SPAN_ARG(c->id), times);
    if (title) q->title = span_of(title);
    web_outcome(&q->mark, c->outcome);
    buf_putc(&q->mark.out, ' ');
    if (c->code_offset != STORE_NULL)
        html(a, "<a href=\"%s\">Output code</a>", web_link_artifact(q, c->log, c->code_offset));
    if (c->kernels > 0)
        html(a, "<a href=\"%s\">Fusion</a>",
             web_link(q, "/fusion", "compile_id", c->id.p, "occurrence",
                      c->occurrence > 1 ? arena_printf(&q->arena, "%lld", (long long)c->occurrence)
                                        : NULL,
                      "log", q->n_logs > 1 ? c->log.p : NULL, NULL));
    html(a, "<a href=\"#artifacts\">Artifacts</a>");
    put_timeline_link(q, c);
    if (c->before_id.p)
        html(a, "<a rel=\"prev\" href=\"%s\">Previous [%s]</a>",
             web_link_compile(q, c->log, c->before_id, c->before_occurrence), c->before_id);
    if (c->next_id.p)
        html(a, "<a rel=\"next\" href=\"%s\">Next [%s]</a>",
             web_link_compile(q, c->log, c->next_id, c->next_occurrence), c->next_id);
}

static void put_note(struct web_request *q, struct html *h, const struct compile_shown *c)
{
    html(h, "<p class=\"note\">");
    if (c->previous.p || c->recompile_reason.p) html(h, "Recompile of this frame");
    else if (c->versions > 1) html(h, "One of %n compiles of this frame", c->versions);
    else html(h, "The only compile of this frame");
    if (c->file.p) {
        html(h, ", at ");
        web_place(h, c->file, c->line);
    }
    if (c->start_ts != STORE_NULL) html(h, " \xc2\xb7 began %c UTC", c->start_ts);
    if (c->rank != STORE_NULL) html(h, " \xc2\xb7 rank %d", c->rank);
    if (c->attempts != STORE_NULL && c->attempts > 1) html(h, " \xc2\xb7 %n attempts", c->attempts);
    if (q->n_logs > 1) html(h, " \xc2\xb7 log <code>%l</code>", c->log);
    if (c->previous.p)
        html(h, " \xc2\xb7 it was made because a guard of <a href=\"%s\">[%s]</a> failed",
             web_link_compile(q, c->log, c->previous, 1), c->previous);
    html(h, "</p>\n");
}

static void put_made(struct html *h, const struct compile_shown *c)
{
    if (c->n_ops == STORE_NULL) return;
    html(h, " %n %s", c->n_ops, c->n_ops == 1 ? "operator" : "operators");
    bool lowered = c->lowered_nodes != STORE_NULL && c->lowered_nodes > 0;
    if (lowered) html(h, " became %n nodes", c->lowered_nodes);
    if (c->kernels > 0)
        html(h, "%s %n %s", lowered ? " and" : " became", c->kernels,
             c->kernels == 1 ? "kernel" : "kernels");
    else if (!lowered) html(h, " in the graph");
    html(h, ".");
}

static void put_largest(struct html *h, const struct compile_phases *p)
{
    int k = p->largest;
    double of = (double)p->self[k] / (double)p->total;
    if (of > 0.995) html(h, ", all of it %s", compile_kind_noun(k));
    else html(h, ", of which %t (%p) is %s", p->self[k], of, compile_kind_noun(k));
    if (p->spans[k] > 1) html(h, " in %n spans", p->spans[k]);
}

static void put_answer(struct html *h, const struct compile_shown *c,
                       const struct compile_phases *p)
{
    html(h, "<p class=\"answer\"><b>");
    if (span_is(c->outcome, "failed")) html(h, "This compile failed; the frame runs uncompiled.");
    else if (span_is(c->outcome, "unknown"))
        html(h, "How this compile ended is not known: it has no metrics.");
    else if (span_is(c->outcome, "empty"))
        html(h, "Nothing to compile: the graph has no operator.");
    bool told = span_is(c->outcome, "ok") || span_is(c->outcome, "restarted");
    if (!told) html(h, "</b>");
    int64_t total = c->total_ns != STORE_NULL && c->total_ns > p->total ? c->total_ns : p->total;
    if (total > 0) {
        if (!told) html(h, " ");
        html(h, "%t", total);
        if (p->largest >= 0 && p->total > 0) put_largest(h, p);
        html(h, ".");
    } else if (told) {
        html(h, "Its time was not recorded.");
    }
    if (told) html(h, "</b>");
    if (c->lost_ns != STORE_NULL && c->lost_ns > 0)
        html(h, " %t of it was thrown away by a restart.", c->lost_ns);
    put_made(h, c);
    html(h, "</p>\n");
}

/* ---- why ---- */

static void put_reason(struct web_request *q, struct html *h, sqlite3_stmt *s)
{
    struct span kind = web_text(s, "kind"), reason = web_text(s, "reason"),
                detail = web_text(s, "detail"), first = SPAN_NONE;
    struct span rest = detail.p ? detail : reason;
    const char *class_ = span_starts(kind, "failure") ? "t-bad" : "t-warn";
    struct span head = reason.p ? reason : SPAN("no reason was recorded");
    span_next_line(&head, &first);
    html(h, "<li data-kind=\"%s\"><b class=\"%s\">%s</b> ", kind, class_, kind);
    if (web_text(s, "file").p) {
        web_place(h, web_text(s, "file"), web_int(s, "line"));
        html(h, " ");
    }
    html(h, "%s", first);
    if (rest.n > first.n)
        html(h,
             "<details class=\"more\"><summary>whole text</summary><pre "
             "class=\"one\">%s</pre></details>",
             rest);
    if (web_int(s, "offset") != STORE_NULL)
        html(h, " <a class=\"small\" href=\"%s\">as recorded</a>",
             web_link_artifact(q, web_text(s, "log"), web_int(s, "offset")));
    html(h, "</li>\n");
}

static enum err put_reasons(struct web_request *q, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    struct html body = {0};
    TRY(web_query(q, "compile_reasons", &s));
    while (web_step(q, s, &err)) put_reason(q, &body, s);
    if (!err && body.out.n) {
        web_section(q, h, "why", "What happened to it", NULL, "compile_reasons");
        html(h, "<ul class=\"reasons\">");
        buf_span(&h->out, buf_text(&body.out));
        html(h, "</ul>");
        web_section_end(h);
    }
    html_release(&body);
    return err;
}

static void put_phases(struct web_request *q, struct html *h, const struct compile_phases *p)
{
    web_section(q, h, "phases", "Phases",
                "wall time inside each other; a chain of nearly equal spans is one box",
                "phase_spans");
    if (!p->n)
        web_state(h, WEB_NOT_RECORDED, "No spans of this compile.",
                  "They were not recorded: this log has no `chromium_event` records for it. "
                  "PyTorch 2.5 and later write them.");
    buf_span(&h->out, buf_text(&p->drawing.out));
    web_section_end(h);
    if (!p->n) return;
    web_section(q, h, "self-times", "Where the time went",
                "time inside spans of the kind, without the spans inside them", "compile_phases");
    buf_span(&h->out, buf_text(&p->table.out));
    if (p->unclosed)
        html(h,
             "<p class=\"note\">%n spans were never closed; they are taken to the end of what "
             "encloses them.</p>",
             p->unclosed);
    web_section_end(h);
}

/* ---- stack ---- */

static bool in_library(struct span file)
{
    return span_find(file, SPAN("/site-packages/"), 0) != SIZE_MAX ||
           span_find(file, SPAN("/lib/python3"), 0) != SIZE_MAX ||
           span_find(file, SPAN("/dist-packages/"), 0) != SIZE_MAX;
}

static enum err put_stack(struct web_request *q, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    int n = 0;
    TRY(web_query(q, "compile_stack", &s));
    web_section(q, h, "stack", "Stack", "the caller first, the compiled frame last",
                "compile_stack");
    while (web_step(q, s, &err)) {
        struct span file = web_text(s, "file"), loc = web_text(s, "loc");
        if (!n++) html(h, "<div class=\"code stackt\"><ol>");
        html(h, "<li class=\"%s\"><span title=\"%s\">", in_library(file) ? "lib" : "", file);
        web_place(h, file, web_int(s, "line"));
        html(h, "</span>  %s", web_text(s, "name"));
        if (loc.p) html(h, "  <span class=\"at\">%s</span>", loc);
        html(h, "</li>\n");
    }
    if (n) html(h, "</ol></div>");
    else
        web_state(h, WEB_NOT_RECORDED, "No stack.",
                  "This compile has no `dynamo_start` record with one.");
    web_section_end(h);
    return err;
}

/* ---- small tables ---- */

static const struct web_column symbol_columns[] = {
    {.name = "symbol", .head = "Symbol", .class_ = "fit", .kind = WEB_CODE},
    {.name = "kind", .head = "Kind", .class_ = "fit", .kind = WEB_TEXT},
    {.name = "value", .head = "Value", .class_ = "fit", .kind = WEB_CODE},
    {.name = "range", .head = "Range", .class_ = "fit opt", .kind = WEB_CODE},
    {.name = "origin", .head = "From", .class_ = "grow", .kind = WEB_CODE},
    {.name = "reason", .head = "Why", .class_ = "opt", .kind = WEB_TEXT},
    {0},
};
static const struct web_table symbols = {.id = "symbols-table",
                                         .query = "compile_symbols",
                                         .columns = symbol_columns,
                                         .unit = "symbols",
                                         .own = true,
                                         .limit = 40};

static const struct web_column instance_columns[] = {
    {.name = "number", .head = "No", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "sizes", .head = "Sizes", .class_ = "grow", .kind = WEB_CODE},
    {.name = "ns", .head = "Took", .class_ = "num", .kind = WEB_MS},
    {.name = "n_launches", .head = "Launches", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "n_texts", .head = "Texts", .class_ = "num", .kind = WEB_COUNT},
    {.name = "n_shared", .head = "Shared", .class_ = "num", .kind = WEB_COUNT},
    {.name = "dropped", .head = "Forgotten for it", .class_ = "opt", .kind = WEB_CODE},
    {0},
};
static const struct web_table instances = {.id = "instances-table",
                                           .query = "compile_instances",
                                           .columns = instance_columns,
                                           .unit = "sizes",
                                           .own = true,
                                           .limit = 20};

static void cell_cache(struct web_cell *c)
{
    struct span outcome = web_text(c->row, "outcome");
    bool hit = span_is(outcome, "hit");
    const char *letter = hit ? "H" : span_is(outcome, "miss") ? "M" : "B";
    web_mark(c->h,
             hit                          ? "good"
             : span_is(outcome, "bypass") ? "warn"
                                          : "",
             letter, hit ? "hit" : "not found");
    html(c->h, " %s", outcome);
}
static void cell_record(struct web_cell *c)
{
    if (web_int(c->row, "offset") == STORE_NULL) return;
    html(c->h, "<a href=\"%s\">as recorded</a>",
         web_link_artifact(c->q, web_text(c->row, "log"), web_int(c->row, "offset")));
}
static const struct web_column cache_columns[] = {
    {.name = "cache", .head = "Cache", .class_ = "fit", .kind = WEB_CODE},
    {.name = "outcome", .head = "Outcome", .class_ = "fit", .cell = cell_cache},
    {.name = "reason", .head = "Why", .class_ = "grow", .kind = WEB_TEXT},
    {.name = "saved_ns", .head = "Saved", .class_ = "num opt", .kind = WEB_MS},
    {.name = "cache_key", .head = "Key", .class_ = "opt", .kind = WEB_LONG},
    {.name = "offset", .class_ = "fit", .cell = cell_record},
    {0},
};
static const struct web_table caches = {.id = "caches-table",
                                        .query = "compile_caches",
                                        .columns = cache_columns,
                                        .unit = "look-ups",
                                        .own = true,
                                        .limit = 20};

static const struct compile_section SYMBOLS = {"symbols", "Symbols", NULL, &symbols, NULL};
static const struct compile_section INSTANCES = {
    "instances", "Other sizes",
    "traced and planned anew, with the texts of kernels that there were", &instances, NULL};
static const struct compile_section CACHES = {"caches", "Caches", NULL, &caches, NULL};

static void cell_artifact(struct web_cell *c)
{
    html(c->h, "<a class=\"k\" href=\"%s\">%l</a>",
         web_link_artifact(c->q, web_text(c->row, "log"), web_int(c->row, "offset")),
         web_text(c->row, "name"));
    if (web_text(c->row, "subgraph").p)
        html(c->h, " <span class=\"dim\">%s</span>", web_text(c->row, "subgraph"));
}
static void cell_holds(struct web_cell *c)
{
    int64_t nodes = web_int(c->row, "nodes"), kernels = web_int(c->row, "kernels");
    if (nodes != STORE_NULL) html(c->h, "%n nodes", nodes);
    else if (kernels > 0) html(c->h, "%n %s", kernels, kernels == 1 ? "kernel" : "kernels");
}
static const struct web_column artifact_columns[] = {
    {.name = "number", .head = "No", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "name", .head = "Artifact", .class_ = "grow", .cell = cell_artifact, .filter = true},
    {.name = "nodes", .head = "Holds", .class_ = "fit", .cell = cell_holds},
    {.name = "attempt", .head = "Attempt", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "size", .head = "Size", .kind = WEB_BYTES},
    {.name = "ts", .head = "Written", .class_ = "fit opt", .kind = WEB_CLOCK},
    {0},
};
static const struct web_table artifacts = {
    .id = "artifacts-table",
    .query = "compile_outputs",
    .columns = artifact_columns,
    .unit = "artifacts",
    .own = true,
    .limit = 60,
    .filter = true,
    .none = WEB_EMPTY,
    .none_what = "No artifacts.",
    .none_why = "No record of this compile carries a text.",
};

static enum err put_body(struct web_request *q, struct html *h, const struct compile_shown *c,
                         struct compile_phases *p)
{
    TRY(compile_phases_read(q, c, p));
    put_note(q, h, c);
    put_answer(h, c, p);
    TRY(put_reasons(q, h));
    put_phases(q, h, p);
    TRY(compile_put_made(q, h));
    html(h, "<div class=\"cols half\"><div>");
    TRY(compile_put_metrics(q, h));
    html(h, "</div><div>");
    TRY(compile_put_guards(q, h, c));
    int64_t n;
    TRY(compile_put_if_any(q, h, &SYMBOLS, &n));
    TRY(compile_put_if_any(q, h, &INSTANCES, &n));
    TRY(compile_put_if_any(q, h, &CACHES, &n));
    html(h, "</div></div>");
    TRY(put_stack(q, h));
    web_section(q, h, "artifacts", "Artifacts", "in the order they were written",
                "compile_outputs");
    TRY(web_table(q, h, &artifacts, NULL));
    web_section_end(h);
    return ERR_OK;
}

enum err page_compile(struct web_request *q, struct html *h)
{
    struct compile_shown c;
    struct compile_phases p = {.largest = -1};
    bool found;
    TRY(read_compile(q, &c, &found));
    web_crumb(q, h, "Compiles", web_link(q, "/compiles", NULL));
    if (!found) {
        web_crumb(q, h, "not there", NULL);
        not_there(q, h);
        return ERR_OK;
    }
    web_crumb(q, h, arena_printf(&q->arena, "[%.*s]", SPAN_ARG(c.id)), NULL);
    put_head(q, &c);
    enum err err = put_body(q, h, &c, &p);
    compile_phases_release(&p);
    return err;
}
