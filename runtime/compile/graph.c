/* graph.c - making graphs: values, nodes, names, and calls on tensors without memory. */
#include "runtime/compile/graph.h"

#include <stdio.h>
#include <string.h>

#include "runtime/session.h"

void graph_init(struct graph *g, struct arena *arena, const char *name)
{
    memset(g, 0, sizeof *g);
    g->arena = arena;
    g->name = name;
}

void graph_release(struct graph *g)
{
    LIST_RELEASE(&g->value);
    LIST_RELEASE(&g->node);
    LIST_RELEASE(&g->storage);
    LIST_RELEASE(&g->output);
    LIST_RELEASE(&g->captured);
    LIST_RELEASE(&g->constant);
    map_release(&g->names);
}

/* ---- names ---- */

/* Names that Python has for something else: FX numbers these from 1. */
static bool is_pythons(const char *base)
{
    static const char *const names[] = {"abs",   "all", "any", "bool", "complex", "float",
                                        "int",   "max", "min", "pow",  "range",   "round",
                                        "slice", "sum", "set", "map",  "filter"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], base)) return true;
    return false;
}

const char *graph_new_name(struct graph *g, const char *base)
{
    int64_t *n = map_put(&g->names, map_key(span_of(base)), is_pythons(base), NULL);
    if (!n) return NULL;
    int64_t number = (*n)++;
    if (!number) return arena_copy(g->arena, span_of(base)).p;
    const char *name = arena_printf(g->arena, "%s_%lld", base, (long long)number);
    /* "add_1" may itself be the base of another name */
    if (!name || !map_get(&g->names, map_key(span_of(name)))) {
        if (name) map_put(&g->names, map_key(span_of(name)), 1, NULL);
        return name;
    }
    return graph_new_name(g, base);
}

const char *graph_result_name(struct graph *g, const struct op *op)
{
    bool several = op->s.result_list || op->s.n_results > 1;
    const char *base = several ? "getitem" : graph_base_name(g, op);
    return base ? graph_new_name(g, base) : NULL;
}

const char *graph_base_name(const struct graph *g, const struct op *op)
{
    const char *from = strchr(op->s.name, ':');
    from = from ? from + 2 : op->s.name;
    return arena_copy(g->arena, (struct span){from, strcspn(from, ".")}).p;
}

/* ---- adding ---- */

int graph_add_storage(struct graph *g, const struct graph_storage *s)
{
    struct graph_storage *to = LIST_PUSH(&g->storage);
    if (!to) return GRAPH_NONE;
    *to = *s;
    if (!to->n_versions) to->n_versions = 1;
    return (int)g->storage.n - 1;
}

/* The storage reaches as far as its values do. */
static void widen(struct graph *g, const struct graph_value *v)
{
    struct graph_storage *s = &g->storage.p[v->storage];
    struct view at = v->view;
    int64_t first, end, item = (int64_t)dtype_size(at.dtype), shift = at.offset * item;
    at.offset = 0; /* may lie before the storage's first element */
    view_extent(&at, &first, &end);
    if (first == end) return;
    bool none = s->low == s->high;
    if (none || first + shift < s->low) s->low = first + shift;
    if (none || end + shift > s->high) s->high = end + shift;
}

int graph_add_value(struct graph *g, const struct graph_value *v)
{
    struct graph_value *to = LIST_PUSH(&g->value);
    if (!to) return GRAPH_NONE;
    *to = *v;
    widen(g, to);
    return (int)g->value.n - 1;
}

int graph_add_node(struct graph *g, const struct graph_node *n)
{
    struct graph_node *to = LIST_PUSH(&g->node);
    if (!to) return GRAPH_NONE;
    *to = *n;
    return (int)g->node.n - 1;
}

static const char *input_base(enum graph_origin origin)
{
    switch (origin) {
    case GRAPH_TANGENT: return "tangents";
    case GRAPH_CONSTANT: return "_tensor_constant";
    default: return "primals";
    }
}

/* FX counts placeholders of a kind from 1, constants from 0. */
const char *graph_input_name(struct graph *g, enum graph_origin origin)
{
    int64_t *n = map_put(&g->names, map_key(span_of(input_base(origin))), 0, NULL);
    if (!n) return NULL;
    ++*n;
    if (origin == GRAPH_CONSTANT)
        return arena_printf(g->arena, "%s%lld", input_base(origin), (long long)*n - 1);
    return arena_printf(g->arena, "%s_%lld", input_base(origin), (long long)*n);
}

