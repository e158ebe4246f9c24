/* lower.c - nodes into loop nests on buffers: run functions are run with a collector in place of
 * the back end, and what they would have launched becomes items. */
#include "runtime/compile/lower.h"

#include <string.h>

#include "runtime/session.h"

/* One use of a buffer so far, for dependencies. The view's offset is not below 0. */
struct access {
    int item;
    bool written;
    struct view view;
};
struct history {
    LIST_OF(struct access) access;
};
struct lowering {
    struct collector collector; /* first: it is handed over as a pointer to this */
    struct lowered *l;
    const struct graph *g;
    int node, part;
    int *of_storage;                 /* buffer per storage of the graph */
    LIST_OF(struct history) history; /* per buffer */
    struct map scratch;              /* address of a scratch storage -> buffer */
    LIST_OF(struct storage *) held;  /* counted: so that no address is used again within a node */
    struct arena call;               /* of one node */
};

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for lowering a graph");
}

/* ---- buffers ---- */

static int add_buffer(struct lowering *w, const struct lower_buffer *b)
{
    struct lower_buffer *to = LIST_PUSH(&w->l->buffer);
    struct history *h = LIST_PUSH(&w->history);
    if (!to || !h) return GRAPH_NONE;
    *to = *b;
    to->first = to->last = GRAPH_NONE;
    memset(h, 0, sizeof *h);
    return (int)w->l->buffer.n - 1;
}

static enum err add_storages(struct lowering *w)
{
    const struct graph *g = w->g;
    w->of_storage = arena_array(w->l->arena, g->storage.n + 1, sizeof *w->of_storage);
    if (!w->of_storage) return no_memory();
    for (size_t i = 0; i < g->storage.n; i++) {
        const struct graph_storage *s = &g->storage.p[i];
        w->of_storage[i] = add_buffer(w, &(struct lower_buffer){.storage = (int)i,
                                                                .size = s->high - s->low,
                                                                .given = s->origin != GRAPH_MADE});
        if (w->of_storage[i] < 0) return no_memory();
    }
    for (size_t i = 0; i < g->output.n; i++) {
        int value = g->output.p[i].value;
        if (value >= 0) w->l->buffer.p[w->of_storage[g->value.p[value].storage]].escapes = true;
    }
    return ERR_OK;
}

struct view lower_shifted(const struct lowered *l, const struct lower_use *u)
{
    int storage = l->buffer.p[u->buffer].storage;
    struct view v = u->view;
    if (storage >= 0) v.offset += graph_shift(l->graph, storage) / (int64_t)dtype_size(v.dtype);
    return v;
}

static enum err scratch_buffer(struct lowering *w, struct storage *s, int *out)
{
    bool added;
    int64_t *at = map_put(&w->scratch, map_key_int((int64_t)(intptr_t)s, w->node), 0, &added);
    if (!at) return no_memory();
    if (added) {
        struct storage **held = LIST_PUSH(&w->held);
        *at = add_buffer(w, &(struct lower_buffer){.storage = GRAPH_NONE, .size = s->size});
        if (*at < 0 || !held) return no_memory();
        *held = s;
        storage_retain(s);
    }
    *out = (int)*at;
    return ERR_OK;
}

/* Tensors that graph_op_call made carry their value's number; others are scratch, or views that a
 * run function made of either. */
static enum err use_of(struct lowering *w, const struct plumb_tensor *t, bool written,
                       struct lower_use *out)
{
    bool of_graph = t->storage->of_graph;
    *out = (struct lower_use){.value = GRAPH_NONE, .view = t->view, .written = written};
    if (of_graph) out->buffer = w->of_storage[t->storage->number];
    else TRY(scratch_buffer(w, t->storage, &out->buffer));
    if (of_graph)
        out->view.offset -=
            graph_shift(w->g, t->storage->number) / (int64_t)dtype_size(t->view.dtype);
    return ERR_OK;
}

