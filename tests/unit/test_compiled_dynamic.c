/* test_compiled_dynamic.c - functions compiled once for many sizes: the same bits as eager, one
 * entry, no kernel built twice; and what is a compile of its own, with its reason. */
#include <pthread.h>

#include "runtime/build.h"
#include "tests/unit/compiled_both.h"

/* ---- many sizes, one entry ---- */

static const int64_t many[] = {7,  2,  3,  4,  5,  6,  8,  9,  11, 13, 15,
                               16, 17, 19, 21, 23, 24, 25, 27, 31, 32, 33};
enum { MANY = sizeof many / sizeof *many };

FUNCTION_OF(chain, plumb_relu(plumb_add(plumb_mul(in[0], in[1]), plumb_mul_scalar(in[1], 0.5))))
static void chain_program(void)
{
    struct plumb_tensor *y;
    for (int i = 0; i < MANY; i++) {
        must(call(chain, IN(numbers(many[i], 4, i), numbers(many[i], 4, i + 1)), 2, &y, 1));
        note(y);
    }
    must(call(chain, IN(numbers(2, 4, 1), numbers(2, 4, 1)), 2, &y, 1));
    note(y);
}
TEST(chain)
{
    run_both(chain_program);
    assert_entries(0, 1, 1);
    assert_int_equal(compiled.calls, MANY); /* traced at each size */
}

/* Rows and columns differ; both are reduced, one within the row and one across rows. */
FUNCTION(folds)
{
    UNUSED;
    struct plumb_tensor *x = plumb__softmax(plumb_mul_scalar(in[0], 2), 1, false);
    GIVES(0, plumb_sum_dim_intlist(x, (int64_t[]){0}, 1, false, 0));
    GIVES(1, plumb_mean_dim(plumb_exp(x), (int64_t[]){1}, 1, true, 0));
    return 0;
}
static void folds_program(void)
{
    struct plumb_tensor *y[2];
    for (int i = 0; i < MANY; i++) {
        int64_t columns = i % 2 ? 7 : many[MANY - 1 - i] % 8 + 2;
        if (columns == many[i]) columns = 12; /* not equal by chance */
        must(call(folds, IN(numbers(many[i], columns > 7 ? 7 : columns, i)), 1, y, 2));
        note(y[0]);
        note(y[1]);
    }
}
TEST(folds)
{
    run_both(folds_program);
    assert_in_range(compiled.of[0].entries, 1, 2); /* once both sizes are equal */
}

static struct plumb_tensor *part(struct plumb_tensor *t, int dim, int64_t start, int64_t end,
                                 int64_t step)
{
    return plumb_slice(t, dim, &start, &end, step);
}
/* Views: of columns, transposed, of every second row. */
static struct plumb_tensor *lie(int how, int64_t rows, int64_t columns, int seed)
{
    if (how == 0) return numbers(rows, columns, seed);
    if (how == 1) return plumb_t(numbers(columns, rows, seed));
    if (how == 2) return part(numbers(rows, columns + 3, seed), 1, 1, columns + 1, 1);
    return part(numbers(2 * rows, columns, seed), 0, 0, 2 * rows, 2);
}
static void strides_program(void)
{
    struct plumb_tensor *y;
    for (int how = 0; how < 4; how++)
        for (int i = 0; i < 6; i++) {
            int64_t rows = 5 + i, columns = 4 + i % 3 * 8 % 5;
            if (rows == columns) continue;
            must(call(chain, IN(lie(how, rows, columns, i), numbers(rows, columns, 3)), 2, &y, 1));
            note(y);
        }
}
TEST(strides)
{
    run_both(strides_program);
    assert_int_equal(compiled.of[0].entries, 3); /* both slices have a stride that is a symbol */
    for (int i = 0; i < 3; i++) assert_string_equal(compiled.of[0].broken[i], "");
}

/* ---- sizes that are numbers ---- */

static void small_program(void)
{
    struct plumb_tensor *y;
    for (int64_t n = 0; n < 5; n++) {
        must(call(chain, IN(numbers(n, 3, 1), numbers(n, 3, 2)), 2, &y, 1));
        note(y);
    }
}
TEST_BOTH(small, small_program, 3, 0)

