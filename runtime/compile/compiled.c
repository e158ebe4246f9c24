/* compiled.c - calls of compiled functions, and what a new one takes. */
#include "runtime/compile/compiled.h"

#include <stdio.h>
#include <string.h>

#include "runtime/compile/log.h"
#include "store/base/clock.h"

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for a compiled function");
}

/* ---- making and freeing ---- */

static enum err new_compiled(const char *name, plumb_function fn, void *context,
                             const struct plumb_compile_options *o, struct plumb_compiled **out)
{
    TRY(thread_check("plumb_compile"));
    if (!fn) FAIL(ERR_USAGE, "plumb_compile: there is no function");
    struct plumb *s = thread_self.session;
    struct plumb_compiled *c = calloc(1, sizeof *c);
    if (!c) return no_memory();
    c->name = strdup(name ? name : "function");
    if (!c->name) {
        free(c);
        return no_memory();
    }
    c->fn = fn;
    c->context = context;
    if (o) c->options = *o;
    pthread_mutex_init(&c->lock, NULL);
    pthread_mutex_lock(&s->lock);
    c->frame = s->n_compiled++;
    c->next = s->compiled;
    s->compiled = c;
    pthread_mutex_unlock(&s->lock);
    *out = c;
    return ERR_OK;
}

struct plumb_compiled *plumb_compile(const char *name, plumb_function fn, void *context,
                                     const struct plumb_compile_options *options)
{
    struct plumb_compiled *c = NULL;
    return api_ok(new_compiled(name, fn, context, options, &c)) ? c : NULL;
}

static void free_entry(struct compiled_entry *e)
{
    if (!e) return;
    program_release(&e->forward);
    program_release(&e->backward);
    joint_split_release(&e->split);
    guard_release(&e->guards);
    graph_release(&e->graph);
    graph_release(&e->plain);
    arena_release(&e->arena);
    free(e);
}

void compiled_free_all(struct plumb *s)
{
    while (s->compiled) {
        struct plumb_compiled *c = s->compiled;
        s->compiled = c->next;
        for (size_t i = 0; i < c->entries.n; i++) free_entry(c->entries.p[i]);
        LIST_RELEASE(&c->entries);
        pthread_mutex_destroy(&c->lock);
        free((char *)c->name);
        free(c);
    }
}

/* ---- a new entry ---- */

struct making {
    struct plumb_compiled *c;
    struct compiled_entry *e;
    struct compile_log *log;
    struct plumb_tensor *const *in;
    int n_in, n_out;
};

/* How many results gradients are to go back through. */
static int wants_grad(struct plumb_tensor *const *y, int n)
{
    int wants = 0;
    for (int i = 0; i < n && !thread_self.no_grad; i++)
        wants += y[i]->requires_grad && y[i]->made_by;
    return wants;
}

static enum err take_outputs(struct making *m, struct trace *t, struct plumb_tensor **y)
{
    for (int i = 0; i < m->n_out; i++) {
        if (!y[i]) FAIL(ERR_USAGE, "the function left result %d unset", i);
        TRY(trace_output(t, y[i], GRAPH_RESULT, i));
    }
    compile_log_graph(m->log, "dynamo_output_graph", &m->e->graph);
    if (wants_grad(y, m->n_out) > 1) TRY(joint_keep(&m->e->graph, &m->e->plain));
    if (wants_grad(y, m->n_out)) TRY(joint_trace(t, y, m->n_out));
    m->e->has_backward = m->e->graph.n_tangents;
    return trace_leaf_gradients(t);
}

/* The function's own failure is no error here: it is run again as it is, and fails for its caller.
 */
static enum err trace_function(struct making *m)
{
    struct trace t;
    struct compiled_entry *e = m->e;
    struct plumb_tensor **y = arena_array(&e->arena, (size_t)m->n_out + 1, sizeof *y);
    if (!y) return no_memory();
    enum err err = trace_begin(&t, &e->graph, m->in, m->n_in);
    if (!err && m->c->fn(m->c->context, t.in, m->n_in, y, m->n_out)) err = ERR_USAGE;
    if (!err && t.broken) err = ERR_REFUSED; /* and the function did not look */
    if (!err) err = take_outputs(m, &t, y);
    if (err)
        snprintf(e->broken, sizeof e->broken, "%s",
                 t.broken      ? t.reason
                 : *err_text() ? err_text()
                               : "the function failed");
    trace_end(&t);
    if (err == ERR_NOMEM) return err;
    if (err) plumb_error(); /* read: what comes next is not held up by it */
    return ERR_OK;
}

