/* page_exports.c - what torch.export reported: each finding with its expression as a tree, its
 * locals, its stacks. */
#include "store/base/json.h"
#include "web/say.h"

static const struct finding_word {
    const char *kind, *title, *why;
} WORDS[] = {
    {"guard_added", "Guard added",
     "The trace assumed this relation; inputs that break it are refused."},
    {"propagate_real_tensors", "Depends on data", "Traced with the value of the example input."},
    {"propagate_real_tensors_provenance", "Depends on data",
     "Traced with the value of the example input."},
    {"guard_on_data_dependent_error", "Depends on data, refused",
     "The export ended here: the value is only known when the program runs."},
    {"missing_fake_kernel", "No fake kernel",
     "The operator has no fake kernel; its output was taken from the real one."},
    {"mismatched_fake_kernel", "Wrong fake kernel",
     "The fake kernel promises another output than the real one has."},
};

static const struct finding_word *word_of(struct span kind)
{
    static const struct finding_word OTHER = {NULL, "Finding", NULL};
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (span_is(kind, WORDS[i].kind)) return &WORDS[i];
    return &OTHER;
}

/* {"loc": "if x:", "locals": {"a": ["Tensor(...)"]}} as two columns. */
static void write_locals(struct web_request *q, struct html *h, const char *title, struct span text)
{
    struct json *j;
    if (!text.n) return;
    if (json_parse(text, &q->arena, &j)) {
        err_clear();
        html(h, "<pre class=\"one\">%s</pre>", text);
        return;
    }
    struct span loc = json_string(json_get(j, "loc"));
    const struct json *inner = json_get(j, "locals");
    if (loc.n) html(h, "<pre class=\"one\">%s</pre>", loc);
    if (!inner) inner = j;
    if (inner->type != JSON_OBJECT || !inner->n) return;
    html(h, "<h3>%s</h3><dl class=\"kv\">", title);
    for (const struct json *m = inner->first; m; m = m->next) {
        struct buf value = {0};
        if (m->type == JSON_STRING) buf_span(&value, m->text);
        else if (m->type == JSON_LIST && m->n == 1 && m->first->type == JSON_STRING)
            buf_span(&value, m->first->text);
        else json_print(&value, m);
        html(h, "<dt><code>%s</code></dt><dd><code>%s</code></dd>", m->key, buf_text(&value));
        buf_release(&value);
    }
    html(h, "</dl>");
}

/* Each expression above its arguments. The rows of all trees come in the order of the findings. */
static enum err write_tree(struct web_request *q, struct html *h, int64_t finding)
{
    enum { MANY = 200 };
    sqlite3_stmt *s;
    enum err err;
    int n = 0;
    TRY(web_query(q, "export_trees", &s));
    TRY(store_bind_int(s, ":finding", finding));
    for (; web_step(q, s, &err) && n < MANY; n++) {
        if (!n) html(h, "<h3>Expression</h3><ul class=\"tree expr\">");
        html(h, "<li><span class=\"g\"></span>");
        for (int64_t d = web_int(s, "depth"); d > 0; d--)
            html(h, "<span class=\"tw_\">\xe2\x94\x82</span>");
        html(h, "<code>%s</code>", span_trim(web_text(s, "expression")));
        if (web_text(s, "method").n)
            html(h, " <span class=\"at\">%s</span>", web_text(s, "method"));
        html(h, "</li>\n");
    }
    sqlite3_reset(s);
    if (n) html(h, "</ul>");
    return err;
}

struct found {
    int64_t id;
    struct span kind, op, reason, result, locals, sources, user_stack, stack;
};

static enum err write_finding(struct web_request *q, struct html *h, const struct found *f, int n)
{
    const struct finding_word *word = word_of(f->kind);
    web_section(q, h, arena_printf(&q->arena, "finding-%d", n), word->title, word->why, NULL);
    html(h, "<p class=\"answer\">");
    if (f->op.n) html(h, "<b><code>%s</code></b> ", f->op);
    if (f->reason.n) html(h, "<code>%s</code>", f->reason);
    if (f->result.n) html(h, " was taken as <b>%s</b>", f->result);
    html(h, "</p>");
    write_locals(q, h, "Locals", f->locals);
    write_locals(q, h, "Symbols stand for", f->sources);
    TRY(write_tree(q, h, f->id));
    say_stack(h, "User stack", f->user_stack);
    say_stack(h, "Stack of the framework", f->stack);
    web_section_end(h);
    return ERR_OK;
}

enum { MOST = 200 };

static enum err read_findings(struct web_request *q, struct found **out, int *n)
{
    sqlite3_stmt *s;
    enum err err;
    *n = 0;
    *out = arena_array(&q->arena, MOST, sizeof **out);
    if (!*out) FAIL(ERR_NOMEM, "out of memory for findings");
    TRY(web_query(q, "export_list", &s));
    while (web_step(q, s, &err) && *n < MOST)
        (*out)[(*n)++] = (struct found){web_int(s, "id"),
                                        web_keep(q, web_text(s, "kind")),
                                        web_keep(q, web_text(s, "op")),
                                        web_keep(q, web_text(s, "reason")),
                                        web_keep(q, web_text(s, "result")),
                                        web_keep(q, web_text(s, "locals")),
                                        web_keep(q, web_text(s, "symbol_sources")),
                                        web_keep(q, web_text(s, "user_stack")),
                                        web_keep(q, web_text(s, "stack"))};
    sqlite3_reset(s);
    return err;
}

enum err page_exports(struct web_request *q, struct html *h)
{
    struct found *found;
    int n, refused = 0;
    TRY(read_findings(q, &found, &n));
    for (int i = 0; i < n; i++) refused += span_is(found[i].kind, "guard_on_data_dependent_error");
    web_crumb(q, h, "Exports", NULL);
    if (!n) {
        web_state(h, WEB_NOT_RECORDED, "No findings of an export in this run.",
                  "Only torch.export writes them; a clean export writes none. `draft_export` needs "
                  "TORCH_DTRACE.");
        return ERR_OK;
    }
    html(h, "<p class=\"answer\"><b>%n finding%s of torch.export.</b>", (int64_t)n,
         n == 1 ? "" : "s");
    if (refused) html(h, " <b class=\"t-bad\">The export was refused.</b>");
    html(h,
         "</p><p class=\"note\"><a href=\"%s\">SQL</a> \xc2\xb7 <a href=\"%s\">CSV</a> \xc2\xb7 <a "
         "href=\"%s\">JSON</a></p>",
         web_data_link(q, "export_list", NULL), web_data_link(q, "export_list", "csv"),
         web_data_link(q, "export_list", "json"));
    for (int i = 0; i < n; i++) TRY(write_finding(q, h, &found[i], i + 1));
    return ERR_OK;
}
