/* divergence_ribbon.c - every pair of every lane in one strip each, and around the cursor one bar
 * per call with its step, phase and module.
 *
 *   minimap   604 buckets of the lane, the worst verdict of each
 *   window    ?span= calls (40 to 320) from ?from= on, or with the cursor at an eighth of it
 */
#include "web/divergence.h"
#include "web/draw.h"
#include "web/lay_ribbon.h"

#include <math.h>

enum {
    BUCKETS = 604,
    JUMPS = 40,
    MOST_LANES = 16,
    MOST_BARS = 320,
    BARS = 80,
    STRIP = 14,
    LETTER = 9
};

struct ribbon {
    struct web_request *q;
    struct html *h;
    const struct divergence *d;
    struct divergence_row *row;
    int n, span;
    double y; /* where the next thing goes */
    bool cut; /* there are more lanes than strips */
};

struct lane {
    int64_t id, low, high, rank, first;
};

static const char *px(struct web_request *q, double v)
{
    const char *text = arena_printf(&q->arena, "%.1f", v);
    return text ? text : "0";
}

static void put_rect(struct ribbon *r, const char *class_, double x, double y, double w, double hh)
{
    html(r->h, "<rect class=\"%s\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\"/>", class_,
         px(r->q, x), px(r->q, y), px(r->q, w), px(r->q, hh));
}

/* ---- minimap ---- */

static enum err read_buckets(struct ribbon *r, int64_t lane, uint8_t worst[BUCKETS])
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(r->q, "divergence_minimap", &s));
    TRY(store_bind_int(s, ":lane", lane));
    TRY(store_bind_int(s, ":buckets", BUCKETS));
    while (web_step(r->q, s, &err)) {
        int64_t b = web_int(s, "bucket"), v = web_int(s, "verdict");
        if (b >= 0 && b < BUCKETS && v > worst[b] && v < DIFF_N_VERDICTS) worst[b] = (uint8_t)v;
    }
    return err;
}

/* Fewer pairs than buckets: a pair is as wide as its share. */
static int spread(uint8_t worst[BUCKETS], int64_t pairs)
{
    if (pairs >= BUCKETS || pairs < 1) return BUCKETS;
    for (int64_t i = 0; i < pairs; i++) worst[i] = worst[(i * BUCKETS) / pairs];
    return (int)pairs;
}

/* Pairs before part i; numbers of a file may be so far apart that whole ones overflow. */
static int64_t share_of(const struct lane *l, int i)
{
    return (int64_t)((double)(l->high - l->low) * i / JUMPS);
}

/* Parts of the strip lead to where they are; for pointers only, the keyboard has n and N. */
static void put_jumps(struct ribbon *r, const struct lane *l, double y)
{
    for (int i = 0; i < JUMPS; i++)
        html(r->h,
             "<a tabindex=\"-1\" href=\"%s\"><rect class=\"hit\" x=\"%s\" y=\"%s\" width=\"%s\" "
             "height=\"%d\"><title>go to here</title></rect></a>",
             web_here(r->q, "at", divergence_number(r->q, l->low + share_of(l, i)), "from", "",
                      "open", "", NULL),
             px(r->q, (double)DRAW_WIDTH * i / JUMPS), px(r->q, y),
             px(r->q, (double)DRAW_WIDTH / JUMPS), STRIP);
}

static enum err put_strip(struct ribbon *r, const struct lane *l)
{
    uint8_t worst[BUCKETS] = {0};
    struct ribbon_rect rect[BUCKETS];
    double y = r->y;
    TRY(read_buckets(r, l->id, worst));
    int buckets = spread(worst, l->high - l->low + 1);
    int n = lay_minimap(worst, buckets, DRAW_WIDTH, DIFF_STRUCTURE, rect);
    if (l->rank != STORE_NULL && r->d->lanes > 1) {
        html(r->h, "<text x=\"0\" y=\"%s\" class=\"tm t10\">rank %d</text>", px(r->q, y + 9),
             l->rank);
        y += 12;
    }
    put_rect(r, "g2", 0, y, DRAW_WIDTH, STRIP - 2);
    for (int i = 0; i < n; i++)
        put_rect(r, divergence_look(rect[i].verdict)->dot, rect[i].x, y, rect[i].width, STRIP - 2);
    put_jumps(r, l, y);
    if (l->id == r->d->lane && r->n && l->high > l->low) {
        double all = (double)(l->high - l->low + 1);
        double x = (double)(r->row[0].id - l->low) / all * DRAW_WIDTH, w = r->n / all * DRAW_WIDTH;
        put_rect(r, "self nopointer", x, y - 1, w < 3 ? 3 : w, STRIP);
    }
    r->y = y + STRIP + 4;
    return ERR_OK;
}