static enum err seen_pass(void *context, const char *pass, const struct graph *g,
                          const struct pass_result *r)
{
    struct making *m = context;
    compile_log_pass(m->log, m->e->has_backward ? "joint" : "inference", pass, g, r);
    return ERR_OK;
}

static enum err build_programs(struct making *m)
{
    struct compiled_entry *e = m->e;
    struct program_options o = {.no_fusion = m->c->options.no_fusion,
                                .no_combos = m->c->options.no_combos,
                                .determinism = thread_self.session->determinism};
    if (!e->has_backward) {
        compile_log_graph(m->log, "aot_inference_graph", &e->graph);
        TRY(program_build(&e->graph, &o, &e->arena, &e->forward));
        compile_log_program(m->log, "inference", &e->forward);
        return ERR_OK;
    }
    compile_log_graph(m->log, "aot_joint_graph", &e->graph);
    TRY(joint_split(&e->graph, NULL, &e->arena, &e->split));
    TRY(graph_check(&e->split.forward));
    TRY(graph_check(&e->split.backward));
    compile_log_partition(m->log, &e->graph, &e->split);
    compile_log_graph(m->log, "aot_forward_graph", &e->split.forward);
    compile_log_graph(m->log, "aot_backward_graph", &e->split.backward);
    TRY(program_build(&e->split.forward, &o, &e->arena, &e->forward));
    compile_log_program(m->log, "forward", &e->forward);
    TRY(program_build(&e->split.backward, &o, &e->arena, &e->backward));
    compile_log_program(m->log, "backward", &e->backward);
    return ERR_OK;
}

static enum err make_entry(struct making *m)
{
    struct compiled_entry *e = m->e;
    graph_init(&e->graph, &e->arena, m->c->name);
    TRY(trace_function(m));
    TRY(guard_make(&e->graph, m->in, m->n_in, &e->guards));
    if (*e->broken) {
        compile_log_break(m->log, e->broken);
        return ERR_OK;
    }
    TRY(graph_check(&e->graph));
    TRY(passes_run(&e->graph, seen_pass, m));
    TRY(build_programs(m));
    compile_log_guards(m->log);
    return ERR_OK;
}

/* The entry is added even where compiling failed: the function is run as it is from then on. */
static enum err add_entry(struct plumb_compiled *c, struct plumb_tensor *const *in, int n_in,
                          int n_out, const char *reason, struct compiled_entry **out)
{
    struct compiled_entry *e = calloc(1, sizeof *e), **to = e ? LIST_PUSH(&c->entries) : NULL;
    struct compile_log log = {.cap = thread_self.session->cap, .c = c, .e = e};
    struct making m = {c, e, &log, in, n_in, n_out};
    if (!to) {
        free(e);
        return no_memory();
    }
    *to = *out = e;
    e->number = (int)c->entries.n - 1;
    log.start_ns = thread_self.session->backend->now();
    compile_log_start(&log);
    if (*reason) compile_log_recompile(&log, e->number - 1, reason);
    enum err err = make_entry(&m);
    if (err) {
        snprintf(e->broken, sizeof e->broken, "%s", err_text());
        compile_log_failure(&log, "CompileError", e->broken);
    }
    compile_log_end(&log);
    return err == ERR_NOMEM ? err : ERR_OK;
}

/* ---- calls ---- */

static enum err say_full(struct plumb_compiled *c, const char *reason)
{
    struct cap *cap = thread_self.session->cap;
    char text[1024];
    if (c->full || !cap) return ERR_OK;
    c->full = true;
    snprintf(text, sizeof text,
             "%s was compiled %d times and is run as it is from now on; the last reason: %s",
             c->name, COMPILED_ENTRIES, reason);
    return cap_note(cap, 2, "compile", span_of(text));
}

/* The entry whose guards hold, else a new one; NULL: there are too many. */
static enum err find_entry(struct plumb_compiled *c, struct plumb_tensor *const *in, int n_in,
                           int n_out, struct compiled_entry **out)
{
    char reason[256] = "";
    *out = NULL;
    for (size_t i = c->entries.n; i-- > 0;) {
        struct compiled_entry *e = c->entries.p[i];
        bool newest = i + 1 == c->entries.n;
        if (guard_check(&e->guards, &e->graph, in, n_in, newest ? reason : NULL, sizeof reason))
            continue;
        e->hits++;
        *out = e;
        return ERR_OK;
    }
    if (c->entries.n == COMPILED_ENTRIES) return say_full(c, reason);
    return add_entry(c, in, n_in, n_out, reason, out);
}

/* The real tensor that a value stands for. */
static struct plumb_tensor *given(const struct graph *g, struct plumb_tensor *const *in, int value)
{
    const struct graph_value *v = &g->value.p[value];
    if (v->origin == GRAPH_INPUT) return in[v->index];
    return g->captured.p[v->index].tensor;
}

