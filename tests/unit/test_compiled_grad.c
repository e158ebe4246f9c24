/* test_compiled_grad.c - gradients through compiled functions, and of functions that walk back
 * themselves, have the bits that they have without compiling. */
#include "tests/unit/compiled_both.h"

/* ---- gradients ---- */

static struct plumb_tensor *w, *b;
FUNCTION(layer)
{
    UNUSED;
    struct plumb_tensor *x = plumb_linear(in[0], w, b);
    GIVES(0, plumb_add(plumb_mul(plumb_tanh(x), x), plumb_mul(x, w)));
    return 0;
}
static void make_leaves(void)
{
    w = parameter(4, 4, 1);
    b = plumb_parameter("b", numbers_of(PLUMB_F32, 1, &(int64_t){4}, 2));
}
/* Every dtype that has gradients. */
static void dtypes_program(void)
{
    const enum plumb_dtype of[] = {PLUMB_F64, PLUMB_F16, PLUMB_BF16};
    for (int i = 0; i < 3; i++) {
        struct plumb_tensor *y;
        w = plumb_parameter("w", numbers_of(of[i], 2, (int64_t[]){4, 4}, 1));
        b = plumb_parameter("b", numbers_of(of[i], 1, &(int64_t){4}, 2));
        now->n_functions = 0; /* what it captures has changed */
        must(call(layer, IN(numbers_of(of[i], 2, (int64_t[]){4, 4}, 3)), 1, &y, 1));
        walk(y);
        note(y);
        note(plumb_grad(w));
        note(plumb_grad(b));
    }
}
TEST_BOTH(dtypes, dtypes_program, 1, 0)

static void gradients_program(void)
{
    make_leaves();
    for (int i = 0; i < 3; i++) {
        struct plumb_tensor *y, *x = wanting(numbers(4, 4, i)), *z = plumb_exp(x);
        if (plumb_frame_begin()) fail();
        must(call(layer, IN(z), 1, &y, 1));
        must(call(layer, IN(plumb_mul(y, z)), 1, &y, 1)); /* through two, and beside */
        walk(y);
        note(y);
        plumb_frame_end();
        note(plumb_grad(x));
        note(plumb_grad(w));
        note(plumb_grad(b));
    }
}
TEST_BOTH(gradients, gradients_program, 1, 5)

/* What comes to one tensor from many calls is added in the order of the tape. */
FUNCTION(many_uses)
{
    UNUSED;
    struct plumb_tensor *x = in[0], *y = plumb_sin(x);
    for (int i = 0; i < 5; i++) y = plumb_add(plumb_mul(y, x), plumb_mul_scalar(x, 0.1 * i));
    GIVES(0, plumb_mul(y, in[1]));
    return 0;
}
static void many_program(void)
{
    struct plumb_tensor *y, *x = wanting(numbers(4, 4, 1)), *p = parameter(4, 4, 2);
    must(call(many_uses, IN(x, p), 2, &y, 1));
    walk(y);
    must(call(many_uses, IN(p, p), 2, &y, 1)); /* one leaf for both */
    walk(y);
    must(call(many_uses, IN(p, plumb_view(p, (int64_t[]){4, 4}, 2)), 2, &y, 1));
    walk(y);
    note(plumb_grad(x));
    note(plumb_grad(p));
}
TEST_BOTH(many_uses, many_program, 3, 0)

FUNCTION(two_results)
{
    UNUSED;
    GIVES(0, plumb_select_int(in[1], 0, 0));
    GIVES(1, plumb_mul(in[0], in[0]));
    GIVES(2, plumb_argmax(in[0], NULL, false));
    GIVES(3, plumb_select_int(out[1], 0, 1));
    GIVES(4, plumb_sum(in[0], 0));
    return 0;
}
/* Each result has a tangent of its own; all of them are used. */
static void two_program(void)
{
    struct plumb_tensor *y[5], *x = wanting(numbers(3, 4, 1));
    for (int i = 0; i < 3; i++) {
        must(call(two_results, IN(x, numbers(3, 4, 2)), 2, y, 5));
        for (int k = 0; k < 5; k++) note(y[k]);
        struct plumb_tensor *loss = plumb_add(plumb_sum(y[1], 0), plumb_sum(y[3], 0));
        must(plumb_backward(plumb_add(loss, y[4])));
    }
    note(plumb_grad(x));
}
TEST_BOTH(two_results, two_program, 1, 2)

/* One of them is used at a time. */
static void part_program(void)
{
    struct plumb_tensor *y[5], *x = wanting(numbers(3, 4, 1));
    for (int i = 0; i < 3; i++) {
        must(call(two_results, IN(plumb_exp(x), numbers(3, 4, 2)), 2, y, 5));
        walk(y[i == 0 ? 1 : i == 1 ? 3 : 4]);
        note(plumb_grad(x));
    }
}
TEST_BOTH(parts, part_program, 1, 2)

