/* lay_graph_route.c - heights of ranks, tracks of the channels between them, and the segments.
 *
 * A net that leaves a vertex is one *wire* of the channel: down from its port, level on a track,
 * down to each of its readers. Two wires never share a stretch of a track. A wire whose port stands
 * where another one comes down is put above it, so that the two do not run into each other.
 */
#include "web/lay_graph_in.h"

#include <math.h>
#include <stdlib.h>

enum { TRACK = 7, ABOVE = 16, BELOW = 11, CLEAR = 5, NEAR = 4, STRAIGHT = 2 };
/* In a channel with more wires than this they are packed without looking at who stands above. */
enum { MANY_WIRES = 300 };

struct wire {
    int vertex, net, first, n; /* links downs[first .. first + n] */
    double from, lo, hi;
    int track; /* -1: straight; -2: not yet known, -3: being looked at */
};
struct channel {
    struct wire *wires;
    int n, n_tracks;
    double *end; /* per track: how far it is taken (packed by the left edge) */
};

/* ---- wires of a channel ---- */

static double port_x(const struct graph_lay *l, const struct graph_link *k, bool down)
{
    return down ? l->v[k->down].x + k->port_down : l->v[k->up].x + k->port_up;
}

static const struct graph_link *reader(const struct graph_lay *l, const struct wire *w, int i)
{
    return &l->links[l->downs[w->first + i]];
}

static void measure(const struct graph_lay *l, struct wire *w)
{
    w->from = w->lo = w->hi = port_x(l, reader(l, w, 0), false);
    for (int i = 0; i < w->n; i++) {
        double x = port_x(l, reader(l, w, i), true);
        w->lo = fmin(w->lo, x), w->hi = fmax(w->hi, x);
    }
    w->track = w->hi - w->lo < STRAIGHT ? -1 : -2;
}

static void read_wires(const struct graph_lay *l, int r, struct channel *c)
{
    c->n = c->n_tracks = 0;
    for (int i = l->layer[r]; i < l->layer[r + 1]; i++) {
        const struct graph_vertex *v = &l->v[l->layers[i]];
        for (int k = 0; k < v->n_down;) {
            struct wire *w = &c->wires[c->n++];
            *w = (struct wire){.vertex = l->layers[i], .first = v->first_down + k};
            w->net = reader(l, w, 0)->net;
            while (k < v->n_down && l->links[l->downs[v->first_down + k]].net == w->net)
                k++, w->n++;
            measure(l, w);
        }
    }
}

/* ---- tracks ---- */

