/* test_epilogue.c - products with nests on their tiles: the bits of eager, whatever the sizes,
 * strides, dtypes, values, threads and the provider; and what is refused, with its reason. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <math.h>
#include <unistd.h>

#include "plumb.h"
#include "runtime/backend.h"
#include "runtime/build.h"
#include "runtime/compile/program.h"

typedef struct plumb_tensor *tensor;
/* in: a [m, k], b [k, n], bias [n], residual [m, n], column [m, 1], mask [m, n]; gives how many
 * results there are. */
typedef int function(const tensor *in, tensor *out);
enum { A, B, BIAS, RESIDUAL, COLUMN, MASK, N_IN, MOST = 4 };

static char cache[100];

static void must(enum err err)
{
    if (err) print_error("%s\n", err_text());
    assert_int_equal(err, ERR_OK);
}

/* ---- functions ---- */

static int one(tensor *out, tensor y)
{
    out[0] = y;
    return y ? 1 : -1;
}
static int f_relu(const tensor *in, tensor *out)
{
    return one(out, plumb_relu(plumb_mm(in[A], in[B])));
}
static int f_bias_gelu_residual(const tensor *in, tensor *out)
{
    tensor y = plumb_add(plumb_mm(in[A], in[B]), in[BIAS]);
    return one(out, plumb_add(plumb_gelu(y, "tanh"), in[RESIDUAL]));
}
static int f_masked(const tensor *in, tensor *out)
{
    tensor y = plumb_masked_fill_scalar(plumb_mm(in[A], in[B]), in[MASK], -INFINITY);
    return one(out, plumb_mul(y, in[COLUMN]));
}
static int f_addmm(const tensor *in, tensor *out)
{
    tensor y = plumb_addmm_full(in[BIAS], in[A], in[B], 0.5, -2);
    return one(out, plumb_mul(y, plumb_sigmoid(y)));
}
static int f_cast(const tensor *in, tensor *out)
{
    tensor y = plumb__to_copy(plumb_mm(in[A], in[B]), PLUMB_F64);
    out[0] = plumb_mul_scalar(y, 3);
    out[1] = plumb__to_copy(y, PLUMB_F16);
    return out[0] && out[1] ? 2 : -1;
}
/* The result is needed too. */
static int f_stored(const tensor *in, tensor *out)
{
    out[0] = plumb_mm(in[A], in[B]);
    return one(out + 1, plumb_neg(out[0])) > 0 ? 2 : -1;
}
static int f_in_place(const tensor *in, tensor *out)
{
    tensor y = plumb_mm(in[A], in[B]);
    return one(out, plumb_relu_(y));
}
static int f_added_to_given(const tensor *in, tensor *out)
{
    return one(out, plumb_add_(in[RESIDUAL], plumb_mm(in[A], in[B])));
}
static int f_turned(const tensor *in, tensor *out)
{
    return one(out, plumb_relu(plumb_t(plumb_mm(in[A], in[B]))));
}
static int f_flat(const tensor *in, tensor *out)
{
    return one(out, plumb_relu(plumb_view(plumb_mm(in[A], in[B]), (int64_t[]){-1}, 1)));
}
/* Random numbers are counted by points. */
static int f_dropout(const tensor *in, tensor *out)
{
    tensor two[2];
    if (plumb_native_dropout(plumb_mm(in[A], in[B]), 0.5, &(bool){true}, two) < 0) return -1;
    out[0] = two[0];
    out[1] = two[1];
    return 2;
}
/* ---- those that are refused, or half ---- */

static int f_summed(const tensor *in, tensor *out)
{
    return one(out, plumb_cumsum(plumb_relu(plumb_mm(in[A], in[B])), 1, (enum plumb_dtype)0));
}
static int f_sliced(const tensor *in, tensor *out)
{
    const int64_t first = 1;
    return one(out, plumb_relu(plumb_slice(plumb_mm(in[A], in[B]), 1, &first, NULL, 1)));
}
static int f_two_products(const tensor *in, tensor *out)
{
    tensor x = plumb_mm(in[A], in[B]), y = plumb_mm(in[RESIDUAL], plumb_t(in[RESIDUAL]));
    return one(out, plumb_mul(plumb_sub(x, in[RESIDUAL]), plumb_mm(y, in[RESIDUAL])));
}
static int f_overwritten(const tensor *in, tensor *out)
{
    return one(out, plumb_add_(in[A], plumb_mm(in[A], in[B])));
}
static int f_squared(const tensor *in, tensor *out)
{
    tensor y = plumb_mm(in[A], in[B]);
    return one(out, plumb_add(y, plumb_t(y)));
}

