/* guard_sql.c - the authorizer's table of actions and functions, and the limits. Source of the
 * rules: https://sqlite.org/security.html, with what was measured about single opcodes that run
 * for seconds.
 */
#include "store/guard_sql.h"

#include <stdio.h>
#include <string.h>

#include "store/base/clock.h"
#include "store/db.h"

enum { PROGRESS_OPCODES = 1000 };

/* Functions that neither write, nor load, nor tell about the machine; blanks around each.
 * randomblob and zeroblob are bounded by the length limit. */
static const char functions[] =
    " -> ->> abs acos acosh artifact_text asin asinh atan atan2 atanh avg ceil ceiling"
    " char coalesce cos cosh count cume_dist current_date current_time current_timestamp"
    " date datetime degrees dense_rank exp first_value floor format glob group_concat"
    " hash_value hex hex64 ifnull iif instr json json_array json_array_length json_extract"
    " json_group_array json_group_object json_insert json_object json_patch json_quote"
    " json_remove json_replace json_set json_type json_valid julianday lag last_value"
    " layer_name lead length like likelihood likely ln log log10 log2 lower ltrim max min mod "
    "nth_value"
    " ntile nullif percent_rank pi pow power printf quote radians random randomblob rank"
    " regexp replace round row_number rtrim sign sin sinh sqlite_version sqrt stack_text"
    " strftime substr substring subtype sum tan tanh time total trim trunc typeof unicode"
    " unixepoch unlikely upper word zeroblob ";

static bool allows_function(const char *name)
{
    char word[48];
    if (!name || strchr(name, ' ')) return false;
    int n = snprintf(word, sizeof word, " %s ", name);
    return n < (int)sizeof word && strstr(functions, word);
}

/* The schema itself may be read; other sqlite_ and pragma_ tables are SQLite's internals. */
static bool allows_table(const char *name)
{
    static const char *const internal[] = {"sqlite_schema", "sqlite_master", "sqlite_temp_schema",
                                           "sqlite_temp_master", "sqlite_stat1"};
    for (size_t i = 0; i < sizeof internal / sizeof *internal; i++)
        if (!sqlite3_stricmp(name, internal[i])) return true;
    return sqlite3_strnicmp(name, "sqlite_", 7) && sqlite3_strnicmp(name, "pragma_", 7) &&
           sqlite3_stricmp(name, "dbstat") && sqlite3_strnicmp(name, "fts", 3) &&
           sqlite3_stricmp(name, "bytecode") && sqlite3_stricmp(name, "tables_used");
}

static const char *action_name(int action)
{
    static const struct {
        int action;
        const char *name;
    } names[] = {{SQLITE_ATTACH, "ATTACH"},
                 {SQLITE_DETACH, "DETACH"},
                 {SQLITE_PRAGMA, "PRAGMA"},
                 {SQLITE_INSERT, "INSERT"},
                 {SQLITE_UPDATE, "UPDATE"},
                 {SQLITE_DELETE, "DELETE"},
                 {SQLITE_TRANSACTION, "BEGIN, COMMIT or ROLLBACK"},
                 {SQLITE_SAVEPOINT, "SAVEPOINT"},
                 {SQLITE_ANALYZE, "ANALYZE"},
                 {SQLITE_REINDEX, "REINDEX"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].action == action) return names[i].name;
    return "changing the schema";
}

static int refuse(struct store_console *c, const char *kind, const char *name)
{
    snprintf(c->refused, sizeof c->refused, "%s%s%.48s", kind, *kind ? " " : "", name ? name : "");
    return SQLITE_DENY;
}

static int authorize(void *context, int action, const char *a, const char *b, const char *schema,
                     const char *by)
{
    struct store_console *c = context;
    (void)schema, (void)by;
    if (action == SQLITE_SELECT || action == SQLITE_RECURSIVE) return SQLITE_OK;
    if (action == SQLITE_READ) return allows_table(a) ? SQLITE_OK : refuse(c, "the table", a);
    if (action == SQLITE_FUNCTION)
        return allows_function(b) ? SQLITE_OK : refuse(c, "the function", b);
    return refuse(c, "", action_name(action));
}

