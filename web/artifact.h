/* artifact.h - what the files of the artifact page share. */
#ifndef WEB_ARTIFACT_H
#define WEB_ARTIFACT_H

#include "web/lines.h"
#include "web/web.h"

/* Bits of artifact.flags (store/schema.sql). */
enum { ARTIFACT_BAD_MD5 = 1, ARTIFACT_NO_JSON = 2, ARTIFACT_BAD_UTF8 = 4, ARTIFACT_CUT = 8 };

/* The artifact that the address names. Spans live as long as the request. */
struct artifact_shown {
    struct lines_place place;
    int64_t id, size, flags, rank, attempt, attempts, occurrence, position, of, number, ts;
    struct span log, name, key, md5, encoding, subgraph, file_name, function, compile_id, outcome;
    enum hl_language language;
    struct lines_window window; /* owned */
    bool pretty;                /* the window is of the text laid out */
    bool kernels;               /* it names kernels */
    bool bad_json;              /* it was to be laid out and could not be parsed */
};

enum err WARN_UNUSED artifact_find(struct web_request *q, struct artifact_shown *a, bool *found);
/* Actions: the artifacts before and behind it in its compile, and the difference to an earlier
 * one of its name. */
enum err WARN_UNUSED artifact_neighbours(struct web_request *q, const struct artifact_shown *a);
/* Section: the text against that of the earlier one of its name. */
enum err WARN_UNUSED artifact_difference(struct web_request *q, struct html *h,
                                         const struct artifact_shown *a);
/* Drawer: outline, kernels, guards, artifacts of the compile, equal ones. */
enum err WARN_UNUSED artifact_drawer(struct web_request *q, const struct artifact_shown *a);

#endif
