/* compiled.h - functions that are compiled: entries by guards, recompiles, breaks, backward.
 *
 *   call ─ guards of the entries ─ hit ─► program_run
 *              │ none holds
 *              └► trace ─► joint ─► passes ─► split ─► programs ─► new entry ─► run
 *                   └ broken: the function is run as it is, now and for these guards
 *
 * Where sizes are symbols (symbols.h), an entry is one program at many sizes. Each that is met is
 * traced and planned as an *instance*, with exact guards; what is told of the entry is true of all
 * of them: calls, kernels by name and members, launches. What is not so is another entry, with the
 * first difference as its reason. Kernels' texts name no sizes, so instances share them.
 *
 * A function that is called while another is traced is traced into that one's graph.
 * Ids: the frame is the function (from 0 in order of plumb_compile), the frame compile id counts
 * its entries, attempts count restarts.
 * Threads: entries are added under the lock and never change; a hit takes no lock, that of an
 * instance a short one.
 */
#ifndef RUNTIME_COMPILE_COMPILED_H
#define RUNTIME_COMPILE_COMPILED_H

#include "runtime/compile/guard.h"
#include "runtime/compile/joint.h"
#include "runtime/compile/passes.h"
#include "runtime/compile/program.h"

/* As torch._dynamo.config.recompile_limit; beyond it a function runs as it is. */
enum { COMPILED_ENTRIES = 8 };
/* Sizes of an entry that are kept: the first, and those used last. What else there was is made
 * again when it comes. */
enum { COMPILED_INSTANCES = 32 };

/* What a result of the function is. */
struct compiled_result {
    enum {
        COMPILED_FRESH, /* the program's */
        COMPILED_NONE,  /* the function gives NULL */
        COMPILED_GIVEN, /* the tensor that value `of` of the graph stands for, itself */
        COMPILED_GRAD,  /* what is that tensor's gradient after the call */
        COMPILED_AGAIN, /* result `of`, again */
    } is;
    int of;
    bool is_view, uninitialised; /* FRESH: as the operator that gave it says */
};
/* What the backward takes beside tangents; overwritten since the forward, it cannot be walked. */
struct compiled_need {
    enum graph_origin origin; /* INPUT, CAPTURED, SAVED */
    int index;
    const char *name;
};
/* The backward when some results were not used (compiled_part.c). */
struct compiled_part {
    struct compiled_part *next;
    struct arena arena;
    bool *missing; /* per result */
    struct graph graph;
    struct program program;
    bool *sole;  /* as of the entry */
    bool *needs; /* per need of the entry: this one has it too */
};
struct compiled_entry {
    struct plumb_compiled *of;
    int number;                       /* frame compile id */
    struct compiled_dynamic *dynamic; /* owned; of an entry with symbols, at its first sizes */
    struct compiled_entry *first;     /* of which it is an instance: itself, or another */
    atomic_int refs;                  /* instances: who needs it */
    uint64_t used;                    /* instances: when last, guarded by the dynamic lock */
    int64_t *value;                   /* instances: of the symbols */
    struct arena arena;               /* graphs and programs lie here */
    struct guard_set guards;
    /* After its passes. Without gradients it is the whole function, else the joint graph. */
    struct graph graph;
    struct joint_split split; /* has_backward */
    bool has_backward;
    struct program forward, backward;
    struct compiled_result *result;
    int n_results;
    int *written; /* places (guard.h) whose memory it writes */
    int n_written;
    struct compiled_need *need; /* has_backward */
    int n_needs;
    bool *sole; /* has_backward: per output of the backward, a dense tensor that nothing else is */
    struct compiled_part *parts; /* guarded by the function's lock */
    char broken[512];            /* why the function is run as it is; "" compiled */
    atomic_llong hits;
};
struct compiled_dynamic {
    struct symbols symbols;
    struct guard_set guards; /* on them; each instance has exact ones */
    struct map functions;    /* of kernels, by body; guarded by the function's lock */
    pthread_mutex_t lock;    /* guards what follows */
    struct compiled_entry *instance[COMPILED_INSTANCES]; /* [0]: the entry */
    int n, last;                                         /* last: the one found last */
    int n_made;
    uint64_t clock;
};
struct plumb_compiled {
    const char *name; /* owned */
    int frame;
    plumb_function fn;
    void *context;
    struct plumb_compile_options options;
    LIST_OF(struct symbol_mark) mark; /* dimensions that are symbols; guarded by the lock */
    bool interpret;                   /* nothing is built: for tests */
    struct compiled_entry *entry[COMPILED_ENTRIES];
    atomic_int n_entries;        /* those before are complete */
    atomic_int last;             /* entry that was hit last */
    pthread_mutex_t lock;        /* one thread compiles */
    atomic_bool said[4];         /* what was told once: compiled.c */
    struct plumb_compiled *next; /* of the session */
};
/* Frees all of a session, before its kept tensors. */
void compiled_free_all(struct plumb *session);

