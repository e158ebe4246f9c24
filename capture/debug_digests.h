/* debug_digests.h - digests of tensors that others made of the calls of a DebugMode log.
 *
 *   [{"index": 3, "call": "aten::mm", "depth": 1,
 *     "in": {"[0][0]": "5d2e3dac09b894f1"}, "out": {"": "30d2716d285d4504"}}, ...]
 *
 * One object per call of the log, in its order, those without tensors too: in are the arguments
 * before the call, out the results, by path. A digest is the first 64 bits of a SHA-256 over what
 * the maker took for the tensor; plumb only compares it with others of its kind.
 *
 * They are no part of the log: what is exported does not have them.
 */
#ifndef CAPTURE_DEBUG_DIGESTS_H
#define CAPTURE_DEBUG_DIGESTS_H

#include "capture/debug_call.h"
#include "capture/debug_cut.h"

struct debug_digests {
    struct debug_cut cut; /* its text is borrowed */
    int64_t taken;        /* calls joined */
    int64_t n;            /* digests joined */
    struct arena scratch;
};

/* Text that is a list. ERR_FORMAT. */
enum err WARN_UNUSED debug_digests_init(struct debug_digests *d, struct span text);
void debug_digests_release(struct debug_digests *d);
/* The tensors of the call at `position`, with the digests of its object: a tensor without a hash
 * gets the digest, of one that has hashes another use follows behind all others. *out is owned by
 * the caller; what it borrows lives until the next join and as long as the call. ERR_FORMAT: the
 * object is missing, or of another call, or is no such object. */
enum err WARN_UNUSED debug_digests_join(struct debug_digests *d, const struct debug_call *c,
                                        int64_t position, struct debug_uses *out);
/* The list ends here, after all calls of the log. ERR_FORMAT. */
enum err WARN_UNUSED debug_digests_end(struct debug_digests *d);

#endif
