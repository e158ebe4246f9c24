/* page_artifact.c - one artifact: what it is, its text with a link per line, what stands beside
 * it.
 *
 * A text is shown in windows of lines.h; JSON on few long lines is laid out first (pretty.h) when
 * it is small enough. What the store knows of a text (kernels, graphs, guards, the node a line
 * computes) makes the answer and the drawer. */
#include <stdlib.h>

#include "store/base/json.h"
#include "store/base/lists.h"
#include "web/artifact.h"
#include "web/code.h"
#include "web/pretty.h"

enum { PRETTY_SIZE = 1 << 20, HEAD_SIZE = 4096 };

enum err artifact_find(struct web_request *q, struct artifact_shown *a, bool *found)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "artifact", &s));
    *found = web_step(q, s, &err);
    if (!*found) return err;
    *a = (struct artifact_shown){
        .place = {web_int(s, "source"), web_int(s, "offset"), web_int(s, "stored"),
                  web_int(s, "indented") == 1, web_int(s, "crlf") == 1},
        .id = web_int(s, "id"),
        .size = web_int(s, "size"),
        .flags = web_int(s, "flags"),
        .rank = web_int(s, "rank"),
        .attempt = web_int(s, "attempt"),
        .attempts = web_int(s, "attempts"),
        .occurrence = web_int(s, "occurrence"),
        .position = web_int(s, "position"),
        .of = web_int(s, "of"),
        .number = web_int(s, "number"),
        .ts = web_int(s, "ts"),
        .log = web_keep(q, web_text(s, "log")),
        .name = web_keep(q, web_text(s, "name")),
        .key = web_keep(q, web_text(s, "key")),
        .md5 = web_keep(q, web_text(s, "md5")),
        .encoding = web_keep(q, web_text(s, "encoding")),
        .subgraph = web_keep(q, web_text(s, "subgraph")),
        .file_name = web_keep(q, web_text(s, "file_name")),
        .function = web_keep(q, web_text(s, "function")),
        .compile_id = web_keep(q, web_text(s, "compile_id")),
        .outcome = web_keep(q, web_text(s, "outcome")),
    };
    sqlite3_reset(s);
    return ERR_OK;
}

/* ---- the text ---- */

static enum err guess_language(struct web_request *q, struct artifact_shown *a)
{
    struct lines_window head = {0};
    struct lines_place place = a->place;
    if (place.stored > HEAD_SIZE) place.stored = HEAD_SIZE;
    enum err err = lines_read(q->text, &place, 1, HL_PLAIN, &head);
    if (!err) {
        a->language = hl_guess(a->name, buf_text(&head.text));
        if (span_is(a->encoding, "json") && !(a->flags & ARTIFACT_NO_JSON)) a->language = HL_JSON;
    }
    lines_release(&head);
    return err;
}

/* JSON that stands on one line, or nearly so, is laid out. */
static enum err read_pretty(struct web_request *q, struct artifact_shown *a, int64_t first)
{
    struct buf raw = {0}, laid_out = {0};
    struct arena arena = {0};
    struct json *tree;
    enum err err = text_artifact(q->text, a->id, &raw);
    if (!err) {
        a->bad_json = json_parse(buf_text(&raw), &arena, &tree) != ERR_OK;
        if (!a->bad_json) {
            pretty_json(buf_text(&raw), &laid_out);
            lines_release(&a->window);
            lines_begin(&a->window, first, HL_JSON);
            err = lines_add(&a->window, buf_text(&laid_out));
            if (!err) err = lines_end(&a->window);
            a->pretty = true;
        } else {
            err_clear();
        }
    }
    arena_release(&arena);
    buf_release(&raw);
    buf_release(&laid_out);
    return err;
}

static enum err read_text(struct web_request *q, struct artifact_shown *a)
{
    int64_t line = web_param_int(q, "line", 0);
    int64_t first = web_param_int(q, "from", line > LINES_MANY ? line - LINES_MANY / 4 : 1);
    TRY(guess_language(q, a));
    TRY(lines_read(q->text, &a->place, first, a->language, &a->window));
    bool compact = a->window.total > 0 && a->size / a->window.total > 160;
    const char *view = web_param(q, "view");
    if (a->language == HL_JSON && compact && a->size <= PRETTY_SIZE &&
        !(view && !strcmp(view, "stored")))
        return read_pretty(q, a, first);
    return ERR_OK;
}

