/* query.h - the named queries of store/sql/, compiled in. Every page is one or more of them;
 * `plumb sql --named` runs them.
 *
 * A file store/sql/NAME.sql begins with `-- NAME: one sentence.`; then lines `-- :param  meaning`
 * for each bound parameter (all may be NULL unless it says "needed"). The rest is one SELECT over
 * public views and tables.
 */
#ifndef STORE_QUERY_H
#define STORE_QUERY_H

#include "store/sqlite.h"

#include "store/base/err.h"
#include "store/base/span.h"

struct store_query {
    const char *name;    /* file name without .sql */
    const char *summary; /* the sentence */
    const char *sql;     /* whole text, comments included */
};
extern const struct store_query store_queries[]; /* sorted by name, ends with name == NULL */

/* NULL when there is none. */
const struct store_query *store_query_find(const char *name);
/* Prepares a named query. *out is owned. ERR_NOT_FOUND lists near names. */
enum err WARN_UNUSED store_query_prepare(sqlite3 *db, const char *name, sqlite3_stmt **out);
/* Binds by name (":run"); a parameter that the statement lacks is a REQUIRE failure. */
enum err WARN_UNUSED store_bind_int(sqlite3_stmt *s, const char *name, int64_t value);
enum err WARN_UNUSED store_bind_text(sqlite3_stmt *s, const char *name, const char *text,
                                     int64_t n);
/* Binds a word of a command line or form: an integer or a real where it reads as one, else text.
 * False when the statement has no such parameter; name is given without the colon. */
bool store_bind_word(sqlite3_stmt *s, const char *name, const char *word);

/* A parameter as the query's comments say it; name without the colon. Borrowed from the query's
 * text. */
struct store_query_param {
    struct span name, meaning;
    bool needed; /* the meaning ends in "needed" */
};
/* The n-th parameter (from 0). False after the last. */
bool store_query_param(const struct store_query *query, int n, struct store_query_param *out);

#endif
