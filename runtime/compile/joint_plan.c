/* joint_plan.c - what of a joint graph the forward computes, and what the backward needs of it. */
#include "runtime/compile/joint_plan.h"

static enum err allocate(struct joint_plan *p)
{
    const struct graph *g = p->g;
    struct arena *a = p->arena;
    size_t nodes = g->node.n + 1, values = g->value.n + 1, storages = g->storage.n + 1;
    bool **flags[] = {&p->late, &p->forward, &p->backward, &p->needed};
    bool ok = true;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        ok = (*flags[i] = arena_array(a, nodes, sizeof(bool))) && ok;
    ok = (p->late_storage = arena_array(a, storages, sizeof(bool))) && ok;
    ok = (p->last = arena_array(a, storages, sizeof(int))) && ok;
    ok = (p->root = arena_array(a, values, sizeof(int))) && ok;
    ok = (p->wanted = arena_array(a, values, sizeof(bool))) && ok;
    ok = (p->result = arena_array(a, values, sizeof(bool))) && ok;
    ok = (p->direct = arena_array(a, values, sizeof(bool))) && ok;
    ok = (p->ban = arena_array(a, values, sizeof *p->ban)) && ok;
    ok = (p->fate = arena_array(a, values, sizeof *p->fate)) && ok;
    return ok ? ERR_OK : err_set(ERR_NOMEM, "out of memory for splitting a graph");
}

/* ---- late nodes ---- */

static bool becomes_late(const struct joint_plan *p, const struct graph_node *n)
{
    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i] >= 0 && joint_is_late(p, n->in[i])) return true;
        if (n->after[i] >= 0 && p->late_storage[p->g->value.p[n->after[i]].storage]) return true;
    }
    for (int r = 0; r < n->n_out; r++)
        if (n->out[r] >= 0 && p->late_storage[p->g->value.p[n->out[r]].storage]) return true;
    return false;
}

/* Storages that a late node writes are made late too: what is saved is never written. */
static enum err mark_written(struct joint_plan *p, const struct graph_node *n, bool *changed)
{
    const struct graph *g = p->g;
    for (int i = 0; i < n->n_in; i++) {
        if (n->after[i] < 0) continue;
        const struct graph_value *v = &g->value.p[n->after[i]];
        if (g->storage.p[v->storage].origin != GRAPH_MADE)
            FAIL(ERR_UNSUPPORTED, "%s writes %s while gradients are computed, which was given",
                 n->op->s.name, v->name);
        *changed = *changed || !p->late_storage[v->storage];
        p->late_storage[v->storage] = true;
    }
    return ERR_OK;
}

static enum err mark_late(struct joint_plan *p)
{
    bool changed = true;
    while (changed) {
        changed = false;
        for (size_t i = 0; i < p->g->node.n; i++) {
            const struct graph_node *n = &p->g->node.p[i];
            p->late[i] = p->late[i] || becomes_late(p, n);
            if (p->late[i]) TRY(mark_written(p, n, &changed));
        }
    }
    return ERR_OK;
}

/* ---- what the forward computes whatever is saved ---- */

static bool writes_given(const struct joint_plan *p, const struct graph_node *n)
{
    for (int i = 0; i < n->n_in; i++) {
        if (n->after[i] < 0) continue;
        int storage = p->g->value.p[n->after[i]].storage;
        if (p->g->storage.p[storage].origin != GRAPH_MADE) return true;
    }
    return false;
}

static void want(const struct joint_plan *p, bool *node, int value)
{
    if (value >= 0 && p->g->value.p[value].maker >= 0) node[p->g->value.p[value].maker] = true;
}

/* What the marked nodes are computed from is marked as well. */
static void close_over(const struct joint_plan *p, bool *node)
{
    for (int i = (int)p->g->node.n - 1; i >= 0; i--)
        for (int k = 0; node[i] && k < p->g->node.p[i].n_in; k++)
            want(p, node, p->g->node.p[i].in[k]);
}

static enum err mark_forward(struct joint_plan *p)
{
    const struct graph *g = p->g;
    for (size_t i = 0; i < g->output.n; i++)
        if (g->output.p[i].gives != GRAPH_GRADIENT) want(p, p->forward, g->output.p[i].value);
    for (size_t i = 0; i < g->node.n; i++)
        if (!p->late[i] && writes_given(p, &g->node.p[i])) p->forward[i] = true;
    close_over(p, p->forward);
    for (size_t i = 0; i < g->node.n; i++)
        if (p->forward[i] && p->late[i])
            FAIL(ERR_FORMAT, "a result of %s depends on its own gradients, through %s", g->name,
                 g->node.p[i].name);
    return ERR_OK;
}

