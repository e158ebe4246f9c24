/* unfold.c - streams with kernels as streams of operators.
 *
 * Calls of one program follow one another with rising places in it; the next one that does not rise
 * begins another run of it. Kernels of a library are calls of operators already: those between two
 * kernels of a run are told by their order.
 */
#include "store/diff/unfold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/buf.h"
#include "store/db.h"
#include "store/diff/judge.h"
#include "store/diff/unfold_plan.h"

enum { OPERATOR = 3, KERNEL = 6 }; /* event.kind */
/* Operators per call of the log, beyond some: a graph that is told to be larger is not unfolded. */
enum { MOST_PER_CALL = 1000, MOST_AT_LEAST = 1000 * 1000 };

/* What is known of a value while a run is unfolded. */
struct content {
    uint32_t tensor, version; /* tensor: DIFF_NONE nothing yet */
};
/* A run of a program: calls [from, to) of the old stream. */
struct unfolding {
    const struct diff_stream *s; /* the old stream */
    struct diff_stream *to;      /* the new one; words and scopes are the old one's */
    struct plans plans;
    int64_t *site;           /* by call of the old stream: string.id, 0 none; owned */
    uint32_t *new_call;      /* by call of the old stream; owned */
    bool *taken;             /* by call of the old stream: a kernel of a library in a run; owned */
    uint32_t *slot;          /* by kernel of all plans: its call in this run; owned */
    struct content *content; /* by node; owned */
    size_t n_content;
    uint32_t next_tensor; /* numbers that no recorded tensor has */
    uint32_t last;        /* the call of the run that stands for what has none */
    uint64_t n_nodes;     /* of all runs so far */
    size_t size_uses;     /* of to->from, to->from_use */
};

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for the operators of kernels");
}

/* ---- which kernels ---- */

static bool calls_kernels(const struct diff_stream *s)
{
    for (uint32_t i = 0; i < s->n_calls; i++)
        if (diff_call_text(s, i)->kind == KERNEL) return true;
    return false;
}

/* Sites of the launches below kernels; *site is owned. */
static enum err read_sites(sqlite3 *db, const struct diff_stream *s, int64_t **site)
{
    sqlite3_stmt *q;
    *site = calloc((size_t)s->n_calls + 1, sizeof **site);
    if (!*site) return no_memory();
    TRY(store_prepare(db,
                      "SELECT e.parent, l.site FROM event e JOIN launch l ON l.id = e.launch "
                      "WHERE e.launch IS NOT NULL AND e.parent IS NOT NULL AND l.site IS NOT NULL",
                      &q));
    int rc;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        uint32_t call = diff_find_call(s, sqlite3_column_int64(q, 0));
        if (call != DIFF_NONE && diff_call_text(s, call)->kind == KERNEL)
            (*site)[call] = sqlite3_column_int64(q, 1);
    }
    enum err err = rc == SQLITE_DONE ? ERR_OK : store_sql_error(db, rc, "reading launches");
    sqlite3_finalize(q);
    return err;
}

enum err diff_can_unfold(sqlite3 *db, const struct diff_stream *s, bool *out)
{
    int64_t n = 0;
    *out = false;
    if (!calls_kernels(s)) return ERR_OK;
    TRY(store_int(db, "SELECT EXISTS (SELECT 1 FROM kernel WHERE site IS NOT NULL)", &n));
    *out = n != 0;
    return ERR_OK;
}

/* ---- the new stream ---- */

static bool room(uint32_t **p, size_t *size, size_t n)
{
    if (n < *size) return true;
    size_t more = n + n / 2 + 64;
    uint32_t *fresh = realloc(*p, more * sizeof **p);
    if (!fresh) return false;
    *p = fresh;
    *size = more;
    return true;
}

static enum err add_call(struct unfolding *u, uint32_t old, uint32_t text)
{
    const struct diff_stream *s = u->s;
    return diff_add_call(u->to, s->event[old], s->position[old], s->scope[old], text);
}

static enum err add_use(struct unfolding *u, uint32_t form, int64_t digest, struct content c,
                        uint32_t from, uint32_t from_use)
{
    size_t size = u->size_uses, n = u->to->n_uses;
    if (!room(&u->to->from, &size, n) || !room(&u->to->from_use, &u->size_uses, n))
        return no_memory();
    u->to->from[n] = from;
    u->to->from_use[n] = from_use;
    return diff_add_use(u->to, form, digest, c.tensor, c.version);
}

