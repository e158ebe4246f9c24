/* import_debug.h - DebugMode logs among the logs of an import; private to import_log.c and
 * import_list.c. */
#ifndef CAPTURE_IMPORT_DEBUG_H
#define CAPTURE_IMPORT_DEBUG_H

#include "capture/debug_import.h"
#include "capture/import_log.h"

/* Reads a log to its end and takes it in; head has its first bytes and grows to all of it. */
enum err WARN_UNUSED import_debug_read(struct import_shared *s, const struct import_log *log,
                                       struct import_input *in, struct buf *head);

/* Is the file, plain or gzip, a log of calls by its first bytes? */
bool import_is_calls(const char *path);

#endif
