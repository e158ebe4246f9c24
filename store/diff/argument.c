/* argument.c - what a printed call says, read byte by byte. */
#include "store/diff/argument.h"

#include <stdio.h>

#include "store/diff/stream.h"

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Bytes of t, dt, ft or lt at the beginning; 0 none. */
static size_t form_at(struct span s)
{
    size_t n = s.n && (s.p[0] == 'd' || s.p[0] == 'f' || s.p[0] == 'l') ? 1 : 0;
    return s.n > n && s.p[n] == 't' ? n + 1 : 0;
}

/* Bytes of $3 there; 0 none. */
static size_t number_at(struct span s)
{
    size_t n = 1;
    if (!s.n || s.p[0] != '$') return 0;
    while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9') n++;
    return n > 1 ? n : 0;
}

size_t diff_tensor_at(struct span s, struct span *dtype, struct span *shape)
{
    size_t at = form_at(s);
    if (!at) return 0;
    at += number_at(span_from(s, at));
    if (at + 2 > s.n || s.p[at] != ':' || s.p[at + 1] != ' ') return 0;
    size_t begin = at += 2;
    while (at < s.n && is_word(s.p[at])) at++;
    size_t open = at;
    if (open == begin || at >= s.n || s.p[at] != '[') return 0;
    while (at < s.n && s.p[at] != ']') at++;
    if (at >= s.n) return 0;
    if (dtype) *dtype = (struct span){s.p + begin, open - begin};
    if (shape) *shape = (struct span){s.p + open, at + 1 - open};
    return at + 1;
}

/* Bytes of t$3 that stay (t) and that go ($3). */
static size_t tensor_number(struct span s, size_t at, size_t *stay)
{
    if (at && (is_word(s.p[at - 1]) || s.p[at - 1] == '.')) return 0;
    *stay = form_at(span_from(s, at));
    size_t n = *stay ? number_at(span_from(s, at + *stay)) : 0;
    return n && at + *stay + n < s.n && s.p[at + *stay + n] == ':' ? n : 0;
}

/* The same of ` at 0x7f00`. */
static size_t address(struct span s, size_t at, size_t *stay)
{
    *stay = sizeof " at 0x" - 1;
    if (s.p[at] != ' ' || !span_starts(span_from(s, at), " at 0x")) return 0;
    size_t n = 0;
    while (at + *stay + n < s.n && strchr("0123456789abcdef", s.p[at + *stay + n]) &&
           s.p[at + *stay + n])
        n++;
    return n;
}

void diff_strip_numbers(struct span s, struct buf *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < s.n; i++) {
        size_t stay, n = tensor_number(s, i, &stay);
        if (!n) n = address(s, i, &stay);
        if (!n) continue;
        buf_put(out, s.p + kept, i + stay - kept);
        kept = i + stay + n;
        i = kept - 1;
    }
    buf_put(out, s.p + kept, s.n - kept);
}

void diff_put_tensors(struct span arguments, bool dtypes, struct buf *out)
{
    for (size_t i = 0; i < arguments.n; i++) {
        struct span dtype, shape;
        if (i && is_word(arguments.p[i - 1])) continue;
        size_t n = diff_tensor_at(span_from(arguments, i), &dtype, &shape);
        if (!n) continue;
        if (dtypes) buf_span(out, dtype);
        buf_span(out, shape);
        i += n - 1;
    }
}

bool diff_has_distributed(struct span arguments)
{
    for (size_t i = 0; i < arguments.n; i++) {
        if (arguments.p[i] != 'd' || (i && is_word(arguments.p[i - 1]))) continue;
        if (diff_tensor_at(span_from(arguments, i), NULL, NULL)) return true;
    }
    return false;
}

struct span diff_base_name(struct span name)
{
    size_t space = span_find(name, SPAN("::"), 0);
    size_t dot = span_find(name, SPAN("."), space == SIZE_MAX ? 0 : space);
    if (space != SIZE_MAX && dot != SIZE_MAX) name = span_to(name, dot);
    bool in_place = name.n > 2 && span_ends(name, "_") && !span_ends(name, "__");
    return in_place ? span_to(name, name.n - 1) : name;
}

/* The byte after the bracket that opens at `at`, quotes taken whole. */
static size_t after_bracket(struct span s, size_t at)
{
    int depth = 0;
    char quote = 0;
    for (; at < s.n; at++) {
        char c = s.p[at];
        if (quote) {
            if (c == quote) quote = 0;
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == '[') {
            depth++;
        } else if (c == ']' && --depth == 0) {
            return at + 1;
        }
    }
    return s.n;
}

struct span diff_module_key(struct span name)
{
    size_t at = 0;
    while (at < name.n && name.p[at] != '.')
        at = name.p[at] == '[' ? after_bracket(name, at) : at + 1;
    return at < name.n ? span_from(name, at + 1) : SPAN("");
}

/* A quote begins a string where a value begins and is closed further on; a bare string may hold
 * an apostrophe. */
static bool opens_string(struct span s, size_t at)
{
    char before = at ? s.p[at - 1] : ' ';
    return strchr(" [({=:,", before) &&
           memchr(s.p + at + 1, s.p[at], s.n - at - 1); /* 0 is no byte of a printed text */
}

/* The byte where the argument that begins at `at` ends: at ", " outside brackets and quotes. */
static size_t argument_end(struct span s, size_t at)
{
    int depth = 0;
    for (; at < s.n; at++) {
        char c = s.p[at];
        if ((c == '\'' || c == '"') && opens_string(s, at)) {
            for (at++; at < s.n && s.p[at] != c; at++)
                if (s.p[at] == '\\') at++;
        } else if (c == '[' || c == '(' || c == '{') {
            depth++;
        } else if (c == ']' || c == ')' || c == '}') {
            depth--;
        } else if (c == ',' && depth <= 0 && at + 1 < s.n && s.p[at + 1] == ' ') {
            return at;
        }
    }
    return s.n;
}

/* Takes the next argument off *rest; false at the end. */
static bool next_argument(struct span *rest, struct span *out)
{
    if (!rest->p || !rest->n) return false;
    size_t end = argument_end(*rest, 0);
    if (end > rest->n) end = rest->n;
    *out = span_to(*rest, end);
    *rest = span_from(*rest, end + 2);
    return true;
}

static void name_keyword(struct diff_argument *out, int n)
{
    size_t equal = span_find(out->text, SPAN("="), 0);
    if (equal == SIZE_MAX) {
        snprintf(out->path, sizeof out->path, "[1][%d]", n);
        return;
    }
    snprintf(out->path, sizeof out->path, "[1]['%.*s']", equal < 50 ? (int)equal : 50, out->text.p);
    out->text = span_from(out->text, equal + 1);
}

bool diff_next_argument(struct diff_arguments *rest, struct diff_argument *out)
{
    if (next_argument(&rest->args, &out->text)) {
        snprintf(out->path, sizeof out->path, "[0][%d]", rest->positional++);
    } else {
        if (!rest->keyword && span_starts(rest->kwargs, ", "))
            rest->kwargs = span_from(rest->kwargs, 2);
        if (!next_argument(&rest->kwargs, &out->text)) return false;
        name_keyword(out, rest->keyword++);
    }
    out->tensor = diff_tensor_at(out->text, NULL, NULL) > 0;
    return true;
}
