/* page_call.c - one call: its tensors before and after, where they come from and go to, what it
 * encloses, where in the program it was made.
 */
#include <math.h>
#include <string.h>

#include "capture/debug_call.h"
#include "web/calls.h"
#include "web/kernel.h"
#include "web/say.h"

enum { SHOWN = 16000, TITLE = 160 }; /* bytes of a text; the log as text has all of it */

struct call {
    struct calls_row row;
    struct span log, remark, thread, stack, fwd_stack;
    int64_t last;
};

static enum err read_call(struct web_request *q, struct call *c)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "call", &s));
    if (!web_step(q, s, &err)) {
        TRY(err);
        FAIL(ERR_NOT_FOUND, "the log '%s' of this run has no call %s",
             web_param(q, "log") ? web_param(q, "log") : "with the most calls",
             web_param(q, "call") ? web_param(q, "call") : "without a number");
    }
    calls_read(q, s, &c->row);
    c->log = web_keep(q, web_text(s, "log"));
    c->remark = web_keep(q, web_text(s, "remark"));
    c->thread = web_keep(q, web_text(s, "thread"));
    c->stack = web_keep(q, web_text(s, "stack_text"));
    c->fwd_stack = web_keep(q, web_text(s, "fwd_stack_text"));
    c->last = web_int(s, "last");
    sqlite3_reset(s);
    return ERR_OK;
}

/* ---- head ---- */

static void write_actions(struct web_request *q, const struct call *c)
{
    int64_t at = c->row.position, from = at > 10 ? at - 10 : 0;
    if (at > 0)
        html(&q->actions, "<a rel=\"prev\" href=\"%s\">Previous</a>",
             calls_link(q, c->log, at - 1));
    if (at < c->last)
        html(&q->actions, "<a rel=\"next\" href=\"%s\">Next</a>", calls_link(q, c->log, at + 1));
    html(&q->actions, "<a href=\"%s#c%d\">In the log</a>",
         web_link(q, "/operators", "log", c->log.p, "from",
                  arena_printf(&q->arena, "%lld", (long long)from), NULL),
         at);
}

/* The sentence: what is odd about its values, else what it is. */
static void write_answer(struct html *h, const struct call *c)
{
    const struct calls_row *r = &c->row;
    html(h, "<p class=\"answer\">");
    if (r->nonfinite == 3)
        html(h, "<b>A NaN or an infinity came in, and went on.</b> This call is not where it "
                "comes from.");
    else if (r->nonfinite == 2)
        html(h, "<b>A NaN or an infinity came up here:</b> no argument that was measured has one.");
    else if (r->nonfinite == 1)
        html(h, "<b>This call read a NaN or an infinity</b>, and what it gave has none.");
    else html(h, "<b>Call %n</b> of a log of %n.", r->position, c->last + 1);
    if (r->dur != STORE_NULL) html(h, " It took %t.", r->dur);
    html(h, "</p>");
}

static enum err write_scopes(struct web_request *q, struct html *h, const struct call *c)
{
    sqlite3_stmt *s;
    enum err err;
    bool any = false;
    TRY(web_query(q, "call_scopes", &s));
    while (web_step(q, s, &err)) {
        html(h, "%s", any ? " \xe2\x80\xba " : "");
        if (web_int(s, "position") == STORE_NULL) html(h, "%s", web_text(s, "name")); /* a step */
        else
            html(h, "<a class=\"k\" href=\"%s\">%s</a>",
                 calls_link(q, c->log, web_int(s, "position")), web_text(s, "name"));
        any = true;
    }
    if (!any) html(h, "<span class=\"dim\">nothing</span>");
    return err;
}

/* The compiled kernel that the call launched, if it did. */
static enum err write_kernel(struct web_request *q, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "call_kernel", &s));
    if (!web_step(q, s, &err)) return err;
    html(h, "<dt>kernel</dt><dd><span class=\"with\">");
    kernel_name(q, h, web_int(s, "id"), web_text(s, "name"));
    if (web_text(s, "compile_id").p)
        html(h, "<span class=\"dim\">of <a href=\"%s\">[%s]</a>, %s</span>",
             web_link_compile(q, web_text(s, "log"), web_text(s, "compile_id"),
                              web_int(s, "occurrence")),
             web_text(s, "compile_id"), web_text(s, "phase"));
    html(h, "</span></dd>");
    sqlite3_reset(s);
    return ERR_OK;
}

