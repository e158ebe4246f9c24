/* compiled_part.c - backward programs for calls of which some results are not used.
 *
 * Of a result that nothing used, no gradient comes: a tape does not walk back from it, and adds
 * nothing for it. Zeros instead would change bits: -0 + 0 is +0, and 0 times infinity is NaN. So
 * the backward graph without those tangents is made and built when it is first asked for. Gradient
 * rules are linear in what comes in:
 *
 *   a call all of whose gradients are absent                gives none
 *   the sum of an absent gradient and another               is the other
 *   any other call                                          has zeros for what is absent
 *
 * None of them writes in place.
 */
#include "runtime/compile/compiled.h"

#include <string.h>

#include "runtime/compile/rewrite.h"
#include "runtime/ops.h"

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for the gradient of a compiled function");
}

struct pruning {
    struct graph *g;
    struct arena *arena;
    const struct op *op; /* the table */
    bool *comes;         /* per value: depends on a tangent */
    bool *absent;        /* per value: of those, none that it depends on came */
    int *order;          /* nodes that stay */
    int n;
};

/* ---- a copy to work on ---- */

static int *copy_numbers(struct arena *a, const int *from, int n)
{
    int *to = arena_array(a, (size_t)n + 1, sizeof *to);
    if (to && n) memcpy(to, from, (size_t)n * sizeof *to);
    return to;
}

static enum err copy_node(struct graph *to, const struct graph_node *from)
{
    struct graph_node n = *from;
    n.in = copy_numbers(to->arena, from->in, from->n_in);
    n.after = copy_numbers(to->arena, from->after, from->n_in);
    n.out = copy_numbers(to->arena, from->out, from->n_out);
    if (!n.in || !n.after || !n.out) return no_memory();
    return graph_add_node(to, &n) < 0 ? no_memory() : ERR_OK;
}

#define COPY_LIST(to, from)                                                                        \
    for (size_t copied = 0; copied < (from).n; copied++) {                                         \
        void *place = LIST_PUSH(&(to));                                                            \
        if (!place) return no_memory();                                                            \
        memcpy(place, &(from).p[copied], sizeof *(from).p);                                        \
    }

static enum err copy_graph(const struct graph *from, struct arena *arena, struct graph *to)
{
    graph_init(to, arena, from->name);
    COPY_LIST(to->value, from->value)
    COPY_LIST(to->storage, from->storage)
    COPY_LIST(to->output, from->output)
    COPY_LIST(to->captured, from->captured)
    COPY_LIST(to->constant, from->constant)
    for (size_t i = 0; i < from->node.n; i++) TRY(copy_node(to, &from->node.p[i]));
    for (size_t i = 0; i < from->names.size; i++) {
        const struct map_slot *s = &from->names.slots[i];
        if ((s->key.lo || s->key.hi) && !map_put(&to->names, s->key, s->value, NULL))
            return no_memory();
    }
    to->n_inputs = from->n_inputs;
    to->n_tangents = from->n_tangents;
    to->n_saved = from->n_saved;
    to->n_streams = from->n_streams;
    to->exact = from->exact;
    return ERR_OK;
}

/* ---- pruning ---- */

/* A gradient that is not there, as one of zeros that is made before node `at`. */
static enum err make_zeros(struct pruning *p, int value, int *out)
{
    int node;
    struct op_value arg[OP_ARGS] = {0};
    const struct view *v = &p->g->value.p[value].view;
    int64_t *size = arena_array(p->arena, (size_t)v->shape.n + 1, sizeof *size);
    if (!size) return no_memory();
    memcpy(size, v->shape.size, (size_t)v->shape.n * sizeof *size);
    arg[0] = (struct op_value){.kind = OP_INTS, .is = size, .n = v->shape.n};
    arg[1] = (struct op_value){.kind = OP_DTYPE, .i = v->dtype};
    TRY(graph_call(p->g, &p->op[OP_ID_zeros], arg, NULL, 0, &node));
    p->g->node.p[node].phase = GRAPH_BACKWARD;
    p->order[p->n++] = node;
    *out = p->g->node.p[node].out[0];
    return ERR_OK;
}

