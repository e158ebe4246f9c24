/* test_compiled.c - compiled functions do what they do as they are, bit for bit: results, writes,
 * aliases, random numbers, errors; and how often they were compiled. */
#include "tests/unit/compiled_both.h"

#include <pthread.h>
#include <unistd.h>

#include "store/db.h"

/* ---- entries ---- */

FUNCTION_OF(chain, plumb_relu(plumb_add(plumb_mul(in[0], in[1]), plumb_mul_scalar(in[1], 0.5))))
static void hits_program(void)
{
    struct plumb_tensor *y;
    for (int64_t n = 3; n < 6; n++)
        for (int i = 0; i < 3; i++) {
            must(call(chain, IN(numbers(n, 4, i), numbers(n, 4, i + 1)), 2, &y, 1));
            note(y);
        }
}
TEST(hits)
{
    run_both(hits_program);
    assert_entries(0, 3, 6);
    assert_int_equal(compiled.calls, 3); /* traced thrice, never run */
}

static void limit_program(void)
{
    struct plumb_tensor *y;
    for (int round = 0; round < 2; round++)
        for (int64_t n = 1; n < 12; n++) {
            must(call(chain, IN(numbers(n, 4, 1), numbers(n, 4, 2)), 2, &y, 1));
            note(y);
        }
}
TEST_BOTH(limit, limit_program, COMPILED_ENTRIES, COMPILED_ENTRIES)

static void forms_program(void)
{
    struct plumb_tensor *y, *a = numbers(4, 4, 1), *b = numbers(4, 4, 2);
    must(call(chain, IN(a, b), 2, &y, 1));
    note(y);
    must(call(chain, IN(plumb_t(a), b), 2, &y, 1)); /* strides */
    note(y);
    must(call(chain, IN(plumb__to_copy(a, PLUMB_F64), b), 2, &y, 1)); /* dtype */
    note(y);
    must(call(chain, IN(plumb_select_int(a, 0, 1), b), 2, &y, 1)); /* rank */
    note(y);
    must(call(chain, IN(wanting(numbers(4, 4, 3)), b), 2, &y, 1)); /* requires_grad */
    note(y);
    plumb_no_grad_begin();
    must(call(chain, IN(wanting(numbers(4, 4, 3)), b), 2, &y, 1));
    plumb_no_grad_end();
    note(y);
    must(call(chain, IN(a, a), 2, &y, 1)); /* one tensor twice */
    note(y);
}
TEST_BOTH(forms, forms_program, 7, 0)

/* ---- breaks ---- */

FUNCTION(by_item)
{
    UNUSED;
    double v = plumb_item(plumb_sum(in[0], 0));
    GIVES(0, plumb_mul_scalar(in[0], v > 0 ? 2 : 3));
    return 0;
}
static void item_program(void)
{
    struct plumb_tensor *y;
    for (int i = 0; i < 3; i++) {
        must(call(by_item, IN(numbers(3, 3, i)), 1, &y, 1));
        note(y);
    }
}
TEST(item)
{
    run_both(item_program);
    assert_broken(0, "values of a tensor were read");
    assert_int_equal(compiled.of[0].hits, 2);
    assert_int_equal(compiled.calls, 4); /* traced once, run thrice */
}

FUNCTION(by_counter)
{
    UNUSED;
    plumb_counter("c", 1);
    GIVES(0, plumb_neg(in[0]));
    return 0;
}
FUNCTION_OF(by_keeping, plumb_keep(plumb_neg(in[0])))
static struct plumb_tensor *left_lying;
FUNCTION_OF(by_frame, plumb_add(in[0], left_lying))
FUNCTION_OF(by_host_data, plumb_tensor(PLUMB_F32, 1, &(int64_t){2}, (float[]){1, 2}))
static plumb_function breaking;
static void break_program(void)
{
    struct plumb_tensor *y, *x = numbers(3, 3, 1);
    left_lying = numbers(3, 3, 2);
    for (int i = 0; i < 2; i++) {
        must(call(breaking, IN(x), 1, &y, 1));
        note(y);
    }
}
TEST(breaks)
{
    static const struct {
        plumb_function fn;
        const char *why;
    } of[] = {{by_counter, "a counter was set"},
              {by_keeping, "a tensor was kept"},
              {by_frame, "is neither an input nor kept"},
              {by_host_data, "made of host data"}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        breaking = of[i].fn;
        run_both(break_program);
        assert_broken(0, of[i].why);
    }
}

