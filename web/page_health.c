/* page_health.c - can this file be trusted: what was lost, what was guessed, what was not
 * recorded, what it cost.
 *
 * The answer and the imports are of the whole file; losses, logs and keys are of the run that is
 * shown. */
#include <sys/stat.h>

#include "web/counters.h"

/* ---- answer ---- */

struct verdict {
    int64_t logs, open_logs, records, payloads, md5, unknown, unknown_keys, losses, serious, years,
        zones, log_bytes, file_bytes;
    int64_t cuts;
    struct span state, version;
    bool redacted;
};

static int64_t known(int64_t v)
{
    return v == STORE_NULL ? 0 : v;
}

/* Bytes of the file, STORE_NULL when it cannot be asked. */
static int64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) ? STORE_NULL : (int64_t)st.st_size;
}

static enum err read_verdict(struct web_request *q, struct verdict *v)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "file_health", &s));
    if (!web_step(q, s, &err)) return err;
    *v = (struct verdict){
        .logs = known(web_int(s, "logs")),
        .open_logs = known(web_int(s, "open_logs")),
        .records = known(web_int(s, "records")),
        .payloads = known(web_int(s, "payloads")),
        .md5 = known(web_int(s, "md5_mismatches")),
        .unknown = known(web_int(s, "unknown")),
        .unknown_keys = known(web_int(s, "unknown_keys")),
        .losses = known(web_int(s, "losses")),
        .serious = known(web_int(s, "serious")),
        .years = known(web_int(s, "guessed_years")),
        .zones = known(web_int(s, "unknown_zones")),
        .log_bytes = known(web_int(s, "log_bytes")),
        .file_bytes = size_of(q->file_path),
        .cuts = known(web_int(s, "cuts")),
        .state = web_keep(q, web_text(s, "state")),
        .version = web_keep(q, web_text(s, "plumb_version")),
        .redacted = web_text(s, "redacted").n > 0,
    };
    sqlite3_reset(s);
    return ERR_OK;
}

static void write_state(struct html *h, const struct verdict *v)
{
    if (span_is(v->state, "live"))
        html(h, " The file is still being written, or its writer was killed.");
    else if (span_is(v->state, "recovered"))
        html(h, " Its writer was killed; every record that it had committed was recovered.");
    else if (span_is(v->state, "packed"))
        html(h, " It was packed for sending; %n kinds of data were left out.", v->cuts);
    if (v->redacted) html(h, " Names and paths were replaced by tokens.");
}

static void write_answer(struct html *h, const struct verdict *v)
{
    bool sound = !v->serious && !v->open_logs && !v->md5;
    html(h, "<p class=\"answer\">");
    if (sound)
        html(h,
             "<b>This file can be trusted:</b> all of its %n records were read, and the MD5 of all "
             "%n payloads holds.",
             v->records, v->payloads);
    else {
        html(h, "<b>This file can be trusted but for ");
        const char *before = "";
        if (v->serious)
            html(h, "%n finding%s among %n records", v->serious, v->serious == 1 ? "" : "s",
                 v->records),
                before = ", ";
        if (v->md5)
            html(h, "%s%n payload%s whose MD5 is not the recorded one", before, v->md5,
                 v->md5 == 1 ? "" : "s"),
                before = ", ";
        if (v->open_logs)
            html(h, "%s%n log%s that %s not read to the end", before, v->open_logs,
                 v->open_logs == 1 ? "" : "s", v->open_logs == 1 ? "was" : "were");
        html(h, ".</b> Every other record is as it was written.");
    }
    if (v->losses > v->serious)
        html(h, " %n lesser finding%s %s noted.", v->losses - v->serious,
             v->losses - v->serious == 1 ? "" : "s", v->losses - v->serious == 1 ? "is" : "are");
    if (v->unknown)
        html(h, " %n record%s of %n unknown key%s %s kept unread.", v->unknown,
             v->unknown == 1 ? "" : "s", v->unknown_keys, v->unknown_keys == 1 ? "" : "s",
             v->unknown == 1 ? "is" : "are");
    if (v->years)
        html(h, " The year of %n log%s is guessed from the file's date.", v->years,
             v->years == 1 ? "" : "s");
    write_state(h, v);
    html(h, "</p>");
}

