/* program.h - a graph made ready to run: lowered, fused, combined, placed in memory, built.
 *
 *   graph ─ lower ─► items ─ fuse ─► groups ─ combo ─► launches ─ memory ─► offsets ─ code ─► run
 *
 * Everything that was decided on the way stays in it, for the log. Threads: a program is run by any
 * number of threads at once.
 */
#ifndef RUNTIME_COMPILE_PROGRAM_H
#define RUNTIME_COMPILE_PROGRAM_H

#include "runtime/compile/code.h"
#include "runtime/compile/fuse.h"
#include "runtime/compile/memory.h"
#include "runtime/session.h"

struct program_options {
    bool no_fusion, no_combos;
    bool interpret;             /* nests are interpreted, nothing is built: for tests */
    struct combo_options combo; /* as given to the rules; its `off` is no_combos */
    enum plumb_determinism determinism;
};
struct program_launch {
    const char *name;
    int *group; /* of fused.group: one, or the members of a combo in order */
    int n_groups;
    const struct combo_group *combo; /* NULL: one group */
    int code;                        /* launch number in the code; -1: an extern kernel */
};
struct program {
    const struct graph *graph; /* borrowed, as the arena */
    struct arena *arena;
    struct lowered lowered;
    struct fused fused;
    struct combined combined;
    LIST_OF(struct program_launch) launch; /* in order */
    struct memory_buffer
        *buffer; /* per lowered.buffer; those that are given or escape have size 0 */
    struct memory_plan memory;
    struct code *code;
    int64_t lower_ns, fuse_ns, combo_ns, build_ns; /* what each phase took */
};
WARN_UNUSED enum err program_build(const struct graph *g, const struct program_options *o,
                                   struct arena *arena, struct program *out);
void program_release(struct program *p);

/* What a run is given, by the origins of the graph's values. */
struct program_call {
    struct plumb_tensor *const *input, *const *tangent, *const *saved;
    int64_t stream;               /* of the first random call */
    struct plumb_tensor **output; /* out: per graph output; in the thread's frame. One that lies in
                                   * an input's storage is a view of it; NULL where value is
                                   * GRAPH_NONE */
};
/* Runs it on the calling thread: written inputs are written, their versions rise. Launches are
 * recorded, kernels with digests of what they made when the session digests. */
WARN_UNUSED enum err program_run(const struct program *p, struct program_call *c);

#endif
