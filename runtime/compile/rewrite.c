/* rewrite.c - comparing what a graph holds, replacing values, taking nodes out. */
#include "runtime/compile/rewrite.h"

#include <string.h>

#include "runtime/ops.h"

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory while rewriting a graph");
}

/* ---- comparing ---- */

bool graph_same_view(const struct view *a, const struct view *b)
{
    if (a->dtype != b->dtype || a->offset != b->offset || !view_same_shape(a, b)) return false;
    return !memcmp(a->stride, b->stride, (size_t)a->shape.n * sizeof *a->stride);
}

static bool same_bits(double a, double b)
{
    return !memcmp(&a, &b, sizeof a);
}

bool graph_same_number(const struct op_value *a, const struct op_value *b)
{
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case OP_INT:
    case OP_BOOL:
    case OP_DTYPE: return a->i == b->i;
    case OP_REAL: return same_bits(a->r, b->r);
    case OP_SCALAR:
        return a->is_int == b->is_int && (a->is_int ? a->i == b->i : same_bits(a->r, b->r));
    case OP_TEXT: return !strcmp(a->s, b->s);
    case OP_TENSORS: return a->n == b->n;
    case OP_INTS: return a->n == b->n && (!a->n || !memcmp(a->is, b->is, (size_t)a->n * 8));
    default: return true;
    }
}

bool graph_is_default(const struct op_param *p, const struct op_value *v)
{
    struct op_value d = p->value;
    if (!p->has_default) return p->optional && v->kind == OP_NONE && p->keyword;
    d.is = p->ints;
    d.s = p->text;
    return graph_same_number(&d, v);
}

/* ---- one value for the same elements ---- */

struct map_key graph_view_key(const struct graph_value *v, int version)
{
    struct {
        int64_t storage, version, dtype, n, offset, size[VIEW_DIMS], stride[VIEW_DIMS];
    } key = {0};
    key.storage = v->storage;
    key.version = version;
    key.dtype = v->view.dtype;
    key.n = v->view.shape.n;
    key.offset = v->view.offset;
    for (int i = 0; i < v->view.shape.n; i++) {
        key.size[i] = v->view.shape.size[i];
        key.stride[i] = v->view.stride[i];
    }
    return map_key((struct span){(const char *)&key, sizeof key});
}

static enum err unify(const struct graph *g, struct map *seen, int *value, int *changed)
{
    if (*value < 0) return ERR_OK;
    const struct graph_value *v = &g->value.p[*value];
    const int64_t *first = map_put(seen, graph_view_key(v, v->version), *value, NULL);
    if (!first) return no_memory();
    if (*first != *value) ++*changed;
    *value = (int)*first;
    return ERR_OK;
}

enum err graph_unify(struct graph *g, struct map *seen, int node, int *changed)
{
    const struct graph_node *n = &g->node.p[node];
    int nothing = 0;
    for (int s = 0; s < n->n_in; s++) TRY(unify(g, seen, &n->in[s], changed));
    for (int s = 0; s < n->n_in; s++) {
        int after = n->after[s];
        TRY(unify(g, seen, &after, &nothing));
    }
    for (int r = 0; r < n->n_out; r++) {
        int result = n->out[r];
        TRY(unify(g, seen, &result, &nothing));
    }
    return ERR_OK;
}

/* ---- facts ---- */

static void use(const struct graph *g, struct graph_facts *f, int value, int node)
{
    if (value >= 0) f->last_use[g->value.p[value].storage] = node;
}

enum err graph_facts_find(const struct graph *g, struct arena *arena, struct graph_facts *out)
{
    out->last_use = arena_array(arena, g->storage.n + 1, sizeof *out->last_use);
    out->escapes = arena_array(arena, g->storage.n + 1, sizeof *out->escapes);
    if (!out->last_use || !out->escapes) return no_memory();
    for (size_t i = 0; i < g->storage.n; i++) out->last_use[i] = -1;
    for (size_t i = 0; i < g->node.n; i++)
        for (int s = 0; s < g->node.p[i].n_in; s++) use(g, out, g->node.p[i].in[s], (int)i);
    for (size_t i = 0; i < g->output.n; i++) {
        int value = g->output.p[i].value;
        if (value < 0) continue;
        use(g, out, value, (int)g->node.n);
        out->escapes[g->value.p[value].storage] = true;
    }
    return ERR_OK;
}