static int by_left(const void *a, const void *b)
{
    const struct wire *x = a, *y = b;
    if (x->lo != y->lo) return x->lo < y->lo ? -1 : 1;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* Left edge: from the left, the first track that is free. Only so many are tried. */
static void pack(struct channel *c)
{
    enum { TRIES = 64 };
    for (int i = 0; i < c->n; i++) {
        struct wire *w = &c->wires[i];
        if (w->track == -1) continue;
        int t = c->n_tracks > TRIES ? c->n_tracks - TRIES : 0;
        while (t < c->n_tracks && c->end[t] + CLEAR > w->lo) t++;
        if (t == c->n_tracks) c->n_tracks++;
        c->end[t] = w->hi;
        w->track = t;
    }
}

static bool comes_down_at(const struct graph_lay *l, const struct wire *w, double x)
{
    for (int i = 0; i < w->n; i++)
        if (fabs(port_x(l, reader(l, w, i), true) - x) < NEAR) return true;
    return false;
}

static bool is_free(const struct channel *c, const struct wire *w, int track)
{
    for (int i = 0; i < c->n; i++) {
        const struct wire *o = &c->wires[i];
        if (o != w && o->track == track && o->lo < w->hi + CLEAR && w->lo < o->hi + CLEAR)
            return false;
    }
    return true;
}

/* The first free track below those that must stand above it; a circle of such is let be. */
static void choose_track(const struct graph_lay *l, struct channel *c, struct wire *w)
{
    int track = 0;
    w->track = -3;
    for (int i = 0; i < c->n; i++) {
        struct wire *o = &c->wires[i];
        if (o == w || o->track == -1 || o->track == -3 || !comes_down_at(l, w, o->from)) continue;
        if (o->track == -2) choose_track(l, c, o);
        if (o->track >= track) track = o->track + 1;
    }
    while (!is_free(c, w, track)) track++;
    w->track = track;
    if (track >= c->n_tracks) c->n_tracks = track + 1;
}

static void choose_tracks(const struct graph_lay *l, struct channel *c)
{
    qsort(c->wires, (size_t)c->n, sizeof *c->wires, by_left);
    if (c->n > MANY_WIRES) {
        pack(c);
        return;
    }
    for (int i = 0; i < c->n; i++)
        if (c->wires[i].track == -2) choose_track(l, c, &c->wires[i]);
}

/* ---- segments ---- */

static void put(struct graph_lay *l, int net, double x0, double y0, double x1, double y1)
{
    l->out->segments[l->out->n_segments++] = (struct graph_segment){net, x0, y0, x1, y1};
}

static void put_end(struct graph_lay *l, const struct graph_link *k, double x, double y)
{
    if (k->edge >= 0) l->out->ends[k->edge] = (struct graph_end){x, y, false};
}

static void put_wire(struct graph_lay *l, const struct wire *w, double top, double bottom,
                     double next)
{
    double ty = bottom + ABOVE + w->track * TRACK;
    if (w->track < 0) {
        put(l, w->net, w->from, top, w->from, next);
        for (int i = 0; i < w->n; i++) put_end(l, reader(l, w, i), w->from, next);
        return;
    }
    put(l, w->net, w->from, top, w->from, ty);
    put(l, w->net, w->lo, ty, w->hi, ty);
    for (int i = 0; i < w->n; i++) {
        double x = port_x(l, reader(l, w, i), true);
        put(l, w->net, x, ty, x, next);
        put_end(l, reader(l, w, i), x, next);
    }
}

/* Room for the label of a net: up to the next line, or beyond its box up to what stands there. */
static double room(const struct graph_lay *l, const struct graph_vertex *v, double x)
{
    enum { BEYOND = 90 };
    double end = v->x + v->width + BEYOND;
    int next = l->layer[v->rank] + v->order + 1;
    if (next < l->layer[v->rank + 1]) end = fmin(end, l->v[l->layers[next]].x);
    for (int i = 0; i < v->n_down; i++) {
        double other = port_x(l, &l->links[l->downs[v->first_down + i]], false);
        if (other > x + 1 && other < end) end = other;
    }
    return end - x;
}

static double room_left(const struct graph_lay *l, const struct graph_vertex *v, double x)
{
    double end = v->x;
    for (int i = 0; i < v->n_down; i++) {
        double other = port_x(l, &l->links[l->downs[v->first_down + i]], false);
        if (other < x - 1 && other > end) end = other;
    }
    return x - end;
}

static void put_start(struct graph_lay *l, const struct wire *w, double top)
{
    const struct graph_vertex *v = &l->v[w->vertex];
    if (v->box < 0) return;
    l->out->starts[w->net] =
        (struct graph_start){w->from, top, room(l, v, w->from), room_left(l, v, w->from), true};
}

/* ---- ranks from above ---- */

static double rank_height(const struct graph_lay *l, int r)
{
    double high = 0;
    for (int i = l->layer[r]; i < l->layer[r + 1]; i++) {
        int box = l->v[l->layers[i]].box;
        if (box >= 0) high = fmax(high, l->in->boxes[box].height);
    }
    return high;
}

static void place_rank(struct graph_lay *l, int r, double y, double bottom)
{
    for (int i = l->layer[r]; i < l->layer[r + 1]; i++) {
        const struct graph_vertex *v = &l->v[l->layers[i]];
        if (v->box >= 0) {
            l->out->places[v->box] = (struct graph_place){v->x, y, r, v->order};
        } else {
            const struct graph_link *k = &l->links[l->downs[v->first_down]];
            double x = v->x + k->port_up;
            put(l, k->net, x, y, x, bottom);
        }
    }
}

static void route_rank(struct graph_lay *l, struct channel *c, int r, double y, double bottom,
                       double next)
{
    place_rank(l, r, y, bottom);
    for (int i = 0; i < c->n; i++) {
        const struct wire *w = &c->wires[i];
        int box = l->v[w->vertex].box;
        double top = box < 0 ? bottom : y + l->in->boxes[box].height;
        put_wire(l, w, top, bottom, next);
        put_start(l, w, top);
    }
}

enum err lay_graph_route(struct graph_lay *l)
{
    struct channel c = {0};
    double y = GRAPH_MARGIN;
    GRAPH_NEW(l, c.wires, l->n_links);
    GRAPH_NEW(l, c.end, l->n_links);
    GRAPH_NEW(l, l->out->segments, 3 * l->n_links + l->n_v);
    for (int r = 0; r < l->n_ranks; r++) {
        double bottom = y + rank_height(l, r);
        read_wires(l, r, &c);
        choose_tracks(l, &c);
        double next = bottom + ABOVE + c.n_tracks * TRACK + BELOW;
        route_rank(l, &c, r, y, bottom, next);
        y = next;
        l->out->height = bottom + GRAPH_MARGIN;
    }
    return ERR_OK;
}
