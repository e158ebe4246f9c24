/* compiled_grad.c - the backward program as the gradient rule of a compiled function's results.
 *
 * The tape keeps one call, plumb::compiled. Its tensors, by slot:
 *
 *   inputs │ captured tensors │ what the forward saved │ per gradient given back, whose it is
 *
 * The first three say whether what the backward takes was overwritten since; the last take the
 * gradients, of one tensor several where the function used it several times, so that they are added
 * one by one as eager does. Walked back, the call runs the backward program; where only some results
 * have gradients, the function's calls are made again (joint_replay).
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

/* The tangents by number of the result, dense. */
static enum err take_tangents(const struct compiled_entry *e,
                              struct plumb_tensor *const *result_grad, struct plumb_tensor **out)
{
    int k = 0;
    for (size_t i = 0; i < e->graph.value.n; i++) {
        const struct graph_value *v = &e->graph.value.p[i];
        if (v->origin != GRAPH_TANGENT) continue;
        if (!(out[v->index] = plumb_contiguous(result_grad[k++]))) return ERR_USAGE;
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

static enum err run_backward(struct op_call *c, struct plumb_tensor *const *result_grad,
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
    TRY(take_tangents(e, result_grad, tangent));
    call.tangent = tangent;
    TRY(program_run(&e->backward, &call));
    memcpy(grad + first_gradient(e), call.output, e->split.backward.output.n * sizeof *call.output);
    return ERR_OK;
}

/* Each gift to the first place of its tensor that is free. */
static enum err place_gifts(const struct compiled_entry *e, const struct joint_gifts *gifts,
                            struct plumb_tensor **grad)
{
    const struct graph *back = &e->split.backward;
    for (size_t i = 0; i < gifts->gift.n; i++) {
        const struct joint_gift *gift = &gifts->gift.p[i];
        size_t j = 0;
        for (; j < back->output.n; j++) {
            const struct graph_value *v = &e->graph.value.p[back->output.p[j].index];
            if (v->origin == gift->origin && v->index == gift->index &&
                !grad[first_gradient(e) + (int)j])
                break;
        }
        if (j == back->output.n)
            FAIL(ERR_FORMAT, "%s, called again, gives more gradients than before", e->graph.name);
        grad[first_gradient(e) + (int)j] = gift->grad;
    }
    return ERR_OK;
}

/* Some results have no gradient. */
static enum err run_again(struct op_call *c, struct plumb_tensor *const *result_grad,
                          struct plumb_tensor **grad)
{
    const struct compiled_entry *e = c->compiled->entry;
    struct plumb_tensor *const *slot = c->arg[0].ts;
    struct joint_gifts gifts = {0};
    struct plumb_tensor **of = arena_array(c->arena, e->graph.output.n + 1, sizeof *of);
    if (!of) return no_memory();
    int k = 0;
    for (size_t i = 0; i < e->graph.value.n; i++)
        if (e->graph.value.p[i].origin == GRAPH_TANGENT)
            of[e->graph.value.p[i].index] = result_grad[k++];
    struct joint_replay r = {.g = &e->plain,
                             .input = slot,
                             .captured = slot + e->graph.n_inputs,
                             .grad = of,
                             .stream = c->compiled->stream};
    enum err err = joint_replay(&r, &gifts);
    if (!err) err = place_gifts(e, &gifts, grad);
    LIST_RELEASE(&gifts.gift);
    return err;
}

static enum err grad_compiled(struct op_call *c, struct plumb_tensor *const *result_grad,
                              struct plumb_tensor **grad)
{
    for (int i = 0; i < c->n_results; i++)
        if (!result_grad[i]) return run_again(c, result_grad, grad);
    return run_backward(c, result_grad, grad);
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

/* Gradients as they were at the call: the tape keeps them when they are replaced, but for those
 * that the function replaced itself. */
static struct plumb_tensor *captured(const struct graph *g, size_t i, bool replaces)
{
    struct plumb_tensor *t = g->captured.p[i].tensor;
    if (!g->captured.p[i].grad) return t;
    return replaces ? NULL : t->grad;
}

static void fill_slots(const struct compiled_run *run, struct plumb_tensor **to)
{
    const struct compiled_entry *e = run->entry;
    const struct graph *g = &e->graph, *back = &e->split.backward;
    memcpy(to, run->in, (size_t)g->n_inputs * sizeof *to);
    bool replaces = false;
    for (size_t i = 0; i < g->output.n; i++) replaces |= g->output.p[i].gives == GRAPH_LEAF_GRAD;
    for (size_t i = 0; i < g->captured.n; i++) to[g->n_inputs + (int)i] = captured(g, i, replaces);
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
