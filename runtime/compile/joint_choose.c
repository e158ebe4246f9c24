/* joint_choose.c - which values the forward saves: the cheapest cut before the backward.
 *
 *            ∞ (may not be computed again)
 *   source ─────────► in ── bytes ──► out ── ∞ ──► in of what is computed from it
 *                                      └──── ∞ ──► sink, where the backward takes it
 *
 * Views are not points of their own: they cost nothing to make, and saving one keeps the memory of
 * what it is a view of. What is given, and results, are there anyway and are no points either.
 */
#include "runtime/compile/joint_cut.h"
#include "runtime/compile/joint_plan.h"

static int point_in(int value)
{
    return CUT_POINTS + 2 * value;
}
static int point_out(int value)
{
    return point_in(value) + 1;
}

/* Not what is overwritten by the function, nor what its caller may overwrite: a result, unless a
 * gradient rule takes it, as then the caller may not. */
static bool may_save(const struct joint_plan *p, int root)
{
    const struct graph_value *v = &p->g->value.p[root];
    return v->version == p->last[v->storage] && (!p->result[root] || p->direct[root]);
}

/* There without a price: given to the backward too, or kept by the caller. */
static bool is_there(const struct joint_plan *p, int root)
{
    return joint_is_given(&p->g->value.p[root]) || (p->result[root] && may_save(p, root));
}

static int64_t price_of(const struct joint_plan *p, int root)
{
    const struct graph_value *v = &p->g->value.p[root];
    if (!may_save(p, root)) return CUT_NEVER;
    return p->g->storage.p[v->storage].origin == GRAPH_MADE ? view_n_bytes(&v->view) : 0;
}

static enum err add_point(const struct joint_plan *p, struct cut *c, int root)
{
    const struct graph *g = p->g;
    const struct graph_node *n = &g->node.p[g->value.p[root].maker];
    TRY(cut_edge(c, point_in(root), point_out(root), price_of(p, root)));
    if (p->ban[root] != JOINT_CHEAP || g->value.p[root].result == GRAPH_NONE)
        return cut_edge(c, CUT_SOURCE, point_in(root), CUT_NEVER);
    for (int i = 0; i < n->n_in; i++) {
        int from = n->in[i] < 0 ? GRAPH_NONE : p->root[n->in[i]];
        if (from >= 0 && !is_there(p, from))
            TRY(cut_edge(c, point_out(from), point_in(root), CUT_NEVER));
    }
    return ERR_OK;
}

static enum err add_points(const struct joint_plan *p, struct cut *c)
{
    for (int v = 0; v < (int)p->g->value.n; v++) {
        if (joint_is_late(p, v)) continue;
        if (p->root[v] == v && !is_there(p, v)) TRY(add_point(p, c, v));
        if (p->wanted[v] && !is_there(p, p->root[v]))
            TRY(cut_edge(c, point_out(p->root[v]), CUT_SINK, CUT_NEVER));
    }
    return ERR_OK;
}

/* ---- from what the backward takes, down to what is saved ---- */

struct walk {
    struct joint_plan *p;
    const bool *after; /* of the cut; NULL: everything is saved */
    int *todo;         /* values to look at */
    int n;
    bool *seen;
};

static bool is_saved(const struct walk *w, int value)
{
    const struct joint_plan *p = w->p;
    if (p->root[value] != value) return false;
    if (is_there(p, value) || !w->after) return true;
    return w->after[point_out(value)] && !w->after[point_in(value)];
}

static void visit(struct walk *w, int value)
{
    if (value < 0 || w->seen[value]) return;
    w->seen[value] = true;
    w->todo[w->n++] = value;
}

static void settle(struct walk *w, int value)
{
    struct joint_plan *p = w->p;
    const struct graph_value *v = &p->g->value.p[value];
    if (joint_is_lasting(p, value)) {
        p->fate[value] = JOINT_INPUT;
        return;
    }
    if (is_saved(w, value)) {
        p->fate[value] = JOINT_SAVED;
        if (v->maker >= 0) p->forward[v->maker] = true;
        if (!p->result[value]) p->saved_bytes += price_of(p, value);
        return;
    }
    p->fate[value] = JOINT_RECOMPUTED;
    p->backward[v->maker] = true;
    const struct graph_node *n = &p->g->node.p[v->maker];
    for (int i = 0; i < n->n_in; i++) visit(w, n->in[i]);
}

static enum err walk_down(struct joint_plan *p, const bool *after)
{
    size_t n = p->g->value.n + 1;
    struct walk w = {.p = p,
                     .after = after,
                     .todo = arena_array(p->arena, n, sizeof *w.todo),
                     .seen = arena_array(p->arena, n, sizeof *w.seen)};
    if (!w.todo || !w.seen) FAIL(ERR_NOMEM, "out of memory for splitting a graph");
    for (int v = 0; v < (int)p->g->value.n; v++) {
        if (!joint_is_late(p, v)) p->fate[v] = JOINT_NOT_NEEDED;
        if (p->wanted[v]) visit(&w, v);
    }
    while (w.n) settle(&w, w.todo[--w.n]);
    for (size_t i = 0; i < p->g->node.n; i++)
        if (p->late[i]) p->backward[i] = p->needed[i];
    return ERR_OK;
}

static enum err check_price(const struct joint_plan *p, int64_t price)
{
    if (price < CUT_NEVER) return ERR_OK;
    FAIL(ERR_FORMAT, "the gradients of %s need a value that is overwritten before its end",
         p->g->name);
}

enum err joint_choose(struct joint_plan *p)
{
    struct cut c = {0};
    bool *after = NULL;
    int64_t price = 0;
    if (p->options->save_all) return walk_down(p, NULL);
    enum err err = cut_init(&c, CUT_POINTS + 2 * (int)p->g->value.n, p->arena);
    if (!err) err = add_points(p, &c);
    if (!err) err = cut_run(&c, &price, &after);
    if (!err) err = check_price(p, price);
    if (!err) err = walk_down(p, after);
    cut_release(&c);
    return err;
}
