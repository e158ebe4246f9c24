/* fusion_draw.c - the fusion graph as SVG: kernels with their members in order, lanes of combo
 * kernels side by side, values on the lines between them.
 *
 *   ┌ pl_red_fused_add_layer_norm ── 23.1 µs ┐
 *   │ reads primals_3, primals_5 · 256 B     │   inputs, folded into their reader
 *   │ 1 to_f32     2     also in kernel 6    │
 *   │ 2 add_1                 stores add_1   │
 *   └──────────────────┬─────────────────────┘
 *                      │ add_1 · 16.0 MiB
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "web/draw.h"
#include "web/fusion_view.h"
#include "web/kernel.h"

struct drawing {
    struct html *h;
    const struct fusion_view *v;
    const struct fusion_look *look;
};

struct num {
    char s[24];
};
static struct num px(double v)
{
    struct num n;
    snprintf(n.s, sizeof n.s, "%.1f", v);
    return n;
}

static void put_text(struct html *h, double x, double y, const char *class_, struct span s)
{
    if (!s.n) return;
    html(h, "<text class=\"t10%s\" x=\"%s\" y=\"%s\">%s</text>", class_, px(x).s, px(y).s, s);
}

enum { MONO = 605, SANS = 560 }; /* hundredths of a pixel of a character at 10 px */

static bool begins(char c)
{
    return (c & 0xc0) != 0x80; /* a character of UTF-8 */
}

/* As much of a text as fits: both ends of it. */
static struct span fitted_in(struct arena *a, struct span s, double width, int character)
{
    size_t most = width < 12 ? 1 : (size_t)(width * 100 / character), n = 0, head = 0, tail = 0;
    for (size_t i = 0; i < s.n; i++) n += begins(s.p[i]);
    if (n <= most) return s;
    size_t after = n - most / 3, at = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (!begins(s.p[i])) continue;
        if (at == most - 1 - most / 3) head = i;
        if (at == after) tail = i;
        at++;
    }
    if (!tail) tail = s.n;
    const char *cut =
        arena_printf(a, "%.*s\xe2\x80\xa6%.*s", (int)head, s.p, (int)(s.n - tail), s.p + tail);
    return cut ? span_of(cut) : span_to(s, head);
}

static struct span fitted(struct arena *a, struct span s, double width)
{
    return fitted_in(a, s, width, MONO);
}

/* ---- one box ---- */

static void draw_head(struct drawing *d, const struct fusion_drawn *b, double x, double y,
                      double wide)
{
    const struct fusion_kernel *k = &d->v->f->kernels[b->kernel];
    struct arena *a = (struct arena *)&d->v->f->arena;
    char text[32], value[64];
    fusion_overlay_text(k, d->v->ask.overlay, text);
    if (b->times > 1)
        snprintf(value, sizeof value, "\xc3\x97%d%s%s", b->times, *text ? " \xc2\xb7 " : "", text);
    else snprintf(value, sizeof value, "%s", text);
    html(d->h, "<rect class=\"%s\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%d\"/>",
         fusion_head_class(d->v, k), px(x + 0.5).s, px(y + 0.5).s, px(wide - 1).s,
         (int)FUSION_HEAD);
    double room = wide - 20 - (*value ? (double)strlen(value) * 5.6 : 0);
    put_text(d->h, x + 7, y + 14, " tc tb", fitted(a, k->name.n ? k->name : SPAN("kernel"), room));
    if (*value) put_text(d->h, x + wide - 7, y + 14, " te", span_of(value));
}

static void draw_inputs(struct drawing *d, const struct fusion_kernel *k, double x, double y,
                        double wide)
{
    const struct fusion *f = d->v->f;
    struct buf b = {0};
    for (int i = 0; i < k->n_inputs && i < 6; i++)
        buf_printf(&b, "%s%.*s", i ? ", " : "", SPAN_ARG(f->inputs[k->first_input + i].name));
    if (k->n_inputs > 6) buf_printf(&b, " and %d more", k->n_inputs - 6);
    struct buf bytes = {0};
    html_number(&bytes, 'b', html_of_int(k->input_bytes));
    html(d->h, "<rect class=\"g1\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%d\"/>", px(x + 4).s,
         px(y + 2.5).s, px(wide - 8).s, FUSION_ROW - 3);
    put_text(d->h, x + wide - 7, y + 12, " te tm", buf_text(&bytes));
    put_text(
        d->h, x + 7, y + 12, " tm",
        fitted_in((struct arena *)&f->arena, buf_text(&b), wide - 18 - (double)bytes.n * 5, SANS));
    buf_release(&b);
    buf_release(&bytes);
}

const char *fusion_role_word(const struct fusion_kernel *k, const struct fusion_op *op)
{
    if (span_is(k->kind, "extern") && span_is(op->role, "main")) return "library";
    bool reduces = span_is(k->role, "reduction") || span_is(k->role, "persistent");
    if (reduces && span_is(op->role, "main")) return "reduction";
    return op->role.n ? "register" : "";
}

