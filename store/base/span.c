/* span.c - searching, lines and numbers in spans. */
#include "store/base/span.h"

#include <stdlib.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span span_trim(struct span a)
{
    while (a.n && is_blank(a.p[0])) a.p++, a.n--;
    while (a.n && is_blank(a.p[a.n - 1])) a.n--;
    return a;
}

size_t span_find(struct span a, struct span needle, size_t from)
{
    if (from > a.n || needle.n > a.n - from) return SIZE_MAX;
    if (needle.n == 0) return from;
    const char *hit = memmem(a.p + from, a.n - from, needle.p, needle.n);
    return hit ? (size_t)(hit - a.p) : SIZE_MAX;
}

bool span_next_line(struct span *rest, struct span *out)
{
    if (!rest->n) return false;
    const char *end = memchr(rest->p, '\n', rest->n);
    size_t n = end ? (size_t)(end - rest->p) : rest->n;
    *out = (struct span){rest->p, n};
    *rest = span_from(*rest, n + (end != NULL));
    return true;
}

bool span_to_i64(struct span a, int64_t *out)
{
    bool negative = a.n && a.p[0] == '-';
    size_t i = negative;
    if (i == a.n) return false;
    uint64_t v = 0;
    for (; i < a.n; i++) {
        unsigned digit = (unsigned)(a.p[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, digit, &v))
            return false;
    }
    if (v > (uint64_t)INT64_MAX + negative) return false;
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

bool span_to_f64(struct span a, double *out)
{
    char text[64];
    if (a.n == 0 || a.n >= sizeof text) return false;
    memcpy(text, a.p, a.n);
    text[a.n] = 0;
    if (strpbrk(text, "xX") || is_blank(text[0])) return false;
    char *end;
    *out = strtod(text, &end);
    return end == text + a.n;
}
