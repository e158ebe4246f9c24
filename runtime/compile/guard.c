/* guard.c - guards made of a trace's inputs, checked at each call, and worded as PyTorch words
 * them. */
#include "runtime/compile/guard.h"

#include <stdio.h>

static enum err add(struct guard_set *s, enum guard_kind kind, int input, int dim, int64_t value)
{
    struct guard *g = LIST_PUSH(&s->guard);
    if (!g) FAIL(ERR_NOMEM, "out of memory for guards");
    *g = (struct guard){.kind = kind, .input = input, .dim = dim, .value = value};
    return ERR_OK;
}

/* Strides of dimensions of one point, and of empty tensors, do not matter. */
static bool stride_matters(const struct view *v, int d)
{
    return v->shape.size[d] > 1 && view_count(v);
}

static int64_t address(const struct plumb_tensor *t)
{
    return t->view.offset * (int64_t)dtype_size(t->view.dtype);
}

/* The first input whose storage input i has; behind them captured tensors. */
static int first_of_storage(const struct graph *g, struct plumb_tensor *const *in, int n_in, int i)
{
    for (int k = 0; k < i; k++)
        if (in[k]->storage == in[i]->storage) return k;
    for (size_t k = 0; k < g->captured.n; k++) {
        const struct graph_captured *c = &g->captured.p[k];
        const struct plumb_tensor *t = c->grad ? c->tensor->grad : c->tensor;
        if (t && t->storage == in[i]->storage) return n_in + (int)k;
    }
    return i;
}

static int64_t distance(const struct graph *g, struct plumb_tensor *const *in, int n_in, int i,
                        int other)
{
    if (other < n_in) return address(in[i]) - address(in[other]);
    const struct graph_captured *c = &g->captured.p[other - n_in];
    return address(in[i]) - address(c->grad ? c->tensor->grad : c->tensor);
}

static enum err add_input(const struct graph *g, struct plumb_tensor *const *in, int n_in, int i,
                          struct guard_set *out)
{
    const struct view *v = &in[i]->view;
    TRY(add(out, GUARD_DTYPE, i, -1, v->dtype));
    TRY(add(out, GUARD_DIMS, i, -1, v->shape.n));
    for (int d = 0; d < v->shape.n; d++) TRY(add(out, GUARD_SIZE, i, d, v->shape.size[d]));
    for (int d = 0; d < v->shape.n; d++)
        if (stride_matters(v, d)) TRY(add(out, GUARD_STRIDE, i, d, v->stride[d]));
    TRY(add(out, GUARD_REQUIRES_GRAD, i, -1, in[i]->requires_grad));
    int first = first_of_storage(g, in, n_in, i);
    return add(out, GUARD_ALIAS, i, first, first == i ? 0 : distance(g, in, n_in, i, first));
}

enum err guard_make(const struct graph *g, struct plumb_tensor *const *in, int n_in,
                    struct guard_set *out)
{
    const struct thread *t = &thread_self;
    *out = (struct guard_set){0};
    TRY(add(out, GUARD_COUNT, -1, -1, n_in));
    for (int i = 0; i < n_in; i++) TRY(add_input(g, in, n_in, i, out));
    for (size_t k = 0; k < g->captured.n; k++) {
        const struct graph_captured *c = &g->captured.p[k];
        if (c->asked || c->grad) TRY(add(out, GUARD_GRAD, -1, (int)k, c->tensor->grad != NULL));
    }
    TRY(add(out, GUARD_GRAD_MODE, -1, -1, !t->no_grad));
    TRY(add(out, GUARD_DETERMINISM, -1, -1, t->session->determinism));
    return add(out, GUARD_BACKEND, -1, -1, (int64_t)(intptr_t)t->session->backend);
}

void guard_release(struct guard_set *s)
{
    LIST_RELEASE(&s->guard);
}

/* ---- checking ---- */

/* The value that a captured tensor's gradient had when it was traced. */
static const struct view *traced_grad(const struct graph *g, int captured)
{
    for (size_t i = 0; i < g->value.n; i++)
        if (g->value.p[i].origin == GRAPH_CAPTURED && g->value.p[i].index == captured)
            return &g->value.p[i].view;
    return NULL;
}

/* A gradient that is taken as an argument has the form that it had. */
static bool grad_holds(const struct guard *a, const struct graph *g)
{
    const struct graph_captured *c = &g->captured.p[a->dim];
    const struct plumb_tensor *grad = c->tensor->grad;
    if ((grad != NULL) != a->value) return false;
    const struct view *v = c->grad ? traced_grad(g, a->dim) : NULL;
    if (!grad || !v) return true;
    if (v->dtype != grad->view.dtype || !view_same_shape(v, &grad->view)) return false;
    for (int d = 0; d < v->shape.n; d++)
        if (stride_matters(v, d) && v->stride[d] != grad->view.stride[d]) return false;
    return true;
}

