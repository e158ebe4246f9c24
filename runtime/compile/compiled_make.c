/* compiled_make.c - a new entry: the function traced, its gradients, passes, programs. */
#include "runtime/compile/compiled.h"

#include <stdio.h>
#include <string.h>

#include "runtime/compile/log.h"
#include "store/base/clock.h"

struct making {
    struct plumb_compiled *c;
    struct compiled_entry *e;
    struct compile_log *log;
    struct plumb_tensor *const *in;
    int n_in;
};

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for a compiled function");
}

/* Constants are kept tensors, which end with the session. */
void compiled_entry_free(struct compiled_entry *e)
{
    if (!e) return;
    if (e->dynamic) compiled_dynamic_free(e->dynamic);
    while (e->parts) {
        struct compiled_part *part = e->parts;
        e->parts = part->next;
        compiled_part_free(part);
    }
    program_release(&e->forward);
    program_release(&e->backward);
    joint_split_release(&e->split);
    guard_release(&e->guards);
    graph_release(&e->graph);
    arena_release(&e->arena);
    free(e);
}

/* ---- results ---- */

/* Inputs, then captured tensors, as guards count them. */
static int place_of(const struct graph *g, int value)
{
    const struct graph_value *v = &g->value.p[value];
    return v->origin == GRAPH_INPUT ? v->index : g->n_inputs + v->index;
}

static struct compiled_result take_result(const struct trace *t, struct plumb_tensor *const *y,
                                          int i)
{
    const struct plumb_tensor *x = y[i];
    if (!x) return (struct compiled_result){.is = COMPILED_NONE};
    for (int k = 0; k < i; k++)
        if (y[k] == x) return (struct compiled_result){.is = COMPILED_AGAIN, .of = k};
    for (size_t k = 0; k < t->twin.n; k++) {
        const struct trace_twin *w = &t->twin.p[k];
        int place = place_of(t->graph, w->value);
        if (t->graph->value.p[w->value].origin == GRAPH_CONSTANT) continue;
        if (w->fake == x) return (struct compiled_result){.is = COMPILED_GIVEN, .of = place};
        if (w->fake->grad == x) return (struct compiled_result){.is = COMPILED_GRAD, .of = place};
    }
    return (struct compiled_result){.is_view = x->is_view, .uninitialised = x->uninitialised};
}

/* Host data are there once, and a caller may write what it is given. */
static enum err check_result(struct trace *t, int i)
{
    const struct graph_output *o = &t->graph->output.p[t->graph->output.n - 1];
    const struct graph_value *v = o->value < 0 ? NULL : &t->graph->value.p[o->value];
    if (v && t->graph->storage.p[v->storage].origin == GRAPH_CONSTANT)
        return trace_break(t,
                           "result %d is a tensor made of host data, which is made once; clone "
                           "it",
                           i);
    return ERR_OK;
}

static enum err take_results(struct making *m, struct trace *t, struct plumb_tensor **y)
{
    struct compiled_entry *e = m->e;
    for (int i = 0; i < e->n_results; i++) {
        if (y[i]) TRY(trace_twin(t, y[i], &y[i]));
        e->result[i] = take_result(t, y, i);
        TRY(trace_output(t, y[i], GRAPH_RESULT, i));
        TRY(check_result(t, i));
    }
    return ERR_OK;
}

/* ---- tracing ---- */

static enum err trace_calls(struct making *m, struct trace *t)
{
    struct compiled_entry *e = m->e;
    struct plumb_tensor **y = arena_array(&e->arena, (size_t)e->n_results + 1, sizeof *y);
    int no_grad = thread_self.no_grad;
    if (!y) return no_memory();
    TRY(trace_begin(t, &e->graph, m->in, m->n_in));
    int rc = m->c->fn(m->c->context, t->in, m->n_in, y, e->n_results);
    thread_self.no_grad = no_grad; /* a function that fails may leave it as it was within */
    if (t->broken) FAIL(ERR_REFUSED, "%s", t->reason);
    if (rc) FAIL(ERR_USAGE, "%s", *err_text() ? err_text() : "the function failed");
    TRY(take_results(m, t, y));
    compile_log_graph(m->log, "dynamo_output_graph", &e->graph);
    int64_t start_ns = clock_real();
    TRY(joint_trace(t, y, e->n_results));
    e->has_backward = e->graph.n_tangents > 0;
    TRY(trace_leaf_gradients(t));
    if (e->has_backward) compile_log_phase(m->log, "joint", start_ns);
    return ERR_OK;
}

