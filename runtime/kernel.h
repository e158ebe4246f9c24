/* kernel.h - what run functions of opaque operators need to call their kernels. */
#ifndef RUNTIME_KERNEL_H
#define RUNTIME_KERNEL_H

#include "kernels/gemm.h"
#include "runtime/op.h"

/* The best instruction set and the call's threads; borrows c. */
struct gemm_how kernel_how(struct op_call *c);
/* Where all elements lie packed in logical order: the tensor itself, or a copy in the arena. */
WARN_UNUSED enum err kernel_packed(struct op_call *c, const struct plumb_tensor *t,
                                   const void **out);

#endif
