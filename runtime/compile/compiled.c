/* compiled.c - compiled functions: making them, finding the entry of a call, running as it is. */
#include "runtime/compile/compiled.h"

#include <stdio.h>
#include <string.h>

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

void compiled_free_all(struct plumb *s)
{
    while (s->compiled) {
        struct plumb_compiled *c = s->compiled;
        s->compiled = c->next;
        for (int i = 0; i < c->n_entries; i++) compiled_entry_free(c->entry[i]);
        LIST_RELEASE(&c->mark);
        pthread_mutex_destroy(&c->lock);
        free((char *)c->name);
        free(c);
    }
}

static enum err mark_dynamic(struct plumb_compiled *c, int input, int dim)
{
    TRY(thread_check("plumb_mark_dynamic"));
    if (input < 0 || input >= GUARD_INPUTS || dim < -VIEW_DIMS || dim >= VIEW_DIMS)
        FAIL(ERR_USAGE,
             "plumb_mark_dynamic: there is no dimension %d of input %d; up to %d inputs of %d "
             "dimensions are accepted",
             dim, input, GUARD_INPUTS, VIEW_DIMS);
    pthread_mutex_lock(&c->lock);
    struct symbol_mark *to = LIST_PUSH(&c->mark);
    if (to) *to = (struct symbol_mark){input, dim};
    pthread_mutex_unlock(&c->lock);
    return to ? ERR_OK : no_memory();
}

int plumb_mark_dynamic(struct plumb_compiled *c, int input, int dim)
{
    return c && api_ok(mark_dynamic(c, input, dim)) ? 0 : -1;
}

/* ---- what is told once ---- */

enum { SAID_FULL, SAID_WATCHED, SAID_INPUTS, SAID_KEEP };

static enum err say_once(struct plumb_compiled *c, int what, const char *text)
{
    struct cap *cap = thread_self.session->cap;
    if (atomic_exchange(&c->said[what], true) || !cap) return ERR_OK;
    return cap_note(cap, what == SAID_WATCHED || what == SAID_KEEP ? 1 : 2, "compile",
                    span_of(text));
}

static enum err say_full(struct plumb_compiled *c, const char *reason)
{
    char text[1024];
    snprintf(text, sizeof text,
             "%s was compiled %d times and is run as it is for what none of them fits; the last "
             "reason: %s",
             c->name, COMPILED_ENTRIES, reason);
    return say_once(c, SAID_FULL, text);
}

/* Hooks and faults look at each operator, of the function as it is. */
static enum err say_watched(struct plumb_compiled *c)
{
    char text[512];
    snprintf(text, sizeof text, "%s is run as it is: %s", c->name,
             thread_self.n_hooks ? "hooks look at each operator" : "faults are to be put in");
    return say_once(c, SAID_WATCHED, text);
}

/* Operators that are fused have no results of their own to keep. */
static enum err say_keep(struct plumb_compiled *c)
{
    char text[512];
    if (!thread_self.session->keep.n) return ERR_OK;
    snprintf(
        text, sizeof text,
        "values are kept of operators that are called: of those in %s, which is compiled, only "
        "what libraries compute",
        c->name);
    return say_once(c, SAID_KEEP, text);
}

static enum err say_inputs(struct plumb_compiled *c, int n_in)
{
    char text[512];
    snprintf(text, sizeof text, "%s is run as it is: it takes %d inputs; up to %d are compiled",
             c->name, n_in, GUARD_INPUTS);
    return say_once(c, SAID_INPUTS, text);
}

/* ---- finding the entry of a call ---- */

/* Guards of the entry for any sizes, where it has symbols. */
static bool fits(const struct compiled_entry *e, struct plumb_tensor *const *in, int n_in,
                 int n_out, char *reason, size_t size)
{
    const struct guard_set *guards = e->dynamic ? &e->dynamic->guards : &e->guards;
    if (e->n_results == n_out) return !guard_check(guards, in, n_in, reason, size);
    if (reason)
        snprintf(reason, size, "number of results mismatch. expected %d, actual %d", e->n_results,
                 n_out);
    return false;
}

/* What runs the call: the entry, or an instance of it. */
static struct compiled_entry *find_in(struct compiled_entry *e, struct plumb_tensor *const *in,
                                      int n_in, int n_out)
{
    if (e->dynamic && e->n_results == n_out) return compiled_find_instance(e, in, n_in);
    return fits(e, in, n_in, n_out, NULL, 0) ? e : NULL;
}