static struct content content_of(const struct diff_stream *s, uint32_t use)
{
    return (struct content){s->tensor ? s->tensor[use] : (uint32_t)DIFF_NONE,
                            s->version ? s->version[use] : (uint32_t)DIFF_NONE};
}

/* A call as it was recorded. */
static enum err copy_call(struct unfolding *u, uint32_t i)
{
    const struct diff_stream *s = u->s;
    u->new_call[i] = u->to->n_calls;
    TRY(add_call(u, i, s->text[i]));
    for (uint32_t use = s->first_use[i]; use < s->first_use[i + 1]; use++)
        TRY(add_use(u, s->form[use], s->digest[use], content_of(s, use), s->event[i],
                    use - s->first_use[i]));
    return ERR_OK;
}

/* ---- operators ---- */

/* #3, [3] or "" */
static uint32_t path_word(struct unfolding *u, const char *form, uint32_t number)
{
    char text[32];
    snprintf(text, sizeof text, form, number);
    return diff_word(u->plans.words, span_of(text));
}

/* Tensors of a launch, as it was recorded, under another path: all digests of one argument. *found
 * is the content of the last; its tensor DIFF_NONE: there is none. */
static enum err copy_uses(struct unfolding *u, uint32_t call, uint8_t phase, uint32_t name,
                          uint8_t as, uint32_t path, struct content *found)
{
    const struct diff_stream *s = u->s;
    *found = (struct content){DIFF_NONE, DIFF_NONE};
    for (uint32_t i = s->first_use[call]; i < s->first_use[call + 1]; i++) {
        struct diff_form f = *diff_use_form(s, i);
        if (f.phase != phase || f.path != name) continue;
        f.phase = as;
        f.path = path;
        f.stride = DIFF_NONE; /* compiled code may lay out otherwise */
        uint32_t form = diff_form(s->words, &f);
        if (form == DIFF_NONE) return no_memory();
        *found = content_of(s, i);
        TRY(add_use(u, form, s->digest[i], *found, s->event[call], i - s->first_use[call]));
    }
    return ERR_OK;
}

/* A tensor that was not recorded: it is in a register, or a view. */
static enum err add_unseen(struct unfolding *u, const struct plan_node *n, uint8_t phase,
                           uint32_t path, struct content c)
{
    struct diff_words *w = u->plans.words;
    struct diff_form f = {.path = path,
                          .dtype = n->dtype,
                          .shape = n->shape,
                          .stride = DIFF_NONE,
                          .phase = phase,
                          .hash = DIFF_NO_HASH,
                          .part = -1,
                          .elements = -1};
    uint32_t form = diff_form(w, &f);
    if (form == DIFF_NONE) return no_memory();
    return add_use(u, form, 0, c, DIFF_NONE, DIFF_NONE);
}

static enum err add_inputs(struct unfolding *u, const struct plan *p, const struct plan_node *n)
{
    for (uint32_t i = 0; i < n->n_in; i++) {
        const struct plan_in *in = &p->in.p[n->first_in + i];
        struct content c = {DIFF_NONE, DIFF_NONE};
        uint32_t path = path_word(u, "#%u", i), call = DIFF_NONE;
        if (in->kernel != DIFF_NONE) call = u->slot[in->kernel];
        if (call != DIFF_NONE) {
            const struct plan_kernel *k = &u->plans.kernel.p[in->kernel];
            uint32_t name = u->plans.arg.p[k->first_arg + in->arg].name;
            TRY(copy_uses(u, call, 0, name, 0, path, &c));
        }
        if (c.tensor == DIFF_NONE)
            TRY(add_unseen(u, &p->node.p[in->node], 0, path, u->content[in->node]));
    }
    return ERR_OK;
}

