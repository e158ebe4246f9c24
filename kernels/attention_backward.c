/* attention_backward.c - the gradients of attention, by making the tiles of scores again.
 *
 * Napkin math. Keeping P would take n n numbers for each head; making it again costs three
 * products of a tile more (S for M and l, S and dP once more in the second half), so 8 instead of
 * the 5 that know P. The two halves keep every chain within one thread, without atomics:
 *
 *   for 64 queries   M, l and D again; over all keys  dq' = dq' + K' dS'         tiles keys x N
 *   for 64 keys      over all queries   dk' = dk' + q' dS,  dv' = dv' + do' P   tiles queries x N
 *
 * A tile is again the packed right operand of the products that use it.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/attention_plan.h"

struct backward {
    struct attention_plan plan;
    const struct attention_packed *k, *k_columns, *v;                   /* for dq */
    const struct attention_packed *q, *q_columns, *dout, *dout_columns; /* for dk and dv */
};

/* Chains in spans: `part` is the span being added to, `all` the spans before it. */
struct chains {
    char *part, *all;
    int64_t lanes;
    bool has_all;
};
struct group {
    int64_t first, n;
    char *a, *b;                                 /* packed: q and dout, or k and v */
    char *top, *sum, *span_top, *span_sum, *dot; /* of queries */
    struct chains x, y;                          /* dq; or dk and dv of one head */
    char *x_heads, *y_heads;                     /* of the heads before */
};
struct work {
    char *memory, *scores, *grads, *shift, *saved, *factor, *seen;
    struct group group[BLOCK];
    int n_groups;
};

static char *take(char **at, int64_t size)
{
    char *p = *at;
    *at += size;
    return p;
}
static bool work_init(const struct attention_plan *p, struct work *w, int64_t first, int64_t n)
{
    const struct attention *a = p->a;
    int64_t vector = p->width * p->size, tile = attention_rows(p, BLOCK) * vector;
    int64_t x = attention_rows(p, a->size) * vector, y = attention_rows(p, a->value_size) * vector;
    int64_t saved = x > y ? x : y, n_groups = gemm_ceil(n, p->width);
    int64_t group = (a->size + a->value_size + 5) * vector + 3 * x + 3 * y;
    int64_t size = 2 * tile + BLOCK * vector + saved + 2 * vector + n_groups * group;
    char *at = w->memory = aligned_alloc(64, (size_t)gemm_round_up(size, 64));
    if (!at) return false;
    w->scores = take(&at, tile), w->grads = take(&at, tile);
    w->shift = take(&at, BLOCK * vector), w->saved = take(&at, saved);
    w->factor = take(&at, vector), w->seen = take(&at, vector);
    w->n_groups = (int)n_groups;
    for (int i = 0; i < w->n_groups; i++) {
        struct group *g = &w->group[i];
        g->first = first + i * p->width;
        g->n = gemm_min(p->width, n - i * p->width);
        g->a = take(&at, a->size * vector), g->b = take(&at, a->value_size * vector);
        g->top = take(&at, vector), g->sum = take(&at, vector);
        g->span_top = take(&at, vector), g->span_sum = take(&at, vector);
        g->dot = take(&at, vector);
        g->x = (struct chains){take(&at, x), take(&at, x), a->size, false};
        g->y = (struct chains){take(&at, y), take(&at, y), a->value_size, false};
        g->x_heads = take(&at, x), g->y_heads = take(&at, y);
    }
    return true;
}

/* ---- chains ---- */

static size_t chains_size(const struct attention_plan *p, const struct chains *c)
{
    return (size_t)(attention_rows(p, c->lanes) * p->width * p->size);
}
static void chains_start(const struct attention_plan *p, struct chains *c)
{
    memset(c->part, 0, chains_size(p, c));
    c->has_all = false;
}
static void chains_end_span(const struct attention_plan *p, struct chains *c)
{
    if (c->has_all) {
        p->tile->add(c->all, c->part, attention_rows(p, c->lanes) * p->width);
    } else {
        char *t = c->part;
        c->part = c->all;
        c->all = t;
        c->has_all = true;
    }
    memset(c->part, 0, chains_size(p, c));
}

