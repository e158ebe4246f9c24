/* test_program.c - functions traced, made programs and run: the bits of eager, in results and in
 * what they write, whatever is fused, combined, built or interpreted. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <sqlite3.h>
#include <unistd.h>

#include "plumb.h"
#include "runtime/build.h"
#include "runtime/compile/program.h"

typedef struct plumb_tensor *tensor;
typedef int function(const tensor *in, tensor *out);
enum { MOST = 16, LISTS = 12 };

static char cache[100];

static int open_session(void **state)
{
    const char *backend = *state;
    return plumb_open(&(struct plumb_options){.backend = backend, .threads = 2, .seed = 7}) ? 0
                                                                                            : -1;
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

/* ---- a compiled function ---- */

struct compiled {
    struct arena arena;
    struct graph graph;
    struct program program;
    int n_out;
};

static void compile(struct compiled *c, function *fn, const tensor *in, int n_in,
                    const struct program_options *o)
{
    struct trace t;
    tensor out[MOST];
    memset(c, 0, sizeof *c);
    graph_init(&c->graph, &c->arena, "f");
    must(trace_begin(&t, &c->graph, in, n_in));
    c->n_out = fn(t.in, out);
    if (c->n_out < 0) print_error("%s\n", plumb_error());
    assert_true(c->n_out >= 0 && !t.broken);
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

static char *bytes_of(tensor t)
{
    size_t size = (size_t)view_n_bytes(&t->view);
    char *p = calloc(size + 1, 1);
    assert_int_equal(plumb_read(t, p, (int64_t)size), 0);
    return p;
}

static bool differ(tensor x, tensor y)
{
    char *a = bytes_of(x), *b = bytes_of(y);
    bool differs = memcmp(a, b, (size_t)view_n_bytes(&x->view));
    free(a);
    free(b);
    return differs;
}

static void same_bytes(tensor want, tensor got, const char *what, int i)
{
    assert_true(view_same_shape(&want->view, &got->view));
    if (differ(want, got)) fail_msg("%s %d differs", what, i);
}

static void clone_all(const tensor *in, int n, tensor *out)
{
    for (int i = 0; i < n; i++) {
        out[i] = plumb_clone(in[i]);
        assert_non_null(out[i]);
    }
}

static size_t n_launches;

/* Twice, the second time in memory that the first has used. */
static void check_one(function *fn, const tensor *in, int n_in, const struct program_options *o)
{
    struct compiled c;
    tensor want[MOST], got[MOST], mine[5 * LISTS], theirs[5 * LISTS];
    compile(&c, fn, in, n_in, o);
    n_launches = c.program.launch.n;
    for (int round = 0; round < 2; round++) {
        clone_all(in, n_in, mine);
        clone_all(in, n_in, theirs);
        uint64_t generator = thread_self.generator;
        struct program_call call = {.input = mine, .stream = (int64_t)generator, .output = got};
        must(program_run(&c.program, &call));
        assert_int_equal(thread_self.generator, generator);
        assert_int_equal(fn(theirs, want), c.n_out);
        for (int i = 0; i < c.n_out; i++) same_bytes(want[i], got[i], "result", i);
        for (int i = 0; i < n_in; i++) {
            same_bytes(theirs[i], mine[i], "argument", i);
            if (differ(in[i], mine[i])) assert_true(mine[i]->storage->version > 0);
        }
        for (int i = 0; i < c.n_out; i++)
            for (int k = 0; k < n_in; k++)
                assert_int_equal(got[i]->storage == mine[k]->storage,
                                 want[i]->storage == theirs[k]->storage);
    }
    release(&c);
}

static void check(function *fn, const tensor *in, int n_in)
{
    static const struct program_options options[] = {
        {.interpret = true}, {0}, {.no_fusion = true}, {.no_combos = true}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        check_one(fn, in, n_in, &options[i]);
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

static int f_block(const tensor *in, tensor *out)
{
    tensor x = plumb_layer_norm(in[0], &(int64_t){40}, 1, in[3], NULL, 1e-5, true);
    x = plumb_linear(x, in[1], in[2]);
    x = plumb_linear(plumb_gelu(x, "none"), plumb_t(in[1]), NULL);
    out[0] = plumb_add(x, in[0]);
    out[1] = plumb__softmax(out[0], 1, false);
    out[2] = plumb_sum(plumb_mul(out[0], in[0]), (enum plumb_dtype)0);
    return out[1] && out[2] ? 3 : -1;
}
static void test_block(void **state)
{
    (void)state;
    tensor in[] = {randn(PLUMB_F32, SIZE(70, 40)), randn(PLUMB_F32, SIZE(50, 40)),
                   randn(PLUMB_F32, SIZE(50)), randn(PLUMB_F32, SIZE(40))};
    check(f_block, in, 4);
}

/* Writes an argument, and gives back a view of it and what depends on the order. */
static int f_writes(const tensor *in, tensor *out)
{
    tensor before = plumb_exp(in[0]), x = plumb_mul_(in[0], in[1]);
    tensor half = plumb_slice(x, 1, NULL, &(int64_t){4}, 1);
    if (!plumb_add_(half, plumb_slice(in[1], 1, NULL, &(int64_t){4}, 1))) return -1;
    out[0] = plumb_t(x);
    out[1] = plumb_cumsum(plumb_add(x, before), 1, (enum plumb_dtype)0);
    out[2] = half;
    out[3] = out[1];
    return out[0] && out[1] ? 4 : -1;
}
static void test_writes(void **state)
{
    (void)state;
    tensor in[] = {randn(PLUMB_F32, SIZE(30, 9)), randn(PLUMB_F32, SIZE(30, 9))};
    check(f_writes, in, 2);
}

static int f_random(const tensor *in, tensor *out)
{
    out[0] = plumb_add(plumb_rand_like(in[0], (enum plumb_dtype)0), in[0]);
    out[1] = plumb_mul(plumb_randn_like(in[0], (enum plumb_dtype)0), in[0]);
    out[2] = plumb_bernoulli_p(in[0], 0.3);
    return out[0] && out[1] && out[2] ? 3 : -1;
}
static void test_random(void **state)
{
    (void)state;
    tensor in[] = {randn(PLUMB_F32, SIZE(9, 31))};
    check(f_random, in, 1);
}

static int f_moves(const tensor *in, tensor *out)
{
    tensor sorted[2], x = plumb_cat((tensor[]){in[0], plumb_exp(in[1]), in[0]}, 3, 0);
    if (plumb_sort(x, 1, true, sorted) < 0) return -1;
    out[0] = plumb_relu(plumb_index_select(x, 0, in[2]));
    out[1] = plumb_argmax(sorted[0], &(int64_t){1}, false);
    out[2] = plumb_neg(sorted[1]);
    return out[0] && out[1] && out[2] ? 3 : -1;
}
static tensor positions(int64_t last)
{
    return plumb_tensor(PLUMB_I64, 1, &(int64_t){3}, (int64_t[]){9, 0, last});
}
static void test_moves(void **state)
{
    (void)state;
    tensor in[] = {randn(PLUMB_F32, SIZE(3, 9)), randn(PLUMB_F32, SIZE(4, 9)), positions(4)};
    check(f_moves, in, 3);
}

static int f_empty(const tensor *in, tensor *out)
{
    out[0] = plumb_exp(in[0]);
    out[1] = plumb_sum(out[0], (enum plumb_dtype)0);
    out[2] = plumb_mm(in[0], in[1]);
    out[3] = plumb_add(in[2], out[1]);
    return out[1] && out[2] && out[3] ? 4 : -1;
}
static void test_empty(void **state)
{
    (void)state;
    tensor in[] = {randn(PLUMB_F32, SIZE(3, 0)), randn(PLUMB_F32, SIZE(0, 4)),
                   randn(PLUMB_F32, 0, NULL)};
    check(f_empty, in, 3);
}

/* in: parameters, gradients, two moments and steps of LISTS tensors. */
static int f_adamw(const tensor *in, tensor *out)
{
    (void)out;
    return plumb__fused_adamw_(in, LISTS, in + LISTS, LISTS, in + 2 * LISTS, LISTS, in + 3 * LISTS,
                               LISTS, NULL, 0, in + 4 * LISTS, LISTS, 0.01, 0.9, 0.99, 0.1, 1e-8,
                               false, false)
               ? -1
               : 0;
}
static void test_adamw(void **state)
{
    tensor in[5 * LISTS];
    (void)state;
    for (int i = 0; i < 5 * LISTS; i++) {
        tensor x = randn(PLUMB_F32, 1, &(int64_t){64 + i % LISTS * 80});
        in[i] = i / LISTS == 3 ? plumb_mul(x, x) : x;
        if (i / LISTS == 4) in[i] = plumb_tensor(PLUMB_F32, 0, NULL, &(float){3});
    }
    check_one(f_adamw, in, 5 * LISTS, &(struct program_options){.no_combos = true});
    size_t alone = n_launches;
    check(f_adamw, in, 5 * LISTS);
    check_one(f_adamw, in, 5 * LISTS, &(struct program_options){0});
    assert_true(n_launches < alone / 4);
}

/* ---- what is decided ---- */

static int f_chain(const tensor *in, tensor *out)
{
    tensor x = in[0];
    for (int i = 0; i < 8; i++) x = plumb_mm(plumb_relu(x), in[0]);
    out[0] = x;
    return out[0] ? 1 : -1;
}
static void test_memory(void **state)
{
    struct compiled c;
    tensor in[] = {randn(PLUMB_F32, SIZE(32, 32))};
    (void)state;
    compile(&c, f_chain, in, 1, &(struct program_options){.interpret = true});
    const struct program *p = &c.program;
    assert_int_equal(p->launch.n, 9);
    assert_int_equal(p->memory.size, 2 * 4096);
    assert_int_equal(p->memory.total, 8 * 4096);
    assert_string_equal(p->launch.p[0].name, "pl_poi_fused_relu_0");
    assert_string_equal(p->launch.p[1].name, "extern_mm_fused_relu_1");
    assert_int_equal(p->launch.p[1].n_args, 3);
    assert_int_equal(p->launch.p[1].bytes_read, 2 * 4096);
    assert_int_equal(p->launch.p[1].bytes_written, 4096);
    assert_string_equal(p->launch.p[8].name, "extern_mm_8");
    assert_int_equal(p->launch.p[0].n_args, 2);
    assert_string_equal(p->launch.p[0].arg[0].keyword, "in_ptr0");
    assert_string_equal(p->launch.p[0].arg[1].keyword, "out_ptr0");
    release(&c);
}

static void test_out_of_bounds(void **state)
{
    struct compiled c;
    tensor got[MOST],
        in[] = {randn(PLUMB_F32, SIZE(3, 9)), randn(PLUMB_F32, SIZE(4, 9)), positions(10)};
    (void)state;
    compile(&c, f_moves, in, 3, &(struct program_options){0});
    struct program_call call = {.input = in, .output = got};
    assert_int_equal(program_run(&c.program, &call), ERR_USAGE);
    assert_non_null(strstr(err_text(), "index 10 is out of bounds"));
    in[2] = positions(4);
    must(program_run(&c.program, &call));
    release(&c);
}

struct other {
    pthread_t id;
    struct plumb *session;
    struct compiled *c;
    tensor *in;
    char *bytes;
};
static void *run_many(void *context)
{
    struct other *o = context;
    tensor got[MOST];
    plumb_enter(o->session);
    for (int i = 0; i < 40; i++) {
        struct program_call call = {.input = o->in, .output = got};
        if (program_run(&o->c->program, &call)) return "it failed";
        if (plumb_read(got[0], o->bytes, 70 * 40 * 4)) return "it cannot be read";
    }
    plumb_leave();
    return NULL;
}
static void test_threads(void **state)
{
    struct compiled c;
    struct other o[3];
    void *failed;
    tensor in[] = {randn(PLUMB_F32, SIZE(70, 40)), randn(PLUMB_F32, SIZE(50, 40)),
                   randn(PLUMB_F32, SIZE(50)), randn(PLUMB_F32, SIZE(40))};
    (void)state;
    compile(&c, f_block, in, 4, &(struct program_options){0});
    for (int i = 0; i < 3; i++) {
        o[i] = (struct other){.session = thread_self.session, .c = &c, .in = in};
        o[i].bytes = malloc(70 * 40 * 4);
        assert_int_equal(pthread_create(&o[i].id, NULL, run_many, &o[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(o[i].id, &failed);
        if (failed) fail_msg("%s", (const char *)failed);
        assert_memory_equal(o[i].bytes, o[0].bytes, 70 * 40 * 4);
    }
    for (int i = 0; i < 3; i++) free(o[i].bytes);
    release(&c);
}

/* ---- other back ends ---- */

static void test_ref(void **state)
{
    struct compiled c;
    tensor want[MOST], got[MOST];
    tensor in[] = {randn(PLUMB_F32, SIZE(3, 9)), randn(PLUMB_F32, SIZE(4, 9)), positions(4)};
    (void)state;
    compile(&c, f_moves, in, 3, &(struct program_options){0});
    struct program_call call = {.input = in, .output = got};
    must(program_run(&c.program, &call));
    assert_int_equal(f_moves(in, want), 3);
    for (int i = 0; i < 3; i++) same_bytes(want[i], got[i], "result", i);
    release(&c);
}

static void test_null(void **state)
{
    struct compiled c;
    tensor got[MOST], in[] = {randn(PLUMB_F32, SIZE(30, 9)), randn(PLUMB_F32, SIZE(30, 9))};
    (void)state;
    compile(&c, f_writes, in, 2, &(struct program_options){0});
    struct program_call call = {.input = in, .output = got};
    must(program_run(&c.program, &call));
    assert_true(in[0]->storage->version > 0);
    assert_ptr_equal(got[0]->storage, in[0]->storage);
    release(&c);
}

/* ---- the trace ---- */

static int64_t ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *q;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return n;
}

static void test_recorded(void **state)
{
    char path[120];
    struct compiled c;
    tensor got[MOST];
    sqlite3 *db;
    (void)state;
    snprintf(path, sizeof path, "%s/trace.db", unit_folder());
    assert_non_null(plumb_open(&(struct plumb_options){.trace = path, .threads = 1, .seed = 7}));
    tensor in[] = {randn(PLUMB_F32, SIZE(70, 40)), randn(PLUMB_F32, SIZE(50, 40)),
                   randn(PLUMB_F32, SIZE(50)), randn(PLUMB_F32, SIZE(40))};
    thread_self.quiet++;
    compile(&c, f_block, in, 4, &(struct program_options){.site = "0/0 inference"});
    thread_self.quiet--;
    struct program_call call = {.input = in, .output = got};
    must(program_run(&c.program, &call));
    size_t kernels = 0;
    for (size_t i = 0; i < c.program.launch.n; i++) kernels += c.program.launch.p[i].code >= 0;
    release(&c);
    assert_int_equal(plumb_close(), 0);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(ask(db, "SELECT count(*) FROM event WHERE kind = 6"), kernels);
    assert_int_equal(ask(db, "SELECT count(*) FROM launch l JOIN string s ON s.id = l.site WHERE "
                             "s.text LIKE '0/0 inference %_fused_%'"),
                     kernels);
    sqlite3_close(db);
    unlink(path);
    rmdir(unit_folder());
}

static int set_up(void **state)
{
    (void)state;
    snprintf(cache, sizeof cache, "/tmp/plumb-unit-program-%d", (int)getpid());
    build_set_options(&(struct build_options){.cache = cache});
    return 0;
}
static int tear_down(void **state)
{
    (void)state;
    DIR *d = opendir(cache);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') unlinkat(dirfd(d), e->d_name, 0);
    if (d) closedir(d);
    rmdir(cache);
    return 0;
}

#define ON(test, backend)                                                                          \
    {                                                                                              \
#test, test, open_session, close_session, backend                                          \
    }
int main(void)
{
    static char cpu[] = "cpu", ref[] = "ref", null[] = "null";
    const struct CMUnitTest tests[] = {
        ON(test_block, cpu),  ON(test_writes, cpu),        ON(test_random, cpu),
        ON(test_moves, cpu),  ON(test_empty, cpu),         ON(test_adamw, cpu),
        ON(test_memory, cpu), ON(test_out_of_bounds, cpu), ON(test_threads, cpu),
        ON(test_ref, ref),    ON(test_null, null),         cmocka_unit_test(test_recorded),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
