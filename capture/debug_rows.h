/* debug_rows.h - calls out of the rows of a trace. */
#ifndef CAPTURE_DEBUG_ROWS_H
#define CAPTURE_DEBUG_ROWS_H

#include "capture/debug_print.h"
#include "store/base/map.h"
#include "store/sqlite.h"

/* What call_log says of a log. */
struct debug_log {
    bool known;           /* the source is a log of calls */
    bool without_newline; /* a text that does not end in one */
    struct span rest;     /* other members of the saved log; in the arena given; absent none */
};
enum err WARN_UNUSED debug_log_read(sqlite3 *db, int64_t source, struct arena *arena,
                                    struct debug_log *out);

/* The calls of a log, in order; zero-initialise nothing, use the functions. */
struct debug_rows {
    sqlite3_stmt *calls, *uses, *frames; /* owned */
    struct debug_uses found;             /* of the newest call */
    struct map stacks;                   /* id -> index in texts */
    LIST_OF(struct span) texts;          /* in keep */
    struct arena keep, scratch;
};
/* db is borrowed and must outlive it. */
enum err WARN_UNUSED debug_rows_open(struct debug_rows *r, sqlite3 *db, int64_t source);
void debug_rows_close(struct debug_rows *r);
/* A debug_source's next; context is a struct debug_rows. ERR_FORMAT: the rows do not fit
 * together. */
enum err WARN_UNUSED debug_rows_next(void *context, struct debug_call *out, bool *more);

#endif
