/* torch_tail.h - a log that grows: bytes come in any portions, records leave as rows.
 *
 *   room, fill ─► torch_cutter ─ take ─► frames of text ─┐
 *                                  └───► torch_reader ───┴─► one batch ─► writer
 *
 * The newest text frame is packed again as it grows, until it is full. Threads: a tail belongs to
 * one thread.
 */
#ifndef CAPTURE_TORCH_TAIL_H
#define CAPTURE_TORCH_TAIL_H

#include "capture/torch_reader.h"

struct torch_tail {
    struct torch_cutter cutter;
    struct torch_reader *reader; /* owned */
    struct buf frame;            /* text of the newest frame, not full */
    int64_t frame_offset;        /* where it begins in the log */
};
/* Takes the reader, also on failure. */
enum err WARN_UNUSED torch_tail_init(struct torch_tail *t, struct torch_reader *reader_take);
void torch_tail_release(struct torch_tail *t);
/* What is complete, or all, goes to the writer. *n_bytes: of log; may be NULL. */
enum err WARN_UNUSED torch_tail_take(struct torch_tail *t, enum torch_take what, int64_t *n_bytes);
/* n bytes come; pieces of usual size are taken. */
enum err WARN_UNUSED torch_tail_put(struct torch_tail *t, struct span bytes);

#endif
