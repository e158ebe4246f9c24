/* table.h - the rows of a statement as text: table, csv, json, jsonl, markdown.
 *
 *   table     columns aligned by the first rows (the rest streams), long cells cut with "..."
 *   csv       RFC 4180: CR LF, quotes doubled, a header line; NULL is an empty field
 *   json      one array of objects; jsonl one object per line
 *   markdown  a pipe table
 *
 * Integers are written as they are, reals in the shortest form that reads back equal, blobs as
 * hexadecimal. Text that is not UTF-8 gets U+FFFD for each bad byte. In table and markdown, and
 * in csv with `terminal`, controls (terminal escapes) and characters that turn the direction of
 * writing become U+FFFD; line breaks in a cell are shown as "\n". In JSON a column name that
 * occurs twice gets a number, since an object holds a name once.
 *
 * Threads: none of its own. Memory: 64 KiB and the first rows of a table (at most 1 MiB and one
 * row).
 */
#ifndef STORE_TABLE_H
#define STORE_TABLE_H

#include "store/sqlite.h"

#include "store/base/buf.h"

/* enumerator, name, media type */
#define TABLE_FORMATS(X)                                                                           \
    X(TEXT, "table", "text/plain; charset=utf-8")                                                  \
    X(CSV, "csv", "text/csv; charset=utf-8")                                                       \
    X(JSON, "json", "application/json")                                                            \
    X(JSONL, "jsonl", "application/jsonl")                                                         \
    X(MARKDOWN, "markdown", "text/markdown; charset=utf-8")

enum table_format {
#define X(code, name, type) TABLE_##code,
    TABLE_FORMATS(X)
#undef X
};

/* ERR_USAGE lists the names. */
enum err WARN_UNUSED table_format_find(const char *name, enum table_format *out);
const char *table_format_type(enum table_format format); /* media type; static */

/* Where the text goes. An error from put ends the writing and is returned; it is called after
 * every 64 KiB at the latest (and a row), which makes it the place to look at the time. */
struct table_sink {
    enum err (*put)(void *context, struct span piece);
    void *context;
};

struct table_style {
    enum table_format format;
    int max_width;    /* columns of a cell of TABLE_TEXT; 0: no limit */
    int64_t max_rows; /* 0: no limit */
    bool terminal;    /* csv goes to a terminal: no controls in it */
};

struct table_result {
    int64_t n_rows;
    bool more; /* max_rows was reached and there was another row */
};

/* Steps the statement to its end and writes its rows. A statement without columns is run and
 * writes nothing. The statement is borrowed and left to be reset by its owner. */
enum err WARN_UNUSED table_write(sqlite3_stmt *s, const struct table_style *style,
                                 const struct table_sink *sink, struct table_result *out);

/* Appends a cell as plain text: nothing for NULL, hexadecimal for blobs. */
void table_cell(struct buf *b, sqlite3_stmt *s, int column);
/* Appends text for one line of a terminal: see above. */
void table_line(struct buf *b, struct span text);

#endif
