/* page_search.c - every place where a word or an expression occurs: names, texts, records.
 *
 * The texts are scanned for as long as a page may take (QUICK_MS) or until PLACES are found; the
 * answer says which of the two ended it and how much was not looked at. Finding names is quick,
 * counting what refers to them is not: they have NAMES_MS.
 *
 *   search_run ─► add_hit: copies into the arena ─► found lists ─► one table per group
 */
#include "store/search.h"

#include "store/base/clock.h"
#include "store/base/lists.h"
#include "web/address.h"
#include "web/server.h"

enum {
    QUICK_MS = 900,
    NAMES_MS = 150,
    PATIENT_MS = 60000,
    PLACES = 250,
    PLACES_OF_KIND = 1000,
    SHOWN = 20,
    NAMES = 200
};

struct found_list {
    LIST_OF(struct search_hit) list; /* spans in the request's arena */
};
struct search {
    struct web_request *q;
    const char *text; /* as typed */
    const char *kind; /* chosen chip, NULL all */
    struct span pattern;
    unsigned flags;
    int64_t start_ns, limit_ns, took_ns; /* of the scan of texts */
    struct found_list names, texts, records;
    struct search_result result; /* of the scan of texts */
    struct search_progress progress;
    bool out_of_time, names_limited, names_late;
};

/* ---- looking ---- */

static enum err add_hit(void *context, const struct search_hit *hit)
{
    struct search *s = context;
    struct found_list *list = hit->where == SEARCH_IN_WORD     ? &s->names
                              : hit->where == SEARCH_IN_RECORD ? &s->records
                                                               : &s->texts;
    struct search_hit *to = LIST_PUSH(&list->list);
    if (!to) FAIL(ERR_NOMEM, "out of memory for what was found");
    *to = *hit;
    to->compile_id = web_keep(s->q, hit->compile_id);
    to->kind = web_keep(s->q, hit->kind);
    to->name = web_keep(s->q, hit->name);
    to->excerpt = web_keep(s->q, hit->excerpt);
    return ERR_OK;
}

static enum err look_at_clock(void *context, const struct search_progress *progress)
{
    struct search *s = context;
    s->progress = *progress;
    if (clock_mono() - s->start_ns < s->limit_ns) return ERR_OK;
    s->out_of_time = true;
    return err_set(ERR_CANCELLED, "the time for a page was over");
}

static enum err look_at_texts(struct search *s, struct search_request *request)
{
    request->scope = SEARCH_TEXT;
    request->kind = s->kind;
    request->limit = s->kind ? PLACES_OF_KIND : PLACES;
    request->progress = look_at_clock;
    s->start_ns = clock_mono();
    s->limit_ns = (web_param(s->q, "all") ? PATIENT_MS : QUICK_MS) * 1000000ll;
    s->q->deadline_ns = 0;
    enum err err = search_run(s->q->db, request, &s->result);
    s->took_ns = clock_mono() - s->start_ns;
    if (err != ERR_CANCELLED || !s->out_of_time) return err;
    err_clear();
    return ERR_OK;
}

static enum err look_at_names(struct search *s, struct search_request *request, bool patient)
{
    struct search_result result = {0};
    request->scope = SEARCH_WORDS;
    request->kind = NULL;
    request->limit = NAMES;
    request->progress = NULL;
    s->q->deadline_ns = clock_mono() + (patient ? PATIENT_MS : NAMES_MS) * 1000000ll;
    enum err err = search_run(s->q->db, request, &result);
    s->names_limited = result.limited;
    s->names_late = err == ERR_CANCELLED && clock_mono() >= s->q->deadline_ns;
    s->q->deadline_ns = 0;
    if (!s->names_late) return err;
    err_clear();
    return ERR_OK;
}

static enum err run(struct search *s)
{
    bool words_only = s->kind && !strcmp(s->kind, "word");
    struct search_request request = {
        .pattern = s->pattern, .flags = s->flags, .hit = add_hit, .context = s};
    if (!words_only) TRY(look_at_texts(s, &request));
    if (s->kind && !words_only) return ERR_OK;
    return look_at_names(s, &request, words_only || web_param(s->q, "all"));
}

/* /expression/ is one, also without the switch. */
static void read_params(struct search *s)
{
    size_t n = strlen(s->text);
    bool slashes = n > 2 && s->text[0] == '/' && s->text[n - 1] == '/';
    s->pattern = slashes ? (struct span){s->text + 1, n - 2} : span_of(s->text);
    if (slashes || web_param(s->q, "re")) s->flags |= MATCH_REGEX;
    if (web_param(s->q, "i")) s->flags |= MATCH_IGNORE_CASE;
    s->kind = web_param(s->q, "kind");
}

/* ---- pieces ---- */

