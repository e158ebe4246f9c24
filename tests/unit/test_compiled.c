/* test_compiled.c - compiled functions give what the functions give, whatever comes in. */
#include "tests/unit/unit.h"

#include <math.h>
#include <pthread.h>

#include "plumb.h"
#include "runtime/compile/compiled.h"
#include "runtime/session.h"

typedef struct plumb_tensor *tensor;
enum { MOST = 8 };
#define SIZE(...)                                                                                  \
    (int64_t[]){__VA_ARGS__}, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

static struct plumb *session;

static int open_with(enum plumb_determinism determinism)
{
    session = plumb_open(&(struct plumb_options){.seed = 11, .determinism = determinism});
    return session ? 0 : -1;
}
static int open_run(void **state)
{
    (void)state;
    return open_with(PLUMB_RUN);
}
static int open_exact(void **state)
{
    (void)state;
    return open_with(PLUMB_EXACT);
}
static int close_session(void **state)
{
    (void)state;
    return plumb_close();
}

static tensor numbers(enum plumb_dtype dtype, const int64_t *size, int n)
{
    tensor t = plumb_add_scalar(plumb_mul_scalar(plumb_rand(size, n, dtype), 4), -2, 1);
    if (!t) fail_msg("%s", plumb_error());
    return t;
}
static tensor floats(int64_t n, const float *v)
{
    return plumb_tensor(PLUMB_F32, 1, &n, v);
}
static void assert_same(tensor a, tensor b)
{
    assert_true(a && b);
    assert_int_equal(plumb_dtype(a), plumb_dtype(b));
    assert_int_equal(plumb_dims(a), plumb_dims(b));
    for (int d = 0; d < plumb_dims(a); d++) assert_int_equal(plumb_size(a, d), plumb_size(b, d));
    int64_t size = view_n_bytes(&a->view);
    char *x = malloc((size_t)size + 1), *y = malloc((size_t)size + 1);
    assert_int_equal(plumb_read(a, x, size), 0);
    assert_int_equal(plumb_read(b, y, size), 0);
    assert_memory_equal(x, y, (size_t)size);
    free(x);
    free(y);
}
static tensor *call(struct plumb_compiled *c, tensor *in, int n_in, int n_out)
{
    static _Thread_local tensor out[MOST];
    memset(out, 0, sizeof out);
    if (plumb_compiled_call(c, in, n_in, out, n_out)) fail_msg("%s", plumb_error());
    return out;
}
static struct plumb_compiled *compile(plumb_function fn)
{
    return plumb_compile("f", fn, NULL, NULL);
}
static const char *broken(const struct plumb_compiled *c, size_t entry)
{
    assert_true(entry < c->entries.n);
    return c->entries.p[entry]->broken;
}
/* As it is, then compiled, on inputs of their own where they are written; the generator goes
 * on alike. */
static void check_copies(plumb_function fn, tensor *in, tensor *again, int n_in, int n_out)
{
    tensor want[MOST] = {0};
    struct plumb_compiled *c = compile(fn);
    uint64_t generator = thread_self.generator;
    if (fn(NULL, in, n_in, want, n_out)) fail_msg("%s", plumb_error());
    uint64_t then = thread_self.generator;
    for (int turn = 0; turn < 2; turn++) {
        thread_self.generator = generator;
        tensor *got = call(c, again, n_in, n_out);
        if (*broken(c, 0)) fail_msg("%s", broken(c, 0));
        assert_int_equal(thread_self.generator, then);
        for (int i = 0; i < n_out; i++) assert_same(want[i], got[i]);
        if (in != again) {
            for (int i = 0; i < n_in; i++) assert_same(in[i], again[i]);
            return; /* written: once */
        }
    }
    assert_int_equal(c->entries.n, 1);
    assert_int_equal(c->entries.p[0]->hits, 1);
}
static void check(plumb_function fn, tensor *in, int n_in, int n_out)
{
    check_copies(fn, in, in, n_in, n_out);
}
#define FUNCTION(name)                                                                             \
    static int name(void *context, struct plumb_tensor *const *in, int n_in,                       \
                    struct plumb_tensor **out, int n_out)

/* ---- entries ---- */

FUNCTION(f_add)
{
    (void)context, (void)n_in, (void)n_out;
    out[0] = plumb_relu(plumb_add(in[0], in[1]));
    return out[0] ? 0 : -1;
}

