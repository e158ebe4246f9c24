/* interp.c - running a loop nest without a compiler: node by node, a block of points at a time.
 *
 *   no inner loops   blocks of the outer space, all nodes on each
 *   else             each outer point: outer nodes on one point, and before each pass those that
 *                    it needs; blocks of the inner space, the nodes that the pass needs on each
 *
 * A block of inner points is a chunk of the canonical reductions. A serial nest without reductions
 * takes blocks of one point, so that a load sees every store before it.
 */
#include "runtime/backend.h"
#include "runtime/interp.h"
#include "runtime/nest_make.h"
#include "runtime/nest_run.h"

#include <stdlib.h>
#include <string.h>

struct interp {
    const struct nest_run *run;
    const struct nest *nest;
    const struct nest_plan *plan;
    int64_t block;  /* points of a block at the deepest level */
    int64_t *at;    /* owned: offsets of a block's elements */
    char *room;     /* owned: all columns, and two for use within a node */
    char **column;  /* owned: per node */
    char *spare[2]; /* in room */
    bool *needed;   /* owned: per node, in the pass under way */
    void **state;   /* owned: per node, struct interp_fold or interp_scan */
    int64_t outer;  /* number of the outer point */
    int64_t outer_at[NEST_LOOPS];
};
/* Some points of a space of loops [first, first + n_loops). */
struct block {
    enum nest_level level;
    int first, n_loops;
    int64_t start, n;
    int64_t at[NEST_LOOPS]; /* coordinates of the first point */
};

static void unravel(const struct nest_plan *p, int first, int n_loops, int64_t linear, int64_t *at)
{
    for (int d = first + n_loops - 1; d >= first; d--) {
        at[d] = linear % p->size[d];
        linear /= p->size[d];
    }
}

/* out[i] = base + coordinates of point i times stride. */
static void walk(const struct interp *in, const struct block *b, const int64_t *stride,
                 int64_t base, int64_t *out)
{
    int last = b->first + b->n_loops - 1;
    int64_t at[NEST_LOOPS], k = 0;
    if (!b->n_loops) {
        out[0] = base;
        return;
    }
    memcpy(at, b->at, sizeof at);
    while (k < b->n) {
        int64_t pos = base, run = in->plan->size[last] - at[last];
        for (int d = b->first; d <= last; d++) pos += at[d] * stride[d];
        if (run > b->n - k) run = b->n - k;
        for (int64_t i = 0; i < run; i++) out[k + i] = pos + i * stride[last];
        k += run;
        at[last] = 0;
        for (int d = last - 1; d >= b->first && ++at[d] == in->plan->size[d]; d--) at[d] = 0;
    }
}

static int step_of(const struct interp *in, int node)
{
    if (!in->nest->n_inner) return 1;
    return in->nest->node[node].level == NEST_INNER;
}

static struct columns columns_of(const struct interp *in, const struct nest_node *node)
{
    struct columns c = {0};
    for (int i = 0; i < node->n_args; i++) {
        c.p[i] = in->column[node->arg[i]];
        c.step[i] = step_of(in, node->arg[i]);
    }
    return c;
}

/* Offsets of the array's elements at the block's points, computed positions from arg[first]. */
static enum err find_elements(struct interp *in, const struct block *b,
                              const struct nest_node *node, int first)
{
    const struct nest_lie *lie = &in->plan->lie[node->index];
    int64_t base = lie->offset;
    if (b->level == NEST_INNER)
        for (int d = 0; d < in->plan->n_outer; d++) base += in->outer_at[d] * lie->stride[d];
    walk(in, b, lie->stride, base, in->at);
    for (int k = 0; k + first < node->n_args; k++) {
        const int64_t *v = (const int64_t *)in->column[node->arg[k + first]];
        int step = step_of(in, node->arg[k + first]);
        for (int64_t i = 0; i < b->n; i++) {
            int64_t index = v[i * step];
            if (index < 0 || index >= lie->index_size[k])
                return nest_out_of_bounds(
                    in->nest, &(struct nest_fault){node->index, k, index, lie->index_size[k]});
            in->at[i] += index * lie->index_stride[k];
        }
    }
    return ERR_OK;
}

static enum err load(struct interp *in, const struct block *b, const struct nest_node *node,
                     void *out)
{
    const struct nest_array *a = &in->nest->array[node->index];
    enum nest_type own = nest_type_of(a->dtype);
    void *to = own == node->type ? out : in->spare[0];
    TRY(find_elements(in, b, node, 0));
    interp_load(a->dtype, a->moves)->run(b->n, in->run->base[node->index], in->at, to);
    if (to != out) interp_cast(own, node->type)->run(b->n, &(struct columns){{to}, {1}}, out);
    return ERR_OK;
}

static enum err store(struct interp *in, const struct block *b, const struct nest_node *node)
{
    const struct nest_array *a = &in->nest->array[node->index];
    struct columns c = columns_of(in, node);
    const struct interp_op *canon = interp_canon(node->type);
    TRY(find_elements(in, b, node, 1));
    if (canon->run && node->value.i) {
        canon->run(b->n, &c, in->spare[0]);
        c = (struct columns){{in->spare[0]}, {1}};
    }
    interp_store(node->type, a->dtype, a->moves)->run(b->n, &c, in->run->base[node->index], in->at);
    return ERR_OK;
}

