/* doctor.h - is a trace sound, and making it sound again.
 *
 *   pages     SQLite's integrity_check; of a damaged file also how many rows of each table can
 *             be read
 *   state     a file whose writer was killed (state live, nobody else has it open) gets its WAL
 *             folded in, its derived parts, and the state recovered
 *   ids       every reference column names a row that is there
 *   text      frames follow each other without gaps and inflate; artifacts lie inside their log
 *   derived   indices and views are those of schema.sql; `rebuild` makes them again
 *
 * Only `state` and `rebuild` change the file; neither touches a recorded row but
 * source_file.state of logs that were being read.
 */
#ifndef STORE_DOCTOR_H
#define STORE_DOCTOR_H

#include <stdbool.h>

#include "store/base/err.h"

/* kind, word for the reader */
#define DOCTOR_KINDS(X)                                                                            \
    X(FINE, "ok")                                                                                  \
    X(NOTE, "note")                                                                                \
    X(REPAIRED, "repaired")                                                                        \
    X(WRONG, "wrong")

enum doctor_kind {
#define X(code, word) DOCTOR_##code,
    DOCTOR_KINDS(X)
#undef X
};
const char *doctor_word(enum doctor_kind kind); /* static */

struct doctor {
    bool rebuild; /* make the derived parts again */
    /* Called for each finding with the name of the check and one sentence. */
    void (*tell)(void *context, enum doctor_kind kind, const char *check, const char *text);
    void *context;
    int n_wrong; /* out: findings of kind WRONG */
};

/* Looks at the trace at path (.db.gz is looked at and never changed). An error means that nothing
 * could be looked at: no trace, another version, no permission. */
enum err WARN_UNUSED doctor_run(const char *path, struct doctor *d);

#endif
