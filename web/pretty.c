/* pretty.c - a walk over the bytes: strings are copied whole, blanks between tokens go, brackets
 * move the margin. */
#include "web/pretty.h"

static size_t string_end(struct span s, size_t i)
{
    for (i++; i < s.n && s.p[i] != '"'; i++)
        if (s.p[i] == '\\') i++;
    return i < s.n ? i + 1 : s.n;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Deeper levels than DEEPEST stay at its margin, so that blanks never outgrow the text by much. */
static void new_line(struct buf *out, int depth)
{
    enum { DEEPEST = 24 };
    buf_putc(out, '\n');
    for (int i = 0; i < depth && i < DEEPEST; i++) buf_puts(out, "  ");
}

/* Copies tokens of a list or object on one line; gives the end of it, or 0 if it nests or is too
 * wide. */
static size_t one_line(struct span s, size_t at, struct buf *line)
{
    buf_clear(line);
    for (size_t i = at; i < s.n && line->n <= PRETTY_WIDTH;) {
        char c = s.p[i];
        size_t end = i + 1;
        if (is_blank(c)) {
            i++;
            continue;
        }
        if (i > at && (c == '{' || c == '[')) return 0;
        if (c == '"') end = string_end(s, i);
        if (end - i > PRETTY_WIDTH) return 0;
        buf_put(line, s.p + i, end - i);
        if (c == ',' || c == ':') buf_putc(line, ' ');
        if (c == ']' || c == '}') return end;
        i = end;
    }
    return 0;
}

void pretty_json(struct span text, struct buf *out)
{
    struct buf line = {0};
    int depth = 0;
    for (size_t i = 0; i < text.n;) {
        char c = text.p[i];
        size_t end = i + 1, short_end;
        if (is_blank(c)) {
            i++;
        } else if ((c == '{' || c == '[') && (short_end = one_line(text, i, &line)) != 0) {
            buf_span(out, buf_text(&line));
            i = short_end;
        } else {
            if (c == '"') end = string_end(text, i);
            if (c == '}' || c == ']') new_line(out, --depth);
            buf_put(out, text.p + i, end - i);
            if (c == ':') buf_putc(out, ' ');
            else if (c == ',') new_line(out, depth);
            else if (c == '{' || c == '[') new_line(out, ++depth);
            i = end;
        }
    }
    buf_release(&line);
}
