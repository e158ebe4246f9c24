/* pack_note.c - what a reader of the issue wants before opening the file: what ran, how it
 * ended, what stands out, what is missing.
 *
 * Text of the trace may be hostile: it stands in code spans, without backticks, line ends, bars
 * and controls, shortened.
 */
#include "store/pack_note.h"

#include "store/db.h"

enum { CELL_MAX = 160 };

static void put_code(struct buf *out, struct span text)
{
    struct buf clean = {0};
    buf_terminal(&clean, span_to(text, CELL_MAX));
    if (!clean.n) buf_puts(out, " ");
    else buf_putc(out, '`');
    for (size_t i = 0; i < clean.n; i++) {
        char c = clean.p[i];
        if (c == '`') buf_putc(out, '\'');
        else if (c == '|') buf_puts(out, "\\|");
        else buf_putc(out, (unsigned char)c < 0x20 ? ' ' : c);
    }
    if (text.n > CELL_MAX) buf_puts(out, "...");
    if (clean.n) buf_putc(out, '`');
    buf_release(&clean);
}

/* Columns named with a leading '#' are numbers and stand bare. */
static void put_value(struct buf *out, sqlite3_stmt *s, int i)
{
    if (sqlite3_column_type(s, i) == SQLITE_TEXT && sqlite3_column_name(s, i)[0] != '#')
        put_code(out, store_column_text(s, i));
    else buf_span(out, store_column_text(s, i));
}

static void put_header(struct buf *out, sqlite3_stmt *s)
{
    int n = sqlite3_column_count(s);
    for (int i = 0; i < n; i++) {
        const char *name = sqlite3_column_name(s, i);
        buf_printf(out, "| %s ", name + (name[0] == '#'));
    }
    buf_puts(out, "|\n");
    for (int i = 0; i < n; i++) buf_puts(out, "|---");
    buf_puts(out, "|\n");
}

/* A section with a table of the rows of a query; nothing when there are none. */
static enum err put_table(sqlite3 *db, struct buf *out, const char *title, const char *sql)
{
    sqlite3_stmt *s;
    TRY(store_prepare(db, sql, &s));
    bool first = true;
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (first) {
            buf_printf(out, "\n### %s\n\n", title);
            put_header(out, s);
        }
        first = false;
        for (int i = 0; i < sqlite3_column_count(s); i++) {
            buf_puts(out, "| ");
            put_value(out, s, i);
            buf_putc(out, ' ');
        }
        buf_puts(out, "|\n");
    }
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? ERR_OK : store_sql_error(db, rc, title);
}

