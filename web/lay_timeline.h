/* lay_timeline.h - tracks of a timeline as rows below each other, marks as boxes. Pure. */
#ifndef WEB_LAY_TIMELINE_H
#define WEB_LAY_TIMELINE_H

#include "web/timeline_view.h"

enum {
    LAY_LANE = 18,   /* px a lane is high */
    LAY_GROUP = 18,  /* head of a process */
    LAY_VALUES = 42, /* a track of values */
    LAY_LANES = 14   /* lanes drawn of a track; deeper ones are counted */
};

struct lay_row {
    int track; /* index into t->track; -1: head of the process of the next row */
    double y, height;
    int lanes;  /* drawn */
    int hidden; /* lanes that are not */
};
/* At most 2 * n_tracks rows. Returns how many; *height is that of all. */
int lay_timeline(const struct timeline_view *v, struct lay_row *out, double *height);

struct lay_box {
    double x, width;
    uint32_t count; /* 1: an event */
    uint32_t first; /* index of its first mark */
    uint16_t name;
    uint8_t flags;
};
/* Boxes of the marks of a lane: what is cut off at the sides, marks of many that lie less than a
 * pixel apart as one. At most n. */
int lay_marks(const struct lane_mark *m, int n, int64_t t0, int64_t t1, double x0, double width,
              struct lay_box *out);
/* The smallest cell 4^k that is at least `px` pixels wide when `width` show the stretch. */
int64_t lay_cell(int64_t t0, int64_t t1, double width, double px);

#endif
