/* work_mlp.c - a perceptron of two layers that tells four clouds of points apart. */
#include <math.h>

#include "runtime/work.h"

enum { INPUTS = 8, HIDDEN = 16, CLASSES = 4, MAX_BATCH = 4096 };

struct mlp {
    struct plumb_tensor *w1, *b1, *w2, *b2;
};

static struct plumb_tensor *linear(const char *name, struct plumb_tensor *x, struct plumb_tensor *w,
                                   struct plumb_tensor *b)
{
    plumb_module_begin(name);
    struct plumb_tensor *y = plumb_linear(x, w, b);
    plumb_module_end();
    return y;
}

static struct plumb_tensor *forward(const struct mlp *m, struct plumb_tensor *x)
{
    plumb_module_begin("Mlp");
    x = linear("Mlp.fc1", x, m->w1, m->b1);
    plumb_module_begin("Mlp.act");
    x = plumb_relu(x);
    plumb_module_end();
    x = linear("Mlp.fc2", x, m->w2, m->b2);
    plumb_module_end();
    return x;
}

static void make(const struct work *w, struct mlp *m)
{
    double one = 1 / sqrt(INPUTS), two = 1 / sqrt(HIDDEN);
    m->w1 = work_parameter(w, "fc1.weight", one, 2, (int64_t[]){HIDDEN, INPUTS});
    m->b1 = work_parameter(w, "fc1.bias", one, 1, (int64_t[]){HIDDEN});
    m->w2 = work_parameter(w, "fc2.weight", two, 2, (int64_t[]){CLASSES, HIDDEN});
    m->b2 = work_parameter(w, "fc2.bias", two, 1, (int64_t[]){CLASSES});
}

/* Points around one of four centres, each a corner of the cube. */
static struct plumb_tensor *points(const struct work *w, int64_t step, struct plumb_tensor **label)
{
    static _Thread_local double x[MAX_BATCH * INPUTS];
    static _Thread_local int64_t y[MAX_BATCH];
    uint64_t state = w->seed * 1000003u + (uint64_t)step;
    int64_t n = work_batch(w, step);
    for (int64_t i = 0; i < n; i++) {
        y[i] = (int64_t)(work_random(&state) % CLASSES);
        for (int k = 0; k < INPUTS; k++)
            x[i * INPUTS + k] = ((y[i] + k) % CLASSES < 2 ? 1 : -1) + work_uniform(&state) - 0.5;
    }
    *label = plumb_tensor(PLUMB_I64, 1, &n, y);
    return work_numbers(w, 2, (int64_t[]){n, INPUTS}, x);
}

/* Points and labels to the loss. */
static int loss_of(void *context, struct plumb_tensor *const *in, int n_in,
                   struct plumb_tensor **out, int n_out)
{
    (void)n_in, (void)n_out;
    *out = plumb_cross_entropy_loss(forward(context, in[0]), in[1], NULL, PLUMB_MEAN, -100, 0);
    return *out ? 0 : -1;
}

static int logits_of(void *context, struct plumb_tensor *const *in, int n_in,
                     struct plumb_tensor **out, int n_out)
{
    (void)n_in, (void)n_out;
    *out = forward(context, in[0]);
    return *out ? 0 : -1;
}

static int step(struct work *w, const struct work_function *loss_of_points,
                struct work_adamw *adamw, int64_t i)
{
    struct plumb_tensor *label, *x = points(w, i, &label), *loss;
    if (work_call(loss_of_points, (struct plumb_tensor *[]){x, label}, 2, &loss, 1)) return -1;
    if (plumb_backward(loss) || work_adamw_step(adamw)) return -1;
    work_loss(w, i, plumb_item(loss));
    return 0;
}

int work_mlp(struct work *w)
{
    struct mlp m;
    struct work_adamw adamw;
    struct work_function loss, logits;
    struct plumb_tensor *label, *x, *y;
    w->first = w->last = NAN;
    if (w->batch > MAX_BATCH) w->batch = MAX_BATCH;
    make(w, &m);
    work_adamw_begin(w, &adamw, 0.01, 0.01);
    work_function(w, &loss, "loss", loss_of, &m);
    work_function(w, &logits, "logits", logits_of, &m);
    struct plumb_tensor *all[] = {m.w1, m.b1, m.w2, m.b2};
    for (int i = 0; i < 4 && w->steps; i++) work_adamw_add(&adamw, all[i]);
    for (int64_t i = 0; i < w->steps; i++) {
        if (plumb_frame_begin()) return -1;
        plumb_step_begin(i);
        int rc = step(w, &loss, &adamw, i);
        plumb_step_end();
        plumb_frame_end();
        if (rc) return -1;
    }
    plumb_no_grad_begin();
    x = points(w, w->steps, &label);
    int rc = work_call(&logits, &x, 1, &y, 1);
    plumb_no_grad_end();
    return rc;
}
