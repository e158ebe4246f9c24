/* timeline_data.c - what timeline.js asks for: index, tiles, steps.
 *
 *   /timeline/index   JSON: base and end, tracks, names, losses; {"reading": share} until ready
 *   /timeline/tiles   ?g=TAG&level=&tile=&tracks=  packed marks (timeline_pack.h), kept for ever by
 *                     the browser: g names the contents of the file
 *   /timeline/step    ?t=&dir=1|-1&q=&track=&lane=  JSON: the next event, or null
 *   /timeline/flow    ?sel=  JSON: events that one leads to or comes from
 */
#include <string.h>

#include "web/server.h"
#include "web/timeline_pack.h"
#include "web/timeline_page.h"

static const int64_t WAIT_NS = 4000000000;

static enum err get_view(struct web_request *q, struct timeline **t, struct timeline_view *v)
{
    TRY(timeline_get(q, WAIT_NS, t));
    if ((*t)->state == TIMELINE_READING) return ERR_OK;
    enum err err = timeline_view_of(q, *t, v);
    if (err) timeline_put(q, *t);
    return err;
}

static void put_pick(struct web_request *q, struct html *h, const struct timeline_view *v,
                     struct timeline_pick p)
{
    const struct timeline_track *k = &v->t->track.p[p.track];
    struct lane_row r = lane_row_at(&k->lane[p.lane], p.at);
    buf_printf(&h->out,
               "{\"track\":%d,\"lane\":%d,\"ts\":%lld,\"dur\":%lld,\"name\":%d,\"sel\":", p.track,
               p.lane, (long long)(r.ts - v->base), (long long)r.dur, r.name);
    buf_json(&h->out, span_of(timeline_pick_print(v, p, &q->arena)));
    buf_puts(&h->out, "}");
}

/* ---- index ---- */

static void put_text(struct html *h, const char *name, struct span s)
{
    buf_printf(&h->out, ",\"%s\":", name);
    buf_json(&h->out, s);
}

static void put_track(struct web_request *q, struct html *h, const struct timeline_view *v, int i)
{
    const struct timeline_track *k = &v->t->track.p[i];
    buf_printf(&h->out,
               "{\"i\":%d,\"kind\":%d,\"process\":%lld,\"lanes\":%d,\"n\":%lld,\"busy\":%lld,"
               "\"first\":%lld,\"last\":%lld",
               i, k->kind, (long long)k->process, k->n_lanes, (long long)k->n, (long long)k->busy,
               (long long)(k->first - v->base), (long long)(k->last - v->base));
    if (k->rank != STORE_NULL) buf_printf(&h->out, ",\"rank\":%lld", (long long)k->rank);
    if (k->pid != STORE_NULL) buf_printf(&h->out, ",\"pid\":%lld", (long long)k->pid);
    if (k->point.n) {
        buf_puts(&h->out, ",\"low\":");
        buf_json_real(&h->out, k->low);
        buf_puts(&h->out, ",\"high\":");
        buf_json_real(&h->out, k->high);
    }
    put_text(h, "key", span_of(k->key));
    put_text(h, "label", span_of(timeline_label(q, k)));
    buf_putc(&h->out, '}');
}

static void put_names(struct html *h, const struct timeline *t)
{
    for (size_t i = 0; i < t->name.n; i++) {
        const struct timeline_name *n = &t->name.p[i];
        buf_printf(&h->out, "%s[", i ? ",\n" : "");
        buf_json(&h->out, n->text);
        buf_printf(&h->out, ",%d,%d,%lld]", n->kind, n->colour, (long long)n->n);
    }
}

static void put_losses(struct html *h, const struct timeline_view *v)
{
    bool first = true;
    for (size_t i = 0; i < v->t->loss.n; i++) {
        const struct timeline_loss *l = &v->t->loss.p[i];
        if (l->run != v->run || l->ts < v->base || l->ts > v->end) continue;
        buf_printf(&h->out, "%s[%lld,%lld,", first ? "" : ",", (long long)(l->ts - v->base),
                   (long long)l->count);
        buf_json(&h->out, l->message);
        buf_putc(&h->out, ']');
        first = false;
    }
}

static void put_map(struct html *h, const struct timeline_view *v)
{
    double share[TIMELINE_MAP];
    buf_puts(&h->out, "],\n\"map\":[");
    for (int streams = 0; streams < 2; streams++) {
        timeline_map(v, streams, share);
        for (int c = 0; c < TIMELINE_MAP; c++)
            buf_printf(&h->out, "%s%.3g", c || streams ? "," : "", share[c]);
    }
}

