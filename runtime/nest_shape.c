/* nest_shape.c - joining, sorting and classifying loops. */
#include "runtime/nest_shape.h"

#include <string.h>

/* What the nest asks of a point's place, each once. */
static void find_places(const struct nest *n, struct nest_shape *s)
{
    for (int i = 0; i < n->n_nodes; i++) {
        const struct nest_node *node = &n->node[i];
        bool linear = node->kind == NEST_LINEAR, known = false;
        if (!linear && node->kind != NEST_COORD) continue;
        int place = linear ? -1 : node->index;
        for (int k = 0; k < s->n_places; k++) known |= s->place[k] == place;
        if (!known) s->place[s->n_places++] = place;
    }
    s->n_rows = n->n_arrays + s->n_places;
}

int nest_shape_place(const struct nest *n, const struct nest_shape *s, int d)
{
    int k = 0;
    while (s->place[k] != d) k++;
    return n->n_arrays + k;
}

/* Strides of the places: row-major for LINEAR, one loop alone for a coordinate. */
static int64_t place_stride(const struct nest_plan *p, int place, int d)
{
    int64_t stride = 1;
    if (place >= 0) return place == d;
    for (int k = d + 1; k < p->n_outer + p->n_inner; k++) stride *= p->size[k];
    return stride;
}

static bool continues(const struct nest_shape *s, int d, const int64_t *next, int64_t size)
{
    for (int r = 0; r < s->n_rows; r++)
        if (s->stride[r][d] != next[r] * size) return false;
    return true;
}

/* Loops [first, end) of the plan, joined, behind those that are there. */
static int add_loops(const struct nest *n, const struct nest_plan *p, int first, int end,
                     struct nest_shape *s, int at)
{
    int start = at;
    for (int d = first; d < end; d++) {
        int64_t stride[SHAPE_ROWS], joined;
        if (p->size[d] == 1) continue;
        for (int r = 0; r < s->n_rows; r++)
            stride[r] = r < n->n_arrays ? p->lie[r].stride[d]
                                        : place_stride(p, s->place[r - n->n_arrays], d);
        if (at > start && continues(s, at - 1, stride, p->size[d]) &&
            !__builtin_mul_overflow(s->size[at - 1], p->size[d], &joined)) {
            s->size[at - 1] = joined; /* beside an empty loop it may be too large */
            for (int r = 0; r < s->n_rows; r++) s->stride[r][at - 1] = stride[r];
            continue;
        }
        s->size[at] = p->size[d];
        for (int r = 0; r < s->n_rows; r++) s->stride[r][at] = stride[r];
        at++;
    }
    return at;
}

static void swap_loops(struct nest_shape *s, int a, int b)
{
    int64_t size = s->size[a];
    s->size[a] = s->size[b];
    s->size[b] = size;
    for (int r = 0; r < s->n_rows; r++) {
        int64_t t = s->stride[r][a];
        s->stride[r][a] = s->stride[r][b];
        s->stride[r][b] = t;
    }
}

static int64_t distance(const struct nest_shape *s, int row, int d)
{
    return s->stride[row][d] < 0 ? -s->stride[row][d] : s->stride[row][d];
}

/* Loops by falling stride of the first result (an insertion sort: they mostly are). */
static void sort_loops(const struct nest *n, struct nest_shape *s)
{
    int row = 0;
    while (row < n->n_arrays && !n->array[row].written) row++;
    if (row == n->n_arrays) return;
    for (int i = 1; i < s->n_outer; i++)
        for (int d = i; d > 0 && distance(s, row, d - 1) < distance(s, row, d); d--)
            swap_loops(s, d - 1, d);
}

/* After sorting, loops that now follow one another are joined. */
static void join_again(struct nest_shape *s)
{
    int at = 0;
    for (int d = 1; d < s->n_outer; d++) {
        int64_t next[SHAPE_ROWS];
        for (int r = 0; r < s->n_rows; r++) next[r] = s->stride[r][d];
        int64_t product;
        bool joins = !__builtin_mul_overflow(s->size[at], s->size[d], &product) &&
                     continues(s, at, next, s->size[d]);
        if (!joins) at++;
        s->size[at] = joins ? product : s->size[d];
        for (int r = 0; r < s->n_rows; r++) s->stride[r][at] = next[r];
    }
    s->n_outer = at + 1;
}

static void one_loop(struct nest_shape *s)
{
    s->n_outer = 1;
    s->size[0] = 1;
    for (int r = 0; r < s->n_rows; r++) s->stride[r][0] = 0;
}

