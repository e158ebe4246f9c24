/* page_provenance.c - which lines became which: source, captured graph, lowered graph, generated
 * code side by side, with the lines that belong to the selected one tinted in all of them.
 *
 *   source ─ node's frame ─ captured (pre) ─ relation 1, 2 ─ lowered (post) ─ 3 to 6 ─ code
 *
 * A click is a link with ?sel=pane:line, so it works without a script; what stands far above the
 * first tinted line of a pane is folded, so that each pane shows it. */
#include <stdio.h>
#include <stdlib.h>

#include "store/base/lists.h"
#include "web/code.h"

enum pane { SOURCE, PRE, POST, CODE, N_PANES };
static const char *const PANES[] = {"source", "pre", "post", "code"};
static const char *const TITLES[] = {"Source", "Captured graph", "Lowered graph", "Generated code"};

/* Two lines that belong together; from is always the pane further left. */
struct pair {
    enum pane from, to;
    int64_t line, to_line;
};
struct source_line {
    struct span file, loc;
    int64_t line;
};
struct set {
    LIST_OF(int64_t) lines;
};
struct map {
    struct web_request *q;
    int64_t id, artifact[N_PANES];
    struct span compile_id, log, outcome, function;
    int64_t occurrence, n, n_maps;
    LIST_OF(struct pair) pairs;
    LIST_OF(struct source_line) sources;
    struct set marked[N_PANES]; /* what belongs to the selected line */
    enum pane selected;
    int64_t line; /* selected, 0 none */
};

/* ---- reading ---- */

static enum err add_pair(struct map *m, enum pane from, int64_t line, enum pane to, int64_t to_line)
{
    struct pair *p = LIST_PUSH(&m->pairs);
    if (!p) FAIL(ERR_NOMEM, "out of memory for the lines of a map");
    *p = (struct pair){from, to, line, to_line};
    return ERR_OK;
}

static enum err read_links(struct map *m)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(m->q, "provenance_links", &s));
    TRY(store_bind_int(s, ":map", m->id));
    while (web_step(m->q, s, &err)) {
        int64_t a = web_int(s, "line"), b = web_int(s, "to_line");
        switch (web_int(s, "relation")) {
        case 1: err = add_pair(m, PRE, a, POST, b); break;
        case 2: err = add_pair(m, PRE, b, POST, a); break;
        case 3:
        case 5: err = add_pair(m, POST, b, CODE, a); break;
        case 4:
        case 6: err = add_pair(m, POST, a, CODE, b); break;
        default: break;
        }
        if (err) break;
    }
    sqlite3_reset(s);
    return err;
}

/* Source lines are numbered 1, 2, ... in the order of files and lines. */
static enum err read_sources(struct map *m)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(m->q, "provenance_sources", &s));
    TRY(store_bind_int(s, ":artifact", m->artifact[PRE]));
    while (web_step(m->q, s, &err)) {
        struct source_line *last = m->sources.n ? &m->sources.p[m->sources.n - 1] : NULL;
        struct span file = web_text(s, "file");
        int64_t line = web_int(s, "at_line");
        if (!last || last->line != line || !span_eq(last->file, file)) {
            if (!(last = LIST_PUSH(&m->sources))) FAIL(ERR_NOMEM, "out of memory for source lines");
            *last = (struct source_line){web_keep(m->q, file), web_keep(m->q, web_text(s, "loc")),
                                         line};
        }
        err = add_pair(m, SOURCE, (int64_t)m->sources.n, PRE, web_int(s, "line"));
        if (err) break;
    }
    sqlite3_reset(s);
    return err;
}

