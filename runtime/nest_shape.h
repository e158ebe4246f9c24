/* nest_shape.h - the loops of a call as a kernel sees them: as few as possible, and by class.
 *
 * Loops of one point are left out; neighbours that continue one another in every array become one;
 * loops of a flat nest (n_inner 0, not serial) are put in the order in which its first result lies
 * in memory. What the nest asks of a point's place (LINEAR, COORD) takes part as "places": arrays
 * that hold their own index, so that joining and sorting keep it right.
 */
#ifndef RUNTIME_NEST_SHAPE_H
#define RUNTIME_NEST_SHAPE_H

#include "runtime/nest.h"

enum { SHAPE_PLACES = NEST_LOOPS + 1, SHAPE_ROWS = NEST_ARRAYS + SHAPE_PLACES };
/* How a kernel's text says the length of the inner space. */
enum shape_length {
    SHAPE_NONE,  /* a flat nest */
    SHAPE_LONG,  /* any number of chunks */
    SHAPE_CHUNK, /* at most one chunk of 1024 */
    SHAPE_KNOWN, /* one inner loop of at most SHAPE_SHORT points: a number in the text */
};
enum { SHAPE_SHORT = 256, SHAPE_CHUNK_POINTS = 1024 };

/* Columns that a tiled kernel takes at once, and numbers that it keeps of each reduction: a tile of
 * each chunk. Rows of more than SHAPE_PARTS chunks are not tiled. */
enum { SHAPE_TILE = 64, SHAPE_NARROW_TILE = 16, SHAPE_WIDE_TILE = 256, SHAPE_WIDEST_TILE = 1024 };
enum { SHAPE_PARTS = 256, SHAPE_PARTIALS = SHAPE_PARTS * SHAPE_WIDE_TILE };

struct nest_shape {
    int n_outer, n_inner; /* loops; a flat nest has at least one outer loop */
    int64_t size[NEST_LOOPS];
    int n_rows;                             /* arrays, then places */
    int64_t stride[SHAPE_ROWS][NEST_LOOPS]; /* elements */
    int place[SHAPE_PLACES], n_places;      /* a loop's number, or -1: LINEAR */
    /* Of the outer space, and of the inner one. A flat nest's last loop, and that of a tiled one,
     * counts as columns (else 1), not in rows. */
    int64_t rows, columns, points;
    enum shape_length length;
    int tile; /* columns of a tile where elements lie along the last outer loop; 0: not tiled */
};
void nest_shape(const struct nest *n, const struct nest_plan *p, struct nest_shape *out);
/* Makes the class one that says nothing of lengths: its text serves rows and columns of any. */
void nest_shape_generalise(struct nest_shape *s);
/* The row of a place: loop `d`, or -1 for LINEAR. */
int nest_shape_place(const struct nest *n, const struct nest_shape *s, int d);

/* What a kernel's text depends on beside the nest: equal bytes, equal texts. */
struct nest_class {
    uint64_t nest; /* nest.id */
    uint8_t n_outer, n_inner, length;
    int16_t tile, known;                     /* points, where length is SHAPE_KNOWN */
    uint8_t stride[SHAPE_ROWS * NEST_LOOPS]; /* row by row, of the loops: 0, 1, 2: any other */
};
/* How many bytes of *out are in use. */
size_t nest_class(const struct nest *n, const struct nest_shape *s, struct nest_class *out);

#endif
