/* kernel_parts.c - what a kernel is made of: lanes of a combo kernel, operators in order,
 * arguments, and what was decided about them. */
#include <math.h>
#include <stdio.h>

#include "web/draw.h"
#include "web/kernel.h"

/* ---- lanes of a combo kernel ---- */

enum { LANE_H = 22, LANE_TOP = 20, MAX_LANES = 64 };

struct lane {
    struct span name, nodes;
    int64_t id, first, blocks;
};

static const char *blocks_text(struct web_request *q, const struct lane *l)
{
    if (l->blocks == STORE_NULL) return "blocks not recorded";
    if (l->first == STORE_NULL)
        return arena_printf(&q->arena, "%lld blocks, dealt in turn", (long long)l->blocks);
    if (l->blocks == 1) return arena_printf(&q->arena, "block %lld", (long long)l->first);
    return arena_printf(&q->arena, "blocks %lld to %lld", (long long)l->first,
                        (long long)(l->first + l->blocks - 1));
}

/* The label of a box that is too narrow for it, on the side with room. */
static void put_beside(struct html *h, const struct draw_box *box, const char *label)
{
    bool left = box->x > DRAW_WIDTH / 2.0;
    char x[24], y[24];
    snprintf(x, sizeof x, "%.1f", left ? box->x - 4 : box->x + box->width + 4);
    snprintf(y, sizeof y, "%.1f", box->y + box->height / 2 + 3.5);
    html(h, "<text class=\"t10 tm%s\" x=\"%s\" y=\"%s\">%s</text>", left ? SPAN(" te") : SPAN(""),
         x, y, label);
}

static void draw_lane(struct web_request *q, struct html *h, const struct lane *l, int row,
                      double per_block)
{
    int64_t first = l->first == STORE_NULL ? 0 : l->first;
    int64_t blocks = l->blocks == STORE_NULL || l->blocks < 1 ? 1 : l->blocks;
    double x = (double)first * per_block, width = (double)blocks * per_block;
    const char *what = blocks_text(q, l);
    struct draw_box box = {
        .x = x,
        .y = LANE_TOP + row * LANE_H,
        .width = width < 2 ? 2 : width,
        .height = LANE_H - 2,
        .class_ = l->first == STORE_NULL ? "c5 dash" : "c5",
        .label = arena_printf(&q->arena, "%.*s \xc2\xb7 %s", SPAN_ARG(l->nodes), what),
        .title = arena_printf(&q->arena, "%.*s: %s", SPAN_ARG(l->name), what),
        .href = kernel_link(q, l->id)};
    bool narrow = box.width < 160;
    if (narrow) box.label = NULL;
    draw_box(h, &box);
    if (narrow)
        put_beside(h, &box, arena_printf(&q->arena, "%.*s \xc2\xb7 %s", SPAN_ARG(l->nodes), what));
}

static void draw_lanes(struct web_request *q, struct html *h, const struct lane *lane, int n)
{
    double total = 1;
    char x[24];
    for (int i = 0; i < n; i++) {
        double first = lane[i].first == STORE_NULL ? 0 : (double)lane[i].first;
        double end = first + (lane[i].blocks == STORE_NULL ? 1 : (double)lane[i].blocks);
        if (end > total) total = end;
    }
    int height = LANE_TOP + n * LANE_H + 4;
    html(h, "<div class=\"dw\">");
    draw_begin(h, height,
               arena_printf(&q->arena, "%d kernels side by side over %.0f blocks of one launch", n,
                            total));
    html(h,
         "<text class=\"tm t10\" x=\"3\" y=\"12\">block 0</text><text class=\"tm t10 te\" "
         "x=\"%d\" y=\"12\">%n blocks</text>",
         (int)DRAW_WIDTH - 3, (int64_t)total);
    for (int i = 1; i < 4; i++) {
        snprintf(x, sizeof x, "%.1f", DRAW_WIDTH * i / 4.0);
        html(h, "<path class=\"l3\" d=\"M%s 16V%d\"/>", x, height);
    }
    for (int i = 0; i < n; i++) draw_lane(q, h, &lane[i], i, (DRAW_WIDTH - 1) / total);
    html(h, "</svg></div>\n");
}

static void cell_blocks(struct web_cell *c)
{
    struct lane l = {.first = web_int(c->row, "first_block"), .blocks = web_int(c->row, "blocks")};
    html(c->h, "%s", blocks_text(c->q, &l));
}

