/* host_memory.c - memory of tensors on this machine, large blocks of which are kept for reuse.
 *
 * Blocks wait in order of their return; the newest of the right size is taken, as it is most likely
 * in a cache, and the oldest goes when there are too many.
 */
#include "runtime/host_memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20, LEAST = 64 << 10, BLOCKS = 256 };
/* A checked build wants to see each block end. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { MOST = 0 };
#else
enum { MOST = 256 << 20 }; /* bytes */
#endif

static struct {
    pthread_mutex_t lock;
    struct {
        void *p;
        size_t n;
    } block[BLOCKS]; /* oldest first */
    int n;
    size_t bytes;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* No thread is between two lines of what follows while a process is forked: the child would wait
 * for it for ever. */
static void before_fork(void)
{
    pthread_mutex_lock(&kept.lock);
}
static void after_fork(void)
{
    pthread_mutex_unlock(&kept.lock);
}
static void set_up(void)
{
    (void)pthread_atfork(before_fork, after_fork, after_fork);
}

/* What is taken for that many bytes, and its alignment. Of 4 MiB and more whole huge pages: rows of
 * 4 KiB would each begin a page of their own, where the processor stops looking ahead. */
static size_t rounded(int64_t size, size_t *alignment)
{
    *alignment = size < 2 * HUGE_PAGE ? ALIGNMENT : HUGE_PAGE;
    return ((size_t)size + *alignment - 1) / *alignment * *alignment;
}

static void *take(size_t n, size_t alignment)
{
    void *p = aligned_alloc(alignment, n);
    if (p && alignment == HUGE_PAGE) madvise(p, n, MADV_HUGEPAGE); /* a wish */
    return p;
}

/* With the lock. */
static void *take_out(int i)
{
    void *p = kept.block[i].p;
    kept.bytes -= kept.block[i].n;
    kept.n--;
    memmove(&kept.block[i], &kept.block[i + 1], (size_t)(kept.n - i) * sizeof *kept.block);
    return p;
}

static void *find(size_t n)
{
    void *p = NULL;
    pthread_once(&once, set_up);
    pthread_mutex_lock(&kept.lock);
    int i = kept.n - 1;
    while (i >= 0 && kept.block[i].n != n) i--;
    if (i >= 0) p = take_out(i);
    pthread_mutex_unlock(&kept.lock);
    return p;
}

enum err host_alloc(int64_t size, void **out)
{
    size_t alignment, n = rounded(size, &alignment);
    *out = n < LEAST ? NULL : find(n);
    if (!*out) *out = take(n, alignment);
    if (!*out) { /* what is kept may be what is missing */
        host_trim();
        *out = take(n, alignment);
    }
    if (!*out) FAIL(ERR_NOMEM, "out of memory for a tensor of %lld bytes", (long long)size);
    return ERR_OK;
}

void host_free(void *p, int64_t size)
{
    size_t alignment, n = rounded(size, &alignment);
    if (!p || n < LEAST || n > MOST) {
        free(p);
        return;
    }
    void *old[BLOCKS];
    int n_old = 0;
    pthread_mutex_lock(&kept.lock);
    while (kept.n == BLOCKS || kept.bytes + n > MOST) old[n_old++] = take_out(0);
    kept.block[kept.n].p = p;
    kept.block[kept.n++].n = n;
    kept.bytes += n;
    pthread_mutex_unlock(&kept.lock);
    while (n_old) free(old[--n_old]);
}

void host_trim(void)
{
    void *p = NULL;
    do {
        pthread_mutex_lock(&kept.lock);
        p = kept.n ? take_out(kept.n - 1) : NULL;
        pthread_mutex_unlock(&kept.lock);
        free(p);
    } while (p);
}

int64_t host_kept(void)
{
    pthread_mutex_lock(&kept.lock);
    int64_t bytes = (int64_t)kept.bytes;
    pthread_mutex_unlock(&kept.lock);
    return bytes;
}
