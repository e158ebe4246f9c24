/* compiled_grad.c - the backward program as the gradient rule of a compiled function's results.
 *
 * The tape keeps one call, plumb::compiled. Its tensors, by slot:
 *
 *   inputs │ captured tensors │ what the forward saved │ per gradient given back, whose it is
 *
 * The first three say whether what the backward takes was overwritten since; the last take the
 * gradients, of one tensor several where the function used it several times, so that they are added
 * one by one as eager does. Walked back, the call runs the backward program.
 */
#include <string.h>

#include "runtime/api.h"
#include "runtime/compile/compiled.h"

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for the gradient of a compiled function");
}

static int first_saved(const struct compiled_entry *e)
{
    return e->graph.n_inputs + (int)e->graph.captured.n;
}
static int first_gradient(const struct compiled_entry *e)
{
    return first_saved(e) + e->split.backward.n_saved;
}
static int n_slots(const struct compiled_entry *e)
{
    return first_gradient(e) + (int)e->split.backward.output.n;
}
/* GRAPH_NONE: a constant or a tangent. */
static int slot_of(const struct compiled_entry *e, const struct graph_value *v)
{
    switch (v->origin) {
    case GRAPH_INPUT: return v->index;
    case GRAPH_CAPTURED: return e->graph.n_inputs + v->index;
    case GRAPH_SAVED: return first_saved(e) + v->index;
    default: return GRAPH_NONE;
    }
}

/* ---- walking back ---- */

/* The tangents by number of the result, dense; zeros where no gradient came. */
static enum err take_tangents(const struct op_call *c, const struct compiled_entry *e,
                              struct plumb_tensor *const *result_grad, struct plumb_tensor **out)
{
    int k = 0;
    for (size_t i = 0; i < e->graph.value.n; i++) {
        const struct graph_value *v = &e->graph.value.p[i];
        if (v->origin != GRAPH_TANGENT) continue;
        struct plumb_tensor *g = result_grad[k], *y = c->result[k];
        out[v->index] = g ? plumb_contiguous(g) : plumb_zeros_like(y, (enum plumb_dtype)0);
        if (!out[v->index]) return ERR_USAGE;
        k++;
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
        int slot = v->maker < 0 && uses[i] ? slot_of(e, v) : GRAPH_NONE;
        if (slot >= 0 && c->arg[0].ts[slot] && c->arg[0].ts[slot]->stale)
            FAIL(ERR_USAGE, "%s of %s was overwritten in place, and its gradient needs it", v->name,
                 g->name);
    }
    return ERR_OK;
}

static enum err grad_compiled(struct op_call *c, struct plumb_tensor *const *result_grad,
                              struct plumb_tensor **grad)
{
    const struct compiled_run *run = c->compiled;
    const struct compiled_entry *e = run->entry;
    struct arena *a = c->arena;
    struct plumb_tensor **tangent = arena_array(a, e->graph.output.n + 1, sizeof *tangent);
    struct program_call call = {.input = run->in, .saved = run->saved, .stream = run->stream};
    call.output = arena_array(a, e->split.backward.output.n + 1, sizeof *call.output);
    if (!tangent || !call.output) return no_memory();
    TRY(check_stale(c, e, a));
    TRY(take_tangents(c, e, result_grad, tangent));
    call.tangent = tangent;
    TRY(program_run(&e->backward, &call));
    memcpy(grad + first_gradient(e), call.output, e->split.backward.output.n * sizeof *call.output);
    return ERR_OK;
}

/* ---- keeping a call ---- */

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

static struct plumb_tensor *given(const struct compiled_run *run, const struct graph_value *v)
{
    if (v->origin == GRAPH_INPUT) return run->in[v->index];
    return run->entry->graph.captured.p[v->index].tensor;
}

static void fill_slots(const struct compiled_run *run, struct plumb_tensor **to)
{
    const struct compiled_entry *e = run->entry;
    const struct graph *g = &e->graph, *back = &e->split.backward;
    memcpy(to, run->in, (size_t)g->n_inputs * sizeof *to);
    for (size_t i = 0; i < g->captured.n; i++)
        if (!g->captured.p[i].grad) to[g->n_inputs + (int)i] = g->captured.p[i].tensor;
    for (int i = 0; i < back->n_saved; i++) to[first_saved(e) + i] = run->saved[i];
    for (size_t i = 0; i < back->output.n; i++)
        to[first_gradient(e) + (int)i] = given(run, &g->value.p[back->output.p[i].index]);
}

enum err compiled_tape(const struct compiled_run *run, struct plumb_tensor *const *y)
{
    const struct compiled_entry *e = run->entry;
    struct thread *t = &thread_self;
    struct arena *a = &t->frame->arena;
    struct plumb_tensor **slot = arena_array(a, (size_t)n_slots(e) + 1, sizeof *slot);
    struct compiled_run *kept = arena_alloc(a, sizeof *kept);
    struct op_call c = {.op = &compiled_op, .arena = a};
    c.result = arena_array(a, (size_t)e->graph.n_tangents + 1, sizeof *c.result);
    if (!slot || !kept || !c.result) return no_memory();
    *kept = *run;
    fill_slots(run, slot);
    c.arg[0] = (struct op_value){.kind = OP_TENSORS, .ts = slot, .n = n_slots(e)};
    c.n_results = with_tangents(e, y, c.result);
    c.compiled = kept;
    return tape_add(t, &c);
}
