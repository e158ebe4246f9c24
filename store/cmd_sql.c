/* cmd_sql.c - plumb sql: statements over one or several traces, typed, from a file, or by name. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/attach.h"
#include "store/base/opt.h"
#include "store/guard_sql.h"
#include "store/query.h"
#include "store/table.h"

enum { LARGEST_SCRIPT = 1 << 20, LONGEST_VALUE = 256 << 20 };

/* One -p name=value. */
struct param {
    char *name; /* owned */
    const char *value;
    bool used;
};

struct session {
    const struct opt_call *call;
    sqlite3 *db;
    struct store_console console;
    struct table_style style;
    int64_t limit_ns;
    struct param *params;
    int n_params;
    int n_tables; /* results written so far */
};

static enum err put_stdout(void *context, struct span piece)
{
    struct store_console *console = context;
    if (console) TRY(store_console_check(console));
    if (fwrite(piece.p, 1, piece.n, stdout) != piece.n)
        FAIL(ERR_IO, "standard output cannot be written");
    return ERR_OK;
}

/* ---- parameters ---- */

static enum err read_params(struct session *x)
{
    const char *text;
    while ((text = opt_value(x->call, "param", x->n_params))) x->n_params++;
    x->params = calloc((size_t)x->n_params + 1, sizeof *x->params);
    if (!x->params) FAIL(ERR_NOMEM, "out of memory for parameters");
    for (int i = 0; i < x->n_params; i++) {
        text = opt_value(x->call, "param", i);
        const char *equals = strchr(text, '=');
        if (!equals || equals == text)
            FAIL(ERR_USAGE, "-p %s is not understood; it accepts NAME=VALUE", text);
        x->params[i].name = strndup(text, (size_t)(equals - text));
        if (!x->params[i].name) FAIL(ERR_NOMEM, "out of memory for parameters");
        x->params[i].value = equals + 1;
    }
    return ERR_OK;
}

static void bind_params(struct session *x, sqlite3_stmt *s)
{
    for (int i = 0; i < x->n_params; i++)
        if (store_bind_word(s, x->params[i].name, x->params[i].value)) x->params[i].used = true;
}

static enum err check_params(const struct session *x)
{
    for (int i = 0; i < x->n_params; i++)
        if (!x->params[i].used)
            FAIL(ERR_USAGE, "no statement has the parameter :%s that -p %s=... sets",
                 x->params[i].name, x->params[i].name);
    return ERR_OK;
}

static enum err check_needed(const struct session *x, const struct store_query *q)
{
    struct store_query_param p;
    for (int n = 0; store_query_param(q, n, &p); n++) {
        bool given = !p.needed;
        for (int i = 0; i < x->n_params; i++) given |= span_is(p.name, x->params[i].name);
        if (!given)
            FAIL(ERR_USAGE, "the query %s needs -p %.*s=VALUE: %.*s", q->name, SPAN_ARG(p.name),
                 SPAN_ARG(p.meaning));
    }
    return ERR_OK;
}

/* ---- statements ---- */

/* "line 2, column 7" of a byte in the text. */
static enum err at_position(const char *script, size_t offset, enum err err)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < offset && script[i]; i++) {
        column++;
        if (script[i] == '\n') line++, column = 1;
    }
    return err_wrap(err, "line %zu, column %zu: ", line, column);
}

static enum err prepare_failed(struct session *x, const char *script, const char *at, int rc)
{
    int offset = sqlite3_error_offset(x->db);
    enum err err = store_sql_error(x->db, rc, "this is no statement that can be run");
    err = store_console_error(&x->console, err);
    return at_position(script, (size_t)(at - script) + (offset > 0 ? (size_t)offset : 0), err);
}

static enum err run_statement(struct session *x, sqlite3_stmt *s)
{
    const struct table_sink sink = {put_stdout, &x->console};
    struct table_result result;
    bind_params(x, s);
    if (sqlite3_column_count(s) && x->n_tables++ && x->style.format != TABLE_JSONL) putchar('\n');
    store_console_start(&x->console, x->limit_ns);
    enum err err = table_write(s, &x->style, &sink, &result);
    if (err) return store_console_error(&x->console, err);
    if (result.more)
        fprintf(stderr, "plumb: only the first %lld rows are shown; --rows 0 shows all\n",
                (long long)result.n_rows);
    return ERR_OK;
}

