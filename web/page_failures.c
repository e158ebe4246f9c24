/* page_failures.c - what failed and what was begun again: type, reason in full, the user's line,
 * the compile. */
#include "web/say.h"

static void write_compile(struct web_cell *c)
{
    struct span id = web_text(c->row, "compile_id");
    if (id.p)
        web_compile_link(c->q, c->h, web_text(c->row, "log"), id, web_int(c->row, "occurrence"),
                         c->column->class_ ? SPAN("failed") : SPAN_NONE);
    else html(c->h, "<span class=\"dim\">none</span>");
}

static void write_restarted(struct web_cell *c)
{
    web_compile_link(c->q, c->h, web_text(c->row, "log"), web_text(c->row, "compile_id"),
                     web_int(c->row, "occurrence"), web_text(c->row, "outcome"));
}

static void write_function(struct web_cell *c)
{
    struct span name = web_text(c->row, "function");
    if (name.p) html(c->h, "<code>%f</code>", name);
}

static void write_reason(struct web_cell *c)
{
    say_complaint(c->h, web_text(c->row, "reason"));
}

static void write_place(struct web_cell *c)
{
    struct span file = web_text(c->row, "file");
    if (file.p) web_place(c->h, file, web_int(c->row, "line"));
    else html(c->h, "<span class=\"dim\">not recorded</span>");
}

static const struct web_column FAILURES[] = {
    {.name = "compile_id",
     .head = "Compile",
     .class_ = "fit",
     .cell = write_compile,
     .filter = true},
    {.name = "function",
     .head = "Function",
     .class_ = "fit opt",
     .cell = write_function,
     .filter = true},
    {.name = "type", .head = "Type", .class_ = "fit", .kind = WEB_CODE, .filter = true},
    {.name = "reason",
     .head = "Reason",
     .class_ = "grow wrap",
     .cell = write_reason,
     .filter = true},
    {.name = "file", .head = "Line", .class_ = "fit", .cell = write_place, .filter = true},
    {.name = "rank", .head = "Rank", .class_ = "num opt", .kind = WEB_TEXT},
    {0}};

static const struct web_column RESTARTS[] = {
    {.name = "compile_id",
     .head = "Compile",
     .class_ = "fit",
     .cell = write_restarted,
     .filter = true},
    {.name = "function",
     .head = "Function",
     .class_ = "fit opt",
     .cell = write_function,
     .filter = true},
    {.name = "reason",
     .head = "Reason",
     .class_ = "grow wrap",
     .cell = write_reason,
     .filter = true},
    {.name = "lost_ns", .head = "Lost", .kind = WEB_MS},
    {.name = "rank", .head = "Rank", .class_ = "num opt", .kind = WEB_TEXT},
    {0}};

static enum err write_answer(struct web_request *q, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "failure_summary", &s));
    if (!web_step(q, s, &err)) return err;
    int64_t compiles = web_int(s, "compiles"), failures = web_int(s, "failures"),
            types = web_int(s, "types");
    int64_t restarts = web_int(s, "restarts"), restarted = web_int(s, "restarted");
    html(h, "<p class=\"answer\">");
    if (failures)
        html(h, "<b>%n of %n compiles failed</b>, %s <code>%s</code>.", failures, compiles,
             types == 1 ? "all with" : "most often with", web_text(s, "first_type"));
    else html(h, "<b>No compile failed.</b> %n were read.", compiles);
    if (restarts)
        html(h, " %n compile%s %s begun again %n time%s, which threw away %t.", restarted,
             restarted == 1 ? "" : "s", restarted == 1 ? "was" : "were", restarts,
             restarts == 1 ? "" : "s", web_int(s, "lost_ns"));
    html(h, "</p>");
    sqlite3_reset(s);
    return ERR_OK;
}

enum err page_failures(struct web_request *q, struct html *h)
{
    web_crumb(q, h, "Failures", NULL);
    TRY(write_answer(q, h));
    web_section(q, h, "failures", "Failures",
                "the compile ended here; the function runs uncompiled", "failures");
    TRY(web_table(q, h,
                  &(struct web_table){
                      .id = "failed",
                      .query = "failures",
                      .columns = FAILURES,
                      .own = true,
                      .filter = true,
                      .stack = true,
                      .unit = "failures",
                      .none = WEB_EMPTY,
                      .none_what = "No failures.",
                      .none_why = "Every compile that recorded metrics ended without an error."},
                  NULL));
    web_section_end(h);
    web_section(q, h, "restarts", "Restarts",
                "an attempt was thrown away, the next one succeeded or failed", "restarts");
    TRY(web_table(
        q, h,
        &(struct web_table){.id = "restarted",
                            .query = "restarts",
                            .columns = RESTARTS,
                            .own = true,
                            .filter = true,
                            .stack = true,
                            .unit = "restarts",
                            .none = WEB_EMPTY,
                            .none_what = "No restarts.",
                            .none_why = "No compile recorded a reason for beginning again."},
        NULL));
    web_section_end(h);
    return ERR_OK;
}