/* Lane by lane of the group into rows of the result. */
static void store(const struct attention_plan *p, const struct attention_place *at,
                  const struct group *g, const char *v, int64_t n, double scale,
                  const struct attention_result *to)
{
    union run run;
    for (int64_t i = 0; i < g->n && to->p; i++) {
        int64_t row = at->batch * to->batch + at->head * to->head + (g->first + i) * to->row;
        char *out = (char *)to->p + row * (int64_t)dtype_size(p->a->dtype);
        p->tile->multiply(v + i * p->size, n, scale, run.bytes);
        run_store(p->type, run.bytes, n, p->a->dtype, out, to->column);
    }
}

/* ---- queries: M, l, D and dq ---- */

static char *sums_of(const struct attention_plan *p, int64_t batch, int64_t head, int which)
{
    const struct attention *a = p->a;
    return p->sums + (((batch * a->n_heads + head) * 3 + which) * a->n_queries) * p->size;
}

static void start_sums(const struct attention_plan *p, char *top, char *sum)
{
    for (int64_t i = 0; i < p->width; i++) p->tile->hide(top + i * p->size);
    memset(sum, 0, (size_t)(p->width * p->size));
}

/* Scores of the group's queries with the keys at `at`, and what is added to them. */
static struct attention_tile scores(const struct backward *b, struct work *w, struct group *g,
                                    const struct attention_place *at)
{
    const struct attention_plan *p = &b->plan;
    const char *k =
        attention_block(b->k, at->batch, attention_key_head(p->a, at->head), at->key / BLOCK);
    attention_multiply(p, k, at->n_keys, p->a->size, g->a, false, w->scores);
    return (struct attention_tile){.scores = w->scores,
                                   .shift = attention_shift(p, at, w->shift),
                                   .n_rows = at->n_keys,
                                   .scale = p->scale,
                                   .factor = w->factor,
                                   .seen = w->seen};
}

static void end_sums_span(const struct attention_plan *p, struct group *g, bool is_first)
{
    struct attention_state all = {g->top, g->sum}, span = {g->span_top, g->span_sum};
    if (is_first) {
        memcpy(g->top, g->span_top, (size_t)(p->width * p->size));
        memcpy(g->sum, g->span_sum, (size_t)(p->width * p->size));
    } else p->tile->join(&all, NULL, &span, NULL, 0);
    start_sums(p, g->span_top, g->span_sum);
}
static void make_sums(const struct backward *b, struct work *w, struct group *g,
                      struct attention_place at)
{
    const struct attention_plan *p = &b->plan;
    struct attention_state state = {g->span_top, g->span_sum};
    start_sums(p, g->span_top, g->span_sum);
    for (at.key = 0; at.key < p->a->n_keys; at.key += BLOCK) {
        at.n_keys = gemm_min(BLOCK, p->a->n_keys - at.key);
        if (at.key && at.key % ATTENTION_SPAN == 0) end_sums_span(p, g, at.key == ATTENTION_SPAN);
        if (attention_is_future(p, &at)) continue;
        struct attention_tile tile = scores(b, w, g, &at);
        p->tile->forward(&tile, &state);
    }
    end_sums_span(p, g, p->a->n_keys <= ATTENTION_SPAN);
}

static void make_dots(const struct attention_plan *p, const struct attention_place *at,
                      struct group *g)
{
    const struct attention *a = p->a;
    const struct attention_array *dout = &p->g->out;
    int64_t size = (int64_t)dtype_size(a->dtype);
    union run x, y;
    memset(g->dot, 0, (size_t)(p->width * p->size));
    for (int64_t i = 0; i < g->n; i++) {
        int64_t q = g->first + i;
        int64_t to = at->batch * a->out.batch + at->head * a->out.head + q * a->out.row;
        int64_t from = at->batch * dout->batch + at->head * dout->head + q * dout->row;
        const void *o = run_load(a->dtype, (const char *)a->out.p + to * size, a->out.column,
                                 a->value_size, p->type, &x);
        const void *d = run_load(a->dtype, (const char *)dout->p + from * size, dout->column,
                                 a->value_size, p->type, &y);
        p->tile->dot(o, d, a->value_size, g->dot + i * p->size);
    }
}
static void keep_sums(const struct attention_plan *p, const struct attention_place *at,
                      const struct group *g)
{
    const char *from[] = {g->top, g->sum, g->dot};
    for (int i = 0; i < 3; i++)
        memcpy(sums_of(p, at->batch, at->head, i) + g->first * p->size, from[i],
               (size_t)(g->n * p->size));
}

