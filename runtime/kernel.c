/* kernel.c - threads and packed arguments for the kernels of opaque operators. */
#include "runtime/kernel.h"

#include <string.h>

#include "kernels/pack.h"
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

enum err kernel_packed(struct op_call *c, const struct plumb_tensor *t, const void **out)
{
    size_t size = dtype_size(t->view.dtype);
    struct pack k;
    struct pack_block b;
    *out = op_data(t);
    if (view_is_contiguous(&t->view)) return ERR_OK;
    char *to = arena_array(c->arena, (size_t)view_count(&t->view) + 1, size);
    if (!to) FAIL(ERR_NOMEM, "%s: out of memory for a packed argument", c->op->s.name);
    *out = to;
    pack_begin(&k, &t->view, t->storage->p, 0, view_count(&t->view), INT64_MAX);
    for (; pack_next(&k, &b); to += (size_t)b.n * size) memcpy(to, b.p, (size_t)b.n * size);
    return ERR_OK;
}
