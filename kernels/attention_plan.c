/* attention_plan.c - packs operands for attention, and makes the masks of its tiles. */
#include "kernels/attention_plan.h"

#include <stdlib.h>
#include <string.h>

/* ---- the plan ---- */

static enum err check(const struct attention *a)
{
    if (a->dtype != DTYPE_F32 && a->dtype != DTYPE_F64 && a->dtype != DTYPE_F16 &&
        a->dtype != DTYPE_BF16)
        FAIL(ERR_UNSUPPORTED, "attention of %s: f32, f64, f16 and bf16 are accepted",
             dtype_name(a->dtype));
    if (a->size > RUN || a->value_size > RUN)
        FAIL(ERR_UNSUPPORTED,
             "attention with heads of %lld and %lld columns: at most %d are accepted",
             (long long)a->size, (long long)a->value_size, RUN);
    return ERR_OK;
}

enum err attention_plan_init(struct attention_plan *p, const struct attention *a,
                             const struct gemm_how *how)
{
    static const struct attention_kernel *const tiles[GEMM_N_ISAS] = {
        [GEMM_SCALAR] = attention_scalar,
#ifdef __x86_64__
        [GEMM_AVX2] = attention_avx2,
        [GEMM_AVX512] = attention_avx512,
#endif
    };
    int isa = how ? (int)how->isa : (int)gemm_isa_best();
    TRY(check(a));
    while (isa && !gemm_isa_present((enum gemm_isa)isa)) isa--;
    *p = (struct attention_plan){.a = a, .acc = gemm_acc_of(a->dtype)};
    p->product = gemm_kernel_of((enum gemm_isa)isa, p->acc);
    p->tile = tiles[isa] + p->acc;
    p->type = gemm_acc_dtype(p->acc);
    p->size = (int64_t)dtype_size(p->type);
    p->width = p->product->columns;
    p->scale = a->scale * 0x1.71547652b82fep+0;
    if (p->type == DTYPE_F32) p->scale = (float)p->scale;
    p->n_query_blocks = gemm_ceil(a->n_queries, BLOCK);
    p->n_key_blocks = gemm_ceil(a->n_keys, BLOCK);
    return ERR_OK;
}
void attention_plan_release(struct attention_plan *p)
{
    for (int i = 0; i < p->n_packed; i++) free(p->packed[i].p);
    free(p->sums);
}

/* ---- packing ---- */

static const char *element(const struct attention_plan *p, const struct attention_array *x,
                           int64_t batch, int64_t head, int64_t row)
{
    int64_t at = batch * x->batch + head * x->head + row * x->row;
    return (const char *)x->p + at * (int64_t)dtype_size(p->a->dtype);
}

const char *attention_block(const struct attention_packed *x, int64_t batch, int64_t head,
                            int64_t block)
{
    int64_t n = gemm_ceil(x->n_rows, BLOCK);
    return x->p + (size_t)((batch * x->n_heads + head) * n + block) * x->block_size;
}

struct packing {
    const struct attention_plan *p;
    const struct attention_packed *x;
};
static void pack_part(void *context, int64_t i)
{
    const struct attention_plan *p = ((struct packing *)context)->p;
    const struct attention_packed *x = ((struct packing *)context)->x;
    int64_t n_blocks = gemm_ceil(x->n_rows, BLOCK), block = i % n_blocks;
    int64_t head = i / n_blocks % x->n_heads, batch = i / n_blocks / x->n_heads;
    int64_t n = gemm_min(BLOCK, x->n_rows - block * BLOCK);
    struct gemm_lanes lanes = {element(p, x->from, batch, head, block * BLOCK), p->a->dtype,
                               x->from->row, x->from->column, false};
    if (x->by_columns) lanes.lane_stride = x->from->column, lanes.k_stride = x->from->row;
    gemm_pack(&lanes, p->acc, x->by_columns ? x->n_columns : n, x->by_columns ? n : x->n_columns,
              p->product->rows, x->p + (size_t)i * x->block_size);
}

