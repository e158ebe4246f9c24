/* kernel_around.c - a kernel between the kernels that made what it reads and those that read what
 * it makes.
 *
 *   ┌ extern_mm_0 ──┐       ┌ pl_poi_fused_add_relu_0 ┐       ┌ pl_per_fused__softmax_1 ┐
 *   │ mm · 64.0 KiB ├───────┤ 1 add              main ├───────┤ relu · 64.0 KiB         │
 *   ┌ an input ─────┐   ┌───┤ 2 relu             main │       └─────────────────────────┘
 *   │ b · 1.0 KiB   ├───┘   └─────────────────────────┘
 *
 * The rows of the named query kernel_args, each value once, in their order: so the lines do not
 * cross. The table of arguments has the same.
 */
#include <stdio.h>

#include "web/draw.h"
#include "web/kernel.h"

enum { MANY = 10, LINES = 14, BOX_H = 36, BOX_GAP = 8, LINE_H = 16, HEAD_H = 22, TOP_H = 6 };
enum {
    LEFT_X = 6,
    SIDE_W = 346,
    MIDDLE_X = 434,
    MIDDLE_W = 340,
    RIGHT_X = DRAW_WIDTH - LEFT_X - SIDE_W
};

struct end {
    struct span value, name, role;
    int64_t bytes, id, readers;
    bool in_place;
};
struct side {
    struct end end[MANY];
    int n, left_out;
};
struct member {
    struct span node, role;
};
struct around {
    struct side in, out;
    struct member member[LINES];
    int n_members, left_out;
};

static void add_end(struct web_request *q, struct side *side, sqlite3_stmt *s)
{
    struct span value = web_text(s, "value");
    for (int i = 0; i < side->n; i++)
        if (span_eq(side->end[i].value, value)) return;
    if (side->n == MANY) {
        side->left_out++;
        return;
    }
    side->end[side->n++] = (struct end){
        .value = web_keep(q, value),
        .name = web_kept(q, s, "other_name"),
        .role = web_kept(q, s, "other_role"),
        .bytes = web_int(s, "bytes"),
        .id = web_int(s, "other"),
        .readers = web_int(s, "readers"),
        .in_place = span_starts(web_text(s, "name"), "in_out"),
    };
}

static enum err read_ends(struct web_request *q, struct around *a)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "kernel_args", &s));
    while (web_step(q, s, &err))
        if (web_text(s, "value").n) add_end(q, web_int(s, "written") == 1 ? &a->out : &a->in, s);
    return err;
}

static enum err read_members(struct web_request *q, struct around *a)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "kernel_members", &s));
    while (web_step(q, s, &err)) {
        if (a->n_members == LINES) a->left_out++;
        else
            a->member[a->n_members++] =
                (struct member){web_kept(q, s, "node"), web_kept(q, s, "role")};
    }
    return err;
}

/* ---- drawing ---- */

static const char *class_of(struct span role)
{
    return span_is(role, "extern") ? "c6" : span_is(role, "combo") ? "c5" : "c1";
}

static double side_height(const struct side *s)
{
    return s->n ? s->n * (BOX_H + BOX_GAP) - BOX_GAP : 0;
}

static double middle_height(const struct around *a)
{
    return HEAD_H + (a->n_members + (a->left_out > 0)) * LINE_H + (a->n_members ? 6 : 0);
}

/* What stands at the end of a line: the kernel there, below it the value. */
static void draw_end(struct web_request *q, struct html *h, const struct end *e, double x, double y,
                     bool out)
{
    struct buf value = {0};
    bool kernel = e->id != STORE_NULL;
    buf_span(&value, e->value);
    if (e->bytes != STORE_NULL) {
        buf_puts(&value, " \xc2\xb7 ");
        html_number(&value, 'b', html_of_int(e->bytes));
    }
    if (e->readers > 1) buf_printf(&value, " \xc2\xb7 and %lld more", (long long)e->readers - 1);
    struct span kept = web_keep(q, buf_text(&value));
    const char *name = kernel && e->name.n ? e->name.p
                       : e->in_place       ? "changed in place"
                       : out               ? "a result"
                                           : "an input";
    struct draw_box box = {.x = x,
                           .y = y,
                           .width = SIDE_W,
                           .height = BOX_H,
                           .class_ = kernel ? class_of(e->role) : "box dash",
                           .title = name,
                           .href = kernel ? kernel_link(q, e->id) : NULL};
    draw_box(h, &box);
    draw_label(h, x + 8, y + 15, SIDE_W - 16, kernel ? " tc" : " tm", name);
    if (kept.p) draw_label(h, x + 8, y + 29, SIDE_W - 16, " tm", kept.p);
    buf_release(&value);
}