static size_t skip_blanks(const char *text)
{
    return strspn(text, " \t\r\n;");
}

static enum err run_script(struct session *x, const char *script)
{
    const char *at = script, *tail;
    while (at += skip_blanks(at), *at) {
        sqlite3_stmt *s = NULL;
        store_console_start(&x->console, 0);
        int rc = sqlite3_prepare_v3(x->db, at, -1, 0, &s, &tail);
        if (rc != SQLITE_OK) return prepare_failed(x, script, at, rc);
        enum err err = s ? run_statement(x, s) : ERR_OK;
        sqlite3_finalize(s);
        if (err) return at_position(script, (size_t)(at - script), err);
        at = tail;
    }
    return check_params(x);
}

static enum err run_named(struct session *x, const char *name)
{
    sqlite3_stmt *s = NULL;
    store_console_start(&x->console, 0);
    enum err err = store_query_prepare(x->db, name, &s);
    if (!err) err = check_needed(x, store_query_find(name));
    if (!err) {
        bind_params(x, s);
        err = check_params(x);
    }
    if (!err) err = run_statement(x, s);
    sqlite3_finalize(s);
    return !err || err == ERR_USAGE || err == ERR_NOT_FOUND ? err : err_wrap(err, "%s: ", name);
}

/* ---- where the text comes from ---- */

static enum err read_script(const char *path, struct buf *out)
{
    FILE *in = strcmp(path, "-") ? fopen(path, "r") : stdin;
    if (!in) FAIL(ERR_NOT_FOUND, "%s cannot be opened: %s", path, strerror(errno));
    char piece[4096];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, in)) > 0 && out->n < LARGEST_SCRIPT)
        buf_put(out, piece, n);
    bool bad = ferror(in);
    if (in != stdin) fclose(in);
    if (bad) FAIL(ERR_IO, "%s cannot be read: %s", path, strerror(errno));
    if (out->n >= LARGEST_SCRIPT)
        FAIL(ERR_LIMIT, "%s is larger than 1 MiB, too much for a script", path);
    if (out->n && memchr(out->p, 0, out->n))
        FAIL(ERR_FORMAT, "%s holds a NUL byte; it is no SQL text", path);
    if (!out->p) buf_puts(out, "");
    return buf_ok(out);
}

static bool looks_like_file(const char *text)
{
    struct stat st;
    struct span s = span_of(text);
    return stat(text, &st) == 0 || span_ends(s, ".db") || span_ends(s, ".gz");
}

/* The last argument is the query unless it is a file or named like one. */
static const char *query_argument(const struct opt_call *call)
{
    if (opt_has(call, "named") || opt_has(call, "file") || call->argc < 2) return NULL;
    const char *last = call->argv[call->argc - 1];
    return looks_like_file(last) ? NULL : last;
}

static void list_queries(struct buf *b)
{
    for (const struct store_query *q = store_queries; q->name; q++) {
        struct store_query_param p;
        buf_printf(b, "%s\n    %s\n", q->name, q->summary);
        for (int n = 0; store_query_param(q, n, &p); n++)
            buf_printf(b, "      -p %.*s=  %.*s\n", SPAN_ARG(p.name), SPAN_ARG(p.meaning));
    }
}

static enum err list(const struct opt_call *call)
{
    const char *name = opt_value(call, "named", 0);
    if (name) {
        const struct store_query *q = store_query_find(name);
        if (!q) FAIL(ERR_NOT_FOUND, "there is no named query %s; plumb sql --list shows all", name);
        fputs(q->sql, stdout);
        return ERR_OK;
    }
    struct buf b = {0};
    list_queries(&b);
    enum err err = buf_ok(&b);
    if (!err) err = put_stdout(NULL, buf_text(&b));
    buf_release(&b);
    return err;
}

/* ---- the verb ---- */

static enum err read_options(struct session *x)
{
    const char *format = opt_value(x->call, "format", 0), *text;
    x->style.terminal = isatty(STDOUT_FILENO);
    x->style.max_width = 100;
    if (format) TRY(table_format_find(format, &x->style.format));
    int64_t n;
    if ((text = opt_value(x->call, "width", 0))) {
        TRY(opt_int("width", text, 0, 100000, &n));
        if (n > 0 && n < 8) n = 8;
        x->style.max_width = (int)n;
    }
    if ((text = opt_value(x->call, "rows", 0)))
        TRY(opt_int("rows", text, 0, INT64_MAX, &x->style.max_rows));
    if ((text = opt_value(x->call, "timeout", 0))) TRY(opt_duration("timeout", text, &x->limit_ns));
    return read_params(x);
}

