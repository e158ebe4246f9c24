/* test_fuse.c - functions traced, lowered, fused and interpreted: the bits of eager. */
#include "tests/unit/unit.h"

#include <math.h>

#include "plumb.h"
#include "runtime/compile/fuse.h"
#include "runtime/nest_fn.h"
#include "runtime/ops.h"
#include "runtime/session.h"

static int open_session(void **state)
{
    (void)state;
    return plumb_open(&(struct plumb_options){.threads = 1, .seed = 7}) ? 0 : -1;
}
static int close_session(void **state)
{
    (void)state;
    return plumb_close();
}
static void must(enum err err)
{
    if (err) print_error("%s\n", err_text());
    assert_int_equal(err, ERR_OK);
}

/* ---- a compiled function, run kernel by kernel ---- */

typedef struct plumb_tensor *tensor;
typedef int function(const tensor *in, tensor *out);
enum { MOST = 8 };
struct compiled {
    struct arena arena;
    struct graph graph;
    struct lowered lowered;
    struct fused fused;
};

static void compile(struct compiled *c, function *fn, const tensor *in, int n_in, bool off)
{
    struct trace t;
    tensor out[MOST];
    memset(c, 0, sizeof *c);
    graph_init(&c->graph, &c->arena, "f");
    must(trace_begin(&t, &c->graph, in, n_in));
    int n_out = fn(t.in, out);
    if (n_out < 0) print_error("%s\n", plumb_error());
    assert_true(n_out >= 0 && !t.broken);
    for (int i = 0; i < n_out; i++) must(trace_output(&t, out[i], GRAPH_RESULT, i));
    trace_end(&t);
    must(graph_check(&c->graph));
    must(lower_graph(&c->graph, &c->arena, &c->lowered));
    must(fuse_items(&c->lowered, &(struct fuse_options){.off = off}, &c->arena, &c->fused));
}

static void release(struct compiled *c)
{
    fuse_release(&c->fused);
    lower_release(&c->lowered);
    graph_release(&c->graph);
    arena_release(&c->arena);
}

/* Memory of each buffer: that of the inputs, or new. */
static char **memory(struct compiled *c, const tensor *in)
{
    char **p = calloc(c->lowered.buffer.n + 1, sizeof *p);
    for (size_t i = 0; i < c->lowered.buffer.n; i++) {
        const struct lower_buffer *b = &c->lowered.buffer.p[i];
        if (!b->given) {
            p[i] = malloc((size_t)b->size + 64);
            memset(p[i], 0xa5, (size_t)b->size + 64);
            continue;
        }
        const struct graph_value *v = &c->graph.value.p[c->graph.storage.p[b->storage].value];
        tensor t = v->origin == GRAPH_INPUT      ? in[v->index]
                   : v->origin == GRAPH_CONSTANT ? c->graph.constant.p[v->index]
                                                 : c->graph.captured.p[v->index].tensor;
        p[i] = op_data(t);
    }
    return p;
}

static void run(struct compiled *c, const tensor *in, char ***mem)
{
    char **p = *mem = memory(c, in);
    for (size_t i = 0; i < c->fused.group.n; i++) {
        const struct fuse_group *g = &c->fused.group.p[i];
        assert_non_null(g->nest);
        struct nest_run r = {.nest = g->nest, .plan = &g->plan, .seed = 7, .threads = 1};
        r.stream = thread_self.generator + (uint64_t)g->stream;
        memcpy(r.param, g->param, sizeof r.param);
        for (int k = 0; k < g->n_uses; k++) r.base[k] = p[g->use[k].buffer];
        must(nest_interpret(&r));
    }
}

static void read_value(const struct compiled *c, char *const *mem, int value, void *to)
{
    const struct graph_value *v = &c->graph.value.p[value];
    struct view_walk w;
    struct view_run r;
    size_t item = dtype_size(v->view.dtype);
    view_walk_begin(&w, &v->view, 0, view_count(&v->view));
    while (view_walk_next(&w, 1, &r)) {
        memcpy(to, mem[v->storage] + r.at * (int64_t)item, item);
        to = (char *)to + item;
    }
}

static size_t n_kernels;