FUNCTION(wrong_shapes)
{
    UNUSED;
    plumb_no_grad_begin(); /* left so by the failure */
    GIVES(0, plumb_mm(in[0], in[1]));
    plumb_no_grad_end();
    return 0;
}
static void errors_program(void)
{
    struct plumb_tensor *y, *x = wanting(numbers(3, 4, 1));
    assert_int_equal(call(wrong_shapes, IN(x, numbers(3, 4, 2)), 2, &y, 1), -1);
    note_text(plumb_error());
    plumb_no_grad_end();
    must(call(wrong_shapes, IN(x, numbers(4, 2, 2)), 2, &y, 1));
    note(y);
    assert_int_equal(call(wrong_shapes, IN(x, numbers(3, 4, 2)), 2, &y, 1), -1);
    note_text(plumb_error());
    plumb_no_grad_end();
    walk(plumb_mul(x, x));
    note(plumb_grad(x));
    if (!now->compile) return;
    assert_int_equal(call(wrong_shapes, IN(x, NULL), 2, &y, 1), -1);
    assert_non_null(strstr(plumb_error(), "input 1 is no tensor"));
    assert_null(plumb_compile("none", NULL, NULL, NULL));
}
TEST(errors)
{
    run_both(errors_program);
    assert_int_equal(compiled.of[0].entries, 2);
    assert_non_null(strstr(compiled.of[0].broken[0], "aten::mm"));
    assert_string_equal(compiled.of[0].broken[1], "");
}

/* Found when it runs, by the compiled code. */
FUNCTION_OF(positions, plumb_mul_scalar(plumb_index_select(in[0], 0, in[1]), 2))
static void positions_program(void)
{
    struct plumb_tensor *y, *x = numbers(3, 4, 1);
    for (int i = 0; i < 3; i++) {
        struct plumb_tensor *at = plumb_tensor(PLUMB_I64, 1, &(int64_t){2}, (int64_t[]){1, i * 2});
        int rc = call(positions, IN(x, at), 2, &y, 1);
        assert_int_equal(rc, i == 2 ? -1 : 0);
        if (!rc) note(y);
        else assert_non_null(strstr(plumb_error(), "index 4 is out of bounds"));
    }
}
TEST_BOTH(positions, positions_program, 1, 2)

/* Operators are shown to hooks: the function runs as it is. */
static int hooked;
static void seen_by_hook(void *context, const char *op, struct plumb_tensor *const *result, int n)
{
    (void)context, (void)op, (void)result, (void)n;
    hooked++;
}
static void hook_program(void)
{
    static const struct plumb_hook hook = {.after = seen_by_hook};
    struct plumb_tensor *y, *a = numbers(2, 2, 1), *b = numbers(2, 2, 2);
    must(call(chain, IN(a, b), 2, &y, 1));
    hooked = 0;
    must(plumb_hook_push(&hook));
    must(call(chain, IN(a, b), 2, &y, 1));
    plumb_hook_pop();
    note(y);
    assert_int_equal(hooked, 4);
}
TEST_BOTH(hooks, hook_program, 1, 0)