static enum err send_piece(void *context, struct span piece)
{
    struct web_request *q = context;
    struct html h = {0};
    buf_span(&h.out, piece);
    enum err err = web_flush(q, &h);
    html_release(&h);
    return err;
}

static enum err download(struct web_request *q, struct html *h, struct artifact_shown *a)
{
    TRY(guess_language(q, a));
    q->content_type = "text/plain; charset=utf-8";
    q->download = a->language == HL_JSON     ? "artifact.json"
                  : a->language == HL_PYTHON ? "artifact.py"
                                             : "artifact.txt";
    if (a->place.stored <= TEXT_FRAME_SIZE) return text_artifact(q->text, a->id, &h->out);
    return lines_each(q->text, &a->place, send_piece, q);
}

/* ---- head ---- */

static void write_facts(struct web_request *q, struct html *h, const struct artifact_shown *a)
{
    html(h, "<p class=\"note\">");
    if (a->compile_id.p)
        html(h, "Artifact %d of %d of compile <a href=\"%s\">[%s]</a>", a->position, a->of,
             web_link_compile(q, a->log, a->compile_id, a->occurrence), a->compile_id);
    else html(h, "Belongs to no compile");
    if (a->attempts > 1 && a->attempt != STORE_NULL) html(h, ", attempt %d", a->attempt);
    if (a->subgraph.n) html(h, " \xc2\xb7 subgraph <code>%s</code>", a->subgraph);
    html(h, " \xc2\xb7 %s \xc2\xb7 %n lines, %b", hl_language_title(a->language), a->window.total,
         a->size);
    if (!span_eq(a->key, a->name)) html(h, " \xc2\xb7 key <code>%s</code>", a->key);
    if (a->file_name.n) {
        html(h, " \xc2\xb7 file ");
        web_place(h, a->file_name, 0);
    }
    html(h, " \xc2\xb7 MD5 <code title=\"%s\">%s</code> ", a->md5, span_to(a->md5, 8));
    if (a->flags & ARTIFACT_BAD_MD5) html(h, "<b class=\"t-warn\">differs from its record's</b>");
    else html(h, "as recorded");
    html(h, " \xc2\xb7 written %c</p>", a->ts);
}

static enum err count_kernels(struct web_request *q, struct html *h, struct artifact_shown *a,
                              bool *said)
{
    sqlite3_stmt *s;
    enum err err;
    int64_t generated = 0, library = 0, nodes = 0;
    TRY(web_query(q, "artifact_kernels", &s));
    while (web_step(q, s, &err)) {
        if (span_is(web_text(s, "kind"), "extern")) library++;
        else generated++, nodes += web_int(s, "n_nodes");
    }
    if (err || !(generated + library)) return err;
    *said = a->kernels = true;
    html(h, "<b>");
    if (generated) html(h, "%n generated kernel%s", generated, generated == 1 ? "" : "s");
    if (generated && library) html(h, " and ");
    if (library) html(h, "%n library call%s", library, library == 1 ? "" : "s");
    html(h, ".</b>");
    if (nodes) html(h, " The generated ones compute %n graph nodes.", nodes);
    return ERR_OK;
}

static enum err count_graphs(struct web_request *q, struct html *h, bool *said)
{
    sqlite3_stmt *s;
    enum err err;
    int64_t graphs = 0, nodes = 0, inputs = 0, calls = 0, unread = 0;
    TRY(web_query(q, "artifact_graphs", &s));
    while (web_step(q, s, &err)) {
        graphs++;
        nodes += web_int(s, "n_nodes"), inputs += web_int(s, "n_inputs"),
            calls += web_int(s, "n_calls");
        unread += web_int(s, "n_lines");
    }
    if (err || !graphs) return err;
    *said = true;
    if (graphs == 1) html(h, "<b>One graph of %n nodes:</b>", nodes);
    else html(h, "<b>%n graphs of %n nodes together:</b>", graphs, nodes);
    html(h, " %n inputs, %n calls.", inputs, calls);
    if (unread) html(h, " %n lines could not be read as nodes.", unread);
    return ERR_OK;
}

