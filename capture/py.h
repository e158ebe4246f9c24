/* py.h - Python's literals: None, True, numbers, strings, tuples, lists and dicts as a tree, as
 * repr prints them, and as the
 * type-tagged JSON of a saved DebugMode log.
 *
 *   repr text  (1.5, None, {'a': 'b'})     ◄──► struct py ◄──►  {"type": "tuple", "items":
 * [{"type": "scalar", ...
 *
 * A *hole* stands for a number that is kept elsewhere: in repr text it is a bare ?. Nesting is
 * limited to PY_DEPTH.
 */
#ifndef CAPTURE_PY_H
#define CAPTURE_PY_H

#include "store/base/json.h"

enum { PY_DEPTH = 100 };
enum py_type { PY_NONE, PY_BOOL, PY_INT, PY_REAL, PY_STRING, PY_TUPLE, PY_LIST, PY_DICT, PY_HOLE };

struct py {
    enum py_type type;
    bool truth;           /* PY_BOOL */
    struct span text;     /* PY_INT: its digits; PY_STRING: decoded; borrowed or in the arena */
    double real;          /* PY_REAL */
    bool is_hash;         /* a number that may be printed as a hole */
    const struct py *key; /* as a member of a dict, else NULL */
    size_t n;             /* members */
    struct py *first, *next;
};

/* A hash as it is stored: tensor_use.hash_kind and digest. PKM64 is a string of 16 hex
 * digits behind 0x, since readers of JSON round integers. SHA-256, of others, is in no log. */
struct py_hash {
    int64_t kind, digest;
};
enum {
    PY_HASH_REAL = 1,
    PY_HASH_UNSIGNED = 2,
    PY_HASH_NEGATIVE = 3,
    PY_HASH_PKM64 = 4,
    PY_HASH_SHA256 = 5
};

/* Parses all of the text. ERR_FORMAT says the byte; text must outlive the tree. */
enum err WARN_UNUSED py_parse(struct span text, struct arena *arena, struct py **out);
/* From type-tagged JSON. ERR_FORMAT names what is no tagged value. */
enum err WARN_UNUSED py_from_json(const struct json *j, struct arena *arena, struct py **out);
/* Appends what repr would; a hole as ?. PY_HOLES: hashes are holes. */
enum py_style { PY_PLAIN, PY_HOLES };
void py_print(struct buf *b, const struct py *v, enum py_style style);
/* Appends type-tagged JSON. The tree has no holes. */
void py_print_json(struct buf *b, const struct py *v);
/* Member of a dict by name, or NULL; NULL when v is NULL or no dict. */
const struct py *py_get(const struct py *v, const char *name);

/* The number, or PKM64's string, as a hash; false when it is none or too large for 64 bits. */
bool py_to_hash(const struct py *v, struct py_hash *out);
/* Makes the node the number of a hash. ERR_FORMAT for an unknown kind. */
enum err WARN_UNUSED py_set_hash(struct py *v, struct py_hash hash, struct arena *arena);
/* A double as Python prints it. */
void py_print_real(struct buf *b, double v);
/* A string as Python's repr prints it. */
void py_print_string(struct buf *b, struct span s);

#endif
