/* derive.h - step and phase of calls that no scope tells, from the order of the calls.
 *
 *   steps   in a log without steps or marks of steps: after a range `Optimizer.step` of PyTorch
 *           the next one begins. Scopes `step 1`, `step 2`, ... are put where the ranges stand.
 *   phases  forward in modules and after one; backward from ones_like of a loss, from a call that
 *           names its forward operator or from an operator named so; optimizer in such ranges and
 *           in operators on lists. A scope gets a part (kind DIFF_LOG, name and key of the scope)
 *           for each phase of its own calls.
 *
 * What is derived has `inferred` set.
 */
#ifndef STORE_DIFF_DERIVE_H
#define STORE_DIFF_DERIVE_H

#include "store/diff/stream.h"

struct derive_range {
    uint32_t scope; /* of the range */
    uint32_t begin; /* calls before its line */
};
/* What a reader notes on the way. Zero-initialise. */
struct derive {
    LIST_OF(struct derive_range) range; /* in order */
    LIST_OF(uint32_t) backward;         /* calls that name their forward operator, in order */
};
/* Once all calls are there; scopes get other numbers. */
enum err WARN_UNUSED derive(const struct derive *d, struct diff_stream *s);
void derive_release(struct derive *d);

#endif
