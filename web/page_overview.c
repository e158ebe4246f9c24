/* page_overview.c - what happened in this run, and what should I look at? */
#include <stdio.h>

#include "store/base/lists.h"
#include "web/counters.h"
#include "web/draw.h"

enum { MAX_LANES = 18, MAX_BOXES = 500, LANE_X = 150, LANE_H = 27 };

/* Numbers of the named query `overview`. */
struct numbers {
    int64_t start_ts, end_ts, exit_code, world, logs, ranks, log_bytes, records, incomplete, pid,
        processes;
    int64_t compiles, functions, ok, empty, restarted, failed, unknown, compile_ns, backend_ns,
        lost_ns, ops, guards;
    int64_t recompiles, graph_breaks, artifacts, export_findings, kernels, cache_hits, cache_misses,
        cache_bypasses, losses;
    int64_t calls, call_logs, launches;
    struct span command, cwd, ended, torch, commit, python, cuda, triton, first_log;
};

static int64_t number(sqlite3_stmt *s, const char *name)
{
    int64_t v = web_int(s, name);
    return v == STORE_NULL ? 0 : v;
}

static void read_counts(sqlite3_stmt *s, struct numbers *n)
{
    n->compiles = number(s, "compiles"), n->functions = number(s, "functions"),
    n->ok = number(s, "ok");
    n->empty = number(s, "empty"), n->restarted = number(s, "restarted"),
    n->failed = number(s, "failed");
    n->unknown = number(s, "unknown"), n->compile_ns = web_int(s, "compile_ns"),
    n->backend_ns = web_int(s, "backend_ns");
    n->lost_ns = number(s, "lost_ns"), n->ops = web_int(s, "ops"), n->guards = web_int(s, "guards");
    n->recompiles = number(s, "recompiles"), n->graph_breaks = number(s, "graph_breaks"),
    n->artifacts = number(s, "artifacts");
    n->export_findings = number(s, "export_findings"), n->kernels = number(s, "kernels"),
    n->losses = number(s, "losses");
    n->cache_hits = number(s, "cache_hits"), n->cache_misses = number(s, "cache_misses");
    n->cache_bypasses = number(s, "cache_bypasses");
    n->calls = number(s, "calls"), n->call_logs = number(s, "call_logs");
    n->launches = number(s, "launches");
}

static enum err read_numbers(struct web_request *q, struct numbers *n)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "overview", &s));
    if (!web_step(q, s, &err)) return err;
    read_counts(s, n);
    n->start_ts = web_int(s, "start_ts"), n->end_ts = web_int(s, "end_ts"),
    n->exit_code = web_int(s, "exit_code");
    n->world = web_int(s, "world"), n->logs = number(s, "logs"), n->ranks = number(s, "ranks");
    n->log_bytes = number(s, "log_bytes"), n->records = number(s, "records"),
    n->incomplete = number(s, "incomplete");
    n->pid = web_int(s, "pid"), n->processes = number(s, "processes");
    n->command = web_keep(q, web_text(s, "command")), n->cwd = web_keep(q, web_text(s, "cwd"));
    n->ended = web_keep(q, web_text(s, "ended")),
    n->torch = web_keep(q, web_text(s, "torch_version"));
    n->commit = web_keep(q, web_text(s, "torch_commit")),
    n->python = web_keep(q, web_text(s, "python_version"));
    n->cuda = web_keep(q, web_text(s, "cuda_version")),
    n->triton = web_keep(q, web_text(s, "triton_version"));
    n->first_log = web_keep(q, web_text(s, "first_log"));
    sqlite3_reset(s);
    return ERR_OK;
}

/* ---- who and when ---- */

static void put_ended(struct html *h, const struct numbers *n)
{
    if (span_is(n->ended, "exit")) html(h, " \xc2\xb7 ended with exit status %d", n->exit_code);
    else if (span_is(n->ended, "signal")) html(h, " \xc2\xb7 ended by signal %d", n->exit_code);
    else if (n->ended.p) html(h, " \xc2\xb7 %s", n->ended);
}

