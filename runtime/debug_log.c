/* debug_log.c - the calls of a trace as DebugMode prints and saves them, for programs. */
#include <errno.h>

#include "capture/debug_rows.h"
#include "runtime/session.h"
#include "store/db.h"

enum { HIDDEN_MAX = 256 };

/* Calls without what was not asked for. Hidden module lines take their indentation with them. */
struct filter {
    struct debug_rows rows;
    unsigned what;
    int64_t hidden[HIDDEN_MAX]; /* depths of the module lines that are open */
    int n_hidden;
};

static enum err next_shown(void *context, struct debug_call *out, bool *more)
{
    struct filter *f = context;
    for (;;) {
        TRY(debug_rows_next(&f->rows, out, more));
        if (!*more) return ERR_OK;
        while (f->n_hidden && f->hidden[f->n_hidden - 1] >= out->depth) f->n_hidden--;
        bool module = out->kind == DEBUG_MODULE && !(f->what & PLUMB_DEBUG_MODULES);
        if (module && f->n_hidden < HIDDEN_MAX) f->hidden[f->n_hidden++] = out->depth;
        if (module) continue;
        out->depth -= f->n_hidden;
        if (!(f->what & PLUMB_DEBUG_HASHES)) out->log = NULL;
        return ERR_OK;
    }
}

static enum err put(void *context, struct span text)
{
    if (fwrite(text.p, 1, text.n, context) == text.n) return ERR_OK;
    FAIL(ERR_IO, "the log cannot be written: %s", strerror(errno));
}

static enum err print_one(sqlite3 *db, int64_t source, unsigned what, FILE *out)
{
    struct filter f = {.what = what};
    struct debug_source from = {next_shown, &f};
    struct debug_sink to = {put, out};
    struct debug_text_style style = {.hide_stacks = !(what & PLUMB_DEBUG_STACKS)};
    TRY(debug_rows_open(&f.rows, db, source));
    enum err err = debug_write_text(&from, style, &to);
    debug_rows_close(&f.rows);
    return err;
}

static enum err save_one(sqlite3 *db, int64_t source, FILE *out)
{
    struct debug_rows rows;
    struct debug_source from = {debug_rows_next, &rows};
    struct debug_sink to = {put, out};
    TRY(debug_rows_open(&rows, db, source));
    enum err err = debug_write_json(&from, SPAN_NONE, &to);
    debug_rows_close(&rows);
    return err;
}

static const char logs_sql[] = "SELECT l.source FROM call_log l JOIN source_file f ON f.id = "
                               "l.source WHERE ?1 IS NULL OR f.name = ?1 ORDER BY l.source";

/* Of each log, or of the only one of that name; save: the first alone. */
static enum err write_logs(const char *trace, const char *name, unsigned what, bool save, FILE *out)
{
    sqlite3 *db;
    sqlite3_stmt *s = NULL;
    int n = 0;
    TRY(store_open_read(trace, 0, &db));
    enum err err = store_prepare(db, logs_sql, &s);
    if (!err && name) sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    while (!err && !(save && n) && sqlite3_step(s) == SQLITE_ROW) {
        int64_t source = sqlite3_column_int64(s, 0);
        err = save ? save_one(db, source, out) : print_one(db, source, what, out);
        n++;
    }
    if (!err && !n)
        err = err_set(ERR_NOT_FOUND, "%s has no calls%s%s", trace, name ? " of thread " : "",
                      name ? name : "");
    sqlite3_finalize(s);
    store_close(db);
    return err;
}

int plumb_debug_print(const char *trace, unsigned what, FILE *out)
{
    return api_ok(write_logs(trace, NULL, what, false, out)) ? 0 : -1;
}

int plumb_debug_save(const char *trace, const char *thread, FILE *out)
{
    return api_ok(write_logs(trace, thread, 0, true, out)) ? 0 : -1;
}