static int authorize_write(void *context, int action, const char *a, const char *b,
                           const char *schema, const char *by)
{
    struct store_console *c = context;
    (void)schema, (void)by;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT: return SQLITE_OK;
    case SQLITE_READ: return SQLITE_OK;
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
        return sqlite3_strnicmp(a, "sqlite_", 7) ? SQLITE_OK : refuse(c, "", "changing the schema");
    case SQLITE_FUNCTION:
        return allows_function(b) || !sqlite3_stricmp(b, "changes") ? SQLITE_OK
                                                                    : refuse(c, "the function", b);
    default: return refuse(c, "", action_name(action));
    }
}

static int progress(void *context)
{
    struct store_console *c = context;
    if (atomic_load_explicit(&c->cancel, memory_order_relaxed)) return 1;
    if (!c->deadline_ns || clock_mono() < c->deadline_ns) return 0;
    c->timed_out = true;
    return 1;
}

static void set_limits(sqlite3 *db, const struct store_console *c)
{
    int64_t length = c->max_length ? c->max_length : STORE_CONSOLE_LENGTH;
    static const struct {
        int id, value;
    } limits[] = {{SQLITE_LIMIT_SQL_LENGTH, 100000},   {SQLITE_LIMIT_COLUMN, 200},
                  {SQLITE_LIMIT_EXPR_DEPTH, 100},      {SQLITE_LIMIT_COMPOUND_SELECT, 50},
                  {SQLITE_LIMIT_VDBE_OP, 250000},      {SQLITE_LIMIT_FUNCTION_ARG, 100},
                  {SQLITE_LIMIT_ATTACHED, 0},          {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000},
                  {SQLITE_LIMIT_VARIABLE_NUMBER, 100}, {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
                  {SQLITE_LIMIT_WORKER_THREADS, 0}};
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, length > INT32_MAX ? INT32_MAX : (int)length);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        sqlite3_limit(db, limits[i].id, limits[i].value);
}

void store_console_watch(sqlite3 *db, struct store_console *console)
{
    sqlite3_progress_handler(db, PROGRESS_OPCODES, progress, console);
}

static enum err set_guard(sqlite3 *db, struct store_console *c,
                          int (*authorizer)(void *, int, const char *, const char *, const char *,
                                            const char *))
{
    set_limits(db, c);
    store_console_watch(db, c);
    int rc = sqlite3_set_authorizer(db, authorizer, c);
    return rc == SQLITE_OK ? ERR_OK : store_sql_error(db, rc, "setting the limits of a console");
}

enum err store_console_limits(sqlite3 *db, struct store_console *console)
{
    /* The two virtual tables declare themselves at first use, which the authorizer would take for
     * a change of the schema. */
    TRY(store_exec(db, "PRAGMA query_only=1; SELECT 1 FROM json_each('[]'), json_tree('[]')"));
    return set_guard(db, console, authorize);
}

enum err store_console_write_limits(sqlite3 *db, struct store_console *console)
{
    return set_guard(db, console, authorize_write);
}

void store_console_release(sqlite3 *db)
{
    sqlite3_progress_handler(db, 0, NULL, NULL);
    (void)sqlite3_set_authorizer(db, NULL, NULL);
}

void store_console_start(struct store_console *c, int64_t limit_ns)
{
    c->limit_ns = limit_ns;
    c->deadline_ns = limit_ns ? clock_mono() + limit_ns : 0;
    c->timed_out = false;
    c->refused[0] = 0;
    atomic_store(&c->cancel, false);
}

void store_console_cancel(struct store_console *c)
{
    atomic_store(&c->cancel, true);
}

enum err store_console_check(struct store_console *c)
{
    return progress(c) ? store_console_error(c, ERR_CANCELLED) : ERR_OK;
}

enum err store_console_error(struct store_console *c, enum err err)
{
    if (c->timed_out)
        return err_set(ERR_LIMIT, "the statement was stopped after %.3g s, its time limit",
                       (double)c->limit_ns / 1e9);
    if (atomic_load(&c->cancel)) return err_set(ERR_CANCELLED, "the statement was cancelled");
    if (c->refused[0] && (err == ERR_REFUSED || err == ERR_SQL))
        return err_set(
            ERR_REFUSED,
            "%s is not allowed here: statements may read the trace and call functions that compute",
            c->refused);
    return err;
}