static void put_text(struct html *h, const char *label, struct span s)
{
    struct span shown = calls_head(s, SHOWN);
    html(h, "<dt>%s</dt><dd><code>%s</code>", label, shown);
    if (shown.n < s.n)
        html(h, " <span class=\"dim\">and %b more, in the log as text</span>",
             (int64_t)(s.n - shown.n));
    html(h, "</dd>");
}

static enum err write_facts(struct web_request *q, struct html *h, const struct call *c)
{
    const struct calls_row *r = &c->row;
    html(h, "<dl class=\"kv\">");
    if (r->args.n) put_text(h, "arguments", r->args);
    if (r->kwargs.n)
        put_text(h, r->args.n ? "and" : "arguments",
                 span_starts(r->kwargs, ", ") ? span_from(r->kwargs, 2) : r->kwargs);
    if (r->output.n) put_text(h, "result", span_trim(r->output));
    if (r->placements.n) put_text(h, "placements", r->placements);
    TRY(write_kernel(q, h));
    html(h, "<dt>inside</dt><dd>");
    TRY(write_scopes(q, h, c));
    html(h, "</dd><dt>log</dt><dd><code>%s</code>", c->log);
    if (c->thread.p && !span_eq(c->thread, c->log)) html(h, ", thread %s", c->thread);
    html(h, "</dd>");
    if (r->ts != STORE_NULL) html(h, "<dt>began</dt><dd>%C UTC</dd>", r->ts);
    if (r->rest.n) put_text(h, "as it was read", r->rest);
    html(h, "</dl>");
    return ERR_OK;
}

/* ---- tensors ---- */

static void cell_hash(struct web_cell *c)
{
    struct span hash = web_text(c->row, "hash");
    if (!hash.p) html(c->h, "<span class=\"dim\">not hashed</span>");
    else
        html(c->h, "<a class=\"k\" href=\"%s\" title=\"calls with this hash\">%s</a>",
             web_link(c->q, "/operators", "log", web_param(c->q, "log"), "hash",
                      web_keep(c->q, hash).p, NULL),
             hash);
}

static void cell_place(struct web_cell *c)
{
    struct span arg = web_text(c->row, "arg");
    html(c->h, "<code>%s</code>", arg.n ? arg : SPAN("result"));
    if (web_int(c->row, "tensor") != STORE_NULL)
        html(c->h, " <span class=\"dim\">t$%d</span>", web_int(c->row, "tensor"));
}

static void cell_arg(struct web_cell *c)
{
    if (web_int(c->row, "nonfinite") > 0) web_mark(c->h, "bad", "N", "has a NaN or an infinity");
    cell_place(c);
}

static void cell_type(struct web_cell *c)
{
    html(c->h, "<code>%s%s</code>", web_text(c->row, "dtype"), web_text(c->row, "shape"));
    if (web_text(c->row, "detail").p)
        html(c->h, " <span class=\"dim\">%s</span>", web_text(c->row, "detail"));
}

static void cell_number(struct web_cell *c)
{
    calls_number(c->h, web_real(c->row, c->column->name));
}

static void cell_bad(struct web_cell *c)
{
    int64_t n = web_int(c->row, c->column->name);
    if (n == STORE_NULL) html(c->h, "<span class=\"dim\">\xe2\x80\x93</span>");
    else if (n) html(c->h, "<b class=\"t-bad\">%n</b>", n);
    else html(c->h, "<span class=\"dim\">0</span>");
}

static void cell_kept(struct web_cell *c)
{
    if (web_int(c->row, "artifact") == STORE_NULL) return;
    html(c->h, "<a href=\"%s\">values</a>",
         web_link_artifact(c->q, web_text(c->row, "artifact_log"), web_int(c->row, "artifact")));
}

