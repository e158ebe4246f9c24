/* page_operators.c - what was called with what, and what came out?
 *
 * A log is shown in its order, indented by what encloses what. Pages go by place (:from), never by
 * offset. A call that encloses others can be folded: it is then shown with how many it encloses,
 * and the next row is the one behind them, found by an index. Folded are those of `level` and
 * deeper, and those listed in `shut`; those in `open` are not.
 *
 * A filter makes the log flat. It is looked through in stretches of places; after STRETCHES of
 * them the page offers to look on.
 */
#include <stdlib.h>
#include <string.h>

#include "capture/debug_call.h"
#include "store/base/map.h"
#include "web/call_log.h"
#include "web/calls.h"

enum { SHOWN = 50, NESTING = 64, STRETCH = 10000, STRETCHES = 10 };

static const char *const FILTERS[] = {"op", "module", "dtype", "hash", "nonfinite", NULL};

struct walk {
    struct web_request *q;
    struct html *h;
    const struct call_log *log;
    int64_t nest[NESTING]; /* events that enclose the next call, the innermost of them */
    int level, shown;
    int64_t next;   /* place of the first row that is not shown; -1: none */
    int64_t stack;  /* of the row before */
    int64_t step;   /* event of the step of the row before */
    uint64_t place; /* key of the line of the program that was shown last */
    bool flat;      /* no folding */
};

static bool is_filtered(const struct web_request *q)
{
    for (int i = 0; FILTERS[i]; i++)
        if (web_param(q, FILTERS[i])) return true;
    return false;
}

static const char *place_text(struct web_request *q, int64_t place)
{
    const char *text = arena_printf(&q->arena, "%lld", (long long)place);
    return text ? text : "0";
}

/* ---- the answer ---- */

static enum err write_first_nonfinite(struct web_request *q, struct html *h,
                                      const struct call_log *log)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "nonfinite_first", &s));
    if (web_step(q, s, &err))
        html(h,
             " <a class=\"t-bad\" href=\"%s\">NaN or infinity</a> first comes up in call <a "
             "href=\"%s\">%d</a>, <code>%s</code>.",
             web_link(q, "/nonfinite", NULL),
             calls_link(q, web_text(s, "log"), web_int(s, "position")), web_int(s, "position"),
             web_text(s, "name"));
    else if (!err && log->hashed) html(h, " No NaN and no infinity was seen.");
    sqlite3_reset(s);
    return err;
}

static enum err write_answer(struct web_request *q, struct html *h, const struct call_log *log)
{
    html(h, "<p class=\"answer\"><b>%n call%s in <code>%s</code></b>", log->calls,
         log->calls == 1 ? "" : "s", log->name);
    if (log->thread.p && !span_eq(log->thread, log->name))
        html(h, " of the thread %s", log->thread);
    if (log->rank != STORE_NULL) html(h, ", rank %d", log->rank);
    html(h, "%s", log->hashed ? ", tensors hashed." : "; no tensor was hashed.");
    if (log->n_logs > 1)
        html(h, " <a href=\"#logs\">%n logs</a> have %n calls.", log->n_logs, log->all_calls);
    TRY(write_first_nonfinite(q, h, log));
    if (log->lost)
        html(h, " <a class=\"t-warn\" href=\"%s\">%n finding%s</a> about what was lost.",
             web_link(q, "/health", NULL), log->lost, log->lost == 1 ? "" : "s");
    if (span_is(log->state, "reading")) html(h, " It is still being recorded; reload for more.");
    html(h, "</p>\n");
    return ERR_OK;
}

/* ---- filter and folding ---- */

static void write_field(struct web_request *q, struct html *h, const char *name,
                        const char *placeholder)
{
    const char *value = web_param(q, name);
    html(h, "<input class=\"q\" name=\"%s\" value=\"%s\" placeholder=\"%s\" aria-label=\"%s\">",
         name, value ? value : "", placeholder, placeholder);
}

