/* import.c - an import as a whole: its runs, its workers, its file. */
#include "capture/import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "capture/import_debug.h"
#include "capture/import_log.h"
#include "store/base/clock.h"
#include "store/db.h"

enum { JOBS = 64 };

/* ---- runs ---- */

void torch_run_init(struct torch_run *run, struct store_writer *w)
{
    *run = (struct torch_run){.dirty = true};
    pthread_mutex_init(&run->lock, NULL);
    run->row.id = store_next_id(w, STORE_RUN);
    run->row.start_ts = run->row.end_ts = run->row.exit_code = run->row.seed = run->row.world =
        STORE_NULL;
}

void torch_run_release(struct torch_run *run)
{
    arena_release(&run->keep);
    pthread_mutex_destroy(&run->lock);
}

enum err torch_run_write(struct torch_run *run, struct store_batch *batch)
{
    pthread_mutex_lock(&run->lock);
    enum err err = run->dirty ? store_run_add(batch, &run->row) : ERR_OK;
    run->dirty = false;
    pthread_mutex_unlock(&run->lock);
    return err;
}

/* Several processes of one rank are not wrong (each has its log), but worth knowing. */
static enum err note_ranks(const struct import_list *list, int run, struct store_batch *batch)
{
    for (size_t i = 0; i < list->logs.n; i++) {
        const struct import_log *a = &list->logs.p[i];
        for (size_t k = 0; k < i && a->run == run && a->rank != STORE_NULL; k++) {
            const struct import_log *b = &list->logs.p[k];
            if (b->run != run || b->rank != a->rank) continue;
            char message[512];
            snprintf(message, sizeof message,
                     "rank %lld has more than one log: %.200s and %.200s are kept apart",
                     (long long)a->rank, b->name, a->name);
            struct row_diag row = {clock_real(), 1, SPAN("import"), span_of(message)};
            TRY(store_diag_add(batch, &row));
            break;
        }
    }
    return ERR_OK;
}

static int64_t ranks_of(const struct import_list *list, int run)
{
    int64_t highest = -1;
    for (size_t i = 0; i < list->logs.n; i++)
        if (list->logs.p[i].run == run && list->logs.p[i].rank != STORE_NULL &&
            list->logs.p[i].rank > highest)
            highest = list->logs.p[i].rank;
    return highest < 0 ? STORE_NULL : highest + 1;
}

static enum err write_runs(struct import_shared *s)
{
    struct store_batch *batch = store_batch_new();
    enum err err = batch ? ERR_OK : err_set(ERR_NOMEM, "out of memory for a batch");
    for (size_t i = 0; i < s->list->runs.n && !err; i++) {
        struct torch_run *run = s->list->runs.p[i].run;
        if (run->row.world == STORE_NULL) run->row.world = ranks_of(s->list, (int)i);
        run->dirty = true;
        err = note_ranks(s->list, (int)i, batch);
        if (!err) err = torch_run_write(run, batch);
    }
    s->counts.runs = (int64_t)s->list->runs.n;
    if (!err) return store_submit(s->writer, batch);
    store_batch_free(batch);
    return err;
}

/* ---- workers ---- */

struct crew {
    struct import_shared *shared;
    _Atomic size_t next; /* log */
    _Atomic int working;
    pthread_mutex_t lock; /* guards err, why */
    enum err err;
    char why[1024];
};

static void *worker_main(void *context)
{
    struct crew *crew = context;
    struct import_shared *s = crew->shared;
    for (;;) {
        size_t i = atomic_fetch_add(&crew->next, 1);
        if (i >= s->list->logs.n || import_stopped(s)) break;
        enum err err = import_log_read(s, &s->list->logs.p[i]);
        if (!err) continue;
        atomic_store(&s->stop, true);
        pthread_mutex_lock(&crew->lock);
        if (!crew->err || crew->err == ERR_CANCELLED) {
            crew->err = err;
            snprintf(crew->why, sizeof crew->why, "%s", err_text());
        }
        pthread_mutex_unlock(&crew->lock);
    }
    atomic_fetch_sub(&crew->working, 1);
    return NULL;
}