static void add_to_query(const struct backward *b, struct work *w, struct group *g,
                         const struct attention_place *at)
{
    const struct attention_plan *p = &b->plan;
    int64_t head = attention_key_head(p->a, at->head), block = at->key / BLOCK;
    struct attention_tile tile = scores(b, w, g, at);
    attention_multiply(p, attention_block(b->v, at->batch, head, block), at->n_keys,
                       p->a->value_size, g->b, false, w->grads);
    tile.grads = w->grads, tile.top = g->top, tile.sum = g->sum, tile.dot = g->dot;
    p->tile->backward(&tile);
    attention_accumulate(p, attention_block(b->k_columns, at->batch, head, block), p->a->size,
                         at->n_keys, w->grads, w->seen, w->saved, g->x.part);
}

static void query_group(const struct backward *b, struct work *w, struct group *g,
                        struct attention_place at)
{
    const struct attention_plan *p = &b->plan;
    const struct attention *a = p->a;
    at.query = g->first, at.n_queries = g->n;
    attention_pack_rows(p, &a->q, at.batch, at.head, g->first, g->n, a->size, g->a);
    attention_pack_rows(p, &p->g->out, at.batch, at.head, g->first, g->n, a->value_size, g->b);
    make_sums(b, w, g, at);
    make_dots(p, &at, g);
    keep_sums(p, &at, g);
    chains_start(p, &g->x);
    for (at.key = 0; at.key < a->n_keys && p->g->q.p; at.key += BLOCK) {
        at.n_keys = gemm_min(BLOCK, a->n_keys - at.key);
        if (at.key && at.key % ATTENTION_SPAN == 0) chains_end_span(p, &g->x);
        if (!attention_is_future(p, &at)) add_to_query(b, w, g, &at);
    }
    chains_end_span(p, &g->x);
    store(p, &at, g, g->x.all, a->size, a->scale, &p->g->q);
}

static void queries_part(void *context, int64_t i)
{
    struct backward *b = context;
    struct attention_plan *p = &b->plan;
    const struct attention *a = p->a;
    int64_t first = i % p->n_query_blocks * BLOCK;
    struct attention_place at = {.batch = i / p->n_query_blocks / a->n_heads,
                                 .head = i / p->n_query_blocks % a->n_heads};
    struct work w;
    if (!work_init(p, &w, first, gemm_min(BLOCK, a->n_queries - first))) {
        atomic_store(&p->failed, true);
        return;
    }
    for (int g = 0; g < w.n_groups; g++) query_group(b, &w, &w.group[g], at);
    free(w.memory);
}

/* ---- keys: dk and dv ---- */

static void add_to_key(const struct backward *b, struct work *w, struct group *g,
                       const struct attention_place *at)
{
    const struct attention_plan *p = &b->plan;
    int64_t block = at->query / BLOCK, first = at->query * p->size;
    attention_multiply(p, attention_block(b->q, at->batch, at->head, block), at->n_queries,
                       p->a->size, g->a, false, w->scores);
    attention_multiply(p, attention_block(b->dout, at->batch, at->head, block), at->n_queries,
                       p->a->value_size, g->b, false, w->grads);
    p->tile->backward(&(struct attention_tile){
        .scores = w->scores,
        .shift = attention_shift(p, at, w->shift),
        .n_rows = at->n_queries,
        .scale = p->scale,
        .seen = w->seen,
        .grads = w->grads,
        .top = sums_of(p, at->batch, at->head, 0) + first,
        .sum = sums_of(p, at->batch, at->head, 1) + first,
        .dot = sums_of(p, at->batch, at->head, 2) + first,
        .by_rows = true,
    });
    attention_accumulate(p, attention_block(b->q_columns, at->batch, at->head, block), p->a->size,
                         at->n_queries, w->grads, w->seen, w->saved, g->x.part);
    attention_accumulate(p, attention_block(b->dout_columns, at->batch, at->head, block),
                         p->a->value_size, at->n_queries, w->scores, w->seen, w->saved, g->y.part);
}

/* One query head's share of the gradients, added to those of the heads before. */
static void add_head(const struct backward *b, struct work *w, struct group *g,
                     struct attention_place at, bool is_first)
{
    const struct attention_plan *p = &b->plan;
    chains_start(p, &g->x), chains_start(p, &g->y);
    for (at.query = 0; at.query < p->a->n_queries; at.query += BLOCK) {
        at.n_queries = gemm_min(BLOCK, p->a->n_queries - at.query);
        if (at.query && at.query % ATTENTION_SPAN == 0)
            chains_end_span(p, &g->x), chains_end_span(p, &g->y);
        if (!attention_is_future(p, &at)) add_to_key(b, w, g, &at);
    }
    chains_end_span(p, &g->x), chains_end_span(p, &g->y);
    if (is_first) {
        memcpy(g->x_heads, g->x.all, chains_size(p, &g->x));
        memcpy(g->y_heads, g->y.all, chains_size(p, &g->y));
        return;
    }
    p->tile->add(g->x_heads, g->x.all, attention_rows(p, g->x.lanes) * p->width);
    p->tile->add(g->y_heads, g->y.all, attention_rows(p, g->y.lanes) * p->width);
}

