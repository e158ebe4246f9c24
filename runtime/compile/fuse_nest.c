/* fuse_nest.c - one nest of several: nodes of the members in order of the program, over the loops
 * of the draft.
 *
 * A load of what a member before stored at the same point becomes that value, as memory would have
 * given it back: rounded to the stored dtype, its NaN canonical where the store makes it so. What
 * is only moved is loaded from where it came from instead. A store is left out where no other
 * kernel reads it.
 */
#include <string.h>

#include "runtime/compile/fuse_draft.h"
#include "runtime/nest_fn.h"
#include "runtime/nest_make.h"
#include "runtime/nest_shape.h"

/* An array of the fused nest, by where it lies. */
struct lying {
    int buffer;
    struct nest_array array;
    struct nest_lie lie; /* over the draft's loops */
    struct lower_use use;
};
struct stored {
    struct lying at;
    int value;  /* node */
    int level;  /* of the store */
    bool canon; /* a NaN becomes canonical */
    bool dead;  /* overwritten by a later one */
};
struct builder {
    const struct fuse_draft *d;
    struct nest_maker m;
    struct nest nest;
    struct lying lying[NEST_ARRAYS];
    int n_lying;
    LIST_OF(struct stored) stored;
    union lower_number param[NEST_PARAMS];
    int *map; /* of the member under way: its node -> ours */
    int member;
    enum fuse_reason reason;
};

static const struct lower_item *item_now(const struct builder *b)
{
    return &b->d->l->item.p[b->d->member[b->member].item];
}

static enum err add(struct builder *b, const struct nest_node *n, int *out)
{
    enum err err = nest_add(&b->m, n, out);
    if (err == ERR_LIMIT) b->reason = FUSE_NODES;
    return err;
}

/* ---- arrays ---- */

static void lie_of(const struct builder *b, int x, struct lying *out)
{
    const struct lower_item *it = item_now(b);
    memset(out, 0, sizeof *out);
    out->buffer = it->use[x].buffer;
    out->use = it->use[x];
    out->array = it->nest->array[x];
    out->lie = it->plan.lie[x];
    memset(out->lie.stride, 0, sizeof out->lie.stride);
    for (int c = 0; c < b->d->n_loops; c++) out->lie.stride[c] = fuse_stride(b->d, b->member, x, c);
}

static bool same_place(const struct lying *a, const struct lying *b)
{
    return a->buffer == b->buffer && a->array.dtype == b->array.dtype &&
           a->array.n_indexed == b->array.n_indexed && !memcmp(&a->lie, &b->lie, sizeof a->lie);
}

static bool varies(const struct builder *b, const struct lying *a)
{
    for (int c = 0; c < b->d->n_loops; c++)
        if (b->d->inner[c] && a->lie.stride[c]) return true;
    return false;
}

/* The number of the array, which is added where there is none like it. */
static enum err array_of(struct builder *b, const struct lying *a, bool written, int *out)
{
    for (int i = 0; i < b->n_lying; i++)
        if (same_place(&b->lying[i], a) && b->lying[i].array.written == written &&
            b->lying[i].array.moves == a->array.moves) {
            *out = i;
            return ERR_OK;
        }
    if (b->n_lying == NEST_ARRAYS) {
        b->reason = FUSE_ARRAYS;
        FAIL(ERR_LIMIT, "a kernel of more than %d arrays", NEST_ARRAYS);
    }
    *out = b->n_lying;
    b->lying[b->n_lying] = *a;
    b->lying[b->n_lying].array.written = written;
    b->lying[b->n_lying++].use.written = written;
    return ERR_OK;
}

/* ---- places ---- */

static enum err whole(struct builder *b, int64_t v, int *out)
{
    return add(b, &(struct nest_node){.kind = NEST_CONST, .type = NEST_I64, .value.i = v}, out);
}

static enum err combine(struct builder *b, int fn, int x, int y, int *out)
{
    return add(b,
               &(struct nest_node){
                   .kind = NEST_CALL, .type = NEST_I64, .index = fn, .arg = {x, y}, .n_args = 2},
               out);
}