/* ---- dependencies ---- */

/* Whether b has no byte that a has not. */
static bool covers(const struct view *a, const struct view *b)
{
    int64_t first, end, low, high;
    if (view_same_elements(a, b)) return true;
    view_extent(a, &first, &end);
    view_extent(b, &low, &high);
    return view_is_contiguous(a) && first <= low && high <= end;
}

/* What a write covers is forgotten: who depends on it depends on the write. */
static enum err depend(struct lowering *w, bool *before, int item, const struct lower_use *u)
{
    struct history *h = &w->history.p[u->buffer];
    struct access now = {item, u->written, lower_shifted(w->l, u)};
    size_t n = 0;
    for (size_t i = 0; i < h->access.n; i++) {
        const struct access *a = &h->access.p[i];
        bool writes = a->written || now.written;
        if (writes && a->item != item && !before[a->item])
            before[a->item] = view_overlap(&a->view, &now.view) != VIEW_APART;
        if (now.written && covers(&now.view, &a->view)) continue;
        if (n < i) h->access.p[n] = *a;
        n++;
    }
    h->access.n = n;
    struct access *to = LIST_PUSH(&h->access);
    if (!to) return no_memory();
    *to = now;
    struct lower_buffer *b = &w->l->buffer.p[u->buffer];
    if (b->first < 0) b->first = item;
    b->last = item;
    return ERR_OK;
}

static enum err set_before(struct lowering *w, struct lower_item *it, int item)
{
    struct lowered *l = w->l;
    struct arena scratch = {0};
    bool *before = arena_array(&scratch, (size_t)item + 1, sizeof *before);
    enum err err = before ? ERR_OK : no_memory();
    for (int i = 0; !err && i < it->n_uses; i++)
        if (it->use[i].buffer >= 0) err = depend(w, before, item, &it->use[i]);
    for (int i = 0; !err && i < item; i++) it->n_before += before[i];
    it->before = err ? NULL : arena_array(l->arena, (size_t)it->n_before + 1, sizeof(int));
    if (!err && !it->before) err = no_memory();
    for (int i = 0, n = 0; !err && i < item; i++) {
        if (!before[i]) continue;
        it->before[n++] = i;
        if (l->item.p[i].level >= it->level) it->level = l->item.p[i].level + 1;
    }
    arena_release(&scratch);
    return err;
}

static enum err add_item(struct lowering *w, struct lower_item *it)
{
    it->node = w->node;
    it->part = w->part++;
    TRY(set_before(w, it, (int)w->l->item.n));
    struct lower_item *to = LIST_PUSH(&w->l->item);
    if (!to) return no_memory();
    *to = *it;
    return ERR_OK;
}

/* ---- items ---- */

static bool is_random(const struct nest *n)
{
    for (int i = 0; i < n->n_nodes; i++)
        if (n->node[i].kind == NEST_RANDOM) return true;
    return false;
}

static bool is_empty(const struct nest_run *run)
{
    for (int d = 0; d < run->plan->n_outer; d++)
        if (!run->plan->size[d]) return true;
    return false;
}

static enum err take_nest(struct collector *to, struct op_call *c, const struct op_nest *n,
                          const struct nest_run *run)
{
    struct lowering *w = (struct lowering *)to;
    int arrays = n->n_read + n->n_written;
    struct lower_item it = {.nest = run->nest, .plan = *run->plan, .n_uses = arrays};
    (void)c;
    if (is_empty(run)) return ERR_OK;
    it.stream = is_random(run->nest) ? w->g->node.p[w->node].stream : -1;
    it.use = arena_array(w->l->arena, (size_t)arrays + 1, sizeof *it.use);
    if (!it.use) return no_memory();
    _Static_assert(sizeof it.param == sizeof run->param, "numbers of a nest");
    memcpy(it.param, run->param, sizeof it.param);
    for (int i = 0; i < arrays; i++) {
        TRY(use_of(w, n->tensor[i], i >= n->n_read, &it.use[i]));
        it.plan.lie[i].offset += it.use[i].view.offset;
    }
    return add_item(w, &it);
}

