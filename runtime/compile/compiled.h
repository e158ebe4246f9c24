/* compiled.h - functions that are compiled: entries by guards, recompiles, breaks, backward.
 *
 *   call ─ guards of the entries ─ hit ─► program_run
 *              │ none holds
 *              └► trace ─► joint ─► passes ─► split ─► programs ─► new entry ─► run
 *                   └ broken: the function is run as it is, and is remembered as broken for these guards
 *
 * A function that is called while another is traced is traced into that one's graph.
 * Ids: the frame is the function (from 0 in order of plumb_compile), the frame compile id counts
 * its entries, attempts count restarts.
 */
#ifndef RUNTIME_COMPILE_COMPILED_H
#define RUNTIME_COMPILE_COMPILED_H

#include "runtime/compile/guard.h"
#include "runtime/compile/joint.h"
#include "runtime/compile/passes.h"
#include "runtime/compile/program.h"

enum {
    COMPILED_ENTRIES = 8
}; /* as torch._dynamo.config.recompile_limit; beyond it runs as it is */

struct compiled_entry {
    int number;         /* frame compile id */
    struct arena arena; /* graphs and programs lie here */
    struct guard_set guards;
    struct graph joint;       /* as traced; without gradients the forward graph is all there is */
    struct graph traced;      /* forward part before passes, for the log; arena */
    struct joint_split split; /* has_backward */
    struct graph inference;   /* !has_backward: after passes */
    bool has_backward;
    struct program forward, backward;
    char broken[512]; /* why the function is run as it is; "" compiled */
    int64_t hits;
};
struct plumb_compiled {
    const char *name; /* owned */
    int frame;
    plumb_function fn;
    void *context;
    struct plumb_compile_options options;
    LIST_OF(struct compiled_entry *) entries;
    pthread_mutex_t lock;        /* one thread compiles */
    struct plumb_compiled *next; /* of the session */
};
/* Frees all of a session. */
void compiled_free_all(struct plumb *session);

#endif
