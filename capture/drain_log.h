/* drain_log.h - the log of what a compiler tells, in the form of PyTorch's structured trace.
 *
 *   any thread ─ put ─► text that waits ─ read, by the drain ─► torch_tail ─► rows and frames
 *
 * The log is one source_file of the live trace, and is read by the importer of TORCH_TRACE: live
 * traces and imported logs have the same rows. Its prefixes are UTC and name the process.
 */
#ifndef CAPTURE_DRAIN_LOG_H
#define CAPTURE_DRAIN_LOG_H

#include <stdatomic.h>

#include "store/writer.h"

#define DRAIN_LOG_NAME "plumb_compiles.log"

struct drain_log;
struct drain_log_options {
    struct store_writer *writer; /* borrowed, as all that follows */
    const struct row_run *run;   /* which the trace has already */
    const struct row_process *process;
    _Atomic uint64_t *n_given; /* counts records, for a recovery */
};
WARN_UNUSED enum err drain_log_new(const struct drain_log_options *o, struct drain_log **out);
void drain_log_free(struct drain_log *l);

/* From any thread: as cap_structured says. Waits while very much waits to be read. */
WARN_UNUSED enum err drain_log_put(struct drain_log *l, struct span envelope, struct span payload,
                                   const char *file, int line);
/* From the drain's thread: reads what was put before; *any: there was something. */
WARN_UNUSED enum err drain_log_read(struct drain_log *l, bool *any);
/* From there on nothing is kept: the drain has failed. */
void drain_log_give_up(struct drain_log *l);
/* Reads what is left, closes what is open. */
WARN_UNUSED enum err drain_log_finish(struct drain_log *l);

#endif
