/* log.c - beginning and end of a compile, and what it says as a whole. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xxhash.h>

#include "runtime/compile/log_parts.h"
#include "store/base/clock.h"

/* ---- records ---- */

void log_put(struct compile_log *l, int line, const char *key, struct span meta,
             struct span payload)
{
    struct buf b = {0};
    if (!l->cap) return;
    buf_printf(&b, "{\"%s\": ", key);
    buf_span(&b, meta);
    buf_printf(&b, ", \"frame_id\": %d, \"frame_compile_id\": %d, \"attempt\": %d}", l->c->frame,
               l->e->number, l->attempt);
    enum err err = buf_ok(&b);
    if (!err) err = cap_structured(l->cap, buf_text(&b), payload, "compile/log.c", line);
    l->notes.n_lost += err != ERR_OK;
    buf_release(&b);
}

void log_artifact(struct compile_log *l, const char *name, const char *encoding,
                  struct buf *payload)
{
    char meta[160];
    snprintf(meta, sizeof meta, "{\"name\": \"%s\", \"encoding\": \"%s\"}", name, encoding);
    if (buf_ok(payload)) l->notes.n_lost++;
    else LOG(l, "artifact", span_of(meta), buf_text(payload));
    buf_release(payload);
}

static void put_separator(struct buf *b)
{
    if (b->n && b->p[b->n - 1] != '{' && b->p[b->n - 1] != '[') buf_puts(b, ", ");
}

void log_text(struct buf *b, const char *key, const char *value)
{
    put_separator(b);
    buf_printf(b, "\"%s\": ", key);
    if (value) buf_json(b, span_of(value));
    else buf_puts(b, "null");
}

void log_int(struct buf *b, const char *key, int64_t value)
{
    put_separator(b);
    buf_printf(b, "\"%s\": %lld", key, (long long)value);
}

static void say_lost(const struct compile_log *l)
{
    char text[160];
    if (!l->cap || !l->notes.n_lost) return;
    snprintf(text, sizeof text, "%d records of compile %d/%d could not be made", l->notes.n_lost,
             l->c->frame, l->e->number);
    if (cap_note(l->cap, 2, "compile", span_of(text))) err_clear();
}

/* ---- events ---- */

static void put_event(struct compile_log *l, const char *name, char phase, int64_t ns)
{
    struct buf b = {0};
    if (!l->cap) return;
    buf_printf(&b,
               "{\n\"name\": \"%s\",\n\"ts\": %lld.%03d,\n\"args\": {\n\"compile_id\": "
               "\"%d/%d\"\n},\n\"ph\": \"%c\",\n\"cat\": \"dynamo_timed\",\n\"tid\": "
               "%ld,\n\"pid\": 0\n}",
               name, (long long)(ns / 1000), (int)(ns % 1000), l->c->frame, l->e->number, phase,
               (long)syscall(SYS_gettid));
    if (buf_ok(&b)) l->notes.n_lost++;
    else LOG(l, "chromium_event", SPAN("{}"), buf_text(&b));
    buf_release(&b);
}

void log_phase(struct compile_log *l, const char *name, int64_t end_ns, int64_t ns)
{
    put_event(l, name, 'B', end_ns - ns);
    put_event(l, name, 'E', end_ns);
}

void compile_log_phase(struct compile_log *l, const char *name, int64_t start_ns)
{
    int64_t now = clock_real();
    log_phase(l, name, now, now - start_ns);
}

/* ---- keys of caches ---- */

/* The same in every process, or keys of two runs could not be compared. */
static void put_digest(struct buf *b, struct span text)
{
    XXH128_hash_t d = XXH3_128bits(text.n ? text.p : "", text.n);
    buf_printf(b, "%016llx%016llx", (unsigned long long)d.high64, (unsigned long long)d.low64);
}

void log_key_part(struct compile_log *l, struct buf *parts, const char *name, struct span value)
{
    struct buf text = {0};
    buf_putc(&text, '[');
    put_digest(&text, value);
    buf_printf(&text, "] %s: %.*s", name, (int)(value.n < 200 ? value.n : 200), value.p);
    put_separator(parts);
    buf_json(parts, buf_text(&text));
    put_digest(&l->notes.keys, value);
    parts->failed |= text.failed;
    buf_release(&text);
}

