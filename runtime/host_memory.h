/* host_memory.h - memory of tensors on this machine, large blocks of which are kept for reuse.
 *
 * A large block that goes back to the system comes anew with pages to be cleared, which costs more
 * than most kernels that fill it; and a program makes tensors of the same few sizes over and over.
 * Threads: all functions from any thread.
 */
#ifndef RUNTIME_HOST_MEMORY_H
#define RUNTIME_HOST_MEMORY_H

#include "store/base/err.h"

/* 64-byte aligned, of any contents. */
WARN_UNUSED enum err host_alloc(int64_t size, void **out);
void host_free(void *p, int64_t size); /* size as it was asked for */
void host_trim(void);                  /* gives back what is kept */
int64_t host_kept(void);               /* bytes */

#endif
