/* imp_graph.c - every text of an FX graph becomes rows graph, node and edge.
 *
 * Invariants: (1) a text that a compile has had before (by hash) is not read again: its graph rows
 * point to those that have the nodes (same_as); (2) ids of nodes ascend within a graph; (3) one
 * state per log, made at the first graph and freed with the reader.
 */
#include "capture/fx_text.h"
#include "capture/torch.h"

enum {
    SEEN_MAX = 1 << 16,   /* texts remembered, then forgotten all at once */
    NODES_KEPT = 1 << 16, /* larger buffers are not kept for the next graph */
};

/* A graph that has nodes of its own. */
struct seen_graph {
    int64_t id, module, first_node;
    int64_t n_nodes, n_unread;
    bool more; /* the next one is of the same text */
};
struct graph_state {
    struct fx_text text;
    struct map seen; /* (compile, text) -> index of its first graph */
    LIST_OF(struct seen_graph) graphs;
};

/* Adds the rows of one text; made once per record. */
struct adding {
    struct torch_record *r;
    struct graph_state *state;
    int64_t name;    /* stage */
    int64_t *stacks; /* id per frame, 0 not made yet */
    int64_t first_graph;
};

static struct graph_state *state_of(struct torch_record *r)
{
    if (!r->source->graphs) r->source->graphs = calloc(1, sizeof(struct graph_state));
    return r->source->graphs;
}

static struct map_key text_key(const struct torch_record *r)
{
    struct map_key k = map_key(r->payload);
    k.lo +=
        (uint64_t)torch_compile_row(r) * 0x9e3779b97f4a7c15u; /* the half that chooses the slot */
    if (!k.lo && !k.hi) k.lo = 1;
    return k;
}

/* The stage a graph is of: the artifact's name, else the key. */
static int64_t stage(const struct torch_record *r)
{
    struct span name = json_string(json_get(r->meta, "name"));
    if (!span_is(r->key, "optimize_ddp_split_child")) return torch_word(r, name.n ? name : r->key);
    const char *full = arena_printf(r->arena, "%.*s_%.*s", SPAN_ARG(r->key), SPAN_ARG(name));
    return torch_word(r, full ? span_of(full) : r->key);
}

static struct row_graph graph_row(const struct adding *a, const struct seen_graph *g)
{
    return (struct row_graph){.id = g->id,
                              .artifact = a->r->artifact,
                              .compile = torch_compile_row(a->r),
                              .name = a->name,
                              .module = g->module,
                              .n_nodes = g->n_nodes,
                              .n_lines = g->n_unread,
                              .first_node = g->first_node};
}

/* The graphs of a text that was read before. */
static enum err add_again(struct adding *a, size_t index)
{
    for (bool more = true; more; index++) {
        struct seen_graph g = a->state->graphs.p[index];
        struct row_graph row = graph_row(a, &g);
        row.same_as = g.id;
        row.id = store_next_id(a->r->source->writer, STORE_GRAPH);
        if (!a->first_graph) a->first_graph = row.id;
        TRY(store_graph_add(a->r->source->batch, &row));
        more = g.more;
    }
    return ERR_OK;
}

static int64_t stack_of(struct adding *a, uint32_t frame)
{
    if (!frame) return 0;
    int64_t *id = &a->stacks[frame - 1];
    if (*id) return *id;
    const struct fx_frame *f = &a->state->text.frames.p[frame - 1];
    *id = store_frame(a->r->source->writer, 0, torch_word(a->r, f->file), f->line,
                      torch_word(a->r, f->name), torch_word(a->r, f->code));
    return *id;
}

/* Node `index` of the text, whose graph has its first node's id and index in g. */
static enum err add_node(struct adding *a, const struct seen_graph *g, uint32_t first,
                         uint32_t index)
{
    const struct fx_text *t = &a->state->text;
    const struct fx_node *n = &t->nodes.p[index];
    struct row_node row = {.id = g->first_node + (index - first),
                           .graph = g->id,
                           .line = n->line,
                           .op = n->op,
                           .name = torch_word(a->r, n->name),
                           .target = torch_word(a->r, n->target),
                           .type = torch_word(a->r, n->type),
                           .stack = stack_of(a, n->frame)};
    TRY(store_node_add(a->r->source->batch, &row));
    for (uint32_t i = 0; i < n->n_args; i++) {
        uint32_t argument = t->args.p[n->first_arg + i];
        struct row_edge edge = {.dst = row.id, .arg = i, .src = g->first_node + (argument - first)};
        TRY(store_edge_add(a->r->source->batch, &edge));
    }
    return ERR_OK;
}

