/* exp_log.c - gives back the logs a trace was made of, byte for byte: the frames of each stream,
 * inflated. */
#include "capture/export.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "store/base/arena.h"
#include "store/base/lists.h"
#include "store/base/map.h"
#include "store/db.h"
#include "store/text.h"

enum { DEPTH_MAX = 16 };

static int64_t integer(sqlite3_stmt *s, int i)
{
    return sqlite3_column_type(s, i) == SQLITE_NULL ? STORE_NULL : sqlite3_column_int64(s, i);
}

static bool is_named(const struct export_log *log, const char *which)
{
    char id[32], rank[32] = "";
    snprintf(id, sizeof id, "%lld", (long long)log->id);
    if (log->rank != STORE_NULL) snprintf(rank, sizeof rank, "rank_%lld", (long long)log->rank);
    return !strcmp(which, id) || (rank[0] && !strcmp(which, rank)) || span_is(log->name, which) ||
           span_is(log->path, which);
}

static enum err none_of_them(sqlite3_stmt *s, const char *which)
{
    struct buf names = {0};
    sqlite3_reset(s);
    for (int n = 0; n < 20 && sqlite3_step(s) == SQLITE_ROW; n++) {
        buf_printf(&names, "%s%lld ", n ? ", " : "", (long long)sqlite3_column_int64(s, 0));
        buf_span(&names, store_column_text(s, 5));
    }
    enum err err = names.n ? err_set(ERR_NOT_FOUND, "no log of the trace is called %s; it has: %s",
                                     which, names.p)
                           : err_set(ERR_NOT_FOUND, "the trace holds no log");
    buf_release(&names);
    return err;
}

enum err export_logs_read(sqlite3 *db, const char *which, struct arena *arena,
                          struct export_logs *out)
{
    sqlite3_stmt *s;
    LIST_OF(struct export_log) logs = {0};
    *out = (struct export_logs){.arena = arena};
    TRY(store_prepare(
        db,
        "SELECT id, rank, size, year, zone_ns, path, name, EXISTS (SELECT 1 FROM call_log l WHERE "
        "l.source = f.id AND l.format = 'live') FROM source_file f ORDER BY id",
        &s));
    enum err err = ERR_OK;
    int rc;
    while (!err && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct export_log log = {.id = sqlite3_column_int64(s, 0),
                                 .rank = integer(s, 1),
                                 .size = sqlite3_column_int64(s, 2),
                                 .year = integer(s, 3),
                                 .zone_ns = integer(s, 4),
                                 .path = arena_copy(arena, store_column_text(s, 5)),
                                 .name = arena_copy(arena, store_column_text(s, 6)),
                                 .is_live = sqlite3_column_int(s, 7)};
        if (which && !is_named(&log, which)) continue;
        struct export_log *to = LIST_PUSH(&logs);
        if (to) *to = log;
        else err = err_set(ERR_NOMEM, "out of memory for the list of logs");
    }
    if (!err && rc != SQLITE_DONE) err = store_sql_error(db, rc, "reading the list of logs");
    if (!err && !logs.n) err = none_of_them(s, which ? which : "that");
    out->n = logs.n;
    if (!err) out->p = arena_array(arena, logs.n, sizeof *logs.p);
    if (!err && !out->p) err = err_set(ERR_NOMEM, "out of memory for the list of logs");
    if (!err) memcpy(out->p, logs.p, logs.n * sizeof *logs.p);
    LIST_RELEASE(&logs);
    sqlite3_finalize(s);
    return err;
}

/* ---- names ---- */

static struct span without_gz(struct span name)
{
    return span_ends(name, ".gz") ? span_to(name, name.n - 3) : name;
}

void export_log_path(const struct export_log *log, struct buf *out)
{
    struct span rest = log->path;
    int depth = 0;
    for (;;) {
        const char *slash = rest.n ? memchr(rest.p, '/', rest.n) : NULL;
        if (!slash) break;
        struct span part = {rest.p, (size_t)(slash - rest.p)};
        rest = span_from(rest, part.n + 1);
        if (!part.n || span_is(part, ".") || depth++ >= DEPTH_MAX) continue;
        export_put_component(out, part);
        buf_putc(out, '/');
    }
    export_put_component(out, log->name.n ? without_gz(log->name) : without_gz(rest));
}

static enum err write_stream(sqlite3 *db, struct text_reader *text, int64_t stream, int fd,
                             int64_t *n_bytes)
{
    sqlite3_stmt *s;
    struct buf piece = {0};
    enum err err = ERR_OK;
    int64_t end = 0;
    TRY(store_prepare(db, "SELECT offset, size FROM text_frame WHERE stream = ?1 ORDER BY offset",
                      &s));
    sqlite3_bind_int64(s, 1, stream);
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t offset = sqlite3_column_int64(s, 0), size = sqlite3_column_int64(s, 1);
        if (offset != end) {
            err = err_set(ERR_FORMAT, "stream %lld has no text from byte %lld to %lld",
                          (long long)stream, (long long)end, (long long)offset);
            goto out;
        }
        buf_clear(&piece);
        TRY_OUT(text_read(text, stream, offset, size, &piece));
        TRY_OUT(export_write(fd, buf_text(&piece)));
        end += size;
    }
    if (rc != SQLITE_DONE) err = store_sql_error(db, rc, "reading text");
    *n_bytes += end;
out:
    sqlite3_finalize(s);
    buf_release(&piece);
    return err;
}

/* Logs of one name get "-2", "-3", ... before the extension. */
static enum err number_name(struct buf *path, struct map *taken)
{
    int64_t *n = map_put(taken, map_key(buf_text(path)), 0, NULL);
    if (!n) FAIL(ERR_NOMEM, "out of memory for the names of logs");
    if (++*n == 1) return ERR_OK;
    bool log = span_ends(buf_text(path), ".log");
    if (log) path->n -= 4;
    buf_printf(path, "-%lld%s", (long long)*n, log ? ".log" : "");
    return ERR_OK;
}

struct log_writer {
    sqlite3 *db;
    struct text_reader *text;
    int root;
    bool overwrite;
    struct map taken; /* relative paths -> times used */
};

static enum err write_log(struct log_writer *w, const struct export_log *log, int64_t *n_bytes)
{
    struct buf path = {0};
    int fd = -1;
    export_log_path(log, &path);
    enum err err = number_name(&path, &w->taken);
    if (!err) err = buf_ok(&path);
    if (!err) err = export_open_file(w->root, path.p, w->overwrite, &fd);
    if (!err) err = write_stream(w->db, w->text, log->id, fd, n_bytes);
    if (fd >= 0 && close(fd) && !err)
        err = err_set(ERR_IO, "a log cannot be written: %s", strerror(errno));
    buf_release(&path);
    return err;
}

enum err export_torch_trace(sqlite3 *db, const struct export_logs *logs, const char *folder,
                            bool overwrite, struct export_summary *out)
{
    struct log_writer w = {.db = db, .overwrite = overwrite};
    *out = (struct export_summary){0};
    TRY(export_open_root(folder, &w.root));
    enum err err = text_reader_new(db, &w.text);
    for (size_t i = 0; !err && i < logs->n; i++) {
        err = write_log(&w, &logs->p[i], &out->n_bytes);
        out->n_files += !err;
    }
    if (!err) err = store_int(db, "SELECT count(*) FROM artifact WHERE flags & 8", &out->n_cut);
    text_reader_free(w.text);
    map_release(&w.taken);
    close(w.root);
    return err;
}
