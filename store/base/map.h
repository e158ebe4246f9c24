/* map.h - a hash map from 128-bit keys to 64-bit values, open addressing, no deletion.
 *
 * Text is looked up by its XXH3 128-bit hash (map_key), so the map's size does not depend on the
 * length of what it remembers. Integers are hashed by map_key_int. Two different texts of equal
 * hash would be taken for one: at 10^9 texts the chance is below 10^-20. A hash of attacker-made
 * text is seeded per process, so collisions cannot be prepared.
 */
#ifndef STORE_BASE_MAP_H
#define STORE_BASE_MAP_H

#include "store/base/err.h"
#include "store/base/span.h"

struct map_key {
    uint64_t lo, hi;
};
struct map_slot {
    struct map_key key; /* {0,0} = free */
    int64_t value;
};
struct map {
    struct map_slot *slots; /* owned; zero-initialise the struct */
    size_t size;            /* power of two, or 0 */
    size_t n;               /* used */
};

struct map_key map_key(struct span text);
struct map_key map_key_int(int64_t a, int64_t b);
/* Pointer to the value, or NULL. Valid until the next map_put. */
int64_t *map_get(const struct map *m, struct map_key key);
/* Pointer to the value of key, inserted as `initial` if absent (*added says so; may be NULL).
 * NULL when out of memory. */
int64_t *map_put(struct map *m, struct map_key key, int64_t initial, bool *added);
void map_clear(struct map *m);
void map_release(struct map *m);

#endif