/* The function's own failure is none here: it is run again as it is, and fails for its caller. */
static enum err trace_function(struct making *m)
{
    struct trace t = {0};
    enum err err = trace_calls(m, &t);
    if (err) snprintf(m->e->broken, sizeof m->e->broken, "%s", t.broken ? t.reason : err_text());
    trace_end(&t);
    if (err == ERR_NOMEM) return err;
    if (err) plumb_error(); /* read: what comes next is not held up by it */
    return ERR_OK;
}

/* ---- what runs need ---- */

static enum err find_written(struct compiled_entry *e)
{
    const struct graph *g = &e->graph;
    e->written = arena_array(&e->arena, g->value.n + 1, sizeof *e->written);
    if (!e->written) return no_memory();
    for (size_t i = 0; i < g->value.n; i++) {
        const struct graph_value *v = &g->value.p[i];
        bool given = v->origin == GRAPH_INPUT || v->origin == GRAPH_CAPTURED;
        if (given && g->storage.p[v->storage].n_versions > 1)
            e->written[e->n_written++] = place_of(g, (int)i);
    }
    return ERR_OK;
}

static enum err add_need(struct compiled_entry *e, const struct graph_value *v)
{
    if (v->origin == GRAPH_CAPTURED && e->graph.captured.p[v->index].grad)
        FAIL(ERR_UNSUPPORTED, "the backward needs the gradient that a kept tensor had");
    e->need[e->n_needs++] = (struct compiled_need){v->origin, v->index, v->name};
    return ERR_OK;
}

static enum err find_needs(struct compiled_entry *e)
{
    const struct graph *g = &e->split.backward;
    int *uses = graph_uses(g, &e->arena);
    e->need = arena_array(&e->arena, g->value.n + 1, sizeof *e->need);
    if (!uses || !e->need) return no_memory();
    for (size_t i = 0; i < g->value.n; i++) {
        const struct graph_value *v = &g->value.p[i];
        bool given = v->origin != GRAPH_MADE && v->origin != GRAPH_TANGENT;
        if (given && v->origin != GRAPH_CONSTANT && uses[i]) TRY(add_need(e, v));
    }
    return ERR_OK;
}

/* Whether no other output of that kind shares the memory of output i, nor does what was given. */
static bool is_sole(const struct graph *g, size_t i)
{
    const struct graph_output *o = &g->output.p[i];
    int storage = g->value.p[o->value].storage;
    if (g->storage.p[storage].origin != GRAPH_MADE) return false;
    for (size_t k = 0; k < g->output.n; k++) {
        const struct graph_output *p = &g->output.p[k];
        if (k == i || p->gives != o->gives || p->value < 0) continue;
        if (g->value.p[p->value].storage == storage) return false;
    }
    return true;
}

enum err compiled_find_sole(const struct graph *g, struct arena *arena, bool **out)
{
    bool *sole = *out = arena_array(arena, g->output.n + 1, sizeof *sole);
    if (!sole) return no_memory();
    for (size_t i = 0; i < g->output.n; i++) {
        int value = g->output.p[i].value;
        sole[i] = value >= 0 && is_sole(g, i) && view_is_contiguous(&g->value.p[value].view);
    }
    return ERR_OK;
}

/* A leaf's gradient is a tensor of its own: the next call may write it. */
static enum err check_leaf_gradients(const struct graph *g)
{
    for (size_t i = 0; i < g->output.n; i++) {
        const struct graph_output *o = &g->output.p[i];
        if (o->gives != GRAPH_LEAF_GRAD || o->value < 0) continue;
        if (!is_sole(g, i))
            FAIL(ERR_FORMAT, "the gradient of a leaf, %s, is no tensor of its own",
                 g->value.p[o->value].name);
    }
    return ERR_OK;
}

/* ---- building ---- */

static enum err seen_pass(void *context, const char *pass, const struct graph *g,
                          const struct pass_result *r)
{
    struct making *m = context;
    compile_log_pass(m->log, m->e->has_backward ? "joint" : "inference", pass, g, r);
    return ERR_OK;
}

static enum err build(struct making *m, const char *phase, const struct graph *g,
                      struct program *out)
{
    char site[64];
    snprintf(site, sizeof site, "%d/%d %s", m->c->frame, m->e->number, phase);
    struct program_options o = {.no_fusion = m->c->options.no_fusion,
                                .no_combos = m->c->options.no_combos,
                                .interpret = m->c->interpret,
                                .determinism = thread_self.session->determinism,
                                .site = site};
    compiled_share(m->e, &o);
    TRY(program_build(g, &o, &m->e->arena, out));
    compile_log_program(m->log, phase, out);
    return ERR_OK;
}

