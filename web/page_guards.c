/* page_guards.c - what must hold for the compiled code to be used, and the symbols that sizes
 * became. */
#include "web/web.h"

enum { SHOWN = 200 };

/* The kinds, in one walk over the guards: *guards and *kinds count them. */
static enum err write_kinds(struct web_request *q, struct html *h, int64_t *guards, int64_t *kinds)
{
    sqlite3_stmt *s;
    enum err err;
    int64_t most = 0;
    *guards = *kinds = 0;
    web_section(q, h, "kinds", "By kind", "a kind leads to its guards", "guard_kinds");
    html(h, "<div class=\"tw\"><table><thead><tr><th class=\"fit\">Kind</th><th "
            "class=\"num\">Guards</th><th class=\"fit opt\"></th>"
            "<th class=\"num\">Compiles</th><th class=\"grow\">What it "
            "checks</th></tr></thead><tbody>\n");
    TRY(web_query(q, "guard_kinds", &s));
    while (web_step(q, s, &err)) {
        struct span kind = web_text(s, "kind");
        int64_t n = web_int(s, "guards");
        *guards += n, ++*kinds;
        if (!most) most = n;
        html(h,
             "<tr><td class=\"fit\"><a class=\"k\" href=\"%s#list\">%s</a></td><td "
             "class=\"num\">%n</td><td class=\"fit opt\">",
             web_here(q, "kind", web_keep(q, kind).p, "from", "", NULL), kind, n);
        web_bar(h, (double)n, (double)most, 64, "b6");
        html(h, "</td><td class=\"num\">%n</td><td class=\"grow wrap\">%s</td></tr>\n",
             web_int(s, "compiles"), web_text(s, "checks"));
    }
    html(h, "</tbody></table></div>");
    web_section_end(h);
    return err;
}

static enum err write_answer(struct web_request *q, struct html *h, int64_t guards, int64_t kinds,
                             int64_t *symbols)
{
    sqlite3_stmt *s;
    enum err err;
    *symbols = 0;
    TRY(web_query(q, "symbol_summary", &s));
    if (!web_step(q, s, &err)) return err;
    *symbols = web_int(s, "symbols") + web_int(s, "fixed");
    html(h, "<p class=\"answer\">");
    if (guards)
        html(h, "<b>%n guards of %n kinds protect %n compile%s.</b>", guards, kinds,
             web_int(s, "compiles"), web_int(s, "compiles") == 1 ? "" : "s");
    else html(h, "<b>No guards were recorded.</b>");
    if (web_int(s, "symbols"))
        html(h, " %n size%s or number%s became symbols, %n of them without a known value.",
             web_int(s, "symbols"), web_int(s, "symbols") == 1 ? "" : "s",
             web_int(s, "symbols") == 1 ? "" : "s", web_int(s, "unbacked"));
    else html(h, " No size became a symbol: every shape is a constant of its compile.");
    if (web_int(s, "fixed")) html(h, " %n were fixed to a value again.", web_int(s, "fixed"));
    html(h, "</p>");
    sqlite3_reset(s);
    return ERR_OK;
}

/* ---- symbols ---- */

static void write_compile(struct web_cell *c)
{
    struct span id = web_text(c->row, "compile_id");
    if (id.p)
        web_compile_link(c->q, c->h, web_text(c->row, "log"), id, web_int(c->row, "occurrence"),
                         web_text(c->row, "outcome"));
    else html(c->h, "<span class=\"dim\">none</span>");
}

static void write_origin(struct web_cell *c)
{
    struct span loc = web_text(c->row, "loc"), stack = web_text(c->row, "user_stack");
    if (!stack.p) return;
    html(c->h, "<span title=\"%s\">", stack);
    web_place(c->h, web_text(c->row, "file"), web_int(c->row, "at_line"));
    html(c->h, " <code>%s</code></span>", loc);
}

static const struct web_column SYMBOLS[] = {
    {.name = "symbol", .head = "Symbol", .class_ = "fit", .kind = WEB_CODE, .filter = true},
    {.name = "kind", .head = "Kind", .class_ = "fit", .kind = WEB_TEXT, .filter = true},
    {.name = "compile_id",
     .head = "Compile",
     .class_ = "fit",
     .cell = write_compile,
     .filter = true},
    {.name = "origin", .head = "Stands for", .kind = WEB_CODE, .filter = true},
    {.name = "value", .head = "Value", .class_ = "fit", .kind = WEB_CODE},
    {.name = "range", .head = "Range", .class_ = "fit opt", .kind = WEB_CODE},
    {.name = "file", .head = "Made at", .class_ = "w40 opt", .cell = write_origin, .filter = true},
    {.name = "reason", .head = "Reason", .class_ = "opt", .kind = WEB_WRAP},
    {0}};

/* ---- guards ---- */

