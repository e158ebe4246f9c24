/* run_norm.c - norms that take several loop nests: gradients, whose row sums and column sums run
 * over different spaces, and batch norm with its running statistics. */
#include "runtime/call_nest.h"
#include "runtime/norm.h"
#include "runtime/ops.h"

static struct plumb_tensor *given(const struct op_call *c, int arg)
{
    return c->arg[arg].kind == OP_TENSOR ? c->arg[arg].t : NULL;
}

/* ---- layer norm ---- */

/* With x' = (x - mean) rstd and h = grad * weight over a row of n:
 * grad input = (h - sum(h)/n - x' sum(h x')/n) rstd */
#define LAYER_NORM_ROWS(h)                                                                         \
    "x = (input - mean) * rstd; h = " h "; k = to_compute(n); "                                    \
    "out = ((h - sum(h) / k) - x * (sum(h * x) / k)) * rstd"
#define LAYER_NORM_WEIGHT "out1 = sum(grad * ((input - mean) * rstd))"
#define LAYER_NORM_BIAS   "out2 = sum(grad)"

static enum err layer_norm_rows(struct op_call *c, int outer)
{
    struct call_nest m;
    struct plumb_tensor *weight = given(c, 5);
    const char *body = weight ? LAYER_NORM_ROWS("grad * weight") : LAYER_NORM_ROWS("grad");
    if (!c->result[0]) return ERR_OK;
    call_nest_begin(&m, c, body, &c->arg[1].t->view.shape, PLAN_FROM(outer));
    call_nest_read(&m, "grad", c->arg[0].t, 0);
    call_nest_read(&m, "input", c->arg[1].t, 0);
    call_nest_read(&m, "mean", c->arg[3].t, 0);
    call_nest_read(&m, "rstd", c->arg[4].t, 0);
    call_nest_read(&m, "weight", weight, outer);
    call_nest_write(&m, "out", c->result[0], 0);
    return call_nest_run(&m);
}

/* Sums over all rows, for each column. */
static enum err layer_norm_columns(struct op_call *c, int outer)
{
    static const char *const bodies[] = {NULL, LAYER_NORM_WEIGHT, LAYER_NORM_BIAS,
                                         LAYER_NORM_WEIGHT "; " LAYER_NORM_BIAS};
    struct call_nest m;
    int want = (c->result[1] != NULL) | (c->result[2] != NULL) << 1;
    if (!want) return ERR_OK;
    struct view_shape s = c->arg[1].t->view.shape;
    struct view_shape all = s;
    if (!outer) { /* a single row */
        all.n = s.n + 1;
        all.size[0] = 1;
        for (int d = 0; d < s.n; d++) all.size[d + 1] = s.size[d];
    }
    int shift = all.n - s.n, columns = outer + shift;
    call_nest_begin(&m, c, bodies[want], &all, (1u << columns) - 1);
    call_nest_read(&m, "grad", c->arg[0].t, shift);
    call_nest_read(&m, "input", c->arg[1].t, shift);
    call_nest_read(&m, "mean", c->arg[3].t, shift);
    call_nest_read(&m, "rstd", c->arg[4].t, shift);
    call_nest_write(&m, "out1", c->result[1], columns);
    call_nest_write(&m, "out2", c->result[2], columns);
    return call_nest_run(&m);
}

enum err run_native_layer_norm_backward(struct op_call *c)
{
    int outer = norm_outer(c, 1, 2);
    TRY(layer_norm_rows(c, outer));
    return layer_norm_columns(c, outer);
}

/* ---- RMS norm ---- */

#define RMS_ROWS(h)                                                                                \
    "x = input * rstd; h = " h "; out = (h - x * (sum(h * x) / to_compute(n))) * rstd"

static enum err rms_rows(struct op_call *c, int outer)
{
    struct call_nest m;
    struct plumb_tensor *weight = given(c, 4);
    if (!c->result[0]) return ERR_OK;
    call_nest_begin(&m, c, weight ? RMS_ROWS("grad * weight") : RMS_ROWS("grad"),
                    &c->arg[1].t->view.shape, PLAN_FROM(outer));
    call_nest_read(&m, "grad", c->arg[0].t, 0);
    call_nest_read(&m, "input", c->arg[1].t, 0);
    call_nest_read(&m, "rstd", c->arg[3].t, 0);
    call_nest_read(&m, "weight", weight, outer);
    call_nest_write(&m, "out", c->result[0], 0);
    return call_nest_run(&m);
}

