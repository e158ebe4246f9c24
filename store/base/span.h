/* span.h - a borrowed run of bytes, and the few things everybody does with one.
 *
 * A span never owns. `p` is not NUL-terminated unless said so. {NULL, 0} means absent (SQL NULL),
 * {"", 0} means empty.
 */
#ifndef STORE_BASE_SPAN_H
#define STORE_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *p; /* borrowed bytes, NULL when absent */
    size_t n;      /* bytes */
};

#define SPAN(literal) ((struct span){"" literal, sizeof(literal) - 1})
#define SPAN_NONE     ((struct span){NULL, 0})
/* For printf("%.*s", SPAN_ARG(s)). */
#define SPAN_ARG(s) (int)(s).n, (s).p ? (s).p : ""

static inline struct span span_of(const char *text)
{
    return (struct span){text, text ? strlen(text) : 0};
}
static inline bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool span_is(struct span a, const char *text)
{
    return span_eq(a, span_of(text));
}
static inline bool span_starts(struct span a, const char *text)
{
    size_t n = strlen(text);
    return a.n >= n && memcmp(a.p, text, n) == 0;
}
static inline bool span_ends(struct span a, const char *text)
{
    size_t n = strlen(text);
    return a.n >= n && memcmp(a.p + a.n - n, text, n) == 0;
}
static inline struct span span_from(struct span a, size_t at)
{
    if (!a.p) return a; /* absent stays absent */
    return at >= a.n ? (struct span){a.p + a.n, 0} : (struct span){a.p + at, a.n - at};
}
static inline struct span span_to(struct span a, size_t end)
{
    return (struct span){a.p, end < a.n ? end : a.n};
}
/* Without leading and trailing blanks, tabs, CR and LF. */
struct span span_trim(struct span a);
/* Offset of the first `needle` at or after `from`, or SIZE_MAX. */
size_t span_find(struct span a, struct span needle, size_t from);
/* Takes the next line off *rest (LF removed, CR kept). False at the end. */
bool span_next_line(struct span *rest, struct span *out);
/* Decimal integer over the whole span. False when there is any other byte or no digit. */
bool span_to_i64(struct span a, int64_t *out);
/* Decimal real over the whole span (strtod's forms without hex). False otherwise. */
bool span_to_f64(struct span a, double *out);

#endif