static void write_filter(struct web_request *q, struct html *h)
{
    static const char *const NOT_KEPT[] = {"op", "module", "dtype", "hash", "from", NULL};
    bool bad = web_param(q, "nonfinite") != NULL;
    html(h, "<form class=\"filter\" action=\"/operators\">");
    web_hidden(q, h, NOT_KEPT);
    write_field(q, h, "op", "Operator, module or range");
    write_field(q, h, "module", "Inside module or range");
    write_field(q, h, "dtype", "dtype: f32, i64");
    write_field(q, h, "hash", "Digest: 0x30d2\xe2\x80\xa6");
    html(h, "<button class=\"btn\">Filter</button>");
    web_chip(h, bad, web_here(q, "nonfinite", bad ? "" : "1", "from", "", NULL),
             SPAN("with NaN or infinity"), STORE_NULL);
    if (is_filtered(q))
        html(h, "<a href=\"%s\">Show all</a>",
             web_here(q, "op", "", "module", "", "dtype", "", "hash", "", "nonfinite", "", "from",
                      "", NULL));
    html(h, "</form>\n");
}

static void write_levels(struct web_request *q, struct html *h)
{
    static const char *const levels[] = {"0", "1", "2"};
    static const char *const labels[] = {"all scopes", "below 1 level", "below 2 levels"};
    int64_t chosen = web_param_int(q, "level", -1);
    html(h, "<div class=\"filter\"><span class=\"dim\">Fold</span>");
    web_chip(h, chosen < 0 && !web_param(q, "shut"),
             web_here(q, "level", "", "open", "", "shut", "", NULL), SPAN("nothing"), STORE_NULL);
    for (int k = 0; k < 3; k++)
        web_chip(h, chosen == k, web_here(q, "level", levels[k], "open", "", "shut", "", NULL),
                 span_of(labels[k]), STORE_NULL);
    html(h, "</div>\n");
}

/* Is the place one of those listed, "12,40"? */
static bool is_listed(const char *list, int64_t place)
{
    while (list && *list) {
        char *end;
        if (strtoll(list, &end, 10) == place && end != list) return true;
        list = strchr(end, ',');
        if (list) list++;
    }
    return false;
}

static const char *listed_with(struct web_request *q, const char *list, int64_t place)
{
    return list ? arena_printf(&q->arena, "%s,%lld", list, (long long)place) : place_text(q, place);
}

static const char *listed_without(struct web_request *q, const char *list, int64_t place)
{
    struct buf b = {0};
    while (list && *list) {
        char *end;
        long long one = strtoll(list, &end, 10);
        if (end != list && one != place) buf_printf(&b, "%s%lld", b.n ? "," : "", one);
        list = strchr(end, ',');
        if (list) list++;
    }
    struct span kept = b.failed || !b.n ? SPAN("") : arena_copy(&q->arena, buf_text(&b));
    buf_release(&b);
    return kept.p ? kept.p : "";
}

static bool is_folded(const struct walk *w, int64_t place)
{
    int64_t level = web_param_int(w->q, "level", -1);
    if (is_listed(web_param(w->q, "shut"), place)) return true;
    return level >= 0 && w->level >= level && !is_listed(web_param(w->q, "open"), place);
}

/* The link that folds or unfolds. */
static const char *fold_link(struct walk *w, int64_t place, bool folded)
{
    const char *shut = web_param(w->q, "shut"), *open = web_param(w->q, "open");
    bool by_level = !is_listed(shut, place);
    if (folded && by_level) return web_here(w->q, "open", listed_with(w->q, open, place), NULL);
    if (folded) return web_here(w->q, "shut", listed_without(w->q, shut, place), NULL);
    if (is_listed(open, place))
        return web_here(w->q, "open", listed_without(w->q, open, place), NULL);
    return web_here(w->q, "shut", listed_with(w->q, shut, place), NULL);
}

static enum err find_end(struct walk *w, int64_t place, int64_t *out)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(w->q, "call_end", &s));
    TRY(store_bind_text(s, ":log", w->log->name.p, w->log->name.n));
    TRY(store_bind_int(s, ":at", place));
    *out = place + 1;
    if (web_step(w->q, s, &err)) *out = web_int(s, "place");
    if (*out <= place) *out = place + 1; /* a file whose places do not rise */
    sqlite3_reset(s);
    return err;
}

/* ---- rows ---- */

static void push(struct walk *w, int64_t event)
{
    if (w->level == NESTING) memmove(w->nest, w->nest + 1, --w->level * sizeof *w->nest);
    w->nest[w->level++] = event;
}

