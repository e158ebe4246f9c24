/* build_child.h - one compilation in a child process. */
#ifndef RUNTIME_BUILD_CHILD_H
#define RUNTIME_BUILD_CHILD_H

#include "runtime/build.h"
#include "store/base/buf.h"

enum { PATH_MAX_BUILD = 1200 };

/* docs/exact.md: no contraction, no reassociation; the two -fno- only allow vectors. Part of the
 * key. */
#define BUILD_FLAGS                                                                                \
    "-x c -std=gnu11 -O3 -fPIC -shared -w -ffp-contract=off -fno-math-errno -fno-trapping-math "   \
    "-fno-strict-aliasing -fno-semantic-interposition"

struct build_job {
    const char *compiler, *isa_flag, *folder;
    int timeout_s;
};
struct build_child {
    int pid;
    char folder[PATH_MAX_BUILD], made[PATH_MAX_BUILD]; /* made: the file that comes of it */
};
/* Starts compiling the text in a folder of its own below job->folder. *no_compiler is set when
 * asking again is of no use. build_child_clean is for the caller, also after a failure. */
WARN_UNUSED enum err build_child_begin(const struct build_job *job, struct span text,
                                       struct build_child *out, bool *no_compiler);
/* Waits for one that began; child->made is there then, and may be moved. */
WARN_UNUSED enum err build_child_end(const struct build_job *job, const struct build_child *child,
                                     bool *no_compiler);
/* Removes the folder that `made` lies or lay in. */
void build_child_clean(const char *made);
/* The file that runs for a name, looked for in PATH, links resolved; false when there is none. */
bool build_child_find(const char *name, char out[PATH_MAX_BUILD]);

#endif