/* The n-th map of the run (or of the compile that the address names); false when there is none. */
static enum err find_map(struct web_request *q, struct map *m, bool *found)
{
    sqlite3_stmt *s;
    enum err err;
    int64_t wanted = web_param_int(q, "n", 1);
    *found = false;
    TRY(web_query(q, "provenance_maps", &s));
    while (web_step(q, s, &err)) {
        m->n_maps++;
        if (*found || web_int(s, "n") != wanted) continue;
        *found = true;
        m->id = web_int(s, "map"), m->n = wanted;
        m->artifact[PRE] = web_int(s, "pre");
        m->artifact[POST] = web_int(s, "post");
        m->artifact[CODE] = web_int(s, "code");
        m->compile_id = web_keep(q, web_text(s, "compile_id"));
        m->log = web_keep(q, web_text(s, "log"));
        m->outcome = web_keep(q, web_text(s, "outcome"));
        m->function = web_keep(q, web_text(s, "function"));
        m->occurrence = web_int(s, "occurrence");
    }
    return err;
}

/* ---- selection ---- */

static bool has(const struct set *set, int64_t line)
{
    for (size_t i = 0; i < set->lines.n; i++)
        if (set->lines.p[i] == line) return true;
    return false;
}

static enum err mark(struct set *set, int64_t line)
{
    if (has(set, line)) return ERR_OK;
    int64_t *to = LIST_PUSH(&set->lines);
    if (!to) FAIL(ERR_NOMEM, "out of memory for marked lines");
    *to = line;
    return ERR_OK;
}

/* Marks what one step to the right (or left) of the marked lines of a pane. */
static enum err spread(struct map *m, enum pane from, bool right)
{
    for (size_t i = 0; i < m->pairs.n; i++) {
        const struct pair *p = &m->pairs.p[i];
        if (right && p->from == from && has(&m->marked[from], p->line))
            TRY(mark(&m->marked[p->to], p->to_line));
        if (!right && p->to == from && has(&m->marked[from], p->to_line))
            TRY(mark(&m->marked[p->from], p->line));
    }
    return ERR_OK;
}

/* From the selected pane outwards, each step away from it: no line is reached by going back. */
static enum err select_lines(struct map *m)
{
    const char *sel = web_param(m->q, "sel");
    const char *colon = sel ? strchr(sel, ':') : NULL;
    if (!colon) return ERR_OK;
    struct span name = {sel, (size_t)(colon - sel)};
    for (int p = 0; p < N_PANES; p++)
        if (span_is(name, PANES[p]) && span_to_i64(span_of(colon + 1), &m->line))
            m->selected = (enum pane)p;
    if (m->line <= 0) return ERR_OK;
    TRY(mark(&m->marked[m->selected], m->line));
    for (int p = (int)m->selected; p < N_PANES - 1; p++) TRY(spread(m, (enum pane)p, true));
    for (int p = (int)m->selected; p > 0; p--) TRY(spread(m, (enum pane)p, false));
    return ERR_OK;
}

static bool is_linked(const struct map *m, enum pane pane, int64_t line)
{
    for (size_t i = 0; i < m->pairs.n; i++) {
        const struct pair *p = &m->pairs.p[i];
        if ((p->from == pane && p->line == line) || (p->to == pane && p->to_line == line))
            return true;
    }
    return false;
}

static int64_t first_marked(const struct set *set)
{
    int64_t first = 0;
    for (size_t i = 0; i < set->lines.n; i++)
        if (!first || set->lines.p[i] < first) first = set->lines.p[i];
    return first;
}

/* ---- panes ---- */

static void begin_pane(struct map *m, struct html *h, enum pane pane, struct span note)
{
    html(h, "<div><h3>%s <span class=\"dim\">%s</span></h3><div class=\"code\"><ol>\n",
         TITLES[pane], note);
    (void)m;
}

static void end_pane(struct html *h)
{
    html(h, "</ol></div></div>\n");
}

