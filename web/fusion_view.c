/* fusion_view.c - which kernels are drawn, which edges stand for which, and their layout. */
#include "web/fusion_view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NEW(f, at, n)                                                                              \
    do {                                                                                           \
        (at) = arena_array(&(f)->arena, (n) > 0 ? (size_t)(n) : 1, sizeof *(at));                  \
        if (!(at)) FAIL(ERR_NOMEM, "out of memory for the drawing of a fusion graph");             \
    } while (0)

/* ---- repeated layers ---- */

enum { PERIOD_MAX = 400, SAVES_AT_LEAST = 4 };

static void try_period(const struct fusion *f, int p, struct fusion_layers *best)
{
    int run = 0;
    for (int i = 0; i + p <= f->n_kernels; i++) {
        bool same = i + p < f->n_kernels && f->kernels[i].alike == f->kernels[i + p].alike;
        if (same) {
            run++;
            continue;
        }
        int copies = run / p + 1, saves = p * (copies - 1);
        if (copies >= (p == 1 ? 3 : 2) && saves >= SAVES_AT_LEAST &&
            saves > best->period * (best->copies - 1))
            *best = (struct fusion_layers){i - run, p, copies, 0};
        run = 0;
    }
}

struct fusion_layers fusion_find_layers(const struct fusion *f)
{
    struct fusion_layers best = {0};
    for (int p = 1; p <= f->n_kernels / 2 && p <= PERIOD_MAX; p++) try_period(f, p, &best);
    return best;
}

/* Copy that a kernel stands in; -1 before, copies behind, -2 without layers. */
static int copy_of(const struct fusion_layers *l, int kernel)
{
    if (!l->copies) return -2;
    if (kernel < l->first) return -1;
    int copy = (kernel - l->first) / l->period;
    return copy < l->copies ? copy : l->copies;
}

static bool in_layers(const struct fusion_layers *l, int copy)
{
    return l->copies && copy >= 0 && copy < l->copies;
}

/* The kernel of the chosen copy that does what this one does. */
static int counterpart(const struct fusion_layers *l, int kernel)
{
    return l->first + l->chosen * l->period + (kernel - l->first) % l->period;
}

static enum err choose_kernels(struct fusion *f, struct fusion_view *v)
{
    NEW(f, v->drawn, f->n_kernels);
    NEW(f, v->box, f->n_kernels);
    for (int k = 0; k < f->n_kernels; k++) {
        int copy = copy_of(&v->layers, k);
        bool inside = in_layers(&v->layers, copy);
        v->box[k] = -1;
        if (inside && copy != v->layers.chosen) continue;
        v->box[k] = v->n_drawn;
        v->drawn[v->n_drawn++] = (struct fusion_drawn){k, inside ? v->layers.copies : 1, 0};
    }
    return ERR_OK;
}

/* The boxes that an edge is drawn between. False: it is not drawn, because another copy's stands
 * for it or because it leads from one copy to the next, which its reader then says. */
static bool drawn_edge(struct fusion_view *v, int writer, int reader, int *from, int *to)
{
    const struct fusion_layers *l = &v->layers;
    int cw = copy_of(l, writer), cr = copy_of(l, reader);
    bool w_in = in_layers(l, cw), r_in = in_layers(l, cr);
    if (w_in && r_in && cw != cr) {
        if (cr == l->chosen) v->drawn[v->box[reader]].carried++;
        return false;
    }
    if (w_in && r_in && cw != l->chosen) return false;
    if (w_in && !r_in && cw != l->chosen && cw != l->copies - 1) return false;
    *from = v->box[w_in ? counterpart(l, writer) : writer];
    *to = v->box[r_in ? counterpart(l, reader) : reader];
    return *from >= 0 && *to >= 0;
}

/* ---- edges ---- */

struct pair {
    int from, to, value;
};

static int by_value(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return x->to < y->to ? -1 : x->to > y->to;
}

/* Nets with their edges, sorted by value, each pair once. */
static enum err make_edges(struct fusion *f, struct fusion_view *v)
{
    struct pair *p;
    struct graph_edge *edges;
    int n = 0, n_edges = 0;
    NEW(f, p, f->n_edges);
    NEW(f, edges, f->n_edges);
    NEW(f, v->value_of, f->n_edges);
    for (int i = 0; i < f->n_edges; i++) {
        int value = f->edges[i].value, from, to;
        if (drawn_edge(v, f->values[value].writer, f->edges[i].reader, &from, &to))
            p[n++] = (struct pair){from, to, value};
    }
    qsort(p, (size_t)n, sizeof *p, by_value);
    for (int i = 0; i < n; i++) {
        bool same = i && p[i].value == p[i - 1].value;
        if (same && p[i].to == p[i - 1].to) continue;
        if (!same) v->value_of[v->n_nets++] = p[i].value;
        edges[n_edges++] = (struct graph_edge){p[i].from, p[i].to, v->n_nets - 1};
    }
    v->graph.edges = edges;
    v->graph.n_edges = n_edges;
    v->graph.n_nets = v->n_nets;
    return ERR_OK;
}

/* ---- neighbourhood ---- */