/* sum += multiple * coordinate c; *sum -1: nothing yet. */
static enum err add_place(struct builder *b, int c, int64_t multiple, int *sum)
{
    int at, by;
    struct nest_node n = {.kind = NEST_COORD,
                          .type = NEST_I64,
                          .index = c,
                          .level = b->d->inner[c] ? NEST_INNER : NEST_OUTER};
    TRY(add(b, &n, &at));
    if (multiple != 1) {
        TRY(whole(b, multiple, &by));
        TRY(combine(b, NEST_FN_mul, at, by, &at));
    }
    if (*sum >= 0) TRY(combine(b, NEST_FN_add, *sum, at, &at));
    *sum = at;
    return ERR_OK;
}

/* The coordinate along loop `origin` of the member, or its logical index (origin -1). */
static enum err place(struct builder *b, int origin, int *out)
{
    const struct fuse_part *part = b->d->member[b->member].part;
    const struct nest_plan *p = &item_now(b)->plan;
    *out = -1;
    for (int c = 0; c < b->d->n_loops; c++) {
        int64_t times = part[c].multiple;
        if (!part[c].present || (origin >= 0 && part[c].origin != origin)) continue;
        for (int d = part[c].origin + 1; origin < 0 && d < p->n_outer + p->n_inner; d++)
            times *= p->size[d];
        TRY(add_place(b, c, times, out));
    }
    return *out < 0 ? whole(b, 0, out) : ERR_OK;
}

/* Whether the member's logical index is the draft's. */
static bool is_linear(const struct builder *b)
{
    const struct fuse_part *part = b->d->member[b->member].part;
    const struct nest_plan *p = &item_now(b)->plan;
    int64_t unit = 1;
    for (int c = b->d->n_loops - 1; c >= 0; c--) {
        int64_t times = part[c].multiple;
        if (!part[c].present) return false;
        for (int d = part[c].origin + 1; d < p->n_outer + p->n_inner; d++) times *= p->size[d];
        if (times != unit) return false;
        unit *= b->d->size[c];
    }
    return true;
}

/* ---- values that stay in registers ---- */

static bool keeps_value(enum dtype dtype)
{
    enum nest_type type = nest_type_of(dtype);
    return type == NEST_B || nest_type_dtype(type) == dtype;
}

static bool is_float(enum nest_type t)
{
    return t == NEST_F32 || t == NEST_F64 || t == NEST_C64 || t == NEST_C128;
}

static enum err loaded(struct builder *b, const struct lying *from, const struct nest_node *like,
                       int *out)
{
    struct nest_node n = *like;
    n.level = varies(b, from) ? NEST_INNER : NEST_OUTER;
    TRY(array_of(b, from, false, &n.index));
    return add(b, &n, out);
}

/* What a load of `type` would find where s was stored. */
static enum err forwarded(struct builder *b, const struct stored *s, const struct lying *reader,
                          const struct nest_node *load, int *out)
{
    const struct nest_node v = b->m.node[s->value];
    enum dtype dtype = s->at.array.dtype;
    enum nest_type own = nest_type_of(dtype), type = v.type;
    int at = s->value;
    if (v.kind == NEST_LOAD && s->at.array.moves) {
        struct lying from = b->lying[v.index];
        struct nest_node n = v;
        from.array.moves = reader->array.moves;
        n.type = load->type;
        return loaded(b, &from, &n, out);
    }
    if (s->canon && is_float(type) && (type == own || is_float(own)))
        TRY(add(
            b,
            &(struct nest_node){
                .kind = NEST_CALL, .type = type, .index = NEST_FN_canon, .arg = {at}, .n_args = 1},
            &at));
    if (type != own || !keeps_value(dtype))
        TRY(add(b,
                &(struct nest_node){
                    .kind = NEST_ROUND, .type = own, .dtype = dtype, .arg = {at}, .n_args = 1},
                &at));
    if (own != load->type)
        TRY(add(
            b, &(struct nest_node){.kind = NEST_CAST, .type = load->type, .arg = {at}, .n_args = 1},
            &at));
    *out = at;
    return ERR_OK;
}

static const struct stored *find_stored(const struct builder *b, const struct lying *a)
{
    for (size_t i = b->stored.n; i-- > 0;)
        if (same_place(&b->stored.p[i].at, a)) return &b->stored.p[i];
    return NULL;
}

/* ---- nodes ---- */

static void map_args(const struct builder *b, struct nest_node *n)
{
    for (int k = 0; k < n->n_args; k++) n->arg[k] = b->map[n->arg[k]];
}

