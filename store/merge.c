/* merge.c - INSERT ... SELECT statements made from the column layouts: a table added to
 * schema.sql is merged without a change here.
 */
#include "store/merge.h"

#include <stdio.h>
#include <unistd.h>

#include "store/attach.h"
#include "store/base/buf.h"
#include "store_rows.h"

static const char word_tables[] =
    "CREATE TEMP TABLE merged_word(text TEXT PRIMARY KEY, id INTEGER) WITHOUT ROWID;"
    "CREATE TEMP TABLE word_map(old INTEGER PRIMARY KEY, new INTEGER);";

static bool has_id(int table)
{
    return !strcmp(store_layouts[table].columns[0].name, "id");
}

static int table_named(const char *name)
{
    for (int t = 0; t < STORE_N_TABLES; t++)
        if (!strcmp(store_layouts[t].name, name)) return t;
    REQUIRE("merge:table", !"a reference column names a table that is not there");
    return -1;
}

static enum err largest_ids(sqlite3 *db, int64_t offset[STORE_N_TABLES])
{
    for (int t = 0; t < STORE_N_TABLES; t++) {
        offset[t] = 0;
        if (!has_id(t)) continue;
        struct buf sql = {0};
        buf_printf(&sql, "SELECT coalesce(max(id), 0) FROM main.%s", store_layouts[t].name);
        enum err err = buf_ok(&sql);
        if (!err) err = store_int(db, sql.p, &offset[t]);
        buf_release(&sql);
        if (err) return err;
    }
    return ERR_OK;
}

/* Runs a statement with parameter ?<table + 1> bound to the table's offset, as far as it has
 * them. */
static enum err run_with_offsets(sqlite3 *db, const char *sql, const int64_t *offset)
{
    sqlite3_stmt *s;
    TRY(store_prepare(db, sql, &s));
    int n = sqlite3_bind_parameter_count(s);
    for (int t = 0; t < STORE_N_TABLES && t < n; t++) (void)sqlite3_bind_int64(s, t + 1, offset[t]);
    int rc = sqlite3_step(s);
    enum err err = rc == SQLITE_DONE ? ERR_OK : store_sql_error(db, rc, "merging");
    sqlite3_finalize(s);
    return err;
}

static enum err merge_words(sqlite3 *db, const int64_t *offset)
{
    static const char *const steps[] = {
        "DELETE FROM temp.word_map",
        "INSERT INTO temp.word_map SELECT s.id, w.id FROM src.string s JOIN temp.merged_word w ON "
        "w.text = s.text",
        "INSERT INTO main.string SELECT s.id + ?%d, s.text FROM src.string s WHERE s.id NOT IN "
        "(SELECT old FROM temp.word_map)",
        "INSERT OR IGNORE INTO temp.word_map SELECT s.id, s.id + ?%d FROM src.string s",
        "INSERT OR IGNORE INTO temp.merged_word SELECT text, id FROM main.string WHERE id > ?%d "
        "AND text IS NOT NULL",
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct buf sql = {0};
        buf_printf(&sql, steps[i], STORE_STRING + 1);
        enum err err = buf_ok(&sql);
        if (!err) err = run_with_offsets(db, sql.p, offset);
        buf_release(&sql);
        if (err) return err;
    }
    return ERR_OK;
}

static void put_mapped_word(struct buf *sql, const char *column)
{
    buf_printf(sql, "(SELECT new FROM temp.word_map WHERE old = s.%s)", column);
}

/* arg.value and compile_metric.value are words where their `type` says text or JSON. */
static void put_column(struct buf *sql, const struct store_column *c, int table)
{
    bool reference = c->kind == 'r';
    if (c->kind == 'a') {
        buf_puts(sql, "CASE WHEN s.type IN (4, 5) THEN ");
        put_mapped_word(sql, c->name);
        buf_printf(sql, " ELSE s.%s END", c->name);
    } else if (reference && !strcmp(c->to, "string")) {
        put_mapped_word(sql, c->name);
    } else if (reference) {
        buf_printf(sql, "s.%s + ?%d", c->name, table_named(c->to) + 1);
    } else if (!strcmp(c->name, "id")) {
        buf_printf(sql, "s.id + ?%d", table + 1);
    } else {
        buf_printf(sql, "s.%s", c->name);
    }
}