static void show_progress(struct import_shared *s, int64_t total)
{
    struct import_progress now = {
        .done = atomic_load(&s->disk),
        .total = total,
        .text = atomic_load(&s->text),
        .logs = (int)s->list->logs.n,
        .logs_done = atomic_load(&s->logs_done),
    };
    if (s->request->progress) s->request->progress(s->request->context, &now);
}

static int64_t total_size(const struct import_list *list)
{
    int64_t total = 0;
    for (size_t i = 0; i < list->logs.n; i++) {
        if (!list->logs.p[i].size) return 0;
        total += list->logs.p[i].size;
    }
    return total;
}

static void wait_for(struct crew *crew)
{
    int64_t total = total_size(crew->shared->list);
    for (int tick = 0; atomic_load(&crew->working); tick++) {
        nanosleep(&(struct timespec){.tv_nsec = 5 * 1000 * 1000}, NULL);
        if (tick % 20 == 19) show_progress(crew->shared, total);
    }
    show_progress(crew->shared, total);
}

static enum err read_all(struct import_shared *s)
{
    struct crew crew = {.shared = s};
    pthread_t threads[JOBS];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int jobs = s->request->jobs > 0 ? s->request->jobs : (int)processors, made = 0;
    if (jobs > JOBS) jobs = JOBS;
    if ((size_t)jobs > s->list->logs.n) jobs = (int)s->list->logs.n;
    pthread_mutex_init(&crew.lock, NULL);
    atomic_store(&crew.working, jobs);
    while (made < jobs && !pthread_create(&threads[made], NULL, worker_main, &crew)) made++;
    atomic_fetch_sub(&crew.working, jobs - made);
    if (made) wait_for(&crew);
    for (int i = 0; i < made; i++) pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&crew.lock);
    if (!made) FAIL(ERR_NOMEM, "no thread for an import");
    return crew.err ? err_set(crew.err, "%s", crew.why) : ERR_OK;
}

/* ---- the whole ---- */

static enum err no_record(const struct import_list *list)
{
    const char *path = list->logs.p[0].path;
    if (list->logs.n > 1)
        FAIL(ERR_FORMAT,
             "none of the %zu files, the first of which is %s, has a TORCH_TRACE record or is a "
             "DebugMode log",
             list->logs.n, path);
    FAIL(ERR_FORMAT,
         "%s has no TORCH_TRACE record: expected lines like 'V1123 04:22:04.458000 3806 "
         "torch/file.py:1] {...}', or a DebugMode log",
         path);
}

static enum err run_import(struct import_shared *s)
{
    const struct import_request *q = s->request;
    for (int i = 0; i < q->n_paths; i++) {
        if (strcmp(q->paths[i], "-") && access(q->paths[i], F_OK))
            FAIL(ERR_NOT_FOUND, "%s cannot be opened: %s", q->paths[i], strerror(errno));
        if (q->follow && strcmp(q->paths[i], "-") && import_is_calls(q->paths[i]))
            FAIL(ERR_USAGE,
                 "%s is a DebugMode log, which is written as a whole: import it without --follow",
                 q->paths[i]);
        TRY(import_list_add(s->list, q->paths[i], !q->follow));
    }
    if (q->latest) import_list_latest(s->list);
    if (q->digests && s->list->logs.n != 1)
        FAIL(ERR_USAGE, "--digests goes with one DebugMode log, and %zu logs are given",
             s->list->logs.n);
    if (q->follow) {
        TRY(import_follow(s));
    } else {
        TRY(import_list_runs(s->list, s->writer));
        TRY(read_all(s));
        s->counts.interrupted = q->stop && atomic_load(q->stop);
        if (!s->counts.records && !s->counts.call_logs && s->counts.bytes)
            return no_record(s->list);
    }
    return write_runs(s);
}