/* The nesting before the call at a place: what encloses it. */
static enum err read_nest(struct walk *w, int64_t place)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(w->q, "call_scopes", &s));
    TRY(store_bind_text(s, ":log", w->log->name.p, w->log->name.n));
    TRY(store_bind_int(s, ":call", place));
    w->level = 0;
    while (web_step(w->q, s, &err)) /* a step is no call: it is written above its calls */
        if (web_int(s, "position") != STORE_NULL) push(w, web_int(s, "id"));
    return err;
}

static void enter(struct walk *w, const struct calls_row *c)
{
    while (w->level && w->nest[w->level - 1] != c->parent) w->level--;
}

static bool is_new_place(struct walk *w, sqlite3_stmt *s)
{
    uint64_t place = map_key(web_text(s, "file")).lo + (uint64_t)web_int(s, "line") * 31;
    bool is_new = place != w->place;
    w->place = place;
    return is_new;
}

/* A line of the program above the calls that it made, when it is another one. */
static enum err write_place(struct walk *w, const struct calls_row *c)
{
    sqlite3_stmt *s;
    enum err err;
    if (!c->stack || c->stack == w->stack) return ERR_OK;
    w->stack = c->stack;
    TRY(web_query(w->q, "call_place", &s));
    TRY(store_bind_int(s, ":stack", c->stack));
    if (web_step(w->q, s, &err) && is_new_place(w, s)) {
        html(w->h, "<tr class=\"at\"><td></td><td colspan=\"6\">");
        web_place(w->h, web_text(s, "file"), web_int(s, "line"));
        html(w->h, " <span class=\"dim\">in %s</span> <code>%s</code></td></tr>\n",
             web_text(s, "function"), web_text(s, "code"));
    }
    sqlite3_reset(s);
    return err;
}

static void write_step(struct walk *w, const struct calls_row *c)
{
    if (!c->step.p || c->parent == w->step) return;
    w->step = c->parent;
    html(w->h, "<tr class=\"sub\"><td></td><td colspan=\"6\">%s</td></tr>\n", c->step);
}

static void write_name(struct walk *w, const struct calls_row *c, bool encloses, bool folded,
                       int64_t n)
{
    int deep = w->flat ? 0 : w->level < 12 ? w->level : 12;
    html(w->h, "<td class=\"w30\"><span class=\"in in%d k\">", deep);
    if (encloses)
        html(w->h, "<a class=\"tw_\" href=\"%s#c%d\" title=\"%s\">%s</a>",
             fold_link(w, c->position, folded), c->position, folded ? "unfold" : "fold",
             folded ? "+" : "\xe2\x88\x92");
    else if (!w->flat) html(w->h, "<span class=\"tw_\"></span>");
    html(w->h, "<a class=\"k name\" href=\"%s\">", calls_link(w->q, w->log->name, c->position));
    calls_name(w->h, c);
    html(w->h, "</a>");
    if (folded) html(w->h, " <span class=\"dim\">\xc3\x97%n</span>", n);
    html(w->h, "</span></td>");
}

static void write_row(struct walk *w, const struct calls_row *c, bool encloses, bool folded,
                      int64_t n)
{
    struct html *h = w->h;
    bool scope = c->kind == DEBUG_MODULE || c->kind == DEBUG_ANNOTATE;
    html(h, "<tr id=\"c%d\"%s><td class=\"num\"><span class=\"dim\">%d</span></td>", c->position,
         c->nonfinite == 2 ? SPAN(" class=x") : SPAN(""), c->position);
    write_name(w, c, encloses, folded, n);
    if (scope) {
        html(h, "<td class=\"w30\" colspan=\"5\"></td></tr>\n");
        return;
    }
    html(h, "<td class=\"w30\">");
    calls_arguments(h, c);
    html(h, "</td><td class=\"w15\">");
    calls_result(h, c);
    html(h, "</td><td class=\"fit opt dim\">");
    calls_hashes(h, c->hashes_in, 2);
    html(h, "</td><td class=\"fit\">");
    calls_nonfinite_mark(h, c->nonfinite);
    calls_hashes(h, c->hashes_out, 1);
    html(h, "</td><td class=\"num opt\">");
    if (c->dur != STORE_NULL) html(h, "%t", c->dur);
    html(h, "</td></tr>\n");
}

