/* joint_functions.h - functions of several calls for tests of compiling: written in place, viewed,
 * drawn at random, with tensors kept outside; and the session and inputs that they run on. */
#ifndef TESTS_JOINT_FUNCTIONS_H
#define TESTS_JOINT_FUNCTIONS_H

#include "plumb.h"
#include "runtime/session.h"
#include "tests/unit/unit.h"

/* ---- what functions work on ---- */

enum { ROWS = 4, COLUMNS = 8, INPUTS = 3, KEPT = 4, OUTS = 4, LEAVES = INPUTS + KEPT, MANY = 256 };
static struct {
    struct plumb_tensor *w, *b, *g, *plain; /* kept; the last wants no gradient */
    struct plumb_tensor *leaf[LEAVES];      /* inputs that want gradients, then kept ones */
    bool fresh_inputs;                      /* inputs have no gradient before, whatever the rest */
} on;

static struct plumb_tensor *numbers(int n, const int64_t *size, int seed)
{
    float v[ROWS * COLUMNS * COLUMNS];
    int64_t count = 1;
    for (int i = 0; i < n; i++) count *= size[i];
    for (int64_t i = 0; i < count; i++)
        v[i] = (float)((i * 37 + seed * 11) % 61 - 30) / 23 + (float)(i % 5) / 64;
    return plumb_tensor(PLUMB_F32, n, size, v);
}

static int open_session(void **state)
{
    (void)state;
    const int64_t square[] = {COLUMNS, COLUMNS}, row[] = {COLUMNS};
    if (!plumb_open(&(struct plumb_options){.seed = 3})) return -1;
    on.w = plumb_parameter("w", numbers(2, square, 1));
    on.b = plumb_parameter("b", numbers(1, row, 2));
    on.g = plumb_parameter("g", numbers(1, row, 3));
    on.plain = plumb_keep(numbers(1, row, 4));
    return on.plain ? 0 : -1;
}
static int close_session(void **state)
{
    (void)state;
    return plumb_close();
}

static void make_inputs(struct plumb_tensor **in)
{
    const int64_t size[] = {ROWS, COLUMNS}, rows = ROWS;
    int64_t label[ROWS];
    for (int i = 0; i < ROWS; i++) label[i] = (i * 3 + 1) % COLUMNS;
    in[0] = numbers(2, size, 5);
    in[1] = numbers(2, size, 6);
    in[2] = plumb_tensor(PLUMB_I64, 1, &rows, label);
    in[0]->requires_grad = true;
    struct plumb_tensor *leaf[LEAVES] = {in[0], NULL, NULL, on.w, on.b, on.g};
    memcpy(on.leaf, leaf, sizeof leaf);
}

/* ---- the functions ---- */

#define FUNCTION(name)                                                                             \
    static inline int name(void *context, struct plumb_tensor *const *in, int n_in,                \
                           struct plumb_tensor **out, int n_out)
#define UNUSED (void)context, (void)n_in, (void)n_out, (void)in

/* w is used twice, so that its gradient comes from two calls */
FUNCTION(tied)
{
    UNUSED;
    struct plumb_tensor *h = plumb_relu(plumb_linear(in[0], on.w, on.b));
    h = plumb_linear(plumb_mul(h, on.plain), on.w, NULL);
    out[0] = plumb_cross_entropy_loss(h, in[2], NULL, PLUMB_MEAN, -100, 0);
    return out[0] ? 1 : -1;
}

FUNCTION(drawn)
{
    UNUSED;
    struct plumb_tensor *r[2];
    bool train = true;
    struct plumb_tensor *h = plumb_gelu(plumb_mul(in[0], on.g), "none");
    if (plumb_native_dropout(h, 0.25, &train, r) < 0) return -1;
    h = plumb_sin(plumb_linear(r[0], on.w, on.b));
    if (plumb_native_dropout(h, 0.5, &train, r) < 0) return -1;
    out[0] = plumb_mul(r[0], h);
    return out[0] ? 1 : -1;
}

FUNCTION(in_place)
{
    UNUSED;
    struct plumb_tensor *a = plumb_relu_(plumb_mul_scalar(in[0], 2));
    out[0] = plumb_sin(plumb_add_(plumb_mul_scalar(a, 3), in[1]));
    out[1] = plumb_exp(plumb_select_int(a, 0, 1));
    return out[0] && out[1] ? 2 : -1;
}

FUNCTION(viewed)
{
    UNUSED;
    struct plumb_tensor *a = plumb_linear(in[0], on.w, on.b);
    struct plumb_tensor *v = plumb_view(a, (int64_t[]){ROWS * COLUMNS}, 1);
    struct plumb_tensor *s = plumb_mul_scalar(v, 3);
    a = plumb_tanh(plumb_relu_(a));
    out[0] = plumb_mul(plumb_neg(v), s); /* v shows what was written */
    out[1] = plumb_mul(plumb_transpose_int(a, 0, 1), plumb_transpose_int(a, 0, 1));
    return out[0] && out[1] ? 2 : -1;
}

FUNCTION(attended)
{
    UNUSED;
    const int64_t heads[] = {1, ROWS, 2, COLUMNS / 2}, order[] = {0, 2, 1, 3};
    struct plumb_tensor *x = plumb_layer_norm(in[0], (int64_t[]){COLUMNS}, 1, on.g, on.b, 1e-5, 1);
    struct plumb_tensor *q = plumb_linear(x, on.w, NULL);
    q = plumb_permute(plumb_view(q, heads, 4), order, 4);
    struct plumb_tensor *k = plumb_permute(plumb_view(x, heads, 4), order, 4);
    x = plumb_scaled_dot_product_attention(q, k, plumb_sin(k), NULL, 0, true);
    x = plumb_reshape(plumb_permute(x, order, 4), (int64_t[]){ROWS, COLUMNS}, 2);
    x = plumb_add(in[0], plumb_gelu(x, "tanh"));
    out[0] = plumb_softmax_int(plumb_rms_norm(x, (int64_t[]){COLUMNS}, 1, on.g, NULL), -1, 0);
    return out[0] ? 1 : -1;
}

/* An input, what wants no gradient, a result twice */
FUNCTION(given_back)
{
    UNUSED;
    out[0] = in[0];
    out[1] = plumb_neg(in[1]);
    out[2] = out[3] = plumb_exp(plumb_mul(in[0], in[1]));
    return out[3] ? 4 : -1;
}

FUNCTION(empty_and_single)
{
    UNUSED;
    struct plumb_tensor *none = plumb_slice(in[0], 0, &(int64_t){2}, &(int64_t){2}, 1);
    out[0] = plumb_mul(plumb_sin(none), none);
    out[1] = plumb_exp(plumb_select_int(plumb_select_int(in[0], 0, 0), 0, 0));
    return out[0] && out[1] ? 2 : -1;
}

/* The slope of the first result is infinite: times 0 it is no number */
FUNCTION(steep)
{
    UNUSED;
    out[0] = plumb_sqrt(plumb_mul_scalar(plumb_mul(in[0], on.b), 0));
    out[1] = plumb_sin(plumb_mul(in[0], on.g));
    return out[0] && out[1] ? 2 : -1;
}

/* The gradient that b had when the function was called, whatever it has by then */
FUNCTION(takes_gradient)
{
    UNUSED;
    struct plumb_tensor *g = plumb_grad(on.b);
    out[0] = plumb_mul(plumb_mul(in[0], on.b), g ? plumb_sin(g) : on.plain);
    out[1] = plumb_mul(in[0], g ? g : on.plain);
    return out[0] && out[1] ? 2 : -1;
}

#endif
