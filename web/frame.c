/* frame.c - what stands around a page: top bar with file and run, rail with counts, title line,
 * drawer.
 *
 * Counts of the rail come from the named query `rail`; a page without a row there has none.
 */
#include "web/server.h"

#include <stdio.h>

#include "web/asset.h"

enum { MAX_SWITCH = 60 };

const char *web_asset_tag(const char *name)
{
    for (const struct web_asset *a = web_assets; a->name; a++)
        if (!strcmp(a->name, name)) return a->tag;
    return "0";
}

static void put_head(struct html *h, struct span title, struct span of)
{
    html(h,
         "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>%s",
         title);
    if (of.p) html(h, " \xc2\xb7 %s", of);
    html(h,
         " \xc2\xb7 plumb</title>\n<link rel=\"icon\" href=\"/a/mark.svg?v=%s\">\n"
         "<link rel=\"stylesheet\" href=\"/a/plumb.css?v=%s\">\n<script "
         "src=\"/a/plumb.js?v=%s\"></script>\n</head>\n",
         web_asset_tag("mark.svg"), web_asset_tag("plumb.css"), web_asset_tag("plumb.js"));
}

static void put_brand(struct html *h, const char *href)
{
    html(h,
         "<a class=\"brand\" href=\"%s\"><svg viewBox=\"0 0 12 20\" aria-hidden=\"true\"><path "
         "class=\"l7\" d=\"M6 0v8\" "
         "stroke-width=\"1.2\"/><path class=\"facc\" d=\"M2.2 8h7.6v4.2L6 19.6 2.2 "
         "12.2z\"/></svg>plumb</a>",
         href);
}

/* ---- switches ---- */

static const char *file_address(struct web_request *q, int file)
{
    const char *path = q->page->section ? q->page->path : "/";
    return file ? arena_printf(&q->arena, "%s?file=%d", path, file) : path;
}

static void put_files(struct web_request *q, struct html *h)
{
    const struct web_server *s = web_job_of(q)->server;
    html(h,
         "<details class=\"switch file\"><summary title=\"%s\">%s <span "
         "class=\"dim\">%b%s</span></summary><ul>",
         q->file_path, q->file_name, web_job_of(q)->file_size, q->live ? " \xc2\xb7 live" : "");
    for (int i = 0; i < s->n_files; i++) {
        const char *href = file_address(q, i);
        html(h, "<li><a href=\"%s\"", href ? href : "/");
        if (i == q->file) html(h, " aria-current=\"true\"");
        html(h, ">%s</a></li>", s->files[i].shown);
    }
    html(h, "</ul></details>");
}

/* The same page of another run: what was selected there means nothing here. */
static const char *run_address(struct web_request *q, struct span name)
{
    struct buf b = {0};
    buf_printf(&b, "%s?",
               q->page->section && strcmp(q->page->path, "/") ? q->page->path : "/overview");
    if (q->file) buf_printf(&b, "file=%d&", q->file);
    buf_puts(&b, "run=");
    web_encode(&b, name);
    struct span kept = arena_copy(&q->arena, buf_text(&b));
    buf_release(&b);
    return kept.p ? kept.p : "/";
}

static enum err put_runs(struct web_request *q, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    if (!q->n_runs) return ERR_OK;
    TRY(web_statement(
        q, "frame: runs",
        "SELECT name, start_ts FROM run ORDER BY start_ts IS NULL, start_ts, id LIMIT 61", &s));
    html(h, "<details class=\"switch run\"><summary title=\"Runs in this file\">%s</summary><ul>",
         q->run_name.p ? q->run_name : SPAN("choose a run"));
    int n = 0;
    while (web_step(q, s, &err)) {
        struct span name = store_column_text(s, 0);
        if (n++ == MAX_SWITCH) continue;
        html(h, "<li><a href=\"%s\"", run_address(q, name));
        if (q->run_name.p && span_eq(name, q->run_name)) html(h, " aria-current=\"true\"");
        html(h, ">%s <span class=\"dim\">%c</span></a></li>", name,
             sqlite3_column_type(s, 1) == SQLITE_NULL ? STORE_NULL : sqlite3_column_int64(s, 1));
    }
    if (n > 1)
        html(h, "<li><a href=\"%s\">All %n runs</a></li>",
             file_address(q, q->file) ? web_link(q, "/", NULL) : "/", q->n_runs);
    html(h, "</ul></details>");
    return err;
}

static void put_top(struct web_request *q, struct html *h)
{
    html(h, "<header class=\"top\">");
    put_brand(h, web_link(q, "/overview", NULL));
    put_files(q, h);
    if (put_runs(q, h)) err_clear();
    html(h, "<form class=\"find\" action=\"/search\" role=\"search\">");
    if (q->file) html(h, "<input type=\"hidden\" name=\"file\" value=\"%d\">", q->file);
    if (q->n_runs > 1 && q->run_name.p)
        html(h, "<input type=\"hidden\" name=\"run\" value=\"%s\">", q->run_name);
    html(h,
         "<input name=\"q\" aria-label=\"Search this file\" placeholder=\"Search code, guards, "
         "stacks, names\"><kbd>/</kbd></form>"
         "<div class=\"tools\"><button type=\"button\" class=\"js\" data-act=\"theme\" "
         "title=\"Light or dark (t)\">Theme</button>"
         "<a href=\"%s\" title=\"Keys and words (?)\" data-act=\"help\">?</a></div></header>\n",
         web_link(q, "/help", NULL));
}

/* ---- rail ---- */

