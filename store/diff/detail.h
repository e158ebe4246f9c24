/* detail.h - what the traces say further of a tensor or a call that differs: statistics, values,
 * the line of the program. Read on demand: few calls of millions need it. */
#ifndef STORE_DIFF_DETAIL_H
#define STORE_DIFF_DETAIL_H

#include "store/diff/diff.h"
#include "store/text.h"

/* What a trace says of one use; STORE_NULL and NaN: not recorded. */
struct detail_row {
    int64_t nans, infs, artifact;
    double magnitude, squares;
};
/* Statements and readers over both traces. `held` stands on a row, so that all reads of a side are
 * of one transaction; `row` are the uses of the call that was asked for last. */
struct diff_details {
    struct diff_comparison *c; /* borrowed */
    sqlite3_stmt *use[2], *line[2], *held[2];
    struct text_reader *text[2];
    LIST_OF(struct detail_row) row[2];
    int64_t event[2]; /* of that call; -1 none */
};
enum err WARN_UNUSED diff_details_init(struct diff_details *d, struct diff_comparison *c);
void diff_details_release(struct diff_details *d);

struct diff_detail {
    int64_t nans[2], infs[2]; /* STORE_NULL not counted */
    double relative;          /* of the norms, or the larger one of the sums of magnitudes and of
                                 squares: |a - b| / max(|a|, |b|); NaN not known */
    int64_t elements, ulp;    /* where both runs kept the values: elements that differ, and the
                                 largest difference in units of the last place; STORE_NULL */
};
/* Of a tensor of a lane. */
enum err WARN_UNUSED diff_detail_read(struct diff_details *d, const struct diff_lane *lane,
                                      const struct diff_tensor *t, struct diff_detail *out);

/* "file.py:12" of the program's line that made a call (side 0 or 1), forward operator first; empty
 * when no stack was recorded. Appends to out. */
enum err WARN_UNUSED diff_line_of(struct diff_details *d, const struct diff_lane *lane, int side,
                                  uint32_t call, struct buf *out);

/* The call that a use belongs to. */
uint32_t diff_call_of_use(const struct diff_stream *s, uint32_t use);
/* The event that has the row of a use, and its number among that event's; -1: there is none. */
int64_t diff_event_of_use(const struct diff_stream *s, uint32_t use, uint32_t *number);
/* Relative difference of two digests of kind DIFF_NORM; NaN for other kinds. */
double diff_relative_norm(enum diff_hash hash, int64_t a, int64_t b);

#endif
