/* page_sql.c - the SQL console: a text, Run and Explain, the result, and beside it what there is
 * to ask.
 *
 * A link only fills the text in; a statement runs when the form is posted, on a connection of
 * console.h. The named queries and the schema are those that are compiled in. */
#include <stdio.h>

#include "store/base/clock.h"
#include "store/db.h"
#include "web/console.h"
#include "web/schema_doc.h"
#include "web/server.h"
#include "web/sql_grid.h"
#include "web/sql_text.h"

enum { SECONDS_DEFAULT = 5, SECONDS_MAX = 60, PARAMETERS = 12 };

struct ask {
    const char *sql;   /* text to show and run */
    const char *named; /* the named query it came from, NULL none */
    const char *act;   /* run, explain, csv, json, md, cancel; NULL: only show */
    int64_t seconds;
    struct span parameters[PARAMETERS];
    int n_parameters;
};

/* ---- what was asked ---- */

static void find_parameters(struct ask *a)
{
    struct span rest = span_of(a->sql), name;
    while (a->n_parameters < PARAMETERS && sql_parameter_next(&rest, &name)) {
        int i = 0;
        while (i < a->n_parameters && !span_eq(a->parameters[i], name)) i++;
        if (i == a->n_parameters) a->parameters[a->n_parameters++] = name;
    }
}

static struct ask read_ask(struct web_request *q)
{
    struct ask a = {.sql = web_param(q, "sql"), .named = web_param(q, "named")};
    const struct store_query *query = a.named ? store_query_find(a.named) : NULL;
    if (!a.sql && query) a.sql = query->sql;
    if (!a.sql)
        a.sql = "SELECT outcome, count(*) AS compiles, sum(total_ns) / 1e6 AS total_ms\nFROM "
                "compiles\nGROUP BY outcome";
    if (!query) a.named = NULL;
    a.seconds = web_param_int(q, "seconds", SECONDS_DEFAULT);
    if (a.seconds < 1) a.seconds = 1;
    if (a.seconds > SECONDS_MAX) a.seconds = SECONDS_MAX;
    a.act = q->method == WEB_POST ? web_param(q, "act") : NULL;
    find_parameters(&a);
    return a;
}

static const char *parameter_value(struct web_request *q, struct span name)
{
    if (span_is(name, "run") && !web_param(q, "run") && q->n_runs == 1) return q->run_name.p;
    return web_param(q, web_keep(q, name).p);
}

/* ---- form ---- */

static void write_query_list(struct web_request *q, struct html *h, const struct ask *a)
{
    html(h, "<form class=\"filter\" action=\"/sql\">");
    if (q->file > 0) html(h, "<input type=\"hidden\" name=\"file\" value=\"%d\">", q->file);
    if (web_param(q, "run"))
        html(h, "<input type=\"hidden\" name=\"run\" value=\"%s\">", web_param(q, "run"));
    html(h, "<span>Named query</span><select class=\"pick\" aria-label=\"Named query\" "
            "name=\"named\">");
    for (const struct store_query *s = store_queries; s->name; s++)
        html(h, "<option value=\"%s\"%s>%s: %s</option>", s->name,
             a->named && !strcmp(a->named, s->name) ? SPAN(" selected") : SPAN(""), s->name,
             s->summary);
    html(h, "</select><button class=\"btn\">Fill in</button></form>\n");
}

static void write_parameters(struct web_request *q, struct html *h, const struct ask *a)
{
    if (!a->n_parameters) return;
    html(h, "<div class=\"filter\">");
    for (int i = 0; i < a->n_parameters; i++) {
        const char *value = parameter_value(q, a->parameters[i]);
        html(h,
             "<label>:%s <input class=\"q\" name=\"%s\" value=\"%s\" placeholder=\"NULL\"></label>",
             a->parameters[i], a->parameters[i], value ? value : "");
    }
    html(h, "</div>");
}

static int64_t count_lines(const char *text)
{
    int64_t n = 1;
    for (; *text; text++) n += *text == '\n';
    return n;
}

static void write_form(struct web_request *q, struct html *h, const struct ask *a)
{
    int64_t rows = count_lines(a->sql) + 1;
    html(h, "<form action=\"/sql\" method=\"post\" id=\"console\">");
    if (q->file > 0) html(h, "<input type=\"hidden\" name=\"file\" value=\"%d\">", q->file);
    if (web_param(q, "run") && !span_find(span_of(a->sql), SPAN(":run"), 0))
        html(h, "<input type=\"hidden\" name=\"run\" value=\"%s\">", web_param(q, "run"));
    html(h,
         "<textarea name=\"sql\" rows=\"%d\" spellcheck=\"false\" aria-label=\"Query\" "
         "maxlength=\"100000\">\n%s</textarea>",
         rows < 6    ? (int64_t)6
         : rows > 24 ? (int64_t)24
                     : rows,
         a->sql);
    write_parameters(q, h, a);
    html(h, "<div class=\"row runrow\"><button class=\"btn main\" name=\"act\" "
            "value=\"run\">Run</button>"
            "<button class=\"btn\" name=\"act\" value=\"explain\">Explain</button>"
            "<button class=\"btn\" name=\"act\" value=\"csv\">CSV</button><button class=\"btn\" "
            "name=\"act\" value=\"json\">JSON</button>"
            "<label class=\"small\">at most <select name=\"seconds\">");
    static const int CHOICES[] = {5, 20, 60};
    for (int i = 0; i < 3; i++)
        html(h, "<option value=\"%d\"%s>%d s</option>", CHOICES[i],
             CHOICES[i] == a->seconds ? SPAN(" selected") : SPAN(""), CHOICES[i]);
    html(h, "</select></label></div></form>\n");
}

