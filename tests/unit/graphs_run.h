/* graphs_run.h - random programs run eagerly, traced, and as graphs; their bits; making one that
 * fails smaller. */
#ifndef TESTS_GRAPHS_RUN_H
#define TESTS_GRAPHS_RUN_H

#include "runtime/compile/trace.h"
#include "tests/unit/graph_eager.h"
#include "tests/unit/graphs_steps.h"

/* A whole number from the environment. */
static inline uint64_t graphs_setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

/* Strides and values of results, values of inputs, which may have been written; then gradients of
 * inputs; or, without gradients, results and inputs once more after each result was written, which
 * tells which of them share memory. The last part, where it was read: which results are one
 * tensor with an input or another result, and which want gradients. */
enum {
    GRAPHS_ALL = GRAPHS_OUT + GRAPHS_INPUTS + 2 * GRAPHS_KEPT,
    GRAPHS_BITS = 2 * GRAPHS_ALL + 1
};
struct graphs_bits {
    char *p[GRAPHS_BITS];
    int64_t n[GRAPHS_BITS];
};

static inline void graphs_bits_of(struct graphs_bits *b, int i, const struct plumb_tensor *t,
                                  bool strides)
{
    int64_t values = view_n_bytes(&t->view), more = strides ? 8 * t->view.shape.n : 0;
    b->n[i] = values + more;
    b->p[i] = malloc((size_t)b->n[i] + 1);
    memcpy(b->p[i], t->view.stride, (size_t)more);
    if (plumb_read(t, b->p[i] + more, values)) fail_msg("%s", plumb_error());
}

static inline void graphs_bits_release(struct graphs_bits *b)
{
    for (int i = 0; i < GRAPHS_BITS; i++) free(b->p[i]);
}

static inline void graphs_read_all(const struct graphs_program *p, struct plumb_tensor *const *in,
                                   struct plumb_tensor *const *out, struct graphs_bits *b, int at)
{
    for (int i = 0; i < p->n_out; i++) graphs_bits_of(b, at + i, out[i], true);
    at += GRAPHS_OUT;
    for (int i = 0; i < p->n_in; i++) graphs_bits_of(b, at + i, in[i], false);
    at += GRAPHS_INPUTS;
    for (int i = 0; i < GRAPHS_KEPT; i++) {
        const struct plumb_tensor *grad = plumb_grad(p->kept[i]);
        graphs_bits_of(b, at + 2 * i, p->kept[i], false);
        if (grad) graphs_bits_of(b, at + 2 * i + 1, grad, false);
    }
}

static inline void graphs_write_results(const struct graphs_program *p,
                                        struct plumb_tensor *const *out)
{
    for (int i = 0; i < p->n_out; i++) {
        struct plumb_value add[] = {GRAPHS_T(out[i]), GRAPHS_I(1 + i)};
        struct plumb_tensor *y;
        if (plumb_call("aten::add_.Scalar", add, 2, &y, 1) < 0) plumb_error();
    }
}

/* Of the sum of the squares of results that have them: of some results, or of all. */
static inline void graphs_read_grads(const struct graphs_program *p, struct plumb_tensor *const *in,
                                     struct plumb_tensor *const *out, struct graphs_bits *b)
{
    struct plumb_tensor *all = NULL;
    uint64_t used = 1 + p->seed % ((1 << GRAPHS_OUT) - 1);
    for (int i = 0; i < p->n_out; i++) {
        if (!out[i]->requires_grad || !(used >> i & 1)) continue;
        struct plumb_tensor *one = plumb_sum(plumb_mul(out[i], out[i]), PLUMB_F64);
        all = all && one ? plumb_add(all, one) : one;
    }
    b->n[GRAPHS_ALL] = all && plumb_backward(all); /* refused: what it needs was written */
    b->p[GRAPHS_ALL] = calloc(1, 1);
    for (int i = 0; i < p->n_in && !b->n[GRAPHS_ALL]; i++) {
        const struct plumb_tensor *grad = plumb_grad(in[i]);
        if (grad) graphs_bits_of(b, GRAPHS_ALL + 1 + i, grad, false);
    }
    for (int i = 0; i < GRAPHS_KEPT && !b->n[GRAPHS_ALL]; i++) {
        const struct plumb_tensor *grad = plumb_grad(p->kept[i]);
        if (grad) graphs_bits_of(b, GRAPHS_ALL + 1 + GRAPHS_INPUTS + i, grad, false);
    }
    if (b->n[GRAPHS_ALL]) plumb_error();
}

static inline void graphs_read_identity(const struct graphs_program *p,
                                        struct plumb_tensor *const *in,
                                        struct plumb_tensor *const *out, struct graphs_bits *b)
{
    char *to = b->p[GRAPHS_BITS - 1] = calloc(3, GRAPHS_OUT);
    b->n[GRAPHS_BITS - 1] = 3 * p->n_out;
    for (int i = 0; i < p->n_out; i++, to += 3) {
        while (to[0] < p->n_in && in[(int)to[0]] != out[i]) to[0]++;
        while (to[1] < i && out[(int)to[1]] != out[i]) to[1]++;
        to[2] = out[i]->requires_grad;
    }
}

