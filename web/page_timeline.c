/* page_timeline.c - what ran when: answer, drawing, sums of a stretch, tracks.
 *
 * The drawing of the page is SVG for the view in the address; links zoom and pan it. timeline.js
 * puts a canvas in its place, which takes tiles (timeline_data.c), and fetches this page again for
 * the sums of a selected area and the drawer of a selected event.
 */
#include <stdio.h>

#include "web/asset.h"
#include "web/lay_timeline.h"
#include "web/server.h"
#include "web/timeline_area.h"
#include "web/timeline_pack.h"
#include "web/timeline_page.h"

/* A page waits so long for the whole timeline; ?wait= asks for less, in ms. */
enum { WAIT_MS = 700 };
static const int64_t DEEP_NS = 1000000000;

static int64_t wait_ns(struct web_request *q)
{
    int64_t ms = web_param_int(q, "wait", WAIT_MS);
    return (ms < 0 ? 0 : ms > WAIT_MS ? WAIT_MS : ms) * 1000000;
}

/* ---- words ---- */

const char *timeline_time(struct web_request *q, int64_t ts)
{
    const char *text = arena_printf(&q->arena, "%lld", (long long)ts);
    return text ? text : "";
}

const char *timeline_label(struct web_request *q, const struct timeline_track *k)
{
    static const char *const words[] = {"track", "compiles", "thread", "stream", "value", "memory"};
    const char *word = words[k->kind >= 1 && k->kind <= 5 ? k->kind : 0];
    const char *text = NULL;
    if (k->name.n && (k->kind >= TIMELINE_COUNTER || span_starts(k->name, word)))
        text = arena_printf(&q->arena, "%.*s", SPAN_ARG(k->name));
    else if (k->name.n) text = arena_printf(&q->arena, "%s %.*s", word, SPAN_ARG(k->name));
    else text = arena_printf(&q->arena, "%s %lld", word, (long long)k->tid);
    return text ? text : word;
}

const char *timeline_kind_word(int kind)
{
    static const char *const words[] = {
        "event",  "span",  "instant", "operator", "redistribute", "output placement",
        "kernel", "range", "module",  "text",     "launch",       "copy",
        "wait",   "step",  "error"};
    return words[kind >= 0 && kind < (int)(sizeof words / sizeof *words) ? kind : 0];
}

enum err timeline_view_of(struct web_request *q, const struct timeline *t, struct timeline_view *v)
{
    struct timeline_ask ask = {.t0 = web_param(q, "t0"),
                               .t1 = web_param(q, "t1"),
                               .tracks = web_param(q, "tracks"),
                               .a0 = web_param(q, "a0"),
                               .a1 = web_param(q, "a1"),
                               .on = web_param(q, "on")};
    return timeline_view_make(t, q->run, &ask, &q->arena, v);
}

/* ---- the answer ---- */

/* The track that the answer speaks of: the busiest stream, else the thread of most events. */
static const struct timeline_track *main_track(const struct timeline_view *v)
{
    const struct timeline_track *best = NULL;
    for (int i = 0; i < v->n_tracks; i++) {
        const struct timeline_track *k = &v->t->track.p[v->track[i]];
        if (k->kind != TIMELINE_THREAD && k->kind != TIMELINE_STREAM) continue;
        if (!best || (k->kind > best->kind) ||
            (k->kind == best->kind &&
             (k->kind == TIMELINE_STREAM ? k->busy > best->busy : k->n > best->n)))
            best = k;
    }
    return best;
}

static void put_gap(struct html *h, const struct timeline_view *v, const struct timeline_track *k,
                    const struct timeline_idle *idle)
{
    int64_t end = idle->longest_ts + idle->longest;
    size_t next = lane_lower(&k->lane[0], end);
    html(h, " The longest of %n gaps is %t", idle->n, idle->longest);
    if (next < k->lane[0].n && end < v->t1)
        html(h, ", before <code>%s</code>", v->t->name.p[lane_row_at(&k->lane[0], next).name].text);
    html(h, ".");
}

