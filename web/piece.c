/* piece.c - the small pieces of a page: sections, states, marks, bars, places. Class names are
 * those of plumb.css. */
#include "web/web.h"

#include <math.h>
#include <stdio.h>

#include "web/server.h"

/* ---- sections ---- */

/* Address of a named query in one form, with those parameters of this page that it takes. */
const char *web_data_link(struct web_request *q, const char *query, const char *suffix)
{
    struct buf b = {0};
    sqlite3_stmt *s;
    char before = '?';
    bool console = !suffix;
    buf_printf(&b, console ? "/sql" : "/data/%s.%s", query, suffix);
    if (q->file > 0) buf_printf(&b, "%cfile=%d", before, q->file), before = '&';
    if (q->run_name.p && q->n_runs > 1) {
        buf_printf(&b, "%crun=", before), before = '&';
        web_encode(&b, q->run_name);
    }
    if (console) buf_printf(&b, "%cnamed=%s", before, query), before = '&';
    enum err err = web_statement(q, query, NULL, &s);
    for (int i = 1; !err && i <= sqlite3_bind_parameter_count(s); i++) {
        const char *name = sqlite3_bind_parameter_name(s, i);
        const char *value = name && strcmp(name, ":run") ? web_param(q, name + 1) : NULL;
        if (!value) continue;
        buf_printf(&b, "%c%s=", before, name + 1), before = '&';
        web_encode(&b, span_of(value));
    }
    struct span kept = arena_copy(&q->arena, buf_text(&b));
    buf_release(&b);
    return kept.p ? kept.p : "/";
}

void web_section(struct web_request *q, struct html *h, const char *id, const char *title,
                 const char *note, const char *query)
{
    html(h, "<section id=\"%s\"><div class=\"sh\"><h2>%s</h2>", id, title);
    if (note) html(h, "<span class=\"dim small\" title=\"%s\">%s</span>", note, note);
    if (query) {
        html(h,
             "<span class=\"src\" data-query=\"%s\"><a href=\"%s\" title=\"Open the named query "
             "%s\">SQL</a>",
             query, web_data_link(q, query, NULL), query);
        html(h,
             "<a href=\"%s\">CSV</a><a href=\"%s\">JSON</a><a href=\"%s\" "
             "title=\"Markdown\">MD</a></span>",
             web_data_link(q, query, "csv"), web_data_link(q, query, "json"),
             web_data_link(q, query, "md"));
    }
    html(h, "</div>");
}

void web_section_end(struct html *h)
{
    html(h, "</section>\n");
}

void web_crumb(struct web_request *q, struct html *h, const char *label, const char *href)
{
    if (!h->out.n)
        html(h, "<div class=\"crumbs\"><a href=\"%s\">%s</a>", web_link(q, "/overview", NULL),
             q->run_name.p ? q->run_name : SPAN("overview"));
    if (href) html(h, "<a href=\"%s\">%s</a>", href, label);
    else html(h, "<span>%s</span></div>\n", label);
}

void web_state(struct html *h, enum web_state state, const char *what, const char *why)
{
    static const struct {
        const char *name, *class_;
    } kinds[] = {
        [WEB_NOT_RECORDED] = {"not-recorded", ""}, [WEB_EMPTY] = {"empty", ""},
        [WEB_NO_MATCH] = {"no-match", ""},         [WEB_TRUNCATED] = {"truncated", " is-warn"},
        [WEB_ERROR] = {"error", " is-bad"},        [WEB_LOST] = {"lost", " is-warn"},
    };
    html(h, "<div class=\"state%s\" data-state=\"%s\" role=\"status\"><b>%s</b>",
         kinds[state].class_, kinds[state].name, what);
    if (why) {
        html(h, "<p>");
        web_prose(h, span_of(why));
        html(h, "</p>");
    }
    html(h, "</div>\n");
}

void web_prose(struct html *h, struct span s)
{
    bool code = false;
    while (s.n) {
        size_t tick = span_find(s, SPAN("`"), 0);
        html_text(h, span_to(s, tick == SIZE_MAX ? s.n : tick));
        if (tick == SIZE_MAX) break;
        s = span_from(s, tick + 1);
        if (!code && span_find(s, SPAN("`"), 0) == SIZE_MAX) {
            html(h, "`");
            continue;
        }
        code = !code;
        if (code) html(h, "<code>");
        else html(h, "</code>");
    }
}

/* ---- marks ---- */

void web_mark(struct html *h, const char *class_, const char *letter, const char *word)
{
    html(h, "<span class=\"m %s\" title=\"%s\">%s</span>", class_, word, letter);
}