static void put_note(struct web_request *q, struct html *h, const struct numbers *n)
{
    html(h, "<p class=\"note\">");
    if (n->command.p) html(h, "<code>%s</code> \xc2\xb7 ", n->command);
    if (n->torch.p)
        html(h, "<span title=\"commit %s\">PyTorch %s</span> \xc2\xb7 ", n->commit, n->torch);
    struct span python = n->python;
    size_t blank = span_find(python, SPAN(" "), 0);
    if (python.p)
        html(h, "<span title=\"%s\">Python %s</span> \xc2\xb7 ", python, span_to(python, blank));
    if (n->cuda.p) html(h, "CUDA %s \xc2\xb7 ", n->cuda);
    if (n->triton.p) html(h, "Triton %s \xc2\xb7 ", n->triton);
    if (n->start_ts != STORE_NULL) html(h, "%C UTC", n->start_ts);
    if (n->start_ts != STORE_NULL && n->end_ts != STORE_NULL)
        html(h, ", %t", n->end_ts - n->start_ts);
    if (n->ranks > 1) html(h, " \xc2\xb7 %n ranks", n->ranks);
    else if (n->processes == 1 && n->pid != STORE_NULL) html(h, " \xc2\xb7 process %d", n->pid);
    put_ended(h, n);
    if (n->logs == 1) html(h, " \xc2\xb7 log <code>%s</code>, %b", n->first_log, n->log_bytes);
    else html(h, " \xc2\xb7 <a href=\"#logs\">%n logs</a>, %b", n->logs, n->log_bytes);
    if (q->live) html(h, " \xc2\xb7 <b class=\"t-warn\">still being recorded</b>; reload for more");
    html(h, "</p>\n");
}

/* ---- the answer ---- */

/* Names of up to three functions that failed. */
static enum err put_failed(struct web_request *q, struct html *h, const struct numbers *n)
{
    sqlite3_stmt *s;
    enum err err;
    if (!n->failed) return ERR_OK;
    if (n->failed > 3) {
        html(h, " %n compiles <a class=\"t-bad\" href=\"%s\">failed</a> and run uncompiled.",
             n->failed, web_link(q, "/failures", NULL));
        return ERR_OK;
    }
    TRY(web_query(q, "failures", &s));
    int shown = 0;
    while (web_step(q, s, &err)) {
        html(h, "%s<code>%s</code>", shown ? ", " : " ",
             web_text(s, "function").p ? web_text(s, "function") : SPAN("?"));
        shown++;
    }
    if (shown)
        html(h, " <a class=\"t-bad\" href=\"%s\">failed</a> and %s uncompiled.",
             web_link(q, "/failures", NULL), shown == 1 ? "runs" : "run");
    return err;
}

static enum err put_answer(struct web_request *q, struct html *h, const struct numbers *n)
{
    html(h, "<p class=\"answer\"><b>");
    if (!n->compiles && n->calls)
        html(h, "%n operator calls in %n log%s.", n->calls, n->call_logs,
             n->call_logs == 1 ? "" : "s");
    else if (!n->compiles) html(h, "Nothing was compiled.");
    else {
        html(h, "%n %s of %n %s", n->compiles, n->compiles == 1 ? "compile" : "compiles",
             n->functions, n->functions == 1 ? "function" : "functions");
        if (n->compile_ns != STORE_NULL) html(h, " took %t", n->compile_ns);
        if (n->ranks > 1) html(h, " in all %n ranks together", n->ranks);
        if (n->recompiles)
            html(h, "; %n of them %s", n->recompiles,
                 n->recompiles == 1 ? "is a recompile" : "are recompiles");
        html(h, ".");
    }
    html(h, "</b>");
    if (!n->compiles && n->export_findings)
        html(h, " An export reported %n findings.", n->export_findings);
    TRY(put_failed(q, h, n));
    if (n->compiles && n->graph_breaks)
        html(h, " %n graph <a class=\"t-warn\" href=\"%s\">%s</a>.", n->graph_breaks,
             web_link(q, "/breaks", NULL), n->graph_breaks == 1 ? "break" : "breaks");
    else if (n->compiles) html(h, " No graph breaks.");
    if (n->losses)
        html(h, " <a class=\"t-warn\" href=\"%s\">%n losses</a> while reading.",
             web_link(q, "/health", NULL), n->losses);
    else html(h, " Nothing was lost while recording.");
    html(h, "</p>\n");
    return ERR_OK;
}

