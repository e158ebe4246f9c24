/* log_program.c - one program: its graph, code, kernels with their members, decisions, memory. */
#include <stdio.h>
#include <string.h>

#include "runtime/compile/log_parts.h"
#include "store/base/clock.h"
#include "store/base/json.h"

/* A reader takes JSON_VALUES values of one artifact: what is longer is told in several. */
enum { VALUES = JSON_VALUES / 2, DECISIONS = VALUES / 10, KERNEL_VALUES = 21, PART_VALUES = 10 };

/* ---- kernels ---- */

/* What writing the kernels of a program needs. */
struct kernels {
    const struct program *p;
    const struct code_text *code; /* NULL: nothing was printed */
    struct buf *b;
    int n;        /* written to this artifact */
    int n_values; /* of it, at most */
};

static const char *role_of(const struct fuse_group *g)
{
    switch (g->kind) {
    case FUSE_POINTWISE: return "pointwise";
    case FUSE_REDUCTION: return "reduction";
    case FUSE_PERSISTENT: return "persistent";
    default: return "extern";
    }
}

static bool reduces(const struct program *p, int item)
{
    const struct nest *n = p->lowered.item.p[item].nest;
    for (int i = 0; n && i < n->n_nodes; i++)
        if (n->node[i].kind == NEST_REDUCE) return true;
    return false;
}

/* Before the first reduction of a kernel that has one: prologue; behind the last: epilogue. */
static const char *part_of(const struct program *p, const struct fuse_group *g, int i)
{
    bool before = false, behind = false;
    if (reduces(p, g->item[i])) return "main";
    for (int k = 0; k < g->n_items; k++) {
        bool r = reduces(p, g->item[k]);
        before |= r && k < i;
        behind |= r && k > i;
    }
    return behind ? "prologue" : before ? "epilogue" : "main";
}

static void put_op(struct kernels *k, const struct fuse_group *g, int i)
{
    const struct lower_item *it = &k->p->lowered.item.p[g->item[i]];
    const struct graph_node *n = &k->p->graph->node.p[it->node];
    k->n_values += PART_VALUES;
    buf_puts(k->b, i ? ", {\"node\": \"" : "{\"node\": \"");
    log_node_name(k->b, k->p->graph, it->node);
    buf_putc(k->b, '"');
    log_text(k->b, "op", n->op->s.name);
    log_text(k->b, "role", part_of(k->p, g, i));
    log_int(k->b, "part", it->part);
    buf_puts(k->b, n->recomputed ? ", \"recomputed\": true" : ", \"recomputed\": false");
    if (n->module && *n->module) log_text(k->b, "source", n->module);
    buf_putc(k->b, '}');
}

struct argument {
    const char *name;
    int value;
    const struct view *view;
    bool reads, writes;
    int made;  /* the value that it is afterwards; GRAPH_NONE none */
    bool part; /* of its value, or its elements in another order */
};

/* Which operator made what is in an array afterwards: its result or, written in place, its tensor
 * argument of that number, lists counted by their members and absent ones not at all. */
static void put_maker(struct kernels *k, int value)
{
    const struct graph_value *v = value >= 0 ? &k->p->graph->value.p[value] : NULL;
    if (!v || v->maker < 0) return;
    const struct graph_node *n = &k->p->graph->node.p[v->maker];
    int result = GRAPH_NONE, argument = GRAPH_NONE;
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] == value) result = i;
    for (int i = 0, number = 0; i < n->n_in; i++) {
        if (n->after[i] == value) argument = number;
        number += n->in[i] >= 0;
    }
    if (result < 0 && argument < 0) return;
    buf_puts(k->b, ", \"node\": \"");
    log_node_name(k->b, k->p->graph, v->maker);
    buf_putc(k->b, '"');
    if (result >= 0) log_int(k->b, "result", result);
    if (argument >= 0) log_int(k->b, "argument", argument);
}

static void put_arg(struct kernels *k, const struct argument *a, bool first)
{
    struct buf type = {0};
    int64_t bytes = view_n_bytes(a->view);
    k->n_values += PART_VALUES;
    buf_puts(k->b, first ? "{" : ", {");
    log_text(k->b, "name", a->name);
    log_text(k->b, "value", a->value >= 0 ? k->p->graph->value.p[a->value].name : NULL);
    log_type(&type, a->view);
    log_text(k->b, "type", type.p);
    log_int(k->b, "bytes", bytes * (a->reads + a->writes));
    put_maker(k, a->made);
    if (a->part) buf_puts(k->b, ", \"part\": true");
    buf_puts(k->b, a->writes ? ", \"written\": true}" : ", \"written\": false}");
    buf_release(&type);
}