static void put_losses(struct web_request *q, struct html *h, const struct timeline_view *v)
{
    int64_t n = 0;
    for (size_t i = 0; i < v->t->loss.n; i++)
        if (v->t->loss.p[i].run == v->run) n += v->t->loss.p[i].count > 0 ? 1 : 0;
    if (n)
        html(h, " <a href=\"%s\">%n loss%s</a> noted; what has a time is drawn.",
             web_link(q, "/health", NULL), n, n == 1 ? " was" : "es were");
}

static void put_answer(struct web_request *q, struct html *h, const struct timeline_view *v)
{
    const struct timeline_track *k = main_track(v);
    bool whole = v->t0 == v->base && v->t1 == v->end;
    html(h, "<p class=\"answer\"><b>");
    if (k) {
        struct timeline_idle idle = timeline_idle_of(k, v->t0, v->t1);
        html(h, "%s %t; %s was busy for %p of it.</b>", whole ? "The run took" : "This stretch is",
             v->t1 - v->t0, timeline_label(q, k), 1 - (double)idle.total / (double)(v->t1 - v->t0));
        if (idle.n) put_gap(h, v, k, &idle);
    } else
        html(h,
             "Compile phases over %t; nothing that ran was recorded.</b> The logs hold no "
             "operators, launches or copies: <code>plumb run</code> records them, and a profile "
             "of the same run can be imported beside them.",
             v->t1 - v->t0);
    put_losses(q, h, v);
    html(h, "</p>\n");
}

/* ---- controls ---- */

static void put_chip(struct web_request *q, struct html *h, const struct timeline_view *v, int kind,
                     const char *label)
{
    struct buf keys = {0};
    int n = 0;
    for (size_t i = 0; i < v->t->track.n; i++) {
        const struct timeline_track *k = &v->t->track.p[i];
        if (k->run != v->run || k->kind != kind || k->first > k->last) continue;
        buf_printf(&keys, "%s%s", n++ ? "," : "", k->key);
    }
    struct span kept = web_keep(q, buf_text(&keys));
    buf_release(&keys);
    const char *now = web_param(q, "tracks");
    if (n && n < v->n_all && kept.n < 2000)
        web_chip(h, now && span_is(kept, now), web_here(q, "tracks", kept.p, NULL), span_of(label),
                 n);
}

static void put_controls(struct web_request *q, struct html *h, const struct timeline_view *v)
{
    html(h, "<form class=\"filter\" method=\"get\" action=\"/timeline\" role=\"search\">");
    web_hidden(q, h, (const char *const[]){"q", "token", "sel", NULL});
    html(h,
         "<input class=\"q\" type=\"search\" name=\"q\" value=\"%s\" placeholder=\"Name on a "
         "track\" "
         "aria-label=\"Find on the timeline\">",
         web_param(q, "q") ? web_param(q, "q") : "");
    web_chip(h, !web_param(q, "tracks"), web_here(q, "tracks", "", NULL), SPAN("All tracks"),
             v->n_all);
    put_chip(q, h, v, TIMELINE_THREAD, "Threads");
    put_chip(q, h, v, TIMELINE_STREAM, "Streams");
    put_chip(q, h, v, TIMELINE_CHROMIUM, "Compile phases");
    html(h, "<span class=\"n js\"><span><kbd>w</kbd> <kbd>s</kbd> zoom \xc2\xb7 <kbd>a</kbd> "
            "<kbd>d</kbd> pan \xc2\xb7 <kbd>.</kbd> <kbd>,</kbd> next, previous \xc2\xb7 "
            "<kbd>m</kbd> measure \xc2\xb7 <kbd>f</kbd> fit</span></span></form>\n");
}

