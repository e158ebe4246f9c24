/* test_memory.c - plans of temporaries: no two that are alive together share a byte. */
#include "unit.h"

#include "runtime/compile/memory.h"

enum { MOST = 60 };

static uint64_t seed = 5;
static int below(int n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int)((seed >> 33) % (uint64_t)n);
}

static struct memory_plan plan(struct memory_buffer *b, int n)
{
    struct arena arena = {0};
    struct memory_plan out;
    assert_int_equal(memory_plan(b, n, &arena, &out), ERR_OK);
    arena_release(&arena);
    return out;
}

static int64_t alive_at(const struct memory_buffer *b, int n, int launch)
{
    int64_t sum = 0;
    for (int i = 0; i < n; i++)
        if (b[i].first <= launch && launch <= b[i].last) sum += b[i].size;
    return sum;
}

static bool share_bytes(const struct memory_buffer *x, const struct memory_buffer *y)
{
    return x->offset < y->offset + y->size && y->offset < x->offset + x->size;
}

static void check(const struct memory_buffer *b, int n, const struct memory_plan *p)
{
    int64_t peak = 0, total = 0;
    for (int t = 0; t < 100; t++)
        if (alive_at(b, n, t) > peak) peak = alive_at(b, n, t);
    for (int i = 0; i < n; i++) {
        total += b[i].size;
        assert_int_equal(b[i].offset % 64, 0);
        assert_true(b[i].offset >= 0 && b[i].offset + b[i].size <= p->size);
        for (int k = 0; k < i; k++) {
            bool meet = b[i].first <= b[k].last && b[k].first <= b[i].last;
            if (meet && b[i].size && b[k].size) assert_false(share_bytes(&b[i], &b[k]));
        }
        if (b[i].reuses < 0) continue;
        assert_true(b[b[i].reuses].last < b[i].first);
        assert_true(share_bytes(&b[i], &b[b[i].reuses]));
    }
    assert_int_equal(p->peak, peak);
    assert_int_equal(p->total, total);
    assert_true(p->size >= p->peak);
}

static void test_random(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        struct memory_buffer b[MOST] = {0};
        int n = below(MOST + 1);
        for (int i = 0; i < n; i++) {
            b[i].size = below(5) ? below(3) ? below(5000) : 64 * below(50) : 0;
            b[i].first = below(90);
            b[i].last = b[i].first + below(10);
        }
        struct memory_plan p = plan(b, n);
        check(b, n, &p);
    }
}

/* A chain in which each launch reads what the one before made needs two buffers, not five. */
static void test_chain(void **state)
{
    struct memory_buffer b[5];
    (void)state;
    for (int i = 0; i < 5; i++) b[i] = (struct memory_buffer){4096, i, i + 1, 0, 0};
    struct memory_plan p = plan(b, 5);
    check(b, 5, &p);
    assert_int_equal(p.size, 2 * 4096);
    assert_int_equal(p.total, 5 * 4096);
    assert_int_equal(b[2].reuses, 0);
}

static void test_nothing(void **state)
{
    struct memory_buffer b[2] = {{0, 0, 3, 9, 9}, {0, 1, 1, 9, 9}};
    (void)state;
    struct memory_plan p = plan(b, 2);
    assert_int_equal(p.size + p.peak + p.total, 0);
    assert_int_equal(b[0].offset, 0);
    assert_int_equal(b[0].reuses, -1);
    plan(b, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
