/* kernel_decided.c - decisions about a kernel, and tables of decisions in general: who was to be
 * joined with whom, whether it was, why, and what it saves or would have saved. */
#include "web/kernel_decided.h"

#include <math.h>

static void put_side(struct html *h, struct span name, bool here)
{
    if (!name.n) return;
    if (here) html(h, "<code title=\"%s\"><b>%s</b></code>", name, name);
    else html(h, "<code title=\"%s\">%s</code>", name, name);
}

void decided_cell_verdict(struct web_cell *c)
{
    if (web_int(c->row, "fused") == 1) web_mark(c->h, "good", "J", "joined");
    else web_mark(c->h, "empty", "A", "kept apart");
    html(c->h, " %s", web_int(c->row, "fused") == 1 ? SPAN("joined") : SPAN("apart"));
}

void decided_cell_kind(struct web_cell *c)
{
    bool combo = span_is(web_text(c->row, "kind"), "combo");
    html(c->h, "<span title=\"%s\">%s</span>",
         combo ? SPAN("kernels into one launch") : SPAN("operators into one kernel"),
         combo ? SPAN("launch") : SPAN("kernel"));
}

static bool flag(sqlite3_stmt *s, const char *column)
{
    return web_column_index(s, column) >= 0 && web_int(s, column) == 1;
}

void decided_cell_pair(struct web_cell *c)
{
    html(c->h, "<span class=\"with\">");
    put_side(c->h, web_text(c->row, "a"), flag(c->row, "a_here"));
    if (web_text(c->row, "b").n) {
        html(c->h, " <span class=\"dim\">and</span> ");
        put_side(c->h, web_text(c->row, "b"), flag(c->row, "b_here"));
    }
    html(c->h, "</span>");
}

void decided_cell_measured(struct web_cell *c)
{
    double together = web_real(c->row, "together_ns"), apart = web_real(c->row, "apart_ns");
    if (isnan(together)) return;
    html(c->h, "%t", (int64_t)together);
    if (!isnan(apart))
        html(c->h,
             " <span class=\"dim\" title=\"the launch with all of its members; and those "
             "one after the other\">not %t</span>",
             (int64_t)apart);
}

static void cell_other(struct web_cell *c)
{
    int64_t other = web_int(c->row, "other");
    if (other != STORE_NULL)
        html(c->h, "<a href=\"%s\">the other kernel</a>", kernel_link(c->q, other));
    else if (web_text(c->row, "b").n) html(c->h, "<span class=\"dim\">both here</span>");
}

static const struct web_column AROUND[] = {
    {.name = "fused", .head = "Verdict", .class_ = "fit", .cell = decided_cell_verdict},
    {.name = "kind", .head = "Into", .class_ = "fit opt", .cell = decided_cell_kind},
    {.name = "a", .head = "Between", .class_ = "grow", .cell = decided_cell_pair, .filter = true},
    {.name = "b", .kind = WEB_HIDDEN, .filter = true},
    {.name = "reason", .head = "Reason", .class_ = "fit", .kind = WEB_TEXT, .filter = true},
    {.name = "detail", .head = "In words", .class_ = "w30 opt", .kind = WEB_TEXT, .filter = true},
    {.name = "bytes_saved", .head = "Saves", .kind = WEB_BYTES},
    {.name = "together_ns", .head = "Measured", .class_ = "fit opt", .cell = decided_cell_measured},
    {.name = "other", .class_ = "fit", .cell = cell_other},
    {0}};

enum err kernel_put_decisions(struct web_request *q, struct html *h, const struct kernel_shown *k)
{
    bool ours = k->phase.p != NULL;
    web_section(q, h, "decisions", "Decisions around it",
                "what was refused first, by the bytes that joining would have saved",
                "kernel_decisions");
    TRY(web_table(q, h,
                  &(struct web_table){
                      .id = "decisions-table",
                      .query = "kernel_decisions",
                      .columns = AROUND,
                      .own = true,
                      .filter = true,
                      .limit = 25,
                      .unit = "decisions",
                      .none = ours ? WEB_EMPTY : WEB_NOT_RECORDED,
                      .none_what = ours ? "No decisions." : "Not recorded.",
                      .none_why = ours ? "Nothing stands beside it that could have been joined."
                                       : "PyTorch's log does not say which pairs its scheduler "
                                         "looked at; plumb's own compiler writes down every one."},
                  NULL));
    web_section_end(h);
    return ERR_OK;
}
