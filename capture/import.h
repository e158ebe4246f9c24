/* import.h - logs into a trace: what `plumb import`, `plumb record` and `plumb serve` use.
 *
 * A *log* is one TORCH_TRACE file, plain or gzip, or standard input. A *run* is the folder of logs.
 * An import either reads its logs to the end, several at a time, or follows them while they grow.
 *
 * Threads: import_into blocks; with `follow` call it from a thread of its own and set *stop to end
 * it.
 */
#ifndef CAPTURE_IMPORT_H
#define CAPTURE_IMPORT_H

#include <pthread.h>
#include <stdatomic.h>

#include "capture/torch_loss.h"
#include "store/writer.h"

/* The run that logs belong to; shared by the readers of its logs. */
struct torch_run {
    pthread_mutex_t lock;
    struct row_run row; /* spans live in keep */
    struct arena keep;
    bool dirty; /* row must be written (again) */
};
/* A run with a fresh id and nothing known. */
void torch_run_init(struct torch_run *run, struct store_writer *w);
void torch_run_release(struct torch_run *run);
/* The row as it is now goes into the batch when it is dirty. */
enum err WARN_UNUSED torch_run_write(struct torch_run *run, struct store_batch *batch);

struct import_progress {
    int64_t done, total; /* bytes of the files as they are on disk; total 0: not known */
    int64_t text;        /* bytes of log read */
    int logs, logs_done;
};

struct import_request {
    char *const *paths; /* logs, folders (searched to the bottom), "-" */
    int n_paths;
    const char *digests; /* file of digests of the only log (debug_digests.h); NULL none */
    bool latest;         /* only the newest log */
    bool follow; /* read what is appended, and new logs in the folders, until *stop or idle */
    int64_t until_idle_ns; /* follow: end when nothing came for so long; 0: never */
    int jobs;              /* logs read at a time; 0: one per processor */
    atomic_bool *stop;     /* may be NULL. When it is set, what was read so far is all there is */
    struct torch_run *run; /* borrowed; all logs belong to it. NULL: runs are made of the folders */
    /* Called about ten times a second from the thread that called; may be NULL. */
    void (*progress)(void *context, const struct import_progress *now);
    void *context;
};

struct import_counts {
    int64_t logs, runs, records, payloads, bytes;
    int64_t call_logs; /* of the logs: DebugMode's, whose calls count as records */
    int64_t digests;   /* of others, joined to a log */
    int64_t losses[TORCH_N_LOSSES];
    bool interrupted; /* *stop was set before all was read (without follow) */
};

/* Rows of all logs go to the writer; they are committed when store_flush or store_writer_close has
 * returned. ERR_NOT_FOUND when a path does not exist or a folder holds no log (not with follow);
 * ERR_FORMAT when none of the bytes is a record. */
enum err WARN_UNUSED import_into(struct store_writer *w, const struct import_request *request,
                                 struct import_counts *out);

/* Makes the file. With overwrite an existing file is replaced after success only. command: kept in
 * meta, may be NULL. */
struct import_target {
    const char *path;
    bool overwrite;
    const char *command;
};
enum err WARN_UNUSED import_to_file(const struct import_target *to,
                                    const struct import_request *request,
                                    struct import_counts *out);

/* Findings that make --strict (tlparse: --strict=tlparse) fail. */
int64_t import_strict_losses(const struct import_counts *counts, bool tlparse);

#endif
