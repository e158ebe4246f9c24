/* fuse_product.c - epilogues: a pointwise nest that is run on the tiles of a product's result.
 *
 *   product ─ tile, in a cache ─► nest at the tile's points ─► what others read
 *
 * It can be when the nest's points are those of the result, row by row; then what it reads beside
 * the tile lies along the same rows and columns, and nothing that the product still reads may be
 * overwritten. Where nobody else reads the product's result, that exists as tiles only.
 *
 * It pays always but where threads are left without work: a launch less, and a result that need not
 * go to memory and come back, which is a seventh of the whole where k is 64 and the result of
 * 256 MiB (tests/bench/bench_product.c).
 */
#include <string.h>

#include "kernels/gemm_tiles.h"
#include "runtime/compile/fuse_draft.h"
#include "runtime/nest_pieces.h"

/* Fewer columns than a vector register or two has numbers leave a row of a tile too short. */
enum { FEWEST_COLUMNS = 16 };

struct product {
    const struct lowered *l;
    const struct lower_item *item;
    const struct lower_use *result; /* its use */
    int64_t rows, columns, points;
};

bool fuse_is_product(const struct lowered *l, int item)
{
    const struct lower_item *it = &l->item.p[item];
    return it->is_extern && l->graph->node.p[it->node].op->flags & OP_TILES;
}

static struct product product_of(const struct lowered *l, int item)
{
    struct product p = {.l = l, .item = &l->item.p[item]};
    p.result = &p.item->use[p.item->n_uses - 1];
    const struct view_shape *s = &p.result->view.shape;
    p.rows = s->size[s->n - 2];
    p.columns = s->size[s->n - 1];
    p.points = view_count(&p.result->view);
    return p;
}

static bool has_positions(const struct nest *n)
{
    for (int i = 0; i < n->n_arrays; i++)
        if (n->array[i].n_indexed) return true;
    return false;
}

/* The arrays of the nest that are the result, and read. */
static uint32_t tile_of(const struct product *p, const struct fuse_group *g)
{
    uint32_t tile = 0;
    for (int i = 0; i < g->nest->n_arrays; i++)
        if (!g->use[i].written && g->use[i].buffer == p->result->buffer) tile |= 1u << i;
    return tile;
}

static int first_of(uint32_t tile)
{
    int i = 0;
    while (!(tile >> i & 1)) i++;
    return i;
}

/* Whether the points are the result's, each once, as that array has them. */
static bool is_matrix(const struct product *p, const struct fuse_group *g, int x)
{
    struct nest_shape s;
    return g->n_outer == p->points && nest_shape_matrix(g->nest, &g->plan, x, p->columns, &s);
}

/* Whether array x lies as the whole result does, at each point where `like` has its element. */
static bool lies_so(const struct product *p, const struct fuse_group *g, int x, int like)
{
    const int64_t *stride = g->plan.lie[x].stride, *wanted = g->plan.lie[like].stride;
    bool same = g->nest->array[x].dtype == p->result->view.dtype &&
                g->plan.lie[x].offset == p->result->view.offset;
    for (int d = 0; d < g->plan.n_outer && same; d++)
        same = g->plan.size[d] == 1 || stride[d] == wanted[d];
    return same;
}

/* What the nest writes, other tiles may need yet, unless it is what this one gave. */
static bool overwrites(const struct product *p, const struct fuse_group *g, int like)
{
    for (int i = 0; i < g->nest->n_arrays; i++) {
        if (!g->use[i].written) continue;
        if (g->use[i].buffer == p->result->buffer && !lies_so(p, g, i, like)) return true;
        for (int u = 0; u < p->item->n_uses - 1; u++)
            if (fuse_overlap(p->l, &p->item->use[u], &g->use[i])) return true;
    }
    return false;
}

