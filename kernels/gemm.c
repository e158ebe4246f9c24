/* gemm.c - the exact product: in-order chains over k, as fast as a blocked BLAS.
 *
 * Napkin math. 2 m n k operations over m k + k n + m n numbers: at 1024 cubed 170 operations for
 * each byte, so a product of large matrices is bound by arithmetic if every number that comes from
 * memory is used often enough on its way up:
 *
 *     registers   a tile of the result, 6 x 16 (AVX2): each loaded number serves 6 or 16 fma
 *     L1          one group of B: 16 columns x 256 k, 16 KiB
 *     L2          a block of A: 192 rows x 256 k, 192 KiB
 *     L3          a block of B: 512 columns x 256 k, 512 KiB, used by all rows of the tile
 *
 *     for each tile of the result (384 x 512)                    threads share these
 *         for each span of 4096 in k                             partial results
 *             for each 256 of k                                  the accumulators go to memory
 *                 pack the block of B; for each 192 rows pack the block of A
 *                     for each group of B, for each group of A: the inner loop
 *
 * Cutting k stores the accumulators and loads them back, which is exact; so bits depend on the
 * spans alone, and these are the definition. A product with few tiles and many spans, such as
 * 64 x 64 x 65536, gives each span to a thread and adds the partial results in order.
 */
#include "kernels/gemm_tiles.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_K = 256, /* at most RUN */
    BLOCK_ROWS = 192,
    FEW_TILES = 16,                  /* below, spans are shared among threads */
    NARROW = 4,                      /* columns of a result that is made transposed */
    MOST_PARTIAL = 64 * 1024 * 1024, /* bytes of partial results */
    PART_OPERATIONS = 512 * 1024,    /* fma that are worth a thread's waking */
};

struct product {
    const struct gemm *g;
    const struct gemm_how *how;
    const struct gemm_kernel *kernel;
    enum gemm_acc acc;
    struct gemm_tiles tiles;
    int64_t n_spans;               /* 0 when there is nothing to add up */
    int64_t acc_row;               /* reals of a padded row of a tile */
    size_t a_size, b_size, c_size; /* bytes of the blocks and of a padded tile */
    char *partial;                 /* c_size for each tile and span, or NULL */
    atomic_bool failed;
};

/* ---- tiles ---- */

/* The smallest number of equal pieces no larger than `most`, in whole groups. */
static int64_t piece(int64_t n, int64_t most, int group)
{
    most = most / group * group;
    return n ? gemm_round_up(gemm_ceil(n, gemm_ceil(n, most)), group) : group;
}

struct gemm_tiles gemm_tiles_of(const struct gemm *g, int rows, int columns)
{
    struct gemm_tiles t;
    t.rows = piece(g->m, GEMM_TILE_ROWS, rows);
    t.columns = piece(g->n, GEMM_TILE_COLUMNS, columns);
    t.n_rows = gemm_ceil(g->m, t.rows);
    t.n_columns = gemm_ceil(g->n, t.columns);
    t.n = g->n_batch * t.n_rows * t.n_columns;
    int64_t k = gemm_min(g->k, PART_OPERATIONS) + 1; /* cut, so that the product fits */
    int64_t fma = gemm_min(t.rows, g->m) * gemm_min(t.columns, g->n) * k;
    t.per_part = fma >= PART_OPERATIONS || fma <= 0 ? 1 : gemm_ceil(PART_OPERATIONS, fma);
    return t;
}

struct gemm_part gemm_tile(const struct gemm *g, const struct gemm_tiles *t, int64_t i)
{
    struct gemm_part p = {.batch = i / (t->n_rows * t->n_columns)};
    int64_t in_matrix = i % (t->n_rows * t->n_columns);
    p.row = in_matrix / t->n_columns * t->rows;
    p.column = in_matrix % t->n_columns * t->columns;
    p.rows = gemm_min(t->rows, g->m - p.row);
    p.columns = gemm_min(t->columns, g->n - p.column);
    return p;
}

