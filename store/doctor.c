/* doctor.c - the checks, in the order of the header. Each goes on after the failure of another,
 * so that a damaged file still tells as much as it can.
 */
#include "store/doctor.h"

#include <stdio.h>

#include "store/base/buf.h"
#include "store/db.h"
#include "store/text.h"

enum { MOST_MESSAGES = 20 };

const char *doctor_word(enum doctor_kind kind)
{
    static const char *const words[] = {
#define X(code, word) word,
        DOCTOR_KINDS(X)
#undef X
    };
    return words[kind];
}

static void tell(struct doctor *d, enum doctor_kind kind, const char *check, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static void tell(struct doctor *d, enum doctor_kind kind, const char *check, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    d->n_wrong += kind == DOCTOR_WRONG;
    d->tell(d->context, kind, check, text);
}

/* An error inside a check is a finding, except out of memory and the like. */
static enum err as_finding(struct doctor *d, const char *check, enum err err)
{
    if (err != ERR_FORMAT && err != ERR_SQL && err != ERR_NOT_FOUND) return err;
    tell(d, DOCTOR_WRONG, check, "%s", err_text());
    err_clear();
    return ERR_OK;
}

/* ---- pages ---- */

/* Rows that a scan reaches; -1 when the table cannot be opened. */
static int64_t readable_rows(sqlite3 *db, const char *table, bool *whole)
{
    char sql[128];
    sqlite3_stmt *s = NULL;
    int64_t n = -1;
    int rc = SQLITE_CORRUPT;
    snprintf(sql, sizeof sql, "SELECT * FROM main.%s NOT INDEXED", table);
    if (!store_prepare(db, sql, &s))
        for (n = 0; (rc = sqlite3_step(s)) == SQLITE_ROW;) n++;
    sqlite3_finalize(s);
    err_clear();
    *whole = rc == SQLITE_DONE;
    return n;
}

static void tell_readable(struct doctor *d, sqlite3 *db)
{
    int closed = 0;
    for (int t = 0; t < STORE_N_TABLES; t++) {
        bool whole;
        const char *name = store_layouts[t].name;
        int64_t n = readable_rows(db, name, &whole);
        closed += n < 0;
        if (n >= 0 && !whole)
            tell(d, DOCTOR_WRONG, "pages",
                 "table %s: %lld rows can be read, then the file is damaged", name, (long long)n);
        else if (n > 0)
            tell(d, DOCTOR_NOTE, "pages", "table %s: all %lld rows can be read", name,
                 (long long)n);
    }
    if (closed == STORE_N_TABLES) tell(d, DOCTOR_WRONG, "pages", "no table can be read");
    else if (closed)
        tell(d, DOCTOR_WRONG, "pages", "%d of %d tables cannot be opened", closed, STORE_N_TABLES);
}

static enum err check_pages(struct doctor *d, sqlite3 *db, bool *sound)
{
    sqlite3_stmt *s;
    *sound = false;
    enum err err = store_prepare(db, "PRAGMA integrity_check(20)", &s);
    if (err) return as_finding(d, "pages", err);
    int rc, n = 0;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW && n < MOST_MESSAGES) {
        struct span text = store_column_text(s, 0);
        *sound = n++ == 0 && span_is(text, "ok");
        if (!*sound) tell(d, DOCTOR_WRONG, "pages", "%.*s", SPAN_ARG(text));
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW) {
        *sound = false;
        err = as_finding(d, "pages", store_sql_error(db, rc, "checking the pages"));
    }
    sqlite3_finalize(s);
    if (err) return err;
    if (*sound) tell(d, DOCTOR_FINE, "pages", "SQLite finds every page and index in order");
    else tell_readable(d, db);
    return ERR_OK;
}

/* ---- ids ---- */