static void write_excerpt(struct html *h, const struct search_hit *hit)
{
    struct span before = span_to(hit->excerpt, hit->match_at),
                match = span_from(hit->excerpt, hit->match_at);
    struct span behind = span_from(match, hit->match_n);
    match = span_to(match, hit->match_n);
    while (before.n && (before.p[0] == ' ' || before.p[0] == '\t')) before = span_from(before, 1);
    enum { BEFORE = 48 };
    if (before.n > BEFORE) {
        size_t cut = before.n - BEFORE;
        while (cut < before.n && ((unsigned char)before.p[cut] & 0xc0) == 0x80) cut++;
        before = span_from(before, cut);
        html(h, "\xe2\x80\xa6");
    }
    html(h, "%s<mark>%s</mark>%s", before, match, behind);
}

/* A compile that is known by its id only. */
static void write_id(struct html *h, const struct search_hit *hit)
{
    if (hit->compile_id.n) html(h, "<code>[%s]</code>", hit->compile_id);
    else html(h, "<span class=\"dim\">none</span>");
}

static enum err write_text_row(struct search *s, struct html *h, const struct search_hit *hit)
{
    sqlite3_stmt *row;
    enum err err;
    TRY(web_query(s->q, "artifact_by_id", &row));
    TRY(store_bind_int(row, ":id", hit->artifact));
    if (!web_step(s->q, row, &err)) return err;
    struct span run = web_text(row, "run"), log = web_text(row, "log"),
                id = web_text(row, "compile_id");
    const char *href = web_artifact_address(s->q, run, log, web_int(row, "offset"), hit->line);
    html(h, "<tr><td class=\"grow w40\"><code>");
    write_excerpt(h, hit);
    html(h, "</code></td><td class=\"w25\"><a class=\"k\" href=\"%s\">%l</a></td>", href,
         hit->name);
    if (s->q->n_runs > 1) html(h, "<td class=\"fit opt\">%s</td>", run);
    html(h, "<td class=\"fit\">");
    if (id.p)
        html(h, "<a class=\"id\" href=\"%s\">[%s]</a>",
             web_compile_address(s->q, run, log, id, web_int(row, "occurrence")), id);
    else write_id(h, hit);
    html(h, "</td><td class=\"num\"><a href=\"%s\">%d</a></td></tr>\n", href, hit->line);
    sqlite3_reset(row);
    return ERR_OK;
}

static enum err write_name_row(struct search *s, struct html *h, const struct search_hit *hit)
{
    (void)s;
    html(h, "<tr><td class=\"grow w40\"><code>");
    write_excerpt(h, hit);
    html(h,
         "</code></td><td class=\"fit\">%s</td><td class=\"num\">%n</td><td class=\"fit\"><a "
         "href=\"%s\">rows</a></td></tr>\n",
         hit->kind, hit->n_uses,
         web_link(s->q, "/sql", "named", "word_uses", "word",
                  arena_printf(&s->q->arena, "%lld", (long long)hit->word), NULL));
    return ERR_OK;
}

static enum err write_record_row(struct search *s, struct html *h, const struct search_hit *hit)
{
    (void)s;
    html(h, "<tr><td class=\"grow w40\"><code>");
    write_excerpt(h, hit);
    html(h, "</code></td><td class=\"fit\"><code>%s</code></td><td class=\"fit\">", hit->kind);
    write_id(h, hit);
    html(h, "</td><td class=\"num\">%n</td></tr>\n", hit->offset);
    return ERR_OK;
}

struct group {
    const char *id, *title, *note,
        *kind;        /* kind: value of the parameter that shows only this, NULL none */
    const char *head; /* cells of the head, markup of the program */
    const struct found_list *found;
    enum err (*row)(struct search *s, struct html *h, const struct search_hit *hit);
    bool limited;
};

static enum err write_group(struct search *s, struct html *h, const struct group *g)
{
    size_t n = g->found->list.n;
    size_t shown = s->kind || web_param(s->q, "show") || n < SHOWN ? n : SHOWN;
    if (!n) return ERR_OK;
    web_section(s->q, h, g->id, g->title, g->note, NULL);
    html(h, "<div class=\"tw\"><table class=\"found\"><thead><tr>");
    buf_puts(&h->out, g->head);
    html(h, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < shown; i++) TRY(g->row(s, h, &g->found->list.p[i]));
    html(h, "</tbody></table>");
    if (shown < n || g->limited) {
        html(h, "<div class=\"cut\">%n of %s%n<span class=\"pg\">", shown,
             g->limited ? "\xe2\x89\xa5 " : "", n);
        if (shown < n)
            html(h, "<a href=\"%s#%s\">Show them</a>",
                 web_here(s->q, g->kind ? "kind" : "show", g->kind ? g->kind : "1", NULL), g->id);
        html(h, "</span></div>");
    }
    html(h, "</div>");
    web_section_end(h);
    return ERR_OK;
}

