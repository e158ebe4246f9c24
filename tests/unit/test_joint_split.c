/* test_joint_split.c - what the backward of a graph is given: saved values of hand-made graphs, and
 * the price of the cut against trying every choice. */
#include "tests/unit/unit.h"

#include "plumb.h"
#include "runtime/compile/joint.h"
#include "runtime/compile/joint_cut.h"

static int open_session(void **state)
{
    (void)state;
    return plumb_open(NULL) ? 0 : -1;
}
static int close_session(void **state)
{
    (void)state;
    return plumb_close();
}

/* ---- graphs by hand ---- */

struct fixture {
    struct arena arena;
    struct graph g;
    enum graph_phase phase;
    struct joint_split split;
};

static void begin(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    graph_init(&f->g, &f->arena, "f");
}
static void end(struct fixture *f)
{
    joint_split_release(&f->split);
    graph_release(&f->g);
    arena_release(&f->arena);
}
static void assert_fine(enum err err)
{
    if (err) print_error("%s\n", err_text());
    assert_int_equal(err, ERR_OK);
}

static int given(struct fixture *f, enum graph_origin origin, int64_t rows, int64_t columns)
{
    struct view v;
    struct view_shape shape = {.n = 2, .size = {rows, columns}};
    assert_fine(view_dense(DTYPE_F32, &shape, &v));
    int *n = origin == GRAPH_TANGENT ? &f->g.n_tangents : &f->g.n_inputs;
    int value = graph_add_input(&f->g, origin, (*n)++, &v);
    assert_true(value >= 0);
    return value;
}
static int input(struct fixture *f, int64_t rows, int64_t columns)
{
    return given(f, GRAPH_INPUT, rows, columns);
}
static int tangent(struct fixture *f, int64_t rows, int64_t columns)
{
    f->phase = GRAPH_BACKWARD;
    return given(f, GRAPH_TANGENT, rows, columns);
}

/* A call with tensors first, then these values; the rest are the schema's defaults. */
static int node(struct fixture *f, const char *name, const int *in, int n_in,
                const struct op_value *more, int n_more)
{
    const struct op *op = op_find(name);
    struct op_value arg[OP_ARGS] = {0};
    int number;
    if (!op) print_error("%s\n", name);
    assert_non_null(op);
    for (int i = 0; i < op->s.n_params; i++) {
        if (i < n_in) arg[i].kind = OP_TENSOR;
        else if (i - n_in < n_more) arg[i] = more[i - n_in];
        else arg[i] = op->s.param[i].value;
    }
    assert_fine(graph_call(&f->g, op, arg, in, n_in, &number));
    f->g.node.p[number].phase = f->phase;
    f->g.node.p[number].origin = number;
    return number;
}
static int first(const struct fixture *f, int number)
{
    return f->g.node.p[number].out[0];
}
static int one_of(struct fixture *f, const char *name, int a)
{
    return first(f, node(f, name, (int[]){a}, 1, NULL, 0));
}
static int two(struct fixture *f, const char *name, int a, int b)
{
    return first(f, node(f, name, (int[]){a, b}, 2, NULL, 0));
}

static void gives(struct fixture *f, enum graph_gives gives, int value, int index)
{
    struct graph_output *o = LIST_PUSH(&f->g.output);
    assert_non_null(o);
    *o = (struct graph_output){.value = value, .gives = gives, .index = index};
}

static void split(struct fixture *f, const struct joint_options *o)
{
    assert_fine(graph_check(&f->g));
    assert_fine(joint_split(&f->g, o, &f->arena, &f->split));
    assert_fine(graph_check(&f->split.forward));
    assert_fine(graph_check(&f->split.backward));
    assert_int_equal(f->split.forward.n_saved, f->split.backward.n_saved);
}

static const struct joint_decision *decision(const struct fixture *f, int value)
{
    for (int i = 0; i < f->split.n_decisions; i++)
        if (f->split.decision[i].value == value) return &f->split.decision[i];
    fail_msg("no decision of value %d", value);
    return NULL;
}
static void assert_fate(const struct fixture *f, int value, enum joint_fate fate,
                        enum joint_reason reason)
{
    assert_int_equal(decision(f, value)->fate, fate);
    assert_string_equal(joint_reason_text(decision(f, value)->reason), joint_reason_text(reason));
}
static int count_again(const struct graph *g)
{
    int n = 0;
    for (size_t i = 0; i < g->node.n; i++) n += g->node.p[i].recomputed;
    return n;
}

/* ---- what is saved ---- */