/* ---- compiled_make.c ---- */
/* Traces and builds. `reason`: why none of the entries there are would do; "" there are none. A
 * function that cannot be compiled gives an entry that is broken. */
WARN_UNUSED enum err compiled_make(struct plumb_compiled *c, struct plumb_tensor *const *in,
                                   int n_in, int n_out, const char *reason,
                                   struct compiled_entry **out);
/* The same program at the sizes of this call, told to nobody. It may turn out to be another. */
WARN_UNUSED enum err compiled_make_again(struct compiled_entry *first,
                                         struct plumb_tensor *const *in, int n_in,
                                         struct compiled_entry **out);
void compiled_entry_free(struct compiled_entry *e);
/* Per output of a backward graph: a dense tensor, of memory that no other output has. */
WARN_UNUSED enum err compiled_find_sole(const struct graph *g, struct arena *arena, bool **out);

/* ---- compiled_dynamic.c: instances ---- */
/* An entry has symbols from now on where sizes were asked for, and are 2 or more. */
WARN_UNUSED enum err compiled_take_symbols(struct compiled_entry *e, struct plumb_tensor *const *in,
                                           int n_in);
/* Texts that instances share, as options of a program. */
void compiled_share(const struct compiled_entry *e, struct program_options *o);
void compiled_dynamic_free(struct compiled_dynamic *d); /* and instances but the first */
/* The instance of an entry that fits, to be given back by compiled_give_back; NULL: there is
 * none. */
struct compiled_entry *compiled_find_instance(struct compiled_entry *first,
                                              struct plumb_tensor *const *in, int n_in);
/* Guards on symbols hold: makes the instance, as found. NULL: what it is at these sizes is another
 * program; the reason says how. */
WARN_UNUSED enum err compiled_add_instance(struct compiled_entry *first,
                                           struct plumb_tensor *const *in, int n_in, char *reason,
                                           size_t size, struct compiled_entry **out);
void compiled_give_back(struct compiled_entry *e);
/* The frame needs the instance until its end. */
struct compiled_hold {
    struct compiled_hold *next;
    struct compiled_entry *entry;
};
WARN_UNUSED enum err compiled_hold(struct frame *f, struct compiled_entry *e);
void compiled_let_go(struct frame *f);

/* ---- compiled_part.c ---- */
/* The backward without tangents of the results that missing[] tells. */
WARN_UNUSED enum err compiled_part(struct compiled_entry *e, const bool *missing,
                                   const struct compiled_part **out);
void compiled_part_free(struct compiled_part *part);

/* ---- compiled_run.c ---- */
WARN_UNUSED enum err compiled_run(struct compiled_entry *e, struct plumb_tensor *const *in,
                                  struct plumb_tensor **out);

/* ---- compiled_grad.c: the backward program as the gradient rule of the results ---- */
/* One run of the forward, as long as its frame. */
struct compiled_call {
    struct compiled_entry *entry;
    struct plumb_tensor **in, **saved;
    uint32_t *version; /* per need, of its storage after the forward */
    int64_t stream;
};
/* Results y[], by number, get gradients: the tape keeps a call that gives them. */
WARN_UNUSED enum err compiled_tape(struct compiled_call *run, struct plumb_tensor *const *y);

#endif