/* ---- arguments ---- */

struct sizes {
    int64_t batch, m, n, k;
    bool turn_a, turn_b;
};

static tensor filled(enum plumb_dtype t, int n, const int64_t *size)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY, -0.0, 1e-40, 3e38};
    static unsigned at;
    tensor x = plumb__to_copy(plumb_randn(size, n, PLUMB_F32), t);
    if (!x) fail_msg("%s", plumb_error());
    int64_t count = view_count(&x->view), item = (int64_t)dtype_size(x->view.dtype);
    for (int i = 0; i < 6 && count > 40; i++)
        dtype_cast(DTYPE_F64, &odd[i], x->view.dtype,
                   (char *)x->storage->p + (int64_t)(at++ * 7919 % (unsigned)count) * item, 1);
    return x;
}
/* [batch,] rows, columns; turned: it lies column by column. */
static tensor matrix(enum plumb_dtype t, int64_t batch, int64_t rows, int64_t columns, bool turned)
{
    int64_t size[] = {batch, turned ? columns : rows, turned ? rows : columns};
    tensor x = filled(t, batch ? 3 : 2, batch ? size : size + 1);
    return turned ? plumb_transpose_int(x, -2, -1) : x;
}
static void arguments(const struct sizes *s, enum plumb_dtype t, tensor *in)
{
    in[A] = matrix(t, s->batch, s->m, s->k, s->turn_a);
    in[B] = matrix(t, s->batch, s->k, s->n, s->turn_b);
    in[BIAS] = filled(t, 1, &s->n);
    in[RESIDUAL] = matrix(t, s->batch, s->m, s->n, false);
    in[COLUMN] = matrix(t, s->batch, s->m, 1, false);
    in[MASK] = plumb_gt_scalar(matrix(PLUMB_F32, s->batch, s->m, s->n, true), 0);
    for (int i = 0; i < N_IN; i++)
        if (!in[i]) fail_msg("%s", plumb_error());
}

/* ---- compiled against eager ---- */

struct compiled {
    struct arena arena;
    struct graph graph;
    struct program program;
    int n_out;
};
static void compile(struct compiled *c, function *fn, const tensor *in,
                    const struct program_options *o)
{
    struct trace t;
    tensor out[MOST];
    memset(c, 0, sizeof *c);
    graph_init(&c->graph, &c->arena, "f");
    must(trace_begin(&t, &c->graph, in, N_IN));
    c->n_out = fn(t.in, out);
    if (c->n_out < 0) fail_msg("%s", plumb_error());
    for (int i = 0; i < c->n_out; i++) must(trace_output(&t, out[i], GRAPH_RESULT, i));
    trace_end(&t);
    must(graph_check(&c->graph));
    must(program_build(&c->graph, o, &c->arena, &c->program));
}
static void release(struct compiled *c)
{
    program_release(&c->program);
    graph_release(&c->graph);
    arena_release(&c->arena);
}

static void same_bits(tensor x, tensor y)
{
    size_t size = (size_t)view_n_bytes(&x->view);
    char *a = calloc(2, size + 1), *b = a + size;
    assert_true(view_same_shape(&x->view, &y->view));
    assert_int_equal(plumb_read(x, a, (int64_t)size), 0);
    assert_int_equal(plumb_read(y, b, (int64_t)size), 0);
    if (memcmp(a, b, size)) fail_msg("other bits");
    free(a);
}

