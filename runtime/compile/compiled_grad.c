/* compiled_grad.c - the backward program as the gradient rule of a compiled function's results.
 *
 * The tape keeps one call, plumb::compiled, that takes the inputs and the captured tensors of the
 * joint graph and gives the results that want gradients. Walked back, it runs the backward program.
 */
#include <string.h>

#include "runtime/api.h"
#include "runtime/compile/compiled.h"

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for the gradient of a compiled function");
}

/* What the joint graph takes: inputs by number, then captured tensors (not their gradients). */
static int n_slots(const struct compiled_entry *e)
{
    return e->graph.n_inputs + (int)e->graph.captured.n;
}
static int slot_of(const struct compiled_entry *e, const struct graph_value *v)
{
    return v->origin == GRAPH_INPUT ? v->index : e->graph.n_inputs + v->index;
}

/* The tangents in order, dense; zeros where no gradient came. */
static enum err take_tangents(const struct op_call *c, struct plumb_tensor *const *result_grad,
                              struct plumb_tensor **out)
{
    for (int i = 0; i < c->n_results; i++) {
        struct plumb_tensor *g = result_grad[i];
        out[i] = g ? plumb_contiguous(g) : plumb_zeros_like(c->result[i], (enum plumb_dtype)0);
        if (!out[i]) return ERR_USAGE;
    }
    return ERR_OK;
}

/* What was overwritten since the forward run cannot be given to the backward. */
static enum err check_stale(const struct op_call *c, const struct compiled_entry *e,
                            struct arena *a)
{
    const struct graph *g = &e->split.backward;
    int *uses = graph_uses(g, a);
    if (!uses) return no_memory();
    for (size_t i = 0; i < g->value.n; i++) {
        const struct graph_value *v = &g->value.p[i];
        bool is_given = v->origin == GRAPH_INPUT || v->origin == GRAPH_CAPTURED;
        if (!is_given || !uses[i]) continue;
        const struct plumb_tensor *t = c->arg[0].ts[slot_of(e, v)];
        if (t && t->stale)
            FAIL(ERR_USAGE, "%s of %s was overwritten in place, and its gradient needs it", v->name,
                 g->name);
    }
    return ERR_OK;
}

static void give_gradients(const struct compiled_entry *e, struct plumb_tensor *const *y,
                           struct plumb_tensor **grad)
{
    const struct graph *g = &e->split.backward;
    for (size_t i = 0; i < g->output.n; i++) {
        const struct graph_output *o = &g->output.p[i];
        if (o->gives == GRAPH_GRADIENT && o->value >= 0)
            grad[slot_of(e, &e->graph.value.p[o->index])] = y[i];
    }
}

static enum err grad_compiled(struct op_call *c, struct plumb_tensor *const *result_grad,
                              struct plumb_tensor **grad)
{
    const struct compiled_run *run = c->compiled;
    const struct compiled_entry *e = run->entry;
    struct arena *a = c->arena;
    struct plumb_tensor **tangent = arena_array(a, (size_t)c->n_results + 1, sizeof *tangent);
    struct program_call call = {.input = run->in, .saved = run->saved, .stream = run->stream};
    call.output = arena_array(a, e->split.backward.output.n + 1, sizeof *call.output);
    if (!tangent || !call.output) return no_memory();
    TRY(check_stale(c, e, a));
    TRY(take_tangents(c, result_grad, tangent));
    call.tangent = tangent;
    TRY(program_run(&e->backward, &call));
    give_gradients(e, call.output, grad);
    return ERR_OK;
}

/* The row of plumb::compiled; only the tape sees it. */
static const struct op compiled_op = {
    .id = "compiled",
    .class = OP_OPAQUE,
    .grad = grad_compiled,
    .s = {.name = "plumb::compiled",
          .param = {{.name = "given", .kind = OP_TENSORS}},
          .n_params = 1,
          .n_results = 1,
          .result_list = true},
};

/* Results with tangents, in the order of the tangents. */
static int with_tangents(const struct compiled_entry *e, struct plumb_tensor *const *y,
                         struct plumb_tensor **out)
{
    int n = 0;
    for (size_t i = 0; i < e->graph.value.n; i++) {
        const struct graph_value *v = &e->graph.value.p[i];
        if (v->origin == GRAPH_TANGENT) out[n++] = y[v->index];
    }
    return n;
}

enum err compiled_tape(const struct compiled_run *run, struct plumb_tensor *const *y)
{
    const struct compiled_entry *e = run->entry;
    struct thread *t = &thread_self;
    struct arena *a = &t->frame->arena;
    int slots = n_slots(e);
    struct plumb_tensor **given = arena_array(a, (size_t)slots + 1, sizeof *given);
    struct compiled_run *kept = arena_alloc(a, sizeof *kept);
    struct op_call c = {.op = &compiled_op, .arena = a};
    c.result = arena_array(a, (size_t)e->graph.n_tangents + 1, sizeof *c.result);
    if (!given || !kept || !c.result) return no_memory();
    *kept = *run;
    memcpy(given, run->in, (size_t)e->graph.n_inputs * sizeof *given);
    for (size_t i = 0; i < e->graph.captured.n; i++)
        if (!e->graph.captured.p[i].grad)
            given[e->graph.n_inputs + (int)i] = e->graph.captured.p[i].tensor;
    c.arg[0] = (struct op_value){.kind = OP_TENSORS, .ts = given, .n = slots};
    c.n_results = with_tangents(e, y, c.result);
    c.compiled = kept;
    return tape_add(t, &c);
}
