/* test_fusion_view.c - which kernels are drawn: layers that are alike once, neighbourhoods, and
 * edges that stand for others. */
#include "tests/unit/unit.h"

#include "web/fusion_view.h"

/* A program of letters, each a kernel that reads the one before it; equal letters are alike. */
static void make(struct fusion *f, const char *letters)
{
    memset(f, 0, sizeof *f);
    for (int i = 0; letters[i]; i++) {
        struct fusion_kernel *k = fusion_add_kernel(f);
        *k = (struct fusion_kernel){.name = {letters + i, 1},
                                    .id = STORE_NULL,
                                    .reads = STORE_NULL,
                                    .p50_ns = STORE_NULL,
                                    .alike = (uint64_t)letters[i]};
        assert_int_equal(fusion_name_kernel(f), ERR_OK);
        *fusion_add_value(f) = (struct fusion_value){SPAN("v"), i, 4};
        if (i) *fusion_add_edge(f) = (struct fusion_edge){i - 1, i};
    }
}

static struct fusion_view view(struct fusion *f, struct fusion_ask ask)
{
    struct fusion_view v;
    assert_int_equal(fusion_view_make(f, &ask, &v), ERR_OK);
    return v;
}

static void layers_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *letters;
        int first, period, copies;
    } cases[] = {{"xabcabcabcy", 1, 3, 3}, {"abcdabcd", 0, 4, 2}, {"xaaaaaay", 1, 1, 6},
                 {"abcdefgh", 0, 0, 0},    {"xababy", 0, 0, 0},   {"", 0, 0, 0},
                 {"abcabcabz", 0, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fusion f;
        make(&f, cases[i].letters);
        struct fusion_layers l = fusion_find_layers(&f);
        assert_int_equal(l.copies, cases[i].copies);
        assert_int_equal(l.period, cases[i].period);
        assert_int_equal(l.first, cases[i].first);
        fusion_release(&f);
    }
}

static void layers_are_drawn_once(void **state)
{
    (void)state;
    struct fusion f;
    make(&f, "xabcabcabcy");
    struct fusion_view v = view(&f, (struct fusion_ask){.selected = -1, .layer = 1});
    assert_int_equal(v.n_drawn, 5);
    assert_int_equal(v.drawn[1].kernel, 4);
    assert_int_equal(v.drawn[1].times, 3);
    assert_int_equal(v.drawn[1].carried, 1); /* from c of the layer before */
    assert_int_equal(v.graph.n_edges, 4);    /* x-a, a-b, b-c, c-y: the layer stands in the way */
    assert_int_equal(v.layout.n_cut, 0);
    v = view(&f, (struct fusion_ask){.selected = -1, .all_layers = true});
    assert_int_equal(v.n_drawn, 11);
    assert_int_equal(v.graph.n_edges, 10);
    v = view(&f, (struct fusion_ask){.selected = 8}); /* in the third layer */
    assert_int_equal(v.layers.chosen, 2);
    assert_true(v.box[8] >= 0 && v.box[2] < 0);
    v = view(&f, (struct fusion_ask){.selected = -1, .layer = 99});
    assert_int_equal(v.layers.chosen, 0);
    fusion_release(&f);
}

static void a_neighbourhood_has_so_many_steps(void **state)
{
    (void)state;
    struct fusion f;
    make(&f, "abcdefghijk");
    for (int hops = 1; hops <= 3; hops++) {
        struct fusion_view v = view(&f, (struct fusion_ask){.selected = 5, .hops = hops});
        assert_int_equal(v.n_drawn, 2 * hops + 1);
        assert_int_equal(v.n_left, 11 - v.n_drawn);
        assert_int_equal(v.n_nets, 2 * hops);
        assert_int_equal(v.value_of[0], 5 - hops);
        assert_int_equal(v.drawn[v.box[5]].kernel, 5);
    }
    fusion_release(&f);
}

static void nothing_is_a_drawing_too(void **state)
{
    (void)state;
    struct fusion f;
    make(&f, "");
    struct fusion_view v = view(&f, (struct fusion_ask){.selected = -1});
    assert_int_equal(v.n_drawn, 0);
    fusion_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_are_found),
        cmocka_unit_test(layers_are_drawn_once),
        cmocka_unit_test(a_neighbourhood_has_so_many_steps),
        cmocka_unit_test(nothing_is_a_drawing_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