int graph_add_input(struct graph *g, enum graph_origin origin, int index, const struct view *v)
{
    struct graph_value value = {.origin = origin,
                                .index = index,
                                .maker = GRAPH_NONE,
                                .result = GRAPH_NONE,
                                .view = *v,
                                .name = graph_input_name(g, origin)};
    value.storage = graph_add_storage(g, &(struct graph_storage){.origin = origin});
    if (value.storage < 0 || !value.name) return GRAPH_NONE;
    value.view.offset = 0;
    int id = graph_add_value(g, &value);
    if (id >= 0) g->storage.p[value.storage].value = id;
    return id;
}

/* ---- calls on tensors without memory ---- */

/* Storages of one call: values of one storage share it. */
struct fakes {
    const struct graph *g;
    struct arena *arena;
    struct map storages; /* number -> struct storage * */
};

int64_t graph_shift(const struct graph *g, int storage)
{
    const struct graph_storage *s = &g->storage.p[storage];
    return s->low < 0 ? (-s->low + 15) / 16 * 16 : 0;
}

static struct storage *fake_storage(struct fakes *f, int number)
{
    const struct graph_storage *s = &f->g->storage.p[number];
    int64_t *at = map_put(&f->storages, map_key_int(number, 0), 0, NULL);
    if (!at) return NULL;
    if (*at) return (struct storage *)(intptr_t)*at;
    struct storage *to = arena_alloc(f->arena, sizeof *to);
    if (!to) return NULL;
    atomic_init(&to->refs, 1);
    to->backend = thread_self.session->backend;
    to->size = s->high + graph_shift(f->g, number);
    to->fake = to->of_graph = true;
    to->number = number;
    *at = (int64_t)(intptr_t)to;
    return to;
}

static struct plumb_tensor *fake_tensor(struct fakes *f, int value)
{
    const struct graph_value *v = &f->g->value.p[value];
    struct plumb_tensor *t = arena_alloc(f->arena, sizeof *t);
    if (!t || !(t->storage = fake_storage(f, v->storage))) return NULL;
    t->view = v->view;
    t->view.offset += graph_shift(f->g, v->storage) / (int64_t)dtype_size(v->view.dtype);
    t->number = (uint64_t)value + 1;
    return t;
}

/* Tensors of the slots that `value` names, into the arguments. */
static enum err fake_arguments(struct fakes *f, const struct op *op, const struct op_value *arg,
                               const int *in, struct op_call *c)
{
    for (int i = 0, slot = 0; i < op->s.n_params; i++) {
        struct op_value *v = &c->arg[i];
        *v = arg[i];
        if (v->kind != OP_TENSOR && v->kind != OP_TENSORS) continue;
        int n = v->kind == OP_TENSOR ? 1 : v->n;
        struct plumb_tensor **to = arena_array(f->arena, (size_t)n + 1, sizeof(void *));
        if (!to) FAIL(ERR_NOMEM, "out of memory for a call");
        for (int k = 0; k < n; k++, slot++)
            if (in[slot] >= 0 && !(to[k] = fake_tensor(f, in[slot])))
                FAIL(ERR_NOMEM, "out of memory for a call");
        if (v->kind == OP_TENSOR) v->t = to[0];
        else v->ts = to;
    }
    return ERR_OK;
}

static enum err shape_call(const struct graph *g, struct op_call *c)
{
    TRY(op_types_resolve(c));
    TRY(c->op->shape(c));
    (void)g;
    c->result = arena_array(c->arena, (size_t)c->n_results + 1, sizeof *c->result);
    return c->result ? ERR_OK : err_set(ERR_NOMEM, "out of memory for a call");
}

static void begin_call(const struct graph *g, const struct op *op, struct arena *arena,
                       struct op_call *c)
{
    *c = (struct op_call){.op = op,
                          .body = op->body,
                          .n_results = op->s.n_results,
                          .arena = arena,
                          .seed = thread_self.session->seed,
                          .exact = g->exact,
                          .threads = thread_self.session->threads};
}

enum err graph_op_call(const struct graph *g, int node, struct arena *arena, struct op_call *out)
{
    const struct graph_node *n = &g->node.p[node];
    struct fakes f = {.g = g, .arena = arena};
    begin_call(g, n->op, arena, out);
    enum err err = fake_arguments(&f, n->op, n->arg, n->in, out);
    if (!err) err = shape_call(g, out);
    out->stream = (uint64_t)n->stream;
    for (int r = 0; !err && r < out->n_results && r < n->n_out; r++) {
        int arg = n->op->s.result_list ? -1 : n->op->s.result_arg[r];
        if (arg >= 0) out->result[r] = out->arg[arg].t;
        else if (n->out[r] >= 0 && !(out->result[r] = fake_tensor(&f, n->out[r])))
            err = err_set(ERR_NOMEM, "out of memory for a call");
    }
    map_release(&f.storages);
    return err;
}

