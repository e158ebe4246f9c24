/* run.c - strided runs: gathered and scattered by element size, then cast as a whole. */
#include "kernels/run.h"

#include <string.h>

static void gather(const char *p, size_t size, int64_t stride, int64_t n, char *out)
{
    int64_t step = stride * (int64_t)size;
    switch (size) {
    case 1:
        for (int64_t i = 0; i < n; i++) out[i] = p[i * step];
        return;
    case 2:
        for (int64_t i = 0; i < n; i++) memcpy(out + 2 * i, p + i * step, 2);
        return;
    case 4:
        for (int64_t i = 0; i < n; i++) memcpy(out + 4 * i, p + i * step, 4);
        return;
    case 8:
        for (int64_t i = 0; i < n; i++) memcpy(out + 8 * i, p + i * step, 8);
        return;
    default:
        for (int64_t i = 0; i < n; i++) memcpy(out + 16 * i, p + i * step, 16);
    }
}

const void *run_load(enum dtype from, const void *p, int64_t stride, int64_t n, enum dtype to,
                     union run *room)
{
    union run raw;
    if (from == to) {
        if (stride == 1) return p;
        gather(p, dtype_size(from), stride, n, room->bytes);
        return room->bytes;
    }
    if (stride != 1) {
        gather(p, dtype_size(from), stride, n, raw.bytes);
        p = raw.bytes;
    }
    dtype_cast(from, p, to, room->bytes, (size_t)n);
    return room->bytes;
}

static void scatter(const char *v, size_t size, int64_t n, int64_t stride, char *out)
{
    int64_t step = stride * (int64_t)size;
    for (int64_t i = 0; i < n; i++) memcpy(out + i * step, v + i * (int64_t)size, size);
}

void run_store(enum dtype from, const void *v, int64_t n, enum dtype to, void *p, int64_t stride)
{
    union run raw;
    if (stride == 1 || n == 1) {
        dtype_cast(from, v, to, p, (size_t)n);
        return;
    }
    if (from != to) {
        dtype_cast(from, v, to, raw.bytes, (size_t)n);
        v = raw.bytes;
    }
    scatter(v, dtype_size(to), n, stride, p);
}
