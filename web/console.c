/* console.c - see console.h. `lock` guards the slots' bookkeeping; a slot in use belongs to its
 * worker but for guard.cancel, which is atomic, and `done`, which the watchdog waits for. */
#include "web/console.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/base/clock.h"
#include "store/db.h"
#include "web/server.h"

enum { LOOK_NS = 50000000 };

struct console {
    bool used;
    int64_t id, began_ns;
    char sql[120];
    sqlite3 *db; /* stays open when the slot is idle */
    char *path;  /* of the file it is open on, owned */
    int generation;
    struct store_console guard;
    struct web_job *job;
    pthread_t watchdog;
    bool watched, done;
    pthread_cond_t wake;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct console slots[CONSOLE_SLOTS] = {{.wake = PTHREAD_COND_INITIALIZER},
                                              {.wake = PTHREAD_COND_INITIALIZER}};
static int64_t last_id;

static void *watch(void *context)
{
    struct console *c = context;
    pthread_mutex_lock(&lock);
    while (!c->done) {
        int64_t until = clock_real() + LOOK_NS;
        struct timespec t = {until / 1000000000, until % 1000000000};
        if (pthread_cond_timedwait(&c->wake, &lock, &t) != ETIMEDOUT) continue;
        if (web_client_left(c->job) || c->job->server->stopping) store_console_cancel(&c->guard);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void forget(struct console *c)
{
    if (c->db) store_close(c->db);
    free(c->path);
    c->db = NULL;
    c->path = NULL;
}

/* A free slot, one that is open on the wanted file if there is one; marked as used. */
static struct console *take(const char *path, int generation, const char *sql, int64_t limit_ns)
{
    struct console *best = NULL;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < CONSOLE_SLOTS; i++) {
        struct console *c = &slots[i];
        bool fits = c->path && !strcmp(c->path, path) && c->generation == generation;
        if (!c->used && (!best || fits)) best = c;
    }
    if (best) {
        best->used = true;
        best->done = best->watched = false;
        best->id = ++last_id;
        best->began_ns = clock_mono();
        snprintf(best->sql, sizeof best->sql, "%s", sql);
        store_console_start(&best->guard,
                            limit_ns); /* before anybody can see it and ask it to stop */
    }
    pthread_mutex_unlock(&lock);
    return best;
}

static enum err open_slot(struct console *c, const char *path, int generation, bool live)
{
    if (c->db && c->path && !strcmp(c->path, path) && c->generation == generation && !live)
        return ERR_OK;
    forget(c);
    c->path = strdup(path);
    if (!c->path) FAIL(ERR_NOMEM, "out of memory for a console");
    c->generation = generation;
    TRY(store_open_read(path, STORE_OPEN_UNCHECKED,
                        &c->db)); /* the pages' connections have checked it */
    return store_console_limits(c->db, &c->guard);
}

enum err console_open(struct web_request *q, const char *sql, int64_t limit_ns,
                      struct console **out)
{
    struct web_job *job = web_job_of(q);
    struct console *c = take(job->shown->path, job->generation, sql, limit_ns);
    *out = NULL;
    if (!c)
        FAIL(ERR_LIMIT, "%d statements are running already; wait for one, or stop it",
             CONSOLE_SLOTS);
    enum err err = open_slot(c, job->shown->path, job->generation, q->live);
    c->job = job;
    if (!err && pthread_create(&c->watchdog, NULL, watch, c))
        err = err_set(ERR_LIMIT, "no thread can be started");
    else if (!err) c->watched = true;
    if (err) {
        forget(c); /* it may be open and not guarded */
        console_close(c);
        return err;
    }
    *out = c;
    return ERR_OK;
}

void console_close(struct console *c)
{
    pthread_mutex_lock(&lock);
    c->done = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&lock);
    if (c->watched) pthread_join(c->watchdog, NULL);
    pthread_mutex_lock(&lock);
    c->used = false;
    c->job = NULL;
    pthread_mutex_unlock(&lock);
}

sqlite3 *console_db(const struct console *c)
{
    return c->db;
}
enum err console_error(struct console *c, enum err err)
{
    return store_console_error(&c->guard, err);
}
bool console_timed_out(const struct console *c)
{
    return c->guard.timed_out;
}

int console_list(struct console_info out[CONSOLE_SLOTS])
{
    int n = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < CONSOLE_SLOTS; i++) {
        const struct console *c = &slots[i];
        if (!c->used) continue;
        out[n] = (struct console_info){.id = c->id, .running_ns = clock_mono() - c->began_ns};
        memcpy(out[n++].sql, c->sql, sizeof c->sql);
    }
    pthread_mutex_unlock(&lock);
    return n;
}

bool console_cancel(int64_t id)
{
    bool found = false;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < CONSOLE_SLOTS; i++) {
        if (!slots[i].used || slots[i].id != id) continue;
        store_console_cancel(&slots[i].guard);
        found = true;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

void console_release(void)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < CONSOLE_SLOTS; i++)
        if (!slots[i].used) forget(&slots[i]);
    pthread_mutex_unlock(&lock);
}