/* ---- chips ---- */

static void write_chip(struct search *s, struct html *h, const char *label, const char *kind,
                       size_t n, bool more)
{
    bool on = kind ? s->kind && !strcmp(s->kind, kind) : !s->kind;
    html(h, "<a class=\"chip\" aria-pressed=\"%s\" href=\"%s\">%s", on ? "true" : "false",
         web_here(s->q, "kind", kind ? kind : "", NULL), label);
    if (kind) html(h, " <span class=\"dim\">%s%n</span>", more ? "\xe2\x89\xa5 " : "", n);
    html(h, "</a>\n");
}

enum { CHIPS = 8 };
struct kind_count {
    struct span name;
    size_t n;
};

/* Most frequent names of artifacts among the places, at most CHIPS. */
static int count_kinds(const struct search *s, struct kind_count *out)
{
    enum { MANY = 64 };
    struct kind_count all[MANY];
    int n = 0, kept = 0;
    for (size_t i = 0; i < s->texts.list.n; i++) {
        int k = 0;
        while (k < n && !span_eq(all[k].name, s->texts.list.p[i].name)) k++;
        if (k == MANY) continue;
        if (k == n) all[n++] = (struct kind_count){s->texts.list.p[i].name, 0};
        all[k].n++;
    }
    for (; kept < CHIPS && kept < n; kept++) {
        int best = 0;
        for (int k = 1; k < n; k++)
            if (all[k].n > all[best].n) best = k;
        out[kept] = all[best];
        all[best].n = 0;
    }
    while (kept && !out[kept - 1].n) kept--;
    return kept;
}

static void write_chips(struct search *s, struct html *h)
{
    struct kind_count kinds[CHIPS];
    bool more = s->result.limited || s->out_of_time;
    html(h, "<div class=\"filter\">");
    write_chip(s, h, "Everything", NULL, 0, false);
    if (!s->kind) {
        int n = count_kinds(s, kinds);
        if (s->names.list.n) write_chip(s, h, "Names", "word", s->names.list.n, s->names_limited);
        for (int i = 0; i < n; i++)
            write_chip(s, h, kinds[i].name.p, kinds[i].name.p, kinds[i].n, more);
        if (s->records.list.n)
            write_chip(s, h, "Records and events", "record", s->records.list.n, more);
    } else {
        write_chip(s, h, s->kind, s->kind, s->texts.list.n + s->records.list.n + s->names.list.n,
                   more);
    }
    html(h, "</div>");
}

/* ---- answer ---- */

static void write_count(struct html *h, const char **before, size_t n, bool more, const char *one,
                        const char *many)
{
    if (!n) return;
    html(h, "%s%s%n %s", *before, more ? "at least " : "", n, n == 1 ? one : many);
    *before = ", ";
}

static void write_scanned(struct search *s, struct html *h)
{
    int64_t total = s->progress.total, done = s->out_of_time ? s->progress.done : s->result.n_bytes;
    if (s->kind && !strcmp(s->kind, "word")) return;
    if (s->out_of_time || s->names_late)
        web_job_of(s->q)->no_store = true; /* the next time it may come further */
    if (s->out_of_time)
        html(h,
             " %b of %b of text were searched, then the time of a page was over. <a "
             "href=\"%s\">Search all of it</a>",
             done, total, web_here(s->q, "all", "1", NULL));
    else if (s->result.limited)
        html(h, " The search ended at the limit of %n places, after %b of %b.",
             s->kind ? (int64_t)PLACES_OF_KIND : (int64_t)PLACES, done,
             total > done ? total : done);
    else html(h, " All %b of text were searched in %t.", done, s->took_ns);
    if (s->names_late)
        html(h, " Names were not looked through in time. <a href=\"%s\">Search names</a>",
             web_here(s->q, "kind", "word", NULL));
    if (s->result.n_skipped)
        html(
            h,
            " <b class=\"t-warn\">%n places were skipped:</b> the expression costs too much there.",
            s->result.n_skipped);
}

static void write_answer(struct search *s, struct html *h)
{
    const char *before = "";
    bool more = s->result.limited || s->out_of_time;
    size_t n = s->names.list.n + s->texts.list.n + s->records.list.n;
    html(h, "<p class=\"answer\"><b>");
    write_count(h, &before, s->names.list.n, s->names_limited, "name", "names");
    write_count(h, &before, s->texts.list.n, more, "line of an artifact", "lines of artifacts");
    write_count(h, &before, s->records.list.n, more, "place in records and events",
                "places in records and events");
    if (!n)
        html(h, "Nothing matches \xe2\x80\x9c%s\xe2\x80\x9d%s", s->text,
             s->kind ? " in what was chosen" : "");
    html(h, ".</b>");
    write_scanned(s, h);
    html(h, "</p>");
}

