/* program.c - making a program: every phase in order, and what runs need worked out beforehand. */
#include "runtime/compile/program_parts.h"

#include <string.h>

#include "store/base/clock.h"

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for a program");
}

/* ---- combos ---- */

static bool is_list(const struct op *op)
{
    for (int i = 0; i < op->s.n_params; i++)
        if (op->s.param[i].kind == OP_TENSORS && (op->s.param[i].written || op->s.result_list))
            return true;
    return false;
}

/* Arrays with computed positions that are read, or written. */
static bool has_positions(const struct nest *n, bool written)
{
    for (int i = 0; i < n->n_arrays; i++)
        if (n->array[i].n_indexed && n->array[i].written == written) return true;
    return false;
}

/* About 10 GB/s, and a quarter of a nanosecond for each point: what the rules need is only whether
 * it is short. */
static double estimate_ns(const struct fuse_group *g)
{
    return (double)(g->bytes_read + g->bytes_written) / 10 +
           (double)g->n_outer * (double)(g->n_inner ? g->n_inner : 1) / 4;
}

static enum err describe(const struct program *p, const struct code_kernel *c, uint64_t body,
                         const struct fuse_group *g, struct combo_kernel *k)
{
    const struct nest_shape *s = &c->shape;
    const struct lower_item *first = &p->lowered.item.p[g->item[0]];
    int *reads = arena_array(p->arena, (size_t)g->n_uses + 1, sizeof *reads);
    if (!reads) return no_memory();
    k->is_foreach = is_list(p->graph->node.p[first->node].op);
    k->scatters = has_positions(g->nest, true);
    k->indirect = has_positions(g->nest, false);
    k->n_dims = s->n_outer < 1 ? 1 : s->n_outer > 3 ? 3 : s->n_outer;
    k->x = s->n_outer ? s->size[s->n_outer - 1] : 1;
    k->y = k->x ? s->rows * s->columns / k->x : 1;
    if (g->kind != FUSE_POINTWISE) {
        k->reduced_dims = s->n_inner > 1 ? 2 : 1;
        k->reduced = s->points;
        k->persistent = g->kind == FUSE_PERSISTENT;
        k->inner = !s->tile;
    }
    k->n_args = g->nest->n_arrays + g->nest->n_params;
    for (int i = 0; i < g->n_uses; i++) {
        bool known = g->use[i].written;
        for (int r = 0; r < k->n_reads && !known; r++) known = reads[r] == g->use[i].buffer;
        if (!known) reads[k->n_reads++] = g->use[i].buffer;
    }
    k->reads = reads;
    k->bytes = g->bytes_read + g->bytes_written;
    k->own_ns = estimate_ns(g);
    k->body = body + 1;
    return ERR_OK;
}

static enum err form_combos(struct program *p, const struct program_options *o,
                            const struct code_kernel *kernel, const struct code_bodies *b)
{
    size_t n = p->fused.group.n;
    struct combo_kernel *k = arena_array(p->arena, n + 1, sizeof *k);
    struct combo_options options = o->combo;
    if (!k) return no_memory();
    for (size_t i = 0, at = 0; i < n; i++) {
        const struct fuse_group *g = &p->fused.group.p[i];
        k[i].level = g->level;
        k[i].is_extern = !g->nest;
        if (!g->nest) {
            k[i].x = k[i].y = 1; /* a launch, of whatever size */
            continue;
        }
        TRY(describe(p, &kernel[at], (uint64_t)b->of[at], g, &k[i]));
        at++;
    }
    options.off |= o->no_combos;
    if (!options.mixed_sizes) options.mixed_sizes = -1;
    options.deterministic = o->determinism != PLUMB_OFF;
    return combo_form(k, (int)n, &options, p->arena, &p->combined);
}

/* ---- launches ---- */

static enum err set_groups(struct program *p, struct program_launch *l, int n)
{
    l->n_groups = n;
    l->group = arena_array(p->arena, (size_t)n, sizeof *l->group);
    return l->group ? ERR_OK : no_memory();
}

