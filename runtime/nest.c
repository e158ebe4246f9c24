/* nest.c - building a loop nest: nodes of equal content are one, what no store needs goes, then
 * levels, passes and the order of stores are set. */
#include "runtime/nest_make.h"

#include <stdlib.h>
#include <string.h>

static bool same(const struct nest_node *a, const struct nest_node *b)
{
    if (a->kind != b->kind || a->type != b->type || a->index != b->index ||
        a->n_args != b->n_args || a->dtype != b->dtype || a->level != b->level)
        return false;
    return !memcmp(&a->value, &b->value, sizeof a->value) &&
           !memcmp(a->arg, b->arg, sizeof(int) * (size_t)a->n_args);
}

static enum nest_level level_of(const struct nest_maker *m, const struct nest_node *node)
{
    enum nest_level level = node->level;
    if (node->kind == NEST_REDUCE) return NEST_OUTER;
    for (int i = 0; i < node->n_args; i++)
        if (m->node[node->arg[i]].level > level) level = m->node[node->arg[i]].level;
    return level;
}

enum err nest_add(struct nest_maker *m, const struct nest_node *node, int *out)
{
    struct nest_node n = *node;
    n.level = level_of(m, node);
    for (int i = 0; i < m->n_nodes && n.kind != NEST_STORE; i++)
        if (same(&m->node[i], &n)) {
            *out = i;
            return ERR_OK;
        }
    if (m->n_nodes == NEST_NODES)
        FAIL(ERR_LIMIT, "the body \"%.60s...\" makes more than %d nodes", m->spec->body,
             NEST_NODES);
    if (m->n_nodes == m->size) {
        int size = m->size ? 2 * m->size : 32;
        struct nest_node *p = realloc(m->node, (size_t)size * sizeof *p);
        if (!p) FAIL(ERR_NOMEM, "out of memory for a loop nest");
        m->node = p;
        m->size = size;
    }
    *out = m->n_nodes;
    m->node[m->n_nodes++] = n;
    return ERR_OK;
}

/* Where each node goes: those that a store needs, in order, then the stores. Returns how many. */
static int arrange(const struct nest_maker *m, bool *needed, int *place)
{
    int n = 0;
    for (int i = m->n_nodes - 1; i >= 0; i--) {
        needed[i] |= m->node[i].kind == NEST_STORE;
        for (int k = 0; needed[i] && k < m->node[i].n_args; k++) needed[m->node[i].arg[k]] = true;
    }
    for (int i = 0; i < m->n_nodes; i++)
        if (needed[i] && m->node[i].kind != NEST_STORE) place[i] = n++;
    for (int i = 0; i < m->n_nodes; i++)
        if (m->node[i].kind == NEST_STORE) place[i] = n++;
    return n;
}

/* Passes that must have ended before the node's value can be read at the inner level. */
static int ready(const struct nest_node *n)
{
    return n->kind == NEST_REDUCE ? n->pass + 1 : n->pass;
}

static void set_passes(struct nest *n)
{
    n->n_passes = 0;
    for (int i = 0; i < n->n_nodes; i++) {
        struct nest_node *node = &n->node[i];
        node->pass = 0;
        for (int k = 0; k < node->n_args; k++) {
            int r = ready(&n->node[node->arg[k]]);
            if (r > node->pass) node->pass = r;
        }
        bool makes =
            node->kind == NEST_REDUCE || (node->kind == NEST_STORE && node->level == NEST_INNER);
        if (makes && node->pass >= n->n_passes) n->n_passes = node->pass + 1;
    }
    for (int i = 0; i < n->n_nodes; i++)
        if (n->node[i].kind == NEST_STORE && n->node[i].level == NEST_INNER)
            n->node[i].pass = n->n_passes - 1;
}

enum err nest_finish(struct nest_maker *m, struct arena *arena, struct nest *out)
{
    bool needed[NEST_NODES] = {false};
    int place[NEST_NODES];
    int n = arrange(m, needed, place);
    if (!n) FAIL(ERR_USAGE, "the body \"%s\" stores nothing", m->spec->body);
    out->node = arena_array(arena, (size_t)n, sizeof *out->node);
    if (!out->node) FAIL(ERR_NOMEM, "out of memory for a loop nest");
    out->n_nodes = n;
    for (int i = 0; i < m->n_nodes; i++) {
        if (!needed[i]) continue;
        struct nest_node *to = &out->node[place[i]];
        *to = m->node[i];
        for (int k = 0; k < to->n_args; k++) to->arg[k] = place[to->arg[k]];
    }
    set_passes(out);
    return ERR_OK;
}

/* A NaN becomes the canonical one, unless bits are kept: by the array, or as the stored value is a
 * load, converted or not. */
static void mark_stores(struct nest_maker *m, const struct nest *n)
{
    for (int i = 0; i < m->n_nodes; i++) {
        struct nest_node *node = &m->node[i];
        if (node->kind != NEST_STORE) continue;
        const struct nest_node *v = &m->node[node->arg[0]];
        while (v->kind == NEST_CAST) v = &m->node[v->arg[0]];
        node->value.i = !n->array[node->index].moves && v->kind != NEST_LOAD;
    }
}

static enum err check_spec(const struct nest_spec *s)
{
    int loops = s->n_outer + s->n_inner;
    if (s->n_arrays < 0 || s->n_arrays > NEST_ARRAYS || s->n_params < 0 ||
        s->n_params > NEST_PARAMS)
        FAIL(ERR_LIMIT, "a nest of %d arrays and %d scalars; it takes %d and %d", s->n_arrays,
             s->n_params, NEST_ARRAYS, NEST_PARAMS);
    if (s->n_outer < 0 || s->n_inner < 0 || loops > NEST_LOOPS)
        FAIL(ERR_LIMIT, "a nest of %d and %d loops; it takes %d", s->n_outer, s->n_inner,
             NEST_LOOPS);
    for (int i = 0; i < s->n_arrays; i++)
        if (s->array[i].n_indexed < 0 || s->array[i].n_indexed > NEST_INDICES)
            FAIL(ERR_LIMIT, "%d computed positions of \"%s\"; it takes %d", s->array[i].n_indexed,
                 s->array[i].name, NEST_INDICES);
    return ERR_OK;
}

void nest_start(struct nest *out)
{
    static _Atomic uint64_t ids;
    memset(out, 0, sizeof *out);
    out->id = ++ids;
}

enum err nest_build(const struct nest_spec *spec, struct arena *arena, struct nest *out)
{
    struct nest_maker m = {.spec = spec, .compute = nest_type_of(spec->compute)};
    TRY(check_spec(spec));
    nest_start(out);
    memcpy(out->array, spec->array, sizeof out->array);
    memcpy(out->param_type, spec->param_type, sizeof out->param_type);
    out->n_arrays = spec->n_arrays;
    for (int i = 0; i < spec->n_arrays; i++) /* what is converted does not keep its bits */
        if (spec->array[i].dtype != spec->compute && !spec->own[i]) out->array[i].moves = false;
    out->n_params = spec->n_params;
    out->n_outer = spec->n_outer;
    out->n_inner = spec->n_inner;
    out->serial = spec->serial;
    enum err err = nest_parse(&m);
    if (!err) mark_stores(&m, out);
    if (!err) err = nest_finish(&m, arena, out);
    free(m.node);
    return err;
}
