/* joint_copy.c - the forward and the backward graph of a split joint graph. */
#include <string.h>

#include "runtime/compile/joint_plan.h"

struct copier {
    const struct joint_plan *p;
    const struct graph *from;
    struct graph *to;
    int *value, *storage, *node; /* their numbers in `to`; GRAPH_NONE not there */
    int64_t *base; /* per storage: bytes before the value that brings it to the backward */
    bool backward;
};

static enum err no_memory(void)
{
    FAIL(ERR_NOMEM, "out of memory for splitting a graph");
}

static int *none(struct arena *a, size_t n)
{
    int *p = arena_array(a, n + 1, sizeof *p);
    for (size_t i = 0; p && i < n; i++) p[i] = GRAPH_NONE;
    return p;
}

static enum err copy_names(const struct map *from, struct map *to)
{
    for (size_t i = 0; i < from->size; i++) {
        const struct map_slot *s = &from->slots[i];
        if ((s->key.lo || s->key.hi) && !map_put(to, s->key, s->value, NULL)) return no_memory();
    }
    return ERR_OK;
}

/* Numbers of inputs, constants and captured tensors stay those of the joint graph. */
static enum err begin(struct copier *c, const struct joint_plan *p, bool backward, struct graph *to)
{
    const struct graph *g = p->g;
    *c = (struct copier){.p = p, .from = g, .to = to, .backward = backward};
    graph_init(to, p->arena, g->name);
    c->value = none(p->arena, g->value.n);
    c->storage = none(p->arena, g->storage.n);
    c->node = none(p->arena, g->node.n);
    c->base = arena_array(p->arena, g->storage.n + 1, sizeof *c->base);
    if (!c->value || !c->storage || !c->node || !c->base) return no_memory();
    to->n_inputs = g->n_inputs;
    to->n_tangents = backward ? g->n_tangents : 0;
    to->n_streams = g->n_streams;
    to->exact = g->exact;
    for (size_t i = 0; i < g->captured.n; i++) {
        struct graph_captured *captured = LIST_PUSH(&to->captured);
        if (!captured) return no_memory();
        *captured = g->captured.p[i];
    }
    for (size_t i = 0; i < g->constant.n; i++) {
        struct plumb_tensor **constant = LIST_PUSH(&to->constant);
        if (!constant) return no_memory();
        *constant = g->constant.p[i];
    }
    return copy_names(&g->names, &to->names);
}

/* ---- values ---- */

/* The storage of a value that has that origin in the new graph. What is given, begins it. */
static enum err copy_storage(struct copier *c, const struct graph_value *v,
                             enum graph_origin origin, int *out)
{
    int *at = &c->storage[v->storage], value = (int)c->to->value.n;
    if (*at < 0) {
        *at = graph_add_storage(c->to, &(struct graph_storage){.origin = origin, .value = value});
        if (c->backward && origin != GRAPH_MADE)
            c->base[v->storage] = v->view.offset * (int64_t)dtype_size(v->view.dtype);
    }
    *out = *at;
    return *at < 0 ? no_memory() : ERR_OK;
}

static enum err move_view(const struct copier *c, struct graph_value *v, int storage)
{
    int64_t item = (int64_t)dtype_size(v->view.dtype);
    if (c->base[storage] % item)
        FAIL(ERR_UNSUPPORTED, "%s begins within an element of what is saved of its memory",
             v->name);
    v->view.offset -= c->base[storage] / item;
    return ERR_OK;
}

/* What the forward wrote is written no more in the backward. */
static int version_of(const struct copier *c, const struct graph_value *v)
{
    return c->backward && !c->p->late_storage[v->storage] ? 0 : v->version;
}

/* `as` has the origin, maker and result that the value has in the new graph. */
static enum err add_value(struct copier *c, int value, const struct graph_value *as)
{
    const struct graph_value *from = &c->from->value.p[value];
    struct graph_value v = *from;
    bool made = as->origin == GRAPH_MADE;
    v.origin = as->origin;
    v.index = as->index;
    v.maker = as->maker;
    v.result = as->result;
    v.version = version_of(c, from);
    enum graph_origin origin = made ? c->from->storage.p[from->storage].origin : as->origin;
    TRY(copy_storage(c, from, origin, &v.storage));
    TRY(move_view(c, &v, from->storage));
    struct graph_storage *s = &c->to->storage.p[v.storage];
    if (s->n_versions <= v.version) s->n_versions = v.version + 1;
    c->value[value] = graph_add_value(c->to, &v);
    return c->value[value] < 0 ? no_memory() : ERR_OK;
}

