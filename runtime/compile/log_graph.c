/* log_graph.c - graphs as text, what a function takes, passes, and the split of a joint graph. */
#include <stdlib.h>
#include <string.h>

#include "runtime/compile/log_parts.h"
#include "store/base/clock.h"

/* ---- names ---- */

void log_node_name(struct buf *b, const struct graph *g, int node)
{
    const struct graph_node *n = &g->node.p[node];
    if (*n->name) buf_puts(b, n->name);
    else buf_printf(b, "call_%d", node);
}

static void put_sizes(struct buf *b, const int64_t *v, int n)
{
    buf_putc(b, '[');
    for (int i = 0; i < n; i++) buf_printf(b, i ? ", %lld" : "%lld", (long long)v[i]);
    buf_putc(b, ']');
}

void log_type(struct buf *b, const struct view *v)
{
    buf_puts(b, dtype_name(v->dtype));
    put_sizes(b, v->shape.size, v->shape.n);
    put_sizes(b, v->stride, v->shape.n);
    buf_puts(b, thread_self.session->backend->device);
}

/* ---- what the function takes ---- */

static bool is_taken(const struct graph_value *v)
{
    return v->origin == GRAPH_INPUT || v->origin == GRAPH_CAPTURED;
}

/* As describer ids count: one of each compile. */
static int describer(const struct compile_log *l)
{
    return l->c->frame * COMPILED_ENTRIES + l->e->number;
}

static void describe_storage(struct compile_log *l, const struct graph *g, int storage)
{
    char meta[160];
    snprintf(meta, sizeof meta, "{\"id\": %d, \"describer_id\": %d, \"size\": %lld}", storage,
             describer(l), (long long)g->storage.p[storage].high);
    LOG(l, "describe_storage", span_of(meta), SPAN_NONE);
}

static void describe_tensor(struct compile_log *l, const struct graph_value *v, int id)
{
    struct buf b = {0};
    buf_printf(&b, "{\"id\": %d, \"ndim\": %d, \"dtype\": \"torch.%s\", \"device\": ", id,
               v->view.shape.n, dtype_torch_name(v->view.dtype));
    buf_printf(&b, "\"device(type='%s')\", \"size\": ", thread_self.session->backend->device);
    put_sizes(&b, v->view.shape.size, v->view.shape.n);
    buf_printf(&b, ", \"is_leaf\": true, \"requires_grad\": %s, \"stride\": ",
               v->requires_grad ? "true" : "false");
    put_sizes(&b, v->view.stride, v->view.shape.n);
    buf_printf(&b, ", \"storage\": %d, \"describer_id\": %d}", v->storage, describer(l));
    LOG(l, "describe_tensor", buf_text(&b), SPAN_NONE);
    buf_release(&b);
}

static void describe(struct compile_log *l, const struct graph *g)
{
    bool *told = calloc(g->storage.n + 1, sizeof *told);
    if (!told) {
        l->notes.n_lost++;
        return;
    }
    for (size_t i = 0; i < g->value.n; i++) {
        const struct graph_value *v = &g->value.p[i];
        char meta[160];
        if (!is_taken(v)) continue;
        if (!told[v->storage]) describe_storage(l, g, v->storage);
        told[v->storage] = true;
        describe_tensor(l, v, (int)i);
        snprintf(meta, sizeof meta, "{\"describer_id\": %d, \"id\": %d, \"source\": \"%s[%d]%s\"}",
                 describer(l), (int)i, v->origin == GRAPH_INPUT ? "L['in']" : "captured", v->index,
                 v->origin == GRAPH_CAPTURED && g->captured.p[v->index].grad ? ".grad" : "");
        LOG(l, "describe_source", span_of(meta), SPAN_NONE);
    }
    free(told);
}

/* ---- graphs ---- */

static bool print(struct compile_log *l, const struct graph *g, struct buf *out)
{
    struct graph_text text;
    if (graph_print(g, "GraphModule", &text)) {
        l->notes.n_lost++;
        return false;
    }
    *out = text.text;
    text.text = (struct buf){0};
    graph_text_release(&text);
    return true;
}

/* Names of the traced calls, which later graphs refer to by number. */
static void keep_names(struct compile_log *l, const struct graph *g)
{
    l->e->call = arena_array(&l->e->arena, g->node.n + 1, sizeof *l->e->call);
    if (!l->e->call) return;
    l->e->n_calls = (int)g->node.n;
    for (size_t i = 0; i < g->node.n; i++) l->e->call[i] = g->node.p[i].name;
}

static void count_nodes(struct compile_log *l, const struct graph *g)
{
    l->notes.n_ops = (int)g->node.n;
    for (size_t i = 0; i < g->value.n; i++) l->notes.n_inputs += is_taken(&g->value.p[i]);
    l->notes.n_nodes = l->notes.n_ops + l->notes.n_inputs + 1;
}

