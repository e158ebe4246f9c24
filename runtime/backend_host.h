/* backend_host.h - the slots that back ends on this processor share. */
#ifndef RUNTIME_BACKEND_HOST_H
#define RUNTIME_BACKEND_HOST_H

#include "runtime/backend.h"
#include "runtime/host_memory.h"

enum err host_copy(void *to, const void *from, int64_t size);
enum err host_sync(void);
int64_t host_now(void);
enum err host_digest(const struct view *v, const void *p, int threads, struct digest_stats *stats,
                     uint64_t *out);

/* What the oracle gives for a call whose results are made, before any of them is computed:
 * results in `out`; what is written and no result in the arrays of value[]. Release it, after a
 * failure too. */
struct ref_values {
    struct oracle_array *array, *out; /* owned; arguments (lists spread), then results */
    int n_arrays;
    struct oracle_value value[OP_ARGS]; /* by argument */
};
WARN_UNUSED enum err ref_evaluate(struct op_call *c, struct ref_values *out);
void ref_values_release(struct ref_values *v);
/* Written by the operator and not among its results. */
bool ref_is_written_only(const struct op_call *c, int arg);

#endif
