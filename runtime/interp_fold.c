/* interp_fold.c - reductions and scans in the canonical orders of docs/exact.md, as they are
 * defined there rather than as they are fast: what compiled code is compared with.
 *
 *   chunk of 1024: term i joins lane i mod 128; lanes fold by halves; partials are a row again
 *   scan: runs of 16 by doubling, carried along a chunk of 1024; totals of chunks are scanned again
 *
 * Where the definition starts from an identity (x + -0, x * 1), the first term is taken as it is.
 */
#include "runtime/interp.h"

#include <stdlib.h>
#include <string.h>

static const struct interp_op *op_of(enum nest_fold fold, enum nest_type type)
{
    static const int fn[] = {
        [NEST_SUM] = NEST_FN_add, [NEST_PROD] = NEST_FN_mul, [NEST_MAX] = NEST_FN_max,
        [NEST_MIN] = NEST_FN_min, [NEST_ANY] = NEST_FN_or,   [NEST_ALL] = NEST_FN_and};
    return interp_call(fn[fold], type);
}

static bool finds_place(enum nest_fold fold)
{
    return fold == NEST_ARGMAX || fold == NEST_ARGMIN;
}

/* out[i] = a[i] op b[i]; `a` may be a single value (step 0). */
static void join(const struct interp_op *op, int64_t n, const void *a, int step, const void *b,
                 void *out)
{
    if (n > 0) op->run(n, &(struct columns){{a, b}, {step, 1}}, out);
}

/* Values side by side, at most INTERP_BLOCK, into one. */
static void fold_chunk(const struct interp_op *op, size_t size, const char *t, int64_t n, char *out)
{
    char lane[INTERP_LANES * VALUE_SIZE] __attribute__((aligned(16)));
    int64_t used = n < INTERP_LANES ? n : INTERP_LANES;
    memcpy(lane, t, (size_t)used * size);
    for (int64_t at = INTERP_LANES; at < n; at += INTERP_LANES)
        join(op, n - at < INTERP_LANES ? n - at : INTERP_LANES, lane, 1, t + (size_t)at * size,
             lane);
    for (int64_t s = INTERP_LANES / 2; s; s /= 2) {
        join(op, used - s < s ? used - s : s, lane, 1, lane + (size_t)s * size, lane);
        if (used > s) used = s;
    }
    memcpy(out, lane, size);
}

/* Columns of one value become as long as the block. */
static const char *spread(const struct columns *in, int64_t n, size_t size, char *room)
{
    if (in->step[0]) return in->p[0];
    for (int64_t i = 0; i < n; i++) memcpy(room + (size_t)i * size, in->p[0], size);
    return room;
}

void interp_fold_begin(struct interp_fold *f, enum nest_fold fold, enum nest_type type)
{
    f->fold = fold;
    f->type = type;
    f->n = 0;
    f->seen = f->at = 0;
}

void interp_fold_release(struct interp_fold *f)
{
    free(f->part);
    *f = (struct interp_fold){0};
}

static enum err grow(struct interp_fold *f, size_t size)
{
    if (f->n < f->size) return ERR_OK;
    size_t n = f->size ? 2 * f->size : 16;
    char *p = realloc(f->part, n * size);
    if (!p) FAIL(ERR_NOMEM, "out of memory for a reduction of %lld points", (long long)f->seen);
    f->part = p;
    f->size = n;
    return ERR_OK;
}

/* Whether b takes a's place: a NaN does once, else the larger (of argmin, the smaller). */
#define BETTER(T)                                                                                  \
    {                                                                                              \
        T x = *(const T *)a, y = *(const T *)b;                                                    \
        return x != x ? false : y != y || (least ? y < x : y > x);                                 \
    }
static bool better(enum nest_type type, bool least, const char *a, const char *b)
{
    switch (type) {
    case NEST_F32: BETTER(float)
    case NEST_F64: BETTER(double)
    case NEST_U64: BETTER(uint64_t)
    case NEST_B: BETTER(int32_t)
    default: BETTER(int64_t)
    }
}

static void find_place(struct interp_fold *f, const char *t, int64_t n, size_t size)
{
    for (int64_t i = 0; i < n; i++) {
        const char *v = t + (size_t)i * size;
        if (f->n && !better(f->type, f->fold == NEST_ARGMIN, f->part, v)) continue;
        memcpy(f->part, v, size);
        f->n = 1;
        f->at = f->seen + i;
    }
}

enum err interp_fold_push(struct interp_fold *f, int64_t n, const struct columns *in)
{
    char room[INTERP_BLOCK * VALUE_SIZE] __attribute__((aligned(16)));
    size_t size = interp_size(f->type);
    const char *t = spread(in, n, size, room);
    TRY(grow(f, size));
    if (finds_place(f->fold)) find_place(f, t, n, size);
    else fold_chunk(op_of(f->fold, f->type), size, t, n, f->part + f->n++ * size);
    f->seen += n;
    return ERR_OK;
}