bool graph_holds(const struct graph *g, int value, int until)
{
    const struct graph_value *v = &g->value.p[value];
    if (v->version == g->storage.p[v->storage].n_versions - 1) return true;
    for (int i = v->maker + 1; i <= until && i < (int)g->node.n; i++)
        for (int s = 0; s < g->node.p[i].n_in; s++) {
            int after = g->node.p[i].after[s];
            if (after >= 0 && g->value.p[after].storage == v->storage) return false;
        }
    return true;
}

/* ---- replacing ---- */

static bool is_given(const struct graph *g, int storage)
{
    return g->storage.p[storage].origin != GRAPH_MADE;
}

static bool may_replace(const struct graph *g, const struct graph_facts *f, int from, int to)
{
    const struct graph_value *a = &g->value.p[from], *b = &g->value.p[to];
    if (a->storage == b->storage || is_given(g, a->storage)) return false;
    if (g->storage.p[a->storage].n_versions > 1 || a->result == GRAPH_NONE) return false;
    if (a->view.dtype != b->view.dtype || !view_same_shape(&a->view, &b->view)) return false;
    if (!graph_holds(g, to, f->last_use[a->storage])) return false;
    if (!f->escapes[a->storage]) return true;
    /* the caller gets a tensor of its own, that lies as it did */
    return graph_same_view(&a->view, &b->view) && !is_given(g, b->storage) &&
           !f->escapes[b->storage];
}

/* Values of the storage of `from` that are to be of that of `to`: views, made by nodes
 * [first, end). Those nodes take them, too. */
struct moving {
    struct graph *g;
    int from, storage, first, end;
    struct graph_value to;
    LIST_OF(struct was) was; /* views as they were */
};
struct was {
    int number;
    struct graph_value value;
};

static void swap_uses(const struct moving *m, int to)
{
    struct graph *g = m->g;
    for (int i = m->first; i < m->end; i++)
        for (int s = 0; s < g->node.p[i].n_in; s++)
            if (g->node.p[i].in[s] == m->from) g->node.p[i].in[s] = to;
    for (size_t i = 0; i < g->output.n; i++)
        if (g->output.p[i].value == m->from) g->output.p[i].value = to;
}

static enum err keep_was(struct moving *m, int value)
{
    struct was *to = LIST_PUSH(&m->was);
    if (!to) return no_memory();
    *to = (struct was){value, m->g->value.p[value]};
    return ERR_OK;
}

/* The strides of the views that node `i` gives, now that its argument lies elsewhere. */
static enum err view_again(const struct moving *m, int i, struct arena *scratch)
{
    struct graph *g = m->g;
    const struct graph_node *n = &g->node.p[i];
    struct op_call c;
    if (n->op == op_at(OP_ID_as_strided)) FAIL(ERR_UNSUPPORTED, "as_strided names elements");
    arena_clear(scratch);
    TRY(graph_op_call(g, i, scratch, &c));
    for (int r = 0; r < n->n_out; r++) {
        if (n->out[r] < 0) continue;
        struct view *v = &g->value.p[n->out[r]].view;
        *v = c.view[r];
        v->offset -= graph_shift(g, m->to.storage) / (int64_t)dtype_size(v->dtype);
    }
    return ERR_OK;
}

/* Views of `from` become views of `to`; where it does not lie alike, with the strides that they
 * have then. */
static enum err move_views(struct moving *m, bool alike, struct arena *scratch)
{
    struct graph *g = m->g;
    for (int i = m->first; i < m->end; i++) {
        const struct graph_node *n = &g->node.p[i];
        bool of = false;
        for (int r = 0; n->op->class == OP_VIEW && r < n->n_out; r++) {
            if (n->out[r] < 0 || g->value.p[n->out[r]].storage != m->storage) continue;
            TRY(keep_was(m, n->out[r]));
            g->value.p[n->out[r]].storage = m->to.storage;
            g->value.p[n->out[r]].version = m->to.version;
            of = true;
        }
        if (of && !alike) TRY(view_again(m, i, scratch));
    }
    return ERR_OK;
}

