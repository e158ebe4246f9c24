/* inject.h - faults put into a run on request, for a comparison of two runs to find.
 *
 *   OP:N:BIT         one bit of the first result of the N-th call of OP is flipped
 *   reorder:OP:N     the N-th call of OP sums in another order
 *   call:OP:N        after the N-th call of OP there is one more: aten::clone of its first result
 *   weight:NAME:BIT  one bit of a parameter is flipped when it is made
 *
 * N counts from 1 the calls that the log of the thread that opened the session has. BIT counts from
 * 0 over the elements in logical order, each little-endian. "First result" is the first that is a
 * tensor; of operators that only write in place, the first argument that they write.
 *
 * In a compiled program the operators of its graph are counted, in its order; a bit is flipped in
 * what a kernel stored of the call, before its digest. What stays in a register is refused at the
 * end.
 *
 * A flipped bit is in memory before the result is digested and before anything reads it, but no
 * write is noted (storage.faults, not storage.version): gradients do not see it either. What was
 * done is noted in the trace (table diag, origin "inject"), so that no such trace is taken for a
 * clean one. All is of the thread that opened the session: no lock.
 */
#ifndef RUNTIME_INJECT_H
#define RUNTIME_INJECT_H

#include "runtime/op.h"

struct inject;
struct cap;

/* Reads the list, which ends with NULL; *out is NULL when it is empty. computes: of the back end.
 * ERR_USAGE, before anything runs. */
WARN_UNUSED enum err inject_new(const char *const *what, bool computes, struct inject **out);
void inject_free(struct inject *in);

/* The four moments of a call; cap may be NULL: nothing is noted. */
void inject_count(struct inject *in, struct op_call *c); /* begins: sets c->number */
WARN_UNUSED enum err inject_reorder(struct inject *in, struct cap *cap, struct op_call *c,
                                    enum err (*compute)(struct op_call *)); /* was computed */
WARN_UNUSED enum err inject_flip(struct inject *in, struct cap *cap, struct op_call *c);
WARN_UNUSED enum err inject_call(struct inject *in, struct cap *cap, struct op_call *c); /* ended */

/* The same of an operator that a compiled program does: the number of its call, by the order of the
 * program's graph; then, when a kernel has stored its first result, that tensor. t NULL: the kernel
 * does not store it. */
int64_t inject_next(struct inject *in, const struct op *op);
WARN_UNUSED enum err inject_stored(struct inject *in, struct cap *cap, const struct op_call *c,
                                   const char *kernel, struct plumb_tensor *t);

WARN_UNUSED enum err inject_parameter(struct inject *in, struct cap *cap, const char *name,
                                      struct plumb_tensor *t);

/* At the end: ERR_NOT_FOUND names what was asked for and did not occur, and what did. */
WARN_UNUSED enum err inject_check(const struct inject *in);

#endif
