/* search_place.h - what a byte of a stream belongs to: an artifact, or a record by its header.
 * Private to search. */
#ifndef STORE_SEARCH_PLACE_H
#define STORE_SEARCH_PLACE_H

#include "store/search.h"

struct place_finder;
enum err WARN_UNUSED place_finder_new(sqlite3 *db, struct place_finder **out);
void place_finder_free(struct place_finder *f);
/* Fills where, artifact, compile, compile_id, kind, name and line of a hit whose source and
 * offset are set. The spans are borrowed from the finder until the next call. Calls should come
 * in order of source and offset. */
enum err WARN_UNUSED place_find(struct place_finder *f, struct search_hit *hit);
/* Sets *out to whether the bytes hold any part of an artifact with this key or name. */
enum err WARN_UNUSED place_has_kind(struct place_finder *f, const char *kind, int64_t source,
                                    int64_t offset, int64_t size, bool *out);

#endif
