/* page_nonfinite.c - where does the first NaN or infinity of a run come from?
 *
 * Shown are the calls that made one although none of their arguments had one, and those that met
 * one which no earlier call of the log had made. Where neither statistics nor norms were recorded
 * nothing can be said, and the page says so.
 */
#include "web/calls.h"

struct first {
    struct span name, phase, arg, dtype, shape, log;
    int64_t position, tensor, nans, infs;
};

static enum err read_first(struct web_request *q, struct first *f, bool *any)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "nonfinite_first", &s));
    *any = web_step(q, s, &err);
    if (*any)
        *f = (struct first){web_keep(q, web_text(s, "name")),
                            web_keep(q, web_text(s, "phase")),
                            web_keep(q, web_text(s, "arg")),
                            web_keep(q, web_text(s, "dtype")),
                            web_keep(q, web_text(s, "shape")),
                            web_keep(q, web_text(s, "log")),
                            web_int(s, "position"),
                            web_int(s, "tensor"),
                            web_int(s, "nans"),
                            web_int(s, "infs")};
    sqlite3_reset(s);
    return err;
}

static void put_what(struct html *h, const struct first *f)
{
    if (f->nans > 0 && f->infs > 0)
        html(h, "%n NaN and %n infinit%s", f->nans, f->infs, f->infs == 1 ? "y" : "ies");
    else if (f->nans > 0) html(h, "%n NaN", f->nans);
    else if (f->infs > 0) html(h, "%n infinit%s", f->infs, f->infs == 1 ? "y" : "ies");
    else html(h, "a norm that is not finite");
}

static void write_answer(struct web_request *q, struct html *h, const struct first *f)
{
    bool outside = span_is(f->phase, "before");
    html(h, "<p class=\"answer\"><b>Call <a href=\"%s\">%d</a>, <code>%s</code>, ",
         calls_link(q, f->log, f->position), f->position, f->name);
    if (outside)
        html(h, "is the first that meets one:</b> its argument <code>%s</code> has ", f->arg);
    else
        html(h, "is the first that makes one:</b> %s <code>%s</code> has ",
             span_is(f->phase, "after") ? "its changed argument" : "its result", f->arg);
    put_what(h, f);
    html(h, ", <code>%s%s</code>.", f->dtype, f->shape);
    if (outside) html(h, " No earlier call of the log made it: it came in from outside.");
    else html(h, " None of its arguments had one, as far as they were measured.");
    html(h, "</p>\n");
}

/* ---- the call and its inputs ---- */

static void write_tensor(struct html *h, sqlite3_stmt *s)
{
    html(h, "<tr><td class=\"fit\">%s</td><td class=\"fit\">", web_text(s, "phase"));
    if (web_int(s, "nonfinite") > 0) web_mark(h, "bad", "N", "has a NaN or an infinity");
    html(h, "<code>%s</code></td><td class=\"fit\"><code>%s%s</code></td><td class=\"num\">",
         web_text(s, "arg").n ? web_text(s, "arg") : SPAN("result"), web_text(s, "dtype"),
         web_text(s, "shape"));
    html(h, "%n</td><td class=\"num\">%n</td><td class=\"num\">", web_int(s, "nans"),
         web_int(s, "infs"));
    calls_number(h, web_real(s, "low"));
    html(h, "</td><td class=\"num\">");
    calls_number(h, web_real(s, "high"));
    html(h, "</td><td><code>%s</code></td></tr>\n", web_text(s, "hash"));
}

