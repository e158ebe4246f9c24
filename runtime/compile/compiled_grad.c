/* compiled_grad.c - the backward program as the gradient rule of a compiled function's results.
 *
 * The tape keeps one call, plumb::compiled. It takes a tensor for each gradient that the backward
 * gives, in their order: one that gets several is there as often, and they are added to it one by
 * one, as they would be of the function as it is. Where only some results have gradients, the
 * backward is one without the others (compiled_part.c).
 */
#include <string.h>

#include "runtime/api.h"
#include "runtime/compile/compiled.h"

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for the gradient of a compiled function");
}

/* ---- what the backward needs ---- */

static const struct plumb_tensor *needed(const struct compiled_call *run,
                                         const struct compiled_need *n)
{
    if (n->origin == GRAPH_INPUT) return run->in[n->index];
    if (n->origin == GRAPH_SAVED) return run->saved[n->index];
    return run->entry->graph.captured.p[n->index].tensor;
}

static uint32_t version_of(const struct plumb_tensor *t)
{
    return atomic_load_explicit(&t->storage->version, memory_order_relaxed);
}

/* What was overwritten since the forward run cannot be given to the backward. */
static enum err check_needs(const struct compiled_call *run, const struct compiled_part *part)
{
    const struct compiled_entry *e = run->entry;
    for (int i = 0; i < e->n_needs; i++)
        if ((!part || part->needs[i]) && version_of(needed(run, &e->need[i])) != run->version[i])
            FAIL(ERR_USAGE,
                 "%s of %s: its values are needed for a gradient and were overwritten in place",
                 e->need[i].name, e->graph.name);
    return ERR_OK;
}

/* ---- walking back ---- */

/* Dense, as the backward was traced; by number of the result. One that did not come is not looked
 * at: the result stands in its place. */
static enum err take_tangents(const struct op_call *c, const struct compiled_entry *e,
                              struct plumb_tensor *const *result_grad, struct plumb_tensor **out)
{
    for (size_t i = 0, n = 0; i < e->graph.value.n; i++) {
        const struct graph_value *v = &e->graph.value.p[i];
        if (v->origin != GRAPH_TANGENT) continue;
        out[v->index] = result_grad[n] ? plumb_contiguous(result_grad[n]) : c->result[n];
        if (!out[v->index]) return ERR_USAGE;
        n++;
    }
    return ERR_OK;
}

static void give_gradients(const struct graph *g, const bool *sole, struct plumb_tensor *const *y,
                           struct plumb_tensor **grad)
{
    for (size_t i = 0, slot = 0; i < g->output.n; i++) {
        if (g->output.p[i].gives != GRAPH_GRADIENT) continue;
        if (y[i]) y[i]->sole = sole[i];
        grad[slot++] = y[i];
    }
}

/* The backward for the gradients that came; NULL: all did. */
static enum err find_part(struct compiled_entry *e, struct arena *a,
                          struct plumb_tensor *const *result_grad, const struct compiled_part **out)
{
    bool *missing = arena_array(a, (size_t)e->n_results + 1, sizeof *missing), all = true;
    if (!missing) return no_memory();
    for (size_t i = 0, n = 0; i < e->graph.value.n; i++) {
        const struct graph_value *v = &e->graph.value.p[i];
        if (v->origin != GRAPH_TANGENT || result_grad[n++]) continue;
        missing[v->index] = true;
        all = false;
    }
    *out = NULL;
    return all ? ERR_OK : compiled_part(e, missing, out);
}

static enum err grad_compiled(struct op_call *c, struct plumb_tensor *const *result_grad,
                              struct plumb_tensor **grad)
{
    const struct compiled_call *run = c->compiled;
    struct compiled_entry *e = run->entry;
    const struct compiled_part *part;
    struct program_call call = {.input = run->in, .saved = run->saved, .stream = run->stream};
    size_t outputs = e->split.backward.output.n;
    struct plumb_tensor **tangent =
        arena_array(c->arena, (size_t)e->n_results + 1, sizeof *tangent);
    call.output = arena_array(c->arena, outputs + 1, sizeof *call.output);
    if (!tangent || !call.output) return no_memory();
    TRY(find_part(e, c->arena, result_grad, &part));
    TRY(check_needs(run, part));
    TRY(take_tangents(c, e, result_grad, tangent));
    call.tangent = tangent;
    TRY(program_run(part ? &part->program : &e->backward, &call));
    if (part) give_gradients(&part->graph, part->sole, call.output, grad);
    else give_gradients(&e->split.backward, e->sole, call.output, grad);
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

/* ---- the call on the tape ---- */

/* One tensor per gradient that the backward gives. */
static enum err take_slots(const struct compiled_call *run, struct arena *a, struct op_call *c)
{
    const struct compiled_entry *e = run->entry;
    const struct graph *g = &e->split.backward;
    struct plumb_tensor **to = arena_array(a, g->output.n + 1, sizeof *to);
    int n = 0;
    if (!to) return no_memory();
    for (size_t i = 0; i < g->output.n; i++) {
        const struct graph_output *o = &g->output.p[i];
        if (o->gives != GRAPH_GRADIENT) continue;
        const struct graph_value *v = &e->graph.value.p[o->index];
        to[n++] =
            v->origin == GRAPH_INPUT ? run->in[v->index] : e->graph.captured.p[v->index].tensor;
    }
    c->arg[0] = (struct op_value){.kind = OP_TENSORS, .ts = to, .n = n};
    return ERR_OK;
}

/* Results with tangents, in the order of the tangents. */
static void take_results(const struct compiled_entry *e, struct plumb_tensor *const *y,
                         struct op_call *c)
{
    for (size_t i = 0; i < e->graph.value.n; i++) {
        const struct graph_value *v = &e->graph.value.p[i];
        if (v->origin == GRAPH_TANGENT) c->result[c->n_results++] = y[v->index];
    }
}

enum err compiled_tape(struct compiled_call *run, struct plumb_tensor *const *y)
{
    const struct compiled_entry *e = run->entry;
    struct thread *t = &thread_self;
    struct arena *a = &t->frame->arena;
    struct compiled_call *kept = arena_alloc(a, sizeof *kept);
    struct op_call c = {.op = &compiled_op, .arena = a, .compiled = kept};
    c.result = arena_array(a, (size_t)e->graph.n_tangents + 1, sizeof *c.result);
    run->version = arena_array(a, (size_t)e->n_needs + 1, sizeof *run->version);
    if (!kept || !c.result || !run->version) return no_memory();
    for (int i = 0; i < e->n_needs; i++) run->version[i] = version_of(needed(run, &e->need[i]));
    *kept = *run;
    TRY(take_slots(run, a, &c));
    take_results(e, y, &c);
    TRY(compiled_hold(t->frame, run->entry));
    return tape_add(t, &c);
}
