/* pack.c - gathers short runs until the buffer is full or a long run comes. */
#include "kernels/pack.h"

void pack_begin(struct pack *k, const struct view *v, const void *storage, int64_t first, int64_t n,
                int64_t most)
{
    view_walk_begin(&k->walk, v, first, n);
    k->run = (struct view_run){0, 0, 0};
    k->storage = storage;
    k->size = dtype_size(v->dtype);
    k->most = most;
}

/* A constant size lets the compiler make each of these one load and one store. */
#define GATHER(bytes)                                                                              \
    for (int64_t i = 0; i < n; i++) memcpy(to + i * (bytes), from + i * stride * (bytes), (bytes))

static void gather(char *to, const char *from, int64_t n, int64_t stride, size_t size)
{
    switch (size) {
    case 1: GATHER(1); break;
    case 2: GATHER(2); break;
    case 4: GATHER(4); break;
    case 8: GATHER(8); break;
    case 16: GATHER(16); break;
    default: REQUIRE("pack:size", size <= 16 && (size & (size - 1)) == 0);
    }
}

static bool have_run(struct pack *k)
{
    return k->run.n || view_walk_next(&k->walk, INT64_MAX, &k->run);
}
static bool is_direct(const struct pack *k)
{
    return k->run.stride == 1 && k->run.n >= (int64_t)(PACK_DIRECT / k->size);
}
static const char *take(struct pack *k, int64_t n)
{
    const char *from = k->storage + (size_t)k->run.at * k->size;
    k->run.n -= n;
    if (k->run.n) k->run.at += n * k->run.stride;
    return from;
}

bool pack_next(struct pack *k, struct pack_block *out)
{
    int64_t room = PACK_BUFFER / (int64_t)k->size, used = 0;
    if (!have_run(k)) return false;
    if (is_direct(k)) {
        int64_t n = k->run.n < k->most ? k->run.n : k->most;
        *out = (struct pack_block){take(k, n), n};
        return true;
    }
    if (room > k->most) room = k->most;
    while (used < room && have_run(k) && !is_direct(k)) {
        int64_t n = k->run.n < room - used ? k->run.n : room - used, stride = k->run.stride;
        gather(k->buffer + (size_t)used * k->size, take(k, n), n, stride, k->size);
        used += n;
    }
    *out = (struct pack_block){k->buffer, used};
    return true;
}
