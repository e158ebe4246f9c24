/* test_op_calls.c - which operators composites and gradient rules call: those, and in the order,
 * that PyTorch 2.13 logs for the same program on the CPU. What makes leaves' gradients their own
 * (detach there, clone here) is left out. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "plumb.h"

/* ---- what was called, as "t addmm relu" ---- */

static char called[4096];

static const char *note(void *context, const char *op)
{
    size_t n = strlen(called);
    (void)context;
    if (!strncmp(op, "aten::", 6)) op += 6;
    if (!strcmp(op, "clone")) return NULL;
    snprintf(called + n, sizeof called - n, "%s%s", n ? " " : "", op);
    return NULL;
}
static const struct plumb_hook hook = {.before = note};

static int open_session(void **state)
{
    (void)state;
    return plumb_open(&(struct plumb_options){.backend = "null"}) ? 0 : -1;
}
static int close_session(void **state)
{
    (void)state;
    return plumb_close();
}

static struct plumb_tensor *tensor(const char *shape)
{
    int64_t size[8];
    int n = 0;
    for (char *p = (char *)shape; *p;) {
        size[n++] = strtoll(p, &p, 10);
        if (*p) p++;
    }
    return plumb_parameter("x", plumb_tensor(PLUMB_F32, n, size, NULL));
}

static void expect(const char *forward, const char *backward, struct plumb_tensor *y)
{
    if (!y) print_error("%s\n", plumb_error());
    assert_non_null(y);
    assert_string_equal(called, forward);
    plumb_hook_pop();
    struct plumb_tensor *loss = plumb_sum(y, (enum plumb_dtype)0);
    assert_int_equal(plumb_hook_push(&hook), 0);
    called[0] = 0;
    if (plumb_backward(loss)) print_error("%s\n", plumb_error());
    /* PyTorch begins with these two for any loss that is a sum */
    const char *head = "ones_like expand ";
    assert_int_equal(strncmp(called, head, strlen(head)), 0);
    assert_string_equal(called + strlen(head), backward);
}

#define CALLS(name, y, forward, backward)                                                          \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        assert_int_equal(plumb_frame_begin(), 0);                                                  \
        called[0] = 0;                                                                             \
        struct plumb_tensor *a = tensor(FIRST), *b = tensor(SECOND), *c = tensor(THIRD);           \
        (void)b, (void)c;                                                                          \
        assert_int_equal(plumb_hook_push(&hook), 0);                                               \
        called[0] = 0;                                                                             \
        expect(forward, backward, y);                                                              \
        plumb_hook_pop();                                                                          \
        plumb_frame_end();                                                                         \
    }

#define FIRST  "2,5,8"
#define SECOND "4,8"
#define THIRD  "4"
CALLS(linear_three_dims, plumb_linear(a, b, c), "view t addmm view",
      "view t mm t mm t sum.dim_IntList view t view")
CALLS(linear_without_bias, plumb_linear(a, b, NULL), "t view mm _unsafe_view",
      "view t mm t t mm view t")
#undef FIRST
#define FIRST "3,8"
CALLS(linear_two_dims, plumb_linear(a, b, c), "t addmm", "t mm t mm t sum.dim_IntList view t")
CALLS(linear_two_dims_without_bias, plumb_linear(a, b, NULL), "t mm", "t mm t t mm t")
#undef FIRST
#define FIRST "8"
CALLS(linear_one_dim, plumb_linear(a, b, c), "view t addmm view",
      "view t mm t mm t sum.dim_IntList view t view")
#undef FIRST
#undef SECOND
#define FIRST  "2,4,8"
#define SECOND "8,3"
CALLS(matmul_batch_matrix, plumb_matmul(a, b), "view mm _unsafe_view", "view t mm t mm view")
#undef SECOND
#define SECOND "2,8,3"
CALLS(matmul_batches, plumb_matmul(a, b), "expand view expand view bmm _unsafe_view",
      "view transpose.int bmm transpose.int bmm view view")
#undef SECOND
#define SECOND "8"
CALLS(matmul_batch_vector, plumb_matmul(a, b), "view mv _unsafe_view",
      "view view mul.Tensor t mv view")
CALLS(softmax, plumb_softmax_int(a, -1, (enum plumb_dtype)0), "_softmax", "_softmax_backward_data")
CALLS(layer_norm, plumb_layer_norm(a, (int64_t[]){8}, 1, b, NULL, 1e-5, true), "native_layer_norm",
      "native_layer_norm_backward")
#undef FIRST
#undef SECOND
#undef THIRD
#define FIRST  "2,4,5,8"
#define SECOND "2,4,7,8"
#define THIRD  "2,4,7,8"
CALLS(attention, plumb_scaled_dot_product_attention(a, b, c, NULL, 0, false),
      "_scaled_dot_product_flash_attention_for_cpu",
      "_scaled_dot_product_flash_attention_for_cpu_backward")
#undef FIRST
#undef SECOND
#define FIRST  "5,3"
#define SECOND "5,4"
CALLS(mm_by_columns, plumb_mm(plumb_t(a), b), "t mm", "t mm t mm t t")
#undef FIRST
#undef SECOND
#define FIRST  "4"
#define SECOND "4"
CALLS(dot, plumb_matmul(a, b), "dot", "mul.Tensor mul.Tensor")

static void test_cross_entropy(void **state)
{
    (void)state;
    assert_int_equal(plumb_frame_begin(), 0);
    int64_t n = 3;
    struct plumb_tensor *x = tensor("3,4"), *t = plumb_tensor(PLUMB_I64, 1, &n, NULL);
    assert_int_equal(plumb_hook_push(&hook), 0);
    called[0] = 0;
    struct plumb_tensor *loss = plumb_cross_entropy_loss(x, t, NULL, PLUMB_MEAN, -100, 0);
    assert_string_equal(called, "_log_softmax nll_loss_forward");
    called[0] = 0;
    assert_int_equal(plumb_backward(loss), 0);
    assert_string_equal(called, "ones_like nll_loss_backward _log_softmax_backward_data");
    plumb_hook_pop();
    plumb_frame_end();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, open_session, close_session)
    const struct CMUnitTest tests[] = {TEST(linear_three_dims),
                                       TEST(linear_without_bias),
                                       TEST(linear_two_dims),
                                       TEST(linear_two_dims_without_bias),
                                       TEST(linear_one_dim),
                                       TEST(matmul_batch_matrix),
                                       TEST(matmul_batches),
                                       TEST(matmul_batch_vector),
                                       TEST(softmax),
                                       TEST(layer_norm),
                                       TEST(attention),
                                       TEST(mm_by_columns),
                                       TEST(dot),
                                       TEST(cross_entropy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