static void write_fact(struct html *h, const char *label, int64_t n, const char *class_)
{
    html(h, "<div><dt>%s</dt><dd class=\"%s\">%n</dd></div>", label, n ? class_ : "", n);
}

static void write_facts(struct html *h, const struct verdict *v)
{
    html(h, "<dl class=\"facts\">");
    write_fact(h, "Findings", v->losses, "t-warn");
    write_fact(h, "Records", v->records, "");
    write_fact(h, "Payloads", v->payloads, "");
    write_fact(h, "MD5 differs", v->md5, "t-warn");
    write_fact(h, "Not understood", v->unknown, "t-warn");
    html(h, "<div><dt>Logs</dt><dd>%n <small>%b</small></dd></div>", v->logs, v->log_bytes);
    html(h, "<div><dt>File</dt><dd>%b</dd></div>", v->file_bytes);
    html(h,
         "<div><dt>State</dt><dd>%s</dd></div><div><dt>Written by</dt><dd>plumb %s</dd></div></dl>",
         v->state, v->version);
}

/* ---- tables ---- */

static void write_severity(struct web_cell *c)
{
    int64_t severity = web_int(c->row, "severity");
    if (severity >= 3) web_mark(c->h, "bad", "!", "error");
    else if (severity == 2) web_mark(c->h, "warn", "!", "warning");
    else web_mark(c->h, "empty", "i", "note");
}

static void write_loss_mark(struct web_cell *c)
{
    web_mark(c->h, "warn", "L", "lost or not as it should be");
}

static void write_recorded(struct web_cell *c)
{
    if (web_int(c->row, "rows") > 0) web_mark(c->h, "good", "C", "recorded");
    else web_mark(c->h, "empty", "\xe2\x80\x93", "not recorded");
}

static void write_how(struct web_cell *c)
{
    int64_t rows = web_int(c->row, "rows");
    if (rows > 0) html(c->h, "%n", rows);
    else {
        html(c->h, "none; ");
        web_prose(c->h, web_text(c->row, "how"));
    }
}

static void write_rank(struct web_cell *c)
{
    struct span from = web_text(c->row, "rank_from");
    if (web_int(c->row, "rank") == STORE_NULL) html(c->h, "<span class=\"dim\">none</span>");
    else
        html(c->h, "%d <span class=\"dim\">%s</span>", web_int(c->row, "rank"),
             span_is(from, "name") ? "by its name" : "by its records");
}

static void write_year(struct web_cell *c)
{
    int64_t year = web_int(c->row, "year");
    if (year == STORE_NULL) html(c->h, "<span class=\"dim\">not known</span>");
    else if (span_is(web_text(c->row, "year_from"), "file"))
        html(c->h, "%d <span class=\"t-warn\">guessed</span>", year);
    else html(c->h, "%d <span class=\"dim\">by %s</span>", year, web_text(c->row, "year_from"));
}

static void write_zone(struct web_cell *c)
{
    int64_t zone = web_int(c->row, "zone_ns");
    if (zone == STORE_NULL) {
        html(c->h, "<span class=\"t-warn\">taken as UTC</span>");
        return;
    }
    int64_t minutes = zone / 60000000000, size = minutes < 0 ? -minutes : minutes;
    html(c->h, "UTC%s", zone < 0 ? "\xe2\x88\x92" : "+");
    html(c->h, "%d:%s%d", size / 60, size % 60 < 10 ? "0" : "", size % 60);
}

static void write_log_state(struct web_cell *c)
{
    struct span state = web_text(c->row, "state");
    if (span_is(state, "complete")) html(c->h, "complete");
    else html(c->h, "<span class=\"t-warn\">%s</span>", state);
}

static void write_run(struct web_cell *c)
{
    struct span run = web_text(c->row, "run");
    html(c->h, "<a class=\"k\" href=\"%s\">%s</a>",
         web_here(c->q, "run", web_keep(c->q, run).p, NULL), run);
}

static const struct web_column KNOW[] = {
    {.name = "severity", .class_ = "fit", .cell = write_severity},
    {.name = "subject", .head = "About", .class_ = "fit", .kind = WEB_CODE, .filter = true},
    {.name = "count", .head = "n", .kind = WEB_COUNT},
    {.name = "message", .head = "What", .class_ = "grow", .kind = WEB_WRAP, .filter = true},
    {.name = "log", .head = "Log", .class_ = "opt", .kind = WEB_LONG, .filter = true},
    {0}};