/* Arguments of a launch, by the names that its calls are recorded with. */
static void put_launch_args(struct kernels *k, const struct program_launch *l)
{
    buf_puts(k->b, ", \"args\": [");
    for (int i = 0; i < l->n_args; i++) {
        const struct program_arg *a = &l->arg[i];
        put_arg(k,
                &(struct argument){a->keyword, a->of, &a->view, a->reads, a->writes, a->made,
                                   a->value < 0 && a->of >= 0},
                i == 0);
    }
    buf_putc(k->b, ']');
}

/* Of a member, or of an extern kernel: its arrays or tensors. */
static void put_uses(struct kernels *k, const struct fuse_group *g)
{
    int n = 0, in = 0, out = 0;
    buf_puts(k->b, ", \"args\": [");
    for (int i = 0; i < g->n_uses; i++) {
        const struct lower_use *u = &g->use[i];
        char name[32];
        if (u->buffer < 0) continue;
        snprintf(name, sizeof name, u->written ? "out_ptr%d" : "in_ptr%d",
                 u->written ? out++ : in++);
        put_arg(k,
                &(struct argument){name, u->value, &u->view, !u->written, u->written, GRAPH_NONE,
                                   false},
                !n++);
    }
    buf_putc(k->b, ']');
}

/* Number of the group among those that have code. */
static int code_number(const struct program *p, int group)
{
    int n = 0;
    for (int i = 0; i < group; i++) n += p->fused.group.p[i].nest != NULL;
    return n;
}

static void put_group(struct kernels *k, int group)
{
    const struct fuse_group *g = &k->p->fused.group.p[group];
    log_text(k->b, "name", g->name);
    log_text(k->b, "role", role_of(g));
    if (g->nest) {
        log_int(k->b, "outer", g->n_outer);
        log_int(k->b, "inner", g->n_inner ? g->n_inner : 1);
    }
    if (g->nest) {
        log_int(k->b, "bytes_read", g->bytes_read);
        log_int(k->b, "bytes_written", g->bytes_written);
    }
    if (g->nest && k->code) {
        int at = code_number(k->p, group);
        log_int(k->b, "line", k->code->first_line[at]);
        log_int(k->b, "last_line", k->code->last_line[at]);
    }
    buf_puts(k->b, ", \"ops\": [");
    for (int i = 0; i < g->n_items; i++) put_op(k, g, i);
    buf_putc(k->b, ']');
}

static void begin_kernel(struct kernels *k, int position)
{
    k->n_values += KERNEL_VALUES;
    buf_puts(k->b, k->n++ ? ",\n{" : "{");
    log_int(k->b, "position", position);
}

/* As the builder of a device's code told. */
static void put_resources(const struct kernels *k, const struct program_launch *l)
{
    struct code_resources r = {-1, -1, -1};
    if (k->p->code && l->code >= 0) r = code_resources(k->p->code, l->code);
    if (r.registers < 0) return;
    log_int(k->b, "registers", r.registers);
    log_int(k->b, "shared_bytes", r.shared_bytes);
    log_int(k->b, "spill_bytes", r.spill_bytes);
}

static void put_combo(struct kernels *k, const struct program_launch *l, int position)
{
    int combo = k->n;
    begin_kernel(k, position);
    log_text(k->b, "name", l->name);
    log_text(k->b, "role", "combo");
    if (l->site) log_text(k->b, "site", l->site);
    log_int(k->b, "bytes_read", l->bytes_read);
    log_int(k->b, "bytes_written", l->bytes_written);
    log_int(k->b, "flops", l->flops);
    log_int(k->b, "blocks", l->combo->blocks);
    put_resources(k, l);
    put_launch_args(k, l);
    buf_putc(k->b, '}');
    for (int m = 0; m < l->n_groups; m++) {
        const struct combo_member *c = &l->combo->member[m];
        begin_kernel(k, position);
        log_int(k->b, "combo", combo);
        log_int(k->b, "member", m);
        if (l->combo->dispatch != COMBO_ROUND_ROBIN) log_int(k->b, "first_block", c->first);
        log_int(k->b, "blocks", c->blocks);
        put_group(k, l->group[m]);
        put_uses(k, &k->p->fused.group.p[l->group[m]]);
        buf_putc(k->b, '}');
    }
}

