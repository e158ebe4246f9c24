/* run_norm.c - norms that take several loop nests: gradients, whose row sums and column sums run
 * over different spaces, and batch norm with its running statistics. */
#include "runtime/norm.h"
#include "runtime/ops.h"
#include "runtime/plan.h"

/* A nest whose arrays are added one by one. */
struct nest_maker {
    struct op_call *c;
    struct op_nest nest;
    struct nest_plan plan;
    struct plan_space space;
};

static void begin(struct nest_maker *m, struct op_call *c, const char *body,
                  const struct view_shape *shape, unsigned inner)
{
    m->c = c;
    m->nest = (struct op_nest){.body = body, .plan = &m->plan};
    plan_begin(&m->space, &m->plan, shape, inner);
}

/* Its dimension 0 lies over the space's dimension `first`; absent tensors are left out. */
static void array(struct nest_maker *m, const char *name, struct plumb_tensor *t, int first,
                  bool written)
{
    if (!t) return;
    int i = m->nest.n_read + m->nest.n_written;
    m->nest.tensor[i] = t;
    m->nest.name[i] = name;
    *(written ? &m->nest.n_written : &m->nest.n_read) += 1;
    plan_add_at(&m->space, &t->view, first);
}
static void reads(struct nest_maker *m, const char *name, struct plumb_tensor *t, int first)
{
    array(m, name, t, first, false);
}
static void writes(struct nest_maker *m, const char *name, struct plumb_tensor *t, int first)
{
    array(m, name, t, first, true);
}
static void number(struct nest_maker *m, const char *name, const struct op_value *v)
{
    m->nest.param[m->nest.n_params] = name;
    m->nest.value[m->nest.n_params++] = *v;
}

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
    struct nest_maker m;
    struct plumb_tensor *weight = given(c, 5);
    const char *body = weight ? LAYER_NORM_ROWS("grad * weight") : LAYER_NORM_ROWS("grad");
    if (!c->result[0]) return ERR_OK;
    begin(&m, c, body, &c->arg[1].t->view.shape, PLAN_FROM(outer));
    reads(&m, "grad", c->arg[0].t, 0);
    reads(&m, "input", c->arg[1].t, 0);
    reads(&m, "mean", c->arg[3].t, 0);
    reads(&m, "rstd", c->arg[4].t, 0);
    reads(&m, "weight", weight, outer);
    writes(&m, "out", c->result[0], 0);
    return op_nest_run(c, &m.nest);
}

/* Sums over all rows, for each column. */
static enum err layer_norm_columns(struct op_call *c, int outer)
{
    static const char *const bodies[] = {NULL, LAYER_NORM_WEIGHT, LAYER_NORM_BIAS,
                                         LAYER_NORM_WEIGHT "; " LAYER_NORM_BIAS};
    struct nest_maker m;
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
    begin(&m, c, bodies[want], &all, (1u << columns) - 1);
    reads(&m, "grad", c->arg[0].t, shift);
    reads(&m, "input", c->arg[1].t, shift);
    reads(&m, "mean", c->arg[3].t, shift);
    reads(&m, "rstd", c->arg[4].t, shift);
    writes(&m, "out1", c->result[1], columns);
    writes(&m, "out2", c->result[2], columns);
    return op_nest_run(c, &m.nest);
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
    struct nest_maker m;
    struct plumb_tensor *weight = given(c, 4);
    if (!c->result[0]) return ERR_OK;
    begin(&m, c, weight ? RMS_ROWS("grad * weight") : RMS_ROWS("grad"), &c->arg[1].t->view.shape,
          PLAN_FROM(outer));
    reads(&m, "grad", c->arg[0].t, 0);
    reads(&m, "input", c->arg[1].t, 0);
    reads(&m, "rstd", c->arg[3].t, 0);
    reads(&m, "weight", weight, outer);
    writes(&m, "out", c->result[0], 0);
    return op_nest_run(c, &m.nest);
}

