/* page_divergence.c - where do two runs part, and what does it taint?
 *
 * A file that holds a comparison is shown as it is. Another one says how to make a comparison.
 */
#include "web/divergence.h"

#include <string.h>

#include "web/server.h"

/* ---- reading ---- */

static enum err read_answer(struct web_request *q, struct divergence *d, bool *any)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "divergence_answer", &s));
    *any = web_step(q, s, &err);
    if (!*any) return err;
    *d = (struct divergence){.verdict = web_kept(q, s, "verdict"),
                             .answer = web_kept(q, s, "answer"),
                             .notes = web_kept(q, s, "notes"),
                             .a_file = web_kept(q, s, "a_file"),
                             .b_file = web_kept(q, s, "b_file"),
                             .a_run = web_kept(q, s, "a_run"),
                             .b_run = web_kept(q, s, "b_run"),
                             .log = web_kept(q, s, "log"),
                             .hash_kind = web_int(s, "hash_kind"),
                             .first = web_int(s, "first_pair"),
                             .origin = web_int(s, "origin_pair"),
                             .origin_flags = web_int(s, "origin_flags"),
                             .before = web_int(s, "before"),
                             .at = web_int(s, "at"),
                             .lane = web_int(s, "lane"),
                             .low = web_int(s, "low"),
                             .high = web_int(s, "high"),
                             .rank = web_int(s, "rank"),
                             .lanes = web_int(s, "lanes"),
                             .a_calls = web_int(s, "a_calls"),
                             .b_calls = web_int(s, "b_calls")};
    sqlite3_reset(s);
    return err;
}

static enum err read_verdicts(struct web_request *q, struct divergence *d)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "divergence_verdicts", &s));
    while (web_step(q, s, &err)) {
        int64_t v = web_int(s, "number");
        if (v < 0 || v >= DIFF_N_VERDICTS) continue;
        d->n[v] = web_int(s, "n");
        d->first_of[v] = web_int(s, "first");
        d->n_pairs += d->n[v];
        d->unhashed += web_int(s, "unhashed");
        if (v == DIFF_UNKNOWN) d->inside = web_int(s, "inside");
    }
    return err;
}

/* ---- the answer ---- */

/* The sentence is bold up to its first full stop that ends one. */
static void write_answer(struct html *h, struct span answer)
{
    size_t stop = 0;
    bool code = false;
    for (; stop < answer.n; stop++) {
        char c = answer.p[stop];
        if (c == '`') code = !code;
        if (c == '.' && !code && stop + 1 < answer.n && answer.p[stop + 1] == ' ') break;
    }
    size_t end = stop < answer.n ? stop + 1 : answer.n;
    html(h, "<p class=\"answer\"><b>");
    web_prose(h, span_to(answer, end));
    html(h, "</b>");
    web_prose(h, span_from(answer, end));
    html(h, "</p>\n");
}

static const char *hash_words(int64_t kind)
{
    static const char *const words[] = {
        [DIFF_NO_HASH] = "no digest that both runs have",
        [DIFF_NORM] = "digest: the norm of each tensor, which different tensors may share",
        [DIFF_HASH_TENSOR] = "digest: PyTorch's hash_tensor, which does not see the order of "
                             "elements",
        [DIFF_NEGATIVE] = "digest: the tensor's own hash",
        [DIFF_PKM64] = "digest: 64 bits over every bit and its place",
        [DIFF_SHA256] = "digest: SHA-256 of dtype, shape and elements",
    };
    bool known = kind >= 0 && kind < (int64_t)(sizeof words / sizeof *words);
    return words[known ? kind : DIFF_NO_HASH];
}

static enum err write_methods(struct web_request *q, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    int64_t a = 0, b = 0;
    bool any = false;
    TRY(web_query(q, "divergence_methods", &s));
    while (web_step(q, s, &err)) {
        int64_t n = web_int(s, "n"), only_a = web_int(s, "only_a"), only_b = web_int(s, "only_b");
        a += only_a, b += only_b;
        if (n == only_a + only_b) continue;
        html(h, "%s%n by %s", any ? SPAN(", ") : SPAN(" aligned: "), n - only_a - only_b,
             web_text(s, "method"));
        any = true;
    }
    if (a || b) html(h, " \xc2\xb7 <a href=\"#alone\">%n only in A, %n only in B</a>", a, b);
    else html(h, " \xc2\xb7 none alone");
    return err;
}

static enum err write_coverage(struct web_request *q, struct html *h, const struct divergence *d)
{
    html(h, "<p class=\"note\">%n calls in A and %n in B,", d->a_calls, d->b_calls);
    TRY(write_methods(q, h));
    html(h, " \xc2\xb7 %n without a digest \xc2\xb7 %s", d->unhashed, hash_words(d->hash_kind));
    if (d->lanes > 1) html(h, " \xc2\xb7 <a href=\"#lanes\">%n logs</a>", d->lanes);
    html(h, "</p>\n");
    return ERR_OK;
}

static void write_notes(struct html *h, struct span notes)
{
    while (notes.n) {
        struct span line = span_to(notes, span_find(notes, SPAN("\n"), 0));
        notes = line.n < notes.n ? span_from(notes, line.n + 1) : SPAN("");
        if (!line.n) continue;
        html(h, "<p class=\"note\">");
        web_prose(h, line);
        html(h, "</p>\n");
    }
}