static enum err dangling(sqlite3 *db, const char *table, const char *column, const char *to,
                         bool cell, int64_t *out)
{
    struct buf sql = {0};
    buf_printf(&sql,
               "SELECT count(*) FROM main.%s t WHERE t.%s IS NOT NULL%s AND NOT EXISTS (SELECT 1 "
               "FROM main.%s o WHERE o.id = t.%s)",
               table, column, cell ? " AND t.type IN (4, 5)" : "", to, column);
    enum err err = buf_ok(&sql);
    if (!err) err = store_int(db, sql.p, out);
    buf_release(&sql);
    return err;
}

static enum err check_ids(struct doctor *d, sqlite3 *db, bool complete)
{
    int columns = 0, wrong = 0;
    for (int t = 0; t < STORE_N_TABLES; t++) {
        const struct store_layout *layout = &store_layouts[t];
        for (int i = 0; i < layout->n_columns; i++) {
            const struct store_column *c = &layout->columns[i];
            int64_t n = 0;
            if (c->kind != 'r' && c->kind != 'a') continue;
            const char *to = c->kind == 'r' ? c->to : "string";
            enum err err = dangling(db, layout->name, c->name, to, c->kind == 'a', &n);
            if (err) TRY(as_finding(d, "ids", err));
            columns++;
            wrong += n > 0;
            if (n)
                tell(d, complete ? DOCTOR_WRONG : DOCTOR_NOTE, "ids",
                     "%lld rows of %s name a %s that is not there (column %s)", (long long)n,
                     layout->name, to, c->name);
        }
    }
    if (!wrong)
        tell(d, DOCTOR_FINE, "ids", "all %d reference columns name rows that are there", columns);
    return ERR_OK;
}

/* ---- text ---- */

struct text_scan {
    struct text_reader *reader;
    int64_t stream, end; /* stream being read, and its bytes so far */
    int64_t n_frames, n_bytes;
    int wrong;
};

static enum err check_frame(struct doctor *d, struct text_scan *x, sqlite3_stmt *s, bool cut)
{
    int64_t stream = sqlite3_column_int64(s, 0), offset = sqlite3_column_int64(s, 1),
            size = sqlite3_column_int64(s, 2);
    struct buf text = {0};
    if (stream != x->stream) x->end = 0;
    x->stream = stream;
    if (offset != x->end && !cut) {
        x->wrong++;
        tell(d, DOCTOR_WRONG, "text", "stream %lld: %lld bytes are missing at byte %lld",
             (long long)stream, (long long)(offset - x->end), (long long)x->end);
    }
    x->end = offset + size;
    x->n_frames++;
    x->n_bytes += size;
    enum err err = text_read(x->reader, stream, offset, size, &text);
    buf_release(&text);
    if (!err) return ERR_OK;
    x->wrong++;
    return as_finding(d, "text", err);
}

static enum err check_frames(struct doctor *d, sqlite3 *db, bool cut)
{
    struct text_scan x = {0};
    sqlite3_stmt *s = NULL;
    enum err err = text_reader_new(db, &x.reader);
    if (!err)
        err = store_prepare(
            db, "SELECT stream, offset, size FROM main.text_frame ORDER BY stream, offset", &s);
    int rc = SQLITE_DONE;
    while (!err && (rc = sqlite3_step(s)) == SQLITE_ROW) err = check_frame(d, &x, s, cut);
    if (!err && rc != SQLITE_DONE) err = store_sql_error(db, rc, "reading the text frames");
    sqlite3_finalize(s);
    text_reader_free(x.reader);
    if (err) return as_finding(d, "text", err);
    if (!x.wrong)
        tell(d, DOCTOR_FINE, "text", "%lld frames inflate to %.1f MB%s", (long long)x.n_frames,
             (double)x.n_bytes / 1e6,
             cut ? "; parts were cut when the file was packed" : " without a gap");
    return ERR_OK;
}