/* What an operator made that its launches recorded. */
static enum err add_output(struct unfolding *u, const struct plan_node *n,
                           const struct plan_out *out)
{
    const struct plan_kernel *k = &u->plans.kernel.p[out->kernel];
    const struct plan_arg *a = &u->plans.arg.p[k->first_arg + out->arg];
    uint32_t call = u->slot[out->kernel];
    struct content c = {DIFF_NONE, DIFF_NONE};
    if (call == DIFF_NONE) return ERR_OK;
    if (a->result >= 0) {
        uint32_t path = path_word(u, n->several ? "[%u]" : "", (uint32_t)a->result);
        TRY(copy_uses(u, call, 2, a->name, 1, path, &c));
    }
    if (a->argument >= 0) {
        uint32_t path = path_word(u, "#%u", (uint32_t)a->argument);
        TRY(copy_uses(u, call, 2, a->name, 2, path, &c));
    }
    if (a->node != DIFF_NONE) u->content[a->node] = c;
    return ERR_OK;
}

static struct content fresh(struct unfolding *u)
{
    return (struct content){u->next_tensor++, 0};
}

static enum err add_outputs(struct unfolding *u, const struct plan *p, uint32_t node)
{
    const struct plan_node *n = &p->node.p[node];
    uint32_t before = u->to->n_uses;
    bool mutates = op_mutates(diff_span(u->plans.words, n->op));
    for (uint32_t i = 0; mutates && i < n->n_in; i++)
        u->content[p->in.p[n->first_in + i].node] = (struct content){DIFF_NONE, DIFF_NONE};
    for (uint32_t i = 0; i < n->n_out; i++) TRY(add_output(u, n, &p->out.p[n->first_out + i]));
    if (u->to->n_uses > before || mutates) return ERR_OK;
    u->content[node] = fresh(u);
    if (n->several) return ERR_OK;
    return add_unseen(u, n, 1, path_word(u, "", 0), u->content[node]);
}

/* The only result of a kernel of a library. */
static void note_result(struct unfolding *u, uint32_t node, uint32_t call)
{
    const struct diff_stream *s = u->s;
    for (uint32_t i = s->first_use[call]; i < s->first_use[call + 1]; i++)
        if (diff_use_form(s, i)->phase == 1 && !diff_span(s->words, diff_use_form(s, i)->path).n)
            u->content[node] = content_of(s, i);
}

static enum err add_operator(struct unfolding *u, const struct plan *p, uint32_t node)
{
    const struct plan_node *n = &p->node.p[node];
    struct diff_words *w = u->plans.words;
    uint32_t call = n->kernel == DIFF_NONE ? DIFF_NONE : u->slot[n->kernel];
    if (n->kernel != DIFF_NONE && call == DIFF_NONE) return ERR_OK; /* the log lacks it */
    if (n->kernel != DIFF_NONE && u->plans.kernel.p[n->kernel].op != DIFF_NONE) {
        TRY(copy_call(u, call));
        u->last = call;
        note_result(u, node, call);
        return ERR_OK;
    }
    uint32_t kernel =
        call == DIFF_NONE ? diff_word(w, SPAN("")) : u->plans.kernel.p[n->kernel].name;
    uint32_t text = diff_text(w, &(struct diff_text){.kind = OPERATOR,
                                                     .name = n->op,
                                                     .args = DIFF_NONE,
                                                     .kwargs = DIFF_NONE,
                                                     .output = DIFF_NONE,
                                                     .part_of = kernel + 1});
    if (text == DIFF_NONE) return no_memory();
    if (call != DIFF_NONE) {
        u->last = call;
        if (u->new_call[call] == DIFF_NONE) u->new_call[call] = u->to->n_calls;
    }
    TRY(add_call(u, u->last, text));
    TRY(add_inputs(u, p, n));
    return add_outputs(u, p, node);
}

/* ---- runs of programs ---- */

static uint32_t kernel_of(const struct unfolding *u, uint32_t call)
{
    const int64_t *k =
        u->site[call] ? map_get(&u->plans.sites, map_key_int(u->site[call], 0)) : NULL;
    return k ? (uint32_t)*k : DIFF_NONE;
}

static bool is_library_call(const struct unfolding *u, uint32_t kernel, uint32_t call)
{
    uint32_t op = u->plans.kernel.p[kernel].op;
    const struct diff_text *t = diff_call_text(u->s, call);
    return op != DIFF_NONE && t->kind == OPERATOR && t->name == op && !u->taken[call];
}

static void take(struct unfolding *u, uint32_t kernel, uint32_t call)
{
    u->slot[kernel] = call;
    u->taken[call] = true;
}

