/* compiled_grad.c - the backward program as the gradient rule of a compiled function's results.
 *
 * The tape keeps one call, plumb::compiled. It takes a tensor for each gradient that the backward
 * gives, in their order: one that gets several is there as often, and they are added to it one by
 * one, as they would be of the function as it is. Where only some results have gradients, the
 * backward is one without the others (compiled_part.c), or, where there is no such, the function's
 * calls are made again (joint_replay).
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

/* part: the backward for these gradients; NULL all came. */
static enum err run_backward(struct op_call *c, const struct compiled_part *part,
                             struct plumb_tensor *const *result_grad, struct plumb_tensor **grad)
{
    const struct compiled_call *run = c->compiled;
    const struct compiled_entry *e = run->entry;
    struct program_call call = {.input = run->in, .saved = run->saved, .stream = run->stream};
    size_t outputs = e->split.backward.output.n;
    struct plumb_tensor **tangent =
        arena_array(c->arena, (size_t)e->n_results + 1, sizeof *tangent);
    call.output = arena_array(c->arena, outputs + 1, sizeof *call.output);
    if (!tangent || !call.output) return no_memory();
    TRY(check_needs(run, part));
    TRY(take_tangents(c, e, result_grad, tangent));
    call.tangent = tangent;
    TRY(program_run(part ? &part->program : &e->backward, &call));
    if (part) give_gradients(&part->graph, part->sole, call.output, grad);
    else give_gradients(&e->split.backward, e->sole, call.output, grad);
    return ERR_OK;
}

/* ---- some results only ---- */

static enum err check_given(const struct compiled_call *run)
{
    const struct graph *g = &run->entry->plain;
    for (int i = 0; i < g->n_inputs + (int)g->captured.n; i++)
        if (run->given[i] && version_of(run->given[i]) != run->given_version[i])
            FAIL(ERR_USAGE,
                 "%s is called again for a loss that uses some of its results, and what it was "
                 "given, number %d, was overwritten in place",
                 g->name, i);
    return ERR_OK;
}

/* Each gift to the first slot of its tensor that is free. */
static enum err place_gift(const struct compiled_entry *e, const struct joint_gift *gift,
                           struct plumb_tensor **grad)
{
    const struct graph *g = &e->split.backward;
    for (size_t i = 0, slot = 0; i < g->output.n; i++) {
        if (g->output.p[i].gives != GRAPH_GRADIENT) continue;
        const struct graph_value *v = &e->graph.value.p[g->output.p[i].index];
        if (v->origin == gift->origin && v->index == gift->index && !grad[slot]) {
            grad[slot] = gift->grad;
            return ERR_OK;
        }
        slot++;
    }
    FAIL(ERR_FORMAT, "%s, called again, gives more gradients than before", e->graph.name);
}

static enum err run_again(struct op_call *c, struct plumb_tensor *const *result_grad,
                          struct plumb_tensor **grad)
{
    const struct compiled_call *run = c->compiled;
    const struct compiled_entry *e = run->entry;
    struct joint_gifts gifts = {0};
    struct plumb_tensor **of = arena_array(c->arena, (size_t)e->n_results + 1, sizeof *of);
    if (!of) return no_memory();
    TRY(check_given(run));
    for (size_t i = 0, n = 0; i < e->graph.value.n; i++)
        if (e->graph.value.p[i].origin == GRAPH_TANGENT)
            of[e->graph.value.p[i].index] = result_grad[n++];
    struct joint_replay r = {.g = &e->plain,
                             .input = run->given,
                             .captured = run->given + e->plain.n_inputs,
                             .grad = of,
                             .stream = run->stream};
    enum err err = joint_replay(&r, &gifts);
    for (size_t i = 0; i < gifts.gift.n && !err; i++) err = place_gift(e, &gifts.gift.p[i], grad);
    LIST_RELEASE(&gifts.gift);
    return err;
}

/* Bit per result that has a tangent and was not used. */
static uint64_t find_missing(const struct compiled_entry *e,
                             struct plumb_tensor *const *result_grad)
{
    uint64_t missing = 0;
    for (size_t i = 0, n = 0; i < e->graph.value.n; i++) {
        const struct graph_value *v = &e->graph.value.p[i];
        if (v->origin == GRAPH_TANGENT && !result_grad[n++]) missing |= (uint64_t)1 << v->index;
    }
    return missing;
}

static enum err grad_compiled(struct op_call *c, struct plumb_tensor *const *result_grad,
                              struct plumb_tensor **grad)
{
    const struct compiled_entry *e = c->compiled->entry;
    const struct compiled_part *part = NULL;
    bool all = true;
    for (int i = 0; i < c->n_results; i++) all &= result_grad[i] != NULL;
    if (!all && e->n_results <= 64) TRY(compiled_part(e, find_missing(e, result_grad), &part));
    return all || part ? run_backward(c, part, result_grad, grad) : run_again(c, result_grad, grad);
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

static bool replaces_gradients(const struct graph *g)
{
    for (size_t i = 0; i < g->output.n; i++)
        if (g->output.p[i].gives == GRAPH_LEAF_GRAD) return true;
    return false;
}

/* What the calls would take that are made again. A gradient that is replaced stays on the tape's
 * frame, but for one that the function itself replaces. */
static enum err keep_given(struct compiled_call *run, struct arena *a)
{
    const struct graph *g = &run->entry->plain;
    int n = g->n_inputs + (int)g->captured.n;
    bool replaces = replaces_gradients(&run->entry->graph);
    if (!g->output.n) return ERR_OK;
    run->given = arena_array(a, (size_t)n + 1, sizeof *run->given);
    run->given_version = arena_array(a, (size_t)n + 1, sizeof *run->given_version);
    if (!run->given || !run->given_version) return no_memory();
    for (int i = 0; i < n; i++) {
        const struct graph_captured *c = i < g->n_inputs ? NULL : &g->captured.p[i - g->n_inputs];
        struct plumb_tensor *t = c ? c->tensor : run->in[i];
        if (c && c->grad) t = replaces ? NULL : t->grad;
        run->given[i] = t;
        if (t) run->given_version[i] = version_of(t);
    }
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
    TRY(keep_given(run, a));
    *kept = *run;
    TRY(take_slots(run, a, &c));
    take_results(e, y, &c);
    return tape_add(t, &c);
}
