/* scatter.c - scatter-add without atomics: sort by destination, then each destination by itself.
 *
 * Atomics on a float give other bits each time; a plain loop over the sources is in order, but one
 * thread's work. Here the sources are sorted by destination with a stable counting sort, so that a
 * destination's sources stand together and in rising position; whoever adds them needs nobody else.
 *
 *     index         3 1 3 3 0 1         entries   0:4 | 1:1 1:5 | 3:0 3:2 3:3
 *     units         a list of up to 1024 is one unit; a longer one is cut into units of 1024, whose
 *                   results lie apart until all are there and are then joined in order
 *
 * Napkin math for rows of 128 f32: a source is 512 bytes to read and 16 bytes to sort, so the sort
 * is a few percent of a loop that memory bounds. For single elements it would be most of the work:
 * these are added in one pass that keeps each destination's open span beside it.
 */
#include "kernels/scatter.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/gemm_tiles.h"
#include "kernels/run.h"

enum {
    PART_ELEMENTS = 64 * 1024, /* what is worth a thread's waking */
    NARROW = 8,                /* elements of a row below which sorting is most of the work */
    MOST_DIGIT = 16,           /* bits of a digit of the sort */
};

struct entry {
    int64_t row, source;
};
struct unit {
    int64_t first, n; /* entries */
    int64_t slot;     /* of the partial results; -1: the list is one unit, its result is stored */
};
struct job {
    const struct scatter *s;
    enum dtype acc;
    int64_t n_entries, n_units, n_slots;
    struct entry *entries, *other; /* `other`: room for the sort */
    struct unit *units;
    char *partial;    /* n_slots rows of all batches, dense, of dtype acc */
    int64_t per_part; /* entries */
};

/* ---- numbers ---- */

static enum dtype acc_of(enum dtype t)
{
    bool small =
        (dtype_kind(t) == DTYPE_FLOAT || dtype_kind(t) == DTYPE_FLOAT8) && dtype_size(t) < 4;
    return small ? DTYPE_F32 : t;
}

#define ADD(type)                                                                                  \
    static void add_##type(type *acc, const type *v, int64_t n)                                    \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) acc[i] = (type)(acc[i] + v[i]);                            \
    }
ADD(float)
ADD(double)
ADD(uint8_t)
ADD(uint16_t)
ADD(uint32_t)
ADD(uint64_t)
/* Four sources at a time: the sums go to memory and back once. */
#define ADD_FOUR(type)                                                                             \
    static void add_four_##type(type *acc, const type *const v[4], int64_t n)                      \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++)                                                            \
            acc[i] = (((acc[i] + v[0][i]) + v[1][i]) + v[2][i]) + v[3][i];                         \
    }
ADD_FOUR(float)
ADD_FOUR(double)
static void or_bool(uint8_t *acc, const uint8_t *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++) acc[i] = acc[i] || v[i];
}
static void canonical_float(float *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++) v[i] = v[i] == v[i] ? v[i] : __builtin_nanf("");
}
static void canonical_double(double *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++) v[i] = v[i] == v[i] ? v[i] : __builtin_nan("");
}

/* acc += v, n elements of dtype t. */
static void add(enum dtype t, void *acc, const void *v, int64_t n)
{
    switch (t) {
    case DTYPE_F32: add_float(acc, v, n); return;
    case DTYPE_F64: add_double(acc, v, n); return;
    case DTYPE_C64: add_float(acc, v, 2 * n); return;
    case DTYPE_C128: add_double(acc, v, 2 * n); return;
    case DTYPE_B8: or_bool(acc, v, n); return;
    default: break;
    }
    switch (dtype_size(t)) {
    case 1: add_uint8_t(acc, v, n); return;
    case 2: add_uint16_t(acc, v, n); return;
    case 4: add_uint32_t(acc, v, n); return;
    default: add_uint64_t(acc, v, n);
    }
}
static void make_nan_canonical(enum dtype t, void *v, int64_t n)
{
    switch (t) {
    case DTYPE_F32: canonical_float(v, n); return;
    case DTYPE_C64: canonical_float(v, 2 * n); return;
    case DTYPE_F64: canonical_double(v, n); return;
    case DTYPE_C128: canonical_double(v, 2 * n); return;
    default: return;
    }
}

/* ---- where things lie ---- */

static char *at(const struct scatter *s, const void *p, const struct scatter_rows *x, int64_t batch,
                int64_t row, int64_t column)
{
    int64_t e = batch * x->batch + row * x->row + column * x->column;
    return (char *)p + e * (int64_t)dtype_size(s->dtype);
}
static char *slot(const struct job *j, int64_t slot, int64_t batch, int64_t column)
{
    int64_t e = (slot * j->s->n_batch + batch) * j->s->width + column;
    return j->partial + e * (int64_t)dtype_size(j->acc);
}
static void store(const struct job *j, int64_t row, int64_t batch, int64_t column, int64_t n,
                  void *acc)
{
    char *to = at(j->s, j->s->out, &j->s->to, batch, row, column);
    make_nan_canonical(j->acc, acc, n);
    run_store(j->acc, acc, n, j->s->dtype, to, j->s->to.column);
}