/* Kernels of a library between two of the program's: forward from a call and a kernel on. */
static void take_forward(struct unfolding *u, uint32_t *call, uint32_t end, uint32_t kernel,
                         uint32_t last)
{
    while (kernel < last && *call < end && is_library_call(u, kernel, *call))
        take(u, kernel++, (*call)++);
}

/* A run: its first fused kernel is call i. Takes its calls and returns the one behind the last. */
static uint32_t take_run(struct unfolding *u, const struct plan *p, uint32_t i, uint32_t from)
{
    uint32_t kernel = kernel_of(u, i), last = p->first_kernel + p->n_kernels, at = i;
    for (uint32_t k = p->first_kernel; k < last; k++) u->slot[k] = DIFF_NONE;
    for (uint32_t k = kernel, c = i; k-- > p->first_kernel && c-- > from;) {
        if (!is_library_call(u, k, c)) break;
        take(u, k, c);
    }
    for (;;) {
        take(u, kernel, at++);
        uint32_t before = at;
        take_forward(u, &at, u->s->n_calls, kernel + 1, last);
        if (at == u->s->n_calls) return at;
        uint32_t next = kernel_of(u, at);
        if (next == DIFF_NONE || next <= kernel + (at - before) || next >= last) return at;
        kernel = next;
    }
}

static enum err set_contents(struct unfolding *u, const struct plan *p)
{
    if (p->node.n > u->n_content) {
        free(u->content);
        u->n_content = 0;
        u->content = malloc(p->node.n * sizeof *u->content);
        if (!u->content) return no_memory();
        u->n_content = p->node.n;
    }
    memset(u->content, 0xff, p->node.n * sizeof *u->content);
    return ERR_OK;
}

static enum err unfold_run(struct unfolding *u, const struct plan *p, uint32_t first)
{
    u->n_nodes += p->node.n;
    if (u->n_nodes > MOST_AT_LEAST + (uint64_t)MOST_PER_CALL * u->s->n_calls)
        FAIL(ERR_LIMIT,
             "the programs that %u calls of a log run have more than %llu operators; %d per call "
             "can be compared",
             u->s->n_calls, (unsigned long long)u->n_nodes, MOST_PER_CALL);
    TRY(set_contents(u, p));
    u->last = first;
    for (uint32_t i = 0; i < p->node.n; i++)
        if (p->node.p[i].op != DIFF_NONE) TRY(add_operator(u, p, i));
    return ERR_OK;
}

/* Calls up to the one that the next run begins with are copied once it is known which of them
 * belong to it. */
static enum err unfold_all(struct unfolding *u)
{
    const struct diff_stream *s = u->s;
    uint32_t copied = 0;
    for (uint32_t i = 0; i < s->n_calls;) {
        uint32_t kernel = kernel_of(u, i);
        struct plan *p = NULL;
        if (kernel != DIFF_NONE) TRY(plan_read(&u->plans, kernel, &p));
        if (!p) {
            i++;
            continue;
        }
        uint32_t end = take_run(u, p, i, copied);
        while (copied < i && !u->taken[copied]) TRY(copy_call(u, copied++));
        TRY(unfold_run(u, p, i));
        for (; copied < end; copied++)
            if (!u->taken[copied]) TRY(copy_call(u, copied));
        i = end;
    }
    while (copied < s->n_calls) TRY(copy_call(u, copied++));
    return ERR_OK;
}

static void set_next_tensor(struct unfolding *u)
{
    const struct diff_stream *s = u->s;
    uint64_t most = 4 * ((uint64_t)s->n_uses + 1024);
    for (uint32_t i = 0; s->tensor && i < s->n_uses; i++)
        if (s->tensor[i] != DIFF_NONE && s->tensor[i] >= u->next_tensor && s->tensor[i] < most)
            u->next_tensor = s->tensor[i] + 1;
}

static enum err begin(struct unfolding *u, sqlite3 *db)
{
    size_t n = u->s->n_calls;
    TRY(read_sites(db, u->s, &u->site));
    TRY(plans_init(&u->plans, db, u->s->words));
    u->new_call = malloc((n + 1) * sizeof *u->new_call);
    u->taken = calloc(n + 1, sizeof *u->taken);
    u->slot = malloc((u->plans.kernel.n + 1) * sizeof *u->slot);
    if (!u->new_call || !u->taken || !u->slot) return no_memory();
    memset(u->new_call, 0xff, (n + 1) * sizeof *u->new_call);
    set_next_tensor(u);
    return ERR_OK;
}

