/* trace.c - from the dispatcher's calls to a graph.
 *
 * A fake storage keeps its number in the graph; which version of it a tensor's value is of is known
 * by that value. A tensor that is used after its storage was written through another one gets a
 * value of its own then.
 */
#include "runtime/compile/trace.h"

#include <stdio.h>
#include <string.h>

#include "runtime/session.h"

enum err trace_break(struct trace *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (!t->broken) vsnprintf(t->reason, sizeof t->reason, fmt, ap);
    va_end(ap);
    t->broken = true;
    FAIL(ERR_REFUSED, "the trace ended: %s", t->reason);
}

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for a trace");
}

/* ---- storages ---- */

/* Notes a fake storage under the graph's number, which is the next of t->storage. */
static enum err note_storage(struct trace *t, const struct trace_storage *s, int number)
{
    struct trace_storage *to = LIST_PUSH(&t->storage);
    if (!to || number != (int)t->storage.n - 1) return no_memory();
    *to = *s;
    storage_retain(s->fake);
    return ERR_OK;
}

static int current(const struct trace *t, int storage)
{
    return t->graph->storage.p[storage].n_versions - 1;
}

/* The view as the graph says it: from the storage's first element. */
static enum err graph_view(struct trace *t, const struct plumb_tensor *x, int storage,
                           struct view *out)
{
    int64_t item = (int64_t)dtype_size(x->view.dtype), base = t->storage.p[storage].base;
    *out = x->view;
    if (base % item)
        return trace_break(t, "a view of %s begins within an element of the tensor that it views",
                           dtype_name(x->view.dtype));
    out->offset -= base / item;
    return ERR_OK;
}

/* ---- values ---- */

static enum err put_value(struct trace *t, const struct plumb_tensor *x, int value)
{
    int64_t *at = map_put(&t->values, map_key_int((int64_t)x->number, 0), value, NULL);
    if (!at || value < 0) return no_memory();
    *at = value;
    return ERR_OK;
}

/* Another view of a storage that was written since the tensor's value was made. Two tensors never
 * share a value: gradients go back through each as it was made. */
static enum err refresh(struct trace *t, const struct plumb_tensor *x, int old, int *out)
{
    struct graph *g = t->graph;
    struct graph_value v = g->value.p[old];
    v.version = current(t, v.storage);
    v.origin = GRAPH_MADE;
    v.maker = t->storage.p[v.storage].writer;
    v.result = GRAPH_NONE;
    v.name = graph_new_name(g, "alias");
    if (!v.name) return no_memory();
    *out = graph_add_value(g, &v);
    return put_value(t, x, *out);
}

enum err trace_value(struct trace *t, const struct plumb_tensor *x, int *out)
{
    const int64_t *at = map_get(&t->values, map_key_int((int64_t)x->number, 0));
    if (!at) return trace_break(t, "a tensor came from nowhere"); /* made by no call, not given */
    *out = (int)*at;
    const struct graph_value *v = &t->graph->value.p[*out];
    return v->version == current(t, v->storage) ? ERR_OK : refresh(t, x, *out, out);
}

/* ---- twins ---- */

static struct trace_twin *find_twin(const struct trace *t, const struct plumb_tensor *x)
{
    const int64_t *at = map_get(&t->twin_of, map_key_int((int64_t)x->number, 0));
    return at ? &t->twin.p[*at] : NULL;
}

bool trace_is_given(const struct trace *t, const struct plumb_tensor *x)
{
    return find_twin(t, x) != NULL;
}

/* The storage of the graph that stands for a real one; a new one begins at `view`. */
static enum err twin_storage(struct trace *t, const struct plumb_tensor *real,
                             enum graph_origin origin, int *out)
{
    for (size_t i = 0; i < t->storage.n; i++)
        if (t->storage.p[i].real == real->storage) {
            *out = (int)i;
            return ERR_OK;
        }
    struct storage *fake;
    TRY(storage_new(real->storage->backend, real->storage->size, &fake));
    *out = graph_add_storage(t->graph, &(struct graph_storage){.origin = origin});
    int64_t base = real->view.offset * (int64_t)dtype_size(real->view.dtype);
    enum err err = *out < 0 ? no_memory() : ERR_OK;
    if (!err)
        err = note_storage(
            t, &(struct trace_storage){.real = real->storage, .fake = fake, .base = base}, *out);
    storage_release(fake);
    return err;
}

