/* exp_walk.h - the records of an imported log again, with the numbers and file names that
 * tlparse 0.4.3 gives them.
 *
 * tlparse numbers the files it writes for a log from 0; a record's files are named after its
 * key, artifact name and number, and lie in a folder named after its compile id. These names are
 * what its raw.jsonl and compile_directory.json refer to.
 */
#ifndef CAPTURE_EXP_WALK_H
#define CAPTURE_EXP_WALK_H

#include <sqlite3.h>

#include "capture/torch_lines.h"
#include "store/base/json.h"

struct walk_record {
    const struct torch_line *line;
    struct torch_prefix prefix;
    const struct json *envelope; /* an object */
    struct span key;             /* its first member that is no context, absent if none */
    const struct json *meta;     /* value of the key */
    bool has_payload;            /* the envelope says so */
    bool other_rank;             /* tlparse keeps it in raw.jsonl only */
    struct span compile_id;      /* "[0/0_1]", the key in compile_directory.json */
    struct span payload_file;    /* file of the payload, absent none */
    bool listed;                 /* an entry in compile_directory.json: */
    struct span url, name, suffix, readable_url; /* readable_url absent: none */
    int64_t number;
};

struct walk {
    /* All spans are borrowed until it returns. */
    enum err (*record)(void *context, const struct walk_record *r);
    void *context;
    int64_t n_malformed; /* lines that are no record, and records whose envelope is no object */
};
/* All records of a stream in order, `str` records included. */
enum err WARN_UNUSED export_walk(sqlite3 *db, int64_t stream, struct walk *walk);

#endif
