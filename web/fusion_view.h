/* fusion_view.h - what of a program is drawn, and where: repeated layers once, or the neighbourhood
 * of one kernel, as boxes and lines of lay_graph. Pure but for the arena of the fusion.
 *
 * Words: *copies* of a layer are stretches of the program that do the same one after another; one
 * of them is *chosen* and drawn for all.
 */
#ifndef WEB_FUSION_VIEW_H
#define WEB_FUSION_VIEW_H

#include "web/fusion.h"
#include "web/lay_graph.h"

enum fusion_overlay { OVER_TIME, OVER_BYTES, OVER_RATE, OVER_DTYPE, OVER_DIGEST };

struct fusion_ask {
    bool all_layers; /* repeated layers each for itself */
    int layer;       /* copy that is chosen, 0-based */
    bool folded;     /* boxes without their members */
    bool colour;     /* heads by the overlay instead of by kind */
    int selected;    /* kernel, -1 none */
    int hops;        /* around the selected one; 0: all */
    enum fusion_overlay overlay;
};
struct fusion_layers {
    int first, period, copies, chosen; /* copies 0: none */
};
struct fusion_drawn {
    int kernel;
    int times;   /* kernels that it stands for */
    int carried; /* values from the layer before */
};
struct fusion_view {
    const struct fusion *f;
    struct fusion_ask ask;
    struct fusion_layers layers;
    struct fusion_drawn *drawn; /* boxes, in program order */
    int n_drawn;
    int *box;           /* per kernel: box that is drawn for it, -1 none */
    int *value_of;      /* per net: value */
    double most;        /* of the overlay's numbers, 0 none is known */
    int n_nets, n_left; /* n_left: kernels outside of the neighbourhood */
    struct graph_in graph;
    struct graph_layout layout;
};

enum err WARN_UNUSED fusion_view_make(struct fusion *f, const struct fusion_ask *ask,
                                      struct fusion_view *out);
/* The stretch that repeats and saves most; copies 0 when none saves four kernels. */
struct fusion_layers fusion_find_layers(const struct fusion *f);

/* Shapes of a box, for the layout and for the drawing. */
enum { FUSION_HEAD = 20, FUSION_ROW = 16, FUSION_PAD = 5, FUSION_LANE_W = 118, FUSION_LANE_H = 54 };
enum { FUSION_ROWS = 14, FUSION_LANES = 12, FUSION_LANES_WIDE = 4 };
struct graph_box fusion_box_size(const struct fusion *f, const struct fusion_drawn *d, bool folded);

/* Writes the drawing; href gives the address of a kernel's box (NULL: no link). */
struct html;
struct fusion_look {
    const char *(*href)(void *context, const struct fusion_kernel *k);
    void *context;
    const char *label; /* the answer, for who does not see it */
    const char *style; /* a drawing by itself: its style sheet; NULL: part of a page */
};
void fusion_draw(struct html *h, const struct fusion_view *v, const struct fusion_look *look);
/* The value of the overlay as text of a box, into at most 32 bytes; "" when it is not known. */
void fusion_overlay_text(const struct fusion_kernel *k, enum fusion_overlay over, char text[32]);
/* What an operator does with its result, if it stores none: "register", "reduction", "library". */
const char *fusion_role_word(const struct fusion_kernel *k, const struct fusion_op *op);
/* The number of an overlay, NaN when it is not known or no number. */
double fusion_overlay_value(const struct fusion_kernel *k, enum fusion_overlay over);
/* "c1", "o3": the class of a kernel's head. */
const char *fusion_head_class(const struct fusion_view *v, const struct fusion_kernel *k);
/* More shapes than a browser moves well as SVG. */
enum { FUSION_SHAPES = 500 };
bool fusion_is_large(const struct fusion_view *v);

#endif
