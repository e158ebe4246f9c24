/* test_inject.c - faults on request: the bit that was asked for, in the call that was asked for. */
#include <string.h>
#include <unistd.h>

#include "plumb.h"
#include "store/db.h"
#include "tests/unit/unit.h"

static char path[96];
static const char *backend;

/* A session with up to three faults. */
static bool begin(const char *a, const char *b, const char *c)
{
    const char *const list[] = {a, b, c, NULL};
    snprintf(path, sizeof path, "%s/inject.db", unit_folder());
    return plumb_open(&(struct plumb_options){
        .trace = path, .overwrite = true, .backend = backend, .inject = list});
}
static void begin_or_fail(const char *a, const char *b, const char *c)
{
    if (!begin(a, b, c)) fail_msg("%s", plumb_error());
}
static void expect_error(const char *part)
{
    const char *text = plumb_error();
    if (!strstr(text, part)) fail_msg("\"%s\" does not contain \"%s\"", text, part);
}
static struct plumb_tensor *floats(int n, const int64_t *size, const float *values)
{
    return plumb_tensor(PLUMB_F32, n, size, values);
}
static struct plumb_tensor *row(int64_t n)
{
    return floats(1, &n, (float[]){1, 2, 3, 4});
}
static void expect_bits(const struct plumb_tensor *t, int n, const uint32_t *want)
{
    uint32_t got[16];
    if (!t || plumb_read(t, got, 4 * n)) fail_msg("%s", plumb_error());
    for (int i = 0; i < n; i++) assert_int_equal(got[i], want[i]);
}
static int64_t ask(const char *sql)
{
    sqlite3 *db;
    int64_t n = -1;
    assert_int_equal(store_open_read(path, STORE_OPEN_DEFAULT, &db), ERR_OK);
    if (store_int(db, sql, &n)) print_error("%s\n", err_text());
    store_close(db);
    return n;
}
static void end(const char *noted)
{
    char sql[256];
    if (plumb_close()) fail_msg("%s", plumb_error());
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM diag WHERE severity = 2 AND origin = 'inject' AND message "
             "LIKE 'fault injected: %s'",
             noted);
    assert_int_equal(ask(sql), 1);
    assert_int_equal(ask("SELECT count(*) FROM health WHERE subject = 'diag'"), 1);
    unlink(path);
}

enum { ONE = 0x3f800000, TWO = 0x40000000, FOUR = 0x40800000 };

static void flips_one_bit(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        backend = i ? "ref" : "cpu";
        begin_or_fail("add.Tensor:2:37", NULL, NULL);
        struct plumb_tensor *x = row(2), *y = plumb_add(x, x), *z = plumb_add(x, x);
        expect_bits(y, 2, (uint32_t[]){TWO, FOUR});
        expect_bits(z, 2, (uint32_t[]){TWO, FOUR ^ 1u << 5});
        expect_bits(plumb_add(x, x), 2, (uint32_t[]){TWO, FOUR});
        end("bit 37 of the first result of call 2 of aten::add.Tensor, f32[2], was flipped");
    }
    backend = NULL;
}

/* The element is counted as the view shows it: t[1] of the transpose is [1][0] of its storage. */
static void follows_a_view_into_storage(void **state)
{
    (void)state;
    begin_or_fail("aten::t:1:32", NULL, NULL);
    struct plumb_tensor *x = floats(2, (int64_t[]){2, 2}, (float[]){1, 1, 1, 1}), *y = plumb_t(x);
    expect_bits(y, 4, (uint32_t[]){ONE, ONE ^ 1u, ONE, ONE});
    plumb_add(x, x);
    expect_bits(x, 4, (uint32_t[]){ONE, ONE, ONE ^ 1u, ONE});
    assert_int_equal(plumb_close(), 0);
    /* the storage holds something else now, which its next use shows */
    assert_int_equal(ask("SELECT count(DISTINCT digest) FROM tensor_use WHERE phase = 0 AND tensor "
                         "= 0 AND hash_kind IS NOT NULL"),
                     2);
    unlink(path);
}

