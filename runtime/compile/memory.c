/* memory.c - greedy placement by size: the largest buffer first, each in the lowest gap between
 * those placed before that are alive when it is.
 */
#include "runtime/compile/memory.h"

#include <stdbool.h>
#include <stdlib.h>

enum { ALIGN = 64 };

static int64_t rounded(int64_t size)
{
    return (size + ALIGN - 1) / ALIGN * ALIGN;
}

static bool meet(const struct memory_buffer *a, const struct memory_buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Numbers of the buffers that take room, and the state of placing them. */
struct placing {
    struct memory_buffer *b;
    int *by_size;   /* largest first; of equals the first in the list */
    int *by_offset; /* those placed, lowest first */
    int n, n_placed;
};

static int larger_first(const void *x, const void *y, void *context)
{
    const struct memory_buffer *b = context;
    int i = *(const int *)x, k = *(const int *)y;
    if (b[i].size != b[k].size) return b[i].size > b[k].size ? -1 : 1;
    return i < k ? -1 : i > k;
}

/* The lowest place of enough room beside those that are alive with it. */
static int64_t find_gap(const struct placing *p, const struct memory_buffer *x)
{
    int64_t at = 0;
    for (int i = 0; i < p->n_placed; i++) {
        const struct memory_buffer *y = &p->b[p->by_offset[i]];
        if (!meet(x, y)) continue;
        if (y->offset - at >= rounded(x->size)) break;
        int64_t end = y->offset + rounded(y->size);
        if (end > at) at = end;
    }
    return at;
}

static void place(struct placing *p, int number)
{
    struct memory_buffer *x = &p->b[number];
    x->offset = find_gap(p, x);
    int at = p->n_placed++;
    for (; at > 0 && p->b[p->by_offset[at - 1]].offset > x->offset; at--)
        p->by_offset[at] = p->by_offset[at - 1];
    p->by_offset[at] = number;
}

static bool share_bytes(const struct memory_buffer *x, const struct memory_buffer *y)
{
    return x->offset < y->offset + y->size && y->offset < x->offset + x->size;
}

/* Of those whose bytes it takes, the one that ended last before it. */
static int find_reused(const struct placing *p, const struct memory_buffer *x)
{
    int best = -1;
    for (int i = 0; i < p->n; i++) {
        const struct memory_buffer *y = &p->b[p->by_size[i]];
        if (y->last >= x->first || !share_bytes(x, y)) continue;
        if (best < 0 || y->last > p->b[best].last) best = p->by_size[i];
    }
    return best;
}

static enum err find_peak(const struct placing *p, struct arena *arena, struct memory_plan *out)
{
    int end = 0;
    for (int i = 0; i < p->n; i++)
        if (p->b[p->by_size[i]].last >= end) end = p->b[p->by_size[i]].last + 1;
    int64_t *change = arena_array(arena, (size_t)end + 1, sizeof *change), alive = 0;
    if (!change) FAIL(ERR_NOMEM, "out of memory for a memory plan of %d launches", end);
    for (int i = 0; i < p->n; i++) {
        const struct memory_buffer *x = &p->b[p->by_size[i]];
        change[x->first] += x->size;
        change[x->last + 1] -= x->size;
        out->total += x->size;
    }
    for (int i = 0; i < end; i++) {
        alive += change[i];
        if (alive > out->peak) out->peak = alive;
    }
    return ERR_OK;
}

enum err memory_plan(struct memory_buffer *b, int n, struct arena *arena, struct memory_plan *out)
{
    struct placing p = {.b = b};
    *out = (struct memory_plan){0};
    p.by_size = arena_array(arena, (size_t)n + 1, 2 * sizeof *p.by_size);
    if (!p.by_size) FAIL(ERR_NOMEM, "out of memory for a memory plan of %d buffers", n);
    p.by_offset = p.by_size + n;
    for (int i = 0; i < n; i++) {
        b[i].offset = 0;
        b[i].reuses = -1;
        if (b[i].size) p.by_size[p.n++] = i;
    }
    qsort_r(p.by_size, (size_t)p.n, sizeof *p.by_size, larger_first, b);
    for (int i = 0; i < p.n; i++) place(&p, p.by_size[i]);
    for (int i = 0; i < p.n; i++) {
        struct memory_buffer *x = &b[p.by_size[i]];
        x->reuses = find_reused(&p, x);
        int64_t end = x->offset + rounded(x->size);
        if (end > out->size) out->size = end;
    }
    return find_peak(&p, arena, out);
}
