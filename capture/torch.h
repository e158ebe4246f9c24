/* torch.h - what the reader of TORCH_TRACE logs and the handlers of its envelope keys share.
 *
 * A log is read by one thread as a sequence of records. imp_torch.c reads, checks, counts and
 * resolves ids; each key of envelopes.def names a handler, which turns one record into rows.
 * Handlers keep what they must remember between records in torch_state members of their own (see
 * imp_torch_*.c).
 *
 *   log bytes ─ lines ─► torch_record ─ envelopes.def ─► handler ─► store_<table>_add(batch)
 *
 * Format: the reference of the emitter, torch/_logging/structured.py and _internal.py of PyTorch
 * 2.4 to 2.13. Threads: everything reachable from a torch_source belongs to its parser thread, the
 * writer excepted.
 */
#ifndef CAPTURE_TORCH_H
#define CAPTURE_TORCH_H

#include "store/base/json.h"
#include "store/base/map.h"
#include "store/writer.h"

struct torch_compile;
enum { TORCH_DUMPS = 32 };

/* One compile id and occurrence, kept while its log is read. */
struct torch_compile {
    struct row_compile row;     /* the row as it will be (spans borrow torch_source.keep) */
    bool dirty;                 /* row must be written (again) at the next batch */
    bool has_metrics;           /* compilation_metrics was seen */
    int64_t last_code;          /* artifact of its newest code, 0 none */
    int64_t dumps[TORCH_DUMPS]; /* artifacts of its first graph_dump records */
    int n_dumps;
    bool has_start;        /* dynamo_start was seen */
    bool failed_elsewhere; /* a metrics record other than compilation_metrics says that it failed */
};

/* One log being read. */
struct torch_source {
    struct store_writer *writer; /* borrowed */
    struct store_batch *batch;   /* rows of the current piece; handlers append here */
    struct arena keep;           /* lives as long as the source */
    struct row_source_file row;  /* id, rank, year, ... */
    void *chromium;              /* imp_chromium.c: open spans per track */
    void *graphs;                /* imp_graph.c: texts seen per compile */
    void *provenance;            /* imp_provenance.c */
    /* private members of the reader follow in struct torch_reader (capture/torch_reader.h) */
};

/* One record. Spans borrow the reader's buffers until the handler returns. */
struct torch_record {
    struct torch_source *source;
    struct span key;               /* the envelope key that is not context; "stack" or "(none)" */
    const struct json *envelope;   /* whole object */
    const struct json *meta;       /* value of the key */
    struct torch_compile *compile; /* NULL when the record names no compile id */
    int64_t attempt;               /* STORE_NULL when absent */
    struct span subgraph;          /* subgraph_name, absent when none */
    int64_t stack;                 /* stack id of the context key `stack`, 0 none */
    int64_t ts;                    /* ns, CLOCK_REALTIME */
    int64_t offset, stored;        /* the record with its payload in the stream, bytes */
    int64_t line;                  /* 1-based line of the header in the log */
    bool has_payload;
    struct span payload; /* content, tabs removed; valid when has_payload */
    int64_t
        artifact; /* id of the artifact row of the payload, 0 none; set before the handler runs */
    const struct json *
        content; /* payload as JSON: set for artifacts of encoding json that are valid, else NULL */
    struct arena *arena; /* scratch, cleared after each record */
};

/* What a key's payload becomes besides the handler's rows. */
enum torch_payload { TORCH_NO_ARTIFACT, TORCH_ARTIFACT };

struct torch_envelope {
    const char *key;
    enum torch_payload payload;
    /* NULL: the artifact row (if any) is all. An error other than ERR_NOMEM, ERR_FULL, ERR_IO,
     * ERR_SQL becomes a loss row of kind `schema`, and the next record is read. */
    enum err (*handle)(struct torch_record *r);
};

/* Helpers for handlers. */
/* Interned id of a text; 0 for an absent one. */
static inline int64_t torch_word(const struct torch_record *r, struct span text)
{
    return store_word(r->source->writer, text);
}
/* The payload as JSON, NULL when there is none or the reader has already found it to be no JSON. */
static inline enum err WARN_UNUSED torch_json(const struct torch_record *r, const struct json **out)
{
    struct json *parsed = NULL;
    enum err err = ERR_OK;
    bool known = r->content || span_is(json_string(json_get(r->meta, "encoding")), "json");
    if (!known && r->has_payload) err = json_parse(r->payload, r->arena, &parsed);
    *out = known ? r->content : parsed;
    return err;
}
/* Id of a recorded stack (list of {line, name, filename, loc, uninterned_filename}), outermost
 * frame first in the list; resolves intern ids of this log, "(unknown)" otherwise. 0 for NULL or an
 * empty list. */
