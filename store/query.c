/* query.c - finding, preparing and binding the named queries. */
#include "store/query.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/base/buf.h"
#include "store/db.h"

const struct store_query *store_query_find(const char *name)
{
    for (const struct store_query *q = store_queries; q->name; q++)
        if (!strcmp(q->name, name)) return q;
    return NULL;
}

/* Letters to change between two names (Levenshtein); names above 63 letters are compared by their
 * beginning. */
static int distance(const char *a, const char *b)
{
    int row[64];
    size_t n = strlen(b) < 63 ? strlen(b) : 63;
    for (size_t j = 0; j <= n; j++) row[j] = (int)j;
    for (size_t i = 1; a[i - 1]; i++) {
        int corner = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= n; j++) {
            int cost = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            if (row[j] + 1 < cost) cost = row[j] + 1;
            if (row[j - 1] + 1 < cost) cost = row[j - 1] + 1;
            row[j] = cost;
        }
    }
    return row[n];
}

static enum err no_such(const char *name)
{
    struct buf near = {0};
    for (const struct store_query *q = store_queries; q->name; q++) {
        bool alike = strstr(q->name, name) || (strlen(name) < 64 && distance(q->name, name) <= 3);
        if (alike && *name) buf_printf(&near, "%s %s", near.n ? "," : "; near it:", q->name);
    }
    enum err err =
        err_set(ERR_NOT_FOUND, "there is no named query %s%s; plumb sql --list shows all", name,
                near.p ? near.p : "");
    buf_release(&near);
    return err;
}

enum err store_query_prepare(sqlite3 *db, const char *name, sqlite3_stmt **out)
{
    const struct store_query *q = store_query_find(name);
    if (!q) return no_such(name);
    int rc = sqlite3_prepare_v3(db, q->sql, -1, 0, out, NULL);
    if (rc == SQLITE_OK) return ERR_OK;
    char doing[128];
    snprintf(doing, sizeof doing, "preparing the query %s", name);
    return store_sql_error(db, rc, doing);
}

static int parameter(sqlite3_stmt *s, const char *name)
{
    int i = sqlite3_bind_parameter_index(s, name);
    REQUIRE("query:parameter", i > 0);
    return i;
}

static enum err bound(sqlite3_stmt *s, int rc)
{
    return rc == SQLITE_OK ? ERR_OK
                           : store_sql_error(sqlite3_db_handle(s), rc, "binding a parameter");
}

enum err store_bind_int(sqlite3_stmt *s, const char *name, int64_t value)
{
    return bound(s, sqlite3_bind_int64(s, parameter(s, name), value));
}

enum err store_bind_text(sqlite3_stmt *s, const char *name, const char *text, int64_t n)
{
    int i = parameter(s, name);
    return bound(
        s, n < 0 ? sqlite3_bind_text(s, i, text, -1, SQLITE_TRANSIENT)
                 : sqlite3_bind_text64(s, i, text, (uint64_t)n, SQLITE_TRANSIENT, SQLITE_UTF8));
}

/* A statement may write a parameter as :name, @name, $name or, for digits, ?name. */
static int parameter_of_word(sqlite3_stmt *s, const char *name)
{
    for (int i = 1; i <= sqlite3_bind_parameter_count(s); i++) {
        const char *is = sqlite3_bind_parameter_name(s, i);
        if (is && !strcmp(is + 1, name)) return i;
    }
    return 0;
}

bool store_bind_word(sqlite3_stmt *s, const char *name, const char *word)
{
    int64_t whole;
    double real;
    int i = parameter_of_word(s, name);
    if (!i) return false;
    if (span_to_i64(span_of(word), &whole)) (void)sqlite3_bind_int64(s, i, whole);
    else if (span_to_f64(span_of(word), &real)) (void)sqlite3_bind_double(s, i, real);
    else (void)sqlite3_bind_text(s, i, word, -1, SQLITE_TRANSIENT);
    return true;
}

bool store_query_param(const struct store_query *query, int n, struct store_query_param *out)
{
    struct span rest = span_of(query->sql), line;
    while (span_next_line(&rest, &line) && span_starts(line, "--")) {
        if (!span_starts(line, "-- :")) continue;
        if (n-- > 0) continue;
        line = span_from(line, 4);
        size_t end = span_find(line, SPAN(" "), 0);
        out->name = span_to(line, end);
        out->meaning = span_trim(span_from(line, end));
        out->needed = span_ends(out->meaning, "needed");
        return true;
    }
    return false;
}
