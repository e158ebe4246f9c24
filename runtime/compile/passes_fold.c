/* passes_fold.c - what depends on constants alone is computed now, by the dispatcher.
 *
 * A call is constant when all its tensors are host data of the trace, or made by constant calls,
 * and it is neither random nor writes. Of those the last ones are computed, whose results something
 * else takes; they become constants. Not computed: views, which cost nothing, full, zeros, ones and
 * arange, which cost less to make than to read, and what would be larger than the host data that it
 * is made of. Results that leave the graph stay calls: each call of the function gives its own.
 */
#include "runtime/compile/passes.h"

#include <string.h>

#include "runtime/compile/rewrite.h"
#include "runtime/session.h"

enum { SMALL = 64 }; /* bytes that are stored for any constant */

struct folder {
    struct graph *g;
    struct graph_facts facts;
    bool *constant; /* per value */
    int64_t *data;  /* per value: bytes of host data that it depends on, those of each argument */
    struct plumb_tensor **tensor; /* per value: when it was computed */
    bool *needed;                 /* per value: something that is not constant takes it */
};

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory while folding constants");
}

/* ---- what is constant ---- */

static bool keeps_values(const struct folder *f, const struct graph_node *n)
{
    if (n->op->flags & (OP_RANDOM | OP_NO_VALUES)) return false;
    for (int i = 0; i < n->op->s.n_params; i++)
        if (n->op->s.param[i].written) return false;
    for (int r = 0; r < n->n_out; r++)
        if (n->out[r] >= 0) {
            int storage = f->g->value.p[n->out[r]].storage;
            if (f->g->storage.p[storage].n_versions > 1) return false;
        }
    return true;
}

static void mark_node(struct folder *f, const struct graph_node *n)
{
    int64_t data = 0;
    bool constant = keeps_values(f, n);
    for (int s = 0; constant && s < n->n_in; s++) {
        if (n->in[s] < 0) continue;
        constant = f->constant[n->in[s]];
        if (__builtin_add_overflow(data, f->data[n->in[s]], &data)) data = INT64_MAX;
    }
    for (int r = 0; constant && r < n->n_out; r++) {
        if (n->out[r] < 0) continue;
        f->constant[n->out[r]] = true;
        f->data[n->out[r]] = data;
    }
}

/* Views pass the need on to what they view. */
static void find_needed(struct folder *f)
{
    const struct graph *g = f->g;
    for (size_t i = 0; i < g->output.n; i++)
        if (g->output.p[i].value >= 0) f->needed[g->output.p[i].value] = true;
    for (size_t i = g->node.n; i-- > 0;) {
        const struct graph_node *n = &g->node.p[i];
        bool constant = n->n_out > 0, needed = false;
        for (int r = 0; r < n->n_out; r++) {
            constant &= n->out[r] < 0 || f->constant[n->out[r]];
            needed |= n->out[r] >= 0 && f->needed[n->out[r]];
        }
        if (constant && !(n->op->class == OP_VIEW && needed)) continue;
        for (int s = 0; s < n->n_in; s++)
            if (n->in[s] >= 0) f->needed[n->in[s]] = true;
    }
}

static enum err begin(struct folder *f, struct arena *arena)
{
    struct graph *g = f->g;
    size_t n = g->value.n + 1;
    f->constant = arena_array(arena, n, sizeof *f->constant);
    f->data = arena_array(arena, n, sizeof *f->data);
    f->tensor = arena_array(arena, n, sizeof(void *));
    f->needed = arena_array(arena, n, sizeof *f->needed);
    if (!f->constant || !f->data || !f->tensor || !f->needed) return no_memory();
    TRY(graph_facts_find(g, arena, &f->facts));
    for (size_t i = 0; i < g->value.n; i++) {
        const struct graph_value *v = &g->value.p[i];
        if (v->origin != GRAPH_CONSTANT) continue;
        f->constant[i] = true;
        f->data[i] = view_n_bytes(&v->view);
        f->tensor[i] = g->constant.p[v->index];
    }
    for (size_t i = 0; i < g->node.n; i++) mark_node(f, &g->node.p[i]);
    find_needed(f);
    return ERR_OK;
}

/* ---- computing ---- */

