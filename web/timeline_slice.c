/* timeline_slice.c - the drawer of a selected event: what it is, where it leads, its arguments. */
#include <string.h>

#include "web/calls.h"
#include "web/kernel.h"
#include "web/say.h"
#include "web/timeline_page.h"

static void put_fact(struct html *h, const char *name, struct span value)
{
    if (value.n) html(h, "<dt>%s</dt><dd>%s</dd>", name, value);
}

static void put_count(struct html *h, const char *name, int64_t value)
{
    if (value != STORE_NULL) html(h, "<dt>%s</dt><dd>%n</dd>", name, value);
}

static void put_bytes(struct html *h, const char *name, int64_t value, int64_t dur)
{
    if (value == STORE_NULL) return;
    html(h, "<dt>%s</dt><dd>%b", name, value);
    if (dur > 0)
        html(h, " <span class=\"dim\">%d GB/s</span>", (int64_t)((double)value / (double)dur));
    html(h, "</dd>");
}

/* Address of this page with another event selected. */
static const char *pick_link(struct web_request *q, const struct timeline_view *v,
                             struct timeline_pick p)
{
    struct lane_row r = lane_row_at(&v->t->track.p[p.track].lane[p.lane], p.at);
    const char *sel = timeline_pick_print(v, p, &q->arena);
    if (r.ts >= v->t0 && r.ts < v->t1) return web_here(q, "sel", sel, NULL);
    int64_t half = (v->t1 - v->t0) / 2, t0 = r.ts - half > v->base ? r.ts - half : v->base;
    return web_here(q, "sel", sel, "t0", timeline_time(q, t0), "t1",
                    timeline_time(q, t0 + (v->t1 - v->t0)), NULL);
}

static void put_times(struct web_request *q, const struct timeline_view *v, struct timeline_pick p,
                      struct html *h)
{
    const struct timeline_track *k = &v->t->track.p[p.track];
    struct lane_row r = lane_row_at(&k->lane[p.lane], p.at);
    html(h,
         "<dt>Track</dt><dd>%s</dd><dt>Begins</dt><dd>%t after the start <span "
         "class=\"dim\">%c UTC</span></dd>",
         timeline_label(q, k), r.ts - v->base, r.ts);
    if (r.flags & LANE_UNCLOSED) html(h, "<dt>Took</dt><dd class=\"t-warn\">never closed</dd>");
    else if (!(r.flags & LANE_INSTANT))
        html(h, "<dt>Took</dt><dd>%t <span class=\"dim\">%d ns</span></dd>", r.dur, r.dur);
    if (r.flags & LANE_ERROR) html(h, "<dt>Error</dt><dd class=\"t-bad\">reported in it</dd>");
    if (r.flags & LANE_NONFINITE)
        html(h, "<dt>Values</dt><dd class=\"t-bad\">a NaN or an infinity</dd>");
}

static void put_launch(struct web_request *q, sqlite3_stmt *s, struct html *h)
{
    int64_t dur = web_int(s, "dur"), kernel = web_int(s, "kernel");
    if (kernel != STORE_NULL) {
        html(h, "<dt>Kernel</dt><dd>");
        kernel_name(q, h, kernel, web_text(s, "name"));
        html(h, "</dd>");
    }
    put_fact(h, "Site", web_text(s, "site"));
    put_fact(h, "Ran as", web_text(s, "variant"));
    put_count(h, "Points", web_int(s, "items"));
    put_count(h, "Threads", web_int(s, "threads"));
    put_fact(h, "Grid", web_text(s, "grid"));
    put_fact(h, "Block", web_text(s, "block"));
    put_count(h, "Registers", web_int(s, "registers"));
    put_bytes(h, "Shared", web_int(s, "shared"), 0);
    put_bytes(h, "Reads", web_int(s, "bytes_read"), dur);
    put_bytes(h, "Writes", web_int(s, "bytes_written"), dur);
    put_count(h, "Flops", web_int(s, "flops"));
    put_bytes(h, "Copies", web_int(s, "copy_bytes"), dur);
}

static void put_where(struct web_request *q, const struct timeline_view *v, sqlite3_stmt *s,
                      struct html *h)
{
    int64_t id = web_int(s, "parent_id");
    if (id != STORE_NULL && web_int(s, "parent_ts") != STORE_NULL) {
        struct timeline_pick p =
            timeline_find(v, web_int(s, "parent_track"), web_int(s, "parent_ts"), id);
        if (p.track >= 0)
            html(h, "<dt>In</dt><dd><a href=\"%s\">%s</a></dd>", pick_link(q, v, p),
                 web_text(s, "parent"));
    }
    if (web_text(s, "compile_id").p) {
        html(h, "<dt>Compile</dt><dd>");
        web_compile_link(q, h, web_keep(q, web_text(s, "log")),
                         web_keep(q, web_text(s, "compile_id")), web_int(s, "occurrence"),
                         web_keep(q, web_text(s, "outcome")));
        html(h, "</dd>");
    }
    if (web_int(s, "position") != STORE_NULL)
        html(h, "<dt>Call</dt><dd><a href=\"%s\">%n in %s</a></dd>",
             calls_link(q, web_keep(q, web_text(s, "call_log")), web_int(s, "position")),
             web_int(s, "position"), web_text(s, "call_log"));
}