static enum err add_twin(struct trace *t, struct plumb_tensor *real, enum graph_origin origin,
                         int index, struct trace_twin *out)
{
    struct graph *g = t->graph;
    struct trace_twin twin = {.real = real};
    struct plumb_tensor like = *real;
    struct view view;
    int storage;
    TRY(twin_storage(t, real, origin, &storage));
    bool brought = g->storage.p[storage].low == g->storage.p[storage].high;
    TRY(graph_view(t, real, storage, &view));
    /* the frame of the trace owns it, whatever frame the function has begun since */
    struct frame *inner = thread_self.frame;
    like.storage = t->storage.p[storage].fake;
    thread_self.frame = t->frame;
    enum err err = tensor_view(&like, &real->view, &twin.fake);
    thread_self.frame = inner;
    TRY(err);
    twin.fake->requires_grad = real->requires_grad;
    struct graph_value v = {.origin = origin,
                            .index = index,
                            .maker = GRAPH_NONE,
                            .result = GRAPH_NONE,
                            .storage = storage,
                            .view = view,
                            .name = graph_input_name(g, origin),
                            .requires_grad = real->requires_grad,
                            .real = (int64_t)real->number};
    if (!v.name || (twin.value = graph_add_value(g, &v)) < 0) return no_memory();
    if (brought) g->storage.p[storage].value = twin.value;
    TRY(put_value(t, twin.fake, twin.value));
    struct trace_twin *to = LIST_PUSH(&t->twin);
    if (!to) return no_memory();
    *to = *out = twin;
    int64_t at = (int64_t)t->twin.n - 1;
    bool ok = map_put(&t->twin_of, map_key_int((int64_t)real->number, 0), at, NULL) &&
              map_put(&t->twin_of, map_key_int((int64_t)twin.fake->number, 0), at, NULL);
    return ok ? ERR_OK : no_memory();
}

/* Whether the tensor was made since the trace began. */
static bool is_of_trace(const struct trace *t, const struct plumb_tensor *x)
{
    for (const struct frame *f = thread_self.frame; f; f = f->outer) {
        if (f == x->frame) return true;
        if (f == t->frame) break;
    }
    return false;
}

static enum err add_constant(struct trace *t, struct plumb_tensor *x, struct trace_twin *out)
{
    struct plumb_tensor **to = LIST_PUSH(&t->graph->constant);
    if (!to) return no_memory();
    tensor_keep(x);
    *to = x;
    return add_twin(t, x, GRAPH_CONSTANT, (int)t->graph->constant.n - 1, out);
}

static enum err add_captured(struct trace *t, struct plumb_tensor *x, bool grad,
                             struct trace_twin *out)
{
    struct graph_captured *to = LIST_PUSH(&t->graph->captured);
    if (!to) return no_memory();
    *to = (struct graph_captured){.tensor = x, .grad = grad};
    return add_twin(t, grad ? x->grad : x, GRAPH_CAPTURED, (int)t->graph->captured.n - 1, out);
}

enum err trace_twin(struct trace *t, struct plumb_tensor *x, struct plumb_tensor **out)
{
    struct trace_twin twin, *known = find_twin(t, x);
    char text[TENSOR_TEXT];
    *out = known ? known->fake : x;
    if (known && x == known->real) t->graph->value.p[known->value].itself = true;
    if (known || x->storage->fake) return ERR_OK;
    if (x->storage->backend != thread_self.session->backend) return ERR_OK; /* refused later */
    if (is_of_trace(t, x)) TRY(add_constant(t, x, &twin));
    else if (!x->frame) TRY(add_captured(t, x, false, &twin));
    else
        return trace_break(t,
                           "%s is neither an input nor kept, and will not be there at the next "
                           "call; give it as an input",
                           tensor_text(x, text));
    *out = twin.fake;
    return ERR_OK;
}

/* ---- gradients of leaves ---- */