/* Launches, not yet in order: combos, then what is left alone. of[]: per group its launch. */
static enum err make_launches(struct program *p, struct program_launch *made, int *of, int *n)
{
    for (size_t i = 0; i < p->fused.group.n; i++) of[i] = -1;
    for (size_t c = 0; c < p->combined.group.n; c++) {
        const struct combo_group *g = &p->combined.group.p[c];
        struct program_launch *l = &made[*n];
        TRY(set_groups(p, l, g->n_members));
        l->combo = g;
        for (int m = 0; m < g->n_members; m++) {
            l->group[m] = g->member[m].kernel;
            of[l->group[m]] = *n;
        }
        ++*n;
    }
    for (size_t i = 0; i < p->fused.group.n; i++) {
        if (of[i] >= 0) continue;
        TRY(set_groups(p, &made[*n], 1));
        made[*n].group[0] = (int)i;
        of[i] = (*n)++;
    }
    return ERR_OK;
}

static bool is_ready(const struct program *p, const struct program_launch *l, const int *of,
                     const bool *done)
{
    for (int m = 0; m < l->n_groups; m++) {
        const struct fuse_group *g = &p->fused.group.p[l->group[m]];
        for (int k = 0; k < g->n_before; k++)
            if (!done[of[g->before[k]]]) return false;
    }
    return true;
}

/* Of those whose needs are met, always the one that holds the earliest group. Members of a launch
 * are of one level, so that no two launches can wait for each other. */
static enum err order_launches(struct program *p)
{
    size_t n = p->fused.group.n;
    struct program_launch *made = arena_array(p->arena, n + 1, sizeof *made);
    int *of = arena_array(p->arena, n + 1, sizeof *of), n_made = 0;
    bool *done = arena_array(p->arena, n + 1, sizeof *done);
    if (!made || !of || !done) return no_memory();
    TRY(make_launches(p, made, of, &n_made));
    for (size_t first = 0; p->launch.n < (size_t)n_made;) {
        size_t i = first;
        while (i < n && (done[of[i]] || !is_ready(p, &made[of[i]], of, done))) i++;
        if (i == n) FAIL(ERR_FORMAT, "launches that wait for each other");
        struct program_launch *to = LIST_PUSH(&p->launch);
        if (!to) return no_memory();
        *to = made[of[i]];
        done[of[i]] = true;
        while (first < n && done[of[first]]) first++;
    }
    return ERR_OK;
}

/* ---- code ---- */

static bool computes(void)
{
    return thread_self.session->backend->computes && !thread_self.session->backend->run_oracle;
}

/* "add_3 = aten::add.Tensor  in fc1" for each operator of the kernel. */
static const char *comment_of(const struct program *p, const struct fuse_group *g)
{
    struct buf b = {0};
    for (int i = 0; i < g->n_items; i++) {
        const struct lower_item *it = &p->lowered.item.p[g->item[i]];
        const struct graph_node *n = &p->graph->node.p[it->node];
        if (it->part && i && p->lowered.item.p[g->item[i - 1]].node == it->node) continue;
        buf_printf(&b, "%s = %s%s%s\n", *n->name ? n->name : "_", n->op->s.name,
                   n->module && *n->module ? "  in " : "", n->module ? n->module : "");
    }
    const char *text = buf_ok(&b) ? NULL : arena_copy(p->arena, buf_text(&b)).p;
    buf_release(&b);
    return text;
}

/* For kernels whose sizes differ from instance to instance. */
static enum err fit_shape(const struct program_options *o, struct code_kernel *k)
{
    bool general = false, known = false;
    if (!o->functions || k->shape.length == SHAPE_NONE) return ERR_OK;
    if (!o->again)
        general = symbols_explain(o->symbols, k->shape.points) ||
                  (k->shape.tile && symbols_explain(o->symbols, k->shape.columns));
    else {
        TRY(code_body_is_known(o->functions, k, &known));
        general = !known;
    }
    if (general) nest_shape_generalise(&k->shape);
    return ERR_OK;
}

