/* report.h - what the parts of the report share: the first difference as facts. */
#ifndef STORE_DIFF_REPORT_H
#define STORE_DIFF_REPORT_H

#include "store/diff/detail.h"

/* A pair of a lane, as the answer tells it. */
struct diff_fact {
    const struct diff_lane *lane;
    uint32_t pair;             /* number in lane->pairs */
    const struct diff_pair *p; /* the same */
    const char *kind;          /* input, argument, origin, structure; receiver when nothing else */
    int side;                  /* the run that has the call: 0 A (and perhaps B), 1 only B */
    const struct diff_stream *s;
    uint32_t call; /* in s */
    const struct diff_text *text;
    const struct diff_scope *scope;
    const struct diff_tensor *tensor;          /* the first that tells it; NULL none */
    const struct diff_argument_pair *argument; /* likewise */
};
/* The first difference (origin false) or first origin of a comparison; false when there is none. */
bool diff_fact(const struct diff_comparison *c, bool origin, struct diff_fact *out);

/* Rows of a pair in the lists of a lane's verdicts: the first and how many. */
const struct diff_tensor *diff_tensors_of(const struct diff_verdicts *v, uint32_t pair, size_t *n);
const struct diff_argument_pair *diff_arguments_of(const struct diff_verdicts *v, uint32_t pair,
                                                   size_t *n);
/* "PKM64", "norm", ... */
const char *diff_hash_name(enum diff_hash hash);
/* Words with runs of blanks as one blank. */
void diff_put_words(struct buf *b, struct span s);
/* Place in the program of a fact's call, "model.py:31"; empty when not recorded. */
enum err WARN_UNUSED diff_fact_line(struct diff_comparison *c, const struct diff_fact *f,
                                    struct buf *out);

#endif
