/* graph_check.c - whether a graph is what graph.h says: order, storage versions, shapes. */
#include <string.h>

#include "runtime/compile/graph.h"

struct checker {
    const struct graph *g;
    int *version;       /* per storage, now */
    bool *made;         /* per value */
    struct arena arena; /* scratch of one call */
};

#define BAD(i, ...)                                                                                \
    return err_wrap(err_set(ERR_FORMAT, __VA_ARGS__), "node %d (%s) of graph %s: ", (int)(i),      \
                    g->node.p[i].op->s.name, g->name)

static enum err check_value(const struct checker *k, size_t i)
{
    const struct graph *g = k->g;
    const struct graph_value *v = &g->value.p[i];
    if (v->storage < 0 || (size_t)v->storage >= g->storage.n)
        FAIL(ERR_FORMAT, "value %zu of graph %s has no storage", i, g->name);
    if (v->version < 0 || v->version >= g->storage.p[v->storage].n_versions)
        FAIL(ERR_FORMAT, "value %s of graph %s is of version %d; its storage has %d", v->name,
             g->name, v->version, g->storage.p[v->storage].n_versions);
    if ((v->origin == GRAPH_MADE) != (v->maker >= 0) && !v->version)
        FAIL(ERR_FORMAT, "value %s of graph %s is given and made, or neither", v->name, g->name);
    if (v->maker >= (int)g->node.n)
        FAIL(ERR_FORMAT, "value %s of graph %s has no maker", v->name, g->name);
    return ERR_OK;
}

/* Values of a written storage that no call gave: another view of it. */
static bool is_there(const struct checker *k, int value)
{
    const struct graph_value *v = &k->g->value.p[value];
    if (k->made[value]) return true;
    return v->maker >= 0 && v->result == GRAPH_NONE && v->version == k->version[v->storage];
}

static enum err check_use(const struct checker *k, size_t i, int value)
{
    const struct graph *g = k->g;
    if (value == GRAPH_NONE) return ERR_OK;
    if (value < 0 || (size_t)value >= g->value.n) BAD(i, "it takes value %d; there is none", value);
    const struct graph_value *v = &g->value.p[value];
    if (!is_there(k, value)) BAD(i, "it takes %s before that is made", v->name);
    if (v->version != k->version[v->storage])
        BAD(i, "it takes version %d of %s, whose storage was written %d times", v->version, v->name,
            k->version[v->storage]);
    return ERR_OK;
}

static enum err check_result(struct checker *k, size_t i, const struct op_call *c, int r)
{
    const struct graph *g = k->g;
    const struct graph_node *n = &g->node.p[i];
    int value = n->out[r], arg = n->op->s.result_list ? -1 : n->op->s.result_arg[r];
    if (value == GRAPH_NONE) return ERR_OK;
    if (value < 0 || (size_t)value >= g->value.n) BAD(i, "result %d is value %d", r, value);
    const struct graph_value *v = &g->value.p[value];
    if (arg >= 0) return ERR_OK; /* checked as what the call wrote */
    if (v->maker != (int)i)
        BAD(i, "result %d, %s, says that node %d made it", r, v->name, v->maker);
    const struct view *want = NULL;
    struct view dense;
    if (n->op->class == OP_VIEW) want = &c->view[r];
    else {
        enum dtype dtype = c->member ? c->member[r].dtype : c->dtype[r];
        if (dtype == DTYPE_NONE) BAD(i, "result %d is absent, the graph has %s", r, v->name);
        TRY(view_dense(dtype, c->member ? &c->member[r].shape : &c->shape[r], &dense));
        want = &dense;
    }
    if (want->dtype != v->view.dtype || !view_same_shape(want, &v->view))
        BAD(i, "result %d, %s, is not what the operator gives", r, v->name);
    const struct graph_value *of =
        n->op->class == OP_VIEW ? &g->value.p[n->in[op_slot(c, c->view_of)]] : NULL;
    if (of && (of->storage != v->storage || of->version != v->version))
        BAD(i, "the view %s is not of its argument's storage and version", v->name);
    k->made[value] = true;
    return ERR_OK;
}

