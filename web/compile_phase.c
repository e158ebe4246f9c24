/* compile_phase.c - the phases of one compile: the drawing, and the same as self times per kind
 * of work. */
#include <stdio.h>

#include "store/base/lists.h"
#include "web/compile.h"
#include "web/draw.h"
#include "web/lay_phase.h"

enum { MAX_SPANS = 4000, MAX_SHAPES = 500, ROW_H = 22, TOP = 20, OF_WHICH = 3 };

enum kind {
#define KIND(name, box, bar, title, noun, does) KIND_##name,
#define PHASE(prefix, kind, label)
#include "web/phases.def"
#undef KIND
#undef PHASE
    N_KINDS
};
_Static_assert((int)N_KINDS == (int)COMPILE_KINDS, "compile.h counts the kinds");

static const struct {
    const char *box, *bar, *title, *noun, *does;
} kinds[] = {
#define KIND(name, box, bar, title, noun, does) {box, bar, title, noun, does},
#define PHASE(prefix, kind, label)
#include "web/phases.def"
#undef KIND
#undef PHASE
};
static const struct {
    const char *prefix;
    int kind;
    const char *label;
} phases[] = {
#define KIND(name, box, bar, title, noun, does)
#define PHASE(prefix, kind, label) {prefix, KIND_##kind, label},
#include "web/phases.def"
#undef KIND
#undef PHASE
};

const char *compile_kind_noun(int kind)
{
    return kinds[kind].noun;
}

static int find_phase(struct span name)
{
    int n = sizeof phases / sizeof *phases;
    for (int i = 0; i < n; i++)
        if (span_starts(name, phases[i].prefix)) return i;
    return -1;
}

struct spans {
    LIST_OF(struct phase_span) list;
    struct span *names; /* grown with the list */
    size_t names_size;
    int64_t left_out;
    struct phase_layout layout;
};

static enum err read_spans(struct web_request *q, struct spans *s)
{
    sqlite3_stmt *st;
    enum err err;
    TRY(web_query(q, "phase_spans", &st));
    while (web_step(q, st, &err)) {
        if (s->list.n == MAX_SPANS) {
            s->left_out++;
            continue;
        }
        struct phase_span *p = LIST_PUSH(&s->list);
        if (!p || (s->list.n > s->names_size &&
                   !list_grow((void **)&s->names, &s->names_size, sizeof *s->names)))
            FAIL(ERR_NOMEM, "out of memory for the phases");
        struct span name = web_keep(q, web_text(st, "name"));
        int phase = find_phase(name);
        int64_t parent = web_int(st, "parent"), dur = web_int(st, "dur");
        s->names[s->list.n - 1] = name;
        *p = (struct phase_span){web_int(st, "id"),    parent == STORE_NULL ? 0 : parent,
                                 web_int(st, "ts"),    dur == STORE_NULL ? -1 : dur,
                                 web_int(st, "track"), phase < 0 ? -1 : phases[phase].kind};
    }
    return err;
}

static void add_sums(struct compile_phases *p, const struct spans *s)
{
    p->largest = -1;
    for (size_t i = 0; i < s->list.n; i++) {
        const struct phase_box *b = &s->layout.boxes[i];
        p->self[b->kind] += b->self;
        p->spans[b->kind]++;
        p->total += b->self;
        p->unclosed += s->list.p[i].dur < 0;
    }
    for (int k = 0; k < N_KINDS; k++)
        if (p->self[k] > 0 && (p->largest < 0 || p->self[k] > p->self[p->largest])) p->largest = k;
    p->n = (int)s->list.n;
}

/* ---- the drawing ---- */

static const char *kept_text(struct web_request *q, struct buf *b)
{
    struct span kept = web_keep(q, buf_text(b));
    buf_release(b);
    return kept.p ? kept.p : "";
}

/* Raw names of what shares the box, outermost first. */
static const char *chain_title(struct web_request *q, const struct spans *s, int host)
{
    struct buf b = {0};
    int n = 0;
    for (size_t i = (size_t)host; i < s->list.n && n < 6; i++) {
        if (s->layout.boxes[i].host != host) continue;
        buf_printf(&b, "%s%.*s", n++ ? " \xe2\x80\xba " : "", SPAN_ARG(s->names[i]));
    }
    buf_puts(&b, ", ");
    html_number(&b, 't', html_of_int(s->layout.boxes[host].dur));
    return kept_text(q, &b);
}

static const char *box_label(struct web_request *q, const struct spans *s, int i)
{
    struct buf b = {0};
    int phase = find_phase(s->names[i]);
    const struct phase_box *box = &s->layout.boxes[i];
    bool exact = phase >= 0 && span_is(s->names[i], phases[phase].prefix);
    if (exact) buf_puts(&b, phases[phase].label);
    else buf_span(&b, s->names[i]);
    if (box->width > 60) {
        buf_puts(&b, " \xc2\xb7 ");
        html_number(&b, 't', html_of_int(box->dur));
    }
    return kept_text(q, &b);
}

/* With more shapes than a page should hold, the narrow ones are left out. */
static double least_width(const struct spans *s)
{
    double least = 0;
    for (int shapes = MAX_SHAPES + 1; shapes > MAX_SHAPES; least = least ? least * 2 : 0.25) {
        shapes = 0;
        for (size_t i = 0; i < s->list.n; i++)
            shapes += s->layout.boxes[i].host == (int)i && s->layout.boxes[i].width >= least;
        if (shapes <= MAX_SHAPES) return least;
    }
    return least;
}

