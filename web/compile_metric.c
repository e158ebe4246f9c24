/* compile_metric.c - the metrics of one compile with units and meanings, and its guards by kind. */
#include <stdio.h>

#include "store/base/lists.h"
#include "web/compile.h"

enum unit {
    UNIT_S,
    UNIT_MS,
    UNIT_US,
    UNIT_STAMP_S,
    UNIT_STAMP_US,
    UNIT_BYTES,
    UNIT_COUNT,
    UNIT_FLAG,
    UNIT_TEXT,
    UNIT_JSON
};

static const struct metric {
    const char *name;
    enum unit unit;
    bool first;
    const char *meaning;
} metrics[] = {
#define METRIC(name, unit, first, meaning) {#name, UNIT_##unit, first, meaning},
#include "web/metrics.def"
#undef METRIC
};
enum { N_METRICS = sizeof metrics / sizeof *metrics, INLINE_TEXT = 120, MAX_RECORDS = 16 };

static const struct {
    const char *kind, *holds;
} guards[] = {
#define GUARD(kind, holds) {kind, holds},
#include "web/guards.def"
#undef GUARD
};

static const struct metric *find_metric(struct span name)
{
    for (int i = 0; i < N_METRICS; i++)
        if (span_is(name, metrics[i].name)) return &metrics[i];
    return NULL;
}

/* One field of one record. */
struct field {
    struct span name, text;
    int64_t type;
    double number;
    const struct metric *metric; /* NULL: a field that this version does not know */
};

static double scaled(const struct field *f)
{
    static const double ns[] = {[UNIT_S] = 1e9,
                                [UNIT_MS] = 1e6,
                                [UNIT_US] = 1e3,
                                [UNIT_STAMP_S] = 1e9,
                                [UNIT_STAMP_US] = 1e3};
    return f->number * ns[f->metric->unit];
}

static void put_value(struct html *h, const struct field *f)
{
    if (f->type == 0) html(h, "<span class=\"dim\">\xe2\x80\x93</span>");
    else if (f->type == 1) html(h, "%s", f->number ? "yes" : "no");
    else if (f->type >= 4 && f->text.n > INLINE_TEXT)
        html(h,
             "<details class=\"more\"><summary>%b</summary><pre class=\"one\">%s</pre></details>",
             f->text.n, f->text);
    else if (f->type >= 4) html(h, "<code>%s</code>", f->text);
    else if (!f->metric || f->metric->unit >= UNIT_COUNT) html(h, "%n", f->number);
    else if (f->metric->unit == UNIT_BYTES) html(h, "%b", f->number);
    else if (f->metric->unit == UNIT_STAMP_S || f->metric->unit == UNIT_STAMP_US)
        html(h, "%C", scaled(f));
    else html(h, "%t", scaled(f));
}

/* Shown at once: the fields that say something in this record. */
static bool in_front(const struct field *f)
{
    if (!f->metric || !f->metric->first || f->type == 0) return false;
    if (f->type == 5 && f->text.n <= 2) return false; /* [] and {} */
    return f->type >= 4 || f->number != 0 || span_starts(f->name, "graph_op") ||
           span_starts(f->name, "entire_frame");
}

static void put_field(struct html *h, const struct field *f)
{
    const char *meaning =
        f->metric ? f->metric->meaning : "A field that this version does not know.";
    html(h, "<tr data-metric=\"%s\"><td class=\"fit\"><code title=\"%s\">%s</code></td>", f->name,
         meaning, f->name);
    if (f->type >= 4) {
        html(h, "<td class=\"val\" colspan=\"2\">");
        put_value(h, f);
        html(h, "</td></tr>\n");
        return;
    }
    html(h, "<td class=\"num\">");
    put_value(h, f);
    html(h, "</td><td class=\"opt\"><span class=\"dim\" title=\"%s\">%s</span></td></tr>\n",
         meaning, meaning);
}