static const struct web_column TENSORS[] = {
    {.name = "phase", .head = "When", .class_ = "fit", .kind = WEB_TEXT},
    {.name = "arg", .head = "Tensor", .class_ = "fit", .cell = cell_arg},
    {.name = "dtype", .head = "Type", .class_ = "fit", .cell = cell_type},
    {.name = "stride", .head = "Stride", .class_ = "fit opt", .kind = WEB_CODE},
    {.name = "device", .head = "Device", .class_ = "fit opt", .kind = WEB_CODE},
    {.name = "version", .head = "Writes", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "hash", .head = "Hash", .class_ = "fit", .cell = cell_hash},
    {.name = "nans", .head = "NaN", .class_ = "num", .cell = cell_bad},
    {.name = "infs", .head = "Inf", .class_ = "num", .cell = cell_bad},
    {.name = "low", .head = "Least", .class_ = "num", .cell = cell_number},
    {.name = "high", .head = "Greatest", .class_ = "num", .cell = cell_number},
    {.name = "total", .head = "Sum", .class_ = "num opt", .cell = cell_number},
    {.name = "magnitude", .head = "L1", .class_ = "num opt", .cell = cell_number},
    {.name = "l2", .head = "L2", .class_ = "num opt", .cell = cell_number},
    {.name = "artifact", .head = "Kept", .class_ = "fit opt", .cell = cell_kept},
    {0}};

static enum err write_tensors(struct web_request *q, struct html *h)
{
    web_section(q, h, "tensors", "Tensors", "before the call, and what it made or changed",
                "call_tensors");
    TRY(web_table(q, h,
                  &(struct web_table){
                      .id = "tensor",
                      .query = "call_tensors",
                      .columns = TENSORS,
                      .own = true,
                      .limit = 100,
                      .unit = "tensors",
                      .none = WEB_EMPTY,
                      .none_what = "No tensors.",
                      .none_why = "Neither the arguments nor the result of this call name one."},
                  NULL));
    web_section_end(h);
    return ERR_OK;
}

/* ---- from and to ---- */

static void cell_other(struct web_cell *c)
{
    int64_t place = web_int(c->row, "place");
    if (place == STORE_NULL) {
        html(c->h, "<span class=\"dim\">not within 20\xe2\x80\xaf"
                   "000 events</span>");
        return;
    }
    html(c->h, "<a class=\"k\" href=\"%s\">%s</a> <span class=\"dim\">%d</span>",
         web_link(c->q, "/call", "log", web_param(c->q, "log"), "call",
                  arena_printf(&c->q->arena, "%lld", (long long)place), NULL),
         web_text(c->row, "name"), place);
}

static void cell_how(struct web_cell *c)
{
    bool argument = span_is(web_text(c->row, "phase"), "before");
    bool by_hash = web_int(c->row, "by_hash") > 0;
    html(c->h, "%s", argument ? "made by" : "read next by");
    if (by_hash) html(c->h, " <span class=\"dim\">(equal hash)</span>");
}

static const struct web_column NEIGHBOURS[] = {
    {.name = "arg", .head = "Tensor", .class_ = "fit", .cell = cell_place},
    {.name = "phase", .head = "", .class_ = "fit", .cell = cell_how},
    {.name = "name", .head = "Call", .class_ = "grow", .cell = cell_other},
    {0}};

static enum err write_neighbours(struct web_request *q, struct html *h)
{
    web_section(q, h, "neighbours", "Where they come from and go to",
                "the nearest call on either side", "call_neighbours");
    TRY(web_table(q, h,
                  &(struct web_table){.id = "neighbour",
                                      .query = "call_neighbours",
                                      .columns = NEIGHBOURS,
                                      .own = true,
                                      .limit = 40,
                                      .unit = "tensors",
                                      .none = WEB_NOT_RECORDED,
                                      .none_what = "Not known.",
                                      .none_why = "The log has neither numbers of tensors nor "
                                                  "digests by which they could be told apart."},
                  NULL));
    web_section_end(h);
    return ERR_OK;
}