/* ---- chains ---- */

/* Adds a source or four of them; returns how many. */
static int64_t add_next(const struct job *j, const struct unit *u, int64_t i, int64_t batch,
                        int64_t column, int64_t n, void *acc)
{
    const struct scatter *s = j->s;
    const struct entry *e = j->entries + u->first + i;
    const void *v[4];
    bool dense = s->from.column == 1 && (s->dtype == DTYPE_F32 || s->dtype == DTYPE_F64);
    if (!dense || i + 4 > u->n) {
        union run room;
        const char *from = at(s, s->source, &s->from, batch, e->source, column);
        add(j->acc, acc, run_load(s->dtype, from, s->from.column, n, j->acc, &room), n);
        return 1;
    }
    for (int k = 0; k < 4; k++) {
        v[k] = at(s, s->source, &s->from, batch, e[k].source, column);
        if (i + 4 + k < u->n)
            __builtin_prefetch(at(s, s->source, &s->from, batch, e[4 + k].source, column));
    }
    if (s->dtype == DTYPE_F32)
        add_four_float(acc, (const float *const[]){v[0], v[1], v[2], v[3]}, n);
    else add_four_double(acc, (const double *const[]){v[0], v[1], v[2], v[3]}, n);
    return 4;
}

/* The chain of a unit, columns [column, column + n) of one batch. */
static void chain(const struct job *j, const struct unit *u, int64_t batch, int64_t column,
                  int64_t n)
{
    const struct scatter *s = j->s;
    const struct entry *e = j->entries + u->first;
    union run acc, room;
    bool first = u->first == 0 || e[-1].row != e->row;
    const char *from = first ? at(s, s->out, &s->to, batch, e->row, column)
                             : at(s, s->source, &s->from, batch, e->source, column);
    int64_t stride = first ? s->to.column : s->from.column;
    const void *v = run_load(s->dtype, from, stride, n, j->acc, &room);
    memcpy(acc.bytes, v, (size_t)n * dtype_size(j->acc));
    for (int64_t i = !first; i < u->n;) i += add_next(j, u, i, batch, column, n, acc.bytes);
    if (u->slot < 0) store(j, e->row, batch, column, n, acc.bytes);
    else memcpy(slot(j, u->slot, batch, column), acc.bytes, (size_t)n * dtype_size(j->acc));
}

/* Units that begin among the entries of part i. */
static int64_t first_unit(const struct job *j, int64_t entry)
{
    int64_t low = 0, high = j->n_units;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (j->units[middle].first < entry) low = middle + 1;
        else high = middle;
    }
    return low;
}
static void chains_part(void *context, int64_t i)
{
    const struct job *j = context;
    int64_t end = first_unit(j, (i + 1) * j->per_part);
    for (int64_t u = first_unit(j, i * j->per_part); u < end; u++)
        for (int64_t b = 0; b < j->s->n_batch; b++)
            for (int64_t c = 0; c < j->s->width; c += RUN)
                chain(j, j->units + u, b, c, gemm_min(RUN, j->s->width - c));
}

/* ---- joins of lists of more than one unit ---- */

static void join(const struct job *j, const struct unit *u, int64_t n_units)
{
    const struct scatter *s = j->s;
    for (int64_t b = 0; b < s->n_batch; b++)
        for (int64_t c = 0; c < s->width; c += RUN) {
            int64_t n = gemm_min(RUN, s->width - c);
            char *acc = slot(j, u->slot, b, c);
            for (int64_t i = 1; i < n_units; i++) add(j->acc, acc, slot(j, u[i].slot, b, c), n);
            store(j, j->entries[u->first].row, b, c, n, acc);
        }
}
static void join_all(const struct job *j)
{
    for (int64_t u = 0; u < j->n_units;) {
        int64_t n = 1, row = j->entries[j->units[u].first].row;
        while (u + n < j->n_units && j->entries[j->units[u + n].first].row == row) n++;
        if (n > 1) join(j, j->units + u, n);
        u += n;
    }
}

/* ---- the sort ---- */

static int bits_of(int64_t n)
{
    int bits = 0;
    while (bits < 62 && (int64_t)1 << bits < n) bits++;
    return bits;
}