/* The first event at or after the begin of the view whose name holds the words. */
static void put_found(struct web_request *q, struct html *h, const struct timeline_view *v)
{
    const char *words = web_param(q, "q");
    if (!words) return;
    struct timeline_pick at = timeline_pick_parse(v, web_param(q, "sel"));
    int64_t from = v->t0 - 1;
    if (at.track >= 0) from = lane_row_at(&v->t->track.p[at.track].lane[at.lane], at.at).ts;
    struct timeline_pick p = timeline_step(v, -1, -1, from, 1, words, &q->arena);
    if (p.track < 0) p = timeline_step(v, -1, -1, v->base - 1, 1, words, &q->arena);
    if (p.track < 0) {
        int64_t n = 0;
        for (int i = 0; i < v->n_tracks; i++) n += v->t->track.p[v->track[i]].n;
        web_state(h, WEB_NO_MATCH,
                  arena_printf(&q->arena,
                               "Nothing on these tracks matches \xe2\x80\x9c%s\xe2\x80\x9d.",
                               words),
                  arena_printf(&q->arena, "%lld events were searched.", (long long)n));
        return;
    }
    struct lane_row r = lane_row_at(&v->t->track.p[p.track].lane[p.lane], p.at);
    int64_t half = (v->t1 - v->t0) / 2;
    const char *t0 = NULL, *t1 = NULL;
    if (r.ts < v->t0 || r.ts >= v->t1)
        t0 = timeline_time(q, r.ts - half), t1 = timeline_time(q, r.ts + half);
    html(h,
         "<p class=\"note\">Next with \xe2\x80\x9c%s\xe2\x80\x9d: <a href=\"%s\" "
         "id=\"found\"><code>%s</code></a>, %t after the start.</p>\n",
         words, web_here(q, "sel", timeline_pick_print(v, p, &q->arena), "t0", t0, "t1", t1, NULL),
         v->t->name.p[r.name].text, r.ts - v->base);
}

static void put_zoom_link(struct web_request *q, struct html *h, const struct timeline_view *v,
                          const char *label, double from, double to)
{
    double length = (double)(v->t1 - v->t0);
    int64_t t0 = v->t0 + (int64_t)(length * from), t1 = v->t0 + (int64_t)(length * to);
    if (t0 < v->base) t1 += v->base - t0, t0 = v->base;
    if (t1 > v->end) t0 -= t1 - v->end, t1 = v->end;
    if (t0 < v->base) t0 = v->base;
    if (t1 <= t0 || (t0 == v->t0 && t1 == v->t1)) return;
    html(h, "<a href=\"%s\">%s</a>",
         web_here(q, "t0", timeline_time(q, t0), "t1", timeline_time(q, t1), NULL), label);
}

static void put_key(struct web_request *q, struct html *h, const struct timeline_view *v)
{
    static const struct {
        const char *class_, *word;
    } colours[] = {{"c1", "contraction, operator"}, {"c3", "pointwise, reduction"},
                   {"c5", "attention, combo"},      {"c4", "collective"},
                   {"c2", "copy, range"},           {"c6", "host, compile phase"}};
    html(h, "<p class=\"key\">");
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        html(h,
             "<span><svg width=\"14\" height=\"12\" aria-hidden=\"true\"><rect class=\"%s\" "
             "x=\".5\" y=\".5\" width=\"13\" height=\"11\"/></svg>%s</span>",
             colours[i].class_, colours[i].word);
    html(h, "<span>hatched, \xc3\x97N: events too short to draw singly</span>");
    put_zoom_link(q, h, v, "zoom in", 0.25, 0.75);
    put_zoom_link(q, h, v, "zoom out", -0.5, 1.5);
    put_zoom_link(q, h, v, "earlier", -0.5, 0.5);
    put_zoom_link(q, h, v, "later", 0.5, 1.5);
    if (v->t0 > v->base || v->t1 < v->end)
        html(h, "<a href=\"%s\">whole run</a>", web_here(q, "t0", "", "t1", "", NULL));
    html(h, "</p>\n");
}