/* Runs it twice: a room is used again. */
static void run_both(struct compiled *c, function *fn, const tensor *in)
{
    for (int round = 0; round < 2; round++) {
        tensor want[MOST], got[MOST], mine[N_IN], theirs[N_IN];
        for (int i = 0; i < N_IN; i++) {
            mine[i] = plumb_clone(in[i]);
            theirs[i] = plumb_clone(in[i]);
        }
        struct program_call call = {
            .input = mine, .stream = (int64_t)thread_self.generator, .output = got};
        must(program_run(&c->program, &call));
        assert_int_equal(fn(theirs, want), c->n_out);
        for (int i = 0; i < c->n_out; i++) same_bits(want[i], got[i]);
        for (int i = 0; i < N_IN; i++) same_bits(theirs[i], mine[i]);
    }
}

static void count(const struct program *p, int *tiles, int *stored)
{
    *tiles = *stored = 0;
    for (size_t i = 0; i < p->fused.group.n; i++) {
        const struct fuse_group *g = &p->fused.group.p[i];
        *tiles += g->product >= 0;
        *stored += g->product >= 0 && g->stored;
    }
}

/* How many products have an epilogue, and how many of these store what they make. */
static void check(function *fn, const struct sizes *s, enum plumb_dtype t, int tiles, int stored)
{
    static const struct program_options ways[] = {
        {0}, {.interpret = true}, {.no_fusion = true, .interpret = true}};
    tensor in[N_IN];
    assert_int_equal(plumb_frame_begin(), 0);
    arguments(s, t, in);
    for (int i = 0; i < 3; i++) {
        struct compiled c;
        int n_tiles, n_stored;
        compile(&c, fn, in, &ways[i]);
        count(&c.program, &n_tiles, &n_stored);
        assert_int_equal(n_tiles, ways[i].no_fusion ? 0 : tiles);
        assert_int_equal(n_stored, ways[i].no_fusion ? 0 : stored);
        run_both(&c, fn, in);
        release(&c);
    }
    plumb_frame_end();
}

/* The reason of the first decision about a product and what reads it. */
static void check_refused(function *fn, const struct sizes *s, enum fuse_reason reason, int tiles)
{
    tensor in[N_IN];
    struct compiled c;
    bool found = false;
    assert_int_equal(plumb_frame_begin(), 0);
    arguments(s, PLUMB_F32, in);
    compile(&c, fn, in, &(struct program_options){0});
    const struct fused *f = &c.program.fused;
    for (size_t i = 0; i < f->decision.n; i++) found |= f->decision.p[i].reason == reason;
    for (size_t i = 0; i < f->decision.n && !found; i++)
        print_error("%s\n", fuse_reason_word(f->decision.p[i].reason));
    if (!found) fail_msg("nothing is refused as %s", fuse_reason_word(reason));
    plumb_frame_end();
    release(&c);
    check(fn, s, PLUMB_F32, tiles, 0);
}

/* ---- tests ---- */

static const struct sizes middle = {0, 37, 40, 19, false, true};

static void test_functions(void **state)
{
    (void)state;
    check(f_relu, &middle, PLUMB_F32, 1, 0);
    check(f_bias_gelu_residual, &middle, PLUMB_F32, 1, 0);
    check(f_masked, &middle, PLUMB_F32, 1, 0);
    check(f_addmm, &middle, PLUMB_F32, 1, 0);
    check(f_cast, &middle, PLUMB_F32, 1, 0);
    check(f_stored, &middle, PLUMB_F32, 1, 1);
    check(f_in_place, &middle, PLUMB_F32, 1, 1);
    check(f_added_to_given, &middle, PLUMB_F32, 1, 0);
    check(f_turned, &middle, PLUMB_F32, 1, 0);
    check(f_flat, &middle, PLUMB_F32, 1, 0);
    check(f_dropout, &middle, PLUMB_F32, 1, 0);
}