/* A result that is an argument itself, written in place or not; NULL: it is not. */
static struct plumb_tensor *same_as_given(const struct graph *g, struct plumb_tensor *const *in,
                                          int value)
{
    const struct graph_value *v = &g->value.p[value];
    if (g->storage.p[v->storage].origin == GRAPH_MADE) return NULL;
    for (size_t i = 0; i < g->value.n; i++) {
        const struct graph_value *w = &g->value.p[i];
        bool is_given = w->origin == GRAPH_INPUT || w->origin == GRAPH_CAPTURED;
        if (!is_given || w->storage != v->storage || memcmp(&w->view, &v->view, sizeof v->view))
            continue;
        if (w->origin == GRAPH_CAPTURED && g->captured.p[w->index].grad) continue;
        return given(g, in, (int)i);
    }
    return NULL;
}

/* Gradients go back through result `i`: it is on the tape as made by this call. */
static bool has_tangent(const struct graph *g, int i)
{
    for (size_t v = 0; v < g->value.n; v++)
        if (g->value.p[v].origin == GRAPH_TANGENT && g->value.p[v].index == i) return true;
    return false;
}

static void give_outputs(const struct compiled_entry *e, struct plumb_tensor *const *in,
                         struct plumb_tensor *const *y, struct plumb_tensor **out,
                         struct plumb_tensor **saved)
{
    const struct graph *g = e->forward.graph;
    for (size_t i = 0; i < g->output.n; i++) {
        const struct graph_output *o = &g->output.p[i];
        struct plumb_tensor *same = o->value < 0 ? NULL : same_as_given(g, in, o->value);
        if (o->gives == GRAPH_RESULT)
            out[o->index] = same && !has_tangent(&e->graph, o->index) ? same : y[i];
        if (o->gives == GRAPH_SAVE) saved[o->index] = y[i];
        if (o->gives == GRAPH_LEAF_GRAD) tape_set_grad(given(g, in, o->index), y[i]);
    }
}

static enum err run_entry(const struct compiled_entry *e, struct plumb_tensor *const *in, int n_in,
                          struct plumb_tensor **out)
{
    struct thread *t = &thread_self;
    struct arena *a = &t->frame->arena;
    const struct graph *g = e->forward.graph;
    struct compiled_run run = {.entry = e, .stream = (int64_t)t->generator};
    struct program_call call = {.input = in, .stream = (int64_t)t->generator};
    call.output = arena_array(a, g->output.n + 1, sizeof *call.output);
    run.in = arena_array(a, (size_t)n_in + 1, sizeof *run.in);
    run.saved = arena_array(a, g->output.n + 1, sizeof *run.saved);
    if (!call.output || !run.in || !run.saved) return no_memory();
    memcpy(run.in, in, (size_t)n_in * sizeof *in);
    TRY(program_run(&e->forward, &call));
    t->generator += (uint64_t)e->graph.n_streams;
    give_outputs(e, in, call.output, out, run.saved);
    return e->has_backward ? compiled_tape(&run, out) : ERR_OK;
}

static enum err check_call(const struct plumb_compiled *c, struct plumb_tensor *const *in, int n_in)
{
    TRY(thread_check("plumb_compiled_call"));
    for (int i = 0; i < n_in; i++)
        if (!in[i]) FAIL(ERR_USAGE, "%s: input %d is no tensor", c->name, i);
    return ERR_OK;
}

/* Hooks and faults look at each operator: nothing is compiled then. */
static bool runs_as_it_is(void)
{
    return thread_self.trace || thread_self.n_hooks || thread_self.inject;
}

static enum err call_compiled(struct plumb_compiled *c, struct plumb_tensor *const *in, int n_in,
                              struct plumb_tensor **out, int n_out, bool *eager)
{
    struct compiled_entry *e = NULL;
    *eager = false;
    TRY(check_call(c, in, n_in));
    if (!runs_as_it_is()) {
        pthread_mutex_lock(&c->lock);
        enum err err = find_entry(c, in, n_in, n_out, &e);
        pthread_mutex_unlock(&c->lock);
        TRY(err);
    }
    *eager = !e || *e->broken;
    return *eager ? ERR_OK : run_entry(e, in, n_in, out);
}

int plumb_compiled_call(struct plumb_compiled *c, struct plumb_tensor *const *in, int n_in,
                        struct plumb_tensor **out, int n_out)
{
    bool eager;
    if (!c || !api_ok(call_compiled(c, in, n_in, out, n_out, &eager))) return -1;
    return eager ? c->fn(c->context, in, n_in, out, n_out) : 0;
}
