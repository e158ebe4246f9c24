/* buf.c - growing, formatting, and the escapes that more than one layer needs. */
#include "store/base/buf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void buf_release(struct buf *b)
{
    free(b->p);
    *b = (struct buf){0};
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->failed) return NULL;
    size_t need;
    if (__builtin_add_overflow(b->n, n + 1, &need)) need = 0;
    if (need && need <= b->size) return b->p + b->n;
    size_t size = b->size ? b->size : 128;
    while (need && size < need) size = size > SIZE_MAX / 2 ? need : size * 2;
    char *p = need ? realloc(b->p, size) : NULL;
    if (!p) {
        b->failed = true;
        return NULL;
    }
    b->p = p;
    b->size = size;
    p[b->n] = 0;
    return p + b->n;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
    char *end = buf_reserve(b, n);
    if (!end) return;
    if (n) memcpy(end, p, n);
    b->n += n;
    b->p[b->n] = 0;
}

void buf_puts(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}
void buf_putc(struct buf *b, char c)
{
    buf_put(b, &c, 1);
}
void buf_span(struct buf *b, struct span s)
{
    buf_put(b, s.p, s.n);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    char *end = n < 0 ? NULL : buf_reserve(b, (size_t)n);
    if (!end) return;
    vsnprintf(end, (size_t)n + 1, fmt, ap);
    b->n += (size_t)n;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

size_t utf8_length(struct span s)
{
    if (!s.n) return 0;
    const unsigned char *u = (const unsigned char *)s.p;
    if (u[0] < 0x80) return 1;
    size_t n = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
    if (u[0] < 0xc2 || u[0] > 0xf4 || s.n < n) return 0;
    for (size_t i = 1; i < n; i++)
        if ((u[i] & 0xc0) != 0x80) return 0;
    if (u[0] == 0xe0 && u[1] < 0xa0) return 0; /* overlong */
    if (u[0] == 0xed && u[1] > 0x9f) return 0; /* surrogates */
    if (u[0] == 0xf0 && u[1] < 0x90) return 0; /* overlong */
    if (u[0] == 0xf4 && u[1] > 0x8f) return 0; /* above U+10FFFF */
    return n;
}

static const char REPLACEMENT[] = "\xef\xbf\xbd";

/* Copies s, asking `escape` for each ASCII byte that is not plain; NULL from it means as it is. */
static void put_escaped(struct buf *b, struct span s,
                        const char *(*escape)(unsigned char c, char scratch[8]))
{
    size_t plain = 0; /* start of the run not written yet */
    for (size_t i = 0; i < s.n;) {
        char scratch[8];
        size_t n = utf8_length(span_from(s, i));
        const char *text = n == 0   ? REPLACEMENT
                           : n == 1 ? escape((unsigned char)s.p[i], scratch)
                                    : NULL;
        if (text) {
            buf_put(b, s.p + plain, i - plain);
            buf_puts(b, text);
            plain = i + 1;
        }
        i += n ? n : 1;
    }
    buf_put(b, s.p + plain, s.n - plain);
}

static const char *json_escape(unsigned char c, char scratch[8])
{
    switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: break;
    }
    if (c >= 0x20 && c != 0x7f) return NULL;
    snprintf(scratch, 8, "\\u%04x", c);
    return scratch;
}

void buf_json(struct buf *b, struct span s)
{
    buf_putc(b, '"');
    put_escaped(b, s, json_escape);
    buf_putc(b, '"');
}

void buf_json_real(struct buf *b, double v)
{
    char text[40];
    if (!isfinite(v)) {
        buf_puts(b, "null");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    buf_puts(b, text);
    if (!strpbrk(text, ".e")) buf_puts(b, ".0");
}

static const char *terminal_escape(unsigned char c, char scratch[8])
{
    (void)scratch;
    return (c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t' ? NULL : REPLACEMENT;
}

void buf_terminal(struct buf *b, struct span s)
{
    /* C1 controls (U+0080..U+009F) are two-byte UTF-8 and some terminals obey them. */
    size_t from = 0;
    for (size_t i = 0; i + 1 < s.n; i++) {
        if ((unsigned char)s.p[i] != 0xc2 || (unsigned char)s.p[i + 1] > 0x9f ||
            (unsigned char)s.p[i + 1] < 0x80)
            continue;
        put_escaped(b, (struct span){s.p + from, i - from}, terminal_escape);
        buf_puts(b, REPLACEMENT);
        from = ++i + 1;
    }
    put_escaped(b, span_from(s, from), terminal_escape);
}

static const char *no_escape(unsigned char c, char scratch[8])
{
    (void)c, (void)scratch;
    return NULL;
}

void buf_utf8(struct buf *b, struct span s)
{
    put_escaped(b, s, no_escape);
}
