/* fusion_file.c - the fusion graph as a file: for Graphviz, and as a drawing that needs no style
 * sheet. */
#include "web/fusion_page.h"

/* A quoted string of DOT; control characters would break lines. */
static void dot_text(struct buf *b, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '"' || c == '\\') buf_putc(b, '\\');
        buf_putc(b, (unsigned char)c < 32 ? ' ' : c);
    }
}

static void dot_kernel(struct buf *out, const struct fusion_view *v, int box)
{
    const struct fusion_drawn *d = &v->drawn[box];
    const struct fusion_kernel *k = &v->f->kernels[d->kernel];
    char text[32];
    fusion_overlay_text(k, v->ask.overlay, text);
    buf_printf(out, "  k%d [label=\"", d->kernel + 1);
    dot_text(out, k->name);
    if (*text) buf_printf(out, "\\l%s", text);
    if (d->times > 1) buf_printf(out, "\\l\xc3\x97%d", d->times);
    for (int i = k->first_op; i < k->first_op + k->n_ops && !v->ask.folded; i++) {
        buf_printf(out, "\\l%d ", v->f->ops[i].position + 1);
        dot_text(out, v->f->ops[i].node);
        if (v->f->ops[i].also >= 0) buf_puts(out, " [2]");
    }
    buf_printf(out, "\\l\"%s];\n", k->n_lanes ? ", peripheries=2" : "");
}

void fusion_write_dot(struct buf *out, const struct fusion_view *v)
{
    buf_puts(out, "digraph fusion {\n  node [shape=box, fontname=monospace];\n");
    for (int i = 0; i < v->n_drawn; i++) dot_kernel(out, v, i);
    for (int i = 0; i < v->graph.n_edges; i++) {
        const struct graph_edge *e = &v->graph.edges[i];
        const struct fusion_value *value = &v->f->values[v->value_of[e->net]];
        buf_printf(out, "  k%d -> k%d [label=\"", v->drawn[e->from].kernel + 1,
                   v->drawn[e->to].kernel + 1);
        dot_text(out, value->name);
        if (value->bytes != STORE_NULL) {
            buf_putc(out, ' ');
            html_number(out, 'b', html_of_int(value->bytes));
        }
        buf_puts(out, "\"];\n");
    }
    buf_puts(out, "}\n");
}

/* The colours of plumb.css that the drawing uses. */
#define LIGHT                                                                                      \
    "--n0:#fff;--n1:#f6f7f8;--n5:#7f8a92;--n6:#59636b;--n8:#14191d;--odd:#6a3fa0;--oddf:#f1eafa;"  \
    "--c1:#d5e3f6;--c2:#d3ebe7;--c3:#f4e7c6;--c4:#f3dde6;--c5:#e4def3;--c6:#e4e7e9;"
#define DARK                                                                                       \
    "--n0:#121517;--n1:#181c1f;--n5:#76828b;--n6:#9ba6ae;--n8:#eceff1;--odd:#c3a6ee;"              \
    "--oddf:#2c2140;--c1:#1e3350;--c2:#163a36;--c3:#3b2f12;--c4:#412330;--c5:#2c2644;--c6:#"       \
    "2b3236;"
static const char STYLE[] =
    "svg{" LIGHT "background:var(--n0);font:11px sans-serif}"
    "@media(prefers-color-scheme:dark){svg{" DARK "}}"
    "text{fill:var(--n8)}.t10{font-size:10px}.tm{fill:var(--n6)}.tc{font-family:monospace}"
    ".tb{font-weight:600}.te{text-anchor:end}.tx{text-anchor:middle}.todd{fill:var(--odd)}"
    ".box{fill:var(--n0);stroke:var(--n5)}.dash{stroke-dasharray:3 3}.l5{stroke:var(--n5);fill:"
    "none}.g5{fill:var(--n5)}.g1{fill:var(--n1)}.foddf{fill:var(--oddf);stroke:var(--odd)}"
    ".c1{fill:var(--c1);stroke:var(--n5)}.c2{fill:var(--c2);stroke:var(--n5)}.c3{fill:var(--c3);"
    "stroke:var(--n5)}.c4{fill:var(--c4);stroke:var(--n5)}.c5{fill:var(--c5);stroke:var(--n5)}"
    ".c6{fill:var(--c6);stroke:var(--n5)}.o0{fill:var(--n1)}.o1{fill:var(--c6)}.o2{fill:var(--c3)}"
    ".o3{fill:var(--c4)}.o4{fill:var(--oddf)}.halo{paint-order:stroke;stroke:var(--n0);stroke-"
    "width:3px}";

void fusion_write_svg(struct html *h, const struct fusion_view *v)
{
    struct fusion_look look = {.label = "kernels and the values between them", .style = STYLE};
    fusion_draw(h, v, &look);
}
