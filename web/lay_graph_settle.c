/* lay_graph_settle.c - places from the left: each vertex as near to its neighbours as the distances
 * within its rank allow.
 *
 * One rank is a problem of least squares: find x with x[i+1] - x[i] >= d[i], nearest to the wishes
 * w. With the distances summed up and taken off it is the nearest rising sequence, which pooling
 * neighbours that violate it solves exactly in linear time.
 */
#include "web/lay_graph_in.h"

#include <math.h>
#include <stdlib.h>

enum { PASSES = 7, STRAIGHTEN = 4 };
/* px: of ports from the corner of their box, from each other for a label, for an arrow. */
enum { INSET = 12, LABEL = 84, ARROW = 12 };

struct port {
    double at; /* where it wants to be, then where it is from the left of its box */
    int link;
};
struct pool {
    double sum, weight; /* of wishes */
    int n;
};
struct corridor {
    double lo, hi; /* where all its slots have room, boxes staying; lo > hi: nowhere */
    double sum;    /* of n places */
    int n;
};
struct scratch {
    struct port *ports;
    struct pool *pools;
    struct corridor *corridors; /* per net */
    double *wish, *weight, *off, *near;
};

/* ---- one rank ---- */

static double distance(const struct graph_vertex *a, const struct graph_vertex *b)
{
    int gap = a->box >= 0 && b->box >= 0 ? GRAPH_GAP : GRAPH_SLOT_GAP;
    return a->width + gap;
}

/* The rising sequence nearest to wish - off, by weight: into near. */
static void pool(struct scratch *s, int n)
{
    int n_pools = 0;
    for (int i = 0; i < n; i++) {
        struct pool p = {(s->wish[i] - s->off[i]) * s->weight[i], s->weight[i], 1};
        while (n_pools &&
               s->pools[n_pools - 1].sum * p.weight > p.sum * s->pools[n_pools - 1].weight) {
            const struct pool *last = &s->pools[--n_pools];
            p = (struct pool){p.sum + last->sum, p.weight + last->weight, p.n + last->n};
        }
        s->pools[n_pools++] = p;
    }
    for (int p = 0, i = 0; p < n_pools; p++)
        for (int k = 0; k < s->pools[p].n; k++, i++)
            s->near[i] = s->pools[p].sum / s->pools[p].weight;
}

static void settle(struct graph_lay *l, struct scratch *s, int r)
{
    const int *at = l->layers + l->layer[r];
    int n = l->layer[r + 1] - l->layer[r];
    s->off[0] = 0;
    for (int i = 1; i < n; i++)
        s->off[i] = s->off[i - 1] + distance(&l->v[at[i - 1]], &l->v[at[i]]);
    pool(s, n);
    for (int i = 0; i < n; i++) l->v[at[i]].x = s->near[i] + s->off[i];
}