static bool holds(const struct guard *a, const struct graph *g, struct plumb_tensor *const *in,
                  int n_in, int64_t *got)
{
    const struct view *v = a->input >= 0 ? &in[a->input]->view : NULL;
    switch (a->kind) {
    case GUARD_COUNT: *got = n_in; break;
    case GUARD_DTYPE: *got = v->dtype; break;
    case GUARD_DIMS: *got = v->shape.n; break;
    case GUARD_SIZE:
        *got = v->shape.size[a->dim];
        if (a->symbolic) return *got >= 2;
        break;
    case GUARD_STRIDE: *got = v->stride[a->dim]; break;
    case GUARD_REQUIRES_GRAD: *got = in[a->input]->requires_grad; break;
    case GUARD_ALIAS:
        *got = first_of_storage(g, in, n_in, a->input);
        if (*got != a->dim) return false;
        *got = *got == a->input ? 0 : distance(g, in, n_in, a->input, a->dim);
        break;
    case GUARD_GRAD: *got = g->captured.p[a->dim].tensor->grad != NULL; return grad_holds(a, g);
    case GUARD_GRAD_MODE: *got = !thread_self.no_grad; break;
    case GUARD_DETERMINISM: *got = thread_self.session->determinism; break;
    case GUARD_BACKEND: *got = (int64_t)(intptr_t)thread_self.session->backend; break;
    }
    return *got == a->value;
}

static void say(const struct guard *a, int64_t got, char *out, size_t size)
{
    long long want = a->value, is = got;
    switch (a->kind) {
    case GUARD_COUNT:
        snprintf(out, size, "len(L['in']) mismatch. expected %lld, actual %lld", want, is);
        break;
    case GUARD_DTYPE:
        snprintf(out, size, "tensor 'L['in'][%d]' dtype mismatch. expected %s, actual %s", a->input,
                 dtype_name((enum dtype)want), dtype_name((enum dtype)is));
        break;
    case GUARD_DIMS:
        snprintf(out, size, "tensor 'L['in'][%d]' rank mismatch. expected %lld, actual %lld",
                 a->input, want, is);
        break;
    case GUARD_SIZE:
        snprintf(out, size,
                 "tensor 'L['in'][%d]' size mismatch at index %d. expected %lld, actual %lld",
                 a->input, a->dim, want, is);
        break;
    case GUARD_STRIDE:
        snprintf(out, size,
                 "tensor 'L['in'][%d]' stride mismatch at index %d. expected %lld, actual %lld",
                 a->input, a->dim, want, is);
        break;
    case GUARD_REQUIRES_GRAD:
        snprintf(out, size,
                 "tensor 'L['in'][%d]' requires_grad mismatch. expected requires_grad=%d", a->input,
                 want != 0);
        break;
    case GUARD_ALIAS:
        snprintf(out, size, "tensor 'L['in'][%d]' shares memory with other tensors than before",
                 a->input);
        break;
    case GUARD_GRAD:
        snprintf(out, size, "the gradient of captured tensor %d mismatch. expected %s", a->dim,
                 want ? "one of the same form" : "none");
        break;
    case GUARD_GRAD_MODE:
        snprintf(out, size, "GLOBAL_STATE changed: grad_mode. expected %s", want ? "on" : "off");
        break;
    case GUARD_DETERMINISM: snprintf(out, size, "GLOBAL_STATE changed: determinism"); break;
    case GUARD_BACKEND: snprintf(out, size, "GLOBAL_STATE changed: back end"); break;
    }
}

const struct guard *guard_check(const struct guard_set *s, const struct graph *g,
                                struct plumb_tensor *const *in, int n_in, char *reason,
                                size_t reason_size)
{
    for (size_t i = 0; i < s->guard.n; i++) {
        int64_t got = 0;
        const struct guard *a = &s->guard.p[i];
        if (holds(a, g, in, n_in, &got)) continue;
        if (reason) say(a, got, reason, reason_size);
        return a;
    }
    return NULL;
}

void guard_text(const struct guard *g, struct buf *out)
{
    long long v = g->value;
    switch (g->kind) {
    case GUARD_COUNT: buf_printf(out, "len(L['in']) == %lld", v); break;
    case GUARD_DTYPE:
        buf_printf(out, "L['in'][%d].dtype == %s", g->input, dtype_name((enum dtype)v));
        break;
    case GUARD_DIMS: buf_printf(out, "L['in'][%d].ndim == %lld", g->input, v); break;
    case GUARD_SIZE:
        buf_printf(out, g->symbolic ? "L['in'][%d].size()[%d] >= 2" : "L['in'][%d].size()[%d] == ",
                   g->input, g->dim);
        if (!g->symbolic) buf_printf(out, "%lld", v);
        break;
    case GUARD_STRIDE:
        buf_printf(out, "L['in'][%d].stride()[%d] == %lld", g->input, g->dim, v);
        break;
    case GUARD_REQUIRES_GRAD:
        buf_printf(out, "L['in'][%d].requires_grad == %s", g->input, v ? "True" : "False");
        break;
    case GUARD_ALIAS:
        if (g->dim == g->input) buf_printf(out, "L['in'][%d] shares no memory", g->input);
        else buf_printf(out, "L['in'][%d] lies %lld bytes behind tensor %d", g->input, v, g->dim);
        break;
    case GUARD_GRAD:
        buf_printf(out, "captured[%d].grad is %s", g->dim, v ? "not None" : "None");
        break;
    case GUARD_GRAD_MODE: buf_printf(out, "grad_mode == %s", v ? "on" : "off"); break;
    case GUARD_DETERMINISM:
        buf_printf(out, "determinism == %s",
                   v == PLUMB_EXACT ? "exact"
                   : v == PLUMB_OFF ? "off"
                                    : "run");
        break;
    case GUARD_BACKEND: buf_puts(out, "the back end of the session"); break;
    }
}
