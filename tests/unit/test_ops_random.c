/* test_ops_random.c - every operator, called with arguments of the right and the wrong kind drawn
 * at random: it computes or refuses, naming itself; nothing aborts, and no memory is harmed (run it
 * under the sanitizers too). */
#include "tests/unit/suite_make.h"

#include "plumb.h"
#include "runtime/ops.h"

enum { ROUNDS = 60, LIST = 3 };

struct draw {
    struct suite_case k; /* random state, and what the arguments point into */
    struct plumb_tensor *list[OP_ARGS][LIST];
    int64_t ints[OP_ARGS][LIST];
    enum dtype dtype;
    struct view_shape shape; /* most tensors have these */
};

static int64_t below(struct draw *d, int64_t n)
{
    return (int64_t)(suite_random(&d->k) % (uint64_t)n);
}
static bool seldom(struct draw *d)
{
    return below(d, 12) == 0;
}

static void draw_shape(struct draw *d, struct view_shape *s)
{
    *s = (struct view_shape){.n = (int)below(d, 4)};
    for (int i = 0; i < s->n; i++) s->size[i] = below(d, 8) ? 1 + below(d, 4) : 0;
}

static enum dtype draw_dtype(struct draw *d)
{
    return (enum dtype)(1 + below(d, DTYPE_END - 1));
}

static struct plumb_tensor *draw_tensor(struct draw *d)
{
    static const char *const lies[] = {"", "", "t", "s", "o", "e", "f"};
    struct view_shape shape = d->shape, parent_shape;
    struct plumb_tensor *parent, *t;
    struct view v;
    enum dtype dtype = seldom(d) ? draw_dtype(d) : seldom(d) ? DTYPE_I64 : d->dtype;
    if (seldom(d)) draw_shape(d, &shape);
    suite_lay(&shape, dtype, lies[below(d, 7)], &parent_shape, &v);
    assert_int_equal(tensor_new(dtype, &parent_shape, &parent), 0);
    suite_fill(&d->k, below(d, 2) ? 'x' : 'n', 0, 0, &v, parent);
    assert_int_equal(tensor_view(parent, &v, &t), 0);
    return t;
}

static void draw_number(struct draw *d, struct op_value *v)
{
    static const double odd[] = {0.5, -0.0, 1e30, -1e30, INFINITY, -INFINITY, NAN, 1e-300};
    *v = (struct op_value){.kind = OP_SCALAR, .is_int = true, .i = below(d, 9) - 3};
    v->r = (double)v->i;
    if (below(d, 3)) return;
    v->is_int = false;
    v->r = odd[below(d, 8)];
}

static void draw_value(struct draw *d, enum op_kind kind, int i, struct op_value *v)
{
    static const char *const texts[] = {"none", "tanh", "trunc", "floor", "", "sum"};
    *v = (struct op_value){.kind = kind, .ts = d->list[i], .is = d->ints[i], .i = below(d, 9) - 3};
    switch (kind) {
    case OP_TENSOR: v->t = draw_tensor(d); break;
    case OP_TENSORS:
        v->n = (int)below(d, LIST + 1);
        for (int k = 0; k < v->n; k++) d->list[i][k] = seldom(d) ? NULL : draw_tensor(d);
        break;
    case OP_INTS:
        v->n = (int)below(d, LIST + 1);
        for (int k = 0; k < v->n; k++) d->ints[i][k] = below(d, 8) - 2;
        break;
    case OP_SCALAR: draw_number(d, v); break;
    case OP_REAL:
        draw_number(d, v);
        v->kind = OP_REAL;
        v->is_int = false;
        break;
    case OP_BOOL: v->i &= 1; break;
    case OP_DTYPE: v->i = draw_dtype(d); break;
    case OP_TEXT: v->s = texts[below(d, 6)]; break;
    default: break;
    }
}

static void draw_arguments(struct draw *d, const struct op *op)
{
    d->k.n = op->s.n_params;
    if (seldom(d)) d->k.n = (int)below(d, op->s.n_params + 2);
    if (d->k.n > OP_ARGS) d->k.n = OP_ARGS;
    for (int i = 0; i < d->k.n; i++) {
        const struct op_param *p = &op->s.param[i < op->s.n_params ? i : 0];
        enum op_kind kind = p->kind;
        if (seldom(d) && seldom(d)) kind = (enum op_kind)below(d, OP_TEXT + 1);
        if (p->optional && below(d, 3) == 0) kind = OP_NONE;
        draw_value(d, kind, i, &d->k.v[i]);
    }
    /* now and then an argument is another one, so that what is written overlaps */
    if (d->k.n > 1 && seldom(d) && d->k.v[0].kind == d->k.v[1].kind) d->k.v[1] = d->k.v[0];
}

static int64_t computed, refused;

static void call(const struct op *op, uint64_t seed)
{
    static struct draw d;
    struct op_results r;
    memset(&d, 0, sizeof d);
    d.k.random = seed;
    assert_int_equal(plumb_frame_begin(), 0);
    d.dtype = below(&d, 2) ? DTYPE_F32 : draw_dtype(&d);
    draw_shape(&d, &d.shape);
    draw_arguments(&d, op);
    err_clear();
    if (!op_run(op, d.k.v, d.k.n, &r)) {
        computed++;
    } else {
        refused++;
        bool named = strstr(err_text(), op->s.name) || op->class == OP_COMPOSITE;
        if (!named) print_error("%s: \"%s\"\n", op->s.name, err_text());
        assert_true(named);
    }
    plumb_frame_end();
}

static void each_operator(const char *backend)
{
    const struct op *table;
    int n;
    assert_int_equal(op_table(&table, &n), 0);
    nest_compile_after(INT64_MAX);
    if (!plumb_open(&(struct plumb_options){.backend = backend})) fail_msg("%s", plumb_error());
    for (int i = 0; i < n; i++)
        for (uint64_t k = 0; k < ROUNDS; k++) call(&table[i], (uint64_t)i << 32 | k);
    assert_int_equal(plumb_close(), 0);
}

static void test_random_calls(void **state)
{
    (void)state;
    each_operator("null");
    each_operator("ref");
    each_operator("cpu");
    print_message("%lld calls computed, %lld refused\n", (long long)computed, (long long)refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_calls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
