/* joint_trace.c - the calls of gradient rules, added to the trace of a function. */
#include "runtime/session.h"

#include "runtime/compile/joint.h"

/* A result that a call made, and that this is the first to give back. Others have no tangent: an
 * input is the caller's own tensor, an equal result the tensor given before. */
static bool wants_tangent(struct plumb_tensor *const *y, int i)
{
    if (!y[i] || !y[i]->made_by || y[i]->made_by->done) return false;
    for (int k = 0; k < i; k++)
        if (y[k] == y[i]) return false;
    return true;
}

static enum err add_tangents(struct trace *t, struct plumb_tensor *const *y, int n,
                             struct plumb_tensor **tangent, bool *any)
{
    for (int i = 0; i < n; i++) {
        if (!wants_tangent(y, i)) continue;
        TRY(trace_input(t, GRAPH_TANGENT, i, y[i], &tangent[i]));
        *any = true;
    }
    return ERR_OK;
}

static bool is_wanted(const struct trace *t, const struct trace_twin *w)
{
    const struct graph_value *v = &t->graph->value.p[w->value];
    if (!v->requires_grad) return false;
    return v->origin == GRAPH_INPUT ||
           (v->origin == GRAPH_CAPTURED && !t->graph->captured.p[v->index].grad);
}

static enum err give_gradients(struct trace *t, const struct tape_gifts *gifts)
{
    for (size_t i = 0; i < t->twin.n; i++) {
        const struct trace_twin *w = &t->twin.p[i];
        bool none = true;
        if (!is_wanted(t, w)) continue;
        for (size_t k = 0; k < gifts->gift.n; k++) {
            const struct tape_gift *gift = &gifts->gift.p[k];
            if (gift->leaf != w->fake) continue;
            none = false;
            TRY(trace_output(t, gift->grad, GRAPH_GRADIENT, w->value));
        }
        if (none) TRY(trace_output(t, NULL, GRAPH_GRADIENT, w->value));
    }
    return ERR_OK;
}

/* A rule that cannot be followed is no error of the program: it may never ask for gradients. */
static enum err walk(struct trace *t, struct plumb_tensor *const *y,
                     struct plumb_tensor *const *tangent, int n, struct tape_gifts *gifts)
{
    enum err err = tape_gradients(y, tangent, n, t->frame, gifts);
    if (!err || t->broken || err == ERR_NOMEM) return err;
    return trace_break(t, "gradients: %s", err_text());
}

enum err joint_trace(struct trace *t, struct plumb_tensor *const *y, int n)
{
    struct tape_gifts gifts = {0};
    bool any = false;
    struct plumb_tensor **tangent = arena_array(t->graph->arena, (size_t)n + 1, sizeof *tangent);
    if (!tangent) FAIL(ERR_NOMEM, "out of memory for gradients");
    TRY(add_tangents(t, y, n, tangent, &any));
    if (!any) return ERR_OK;
    enum err err = walk(t, y, tangent, n, &gifts);
    if (!err) err = give_gradients(t, &gifts);
    LIST_RELEASE(&gifts.gift);
    return err;
}
