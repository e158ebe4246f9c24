/* print_c_node.h - the printer's state, and the expression of one node in C.
 *
 * Names in the text: v7 the value of node 7; p2, r2 where array 2's element lies for the outer
 * point, and for the run of inner points under way; q3, w3 the same of the place in row 3; t5 and
 * y5 a chunk of node 5's values before and after it is scanned; s2_1 the stride of row 2 in loop 1.
 */
#ifndef RUNTIME_PRINT_C_NODE_H
#define RUNTIME_PRINT_C_NODE_H

#include "runtime/nest_fn.h"
#include "runtime/nest_make.h"
#include "runtime/nest_shape.h"

struct printer {
    const struct nest *n;
    const struct nest_shape *s;
    struct buf *out;
    int indent;
    bool *printed; /* per node: its value has a name here */
    /* The text is for a work-group (compile/code_gpu.c): scalars are numbers of the call from
     * param_at on; every point has pointers of its own; what lies outside an array is passed over,
     * for all must come to each barrier. */
    bool group;
    int param_at;
};
/* A line of text, indented. */
void print_line(struct printer *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

const char *print_type(enum nest_type type);   /* in C */
const char *print_stored(enum dtype dtype);    /* an element in memory */
const char *print_ending(enum nest_type type); /* of functions' names */

/* "const float v7 = ...;", or the statements of a store. `chunk`: the point is number `at` of a
 * chunk, whose values of scans lie in y<node>. */
void print_node(struct printer *p, int i);
/* The same value wherever it is asked for: constants, scalars, sizes. */
bool print_is_uniform(const struct nest_node *node);
/* The loop in which a node at its level runs innermost: its index is i in the text. */
int print_last_loop(const struct printer *p, const struct nest_node *node);
/* Where numbers of computed positions begin in print_call.number. */
int print_index_number(const struct nest *n, const struct nest_shape *s, int array);

#endif