FUNCTION(outer)
{
    UNUSED;
    struct plumb_tensor *y;
    if (call(chain, IN(in[0], in[0]), 2, &y, 1)) return -1;
    GIVES(0, plumb_add(y, in[0]));
    return 0;
}
static void nested_program(void)
{
    struct plumb_tensor *y;
    for (int i = 0; i < 2; i++) {
        must(call(outer, IN(numbers(2, 3, i)), 1, &y, 1));
        note(y);
    }
}
TEST(nested)
{
    run_both(nested_program);
    assert_entries(0, 1, 1);
    assert_int_equal(compiled.of[1].entries, 0); /* part of the other's graph */
}

/* ---- results that are not new ---- */

FUNCTION(alias)
{
    UNUSED;
    GIVES(0, plumb_select_int(in[0], 0, 1));
    GIVES(1, in[0]);
    GIVES(2, plumb_mul_scalar(in[0], 2));
    out[3] = out[2];
    out[4] = NULL;
    return 0;
}
static void alias_program(void)
{
    for (int i = 0; i < 2; i++) {
        struct plumb_tensor *y[5], *x = numbers(3, 4, i);
        must(call(alias, IN(x), 1, y, 5));
        assert_ptr_equal(y[1], x);
        assert_ptr_equal(y[2], y[3]);
        assert_null(y[4]);
        assert_non_null(plumb_add__scalar(y[0], 5, 1)); /* seen in x, not in the others */
        assert_non_null(plumb_mul__scalar(y[2], 7));
        for (int k = 0; k < 5; k++) note(y[k]);
        note(x);
    }
}
TEST_BOTH(aliases, alias_program, 1, 1)

FUNCTION(equal_results)
{
    UNUSED;
    GIVES(0, plumb_add(in[0], in[0]));
    GIVES(1, plumb_add(in[0], in[0]));
    GIVES(2, plumb_clone(in[0]));
    GIVES(3, plumb_mul_scalar(in[0], 1));
    return 0;
}
static void equal_program(void)
{
    struct plumb_tensor *y[4], *x = numbers(3, 4, 1);
    must(call(equal_results, IN(x), 1, y, 4));
    for (int i = 0; i < 4; i++) assert_non_null(plumb_add__scalar(y[i], i + 1, 1));
    for (int i = 0; i < 4; i++) note(y[i]);
    note(x);
}
TEST_BOTH(equal, equal_program, 1, 0)

FUNCTION(writes)
{
    UNUSED;
    struct plumb_tensor *old = plumb_mul_scalar(in[0], 3);
    if (!plumb_add_(in[0], in[1])) return -1;
    if (!plumb_mul__scalar(plumb_select_int(in[0], 0, 0), 2)) return -1;
    GIVES(0, in[0]);
    GIVES(1, plumb_add(old, in[0]));
    GIVES(2, plumb_select_int(in[0], 1, 1));
    return 0;
}
static void writes_program(void)
{
    struct plumb_tensor *y[3], *x = numbers(3, 4, 1);
    uint32_t version = x->storage->version;
    for (int i = 0; i < 3; i++) {
        must(call(writes, IN(x, numbers(3, 4, i)), 2, y, 3));
        assert_ptr_equal(y[0], x);
        assert_true(x->storage->version != version);
        version = x->storage->version;
        for (int k = 0; k < 3; k++) note(y[k]);
    }
    must(call(writes, IN(x, x), 2, y, 3)); /* the same tensor */
    note(x);
    struct plumb_tensor *all = numbers(5, 4, 3);
    int64_t zero = 0, one = 1, three = 3, four = 4;
    struct plumb_tensor *a = plumb_slice(all, 0, &zero, &three, 1);
    struct plumb_tensor *b = plumb_slice(all, 0, &one, &four, 1);
    if (call(writes, IN(a, b), 2, y, 3)) note_text(plumb_error()); /* they overlap: refused */
    note(all);
}
TEST(written)
{
    run_both(writes_program);
    assert_int_equal(compiled.of[0].entries, 3);
    assert_string_equal(compiled.of[0].broken[0], "");
    assert_string_equal(compiled.of[0].broken[1], "");
    assert_int_equal(compiled.of[0].hits, 2);
}

