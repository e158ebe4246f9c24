/* build.h - C texts into functions: the system's compiler in a child process, and a cache of what
 * it made.
 *
 *   text, flags, compiler, processor ─► key ─► memory ─► FOLDER/KEY.so ─► compiler ─► FOLDER/KEY.so
 *
 * An entry ends in a trailer with its size and checksum; one that does not fit it is built again.
 * The folder must be ours and
 * closed to others, else a fresh private one is used for this process. Entries appear whole, by
 * rename: any number of
 * processes may build the same one. Nothing here is needed for a result: where no function can be
 * had, the interpreter runs.
 *
 * Threads: all functions from any thread; one of them builds at a time.
 */
#ifndef RUNTIME_BUILD_H
#define RUNTIME_BUILD_H

#include <stdbool.h>

#include "store/base/buf.h"
#include "store/base/err.h"
#include "store/base/span.h"

/* Fields left zero come from the environment, then from the default. */
struct build_options {
    const char *compiler; /* PLUMB_CC, else "cc"; "none": there is none */
    const char *cache;    /* PLUMB_CACHE, else $XDG_CACHE_HOME/plumb, else ~/.cache/plumb */
    const char *isa;      /* PLUMB_ISA, else "native"; or "avx512", "avx2", "sse2" */
    int timeout_s;        /* of one compilation; 0: 60 */
};
/* Copies them; functions built before stay. NULL: all from the environment. */
void build_set_options(const struct build_options *o);
/* Whether this processor runs code built for an instruction set of that name. */
bool build_isa_present(const char *isa);
/* Changes with every build_set_options: functions of before are for other options. No lock. */
unsigned build_generation(void);
const char *build_isa(void); /* the one in use; borrowed until build_set_options */

/* The function `plumb_kernel` of the text. The same text gives the same function, which is never
 * unloaded.
 * ERR_UNSUPPORTED when there is no compiler, ERR_IO when it failed, hung, or made something that
 * cannot be loaded; the
 * sentence says which and what it printed. A text that failed once fails at once the next time. */
WARN_UNUSED enum err build_kernel(struct span text, void **out);
/* Several texts, compiled side by side. All of them, or the first error. */
WARN_UNUSED enum err build_kernels(const struct span *text, int n, void **out);

/* What `make` makes of a text by the rules `how` (versions, flags, target), from the cache where it
 * was made before; entries are as above. A text that failed is tried again. */
struct build_maker {
    enum err (*make)(void *context, struct span text, struct buf *out);
    void *context;
    const char *how;
};
WARN_UNUSED enum err build_bytes(struct span text, const struct build_maker *m, struct buf *out);

struct build_stats {
    int64_t built, from_disk, from_memory, failed, interpreted;
    int64_t build_ns;
};
struct build_stats build_stats(void);
void build_count_interpreted(void);
/* The first thing that went wrong with compiler or cache, as one sentence; "" nothing did. Static.
 * */
const char *build_note(void);

#endif
