/* json_plain.h - the quick half of json_parse; see store/base/json.h for the tree. */
#ifndef STORE_BASE_JSON_PLAIN_H
#define STORE_BASE_JSON_PLAIN_H

#include "store/base/json.h"

enum { JSON_PLAIN_DEPTH = 64 };

/* The tree, or NULL: *why is then ERR_NOMEM, ERR_LIMIT (too many values), or ERR_OK: not plain. */
struct json *json_plain(struct span text, struct arena *arena, enum err *why);

/* The other half: whatever yajl reads, and NaN and Infinity. Errors say where and what. */
enum err WARN_UNUSED json_by_yajl(struct span text, struct arena *arena, struct json **out);

#endif