/* Counting queries: any row found is wrong. */
static enum err check_ranges(struct doctor *d, sqlite3 *db, enum doctor_kind kind)
{
    static const struct {
        const char *sql, *says;
    } counts[] = {
        {"WITH ends AS (SELECT stream, sum(size) AS size FROM main.text_frame GROUP BY stream) "
         "SELECT count(*) FROM main.source_file f LEFT JOIN ends e ON e.stream = f.id "
         "WHERE f.state = 'complete' AND f.size <> coalesce(e.size, 0)",
         "logs whose text is not all there"},
        {"SELECT count(*) FROM main.artifact a WHERE a.offset < 0 OR a.stored < 0 OR a.offset + "
         "a.stored > "
         "coalesce((SELECT t.offset + t.size FROM main.text_frame t WHERE t.stream = a.source "
         "ORDER BY t.offset DESC LIMIT 1), 0)",
         "artifacts that lie outside the text of their log"},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        int64_t n = 0;
        enum err err = store_int(db, counts[i].sql, &n);
        if (err) TRY(as_finding(d, "text", err));
        if (n) tell(d, kind, "text", "%lld %s", (long long)n, counts[i].says);
    }
    return ERR_OK;
}

/* ---- derived ---- */

/* Objects of the derived schema that the file lacks or has in another text; what it has too much,
 * opening refuses. */
static enum err missing_derived(sqlite3 *db, int64_t *out)
{
    sqlite3 *made = NULL;
    sqlite3_stmt *all = NULL, *has = NULL;
    enum err err = ERR_OK;
    *out = 0;
    if (sqlite3_open(":memory:", &made)) err = err_set(ERR_NOMEM, "out of memory for a schema");
    if (!err) err = store_exec(made, store_schema_recorded);
    if (!err) err = store_exec(made, store_schema_derived);
    if (!err)
        err = store_prepare(made,
                            "SELECT name, sql FROM sqlite_schema WHERE type IN ('index', 'view') "
                            "AND sql IS NOT NULL",
                            &all);
    if (!err)
        err = store_prepare(db, "SELECT 1 FROM main.sqlite_schema WHERE name = ?1 AND sql = ?2",
                            &has);
    while (!err && sqlite3_step(all) == SQLITE_ROW) {
        sqlite3_bind_value(has, 1, sqlite3_column_value(all, 0));
        sqlite3_bind_value(has, 2, sqlite3_column_value(all, 1));
        *out += sqlite3_step(has) != SQLITE_ROW;
        sqlite3_reset(has);
    }
    sqlite3_finalize(all);
    sqlite3_finalize(has);
    sqlite3_close(made);
    return err;
}

static enum err check_derived(struct doctor *d, sqlite3 *db, bool may_write, bool expected)
{
    int64_t missing;
    if (d->rebuild && may_write) {
        enum err err = store_rebuild(db);
        if (err) return as_finding(d, "derived", err);
        tell(d, DOCTOR_REPAIRED, "derived", "indices and views were made again");
        return ERR_OK;
    }
    enum err err = missing_derived(db, &missing);
    if (err) return as_finding(d, "derived", err);
    if (!missing) tell(d, DOCTOR_FINE, "derived", "all indices and views are there");
    else
        tell(d, expected ? DOCTOR_WRONG : DOCTOR_NOTE, "derived",
             "%lld indices and views are missing or those of another plumb; --rebuild makes them",
             (long long)missing);
    return ERR_OK;
}

/* ---- state ---- */

/* journal_mode=DELETE needs the file alone: it succeeds only when no writer lives. */
static bool is_alone(sqlite3 *db)
{
    sqlite3_stmt *s = NULL;
    bool alone = false;
    if (!store_prepare(db, "PRAGMA main.journal_mode=DELETE", &s) && sqlite3_step(s) == SQLITE_ROW)
        alone = span_is(store_column_text(s, 0), "delete");
    sqlite3_finalize(s);
    err_clear();
    return alone;
}