static void round_to(struct interp *in, const struct block *b, const struct nest_node *node,
                     void *out)
{
    struct columns c = columns_of(in, node);
    for (int64_t i = 0; i < b->n; i++) in->at[i] = i;
    interp_store(in->nest->node[node->arg[0]].type, node->dtype, false)
        ->run(b->n, &c, in->spare[0], in->at);
    interp_load(node->dtype, false)->run(b->n, in->spare[0], in->at, out);
}

static void set_value(enum nest_type type, double r, int64_t i, char *out)
{
    switch (type) {
    case NEST_F32: *(float *)out = (float)r; break;
    case NEST_F64: *(double *)out = r; break;
    case NEST_B: *(int32_t *)out = i != 0; break;
    case NEST_C64: memcpy(out, (float[2]){(float)r, 0}, 8); break;
    case NEST_C128: memcpy(out, (double[2]){r, 0}, 16); break;
    default: *(int64_t *)out = i; break;
    }
}

/* A value that is the same at all points of the block. */
static void fill(const struct block *b, const struct nest_node *node, double r, int64_t i,
                 char *out)
{
    size_t size = interp_size(node->type);
    for (int64_t k = 0; k < b->n; k++) set_value(node->type, r, i, out + (size_t)k * size);
}

static void coordinates(const struct interp *in, const struct block *b, int loop, int64_t *out)
{
    int64_t unit[NEST_LOOPS] = {0};
    unit[loop] = 1;
    walk(in, b, unit, 0, out);
}

static void linear(const struct interp *in, const struct block *b, int64_t *out)
{
    int64_t first = b->start;
    if (b->level == NEST_INNER) first += in->outer * nest_points(in->plan, true);
    for (int64_t i = 0; i < b->n; i++) out[i] = first + i;
}

static enum err evaluate(struct interp *in, const struct block *b, int i)
{
    const struct nest_node *node = &in->nest->node[i];
    const struct nest_plan *p = in->plan;
    struct columns c = columns_of(in, node);
    char *out = in->column[i];
    switch (node->kind) {
    case NEST_CONST: fill(b, node, node->value.r, node->value.i, out); break;
    case NEST_PARAM:
        fill(b, node, in->run->param[node->index].r, in->run->param[node->index].i, out);
        break;
    case NEST_COORD: coordinates(in, b, node->index, (int64_t *)out); break;
    case NEST_SIZE: fill(b, node, 0, p->size[node->index], out); break;
    case NEST_EXTENT: fill(b, node, 0, p->lie[node->index].index_size[node->value.i], out); break;
    case NEST_COUNT: fill(b, node, 0, nest_points(p, true), out); break;
    case NEST_LINEAR: linear(in, b, (int64_t *)out); break;
    case NEST_LOAD: return load(in, b, node, out);
    case NEST_CALL:
        interp_call(node->index, in->nest->node[node->arg[node->n_args - 1]].type)
            ->run(b->n, &c, out);
        break;
    case NEST_ROUND: round_to(in, b, node, out); break;
    case NEST_CAST:
        interp_cast(in->nest->node[node->arg[0]].type, node->type)->run(b->n, &c, out);
        break;
    case NEST_REDUCE: return interp_fold_push(in->state[i], b->n, &c);
    case NEST_SCAN: interp_scan_push(in->state[i], b->n, &c, out); break;
    case NEST_RANDOM:
        interp_random(node->index, node->type, &(struct random_key){in->run->seed, in->run->stream},
                      b->n, &c, out);
        break;
    case NEST_STORE: return store(in, b, node);
    }
    return ERR_OK;
}

/* What a pass over the inner space has to evaluate. */
static void need(struct interp *in, int pass)
{
    const struct nest *n = in->nest;
    for (int i = 0; i < n->n_nodes; i++)
        in->needed[i] = n->node[i].pass == pass &&
                        (n->node[i].kind == NEST_REDUCE ||
                         (n->node[i].kind == NEST_STORE && n->node[i].level == NEST_INNER));
    for (int i = n->n_nodes - 1; i >= 0; i--)
        for (int k = 0; in->needed[i] && k < n->node[i].n_args; k++)
            if (n->node[n->node[i].arg[k]].level == NEST_INNER)
                in->needed[n->node[i].arg[k]] = true;
}

