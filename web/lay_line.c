/* lay_line.c - buckets of values become points of a line. */
#include "web/lay_line.h"

#include <math.h>

static bool is_number(const struct line_bucket *b)
{
    return isfinite(b->low) && isfinite(b->high);
}

void lay_line_range(const struct line_bucket *b, int n, struct line_box *box)
{
    bool any = false;
    box->low = 0, box->high = 1;
    for (int i = 0; i < n; i++) {
        if (!is_number(&b[i])) continue;
        if (!any || b[i].low < box->low) box->low = b[i].low;
        if (!any || b[i].high > box->high) box->high = b[i].high;
        any = true;
    }
    if (box->low < box->high) return;
    double around = box->low ? fabs(box->low) / 2 : 0.5; /* a flat line stands in the middle */
    box->low -= around, box->high += around;
}

static double x_of(const struct line_box *box, int64_t at)
{
    double last = box->n_columns > 1 ? (double)(box->n_columns - 1) : 1;
    return box->x + box->width * (double)at / last;
}

/* Halves first: the range may be wider than a double holds. */
static double y_of(const struct line_box *box, double v)
{
    double share = (v / 2 - box->low / 2) / (box->high / 2 - box->low / 2);
    if (!(share >= 0)) share = 0;
    if (share > 1) share = 1;
    return box->y + box->height * (1 - share);
}

int lay_line(const struct line_bucket *b, int n, const struct line_box *box, struct line_point *out)
{
    int used = 0;
    bool broken = true;
    double last = 0;
    for (int i = 0; i < n; i++) {
        if (!is_number(&b[i])) {
            broken = true;
            continue;
        }
        bool low_first = broken || fabs(b[i].low - last) <= fabs(b[i].high - last);
        double first = low_first ? b[i].low : b[i].high, second = low_first ? b[i].high : b[i].low;
        double x = x_of(box, b[i].at);
        out[used++] = (struct line_point){x, y_of(box, first), broken};
        if (b[i].low < b[i].high) out[used++] = (struct line_point){x, y_of(box, second), false};
        last = second;
        broken = false;
    }
    return used;
}