static void put_launch(struct kernels *k, const struct program_launch *l, int position)
{
    if (l->combo) {
        put_combo(k, l, position);
        return;
    }
    const struct fuse_group *g = &k->p->fused.group.p[l->group[0]];
    begin_kernel(k, position);
    put_group(k, l->group[0]);
    if (l->site) log_text(k->b, "site", l->site);
    if (g->nest) log_int(k->b, "flops", l->flops);
    put_resources(k, l);
    if (g->nest) put_launch_args(k, l);
    else put_uses(k, g);
    buf_putc(k->b, '}');
}

/* Launches from the given one on; returns the first that is not told yet. */
static size_t put_kernels(struct compile_log *l, const char *phase, const struct program *p,
                          size_t i)
{
    struct buf b = {0};
    struct kernels k = {.p = p, .code = p->code ? code_source(p->code) : NULL, .b = &b};
    int64_t build_ns = 0;
    if (p->code) (void)code_how(p->code, &build_ns);
    buf_puts(&b, "{");
    log_text(&b, "phase", phase);
    log_text(&b, "language", p->code ? code_language(p->code) : "c");
    if (p->code) log_int(&b, "build_ns", build_ns);
    buf_puts(&b, ", \"kernels\": [\n");
    for (; i < p->launch.n && k.n_values < VALUES; i++) put_launch(&k, &p->launch.p[i], (int)i);
    buf_puts(&b, "]}");
    l->notes.n_kernels += k.n;
    log_artifact(l, "plumb_kernels", "json", &b);
    return i;
}

static void log_kernels(struct compile_log *l, const char *phase, const struct program *p)
{
    size_t i = 0;
    do i = put_kernels(l, phase, p, i);
    while (i < p->launch.n);
}

/* ---- decisions ---- */

/* "reasons": {word: sentence} of those that occur. */
static void put_reasons(struct buf *b, const bool *said, int n, const char *(*word)(int),
                        const char *(*text)(int))
{
    bool any = false;
    buf_puts(b, "], \"reasons\": {");
    for (int i = 0; i < n; i++) {
        if (!said[i]) continue;
        buf_puts(b, any ? ", " : "");
        buf_json(b, span_of(word(i)));
        buf_puts(b, ": ");
        buf_json(b, span_of(text(i)));
        any = true;
    }
    buf_puts(b, "}}");
}

static const char *fusion_word(int r)
{
    return fuse_reason_word((enum fuse_reason)r);
}
static const char *fusion_text(int r)
{
    return fuse_reason_text((enum fuse_reason)r);
}
static const char *combination_word(int r)
{
    return combo_reason_word((enum combo_reason)r);
}
static const char *combination_text(int r)
{
    return combo_reason_text((enum combo_reason)r);
}

static void put_item(struct buf *b, const char *key, const struct program *p, int item)
{
    buf_printf(b, "\"%s\": \"", key);
    log_node_name(b, p->graph, p->lowered.item.p[item].node);
    buf_putc(b, '"');
}

/* An operator of several loop nests: which of them the decision is about. */
static void put_parts(struct buf *b, const struct program *p, const struct fuse_decision *d)
{
    int x = p->lowered.item.p[d->a].part, y = p->lowered.item.p[d->b].part;
    char note[64];
    if (!x && !y) return;
    snprintf(note, sizeof note, "loops %d and %d of these", x, y);
    log_text(b, "note", note);
}

/* Kernel of each item; NULL: no memory. */
static int *groups_of(const struct program *p, struct arena *arena)
{
    int *group = arena_array(arena, p->lowered.item.n + 1, sizeof *group);
    for (size_t i = 0; group && i < p->fused.group.n; i++)
        for (int k = 0; k < p->fused.group.p[i].n_items; k++)
            group[p->fused.group.p[i].item[k]] = (int)i;
    return group;
}

static void put_fused(struct buf *b, const struct program *p, const int *group,
                      const struct fuse_decision *d)
{
    buf_puts(b, "{");
    put_item(b, "a", p, d->a);
    buf_puts(b, ", ");
    put_item(b, "b", p, d->b);
    buf_puts(b, d->fused ? ", \"fused\": true" : ", \"fused\": false");
    log_text(b, "reason", fuse_reason_word(d->reason));
    put_parts(b, p, d);
    log_int(b, "bytes_saved", d->bytes_saved);
    buf_puts(b, ", \"score\": ");
    buf_json_real(b, d->score);
    if (d->fused) log_text(b, "kernel", p->fused.group.p[group[d->a]].name);
    buf_putc(b, '}');
}