static void begin_line(struct map *m, struct html *h, enum pane pane, int64_t line, int64_t shown)
{
    bool chosen = m->line && pane == m->selected && line == m->line;
    const char *class = chosen || has(&m->marked[pane], line) ? "hit" : "";
    html(h, "<li class=\"%s\" id=\"%s-%d\">", class, PANES[pane], line);
    if (is_linked(m, pane, line)) {
        const char *sel = arena_printf(&m->q->arena, "%s:%lld", PANES[pane], (long long)line);
        html(h, "<a class=\"linked\" href=\"%s#%s-%d\">%d</a>",
             web_here(m->q, "sel", chosen ? "" : sel, NULL), PANES[pane], line, shown);
    } else {
        html(h, "<a>%d</a>", shown);
    }
}

static void write_sources(struct map *m, struct html *h)
{
    begin_pane(m, h, SOURCE, SPAN("lines that nodes name"));
    struct span file = SPAN_NONE;
    for (size_t i = 0; i < m->sources.n; i++) {
        const struct source_line *s = &m->sources.p[i];
        if (!span_eq(s->file, file)) {
            html(h, "<li class=\"fold\">");
            web_place(h, s->file, 0);
            html(h, "</li>");
        }
        file = s->file;
        begin_line(m, h, SOURCE, (int64_t)i + 1, s->line);
        struct hl_state state = hl_begin(HL_PYTHON);
        html(h, "<span>");
        code_line(h, &state, s->loc);
        html(h, "</span></li>\n");
    }
    end_pane(h);
}

static void write_text(struct map *m, struct html *h, enum pane pane, struct lines_window *w)
{
    enum { ABOVE = 6, FEW = 12 };
    struct span rest = buf_text(&w->text), line;
    int64_t fold = first_marked(&m->marked[pane]) - ABOVE;
    if (fold < FEW) fold = 0;
    if (fold) html(h, "<li class=\"fold\"><details><summary>%n lines folded</summary><ol>\n", fold);
    for (int64_t n = 1; span_next_line(&rest, &line); n++) {
        begin_line(m, h, pane, n, n);
        html(h, "<span>");
        code_line(h, &w->state, line);
        html(h, "</span></li>\n");
        if (n == fold) html(h, "</ol></details></li>\n");
    }
}

/* Generated code is Python around C++ or Triton, or C by itself. */
static enum err language_of(struct map *m, const struct lines_place *place, struct span name,
                            enum hl_language *out)
{
    enum { HEAD = 4096 };
    struct lines_window head = {0};
    struct lines_place begin = *place;
    if (begin.stored > HEAD) begin.stored = HEAD;
    enum err err = lines_read(m->q->text, &begin, 1, HL_PLAIN, &head);
    *out = hl_guess(name, buf_text(&head.text)) == HL_CPP ? HL_CPP : HL_PYTHON;
    lines_release(&head);
    return err;
}

static enum err write_artifact(struct map *m, struct html *h, enum pane pane)
{
    sqlite3_stmt *s;
    enum err err;
    struct lines_window w = {0};
    TRY(web_query(m->q, "artifact_place", &s));
    TRY(store_bind_int(s, ":id", m->artifact[pane]));
    if (!web_step(m->q, s, &err)) {
        begin_pane(m, h, pane, SPAN("not recorded"));
        end_pane(h);
        return err;
    }
    struct lines_place place = {web_int(s, "source"), web_int(s, "offset"), web_int(s, "stored"),
                                web_int(s, "indented") == 1, web_int(s, "crlf") == 1};
    struct span name = web_keep(m->q, web_text(s, "name"));
    const char *href = web_link_artifact(m->q, web_text(s, "log"), place.offset);
    sqlite3_reset(s);
    enum hl_language language = HL_FX;
    if (pane == CODE) TRY(language_of(m, &place, name, &language));
    err = lines_read(m->q->text, &place, 1, language, &w);
    if (!err) {
        begin_pane(m, h, pane, SPAN_NONE);
        write_text(m, h, pane, &w);
        if (w.n < w.total) html(h, "<li class=\"fold\">%n more lines</li>", w.total - w.n);
        html(h, "</ol></div><p class=\"micro\"><a href=\"%s\">%s</a></p></div>\n", href, name);
    }
    lines_release(&w);
    return err;
}

