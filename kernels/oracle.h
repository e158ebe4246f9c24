/* oracle.h - what every operator computes, in obvious C and extended precision.
 *
 * An oracle gets the arguments of a call in the order of the operator's schema and fills the
 * results, whose dtypes and shapes are set. Elements are dense, in logical order, as long double:
 * it holds every value of
 * every dtype (64-bit integers too); a complex element is two. What an oracle gives for an integer
 * or b8 result is a value of that dtype (it wraps by itself); for a floating one the true
 * value, which the caller rounds once.
 *
 * `mag` of a result says how large an error is to be expected: a right kernel differs from v by
 * at most
 *     tolerance * unit roundoff of the compute dtype * mag   +   one rounding to the result's
 * dtype,
 * with the operator's tolerance of ops.def. It comes preset to -1, which stands for |v|. A sum
 * sets the sum of |terms|, a
 * product of matrices the sum of |a| |b|, and so on: the derivation stands at the oracle.
 *
 * Threads: pure functions. Memory: what an oracle allocates it frees; *failed is set when it
 * could not.
 */
#ifndef KERNELS_ORACLE_H
#define KERNELS_ORACLE_H

#include "store/base/view.h"

struct oracle_array {
    enum dtype dtype;
    struct view_shape shape;
    int64_t n;        /* elements */
    long double *v;   /* n values, complex: 2 n */
    long double *mag; /* of results: as v, see above; of arguments NULL */
};
enum oracle_kind {
    ORACLE_NONE, /* an optional argument that was not given */
    ORACLE_TENSOR,
    ORACLE_TENSORS,
    ORACLE_INT, /* also bool (0 or 1) and dtype (enum dtype) */
    ORACLE_INTS,
    ORACLE_REAL,
    ORACLE_TEXT,
};
struct oracle_value {
    enum oracle_kind kind;
    struct oracle_array *a; /* TENSOR: one; TENSORS: n */
    int n;                  /* of a or is */
    const int64_t *is;
    int64_t i; /* INT; of a REAL that was an integer its exact value */
    long double r;
    const char *s;
};
struct oracle_call {
    const struct oracle_value *arg; /* in the order of the schema, defaults filled in */
    int n_args;
    /* For a result that is a written argument: that argument, preset to its value before. An
     * operator without results
     * changes the arrays of its written arguments. */
    struct oracle_array *out;
    int n_out;
    struct oracle_array *in; /* all arrays of arguments, lists spread; what arg[] points into */
    int n_in;
    enum dtype compute; /* what the operator computes in: arguments enter in its type (nest.h) */
    uint64_t seed;      /* random operators: key of Philox ... */
    uint64_t stream;    /* ... and number of the call; counter and words as in kernels/philox.h */
    bool failed;        /* set when out of memory */
    /* An index that points outside, which oracle_position met first: of argument outside_arg - 1;
     * 0 none. */
    int outside_arg;
    int64_t outside, outside_size;
};

/* One function per operator, oracle_<id>, declared where ops.def is expanded. */
typedef void oracle_fn(struct oracle_call *c);

/* ---- helpers (oracle.c) ---- */
/* The arrays of v and mag for a shape; false when out of memory. */
bool oracle_array_init(struct oracle_array *a, enum dtype dtype, const struct view_shape *shape);
void oracle_array_release(struct oracle_array *a);
/* From and to a view over storage; to rounds once to nearest even and saturates as dtype_cast
 * does. */
void oracle_load(struct oracle_array *a, const struct view *v, const void *storage);
void oracle_store(const struct oracle_array *a, const struct view *v, void *storage);
/* Index into `a`, broadcast against a result of shape `to`, of the result's element `at`. */
int64_t oracle_broadcast(const struct oracle_array *a, const struct view_shape *to, int64_t at);
/* Rows along one dimension: element (outer, k, inner) lies at (outer * size + k) * n_inner +
 * inner. */
struct oracle_rows {
    int64_t n_outer, size, n_inner;
};
/* dim may count from the end */
struct oracle_rows oracle_rows(const struct view_shape *s, int dim);
/* Position `at`, which argument `arg` names, in a dimension of that size; -1 when it is outside,
 * which makes the call fail. */
int64_t oracle_position(struct oracle_call *c, int arg, long double at, int64_t size);
/* Rounds to the values a dtype has (what a store and a load do). */
long double oracle_round(enum dtype dtype, long double v);
/* Unit roundoff of the dtype an operator on `dtype` computes in: 2^-24 for all of f32 and below,
 * 2^-53 for f64 and
 * c128; 0 for integers. */
long double oracle_roundoff(enum dtype dtype);

#endif
