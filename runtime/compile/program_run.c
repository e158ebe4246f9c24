/* program_run.c - running a program: memory is bound, then launch after launch.
 *
 * Tensors of values exist only where someone looks at them: outputs, arguments of extern kernels,
 * and those of kernels when calls are recorded. They lie in the run's arena but for outputs.
 */
#include "runtime/compile/program_parts.h"

#include <string.h>

struct run {
    const struct program *p;
    struct program_call *call;
    struct thread *thread;
    struct room *room;
    struct arena *arena;          /* the room's */
    struct storage **storage;     /* per buffer; temporaries' NULL until asked for, in the arena */
    struct plumb_tensor **tensor; /* per identity; NULL: not asked for yet */
    int64_t *number;              /* per node, from 1 (program_number_calls); NULL: no faults */
};

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for running a program");
}

/* ---- memory ---- */

/* The tensor that a given value stands for in this call; NULL: there is none. */
static struct plumb_tensor *given(const struct run *r, enum graph_origin origin, int index)
{
    const struct graph *g = r->p->graph;
    switch (origin) {
    case GRAPH_INPUT: return r->call->input[index];
    case GRAPH_TANGENT: return r->call->tangent[index];
    case GRAPH_SAVED: return r->call->saved[index];
    case GRAPH_CONSTANT: return g->constant.p[index];
    case GRAPH_CAPTURED: {
        const struct graph_captured *c = &g->captured.p[index];
        return c->grad ? c->tensor->grad : c->tensor;
    }
    default: return NULL;
    }
}

static enum err bind_given(struct run *r, const struct binding *b)
{
    struct plumb_tensor *t = given(r, b->origin, b->index);
    if (!t)
        FAIL(ERR_USAGE, "%s: %s was not given", r->p->graph->name,
             r->p->graph->value.p[b->value].name);
    program_take_place(b, t, r->storage, r->room->first);
    return ERR_OK;
}

/* Results lie in storages of their own, counted here until the outputs hold them. */
static enum err bind_new(struct run *r, const struct binding *b)
{
    const struct graph_storage *s =
        &r->p->graph->storage.p[r->p->lowered.buffer.p[b->buffer].storage];
    int64_t shift = program_shift(r->p, b->buffer);
    struct storage **to = &r->storage[b->buffer];
    TRY(storage_new(r->thread->session->backend, s->high + shift, to));
    r->room->first[b->buffer] = (*to)->p ? (char *)(*to)->p + shift : NULL;
    return ERR_OK;
}

static enum err bind(struct run *r)
{
    const struct program_pool *pool = r->p->pool;
    for (int i = 0; i < pool->n_bindings; i++) {
        const struct binding *b = &pool->binding[i];
        TRY(b->origin == GRAPH_MADE ? bind_new(r, b) : bind_given(r, b));
    }
    return ERR_OK;
}

/* ---- tensors ---- */

static int first_value(const struct program *p, int buffer)
{
    return p->graph->storage.p[p->lowered.buffer.p[buffer].storage].value;
}

static struct storage *storage_of(struct run *r, int buffer)
{
    struct storage *s = r->storage[buffer];
    if (s) return s;
    s = arena_alloc(r->arena, sizeof *s);
    if (!s) return NULL;
    atomic_init(&s->refs, 1);
    s->backend = r->thread->session->backend;
    s->p = r->room->first[buffer] ? r->room->first[buffer] - program_shift(r->p, buffer) : NULL;
    s->size = r->p->buffer[buffer].size;
    return r->storage[buffer] = s;
}

/* The view of a value or use in the memory of this call. */
static struct view view_here(const struct run *r, int buffer, const struct view *v)
{
    const struct lower_buffer *b = &r->p->lowered.buffer.p[buffer];
    int64_t bytes = program_shift(r->p, buffer);
    struct view here = *v;
    if (b->given) {
        const struct graph_value *first = &r->p->graph->value.p[first_value(r->p, buffer)];
        const struct plumb_tensor *t = given(r, first->origin, first->index);
        bytes = t->view.offset * (int64_t)dtype_size(t->view.dtype);
    }
    here.offset += bytes / (int64_t)dtype_size(v->dtype);
    return here;
}