static enum err put_strips(struct ribbon *r)
{
    sqlite3_stmt *s;
    enum err err;
    struct lane lane[MOST_LANES];
    int n = 0;
    TRY(web_query(r->q, "divergence_lanes", &s));
    while (web_step(r->q, s, &err)) {
        struct lane l = {web_int(s, "lane"), web_int(s, "low"), web_int(s, "high"),
                         web_int(s, "rank"), web_int(s, "first_pair")};
        if (l.low < 1) continue; /* without pairs; they are numbered from 1 */
        if (n < MOST_LANES) lane[n++] = l;
        else if (l.id == r->d->lane) lane[n - 1] = l;
    }
    TRY(err);
    for (int i = 0; i < n; i++) TRY(put_strip(r, &lane[i]));
    r->cut = r->d->lanes > MOST_LANES;
    return ERR_OK;
}

/* ---- the window ---- */

/* The end of a dotted name that fits: "layers.0.up", "0.up", "up". */
static struct span tail_that_fits(struct span label, double width)
{
    while (lay_fit(width, (int)label.n) < (int)label.n) {
        size_t dot = span_find(label, SPAN("."), 0);
        if (dot == SIZE_MAX) break;
        label = span_from(label, dot + 1);
    }
    return label;
}

static void put_stretch(struct ribbon *r, const struct ribbon_span *s, double y, struct span label)
{
    struct span shown = tail_that_fits(label, s->width);
    int n = (int)shown.n, fit = lay_fit(s->width, n);
    html(r->h, "<g><title>%s</title>", label);
    put_rect(r, "boxh", s->x, y, s->width - 1, 17);
    if (fit)
        html(r->h, "<text x=\"%s\" y=\"%s\" class=\"t10\">%s%s</text>", px(r->q, s->x + 4),
             px(r->q, y + 12), span_to(shown, fit < n ? (size_t)fit - 1 : (size_t)n),
             fit < n ? SPAN("\xe2\x80\xa6") : SPAN(""));
    html(r->h, "</g>");
}

static struct span step_label(struct ribbon *r, const struct divergence_row *p)
{
    const char *phase = divergence_phase(p->phase);
    const char *text =
        arena_printf(&r->q->arena, "%.*s%s%s", (int)p->step.n, p->step.p ? p->step.p : "",
                     p->step.n && *phase ? ", " : "", phase);
    return span_of(text && *text ? text : "(no step)");
}

/* The module without its root, as short as it is told apart: "Stack.layers.0.up" as "layers.0.up".
 */
static struct span module_label(const struct divergence_row *p)
{
    size_t dot = p->module.n ? span_find(p->module, SPAN("."), 0) : SIZE_MAX;
    if (!p->module.n) return SPAN("(no module)");
    return dot == SIZE_MAX ? p->module : span_from(p->module, dot + 1);
}

static uint64_t key_of(struct span s, uint64_t more)
{
    uint64_t h = 14695981039346656037ULL ^ more;
    for (size_t i = 0; i < s.n; i++) h = (h ^ (unsigned char)s.p[i]) * 1099511628211ULL;
    return h;
}

static void put_places(struct ribbon *r)
{
    uint64_t key[MOST_BARS];
    struct ribbon_span s[MOST_BARS];
    for (int i = 0; i < r->n; i++) key[i] = key_of(r->row[i].step, (uint64_t)r->row[i].phase * 977);
    int n = lay_stretches(key, r->n, DRAW_WIDTH, s);
    for (int i = 0; i < n; i++) put_stretch(r, &s[i], r->y, step_label(r, &r->row[s[i].from]));
    for (int i = 0; i < r->n; i++) key[i] = key_of(r->row[i].module, key[i]);
    n = lay_stretches(key, r->n, DRAW_WIDTH, s);
    for (int i = 0; i < n; i++) put_stretch(r, &s[i], r->y + 19, module_label(&r->row[s[i].from]));
    r->y += 42;
}

static void put_bar(struct ribbon *r, int i, double ground)
{
    const struct divergence_row *p = &r->row[i];
    const struct divergence_look *l = divergence_row_look(p->verdict, p->flags);
    struct ribbon_bar b = lay_bar(i, r->n, DRAW_WIDTH, ground, l->height);
    html(r->h,
         "<a class=\"bx\" href=\"%s\"><rect class=\"%s\" x=\"%s\" y=\"%s\" width=\"%s\" "
         "height=\"%s\"><title>call %d, %s: %s</title></rect>",
         web_here(r->q, "at", divergence_number(r->q, p->id), "from",
                  divergence_number(r->q, r->row[0].id), "open", "", NULL),
         l->bar, px(r->q, b.x + 0.5), px(r->q, b.y),
         px(r->q, b.width > 1 ? b.width - 0.5 : b.width), px(r->q, b.height), divergence_place(p),
         p->name, l->word);
    if (b.width > LETTER && p->verdict != DIFF_SAME)
        html(r->h, "<text class=\"tx t10 tb nopointer %s\" x=\"%s\" y=\"%s\">%s</text>", l->ink,
             px(r->q, b.x + b.width / 2), px(r->q, ground - 4), l->letter);
    html(r->h, "</a>");
    if (p->id == r->d->at)
        put_rect(r, "sel nopointer", b.x - 0.5, b.y - 2, b.width + 1.5, b.height + 4);
}

