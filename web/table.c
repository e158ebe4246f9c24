/* table.c - a named query as a sortable, filterable table.
 *
 * The rows come from the named query wrapped in a second SELECT that orders, filters and limits
 * them:
 *
 *   SELECT * FROM (<named query>) WHERE "a" LIKE :t_filter OR "b" LIKE :t_filter
 *   ORDER BY "c" DESC LIMIT :t_limit OFFSET :t_after
 *
 * Everything in that text is the program's: names come from the columns of the page, a `sort`
 * that is none of them is ignored, and what the address brings is bound. SQLite keeps only the
 * rows of the page while it sorts.
 */
#include "web/web.h"

#include <math.h>

#include "web/server.h"

enum { DEFAULT_LIMIT = 50, MAX_COLUMNS = 32 };

struct view {
    struct web_request *q;
    struct html *h;
    const struct web_table *t;
    const struct web_column *sort; /* NULL: order of the query */
    bool descending;
    const char *filter; /* NULL none */
    int64_t after, limit;
    int64_t total, matching;
    double max[MAX_COLUMNS];
};

/* How numbers are shown: a verb of html.h for the value times scale, a unit beside the head. */
static const struct {
    char verb;
    double scale;
    const char *unit;
} numbers[] = {
    [WEB_COUNT] = {'n', 1, NULL},       [WEB_REAL] = {'d', 1, NULL},   [WEB_MS] = {'m', 1, "ms"},
    [WEB_US] = {'m', 1e3, "\xc2\xb5s"}, [WEB_RATE] = {'m', 1e6, NULL}, [WEB_BYTES] = {'b', 1, NULL},
    [WEB_SHARE] = {'p', 1, NULL},       [WEB_CLOCK] = {'c', 1, "UTC"}, [WEB_HIDDEN] = {0, 0, NULL},
};

static bool numeric(enum web_kind k)
{
    return k == WEB_BAR || (numbers[k].verb && k != WEB_CLOCK);
}

/* Name of a parameter of this table. */
static const char *param(const struct view *v, const char *name)
{
    return v->t->own ? arena_printf(&v->q->arena, "%s.%s", v->t->id, name) : name;
}

static const struct web_column *find_column(const struct web_table *t, const char *name)
{
    for (const struct web_column *c = t->columns; name && c->name; c++)
        if (!strcmp(c->name, name) && c->head && c->kind != WEB_BAR) return c;
    return NULL;
}

static void read_params(struct view *v)
{
    const char *sort = web_param(v->q, param(v, "sort"));
    v->descending = sort && *sort == '-';
    v->sort = find_column(v->t, v->descending ? sort + 1 : sort);
    v->filter = v->t->filter ? web_param(v->q, param(v, "q")) : NULL;
    v->after = web_param_int(v->q, param(v, "after"), 0);
    if (v->after < 0) v->after = 0;
    v->limit = v->t->limit ? v->t->limit : DEFAULT_LIMIT;
    if (web_param(v->q, param(v, "all"))) v->limit = WEB_TABLE_ALL;
}

/* ---- statements ---- */