static void flips_what_is_written_in_place(void **state)
{
    (void)state;
    begin_or_fail("aten::_foreach_add_.Scalar:1:0", NULL, NULL);
    struct plumb_tensor *x[] = {row(1), row(1)};
    assert_true(plumb__foreach_add__scalar(x, 2, 1) >= 0);
    expect_bits(x[0], 1, (uint32_t[]){TWO ^ 1u});
    expect_bits(x[1], 1, (uint32_t[]){TWO});
    end("%_foreach_add_.Scalar, f32[1], was flipped");
}

static void flips_a_parameter(void **state)
{
    (void)state;
    begin_or_fail("weight:net.w:31", NULL, NULL);
    plumb_parameter("net.b", row(1));
    struct plumb_tensor *w = plumb_parameter("net.w", row(1));
    expect_bits(w, 1, (uint32_t[]){ONE | 1u << 31});
    end("bit 31 of parameter net.w, f32[1], was flipped");
}

/* Neighbours are 1 and 2^24, whose sum loses the 1; shuffled, 2^24 meets -2^24 first. */
static void sums_in_another_order(void **state)
{
    (void)state;
    const float a[] = {0x1p24f, 1, -0x1p24f, 1}, b[] = {1, 1, 1, 1};
    float first, second;
    begin_or_fail("reorder:aten::dot:2", NULL, NULL);
    int64_t n = 4;
    struct plumb_tensor *x = floats(1, &n, a), *y = floats(1, &n, b);
    struct plumb_tensor *p = plumb_dot(x, y), *q = plumb_dot(x, y);
    assert_int_equal(plumb_read(p, &first, 4), 0);
    assert_int_equal(plumb_read(q, &second, 4), 0);
    assert_true(first != second);
    assert_true(first >= 0 && first <= 2 && second >= 0 && second <= 2);
    end("call 2 of aten::dot summed in another order");
}

static struct plumb_tensor *matrix(int64_t rows, int64_t columns)
{
    float v[64];
    for (int i = 0; i < 64; i++) v[i] = 1 / (float)(3 * i + 1);
    return floats(2, (int64_t[]){rows, columns}, v);
}

/* Each operator that has an order: shuffled, it computes the same but for the last digits. */
static void shuffles_what_belongs_together(void **state)
{
    (void)state;
    float got[2][64];
    static const char *const ops[] = {"aten::mm", "aten::addmm", "aten::sum.dim_IntList",
                                      "aten::mse_loss", "aten::embedding_dense_backward"};
    for (int k = 0; k < 5; k++) {
        char text[64];
        snprintf(text, sizeof text, "reorder:%s:2", ops[k]);
        begin_or_fail(text, NULL, NULL);
        struct plumb_tensor *a = matrix(4, 7), *b = matrix(7, 5), *c = matrix(4, 5), *y = NULL;
        int64_t n = 4, at[] = {2, 0, 2, 1};
        struct plumb_tensor *where = plumb_tensor(PLUMB_I64, 1, &n, at);
        for (int i = 0; i < 2; i++) {
            if (k == 0) y = plumb_mm(a, b);
            if (k == 1) y = plumb_addmm(c, a, b);
            if (k == 2) y = plumb_sum_dim_intlist(a, (int64_t[]){0}, 1, false, 0);
            if (k == 3) y = plumb_mse_loss(a, plumb_add(a, a), PLUMB_MEAN);
            if (k == 4) y = plumb_embedding_dense_backward(a, where, 3, -1, false);
            if (!y || plumb_read(y, got[i], 4 * plumb_count(y))) fail_msg("%s", plumb_error());
        }
        for (int i = 0; i < plumb_count(y); i++) {
            float off = got[0][i] - got[1][i];
            if (off > 1e-5f || off < -1e-5f) fail_msg("%s: element %d", ops[k], i);
        }
        end("call 2 of %");
    }
}

/* A number has no dimension, though its sum may name one. */
static void sums_one_number(void **state)
{
    (void)state;
    begin_or_fail("reorder:aten::sum.dim_IntList:1", NULL, NULL);
    struct plumb_tensor *x = floats(0, NULL, (float[]){1});
    expect_bits(plumb_sum_dim_intlist(x, (int64_t[]){-1}, 1, false, 0), 1, (uint32_t[]){ONE});
    end("%; no bit of its result changed by that");
}

