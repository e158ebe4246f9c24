/* log_parts.h - what the files of the log share: records, artifacts, events, names.
 *
 * log.c: beginning, end and what a compile as a whole says; log_graph.c: graphs, passes, the split;
 * log_program.c: code, kernels and decisions; log_links.c: which node is in which kernel.
 */
#ifndef RUNTIME_COMPILE_LOG_PARTS_H
#define RUNTIME_COMPILE_LOG_PARTS_H

#include "runtime/compile/log.h"

/* A record of one key: meta is the key's value as JSON. An absent payload: none. */
void log_put(struct compile_log *l, int line, const char *key, struct span meta,
             struct span payload);
#define LOG(l, key, meta, payload) log_put(l, __LINE__, key, meta, payload)
/* Releases the payload; encoding: "string", "json". */
void log_artifact(struct compile_log *l, const char *name, const char *encoding,
                  struct buf *payload);
/* A phase that took ns and ended at that time, as a begin and an end. */
void log_phase(struct compile_log *l, const char *name, int64_t end_ns, int64_t ns);
/* fx_graph or aotautograd: parts is a list of "[digest] name: value" as JSON. */
void log_cache(struct compile_log *l, const char *cache, bool hit, const struct buf *parts);
/* Adds a part of a key, and its digest to the key of the whole. */
void log_key_part(struct compile_log *l, struct buf *parts, const char *name, struct span value);
/* Passes that were not told yet. */
void log_passes(struct compile_log *l);

/* JSON: "key": value, with a comma before it unless it is the first of an object. */
void log_text(struct buf *b, const char *key, const char *value); /* NULL: null */
void log_int(struct buf *b, const char *key, int64_t value);

/* As the text of the graph names a call. */
void log_node_name(struct buf *b, const struct graph *g, int node);
/* f32[8, 32][32, 1]cpu */
void log_type(struct buf *b, const struct view *v);

/* The kernels of a launch: each group, before them the combo that holds several. */
void log_links(struct compile_log *l, const struct program *p);

#endif
