/* load_words.h - what loading needs besides the calls: words by their id, and which logs to read.
 *
 * Threads: all of it belongs to the thread that loads.
 */
#ifndef STORE_DIFF_LOAD_WORDS_H
#define STORE_DIFF_LOAD_WORDS_H

#include "store/diff/load.h"

/* Numbers of words by string.id, in pages that are made when a word of theirs is asked for. */
struct load_page;
struct load_words {
    sqlite3 *db;        /* borrowed */
    sqlite3_stmt *scan; /* words in order of their ids, from some id on */
    int64_t at;         /* id that scan stands on; 0 none */
    LIST_OF(struct load_page *) page;
};
enum err WARN_UNUSED load_words_init(struct load_words *l, sqlite3 *db);
void load_words_release(struct load_words *l);
/* The number in w of a string; DIFF_NONE for id 0 and for one that is not there. */
enum err WARN_UNUSED load_word(struct load_words *l, struct diff_words *w, int64_t id,
                               uint32_t *out);
/* The same, without numbers of tensors (diff_plain_word). */
enum err WARN_UNUSED load_plain(struct load_words *l, struct diff_words *w, int64_t id,
                                uint32_t *out);
/* Product of a printed shape, [2, 3] is 6; -1: it is none. */
int64_t load_elements(struct span shape);

struct load_log {
    int64_t source, run_id, rank; /* rank -1: unknown */
    struct span run, name;
    uint32_t calls; /* as recorded; 0 unknown */
    bool by_depth;  /* what encloses a call was told by indentation only */
    bool chosen;
};
struct load_logs {
    struct arena arena;
    LIST_OF(struct load_log) log; /* by rank, then name */
};
/* All logs of calls of a trace, those of a side chosen: at least one, all of one run.
 * ERR_NOT_FOUND says what there is. */
enum err WARN_UNUSED load_logs_choose(sqlite3 *db, const struct diff_side *side,
                                      struct load_logs *out);
void load_logs_release(struct load_logs *l);

#endif
