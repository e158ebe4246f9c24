/* drain.h - the one thread that turns records of rings into rows.
 *
 *   rings ─ pass ─► lanes (one per ring: open calls, items) ─► batch ─► writer ─ committed ─► tail
 *
 * A pass reads all rings up to where calls are whole. With each batch goes a row `ring.N` of meta
 * per ring: how far its records are in the trace when the batch is. So a killed program's ring is
 * read from exactly there. A ring's tail follows when the batch is committed.
 */
#ifndef CAPTURE_DRAIN_H
#define CAPTURE_DRAIN_H

#include "capture/ring.h"
#include "store/writer.h"

struct drain;
struct drain_log;
struct drain_lost {
    int64_t seen;   /* events that were recorded */
    int64_t told;   /* records of the log of compiles */
    char why[1024]; /* "": nothing failed */
};

/* Starts the thread. Ring, writer and log are borrowed. */
WARN_UNUSED enum err drain_new(struct ring *ring, struct store_writer *writer,
                               struct drain_log *log, struct drain **out);
/* Waits until what was whole before is committed. */
WARN_UNUSED enum err drain_flush(struct drain *d);
/* Reads what is left, ends the thread and frees, also on failure. */
WARN_UNUSED enum err drain_close(struct drain *d_take, struct drain_lost *lost);
/* Reads all rings of a killed program from where the trace is on; db is the trace too. *n: records
 * read. */
WARN_UNUSED enum err drain_recover(struct ring *ring, struct store_writer *writer, sqlite3 *db,
                                   int64_t *n);

#endif
