/* graphs.h - random functions of tensors, over the public interface, that run eagerly, traced and
 * compiled alike.
 *
 * A program is a seed: it draws inputs (dtypes, shapes, strides, values, two views of one memory)
 * and a number of steps. A step draws from a generator of its own, seeded by its number, and takes
 * tensors that earlier steps left in its pool; where that step was skipped it takes an earlier
 * one. So a program that fails can be made smaller by skipping steps. A call that is refused leaves
 * nothing. Every run of a program draws the same.
 */
#ifndef TESTS_GRAPHS_H
#define TESTS_GRAPHS_H

#include "tests/unit/unit.h"

#include <math.h>

#include "plumb.h"
#include "runtime/session.h"

enum {
    GRAPHS_INPUTS = 5,
    GRAPHS_STEPS = 40,
    GRAPHS_EACH = 4, /* tensors that one step leaves at most */
    GRAPHS_POOL = GRAPHS_INPUTS + GRAPHS_STEPS * GRAPHS_EACH,
    GRAPHS_OUT = 4,
    GRAPHS_KEPT = 2,
};
struct graphs_program {
    uint64_t seed;
    int n_in, n_steps, n_out;
    int64_t dim[3]; /* sizes that shapes are made of */
    bool hostile;   /* NaN with payloads, infinities, denormals, -0 among the values */
    bool grads;     /* floating inputs want gradients */
    bool inner;     /* the function itself goes back, and takes a step */
    struct plumb_tensor *kept[GRAPHS_KEPT]; /* tensors that the function finds by itself */
    uint64_t values;                        /* another number: other values of the inputs */
    uint64_t skip;                          /* bit per step */
    uint64_t inexact; /* out, bit per step: refused at determinism exact when it was computed */
    FILE *log;        /* each call as a line; NULL none */
};
/* One run of a program. */
struct graphs_run {
    struct graphs_program *p;
    uint64_t random;
    struct plumb_tensor *pool[GRAPHS_POOL];
    int step, n_left; /* where the step's results go */
};

static int64_t graphs_calls, graphs_refused; /* of all runs */

static uint64_t graphs_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
static int64_t graphs_below(uint64_t *state, int64_t n)
{
    return (int64_t)(graphs_random(state) % (uint64_t)n);
}

/* ---- inputs ---- */

static void graphs_float(uint64_t *s, enum dtype t, bool hostile, char *to)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY, -0.0, 0.0, 1e-310, -1e-40, 6e-8, 3e38};
    double v = (double)(graphs_below(s, 8001) - 4000) / 1000;
    uint64_t bits = graphs_random(s);
    if (hostile && bits % 8 == 0) v = odd[bits / 8 % 9];
    dtype_cast(DTYPE_F64, &v, t, to, 1);
    if (hostile && bits % 64 == 1) memcpy(to, &bits, dtype_size(t)); /* any bits */
}

static void graphs_value(uint64_t *s, enum dtype t, bool hostile, char *to)
{
    if (dtype_kind(t) == DTYPE_FLOAT) {
        graphs_float(s, t, hostile, to);
        return;
    }
    int64_t i = graphs_below(s, t == DTYPE_B8 ? 2 : 17);
    if (dtype_kind(t) == DTYPE_SIGNED) i -= 5;
    if (hostile && t != DTYPE_B8 && graphs_below(s, 16) == 0) i = (int64_t)graphs_random(s);
    memcpy(to, &i, dtype_size(t)); /* of a little-endian machine, as all are */
}

static struct plumb_tensor *graphs_dense(uint64_t *s, enum dtype t, bool hostile, int n,
                                         const int64_t *size)
{
    int64_t count = 1, item = (int64_t)dtype_size(t);
    for (int i = 0; i < n; i++) count *= size[i];
    char *data = calloc((size_t)count + 1, (size_t)item);
    for (int64_t i = 0; i < count; i++) graphs_value(s, t, hostile, data + i * item);
    struct plumb_tensor *y = plumb_tensor((enum plumb_dtype)t, n, size, data);
    if (!y) fail_msg("%s", plumb_error());
    free(data);
    return y;
}

