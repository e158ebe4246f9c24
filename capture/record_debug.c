/* record_debug.c - the provider debug_mode: a Python program runs under PyTorch's DebugMode and
 * streams its calls into files of a private folder, which a thread here follows.
 *
 *   PYTHONPATH = folder ─► sitecustomize ─► plumb_debug_mode ─► calls-PID-THREAD.jsonl ─► rows
 *
 * What has been read is cut out of the files (their holes take no space), so that a long run fills
 * neither memory nor disk.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "capture/debug_stream.h"
#include "capture/record.h"
#include "store/base/clock.h"

enum { PORTION = 1 << 20, LINE_MAX_SIZE = 64 << 20 };
#define LOOK_NS   (50 * 1000 * 1000)
#define DIG_BYTES (INT64_C(16) << 20)

/* One file that grows. */
struct tail {
    char *name; /* owned */
    int fd;
    struct debug_stream stream;
    struct buf waiting; /* bytes behind the last newline */
    int64_t read, dug;  /* bytes read, and of them cut out */
};
struct debug_mode {
    char folder[4096];
    pthread_t thread;
    bool running;
    atomic_bool stop;
    struct record_session *session;
    LIST_OF(struct tail *) tails;
    enum err err;
    char why[1024];
};

/* ---- the folder ---- */

static enum err write_file(const char *folder, const char *name, const char *text)
{
    struct buf path = {0};
    buf_printf(&path, "%s/%s", folder, name);
    TRY(buf_ok(&path));
    FILE *f = fopen(path.p, "we");
    bool good = f && fputs(text, f) >= 0;
    good = f && !fclose(f) && good;
    buf_release(&path);
    if (!good) FAIL(ERR_IO, "%s cannot be written in %s: %s", name, folder, strerror(errno));
    return ERR_OK;
}

static enum err make_folder(struct debug_mode *d)
{
    TRY(record_make_folder(d->folder, sizeof d->folder));
    for (const struct record_file *f = record_python; f->name; f++) {
        bool first = !strcmp(f->name, "plumb_sitecustomize.py");
        TRY(write_file(d->folder, first ? "sitecustomize.py" : f->name, f->text));
    }
    return ERR_OK;
}

static enum err set_environment(struct record_session *s, struct debug_mode *d)
{
    const char *before = getenv("PYTHONPATH");
    struct buf path = {0};
    buf_printf(&path, "%s%s%s", d->folder, before && *before ? ":" : "", before ? before : "");
    enum err err = buf_ok(&path);
    if (!err) err = record_set_env(s, "PYTHONPATH", path.p);
    buf_release(&path);
    if (!err) err = record_set_env(s, "PLUMB_DEBUG_FOLDER", d->folder);
    return err ? err : record_set_env(s, "PLUMB_DEBUG_MODE", s->debug_mode);
}

static enum err prepare(struct record_session *s, void **state)
{
    if (!s->debug_mode) return ERR_OK;
    struct debug_mode *d = calloc(1, sizeof *d);
    if (!d) FAIL(ERR_NOMEM, "out of memory for the provider debug_mode");
    *state = d;
    d->session = s;
    TRY(make_folder(d));
    return set_environment(s, d);
}

/* ---- files come and grow ---- */

static void tail_free(struct tail *t)
{
    if (!t) return;
    if (t->fd >= 0) close(t->fd);
    debug_stream_release(&t->stream);
    buf_release(&t->waiting);
    free(t->name);
    free(t);
}

static enum err tail_new(struct debug_mode *d, const char *name, struct tail **out)
{
    struct buf path = {0};
    struct tail *t = *out = calloc(1, sizeof *t);
    if (!t) FAIL(ERR_NOMEM, "out of memory for a log of calls");
    t->name = strdup(name);
    t->fd = -1;
    buf_printf(&path, "%s/%s", d->folder, name);
    enum err err = t->name ? buf_ok(&path) : err_set(ERR_NOMEM, "out of memory for a name");
    if (!err && (t->fd = open(path.p, O_RDWR | O_CLOEXEC)) < 0)
        err = err_set(ERR_IO, "%s cannot be opened: %s", path.p, strerror(errno));
    if (!err)
        err = debug_stream_init(&t->stream, d->session->writer, &d->session->run, span_of(t->name));
    buf_release(&path);
    return err;
}

static bool is_known(const struct debug_mode *d, const char *name)
{
    for (size_t i = 0; i < d->tails.n; i++)
        if (!strcmp(d->tails.p[i]->name, name)) return true;
    return false;
}

static enum err look_for_files(struct debug_mode *d)
{
    DIR *folder = opendir(d->folder);
    if (!folder) FAIL(ERR_IO, "%s cannot be read: %s", d->folder, strerror(errno));
    enum err err = ERR_OK;
    for (struct dirent *e; !err && (e = readdir(folder));) {
        if (strncmp(e->d_name, "calls-", 6) || is_known(d, e->d_name)) continue;
        struct tail *t = NULL, **slot;
        err = tail_new(d, e->d_name, &t);
        slot = err ? NULL : LIST_PUSH(&d->tails);
        if (slot) *slot = t;
        else tail_free(t);
        if (!err && !slot) err = err_set(ERR_NOMEM, "out of memory for logs of calls");
    }
    closedir(folder);
    return err;
}