static struct plumb_tensor *new_tensor(struct run *r, int buffer, const struct view *v)
{
    struct plumb_tensor *t = arena_alloc(r->arena, sizeof *t);
    if (!t || !(t->storage = storage_of(r, buffer))) return NULL;
    t->view = view_here(r, buffer, v);
    t->number = tensor_number();
    t->maker = r->thread->serial;
    return t;
}

static struct plumb_tensor *tensor_of_value(struct run *r, int value)
{
    const struct graph_value *v = &r->p->graph->value.p[value];
    int same = r->p->identity[value];
    const struct graph_value *first = &r->p->graph->value.p[same];
    struct plumb_tensor **at = &r->tensor[same];
    if (!*at) *at = given(r, first->origin, first->index);
    if (!*at) *at = new_tensor(r, r->p->buffer_of[v->storage], &v->view);
    return *at;
}

/* Outputs are made before anything runs, so that what is recorded of them on the way is known of
 * the tensors that the caller gets. */
static enum err make_outputs(struct run *r)
{
    const struct graph *g = r->p->graph;
    for (size_t i = 0; i < g->output.n; i++) {
        int value = g->output.p[i].value;
        r->call->output[i] = NULL;
        if (value < 0) continue;
        const struct graph_value *v = &g->value.p[value];
        int buffer = r->p->buffer_of[v->storage];
        bool is_given = r->p->lowered.buffer.p[buffer].given;
        struct plumb_tensor **at = &r->tensor[r->p->identity[value]];
        if (*at && !is_given) {
            r->call->output[i] = *at;
            continue;
        }
        struct view here = view_here(r, buffer, &v->view);
        TRY(tensor_of(r->storage[buffer], &here, &r->call->output[i]));
        r->call->output[i]->is_view = is_given;
        bool stands = is_given && given(r, v->origin, v->index);
        if (!*at && !stands) *at = r->call->output[i];
    }
    return ERR_OK;
}

/* ---- calls ---- */

/* The tensors of this call in place of those without memory. */
static enum err bind_call(struct run *r, const struct graph_node *n, struct op_call *c)
{
    for (int i = 0, slot = 0; i < n->op->s.n_params; i++) {
        struct op_value *v = &c->arg[i];
        if (v->kind != OP_TENSOR && v->kind != OP_TENSORS) continue;
        int count = v->kind == OP_TENSOR ? 1 : v->n;
        struct plumb_tensor **to = arena_array(r->arena, (size_t)count + 1, sizeof *to);
        if (!to) return no_memory();
        for (int k = 0; k < count; k++, slot++)
            if (n->in[slot] >= 0 && !(to[k] = tensor_of_value(r, n->in[slot]))) return no_memory();
        if (v->kind == OP_TENSOR) v->t = to[0];
        else v->ts = to;
    }
    for (int k = 0; k < c->n_results && k < n->n_out; k++) {
        int arg = n->op->s.result_list ? -1 : n->op->s.result_arg[k];
        if (arg >= 0) c->result[k] = c->arg[arg].t;
        else if (n->out[k] >= 0 && !(c->result[k] = tensor_of_value(r, n->out[k])))
            return no_memory();
        if (c->result[k] && arg < 0) c->result[k]->uninitialised = n->op->flags & OP_NO_VALUES;
    }
    return ERR_OK;
}

/* No two threads write one tensor at a time, so that no locked addition is needed: it would take
 * longer than all else that a small member needs. */
static void raise_version(struct storage *s)
{
    unsigned version = atomic_load_explicit(&s->version, memory_order_relaxed);
    atomic_store_explicit(&s->version, version + 1, memory_order_relaxed);
}

static void raise_written(struct run *r, const struct graph_node *n)
{
    for (int i = 0; i < n->n_in; i++) {
        if (n->after[i] < 0) continue;
        struct plumb_tensor *t = tensor_of_value(r, n->in[i]);
        raise_version(t->storage);
        t->uninitialised = false;
    }
}

static enum err compute(const struct run *r, struct op_call *c)
{
    const struct backend *b = r->thread->session->backend;
    if (!b->computes) return ERR_OK;
    return b->run_oracle ? b->run_oracle(c) : op_compute(c);
}

