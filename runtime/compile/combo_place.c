/* combo_place.c - how the blocks of a combined kernel are cut and handed to its members.
 *
 * Sizes where nothing was tuned, as Inductor takes them: 1024 points of one dimension, 32 by 32 of
 * two, 256 points of a row that is reduced in a loop, 8 warps.
 *
 *   SEQUENTIAL    0 . . . . 4 . . 6 . .      ranges one after the other, prefix sums in `first`;
 *                 [ largest ][ 2nd ][3]      the largest first, so that its end is not the tail
 *   FLAT          the same, but x and y blocks of a member lie in one range
 *   ROUND_ROBIN   a b c a b c a - c          no comparisons; only where few blocks are empty
 */
#include "runtime/compile/combo_place.h"

#include <math.h>

enum { LINE = 1024, SQUARE = 32, ROW = 256, THREADS = 256, WARP = 32, CAP = 128, MANY_ROWS = 4 };

static int64_t ceil_div(int64_t a, int64_t b)
{
    return a / b + (a % b != 0);
}

/* The next power of 2 of n, at least 1, at most `most` (a power of 2 itself). */
static int power_of_2(int64_t n, int most)
{
    int p = 1;
    while (p < n && p < most) p *= 2;
    return p;
}

int combo_occupancy(const struct combo_device *d, int registers, int shared_bytes, int threads)
{
    if (threads < 1 || !d->threads) return 0;
    int64_t fit = d->threads / threads;
    if (d->blocks && d->blocks < fit) fit = d->blocks;
    /* Registers are given to warps, 8 for each lane at a time. */
    int64_t held = ceil_div(registers, 8) * 8 * ceil_div(threads, WARP) * WARP;
    if (d->registers && held && d->registers / held < fit) fit = d->registers / held;
    if (d->shared_bytes && shared_bytes > 0 && d->shared_bytes / shared_bytes < fit)
        fit = d->shared_bytes / shared_bytes;
    return (int)fit;
}

bool combo_by_rows(const struct combo_kernel *k)
{
    return k->reduced >= ROW && k->inner;
}

double combo_points(const struct combo_kernel *k)
{
    return (double)k->x * (double)k->y * (double)(k->reduced ? k->reduced : 1);
}

bool combo_mixes(const struct combo_kernel *k, const struct combo_options *o)
{
    return o->mixed_sizes < 0 ? !k->is_foreach : o->mixed_sizes > k->is_foreach;
}

struct combo_block combo_own_block(const struct combo_kernel *k)
{
    if (!k->reduced) {
        bool flat = k->n_dims == 1;
        return (struct combo_block){.x = power_of_2(k->x, flat ? LINE : SQUARE),
                                    .y = flat ? 1 : power_of_2(k->y, SQUARE)};
    }
    struct combo_block b = {
        .x = 1, .y = 1, .row = k->persistent ? power_of_2(k->reduced, 1 << 30) : ROW};
    if (!combo_by_rows(k))
        b.x = power_of_2(k->x, k->inner ? LINE / power_of_2(b.row, ROW) : SQUARE);
    return b;
}

int combo_threads(struct combo_block b)
{
    double points = (double)b.x * b.y * (b.row ? b.row : 1);
    if (points >= THREADS) return THREADS;
    return points > WARP ? (int)ceil_div((int64_t)points, WARP) * WARP : WARP;
}

/* The member whose block is everyone's: of looped reductions that with the most rows, else the
 * largest pointwise kernel, else the longest persistent row. */
static int dominant(const struct combo_kernel *kernel, const struct combo_group *g)
{
    int best = -1, best_rank = -1;
    int64_t best_size = -1;
    for (int i = 0; i < g->n_members; i++) {
        const struct combo_kernel *k = &kernel[g->member[i].kernel];
        bool row = k->reduced && k->persistent;
        int rank = row ? 0 : k->reduced ? 2 : 1;
        int64_t size = row ? k->reduced : k->x;
        if (rank > best_rank || (rank == best_rank && size > best_size))
            best = i, best_rank = rank, best_size = size;
    }
    return best;
}

