/* test_compile_log.c - what is told of compiles that come again, break, or see odd tensors. */
#include "capture/cap.h"
#include "plumb.h"
#include "runtime/compile/compiled.h"
#include "store/db.h"
#include "tests/unit/unit.h"

#include <pthread.h>
#include <unistd.h>

static char path[64];

static void begin(void)
{
    if (thread_self.session) plumb_close(); /* of a test that failed */
    strcpy(path, "/tmp/plumb_log_XXXXXX");
    close(mkstemp(path));
    struct plumb_options o = {.trace = path, .overwrite = true, .seed = 3, .threads = 1};
    if (!plumb_open(&o)) fail_msg("%s", plumb_error());
    plumb_frame_begin();
}

static void end(void)
{
    plumb_frame_end();
    if (plumb_close()) fail_msg("%s", plumb_error());
}

static int64_t ask(const char *sql)
{
    sqlite3 *db;
    int64_t n = -1;
    assert_int_equal(store_open_read(path, STORE_OPEN_DEFAULT, &db), ERR_OK);
    if (store_int(db, sql, &n)) fail_msg("%s", err_text());
    store_close(db);
    return n;
}

static struct plumb_tensor *numbers(int64_t rows, int64_t columns)
{
    return plumb_ones((int64_t[]){rows, columns}, 2, PLUMB_F32);
}

static struct plumb_compiled *compile(const char *name, plumb_function fn)
{
    struct plumb_compiled *c = plumb_compile(name, fn, NULL, NULL);
    if (!c) fail_msg("%s", plumb_error());
    c->interpret = true;
    return c;
}

static void call(struct plumb_compiled *c, struct plumb_tensor *x)
{
    struct plumb_tensor *y = NULL;
    if (!x || plumb_compiled_call(c, &x, 1, &y, 1)) fail_msg("%s", plumb_error());
    assert_non_null(y);
}

static int chain(void *context, struct plumb_tensor *const *in, int n_in, struct plumb_tensor **out,
                 int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    out[0] = plumb_relu(plumb_add(in[0], plumb_mul_scalar(in[0], 0.5)));
    return out[0] ? 0 : -1;
}

static int by_size(void *context, struct plumb_tensor *const *in, int n_in,
                   struct plumb_tensor **out, int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    out[0] = plumb_size(in[0], 0) > 6 ? plumb_exp(in[0]) : plumb_neg(in[0]);
    return out[0] ? 0 : -1;
}

/* Sizes of one compile, each told; what is another program, or does not fit, with the reason. */
static void tells_sizes_of_a_dynamic_compile(void **state)
{
    (void)state;
    begin();
    struct plumb_compiled *c = compile("f", by_size);
    assert_int_equal(plumb_mark_dynamic(c, 0, 0), 0);
    const int64_t rows[] = {4, 5, 7, 8, 6, 1, 5};
    for (int i = 0; i < 7; i++) call(c, numbers(rows[i], 3));
    end();
    assert_int_equal(ask("SELECT count(*) FROM compile"), 3);
    assert_int_equal(
        ask("SELECT count(*) FROM recompile_reasons WHERE compile_id = '0/1' AND kind = "
            "'program' AND reason = 'another program at s0 = 7: call 0 is aten::exp, not "
            "aten::neg'"),
        1);
    assert_int_equal(
        ask("SELECT count(*) FROM recompile_reasons WHERE compile_id = '0/2' AND kind = "
            "'symbol' AND reason = '2 <= L[''in''][0].size()[0]. expected at least 2, "
            "actual 1'"),
        1);
    assert_int_equal(
        ask("SELECT count(*) FROM compile_instance i JOIN compile c ON c.id = i.compile "
            "JOIN string s ON s.id = i.sizes WHERE c.compile_id || i.number || ' ' || "
            "s.text IN ('0/01 s0 = 5', '0/02 s0 = 6', '0/11 s0 = 8')"),
        3);
    assert_int_equal(ask("SELECT count(*) FROM compile_instance"), 3);
    assert_int_equal(
        ask("SELECT count(*) FROM symbols WHERE kind = 'specialization' AND value = '1' "
            "AND origin = 'L[''in''][0].size()[0]'"),
        1);
    assert_int_equal(ask("SELECT count(*) FROM guards WHERE code = 'L[''in''][0].size()[1] == 3'"),
                     3);
    assert_int_equal(ask("SELECT count(*) FROM events WHERE name = 'instance'"), 3);
    assert_int_equal(ask("SELECT count(*) FROM loss"), 0);
    unlink(path);
}

