/* memory.h - where the temporaries of a program lie in one block: first fit by size, largest first,
 * on intervals of launches (as in Pisarchyk and Lee, Efficient Memory Management for Deep Neural
 * Net Inference, 2020: greedy by size). Pure. */
#ifndef RUNTIME_COMPILE_MEMORY_H
#define RUNTIME_COMPILE_MEMORY_H

#include "store/base/arena.h"
#include "store/base/err.h"

struct memory_buffer {
    int64_t size;    /* bytes; 0 takes no room */
    int first, last; /* launches in which it is written first and used last, both included */
    int64_t offset;  /* out: bytes into the block, a multiple of 64 */
    int reuses;      /* out: a buffer that ended before and whose bytes it takes; -1 none */
};
struct memory_plan {
    int64_t size;  /* of the block */
    int64_t peak;  /* most bytes alive at once: no plan can be smaller */
    int64_t total; /* of all buffers: what it would be without reuse */
};
WARN_UNUSED enum err memory_plan(struct memory_buffer *b, int n, struct arena *arena,
                                 struct memory_plan *out);

#endif
