/* draw.h - pieces of SVG that several drawings share. Colours are classes of plumb.css, sizes are
 * attributes. */
#ifndef WEB_DRAW_H
#define WEB_DRAW_H

#include "web/lay_span.h"
#include "web/web.h"

/* Begins <svg class="d min"> of width 1208 with the drawing's answer as its label. Close with
 * html(h, "</svg>"). */
void draw_begin(struct html *h, int height, const char *label);
/* Vertical lines and times of the ticks, relative to t0. */
void draw_axis(struct html *h, const struct span_axis *a, int height);
/* A box with as much of its label as fits; href NULL: no link. title is what hovering shows. */
struct draw_box {
    double x, y, width, height;
    const char *class_; /* c1.., fwarnf, fbad */
    const char *label;  /* NULL none */
    const char *title, *href;
};
void draw_box(struct html *h, const struct draw_box *b);
/* As much of a label as fits into width px at 10 px type, beginning at x; nothing where none
 * does. */
void draw_label(struct html *h, double x, double y, double width, const char *class_,
                const char *label);
enum { DRAW_WIDTH = 1208 };

#endif
