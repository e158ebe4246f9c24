/* lay_ribbon.c - pairs in a row become rectangles. */
#include "web/lay_ribbon.h"

enum { BAR_BASE = 10, BAR_STEP = 6 };

static int put_causes(const uint8_t *worst, int n, double width, uint8_t cause, int last, int used,
                      struct ribbon_rect *out)
{
    double one = width / n;
    for (int from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && worst[to] == worst[from];) to++;
        if (!worst[from] || (worst[from] >= cause) != last) continue;
        struct ribbon_rect r = {one * from, one * (to - from), worst[from]};
        if (last && r.width < RIBBON_LEAST) r.width = RIBBON_LEAST;
        if (r.x + r.width > width) r.x = width > r.width ? width - r.width : 0;
        out[used++] = r;
    }
    return used;
}

int lay_minimap(const uint8_t *worst, int n, double width, uint8_t cause, struct ribbon_rect *out)
{
    int used = put_causes(worst, n, width, cause, 0, 0, out);
    return put_causes(worst, n, width, cause, 1, used, out);
}

int lay_stretches(const uint64_t *key, int n, double width, struct ribbon_span *out)
{
    int used = 0;
    for (int from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && key[to] == key[from];) to++;
        out[used++] = (struct ribbon_span){from, to, width * from / n, width * (to - from) / n};
    }
    return used;
}

struct ribbon_bar lay_bar(int i, int n, double width, double y, int level)
{
    double one = width / n, gap = one > 4 ? 1.5 : 0, height = BAR_BASE + BAR_STEP * level;
    return (struct ribbon_bar){one * i, y - height, one - gap, height};
}