static enum err build_split(struct making *m)
{
    struct compiled_entry *e = m->e;
    struct joint_split *s = &e->split;
    compile_log_graph(m->log, "aot_joint_graph", &e->graph);
    int64_t start_ns = clock_real();
    TRY(joint_split(&e->graph, NULL, &e->arena, s));
    TRY(graph_check(&s->forward));
    TRY(graph_check(&s->backward));
    TRY(check_leaf_gradients(&s->forward));
    TRY(find_needs(e));
    TRY(compiled_find_sole(&s->backward, &e->arena, &e->sole));
    compile_log_phase(m->log, "partition", start_ns);
    compile_log_partition(m->log, &e->graph, s);
    compile_log_graph(m->log, "aot_forward_graph", &s->forward);
    compile_log_graph(m->log, "aot_backward_graph", &s->backward);
    TRY(build(m, "forward", &s->forward, &e->forward));
    return build(m, "backward", &s->backward, &e->backward);
}

static enum err build_all(struct making *m)
{
    struct compiled_entry *e = m->e;
    TRY(graph_check(&e->graph));
    TRY(find_written(e));
    TRY(passes_run(&e->graph, seen_pass, m));
    if (e->has_backward) return build_split(m);
    TRY(check_leaf_gradients(&e->graph));
    compile_log_graph(m->log, "aot_inference_graph", &e->graph);
    return build(m, "inference", &e->graph, &e->forward);
}

static enum err make(struct making *m)
{
    struct compiled_entry *e = m->e;
    e->result = arena_array(&e->arena, (size_t)e->n_results + 1, sizeof *e->result);
    if (!e->result) return no_memory();
    graph_init(&e->graph, &e->arena, m->c->name);
    if (e->first == e) TRY(compiled_take_symbols(e, m->in, m->n_in));
    compile_log_symbols(m->log);
    TRY(trace_function(m));
    TRY(guard_make(&e->graph, m->in, m->n_in, NULL, &e->guards));
    struct compiled_dynamic *d = e->dynamic;
    if (d) TRY(guard_make(&e->graph, m->in, m->n_in, &d->symbols, &d->guards));
    if (*e->broken) compile_log_break(m->log, e->broken);
    return ERR_OK;
}

/* A function that was traced but could not be compiled is our trouble: said in the trace, and run
 * as it is. */
static enum err say_failed(struct making *m)
{
    struct cap *cap = m->log->cap;
    char text[1024];
    snprintf(m->e->broken, sizeof m->e->broken, "%s", err_text());
    compile_log_failure(m->log, "CompileError", m->e->broken);
    snprintf(text, sizeof text, "%s is run as it is, it could not be compiled: %s", m->c->name,
             m->e->broken);
    return cap ? cap_note(cap, 2, "compile", span_of(text)) : ERR_OK;
}

/* What is made on the way is not part of what the program computes. */
static enum err make_quietly(struct making *m)
{
    enum err err;
    thread_self.quiet++;
    err = make(m);
    if (!err && !*m->e->broken) {
        err = build_all(m);
        if (err && err != ERR_NOMEM) err = say_failed(m);
        else if (!err) compile_log_guards(m->log);
    }
    thread_self.quiet--;
    return err;
}

static struct compiled_entry *new_entry(struct plumb_compiled *c, int number, int n_results,
                                        struct compiled_entry *first)
{
    struct compiled_entry *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->of = c;
    e->number = number;
    e->n_results = n_results;
    e->first = first ? first : e;
    return e;
}

enum err compiled_make_again(struct compiled_entry *first, struct plumb_tensor *const *in, int n_in,
                             struct compiled_entry **out)
{
    struct compiled_entry *e = new_entry(first->of, first->number, first->n_results, first);
    if (!e) return no_memory();
    struct compile_log log = {.c = first->of, .e = e};
    struct making m = {first->of, e, &log, in, n_in};
    enum err err = make_quietly(&m);
    compile_log_end(&log);
    if (err) compiled_entry_free(e);
    else *out = e;
    return err;
}

enum err compiled_make(struct plumb_compiled *c, struct plumb_tensor *const *in, int n_in,
                       int n_out, const char *reason, struct compiled_entry **out)
{
    struct compiled_entry *e = new_entry(c, c->n_entries, n_out, NULL);
    if (!e) return no_memory();
    struct compile_log log = {.cap = thread_self.session->cap, .c = c, .e = e};
    struct making m = {c, e, &log, in, n_in};
    compile_log_start(&log);
    if (*reason) compile_log_recompile(&log, e->number - 1, reason);
    enum err err = make_quietly(&m);
    compile_log_end(&log);
    if (err) compiled_entry_free(e);
    else *out = e;
    return err;
}