static void put_all_sizes(struct buf *b, const struct graph *g)
{
    int n = 0;
    buf_puts(b, "{\"sizes\": {");
    for (size_t i = 0; i < g->value.n; i++) {
        const struct graph_value *v = &g->value.p[i];
        if (!v->name || !*v->name) continue;
        if (n++) buf_puts(b, ", ");
        buf_json(b, span_of(v->name));
        buf_puts(b, ": ");
        put_sizes(b, v->view.shape.size, v->view.shape.n);
    }
    buf_puts(b, "}}");
}

static void log_traced(struct compile_log *l, const struct graph *g)
{
    static const char *const stages[] = {"before_pre_grad_graph", "after_pre_grad_graph"};
    struct buf meta = {0}, text;
    l->notes.trace_end_ns = clock_real();
    log_phase(l, "bytecode_tracing", l->notes.trace_end_ns, l->notes.trace_end_ns - l->start_ns);
    describe(l, g);
    keep_names(l, g);
    count_nodes(l, g);
    put_all_sizes(&meta, g);
    if (!print(l, g, &text)) text = (struct buf){0};
    LOG(l, "dynamo_output_graph", buf_text(&meta), buf_text(&text));
    for (int i = 0; i < 2; i++) {
        struct buf copy = {0};
        buf_span(&copy, buf_text(&text));
        log_artifact(l, stages[i], "string", &copy);
    }
    buf_release(&meta);
    buf_release(&text);
}

void compile_log_graph(struct compile_log *l, const char *stage, const struct graph *g)
{
    struct buf text;
    if (!l->cap) return;
    if (!strcmp(stage, "dynamo_output_graph")) {
        log_traced(l, g);
        return;
    }
    if (!print(l, g, &text)) return;
    LOG(l, stage, SPAN("{}"), buf_text(&text));
    buf_release(&text);
}

/* ---- passes ---- */

void log_passes(struct compile_log *l)
{
    struct compile_log_notes *n = &l->notes;
    struct buf b = {0};
    if (!n->passes.n || !l->cap) return;
    buf_puts(&b, "{");
    log_text(&b, "phase", n->phase);
    buf_puts(&b, ", \"passes\": [");
    buf_span(&b, buf_text(&n->passes));
    buf_puts(&b, "]}");
    b.failed |= n->passes.failed;
    log_artifact(l, "plumb_passes", "json", &b);
    buf_clear(&n->passes);
}

static void dump(struct compile_log *l, const char *phase, const char *pass, const struct graph *g)
{
    char meta[160];
    struct buf text;
    if (!print(l, g, &text)) return;
    snprintf(meta, sizeof meta, "{\"name\": \"%s_%s\"}", phase, pass);
    LOG(l, "graph_dump", span_of(meta), buf_text(&text));
    buf_release(&text);
}

void compile_log_pass(struct compile_log *l, const char *phase, const char *pass,
                      const struct graph *g, const struct pass_result *r)
{
    struct compile_log_notes *n = &l->notes;
    if (!l->cap) return;
    if (n->phase && strcmp(n->phase, phase)) log_passes(l);
    n->phase = phase;
    log_phase(l, pass, clock_real(), r->ns);
    struct buf *b = &n->passes;
    buf_puts(b, b->n ? ", {" : "{");
    log_text(b, "name", pass);
    log_int(b, "position", n->n_passes++);
    log_int(b, "changed", r->changed);
    log_int(b, "nodes", (int64_t)g->node.n);
    log_int(b, "ns", r->ns);
    if (r->changed) {
        log_int(b, "dump", n->n_dumps++);
        dump(l, phase, pass, g);
    }
    buf_putc(b, '}');
}

/* ---- the split ---- */

void compile_log_partition(struct compile_log *l, const struct graph *joint,
                           const struct joint_split *s)
{
    static const char *const fates[] = {"saved", "recomputed", "input", "not needed"};
    struct buf b = {0};
    if (!l->cap) return;
    log_passes(l);
    buf_puts(&b, "{");
    log_int(&b, "saved_bytes", s->saved_bytes);
    log_int(&b, "all_bytes", s->all_bytes);
    buf_puts(&b, ", \"values\": [");
    for (int i = 0; i < s->n_decisions; i++) {
        const struct joint_decision *d = &s->decision[i];
        buf_puts(&b, i ? ", {" : "{");
        log_text(&b, "value", joint->value.p[d->value].name);
        log_text(&b, "fate", fates[d->fate]);
        log_text(&b, "reason", joint_reason_text(d->reason));
        log_int(&b, "bytes", d->bytes);
        buf_putc(&b, '}');
    }
    buf_puts(&b, "]}");
    log_artifact(l, "plumb_partition", "json", &b);
}