static inline void graphs_read_bits(const struct graphs_program *p, struct plumb_tensor *const *in,
                                    struct plumb_tensor *const *out, struct graphs_bits *b)
{
    memset(b, 0, sizeof *b);
    graphs_read_all(p, in, out, b, 0);
    if (p->inner) return;
    if (p->grads) {
        graphs_read_grads(p, in, out, b);
    } else {
        graphs_write_results(p, out);
        graphs_read_all(p, in, out, b, GRAPHS_ALL);
    }
}

/* What differs first, "" nothing; static. */
static inline const char *graphs_difference(const struct graphs_bits *a,
                                            const struct graphs_bits *b)
{
    static char text[128];
    bool identity = a->p[GRAPHS_BITS - 1] && b->p[GRAPHS_BITS - 1];
    for (int i = 0; i < GRAPHS_BITS - !identity; i++) {
        bool same = a->n[i] == b->n[i] && (!a->n[i] || !a->p[i] == !b->p[i]);
        int64_t at = 0;
        while (same && at < a->n[i] && a->p[i] && a->p[i][at] == b->p[i][at]) at++;
        if (same && (at == a->n[i] || !a->p[i])) continue;
        uint32_t x = 0, y = 0;
        if (a->p[i] && b->p[i] && a->n[i] == b->n[i]) {
            memcpy(&x, a->p[i] + at, (size_t)(a->n[i] - at < 4 ? a->n[i] - at : 4));
            memcpy(&y, b->p[i] + at, (size_t)(a->n[i] - at < 4 ? a->n[i] - at : 4));
        }
        snprintf(text, sizeof text, "part %d of %d, byte %lld of %lld, %lld: %x, %x", i, GRAPHS_ALL,
                 (long long)at, (long long)a->n[i], (long long)b->n[i], x, y);
        return text;
    }
    return "";
}

static inline bool graphs_same_bits(const struct graphs_bits *a, const struct graphs_bits *b)
{
    return !*graphs_difference(a, b);
}

static inline void graphs_run_eager(struct graphs_program *p, uint64_t stream,
                                    struct graphs_bits *b)
{
    struct plumb_tensor *in[GRAPHS_INPUTS], *out[GRAPHS_OUT];
    assert_int_equal(plumb_frame_begin(), 0);
    graphs_inputs(p, in);
    thread_self.generator = stream;
    assert_int_equal(graphs_function(p, in, p->n_in, out, p->n_out), 0);
    graphs_read_bits(p, in, out, b);
    graphs_read_identity(p, in, out, b);
    plumb_frame_end();
}

static inline void graphs_run_graph(const struct graphs_program *p, const struct graph *g,
                                    uint64_t stream, struct graphs_bits *b)
{
    struct plumb_tensor *in[GRAPHS_INPUTS], *out[GRAPHS_OUT];
    assert_int_equal(plumb_frame_begin(), 0);
    graphs_inputs(p, in);
    struct graph_eager e = {.g = g, .input = in, .stream = stream};
    e.value = calloc(g->value.n + 1, sizeof *e.value);
    graph_run(&e, out);
    graphs_read_bits(p, in, out, b);
    free(e.value);
    plumb_frame_end();
}

static inline bool graphs_trace_program(struct graphs_program *p, struct graph *g)
{
    struct plumb_tensor *in[GRAPHS_INPUTS], *out[GRAPHS_OUT];
    struct trace t;
    assert_int_equal(plumb_frame_begin(), 0);
    graphs_inputs(p, in);
    thread_self.generator = 0;
    if (trace_begin(&t, g, in, p->n_in)) fail_msg("%s", err_text());
    graphs_function(p, t.in, p->n_in, out, p->n_out);
    bool ok = !t.broken;
    for (int i = 0; ok && i < p->n_out; i++)
        if (trace_output(&t, out[i], GRAPH_RESULT, i) && !t.broken) fail_msg("%s", err_text());
    ok = !t.broken;
    trace_end(&t);
    plumb_frame_end();
    return ok;
}

/* Steps that exactness refuses when they are computed, not when they are traced, are left out. */
static inline void graphs_run_exactly(struct graphs_program *p, uint64_t stream,
                                      struct graphs_bits *b)
{
    graphs_run_eager(p, stream, b);
    while (p->inexact & ~p->skip) {
        p->skip |= p->inexact;
        graphs_bits_release(b);
        graphs_run_eager(p, stream, b);
    }
}

/* Leaves out steps while the program goes wrong in the same way without them, and prints what is
 * left. */
static inline void graphs_shrink(struct graphs_program *p,
                                 const char *(*check)(struct graphs_program *))
{
    struct graphs_bits b;
    char why[256];
    snprintf(why, sizeof why, "%s", check(p));
    for (int i = p->n_steps - 1; i >= 0; i--) {
        uint64_t skip = p->skip;
        p->skip |= 1ull << i;
        const char *now = check(p);
        if (!now || strcmp(now, why) != 0) p->skip = skip;
    }
    p->log = stderr;
    graphs_run_eager(p, 0, &b);
    graphs_bits_release(&b);
    p->log = NULL;
}

#endif
