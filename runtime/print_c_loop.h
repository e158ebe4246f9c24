/* print_c_loop.h - printing loops, coordinates (d0), sizes (n0), strides (s2_1) and pointers.
 */
#ifndef RUNTIME_PRINT_C_LOOP_H
#define RUNTIME_PRINT_C_LOOP_H

#include "runtime/print_c_node.h"

int print_loops(const struct printer *p);
/* Sizes, strides, and values that are the same everywhere. */
void print_numbers(struct printer *p);
/* Coordinates of loops [first, end) of point number `from`, and the step to the next point. */
void print_coordinates(struct printer *p, int first, int end, const char *from);
void print_advance(struct printer *p, int first, int end);
/* Whether points of the inner level are loaded from the row, at no computed position. */
bool print_row_is_read(const struct printer *p, int row);
/* p<k> and q<k>: where each row is at the coordinates of outer loops [0, end), and at `column` of
 * loop `end` where that is given. */
void print_rows(struct printer *p, int end, const char *column);
/* r<k> and w<k>: where it is at inner point `from`, or at the coordinates where there are more
 * inner loops than one. */
void print_run(struct printer *p, const char *from);
/* "for (i64 c ...": each chunk, of m points from c on. */
void print_open_chunks(struct printer *p);
void print_loop_head(struct printer *p, const char *from, const char *to);
void print_close(struct printer *p);

/* print_c_tile.c: the rows of a tiled nest. */
WARN_UNUSED enum err print_tiled(struct printer *p);

#endif