/* ---- facts ---- */

static void fact(struct html *h, const char *name, int64_t n, const char *href, const char *class_)
{
    html(h, "<div data-fact=\"%s\"><dt>%s</dt><dd>", name, name);
    if (n == STORE_NULL) html(h, "<span class=\"dim\">\xe2\x80\x93</span>");
    else if (href && n) {
        html(h, "<a");
        if (class_) html(h, " class=\"%s\"", class_);
        html(h, " href=\"%s\">%n</a>", href, n);
    } else html(h, "%n", n);
    html(h, "</dd></div>");
}

static void time_fact(struct html *h, const char *name, int64_t ns)
{
    if (ns == STORE_NULL)
        html(h, "<div class=\"none\" data-fact=\"%s\"><dt>%s</dt><dd>not recorded</dd></div>", name,
             name);
    else html(h, "<div data-fact=\"%s\"><dt>%s</dt><dd>%t</dd></div>", name, name, ns);
}

static void put_cache(struct html *h, const struct numbers *n)
{
    html(h, "<div data-fact=\"Caches\" class=\"%s\"><dt>Caches</dt><dd>",
         n->cache_hits + n->cache_misses + n->cache_bypasses ? "" : "none");
    if (!(n->cache_hits + n->cache_misses + n->cache_bypasses)) html(h, "off");
    if (n->cache_hits) html(h, "%n <small>hit </small>", n->cache_hits);
    if (n->cache_misses) html(h, "%n <small>miss </small>", n->cache_misses);
    if (n->cache_bypasses) html(h, "%n <small>bypass</small>", n->cache_bypasses);
    html(h, "</dd></div>");
}

static void put_facts(struct web_request *q, struct html *h, const struct numbers *n)
{
    html(h, "<dl class=\"facts\">");
    fact(h, "Compiles", n->compiles, web_link(q, "/compiles", NULL), NULL);
    fact(h, "Recompiles", n->recompiles, web_link(q, "/recompiles", NULL), "t-warn");
    fact(h, "Graph breaks", n->graph_breaks, web_link(q, "/breaks", NULL), "t-warn");
    fact(h, "Failed", n->failed, web_link(q, "/failures", NULL), "t-bad");
    fact(h, "Restarted", n->restarted, web_link(q, "/compiles", "outcome", "restarted", NULL),
         "t-warn");
    time_fact(h, "Compile time", n->compile_ns);
    fact(h, "Graph operators", n->ops, NULL, NULL);
    fact(h, "Guards", n->guards, NULL, NULL);
    fact(h, "Artifacts", n->artifacts, web_link(q, "/artifacts", NULL), NULL);
    put_cache(h, n);
    if (n->calls) fact(h, "Operator calls", n->calls, web_link(q, "/operators", NULL), NULL);
    if (n->launches) fact(h, "Kernel launches", n->launches, NULL, NULL);
    else html(h, "<div class=\"none\"><dt>Kernel launches</dt><dd>not recorded</dd></div>");
    html(h, "</dl>\n");
}

/* ---- findings ---- */

/* A page of the rules may carry parameters of its own: compiles?outcome=empty. */
static const char *finding_address(struct web_request *q, sqlite3_stmt *s)
{
    struct span page = web_text(s, "page");
    if (span_is(page, "compile"))
        return web_link_compile(q, web_text(s, "log"), web_text(s, "compile_id"),
                                web_int(s, "occurrence"));
    size_t mark = span_find(page, SPAN("?"), 0);
    struct span rest = mark == SIZE_MAX ? SPAN_NONE : span_from(page, mark + 1);
    size_t equals = span_find(rest, SPAN("="), 0);
    const char *path = arena_printf(&q->arena, "/%.*s", SPAN_ARG(span_to(page, mark)));
    const char *name =
        rest.p ? arena_printf(&q->arena, "%.*s", SPAN_ARG(span_to(rest, equals))) : NULL;
    const char *value =
        rest.p ? arena_printf(&q->arena, "%.*s", SPAN_ARG(span_from(rest, equals + 1))) : NULL;
    if (!path) return "/overview";
    return name ? web_link(q, path, name, value, NULL) : web_link(q, path, NULL);
}

