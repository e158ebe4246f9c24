/* session.c - opening and closing sessions; threads and frames. */
#include "runtime/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/build.h"
#include "runtime/compile/compiled.h"
#include "runtime/host_memory.h"
#include "runtime/ops.h"
#include "runtime/pool.h"

_Thread_local struct thread thread_self;

enum { GENERATOR_SHIFT = 40 };

enum err thread_check(const char *what)
{
    if (!thread_self.session)
        FAIL(ERR_USAGE, "%s: this thread has no session; plumb_open or plumb_enter comes first",
             what);
    return ERR_OK;
}

/* A word's number, asked of the recorder once per thread. Names come from few places: their
 * address is no key, as a
 * caller may reuse a buffer. */
uint32_t thread_word(struct thread *t, const char *text)
{
    struct span s = span_of(text);
    struct map_key key = map_key(s);
    int64_t *at = map_get(&t->words, key);
    if (at) return (uint32_t)*at;
    uint32_t word = cap_word(t->session->cap, s);
    map_put(&t->words, key, word, NULL);
    return word;
}

/* ---- frames ---- */

/* A thread keeps the last frame that ended: frames come and go with each call. */
static enum err frame_begin(void)
{
    struct frame *f = thread_self.spare;
    thread_self.spare = NULL;
    if (!f) f = calloc(1, sizeof *f);
    if (!f) FAIL(ERR_NOMEM, "out of memory for a frame");
    f->outer = thread_self.frame;
    thread_self.frame = f;
    return ERR_OK;
}

static void frame_free(struct frame *f)
{
    if (f) arena_release(&f->arena);
    free(f);
}

static void frame_end(void)
{
    struct frame *f = thread_self.frame;
    if (!f) return;
    while (f->tensors) {
        struct plumb_tensor *t = f->tensors;
        f->tensors = t->next;
        tensor_end(t);
    }
    compiled_let_go(f);
    thread_self.frame = f->outer;
    if (thread_self.spare) {
        frame_free(f);
        return;
    }
    arena_clear(&f->arena);
    *f = (struct frame){.arena = f->arena};
    thread_self.spare = f;
}

int plumb_frame_begin(void)
{
    enum err err = thread_check("plumb_frame_begin");
    if (!err) err = frame_begin();
    return api_ok(err) ? 0 : -1;
}

/* The outermost frame ends with the session. */
void plumb_frame_end(void)
{
    if (thread_self.frame && thread_self.frame->outer) frame_end();
}

/* ---- threads ---- */

static enum err enter(struct plumb *s)
{
    static atomic_uint_fast64_t newest;
    struct thread *t = &thread_self;
    char name[32] = "main";
    if (t->session)
        FAIL(ERR_EXISTS, "this thread is in a session already; plumb_leave comes first");
    if (!s) FAIL(ERR_USAGE, "there is no session to enter");
    *t = (struct thread){.session = s};
    pthread_mutex_lock(&s->lock);
    int number = s->n_threads++;
    pthread_mutex_unlock(&s->lock);
    t->number = number;
    t->serial = atomic_fetch_add_explicit(&newest, 1, memory_order_relaxed) + 1;
    t->inject = number ? NULL : s->inject;
    t->generator = (uint64_t)number << GENERATOR_SHIFT;
    if (number) snprintf(name, sizeof name, "thread %d", number);
    if (s->cap) t->ring = cap_thread(s->cap, name);
    t->counts = calloc(OP_N_IDS, sizeof *t->counts);
    enum err err = t->counts ? frame_begin() : err_set(ERR_NOMEM, "out of memory for a thread");
    if (err) plumb_leave();
    return err;
}

int plumb_enter(struct plumb *session)
{
    return api_ok(enter(session)) ? 0 : -1;
}

void plumb_leave(void)
{
    struct thread *t = &thread_self;
    while (t->frame) frame_end();
    frame_free(t->spare);
    tensor_spares_free();
    if (t->ring) cap_thread_end(t->ring);
    op_nest_thread_end();
    nest_thread_end();
    map_release(&t->words);
    map_release(&t->digested);
    free(t->counts);
    *t = (struct thread){0};
}

/* ---- sessions ---- */

/* The process's own command line, shell-quoted where needed. */
static void own_command(struct buf *out)
{
    FILE *f = fopen("/proc/self/cmdline", "re");
    int c, at_word = 1;
    while (f && (c = getc(f)) != EOF && out->n < 65536) {
        if (!c) {
            at_word = 1;
            continue;
        }
        if (at_word && out->n) buf_putc(out, ' ');
        at_word = 0;
        if (strchr(" '\"\\$`!*?[](){}<>|&;~#\n", c)) buf_putc(out, '\\');
        buf_putc(out, (char)c);
    }
    if (f) fclose(f);
}

static enum err open_trace(struct plumb *s, const struct plumb_options *o)
{
    static const char *const names[] = {"run", "exact", "off"};
    struct buf own = {0};
    if (!o->command) own_command(&own);
    struct cap_options to = {.path = o->trace,
                             .overwrite = o->overwrite,
                             .command = o->command ? o->command : buf_text(&own).p,
                             .seed = (int64_t)o->seed,
                             .determinism = names[s->determinism],
                             .device = s->backend->device,
                             .wait = !o->drop,
                             .ids = o->ids,
                             .input_hashes = o->hash_inputs};
    enum err err = buf_ok(&own);
    if (!err) err = cap_open(&to, &s->cap);
    buf_release(&own);
    return err;
}

