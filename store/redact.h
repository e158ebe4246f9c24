/* redact.h - replaces words that tell of people, machines and sources by stable tokens.
 *
 * The same word gives the same token in every trace (a fixed hash), so two redacted traces still
 * compare. Lines stay lines. What goes: host and user names, path components (torch's own paths
 * stay from `torch/` on), command lines, values of the environment, source text. Names of
 * functions and operators, shapes and times stay.
 *
 * How source text is found: in the places where PyTorch writes it (`loc` of stacks, `code:`
 * comments of graphs, tracebacks, comments of guards, dump_file). Every line found so in a first
 * pass over the trace is then replaced wherever it occurs.
 */
#ifndef STORE_REDACT_H
#define STORE_REDACT_H

#include <sqlite3.h>

#include "store/base/buf.h"

struct redactor;
/* Learns from a trace which words are to go: one pass over its text. db is borrowed until it
 * returns. */
enum err WARN_UNUSED redactor_new(sqlite3 *db, struct redactor **out);
void redactor_free(struct redactor *r);

/* What a text is, which decides how it is rewritten. */
enum redact_kind {
    REDACT_TEXT,   /* free text: paths, names and source lines in it are replaced */
    REDACT_PATH,   /* one path */
    REDACT_LOG,    /* file name of a log: stays if it is one that PyTorch makes */
    REDACT_SOURCE, /* source text: every line is replaced, its indentation stays */
    REDACT_SECRET, /* command line, value, host: each word is replaced */
};
void redact_text(struct redactor *r, enum redact_kind kind, struct span text, struct buf *out);
/* One record of a log: the header line and the content of its payload (tabs removed, no final
 * newline). */
void redact_header(struct redactor *r, struct span header, struct buf *out);
void redact_payload(struct redactor *r, struct span key, struct span payload, struct buf *out);

/* Kind of a text column. */
enum redact_kind redact_column(const char *table, const char *column);

#endif
