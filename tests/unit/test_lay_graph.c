/* test_lay_graph.c - the layout of graphs: what must hold of every drawing, and bad graphs. */
#include "tests/unit/graph_sample.h"

#include <math.h>

static struct graph_layout lay(const struct graph_sample *g, struct arena *a)
{
    struct graph_layout out;
    assert_int_equal(sample_lay(g, a, &out), ERR_OK);
    return out;
}

/* Boxes do not overlap, and stand in the drawing. */
static void check_boxes(const struct graph_sample *g, const struct graph_layout *o)
{
    for (int i = 0; i < g->n; i++) {
        const struct graph_place *p = &o->places[i];
        assert_true(p->x >= 0 && p->y >= 0);
        assert_true(p->x + g->boxes[i].width <= o->width + 0.5);
        assert_true(p->y + g->boxes[i].height <= o->height + 0.5);
        for (int k = 0; k < i; k++) {
            const struct graph_place *q = &o->places[k];
            if (q->rank != p->rank) continue;
            bool apart = q->x + g->boxes[k].width <= p->x + 0.01 ||
                         p->x + g->boxes[i].width <= q->x + 0.01 ||
                         q->y + g->boxes[k].height <= p->y + 0.01 ||
                         p->y + g->boxes[i].height <= q->y + 0.01;
            assert_true(apart);
        }
    }
}

static bool box_crosses(const struct graph_box *b, const struct graph_place *p,
                        const struct graph_segment *s)
{
    return s->x0 < p->x + b->width - 0.1 && s->x1 > p->x + 0.1 && s->y0 < p->y + b->height - 0.1 &&
           s->y1 > p->y + 0.1;
}

/* Edges lead down, end at the top of their reader, and no segment crosses a box. */
static void check_edges(const struct graph_sample *g, const struct graph_layout *o)
{
    for (int i = 0; i < g->n_edges; i++) {
        const struct graph_edge *e = &g->edges[i];
        if (o->ends[i].cut) continue;
        const struct graph_place *to = &o->places[e->to];
        assert_true(o->places[e->from].rank < to->rank);
        assert_true(fabs(o->ends[i].y - to->y) < 0.01);
        assert_true(o->ends[i].x >= to->x && o->ends[i].x <= to->x + g->boxes[e->to].width);
        assert_true(o->starts[e->net].drawn);
    }
    for (int k = 0; k < o->n_segments; k++) {
        const struct graph_segment *s = &o->segments[k];
        assert_true(s->x0 <= s->x1 && s->y0 <= s->y1);
        assert_true(fabs(s->x1 - s->x0) < 1e-9 || fabs(s->y1 - s->y0) < 1e-9);
        for (int i = 0; i < g->n; i++) assert_false(box_crosses(&g->boxes[i], &o->places[i], s));
    }
}

/* Two level segments of different nets never share a stretch. */
static void check_tracks(const struct graph_layout *o)
{
    for (int i = 0; i < o->n_segments; i++)
        for (int k = 0; k < i; k++) {
            const struct graph_segment *a = &o->segments[i], *b = &o->segments[k];
            if (a->net == b->net || a->y0 != a->y1 || b->y0 != b->y1) continue;
            assert_false(fabs(a->y0 - b->y0) < 0.1 && a->x0 < b->x1 && b->x0 < a->x1);
        }
}

static void a_drawing_keeps_its_rules(void **state)
{
    (void)state;
    for (int n = 1; n <= 300; n += 23) {
        struct arena a = {0};
        struct graph_sample g = sample_make(n);
        struct graph_layout o = lay(&g, &a);
        check_boxes(&g, &o);
        check_edges(&g, &o);
        check_tracks(&o);
        assert_int_equal(o.n_cut, 0);
        sample_free(&g);
        arena_release(&a);
    }
}

/* Any graph whose edges lead forward. */
static struct graph_sample random_graph(unsigned seed, int n, int n_edges)
{
    struct graph_sample g = sample_make(n);
    free(g.edges);
    g.edges = calloc((size_t)n_edges + 1, sizeof *g.edges);
    g.n_edges = 0;
    for (int i = 0; i < n_edges; i++) {
        seed = seed * 1103515245 + 12345;
        int a = (int)(seed >> 8) % n;
        seed = seed * 1103515245 + 12345;
        int b = (int)(seed >> 8) % n;
        if (a != b) sample_edge(&g, a < b ? a : b, a < b ? b : a);
    }
    return g;
}

static void any_graph_keeps_them(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 40; seed++) {
        struct arena a = {0};
        struct graph_sample g = random_graph(seed, 3 + (int)seed, (int)seed * 2);
        struct graph_layout o = lay(&g, &a);
        check_boxes(&g, &o);
        check_edges(&g, &o);
        check_tracks(&o);
        sample_free(&g);
        arena_release(&a);
    }
}

static void same_graph_same_drawing(void **state)
{
    (void)state;
    struct arena a = {0};
    struct graph_sample g = sample_make(200);
    struct graph_layout o = lay(&g, &a), p = lay(&g, &a);
    assert_memory_equal(o.places, p.places, 200 * sizeof *o.places);
    assert_int_equal(o.n_segments, p.n_segments);
    assert_memory_equal(o.segments, p.segments, (size_t)o.n_segments * sizeof *o.segments);
    sample_free(&g);
    arena_release(&a);
}