/* The whole lines of what waits. */
static enum err take_lines(struct tail *t)
{
    size_t at = 0;
    for (char *end; (end = memchr(t->waiting.p + at, '\n', t->waiting.n - at));) {
        struct span line = {t->waiting.p + at, (size_t)(end - t->waiting.p) - at};
        TRY(debug_stream_line(&t->stream, line));
        at += line.n + 1;
    }
    memmove(t->waiting.p, t->waiting.p + at, t->waiting.n - at);
    t->waiting.n -= at;
    if (t->waiting.n > LINE_MAX_SIZE)
        FAIL(ERR_LIMIT, "a line of %s has more than %d MiB", t->name, LINE_MAX_SIZE >> 20);
    return ERR_OK;
}

/* Gives back the space of what was read, where the file system can. */
static void dig(struct tail *t)
{
    if (t->read - t->dug < DIG_BYTES) return;
    (void)!fallocate(t->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, t->read);
    t->dug = t->read;
}

static enum err read_new(struct tail *t)
{
    for (ssize_t n = 1; n > 0;) {
        char *to = buf_reserve(&t->waiting, PORTION);
        if (!to) FAIL(ERR_NOMEM, "out of memory for a log of calls");
        n = pread(t->fd, to, PORTION, t->read);
        if (n < 0) FAIL(ERR_IO, "%s cannot be read: %s", t->name, strerror(errno));
        t->waiting.n += (size_t)n;
        t->read += n;
        if (n) TRY(take_lines(t));
        dig(t);
    }
    return debug_stream_flush(&t->stream);
}

static enum err look(struct debug_mode *d)
{
    TRY(look_for_files(d));
    for (size_t i = 0; i < d->tails.n; i++) TRY(read_new(d->tails.p[i]));
    return ERR_OK;
}

static enum err follow_all(struct debug_mode *d)
{
    while (!atomic_load(&d->stop)) {
        TRY(look(d));
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
    }
    TRY(look(d));
    for (size_t i = 0; i < d->tails.n; i++)
        TRY(debug_stream_finish(&d->tails.p[i]->stream, d->tails.p[i]->waiting.n));
    return ERR_OK;
}

static void *follow(void *context)
{
    struct debug_mode *d = context;
    d->err = follow_all(d);
    if (d->err) snprintf(d->why, sizeof d->why, "%s", err_text());
    return NULL;
}

static enum err start(struct record_session *s, void *state)
{
    struct debug_mode *d = state;
    (void)s;
    if (!d) return ERR_OK;
    if (pthread_create(&d->thread, NULL, follow, d)) FAIL(ERR_LIMIT, "no thread for calls");
    d->running = true;
    return ERR_OK;
}

static enum err poll(struct record_session *s, void *state)
{
    (void)s;
    (void)state;
    return ERR_OK;
}

/* ---- the end ---- */

static void join(struct debug_mode *d)
{
    atomic_store(&d->stop, true);
    if (d->running) pthread_join(d->thread, NULL);
    d->running = false;
}

static void print_counts(struct record_session *s, const struct debug_mode *d)
{
    int64_t calls = 0, lost = 0;
    size_t logs = 0;
    for (size_t i = 0; i < d->tails.n; i++) {
        const struct debug_stream *t = &d->tails.p[i]->stream;
        calls += t->import.log.calls, lost += t->lost + t->import.loss_rows;
        logs += t->import.log.calls > 0;
        if (t->refused[0]) fprintf(s->notes, "plumb record: debug_mode: %s\n", t->refused);
    }
    fprintf(s->notes, "plumb record: %lld calls of %zu thread%s", (long long)calls, logs,
            logs == 1 ? "" : "s");
    if (lost) fprintf(s->notes, "; losses: %lld", (long long)lost);
    fputc('\n', s->notes);
}

static enum err finish(struct record_session *s, void *state, bool *any)
{
    struct debug_mode *d = state;
    if (!d) return ERR_OK;
    join(d);
    if (d->err) return err_set(d->err, "%s; the calls are in %s", d->why, d->folder);
    *any = d->tails.n > 0;
    if (*any) print_counts(s, d);
    else
        fputs("plumb record: debug_mode: no calls were recorded: the command ran no Python that "
              "imports torch, or ran it with -E, -I or -S\n",
              s->notes);
    return ERR_OK;
}

static void release(void *state)
{
    struct debug_mode *d = state;
    if (!d) return;
    join(d);
    for (size_t i = 0; i < d->tails.n; i++) tail_free(d->tails.p[i]);
    LIST_RELEASE(&d->tails);
    if (d->folder[0] && !d->err) record_remove_folder(d->folder);
    free(d);
}

const struct record_provider record_debug_mode = {prepare, start, poll, finish, release};
