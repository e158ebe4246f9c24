/* conv.h - the geometry of a convolution, shared by its shapes and its run functions.
 *
 *   out[n, o, p] = bias[o] + sum over (c, t) of weight[o, c, t] input[n, group of o: c, p *
 *   stride - padding + t * dilation]
 *
 * c runs over a group's channels, t over the taps of the kernel, p over positions, each in
 * row-major order.
 */
#ifndef RUNTIME_CONV_H
#define RUNTIME_CONV_H

#include "runtime/op.h"

enum { CONV_DIMS = 3 };
struct conv {
    int n_dims; /* spatial */
    int64_t n_batch, n_groups;
    int64_t in_channels, out_channels; /* of one group */
    int64_t in[CONV_DIMS], out[CONV_DIMS], taps[CONV_DIMS];
    int64_t stride[CONV_DIMS], padding[CONV_DIMS], dilation[CONV_DIMS];
};
/* Arguments are (input, weight, ..., stride, padding, dilation, transposed, output_padding,
 * groups). */
struct conv_places {
    int input, weight, stride;
};
extern const struct conv_places conv_forward, conv_backward;
/* Checks all but bias. */
WARN_UNUSED enum err conv_of(const struct op_call *c, const struct conv_places *at,
                             struct conv *out);
int64_t conv_count(const struct conv *v, const int64_t *size); /* of one of the arrays of sizes */

#endif
