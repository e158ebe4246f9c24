/* page_fusion.c - what became one kernel, what did not, and why? The graph of one program: a
 * compile and a phase of it. */
#include "web/fusion_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "web/kernel.h"

/* ---- which program ---- */

static enum err go_to_first(struct web_request *q, struct html *h)
{
    const char *compile = web_param(q, "compile_id"), *href = NULL;
    sqlite3_stmt *s;
    enum err err;
    int64_t most = 0;
    TRY(web_query(q, "fusion_phases", &s));
    while (web_step(q, s, &err)) {
        bool wanted = !compile || span_is(web_text(s, "compile_id"), compile);
        if (!wanted || web_int(s, "kernels") <= most) continue;
        most = web_int(s, "kernels");
        href = fusion_program_link(q, s);
    }
    TRY(err);
    if (href) {
        web_redirect(q, href);
        return ERR_OK;
    }
    web_state(h, WEB_NOT_RECORDED, "No kernels in this run.",
              "Its logs have no output code: nothing was compiled, or by a backend that writes "
              "none. `plumb run --compile` records kernels with all that is known of them.");
    return ERR_OK;
}

const char *fusion_program_link(struct web_request *q, sqlite3_stmt *s)
{
    int64_t occurrence = web_int(s, "occurrence");
    return web_link(q, "/fusion", "compile_id", web_kept(q, s, "compile_id").p, "occurrence",
                    occurrence > 1 ? arena_printf(&q->arena, "%lld", (long long)occurrence) : NULL,
                    "log", q->n_logs > 1 ? web_kept(q, s, "log").p : NULL, "phase",
                    web_kept(q, s, "phase").p, NULL);
}

static enum err put_programs(struct web_request *q, struct html *h)
{
    enum { CHIPS = 14 };
    const char *compile = web_param(q, "compile_id"), *phase = web_param(q, "phase");
    sqlite3_stmt *s;
    enum err err;
    int n = 0;
    TRY(web_query(q, "fusion_phases", &s));
    html(h, "<div class=\"filter\">");
    while (web_step(q, s, &err)) {
        bool on = span_is(web_text(s, "compile_id"), compile) &&
                  span_is(web_text(s, "phase"), phase) &&
                  web_int(s, "occurrence") == web_param_int(q, "occurrence", 1);
        if (n++ >= CHIPS && !on) continue;
        const char *label =
            arena_printf(&q->arena, "[%.*s] %.*s", SPAN_ARG(web_text(s, "compile_id")),
                         SPAN_ARG(web_text(s, "phase")));
        web_chip(h, on, fusion_program_link(q, s), span_of(label), web_int(s, "kernels"));
    }
    if (n > CHIPS)
        html(h, "<a class=\"n\" href=\"%s\">%d programs more, by their compiles</a>",
             web_link(q, "/compiles", NULL), n - CHIPS);
    html(h, "</div>\n");
    return err;
}

/* ---- what is asked ---- */

static const struct {
    const char *name, *label;
} OVERLAYS[] = {[OVER_TIME] = {"time", "Time"},
                [OVER_BYTES] = {"bytes", "Bytes"},
                [OVER_RATE] = {"rate", "GB/s"},
                [OVER_DTYPE] = {"dtype", "Dtype"},
                [OVER_DIGEST] = {"digest", "Digests"}};
enum { N_OVERLAYS = sizeof OVERLAYS / sizeof *OVERLAYS };

static bool is_set(struct web_request *q, const char *name, const char *value)
{
    const char *now = web_param(q, name);
    return now && !strcmp(now, value);
}

static struct fusion_ask read_ask(struct web_request *q, const struct fusion *f)
{
    struct fusion_ask ask = {.all_layers = is_set(q, "layers", "all"),
                             .layer = (int)web_param_int(q, "layer", 1) - 1,
                             .folded = is_set(q, "fold", "1"),
                             .selected = fusion_find(f, web_param(q, "sel")),
                             .hops = (int)web_param_int(q, "hops", 0)};
    if (ask.hops < 0 || ask.hops > 9) ask.hops = 0;
    for (int i = 0; i < N_OVERLAYS; i++)
        if (is_set(q, "over", OVERLAYS[i].name))
            ask.overlay = (enum fusion_overlay)i, ask.colour = true;
    return ask;
}