static enum err take_load(struct builder *b, const struct nest_node *node, int *out)
{
    struct lying a;
    struct nest_node n = *node;
    lie_of(b, node->index, &a);
    map_args(b, &n);
    const struct stored *s = n.n_args ? NULL : find_stored(b, &a);
    return s ? forwarded(b, s, &a, &n, out) : loaded(b, &a, &n, out);
}

static enum err take_store(struct builder *b, const struct nest_node *node)
{
    struct stored s = {.value = b->map[node->arg[0]], .canon = node->value.i};
    lie_of(b, node->index, &s.at);
    s.level = varies(b, &s.at) ? NEST_INNER : NEST_OUTER;
    for (size_t i = 0; i < b->stored.n; i++)
        if (same_place(&b->stored.p[i].at, &s.at)) b->stored.p[i].dead = true;
    struct stored *to = LIST_PUSH(&b->stored);
    if (!to) FAIL(ERR_NOMEM, "out of memory for fusing");
    *to = s;
    return ERR_OK;
}

/* A number of the call: one slot per value; constants where all are taken. */
static enum err take_param(struct builder *b, const struct nest_node *node, int *out)
{
    struct nest_node n = *node;
    const union lower_number *v = &item_now(b)->param[node->index];
    int k = 0;
    while (k < b->nest.n_params &&
           (b->nest.param_type[k] != n.type || memcmp(&b->param[k], v, sizeof *v)))
        k++;
    if (k == NEST_PARAMS) {
        n.kind = NEST_CONST;
        n.index = 0;
        n.value.i = v->i; /* the same eight bytes */
        return add(b, &n, out);
    }
    if (k == b->nest.n_params) {
        b->nest.param_type[b->nest.n_params] = n.type;
        b->param[b->nest.n_params++] = *v;
    }
    n.index = k;
    return add(b, &n, out);
}

static bool is_one(const struct builder *b, const struct nest_node *n)
{
    if (n->kind != NEST_PARAM) return false;
    const union lower_number *v = &item_now(b)->param[n->index];
    return n->type == NEST_F32 || n->type == NEST_F64 ? v->r == 1 : v->i == 1;
}

/* Which argument a product by a scalar of 1 is, -1: it is none. alpha * x keeps all bits but that
 * of a signalling NaN, and whoever takes it computes with it or stores it canonically. */
static int same_as_argument(const struct builder *b, const struct nest_node *node)
{
    const struct nest_node *of = item_now(b)->nest->node;
    bool is_complex = node->type == NEST_C64 || node->type == NEST_C128;
    if (node->kind != NEST_CALL || node->index != NEST_FN_mul || is_complex) return -1;
    return is_one(b, &of[node->arg[0]]) ? 1 : is_one(b, &of[node->arg[1]]) ? 0 : -1;
}

static enum err take_node(struct builder *b, int i)
{
    const struct lower_item *it = item_now(b);
    const struct nest_node *node = &it->nest->node[i];
    struct nest_node n = *node;
    struct lying a;
    int *out = &b->map[i];
    switch (node->kind) {
    case NEST_LOAD: return take_load(b, node, out);
    case NEST_STORE: return take_store(b, node);
    case NEST_PARAM: return take_param(b, node, out);
    case NEST_COORD: return place(b, node->index, out);
    case NEST_SIZE: return whole(b, it->plan.size[node->index], out);
    case NEST_COUNT:
        if (!it->nest->n_inner) return whole(b, 1, out);
        return add(b, &n, out);
    case NEST_LINEAR:
        if (!is_linear(b)) return place(b, -1, out);
        n.level = b->d->has_inner ? NEST_INNER : NEST_OUTER;
        return add(b, &n, out);
    case NEST_EXTENT:
        lie_of(b, node->index, &a);
        TRY(array_of(b, &a, false, &n.index));
        return add(b, &n, out);
    default:
        if (same_as_argument(b, node) >= 0) {
            *out = b->map[node->arg[same_as_argument(b, node)]];
            return ERR_OK;
        }
        n.level = NEST_OUTER; /* nest_add makes it that of the arguments */
        if (node->kind == NEST_SCAN) n.level = NEST_INNER;
        map_args(b, &n);
        return add(b, &n, out);
    }
}

