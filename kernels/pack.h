/* pack.h - the elements of a view in logical order, as packed blocks.
 *
 * A long contiguous run is handed out where it lies; all else is gathered into a small buffer. So a
 * kernel that works on packed blocks works on any strides, and reads a dense tensor at full speed.
 * Memory traffic: what the view reads, once; gathered elements stay in the first-level cache.
 */
#ifndef KERNELS_PACK_H
#define KERNELS_PACK_H

#include "store/base/view.h"

enum { PACK_BUFFER = 4096, PACK_DIRECT = 512 }; /* bytes; shorter runs than that are gathered */

struct pack {
    struct view_walk walk;
    struct view_run run; /* what is left of the current run; n == 0: none */
    const char *storage; /* borrows */
    size_t size;         /* bytes of an element */
    int64_t most;        /* elements of a block */
    char buffer[PACK_BUFFER] __attribute__((aligned(64)));
};
struct pack_block {
    const void *p; /* borrows: valid until the next call */
    int64_t n;     /* elements */
};

/* Elements [first, first + n) of the view over `storage`, in blocks of at most `most` elements. */
void pack_begin(struct pack *k, const struct view *v, const void *storage, int64_t first, int64_t n,
                int64_t most);
bool pack_next(struct pack *k, struct pack_block *out);

#endif