enum err attention_pack(struct attention_plan *p, const struct gemm_how *how,
                        const struct attention_packed *what, const struct attention_packed **out)
{
    struct attention_packed *x = &p->packed[p->n_packed];
    *x = *what;
    int64_t n = p->a->n_batch * x->n_heads * gemm_ceil(x->n_rows, BLOCK);
    int64_t numbers = x->by_columns ? attention_rows(p, x->n_columns) * BLOCK
                                    : attention_rows(p, BLOCK) * x->n_columns;
    x->block_size = (size_t)gemm_round_up(numbers * p->size, 64);
    x->p = aligned_alloc(64, (size_t)n * x->block_size + 64);
    if (!x->p)
        FAIL(ERR_NOMEM, "no memory to pack %lld blocks of attention's operands", (long long)n);
    p->n_packed++;
    gemm_share(how, pack_part, &(struct packing){p, x}, n);
    *out = x;
    return ERR_OK;
}

void attention_pack_rows(const struct attention_plan *p, const struct attention_array *x,
                         int64_t batch, int64_t head, int64_t first, int64_t n, int64_t columns,
                         void *out)
{
    struct gemm_lanes lanes = {element(p, x, batch, head, first), p->a->dtype, x->row, x->column,
                               false};
    gemm_pack(&lanes, p->acc, n, columns, (int)p->width, out);
}

/* ---- masks ---- */

static void load_bias(const struct attention_plan *p, const struct attention_place *at, char *room)
{
    const struct attention *a = p->a;
    int64_t n_rows = at->rows_are_queries ? at->n_queries : at->n_keys;
    int64_t n = at->rows_are_queries ? at->n_keys : at->n_queries;
    int64_t row = at->rows_are_queries ? a->bias.row : a->bias.column;
    int64_t column = at->rows_are_queries ? a->bias.column : a->bias.row;
    int64_t first = at->batch * a->bias.batch + at->head * a->bias.head + at->query * a->bias.row +
                    at->key * a->bias.column;
    union run run;
    for (int64_t r = 0; r < n_rows; r++) {
        const char *from =
            (const char *)a->bias.p + (first + r * row) * (int64_t)dtype_size(a->bias_dtype);
        const void *v = run_load(a->bias_dtype, from, column, n, p->type, &run);
        char *to = room + r * p->width * p->size;
        memcpy(to, v, (size_t)(n * p->size));
        p->tile->shift(to, n, a->bias_dtype == DTYPE_B8);
    }
}
static void hide_future(const struct attention_plan *p, const struct attention_place *at,
                        char *room)
{
    for (int64_t q = 0; q < at->n_queries; q++)
        for (int64_t k = 0; k < at->n_keys; k++) {
            int64_t i = at->rows_are_queries ? q * p->width + k : k * p->width + q;
            if (at->key + k > at->query + q) p->tile->hide(room + i * p->size);
        }
}

const void *attention_shift(const struct attention_plan *p, const struct attention_place *at,
                            void *room)
{
    bool crosses = p->a->causal && at->key + at->n_keys - 1 > at->query;
    if (!p->a->bias.p && !crosses) return NULL;
    memset(room, 0, (size_t)(BLOCK * p->width * p->size));
    if (p->a->bias.p) load_bias(p, at, room);
    if (crosses) hide_future(p, at, room);
    return room;
}

/* ---- products ---- */

void attention_multiply(const struct attention_plan *p, const void *a, int64_t lanes, int64_t k,
                        const void *b, bool go_on, void *c)
{
    p->product->block(
        &(struct gemm_block){a, b, c, p->width, gemm_ceil(lanes, p->product->rows), 1, k, go_on});
}

static bool is_zero(const void *p, int64_t size)
{
    static const char zero[8];
    return memcmp(p, zero, (size_t)size) == 0;
}

void attention_accumulate(const struct attention_plan *p, const void *a, int64_t lanes, int64_t k,
                          const void *b, const void *seen, void *room, void *c)
{
    int64_t n_seen = 0, n_rows = attention_rows(p, lanes);
    for (int64_t i = 0; i < p->width; i++)
        n_seen += !is_zero((const char *)seen + i * p->size, p->size);
    if (n_seen == 0) return;
    if (n_seen < p->width) memcpy(room, c, (size_t)(n_rows * p->width * p->size));
    attention_multiply(p, a, lanes, k, b, true, c);
    for (int64_t i = 0; i < p->width && n_seen < p->width; i++)
        for (int64_t r = 0; r < n_rows && is_zero((const char *)seen + i * p->size, p->size); r++)
            memcpy((char *)c + (r * p->width + i) * p->size,
                   (char *)room + (r * p->width + i) * p->size, (size_t)p->size);
}
