/* compiled_dynamic.c - one compile at many sizes: instances of an entry, found, made, forgotten.
 *
 * An instance is an entry of its own in all but name: its guards are exact, and nothing of it is
 * computed from symbols, so it is right whatever the function does with sizes. What makes it an
 * instance is that the trace already tells what it does. That is checked call by call and launch by
 * launch, since the same names are used for both.
 *
 * Instances are counted: the table has one reference, each call that runs one, and each frame on
 * whose tape such a call is.
 */
#include <stdio.h>
#include <string.h>

#include "runtime/compile/compiled.h"
#include "runtime/compile/log.h"
#include "store/base/clock.h"

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for an instance of a compile");
}

/* ---- symbols ---- */

static enum err take_marks(const struct plumb_compiled *c, struct symbols *s)
{
    s->all = c->options.dynamic;
    for (size_t i = 0; i < c->mark.n && !s->all; i++) {
        struct symbol_mark *to = LIST_PUSH(&s->mark);
        if (!to) return no_memory();
        *to = c->mark.p[i];
    }
    return ERR_OK;
}

static enum err make_first(struct compiled_entry *e, struct plumb_tensor *const *in, int n_in)
{
    struct compiled_dynamic *d = e->dynamic;
    TRY(take_marks(e->of, &d->symbols));
    TRY(symbols_make(&d->symbols, in, n_in));
    e->value = arena_array(&e->arena, d->symbols.symbol.n + 1, sizeof *e->value);
    if (!e->value) return no_memory();
    symbols_read(&d->symbols, in, e->value);
    d->instance[d->n++] = e;
    atomic_store(&e->refs, 1);
    return ERR_OK;
}

enum err compiled_take_symbols(struct compiled_entry *e, struct plumb_tensor *const *in, int n_in)
{
    if (!e->of->options.dynamic && !e->of->mark.n) return ERR_OK;
    e->dynamic = calloc(1, sizeof *e->dynamic);
    if (!e->dynamic) return no_memory();
    pthread_mutex_init(&e->dynamic->lock, NULL);
    return make_first(e, in, n_in);
}