/* One pass of a stable counting sort, by `digit` bits of the row from `shift` on. */
static void sort_digit(const struct entry *from, struct entry *to, int64_t n, int shift, int digit,
                       int64_t *counts)
{
    int64_t mask = ((int64_t)1 << digit) - 1, sum = 0;
    memset(counts, 0, sizeof *counts << digit);
    for (int64_t i = 0; i < n; i++) counts[from[i].row >> shift & mask]++;
    for (int64_t d = 0; d <= mask; d++) {
        int64_t c = counts[d];
        counts[d] = sum;
        sum += c;
    }
    for (int64_t i = 0; i < n; i++) to[counts[from[i].row >> shift & mask]++] = from[i];
}

static enum err sort_entries(struct job *j)
{
    const struct scatter *s = j->s;
    for (int64_t i = 0; i < s->n; i++)
        if (s->index[i] >= 0) j->entries[j->n_entries++] = (struct entry){s->index[i], i};
    int bits = bits_of(s->n_rows), most = bits_of(2 * j->n_entries);
    most = most < 8 ? 8 : most > MOST_DIGIT ? MOST_DIGIT : most;
    int passes = (bits + most - 1) / most, digit = passes ? (bits + passes - 1) / passes : 0;
    int64_t *counts = malloc(sizeof *counts << digit);
    if (!counts) FAIL(ERR_NOMEM, "no memory to sort %lld indices", (long long)s->n);
    for (int p = 0; p < passes; p++) {
        struct entry *sorted = j->other;
        sort_digit(j->entries, sorted, j->n_entries, p * digit, digit, counts);
        j->other = j->entries;
        j->entries = sorted;
    }
    free(counts);
    return ERR_OK;
}

static void make_units(struct job *j)
{
    for (int64_t i = 0; i < j->n_entries;) {
        int64_t end = i + 1;
        while (end < j->n_entries && j->entries[end].row == j->entries[i].row) end++;
        bool one = end - i <= SCATTER_SPAN;
        for (; i < end; i += SCATTER_SPAN) {
            int64_t n = gemm_min(SCATTER_SPAN, end - i);
            j->units[j->n_units++] = (struct unit){i, n, one ? -1 : j->n_slots++};
        }
        i = end;
    }
}

/* ---- without sorting: few sources, integers, narrow rows ---- */

/* Valid where order does not matter or no list can be longer than a span. */
#define PLAIN(type)                                                                                \
    static void plain_##type(const struct scatter *s)                                              \
    {                                                                                              \
        for (int64_t i = 0; i < s->n; i++)                                                         \
            for (int64_t b = 0; b < s->n_batch && s->index[i] >= 0; b++) {                         \
                const type *v = (const type *)s->source + b * s->from.batch + i * s->from.row;     \
                type *to = (type *)s->out + b * s->to.batch + s->index[i] * s->to.row;             \
                for (int64_t c = 0; c < s->width; c++, v += s->from.column, to += s->to.column) {  \
                    type sum = (type)(*to + *v);                                                   \
                    *to = sum == sum ? sum : (type)__builtin_nan("");                              \
                }                                                                                  \
            }                                                                                      \
    }
PLAIN(float)
PLAIN(double)

static void plain_any(const struct scatter *s)
{
    union run acc, room;
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t b = 0; b < s->n_batch && s->index[i] >= 0; b++)
            for (int64_t c = 0; c < s->width; c += RUN) {
                int64_t n = gemm_min(RUN, s->width - c);
                char *to = at(s, s->out, &s->to, b, s->index[i], c);
                const char *from = at(s, s->source, &s->from, b, i, c);
                const void *v = run_load(s->dtype, to, s->to.column, n, s->dtype, &room);
                memcpy(acc.bytes, v, (size_t)n * dtype_size(s->dtype));
                v = run_load(s->dtype, from, s->from.column, n, s->dtype, &room);
                add(s->dtype, acc.bytes, v, n);
                make_nan_canonical(s->dtype, acc.bytes, n);
                run_store(s->dtype, acc.bytes, n, s->dtype, to, s->to.column);
            }
}

/* One pass over the sources that keeps each destination's open span beside it. `counts` says where
 * a destination is: below 1024 in its first span, which is added to what it holds; from there on,
 * 1024 more than the sources that its open span has. */
