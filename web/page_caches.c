/* page_caches.c - what the caches were asked for, what they had, and which part of a key was
 * new. */
#include "web/web.h"

static enum err write_answer(struct web_request *q, struct html *h, int64_t *asked)
{
    sqlite3_stmt *s;
    enum err err;
    *asked = 0;
    TRY(web_query(q, "cache_summary", &s));
    if (!web_step(q, s, &err)) return err;
    *asked = web_int(s, "asked");
    if (*asked) {
        html(h, "<p class=\"answer\"><b>Of %n questions, %n were hits</b>, %n misses, %n bypassed.",
             *asked, web_int(s, "hits"), web_int(s, "misses"), web_int(s, "bypassed"));
        if (web_int(s, "saved_ns") > 0)
            html(h, " The hits saved %t, as PyTorch counts it.", web_int(s, "saved_ns"));
        html(h, "</p>");
    }
    sqlite3_reset(s);
    return ERR_OK;
}

static void write_compile(struct web_cell *c)
{
    struct span id = web_text(c->row, "compile_id");
    if (id.p)
        web_compile_link(c->q, c->h, web_text(c->row, "log"), id, web_int(c->row, "occurrence"),
                         web_text(c->row, "compile_outcome"));
    else html(c->h, "<span class=\"dim\">none</span>");
}

static void write_outcome(struct web_cell *c)
{
    struct span outcome = web_text(c->row, "outcome");
    if (span_is(outcome, "hit")) web_mark(c->h, "good", "H", "hit: nothing was compiled");
    else if (span_is(outcome, "miss")) web_mark(c->h, "", "M", "miss: compiled, then kept");
    else web_mark(c->h, "warn", "B", "bypassed: not asked, not kept");
    html(c->h, " %s", outcome);
}

static void write_key(struct web_cell *c)
{
    int64_t at = web_int(c->row, "at");
    struct span key = web_text(c->row, "cache_key");
    if (!key.p) key = SPAN("text");
    if (at == STORE_NULL) html(c->h, "<code>%l</code>", key);
    else
        html(c->h, "<a class=\"k\" href=\"%s\">%l</a>",
             web_link_artifact(c->q, web_text(c->row, "log"), at), key);
}

static const struct web_column ASKED[] = {
    {.name = "compile_id",
     .head = "Compile",
     .class_ = "fit",
     .cell = write_compile,
     .filter = true},
    {.name = "cache", .head = "Cache", .class_ = "fit", .kind = WEB_CODE, .filter = true},
    {.name = "outcome", .head = "Outcome", .class_ = "fit", .cell = write_outcome, .filter = true},
    {.name = "cache_key", .head = "Key", .class_ = "w30", .cell = write_key, .filter = true},
    {.name = "n_components", .head = "Parts", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "saved_ns", .head = "Saved", .kind = WEB_MS},
    {.name = "reason", .head = "Why bypassed", .class_ = "grow", .kind = WEB_WRAP, .filter = true},
    {.name = "ts", .head = "When", .class_ = "fit opt", .kind = WEB_CLOCK},
    {0}};
static const struct web_column DIFFERENCES[] = {
    {.name = "cache", .head = "Cache", .class_ = "fit", .kind = WEB_CODE},
    {.name = "compile_id", .head = "Compile", .class_ = "fit", .kind = WEB_CODE},
    {.name = "component",
     .head = "Part of the key",
     .class_ = "w40",
     .kind = WEB_CODE,
     .filter = true},
    {.name = "digest_before", .head = "Before", .class_ = "opt", .kind = WEB_CODE},
    {.name = "digest", .head = "Now", .kind = WEB_CODE},
    {0}};

enum err page_caches(struct web_request *q, struct html *h)
{
    int64_t asked;
    web_crumb(q, h, "Caches", NULL);
    TRY(write_answer(q, h, &asked));
    if (!asked) {
        web_state(h, WEB_NOT_RECORDED, "No cache was asked in this run.",
                  "Only the backend inductor asks its caches; "
                  "`TORCHINDUCTOR_FORCE_DISABLE_CACHES=1` turns them off.");
        return ERR_OK;
    }
    web_section(q, h, "asked", "One by one", NULL, "cache_list");
    TRY(web_table(q, h,
                  &(struct web_table){.id = "question",
                                      .query = "cache_list",
                                      .columns = ASKED,
                                      .own = true,
                                      .filter = true,
                                      .unit = "questions"},
                  NULL));
    web_section_end(h);
    web_section(q, h, "differences", "What was new in the keys that missed",
                "against the key asked for before in the same cache", "cache_differences");
    TRY(web_table(q, h,
                  &(struct web_table){
                      .id = "part",
                      .query = "cache_differences",
                      .columns = DIFFERENCES,
                      .own = true,
                      .filter = true,
                      .limit = 30,
                      .unit = "parts",
                      .none = WEB_EMPTY,
                      .none_what = "Nothing to compare.",
                      .none_why = "No cache was asked twice with the parts of its key recorded."},
                  NULL));
    web_section_end(h);
    return ERR_OK;
}