/* The call on real tensors; those that it takes are there. */
static enum err compute(struct folder *f, const struct graph_node *n)
{
    struct op_value arg[OP_ARGS];
    struct op_results results;
    struct arena *a = &thread_self.frame->arena;
    for (int i = 0, slot = 0; i < n->op->s.n_params; i++) {
        arg[i] = n->arg[i];
        int count = arg[i].kind == OP_TENSORS ? arg[i].n : arg[i].kind == OP_TENSOR;
        struct plumb_tensor **ts = arena_array(a, (size_t)count + 1, sizeof *ts);
        if (!ts) return no_memory();
        for (int k = 0; k < count; k++, slot++)
            if (n->in[slot] >= 0) ts[k] = f->tensor[n->in[slot]];
        if (arg[i].kind == OP_TENSORS) arg[i].ts = ts;
        else arg[i].t = ts[0];
    }
    TRY(op_run(n->op, arg, n->op->s.n_params, &results));
    for (int r = 0; r < n->n_out; r++)
        if (n->out[r] >= 0) f->tensor[n->out[r]] = results.p[r];
    return ERR_OK;
}

/* ---- making constants ---- */

static bool is_worth(const struct folder *f, const struct graph_node *n)
{
    bool takes = false, needed = false;
    int64_t bytes = 0, data = 0;
    if (n->op->class == OP_VIEW) return false;
    for (int s = 0; s < n->n_in; s++) takes |= n->in[s] >= 0;
    for (int r = 0; r < n->n_out; r++) {
        if (n->out[r] < 0) continue;
        const struct graph_value *v = &f->g->value.p[n->out[r]];
        if (!f->constant[n->out[r]] || f->facts.escapes[v->storage]) return false;
        needed |= f->needed[n->out[r]];
        bytes += view_n_bytes(&v->view);
        data = f->data[n->out[r]];
    }
    return takes && needed && bytes <= (data > SMALL ? data : SMALL);
}

static enum err make_constant(struct folder *f, int value)
{
    struct graph *g = f->g;
    struct graph_value *v = &g->value.p[value];
    struct plumb_tensor **to = LIST_PUSH(&g->constant);
    const char *name = graph_input_name(g, GRAPH_CONSTANT);
    if (!to || !name) return no_memory();
    *to = f->tensor[value];
    tensor_keep(*to);
    v->origin = g->storage.p[v->storage].origin = GRAPH_CONSTANT;
    v->index = (int)g->constant.n - 1;
    v->maker = v->result = GRAPH_NONE;
    v->name = name;
    return ERR_OK;
}

/* What is worth it, and what that is made of. */
static bool *find_computed(const struct folder *f, struct arena *arena)
{
    const struct graph *g = f->g;
    bool *taken = arena_array(arena, g->value.n + 1, sizeof *taken);
    bool *computed = arena_array(arena, g->node.n + 1, sizeof *computed);
    if (!taken || !computed) return NULL;
    for (size_t i = g->node.n; i-- > 0;) {
        const struct graph_node *n = &g->node.p[i];
        computed[i] = is_worth(f, n);
        for (int r = 0; r < n->n_out; r++) computed[i] |= n->out[r] >= 0 && taken[n->out[r]];
        for (int s = 0; computed[i] && s < n->n_in; s++)
            if (n->in[s] >= 0) taken[n->in[s]] = true;
    }
    return computed;
}

static enum err fold_node(struct folder *f, int i, struct pass_result *out)
{
    struct graph_node *n = &f->g->node.p[i];
    TRY(compute(f, n));
    if (!is_worth(f, n)) return ERR_OK;
    for (int r = 0; r < n->n_out; r++) {
        if (n->out[r] < 0) continue;
        TRY(make_constant(f, n->out[r]));
        n->out[r] = GRAPH_NONE;
    }
    out->changed++;
    return ERR_OK;
}

static enum err fold(struct folder *f, struct pass_result *out)
{
    struct graph *g = f->g;
    struct arena arena = {0};
    int *order = arena_array(&arena, g->node.n + 1, sizeof *order), n = 0;
    enum err err = order ? begin(f, &arena) : no_memory();
    bool *computed = err ? NULL : find_computed(f, &arena);
    if (!err && !computed) err = no_memory();
    for (size_t i = 0; !err && i < g->node.n; i++) {
        int before = out->changed;
        if (computed[i]) err = fold_node(f, (int)i, out);
        if (out->changed == before) order[n++] = (int)i;
    }
    if (!err) err = graph_order(g, order, n);
    arena_release(&arena);
    return err;
}

enum err pass_fold(struct graph *g, struct pass_result *out)
{
    struct folder f = {.g = g};
    struct thread *self = &thread_self;
    if (!g->constant.n) return ERR_OK;
    if (plumb_frame_begin()) return no_memory();
    self->quiet++;
    self->no_grad++;
    enum err err = fold(&f, out);
    self->quiet--;
    self->no_grad--;
    plumb_frame_end();
    return err;
}