#define STREAM(type)                                                                               \
    static void stream_##type(const struct scatter *s, uint16_t *counts, type *spans)              \
    {                                                                                              \
        const struct scatter_rows *from = &s->from, *to = &s->to;                                  \
        int64_t size = s->n_batch * s->width;                                                      \
        for (int64_t i = 0; i < s->n; i++) {                                                       \
            int64_t r = s->index[i], ahead = i + 24 < s->n ? s->index[i + 24] : -1;                \
            if (ahead >= 0) {                                                                      \
                __builtin_prefetch(counts + ahead, 1);                                             \
                __builtin_prefetch((type *)s->out + ahead * to->row, 1);                           \
            }                                                                                      \
            if (r < 0) continue;                                                                   \
            bool first = counts[r] < SCATTER_SPAN, fresh = counts[r] == SCATTER_SPAN;              \
            bool last = ++counts[r] == 2 * SCATTER_SPAN;                                           \
            if (last) counts[r] = SCATTER_SPAN;                                                    \
            type *span = spans + r * size;                                                         \
            for (int64_t b = 0; b < s->n_batch; b++) {                                             \
                const type *v = (const type *)s->source + b * from->batch + i * from->row;         \
                type *out = (type *)s->out + b * to->batch + r * to->row;                          \
                for (int64_t c = 0; c < s->width; c++, span++, v += from->column) {                \
                    if (!first) *span = fresh ? *v : *span + *v;                                   \
                    if (first || last) *out = *out + (first ? *v : *span);                         \
                    out += to->column;                                                             \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        for (int64_t r = 0; r < s->n_rows; r++) {                                                  \
            type *span = spans + r * size;                                                         \
            for (int64_t b = 0; b < s->n_batch && counts[r]; b++) {                                \
                type *out = (type *)s->out + b * to->batch + r * to->row;                          \
                for (int64_t c = 0; c < s->width; c++, span++, out += to->column) {                \
                    if (counts[r] > SCATTER_SPAN) *out = *out + *span;                             \
                    *out = *out == *out ? *out : (type)__builtin_nan("");                          \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }
STREAM(float)
STREAM(double)
static enum err streamed(const struct scatter *s)
{
    size_t spans = (size_t)(s->n_rows * s->n_batch * s->width) * dtype_size(s->dtype);
    uint16_t *counts = calloc((size_t)s->n_rows, sizeof *counts);
    void *room = malloc(spans);
    enum err err = ERR_OK;
    if (!counts || !room)
        err = err_set(ERR_NOMEM, "no memory to add into %lld rows", (long long)s->n_rows);
    else if (s->dtype == DTYPE_F32) stream_float(s, counts, room);
    else stream_double(s, counts, room);
    free(counts);
    free(room);
    return err;
}

/* ---- the whole ---- */

static enum err sorted(const struct scatter *s, const struct gemm_how *how)
{
    struct job j = {.s = s, .acc = acc_of(s->dtype)};
    enum err err = ERR_OK;
    size_t n = (size_t)s->n;
    j.entries = malloc(n * sizeof *j.entries);
    j.other = malloc(n * sizeof *j.other);
    j.units = malloc(n * sizeof *j.units);
    if (!j.entries || !j.other || !j.units) {
        err = err_set(ERR_NOMEM, "no memory to sort %lld indices", (long long)s->n);
        goto out;
    }
    TRY_OUT(sort_entries(&j));
    make_units(&j);
    size_t row = (size_t)(s->n_batch * s->width) * dtype_size(j.acc);
    j.partial = j.n_slots ? malloc((size_t)j.n_slots * row) : NULL;
    if (j.n_slots && !j.partial) {
        err = err_set(ERR_NOMEM, "no memory for %lld partial rows", (long long)j.n_slots);
        goto out;
    }
    j.per_part = gemm_ceil(PART_ELEMENTS, s->n_batch * s->width);
    gemm_share(how, chains_part, &j, gemm_ceil(j.n_entries, j.per_part));
    join_all(&j);
out:
    free(j.entries);
    free(j.other);
    free(j.units);
    free(j.partial);
    return err;
}

enum err scatter_add(const struct scatter *s, const struct gemm_how *how)
{
    struct scatter turned = *s;
    if (s->n == 0 || s->n_batch == 0 || s->width == 0) return ERR_OK;
    if (s->width == 1) { /* the longer of the two is to be the inner one */
        turned.width = s->n_batch, turned.n_batch = 1;
        turned.from.column = s->from.batch, turned.to.column = s->to.batch;
    }
    bool is_real = s->dtype == DTYPE_F32 || s->dtype == DTYPE_F64;
    bool is_exact = dtype_is_integer(s->dtype) || s->dtype == DTYPE_B8; /* any order will do */
    bool narrow = turned.width * turned.n_batch <= NARROW && s->n_rows <= 4 * s->n;
    if (s->n <= SCATTER_SPAN && s->dtype == DTYPE_F32) plain_float(&turned);
    else if (s->n <= SCATTER_SPAN && s->dtype == DTYPE_F64) plain_double(&turned);
    else if (acc_of(s->dtype) == s->dtype && (s->n <= SCATTER_SPAN || (narrow && is_exact)))
        plain_any(&turned);
    else return narrow && is_real ? streamed(&turned) : sorted(&turned, how);
    return ERR_OK;
}