static enum err move_values(struct moving *m, bool *done)
{
    struct graph *g = m->g;
    struct arena scratch = {0};
    struct graph_value was = g->value.p[m->from];
    bool alike = graph_same_view(&was.view, &m->to.view);
    g->value.p[m->from].storage = m->to.storage;
    g->value.p[m->from].version = m->to.version;
    g->value.p[m->from].view = m->to.view;
    enum err err = move_views(m, alike, &scratch);
    for (size_t i = 0; err && i < m->was.n; i++) g->value.p[m->was.p[i].number] = m->was.p[i].value;
    g->value.p[m->from] = was; /* its maker gives it still, to nobody */
    LIST_RELEASE(&m->was);
    arena_release(&scratch);
    *done = !err;
    if (!err || err == ERR_NOMEM) return err;
    err_clear();
    return ERR_OK;
}

enum err graph_replace(struct graph *g, struct graph_facts *f, int from, int to, bool *done)
{
    const struct graph_value *v = &g->value.p[from];
    int old = v->storage, new = g->value.p[to].storage, last = f->last_use[old];
    *done = may_replace(g, f, from, to);
    if (!*done) return ERR_OK;
    struct moving m = {.g = g, .from = from, .storage = old, .to = g->value.p[to]};
    m.first = v->maker + 1;
    m.end = last < (int)g->node.n ? last + 1 : last;
    TRY(move_values(&m, done));
    if (!*done) return ERR_OK;
    swap_uses(&m, to);
    if (last > f->last_use[new]) f->last_use[new] = last;
    f->escapes[new] |= f->escapes[old];
    f->escapes[old] = false;
    f->last_use[old] = -1;
    return ERR_OK;
}

/* ---- calls in place of others ---- */

enum err graph_call_for(struct graph *g, int of, const struct op *op, const struct op_value *arg,
                        const int *in, int n_in, int value, int *node)
{
    TRY(graph_call(g, op, arg, in, n_in, node));
    struct graph_node *n = &g->node.p[*node], *old = &g->node.p[of];
    n->module = old->module;
    n->phase = old->phase;
    n->forward = old->forward;
    n->origin = old->origin;
    n->stack = old->stack;
    n->recomputed = old->recomputed;
    if (value < 0) return ERR_OK;
    n->out[0] = value;
    n->name = g->value.p[value].name;
    g->value.p[value].maker = *node;
    g->value.p[value].result = 0;
    return ERR_OK;
}

/* ---- taking out ---- */

/* New numbers of nodes, values and storages; GRAPH_NONE: gone. */
struct renumber {
    struct graph *g;
    int *node, *value, *storage;
};

static void mark(struct renumber *r, int value)
{
    if (value >= 0) r->value[value] = 1;
}

static void mark_values(struct renumber *r, const int *order, int n_order)
{
    const struct graph *g = r->g;
    for (size_t i = 0; i < g->value.n; i++) r->value[i] = g->value.p[i].origin != GRAPH_MADE;
    for (int i = 0; i < n_order; i++) {
        const struct graph_node *n = &g->node.p[order[i]];
        for (int s = 0; s < n->n_in; s++) {
            mark(r, n->in[s]);
            mark(r, n->after[s]);
        }
        for (int k = 0; k < n->n_out; k++) mark(r, n->out[k]);
    }
    for (size_t i = 0; i < g->output.n; i++) mark(r, g->output.p[i].value);
}

/* Marks become numbers. */
static void number(int *of, size_t n)
{
    int next = 0;
    for (size_t i = 0; i < n; i++) of[i] = of[i] ? next++ : GRAPH_NONE;
}

static void move(int *number, const int *of)
{
    if (*number >= 0) *number = of[*number];
}

/* A backward graph speaks of values and nodes of the joint graph, which is another one: it has no
 * results of the function. */
static bool is_of_joint(const struct graph *g)
{
    for (size_t i = 0; i < g->output.n; i++)
        if (g->output.p[i].gives == GRAPH_RESULT) return false;
    return true;
}