static void set_length(struct nest_shape *s)
{
    s->points = s->rows = s->columns = 1;
    for (int d = 0; d < s->n_outer; d++) s->rows *= s->size[d];
    for (int d = s->n_outer; d < s->n_outer + s->n_inner; d++) s->points *= s->size[d];
    if (s->points > SHAPE_CHUNK_POINTS) s->length = SHAPE_LONG;
    else s->length = s->n_inner <= 1 && s->points <= SHAPE_SHORT ? SHAPE_KNOWN : SHAPE_CHUNK;
}

/* Folds that are made column by column. */
static bool folds_by_column(const struct nest *n)
{
    for (int i = 0; i < n->n_nodes; i++) {
        const struct nest_node *node = &n->node[i];
        bool place = node->index == NEST_ARGMAX || node->index == NEST_ARGMIN;
        if (node->kind == NEST_SCAN || (node->kind == NEST_REDUCE && place)) return false;
        if (node->type == NEST_C64 || node->type == NEST_C128) return false;
        if (node->kind == NEST_STORE && n->array[node->index].n_indexed) return false;
    }
    return true;
}

/* A wide tile reads memory in longer runs; where partials of its chunks have room. */
static int tile_for(int64_t columns, int64_t points)
{
    const int64_t room = (int64_t)SHAPE_PARTIALS / SHAPE_WIDEST_TILE * SHAPE_CHUNK_POINTS;
    if (columns < SHAPE_TILE) return SHAPE_NARROW_TILE;
    if (columns < 2 * SHAPE_WIDE_TILE) return SHAPE_TILE;
    return columns < SHAPE_WIDEST_TILE || points > room ? SHAPE_WIDE_TILE : SHAPE_WIDEST_TILE;
}

/* Whether what the inner level reads lies along the last outer loop rather than along the row. What
 * stays the same in one of the two is in a cache or a register either way. */
static void set_tile(const struct nest *n, struct nest_shape *s)
{
    int along = 0, across = 0, d = s->n_outer - 1;
    s->tile = 0;
    if (n->serial || !s->n_inner || d < 0 || s->size[d] < 4 || !folds_by_column(n)) return;
    if (s->points > (int64_t)SHAPE_PARTS * SHAPE_CHUNK_POINTS) return;
    for (int i = 0; i < n->n_nodes; i++) {
        const struct nest_node *node = &n->node[i];
        if (node->kind != NEST_LOAD || node->level != NEST_INNER) continue;
        const int64_t *stride = s->stride[node->index];
        int last = s->n_outer + s->n_inner - 1, in_row = 0;
        for (int k = s->n_outer; k <= last; k++) in_row |= stride[k] != 0;
        along += stride[last] == 1 && stride[d];
        across += stride[d] == 1 && in_row;
    }
    if (across <= along) return;
    s->tile = tile_for(s->size[d], s->points);
    s->columns = s->size[d];
    s->rows /= s->columns ? s->columns : 1;
    if (s->length == SHAPE_KNOWN) s->length = SHAPE_CHUNK;
}

void nest_shape(const struct nest *n, const struct nest_plan *p, struct nest_shape *s)
{
    int loops = p->n_outer + p->n_inner;
    s->n_places = 0;
    find_places(n, s);
    s->n_outer = add_loops(n, p, 0, p->n_outer, s, 0);
    s->n_inner = add_loops(n, p, p->n_outer, loops, s, s->n_outer) - s->n_outer;
    if (n->n_inner) {
        set_length(s);
        set_tile(n, s);
        return;
    }
    if (!s->n_outer) one_loop(s);
    if (!n->serial) {
        sort_loops(n, s);
        join_again(s);
    }
    s->length = SHAPE_NONE;
    s->rows = s->points = 1;
    s->tile = 0;
    s->columns = s->size[s->n_outer - 1];
    for (int d = 0; d < s->n_outer - 1; d++) s->rows *= s->size[d];
}

void nest_shape_generalise(struct nest_shape *s)
{
    if (s->length != SHAPE_NONE && s->points) s->length = SHAPE_LONG;
    if (s->tile) s->tile = SHAPE_TILE;
}

size_t nest_class(const struct nest *n, const struct nest_shape *s, struct nest_class *out)
{
    memset(out, 0, offsetof(struct nest_class, stride));
    out->nest = n->id;
    out->n_outer = (uint8_t)s->n_outer;
    out->n_inner = (uint8_t)s->n_inner;
    out->length = (uint8_t)s->length;
    out->tile = (int16_t)s->tile;
    out->known = s->length == SHAPE_KNOWN ? (int16_t)s->points : 0;
    int loops = s->n_outer + s->n_inner;
    uint8_t *to = out->stride;
    for (int r = 0; r < s->n_rows; r++)
        for (int d = 0; d < loops; d++) {
            int64_t t = s->stride[r][d];
            *to++ = t == 0 || t == 1 ? (uint8_t)t : 2;
        }
    return (size_t)(to - (uint8_t *)out);
}