static void assert_reason(const struct plumb_compiled *c, tensor a, tensor b, const char *part)
{
    char reason[256] = "";
    const struct compiled_entry *e = c->entries.p[c->entries.n - 1];
    assert_non_null(guard_check(&e->guards, &e->graph, (tensor[]){a, b}, 2, reason, sizeof reason));
    if (!strstr(reason, part)) fail_msg("\"%s\" does not say \"%s\"", reason, part);
}

static void test_guards(void **state)
{
    (void)state;
    struct plumb_compiled *c = compile(f_add);
    tensor x = numbers(PLUMB_F32, SIZE(3, 4)), y = numbers(PLUMB_F32, SIZE(3, 4));
    call(c, (tensor[]){x, y}, 2, 1);
    call(c, (tensor[]){y, x}, 2, 1);
    assert_int_equal(c->entries.n, 1);
    assert_reason(c, numbers(PLUMB_F32, SIZE(3, 5)), y,
                  "tensor 'L['in'][0]' size mismatch at index 1. expected 4, actual 5");
    assert_reason(c, numbers(PLUMB_F32, SIZE(4)), y, "rank mismatch. expected 2, actual 1");
    assert_reason(c, x, numbers(PLUMB_F64, SIZE(3, 4)),
                  "tensor 'L['in'][1]' dtype mismatch. expected f32, actual f64");
    assert_reason(c, plumb_transpose_int(numbers(PLUMB_F32, SIZE(4, 3)), 0, 1), y,
                  "stride mismatch at index 0. expected 4, actual 1");
    assert_reason(c, x, x, "shares memory");
    assert_reason(c, plumb_parameter("p", numbers(PLUMB_F32, SIZE(3, 4))), y, "requires_grad");
    plumb_no_grad_begin();
    assert_reason(c, x, y, "grad_mode");
    plumb_no_grad_end();
    assert_same(call(c, (tensor[]){x, x}, 2, 1)[0], plumb_relu(plumb_add(x, x)));
    assert_int_equal(c->entries.n, 2);
    for (int64_t n = 1; n < 12; n++) {
        tensor t = numbers(PLUMB_F32, SIZE(n));
        assert_same(call(c, (tensor[]){t, t}, 2, 1)[0], plumb_relu(plumb_add(t, t)));
    }
    assert_int_equal(c->entries.n, COMPILED_ENTRIES);
}

/* ---- breaks ---- */

FUNCTION(f_item)
{
    (void)context, (void)n_in, (void)n_out;
    tensor x = plumb_exp(in[0]);
    double top = plumb_item(plumb_sum(x, 0));
    out[0] = top > 1 ? plumb_neg(x) : x;
    return out[0] ? 0 : -1;
}
FUNCTION(f_read)
{
    float v[2];
    (void)context, (void)n_in, (void)n_out;
    if (plumb_read(in[0], v, sizeof v)) return -1;
    out[0] = plumb_mul_scalar(in[0], v[0]);
    return out[0] ? 0 : -1;
}
FUNCTION(f_counter)
{
    (void)context, (void)n_in, (void)n_out;
    plumb_counter("c", 1);
    out[0] = plumb_exp(in[0]);
    return out[0] ? 0 : -1;
}
FUNCTION(f_keep)
{
    (void)context, (void)n_in, (void)n_out;
    out[0] = plumb_keep(plumb_exp(in[0]));
    return out[0] ? 0 : -1;
}
static tensor outside;
FUNCTION(f_outside)
{
    (void)context, (void)n_in, (void)n_out;
    out[0] = plumb_add(in[0], outside);
    return out[0] ? 0 : -1;
}
static void test_breaks(void **state)
{
    (void)state;
    static const struct {
        plumb_function fn;
        const char *reason;
    } all[] = {{f_item, "values of a tensor were read"},
               {f_read, "values of a tensor were read"},
               {f_counter, "a counter was set"},
               {f_keep, "a tensor was kept"},
               {f_outside, "neither an input nor kept"}};
    tensor x = floats(2, (float[]){2, -1}), want[1];
    outside = floats(2, (float[]){1, 1});
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct plumb_compiled *c = compile(all[i].fn);
        assert_int_equal(all[i].fn(NULL, &x, 1, want, 1), 0);
        assert_same(call(c, &x, 1, 1)[0], want[0]);
        assert_same(call(c, &x, 1, 1)[0], want[0]);
        if (!strstr(broken(c, 0), all[i].reason)) fail_msg("%s", broken(c, 0));
        assert_int_equal(c->entries.n, 1);
        assert_string_equal(plumb_error(), plumb_error());
    }
}