/* A call of a gradient rule that the function's results do not need. */
static bool is_rules(const struct joint_plan *p, size_t node)
{
    return p->g->node.p[node].phase == GRAPH_BACKWARD && !p->forward[node];
}

/* When nothing is computed again, gradient rules run in the backward: in the forward they would
 * make what is then saved. */
static enum err keep_rules_late(struct joint_plan *p)
{
    if (!p->options->save_all) return ERR_OK;
    for (size_t i = 0; i < p->g->node.n; i++) p->late[i] = p->late[i] || is_rules(p, i);
    TRY(mark_late(p));
    return mark_forward(p);
}

/* ---- what the backward takes of it ---- */

static void take_value(const struct joint_plan *p, const bool *mine, int value, bool *needed,
                       bool *wanted)
{
    const struct graph_value *v = value < 0 ? NULL : &p->g->value.p[value];
    if (!v || v->origin == GRAPH_TANGENT) return;
    if (v->maker >= 0 && mine[v->maker]) needed[v->maker] = true;
    else wanted[value] = true;
}

/* Values that nodes of the backward take, where `mine` says which nodes those are. */
static void take_values(const struct joint_plan *p, const bool *mine, bool *needed, bool *wanted)
{
    const struct graph *g = p->g;
    for (size_t i = 0; i < g->output.n; i++) {
        const struct graph_output *o = &g->output.p[i];
        if (o->gives == GRAPH_GRADIENT) take_value(p, mine, o->value, needed, wanted);
    }
    for (int i = (int)g->node.n - 1; i >= 0; i--)
        for (int k = 0; needed[i] && k < g->node.p[i].n_in; k++)
            take_value(p, mine, g->node.p[i].in[k], needed, wanted);
}

/* What a backward of gradient rules alone would have the forward keep. */
static enum err find_direct(struct joint_plan *p)
{
    const struct graph *g = p->g;
    bool *mine = arena_array(p->arena, g->node.n + 1, sizeof *mine);
    bool *needed = arena_array(p->arena, g->node.n + 1, sizeof *needed);
    bool *wanted = arena_array(p->arena, g->value.n + 1, sizeof *wanted);
    if (!mine || !needed || !wanted) FAIL(ERR_NOMEM, "out of memory for splitting a graph");
    for (size_t i = 0; i < g->node.n; i++) mine[i] = p->late[i] || is_rules(p, i);
    take_values(p, mine, needed, wanted);
    for (size_t v = 0; v < g->value.n; v++) {
        int root = p->root[v];
        if (!wanted[v] || p->direct[root]) continue;
        p->direct[root] = true;
        if (!joint_is_given(&g->value.p[root]))
            p->all_bytes += view_n_bytes(&g->value.p[root].view);
    }
    return ERR_OK;
}

/* ---- values ---- */

static void find_roots(struct joint_plan *p)
{
    const struct graph *g = p->g;
    for (size_t i = 0; i < g->value.n; i++) p->root[i] = (int)i;
    for (size_t i = 0; i < g->node.n; i++) {
        const struct graph_node *n = &g->node.p[i];
        if (n->op->class != OP_VIEW || p->late[i]) continue;
        for (int r = 0; r < n->n_out; r++)
            for (int k = 0; n->out[r] >= 0 && k < n->n_in; k++)
                if (n->in[k] >= 0 && g->value.p[n->in[k]].storage == g->value.p[n->out[r]].storage)
                    p->root[n->out[r]] = p->root[n->in[k]];
    }
}

static void find_last(struct joint_plan *p)
{
    for (size_t i = 0; i < p->g->value.n; i++) {
        const struct graph_value *v = &p->g->value.p[i];
        if (!joint_is_late(p, (int)i) && v->version > p->last[v->storage])
            p->last[v->storage] = v->version;
    }
}

static bool takes_memory(const struct op *op)
{
    return op->class == OP_OPAQUE && !(op->flags & OP_BY_NESTS);
}

