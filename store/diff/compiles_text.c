/* compiles_text.c - texts of compiles without what differs from process to process. */
#include "store/diff/compiles_parts.h"

#include <ctype.h>

enum { ADDRESS_DIGITS = 12, OBJECT_DIGITS = 5, HASH_DIGITS = 50 };

struct plain {
    struct span in;
    size_t at;
    struct buf out;
    bool objects; /* the text checks the id of an object */
    enum compile_plain how;
};

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static size_t run_of(struct span s, size_t at, int (*is)(int))
{
    size_t n = 0;
    while (at + n < s.n && is((unsigned char)s.p[at + n])) n++;
    return n;
}

static bool behind(const struct plain *p, const char *word)
{
    return p->at >= strlen(word) && span_ends(span_to(p->in, p->at), word);
}

/* 0x7f3c...; ids of objects in ___check_obj_id(G['torch'], 140683852287568); names that end in an
 * address; the line of a resumed function. */
static bool take_number(struct plain *p)
{
    struct span in = p->in;
    if (in.p[p->at] == '0' && p->at + 1 < in.n && in.p[p->at + 1] == 'x') {
        size_t n = run_of(in, p->at + 2, isxdigit);
        if (n < 4) return false;
        buf_puts(&p->out, "0x#");
        p->at += n + 2;
        return true;
    }
    size_t n = run_of(in, p->at, isdigit);
    char before = p->at ? in.p[p->at - 1] : ' ', after = p->at + n < in.n ? in.p[p->at + n] : ' ';
    bool object = p->objects && n >= OBJECT_DIGITS && (before == ' ' || before == ',') &&
                  (after == ')' || after == ',');
    bool line = p->how == COMPILE_PLAIN_LINES && (behind(p, "line ") || behind(p, ".py:"));
    bool resumed =
        behind(p, "_at_") && span_find(span_to(in, p->at), SPAN("resume_in_"), 0) != SIZE_MAX;
    if (n < ADDRESS_DIGITS && !object && !line && !resumed) {
        buf_put(&p->out, in.p + p->at, n);
    } else buf_puts(&p->out, "#");
    p->at += n;
    return true;
}

/* Folders of a path: what is behind the last / stays. */
static bool take_folder(struct plain *p)
{
    char before = p->at ? p->in.p[p->at - 1] : ' ';
    if (p->in.p[p->at] != '/' || !strchr(" '\"(=[,", before)) return false;
    size_t end = p->at, last = p->at;
    for (; end < p->in.n && (is_word(p->in.p[end]) || strchr("/.-+", p->in.p[end])); end++)
        if (p->in.p[end] == '/') last = end;
    if (last == p->at) return false;
    p->at = last + 1;
    return true;
}

/* A long word of small letters and digits is a hash: cq6i4wr5gqsaog5zgs3qrwebcodgogh... */
static bool take_hash(struct plain *p)
{
    size_t n = 0;
    while (p->at + n < p->in.n && (islower((unsigned char)p->in.p[p->at + n]) ||
                                   isdigit((unsigned char)p->in.p[p->at + n])))
        n++;
    if (n < HASH_DIGITS) return false;
    buf_puts(&p->out, "#");
    p->at += n;
    return true;
}

/* Most texts are short words and numbers, in which nothing can be left out. */
static bool is_plain(struct span text)
{
    if (text.n >= HASH_DIGITS) return false;
    for (size_t i = 0; i < text.n; i++)
        if (isdigit((unsigned char)text.p[i]) || text.p[i] == '/') return false;
    return true;
}

enum err compiles_plain(struct arena *arena, struct span text, enum compile_plain how,
                        struct span *out)
{
    struct plain p = {.in = text, .how = how};
    *out = text;
    if (is_plain(text)) return ERR_OK;
    p.objects = span_find(text, SPAN("_id("), 0) != SIZE_MAX;
    while (p.at < text.n) {
        char c = text.p[p.at];
        bool begins = !p.at || !is_word(text.p[p.at - 1]);
        if (isdigit((unsigned char)c) && (!p.at || !isdigit((unsigned char)text.p[p.at - 1])) &&
            take_number(&p))
            continue;
        if (c == '/' && take_folder(&p)) continue;
        if (begins && islower((unsigned char)c) && take_hash(&p)) continue;
        buf_putc(&p.out, c);
        p.at++;
    }
    enum err err = buf_ok(&p.out);
    *out = text.p ? arena_copy(arena, buf_text(&p.out)) : SPAN_NONE;
    if (!err && text.p && !out->p) err = err_set(ERR_NOMEM, "out of memory for a text");
    buf_release(&p.out);
    return err;
}

/* Does a line say something? FX and Inductor write where code comes from as comments; #pragma and
 * #include are code. */
static bool is_said(struct span line)
{
    line = span_trim(line);
    return line.n && !(line.p[0] == '#' && (line.n == 1 || line.p[1] == ' '));
}

/* The line without a comment behind it that says which input or output it is. */
static struct span without_comment(struct span line)
{
    size_t at = span_find(line, SPAN("  # "), 0);
    return at == SIZE_MAX ? line : span_to(line, at);
}

enum err compiles_lines(struct arena *arena, struct span text, struct compile_lines *out)
{
    struct span rest = text, line;
    struct buf said = {0};
    size_t n = 0;
    *out = (struct compile_lines){0};
    while (span_next_line(&rest, &line)) n++;
    uint32_t *number = arena_array(arena, n + 1, sizeof *number);
    if (!number) FAIL(ERR_NOMEM, "out of memory for %zu lines", n);
    rest = text;
    for (uint32_t i = 1; span_next_line(&rest, &line); i++) {
        if (!is_said(line)) continue;
        buf_span(&said, without_comment(line));
        buf_putc(&said, '\n');
        number[out->n++] = i;
    }
    enum err err = buf_ok(&said);
    struct span kept = arena_copy(arena, buf_text(&said));
    buf_release(&said);
    if (!err && !kept.p) err = err_set(ERR_NOMEM, "out of memory for a text");
    if (!err) err = compiles_plain(arena, kept, COMPILE_PLAIN, &out->text);
    out->number = number;
    return err;
}

struct span compiles_base(struct span path)
{
    size_t at = path.n;
    while (at && path.p[at - 1] != '/') at--;
    return span_from(path, at);
}