/* The SELECT without its final semicolon. */
static struct span bare(const char *sql)
{
    struct span s = span_trim(span_of(sql));
    while (s.n && (s.p[s.n - 1] == ';' || s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\n')) s.n--;
    return s;
}

static void put_filter(struct buf *b, const struct web_table *t)
{
    const char *before = " WHERE ";
    for (const struct web_column *c = t->columns; c->name; c++) {
        if (!c->filter) continue;
        buf_printf(b, "%s\"%s\" LIKE :t_filter ESCAPE '\\'", before, c->name);
        before = " OR ";
    }
}

static enum err prepare(struct view *v, const char *use, const char *select, bool filtered,
                        bool page, sqlite3_stmt **out)
{
    const struct store_query *query = store_query_find(v->t->query);
    if (!query) FAIL(ERR_NOT_FOUND, "there is no named query %s", v->t->query);
    struct buf b = {0};
    struct span sql = bare(query->sql);
    buf_printf(&b, "SELECT %s FROM (\n%.*s\n)", select, SPAN_ARG(sql));
    if (filtered) put_filter(&b, v->t);
    if (page && v->sort)
        buf_printf(&b, " ORDER BY \"%s\"%s NULLS LAST", v->sort->name,
                   v->descending ? " DESC" : "");
    if (page) buf_puts(&b, " LIMIT :t_limit OFFSET :t_after");
    const char *name =
        arena_printf(&v->q->arena, "%s/%s/%s/%d%s%s", use, v->t->id, v->t->query, filtered,
                     page && v->sort ? v->sort->name : "", v->descending ? "-" : "");
    enum err err = buf_ok(&b);
    if (!err && !name) err = err_set(ERR_NOMEM, "out of memory for a table");
    if (!err) err = web_statement(v->q, name, b.p, out);
    buf_release(&b);
    if (!err) err = web_bind_params(v->q, *out);
    return err;
}

/* %text% with LIKE's own characters escaped. */
static const char *pattern(struct web_request *q, const char *text)
{
    struct buf b = {0};
    buf_putc(&b, '%');
    for (; *text; text++) {
        if (strchr("%_\\", *text)) buf_putc(&b, '\\');
        buf_putc(&b, *text);
    }
    buf_putc(&b, '%');
    struct span kept = arena_copy(&q->arena, buf_text(&b));
    buf_release(&b);
    return kept.p ? kept.p : "%";
}

/* Number of rows without the filter, and the largest value of each bar column. */
static enum err count_rows(struct view *v)
{
    struct buf select = {0};
    sqlite3_stmt *s;
    buf_puts(&select, "count(*)");
    for (const struct web_column *c = v->t->columns; c->name; c++)
        if (c->kind == WEB_BAR) buf_printf(&select, ", max(\"%s\")", c->name);
    enum err err = buf_ok(&select);
    if (!err) err = prepare(v, "count", select.p, false, false, &s);
    buf_release(&select);
    if (err || !web_step(v->q, s, &err)) return err;
    v->total = sqlite3_column_int64(s, 0);
    int at = 1, i = 0;
    for (const struct web_column *c = v->t->columns; c->name && i < MAX_COLUMNS; c++, i++)
        if (c->kind == WEB_BAR) v->max[i] = sqlite3_column_double(s, at++);
    sqlite3_reset(s);
    return ERR_OK;
}

/* ---- head ---- */

static const char *class_of(const struct web_column *c)
{
    return c->class_ ? c->class_ : numeric(c->kind) && c->kind != WEB_BAR ? "num" : "";
}

static void put_head_cell(struct view *v, const struct web_column *c)
{
    struct html *h = v->h;
    if (!c->head) {
        html(h, "<th class=\"%s\"></th>", class_of(c));
        return;
    }
    bool sorted = v->sort == c;
    bool down = sorted ? !v->descending : numeric(c->kind) || !strncmp(class_of(c), "num", 3);
    const char *value = arena_printf(&v->q->arena, "%s%s", down ? "-" : "", c->name);
    const char *href = web_here(v->q, param(v, "sort"), value, param(v, "after"), "", NULL);
    html(h, "<th class=\"%s\" scope=\"col\"", class_of(c));
    if (sorted && v->descending) html(h, " aria-sort=\"descending\"");
    else if (sorted) html(h, " aria-sort=\"ascending\"");
    html(h, "><a href=\"%s#%s\">%s", href, v->t->id, c->head);
    const char *unit = c->unit ? c->unit : numbers[c->kind].unit;
    if (unit) html(h, " <small>%s</small>", unit);
    if (sorted)
        html(h, "<span class=\"sort\">%s</span>", v->descending ? "\xe2\x96\xbc" : "\xe2\x96\xb2");
    html(h, "</a></th>");
}

static void put_head(struct view *v)
{
    html(v->h, "<div class=\"tw\"><table id=\"%s\" data-query=\"%s\"", v->t->id, v->t->query);
    if (v->t->stack) html(v->h, " class=\"stack\"");
    html(v->h, "><thead><tr>");
    for (const struct web_column *c = v->t->columns; c->name; c++)
        if (c->kind != WEB_HIDDEN) put_head_cell(v, c);
    html(v->h, "</tr></thead><tbody>\n");
}

/* ---- rows ---- */

static void put_number(struct html *h, enum web_kind kind, sqlite3_stmt *s, int i)
{
    int type = sqlite3_column_type(s, i);
    if (type == SQLITE_NULL) {
        html(h, "<span class=\"dim\">\xe2\x80\x93</span>");
        return;
    }
    if (type != SQLITE_INTEGER && type != SQLITE_FLOAT) {
        html_text(h, store_column_text(s, i));
        return;
    }
    double scale = numbers[kind].scale, real = sqlite3_column_double(s, i);
    if (real == 0) html(h, "<span class=\"dim\">");
    html_number(&h->out, numbers[kind].verb,
                type == SQLITE_INTEGER && scale == 1 ? html_of_int(sqlite3_column_int64(s, i))
                                                     : html_of_real(real * scale));
    if (real == 0) html(h, "</span>");
}

static void put_text(struct html *h, enum web_kind kind, struct span s)
{
    if (!s.p) html(h, "<span class=\"dim\">\xe2\x80\x93</span>");
    else if (kind == WEB_CODE) html(h, "<code title=\"%s\">%s</code>", s, s);
    else if (kind == WEB_LONG) html(h, "<code>%l</code>", s);
    else if (s.n > 40 && kind == WEB_TEXT) html(h, "<span title=\"%s\">%s</span>", s, s);
    else html(h, "%s", s);
}

static void put_content(struct web_cell *c)
{
    enum web_kind kind = c->column->kind;
    if (c->column->cell) c->column->cell(c);
    else if (kind == WEB_BAR)
        web_bar(c->h, sqlite3_column_double(c->row, c->index), c->max, 64, "b6");
    else if (numbers[kind].verb) put_number(c->h, kind, c->row, c->index);
    else put_text(c->h, kind, store_column_text(c->row, c->index));
}

static bool selected(const struct view *v, sqlite3_stmt *s)
{
    const char *sel = v->t->key ? web_param(v->q, "sel") : NULL;
    return sel && span_is(web_text(s, v->t->key), sel);
}

static void put_row(struct view *v, sqlite3_stmt *s, const int *index)
{
    if (selected(v, s)) html(v->h, "<tr aria-selected=\"true\">");
    else html(v->h, "<tr>");
    int i = 0;
    for (const struct web_column *c = v->t->columns; c->name; c++, i++) {
        if (c->kind == WEB_HIDDEN) continue;
        struct web_cell cell = {v->q, v->h, s, c, index[i], v->max[i]};
        html(v->h, "<td class=\"%s%s\">", c->kind == WEB_WRAP ? "wrap " : "", class_of(c));
        put_content(&cell);
        html(v->h, "</td>");
    }
    html(v->h, "</tr>\n");
}

static bool in_window(const struct view *v, int64_t at)
{
    return at >= v->after && at < v->after + v->limit;
}

/* Columns of the statement that the table shows. */
static enum err find_columns(const struct view *v, sqlite3_stmt *s, int index[MAX_COLUMNS])
{
    int n = 0;
    for (const struct web_column *c = v->t->columns; c->name; c++) {
        REQUIRE("web:columns", n < MAX_COLUMNS);
        index[n] = web_column_index(s, c->name);
        if (index[n++] < 0)
            FAIL(ERR_NOT_FOUND, "the named query %s has no column %s", v->t->query, c->name);
    }
    return ERR_OK;
}

/* A filtered table, and one whose query costs more than its rows, steps through all rows and counts
 * those outside the window; any other asks for the window only. */
static enum err put_rows(struct view *v, int64_t *shown)
{
    sqlite3_stmt *s;
    int index[MAX_COLUMNS];
    enum err err;
    bool whole = v->t->once || v->filter;
    TRY(prepare(v, "rows", "*", v->filter != NULL, true, &s));
    TRY(store_bind_int(s, ":t_limit", whole ? -1 : v->limit));
    TRY(store_bind_int(s, ":t_after", whole ? 0 : v->after));
    if (v->filter) TRY(store_bind_text(s, ":t_filter", pattern(v->q, v->filter), -1));
    TRY(find_columns(v, s, index));
    for (int64_t at = whole ? 0 : v->after; web_step(v->q, s, &err); at++) {
        if (v->filter) v->matching = at + 1;
        else if (whole) v->total = at + 1;
        if (!in_window(v, at)) continue;
        put_row(v, s, index);
        ++*shown;
    }
    return err;
}

/* ---- foot and filter ---- */

static void put_foot(struct view *v, int64_t shown)
{
    struct html *h = v->h;
    int64_t of = v->filter ? v->matching : v->total;
    html(h, "</tbody></table>");
    if (shown < of || v->after) {
        html(h, "<div class=\"cut\">Showing %n", v->after + (shown > 0));
        if (shown > 1) html(h, " to %n", v->after + shown);
        html(h, " of %n %s<span class=\"pg\">", of, v->t->unit);
        if (v->after)
            html(h, "<a href=\"%s#%s\">First %n</a>", web_here(v->q, param(v, "after"), "", NULL),
                 v->t->id, v->limit);
        if (v->after + shown < of) {
            const char *next = arena_printf(&v->q->arena, "%lld", (long long)(v->after + shown));
            html(h, "<a rel=\"next\" href=\"%s#%s\">Next %n</a>",
                 web_here(v->q, param(v, "after"), next, NULL), v->t->id,
                 v->limit < of - v->after - shown ? v->limit : of - v->after - shown);
        }
        html(h, "</span></div>");
    }
    html(h, "</div>\n");
}

/* The parameters of the address that a form must carry along. */
void web_hidden(struct web_request *q, struct html *h, const char *const *without)
{
    for (int i = 0; i < q->n_params; i++) {
        bool skip = false;
        for (const char *const *w = without; *w; w++) skip |= !strcmp(*w, q->params[i].name);
        if (!skip)
            html(h, "<input type=\"hidden\" name=\"%s\" value=\"%s\">", q->params[i].name,
                 q->params[i].value);
    }
}

static void put_filter_form(struct view *v)
{
    struct html *h = v->h;
    const char *name = param(v, "q"), *after = param(v, "after");
    html(h, "<form class=\"filter\" method=\"get\" action=\"%s#%s\" role=\"search\">",
         web_job_of(v->q)->address.path, v->t->id);
    web_hidden(v->q, h, (const char *const[]){name, after, "token", NULL});
    html(h,
         "<input class=\"q\" type=\"search\" name=\"%s\" value=\"%s\" placeholder=\"Filter %s\" "
         "aria-label=\"Filter %s\">",
         name, v->filter ? v->filter : "", v->t->unit, v->t->unit);
    if (v->filter)
        html(h, "<a class=\"chip\" href=\"%s#%s\">All %n</a>",
             web_here(v->q, name, "", after, "", NULL), v->t->id, v->total);
    html(h, "<span class=\"n\">%n of %n</span></form>\n", v->filter ? v->matching : v->total,
         v->total);
}

static void put_no_match(struct view *v)
{
    struct arena *a = &v->q->arena;
    web_state(v->h, WEB_NO_MATCH,
              arena_printf(a, "Nothing matches \xe2\x80\x9c%s\xe2\x80\x9d.", v->filter),
              arena_printf(a, "%lld %s were searched.", (long long)v->total, v->t->unit));
}

/* What stands around the rows, which were written first since only then their number is known. */
static void put_table(struct view *v, const struct html *rows, int64_t shown)
{
    const struct web_table *t = v->t;
    if (!v->total) {
        if (t->none_what) web_state(v->h, t->none, t->none_what, t->none_why);
        return;
    }
    if (t->filter && (v->total > 5 || v->filter)) put_filter_form(v);
    if (v->filter && !v->matching) {
        put_no_match(v);
        return;
    }
    put_head(v);
    buf_span(&v->h->out, buf_text(&rows->out));
    put_foot(v, shown);
}

/* The columns without that of ranks, which says nothing in a run of one log. */
static void drop_rank(const struct web_table *t, struct web_column *out)
{
    int n = 0;
    for (const struct web_column *c = t->columns; c->name; c++) {
        REQUIRE("web:columns", n < MAX_COLUMNS - 1);
        if (strcmp(c->name, "rank")) out[n++] = *c;
    }
    out[n] = (struct web_column){0};
}

enum err web_table(struct web_request *q, struct html *h, const struct web_table *t,
                   int64_t *n_rows)
{
    struct html rows = {0};
    struct web_column columns[MAX_COLUMNS];
    struct web_table shown_table = *t;
    struct view v = {.q = q, .h = &rows, .t = &shown_table};
    if (q->n_logs <= 1) {
        drop_rank(t, columns);
        shown_table.columns = columns;
    }
    int64_t shown = 0;
    read_params(&v);
    enum err err = t->once ? ERR_OK : count_rows(&v);
    if (!err && (t->once || v.total)) err = put_rows(&v, &shown);
    if (!err) err = html_ok(&rows);
    v.h = h;
    if (!err) put_table(&v, &rows, shown);
    if (!err && n_rows) *n_rows = v.total;
    html_release(&rows);
    return err;
}