static enum fuse_reason reason_against(const struct product *p, const struct fuse_group *g)
{
    uint32_t tile = tile_of(p, g);
    if (g->kind != FUSE_POINTWISE || g->nest->n_inner) return FUSE_ROWS;
    if (g->nest->serial) return FUSE_SERIAL;
    if (has_positions(g->nest)) return FUSE_POSITIONS;
    if (!tile) return FUSE_NO_GAIN;
    if (p->columns < FEWEST_COLUMNS) return FUSE_NARROW;
    int first = first_of(tile);
    if (!is_matrix(p, g, first)) return FUSE_PLACE;
    for (int i = first; i < g->nest->n_arrays; i++)
        if (tile >> i & 1 && !lies_so(p, g, i, first)) return FUSE_PLACE;
    return overwrites(p, g, first) ? FUSE_WRITES : FUSE_FUSED;
}

/* Whether the result must lie in memory: others read it, or the nest changes it there. */
static bool is_stored(const struct product *p, const struct fuse_draft *d,
                      const struct fuse_readers *readers, const struct fuse_group *g)
{
    const struct lower_buffer *b = &p->l->buffer.p[p->result->buffer];
    const struct fuse_readers *r = &readers[p->result->buffer];
    bool stored = b->given || b->escapes;
    for (int i = 0; i < r->n; i++) stored |= !fuse_has(d, r->item[i]);
    for (int i = 0; i < g->nest->n_arrays; i++)
        stored |= g->use[i].written && g->use[i].buffer == p->result->buffer;
    return stored;
}

static int64_t flops_of(const struct product *p)
{
    const struct view *a = &p->item->use[p->item->n_uses - 3].view;
    int64_t each = dtype_kind(a->dtype) == DTYPE_COMPLEX ? 8 : 2;
    return each * p->points * a->shape.size[a->shape.n - 1];
}

bool fuse_has_few_tiles(const struct lowered *l, int item, int threads)
{
    struct product p = product_of(l, item);
    if (p.points <= 2 * PIECE_POINTS || !p.rows) return false;
    int64_t rows = gemm_ceil(p.rows, GEMM_TILE_ROWS);
    int64_t columns = gemm_ceil(p.columns, GEMM_TILE_COLUMNS);
    return p.points / (p.rows * p.columns) * rows * columns < threads;
}

/* The nest's arrays, then what the product takes and makes. */
static enum err join_uses(const struct product *p, struct arena *arena, struct fuse_group *g)
{
    int n = g->nest->n_arrays, more = p->item->n_uses;
    struct lower_use *use = arena_array(arena, (size_t)(n + more), sizeof *use);
    if (!use) FAIL(ERR_NOMEM, "out of memory for fusing");
    memcpy(use, g->use, (size_t)n * sizeof *use);
    memcpy(use + n, p->item->use, (size_t)more * sizeof *use);
    for (int i = 0; i < n + more; i++) {
        bool reads = i >= n && use[i].buffer >= 0 && !use[i].written;
        if (i < n && g->tile >> i & 1) g->bytes_read -= view_n_bytes(&p->result->view);
        if (reads) g->bytes_read += view_n_bytes(&use[i].view);
        if (use[i].buffer == p->result->buffer && !g->stored) use[i].buffer = GRAPH_NONE;
    }
    if (g->stored) g->bytes_written += view_n_bytes(&p->result->view);
    g->use = use;
    g->n_uses = n + more;
    return ERR_OK;
}

enum err fuse_epilogue(const struct fuse_draft *d, int item, const struct fuse_readers *readers,
                       struct arena *arena, struct fuse_group *g, enum fuse_reason *reason)
{
    struct product p = product_of(d->l, item);
    *reason = reason_against(&p, g);
    if (*reason != FUSE_FUSED) return ERR_OK;
    g->kind = FUSE_EXTERN;
    g->product = item;
    g->rows = p.rows;
    g->columns = p.columns;
    g->product_flops = flops_of(&p);
    g->tile = tile_of(&p, g);
    g->stored = is_stored(&p, d, readers, g);
    return join_uses(&p, arena, g);
}