/* What the real tensor has as its gradient, as a tensor of the trace. */
static enum err load_grad(struct trace *t, struct trace_twin *w)
{
    struct graph *g = t->graph;
    if (w->loaded) return ERR_OK;
    w->loaded = true;
    struct graph_value *v = &g->value.p[w->value];
    v->asked = true;
    if (v->origin == GRAPH_CAPTURED) g->captured.p[v->index].asked = true;
    if (!w->real->grad) return ERR_OK;
    if (w->real->frame)
        return trace_break(t, "the gradient of an input was asked for; keep the input");
    v->itself = true;
    size_t at = (size_t)(w - t->twin.p);
    struct trace_twin grad;
    TRY(add_captured(t, w->real, true, &grad));
    t->twin.p[at].fake->grad = grad.fake; /* the list may have moved */
    return ERR_OK;
}

struct plumb_tensor *trace_grad(struct trace *t, const struct plumb_tensor *x)
{
    struct plumb_tensor *fake;
    if (t->broken || trace_twin(t, (struct plumb_tensor *)x, &fake)) return NULL;
    struct trace_twin *w = find_twin(t, fake);
    if (!w) return fake->grad;
    return load_grad(t, w) ? NULL : w->fake->grad;
}

enum err trace_leaf(struct trace *t, struct plumb_tensor *leaf)
{
    struct trace_twin *w = find_twin(t, leaf);
    if (!w) return ERR_OK;
    size_t at = (size_t)(w - t->twin.p);
    if (w->real->made_by)
        return trace_break(t, "gradients go back beyond the function, to what made its input");
    TRY(load_grad(t, w));
    t->twin.p[at].changed = true;
    t->graph->value.p[t->twin.p[at].value].asked = true;
    return ERR_OK;
}

void trace_zero_grad(struct trace *t, struct plumb_tensor *x)
{
    struct plumb_tensor *fake;
    if (t->broken || trace_twin(t, x, &fake)) return;
    struct trace_twin *w = find_twin(t, fake);
    fake->grad = NULL;
    if (!w) return;
    w->loaded = w->changed = true;
}

enum err trace_leaf_gradients(struct trace *t)
{
    for (size_t i = 0; i < t->twin.n; i++) {
        const struct trace_twin *w = &t->twin.p[i];
        if (w->changed) TRY(trace_output(t, w->fake->grad, GRAPH_LEAF_GRAD, w->value));
    }
    return ERR_OK;
}

/* ---- calls ---- */

static int n_members(const struct op_value *v)
{
    return v->kind == OP_TENSORS ? v->n : v->kind == OP_TENSOR;
}
static struct plumb_tensor *member(const struct op_value *v, int i)
{
    return v->kind == OP_TENSOR ? v->t : v->ts[i];
}

/* Numbers and texts in the graph's arena; of tensors the kind stays. */
static enum err copy_arguments(struct trace *t, const struct op_call *c, struct graph_node *n)
{
    struct arena *a = t->graph->arena;
    n->arg = arena_array(a, (size_t)c->op->s.n_params + 1, sizeof *n->arg);
    if (!n->arg) return no_memory();
    for (int i = 0; i < c->op->s.n_params; i++) {
        struct op_value *v = &n->arg[i];
        *v = c->arg[i];
        v->t = NULL;
        v->ts = NULL;
        if (v->kind == OP_TEXT && !(v->s = arena_copy(a, span_of(v->s)).p)) return no_memory();
        if (v->kind != OP_INTS || !v->n) continue;
        int64_t *is = arena_array(a, (size_t)v->n, sizeof *is);
        if (!is) return no_memory();
        memcpy(is, v->is, (size_t)v->n * sizeof *is);
        v->is = is;
    }
    return ERR_OK;
}

static enum err take_slots(struct trace *t, const struct op_call *c, struct graph_node *n)
{
    struct arena *a = t->graph->arena;
    n->n_in = op_slot(c, c->op->s.n_params);
    n->in = arena_array(a, (size_t)n->n_in + 1, sizeof *n->in);
    n->after = arena_array(a, (size_t)n->n_in + 1, sizeof *n->after);
    if (!n->in || !n->after) return no_memory();
    for (int i = 0, slot = 0; i < c->op->s.n_params; i++)
        for (int k = 0; k < n_members(&c->arg[i]); k++, slot++) {
            const struct plumb_tensor *x = member(&c->arg[i], k);
            n->in[slot] = n->after[slot] = GRAPH_NONE;
            if (x) TRY(trace_value(t, x, &n->in[slot]));
        }
    return ERR_OK;
}