static enum err write_call(struct web_request *q, struct html *h, const struct first *f)
{
    sqlite3_stmt *s;
    enum err err;
    web_section(q, h, "first", "The call and its tensors", NULL, NULL);
    html(h, "<div class=\"tw\"><table class=\"auto\"><thead><tr><th>When</th><th>Tensor</th>"
            "<th>Type</th><th class=\"num\">NaN</th><th class=\"num\">Inf</th><th "
            "class=\"num\">Least finite</th><th class=\"num\">Greatest finite</th><th>Hash</th>"
            "</tr></thead><tbody>\n");
    TRY(web_query(q, "call_tensors", &s));
    TRY(store_bind_text(s, ":log", f->log.p, (int64_t)f->log.n));
    TRY(store_bind_int(s, ":call", f->position));
    while (web_step(q, s, &err)) write_tensor(h, s);
    html(h, "</tbody></table></div>");
    web_section_end(h);
    return err;
}

/* ---- all of them ---- */

static void cell_call(struct web_cell *c)
{
    html(c->h, "<a class=\"k\" href=\"%s\">%s</a>",
         calls_link(c->q, web_text(c->row, "log"), web_int(c->row, "position")),
         web_text(c->row, "name"));
}

static void cell_phase(struct web_cell *c)
{
    struct span phase = web_text(c->row, "phase");
    html(c->h, "%s", span_is(phase, "before") ? SPAN("came in") : SPAN("made"));
}

static void cell_type(struct web_cell *c)
{
    html(c->h, "<code>%s%s</code>", web_text(c->row, "dtype"), web_text(c->row, "shape"));
}

static const struct web_column FOUND[] = {
    {.name = "position", .head = "#", .class_ = "num", .kind = WEB_TEXT},
    {.name = "name", .head = "Call", .class_ = "w30", .cell = cell_call},
    {.name = "phase", .head = "How", .class_ = "fit", .cell = cell_phase},
    {.name = "arg", .head = "Tensor", .class_ = "fit", .kind = WEB_CODE},
    {.name = "dtype", .head = "Type", .class_ = "fit", .cell = cell_type},
    {.name = "nans", .head = "NaN", .kind = WEB_COUNT},
    {.name = "infs", .head = "Inf", .kind = WEB_COUNT},
    {.name = "log", .head = "Log", .class_ = "opt", .kind = WEB_LONG},
    {0}};

static enum err count_measured(struct web_request *q, int64_t *logs, int64_t *hashed)
{
    sqlite3_stmt *s;
    enum err err;
    *logs = *hashed = 0;
    TRY(web_query(q, "call_logs", &s));
    while (web_step(q, s, &err)) ++*logs, *hashed += web_int(s, "hashed") > 0;
    return err;
}

static enum err write_none(struct web_request *q, struct html *h)
{
    int64_t logs, hashed;
    TRY(count_measured(q, &logs, &hashed));
    if (!logs)
        web_state(h, WEB_NOT_RECORDED, "No calls in this run.",
                  "Record them with `plumb record --debug-mode -- python program.py`.");
    else if (!hashed)
        web_state(h, WEB_NOT_RECORDED, "Values were not looked at.",
                  "The calls of this run have neither statistics nor norms. Record with "
                  "`plumb record --debug-mode=bits -- ...`.");
    else
        web_state(h, WEB_EMPTY, "No NaN and no infinity.",
                  hashed == logs ? "All tensors that were measured are finite."
                                 : "Tensors that were measured are finite; some logs have no "
                                   "statistics.");
    return ERR_OK;
}

enum err page_nonfinite(struct web_request *q, struct html *h)
{
    struct first f;
    bool any;
    web_crumb(q, h, "NaN and infinity", NULL);
    TRY(read_first(q, &f, &any));
    if (!any) return write_none(q, h);
    write_answer(q, h, &f);
    TRY(write_call(q, h, &f));
    web_section(q, h, "all", "Where one comes up",
                "calls none of whose arguments had one, up to 51", "nonfinite_first");
    TRY(web_table(q, h,
                  &(struct web_table){.id = "nonfinite",
                                      .query = "nonfinite_first",
                                      .columns = FOUND,
                                      .own = true,
                                      .once = true,
                                      .unit = "calls"},
                  NULL));
    web_section_end(h);
    return ERR_OK;
}