static void put_index(struct web_request *q, struct html *h, const struct timeline_view *v)
{
    buf_printf(&h->out, "{\"tag\":\"%s\",\"base\":\"%lld\",\"length\":%lld,\"tracks\":[\n",
               v->t->tag, (long long)v->base, (long long)(v->end - v->base));
    for (int i = 0, n = 0; i < (int)v->t->track.n; i++) {
        const struct timeline_track *k = &v->t->track.p[i];
        if (k->run != v->run || k->first > k->last) continue;
        buf_puts(&h->out, n++ ? ",\n" : "");
        put_track(q, h, v, i);
    }
    put_map(h, v);
    buf_puts(&h->out, "],\n\"names\":[");
    put_names(h, v->t);
    buf_puts(&h->out, "],\n\"losses\":[");
    put_losses(h, v);
    buf_putc(&h->out, ']');
    struct timeline_pick p = timeline_pick_parse(v, web_param(q, "sel"));
    if (p.track >= 0) {
        buf_puts(&h->out, ",\n\"picked\":");
        put_pick(q, h, v, p);
    }
    buf_puts(&h->out, "}\n");
}

static enum err page_index(struct web_request *q, struct html *h)
{
    struct timeline *t;
    struct timeline_view v;
    q->content_type = "application/json; charset=utf-8";
    TRY(get_view(q, &t, &v));
    if (t->state == TIMELINE_READING) {
        web_job_of(q)->no_store = true;
        buf_printf(&h->out, "{\"reading\":%.3f}\n",
                   t->n_total > 0 ? (double)t->n_read / (double)t->n_total : 0);
    } else put_index(q, h, &v);
    timeline_put(q, t);
    return ERR_OK;
}

/* ---- tiles ---- */

static enum err page_tiles(struct web_request *q, struct html *h)
{
    struct timeline *t;
    struct timeline_view v;
    const char *tag = web_param(q, "g");
    TRY(get_view(q, &t, &v));
    enum err err = ERR_OK;
    web_job_of(q)->no_store = true; /* the browser keeps it; here it would put pages out */
    if (t->state == TIMELINE_READING) err = err_set(ERR_LIMIT, "the timeline is still being read");
    else if (!tag || strcmp(tag, t->tag))
        err = err_set(ERR_NOT_FOUND, "the file is another than the one that this tile is of");
    else
        err = timeline_pack_tile(&v, web_param_int(q, "level", -1), web_param_int(q, "tile", -1),
                                 &h->out);
    timeline_put(q, t);
    if (err) return err;
    q->content_type = "application/octet-stream";
    q->immutable = true;
    return ERR_OK;
}

/* ---- steps ---- */

static enum err page_step(struct web_request *q, struct html *h)
{
    struct timeline *t;
    struct timeline_view v;
    q->content_type = "application/json; charset=utf-8";
    TRY(get_view(q, &t, &v));
    struct timeline_pick p = {.track = -1};
    if (t->state == TIMELINE_READY)
        p = timeline_step(&v, (int)web_param_int(q, "track", -1), (int)web_param_int(q, "lane", -1),
                          web_param_int(q, "t", v.base), web_param_int(q, "dir", 1) < 0 ? -1 : 1,
                          web_param(q, "q"), &q->arena);
    if (p.track >= 0) put_pick(q, h, &v, p);
    else buf_puts(&h->out, "null");
    timeline_put(q, t);
    return ERR_OK;
}

static enum err put_flow(struct web_request *q, struct html *h, const struct timeline_view *v)
{
    sqlite3_stmt *s;
    enum err err;
    struct timeline_pick at = timeline_pick_parse(v, web_param(q, "sel"));
    bool first = true;
    if (at.track < 0) return ERR_OK;
    TRY(web_query(q, "timeline_flow", &s));
    TRY(store_bind_int(s, ":id", lane_row_at(&v->t->track.p[at.track].lane[at.lane], at.at).id));
    while (web_step(q, s, &err)) {
        struct timeline_pick p =
            timeline_find(v, web_int(s, "track"), web_int(s, "ts"), web_int(s, "id"));
        if (p.track < 0) continue;
        buf_printf(&h->out, "%s[%d,", first ? "" : ",", span_is(web_text(s, "direction"), "to"));
        put_pick(q, h, v, p);
        buf_putc(&h->out, ']');
        first = false;
    }
    return err;
}

static enum err page_flow(struct web_request *q, struct html *h)
{
    struct timeline *t;
    struct timeline_view v;
    q->content_type = "application/json; charset=utf-8";
    TRY(get_view(q, &t, &v));
    buf_putc(&h->out, '[');
    enum err err = t->state == TIMELINE_READY ? put_flow(q, h, &v) : ERR_OK;
    buf_putc(&h->out, ']');
    timeline_put(q, t);
    return err;
}

const struct web_page *timeline_data_page(const char *path)
{
    static const struct web_page pages[] = {
        {.path = "/timeline/index", .title = "Index", .methods = WEB_GET, .render = page_index},
        {.path = "/timeline/tiles", .title = "Tile", .methods = WEB_GET, .render = page_tiles},
        {.path = "/timeline/step", .title = "Step", .methods = WEB_GET, .render = page_step},
        {.path = "/timeline/flow", .title = "Flow", .methods = WEB_GET, .render = page_flow},
    };
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (!strcmp(pages[i].path, path)) return &pages[i];
    return NULL;
}
