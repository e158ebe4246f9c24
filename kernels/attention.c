/* attention.c - the forward pass, tile by tile, without ever holding all scores.
 *
 * Napkin math. n queries and keys of d columns take 4 n n d operations and n n exponentials; the
 * scores alone, n n numbers, would be written and read several times. Here a tile of 64 keys and
 * one vector group of queries lives in the first cache (64 x 16 f32: 4 KiB) from the product that
 * makes it to the product that uses it:
 *
 *     S' = K Q'        64 keys x N queries; K packed once for the call, Q' once for these queries
 *     p  = 2^(...)     down the columns, N queries at a time (attention_tile.h)
 *     O' = O' + V' p   the tile is already the packed right operand
 *
 * Everything is transposed, so that no tile ever has to be. 64 queries share each block of K and V
 * while it is in the second cache. Queries are shared among threads; a query's bits depend on its
 * own keys alone.
 */
#include "kernels/attention_plan.h"

#include <stdlib.h>
#include <string.h>

/* One group of N queries. */
struct group {
    int64_t first, n;
    char *q;                         /* packed */
    char *top, *sum, *o;             /* of the span; o is [value_size][N] */
    char *all_top, *all_sum, *all_o; /* of all spans before */
};
struct forward {
    const struct attention_packed *k, *v;
    struct attention_plan plan;
};
struct work {
    char *memory, *scores, *shift, *saved, *factor, *seen;
    struct group group[BLOCK];
    int n_groups;
};

static bool work_init(const struct attention_plan *p, struct work *w, int64_t first, int64_t n)
{
    const struct attention *a = p->a;
    int64_t vector = p->width * p->size, o_rows = attention_rows(p, a->value_size) + 1;
    int64_t n_groups = gemm_ceil(n, p->width);
    int64_t rows =
        attention_rows(p, BLOCK) + BLOCK + o_rows + 2 + n_groups * (a->size + 2 * o_rows + 4);
    char *at = w->memory = aligned_alloc(64, (size_t)gemm_round_up(rows * vector, 64));
    if (!at) return false;
#define TAKE(member, n_rows) (member = at, at += (n_rows)*vector)
    TAKE(w->scores, attention_rows(p, BLOCK));
    TAKE(w->shift, BLOCK);
    TAKE(w->saved, o_rows);
    TAKE(w->factor, 1);
    TAKE(w->seen, 1);
    w->n_groups = (int)n_groups;
    for (int i = 0; i < w->n_groups; i++) {
        struct group *g = &w->group[i];
        g->first = first + i * p->width;
        g->n = gemm_min(p->width, n - i * p->width);
        TAKE(g->q, a->size);
        TAKE(g->top, 1), TAKE(g->sum, 1), TAKE(g->o, o_rows);
        TAKE(g->all_top, 1), TAKE(g->all_sum, 1), TAKE(g->all_o, o_rows);
    }
#undef TAKE
    return true;
}

static void start(const struct attention_plan *p, char *top, char *sum, char *o)
{
    int64_t vector = p->width * p->size;
    for (int64_t i = 0; i < p->width; i++) p->tile->hide(top + i * p->size);
    memset(sum, 0, (size_t)vector);
    memset(o, 0, (size_t)(attention_rows(p, p->a->value_size) * vector));
}

static void add_keys(const struct forward *f, struct work *w, struct group *g,
                     const struct attention_place *block)
{
    const struct attention_plan *p = &f->plan;
    struct attention_place at = *block;
    struct attention_state state = {g->top, g->sum};
    int64_t head = attention_key_head(p->a, at.head), i = at.key / BLOCK;
    at.query = g->first, at.n_queries = g->n;
    if (attention_is_future(p, &at)) return;
    attention_multiply(p, attention_block(f->k, at.batch, head, i), at.n_keys, p->a->size, g->q,
                       false, w->scores);
    p->tile->forward(&(struct attention_tile){.scores = w->scores,
                                              .shift = attention_shift(p, &at, w->shift),
                                              .n_rows = at.n_keys,
                                              .scale = p->scale,
                                              .factor = w->factor,
                                              .seen = w->seen},
                     &state);
    p->tile->rescale(g->o, p->a->value_size, w->factor);
    attention_accumulate(p, attention_block(f->v, at.batch, head, i), p->a->value_size, at.n_keys,
                         w->scores, w->seen, w->saved, g->o);
}

