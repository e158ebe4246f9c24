/* print_c_fold.h - printing reductions: before the chunks, in their loops, after each, at the end.
 */
#ifndef RUNTIME_PRINT_C_FOLD_H
#define RUNTIME_PRINT_C_FOLD_H

#include "runtime/print_c_node.h"

/* The terms are floats that lie in memory one after another: no loop computes them. */
bool print_fold_is_direct(const struct printer *p, int i);
void print_fold_declare(struct printer *p, int i);
void print_fold_term(struct printer *p, int i);
void print_fold_push(struct printer *p, int i);
void print_fold_end(struct printer *p, int i);

#endif