static int by_real(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double centre(const struct graph_vertex *v)
{
    return v->x + v->width / 2;
}

/* The place on the edge of a box that is nearest to x. */
static double on_edge(const struct graph_vertex *v, double x)
{
    double inset = fmin(INSET, v->width / 2);
    return fmax(v->x + inset, fmin(x, v->x + v->width - inset));
}

/* Where a vertex wants to be: a slot straight below (above) its neighbour, wherever on the edge of
 * that it may leave it; a box with its centre below the middle one of the boxes, or of the slots
 * when there are only such. */
static double wish(const struct graph_lay *l, struct scratch *s, const struct graph_vertex *v,
                   bool from_up)
{
    int n = from_up ? v->n_up : v->n_down, first = from_up ? v->first_up : v->first_down;
    int n_boxes = 0, kept = 0;
    for (int i = 0; i < n; i++) {
        const struct graph_link *k = &l->links[(from_up ? l->ups : l->downs)[first + i]];
        n_boxes += l->v[from_up ? k->up : k->down].box >= 0;
    }
    for (int i = 0; i < n; i++) {
        const struct graph_link *k = &l->links[(from_up ? l->ups : l->downs)[first + i]];
        const struct graph_vertex *o = &l->v[from_up ? k->up : k->down];
        if (v->box >= 0 && n_boxes && o->box < 0) continue;
        s->near[kept++] = v->box < 0 && o->box >= 0 ? on_edge(o, centre(v)) : centre(o);
    }
    if (kept > 1) qsort(s->near, (size_t)kept, sizeof *s->near, by_real);
    double middle = kept % 2 ? s->near[kept / 2] : (s->near[kept / 2 - 1] + s->near[kept / 2]) / 2;
    return middle - v->width / 2;
}

/* Boxes decide among themselves: a slot weighs next to nothing. A box where the way ends stands
 * aside for one where it goes on, so that layers stay below each other. */
static void pass(struct graph_lay *l, struct scratch *s, bool from_up)
{
    for (int i = 0; i < l->n_ranks; i++) {
        int r = from_up ? i : l->n_ranks - 1 - i;
        for (int k = l->layer[r], n = 0; k < l->layer[r + 1]; k++, n++) {
            const struct graph_vertex *v = &l->v[l->layers[k]];
            bool pulled = from_up ? v->n_up : v->n_down, ends = from_up ? !v->n_down : !v->n_up;
            s->wish[n] = pulled ? wish(l, s, v, from_up) : v->x;
            s->weight[n] = v->box < 0 ? 0.01 : !pulled ? 0.02 : ends ? 0.05 : 1;
        }
        settle(l, s, r);
    }
}

/* ---- straight lines ---- */

static struct corridor *corridor_of(const struct graph_lay *l, struct scratch *s,
                                    const struct graph_vertex *slot)
{
    return &s->corridors[l->links[l->downs[slot->first_down]].net];
}

/* How far left and right the slots of a net may all be, with the boxes where they are. */
static void measure_rank(const struct graph_lay *l, struct scratch *s, int r)
{
    enum { STEP = GRAPH_SLOT_WIDTH + GRAPH_SLOT_GAP };
    double bound = -INFINITY;
    for (int k = l->layer[r]; k < l->layer[r + 1]; k++) {
        const struct graph_vertex *v = &l->v[l->layers[k]];
        if (v->box >= 0) {
            bound = v->x + v->width + GRAPH_SLOT_GAP;
            continue;
        }
        struct corridor *c = corridor_of(l, s, v);
        c->lo = fmax(c->lo, bound);
        c->sum += v->x, c->n++;
        bound += STEP;
    }
    bound = INFINITY;
    for (int k = l->layer[r + 1] - 1; k >= l->layer[r]; k--) {
        const struct graph_vertex *v = &l->v[l->layers[k]];
        bound = v->box >= 0 ? v->x : bound - STEP;
        if (v->box < 0) corridor_of(l, s, v)->hi = fmin(corridor_of(l, s, v)->hi, bound);
    }
}

/* Where a net wants to be: near to the boxes at its ends. */
static void measure_ends(const struct graph_lay *l, struct scratch *s)
{
    for (int i = 0; i < l->in->n_nets; i++) s->corridors[i].sum = s->corridors[i].n = 0;
    for (int i = 0; i < l->n_links; i++) {
        const struct graph_vertex *up = &l->v[l->links[i].up], *down = &l->v[l->links[i].down];
        if ((up->box < 0) == (down->box < 0)) continue;
        const struct graph_vertex *box = up->box < 0 ? down : up, *slot = up->box < 0 ? up : down;
        struct corridor *c = &s->corridors[l->links[i].net];
        c->sum += on_edge(box, centre(slot)) - slot->width / 2;
        c->n++;
    }
}

/* The slots of a net stand in one line where the boxes, which stay, leave room for it. */
static void straighten(struct graph_lay *l, struct scratch *s, bool first)
{
    for (int i = 0; i < l->in->n_nets; i++)
        s->corridors[i] = (struct corridor){-INFINITY, INFINITY, 0, 0};
    for (int r = 0; r < l->n_ranks; r++) measure_rank(l, s, r);
    if (first) measure_ends(l, s);
    for (int r = 0; r < l->n_ranks; r++) {
        for (int k = l->layer[r], n = 0; k < l->layer[r + 1]; k++, n++) {
            const struct graph_vertex *v = &l->v[l->layers[k]];
            s->wish[n] = v->x;
            s->weight[n] = v->box < 0 ? 1 : 1e9;
            if (v->box >= 0) continue;
            const struct corridor *c = corridor_of(l, s, v);
            double line = c->sum / c->n;
            s->wish[n] = c->lo <= c->hi ? fmax(c->lo, fmin(line, c->hi)) : line;
        }
        settle(l, s, r);
    }
}

/* ---- ports ---- */

static int by_place(const void *a, const void *b)
{
    const struct port *x = a, *y = b;
    return x->at != y->at ? (x->at < y->at ? -1 : 1) : x->link < y->link ? -1 : x->link > y->link;
}

/* Moves ports that are sorted by their wishes apart, on the edge of their box. */
static void spread(struct scratch *s, const struct graph_vertex *v, int n, double apart)
{
    double gap = fmin(apart, (v->width - 2 * INSET) / (n > 1 ? n - 1 : 1));
    for (int i = 0; i < n; i++) {
        s->wish[i] = s->ports[i].at;
        s->weight[i] = 1;
        s->off[i] = i * gap;
    }
    pool(s, n);
    for (int i = 0; i < n; i++) {
        double least = v->x + fmin(INSET, v->width / 2) + s->off[i];
        double most = v->x + v->width - fmin(INSET, v->width / 2) - (s->off[n - 1] - s->off[i]);
        s->ports[i].at = fmin(fmax(s->near[i] + s->off[i], least), fmax(most, least)) - v->x;
    }
}

/* Where a net of one reader can leave a box to come down straight on it. */
static double common(const struct graph_vertex *up, const struct graph_vertex *down)
{
    if (down->box < 0) return on_edge(up, centre(down));
    return on_edge(up, on_edge(down, (centre(up) + centre(down)) / 2));
}

static void ports_below(struct graph_lay *l, struct scratch *s, const struct graph_vertex *v)
{
    int n = 0, *links = l->downs + v->first_down;
    for (int i = 0, k; i < v->n_down; i += k) {
        int net = l->links[links[i]].net;
        double sum = 0;
        for (k = 0; i + k < v->n_down && l->links[links[i + k]].net == net; k++)
            sum += centre(&l->v[l->links[links[i + k]].down]);
        double at = k > 1 ? on_edge(v, sum / k) : common(v, &l->v[l->links[links[i]].down]);
        s->ports[n++] = (struct port){at, i};
    }
    qsort(s->ports, (size_t)n, sizeof *s->ports, by_place);
    spread(s, v, n, LABEL);
    for (int p = 0; p < n; p++) {
        int first = s->ports[p].link, net = l->links[links[first]].net;
        for (int i = first; i < v->n_down && l->links[links[i]].net == net; i++)
            l->links[links[i]].port_up = s->ports[p].at;
    }
}

static void ports_above(struct graph_lay *l, struct scratch *s, const struct graph_vertex *v)
{
    for (int i = 0; i < v->n_up; i++) {
        int link = l->ups[v->first_up + i];
        const struct graph_link *k = &l->links[link];
        s->ports[i] = (struct port){on_edge(v, l->v[k->up].x + k->port_up), link};
    }
    qsort(s->ports, (size_t)v->n_up, sizeof *s->ports, by_place);
    spread(s, v, v->n_up, ARROW);
    for (int i = 0; i < v->n_up; i++) l->links[s->ports[i].link].port_down = s->ports[i].at;
}

static void place_ports(struct graph_lay *l, struct scratch *s)
{
    for (int i = 0; i < l->n_v; i++) ports_below(l, s, &l->v[i]);
    for (int i = 0; i < l->n_v; i++) ports_above(l, s, &l->v[i]);
}

enum err lay_graph_settle(struct graph_lay *l)
{
    struct scratch s = {0};
    double least = INFINITY;
    int n = l->n_v + l->n_links;
    GRAPH_NEW(l, s.ports, n);
    GRAPH_NEW(l, s.pools, n);
    GRAPH_NEW(l, s.corridors, l->in->n_nets);
    GRAPH_NEW(l, s.wish, n);
    GRAPH_NEW(l, s.weight, n);
    GRAPH_NEW(l, s.off, n);
    GRAPH_NEW(l, s.near, n);
    for (int r = 0; r < l->n_ranks; r++) {
        for (int k = 0; k < l->layer[r + 1] - l->layer[r]; k++) s.wish[k] = 0, s.weight[k] = 1;
        settle(l, &s, r);
    }
    for (int i = 0; i < PASSES; i++) pass(l, &s, i % 2 == 0);
    for (int i = 0; i < STRAIGHTEN; i++) straighten(l, &s, i == 0);
    for (int i = 0; i < l->n_v; i++) least = fmin(least, l->v[i].x);
    for (int i = 0; i < l->n_v; i++) {
        struct graph_vertex *v = &l->v[i];
        v->x += GRAPH_MARGIN - least;
        l->out->width = fmax(l->out->width, v->x + v->width + GRAPH_MARGIN);
    }
    place_ports(l, &s);
    return ERR_OK;
}
