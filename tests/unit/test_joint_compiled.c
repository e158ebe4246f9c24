/* test_joint_compiled.c - gradients through compiled functions have the bits of the functions run
 * as they are: whatever was there before, whichever results a loss uses. */
#include "tests/unit/joint_functions.h"

#include "plumb.h"

struct outcome {
    int64_t size[OUTS + LEAVES]; /* -1: none */
    char bytes[OUTS + LEAVES][COLUMNS * COLUMNS * 4];
};

static void put(struct outcome *o, int i, const struct plumb_tensor *t)
{
    o->size[i] = t ? view_n_bytes(&t->view) : -1;
    if (t) assert_int_equal(plumb_read(t, o->bytes[i], o->size[i]), 0);
}

static void compare(const struct outcome *want, const struct outcome *got, const char *name,
                    unsigned used)
{
    for (int i = 0; i < OUTS + LEAVES; i++) {
        const char *what = i < OUTS ? "result" : "gradient of leaf";
        int number = i < OUTS ? i : i - OUTS;
        if (want->size[i] != got->size[i])
            fail_msg("%s, results %x used: %s %d has %d bytes for %d", name, used, what, number,
                     (int)got->size[i], (int)want->size[i]);
        if (want->size[i] > 0 && memcmp(want->bytes[i], got->bytes[i], (size_t)want->size[i]))
            fail_msg("%s, results %x used: %s %d has other bits", name, used, what, number);
    }
}

static struct plumb_tensor *like(const struct view *v, int seed)
{
    return numbers(v->shape.n, v->shape.size, seed);
}

static void begin_gradients(bool before)
{
    for (int i = 0; i < LEAVES; i++) {
        if (!on.leaf[i]) continue;
        plumb_zero_grad(on.leaf[i]);
        if (!before) continue;
        struct plumb_tensor *g = like(&on.leaf[i]->view, 60 + i);
        tensor_keep(g);
        on.leaf[i]->grad = g;
    }
}

/* A loss of the results whose bits are set; the input goes into it too, before and after. */
static void walk_back(struct plumb_tensor *x, struct plumb_tensor *const *y, int n, unsigned used)
{
    struct plumb_tensor *loss = plumb_sum(plumb_mul(x, like(&x->view, 7)), 0);
    for (int i = 0; i < n; i++)
        if (used >> i & 1 && (y[i]->made_by || y[i]->requires_grad))
            loss = plumb_add(loss, plumb_sum(plumb_mul(y[i], like(&y[i]->view, 20 + i)), 0));
    if (plumb_backward(loss)) fail_msg("%s", plumb_error());
}

typedef int call_fn(void *what, struct plumb_tensor *const *in, struct plumb_tensor **out, int n);

static void run(call_fn *call, void *what, int n, bool before, unsigned used, struct outcome *out)
{
    struct plumb_tensor *in[INPUTS], *y[OUTS] = {0};
    assert_int_equal(plumb_frame_begin(), 0);
    for (int i = 0; i < OUTS + LEAVES; i++) out->size[i] = -1;
    make_inputs(in);
    begin_gradients(before);
    if (call(what, in, y, n) < 0) fail_msg("%s", plumb_error());
    walk_back(in[0], y, n, used);
    for (int i = 0; i < n; i++) put(out, i, y[i]);
    for (int i = 0; i < LEAVES; i++) put(out, OUTS + i, on.leaf[i] ? plumb_grad(on.leaf[i]) : NULL);
    begin_gradients(false);
    plumb_frame_end();
}

struct function {
    const char *name;
    plumb_function f;
    int n;
};
static int call_plain(void *what, struct plumb_tensor *const *in, struct plumb_tensor **out, int n)
{
    const struct function *f = what;
    return f->f(NULL, in, INPUTS, out, n) < 0 ? -1 : 0;
}
static int call_compiled(void *what, struct plumb_tensor *const *in, struct plumb_tensor **out,
                         int n)
{
    return plumb_compiled_call(what, in, INPUTS, out, n);
}

/* The functions give how many results they have, compiled ones are to give 0. */
static int as_compiled(void *context, struct plumb_tensor *const *in, int n_in,
                       struct plumb_tensor **out, int n_out)
{
    const struct function *f = context;
    return f->f(NULL, in, n_in, out, n_out) < 0 ? -1 : 0;
}

static void check(const struct function *f)
{
    static struct outcome want, got;
    struct plumb_compiled *c = plumb_compile(f->name, as_compiled, (void *)f, NULL);
    assert_non_null(c);
    for (int before = 0; before < 2; before++)
        for (unsigned used = 0; used < 1u << f->n; used++) {
            uint64_t stream = thread_self.generator;
            run(call_plain, (void *)f, f->n, before, used, &want);
            thread_self.generator = stream;
            run(call_compiled, c, f->n, before, used, &got);
            compare(&want, &got, f->name, used);
        }
}

