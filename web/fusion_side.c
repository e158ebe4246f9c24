/* fusion_side.c - the drawer of the selected kernel: facts, the way to its neighbours, members in
 * order, and what was not fused with it and why. */
#include "web/fusion_page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "web/draw.h"
#include "web/kernel.h"

static void begin(struct web_request *q, const char *title, const char *note, const char *query)
{
    struct html *h = &q->drawer;
    html(h, "<section><div class=\"sh\"><h3>%s</h3>", title);
    if (note) html(h, "<span class=\"dim small\">%s</span>", note);
    if (query)
        html(h,
             "<span class=\"src\" data-query=\"%s\"><a href=\"%s\" title=\"Open the named query "
             "%s\">SQL</a><a href=\"%s\">CSV</a><a href=\"%s\">JSON</a></span>",
             query, web_data_link(q, query, NULL), query, web_data_link(q, query, "csv"),
             web_data_link(q, query, "json"));
    html(h, "</div>");
}

/* ---- facts ---- */

static void put_memory(struct html *h, const struct fusion_kernel *k)
{
    if (k->reads == STORE_NULL || k->writes == STORE_NULL) {
        html(h, "<dt>memory</dt><dd>not recorded</dd>");
        return;
    }
    html(h, "<dt>memory</dt><dd>%b in, %b out", k->reads, k->writes);
    if (!isnan(k->bytes_per_ns)) {
        char rate[24];
        snprintf(rate, sizeof rate, k->bytes_per_ns < 10 ? "%.2f" : "%.0f", k->bytes_per_ns);
        html(h, ", %s GB/s", rate);
    }
    html(h, "</dd>");
}

static bool has_page(const char *path)
{
    for (const struct web_page *p = web_pages; p->path; p++)
        if (!strcmp(p->path, path)) return true;
    return false;
}

static void put_times(struct web_request *q, struct html *h, const struct fusion_kernel *k,
                      bool recorded)
{
    if (k->launches != STORE_NULL) {
        html(h, "<dt>launches</dt><dd><a href=\"%s#launches\">%n</a>", kernel_link(q, k->id),
             k->launches);
        if (has_page("/timeline"))
            html(h, " \xc2\xb7 <a href=\"%s\">in the timeline</a>",
                 web_link(q, "/timeline", "q", web_keep(q, k->name).p, NULL));
        html(h, "</dd>");
        html(h, "<dt>time, p50</dt><dd>%t</dd>", k->p50_ns);
    } else if (recorded && span_is(k->kind, "extern")) {
        html(h, "<dt>launches</dt><dd>as <a href=\"%s\">calls of its operator</a></dd>",
             web_link(q, "/operators", NULL));
    } else {
        html(h, "<dt>launches</dt><dd>not recorded</dd>");
    }
}

static void put_facts(struct web_request *q, const struct fusion_view *v,
                      const struct fusion_kernel *k)
{
    struct html *h = &q->drawer;
    begin(q, "Selected kernel", NULL, "fusion_kernels");
    html(h, "<div class=\"k\"><b>%l</b></div><p class=\"small dim\">kernel %d of %d \xc2\xb7 %s",
         k->name, v->ask.selected + 1, v->f->n_kernels, kernel_role_word(k->role, k->kind));
    if (k->n_lanes) html(h, " of %d lanes", k->n_lanes);
    else if (k->n_ops) html(h, " \xc2\xb7 %d operator%s", k->n_ops, k->n_ops == 1 ? "" : "s");
    html(h, "</p><dl class=\"kv\">");
    put_times(q, h, k, v->f->is_recorded);
    put_memory(h, k);
    if (k->n_inputs) html(h, "<dt>inputs</dt><dd>%d, %b</dd>", k->n_inputs, k->input_bytes);
    if (k->n_makes)
        html(h, "<dt>makes</dt><dd>%d value%s%s</dd>", k->n_makes, k->n_makes == 1 ? "" : "s",
             !k->n_kept               ? ""
             : k->n_kept < k->n_makes ? ", some of them read by no kernel here"
                                      : ", read by no kernel here");
    html(h, "</dl>");
    if (k->id != STORE_NULL)
        html(h,
             "<p class=\"small\"><a href=\"%s\">All about it</a> \xc2\xb7 <a "
             "href=\"%s#code\">its code</a> \xc2\xb7 <a href=\"%s\">lines that belong together"
             "</a></p>",
             kernel_link(q, k->id), kernel_link(q, k->id),
             web_link(q, "/provenance", "compile_id", web_param(q, "compile_id"), "log",
                      web_param(q, "log"), NULL));
    html(h, "</section>\n");
}

