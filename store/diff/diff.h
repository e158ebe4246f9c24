/* diff.h - the comparison of two runs: loads both, aligns, judges, and writes or tells the result.
 *
 *   A.db ─ load ─► streams ┐                         ┌─► report: sentence, JSON, counts
 *                          ├─ align ─ judge ─► lanes ┤
 *   B.db ─ load ─► streams ┘                         └─► comparison file (diff_write)
 *
 * A lane is a log of A beside the log of B that belongs to it (same rank and log name; else in
 * order of rank). The earliest difference over all lanes is the answer: by step, then by place.
 */
#ifndef STORE_DIFF_DIFF_H
#define STORE_DIFF_DIFF_H

#include "store/base/buf.h"
#include "store/diff/load.h"
#include "store/diff/verdict.h"

struct diff_options {
    enum diff_hash hash;    /* 0: the strongest that both have */
    const char *pairs_file; /* "A B" per line: positions of calls that belong together; NULL none */
    unsigned fail_on;       /* bits 1 << enum diff_verdict; DIFF_FAIL_UNHASHED */
    bool all;               /* keep what diff_write needs */
};
enum { DIFF_FAIL_UNHASHED = 1 << 16 };

struct diff_lane {
    struct diff_stream *a,
        *b; /* borrowed from the comparison's logs; NULL: the other has no such */
    struct diff_pairs pairs;
    struct diff_verdicts verdicts;
};

enum diff_answer_kind { DIFF_ANSWER_SAME, DIFF_ANSWER_DIFFERENT, DIFF_ANSWER_NOT_COMPARABLE };

struct diff_comparison {
    struct diff_side side[2];
    sqlite3 *db[2]; /* owned; both may be of one file */
    struct diff_logs logs[2];
    LIST_OF(struct diff_lane) lane;
    LIST_OF(struct diff_stream *) empty; /* what a log without partner is compared with */
    /* the answer */
    enum diff_answer_kind answer;
    int first_lane, origin_lane;   /* -1 none; the pair is lane.verdicts.first, .origin */
    uint64_t n[DIFF_N_VERDICTS];   /* over all lanes */
    uint64_t before;               /* same pairs before the first difference, in its lane */
    uint64_t alone[2], n_unhashed; /* over all lanes */
    uint64_t n_argument_origins;   /* origins that have another argument too */
    uint64_t n_fused;              /* calls of one run that a kernel of the other holds */
    uint64_t n_inside;             /* unknown ones that are operators inside kernels, or views */
    uint64_t before_inside;        /* of these, those before the first difference, in its lane */
    uint64_t n_compared;           /* pairs of which a digest was compared */
    unsigned common;               /* bits 1 << enum diff_hash that both sides have, as asked */
    struct arena arena;
};

/* Compares. On failure *out is released. */
enum err WARN_UNUSED diff_compare(const char *a, const char *b, const struct diff_options *options,
                                  struct diff_comparison *out);
void diff_comparison_release(struct diff_comparison *c);

/* The answer in words, one paragraph; operators, modules and values in back-ticks (a terminal
 * leaves them out). Then what could not be seen, one sentence per line. */
void diff_sentence(struct diff_comparison *c, struct buf *out);
void diff_notes(struct diff_comparison *c, struct buf *out);
/* {"verdict", "sentence", "first_difference", "first_origin", "counts", ...} (docs/tour.md). */
void diff_json(struct diff_comparison *c, struct buf *out);
/* 0 same, 1 different in a way that fail_on names, 2 not comparable. */
int diff_exit_code(const struct diff_comparison *c, unsigned fail_on);

const char *diff_answer_name(enum diff_answer_kind kind); /* "same", ... */
/* The kind of hash that decided: of the lane that parts, or the strongest in common. */
enum diff_hash diff_strongest_of(const struct diff_comparison *c);

/* Compared with `all`: writes the comparison file (schema.sql, "Where two runs part").
 * ERR_EXISTS. */
enum err WARN_UNUSED diff_write(struct diff_comparison *c, const char *path);

#endif