void gemm_share(const struct gemm_how *how, void (*part)(void *, int64_t), void *context, int64_t n)
{
    if (how && how->split && n > 1) how->split(how->pool, part, context, n);
    else
        for (int64_t i = 0; i < n; i++) part(context, i);
}

void gemm_finish(const struct gemm *g, const struct gemm_how *how, const struct gemm_part *part,
                 void *acc, int64_t acc_row, int group)
{
    const struct gemm_done *done = how ? how->done : NULL;
    struct gemm to = *g;
    int64_t size = (int64_t)dtype_size(g->out);
    if (done && done->only) {
        to.row = part->columns; /* rows close up: each is read before one is written over it */
        to.column = 1;
        to.batch = 0;
        to.result = (char *)acc - (part->row * to.row + part->column) * size;
    }
    gemm_store(&to, part, acc, acc_row, group);
    if (!done) return;
    int64_t at = part->batch * to.batch + part->row * to.row + part->column;
    done->take(done->context,
               &(struct gemm_done_tile){part->batch, part->row, part->column, part->rows,
                                        part->columns, (char *)to.result + at * size, to.row});
}

/* ---- instruction sets ---- */

bool gemm_isa_present(enum gemm_isa isa)
{
#ifdef __x86_64__
    if (isa == GEMM_AVX2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (isa == GEMM_AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
#endif
    return isa == GEMM_SCALAR;
}
enum gemm_isa gemm_isa_best(void)
{
    int isa = GEMM_N_ISAS - 1;
    while (!gemm_isa_present((enum gemm_isa)isa)) isa--;
    return (enum gemm_isa)isa;
}
const struct gemm_kernel *gemm_kernel_of(enum gemm_isa isa, enum gemm_acc acc)
{
    static const struct gemm_kernel *const tables[GEMM_N_ISAS] = {
        [GEMM_SCALAR] = gemm_scalar,
#ifdef __x86_64__
        [GEMM_AVX2] = gemm_avx2,
        [GEMM_AVX512] = gemm_avx512,
#endif
    };
    int which = isa;
    while (which && !gemm_isa_present((enum gemm_isa)which)) which--;
    return tables[which] + acc;
}

/* ---- one tile ---- */

static const void *element(enum dtype t, const void *p, int64_t at)
{
    return (const char *)p + at * (int64_t)dtype_size(t);
}
static struct gemm_lanes rows_of_a(const struct gemm *g, int64_t batch, int64_t row, int64_t k)
{
    int64_t at = batch * g->a.batch + row * g->a.row + k * g->a.column;
    return (struct gemm_lanes){element(g->in, g->a.p, at), g->in, g->a.row, g->a.column, g->a.conj};
}
static struct gemm_lanes columns_of_b(const struct gemm *g, int64_t batch, int64_t k,
                                      int64_t column)
{
    int64_t at = batch * g->b.batch + k * g->b.row + column * g->b.column;
    return (struct gemm_lanes){element(g->in, g->b.p, at), g->in, g->b.column, g->b.row, g->b.conj};
}

/* Where a thread packs, and the tile that it fills. */
struct work {
    char *a, *b, *c, *span;
};

/* Columns that need no packing of b: whole groups of the kernel for few rows. */
static int64_t direct_columns(const struct product *p, const struct gemm_part *part)
{
    const struct gemm *g = p->g;
    bool can = p->kernel->few_rows && part->rows <= GEMM_FEW && g->b.column == 1 &&
               g->in == gemm_acc_dtype(p->acc);
    return can ? part->columns / p->kernel->columns * p->kernel->columns : 0;
}

static void add_block(const struct product *p, const struct gemm_part *part, struct work *w,
                      void *c, int64_t k0, int64_t k, bool go_on)
{
    const struct gemm_kernel *kernel = p->kernel;
    int64_t real = (int64_t)dtype_size(gemm_acc_dtype(p->acc)) / gemm_acc_parts(p->acc);
    int64_t direct = direct_columns(p, part), packed = part->columns - direct;
    int64_t block_rows = BLOCK_ROWS / kernel->rows * kernel->rows;
    struct gemm_lanes b = columns_of_b(p->g, part->batch, k0, part->column);
    struct gemm_lanes rest = columns_of_b(p->g, part->batch, k0, part->column + direct);
    if (packed) gemm_pack(&rest, p->acc, packed, k, kernel->columns, w->b);
    for (int64_t i = 0; i < part->rows; i += block_rows) {
        int64_t rows = gemm_min(block_rows, part->rows - i);
        struct gemm_lanes a = rows_of_a(p->g, part->batch, part->row + i, k0);
        char *at = (char *)c + i * p->acc_row * real;
        gemm_pack(&a, p->acc, rows, k, kernel->rows, w->a);
        if (direct)
            kernel->few_rows(
                &(struct gemm_few){w->a, b.p, p->g->b.row, at, p->acc_row, rows, direct, k, go_on});
        if (packed)
            kernel->block(&(struct gemm_block){w->a, w->b, at + direct * real, p->acc_row,
                                               gemm_ceil(rows, kernel->rows),
                                               gemm_ceil(packed, kernel->columns), k, go_on});
    }
}

static void add_span(const struct product *p, const struct gemm_part *part, struct work *w, void *c,
                     int64_t span)
{
    int64_t first = span * GEMM_SPAN, end = gemm_min(first + GEMM_SPAN, p->g->k);
    for (int64_t k = first; k < end; k += BLOCK_K)
        add_block(p, part, w, c, k, gemm_min(BLOCK_K, end - k), k > first);
}

#define JOIN_SPAN(type)                                                                            \
    static void join_span_##type(type *c, const type *span, size_t n)                              \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) c[i] = c[i] + span[i];                                      \
    }
JOIN_SPAN(float)
JOIN_SPAN(double)
static void join_span(const struct product *p, void *c, const void *span)
{
    if (p->acc == GEMM_F64 || p->acc == GEMM_C128)
        join_span_double(c, span, p->c_size / sizeof(double));
    else join_span_float(c, span, p->c_size / sizeof(float));
}

static bool work_init(const struct product *p, struct work *w)
{
    size_t size = p->a_size + p->b_size + (p->n_spans > 1 ? 2 : 1) * p->c_size;
    w->a = aligned_alloc(64, size);
    w->b = w->a + p->a_size;
    w->c = w->b + p->b_size;
    w->span = w->c + p->c_size;
    return w->a;
}

/* ---- shares of threads ---- */

static void tiles_part(void *context, int64_t i)
{
    struct product *p = context;
    struct work w;
    int64_t end = gemm_min((i + 1) * p->tiles.per_part, p->tiles.n);
    if (!work_init(p, &w)) {
        atomic_store(&p->failed, true);
        return;
    }
    for (int64_t t = i * p->tiles.per_part; t < end; t++) {
        struct gemm_part part = gemm_tile(p->g, &p->tiles, t);
        if (p->n_spans == 0) memset(w.c, 0, p->c_size);
        for (int64_t s = 0; s < p->n_spans; s++) {
            add_span(p, &part, &w, s ? w.span : w.c, s);
            if (s) join_span(p, w.c, w.span);
        }
        gemm_finish(p->g, p->how, &part, w.c, p->acc_row, p->kernel->columns);
    }
    free(w.a);
}

static void span_part(void *context, int64_t i)
{
    struct product *p = context;
    struct gemm_part part = gemm_tile(p->g, &p->tiles, i / p->n_spans);
    struct work w;
    if (!work_init(p, &w)) {
        atomic_store(&p->failed, true);
        return;
    }
    add_span(p, &part, &w, p->partial + (size_t)i * p->c_size, i % p->n_spans);
    free(w.a);
}
static void join_part(void *context, int64_t i)
{
    struct product *p = context;
    struct gemm_part part = gemm_tile(p->g, &p->tiles, i);
    char *c = p->partial + (size_t)(i * p->n_spans) * p->c_size;
    for (int64_t s = 1; s < p->n_spans; s++) join_span(p, c, c + (size_t)s * p->c_size);
    gemm_finish(p->g, p->how, &part, c, p->acc_row, p->kernel->columns);
}

/* ---- the whole ---- */

static void product_init(struct product *p, const struct gemm *g, const struct gemm_how *how)
{
    enum gemm_acc acc = gemm_acc_of(g->in);
    const struct gemm_kernel *kernel = gemm_kernel_of(how ? how->isa : gemm_isa_best(), acc);
    size_t size = dtype_size(gemm_acc_dtype(acc));
    int64_t k = gemm_min(g->k, BLOCK_K);
    *p = (struct product){.g = g, .how = how, .kernel = kernel, .acc = acc};
    p->tiles = gemm_tiles_of(g, kernel->rows, kernel->columns);
    p->n_spans = g->alpha == 0 ? 0 : gemm_ceil(g->k, GEMM_SPAN);
    p->acc_row = p->tiles.columns * gemm_acc_parts(acc);
    int64_t block = gemm_min(p->tiles.rows, BLOCK_ROWS / kernel->rows * kernel->rows);
    p->a_size = (size_t)gemm_round_up(block * k * (int64_t)size, 64);
    p->b_size = (size_t)gemm_round_up(p->tiles.columns * k * (int64_t)size, 64);
    p->c_size = (size_t)gemm_round_up(p->tiles.rows * p->tiles.columns * (int64_t)size, 64);
}

static bool splits_k(const struct product *p)
{
    return p->n_spans > 1 && p->tiles.n < FEW_TILES &&
           (size_t)(p->tiles.n * p->n_spans) * p->c_size <= MOST_PARTIAL;
}

/* A narrow result is made transposed: a group of columns is wider than one of rows, and what it
 * lacks is padded and computed. Complex chains take their four products in an order of a and b. */
static struct gemm_matrix transposed(struct gemm_matrix x)
{
    return (struct gemm_matrix){x.p, x.column, x.row, x.batch, x.conj};
}
static struct gemm wide(const struct gemm *g)
{
    struct gemm t = *g;
    bool is_complex = gemm_acc_parts(gemm_acc_of(g->in)) > 1;
    if (is_complex || g->n > NARROW || g->n >= g->m) return t;
    t.m = g->n, t.n = g->m;
    t.a = transposed(g->b), t.b = transposed(g->a), t.c = transposed(g->c);
    t.row = g->column, t.column = g->row;
    return t;
}

enum err gemm_exact(const struct gemm *given, const struct gemm_how *how)
{
    struct product p;
    bool as_given = how && how->done; /* who takes tiles takes rows */
    struct gemm turned = as_given ? *given : wide(given), *g = &turned;
    if (g->m == 0 || g->n == 0 || g->n_batch == 0) return ERR_OK;
    product_init(&p, g, how);
    if (splits_k(&p)) {
        int64_t n = p.tiles.n * p.n_spans;
        p.partial = aligned_alloc(64, (size_t)n * p.c_size);
        if (!p.partial) FAIL(ERR_NOMEM, "no memory for %lld partial products", (long long)n);
        gemm_share(how, span_part, &p, n);
        if (!atomic_load(&p.failed)) gemm_share(how, join_part, &p, p.tiles.n);
        free(p.partial);
    } else gemm_share(how, tiles_part, &p, gemm_ceil(p.tiles.n, p.tiles.per_part));
    if (atomic_load(&p.failed))
        FAIL(ERR_NOMEM, "no memory to pack a product of matrices [%lld, %lld] and [%lld, %lld]",
             (long long)g->m, (long long)g->k, (long long)g->k, (long long)g->n);
    return ERR_OK;
}
