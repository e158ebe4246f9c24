/* cmd_info.c - plumb info: what is in a trace: runs, logs, versions, outcomes, losses, and where
 * the bytes are. */
#include <stdio.h>
#include <sys/stat.h>

#include "store/base/opt.h"
#include "store/db.h"
#include "store/table.h"
#include "store_rows.h"

/* One part of the answer: a title, and a statement whose rows are shown when there are any. */
struct section {
    const char *name, *title, *sql;
};

static const struct section sections[] = {
    {"file", "File", "SELECT key, value FROM meta ORDER BY key <> 'format', key"},
    {"runs", "Runs",
     "SELECT run, strftime('%Y-%m-%d %H:%M:%S', start_ts / 1000000000, 'unixepoch') AS started, "
     "logs, world, "
     "round(log_bytes / 1e6, 2) AS log_mb, records, torch_version AS torch, substr(python_version, "
     "1, 12) AS python, ended, "
     "exit_code FROM runs ORDER BY id"},
    {"compiles", "Compiles",
     "SELECT run, compiles, ok, empty, restarted, failed, unknown, recompiles, graph_breaks AS "
     "breaks, artifacts, "
     "coalesce(losses, 0) AS losses, round(compile_ns / 1e9, 3) AS compile_s FROM runs ORDER BY "
     "id"},
    {"logs", "Logs",
     "SELECT run, rank, log, round(size / 1e6, 3) AS mb, records, payloads, state, year, "
     "year_from, pid FROM logs ORDER BY source"},
    {"health", "To know before trusting it",
     "SELECT severity, subject, count, message, run, log FROM health ORDER BY severity DESC, "
     "subject LIMIT 50"},
    {"text", "Text of the logs",
     "SELECT count(*) AS frames, round(sum(size) / 1e6, 2) AS inflated_mb, round(sum(packed) "
     "/ 1e6, 2) AS stored_mb, "
     "round(1.0 * sum(size) / sum(packed), 1) AS ratio FROM text_frame HAVING count(*) > 0"},
};

enum { N_SECTIONS = sizeof sections / sizeof *sections };

/* What follows a WITH clause that counts the rows of each table. */
static const char sizes_sql[] =
    ", tree AS (SELECT coalesce(s.tbl_name, d.name) AS name, d.pgsize AS size, s.type = 'index' "
    "AND s.sql IS NOT NULL AS is_index "
    "FROM dbstat d LEFT JOIN sqlite_schema s ON s.name = d.name WHERE d.aggregate = TRUE) "
    "SELECT CASE WHEN c.rows = 0 THEN '(empty tables)' ELSE t.name END AS \"table\", c.rows, "
    "round(sum(size) / 1e6, 3) AS mb, "
    "round(sum(CASE WHEN is_index THEN size END) / 1e6, 3) AS indices_mb, "
    "round(100.0 * sum(size) / (SELECT sum(size) FROM tree), 1) AS percent "
    "FROM tree t LEFT JOIN counts c ON c.name = t.name GROUP BY 1 ORDER BY sum(size) DESC";
/* For a SQLite without dbstat. */
static const char rows_sql[] =
    "SELECT name AS \"table\", rows FROM counts WHERE rows > 0 ORDER BY rows DESC";

static enum err put_stdout(void *context, struct span piece)
{
    (void)context;
    if (fwrite(piece.p, 1, piece.n, stdout) != piece.n)
        FAIL(ERR_IO, "standard output cannot be written");
    return ERR_OK;
}

static void print_title(const struct table_style *style, const char *name, const char *title,
                        int position)
{
    switch (style->format) {
    case TABLE_JSON: printf("%s\n\"%s\": ", position ? "," : "", name); break;
    case TABLE_MARKDOWN: printf("%s## %s\n\n", position ? "\n" : "", title); break;
    default: printf("%s%s\n\n", position ? "\n" : "", title);
    }
}

/* Whether the statement has a row; leaves it reset. */
static bool has_rows(sqlite3_stmt *s)
{
    bool has = sqlite3_step(s) == SQLITE_ROW;
    sqlite3_reset(s);
    return has;
}

static enum err show(sqlite3 *db, const struct table_style *style, const struct section *section,
                     int *position)
{
    const struct table_sink sink = {put_stdout, NULL};
    struct table_result result;
    sqlite3_stmt *s;
    TRY(store_prepare(db, section->sql, &s));
    enum err err = ERR_OK;
    if (style->format == TABLE_JSON || has_rows(s)) {
        print_title(style, section->name, section->title, (*position)++);
        err = table_write(s, style, &sink, &result);
    }
    sqlite3_finalize(s);
    return err;
}

/* "WITH counts(name, rows) AS (SELECT 'meta', count(*) FROM main.meta UNION ALL ...)" made of the
 * layouts. */
static void put_counts(struct buf *sql)
{
    buf_puts(sql, "WITH counts(name, rows) AS (");
    for (int t = 0; t < STORE_N_TABLES; t++)
        buf_printf(sql, "%sSELECT '%s', count(*) FROM main.%s", t ? " UNION ALL " : "",
                   store_layouts[t].name, store_layouts[t].name);
    buf_putc(sql, ')');
}

static bool has_dbstat(sqlite3 *db)
{
    sqlite3_stmt *s = NULL;
    bool has = sqlite3_prepare_v2(db, "SELECT name FROM dbstat", -1, &s, NULL) == SQLITE_OK;
    sqlite3_finalize(s);
    return has;
}

static enum err show_sizes(sqlite3 *db, const struct table_style *style, int *position)
{
    struct buf sql = {0};
    put_counts(&sql);
    buf_puts(&sql, has_dbstat(db) ? sizes_sql : rows_sql);
    enum err err = buf_ok(&sql);
    const struct section section = {"tables", "Tables", sql.p};
    if (!err) err = show(db, style, &section, position);
    buf_release(&sql);
    return err;
}

static enum err show_all(sqlite3 *db, const struct table_style *style)
{
    int position = 0;
    if (style->format == TABLE_JSON) putchar('{');
    for (int i = 0; i < N_SECTIONS; i++) TRY(show(db, style, &sections[i], &position));
    TRY(show_sizes(db, style, &position));
    if (style->format == TABLE_JSON) puts("}");
    return ERR_OK;
}

static enum err run(const struct opt_call *call, int *exit_code)
{
    struct table_style style = {.format = TABLE_TEXT, .max_width = 60};
    const char *format = opt_value(call, "format", 0);
    sqlite3 *db;
    *exit_code = 0;
    if (format) TRY(table_format_find(format, &style.format));
    if (style.format == TABLE_CSV || style.format == TABLE_JSONL)
        FAIL(ERR_USAGE,
             "plumb info has several tables, which %s cannot hold; there are table, json and "
             "markdown",
             format);
    TRY(store_open_read(call->argv[0], STORE_OPEN_DEFAULT, &db));
    enum err err = show_all(db, &style);
    store_close(db);
    return err;
}

static const struct opt opts[] = {
    {"format", 0, "FORMAT", "table (the default), json (one object of arrays) or markdown.", false},
    {0},
};

const struct verb verb_info = {
    .name = "info",
    .arguments = "FILE",
    .summary = "say what is in a trace",
    .description = "Prints the runs of a trace with their compiles by outcome, its logs, versions, "
                   "what was lost or is to be known before "
                   "trusting it, how far its text was compressed, and which tables take the bytes.",
    .examples = "plumb info trace.db",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