static enum err open_files(struct session *x, int n_files)
{
    bool write = opt_has(x->call, "write");
    if (n_files < 1) FAIL(ERR_USAGE, "plumb sql needs a trace: plumb sql FILE QUERY");
    TRY(store_open_several(x->call->argv, n_files, write ? STORE_OPEN_WRITE : STORE_OPEN_DEFAULT,
                           &x->db));
    /* A named query is the program's own text and may look at pages and the like. */
    if (opt_has(x->call, "named")) {
        store_console_watch(x->db, &x->console);
        return ERR_OK;
    }
    x->console.max_length = LONGEST_VALUE;
    return write ? store_console_write_limits(x->db, &x->console)
                 : store_console_limits(x->db, &x->console);
}

static enum err run_session(struct session *x)
{
    const char *named = opt_value(x->call, "named", 0), *path = opt_value(x->call, "file", 0);
    const char *query = query_argument(x->call);
    if (named && path) FAIL(ERR_USAGE, "--named and --file cannot be given together");
    if (!named && !path && !query) {
        if (isatty(STDIN_FILENO))
            FAIL(ERR_USAGE, "plumb sql needs a statement: a QUERY after the files, --file, "
                            "--named, or standard input");
        path = "-";
    }
    TRY(open_files(x, x->call->argc - (query ? 1 : 0)));
    if (named) return run_named(x, named);
    if (query) return run_script(x, query);
    struct buf script = {0};
    enum err err = read_script(path, &script);
    if (!err) err = run_script(x, script.p);
    buf_release(&script);
    return err && strcmp(path, "-") ? err_wrap(err, "%s: ", path) : err;
}

static enum err run(const struct opt_call *call, int *exit_code)
{
    struct session x = {.call = call};
    *exit_code = 0;
    if (opt_has(call, "list")) return list(call);
    enum err err = read_options(&x);
    if (!err) err = run_session(&x);
    store_close(x.db);
    for (int i = 0; x.params && i < x.n_params; i++) free(x.params[i].name);
    free(x.params);
    return err;
}

static const struct opt opts[] = {
    {"format", 0, "FORMAT",
     "table (the default), csv, json (an array of objects), jsonl or markdown.", false},
    {"param", 'p', "NAME=VALUE",
     "Bind the parameter :NAME; an integer or real where VALUE reads as one, else text.", true},
    {"named", 'n', "QUERY", "Run one of the queries that plumb brings along.", false},
    {"file", 'f', "SCRIPT", "Run the statements of a file in order; - reads standard input.",
     false},
    {"list", 'l', NULL, "List the named queries and their parameters; with --named, print its SQL.",
     false},
    {"write", 0, NULL, "Let statements change rows (one file; the schema stays).", false},
    {"timeout", 0, "TIME",
     "Stop a statement after this time (2, 500ms, 1m); no limit when not given.", false},
    {"rows", 0, "N", "Show at most N rows of each result.", false},
    {"width", 0, "N", "Cut cells of a table at N columns (100); 0 never.", false},
    {0},
};

const struct verb verb_sql = {
    .name = "sql",
    .arguments = "FILE... [QUERY]",
    .summary = "ask a trace in SQL",
    .description = "Runs SQL over one trace or several. The first file is the schema main; when "
                   "there are several, they are also "
                   "attached as t1, t2, ... in the order given. Statements read: nothing is "
                   "changed without --write. Besides SQLite's own "
                   "functions there are artifact_text(id), stack_text(id), word(id), hex64(i), "
                   "hash_value(kind, digest) and "
                   "regexp(pattern, text), which is "
                   "also the operator REGEXP. docs/trace-format.md describes tables and views.",
    .examples = "plumb sql trace.db 'SELECT outcome, count(*) FROM compiles GROUP BY outcome'\n"
                "plumb sql trace.db --named artifacts_that_mention -p word=relu --format json\n"
                "plumb sql a.db b.db 'SELECT compile_id FROM t1.compiles EXCEPT SELECT compile_id "
                "FROM t2.compiles'",
    .opts = opts,
    .min_args = 0,
    .max_args = -1,
    .run = run,
};