enum err import_into(struct store_writer *w, const struct import_request *request,
                     struct import_counts *out)
{
    struct import_list list = {.given = request->run};
    struct import_shared s = {.writer = w, .request = request, .list = &list};
    pthread_mutex_init(&s.lock, NULL);
    enum err err = run_import(&s);
    pthread_mutex_destroy(&s.lock);
    import_list_release(&list);
    if (out) *out = s.counts;
    return err;
}

int64_t import_strict_losses(const struct import_counts *counts, bool tlparse)
{
    int64_t n = 0;
    for (int k = 0; k < TORCH_N_LOSSES; k++)
        if (tlparse ? torch_loss_rules[k].tlparse : torch_loss_rules[k].strict)
            n += counts->losses[k];
    return n;
}

/* ---- into a file ---- */

/* SQLite's files beside a database that is no more. */
static void remove_beside(const char *path)
{
    struct buf name = {0};
    static const char *const beside[] = {"-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        buf_clear(&name);
        buf_printf(&name, "%s%s", path, beside[i]);
        if (!name.failed) unlink(name.p);
    }
    buf_release(&name);
}

static void remove_file(const char *path)
{
    unlink(path);
    remove_beside(path);
}

/* An import can be repeated, so it need not wait for the disk: what is committed survives a killed
 * program, though not a power cut. What is followed is there once only. */
static enum err make_file(const char *path, const struct import_target *to, bool follow,
                          sqlite3 **out)
{
    TRY(store_create(path, out));
    enum err err = follow ? ERR_OK : store_exec(*out, "PRAGMA synchronous=OFF");
    if (!err && to->command) err = store_meta_put(*out, "import_command", to->command);
    if (err) store_close(*out);
    return err;
}

static enum err fill_file(const char *path, const struct import_target *to,
                          const struct import_request *request, struct import_counts *out)
{
    sqlite3 *db;
    struct store_writer *w;
    TRY(make_file(path, to, request->follow, &db));
    TRY(store_writer_new(db, &w));
    enum err err = import_into(w, request, out);
    char why[1024];
    snprintf(why, sizeof why, "%s", err ? err_text() : "");
    enum err closing = store_writer_close(w, err ? NULL : "closed");
    return err ? err_set(err, "%s", why) : closing;
}

/* What may stay after a failure: nothing that is no use. Where the disk was full, what was
 * committed is worth having. */
static enum err after_failure(enum err err, const char *path)
{
    if (err == ERR_EXISTS) return err;
    if (err != ERR_FULL && err != ERR_IO) {
        remove_file(path);
        return err;
    }
    char why[900];
    snprintf(why, sizeof why, "%s", err_text());
    return err_set(err, "%s; what was read until then is in %s, and plumb doctor closes it", why,
                   path);
}

enum err import_to_file(const struct import_target *to, const struct import_request *request,
                        struct import_counts *out)
{
    bool replaces = access(to->path, F_OK) == 0;
    *out = (struct import_counts){0};
    if (replaces && !to->overwrite)
        FAIL(ERR_EXISTS, "%s exists; --overwrite replaces it", to->path);
    struct buf path = {0};
    buf_puts(&path, to->path);
    if (replaces)
        buf_printf(&path, ".new-%08llx",
                   (unsigned long long)(clock_real() ^ getpid()) & 0xffffffff);
    enum err err = buf_ok(&path);
    if (err) return err;
    err = fill_file(path.p, to, request, out);
    if (err) err = after_failure(err, path.p);
    if (!err && replaces && out->interrupted && !request->follow) {
        remove_file(path.p);
        err = err_set(ERR_CANCELLED, "the import was interrupted; %s is as it was", to->path);
    } else if (!err && replaces) {
        remove_beside(to->path);
        if (rename(path.p, to->path))
            err = err_set(ERR_IO, "%s cannot be renamed to %s: %s", path.p, to->path,
                          strerror(errno));
    }
    buf_release(&path);
    return err;
}