void web_chip(struct html *h, bool pressed, const char *href, struct span label, int64_t n)
{
    html(h, "<a class=\"chip\" aria-pressed=\"%s\" href=\"%s\">%s", pressed ? "true" : "false",
         href, label);
    if (n != STORE_NULL) html(h, " <span class=\"dim\">%n</span>", n);
    html(h, "</a>\n");
}

static const struct web_outcome_word {
    const char *outcome, *class_, *letter, *word, *title;
} outcomes[] = {
    {"ok", "", "C", "compiled", "compiled"},
    {"restarted", "warn", "R", "restarted", "compiled after a restart"},
    {"empty", "empty", "E", "empty", "empty graph, nothing to run compiled"},
    {"failed", "bad", "F", "failed", "failed, runs uncompiled"},
    {"unknown", "empty", "?", "unknown", "no metrics were recorded: not known how it ended"},
};

static const struct web_outcome_word *find_outcome(struct span outcome)
{
    size_t n = sizeof outcomes / sizeof *outcomes;
    for (size_t i = 0; i < n; i++)
        if (span_is(outcome, outcomes[i].outcome)) return &outcomes[i];
    return &outcomes[n - 1];
}

void web_outcome(struct html *h, struct span outcome)
{
    const struct web_outcome_word *o = find_outcome(outcome);
    web_mark(h, o->class_, o->letter, o->title);
}

void web_outcome_word(struct html *h, struct span outcome)
{
    const struct web_outcome_word *o = find_outcome(outcome);
    const char *class_ = !strcmp(o->class_, "bad")    ? "t-bad"
                         : !strcmp(o->class_, "warn") ? "t-warn"
                                                      : "dim";
    html(h, "<span class=\"%s\" title=\"%s\">%s</span>", class_, o->title, o->word);
}

/* Rank of a log of this run; STORE_NULL when it has none. */
static int64_t rank_of(struct web_request *q, struct span log)
{
    static const char sql[] = "SELECT rank FROM source_file WHERE run = :run AND name = :log";
    sqlite3_stmt *s;
    int64_t rank = STORE_NULL;
    enum err err = web_statement(q, "piece: rank of a log", sql, &s);
    if (!err) err = store_bind_int(s, ":run", q->run);
    if (!err) err = store_bind_text(s, ":log", log.p, (int64_t)log.n);
    if (!err && web_step(q, s, &err)) {
        rank = web_int(s, "rank");
        sqlite3_reset(s);
    }
    if (err) err_clear();
    return rank;
}

void web_compile_link(struct web_request *q, struct html *h, struct span log, struct span id,
                      int64_t occurrence, struct span outcome)
{
    html(h, "<a class=\"id\" data-compile=\"%s\" href=\"%s\">", id,
         web_link_compile(q, log, id, occurrence));
    if (outcome.p) web_outcome(h, outcome);
    html(h, "[%s]", id);
    int64_t rank = q->n_logs > 1 && log.p ? rank_of(q, log) : STORE_NULL;
    if (rank != STORE_NULL) html(h, "<span class=\"dim\" title=\"rank %d\">r%d</span>", rank, rank);
    if (occurrence > 1)
        html(h, "<span class=\"dim\" title=\"occurrence %n of this id\">#%d</span>", occurrence,
             occurrence);
    html(h, "</a>");
}

void web_bar(struct html *h, double value, double max, int width, const char *class_)
{
    double w = max > 0 && value > 0 ? value / max * width : 0;
    if (w > 0 && w < 1) w = 1;
    if (w > width) w = width;
    char text[16];
    snprintf(text, sizeof text, "%.1f", w);
    html(h,
         "<svg class=\"bar\" width=\"%d\" height=\"8\" aria-hidden=\"true\"><rect class=\"g2\" "
         "width=\"%d\" height=\"8\"/>",
         width, width);
    if (w > 0) html(h, "<rect class=\"%s\" width=\"%s\" height=\"8\"/>", class_, text);
    html(h, "</svg>");
}

static struct span base_name(struct span path)
{
    for (size_t i = path.n; i > 0; i--)
        if (path.p[i - 1] == '/') return span_from(path, i);
    return path;
}

void web_place(struct html *h, struct span file, int64_t line)
{
    if (!file.p) {
        html(h, "<span class=\"dim\">\xe2\x80\x93</span>");
        return;
    }
    html(h, "<code title=\"%s\">%s", file, base_name(file));
    if (line != STORE_NULL && line > 0) html(h, ":%d", line);
    html(h, "</code>");
}
