/* page_runs.c - which runs are in this file? */
#include "web/web.h"

static void cell_run(struct web_cell *c)
{
    struct web_request *q = c->q;
    struct buf b = {0};
    struct span name = web_text(c->row, "run");
    buf_puts(&b, "/overview?");
    if (q->file) buf_printf(&b, "file=%d&", q->file);
    buf_puts(&b, "run=");
    web_encode(&b, name);
    html(c->h, "<a class=\"k\" href=\"%s\">%s</a>", buf_text(&b), name);
    buf_release(&b);
}

static void coloured(struct web_cell *c, const char *class_)
{
    int64_t n = web_int(c->row, c->column->name);
    if (n == STORE_NULL) n = 0; /* a sum over nothing */
    html(c->h, "<span class=\"%s\">%n</span>", n > 0 ? class_ : "dim", n);
}

static void cell_warn(struct web_cell *c)
{
    coloured(c, "t-warn");
}
static void cell_bad(struct web_cell *c)
{
    coloured(c, "t-bad");
}

static const struct web_column columns[] = {
    {.name = "run", .head = "Run", .class_ = "grow", .cell = cell_run, .filter = true},
    {.name = "start_ts", .head = "Started", .class_ = "fit opt", .kind = WEB_CLOCK},
    {.name = "logs", .head = "Logs", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "compiles", .head = "Compiles", .kind = WEB_COUNT},
    {.name = "recompiles", .head = "Recompiles", .class_ = "num", .cell = cell_warn},
    {.name = "graph_breaks", .head = "Breaks", .class_ = "num opt", .cell = cell_warn},
    {.name = "failed", .head = "Failed", .class_ = "num", .cell = cell_bad},
    {.name = "compile_ns", .head = "Compile time", .kind = WEB_MS},
    {.name = "compile_ns", .class_ = "fit opt", .kind = WEB_BAR},
    {.name = "artifacts", .head = "Artifacts", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "records", .head = "Records", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "losses", .head = "Lost", .class_ = "num", .cell = cell_warn},
    {.name = "torch_version",
     .head = "PyTorch",
     .class_ = "fit opt",
     .kind = WEB_TEXT,
     .filter = true},
    {0},
};
static const struct web_table table = {
    .id = "runs-table",
    .query = "runs",
    .columns = columns,
    .filter = true,
    .unit = "runs",
    .none = WEB_EMPTY,
    .none_what = "This file holds no run.",
    .none_why = "Nothing was recorded or imported into it yet.",
};

/* A comparison has no run of its own: it opens with its answer. */
static enum err is_comparison(struct web_request *q, bool *out)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "divergence_answer", &s));
    *out = web_step(q, s, &err);
    sqlite3_reset(s);
    return err;
}

enum err page_runs(struct web_request *q, struct html *h)
{
    bool compared = false;
    if (!q->n_runs) TRY(is_comparison(q, &compared));
    if (compared) {
        web_redirect(q, web_link(q, "/divergence", NULL));
        return ERR_OK;
    }
    if (q->n_runs == 1 && !web_param(q, "all")) {
        web_redirect(q, web_link(q, "/overview", NULL));
        return ERR_OK;
    }
    int64_t compiles = 0, failed = 0, n = 0;
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "runs", &s));
    for (; web_step(q, s, &err); n++) {
        compiles += web_int(s, "compiles");
        failed += web_int(s, "failed") > 0;
    }
    TRY(err);
    if (n) {
        html(h, "<p class=\"answer\"><b>%n runs with %n compiles.</b>", n, compiles);
        if (failed) html(h, " In %n of them a compile failed.", failed);
        html(h, "</p>\n");
    }
    web_section(q, h, "runs", "Runs in this file", "in order of start", "runs");
    TRY(web_table(q, h, &table, NULL));
    web_section_end(h);
    return ERR_OK;
}