/* A kernel's own call: tensors by slot, then results. */
static enum err take_extern(struct lowering *w, const struct op_call *c)
{
    const struct graph_node *n = &w->g->node.p[w->node];
    struct lower_item it = {.is_extern = true, .stream = -1, .n_uses = n->n_in + n->n_out};
    it.use = arena_array(w->l->arena, (size_t)it.n_uses + 1, sizeof *it.use);
    if (!it.use) return no_memory();
    for (int i = 0; i < it.n_uses; i++) {
        int value = i < n->n_in ? n->in[i] : n->out[i - n->n_in];
        it.use[i] = (struct lower_use){.buffer = GRAPH_NONE, .value = value};
        if (value < 0) continue;
        const struct graph_value *v = &w->g->value.p[value];
        bool written = i < n->n_in ? n->after[i] >= 0 : v->maker == w->node;
        it.use[i] = (struct lower_use){w->of_storage[v->storage], value, v->view, written};
    }
    if (c->op->flags & OP_RANDOM) it.stream = n->stream;
    return add_item(w, &it);
}

static enum err lower_node(struct lowering *w, int node)
{
    const struct graph_node *n = &w->g->node.p[node];
    struct op_call c;
    w->node = node;
    w->part = 0;
    if (n->op->class == OP_VIEW) return ERR_OK;
    arena_clear(&w->call);
    TRY(graph_op_call(w->g, node, &w->call, &c));
    if (n->op->class == OP_OPAQUE && !(n->op->flags & OP_BY_NESTS)) return take_extern(w, &c);
    if (plumb_frame_begin()) return ERR_NOMEM; /* of scratch, and of views of what `call` holds */
    thread_self.collect = &w->collector;
    enum err err = op_compute(&c);
    thread_self.collect = NULL;
    plumb_frame_end();
    return err ? err_wrap(err, "lowering %s: ", n->op->s.name) : ERR_OK;
}

/* Numbers of values, where a nest takes just what the node takes. */
static void name_values(struct lowering *w)
{
    for (size_t i = 0; i < w->l->item.n; i++) {
        struct lower_item *it = &w->l->item.p[i];
        const struct graph_node *n = &w->g->node.p[it->node];
        for (int u = 0; u < it->n_uses; u++) {
            struct lower_use *use = &it->use[u];
            int storage = use->buffer >= 0 ? w->l->buffer.p[use->buffer].storage : GRAPH_NONE;
            for (int k = 0; k < n->n_in + n->n_out && use->value < 0 && storage >= 0; k++) {
                int v = k < n->n_in ? (use->written ? n->after[k] : n->in[k]) : n->out[k - n->n_in];
                if (v >= 0 && w->g->value.p[v].storage == storage) use->value = v;
            }
        }
    }
}

enum err lower_graph(const struct graph *g, struct arena *arena, struct lowered *out)
{
    struct lowering w = {.collector = {take_nest}, .l = out, .g = g};
    memset(out, 0, sizeof *out);
    out->graph = g;
    out->arena = arena;
    enum err err = add_storages(&w);
    for (size_t i = 0; !err && i < g->node.n; i++) err = lower_node(&w, (int)i);
    if (!err) name_values(&w);
    for (size_t i = 0; i < w.held.n; i++) storage_release(w.held.p[i]);
    for (size_t i = 0; i < w.history.n; i++) LIST_RELEASE(&w.history.p[i].access);
    LIST_RELEASE(&w.held);
    LIST_RELEASE(&w.history);
    map_release(&w.scratch);
    arena_release(&w.call);
    return err;
}

void lower_release(struct lowered *l)
{
    LIST_RELEASE(&l->buffer);
    LIST_RELEASE(&l->item);
}
