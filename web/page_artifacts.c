/* page_artifacts.c - all artifacts of a run, in the order they were written, by kind, compile and
 * name.
 *
 * Pages go by row id (:from), so that the thousandth costs what the first does. */
#include "web/web.h"

enum { SHOWN = 50, KINDS = 24 };

static void write_kind(struct web_request *q, struct html *h, struct span name, int64_t n,
                       const char *chosen)
{
    bool on = chosen && span_is(name, chosen);
    web_chip(h, on, web_here(q, "kind", on ? "" : web_keep(q, name).p, "from", "", NULL), name, n);
}

/* Chips of the kinds, the most frequent first. *total and *bytes are of all kinds. */
static enum err write_kinds(struct web_request *q, struct html *chips, int64_t *kinds,
                            int64_t *total, int64_t *bytes)
{
    sqlite3_stmt *s;
    enum err err;
    const char *chosen = web_param(q, "kind");
    *kinds = *total = *bytes = 0;
    TRY(web_query(q, "artifact_kinds", &s));
    while (web_step(q, s, &err)) {
        struct span name = web_text(s, "name");
        *total += web_int(s, "artifacts");
        *bytes += web_int(s, "bytes") > 0 ? web_int(s, "bytes") : 0;
        if (++*kinds <= KINDS || (chosen && span_is(name, chosen)))
            write_kind(q, chips, name, web_int(s, "artifacts"), chosen);
    }
    if (*kinds > KINDS) html(chips, "<span class=\"dim\">and %n more kinds</span>", *kinds - KINDS);
    return err;
}

static void write_form(struct web_request *q, struct html *h)
{
    static const char *const KEPT[] = {"file", "run", "kind", NULL};
    html(h, "<form class=\"filter\" action=\"/artifacts\">");
    for (int i = 0; KEPT[i]; i++) {
        const char *value = web_param(q, KEPT[i]);
        if (value) html(h, "<input type=\"hidden\" name=\"%s\" value=\"%s\">", KEPT[i], value);
    }
    const char *text = web_param(q, "text"), *id = web_param(q, "compile_id");
    html(h,
         "<input class=\"q\" name=\"text\" value=\"%s\" placeholder=\"Part of a name\" "
         "aria-label=\"Part of a name\">",
         text ? text : "");
    html(h,
         "<input class=\"q\" name=\"compile_id\" value=\"%s\" placeholder=\"Compile, 0/1\" "
         "aria-label=\"Compile id\">"
         "<button class=\"btn\">Filter</button>",
         id ? id : "");
    if (text || id || web_param(q, "kind"))
        html(h, "<a href=\"%s\">Show all</a>", web_link(q, "/artifacts", NULL));
    html(h, "</form>\n");
}

static void write_row(struct web_request *q, struct html *h, sqlite3_stmt *s)
{
    struct span log = web_text(s, "log"), id = web_text(s, "compile_id"), key = web_text(s, "key");
    html(h, "<tr><td class=\"w40\"><a class=\"k\" href=\"%s\">%l</a></td><td class=\"fit\">",
         web_link_artifact(q, log, web_int(s, "offset")), web_text(s, "name"));
    if (id.p) web_compile_link(q, h, log, id, web_int(s, "occurrence"), web_text(s, "outcome"));
    else html(h, "<span class=\"dim\">none</span>");
    html(h, "</td><td class=\"num opt\">");
    if (web_int(s, "attempt") > 0) html(h, "%d", web_int(s, "attempt"));
    html(h, "</td><td class=\"opt\">%f</td><td class=\"opt fit\">", web_text(s, "function"));
    if (!span_is(key, "artifact") && !span_eq(key, web_text(s, "name")))
        html(h, "<code>%s</code>", key);
    else if (web_text(s, "subgraph").n) html(h, "<code>%s</code>", web_text(s, "subgraph"));
    html(h, "</td><td class=\"num opt\">");
    if (web_int(s, "rank") != STORE_NULL) html(h, "%d", web_int(s, "rank"));
    html(h, "</td><td class=\"num\">%b</td><td class=\"fit opt\">%c</td></tr>\n",
         web_int(s, "size"), web_int(s, "ts"));
}

static enum err write_list(struct web_request *q, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    int64_t next = 0;
    int n = 0;
    TRY(web_query(q, "artifact_list", &s));
    while (web_step(q, s, &err)) {
        if (n == SHOWN) {
            next = web_int(s, "id");
            n++;
            break;
        }
        if (!n++)
            html(h, "<div class=\"tw\"><table><thead><tr><th class=\"w40\">Name</th><th "
                    "class=\"fit\">Compile</th>"
                    "<th class=\"num opt\">Attempt</th><th class=\"opt\">Function</th><th "
                    "class=\"opt fit\">Of</th>"
                    "<th class=\"num opt\">Rank</th><th class=\"num\">Size</th><th class=\"fit "
                    "opt\">Written <small>UTC</small></th>"
                    "</tr></thead><tbody>\n");
        write_row(q, h, s);
    }
    sqlite3_reset(s);
    if (err) return err;
    if (!n) {
        web_state(h, WEB_NO_MATCH, "No artifact matches.",
                  "The filter is the name, the compile id and the kind together.");
        return ERR_OK;
    }
    html(h, "</tbody></table><div class=\"cut\">%n %sshown<span class=\"pg\">",
         next ? (int64_t)SHOWN : n, web_param(q, "from") ? "more " : "");
    if (web_param(q, "from"))
        html(h, "<a href=\"%s\">First %n</a>", web_here(q, "from", "", NULL), (int64_t)SHOWN);
    if (next)
        html(h, "<a rel=\"next\" href=\"%s\">Next %n</a>",
             web_here(q, "from", arena_printf(&q->arena, "%lld", (long long)next), NULL),
             (int64_t)SHOWN);
    html(h, "</span></div></div>");
    return ERR_OK;
}

enum err page_artifacts(struct web_request *q, struct html *h)
{
    struct html chips = {0};
    int64_t kinds, total, bytes;
    enum err err = write_kinds(q, &chips, &kinds, &total, &bytes);
    if (err) goto out;
    web_crumb(q, h, "Artifacts", NULL);
    if (!total) {
        web_state(h, WEB_NOT_RECORDED, "No artifacts in this run.",
                  "Its logs hold no payload that is a text of its own. Record a compile with "
                  "TORCH_TRACE set.");
        goto out;
    }
    html(h, "<p class=\"answer\"><b>%n text%s of %n kind%s,</b> %b.</p>", total,
         total == 1 ? "" : "s", kinds, kinds == 1 ? "" : "s", bytes);
    web_section(q, h, "kinds", "Kinds", "press one to see only its artifacts", "artifact_kinds");
    html(h, "<div class=\"filter\">");
    buf_span(&h->out, buf_text(&chips.out));
    html(h, "</div>");
    web_section_end(h);
    web_section(q, h, "artifacts", "Artifacts", "in the order they were written", "artifact_list");
    write_form(q, h);
    err = write_list(q, h);
    web_section_end(h);
out:
    html_release(&chips);
    return err;
}