/* Pairs of a rank that changed sides; *pairs: all of them. Ranks must not change. */
static int moved(const struct graph_layout *o, const struct graph_layout *p, int n, int *pairs)
{
    int count = 0;
    for (int i = 0; i < n; i++) {
        assert_int_equal(o->places[i].rank, p->places[i].rank);
        for (int k = 0; k < i; k++) {
            if (o->places[k].rank != o->places[i].rank) continue;
            ++*pairs;
            count += (o->places[k].order < o->places[i].order) !=
                     (p->places[k].order < p->places[i].order);
        }
    }
    return count;
}

/* A box more at the end leaves the others in their ranks, and nearly all in their order there. */
static void a_new_box_moves_few_others(void **state)
{
    (void)state;
    int pairs = 0, count = 0;
    for (int n = 50; n < 250; n += 31) {
        struct arena a = {0};
        struct graph_sample g = sample_make(n), more = sample_make(n + 1);
        struct graph_layout o = lay(&g, &a), p = lay(&more, &a);
        count += moved(&o, &p, n, &pairs);
        sample_free(&g);
        sample_free(&more);
        arena_release(&a);
    }
    assert_true(pairs > 200 && count * 20 < pairs);
}

static void sources_stand_at_their_reader(void **state)
{
    (void)state;
    struct arena a = {0};
    struct graph_box boxes[5] = {{50, 20}, {50, 20}, {50, 20}, {50, 20}, {50, 20}};
    struct graph_edge edges[] = {{0, 2, 0}, {1, 4, 1}, {2, 3, 2}, {3, 4, 3}};
    struct graph_sample g = {boxes, edges, 5, 4};
    struct graph_layout o = lay(&g, &a);
    assert_int_equal(o.places[1].rank, 2);
    assert_int_equal(o.places[4].rank, 3);
    arena_release(&a);
}

static void a_net_shares_its_line(void **state)
{
    (void)state;
    struct arena a = {0};
    struct graph_box boxes[4] = {{50, 20}, {50, 20}, {50, 20}, {50, 20}};
    struct graph_edge edges[] = {{0, 1, 0}, {0, 2, 0}, {0, 3, 0}, {1, 2, 1}, {2, 3, 2}};
    struct graph_sample g = {boxes, edges, 4, 5};
    struct graph_layout o = lay(&g, &a);
    int leaving = 0;
    for (int i = 0; i < o.n_segments; i++)
        leaving += o.segments[i].net == 0 && o.segments[i].y0 == o.places[0].y + 20;
    assert_int_equal(leaving, 1);
    assert_int_equal(o.crossings, 0);
    arena_release(&a);
}

static void nothing_and_one(void **state)
{
    (void)state;
    struct arena a = {0};
    struct graph_box box = {100, 40};
    struct graph_sample none = {NULL, NULL, 0, 0}, one = {&box, NULL, 1, 0};
    struct graph_layout o = lay(&none, &a);
    assert_true(o.n_segments == 0 && o.n_ranks == 0);
    o = lay(&one, &a);
    assert_int_equal(o.places[0].rank, -1);
    assert_true(o.width >= 100 && o.height >= 40);
    arena_release(&a);
}

/* Circles, edges to itself, backwards, out of the graph, of no net, of two nets' boxes. */
static void bad_edges_are_cut_and_counted(void **state)
{
    (void)state;
    struct arena a = {0};
    struct graph_box boxes[3] = {{50, 20}, {50, 20}, {50, 20}};
    struct graph_edge edges[] = {{0, 1, 0}, {1, 2, 1},  {2, 0, 2},  {1, 1, 1},
                                 {0, 9, 0}, {-4, 1, 0}, {0, 2, -1}, {0, 2, 1}};
    struct graph_sample g = {boxes, edges, 3, 8};
    struct graph_layout o = lay(&g, &a);
    check_boxes(&g, &o);
    check_edges(&g, &o);
    assert_int_equal(o.n_cut, 6);
    assert_false(o.ends[0].cut || o.ends[1].cut);
    arena_release(&a);
}

static void wide_and_tangled_graphs_end(void **state)
{
    (void)state;
    enum { N = 10000 };
    struct arena a = {0};
    struct graph_sample g = sample_make(N);
    g.n_edges = 0; /* all loose */
    struct graph_layout o = lay(&g, &a);
    assert_true(o.width <= 1200 && o.n_ranks == 0);
    for (int i = 1; i < N; i++) sample_edge(&g, 0, i); /* one feeds all */
    o = lay(&g, &a);
    assert_int_equal(o.n_ranks, 2);
    g.n_edges = 0;
    for (int i = 0; i + 1 < N; i++) sample_edge(&g, i, i + 1);
    for (int i = 0; i + 5000 < N; i++) sample_edge(&g, i, N - 1); /* all reach the end */
    o = lay(&g, &a);
    assert_int_equal(o.n_ranks, N);
    assert_true(o.n_cut > 0 && o.n_cut < N);
    sample_free(&g);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drawing_keeps_its_rules),
        cmocka_unit_test(any_graph_keeps_them),
        cmocka_unit_test(same_graph_same_drawing),
        cmocka_unit_test(a_new_box_moves_few_others),
        cmocka_unit_test(sources_stand_at_their_reader),
        cmocka_unit_test(a_net_shares_its_line),
        cmocka_unit_test(nothing_and_one),
        cmocka_unit_test(bad_edges_are_cut_and_counted),
        cmocka_unit_test(wide_and_tangled_graphs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