FUNCTION(f_fails)
{
    (void)context, (void)n_in, (void)n_out;
    out[0] = plumb_mm(in[0], in[0]);
    return out[0] ? 0 : -1;
}
FUNCTION(f_position)
{
    (void)context, (void)n_in, (void)n_out;
    out[0] = plumb_mul_scalar(plumb_index_select(in[0], 0, in[1]), 2);
    return out[0] ? 0 : -1;
}
static void test_errors(void **state)
{
    (void)state;
    tensor x = numbers(PLUMB_F32, SIZE(2, 3)), out[1];
    struct plumb_compiled *c = compile(f_fails);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(plumb_compiled_call(c, &x, 1, out, 1), -1);
        assert_non_null(strstr(plumb_error(), "aten::mm"));
    }
    tensor good = plumb_tensor(PLUMB_I64, 1, &(int64_t){2}, (int64_t[]){1, 0});
    tensor bad = plumb_tensor(PLUMB_I64, 1, &(int64_t){2}, (int64_t[]){1, 7});
    c = compile(f_position);
    call(c, (tensor[]){x, good}, 2, 1);
    assert_int_equal(plumb_compiled_call(c, (tensor[]){x, bad}, 2, out, 1), -1);
    assert_non_null(strstr(plumb_error(), "index 7 is out of bounds"));
    call(c, (tensor[]){x, good}, 2, 1);
    assert_int_equal(plumb_compiled_call(c, (tensor[]){x, NULL}, 2, out, 1), -1);
    assert_non_null(strstr(plumb_error(), "input 1 is no tensor"));
    assert_null(plumb_compile("none", NULL, NULL, NULL));
    assert_non_null(strstr(plumb_error(), "no function"));
}

/* ---- what comes in and goes out ---- */

FUNCTION(f_aliases)
{
    (void)context, (void)n_in, (void)n_out;
    out[0] = in[0];
    out[1] = plumb_transpose_int(in[0], 0, 1);
    out[2] = plumb_slice(in[1], 1, &(int64_t){1}, NULL, 2);
    tensor y = plumb_exp(in[0]);
    out[3] = plumb_select_int(y, 0, 1);
    out[4] = y;
    return out[4] ? 0 : -1;
}
FUNCTION(f_writes)
{
    (void)context, (void)n_in, (void)n_out;
    tensor before = plumb_exp(in[0]);
    if (!plumb_mul_(in[0], in[1])) return -1;
    tensor half = plumb_slice(in[0], 1, NULL, &(int64_t){2}, 1);
    if (!plumb_add_(half, plumb_slice(before, 1, NULL, &(int64_t){2}, 1))) return -1;
    out[0] = plumb_add(in[0], before);
    out[1] = in[0];
    out[2] = plumb_sum(plumb_transpose_int(in[0], 0, 1), 0);
    return out[0] && out[2] ? 0 : -1;
}
static void test_aliases(void **state)
{
    (void)state;
    tensor in[] = {numbers(PLUMB_F32, SIZE(3, 5)), numbers(PLUMB_F32, SIZE(3, 5))};
    check(f_aliases, in, 2, 5);
    struct plumb_compiled *c = compile(f_aliases);
    tensor *y = call(c, in, 2, 5);
    assert_ptr_equal(y[0], in[0]);
    assert_ptr_equal(y[1]->storage, in[0]->storage);
    assert_ptr_equal(y[3]->storage, y[4]->storage);
    tensor again[] = {plumb_clone(in[0]), in[1]};
    check_copies(f_writes, in, again, 2, 3);
    /* two inputs that share memory: the second is a later part of the first */
    tensor base = numbers(PLUMB_F32, SIZE(8, 5)), copy = plumb_clone(base);
    tensor a[] = {plumb_slice(base, 0, &(int64_t){2}, &(int64_t){5}, 1),
                  plumb_slice(base, 0, &(int64_t){1}, &(int64_t){4}, 1)};
    tensor b[] = {plumb_slice(copy, 0, &(int64_t){2}, &(int64_t){5}, 1),
                  plumb_slice(copy, 0, &(int64_t){1}, &(int64_t){4}, 1)};
    tensor want[3];
    bool refused = f_writes(NULL, a, 2, want, 3);
    assert_true(refused); /* it is written and shares elements */
    plumb_error();
    assert_int_equal(plumb_compiled_call(compile(f_writes), b, 2, want, 3), -1);
    plumb_error();
    check(f_add, (tensor[]){a[0], a[1]}, 2, 1);
}

