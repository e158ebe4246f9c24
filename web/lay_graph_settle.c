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
#include <string.h>

enum { PASSES = 9, STRAIGHTEN = 3 };

struct port {
    double at; /* where the other end is */
    int link;
};
struct pool {
    double sum, weight; /* of wishes */
    int n;
};
struct scratch {
    struct port *ports;
    struct pool *pools, *nets;
    double *wish, *weight, *off, *near;
};

/* ---- ports ---- */

static int by_place(const void *a, const void *b)
{
    const struct port *x = a, *y = b;
    return x->at != y->at ? (x->at < y->at ? -1 : 1) : x->link < y->link ? -1 : x->link > y->link;
}

/* Below a box: one port per net, in the order of where the nets go. */
static void ports_below(struct graph_lay *l, struct scratch *s, const struct graph_vertex *v)
{
    int n = 0, net = -1, k = 0;
    for (int i = 0; i < v->n_down; i++) {
        const struct graph_link *link = &l->links[l->downs[v->first_down + i]];
        if (link->net != net) s->ports[n++] = (struct port){0, link->net}, net = link->net, k = 0;
        s->ports[n - 1].at += (l->v[link->down].order - s->ports[n - 1].at) / ++k;
    }
    qsort(s->ports, (size_t)n, sizeof *s->ports, by_place);
    for (int p = 0; p < n; p++)
        for (int i = 0; i < v->n_down; i++) {
            struct graph_link *link = &l->links[l->downs[v->first_down + i]];
            if (link->net == s->ports[p].link) link->port_up = v->width * (p + 1) / (n + 1);
        }
}

static void ports_above(struct graph_lay *l, struct scratch *s, const struct graph_vertex *v)
{
    for (int i = 0; i < v->n_up; i++) {
        int link = l->ups[v->first_up + i];
        s->ports[i] = (struct port){l->v[l->links[link].up].order, link};
    }
    qsort(s->ports, (size_t)v->n_up, sizeof *s->ports, by_place);
    for (int i = 0; i < v->n_up; i++)
        l->links[s->ports[i].link].port_down = v->width * (i + 1) / (v->n_up + 1);
}

/* A box with very many nets has its ports at one place: telling them apart helps nobody. */
static void place_ports(struct graph_lay *l, struct scratch *s)
{
    enum { MANY = 512 };
    for (int i = 0; i < l->n_v; i++) {
        const struct graph_vertex *v = &l->v[i];
        if (v->n_down <= MANY) ports_below(l, s, v);
        else
            for (int k = 0; k < v->n_down; k++)
                l->links[l->downs[v->first_down + k]].port_up = v->width / 2;
        ports_above(l, s, v);
    }
}

/* ---- one rank ---- */

static double distance(const struct graph_vertex *a, const struct graph_vertex *b)
{
    int gap = a->box >= 0 && b->box >= 0 ? GRAPH_GAP : GRAPH_SLOT_GAP;
    return a->width + gap;
}

static void settle(struct graph_lay *l, struct scratch *s, int r)
{
    const int *at = l->layers + l->layer[r];
    int n = l->layer[r + 1] - l->layer[r], n_pools = 0;
    s->off[0] = 0;
    for (int i = 1; i < n; i++)
        s->off[i] = s->off[i - 1] + distance(&l->v[at[i - 1]], &l->v[at[i]]);
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
            l->v[at[i]].x = s->pools[p].sum / s->pools[p].weight + s->off[i];
}

static int by_real(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Where a vertex wants to be: straight below (above) the middle one of its neighbours. */
static double wish(const struct graph_lay *l, struct scratch *s, const struct graph_vertex *v,
                   bool from_up)
{
    int n = from_up ? v->n_up : v->n_down, first = from_up ? v->first_up : v->first_down;
    for (int i = 0; i < n; i++) {
        const struct graph_link *k = &l->links[(from_up ? l->ups : l->downs)[first + i]];
        s->near[i] = from_up ? l->v[k->up].x + k->port_up - k->port_down
                             : l->v[k->down].x + k->port_down - k->port_up;
    }
    if (n > 1) qsort(s->near, (size_t)n, sizeof *s->near, by_real);
    return n % 2 ? s->near[n / 2] : (s->near[n / 2 - 1] + s->near[n / 2]) / 2;
}

static int net_of(const struct graph_lay *l, const struct graph_vertex *slot)
{
    return l->links[l->downs[slot->first_down]].net;
}

/* Where the slots of each net stand on the mean. */
static void measure_nets(const struct graph_lay *l, struct scratch *s)
{
    memset(s->nets, 0, (size_t)l->in->n_nets * sizeof *s->nets);
    for (int i = 0; i < l->n_v; i++) {
        if (l->v[i].box >= 0) continue;
        struct pool *net = &s->nets[net_of(l, &l->v[i])];
        net->sum += l->v[i].x;
        net->n++;
    }
}

/* Slots weigh much more than boxes: a long line is to be straight, a box may stand aside. At last
 * (`straight`) the slots of a net want to stand in one line. */
static void pass(struct graph_lay *l, struct scratch *s, bool from_up, bool straight)
{
    if (straight) measure_nets(l, s);
    for (int i = 0; i < l->n_ranks; i++) {
        int r = from_up ? i : l->n_ranks - 1 - i;
        for (int k = l->layer[r], n = 0; k < l->layer[r + 1]; k++, n++) {
            const struct graph_vertex *v = &l->v[l->layers[k]];
            bool pulled = from_up ? v->n_up : v->n_down;
            s->wish[n] = pulled ? wish(l, s, v, from_up) : v->x;
            if (straight && v->box < 0)
                s->wish[n] = s->nets[net_of(l, v)].sum / s->nets[net_of(l, v)].n;
            s->weight[n] = !pulled ? 0.05 : v->box < 0 ? 100 : 1;
        }
        settle(l, s, r);
    }
}

enum err lay_graph_settle(struct graph_lay *l)
{
    struct scratch s = {0};
    double least = INFINITY;
    int n = l->n_v + l->n_links;
    GRAPH_NEW(l, s.ports, n);
    GRAPH_NEW(l, s.pools, n);
    GRAPH_NEW(l, s.nets, l->in->n_nets);
    GRAPH_NEW(l, s.wish, n);
    GRAPH_NEW(l, s.weight, n);
    GRAPH_NEW(l, s.off, n);
    GRAPH_NEW(l, s.near, n);
    place_ports(l, &s);
    for (int r = 0; r < l->n_ranks; r++) {
        for (int k = 0; k < l->layer[r + 1] - l->layer[r]; k++) s.wish[k] = 0, s.weight[k] = 1;
        settle(l, &s, r);
    }
    for (int i = 0; i < PASSES; i++) pass(l, &s, i % 2 == 0, i >= PASSES - STRAIGHTEN);
    for (int i = 0; i < l->n_v; i++) least = fmin(least, l->v[i].x);
    for (int i = 0; i < l->n_v; i++) {
        struct graph_vertex *v = &l->v[i];
        v->x += GRAPH_MARGIN - least;
        l->out->width = fmax(l->out->width, v->x + v->width + GRAPH_MARGIN);
    }
    return ERR_OK;
}
