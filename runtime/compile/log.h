/* log.h - what a compile tells the recorder, as records of PyTorch's structured trace.
 *
 * One log format: what is written here is what TORCH_TRACE holds (torch_trace_and_tlparse: keys,
 * order of records, payloads), so that pages, queries, comparison and export read our compiles as
 * they read PyTorch's. What PyTorch has no key for are artifacts whose names begin with plumb_
 * (JSON): plumb_kernels, plumb_fusion, plumb_combos, plumb_partition, plumb_memory, plumb_passes,
 * plumb_launches. Nothing is made when the session records nothing.
 */
#ifndef RUNTIME_COMPILE_LOG_H
#define RUNTIME_COMPILE_LOG_H

#include "runtime/compile/compiled.h"

/* In order of a compile's life. e->number and c->frame make the compile id. */
struct compile_log {
    struct cap *cap; /* NULL: nothing is recorded */
    const struct plumb_compiled *c;
    const struct compiled_entry *e;
    int attempt;
    int64_t start_ns; /* CLOCK_REALTIME */
    int64_t dynamo_ns, joint_ns, passes_ns, codegen_ns, build_ns;
};
void compile_log_start(struct compile_log *l); /* dynamo_start, describe_* */
void compile_log_recompile(struct compile_log *l, int previous, const char *reason);
void compile_log_break(struct compile_log *l, const char *reason);
void compile_log_graph(struct compile_log *l, const char *stage, const struct graph *g);
void compile_log_pass(struct compile_log *l, const char *phase, const char *pass,
                      const struct graph *g, const struct pass_result *r);
void compile_log_partition(struct compile_log *l, const struct graph *joint,
                           const struct joint_split *s);
/* Code, kernels with members, decisions, memory, provenance of one program. phase: "forward",
 * "backward", "inference". */
void compile_log_program(struct compile_log *l, const char *phase, const struct program *p);
void compile_log_guards(struct compile_log *l);
void compile_log_cache(struct compile_log *l, const char *cache, bool hit, const char *key);
void compile_log_failure(struct compile_log *l, const char *type, const char *reason);
void compile_log_end(struct compile_log *l); /* compilation_metrics, chromium events */

#endif
