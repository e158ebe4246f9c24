/* compile.h - the parts of the page of one compile. */
#ifndef WEB_COMPILE_H
#define WEB_COMPILE_H

#include "web/web.h"

/* Row of the named query `compile`. Spans live in the request's arena. */
struct compile_shown {
    struct span id, outcome, function, file, log, previous, recompile_reason, before_id, next_id;
    int64_t occurrence, attempts, line, start_ts, total_ns, lost_ns, n_ops, n_nodes, n_guards,
        frame_id, rank;
    int64_t kernels, guard_leaves, lowered_nodes, versions, before_occurrence, next_occurrence,
        code_offset;
};

/* Sum of self times of one kind of work. */
enum { COMPILE_KINDS = 9 };
struct compile_phases {
    int64_t self[COMPILE_KINDS], total;
    int spans[COMPILE_KINDS];
    int largest;         /* index; -1 without spans */
    struct html drawing; /* <svg> */
    struct html table;
    int n; /* spans */
    int unclosed;
};
/* Reads the spans and draws. release also after a failure. */
enum err WARN_UNUSED compile_phases_read(struct web_request *q, const struct compile_shown *c,
                                         struct compile_phases *p);
void compile_phases_release(struct compile_phases *p);
/* "building kernels" and so on. */
const char *compile_kind_noun(int kind);

/* A section that stands only when its table has rows; before (may be NULL) writes what stands
 * above the table. */
struct compile_section {
    const char *id, *title, *note;
    const struct web_table *table;
    enum err (*before)(struct web_request *q, struct html *h);
};
enum err WARN_UNUSED compile_put_if_any(struct web_request *q, struct html *h,
                                        const struct compile_section *s, int64_t *n);

/* Sections. */
enum err WARN_UNUSED compile_put_metrics(struct web_request *q, struct html *h);
enum err WARN_UNUSED compile_put_guards(struct web_request *q, struct html *h,
                                        const struct compile_shown *c);
/* Kernels, decisions of fusing, memory, what is saved, passes: those that the trace has. */
enum err WARN_UNUSED compile_put_made(struct web_request *q, struct html *h);
enum err WARN_UNUSED compile_put_memory(struct web_request *q, struct html *h);

#endif