static void key_group(const struct backward *b, struct work *w, struct group *g, int64_t batch,
                      int64_t head)
{
    const struct attention_plan *p = &b->plan;
    const struct attention *a = p->a;
    int64_t n_shared = a->n_heads / a->n_kv_heads;
    struct attention_place at = {
        .batch = batch, .key = g->first, .n_keys = g->n, .rows_are_queries = true};
    attention_pack_rows(p, &a->k, batch, head, g->first, g->n, a->size, g->a);
    attention_pack_rows(p, &a->v, batch, head, g->first, g->n, a->value_size, g->b);
    for (int64_t i = 0; i < n_shared; i++) {
        at.head = head * n_shared + i;
        add_head(b, w, g, at, i == 0);
    }
    at.head = head;
    store(p, &at, g, g->x_heads, a->size, a->scale, &p->g->k);
    store(p, &at, g, g->y_heads, a->value_size, 1, &p->g->v);
}

static void keys_part(void *context, int64_t i)
{
    struct backward *b = context;
    struct attention_plan *p = &b->plan;
    const struct attention *a = p->a;
    int64_t first = i % p->n_key_blocks * BLOCK, head = i / p->n_key_blocks % a->n_kv_heads;
    int64_t batch = i / p->n_key_blocks / a->n_kv_heads;
    struct work w;
    if (!work_init(p, &w, first, gemm_min(BLOCK, a->n_keys - first))) {
        atomic_store(&p->failed, true);
        return;
    }
    for (int g = 0; g < w.n_groups; g++) key_group(b, &w, &w.group[g], batch, head);
    free(w.memory);
}

/* ---- the whole ---- */

static enum err pack_all(struct backward *b, const struct gemm_how *how)
{
    struct attention_plan *p = &b->plan;
    const struct attention *a = p->a;
    const struct attention_array *dout = &p->g->out;
    const struct {
        const struct attention_packed **to;
        struct attention_packed what;
    } all[] = {
        {&b->k, {&a->k, a->n_kv_heads, a->n_keys, a->size, false, NULL, 0}},
        {&b->k_columns, {&a->k, a->n_kv_heads, a->n_keys, a->size, true, NULL, 0}},
        {&b->v, {&a->v, a->n_kv_heads, a->n_keys, a->value_size, false, NULL, 0}},
        {&b->q, {&a->q, a->n_heads, a->n_queries, a->size, false, NULL, 0}},
        {&b->q_columns, {&a->q, a->n_heads, a->n_queries, a->size, true, NULL, 0}},
        {&b->dout, {dout, a->n_heads, a->n_queries, a->value_size, false, NULL, 0}},
        {&b->dout_columns, {dout, a->n_heads, a->n_queries, a->value_size, true, NULL, 0}},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        TRY(attention_pack(p, how, &all[i].what, all[i].to));
    int64_t n = a->n_batch * a->n_heads * a->n_queries;
    p->sums = malloc((size_t)(3 * n * p->size) + 1);
    if (!p->sums) FAIL(ERR_NOMEM, "no memory for attention's sums of %lld queries", (long long)n);
    return ERR_OK;
}

enum err attention_backward(const struct attention *a, const struct attention_grad *g,
                            const struct gemm_how *how)
{
    struct backward b;
    enum err err = ERR_OK;
    TRY(attention_plan_init(&b.plan, a, how));
    if (a->n_batch == 0 || a->n_heads == 0) return ERR_OK;
    b.plan.g = g;
    TRY_OUT(pack_all(&b, how));
    gemm_share(how, queries_part, &b, a->n_batch * a->n_heads * b.plan.n_query_blocks);
    if (g->k.p || g->v.p)
        gemm_share(how, keys_part, &b, a->n_batch * a->n_kv_heads * b.plan.n_key_blocks);
    if (atomic_load(&b.plan.failed)) err = err_set(ERR_NOMEM, "no memory for tiles of attention");
out:
    attention_plan_release(&b.plan);
    return err;
}
