/* graph_eager.h - runs a graph call by call through the dispatcher: what compiled code is to give,
 * bit for bit. */
#ifndef TESTS_GRAPH_EAGER_H
#define TESTS_GRAPH_EAGER_H

#include "runtime/compile/graph.h"
#include "runtime/session.h"
#include "tests/unit/unit.h"

struct graph_eager {
    const struct graph *g;
    struct plumb_tensor *const *input, *const *tangent, *const *saved;
    uint64_t stream;             /* of the first random call */
    struct plumb_tensor **value; /* per value, as it is made; of the caller, zeroed */
};

static struct plumb_tensor *graph_given(const struct graph_eager *e, int value)
{
    const struct graph_value *v = &e->g->value.p[value];
    switch (v->origin) {
    case GRAPH_INPUT: return e->input[v->index];
    case GRAPH_CAPTURED: {
        const struct graph_captured *c = &e->g->captured.p[v->index];
        return c->grad ? c->tensor->grad : c->tensor;
    }
    case GRAPH_CONSTANT: return e->g->constant.p[v->index];
    case GRAPH_TANGENT: return e->tangent[v->index];
    case GRAPH_SAVED: return e->saved[v->index];
    case GRAPH_MADE: break;
    }
    return NULL;
}

/* A view of a storage that no call gave: laid out from another one that is there. */
static struct plumb_tensor *graph_alias(const struct graph_eager *e, int value)
{
    const struct graph_value *v = &e->g->value.p[value];
    int64_t item = (int64_t)dtype_size(v->view.dtype);
    for (size_t i = 0; i < e->g->value.n; i++) {
        const struct graph_value *w = &e->g->value.p[i];
        const struct plumb_tensor *t = e->value[i];
        if (!t || w->storage != v->storage) continue;
        struct view at = v->view;
        struct plumb_tensor *out;
        at.offset += (t->view.offset - w->view.offset) * (int64_t)dtype_size(w->view.dtype) / item;
        if (tensor_view(t, &at, &out)) fail_msg("%s", err_text());
        return out;
    }
    fail_msg("%s has no storage yet", v->name);
    return NULL;
}

static struct plumb_tensor *graph_tensor(const struct graph_eager *e, int value)
{
    if (value < 0) return NULL;
    const struct graph_value *v = &e->g->value.p[value];
    if (!e->value[value])
        e->value[value] = v->maker < 0 ? graph_given(e, value) : graph_alias(e, value);
    if (!e->value[value]) fail_msg("%s was not given", v->name);
    return e->value[value];
}

static void graph_run_node(const struct graph_eager *e, int node)
{
    const struct graph_node *n = &e->g->node.p[node];
    struct op_value arg[OP_ARGS];
    struct plumb_tensor *list[512];
    struct op_results r;
    int slot = 0;
    for (int i = 0; i < n->op->s.n_params; i++) {
        arg[i] = n->arg[i];
        if (arg[i].kind == OP_TENSOR) arg[i].t = graph_tensor(e, n->in[slot++]);
        if (arg[i].kind != OP_TENSORS) continue;
        if (slot + arg[i].n > 512) fail_msg("a list is too long");
        arg[i].ts = list + slot;
        for (int k = 0; k < arg[i].n; k++, slot++) list[slot] = graph_tensor(e, n->in[slot]);
    }
    if (n->op->flags & OP_RANDOM) thread_self.generator = e->stream + (uint64_t)n->stream;
    if (op_run(n->op, arg, n->op->s.n_params, &r))
        fail_msg("node %d of %s: %s", node, e->g->name, err_text());
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] >= 0) e->value[n->out[i]] = r.p[i];
    for (int i = 0; i < n->n_in; i++)
        if (n->after[i] >= 0) e->value[n->after[i]] = graph_tensor(e, n->in[i]);
}

/* Outputs into out, which has room for all; NULL where the graph says GRAPH_NONE. */
static inline void graph_run(const struct graph_eager *e, struct plumb_tensor **out)
{
    plumb_no_grad_begin();
    for (int i = 0; i < (int)e->g->node.n; i++) graph_run_node(e, i);
    for (size_t i = 0; i < e->g->output.n; i++) out[i] = graph_tensor(e, e->g->output.p[i].value);
    plumb_no_grad_end();
}

#endif