static enum err merge_table(sqlite3 *db, int table, const int64_t *offset)
{
    const struct store_layout *layout = &store_layouts[table];
    struct buf sql = {0};
    buf_printf(&sql, "INSERT INTO main.%s SELECT ", layout->name);
    for (int i = 0; i < layout->n_columns; i++) {
        if (i) buf_puts(&sql, ", ");
        put_column(&sql, &layout->columns[i], table);
    }
    buf_printf(&sql, " FROM src.%s s", layout->name);
    enum err err = buf_ok(&sql);
    if (!err) err = run_with_offsets(db, sql.p, offset);
    buf_release(&sql);
    return err ? err_wrap(err, "table %s: ", layout->name) : ERR_OK;
}

/* "job", "job (2)", "job (3)", ...: the first that no other run has. */
static const char unique_names[] =
    "UPDATE main.run SET name = (WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n "
    "WHERE i < 10000) "
    "SELECT run.name || ' (' || i || ')' FROM n WHERE NOT EXISTS "
    "(SELECT 1 FROM main.run o WHERE o.name = run.name || ' (' || i || ')') LIMIT 1) "
    "WHERE id = (SELECT min(r.id) FROM main.run r WHERE EXISTS (SELECT 1 FROM main.run e WHERE "
    "e.id < r.id AND e.name = r.name))";

static enum err rename_runs(sqlite3 *db)
{
    enum err err;
    while (!(err = store_exec(db, unique_names)) && sqlite3_changes(db) > 0) continue;
    return err;
}

static const char merge_meta[] =
    "INSERT INTO main.meta SELECT key, value FROM src.meta WHERE key = 'redacted' OR key GLOB "
    "'cut.*' "
    "ON CONFLICT(key) DO UPDATE SET value = CASE WHEN meta.value IS excluded.value THEN meta.value "
    "ELSE meta.value || '; ' || excluded.value END";

static enum err merge_rows(sqlite3 *db)
{
    int64_t offset[STORE_N_TABLES];
    TRY(largest_ids(db, offset));
    TRY(merge_words(db, offset));
    for (int t = 0; t < STORE_N_TABLES; t++)
        if (t != STORE_STRING && t != STORE_META) TRY(merge_table(db, t, offset));
    TRY(rename_runs(db));
    return store_exec(db, merge_meta);
}

static enum err merge_file(sqlite3 *db, const char *path)
{
    enum err err = store_attach(db, path, STORE_OPEN_NO_VIEWS, "src");
    if (err) return err;
    err = store_exec(db, "BEGIN");
    if (!err) err = merge_rows(db);
    if (!err) err = store_exec(db, "COMMIT");
    if (!err) return store_exec(db, "DETACH src");
    err = err_wrap(err, "%s: ", path);
    (void)sqlite3_exec(db, "ROLLBACK; DETACH src", NULL, NULL, NULL);
    return err;
}

static void remove_file(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (int i = 0; i < 4; i++) {
        struct buf name = {0};
        buf_printf(&name, "%s%s", path, suffixes[i]);
        if (name.p) unlink(name.p);
        buf_release(&name);
    }
}

enum err store_merge(const char *out_path, char *const *paths, int n)
{
    sqlite3 *db;
    char count[16];
    enum err err = store_create(out_path, &db);
    if (err == ERR_EXISTS)
        return err_set(err, "%s exists; plumb merge makes a new file and never changes one",
                       out_path);
    if (err) return err;
    snprintf(count, sizeof count, "%d", n);
    err = store_exec(db, word_tables);
    for (int i = 0; !err && i < n; i++) err = merge_file(db, paths[i]);
    if (!err) err = store_meta_put(db, "merged", count);
    if (!err) err = store_exec(db, "DROP TABLE temp.merged_word; DROP TABLE temp.word_map;");
    if (err) store_close(db);
    else err = store_finish(db, "closed");
    if (err) remove_file(out_path);
    return err;
}