static enum err add_graph(struct adding *a, size_t index)
{
    const struct fx_graph *g = &a->state->text.graphs.p[index];
    struct store_writer *w = a->r->source->writer;
    struct seen_graph *slot = LIST_PUSH(&a->state->graphs);
    if (!slot) FAIL(ERR_NOMEM, "out of memory while remembering a graph");
    struct seen_graph seen = {.id = store_next_id(w, STORE_GRAPH),
                              .module = torch_word(a->r, g->module),
                              .first_node =
                                  g->n_nodes ? store_next_ids(w, STORE_NODE, g->n_nodes) : 0,
                              .n_nodes = g->n_nodes,
                              .n_unread = g->n_unread,
                              .more = index + 1 < a->state->text.graphs.n};
    struct row_graph row = graph_row(a, &seen);
    *slot = seen;
    if (!a->first_graph) a->first_graph = row.id;
    TRY(store_graph_add(a->r->source->batch, &row));
    for (uint32_t i = 0; i < g->n_nodes; i++)
        TRY(add_node(a, &seen, g->first_node, g->first_node + i));
    return ERR_OK;
}

static enum err add_graphs(struct adding *a)
{
    struct fx_text *t = &a->state->text;
    a->stacks = arena_array(a->r->arena, t->frames.n + 1, sizeof *a->stacks);
    if (!a->stacks)
        FAIL(ERR_NOMEM, "out of memory for the frames of a graph of %zu nodes", t->nodes.n);
    for (size_t i = 0; i < t->graphs.n; i++) TRY(add_graph(a, i));
    return ERR_OK;
}

/* Rows of the payload's graphs; *first is the id of the first, 0 when the text has none. */
static enum err add_text(struct torch_record *r, int64_t *first)
{
    struct adding a = {.r = r, .state = state_of(r)};
    *first = 0;
    if (!r->has_payload) return ERR_OK;
    if (!a.state) FAIL(ERR_NOMEM, "out of memory for the graphs of a log");
    struct map_key key = text_key(r);
    a.name = stage(r);
    if (a.state->graphs.n > SEEN_MAX) {
        map_clear(&a.state->seen);
        a.state->graphs.n = 0;
    }
    const int64_t *known = map_get(&a.state->seen, key);
    if (known) {
        TRY(add_again(&a, (size_t)*known));
    } else {
        TRY(fx_text_read(r->payload, &a.state->text));
        size_t index = a.state->graphs.n;
        TRY(add_graphs(&a));
        if (a.state->text.graphs.n && !map_put(&a.state->seen, key, (int64_t)index, NULL))
            FAIL(ERR_NOMEM, "out of memory while remembering a graph");
        if (a.state->text.nodes.size > NODES_KEPT) fx_text_release(&a.state->text);
    }
    *first = a.first_graph;
    return ERR_OK;
}

enum err torch_on_graph(struct torch_record *r)
{
    int64_t first;
    TRY(torch_provenance_text(r));
    return add_text(r, &first);
}

/* Also the sizes beside the text: {"l_x_": [4, 4], ...}. */
enum err torch_on_output_graph(struct torch_record *r)
{
    int64_t first;
    const struct json *sizes = json_get(r->meta, "sizes");
    TRY(add_text(r, &first));
    if (!first || !sizes || sizes->type != JSON_OBJECT) return ERR_OK;
    struct buf text = {0};
    enum err err = ERR_OK;
    for (const struct json *j = sizes->first; j; j = j->next) {
        buf_clear(&text);
        json_print(&text, j);
        TRY_OUT(buf_ok(&text));
        struct row_graph_size row = {first, torch_word(r, j->key), torch_word(r, buf_text(&text))};
        TRY_OUT(store_graph_size_add(r->source->batch, &row));
    }
out:
    buf_release(&text);
    return err;
}

/* vLLM dumps FX graphs, AOTInductor generated code, under this key. */
enum err torch_on_graph_dump(struct torch_record *r)
{
    int64_t first;
    if (span_is(json_string(json_get(r->meta, "name")), "inductor_aot_wrapper_code"))
        return torch_on_output_code(r);
    struct torch_compile *c = r->compile;
    if (c && c->n_dumps < TORCH_DUMPS) c->dumps[c->n_dumps++] = r->artifact;
    return add_text(r, &first);
}

void torch_graph_release(struct torch_source *s)
{
    struct graph_state *state = s->graphs;
    if (!state) return;
    fx_text_release(&state->text);
    map_release(&state->seen);
    LIST_RELEASE(&state->graphs);
    free(state);
    s->graphs = NULL;
}