static enum err record_uses(struct run *r, const struct program_launch *l, struct record_use **out)
{
    struct record_use *u = arena_array(r->arena, (size_t)l->n_args + 1, sizeof *u);
    for (int i = 0; u && i < l->n_args; i++) {
        const struct program_arg *a = &l->arg[i];
        u[i] = (struct record_use){a->value >= 0 ? tensor_of_value(r, a->value)
                                                 : new_tensor(r, a->buffer, &a->view),
                                   a->keyword, a->reads, a->writes};
        if (!u[i].tensor) return no_memory();
    }
    *out = u;
    return u ? ERR_OK : no_memory();
}

static void raise_versions(struct run *r, const struct program_launch *l)
{
    for (int i = 0; i < l->n_written; i++)
        if (r->storage[l->written[i]]) raise_version(r->storage[l->written[i]]);
}

static void begin_launch(struct thread *t, const struct program_launch *l)
{
    cap_launch_begin(t->ring,
                     &(struct cap_launch){.kernel = thread_word(t, l->name),
                                          .variant = thread_word(t, t->session->backend->name),
                                          .site = l->site ? thread_word(t, l->site) : 0,
                                          .items = l->items,
                                          .threads = t->session->threads,
                                          .bytes_read = l->bytes_read,
                                          .bytes_written = l->bytes_written,
                                          .flops = l->flops});
}

/* Scratch that a run function makes ends with the call. l: what it is a launch of; NULL of none. */
static enum err call_op(struct run *r, const struct graph_node *n, const struct program_launch *l,
                        struct op_call *c)
{
    struct call_record record = {0};
    struct inject *inject = r->number ? r->thread->inject : NULL;
    struct cap *cap = r->thread->session->cap;
    if (inject) c->number = r->number[n - r->p->graph->node.p];
    if (plumb_frame_begin()) return ERR_NOMEM;
    record_begin(r->thread, c, &record);
    if (l && record.on) begin_launch(r->thread, l);
    enum err err = compute(r, c);
    if (l && record.on) cap_end(r->thread->ring);
    if (!err && inject) err = inject_reorder(inject, cap, c, op_compute);
    if (!err) raise_written(r, n);
    if (!err && inject) err = inject_flip(inject, cap, c);
    if (!err) record_results(r->thread, c, &record);
    record_end(r->thread, c, &record, err);
    if (!err && inject) err = inject_call(inject, cap, c);
    plumb_frame_end();
    return err;
}

static enum err run_call(struct run *r, const struct graph_node *n, const struct program_launch *l,
                         struct op_call *c)
{
    TRY(bind_call(r, n, c));
    if (n->op->flags & OP_RANDOM) c->stream = (uint64_t)(r->call->stream + n->stream);
    return call_op(r, n, l, c);
}

static enum err run_node(struct run *r, int node)
{
    const struct graph_node *n = &r->p->graph->node.p[node];
    struct op_call c;
    if (n->op->class == OP_VIEW) return ERR_OK;
    TRY(graph_op_call(r->p->graph, node, r->arena, &c));
    return run_call(r, n, NULL, &c);
}

/* ---- kernels ---- */

/* The call that was prepared for an extern kernel, with tensors of this run. */
static enum err begin_call(struct run *r, const struct program_launch *l, struct op_call *c)
{
    memcpy(c, l->call, offsetof(struct op_call, plan));
    c->arena = r->arena;
    c->result = arena_array(r->arena, (size_t)c->n_results + 1, sizeof *c->result);
    return c->result ? ERR_OK : no_memory();
}

/* Memory of this run for a result that has none, where the epilogue is interpreted as a whole. */
static enum err lend_result(struct run *r, const struct fuse_group *g, struct code_args *args)
{
    const struct lower_item *it = &r->p->lowered.item.p[g->product];
    const struct lower_use *result = &it->use[it->n_uses - 1];
    struct storage *s = storage_of(r, result->buffer);
    if (!s) return no_memory();
    s->size = view_n_bytes(&result->view);
    s->p = arena_alloc(r->arena, (size_t)s->size);
    for (int i = 0; i < g->nest->n_arrays; i++)
        if (g->tile >> i & 1) args->base[i] = s->p;
    return s->p ? ERR_OK : no_memory();
}

static enum err run_product(struct run *r, const struct program_launch *l, struct code_args *args)
{
    const struct fuse_group *g = &r->p->fused.group.p[l->group[0]];
    struct op_call c;
    TRY(begin_call(r, l, &c));
    if (!g->stored && !code_takes_tiles(r->p->code, l->code)) TRY(lend_result(r, g, args));
    TRY(bind_call(r, &r->p->graph->node.p[r->p->lowered.item.p[g->product].node], &c));
    return program_run_product(r->p, l, args, &c);
}