/* ---- answer ---- */

struct kinds {
    int fused, single, combo, lanes, library, ops;
};

static struct kinds count_kinds(const struct fusion *f)
{
    struct kinds n = {0};
    for (int i = 0; i < f->n_kernels; i++) {
        const struct fusion_kernel *k = &f->kernels[i];
        n.ops += k->n_ops;
        if (k->n_lanes) n.combo++, n.lanes += k->n_lanes;
        else if (span_is(k->kind, "extern")) n.library++;
        else if (k->n_ops == 1) n.single++;
        else n.fused++;
    }
    return n;
}

static void put_kind(struct html *h, int *written, int n, const char *one, const char *many)
{
    if (!n) return;
    html(h, "%s%d %s", *written ? SPAN(", ") : SPAN(": "), n, n == 1 ? one : many);
    ++*written;
}

static void put_count(struct html *h, const struct fusion *f)
{
    struct kinds n = count_kinds(f);
    int written = 0;
    if (n.ops && f->is_recorded) html(h, "%n operator%s became ", n.ops, n.ops == 1 ? "" : "s");
    html(h, "%n launch%s", f->n_kernels, f->n_kernels == 1 ? "" : "es");
    put_kind(h, &written, n.fused, f->is_recorded ? "fused kernel" : "generated kernel",
             f->is_recorded ? "fused kernels" : "generated kernels");
    put_kind(h, &written, n.single, "kernel of one operator", "kernels of one operator");
    put_kind(h, &written, n.combo, "combo kernel", "combo kernels");
    if (n.combo) html(h, " of %d lanes", n.lanes);
    put_kind(h, &written, n.library, "library call", "library calls");
}

/* What fusing kept out of memory, and the largest that it did not. */
static enum err put_saved(struct web_request *q, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    int64_t saved = 0;
    struct span a = SPAN_NONE, b = SPAN_NONE, why = SPAN_NONE;
    int64_t rest = 0;
    TRY(web_query(q, "compile_decisions", &s));
    while (web_step(q, s, &err)) {
        int64_t bytes = web_int(s, "bytes_saved");
        if (bytes == STORE_NULL) continue;
        if (web_int(s, "fused") == 1) {
            saved += bytes;
        } else if (bytes > rest) {
            rest = bytes;
            a = web_kept(q, s, "a"), b = web_kept(q, s, "b"),
            why = web_kept(q, s, web_text(s, "detail").n ? "detail" : "reason");
        }
    }
    TRY(err);
    if (saved) html(h, " Fusion keeps %b out of memory.", saved);
    if (rest) {
        html(h, " The largest rest: <code>%s</code>", a);
        if (b.n) html(h, " and <code>%s</code>", b);
        html(h, " stay apart, %b", rest);
        if (why.n) html(h, ": %s", why);
        html(h, ".");
    }
    return ERR_OK;
}

/* Where what is drawn comes from, and what that cannot tell. */
static void put_certainty(struct html *h, const struct fusion *f)
{
    html(h, "<p class=\"note\">PyTorch\xe2\x80\x99s log has no list of launches. ");
    if (f->has_calls)
        html(h,
             "Calls and the buffers between them are read from the text of the generated code; ");
    else
        html(h, "Its code has no calls of a form that is known here: these are the kernels that it "
                "defines, without the buffers between them; ");
    if (f->has_order)
        html(h, "members are those of the graph fragment above each kernel, in order.</p>\n");
    else
        html(h, "members of generated kernels are those of the provenance map, where one was "
                "written, in no certain order.</p>\n");
}

static enum err put_answer(struct web_request *q, struct html *h, const struct fusion *f)
{
    html(h, "<p class=\"answer\"><b>");
    put_count(h, f);
    html(h, ".</b>");
    TRY(put_saved(q, h));
    if (f->n_twice)
        html(h, " %n operator%s computed in two kernels instead of being kept.", f->n_twice,
             f->n_twice == 1 ? " is" : "s are");
    html(h, "</p>\n");
    if (!f->is_recorded) put_certainty(h, f);
    return ERR_OK;
}