static enum dtype graphs_dtype(uint64_t *s)
{
    static const enum dtype t[] = {DTYPE_F32, DTYPE_F32, DTYPE_F32,  DTYPE_F32,
                                   DTYPE_F64, DTYPE_F16, DTYPE_BF16, DTYPE_I64,
                                   DTYPE_I32, DTYPE_U8,  DTYPE_B8};
    return t[graphs_below(s, sizeof t / sizeof *t)];
}

static int graphs_shape(uint64_t *s, const struct graphs_program *p, int64_t *size)
{
    int n = (int)graphs_below(s, 4);
    for (int i = 0; i < n; i++) size[i] = graphs_below(s, 7) ? p->dim[graphs_below(s, 3)] : 1;
    int64_t count = 1;
    for (int i = 0; i < n; i++)
        if ((count *= size[i]) > 20000) size[i] = 1, count = 1;
    return n;
}

/* Dense, every second element of a larger one, or transposed. */
static struct plumb_tensor *graphs_strided(uint64_t *s, uint64_t *data,
                                           const struct graphs_program *p)
{
    int64_t size[4];
    enum dtype t = graphs_dtype(s);
    int n = graphs_shape(s, p, size), how = (int)graphs_below(s, 6);
    if (!n || how > 2) return graphs_dense(data, t, p->hostile, n, size);
    if (how == 0) size[n - 1] = size[n - 1] * 2 + 1;
    struct plumb_tensor *x = graphs_dense(data, t, p->hostile, n, size);
    const int64_t one = 1;
    if (how == 0) return plumb_slice(x, n - 1, &one, NULL, 2);
    return n > 1 ? plumb_transpose_int(x, 0, n - 1) : x;
}

/* An input that shares memory with the one before. */
static struct plumb_tensor *graphs_sharing(uint64_t *s, struct plumb_tensor *x)
{
    int n = x->view.shape.n;
    const int64_t zero = 0, end = n ? x->view.shape.size[n - 1] - 1 : 0;
    switch (graphs_below(s, 3)) {
    case 0: return x;
    case 1: return n && end > 0 ? plumb_slice(x, n - 1, &zero, &end, 1) : x;
    default: return plumb_alias(x);
    }
}

/* Makes the kept tensors, once per program and session. */
static void graphs_keep(struct graphs_program *p)
{
    uint64_t s = p->seed ^ 0x7654321;
    assert_int_equal(plumb_frame_begin(), 0);
    for (int i = 0; i < GRAPHS_KEPT; i++) {
        struct plumb_tensor *x = graphs_dense(&s, DTYPE_F32, false, 1 + i, p->dim);
        p->kept[i] = p->grads ? plumb_parameter("kept", x) : plumb_keep(x);
    }
    plumb_frame_end();
}

/* Before each run: their first values, and no gradients. */
static void graphs_reset(const struct graphs_program *p)
{
    uint64_t s = p->seed ^ 0x7654321;
    for (int i = 0; i < GRAPHS_KEPT; i++) {
        const struct storage *to = p->kept[i]->storage; /* maybe of a device */
        char *values = malloc((size_t)to->size + 1);
        for (int64_t k = 0; k < to->size; k += 4) graphs_value(&s, DTYPE_F32, false, values + k);
        if (to->size && to->backend->from_host(to->p, values, to->size)) fail_msg("%s", err_text());
        free(values);
        plumb_zero_grad(p->kept[i]);
    }
}

/* Inputs of a program, new ones each time, in the thread's frame; those that want gradients are
 * kept. */
static void graphs_inputs(const struct graphs_program *p, struct plumb_tensor **in)
{
    uint64_t s = p->seed ^ 0x1234567, data = p->seed * 3 + p->values;
    graphs_reset(p);
    for (int i = 0; i < p->n_in; i++) {
        bool shares = i && graphs_below(&s, 8) == 0;
        in[i] = shares ? graphs_sharing(&s, in[i - 1]) : graphs_strided(&s, &data, p);
        if (!in[i]) fail_msg("%s", plumb_error());
        bool wants = p->grads && in[i]->view.dtype <= DTYPE_BF16 && in[i]->frame;
        if (wants && !plumb_parameter("input", in[i])) fail_msg("%s", plumb_error());
    }
}

