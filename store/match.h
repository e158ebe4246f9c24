/* match.h - one pattern (word or PCRE2 expression) looked for in text, line by line, by several
 * threads.
 *
 * A match lies within one line. A word is found with memmem; a word without regard to case, and
 * an expression, with PCRE2 (UTF-8, invalid bytes match nothing; compiled to machine code where
 * PCRE2 can). Payload lines of a log have a leading tab, which is no part of the content: `^`
 * stands behind it.
 */
#ifndef STORE_MATCH_H
#define STORE_MATCH_H

#include "store/base/err.h"
#include "store/base/span.h"

/* A match costs at most so many steps; a place that needs more is skipped and counted. */
enum { MATCH_STEPS = 1000000, MATCH_WORD_MAX = 4096 };

enum match_flags {
    MATCH_REGEX = 1, /* the pattern is a PCRE2 expression, else a word */
    MATCH_IGNORE_CASE = 2,
};

struct match_pattern;
/* Compiles. ERR_USAGE says what is wrong with the pattern and at which byte. The text is copied. */
enum err WARN_UNUSED match_pattern_new(struct span text, unsigned flags,
                                       struct match_pattern **out);
void match_pattern_free(struct match_pattern *p);
/* Bytes of a word; 0 for an expression. */
size_t match_pattern_size(const struct match_pattern *p);

/* What one thread needs to look for a pattern that all share. */
struct match_scan {
    const struct match_pattern *pattern; /* borrowed */
    void *data, *context, *stack;        /* PCRE2's, owned */
    const char *slow;                    /* text whose whole was too expensive: searched by line */
    int64_t n_skipped;                   /* places given up for their cost */
};
enum err WARN_UNUSED match_scan_init(struct match_scan *s, const struct match_pattern *pattern);
void match_scan_release(struct match_scan *s);

/* Byte range of a match in the text that was searched. */
struct match {
    size_t at, n;
};
/* First match at or after `from`, which must be a line start or lie behind the last match. */
bool match_next(struct match_scan *s, struct span text, size_t from, struct match *out);

#endif
