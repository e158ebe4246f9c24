/* code.h - the kernels of one compile: one text, built once, and launches of it.
 *
 *   kernels (nest + shape + name) and launches (one kernel, or a combo of several) ─► text ─► code
 *
 * A language prints the whole compile as one text: prelude, a function per body (kernels of equal
 * nest and class share it), a launchable per launch. What a text holds and what it is told is as in
 * print_c.h: sizes and general strides are numbers of the call.
 */
#ifndef RUNTIME_COMPILE_CODE_H
#define RUNTIME_COMPILE_CODE_H

#include "runtime/compile/combo.h"
#include "runtime/nest_shape.h"
#include "store/base/buf.h"
#include "store/base/map.h"

struct code_kernel {
    const char *name; /* pl_poi_fused_add_relu_3 */
    const struct nest *nest;
    const struct nest_plan *plan;
    struct nest_shape shape;
    const char *comment; /* lines of provenance, each becomes a comment above the kernel; NULL */
};
struct code_launch {
    const char *name;  /* of the kernel, or pl_combo_fused_..._7 */
    const int *kernel; /* code_kernel numbers, in order of dispatch */
    int n_kernels;
    const struct combo_group *combo; /* NULL: one kernel */
};
enum code_language { CODE_C, CODE_CUDA, CODE_OPENCL };
struct code_spec {
    const struct code_kernel *kernel;
    int n_kernels;
    const struct code_launch *launch;
    int n_launches;
    bool interpret; /* code_build: nothing is built */
    /* Functions that were built before, by body; what is built is added. For kernels of one
     * function at several sizes. NULL: none. On a device all is built. */
    struct map *functions;
    bool unread; /* code_source is not asked for: nothing is printed where all is known */
};
/* The text. first_line[i], last_line[i]: 1-based lines of kernel i's body and comment; of bodies
 * that are shared those of the first. ERR_UNSUPPORTED names a kernel that the language leaves to
 * the interpreter, and why; C has a comment in its place. The texts that all kernels share are
 * left out: what is built has them in front. */
struct code_text {
    struct buf text;
    int *first_line, *last_line; /* per kernel; owned */
};
WARN_UNUSED enum err code_print_c(const struct code_spec *s, struct code_text *out);
WARN_UNUSED enum err code_print_cuda(const struct code_spec *s, struct code_text *out);
WARN_UNUSED enum err code_print_opencl(const struct code_spec *s, struct code_text *out);
void code_text_release(struct code_text *t);

/* What building told of a kernel. */
struct code_resources {
    int registers, shared_bytes, spill_bytes; /* -1 unknown */
};

/* Arguments of one member of a launch. */
struct code_args {
    void *base[NEST_ARRAYS]; /* at the first element, the plan's offset included */
    const void *param;       /* 8 bytes each */
    uint64_t seed, stream;
};
/* Built for the session's back end; one per compile. Borrows nests, for a device plans and combos
 * too; launches of the spec are copied. On the CPU: without a compiler, or where it failed
 * (build_note), the nests are interpreted: the same bits. */
struct code;
WARN_UNUSED enum err code_build(const struct code_spec *s, struct code **out);
void code_free(struct code *c);
/* args: one per member. Shares the pieces of all members among `threads`. ERR_USAGE: a computed
 * position was outside, as nest_compiled says it. */
WARN_UNUSED enum err code_run(const struct code *c, int launch, const struct code_args *args,
                              int threads);
/* "compiled", "from cache", "known", "interpreted: ..." ; build time in ns, 0 from the cache */
const char *code_how(const struct code *c, int64_t *build_ns);
/* How many texts its kernels have, and how many of these were known before. */
void code_texts(const struct code *c, int *n, int *known);
/* Where the kernels are a device's; else unknown. */
struct code_resources code_resources(const struct code *c, int launch);
const char *code_language(const struct code *c);           /* "c", "cuda" */
const struct code_text *code_source(const struct code *c); /* what was built */

#endif
