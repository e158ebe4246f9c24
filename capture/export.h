/* export.h - what a trace gives back: the logs it was made of, and tlparse's machine-readable
 * files.
 *
 * Names of files come from the trace, which may be hostile: every component is made safe,
 * nothing is followed or written outside the folder given (openat, O_NOFOLLOW), nothing is
 * overwritten unless told.
 */
#ifndef CAPTURE_EXPORT_H
#define CAPTURE_EXPORT_H

#include <sqlite3.h>

#include "store/base/arena.h"
#include "store/base/buf.h"
#include "store/row.h"

struct export_summary {
    int64_t n_files, n_bytes;
    int64_t n_cut; /* artifacts whose bytes a pack left out of the logs */
    int64_t
        /* records that have no place in the format: no JSON object, a key of its own names */
        n_dropped;
};

/* One log of the trace. The spans are owned by the arena it was read into. */
struct export_log {
    int64_t id;      /* -> source_file */
    int64_t rank;    /* STORE_NULL none */
    int64_t size;    /* bytes */
    int64_t year;    /* STORE_NULL unknown */
    int64_t zone_ns; /* STORE_NULL unknown */
    struct span path, name;
    bool is_live; /* calls of a thread that plumb recorded: it has no text */
};
struct export_logs {
    struct export_log *p;
    size_t n;
    struct arena *arena; /* borrowed */
};

/* The logs, all or those that `which` names (id, rank_N, name or path); ERR_NOT_FOUND lists what
 * there is. */
enum err WARN_UNUSED export_logs_read(sqlite3 *db, const char *which, struct arena *arena,
                                      struct export_logs *out);

/* Writes each log as it was into the folder, which is made if needed. */
enum err WARN_UNUSED export_torch_trace(sqlite3 *db, const struct export_logs *logs,
                                        const char *folder, bool overwrite,
                                        struct export_summary *out);
enum export_format { EXPORT_RAW_JSONL, EXPORT_COMPILE_DIRECTORY };
/* Where bytes go. */
struct export_sink {
    enum err (*write)(void *context, struct span bytes);
    void *context;
};
/* raw.jsonl or compile_directory.json of one log. Adds to *out. */
enum err WARN_UNUSED export_tlparse(sqlite3 *db, enum export_format format,
                                    const struct export_log *log, struct export_sink *sink,
                                    struct export_summary *out);
/* chromium_events.json of all logs; several logs have their rank (or id) as pid. Adds to *out. */
enum err WARN_UNUSED export_chromium(sqlite3 *db, const struct export_logs *logs,
                                     struct export_sink *sink, struct export_summary *out);

/* Files: exp_file.c. Opens `root`/`path` for writing, making folders; every component of path
 * must be safe, links are not followed. path is changed. ERR_EXISTS unless overwrite. */
enum err WARN_UNUSED export_open_file(int root, char *path, bool overwrite, int *out);
enum err WARN_UNUSED export_open_root(const char *folder, int *out);
enum err WARN_UNUSED export_write(int fd, struct span bytes);
/* Appends a component that is a plain file name: no separator, no control byte, no leading dot,
 * not too long. */
void export_put_component(struct buf *out, struct span part);

/* Relative path of a log below the folder: safe components of its path, ending in its name. */
void export_log_path(const struct export_log *log, struct buf *out);

#endif