static void cell_mark(struct web_cell *c)
{
    static const char *const classes[] = {"", "", "warn", "bad"};
    int64_t severity = web_int(c->row, "severity");
    const char *letter = web_keep(c->q, web_text(c->row, "mark")).p;
    web_mark(c->h, classes[severity >= 0 && severity <= 3 ? severity : 0], letter ? letter : "",
             severity >= 3   ? "bad"
             : severity == 2 ? "warning"
                             : "note");
}

static void cell_finding(struct web_cell *c)
{
    html(c->h, "<a href=\"%s\">%s</a>", finding_address(c->q, c->row), web_text(c->row, "finding"));
}

static void cell_what(struct web_cell *c)
{
    web_prose(c->h, web_text(c->row, "what"));
}

static void cell_where(struct web_cell *c)
{
    web_place(c->h, web_text(c->row, "file"), web_int(c->row, "line"));
}

/* The first ids, and how many more. */
static void cell_compiles(struct web_cell *c)
{
    struct span rest = web_text(c->row, "compiles");
    int n = 0;
    for (; rest.n && n < 3; n++) {
        size_t blank = span_find(rest, SPAN(" "), 0);
        html(c->h, "%s<code>%s</code>", n ? " " : "", span_to(rest, blank));
        rest = blank == SIZE_MAX ? SPAN("") : span_from(rest, blank + 1);
    }
    int more = rest.n ? 1 : 0;
    for (size_t i = 0; i < rest.n; i++) more += rest.p[i] == ' ';
    if (more) html(c->h, " <span class=\"dim\">and %n more</span>", more);
    if (!n) html(c->h, "<span class=\"dim\">\xe2\x80\x93</span>");
}

static const struct web_column finding_columns[] = {
    {.name = "mark", .class_ = "fit", .cell = cell_mark},
    {.name = "finding", .head = "Finding", .class_ = "fit", .cell = cell_finding},
    {.name = "what", .head = "What happened", .class_ = "grow wrap", .cell = cell_what},
    {.name = "file", .head = "Where", .class_ = "fit opt", .cell = cell_where},
    {.name = "compiles", .head = "Compiles", .class_ = "fit opt", .cell = cell_compiles},
    {.name = "cost_ns", .head = "Cost", .kind = WEB_MS},
    {0},
};
static const struct web_table findings = {
    .id = "findings-table",
    .query = "findings",
    .columns = finding_columns,
    .unit = "findings",
    .own = true,
    .once = true,
    .stack = true,
    .limit = 20,
    .none = WEB_EMPTY,
    .none_what = "Nothing needs a look.",
    .none_why =
        "No failure, recompile, graph break, restart or loss was found, and no compile stands out.",
};

/* ---- compiles in time ---- */

struct made {
    struct span id, outcome, function, log;
    int64_t occurrence, rank, ts, ns;
    bool recompile;
    int lane;
};
struct chart {
    LIST_OF(struct made) made;
    struct span names[MAX_LANES];
    int64_t lane_ns[MAX_LANES];
    int n_lanes;
};

/* A resumed frame is the rest of its function: torch_dynamo_resume_in_f_at_16 stands on the lane
 * of f. */
static struct span whole_function(struct span name)
{
    struct span rest = name;
    while (span_starts(rest, "torch_dynamo_resume_in_"))
        rest = span_from(rest, strlen("torch_dynamo_resume_in_"));
    size_t at = SIZE_MAX;
    for (size_t i = span_find(rest, SPAN("_at_"), 0); i != SIZE_MAX;
         i = span_find(rest, SPAN("_at_"), i + 1))
        at = i;
    return rest.p == name.p || at == SIZE_MAX ? name : span_to(rest, at);
}

/* The lane of a function, made when there is room; the last lane takes the rest. */
static int lane_of(struct chart *c, struct span function)
{
    for (int i = 0; i < c->n_lanes; i++)
        if (span_eq(c->names[i], function)) return i;
    if (c->n_lanes == MAX_LANES) return MAX_LANES - 1;
    c->names[c->n_lanes] = function;
    return c->n_lanes++;
}