/* Another size: compiled again, with the guard that failed as the reason. */
static void tells_why_it_compiles_again(void **state)
{
    (void)state;
    begin();
    struct plumb_compiled *c = compile("chain \"of\" three", chain);
    for (int64_t n = 2; n < 5; n++) call(c, numbers(n, 4));
    end();
    assert_int_equal(ask("SELECT count(*) FROM compiles WHERE outcome = 'ok'"), 3);
    assert_int_equal(
        ask("SELECT count(*) FROM recompile r JOIN compile c ON c.id = r.compile WHERE "
            "r.previous = '0/1' AND c.compile_id = '0/2' AND r.reason LIKE '%expected "
            "3, actual 4%'"),
        1);
    assert_int_equal(ask("SELECT count(*) FROM recompile"), 2);
    assert_int_equal(ask("SELECT count(*) FROM compiles WHERE function = 'chain \"of\" three'"), 3);
    assert_int_equal(ask("SELECT count(*) FROM kernel_launches WHERE launches = 1"), 3);
    assert_int_equal(ask("SELECT count(*) FROM guards WHERE code LIKE '%.size()[0] == 3'"), 1);
    assert_int_equal(ask("SELECT count(*) FROM cache_event WHERE cache = 'fx_graph'"), 3);
    /* the parts of a key that changed with the size, and those that did not */
    assert_int_equal(ask("SELECT count(DISTINCT digest) FROM cache_component c JOIN string s ON "
                         "s.id = c.name WHERE s.text = 'graph'"),
                     3);
    assert_int_equal(ask("SELECT count(DISTINCT digest) FROM cache_component c JOIN string s ON "
                         "s.id = c.name WHERE s.text = 'determinism'"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM loss"), 0);
    unlink(path);
}

static int reads(void *context, struct plumb_tensor *const *in, int n_in, struct plumb_tensor **out,
                 int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    double v = plumb_item(plumb_sum(in[0], 0));
    out[0] = plumb_mul_scalar(in[0], v > 0 ? 2 : 3);
    return out[0] ? 0 : -1;
}

static void tells_why_it_breaks(void **state)
{
    (void)state;
    begin();
    call(compile("reads", reads), numbers(2, 2));
    end();
    assert_int_equal(ask("SELECT count(*) FROM graph_breaks WHERE reason LIKE '%values of a tensor "
                         "were read%' AND compile_id = '0/0'"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM compiles WHERE outcome = 'empty'"), 1);
    assert_int_equal(ask("SELECT count(*) FROM kernel"), 0);
    assert_int_equal(ask("SELECT count(*) FROM loss"), 0);
    unlink(path);
}

static int nothing(void *context, struct plumb_tensor *const *in, int n_in,
                   struct plumb_tensor **out, int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    out[0] = in[0];
    return 0;
}

/* No call at all, no elements, no dimensions. */
static void bears_odd_graphs(void **state)
{
    (void)state;
    begin();
    call(compile("nothing", nothing), numbers(2, 2));
    struct plumb_compiled *c = compile("chain", chain);
    call(c, numbers(0, 3));
    call(c, plumb_ones(NULL, 0, PLUMB_F64));
    end();
    assert_int_equal(ask("SELECT count(*) FROM compiles"), 3);
    assert_int_equal(ask("SELECT count(*) FROM failure"), 0);
    assert_int_equal(ask("SELECT count(*) FROM loss"), 0);
    assert_int_equal(ask("SELECT count(*) FROM diag WHERE severity > 1"), 0);
    assert_int_equal(ask("SELECT count(*) FROM tensors WHERE size = '[0, 3]'"), 1);
    unlink(path);
}

/* More decisions and kernels than a reader takes values of one text. */
static int many(void *context, struct plumb_tensor *const *in, int n_in, struct plumb_tensor **out,
                int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    out[0] = in[0];
    for (int i = 0; i < 8000 && out[0]; i++)
        out[0] = i % 2 ? plumb_relu(out[0]) : plumb_mul(out[0], in[0]);
    return out[0] ? 0 : -1;
}

static void tells_large_programs_whole(void **state)
{
    (void)state;
    begin();
    struct plumb_compiled *c = compile("many", many);
    c->options.no_fusion = true;
    call(c, numbers(2, 2));
    end();
    assert_int_equal(ask("SELECT count(*) FROM kernel WHERE combo IS NULL"), 8000);
    assert_int_equal(ask("SELECT count(DISTINCT position) FROM kernel"), 8000);
    assert_true(ask("SELECT count(*) FROM artifact a JOIN string s ON s.id = a.name WHERE s.text = "
                    "'plumb_kernels'") > 1);
    assert_true(ask("SELECT count(*) FROM fusion_decision") > 8000);
    assert_int_equal(ask("SELECT count(*) FROM loss"), 0);
    unlink(path);
}

/* A product, which a library computes, and a part of it that may stay unused. */
static int two(void *context, struct plumb_tensor *const *in, int n_in, struct plumb_tensor **out,
               int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    out[0] = plumb_exp(in[0]);
    out[1] = plumb_relu(plumb_mm(out[0], in[0]));
    return out[1] ? 0 : -1;
}

/* Where it was called, what it went through, and the backward that only one result asks for. */
static void tells_where_and_what_for(void **state)
{
    (void)state;
    begin();
    struct plumb_compiled *c = compile("two", two);
    struct plumb_tensor *x = plumb_parameter("x", numbers(3, 3)), *y[2];
    for (int i = 0; i < 2; i++) {
        plumb_module_begin("Net");
        plumb_module_begin("Net.block");
        assert_int_equal(plumb_compiled_call(c, &x, 1, y, 2), 0);
        plumb_module_end();
        plumb_module_end();
        assert_int_equal(plumb_backward(plumb_sum(y[i], 0)), 0);
    }
    end();
    assert_int_equal(
        ask("SELECT count(*) FROM compile c JOIN stack f ON f.id = c.stack JOIN stack b ON b.id = "
            "f.parent JOIN stack n ON n.id = b.parent JOIN string fn ON fn.id = f.name JOIN string "
            "bn ON bn.id = b.name JOIN string nn ON nn.id = n.name WHERE fn.text = 'two' AND "
            "bn.text = 'Net.block' AND nn.text = 'Net'"),
        1);
    assert_int_equal(ask("SELECT count(DISTINCT phase) FROM kernel"), 4);
    for (int i = 1; i < 3; i++) {
        char sql[200];
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM kernel_launches WHERE phase = 'backward_%d' AND site LIKE "
                 "'0/0 backward_%d %%' AND launches = 1",
                 i, i);
        assert_true(ask(sql) > 0);
    }
    /* the library's kernel has times too */
    assert_int_equal(ask("SELECT sum(launches) FROM kernel_launches WHERE role = 'extern' AND "
                         "phase = 'forward' AND total > 0 AND bytes = 3 * 36 * launches"),
                     2);
    assert_int_equal(ask("SELECT count(*) FROM events WHERE kind = 1 AND name = "
                         "'inductor_compile' AND compile_id = '0/0'"),
                     4);
    assert_int_equal(ask("SELECT count(*) FROM loss"), 0);
    unlink(path);
}

/* ---- several threads: they compile the same function and others, call them, walk back in part */

enum { THREADS = 4, ROUNDS = 6 };
static struct {
    struct plumb *session;
    struct plumb_compiled *same, *own[THREADS];
    atomic_int wrong;
} shared;

static int parts_of(struct plumb_compiled *c, int rows, int which)
{
    struct plumb_tensor *x = plumb_parameter("x", numbers(rows, rows)), *y[2], *z[2];
    if (!x || plumb_compiled_call(c, &x, 1, y, 2) || two(NULL, &x, 1, z, 2)) return -1;
    if (plumb_digest(y[which]) != plumb_digest(z[which])) return -1;
    return plumb_backward(plumb_sum(y[which], 0));
}

static void *thread_part(void *p)
{
    int n = (int)(intptr_t)p;
    if (plumb_enter(shared.session)) return NULL;
    for (int i = 0; i < ROUNDS && !plumb_frame_begin(); i++) {
        plumb_module_begin("Thread");
        if (parts_of(shared.same, 2 + (i + n) % 3, i % 2)) shared.wrong++;
        if (parts_of(shared.own[n], 3, (i + n) % 2)) shared.wrong++;
        plumb_module_end();
        plumb_frame_end();
    }
    plumb_leave();
    return NULL;
}

static void tells_of_threads_apart(void **state)
{
    pthread_t t[THREADS];
    (void)state;
    begin();
    shared.session = thread_self.session;
    shared.same = compile("same", two);
    for (int i = 0; i < THREADS; i++) shared.own[i] = compile("own", two);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, thread_part, (void *)(intptr_t)i), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
    end();
    assert_int_equal(shared.wrong, 0);
    assert_int_equal(ask("SELECT count(*) FROM compiles WHERE outcome = 'ok'"), 3 + THREADS);
    assert_int_equal(ask("SELECT count(DISTINCT compile || phase) FROM kernel WHERE phase LIKE "
                         "'backward%'"),
                     3 * (3 + THREADS));
    assert_int_equal(ask("SELECT count(*) FROM launches l WHERE site IS NOT NULL AND NOT EXISTS "
                         "(SELECT 1 FROM kernels k WHERE k.site = l.site)"),
                     0);
    assert_int_equal(ask("SELECT count(*) FROM loss"), 0);
    unlink(path);
}

/* Where nothing is recorded, nothing is made. */
static void is_silent_without_a_trace(void **state)
{
    (void)state;
    if (!plumb_open(&(struct plumb_options){.seed = 3})) fail_msg("%s", plumb_error());
    plumb_frame_begin();
    call(compile("chain", chain), numbers(2, 2));
    plumb_frame_end();
    assert_int_equal(plumb_close(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_why_it_compiles_again),
        cmocka_unit_test(tells_sizes_of_a_dynamic_compile),
        cmocka_unit_test(tells_why_it_breaks),
        cmocka_unit_test(bears_odd_graphs),
        cmocka_unit_test(tells_large_programs_whole),
        cmocka_unit_test(tells_where_and_what_for),
        cmocka_unit_test(tells_of_threads_apart),
        cmocka_unit_test(is_silent_without_a_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
