/* nest_pieces.c - cutting rows, or columns where a row is long. */
#include "runtime/nest_pieces.h"

void nest_pieces(const struct nest *n, const struct nest_shape *s, struct nest_pieces *p)
{
    int64_t of_a_row = s->points * s->columns;
    p->rows = p->piece_rows = s->rows;
    p->columns = p->piece_columns = s->columns;
    p->of_a_row = 1;
    p->n = s->rows && s->columns;
    if (!p->n || n->serial || (of_a_row <= PIECE_POINTS && s->rows == 1)) return;
    if (s->columns > 1 && of_a_row >= 2 * PIECE_POINTS) {
        int64_t fit = PIECE_POINTS / s->points + 1, tile = s->tile ? s->tile : SHAPE_TILE;
        if (tile > SHAPE_WIDE_TILE) tile = SHAPE_WIDE_TILE;
        p->piece_rows = 1;
        p->piece_columns = (fit + tile - 1) / tile * tile;
        p->of_a_row = (p->columns + p->piece_columns - 1) / p->piece_columns;
        p->n = p->rows * p->of_a_row;
        return;
    }
    p->piece_rows = PIECE_POINTS / (of_a_row + 1) + 1;
    p->n = (p->rows + p->piece_rows - 1) / p->piece_rows;
}

void nest_pieces_run_all(const struct nest_pieces *p, const struct print_kernel *kernel,
                         const struct print_call *call)
{
    if (p->n) kernel->run(call, 0, p->rows, 0, p->columns);
}

void nest_pieces_run(const struct nest_pieces *p, const struct print_kernel *kernel,
                     const struct print_call *call, int64_t i)
{
    int64_t row = i / p->of_a_row * p->piece_rows, low = i % p->of_a_row * p->piece_columns;
    int64_t end = row + p->piece_rows, high = low + p->piece_columns;
    kernel->run(call, row, end < p->rows ? end : p->rows, low,
                high < p->columns ? high : p->columns);
}
