/* search_word.h - a pattern in the interned words of a trace, and what each word is used as.
 * Private to search. */
#ifndef STORE_SEARCH_WORD_H
#define STORE_SEARCH_WORD_H

#include "store/search.h"

enum err WARN_UNUSED search_words(sqlite3 *db, const struct search_request *request,
                                  const struct match_pattern *pattern, struct search_result *out);

#endif
