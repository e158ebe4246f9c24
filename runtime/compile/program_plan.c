/* program_plan.c - what a program's launches take and where it lies, worked out once. */
#include "runtime/compile/program_parts.h"

#include <string.h>

#include "store/base/map.h"

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for a program");
}

/* ---- tensors ---- */

static enum err number_storages(struct program *p)
{
    p->buffer_of = arena_array(p->arena, p->graph->storage.n + 1, sizeof *p->buffer_of);
    if (!p->buffer_of) return no_memory();
    for (size_t i = 0; i < p->lowered.buffer.n; i++)
        if (p->lowered.buffer.p[i].storage >= 0)
            p->buffer_of[p->lowered.buffer.p[i].storage] = (int)i;
    return ERR_OK;
}

/* A call that writes in place gives back the tensor it was given: one tensor, several values. */
static enum err identify(struct program *p)
{
    struct map first = {0};
    size_t n = p->graph->value.n;
    p->identity = arena_array(p->arena, n + 1, sizeof *p->identity);
    enum err err = p->identity ? ERR_OK : no_memory();
    for (size_t i = 0; !err && i < n; i++) {
        int64_t real = p->graph->value.p[i].real;
        int64_t *at = real ? map_put(&first, map_key_int(real, 0), (int64_t)i, NULL) : NULL;
        if (real && !at) err = no_memory();
        p->identity[i] = at ? (int)*at : (int)i;
    }
    map_release(&first);
    return err;
}

/* ---- arguments ---- */

/* The value that has just the elements of the use; names of parts of it would mislead. */
static int value_of(const struct program *p, const struct lower_use *u)
{
    const struct view *v = u->value >= 0 ? &p->graph->value.p[u->value].view : NULL;
    if (!v || v->dtype != u->view.dtype || v->offset != u->view.offset) return GRAPH_NONE;
    bool dense = view_count(v) == view_count(&u->view) && view_is_contiguous(v) &&
                 view_is_contiguous(&u->view);
    return dense || view_same_elements(v, &u->view) ? u->value : GRAPH_NONE;
}

static void add_use(const struct program *p, struct program_launch *l, const struct lower_use *u)
{
    int value = value_of(p, u), i = 0;
    const struct view *v = value >= 0 ? &p->graph->value.p[value].view : &u->view;
    while (i < l->n_args &&
           (l->arg[i].buffer != u->buffer || !view_same_elements(&l->arg[i].view, v)))
        i++;
    struct program_arg *a = &l->arg[i];
    if (i == l->n_args) {
        *a = (struct program_arg){
            .buffer = u->buffer, .view = *v, .value = value, .of = u->value, .made = GRAPH_NONE};
        l->n_args++;
    }
    a->reads |= !u->written;
    a->writes |= u->written;
    if (u->written && value >= 0) a->value = a->made = value;
}

/* Read and written ones first, then read ones, then written ones, each numbered from 0. */
static enum err name_args(struct program *p, struct program_launch *l)
{
    static const char *const keywords[] = {"in_out_ptr", "in_ptr", "out_ptr"};
    struct program_arg *sorted = arena_array(p->arena, (size_t)l->n_args + 1, sizeof *sorted);
    int n = 0;
    if (!sorted) return no_memory();
    for (int kind = 0; kind < 3; kind++)
        for (int i = 0, number = 0; i < l->n_args; i++) {
            const struct program_arg *a = &l->arg[i];
            if ((a->reads && a->writes ? 0 : a->reads ? 1 : 2) != kind) continue;
            sorted[n] = *a;
            sorted[n].keyword = arena_printf(p->arena, "%s%d", keywords[kind], number++);
            if (!sorted[n++].keyword) return no_memory();
        }
    l->arg = sorted;
    return ERR_OK;
}

/* Storages that the launch changes, as an operator that writes them in place does; what it makes
 * is new. */
static void add_written(const struct program *p, struct program_launch *l,
                        const struct lower_use *u)
{
    const struct lower_buffer *b = &p->lowered.buffer.p[u->buffer];
    bool again = u->value >= 0 && p->graph->value.p[u->value].version > 0;
    if (!u->written || b->storage < 0 || !(b->given || again)) return;
    for (int i = 0; i < l->n_written; i++)
        if (l->written[i] == u->buffer) return;
    l->written[l->n_written++] = u->buffer;
}

static int count_uses(const struct program *p, const struct program_launch *l)
{
    int n = 0;
    for (int m = 0; m < l->n_groups; m++) n += p->fused.group.p[l->group[m]].n_uses;
    return n;
}

static enum err set_args(struct program *p, struct program_launch *l)
{
    size_t n = (size_t)count_uses(p, l);
    l->arg = arena_array(p->arena, n + 1, sizeof *l->arg);
    l->written = arena_array(p->arena, n + 1, sizeof *l->written);
    l->place = arena_array(p->arena, n + 1, sizeof *l->place);
    l->member = arena_array(p->arena, (size_t)l->n_groups, sizeof *l->member);
    if (!l->arg || !l->written || !l->place || !l->member) return no_memory();
    for (int m = 0, at = 0; m < l->n_groups; m++) {
        const struct fuse_group *g = &p->fused.group.p[l->group[m]];
        l->member[m] = (struct program_member){g->n_uses, g->param, g->stream > 0 ? g->stream : 0};
        for (int i = 0; i < g->n_uses; i++) {
            const struct lower_use *u = &g->use[i];
            if (u->buffer < 0) continue;
            add_written(p, l, u);
            if (!g->nest) continue;
            add_use(p, l, u);
            int64_t size = (int64_t)dtype_size(g->nest->array[i].dtype);
            l->place[at++] = (struct program_place){u->buffer, g->plan.lie[i].offset * size};
        }
    }
    return name_args(p, l);
}