static enum err list_kernels(struct program *p, const struct program_options *o,
                             struct code_spec *s, int *number)
{
    struct code_kernel *k = arena_array(p->arena, p->fused.group.n + 1, sizeof *k);
    if (!k) return no_memory();
    s->kernel = k;
    for (size_t i = 0; i < p->fused.group.n; i++) {
        const struct fuse_group *g = &p->fused.group.p[i];
        number[i] = s->n_kernels;
        if (!g->nest) continue;
        k[s->n_kernels] = (struct code_kernel){
            .name = g->name, .nest = g->nest, .plan = &g->plan, .comment = comment_of(p, g)};
        if (!k[s->n_kernels].comment) return no_memory();
        nest_shape(g->nest, &g->plan, &k[s->n_kernels].shape);
        TRY(fit_shape(o, &k[s->n_kernels++]));
    }
    return ERR_OK;
}

static enum err build_code(struct program *p, struct code_spec *s, const int *number)
{
    struct code_launch *launch = arena_array(p->arena, p->launch.n + 1, sizeof *launch);
    if (!launch) return no_memory();
    s->launch = launch;
    for (size_t i = 0; i < p->launch.n; i++) {
        struct program_launch *l = &p->launch.p[i];
        int *kernel = arena_array(p->arena, (size_t)l->n_groups, sizeof *kernel);
        if (!kernel) return no_memory();
        l->code = -1;
        if (!p->fused.group.p[l->group[0]].nest) continue;
        for (int m = 0; m < l->n_groups; m++) kernel[m] = number[l->group[m]];
        l->code = s->n_launches;
        launch[s->n_launches++] = (struct code_launch){l->name, kernel, l->n_groups, l->combo};
    }
    return computes() ? code_build(s, &p->code) : ERR_OK;
}

/* ---- all phases ---- */

static int64_t lap(int64_t *since)
{
    int64_t now = clock_mono(), ns = now - *since;
    *since = now;
    return ns;
}

static enum err fuse_and_combine(struct program *p, const struct program_options *o,
                                 struct code_spec *spec, int **number, int64_t *since)
{
    struct code_bodies bodies;
    const struct backend_code *device = thread_self.session->backend->code;
    struct fuse_options fuse = {.off = o->no_fusion, .fits = device ? device->fits : NULL};
    TRY(fuse_items(&p->lowered, &fuse, p->arena, &p->fused));
    p->fuse_ns = lap(since);
    *number = arena_array(p->arena, p->fused.group.n + 1, sizeof **number);
    if (!*number) return no_memory();
    TRY(list_kernels(p, o, spec, *number));
    TRY(code_bodies_find(spec, &bodies));
    enum err err = form_combos(p, o, spec->kernel, &bodies);
    code_bodies_release(&bodies);
    if (!err) err = order_launches(p);
    p->combo_ns = lap(since);
    return err;
}

static enum err build_all(struct program *p, const struct program_options *o)
{
    int64_t since = clock_mono();
    struct code_spec spec = {
        .interpret = o->interpret, .functions = o->functions, .unread = o->again};
    int *number;
    TRY(lower_graph(p->graph, p->arena, &p->lowered));
    p->lower_ns = lap(&since);
    TRY(fuse_and_combine(p, o, &spec, &number, &since));
    TRY(program_prepare(p, o));
    TRY(build_code(p, &spec, number));
    p->build_ns = lap(&since);
    return program_pool_new(p);
}

enum err program_build(const struct graph *g, const struct program_options *o, struct arena *arena,
                       struct program *out)
{
    memset(out, 0, sizeof *out);
    out->graph = g;
    out->arena = arena;
    out->by_nodes = thread_self.session->backend->run_oracle != NULL;
    enum err err = build_all(out, o);
    return err ? err_wrap(err, "compiling %s: ", g->name) : ERR_OK;
}

void program_release(struct program *p)
{
    program_pool_free(p->pool);
    code_free(p->code);
    LIST_RELEASE(&p->launch);
    combo_release(&p->combined);
    fuse_release(&p->fused);
    lower_release(&p->lowered);
    memset(p, 0, sizeof *p);
}
