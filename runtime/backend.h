/* backend.h - where operators run: a table, one row of backends.def each.
 *
 *   null  fake clock, no memory, computes nothing
 *   ref   calls the oracles
 *   cuda  a device of NVIDIA: printed CUDA C; opaque operators on the host, by copying
 *   cpu   printed C built by the system's compiler, else the interpreter; opaque operators by
 * provider
 */
#ifndef RUNTIME_BACKEND_H
#define RUNTIME_BACKEND_H

#include "kernels/digest.h"
#include "runtime/op.h"

struct code_spec;
struct code_args;
struct code_resources;

/* Kernels of a compile on memory that is not the host's. */
struct backend_code {
    const char *language; /* as a trace has it */
    enum err (*build)(const struct code_spec *s, void **out);
    void (*free)(void *code);
    enum err (*run)(const void *code, int launch, const struct code_args *args);
    struct code_resources (*resources)(const void *code, int launch);
    /* Whether a kernel of that nest could be built; NULL: any. */
    bool (*fits)(const struct nest *n, const struct nest_plan *p);
};
struct backend {
    const char *name;        /* "cpu" */
    const char *device;      /* as printed: "cpu" */
    bool computes;           /* false: values and digests do not exist */
    enum err (*start)(void); /* ERR_UNSUPPORTED says what is missing */
    /* Aligned to 64 bytes; ERR_NOMEM. size > 0. */
    enum err (*alloc)(int64_t size, void **out);
    void (*free)(void *p, int64_t size);
    /* Runs a loop nest. */
    enum err (*run_nest)(const struct nest_run *nest);
    /* Runs a whole call, whatever its class, by its oracle; NULL: nests and run functions are
     * used. */
    enum err (*run_oracle)(struct op_call *c);
    /* Memory is the device's: operators that touch values themselves are run by it, compiled
     * kernels are its own, and no one else reads where tensors lie. NULL: the host's. */
    enum err (*run_opaque)(struct op_call *c);
    const struct backend_code *code;
    /* PKM64 and statistics of a view; *stats may be NULL. */
    enum err (*digest)(const struct view *v, const void *p, int threads, struct digest_stats *stats,
                       uint64_t *out);
    enum err (*to_host)(void *host, const void *p, int64_t size);
    enum err (*from_host)(void *p, const void *host, int64_t size);
    enum err (*sync)(void);
    int64_t (*now)(void); /* ns of CLOCK_REALTIME, or of the fake clock */
};
/* By name; ERR_NOT_FOUND lists what there is. */
WARN_UNUSED enum err backend_find(const char *name, const struct backend **out);

/* ---- the nest on the CPU ---- */
/* Runs it by the interpreter: always there, slow, the same bits. */
WARN_UNUSED enum err nest_interpret(const struct nest_run *run);
/* Runs it compiled: joins loops, prints C (print_c.c), builds or finds it in the cache (build.c),
 * shares the outer (or a long
 * inner) space among threads. When there is no compiler, or it fails, says so once (build_note)
 * and interprets. A kernel is built when interpreting it has cost about what building it will;
 * until then it is interpreted, with the same bits. */
WARN_UNUSED enum err nest_compiled(const struct nest_run *run);
/* Forgets which kernels the calling thread has met; for one that ends. */
void nest_thread_end(void);
/* How much that is, in nodes times points; 0: each is built at once. PLUMB_COMPILE_AFTER sets the
 * default. */
void nest_compile_after(int64_t work);

#endif
