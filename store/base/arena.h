/* arena.h - memory that is freed all at once. Chunks double up to 1 MiB; larger requests get their
 * own. */
#ifndef STORE_BASE_ARENA_H
#define STORE_BASE_ARENA_H

#include "store/base/span.h"

struct arena_chunk;
struct arena {
    struct arena_chunk *head; /* owned chain, newest first; zero-initialise the struct */
    size_t used;              /* bytes handed out since the last clear */
};

/* Zero-filled, 16-byte aligned. NULL when out of memory (or n overflows). */
void *arena_alloc(struct arena *a, size_t n);
/* n items of size bytes; NULL on overflow or out of memory. */
void *arena_array(struct arena *a, size_t n, size_t size);
/* Copy of the bytes plus a NUL; .p is NULL when out of memory or when s is absent. */
struct span arena_copy(struct arena *a, struct span s);
/* NUL-terminated formatted text; NULL when out of memory. */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Keeps the largest chunk for reuse. */
void arena_clear(struct arena *a);
void arena_release(struct arena *a);

#endif