static const struct {
    const char *title, *sql;
} sections[] = {
    {"What ran", "SELECT name AS run, command, strftime('%Y-%m-%d %H:%M:%S UTC', start_ts / "
                 "1000000000, 'unixepoch') AS start, "
                 "printf('%.1f s', (end_ts - start_ts) / 1e9) AS \"#time\", "
                 "CASE ended WHEN 'exit' THEN 'exit ' || exit_code WHEN 'signal' THEN 'killed by "
                 "signal ' || exit_code ELSE "
                 "coalesce(ended, 'not recorded') END AS \"#ended\", "
                 "(SELECT count(*) FROM source_file f WHERE f.run = run.id) AS logs, "
                 "coalesce(world, (SELECT count(DISTINCT rank) FROM source_file f WHERE f.run = "
                 "run.id)) AS ranks FROM run ORDER BY id LIMIT 20"},
    {"Versions", "SELECT DISTINCT torch_version AS torch, torch_commit AS \"commit\", "
                 "python_version AS python, cuda_version AS cuda, "
                 "triton_version AS triton FROM run WHERE torch_version IS NOT NULL OR "
                 "python_version IS NOT NULL LIMIT 10"},
    {"Machine", "SELECT name AS host, kernel, cpu, n_cpus AS cpus FROM host LIMIT 10"},
    {"Compiles", "SELECT outcome, count(*) AS compiles, printf('%.1f s', sum(total_ns) / 1e9) AS "
                 "\"#time\", sum(attempts) - count(*) AS restarts "
                 "FROM compile GROUP BY outcome ORDER BY count(*) DESC"},
    {"Failures", "SELECT c.compile_id AS \"compile id\", f.type, f.reason, f.file, f.line FROM "
                 "failure f LEFT JOIN compile c ON c.id = f.compile "
                 "ORDER BY f.compile LIMIT 10"},
    {"Graph breaks by source line",
     "SELECT file, line, reason, count(*) AS times FROM graph_break GROUP BY file, line, reason "
     "ORDER BY count(*) DESC, file, line LIMIT 10"},
    {"Recompiles by reason",
     "SELECT reason, count(*) AS times, max(c.compile_id) AS \"last compile id\" FROM recompile r "
     "LEFT JOIN compile c ON c.id = r.compile "
     "GROUP BY reason ORDER BY count(*) DESC, reason LIMIT 10"},
    {"Restarts", "SELECT reason, count(*) AS times FROM restart GROUP BY reason ORDER BY count(*) "
                 "DESC, reason LIMIT 10"},
    {"Slowest compiles",
     "SELECT o.rank, c.compile_id AS \"compile id\", n.text AS function, f.text AS file, c.line, "
     "printf('%.2f s', c.total_ns / 1e9) AS \"#time\", c.n_ops AS operators, c.n_guards AS guards, "
     "c.outcome FROM compile c LEFT JOIN string n ON n.id = c.name "
     "LEFT JOIN string f ON f.id = c.file LEFT JOIN source_file o ON o.id = c.source "
     "WHERE c.total_ns IS NOT NULL ORDER BY c.total_ns DESC LIMIT 5"},
    {"Caches", "SELECT cache, outcome, count(*) AS times FROM cache_event GROUP BY cache, outcome "
               "ORDER BY cache, outcome LIMIT 20"},
    {"Export findings", "SELECT kind, op, reason, count(*) AS times FROM export_finding GROUP BY "
                        "kind, op, reason ORDER BY 4 DESC LIMIT 10"},
    {"What was lost or odd when it was recorded",
     "SELECT kind, sum(count) AS times, min(message) AS example FROM loss GROUP BY kind ORDER BY 2 "
     "DESC LIMIT 12"},
    {"What this file leaves out", "SELECT substr(key, 5) AS what, value AS \"how much\" FROM meta "
                                  "WHERE key LIKE 'cut.%' ORDER BY key"},
};

static const char redacted_text[] = "\nRedacted: names of machines and users, components of paths "
                                    "(torch's own paths stay from `torch/` on), command lines, "
                                    "values of the environment and source text were replaced by "
                                    "tokens. The same word has the same token in every "
                                    "redacted trace. Names of functions, operators and tensors, "
                                    "shapes and times stay. The tokens come from a fixed hash: a "
                                    "guess at a word can be checked, a word cannot be read off.\n";

static void put_opening(struct buf *out, const char *name)
{
    buf_puts(out, "\n### How to open it\n\n```\nplumb serve '");
    for (const char *p = name; *p; p++)
        buf_putc(out, *p == '\'' || *p == '`' || (unsigned char)*p < 0x20 ? '_' : *p);
    buf_puts(out, "'                 # pages in the browser\nplumb sql FILE --list         # or "
                  "ask it\n```\n\n"
                  "Without plumb: `gunzip -k FILE`, then any SQLite 3.37 or later; the tables are "
                  "described in the schema itself.\n");
}

enum err pack_note(sqlite3 *db, const char *name, int64_t size, struct buf *out)
{
    char redacted[8], state[16];
    buf_puts(out, "## plumb trace ");
    put_code(out, span_of(name));
    buf_printf(out, "\n\nA trace of what the compiler did, %.1f MB, written by plumb %s.\n",
               (double)size / 1e6, PLUMB_VERSION);
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        TRY(put_table(db, out, sections[i].title, sections[i].sql));
    TRY(store_meta_get(db, "packed_from", state, sizeof state));
    if (!strcmp(state, "live"))
        buf_puts(out, "\nThe trace was still being written when it was packed.\n");
    TRY(store_meta_get(db, "redacted", redacted, sizeof redacted));
    if (redacted[0] == '1') buf_puts(out, redacted_text);
    put_opening(out, name);
    return buf_ok(out);
}