#define CHECKED(name, n)                                                                           \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        check(&(struct function){#name, name, n});                                                 \
    }
CHECKED(tied, 1)
CHECKED(drawn, 1)
CHECKED(in_place, 2)
CHECKED(viewed, 2)
CHECKED(attended, 1)
CHECKED(given_back, 4)
CHECKED(empty_and_single, 2)
CHECKED(steep, 2)
CHECKED(takes_gradient, 2)

/* ---- what is refused ---- */

FUNCTION(writes_plain)
{
    UNUSED;
    plumb_no_grad_begin();
    struct plumb_tensor *p = plumb_add__scalar(in[1], 1, 1);
    plumb_no_grad_end();
    out[0] = p ? plumb_mul(in[0], on.g) : NULL;
    out[1] = p ? plumb_mul(in[0], on.b) : NULL;
    return out[0] && out[1] ? 0 : -1;
}

static int power(void *context, struct plumb_tensor *const *in, int n_in, struct plumb_tensor **out,
                 int n_out)
{
    UNUSED;
    out[0] = plumb_exp(plumb_mul(in[0], on.g));
    return out[0] ? 0 : -1;
}

static int shifted(void *context, struct plumb_tensor *const *in, int n_in,
                   struct plumb_tensor **out, int n_out)
{
    UNUSED;
    out[0] = plumb_add(plumb_linear(in[0], on.w, NULL), on.b);
    out[1] = plumb_exp(out[0]);
    return out[1] ? 0 : -1;
}

static void assert_refused(struct plumb_tensor *y, const char *says)
{
    assert_int_equal(plumb_backward(plumb_sum(y, 0)), -1);
    if (!strstr(plumb_error(), says)) fail_msg("%s", plumb_error());
}

/* What is not used is not called again: it would write again. */
static void test_writes(void **state)
{
    (void)state;
    struct plumb_tensor *in[INPUTS], *y[2];
    struct plumb_compiled *c = plumb_compile("writes", writes_plain, NULL, NULL);
    assert_int_equal(plumb_frame_begin(), 0);
    make_inputs(in);
    assert_int_equal(plumb_compiled_call(c, in, INPUTS, y, 2), 0);
    if (plumb_backward(plumb_sum(y[1], 0))) fail_msg("%s", plumb_error());
    assert_int_equal(plumb_compiled_call(c, in, INPUTS, y, 2), 0);
    assert_int_equal(plumb_backward(plumb_sum(plumb_add(y[0], y[1]), 0)), 0);
    begin_gradients(false);
    plumb_frame_end();
}

/* A result that no gradient rule takes may be overwritten, as in eager. */
static void test_result_overwritten(void **state)
{
    (void)state;
    struct plumb_tensor *in[INPUTS], *y[2];
    struct plumb_compiled *c = plumb_compile("shifted", shifted, NULL, NULL);
    assert_int_equal(plumb_frame_begin(), 0);
    make_inputs(in);
    assert_int_equal(plumb_compiled_call(c, in, INPUTS, y, 2), 0);
    plumb_no_grad_begin();
    assert_non_null(plumb_mul__scalar(y[0], 2));
    plumb_no_grad_end();
    if (plumb_backward(plumb_sum(plumb_add(y[0], y[1]), 0))) fail_msg("%s", plumb_error());
    begin_gradients(false);
    plumb_frame_end();
}

/* A result that is saved, an input, and a kept tensor that the backward needs. */
static void test_overwritten(void **state)
{
    (void)state;
    struct plumb_tensor *in[INPUTS], *y;
    struct plumb_compiled *c = plumb_compile("power", power, NULL, NULL);
    for (int what = 0; what < 4; what++) {
        assert_int_equal(plumb_frame_begin(), 0);
        make_inputs(in);
        assert_int_equal(plumb_compiled_call(c, in, INPUTS, &y, 1), 0);
        plumb_no_grad_begin();
        struct plumb_tensor *to[] = {y, in[0], on.g};
        if (what < 3) assert_non_null(plumb_mul__scalar(to[what], 2));
        plumb_no_grad_end();
        if (what < 3) assert_refused(y, "overwritten in place");
        else assert_int_equal(plumb_backward(plumb_sum(y, 0)), 0);
        begin_gradients(false);
        plumb_frame_end();
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, open_session, close_session)
    const struct CMUnitTest tests[] = {
        TEST(tied),     TEST(drawn),      TEST(in_place),         TEST(viewed),
        TEST(attended), TEST(given_back), TEST(empty_and_single), TEST(takes_gradient),
        TEST(steep),    TEST(writes),     TEST(overwritten),      TEST(result_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