static struct combo_block common_block(const struct combo_kernel *kernel,
                                       const struct combo_group *g)
{
    const struct combo_kernel *d = &kernel[g->member[dominant(kernel, g)].kernel];
    struct combo_block b = combo_own_block(d);
    int rows = 0;
    for (int i = 0; i < g->n_members; i++) {
        const struct combo_kernel *k = &kernel[g->member[i].kernel];
        struct combo_block own = combo_own_block(k);
        rows += k->reduced && k->persistent;
        if (own.row > b.row) b.row = own.row;
        /* A kernel without x dimension says nothing about it to those that have one. */
        if (combo_by_rows(d) && own.x > b.x) b.x = own.x;
    }
    if (!d->reduced && rows >= MANY_ROWS && b.x > CAP) b.x = CAP;
    return b;
}

/* Largest first; equal ones as they came. */
static int by_points(const void *a, const void *b, void *kernels)
{
    const struct combo_kernel *kernel = kernels;
    int m = ((const struct combo_member *)a)->kernel, n = ((const struct combo_member *)b)->kernel;
    double p = combo_points(&kernel[m]), q = combo_points(&kernel[n]);
    return p != q ? (p < q) - (p > q) : (m > n) - (m < n);
}

/* Members of equal bodies have one path; 0 is the body of one that is not known. */
static void number_paths(const struct combo_kernel *kernel, struct combo_group *g)
{
    g->n_paths = 0;
    for (int i = 0; i < g->n_members; i++) {
        uint64_t body = kernel[g->member[i].kernel].body;
        g->member[i].path = g->n_paths;
        for (int j = 0; body && j < i && g->member[i].path == g->n_paths; j++)
            if (kernel[g->member[j].kernel].body == body) g->member[i].path = g->member[j].path;
        g->n_paths += g->member[i].path == g->n_paths;
    }
}

static bool round_robin_pays(const struct combo_kernel *kernel, const struct combo_options *o,
                             const struct combo_group *g)
{
    int64_t needed = 0, most = 0;
    for (int i = 0; i < g->n_members; i++) {
        const struct combo_kernel *k = &kernel[g->member[i].kernel];
        if (k->dynamic || !combo_mixes(k, o)) return false;
        needed += g->member[i].blocks;
        if (g->member[i].blocks > most) most = g->member[i].blocks;
    }
    return (double)needed > 0.8 * (double)most * g->n_members;
}

static void cut(const struct combo_kernel *kernel, const struct combo_options *o,
                struct combo_group *g)
{
    g->y_blocks = 1;
    for (int i = 0; i < g->n_members; i++) {
        struct combo_member *m = &g->member[i];
        const struct combo_kernel *k = &kernel[m->kernel];
        struct combo_block own = combo_own_block(k);
        m->block = own;
        if (!o->per_member_blocks) {
            m->block.x = combo_by_rows(k) ? 1 : g->block.x;
            m->block.y = g->block.y;
        }
        m->x_blocks = m->blocks = ceil_div(k->x, m->block.x);
        int64_t y = ceil_div(k->y, m->block.y);
        if (o->per_member_blocks) m->blocks *= y;
        else if (y > g->y_blocks) g->y_blocks = y;
    }
}

void combo_place(const struct combo_kernel *kernel, const struct combo_options *o,
                 struct combo_group *g)
{
    qsort_r(g->member, (size_t)g->n_members, sizeof *g->member, by_points, (void *)kernel);
    number_paths(kernel, g);
    g->block = o->per_member_blocks ? combo_own_block(&kernel[g->member[0].kernel])
                                    : common_block(kernel, g);
    cut(kernel, o, g);
    g->dispatch = o->per_member_blocks             ? COMBO_FLAT
                  : round_robin_pays(kernel, o, g) ? COMBO_ROUND_ROBIN
                                                   : COMBO_SEQUENTIAL;
    g->blocks = g->n_args = g->threads = 0;
    int64_t most = 0;
    for (int i = 0; i < g->n_members; i++) {
        struct combo_member *m = &g->member[i];
        int threads = combo_threads(m->block);
        m->first = g->dispatch == COMBO_ROUND_ROBIN ? 0 : g->blocks;
        g->blocks += m->blocks;
        g->n_args += kernel[m->kernel].n_args;
        if (m->blocks > most) most = m->blocks;
        if (threads > g->threads) g->threads = threads;
    }
    if (g->dispatch == COMBO_ROUND_ROBIN) g->blocks = most * g->n_members;
}