/* The slots of written parameters have a value afterwards, one version up. */
static enum err check_written(struct checker *k, size_t i)
{
    const struct graph *g = k->g;
    const struct graph_node *n = &g->node.p[i];
    for (int p = 0, slot = 0; p < n->op->s.n_params; p++) {
        int count = n->arg[p].kind == OP_TENSORS ? n->arg[p].n : n->arg[p].kind == OP_TENSOR;
        for (int m = 0; m < count; m++, slot++) {
            bool writes = n->op->s.param[p].written && !n->writes_nothing && n->in[slot] >= 0;
            if (writes != (n->after[slot] >= 0))
                BAD(i, "argument %d is written, or is not, and the graph says otherwise", p);
            if (!writes) continue;
            const struct graph_value *to = &g->value.p[n->after[slot]];
            if (to->storage != g->value.p[n->in[slot]].storage ||
                to->version != k->version[to->storage] + 1)
                BAD(i, "%s is not the next version of what the call wrote", to->name);
        }
    }
    for (int s = 0; s < n->n_in; s++) {
        if (n->after[s] < 0) continue;
        const struct graph_value *to = &g->value.p[n->after[s]];
        k->version[to->storage] = to->version;
        k->made[n->after[s]] = true;
    }
    return ERR_OK;
}

static enum err check_node(struct checker *k, size_t i)
{
    const struct graph *g = k->g;
    const struct graph_node *n = &g->node.p[i];
    struct op_call c;
    int slots = 0;
    for (int p = 0; p < n->op->s.n_params; p++)
        slots += n->arg[p].kind == OP_TENSORS ? n->arg[p].n : n->arg[p].kind == OP_TENSOR;
    if (slots != n->n_in) BAD(i, "it has %d values for %d tensors", n->n_in, slots);
    for (int s = 0; s < n->n_in; s++) TRY(check_use(k, i, n->in[s]));
    arena_clear(&k->arena);
    enum err err = graph_op_call(g, (int)i, &k->arena, &c);
    if (err) return err_wrap(err, "node %zu of graph %s: ", i, g->name);
    if (c.n_results != n->n_out) BAD(i, "it has %d results for %d", n->n_out, c.n_results);
    for (int r = 0; r < n->n_out; r++) TRY(check_result(k, i, &c, r));
    return check_written(k, i);
}

static enum err check_outputs(const struct checker *k)
{
    const struct graph *g = k->g;
    for (size_t i = 0; i < g->output.n; i++) {
        int value = g->output.p[i].value;
        if (value == GRAPH_NONE) continue;
        if (value < 0 || (size_t)value >= g->value.n || !is_there(k, value))
            FAIL(ERR_FORMAT, "output %zu of graph %s is value %d, which nothing makes", i, g->name,
                 value);
        const struct graph_value *v = &g->value.p[value];
        if (v->version != k->version[v->storage])
            FAIL(ERR_FORMAT, "output %zu of graph %s, %s, was overwritten", i, g->name, v->name);
    }
    return ERR_OK;
}

enum err graph_check(const struct graph *g)
{
    struct checker k = {.g = g};
    struct arena arena = {0};
    enum err err = ERR_OK;
    k.version = arena_array(&arena, g->storage.n + 1, sizeof *k.version);
    k.made = arena_array(&arena, g->value.n + 1, sizeof *k.made);
    if (!k.version || !k.made) err = err_set(ERR_NOMEM, "out of memory for checking a graph");
    for (size_t i = 0; !err && i < g->value.n; i++) {
        err = check_value(&k, i);
        k.made[i] = g->value.p[i].maker == GRAPH_NONE;
    }
    for (size_t i = 0; !err && i < g->node.n; i++) err = check_node(&k, i);
    if (!err) err = check_outputs(&k);
    arena_release(&k.arena);
    arena_release(&arena);
    return err;
}
