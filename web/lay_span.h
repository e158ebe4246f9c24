/* lay_span.h - spans of time as boxes on lanes, and the axis above them. Pure: times in, pixels
 * out. */
#ifndef WEB_LAY_SPAN_H
#define WEB_LAY_SPAN_H

#include "store/base/arena.h"
#include "store/base/err.h"

enum { SPAN_MAX_TICKS = 16 };

struct span_axis {
    int64_t t0, t1; /* ns */
    int64_t step;   /* ns between ticks: 1, 2 or 5 times a power of ten */
    int n_ticks;
    double x0, width; /* px */
};
/* Axis over [t0, t1] with at most max_ticks (<= SPAN_MAX_TICKS) ticks; t1 <= t0 is taken for one
 * ns. */
struct span_axis lay_axis(int64_t t0, int64_t t1, double x0, double width, int max_ticks);
double lay_axis_x(const struct span_axis *a, int64_t t);

struct span_item {
    int group; /* which lane it belongs to, 0-based */
    int64_t ts, ns;
};
struct span_box {
    int lane;        /* row of the drawing: a group takes as many as overlap */
    double x, width; /* px; at least `least` wide */
};
/* Boxes of items sorted by ts; group g begins at row first_lane[g] (n_groups + 1 entries, the
 * last is the number of rows). */
enum err WARN_UNUSED lay_lanes(const struct span_axis *a, const struct span_item *items, int n,
                               int n_groups, double least, struct arena *arena,
                               struct span_box **boxes, int **first_lane);

/* Characters of a label that fit into width px at 10 px type; 0: none. */
int lay_fit(double width, int chars);

#endif
