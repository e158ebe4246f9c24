/* search.h - where a word or an expression occurs in a trace: in the text of its streams, and in
 * its words.
 *
 *   text_frame ─ this thread ─► slots ─ workers inflate, search ─► this thread ─ in order ─► hit
 *
 * One connection reads; workers only see bytes. A line that crosses frames is joined by this
 * thread. Hits come in order of stream and offset as soon as everything before them is searched,
 * so a page can show the first early; a hit or progress function that returns an error ends the
 * search. One hit per line.
 */
#ifndef STORE_SEARCH_H
#define STORE_SEARCH_H

#include <sqlite3.h>

#include "store/match.h"

enum search_where {
    SEARCH_IN_ARTIFACT, /* text of an artifact */
    SEARCH_IN_RECORD,   /* header of a record, or a payload that is no artifact (chromium events) */
    SEARCH_IN_WORD,     /* interned text: names, operators, guards, files */
};

struct search_hit {
    enum search_where where;
    int64_t source;         /* -> source_file, 0 for words */
    int64_t offset;         /* byte of the match in the stream */
    int64_t artifact;       /* -> artifact, 0 none */
    int64_t compile;        /* -> compile, 0 none or unknown */
    struct span compile_id; /* "0/1", as recorded, even if no compile row is known */
    struct span kind;       /* envelope key; for a word what it is used as ("kernel name") */
    struct span name;       /* artifact's name, else that of the kind */
    int64_t line;        /* 1-based, in artifact or payload; 0: the header of a record, or a word */
    struct span excerpt; /* part of the line around the match: bytes of the file, may be no UTF-8 */
    size_t match_at, match_n; /* the match in the excerpt */
    int64_t word;             /* -> string, for words */
    int64_t n_uses;           /* rows that use the word so, for words */
};

struct search_progress {
    int64_t done, total; /* bytes of text */
    int64_t n_hits;
};

enum search_scope { SEARCH_TEXT = 1, SEARCH_WORDS = 2 };
struct search_request {
    struct span pattern;
    unsigned flags;   /* enum match_flags */
    unsigned scope;   /* enum search_scope; 0: both. Text comes first */
    const char *kind; /* only artifacts of this key or name, "record" or "word"; NULL: everything */
    int64_t limit;    /* hits at most, per scope; 0: all */
    int n_threads;    /* 0: one per processor */
    /* All spans of the hit are borrowed until it returns. */
    enum err (*hit)(void *context, const struct search_hit *hit);
    enum err (*progress)(void *context,
                         const struct search_progress *progress); /* after each MiB; may be NULL */
    void *context;
};
struct search_result {
    int64_t n_hits;    /* given to hit() */
    int64_t n_bytes;   /* text searched */
    int64_t n_skipped; /* places given up because the expression cost too much there */
    bool limited;      /* the limit was reached: there may be more */
};

/* ERR_USAGE for the pattern; the error of hit() or progress(); ERR_FORMAT for a damaged frame. */
enum err WARN_UNUSED search_run(sqlite3 *db, const struct search_request *request,
                                struct search_result *out);

#endif