static const struct web_column LOSSES[] = {
    {.name = "id", .class_ = "fit", .cell = write_loss_mark},
    {.name = "kind", .head = "Kind", .class_ = "fit", .kind = WEB_CODE, .filter = true},
    {.name = "count", .head = "How many", .kind = WEB_COUNT},
    {.name = "bytes", .head = "Bytes", .class_ = "num opt", .kind = WEB_BYTES},
    {.name = "message",
     .head = "What, where, what was expected",
     .class_ = "grow",
     .kind = WEB_WRAP,
     .filter = true},
    {.name = "log", .head = "Log", .class_ = "opt", .kind = WEB_LONG, .filter = true},
    {.name = "line", .head = "Line", .kind = WEB_COUNT},
    {.name = "ts", .head = "When", .class_ = "fit opt", .kind = WEB_CLOCK},
    {0}};
static const struct web_column COVERAGE[] = {
    {.name = "what", .head = "What", .class_ = "fit", .kind = WEB_TEXT},
    {.name = "source", .head = "From", .class_ = "fit opt", .kind = WEB_TEXT},
    {.name = "rows", .class_ = "fit", .cell = write_recorded},
    {.name = "how", .head = "How many", .class_ = "grow wrap", .cell = write_how},
    {0}};
static const struct web_column COST[] = {
    {.name = "place", .head = "Where", .class_ = "fit", .kind = WEB_TEXT},
    {.name = "what", .head = "What", .kind = WEB_TEXT},
    {.name = "times", .head = "n", .kind = WEB_COUNT},
    {.name = "cost_ns", .head = "Total", .kind = WEB_MS},
    {.name = "bar", .class_ = "fit opt", .kind = WEB_BAR},
    {0}};
static const struct web_column LOGS[] = {
    {.name = "log", .head = "Log", .class_ = "w25", .kind = WEB_LONG, .filter = true},
    {.name = "rank", .head = "Rank", .class_ = "fit", .cell = write_rank},
    {.name = "size", .head = "Size", .kind = WEB_BYTES},
    {.name = "stored", .head = "Stored", .class_ = "num opt", .kind = WEB_BYTES},
    {.name = "records", .head = "Records", .kind = WEB_COUNT},
    {.name = "payloads", .head = "Payloads", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "year", .head = "Year", .class_ = "fit", .cell = write_year},
    {.name = "zone_ns", .head = "Zone", .class_ = "fit opt", .cell = write_zone},
    {.name = "state", .head = "State", .class_ = "fit", .cell = write_log_state},
    {0}};
static const struct web_column KEYS[] = {
    {.name = "key", .head = "Key", .class_ = "w40", .kind = WEB_CODE, .filter = true},
    {.name = "records", .head = "Records", .kind = WEB_COUNT},
    {.name = "payloads", .head = "With payload", .kind = WEB_COUNT},
    {.name = "md5_mismatches", .head = "MD5 differs", .kind = WEB_COUNT},
    {.name = "file", .head = "Log", .class_ = "opt", .kind = WEB_LONG, .filter = true},
    {0}};
static const struct web_column UNKNOWN[] = {
    {.name = "key", .head = "Key", .class_ = "w40", .kind = WEB_CODE},
    {.name = "records", .head = "Records", .kind = WEB_COUNT},
    {.name = "bytes", .head = "Bytes", .kind = WEB_BYTES},
    {.name = "log", .head = "Log", .class_ = "opt", .kind = WEB_LONG},
    {0}};
static const struct web_column RUNS[] = {
    {.name = "run", .head = "Run", .class_ = "grow", .cell = write_run, .filter = true},
    {.name = "logs", .head = "Logs", .kind = WEB_COUNT},
    {.name = "bytes", .head = "Size", .kind = WEB_BYTES},
    {.name = "records", .head = "Records", .kind = WEB_COUNT},
    {.name = "payloads", .head = "With payload", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "md5_mismatches", .head = "MD5 differs", .kind = WEB_COUNT},
    {.name = "unknown", .head = "Not understood", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "losses", .head = "Findings", .kind = WEB_COUNT},
    {0}};
