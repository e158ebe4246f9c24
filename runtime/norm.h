/* norm.h - what shapes and run functions of norms share. */
#ifndef RUNTIME_NORM_H
#define RUNTIME_NORM_H

#include "runtime/op.h"

/* Dimensions of the input before those that are normalized. */
int norm_outer(const struct op_call *c, int input, int normalized);
/* [*, 1, 1]: a value per row that is normalized. */
struct view_shape norm_stats(const struct view_shape *input, int n_outer);

#endif
