/* import_list.h - which logs an import has, which run each belongs to, and what its name says. */
#ifndef CAPTURE_IMPORT_LIST_H
#define CAPTURE_IMPORT_LIST_H

#include "capture/import.h"
#include "store/base/lists.h"

struct import_log {
    char *path;       /* owned, as opened; "-" standard input */
    const char *name; /* in path: base name */
    int64_t size;     /* bytes on disk, 0 unknown */
    int64_t mtime;    /* ns */
    int64_t rank;     /* from the name, or STORE_NULL */
    uint64_t device, inode;
    int run;    /* index in runs */
    bool alone; /* given by itself, and its name does not say that it belongs to a job */
};

struct import_run {
    struct torch_run *run; /* owned unless it was given */
    char *folder;          /* owned */
    const char
        *log; /* name of its only log when it is known by that, else NULL; borrowed from the log */
    bool owned, named;
};

struct import_list {
    LIST_OF(struct import_log) logs;
    LIST_OF(struct import_run) runs;
    struct torch_run *given; /* all logs belong to it, or NULL */
    size_t common;           /* bytes of path that all logs have in common, up to a slash */
};

void import_list_release(struct import_list *list);
/* Adds the logs of a path that are not in the list yet. ERR_NOT_FOUND: no such path, or (when
 * required) no log. */
enum err WARN_UNUSED import_list_add(struct import_list *list, const char *path, bool required);
/* Keeps only the newest. */
void import_list_latest(struct import_list *list);
/* Makes and names the runs of logs that have none. */
enum err WARN_UNUSED import_list_runs(struct import_list *list, struct store_writer *w);
/* Rank of "dedicated_log_torch_trace_rank_<N>[_xxx].log[.gz]", or STORE_NULL. */
int64_t import_rank_of_name(const char *name);

#endif
