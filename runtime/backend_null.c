/* backend_null.c - no memory, no values, a clock that ticks once per question: for tests of all
 * that is around computing. */
#include <stdatomic.h>
#include <string.h>

#include "runtime/backend_host.h"

enum { TICK_NS = 1000 };

static enum err null_alloc(int64_t size, void **out)
{
    (void)size;
    *out = NULL;
    return ERR_OK;
}
static void null_free(void *p, int64_t size)
{
    (void)p, (void)size;
}
static enum err null_run_nest(const struct nest_run *nest)
{
    (void)nest;
    return ERR_OK;
}
static enum err null_digest(const struct view *v, const void *p, int threads,
                            struct digest_stats *stats, uint64_t *out)
{
    (void)v, (void)p, (void)threads, (void)stats, (void)out;
    FAIL(ERR_UNSUPPORTED, "back end null computes no values");
}
static enum err null_copy(void *to, const void *from, int64_t size)
{
    (void)to, (void)from, (void)size;
    FAIL(ERR_UNSUPPORTED, "back end null keeps no values");
}
static int64_t null_now(void)
{
    static atomic_int_fast64_t ticks;
    return TICK_NS * (atomic_fetch_add(&ticks, 1) + 1);
}

const struct backend backend_null = {
    .name = "null",
    .device = "cpu",
    .computes = false,
    .start = host_sync,
    .alloc = null_alloc,
    .free = null_free,
    .run_nest = null_run_nest,
    .digest = null_digest,
    .to_host = null_copy,
    .from_host = null_copy,
    .sync = host_sync,
    .now = null_now,
};
