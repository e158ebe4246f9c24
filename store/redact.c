/* redact.c - reads text from left to right and writes it again with tokens; or, in the first
 * pass, learns from it.
 *
 * Where source text stands, and how it ends, in raw text and in text that was escaped for JSON
 * once or more (k backslashes before each quote and before the n of a line end):
 *
 *   "loc": "SOURCE"                               stacks in headers and payloads
 *   # File: PATH:12 in f, code: SOURCE            graphs
 *   File "PATH", line 12, in f <line end> SOURCE  tracebacks
 *   CODE  # SOURCE  # PATH:12 in f                comments of guards
 */
#include "store/redact.h"

#include <stdlib.h>

#include "store/db.h"
#include "store/redact_words.h"
#include "store/text.h"

enum { COMMENT_MAX = 2000, FRAME_MAX = 1000 };

struct redactor {
    struct words words;
    bool learning;
    bool after_file; /* the line before named a file of a traceback: this one is its source */
};

/* One line being read. */
struct scan {
    struct redactor *r;
    struct span text;
    struct buf *out; /* not used while learning */
    size_t from, at; /* text[from, at) is to be written as it is */
    size_t run_end;  /* bytes before were seen to be no path */
    bool file;       /* a `File "..."` of a traceback waits for its source */
    bool quoted;     /* the line is a JSON string */
};

/* ---- writing ---- */

static void write_up_to(struct scan *s, size_t at)
{
    if (!s->r->learning && at > s->from) buf_put(s->out, s->text.p + s->from, at - s->from);
    s->from = at;
}

/* Goes on behind `end`, having written what stands for text[s->at, end). */
static void go_on(struct scan *s, size_t end)
{
    s->from = s->at = end;
}

static void take_source(struct scan *s, size_t begin, size_t end)
{
    struct span source = span_trim((struct span){s->text.p + begin, end - begin});
    if (!source.n) {
        s->at = end > s->at ? end : s->at + 1;
        return;
    }
    begin = (size_t)(source.p - s->text.p);
    write_up_to(s, begin);
    if (s->r->learning) words_add_source(&s->r->words, source);
    else words_put_source(s->out, source);
    go_on(s, begin + source.n);
}

/* ---- finding ends ---- */

static size_t backslashes_before(struct span text, size_t at)
{
    size_t n = 0;
    while (n < at && text.p[at - 1 - n] == '\\') n++;
    return n;
}

/* The quote that ends a string whose own quotes have `depth` backslashes. */
static size_t closing_quote(struct span text, size_t from, size_t depth)
{
    for (size_t i = from; i < text.n; i++) {
        if (text.p[i] != '"') continue;
        size_t n = backslashes_before(text, i);
        if (depth ? n == depth : n % 2 == 0) return i - depth;
    }
    return text.n;
}

/* An escaped line end (backslashes, then n) or the end of the line; a bare closing quote too if
 * the text is in one. */
static size_t line_stop(const struct scan *s, size_t from)
{
    bool in_string = s->quoted;
    for (size_t i = from; i < s->text.n; i++) {
        char c = s->text.p[i];
        if (c == 'n' && i > from && s->text.p[i - 1] == '\\')
            return i - backslashes_before(s->text, i);
        if (c == '"' && in_string && backslashes_before(s->text, i) % 2 == 0) return i;
    }
    return s->text.n;
}

static bool looks_at(const struct scan *s, size_t at, const char *word)
{
    size_t n = strlen(word);
    return s->text.n - at >= n && !memcmp(s->text.p + at, word, n);
}

/* Number of backslashes at `at` if a quote follows them, else SIZE_MAX. */
static size_t quote_depth(struct span text, size_t at)
{
    size_t n = 0;
    while (at + n < text.n && text.p[at + n] == '\\') n++;
    return at + n < text.n && text.p[at + n] == '"' ? n : SIZE_MAX;
}

/* ---- the places of source text ---- */