static void draw_op(struct drawing *d, const struct fusion_kernel *k, const struct fusion_op *op,
                    double x, double y, double wide)
{
    struct arena *a = (struct arena *)&d->v->f->arena;
    char place[16];
    const char *right = fusion_role_word(k, op), *class_ = " te tm";
    if (op->stores.n) right = arena_printf(a, "stores %.*s", SPAN_ARG(fitted(a, op->stores, 90)));
    if (op->also >= 0) {
        right = arena_printf(a, "also in kernel %d", op->also + 1);
        class_ = " te todd";
    }
    if (!right) right = "";
    double taken = 34 + (double)strlen(right) * 5.4 + 14;
    snprintf(place, sizeof place, "%d", op->position + 1);
    put_text(d->h, x + 20, y + 12, " te tm", span_of(place));
    put_text(d->h, x + 28, y + 12, " tc", fitted(a, op->node, wide - taken));
    put_text(d->h, x + wide - 7, y + 12, class_, span_of(right));
    if (op->also < 0 && !op->recomputed) return;
    double at = x + wide - 7 - (double)strlen(right) * 5.7 - 16;
    html(d->h,
         "<rect class=\"foddf\" x=\"%s\" y=\"%s\" width=\"12\" height=\"12\"/>"
         "<text class=\"tx todd t10\" x=\"%s\" y=\"%s\">2</text>",
         px(at).s, px(y + 2.5).s, px(at + 6).s, px(y + 12).s);
}

static void draw_ops(struct drawing *d, const struct fusion_kernel *k, double x, double y,
                     double wide)
{
    char text[48];
    int shown = k->n_ops <= FUSION_ROWS ? k->n_ops : FUSION_ROWS;
    if (d->v->ask.folded) {
        snprintf(text, sizeof text, "%d operator%s", k->n_ops, k->n_ops == 1 ? "" : "s");
        if (k->n_ops) put_text(d->h, x + 7, y + 12, " tm", span_of(text));
        return;
    }
    for (int i = 0; i < shown; i++, y += FUSION_ROW)
        draw_op(d, k, &d->v->f->ops[k->first_op + i], x, y, wide);
    if (shown == k->n_ops) return;
    snprintf(text, sizeof text, "and %d more", k->n_ops - shown);
    put_text(d->h, x + 28, y + 12, " tm", span_of(text));
}

/* ---- lanes ---- */

static struct span lane_blocks(struct arena *a, const struct fusion_lane *l)
{
    const char *s = "";
    if (l->blocks == STORE_NULL) s = "blocks not known";
    else if (l->first_block == STORE_NULL)
        s = arena_printf(a, "%lld block%s in turn", (long long)l->blocks,
                         l->blocks == 1 ? "" : "s");
    else if (l->blocks == 1) s = arena_printf(a, "block %lld", (long long)l->first_block);
    else
        s = arena_printf(a, "blocks %lld\xe2\x80\x93%lld", (long long)l->first_block,
                         (long long)(l->first_block + l->blocks - 1));
    return span_of(s ? s : "");
}

static void draw_lane(struct drawing *d, const struct fusion_lane *l, double x, double y)
{
    const struct fusion *f = d->v->f;
    struct arena *a = (struct arena *)&f->arena;
    struct buf b = {0};
    html(d->h,
         "<rect class=\"c5 dash\" x=\"%s\" y=\"%s\" width=\"%d\" "
         "height=\"%d\"><title>%s</title></rect>",
         px(x + 0.5).s, px(y + 0.5).s, (int)FUSION_LANE_W, (int)FUSION_LANE_H, l->name);
    struct span first = l->n_ops ? f->ops[l->first_op].node : l->name;
    put_text(d->h, x + 6, y + 14, " tc tb", fitted(a, first, FUSION_LANE_W - 10));
    if (l->n_ops > 1) {
        const char *more = arena_printf(a, "and %d more", l->n_ops - 1);
        put_text(d->h, x + 6, y + 26, " tm", span_of(more ? more : ""));
    }
    put_text(d->h, x + 6, y + 38, "", lane_blocks(a, l));
    if (l->reads != STORE_NULL && l->writes != STORE_NULL) {
        html_number(&b, 'b', html_of_int(l->reads));
        buf_puts(&b, " \xe2\x86\x92 ");
        html_number(&b, 'b', html_of_int(l->writes));
        put_text(d->h, x + 6, y + 50, " tm", fitted_in(a, buf_text(&b), FUSION_LANE_W - 8, 460));
    }
    buf_release(&b);
}

