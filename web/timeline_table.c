/* timeline_table.c - the timeline's tables: sums of the selected area, tracks. */
#include <stdio.h>
#include <string.h>

#include "web/timeline_area.h"
#include "web/timeline_page.h"

enum { ROWS = 50, ROWS_ALL = 10000, FINE_NS = 100000000 };

/* ---- order ---- */

struct order {
    const char *key, *head, *unit;
    int64_t (*value)(const struct timeline_total *t);
};
static int64_t n_of(const struct timeline_total *t)
{
    return t->n;
}
static int64_t within_of(const struct timeline_total *t)
{
    return t->within;
}
static int64_t self_of(const struct timeline_total *t)
{
    return t->self;
}
static int64_t mean_of(const struct timeline_total *t)
{
    return t->whole / t->n;
}
static int64_t least_of(const struct timeline_total *t)
{
    return t->least;
}
static int64_t longest_of(const struct timeline_total *t)
{
    return t->longest;
}

static const struct order ORDERS[] = {{"n", "n", NULL, n_of},
                                      {"total", "Total", "ms", within_of},
                                      {"self", "Self", "ms", self_of},
                                      {"mean", "Mean", "\xc2\xb5s", mean_of},
                                      {"least", "Min", "\xc2\xb5s", least_of},
                                      {"longest", "Max", "\xc2\xb5s", longest_of}};
enum { N_ORDERS = sizeof ORDERS / sizeof *ORDERS, BY_SELF = 2 };

static const struct order *order_of(struct web_request *q)
{
    const char *sort = web_param(q, "sort");
    for (int i = 0; sort && i < N_ORDERS; i++)
        if (!strcmp(ORDERS[i].key, sort)) return &ORDERS[i];
    return &ORDERS[BY_SELF];
}

static int by_order(const void *a, const void *b, void *order)
{
    const struct timeline_total *x = a, *y = b;
    int64_t (*value)(const struct timeline_total *) = ((const struct order *)order)->value;
    int64_t vx = value(x), vy = value(y);
    if (vx != vy) return vx > vy ? -1 : 1;
    if (x->within != y->within) return x->within > y->within ? -1 : 1;
    if (x->name != y->name) return x->name < y->name ? -1 : 1;
    return x->track - y->track;
}

/* ---- the area ---- */

struct sums {
    struct web_request *q;
    struct html *h;
    const struct timeline_view *v;
    const struct order *order;
    int64_t t0, t1;
    bool many; /* several tracks */
    bool fine; /* sums are shown in microseconds */
};

static void put_head(struct sums *s)
{
    html(s->h, "<div class=\"tw\"><table id=\"area-table\"><thead><tr><th class=\"w25\" "
               "scope=\"col\">Name</th>"
               "<th class=\"fit opt\" scope=\"col\">Kind</th>");
    if (s->many) html(s->h, "<th class=\"fit opt\" scope=\"col\">Track</th>");
    for (int i = 0; i < N_ORDERS; i++) {
        const struct order *o = &ORDERS[i];
        html(s->h, "<th class=\"num%s\" scope=\"col\"><a href=\"%s#area\">%s",
             i > BY_SELF ? " opt" : "", web_here(s->q, "sort", i == BY_SELF ? "" : o->key, NULL),
             o->head);
        if (o->unit) html(s->h, " <small>%s</small>", s->fine ? "\xc2\xb5s" : o->unit);
        if (o == s->order) html(s->h, "<span class=\"sort\">\xe2\x96\xbc</span>");
        html(s->h, "</a></th>");
    }
    html(s->h,
         "<th class=\"num\" scope=\"col\">Share of %t</th><th class=\"fit opt\"></th></tr>"
         "</thead><tbody>\n",
         s->t1 - s->t0);
}

/* ms, or us where the stretch is so short that a column of ms says nothing. */
static void put_sum(struct sums *s, int64_t ns)
{
    html(s->h, "<td class=\"num\">%m</td>", (double)ns * (s->fine ? 1e3 : 1));
}

static void put_us(struct html *h, int64_t ns)
{
    html(h, "<td class=\"num opt\">%m</td>", (double)ns * 1e3);
}

