/* log_links.c - which traced call became which calls, and which kernel computes them, in the form
 * of Inductor's node mappings; and where in the program each kernel comes from.
 *
 *   traced call ── preToPost ──► call of the program's graph ── postToCppCode ──► kernel:number
 */
#include "runtime/compile/log_parts.h"

struct links {
    const struct compile_log *l;
    const struct program *p;
    struct buf *b;
    struct arena arena;
    int *pre;          /* per node: the traced call it comes from, or GRAPH_NONE */
    int *first, *next; /* per traced call its first node, per node the next one of its call */
    struct use *use;   /* of kernels, a list per node */
    int *first_use;    /* per node, ascending by kernel */
};
/* A kernel that computes a node. */
struct use {
    int group, next;
};

/* A call of a gradient rule comes from the forward call that it is the gradient of. */
static int traced_of(const struct links *k, int node)
{
    const struct graph_node *n = &k->p->graph->node.p[node];
    int traced = k->l->e->n_calls;
    if (n->origin >= 0 && n->origin < traced) return n->origin;
    return n->forward >= 0 && n->forward < traced ? n->forward : GRAPH_NONE;
}

static bool prepare(struct links *k)
{
    int n = (int)k->p->graph->node.n, traced = k->l->e->n_calls;
    k->pre = arena_array(&k->arena, (size_t)n + 1, sizeof *k->pre);
    k->next = arena_array(&k->arena, (size_t)n + 1, sizeof *k->next);
    k->first = arena_array(&k->arena, (size_t)traced + 1, sizeof *k->first);
    if (!k->pre || !k->next || !k->first) return false;
    for (int i = 0; i < traced; i++) k->first[i] = GRAPH_NONE;
    for (int i = n; i-- > 0;) {
        int pre = k->pre[i] = traced_of(k, i);
        if (pre < 0) continue;
        k->next[i] = k->first[pre];
        k->first[pre] = i;
    }
    return true;
}

static int node_of(const struct links *k, const struct fuse_group *g, int i)
{
    return k->p->lowered.item.p[g->item[i]].node;
}

/* Kernels of each node: of an operator of several loop nests there may be more than one. */
static bool list_uses(struct links *k)
{
    size_t n = k->p->graph->node.n;
    int n_uses = 0;
    k->use = arena_array(&k->arena, k->p->lowered.item.n + 1, sizeof *k->use);
    k->first_use = arena_array(&k->arena, n + 1, sizeof *k->first_use);
    if (!k->use || !k->first_use) return false;
    for (size_t i = 0; i < n; i++) k->first_use[i] = GRAPH_NONE;
    for (int group = (int)k->p->fused.group.n; group-- > 0;) {
        const struct fuse_group *g = &k->p->fused.group.p[group];
        for (int m = 0; m < g->n_items; m++) {
            int *first = &k->first_use[node_of(k, g, m)];
            if (*first >= 0 && k->use[*first].group == group) continue;
            k->use[n_uses] = (struct use){group, *first};
            *first = n_uses++;
        }
    }
    return true;
}

static void put_traced(struct links *k, int call)
{
    const char *name = k->l->e->call[call];
    if (*name) buf_json(k->b, span_of(name));
    else buf_printf(k->b, "\"call_%d\"", call);
}

static void put_node(struct links *k, int node)
{
    buf_putc(k->b, '"');
    log_node_name(k->b, k->p->graph, node);
    buf_putc(k->b, '"');
}

static void put_pre_to_post(struct links *k)
{
    bool any = false;
    buf_puts(k->b, "\"preToPost\": {");
    for (int i = 0; i < k->l->e->n_calls; i++) {
        if (k->first[i] < 0) continue;
        buf_puts(k->b, any ? ", " : "");
        any = true;
        put_traced(k, i);
        buf_puts(k->b, ": [");
        for (int node = k->first[i]; node >= 0; node = k->next[node]) {
            if (node != k->first[i]) buf_puts(k->b, ", ");
            put_node(k, node);
        }
        buf_putc(k->b, ']');
    }
    buf_puts(k->b, "}, \"postToPre\": {");
    any = false;
    for (size_t i = 0; i < k->p->graph->node.n; i++) {
        if (k->pre[i] < 0) continue;
        buf_puts(k->b, any ? ", " : "");
        any = true;
        put_node(k, (int)i);
        buf_puts(k->b, ": [");
        put_traced(k, k->pre[i]);
        buf_putc(k->b, ']');
    }
    buf_putc(k->b, '}');
}