static enum err rms_columns(struct op_call *c, int outer)
{
    struct nest_maker m;
    struct view_shape s = c->arg[1].t->view.shape, all = s;
    if (!c->result[1]) return ERR_OK;
    if (!outer) {
        all.n = s.n + 1;
        all.size[0] = 1;
        for (int d = 0; d < s.n; d++) all.size[d + 1] = s.size[d];
    }
    int shift = all.n - s.n, columns = outer + shift;
    begin(&m, c, "out1 = sum(grad * (input * rstd))", &all, (1u << columns) - 1);
    reads(&m, "grad", c->arg[0].t, shift);
    reads(&m, "input", c->arg[1].t, shift);
    reads(&m, "rstd", c->arg[3].t, shift);
    writes(&m, "out1", c->result[1], columns);
    return op_nest_run(c, &m.nest);
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
    struct nest_maker m;
    begin(&m, c, "next = (1 - momentum) * running + momentum * now", &running->view.shape, 0);
    reads(&m, "running", running, 0);
    reads(&m, "now", now, 0);
    writes(&m, "next", running, 0);
    number(&m, "momentum", &c->arg[BATCH_MOMENTUM]);
    return op_nest_run(c, &m.nest);
}

/* Normalizes. now: where to put mean and variance for the running statistics, or NULL. */
static enum err batch_normalize(struct op_call *c, struct plumb_tensor *const *now)
{
    struct nest_maker m;
    struct plumb_tensor *w = given(c, BATCH_WEIGHT), *b = given(c, BATCH_BIAS);
    bool training = c->arg[BATCH_TRAINING].i;
    int kind = !training ? 0 : now ? 2 : 1;
    begin(&m, c, batch_bodies[kind][w != NULL][b != NULL], &c->arg[BATCH_INPUT].t->view.shape,
          BATCH_INNER);
    reads(&m, "input", c->arg[BATCH_INPUT].t, 0);
    reads(&m, "weight", w, 1);
    reads(&m, "bias", b, 1);
    reads(&m, "running_mean", training ? NULL : c->arg[BATCH_MEAN].t, 1);
    reads(&m, "running_var", training ? NULL : c->arg[BATCH_VAR].t, 1);
    writes(&m, "out", c->result[0], 0);
    writes(&m, "out1", training ? c->result[1] : NULL, 1);
    writes(&m, "out2", training ? c->result[2] : NULL, 1);
    writes(&m, "mean", now ? now[0] : NULL, 1);
    writes(&m, "var", now ? now[1] : NULL, 1);
    number(&m, "eps", &c->arg[BATCH_EPS]);
    return op_nest_run(c, &m.nest);
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
    struct nest_maker m;
    bool train = c->arg[TRAIN].i;
    struct plumb_tensor *w = given(c, WEIGHT);
    if (!c->result[0]) return ERR_OK;
    begin(&m, c, batch_grad_bodies[train][w != NULL], &c->arg[INPUT].t->view.shape, BATCH_INNER);
    reads(&m, "grad", c->arg[GRAD].t, 0);
    reads(&m, "input", c->arg[INPUT].t, 0);
    reads(&m, "weight", w, 1);
    reads(&m, "mean", c->arg[train ? SAVE_MEAN : MEAN].t, 1);
    reads(&m, "scale", c->arg[train ? SAVE_INVSTD : VAR].t, 1);
    writes(&m, "out", c->result[0], 0);
    number(&m, "eps", &c->arg[EPS]);
    return op_nest_run(c, &m.nest);
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
    struct nest_maker m;
    bool train = c->arg[TRAIN].i;
    int want = (c->result[1] != NULL) | (c->result[2] != NULL) << 1;
    if (!want) return ERR_OK;
    begin(&m, c, bodies[train][want], &c->arg[INPUT].t->view.shape, BATCH_INNER);
    reads(&m, "grad", c->arg[GRAD].t, 0);
    reads(&m, "input", c->arg[INPUT].t, 0);
    reads(&m, "mean", c->arg[train ? SAVE_MEAN : MEAN].t, 1);
    reads(&m, "scale", c->arg[train ? SAVE_INVSTD : VAR].t, 1);
    writes(&m, "out1", c->result[1], 1);
    writes(&m, "out2", c->result[2], 1);
    number(&m, "eps", &c->arg[EPS]);
    return op_nest_run(c, &m.nest);
}

enum err run_native_batch_norm_backward(struct op_call *c)
{
    TRY(batch_grad_input(c));
    return batch_grad_channels(c);
}
