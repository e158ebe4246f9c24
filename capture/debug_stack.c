/* debug_stack.c - stacks as Python's traceback prints them, and the one line that stands for
 * them in a log.
 *
 *     File "/home/user/a.py", line 3, in f
 *       return g(x)
 */
#include "capture/debug_call.h"

static const char head[] = "  File \"";

/* `  File "a.py", line 3, in f`: from the right, since a path may contain anything. */
static bool read_head(struct span line, struct debug_frame *out)
{
    static const struct span line_word = {"\", line ", 8}, in_word = {", in ", 5};
    if (!span_starts(line, head)) return false;
    struct span rest = span_from(line, sizeof head - 1);
    size_t at = SIZE_MAX;
    for (size_t i = 0; (i = span_find(rest, line_word, i)) != SIZE_MAX; i++) {
        struct span tail = span_from(rest, i + line_word.n);
        size_t end = span_find(span_to(tail, 24), in_word, 0);
        int64_t number;
        if (end != SIZE_MAX && end < 18 && span_to_i64(span_to(tail, end), &number) && number >= 0)
            at = i, out->line = number, out->name = span_from(tail, end + in_word.n);
    }
    if (at == SIZE_MAX) return false;
    out->file = span_to(rest, at);
    return out->file.n > 0 && out->name.n > 0;
}

bool debug_next_frame(struct span *rest, struct debug_frame *out)
{
    struct span text = *rest, line;
    *out = (struct debug_frame){0};
    if (!span_next_line(&text, &line) || !read_head(line, out)) return false;
    *rest = text;
    while (text.n && !span_starts(text, head)) (void)span_next_line(&text, &line);
    struct span loc = {rest->p, (size_t)(text.p - rest->p)};
    if (loc.n) {
        if (!span_starts(loc, "    ") || loc.p[loc.n - 1] != '\n') return false;
        out->loc = (struct span){loc.p + 4, loc.n - 5};
    }
    *rest = text;
    return true;
}

void debug_print_frame(struct buf *b, const struct debug_frame *f)
{
    buf_puts(b, head);
    buf_span(b, f->file);
    buf_printf(b, "\", line %lld, in ", (long long)f->line);
    buf_span(b, f->name);
    buf_putc(b, '\n');
    if (!f->loc.p) return;
    buf_puts(b, "    ");
    buf_span(b, f->loc);
    buf_putc(b, '\n');
}

/* PyTorch's own files. Where it was built in place its folder is not known, and its frames are
 * taken for the user's, as is code
 * that it generated (`<eval_with_key>.5 from /usr/...`). */
static bool is_torch(struct span file)
{
    if (file.p[0] == '<') return false;
    return span_find(file, SPAN("/site-packages/torch/"), 0) != SIZE_MAX ||
           span_find(file, SPAN("/dist-packages/torch/"), 0) != SIZE_MAX;
}

/* The last line of *text, taken off it. */
static struct span last_line(struct span *text)
{
    size_t at = text->n;
    while (at && text->p[at - 1] != '\n') at--;
    struct span line = span_from(*text, at);
    text->n = at ? at - 1 : 0;
    return line;
}

/* As PyTorch does it: the last line that begins a frame of the user's and has a line behind it,
 * whatever that is. */
void debug_print_summary(struct buf *b, struct span stack, bool shown)
{
    struct span text = span_trim(stack), code = last_line(&text);
    while (text.n) {
        struct span line = last_line(&text), trimmed = span_trim(line);
        struct debug_frame f = {0};
        struct buf whole = {0};
        buf_puts(&whole, "  ");
        buf_span(&whole, trimmed);
        if (!whole.failed && read_head(buf_text(&whole), &f) && (shown || !is_torch(f.file))) {
            buf_puts(b, "File: ");
            buf_span(b, f.file);
            buf_printf(b, ":%lld in ", (long long)f.line);
            buf_span(b, f.name);
            buf_puts(b, ", code: ");
            buf_span(b, span_trim(code));
            text.n = 0;
        }
        buf_release(&whole);
        code = line;
    }
}