/* A chain of cheap calls on an input: nothing need be kept. */
static void test_chain(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    int x = input(&f, 4, 8), a = one_of(&f, "aten::exp", x), b = one_of(&f, "aten::sqrt", a);
    int y = one_of(&f, "aten::neg", b);
    gives(&f, GRAPH_RESULT, y, 0);
    int t = tangent(&f, 4, 8);
    int g = two(&f, "aten::mul.Tensor", t, one_of(&f, "aten::sqrt", b));
    g = two(&f, "aten::mul.Tensor", g, one_of(&f, "aten::neg", a));
    gives(&f, GRAPH_GRADIENT, two(&f, "aten::mul.Tensor", g, a), x);
    split(&f, NULL);
    assert_int_equal(f.split.forward.n_saved, 0);
    assert_int_equal(f.split.saved_bytes, 0);
    assert_int_equal(f.split.all_bytes, 2 * 4 * 8 * 4);
    assert_int_equal(f.split.forward.node.n, 3);
    assert_int_equal(f.split.backward.node.n, 7);
    assert_int_equal(count_again(&f.split.backward), 2);
    assert_fate(&f, x, JOINT_INPUT, JOINT_GIVEN);
    assert_fate(&f, a, JOINT_RECOMPUTED, JOINT_CHEAP);
    assert_fate(&f, b, JOINT_RECOMPUTED, JOINT_CHEAP);
    assert_fate(&f, y, JOINT_NOT_NEEDED, JOINT_UNUSED);
    joint_split_release(&f.split);
    split(&f, &(struct joint_options){.save_all = true});
    assert_int_equal(f.split.saved_bytes, f.split.all_bytes);
    assert_int_equal(count_again(&f.split.backward), 0);
    assert_fate(&f, a, JOINT_SAVED, JOINT_ALL);
    end(&f);
}

/* The product is dear; of what follows, its mask is smaller than the product itself. */
static void test_mask(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    int x = input(&f, 4, 8), w = input(&f, 8, 16), m = two(&f, "aten::mm", x, w);
    int xt = input(&f, 8, 4), r = one_of(&f, "aten::relu", m);
    gives(&f, GRAPH_RESULT, one_of(&f, "aten::neg", r), 0);
    int t = tangent(&f, 4, 16), back = one_of(&f, "aten::neg", t);
    struct op_value zero = {.kind = OP_SCALAR, .is_int = true};
    int mask = first(&f, node(&f, "aten::gt.Scalar", (int[]){r}, 1, &zero, 1));
    back = two(&f, "aten::mul.Tensor", back, mask);
    gives(&f, GRAPH_GRADIENT, two(&f, "aten::mm", xt, back), w);
    split(&f, NULL);
    assert_fate(&f, mask, JOINT_SAVED, JOINT_CUT);
    assert_fate(&f, m, JOINT_NOT_NEEDED, JOINT_UNUSED);
    assert_fate(&f, xt, JOINT_INPUT, JOINT_GIVEN);
    assert_fate(&f, w, JOINT_NOT_NEEDED, JOINT_UNUSED);
    assert_int_equal(f.split.saved_bytes, 4 * 16);
    assert_int_equal(f.split.all_bytes, 4 * 16 * 4);
    end(&f);
}

/* What is given back is there anyway. */
static void test_result(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    int x = input(&f, 4, 8), m = two(&f, "aten::mm", x, input(&f, 8, 8));
    int y = one_of(&f, "aten::tanh", m);
    gives(&f, GRAPH_RESULT, y, 0);
    int t = tangent(&f, 4, 8);
    gives(&f, GRAPH_GRADIENT, two(&f, "aten::mul.Tensor", t, two(&f, "aten::mul.Tensor", y, y)), x);
    split(&f, NULL);
    assert_fate(&f, y, JOINT_SAVED, JOINT_RESULT);
    assert_int_equal(f.split.saved_bytes, 0);
    assert_int_equal(f.split.forward.n_saved, 1);
    end(&f);
}

static void test_dear(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct op_value more[] = {{.kind = OP_INT, .i = -1}, {.kind = OP_BOOL}};
    int x = input(&f, 4, 8), e = one_of(&f, "aten::exp", x);
    int s = first(&f, node(&f, "aten::_softmax", (int[]){e}, 1, more, 2));
    gives(&f, GRAPH_RESULT, one_of(&f, "aten::neg", s), 0);
    int t = tangent(&f, 4, 8);
    gives(&f, GRAPH_GRADIENT, two(&f, "aten::mul.Tensor", two(&f, "aten::mul.Tensor", t, e), s), x);
    split(&f, NULL);
    assert_true(f.split.saved_bytes == 4 * 8 * 4);
    assert_fate(&f, s, JOINT_SAVED, JOINT_DEAR);
    assert_fate(&f, e, JOINT_RECOMPUTED, JOINT_CHEAP);
    end(&f);
}

