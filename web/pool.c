/* pool.c - the query threads: each has a connection of its own per file, runs one job at a time,
 * and fills its answer.
 *
 * A closed file's connection is kept. A live file's is closed after each job, since a writer that
 * ends must be alone to leave WAL. A file that was replaced (another inode, size or time) is
 * opened again and its cached answers are no longer found. Each statement runs under a progress
 * handler that looks at the deadline, at the client (gone?) and at the end of the server.
 */
#include "web/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <zlib.h>

#include "store/base/clock.h"

enum { MAX_STATEMENTS = 160, PROGRESS_STEPS = 2000, GZIP_AT = 4096 };

struct web_worker {
    struct web_server *server;
    struct web_open *open; /* one per file */
    int64_t looked_ns;     /* when the client was last looked at */
};

/* ---- files ---- */

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int web_file_generation(struct web_server *s, struct web_file *f, int64_t *size)
{
    struct stat now;
    bool known = stat(f->path, &now) == 0;
    pthread_mutex_lock(&s->lock);
    if (known && !same_file(&now, &f->seen)) {
        f->seen = now;
        f->generation++;
    }
    int generation = f->generation;
    *size = f->seen.st_size;
    pthread_mutex_unlock(&s->lock);
    return generation;
}

static void drop_statements(struct web_open *o)
{
    for (size_t i = 0; i < o->statements.n; i++) {
        sqlite3_finalize(o->statements.p[i].s);
        free((char *)o->statements.p[i].name);
    }
    o->statements.n = 0;
}

static void close_file(struct web_open *o)
{
    drop_statements(o);
    LIST_RELEASE(&o->statements);
    text_reader_free(o->text);
    if (o->db) store_close(o->db);
    *o = (struct web_open){0};
}

static enum err open_file(struct web_file *f, int generation, struct web_open *o)
{
    if (o->db && o->generation == generation && !o->live) return ERR_OK;
    close_file(o);
    char state[32];
    enum err err =
        store_open_read(f->path, f->checked && generation <= 1 ? STORE_OPEN_UNCHECKED : 0, &o->db);
    if (!err) err = text_reader_new(o->db, &o->text);
    if (!err) err = store_meta_get(o->db, "state", state, sizeof state);
    if (err) {
        close_file(o);
        return err_wrap(err, "%s: ", f->shown);
    }
    o->generation = generation;
    o->live = !strcmp(state, "live");
    return ERR_OK;
}

/* ---- statements ---- */

enum err web_statement(struct web_request *q, const char *name, const char *sql, sqlite3_stmt **out)
{
    struct web_open *o = web_job_of(q)->open;
    for (size_t i = 0; i < o->statements.n; i++) {
        if (strcmp(o->statements.p[i].name, name)) continue;
        *out = o->statements.p[i].s;
        sqlite3_reset(*out);
        return ERR_OK;
    }
    char *kept = strdup(name);
    struct web_statement *entry = kept ? LIST_PUSH(&o->statements) : NULL;
    if (!entry) {
        free(kept);
        FAIL(ERR_NOMEM, "out of memory for a statement");
    }
    *entry = (struct web_statement){kept, NULL};
    enum err err = sql ? store_prepare(o->db, sql, out) : store_query_prepare(o->db, name, out);
    if (err) {
        free(kept);
        o->statements.n--;
        return err;
    }
    entry->s = *out;
    return ERR_OK;
}

/* ---- stopping ---- */