/* The one hit last, then the newest first. */
static struct compiled_entry *look_up(struct plumb_compiled *c, struct plumb_tensor *const *in,
                                      int n_in, int n_out)
{
    int n = atomic_load_explicit(&c->n_entries, memory_order_acquire);
    int last = atomic_load_explicit(&c->last, memory_order_relaxed), hit = last;
    struct compiled_entry *e = last < n ? find_in(c->entry[last], in, n_in, n_out) : NULL;
    for (int i = n - 1; i >= 0 && !e; i--)
        if ((e = find_in(c->entry[i], in, n_in, n_out))) hit = i;
    if (!e) return NULL;
    if (hit != last) atomic_store_explicit(&c->last, hit, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->entry[hit]->hits, 1, memory_order_relaxed);
    return e;
}

/* An instance of the newest entry that this call is one of. reason: why the newest of all would
 * not do. */
static enum err add_instance(struct plumb_compiled *c, struct plumb_tensor *const *in, int n_in,
                             int n_out, char *reason, size_t size, struct compiled_entry **out)
{
    *reason = '\0';
    for (int i = c->n_entries - 1; i >= 0; i--) {
        struct compiled_entry *e = c->entry[i];
        char why[256], *to = i == c->n_entries - 1 ? reason : why;
        if (!fits(e, in, n_in, n_out, to, size) || !e->dynamic) continue;
        TRY(compiled_add_instance(e, in, n_in, to, size, out));
        if (*out) return ERR_OK;
    }
    return ERR_OK;
}

/* Under the lock: another thread may have made the entry meanwhile. NULL: there are too many. */
static enum err look_up_or_make(struct plumb_compiled *c, struct plumb_tensor *const *in, int n_in,
                                int n_out, struct compiled_entry **out)
{
    char reason[256];
    if ((*out = look_up(c, in, n_in, n_out))) return ERR_OK;
    TRY(add_instance(c, in, n_in, n_out, reason, sizeof reason, out));
    if (*out) return ERR_OK;
    if (c->n_entries == COMPILED_ENTRIES) return say_full(c, reason);
    TRY(say_keep(c));
    TRY(compiled_make(c, in, n_in, n_out, reason, out));
    atomic_fetch_add(&(*out)->refs, 1);
    c->entry[c->n_entries] = *out;
    atomic_fetch_add_explicit(&c->n_entries, 1, memory_order_release);
    return ERR_OK;
}

static enum err find_entry(struct plumb_compiled *c, struct plumb_tensor *const *in, int n_in,
                           int n_out, struct compiled_entry **out)
{
    *out = NULL;
    if (thread_self.n_hooks || thread_self.inject) return say_watched(c);
    if (n_in > GUARD_INPUTS) return say_inputs(c, n_in);
    if ((*out = look_up(c, in, n_in, n_out))) return ERR_OK;
    pthread_mutex_lock(&c->lock);
    enum err err = look_up_or_make(c, in, n_in, n_out, out);
    pthread_mutex_unlock(&c->lock);
    return err;
}

/* ---- calls ---- */

static enum err check_call(const struct plumb_compiled *c, struct plumb_tensor *const *in, int n_in,
                           int n_out)
{
    TRY(thread_check("plumb_compiled_call"));
    if (n_in < 0 || n_out < 0)
        FAIL(ERR_USAGE, "%s: %d inputs and %d results; none or more are accepted", c->name, n_in,
             n_out);
    for (int i = 0; i < n_in; i++)
        if (!in[i]) FAIL(ERR_USAGE, "%s: input %d is no tensor", c->name, i);
    return ERR_OK;
}

/* eager: the function is to be run as it is. One that is traced already is part of that trace. */
static enum err call_compiled(struct plumb_compiled *c, struct plumb_tensor *const *in, int n_in,
                              struct plumb_tensor **out, int n_out, bool *eager)
{
    struct compiled_entry *e = NULL;
    *eager = false;
    TRY(check_call(c, in, n_in, n_out));
    if (!thread_self.trace) TRY(find_entry(c, in, n_in, n_out, &e));
    *eager = !e || *e->broken;
    enum err err = *eager ? ERR_OK : compiled_run(e, in, out);
    if (e) compiled_give_back(e);
    return err;
}

int plumb_compiled_call(struct plumb_compiled *c, struct plumb_tensor *const *in, int n_in,
                        struct plumb_tensor **out, int n_out)
{
    bool eager;
    if (!c || !api_ok(call_compiled(c, in, n_in, out, n_out, &eager))) return -1;
    return eager ? c->fn(c->context, in, n_in, out, n_out) : 0;
}
