/* hl.h - splits lines of code into coloured pieces.
 *
 * Words: a *token* is a run of bytes of one class; the tokens of a line, put one after another,
 * are the line. What a line leaves open (a triple-quoted string, a block comment, C++ inside
 * Python) is carried in struct hl_state, so a text is highlighted line by line, in time linear in
 * its length, whatever its bytes are.
 *
 * Invariants: (1) tokens are never empty and never of the class of their left neighbour; (2) a
 * token begins or ends inside a UTF-8 sequence only if the line does.
 */
#ifndef WEB_HL_H
#define WEB_HL_H

#include "store/base/span.h"

/* name, what it is called on a page */
#define HL_LANGUAGES(X)                                                                            \
    X(PLAIN, "Text")                                                                               \
    X(PYTHON, "Python")                                                                            \
    X(CPP, "C++")                                                                                  \
    X(JSON, "JSON")                                                                                \
    X(FX, "FX graph")                                                                              \
    X(GUARDS, "Guard tree")

enum hl_language {
#define X(name, title) HL_##name,
    HL_LANGUAGES(X)
#undef X
        HL_N_LANGUAGES
};

/* name, CSS class ("" for text that stays as it is) */
#define HL_CLASSES(X)                                                                              \
    X(TEXT, "")                                                                                    \
    X(KEYWORD, "y-k")                                                                              \
    X(STRING, "y-s")                                                                               \
    X(NUMBER, "y-n")                                                                               \
    X(COMMENT, "y-c")                                                                              \
    X(NAME, "y-f")                                                                                 \
    X(TYPE, "y-t")

enum hl_class {
#define X(name, css) HL_##name,
    HL_CLASSES(X)
#undef X
        HL_N_CLASSES
};

struct hl_state {
    enum hl_language language;
    enum hl_language inner; /* language inside a quoted block of Python, HL_PLAIN when in none */
    char
        open; /* what the last line left open: ' or " a triple quote, * a comment, ( a raw string */
    char inner_open; /* the same, inside the quoted block */
    char quote;      /* ' or ": the triple quote around the block */
};

const char *hl_language_title(enum hl_language language);
const char *hl_class_css(enum hl_class class);

/* Before the first line of a text. */
struct hl_state hl_begin(enum hl_language language);
/* Splits one line (without its newline). emit may be NULL: only the state moves on. */
void hl_line(struct hl_state *state, struct span line,
             void (*emit)(void *context, enum hl_class class, struct span text), void *context);

/* What an artifact of this name (envelope key, or the name of an `artifact` record) holds; `head`
 * is its beginning. */
enum hl_language hl_guess(struct span name, struct span head);

#endif
