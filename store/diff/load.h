/* load.h - the logs of calls of a trace as streams.
 *
 * A side of a comparison is written FILE, FILE#RUN, FILE#RUN@RANK or FILE#@RANK. RUN is run.name
 * (or its id when no run has that name); without it the file must have one run with calls. A run
 * has one log per process and thread; each becomes a stream.
 */
#ifndef STORE_DIFF_LOAD_H
#define STORE_DIFF_LOAD_H

#include "store/db.h"
#include "store/diff/stream.h"

struct diff_side {
    const char *file; /* path; owned */
    char *run;        /* owned; NULL: the only one */
    int64_t rank;     /* -1: all */
};
/* Splits FILE[#RUN[@RANK]]; a # belongs to the file name when a file of that whole name exists.
 * ERR_USAGE. */
enum err WARN_UNUSED diff_side_parse(const char *text, struct diff_side *out);
void diff_side_release(struct diff_side *s);

struct diff_logs {
    LIST_OF(struct diff_stream) stream; /* by rank, then log name */
    struct span run;                    /* name; lives in the first stream's arena or is "" */
};
/* Reads all logs of calls of a side; db is open for reading (store_open_read) and borrowed.
 * ERR_NOT_FOUND: no such run or rank, or no calls recorded: lists what there is and how to record
 * them. ERR_LIMIT: more than 2^32 - 2 calls, tensors or events. */
enum err WARN_UNUSED diff_load(sqlite3 *db, const struct diff_side *side, struct diff_logs *out);
void diff_logs_release(struct diff_logs *l);

#endif
