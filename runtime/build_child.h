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
/* Compiles the text in a folder of its own below job->folder; *made is the file that came of it,
 * which may be moved.
 * *no_compiler is set when asking again is of no use. */
WARN_UNUSED enum err build_child_run(const struct build_job *job, struct span text,
                                     char made[PATH_MAX_BUILD], bool *no_compiler);
/* Removes the folder that `made` lies or lay in. */
void build_child_clean(const char *made);
/* The file that runs for a name, looked for in PATH, links resolved; false when there is none. */
bool build_child_find(const char *name, char out[PATH_MAX_BUILD]);

#endif