FUNCTION(f_constant)
{
    (void)context, (void)n_in, (void)n_out;
    tensor table = plumb_tensor(PLUMB_F32, 1, &(int64_t){3}, (float[]){1, 2, 3});
    out[0] = plumb_mul(in[0], table);
    out[1] = plumb_full((int64_t[]){2}, 1, 7, PLUMB_F32);
    out[2] = plumb_add(table, table);
    return out[0] && out[1] && out[2] ? 0 : -1;
}
static void test_constants(void **state)
{
    (void)state;
    tensor x = numbers(PLUMB_F32, SIZE(4, 3));
    check(f_constant, &x, 1, 3);
}

FUNCTION(f_shapes)
{
    (void)context, (void)n_in, (void)n_out;
    tensor x = plumb_mul_scalar(in[0], 3);
    out[0] = plumb_sum(x, 0);
    out[1] = plumb_cat((tensor[]){x, in[0]}, 2, 0);
    out[2] = plumb_cumsum(x, 0, (enum plumb_dtype)0);
    return out[0] && out[1] && out[2] ? 0 : -1;
}
static void test_shapes(void **state)
{
    (void)state;
    tensor x[] = {numbers(PLUMB_F32, SIZE(0)), numbers(PLUMB_F32, SIZE(1)),
                  numbers(PLUMB_F16, SIZE(3, 0, 2)), numbers(PLUMB_BF16, SIZE(1025)),
                  numbers(PLUMB_F64, SIZE(2, 1, 3))};
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) check(f_shapes, &x[i], 1, 3);
    tensor zero[] = {numbers(PLUMB_F32, NULL, 0), numbers(PLUMB_F32, NULL, 0)};
    check(f_add, zero, 2, 1);
}

FUNCTION(f_random)
{
    tensor drop[2];
    (void)context, (void)n_in, (void)n_out;
    if (plumb_native_dropout(in[0], 0.4, &(bool){true}, drop) < 0) return -1;
    out[0] = plumb_mul(drop[0], plumb_rand_like(in[0], (enum plumb_dtype)0));
    plumb_randn_like(in[0], (enum plumb_dtype)0); /* nobody wants it; it counts */
    out[1] = plumb_randn_like(plumb_transpose_int(in[0], 0, 1), (enum plumb_dtype)0);
    return out[0] && out[1] ? 0 : -1;
}
static void test_random(void **state)
{
    (void)state;
    tensor x = numbers(PLUMB_F32, SIZE(7, 33));
    check(f_random, &x, 1, 2);
}

/* ---- functions in functions ---- */

static struct plumb_compiled *inner;
FUNCTION(f_nested)
{
    tensor y;
    (void)context, (void)n_in, (void)n_out;
    if (plumb_compiled_call(inner, in, 2, &y, 1)) return -1;
    out[0] = plumb_exp(y);
    return out[0] ? 0 : -1;
}
static void test_nested(void **state)
{
    (void)state;
    inner = compile(f_add);
    tensor in[] = {numbers(PLUMB_F32, SIZE(5)), numbers(PLUMB_F32, SIZE(5))};
    struct plumb_compiled *c = compile(f_nested);
    assert_same(call(c, in, 2, 1)[0], plumb_exp(plumb_relu(plumb_add(in[0], in[1]))));
    assert_int_equal(c->entries.n, 1);
    assert_int_equal(inner->entries.n, 0);
    assert_int_equal(c->entries.p[0]->graph.node.n, 3);
}

/* ---- gradients ---- */