/* ---- the drawing ---- */

static const char *box_link(void *context, const struct fusion_kernel *k)
{
    struct web_request *q = context;
    return arena_printf(&q->arena, "%s#at", web_here(q, "sel", k->key, NULL));
}

static void put_layers(struct web_request *q, struct html *h, const struct fusion_view *v)
{
    const struct fusion_layers *l = &v->layers;
    char number[16];
    if (v->ask.all_layers && fusion_find_layers(v->f).copies)
        html(h,
             "<p class=\"note\">Every layer is drawn. <a href=\"%s\">Draw those that are alike "
             "once</a></p>",
             web_here(q, "layers", "", NULL));
    if (!l->copies) return;
    html(h,
         "<p class=\"note\">Layer %d of %d, all alike: %d kernels are drawn once and stand for "
         "%d. ",
         l->chosen + 1, l->copies, l->period, l->period * l->copies);
    snprintf(number, sizeof number, "%d", (l->chosen + 1) % l->copies + 1);
    html(h, "<a href=\"%s\">Next layer</a> \xc2\xb7 <a href=\"%s\">Draw every layer</a></p>\n",
         web_here(q, "layer", number, "sel", "", "hops", "", NULL),
         web_here(q, "layers", "all", "layer", "", NULL));
}

static void put_overlays(struct web_request *q, struct html *h, const struct fusion_view *v)
{
    html(h, "<div class=\"filter\"><span class=\"dim\">Colour by</span>");
    web_chip(h, !v->ask.colour, web_here(q, "over", "", NULL), SPAN("Kind"), STORE_NULL);
    for (int i = 0; i < N_OVERLAYS; i++)
        web_chip(h, v->ask.colour && v->ask.overlay == (enum fusion_overlay)i,
                 web_here(q, "over", OVERLAYS[i].name, NULL), span_of(OVERLAYS[i].label),
                 STORE_NULL);
    html(h, "</div>\n");
}

static void put_swatch(struct html *h, const char *class_, const char *label)
{
    html(h,
         "<span><svg width=\"14\" height=\"12\" aria-hidden=\"true\"><rect class=\"%s\" x=\".5\" "
         "y=\".5\" width=\"13\" "
         "height=\"11\"/></svg>%s</span>",
         class_, label);
}

static void put_key(struct html *h, const struct fusion_view *v)
{
    html(h, "<p class=\"key\">");
    if (!v->ask.colour) {
        put_swatch(h, "c1", "generated");
        put_swatch(h, "c5", "combo: lanes run side by side, no data between them");
        put_swatch(h, "c6", "library");
    } else if (v->ask.overlay == OVER_DTYPE) {
        static const char *const types[] = {"f32", "bf16", "f16", "i64", "f64", "other"};
        static const char *const classes[] = {"c1", "c2", "c3", "c4", "c5", "c6"};
        for (int i = 0; i < 6; i++) put_swatch(h, classes[i], types[i]);
    } else if (v->ask.overlay == OVER_DIGEST) {
        put_swatch(h, "c2", "what its first launch wrote has digests");
        put_swatch(h, "fbadf", "NaN or infinity among them");
        put_swatch(h, "box dash", "not recorded");
    } else {
        put_swatch(h, "o0", "least");
        put_swatch(h, "o2", "half of the most");
        put_swatch(h, "o4", "most");
        put_swatch(h, "box dash", "not known");
    }
    html(h,
         "<span><svg width=\"14\" height=\"14\" aria-hidden=\"true\"><rect class=\"foddf\" "
         "x=\".5\" y=\".5\" width=\"12\" "
         "height=\"12\"/><text class=\"tx todd t10\" x=\"6.5\" y=\"10\">2</text></svg>computed in "
         "two kernels</span></p>\n");
}