/* ---- calls that passes make ---- */

static enum err new_results(struct graph *g, const struct op_call *c, struct graph_node *n)
{
    const char *base = graph_base_name(g, c->op);
    n->n_out = c->n_results;
    n->out = arena_array(g->arena, (size_t)n->n_out + 1, sizeof *n->out);
    if (!n->out || !base) FAIL(ERR_NOMEM, "out of memory for a graph");
    if ((c->n_results != 1 || c->op->s.result_list) && !(n->name = graph_new_name(g, base)))
        FAIL(ERR_NOMEM, "out of memory for a graph");
    for (int r = 0; r < c->n_results; r++) {
        struct view v;
        enum dtype dtype = c->member ? c->member[r].dtype : c->dtype[r];
        n->out[r] = GRAPH_NONE;
        if (dtype == DTYPE_NONE) continue;
        TRY(view_dense(dtype, c->member ? &c->member[r].shape : &c->shape[r], &v));
        struct graph_value value = {.origin = GRAPH_MADE,
                                    .maker = (int)g->node.n,
                                    .result = r,
                                    .view = v,
                                    .name = graph_result_name(g, c->op)};
        value.storage = graph_add_storage(
            g, &(struct graph_storage){.origin = GRAPH_MADE, .value = (int)g->value.n});
        if (value.storage < 0 || !value.name || (n->out[r] = graph_add_value(g, &value)) < 0)
            FAIL(ERR_NOMEM, "out of memory for a graph");
        if (!*n->name) n->name = value.name;
    }
    return ERR_OK;
}

enum err graph_call(struct graph *g, const struct op *op, const struct op_value *arg, const int *in,
                    int n_in, int *node)
{
    struct arena scratch = {0};
    struct op_call c;
    struct fakes f = {.g = g, .arena = &scratch};
    struct graph_node n = {.op = op,
                           .n_in = n_in,
                           .name = "",
                           .forward = GRAPH_NONE,
                           .origin = GRAPH_NONE,
                           .module = ""};
    size_t params = (size_t)op->s.n_params, slots = (size_t)n_in;
    n.arg = arena_array(g->arena, params + 1, sizeof *n.arg);
    n.in = arena_array(g->arena, slots + 1, sizeof *n.in);
    n.after = arena_array(g->arena, slots + 1, sizeof *n.after);
    if (!n.arg || !n.in || !n.after) FAIL(ERR_NOMEM, "out of memory for a graph");
    memcpy(n.arg, arg, params * sizeof *n.arg);
    memcpy(n.in, in, slots * sizeof *n.in);
    for (int i = 0; i < n_in; i++) n.after[i] = GRAPH_NONE;
    begin_call(g, op, &scratch, &c);
    enum err err = fake_arguments(&f, op, n.arg, n.in, &c);
    if (!err) err = shape_call(g, &c);
    if (!err) err = new_results(g, &c, &n);
    map_release(&f.storages);
    arena_release(&scratch);
    if (err) return err_wrap(err, "a call that a pass makes: ");
    *node = graph_add_node(g, &n);
    return *node < 0 ? err_set(ERR_NOMEM, "out of memory for a graph") : ERR_OK;
}

/* ---- questions ---- */

bool graph_overlap(const struct graph *g, int a, int b)
{
    const struct graph_value *x = &g->value.p[a], *y = &g->value.p[b];
    struct view u = x->view, v = y->view;
    if (x->storage != y->storage) return false;
    int64_t shift = graph_shift(g, x->storage);
    u.offset += shift / (int64_t)dtype_size(u.dtype);
    v.offset += shift / (int64_t)dtype_size(v.dtype);
    return view_overlap(&u, &v) != VIEW_APART;
}

int *graph_uses(const struct graph *g, struct arena *arena)
{
    int *uses = arena_array(arena, g->value.n + 1, sizeof *uses);
    for (size_t i = 0; uses && i < g->node.n; i++)
        for (int k = 0; k < g->node.p[i].n_in; k++)
            if (g->node.p[i].in[k] >= 0) uses[g->node.p[i].in[k]]++;
    for (size_t i = 0; uses && i < g->output.n; i++)
        if (g->output.p[i].value >= 0) uses[g->output.p[i].value]++;
    return uses;
}