static enum err put_clocks(struct web_request *q, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    int64_t logs = 0, readings = 0, worst = -1;
    bool guessed = false, ticks = false;
    TRY(web_query(q, "timeline_clocks", &s));
    while (web_step(q, s, &err)) {
        logs++;
        readings += web_int(s, "readings");
        if (web_int(s, "spread_ns") > worst) worst = web_int(s, "spread_ns");
        guessed |= span_is(web_text(s, "kind"), "file");
        ticks |= span_is(web_text(s, "kind"), "ticks");
    }
    TRY(err);
    if (!logs) return ERR_OK;
    html(h, "<p class=\"note\">Clocks: %n reading%s of %n source%s", readings,
         readings == 1 ? "" : "s", logs, logs == 1 ? "" : "s");
    if (worst > 0)
        html(h,
             "; those of one source lie up to %t apart, so that times of different sources may "
             "be wrong by as much",
             worst);
    if (ticks) html(h, "; threads count processor ticks, which are set to the clock of the system");
    if (guessed)
        html(h, "; <b class=\"t-warn\">a log without a clock has the date of its file</b>");
    html(h, ". <a href=\"%s\">SQL</a></p>\n", web_data_link(q, "timeline_clocks", NULL));
    return ERR_OK;
}

/* ---- the drawing ---- */

static void put_mount(struct web_request *q, struct html *h, const struct timeline *t)
{
    html(h,
         "<div class=\"dw\" id=\"timeline\" data-index=\"%s\" data-tiles=\"%s\" data-step=\"%s\" "
         "data-flow=\"%s\"%s>",
         web_link(q, "/timeline/index", "g", t->tag, "sel", web_param(q, "sel"), NULL),
         web_link(q, "/timeline/tiles", "g", t->tag, NULL), web_link(q, "/timeline/step", NULL),
         web_link(q, "/timeline/flow", NULL), t->state == TIMELINE_READING ? " data-reading" : "");
}

static enum err put_drawing(struct web_request *q, struct html *h, const struct timeline_view *v)
{
    struct buf title = {0}, note = {0};
    html_number(&title, 'm', html_of_int(v->t0 - v->base));
    buf_puts(&title, " to ");
    html_number(&title, 'm', html_of_int(v->t1 - v->base));
    buf_puts(&title, " ms");
    html_number(&note, 't', html_of_real((double)(v->t1 - v->t0) / 1036));
    buf_puts(&note, " per pixel \xc2\xb7 ");
    html_number(&note, 'n', html_of_int(timeline_count(v, v->t0, v->t1)));
    buf_puts(&note, " events begin in it");
    web_section(q, h, "view", web_keep(q, buf_text(&title)).p, web_keep(q, buf_text(&note)).p,
                "timeline_events");
    buf_release(&title);
    buf_release(&note);
    put_mount(q, h, v->t);
    TRY(timeline_draw(q, h, v, "What ran when; the tables below have the same"));
    html(h, "</div>\n");
    put_key(q, h, v);
    TRY(put_clocks(q, h));
    web_section_end(h);
    html(h, "<script src=\"/a/timeline.js?v=%s\" defer></script>\n", web_asset_tag("timeline.js"));
    return ERR_OK;
}

/* ---- states ---- */