static void begin_decisions(struct buf *b, const char *phase)
{
    buf_puts(b, "{");
    log_text(b, "phase", phase);
    buf_puts(b, ", \"decisions\": [");
}

static void log_fusion(struct compile_log *l, const char *phase, const struct program *p)
{
    struct arena arena = {0};
    const int *group = groups_of(p, &arena);
    size_t i = 0, n = group ? p->fused.decision.n : 0;
    l->notes.n_lost += !group;
    do {
        struct buf b = {0};
        bool said[FUSE_N_REASONS] = {false};
        begin_decisions(&b, phase);
        for (size_t first = i; i < n && i - first < DECISIONS; i++) {
            const struct fuse_decision *d = &p->fused.decision.p[i];
            buf_puts(&b, i > first ? ",\n" : "");
            put_fused(&b, p, group, d);
            said[d->reason] = true;
        }
        put_reasons(&b, said, FUSE_N_REASONS, fusion_word, fusion_text);
        log_artifact(l, "plumb_fusion", "json", &b);
    } while (i < n);
    arena_release(&arena);
}

static void put_time(struct buf *b, const char *key, double ns)
{
    if (!(ns > 0)) return; /* not measured */
    buf_printf(b, ", \"%s\": ", key);
    buf_json_real(b, ns);
}

static const char *launch_of(const struct program *p, int group)
{
    for (size_t i = 0; i < p->launch.n; i++)
        for (int m = 0; m < p->launch.p[i].n_groups; m++)
            if (p->launch.p[i].group[m] == group) return p->launch.p[i].name;
    return NULL;
}

static void put_combined(struct buf *b, const struct program *p, const struct combo_decision *d)
{
    buf_puts(b, "{");
    log_text(b, "a", p->fused.group.p[d->a].name);
    log_text(b, "b", d->b >= 0 ? p->fused.group.p[d->b].name : NULL);
    buf_puts(b, d->combined ? ", \"fused\": true" : ", \"fused\": false");
    log_text(b, "reason", combo_reason_word(d->reason));
    buf_puts(b, ", \"score\": ");
    buf_json_real(b, d->score);
    put_time(b, "a_ns", d->a_ns);
    put_time(b, "b_ns", d->b_ns);
    put_time(b, "together_ns", d->together_ns);
    if (d->combined) log_text(b, "kernel", launch_of(p, d->a));
    buf_putc(b, '}');
}

static void log_combos(struct compile_log *l, const char *phase, const struct program *p)
{
    size_t i = 0, n = p->combined.decision.n;
    do {
        struct buf b = {0};
        bool said[COMBO_N_REASONS] = {false};
        begin_decisions(&b, phase);
        for (size_t first = i; i < n && i - first < DECISIONS; i++) {
            const struct combo_decision *d = &p->combined.decision.p[i];
            buf_puts(&b, i > first ? ",\n" : "");
            put_combined(&b, p, d);
            said[d->reason] = true;
        }
        put_reasons(&b, said, COMBO_N_REASONS, combination_word, combination_text);
        log_artifact(l, "plumb_combos", "json", &b);
    } while (i < n);
}

/* ---- memory ---- */

/* Place of a buffer among those that take room. */
static int place_of(const struct program *p, int buffer)
{
    int n = 0;
    for (int i = 0; i < buffer; i++) n += p->buffer[i].size > 0;
    return n;
}

static void put_buffer(struct buf *b, const struct program *p, int i)
{
    const struct memory_buffer *m = &p->buffer[i];
    int storage = p->lowered.buffer.p[i].storage;
    const struct graph_storage *s = storage >= 0 ? &p->graph->storage.p[storage] : NULL;
    log_text(b, "value", s && s->value >= 0 ? p->graph->value.p[s->value].name : NULL);
    log_int(b, "size", m->size);
    log_int(b, "offset", m->offset);
    log_int(b, "first", m->first);
    log_int(b, "last", m->last);
    if (m->reuses >= 0) log_int(b, "reuses", place_of(p, m->reuses));
}

