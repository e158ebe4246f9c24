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

/* Of results, then of inputs, which may have been written. */
struct graphs_bits {
    char *p[GRAPHS_OUT + GRAPHS_INPUTS];
    int64_t n[GRAPHS_OUT + GRAPHS_INPUTS];
};

static inline void graphs_bits_of(struct graphs_bits *b, int i, const struct plumb_tensor *t)
{
    b->n[i] = view_n_bytes(&t->view);
    b->p[i] = malloc((size_t)b->n[i] + 1);
    if (plumb_read(t, b->p[i], b->n[i])) fail_msg("%s", plumb_error());
}

static inline void graphs_bits_release(struct graphs_bits *b)
{
    for (int i = 0; i < GRAPHS_OUT + GRAPHS_INPUTS; i++) free(b->p[i]);
}

static inline void graphs_read_bits(const struct graphs_program *p, struct plumb_tensor *const *in,
                                    struct plumb_tensor *const *out, struct graphs_bits *b)
{
    memset(b, 0, sizeof *b);
    for (int i = 0; i < p->n_out; i++) graphs_bits_of(b, i, out[i]);
    for (int i = 0; i < p->n_in; i++) graphs_bits_of(b, GRAPHS_OUT + i, in[i]);
}

static inline bool graphs_same_bits(const struct graphs_bits *a, const struct graphs_bits *b)
{
    for (int i = 0; i < GRAPHS_OUT + GRAPHS_INPUTS; i++) {
        if (a->n[i] != b->n[i]) return false;
        if (a->n[i] && memcmp(a->p[i], b->p[i], (size_t)a->n[i]) != 0) return false;
    }
    return true;
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
        if (trace_output(&t, out[i], GRAPH_RESULT, i)) fail_msg("%s", err_text());
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

/* Leaves out steps while the program goes wrong without them, and prints what is left. */
static inline void graphs_shrink(struct graphs_program *p,
                                 const char *(*check)(struct graphs_program *))
{
    struct graphs_bits b;
    for (int i = p->n_steps - 1; i >= 0; i--) {
        uint64_t skip = p->skip;
        p->skip |= 1ull << i;
        if (!check(p)) p->skip = skip;
    }
    p->log = stderr;
    graphs_run_eager(p, 0, &b);
    graphs_bits_release(&b);
    p->log = NULL;
}

#endif