/* Memory that inputs share is read after it was written through the other. */
FUNCTION(write_and_read)
{
    UNUSED;
    if (!plumb_mul__scalar(in[0], 2)) return -1;
    GIVES(0, plumb_add(in[0], in[1]));
    return 0;
}
static void shared_program(void)
{
    struct plumb_tensor *y, *all = numbers(5, 4, 3), *other = numbers(3, 4, 1);
    int64_t edge[] = {0, 1, 2, 3, 4, 5};
    struct plumb_tensor *a = plumb_slice(all, 0, &edge[0], &edge[3], 1);
    struct plumb_tensor *b = plumb_slice(all, 0, &edge[1], &edge[4], 1);
    struct plumb_tensor *c = plumb_slice(all, 0, &edge[2], &edge[5], 1);
    struct plumb_tensor *pairs[][2] = {{a, other}, {a, b}, {a, c}, {b, c}, {a, a}, {other, c}};
    for (int i = 0; i < 6; i++) {
        must(call(write_and_read, pairs[i], 2, &y, 1));
        note(y);
        note(all);
    }
}
TEST_BOTH(shared, shared_program, 4, 2) /* apart, one row, two rows, the same */

/* ---- small and odd ---- */

FUNCTION(odd)
{
    UNUSED;
    struct plumb_tensor *one = plumb_tensor(PLUMB_F32, 0, NULL, &(float){1});
    GIVES(0, plumb_mul(in[0], plumb_add(one, one))); /* of host data alone */
    GIVES(1, plumb_sum(out[0], 0));
    GIVES(2, plumb_cat(IN(in[0], out[0]), 2, 0));
    return 0;
}
static void odd_program(void)
{
    const int64_t none[] = {0, 3}, one[] = {1}, tall[] = {3, 0, 2};
    struct plumb_tensor *y[3];
    struct plumb_tensor *x[] = {numbers_of(PLUMB_F32, 2, none, 0), numbers_of(PLUMB_F32, 1, one, 1),
                                numbers_of(PLUMB_F32, 3, tall, 2), numbers(3, 3, 1)};
    for (int i = 0; i < 8; i++) {
        must(call(odd, IN(x[i % 4]), 1, y, 3));
        for (int k = 0; k < 3; k++) note(y[k]);
    }
}
TEST_BOTH(odd, odd_program, 4, 4)

FUNCTION_OF(scalar, plumb_add(plumb_mul(in[0], in[0]), in[1]))
static void scalar_program(void)
{
    const enum plumb_dtype of[] = {PLUMB_F32, PLUMB_F64, PLUMB_F16, PLUMB_BF16, PLUMB_I64};
    struct plumb_tensor *y;
    for (int i = 0; i < 5; i++) {
        struct plumb_tensor *x = numbers_of(of[i], 0, NULL, i + 1);
        must(call(scalar, IN(x, numbers_of(of[i], 1, &(int64_t){3}, i)), 2, &y, 1));
        note(y);
    }
}
TEST_BOTH(scalars, scalar_program, 5, 0)

FUNCTION(nothing)
{
    UNUSED;
    return 0;
}
static void nothing_program(void)
{
    for (int i = 0; i < 2; i++) must(call(nothing, NULL, 0, NULL, 0));
}
TEST_BOTH(nothing, nothing_program, 1, 1)

/* The numbers drawn, and those that the caller draws next. */
FUNCTION(draws)
{
    UNUSED;
    GIVES(0, plumb_add(in[0], plumb_rand((int64_t[]){3, 4}, 2, PLUMB_F32)));
    plumb_randn((int64_t[]){3, 4}, 2, PLUMB_F32); /* nobody wants it; it counts */
    GIVES(1, plumb_mul(plumb_randn((int64_t[]){3, 4}, 2, PLUMB_F32), out[0]));
    return 0;
}
static void random_program(void)
{
    struct plumb_tensor *y[2], *x = wanting(numbers(3, 4, 1));
    for (int i = 0; i < 3; i++) {
        must(call(draws, IN(x), 1, y, 2));
        note(y[0]);
        note(y[1]);
        note(plumb_rand((int64_t[]){5}, 1, PLUMB_F32));
        walk(y[1]);
    }
    note(plumb_grad(x));
}
TEST_BOTH(random_numbers, random_program, 1, 2)