static void write_form(struct web_request *q, struct html *h)
{
    static const char *const KEPT[] = {"file", "run", "kind", NULL};
    const char *text = web_param(q, "text");
    html(h, "<form class=\"filter\" action=\"/guards#list\">");
    for (int i = 0; KEPT[i]; i++)
        if (web_param(q, KEPT[i]))
            html(h, "<input type=\"hidden\" name=\"%s\" value=\"%s\">", KEPT[i],
                 web_param(q, KEPT[i]));
    html(h,
         "<input class=\"q\" name=\"text\" value=\"%s\" placeholder=\"Part of a check\" "
         "aria-label=\"Part of a check\">"
         "<button class=\"btn\">Filter</button>",
         text ? text : "");
    if (web_param(q, "kind"))
        html(h, "<a class=\"chip\" aria-pressed=\"true\" href=\"%s#list\">%s</a>",
             web_here(q, "kind", "", "from", "", NULL), web_param(q, "kind"));
    html(h, "</form>\n");
}

static void write_guard(struct web_request *q, struct html *h, sqlite3_stmt *s)
{
    struct span id = web_text(s, "compile_id"), origin = web_text(s, "origin");
    int64_t at = web_int(s, "at"), line = web_int(s, "line");
    html(h,
         "<tr><td class=\"fit\"><code>%s</code></td><td class=\"grow\"><code "
         "title=\"%s\">%s</code></td><td class=\"fit\">",
         web_text(s, "kind"), web_text(s, "code"), web_text(s, "code"));
    if (id.p)
        web_compile_link(q, h, web_text(s, "log"), id, web_int(s, "occurrence"),
                         web_text(s, "outcome"));
    html(h, "</td><td class=\"opt w30\"><code title=\"%s\">%s</code></td><td class=\"num\">",
         origin, origin);
    if (at != STORE_NULL && line > 0)
        html(h, "<a href=\"%s&amp;line=%d#L%d\">%d</a>",
             web_link_artifact(q, web_text(s, "log"), at), line, line, line);
    html(h, "</td></tr>\n");
}

static enum err write_guards(struct web_request *q, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    int64_t n = 0, next = 0;
    web_section(q, h, "list", "Guards", "in the order of the logs; a line links to the guard tree",
                "guard_list");
    write_form(q, h);
    html(h, "<div class=\"tw\"><table><thead><tr><th class=\"fit\">Kind</th><th "
            "class=\"grow\">What must hold</th><th class=\"fit\">Compile</th>"
            "<th class=\"opt w30\">Made for</th><th class=\"num\">Line</th></tr></thead><tbody>\n");
    TRY(web_query(q, "guard_list", &s));
    while (web_step(q, s, &err)) {
        if (n == SHOWN) {
            next = web_int(s, "id");
            break;
        }
        write_guard(q, h, s);
        n++;
    }
    sqlite3_reset(s);
    html(h, "</tbody></table><div class=\"cut\">%n %sshown<span class=\"pg\">", n,
         web_param(q, "from") ? "more " : "");
    if (web_param(q, "from"))
        html(h, "<a href=\"%s#list\">First %n</a>", web_here(q, "from", "", NULL), (int64_t)SHOWN);
    if (next)
        html(h, "<a rel=\"next\" href=\"%s#list\">Next %n</a>",
             web_here(q, "from", arena_printf(&q->arena, "%lld", (long long)next), NULL),
             (int64_t)SHOWN);
    html(h, "</span></div></div>");
    web_section_end(h);
    return err;
}

static enum err write_symbols(struct web_request *q, struct html *h)
{
    web_section(q, h, "symbols", "Symbols",
                "dynamic sizes and numbers, with the value that the first call had", "symbol_list");
    TRY(web_table(
        q, h,
        &(struct web_table){.id = "symbol",
                            .query = "symbol_list",
                            .columns = SYMBOLS,
                            .own = true,
                            .filter = true,
                            .limit = 20,
                            .unit = "symbols",
                            .none = WEB_EMPTY,
                            .none_what = "No symbols.",
                            .none_why =
                                "No size was dynamic. Mark one with `torch._dynamo.mark_dynamic`."},
        NULL));
    web_section_end(h);
    return ERR_OK;
}

enum err page_guards(struct web_request *q, struct html *h)
{
    int64_t guards, kinds, symbols;
    struct html table = {0};
    web_crumb(q, h, "Guards", NULL);
    enum err err = write_kinds(q, &table, &guards, &kinds);
    if (!err) err = write_answer(q, h, guards, kinds, &symbols);
    if (!err && guards) buf_span(&h->out, buf_text(&table.out));
    html_release(&table);
    if (err) return err;
    if (!guards && !symbols) {
        web_state(h, WEB_NOT_RECORDED, "No guards in this run.",
                  "They are written when a compile succeeds. Runs that were only exported, or "
                  "whose compiles all failed, have none.");
        return ERR_OK;
    }
    TRY(write_symbols(q, h));
    return guards ? write_guards(q, h) : ERR_OK;
}