static void put_graph(struct web_request *q, struct html *h, const struct fusion_view *v)
{
    struct fusion_look look = {.href = box_link, .context = q};
    look.label = arena_printf(&q->arena,
                              "%d kernels and %d values between them; the table below has the same",
                              v->n_drawn, v->n_nets);
    web_section(q, h, "graph", "Kernels and the values between them",
                "top down in the order of the program", v->f->is_recorded ? "fusion_edges" : NULL);
    put_overlays(q, h, v);
    put_layers(q, h, v);
    if (v->n_left)
        html(h,
             "<p class=\"note\">%n more: further than %d step%s away. <a href=\"%s\">Show "
             "all</a></p>\n",
             v->n_left, v->ask.hops, v->ask.hops == 1 ? "" : "s", web_here(q, "hops", "", NULL));
    bool large = fusion_is_large(v);
    html(h, "<div class=\"dw graph\"%s>", large ? SPAN("") : SPAN(" tabindex=0"));
    if (large) fusion_draw_large(h, v, web_here(q, "sel", "", NULL), look.label);
    else fusion_draw(h, v, &look);
    html(h, "</div>");
    if (v->layout.n_cut)
        html(h,
             "<p class=\"note\">%n edges are not drawn: they lead against the order of the "
             "program, or too far.</p>",
             v->layout.n_cut);
    put_key(h, v);
    web_section_end(h);
}

/* ---- the table ---- */

static void cell_name(struct web_cell *c)
{
    int64_t id = web_int(c->row, "id");
    html(c->h, "<a class=\"k\" href=\"%s\">%l</a>", kernel_link(c->q, id),
         web_text(c->row, "name"));
}

static void cell_kind(struct web_cell *c)
{
    int64_t lanes = web_int(c->row, "lanes");
    html(c->h, "%s", kernel_role_word(web_text(c->row, "role"), web_text(c->row, "kind")));
    if (lanes > 0) html(c->h, " of %n", lanes);
}

static void cell_place(struct web_cell *c)
{
    int64_t position = web_int(c->row, "position");
    if (position == STORE_NULL) return;
    html(c->h, "<a title=\"select it in the drawing\" href=\"%s#at\">%n</a>",
         web_here(c->q, "sel", web_kept(c->q, c->row, "name").p, NULL), position + 1);
}

static const struct web_column COLUMNS[] = {
    {.name = "position", .head = "#", .class_ = "num opt", .cell = cell_place},
    {.name = "name", .head = "Kernel", .class_ = "grow", .cell = cell_name, .filter = true},
    {.name = "n_ops", .head = "Made of", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "role", .head = "Kind", .class_ = "fit opt", .cell = cell_kind},
    {.name = "reads", .head = "Reads", .kind = WEB_BYTES},
    {.name = "writes", .head = "Writes", .kind = WEB_BYTES},
    {.name = "launches", .head = "Launches", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "p50_ns", .head = "p50", .kind = WEB_US},
    {.name = "p50_ns", .class_ = "fit opt", .kind = WEB_BAR},
    {.name = "bytes_per_ns", .head = "GB/s", .kind = WEB_RATE},
    {0}};

/* Calls that were read from generated code have no rows in the file: the table is made of them. */
static void put_calls(struct web_request *q, struct html *h, const struct fusion *f)
{
    int shown = f->n_kernels < WEB_TABLE_ALL ? f->n_kernels : WEB_TABLE_ALL;
    html(h, "<div class=\"tw\"><table id=\"kernels-table\"><thead><tr><th class=\"num opt\">#</th>"
            "<th>Kernel</th><th class=\"num opt\">Made of</th><th class=\"fit opt\">Kind</th>"
            "<th class=\"num\">Reads</th><th class=\"num\">Writes</th></tr></thead><tbody>\n");
    for (int i = 0; i < shown; i++) {
        const struct fusion_kernel *k = &f->kernels[i];
        html(h,
             "<tr><td class=\"num opt\"><a title=\"select it in the drawing\" "
             "href=\"%s#at\">%d</a></td><td>",
             web_here(q, "sel", k->key, NULL), i + 1);
        kernel_name(q, h, k->id, k->name);
        html(h,
             "</td><td class=\"num opt\">%n</td><td class=\"fit opt\">%s</td><td "
             "class=\"num\">%b</td>"
             "<td class=\"num\">%b</td></tr>\n",
             k->n_ops, kernel_role_word(k->role, k->kind), k->reads, k->writes);
    }
    html(h, "</tbody></table></div>");
    if (shown < f->n_kernels)
        html(h, "<p class=\"note\">%n more are not listed.</p>", f->n_kernels - shown);
}