/* ---- stores ---- */

static bool is_needed(const struct builder *b, const struct stored *s,
                      const struct fuse_readers *readers)
{
    const struct lower_buffer *f = &b->d->l->buffer.p[s->at.buffer];
    const struct fuse_readers *r = &readers[s->at.buffer];
    if (s->dead) return false;
    if (f->given || f->escapes) return true;
    for (int i = 0; i < r->n; i++)
        if (!fuse_has(b->d, r->item[i])) return true;
    return false;
}

static enum err put_stores(struct builder *b, const struct fuse_readers *readers)
{
    int n = 0, ignored;
    for (size_t i = 0; i < b->stored.n; i++) n += is_needed(b, &b->stored.p[i], readers);
    for (size_t i = 0; i < b->stored.n; i++) {
        const struct stored *s = &b->stored.p[i];
        bool last = !n && i + 1 == b->stored.n; /* what nobody needs is yet made */
        if (!last && !is_needed(b, s, readers)) continue;
        struct nest_node node = {.kind = NEST_STORE,
                                 .type = b->m.node[s->value].type,
                                 .level = (enum nest_level)s->level,
                                 .arg = {s->value},
                                 .n_args = 1,
                                 .value.i = s->canon};
        TRY(array_of(b, &s->at, true, &node.index));
        TRY(add(b, &node, &ignored));
    }
    return ERR_OK;
}

/* ---- NaN ---- */

/* Whether what the node makes depends on the bits of a NaN that it takes. Of what it makes itself
 * in floats the same is asked; docs/exact.md. */
static bool sees_bits(const struct nest_node *n)
{
    switch (n->kind) {
    case NEST_STORE: return !n->value.i;
    case NEST_CALL: return n->index == NEST_FN_signbit || n->index == NEST_FN_copysign;
    case NEST_ROUND: return dtype_size(n->dtype) == 1; /* float8 keeps the sign of its NaN */
    default: return false;
    }
}

/* A NaN need not be made canonical for those that do not see its bits: an operation less for each
 * value that is handed on. Who hands them on (where, arithmetic) sees them for its readers;
 * arguments stand before those who take them. */
static void forget_canons(struct nest_maker *m)
{
    bool seen[NEST_NODES] = {false};
    for (int i = m->n_nodes - 1; i >= 0; i--) {
        const struct nest_node *n = &m->node[i];
        bool makes_own = n->kind == NEST_CALL && n->index == NEST_FN_canon;
        for (int k = 0; (sees_bits(n) || (seen[i] && !makes_own)) && k < n->n_args; k++)
            seen[n->arg[k]] = true;
    }
    for (int i = 0; i < m->n_nodes; i++)
        for (int k = 0; k < m->node[i].n_args; k++) {
            int a = m->node[i].arg[k];
            const struct nest_node *from = &m->node[a];
            if (from->kind == NEST_CALL && from->index == NEST_FN_canon && !seen[a])
                m->node[i].arg[k] = from->arg[0];
        }
}

/* ---- the group ---- */

static enum err take_members(struct builder *b, struct arena *scratch)
{
    for (b->member = 0; b->member < b->d->n_members; b->member++) {
        const struct nest *n = item_now(b)->nest;
        b->map = arena_array(scratch, (size_t)n->n_nodes + 1, sizeof *b->map);
        if (!b->map) FAIL(ERR_NOMEM, "out of memory for fusing");
        for (int i = 0; i < n->n_nodes; i++) TRY(take_node(b, i));
    }
    return ERR_OK;
}

static void count_bytes(const struct nest *n, const struct nest_plan *p, struct fuse_group *g)
{
    g->bytes_read = g->bytes_written = 0;
    for (int i = 0; i < n->n_arrays; i++) {
        int64_t bytes = (int64_t)dtype_size(n->array[i].dtype);
        for (int c = 0; c < p->n_outer + p->n_inner; c++)
            if (p->lie[i].stride[c]) bytes *= p->size[c];
        *(n->array[i].written ? &g->bytes_written : &g->bytes_read) += bytes;
    }
}