static tensor weight, bias;
FUNCTION(f_layer)
{
    (void)context, (void)n_in, (void)n_out;
    tensor h = plumb_gelu(plumb_linear(in[0], weight, bias), "tanh");
    h = plumb_softmax_int(plumb_mul(h, in[1]), -1, (enum plumb_dtype)0);
    out[0] = plumb_mean(plumb_mul(h, h), (enum plumb_dtype)0);
    out[1] = h;
    return out[0] ? 0 : -1;
}
static tensor parameter(const char *name, enum plumb_dtype dtype, const int64_t *size, int n)
{
    return plumb_parameter(name, numbers(dtype, size, n));
}
/* The gradients of three leaves after one or two walks back. */
static void walk(struct plumb_compiled *c, tensor *in, int walks, tensor grad[3])
{
    tensor leaf[] = {weight, bias, in[1]}, y[2];
    for (int i = 0; i < 3; i++) plumb_zero_grad(leaf[i]);
    for (int w = 0; w < walks; w++) {
        int rc = c ? plumb_compiled_call(c, in, 2, y, 2) : f_layer(NULL, in, 2, y, 2);
        if (rc || plumb_backward(y[0])) fail_msg("%s", plumb_error());
    }
    for (int i = 0; i < 3; i++) grad[i] = plumb_clone(plumb_grad(leaf[i]));
}
static void test_gradients(void **state)
{
    (void)state;
    enum plumb_dtype dtypes[] = {PLUMB_F32, PLUMB_F64, PLUMB_BF16};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        weight = parameter("w", dtypes[i], SIZE(6, 9));
        bias = parameter("b", dtypes[i], SIZE(6));
        tensor in[] = {numbers(dtypes[i], SIZE(4, 9)), parameter("x", dtypes[i], SIZE(4, 6))};
        struct plumb_compiled *c = compile(f_layer);
        tensor want[3], got[3];
        for (int walks = 1; walks <= 2; walks++) {
            walk(NULL, in, walks, want);
            walk(c, in, walks, got);
            if (*broken(c, 0)) fail_msg("%s", broken(c, 0));
            for (int k = 0; k < 3; k++) assert_same(want[k], got[k]);
        }
        assert_int_equal(c->entries.n, 1);
        tensor *y = call(c, in, 2, 2), loss = y[0];
        assert_int_equal(plumb_backward(loss), 0);
        assert_int_equal(plumb_backward(loss), -1);
        assert_non_null(strstr(plumb_error(), "walked back already"));
    }
}

/* Only the second result is used; something was made of the input before. */
static void test_gradient_of_parts(void **state)
{
    (void)state;
    weight = parameter("w", PLUMB_F32, SIZE(6, 9));
    bias = parameter("b", PLUMB_F32, SIZE(6));
    tensor x = parameter("x", PLUMB_F32, SIZE(4, 9)), s = numbers(PLUMB_F32, SIZE(4, 6)), y[2];
    struct plumb_compiled *c = compile(f_layer);
    tensor grads[2][2];
    for (int turn = 0; turn < 2; turn++) {
        plumb_zero_grad(x);
        plumb_zero_grad(weight);
        tensor in[] = {plumb_tanh(x), s};
        int rc = turn ? plumb_compiled_call(c, in, 2, y, 2) : f_layer(NULL, in, 2, y, 2);
        tensor loss = rc ? NULL : plumb_sum(plumb_exp(y[1]), (enum plumb_dtype)0);
        if (!loss || plumb_backward(loss)) fail_msg("%s", plumb_error());
        grads[turn][0] = plumb_clone(plumb_grad(x));
        grads[turn][1] = plumb_clone(plumb_grad(weight));
    }
    assert_same(grads[0][0], grads[1][0]);
    assert_same(grads[0][1], grads[1][1]);
}

/* Written between forward and backward. */
static void test_stale(void **state)
{
    (void)state;
    weight = parameter("w", PLUMB_F32, SIZE(6, 9));
    bias = parameter("b", PLUMB_F32, SIZE(6));
    tensor in[] = {numbers(PLUMB_F32, SIZE(4, 9)), numbers(PLUMB_F32, SIZE(4, 6))};
    tensor loss = call(compile(f_layer), in, 2, 2)[0];
    plumb_no_grad_begin();
    assert_non_null(plumb_add__scalar(in[0], 1, 1));
    plumb_no_grad_end();
    assert_int_equal(plumb_backward(loss), -1);
    assert_non_null(strstr(plumb_error(), "overwritten in place"));
}

