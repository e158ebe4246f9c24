/* table.c - rows as text. A format is four functions: begin, cell, end of row, end. */
#include "store/table.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/base/lists.h"
#include "store/db.h"

enum { FLUSH_AT = 64 << 10, SAMPLE_ROWS = 500, SAMPLE_BYTES = 1 << 20, WIDEST = 120 };

struct writer {
    sqlite3_stmt *s; /* borrowed */
    const struct table_style *style;
    const struct table_sink *sink;
    struct buf out;
    int n_columns;
    char **keys;                 /* JSON: "name": with escapes, one per column */
    int *width;                  /* TABLE_TEXT */
    bool *right;                 /* TABLE_TEXT: numbers stand right */
    LIST_OF(struct span) sample; /* TABLE_TEXT: cells of the first rows, malloc'd, row after row */
    size_t sample_bytes;
    bool sampling;
    int64_t n_rows;
};

static const struct {
    const char *name, *type;
} formats[] = {
#define X(code, name, type) {name, type},
    TABLE_FORMATS(X)
#undef X
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

enum err table_format_find(const char *name, enum table_format *out)
{
    for (int i = 0; i < N_FORMATS; i++) {
        *out = (enum table_format)i;
        if (!strcmp(formats[i].name, name)) return ERR_OK;
    }
    FAIL(ERR_USAGE, "the format %s is not known; there are table, csv, json, jsonl and markdown",
         name);
}

const char *table_format_type(enum table_format format)
{
    return formats[format].type;
}

static enum err flush(struct writer *w)
{
    TRY(buf_ok(&w->out));
    enum err err = w->out.n ? w->sink->put(w->sink->context, buf_text(&w->out)) : ERR_OK;
    buf_clear(&w->out);
    return err;
}

/* ---- cells ---- */

static void put_hex(struct buf *b, const unsigned char *p, int n)
{
    char *to = buf_reserve(b, 2 * (size_t)n);
    if (!to) return;
    for (int i = 0; i < n; i++) {
        to[2 * i] = "0123456789abcdef"[p[i] >> 4];
        to[2 * i + 1] = "0123456789abcdef"[p[i] & 15];
    }
    b->n += 2 * (size_t)n;
    b->p[b->n] = 0;
}

void table_cell(struct buf *b, sqlite3_stmt *s, int column)
{
    switch (sqlite3_column_type(s, column)) {
    case SQLITE_INTEGER: buf_printf(b, "%lld", sqlite3_column_int64(s, column)); break;
    case SQLITE_FLOAT: buf_json_real(b, sqlite3_column_double(s, column)); break;
    case SQLITE_TEXT: buf_utf8(b, store_column_text(s, column)); break;
    case SQLITE_BLOB: {
        const unsigned char *p = sqlite3_column_blob(s, column);
        put_hex(b, p, sqlite3_column_bytes(s, column));
        break;
    }
    default: break;
    }
}

static uint32_t code_point(const unsigned char *u, size_t n)
{
    if (n == 1) return u[0];
    uint32_t c = u[0] & (0xff >> (n + 1));
    for (size_t i = 1; i < n; i++) c = c << 6 | (u[i] & 0x3f);
    return c;
}

/* Controls, and what turns the direction of writing: U+200E/F, U+202A..E, U+2066..9. */
static bool is_hostile(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* What stands for a character that may not stand for itself; NULL for all others. */
static const char *line_escape(uint32_t c, bool valid)
{
    if (!valid) return "\xef\xbf\xbd";
    if (c == '\n') return "\\n";
    if (c == '\t') return " ";
    return is_hostile(c) ? "\xef\xbf\xbd" : NULL;
}

void table_line(struct buf *b, struct span text)
{
    size_t plain = 0; /* start of the run not written yet */
    for (size_t i = 0; i < text.n;) {
        unsigned char byte = (unsigned char)text.p[i];
        if (byte >= 0x20 && byte < 0x7f) {
            i++;
            continue;
        }
        size_t n = utf8_length(span_from(text, i));
        const char *escape =
            line_escape(n ? code_point((const unsigned char *)text.p + i, n) : 0, n);
        size_t next = i + (n ? n : 1);
        if (escape) {
            buf_put(b, text.p + plain, i - plain);
            buf_puts(b, escape);
            plain = next;
        }
        i = next;
    }
    buf_put(b, text.p + plain, text.n - plain);
}

/* Columns that a character takes on a terminal: East Asian wide and emoji 2, combining 0. */
static int columns_of(uint32_t c)
{
    static const struct {
        uint32_t from, to;
        int columns;
    } ranges[] = {
        {0x300, 0x36f, 0},   {0x200b, 0x200d, 0},   {0xfe00, 0xfe0f, 0},   {0x1100, 0x115f, 2},
        {0x2e80, 0xa4cf, 2}, {0xac00, 0xd7a3, 2},   {0xf900, 0xfaff, 2},   {0xfe30, 0xfe6f, 2},
        {0xff00, 0xff60, 2}, {0x1f300, 0x1faff, 2}, {0x20000, 0x3fffd, 2},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (c >= ranges[i].from && c <= ranges[i].to) return ranges[i].columns;
    return 1;
}

/* Width of valid UTF-8; stops at `limit` columns and gives the bytes that fit. */
static int width_of(struct span text, int limit, size_t *bytes)
{
    int width = 0;
    size_t i = 0;
    while (i < text.n) {
        size_t n = utf8_length(span_from(text, i));
        int columns = n ? columns_of(code_point((const unsigned char *)text.p + i, n)) : 1;
        if (width + columns > limit) break;
        width += columns;
        i += n ? n : 1;
    }
    *bytes = i;
    return width;
}

/* ---- csv ---- */

static void csv_field(struct writer *w, struct span text)
{
    bool quoted = text.n == 0;
    for (size_t i = 0; i < text.n && !quoted; i++)
        quoted = text.p[i] == '"' || text.p[i] == ',' || text.p[i] == '\n' || text.p[i] == '\r';
    if (quoted) buf_putc(&w->out, '"');
    for (size_t from = 0; from <= text.n;) {
        size_t at = span_find(text, SPAN("\""), from);
        if (at == SIZE_MAX) at = text.n;
        buf_put(&w->out, text.p + from, at - from);
        if (at < text.n) buf_puts(&w->out, "\"\"");
        from = at + 1;
    }
    if (quoted) buf_putc(&w->out, '"');
}

static void csv_text(struct writer *w, struct span text)
{
    struct buf clean = {0};
    if (w->style->terminal) table_line(&clean, text);
    csv_field(w, w->style->terminal ? buf_text(&clean) : text);
    w->out.failed |= clean.failed;
    buf_release(&clean);
}

/* Empty text is quoted, so that it differs from NULL. */
static void csv_row(struct writer *w)
{
    struct buf cell = {0};
    for (int i = 0; i < w->n_columns; i++) {
        if (i) buf_putc(&w->out, ',');
        if (sqlite3_column_type(w->s, i) == SQLITE_NULL) continue;
        buf_clear(&cell);
        table_cell(&cell, w->s, i);
        csv_text(w, buf_text(&cell));
    }
    w->out.failed |= cell.failed;
    buf_release(&cell);
    buf_puts(&w->out, "\r\n");
}

static void csv_head(struct writer *w)
{
    for (int i = 0; i < w->n_columns; i++) {
        if (i) buf_putc(&w->out, ',');
        csv_text(w, span_of(sqlite3_column_name(w->s, i)));
    }
    buf_puts(&w->out, "\r\n");
}

/* ---- json ---- */

static int earlier_same(const struct writer *w, int column)
{
    int n = 1;
    for (int i = 0; i < column; i++)
        n += !strcmp(sqlite3_column_name(w->s, i), sqlite3_column_name(w->s, column));
    return n;
}

static enum err json_keys(struct writer *w)
{
    w->keys = calloc((size_t)w->n_columns, sizeof *w->keys);
    for (int i = 0; w->keys && i < w->n_columns; i++) {
        struct buf name = {0}, key = {0};
        int n = earlier_same(w, i);
        buf_puts(&name, sqlite3_column_name(w->s, i));
        if (n > 1) buf_printf(&name, "_%d", n);
        buf_json(&key, buf_text(&name));
        buf_puts(&key, ": ");
        w->out.failed |= name.failed || key.failed;
        buf_release(&name);
        w->keys[i] = key.p;
    }
    if (!w->keys) FAIL(ERR_NOMEM, "out of memory for the names of columns");
    return buf_ok(&w->out);
}

static void json_value(struct writer *w, int i)
{
    switch (sqlite3_column_type(w->s, i)) {
    case SQLITE_NULL: buf_puts(&w->out, "null"); break;
    case SQLITE_TEXT: buf_json(&w->out, store_column_text(w->s, i)); break;
    case SQLITE_BLOB:
        buf_putc(&w->out, '"');
        table_cell(&w->out, w->s, i);
        buf_putc(&w->out, '"');
        break;
    default: table_cell(&w->out, w->s, i);
    }
}

static void json_row(struct writer *w)
{
    bool array = w->style->format == TABLE_JSON;
    if (array) buf_puts(&w->out, w->n_rows ? ",\n" : "\n");
    buf_putc(&w->out, '{');
    for (int i = 0; i < w->n_columns; i++) {
        if (i) buf_puts(&w->out, ", ");
        buf_puts(&w->out, w->keys[i]);
        json_value(w, i);
    }
    buf_puts(&w->out, array ? "}" : "}\n");
}

/* ---- markdown ---- */

static void markdown_text(struct writer *w, struct span text)
{
    static const char special[] = "<&|\\`*_[]";
    struct buf clean = {0};
    table_line(&clean, text);
    for (size_t i = 0; i < clean.n;) {
        size_t run = strcspn(clean.p + i, special);
        buf_put(&w->out, clean.p + i, run);
        i += run;
        if (i == clean.n) break;
        char c = clean.p[i++];
        if (c == '<') buf_puts(&w->out, "&lt;");
        else if (c == '&') buf_puts(&w->out, "&amp;");
        else buf_putc(&w->out, '\\'), buf_putc(&w->out, c);
    }
    w->out.failed |= clean.failed;
    buf_release(&clean);
}

static void markdown_row(struct writer *w)
{
    struct buf cell = {0};
    buf_putc(&w->out, '|');
    for (int i = 0; i < w->n_columns; i++) {
        buf_clear(&cell);
        table_cell(&cell, w->s, i);
        buf_putc(&w->out, ' ');
        markdown_text(w, buf_text(&cell));
        buf_puts(&w->out, " |");
    }
    w->out.failed |= cell.failed;
    buf_release(&cell);
    buf_putc(&w->out, '\n');
}

/* Numbers stand right when the first row has them: Markdown has no later chance. */
static void markdown_head(struct writer *w, bool has_row)
{
    buf_putc(&w->out, '|');
    for (int i = 0; i < w->n_columns; i++) {
        buf_putc(&w->out, ' ');
        markdown_text(w, span_of(sqlite3_column_name(w->s, i)));
        buf_puts(&w->out, " |");
    }
    buf_puts(&w->out, "\n|");
    for (int i = 0; i < w->n_columns; i++) {
        int type = has_row ? sqlite3_column_type(w->s, i) : SQLITE_NULL;
        buf_puts(&w->out, type == SQLITE_INTEGER || type == SQLITE_FLOAT ? "---:|" : "---|");
    }
    buf_putc(&w->out, '\n');
}

/* ---- table ---- */

static void put_blanks(struct writer *w, int n)
{
    for (; n > 0; n--) buf_putc(&w->out, ' ');
}

static void text_cell(struct writer *w, int i, struct span cell)
{
    size_t bytes;
    int limit = w->style->max_width ? w->style->max_width : INT32_MAX;
    int width = width_of(cell, limit, &bytes);
    bool cut = bytes < cell.n;
    if (cut) width = width_of(cell, limit - 3, &bytes) + 3;
    if (i) buf_puts(&w->out, "  ");
    if (w->right[i]) put_blanks(w, w->width[i] - width);
    buf_put(&w->out, cell.p, bytes);
    if (cut) buf_puts(&w->out, "...");
    if (!w->right[i] && i + 1 < w->n_columns) put_blanks(w, w->width[i] - width);
}

static void text_line(struct writer *w, const struct span *cells)
{
    for (int i = 0; i < w->n_columns; i++) text_cell(w, i, cells[i]);
    buf_putc(&w->out, '\n');
}

static enum err text_render(struct writer *w, int i, struct span *out)
{
    struct buf plain = {0}, cell = {0};
    if (sqlite3_column_type(w->s, i) == SQLITE_NULL) buf_puts(&cell, "NULL");
    else table_cell(&plain, w->s, i);
    table_line(&cell, buf_text(&plain));
    cell.failed |= plain.failed;
    buf_release(&plain);
    if (!cell.p) buf_puts(&cell, "");
    *out = buf_text(&cell);
    enum err err = buf_ok(&cell);
    if (err) buf_release(&cell);
    return err;
}

static void widen(struct writer *w, int i, struct span cell)
{
    size_t bytes;
    int limit = w->style->max_width ? w->style->max_width : WIDEST;
    int width = width_of(cell, limit, &bytes);
    if (width > w->width[i]) w->width[i] = width;
}

static void text_head(struct writer *w)
{
    for (int i = 0; i < w->n_columns; i++) {
        struct buf name = {0};
        table_line(&name, span_of(sqlite3_column_name(w->s, i)));
        widen(w, i, buf_text(&name));
        text_cell(w, i, buf_text(&name));
        w->out.failed |= name.failed;
        buf_release(&name);
    }
    buf_putc(&w->out, '\n');
    for (int i = 0; i < w->n_columns; i++) {
        if (i) buf_puts(&w->out, "  ");
        for (int k = 0; k < w->width[i]; k++) buf_putc(&w->out, '-');
    }
    buf_putc(&w->out, '\n');
}

/* Ends the sample: the widths are known now. */
static void text_settle(struct writer *w)
{
    if (!w->sampling) return;
    w->sampling = false;
    text_head(w);
    for (size_t i = 0; i + (size_t)w->n_columns <= w->sample.n; i += (size_t)w->n_columns)
        text_line(w, w->sample.p + i);
    for (size_t i = 0; i < w->sample.n; i++) free((char *)w->sample.p[i].p);
    w->sample.n = 0;
}

static enum err text_sample(struct writer *w)
{
    for (int i = 0; i < w->n_columns; i++) {
        struct span cell;
        TRY(text_render(w, i, &cell));
        struct span *slot = LIST_PUSH(&w->sample);
        if (!slot) {
            free((char *)cell.p);
            FAIL(ERR_NOMEM, "out of memory for a row");
        }
        *slot = cell;
        w->sample_bytes += cell.n + sizeof cell;
        widen(w, i, cell);
        int type = sqlite3_column_type(w->s, i);
        if (type == SQLITE_TEXT || type == SQLITE_BLOB) w->right[i] = false;
        else if (!w->n_rows) w->right[i] = true;
    }
    if (w->n_rows + 1 >= SAMPLE_ROWS || w->sample_bytes > SAMPLE_BYTES) text_settle(w);
    return ERR_OK;
}

static enum err text_row(struct writer *w)
{
    if (w->sampling) return text_sample(w);
    for (int i = 0; i < w->n_columns; i++) {
        struct span cell;
        TRY(text_render(w, i, &cell));
        text_cell(w, i, cell);
        free((char *)cell.p);
    }
    buf_putc(&w->out, '\n');
    return ERR_OK;
}

/* ---- all ---- */

static enum err begin(struct writer *w, bool has_row)
{
    switch (w->style->format) {
    case TABLE_CSV: csv_head(w); break;
    case TABLE_MARKDOWN: markdown_head(w, has_row); break;
    case TABLE_JSON: buf_putc(&w->out, '['); return json_keys(w);
    case TABLE_JSONL: return json_keys(w);
    case TABLE_TEXT:
        w->sampling = true;
        w->width = calloc((size_t)w->n_columns, sizeof *w->width);
        w->right = calloc((size_t)w->n_columns, sizeof *w->right);
        if (!w->width || !w->right) FAIL(ERR_NOMEM, "out of memory for a table");
    }
    return ERR_OK;
}

static enum err put_row(struct writer *w)
{
    switch (w->style->format) {
    case TABLE_CSV: csv_row(w); break;
    case TABLE_MARKDOWN: markdown_row(w); break;
    case TABLE_JSON:
    case TABLE_JSONL: json_row(w); break;
    case TABLE_TEXT: TRY(text_row(w));
    }
    w->n_rows++;
    return w->out.n > FLUSH_AT ? flush(w) : buf_ok(&w->out);
}

static enum err write_rows(struct writer *w, struct table_result *out)
{
    int rc = sqlite3_step(w->s);
    if (!w->n_columns) goto stepped;
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) TRY(begin(w, rc == SQLITE_ROW));
    for (; rc == SQLITE_ROW; rc = sqlite3_step(w->s)) {
        out->more = w->style->max_rows && w->n_rows == w->style->max_rows;
        if (out->more) break;
        TRY(put_row(w));
    }
    if (w->style->format == TABLE_TEXT) text_settle(w);
    if (w->style->format == TABLE_JSON) buf_puts(&w->out, w->n_rows ? "\n]\n" : "]\n");
stepped:
    if (rc == SQLITE_DONE || rc == SQLITE_ROW) return flush(w);
    /* What was found before the failure is shown too. */
    enum err err = store_sql_error(sqlite3_db_handle(w->s), rc, "running the query");
    char why[1024];
    snprintf(why, sizeof why, "%s", err_text());
    if (w->style->format != TABLE_JSON) TRY(flush(w));
    return err_set(err, "%s", why);
}

enum err table_write(sqlite3_stmt *s, const struct table_style *style,
                     const struct table_sink *sink, struct table_result *out)
{
    struct writer w = {.s = s, .style = style, .sink = sink, .n_columns = sqlite3_column_count(s)};
    *out = (struct table_result){0};
    enum err err = write_rows(&w, out);
    out->n_rows = w.n_rows;
    for (int i = 0; w.keys && i < w.n_columns; i++) free(w.keys[i]);
    for (size_t i = 0; i < w.sample.n; i++) free((char *)w.sample.p[i].p);
    LIST_RELEASE(&w.sample);
    free(w.keys);
    free(w.width);
    free(w.right);
    buf_release(&w.out);
    return err;
}