static void write_form(struct web_request *q, struct html *h, const char *text)
{
    html(h, "<form class=\"filter\" action=\"/search\" role=\"search\">");
    if (q->file > 0) html(h, "<input type=\"hidden\" name=\"file\" value=\"%d\">", q->file);
    if (web_param(q, "run"))
        html(h, "<input type=\"hidden\" name=\"run\" value=\"%s\">", web_param(q, "run"));
    html(h,
         "<input class=\"q\" name=\"q\" value=\"%s\" aria-label=\"Word or expression\" "
         "placeholder=\"Word, or /expression/\">",
         text);
    html(h, "<label><input type=\"checkbox\" name=\"i\" value=\"1\"%s> Ignore case</label>",
         web_param(q, "i") ? SPAN(" checked") : SPAN(""));
    html(h, "<label><input type=\"checkbox\" name=\"re\" value=\"1\"%s> Expression</label>",
         web_param(q, "re") ? SPAN(" checked") : SPAN(""));
    html(h, "<button class=\"btn main\">Search</button></form>\n");
}

static enum err write_found(struct search *s, struct html *h)
{
    bool more = s->result.limited || s->out_of_time;
    const struct group groups[] = {
        {"names", "Names", "operators, kernels, guards, files: every word that rows refer to",
         "word",
         "<th class=\"grow w40\">Name</th><th class=\"fit\">Used as</th><th "
         "class=\"num\">Times</th><th class=\"fit\"></th>",
         &s->names, write_name_row, s->names_limited},
        {"texts", "Graphs, code, guards and other texts",
         "in the order they were written; one place a line", NULL,
         s->q->n_runs > 1 ? "<th class=\"grow w40\">Line</th><th class=\"w25\">Artifact</th><th "
                            "class=\"fit opt\">Run</th>"
                            "<th class=\"fit\">Compile</th><th class=\"num\">Line</th>"
                          : "<th class=\"grow w40\">Line</th><th class=\"w25\">Artifact</th><th "
                            "class=\"fit\">Compile</th>"
                            "<th class=\"num\">Line</th>",
         &s->texts, write_text_row, more},
        {"records", "Records and events", "heads of records, and payloads that are no artifact",
         "record",
         "<th class=\"grow w40\">Text</th><th class=\"fit\">Key</th><th "
         "class=\"fit\">Compile</th><th class=\"num\">Byte of the log</th>",
         &s->records, write_record_row, more},
    };
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) TRY(write_group(s, h, &groups[i]));
    return ERR_OK;
}

static void write_nothing(struct search *s, struct html *h)
{
    if (s->flags & MATCH_IGNORE_CASE) {
        web_state(h, WEB_NO_MATCH, "Nothing matches.",
                  "Names and texts were searched, upper and lower case taken as equal.");
        return;
    }
    web_state(h, WEB_NO_MATCH, "Nothing matches.", "Upper and lower case were told apart.");
    html(h, "<p class=\"note\"><a href=\"%s\">Search again and ignore case</a></p>",
         web_here(s->q, "i", "1", NULL));
}

static enum err show(struct search *s, struct html *h)
{
    enum err err = run(s);
    if (err == ERR_USAGE) {
        web_state(h, WEB_ERROR, "The expression cannot be used.",
                  arena_printf(&s->q->arena, "%s", err_text()));
        err_clear();
        return ERR_OK;
    }
    TRY(err);
    write_answer(s, h);
    write_chips(s, h);
    if (!(s->names.list.n + s->texts.list.n + s->records.list.n)) write_nothing(s, h);
    return write_found(s, h);
}

enum err page_search(struct web_request *q, struct html *h)
{
    struct search s = {.q = q, .text = web_param(q, "q")};
    web_crumb(q, h, "Search", NULL);
    write_form(q, h, s.text ? s.text : "");
    if (!s.text) {
        html(h, "<p class=\"note\">A word is found anywhere in names, graphs, generated code, "
                "guards, stacks and records of the whole "
                "file. Between slashes stands a Perl expression: <code>/layer_?norm/</code>.</p>");
        return ERR_OK;
    }
    q->title = web_keep(q, span_of(arena_printf(&q->arena, "\xe2\x80\x9c%s\xe2\x80\x9d", s.text)));
    read_params(&s);
    enum err err = show(&s, h);
    LIST_RELEASE(&s.names.list);
    LIST_RELEASE(&s.texts.list);
    LIST_RELEASE(&s.records.list);
    return err;
}