static enum err read_chart(struct web_request *q, struct chart *c)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "compile_spans", &s));
    TRY(store_bind_int(s, ":limit", MAX_BOXES));
    while (web_step(q, s, &err)) {
        struct made *m = LIST_PUSH(&c->made);
        if (!m) FAIL(ERR_NOMEM, "out of memory for a drawing");
        *m = (struct made){web_keep(q, web_text(s, "compile_id")),
                           web_keep(q, web_text(s, "outcome")),
                           web_keep(q, web_text(s, "function")),
                           web_keep(q, web_text(s, "log")),
                           web_int(s, "occurrence"),
                           web_int(s, "rank"),
                           web_int(s, "start_ts"),
                           web_int(s, "ns"),
                           web_int(s, "recompile") > 0,
                           0};
        if (m->ns == STORE_NULL || m->ns < 0) m->ns = 0;
        m->lane = lane_of(c, whole_function(m->function));
    }
    return err;
}

static const char *box_class(const struct made *m)
{
    if (span_is(m->outcome, "failed")) return "fbadf";
    return m->recompile || span_is(m->outcome, "restarted") ? "fwarnf"
           : span_is(m->outcome, "empty")                   ? "box dash"
                                                            : "c6";
}

static const char *text_of(struct html *h, struct web_request *q)
{
    struct span kept = web_keep(q, buf_text(&h->out));
    html_release(h);
    return kept.p ? kept.p : "";
}

static void put_made(struct web_request *q, struct html *h, const struct made *m,
                     const struct span_box *box)
{
    struct html label = {0}, title = {0};
    buf_printf(&label.out, "%.*s", SPAN_ARG(m->id));
    if (m->rank != STORE_NULL && q->n_logs > 1)
        buf_printf(&label.out, " r%lld", (long long)m->rank);
    if (box->width > 96) {
        buf_puts(&label.out, " \xc2\xb7 ");
        html_number(&label.out, 't', html_of_int(m->ns));
    }
    buf_printf(&title.out, "[%.*s] %.*s, ", SPAN_ARG(m->id), SPAN_ARG(m->function));
    html_number(&title.out, 't', html_of_int(m->ns));
    if (m->rank != STORE_NULL) buf_printf(&title.out, ", rank %lld", (long long)m->rank);
    buf_printf(&title.out, ", %.*s", SPAN_ARG(m->outcome));
    struct draw_box b = {.x = box->x,
                         .y = 20 + box->lane * LANE_H + 3,
                         .width = box->width,
                         .height = LANE_H - 6,
                         .class_ = box_class(m),
                         .label = text_of(&label, q),
                         .title = text_of(&title, q),
                         .href = web_link_compile(q, m->log, m->id, m->occurrence)};
    draw_box(h, &b);
}

static void put_lane_name(struct html *h, struct span name, int lane, bool rest)
{
    int y = 20 + lane * LANE_H;
    html(h, "<path class=\"l3\" d=\"M0 %dH%d\"/><text class=\"tc te\" x=\"%d\" y=\"%d\">", y,
         DRAW_WIDTH, LANE_X - 10, y + 18);
    if (rest) html(h, "other functions");
    else if (!name.p) html(h, "(name not recorded)");
    else if (name.n > 20) html(h, "<title>%s</title>%s\xe2\x80\xa6", name, span_to(name, 19));
    else html(h, "%s", name);
    html(h, "</text>");
}

