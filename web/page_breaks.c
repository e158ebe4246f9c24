/* page_breaks.c - where graphs break: per line of the user's source, then one by one. */
#include "web/say.h"

static enum err write_answer(struct web_request *q, struct html *h, int64_t *breaks)
{
    sqlite3_stmt *s;
    enum err err;
    *breaks = 0;
    TRY(web_query(q, "break_summary", &s));
    if (!web_step(q, s, &err)) return err;
    *breaks = web_int(s, "breaks");
    int64_t places = web_int(s, "places"), compiles = web_int(s, "compiles"), of = web_int(s, "of");
    if (!*breaks) {
        html(h, "<p class=\"answer\"><b>No graph breaks.</b> %n compiles were read.</p>", of);
    } else {
        html(h, "<p class=\"answer\"><b>%n graph break%s on %n line%s</b>, in %n of %n compiles.",
             *breaks, *breaks == 1 ? "" : "s", places, places == 1 ? "" : "s", compiles, of);
        html(h, " Most often: <b>");
        web_prose(h, web_text(s, "first_reason"));
        html(h, "</b> (%n).</p>", web_int(s, "first_count"));
    }
    sqlite3_reset(s);
    return ERR_OK;
}

static void write_place_row(struct html *h, sqlite3_stmt *s)
{
    struct span loc = web_text(s, "loc"), detail = web_text(s, "detail");
    html(h, "<tr><td class=\"fit\">");
    web_place(h, web_text(s, "file"), web_int(s, "line"));
    html(h, "</td><td class=\"num\">%n</td><td class=\"num\">%n</td><td class=\"grow wrap\">",
         web_int(s, "breaks"), web_int(s, "compiles"));
    if (loc.n) html(h, "<pre class=\"one\">%s</pre>", loc);
    say_complaint(h, detail.n ? detail : web_text(s, "reason"));
    html(h, "</td></tr>\n");
}

static enum err write_places(struct web_request *q, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    web_section(q, h, "places", "By line",
                "the user\xe2\x80\x99s line, then why PyTorch stopped there", "breaks_by_place");
    html(h, "<div class=\"tw\"><table class=\"auto\"><thead><tr><th class=\"fit\">Line</th><th "
            "class=\"num\">n</th>"
            "<th class=\"num\">Compiles</th><th class=\"grow\">Reason</th></tr></thead><tbody>\n");
    TRY(web_query(q, "breaks_by_place", &s));
    int n = 0;
    while (web_step(q, s, &err)) write_place_row(h, s), n++;
    html(h, "</tbody></table>");
    if (n == 100)
        html(h, "<div class=\"cut\">The 100 most frequent are shown; CSV has them too, the table "
                "below has all.</div>");
    html(h, "</div>");
    web_section_end(h);
    return err;
}

static void write_compile(struct web_cell *c)
{
    struct span id = web_text(c->row, "compile_id");
    if (id.p)
        web_compile_link(c->q, c->h, web_text(c->row, "log"), id, web_int(c->row, "occurrence"),
                         web_text(c->row, "outcome"));
}

static void write_where(struct web_cell *c)
{
    web_place(c->h, web_text(c->row, "file"), web_int(c->row, "line"));
}

static void write_reason(struct web_cell *c)
{
    int64_t at = web_int(c->row, "at");
    struct span reason = web_text(c->row, "reason");
    if (at == STORE_NULL) html(c->h, "%s", reason);
    else
        html(c->h, "<a href=\"%s\">%s</a>", web_link_artifact(c->q, web_text(c->row, "log"), at),
             reason);
}

static void write_function(struct web_cell *c)
{
    html(c->h, "<code>%f</code>", web_text(c->row, "function"));
}

static const struct web_column BREAKS[] = {
    {.name = "file", .head = "Line", .class_ = "fit", .cell = write_where, .filter = true},
    {.name = "compile_id",
     .head = "Compile",
     .class_ = "fit",
     .cell = write_compile,
     .filter = true},
    {.name = "reason", .head = "Reason", .class_ = "grow", .cell = write_reason, .filter = true},
    {.name = "function",
     .head = "Function",
     .class_ = "opt",
     .cell = write_function,
     .filter = true},
    {.name = "attempt", .head = "Attempt", .class_ = "num opt", .kind = WEB_TEXT},
    {.name = "rank", .head = "Rank", .class_ = "num opt", .kind = WEB_TEXT},
    {0}};

enum err page_breaks(struct web_request *q, struct html *h)
{
    int64_t breaks;
    web_crumb(q, h, "Breaks", NULL);
    TRY(write_answer(q, h, &breaks));
    if (!breaks) {
        web_state(h, WEB_EMPTY, "No graph breaks.",
                  "No compile recorded a reason for ending its graph early. A restart after a "
                  "break also counts as one; see Failures.");
        return ERR_OK;
    }
    TRY(write_places(q, h));
    web_section(q, h, "breaks", "One by one", "a reason links to its text as recorded",
                "graph_breaks");
    TRY(web_table(q, h,
                  &(struct web_table){.id = "break",
                                      .query = "graph_breaks",
                                      .columns = BREAKS,
                                      .filter = true,
                                      .unit = "graph breaks"},
                  NULL));
    web_section_end(h);
    return ERR_OK;
}