void compiled_dynamic_free(struct compiled_dynamic *d)
{
    for (int i = 1; i < d->n; i++) compiled_entry_free(d->instance[i]);
    guard_release(&d->guards);
    symbols_release(&d->symbols);
    map_release(&d->functions);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

void compiled_share(const struct compiled_entry *e, struct program_options *o)
{
    struct compiled_dynamic *d = e->first->dynamic;
    if (!d) return;
    o->functions = &d->functions;
    o->symbols = &d->symbols;
    o->again = e->first != e;
}

/* ---- counting ---- */

void compiled_give_back(struct compiled_entry *e)
{
    if (!e->first->dynamic) return;
    if (atomic_fetch_sub(&e->refs, 1) == 1) compiled_entry_free(e);
}

enum err compiled_hold(struct frame *f, struct compiled_entry *e)
{
    if (!e->first->dynamic) return ERR_OK;
    struct compiled_hold *h = arena_alloc(&f->arena, sizeof *h);
    if (!h) return no_memory();
    *h = (struct compiled_hold){f->held, e};
    atomic_fetch_add(&e->refs, 1);
    f->held = h;
    return ERR_OK;
}

void compiled_let_go(struct frame *f)
{
    for (; f->held; f->held = f->held->next) compiled_give_back(f->held->entry);
}

/* ---- finding ---- */

static bool has_sizes(const struct compiled_entry *e, struct plumb_tensor *const *in)
{
    const struct symbols *s = &e->first->dynamic->symbols;
    for (size_t i = 0; i < s->symbol.n; i++)
        if (symbol_at(&s->symbol.p[i].from, in) != e->value[i]) return false;
    return true;
}

struct compiled_entry *compiled_find_instance(struct compiled_entry *first,
                                              struct plumb_tensor *const *in, int n_in)
{
    struct compiled_dynamic *d = first->dynamic;
    struct compiled_entry *e = NULL;
    if (!symbols_fit(&d->symbols, in, n_in)) return NULL;
    pthread_mutex_lock(&d->lock);
    for (int k = 0; k < d->n && !e; k++) {
        int i = (d->last + k) % d->n;
        if (!has_sizes(d->instance[i], in)) continue;
        if (guard_check(&d->instance[i]->guards, in, n_in, NULL, 0)) continue;
        e = d->instance[i];
        d->last = i;
        e->used = ++d->clock;
        atomic_fetch_add(&e->refs, 1);
    }
    pthread_mutex_unlock(&d->lock);
    return e;
}

/* ---- whether it is the same program ---- */

struct comparing {
    const struct compiled_entry *first, *e;
    char *reason;
    size_t size;
};

static bool differ(const struct comparing *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
static bool differ(const struct comparing *c, const char *fmt, ...)
{
    const struct symbols *s = &c->first->dynamic->symbols;
    struct buf b = {0};
    va_list ap;
    symbols_values_text(s, c->e->value, &b);
    va_start(ap, fmt);
    buf_puts(&b, ": ");
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    snprintf(c->reason, c->size, "another program at %.*s", (int)b.n, b.p ? b.p : "");
    buf_release(&b);
    return true;
}

static const char *given_word(const struct compiled_entry *e)
{
    if (*e->broken) return "is run as it is";
    return e->has_backward ? "has a backward" : "has no backward";
}

static bool results_differ(const struct comparing *c)
{
    for (int i = 0; i < c->e->n_results; i++) {
        const struct compiled_result *a = &c->first->result[i], *b = &c->e->result[i];
        if (a->is != b->is || a->of != b->of || a->is_view != b->is_view)
            return differ(c, "result %d is given otherwise", i);
    }
    return false;
}

static bool calls_differ(const struct comparing *c)
{
    const struct graph *a = &c->first->graph, *b = &c->e->graph;
    for (size_t i = 0; i < a->captured.n && i < b->captured.n; i++)
        if (a->captured.p[i].tensor != b->captured.p[i].tensor ||
            a->captured.p[i].grad != b->captured.p[i].grad)
            return differ(c, "it uses another kept tensor as number %zu", i);
    if (a->captured.n != b->captured.n)
        return differ(c, "it uses %zu kept tensors, not %zu", b->captured.n, a->captured.n);
    for (size_t i = 0; i < a->node.n && i < b->node.n; i++)
        if (a->node.p[i].op != b->node.p[i].op)
            return differ(c, "call %zu is %s, not %s", i, b->node.p[i].op->s.name,
                          a->node.p[i].op->s.name);
    if (a->node.n != b->node.n) return differ(c, "%zu calls, not %zu", b->node.n, a->node.n);
    return false;
}

static const char *launch_name(const struct program *p, size_t i)
{
    return i < p->launch.n ? p->launch.p[i].name : "none";
}

static bool same_args(const struct program_launch *x, const struct program_launch *y)
{
    bool same = x->n_args == y->n_args;
    for (int i = 0; same && i < x->n_args; i++)
        same = !strcmp(x->arg[i].keyword, y->arg[i].keyword);
    return same;
}

/* By names, which say kind, operators and number; members of combos too. */
static bool launches_differ(const struct comparing *c, const struct program *a,
                            const struct program *b)
{
    for (size_t i = 0; i < a->launch.n || i < b->launch.n; i++) {
        if (strcmp(launch_name(a, i), launch_name(b, i)))
            return differ(c, "launch %zu is %s, not %s", i, launch_name(b, i), launch_name(a, i));
        const struct program_launch *x = &a->launch.p[i], *y = &b->launch.p[i];
        bool same = x->n_groups == y->n_groups;
        for (int m = 0; same && m < x->n_groups; m++)
            same = x->group[m] == y->group[m] &&
                   !strcmp(a->fused.group.p[x->group[m]].name, b->fused.group.p[y->group[m]].name);
        if (!same) return differ(c, "launch %zu, %s, has other members", i, y->name);
        if (!same_args(x, y)) return differ(c, "launch %zu, %s, has other arguments", i, y->name);
    }
    return false;
}

static bool differs(const struct comparing *c)
{
    const struct compiled_entry *a = c->first, *b = c->e;
    if (!*a->broken != !*b->broken || a->has_backward != b->has_backward)
        return differ(c, "it %s", given_word(b));
    if (*a->broken) return false;
    return results_differ(c) || calls_differ(c) || launches_differ(c, &a->forward, &b->forward) ||
           launches_differ(c, &a->backward, &b->backward);
}

/* ---- making ---- */

/* The one used longest ago, but for the first. */
static int oldest(const struct compiled_dynamic *d)
{
    int at = 1;
    for (int i = 2; i < d->n; i++)
        if (d->instance[i]->used < d->instance[at]->used) at = i;
    return at;
}

/* Takes a reference for the table and one for the caller. Gives what is forgotten, or NULL. */
static struct compiled_entry *insert(struct compiled_dynamic *d, struct compiled_entry *e)
{
    struct compiled_entry *dropped = NULL;
    pthread_mutex_lock(&d->lock);
    int at = d->n < COMPILED_INSTANCES ? d->n++ : oldest(d);
    dropped = d->instance[at];
    d->instance[at] = e;
    d->last = at;
    d->n_made++;
    e->used = ++d->clock;
    atomic_store(&e->refs, 2);
    pthread_mutex_unlock(&d->lock);
    return dropped;
}

static void count_texts(const struct program *p, struct compile_log_instance *i)
{
    int n = 0, known = 0;
    i->launches += (int)p->launch.n;
    if (p->code) code_texts(p->code, &n, &known);
    i->texts += n;
    i->known += known;
}

static void tell(const struct compiled_entry *e, const struct compiled_entry *dropped,
                 int64_t start_ns)
{
    const struct compiled_dynamic *d = e->first->dynamic;
    struct compile_log_instance i = {.number = d->n_made,
                                     .value = e->value,
                                     .dropped = dropped ? dropped->value : NULL,
                                     .start_ns = start_ns};
    count_texts(&e->forward, &i);
    if (e->has_backward) count_texts(&e->backward, &i);
    compile_log_instance(e, &i);
}

enum err compiled_add_instance(struct compiled_entry *first, struct plumb_tensor *const *in,
                               int n_in, char *reason, size_t size, struct compiled_entry **out)
{
    struct compiled_dynamic *d = first->dynamic;
    struct compiled_entry *e;
    int64_t start_ns = clock_real();
    TRY(compiled_make_again(first, in, n_in, &e));
    e->value = arena_array(&e->arena, d->symbols.symbol.n + 1, sizeof *e->value);
    if (!e->value) {
        compiled_entry_free(e);
        return no_memory();
    }
    symbols_read(&d->symbols, in, e->value);
    if (differs(&(struct comparing){first, e, reason, size})) {
        compiled_entry_free(e);
        return ERR_OK;
    }
    struct compiled_entry *dropped = insert(d, e);
    tell(e, dropped, start_ns);
    if (dropped) compiled_give_back(dropped);
    *out = e;
    return ERR_OK;
}