static void put_numbers(struct ribbon *r, double y)
{
    double one = (double)DRAW_WIDTH / r->n, last = -100, cursor = -100;
    for (int i = 0; i < r->n; i++)
        if (r->row[i].id == r->d->at) cursor = one * (i + 0.5);
    for (int i = 0; i < r->n; i++) {
        double x = one * (i + 0.5);
        int64_t place = divergence_place(&r->row[i]);
        bool here = r->row[i].id == r->d->at;
        if (!here && (place % 10 || x - last < 50 || fabs(x - cursor) < 50)) continue;
        html(r->h, "<text class=\"tx t10 %s\" x=\"%s\" y=\"%s\">%d</text>", here ? "tacc tb" : "tm",
             px(r->q, x), px(r->q, y), place);
        last = x;
    }
}

static void put_window(struct ribbon *r)
{
    if (!r->n) return;
    put_places(r);
    double ground = r->y + 36;
    for (int i = 0; i < r->n; i++) put_bar(r, i, ground);
    put_numbers(r, ground + 14);
    r->y = ground + 20;
}

/* ---- reading ---- */

/* Whatever is chosen for the rows. */
static enum err read_window(struct ribbon *r, int64_t at, int before)
{
    static const char *const filters[] = {":verdict", ":step", ":phase", ":module"};
    sqlite3_stmt *s;
    enum err err = ERR_OK;
    r->n = 0;
    TRY(web_query(r->q, "divergence_pairs", &s));
    TRY(store_bind_int(s, ":at", at));
    TRY(store_bind_int(s, ":before", before));
    TRY(store_bind_int(s, ":count", r->span));
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        TRY(store_bind_text(s, filters[i], NULL, 0));
    while (r->n < r->span && web_step(r->q, s, &err)) divergence_read_row(r->q, s, &r->row[r->n++]);
    sqlite3_reset(s);
    return err;
}

/* The window of before, while the cursor is in it. */
static enum err read_around(struct ribbon *r)
{
    int64_t from = web_param_int(r->q, "from", -1);
    if (from >= r->d->low && from <= r->d->at) {
        TRY(read_window(r, from, 0));
        if (r->n && r->row[r->n - 1].id >= r->d->at) return ERR_OK;
    }
    return read_window(r, r->d->at, r->span / 8);
}

static void put_zoom(struct ribbon *r)
{
    html(r->h, "<p class=\"key\">");
    for (int v = DIFF_N_VERDICTS - 1; v >= 0; v--) {
        if (!r->d->n[v]) continue;
        html(r->h, "<span>");
        divergence_mark(r->h, divergence_look(v));
        html(r->h, "%s</span>", divergence_look(v)->word);
    }
    if (r->span > BARS / 2)
        html(r->h, "<a href=\"%s\">zoom in</a>",
             web_here(r->q, "span", divergence_number(r->q, r->span / 2), "from", "", NULL));
    if (r->span < MOST_BARS)
        html(r->h, "<a href=\"%s\">zoom out</a>",
             web_here(r->q, "span", divergence_number(r->q, r->span * 2), "from", "", NULL));
    if (r->cut) html(r->h, "<a href=\"#lanes\">%d of %n logs</a>", MOST_LANES, r->d->lanes);
    html(r->h, "</p>");
}

enum err divergence_write_ribbon(struct web_request *q, struct html *h, const struct divergence *d)
{
    int64_t span = web_param_int(q, "span", BARS);
    struct html drawing = {0};
    struct ribbon r = {.q = q, .h = &drawing, .d = d, .y = 6};
    r.span = span >= 320 ? 320 : span >= 160 ? 160 : span >= 80 ? 80 : 40;
    r.row = arena_array(&q->arena, MOST_BARS, sizeof *r.row);
    if (!r.row) FAIL(ERR_NOMEM, "out of memory for a ribbon");
    enum err err = read_around(&r);
    if (!err) err = put_strips(&r);
    if (!err) {
        put_window(&r);
        err = html_ok(&drawing);
    }
    if (!err) {
        web_section(q, h, "ribbon", "Ribbon",
                    "one bar per call in order, taller is worse; above it all of them",
                    "divergence_pairs");
        html(h, "<div class=\"dw pad\">");
        draw_begin(h, (int)r.y,
                   arena_printf(&q->arena, "Verdict of each of %lld pairs; the cursor is at one",
                                (long long)d->n_pairs));
        buf_span(&h->out, buf_text(&drawing.out));
        html(h, "</svg></div>");
        r.h = h;
        put_zoom(&r);
        web_section_end(h);
    }
    html_release(&drawing);
    return err;
}