static enum err add_given(struct copier *c, int value)
{
    const struct graph_value *v = &c->from->value.p[value];
    return add_value(
        c, value,
        &(struct graph_value){
            .origin = v->origin, .index = v->index, .maker = GRAPH_NONE, .result = v->result});
}

/* A value that a call makes, or one that is another view of what it wrote. */
static enum err add_made(struct copier *c, int value)
{
    const struct graph_value *v = &c->from->value.p[value];
    return add_value(c, value,
                     &(struct graph_value){.origin = v->origin,
                                           .index = v->index,
                                           .maker = v->maker < 0 ? GRAPH_NONE : c->node[v->maker],
                                           .result = v->result});
}

/* ---- nodes ---- */

static int *copy_values(struct copier *c, const int *from, int n)
{
    int *to = arena_array(c->p->arena, (size_t)n + 1, sizeof *to);
    for (int i = 0; to && i < n; i++) to[i] = from[i] < 0 ? GRAPH_NONE : c->value[from[i]];
    return to;
}

static enum err add_results(struct copier *c, const int *value, int n)
{
    for (int i = 0; i < n; i++)
        if (value[i] >= 0 && c->value[value[i]] < 0) TRY(add_made(c, value[i]));
    return ERR_OK;
}

/* A call that is made again for one of its results makes the others too, beside those saved. */
static enum err make_beside(struct copier *c, int node, struct graph_node *n)
{
    for (int r = 0; n->recomputed && r < n->n_out; r++) {
        if (n->out[r] < 0 || c->to->value.p[n->out[r]].maker == c->node[node]) continue;
        struct graph_value v = c->to->value.p[n->out[r]];
        v.origin = GRAPH_MADE;
        v.index = 0;
        v.maker = c->node[node];
        v.result = r;
        v.view.offset = 0;
        v.name = graph_new_name(c->to, v.name);
        v.storage = graph_add_storage(
            c->to, &(struct graph_storage){.origin = GRAPH_MADE, .value = (int)c->to->value.n});
        if (v.storage < 0 || !v.name || (n->out[r] = graph_add_value(c->to, &v)) < 0)
            return no_memory();
    }
    return ERR_OK;
}

/* Another view of what was written comes into being where it is first taken. */
static enum err copy_node(struct copier *c, int node)
{
    struct graph_node n = c->from->node.p[node];
    c->node[node] = (int)c->to->node.n;
    TRY(add_results(c, n.in, n.n_in));
    TRY(add_results(c, n.after, n.n_in));
    TRY(add_results(c, n.out, n.n_out));
    n.recomputed = c->backward && c->p->forward[node];
    n.in = copy_values(c, n.in, n.n_in);
    n.after = copy_values(c, n.after, n.n_in);
    n.out = copy_values(c, n.out, n.n_out);
    if (!n.in || !n.after || !n.out) return no_memory();
    TRY(make_beside(c, node, &n));
    return graph_add_node(c->to, &n) < 0 ? no_memory() : ERR_OK;
}

/* ---- outputs ---- */

static enum err add_output(struct graph *to, int value, enum graph_gives gives, int index)
{
    struct graph_output *o = LIST_PUSH(&to->output);
    if (!o) return no_memory();
    *o = (struct graph_output){.value = value, .gives = gives, .index = index};
    return ERR_OK;
}

/* A leaf is named by its value in the graph that gives its gradient. */
static enum err copy_outputs(struct copier *c)
{
    for (size_t i = 0; i < c->from->output.n; i++) {
        struct graph_output o = c->from->output.p[i];
        if ((o.gives == GRAPH_GRADIENT) != c->backward) continue;
        if (o.value >= 0) TRY(add_results(c, &o.value, 1));
        if (o.gives == GRAPH_LEAF_GRAD) o.index = c->value[o.index];
        TRY(add_output(c->to, o.value < 0 ? GRAPH_NONE : c->value[o.value], o.gives, o.index));
    }
    return ERR_OK;
}

