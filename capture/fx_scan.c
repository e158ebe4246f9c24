/* fx_scan.c - a token is found by the class of its first byte. */
#include "capture/fx_scan.h"

#include <limits.h>

enum class { OTHER, BLANK, LETTER, DIGIT, QUOTE, OPENING, CLOSING, RUN, SINGLE };

static const unsigned char classes[256] = {
    [' '] = BLANK,
    ['\t'] = BLANK,
    ['\r'] = BLANK,
    ['\f'] = BLANK,
    ['a' ... 'z'] = LETTER,
    ['A' ... 'Z'] = LETTER,
    ['_'] = LETTER,
    [0x80 ... 0xff] = LETTER,
    ['0' ... '9'] = DIGIT,
    ['"'] = QUOTE,
    ['\''] = QUOTE,
    ['('] = OPENING,
    ['['] = OPENING,
    ['{'] = OPENING,
    [')'] = CLOSING,
    [']'] = CLOSING,
    ['}'] = CLOSING,
    ['+'] = RUN,
    ['-'] = RUN,
    ['*'] = RUN,
    ['/'] = RUN,
    ['%'] = RUN,
    ['@'] = RUN,
    ['<'] = RUN,
    ['>'] = RUN,
    ['='] = RUN,
    ['!'] = RUN,
    ['&'] = RUN,
    ['|'] = RUN,
    ['^'] = RUN,
    ['~'] = RUN,
    [','] = SINGLE,
    [';'] = SINGLE,
    [':'] = SINGLE,
    ['.'] = SINGLE,
};

static enum class class_of(char c) { return (enum class)classes[(unsigned char)c]; }

static const char *line_end(const struct fx_scan *s, const char *from)
{
    const char *nl = memchr(from, '\n', (size_t)(s->end - from));
    return nl ? nl : s->end;
}

/* At a line end inside brackets: does the next line that is not blank belong to the statement? */
static bool continues(const struct fx_scan *s, const char **next, uint32_t *lines)
{
    const char *p = s->p;
    while (p < s->end && *p == '\n') {
        const char *start = ++p;
        ++*lines;
        while (p < s->end && class_of(*p) == BLANK) p++;
        if (p < s->end && *p == '\n') continue;
        struct span rest = {p, (size_t)(s->end - p)};
        bool deeper = (size_t)(p - start) > s->indent;
        if (!rest.n || !(deeper || class_of(*p) == CLOSING)) return false;
        if (span_starts(rest, "class ") || span_starts(rest, "def ")) return false;
        *next = p;
        return true;
    }
    return false;
}

/* Skips blanks, comments and the line ends inside brackets. False at the end of the statement. */
static bool skip_blank(struct fx_scan *s)
{
    while (s->p < s->end) {
        if (class_of(*s->p) == BLANK) {
            s->p++;
        } else if (*s->p == '#') {
            s->p = line_end(s, s->p);
        } else if (*s->p == '\n') {
            const char *next = NULL;
            uint32_t lines = 0;
            if (s->depth <= 0 || !continues(s, &next, &lines)) return false;
            s->p = next;
            s->line += lines;
        } else {
            return true;
        }
    }
    return false;
}

static const char *end_of_name(const struct fx_scan *s)
{
    const char *p = s->p;
    while (p < s->end && (class_of(*p) == LETTER || class_of(*p) == DIGIT || *p == '.')) p++;
    return p;
}

static const char *end_of_number(const struct fx_scan *s)
{
    const char *p = end_of_name(s);
    bool exponent = (p[-1] == 'e' || p[-1] == 'E') && p + 1 < s->end && (*p == '-' || *p == '+');
    if (!exponent || class_of(p[1]) != DIGIT) return p;
    for (p++; p < s->end && class_of(*p) == DIGIT;) p++;
    return p;
}

static const char *end_of_string(const struct fx_scan *s)
{
    char quote = *s->p;
    const char *p = s->p + 1;
    for (; p < s->end && *p != '\n'; p++) {
        if (*p == quote) return p + 1;
        if (*p == '\\' && p + 1 < s->end && p[1] != '\n') p++;
    }
    return p;
}

static const char *end_of_run(const struct fx_scan *s)
{
    const char *p = s->p;
    while (p < s->end && class_of(*p) == RUN) p++;
    return p;
}

static const char *end_of_token(struct fx_scan *s, enum fx_token_kind *kind)
{
    switch (class_of(*s->p)) {
    case LETTER: *kind = FX_NAME; return end_of_name(s);
    case DIGIT: *kind = FX_NUMBER; return end_of_number(s);
    case QUOTE: *kind = FX_STRING; return end_of_string(s);
    case OPENING:
        *kind = FX_OPEN;
        if (s->depth < INT_MAX) s->depth++;
        return s->p + 1;
    case CLOSING:
        *kind = FX_CLOSE;
        if (s->depth > 0) s->depth--;
        return s->p + 1;
    case RUN: *kind = FX_MARK; return end_of_run(s);
    default: *kind = FX_MARK; return s->p + 1;
    }
}

struct fx_token fx_scan_next(struct fx_scan *s)
{
    if (!skip_blank(s)) return (struct fx_token){FX_END, {s->p, 0}, s->line};
    struct fx_token t = {FX_END, {s->p, 0}, s->line};
    const char *stop = end_of_token(s, &t.kind);
    t.text.n = (size_t)(stop - s->p);
    s->p = stop;
    return t;
}

void fx_scan_skip_line(struct fx_scan *s)
{
    s->p = line_end(s, s->p);
    s->depth = 0;
}
