/* fusion_large.c - a graph of more shapes than a browser moves as SVG: its places as numbers, drawn
 * by plumb_graph.js on a canvas of the size of the view. Without a script the page offers the
 * neighbourhood of one kernel and the table. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "web/asset.h"
#include "web/fusion_page.h"

static int px(double v)
{
    return (int)(v + 0.5);
}

static void put_box(struct buf *b, const struct fusion_view *v, int box)
{
    const struct fusion_drawn *d = &v->drawn[box];
    const struct fusion_kernel *k = &v->f->kernels[d->kernel];
    const struct graph_place *p = &v->layout.places[box];
    char text[32], sub[64];
    fusion_overlay_text(k, v->ask.overlay, text);
    sub[0] = 0;
    if (k->n_lanes) snprintf(sub, sizeof sub, "%d lanes", k->n_lanes);
    else if (k->n_ops)
        snprintf(sub, sizeof sub, "%d operator%s", k->n_ops, k->n_ops == 1 ? "" : "s");
    if (d->times > 1)
        snprintf(sub + strlen(sub), sizeof sub - strlen(sub), " \xc3\x97%d", d->times);
    buf_printf(b, "%s[%d,%d,%d,%d,\"%s\",", box ? "," : "", px(p->x), px(p->y),
               px(v->graph.boxes[box].width), px(v->graph.boxes[box].height),
               fusion_head_class(v, k));
    buf_json(b, span_of(k->key));
    buf_putc(b, ',');
    buf_json(b, span_of(text));
    buf_putc(b, ',');
    buf_json(b, span_of(sub));
    buf_putc(b, ']');
}

static void put_values(struct buf *b, const struct fusion_view *v)
{
    bool first = true;
    for (int n = 0; n < v->n_nets; n++) {
        const struct graph_start *s = &v->layout.starts[n];
        const struct fusion_value *value = &v->f->values[v->value_of[n]];
        if (!s->drawn) continue;
        buf_printf(b, "%s[%d,%d,%d,", first ? "" : ",", px(s->x), px(s->y), px(s->room));
        buf_json(b, value->name);
        buf_putc(b, ']');
        first = false;
    }
}

static void put_numbers(struct buf *b, const struct fusion_view *v)
{
    const struct graph_layout *o = &v->layout;
    buf_puts(b, "],\"lines\":[");
    for (int i = 0; i < o->n_segments; i++) {
        const struct graph_segment *s = &o->segments[i];
        buf_printf(b, "%s%d,%d,%d,%d", i ? "," : "", px(s->x0), px(s->y0), px(s->x1), px(s->y1));
    }
    buf_puts(b, "],\"ends\":[");
    bool first = true;
    for (int i = 0; i < v->graph.n_edges; i++) {
        if (o->ends[i].cut) continue;
        buf_printf(b, "%s%d,%d", first ? "" : ",", px(o->ends[i].x), px(o->ends[i].y));
        first = false;
    }
    buf_puts(b, "]}");
}

void fusion_draw_large(struct html *h, const struct fusion_view *v, const char *href,
                       const char *label)
{
    struct buf b = {0};
    buf_printf(&b, "{\"width\":%d,\"height\":%d,\"at\":%d,\"boxes\":[", px(v->layout.width),
               px(v->layout.height), v->ask.selected >= 0 ? v->box[v->ask.selected] : -1);
    for (int i = 0; i < v->n_drawn; i++) put_box(&b, v, i);
    buf_puts(&b, "],\"values\":[");
    put_values(&b, v);
    put_numbers(&b, v);
    html(h,
         "<canvas class=\"graph\" role=\"img\" aria-label=\"%s\" data-href=\"%s\" "
         "data-graph=\"%s\"></canvas>"
         "<noscript><p class=\"state\">A drawing of so many kernels needs JavaScript. The table "
         "has them all, and the "
         "neighbourhood of a kernel is drawn without: select one and some steps around "
         "it.</p></noscript>",
         label, href, buf_text(&b));
    html(h, "<script defer src=\"/a/plumb_graph.js?v=%s\"></script>",
         web_asset_tag("plumb_graph.js"));
    if (b.failed) h->out.failed = true;
    buf_release(&b);
}