static void write_one_hop(struct html *h, const struct divergence *d)
{
    if (d->origin == STORE_NULL || d->origin_flags == STORE_NULL || !(d->origin_flags & DIFF_VIEW))
        return;
    web_state(h, WEB_LOST, "The first origin only moves data.",
              "It cannot have made the difference: what wrote its input was not recorded or has no "
              "digest. Look one call further up, or record again with digests of every tensor.");
}

/* ---- facts ---- */

static void write_fact(struct web_request *q, struct html *h, const struct divergence *d, int v)
{
    const struct divergence_look *l = divergence_look(v);
    const char *verdict = web_param(q, "verdict");
    bool on = verdict && !strcmp(verdict, l->word);
    html(h, "<div%s><dt>", on ? SPAN(" class=on") : SPAN(""));
    divergence_mark(h, l);
    html(h, "%s</dt><dd>", l->word);
    int64_t n = d->n[v] - (v == DIFF_UNKNOWN ? d->inside : 0);
    if (!n) html(h, "<span class=\"dim\">0</span>");
    else
        html(h, "<a href=\"%s#rows\" title=\"%s\">%n</a>",
             web_here(q, "verdict", on ? "" : l->word, "step", "", "phase", "", "module", "",
                      "after", "", NULL),
             on ? SPAN("show all again") : span_of(l->sentence), n);
    html(h, "</dd></div>");
}

static void write_facts(struct web_request *q, struct html *h, const struct divergence *d)
{
    static const int order[] = {DIFF_SAME,   DIFF_INPUT,     DIFF_ARGUMENT,
                                DIFF_ORIGIN, DIFF_STRUCTURE, DIFF_RECEIVER,
                                DIFF_MASKED, DIFF_ARTEFACT,  DIFF_UNKNOWN};
    html(h, "<dl class=\"facts\">");
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) write_fact(q, h, d, order[i]);
    const struct divergence_look *l = divergence_row_look(DIFF_UNKNOWN, DIFF_INSIDE);
    if (d->inside)
        html(h, "<div title=\"%s\"><dt>%s</dt><dd>%n</dd></div>", l->sentence, l->word, d->inside);
    html(h, "</dl>\n");
}

/* ---- the page ---- */

enum { MOST_COMMANDS = 8 };

static void put_command(struct html *h, struct span a, struct span b)
{
    html(h, "<li><code>plumb diff '%s' '%s' -o CMP.db</code></li>", a, b);
}

/* Commands for what is at hand: each two neighbouring runs of this file, this file and the others
 * that are open. */
static enum err write_commands(struct web_request *q, struct html *h)
{
    const struct web_server *server = web_job_of(q)->server;
    sqlite3_stmt *s;
    enum err err;
    const char *last = NULL;
    int n = 0;
    TRY(web_query(q, "divergence_runs", &s));
    html(h, "<ul class=\"reasons\">");
    while (web_step(q, s, &err)) {
        struct span run = web_text(s, "run");
        const char *side =
            arena_printf(&q->arena, "%s#%.*s", q->file_path, (int)run.n, run.p ? run.p : "");
        if (last && side && n++ < MOST_COMMANDS) put_command(h, span_of(last), span_of(side));
        last = side;
    }
    for (int i = 0; i < server->n_files && n < MOST_COMMANDS; i++)
        if (i != q->file && last && n++ < MOST_COMMANDS)
            put_command(h, span_of(q->file_path), span_of(server->files[i].path));
    if (!last)
        html(h, "<li>No calls were recorded here: <code>plumb record --debug-mode -- python "
                "program.py</code> or <code>plumb run</code> records them.</li>");
    html(h, "</ul>");
    return err;
}

static enum err write_how(struct web_request *q, struct html *h)
{
    web_state(
        h, WEB_NOT_RECORDED, "This file is no comparison.",
        "`plumb diff A.db B.db -o CMP.db` compares two runs and writes one; open it with "
        "`plumb serve CMP.db`. Two runs or ranks of one file are `A.db#RUN`, `A.db#RUN@RANK`.");
    web_section(q, h, "commands", "What can be compared", "runs with calls, files that are open",
                "divergence_runs");
    TRY(write_commands(q, h));
    web_section_end(h);
    return ERR_OK;
}

enum err page_divergence(struct web_request *q, struct html *h)
{
    struct divergence d;
    bool any;
    web_crumb(q, h, "Divergence", NULL);
    TRY(read_answer(q, &d, &any));
    if (!any) return write_how(q, h);
    TRY(read_verdicts(q, &d));
    write_answer(h, d.answer);
    write_notes(h, d.notes);
    if (d.at == STORE_NULL) return ERR_OK; /* without a pair: not comparable */
    TRY(write_coverage(q, h, &d));
    write_facts(q, h, &d);
    write_one_hop(h, &d);
    TRY(divergence_write_ribbon(q, h, &d));
    TRY(divergence_write_rows(q, h, &d));
    if (d.first != STORE_NULL) TRY(divergence_write_cone(q, h));
    TRY(divergence_write_places(q, h, &d));
    return divergence_write_drawer(q, &d);
}
