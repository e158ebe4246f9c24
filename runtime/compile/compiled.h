/* compiled.h - functions that are compiled: entries by guards, recompiles, breaks, backward.
 *
 *   call ─ guards of the entries ─ hit ─► program_run
 *              │ none holds
 *              └► trace ─► joint ─► passes ─► split ─► programs ─► new entry ─► run
 *                   └ broken: the function is run as it is, now and for these guards
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

/* As torch._dynamo.config.recompile_limit; beyond it a function runs as it is. */
enum { COMPILED_ENTRIES = 8 };

struct compiled_entry {
    int number;         /* frame compile id */
    struct arena arena; /* graphs and programs lie here */
    struct guard_set guards;
    /* After its passes. Without gradients it is the whole function, else the joint graph. */
    struct graph graph;
    struct joint_split split; /* has_backward */
    struct graph plain;       /* the function before passes, where several results have tangents */
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
    pthread_mutex_t lock;        /* of the entries; one thread compiles */
    bool full;                   /* said that no more entries are made */
    struct plumb_compiled *next; /* of the session */
};
/* Frees all of a session, before its kept tensors. */
void compiled_free_all(struct plumb *session);

/* ---- gradients (compiled_grad.c) ---- */
/* Results y[] of a forward run get the backward program as their gradient rule: the tape keeps a
 * call that takes what the graph takes. in: the inputs; saved: by number; stream: of the run. */
struct compiled_run {
    const struct compiled_entry *entry;
    struct plumb_tensor **in, **saved;
    int64_t stream;
};
WARN_UNUSED enum err compiled_tape(const struct compiled_run *run, struct plumb_tensor *const *y);

#endif