static enum err read_rail(struct web_request *q, struct web_rail *rail)
{
    sqlite3_stmt *s;
    enum err err;
    rail->n = 0;
    TRY(web_query(q, "rail", &s));
    while (web_step(q, s, &err)) {
        if (rail->n == WEB_MAX_RAIL) continue;
        struct web_rail_count *c = &rail->counts[rail->n++];
        snprintf(c->page, sizeof c->page, "%.*s", SPAN_ARG(web_text(s, "page")));
        c->n = web_int(s, "n");
        c->severity = web_int(s, "severity");
    }
    return err;
}

/* The counts of the run; a closed file's are read once per connection and run. */
static const struct web_rail *rail_of(struct web_request *q)
{
    struct web_rail *rail = &web_job_of(q)->open->rail;
    if (rail->run && rail->run == q->run && !q->live) return rail;
    rail->run = q->run;
    if (read_rail(q, rail)) { /* a comparison has counts though it has no run */
        err_clear();
        rail->run = 0;
    }
    return rail;
}

static const struct web_rail_count *find_count(const struct web_rail *rail, const char *path)
{
    for (int i = 0; i < rail->n; i++)
        if (!strcmp(rail->counts[i].page, path + 1)) return &rail->counts[i];
    return NULL;
}

static void put_entry(struct web_request *q, struct html *h, const struct web_page *p,
                      const struct web_rail *rail)
{
    const struct web_rail_count *c = find_count(rail, p->path);
    const char *class_ = !c || c->n <= 0    ? ""
                         : c->severity >= 2 ? "bad"
                         : c->severity == 1 ? "warn"
                                            : "";
    html(h, "<a href=\"%s\" data-page=\"%s\"", web_link(q, p->path, NULL), p->path + 1);
    const char key[2] = {p->key, 0};
    if (p->key) html(h, " data-key=\"%s\"", &key[0]);
    if (c && (c->n == STORE_NULL || c->n == 0)) html(h, " class=\"none\"");
    bool current =
        !strcmp(p->path, q->page->path) || (q->page->parent && !strcmp(q->page->parent, p->path));
    if (current) html(h, " aria-current=\"page\"");
    html(h, ">%s", p->label);
    if (c) html(h, "<i class=\"%s\">%n</i>", class_, c->n);
    else html(h, "<i></i>");
    html(h, "</a>");
}

static void put_rail(struct web_request *q, struct html *h)
{
    static const struct {
        const char *section, *title;
    } titles[] = {{"compiled", "What it compiled"},
                  {"ran", "What ran"},
                  {"parts", "Where runs part"},
                  {"file", "The file"}};
    const struct web_rail *rail = rail_of(q);
    const char *section = "";
    html(h, "<nav class=\"rail\" aria-label=\"Pages of this run\">");
    for (const struct web_page *p = web_pages; p->path; p++) {
        if (!p->section || (!strcmp(p->path, "/") && q->n_runs < 2)) continue;
        if (strcmp(p->section, section)) {
            section = p->section;
            for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
                if (!strcmp(titles[i].section, section)) html(h, "<h3>%s</h3>", titles[i].title);
        }
        put_entry(q, h, p, rail);
    }
    html(h, "</nav>\n");
}

/* ---- the whole ---- */

/* Breadcrumbs stand above the title, and are what the page wrote first. */
static struct span split_crumbs(struct span *body)
{
    size_t end = span_starts(*body, "<div class=\"crumbs\">")
                     ? span_find(*body, SPAN("</div>\n"), 0)
                     : SIZE_MAX;
    if (end == SIZE_MAX) return SPAN("");
    struct span crumbs = span_to(*body, end + 7);
    *body = span_from(*body, end + 7);
    return crumbs;
}

void web_frame(struct web_request *q, const struct html *body, struct html *h)
{
    struct span text = buf_text(&body->out);
    struct span crumbs = split_crumbs(&text);
    put_head(h, q->title, q->run_name);
    html(h, "<body data-page=\"%s\"", q->page->path + 1);
    if (q->live) html(h, " data-live");
    html(h, ">\n<a class=\"skip\" href=\"#main\">Skip to content</a>\n");
    put_top(q, h);
    html(h, "<div class=\"frame%s\">\n", q->drawer.out.n ? " drawn" : "");
    put_rail(q, h);
    html(h, "<main id=\"main\">\n");
    buf_span(&h->out, crumbs);
    html(h, "<div class=\"head\"><h1>");
    buf_span(&h->out, buf_text(&q->mark.out));
    html(h, "%s</h1><div class=\"acts\">", q->title);
    buf_span(&h->out, buf_text(&q->actions.out));
    html(h, "</div></div>\n");
    buf_span(&h->out, text);
    html(h, "</main>\n");
    if (q->drawer.out.n) {
        html(h, "<aside class=\"drawer\" aria-label=\"Selected\">");
        buf_span(&h->out, buf_text(&q->drawer.out));
        html(h, "</aside>\n");
    }
    html(h, "</div>\n</body>\n</html>\n");
}

void web_plain(struct html *h, const char *title, const char *what, const char *why)
{
    put_head(h, span_of(title), SPAN_NONE);
    html(h, "<body data-page=\"plain\"><header class=\"top\">");
    put_brand(h, "/");
    html(h, "</header><main id=\"main\" class=\"plain\"><h1>%s</h1>", title);
    web_state(h, WEB_ERROR, what, why);
    html(h, "</main></body></html>\n");
}

void web_shell(struct html *h, const char *href)
{
    put_head(h, SPAN("A trace on this machine"), SPAN_NONE);
    html(h, "<body data-page=\"shell\"><header class=\"top\">");
    put_brand(h, "/");
    html(h,
         "</header><main id=\"main\" class=\"plain\"><h1>A trace on this machine</h1>"
         "<p class=\"answer\">Another site led here. Nothing of the trace is shown until you go on "
         "yourself.</p>"
         "<p><a class=\"btn main\" href=\"%s\">Go on to the page</a></p></main></body></html>\n",
         href);
}