static enum err put_table(struct web_request *q, struct html *h, const struct fusion *f)
{
    if (f->has_calls) {
        web_section(q, h, "kernels", "The same as a table",
                    "the calls of the generated code in order; the query has the kernels that it "
                    "defines",
                    "fusion_kernels");
        put_calls(q, h, f);
        web_section_end(h);
        return ERR_OK;
    }
    web_section(q, h, "kernels", "The same as a table", "a name leads to all about its kernel",
                "fusion_kernels");
    TRY(web_table(q, h,
                  &(struct web_table){.id = "kernels-table",
                                      .query = "fusion_kernels",
                                      .columns = COLUMNS,
                                      .own = true,
                                      .filter = true,
                                      .unit = "kernels"},
                  NULL));
    web_section_end(h);
    return ERR_OK;
}

/* ---- the page ---- */

static void put_head(struct web_request *q, const struct fusion_view *v)
{
    struct html *a = &q->actions;
    q->title = span_of(arena_printf(&q->arena, "Fusion of [%s], %.*s", web_param(q, "compile_id"),
                                    SPAN_ARG(v->f->phase)));
    if (!fusion_is_large(v))
        html(a, "<a data-step=\" \" href=\"%s\">%s</a>",
             web_here(q, "fold", v->ask.folded ? "" : "1", NULL),
             v->ask.folded ? SPAN("Show members") : SPAN("Fold members"));
    html(a, "<a href=\"%s\">DOT</a><a href=\"%s\">SVG</a>", web_here(q, "as", "dot", NULL),
         web_here(q, "as", "svg", NULL));
}

static enum err show(struct web_request *q, struct html *h, struct fusion *f)
{
    struct fusion_ask ask = read_ask(q, f);
    struct fusion_view v;
    TRY(fusion_view_make(f, &ask, &v));
    if (is_set(q, "as", "dot") || is_set(q, "as", "svg")) {
        bool dot = is_set(q, "as", "dot");
        buf_clear(&h->out);
        q->content_type = dot ? "text/vnd.graphviz; charset=utf-8" : "image/svg+xml";
        q->download = dot ? "fusion.dot" : "fusion.svg";
        if (dot) fusion_write_dot(&h->out, &v);
        else fusion_write_svg(h, &v);
        return ERR_OK;
    }
    put_head(q, &v);
    TRY(put_answer(q, h, f));
    TRY(put_programs(q, h));
    put_graph(q, h, &v);
    TRY(put_table(q, h, f));
    return ask.selected >= 0 ? fusion_put_drawer(q, &v) : ERR_OK;
}

static void not_there(struct web_request *q, struct html *h)
{
    q->status = 404;
    q->title = SPAN("No such program");
    web_state(h, WEB_NO_MATCH, "This run has no kernels of that compile and phase.",
              "The link was made for another file, or the compile has no kernels.");
    html(h, "<p><a href=\"%s\">Fusion in this run</a></p>", web_link(q, "/fusion", NULL));
}

enum err page_fusion(struct web_request *q, struct html *h)
{
    const char *compile = web_param(q, "compile_id"), *log = web_param(q, "log");
    struct fusion f;
    if (compile)
        web_crumb(q, h, arena_printf(&q->arena, "[%s]", compile),
                  web_link(q, "/compile", "compile_id", compile, "occurrence",
                           web_param(q, "occurrence"), "log", log, NULL));
    web_crumb(q, h, "Fusion", NULL);
    if (!compile || !web_param(q, "phase")) return go_to_first(q, h);
    struct fusion_of of = {compile, web_param(q, "occurrence"), log, q->run_name.p,
                           web_param(q, "phase")};
    enum err err = fusion_read(q->db, q->text, &of, &f);
    if (!err && !f.n_kernels) not_there(q, h);
    else if (!err) err = show(q, h, &f);
    fusion_release(&f);
    return err;
}
