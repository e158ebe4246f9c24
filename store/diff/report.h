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
/* A compiled kernel that a call of the first difference is, or is an operator of. */
struct diff_member {
    struct span node, op, source; /* op, source: absent when not recorded */
};
struct diff_kernel {
    struct span name, site;             /* site: absent when not recorded */
    int64_t position;                   /* of its call in the log */
    LIST_OF(struct diff_member) member; /* in order, each operator once; owned */
    struct arena arena;
};
/* Of a side (0 A, 1 B); of several that hold the operator's results the one that made the tensor.
 * *any is false when that side calls no kernel there. Release in any case. */
enum err WARN_UNUSED diff_fact_kernel(struct diff_comparison *c, const struct diff_fact *f,
                                      int side, struct diff_kernel *out, bool *any);
void diff_kernel_release(struct diff_kernel *k);
/* The kernels that did the call of a fact; true when one was named. */
bool diff_say_kernels(struct buf *b, struct diff_comparison *c, const struct diff_fact *f);
/* `, "kernels": [{"side", "call", "name", "site", "members"}]` */
void diff_json_kernels(struct buf *b, struct diff_comparison *c, const struct diff_fact *f);

/* `text`, cut where it is long; a back-tick within would end the code. */
void diff_put_code(struct buf *b, struct span s);

/* Words with runs of blanks as one blank. */
void diff_put_words(struct buf *b, struct span s);
/* Place in the program of a fact's call, "model.py:31"; empty when not recorded. */
enum err WARN_UNUSED diff_fact_line(struct diff_comparison *c, const struct diff_fact *f,
                                    struct buf *out);

#endif