/* A gelu takes longer than its value takes to memory and back. */
static void test_dear_function(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct op_value more = {.kind = OP_TEXT, .s = "tanh"};
    int x = input(&f, 4, 8), e = one_of(&f, "aten::exp", x);
    int y = first(&f, node(&f, "aten::gelu", (int[]){e}, 1, &more, 1));
    gives(&f, GRAPH_RESULT, one_of(&f, "aten::neg", y), 0);
    int t = tangent(&f, 4, 8);
    gives(&f, GRAPH_GRADIENT, two(&f, "aten::mul.Tensor", two(&f, "aten::mul.Tensor", t, e), y), x);
    split(&f, NULL);
    assert_fate(&f, y, JOINT_SAVED, JOINT_DEAR);
    assert_fate(&f, e, JOINT_RECOMPUTED, JOINT_CHEAP);
    end(&f);
}

/* A result that no gradient rule takes is the caller's to overwrite. */
static void test_free_result(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    int x = input(&f, 8, 8), y = one_of(&f, "aten::neg", two(&f, "aten::mm", x, x));
    int h = one_of(&f, "aten::exp", y);
    gives(&f, GRAPH_RESULT, y, 0);
    int t = tangent(&f, 8, 8);
    gives(&f, GRAPH_GRADIENT, two(&f, "aten::mul.Tensor", t, h), x);
    split(&f, NULL);
    assert_fate(&f, h, JOINT_SAVED, JOINT_CUT);
    assert_fate(&f, y, JOINT_NOT_NEEDED, JOINT_UNUSED);
    end(&f);
}

/* Nothing fuses with a product: what it takes would be stored again. */
static void test_stored(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    int x = input(&f, 8, 8), m = two(&f, "aten::mm", x, x), h = one_of(&f, "aten::exp", m);
    gives(&f, GRAPH_RESULT, one_of(&f, "aten::neg", h), 0);
    int t = two(&f, "aten::mul.Tensor", tangent(&f, 8, 8), m);
    gives(&f, GRAPH_GRADIENT, two(&f, "aten::mm", h, t), x);
    split(&f, NULL);
    assert_fate(&f, h, JOINT_SAVED, JOINT_STORED);
    assert_fate(&f, m, JOINT_SAVED, JOINT_OPAQUE);
    end(&f);
}

/* A call that is made again for one result, the other being saved: both are made. */
static void test_beside(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct op_value more[] = {{.kind = OP_REAL, .r = 0.5}, {.kind = OP_BOOL, .i = 1}};
    int x = input(&f, 4, 8), drop = node(&f, "aten::native_dropout", (int[]){x}, 1, more, 2);
    int y = first(&f, drop), mask = f.g.node.p[drop].out[1];
    gives(&f, GRAPH_RESULT, y, 0);
    int t = two(&f, "aten::mul.Tensor", tangent(&f, 4, 8), mask);
    gives(&f, GRAPH_GRADIENT, two(&f, "aten::mul.Tensor", t, y), x);
    f.g.node.p[drop].stream = 5;
    f.g.n_streams = 6;
    split(&f, NULL);
    assert_fate(&f, mask, JOINT_RECOMPUTED, JOINT_CHEAP);
    assert_fate(&f, y, JOINT_SAVED, JOINT_RESULT);
    assert_int_equal(f.split.backward.n_streams, 6);
    assert_int_equal(f.split.backward.node.p[0].stream, 5);
    assert_true(f.split.backward.node.p[0].recomputed);
    end(&f);
}

/* A result that waits for its own gradient cannot be. */
static void test_late_result(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    int x = input(&f, 4, 8), t = tangent(&f, 4, 8), y = two(&f, "aten::mul.Tensor", x, t);
    gives(&f, GRAPH_RESULT, y, 0);
    assert_int_equal(joint_split(&f.g, NULL, &f.arena, &f.split), ERR_FORMAT);
    assert_non_null(strstr(err_text(), "depends on its own gradients"));
    end(&f);
}

/* ---- the cut ---- */

static uint64_t seed;
static int draw(int n)
{
    uint64_t z = seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (int)((z ^ z >> 31) % (uint64_t)n);
}

enum { POINTS = 9, EDGES = 24 };
struct network {
    int from[EDGES], to[EDGES];
    int64_t price[EDGES];
    int n;
};

