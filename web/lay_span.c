/* lay_span.c - spans of time as boxes on lanes. */
#include "web/lay_span.h"

enum { MAX_SUB_LANES = 8 /* of one group; what overlaps more shares the last */ };

struct span_axis lay_axis(int64_t t0, int64_t t1, double x0, double width, int max_ticks)
{
    if (t1 <= t0) t1 = t0 < INT64_MAX ? t0 + 1 : t0;
    uint64_t length = (uint64_t)t1 - (uint64_t)t0;
    if (max_ticks > SPAN_MAX_TICKS) max_ticks = SPAN_MAX_TICKS;
    uint64_t step = 1;
    static const unsigned by[] = {2, 5, 10};
    for (uint64_t power = 1; length / step >= (uint64_t)max_ticks;) {
        int i = 0;
        for (step = power * by[0]; i < 2 && length / step >= (uint64_t)max_ticks;)
            step = power * by[++i];
        power *= 10;
    }
    return (struct span_axis){t0, t1, (int64_t)step, (int)(length / step) + 1, x0, width};
}

double lay_axis_x(const struct span_axis *a, int64_t t)
{
    double share = ((double)t - (double)a->t0) / ((double)a->t1 - (double)a->t0);
    if (share < 0) share = 0;
    if (share > 1) share = 1;
    return a->x0 + share * a->width;
}

int lay_fit(double width, int chars)
{
    int room = (int)((width - 6) / 5.6);
    if (room < 3) return chars <= room ? chars : 0;
    return chars <= room ? chars : room;
}

static int64_t end_of(const struct span_item *s)
{
    int64_t end;
    return __builtin_add_overflow(s->ts, s->ns > 0 ? s->ns : 0, &end) ? INT64_MAX : end;
}

enum err lay_lanes(const struct span_axis *a, const struct span_item *items, int n, int n_groups,
                   double least, struct arena *arena, struct span_box **boxes, int **first_lane)
{
    size_t groups = (size_t)n_groups + 1;
    int64_t(*busy)[MAX_SUB_LANES] = arena_array(arena, groups, sizeof *busy);
    int *used = arena_array(arena, groups, sizeof *used);
    *boxes = arena_array(arena, (size_t)n + 1, sizeof **boxes);
    *first_lane = arena_array(arena, groups, sizeof **first_lane);
    if (!busy || !used || !*boxes || !*first_lane)
        FAIL(ERR_NOMEM, "out of memory for a drawing of %d spans", n);
    for (int i = 0; i < n; i++) {
        int g = items[i].group, sub = 0;
        while (sub < used[g] && busy[g][sub] > items[i].ts && sub + 1 < MAX_SUB_LANES) sub++;
        if (sub >= used[g]) used[g] = sub + 1;
        busy[g][sub] = end_of(&items[i]);
        double x = lay_axis_x(a, items[i].ts), w = lay_axis_x(a, end_of(&items[i])) - x;
        (*boxes)[i] = (struct span_box){sub, x, w < least ? least : w};
    }
    for (int g = 0; g < n_groups; g++)
        (*first_lane)[g + 1] = (*first_lane)[g] + (used[g] ? used[g] : 1);
    for (int i = 0; i < n; i++) (*boxes)[i].lane += (*first_lane)[items[i].group];
    return ERR_OK;
}
