/* suite.h - the operator suite: samples of calls, written as text, run on every back end.
 *
 * A sample names an operator and its arguments in the order of the schema, separated by commas;
 * those left out at the end take their defaults. It runs once per dtype that the operator's row
 * takes.
 *
 *   x[3, 4]       a tensor of the dtype under test: ordinary values among NaN, Inf, -0, denormals
 *                 and the ends of the range
 *   n[3, 4]       the same with ordinary values only, between -2 and 2 (integers: -9 to 9)
 *   u[3, 4]       the same between 1/4 and 2 (integers: 1 to 9)
 *   c[3, 4]       as u; no gradient is asked for
 *   d[3, 4]       ordinary values, all different and in mixed order (for max, sort and the like)
 *   i64<7>[2]     positions: integers from 0 to 6 in that dtype; with <-7> from -7 to 6
 *   f32[2]        ordinary values of that dtype, whatever is under test; b8[2] truth values
 *   {n[2], n[3]}  a list of tensors          [1, -2]   a list of integers
 *   3  0.5  true  None  "tanh"  f16  dtype     numbers, truth values, texts, dtypes; the word dtype
 *                 is that under test
 *
 * Behind a shape, how the tensor lies in its storage: t the last two dimensions swapped, s every
 * second element of each row, o behind an offset of 3, e expanded from size 1 along the first
 * dimension, f all dimensions in reversed order. `=2` in place of a tensor is argument 2 itself.
 *
 * `only` limits the dtypes (op_dtypes bits; 0: all of the row). `grad` off: not among the gradient
 * checks, which take each sample whose tensors are all of the letters n, u, d or of another dtype.
 */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

#include "runtime/op.h"

/* Samples leave out what is 0. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

struct sample {
    const char *op;   /* "aten::sum.dim_IntList" */
    const char *args; /* "x[3, 4], [0], true" */
    unsigned only;
    bool no_grad;
};
/* A call that must be refused, and what its message contains beside the operator's name: parts
 * separated by '|'. Tensors of the letters x, n, u, d are f32. */
struct refusal {
    const char *op, *args, *says;
};

#endif