/* Zeros for a result that is not used would change these: -0 + 0, and 0 times infinity. */
FUNCTION(sensitive)
{
    UNUSED;
    struct plumb_tensor *x = plumb_mul_scalar(in[0], 3);
    GIVES(0, plumb_mul(x, in[1]));
    GIVES(1, plumb_div(in[1], plumb_mul_scalar(x, 0)));
    GIVES(2, plumb_index_select(x, 0, in[2]));
    GIVES(3, plumb_softmax_int(x, 0, PLUMB_F32));
    return 0;
}
static void unused_program(void)
{
    struct plumb_tensor *y[4], *x = wanting(numbers(3, 4, 1)), *c = numbers(3, 4, 2);
    struct plumb_tensor *at = plumb_tensor(PLUMB_I64, 1, &(int64_t){2}, (int64_t[]){2, 0});
    for (int used = 1; used < 16; used++) {
        struct plumb_tensor *loss = NULL;
        plumb_zero_grad(x);
        must(call(sensitive, IN(x, c, at), 3, y, 4));
        for (int i = 0; i < 4; i++) {
            if (!(used >> i & 1)) continue;
            struct plumb_tensor *one = plumb_sum(plumb_mul_scalar(y[i], i == 1 ? 1 : -0.0), 0);
            loss = loss ? plumb_add(loss, one) : one;
        }
        must(plumb_backward(loss));
        note(plumb_grad(x));
    }
}
TEST(unused)
{
    run_both(unused_program);
    assert_entries(0, 1, 14);
    assert_int_equal(compiled.of[0].parts, 14); /* but for all four */
}

FUNCTION_OF(square, plumb_mul(in[0], in[0]))
static void refused_program(void)
{
    struct plumb_tensor *y, *x = wanting(numbers(2, 2, 1)), *z = plumb_exp(x);
    must(call(square, IN(z), 1, &y, 1));
    plumb_no_grad_begin();
    assert_non_null(plumb_add__scalar(z, 1, 1));
    plumb_no_grad_end();
    assert_int_equal(plumb_backward(plumb_sum(y, 0)), -1);
    assert_non_null(strstr(plumb_error(), "overwritten in place"));
    must(call(square, IN(x), 1, &y, 1));
    y = plumb_sum(y, 0);
    must(plumb_backward(y));
    assert_int_equal(plumb_backward(y), -1);
    assert_non_null(strstr(plumb_error(), "walked"));
    note(plumb_grad(x));
}
TEST_BOTH(refused, refused_program, 1, 1)

/* An input that gradients go through is written: only as it is. */
FUNCTION_OF(write_taped, plumb_add_(in[0], plumb_mul_scalar(in[1], 2)))
static void taped_program(void)
{
    struct plumb_tensor *y, *p = parameter(2, 2, 1), *x = numbers(2, 2, 2);
    must(call(write_taped, IN(x, p), 2, &y, 1));
    note(x);
    walk(plumb_mul(x, x));
    note(plumb_grad(p));
    assert_int_equal(call(write_taped, IN(p, numbers(2, 2, 3)), 2, &y, 1), -1);
    note_text(plumb_error());
}
TEST(written_taped)
{
    run_both(taped_program);
    assert_int_equal(compiled.of[0].entries, 2);
    assert_non_null(strstr(compiled.of[0].broken[0], "writes a tensor that was given"));
}

/* ---- gradients of leaves within the function ---- */

static struct plumb_tensor *momentum;
FUNCTION(whole_step)
{
    UNUSED;
    struct plumb_tensor *loss =
        plumb_mse_loss(plumb_relu(plumb_linear(in[0], w, b)), in[1], PLUMB_MEAN);
    if (plumb_backward(loss)) return -1;
    plumb_no_grad_begin();
    bool ok = plumb_mul__scalar(momentum, 0.9) && plumb_add_(momentum, plumb_grad(w)) &&
              plumb_sub_(w, plumb_mul_scalar(momentum, 0.1)) &&
              plumb_sub_(b, plumb_mul_scalar(plumb_grad(b), 0.1));
    plumb_no_grad_end();
    plumb_zero_grad(w);
    plumb_zero_grad(b);
    out[0] = loss;
    return ok ? 0 : -1;
}
static void step_program(void)
{
    make_leaves();
    momentum = plumb_keep(numbers_of(PLUMB_F32, 2, (int64_t[]){4, 4}, 0));
    for (int i = 0; i < 4; i++) {
        struct plumb_tensor *loss;
        if (plumb_frame_begin()) fail();
        must(call(whole_step, IN(numbers(3, 4, i), numbers(3, 4, 7)), 2, &loss, 1));
        double value = plumb_item(loss);
        note_bytes(&value, sizeof value);
        plumb_frame_end();
    }
    note(w);
    note(b);
    note(momentum);
    assert_null(plumb_grad(w));
}
TEST_BOTH(step, step_program, 1, 3)

