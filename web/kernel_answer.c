/* kernel_answer.c - the sentence of a kernel: what it computes, how often it ran, what it costs. */
#include "web/kernel.h"

#include <math.h>
#include <stdio.h>

enum { NAMED = 6 };

/* Distinct operators in order, as code, at most NAMED of them; *first: the whole name of the
 * first. */
static enum err put_operators(struct web_request *q, struct html *h, int *n, struct span *first)
{
    sqlite3_stmt *s;
    enum err err;
    struct span seen[NAMED];
    int more = 0;
    *n = 0;
    TRY(web_query(q, "kernel_members", &s));
    while (web_step(q, s, &err)) {
        if (!first->n) *first = web_kept(q, s, "op");
        struct span op =
            kernel_op_word(web_text(s, "op").n ? web_text(s, "op") : web_text(s, "node"));
        bool known = false;
        for (int i = 0; i < *n; i++) known |= span_eq(seen[i], op);
        if (known || !op.n) continue;
        if (*n == NAMED) {
            more++;
            continue;
        }
        html(h, "%s<code>%s</code>", *n ? SPAN(", ") : SPAN(""), op);
        seen[*n] = web_keep(q, op);
        ++*n;
    }
    if (more) html(h, " and %n more", more);
    return err;
}

static void put_work(struct html *h, const struct kernel_shown *k, const struct html *ops,
                     int n_ops)
{
    bool reduces = span_is(k->role, "reduction") || span_is(k->role, "persistent");
    if (k->combined > 0) html(h, "Launches %n independent kernels at once", k->combined);
    else if (span_is(k->role.p ? k->role : k->kind, "extern")) html(h, "A library's kernel");
    else if (reduces && k->outer_points != STORE_NULL && k->inner_points != STORE_NULL)
        html(h, "Reduces %n rows of %n points", k->outer_points, k->inner_points);
    else if (k->outer_points != STORE_NULL) html(h, "One pass over %n points", k->outer_points);
    else html(h, "A %s kernel", kernel_role_word(k->role, k->kind));
    if (n_ops) {
        html(h, ": ");
        buf_span(&h->out, buf_text(&ops->out));
    }
}

/* A library's kernel runs as the call of its operator, which is recorded as such. */
static void put_calls(struct web_request *q, struct html *h, struct span op)
{
    html(h, " It runs as a call of its operator: <a href=\"%s\">calls of <code>%s</code></a>.",
         web_link(q, "/operators", "op", op.p, NULL), op);
}

static void put_times(struct web_request *q, struct html *h, const struct kernel_shown *k,
                      struct span op)
{
    if (k->launches == STORE_NULL) {
        html(h, "</b> ");
        if (span_is(k->role, "extern") && op.n) put_calls(q, h, op);
        else if (k->launches_recorded == 1) html(h, "No launch of it was recorded.");
        else html(h, "Its launches were not recorded.");
        return;
    }
    html(h, " It ran %n %s", k->launches, k->launches == 1 ? SPAN("time") : SPAN("times"));
    if (k->ended > 0) {
        html(h, " and took %t", k->total_ns);
        if (k->ended > 1) html(h, ", %t each", k->mean_ns);
    }
    html(h, ".</b>");
    if (k->combo != STORE_NULL) html(h, " These are the launches of the combo kernel it is in.");
}

static void put_cost(struct html *h, const struct kernel_shown *k)
{
    char rate[32];
    if (k->bytes_read != STORE_NULL && k->bytes_written != STORE_NULL) {
        html(h, " A launch reads %b and writes %b", k->bytes_read, k->bytes_written);
        if (!isnan(k->bytes_per_ns) && k->combo == STORE_NULL) {
            snprintf(rate, sizeof rate, k->bytes_per_ns < 10 ? "%.2f" : "%.0f", k->bytes_per_ns);
            html(h, ": %s GB/s", rate);
        }
        html(h, ".");
    }
    if (k->recomputed > 0)
        html(h, " %n of its values %s computed here a second time instead of being saved.",
             k->recomputed, k->recomputed == 1 ? SPAN("is") : SPAN("are"));
    if (k->spill_bytes > 0)
        html(h, " <span class=\"t-warn\">It spills %n bytes of registers per thread.</span>",
             k->spill_bytes);
}

enum err kernel_put_answer(struct web_request *q, struct html *h, const struct kernel_shown *k)
{
    struct html ops = {0};
    struct span first = SPAN_NONE;
    int n_ops;
    enum err err = put_operators(q, &ops, &n_ops, &first);
    if (!err) {
        html(h, "<p class=\"answer\"><b>");
        put_work(h, k, &ops, n_ops);
        html(h, ".");
        put_times(q, h, k, first);
        put_cost(h, k);
        html(h, "</p>\n");
    }
    html_release(&ops);
    return err;
}