/* ---- the page ---- */

static enum err write_chips(struct map *m, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    bool filtered = web_param(m->q, "compile_id");
    if (m->n_maps < 2 && !filtered) return ERR_OK;
    html(h, "<div class=\"filter\">");
    if (filtered)
        html(h, "<a class=\"chip\" href=\"%s\">All of the run</a>",
             web_link(m->q, "/provenance", NULL));
    TRY(web_query(m->q, "provenance_maps", &s));
    while (web_step(m->q, s, &err)) {
        struct span id = web_text(s, "compile_id");
        bool on = web_int(s, "map") == m->id;
        html(h, "<a class=\"chip\" aria-pressed=\"%s\" href=\"%s\">[%s] %f, code %d</a>\n",
             on ? "true" : "false",
             web_link(m->q, "/provenance", "compile_id", web_keep(m->q, id).p, "log",
                      m->q->n_logs > 1 ? web_keep(m->q, web_text(s, "log")).p : NULL, "n",
                      arena_printf(&m->q->arena, "%lld", (long long)web_int(s, "n")), NULL),
             id, web_text(s, "function"), web_int(s, "n"));
    }
    html(h, "</div>");
    return err;
}

static void write_answer(struct map *m, struct html *h)
{
    html(h, "<p class=\"answer\">");
    if (!m->line) {
        html(h, "<b>%n pairs of lines belong together</b> in compile ", (int64_t)m->pairs.n);
        web_compile_link(m->q, h, m->log, m->compile_id, m->occurrence, m->outcome);
        html(h, ". A line number in colour shows what belongs to its line.");
    } else {
        html(h, "<b>%s, line %d</b> belongs to", TITLES[m->selected],
             m->selected == SOURCE && m->line <= (int64_t)m->sources.n
                 ? m->sources.p[m->line - 1].line
                 : m->line);
        const char *before = " ";
        for (int p = 0; p < N_PANES; p++) {
            size_t n = m->marked[p].lines.n;
            if (p == (int)m->selected) continue;
            html(h, "%s%n line%s of the %s", before, n, n == 1 ? "" : "s",
                 p == SOURCE ? "source"
                 : p == PRE  ? "captured graph"
                 : p == POST ? "lowered graph"
                             : "generated code");
            before = ", ";
        }
        html(h, ". <a href=\"%s\">Select none</a>", web_here(m->q, "sel", "", NULL));
    }
    html(h, "</p>");
}

static enum err show(struct map *m, struct html *h)
{
    TRY(read_links(m));
    TRY(read_sources(m));
    TRY(select_lines(m));
    write_answer(m, h);
    TRY(write_chips(m, h));
    web_section(m->q, h, "panes", "Lines", "a number in colour is a link", "provenance_maps");
    html(h, "<div class=\"panes\">");
    write_sources(m, h);
    for (int p = PRE; p < N_PANES; p++) TRY(write_artifact(m, h, (enum pane)p));
    html(h, "</div>");
    web_section_end(h);
    return ERR_OK;
}

enum err page_provenance(struct web_request *q, struct html *h)
{
    struct map m = {.q = q};
    bool found;
    web_crumb(q, h, "Provenance", NULL);
    TRY(find_map(q, &m, &found));
    if (!found) {
        web_state(h, WEB_NOT_RECORDED, "No line maps in this run.",
                  "Inductor writes them with `INDUCTOR_PROVENANCE=1` (or `TORCH_COMPILE_DEBUG=1`); "
                  "other backends write none.");
        return ERR_OK;
    }
    enum err err = show(&m, h);
    LIST_RELEASE(&m.pairs);
    LIST_RELEASE(&m.sources);
    for (int p = 0; p < N_PANES; p++) LIST_RELEASE(&m.marked[p].lines);
    return err;
}