struct shown {
    int fields, set, shown;
};
struct record {
    LIST_OF(struct field) fields;
    struct span key;
    int64_t id, attempt;
};

static enum err add_field(struct web_request *q, sqlite3_stmt *s, struct record *r)
{
    struct field *f = LIST_PUSH(&r->fields);
    if (!f) FAIL(ERR_NOMEM, "out of memory for the metrics");
    int64_t type = web_int(s, "type");
    *f = (struct field){.name = web_keep(q, web_text(s, "name")), .type = type};
    if (type >= 4) f->text = web_keep(q, web_text(s, "value"));
    else if (type != 0) f->number = web_real(s, "value");
    f->metric = find_metric(f->name);
    return ERR_OK;
}

/* Order of metrics.def; unknown fields last, by name. */
static int by_table(const void *a, const void *b)
{
    const struct field *x = a, *y = b;
    const struct metric *m = x->metric ? x->metric : metrics + N_METRICS,
                        *n = y->metric ? y->metric : metrics + N_METRICS;
    if (m != n) return m < n ? -1 : 1;
    return strcmp(x->name.p ? x->name.p : "", y->name.p ? y->name.p : "");
}

static void put_record(struct html *h, struct record *r, bool all, struct shown *n)
{
    if (!r->fields.n) return;
    qsort(r->fields.p, r->fields.n, sizeof *r->fields.p, by_table);
    html(h, "<h3 class=\"rec\"><code>%s</code>", r->key);
    if (r->attempt != STORE_NULL && r->attempt > 0)
        html(h, " <span class=\"dim\">attempt %d</span>", r->attempt);
    html(h, "</h3><div class=\"tw\"><table class=\"metrics\"><thead><tr><th "
            "class=\"fit\">Metric</th><th class=\"num\">Value</th>"
            "<th class=\"opt\">What it means</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < r->fields.n; i++) {
        const struct field *f = &r->fields.p[i];
        n->fields++;
        n->set += f->type != 0;
        if (!all && !in_front(f)) continue;
        n->shown++;
        put_field(h, f);
    }
    html(h, "</tbody></table></div>\n");
    r->fields.n = 0;
}

static enum err put_records(struct web_request *q, struct html *h, bool all, struct shown *n)
{
    sqlite3_stmt *s;
    struct record r = {.id = STORE_NULL};
    int records = 0;
    enum err err, failed = ERR_OK;
    TRY(web_query(q, "compile_fields", &s));
    while (!failed && web_step(q, s, &err)) {
        if (web_int(s, "record") != r.id) {
            put_record(h, &r, all, n);
            r.id = web_int(s, "record"), r.attempt = web_int(s, "attempt");
            r.key = web_keep(q, web_text(s, "key"));
            records++;
        }
        if (records <= MAX_RECORDS) failed = add_field(q, s, &r);
    }
    put_record(h, &r, all, n);
    LIST_RELEASE(&r.fields);
    if (records > MAX_RECORDS)
        html(h, "<p class=\"note\">Showing the first %d of %n records.</p>", MAX_RECORDS, records);
    return failed ? failed : err;
}

static void put_foot(struct web_request *q, struct html *h, bool all, const struct shown *n)
{
    html(h, "<p class=\"small dim\">%n of %n fields that are set, of %n \xc2\xb7 ",
         n->shown < n->set ? n->shown : n->set, n->set, n->fields);
    if (all)
        html(h, "<a href=\"%s#metrics\">Only those that say something</a></p>",
             web_here(q, "metrics", "", NULL));
    else
        html(h, "<a href=\"%s#metrics\">All %n fields</a></p>", web_here(q, "metrics", "all", NULL),
             n->fields);
}