/* loc": " */
static bool scan_loc(struct scan *s)
{
    if (!looks_at(s, s->at, "loc")) return false;
    size_t depth = quote_depth(s->text, s->at + 3), at = s->at + 3 + depth + 1;
    if (depth == SIZE_MAX || s->at < depth + 1 || s->text.p[s->at - 1] != '"' ||
        !looks_at(s, at, ": "))
        return false;
    if (quote_depth(s->text, at + 2) != depth) return false;
    size_t begin = at + 2 + depth + 1;
    take_source(s, begin, closing_quote(s->text, begin, depth));
    return true;
}

static bool scan_code(struct scan *s)
{
    if (!looks_at(s, s->at, ", code: ")) return false;
    size_t begin = s->at + 8;
    take_source(s, begin, line_stop(s, begin));
    return true;
}

/* File "PATH" : the path goes, and what stands behind the next line end. */
static bool scan_file(struct scan *s)
{
    if (!looks_at(s, s->at, "File ")) return false;
    size_t depth = quote_depth(s->text, s->at + 5);
    if (depth == SIZE_MAX) return false;
    size_t begin = s->at + 5 + depth + 1, end = closing_quote(s->text, begin, depth);
    if (end == s->text.n || end - begin > FRAME_MAX || !looks_at(s, end + depth + 1, ", line "))
        return false;
    struct span path = {s->text.p + begin, end - begin};
    write_up_to(s, begin);
    if (s->r->learning) words_add_path(&s->r->words, path);
    else words_put_path(s->out, path);
    go_on(s, end);
    s->file = true;
    return true;
}

static bool is_quotes_only(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!memchr("\"'`),]} \\", text.p[i], 9)) return false;
    return true;
}

/* A line end inside the text of a traceback. */
static bool scan_escaped_end(struct scan *s)
{
    if (!s->file || s->text.p[s->at] != 'n' || !s->at || s->text.p[s->at - 1] != '\\') return false;
    size_t begin = s->at + 1, end = line_stop(s, begin);
    struct span source = {s->text.p + begin, end - begin};
    s->file = false;
    if (is_quotes_only(source)) {
        s->r->after_file = true;
        s->at++;
        return true;
    }
    if (span_starts(span_trim(source), "File ")) return false;
    take_source(s, begin, end);
    return true;
}

/* Is text[at...) "PATH:12 in "? */
static bool is_place(const struct scan *s, size_t at)
{
    size_t i = at, end = at + FRAME_MAX < s->text.n ? at + FRAME_MAX : s->text.n;
    while (i < end && s->text.p[i] != ' ' && s->text.p[i] != ':') i++;
    if (i == at || i >= end || s->text.p[i] != ':') return false;
    size_t digits = ++i;
    while (i < end && s->text.p[i] >= '0' && s->text.p[i] <= '9') i++;
    return i > digits && looks_at(s, i, " in ");
}

/* "  # SOURCE  # PATH:12 in f" */
static bool scan_comment(struct scan *s)
{
    if (!looks_at(s, s->at, " # ") || is_place(s, s->at + 3)) return false;
    size_t stop = line_stop(s, s->at + 3);
    if (stop - s->at > COMMENT_MAX) stop = s->at + COMMENT_MAX;
    for (size_t i = s->at + 3; i + 3 < stop; i++) {
        if (!looks_at(s, i, " # ") || !is_place(s, i + 3)) continue;
        take_source(s, s->at + 3, i);
        return true;
    }
    return false;
}

/* ---- words ---- */

static void learn_path(struct scan *s, size_t n)
{
    struct span path = {s->text.p + s->at, n};
    words_add_path(&s->r->words, path); /* passes over relative ones */
}

static bool scan_path(struct scan *s)
{
    size_t at = s->at;
    if (at < s->run_end || !is_path_byte(s->text.p[at])) return false;
    if (at && s->text.p[at - 1] == '\\' && s->text.p[at] != '/')
        return false; /* the letter of an escape */
    size_t end = at;
    while (end < s->text.n && is_path_byte(s->text.p[end])) end++;
    s->run_end = end;
    size_t n = words_path(&s->r->words, s->text, at);
    if (!n) return false;
    if (s->r->learning) {
        learn_path(s, n);
        s->at += n;
        return true;
    }
    write_up_to(s, at);
    words_put_path(s->out, (struct span){s->text.p + at, n});
    go_on(s, at + n);
    return true;
}

