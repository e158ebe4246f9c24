/* cap.c - opening and closing a recording: its file, its run, its drain. */
#include "capture/cap.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "capture/cap_state.h"
#include "capture/drain.h"
#include "capture/drain_log.h"
#include "store/base/buf.h"
#include "store/base/clock.h"
#include "store/db.h"

enum { RING_BYTES = 8 << 20 };

/* ---- files ---- */

static void remove_trace(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", "-ring"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        struct buf name = {0};
        buf_printf(&name, "%s%s", path, suffixes[i]);
        if (name.p) unlink(name.p);
        buf_release(&name);
    }
}

/* A trace that another recording writes is not overwritten. */
static enum err make_files(struct cap *c, const struct cap_options *o)
{
    sqlite3 *db;
    if (o->overwrite && ring_is_held(o->path))
        FAIL(ERR_REFUSED, "%s is being recorded by another process", o->path);
    if (!o->overwrite && !access(o->path, F_OK))
        FAIL(ERR_EXISTS, "%s exists; --overwrite replaces it", o->path);
    /* Rings without their trace are of no use. */
    if (o->overwrite || (access(o->path, F_OK) && !ring_is_held(o->path))) remove_trace(o->path);
    TRY(ring_create(o->path, &c->ring));
    enum err err = store_create(o->path, &db);
    if (!err) err = store_writer_new(db, &c->writer);
    if (err) ring_remove(&c->ring);
    return err;
}

/* ---- what is known of the run ---- */

static struct span first_line(struct cap *c, const char *path, const char *key)
{
    char line[512];
    struct span found = SPAN_NONE;
    FILE *f = fopen(path, "re");
    while (f && !found.p && fgets(line, sizeof line, f)) {
        if (strncmp(line, key, strlen(key))) continue;
        const char *colon = *key ? strchr(line, ':') : NULL;
        found = arena_copy(&c->keep, span_trim(span_of(colon ? colon + 1 : line)));
    }
    if (f) fclose(f);
    return found;
}

static enum err add_host(struct cap *c, struct store_batch *batch, int64_t *id)
{
    struct utsname u;
    char kernel[sizeof u.sysname + sizeof u.release + 2] = "";
    if (uname(&u)) FAIL(ERR_IO, "the name of this machine is not known");
    snprintf(kernel, sizeof kernel, "%s %s", u.sysname, u.release);
    *id = store_next_id(c->writer, STORE_HOST);
    struct row_host row = {
        .id = *id,
        .name = span_of(u.nodename),
        .boot_id = first_line(c, "/proc/sys/kernel/random/boot_id", ""),
        .kernel = span_of(kernel),
        .cpu = first_line(c, "/proc/cpuinfo", "model name"),
        .n_cpus = sysconf(_SC_NPROCESSORS_ONLN),
    };
    return store_host_add(batch, &row);
}

static struct span keep(struct cap *c, const char *text)
{
    struct buf b = {0};
    if (!text) return SPAN_NONE;
    buf_utf8(&b, span_of(text));
    struct span kept = arena_copy(&c->keep, buf_text(&b));
    buf_release(&b);
    return kept;
}

static enum err add_rows(struct cap *c, const struct cap_options *o, struct store_batch *batch)
{
    char *cwd = getcwd(NULL, 0);
    const char *slash = strrchr(o->path, '/');
    int64_t host = 0;
    c->run = (struct row_run){
        .id = store_next_id(c->writer, STORE_RUN),
        .name = keep(c, o->run  ? o->run
                        : slash ? slash + 1
                                : o->path),
        .command = keep(c, o->command),
        .cwd = keep(c, cwd),
        .start_ts = clock_real(),
        .end_ts = STORE_NULL,
        .exit_code = STORE_NULL,
        .seed = o->seed,
        .determinism = keep(c, o->determinism),
        .world = 1,
    };
    free(cwd);
    TRY(add_host(c, batch, &host));
    c->process = (struct row_process){
        .id = store_next_id(c->writer, STORE_PROCESS),
        .run = c->run.id,
        .host = host,
        .pid = getpid(),
        .rank = STORE_NULL,
        .world = STORE_NULL,
        .start_ts = c->run.start_ts,
        .end_ts = STORE_NULL,
    };
    TRY(store_process_add(batch, &c->process));
    return store_run_add(batch, &c->run);
}

static enum err submit(struct cap *c, struct store_batch *batch_take, enum err err)
{
    if (!err) return store_submit(c->writer, batch_take);
    store_batch_free(batch_take);
    return err;
}

enum err cap_note(struct cap *c, int severity, const char *origin, struct span message)
{
    struct row_diag row = {
        .ts = clock_real(), .severity = severity, .origin = span_of(origin), .message = message};
    if (c->child) return ERR_OK; /* the writer's thread and its locks are the parent's */
    struct store_batch *batch = store_batch_new();
    if (!batch) FAIL(ERR_NOMEM, "out of memory for a note");
    return submit(c, batch, store_diag_add(batch, &row));
}

static enum err write_start(struct cap *c, const struct cap_options *o)
{
    struct store_batch *batch = store_batch_new();
    if (!batch) FAIL(ERR_NOMEM, "out of memory for a batch");
    TRY(submit(c, batch, add_rows(c, o, batch)));
    c->ring.file->run = c->run.id;
    c->ring.file->process = c->process.id;
    c->ring.file->texts = (o->ids ? RING_IDS : 0) | (o->input_hashes ? RING_INPUT_HASHES : 0);
    c->ring.file->device = cap_word(c, span_of(o->device ? o->device : "cpu"));
    return store_flush(c->writer);
}

