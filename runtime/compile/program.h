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
#include "runtime/compile/symbols.h"
#include "runtime/session.h"

struct program_options {
    bool no_fusion, no_combos;
    bool interpret;             /* nests are interpreted, nothing is built: for tests */
    struct combo_options combo; /* as given to the rules; `off`: no_combos, mixed_sizes 0: -1 */
    enum plumb_determinism determinism;
    const char *site; /* "0/0 forward": what kernel.site begins with; NULL: kernels have none */
    /* Of a function at several sizes: texts that were built, to which its own are added. Where none
     * is of a kernel's own class, the kernel takes one of any length: at once where its length is
     * probably another one at other sizes (symbols), else when it is met (again). */
    struct map *functions;
    const struct symbols *symbols;
    bool again; /* another instance is what the log tells of */
};
/* Memory that a kernel takes, as its call is recorded: arrays of equal elements are one. */
struct program_arg {
    const char *keyword; /* in_out_ptr0, in_ptr0, out_ptr0: numbered by kind, in this order */
    int buffer;          /* of lowered.buffer */
    struct view view;    /* offset: elements from the buffer's first element */
    int value; /* of the graph, which has just these elements; GRAPH_NONE: scratch, part */
    int of;    /* the value that it is or is a part of; GRAPH_NONE: scratch */
    int made;  /* the value that it is afterwards; GRAPH_NONE: not written, scratch, part */
    bool reads, writes;
};
/* Where an array of a member's nest lies. */
struct program_place {
    int buffer;
    int64_t offset; /* bytes from the buffer's first element */
};
/* What a member's kernel is given beside memory. */
struct program_member {
    int n_arrays;
    const union lower_number *param; /* of its group */
    int64_t stream;                  /* as fuse_group.stream; 0 none */
};
struct program_launch {
    const char *name, *site; /* site: kernel.site, or NULL */
    int *group; /* of fused.group: one, or the members of a combo in order of dispatch */
    int n_groups;
    const struct combo_group *combo; /* NULL: one group */
    int code;                        /* launch number in the code; -1: an extern kernel */
    const struct op_call *call;      /* extern kernels: without tensors of a run, and its plan */
    struct program_member *member;   /* kernels: per group */
    struct program_place *place;     /* arrays of the members, one after another */
    struct program_arg *arg;
    int n_args;
    int *written; /* buffers whose version it raises, each once */
    int n_written;
    int64_t items, bytes_read, bytes_written, flops;
};
struct program {
    const struct graph *graph; /* borrowed, as the arena */
    struct arena *arena;
    struct lowered lowered;
    struct fused fused;
    struct combined combined;
    LIST_OF(struct program_launch) launch; /* in order */
    /* Per lowered.buffer, times are launches; those that are given or escape, and those that no
     * kernel touches, have size 0. */
    struct memory_buffer *buffer;
    struct memory_plan memory;
    struct code *code; /* NULL: nodes are run one by one (back ends ref and null) */
    bool by_nodes;     /* the back end has an oracle in place of kernels */
    int *buffer_of;    /* per storage of the graph */
    int *identity;     /* per value: the first that was the same tensor when it was traced */
    struct program_pool *pool;                     /* memory for runs */
    int64_t lower_ns, fuse_ns, combo_ns, build_ns; /* what each phase took */
};
WARN_UNUSED enum err program_build(const struct graph *g, const struct program_options *o,
                                   struct arena *arena, struct program *out);
/* Also after a failure. No run is under way. */
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
