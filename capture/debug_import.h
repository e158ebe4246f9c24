/* debug_import.h - a DebugMode log on its way into a trace: what its readers and the writer of
 * its rows share.
 *
 *   bytes ─ debug_recognise ─► debug_read_json ─┐
 *                          └─► debug_read_text ─┴─► debug_put_call ─► batches ─► writer
 *
 * One thread, one log. Nothing that is read is lost: a call whose fields do not say all is kept
 * whole beside them
 * (call.rest), and the log's own bytes are in text_frame as those of every log.
 */
#ifndef CAPTURE_DEBUG_IMPORT_H
#define CAPTURE_DEBUG_IMPORT_H

#include "capture/debug_digests.h"
#include "capture/torch_loss.h"
#include "store/base/map.h"
#include "store/writer.h"

enum debug_format { DEBUG_NO_LOG, DEBUG_JSON_LOG, DEBUG_TEXT_LOG };
enum { DEBUG_HEAD_SIZE = 1 << 16 };

/* What the first bytes of a file (up to DEBUG_HEAD_SIZE; whole: these are all) are the beginning
 * of. */
enum debug_format debug_recognise(struct span head, bool whole);

struct debug_open {
    int64_t depth, position, event;
};
/* When and on which thread a call ran. */
struct debug_moment {
    int64_t ts, dur; /* ns, or STORE_NULL */
    int64_t track;   /* -> track, or 0 */
    bool nested;     /* `inside` is told: else depth says what encloses a call */
    int64_t inside;  /* position of the call that encloses it, or STORE_NULL */
};
struct debug_import {
    struct store_writer *writer; /* borrowed */
    struct store_batch *batch;   /* owned */
    struct row_source_file row;  /* spans are the caller's */
    struct row_call_log log;
    struct debug_moment at;          /* of the next call */
    LIST_OF(struct debug_open) open; /* calls that may enclose the next one, outermost first */
    struct debug_digests *digests;   /* of this log, borrowed; NULL: none */
    struct map stacks;               /* text of a stack -> its id */
    struct arena scratch;            /* cleared after each call */
    int64_t losses[TORCH_N_LOSSES], loss_rows;
    bool damaged; /* the log could not be read to its end */
};

/* writer and row are set; the rest is zero. */
enum err WARN_UNUSED debug_import_init(struct debug_import *d);
void debug_import_release(struct debug_import *d);
/* Reads a whole log. What cannot be read is a loss; an error is one of the machine, or of
 * another version. */
enum err WARN_UNUSED debug_import_read(struct debug_import *d, struct span text,
                                       enum debug_format format);
/* Submits what has come since the last time. */
enum err WARN_UNUSED debug_import_submit(struct debug_import *d);
/* Submits what is left. */
enum err WARN_UNUSED debug_import_finish(struct debug_import *d);

/* For the readers: the rows of a call; the call's arena is d->scratch, which is cleared. */
enum err WARN_UNUSED debug_put_call(struct debug_import *d, const struct debug_call *c);
enum err WARN_UNUSED debug_lose(struct debug_import *d, enum torch_loss_kind kind, int64_t offset,
                                const char *fmt, ...) PRINTF_LIKE(4, 5);
enum err WARN_UNUSED debug_read_json(struct debug_import *d, struct span text);
enum err WARN_UNUSED debug_read_text(struct debug_import *d, struct span text);

#endif