/* Steps from the selected box along edges, either way; one round per step. */
static enum err measure_steps(struct fusion *f, const struct fusion_view *v, int **out)
{
    int *steps;
    NEW(f, steps, v->n_drawn);
    for (int i = 0; i < v->n_drawn; i++) steps[i] = v->ask.hops + 1;
    steps[v->box[v->ask.selected]] = 0;
    for (int step = 1; step <= v->ask.hops; step++)
        for (int i = 0; i < v->graph.n_edges; i++) {
            const struct graph_edge *e = &v->graph.edges[i];
            if (steps[e->from] == step - 1 && steps[e->to] > step) steps[e->to] = step;
            if (steps[e->to] == step - 1 && steps[e->from] > step) steps[e->from] = step;
        }
    *out = steps;
    return ERR_OK;
}

static enum err keep_near(struct fusion *f, struct fusion_view *v)
{
    int *steps = NULL, *moved, n = 0, n_edges = 0;
    TRY(measure_steps(f, v, &steps));
    NEW(f, moved, v->n_drawn);
    for (int i = 0; i < v->n_drawn; i++) {
        moved[i] = steps[i] <= v->ask.hops ? n : -1;
        v->box[v->drawn[i].kernel] = moved[i];
        if (moved[i] >= 0) v->drawn[n++] = v->drawn[i];
    }
    struct graph_edge *edges;
    int *nets, n_nets = 0;
    NEW(f, edges, v->graph.n_edges);
    NEW(f, nets, v->n_nets);
    for (int i = 0; i < v->graph.n_edges; i++) {
        const struct graph_edge *e = &v->graph.edges[i];
        if (moved[e->from] < 0 || moved[e->to] < 0) continue;
        if (!nets[e->net]) {
            v->value_of[n_nets] = v->value_of[e->net];
            nets[e->net] = ++n_nets;
        }
        edges[n_edges++] = (struct graph_edge){moved[e->from], moved[e->to], nets[e->net] - 1};
    }
    v->n_nets = v->graph.n_nets = n_nets;
    v->n_left = v->n_drawn - n;
    v->n_drawn = n;
    v->graph.edges = edges;
    v->graph.n_edges = n_edges;
    return ERR_OK;
}

/* ---- sizes ---- */

static double text_width(struct span s, double most)
{
    return fmin((double)s.n * 6.05, most);
}

static int lane_rows(const struct fusion_kernel *k)
{
    int shown = k->n_lanes < FUSION_LANES ? k->n_lanes : FUSION_LANES;
    return (shown + FUSION_LANES_WIDE - 1) / FUSION_LANES_WIDE;
}

struct graph_box fusion_box_size(const struct fusion *f, const struct fusion_drawn *d, bool folded)
{
    enum { LEAST = 210, MOST = 310 };
    const struct fusion_kernel *k = &f->kernels[d->kernel];
    double wide = fmax(LEAST, text_width(k->name, 220) + 84);
    double high = FUSION_HEAD + (k->n_inputs > 0) * FUSION_ROW + (d->carried > 0) * FUSION_ROW;
    if (k->n_lanes) {
        int across = k->n_lanes < FUSION_LANES_WIDE ? k->n_lanes : FUSION_LANES_WIDE;
        wide = fmax(wide, across * (FUSION_LANE_W + 4) + 12);
        high += folded ? FUSION_ROW : lane_rows(k) * (FUSION_LANE_H + 4) + FUSION_PAD;
        if (!folded && k->n_lanes > FUSION_LANES) high += FUSION_ROW;
        return (struct graph_box){wide, high + FUSION_PAD};
    }
    for (int i = k->first_op; i < k->first_op + k->n_ops && !folded; i++)
        wide = fmax(wide, text_width(f->ops[i].node, 160) + 130);
    int rows = folded ? k->n_ops > 0 : k->n_ops < FUSION_ROWS ? k->n_ops : FUSION_ROWS + 1;
    return (struct graph_box){fmin(wide, MOST), high + rows * FUSION_ROW + FUSION_PAD};
}

bool fusion_is_large(const struct fusion_view *v)
{
    return v->n_drawn + v->n_nets > FUSION_SHAPES;
}

enum err fusion_view_make(struct fusion *f, const struct fusion_ask *ask, struct fusion_view *out)
{
    *out = (struct fusion_view){.f = f, .ask = *ask};
    if (!ask->all_layers) out->layers = fusion_find_layers(f);
    struct fusion_layers *l = &out->layers;
    if (l->copies) {
        int copy = ask->selected < 0 ? -1 : copy_of(l, ask->selected);
        l->chosen = in_layers(l, copy) ? copy : ask->layer < l->copies ? ask->layer : 0;
        if (l->chosen < 0) l->chosen = 0;
    }
    TRY(choose_kernels(f, out));
    TRY(make_edges(f, out));
    if (ask->hops && ask->selected >= 0) TRY(keep_near(f, out));
    struct graph_box *boxes;
    NEW(f, boxes, out->n_drawn);
    out->ask.folded |= fusion_is_large(out);
    for (int i = 0; i < out->n_drawn; i++) {
        double one = fusion_overlay_value(&f->kernels[out->drawn[i].kernel], ask->overlay);
        if (!isnan(one)) out->most = fmax(out->most, one);
        boxes[i] = fusion_box_size(f, &out->drawn[i], out->ask.folded);
    }
    out->graph.boxes = boxes;
    out->graph.n_boxes = out->n_drawn;
    out->graph.wide = 1180;
    return lay_graph(&out->graph, &f->arena, &out->layout);
}