/* Sizes that were equal are one symbol: where they are not, the program is another. */
FUNCTION_OF(outer, plumb_add(in[0], in[1]))
static void duck_program(void)
{
    struct plumb_tensor *y;
    int64_t n = 4, m = 5;
    for (int i = 0; i < 3; i++, n += 2) {
        must(call(outer, IN(numbers(n, 3, 1), numbers(n, 3, 2)), 2, &y, 1));
        note(y);
        must(call(outer, IN(numbers(n, 1, 1), numbers_of(PLUMB_F32, 1, &m, 2)), 2, &y, 1));
        note(y);
    }
    must(call(outer, IN(numbers(5, 1, 1), numbers_of(PLUMB_F32, 1, &m, 2)), 2, &y, 1));
    note(y);
}
TEST_BOTH(duck, duck_program, 2, 0)

static const char *reason_of(struct plumb_tensor *const *in, int n_in)
{
    static char reason[256];
    const struct compiled_entry *e = now->of[0].c->entry[0];
    if (!guard_check(&e->dynamic->guards, in, n_in, reason, sizeof reason)) return "none";
    return reason;
}
static void reasons_program(void)
{
    struct plumb_tensor *y;
    must(call(outer, IN(numbers(4, 3, 1), numbers(4, 3, 2)), 2, &y, 1));
    if (!now->compile) return;
    assert_string_equal(reason_of(IN(numbers(6, 5, 1), numbers(6, 5, 2)), 2), "none");
    assert_string_equal(reason_of(IN(numbers(5, 3, 1), numbers(4, 3, 2)), 2),
                        "L['in'][1].size()[0] == L['in'][0].size()[0]. expected 5, actual 4");
    assert_string_equal(reason_of(IN(numbers(1, 3, 1), numbers(1, 3, 2)), 2),
                        "2 <= L['in'][0].size()[0]. expected at least 2, actual 1");
    assert_string_equal(reason_of(IN(plumb_t(numbers(3, 4, 1)), numbers(4, 3, 2)), 2),
                        "L['in'][0].stride()[0] == L['in'][0].size()[1]. expected 3, actual 1");
    struct plumb_tensor *left = part(numbers(4, 6, 1), 1, 0, 3, 1);
    assert_string_equal(reason_of(IN(left, numbers(4, 3, 2)), 2),
                        "L['in'][0].stride()[0] == L['in'][0].size()[1]. expected 3, actual 6");
}
TEST(reasons)
{
    run_both(reasons_program);
}

/* Only what is marked. */
static void marked_program(void)
{
    struct plumb_tensor *y;
    compile_options.dynamic = false;
    for (int64_t n = 4; n < 9; n++)
        for (int64_t m = 3; m < 5; m++) {
            if (n == 4 && m == 3 && now->compile) {
                now->of[0].fn = outer;
                now->of[0].c = plumb_compile("f", outer, NULL, NULL);
                now->of[0].c->interpret = true;
                now->n_functions = 1;
                must(plumb_mark_dynamic(now->of[0].c, 0, 0));
                must(plumb_mark_dynamic(now->of[0].c, 1, -2));
                assert_int_equal(plumb_mark_dynamic(now->of[0].c, -1, 0), -1);
            }
            must(call(outer, IN(numbers(n, m, 1), numbers(n, m, 2)), 2, &y, 1));
            note(y);
        }
    compile_options.dynamic = true;
}
TEST_BOTH(marked, marked_program, 2, 0)

/* ---- what the function does with sizes ---- */

FUNCTION(branches)
{
    UNUSED;
    bool large = plumb_size(in[0], 0) > 8;
    GIVES(0, large ? plumb_exp(in[0]) : plumb_neg(in[0]));
    return 0;
}
static void branches_program(void)
{
    struct plumb_tensor *y;
    for (int round = 0; round < 2; round++)
        for (int64_t n = 4; n < 14; n++) {
            must(call(branches, IN(numbers(n, 3, 1)), 1, &y, 1));
            note(y);
        }
}
TEST_BOTH(branches, branches_program, 2, 10)