static void draw_lanes(struct drawing *d, const struct fusion_kernel *k, double x, double y)
{
    char text[48];
    int shown = k->n_lanes <= FUSION_LANES ? k->n_lanes : FUSION_LANES;
    if (d->v->ask.folded) {
        snprintf(text, sizeof text, "%d lanes side by side", k->n_lanes);
        put_text(d->h, x + 7, y + 12, " tm", span_of(text));
        return;
    }
    y += FUSION_PAD;
    for (int i = 0; i < shown; i++)
        draw_lane(d, &d->v->f->lanes[k->first_lane + i],
                  x + 7 + i % FUSION_LANES_WIDE * (FUSION_LANE_W + 4),
                  y + i / FUSION_LANES_WIDE * (FUSION_LANE_H + 4));
    if (shown == k->n_lanes) return;
    y += (shown + FUSION_LANES_WIDE - 1) / FUSION_LANES_WIDE * (FUSION_LANE_H + 4);
    snprintf(text, sizeof text, "and %d lanes more", k->n_lanes - shown);
    put_text(d->h, x + 7, y + 10, " tm", span_of(text));
}

static void draw_kernel(struct drawing *d, int box)
{
    const struct fusion_drawn *b = &d->v->drawn[box];
    const struct fusion_kernel *k = &d->v->f->kernels[b->kernel];
    const struct graph_place *p = &d->v->layout.places[box];
    double wide = d->v->graph.boxes[box].width, high = d->v->graph.boxes[box].height, y = p->y;
    bool selected = b->kernel == d->v->ask.selected;
    const char *href = d->look->href ? d->look->href(d->look->context, k) : NULL;
    if (href) html(d->h, "<a class=\"bx\" href=\"%s\"", href);
    if (href && selected) html(d->h, " id=\"at\" aria-current=\"true\"");
    if (href) html(d->h, ">");
    html(d->h,
         "<rect class=\"%s\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\"><title>kernel %d: "
         "%s</title></rect>",
         selected ? SPAN("box pick") : SPAN("box"), px(p->x + 0.5).s, px(y + 0.5).s, px(wide - 1).s,
         px(high - 1).s, b->kernel + 1, k->name);
    draw_head(d, b, p->x, y, wide);
    y += FUSION_HEAD;
    if (k->n_inputs) draw_inputs(d, k, p->x, y, wide), y += FUSION_ROW;
    if (b->carried) {
        put_text(d->h, p->x + 7, y + 12, " tm", SPAN("and values of the layer before"));
        y += FUSION_ROW;
    }
    if (k->n_lanes) draw_lanes(d, k, p->x, y);
    else draw_ops(d, k, p->x, y, wide);
    if (href) html(d->h, "</a>");
    html(d->h, "\n");
}

/* ---- lines ---- */

static void draw_lines(struct drawing *d)
{
    const struct graph_layout *o = &d->v->layout;
    html(d->h, "<path class=\"l5\" d=\"");
    for (int i = 0; i < o->n_segments; i++) {
        const struct graph_segment *s = &o->segments[i];
        if (s->x0 == s->x1) html(d->h, "M%s %sV%s", px(s->x0).s, px(s->y0).s, px(s->y1).s);
        else html(d->h, "M%s %sH%s", px(s->x0).s, px(s->y0).s, px(s->x1).s);
    }
    html(d->h, "\"/>\n<path class=\"g5\" d=\"");
    for (int i = 0; i < d->v->graph.n_edges; i++) {
        const struct graph_end *e = &o->ends[i];
        if (!e->cut) html(d->h, "M%s %sh7l-3.5 6z", px(e->x - 3.5).s, px(e->y - 6).s);
    }
    html(d->h, "\"/>\n");
}

static void draw_values(struct drawing *d)
{
    const struct fusion *f = d->v->f;
    for (int n = 0; n < d->v->n_nets; n++) {
        const struct graph_start *s = &d->v->layout.starts[n];
        const struct fusion_value *v = &f->values[d->v->value_of[n]];
        struct buf b = {0};
        if (!s->drawn) continue;
        buf_span(&b, v->name);
        if (v->bytes != STORE_NULL) {
            buf_puts(&b, " \xc2\xb7 ");
            html_number(&b, 'b', html_of_int(v->bytes));
        }
        bool left = (double)b.n * 5.4 > s->room - 8 && s->left > s->room;
        double width = fmax((left ? s->left : s->room) - 8, 0);
        if (b.p)
            draw_label(d->h, left ? s->x - 5 : s->x + 5, s->y + 11, width,
                       left ? " te tm halo" : " tm halo", b.p);
        buf_release(&b);
    }
}

void fusion_draw(struct html *h, const struct fusion_view *v, const struct fusion_look *look)
{
    struct drawing d = {h, v, look};
    int wide = (int)ceil(v->layout.width), high = (int)ceil(v->layout.height);
    html(h, "<svg class=\"d graph\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\"", wide, high,
         wide, high);
    if (look->style) html(h, " xmlns=\"http://www.w3.org/2000/svg\"");
    html(h, " role=\"img\" aria-label=\"%s\">\n", look->label);
    if (look->style) buf_printf(&h->out, "<style>%s</style>\n", look->style);
    draw_lines(&d);
    for (int i = 0; i < v->n_drawn; i++) draw_kernel(&d, i);
    draw_values(&d);
    html(h, "</svg>");
}