static enum err run_members(struct run *r, const struct program_launch *l)
{
    const struct launch_args *la = &r->p->pool->launch[l - r->p->launch.p];
    if (la->moves) program_fill_args(r->room, l, la->first, r->call->stream);
    if (l->call) return run_product(r, l, r->room->args + la->first);
    return code_run(r->p->code, l->code, r->room->args + la->first, r->thread->session->threads);
}

static enum err inject_kernel(struct run *r, const struct program_launch *l)
{
    struct program_stored *stored;
    int n;
    if (!r->number) return ERR_OK;
    TRY(program_list_stored(r->p, l, r->arena, &stored, &n));
    for (int i = 0; i < n; i++) {
        int node = stored[i].node, value = stored[i].value;
        struct op_call c = {.op = r->p->graph->node.p[node].op, .number = r->number[node]};
        struct plumb_tensor *t = value >= 0 ? tensor_of_value(r, value) : NULL;
        if (!c.number) continue;
        if (value >= 0 && !t) return no_memory();
        TRY(inject_stored(r->thread->inject, r->thread->session->cap, &c, l->name, t));
    }
    return ERR_OK;
}

static enum err run_kernels(struct run *r, const struct program_launch *l)
{
    struct thread *t = r->thread;
    struct call_record record = {0};
    struct record_use *use = NULL;
    bool recorded = t->ring && !t->quiet;
    if (recorded) {
        TRY(record_uses(r, l, &use));
        record_kernel_begin(t, l->name, use, l->n_args, &record);
        begin_launch(t, l);
    }
    enum err err = r->p->code ? run_members(r, l) : ERR_OK;
    if (err) err = err_wrap(err, "%s: ", l->name);
    if (recorded) cap_end(t->ring);
    raise_versions(r, l);
    if (!err) err = inject_kernel(r, l);
    if (recorded) record_kernel_end(t, use, l->n_args, &record, err);
    return err;
}

/* An extern kernel, from the call that was prepared for it. */
static enum err run_extern(struct run *r, const struct program_launch *l)
{
    const struct fuse_group *g = &r->p->fused.group.p[l->group[0]];
    struct op_call c;
    TRY(begin_call(r, l, &c));
    return run_call(r, &r->p->graph->node.p[r->p->lowered.item.p[g->item[0]].node], l, &c);
}

/* ---- the whole ---- */

static enum err run_launch(struct run *r, const struct program_launch *l)
{
    return l->code >= 0 ? run_kernels(r, l) : run_extern(r, l);
}

static enum err run_all(struct run *r)
{
    const struct program *p = r->p;
    size_t buffers = p->lowered.buffer.n + 1;
    r->storage = arena_array(r->arena, buffers, sizeof *r->storage);
    r->tensor = arena_array(r->arena, p->graph->value.n + 1, sizeof *r->tensor);
    if (!r->storage || !r->tensor) return no_memory();
    memcpy(r->storage, r->room->fixed, (buffers - 1) * sizeof *r->storage);
    TRY(bind(r));
    TRY(make_outputs(r));
    if (r->thread->inject) TRY(program_number_calls(p, r->arena, &r->number));
    for (size_t i = 0; !p->by_nodes && i < p->launch.n; i++) TRY(run_launch(r, &p->launch.p[i]));
    for (size_t i = 0; p->by_nodes && i < p->graph->node.n; i++) TRY(run_node(r, (int)i));
    return ERR_OK;
}

static void release_results(struct run *r)
{
    for (size_t i = 0; r->storage && i < r->p->lowered.buffer.n; i++) {
        const struct lower_buffer *b = &r->p->lowered.buffer.p[i];
        if (b->escapes && !b->given) storage_release(r->storage[i]);
    }
}

enum err program_run(const struct program *p, struct program_call *c)
{
    struct run r = {.p = p, .call = c, .thread = &thread_self};
    TRY(thread_check("a compiled program"));
    TRY(program_room_take(p, &r.room));
    r.arena = &r.room->arena;
    enum err err = run_all(&r);
    release_results(&r);
    program_room_give(p->pool, r.room);
    return err;
}
