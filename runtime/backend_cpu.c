/* backend_cpu.c - this processor: compiled nests, and run functions that call kernels/. */
#include "runtime/backend_host.h"

const struct backend backend_cpu = {
    .name = "cpu",
    .device = "cpu",
    .computes = true,
    .start = host_sync,
    .alloc = host_alloc,
    .free = host_free,
    .run_nest = nest_compiled,
    .digest = host_digest,
    .to_host = host_copy,
    .from_host = host_copy,
    .sync = host_sync,
    .now = host_now,
};
