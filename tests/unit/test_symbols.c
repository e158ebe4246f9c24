/* test_symbols.c - sizes as symbols: which there are, strides as their products, and what is said
 * of them. */
#include "tests/unit/unit.h"

#include "runtime/compile/symbols.h"

/* Tensors without anything but their views. */
enum { MOST = 4 };
static struct plumb_tensor tensor[MOST];
static struct plumb_tensor *in[MOST] = {&tensor[0], &tensor[1], &tensor[2], &tensor[3]};

static void lies(int i, int n, const int64_t *size, const int64_t *stride)
{
    struct view *v = &tensor[i].view;
    *v = (struct view){.dtype = DTYPE_F32, .shape.n = n};
    memcpy(v->shape.size, size, (size_t)n * sizeof *size);
    memcpy(v->stride, stride, (size_t)n * sizeof *stride);
}
#define LIES(i, n, size, stride) lies(i, n, (int64_t[])SIZES size, (int64_t[])SIZES stride)
#define SIZES(...)                                                                                 \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/* Every size and stride of input i, as expressions. */
static void check(const struct symbols *s, int i, const char *want)
{
    struct symbol_view of;
    struct buf b = {0};
    symbols_view(s, &in[i]->view, i, &of);
    for (int d = 0; d < in[i]->view.shape.n; d++) {
        symbols_product_text(s, &of.size[d], &b);
        buf_puts(&b, " by ");
        symbols_product_text(s, &of.stride[d], &b);
        buf_puts(&b, "; ");
        assert_int_equal(symbols_product(s, &of.size[d], in), in[i]->view.shape.size[d]);
        assert_int_equal(symbols_product(s, &of.stride[d], in), in[i]->view.stride[d]);
    }
    assert_string_equal(b.p, want);
    buf_release(&b);
}
#define A(d) "L['in'][0].size()[" #d "]"

static void products(void **state)
{
    struct symbols s = {.all = true};
    (void)state;
    LIES(0, 3, (4, 5, 6), (30, 6, 1)); /* dense */
    LIES(1, 3, (6, 4, 5), (1, 30, 6)); /* the same, permuted */
    LIES(2, 3, (4, 5, 1), (5, 1, 7));  /* one that does not matter */
    LIES(3, 2, (4, 6), (0, 1));        /* expanded */
    assert_int_equal(symbols_make(&s, in, 4), ERR_OK);
    assert_int_equal(s.symbol.n, 3);
    assert_int_equal(s.fixed.n, 1);
    check(&s, 0, A(0) " by " A(1) "*" A(2) "; " A(1) " by " A(2) "; " A(2) " by 1; ");
    check(&s, 1, A(2) " by 1; " A(0) " by " A(1) "*" A(2) "; " A(1) " by " A(2) "; ");
    check(&s, 2, A(0) " by " A(1) "; " A(1) " by 1; 1 by 7; ");
    check(&s, 3, A(0) " by 0; " A(2) " by 1; ");
    symbols_release(&s);
}

/* A stride that no size explains is a symbol of its own, even where a size is equal. */
static void strides(void **state)
{
    struct symbols s = {.all = true};
    (void)state;
    LIES(0, 2, (10, 4), (10, 1));
    LIES(1, 2, (10, 4), (4, 1));
    assert_int_equal(symbols_make(&s, in, 2), ERR_OK);
    assert_int_equal(s.symbol.n, 3);
    check(&s, 0, A(0) " by L['in'][0].stride()[0]; " A(1) " by 1; ");
    check(&s, 1, A(0) " by " A(1) "; " A(1) " by 1; ");
    struct buf b = {0};
    int64_t value[3];
    symbols_read(&s, in, value);
    symbols_values_text(&s, value, &b);
    assert_string_equal(b.p, "s0 = 10, s1 = 4, s2 = 10");
    buf_release(&b);
    symbols_release(&s);
}

static void marks(void **state)
{
    struct symbols s = {0};
    (void)state;
    LIES(0, 2, (4, 4), (4, 1));
    LIES(1, 2, (4, 1), (1, 1));
    *LIST_PUSH(&s.mark) = (struct symbol_mark){0, -1};
    *LIST_PUSH(&s.mark) = (struct symbol_mark){1, 1};
    *LIST_PUSH(&s.mark) = (struct symbol_mark){3, 0}; /* there is none: not looked at */
    assert_int_equal(symbols_make(&s, in, 2), ERR_OK);
    assert_int_equal(s.symbol.n, 1);
    assert_int_equal(s.fixed.n, 1);
    check(&s, 0, "4 by " A(1) "; " A(1) " by 1; ");
    check(&s, 1, "4 by 1; 1 by 1; ");
    assert_true(symbols_fit(&s, in, 2));
    tensor[0].view.shape.n = 1;
    assert_false(symbols_fit(&s, in, 2));
    assert_false(symbols_fit(&s, in, 0));
    symbols_release(&s);
}

static void explains(void **state)
{
    struct symbols s = {.all = true};
    (void)state;
    LIES(0, 3, (3, 5, 1), (5, 1, 1));
    assert_int_equal(symbols_make(&s, in, 1), ERR_OK);
    for (int64_t n = 0; n < 40; n++) {
        bool is = n == 3 || n == 5 || n == 9 || n == 15 || n == 25;
        assert_int_equal(symbols_explain(&s, n), is);
    }
    symbols_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(products), cmocka_unit_test(strides),
                                       cmocka_unit_test(marks), cmocka_unit_test(explains)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
