/* test_diff_seq.c - sequences of keys against an obvious longest common subsequence, and the cases
 * that would stall: nothing in common, all equal, reversed, many edits. */
#include "tests/unit/unit.h"

#include <time.h>

#include "store/diff/align_seq.h"

static uint64_t state;

static uint32_t dice(uint32_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % n);
}

static struct diff_seq seq;

/* Aligns, checks that the pairs are equal keys and rise; how many there are. */
static uint32_t pairs(const uint64_t *a, uint32_t n, const uint64_t *b, uint32_t m, uint32_t *match)
{
    uint32_t found = 0, last = 0;
    assert_int_equal(diff_seq_align(&seq, a, n, b, m, match), ERR_OK);
    for (uint32_t i = 0; i < n; i++) {
        if (match[i] == SEQ_NONE) continue;
        assert_true(match[i] < m);
        assert_true(!found || match[i] > last);
        assert_true(a[i] == b[match[i]]);
        last = match[i];
        found++;
    }
    return found;
}

enum { SMALL = 40, BIG = 200000 };

static uint32_t longest(const uint64_t *a, uint32_t n, const uint64_t *b, uint32_t m)
{
    static uint32_t l[SMALL + 1][SMALL + 1];
    for (uint32_t i = 1; i <= n; i++)
        for (uint32_t j = 1; j <= m; j++) {
            l[i][j] = l[i - 1][j] > l[i][j - 1] ? l[i - 1][j] : l[i][j - 1];
            if (a[i - 1] == b[j - 1]) l[i][j] = l[i - 1][j - 1] + 1;
        }
    return n && m ? l[n][m] : 0;
}

/* Few kinds of keys, so that nothing is unique and Myers decides: as long as can be. */
static void as_long_as_can_be(void **s)
{
    (void)s;
    uint64_t a[SMALL], b[SMALL];
    uint32_t match[SMALL];
    seq.most_edits = 2000;
    state = 1;
    for (int round = 0; round < 20000; round++) {
        uint32_t n = dice(SMALL + 1), m = dice(SMALL + 1), kinds = 1 + dice(4), unique = 0;
        for (uint32_t i = 0; i < n; i++) a[i] = dice(kinds);
        for (uint32_t j = 0; j < m; j++) b[j] = dice(kinds);
        for (uint32_t k = 0; k < kinds; k++) {
            uint32_t in_a = 0, in_b = 0;
            for (uint32_t i = 0; i < n; i++) in_a += a[i] == k;
            for (uint32_t j = 0; j < m; j++) in_b += b[j] == k;
            unique += in_a == 1 && in_b == 1;
        }
        uint32_t found = pairs(a, n, b, m, match), best = longest(a, n, b, m);
        assert_true(found <= best);
        if (!unique && n + m <= 16) assert_int_equal(found, best);
    }
}

static uint64_t *keys(uint32_t n)
{
    uint64_t *k = malloc(n * sizeof *k);
    assert_non_null(k);
    return k;
}

/* A's items unique; B lacks some and has others: exactly the items that stayed. */
static void unique_keys_are_exact(void **s)
{
    (void)s;
    uint64_t *a = keys(BIG), *b = keys(2 * BIG);
    uint32_t *match = malloc(BIG * sizeof *match), *truth = malloc(BIG * sizeof *truth);
    for (uint32_t percent = 0; percent <= 50; percent += 10) {
        uint32_t m = 0;
        state = percent;
        for (uint32_t i = 0; i < BIG; i++) {
            a[i] = i * 7919u;
            truth[i] = SEQ_NONE;
            if (dice(100) < percent) b[m++] = 1u << 31 | i;
            if (dice(100) < percent) continue;
            truth[i] = m;
            b[m++] = a[i];
        }
        pairs(a, BIG, b, m, match);
        assert_memory_equal(match, truth, BIG * sizeof *match);
    }
    free(a);
    free(b);
    free(match);
    free(truth);
}

/* Repeating keys and many edits: at least nine tenths of what a true script keeps. */
static void repeats_with_many_edits(void **s)
{
    (void)s;
    uint64_t *a = keys(BIG), *b = keys(2 * BIG);
    uint32_t *match = malloc(BIG * sizeof *match), kept = 0, m = 0;
    state = 5;
    for (uint32_t i = 0; i < BIG; i++) {
        a[i] = i % 53;
        if (dice(100) < 40) continue;
        b[m++] = dice(100) < 20 ? 1000 + dice(50) : a[i];
        kept += b[m - 1] == a[i];
    }
    uint32_t found = pairs(a, BIG, b, m, match);
    assert_true(found >= kept / 10 * 9);
    free(a);
    free(b);
    free(match);
}

static void hard_cases_end(void **s)
{
    (void)s;
    uint64_t *a = keys(BIG), *b = keys(BIG);
    uint32_t *match = malloc(BIG * sizeof *match);
    clock_t start = clock();
    for (uint32_t i = 0; i < BIG; i++) a[i] = i, b[i] = BIG + i;
    assert_int_equal(pairs(a, BIG, b, BIG, match), 0);
    for (uint32_t i = 0; i < BIG; i++) b[i] = BIG - 1 - i;
    assert_int_equal(pairs(a, BIG, b, BIG, match), 1);
    for (uint32_t i = 0; i < BIG; i++) a[i] = b[i] = 3;
    assert_int_equal(pairs(a, BIG, b, BIG / 2, match), BIG / 2);
    for (uint32_t i = 0; i < BIG; i++) a[i] = dice(3), b[i] = dice(3);
    pairs(a, BIG, b, BIG, match);
    for (uint32_t i = 0; i < BIG; i++) a[i] = i % 2, b[i] = i / (BIG / 2);
    pairs(a, BIG, b, BIG, match);
    assert_int_equal(pairs(a, 0, b, BIG, match), 0);
    assert_int_equal(pairs(a, BIG, b, 0, match), 0);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 20);
    free(a);
    free(b);
    free(match);
}

/* Beyond the work allowed, what could not be searched is told. */
static void gives_up_with_words(void **s)
{
    (void)s;
    enum { N = 400 };
    uint64_t a[N], b[N];
    uint32_t match[N];
    seq.most_edits = 4;
    seq.most_work = 1;
    state = 9;
    for (uint32_t i = 0; i < N; i++) a[i] = dice(7), b[i] = dice(7);
    pairs(a, N, b, N, match);
    assert_true(seq.lost.n > 0);
    for (size_t k = 0; k < seq.lost.n; k++) {
        struct seq_range r = seq.lost.p[k];
        assert_true(r.a0 < r.a1 && r.a1 <= N && r.b0 < r.b1 && r.b1 <= N);
        if (k) assert_true(r.a0 >= seq.lost.p[k - 1].a1 && r.b0 >= seq.lost.p[k - 1].b1);
    }
    seq.most_work = 0;
    assert_true(pairs(a, N, b, N, match) > N / 4);
    assert_int_equal(seq.lost.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_long_as_can_be),       cmocka_unit_test(unique_keys_are_exact),
        cmocka_unit_test(repeats_with_many_edits), cmocka_unit_test(hard_cases_end),
        cmocka_unit_test(gives_up_with_words),
    };
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    diff_seq_release(&seq);
    return bad;
}