static enum err rms_columns(struct op_call *c, int outer)
{
    struct call_nest m;
    struct view_shape s = c->arg[1].t->view.shape, all = s;
    if (!c->result[1]) return ERR_OK;
    if (!outer) {
        all.n = s.n + 1;
        all.size[0] = 1;
        for (int d = 0; d < s.n; d++) all.size[d + 1] = s.size[d];
    }
    int shift = all.n - s.n, columns = outer + shift;
    call_nest_begin(&m, c, "out1 = sum(grad * (input * rstd))", &all, (1u << columns) - 1);
    call_nest_read(&m, "grad", c->arg[0].t, shift);
    call_nest_read(&m, "input", c->arg[1].t, shift);
    call_nest_read(&m, "rstd", c->arg[3].t, shift);
    call_nest_write(&m, "out1", c->result[1], columns);
    return call_nest_run(&m);
}

enum err run_fused_rms_norm_backward(struct op_call *c)
{
    int outer = norm_outer(c, 1, 2);
    TRY(rms_rows(c, outer));
    return rms_columns(c, outer);
}

/* ---- batch norm ---- */

#define BATCH_INNER (~(1u << 1)) /* all dimensions but the channels */

#define BATCH_STATS                                                                                \
    "k = to_compute(n); m = sum(input) / k; d = input - m; q = sum(d * d); "                       \
    "r = rsqrt(q / k + eps); "
#define BATCH_FIXED "d = input - running_mean; r = rsqrt(running_var + eps); "
#define BATCH_KEEP  "; out1 = m; out2 = r"
#define BATCH_TELL  "; mean = m; var = q / (k - 1)"
#define BATCH_BODIES(head, tail)                                                                   \
    {                                                                                              \
        {head "out = d * r" tail, head "out = d * r + bias" tail},                                 \
        {                                                                                          \
            head "out = (d * r) * weight" tail, head "out = fma(d * r, weight, bias)" tail         \
        }                                                                                          \
    }
static const char *const batch_bodies[3][2][2] = {
    BATCH_BODIES(BATCH_FIXED, ""),
    BATCH_BODIES(BATCH_STATS, BATCH_KEEP),
    BATCH_BODIES(BATCH_STATS, BATCH_KEEP BATCH_TELL),
};

enum {
    BATCH_INPUT,
    BATCH_WEIGHT,
    BATCH_BIAS,
    BATCH_MEAN,
    BATCH_VAR,
    BATCH_TRAINING,
    BATCH_MOMENTUM,
    BATCH_EPS
};

/* running = (1 - momentum) running + momentum now: a nest of its own, as one that reduces may read
 * its arguments more than once. */
static enum err move_towards(struct op_call *c, struct plumb_tensor *running,
                             struct plumb_tensor *now)
{
    struct call_nest m;
    call_nest_begin(&m, c, "next = (1 - momentum) * running + momentum * now", &running->view.shape,
                    0);
    call_nest_read(&m, "running", running, 0);
    call_nest_read(&m, "now", now, 0);
    call_nest_write(&m, "next", running, 0);
    call_nest_number(&m, "momentum", &c->arg[BATCH_MOMENTUM]);
    return call_nest_run(&m);
}

/* Normalizes. now: where to put mean and variance for the running statistics, or NULL. */
static enum err batch_normalize(struct op_call *c, struct plumb_tensor *const *now)
{
    struct call_nest m;
    struct plumb_tensor *w = given(c, BATCH_WEIGHT), *b = given(c, BATCH_BIAS);
    bool training = c->arg[BATCH_TRAINING].i;
    int kind = !training ? 0 : now ? 2 : 1;
    call_nest_begin(&m, c, batch_bodies[kind][w != NULL][b != NULL],
                    &c->arg[BATCH_INPUT].t->view.shape, BATCH_INNER);
    call_nest_read(&m, "input", c->arg[BATCH_INPUT].t, 0);
    call_nest_read(&m, "weight", w, 1);
    call_nest_read(&m, "bias", b, 1);
    call_nest_read(&m, "running_mean", training ? NULL : c->arg[BATCH_MEAN].t, 1);
    call_nest_read(&m, "running_var", training ? NULL : c->arg[BATCH_VAR].t, 1);
    call_nest_write(&m, "out", c->result[0], 0);
    call_nest_write(&m, "out1", training ? c->result[1] : NULL, 1);
    call_nest_write(&m, "out2", training ? c->result[2] : NULL, 1);
    call_nest_write(&m, "mean", now ? now[0] : NULL, 1);
    call_nest_write(&m, "var", now ? now[1] : NULL, 1);
    call_nest_number(&m, "eps", &c->arg[BATCH_EPS]);
    return call_nest_run(&m);
}

