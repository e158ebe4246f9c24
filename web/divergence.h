/* divergence.h - the parts of the page that shows where two runs part.
 *
 *   comparison ─► struct divergence: the answer, the cursor, its lane
 *   pairs around the cursor ─► struct divergence_row[]: ribbon, A | B
 *
 * The cursor is a pair (?at=); a bar, a cell and a row are links that move it. Spans live as long
 * as the request.
 */
#ifndef WEB_DIVERGENCE_H
#define WEB_DIVERGENCE_H

#include "store/diff/verdict.h"
#include "web/web.h"

/* How a verdict is shown. */
struct divergence_look {
    const char *letter, *word, *sentence;
    const char *mark; /* class of web_mark */
    const char *text; /* class of a number: t-bad, ... */
    const char *bar;  /* class of a bar in a ribbon and of a cell */
    const char *dot;  /* class in a minimap */
    const char *ink;  /* class of the letter on `bar` */
    int height;       /* of a bar, 1..4: taller is worse */
};
/* Of a number from the file; an unknown one is shown as unknown. */
const struct divergence_look *divergence_look(int64_t verdict);
/* Of a pair: an operator inside a kernel is told from what is not known. */
const struct divergence_look *divergence_row_look(int64_t verdict, int64_t flags);
void divergence_mark(struct html *h, const struct divergence_look *l);
/* Does it make a difference, rather than pass one on? */
static inline bool divergence_is_cause(int64_t verdict)
{
    return verdict >= DIFF_STRUCTURE && verdict <= DIFF_INPUT;
}

struct divergence {
    struct span verdict, answer, notes, a_file, b_file, a_run, b_run, log;
    int64_t hash_kind, first, origin, origin_flags, before; /* pairs; STORE_NULL: none */
    int64_t at, lane, low, high, rank; /* cursor, its lane and the pairs of that */
    int64_t lanes, a_calls, b_calls;
    int64_t n[DIFF_N_VERDICTS], first_of[DIFF_N_VERDICTS], n_pairs, unhashed, inside;
};

struct divergence_row {
    int64_t id, verdict, flags, method, confidence, a, b; /* a, b: places; STORE_NULL alone */
    int64_t phase, scope;
    double relative;
    struct span name, a_name, b_name, a_args, b_args, a_kwargs, b_kwargs, a_output, b_output;
    struct span a_kernel, b_kernel; /* that it is an operator of; "" a view; absent: a call */
    struct span a_hash, b_hash, step, module, annotation;
};
/* A row of divergence_pairs. */
void divergence_read_row(struct web_request *q, sqlite3_stmt *s, struct divergence_row *out);
/* Of A; of B where A has no such call. */
static inline int64_t divergence_place(const struct divergence_row *r)
{
    return r->a != STORE_NULL ? r->a : r->b;
}
const char *divergence_number(struct web_request *q, int64_t n);
const char *divergence_phase(int64_t phase); /* "" not known */
/* This page with the cursor on a pair. */
const char *divergence_link(struct web_request *q, int64_t pair);

/* All pairs in strips, and one bar per call around the cursor. */
enum err WARN_UNUSED divergence_write_ribbon(struct web_request *q, struct html *h,
                                             const struct divergence *d);
/* A | B around the cursor, or what a filter leaves. */
enum err WARN_UNUSED divergence_write_rows(struct web_request *q, struct html *h,
                                           const struct divergence *d);
/* Step by module, operators by attribute, calls alone, logs. */
enum err WARN_UNUSED divergence_write_places(struct web_request *q, struct html *h,
                                             const struct divergence *d);
/* What leads to the cursor's pair and what it leads to. */
enum err WARN_UNUSED divergence_write_cone(struct web_request *q, struct html *h);
/* The pair of ?sel=, into the drawer. */
enum err WARN_UNUSED divergence_write_drawer(struct web_request *q, const struct divergence *d);

#endif
