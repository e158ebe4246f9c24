/* kernel_launch.c - launches of a kernel: by shape and variant, how their times are spread, one by
 * one. */
#include <stdio.h>

#include "web/calls.h"
#include "web/draw.h"
#include "web/kernel.h"

/* ---- by shape ---- */

static void cell_geometry(struct web_cell *c)
{
    struct span grid = web_text(c->row, "grid"), block = web_text(c->row, "block");
    if (grid.n) html(c->h, "%s blocks of %s", grid, block);
    else if (web_int(c->row, "threads") != STORE_NULL)
        html(c->h, "%n %s", web_int(c->row, "threads"),
             web_int(c->row, "threads") == 1 ? SPAN("thread") : SPAN("threads"));
}

static const struct web_column SHAPES[] = {
    {.name = "variant", .head = "Ran as", .class_ = "fit", .kind = WEB_CODE},
    {.name = "threads", .head = "On", .class_ = "fit opt", .cell = cell_geometry},
    {.name = "items", .head = "Items", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "launches", .head = "Launches", .kind = WEB_COUNT},
    {.name = "total_ns", .head = "Total", .kind = WEB_US},
    {.name = "least_ns", .head = "Least", .kind = WEB_US},
    {.name = "median_ns", .head = "Median", .kind = WEB_US},
    {.name = "p95_ns", .head = "95 %", .class_ = "num opt", .kind = WEB_US},
    {.name = "longest_ns", .head = "Longest", .kind = WEB_US},
    {.name = "bytes", .head = "Bytes", .class_ = "num opt", .kind = WEB_BYTES},
    {.name = "bytes_per_ns", .head = "GB/s", .kind = WEB_RATE},
    {.name = "flops_per_ns", .head = "GFLOP/s", .class_ = "num opt", .kind = WEB_RATE},
    {0}};

/* ---- how the times are spread ---- */

enum { SPREAD_W = 620, SPREAD_H = 96, MAX_CLASSES = 160, FOOT = 18 };

struct spread {
    int64_t n[MAX_CLASSES], from[MAX_CLASSES]; /* launches, least ns of a class */
    int first, last;                           /* classes; last < first: none */
};

static enum err read_spread(struct web_request *q, struct spread *s)
{
    sqlite3_stmt *st;
    enum err err;
    *s = (struct spread){.last = -1};
    TRY(web_query(q, "kernel_distribution", &st));
    while (web_step(q, st, &err)) {
        int64_t class = web_int(st, "class");
        if (class < 0 || class >= MAX_CLASSES) continue;
        if (s->last < s->first) s->first = (int)class;
        s->last = (int)class;
        s->n[class] = web_int(st, "launches");
        s->from[class] = web_int(st, "from_ns");
    }
    return err;
}

static void draw_class(struct html *h, const struct spread *s, int class, double width,
                       int64_t most)
{
    char x[24], y[24], w[24], high[24];
    double height = (double)s->n[class] / (double)most * (SPREAD_H - FOOT - 4);
    if (s->n[class] <= 0) return;
    if (height < 1) height = 1;
    snprintf(x, sizeof x, "%.1f", (class - s->first) * width + 0.5);
    snprintf(y, sizeof y, "%.1f", SPREAD_H - FOOT - height);
    snprintf(w, sizeof w, "%.1f", width > 2 ? width - 1 : width);
    snprintf(high, sizeof high, "%.1f", height);
    html(h,
         "<rect class=\"b1\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\"><title>from %t: %n "
         "launches</title></rect>",
         x, y, w, high, s->from[class], s->n[class]);
}