static enum err count_guards(struct web_request *q, struct html *h, bool *said)
{
    sqlite3_stmt *s;
    enum err err;
    int64_t guards = 0, kinds = 0;
    TRY(web_query(q, "artifact_guards", &s));
    while (web_step(q, s, &err)) kinds++, guards += web_int(s, "guards");
    if (err || !guards) return err;
    *said = true;
    html(h, "<b>%n guards of %n kinds must hold</b> for the compiled code to be used.", guards,
         kinds);
    return ERR_OK;
}

static enum err write_answer(struct web_request *q, struct html *h, struct artifact_shown *a)
{
    bool said = false;
    html(h, "<p class=\"answer\">");
    if (a->compile_id.p) {
        TRY(count_kernels(q, h, a, &said));
        if (!said) TRY(count_graphs(q, h, &said));
        if (!said) TRY(count_guards(q, h, &said));
    }
    if (!said && !(a->flags & ARTIFACT_CUT))
        html(h, "<b>%s of %n line%s</b> %b.", hl_language_title(a->language), a->window.total,
             a->window.total == 1 ? "," : "s,", a->size);
    if (a->bad_json || (a->flags & ARTIFACT_NO_JSON))
        html(h, " It says that it is JSON and is not: shown as it is.");
    if (a->flags & ARTIFACT_BAD_MD5)
        html(h, " <b class=\"t-warn\">Its MD5 is not the one that its record announced.</b>");
    if (a->flags & ARTIFACT_CUT)
        html(h,
             " <b class=\"t-warn\">Its text was left out when this file was packed</b>; size and "
             "MD5 are what they were.");
    if (a->flags & ARTIFACT_BAD_UTF8)
        html(h, " Bytes that are not UTF-8 are shown as \xef\xbf\xbd.");
    html(h, "</p>");
    return ERR_OK;
}

/* ---- code ---- */

struct remarks {
    LIST_OF(struct code_remark) list;
};

static enum err read_remarks(struct web_request *q, const struct artifact_shown *a,
                             struct remarks *out)
{
    sqlite3_stmt *s;
    enum err err;
    if (a->language != HL_PYTHON && a->language != HL_CPP) return ERR_OK;
    TRY(web_query(q, "artifact_nodes", &s));
    while (web_step(q, s, &err)) {
        struct code_remark *r = LIST_PUSH(&out->list);
        if (!r) FAIL(ERR_NOMEM, "out of memory for the names of lines");
        int64_t line = web_int(s, "to_line");
        const char *href = web_link_artifact(q, web_text(s, "log"), web_int(s, "offset"));
        *r = (struct code_remark){
            web_int(s, "line"),
            arena_printf(&q->arena, "%s&line=%lld#L%lld", href, (long long)line, (long long)line),
            web_keep(q, web_text(s, "node"))};
    }
    return err;
}

static const char *number(struct web_request *q, int64_t n)
{
    return arena_printf(&q->arena, "%lld", (long long)n);
}

static const char *range_link(struct web_request *q, int64_t first)
{
    return web_here(q, "from", first > 1 ? number(q, first) : "", "line", "", NULL);
}

/* Links to the other windows: the neighbours, and marks spread over the whole. */
static void write_ranges(struct web_request *q, struct html *h, const struct lines_window *w)
{
    enum { MARKS = 16 };
    int64_t last = w->first + w->n - 1;
    if (w->n == w->total) return;
    html(h, "<nav class=\"filter\" aria-label=\"Other lines\"><span>Lines %n to %n of %n</span>",
         w->first, last, w->total);
    int64_t before = w->first > LINES_MANY ? w->first - LINES_MANY : 1;
    if (w->first > 1) html(h, "<a class=\"chip\" href=\"%s\">Previous</a>", range_link(q, before));
    if (last < w->total) html(h, "<a class=\"chip\" href=\"%s\">Next</a>", range_link(q, last + 1));
    int64_t step = (w->total / MARKS / LINES_MANY + 1) * LINES_MANY;
    for (int64_t at = 1; at <= w->total; at += step)
        html(h, "<a class=\"chip\" href=\"%s\">%n</a>", range_link(q, at), at);
    html(h, "</nav>");
}

/* What every generated file begins and ends with is folded: imports before the first kernel or
 * class, the benchmark behind. */
