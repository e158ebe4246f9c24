/* passes.c - the passes in order, each checked; dead code and common calls.
 *
 * cse    Two calls are one when operator, numbers and values are equal: a value stands for one
 *        version of its storage, so what was written between makes another value. Not merged:
 *        random calls, calls that write, results that are written later (they need memory of their
 *        own), and two results that both leave the graph (the caller may write one of them).
 * dce    Stays what an output needs, what writes memory from outside the graph, and what writes
 *        memory that something that stays reads later. Random calls carry their stream numbers,
 *        so taking one out changes no other.
 */
#include "runtime/compile/passes.h"

#include <string.h>
#include <time.h>

#include "runtime/compile/rewrite.h"

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory in a pass");
}

/* ---- dead code ---- */

struct need {
    const struct graph *g;
    bool *value, *storage; /* something later that stays takes it */
};

static bool is_needed(const struct need *w, const struct graph_node *n)
{
    const struct graph *g = w->g;
    for (int r = 0; r < n->n_out; r++)
        if (n->out[r] >= 0 && w->value[n->out[r]]) return true;
    for (int s = 0; s < n->n_in; s++) {
        if (n->after[s] < 0) continue;
        int storage = g->value.p[n->after[s]].storage;
        if (g->storage.p[storage].origin != GRAPH_MADE || w->storage[storage]) return true;
    }
    return false;
}

static void need_value(struct need *w, int value)
{
    if (value < 0) return;
    w->value[value] = true;
    w->storage[w->g->value.p[value].storage] = true;
}

static enum err find_needed(const struct graph *g, struct arena *arena, int *order, int *n)
{
    struct need w = {.g = g};
    w.value = arena_array(arena, g->value.n + 1, sizeof *w.value);
    w.storage = arena_array(arena, g->storage.n + 1, sizeof *w.storage);
    bool *stays = arena_array(arena, g->node.n + 1, sizeof *stays);
    if (!w.value || !w.storage || !stays) return no_memory();
    for (size_t i = 0; i < g->output.n; i++) need_value(&w, g->output.p[i].value);
    for (size_t i = g->node.n; i-- > 0;) {
        const struct graph_node *node = &g->node.p[i];
        stays[i] = is_needed(&w, node);
        for (int s = 0; stays[i] && s < node->n_in; s++) need_value(&w, node->in[s]);
    }
    *n = 0;
    for (size_t i = 0; i < g->node.n; i++)
        if (stays[i]) order[(*n)++] = (int)i;
    return ERR_OK;
}

enum err pass_dce(struct graph *g, struct pass_result *out)
{
    struct arena arena = {0};
    int *order = arena_array(&arena, g->node.n + 1, sizeof *order), n = 0;
    enum err err = order ? find_needed(g, &arena, order, &n) : no_memory();
    if (!err) out->changed += (int)g->node.n - n;
    if (!err) err = graph_order(g, order, n);
    arena_release(&arena);
    return err;
}

/* ---- common calls ---- */

static void put_number(struct buf *key, const struct op_value *v)
{
    int kind = v->kind;
    buf_put(key, &kind, sizeof kind);
    switch (v->kind) {
    case OP_SCALAR: buf_put(key, &v->is_int, sizeof v->is_int); break;
    case OP_TENSORS:
    case OP_INTS: buf_put(key, &v->n, sizeof v->n); break;
    default: break;
    }
    if (v->kind == OP_INTS) buf_put(key, v->is, (size_t)v->n * sizeof *v->is);
    else if (v->kind == OP_TEXT) buf_put(key, v->s, strlen(v->s) + 1);
    else if (v->kind == OP_REAL || (v->kind == OP_SCALAR && !v->is_int))
        buf_put(key, &v->r, sizeof v->r);
    else if (v->kind != OP_TENSOR && v->kind != OP_TENSORS && v->kind != OP_NONE)
        buf_put(key, &v->i, sizeof v->i);
}

/* All that makes two calls equal, as bytes. */
static void put_key(struct buf *key, const struct graph_node *n)
{
    buf_clear(key);
    buf_put(key, &n->op, sizeof n->op);
    for (int i = 0; i < n->op->s.n_params; i++) put_number(key, &n->arg[i]);
    for (int s = 0; s < n->n_in; s++) buf_put(key, &n->in[s], sizeof n->in[s]);
}

static bool may_merge(const struct graph *g, const struct graph_node *n)
{
    if (n->op->flags & (OP_RANDOM | OP_NO_VALUES) || n->op->class == OP_VIEW) return false;
    for (int i = 0; i < n->op->s.n_params; i++)
        if (n->op->s.param[i].written) return false;
    for (int r = 0; r < n->n_out; r++)
        if (n->out[r] >= 0 && g->storage.p[g->value.p[n->out[r]].storage].n_versions > 1)
            return false;
    return true;
}

/* Results of node b that are used become those of a, all or none. */
static enum err merge(struct graph *g, struct graph_facts *f, int a, int b, bool *done)
{
    const struct graph_node *x = &g->node.p[a], *y = &g->node.p[b];
    *done = true;
    for (int r = 0; *done && r < y->n_out; r++)
        if (y->out[r] >= 0 && x->out[r] >= 0) TRY(graph_replace(g, f, y->out[r], x->out[r], done));
    return ERR_OK;
}

struct common {
    struct graph *g;
    struct graph_facts facts;
    struct map seen, calls;
    struct buf key;
};

static enum err merge_call(struct common *c, int i, int *changed)
{
    bool done = false;
    TRY(graph_unify(c->g, &c->seen, i, changed));
    if (!may_merge(c->g, &c->g->node.p[i])) return ERR_OK;
    put_key(&c->key, &c->g->node.p[i]);
    TRY(buf_ok(&c->key));
    const int64_t *at = map_put(&c->calls, map_key(buf_text(&c->key)), i, NULL);
    if (!at) return no_memory();
    if (*at == i) return ERR_OK;
    TRY(merge(c->g, &c->facts, (int)*at, i, &done));
    *changed += done;
    return ERR_OK;
}

enum err pass_cse(struct graph *g, struct pass_result *out)
{
    struct arena arena = {0};
    struct common c = {.g = g};
    enum err err = graph_facts_find(g, &arena, &c.facts);
    for (size_t i = 0; !err && i < g->node.n; i++) err = merge_call(&c, (int)i, &out->changed);
    buf_release(&c.key);
    map_release(&c.seen);
    map_release(&c.calls);
    arena_release(&arena);
    return err;
}

/* ---- all of them ---- */

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static const struct {
    const char *name;
    enum err (*run)(struct graph *g, struct pass_result *out);
} passes[] = {
#define X(name) {#name, pass_##name},
    PASSES(X)
#undef X
};
enum { N_PASSES = sizeof passes / sizeof *passes };

enum err passes_run_again(struct graph *g)
{
    for (int i = 0; i < N_PASSES; i++) {
        struct pass_result r = {0};
        TRY(passes[i].run(g, &r));
    }
    return graph_check(g);
}

enum err passes_run(struct graph *g,
                    enum err (*seen)(void *context, const char *pass, const struct graph *g,
                                     const struct pass_result *r),
                    void *context)
{
    for (int i = 0; i < N_PASSES; i++) {
        struct pass_result r = {0};
        int64_t start = now();
        enum err err = passes[i].run(g, &r);
        r.ns = now() - start;
        if (!err) err = graph_check(g);
        if (err) return err_wrap(err, "pass %s: ", passes[i].name);
        if (seen) TRY(seen(context, passes[i].name, g, &r));
    }
    return ERR_OK;
}
