/* compile_made.c - what a compile made and how it got there: kernels, passes, decisions of fusing,
 * what is saved for the backward. A section stands only where the trace has rows for it. */
#include "web/compile.h"
#include "web/kernel_decided.h"

enum err compile_put_if_any(struct web_request *q, struct html *h, const struct compile_section *s,
                            int64_t *n)
{
    struct html body = {0};
    *n = 0;
    enum err err = web_table(q, &body, s->table, n);
    if (!err && *n) {
        web_section(q, h, s->id, s->title, s->note, s->table->query);
        if (s->before) err = s->before(q, h);
        buf_span(&h->out, buf_text(&body.out));
        web_section_end(h);
    }
    html_release(&body);
    return err;
}

/* ---- kernels ---- */

static void cell_kernel(struct web_cell *c)
{
    if (web_int(c->row, "combo") != STORE_NULL)
        html(c->h, "<span class=\"with\"><span class=\"dim\">\xe2\x94\x94</span> ");
    else html(c->h, "<span class=\"with\">");
    kernel_name(c->q, c->h, web_int(c->row, "id"), web_text(c->row, "name"));
    html(c->h, "</span>");
}

static void cell_role(struct web_cell *c)
{
    html(c->h, "%s", kernel_role_word(web_text(c->row, "role"), web_text(c->row, "kind")));
}

static void cell_order(struct web_cell *c)
{
    int64_t position = web_int(c->row, "position");
    bool member = web_column_index(c->row, "combo") >= 0 && web_int(c->row, "combo") != STORE_NULL;
    if (position != STORE_NULL && !member) html(c->h, "%n", position + 1);
}

static const struct web_column KERNELS[] = {
    {.name = "position", .head = "#", .class_ = "num opt", .cell = cell_order},
    {.name = "name", .head = "Kernel", .class_ = "w30", .cell = cell_kernel, .filter = true},
    {.name = "phase", .head = "Phase", .class_ = "fit opt", .kind = WEB_TEXT, .filter = true},
    {.name = "role", .head = "Role", .class_ = "fit opt", .cell = cell_role},
    {.name = "n_ops", .head = "Operators", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "nodes", .head = "Computes", .class_ = "grow opt", .kind = WEB_CODE, .filter = true},
    {.name = "bytes", .head = "Bytes", .class_ = "num opt", .kind = WEB_BYTES},
    {.name = "launches", .head = "Launches", .kind = WEB_COUNT},
    {.name = "total_ns", .head = "Total", .kind = WEB_US},
    {.name = "total_ns", .class_ = "fit opt", .kind = WEB_BAR},
    {.name = "bytes_per_ns", .head = "GB/s", .class_ = "num opt", .kind = WEB_RATE},
    {0}};
static const struct web_table KERNEL_TABLE = {.id = "kernels-table",
                                              .query = "compile_kernels",
                                              .columns = KERNELS,
                                              .own = true,
                                              .filter = true,
                                              .limit = 30,
                                              .unit = "kernels"};

/* ---- passes ---- */

static void cell_changed(struct web_cell *c)
{
    int64_t changed = web_int(c->row, "changed");
    if (changed > 0) html(c->h, "%n", changed);
    else html(c->h, "<span class=\"dim\">nothing</span>");
}

static void cell_graph(struct web_cell *c)
{
    if (web_int(c->row, "offset") == STORE_NULL) return;
    html(c->h, "<a href=\"%s\">graph after it</a>",
         web_link_artifact(c->q, web_text(c->row, "log"), web_int(c->row, "offset")));
}

static const struct web_column PASSES[] = {
    {.name = "position", .head = "#", .class_ = "num opt", .cell = cell_order},
    {.name = "phase", .head = "Graph", .class_ = "fit", .kind = WEB_TEXT},
    {.name = "name", .head = "Pass", .class_ = "grow", .kind = WEB_CODE},
    {.name = "changed", .head = "Changed", .class_ = "num", .cell = cell_changed},
    {.name = "n_nodes", .head = "Nodes after", .kind = WEB_COUNT},
    {.name = "ns", .head = "Took", .kind = WEB_US},
    {.name = "ns", .class_ = "fit opt", .kind = WEB_BAR},
    {.name = "offset", .class_ = "fit", .cell = cell_graph},
    {0}};
static const struct web_table PASS_TABLE = {.id = "passes-table",
                                            .query = "compile_passes",
                                            .columns = PASSES,
                                            .own = true,
                                            .limit = 30,
                                            .unit = "passes"};

/* ---- decisions ---- */

