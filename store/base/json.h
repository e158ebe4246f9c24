/* json.h - JSON text to a small tree in an arena (over yajl), and the tree back to text.
 *
 * Accepts what Python's json.dumps writes: RFC 8259 plus NaN, Infinity and -Infinity. Bytes that
 * are not
 * UTF-8 are kept as they are in strings (store_word and buf_json replace them). Depth is limited
 * to 200, values to
 * JSON_VALUES (ERR_LIMIT), so that a tree takes at most about 25 MB beside its text.
 * Strings without escapes borrow the text parsed; others are copied into the arena.
 */
#ifndef STORE_BASE_JSON_H
#define STORE_BASE_JSON_H

#include "store/base/arena.h"
#include "store/base/buf.h"

enum { JSON_VALUES = 300000 };
enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_REAL, JSON_STRING, JSON_LIST, JSON_OBJECT };

struct json {
    enum json_type type;
    struct span key; /* name inside an object, else absent */
    /* JSON_STRING: the decoded string; numbers, lists, objects: as written (or absent) */
    struct span text;
    int64_t i;          /* JSON_INT, JSON_BOOL (0, 1) */
    double r;           /* JSON_REAL; JSON_INT too; an integer beyond 64 bits is JSON_REAL */
    size_t n;           /* members of a list or object */
    struct json *first; /* first member */
    struct json *next;  /* next sibling */
};

/* Parses the whole text. ERR_FORMAT says byte and what was expected. *out lives in the arena;
 * text must outlive it. */
enum err WARN_UNUSED json_parse(struct span text, struct arena *arena, struct json **out);
/* Member of an object by name (the last of equal names), or NULL; NULL when j is NULL or no
 * object. */
const struct json *json_get(const struct json *j, const char *name);
/* The string, or an absent span for any other type (or NULL). */
struct span json_string(const struct json *j);
/* The integer (bools too), or `otherwise`. */
int64_t json_int(const struct json *j, int64_t otherwise);
/* The number, or NaN. */
double json_real(const struct json *j);
/* Appends compact JSON text (", " and ": " separators as json.dumps writes them). */
void json_print(struct buf *b, const struct json *j);

#endif
