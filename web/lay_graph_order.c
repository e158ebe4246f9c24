/* lay_graph_order.c - the order of the vertices of each rank: few crossings, near to the program.
 *
 * Fixed numbers of sweeps: time grows with the graph and the same graph gives the same drawing.
 */
#include "web/lay_graph_in.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { SWEEPS = 6, MEDIAN_FROM = 4, IDLE = 2, MANY = 4096 };

struct key {
    double at;
    int order, vertex;
};
struct sorter {
    struct key *keys;
    int *tree, *best, *ends; /* scratch as long as the widest rank, the layers, the busiest rank */
};

static int by_key(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int by_int(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return x < y ? -1 : x > y;
}

static int layer_size(const struct graph_lay *l, int r)
{
    return l->layer[r + 1] - l->layer[r];
}

/* Most layers are short, and most are in order from the sweep before. */
static void sort_keys(struct key *keys, int n)
{
    enum { SHORT = 24 };
    if (n > SHORT) {
        qsort(keys, (size_t)n, sizeof *keys, by_key);
        return;
    }
    for (int i = 1; i < n; i++) {
        struct key k = keys[i];
        int at = i;
        for (; at && by_key(&keys[at - 1], &k) > 0; at--) keys[at] = keys[at - 1];
        keys[at] = k;
    }
}

static void sort_layer(struct graph_lay *l, struct sorter *s, int r)
{
    int n = layer_size(l, r), *at = l->layers + l->layer[r];
    sort_keys(s->keys, n);
    for (int i = 0; i < n; i++) {
        at[i] = s->keys[i].vertex;
        l->v[at[i]].order = i;
    }
}

static enum err first_order(struct graph_lay *l, struct sorter *s)
{
    int widest = 0, *fill;
    GRAPH_NEW(l, l->layer, l->n_ranks + 1);
    GRAPH_NEW(l, l->layers, l->n_v);
    GRAPH_NEW(l, fill, l->n_ranks);
    for (int i = 0; i < l->n_v; i++) l->layer[l->v[i].rank + 1]++;
    for (int r = 0; r < l->n_ranks; r++) {
        if (l->layer[r + 1] > widest) widest = l->layer[r + 1];
        l->layer[r + 1] += l->layer[r];
    }
    for (int i = 0; i < l->n_v; i++) {
        int r = l->v[i].rank;
        l->layers[l->layer[r] + fill[r]++] = i;
    }
    GRAPH_NEW(l, s->keys, widest);
    GRAPH_NEW(l, s->tree, widest + 1);
    GRAPH_NEW(l, s->best, l->n_v);
    GRAPH_NEW(l, s->ends, l->n_links);
    for (int r = 0; r < l->n_ranks; r++) {
        int n = layer_size(l, r);
        for (int i = 0; i < n; i++) {
            int v = l->layers[l->layer[r] + i];
            s->keys[i] = (struct key){l->v[v].seed, v, v};
        }
        sort_layer(l, s, r);
    }
    return ERR_OK;
}

/* ---- crossings ---- */

static int neighbours(const struct graph_lay *l, const struct graph_vertex *v, bool down, int *out)
{
    int n = down ? v->n_down : v->n_up, first = down ? v->first_down : v->first_up;
    for (int i = 0; i < n; i++) {
        const struct graph_link *k = &l->links[(down ? l->downs : l->ups)[first + i]];
        out[i] = l->v[down ? k->down : k->up].order;
    }
    if (n > 1) qsort(out, (size_t)n, sizeof *out, by_int);
    return n;
}

/* Pairs of links between a rank and the next that cross: inversions, by a Fenwick tree. */
static int64_t crossings(struct graph_lay *l, struct sorter *s, int r)
{
    int size = layer_size(l, r + 1), seen = 0;
    int64_t sum = 0;
    memset(s->tree, 0, ((size_t)size + 1) * sizeof *s->tree);
    for (int i = l->layer[r]; i < l->layer[r + 1]; i++) {
        int n = neighbours(l, &l->v[l->layers[i]], true, s->ends);
        for (int k = 0; k < n; k++) {
            int below = 0;
            for (int j = s->ends[k] + 1; j > 0; j -= j & -j) below += s->tree[j];
            sum += seen - below;
        }
        for (int k = 0; k < n; k++, seen++)
            for (int j = s->ends[k] + 1; j <= size; j += j & -j) s->tree[j]++;
    }
    return sum;
}

static int64_t all_crossings(struct graph_lay *l, struct sorter *s)
{
    int64_t sum = 0;
    for (int r = 0; r + 1 < l->n_ranks; r++) sum += crossings(l, s, r);
    return sum;
}

/* ---- sweeps ---- */

static double middle(const struct graph_lay *l, const struct graph_vertex *v, bool from_up,
                     bool median, int *ends)
{
    int n = from_up ? v->n_up : v->n_down, first = from_up ? v->first_up : v->first_down;
    double sum = 0;
    if (!n) return v->order;
    if (median) {
        neighbours(l, v, !from_up, ends);
        return n % 2 ? ends[n / 2] : (ends[n / 2 - 1] + ends[n / 2]) / 2.0;
    }
    for (int i = 0; i < n; i++) {
        const struct graph_link *k = &l->links[(from_up ? l->ups : l->downs)[first + i]];
        sum += l->v[from_up ? k->up : k->down].order;
    }
    return sum / n;
}

static void sweep(struct graph_lay *l, struct sorter *s, bool from_up, bool median)
{
    for (int i = 0; i < l->n_ranks; i++) {
        int r = from_up ? i : l->n_ranks - 1 - i, n = layer_size(l, r);
        for (int k = 0; k < n; k++) {
            int v = l->layers[l->layer[r] + k];
            s->keys[k] = (struct key){middle(l, &l->v[v], from_up, median, s->ends), k, v};
        }
        sort_layer(l, s, r);
    }
}

/* Crossings of the links of u with those of v when u stands left of v. */
static int64_t pair_crossings(const struct graph_lay *l, int u, int v, bool down)
{
    const struct graph_vertex *a = &l->v[u], *b = &l->v[v];
    int na = down ? a->n_down : a->n_up, nb = down ? b->n_down : b->n_up;
    const int *links = down ? l->downs : l->ups;
    int64_t sum = 0;
    for (int i = 0; i < na; i++) {
        const struct graph_link *x = &l->links[links[(down ? a->first_down : a->first_up) + i]];
        for (int k = 0; k < nb; k++) {
            const struct graph_link *y = &l->links[links[(down ? b->first_down : b->first_up) + k]];
            sum += l->v[down ? x->down : x->up].order > l->v[down ? y->down : y->up].order;
        }
    }
    return sum;
}

static bool worth_exchanging(const struct graph_lay *l, int u, int v)
{
    const struct graph_vertex *a = &l->v[u], *b = &l->v[v];
    if ((int64_t)a->n_up * b->n_up + (int64_t)a->n_down * b->n_down > MANY) return false;
    return pair_crossings(l, u, v, false) + pair_crossings(l, u, v, true) >
           pair_crossings(l, v, u, false) + pair_crossings(l, v, u, true);
}

static void exchange(struct graph_lay *l)
{
    for (int r = 0; r < l->n_ranks; r++)
        for (int i = l->layer[r]; i + 1 < l->layer[r + 1]; i++) {
            int u = l->layers[i], v = l->layers[i + 1];
            if (!worth_exchanging(l, u, v)) continue;
            l->layers[i] = v, l->layers[i + 1] = u;
            l->v[u].order++, l->v[v].order--;
        }
}

enum err lay_graph_order(struct graph_lay *l)
{
    struct sorter s = {0};
    TRY(first_order(l, &s));
    size_t size = (size_t)l->n_v * sizeof *l->layers;
    int64_t best = all_crossings(l, &s);
    int idle = 0;
    memcpy(s.best, l->layers, size);
    for (int i = 0; i < SWEEPS && best && idle < IDLE; i++) {
        sweep(l, &s, i % 2 == 0, i >= MEDIAN_FROM);
        exchange(l);
        int64_t now = all_crossings(l, &s);
        idle++;
        if (now >= best) continue;
        best = now, idle = 0;
        memcpy(s.best, l->layers, size);
    }
    memcpy(l->layers, s.best, size);
    for (int r = 0; r < l->n_ranks; r++)
        for (int i = l->layer[r]; i < l->layer[r + 1]; i++)
            l->v[l->layers[i]].order = i - l->layer[r];
    l->out->crossings = best;
    return ERR_OK;
}