/* A whole step: forward, backward, update, gradients forgotten. */
FUNCTION(f_step)
{
    tensor y[2], in2[] = {in[0], in[1]};
    (void)context, (void)n_in, (void)n_out;
    if (f_layer(NULL, in2, 2, y, 2) || plumb_backward(y[0])) return -1;
    plumb_no_grad_begin();
    tensor g = plumb_mul_scalar(plumb_grad(weight), -0.5);
    tensor w = plumb_add_(weight, g);
    plumb_no_grad_end();
    plumb_zero_grad(weight);
    out[0] = plumb_clone(y[0]);
    return w && out[0] ? 0 : -1;
}
static void test_step(void **state)
{
    (void)state;
    float one[2][6 * 9], losses[2][3];
    tensor in[] = {numbers(PLUMB_F32, SIZE(4, 9)), numbers(PLUMB_F32, SIZE(4, 6))};
    tensor start = numbers(PLUMB_F32, SIZE(6, 9)), b = numbers(PLUMB_F32, SIZE(6)), gb[2];
    for (int turn = 0; turn < 2; turn++) {
        weight = plumb_parameter("w", plumb_clone(start));
        bias = plumb_parameter("b", plumb_clone(b));
        struct plumb_compiled *c = compile(f_step);
        for (int i = 0; i < 3; i++) {
            tensor y;
            int rc = turn ? plumb_compiled_call(c, in, 2, &y, 1) : f_step(NULL, in, 2, &y, 1);
            if (rc) fail_msg("%s", plumb_error());
            assert_int_equal(plumb_read(y, &losses[turn][i], 4), 0);
            assert_null(plumb_grad(weight));
        }
        assert_int_equal(plumb_read(weight, one[turn], sizeof one[turn]), 0);
        gb[turn] = plumb_clone(plumb_grad(bias));
        if (turn) { /* bias has no gradient at first */
            for (size_t i = 0; i < c->entries.n; i++)
                if (*broken(c, i)) fail_msg("%s", broken(c, i));
            assert_int_equal(c->entries.n, 2);
        }
    }
    assert_memory_equal(one[0], one[1], sizeof one[0]);
    assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
    assert_same(gb[0], gb[1]);
}

/* ---- threads, hooks ---- */

static tensor shared[2], expected;
static struct plumb_compiled *by_all;
static void *work(void *failed)
{
    if (plumb_enter(session)) return failed;
    for (int i = 0; i < 20; i++) {
        tensor y;
        plumb_frame_begin();
        float a[33], b[33];
        if (plumb_compiled_call(by_all, shared, 2, &y, 1) || plumb_read(y, a, sizeof a) ||
            plumb_read(expected, b, sizeof b) || memcmp(a, b, sizeof a))
            *(bool *)failed = true;
        plumb_frame_end();
    }
    plumb_leave();
    return NULL;
}
static void test_threads(void **state)
{
    (void)state;
    pthread_t thread[4];
    bool failed = false;
    for (int i = 0; i < 2; i++) shared[i] = plumb_keep(numbers(PLUMB_F32, SIZE(33)));
    expected = plumb_keep(plumb_relu(plumb_add(shared[0], shared[1])));
    by_all = compile(f_add);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, work, &failed), 0);
    for (int i = 0; i < 4; i++) pthread_join(thread[i], NULL);
    assert_false(failed);
    assert_int_equal(by_all->entries.n, 1);
}

static void count(void *context, const char *op, struct plumb_tensor *const *result, int n)
{
    (void)op, (void)result, (void)n;
    ++*(int *)context;
}
static void test_hooks(void **state)
{
    (void)state;
    int calls = 0;
    struct plumb_hook hook = {.after = count, .context = &calls};
    tensor in[] = {numbers(PLUMB_F32, SIZE(3)), numbers(PLUMB_F32, SIZE(3))};
    struct plumb_compiled *c = compile(f_add);
    plumb_hook_push(&hook);
    call(c, in, 2, 1);
    plumb_hook_pop();
    assert_int_equal(calls, 2);
    assert_int_equal(c->entries.n, 0);
}

#define TESTS                                                                                      \
    cmocka_unit_test(test_guards), cmocka_unit_test(test_breaks), cmocka_unit_test(test_errors),   \
        cmocka_unit_test(test_aliases), cmocka_unit_test(test_constants),                          \
        cmocka_unit_test(test_shapes), cmocka_unit_test(test_random),                              \
        cmocka_unit_test(test_nested), cmocka_unit_test(test_gradients),                           \
        cmocka_unit_test(test_gradient_of_parts), cmocka_unit_test(test_stale),                    \
        cmocka_unit_test(test_step), cmocka_unit_test(test_threads), cmocka_unit_test(test_hooks)

int main(void)
{
    const struct CMUnitTest tests[] = {TESTS};
    return cmocka_run_group_tests_name("run", tests, open_run, close_session) +
           cmocka_run_group_tests_name("exact", tests, open_exact, close_session);
}
