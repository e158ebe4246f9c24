/* kernel.h - how kernels of opaque operators share their work among threads. */
#ifndef RUNTIME_KERNEL_H
#define RUNTIME_KERNEL_H

#include "kernels/gemm.h"
#include "runtime/op.h"

/* The best instruction set and the call's threads; borrows c. */
struct gemm_how kernel_how(struct op_call *c);

#endif
