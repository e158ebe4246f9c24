/* torch_lines.h - cuts the bytes of a TORCH_TRACE log into records.
 *
 * A record is one line with a prefix and a JSON envelope, and the lines after it that begin with a
 * tab, its payload:
 *
 *   V1123 04:22:04.458000 3806 torch/_dynamo/x.py:2350] {"key": {}, ..., "has_payload": "<md5>"}
 *   <tab>first line of the payload
 *   <tab>
 *
 * The payload's content is these lines without the tabs, joined by LF. Empty lines (not even a tab)
 * are skipped. The prefix is searched for, so text before it does no harm. In a log whose first
 * record ends in CR LF, the CR of every line is removed. What is no record is kept as `malformed`,
 * consecutive lines as one.
 *
 * Bytes arrive in any portions; complete records leave in pieces. A piece begins where the one
 * before it ended, and every byte of the log is in exactly one piece.
 *
 *   room, fill ─► [ record | record | record | rec ]  take ─► piece [ record | record | record ]
 *                                              └────► stays for the next piece
 * Threads: a cutter belongs to one thread. A piece belongs to who took it.
 */
#ifndef CAPTURE_TORCH_LINES_H
#define CAPTURE_TORCH_LINES_H

#include "store/base/buf.h"
#include "store/base/lists.h"

enum {
    TORCH_PIECE_SIZE =
        1 << 20, /* bytes a piece has usually; a longer record makes a longer piece */
    TORCH_RECORD_MAX = 768 << 20, /* a longer record is cut here and the rest of it malformed */
};

enum torch_line_flags {
    TORCH_LINE_MALFORMED = 1, /* no record: json holds the first such line */
    TORCH_LINE_CUT = 2,       /* the log ended without a newline */
    TORCH_LINE_NOT_TEXT = 4,  /* its header has bytes that are not UTF-8, or NUL */
    TORCH_LINE_PAYLOAD_NOT_TEXT = 8,
};

/* One record. Spans borrow the piece. */
struct torch_line {
    struct span json;    /* envelope as text */
    struct span payload; /* content, md5 is of this; absent when no line followed */
    uint64_t at, size;   /* the record in the piece, last newline included */
    uint64_t payload_at,
        payload_size;   /* first payload line in the piece, without the last newline */
    int64_t line;       /* 1-based number of its first line in the log */
    int64_t n_lines;    /* lines it has */
    int64_t us;         /* prefix: microseconds since midnight */
    int64_t thread;     /* prefix: process or thread id */
    uint8_t month, day; /* prefix */
    uint8_t flags;
    uint8_t md5[16];           /* of payload, when there is one */
    uint64_t json_at, text_at; /* the cutter's own: where the spans will point */
};

struct torch_piece {
    int64_t offset;   /* of bytes in the log */
    struct buf bytes; /* owned */
    struct buf text;  /* owned, contents of payloads */
    bool crlf;        /* the log's lines end in CR LF */
    LIST_OF(struct torch_line) lines;
};

/* Prefix of a line: reads the prefix found first in it. False when there is none. */
struct torch_prefix {
    uint8_t month, day;
    int64_t us, thread;
    struct span path; /* source file of the emitter, as written */
    int64_t path_line;
    struct span json; /* what follows "] " */
};
bool torch_prefix_read(struct span line, struct torch_prefix *out);

struct torch_cutter {
    struct torch_piece *piece; /* owned, being filled */
    uint64_t scanned;          /* bytes of it that are cut into lines */
    uint64_t searched;         /* bytes of it known to hold no LF after scanned */
    bool open;                 /* the last line may get payload lines */
    bool crlf, crlf_known;
    int64_t line; /* lines scanned so far */
};

enum err WARN_UNUSED torch_cutter_init(struct torch_cutter *c);
void torch_cutter_release(struct torch_cutter *c);
/* Room for at least n bytes at the end of what was read; NULL when out of memory. */
char *torch_cutter_room(struct torch_cutter *c, size_t n);
/* n bytes were put there: cuts the complete lines. */
enum err WARN_UNUSED torch_cutter_fill(struct torch_cutter *c, size_t n);
/* Bytes that wait, complete or not. */
size_t torch_cutter_waiting(const struct torch_cutter *c);
/* Is there a record that another one follows? */
bool torch_cutter_ready(const struct torch_cutter *c);
/* Does what waits end with a whole line? */
bool torch_cutter_at_line_end(const struct torch_cutter *c);
/* True when the record that waits is complete by its md5, or takes no payload: for logs that still
 * grow. */
bool torch_cutter_tail_complete(struct torch_cutter *c);
/* TAKE_COMPLETE: the records that another one follows; TAKE_ALL: also the last one and bytes
 * without LF. *out may have no record (none is complete yet); then it has no byte either. `empty`
 * (taken on success) becomes the next piece. */
enum torch_take { TORCH_TAKE_COMPLETE, TORCH_TAKE_ALL };
enum err WARN_UNUSED torch_cutter_take(struct torch_cutter *c, enum torch_take what,
                                       struct torch_piece *empty, struct torch_piece **out);

struct torch_piece *torch_piece_new(void); /* NULL when out of memory */
void torch_piece_free(struct torch_piece *p);
/* Empty, memory of usual size kept. */
void torch_piece_clear(struct torch_piece *p);

#endif