static enum err pass_over(struct interp *in, int pass)
{
    const struct nest *n = in->nest;
    int64_t points = nest_points(in->plan, true);
    struct block b = {NEST_INNER, in->plan->n_outer, in->plan->n_inner, 0, 0, {0}};
    need(in, pass);
    for (int i = 0; i < n->n_nodes; i++) {
        const struct nest_node *node = &n->node[i];
        enum nest_type type = node->n_args ? n->node[node->arg[0]].type : node->type;
        if (in->needed[i] && node->kind == NEST_REDUCE)
            interp_fold_begin(in->state[i], (enum nest_fold)node->index, type);
        if (in->needed[i] && node->kind == NEST_SCAN)
            interp_scan_begin(in->state[i], (enum nest_fold)node->index, type);
    }
    for (; b.start < points; b.start += b.n) {
        b.n = points - b.start < in->block ? points - b.start : in->block;
        unravel(in->plan, b.first, b.n_loops, b.start, b.at);
        for (int i = 0; i < n->n_nodes; i++)
            if (in->needed[i]) TRY(evaluate(in, &b, i));
    }
    for (int i = 0; i < n->n_nodes; i++)
        if (in->needed[i] && n->node[i].kind == NEST_REDUCE)
            interp_fold_end(in->state[i], in->column[i]);
    return ERR_OK;
}

/* Outer nodes that can be evaluated once `pass` passes have ended, stores last of all. */
static enum err outer_nodes(struct interp *in, const struct block *b, int pass)
{
    const struct nest *n = in->nest;
    for (int i = 0; i < n->n_nodes; i++) {
        const struct nest_node *node = &n->node[i];
        bool stores = node->kind == NEST_STORE;
        bool now = stores ? pass == n->n_passes : node->pass == pass;
        if (node->level == NEST_OUTER && node->kind != NEST_REDUCE && now) TRY(evaluate(in, b, i));
    }
    return ERR_OK;
}

static enum err run_nested(struct interp *in)
{
    int64_t points = nest_points(in->plan, false);
    for (in->outer = 0; in->outer < points; in->outer++) {
        struct block b = {NEST_OUTER, 0, in->plan->n_outer, in->outer, 1, {0}};
        unravel(in->plan, 0, in->plan->n_outer, in->outer, b.at);
        memcpy(in->outer_at, b.at, sizeof b.at);
        for (int pass = 0; pass <= in->nest->n_passes; pass++) {
            TRY(outer_nodes(in, &b, pass));
            if (pass < in->nest->n_passes) TRY(pass_over(in, pass));
        }
    }
    return ERR_OK;
}

static enum err run_flat(struct interp *in)
{
    int64_t points = nest_points(in->plan, false);
    struct block b = {NEST_OUTER, 0, in->plan->n_outer, 0, 0, {0}};
    for (; b.start < points; b.start += b.n) {
        b.n = points - b.start < in->block ? points - b.start : in->block;
        unravel(in->plan, 0, b.n_loops, b.start, b.at);
        for (int i = 0; i < in->nest->n_nodes; i++) TRY(evaluate(in, &b, i));
    }
    return ERR_OK;
}

static bool folds(const struct nest *n)
{
    for (int i = 0; i < n->n_nodes; i++)
        if (n->node[i].kind == NEST_REDUCE || n->node[i].kind == NEST_SCAN) return true;
    return false;
}

static enum err prepare(struct interp *in)
{
    const struct nest *n = in->nest;
    int64_t points = nest_points(in->plan, n->n_inner > 0);
    size_t count = (size_t)n->n_nodes;
    in->block = points < INTERP_BLOCK ? points + (points == 0) : INTERP_BLOCK;
    if (n->serial && !folds(n)) in->block = 1;
    size_t column = ((size_t)in->block * VALUE_SIZE + 63) / 64 * 64;
    in->at = malloc((size_t)in->block * sizeof *in->at);
    in->room = aligned_alloc(64, (count + 2) * column);
    in->column = malloc(count * sizeof *in->column);
    in->needed = malloc(count * sizeof *in->needed);
    in->state = calloc(count, sizeof *in->state);
    bool ok = in->at && in->room && in->column && in->needed && in->state;
    for (size_t i = 0; ok && i < count; i++) {
        enum nest_node_kind kind = n->node[i].kind;
        in->column[i] = in->room + i * column;
        if (kind == NEST_REDUCE) in->state[i] = calloc(1, sizeof(struct interp_fold));
        if (kind == NEST_SCAN)
            in->state[i] = aligned_alloc(16, sizeof(struct interp_scan)); /* begun by each pass */
        ok = in->state[i] || (kind != NEST_REDUCE && kind != NEST_SCAN);
    }
    if (!ok) FAIL(ERR_NOMEM, "out of memory for interpreting a loop nest");
    for (size_t i = 0; i < 2; i++) in->spare[i] = in->room + (count + i) * column;
    return ERR_OK;
}

static void release(struct interp *in)
{
    for (int i = 0; in->state && i < in->nest->n_nodes; i++) {
        if (in->state[i] && in->nest->node[i].kind == NEST_REDUCE)
            interp_fold_release(in->state[i]);
        free(in->state[i]);
    }
    free(in->state);
    free(in->needed);
    free(in->column);
    free(in->room);
    free(in->at);
}

enum err nest_interpret(const struct nest_run *run)
{
    struct interp in = {.run = run, .nest = run->nest, .plan = run->plan};
    struct nest_float f = nest_float_begin();
    enum err err = prepare(&in);
    if (!err) err = in.nest->n_inner ? run_nested(&in) : run_flat(&in);
    release(&in);
    nest_float_end(f);
    return err;
}