/* Fused and unfused give what eager gives; returns how many kernels there were. */
static size_t check(function *fn, const tensor *in, int n_in)
{
    struct compiled c;
    char **mem;
    tensor out[MOST];
    size_t n = 0;
    uint64_t generator = thread_self.generator;
    for (int off = 1; off >= 0; off--) {
        compile(&c, fn, in, n_in, off);
        assert_int_equal(thread_self.generator, generator);
        run(&c, in, &mem);
        n = c.fused.group.n;
        if (off) n_kernels = n;
        int n_out = fn(in, out);
        thread_self.generator = generator;
        for (int i = 0; i < n_out; i++) {
            size_t size = (size_t)view_n_bytes(&out[i]->view);
            char *want = malloc(size + 1), *got = malloc(size + 1);
            assert_int_equal(plumb_read(out[i], want, (int64_t)size), 0);
            read_value(&c, mem, c.graph.output.p[i].value, got);
            if (memcmp(want, got, size))
                fail_msg("result %d differs, %s", i, off ? "kernel by kernel" : "fused");
            free(want);
            free(got);
        }
        for (size_t i = 0; i < c.lowered.buffer.n; i++)
            if (!c.lowered.buffer.p[i].given) free(mem[i]);
        free(mem);
        release(&c);
    }
    return n;
}

static tensor randn(enum plumb_dtype dtype, int n, const int64_t *size)
{
    tensor t = plumb_randn(size, n, dtype);
    if (!t) fail_msg("%s", plumb_error());
    return t;
}
#define SIZE(...)                                                                                  \
    (sizeof((int64_t[]){__VA_ARGS__}) / 8), (int64_t[])                                            \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/* ---- functions ---- */

static int f_chain(const tensor *in, tensor *out)
{
    tensor x = plumb_add(in[0], in[1]);
    x = plumb_relu(plumb_mul(x, in[1]));
    x = plumb_exp(plumb_sub(x, in[0]));
    out[0] = plumb_tanh(x);
    return out[0] ? 1 : -1;
}
static void test_chain(void **state)
{
    (void)state;
    enum plumb_dtype dtypes[] = {PLUMB_F32, PLUMB_F64, PLUMB_F16, PLUMB_BF16};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        tensor in[] = {randn(dtypes[i], SIZE(5, 33)), randn(dtypes[i], SIZE(5, 33))};
        assert_int_equal(check(f_chain, in, 2), 1);
        assert_int_equal(n_kernels, 6);
    }
    tensor row[] = {randn(PLUMB_F32, SIZE(5, 33)), randn(PLUMB_F32, SIZE(33))};
    assert_int_equal(check(f_chain, row, 2), 1);
    tensor none[] = {randn(PLUMB_F32, SIZE(0, 33)), randn(PLUMB_F32, SIZE(33))};
    check(f_chain, none, 2);
    tensor one[] = {randn(PLUMB_F32, 0, NULL), randn(PLUMB_F32, 0, NULL)};
    assert_int_equal(check(f_chain, one, 2), 1);
}

static int f_softmax(const tensor *in, tensor *out)
{
    tensor x = plumb_mul_scalar(in[0], 0.5);
    x = plumb_softmax_int(x, -1, (enum plumb_dtype)0);
    out[0] = plumb_mul(x, in[1]);
    return out[0] ? 1 : -1;
}
static void test_softmax(void **state)
{
    (void)state;
    tensor in[] = {randn(PLUMB_F32, SIZE(4, 3, 70)), randn(PLUMB_F32, SIZE(4, 3, 70))};
    assert_int_equal(check(f_softmax, in, 2), 1);
    tensor wide[] = {randn(PLUMB_BF16, SIZE(3, 2500)), randn(PLUMB_BF16, SIZE(1, 2500))};
    assert_int_equal(check(f_softmax, wide, 2), 1);
}

