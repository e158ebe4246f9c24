/* nest_pieces.h - a kernel's work cut into pieces, by shape alone: no value depends on where.
 */
#ifndef RUNTIME_NEST_PIECES_H
#define RUNTIME_NEST_PIECES_H

#include "runtime/print_c.h"

/* Points of a piece, or about so. */
enum { PIECE_POINTS = 32768 };

struct nest_pieces {
    int64_t rows, columns;             /* of the shape */
    int64_t piece_rows, piece_columns; /* of a piece; one of them is all, or the rows are 1 */
    int64_t of_a_row;                  /* pieces */
    int64_t n;                         /* pieces in all; 0: nothing is to be done */
};
void nest_pieces(const struct nest *n, const struct nest_shape *s, struct nest_pieces *out);
/* All pieces as one, on the calling thread: a tile is as wide as it may be, and nothing is divided,
 * which costs as much as a small kernel. */
void nest_pieces_run_all(const struct nest_pieces *p, const struct print_kernel *kernel,
                         const struct print_call *call);
/* Runs piece i on the calling thread, whose arithmetic is set (nest_float_begin). */
void nest_pieces_run(const struct nest_pieces *p, const struct print_kernel *kernel,
                     const struct print_call *call, int64_t i);

#endif