static void renumber_nodes(struct renumber *r, const int *order, int n, struct graph_node *scratch)
{
    struct graph *g = r->g;
    bool of_joint = is_of_joint(g);
    if (g->node.n) memcpy(scratch, g->node.p, g->node.n * sizeof *scratch);
    for (int i = 0; i < n; i++) {
        struct graph_node *to = &g->node.p[i];
        *to = scratch[order[i]];
        if (!of_joint) move(&to->forward, r->node);
        for (int s = 0; s < to->n_in; s++) {
            move(&to->in[s], r->value);
            move(&to->after[s], r->value);
        }
        for (int k = 0; k < to->n_out; k++) move(&to->out[k], r->value);
    }
    g->node.n = (size_t)n;
}

static void renumber_values(struct renumber *r)
{
    struct graph *g = r->g;
    size_t n = 0;
    for (size_t i = 0; i < g->storage.n; i++) g->storage.p[i].n_versions = 1;
    for (size_t i = 0; i < g->value.n; i++) {
        if (r->value[i] < 0) continue;
        struct graph_value *to = &g->value.p[n++];
        *to = g->value.p[i];
        struct graph_storage *s = &g->storage.p[to->storage];
        if (s->n_versions <= to->version) s->n_versions = to->version + 1;
        if (r->value[s->value] < 0) s->value = (int)i; /* who brought it is gone */
        move(&to->maker, r->node);
        to->storage = r->storage[to->storage];
    }
    g->value.n = n;
}

static void renumber_storages(struct renumber *r)
{
    struct graph *g = r->g;
    size_t n = 0;
    for (size_t i = 0; i < g->storage.n; i++) {
        if (r->storage[i] < 0) continue;
        struct graph_storage *to = &g->storage.p[n++];
        *to = g->storage.p[i];
        move(&to->value, r->value);
    }
    g->storage.n = n;
}

static struct map_key version_key(const struct graph_value *v)
{
    return map_key_int(v->storage, v->version);
}

/* Views that no call gave name who wrote their version; views may have been taken out between. */
static enum err find_writers(struct graph *g)
{
    struct map writer = {0};
    bool ok = true;
    for (size_t k = 0; k < g->node.n; k++)
        for (int s = 0; ok && s < g->node.p[k].n_in; s++) {
            int after = g->node.p[k].after[s];
            if (after >= 0)
                ok = map_put(&writer, version_key(&g->value.p[after]), (int64_t)k, NULL);
        }
    for (size_t i = 0; ok && i < g->value.n; i++) {
        struct graph_value *v = &g->value.p[i];
        if (v->origin != GRAPH_MADE || v->result != GRAPH_NONE) continue;
        const int64_t *at = map_get(&writer, version_key(v));
        if (at) v->maker = (int)*at;
    }
    map_release(&writer);
    return ok ? ERR_OK : no_memory();
}

/* Outputs that speak of a given value. */
static void renumber_outputs(struct renumber *r)
{
    struct graph *g = r->g;
    bool of_joint = is_of_joint(g);
    for (size_t i = 0; i < g->output.n; i++) {
        struct graph_output *o = &g->output.p[i];
        move(&o->value, r->value);
        if (o->gives == GRAPH_LEAF_GRAD || (!of_joint && o->gives == GRAPH_GRADIENT))
            move(&o->index, r->value);
    }
}

enum err graph_order(struct graph *g, const int *order, int n)
{
    struct arena arena = {0};
    struct renumber r = {.g = g};
    struct graph_node *scratch = arena_array(&arena, g->node.n + 1, sizeof *scratch);
    r.node = arena_array(&arena, g->node.n + 1, sizeof *r.node);
    r.value = arena_array(&arena, g->value.n + 1, sizeof *r.value);
    r.storage = arena_array(&arena, g->storage.n + 1, sizeof *r.storage);
    if (!r.node || !r.value || !r.storage || !scratch) {
        arena_release(&arena);
        return no_memory();
    }
    for (size_t i = 0; i < g->node.n; i++) r.node[i] = GRAPH_NONE;
    for (int i = 0; i < n; i++) r.node[order[i]] = i;
    mark_values(&r, order, n);
    for (size_t i = 0; i < g->value.n; i++)
        if (r.value[i]) r.storage[g->value.p[i].storage] = 1;
    number(r.value, g->value.n);
    number(r.storage, g->storage.n);
    renumber_nodes(&r, order, n, scratch);
    renumber_values(&r);
    renumber_storages(&r);
    renumber_outputs(&r);
    arena_release(&arena);
    return find_writers(g);
}