/* The list of pairs with parameters changed: name, value, name, value; NULL none. */
static const char *link_decided(struct web_request *q, const char *name, const char *value,
                                const char *second, const char *second_value)
{
    return arena_printf(
        &q->arena, "%s#decided",
        web_here(q, "decided-table.after", "", name, value, second, second_value, NULL));
}

static void cell_reason(struct web_cell *c)
{
    struct span reason = web_kept(c->q, c->row, "reason");
    const char *chosen = web_param(c->q, "reason");
    bool on = chosen && span_is(reason, chosen);
    html(c->h, "<a href=\"%s\"%s>%s</a>",
         link_decided(c->q, "reason", on || !reason.n ? "" : reason.p, "kind",
                      on ? "" : web_kept(c->q, c->row, "kind").p),
         on ? SPAN(" aria-current=\"true\"") : SPAN(""), reason.n ? reason : SPAN("none given"));
}

/* How many pairs became one, what that saves, and what refused the most. */
static enum err put_fused(struct web_request *q, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    int64_t joined = 0, apart = 0, most = 0;
    double saved = 0;
    struct span reason = SPAN_NONE;
    TRY(web_query(q, "decisions_by_reason", &s));
    while (web_step(q, s, &err)) {
        int64_t n = web_int(s, "decisions");
        double bytes = web_int(s, "bytes_saved") == STORE_NULL ? 0 : web_real(s, "bytes_saved");
        bool fused = web_int(s, "fused") == 1;
        *(fused ? &joined : &apart) += n;
        if (fused) saved += bytes;
        if (fused || n <= most) continue;
        most = n;
        reason = web_kept(q, s, "reason");
    }
    html(h, "<p class=\"note\">%n of %n pairs were joined", joined, joined + apart);
    if (saved > 0) html(h, ", which keeps %b out of memory", saved);
    if (reason.n)
        html(h, "; what kept the most pairs apart is \xe2\x80\x9c%s\xe2\x80\x9d, %n of %n", reason,
             most, apart);
    html(h, ".</p>\n");
    return err;
}

static const struct web_column REASONS[] = {
    {.name = "fused", .head = "Verdict", .class_ = "fit", .cell = decided_cell_verdict},
    {.name = "kind", .head = "Into", .class_ = "fit", .cell = decided_cell_kind},
    {.name = "reason", .head = "Reason", .class_ = "w30", .cell = cell_reason},
    {.name = "decisions", .head = "Pairs", .kind = WEB_COUNT},
    {.name = "decisions", .class_ = "fit opt", .kind = WEB_BAR},
    {.name = "bytes_saved", .head = "Saves", .kind = WEB_BYTES},
    {.name = "detail", .head = "For one", .class_ = "grow opt", .kind = WEB_TEXT},
    {0}};
static const struct web_table REASON_TABLE = {.id = "reasons-table",
                                              .query = "decisions_by_reason",
                                              .columns = REASONS,
                                              .own = true,
                                              .limit = 40,
                                              .unit = "reasons"};

static void cell_holds(struct web_cell *c)
{
    int64_t id = web_int(c->row, "kernel");
    struct span name = web_text(c->row, "kernel_name");
    if (id != STORE_NULL)
        html(c->h, "<a href=\"%s\" title=\"%s\">%s</a>", kernel_link(c->q, id), name,
             name.n ? SPAN("the kernel") : SPAN("the first\xe2\x80\x99s kernel"));
}

static const struct web_column DECIDED[] = {
    {.name = "fused", .head = "Verdict", .class_ = "fit", .cell = decided_cell_verdict},
    {.name = "kind", .head = "Into", .class_ = "fit opt", .cell = decided_cell_kind},
    {.name = "phase", .head = "Phase", .class_ = "fit opt", .kind = WEB_TEXT},
    {.name = "a", .head = "Between", .class_ = "grow", .cell = decided_cell_pair, .filter = true},
    {.name = "b", .kind = WEB_HIDDEN, .filter = true},
    {.name = "reason", .head = "Reason", .class_ = "fit", .kind = WEB_TEXT},
    {.name = "detail", .head = "In words", .class_ = "w30 opt", .kind = WEB_TEXT, .filter = true},
    {.name = "bytes_saved", .head = "Saves", .kind = WEB_BYTES},
    {.name = "together_ns", .head = "Measured", .class_ = "fit opt", .cell = decided_cell_measured},
    {.name = "kernel_name", .class_ = "fit", .cell = cell_holds},
    {0}};
static const struct web_table DECIDED_TABLE = {.id = "decided-table",
                                               .query = "compile_decisions",
                                               .columns = DECIDED,
                                               .own = true,
                                               .filter = true,
                                               .limit = 20,
                                               .unit = "pairs"};