/* ---- inside ---- */

static void cell_child(struct web_cell *c)
{
    int64_t place = web_int(c->row, "position");
    if (place == STORE_NULL) html(c->h, "<code>%s</code>", web_text(c->row, "name"));
    else
        html(c->h, "<a class=\"k\" href=\"%s\">%s</a>",
             web_link(c->q, "/call", "log", web_param(c->q, "log"), "call",
                      arena_printf(&c->q->arena, "%lld", (long long)place), NULL),
             web_text(c->row, "name"));
}

static void cell_took(struct web_cell *c)
{
    if (web_int(c->row, "dur") != STORE_NULL) html(c->h, "%t", web_int(c->row, "dur"));
}

static void cell_kind(struct web_cell *c)
{
    static const char *const names[] = {[DEBUG_OP] = "operator",
                                        [DEBUG_REDISTRIBUTE] = "redistribute",
                                        [DEBUG_OUTPUT] = "output",
                                        [DEBUG_TRITON] = "compiled kernel",
                                        [DEBUG_ANNOTATE] = "range",
                                        [DEBUG_MODULE] = "module",
                                        [DEBUG_TEXT] = "text",
                                        "launch",
                                        "copy",
                                        "wait",
                                        "step",
                                        "error"};
    int64_t kind = web_int(c->row, "kind");
    bool known = kind >= DEBUG_OP && kind < (int64_t)(sizeof names / sizeof *names);
    html(c->h, "%s", known ? names[kind] : "event");
}

static const struct web_column CHILDREN[] = {
    {.name = "kind", .head = "Kind", .class_ = "fit", .cell = cell_kind},
    {.name = "name", .head = "Name", .class_ = "w30", .cell = cell_child},
    {.name = "args", .head = "Arguments", .class_ = "grow opt", .kind = WEB_CODE},
    {.name = "variant", .head = "Ran as", .class_ = "fit", .kind = WEB_CODE},
    {.name = "items", .head = "Items", .kind = WEB_COUNT},
    {.name = "threads", .head = "Threads", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "bytes_read", .head = "Read", .class_ = "num opt", .kind = WEB_BYTES},
    {.name = "bytes_written", .head = "Written", .class_ = "num opt", .kind = WEB_BYTES},
    {.name = "dur", .head = "Took", .class_ = "num", .cell = cell_took},
    {0}};

static enum err write_children(struct web_request *q, struct html *h)
{
    web_section(q, h, "inside", "What it encloses", "calls, launches and copies, one level down",
                "call_children");
    TRY(web_table(
        q, h,
        &(struct web_table){.id = "child",
                            .query = "call_children",
                            .columns = CHILDREN,
                            .own = true,
                            .limit = 51,
                            .unit = "events",
                            .none = WEB_EMPTY,
                            .none_what = "Nothing.",
                            .none_why =
                                "No other call and no kernel launch was recorded inside this one."},
        NULL));
    web_section_end(h);
    return ERR_OK;
}

static void write_stacks(struct web_request *q, struct html *h, const struct call *c)
{
    if (!c->stack.n && !c->fwd_stack.n) return;
    web_section(q, h, "stack", "Where it was made", NULL, NULL);
    say_stack(h, "Stack of the call", c->stack);
    say_stack(h, "Stack of the forward operator", c->fwd_stack);
    web_section_end(h);
}

enum err page_call(struct web_request *q, struct html *h)
{
    struct call c = {0};
    TRY(read_call(q, &c));
    q->title = c.row.name.n ? calls_head(c.row.name, TITLE) : SPAN("Call");
    web_crumb(q, h, "Operators", web_link(q, "/operators", "log", c.log.p, NULL));
    web_crumb(q, h, arena_printf(&q->arena, "Call %lld", (long long)c.row.position), NULL);
    write_actions(q, &c);
    write_answer(h, &c);
    TRY(write_facts(q, h, &c));
    TRY(write_tensors(q, h));
    TRY(write_neighbours(q, h));
    TRY(write_children(q, h));
    write_stacks(q, h, &c);
    return ERR_OK;
}
