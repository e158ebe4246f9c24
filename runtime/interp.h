/* interp.h - the interpreter of loop nests: columns of values, one operation on a column at a time.
 *
 * A column holds the values of one node at up to INTERP_BLOCK points; one that does not vary has a
 * single value. They lie in columns as float, double, int64_t, uint64_t, int32_t (B), or pairs.
 * Everything here is used by interp*.c only.
 */
#ifndef RUNTIME_INTERP_H
#define RUNTIME_INTERP_H

#include "runtime/nest_fn.h"

/* As many as the chunk of canonical reductions. */
enum { INTERP_BLOCK = 1024, INTERP_LANES = 128 };

/* n values into `out` (which may be an argument) from columns; step 0: the column's first value. */
struct columns {
    const void *p[NEST_NODE_ARGS];
    int step[NEST_NODE_ARGS];
};
struct interp_op {
    void (*run)(int64_t n, const struct columns *in, void *out);
};

size_t interp_size(enum nest_type type); /* bytes of a value */
const struct interp_op *interp_call(int fn, enum nest_type type);
const struct interp_op *interp_cast(enum nest_type from, enum nest_type to);
const struct interp_op *interp_canon(enum nest_type type); /* run is NULL: not a float */
/* Random numbers of counters (I64). */
struct random_key {
    uint64_t seed, stream;
};
void interp_random(int kind, enum nest_type type, const struct random_key *key, int64_t n,
                   const struct columns *in, void *out);

/* Elements base[at[i]] of a dtype as values of nest_type_of(dtype). */
struct interp_load {
    void (*run)(int64_t n, const void *base, const int64_t *at, void *out);
};
const struct interp_load *interp_load(enum dtype dtype, bool moves);
struct interp_store {
    void (*run)(int64_t n, const struct columns *in, void *base, const int64_t *at);
};
const struct interp_store *interp_store(enum nest_type type, enum dtype dtype, bool moves);

/* A reduction under way: blocks are pushed in order, each INTERP_BLOCK points but the last. */
struct interp_fold {
    enum nest_fold fold;
    enum nest_type type;
    char *part; /* owned; one value of each block */
    size_t n, size;
    int64_t seen, at; /* points so far; of argmax and argmin: the place of part[0] */
};
void interp_fold_begin(struct interp_fold *f, enum nest_fold fold, enum nest_type type);
WARN_UNUSED enum err interp_fold_push(struct interp_fold *f, int64_t n, const struct columns *in);
/* Into one value: of the type, or I64 for argmax and argmin. */
void interp_fold_end(struct interp_fold *f, void *out);
void interp_fold_release(struct interp_fold *f);

/* A scan under way, of sums or products; blocks as above. */
enum { SCAN_LEVELS = 4, SCAN_RUN = 16, SCAN_STEPS = 5, VALUE_SIZE = 16 };
struct interp_scan {
    enum nest_fold fold;
    enum nest_type type;
    int64_t blocks;
    struct interp_level {
        char v[SCAN_STEPS][SCAN_RUN * VALUE_SIZE] __attribute__((aligned(16)));
        char carry[VALUE_SIZE] __attribute__((aligned(16)));
        char before[VALUE_SIZE] __attribute__((aligned(16)));
        int64_t n;
    } level[SCAN_LEVELS]; /* 0: totals of blocks; 1: totals of 1024 of those; ... */
    char before[VALUE_SIZE] __attribute__((aligned(16))); /* prefix of the blocks before */
};
void interp_scan_begin(struct interp_scan *s, enum nest_fold fold, enum nest_type type);
void interp_scan_push(struct interp_scan *s, int64_t n, const struct columns *in, void *out);

#endif
