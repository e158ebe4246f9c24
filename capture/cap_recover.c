/* cap_recover.c - what a killed program had recorded and not yet written goes into its trace. */
#include "capture/cap.h"

#include <stdlib.h>

#include "capture/drain.h"
#include "capture/ring.h"
#include "store/db.h"

enum err cap_recover(const char *trace, int64_t *n)
{
    const unsigned how = STORE_OPEN_UNCHECKED | STORE_OPEN_NO_VIEWS;
    struct ring *ring = calloc(1, sizeof *ring);
    struct store_writer *writer = NULL;
    sqlite3 *db = NULL, *written;
    char state[32];
    *n = 0;
    if (!ring) FAIL(ERR_NOMEM, "out of memory for a recovery");
    enum err err = ring_open(trace, ring);
    if (!err) err = store_open_read(trace, how, &db);
    if (!err) err = store_meta_get(db, "state", state, sizeof state);
    if (!err && strcmp(state, "live")) goto out; /* killed between closing it and removing these */
    if (!err) err = store_open_read(trace, how | STORE_OPEN_WRITE | STORE_OPEN_TRUSTED, &written);
    if (!err) err = store_writer_resume(written, &writer);
    if (!err) err = drain_recover(ring, writer, db, n);
    if (writer) {
        enum err closed = store_writer_close(writer, NULL);
        if (!err) err = closed;
    }
out:
    store_close(db);
    if (!err) ring_remove(ring);
    ring_close(ring);
    free(ring);
    return err;
}
