/* joint_cut.c - Dinic's algorithm: layers by breadth, then flow along them without recursion. */
#include "runtime/compile/joint_cut.h"

struct flow {
    struct cut *c;
    int *layer; /* of each point, from the source; -1 not reached */
    int *turn;  /* next edge to try */
    int *path;  /* edges from the source to where the search is; also the queue of the breadth */
};

enum err cut_init(struct cut *c, int n_points, struct arena *arena)
{
    *c = (struct cut){.n_points = n_points, .arena = arena};
    c->first = arena_array(arena, (size_t)n_points, sizeof *c->first);
    if (!c->first) FAIL(ERR_NOMEM, "out of memory for a cut");
    for (int i = 0; i < n_points; i++) c->first[i] = -1;
    return ERR_OK;
}

void cut_release(struct cut *c)
{
    LIST_RELEASE(&c->edge);
}

static enum err half_edge(struct cut *c, int from, int to, int64_t left)
{
    struct cut_edge *e = LIST_PUSH(&c->edge);
    if (!e) FAIL(ERR_NOMEM, "out of memory for a cut");
    *e = (struct cut_edge){.to = to, .next = c->first[from], .left = left};
    c->first[from] = (int)c->edge.n - 1;
    return ERR_OK;
}

enum err cut_edge(struct cut *c, int from, int to, int64_t price)
{
    TRY(half_edge(c, from, to, price));
    return half_edge(c, to, from, 0);
}

static bool reach_sink(struct flow *f)
{
    struct cut *c = f->c;
    int n = 0;
    for (int i = 0; i < c->n_points; i++) f->layer[i] = -1;
    f->layer[CUT_SOURCE] = 0;
    f->path[n++] = CUT_SOURCE;
    for (int at = 0; at < n; at++)
        for (int e = c->first[f->path[at]]; e >= 0; e = c->edge.p[e].next) {
            int to = c->edge.p[e].to;
            if (!c->edge.p[e].left || f->layer[to] >= 0) continue;
            f->layer[to] = f->layer[f->path[at]] + 1;
            f->path[n++] = to;
        }
    return f->layer[CUT_SINK] >= 0;
}

/* The next edge of `point` that leads one layer on; -1 none. */
static int step(struct flow *f, int point)
{
    const struct cut_edge *edge = f->c->edge.p;
    while (f->turn[point] >= 0) {
        const struct cut_edge *e = &edge[f->turn[point]];
        if (e->left && f->layer[e->to] == f->layer[point] + 1) return f->turn[point];
        f->turn[point] = e->next;
    }
    return -1;
}

/* Sends what the path allows; gives how many of its edges still lead on. */
static int send(struct flow *f, int n, int64_t *sum)
{
    struct cut_edge *edge = f->c->edge.p;
    int64_t most = INT64_MAX;
    for (int i = 0; i < n; i++)
        if (edge[f->path[i]].left < most) most = edge[f->path[i]].left;
    int keep = n;
    for (int i = n - 1; i >= 0; i--) {
        edge[f->path[i]].left -= most;
        edge[f->path[i] ^ 1].left += most;
        if (!edge[f->path[i]].left) keep = i;
    }
    *sum += most;
    return keep;
}

/* Every path of least layers that is left. A path that never can be cut ends all. */
static int64_t block(struct flow *f)
{
    struct cut *c = f->c;
    int64_t sum = 0;
    int n = 0, point = CUT_SOURCE;
    for (int i = 0; i < c->n_points; i++) f->turn[i] = c->first[i];
    while (sum < CUT_NEVER) {
        int e = point == CUT_SINK ? -1 : step(f, point);
        if (e >= 0) {
            f->path[n++] = e;
            point = c->edge.p[e].to;
            continue;
        }
        if (point == CUT_SINK) n = send(f, n, &sum);
        else if (n) f->layer[point] = -1, n--;
        else break;
        point = n ? c->edge.p[f->path[n - 1]].to : CUT_SOURCE;
    }
    return sum;
}

/* What still could reach the sink. */
static void mark_after(struct flow *f, bool *after)
{
    struct cut *c = f->c;
    int n = 0;
    after[CUT_SINK] = true;
    f->path[n++] = CUT_SINK;
    for (int at = 0; at < n; at++)
        for (int e = c->first[f->path[at]]; e >= 0; e = c->edge.p[e].next) {
            int from = c->edge.p[e].to;
            if (!c->edge.p[e ^ 1].left || after[from]) continue;
            after[from] = true;
            f->path[n++] = from;
        }
}

enum err cut_run(struct cut *c, int64_t *price, bool **after)
{
    size_t n = (size_t)c->n_points + 1;
    struct flow f = {.c = c,
                     .layer = arena_array(c->arena, n, sizeof *f.layer),
                     .turn = arena_array(c->arena, n, sizeof *f.turn),
                     .path = arena_array(c->arena, n, sizeof *f.path)};
    *after = arena_array(c->arena, n, sizeof **after);
    *price = 0;
    if (!f.layer || !f.turn || !f.path || !*after) FAIL(ERR_NOMEM, "out of memory for a cut");
    while (*price < CUT_NEVER && reach_sink(&f)) *price += block(&f);
    mark_after(&f, *after);
    return ERR_OK;
}
