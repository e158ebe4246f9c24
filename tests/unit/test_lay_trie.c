/* test_lay_trie.c - stacks of compiles as one tree: depths, folds, sums, and damaged input. */
#include "tests/unit/unit.h"

#include "web/lay_trie.h"

static struct arena arena;
static struct trie t;

static void lay(const struct trie_frame *frames, int n_frames, const struct trie_leaf *leaves,
                int n_leaves)
{
    assert_int_equal(lay_trie(frames, n_frames, leaves, n_leaves, &arena, &t), ERR_OK);
}

/* The run graph_breaks of the sample traces in small. */
static void branches_indent_and_lone_children_do_not(void **state)
{
    (void)state;
    static const struct trie_frame frames[] = {{1, 0, false}, {2, 0, false}, {3, 2, false},
                                               {4, 2, false}, {5, 4, false}, {6, 5, false}};
    static const struct trie_leaf leaves[] = {{1, 100}, {3, 10}, {6, 20}};
    lay(frames, 6, leaves, 3);
    assert_int_equal(t.n_rows, 6);
    static const int depth[] = {0, 0, 1, 1, 1, 1}, frame[] = {0, 1, 2, 3, 4, 5};
    static const int below[] = {1, 2, 1, 1, 1, 1}, end[] = {1, 6, 3, 6, 6, 6};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(t.rows[i].depth, depth[i]);
        assert_int_equal(t.rows[i].frame, frame[i]);
        assert_int_equal(t.rows[i].below, below[i]);
        assert_int_equal(t.rows[i].end, end[i]);
    }
    assert_true(t.rows[2].branch && !t.rows[2].last);
    assert_true(t.rows[3].branch && t.rows[3].last);
    assert_false(t.rows[4].branch);
    assert_int_equal(t.rows[1].ns, 30);
}

static void guides_go_on_beside_open_branches(void **state)
{
    (void)state;
    static const struct trie_frame frames[] = {
        {1, 0, false}, {2, 1, false}, {3, 1, false}, {4, 2, false}, {5, 2, false}};
    static const struct trie_leaf leaves[] = {{4, 1}, {5, 1}, {3, 1}};
    lay(frames, 5, leaves, 3);
    assert_int_equal(t.n_rows, 5); /* 1, 2, 4, 5, 3 */
    assert_int_equal(t.rows[2].depth, 2);
    assert_true(t.rows[2].guides & 1);
    assert_true(t.rows[3].guides & 1 && t.rows[3].last);
    assert_int_equal(t.rows[4].frame, 2);
}

static void folds_library_frames(void **state)
{
    (void)state;
    static const struct trie_frame frames[] = {
        {1, 0, false}, {2, 1, true}, {3, 2, true}, {4, 3, false}, {5, 3, true}};
    static const struct trie_leaf only[] = {{4, 1}}, both[] = {{4, 1}, {5, 1}};
    lay(frames, 4, only, 1);
    assert_int_equal(t.n_rows, 3);
    assert_int_equal(t.rows[1].folded, 2);
    assert_int_equal(t.rows[1].frame, 1);
    assert_int_equal(t.fold_next[1], 2);
    assert_int_equal(t.fold_next[2], -1);
    lay(frames, 5, both, 2); /* frame 3 branches: it stays; 5 has a leaf: it stays */
    assert_int_equal(t.n_rows, 5);
    assert_int_equal(t.rows[1].folded, 1);
    assert_int_equal(t.rows[2].folded, 0);
}

static void groups_leaves_in_order(void **state)
{
    (void)state;
    static const struct trie_frame frames[] = {{7, 0, false}};
    static const struct trie_leaf leaves[] = {{7, 1}, {0, 2}, {7, 3}, {99, 4}};
    lay(frames, 1, leaves, 4);
    assert_int_equal(t.n_rows, 2);
    assert_int_equal(t.rows[0].n_leaves, 2);
    assert_int_equal(t.order[t.rows[0].leaf], 0);
    assert_int_equal(t.order[t.rows[0].leaf + 1], 2);
    assert_int_equal(t.rows[1].frame, -1);
    assert_int_equal(t.rows[1].n_leaves, 2); /* no stack, and one that is not there */
}

static void survives_cycles_and_depth(void **state)
{
    (void)state;
    static const struct trie_frame loop[] = {{1, 2, false}, {2, 1, false}, {3, 3, false}};
    static const struct trie_leaf leaves[] = {{1, 1}, {3, 1}};
    lay(loop, 3, leaves, 2);
    assert_int_equal(t.n_rows,
                     1); /* what hangs in the cycle is left out, its own parent is a root */
    enum { N = 100000 };
    struct trie_frame *deep = calloc(N, sizeof *deep);
    for (int i = 0; i < N; i++) deep[i] = (struct trie_frame){i + 1, i, false};
    struct trie_leaf bottom = {N, 5};
    lay(deep, N, &bottom, 1);
    assert_int_equal(t.n_rows, N);
    assert_int_equal(t.rows[N - 1].depth, 0);
    free(deep);
    lay(NULL, 0, NULL, 0);
    assert_int_equal(t.n_rows, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(branches_indent_and_lone_children_do_not),
        cmocka_unit_test(guides_go_on_beside_open_branches),
        cmocka_unit_test(folds_library_frames),
        cmocka_unit_test(groups_leaves_in_order),
        cmocka_unit_test(survives_cycles_and_depth),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_release(&arena);
    return failed;
}
