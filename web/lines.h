/* lines.h - a window of the lines of a text, read piece by piece without holding the whole.
 *
 *   stored bytes ─ lines_each ─► pieces of content ─ lines_add ─► window: first, n, total
 *
 * Memory: the window holds at most LINES_BYTES and a line of at most LINES_LONGEST, whatever the
 * artifact holds.
 */
#ifndef WEB_LINES_H
#define WEB_LINES_H

#include "store/text.h"
#include "web/hl.h"

enum {
    LINES_MANY = 2000,       /* lines of a window at most */
    LINES_BYTES = 512 << 10, /* bytes of a window at most; the line that crosses it is its last */
    LINES_LONGEST = 8 << 10, /* bytes of a line at most, the rest is counted in n_cut */
    LINES_COLOURED = 50000   /* lines before the window that the tokenizer is led through */
};

/* Where an artifact is stored: columns of the named query `artifact`. */
struct lines_place {
    int64_t source, offset, stored;
    bool indented, crlf;
};

struct lines_window {
    int64_t first;         /* 1-based number of the first line wanted, then of the first in text */
    int64_t many;          /* lines wanted at most */
    int64_t n;             /* lines in text */
    int64_t total;         /* lines of the whole text */
    int64_t n_cut;         /* bytes left out at the ends of long lines */
    struct buf text;       /* owned: the lines, each ended by '\n' */
    struct hl_state state; /* what the tokenizer knows before the first line */
    /* private: the line that is being read */
    struct buf line;
    int64_t line_size; /* bytes of it, those left out too */
    int64_t longest;   /* bytes of the longest line */
};

/* Gives the content of an artifact to visit in pieces of at most 1 MiB. Memory: 1 MiB. */
enum err WARN_UNUSED lines_each(struct text_reader *reader, const struct lines_place *place,
                                enum err (*visit)(void *context, struct span piece), void *context);

/* A window from line `first` on, of a text that comes in pieces: begin, add..., end. */
void lines_begin(struct lines_window *w, int64_t first, enum hl_language language);
enum err WARN_UNUSED lines_add(void *window, struct span piece);
enum err WARN_UNUSED lines_end(struct lines_window *w);
/* begin, add and end over an artifact. */
enum err WARN_UNUSED lines_read(struct text_reader *reader, const struct lines_place *place,
                                int64_t first, enum hl_language language, struct lines_window *w);
void lines_release(struct lines_window *w);

#endif
