/* lay_graph.c - ranks, slots of nets, and the boxes that have no edge. */
#include "web/lay_graph_in.h"

#include <math.h>
#include <stdlib.h>

/* Slots cost time: nets that would need more than this many are cut at the far end. */
enum { SLOTS_PER_BOX = 16, SLOTS = 4096 };

struct reader {
    int net, rank, edge;
};

static bool usable(const struct graph_in *in, const struct graph_edge *e)
{
    return e->from >= 0 && e->from < e->to && e->to < in->n_boxes && e->net >= 0 &&
           e->net < in->n_nets;
}

/* Cuts what leads nowhere, backwards, or leaves its net's box. */
static enum err cut_bad(struct graph_lay *l)
{
    int *owner;
    GRAPH_NEW(l, owner, l->in->n_nets);
    for (int i = 0; i < l->in->n_edges; i++) {
        const struct graph_edge *e = &l->in->edges[i];
        bool ok = usable(l->in, e);
        if (ok && !owner[e->net]) owner[e->net] = e->from + 1;
        l->out->ends[i].cut = !ok || owner[e->net] != e->from + 1;
    }
    return ERR_OK;
}

/* ---- ranks ---- */

struct ranks {
    int *rank, *n_in, *first, *out; /* out: edges by their first box */
};

static enum err index_edges(struct graph_lay *l, struct ranks *r)
{
    const struct graph_in *in = l->in;
    GRAPH_NEW(l, r->rank, in->n_boxes);
    GRAPH_NEW(l, r->n_in, in->n_boxes);
    GRAPH_NEW(l, r->first, in->n_boxes + 1);
    GRAPH_NEW(l, r->out, in->n_edges);
    for (int i = 0; i < in->n_edges; i++) {
        if (l->out->ends[i].cut) continue;
        r->first[in->edges[i].from + 1]++;
        r->n_in[in->edges[i].to]++;
    }
    for (int i = 0; i < in->n_boxes; i++) r->first[i + 1] += r->first[i];
    int *at;
    GRAPH_NEW(l, at, in->n_boxes);
    for (int i = 0; i < in->n_edges; i++) {
        int from = in->edges[i].from;
        if (!l->out->ends[i].cut) r->out[r->first[from] + at[from]++] = i;
    }
    return ERR_OK;
}

/* A box that nothing feeds stands just above its first reader. */
static void pull_down(struct graph_lay *l, struct ranks *r, int box)
{
    int least = -1;
    if (r->n_in[box]) return;
    for (int i = r->first[box]; i < r->first[box + 1]; i++) {
        int rank = r->rank[l->in->edges[r->out[i]].to];
        if (least < 0 || rank < least) least = rank;
    }
    r->rank[box] = least < 0 ? -1 : least - 1;
}

static void rank_boxes(struct graph_lay *l, struct ranks *r)
{
    const struct graph_in *in = l->in;
    for (int b = 0; b < in->n_boxes; b++)
        for (int i = r->first[b]; i < r->first[b + 1]; i++) {
            int to = in->edges[r->out[i]].to;
            if (r->rank[to] <= r->rank[b]) r->rank[to] = r->rank[b] + 1;
        }
    for (int b = in->n_boxes - 1; b >= 0; b--) pull_down(l, r, b);
    for (int b = 0; b < in->n_boxes; b++)
        if (r->rank[b] >= l->n_ranks) l->n_ranks = r->rank[b] + 1;
}

/* ---- vertices and links ---- */

static int by_net(const void *a, const void *b)
{
    const struct reader *x = a, *y = b;
    if (x->net != y->net) return x->net < y->net ? -1 : 1;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    return x->edge < y->edge ? -1 : x->edge > y->edge;
}

static enum err read_nets(struct graph_lay *l, const int *rank, struct reader **out, int *n)
{
    const struct graph_in *in = l->in;
    GRAPH_NEW(l, *out, in->n_edges);
    *n = 0;
    for (int i = 0; i < in->n_edges; i++)
        if (!l->out->ends[i].cut)
            (*out)[(*n)++] = (struct reader){in->edges[i].net, rank[in->edges[i].to], i};
    qsort(*out, (size_t)*n, sizeof **out, by_net);
    return ERR_OK;
}

/* Cuts what would need too many slots; the number of slots that are left. */
static int64_t spend_slots(struct graph_lay *l, const int *rank, const struct reader *readers,
                           int n)
{
    int64_t budget = (int64_t)l->in->n_boxes * SLOTS_PER_BOX + SLOTS, used = 0;
    int net = -1, reached = 0;
    for (int i = 0; i < n; i++) {
        const struct graph_edge *e = &l->in->edges[readers[i].edge];
        if (readers[i].net != net) net = readers[i].net, reached = rank[e->from] + 1;
        int more = readers[i].rank - reached;
        if (used + more > budget) {
            l->out->ends[readers[i].edge].cut = true;
            continue;
        }
        if (more > 0) used += more, reached = readers[i].rank;
    }
    return used;
}