/* ---- names and sums ---- */

/* "add_relu" of pl_poi_fused_add_relu_3. */
static struct span ops_of(const char *name)
{
    const char *from = strstr(name, "_fused_"), *end = strrchr(name, '_');
    from = from ? from + 7 : name;
    return (struct span){from, end > from ? (size_t)(end - from) : strlen(from)};
}

/* Members' operators, each list of them once, at most ten members; then the launch's number. */
static const char *combo_name(const struct program *p, const struct program_launch *l, int number)
{
    struct buf b = {0};
    int n = 0;
    buf_puts(&b, "pl_combo_fused");
    for (int m = 0; m < l->n_groups && n < 10; m++) {
        struct span ops = ops_of(p->fused.group.p[l->group[m]].name);
        bool known = false;
        for (int k = 0; k < m && !known; k++)
            known = span_eq(ops, ops_of(p->fused.group.p[l->group[k]].name));
        if (known) continue;
        buf_putc(&b, '_');
        buf_span(&b, ops);
        n++;
    }
    buf_printf(&b, "_%d", number);
    const char *name = buf_ok(&b) ? NULL : arena_copy(p->arena, buf_text(&b)).p;
    buf_release(&b);
    return name;
}

/* Calls and reductions of floats, each one operation per point of its level. */
static int64_t flops_of(const struct fuse_group *g)
{
    int64_t per_point = 0, per_row = 0;
    for (int i = 0; g->nest && i < g->nest->n_nodes; i++) {
        const struct nest_node *n = &g->nest->node[i];
        bool works = n->kind == NEST_CALL || n->kind == NEST_REDUCE || n->kind == NEST_SCAN;
        bool floats = n->type != NEST_I64 && n->type != NEST_U64 && n->type != NEST_B;
        if (!works || !floats) continue;
        *(n->level == NEST_INNER || n->kind == NEST_REDUCE ? &per_point : &per_row) += 1;
    }
    return g->n_outer * (per_row + per_point * g->n_inner);
}

/* What is the same in each run of an extern kernel. */
static enum err prepare_call(struct program *p, struct program_launch *l)
{
    const struct fuse_group *g = &p->fused.group.p[l->group[0]];
    int node = p->lowered.item.p[g->item[0]].node;
    struct op_call c, *kept = arena_alloc(p->arena, offsetof(struct op_call, plan));
    if (!kept) return no_memory();
    TRY(graph_op_call(p->graph, node, p->arena, &c));
    memcpy(kept, &c, offsetof(struct op_call, plan));
    l->call = kept;
    return ERR_OK;
}

static enum err describe(struct program *p, const struct program_options *o, int number)
{
    struct program_launch *l = &p->launch.p[number];
    l->name = l->combo ? combo_name(p, l, number) : p->fused.group.p[l->group[0]].name;
    if (l->name && o->site) l->site = arena_printf(p->arena, "%s %s", o->site, l->name);
    if (!l->name || (o->site && !l->site)) return no_memory();
    for (int m = 0; m < l->n_groups; m++) {
        const struct fuse_group *g = &p->fused.group.p[l->group[m]];
        l->items += g->n_outer * (g->n_inner ? g->n_inner : 1);
        l->bytes_read += g->bytes_read;
        l->bytes_written += g->bytes_written;
        l->flops += flops_of(g);
    }
    if (!p->fused.group.p[l->group[0]].nest) TRY(prepare_call(p, l));
    return set_args(p, l);
}

/* ---- memory ---- */

int64_t program_shift(const struct program *p, int buffer)
{
    int storage = p->lowered.buffer.p[buffer].storage;
    int64_t low = storage >= 0 ? p->graph->storage.p[storage].low : 0;
    return low < 0 ? (-low + 63) / 64 * 64 : 0;
}

static bool is_temporary(const struct lower_buffer *b)
{
    return !b->given && !b->escapes;
}

static int64_t size_of(const struct program *p, int buffer)
{
    const struct lower_buffer *b = &p->lowered.buffer.p[buffer];
    int64_t high = b->storage >= 0 ? p->graph->storage.p[b->storage].high : b->size;
    return high + program_shift(p, buffer);
}

/* The launch uses the buffer. */
static void extend(struct program *p, int buffer, int launch)
{
    struct memory_buffer *b = &p->buffer[buffer];
    if (!is_temporary(&p->lowered.buffer.p[buffer])) return;
    if (!b->size) b->first = launch;
    b->size = size_of(p, buffer);
    b->last = launch;
}

static enum err plan_memory(struct program *p)
{
    size_t n = p->lowered.buffer.n;
    int launches = (int)p->launch.n;
    p->buffer = arena_array(p->arena, n + 1, sizeof *p->buffer);
    if (!p->buffer) return no_memory();
    for (int i = 0; i < launches; i++)
        for (int m = 0; m < p->launch.p[i].n_groups; m++) {
            const struct fuse_group *g = &p->fused.group.p[p->launch.p[i].group[m]];
            for (int k = 0; k < g->n_uses; k++)
                if (g->use[k].buffer >= 0) extend(p, g->use[k].buffer, i);
        }
    for (size_t i = 0; p->by_nodes && i < n; i++) { /* nodes keep no order of launches */
        extend(p, (int)i, launches);
        p->buffer[i].first = 0;
    }
    return memory_plan(p->buffer, (int)n, p->arena, &p->memory);
}

enum err program_prepare(struct program *p, const struct program_options *o)
{
    TRY(number_storages(p));
    TRY(identify(p));
    for (size_t i = 0; i < p->launch.n; i++) TRY(describe(p, o, (int)i));
    return plan_memory(p);
}