static void put_total(struct sums *s, const struct timeline_total *t)
{
    const struct timeline_name *name = &s->v->t->name.p[t->name];
    double share = (double)t->self / (double)(s->t1 - s->t0);
    html(s->h,
         "<tr><td class=\"w25\"><a class=\"k\" href=\"%s\" title=\"Find it on the "
         "timeline\">%l</a></td><td "
         "class=\"fit opt\">%s</td>",
         web_here(s->q, "q", web_keep(s->q, name->text).p, NULL), name->text,
         timeline_kind_word(name->kind));
    if (s->many)
        html(s->h, "<td class=\"fit opt\">%s</td>",
             timeline_label(s->q, &s->v->t->track.p[t->track]));
    html(s->h, "<td class=\"num\">%n</td>", t->n);
    put_sum(s, t->within);
    put_sum(s, t->self);
    put_us(s->h, mean_of(t));
    put_us(s->h, t->least);
    put_us(s->h, t->longest);
    html(s->h, "<td class=\"num\">%p</td><td class=\"fit opt\">", share);
    web_bar(s->h, share, 1, 64, "b6");
    html(s->h, "</td></tr>\n");
}

static void put_idle(struct sums *s, const struct timeline_idle *i)
{
    double share = (double)i->total / (double)(s->t1 - s->t0);
    const struct timeline_track *k = &s->v->t->track.p[i->track];
    const char *from = timeline_time(s->q, i->longest_ts),
               *to = timeline_time(s->q, i->longest_ts + i->longest);
    html(s->h, "<tr class=\"foot\"><td>idle on %s</td><td class=\"fit opt\"></td>",
         timeline_label(s->q, k));
    if (s->many) html(s->h, "<td class=\"fit opt\">%s</td>", timeline_label(s->q, k));
    html(s->h, "<td class=\"num\">%n</td>", i->n);
    put_sum(s, i->total);
    put_sum(s, i->total);
    html(s->h, "<td class=\"opt\"></td><td class=\"opt\"></td><td class=\"num opt\">");
    if (i->n)
        html(s->h, "<a href=\"%s#area\" title=\"Select the longest gap\">%m</a>",
             web_here(s->q, "a0", from, "a1", to, "on", k->key, NULL), (double)i->longest * 1e3);
    html(s->h, "</td><td class=\"num\">%p</td><td class=\"fit opt\">", share);
    web_bar(s->h, share, 1, 64, "b4");
    html(s->h, "</td></tr>\n");
}

static void put_rows(struct sums *s, struct timeline_area *a)
{
    size_t limit = web_param(s->q, "all") ? ROWS_ALL : ROWS;
    if (a->total.n)
        qsort_r(a->total.p, a->total.n, sizeof *a->total.p, by_order, (void *)(uintptr_t)s->order);
    put_head(s);
    for (size_t i = 0; i < a->total.n && i < limit; i++) put_total(s, &a->total.p[i]);
    for (size_t i = 0; i < a->idle.n && i < limit; i++) put_idle(s, &a->idle.p[i]);
    html(s->h, "</tbody></table>");
    if (a->total.n > limit)
        html(s->h,
             "<div class=\"cut\">Showing %n of %n names<span class=\"pg\"><a href=\"%s#area\">All "
             "%n</a></span></div>",
             (int64_t)limit, (int64_t)a->total.n, web_here(s->q, "all", "1", NULL),
             (int64_t)a->total.n);
    html(s->h, "</div>\n");
}

enum err timeline_put_area(struct web_request *q, struct html *h, const struct timeline_view *v)
{
    bool chosen = v->a1 > v->a0;
    struct sums s = {.q = q,
                     .h = h,
                     .v = v,
                     .order = order_of(q),
                     .t0 = chosen ? v->a0 : v->t0,
                     .t1 = chosen ? v->a1 : v->t1};
    const int *on = chosen ? v->on : v->track;
    int n_on = chosen ? v->n_on : v->n_tracks;
    struct timeline_area area = {0};
    enum err err = timeline_area_sum(v->t, on, n_on, s.t0, s.t1, &area);
    s.many = n_on > 1;
    s.fine = s.t1 - s.t0 < FINE_NS;
    if (!err) {
        struct buf note = {0};
        buf_printf(&note, "%d track%s, ", n_on, n_on == 1 ? "" : "s");
        html_number(&note, 't', html_of_int(s.t1 - s.t0));
        buf_puts(&note, "; exact: of an event that goes on outside the part inside counts");
        web_section(q, h, "area", chosen ? "Selected area" : "In view",
                    web_keep(q, buf_text(&note)).p, "timeline_area");
        buf_release(&note);
        if (chosen)
            html(
                h,
                "<p class=\"note\"><a href=\"%s\" data-step=\"e\">Zoom to the area</a> \xc2\xb7 <a "
                "href=\"%s\">Clear it</a></p>",
                web_here(q, "t0", timeline_time(q, v->a0), "t1", timeline_time(q, v->a1), NULL),
                web_here(q, "a0", "", "a1", "", "on", "", NULL));
        if (area.total.n) put_rows(&s, &area);
        else web_state(h, WEB_EMPTY, "Nothing ran here.", "The tracks are idle in this stretch.");
        web_section_end(h);
    }
    timeline_area_release(&area);
    return err;
}

