/* load_side.c - FILE#RUN@RANK: read from the command line, and found in the trace. */
#include "store/diff/load_words.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/buf.h"

static bool is_file(const char *path, size_t n)
{
    struct buf name = {0};
    struct stat st;
    buf_put(&name, path, n);
    bool found = !name.failed && stat(name.p ? name.p : "", &st) == 0;
    buf_release(&name);
    return found;
}

/* The # before the run: the first behind the name of a file, else the last. */
static const char *find_mark(const char *text)
{
    if (is_file(text, strlen(text))) return NULL;
    for (const char *mark = strchr(text, '#'); mark; mark = strchr(mark + 1, '#'))
        if (mark > text && is_file(text, (size_t)(mark - text))) return mark;
    return strrchr(text, '#');
}

static enum err parse_run(const char *text, struct span run, struct diff_side *out)
{
    size_t at = run.n;
    while (at > 0 && run.p[at - 1] != '@') at--;
    if (at > 0 && span_to_i64(span_from(run, at), &out->rank) && out->rank >= 0)
        run = span_to(run, at - 1);
    else out->rank = -1;
    if (!run.n && out->rank < 0)
        FAIL(ERR_USAGE, "%s names no run behind its #: write FILE#RUN, FILE#RUN@RANK or FILE#@RANK",
             text);
    if (run.n) out->run = strndup(run.p, run.n);
    if (run.n && !out->run) FAIL(ERR_NOMEM, "out of memory for the name of a run");
    return ERR_OK;
}

enum err diff_side_parse(const char *text, struct diff_side *out)
{
    *out = (struct diff_side){.rank = -1};
    const char *mark = find_mark(text);
    size_t n = mark ? (size_t)(mark - text) : strlen(text);
    if (!n) FAIL(ERR_USAGE, "'%s' names no file: write FILE, FILE#RUN or FILE#RUN@RANK", text);
    enum err err = mark ? parse_run(text, span_of(mark + 1), out) : ERR_OK;
    if (err) return err;
    out->file = strndup(text, n);
    if (out->file) return ERR_OK;
    diff_side_release(out);
    FAIL(ERR_NOMEM, "out of memory for the name of a file");
}

void diff_side_release(struct diff_side *s)
{
    free((char *)s->file);
    free(s->run);
    *s = (struct diff_side){.rank = -1};
}

static enum err read_logs(sqlite3 *db, sqlite3_stmt *s, struct load_logs *out)
{
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct load_log *log = LIST_PUSH(&out->log);
        if (!log) FAIL(ERR_NOMEM, "out of memory for the list of logs");
        int64_t calls = sqlite3_column_int64(s, 5);
        *log = (struct load_log){.source = sqlite3_column_int64(s, 0),
                                 .run_id = sqlite3_column_int64(s, 1),
                                 .run = arena_copy(&out->arena, store_column_text(s, 2)),
                                 .name = arena_copy(&out->arena, store_column_text(s, 3)),
                                 .rank = sqlite3_column_int64(s, 4),
                                 .calls = calls > 0 && calls < DIFF_NONE ? (uint32_t)calls : 0,
                                 .by_depth = sqlite3_column_int64(s, 6) != 0};
    }
    return rc == SQLITE_DONE ? ERR_OK : store_sql_error(db, rc, "reading the list of logs");
}

static bool run_is(const struct load_log *log, const char *name)
{
    return log->run.p && span_is(log->run, name);
}

/* Chooses by name, or by id when no run has that name. */
static void choose_run(struct load_logs *l, const char *name)
{
    bool named = false;
    int64_t id = 0;
    for (size_t i = 0; i < l->log.n; i++) named |= run_is(&l->log.p[i], name);
    bool number = !named && span_to_i64(span_of(name), &id);
    for (size_t i = 0; i < l->log.n; i++) {
        struct load_log *log = &l->log.p[i];
        log->chosen = named ? run_is(log, name) : number && log->run_id == id;
    }
}

/* Is it the first log of its run? */
static bool begins_run(const struct load_logs *l, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (l->log.p[k].run_id == l->log.p[i].run_id) return false;
    return true;
}

