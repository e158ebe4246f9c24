/* call_log.c - logs of calls: the one that an address names, a table of all, the text of one. */
#include "web/call_log.h"

#include "capture/debug_rows.h"

enum { FLUSH_AT = 1 << 16 };

enum err call_log_read(struct web_request *q, struct call_log *log)
{
    const char *wanted = web_param(q, "log");
    sqlite3_stmt *s;
    enum err err;
    *log = (struct call_log){0};
    TRY(web_query(q, "call_logs", &s));
    while (web_step(q, s, &err)) {
        struct span name = web_text(s, "log");
        log->n_logs++;
        log->all_calls += web_int(s, "calls");
        if (log->name.p || (wanted && !span_is(name, wanted))) continue;
        log->name = web_keep(q, name);
        log->thread = web_keep(q, web_text(s, "thread"));
        log->state = web_keep(q, web_text(s, "state"));
        log->format = web_keep(q, web_text(s, "format"));
        log->rank = web_int(s, "rank");
        log->calls = web_int(s, "calls");
        log->lost = web_int(s, "lost");
        log->source = web_int(s, "source");
        log->hashed = web_int(s, "hashed") > 0;
    }
    return err;
}

/* ---- all logs ---- */

static void cell_log(struct web_cell *c)
{
    html(c->h, "<a class=\"k\" href=\"%s\">%l</a>",
         web_link(c->q, "/operators", "log", web_keep(c->q, web_text(c->row, "log")).p, NULL),
         web_text(c->row, "log"));
}

static void cell_hashed(struct web_cell *c)
{
    html(c->h, "%s", web_int(c->row, "hashed") > 0 ? "yes" : "no");
}

static const struct web_column LOGS[] = {
    {.name = "log", .head = "Log", .class_ = "w40", .cell = cell_log, .filter = true},
    {.name = "calls", .head = "Calls", .kind = WEB_COUNT},
    {.name = "thread", .head = "Thread", .class_ = "opt", .kind = WEB_TEXT},
    {.name = "rank", .head = "Rank", .class_ = "num opt", .kind = WEB_TEXT},
    {.name = "hashed", .head = "Hashed", .class_ = "fit", .cell = cell_hashed},
    {.name = "lost", .head = "Losses", .kind = WEB_COUNT},
    {.name = "state", .head = "State", .class_ = "fit opt", .kind = WEB_TEXT},
    {0}};

enum err call_log_write_all(struct web_request *q, struct html *h)
{
    web_section(q, h, "logs", "Logs", "one per thread, or per file that was imported", "call_logs");
    TRY(web_table(q, h,
                  &(struct web_table){.id = "log-list",
                                      .query = "call_logs",
                                      .columns = LOGS,
                                      .own = true,
                                      .filter = true,
                                      .limit = 20,
                                      .unit = "logs"},
                  NULL));
    web_section_end(h);
    return ERR_OK;
}

struct sending {
    struct web_request *q;
    struct html *h;
};

static enum err send(void *context, struct span text)
{
    struct sending *to = context;
    buf_span(&to->h->out, text);
    return to->h->out.n < FLUSH_AT ? ERR_OK : web_flush(to->q, to->h);
}

enum err call_log_send(struct web_request *q, struct html *h, const struct call_log *log)
{
    struct debug_rows rows;
    struct debug_log kept;
    struct sending to = {q, h};
    struct debug_sink sink = {send, &to};
    q->content_type = "text/plain; charset=utf-8";
    q->download = "calls.txt";
    q->deadline_ns = 0; /* it ends when the client goes away */
    TRY(debug_log_read(q->db, log->source, &q->arena, &kept));
    TRY(debug_rows_open(&rows, q->db, log->source));
    struct debug_source from = {debug_rows_next, &rows};
    struct debug_text_style style = {.hide_stacks = web_param(q, "hide_stacks") != NULL,
                                     .without_newline = kept.without_newline};
    enum err err = debug_write_text(&from, style, &sink);
    debug_rows_close(&rows);
    return err;
}