int64_t torch_stack(struct torch_record *r, const struct json *frames);
/* Path of an intern id of this log, "(unknown)" when there is none. Borrowed from source->keep. */
struct span torch_path(struct torch_source *s, int64_t intern_id);
/* Adds a loss row and counts it for --strict. kind is a name of TORCH_LOSSES in envelopes.def. */
enum err WARN_UNUSED torch_loss(struct torch_record *r, const char *kind, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* The compile a text like "0/1" or "!0/1/0" names (newest occurrence in this log), NULL when
 * unknown. */
struct torch_compile *torch_find_compile(struct torch_source *s, struct span compile_id);
static inline int64_t torch_compile_row(const struct torch_record *r)
{
    return r->compile ? r->compile->row.id : 0;
}

/* Handlers, one per key family; see envelopes.def. Each file documents the formats it reads. */
enum err torch_on_chromium(struct torch_record *r); /* imp_chromium.c */
enum err torch_on_artifact(
    struct torch_record
        *r); /* imp_artifact.c: dispatch by artifact name (artifacts table in envelopes.def) */
enum err torch_on_graph(struct torch_record *r);        /* imp_graph.c: any FX graph text */
enum err torch_on_output_graph(struct torch_record *r); /* imp_graph.c: also sizes */
enum err torch_on_output_code(struct torch_record *r);  /* imp_kernel.c */
enum err torch_on_metrics(
    struct torch_record
        *r); /* imp_metrics.c: all metrics keys; sets compile outcome, failure, restarts */
enum err torch_on_guards(struct torch_record *r);     /* imp_guard.c: dynamo_guards */
enum err torch_on_cpp_guards(struct torch_record *r); /* imp_guard.c: dynamo_cpp_guards_str */
enum err
torch_on_guard_added(struct torch_record *r); /* imp_symbol.c: guard_added, guard_added_fast */
enum err torch_on_symbol(
    struct torch_record *
        r); /* imp_symbol.c: create_symbol, create_unbacked_symbol, symbolic_shape_specialization */
enum err torch_on_expression(struct torch_record *r); /* imp_symbol.c: expression_created */
enum err torch_on_export(struct torch_record *r);     /* imp_symbol.c: the export findings */
enum err
torch_on_describe(struct torch_record *r); /* imp_tensor.c: describe_storage, _tensor, _source */
enum err torch_on_graph_break(
    struct torch_record *r); /* imp_break.c: dynamo_graph_break_reason (key and artifact) */
enum err torch_on_str(struct torch_record *r);        /* imp_ids.c: intern table */
enum err torch_on_start(struct torch_record *r);      /* imp_ids.c: dynamo_start */
enum err torch_on_link(struct torch_record *r);       /* imp_artifact.c */
enum err torch_on_graph_dump(struct torch_record *r); /* imp_graph.c */
enum err torch_on_dump_file(struct torch_record *r);  /* imp_artifact.c */
/* What provenance maps need: imp_graph.c and imp_kernel.c hand over each text and kernel
 * (imp_provenance.c). */
enum err torch_provenance_text(struct torch_record *r);
enum err torch_provenance_kernel(struct torch_record *r, struct span name,
                                 const struct row_kernel *row);
/* A kernel of which only this is known: no line, phase, sizes or resources. */
static inline struct row_kernel torch_kernel_named(int64_t compile, int64_t artifact, int64_t name,
                                                   struct span kind)
{
    return (struct row_kernel){.compile = compile,
                               .artifact = artifact,
                               .name = name,
                               .kind = kind,
                               .line = STORE_NULL,
                               .position = STORE_NULL,
                               .member = STORE_NULL,
                               .first_block = STORE_NULL,
                               .blocks = STORE_NULL,
                               .last_line = STORE_NULL,
                               .outer_points = STORE_NULL,
                               .inner_points = STORE_NULL,
                               .bytes_read = STORE_NULL,
                               .bytes_written = STORE_NULL,
                               .flops = STORE_NULL,
                               .registers = STORE_NULL,
                               .shared_bytes = STORE_NULL,
                               .spill_bytes = STORE_NULL,
                               .build_ns = STORE_NULL};
}
/* The kernel of that name in the compile's newest code, NULL when there is none. Valid until the
 * next record. */
const struct row_kernel *torch_find_kernel(struct torch_record *r, struct span name);
/* Called once at the end of a log: unclosed spans, provenance maps still waiting, ... */
enum err torch_chromium_finish(struct torch_source *s);
void torch_chromium_release(struct torch_source *s);
void torch_graph_release(struct torch_source *s);
enum err torch_provenance_finish(struct torch_source *s);
void torch_provenance_release(struct torch_source *s);
/* Artifact families reached through torch_on_artifact. */
enum err torch_on_cache(struct torch_record *r);         /* imp_cache.c: *cache_hit/miss/bypass* */
enum err torch_on_recompile(struct torch_record *r);     /* imp_break.c: recompile_reasons */
enum err torch_on_provenance(struct torch_record *r);    /* imp_provenance.c: node mappings */
enum err torch_on_kernel_stacks(struct torch_record *r); /* imp_provenance.c */
enum err torch_on_kernel_info(struct torch_record *r);   /* imp_kernel.c: triton_kernel_info */
enum err
torch_on_collectives(struct torch_record *r); /* imp_rank.c: inductor_collective_schedule */
enum err
torch_on_estimates(struct torch_record *r); /* imp_rank.c: inductor_runtime_and_tensor_meta */
enum err torch_on_execution(struct torch_record *r); /* imp_rank.c: graph_execution* */
/* imp_plumb.c: what plumb's own compiler tells and PyTorch's has no key for. */
enum err torch_on_plumb_kernels(struct torch_record *r);
enum err torch_on_plumb_decisions(struct torch_record *r);
enum err torch_on_plumb_partition(struct torch_record *r);
enum err torch_on_plumb_passes(struct torch_record *r);
enum err torch_on_plumb_memory(struct torch_record *r);
enum err torch_on_plumb_instances(struct torch_record *r);
enum err torch_on_version(struct torch_record *r); /* imp_artifact.c: torch_version */

#endif
