/* compile_memory.c - the memory plans of a compile: each buffer as a box, launches from left to
 * right, bytes of the block from the bottom up.
 *
 *   bytes  │    ┌──────┐      a box stands where its bytes lie, as long as they are needed;
 *          │    │ relu │      two boxes that share a height share memory
 *          │ ┌──┴┬─────┘
 *          │ │mm │ ┌──┐
 *          └─┴───┴─┴──┴──► launches
 */
#include <stdio.h>

#include "store/base/lists.h"
#include "web/compile.h"
#include "web/draw.h"
#include "web/kernel.h"

enum { PLAN_H = 180, TOP_H = 18, MAX_BOXES = 500 };

struct buffer {
    struct span value;
    int64_t size, offset, first, last, kernel;
    bool reuses;
};
struct plan {
    struct span phase;
    int64_t id, size, peak, total, launches;
    size_t begin, end; /* its buffers */
};
struct plans {
    LIST_OF(struct plan) plan;
    LIST_OF(struct buffer) buffer;
    int64_t left_out;
};

static enum err add_buffer(struct web_request *q, struct plans *p, sqlite3_stmt *s)
{
    struct plan *plan = &p->plan.p[p->plan.n - 1];
    struct buffer b = {.value = web_kept(q, s, "value"),
                       .size = web_int(s, "size"),
                       .offset = web_int(s, "offset"),
                       .first = web_int(s, "first"),
                       .last = web_int(s, "last"),
                       .kernel = web_int(s, "kernel"),
                       .reuses = web_int(s, "reuses") != STORE_NULL};
    if (b.size <= 0 || b.offset < 0 || b.first < 0 || b.last < b.first || b.last > 1 << 24)
        return ERR_OK;
    if (plan->end - plan->begin == MAX_BOXES) {
        p->left_out++;
        return ERR_OK;
    }
    struct buffer *to = LIST_PUSH(&p->buffer);
    if (!to) FAIL(ERR_NOMEM, "out of memory for the buffers of a memory plan");
    *to = b;
    plan->end++;
    if (b.last + 1 > plan->launches) plan->launches = b.last + 1;
    return ERR_OK;
}

static enum err read_plans(struct web_request *q, struct plans *p)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "compile_memory", &s));
    while (web_step(q, s, &err)) {
        int64_t id = web_int(s, "plan");
        if (!p->plan.n || p->plan.p[p->plan.n - 1].id != id) {
            struct plan *plan = LIST_PUSH(&p->plan);
            if (!plan) FAIL(ERR_NOMEM, "out of memory for the memory plans");
            *plan = (struct plan){.phase = web_kept(q, s, "phase"),
                                  .id = id,
                                  .size = web_int(s, "plan_size"),
                                  .peak = web_int(s, "peak"),
                                  .total = web_int(s, "total"),
                                  .begin = p->buffer.n,
                                  .end = p->buffer.n};
        }
        TRY(add_buffer(q, p, s));
    }
    return err;
}

static void draw_buffer(struct web_request *q, struct html *h, const struct plan *p,
                        const struct buffer *b)
{
    double per_byte = (double)PLAN_H / (p->size > 0 ? (double)p->size : 1),
           per_launch = (double)(DRAW_WIDTH - 1) / (double)p->launches;
    double height = (double)b->size * per_byte;
    struct buf title = {0};
    buf_printf(&title, "%.*s: ", SPAN_ARG(b->value.n ? b->value : SPAN("scratch")));
    html_number(&title, 'b', html_of_int(b->size));
    buf_printf(&title, " at byte %lld, launches %lld to %lld%s", (long long)b->offset,
               (long long)b->first + 1, (long long)b->last + 1,
               b->reuses ? ", in bytes that another had before" : "");
    struct span kept = web_keep(q, buf_text(&title));
    struct draw_box box = {.x = (double)b->first * per_launch,
                           .y = TOP_H + PLAN_H - (double)b->offset * per_byte - height,
                           .width = (double)(b->last - b->first + 1) * per_launch,
                           .height = height < 2 ? 2 : height,
                           .class_ = b->reuses ? "c2" : "c1",
                           .label = height >= 12 && b->value.n ? b->value.p : NULL,
                           .title = kept.p,
                           .href = b->kernel == STORE_NULL ? NULL : kernel_link(q, b->kernel)};
    draw_box(h, &box);
    buf_release(&title);
}