static void put_call(sqlite3_stmt *s, struct html *h)
{
    struct span args = web_text(s, "args"), kwargs = web_text(s, "kwargs"),
                output = web_text(s, "output");
    if (args.n)
        html(h, "<section><h3>Arguments</h3><pre class=\"code\">%s%s</pre></section>",
             span_to(args, 4000), span_to(kwargs, 2000));
    if (output.n)
        html(h, "<section><h3>Result</h3><pre class=\"code\">%s</pre></section>",
             span_to(output, 4000));
}

static enum err put_arguments(struct web_request *q, int64_t id, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    int n = 0;
    TRY(web_query(q, "timeline_arguments", &s));
    TRY(store_bind_int(s, ":id", id));
    while (web_step(q, s, &err)) {
        if (!n++) html(h, "<section><h3>Recorded with it</h3><dl class=\"kv\">");
        html(h, "<dt>%s</dt><dd>%s</dd>", web_text(s, "key"), span_to(web_text(s, "value"), 1000));
    }
    if (n) html(h, "</dl></section>");
    return err;
}

static enum err put_flow(struct web_request *q, const struct timeline_view *v, int64_t id,
                         struct html *h)
{
    static const char *const to[] = {"leads to", "its backward", "launches", "is waited for by",
                                     "its result is used by"};
    static const char *const from[] = {"comes from", "is the backward of", "launched by",
                                       "waits for", "uses what this compiled"};
    sqlite3_stmt *s;
    enum err err;
    int n = 0;
    TRY(web_query(q, "timeline_flow", &s));
    TRY(store_bind_int(s, ":id", id));
    while (web_step(q, s, &err)) {
        int64_t kind = web_int(s, "kind");
        bool forward = span_is(web_text(s, "direction"), "to");
        struct timeline_pick p =
            timeline_find(v, web_int(s, "track"), web_int(s, "ts"), web_int(s, "id"));
        if (!n++) html(h, "<section><h3>Leads</h3><dl class=\"kv\">");
        html(h, "<dt>%s</dt><dd>", (forward ? to : from)[kind >= 1 && kind <= 4 ? kind : 0]);
        if (p.track >= 0) html(h, "<a href=\"%s\">%s</a>", pick_link(q, v, p), web_text(s, "name"));
        else html(h, "%s", web_text(s, "name"));
        html(h, "</dd>");
    }
    if (n) html(h, "</dl></section>");
    return err;
}

static void put_steps(struct web_request *q, const struct timeline_view *v, struct timeline_pick p,
                      struct html *h)
{
    int64_t ts = lane_row_at(&v->t->track.p[p.track].lane[p.lane], p.at).ts;
    struct timeline_pick before = timeline_step(v, p.track, p.lane, ts, -1, NULL, &q->arena),
                         after = timeline_step(v, p.track, p.lane, ts, 1, NULL, &q->arena);
    html(h, "<p class=\"note\">");
    if (before.track >= 0)
        html(h, "<a rel=\"prev\" href=\"%s\">Previous</a> ", pick_link(q, v, before));
    if (after.track >= 0) html(h, "<a rel=\"next\" href=\"%s\">Next</a>", pick_link(q, v, after));
    html(h, " <a href=\"%s\">Close</a></p>", web_here(q, "sel", "", NULL));
}

enum err timeline_put_slice(struct web_request *q, const struct timeline_view *v)
{
    struct timeline_pick p = timeline_pick_parse(v, web_param(q, "sel"));
    struct html *h = &q->drawer;
    sqlite3_stmt *s;
    enum err err;
    if (!web_param(q, "sel")) return ERR_OK;
    if (p.track < 0) {
        html(h,
             "<h2>Not here</h2><p class=\"note\">No event of this run begins where the address "
             "says. <a href=\"%s\">Close</a></p>",
             web_here(q, "sel", "", NULL));
        return ERR_OK;
    }
    struct lane_row r = lane_row_at(&v->t->track.p[p.track].lane[p.lane], p.at);
    const struct timeline_name *name = &v->t->name.p[r.name];
    html(h, "<p class=\"dim small\">%s</p><h2>%l</h2>", timeline_kind_word(name->kind), name->text);
    put_steps(q, v, p, h);
    TRY(web_query(q, "timeline_event", &s));
    TRY(store_bind_int(s, ":id", r.id));
    if (!web_step(q, s, &err)) return err;
    html(h, "<dl class=\"kv\">");
    put_times(q, v, p, h);
    put_where(q, v, s, h);
    put_launch(q, s, h);
    html(h, "</dl>");
    put_call(s, h);
    say_stack(h, "Stack", web_text(s, "stack_text"));
    sqlite3_reset(s);
    TRY(put_flow(q, v, r.id, h));
    return put_arguments(q, r.id, h);
}
