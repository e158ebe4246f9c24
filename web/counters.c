/* counters.c - a table of values over time: name, line, range, last. */
#include "web/counters.h"

#include <math.h>
#include <stdio.h>

#include "web/calls.h"
#include "web/lay_line.h"

enum { COLUMNS = 300, WIDTH = 300, HEIGHT = 44 };

static void put_line(struct html *h, const struct line_point *p, int n)
{
    char text[64];
    html(h, "<path class=\"line\" d=\"");
    for (int i = 0; i < n; i++) {
        snprintf(text, sizeof text, "%s%.1f %.1f", p[i].begins ? "M" : "L", p[i].x, p[i].y);
        html(h, "%s", text);
        if (p[i].begins && (i + 1 == n || p[i + 1].begins)) html(h, "h1"); /* alone: a dot */
    }
    html(h, "\"/>");
}

static void cell_line(struct web_cell *c)
{
    struct line_bucket b[COLUMNS];
    struct line_point p[2 * COLUMNS];
    sqlite3_stmt *s;
    enum err err = web_query(c->q, "counter_line", &s);
    int n = 0;
    if (!err) err = store_bind_int(s, ":track", web_int(c->row, "track"));
    while (!err && n < COLUMNS && web_step(c->q, s, &err))
        b[n++] = (struct line_bucket){web_int(s, "place"), web_real(s, "low"), web_real(s, "high")};
    if (err) {
        err_clear();
        return;
    }
    sqlite3_reset(s);
    struct line_box box = {
        .x = 2, .y = 3, .width = WIDTH - 5, .height = HEIGHT - 6, .n_columns = COLUMNS};
    lay_line_range(b, n, &box);
    html(c->h,
         "<svg class=\"line\" width=\"%d\" height=\"%d\" role=\"img\" aria-label=\"%s over time\">",
         WIDTH, HEIGHT, web_text(c->row, "name"));
    put_line(c->h, p, lay_line(b, n, &box, p));
    html(c->h, "</svg>");
}

static void cell_name(struct web_cell *c)
{
    html(c->h, "<a class=\"k\" href=\"%s\">%s</a>",
         web_link(c->q, "/sql", "named", "counter_values", "counter",
                  web_keep(c->q, web_text(c->row, "name")).p, NULL),
         web_text(c->row, "name"));
}

static void cell_value(struct web_cell *c)
{
    double v = web_real(c->row, c->column->name);
    if (isnan(v) && web_int(c->row, "n") > 0)
        html(c->h, "<span class=\"t-bad\">not a number</span>");
    else calls_number(c->h, v);
}

static void cell_bad(struct web_cell *c)
{
    int64_t n = web_int(c->row, "n") - web_int(c->row, "finite");
    if (n) html(c->h, "<b class=\"t-bad\">%n</b>", n);
    else html(c->h, "<span class=\"dim\">0</span>");
}

static const struct web_column COUNTERS[] = {
    {.name = "name", .head = "Value", .class_ = "fit", .cell = cell_name},
    {.name = "track", .head = "Over time", .class_ = "fit", .cell = cell_line},
    {.name = "last", .head = "Last", .class_ = "num", .cell = cell_value},
    {.name = "low", .head = "Least", .class_ = "num opt", .cell = cell_value},
    {.name = "high", .head = "Greatest", .class_ = "num opt", .cell = cell_value},
    {.name = "n", .head = "Times", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "finite", .head = "Not a number", .class_ = "num opt", .cell = cell_bad},
    {.name = "rank", .head = "Rank", .class_ = "num opt", .kind = WEB_TEXT},
    {0}};

enum err counters_write(struct web_request *q, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "counter_names", &s));
    bool any = web_step(q, s, &err);
    sqlite3_reset(s);
    if (err || !any) return err;
    web_section(q, h, "counters", "Values over time", "loss, learning rate, memory in use",
                "counter_names");
    TRY(web_table(q, h,
                  &(struct web_table){.id = "counter",
                                      .query = "counter_names",
                                      .columns = COUNTERS,
                                      .own = true,
                                      .once = true,
                                      .limit = 20,
                                      .unit = "values"},
                  NULL));
    web_section_end(h);
    return ERR_OK;
}