/* Storages that the call writes go up one version, each once. */
static enum err write_slots(struct trace *t, const struct op_call *c, struct graph_node *n)
{
    struct graph *g = t->graph;
    int node = (int)g->node.n;
    if (c->writes_nothing) return ERR_OK;
    for (int i = 0, slot = 0; i < c->op->s.n_params; i++)
        for (int k = 0; k < n_members(&c->arg[i]); k++, slot++) {
            const struct plumb_tensor *x = member(&c->arg[i], k);
            if (!x || !c->op->s.param[i].written) continue;
            struct graph_value v = g->value.p[n->in[slot]];
            if (g->storage.p[v.storage].origin == GRAPH_CONSTANT)
                return trace_break(t,
                                   "%s writes a tensor made of host data, which is made once; "
                                   "clone it",
                                   c->op->s.name);
            if (v.version == current(t, v.storage)) g->storage.p[v.storage].n_versions++;
            v.version = current(t, v.storage);
            t->storage.p[v.storage].writer = node;
            v.origin = GRAPH_MADE;
            v.maker = node;
            v.result = GRAPH_NONE;
            for (int r = 0; r < c->n_results && !c->op->s.result_list; r++)
                if (c->op->s.result_arg[r] == i) v.result = r;
            const char *base = graph_base_name(g, c->op);
            if (!base || !(v.name = graph_new_name(g, base))) return no_memory();
            n->after[slot] = graph_add_value(g, &v);
            TRY(put_value(t, x, n->after[slot]));
            if (!*n->name) n->name = v.name;
        }
    return ERR_OK;
}

/* The value of a result that is not an argument itself. */
static enum err new_result(struct trace *t, const struct op_call *c, struct graph_node *n, int r)
{
    struct graph *g = t->graph;
    const struct plumb_tensor *y = c->result[r];
    struct graph_value v = {.origin = GRAPH_MADE,
                            .maker = (int)g->node.n,
                            .result = r,
                            .real = (int64_t)y->number,
                            .name = graph_result_name(g, c->op)};
    if (!v.name) return no_memory();
    if (c->op->class == OP_VIEW) {
        const struct graph_value *of = &g->value.p[n->in[op_slot(c, c->view_of)]];
        v.storage = of->storage;
        v.version = of->version;
    } else {
        v.storage = graph_add_storage(
            g, &(struct graph_storage){.origin = GRAPH_MADE, .value = (int)g->value.n});
        if (v.storage < 0) return no_memory();
        TRY(note_storage(t, &(struct trace_storage){.fake = y->storage}, v.storage));
    }
    TRY(graph_view(t, y, v.storage, &v.view));
    n->out[r] = graph_add_value(g, &v);
    if (!*n->name) n->name = v.name;
    return put_value(t, y, n->out[r]);
}

static enum err take_results(struct trace *t, const struct op_call *c, struct graph_node *n)
{
    n->n_out = c->n_results;
    n->out = arena_array(t->graph->arena, (size_t)n->n_out + 1, sizeof *n->out);
    if (!n->out) return no_memory();
    if (!*n->name && (c->n_results != 1 || c->op->s.result_list || c->writes_nothing)) {
        const char *base = graph_base_name(t->graph, c->op);
        if (!base || !(n->name = graph_new_name(t->graph, base))) return no_memory();
    }
    for (int r = 0; r < c->n_results; r++) {
        int arg = c->op->s.result_list ? -1 : c->op->s.result_arg[r];
        n->out[r] = GRAPH_NONE;
        if (!c->result[r]) continue;
        if (arg < 0) TRY(new_result(t, c, n, r));
        else {
            int slot = op_slot(c, arg);
            n->out[r] = n->after[slot] >= 0 ? n->after[slot] : n->in[slot];
        }
    }
    return ERR_OK;
}

