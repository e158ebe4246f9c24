/* compiled_run.c - running an entry: its results, and gradients of leaves. */
#include "runtime/compile/compiled.h"

#include <string.h>

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for running a compiled function");
}

static struct plumb_tensor *tensor_at(const struct graph *g, struct plumb_tensor *const *in,
                                      int place)
{
    if (place < g->n_inputs) return in[place];
    const struct graph_captured *c = &g->captured.p[place - g->n_inputs];
    return c->grad ? c->tensor->grad : c->tensor;
}

static struct plumb_tensor *fresh(const struct compiled_result *r, struct plumb_tensor *y)
{
    y->is_view = r->is_view;
    y->uninitialised = r->uninitialised;
    return y;
}

/* Results that are there before gradients of leaves change. */
static void give_results(const struct compiled_entry *e, struct plumb_tensor *const *in,
                         struct plumb_tensor *const *y, struct plumb_tensor **out,
                         struct plumb_tensor **saved)
{
    const struct graph *g = e->forward.graph;
    for (size_t i = 0; i < g->output.n; i++) {
        const struct graph_output *o = &g->output.p[i];
        if (o->gives == GRAPH_SAVE) saved[o->index] = y[i];
        if (o->gives != GRAPH_RESULT) continue;
        const struct compiled_result *r = &e->result[o->index];
        switch (r->is) {
        case COMPILED_FRESH: out[o->index] = fresh(r, y[i]); break;
        case COMPILED_GIVEN: out[o->index] = tensor_at(&e->graph, in, r->of); break;
        case COMPILED_AGAIN: out[o->index] = out[r->of]; break;
        default: out[o->index] = NULL;
        }
    }
}

static void give_gradients(const struct compiled_entry *e, struct plumb_tensor *const *in,
                           struct plumb_tensor *const *y, struct plumb_tensor **out)
{
    const struct graph *g = e->forward.graph;
    for (size_t i = 0; i < g->output.n; i++) {
        const struct graph_output *o = &g->output.p[i];
        if (o->gives != GRAPH_LEAF_GRAD) continue;
        const struct graph_value *v = &g->value.p[o->index];
        int place = v->origin == GRAPH_INPUT ? v->index : g->n_inputs + v->index;
        tape_set_grad(tensor_at(&e->graph, in, place), y[i]);
    }
    for (int i = 0; i < e->n_results; i++) {
        const struct compiled_result *r = &e->result[i];
        if (r->is == COMPILED_GRAD) out[i] = tensor_at(&e->graph, in, r->of)->grad;
        if (r->is == COMPILED_AGAIN) out[i] = out[r->of];
    }
}

/* What was written has values now. */
static void mark_written(const struct compiled_entry *e, struct plumb_tensor *const *in)
{
    for (int i = 0; i < e->n_written; i++)
        tensor_at(&e->graph, in, e->written[i])->uninitialised = false;
}

enum err compiled_run(struct compiled_entry *e, struct plumb_tensor *const *in,
                      struct plumb_tensor **out)
{
    struct thread *t = &thread_self;
    struct arena *a = &t->frame->arena;
    const struct graph *g = e->forward.graph;
    int n_in = e->guards.n_in;
    struct compiled_call run = {.entry = e, .stream = (int64_t)t->generator};
    struct program_call call = {.input = in, .stream = run.stream};
    call.output = arena_array(a, g->output.n + 1, sizeof *call.output);
    run.in = arena_array(a, (size_t)n_in + 1, sizeof *run.in);
    run.saved = arena_array(a, (size_t)g->n_saved + 1, sizeof *run.saved);
    if (!call.output || !run.in || !run.saved) return no_memory();
    if (n_in) memcpy(run.in, in, (size_t)n_in * sizeof *in);
    TRY(program_run(&e->forward, &call));
    t->generator += (uint64_t)e->graph.n_streams;
    mark_written(e, in);
    give_results(e, in, call.output, out, run.saved);
    if (e->has_backward) TRY(compiled_tape(&run, out));
    give_gradients(e, run.in, call.output, out);
    return ERR_OK;
}