void log_cache(struct compile_log *l, const char *cache, bool hit, const struct buf *parts)
{
    struct buf b = {0};
    char name[64];
    if (!l->cap) return;
    snprintf(name, sizeof name, "%s_cache_%s", cache, hit ? "hit" : "miss");
    buf_puts(&b, "{\"key\": \"");
    put_digest(&b, buf_text(parts));
    buf_puts(&b, "\", \"components\": [");
    buf_span(&b, buf_text(parts));
    buf_printf(&b, "], \"cache_state\": \"%s\"}", hit ? "hit" : "miss");
    log_artifact(l, name, "json", &b);
}

/* ---- beginning ---- */

/* Paths of frames are numbers, each told before its first use: here there is only the program. */
static void put_program(struct compile_log *l)
{
    struct buf b = {0};
    buf_puts(&b, "{\"str\": [");
    buf_json(&b, span_of(program_invocation_short_name));
    buf_puts(&b, ", 0]}");
    enum err err = buf_ok(&b);
    if (!err) err = cap_structured(l->cap, buf_text(&b), SPAN_NONE, "compile/log.c", __LINE__);
    l->notes.n_lost += err != ERR_OK;
    buf_release(&b);
}

/* Where the function is from is not known of a C program: the frame has its name alone. */
void compile_log_start(struct compile_log *l)
{
    struct buf b = {0};
    l->start_ns = clock_real();
    l->notes.all_cached = true;
    if (!l->cap) return;
    put_event(l, "dynamo", 'B', l->start_ns);
    put_event(l, "entire_frame_compile", 'B', l->start_ns);
    put_program(l);
    buf_puts(&b, "{\"stack\": [{\"line\": 0, \"name\": ");
    buf_json(&b, span_of(l->c->name));
    buf_puts(&b, ", \"filename\": 0}]}");
    LOG(l, "dynamo_start", buf_text(&b), SPAN_NONE);
    buf_release(&b);
}

void compile_log_recompile(struct compile_log *l, int previous, const char *reason)
{
    struct buf b = {0};
    if (!l->cap) return;
    snprintf(l->notes.recompile, sizeof l->notes.recompile, "%d/%d: %s", l->c->frame, previous,
             reason);
    buf_puts(&b, "[\n");
    buf_json(&b, span_of(l->notes.recompile));
    buf_puts(&b, "\n]");
    log_artifact(l, "recompile_reasons", "json", &b);
}

void compile_log_break(struct compile_log *l, const char *reason)
{
    struct buf b = {0};
    if (!l->cap) return;
    buf_printf(&b, "Graph break in user code at %s:0\nReason: %s\n", l->c->name, reason);
    log_artifact(l, "dynamo_graph_break_reason", "string", &b);
}

void compile_log_failure(struct compile_log *l, const char *type, const char *reason)
{
    snprintf(l->notes.fail_type, sizeof l->notes.fail_type, "%s", type);
    snprintf(l->notes.fail_reason, sizeof l->notes.fail_reason, "%s", reason);
}

/* ---- symbols ---- */

static void put_source_text(struct buf *b, const struct symbol_source *from)
{
    struct buf text = {0};
    symbol_source_text(from, &text);
    buf_json(b, buf_text(&text));
    b->failed |= text.failed;
    buf_release(&text);
}

/* Where in a program a size is from is not known of one in C: stacks are empty. */
static void put_symbol(struct compile_log *l, const struct symbol *s, size_t number)
{
    struct buf b = {0};
    buf_printf(&b,
               "{\"symbol\": \"s%zu\", \"val\": \"%lld\", \"vr\": \"[2, int_oo]\", \"source\": ",
               number, (long long)s->hint);
    put_source_text(&b, &s->from);
    buf_puts(&b, ", \"user_stack\": [], \"stack\": []}");
    if (buf_ok(&b)) l->notes.n_lost++;
    else LOG(l, "create_symbol", buf_text(&b), SPAN_NONE);
    buf_release(&b);
}

static void put_fixed(struct compile_log *l, const struct symbol_fixed *f)
{
    struct buf b = {0};
    buf_puts(&b, "{\"symbol\": null, \"sources\": [");
    put_source_text(&b, &f->from);
    buf_printf(&b,
               "], \"value\": \"%lld\", \"reason\": \"sizes of 0 and 1 are numbers of the "
               "compile: they broadcast, or there is nothing to compute\", \"user_stack\": [], "
               "\"stack\": []}",
               (long long)f->value);
    if (buf_ok(&b)) l->notes.n_lost++;
    else LOG(l, "symbolic_shape_specialization", buf_text(&b), SPAN_NONE);
    buf_release(&b);
}