/* The sum of one that came and one that did not. */
static bool is_sum(const struct pruning *p, const struct graph_node *n)
{
    if (n->op != &p->op[OP_ID_add_Tensor] || n->out[0] < 0) return false;
    const struct view *out = &p->g->value.p[n->out[0]].view;
    for (int i = 0; i < 2; i++) {
        const struct view *v = &p->g->value.p[n->in[i]].view;
        if (v->dtype != out->dtype || !view_same_shape(v, out)) return false;
    }
    const struct op_value *alpha = &n->arg[2];
    return alpha->kind == OP_SCALAR && alpha->is_int ? alpha->i == 1 : alpha->r == 1;
}

static enum err become_copy(struct pruning *p, struct graph_node *n)
{
    int other = p->absent[n->in[0]] ? n->in[1] : n->in[0];
    n->op = &p->op[OP_ID_clone];
    n->arg = arena_array(p->arena, OP_ARGS, sizeof *n->arg);
    if (!n->arg) return no_memory();
    n->arg[0].kind = OP_TENSOR;
    n->in[0] = other;
    n->n_in = 1;
    return ERR_OK;
}

static enum err fill_in(struct pruning *p, int node)
{
    for (int k = 0; k < p->g->node.p[node].n_in; k++) {
        int zeros = GRAPH_NONE, value = p->g->node.p[node].in[k];
        if (value < 0 || !p->absent[value]) continue;
        TRY(make_zeros(p, value, &zeros));
        p->g->node.p[node].in[k] = zeros;
    }
    return ERR_OK;
}

static void mark_results(struct pruning *p, const struct graph_node *n, bool absent)
{
    for (int r = 0; r < n->n_out; r++) {
        if (n->out[r] < 0) continue;
        p->comes[n->out[r]] = true;
        p->absent[n->out[r]] = absent;
    }
}

static bool writes(const struct graph_node *n)
{
    for (int k = 0; k < n->n_in; k++)
        if (n->after[k] >= 0) return true;
    return false;
}

/* A sum of an absent gradient and one that a rule made without looking at what came in, as that of
 * x to the power of 0 does: the latter is there. */
static bool keeps_other(const struct pruning *p, const struct graph_node *n)
{
    for (int i = 0; i < 2 && is_sum(p, n); i++) {
        int maker = p->g->value.p[n->in[i]].maker;
        if (!p->comes[n->in[i]] && maker >= 0 && p->g->node.p[maker].phase == GRAPH_BACKWARD)
            return true;
    }
    return false;
}

static enum err prune_node(struct pruning *p, int node)
{
    struct graph_node *n = &p->g->node.p[node];
    int coming = 0, absent = 0;
    for (int k = 0; k < n->n_in; k++) {
        coming += n->in[k] >= 0 && p->comes[n->in[k]];
        absent += n->in[k] >= 0 && p->absent[n->in[k]];
    }
    if (coming && writes(n))
        FAIL(ERR_UNSUPPORTED, "%s writes what gradients are computed in", n->op->s.name);
    bool gone = coming && absent == coming && !keeps_other(p, n);
    if (coming) mark_results(p, n, gone);
    if (gone) return ERR_OK;
    if (absent && is_sum(p, n)) TRY(become_copy(p, n));
    else if (absent) TRY(fill_in(p, node));
    p->order[p->n++] = node;
    return ERR_OK;
}