static bool scan_phrase(struct scan *s)
{
    if (s->r->learning) return false;
    const struct phrase *p = words_phrase(&s->r->words, s->text, s->at);
    if (!p) return false;
    write_up_to(s, s->at);
    buf_span(s->out, p->token);
    go_on(s, s->at + p->text.n);
    return true;
}

static bool scan_name(struct scan *s)
{
    size_t n = s->r->learning ? 0 : words_name(&s->r->words, s->text, s->at);
    if (!n) return false;
    write_up_to(s, s->at);
    words_put_token(s->out, (struct span){s->text.p + s->at, n});
    go_on(s, s->at + n);
    return true;
}

static bool scan_special(struct scan *s)
{
    switch (s->text.p[s->at]) {
    case 'l': return scan_loc(s);
    case ',': return scan_code(s);
    case 'F': return scan_file(s);
    case 'n': return scan_escaped_end(s);
    case ' ': return scan_comment(s);
    }
    return false;
}

static void scan_line(struct redactor *r, struct span text, bool quoted, struct buf *out)
{
    struct scan s = {.r = r, .text = text, .out = out, .quoted = quoted};
    while (s.at < text.n)
        if (!scan_special(&s) && !scan_phrase(&s) && !scan_path(&s) && !scan_name(&s)) s.at++;
    write_up_to(&s, text.n);
    if (s.file) r->after_file = true;
}

/* ---- lines ---- */

static void put_source_line(struct redactor *r, struct span line, struct buf *out)
{
    struct span source = span_trim(line);
    if (r->learning) {
        words_add_source(&r->words, source);
        return;
    }
    buf_put(out, line.p, source.n ? (size_t)(source.p - line.p) : line.n);
    if (source.n) words_put_source(out, source);
}

/* Marks under a source line in a traceback. */
static bool is_marks(struct span line)
{
    for (size_t i = 0; i < line.n; i++)
        if (!memchr(" ~^\t", line.p[i], 4)) return false;
    return true;
}

static bool is_quoted(struct span line)
{
    line = span_trim(line);
    return line.n > 1 && (line.p[0] == '"' || line.p[0] == '{' || line.p[0] == '[');
}

static void put_line(struct redactor *r, struct span line, struct buf *out)
{
    bool source =
        r->after_file && line.n && (line.p[0] == ' ' || line.p[0] == '\'' || line.p[0] == '"');
    r->after_file = false;
    if (source && !span_starts(span_trim(line), "File ") && !is_marks(line))
        put_source_line(r, line, out);
    else scan_line(r, line, is_quoted(line), out);
}

/* Calls for each line and writes the line ends between. */
static void each_line(struct redactor *r, struct span text,
                      void (*put)(struct redactor *, struct span, struct buf *), struct buf *out)
{
    r->after_file = false;
    for (bool more = true; more;) {
        const char *nl = text.n ? memchr(text.p, '\n', text.n) : NULL;
        more = nl != NULL;
        size_t n = nl ? (size_t)(nl - text.p) : text.n;
        put(r, (struct span){text.p, n}, out);
        if (more && !r->learning) buf_putc(out, '\n');
        text = span_from(text, n + more);
    }
    r->after_file = false;
}

static void put_secret(struct span text, struct buf *out)
{
    for (size_t i = 0; i < text.n;) {
        size_t end = i;
        while (end < text.n && !strchr(" \t\n", text.p[end])) end++;
        if (end > i) words_put_token(out, (struct span){text.p + i, end - i});
        if (end < text.n) buf_putc(out, text.p[end]);
        i = end + 1;
    }
}

void redact_text(struct redactor *r, enum redact_kind kind, struct span text, struct buf *out)
{
    switch (kind) {
    case REDACT_TEXT: each_line(r, text, put_line, out); break;
    case REDACT_PATH:
    case REDACT_LOG: words_put_path(out, text); break;
    case REDACT_SOURCE: each_line(r, text, put_source_line, out); break;
    case REDACT_SECRET: put_secret(text, out); break;
    }
}

void redact_header(struct redactor *r, struct span header, struct buf *out)
{
    r->after_file = false;
    scan_line(r, header, true, out);
}