static enum err put_nothing(struct web_request *q, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    int64_t calls = 0, compiles = 0;
    TRY(web_query(q, "timeline_untimed", &s));
    if (web_step(q, s, &err)) calls = web_int(s, "calls"), compiles = web_int(s, "compiles");
    sqlite3_reset(s);
    TRY(err);
    if (!q->run)
        web_state(
            h, WEB_EMPTY, "This file compares two runs and has no events of its own.",
            "The switch of files above leads to the two; events that differ are marked there.");
    else if (calls > 0)
        web_state(h, WEB_NOT_RECORDED,
                  arena_printf(&q->arena, "%lld calls in this run, none of which has a time.",
                               (long long)calls),
                  "A saved log of DebugMode holds calls in their order, and no clock. Operators "
                  "has them. `plumb run` and profiles have times.");
    else if (compiles > 0)
        web_state(h, WEB_NOT_RECORDED,
                  arena_printf(&q->arena, "%lld compiles in this run, and no phases with times.",
                               (long long)compiles),
                  "The logs hold no chromium events. Compiles has what was compiled.");
    else
        web_state(h, WEB_NOT_RECORDED, "No events in this run.",
                  "Nothing that ran was recorded. Record with `plumb run`, or `plumb record -- "
                  "COMMAND`, or import a TORCH_TRACE log.");
    return ERR_OK;
}

/* A stretch so short that its rows can be read from the table at once. */
static bool is_deep(struct web_request *q)
{
    int64_t t0 = web_param_int(q, "t0", 0), t1 = web_param_int(q, "t1", 0);
    return t0 > 0 && t1 > t0 && t1 - t0 <= DEEP_NS;
}

static enum err put_reading(struct web_request *q, struct html *h, struct timeline *t)
{
    int64_t read = t->n_read, total = t->n_total;
    web_job_of(q)->no_store = true;
    double share = total > 0 ? (double)read / (double)total : 0;
    html(h,
         "<p class=\"answer\" id=\"reading\"><b>Reading the trace: %p, %n of at most %n "
         "events.</b> Until then how many events begin when; <a href=\"%s\">look again</a>.</p>\n",
         share, read, total, web_here(q, NULL));
    html(h, "<section id=\"view\">");
    put_mount(q, h, t);
    TRY(timeline_draw_coarse(q, h, t));
    html(h, "</div></section>\n");
    if (is_deep(q)) TRY(timeline_put_rows(q, h));
    html(h, "<script src=\"/a/timeline.js?v=%s\" defer></script>\n", web_asset_tag("timeline.js"));
    return ERR_OK;
}

static void put_left_out(struct html *h, const struct timeline *t)
{
    if (t->n_untimed)
        html(h,
             "<p class=\"note\">%n events of this file have no time and stand on no track.</p>\n",
             t->n_untimed);
    if (t->n_trackless)
        html(h, "<p class=\"note\">%n events of this file name no track that it has.</p>\n",
             t->n_trackless);
    if (t->n_outside)
        html(h,
             "<p class=\"note t-warn\">%n events are not drawn: their times lie more than 39 hours "
             "from the others of their track, or outside the years 1970 to 2116.</p>\n",
             t->n_outside);
}

static enum err put_timeline(struct web_request *q, struct html *h, struct timeline *t)
{
    struct timeline_view v;
    if (t->state == TIMELINE_READING) return put_reading(q, h, t);
    TRY(timeline_view_of(q, t, &v));
    if (!v.n_all) {
        TRY(put_nothing(q, h));
        put_left_out(h, t);
        return ERR_OK;
    }
    html(&q->actions,
         "<a href=\"%s\">Kernels as a table</a><a href=\"%s\" id=\"here\">Link to this "
         "view</a>",
         web_link(q, "/kernels", NULL),
         web_here(q, "t0", timeline_time(q, v.t0), "t1", timeline_time(q, v.t1), NULL));
    put_answer(q, h, &v);
    put_controls(q, h, &v);
    put_found(q, h, &v);
    TRY(put_drawing(q, h, &v));
    TRY(timeline_put_area(q, h, &v));
    TRY(timeline_put_tracks(q, h, &v));
    put_left_out(h, t);
    return timeline_put_slice(q, &v);
}

enum err page_timeline(struct web_request *q, struct html *h)
{
    struct timeline *t;
    web_crumb(q, h, "Timeline", NULL);
    TRY(timeline_get(q, wait_ns(q), &t));
    enum err err = put_timeline(q, h, t);
    timeline_put(q, t);
    return err;
}
