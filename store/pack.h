/* pack.h - the attachment: a trace without derived data, cut to a size, its words replaced if
 * wished, in gzip.
 *
 * What is cut, in this order, until the gzip fits: derived data, payloads of unknown records,
 * largest artifacts, events. A cut artifact keeps its row (md5, size, flag 8), its bytes leave
 * the stream. meta rows `cut.*` and the summary say what is missing.
 */
#ifndef STORE_PACK_H
#define STORE_PACK_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "store/base/buf.h"

enum { PACK_LIMIT_DEFAULT = 25000000 };

struct pack_options {
    int64_t limit;           /* bytes of the gzip at most */
    bool redact;             /* replace what tells of people, machines and sources by tokens */
    bool overwrite;          /* replace the outputs, after success */
    const atomic_bool *stop; /* ends it with ERR_CANCELLED; may be NULL */
};
struct pack_report {
    int64_t size; /* bytes of the gzip */
    int64_t n_unknown, unknown_bytes;
    int64_t n_artifacts, artifact_bytes;
    int64_t n_events, event_bytes;
    char summary_path[4096]; /* the Markdown file */
};

/* ERR_EXISTS, ERR_LIMIT (says the smallest size that was reached). Nothing is left behind on
 * failure. */
enum err WARN_UNUSED pack_file(const char *path, const char *out_path,
                               const struct pack_options *options, struct pack_report *report);

#endif
