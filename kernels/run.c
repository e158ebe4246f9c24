/* run.c - strided runs: gathered and scattered by element size, then cast as a whole. */
#include "kernels/run.h"

#include <string.h>

#include "store/base/half.h"

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

/* dtype_cast; what whole matrices go through is spelt out here, where loops become vectors. */
static void widen(enum dtype from, const void *p, enum dtype to, void *out, int64_t n)
{
    const uint16_t *h = p;
    float *v = out;
    if (to == DTYPE_F32 && from == DTYPE_BF16 && (uintptr_t)p % 2 == 0)
        for (int64_t i = 0; i < n; i++) v[i] = half_f32_of_bf16(h[i]);
    else if (to == DTYPE_F32 && from == DTYPE_F16 && (uintptr_t)p % 2 == 0)
        for (int64_t i = 0; i < n; i++) v[i] = half_f32_of_f16(h[i]);
    else dtype_cast(from, p, to, out, (size_t)n);
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
    widen(from, p, to, room->bytes, n);
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
