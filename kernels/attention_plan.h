/* attention_plan.h - what the forward and the backward pass of attention share: packed operands and
 * tiles of scores. */
#ifndef KERNELS_ATTENTION_PLAN_H
#define KERNELS_ATTENTION_PLAN_H

#include <stdatomic.h>

#include "kernels/attention_kernel.h"
#include "kernels/gemm_tiles.h"
#include "kernels/run.h"

enum { BLOCK = ATTENTION_BLOCK };

/* An array packed once for the whole call: for each batch, head and block of 64 rows, the groups of
 * a product's left operand. */
struct attention_packed {
    const struct attention_array *from;
    int64_t n_heads, n_rows, n_columns;
    bool by_columns; /* lanes are columns and k are rows; else lanes are rows and k columns */
    char *p;
    size_t block_size; /* bytes */
};
struct attention_plan {
    const struct attention *a;
    const struct attention_grad *g;
    const struct gemm_kernel *product;
    const struct attention_kernel *tile;
    enum gemm_acc acc;
    enum dtype type;
    int64_t size;  /* bytes of a number of that type */
    int64_t width; /* columns of a tile: product->columns */
    double scale;  /* c */
    int64_t n_query_blocks, n_key_blocks;
    struct attention_packed packed[8];
    int n_packed;
    char *sums; /* backward: M, l and D of each query */
    atomic_bool failed;
};

/* ERR_UNSUPPORTED for dtypes and sizes that are not served. */
enum err attention_plan_init(struct attention_plan *p, const struct attention *a,
                             const struct gemm_how *how);
/* Packs all blocks; the result belongs to the plan. */
enum err attention_pack(struct attention_plan *p, const struct gemm_how *how,
                        const struct attention_packed *what, const struct attention_packed **out);
void attention_plan_release(struct attention_plan *p);

const char *attention_block(const struct attention_packed *x, int64_t batch, int64_t head,
                            int64_t block);
/* Rows [first, first + n) as the right operand of a product: lanes are rows, n at most `width`. */
void attention_pack_rows(const struct attention_plan *p, const struct attention_array *x,
                         int64_t batch, int64_t head, int64_t first, int64_t n, int64_t columns,
                         void *out);

/* Where a tile of scores lies. */
struct attention_place {
    int64_t batch, head;
    int64_t query, n_queries, key, n_keys; /* first and number */
    bool rows_are_queries;
};
/* What is added to the scores there: `room` filled, or NULL when nothing is. */
const void *attention_shift(const struct attention_plan *p, const struct attention_place *at,
                            void *room);
/* Whether no query there sees any key for being before it. */
static inline bool attention_is_future(const struct attention_plan *p,
                                       const struct attention_place *at)
{
    return p->a->causal && at->key > at->query + at->n_queries - 1;
}

/* c = (go_on: c +) a b, for the tile's columns. */
void attention_multiply(const struct attention_plan *p, const void *a, int64_t lanes, int64_t k,
                        const void *b, bool go_on, void *c);
/* The same into `c` with go_on, but columns that no one sees keep what they are. `room`: as c. */
void attention_accumulate(const struct attention_plan *p, const void *a, int64_t lanes, int64_t k,
                          const void *b, const void *seen, void *room, void *c);

static inline int64_t attention_rows(const struct attention_plan *p, int64_t n)
{
    return gemm_round_up(n, p->product->rows);
}
static inline int64_t attention_key_head(const struct attention *a, int64_t head)
{
    return head / (a->n_heads / a->n_kv_heads);
}

#endif
