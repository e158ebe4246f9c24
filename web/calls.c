/* calls.c - names, arguments and hashes of calls, cut to what a row has room for. */
#include "web/calls.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/debug_call.h"

enum { SHOWN = 160, TITLE = 4000, DIGITS = 8 };

static int64_t whole(sqlite3_stmt *s, const char *name)
{
    int64_t v = web_int(s, name);
    return v == STORE_NULL ? 0 : v;
}

void calls_read(struct web_request *q, sqlite3_stmt *s, struct calls_row *out)
{
    *out = (struct calls_row){.position = web_int(s, "position"),
                              .event = web_int(s, "id"),
                              .parent = web_int(s, "parent"),
                              .kind = web_int(s, "kind"),
                              .hashes = whole(s, "hashes"),
                              .nonfinite = whole(s, "nonfinite"),
                              .stack = whole(s, "stack"),
                              .flags = whole(s, "flags"),
                              .ts = web_int(s, "ts"),
                              .dur = web_int(s, "dur"),
                              .name = web_kept(q, s, "name"),
                              .args = web_kept(q, s, "args"),
                              .kwargs = web_kept(q, s, "kwargs"),
                              .output = web_kept(q, s, "output"),
                              .rest = web_kept(q, s, "rest"),
                              .placements = web_kept(q, s, "placements"),
                              .hashes_in = web_kept(q, s, "hashes_in"),
                              .hashes_out = web_kept(q, s, "hashes_out"),
                              .step = web_kept(q, s, "step")};
}

struct span calls_head(struct span s, size_t n)
{
    if (s.n <= n) return s;
    while (n && (s.p[n] & 0xc0) == 0x80) n--;
    return span_to(s, n);
}

static void put_cut(struct html *h, struct span s)
{
    struct span shown = calls_head(s, SHOWN);
    html(h, "%s", shown);
    if (shown.n < s.n) html(h, "\xe2\x80\xa6");
}

static struct span without(struct span s, struct span lead)
{
    return span_starts(s, lead.p) ? span_from(s, lead.n) : s;
}

void calls_name(struct html *h, const struct calls_row *c)
{
    switch (c->kind) {
    case DEBUG_REDISTRIBUTE: html(h, "redistribute_input"); break;
    case DEBUG_OUTPUT: html(h, "-> output"); break;
    case DEBUG_TRITON:
        html(h, "<span class=\"dim\">[%s]</span> ",
             c->flags & DEBUG_PLUMB ? SPAN("plumb") : SPAN("triton"));
        break;
    case DEBUG_ANNOTATE:
    case DEBUG_MODULE:
        html(h, "<span class=\"dim\">[%s]</span> ", calls_head(c->args, SHOWN));
        break;
    case DEBUG_TEXT: put_cut(h, c->rest); break;
    default: break;
    }
    put_cut(h, c->name);
}

void calls_arguments(struct html *h, const struct calls_row *c)
{
    bool scope = c->kind == DEBUG_ANNOTATE || c->kind == DEBUG_MODULE;
    struct span args = scope ? SPAN_NONE : c->args;
    struct span kwargs = args.n ? c->kwargs : without(c->kwargs, SPAN(", "));
    html(h, "<code title=\"%s%s\">", calls_head(args, TITLE), calls_head(kwargs, TITLE));
    put_cut(h, args);
    if (args.n < SHOWN) put_cut(h, kwargs);
    if (c->placements.p) html(h, " <span class=\"dim\">%s</span>", c->placements);
    html(h, "</code>");
}

void calls_result(struct html *h, const struct calls_row *c)
{
    struct span output = without(c->output, SPAN("  ->  "));
    if (!output.n) return;
    html(h, "<code title=\"%s\">", calls_head(output, TITLE));
    put_cut(h, output);
    html(h, "</code>");
}

void calls_hash(struct html *h, struct span hash, bool differs)
{
    bool digest = span_starts(hash, "0x");
    struct span shown = digest ? span_to(span_from(hash, 2), DIGITS) : hash;
    char number[32];
    double v;
    if (!hash.n) {
        html(h, "<span class=\"dim\">\xe2\x80\x93</span>");
        return;
    }
    if (!digest && hash.n > 12 && span_to_f64(hash, &v)) {
        snprintf(number, sizeof number, "%.7g", v);
        shown = span_of(number);
    }
    html(h, "<code%s title=\"%s\">%s</code>", differs ? SPAN(" class=t-bad") : SPAN(""), hash,
         shown);
}

void calls_hashes(struct html *h, struct span hashes, int n)
{
    int k = 0, more = 0;
    while (hashes.n) {
        size_t blank = span_find(hashes, SPAN(" "), 0);
        struct span hash = span_to(hashes, blank);
        if (k < n) {
            if (k++) html(h, " ");
            calls_hash(h, hash, false);
        } else {
            more++;
        }
        hashes = blank == SIZE_MAX ? SPAN("") : span_from(hashes, blank + 1);
    }
    if (more) html(h, " <span class=\"dim\">+%d</span>", more);
}

void calls_nonfinite_mark(struct html *h, int64_t nonfinite)
{
    if (nonfinite == 2) web_mark(h, "bad", "N", "a NaN or an infinity came up here");
    else if (nonfinite == 3) web_mark(h, "warn", "N", "a NaN or an infinity came in and went on");
    else if (nonfinite == 1) web_mark(h, "", "N", "a NaN or an infinity came in and ended here");
}

const char *calls_link(struct web_request *q, struct span log, int64_t position)
{
    return web_link(q, "/call", "log", web_keep(q, log).p, "call",
                    arena_printf(&q->arena, "%lld", (long long)position), NULL);
}

void calls_number(struct html *h, double v)
{
    char text[40], shown[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    snprintf(shown, sizeof shown, "%.6g", v);
    if (isnan(v)) html(h, "<span class=\"dim\">\xe2\x80\x93</span>");
    else if (!strcmp(text, shown)) html(h, "%s", text);
    else html(h, "<span title=\"%s\">%s</span>", text, shown);
}