static void graphs_draw(struct graphs_program *p, uint64_t seed)
{
    static const int64_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 13, 16, 33, 64};
    uint64_t s = seed;
    *p = (struct graphs_program){.seed = seed};
    for (int i = 0; i < 3; i++) p->dim[i] = sizes[graphs_below(&s, 11)];
    if (graphs_below(&s, 16) == 0) p->dim[graphs_below(&s, 3)] = 0;
    if (graphs_below(&s, 16) == 0) p->dim[graphs_below(&s, 3)] = 1025;
    p->n_in = 1 + (int)graphs_below(&s, GRAPHS_INPUTS);
    p->n_steps = 2 + (int)graphs_below(&s, graphs_below(&s, 3) ? 12 : GRAPHS_STEPS - 1);
    p->n_out = 1 + (int)graphs_below(&s, GRAPHS_OUT);
    p->hostile = graphs_below(&s, 2);
    p->grads = graphs_below(&s, 3) == 0;
    p->inner = p->grads && graphs_below(&s, 3) == 0;
}

/* ---- what steps draw from ---- */

static int64_t graphs_pick(struct graphs_run *r, int64_t n)
{
    return graphs_below(&r->random, n);
}

/* A tensor of an earlier step, the newer the likelier. */
static struct plumb_tensor *graphs_any(struct graphs_run *r)
{
    int end = GRAPHS_INPUTS + r->step * GRAPHS_EACH;
    int64_t a = graphs_pick(r, end), b = graphs_pick(r, end);
    for (int64_t i = a > b ? a : b; i >= 0; i--)
        if (r->pool[i]) return r->pool[i];
    return r->pool[0];
}

static bool graphs_is_float(const struct plumb_tensor *x)
{
    return x->view.dtype <= DTYPE_BF16;
}
static struct plumb_tensor *graphs_any_float(struct graphs_run *r)
{
    struct plumb_tensor *x = graphs_any(r);
    for (int i = 0; i < 8 && !graphs_is_float(x); i++) x = graphs_any(r);
    return x;
}

/* One that x can be taken together with. */
static struct plumb_tensor *graphs_mate(struct graphs_run *r, struct plumb_tensor *x)
{
    for (int i = 0; i < 8; i++) {
        struct plumb_tensor *y = graphs_any(r);
        const struct view *both[] = {&x->view, &y->view};
        struct view_shape s;
        if (!view_broadcast(both, 2, &s) && s.n <= 4) return y;
    }
    return x;
}

/* One of the same shape and dtype, maybe itself. */
static struct plumb_tensor *graphs_twin(struct graphs_run *r, struct plumb_tensor *x)
{
    for (int i = 0; i < 12; i++) {
        struct plumb_tensor *y = graphs_any(r);
        if (view_same_shape(&x->view, &y->view) && x->view.dtype == y->view.dtype) return y;
    }
    return x;
}

static int64_t graphs_dim(struct graphs_run *r, const struct plumb_tensor *x)
{
    int n = x->view.shape.n;
    return n ? graphs_pick(r, 2 * n) - n : graphs_pick(r, 2) - 1;
}
static int64_t graphs_size(const struct plumb_tensor *x, int64_t dim)
{
    int n = x->view.shape.n;
    return n ? x->view.shape.size[dim < 0 ? dim + n : dim] : 1;
}

static double graphs_number(struct graphs_run *r)
{
    static const double n[] = {0, -0.0, 1, 1, 2, -1.5, 0.5, 3, -1, 1e30, INFINITY};
    return n[graphs_pick(r, 11)];
}

/* ---- calls ---- */