/* The log of the next run by id, NULL after the last. */
static const struct load_log *next_run(const struct load_logs *l, const struct load_log *after)
{
    const struct load_log *next = NULL;
    for (size_t i = 0; i < l->log.n; i++) {
        const struct load_log *log = &l->log.p[i];
        if (after && log->run_id <= after->run_id) continue;
        if (!next || log->run_id < next->run_id) next = log;
    }
    return next;
}

static int list_runs(const struct load_logs *l, struct buf *out)
{
    int n = 0;
    for (const struct load_log *log = next_run(l, NULL); log; log = next_run(l, log)) {
        if (n++) buf_puts(out, ", ");
        if (log->run.n) buf_span(out, log->run);
        else buf_printf(out, "%lld", (long long)log->run_id);
    }
    return n;
}

static enum err refuse_run(const struct diff_side *side, const struct load_logs *l)
{
    struct buf runs = {0};
    int n = list_runs(l, &runs);
    enum err err = ERR_NOT_FOUND;
    if (side->run)
        err_set(err, "%s has no run %s with calls; it has %.*s", side->file, side->run,
                SPAN_ARG(buf_text(&runs)));
    else
        err_set(err, "%d runs in %s have calls: %.*s; name one: %s#RUN", n, side->file,
                SPAN_ARG(buf_text(&runs)), side->file);
    buf_release(&runs);
    return err;
}

static enum err choose_rank(struct load_logs *l, const struct diff_side *side)
{
    struct buf ranks = {0};
    int64_t before = -2;
    bool found = false;
    for (size_t i = 0; i < l->log.n; i++) {
        struct load_log *log = &l->log.p[i];
        if (!log->chosen) continue;
        found |= log->chosen = log->rank == side->rank;
        if (log->rank == before) continue;
        if (log->rank >= 0) buf_printf(&ranks, "%s%lld", ranks.n ? ", " : "", (long long)log->rank);
        before = log->rank;
    }
    if (!found)
        err_set(ERR_NOT_FOUND, "no log of rank %lld in %s; %s%.*s", (long long)side->rank,
                side->file, ranks.n ? "there are ranks " : "its logs have no rank",
                SPAN_ARG(buf_text(&ranks)));
    buf_release(&ranks);
    return found ? ERR_OK : ERR_NOT_FOUND;
}

static enum err choose(struct load_logs *l, const struct diff_side *side)
{
    if (!l->log.n)
        FAIL(ERR_NOT_FOUND,
             "no calls were recorded in %s: record them with `plumb record --debug-mode -- ...`, "
             "`plumb run` or import a DebugMode log",
             side->file);
    size_t chosen = 0, runs = 0;
    if (side->run) choose_run(l, side->run);
    for (size_t i = 0; i < l->log.n; i++) {
        if (!side->run) l->log.p[i].chosen = true;
        chosen += l->log.p[i].chosen;
        runs += l->log.p[i].chosen && begins_run(l, i);
    }
    if (!chosen || (!side->run && runs > 1)) return refuse_run(side, l);
    return side->rank >= 0 ? choose_rank(l, side) : ERR_OK;
}

enum err load_logs_choose(sqlite3 *db, const struct diff_side *side, struct load_logs *out)
{
    sqlite3_stmt *s;
    TRY(store_prepare(db,
                      "SELECT f.id, coalesce(f.run, 0), r.name, f.name,"
                      " coalesce(f.rank, p.rank, -1) AS rank, l.calls, l.format IN ('json', 'text')"
                      " FROM call_log l JOIN source_file f ON f.id = l.source"
                      " LEFT JOIN run r ON r.id = f.run LEFT JOIN process p ON p.id = f.process"
                      " ORDER BY rank, f.name, f.id",
                      &s));
    enum err err = read_logs(db, s, out);
    sqlite3_finalize(s);
    return err ? err : choose(out, side);
}

void load_logs_release(struct load_logs *l)
{
    LIST_RELEASE(&l->log);
    arena_release(&l->arena);
}
