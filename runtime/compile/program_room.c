/* program_room.c - what one run of a program needs and the next may use again. */
#include "runtime/compile/program_parts.h"

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for running a program");
}

static bool stays(const struct graph *g, const struct binding *b)
{
    return b->origin == GRAPH_CONSTANT ||
           (b->origin == GRAPH_CAPTURED && !g->captured.p[b->index].grad);
}

static enum err list_bindings(const struct program *p, struct program_pool *pool)
{
    pool->binding = arena_array(p->arena, p->lowered.buffer.n + 1, sizeof *pool->binding);
    pool->fixed = arena_array(p->arena, p->lowered.buffer.n + 1, sizeof *pool->fixed);
    if (!pool->binding || !pool->fixed) return no_memory();
    for (size_t i = 0; i < p->lowered.buffer.n; i++) {
        const struct lower_buffer *b = &p->lowered.buffer.p[i];
        if (!b->given && !b->escapes) continue;
        const struct graph_storage *s = &p->graph->storage.p[b->storage];
        const struct graph_value *v = &p->graph->value.p[s->value];
        struct binding binding = {.buffer = (int)i,
                                  .value = s->value,
                                  .origin = b->given ? v->origin : GRAPH_MADE,
                                  .index = v->index,
                                  .item = (int)dtype_size(v->view.dtype),
                                  .written = s->n_versions > 1};
        if (stays(p->graph, &binding)) pool->fixed[pool->n_fixed++] = binding;
        else pool->binding[pool->n_bindings++] = binding;
    }
    return ERR_OK;
}

/* Whether the launch takes something that has a place or a number of its own in each run. */
static bool moves(const struct program *p, const struct program_launch *l, const bool *bound)
{
    bool any = false;
    for (int m = 0; m < l->n_groups; m++) {
        const struct fuse_group *g = &p->fused.group.p[l->group[m]];
        any |= g->stream >= 0;
        for (int i = 0; i < g->n_uses && !any; i++)
            any = g->use[i].buffer >= 0 && bound[g->use[i].buffer];
    }
    return any;
}

static enum err list_launches(const struct program *p, struct program_pool *pool)
{
    bool *bound = calloc(p->lowered.buffer.n + 1, sizeof *bound);
    pool->launch = arena_array(p->arena, p->launch.n + 1, sizeof *pool->launch);
    for (int i = 0; bound && i < pool->n_bindings; i++) bound[pool->binding[i].buffer] = true;
    for (size_t i = 0; bound && pool->launch && i < p->launch.n; i++) {
        const struct program_launch *l = &p->launch.p[i];
        pool->launch[i] = (struct launch_args){pool->n_args, moves(p, l, bound)};
        pool->n_args += l->n_groups;
    }
    enum err err = bound && pool->launch ? ERR_OK : no_memory();
    free(bound);
    return err;
}

enum err program_pool_new(struct program *p)
{
    p->pool = calloc(1, sizeof *p->pool);
    if (!p->pool) return no_memory();
    pthread_mutex_init(&p->pool->lock, NULL);
    p->pool->n_buffers = (int)p->lowered.buffer.n;
    TRY(list_bindings(p, p->pool));
    return list_launches(p, p->pool);
}

static void room_free(struct room *r)
{
    storage_release(r->block);
    free(r->first);
    free(r->fixed);
    free(r->args);
    arena_release(&r->arena);
    free(r);
}

void program_pool_free(struct program_pool *pool)
{
    while (pool && pool->free) {
        struct room *r = pool->free;
        pool->free = r->next;
        room_free(r);
    }
    if (pool) pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* Temporaries lie where the plan says. */
static void place_temporaries(const struct program *p, struct room *r)
{
    char *block = r->block->p;
    for (size_t i = 0; block && i < p->lowered.buffer.n; i++)
        r->first[i] = block + p->buffer[i].offset + program_shift(p, (int)i);
}

void program_take_place(const struct binding *b, struct plumb_tensor *t, struct storage **storage,
                        char **first)
{
    char *p = t->storage->p;
    storage[b->buffer] = t->storage;
    first[b->buffer] = p ? p + t->view.offset * b->item : NULL;
    if (b->written && t->uninitialised) t->uninitialised = false;
}

static void place_fixed(const struct program *p, struct room *r)
{
    const struct graph *g = p->graph;
    for (int i = 0; i < p->pool->n_fixed; i++) {
        const struct binding *b = &p->pool->fixed[i];
        bool constant = b->origin == GRAPH_CONSTANT;
        program_take_place(b, constant ? g->constant.p[b->index] : g->captured.p[b->index].tensor,
                           r->fixed, r->first);
    }
}

void program_fill_args(struct room *r, const struct program_launch *l, int first, int64_t stream)
{
    const struct program_place *place = l->place;
    for (int m = 0; m < l->n_groups; m++) {
        struct code_args *a = &r->args[first + m];
        for (int i = 0; i < l->member[m].n_arrays; i++, place++)
            a->base[i] = place->buffer < 0 ? NULL : r->first[place->buffer] + place->offset;
        a->param = l->member[m].param;
        a->seed = thread_self.session->seed;
        a->stream = (uint64_t)(stream + l->member[m].stream);
    }
}

static void fill_all(const struct program *p, struct room *r)
{
    for (size_t i = 0; i < p->launch.n; i++)
        if (p->launch.p[i].code >= 0 && !p->pool->launch[i].moves)
            program_fill_args(r, &p->launch.p[i], p->pool->launch[i].first, 0);
}

static enum err room_new(const struct program *p, struct room **out)
{
    const struct program_pool *pool = p->pool;
    struct room *r = calloc(1, sizeof *r);
    if (!r) return no_memory();
    r->first = calloc((size_t)pool->n_buffers + 1, sizeof *r->first);
    r->fixed = calloc((size_t)pool->n_buffers + 1, sizeof *r->fixed);
    r->args = calloc((size_t)pool->n_args + 1, sizeof *r->args);
    enum err err = r->first && r->fixed && r->args
                       ? storage_new(thread_self.session->backend, p->memory.size, &r->block)
                       : no_memory();
    if (err) {
        room_free(r);
        return err;
    }
    place_temporaries(p, r);
    place_fixed(p, r);
    fill_all(p, r);
    *out = r;
    return ERR_OK;
}

enum err program_room_take(const struct program *p, struct room **out)
{
    pthread_mutex_lock(&p->pool->lock);
    *out = p->pool->free;
    if (*out) p->pool->free = (*out)->next;
    pthread_mutex_unlock(&p->pool->lock);
    return *out ? ERR_OK : room_new(p, out);
}

void program_room_give(struct program_pool *pool, struct room *r)
{
    arena_clear(&r->arena);
    pthread_mutex_lock(&pool->lock);
    r->next = pool->free;
    pool->free = r;
    pthread_mutex_unlock(&pool->lock);
}