static void test_sizes(void **state)
{
    static const struct sizes s[] = {
        {0, 1, 16, 1, 0, 0},    {0, 5, 17, 7, 1, 1},     {0, 2, 600, 3, 0, 0},
        {0, 64, 64, 64, 1, 0},  {0, 70, 33, 0, 0, 0},    {0, 800, 16, 5, 0, 1},
        {0, 3, 20, 9000, 1, 0}, {0, 385, 1030, 3, 0, 0}, {0, 0, 20, 3, 0, 0},
        {0, 20, 0, 3, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof s / sizeof *s; i++) {
        bool any = s[i].m && s[i].n;
        check(f_bias_gelu_residual, &s[i], PLUMB_F32, any, 0);
        if (i % 3 == 0) check(f_stored, &s[i], PLUMB_F32, any, any);
    }
}

static void test_dtypes(void **state)
{
    static const enum plumb_dtype t[] = {PLUMB_F64, PLUMB_F16, PLUMB_BF16};
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        check(f_bias_gelu_residual, &middle, t[i], 1, 0);
        check(f_stored, &middle, t[i], 1, 1);
    }
    check(f_stored, &middle, PLUMB_C64, 1, 1);
    check(f_added_to_given, &middle, PLUMB_C64, 1, 0);
}

static int f_batches(const tensor *in, tensor *out)
{
    tensor y = plumb_add(plumb_bmm(in[A], in[B]), in[BIAS]);
    return one(out, plumb_mul(plumb_gelu(y, "none"), in[COLUMN]));
}
/* What is added is repeated: rows are two loops. */
static int f_rows_of_two_loops(const tensor *in, tensor *out)
{
    int64_t t = in[A]->view.shape.size[0] / 2, n = in[B]->view.shape.size[1];
    tensor y = plumb_view(plumb_mm(in[A], in[B]), (int64_t[]){2, t, n}, 3);
    const int64_t first = 0;
    return one(out, plumb_add(y, plumb_slice(in[RESIDUAL], 0, &first, &t, 1)));
}
static void test_batches(void **state)
{
    (void)state;
    check(f_batches, &(struct sizes){3, 21, 18, 5, true, false}, PLUMB_F32, 1, 0);
    check(f_batches, &(struct sizes){2, 400, 520, 2, false, true}, PLUMB_F32, 1, 0);
    check(f_rows_of_two_loops, &(struct sizes){0, 42, 18, 5, true, false}, PLUMB_F32, 1, 0);
}

static void test_refused(void **state)
{
    static const struct sizes square = {0, 32, 32, 32, 0, 0};
    (void)state;
    check_refused(f_summed, &middle, FUSE_ROWS, 0);
    check_refused(f_sliced, &middle, FUSE_PLACE, 0);
    check_refused(f_overwritten, &square, FUSE_WRITES, 0);
    check_refused(f_squared, &square, FUSE_PLACE, 0);
    check_refused(f_relu, &(struct sizes){0, 50, 15, 8, 0, 0}, FUSE_NARROW, 0);
    check_refused(f_two_products, &square, FUSE_TAKEN, 1);
    if (thread_self.session->threads > 1)
        check_refused(f_relu, &(struct sizes){0, 384, 512, 1, 0, 0}, FUSE_FEW_TILES, 0);
}

/* ---- sessions ---- */

static int open_session(enum plumb_determinism determinism, int threads)
{
    return plumb_open(
               &(struct plumb_options){.determinism = determinism, .threads = threads, .seed = 7})
               ? 0
               : -1;
}
static int open_exact(void **state)
{
    (void)state;
    return open_session(PLUMB_EXACT, 3);
}
static int open_run(void **state)
{
    (void)state;
    return open_session(PLUMB_RUN, 1);
}
static int close_session(void **state)
{
    (void)state;
    return plumb_close();
}
static int set_up(void **state)
{
    (void)state;
    snprintf(cache, sizeof cache, "/tmp/plumb-unit-epilogue-%d", (int)getpid());
    build_set_options(&(struct build_options){.cache = cache});
    nest_compile_after(INT64_MAX); /* of what is run as it is, nothing is built */
    return 0;
}
static int tear_down(void **state)
{
    (void)state;
    DIR *d = opendir(cache);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') unlinkat(dirfd(d), e->d_name, 0);
    if (d) closedir(d);
    return rmdir(cache);
}

#define TEST(t)                                                                                    \
    cmocka_unit_test_setup_teardown(t, open_exact, close_session),                                 \
        cmocka_unit_test_setup_teardown(t, open_run, close_session)
int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_functions), TEST(test_sizes), TEST(test_dtypes),
                                       TEST(test_batches), TEST(test_refused)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
