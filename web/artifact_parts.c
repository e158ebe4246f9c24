/* artifact_parts.c - what stands beside an artifact's text: its neighbours, its outline, its
 * kernels, its equals. */
#include "web/address.h"
#include "web/artifact.h"
#include "web/kernel.h"

/* ---- actions ---- */

static void write_neighbour(struct web_request *q, const char *label, const char *rel,
                            struct span log, int64_t offset, struct span name)
{
    html(&q->actions, "<a rel=\"%s\" title=\"%s\" href=\"%s\">%s</a>", rel, name,
         web_link_artifact(q, log, offset), label);
}

struct neighbour {
    bool is;
    struct span log, name;
    int64_t offset;
};

static struct neighbour neighbour_of(struct web_request *q, sqlite3_stmt *s)
{
    return (struct neighbour){true, web_keep(q, web_text(s, "log")),
                              web_keep(q, web_text(s, "name")), web_int(s, "offset")};
}

static enum err write_previous(struct web_request *q, const struct artifact_shown *a)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "artifact_previous", &s));
    if (!web_step(q, s, &err)) return err;
    struct span id = web_text(s, "compile_id");
    if (web_int(s, "equal") == 1)
        html(&q->actions, "<a href=\"%s\">Equal to that of [%s]</a>",
             web_link_artifact(q, web_text(s, "log"), web_int(s, "offset")), id);
    else if (!web_param(q, "diff"))
        html(&q->actions, "<a href=\"%s\">Diff with [%s]%s</a>",
             web_here(q, "diff", "1", "from", "", NULL), id,
             span_eq(id, a->compile_id) ? " before" : "");
    sqlite3_reset(s);
    return ERR_OK;
}

enum err artifact_neighbours(struct web_request *q, const struct artifact_shown *a)
{
    sqlite3_stmt *s;
    enum err err;
    struct neighbour before = {0}, behind = {0};
    TRY(web_query(q, "artifact_siblings", &s));
    while (web_step(q, s, &err)) {
        int64_t id = web_int(s, "id");
        if (id < a->id) before = neighbour_of(q, s);
        else if (id > a->id && !behind.is) behind = neighbour_of(q, s);
    }
    if (err) return err;
    if (web_param(q, "diff"))
        html(&q->actions, "<a href=\"%s\">Without diff</a>", web_here(q, "diff", "", NULL));
    TRY(write_previous(q, a));
    if (before.is) write_neighbour(q, "Previous", "prev", before.log, before.offset, before.name);
    if (behind.is) write_neighbour(q, "Next", "next", behind.log, behind.offset, behind.name);
    return ERR_OK;
}

/* ---- drawer ---- */

/* A part without rows is taken back. */
static void end_part(struct web_request *q, size_t begin, int n, const char *end)
{
    if (n) {
        buf_puts(&q->drawer.out, end);
    } else if (q->drawer.out.p) {
        q->drawer.out.n = begin;
        q->drawer.out.p[begin] = 0;
    }
}

/* A head like that of a section, a step smaller. Gives what end_part wants. It asks for the
 * query's addresses, which ends a running statement of that query: call it before. */
static size_t open_part(struct web_request *q, const char *title, const char *query)
{
    struct html *h = &q->drawer;
    size_t begin = h->out.n;
    html(h, "<section><div class=\"sh\"><h3>%s</h3>", title);
    if (query)
        html(h,
             "<span class=\"src\" data-query=\"%s\"><a href=\"%s\" title=\"Open the named query "
             "%s\">SQL</a>"
             "<a href=\"%s\">CSV</a><a href=\"%s\">JSON</a></span>",
             query, web_data_link(q, query, NULL), query, web_data_link(q, query, "csv"),
             web_data_link(q, query, "json"));
    html(h, "</div>");
    return begin;
}

/* The name that a line defines: class X, def f, name = async_compile...; absent when it defines
 * none. */
static struct span defined(struct span line)
{
    struct span text = span_trim(line);
    size_t margin = line.n ? (size_t)(text.p - line.p) : 0, end = 0;
    struct span name = text;
    if (span_starts(text, "class ")) name = span_from(text, 6);
    else if (span_starts(text, "def ")) name = span_from(text, 4);
    else if (margin || span_find(text, SPAN(" = async_compile."), 0) == SIZE_MAX) return SPAN_NONE;
    if (margin > 4) return SPAN_NONE;
    while (end < name.n && !strchr("(: =", name.p[end])) end++;
    return span_to(name, end);
}

static void write_outline(struct web_request *q, const struct artifact_shown *a)
{
    enum { MANY = 40 };
    struct span rest = buf_text(&a->window.text), line;
    int n = 0;
    if (a->language != HL_PYTHON && a->language != HL_FX) return;
    for (int64_t number = a->window.first; n < MANY && span_next_line(&rest, &line); number++) {
        struct span name = defined(line);
        if (!name.n) continue;
        if (!n++) {
            (void)open_part(q, "In this text", NULL);
            html(&q->drawer, "<ul class=\"schema\">");
        }
        html(&q->drawer,
             "<li><a class=\"k\" href=\"#L%d\">%l</a><span class=\"dim\">%d</span></li>\n", number,
             name, number);
    }
    if (n) html(&q->drawer, "</ul></section>\n");
}

