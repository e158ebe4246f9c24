/* program_parts.h - what the files of a program have in common: program.c makes it, program_plan.c
 * works out its memory and the arguments of its launches, program_run.c runs it, with
 * program_product.c for products that have an epilogue.
 */
#ifndef RUNTIME_COMPILE_PROGRAM_PARTS_H
#define RUNTIME_COMPILE_PROGRAM_PARTS_H

#include "runtime/compile/code_body.h"
#include "runtime/compile/program.h"

/* Names, arguments, places and sums of the launches, which are in order; the memory plan. */
WARN_UNUSED enum err program_prepare(struct program *p, const struct program_options *o);
/* Bytes from the start of a storage's memory to its first element, where values lie before it. */
int64_t program_shift(const struct program *p, int buffer);

/* The launch of a product, whose call is bound to the run's tensors; args: of its epilogue. */
WARN_UNUSED enum err program_run_product(const struct program *p, const struct program_launch *l,
                                         const struct code_args *args, struct op_call *c);
WARN_UNUSED enum err program_pool_new(struct program *p);
void program_pool_free(struct program_pool *pool);

/* program_inject.c: operators by which faults are counted. */

/* Per node the number of its call, from 1; 0: it stands for none. In the arena. */
WARN_UNUSED enum err program_number_calls(const struct program *p, struct arena *arena,
                                          int64_t **out);
struct program_stored {
    int node, value; /* value: its first result, which the launch stores; GRAPH_NONE: no launch */
};
/* What a launch stores first of its operators; not those that another launch stores. */
WARN_UNUSED enum err program_list_stored(const struct program *p, const struct program_launch *l,
                                         struct arena *arena, struct program_stored **out, int *n);

#endif