void redact_payload(struct redactor *r, struct span key, struct span payload, struct buf *out)
{
    redact_text(r, span_is(key, "dump_file") ? REDACT_SOURCE : REDACT_TEXT, payload, out);
}

enum redact_kind redact_column(const char *table, const char *column)
{
    static const struct {
        const char *table, *column;
        enum redact_kind kind;
    } columns[] = {
#define COLUMN(table, column, kind) {table, column, kind},
#include "store/redact.def"
#undef COLUMN
    };
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        if (!strcmp(columns[i].table, table) && !strcmp(columns[i].column, column))
            return columns[i].kind;
    return REDACT_TEXT;
}

/* ---- learning ---- */

static enum err each_text(sqlite3 *db, const char *sql, struct words *w,
                          void (*add)(struct words *, struct span))
{
    sqlite3_stmt *s;
    TRY(store_prepare(db, sql, &s));
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW)
        if (store_column_text(s, 0).p) add(w, store_column_text(s, 0));
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? ERR_OK : store_sql_error(db, rc, "reading words");
}

/* Lines of the streams; one that crosses frames is put together in `line`. */
static enum err learn_streams(struct redactor *r, sqlite3 *db, struct text_reader *text,
                              sqlite3_stmt *frames, struct buf *in)
{
    int64_t stream = 0;
    int rc;
    while ((rc = sqlite3_step(frames)) == SQLITE_ROW) {
        if (sqlite3_column_int64(frames, 0) != stream) buf_clear(in);
        stream = sqlite3_column_int64(frames, 0);
        TRY(text_read(text, stream, sqlite3_column_int64(frames, 1),
                      sqlite3_column_int64(frames, 2), in));
        TRY(buf_ok(in));
        struct span rest = buf_text(in);
        const char *last = rest.n ? memrchr(rest.p, '\n', rest.n) : NULL;
        if (!last) continue;
        size_t whole = (size_t)(last - rest.p) + 1;
        struct span lines = {rest.p, whole}, line;
        while (span_next_line(&lines, &line))
            put_line(r, line.n && line.p[0] == '\t' ? span_from(line, 1) : line, NULL);
        memmove(in->p, in->p + whole, in->n - whole);
        in->n -= whole;
    }
    put_line(r, buf_text(in), NULL);
    return rc == SQLITE_DONE ? ERR_OK : store_sql_error(db, rc, "reading text");
}

static enum err learn(struct redactor *r, sqlite3 *db)
{
    struct text_reader *text = NULL;
    sqlite3_stmt *frames = NULL;
    struct buf in = {0};
    enum err err;
    TRY_OUT(each_text(db, "SELECT name FROM host", &r->words, words_add_name));
    TRY_OUT(each_text(
        db, "SELECT substr(name, 1, instr(name, '.') - 1) FROM host WHERE instr(name, '.') > 0",
        &r->words, words_add_name));
    TRY_OUT(each_text(db, "SELECT text FROM string WHERE id IN (SELECT file FROM stack)", &r->words,
                      words_add_path));
    TRY_OUT(each_text(db, "SELECT cwd FROM run", &r->words, words_add_path));
    TRY_OUT(each_text(db, "SELECT text FROM string WHERE id IN (SELECT loc FROM stack)", &r->words,
                      words_add_source));
    TRY_OUT(store_prepare(db, "SELECT stream, offset, size FROM text_frame ORDER BY stream, offset",
                          &frames));
    TRY_OUT(text_reader_new(db, &text));
    TRY_OUT(learn_streams(r, db, text, frames, &in));
    if (r->words.failed) err = err_set(ERR_NOMEM, "out of memory for the words to replace");
out:
    text_reader_free(text);
    sqlite3_finalize(frames);
    buf_release(&in);
    return err;
}

enum err redactor_new(sqlite3 *db, struct redactor **out)
{
    struct redactor *r = calloc(1, sizeof *r);
    if (!r) FAIL(ERR_NOMEM, "out of memory for the words to replace");
    r->learning = true;
    enum err err = learn(r, db);
    r->learning = false;
    if (err) {
        redactor_free(r);
        return err;
    }
    *out = r;
    return ERR_OK;
}

void redactor_free(struct redactor *r)
{
    if (!r) return;
    words_release(&r->words);
    free(r);
}
