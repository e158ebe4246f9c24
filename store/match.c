/* match.c - words by memmem, expressions by PCRE2 over whole blocks.
 *
 * An expression runs over a block of many lines at once, since a call per line would cost more
 * than the search. Where it matched over a line end, that line is searched again by itself. A
 * pattern that anchors to line starts always goes line by line: PCRE2 would put `^` before the
 * tab of a payload line.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "store/match.h"

#include <pcre2.h>
#include <stdlib.h>

enum { JIT_STACK_MAX = 1 << 20 };

struct match_pattern {
    pcre2_code *code; /* NULL: a word */
    char *word;
    size_t n;
    bool by_line;
    bool jit;
};

static enum err compile(struct match_pattern *p, struct span text, unsigned flags)
{
    uint32_t options =
        PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
    if (flags & MATCH_IGNORE_CASE) options |= PCRE2_CASELESS;
    if (!(flags & MATCH_REGEX)) {
        options &= ~(uint32_t)PCRE2_MULTILINE;
        options |= PCRE2_LITERAL;
        options &= ~(uint32_t)PCRE2_NEVER_BACKSLASH_C;
    }
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) FAIL(ERR_NOMEM, "out of memory for a pattern");
    pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
    pcre2_set_parens_nest_limit(context, 100);
    int code;
    size_t at;
    p->code = pcre2_compile((PCRE2_SPTR)text.p, text.n, options, &code, &at, context);
    pcre2_compile_context_free(context);
    if (!p->code) {
        PCRE2_UCHAR why[128];
        pcre2_get_error_message(code, why, sizeof why);
        FAIL(ERR_USAGE, "the pattern is not a PCRE2 expression: %s at byte %zu", (char *)why, at);
    }
    p->jit = pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE) == 0;
    return ERR_OK;
}

enum err match_pattern_new(struct span text, unsigned flags, struct match_pattern **out)
{
    if (!text.n) FAIL(ERR_USAGE, "the pattern is empty; a word of one letter or more is needed");
    if (text.n > MATCH_WORD_MAX)
        FAIL(ERR_USAGE, "the pattern has %zu bytes; at most %d are accepted", text.n,
             MATCH_WORD_MAX);
    if (memchr(text.p, '\n', text.n))
        FAIL(ERR_USAGE, "the pattern has a line end; a match lies within one line");
    struct match_pattern *p = calloc(1, sizeof *p);
    if (!p) FAIL(ERR_NOMEM, "out of memory for a pattern");
    enum err err = ERR_OK;
    p->n = text.n;
    p->word = malloc(text.n);
    if (p->word) memcpy(p->word, text.p, text.n);
    else err = err_set(ERR_NOMEM, "out of memory for a pattern");
    if (!err && flags) err = compile(p, text, flags);
    if (flags & MATCH_REGEX) {
        p->by_line = memchr(text.p, '^', text.n) || memmem(text.p, text.n, "\\A", 2) ||
                     memmem(text.p, text.n, "\\G", 2) || memmem(text.p, text.n, "\\z", 2) ||
                     memmem(text.p, text.n, "\\Z", 2);
        p->n = 0;
    }
    if (err) {
        match_pattern_free(p);
        return err;
    }
    *out = p;
    return ERR_OK;
}

void match_pattern_free(struct match_pattern *p)
{
    if (!p) return;
    pcre2_code_free(p->code);
    free(p->word);
    free(p);
}

size_t match_pattern_size(const struct match_pattern *p)
{
    return p->n;
}