/* ---- running ---- */

static enum err bind_values(struct web_request *q, sqlite3_stmt *s)
{
    for (int i = 1; i <= sqlite3_bind_parameter_count(s); i++) {
        const char *name = sqlite3_bind_parameter_name(s, i);
        const char *value = name ? parameter_value(q, span_of(name + 1)) : NULL;
        int64_t number;
        int rc = SQLITE_OK;
        if (value && span_to_i64(span_of(value), &number)) rc = sqlite3_bind_int64(s, i, number);
        else if (value) rc = sqlite3_bind_text(s, i, value, -1, SQLITE_STATIC);
        if (rc != SQLITE_OK)
            return store_sql_error(sqlite3_db_handle(s), rc, "binding a parameter");
    }
    return ERR_OK;
}

/* Exactly one statement. */
static enum err prepare(struct web_request *q, struct console *c, const char *sql,
                        sqlite3_stmt **out)
{
    const char *tail;
    sqlite3_stmt *second = NULL;
    int rc = sqlite3_prepare_v2(console_db(c), sql, -1, out, &tail);
    if (rc != SQLITE_OK) return store_sql_error(console_db(c), rc, "reading the statement");
    if (!*out) FAIL(ERR_USAGE, "there is no statement in the text");
    rc = sqlite3_prepare_v2(console_db(c), tail, -1, &second, NULL);
    bool more = rc != SQLITE_OK || second;
    sqlite3_finalize(second);
    if (more) FAIL(ERR_USAGE, "one statement at a time: there is text behind the first one");
    return bind_values(q, *out);
}

static void write_foot(struct html *h, const struct grid_result *r, int64_t took_ns)
{
    html(h, "<p class=\"cut\">%n row%s \xc2\xb7 %t \xc2\xb7 read only", r->n, r->n == 1 ? "" : "s",
         took_ns);
    if (r->truncated)
        html(h,
             " \xc2\xb7 <b class=\"t-warn\">truncated:</b> the grid stops at %n rows, CSV and JSON "
             "do not",
             r->n);
    html(h, "</p>");
}

static void write_failure(struct html *h, struct web_request *q, struct console *c, enum err err,
                          const struct grid_result *r)
{
    bool slow = c && console_timed_out(c);
    (void)err;
    web_state(h, WEB_ERROR,
              slow ? "The query ran out of time and was stopped."
                   : "The query did not run to its end.",
              arena_printf(&q->arena, "%s. %lld rows had been read.", err_text(), (long long)r->n));
    if (slow)
        html(h,
             "<p class=\"row runrow\"><button class=\"btn\" form=\"console\" name=\"act\" "
             "value=\"explain\">Explain</button>"
             "<span class=\"dim small\">or choose a longer time above and run it again</span></p>");
    err_clear();
}

static enum err run_shown(struct web_request *q, struct html *h, struct console *c, sqlite3_stmt *s)
{
    struct grid_result r;
    int64_t began = clock_mono();
    web_section(q, h, "result", "Result", NULL, NULL);
    enum err err = grid_write(q, h, s, &r);
    if (err) {
        err = console_error(c, err);
        if (err == ERR_CANCELLED && web_client_left(web_job_of(q))) return err;
        write_failure(h, q, c, err, &r);
    } else {
        write_foot(h, &r, clock_mono() - began);
    }
    web_section_end(h);
    return ERR_OK;
}

/* The statement's text, with what makes SQLite explain it. */
static const char *text_to_run(struct web_request *q, const struct ask *a)
{
    return !strcmp(a->act, "explain") ? arena_printf(&q->arena, "EXPLAIN QUERY PLAN %s", a->sql)
                                      : a->sql;
}

static enum err run(struct web_request *q, struct html *h, const struct ask *a)
{
    struct console *c = NULL;
    sqlite3_stmt *s = NULL;
    const char *sql = text_to_run(q, a);
    bool data = !strcmp(a->act, "csv") || !strcmp(a->act, "json") || !strcmp(a->act, "md");
    struct grid_result nothing = {0};
    if (!sql) FAIL(ERR_NOMEM, "out of memory for the statement");
    enum err err = console_open(q, a->sql, a->seconds * 1000000000, &c);
    q->deadline_ns = 0; /* the console has its own */
    if (!err) err = prepare(q, c, sql, &s);
    if (!err && data) {
        html_release(h);
        *h = (struct html){0};
        err = web_send_rows(q, h, s, a->act);
        if (err) err = console_error(c, err);
    } else if (!err) {
        err = run_shown(q, h, c, s);
    } else {
        err = c ? console_error(c, err) : err;
        write_failure(h, q, c, err, &nothing);
        err = ERR_OK;
    }
    sqlite3_finalize(s);
    if (c) console_close(c);
    return err;
}

