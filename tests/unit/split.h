/* split.h - ways to share work among threads, for tests that results do not depend on it. */
#ifndef TESTS_SPLIT_H
#define TESTS_SPLIT_H

#include <pthread.h>

#include "tests/unit/unit.h"

struct split_share {
    void (*part)(void *, int64_t);
    void *context;
    int64_t first, n, step;
};
static void *split_run(void *p)
{
    struct split_share *s = p;
    for (int64_t i = s->first; i < s->n; i += s->step) s->part(s->context, i);
    return NULL;
}
/* `pool` points to an int64_t, the number of threads (at most 8), who take every n-th part. */
static void split_by_threads(void *pool, void (*part)(void *, int64_t), void *context, int64_t n)
{
    int64_t threads = *(int64_t *)pool;
    struct split_share s[8];
    pthread_t t[8];
    for (int64_t i = 0; i < threads; i++) {
        s[i] = (struct split_share){part, context, i, n, threads};
        assert_int_equal(pthread_create(&t[i], NULL, split_run, &s[i]), 0);
    }
    for (int64_t i = 0; i < threads; i++) pthread_join(t[i], NULL);
}

#endif
