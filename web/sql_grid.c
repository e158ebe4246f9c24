/* sql_grid.c - a column's name says what its values are: `compile` and `artifact` hold row ids,
 * `compile_id` with `log` and `run` beside it names a compile by its stable key. What cannot be
 * found stays a plain value. */
#include "web/sql_grid.h"

#include "store/db.h"
#include "web/address.h"

enum { MAX_GRID_COLUMNS = 200 };
enum column_link { LINK_NONE, LINK_COMPILE, LINK_ARTIFACT, LINK_COMPILE_ID };

struct grid {
    struct web_request *q;
    struct html *h;
    sqlite3_stmt *s;
    int n_columns;
    enum column_link link[MAX_GRID_COLUMNS];
    int log, run, occurrence; /* columns, -1 none */
};

static enum column_link link_of(const struct grid *g, const char *name)
{
    if (!strcmp(name, "compile")) return LINK_COMPILE;
    if (!strcmp(name, "artifact") || !strcmp(name, "artifact_id") ||
        !strcmp(name, "first_artifact"))
        return LINK_ARTIFACT;
    if (!strcmp(name, "compile_id") && g->log >= 0) return LINK_COMPILE_ID;
    return LINK_NONE;
}

static void begin(struct grid *g)
{
    g->n_columns = sqlite3_column_count(g->s);
    if (g->n_columns > MAX_GRID_COLUMNS) g->n_columns = MAX_GRID_COLUMNS;
    g->log = web_column_index(g->s, "log");
    g->run = web_column_index(g->s, "run");
    g->occurrence = web_column_index(g->s, "occurrence");
    html(g->h, "<div class=\"tw\"><table class=\"auto grid\"><thead><tr>");
    for (int i = 0; i < g->n_columns; i++) {
        g->link[i] = link_of(g, sqlite3_column_name(g->s, i));
        html(g->h, "<th scope=\"col\">%s</th>", sqlite3_column_name(g->s, i));
    }
    html(g->h, "</tr></thead><tbody>\n");
}

/* Address of the artifact or compile of a row id, NULL when there is none. */
static const char *address_of(struct grid *g, enum column_link link, int64_t id)
{
    sqlite3_stmt *s;
    enum err err = web_query(g->q, link == LINK_COMPILE ? "compile_by_id" : "artifact_by_id", &s);
    const char *href = NULL;
    if (!err) err = store_bind_int(s, ":id", id);
    if (!err && web_step(g->q, s, &err)) {
        struct span run = web_text(s, "run"), log = web_text(s, "log");
        href = link == LINK_COMPILE ? web_compile_address(g->q, run, log, web_text(s, "compile_id"),
                                                          web_int(s, "occurrence"))
                                    : web_artifact_address(g->q, run, log, web_int(s, "offset"), 0);
        sqlite3_reset(s);
    }
    if (err) err_clear();
    return href;
}

static struct span text_at(struct grid *g, int column)
{
    return column < 0 ? SPAN_NONE : store_column_text(g->s, column);
}

static const char *href_of(struct grid *g, int i)
{
    if (g->link[i] == LINK_COMPILE_ID) {
        int64_t occurrence = g->occurrence < 0 ? 1 : sqlite3_column_int64(g->s, g->occurrence);
        struct span id = store_column_text(g->s, i);
        return id.p ? web_compile_address(g->q, text_at(g, g->run), text_at(g, g->log), id,
                                          occurrence)
                    : NULL;
    }
    if (g->link[i] == LINK_NONE || sqlite3_column_type(g->s, i) != SQLITE_INTEGER) return NULL;
    return address_of(g, g->link[i], sqlite3_column_int64(g->s, i));
}

static void put_blob(struct grid *g, int i)
{
    enum { SHOWN = 32 };
    const unsigned char *p = sqlite3_column_blob(g->s, i);
    int n = sqlite3_column_bytes(g->s, i);
    buf_puts(&g->h->out, "<td><code>x&#39;");
    for (int k = 0; p && k < n && k < SHOWN; k++) buf_printf(&g->h->out, "%02x", p[k]);
    html(g->h, "&#39;</code>");
    if (n > SHOWN) html(g->h, " <span class=\"dim\">%b</span>", (int64_t)n);
    html(g->h, "</td>");
}

static void put_text(struct grid *g, int i)
{
    struct span s = store_column_text(g->s, i), shown = s;
    if (s.n > GRID_CELL) {
        size_t n = GRID_CELL;
        while (n && ((unsigned char)s.p[n] & 0xc0) == 0x80) n--;
        shown = span_to(s, n);
    }
    html(g->h, "<td class=\"text\">%s", shown);
    if (s.n > shown.n) html(g->h, "\xe2\x80\xa6 <span class=\"dim\">%b</span>", (int64_t)s.n);
    html(g->h, "</td>");
}

static void put_real(struct grid *g, int i)
{
    struct buf number = {0};
    buf_json_real(&number, sqlite3_column_double(g->s, i));
    html(g->h, "<td class=\"num\">%s</td>", buf_text(&number));
    buf_release(&number);
}

static void put_cell(struct grid *g, int i)
{
    const char *href = href_of(g, i);
    int type = sqlite3_column_type(g->s, i);
    if (href)
        html(g->h, "<td class=\"%s\"><a class=\"k\" href=\"%s\">%s</a></td>",
             type == SQLITE_INTEGER ? "num" : "", href, store_column_text(g->s, i));
    else if (type == SQLITE_NULL) html(g->h, "<td class=\"dim\">NULL</td>");
    else if (type == SQLITE_INTEGER)
        html(g->h, "<td class=\"num\">%d</td>", (int64_t)sqlite3_column_int64(g->s, i));
    else if (type == SQLITE_FLOAT) put_real(g, i);
    else if (type == SQLITE_BLOB) put_blob(g, i);
    else put_text(g, i);
}

enum err grid_write(struct web_request *q, struct html *h, sqlite3_stmt *s, struct grid_result *out)
{
    struct grid g = {.q = q, .h = h, .s = s};
    enum err err;
    *out = (struct grid_result){0};
    begin(&g);
    while (web_step(q, s, &err)) {
        if (out->n == GRID_ROWS) {
            out->truncated = true;
            break;
        }
        html(h, "<tr>");
        for (int i = 0; i < g.n_columns; i++) put_cell(&g, i);
        html(h, "</tr>\n");
        out->n++;
    }
    html(h, "</tbody></table></div>");
    return err;
}