static void takes_a_parameter_without_a_name(void **state)
{
    (void)state;
    begin_or_fail("weight:w:0", NULL, NULL);
    assert_non_null(plumb_parameter(NULL, row(1)));
    expect_bits(plumb_parameter("w", row(1)), 1, (uint32_t[]){ONE ^ 1u});
    end("bit 0 of parameter w%");
}

static const char *veto(void *context, const char *op)
{
    (void)context;
    (void)op;
    return "not today";
}

static void says_that_the_call_failed(void **state)
{
    (void)state;
    struct plumb_hook hook = {.before = veto};
    begin_or_fail("mul.Tensor:1:0", NULL, NULL);
    assert_int_equal(plumb_hook_push(&hook), 0);
    assert_null(plumb_mul(row(1), row(1)));
    plumb_hook_pop();
    assert_int_equal(plumb_close(), -1);
    expect_error("did not come about: call 1 of aten::mul.Tensor failed");
    unlink(path);
}

static void makes_one_call_more(void **state)
{
    (void)state;
    begin_or_fail("call:aten::add.Tensor:1", NULL, NULL);
    struct plumb_tensor *x = row(2);
    plumb_mul(plumb_add(x, x), x);
    assert_int_equal(plumb_close(), 0);
    assert_int_equal(ask("SELECT count(*) FROM calls WHERE name = 'aten::clone' AND position = 1"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM calls"), 3);
    unlink(path);
}

static void says_what_did_not_come_about(void **state)
{
    (void)state;
    begin_or_fail("mm:1:0", "add.Tensor:2:0", "weight:w:0");
    plumb_parameter("other", row(1));
    plumb_add(row(1), row(1));
    assert_int_equal(plumb_close(), -1);
    const char *text = plumb_error();
    assert_string_equal(text,
                        "inject \"mm:1:0\" did not come about: aten::mm is not called; inject "
                        "\"add.Tensor:2:0\" did not come about: aten::add.Tensor is called 1 time; "
                        "inject \"weight:w:0\" did not come about: there is no parameter w; "
                        "operators called, and how often: aten::add.Tensor 1; parameters: other");
    assert_int_equal(ask("SELECT count(*) FROM diag WHERE severity = 3 AND origin = 'inject'"), 1);
    unlink(path);
}

static void refuses(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",        "mm",      "mm:1",         "mm:0:1",     ":1:1",
        "mm:1:-1", "mm:1:x",  "mm:x:1",       "mm:1:1:",    "call:mm",
        "call::1", "weight:", "weight:fc1:x", "reorder:mm", NULL};
    for (int i = 0; wrong[i]; i++) {
        if (begin(wrong[i], NULL, NULL)) fail_msg("\"%s\" was accepted", wrong[i]);
        expect_error("weight:NAME:BIT are accepted");
    }
    assert_false(begin("reorder:aten::relu:1", NULL, NULL));
    expect_error("these have one: aten::mm, aten::addmm");
    backend = "null";
    assert_false(begin("mm:1:0", NULL, NULL));
    expect_error("computes no values");
    backend = NULL;
}

static void refuses_bits_that_are_not_there(void **state)
{
    (void)state;
    begin_or_fail("add.Tensor:1:64", NULL, NULL);
    assert_null(plumb_add(row(2), row(2)));
    expect_error("f32[2], has 64 bits; BIT is to be less than that");
    plumb_set_exit(2); /* what is missing then is no news */
    assert_int_equal(plumb_close(), 0);
    begin_or_fail("empty_like:1:0", NULL, NULL);
    assert_null(plumb_empty_like(row(2), PLUMB_F32));
    expect_error("gives no tensor with values");
    plumb_set_exit(2);
    assert_int_equal(plumb_close(), 0);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flips_one_bit),
        cmocka_unit_test(follows_a_view_into_storage),
        cmocka_unit_test(flips_what_is_written_in_place),
        cmocka_unit_test(flips_a_parameter),
        cmocka_unit_test(sums_in_another_order),
        cmocka_unit_test(shuffles_what_belongs_together),
        cmocka_unit_test(sums_one_number),
        cmocka_unit_test(takes_a_parameter_without_a_name),
        cmocka_unit_test(says_that_the_call_failed),
        cmocka_unit_test(makes_one_call_more),
        cmocka_unit_test(says_what_did_not_come_about),
        cmocka_unit_test(refuses),
        cmocka_unit_test(refuses_bits_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