static void cap_free(struct cap *c)
{
    cap_threads_free(c);
    drain_log_free(c->log);
    ring_close(&c->ring);
    arena_release(&c->keep);
    free(c->path);
    free(c);
}

static enum err make_log(struct cap *c)
{
    return drain_log_new(
        &(struct drain_log_options){c->writer, &c->run, &c->process, &c->ring.file->n_structured},
        &c->log);
}

enum err cap_open(const struct cap_options *o, struct cap **out)
{
    struct cap *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c) FAIL(ERR_NOMEM, "out of memory for a recording");
    c->ring.fd = -1;
    c->path = strdup(o->path);
    c->ring_size = o->ring_size > 0 ? o->ring_size : RING_BYTES;
    c->wait = o->wait;
    enum err err = c->path ? make_files(c, o) : err_set(ERR_NOMEM, "out of memory for a path");
    if (!err) err = write_start(c, o);
    if (!err) err = cap_register(c);
    if (!err) err = make_log(c);
    if (!err) err = drain_new(&c->ring, c->writer, c->log, &c->drain);
    if (!err) {
        *out = c;
        return ERR_OK;
    }
    if (c->instance) cap_unregister(c);
    if (c->writer) {
        char why[1024];
        snprintf(why, sizeof why, "%s", err_text());
        if (store_writer_close(c->writer, NULL)) err_clear();
        (void)err_set(err, "%s", why);
        remove_trace(o->path);
    }
    cap_free(c);
    return err;
}

enum err cap_flush(struct cap *c)
{
    return c->child ? ERR_OK : drain_flush(c->drain);
}

enum err cap_structured(struct cap *c, struct span envelope, struct span payload, const char *file,
                        int line)
{
    return c->child ? ERR_OK : drain_log_put(c->log, envelope, payload, file, line);
}

/* ---- the end ---- */

static enum err write_end(struct cap *c, int exit_code)
{
    struct store_batch *batch = store_batch_new();
    if (!batch) FAIL(ERR_NOMEM, "out of memory for a batch");
    c->run.end_ts = c->process.end_ts = clock_real();
    c->run.ended = span_of(exit_code >= 128 ? "signal" : "exit");
    c->run.exit_code = exit_code >= 128 ? exit_code - 128 : exit_code;
    enum err err = store_run_add(batch, &c->run);
    if (!err) err = store_process_add(batch, &c->process);
    return submit(c, batch, err);
}

/* What was recorded less what is there; spans of the log of compiles have no thread's track. */
static const char lost_events[] =
    "INSERT INTO main.loss(kind, ts, count, message) SELECT 'disk', ?1, ?2 - (SELECT count(*) FROM "
    "main.event WHERE track IS NULL OR track NOT IN (SELECT id FROM main.track WHERE kind = 1)), "
    "'events were not written: ' || ?3";
static const char lost_records[] =
    "INSERT INTO main.loss(kind, ts, count, message) SELECT 'log', ?1, n, "
    "'records of compiles were not written: ' || ?3 FROM (SELECT ?2 - coalesce(sum(n_records), 0) "
    "AS n FROM main.source_file WHERE name = '" DRAIN_LOG_NAME "') WHERE n > 0";

static enum err write_loss(sqlite3 *db, const char *sql, int64_t n, const char *why)
{
    sqlite3_stmt *s;
    TRY(store_prepare(db, sql, &s));
    sqlite3_bind_int64(s, 1, clock_real());
    sqlite3_bind_int64(s, 2, n);
    sqlite3_bind_text(s, 3, why, -1, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? ERR_OK : store_sql_error(db, rc, "writing a loss");
}

/* A disk that was full has room again once the rings are gone: enough for the losses. */
static enum err finish_after_failure(struct cap *c, const struct drain_lost *lost)
{
    sqlite3 *db;
    TRY(store_open_read(c->path, STORE_OPEN_WRITE | STORE_OPEN_UNCHECKED | STORE_OPEN_NO_VIEWS,
                        &db));
    enum err err = write_loss(db, lost_events, lost->seen, lost->why);
    if (!err) err = write_loss(db, lost_records, lost->told, lost->why);
    if (!err)
        err = store_exec(db, "DELETE FROM main.meta WHERE key GLOB 'ring.*';"
                             "UPDATE main.source_file SET state = 'interrupted' "
                             "WHERE state = 'reading'");
    if (!err) return store_finish(db, "closed");
    store_close(db);
    return err;
}

enum err cap_close(struct cap *c, int exit_code)
{
    if (!c) return ERR_OK;
    if (c->child) return ERR_OK; /* the parent's threads and files are not the child's */
    struct drain_lost lost = {0};
    cap_unregister(c);
    enum err err = drain_close(c->drain, &lost);
    if (!err) err = write_end(c, exit_code);
    enum err closed = store_writer_close(c->writer, err ? NULL : "closed");
    if (!err) err = closed;
    ring_remove(&c->ring);
    if (err) {
        if (!lost.why[0]) snprintf(lost.why, sizeof lost.why, "%s", err_text());
        if (finish_after_failure(c, &lost)) err_clear();
        err = err_set(err, "%s", lost.why);
    }
    cap_free(c);
    return err;
}
