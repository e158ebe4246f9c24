/* divergence_cone.c - of one pair: who made what differs in it, what it taints, and its tensors in
 * the drawer. */
#include "web/calls.h"
#include "web/divergence.h"

#include <stdio.h>

enum { SHOWN = 8 };

/* ---- up and down ---- */

static void put_member(struct web_request *q, struct html *h, sqlite3_stmt *s)
{
    html(h, "<li>");
    divergence_mark(h, divergence_look(web_int(s, "number")));
    html(h, "<a class=\"k\" href=\"%s#rows\">%d %s</a> <span class=\"dim\">%s %s %s</span></li>",
         web_here(q, "at", divergence_number(q, web_int(s, "id")), "from", "", "open", "", NULL),
         web_int(s, "position"), web_text(s, "name"), web_text(s, "step"), web_text(s, "phase"),
         web_text(s, "module"));
}

static enum err write_side(struct web_request *q, struct html *h, const char *query,
                           const char *title, const char *none, int most)
{
    sqlite3_stmt *s;
    enum err err;
    int n = 0;
    int64_t of[DIFF_N_VERDICTS] = {0};
    web_section(q, h, query, title, NULL, query);
    html(h, "<ul class=\"tree\">");
    TRY(web_query(q, query, &s));
    while (web_step(q, s, &err)) {
        int64_t v = web_int(s, "number");
        of[v >= 0 && v < DIFF_N_VERDICTS ? v : DIFF_UNKNOWN]++;
        if (n++ < SHOWN) put_member(q, h, s);
    }
    if (!n) html(h, "<li class=\"dim\">%s</li>", none);
    if (n > SHOWN) {
        html(h, "<li class=\"dim\">%s%n in all:", n >= most ? SPAN("\xe2\x89\xa5 ") : SPAN(""), n);
        for (int v = DIFF_N_VERDICTS - 1; v >= 0; v--)
            if (of[v]) html(h, " %n %s", of[v], divergence_look(v)->word);
        html(h, "</li>");
    }
    html(h, "</ul>");
    web_section_end(h);
    return err;
}

enum err divergence_write_cone(struct web_request *q, struct html *h)
{
    html(h, "<div class=\"cols half\">");
    TRY(write_side(q, h, "divergence_upstream", "Where it comes from",
                   "Nothing that this call reads differs.", 500));
    TRY(write_side(q, h, "divergence_downstream", "What it taints",
                   "No later call reads anything that this call made different.", 2000));
    html(h, "</div>");
    return ERR_OK;
}

/* ---- the drawer ---- */

static enum err write_arguments(struct web_request *q, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "divergence_pair_arguments", &s));
    if (!web_step(q, s, &err)) return err;
    web_section(q, h, "arguments", "Arguments", NULL, "divergence_pair_arguments");
    html(h, "<dl class=\"kv\">");
    TRY(web_query(q, "divergence_pair_arguments", &s)); /* the head of a section uses it too */
    while (web_step(q, s, &err))
        html(h, "<dt><code>%s</code></dt><dd><code>%s</code> in A<br><code>%s</code> in B</dd>",
             web_text(s, "path"), web_text(s, "a").p ? web_text(s, "a") : SPAN("absent"),
             web_text(s, "b").p ? web_text(s, "b") : SPAN("absent"));
    html(h, "</dl>");
    web_section_end(h);
    return err;
}

static void put_tensor(struct web_request *q, struct html *h, sqlite3_stmt *s)
{
    struct span path = web_text(s, "path");
    int64_t producer = web_int(s, "producer");
    html(h, "<dt>%s <code>%s</code></dt><dd><code>%s%s</code> %s%s<br>", web_text(s, "phase"), path,
         web_text(s, "dtype"), web_text(s, "shape"), web_text(s, "class"),
         web_int(s, "external") > 0 ? SPAN(", from outside") : SPAN(""));
    calls_hash(h, web_text(s, "a_hash"), false);
    html(h, " in A, ");
    calls_hash(h, web_text(s, "b_hash"), true);
    html(h, " in B");
    if (web_int(s, "a_nans") > 0 || web_int(s, "b_nans") > 0)
        html(h, "<br>%n NaN in A, %n in B", web_int(s, "a_nans"), web_int(s, "b_nans"));
    if (web_int(s, "elements") != STORE_NULL)
        html(h, "<br>%n elements differ, by %n ulp at most", web_int(s, "elements"),
             web_int(s, "ulp"));
    if (producer != STORE_NULL)
        html(h, "<br><a href=\"%s\">made by pair %d</a>",
             web_here(q, "at", divergence_number(q, producer), "sel",
                      divergence_number(q, producer), NULL),
             producer);
    html(h, "</dd>");
}

enum err divergence_write_drawer(struct web_request *q, const struct divergence *d)
{
    struct html *h = &q->drawer;
    sqlite3_stmt *s;
    enum err err;
    int n = 0;
    if (!web_param(q, "sel")) return ERR_OK;
    web_section(q, h, "pair", "The call chosen", NULL, "divergence_pair_tensors");
    html(h, "<p class=\"small\">What differs in it, <a href=\"%s\">close</a></p><dl class=\"kv\">",
         web_here(q, "sel", "", NULL));
    TRY(web_query(q, "divergence_pair_tensors", &s));
    for (; web_step(q, s, &err); n++) put_tensor(q, h, s);
    html(h, "</dl>");
    if (!n && !d->n[DIFF_UNKNOWN]) html(h, "<p class=\"small dim\">No tensor of it differs.</p>");
    else if (!n) html(h, "<p class=\"small dim\">No tensor of it is known to differ.</p>");
    web_section_end(h);
    return err ? err : write_arguments(q, h);
}