/* ---- tracks ---- */

static const char *kind_of_track(int kind)
{
    static const char *const words[] = {"?",      "compile phases", "thread",
                                        "stream", "value",          "memory"};
    return words[kind >= 1 && kind <= 5 ? kind : 0];
}

static void put_track(struct web_request *q, struct html *h, const struct timeline_view *v,
                      int track)
{
    const struct timeline_track *k = &v->t->track.p[track];
    html(h,
         "<tr><td><a href=\"%s\" title=\"Show only this track\">%s</a></td><td "
         "class=\"fit\">%s</td>",
         web_here(q, "tracks", k->key, NULL), timeline_label(q, k), kind_of_track(k->kind));
    if (k->rank != STORE_NULL) html(h, "<td class=\"num opt\">%d</td>", k->rank);
    else html(h, "<td class=\"num opt\">%s</td>", "\xe2\x80\x93");
    html(h, "<td class=\"num\">%n</td><td class=\"num opt\">%n</td>", k->n + (int64_t)k->point.n,
         k->n_lanes);
    html(h, "<td class=\"num\">%m</td>", k->first - v->base);
    html(h, "<td class=\"num\">%m</td>", k->last - k->first);
    if (k->n_lanes) html(h, "<td class=\"num\">%m</td>", k->busy);
    else html(h, "<td class=\"num\">\xe2\x80\x93</td>");
    html(h, "</tr>\n");
}

enum err timeline_put_tracks(struct web_request *q, struct html *h, const struct timeline_view *v)
{
    int n = 0;
    web_section(q, h, "tracks", "Tracks", "what there is to see; a name shows it alone", NULL);
    html(h,
         "<div class=\"tw\"><table id=\"tracks-table\"><thead><tr><th scope=\"col\">Track</th><th "
         "class=\"fit\" scope=\"col\">Kind</th><th class=\"num opt\" scope=\"col\">Rank</th><th "
         "class=\"num\" scope=\"col\">Events</th><th class=\"num opt\" scope=\"col\">Deep</th><th "
         "class=\"num\" scope=\"col\">Begins <small>ms</small></th><th class=\"num\" "
         "scope=\"col\">Spans <small>ms</small></th><th class=\"num\" scope=\"col\">Busy "
         "<small>ms</small></th></tr></thead><tbody>\n");
    for (size_t i = 0; i < v->t->track.n && n < ROWS_ALL; i++) {
        const struct timeline_track *k = &v->t->track.p[i];
        if (k->run != v->run || k->first > k->last) continue;
        put_track(q, h, v, (int)i);
        n++;
    }
    html(h, "</tbody></table></div>\n");
    web_section_end(h);
    return ERR_OK;
}

/* ---- rows of the file ---- */

static const struct web_column ROW_COLUMNS[] = {
    {.name = "ts", .head = "Begins", .class_ = "fit", .kind = WEB_CLOCK},
    {.name = "dur", .head = "Took", .kind = WEB_US},
    {.name = "name", .head = "Name", .class_ = "w40", .kind = WEB_LONG},
    {.name = "track", .head = "Track", .class_ = "fit opt", .kind = WEB_TEXT},
    {0}};

enum err timeline_put_rows(struct web_request *q, struct html *h)
{
    static const struct web_table table = {
        .id = "rows-table",
        .query = "timeline_events",
        .columns = ROW_COLUMNS,
        .own = true,
        .once = true,
        .limit = 200,
        .unit = "events",
        .none = WEB_EMPTY,
        .none_what = "Nothing begins here.",
        .none_why = "The file was asked; the timeline will say the same."};
    web_section(q, h, "rows", "Events of this stretch", "from the file, while the rest is read",
                "timeline_events");
    enum err err = web_table(q, h, &table, NULL);
    web_section_end(h);
    return err;
}
