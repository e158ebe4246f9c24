/* nest_run.h - what the interpreter and compiled nests have in common when they run.
 */
#ifndef RUNTIME_NEST_RUN_H
#define RUNTIME_NEST_RUN_H

#include "runtime/nest.h"

/* The arithmetic of this thread set to the rules (round to nearest even, denormals kept), whatever
 * a library linked with -ffast-math did to it; what was is given back at the end. */
struct nest_float {
    unsigned was;
};
struct nest_float nest_float_begin(void);
void nest_float_end(struct nest_float f);

/* A computed position beyond its array. */
struct nest_fault {
    int array, position;
    int64_t index, size;
};
enum err nest_out_of_bounds(const struct nest *n, const struct nest_fault *f);

/* Points of the outer space (inner false) or of the inner one; 1 where there are no loops. */
int64_t nest_points(const struct nest_plan *p, bool inner);

#endif
