/* debug_cut.c - where the values of a long JSON text end. */
#include "capture/debug_cut.h"

#include <stdint.h>
#include <string.h>

void debug_cut_blanks(struct debug_cut *c)
{
    while (c->at < c->text.n && c->text.p[c->at] && strchr(" \t\r\n", c->text.p[c->at])) c->at++;
}

bool debug_cut_takes(struct debug_cut *c, char what)
{
    debug_cut_blanks(c);
    if (c->at >= c->text.n || c->text.p[c->at] != what) return false;
    c->at++;
    return true;
}

static size_t string_end(struct span s, size_t at)
{
    for (at++; at < s.n && s.p[at] != '"'; at++)
        if (s.p[at] == '\\') at++;
    return at < s.n ? at + 1 : SIZE_MAX;
}

/* Byte behind the value that begins at `at`, by its brackets alone; SIZE_MAX when it does not
 * end. */
static size_t value_end(struct span s, size_t at)
{
    int64_t depth = 0;
    while (at < s.n) {
        char c = s.p[at];
        if (c == '"') {
            at = string_end(s, at);
            if (at == SIZE_MAX || !depth) return at;
            continue;
        }
        if ((c == ']' || c == '}' || c == ',') && !depth) return at;
        if (c == '[' || c == '{') depth++;
        if ((c == ']' || c == '}') && --depth == 0) return at + 1;
        at++;
    }
    return SIZE_MAX;
}

struct span debug_cut_value(struct debug_cut *c)
{
    debug_cut_blanks(c);
    size_t end = value_end(c->text, c->at);
    if (end == SIZE_MAX) return SPAN_NONE;
    struct span value = {c->text.p + c->at, end - c->at};
    c->at = end;
    return span_trim(value);
}
