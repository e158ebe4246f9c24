/* import_log.h - one log from its file to the writer; private to import.c and import_follow.c. */
#ifndef CAPTURE_IMPORT_LOG_H
#define CAPTURE_IMPORT_LOG_H

#include "capture/import_input.h"
#include "capture/import_list.h"
#include "capture/torch_reader.h"

/* What the threads of one import share. */
struct import_shared {
    struct store_writer *writer;
    const struct import_request *request;
    struct import_list *list;
    atomic_bool stop;           /* an error or the caller's wish */
    _Atomic int64_t disk, text; /* bytes done */
    _Atomic int logs_done;
    pthread_mutex_t lock; /* guards counts */
    struct import_counts counts;
};

/* Must work end: something failed, or the caller has asked? */
static inline bool import_stopped(const struct import_shared *s)
{
    return atomic_load(&s->stop) || (s->request->stop && atomic_load(s->request->stop));
}
/* What the path of a log says of it; id, run and the rest are not set. */
struct row_source_file import_source_row(const struct import_shared *s,
                                         const struct import_log *log);
/* A reader for a log of the list. */
enum err WARN_UNUSED import_reader_new(struct import_shared *s, const struct import_log *log,
                                       struct torch_reader **out);
/* Adds what a reader counted. */
void import_count(struct import_shared *s, const struct torch_reader *r);
/* Packs bytes that begin at offset of the stream into frames of the batch. */
enum err WARN_UNUSED import_pack(struct store_batch *batch, int64_t stream, int64_t offset,
                                 struct span bytes);
/* Reads a log to its end, with a thread of its own for cutting and packing. */
enum err WARN_UNUSED import_log_read(struct import_shared *s, const struct import_log *log);
/* import_follow.c: reads what is there and what comes, until stopped or idle. */
enum err WARN_UNUSED import_follow(struct import_shared *s);

#endif