FUNCTION(reads)
{
    UNUSED;
    if (plumb_size(in[0], 0) == 5)
        out[0] = plumb_mul_scalar(in[0], plumb_item(plumb_sum(in[0], 0)));
    else out[0] = plumb_neg(in[0]);
    return out[0] ? 0 : -1;
}
static void reads_program(void)
{
    struct plumb_tensor *y;
    for (int round = 0; round < 2; round++)
        for (int64_t n = 4; n < 8; n++) {
            must(call(reads, IN(numbers(n, 3, 1)), 1, &y, 1));
            note(y);
        }
}
TEST(reads)
{
    run_both(reads_program);
    assert_int_equal(compiled.of[0].entries, 2);
    assert_string_equal(compiled.of[0].broken[0], "");
    assert_non_null(strstr(compiled.of[0].broken[1], "values of a tensor were read"));
}

/* Host data of as many numbers as there are rows. */
FUNCTION(numbered)
{
    UNUSED;
    double v[64];
    int64_t n = plumb_size(in[0], 0);
    for (int64_t i = 0; i < n; i++) v[i] = (double)i;
    struct plumb_tensor *at = plumb_tensor(PLUMB_F64, 2, (int64_t[]){n, 1}, v);
    GIVES(0, plumb_add(in[0], at));
    return 0;
}
static void numbered_program(void)
{
    struct plumb_tensor *y;
    for (int i = 0; i < MANY; i++) {
        must(call(numbered, IN(numbers(many[i], 3, 1)), 1, &y, 1));
        note(y);
    }
}
TEST(numbered)
{
    run_both(numbered_program);
    assert_in_range(compiled.of[0].entries, 1, 2); /* of 3 rows and 3 columns: its own */
}

/* ---- gradients and writes ---- */

static struct plumb_tensor *w, *b;
FUNCTION(layer)
{
    UNUSED;
    struct plumb_tensor *x = plumb_tanh(plumb_linear(in[0], w, b));
    GIVES(0, plumb_mul(x, x));
    GIVES(1, plumb_mean(x, 0));
    return 0;
}
static void layer_program(void)
{
    w = plumb_parameter("w", numbers(3, 4, 1));
    b = plumb_parameter("b", numbers_of(PLUMB_F32, 1, &(int64_t){3}, 2));
    for (int i = 0; i < MANY; i++) {
        struct plumb_tensor *y[2], *x = wanting(numbers(many[i], 4, i));
        if (plumb_frame_begin()) fail();
        must(call(layer, IN(x), 1, y, 2));
        must(plumb_backward(plumb_add(plumb_sum(y[0], 0), i % 3 ? y[1] : y[1])));
        if (i % 3 == 0) { /* one result is not used: a part of the backward */
            must(call(layer, IN(x), 1, y, 2));
            must(plumb_backward(y[1]));
        }
        note(y[0]);
        plumb_frame_end();
        note(plumb_grad(x));
        note(plumb_grad(w));
        note(plumb_grad(b));
    }
}
TEST(layer)
{
    run_both(layer_program);
    assert_in_range(compiled.of[0].entries, 1, 2);
}

FUNCTION(writes)
{
    UNUSED;
    GIVES(0, plumb_add_(in[0], plumb_mul_scalar(in[1], 0.25)));
    GIVES(1, plumb_mul(in[0], in[1]));
    return 0;
}
static void writes_program(void)
{
    struct plumb_tensor *y[2];
    for (int i = 0; i < MANY; i++) {
        struct plumb_tensor *x = numbers(many[i], 4, i), *z = numbers(many[i], 4, 2);
        must(call(writes, IN(x, z), 2, y, 2));
        note(x);
        note(y[0]);
        note(y[1]);
        must(call(writes, IN(x, x), 2, y, 2)); /* one tensor twice: another program */
        note(x);
    }
}
TEST(writes)
{
    run_both(writes_program);
    assert_int_equal(compiled.of[0].entries, 2);
}

