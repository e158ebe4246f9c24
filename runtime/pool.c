/* pool.c - a set of sleeping threads and one job at a time for them.
 *
 * A job is offered under the lock; threads take indices by counting up. A caller that finds the
 * pool busy, or is itself one of
 * its threads, does its job alone: nobody ever waits for another's job. After fork the child has
 * no threads and makes new ones
 * when it asks.
 */
#include "runtime/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { MOST_THREADS = 256 };

struct job {
    void (*part)(void *context, int64_t i);
    void *context;
    int64_t n;
    atomic_int_fast64_t next;
};
static struct {
    pthread_mutex_t lock;
    pthread_cond_t offered, done;
    struct job job;
    uint64_t number; /* of the newest job */
    int wanted;      /* threads that may still join it */
    int inside;      /* threads that work on it */
    int n_threads;
    atomic_bool busy;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .offered = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER};
static _Thread_local bool in_part;

static void work(struct job *j)
{
    int64_t i;
    in_part = true;
    while ((i = atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed)) < j->n)
        j->part(j->context, i);
    in_part = false;
}

static void *sleeper(void *unused)
{
    uint64_t seen = 0;
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        while (pool.number == seen || !pool.wanted) {
            seen = pool.number;
            pthread_cond_wait(&pool.offered, &pool.lock);
        }
        seen = pool.number;
        pool.wanted--;
        pool.inside++;
        pthread_mutex_unlock(&pool.lock);
        work(&pool.job);
        pthread_mutex_lock(&pool.lock);
        if (!--pool.inside) pthread_cond_signal(&pool.done);
    }
    return unused;
}

/* As many as can be had; fewer are no failure. */
static void grow(int threads)
{
    pthread_attr_t attr;
    if (pool.n_threads >= threads || pthread_attr_init(&attr)) return;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    while (pool.n_threads < threads) {
        pthread_t t;
        if (pthread_create(&t, &attr, sleeper, NULL)) break;
        pool.n_threads++;
    }
    pthread_attr_destroy(&attr);
}

/* A child of fork has the lock in an unknown state and none of the threads. */
static void forget_threads(void)
{
    static const pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static const pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    pool.lock = lock;
    pool.offered = pool.done = cond;
    pool.n_threads = pool.inside = pool.wanted = 0;
    atomic_store(&pool.busy, false);
}

static void set_up(void)
{
    pthread_atfork(NULL, NULL, forget_threads);
}

static void run_alone(void (*part)(void *, int64_t), void *context, int64_t n)
{
    for (int64_t i = 0; i < n; i++) part(context, i);
}

static void run_shared(int threads, void (*part)(void *, int64_t), void *context, int64_t n)
{
    pthread_mutex_lock(&pool.lock);
    grow(threads - 1);
    pool.job.part = part;
    pool.job.context = context;
    pool.job.n = n;
    atomic_store_explicit(&pool.job.next, 0, memory_order_relaxed);
    pool.number++;
    pool.wanted = threads - 1;
    pthread_cond_broadcast(&pool.offered);
    pthread_mutex_unlock(&pool.lock);
    work(&pool.job);
    pthread_mutex_lock(&pool.lock);
    pool.wanted = 0; /* who has not come yet is too late */
    while (pool.inside) pthread_cond_wait(&pool.done, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
}

void pool_run(int threads, void (*part)(void *context, int64_t i), void *context, int64_t n)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    bool free_pool = false;
    if (threads > MOST_THREADS) threads = MOST_THREADS;
    if (threads > n) threads = (int)n;
    if (threads < 2 || in_part || !atomic_compare_exchange_strong(&pool.busy, &free_pool, true)) {
        run_alone(part, context, n);
        return;
    }
    pthread_once(&once, set_up);
    run_shared(threads, part, context, n);
    atomic_store(&pool.busy, false);
}

int pool_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set)) return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}
