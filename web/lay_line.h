/* lay_line.h - values over time as a line: pure, buckets in, points out.
 *
 * A bucket is the range of the values in one column of the drawing. The line goes to its low and
 * its high, in the order that is nearer to where it stands, so that peaks are seen however many
 * values there are. A bucket without a finite value breaks the line.
 */
#ifndef WEB_LAY_LINE_H
#define WEB_LAY_LINE_H

#include <stdbool.h>
#include <stdint.h>

struct line_bucket {
    int64_t at;       /* 0 .. n_columns - 1 */
    double low, high; /* NaN: none of its values is a number */
};
struct line_point {
    double x, y;
    bool begins; /* the line begins here */
};
struct line_box {
    double x, y, width, height;
    int64_t n_columns;
    double low, high; /* values at the lower and the upper edge */
};
/* Sets low and high of the box to what the buckets need; 0 and 1 when there is no number. */
void lay_line_range(const struct line_bucket *b, int n, struct line_box *box);
/* At most 2 n points. Returns how many. */
int lay_line(const struct line_bucket *b, int n, const struct line_box *box,
             struct line_point *out);

#endif