/* ---- threads ---- */

enum { THREADS = 4, ROUNDS = 30 };
static struct {
    struct plumb *session;
    struct plumb_compiled *c;
    atomic_int wrong;
} shared;
static void *thread_part(void *p)
{
    int seed = (int)(intptr_t)p;
    if (plumb_enter(shared.session)) return NULL;
    for (int i = 0; i < ROUNDS && !plumb_frame_begin(); i++) {
        struct plumb_tensor *want[1], *got[1], *in[2];
        float one[64], two[64];
        in[0] = wanting(numbers(1 + (i + seed) % 4, 4, seed));
        in[1] = numbers(1 + (i + seed) % 4, 4, i);
        int64_t size = view_n_bytes(&in[0]->view);
        int rc = chain(NULL, in, 2, want, 1) || plumb_compiled_call(shared.c, in, 2, got, 1) ||
                 plumb_read(want[0], one, size) || plumb_read(got[0], two, size);
        if (rc || memcmp(one, two, (size_t)size)) shared.wrong++;
        if (plumb_backward(plumb_sum(got[0], 0)) || !plumb_grad(in[0])) shared.wrong++;
        plumb_frame_end();
    }
    plumb_leave();
    return NULL;
}
TEST(threads)
{
    pthread_t t[THREADS];
    now = &compiled;
    shared.session = plumb_open(&(struct plumb_options){.seed = 1});
    assert_non_null(shared.session);
    shared.c = plumb_compile("shared", chain, NULL, NULL);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, thread_part, (void *)(intptr_t)i), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
    assert_int_equal(shared.wrong, 0);
    assert_int_equal(shared.c->n_entries, 4);
    must(plumb_close());
}

/* ---- what the trace says of functions that run as they are ---- */

static int64_t notes_with(const char *path, const char *part)
{
    sqlite3 *db;
    int64_t n = -1;
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM diag WHERE instr(message, '%s')", part);
    assert_int_equal(store_open_read(path, STORE_OPEN_DEFAULT, &db), ERR_OK);
    if (store_int(db, sql, &n)) fail_msg("%s", err_text());
    store_close(db);
    return n;
}
/* Once each, however often it happens. */
TEST(notes)
{
    static const struct plumb_hook hook = {.after = seen_by_hook};
    char path[] = "/tmp/plumb_compiled_XXXXXX";
    close(mkstemp(path));
    memset(now = &compiled, 0, sizeof compiled);
    compiled.compile = true;
    assert_non_null(plumb_open(&(struct plumb_options){.trace = path, .overwrite = true}));
    limit_program();
    must(plumb_hook_push(&hook));
    limit_program();
    plumb_hook_pop();
    must(plumb_close());
    assert_int_equal(notes_with(path, "f was compiled 8 times and is run as it is"), 1);
    assert_int_equal(notes_with(path, "f is run as it is: hooks look at each operator"), 1);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hits),           cmocka_unit_test(test_limit),
        cmocka_unit_test(test_forms),          cmocka_unit_test(test_item),
        cmocka_unit_test(test_breaks),         cmocka_unit_test(test_errors),
        cmocka_unit_test(test_positions),      cmocka_unit_test(test_hooks),
        cmocka_unit_test(test_nested),         cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_equal),          cmocka_unit_test(test_written),
        cmocka_unit_test(test_shared),         cmocka_unit_test(test_odd),
        cmocka_unit_test(test_scalars),        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_random_numbers), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
