/* text.h - streams of text kept as zstd frames, and artifacts as byte ranges of them.
 *
 * Writing: the producer cuts its stream into pieces of at most TEXT_FRAME_SIZE bytes and packs
 * each (any thread; pure).
 * The tail of a live stream may be packed again and again at the same offset until it is full:
 * the row replaces itself.
 * Reading: text_read inflates the frames of a range; a reader keeps the last frames (TEXT_CACHE)
 * inflated.
 */
#ifndef STORE_TEXT_H
#define STORE_TEXT_H

#include "store/sqlite.h"

#include "store/base/buf.h"
#include "store_rows.h"

enum { TEXT_FRAME_SIZE = 1 << 20, TEXT_LEVEL = 2 };

/* Compresses bytes into a text_frame row added to batch. ERR_NOMEM. */
enum err WARN_UNUSED text_pack(struct store_batch *batch, int64_t stream, int64_t offset,
                               struct span bytes);

struct text_reader;
/* db is borrowed and must outlive the reader. One thread at a time. */
enum err WARN_UNUSED text_reader_new(sqlite3 *db, struct text_reader **out);
void text_reader_free(struct text_reader *r);
/* Inflated frames that outlive a reader, for a series of readers of one file. NULL when out of
 * memory. */
struct text_frames;
struct text_frames *text_frames_new(void);
void text_frames_free(struct text_frames *frames);
/* A reader over frames that it borrows. */
enum err WARN_UNUSED text_reader_new_over(sqlite3 *db, struct text_frames *frames,
                                          struct text_reader **out);
/* Appends bytes [offset, offset+size) of the stream to out. ERR_FORMAT names the missing or damaged
 * frame. */
enum err WARN_UNUSED text_read(struct text_reader *r, int64_t stream, int64_t offset, int64_t size,
                               struct buf *out);
/* Appends the content of an artifact: leading tabs and the CRs before LF of CRLF sources
 * removed, see artifact.indented. */
enum err WARN_UNUSED text_artifact(struct text_reader *r, int64_t artifact, struct buf *out);
/* Content of a payload of a log: the tab of each line and the last LF removed; with crlf also
 * the CR before each LF. */
void text_unindent(struct span stored, bool crlf, struct buf *out);

#endif