static int add_vertex(struct graph_lay *l, int rank, int box, double seed, double width)
{
    l->v[l->n_v] = (struct graph_vertex){.rank = rank, .box = box, .seed = seed, .width = width};
    return l->n_v++;
}

static void add_link(struct graph_lay *l, int up, int down, int net, int edge)
{
    l->links[l->n_links++] = (struct graph_link){.up = up, .down = down, .net = net, .edge = edge};
    l->v[up].n_down++;
    l->v[down].n_up++;
}

/* One net: from its box to its readers, through a slot in each rank between. */
static int add_net(struct graph_lay *l, const int *vertex, const struct reader *readers, int n)
{
    int carrier = -1, i = 0;
    for (; i < n && readers[i].net == readers[0].net; i++) {
        const struct graph_edge *e = &l->in->edges[readers[i].edge];
        if (l->out->ends[readers[i].edge].cut) continue;
        if (carrier < 0) carrier = vertex[e->from];
        while (l->v[carrier].rank + 1 < readers[i].rank) {
            int slot = add_vertex(l, l->v[carrier].rank + 1, -1, e->from + 0.5, GRAPH_SLOT_WIDTH);
            add_link(l, carrier, slot, e->net, -1);
            carrier = slot;
        }
        add_link(l, carrier, vertex[e->to], e->net, readers[i].edge);
    }
    return i;
}

static enum err index_links(struct graph_lay *l)
{
    int *up, *down;
    GRAPH_NEW(l, l->ups, l->n_links);
    GRAPH_NEW(l, l->downs, l->n_links);
    GRAPH_NEW(l, up, l->n_v);
    GRAPH_NEW(l, down, l->n_v);
    for (int i = 0, u = 0, d = 0; i < l->n_v; i++) {
        l->v[i].first_up = u, l->v[i].first_down = d;
        u += l->v[i].n_up, d += l->v[i].n_down;
    }
    for (int i = 0; i < l->n_links; i++) {
        const struct graph_link *k = &l->links[i];
        l->ups[l->v[k->down].first_up + up[k->down]++] = i;
        l->downs[l->v[k->up].first_down + down[k->up]++] = i;
    }
    return ERR_OK;
}

static enum err make_vertices(struct graph_lay *l, const int *rank)
{
    struct reader *readers;
    int *vertex, n;
    TRY(read_nets(l, rank, &readers, &n));
    int64_t slots = spend_slots(l, rank, readers, n);
    GRAPH_NEW(l, l->v, l->in->n_boxes + (int)slots);
    GRAPH_NEW(l, l->links, n + (int)slots);
    GRAPH_NEW(l, vertex, l->in->n_boxes);
    for (int b = 0; b < l->in->n_boxes; b++)
        if (rank[b] >= 0) vertex[b] = add_vertex(l, rank[b], b, b, l->in->boxes[b].width);
    for (int i = 0; i < n;) i += add_net(l, vertex, readers + i, n - i);
    return index_links(l);
}

/* ---- boxes without an edge ---- */

static void put_loose(struct graph_lay *l, const int *rank)
{
    struct graph_layout *out = l->out;
    double x = GRAPH_MARGIN, y = out->height, high = 0;
    int order = 0;
    for (int b = 0; b < l->in->n_boxes; b++) {
        const struct graph_box *box = &l->in->boxes[b];
        if (rank[b] >= 0) continue;
        if (order && x + box->width > l->in->wide - GRAPH_MARGIN)
            x = GRAPH_MARGIN, y += high + GRAPH_GAP, high = 0, order = 0;
        out->places[b] = (struct graph_place){x, y, -1, order++};
        x += box->width + GRAPH_GAP;
        high = fmax(high, box->height);
        out->width = fmax(out->width, x - GRAPH_GAP + GRAPH_MARGIN);
        out->height = y + high + GRAPH_MARGIN;
    }
}

enum err lay_graph(const struct graph_in *in, struct arena *arena, struct graph_layout *out)
{
    struct graph_lay l = {.in = in, .arena = arena, .out = out};
    struct ranks r = {0};
    *out = (struct graph_layout){.height = GRAPH_MARGIN};
    GRAPH_NEW(&l, out->places, in->n_boxes);
    GRAPH_NEW(&l, out->ends, in->n_edges);
    GRAPH_NEW(&l, out->starts, in->n_nets);
    TRY(cut_bad(&l));
    TRY(index_edges(&l, &r));
    rank_boxes(&l, &r);
    TRY(make_vertices(&l, r.rank));
    TRY(lay_graph_order(&l));
    TRY(lay_graph_settle(&l));
    TRY(lay_graph_route(&l));
    put_loose(&l, r.rank);
    out->n_ranks = l.n_ranks;
    for (int i = 0; i < in->n_edges; i++) out->n_cut += out->ends[i].cut;
    return ERR_OK;
}
