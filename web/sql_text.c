/* sql_text.c - skips what SQLite would not read as a parameter. */
#include "web/sql_text.h"

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Where what begins at i ends: a string, a quoted name, a comment; i itself when nothing of that
 * kind begins. */
static size_t skip(struct span s, size_t i)
{
    static const struct {
        const char *begin, *end;
    } kinds[] = {{"--", "\n"}, {"/*", "*/"}, {"'", "'"}, {"\"", "\""}, {"`", "`"}, {"[", "]"}};
    struct span here = span_from(s, i);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        if (!span_starts(here, kinds[k].begin)) continue;
        size_t end = span_find(s, span_of(kinds[k].end), i + strlen(kinds[k].begin));
        return end == SIZE_MAX ? s.n : end + strlen(kinds[k].end);
    }
    return i;
}

bool sql_parameter_next(struct span *rest, struct span *out)
{
    for (size_t i = 0; i < rest->n;) {
        size_t end = skip(*rest, i);
        if (end != i) {
            i = end;
            continue;
        }
        if (rest->p[i] != ':' || i + 1 == rest->n || !is_name(rest->p[i + 1])) {
            i++;
            continue;
        }
        for (end = i + 1; end < rest->n && is_name(rest->p[end]);) end++;
        *out = (struct span){rest->p + i + 1, end - i - 1};
        *rest = span_from(*rest, end);
        return true;
    }
    *rest = span_from(*rest, rest->n);
    return false;
}