/* What no points give. */
static void empty(const struct interp_fold *f, void *out)
{
    bool one = f->fold == NEST_PROD || f->fold == NEST_ALL, least = f->fold == NEST_MAX;
    double end = least ? -__builtin_inf() : __builtin_inf();
    double r = f->fold == NEST_MAX || f->fold == NEST_MIN ? end : one;
    int64_t i = f->fold == NEST_MAX ? INT64_MIN : f->fold == NEST_MIN ? INT64_MAX : one;
    memset(out, 0, interp_size(f->type));
    switch (f->type) {
    case NEST_F32:
    case NEST_C64: *(float *)out = (float)r; break;
    case NEST_F64:
    case NEST_C128: *(double *)out = r; break;
    case NEST_I64: *(int64_t *)out = i; break;
    case NEST_U64: *(uint64_t *)out = f->fold == NEST_MIN ? UINT64_MAX : (uint64_t)one; break;
    case NEST_B: *(int32_t *)out = f->fold == NEST_MIN || one; break;
    }
}

void interp_fold_end(struct interp_fold *f, void *out)
{
    size_t size = interp_size(f->type);
    if (finds_place(f->fold)) {
        *(int64_t *)out = f->at;
        return;
    }
    if (!f->n) {
        empty(f, out);
        return;
    }
    while (f->n > 1) {
        size_t n = 0;
        for (size_t i = 0; i < f->n; i += INTERP_BLOCK) {
            size_t m = f->n - i < INTERP_BLOCK ? f->n - i : INTERP_BLOCK;
            fold_chunk(op_of(f->fold, f->type), size, f->part + i * size, (int64_t)m,
                       f->part + n++ * size);
        }
        f->n = n;
    }
    memcpy(out, f->part, size);
}

void interp_scan_begin(struct interp_scan *s, enum nest_fold fold, enum nest_type type)
{
    s->fold = fold;
    s->type = type;
    s->blocks = 0;
    for (int i = 0; i < SCAN_LEVELS; i++) s->level[i].n = 0;
}

/* Inclusive scan of n <= 16 values by doubling: v[i] = v[i] op v[i - d]. */
static void scan_run(const struct interp_op *op, size_t size, char *v, int64_t n)
{
    char old[SCAN_RUN * VALUE_SIZE] __attribute__((aligned(16)));
    for (int64_t d = 1; d < n; d *= 2) {
        memcpy(old, v, (size_t)n * size);
        join(op, n - d, old + (size_t)d * size, 1, old, v + (size_t)d * size);
    }
}

/* One chunk, without what comes before it. */
static void scan_chunk(const struct interp_op *op, size_t size, const char *t, int64_t n, char *out)
{
    char v[SCAN_RUN * VALUE_SIZE] __attribute__((aligned(16)));
    char carry[VALUE_SIZE] __attribute__((aligned(16)));
    for (int64_t i = 0; i < n; i += SCAN_RUN) {
        int64_t m = n - i < SCAN_RUN ? n - i : SCAN_RUN;
        char *last = v + (SCAN_RUN - 1) * size, *y = out + (size_t)i * size;
        memcpy(v, t + (size_t)i * size, (size_t)m * size);
        scan_run(op, size, v, m);
        if (i) join(op, m, carry, 0, v, y);
        else memcpy(y, v, (size_t)m * size);
        if (m < SCAN_RUN) return;
        if (i) join(op, 1, carry, 1, last, carry);
        else memcpy(carry, last, size);
    }
}

/* The inclusive prefix after one more total of level k: the same scan, a value at a time. */
static void scan_total(struct interp_scan *s, int k, const char *total, char *out)
{
    const struct interp_op *op = op_of(s->fold, s->type);
    size_t size = interp_size(s->type), i = (size_t)s->level[k].n % SCAN_RUN;
    int64_t in_chunk = s->level[k].n % INTERP_BLOCK;
    char y[VALUE_SIZE] __attribute__((aligned(16))), *carry = s->level[k].carry;
    memcpy(y, total, size);
    for (size_t step = 0, d = 1; step < SCAN_STEPS; step++, d *= 2) {
        char *row = s->level[k].v[step];
        memcpy(row + i * size, y, size);
        if (step + 1 < SCAN_STEPS && i >= d) join(op, 1, y, 1, row + (i - d) * size, y);
    }
    char last[VALUE_SIZE] __attribute__((aligned(16)));
    memcpy(last, y, size);
    if (in_chunk >= SCAN_RUN) join(op, 1, carry, 1, y, y);
    if (i == SCAN_RUN - 1 && in_chunk >= SCAN_RUN) join(op, 1, carry, 1, last, carry);
    else if (i == SCAN_RUN - 1) memcpy(carry, last, size);
    s->level[k].n++;
    memcpy(out, y, size);
    if (s->level[k].n > INTERP_BLOCK) join(op, 1, s->level[k].before, 1, y, out);
    if (in_chunk == INTERP_BLOCK - 1 && k + 1 < SCAN_LEVELS)
        scan_total(s, k + 1, y, s->level[k].before);
}

void interp_scan_push(struct interp_scan *s, int64_t n, const struct columns *in, void *out)
{
    char room[INTERP_BLOCK * VALUE_SIZE] __attribute__((aligned(16)));
    char total[VALUE_SIZE] __attribute__((aligned(16)));
    const struct interp_op *op = op_of(s->fold, s->type);
    size_t size = interp_size(s->type);
    scan_chunk(op, size, spread(in, n, size, room), n, out);
    memcpy(total, (char *)out + (size_t)(n - 1) * size, size);
    if (s->blocks++) join(op, n, s->before, 0, out, out);
    if (n == INTERP_BLOCK) scan_total(s, 0, total, s->before);
}