/* "aten::mm:3", "mm:*" */
static enum err take_keep(struct plumb *s, const char *text)
{
    const char *colon = strrchr(text, ':');
    struct keep_rule r = {.number = -1};
    int64_t n = -1;
    bool all = colon && !strcmp(colon + 1, "*");
    if (!colon || colon == text || (!all && !span_to_i64(span_of(colon + 1), &n)) ||
        (!all && n < 0))
        FAIL(ERR_USAGE, "keep \"%s\": OP:N (the call number N from 0) or OP:* is accepted", text);
    snprintf(r.op, sizeof r.op, "%.*s", (int)(colon - text), text);
    r.number = n;
    const struct op *op = op_find(r.op);
    if (!op) FAIL(ERR_NOT_FOUND, "keep \"%s\": there is no operator %s", text, r.op);
    snprintf(r.op, sizeof r.op, "%s", op->s.name);
    struct keep_rule *to = LIST_PUSH(&s->keep);
    if (!to) FAIL(ERR_NOMEM, "out of memory for a session");
    *to = r;
    return ERR_OK;
}

/* What reads or writes values where they lie is not for memory of a device. */
static enum err check_memory(const struct plumb *s, const struct plumb_options *o)
{
    bool torch = s->hashes & ~(unsigned)PLUMB_HASH_BITS;
    bool keeps = o->keep && o->keep[0], injects = o->inject && o->inject[0];
    if (!s->backend->run_opaque || (!torch && !keeps && !injects)) return ERR_OK;
    FAIL(ERR_UNSUPPORTED,
         "back end %s: values cannot be kept, faults cannot be injected, and of the digests there "
         "are bits alone; back end cpu has all of it",
         s->backend->name);
}

static enum err set_up(struct plumb *s, const struct plumb_options *o)
{
    const struct op *table;
    int n;
    if (thread_self.session) /* before a file is touched: it may be that session's */
        FAIL(ERR_EXISTS, "this thread is in a session already; plumb_close comes first");
    if ((unsigned)o->determinism > PLUMB_OFF)
        FAIL(ERR_USAGE, "%d is no level of determinism; enum plumb_determinism lists them",
             (int)o->determinism);
    TRY(op_table(&table, &n));
    TRY(backend_find(o->backend ? o->backend : "cpu", &s->backend));
    TRY(s->backend->start());
    s->determinism = o->determinism;
    s->hashes = o->hashes ? o->hashes & ~(unsigned)PLUMB_HASH_NONE : PLUMB_HASH_BITS;
    TRY(check_memory(s, o));
    s->hash_inputs = o->hash_inputs;
    s->stacks = o->stacks;
    s->ids = o->ids;
    s->modules = !o->no_modules;
    s->seed = o->seed;
    s->threads = o->threads > 0 ? o->threads : pool_processors();
    for (const char *const *k = o->keep; k && *k; k++) TRY(take_keep(s, *k));
    TRY(inject_new(o->inject, s->backend->computes, &s->inject));
    if (o->trace) TRY(open_trace(s, o));
    return enter(s);
}

/* What went wrong with compiler or cache is told once, in the trace. */
static enum err note_build(struct plumb *s)
{
    const char *text = build_note();
    return *text ? cap_note(s->cap, 2, "kernels", span_of(text)) : ERR_OK;
}

/* A run that ended without the faults that it was to have has failed, and its trace says so. */
static enum err check_faults(struct plumb *s, int *exit_code)
{
    if (!s->inject || *exit_code || !inject_check(s->inject)) return ERR_OK;
    char text[ERR_TEXT];
    *exit_code = 2;
    snprintf(text, sizeof text, "%s", err_text());
    if (s->cap) TRY(cap_note(s->cap, 3, "inject", span_of(text)));
    FAIL(ERR_NOT_FOUND, "%s", text);
}

static enum err session_free(struct plumb *s, int exit_code)
{
    enum err err = check_faults(s, &exit_code), noted = s->cap ? note_build(s) : ERR_OK;
    if (!err) err = noted;
    if (s->cap) {
        enum err closed = cap_close(s->cap, exit_code);
        if (!err) err = closed;
    }
    compiled_free_all(s);
    while (s->kept) {
        struct plumb_tensor *t = s->kept;
        s->kept = t->next;
        tensor_end(t);
    }
    LIST_RELEASE(&s->keep);
    inject_free(s->inject);
    pthread_mutex_destroy(&s->lock);
    free(s);
    host_trim();
    return err;
}

struct plumb *plumb_open(const struct plumb_options *options)
{
    static const struct plumb_options none;
    struct plumb *s = calloc(1, sizeof *s);
    if (!s) {
        api_ok(err_set(ERR_NOMEM, "out of memory for a session"));
        return NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    if (api_ok(set_up(s, options ? options : &none))) return s;
    char text[1024];
    snprintf(text, sizeof text, "%s", err_text());
    if (session_free(s, 1)) err_clear();
    api_ok(err_set(ERR_USAGE, "%s", text));
    return NULL;
}

void plumb_set_exit(int code)
{
    if (thread_self.session) thread_self.session->exit_code = code;
}

int plumb_close(void)
{
    struct plumb *s = thread_self.session;
    if (!s) return 0;
    int exit_code = s->exit_code;
    plumb_leave();
    return api_ok(session_free(s, exit_code)) ? 0 : -1;
}
