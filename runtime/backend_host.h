/* backend_host.h - the slots that back ends on this processor share. */
#ifndef RUNTIME_BACKEND_HOST_H
#define RUNTIME_BACKEND_HOST_H

#include "runtime/backend.h"

enum err host_alloc(int64_t size, void **out);
void host_free(void *p, int64_t size);
enum err host_copy(void *to, const void *from, int64_t size);
enum err host_sync(void);
int64_t host_now(void);
enum err host_digest(const struct view *v, const void *p, int threads, struct digest_stats *stats,
                     uint64_t *out);

#endif