static enum fuse_kind kind_of(const struct nest *n, int64_t inner)
{
    for (int i = 0; i < n->n_nodes; i++)
        if (n->node[i].kind == NEST_REDUCE || n->node[i].kind == NEST_SCAN)
            return inner > SHAPE_CHUNK_POINTS ? FUSE_REDUCTION : FUSE_PERSISTENT;
    return FUSE_POINTWISE;
}

static void count_points(struct fuse_group *g)
{
    g->n_outer = g->n_inner = 1;
    for (int c = 0; c < g->plan.n_outer + g->plan.n_inner; c++)
        *(c < g->plan.n_outer ? &g->n_outer : &g->n_inner) *= g->plan.size[c];
    g->kind = kind_of(g->nest, g->n_inner);
    count_bytes(g->nest, &g->plan, g);
}

static void set_plan(const struct builder *b, struct fuse_group *g)
{
    struct nest_plan *p = &g->plan;
    memset(p, 0, sizeof *p);
    for (int c = 0; c < b->d->n_loops; c++) {
        p->size[c] = b->d->size[c];
        *(b->d->inner[c] ? &p->n_inner : &p->n_outer) += 1;
    }
    p->n_arrays = b->n_lying;
    for (int i = 0; i < b->n_lying; i++) {
        p->lie[i] = b->lying[i].lie;
        p->n_indexed[i] = b->lying[i].array.n_indexed;
        g->use[i] = b->lying[i].use;
    }
}

static enum err close_nest(struct builder *b, struct arena *arena, struct fuse_group *g)
{
    struct nest *n = arena_alloc(arena, sizeof *n);
    g->use = arena_array(arena, (size_t)b->n_lying + 1, sizeof *g->use);
    if (!n || !g->use) FAIL(ERR_NOMEM, "out of memory for fusing");
    *n = b->nest;
    for (int i = 0; i < b->n_lying; i++) n->array[i] = b->lying[i].array;
    n->n_arrays = g->n_uses = b->n_lying;
    set_plan(b, g);
    n->n_outer = g->plan.n_outer;
    n->n_inner = g->plan.n_inner;
    TRY(nest_finish(&b->m, arena, n));
    TRY(nest_verify(n));
    g->nest = n;
    memcpy(g->param, b->param, sizeof g->param);
    return ERR_OK;
}

/* An item alone is the nest it was. */
static void alone(const struct lower_item *it, struct fuse_group *g)
{
    g->nest = it->nest;
    g->plan = it->plan;
    g->use = it->use;
    g->n_uses = it->n_uses;
    memcpy(g->param, it->param, sizeof g->param);
    if (g->nest) {
        count_points(g);
        return;
    }
    g->kind = FUSE_EXTERN;
    for (int i = 0; i < g->n_uses; i++)
        if (g->use[i].buffer >= 0)
            *(g->use[i].written ? &g->bytes_written : &g->bytes_read) +=
                view_n_bytes(&g->use[i].view);
}

enum err fuse_draft_nest(const struct fuse_draft *d, const struct fuse_readers *readers,
                         int max_nodes, struct arena *arena, struct fuse_group *g,
                         enum fuse_reason *reason)
{
    struct nest_spec spec = {.body = "a fused kernel"};
    struct builder b = {.d = d, .m = {.spec = &spec}, .reason = FUSE_FUSED};
    struct arena scratch = {0};
    *reason = FUSE_FUSED;
    g->stream = -1;
    for (int i = 0; i < d->n_members; i++) {
        int64_t own = d->l->item.p[d->member[i].item].stream;
        if (own >= 0) g->stream = own;
    }
    if (d->n_members == 1) {
        alone(&d->l->item.p[d->member[0].item], g);
        return ERR_OK;
    }
    nest_start(&b.nest);
    enum err err = take_members(&b, &scratch);
    if (!err && b.m.n_nodes > max_nodes) b.reason = FUSE_NODES;
    if (!err && b.reason == FUSE_FUSED) err = put_stores(&b, readers);
    forget_canons(&b.m);
    if (!err && b.reason == FUSE_FUSED) err = close_nest(&b, arena, g);
    if (!err && b.reason == FUSE_FUSED) count_points(g);
    LIST_RELEASE(&b.stored);
    free(b.m.node);
    arena_release(&scratch);
    if (err == ERR_LIMIT && b.reason != FUSE_FUSED) {
        err_clear();
        err = ERR_OK;
    }
    *reason = b.reason;
    return err;
}
