/* cap_thread.c - which ring a thread has; threads that end; children after fork. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/cap_state.h"

enum { FULL_RINGS = 8, LEAST_RING = 64 << 10 };

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cap *registry; /* recordings that are open */
static pthread_key_t at_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* What this thread used last. */
static _Thread_local struct {
    uint64_t instance;
    struct cap_thread *thread;
} here;

/* ---- fork ---- */

static void before_fork(void)
{
    pthread_mutex_lock(&registry_lock);
}
static void after_fork(void)
{
    pthread_mutex_unlock(&registry_lock);
}
/* The child has the parent's rings mapped: whoever records here must not touch them. */
static void in_child(void)
{
    for (struct cap *c = registry; c; c = c->next) {
        c->child = true;
        close(c->ring.fd);
        c->ring.fd = -1;
        for (struct cap_thread *t = c->threads; t; t = t->next) t->muted = true;
    }
    pthread_mutex_unlock(&registry_lock);
}

/* ---- threads that end ---- */

/* A thread that ends without a word gives its ring back. */
static void thread_ended(void *context)
{
    (void)context;
    pthread_mutex_lock(&registry_lock);
    bool open = false;
    for (struct cap *c = registry; c; c = c->next) open |= c->instance == here.instance;
    struct cap_thread *t = open ? here.thread : NULL;
    pthread_mutex_unlock(&registry_lock);
    if (t) cap_thread_end(t);
}

static void set_up(void)
{
    (void)pthread_atfork(before_fork, after_fork, in_child);
    (void)pthread_key_create(&at_end, thread_ended);
}

/* ---- the registry ---- */

enum err cap_register(struct cap *c)
{
    static uint64_t instances;
    pthread_once(&once, set_up);
    pthread_mutex_lock(&registry_lock);
    c->instance = ++instances;
    c->next = registry;
    registry = c;
    pthread_mutex_unlock(&registry_lock);
    return ERR_OK;
}

void cap_unregister(struct cap *c)
{
    pthread_mutex_lock(&registry_lock);
    for (struct cap **p = &registry; *p; p = &(*p)->next)
        if (*p == c) {
            *p = c->next;
            break;
        }
    pthread_mutex_unlock(&registry_lock);
}

/* ---- a thread's ring ---- */

static void thread_free(struct cap_thread *t)
{
    for (int i = 0; t && i < CAP_PAGES; i++) free(t->pages[i]);
    free(t);
}

void cap_threads_free(struct cap *c)
{
    for (struct cap_thread *t = c->threads, *next; t; t = next) {
        next = t->next;
        thread_free(t);
    }
    c->threads = NULL;
}

/* The first threads have rings of full size; n more have as much together as doubles of n. */
static int64_t size_for(const struct cap *c)
{
    int64_t size = c->ring_size;
    if (c->n_threads >= FULL_RINGS) size = size * FULL_RINGS / (c->n_threads + 1);
    return size > LEAST_RING || c->ring_size < LEAST_RING ? size : LEAST_RING;
}

/* Under the registry's lock. */
static struct cap_thread *thread_new(struct cap *c, const char *name)
{
    struct ring_owner owner = {
        .tid = (uint32_t)syscall(SYS_gettid),
        .name = cap_word(c, span_of(name ? name : "thread")),
        .source = store_next_id(c->writer, STORE_SOURCE_FILE),
        .track = store_next_id(c->writer, STORE_TRACK),
    };
    struct cap_thread *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->head = ring_take(&c->ring, size_for(c), &owner);
    if (!t->head) {
        free(t);
        return NULL;
    }
    t->cap = c;
    t->owner = t->head->owner;
    t->records = ring_records(t->head);
    t->mask = t->head->n_records - 1;
    t->at = t->head->head;
    t->limit = t->head->tail + t->head->n_records;
    t->wait = c->wait;
    t->private = t->skipped = CAP_NO_LEVEL;
    t->next = c->threads;
    c->threads = t;
    c->n_threads++;
    return t;
}

struct cap_thread *cap_thread(struct cap *c, const char *name)
{
    if (!c || c->child) return NULL;
    if (here.instance == c->instance && here.thread) return here.thread;
    pthread_mutex_lock(&registry_lock);
    struct cap_thread *t = thread_new(c, name);
    if (!t) atomic_fetch_add(&c->ring.file->lost_threads, 1);
    pthread_mutex_unlock(&registry_lock);
    here.instance = c->instance;
    here.thread = t;
    if (t) (void)pthread_setspecific(at_end, t);
    return t;
}

void cap_thread_end(struct cap_thread *t)
{
    if (!t) return;
    if (here.thread == t) here.thread = NULL;
    (void)pthread_setspecific(at_end, NULL);
    if (t->muted) return; /* a child's copy goes with the child */
    struct cap *c = t->cap;
    /* An operator that is open is recorded as far as it came. */
    atomic_store_explicit(&t->head->head, t->at, memory_order_release);
    pthread_mutex_lock(&registry_lock);
    for (struct cap_thread **p = &c->threads; *p; p = &(*p)->next)
        if (*p == t) {
            *p = t->next;
            break;
        }
    c->n_threads--;
    pthread_mutex_unlock(&registry_lock);
    atomic_store_explicit(&t->head->ended, t->owner, memory_order_release);
    thread_free(t);
}