static enum err put_chart(struct web_request *q, struct html *h, const struct chart *c)
{
    int n = (int)c->made.n, *first_lane;
    int64_t t0 = c->made.p[0].ts, t1 = t0;
    struct span_item *items = arena_array(&q->arena, (size_t)n, sizeof *items);
    struct span_box *boxes;
    if (!items) FAIL(ERR_NOMEM, "out of memory for a drawing");
    for (int i = 0; i < n; i++) {
        const struct made *m = &c->made.p[i];
        items[i] = (struct span_item){m->lane, m->ts, m->ns};
        if (m->ts + m->ns > t1) t1 = m->ts + m->ns;
    }
    struct span_axis axis = lay_axis(t0, t1, LANE_X, DRAW_WIDTH - LANE_X - 8, 12);
    TRY(lay_lanes(&axis, items, n, c->n_lanes, 2, &q->arena, &boxes, &first_lane));
    int height = 20 + first_lane[c->n_lanes] * LANE_H + 6;
    html(h, "<div class=\"dw\">");
    draw_begin(h, height,
               arena_printf(&q->arena, "%d compiles of %d functions in time", n, c->n_lanes));
    draw_axis(h, &axis, height - 6);
    for (int g = 0; g < c->n_lanes; g++)
        put_lane_name(h, c->names[g], first_lane[g], g == MAX_LANES - 1);
    for (int i = 0; i < n; i++) put_made(q, h, &c->made.p[i], &boxes[i]);
    html(h, "</svg></div><p class=\"key\"><span><svg width=\"14\" height=\"12\"><rect class=\"c6\" "
            "x=\".5\" y=\".5\" width=\"13\" height=\"11\"/></svg>"
            "first compile</span><span><svg width=\"14\" height=\"12\"><rect class=\"fwarnf\" "
            "x=\".5\" y=\".5\" width=\"13\" height=\"11\"/></svg>"
            "recompile or restarted</span><span><svg width=\"14\" height=\"12\"><rect "
            "class=\"fbadf\" x=\".5\" y=\".5\" width=\"13\" height=\"11\"/></svg>"
            "failed</span>");
    if (n == MAX_BOXES) html(h, "<span>the %d longest compiles</span>", n);
    html(h, "</p>\n");
    return ERR_OK;
}

static enum err put_in_time(struct web_request *q, struct html *h)
{
    struct chart c = {.n_lanes = 0};
    enum err err = read_chart(q, &c);
    if (!err && c.made.n) {
        web_section(q, h, "in-time", "Compiles in time",
                    "host time from the first compile; one lane per function", "compile_spans");
        err = put_chart(q, h, &c);
        web_section_end(h);
    }
    LIST_RELEASE(&c.made);
    return err;
}

/* ---- logs ---- */

static const struct web_column log_columns[] = {
    {.name = "log", .head = "Log", .class_ = "grow", .kind = WEB_LONG},
    {.name = "rank", .head = "Rank", .class_ = "num", .kind = WEB_TEXT},
    {.name = "records", .head = "Records", .kind = WEB_COUNT},
    {.name = "payloads", .head = "Payloads", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "size", .head = "Size", .class_ = "num opt", .kind = WEB_BYTES},
    {.name = "start_ts", .head = "First record", .class_ = "fit opt", .kind = WEB_CLOCK},
    {.name = "state", .head = "State", .class_ = "fit", .kind = WEB_TEXT},
    {0},
};
static const struct web_table logs = {.id = "logs-table",
                                      .query = "run_logs",
                                      .columns = log_columns,
                                      .unit = "logs",
                                      .own = true,
                                      .once = true,
                                      .limit = 16,
                                      .none = WEB_EMPTY,
                                      .none_what = "No log was taken in."};

enum err page_overview(struct web_request *q, struct html *h)
{
    struct numbers n = {0};
    if (!q->run_name.p) {
        web_state(h, WEB_EMPTY, "This file holds no run.",
                  "Nothing was recorded or imported into it yet.");
        return ERR_OK;
    }
    q->title = q->run_name;
    TRY(read_numbers(q, &n));
    html(&q->actions, "<a href=\"%s\">All compiles</a><a href=\"%s\">SQL</a>",
         web_link(q, "/compiles", NULL), web_link(q, "/sql", "named", "overview", NULL));
    put_note(q, h, &n);
    TRY(put_answer(q, h, &n));
    put_facts(q, h, &n);
    web_section(q, h, "findings", "What needs a look", "by severity, then by time", "findings");
    TRY(web_table(q, h, &findings, NULL));
    web_section_end(h);
    TRY(counters_write(q, h));
    TRY(put_in_time(q, h));
    web_section(q, h, "logs", n.logs == 1 ? "The log" : "Logs", NULL, "run_logs");
    TRY(web_table(q, h, &logs, NULL));
    web_section_end(h);
    return ERR_OK;
}