/* ---- neighbours: what the arrow keys do ---- */

static void put_step(struct web_request *q, const struct fusion_view *v, const char *key, int box,
                     const char *label)
{
    if (box < 0) return;
    const struct fusion_kernel *k = &v->f->kernels[v->drawn[box].kernel];
    html(&q->drawer,
         "<dt><kbd>%s</kbd> %s</dt><dd><a class=\"k\" data-step=\"Arrow%s\" "
         "href=\"%s#at\">%l</a></dd>",
         *key == 'U'   ? SPAN("\xe2\x86\x91")
         : *key == 'D' ? SPAN("\xe2\x86\x93")
         : *key == 'L' ? SPAN("\xe2\x86\x90")
                       : SPAN("\xe2\x86\x92"),
         label, key, web_here(q, "sel", k->key, NULL), k->name);
}

/* The box beside in the same rank, before or after in the order from the left. */
static int beside(const struct fusion_view *v, int box, bool after)
{
    const struct graph_place *p = &v->layout.places[box];
    int best = -1;
    for (int i = 0; i < v->n_drawn; i++) {
        const struct graph_place *o = &v->layout.places[i];
        if (i == box || o->rank != p->rank || o->y != p->y || (o->x > p->x) != after) continue;
        if (best < 0 || (o->x > v->layout.places[best].x) != after) best = i;
    }
    return best;
}

static void put_around(struct web_request *q, const struct fusion_view *v)
{
    int box = v->box[v->ask.selected], up = -1, down = -1;
    for (int i = 0; i < v->graph.n_edges; i++) {
        const struct graph_edge *e = &v->graph.edges[i];
        if (e->to == box && e->from > up) up = e->from;
        if (e->from == box && (down < 0 || e->to < down)) down = e->to;
    }
    begin(q, "Around it", "arrow keys walk; 1, 2, 3 keep so many steps", NULL);
    html(&q->drawer, "<dl class=\"kv\">");
    put_step(q, v, "Up", up, "made by");
    put_step(q, v, "Down", down, "read by");
    put_step(q, v, "Left", beside(v, box, false), "left of it");
    put_step(q, v, "Right", beside(v, box, true), "right of it");
    html(&q->drawer, "</dl><p class=\"filter\">");
    for (int hops = 0; hops <= 3; hops++) {
        const char number[2] = {(char)('0' + hops), 0};
        html(&q->drawer, "<a class=\"chip\" aria-pressed=\"%s\" data-step=\"%s\" href=\"%s#at\">",
             v->ask.hops == hops ? "true" : "false", &number[0],
             web_here(q, "hops", hops ? &number[0] : "", NULL));
        if (hops) html(&q->drawer, "%d step%s</a>", hops, hops == 1 ? "" : "s");
        else html(&q->drawer, "all</a>");
    }
    html(&q->drawer, "</p></section>\n");
}

/* ---- members ---- */

static void put_member(struct web_request *q, const struct fusion *f, const struct fusion_kernel *k,
                       const struct fusion_op *op)
{
    struct html *h = &q->drawer;
    struct span source = op->source, shown = source;
    for (size_t i = source.n; i > 0 && shown.n == source.n; i--)
        if (source.p[i - 1] == '/') shown = span_from(source, i);
    html(h, "<tr><td class=\"fit\">%d</td><td><code title=\"%s\">%s</code>", op->position + 1,
         op->node, op->node);
    if (op->also >= 0) {
        const struct fusion_kernel *other = &f->kernels[op->also];
        html(h, " <a href=\"%s#at\">", web_here(q, "sel", other->key, NULL));
        web_mark(h, "odd", "2",
                 arena_printf(&q->arena, "also computed in %.*s", SPAN_ARG(other->name)));
        html(h, "</a>");
    }
    html(h, "</td><td class=\"fit\">");
    if (op->stores.n) html(h, "<span title=\"stores %s\">stores</span>", op->stores);
    else html(h, "%s", fusion_role_word(k, op));
    html(h, "</td><td class=\"opt\"><code title=\"%s\">%s</code></td></tr>\n", source, shown);
}