static void write_head(struct walk *w)
{
    html(w->h, "<div class=\"tw\"><table class=\"calls\"><thead><tr><th class=\"num\">#</th><th "
               "class=\"w30\">Call</th><th class=\"w30\">Arguments</th><th "
               "class=\"w15\">Result</th><th class=\"fit opt\">In <small>hash</small></th><th "
               "class=\"fit\">Out <small>hash</small></th><th class=\"num "
               "opt\">Took</th></tr></thead><tbody>\n");
}

/* Writes a call, of which the one behind it is known (NULL: there is none). *jump: place to go on
 * at, when what it encloses is folded. */
static enum err write_call(struct walk *w, const struct calls_row *c, const struct calls_row *next,
                           int64_t *jump)
{
    int64_t n = 0;
    enter(w, c);
    bool encloses = !w->flat && next && next->parent == c->event;
    bool folded = encloses && is_folded(w, c->position);
    if (folded) {
        TRY(find_end(w, c->position, jump));
        n = *jump - c->position - 1;
    }
    write_step(w, c);
    TRY(write_place(w, c));
    write_row(w, c, encloses, folded, n);
    push(w, c->event);
    w->shown++;
    return ERR_OK;
}

/* Rows from a place on until something is folded or the page is full. */
static enum err write_stretch(struct walk *w, int64_t from, int64_t *jump)
{
    struct calls_row rows[SHOWN + 1];
    sqlite3_stmt *s;
    enum err err;
    int n = 0;
    TRY(web_query(w->q, "call_rows", &s));
    TRY(store_bind_text(s, ":log", w->log->name.p, w->log->name.n));
    TRY(store_bind_int(s, ":from", from));
    TRY(store_bind_int(s, ":count", SHOWN + 1 - w->shown));
    while (n < SHOWN + 1 && web_step(w->q, s, &err)) calls_read(w->q, s, &rows[n++]);
    sqlite3_reset(s);
    *jump = w->next = -1;
    for (int i = 0; i < n; i++) {
        if (w->shown == SHOWN) {
            w->next = rows[i].position;
            return ERR_OK;
        }
        TRY(write_call(w, &rows[i], i + 1 < n ? &rows[i + 1] : NULL, jump));
        if (*jump >= 0) return ERR_OK;
    }
    return err;
}

static enum err write_nested(struct walk *w, int64_t from)
{
    int64_t at = from, jump;
    TRY(read_nest(w, from));
    do {
        TRY(write_stretch(w, at, &jump));
        at = jump;
    } while (jump >= 0 && jump < w->log->calls && w->shown < SHOWN);
    if (jump >= 0 && jump < w->log->calls) w->next = jump;
    return ERR_OK;
}

/* ---- a filtered log ---- */

/* The place from which on an index says that something may match: *out, -1 when nothing does. */
static enum err next_place(struct walk *w, const char *query, int64_t from, int64_t *out)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(w->q, query, &s));
    TRY(store_bind_text(s, ":log", w->log->name.p, (int64_t)w->log->name.n));
    TRY(store_bind_int(s, ":from", from));
    *out = -1;
    if (web_step(w->q, s, &err) && web_int(s, "place") != STORE_NULL) *out = web_int(s, "place");
    sqlite3_reset(s);
    return err;
}

static enum err skip_to(struct walk *w, int64_t *at)
{
    if (web_param(w->q, "op")) TRY(next_place(w, "call_next", *at, at));
    if (*at >= 0 && web_param(w->q, "nonfinite")) TRY(next_place(w, "nonfinite_next", *at, at));
    return ERR_OK;
}

static enum err filter_stretch(struct walk *w, int64_t from, int64_t until)
{
    struct calls_row row;
    sqlite3_stmt *s;
    enum err err;
    int64_t jump;
    TRY(web_query(w->q, "call_filter", &s));
    TRY(store_bind_text(s, ":log", w->log->name.p, w->log->name.n));
    TRY(store_bind_int(s, ":from", from));
    TRY(store_bind_int(s, ":until", until));
    while (web_step(w->q, s, &err)) {
        calls_read(w->q, s, &row);
        if (w->shown == SHOWN) {
            w->next = row.position;
            break;
        }
        TRY(write_call(w, &row, NULL, &jump));
        w->level = 0;
    }
    sqlite3_reset(s);
    return err;
}

