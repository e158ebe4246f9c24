/* lay_ribbon.h - pairs in a row: stretches of equal verdict, stretches of one place, bars. Pure:
 * numbers in, pixels out. */
#ifndef WEB_LAY_RIBBON_H
#define WEB_LAY_RIBBON_H

#include <stdint.h>

enum { RIBBON_LEAST = 2 /* px of a cause in a minimap: it is never too small to be seen */ };

struct ribbon_rect {
    double x, width; /* px */
    uint8_t verdict;
};
/* The minimap: worst[i] is the worst verdict of bucket i, 0 all the same. Neighbours of equal
 * verdict become one rectangle; those from `cause` on are at least RIBBON_LEAST wide and come last,
 * so that they are drawn over the others. At most n; returns how many. */
int lay_minimap(const uint8_t *worst, int n, double width, uint8_t cause, struct ribbon_rect *out);

struct ribbon_span {
    int from, to; /* bars [from, to) */
    double x, width;
};
/* Stretches of equal keys among n bars. At most n; returns how many. */
int lay_stretches(const uint64_t *key, int n, double width, struct ribbon_span *out);

struct ribbon_bar {
    double x, y, width, height;
};
/* Bar i of n on a ground line at y; level 1..4: taller is worse. */
struct ribbon_bar lay_bar(int i, int n, double width, double y, int level);

#endif
