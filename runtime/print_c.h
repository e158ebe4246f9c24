/* print_c.h - what a printed kernel and its caller agree on.
 */
#ifndef RUNTIME_PRINT_C_H
#define RUNTIME_PRINT_C_H

#include "runtime/nest_run.h"
#include "runtime/nest_shape.h"

/* Numbers of a call, in this order; the text reads them by number.
 *   sizes of the shape's loops; strides, row by row, of these loops; points of the inner space;
 *   sizes of the plan's loops; of each array with computed positions: strides, then sizes
 */
enum {
    PRINT_NUMBERS =
        NEST_LOOPS + SHAPE_ROWS * NEST_LOOPS + 1 + NEST_LOOPS + 2 * NEST_ARRAYS * NEST_INDICES
};
/* The same struct is in the text (print_c.c). */
struct print_call {
    void *base[NEST_ARRAYS]; /* at the first element */
    const int64_t *number;
    const void *param; /* 8 bytes each: double or int64_t */
    uint64_t seed, stream;
    int64_t *fault; /* 5: set, array, position, index, size; the first fault wins */
};
/* Rows [row, end) of the shape, in each of them columns [low, high). */
struct print_kernel {
    void (*run)(const struct print_call *call, int64_t row, int64_t end, int64_t low, int64_t high);
};

/* ERR_UNSUPPORTED: this nest is left to the interpreter; the sentence says why. */
WARN_UNUSED enum err print_c_check(const struct nest *n);
/* The nest's loops must not be vectorised, nor what they call: a matter of the whole text. */
bool print_c_is_scalar(const struct nest *n);
/* What stands before the functions of a text. */
void print_c_prelude(bool scalar, struct buf *out);
/* One kernel as a function of that name; storage: "static ", or "". */
WARN_UNUSED enum err print_c_function(const struct nest *n, const struct nest_shape *s,
                                      const char *storage, const char *name, struct buf *out);
/* A whole text of one kernel, whose function is plumb_kernel. */
WARN_UNUSED enum err print_c(const struct nest *n, const struct nest_shape *s, struct buf *out);
/* Fills number[]; returns how many there are. */
int print_c_numbers(const struct nest *n, const struct nest_plan *p, const struct nest_shape *s,
                    int64_t *number);

#endif