/* The first span is what there is; later ones are joined to it. */
static void swap(char **a, char **b)
{
    char *t = *a;
    *a = *b;
    *b = t;
}
static void end_span(const struct attention_plan *p, struct group *g, bool is_first)
{
    if (is_first) {
        swap(&g->top, &g->all_top), swap(&g->sum, &g->all_sum), swap(&g->o, &g->all_o);
    } else {
        struct attention_state all = {g->all_top, g->all_sum}, span = {g->top, g->sum};
        p->tile->join(&all, g->all_o, &span, g->o, p->a->value_size);
    }
    start(p, g->top, g->sum, g->o);
}

static void store(const struct attention_plan *p, const struct attention_place *at,
                  const struct group *g)
{
    const struct attention *a = p->a;
    const struct attention_result *out = &a->out;
    union run run;
    for (int64_t q = 0; q < g->n; q++) {
        int64_t row = at->batch * out->batch + at->head * out->head + (g->first + q) * out->row;
        char *to = (char *)out->p + row * (int64_t)dtype_size(a->dtype);
        const char *sum = g->all_sum + q * p->size, *top = g->all_top + q * p->size;
        p->tile->divide(g->all_o + q * p->size, a->value_size, sum, run.bytes);
        run_store(p->type, run.bytes, a->value_size, a->dtype, to, out->column);
        int64_t i = (at->batch * a->n_heads + at->head) * a->n_queries + g->first + q;
        if (a->logsumexp) p->tile->logsumexp(top, sum, (char *)a->logsumexp + i * p->size);
    }
}

/* 64 queries of a head. */
static void forward_part(void *context, int64_t i)
{
    struct forward *f = context;
    struct attention_plan *p = &f->plan;
    const struct attention *a = p->a;
    int64_t first = i % p->n_query_blocks * BLOCK, n = gemm_min(BLOCK, a->n_queries - first);
    struct attention_place at = {.batch = i / p->n_query_blocks / a->n_heads,
                                 .head = i / p->n_query_blocks % a->n_heads};
    struct work w;
    if (!work_init(p, &w, first, n)) {
        atomic_store(&p->failed, true);
        return;
    }
    for (int g = 0; g < w.n_groups; g++) {
        struct group *x = &w.group[g];
        attention_pack_rows(p, &a->q, at.batch, at.head, x->first, x->n, a->size, x->q);
        start(p, x->top, x->sum, x->o);
    }
    for (at.key = 0; at.key < a->n_keys; at.key += BLOCK) {
        at.n_keys = gemm_min(BLOCK, a->n_keys - at.key);
        for (int g = 0; g < w.n_groups; g++) {
            struct group *x = &w.group[g];
            if (at.key && at.key % ATTENTION_SPAN == 0) end_span(p, x, at.key == ATTENTION_SPAN);
            add_keys(f, &w, x, &at);
        }
    }
    for (int g = 0; g < w.n_groups; g++) {
        struct group *x = &w.group[g];
        end_span(p, x, a->n_keys <= ATTENTION_SPAN);
        store(p, &at, x);
    }
    free(w.memory);
}

enum err attention_forward(const struct attention *a, const struct gemm_how *how)
{
    struct forward f;
    enum err err = ERR_OK;
    TRY(attention_plan_init(&f.plan, a, how));
    if (a->n_batch == 0 || a->n_heads == 0 || a->n_queries == 0) return ERR_OK;
    TRY_OUT(attention_pack(
        &f.plan, how,
        &(struct attention_packed){&a->k, a->n_kv_heads, a->n_keys, a->size, false, NULL, 0},
        &f.k));
    TRY_OUT(attention_pack(
        &f.plan, how,
        &(struct attention_packed){&a->v, a->n_kv_heads, a->n_keys, a->value_size, true, NULL, 0},
        &f.v));
    gemm_share(how, forward_part, &f, a->n_batch * a->n_heads * f.plan.n_query_blocks);
    if (atomic_load(&f.plan.failed)) err = err_set(ERR_NOMEM, "no memory for tiles of attention");
out:
    attention_plan_release(&f.plan);
    return err;
}
