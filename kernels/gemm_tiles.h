/* gemm_tiles.h - a product cut into tiles of the result, by its shape alone: what both providers
 * share among threads. */
#ifndef KERNELS_GEMM_TILES_H
#define KERNELS_GEMM_TILES_H

#include "kernels/gemm.h"
#include "kernels/gemm_kernel.h"

enum {
    GEMM_TILE_ROWS = 384,
    GEMM_TILE_COLUMNS = 512, /* at most RUN */
    GEMM_SPAN = 4096,
};
struct gemm_tiles {
    int64_t rows, columns;     /* of a tile; the last of a row or column may be smaller */
    int64_t n_rows, n_columns; /* tiles */
    int64_t n;                 /* tiles of all matrices */
    int64_t per_part;          /* tiles that a thread takes at a time: small ones go together */
};
/* Equal tiles no larger than the constants, whole groups of `rows` x `columns`. */
struct gemm_tiles gemm_tiles_of(const struct gemm *g, int rows, int columns);
struct gemm_part gemm_tile(const struct gemm *g, const struct gemm_tiles *t, int64_t i);
/* Stores a tile's accumulators, as gemm_store does, and hands it on. They are overwritten where the
 * tile is handed on only: no number of the result is larger than its accumulator. */
void gemm_finish(const struct gemm *g, const struct gemm_how *how, const struct gemm_part *part,
                 void *acc, int64_t acc_row, int group);
/* Calls part(context, i) for i in [0, n), by how's threads if it has any. */
void gemm_share(const struct gemm_how *how, void (*part)(void *, int64_t), void *context,
                int64_t n);

static inline int64_t gemm_ceil(int64_t a, int64_t b)
{
    return a / b + (a % b != 0);
}
static inline int64_t gemm_round_up(int64_t a, int64_t b)
{
    return gemm_ceil(a, b) * b;
}
static inline int64_t gemm_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#endif