/* Rows seen as two dimensions before and one after: loops are cut. */
static int f_reshaped(const tensor *in, tensor *out)
{
    tensor x = plumb_add(in[0], in[0]);
    x = plumb_view(x, (int64_t[]){6, 20}, 2);
    x = plumb_layer_norm(x, (int64_t[]){20}, 1, in[1], in[2], 1e-5, true);
    x = plumb_view(x, (int64_t[]){2, 12, 5}, 3);
    out[0] = plumb_relu(x);
    return out[0] ? 1 : -1;
}
static void test_reshaped(void **state)
{
    (void)state;
    tensor in[] = {randn(PLUMB_F32, SIZE(3, 2, 4, 5)), randn(PLUMB_F32, SIZE(20)),
                   randn(PLUMB_F32, SIZE(20))};
    assert_int_equal(check(f_reshaped, in, 3), 1);
}

static int f_transposed(const tensor *in, tensor *out)
{
    tensor x = plumb_exp(in[0]);
    x = plumb_transpose_int(x, 0, 1);
    x = plumb_add(x, in[1]);
    out[0] = plumb_contiguous(plumb_permute(x, (int64_t[]){1, 0}, 2));
    out[1] = plumb_sum_dim_intlist(x, (int64_t[]){0}, 1, false, (enum plumb_dtype)0);
    return out[0] && out[1] ? 2 : -1;
}
static void test_transposed(void **state)
{
    (void)state;
    tensor in[] = {randn(PLUMB_F32, SIZE(7, 130)), randn(PLUMB_F32, SIZE(130, 7))};
    check(f_transposed, in, 2);
}

/* A value is needed at another point than it is made at. */
static int f_shifted(const tensor *in, tensor *out)
{
    tensor x = plumb_exp(in[0]);
    tensor a = plumb_slice(x, 0, &(int64_t){1}, NULL, 1);
    tensor b = plumb_slice(x, 0, NULL, &(int64_t){9}, 1);
    out[0] = plumb_sub(a, b);
    return out[0] ? 1 : -1;
}
static void test_shifted(void **state)
{
    (void)state;
    tensor in[] = {randn(PLUMB_F32, SIZE(10))};
    assert_int_equal(check(f_shifted, in, 1), 2);
}

static int f_rounds(const tensor *in, tensor *out)
{
    tensor x = plumb__to_copy(plumb_add(in[0], in[1]), PLUMB_BF16);
    tensor y = plumb__to_copy(plumb_mul(x, x), PLUMB_I32);
    tensor z = plumb__to_copy(plumb_neg(y), PLUMB_F16);
    out[0] = plumb_copysign(plumb__to_copy(x, PLUMB_F32), plumb_neg(in[2]));
    out[1] = plumb_add(z, plumb__to_copy(plumb_gt(in[0], in[1]), PLUMB_F16));
    return out[0] && out[1] ? 2 : -1;
}
static void test_rounds(void **state)
{
    (void)state;
    float v[3][8] = {{NAN, -NAN, 1e30f, -0.0f, 1e-40f, 300.5f, INFINITY, 3},
                     {1, 2, 1e30f, -0.0f, 1e-41f, -1, -INFINITY, 0.3f},
                     {NAN, 1, NAN, -NAN, 0, -0.0f, NAN, 2}};
    tensor in[3];
    for (int i = 0; i < 3; i++) in[i] = plumb_tensor(PLUMB_F32, 1, &(int64_t){8}, v[i]);
    check(f_rounds, in, 3);
}

static int f_random(const tensor *in, tensor *out)
{
    tensor drop[2], x = plumb_mul_scalar(in[0], 2);
    if (plumb_native_dropout(x, 0.3, &(bool){true}, drop) < 0) return -1;
    out[0] = plumb_add(drop[0], in[0]);
    tensor y = plumb_transpose_int(plumb_rand_like(in[0], (enum plumb_dtype)0), 0, 1);
    out[1] = plumb_contiguous(plumb_mul_scalar(y, 3));
    return out[0] && out[1] ? 2 : -1;
}
static void test_random(void **state)
{
    (void)state;
    tensor in[] = {randn(PLUMB_F32, SIZE(9, 31))};
    check(f_random, in, 1);
}

