/* pool.h - the threads that share one call's work. They are made on first use, sleep between
 * calls, and are gone after fork. */
#ifndef RUNTIME_POOL_H
#define RUNTIME_POOL_H

#include <stdint.h>

/* Calls part(context, i) once for every i in [0, n), by at most `threads` threads, the caller
 * among them, and returns when all are
 * done. Which thread takes which i is not fixed: results must not depend on it. May be called by
 * several threads at
 * once, and from within a part (then the caller does it all). Never fails: without threads the
 * caller does it all. */
void pool_run(int threads, void (*part)(void *context, int64_t i), void *context, int64_t n);
/* Processors this process may use. */
int pool_processors(void);

#endif