/* ---- what runs now ---- */

static void write_running(struct web_request *q, struct html *h)
{
    struct console_info running[CONSOLE_SLOTS];
    int n = console_list(running);
    if (!n) return;
    web_section(q, h, "running", "Running now", "a statement also ends when its page is closed",
                NULL);
    html(h, "<div class=\"tw\"><table><tbody>");
    for (int i = 0; i < n; i++) {
        html(h, "<tr><td><code>%s</code></td><td class=\"num\">%t</td><td class=\"fit\">",
             running[i].sql, running[i].running_ns);
        html(h,
             "<form action=\"/sql\" method=\"post\"><input type=\"hidden\" name=\"job\" "
             "value=\"%d\">"
             "<button class=\"btn\" name=\"act\" value=\"cancel\">Stop</button></form></td></tr>\n",
             running[i].id);
    }
    html(h, "</tbody></table></div>");
    web_section_end(h);
}

static void stop(struct web_request *q, struct html *h)
{
    if (console_cancel(web_param_int(q, "job", 0)))
        web_state(h, WEB_TRUNCATED, "The statement was asked to stop.",
                  "Its own page says how far it came.");
    else web_state(h, WEB_NO_MATCH, "That statement has ended already.", NULL);
}

/* ---- schema ---- */

static void write_object(struct html *h, const struct schema_object *o, bool open)
{
    struct span body = o->body;
    struct schema_column c;
    char sentence[400];
    schema_sentence(o->comment, sentence, sizeof sentence);
    html(h, "<li><details%s><summary><code>%s</code></summary><p class=\"micro\">%s</p><ul>",
         open ? SPAN(" open") : SPAN(""), o->name, sentence);
    while (schema_column_next(&body, &c)) {
        html(h, "<li class=\"in\" title=\"%s\"><code>%s</code><span class=\"dim\">", c.comment,
             c.name);
        if (c.type.p) html(h, "%s", c.type);
        html(h, "</span></li>\n");
    }
    html(h, "</ul></details></li>\n");
}

/* Does the query read FROM or JOIN this? */
static bool is_read(const char *sql, struct span name)
{
    static const char *const BEFORE[] = {"from ", "FROM ", "join ", "JOIN "};
    for (int i = 0; i < 4; i++) {
        char word[96];
        int n = snprintf(word, sizeof word, "%s%.*s", BEFORE[i], SPAN_ARG(name));
        for (const char *at = sql; (at = strstr(at, word)); at += n)
            if (!at[n] || strchr(" ;,\n)", at[n])) return true;
    }
    return false;
}

/* Tables or views of a schema text; those that the query names are open. */
static void write_objects(struct html *h, const struct ask *a, const char *title, const char *text,
                          bool views)
{
    struct span rest = span_of(text);
    struct schema_object o;
    html(h, "<section><div class=\"sh\"><h3>%s</h3></div><ul class=\"schema\">", title);
    while (schema_next(&rest, &o)) {
        if (o.view == views) write_object(h, &o, is_read(a->sql, o.name));
    }
    html(h, "</ul></section>\n");
}

/* ---- the page ---- */

static void write_head(struct web_request *q, struct html *h)
{
    web_crumb(q, h, "SQL", NULL);
    html(h,
         "<p class=\"note\">Reads this file only: one statement, SELECT or WITH, %d s (%d at "
         "most), %n rows in the grid, no limit of rows "
         "in an export. The same text runs as <code>plumb sql %s</code>. A query that came with a "
         "link is filled in and waits for "
         "Run.</p>",
         SECONDS_DEFAULT, SECONDS_MAX, (int64_t)GRID_ROWS, q->file_name);
}

enum err page_sql(struct web_request *q, struct html *h)
{
    struct ask a = read_ask(q);
    enum err err = ERR_OK;
    web_job_of(q)->no_store = true;
    write_head(q, h);
    if (a.act && !strcmp(a.act, "cancel")) stop(q, h);
    write_query_list(q, h, &a);
    write_form(q, h, &a);
    if (a.act && strcmp(a.act, "cancel")) err = run(q, h, &a);
    if (err || q->content_type) return err;
    html(&q->actions, "<a href=\"%s\">Link to this query</a>",
         web_link(q, "/sql", "named", a.named, "sql",
                  a.named && !web_param(q, "sql") ? NULL : a.sql, NULL));
    write_running(q, h);
    write_objects(&q->drawer, &a, "Views", store_schema_derived, true);
    write_objects(&q->drawer, &a, "Tables", store_schema_recorded, false);
    return ERR_OK;
}
