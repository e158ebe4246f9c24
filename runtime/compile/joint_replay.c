/* joint_replay.c - gradients where a loss uses some results only: the calls again, one by one. */
#include <string.h>

#include "runtime/compile/joint.h"
#include "runtime/session.h"

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for calling a function's operators again");
}

/* ---- keeping a graph ---- */

static enum err copy_ints(struct arena *a, int **p, int n)
{
    int *to = arena_array(a, (size_t)n + 1, sizeof *to);
    if (!to) return no_memory();
    memcpy(to, *p, (size_t)n * sizeof *to);
    *p = to;
    return ERR_OK;
}

static enum err copy_node(struct arena *a, struct graph_node *n)
{
    size_t params = (size_t)n->op->s.n_params;
    struct op_value *arg = arena_array(a, params + 1, sizeof *arg);
    if (!arg) return no_memory();
    memcpy(arg, n->arg, params * sizeof *arg);
    n->arg = arg;
    TRY(copy_ints(a, &n->in, n->n_in));
    TRY(copy_ints(a, &n->after, n->n_in));
    return copy_ints(a, &n->out, n->n_out);
}

#define COPY_LIST(from, to)                                                                        \
    for (size_t i = 0; i < (from)->n; i++) {                                                       \
        void *at = LIST_PUSH(to);                                                                  \
        if (!at) return no_memory();                                                               \
        memcpy(at, &(from)->p[i], sizeof *(from)->p);                                              \
    }

enum err joint_keep(const struct graph *g, struct graph *out)
{
    graph_init(out, g->arena, g->name);
    out->n_inputs = g->n_inputs;
    COPY_LIST(&g->value, &out->value);
    COPY_LIST(&g->node, &out->node);
    COPY_LIST(&g->storage, &out->storage);
    COPY_LIST(&g->output, &out->output);
    COPY_LIST(&g->captured, &out->captured);
    COPY_LIST(&g->constant, &out->constant);
    for (size_t i = 0; i < out->node.n; i++) TRY(copy_node(g->arena, &out->node.p[i]));
    return ERR_OK;
}

/* ---- calling again ---- */

struct replay {
    const struct joint_replay *r;
    const struct graph *g;
    struct arena *arena;         /* of the replay's frame */
    struct plumb_tensor **value; /* per value, when it is made */
};

/* What stands for a given tensor: a leaf, wherever the tensor itself came from. */
static enum err stand_in(const struct graph_value *v, struct plumb_tensor *t,
                         struct plumb_tensor **out)
{
    TRY(tensor_view(t, &t->view, out));
    (*out)->requires_grad = v->requires_grad;
    return ERR_OK;
}

static enum err take_given(const struct replay *p, int value)
{
    const struct graph_value *v = &p->g->value.p[value];
    struct plumb_tensor **to = &p->value[value];
    switch (v->origin) {
    case GRAPH_INPUT: return stand_in(v, p->r->input[v->index], to);
    case GRAPH_CONSTANT: *to = p->g->constant.p[v->index]; return ERR_OK;
    case GRAPH_CAPTURED:
        if (p->r->captured[v->index]) return stand_in(v, p->r->captured[v->index], to);
        FAIL(
            ERR_UNSUPPORTED,
            "%s takes a gradient that it replaces, so that it cannot be called again; a loss is to "
            "use all of its results, or none that want gradients",
            p->g->name);
    default: FAIL(ERR_FORMAT, "%s of %s has no maker", v->name, p->g->name);
    }
}

static enum err view_of(const struct graph_value *v, const struct graph_value *w,
                        const struct plumb_tensor *t, struct plumb_tensor **out)
{
    struct view at = v->view;
    int64_t apart = (t->view.offset - w->view.offset) * (int64_t)dtype_size(w->view.dtype);
    at.offset += apart / (int64_t)dtype_size(v->view.dtype);
    return tensor_view(t, &at, out);
}

/* What no call gave, of what was written: the tensor that it was before, which gradients go back
 * through as they did; else a view laid out from another. */
static enum err take_alias(const struct replay *p, int value)
{
    const struct graph_value *v = &p->g->value.p[value];
    const struct graph_value *other = NULL;
    const struct plumb_tensor *t = NULL;
    for (size_t i = 0; i < p->g->value.n; i++) {
        const struct graph_value *w = &p->g->value.p[i];
        if (!p->value[i] || w->storage != v->storage) continue;
        other = w;
        t = p->value[i];
        if (w->real != v->real) continue;
        p->value[value] = p->value[i];
        return ERR_OK;
    }
    if (t) return view_of(v, other, t, &p->value[value]);
    FAIL(ERR_FORMAT, "%s of %s views what nothing made", v->name, p->g->name);
}

static enum err take(const struct replay *p, int value, struct plumb_tensor **out)
{
    *out = NULL;
    if (value < 0) return ERR_OK;
    bool made = p->g->value.p[value].maker >= 0;
    if (!p->value[value]) TRY(made ? take_alias(p, value) : take_given(p, value));
    *out = p->value[value];
    return ERR_OK;
}