static enum err write_kernels(struct web_request *q)
{
    sqlite3_stmt *s;
    enum err err;
    int n = 0;
    size_t begin = open_part(q, "Kernels", "artifact_kernels");
    html(&q->drawer,
         "<div class=\"tw\"><table><thead><tr><th>Kernel</th><th class=\"fit\">Kind</th>"
         "<th class=\"num\">Nodes</th><th class=\"num\">Line</th></tr></thead><tbody>\n");
    TRY(web_query(q, "artifact_kernels", &s));
    for (; web_step(q, s, &err); n++) {
        int64_t line = web_int(s, "line");
        html(&q->drawer, "<tr><td>");
        kernel_name(q, &q->drawer, web_int(s, "id"), web_text(s, "kernel"));
        html(&q->drawer,
             "</td><td class=\"fit\">%s</td><td class=\"num\">%n</td><td class=\"num\">",
             web_text(s, "kind"), web_int(s, "n_nodes"));
        if (line != STORE_NULL) html(&q->drawer, "<a href=\"#L%d\">%d</a>", line, line);
        html(&q->drawer, "</td></tr>\n");
    }
    end_part(q, begin, n, "</tbody></table></div></section>\n");
    return err;
}

static enum err write_guard_kinds(struct web_request *q)
{
    sqlite3_stmt *s;
    enum err err;
    int n = 0;
    size_t begin = open_part(q, "Guards by kind", "artifact_guards");
    html(&q->drawer, "<ul class=\"schema\">");
    TRY(web_query(q, "artifact_guards", &s));
    for (; web_step(q, s, &err); n++) {
        html(&q->drawer,
             "<li><a class=\"k\" href=\"#L%d\" title=\"the first\">%s</a><span "
             "class=\"dim\">%n</span></li>\n",
             web_int(s, "line"), web_text(s, "kind"), web_int(s, "guards"));
    }
    end_part(q, begin, n, "</ul></section>\n");
    return err;
}

static void write_sibling(struct web_request *q, sqlite3_stmt *s, int64_t current)
{
    struct html *h = &q->drawer;
    if (web_int(s, "id") == current) html(h, "<li><code><b>%l</b></code>", web_text(s, "name"));
    else
        html(h, "<li><a class=\"k\" href=\"%s\">%l</a>",
             web_link_artifact(q, web_text(s, "log"), web_int(s, "offset")), web_text(s, "name"));
    html(h, "<span class=\"dim\">");
    if (web_int(s, "attempt") > 0) html(h, "attempt %d, ", web_int(s, "attempt"));
    html(h, "%b</span></li>\n", web_int(s, "size"));
}

/* The artifacts of the compile around this one. */
static enum err write_siblings(struct web_request *q, const struct artifact_shown *a)
{
    enum { AROUND = 24 };
    sqlite3_stmt *s;
    enum err err;
    int64_t position = 0;
    if (!a->compile_id.p || a->of < 2) return ERR_OK;
    (void)open_part(q, "Same compile", "artifact_siblings");
    TRY(web_query(q, "artifact_siblings", &s));
    html(&q->drawer, "<ul class=\"schema\">");
    while (web_step(q, s, &err)) {
        position++;
        if (position >= a->position - AROUND && position <= a->position + AROUND)
            write_sibling(q, s, a->id);
    }
    html(&q->drawer, "</ul>");
    if (a->of > AROUND)
        html(&q->drawer, "<p class=\"cut\"><a href=\"%s\">All %n artifacts of [%s]</a></p>",
             web_link(q, "/artifacts", "compile_id", a->compile_id.p, NULL), a->of, a->compile_id);
    html(&q->drawer, "</section>\n");
    return err;
}

static enum err write_equals(struct web_request *q)
{
    sqlite3_stmt *s;
    enum err err;
    int n = 0;
    size_t begin = open_part(q, "Same content", "artifact_equal");
    html(&q->drawer, "<ul class=\"schema\">");
    TRY(web_query(q, "artifact_equal", &s));
    for (; web_step(q, s, &err); n++) {
        html(&q->drawer, "<li><a class=\"k\" href=\"%s\">%l</a><span class=\"dim\">",
             web_artifact_address(q, web_text(s, "run"), web_text(s, "log"), web_int(s, "offset"),
                                  0),
             web_text(s, "name"));
        if (web_text(s, "compile_id").p) html(&q->drawer, "[%s] ", web_text(s, "compile_id"));
        if (!span_eq(web_text(s, "run"), q->run_name)) html(&q->drawer, "%s", web_text(s, "run"));
        html(&q->drawer, "</span></li>\n");
    }
    end_part(q, begin, n, "</ul></section>\n");
    return err;
}

enum err artifact_drawer(struct web_request *q, const struct artifact_shown *a)
{
    write_outline(q, a);
    TRY(write_kernels(q));
    if (a->language == HL_GUARDS) TRY(write_guard_kinds(q));
    TRY(write_siblings(q, a));
    return write_equals(q);
}