static int64_t price_between(const struct network *w, unsigned sink_side)
{
    int64_t sum = 0;
    for (int i = 0; i < w->n; i++)
        if (!(sink_side >> w->from[i] & 1) && sink_side >> w->to[i] & 1) sum += w->price[i];
    return sum;
}
static int64_t cheapest(const struct network *w)
{
    int64_t best = INT64_MAX;
    for (unsigned s = 0; s < 1u << POINTS; s++) {
        if (s >> CUT_SOURCE & 1 || !(s >> CUT_SINK & 1)) continue;
        int64_t price = price_between(w, s);
        if (price < best) best = price;
    }
    return best;
}

/* Its price is the least there is, and what it separates costs just that. */
static void test_cut(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        struct arena arena = {0};
        struct network w = {.n = draw(EDGES)};
        struct cut c;
        int64_t price;
        bool *after;
        unsigned side = 0;
        assert_fine(cut_init(&c, POINTS, &arena));
        for (int i = 0; i < w.n; i++) {
            w.from[i] = draw(POINTS);
            w.to[i] = draw(POINTS);
            w.price[i] = draw(5) ? draw(100) : CUT_NEVER / EDGES;
            assert_fine(cut_edge(&c, w.from[i], w.to[i], w.price[i]));
        }
        assert_fine(cut_run(&c, &price, &after));
        for (int i = 0; i < POINTS; i++) side |= (unsigned)after[i] << i;
        assert_int_equal(price, cheapest(&w));
        assert_int_equal(price, price_between(&w, side));
        cut_release(&c);
        arena_release(&arena);
    }
}

/* ---- every choice of what to save ---- */

enum { CALLS = 8, RULES = 3, SIDE = 4 };

/* A call on earlier values: sums and products of matrices are dear, masks are small. */
static int random_call(struct fixture *f, const int *value, int n)
{
    static const char *const binary[] = {"aten::add.Tensor", "aten::mul.Tensor", "aten::gt.Tensor"};
    static const char *const unary[] = {"aten::sqrt", "aten::exp"};
    int a = value[draw(n)], b = value[draw(n)], kind = draw(8);
    static const int64_t one = 1;
    struct op_value sum[] = {{.kind = OP_INTS, .is = &one, .n = 1}, {.kind = OP_BOOL, .i = 1}};
    if (kind < 3) return two(f, binary[draw(3)], a, b);
    if (kind < 6) return one_of(f, unary[draw(2)], a);
    if (kind == 6) return first(f, node(f, "aten::sum.dim_IntList", (int[]){a}, 1, sum, 2));
    const struct graph_value *v = &f->g.value.p[a], *w = &f->g.value.p[b];
    bool square = v->view.shape.size[1] == SIDE && w->view.shape.size[1] == SIDE;
    if (!square || v->view.dtype != DTYPE_F32 || w->view.dtype != DTYPE_F32)
        return one_of(f, "aten::sqrt", a);
    return two(f, "aten::mm", a, b);
}

/* The backward multiplies its gradient by some of the values, and by what rules make of them. */
static void random_graph(struct fixture *f)
{
    int value[2 + CALLS + RULES], n = 0;
    begin(f);
    value[n++] = input(f, SIDE, SIDE);
    value[n++] = input(f, SIDE, SIDE);
    for (int i = 0; i < CALLS; i++, n++) value[n] = random_call(f, value, n);
    gives(f, GRAPH_RESULT, value[n - 1], 0);
    if (draw(2)) gives(f, GRAPH_RESULT, value[n - 2 - draw(3)], 1);
    int g = tangent(f, SIDE, SIDE);
    for (int i = 0; i < RULES; i++, n++) value[n] = random_call(f, value, n);
    for (int i = draw(4); i >= 0; i--) g = two(f, "aten::mul.Tensor", g, value[draw(n)]);
    gives(f, GRAPH_GRADIENT, g, value[0]);
}

struct choices {
    const struct graph *g;
    bool late[64], forward[64], result[64], wanted[64], direct[64]; /* of makers, of values */
    int root[16], n_roots;                                          /* that can be saved */
};

static bool is_late(const struct choices *c, int value)
{
    const struct graph_value *v = &c->g->value.p[value];
    return v->origin == GRAPH_TANGENT || (v->maker >= 0 && c->late[v->maker]);
}

/* What gradient rules take that lead to gradients. */
static void learn_direct(struct choices *c)
{
    const struct graph *g = c->g;
    bool needed[64] = {0};
    needed[g->node.n - 1] = true; /* gives the gradient */
    for (int i = (int)g->node.n - 1; i >= 0; i--)
        for (int k = 0; needed[i] && k < g->node.p[i].n_in; k++) {
            int in = g->node.p[i].in[k], maker = g->value.p[in].maker;
            bool rule = maker >= 0 && g->node.p[maker].phase == GRAPH_BACKWARD;
            if (rule) needed[maker] = true;
            else c->direct[in] = true;
        }
}