static enum err take_arguments(const struct replay *p, const struct graph_node *n,
                               struct op_value *arg)
{
    for (int i = 0, slot = 0; i < n->op->s.n_params; i++) {
        arg[i] = n->arg[i];
        if (arg[i].kind == OP_TENSOR) TRY(take(p, n->in[slot++], &arg[i].t));
        if (arg[i].kind != OP_TENSORS) continue;
        struct plumb_tensor **list = arena_array(p->arena, (size_t)arg[i].n + 1, sizeof *list);
        if (!list) return no_memory();
        arg[i].ts = list;
        for (int k = 0; k < arg[i].n; k++) TRY(take(p, n->in[slot++], &list[k]));
    }
    return ERR_OK;
}

static enum err call(const struct replay *p, const struct graph_node *n)
{
    struct thread *t = &thread_self;
    struct op_value arg[OP_ARGS];
    struct op_results results;
    TRY(take_arguments(p, n, arg));
    if (n->op->flags & OP_RANDOM) t->generator = (uint64_t)(p->r->stream + n->stream);
    int depth = t->no_grad;
    t->no_grad = n->no_grad;
    enum err err = op_run(n->op, arg, n->op->s.n_params, &results);
    t->no_grad = depth;
    TRY(err);
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] >= 0) p->value[n->out[i]] = results.p[i];
    for (int i = 0; i < n->n_in; i++)
        if (n->after[i] >= 0) TRY(take(p, n->in[i], &p->value[n->after[i]]));
    return ERR_OK;
}

/* What a call wrote that is not the function's own would be written twice. */
static enum err check_writes(const struct graph *g)
{
    for (size_t i = 0; i < g->node.n; i++)
        for (int k = 0; k < g->node.p[i].n_in; k++) {
            int after = g->node.p[i].after[k];
            if (after < 0 || g->storage.p[g->value.p[after].storage].origin == GRAPH_MADE) continue;
            FAIL(ERR_UNSUPPORTED,
                 "%s writes a tensor that it was given, so that it cannot be called again; a loss "
                 "is to use all of its results, or none that want gradients",
                 g->name);
        }
    return ERR_OK;
}

/* ---- walking back ---- */

static enum err walk(const struct replay *p, struct tape_gifts *gifts)
{
    const struct graph *g = p->g;
    struct plumb_tensor **y = arena_array(p->arena, g->output.n + 1, sizeof *y);
    struct plumb_tensor **grad = arena_array(p->arena, g->output.n + 1, sizeof *grad);
    int n = 0;
    if (!y || !grad) return no_memory();
    for (size_t i = 0; i < g->output.n; i++) {
        const struct graph_output *o = &g->output.p[i];
        if (o->gives != GRAPH_RESULT || !p->r->grad[o->index]) continue;
        grad[n] = p->r->grad[o->index];
        TRY(take(p, o->value, &y[n++]));
    }
    return tape_gradients(y, grad, n, thread_self.frame, gifts);
}

/* Gradients go to the frame around, where the walk goes on. */
static void move_out(struct plumb_tensor *grad)
{
    struct frame *own = thread_self.frame;
    if (grad->frame != own) return;
    tensor_keep(grad);
    tensor_give(grad, own->outer);
}

static enum err name_gifts(const struct replay *p, const struct tape_gifts *gifts,
                           struct joint_gifts *out)
{
    for (size_t i = 0; i < gifts->gift.n; i++)
        for (size_t v = 0; v < p->g->value.n; v++) {
            if (p->value[v] != gifts->gift.p[i].leaf || p->g->value.p[v].maker >= 0) continue;
            struct joint_gift *to = LIST_PUSH(&out->gift);
            if (!to) return no_memory();
            *to = (struct joint_gift){.origin = p->g->value.p[v].origin,
                                      .index = p->g->value.p[v].index,
                                      .grad = gifts->gift.p[i].grad};
            move_out(to->grad);
            break;
        }
    return ERR_OK;
}

static enum err replay(struct replay *p, struct tape_gifts *gifts)
{
    p->arena = &thread_self.frame->arena;
    p->value = arena_array(p->arena, p->g->value.n + 1, sizeof *p->value);
    if (!p->value) return no_memory();
    for (size_t i = 0; i < p->g->node.n; i++) TRY(call(p, &p->g->node.p[i]));
    return walk(p, gifts);
}

enum err joint_replay(const struct joint_replay *r, struct joint_gifts *out)
{
    struct replay p = {.r = r, .g = r->g};
    struct tape_gifts gifts = {0};
    uint64_t generator = thread_self.generator;
    TRY(check_writes(r->g));
    if (plumb_frame_begin()) return ERR_NOMEM;
    enum err err = replay(&p, &gifts);
    if (!err) err = name_gifts(&p, &gifts, out);
    LIST_RELEASE(&gifts.gift);
    thread_self.generator = generator;
    plumb_frame_end();
    return err;
}
