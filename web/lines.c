/* lines.c - see lines.h. Lines before and behind the window are only counted; those shortly
 * before it also lead the tokenizer, so that a window that begins inside a string is coloured as
 * one. */
#include "web/lines.h"

/* Removes the tab of each line and the CR before LF in place; *at_start is carried from piece to
 * piece. */
static size_t unindent(char *p, size_t n, bool crlf, bool *at_start)
{
    size_t to = 0;
    for (size_t i = 0; i < n;) {
        if (*at_start && p[i] == '\t') i++;
        *at_start = false;
        const char *lf = memchr(p + i, '\n', n - i);
        size_t end = lf ? (size_t)(lf - p) + 1 : n;
        memmove(p + to, p + i, end - i);
        to += end - i;
        i = end;
        *at_start = lf != NULL;
        if (lf && crlf && to >= 2 && p[to - 2] == '\r') p[--to - 1] = '\n';
    }
    return to;
}

/* Takes off what ends the last stored line: it is not part of the content. */
static void strip_end(struct buf *b, const struct lines_place *place)
{
    if (b->n && b->p[b->n - 1] == '\n') b->n--;
    if (place->crlf && b->n && b->p[b->n - 1] == '\r') b->n--;
}

enum err lines_each(struct text_reader *reader, const struct lines_place *place,
                    enum err (*visit)(void *context, struct span piece), void *context)
{
    struct buf piece = {0};
    enum err err = ERR_OK;
    bool at_start = true;
    for (int64_t at = 0; at < place->stored && !err;) {
        int64_t n = place->stored - at < TEXT_FRAME_SIZE ? place->stored - at : TEXT_FRAME_SIZE;
        buf_clear(&piece);
        TRY_OUT(text_read(reader, place->source, place->offset + at, n, &piece));
        if (place->indented && at + n == place->stored) {
            strip_end(&piece, place);
        } else if (place->crlf && n > 1 && piece.p[piece.n - 1] == '\r') {
            piece.n--, n--; /* whether it belongs to a line end is seen with the next piece */
        }
        at += n;
        if (place->indented && piece.n)
            piece.n = unindent(piece.p, piece.n, place->crlf, &at_start);
        if (piece.n) err = visit(context, buf_text(&piece));
    }
out:
    buf_release(&piece);
    return err;
}

void lines_begin(struct lines_window *w, int64_t first, enum hl_language language)
{
    *w = (struct lines_window){
        .first = first < 1 ? 1 : first, .many = LINES_MANY, .state = hl_begin(language)};
}

/* A line is complete: keeps it, or leads the tokenizer through it. */
static void end_line(struct lines_window *w)
{
    struct span line = buf_text(&w->line);
    w->total++;
    if (w->line_size > w->longest) w->longest = w->line_size;
    if (w->total >= w->first && w->n < w->many && w->text.n < LINES_BYTES) {
        buf_span(&w->text, line);
        buf_putc(&w->text, '\n');
        w->n++;
        w->n_cut += w->line_size - (int64_t)line.n;
    } else if (w->total < w->first && w->first <= LINES_COLOURED) {
        hl_line(&w->state, line, NULL, NULL);
    }
    buf_clear(&w->line);
    w->line_size = 0;
}

enum err lines_add(void *window, struct span piece)
{
    struct lines_window *w = window;
    while (piece.n) {
        const char *lf = memchr(piece.p, '\n', piece.n);
        size_t n = lf ? (size_t)(lf - piece.p) : piece.n;
        size_t room = LINES_LONGEST > w->line.n ? LINES_LONGEST - w->line.n : 0;
        bool needed = w->n < w->many && (w->total + 1 >= w->first || w->first <= LINES_COLOURED);
        if (needed) buf_put(&w->line, piece.p, n < room ? n : room);
        w->line_size += (int64_t)n;
        piece = span_from(piece, n + (lf != NULL));
        if (lf) end_line(w);
    }
    return buf_ok(&w->line);
}

enum err lines_end(struct lines_window *w)
{
    if (w->line_size) end_line(w);
    if (w->first > w->total) w->first = w->total + 1;
    return buf_ok(&w->text);
}

enum err lines_read(struct text_reader *reader, const struct lines_place *place, int64_t first,
                    enum hl_language language, struct lines_window *w)
{
    lines_begin(w, first, language);
    enum err err = lines_each(reader, place, lines_add, w);
    return err ? err : lines_end(w);
}

void lines_release(struct lines_window *w)
{
    buf_release(&w->text);
    buf_release(&w->line);
}