#define GRAPHS_T(x)     ((struct plumb_value){.kind = PLUMB_V_TENSOR, .tensor = (x)})
#define GRAPHS_TS(x, k) ((struct plumb_value){.kind = PLUMB_V_TENSORS, .tensors = (x), .n = (k)})
#define GRAPHS_I(x)     ((struct plumb_value){.kind = PLUMB_V_INT, .i = (x)})
#define GRAPHS_IS(x, k) ((struct plumb_value){.kind = PLUMB_V_INTS, .ints = (x), .n = (k)})
#define GRAPHS_R(x)     ((struct plumb_value){.kind = PLUMB_V_REAL, .r = (x)})
#define GRAPHS_B(x)     ((struct plumb_value){.kind = PLUMB_V_BOOL, .i = (x)})
#define GRAPHS_D(x)     ((struct plumb_value){.kind = PLUMB_V_DTYPE, .i = (x)})
#define GRAPHS_S(x)     ((struct plumb_value){.kind = PLUMB_V_TEXT, .text = (x)})
#define GRAPHS_NONE     ((struct plumb_value){.kind = PLUMB_V_NONE})

static void graphs_log_tensor(const struct graphs_run *r, const struct plumb_tensor *x)
{
    char text[TENSOR_TEXT];
    int at = 0;
    while (at < GRAPHS_POOL && r->pool[at] != x) at++;
    fprintf(r->p->log, "%%%d %s", at, x ? tensor_text(x, text) : "None");
}

static void graphs_log_value(const struct graphs_run *r, const struct plumb_value *v)
{
    FILE *f = r->p->log;
    switch (v->kind) {
    case PLUMB_V_TENSOR: graphs_log_tensor(r, v->tensor); break;
    case PLUMB_V_TENSORS:
        for (int i = 0; i < v->n; i++) {
            fputs(i ? ", " : "[", f);
            graphs_log_tensor(r, v->tensors[i]);
        }
        fputs("]", f);
        break;
    case PLUMB_V_INTS:
        for (int i = 0; i < v->n; i++) fprintf(f, "%s%lld", i ? ", " : "[", (long long)v->ints[i]);
        fputs("]", f);
        break;
    case PLUMB_V_REAL: fprintf(f, "%g", v->r); break;
    case PLUMB_V_NONE: fputs("None", f); break;
    case PLUMB_V_TEXT: fprintf(f, "'%s'", v->text); break;
    default: fprintf(f, "%lld", (long long)v->i);
    }
}

/* Results go into the pool; the first, NULL when the call was refused. */
static struct plumb_tensor *graphs_call(struct graphs_run *r, const char *op,
                                        const struct plumb_value *arg, int n_args)
{
    struct plumb_tensor *out[8] = {0};
    if (r->p->log) {
        fprintf(r->p->log, "  %%%d = %s(", GRAPHS_INPUTS + r->step * GRAPHS_EACH + r->n_left, op);
        for (int i = 0; i < n_args; i++) {
            if (i) fputs(", ", r->p->log);
            graphs_log_value(r, &arg[i]);
        }
        fputs(")\n", r->p->log);
    }
    int n = plumb_call(op, arg, n_args, out, 8);
    graphs_calls++;
    graphs_refused += n < 0;
    if (n < 0 && strstr(plumb_error(), "docs/exact.md")) r->p->inexact |= 1ull << r->step;
    if (n < 0 && r->p->log) fprintf(r->p->log, "    refused: %s\n", plumb_error());
    for (int i = 0; i < n && i < 8 && r->n_left < GRAPHS_EACH; i++)
        if (out[i] && view_count(&out[i]->view) <= 70000)
            r->pool[GRAPHS_INPUTS + r->step * GRAPHS_EACH + r->n_left++] = out[i];
    return n > 0 ? out[0] : NULL;
}
#define GRAPHS_CALL(r, op, ...)                                                                    \
    graphs_call((r), (op), (struct plumb_value[]){__VA_ARGS__},                                    \
                (int)(sizeof((struct plumb_value[]){__VA_ARGS__}) / sizeof(struct plumb_value)))

#endif