enum err trace_call(struct trace *t, const struct op_call *c)
{
    struct graph *g = t->graph;
    struct graph_node n = {.op = c->op,
                           .name = "",
                           .writes_nothing = c->writes_nothing,
                           .phase = t->phase,
                           .forward = t->forward,
                           .module = t->module.n ? t->module.p[t->module.n - 1] : "",
                           .origin = (int)g->node.n,
                           .stack = record_stack(&thread_self)};
    TRY(copy_arguments(t, c, &n));
    TRY(take_slots(t, c, &n));
    TRY(write_slots(t, c, &n));
    TRY(take_results(t, c, &n));
    if (c->op->flags & OP_RANDOM) {
        n.stream = (int64_t)(c->stream - t->first_generator);
        g->n_streams = n.stream + 1;
    }
    return graph_add_node(g, &n) < 0 ? no_memory() : ERR_OK;
}

void trace_module(struct trace *t, const char *name)
{
    if (!name) {
        if (t->module.n) t->module.n--;
        return;
    }
    const char *copy = arena_copy(t->graph->arena, span_of(name)).p;
    const char **to = LIST_PUSH(&t->module);
    if (to) *to = copy ? copy : "";
}

/* ---- begin and end ---- */

enum err trace_output(struct trace *t, struct plumb_tensor *y, enum graph_gives gives, int index)
{
    struct graph_output o = {.value = GRAPH_NONE, .gives = gives, .index = index};
    if (y) {
        TRY(trace_twin(t, y, &y));
        TRY(trace_value(t, y, &o.value));
        if (t->graph->storage.p[t->graph->value.p[o.value].storage].origin == GRAPH_CONSTANT)
            return trace_break(t, "a result is a tensor made of host data, which is made once; "
                                  "clone it");
    }
    struct graph_output *to = LIST_PUSH(&t->graph->output);
    if (!to) return no_memory();
    *to = o;
    return ERR_OK;
}

enum err trace_input(struct trace *t, enum graph_origin origin, int index,
                     const struct plumb_tensor *like, struct plumb_tensor **out)
{
    struct view view;
    TRY(tensor_new(like->view.dtype, &like->view.shape, out)); /* dense, as what comes will be */
    view = (*out)->view;
    int value = graph_add_input(t->graph, origin, index, &view);
    if (value < 0) return no_memory();
    TRY(note_storage(t, &(struct trace_storage){.fake = (*out)->storage},
                     t->graph->value.p[value].storage));
    if (origin == GRAPH_TANGENT) t->graph->n_tangents++;
    return put_value(t, *out, value);
}

enum err trace_begin(struct trace *t, struct graph *g, struct plumb_tensor *const *in, int n_in)
{
    struct thread *self = &thread_self;
    memset(t, 0, sizeof *t);
    t->graph = g;
    t->forward = GRAPH_NONE;
    t->first_generator = self->generator;
    g->exact = self->session->determinism == PLUMB_EXACT;
    g->n_inputs = n_in;
    if (plumb_frame_begin()) return ERR_NOMEM;
    t->frame = self->frame;
    self->trace = t;
    self->quiet++;
    t->in = arena_array(g->arena, (size_t)n_in + 1, sizeof *t->in);
    if (!t->in) return no_memory();
    for (int i = 0; i < n_in; i++) {
        struct trace_twin *known = find_twin(t, in[i]), twin;
        if (!known) TRY(add_twin(t, in[i], GRAPH_INPUT, i, &twin));
        t->in[i] = known ? known->fake : twin.fake;
    }
    return ERR_OK;
}

void trace_end(struct trace *t)
{
    struct thread *self = &thread_self;
    if (!t->frame) return;
    self->trace = NULL;
    self->quiet--;
    self->generator = t->first_generator;
    while (self->frame != t->frame) plumb_frame_end();
    plumb_frame_end();
    for (size_t i = 0; i < t->storage.n; i++) storage_release(t->storage.p[i].fake);
    LIST_RELEASE(&t->storage);
    LIST_RELEASE(&t->twin);
    LIST_RELEASE(&t->module);
    map_release(&t->values);
    map_release(&t->twin_of);
}
