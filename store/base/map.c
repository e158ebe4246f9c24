/* map.c - linear probing at a load of at most 3/4. */
#include "store/base/map.h"

#include <stdlib.h>
#include <sys/random.h>
#include <xxhash.h>

static uint64_t seed(void)
{
    static uint64_t value; /* a race stores a value once or twice; both before any map is filled */
    uint64_t v = __atomic_load_n(&value, __ATOMIC_RELAXED);
    if (v) return v;
    uint64_t fresh = 0;
    if (getrandom(&fresh, sizeof fresh, GRND_NONBLOCK) != (ssize_t)sizeof fresh || !fresh)
        fresh = 0x9e3779b97f4a7c15u;
    uint64_t expected = 0;
    __atomic_compare_exchange_n(&value, &expected, fresh, false, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
    return expected ? expected : fresh;
}

static struct map_key not_free(struct map_key k)
{
    if (!k.lo && !k.hi) k.hi = 1;
    return k;
}

struct map_key map_key(struct span text)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(text.n ? text.p : "", text.n, seed());
    return not_free((struct map_key){h.low64, h.high64});
}

struct map_key map_key_int(int64_t a, int64_t b)
{
    int64_t words[2] = {a, b};
    return map_key((struct span){(const char *)words, sizeof words});
}

static struct map_slot *probe(const struct map *m, struct map_key key)
{
    size_t mask = m->size - 1;
    size_t i = key.lo & mask;
    for (;; i = (i + 1) & mask) {
        struct map_slot *s = &m->slots[i];
        if ((s->key.lo == key.lo && s->key.hi == key.hi) || (!s->key.lo && !s->key.hi)) return s;
    }
}

int64_t *map_get(const struct map *m, struct map_key key)
{
    if (!m->size) return NULL;
    struct map_slot *s = probe(m, key);
    return s->key.lo || s->key.hi ? &s->value : NULL;
}

static bool grow(struct map *m)
{
    struct map bigger = {.size = m->size ? m->size * 2 : 64, .n = m->n};
    bigger.slots = calloc(bigger.size, sizeof *bigger.slots);
    if (!bigger.slots) return false;
    for (size_t i = 0; i < m->size; i++)
        if (m->slots[i].key.lo || m->slots[i].key.hi)
            *probe(&bigger, m->slots[i].key) = m->slots[i];
    free(m->slots);
    *m = bigger;
    return true;
}

int64_t *map_put(struct map *m, struct map_key key, int64_t initial, bool *added)
{
    if (4 * (m->n + 1) > 3 * m->size && !grow(m)) return NULL;
    struct map_slot *s = probe(m, key);
    bool fresh = !s->key.lo && !s->key.hi;
    if (fresh) {
        *s = (struct map_slot){key, initial};
        m->n++;
    }
    if (added) *added = fresh;
    return &s->value;
}

void map_clear(struct map *m)
{
    if (m->slots) memset(m->slots, 0, m->size * sizeof *m->slots);
    m->n = 0;
}

void map_release(struct map *m)
{
    free(m->slots);
    *m = (struct map){0};
}