static void draw_plan(struct web_request *q, struct html *h, const struct plans *all,
                      const struct plan *p)
{
    html(h, "<div class=\"dw\">");
    draw_begin(h, TOP_H + PLAN_H + 4,
               arena_printf(&q->arena,
                            "%lld buffers over %lld launches in a block of %lld bytes; the table "
                            "below has them",
                            (long long)(p->end - p->begin), (long long)p->launches,
                            (long long)p->size));
    html(h,
         "<text class=\"tm t10\" x=\"3\" y=\"12\">launch 1</text><text class=\"tm t10 te\" "
         "x=\"%d\" y=\"12\">launch %n \xc2\xb7 block of %b</text>",
         (int)DRAW_WIDTH - 3, p->launches, p->size);
    for (size_t i = p->begin; i < p->end; i++) draw_buffer(q, h, p, &all->buffer.p[i]);
    html(h, "</svg></div>\n");
}

static void put_plan(struct web_request *q, struct html *h, const struct plans *all,
                     const struct plan *p)
{
    html(h, "<p class=\"note\">%s: at most %b are needed at once, the block has %b",
         p->phase.n ? p->phase : SPAN("program"), p->peak, p->size);
    if (p->total > p->size) html(h, "; without reuse it would be %b", p->total);
    html(h, ".</p>\n");
    if (p->end > p->begin) draw_plan(q, h, all, p);
}

/* ---- the same as a table ---- */

static void cell_launches(struct web_cell *c)
{
    if (web_int(c->row, "first") != STORE_NULL)
        html(c->h, "%n to %n", web_int(c->row, "first") + 1, web_int(c->row, "last") + 1);
}

static void cell_made_by(struct web_cell *c)
{
    if (web_int(c->row, "kernel") != STORE_NULL)
        kernel_name(c->q, c->h, web_int(c->row, "kernel"), web_text(c->row, "made_by"));
}

static void cell_reuses(struct web_cell *c)
{
    struct span of = web_text(c->row, "reused");
    if (of.n) html(c->h, "<code>%s</code>", of);
    else if (web_int(c->row, "reuses") != STORE_NULL)
        html(c->h, "buffer %n", web_int(c->row, "reuses"));
}

static const struct web_column BUFFERS[] = {
    {.name = "value", .head = "Value", .class_ = "w25", .kind = WEB_CODE, .filter = true},
    {.name = "phase", .head = "Phase", .class_ = "fit opt", .kind = WEB_TEXT},
    {.name = "size", .head = "Size", .kind = WEB_BYTES},
    {.name = "size", .class_ = "fit opt", .kind = WEB_BAR},
    {.name = "offset", .head = "At byte", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "first", .head = "Launches", .class_ = "fit", .cell = cell_launches},
    {.name = "reused", .head = "Takes the bytes of", .class_ = "fit opt", .cell = cell_reuses},
    {.name = "made_by",
     .head = "Written first by",
     .class_ = "grow",
     .cell = cell_made_by,
     .filter = true},
    {0}};
static const struct web_table BUFFER_TABLE = {.id = "buffers-table",
                                              .query = "compile_memory",
                                              .columns = BUFFERS,
                                              .own = true,
                                              .filter = true,
                                              .limit = 15,
                                              .unit = "buffers"};

enum err compile_put_memory(struct web_request *q, struct html *h)
{
    struct plans p = {0};
    enum err err = read_plans(q, &p);
    if (!err && p.plan.n) {
        web_section(q, h, "memory", "Memory plan",
                    "where temporaries lie; boxes at the same height share bytes",
                    "compile_memory");
        for (size_t i = 0; i < p.plan.n; i++) put_plan(q, h, &p, &p.plan.p[i]);
        if (p.left_out)
            html(h, "<p class=\"note\">%n buffers are not drawn; the table has them.</p>",
                 p.left_out);
        err = web_table(q, h, &BUFFER_TABLE, NULL);
        web_section_end(h);
    }
    LIST_RELEASE(&p.plan);
    LIST_RELEASE(&p.buffer);
    return err;
}
