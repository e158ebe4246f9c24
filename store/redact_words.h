/* redact_words.h - the words that are to go, their tokens, and paths. Private to redact. */
#ifndef STORE_REDACT_WORDS_H
#define STORE_REDACT_WORDS_H

#include "store/base/arena.h"
#include "store/base/buf.h"
#include "store/base/lists.h"
#include "store/base/map.h"

enum { PHRASE_MIN = 8, PHRASE_HEAD = 8, PHRASES_MAX = 1 << 20, NAME_MIN = 3, FILTER_BITS = 16 };

/* A text that is replaced wherever it stands by itself. */
struct phrase {
    struct span text;  /* as it is found: raw, or escaped as in JSON */
    struct span token; /* what stands there instead */
    int64_t next;      /* another with the same first bytes, -1 none */
    uint64_t tail;     /* its last PHRASE_HEAD bytes */
};
struct words {
    struct arena arena;
    LIST_OF(struct phrase) phrases;
    struct map heads;                         /* first PHRASE_HEAD bytes -> newest phrase */
    struct map known;                         /* phrases by text */
    uint64_t filter[(1 << FILTER_BITS) / 64]; /* which heads occur at all */
    LIST_OF(struct span) names;               /* hosts and users, replaced as whole words */
    struct map components;                    /* components of absolute paths, for relative ones */
    bool failed;                              /* out of memory */
};
void words_release(struct words *w);

/* "r_" and 10 hex digits of the text without backslashes: a line has one token however it is
 * escaped. */
void words_put_token(struct buf *out, struct span text);
/* The token of a line of source; the name of an operator in its place stays. */
void words_put_source(struct buf *out, struct span text);
/* Learns. Texts are copied; those too short or too common to be told from other text are passed
 * over. */
void words_add_source(struct words *w, struct span text); /* a source line, and its forms in JSON */
void words_add_name(struct words *w, struct span name);
void words_add_path(struct words *w, struct span path); /* user names and odd components of it */
/* The phrase that begins at text.p + at and stands by itself, or NULL. */
const struct phrase *words_phrase(const struct words *w, struct span text, size_t at);
/* Length of the host or user name that begins at text.p + at as a whole word, or 0. */
size_t words_name(const struct words *w, struct span text, size_t at);

bool is_word_byte(char c);
bool is_path_byte(char c);
/* Length of the path that begins at text.p + at (a run of path bytes), or 0 if it is none. */
size_t words_path(const struct words *w, struct span text, size_t at);
/* Writes a path with its components replaced. */
void words_put_path(struct buf *out, struct span path);

#endif