/* Whether an earlier member of the kernel is a part of the same call. */
static bool is_repeated(const struct links *k, const struct fuse_group *g, int i)
{
    for (int m = 0; m < i; m++)
        if (node_of(k, g, m) == node_of(k, g, i)) return true;
    return false;
}

static void put_kernel(struct links *k, int group)
{
    buf_printf(k->b, "\"%s:%d\"", k->p->fused.group.p[group].name, group + 1);
}

static void put_code_to_post(struct links *k)
{
    buf_puts(k->b, ", \"cppCodeToPost\": {");
    for (size_t i = 0; i < k->p->fused.group.n; i++) {
        const struct fuse_group *g = &k->p->fused.group.p[i];
        if (i) buf_puts(k->b, ", ");
        put_kernel(k, (int)i);
        buf_puts(k->b, ": [");
        for (int m = 0; m < g->n_items; m++) {
            if (is_repeated(k, g, m)) continue;
            if (m) buf_puts(k->b, ", ");
            put_node(k, node_of(k, g, m));
        }
        buf_putc(k->b, ']');
    }
    buf_putc(k->b, '}');
}

static void put_post_to_code(struct links *k)
{
    bool any = false;
    buf_puts(k->b, ", \"postToCppCode\": {");
    for (int node = 0; node < (int)k->p->graph->node.n; node++) {
        int first = k->first_use[node];
        if (first < 0) continue;
        buf_puts(k->b, any ? ", " : "");
        put_node(k, node);
        buf_puts(k->b, ": [");
        any = true;
        for (int u = first; u >= 0; u = k->use[u].next) {
            if (u != first) buf_puts(k->b, ", ");
            put_kernel(k, k->use[u].group);
        }
        buf_putc(k->b, ']');
    }
    buf_putc(k->b, '}');
}

/* "File "mlp", line 3, in Mlp.fc1": the third call of the function, in that module. */
static void put_place(struct links *k, int node)
{
    const struct graph_node *n = &k->p->graph->node.p[node];
    struct buf text = {0};
    int traced = k->pre[node] >= 0 ? k->pre[node] : node;
    buf_printf(&text, "File \"%s\", line %d, in %s\n    %s", k->p->graph->name, traced + 1,
               n->module && *n->module ? n->module : k->p->graph->name, n->op->s.name);
    buf_json(k->b, buf_text(&text));
    k->b->failed |= text.failed;
    buf_release(&text);
}

static void log_places(struct compile_log *l, struct links *k)
{
    struct buf b = {0};
    k->b = &b;
    buf_puts(&b, "{");
    for (size_t i = 0; i < k->p->fused.group.n; i++) {
        const struct fuse_group *g = &k->p->fused.group.p[i];
        if (i) buf_puts(&b, ", ");
        put_kernel(k, (int)i);
        buf_puts(&b, ": [");
        for (int m = 0; m < g->n_items; m++) {
            if (is_repeated(k, g, m)) continue;
            if (m) buf_puts(&b, ", ");
            put_place(k, node_of(k, g, m));
        }
        buf_putc(&b, ']');
    }
    buf_puts(&b, "}");
    log_artifact(l, "inductor_provenance_tracking_kernel_stack_traces", "json", &b);
}

void log_links(struct compile_log *l, const struct program *p)
{
    struct buf b = {0};
    struct links k = {.l = l, .p = p, .b = &b};
    if (!l->e->call) return;
    if (prepare(&k) && list_uses(&k)) {
        buf_puts(&b, "{");
        put_pre_to_post(&k);
        put_code_to_post(&k);
        put_post_to_code(&k);
        buf_puts(&b, ", \"version\": 2.0}");
        log_artifact(l, "inductor_provenance_tracking_node_mappings", "json", &b);
        log_places(l, &k);
    } else {
        l->notes.n_lost++;
    }
    arena_release(&k.arena);
}