bool web_client_left(struct web_job *job)
{
    char byte;
    pthread_mutex_lock(&job->lock);
    bool gone = job->gone;
    pthread_mutex_unlock(&job->lock);
    if (gone || job->socket < 0) return gone;
    ssize_t n = recv(job->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

struct watch {
    struct web_worker *worker;
    struct web_job *job;
};

/* SQLite's progress handler: non-zero interrupts the statement. */
static int on_progress(void *context)
{
    struct watch *w = context;
    int64_t now = clock_mono();
    if (w->job->q.deadline_ns && now > w->job->q.deadline_ns) return 1;
    if (now - w->worker->looked_ns < 50000000) return 0;
    w->worker->looked_ns = now;
    return w->worker->server->stopping || web_client_left(w->job);
}

/* ---- the run that is shown ---- */

static enum err read_run(struct web_request *q)
{
    static const char sql[] = "SELECT r.id, r.name, (SELECT count(*) FROM run), "
                              "(SELECT count(*) FROM source_file f WHERE f.run = r.id) FROM run r "
                              "WHERE :name IS NULL OR r.name = :name ORDER BY r.start_ts IS NULL, "
                              "r.start_ts, r.id LIMIT 1";
    static const char count_sql[] = "SELECT count(*) FROM run";
    sqlite3_stmt *s;
    enum err err;
    const char *name = web_param(q, "run");
    TRY(web_statement(q, "server: run", sql, &s));
    sqlite3_clear_bindings(s);
    if (name) TRY(store_bind_text(s, ":name", name, -1));
    if (web_step(q, s, &err)) {
        q->run = sqlite3_column_int64(s, 0);
        q->run_name = web_keep(q, store_column_text(s, 1));
        q->n_runs = sqlite3_column_int(s, 2);
        q->n_logs = sqlite3_column_int(s, 3);
        sqlite3_reset(s);
        return ERR_OK;
    }
    TRY(err);
    TRY(web_statement(q, "server: runs", count_sql, &s));
    if (web_step(q, s, &err)) q->n_runs = sqlite3_column_int(s, 0);
    sqlite3_reset(s);
    return err;
}

/* ---- one job ---- */

static void render_error(struct web_request *q, enum err err, struct html *h)
{
    buf_clear(&h->out);
    q->content_type = NULL;
    q->download = NULL;
    bool slow = err == ERR_CANCELLED;
    q->status = err == ERR_NOT_FOUND                   ? 404
                : slow                                 ? 503
                : err == ERR_LIMIT || err == ERR_USAGE ? 400
                                                       : 500;
    q->title = err == ERR_NOT_FOUND ? SPAN("Not there")
               : slow               ? SPAN("Stopped")
                                    : SPAN("This page failed");
    buf_clear(&q->mark.out);
    buf_clear(&q->actions.out);
    buf_clear(&q->drawer.out);
    if (slow)
        web_state(h, WEB_ERROR, "A query ran longer than its limit and was stopped.",
                  "Nothing was changed. `plumb sql FILE --named NAME` runs a page's query without "
                  "a limit.");
    else web_state(h, err == ERR_NOT_FOUND ? WEB_NO_MATCH : WEB_ERROR, err_text(), NULL);
    web_job_of(q)->no_store = true;
}

static void no_such_run(struct web_request *q, struct html *h)
{
    q->status = 404;
    q->title = SPAN("No such run");
    web_state(
        h, WEB_NO_MATCH,
        arena_printf(&q->arena, "No run in this file is called \xe2\x80\x9c%s\xe2\x80\x9d.",
                     web_param(q, "run")),
        arena_printf(&q->arena,
                     "%d runs were looked at; the list above, at the file's name, has them all.",
                     q->n_runs));
    web_job_of(q)->no_store = true;
}

static void render(struct web_job *job, struct html *h)
{
    struct web_request *q = &job->q;
    enum err err = ERR_OK;
    if (web_param(q, "run") && !q->run_name.p) no_such_run(q, h);
    else err = q->page->render(q, h);
    if (!err) err = html_ok(h);
    if (err && job->state == JOB_STREAMING) job->failed = true;
    else if (err) render_error(q, err, h);
}

static void compress_answer(struct web_job *job)
{
    z_stream z = {0};
    if (!job->wants_gzip || job->out.n < GZIP_AT || job->location) return;
    struct buf packed = {0};
    if (deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK) return;
    size_t bound = deflateBound(&z, job->out.n);
    char *room = buf_reserve(&packed, bound);
    z.next_in = (unsigned char *)job->out.p, z.avail_in = (unsigned)job->out.n;
    z.next_out = (unsigned char *)room, z.avail_out = room ? (unsigned)bound : 0;
    bool done = room && deflate(&z, Z_FINISH) == Z_STREAM_END;
    packed.n = z.total_out;
    deflateEnd(&z);
    if (!done) {
        buf_release(&packed);
        return;
    }
    buf_release(&job->out);
    job->out = packed;
    job->gzipped = true;
}

static void finish(struct web_job *job, struct html *body)
{
    struct html page = {0};
    bool framed = job->state != JOB_STREAMING && !job->q.content_type && !job->location;
    if (framed) web_frame(&job->q, body, &page);
    pthread_mutex_lock(&job->lock);
    if (job->state == JOB_STREAMING) {
        buf_span(&job->out, buf_text(&body->out));
        html_release(body);
    } else {
        job->out = framed ? page.out : body->out;
        if (framed) html_release(body);
        *body = (struct html){0};
        compress_answer(job);
    }
    job->state = JOB_DONE;
    web_job_wake(job);
    pthread_mutex_unlock(&job->lock);
}

static void wait_a_little(struct web_job *job)
{
    int64_t until = clock_real() + 100000000;
    struct timespec t = {until / 1000000000, until % 1000000000};
    pthread_cond_timedwait(&job->room, &job->lock, &t);
}

enum err web_flush(struct web_request *q, struct html *h)
{
    struct web_job *job = web_job_of(q);
    TRY(html_ok(h));
    pthread_mutex_lock(&job->lock);
    while (job->out.n - job->sent > WEB_STREAM_SIZE && !job->gone && !job->server->stopping)
        wait_a_little(job);
    buf_span(&job->out, buf_text(&h->out));
    bool gone = job->gone || job->out.failed || job->server->stopping;
    job->state = JOB_STREAMING;
    web_job_wake(job);
    pthread_mutex_unlock(&job->lock);
    buf_clear(&h->out);
    if (gone) FAIL(ERR_CANCELLED, "the client went away");
    return ERR_OK;
}

static void run_job(struct web_worker *w, struct web_job *job)
{
    struct web_request *q = &job->q;
    struct web_open *o = &w->open[q->file];
    struct html body = {0};
    job->open = o;
    enum err err = open_file(job->shown, job->generation, o);
    if (!err) {
        struct watch watch = {w, job};
        if (o->statements.n > MAX_STATEMENTS) drop_statements(o);
        q->db = o->db, q->text = o->text, q->live = o->live;
        q->deadline_ns = clock_mono() + (int64_t)WEB_QUERY_LIMIT_S * 1000000000;
        sqlite3_progress_handler(o->db, PROGRESS_STEPS, on_progress, &watch);
        err = read_run(q);
        if (err) render_error(q, err, &body);
        else render(job, &body);
        q->deadline_ns = 0; /* the frame is always written */
        finish(job, &body);
        sqlite3_progress_handler(o->db, 0, NULL, NULL);
        if (o->live) close_file(o);
        return;
    }
    q->content_type = "text/html; charset=utf-8";
    q->status = 500;
    job->no_store = true;
    web_plain(&body, "This file cannot be shown", err_text(), NULL);
    finish(job, &body);
}

static struct web_job *take_job(struct web_server *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->first && !s->stopping) pthread_cond_wait(&s->work, &s->lock);
    struct web_job *job = s->first;
    if (job) s->first = job->next;
    if (!s->first) s->last = NULL;
    pthread_mutex_unlock(&s->lock);
    return job;
}

/* Opens the first file before anybody asks: checking a schema takes some 15 ms. What fails here is
 * said to the one who asks. */
static void open_ahead(struct web_worker *w)
{
    struct web_file *first = &w->server->files[0];
    int64_t size;
    if (open_file(first, web_file_generation(w->server, first, &size), &w->open[0])) err_clear();
    else if (w->open[0].live) close_file(&w->open[0]);
}

static void *work(void *context)
{
    struct web_worker w = {.server = context};
    w.open = calloc((size_t)w.server->n_files, sizeof *w.open);
    if (w.open && w.server->n_files) open_ahead(&w);
    for (struct web_job *job; w.open && (job = take_job(w.server));)
        run_job(&w, job), web_job_drop(job);
    for (int i = 0; w.open && i < w.server->n_files; i++) close_file(&w.open[i]);
    free(w.open);
    return NULL;
}

bool web_pool_add(struct web_server *s, struct web_job *job)
{
    pthread_mutex_lock(&s->lock);
    if (s->stopping) {
        pthread_mutex_unlock(&s->lock);
        return false;
    }
    job->next = NULL;
    if (s->last) s->last->next = job;
    else s->first = job;
    s->last = job;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->lock);
    return true;
}

enum err web_pool_start(struct web_server *s)
{
    for (; s->n_workers < WEB_WORKERS; s->n_workers++) {
        int rc = pthread_create(&s->workers[s->n_workers], NULL, work, s);
        if (rc) FAIL(ERR_NOMEM, "a query thread cannot be started: %s", strerror(rc));
    }
    return ERR_OK;
}

void web_pool_stop(struct web_server *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < s->n_workers; i++) pthread_join(s->workers[i], NULL);
    s->n_workers = 0;
}
