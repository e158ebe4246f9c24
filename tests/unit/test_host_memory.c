/* test_host_memory.c - large blocks of tensors come back, up to a limit. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/host_memory.h"

enum { MB = 1 << 20 };

static void test_a_block_comes_back(void **state)
{
    (void)state;
    void *p, *q, *r;
    assert_int_equal(host_alloc(MB - 5, &p), ERR_OK);
    assert_int_equal((uintptr_t)p % 64, 0);
    memset(p, 1, MB - 5);
    host_free(p, MB - 5);
    if (!host_kept()) skip();                     /* a checked build keeps nothing */
    assert_int_equal(host_alloc(MB, &q), ERR_OK); /* as many after rounding */
    assert_ptr_equal(p, q);
    assert_int_equal(host_kept(), 0);
    assert_int_equal(host_alloc(2 * MB, &r), ERR_OK);
    host_free(q, MB);
    host_free(r, 2 * MB);
    assert_int_equal(host_kept(), 3 * MB);
    host_trim();
    assert_int_equal(host_kept(), 0);
}

static void test_small_and_huge_ones_do_not(void **state)
{
    (void)state;
    void *p;
    host_trim();
    assert_int_equal(host_alloc(100, &p), ERR_OK);
    host_free(p, 100);
    assert_int_equal(host_alloc((int64_t)300 * MB, &p), ERR_OK);
    host_free(p, (int64_t)300 * MB);
    assert_int_equal(host_kept(), 0);
    host_free(NULL, 0);
}

static void test_limits(void **state)
{
    (void)state;
    static void *p[400];
    for (int i = 0; i < 400; i++) assert_int_equal(host_alloc(MB + 64 * i, &p[i]), ERR_OK);
    for (int i = 0; i < 400; i++) host_free(p[i], MB + 64 * i);
    assert_true(host_kept() <= 256 * MB);
    void *q;
    assert_int_equal(host_alloc(MB, &q), ERR_OK); /* the oldest is gone */
    if (host_kept()) assert_true(host_kept() > 200 * MB);
    host_free(q, MB);
    host_trim();
    assert_int_equal(host_kept(), 0);
}

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { CHECKED = 1 }; /* blocks come from an allocator whose locks a child may find taken */
#else
enum { CHECKED };
#endif

static atomic_bool over;
static void *take_and_give(void *unused)
{
    void *p;
    while (!over)
        if (!host_alloc(MB, &p)) host_free(p, MB);
    return unused;
}

/* A child has none of the threads, one of which may have been taking a block. */
static void test_fork(void **state)
{
    (void)state;
    if (CHECKED) skip();
    pthread_t thread[2];
    for (int i = 0; i < 2; i++) pthread_create(&thread[i], NULL, take_and_give, NULL);
    int bad = 0, status;
    for (int i = 0; i < 200 && !bad; i++) {
        void *p;
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child) {
            alarm(10);
            if (host_alloc(MB, &p)) _exit(1);
            host_free(p, MB);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        bad += status != 0;
    }
    over = true;
    for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
    host_trim();
    assert_int_equal(bad, 0);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    void *p;
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__ /* their allocators abort */
    assert_int_equal(host_alloc(INT64_MAX / 2, &p), ERR_NOMEM);
#else
    (void)p;
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_block_comes_back),
        cmocka_unit_test(test_small_and_huge_ones_do_not),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