static void log_memory(struct compile_log *l, const char *phase, const struct program *p)
{
    struct buf b = {0};
    bool any = false;
    buf_puts(&b, "{");
    log_text(&b, "phase", phase);
    log_int(&b, "size", p->memory.size);
    log_int(&b, "peak", p->memory.peak);
    log_int(&b, "total", p->memory.total);
    buf_puts(&b, ", \"buffers\": [");
    for (size_t i = 0; i < p->lowered.buffer.n; i++) {
        if (p->buffer[i].size <= 0) continue;
        buf_puts(&b, any ? ",\n{" : "{");
        put_buffer(&b, p, (int)i);
        buf_putc(&b, '}');
        any = true;
    }
    buf_puts(&b, "]}");
    log_artifact(l, "plumb_memory", "json", &b);
}

/* ---- graph and code ---- */

/* Both stages: what is done to a graph before it is lowered is told of its joint graph. */
static void log_post_grad(struct compile_log *l, const struct program *p, struct buf *text)
{
    struct graph_text t;
    struct buf before = {0}, after = {0};
    if (graph_print(p->graph, "GraphModule", &t)) {
        l->notes.n_lost++;
        return;
    }
    buf_span(text, buf_text(&t.text));
    buf_span(&before, buf_text(&t.text));
    buf_span(&after, buf_text(&t.text));
    log_artifact(l, "before_post_grad_graph", "string", &before);
    log_artifact(l, "after_post_grad_graph", "string", &after);
    graph_text_release(&t);
}

static void log_program_cache(struct compile_log *l, const struct program *p, struct span graph)
{
    const struct plumb *s = thread_self.session;
    const struct plumb_compile_options *o = &l->c->options;
    struct buf parts = {0}, options = {0};
    int64_t build_ns;
    const char *how = code_how(p->code, &build_ns);
    bool hit = !strcmp(how, "from cache");
    buf_printf(&options, "fusion %d combos %d", !o->no_fusion, !o->no_combos);
    log_key_part(l, &parts, "graph", graph);
    log_key_part(l, &parts, "code", buf_text(&code_source(p->code)->text));
    log_key_part(l, &parts, "determinism",
                 s->determinism == PLUMB_EXACT ? SPAN("exact")
                 : s->determinism == PLUMB_OFF ? SPAN("off")
                                               : SPAN("run"));
    log_key_part(l, &parts, "backend", span_of(s->backend->name));
    log_key_part(l, &parts, "compiler", hit ? SPAN("compiled") : span_of(how));
    log_key_part(l, &parts, "options", buf_text(&options));
    log_cache(l, "fx_graph", hit, &parts);
    l->notes.all_cached = l->notes.all_cached && hit;
    buf_release(&parts);
    buf_release(&options);
}

static void log_code(struct compile_log *l, const char *phase, const struct program *p,
                     struct span graph)
{
    struct buf meta = {0};
    if (!p->code) {
        l->notes.all_cached = false;
        return;
    }
    log_program_cache(l, p, graph);
    bool cuda = !strcmp(code_language(p->code), "cuda");
    buf_printf(&meta, "{\"filename\": \"%d_%d_%s.%s\"}", l->c->frame, l->e->number, phase,
               cuda ? "cu" : "c");
    if (buf_ok(&meta)) l->notes.n_lost++;
    else LOG(l, "inductor_output_code", buf_text(&meta), buf_text(&code_source(p->code)->text));
    buf_release(&meta);
}

static void log_phases(struct compile_log *l, const struct program *p)
{
    const struct {
        const char *name;
        int64_t ns;
    } phase[] = {{"lower", p->lower_ns},
                 {"fuse", p->fuse_ns},
                 {"combo", p->combo_ns},
                 {"build", p->build_ns}};
    int64_t all = p->lower_ns + p->fuse_ns + p->combo_ns + p->build_ns, at = clock_real() - all;
    for (size_t i = 0; i < sizeof phase / sizeof *phase; i++) {
        at += phase[i].ns;
        log_phase(l, phase[i].name, at, phase[i].ns);
    }
    l->notes.backend_ns += all;
    l->notes.codegen_ns += p->build_ns;
    l->notes.n_items += (int)p->lowered.item.n;
}

void compile_log_program(struct compile_log *l, const char *phase, const struct program *p)
{
    struct buf graph = {0};
    if (!l->cap) return;
    log_passes(l);
    log_phases(l, p);
    log_post_grad(l, p, &graph);
    log_code(l, phase, p, buf_text(&graph));
    log_kernels(l, phase, p);
    log_fusion(l, phase, p);
    log_combos(l, phase, p);
    log_memory(l, phase, p);
    log_links(l, p);
    buf_release(&graph);
}
