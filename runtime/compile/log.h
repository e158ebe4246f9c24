/* log.h - what a compile tells the recorder, as records of PyTorch's structured trace.
 *
 * One log format: what is written here is what TORCH_TRACE holds (keys, order of records,
 * payloads), so that pages, queries, comparison and export read our compiles as they read
 * PyTorch's. What PyTorch has no key for are artifacts whose names begin with plumb_ (JSON, read by
 * capture/imp_plumb.c): plumb_kernels, plumb_fusion, plumb_combos, plumb_partition, plumb_memory,
 * plumb_passes. Nothing is made when the session records nothing.
 */
#ifndef RUNTIME_COMPILE_LOG_H
#define RUNTIME_COMPILE_LOG_H

#include "runtime/compile/compiled.h"

/* What is kept between the records of one compile. */
struct compile_log_notes {
    int n_lost;        /* records that could not be made */
    const char **node; /* owned: names of the traced calls, by graph_node.origin */
    int n_traced;      /* of them */
    struct buf passes; /* JSON of passes that were not told yet */
    const char *phase; /* of them */
    int n_passes, n_dumps;
    int64_t trace_end_ns; /* CLOCK_REALTIME */
    int64_t backend_ns, codegen_ns;
    int n_ops, n_nodes, n_inputs, n_items, n_kernels;
    bool all_cached;
    struct buf keys; /* digests of the programs' parts, for the key of the whole */
    char fail_type[32], fail_reason[512], recompile[300];
};

/* In order of a compile's life. e->number and c->frame make the compile id. */
struct compile_log {
    struct cap *cap; /* NULL: nothing is recorded */
    const struct plumb_compiled *c;
    const struct compiled_entry *e;
    int attempt;
    int64_t start_ns; /* CLOCK_REALTIME, set by compile_log_start */
    struct compile_log_notes notes;
};
void compile_log_start(struct compile_log *l); /* dynamo_start */
void compile_log_recompile(struct compile_log *l, int previous, const char *reason);
void compile_log_break(struct compile_log *l, const char *reason);
/* stage: dynamo_output_graph (with describe_* of what the function takes), aot_joint_graph, ... */
void compile_log_graph(struct compile_log *l, const char *stage, const struct graph *g);
/* A phase that began at start_ns (CLOCK_REALTIME) and ends now: joint, partition. */
void compile_log_phase(struct compile_log *l, const char *name, int64_t start_ns);
void compile_log_pass(struct compile_log *l, const char *phase, const char *pass,
                      const struct graph *g, const struct pass_result *r);
void compile_log_partition(struct compile_log *l, const struct graph *joint,
                           const struct joint_split *s);
/* Code, kernels with members, decisions, memory, provenance of one program. phase: "forward",
 * "backward", "inference". */
void compile_log_program(struct compile_log *l, const char *phase, const struct program *p);
/* create_symbol, symbolic_shape_specialization. */
void compile_log_symbols(struct compile_log *l);
void compile_log_guards(struct compile_log *l);
void compile_log_failure(struct compile_log *l, const char *type, const char *reason);
/* compilation_metrics, end of the events. Frees what was kept. */
void compile_log_end(struct compile_log *l);

/* A compile that is over serves other sizes too: plumb_instances. */
struct compile_log_instance {
    int number;                 /* from 1 */
    const int64_t *value;       /* of the symbols */
    const int64_t *dropped;     /* of the instance that is forgotten for it; NULL */
    int launches, texts, known; /* texts of its kernels; those that were there before */
    int64_t start_ns;           /* CLOCK_REALTIME; it ends now */
};
void compile_log_instance(const struct compiled_entry *e, const struct compile_log_instance *i);

#endif