static enum err recover(struct doctor *d, sqlite3 *db)
{
    static const char interrupted[] =
        "UPDATE main.source_file SET state = 'interrupted' WHERE state = 'reading'";
    if (!is_alone(db)) {
        tell(d, DOCTOR_NOTE, "state",
             "the file is being written by another process; it was left alone");
        return ERR_OK;
    }
    enum err err = store_exec(db, interrupted);
    if (!err) err = store_rebuild(db);
    if (!err) err = store_meta_put(db, "state", "recovered");
    if (err) return as_finding(d, "state", err);
    tell(d, DOCTOR_REPAIRED, "state",
         "its writer was killed; all committed records are kept, indices and views were made");
    return ERR_OK;
}

static enum err check_state(struct doctor *d, sqlite3 *db, const char *state, bool may_write)
{
    if (!strcmp(state, "live") && may_write) return recover(d, db);
    if (!strcmp(state, "live"))
        tell(d, DOCTOR_WRONG, "state",
             "it is being written, or its writer was killed, and it cannot be changed here");
    else tell(d, DOCTOR_FINE, "state", "%s", *state ? state : "not recorded");
    return ERR_OK;
}

/* ---- all ---- */

static enum err check_all(struct doctor *d, sqlite3 *db, bool may_write)
{
    char state[32];
    bool sound;
    int64_t cuts = 0;
    TRY(check_pages(d, db, &sound));
    if (!sound) may_write = false;
    enum err err = store_meta_get(db, "state", state, sizeof state);
    if (err) return as_finding(d, "state", err);
    err = store_int(db, "SELECT count(*) FROM main.meta WHERE key GLOB 'cut.*'", &cuts);
    if (err) return as_finding(d, "state", err);
    bool complete = !strcmp(state, "closed") && !cuts;
    TRY(check_state(d, db, state, may_write));
    TRY(check_ids(d, db, complete));
    TRY(check_frames(d, db, cuts > 0));
    TRY(check_ranges(d, db, complete ? DOCTOR_WRONG : DOCTOR_NOTE));
    if (strcmp(state, "live")) TRY(check_derived(d, db, may_write, complete));
    return ERR_OK;
}

/* Whether the first bytes are those of a trace: SQLite's, with our application_id.
 * https://sqlite.org/fileformat.html 1.3 */
static bool has_trace_header(const char *path)
{
    char why[1024];
    unsigned char head[72] = {0};
    snprintf(why, sizeof why, "%s", err_text());
    if (store_read_head(path, head, sizeof head)) err_clear();
    (void)err_set(ERR_FORMAT, "%s", why);
    uint32_t id =
        (uint32_t)head[68] << 24 | (uint32_t)head[69] << 16 | (uint32_t)head[70] << 8 | head[71];
    return !memcmp(head, "SQLite format 3", 16) && id == STORE_APPLICATION_ID;
}

/* A trace that does not open: its schema, or the page it begins on, is damaged. writable_schema
 * lets SQLite go on past the definitions that it cannot read. */
static enum err look_at_ruin(struct doctor *d, const char *path)
{
    sqlite3 *db = NULL;
    tell(d, DOCTOR_WRONG, "pages", "it does not open: %s", err_text());
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        (void)sqlite3_exec(db, "PRAGMA writable_schema=ON; PRAGMA cell_size_check=ON", NULL, NULL,
                           NULL);
        tell_readable(d, db);
    }
    store_close(db);
    err_clear();
    return ERR_OK;
}

enum err doctor_run(const char *path, struct doctor *d)
{
    const unsigned look = STORE_OPEN_UNCHECKED | STORE_OPEN_NO_VIEWS;
    sqlite3 *db;
    bool may_write = true;
    d->n_wrong = 0;
    enum err err = store_open_read(path, look | STORE_OPEN_WRITE, &db);
    if (err == ERR_REFUSED || err == ERR_IO || err == ERR_NOT_FOUND) {
        may_write = false;
        err = store_open_read(path, look, &db);
    }
    if (err == ERR_FORMAT && has_trace_header(path)) return look_at_ruin(d, path);
    if (err) return err;
    if (!may_write && d->rebuild)
        tell(d, DOCTOR_WRONG, "derived", "the file cannot be changed, so nothing is made again");
    err = check_all(d, db, may_write);
    store_close(db);
    return err;
}