void compile_log_symbols(struct compile_log *l)
{
    if (!l->cap || !l->e->dynamic) return;
    const struct symbols *s = &l->e->dynamic->symbols;
    for (size_t i = 0; i < s->symbol.n; i++) put_symbol(l, &s->symbol.p[i], i);
    for (size_t i = 0; i < s->fixed.n; i++) put_fixed(l, &s->fixed.p[i]);
}

static void put_values(struct buf *b, const char *key, const struct compiled_entry *e,
                       const int64_t *value)
{
    struct buf text = {0};
    symbols_values_text(&e->first->dynamic->symbols, value, &text);
    log_text(b, key, buf_text(&text).p);
    b->failed |= text.failed;
    buf_release(&text);
}

void compile_log_instance(const struct compiled_entry *e, const struct compile_log_instance *i)
{
    struct compile_log l = {.cap = thread_self.session->cap, .c = e->of, .e = e};
    struct buf b = {0};
    int64_t now = clock_real();
    if (!l.cap) return;
    log_phase(&l, "instance", now, now - i->start_ns);
    buf_puts(&b, "{\"instances\": [{");
    log_int(&b, "number", i->number);
    put_values(&b, "sizes", e, i->value);
    log_int(&b, "launches", i->launches);
    log_int(&b, "texts", i->texts);
    log_int(&b, "shared", i->known);
    log_int(&b, "ns", now - i->start_ns);
    if (i->dropped) put_values(&b, "dropped", e, i->dropped);
    buf_puts(&b, "}]}");
    log_artifact(&l, "plumb_instances", "json", &b);
    say_lost(&l);
}

/* ---- guards ---- */

static const struct guard_set *guards_of(const struct compiled_entry *e)
{
    return e->dynamic ? &e->dynamic->guards : &e->guards;
}

static int count_symbolic(const struct guard_set *s)
{
    int n = 0;
    for (size_t i = 0; i < s->guard.n; i++) n += guard_is_symbolic(&s->guard.p[i]);
    return n;
}

static const char *kind_of(const struct guard *g)
{
    if (guard_is_symbolic(g)) return "LAMBDA_GUARD";
    switch (g->kind) {
    case GUARD_COUNT: return "LENGTH_CHECK";
    case GUARD_ALIAS: return "NO_TENSOR_ALIASING";
    case GUARD_SAME: return "DUPLICATE_INPUT";
    case GUARD_ITSELF: return "ID_MATCH";
    case GUARD_GRAD: return "GRADIENT_MATCH";
    case GUARD_GRAD_MODE: return "GRAD_MODE";
    case GUARD_DETERMINISM: return "DETERMINISTIC_ALGORITHMS";
    case GUARD_BACKEND: return "DEFAULT_DEVICE";
    default: return "TENSOR_MATCH";
    }
}

/* As guard_text names the place. */
static void put_source(struct buf *b, const struct guard *g)
{
    if (!g->captured) buf_printf(b, "L['in'][%d]", g->place);
    else buf_printf(b, "captured[%d]%s", g->place, g->grad ? ".grad" : "");
}

/* A relation of symbols is one of the whole. */
static bool is_inner(const struct guard *g)
{
    return g->place >= 0 && !guard_is_symbolic(g);
}

/* The tree that Dynamo prints: what is of the whole, then a manager for each input. */
static void put_guards(struct buf *b, const struct guard_set *s)
{
    const struct guard *last = NULL;
    buf_puts(b, "\nTREE_GUARD_MANAGER:\n+- RootGuardManager\n");
    for (int inner = 0; inner < 2; inner++)
        for (size_t i = 0; i < s->guard.n; i++) {
            const struct guard *g = &s->guard.p[i];
            if (is_inner(g) != inner) continue;
            bool same = last && g->place == last->place && g->captured == last->captured;
            if (inner && !same) {
                buf_puts(b, "| +- GuardManager: source=");
                put_source(b, g);
                buf_putc(b, '\n');
            }
            if (inner) last = g;
            buf_printf(b, "%s%s: ", inner ? "| | +- " : "| +- ", kind_of(g));
            guard_text(s, g, b);
            if (g->kind == GUARD_SYMBOL) buf_printf(b, "  # s%lld", (long long)g->value);
            buf_putc(b, '\n');
        }
}

void compile_log_guards(struct compile_log *l)
{
    struct buf b = {0}, parts = {0};
    if (!l->cap) return;
    put_guards(&b, guards_of(l->e));
    log_key_part(l, &parts, "programs", buf_text(&l->notes.keys));
    log_key_part(l, &parts, "guards", buf_text(&b));
    log_cache(l, "aotautograd", l->notes.all_cached, &parts);
    if (buf_ok(&b)) l->notes.n_lost++;
    else LOG(l, "dynamo_cpp_guards_str", SPAN("{}"), buf_text(&b));
    buf_release(&b);
    buf_release(&parts);
}