static int put_boxes(struct web_request *q, struct html *h, const struct spans *s)
{
    double least = least_width(s);
    int left_out = 0;
    for (size_t i = 0; i < s->list.n; i++) {
        const struct phase_box *b = &s->layout.boxes[i];
        if (b->host != (int)i) continue;
        if (b->width < least) {
            left_out++;
            continue;
        }
        struct draw_box box = {.x = b->x,
                               .y = TOP + b->row * ROW_H,
                               .width = b->width < 1 ? 1 : b->width,
                               .height = ROW_H - 1,
                               .class_ = kinds[b->kind].box,
                               .label = b->width > 20 ? box_label(q, s, (int)i) : NULL,
                               .title = chain_title(q, s, (int)i)};
        draw_box(h, &box);
    }
    return left_out;
}

static void draw(struct web_request *q, const struct compile_shown *c, const struct spans *s,
                 struct html *h)
{
    int height = TOP + s->layout.n_rows * ROW_H + 4;
    html(h, "<div class=\"dw\">");
    draw_begin(h, height, arena_printf(&q->arena, "Phases of compile %.*s", SPAN_ARG(c->id)));
    draw_axis(h, &s->layout.axis, height);
    int left_out = put_boxes(q, h, s);
    html(h, "</svg></div>\n");
    if (left_out || s->left_out)
        html(h, "<p class=\"note\">%n spans are too short to be drawn; the table counts them.</p>",
             (int64_t)left_out + s->left_out);
}

/* ---- the table ---- */

struct part {
    struct span name;
    int64_t self;
    int n;
};

/* Names with the largest self times of a kind. */
static int largest_parts(const struct spans *s, int kind, struct part *parts, int most)
{
    int n = 0;
    for (size_t i = 0; i < s->list.n; i++) {
        if (s->layout.boxes[i].kind != kind) continue;
        int k = 0;
        while (k < n && !span_eq(parts[k].name, s->names[i])) k++;
        if (k == most) continue;
        if (k == n) parts[n++] = (struct part){s->names[i], 0, 0};
        parts[k].self += s->layout.boxes[i].self;
        parts[k].n++;
    }
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && parts[k].self > parts[k - 1].self; k--) {
            struct part swap = parts[k];
            parts[k] = parts[k - 1], parts[k - 1] = swap;
        }
    return n;
}

static void put_parts(struct html *h, const struct spans *s, int kind)
{
    struct part parts[64];
    int n = largest_parts(s, kind, parts, 64);
    html(h, "<span class=\"dim\">");
    for (int i = 0; i < n && i < OF_WHICH; i++) {
        html(h, "%s%s", i ? ", " : "", parts[i].name);
        if (parts[i].n > 1) html(h, " \xc3\x97%d", parts[i].n);
        html(h, " %m", parts[i].self);
    }
    html(h, "</span>");
}

static void put_table(const struct compile_phases *p, const struct spans *s, struct html *h)
{
    html(h, "<div class=\"tw\"><table id=\"phases-table\"><thead><tr><th "
            "class=\"fit\">Phase</th><th class=\"w25 opt\">What it does</th>"
            "<th class=\"num\">Spans</th><th class=\"num\">Self <small>ms</small></th><th "
            "class=\"num\">Share</th>"
            "<th class=\"fit opt\"></th><th class=\"opt\">Of which "
            "<small>ms</small></th></tr></thead><tbody>\n");
    for (int k = 0; k < N_KINDS; k++) {
        if (!p->spans[k]) continue;
        html(h,
             "<tr><td class=\"fit\"><svg width=\"8\" height=\"8\" aria-hidden=\"true\"><rect "
             "class=\"%s\" width=\"8\" height=\"8\"/></svg> %s</td>"
             "<td class=\"opt\"><span class=\"dim\">%s</span></td><td class=\"num\">%n</td><td "
             "class=\"num\">%m</td><td class=\"num\">%p</td><td class=\"fit opt\">",
             kinds[k].bar, kinds[k].title, kinds[k].does, p->spans[k], p->self[k],
             (double)p->self[k] / (double)(p->total ? p->total : 1));
        web_bar(h, (double)p->self[k], (double)p->self[p->largest < 0 ? k : p->largest], 72,
                kinds[k].bar);
        html(h, "</td><td class=\"opt\">");
        put_parts(h, s, k);
        html(h, "</td></tr>\n");
    }
    html(h, "</tbody></table></div>\n");
}

enum err compile_phases_read(struct web_request *q, const struct compile_shown *c,
                             struct compile_phases *p)
{
    struct spans s = {0};
    enum err err = read_spans(q, &s);
    if (!err)
        err = lay_phases(s.list.p, (int)s.list.n, N_KINDS, 0, DRAW_WIDTH - 2, &q->arena, &s.layout);
    if (!err) {
        add_sums(p, &s);
        if (p->n) {
            draw(q, c, &s, &p->drawing);
            put_table(p, &s, &p->table);
        }
    }
    LIST_RELEASE(&s.list);
    free(s.names);
    return err;
}

void compile_phases_release(struct compile_phases *p)
{
    html_release(&p->drawing);
    html_release(&p->table);
}