static void draw_spread(struct html *h, const struct spread *s, const struct kernel_shown *k)
{
    int64_t most = 1;
    int classes = s->last - s->first + 1;
    double width = (double)SPREAD_W / (classes < 8 ? 8 : classes);
    for (int i = s->first; i <= s->last; i++) most = s->n[i] > most ? s->n[i] : most;
    html(h,
         "<div class=\"dw pad\"><svg class=\"d fix\" viewBox=\"0 0 %d %d\" role=\"img\" "
         "aria-label=\"Times of %n launches, from %t to %t; %t on average\">",
         (int)SPREAD_W, (int)SPREAD_H, k->ended, k->least_ns, k->longest_ns, k->mean_ns);
    for (int i = s->first; i <= s->last; i++) draw_class(h, s, i, width, most);
    html(h,
         "<path class=\"l4\" d=\"M0 %d.5H%d\"/><text class=\"tm t10\" x=\"0\" y=\"%d\">%t</text>",
         (int)(SPREAD_H - FOOT), (int)SPREAD_W, (int)SPREAD_H - 5, k->least_ns);
    html(h,
         "<text class=\"tm t10 te\" x=\"%d\" y=\"%d\">to %t, each bar a quarter of a doubling"
         "</text></svg></div>\n",
         (int)SPREAD_W, (int)SPREAD_H - 5, k->longest_ns);
}

/* ---- one by one ---- */

static void cell_call(struct web_cell *c)
{
    int64_t call = web_int(c->row, "call");
    if (call == STORE_NULL) html(c->h, "<span class=\"dim\">not recorded as a call</span>");
    else
        html(c->h, "<a href=\"%s\">call %d</a>", calls_link(c->q, web_text(c->row, "log"), call),
             call);
}

static const struct web_column ONES[] = {
    {.name = "call", .head = "Call", .class_ = "fit", .cell = cell_call},
    {.name = "ts", .head = "Began", .class_ = "fit", .kind = WEB_CLOCK},
    {.name = "dur", .head = "Took", .kind = WEB_US},
    {.name = "dur", .class_ = "fit", .kind = WEB_BAR},
    {.name = "variant", .head = "Ran as", .class_ = "fit opt", .kind = WEB_CODE},
    {.name = "within", .head = "Within", .class_ = "grow opt", .kind = WEB_LONG},
    {0}};

static enum err put_ones(struct web_request *q, struct html *h)
{
    web_section(q, h, "calls", "Launches, one by one", "in order of time; sort by what they took",
                "kernel_calls");
    TRY(web_table(q, h,
                  &(struct web_table){.id = "calls-table",
                                      .query = "kernel_calls",
                                      .columns = ONES,
                                      .own = true,
                                      .limit = 10,
                                      .unit = "launches"},
                  NULL));
    web_section_end(h);
    return ERR_OK;
}

/* Why there are none. */
static void say_none(const struct kernel_shown *k, struct web_table *t)
{
    bool recorded = k->launches_recorded == 1;
    t->none = recorded ? WEB_EMPTY : WEB_NOT_RECORDED;
    t->none_what = recorded ? "No launch of this kernel was recorded." : "Not recorded.";
    if (span_is(k->role, "extern"))
        t->none_why = "A library's kernel runs as a call of its operator, and is recorded as that.";
    else if (recorded)
        t->none_why =
            "Launches of other kernels are in this file: the program never came to it, or "
            "ran it before recording began.";
    else
        t->none_why = "PyTorch's structured log holds what was compiled, not what ran. `plumb run "
                      "--compile` records both.";
}

enum err kernel_put_launches(struct web_request *q, struct html *h, const struct kernel_shown *k)
{
    struct spread s;
    struct web_table t = {.id = "launches-table",
                          .query = "kernel_launches",
                          .columns = SHAPES,
                          .own = true,
                          .limit = 12,
                          .unit = "shapes"};
    say_none(k, &t);
    web_section(q, h, "launches", "Launches",
                k->combo != STORE_NULL ? "of the combo kernel that it is a member of" : NULL,
                "kernel_launches");
    TRY(web_table(q, h, &t, NULL));
    if (k->ended > 1) {
        TRY(read_spread(q, &s));
        if (s.last >= s.first) draw_spread(h, &s, k);
    }
    web_section_end(h);
    return k->launches != STORE_NULL && k->launches > 0 ? put_ones(q, h) : ERR_OK;
}