/* ---- the end ---- */

static void put_seconds(struct buf *b, const char *key, int64_t ns)
{
    put_separator(b);
    buf_printf(b, "\"%s\": %lld.%09lld", key, (long long)(ns / 1000000000),
               (long long)(ns % 1000000000));
}

static void put_failure(struct buf *b, const struct compile_log *l)
{
    bool failed = *l->notes.fail_type;
    log_text(b, "fail_type", failed ? l->notes.fail_type : NULL);
    log_text(b, "fail_reason", failed ? l->notes.fail_reason : NULL);
    log_text(b, "fail_user_frame_filename", NULL);
    log_text(b, "fail_user_frame_lineno", NULL);
    buf_puts(b, ", \"non_compliant_ops\": [], \"compliant_custom_ops\": []");
    buf_puts(b, ", \"restart_reasons\": []");
    log_text(b, "recompile_reason", *l->notes.recompile ? l->notes.recompile : NULL);
}

static const char *determinism_of(const struct plumb *s)
{
    return s->determinism == PLUMB_EXACT ? "exact" : s->determinism == PLUMB_OFF ? "off" : "run";
}

static void put_config(struct buf *b, const struct compile_log *l)
{
    const struct plumb *s = thread_self.session;
    struct buf config = {0};
    buf_puts(&config, "{");
    log_text(&config, "determinism", determinism_of(s));
    log_text(&config, "backend", s->backend->name);
    buf_printf(&config, ", \"fusion\": %s, \"combos\": %s}",
               l->c->options.no_fusion ? "false" : "true",
               l->c->options.no_combos ? "false" : "true");
    log_text(b, "inductor_config", config.p);
    b->failed |= config.failed;
    buf_release(&config);
}

static void put_metrics(struct buf *b, const struct compile_log *l, int64_t end_ns)
{
    const struct compile_log_notes *n = &l->notes;
    int64_t total = end_ns - l->start_ns;
    buf_printf(b, "{\"compile_id\": \"%d/%d\"", l->c->frame, l->e->number);
    log_text(b, "co_name", l->c->name);
    log_text(b, "co_filename", program_invocation_short_name);
    log_int(b, "co_firstlineno", 0);
    log_int(b, "cache_size", l->e->number);
    log_int(b, "accumulated_cache_size", l->e->number);
    log_int(b, "guard_count", (int64_t)guards_of(l->e)->guard.n);
    log_int(b, "shape_env_guard_count", count_symbolic(guards_of(l->e)));
    log_int(b, "graph_op_count", n->n_ops);
    log_int(b, "graph_node_count", n->n_nodes);
    log_int(b, "graph_input_count", n->n_inputs);
    put_seconds(b, "start_time", l->start_ns);
    put_seconds(b, "entire_frame_compile_time_s", total);
    put_seconds(b, "backend_compile_time_s", n->trace_end_ns ? end_ns - n->trace_end_ns : 0);
    put_seconds(b, "inductor_compile_time_s", n->backend_ns);
    put_seconds(b, "code_gen_time_s", n->codegen_ns);
    put_failure(b, l);
    put_seconds(b, "dynamo_time_before_restart_s", 0);
    buf_printf(b, ", \"has_guarded_code\": %s", *l->e->broken ? "false" : "true");
    log_int(b, "duration_us", total / 1000);
    log_int(b, "start_time_us", l->start_ns / 1000);
    log_int(b, "end_time_us", end_ns / 1000);
    buf_puts(b, ", \"is_forward\": true, \"is_runtime\": false");
    log_int(b, "ir_count", n->n_items);
    log_int(b, "num_graph_breaks", *l->e->broken && !*n->fail_type);
    put_config(b, l);
    buf_putc(b, '}');
}

void compile_log_end(struct compile_log *l)
{
    struct buf b = {0};
    int64_t now = clock_real();
    log_passes(l);
    put_event(l, "entire_frame_compile", 'E', now);
    put_metrics(&b, l, now);
    if (buf_ok(&b)) l->notes.n_lost++;
    else LOG(l, "compilation_metrics", buf_text(&b), SPAN_NONE);
    put_event(l, "dynamo", 'E', now);
    say_lost(l);
    buf_release(&b);
    buf_release(&l->notes.passes);
    buf_release(&l->notes.keys);
    free(l->notes.node);
    l->notes = (struct compile_log_notes){0};
}