enum err compile_put_metrics(struct web_request *q, struct html *h)
{
    struct shown n = {0};
    struct html body = {0};
    const char *mode = web_param(q, "metrics");
    bool all = mode && !strcmp(mode, "all");
    enum err err = put_records(q, &body, all, &n);
    if (!err) {
        web_section(q, h, "metrics", "Metrics", NULL, "compile_fields");
        if (!n.fields)
            web_state(h, WEB_NOT_RECORDED, "No metrics of this compile.",
                      "They were not recorded: the program or the log ended before the compile "
                      "did, or this PyTorch does not write them.");
        buf_span(&h->out, buf_text(&body.out));
        if (n.fields) put_foot(q, h, all, &n);
        web_section_end(h);
    }
    html_release(&body);
    return err;
}

/* ---- guards ---- */

static void cell_holds(struct web_cell *c)
{
    struct span kind = web_text(c->row, "kind");
    for (size_t i = 0; i < sizeof guards / sizeof *guards; i++)
        if (span_is(kind, guards[i].kind)) {
            html(c->h, "<span class=\"dim\" title=\"%s\">%s</span>", guards[i].holds,
                 guards[i].holds);
            return;
        }
}

static void cell_kind(struct web_cell *c)
{
    struct span kind = web_text(c->row, "kind");
    struct span kept = web_keep(c->q, kind);
    html(c->h, "<a class=\"k\" href=\"%s#guard-list\">%s</a>",
         web_here(c->q, "guard", kept.p ? kept.p : "", "guards.after", "", NULL), kind);
}

static const struct web_column kind_columns[] = {
    {.name = "kind", .head = "Guard kind", .class_ = "fit", .cell = cell_kind},
    {.name = "n", .head = "n", .kind = WEB_COUNT},
    {.name = "n", .class_ = "fit opt", .kind = WEB_BAR},
    {.name = "kind", .head = "Holds while", .class_ = "", .cell = cell_holds},
    {0},
};
static const struct web_table kinds = {
    .id = "kinds",
    .query = "compile_guard_kinds",
    .columns = kind_columns,
    .unit = "kinds",
    .own = true,
    .limit = 60,
    .none = WEB_EMPTY,
    .none_what = "No guards of this compile.",
    .none_why = "No guard tree and no shape guard names it.",
};

static void cell_code(struct web_cell *c)
{
    struct span code = web_text(c->row, "code"), parent = web_text(c->row, "parent"),
                origin = web_text(c->row, "origin");
    html(c->h, "<code>%s</code>", code);
    if (parent.p) html(c->h, " <span class=\"dim\">of <code>%s</code></span>", parent);
    if (origin.p) html(c->h, "<br><span class=\"dim\">%s</span>", origin);
}
static const struct web_column list_columns[] = {
    {.name = "kind", .head = "Kind", .class_ = "fit", .kind = WEB_CODE},
    {.name = "code", .head = "What must hold", .class_ = "wrap", .cell = cell_code, .filter = true},
    {0},
};
static const struct web_table list = {
    .id = "guards",
    .query = "compile_guard_list",
    .columns = list_columns,
    .unit = "guards",
    .own = true,
    .limit = 40,
    .filter = true,
    .none = WEB_NO_MATCH,
    .none_what = "No guard of that kind.",
};

enum err compile_put_guards(struct web_request *q, struct html *h, const struct compile_shown *c)
{
    const char *note = c->n_guards == STORE_NULL
                           ? NULL
                           : arena_printf(&q->arena, "%lld leaves; PyTorch counts %lld",
                                          (long long)c->guard_leaves, (long long)c->n_guards);
    web_section(q, h, "guard-kinds", "Guards", note, "compile_guard_kinds");
    TRY(web_table(q, h, &kinds, NULL));
    web_section_end(h);
    if (!web_param(q, "guard")) return ERR_OK;
    web_section(q, h, "guard-list", "Guards of this kind", web_param(q, "guard"),
                "compile_guard_list");
    TRY(web_table(q, h, &list, NULL));
    web_section_end(h);
    return ERR_OK;
}