enum err joint_forward(const struct joint_plan *p, struct graph *out)
{
    struct copier c;
    TRY(begin(&c, p, false, out));
    const struct graph *g = p->g;
    for (int v = 0; v < (int)g->value.n; v++)
        if (joint_is_given(&g->value.p[v])) TRY(add_given(&c, v));
    for (int i = 0; i < (int)g->node.n; i++)
        if (p->forward[i]) TRY(copy_node(&c, i));
    TRY(copy_outputs(&c));
    for (int v = 0; v < (int)g->value.n; v++) {
        if (joint_is_late(p, v) || p->fate[v] != JOINT_SAVED) continue;
        TRY(add_results(&c, &v, 1));
        TRY(add_output(out, c.value[v], GRAPH_SAVE, out->n_saved++));
    }
    return ERR_OK;
}

/* ---- the backward ---- */

/* What it is given: of the forward's inputs those that it needs, what is saved, then tangents. */
static enum err add_inputs(struct copier *c)
{
    const struct graph *g = c->from;
    const struct joint_plan *p = c->p;
    for (int v = 0; v < (int)g->value.n; v++)
        if (!joint_is_late(p, v) && p->fate[v] == JOINT_INPUT) TRY(add_given(c, v));
    for (int v = 0; v < (int)g->value.n; v++) {
        if (joint_is_late(p, v) || p->fate[v] != JOINT_SAVED) continue;
        TRY(add_value(c, v,
                      &(struct graph_value){.origin = GRAPH_SAVED,
                                            .index = c->to->n_saved++,
                                            .maker = GRAPH_NONE,
                                            .result = GRAPH_NONE}));
    }
    for (int v = 0; v < (int)g->value.n; v++)
        if (g->value.p[v].origin == GRAPH_TANGENT) TRY(add_given(c, v));
    return ERR_OK;
}

struct again {
    struct copier *c;
    int *todo; /* nodes to compute again, found from their users */
    int n;
    bool *marked;
};

static void call_again(struct again *a, const int *value, int n)
{
    for (int i = 0; i < n; i++) {
        if (value[i] < 0) continue;
        int maker = a->c->from->value.p[value[i]].maker;
        if (maker < 0 || a->c->value[value[i]] >= 0 || a->marked[maker]) continue;
        if (!a->c->p->backward[maker] || a->c->p->late[maker]) continue;
        a->marked[maker] = true;
        a->todo[a->n++] = maker;
    }
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* What the values need that was not computed again yet, in the order of the joint graph. */
static enum err compute_again(struct again *a, const int *value, int n)
{
    a->n = 0;
    call_again(a, value, n);
    for (int i = 0; i < a->n; i++) {
        const struct graph_node *node = &a->c->from->node.p[a->todo[i]];
        call_again(a, node->in, node->n_in);
    }
    qsort(a->todo, (size_t)a->n, sizeof *a->todo, by_number);
    for (int i = 0; i < a->n; i++) TRY(copy_node(a->c, a->todo[i]));
    return ERR_OK;
}

static enum err begin_again(struct again *a, struct copier *c)
{
    size_t n = c->from->node.n + 1;
    *a = (struct again){.c = c,
                        .todo = arena_array(c->p->arena, n, sizeof *a->todo),
                        .marked = arena_array(c->p->arena, n, sizeof *a->marked)};
    return a->todo && a->marked ? ERR_OK : no_memory();
}

enum err joint_backward(const struct joint_plan *p, struct graph *out)
{
    struct copier c;
    struct again again;
    const struct graph *g = p->g;
    TRY(begin(&c, p, true, out));
    TRY(begin_again(&again, &c));
    TRY(add_inputs(&c));
    for (int i = 0; i < (int)g->node.n; i++) {
        if (!p->backward[i] || !p->late[i]) continue;
        TRY(compute_again(&again, g->node.p[i].in, g->node.p[i].n_in));
        TRY(copy_node(&c, i));
    }
    for (size_t i = 0; i < g->output.n; i++)
        if (g->output.p[i].gives == GRAPH_GRADIENT)
            TRY(compute_again(&again, &g->output.p[i].value, 1));
    return copy_outputs(&c);
}