enum err run_native_batch_norm(struct op_call *c)
{
    struct plumb_tensor *now[2];
    enum dtype exactly = c->compute == DTYPE_F64 ? DTYPE_F64 : DTYPE_F32;
    if (!c->arg[BATCH_TRAINING].i || !given(c, BATCH_MEAN)) return batch_normalize(c, NULL);
    for (int i = 0; i < 2; i++) TRY(op_scratch(c, exactly, &c->result[1]->view.shape, &now[i]));
    TRY(batch_normalize(c, now));
    TRY(move_towards(c, c->arg[BATCH_MEAN].t, now[0]));
    return move_towards(c, c->arg[BATCH_VAR].t, now[1]);
}

#define BATCH_GRAD_TRAIN                                                                           \
    "x = (input - mean) * scale; k = to_compute(n); s = sum(grad); t = sum(grad * x); "
#define BATCH_GRAD_FIXED                                                                           \
    "r = rsqrt(scale + eps); x = (input - mean) * r; s = sum(grad); t = sum(grad * x); "
static const char *const batch_grad_bodies[2][2] = {
    {BATCH_GRAD_FIXED "out = grad * r", BATCH_GRAD_FIXED "out = (grad * weight) * r"},
    {BATCH_GRAD_TRAIN "out = ((grad - s / k) - x * (t / k)) * scale",
     BATCH_GRAD_TRAIN "out = (((grad - s / k) - x * (t / k)) * scale) * weight"}};

static enum err batch_grad_input(struct op_call *c)
{
    enum { GRAD, INPUT, WEIGHT, MEAN, VAR, SAVE_MEAN, SAVE_INVSTD, TRAIN, EPS };
    struct call_nest m;
    bool train = c->arg[TRAIN].i;
    struct plumb_tensor *w = given(c, WEIGHT);
    if (!c->result[0]) return ERR_OK;
    call_nest_begin(&m, c, batch_grad_bodies[train][w != NULL], &c->arg[INPUT].t->view.shape,
                    BATCH_INNER);
    call_nest_read(&m, "grad", c->arg[GRAD].t, 0);
    call_nest_read(&m, "input", c->arg[INPUT].t, 0);
    call_nest_read(&m, "weight", w, 1);
    call_nest_read(&m, "mean", c->arg[train ? SAVE_MEAN : MEAN].t, 1);
    call_nest_read(&m, "scale", c->arg[train ? SAVE_INVSTD : VAR].t, 1);
    call_nest_write(&m, "out", c->result[0], 0);
    call_nest_number(&m, "eps", &c->arg[EPS]);
    return call_nest_run(&m);
}

/* Sums over a channel. */
static enum err batch_grad_channels(struct op_call *c)
{
    enum { GRAD, INPUT, WEIGHT, MEAN, VAR, SAVE_MEAN, SAVE_INVSTD, TRAIN, EPS };
    static const char *const bodies[2][4] = {
        {NULL, "r = rsqrt(scale + eps); out1 = sum(grad * ((input - mean) * r))",
         "out2 = sum(grad)",
         "r = rsqrt(scale + eps); out1 = sum(grad * ((input - mean) * r)); out2 = sum(grad)"},
        {NULL, "out1 = sum(grad * ((input - mean) * scale))", "out2 = sum(grad)",
         "out1 = sum(grad * ((input - mean) * scale)); out2 = sum(grad)"}};
    struct call_nest m;
    bool train = c->arg[TRAIN].i;
    int want = (c->result[1] != NULL) | (c->result[2] != NULL) << 1;
    if (!want) return ERR_OK;
    call_nest_begin(&m, c, bodies[train][want], &c->arg[INPUT].t->view.shape, BATCH_INNER);
    call_nest_read(&m, "grad", c->arg[GRAD].t, 0);
    call_nest_read(&m, "input", c->arg[INPUT].t, 0);
    call_nest_read(&m, "mean", c->arg[train ? SAVE_MEAN : MEAN].t, 1);
    call_nest_read(&m, "scale", c->arg[train ? SAVE_INVSTD : VAR].t, 1);
    call_nest_write(&m, "out1", c->result[1], 1);
    call_nest_write(&m, "out2", c->result[2], 1);
    call_nest_number(&m, "eps", &c->arg[EPS]);
    return call_nest_run(&m);
}

enum err run_native_batch_norm_backward(struct op_call *c)
{
    TRY(batch_grad_input(c));
    return batch_grad_channels(c);
}
