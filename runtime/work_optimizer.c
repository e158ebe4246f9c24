/* work_optimizer.c - twelve tensors of odd shapes pulled to their targets by three optimisers at
 * once.
 *
 * A third of the tensors is moved by AdamW written out in operators on lists (_foreach_...), a
 * third by
 * _fused_adamw_, a third by SGD with momentum: what a compiler that joins small kernels has to
 * deal with.
 */
#include <math.h>

#include "runtime/work.h"

enum { TENSORS = 12, EACH = TENSORS / 3, LARGEST = 4096 };

struct lists {
    struct plumb_tensor *p[EACH], *grad[EACH], *m[EACH], *v[EACH];
};
struct problem {
    struct plumb_tensor *p[TENSORS], *target[TENSORS];
    struct lists foreach, sgd;
    struct work_adamw fused;
    struct work_function loss, move;
};

static int shape_of(int i, int64_t size[2])
{
    static const int64_t shapes[TENSORS][2] = {{1, 1},   {7, 3},  {64, 64}, {1, 129},
                                               {17, 31}, {5, 1},  {33, 65}, {128, 32},
                                               {3, 3},   {2, 97}, {40, 41}, {1, 1000}};
    size[0] = shapes[i][0];
    size[1] = shapes[i][1];
    return 2;
}

static struct plumb_tensor *zeros(const struct work *w, int n, const int64_t *size)
{
    return plumb_keep(plumb_tensor(w->dtype, n, size, NULL));
}

static void make(struct work *w, struct problem *q)
{
    uint64_t state = w->seed;
    static _Thread_local double values[LARGEST];
    for (int i = 0; i < TENSORS; i++) {
        int64_t size[2];
        char name[16];
        int n = shape_of(i, size);
        snprintf(name, sizeof name, "p.%d", i);
        q->p[i] = work_parameter(w, name, 1, n, size);
        for (int64_t k = 0; k < size[0] * size[1]; k++) values[k] = 4 * work_uniform(&state) - 2;
        q->target[i] = plumb_keep(work_numbers(w, n, size, values));
        struct lists *l = i % 3 == 0 ? &q->foreach : &q->sgd;
        if (i % 3 == 1) work_adamw_add(&q->fused, q->p[i]);
        if (i % 3 == 1) continue;
        l->p[i / 3] = q->p[i];
        l->m[i / 3] = zeros(w, n, size);
        l->v[i / 3] = zeros(w, n, size);
    }
}

static void gradients(struct lists *l)
{
    for (int i = 0; i < EACH; i++) l->grad[i] = plumb_grad(l->p[i]);
}
static void forget(struct lists *l)
{
    for (int i = 0; i < EACH; i++) plumb_zero_grad(l->p[i]);
}

enum { C1, C2 };
static const double lr = 0.05, b1 = 0.9, b2 = 0.999;

/* m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g g;  p -= lr m' / (sqrt(v') + eps), with m' and v'
 * corrected for step t by numbers that come as tensors: c[C2] = 1 / sqrt(1 - b2^t), c[C1] =
 * -(1 - b1^t) / lr. */
static int adamw_by_lists(struct lists *l, struct plumb_tensor *const *c)
{
    struct plumb_tensor *root[EACH];
    gradients(l);
    int rc = plumb__foreach_mul__scalar(l->p, EACH, 1 - lr * 0.01);
    if (rc >= 0) rc = plumb__foreach_mul__scalar(l->m, EACH, b1);
    if (rc >= 0) rc = plumb__foreach_add__list_full(l->m, EACH, l->grad, EACH, 1 - b1);
    if (rc >= 0) rc = plumb__foreach_mul__scalar(l->v, EACH, b2);
    if (rc >= 0)
        rc = plumb__foreach_addcmul__scalar(l->v, EACH, l->grad, EACH, l->grad, EACH, 1 - b2);
    if (rc >= 0) rc = plumb__foreach_sqrt(l->v, EACH, root, EACH);
    if (rc >= 0) rc = plumb__foreach_mul_(root, EACH, c[C2]);
    if (rc >= 0) rc = plumb__foreach_add__scalar(root, EACH, 1e-8);
    if (rc >= 0) rc = plumb__foreach_mul_(root, EACH, c[C1]);
    if (rc >= 0) rc = plumb__foreach_addcdiv__scalar(l->p, EACH, l->m, EACH, root, EACH, 1);
    forget(l);
    return rc < 0 ? -1 : 0;
}

static int sgd(struct lists *l)
{
    gradients(l);
    int rc = plumb__foreach_mul__scalar(l->m, EACH, 0.9);
    if (rc >= 0) rc = plumb__foreach_add__list_full(l->m, EACH, l->grad, EACH, 1);
    if (rc >= 0) rc = plumb__foreach_add__list_full(l->p, EACH, l->m, EACH, -lr);
    forget(l);
    return rc < 0 ? -1 : 0;
}

static int loss_of(void *context, struct plumb_tensor *const *in, int n_in,
                   struct plumb_tensor **out, int n_out)
{
    const struct problem *q = context;
    struct plumb_tensor *loss = NULL;
    (void)in, (void)n_in, (void)n_out;
    for (int k = 0; k < TENSORS; k++) {
        struct plumb_tensor *one = plumb_mse_loss(q->p[k], q->target[k], PLUMB_MEAN);
        loss = loss ? plumb_add(loss, one) : one;
    }
    *out = loss;
    return loss ? 0 : -1;
}

static int move(void *context, struct plumb_tensor *const *in, int n_in, struct plumb_tensor **out,
                int n_out)
{
    struct problem *q = context;
    (void)n_in, (void)out, (void)n_out;
    plumb_no_grad_begin();
    int rc = adamw_by_lists(&q->foreach, in);
    if (!rc) rc = sgd(&q->sgd);
    plumb_no_grad_end();
    return rc;
}

static int step(struct work *w, struct problem *q, int64_t i)
{
    struct plumb_tensor *loss, *c[2];
    double t = (double)i + 1;
    if (work_call(&q->loss, NULL, 0, &loss, 1) || plumb_backward(loss)) return -1;
    double value = plumb_item(loss);
    c[C1] = work_number(w, -(1 - pow(b1, t)) / lr);
    c[C2] = work_number(w, 1 / sqrt(1 - pow(b2, t)));
    int rc = work_call(&q->move, c, 2, NULL, 0);
    if (!rc) rc = work_adamw_step(&q->fused);
    if (!rc) work_loss(w, i, value);
    return rc;
}

int work_optimizer(struct work *w)
{
    struct problem q = {0};
    w->first = w->last = NAN;
    work_adamw_begin(w, &q.fused, lr, 0.01);
    work_function(w, &q.loss, "loss", loss_of, &q);
    work_function(w, &q.move, "move", move, &q);
    make(w, &q);
    for (int64_t i = 0; i < w->steps; i++) {
        if (plumb_frame_begin()) return -1;
        plumb_step_begin(i);
        int rc = step(w, &q, i);
        plumb_step_end();
        plumb_frame_end();
        if (rc) return -1;
    }
    return 0;
}