static enum err write_filtered(struct walk *w, int64_t from, bool *looks_on)
{
    int64_t at = from;
    bool slow = web_param(w->q, "dtype") || web_param(w->q, "hash"); /* all tensors are read */
    w->flat = true;
    *looks_on = false;
    for (int k = 0; at < w->log->calls && w->next < 0; k++) {
        TRY(skip_to(w, &at));
        if (at < 0) return ERR_OK;
        if (k == (slow ? 1 : STRETCHES)) {
            w->next = at;
            *looks_on = true;
            return ERR_OK;
        }
        TRY(filter_stretch(w, at, at + STRETCH));
        at += STRETCH;
    }
    return ERR_OK;
}

/* ---- the list ---- */

static void write_foot(struct walk *w, int64_t from, bool looks_on)
{
    struct web_request *q = w->q;
    struct html *h = w->h;
    html(h, "</tbody></table><div class=\"cut\">");
    if (w->flat) html(h, "%n shown of those that match, from call %n on", w->shown, from);
    else html(h, "%n shown, from call %n on, of %n", w->shown, from, w->log->calls);
    html(h, "<span class=\"pg\">");
    if (from) html(h, "<a href=\"%s\">First %n</a>", web_here(q, "from", "", NULL), SHOWN);
    if (w->next >= 0)
        html(h, "<a rel=\"next\" href=\"%s\">%s</a>",
             web_here(q, "from", place_text(q, w->next), NULL),
             looks_on ? SPAN("Look on") : SPAN("Next 50"));
    html(h, "</span></div></div>");
    if (looks_on)
        web_state(h, WEB_TRUNCATED, "Only part of the log was looked through.",
                  "One page looks at a part of the calls; Look on goes on behind them.");
}

static enum err write_list(struct web_request *q, struct html *h, const struct call_log *log)
{
    int64_t from = web_param_int(q, "from", 0);
    struct html rows = {0};
    struct walk w = {.q = q, .h = &rows, .log = log, .next = -1};
    bool filtered = is_filtered(q), looks_on = false;
    if (from < 0) from = 0;
    enum err err = filtered ? write_filtered(&w, from, &looks_on) : write_nested(&w, from);
    w.h = h;
    if (!err && !w.shown && !looks_on) {
        web_state(h, WEB_NO_MATCH, filtered ? "No call matches." : "There is no call here.",
                  filtered ? "The filter is all of its fields together; digests are matched from "
                             "their beginning, names anywhere."
                           : "The log ends before this place.");
    } else if (!err) {
        write_head(&w);
        buf_span(&h->out, buf_text(&rows.out));
        write_foot(&w, from, looks_on);
    }
    html_release(&rows);
    return err;
}

static void write_nothing(struct web_request *q, struct html *h)
{
    web_crumb(q, h, "Operators", NULL);
    web_state(h, WEB_NOT_RECORDED, "No calls in this run.",
              "They were not recorded. `plumb record --debug-mode -- python program.py` runs a "
              "program under PyTorch's DebugMode; `plumb import` also takes DebugMode's own "
              "logs, and `plumb run` records its calls.");
}

enum err page_operators(struct web_request *q, struct html *h)
{
    struct call_log log;
    TRY(call_log_read(q, &log));
    if (!log.n_logs) {
        write_nothing(q, h);
        return ERR_OK;
    }
    if (!log.name.p)
        FAIL(ERR_NOT_FOUND, "no log of calls is called '%s' in this run", web_param(q, "log"));
    if (web_param(q, "raw")) return call_log_send(q, h, &log);
    web_crumb(q, h, "Operators", NULL);
    html(&q->actions, "<a href=\"%s\">As DebugMode text</a>",
         web_link(q, "/operators", "log", log.name.p, "raw", "1", NULL));
    TRY(write_answer(q, h, &log));
    web_section(q, h, "calls", "Log", "in the order of the calls",
                is_filtered(q) ? "call_filter" : "call_rows");
    write_filter(q, h);
    if (!is_filtered(q)) write_levels(q, h);
    TRY(write_list(q, h, &log));
    web_section_end(h);
    return log.n_logs > 1 ? call_log_write_all(q, h) : ERR_OK;
}