static void put_members(struct web_request *q, const struct fusion_view *v,
                        const struct fusion_kernel *k)
{
    enum { MOST = 60 };
    if (!k->n_ops) return;
    begin(q, "Members",
          v->f->is_recorded || v->f->has_order ? "in order"
          : span_is(k->kind, "extern")         ? "as the code\xe2\x80\x99s comment names them"
                                               : "in no certain order",
          "fusion_members");
    html(&q->drawer, "<div class=\"tw\"><table id=\"members-table\"><thead><tr><th "
                     "class=\"fit\"></th><th>Operator</th><th class=\"fit\">Role"
                     "</th><th class=\"w30\">From</th></tr></thead><tbody>");
    int shown = k->n_ops < MOST ? k->n_ops : MOST, lane = -1;
    for (int i = k->first_op; i < k->first_op + shown; i++) {
        const struct fusion_op *op = &v->f->ops[i];
        if (op->lane != lane && op->lane >= 0)
            html(&q->drawer, "<tr class=\"sub\"><td colspan=\"4\">lane %d: %s</td></tr>\n",
                 op->lane - k->first_lane + 1, v->f->lanes[op->lane].name);
        lane = op->lane;
        put_member(q, v->f, k, op);
    }
    html(&q->drawer, "</tbody></table></div>");
    if (shown < k->n_ops)
        html(&q->drawer, "<p class=\"micro\"><a href=\"%s#members\">%d more</a></p>",
             kernel_link(q, k->id), k->n_ops - shown);
    html(&q->drawer, "</section>\n");
}

/* ---- why not ---- */

static void put_refused(struct html *h, sqlite3_stmt *s)
{
    struct span a = web_text(s, "a"), b = web_text(s, "b");
    struct span detail = web_text(s, "detail"), reason = web_text(s, "reason");
    bool combo = span_is(web_text(s, "kind"), "combo");
    int64_t bytes = web_int(s, "bytes_saved");
    html(h, "<li><div><span class=\"k\" title=\"%s\">%s</span><span class=\"dim nw\">", a, a);
    if (bytes > 0) html(h, "%b", bytes);
    else if (combo) html(h, "1 launch");
    html(h, "</span></div>");
    if (b.n)
        html(h, "<div><span class=\"dim\">%s</span> <span class=\"k\" title=\"%s\">%s</span></div>",
             combo ? SPAN("beside") : SPAN("with"), b, b);
    html(h, "<p>%s</p></li>\n", detail.n ? detail : reason);
}

static enum err put_why_not(struct web_request *q, const struct fusion_view *v,
                            const struct fusion_kernel *k)
{
    enum { MOST = 8 };
    sqlite3_stmt *s;
    enum err err;
    int n = 0;
    if (k->id == STORE_NULL || !v->f->is_recorded) {
        begin(q, "Why not fused", NULL, NULL);
        html(&q->drawer,
             "<p class=\"small dim\">Not recorded: PyTorch\xe2\x80\x99s log does not say which "
             "pairs its scheduler looked at. plumb\xe2\x80\x99s own compiler writes down every "
             "one.</p></section>\n");
        return ERR_OK;
    }
    begin(q, "Why not fused", "by what it would save", "compile_decisions");
    TRY(web_query(q, "kernel_decisions", &s));
    TRY(store_bind_int(s, ":id", k->id));
    html(&q->drawer, "<ul class=\"why\">");
    while (web_step(q, s, &err))
        if (web_int(s, "fused") == 0 && n++ < MOST) put_refused(&q->drawer, s);
    html(&q->drawer, "</ul>");
    if (!n)
        html(
            &q->drawer,
            "<p class=\"small dim\">Nothing was refused: there was nothing beside it to join.</p>");
    if (n > MOST)
        html(&q->drawer, "<p class=\"micro\"><a href=\"%s#decisions\">%d more</a></p>",
             kernel_link(q, k->id), n - MOST);
    html(&q->drawer, "</section>\n");
    return err;
}

enum err fusion_put_drawer(struct web_request *q, const struct fusion_view *v)
{
    const struct fusion_kernel *k = &v->f->kernels[v->ask.selected];
    put_facts(q, v, k);
    if (v->box[v->ask.selected] >= 0) put_around(q, v);
    put_members(q, v, k);
    return put_why_not(q, v, k);
}