/* Functions that take longer than a value takes to go to memory and back: 1 to 3 ns against 1. */
static bool calls_dear(const char *body)
{
    static const char *const names[] = {"tan", "sin", "cos", "erf", "gelu", "pow"};
    for (size_t i = 0; body && i < sizeof names / sizeof *names; i++)
        if (strstr(body, names[i])) return true;
    return false;
}

/* Sums, scans, what runs in order and such functions cost more than the bytes that they save. */
static enum err find_dear(const struct joint_plan *p, int node, struct arena *scratch,
                          enum joint_reason *out)
{
    const struct op *op = p->g->node.p[node].op;
    struct op_call c;
    *out = JOINT_CHEAP;
    if (!p->forward[node]) return ERR_OK; /* once is not again */
    if (op->class == OP_OPAQUE) {
        if (takes_memory(op)) *out = JOINT_OPAQUE;
        else if (!(op->flags & OP_MOVES)) *out = JOINT_DEAR;
    }
    if (op->class != OP_NEST) return ERR_OK;
    arena_clear(scratch);
    TRY(graph_op_call(p->g, node, scratch, &c));
    if (c.plan.n_inner || op->flags & OP_SERIAL || calls_dear(c.body)) *out = JOINT_DEAR;
    return ERR_OK;
}

static enum err find_ban(const struct joint_plan *p, int node, struct arena *scratch,
                         enum joint_reason *out)
{
    const struct graph *g = p->g;
    const struct graph_node *n = &g->node.p[node];
    *out = JOINT_WRITTEN;
    for (int i = 0; i < n->n_in; i++) {
        const struct graph_value *v = n->in[i] < 0 ? NULL : &g->value.p[n->in[i]];
        if (v && (n->after[i] >= 0 || v->version != p->last[v->storage])) return ERR_OK;
    }
    for (int r = 0; r < n->n_out; r++)
        if (n->out[r] >= 0 && p->last[g->value.p[n->out[r]].storage]) return ERR_OK;
    return find_dear(p, node, scratch, out);
}

static enum err find_bans(struct joint_plan *p)
{
    const struct graph *g = p->g;
    struct arena scratch = {0};
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < g->node.n; i++) {
        const struct graph_node *n = &g->node.p[i];
        enum joint_reason ban = JOINT_CHEAP;
        if (p->late[i] || n->op->class == OP_VIEW) continue;
        err = find_ban(p, (int)i, &scratch, &ban);
        for (int r = 0; r < n->n_out; r++)
            if (n->out[r] >= 0) p->ban[n->out[r]] = ban;
        for (int k = 0; k < n->n_in; k++)
            if (n->after[k] >= 0) p->ban[n->after[k]] = ban;
    }
    arena_release(&scratch);
    return err;
}

/* What a kernel of the backward takes that no other call fuses with. */
static void find_stored(struct joint_plan *p)
{
    const struct graph *g = p->g;
    for (size_t i = 0; i < g->node.n; i++) {
        const struct graph_node *n = &g->node.p[i];
        if (!p->needed[i] || !takes_memory(n->op)) continue;
        for (int k = 0; k < n->n_in; k++) {
            if (n->in[k] < 0 || joint_is_late(p, n->in[k])) continue;
            int root = p->root[n->in[k]], maker = g->value.p[root].maker;
            bool again = maker >= 0 && p->forward[maker] && p->ban[root] == JOINT_CHEAP;
            if (again) p->ban[root] = JOINT_STORED;
        }
    }
}

static void find_results(struct joint_plan *p)
{
    for (size_t i = 0; i < p->g->output.n; i++) {
        const struct graph_output *o = &p->g->output.p[i];
        if (o->gives != GRAPH_GRADIENT && o->value >= 0) p->result[p->root[o->value]] = true;
    }
}

enum err joint_plan(const struct graph *g, const struct joint_options *o, struct arena *arena,
                    struct joint_plan *out)
{
    static const struct joint_options none;
    struct joint_plan *p = out;
    *p = (struct joint_plan){.g = g, .arena = arena, .options = o ? o : &none};
    TRY(allocate(p));
    TRY(mark_late(p));
    TRY(mark_forward(p));
    TRY(keep_rules_late(p));
    find_roots(p);
    find_last(p);
    find_results(p);
    TRY(find_bans(p));
    take_values(p, p->late, p->needed, p->wanted);
    find_stored(p);
    TRY(find_direct(p));
    TRY(joint_choose(p));
    close_over(p, p->forward);
    return ERR_OK;
}
