/* lay_phase.h - the nested spans of one compile as rows of boxes, and their self times. Pure.
 *
 *   dynamo ──────────────────────────────   row 0
 *     backend ───────────────────────────   row 1
 *       inductor ───────  inductor ──────   row 2
 *
 * A span that is nearly all of its parent (>= 90 %) and of the same kind shares the parent's box:
 * a chain is one row.
 */
#ifndef WEB_LAY_PHASE_H
#define WEB_LAY_PHASE_H

#include "web/lay_span.h"

enum { PHASE_MAX_ROWS = 14 };

struct phase_span {
    int64_t id, parent; /* parent 0, or not among the spans: outermost */
    int64_t ts, dur;    /* ns; dur < 0: never closed, taken to the end of its parent or of all */
    int64_t track;
    int kind; /* its kind of work, -1: as its parent */
};
struct phase_box {
    int row;         /* -1: folded into `host` */
    int host;        /* index of the span whose box it shares; itself when it has one of its own */
    int parent;      /* index, -1 outermost */
    int kind;        /* resolved */
    int64_t dur;     /* resolved */
    int64_t self;    /* dur less what its children take; >= 0 */
    double x, width; /* px, for boxes of their own */
};
struct phase_layout {
    struct phase_box *boxes; /* one per span */
    int n_rows;
    int64_t t0, t1;
    struct span_axis axis;
};

/* Spans sorted by ts, longer first. n_kinds - 1 is the kind of outermost spans that are of none. */
enum err WARN_UNUSED lay_phases(const struct phase_span *spans, int n, int n_kinds, double x0,
                                double width, struct arena *arena, struct phase_layout *out);

#endif