static void learn(struct choices *c, const struct graph *g)
{
    *c = (struct choices){.g = g};
    for (size_t i = 0; i < g->node.n; i++)
        for (int k = 0; k < g->node.p[i].n_in; k++)
            c->late[i] = c->late[i] || is_late(c, g->node.p[i].in[k]);
    for (size_t i = 0; i < g->node.n; i++)
        for (int k = 0; c->late[i] && k < g->node.p[i].n_in; k++)
            if (!is_late(c, g->node.p[i].in[k])) c->wanted[g->node.p[i].in[k]] = true;
    for (size_t i = 0; i < g->output.n; i++) {
        int value = g->output.p[i].value;
        if (g->output.p[i].gives != GRAPH_RESULT) continue;
        c->result[value] = true;
        if (g->value.p[value].maker >= 0) c->forward[g->value.p[value].maker] = true;
    }
    for (int i = (int)g->node.n - 1; i >= 0; i--)
        for (int k = 0; c->forward[i] && k < g->node.p[i].n_in; k++) {
            int maker = g->value.p[g->node.p[i].in[k]].maker;
            if (maker >= 0) c->forward[maker] = true;
        }
    learn_direct(c);
    for (int v = 0; v < (int)g->value.n; v++)
        if (g->value.p[v].maker >= 0 && !is_late(c, v) && !c->result[v]) c->root[c->n_roots++] = v;
}

static bool is_dear(const struct choices *c, int node)
{
    const char *name = c->g->node.p[node].op->s.name;
    return c->forward[node] && (strstr(name, "::mm") || strstr(name, "::sum"));
}

/* Whether the backward has a value when those of `saved` are saved. */
static bool is_had(const struct choices *c, int value, unsigned saved)
{
    const struct graph_value *v = &c->g->value.p[value];
    if (v->maker < 0 || (c->result[value] && c->direct[value])) return true;
    for (int i = 0; i < c->n_roots; i++)
        if (c->root[i] == value && saved >> i & 1) return true;
    if (is_dear(c, v->maker)) return false;
    const struct graph_node *n = &c->g->node.p[v->maker];
    for (int k = 0; k < n->n_in; k++)
        if (!is_had(c, n->in[k], saved)) return false;
    return true;
}

static int64_t least_saved(const struct choices *c)
{
    int64_t best = INT64_MAX;
    for (unsigned s = 0; s < 1u << c->n_roots; s++) {
        int64_t bytes = 0;
        for (int i = 0; i < c->n_roots; i++)
            if (s >> i & 1) bytes += view_n_bytes(&c->g->value.p[c->root[i]].view);
        bool had = bytes < best;
        for (int v = 0; had && v < (int)c->g->value.n; v++) had = !c->wanted[v] || is_had(c, v, s);
        if (had) best = bytes;
    }
    return best;
}

/* What the backward takes is all that it takes: no input unused, none missing. */
static void check_inputs(const struct fixture *f)
{
    const struct graph *g = &f->split.backward;
    int *uses = graph_uses(g, g->arena);
    assert_non_null(uses);
    for (size_t i = 0; i < g->value.n; i++)
        if (g->value.p[i].maker < 0 && g->value.p[i].origin != GRAPH_TANGENT && !uses[i])
            fail_msg("%s is given to the backward, which does not use it", g->value.p[i].name);
    for (size_t i = 0; i < g->node.n; i++) {
        const struct graph_node *n = &g->node.p[i];
        if (n->recomputed) assert_int_equal(n->op->s.n_results > 0, 1);
        if (!uses[n->out[0]]) fail_msg("%s is made in the backward for nothing", n->name);
    }
}

static void test_every_choice(void **state)
{
    (void)state;
    int64_t saved = 0, all = 0;
    for (int round = 0; round < 150; round++) {
        struct fixture f;
        struct choices c;
        random_graph(&f);
        learn(&c, &f.g);
        split(&f, NULL);
        assert_int_equal(f.split.saved_bytes, least_saved(&c));
        check_inputs(&f);
        saved += f.split.saved_bytes;
        all += f.split.all_bytes;
        end(&f);
    }
    print_message("%lld bytes saved of %lld\n", (long long)saved, (long long)all);
    assert_true(saved && saved < all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_chain, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_mask, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_result, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_dear, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_dear_function, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_stored, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_free_result, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_beside, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_late_result, open_session, close_session),
        cmocka_unit_test(test_cut),
        cmocka_unit_test_setup_teardown(test_every_choice, open_session, close_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
