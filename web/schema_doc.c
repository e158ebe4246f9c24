/* schema_doc.c - the schema keeps one column on one line and its prose in comments right above;
 * that is all that is read. */
#include "web/schema_doc.h"

/* Takes the word up to a blank, comma or parenthesis off the text. */
static struct span take_word(struct span *text)
{
    size_t n = 0;
    *text = span_trim(*text);
    while (n < text->n && !strchr(" ,(\t", text->p[n])) n++;
    struct span word = span_to(*text, n);
    *text = span_from(*text, n);
    return word;
}

/* Lines up to the one that begins with ')'. */
static struct span take_body(struct span *rest)
{
    const char *begin = rest->p;
    struct span line, next = *rest;
    while (span_next_line(&next, &line)) {
        if (line.n && line.p[0] == ')') break;
        *rest = next;
    }
    struct span body = {begin, (size_t)(rest->p - begin)};
    *rest = next;
    return body;
}

bool schema_next(struct span *rest, struct schema_object *out)
{
    struct span line, comment = SPAN_NONE;
    while (span_next_line(rest, &line)) {
        bool table = span_starts(line, "CREATE TABLE "), view = span_starts(line, "CREATE VIEW ");
        if (span_starts(line, "-- ")) {
            if (!comment.p) comment.p = line.p;
            comment.n = (size_t)(line.p + line.n - comment.p);
        } else if (table || view) {
            struct span name = span_from(line, table ? 13 : 12);
            *out =
                (struct schema_object){.view = view, .name = take_word(&name), .comment = comment};
            out->body = take_body(rest);
            return true;
        } else {
            comment = SPAN_NONE;
        }
    }
    return false;
}

bool schema_column_next(struct span *rest, struct schema_column *out)
{
    struct span line;
    while (span_next_line(rest, &line)) {
        size_t mark = span_find(line, SPAN("-- "), 0);
        struct span text = span_trim(span_to(line, mark));
        if (!text.n || span_starts(text, "PRIMARY KEY")) continue;
        out->name = take_word(&text);
        struct span type = take_word(&text);
        out->type = type.n ? type : SPAN_NONE;
        out->comment = mark == SIZE_MAX ? SPAN_NONE : span_trim(span_from(line, mark + 3));
        return true;
    }
    return false;
}

void schema_sentence(struct span comment, char *out, size_t n)
{
    size_t to = 0;
    struct span line;
    while (span_next_line(&comment, &line)) {
        line = span_trim(span_from(line, span_starts(line, "-- ") ? 3 : 0));
        size_t end = span_find(line, SPAN(". "), 0);
        struct span part = end == SIZE_MAX ? line : span_to(line, end + 1);
        if (to && to + 1 < n) out[to++] = ' ';
        for (size_t i = 0; i < part.n && to + 1 < n; i++) out[to++] = part.p[i];
        if (end != SIZE_MAX || (part.n && part.p[part.n - 1] == '.')) break;
    }
    out[to] = 0;
}
