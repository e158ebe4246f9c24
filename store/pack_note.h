/* pack_note.h - the Markdown summary that stands beside a packed trace and goes into the issue.
 * Private to pack. */
#ifndef STORE_PACK_NOTE_H
#define STORE_PACK_NOTE_H

#include <sqlite3.h>

#include "store/base/buf.h"

/* Appends the summary of a packed trace. name: file name of the attachment; size: its bytes. */
enum err WARN_UNUSED pack_note(sqlite3 *db, const char *name, int64_t size, struct buf *out);

#endif