static const struct web_column NOTES[] = {
    {.name = "severity", .class_ = "fit", .cell = write_severity},
    {.name = "origin", .head = "From", .class_ = "fit", .kind = WEB_TEXT},
    {.name = "message", .head = "What", .class_ = "grow", .kind = WEB_WRAP},
    {.name = "ts", .head = "When", .class_ = "fit opt", .kind = WEB_CLOCK},
    {0}};
static const struct web_column FACTS[] = {
    {.name = "key", .head = "Fact", .class_ = "fit", .kind = WEB_CODE},
    {.name = "value", .head = "Value", .class_ = "grow", .kind = WEB_WRAP},
    {0}};

struct panel {
    const char *title, *note, *query;
    const struct web_column *columns;
    const char *unit;
    bool filter;
    enum web_state none;
    const char *none_what, *none_why; /* NULL: the section is left out of the sentence */
};

static enum err write_panel(struct web_request *q, struct html *h, const struct panel *p)
{
    web_section(q, h, p->query, p->title, p->note, p->query);
    TRY(web_table(q, h,
                  &(struct web_table){.id = arena_printf(&q->arena, "t-%s", p->query),
                                      .query = p->query,
                                      .columns = p->columns,
                                      .own = true,
                                      .filter = p->filter,
                                      .unit = p->unit,
                                      .limit = 20,
                                      .none = p->none,
                                      .none_what = p->none_what,
                                      .none_why = p->none_why},
                  NULL));
    web_section_end(h);
    return ERR_OK;
}

static const struct panel TOP[] = {
    {"What to know first", "worst first", "health", KNOW, "things", true, WEB_EMPTY,
     "Nothing to know.", "No loss, no unknown key, no guess, no open span."},
    {"Losses", "every one, never summed away", "losses", LOSSES, "losses", true, WEB_EMPTY,
     "No losses in this run.",
     "Every record was read, and every payload is the one that was announced."},
};
static const struct panel LEFT = {"What was recorded, and what was not",
                                  "in the whole file",
                                  "coverage",
                                  COVERAGE,
                                  "kinds",
                                  false,
                                  WEB_EMPTY,
                                  NULL,
                                  NULL};
static const struct panel RIGHT[] = {
    {"What recording cost", NULL, "recording_cost", COST, "costs", false, WEB_NOT_RECORDED,
     "No costs were recorded.", NULL},
    {"From recorders and importers", NULL, "diagnostics", NOTES, "notes", false, WEB_EMPTY,
     "Nothing was noted.", NULL},
    {"About the file", NULL, "facts", FACTS, "facts", false, WEB_EMPTY, NULL, NULL},
};
static const struct panel BOTTOM[] = {
    {"Logs of this run", "where rank, year and zone come from", "log_origins", LOGS, "logs", true,
     WEB_EMPTY, "No logs.", "This run was not imported from logs."},
    {"Unknown keys", "records with a key that this version does not know; their text is kept",
     "unknown_records", UNKNOWN, "keys", false, WEB_EMPTY, "Every key was understood.", NULL},
    {"Records by key", "as read, compared with nothing", "envelope_counts", KEYS, "keys", true,
     WEB_EMPTY, "No records.", NULL},
};
static const struct panel ALL = {
    "Runs in this file",
    "those with most findings first; a payload\xe2\x80\x99s MD5 is checked against its record",
    "imports",
    RUNS,
    "runs",
    true,
    WEB_EMPTY,
    "No runs.",
    NULL};
#define COUNT(list) (sizeof(list) / sizeof *(list))

enum err page_health(struct web_request *q, struct html *h)
{
    struct verdict v = {0};
    web_crumb(q, h, "Health", NULL);
    TRY(read_verdict(q, &v));
    write_answer(h, &v);
    write_facts(h, &v);
    for (size_t i = 0; i < COUNT(TOP); i++) TRY(write_panel(q, h, &TOP[i]));
    TRY(counters_write(q, h));
    if (q->n_runs > 1) TRY(write_panel(q, h, &ALL));
    html(h, "<div class=\"cols half\"><div>");
    TRY(write_panel(q, h, &LEFT));
    html(h, "</div><div>");
    for (size_t i = 0; i < COUNT(RIGHT); i++) TRY(write_panel(q, h, &RIGHT[i]));
    html(h, "</div></div>");
    for (size_t i = 0; i < COUNT(BOTTOM); i++) TRY(write_panel(q, h, &BOTTOM[i]));
    return ERR_OK;
}