static void fold_output_code(const struct lines_window *w, struct code_view *view)
{
    enum { FEW = 10 };
    struct span rest = buf_text(&w->text), line;
    int64_t first = 0, tail = 0;
    for (int64_t n = w->first; span_next_line(&rest, &line); n++) {
        bool begins = span_find(line, SPAN(" = async_compile."), 0) != SIZE_MAX ||
                      span_starts(line, "class ") || span_starts(line, "def ");
        if (begins && !first) first = n;
        if (!tail && (span_starts(line, "def get_args(") ||
                      span_starts(line, "def benchmark_compiled_module(")))
            tail = n;
    }
    int64_t last = w->first + w->n - 1;
    if (first > w->first + FEW)
        view->folds[view->n_folds++] = (struct code_fold){w->first, first - 1};
    if (tail && last - tail > FEW) view->folds[view->n_folds++] = (struct code_fold){tail, last};
}

static enum err write_code(struct web_request *q, struct html *h, const struct artifact_shown *a)
{
    struct remarks remarks = {0};
    enum err err = read_remarks(q, a, &remarks);
    if (!err) {
        const char *note = a->pretty ? "laid out for reading; Stored has the lines as they are"
                           : remarks.list.n
                               ? "a name at the line\xe2\x80\x99s end is the graph node it computes"
                               : "a line number is its link";
        web_section(q, h, "text", "Text", note, NULL);
        write_ranges(q, h, &a->window);
        struct code_view view = {.window = &a->window,
                                 .hit = web_param_int(q, "line", 0),
                                 .remarks = remarks.list.p,
                                 .n_remarks = remarks.list.n};
        if (a->kernels && a->language == HL_PYTHON) fold_output_code(&a->window, &view);
        if (remarks.list.n)
            html(&q->actions, "<a href=\"%s\">Provenance</a>",
                 web_link(q, "/provenance", "compile_id", a->compile_id.p, "log",
                          q->n_logs > 1 ? a->log.p : NULL, NULL));
        if (a->window.n) code_write(h, &view);
        else
            web_state(h, a->flags & ARTIFACT_CUT ? WEB_LOST : WEB_EMPTY, "No text.",
                      a->flags & ARTIFACT_CUT ? "The trace that this file was packed from has it."
                                              : "The payload is empty.");
        if (a->window.n_cut)
            html(h,
                 "<p class=\"cut\">%b at the ends of lines over %b are not shown; Download has "
                 "them.</p>",
                 a->window.n_cut, (int64_t)LINES_LONGEST);
        if (a->window.n > 60) write_ranges(q, h, &a->window);
        web_section_end(h);
    }
    LIST_RELEASE(&remarks.list);
    return err;
}

/* ---- the page ---- */

static void write_actions(struct web_request *q, const struct artifact_shown *a)
{
    struct html *h = &q->actions;
    html(h, "<a href=\"%s\">Download</a>", web_here(q, "raw", "1", "line", "", "from", "", NULL));
    if (a->pretty) html(h, "<a href=\"%s\">Stored</a>", web_here(q, "view", "stored", NULL));
    else if (web_param(q, "view"))
        html(h, "<a href=\"%s\">Laid out</a>", web_here(q, "view", "", NULL));
}

static enum err show(struct web_request *q, struct html *h, struct artifact_shown *a)
{
    TRY(read_text(q, a));
    write_actions(q, a);
    TRY(artifact_neighbours(q, a));
    web_crumb(q, h, "Artifacts", web_link(q, "/artifacts", NULL));
    if (a->compile_id.p)
        web_crumb(q, h, arena_printf(&q->arena, "[%.*s]", SPAN_ARG(a->compile_id)),
                  web_link_compile(q, a->log, a->compile_id, a->occurrence));
    web_crumb(q, h, a->name.p, NULL);
    write_facts(q, h, a);
    TRY(write_answer(q, h, a));
    if (web_param(q, "diff")) TRY(artifact_difference(q, h, a));
    else TRY(write_code(q, h, a));
    return artifact_drawer(q, a);
}

enum err page_artifact(struct web_request *q, struct html *h)
{
    struct artifact_shown a = {0};
    bool found;
    TRY(artifact_find(q, &a, &found));
    if (!found) {
        q->status = 404;
        web_state(h, WEB_NO_MATCH, "There is no artifact at this place.",
                  "The link names a byte of a log of another file or run. Artifacts lists those of "
                  "this one.");
        return ERR_OK;
    }
    if (web_param(q, "raw")) return download(q, h, &a);
    q->title = a.name;
    enum err err = show(q, h, &a);
    lines_release(&a.window);
    return err;
}
