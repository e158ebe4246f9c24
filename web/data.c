/* data.c - every named query as CSV, JSON and Markdown: /data/NAME.csv, .json, .md. Parameters
 * come from the address.
 *
 * Rows are sent as they are read; nothing is kept. CSV is RFC 4180 with a leading apostrophe
 * never added: what is in the trace is what is written. JSON is an array of objects, Markdown a
 * table. Only the named queries of this program can be asked, so the address brings values, never
 * SQL.
 */
#include "web/server.h"

#include <math.h>

#include "store/base/clock.h"

enum { FLUSH_AT = 64 << 10, DATA_LIMIT_S = 60 };

enum form { FORM_CSV, FORM_JSON, FORM_MD };
static const struct {
    const char *suffix, *type;
} forms[] = {
    [FORM_CSV] = {".csv", "text/csv; charset=utf-8"},
    [FORM_JSON] = {".json", "application/json; charset=utf-8"},
    [FORM_MD] = {".md", "text/markdown; charset=utf-8"},
};

static void put_csv(struct buf *b, struct span s)
{
    bool quote = false;
    for (size_t i = 0; i < s.n; i++)
        quote |= s.p[i] == '"' || s.p[i] == ',' || s.p[i] == '\n' || s.p[i] == '\r';
    if (!quote) {
        buf_utf8(b, s);
        return;
    }
    struct buf clean = {0};
    buf_utf8(&clean, s);
    buf_putc(b, '"');
    for (size_t i = 0; i < clean.n; i++) {
        if (clean.p[i] == '"') buf_putc(b, '"');
        buf_putc(b, clean.p[i]);
    }
    buf_putc(b, '"');
    if (clean.failed) b->failed = true;
    buf_release(&clean);
}

/* A cell of a Markdown table: one line, bars escaped, no HTML. */
static void put_md(struct buf *b, struct span s)
{
    struct buf clean = {0};
    buf_utf8(&clean, s);
    for (size_t i = 0; i < clean.n; i++) {
        char c = clean.p[i];
        if (c == '|' || c == '\\' || c == '`' || c == '*' || c == '_') buf_printf(b, "\\%c", c);
        else if (c == '<') buf_puts(b, "&lt;");
        else if (c == '&') buf_puts(b, "&amp;");
        else if (c == '\n') buf_puts(b, "<br>");
        else if ((unsigned char)c >= 0x20 || c == '\t') buf_putc(b, c);
    }
    if (clean.failed) b->failed = true;
    buf_release(&clean);
}

static void put_hex(struct buf *b, sqlite3_stmt *s, int i)
{
    const unsigned char *p = sqlite3_column_blob(s, i);
    for (int k = 0, n = sqlite3_column_bytes(s, i); p && k < n; k++) buf_printf(b, "%02x", p[k]);
}

static void put_cell(struct buf *b, enum form form, sqlite3_stmt *s, int i)
{
    switch (sqlite3_column_type(s, i)) {
    case SQLITE_NULL:
        if (form == FORM_JSON) buf_puts(b, "null");
        break;
    case SQLITE_INTEGER: buf_printf(b, "%lld", sqlite3_column_int64(s, i)); break;
    case SQLITE_FLOAT: buf_json_real(b, sqlite3_column_double(s, i)); break;
    case SQLITE_BLOB:
        if (form == FORM_JSON) buf_putc(b, '"');
        put_hex(b, s, i);
        if (form == FORM_JSON) buf_putc(b, '"');
        break;
    default:
        if (form == FORM_JSON) buf_json(b, store_column_text(s, i));
        else if (form == FORM_CSV) put_csv(b, store_column_text(s, i));
        else put_md(b, store_column_text(s, i));
    }
}

static void put_names(struct buf *b, enum form form, sqlite3_stmt *s)
{
    int n = sqlite3_column_count(s);
    if (form == FORM_JSON) {
        buf_puts(b, "[");
        return;
    }
    for (int i = 0; i < n; i++) {
        buf_puts(b, form == FORM_MD ? "| " : i ? "," : "");
        if (form == FORM_MD) put_md(b, span_of(sqlite3_column_name(s, i)));
        else put_csv(b, span_of(sqlite3_column_name(s, i)));
        if (form == FORM_MD) buf_putc(b, ' ');
    }
    buf_puts(b, form == FORM_MD ? "|\n" : "\r\n");
    for (int i = 0; form == FORM_MD && i < n; i++) buf_puts(b, "| --- ");
    if (form == FORM_MD) buf_puts(b, "|\n");
}

static void put_row(struct buf *b, enum form form, sqlite3_stmt *s, bool first)
{
    int n = sqlite3_column_count(s);
    if (form == FORM_JSON) buf_puts(b, first ? "\n{" : ",\n{");
    for (int i = 0; i < n; i++) {
        if (form == FORM_MD) buf_puts(b, "| ");
        else if (i) buf_puts(b, form == FORM_JSON ? ", " : ",");
        if (form == FORM_JSON) {
            buf_json(b, span_of(sqlite3_column_name(s, i)));
            buf_puts(b, ": ");
        }
        put_cell(b, form, s, i);
        if (form == FORM_MD) buf_putc(b, ' ');
    }
    buf_puts(b, form == FORM_JSON ? "}" : form == FORM_MD ? "|\n" : "\r\n");
}

/* Splits "/data/NAME.csv". */
static bool split(const char *path, char name[64], enum form *form)
{
    struct span s = span_of(path);
    if (!span_starts(s, "/data/")) return false;
    s = span_from(s, strlen("/data/"));
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t n = strlen(forms[i].suffix);
        if (!span_ends(s, forms[i].suffix) || s.n - n >= 64 || s.n == n) continue;
        memcpy(name, s.p, s.n - n);
        name[s.n - n] = 0;
        *form = (enum form)i;
        return true;
    }
    return false;
}

static enum err send_rows(struct web_request *q, struct html *h, sqlite3_stmt *s, enum form form,
                          const char *name)
{
    enum err err;
    bool first = true;
    q->content_type = forms[form].type;
    q->download =
        form == FORM_JSON ? NULL : arena_printf(&q->arena, "%s%s", name, forms[form].suffix);
    put_names(&h->out, form, s);
    while (web_step(q, s, &err)) {
        put_row(&h->out, form, s, first);
        first = false;
        if (h->out.n >= FLUSH_AT) TRY(web_flush(q, h));
    }
    if (form == FORM_JSON) html(h, "\n]\n");
    return err;
}

enum err web_send_rows(struct web_request *q, struct html *h, sqlite3_stmt *s, const char *suffix)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (!strcmp(forms[i].suffix + 1, suffix)) return send_rows(q, h, s, (enum form)i, "result");
    FAIL(ERR_NOT_FOUND, "rows are sent as csv, json or md, not as %s", suffix);
}

static enum err page_data(struct web_request *q, struct html *h)
{
    char name[64];
    enum form form;
    sqlite3_stmt *s;
    if (!split(web_job_of(q)->address.path, name, &form))
        FAIL(ERR_NOT_FOUND, "there is no such data");
    TRY(web_query(q, name, &s));
    q->deadline_ns = clock_mono() + (int64_t)DATA_LIMIT_S * 1000000000;
    return send_rows(q, h, s, form, name);
}

const struct web_page *web_data_page(const char *path)
{
    static const struct web_page page = {
        .path = "/data", .title = "Data", .methods = WEB_GET, .render = page_data};
    char name[64];
    enum form form;
    return split(path, name, &form) && store_query_find(name) ? &page : NULL;
}
