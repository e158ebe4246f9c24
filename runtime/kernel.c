/* kernel.c - how kernels of opaque operators share their work among threads. */
#include "runtime/kernel.h"

#include "runtime/pool.h"

static void split(void *pool, void (*part)(void *context, int64_t i), void *context, int64_t n)
{
    const struct op_call *c = pool;
    pool_run(c->threads, part, context, n);
}

struct gemm_how kernel_how(struct op_call *c)
{
    return (struct gemm_how){.isa = gemm_isa_best(), .split = split, .pool = c};
}