/* Gradients stay, and are added to: there are none at first. */
FUNCTION(accumulate)
{
    UNUSED;
    if (plumb_backward(plumb_sum(plumb_mul(plumb_mul(w, w), in[0]), 0))) return -1;
    out[0] = plumb_grad(w);
    return 0;
}
static void accumulate_program(void)
{
    struct plumb_tensor *g;
    make_leaves();
    for (int i = 0; i < 4; i++) {
        must(call(accumulate, IN(numbers(4, 4, i)), 1, &g, 1));
        assert_ptr_equal(g, plumb_grad(w));
        note(g);
        if (i == 2) plumb_zero_grad(w);
    }
    walk(plumb_mul(w, w));
    note(plumb_grad(w));
}
TEST_BOTH(accumulated, accumulate_program, 2, 2)

/* A leaf that is given, and has or has no gradient, or is none. */
FUNCTION(walk_within)
{
    UNUSED;
    return plumb_backward(plumb_sum(plumb_mul(in[0], in[0]), 0));
}
static void within_program(void)
{
    struct plumb_tensor *p = parameter(2, 2, 1), *q = parameter(2, 2, 3);
    struct plumb_tensor *x = wanting(numbers(2, 2, 2));
    struct plumb_tensor *given[] = {x, plumb_exp(p), p, p, q, q, x};
    for (int i = 0; i < 7; i++) must(call(walk_within, IN(given[i]), 1, NULL, 0));
    note(plumb_grad(p));
    note(plumb_grad(q));
    note(plumb_grad(x));
}
TEST(walked_within)
{
    run_both(within_program);
}

/* The function reaches a kept tensor that it is given, too. */
FUNCTION_OF(given_and_kept, plumb_add(plumb_mul(in[0], w), w))
static void itself_program(void)
{
    struct plumb_tensor *y, *of[3];
    make_leaves();
    of[0] = w;
    of[1] = parameter(4, 4, 9);
    of[2] = w;
    for (int i = 0; i < 3; i++) {
        must(call(given_and_kept, IN(of[i]), 1, &y, 1));
        note(y);
        walk(y);
    }
    note(plumb_grad(w));
    note(plumb_grad(of[1]));
}
TEST_BOTH(itself, itself_program, 2, 1)

/* ---- back ends ---- */

static void values_program(void)
{
    gradients_program();
    many_program();
    step_program();
}
TEST(oracles)
{
    run_once(&eager, values_program, PLUMB_RUN, "ref");
    run_once(&compiled, values_program, PLUMB_RUN, "ref");
    assert_int_equal(eager.n, compiled.n);
    assert_memory_equal(eager.seen, compiled.seen, eager.n);
}

static void null_program(void)
{
    struct plumb_tensor *y;
    make_leaves();
    for (int i = 0; i < 2; i++) {
        must(call(layer, IN(wanting(numbers(4, 4, i))), 1, &y, 1));
        walk(y);
    }
    assert_non_null(plumb_grad(w));
    assert_int_equal(plumb_size(y, 1), 4);
}
TEST(no_values)
{
    run_once(&compiled, null_program, PLUMB_RUN, "null");
    assert_entries(0, 1, 1);
}

/* A result that the function walked back from is no other's to walk again, which is said; what
 * stands beside it has gradients. */
FUNCTION(step_within)
{
    UNUSED;
    GIVES(0, plumb_sum(plumb_mul(plumb_mul(w, w), in[0]), 0));
    GIVES(1, plumb_mul(w, in[0]));
    return plumb_backward(out[0]);
}
static void walked_program(void)
{
    struct plumb_tensor *y[2];
    make_leaves();
    for (int i = 0; i < 3; i++) {
        must(call(step_within, IN(numbers(4, 4, i)), 1, y, 2));
        note(y[0]);
        note(y[1]);
        struct plumb_tensor *both = plumb_sum(plumb_mul(y[1], y[0]), 0);
        must(both ? 0 : -1);
        assert_int_equal(plumb_backward(i ? both : y[0]), -1);
        note_text(plumb_error());
        if (!i) walk(plumb_mul(y[1], y[1]));
        note(plumb_grad(w));
    }
}
TEST(walked_again)
{
    run_both(walked_program);
    assert_non_null(memmem(compiled.seen, compiled.n, "walked back already", 19));
    assert_entries(0, 2, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dtypes),        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_many_uses),     cmocka_unit_test(test_two_results),
        cmocka_unit_test(test_parts),         cmocka_unit_test(test_unused),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_written_taped),
        cmocka_unit_test(test_step),          cmocka_unit_test(test_accumulated),
        cmocka_unit_test(test_walked_within), cmocka_unit_test(test_itself),
        cmocka_unit_test(test_oracles),       cmocka_unit_test(test_no_values),
        cmocka_unit_test(test_walked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
