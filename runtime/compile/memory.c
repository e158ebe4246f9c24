/* memory.c - greedy placement by size: the largest buffer first, each in the lowest gap between
 * those placed before that are alive when it is.
 *
 * Most buffers of a long program live shortly. Time is cut into *slices*, each of which knows the
 * buffers that are alive in it: one that lives within few slices looks at theirs alone.
 */
#include "runtime/compile/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/lists.h"

enum { ALIGN = 64, FEW_SLICES = 4, SLICE_BUFFERS = 64 };

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
    int *by_last;   /* latest end first; of equals as by_size */
    int n, n_placed;
    LIST_OF(int) * slice; /* those placed that are alive in it */
    int n_slices, slice_launches;
    int *near, *seen; /* of the one that is placed: who may be alive with it; per buffer: for whom
                       * it was put there last */
};

static int larger_first(const void *x, const void *y, void *context)
{
    const struct memory_buffer *b = context;
    int i = *(const int *)x, k = *(const int *)y;
    if (b[i].size != b[k].size) return b[i].size > b[k].size ? -1 : 1;
    return i < k ? -1 : i > k;
}

static int lower_first(const void *x, const void *y, void *context)
{
    const struct memory_buffer *b = context;
    int i = *(const int *)x, k = *(const int *)y;
    return (b[i].offset > b[k].offset) - (b[i].offset < b[k].offset);
}

static int slice_of(const struct placing *p, int launch)
{
    return launch / p->slice_launches;
}

/* Those that may be alive with a buffer, lowest first. */
static const int *list_near(struct placing *p, int number, int *n)
{
    const struct memory_buffer *x = &p->b[number];
    int from = slice_of(p, x->first), to = slice_of(p, x->last);
    *n = p->n_placed;
    if (to - from >= FEW_SLICES) return p->by_offset;
    *n = 0;
    for (int s = from; s <= to; s++)
        for (size_t i = 0; i < p->slice[s].n; i++) {
            int y = p->slice[s].p[i];
            if (p->seen[y] == number + 1) continue;
            p->seen[y] = number + 1;
            p->near[(*n)++] = y;
        }
    qsort_r(p->near, (size_t)*n, sizeof *p->near, lower_first, p->b);
    return p->near;
}

/* The lowest place of enough room beside those that are alive with it. */
static int64_t find_gap(struct placing *p, int number)
{
    const struct memory_buffer *x = &p->b[number];
    int64_t at = 0;
    int n;
    const int *near = list_near(p, number, &n);
    for (int i = 0; i < n; i++) {
        const struct memory_buffer *y = &p->b[near[i]];
        if (!meet(x, y)) continue;
        if (y->offset - at >= rounded(x->size)) break;
        int64_t end = y->offset + rounded(y->size);
        if (end > at) at = end;
    }
    return at;
}

static enum err place(struct placing *p, int number)
{
    struct memory_buffer *x = &p->b[number];
    x->offset = find_gap(p, number);
    int at = p->n_placed++;
    for (; at > 0 && p->b[p->by_offset[at - 1]].offset > x->offset; at--)
        p->by_offset[at] = p->by_offset[at - 1];
    p->by_offset[at] = number;
    for (int s = slice_of(p, x->first); s <= slice_of(p, x->last); s++) {
        int *to = LIST_PUSH(&p->slice[s]);
        if (!to) FAIL(ERR_NOMEM, "out of memory for a memory plan of %d buffers", p->n);
        *to = number;
    }
    return ERR_OK;
}

static bool share_bytes(const struct memory_buffer *x, const struct memory_buffer *y)
{
    return x->offset < y->offset + y->size && y->offset < x->offset + x->size;
}

static int later_first(const void *x, const void *y, void *context)
{
    const struct memory_buffer *b = context;
    int i = *(const int *)x, k = *(const int *)y;
    if (b[i].last != b[k].last) return b[i].last > b[k].last ? -1 : 1;
    return larger_first(x, y, context);
}

/* Of those whose bytes it takes, the one that ended last before it. */
static int find_reused(const struct placing *p, const struct memory_buffer *x)
{
    int low = 0, high = p->n;
    while (low < high) { /* the first that ended before it */
        int middle = low + (high - low) / 2;
        if (p->b[p->by_last[middle]].last >= x->first) low = middle + 1;
        else high = middle;
    }
    while (low < p->n && !share_bytes(x, &p->b[p->by_last[low]])) low++;
    return low < p->n ? p->by_last[low] : -1;
}

static int end_of(const struct placing *p)
{
    return p->n ? p->b[p->by_last[0]].last + 1 : 0;
}

static enum err find_peak(const struct placing *p, struct arena *arena, struct memory_plan *out)
{
    int end = end_of(p);
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

/* Numbers of those that take room, in their orders, and the slices. */
static enum err start(struct placing *p, int n, struct arena *arena)
{
    size_t room = (size_t)n + 1;
    int **list[] = {&p->by_size, &p->by_offset, &p->by_last, &p->near, &p->seen};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (!(*list[i] = arena_array(arena, room, sizeof(int))))
            FAIL(ERR_NOMEM, "out of memory for a memory plan of %d buffers", n);
    for (int i = 0; i < n; i++) {
        p->b[i].offset = 0;
        p->b[i].reuses = -1;
        if (p->b[i].size) p->by_size[p->n++] = i;
    }
    qsort_r(p->by_size, (size_t)p->n, sizeof *p->by_size, larger_first, p->b);
    memcpy(p->by_last, p->by_size, (size_t)p->n * sizeof *p->by_last);
    qsort_r(p->by_last, (size_t)p->n, sizeof *p->by_last, later_first, p->b);
    p->n_slices = 1 + p->n / SLICE_BUFFERS;
    p->slice_launches = 1 + end_of(p) / p->n_slices;
    p->slice = arena_array(arena, (size_t)p->n_slices + 1, sizeof *p->slice);
    if (!p->slice) FAIL(ERR_NOMEM, "out of memory for a memory plan of %d buffers", n);
    return ERR_OK;
}

static enum err place_all(struct placing *p, struct memory_plan *out)
{
    for (int i = 0; i < p->n; i++) TRY(place(p, p->by_size[i]));
    for (int i = 0; i < p->n; i++) {
        struct memory_buffer *x = &p->b[p->by_size[i]];
        x->reuses = find_reused(p, x);
        int64_t end = x->offset + rounded(x->size);
        if (end > out->size) out->size = end;
    }
    return ERR_OK;
}

enum err memory_plan(struct memory_buffer *b, int n, struct arena *arena, struct memory_plan *out)
{
    struct placing p = {.b = b};
    *out = (struct memory_plan){0};
    enum err err = start(&p, n, arena);
    if (!err) err = place_all(&p, out);
    if (!err) err = find_peak(&p, arena, out);
    for (int i = 0; p.slice && i < p.n_slices; i++) LIST_RELEASE(&p.slice[i]);
    return err;
}