static int f_in_place(const tensor *in, tensor *out)
{
    tensor x = plumb_add(in[0], in[1]), y = plumb_mul(x, in[1]);
    x = plumb_mul_(x, in[0]);
    tensor half = plumb_slice(x, 1, NULL, &(int64_t){4}, 1);
    if (!plumb_add_(half, plumb_slice(y, 1, NULL, &(int64_t){4}, 1))) return -1;
    out[0] = plumb_exp(x);
    out[1] = y;
    out[2] = plumb_cumsum(x, 1, (enum plumb_dtype)0);
    return out[0] && out[2] ? 3 : -1;
}
static void test_in_place(void **state)
{
    (void)state;
    tensor in[] = {randn(PLUMB_F32, SIZE(3, 9)), randn(PLUMB_F32, SIZE(3, 9))};
    check(f_in_place, in, 2);
}

static int f_moves(const tensor *in, tensor *out)
{
    tensor x = plumb_cat((tensor[]){in[0], plumb_exp(in[1]), in[0]}, 3, 0);
    out[0] = plumb_relu(plumb_index_select(x, 0, in[2]));
    out[1] = plumb_sum(plumb_neg(x), (enum plumb_dtype)0);
    out[2] = plumb_argmax(x, &(int64_t){1}, false);
    return out[0] && out[1] && out[2] ? 3 : -1;
}
static void test_moves(void **state)
{
    (void)state;
    tensor in[] = {randn(PLUMB_F32, SIZE(3, 9)), randn(PLUMB_F32, SIZE(4, 9)),
                   plumb_tensor(PLUMB_I64, 1, &(int64_t){3}, (int64_t[]){9, 0, 4})};
    check(f_moves, in, 3);
}

/* NaN of either sign and any payload: in memory each would be the canonical one. */
static int f_nan(const tensor *in, tensor *out)
{
    tensor x = plumb_div(in[0], in[1]); /* 0/0: this processor gives a negative one */
    tensor y = plumb_neg(plumb_mul(x, in[1]));
    out[0] = plumb_copysign(in[1], y);
    out[1] = plumb_add(y, plumb_relu(plumb_neg(x)));
    out[2] = plumb_clone(x);
    out[3] = plumb__to_copy(plumb_sub(y, in[0]), PLUMB_BF16);
    return out[0] && out[1] && out[2] && out[3] ? 4 : -1;
}
/* What keeps bits, and only chooses: the bits that it hands on are seen. */
static int f_nan_chosen(const tensor *in, tensor *out)
{
    tensor x = plumb_view(plumb_div(in[0], in[1]), (int64_t[]){12, 12}, 2);
    out[0] = plumb_tril(x, 0);
    return out[0] ? 1 : -1;
}
static int n_canons(function *fn, const tensor *in, int n_in)
{
    struct compiled c;
    int n = 0;
    compile(&c, fn, in, n_in, false);
    for (size_t g = 0; g < c.fused.group.n; g++)
        for (int i = 0; i < c.fused.group.p[g].nest->n_nodes; i++) {
            const struct nest_node *node = &c.fused.group.p[g].nest->node[i];
            n += node->kind == NEST_CALL && node->index == NEST_FN_canon;
        }
    release(&c);
    return n;
}
static void test_nan(void **state)
{
    (void)state;
    uint32_t bits[] = {0,          0x80000000, 0x7f800000, 0xff800000, 0xffc00001, 0x7fc12345,
                       0x3f800000, 0xc0000000, 0x7f7fffff, 0xff7fffff, 0x00000001, 0xffffffff};
    enum { N = sizeof bits / sizeof *bits };
    uint32_t a[N * N], b[N * N];
    int64_t n = N * N;
    for (int i = 0; i < N * N; i++) a[i] = bits[i / N], b[i] = bits[i % N];
    tensor in[] = {plumb_tensor(PLUMB_F32, 1, &n, a), plumb_tensor(PLUMB_F32, 1, &n, b)};
    check(f_nan, in, 2);
    check(f_nan_chosen, in, 2);
    assert_int_equal(n_canons(f_chain, in, 2), 0);
    assert_true(n_canons(f_nan, in, 2) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),    cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_reshaped), cmocka_unit_test(test_transposed),
        cmocka_unit_test(test_shifted),  cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_random),   cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_moves),    cmocka_unit_test(test_nan),
    };
    return cmocka_run_group_tests(tests, open_session, close_session);
}
