/* timeline_hold.c - the timelines that the server has in memory: at most HELD, one per file.
 *
 * A file that was replaced gets a new one; the old one is told to stop, and goes when the last
 * request gave it back.
 */
#include "web/timeline.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/base/clock.h"
#include "web/server.h"

enum { HELD = 3 };

struct timeline_hold {
    pthread_mutex_t lock;
    struct timeline *held[HELD];
    unsigned uses;
};

struct timeline_hold *timeline_hold_new(void)
{
    struct timeline_hold *h = calloc(1, sizeof *h);
    if (h) pthread_mutex_init(&h->lock, NULL);
    return h;
}

static void dispose(struct timeline *t)
{
    if (t->started) pthread_join(t->thread, NULL);
    timeline_release(t);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->done);
    free(t);
}

static void drop(struct timeline_hold *h, struct timeline *t)
{
    pthread_mutex_lock(&h->lock);
    bool last = --t->refs == 0;
    pthread_mutex_unlock(&h->lock);
    if (last) dispose(t);
}

/* Called with the lock held: what is taken out, to be dropped without it. */
static struct timeline *take_out(struct timeline_hold *h, int slot)
{
    struct timeline *t = h->held[slot];
    h->held[slot] = NULL;
    if (t) t->stop = true;
    return t;
}

void timeline_hold_free(struct timeline_hold *h)
{
    if (!h) return;
    for (int i = 0; i < HELD; i++) {
        struct timeline *t = take_out(h, i);
        if (t) drop(h, t);
    }
    pthread_mutex_destroy(&h->lock);
    free(h);
}

/* The slot of a file, else a free one, else the one that was asked for longest ago. */
static int find_slot(const struct timeline_hold *h, int file)
{
    int best = 0;
    for (int i = 0; i < HELD; i++)
        if (h->held[i] && h->held[i]->file == file) return i;
    for (int i = 0; i < HELD; i++) {
        if (!h->held[i]) return i;
        if (h->held[i]->used < h->held[best]->used) best = i;
    }
    return best;
}

/* The file, and the comparisons that are shown beside it: they may say where it differs. */
static bool name_files(struct timeline *t, const struct web_job *job)
{
    int n = 0;
    t->path = strdup(job->shown->path);
    t->shown = strdup(job->shown->shown);
    for (int i = 0; i < job->server->n_files && n < TIMELINE_COMPARISONS; i++) {
        const struct web_file *f = &job->server->files[i];
        if (!f->comparison || f == job->shown) continue;
        t->comparison[n] = strdup(f->path);
        if (!t->comparison[n++]) return false;
    }
    return t->path && t->shown;
}

static enum err begin(const struct web_job *job, struct timeline **out)
{
    struct timeline *t = calloc(1, sizeof *t);
    if (!t || !name_files(t, job)) {
        if (t) timeline_release(t);
        free(t);
        FAIL(ERR_NOMEM, "out of memory for a timeline");
    }
    const struct stat *seen = &job->shown->seen;
    pthread_mutex_lock(&job->server->lock);
    snprintf(t->tag, sizeof t->tag, "%llx-%llx",
             (unsigned long long)seen->st_size ^ (unsigned long long)seen->st_ino << 20,
             (unsigned long long)seen->st_mtim.tv_sec * 1000000000ULL +
                 (unsigned long long)seen->st_mtim.tv_nsec);
    pthread_mutex_unlock(&job->server->lock);
    t->file = job->q.file;
    t->generation = job->generation;
    t->refs = 1;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->done, NULL);
    int rc = pthread_create(&t->thread, NULL, timeline_load, t);
    t->started = !rc;
    *out = t;
    if (!rc) return ERR_OK;
    dispose(t);
    FAIL(ERR_NOMEM, "the thread that reads a timeline cannot be started: %s", strerror(rc));
}

static void wait_for(struct timeline *t, int64_t wait_ns)
{
    int64_t until = clock_real() + wait_ns;
    struct timespec at = {until / 1000000000, until % 1000000000};
    t->readers++;
    pthread_mutex_lock(&t->lock);
    while (t->state == TIMELINE_READING)
        if (pthread_cond_timedwait(&t->done, &t->lock, &at)) break;
    pthread_mutex_unlock(&t->lock);
    t->readers--;
}

enum err timeline_get(struct web_request *q, int64_t wait_ns, struct timeline **out)
{
    struct web_job *job = web_job_of(q);
    struct timeline_hold *h = job->server->timelines;
    struct timeline *old = NULL;
    enum err err = ERR_OK;
    pthread_mutex_lock(&h->lock);
    int slot = find_slot(h, q->file);
    struct timeline *t = h->held[slot];
    if (!t || t->file != q->file || t->generation != job->generation) {
        old = take_out(h, slot);
        err = begin(job, &t);
        if (!err) h->held[slot] = t;
    }
    if (!err) {
        t->refs++;
        t->used = ++h->uses;
    }
    pthread_mutex_unlock(&h->lock);
    if (old) drop(h, old);
    TRY(err);
    wait_for(t, wait_ns);
    *out = t;
    if (t->state != TIMELINE_FAILED) return ERR_OK;
    err = err_set(ERR_IO, "the timeline cannot be read: %s", t->error);
    timeline_put(q, t);
    return err;
}

void timeline_put(struct web_request *q, struct timeline *t)
{
    drop(web_job_of(q)->server->timelines, t);
}