/* The arrays of the new stream in place of the old ones; all else stays. */
static void hand_over(struct unfolding *u, struct diff_stream *s)
{
    struct diff_stream old = *s, *to = u->to;
    *s = *to;
    s->words = old.words;
    s->owns_words = old.owns_words;
    s->arena = old.arena;
    s->file = old.file;
    s->run = old.run;
    s->log = old.log;
    s->rank = old.rank;
    s->source = old.source;
    s->n_lines = old.n_lines;
    s->scopes.p = old.scopes.p;
    s->scopes.n = old.scopes.n;
    s->scopes.size = old.scopes.size;
    for (size_t i = 0; i < s->scopes.n; i++) {
        struct diff_scope *scope = &s->scopes.p[i];
        if (scope->call < old.n_calls) scope->call = u->new_call[scope->call];
    }
    *to = (struct diff_stream){.event = old.event,
                               .position = old.position,
                               .text = old.text,
                               .scope = old.scope,
                               .first_use = old.first_use,
                               .digest = old.digest,
                               .form = old.form,
                               .tensor = old.tensor,
                               .version = old.version};
}

enum err diff_unfold(sqlite3 *db, struct diff_stream *s)
{
    struct diff_stream to = {0};
    struct unfolding u = {.s = s, .to = &to};
    enum err err = ERR_OK;
    TRY_OUT(begin(&u, db));
    to.words = s->words;
    to.first_use = calloc(1, sizeof *to.first_use);
    if (!to.first_use) TRY_OUT(no_memory());
    TRY_OUT(diff_reserve(&to, s->n_calls, s->n_uses));
    TRY_OUT(unfold_all(&u));
    hand_over(&u, s);
out:
    to.owns_words = false;
    diff_stream_release(&to);
    plans_release(&u.plans);
    free(u.site);
    free(u.new_call);
    free(u.taken);
    free(u.slot);
    free(u.content);
    return err;
}

/* ---- paths ---- */

/* The number of #3; false: it is another path. */
static bool read_number(struct span path, uint32_t *out)
{
    int64_t n;
    if (!span_starts(path, "#") || !span_to_i64(span_from(path, 1), &n)) return false;
    *out = (uint32_t)n;
    return n >= 0 && n < DIFF_NONE;
}

struct naming {
    LIST_OF(uint32_t) path; /* of the partner's arguments, in order; words */
};

static enum err list_arguments(struct naming *n, const struct diff_stream *s, uint32_t call)
{
    n->path.n = 0;
    for (uint32_t u = s->first_use[call]; u < s->first_use[call + 1]; u++) {
        const struct diff_form *f = diff_use_form(s, u);
        if (f->phase || (n->path.n && n->path.p[n->path.n - 1] == f->path)) continue;
        uint32_t *to = LIST_PUSH(&n->path);
        if (!to) return no_memory();
        *to = f->path;
    }
    return ERR_OK;
}

static enum err name_call(struct naming *n, struct diff_stream *s, uint32_t call,
                          const struct diff_stream *other, uint32_t partner)
{
    TRY(list_arguments(n, other, partner));
    for (uint32_t u = s->first_use[call]; u < s->first_use[call + 1]; u++) {
        struct diff_form f = *diff_use_form(s, u);
        uint32_t number;
        if (!read_number(diff_span(s->words, f.path), &number) || number >= n->path.n) continue;
        f.path = n->path.p[number];
        s->form[u] = diff_form(s->words, &f);
        if (s->form[u] == DIFF_NONE) return no_memory();
    }
    return ERR_OK;
}

enum err diff_unfold_paths(struct diff_stream *a, struct diff_stream *b,
                           const struct diff_pairs *pairs)
{
    struct naming n = {0};
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < pairs->pair.n; i++) {
        const struct diff_pair *p = &pairs->pair.p[i];
        if (p->a == DIFF_NONE || p->b == DIFF_NONE) continue;
        bool x = diff_is_unfolded(a, p->a), y = diff_is_unfolded(b, p->b);
        if (x && !y) err = name_call(&n, a, p->a, b, p->b);
        if (y && !x) err = name_call(&n, b, p->b, a, p->a);
    }
    LIST_RELEASE(&n.path);
    return err;
}
