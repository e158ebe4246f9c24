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
static int one(struct fixture *f, const char *name, int a)
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
    int x = input(&f, 4, 8), a = one(&f, "aten::exp", x), b = one(&f, "aten::sin", a);
    int y = one(&f, "aten::cos", b);
    gives(&f, GRAPH_RESULT, y, 0);
    int t = tangent(&f, 4, 8);
    int g = two(&f, "aten::mul.Tensor", t, one(&f, "aten::sin", b));
    g = two(&f, "aten::mul.Tensor", g, one(&f, "aten::cos", a));
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
    int xt = input(&f, 8, 4), r = one(&f, "aten::relu", m);
    gives(&f, GRAPH_RESULT, one(&f, "aten::neg", r), 0);
    int t = tangent(&f, 4, 16), back = one(&f, "aten::neg", t);
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
    int y = one(&f, "aten::tanh", m);
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
    int x = input(&f, 4, 8), e = one(&f, "aten::exp", x);
    int s = first(&f, node(&f, "aten::_softmax", (int[]){e}, 1, more, 2));
    gives(&f, GRAPH_RESULT, one(&f, "aten::neg", s), 0);
    int t = tangent(&f, 4, 8);
    gives(&f, GRAPH_GRADIENT, two(&f, "aten::mul.Tensor", two(&f, "aten::mul.Tensor", t, e), s), x);
    split(&f, NULL);
    assert_true(f.split.saved_bytes == 4 * 8 * 4);
    assert_fate(&f, s, JOINT_SAVED, JOINT_DEAR);
    assert_fate(&f, e, JOINT_RECOMPUTED, JOINT_CHEAP);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_chain, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_mask, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_result, open_session, close_session),
        cmocka_unit_test_setup_teardown(test_dear, open_session, close_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