enum err match_scan_init(struct match_scan *s, const struct match_pattern *pattern)
{
    *s = (struct match_scan){.pattern = pattern};
    if (!pattern->code) return ERR_OK;
    s->data = pcre2_match_data_create_from_pattern(pattern->code, NULL);
    s->context = pcre2_match_context_create(NULL);
    if (s->data && s->context) {
        pcre2_set_match_limit(s->context, MATCH_STEPS);
        pcre2_set_depth_limit(s->context, MATCH_STEPS / 10);
        pcre2_set_heap_limit(s->context, 32 << 10 /* KiB */);
        if (!pattern->jit) return ERR_OK;
        s->stack = pcre2_jit_stack_create(32 << 10, JIT_STACK_MAX, NULL);
        if (s->stack) {
            pcre2_jit_stack_assign(s->context, NULL, s->stack);
            return ERR_OK;
        }
    }
    match_scan_release(s);
    FAIL(ERR_NOMEM, "out of memory for a search");
}

void match_scan_release(struct match_scan *s)
{
    if (s->stack) pcre2_jit_stack_free(s->stack);
    if (s->context) pcre2_match_context_free(s->context);
    if (s->data) pcre2_match_data_free(s->data);
    s->stack = s->context = s->data = NULL;
}

/* PCRE2's verdict: 1 found, 0 not found, -1 too expensive. */
static int expression_at(struct match_scan *s, struct span text, size_t from, struct match *out)
{
    int rc =
        pcre2_match(s->pattern->code, (PCRE2_SPTR)text.p, text.n, from, 0, s->data, s->context);
    if (rc == PCRE2_ERROR_NOMATCH) return 0;
    if (rc < 0) return -1;
    const size_t *range = pcre2_get_ovector_pointer(s->data);
    size_t begin = range[0] < range[1] ? range[0] : range[1]; /* \K may turn them round */
    *out = (struct match){begin, (range[0] < range[1] ? range[1] : range[0]) - begin};
    return 1;
}

static size_t line_end(struct span text, size_t at)
{
    const char *end = at < text.n ? memchr(text.p + at, '\n', text.n - at) : NULL;
    return end ? (size_t)(end - text.p) : text.n;
}

static size_t line_start(struct span text, size_t at)
{
    const char *end = memrchr(text.p, '\n', at);
    return end ? (size_t)(end - text.p) + 1 : 0;
}

/* Looks in the line that holds `from`, its tab left out. */
static bool in_line(struct match_scan *s, struct span text, size_t from, struct match *out)
{
    size_t start = line_start(text, from), end = line_end(text, from);
    if (start < end && text.p[start] == '\t') start++;
    if (end > start && text.p[end - 1] == '\r') end--;
    if (from > end) return false;
    struct span line = {text.p + start, end - start};
    int verdict = expression_at(s, line, from > start ? from - start : 0, out);
    if (verdict < 0) s->n_skipped++;
    out->at += start;
    return verdict > 0;
}

static bool by_line(struct match_scan *s, struct span text, size_t from, struct match *out)
{
    while (from < text.n) {
        if (in_line(s, text, from, out)) return true;
        from = line_end(text, from) + 1;
    }
    return false;
}

static bool by_block(struct match_scan *s, struct span text, size_t from, struct match *out)
{
    while (from < text.n) {
        int verdict = expression_at(s, text, from, out);
        if (verdict == 0) return false;
        if (verdict < 0) {
            s->slow = text.p;
            return by_line(s, text, from, out);
        }
        if (!memchr(text.p + out->at, '\n', out->n)) return true;
        size_t start = line_start(text, out->at);
        size_t next = line_end(text, out->at) + 1;
        if (in_line(s, text, start > from ? start : from, out)) return true;
        from = next;
    }
    return false;
}

bool match_next(struct match_scan *s, struct span text, size_t from, struct match *out)
{
    if (from > text.n) return false;
    const struct match_pattern *p = s->pattern;
    if (!p->code) {
        const char *hit = memmem(text.p + from, text.n - from, p->word, p->n);
        if (!hit) return false;
        *out = (struct match){(size_t)(hit - text.p), p->n};
        return true;
    }
    return p->by_line || s->slow == text.p ? by_line(s, text, from, out)
                                           : by_block(s, text, from, out);
}