/* Chips that narrow the list; what is pressed is released by pressing it again. */
static void put_verdicts(struct web_request *q, struct html *h)
{
    static const struct {
        const char *name, *value, *label;
    } chips[] = {{"fused", "0", "kept apart"},
                 {"fused", "1", "joined"},
                 {"kind", "vertical", "into a kernel"},
                 {"kind", "combo", "into a launch"}};
    const char *reason = web_param(q, "reason");
    html(h, "<div class=\"filter\">");
    for (size_t i = 0; i < sizeof chips / sizeof *chips; i++) {
        const char *now = web_param(q, chips[i].name);
        bool on = now && !strcmp(now, chips[i].value);
        web_chip(h, on, link_decided(q, chips[i].name, on ? "" : chips[i].value, NULL, NULL),
                 span_of(chips[i].label), STORE_NULL);
    }
    if (reason)
        web_chip(h, true, link_decided(q, "reason", "", NULL, NULL), span_of(reason), STORE_NULL);
    html(h, "</div>\n");
}

/* The list stays where the chips let nothing through, so that they can be released. */
static enum err put_decided(struct web_request *q, struct html *h)
{
    struct web_table t = DECIDED_TABLE;
    t.none = WEB_NO_MATCH;
    t.none_what = "No pair is so.";
    t.none_why = "Release one of the chips above.";
    web_section(q, h, "decided", "Pair by pair",
                "what was kept apart first, by the bytes that joining would have saved",
                "compile_decisions");
    put_verdicts(q, h);
    TRY(web_table(q, h, &t, NULL));
    web_section_end(h);
    return ERR_OK;
}

/* ---- saved and recomputed ---- */

static enum err put_fates(struct web_request *q, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    int n = 0;
    TRY(web_query(q, "partition_summary", &s));
    html(h, "<p class=\"note\">");
    while (web_step(q, s, &err))
        html(h, "%s%n %s, %b", n++ ? SPAN(" \xc2\xb7 ") : SPAN(""), web_int(s, "n"),
             web_text(s, "fate"), web_int(s, "bytes"));
    html(h, "</p>\n");
    return err;
}

static void cell_fate(struct web_cell *c)
{
    struct span fate = web_text(c->row, "fate");
    if (span_is(fate, "recomputed")) web_mark(c->h, "odd", "2", "computed a second time");
    else if (span_is(fate, "saved")) web_mark(c->h, "", "S", "kept from the forward");
    else web_mark(c->h, "empty", "\xc2\xb7", "neither kept nor computed again");
    html(c->h, " %s", fate);
}

static const struct web_column FATES[] = {
    {.name = "fate", .head = "Fate", .class_ = "fit", .cell = cell_fate, .filter = true},
    {.name = "value", .head = "Value", .class_ = "w30", .kind = WEB_CODE, .filter = true},
    {.name = "bytes", .head = "Bytes", .kind = WEB_BYTES},
    {.name = "bytes", .class_ = "fit opt", .kind = WEB_BAR},
    {.name = "reason", .head = "Why", .class_ = "grow", .kind = WEB_TEXT, .filter = true},
    {0}};
static const struct web_table FATE_TABLE = {.id = "fates-table",
                                            .query = "compile_partition",
                                            .columns = FATES,
                                            .own = true,
                                            .filter = true,
                                            .limit = 20,
                                            .unit = "values"};

enum err compile_put_made(struct web_request *q, struct html *h)
{
    const struct compile_section kernels = {"kernels", "Kernels",
                                            "in order of the program; members of a combo kernel "
                                            "stand below it",
                                            &KERNEL_TABLE, NULL};
    const struct compile_section reasons = {"fusion", "Fusion decisions",
                                            "every pair that was looked at, by reason; press one "
                                            "to see its pairs",
                                            &REASON_TABLE, put_fused};
    const struct compile_section passes = {"passes", "Passes",
                                           "over the graphs, in order, each with what it changed",
                                           &PASS_TABLE, NULL};
    const struct compile_section fates = {"partition", "Saved and recomputed",
                                          "what the forward keeps for the backward", &FATE_TABLE,
                                          put_fates};
    int64_t n, n_reasons;
    TRY(compile_put_if_any(q, h, &kernels, &n));
    TRY(compile_put_if_any(q, h, &reasons, &n_reasons));
    if (n_reasons) TRY(put_decided(q, h));
    TRY(compile_put_memory(q, h));
    TRY(compile_put_if_any(q, h, &fates, &n));
    return compile_put_if_any(q, h, &passes, &n);
}