static enum err prune(struct graph *g, const bool *missing)
{
    struct pruning p = {.g = g, .arena = g->arena};
    int n_ops;
    size_t values = g->value.n, nodes = g->node.n, slots = 0;
    TRY(op_table(&p.op, &n_ops));
    for (size_t i = 0; i < nodes; i++) slots += (size_t)g->node.p[i].n_in;
    p.comes = arena_array(g->arena, values + slots + 1, sizeof *p.comes);
    p.absent = arena_array(g->arena, values + slots + 1, sizeof *p.absent);
    p.order = arena_array(g->arena, nodes + slots + 1, sizeof *p.order);
    if (!p.comes || !p.absent || !p.order) return no_memory();
    for (size_t i = 0; i < values; i++) {
        if (g->value.p[i].origin != GRAPH_TANGENT) continue;
        p.comes[i] = true;
        p.absent[i] = missing[g->value.p[i].index];
    }
    for (size_t i = 0; i < nodes; i++) TRY(prune_node(&p, (int)i));
    for (size_t i = 0; i < g->output.n; i++)
        if (g->output.p[i].value >= 0 && p.absent[g->output.p[i].value])
            g->output.p[i].value = GRAPH_NONE;
    return graph_order(g, p.order, p.n);
}

/* ---- parts of an entry ---- */

/* What the backward needs for results that are not used may be overwritten. */
static enum err find_needs(const struct compiled_entry *e, struct compiled_part *part)
{
    const struct graph *g = &part->graph;
    const int *uses = graph_uses(g, &part->arena);
    part->needs = arena_array(&part->arena, (size_t)e->n_needs + 1, sizeof *part->needs);
    if (!uses || !part->needs) return no_memory();
    for (size_t i = 0; i < g->value.n; i++)
        for (int k = 0; k < e->n_needs && uses[i]; k++) {
            const struct graph_value *v = &g->value.p[i];
            part->needs[k] |= v->origin == e->need[k].origin && v->index == e->need[k].index;
        }
    return ERR_OK;
}

static enum err build(struct compiled_entry *e, struct compiled_part *part)
{
    struct pass_result r = {0};
    struct program_options o = {.no_fusion = e->of->options.no_fusion,
                                .no_combos = e->of->options.no_combos,
                                .interpret = e->of->interpret,
                                .determinism = thread_self.session->determinism};
    compiled_share(e, &o);
    TRY(copy_graph(&e->split.backward, &part->arena, &part->graph));
    TRY(prune(&part->graph, part->missing));
    TRY(pass_dce(&part->graph, &r));
    TRY(graph_check(&part->graph));
    TRY(find_needs(e, part));
    TRY(compiled_find_sole(&part->graph, &part->arena, &part->sole));
    return program_build(&part->graph, &o, &part->arena, &part->program);
}

void compiled_part_free(struct compiled_part *part)
{
    program_release(&part->program);
    graph_release(&part->graph);
    arena_release(&part->arena);
    free(part);
}

static enum err make_part(struct compiled_entry *e, const bool *missing, struct compiled_part **out)
{
    size_t n = (size_t)e->n_results;
    struct compiled_part *part = calloc(1, sizeof *part);
    if (!part) return no_memory();
    part->missing = arena_array(&part->arena, n + 1, sizeof *part->missing);
    if (part->missing) memcpy(part->missing, missing, n * sizeof *missing);
    thread_self.quiet++;
    enum err err = part->missing ? build(e, part) : no_memory();
    thread_self.quiet--;
    if (err) {
        compiled_part_free(part);
        return err_wrap(err, "gradients of some results of %s: ", e->of->name);
    }
    part->next = e->parts;
    e->parts = *out = part;
    return ERR_OK;
}

enum err compiled_part(struct compiled_entry *e, const bool *missing,
                       const struct compiled_part **out)
{
    size_t n = (size_t)e->n_results * sizeof *missing;
    enum err err = ERR_OK;
    pthread_mutex_lock(&e->of->lock);
    struct compiled_part *part = e->parts;
    while (part && memcmp(part->missing, missing, n)) part = part->next;
    if (!part) err = make_part(e, missing, &part);
    pthread_mutex_unlock(&e->of->lock);
    *out = part;
    return err;
}
