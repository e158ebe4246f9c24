/* cache.c - finished answers of closed files, so that a page that was computed once is only sent
 * again.
 *
 * A slot per hash of (file, generation, form, address); a new answer takes the slot, and when all
 * together pass WEB_CACHE_SIZE everything is dropped. A file that is replaced has another
 * generation, so nothing stale is found.
 */
#include "web/server.h"

#include <stdio.h>

#include "store/base/map.h"

enum { SLOTS = 512 };

struct slot {
    struct map_key key;
    struct MHD_Response *response; /* owned reference */
    size_t size;
    int status;
};
struct web_cache {
    pthread_mutex_t lock;
    size_t size; /* bytes of all bodies */
    struct slot slots[SLOTS];
};

struct web_cache *web_cache_new(void)
{
    struct web_cache *c = calloc(1, sizeof *c);
    if (c) pthread_mutex_init(&c->lock, NULL);
    return c;
}

static void empty_slot(struct web_cache *c, struct slot *s)
{
    if (s->response) MHD_destroy_response(s->response);
    c->size -= s->size;
    *s = (struct slot){0};
}

void web_cache_free(struct web_cache *c)
{
    if (!c) return;
    for (int i = 0; i < SLOTS; i++) empty_slot(c, &c->slots[i]);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct map_key key_of(const struct web_answer_key *k)
{
    char text[WEB_MAX_ADDRESS + 64];
    int n = snprintf(text, sizeof text, "%d/%d/%d/%s", k->file, k->generation, k->gzip, k->target);
    return map_key((struct span){text, n < (int)sizeof text ? (size_t)n : sizeof text - 1});
}

static bool same_key(struct map_key a, struct map_key b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

enum MHD_Result web_cache_send(struct web_cache *c, const struct web_answer_key *k,
                               struct MHD_Connection *connection)
{
    struct map_key key = key_of(k);
    enum MHD_Result sent = MHD_NO;
    pthread_mutex_lock(&c->lock);
    struct slot *s = &c->slots[key.lo % SLOTS];
    if (s->response && same_key(s->key, key))
        sent = MHD_queue_response(connection, (unsigned)s->status, s->response);
    pthread_mutex_unlock(&c->lock);
    return sent;
}

bool web_cache_put(struct web_cache *c, const struct web_answer_key *k, int status,
                   struct MHD_Response *response, size_t size)
{
    if (size > WEB_CACHE_SIZE / 8) return false;
    struct map_key key = key_of(k);
    pthread_mutex_lock(&c->lock);
    struct slot *s = &c->slots[key.lo % SLOTS];
    empty_slot(c, s);
    if (c->size + size > WEB_CACHE_SIZE)
        for (int i = 0; i < SLOTS; i++) empty_slot(c, &c->slots[i]);
    *s = (struct slot){key, response, size, status};
    c->size += size;
    pthread_mutex_unlock(&c->lock);
    return true;
}
