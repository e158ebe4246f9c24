/* buf.h - a growable byte string.
 *
 * Invariant: when `p` is not NULL it is NUL-terminated at p[n]. Out of memory sets `failed`, later
 * puts do nothing, and the owner checks once at the end (buf_ok): writers stay free of error paths.
 */
#ifndef STORE_BASE_BUF_H
#define STORE_BASE_BUF_H

#include <stdarg.h>

#include "store/base/err.h"
#include "store/base/span.h"

struct buf {
    char *p;     /* owned; zero-initialise the struct */
    size_t n;    /* bytes used */
    size_t size; /* bytes allocated */
    bool failed; /* out of memory happened */
};

void buf_release(struct buf *b);
static inline void buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = false;
    if (b->p) b->p[0] = 0;
}
/* Room for n more bytes; returns the end, or NULL. */
char *buf_reserve(struct buf *b, size_t n);
void buf_put(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *text);
void buf_putc(struct buf *b, char c);
void buf_span(struct buf *b, struct span s);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap);
/* A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD; controls are escaped;
 * '<' is written as is (callers that put JSON in HTML escape there). RFC 8259. */
void buf_json(struct buf *b, struct span s);
/* A JSON number: shortest form that reads back equal; NaN and infinities become null. */
void buf_json_real(struct buf *b, double v);
/* Text for a terminal: control bytes except \n and \t become U+FFFD, invalid UTF-8 too. */
void buf_terminal(struct buf *b, struct span s);
/* Valid UTF-8 made of s, each invalid byte replaced by U+FFFD. */
void buf_utf8(struct buf *b, struct span s);
static inline struct span buf_text(const struct buf *b)
{
    return (struct span){b->p ? b->p : "", b->n};
}
static inline enum err WARN_UNUSED buf_ok(const struct buf *b)
{
    return b->failed ? err_set(ERR_NOMEM, "out of memory while building a text of %zu bytes", b->n)
                     : ERR_OK;
}
/* Length in bytes of the valid UTF-8 sequence at s.p, or 0 if the first byte does not start one. */
size_t utf8_length(struct span s);

#endif