static const struct web_column PARTS[] = {
    {.name = "name", .head = "Member", .class_ = "w30", .cell = kernel_cell_name},
    {.name = "nodes", .head = "Computes", .class_ = "grow", .kind = WEB_CODE},
    {.name = "first_block", .head = "Blocks", .class_ = "fit", .cell = cell_blocks},
    {.name = "outer_points", .head = "Points", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "bytes_read", .head = "Reads", .class_ = "num opt", .kind = WEB_BYTES},
    {.name = "bytes_written", .head = "Writes", .class_ = "num opt", .kind = WEB_BYTES},
    {0}};

enum err kernel_put_parts(struct web_request *q, struct html *h, const struct kernel_shown *k)
{
    struct lane lane[MAX_LANES];
    sqlite3_stmt *s;
    enum err err;
    int n = 0;
    if (k->combined <= 0) return ERR_OK;
    TRY(web_query(q, "kernel_parts", &s));
    while (n < MAX_LANES && web_step(q, s, &err)) {
        lane[n++] = (struct lane){web_kept(q, s, "name"), web_kept(q, s, "nodes"), web_int(s, "id"),
                                  web_int(s, "first_block"), web_int(s, "blocks")};
    }
    if (n == MAX_LANES) sqlite3_reset(s);
    else TRY(err);
    web_section(q, h, "parts", "Side by side",
                "members of the combo kernel, each with its blocks; no data flows between them",
                "kernel_parts");
    draw_lanes(q, h, lane, n);
    if (k->combined > n)
        html(h, "<p class=\"note\">The first %d are drawn; the table has all.</p>", n);
    TRY(web_table(q, h,
                  &(struct web_table){.id = "parts-table",
                                      .query = "kernel_parts",
                                      .columns = PARTS,
                                      .own = true,
                                      .unit = "members"},
                  NULL));
    web_section_end(h);
    return ERR_OK;
}

/* ---- operators ---- */

static void cell_place(struct web_cell *c)
{
    html(c->h, "%n", web_int(c->row, "position") + 1);
}

static void cell_lane(struct web_cell *c)
{
    struct span lane = web_text(c->row, "lane");
    if (lane.n) kernel_name(c->q, c->h, web_int(c->row, "kernel"), lane);
}

static void cell_operator(struct web_cell *c)
{
    struct span op = web_text(c->row, "op"), node = web_text(c->row, "node");
    if (web_int(c->row, "recomputed") == 1)
        web_mark(c->h, "odd", "2", "computed here a second time instead of being saved");
    html(c->h, "<code title=\"%s\">%s</code>", node, node);
    if (op.n) html(c->h, " <span class=\"dim\">%s</span>", op);
    if (web_int(c->row, "part") > 0)
        html(c->h, " <span class=\"dim\">part %n</span>", web_int(c->row, "part") + 1);
}

/* The end of a path, which tells the line; all of it as title. */
static void cell_source(struct web_cell *c)
{
    struct span source = web_text(c->row, "source"), shown = source;
    for (size_t i = source.n; i > 0 && shown.n == source.n; i--)
        if (source.p[i - 1] == '/') shown = span_from(source, i);
    if (source.n) html(c->h, "<code title=\"%s\">%s</code>", source, shown.n ? shown : source);
    else html(c->h, "<span class=\"dim\">\xe2\x80\x93</span>");
}

static void cell_role(struct web_cell *c)
{
    struct span role = web_text(c->row, "role");
    static const struct {
        const char *role, *title;
    } roles[] = {{"main", "what the kernel was made for"},
                 {"prologue", "feeds the reduction or the product"},
                 {"epilogue", "takes its result"}};
    const char *title = "";
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (span_is(role, roles[i].role)) title = roles[i].title;
    if (!role.n) html(c->h, "<span class=\"dim\">\xe2\x80\x93</span>");
    else html(c->h, "<span title=\"%s\">%s</span>", title, role);
}

static void cell_also(struct web_cell *c)
{
    if (web_int(c->row, "also_id") == STORE_NULL) return;
    kernel_name(c->q, c->h, web_int(c->row, "also_id"), web_text(c->row, "also_name"));
}

#define MEMBER_COLUMNS                                                                             \
    {.name = "node",                                                                               \
     .head = "Operator",                                                                           \
     .class_ = "w40",                                                                              \
                                                                                                   \
     .cell = cell_operator,                                                                        \
     .filter = true},                                                                              \
        {.name = "type", .head = "Result", .class_ = "grow opt", .kind = WEB_CODE},                \
        {.name = "role", .head = "Role", .class_ = "fit", .cell = cell_role},                      \
        {.name = "source",                                                                         \
         .head = "From",                                                                           \
         .class_ = "w20",                                                                          \
                                                                                                   \
         .cell = cell_source,                                                                      \
         .filter = true},                                                                          \
        {.name = "also_name",                                                                      \
         .head = "Also computed in",                                                               \
         .class_ = "w15 opt",                                                                      \
                                                                                                   \
         .cell = cell_also},                                                                       \
    {                                                                                              \
        0                                                                                          \
    }
