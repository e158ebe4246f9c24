/* test_pool.c - every part once, for any threads, several callers, from within, after fork. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/pool.h"

enum { PARTS = 1000 };
struct count {
    atomic_int seen[PARTS];
    atomic_int total;
};

static void part(void *context, int64_t i)
{
    struct count *c = context;
    atomic_fetch_add(&c->seen[i], 1);
    atomic_fetch_add(&c->total, 1);
}

static void check(int threads, int64_t n)
{
    struct count *c = calloc(1, sizeof *c);
    pool_run(threads, part, c, n);
    assert_int_equal(atomic_load(&c->total), n);
    for (int64_t i = 0; i < n; i++) assert_int_equal(atomic_load(&c->seen[i]), 1);
    free(c);
}

static void test_every_part_once(void **state)
{
    (void)state;
    static const int threads[] = {0, 1, 2, 3, 8, 1000};
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++)
        for (int64_t n = 0; n <= PARTS; n = n * 3 + 1) check(threads[t], n);
}

static void inner(void *context, int64_t i)
{
    (void)i;
    pool_run(4, part, context, 10);
}

static void test_from_within(void **state)
{
    (void)state;
    struct count *c = calloc(1, sizeof *c);
    pool_run(4, inner, c, 50);
    assert_int_equal(atomic_load(&c->total), 500);
    free(c);
}

static void *caller(void *context)
{
    for (int i = 0; i < 100; i++) pool_run(3, part, context, 20);
    return NULL;
}

static void test_several_callers(void **state)
{
    (void)state;
    pthread_t t[4];
    struct count *c = calloc(1, sizeof *c);
    for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, caller, c);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    assert_int_equal(atomic_load(&c->total), 8000);
    free(c);
}

static void test_after_fork(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    print_message("threads after fork: the thread sanitizer does not allow them\n");
    skip();
#endif
    check(4, 100);
    pid_t child = fork();
    if (!child) {
        struct count *c = calloc(1, sizeof *c);
        pool_run(4, part, c, 100);
        _exit(atomic_load(&c->total) == 100 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    check(4, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_part_once),
        cmocka_unit_test(test_from_within),
        cmocka_unit_test(test_several_callers),
        cmocka_unit_test(test_after_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