/* ---- how many are kept, and by whom ---- */

FUNCTION_OF(tenth, plumb_mul_scalar(plumb_exp(in[0]), 0.1))
static struct plumb_tensor *row(int64_t n, int seed)
{
    return numbers_of(PLUMB_F32, 1, &n, seed);
}
/* Calls whose instances are forgotten before gradients go back through them. */
static void forgotten_program(void)
{
    struct plumb_tensor *y[80], *x[80];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 80; i++) {
            x[i] = wanting(row(i + 2, i));
            must(call(tenth, IN(x[i]), 1, &y[i], 1));
        }
    for (int i = 0; i < 80; i++) {
        walk(y[i]);
        note(y[i]);
        note(plumb_grad(x[i]));
    }
    if (!now->compile) return;
    struct compiled_dynamic *d = now->of[0].c->entry[0]->dynamic;
    assert_int_equal(d->n, COMPILED_INSTANCES);
    assert_int_equal(d->n_made, 79 + 79); /* but for the first, each is forgotten before it comes */
}
TEST_BOTH(forgotten, forgotten_program, 1, 1)

static struct plumb *session;
static void *many_calls(void *arg)
{
    must(plumb_enter(session));
    for (int i = 0; i < 200; i++) {
        struct plumb_tensor *y;
        if (plumb_frame_begin()) fail();
        struct plumb_tensor *x = wanting(row(2 + (i * 7 + (int)(intptr_t)arg * 13) % 60, 1));
        must(plumb_compiled_call(now->of[0].c, IN(x), 1, &y, 1));
        walk(y);
        plumb_frame_end();
    }
    plumb_leave();
    return NULL;
}
static void threads_program(void)
{
    pthread_t thread[3];
    struct plumb_tensor *y;
    must(call(tenth, IN(wanting(row(2, 1))), 1, &y, 1));
    if (!now->compile) return;
    session = thread_self.session;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, many_calls, (void *)(intptr_t)i), 0);
    for (int i = 0; i < 3; i++) pthread_join(thread[i], NULL);
    assert_int_equal(now->of[0].c->n_entries, 1);
}
TEST(threads)
{
    run_both(threads_program);
}

/* ---- texts ---- */

static int64_t builds(void)
{
    struct build_stats s = build_stats();
    return s.built + s.from_disk + s.from_memory + s.failed;
}
/* After the first size no text is asked for: rows that are folded are of any length. */
FUNCTION(both_ways)
{
    UNUSED;
    struct plumb_tensor *x = plumb__softmax(in[0], 1, false);
    GIVES(0, plumb_mul(x, x));
    GIVES(1, plumb_mean(plumb_sum_dim_intlist(x, (int64_t[]){0}, 1, false, 0), 0));
    return 0;
}
static void built_program(void)
{
    struct plumb_tensor *y[2];
    int64_t before = 0;
    for (int i = 0; i < 8; i++) {
        struct plumb_tensor *x = wanting(numbers(7 + i, 5 + 3 * i % 11, i));
        must(call(both_ways, IN(x), 1, y, 2));
        must(plumb_backward(plumb_add(plumb_sum(y[0], 0), y[1])));
        note(y[0]);
        note(plumb_grad(x));
        if (!i) before = builds();
        if (now->compile) assert_int_equal(builds(), before);
    }
}
TEST(built)
{
    compile_builds = true;
    run_both(built_program);
    compile_builds = false;
    assert_entries(0, 1, 0);
}

static int set_up(void **state __attribute__((unused)))
{
    compile_options.dynamic = true;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),     cmocka_unit_test(test_folds),
        cmocka_unit_test(test_strides),   cmocka_unit_test(test_small),
        cmocka_unit_test(test_duck),      cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_marked),    cmocka_unit_test(test_branches),
        cmocka_unit_test(test_reads),     cmocka_unit_test(test_numbered),
        cmocka_unit_test(test_layer),     cmocka_unit_test(test_writes),
        cmocka_unit_test(test_forgotten), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_built),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