static const struct web_column MEMBERS[] = {
    {.name = "position", .head = "#", .class_ = "num", .cell = cell_place}, MEMBER_COLUMNS};
static const struct web_column COMBO_MEMBERS[] = {
    {.name = "lane", .head = "Member", .class_ = "w20", .cell = cell_lane},
    {.name = "position", .head = "#", .class_ = "num", .cell = cell_place},
    MEMBER_COLUMNS};

enum err kernel_put_members(struct web_request *q, struct html *h, const struct kernel_shown *k)
{
    web_section(q, h, "members", "Operators",
                k->phase.p ? "in the order in which they are computed"
                           : "in no certain order: PyTorch's log has a set of them",
                "kernel_members");
    TRY(web_table(q, h,
                  &(struct web_table){
                      .id = "members-table",
                      .query = "kernel_members",
                      .columns = k->combined > 0 ? COMBO_MEMBERS : MEMBERS,
                      .own = true,
                      .filter = true,
                      .limit = 60,
                      .unit = "operators",
                      .none = WEB_NOT_RECORDED,
                      .none_what = "Not recorded.",
                      .none_why = "The log names the kernel, and not which nodes of the graph it "
                                  "computes. Inductor writes that with `INDUCTOR_PROVENANCE=1`."},
                  NULL));
    web_section_end(h);
    return ERR_OK;
}

/* ---- arguments ---- */

static void cell_way(struct web_cell *c)
{
    bool in_place = span_starts(web_text(c->row, "name"), "in_out");
    html(c->h, "%s",
         in_place                          ? SPAN("changes")
         : web_int(c->row, "written") == 1 ? SPAN("writes")
                                           : SPAN("reads"));
}

static void cell_value(struct web_cell *c)
{
    struct span value = web_text(c->row, "value");
    if (value.n) html(c->h, "<code title=\"%s\">%s</code>", value, value);
    else
        html(c->h, "<span class=\"dim\">%s</span>",
             web_int(c->row, "written") == 1 ? SPAN("scratch") : SPAN("not named"));
}

static void cell_other(struct web_cell *c)
{
    int64_t other = web_int(c->row, "other"), readers = web_int(c->row, "readers");
    struct span phase = web_text(c->row, "other_phase");
    bool written = web_int(c->row, "written") == 1;
    if (!web_text(c->row, "value").n) return;
    if (other == STORE_NULL) {
        html(c->h, "<span class=\"dim\">%s</span>",
             written ? SPAN("to no other kernel: a result") : SPAN("an input"));
        return;
    }
    html(c->h, "<span class=\"with\"><span class=\"dim\">%s</span> ",
         written ? SPAN("to") : SPAN("from"));
    kernel_name(c->q, c->h, other, web_text(c->row, "other_name"));
    if (!span_eq(phase, web_text(c->row, "phase")))
        html(c->h, " <span class=\"dim\">%s</span>", phase);
    if (readers > 1) html(c->h, " <span class=\"dim\">and %n more</span>", readers - 1);
    html(c->h, "</span>");
}

static const struct web_column ARGS[] = {
    {.name = "name", .head = "Argument", .class_ = "fit", .kind = WEB_CODE},
    {.name = "written", .head = "Does", .class_ = "fit", .cell = cell_way},
    {.name = "value", .head = "Value", .class_ = "w15", .cell = cell_value},
    {.name = "type", .head = "Type", .class_ = "w25 opt", .kind = WEB_CODE},
    {.name = "bytes", .head = "Bytes", .kind = WEB_BYTES},
    {.name = "other_name", .head = "From, to", .class_ = "w30", .cell = cell_other},
    {0}};

enum err kernel_put_args(struct web_request *q, struct html *h, const struct kernel_shown *k)
{
    web_section(q, h, "arguments", "Arguments",
                k->combined > 0 ? "of its members, one after another"
                                : "what it reads and writes, and the nearest kernel on either side",
                "kernel_args");
    TRY(web_table(q, h,
                  &(struct web_table){.id = "args-table",
                                      .query = "kernel_args",
                                      .columns = ARGS,
                                      .own = true,
                                      .limit = 60,
                                      .unit = "arguments",
                                      .none = WEB_NOT_RECORDED,
                                      .none_what = "Not recorded.",
                                      .none_why = "The log does not say what the kernel is given; "
                                                  "its code below may."},
                  NULL));
    web_section_end(h);
    return ERR_OK;
}
