/* draw.c - pieces of SVG that several drawings share. */
#include "web/draw.h"

#include <stdio.h>

void draw_begin(struct html *h, int height, const char *label)
{
    html(h, "<svg class=\"d min\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">",
         DRAW_WIDTH, height, label);
}

static const char *px(char text[24], double v)
{
    snprintf(text, 24, "%.1f", v);
    return text;
}

/* Tick labels in one unit: that of the step. */
static void put_tick(struct html *h, int64_t t, int64_t step, bool first)
{
    static const struct {
        int64_t ns;
        const char *name;
    } units[] = {{1000000000, "s"}, {1000000, "ms"}, {1000, "\xc2\xb5s"}, {1, "ns"}};
    size_t u = 0;
    while (u < 3 && step * 10 < units[u].ns) u++;
    char text[32];
    bool tenth = step < units[u].ns;
    snprintf(text, sizeof text, tenth ? "%.1f" : "%.0f", (double)t / (double)units[u].ns);
    if (first) html(h, "%s %s", text, units[u].name);
    else html(h, "%s", text);
}

void draw_axis(struct html *h, const struct span_axis *a, int height)
{
    char x[24], tx[24];
    for (int i = 0; i < a->n_ticks; i++) {
        double at = lay_axis_x(a, a->t0 + i * a->step);
        html(h, "<path d=\"M%s 18V%d\" class=\"l3\"/><text x=\"%s\" y=\"12\" class=\"tm t10\">",
             px(x, at), height, px(tx, at + 3));
        put_tick(h, i * a->step, a->step, i == 0);
        html(h, "</text>");
    }
}

/* At most `n` characters of UTF-8 text, an ellipsis for the rest. */
static void put_cut(struct html *h, const char *label, int n, int of)
{
    struct span s = span_of(label);
    size_t end = 0;
    for (int i = 0; end < s.n && i < (n < of ? n - 1 : n); i++) {
        size_t step = utf8_length(span_from(s, end));
        end += step ? step : 1;
    }
    html_text(h, span_to(s, end));
    if (n < of) html(h, "\xe2\x80\xa6");
}

static int characters(const char *s)
{
    int n = 0;
    for (; *s; s++) n += (*s & 0xc0) != 0x80;
    return n;
}

void draw_label(struct html *h, double x, double y, double width, const char *class_,
                const char *label)
{
    char tx[24], ty[24];
    int of = characters(label), n = of ? lay_fit(width, of) : 0;
    if (!n) return;
    html(h, "<text class=\"t10 nopointer%s\" x=\"%s\" y=\"%s\">", class_, px(tx, x), px(ty, y));
    put_cut(h, label, n, of);
    html(h, "</text>");
}

void draw_box(struct html *h, const struct draw_box *b)
{
    char x[24], y[24], w[24], hh[24];
    if (b->href) html(h, "<a class=\"bx\" href=\"%s\">", b->href);
    html(h, "<rect class=\"%s\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\">", b->class_,
         px(x, b->x + 0.5), px(y, b->y + 0.5), px(w, b->width > 1.5 ? b->width - 1 : b->width),
         px(hh, b->height - 1));
    if (b->title) html(h, "<title>%s</title>", b->title);
    html(h, "</rect>");
    if (b->label) draw_label(h, b->x + 4, b->y + b->height / 2 + 3.5, b->width, "", b->label);
    if (b->href) html(h, "</a>");
}