/* A curve from a box to the place of its line at the kernel. */
static void draw_line(struct html *h, double x0, double y0, double x1, double y1)
{
    char d[160];
    double bend = (x0 + x1) / 2;
    snprintf(d, sizeof d, "M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f", x0, y0, bend, y0, bend, y1,
             x1, y1);
    html(h, "<path class=\"l5\" d=\"%s\"/>", d);
}

static void draw_side(struct web_request *q, struct html *h, const struct around *a, bool out,
                      double middle)
{
    const struct side *side = out ? &a->out : &a->in;
    double y = middle - side_height(side) / 2, high = middle_height(a);
    for (int i = 0; i < side->n; i++, y += BOX_H + BOX_GAP) {
        double at = middle - high / 2 + high * (i + 1) / (side->n + 1), mid = y + BOX_H / 2.0;
        if (out) draw_line(h, MIDDLE_X + MIDDLE_W, at, RIGHT_X, mid);
        else draw_line(h, LEFT_X + SIDE_W, mid, MIDDLE_X, at);
        draw_end(q, h, &side->end[i], out ? RIGHT_X : LEFT_X, y, out);
    }
}

static void draw_members(struct web_request *q, struct html *h, const struct around *a, double y)
{
    char ty[24];
    for (int i = 0; i < a->n_members; i++) {
        const struct member *m = &a->member[i];
        y += LINE_H;
        snprintf(ty, sizeof ty, "%.1f", y);
        html(h, "<text class=\"tm t10 te\" x=\"%d\" y=\"%s\">%d</text>", MIDDLE_X + 20, ty, i + 1);
        if (m->node.n) draw_label(h, MIDDLE_X + 28, y, MIDDLE_W - 110, " tc", m->node.p);
        if (m->role.n)
            html(h, "<text class=\"tm t10 te\" x=\"%d\" y=\"%s\">%s</text>",
                 MIDDLE_X + MIDDLE_W - 8, ty, m->role);
    }
    if (a->left_out)
        draw_label(h, MIDDLE_X + 28, y + LINE_H, MIDDLE_W - 36, " tm",
                   arena_printf(&q->arena, "and %d more", a->left_out));
}

static void draw_middle(struct web_request *q, struct html *h, const struct around *a,
                        const struct kernel_shown *k, double middle)
{
    char y[24], head[24], high[24];
    double height = middle_height(a), top = middle - height / 2;
    snprintf(y, sizeof y, "%.1f", top + 0.5);
    snprintf(high, sizeof high, "%.1f", height);
    snprintf(head, sizeof head, "%d", (int)HEAD_H);
    html(h, "<rect class=\"box\" x=\"%d.5\" y=\"%s\" width=\"%d\" height=\"%s\"/>", (int)MIDDLE_X,
         y, (int)MIDDLE_W, high);
    html(h, "<rect class=\"%s\" x=\"%d.5\" y=\"%s\" width=\"%d\" height=\"%s\"/>",
         class_of(k->role), (int)MIDDLE_X, y, (int)MIDDLE_W, head);
    draw_label(h, MIDDLE_X + 8, top + 15, MIDDLE_W - 16, " tc tb",
               k->name.n ? k->name.p : "kernel");
    draw_members(q, h, a, top + HEAD_H);
}

static void draw(struct web_request *q, struct html *h, const struct around *a,
                 const struct kernel_shown *k)
{
    double height = middle_height(a);
    if (side_height(&a->in) > height) height = side_height(&a->in);
    if (side_height(&a->out) > height) height = side_height(&a->out);
    html(h, "<div class=\"dw\">");
    draw_begin(h, (int)height + 2 * TOP_H + 1,
               arena_printf(
                   &q->arena, "%.*s reads %d values and writes %d; the table of arguments has them",
                   SPAN_ARG(k->name), a->in.n + a->in.left_out, a->out.n + a->out.left_out));
    double middle = TOP_H + height / 2;
    draw_side(q, h, a, false, middle);
    draw_side(q, h, a, true, middle);
    draw_middle(q, h, a, k, middle);
    html(h, "</svg></div>\n");
    if (a->in.left_out + a->out.left_out)
        html(h, "<p class=\"note\">%n more are in the table of arguments.</p>",
             (int64_t)a->in.left_out + a->out.left_out);
}

enum err kernel_put_around(struct web_request *q, struct html *h, const struct kernel_shown *k)
{
    struct around a = {0};
    TRY(read_ends(q, &a));
    if (!a.in.n && !a.out.n) return ERR_OK;
    TRY(read_members(q, &a));
    web_section(q, h, "around", "Around it",
                "what made the values it reads, and what reads those it makes",
                "kernel_neighbours");
    draw(q, h, &a, k);
    web_section_end(h);
    return ERR_OK;
}
