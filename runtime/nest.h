/* nest.h - the loop-nest form: what an operator (later: a group of operators) computes, free of
 * any language.
 *
 *   for each point of the OUTER space           rows; any order, any split
 *       pass 0 over the INNER space, pass 1, ...    reduced, scanned or merely visited, in order
 *       stores of outer values
 *
 * A nest is a list of nodes in an order where arguments come first (SSA). A node lives at a level:
 * it varies with the outer point only, or with the inner point too. A reduction makes an outer
 * value of an inner one; what uses it at the inner level runs in a later pass. Stores come last in
 * the list: those of inner values in the last pass, so that a result may lie where an argument
 * does, element on element. Values are typed; rounding to a narrower dtype happens at stores and
 * where a node ROUND says so.
 *
 * NaN: a store makes it the canonical one, unless it keeps bits (nest_array.moves) or the stored
 * value is a load, converted or not: then it is what dtype_cast makes of it.
 *
 * Body text (ops.def), statements separated by ";":
 *   name = expr            a local name, or a result: out, out1, out2, ...
 *   expr                   + - * / unary - < <= > >= == != && || ! ?: ( ) numbers inf nan
 *   name                   tensor argument: its element here; scalar argument: its value; local
 *   f(expr, ...)           a function of kernels/scalar.def (exp, sqrt, fma, max, where, ...)
 *   sum prod amax amin any all argmax argmin (expr)      over the inner space, canonical order
 *   cumsum cumprod (expr)                inclusive scans along the inner space
 *   load(x, i, ...)                      element of x at computed positions along its indexed
 *                                        dimensions (nest_lie.index_*); a position outside stops
 *                                        the call with an error that names it
 *   store(out, i, ...) = expr            the same for results (serial nests: a later point wins)
 *   n                                    points of the inner space, i64
 *   at(d) size(d)                        coordinate along loop d, size of that loop, i64
 *   linear                               logical index of the point, i64
 *   xsize(x), xsize(x, d)                how many places position 0 or d of x has, i64
 *   to_f32(expr) ... to_b8(expr)         converted as a store to that dtype does
 *   to_compute(expr)                     in the compute type
 *   uniform(i) normal(i)                 random number of counter i: in [0,1), or normal
 *   word(i, w)                           word w (0 to 3) of the counter's four; kernels/philox.h
 * A comparison or any/all is of type B. Arithmetic needs one type on both sides; tensors enter in
 * the compute type of the nest, except those that spec.own lists, which keep their own (indices,
 * masks); scalars enter in the type that spec.param_type gives. A number takes the type of what it
 * meets. In type B, + is or and * is and.
 * A value assigned to a result may be read by the result's name in later statements.
 */
#ifndef RUNTIME_NEST_H
#define RUNTIME_NEST_H

#include "store/base/arena.h"
#include "store/base/buf.h"
#include "store/base/view.h"

enum { NEST_LOOPS = VIEW_DIMS, NEST_ARRAYS = 24, NEST_PARAMS = 16, NEST_INDICES = 4 };

/* Types of values. Each dtype computes in one of them: f16 bf16 f8 f32 in F32; signed integers,
 * u8..u32 in I64; u64 in U64. */
enum nest_type { NEST_F32, NEST_F64, NEST_I64, NEST_U64, NEST_B, NEST_C64, NEST_C128 };
enum nest_type nest_type_of(enum dtype dtype);

enum nest_node_kind {
    NEST_CONST,  /* value */
    NEST_PARAM,  /* scalar number `index` */
    NEST_COORD,  /* coordinate along loop `index`; I64 */
    NEST_SIZE,   /* size of loop `index`; I64 */
    NEST_EXTENT, /* how many places computed position value.i of array `index` has; I64 */
    NEST_COUNT,  /* points of the inner space; I64 */
    NEST_LINEAR, /* logical index of the point over all loops; I64 */
    NEST_LOAD,   /* array `index`, converted to the node's type; arg[]: computed positions */
    NEST_CALL,   /* function `index` of nest_fn.h on arg[] */
    NEST_ROUND,  /* arg[0] rounded to `dtype`, as a store and a load do; of the type of arg[0]
                  * or of nest_type_of(dtype) */
    NEST_CAST,   /* arg[0] in the node's type */
    NEST_REDUCE, /* reduction `index` (enum nest_fold) of arg[0] over the inner space */
    NEST_SCAN,   /* inclusive scan of arg[0] */
    NEST_RANDOM, /* word or number `index` (enum nest_random) of counter arg[0] */
    NEST_STORE,  /* arg[0] into array `index`; arg[1..]: computed positions */
};
enum nest_fold {
    NEST_SUM,
    NEST_PROD,
    NEST_MAX,
    NEST_MIN,
    NEST_ANY,
    NEST_ALL,
    NEST_ARGMAX,
    NEST_ARGMIN
};
enum nest_random { NEST_UNIFORM, NEST_NORMAL, NEST_WORD /* to NEST_WORD + 3 */ };
enum nest_level { NEST_OUTER, NEST_INNER };

enum { NEST_NODE_ARGS = 5 };
struct nest_node {
    enum nest_node_kind kind;
    enum nest_type type;
    enum nest_level level;
    int index;
    int arg[NEST_NODE_ARGS]; /* earlier nodes */
    int n_args;
    enum dtype dtype; /* ROUND */
    union {
        double r;
        int64_t i;
    } value; /* CONST; complex: the real part. STORE: whether a NaN becomes the canonical one */
    /* Inner nodes: the first pass they can be computed in, and are again in each later one that
     * needs them; inner stores: the last pass. A reduction: the pass that makes it. Other outer
     * nodes: how many passes must have ended before. */
    int pass;
};
struct nest_array {
    const char *name; /* of the argument; borrowed */
    enum dtype dtype;
    bool written;
    bool moves;    /* elements keep their bits (movement): loads and stores copy */
    bool rounds;   /* of another dtype: elements enter rounded to the compute dtype */
    int n_indexed; /* computed positions that load and store take */
};
struct nest {
    uint64_t id;            /* of this process, given by nest_build: one nest, unchanged since */
    struct nest_node *node; /* in the arena given */
    int n_nodes;
    struct nest_array array[NEST_ARRAYS];
    int n_arrays;
    int n_params;
    enum nest_type param_type[NEST_PARAMS];
    int n_outer, n_inner; /* loops; inner loops come last; n_inner 0: every node is outer */
    int n_passes;         /* over the inner space */
    bool serial;
};

/* What a nest is built from. Strings are borrowed for as long as the nest lives. */
struct nest_spec {
    const char *body;
    enum dtype compute;                   /* gives the compute type */
    struct nest_array array[NEST_ARRAYS]; /* arguments first, then results out, out1, ... */
    bool own[NEST_ARRAYS];                /* enters in the type of its own dtype */
    bool outer[NEST_ARRAYS];              /* does not vary along the inner loops */
    int n_arrays;
    const char *param[NEST_PARAMS]; /* names of scalars */
    enum nest_type param_type[NEST_PARAMS];
    int n_params;
    int n_outer, n_inner;
    bool serial;
    bool exact; /* functions that have no exact entry are refused, naming them */
};
/* ERR_USAGE says what in the body is wrong and where (a bug of a row or, later, of a user's
 * operator). */
WARN_UNUSED enum err nest_build(const struct nest_spec *spec, struct arena *arena,
                                struct nest *out);
/* A canonical text of the form: equal texts are equal nests. One node per line; for tests, logs
 * and cache keys. */
void nest_text(const struct nest *n, struct buf *out);
/* Every invariant above holds; ERR_FORMAT names the node. Run after each builder and pass. */
WARN_UNUSED enum err nest_verify(const struct nest *n);

/* ---- running one ---- */

/* How the arrays of a call lie along the loops. */
struct nest_lie {
    int64_t stride[NEST_LOOPS]; /* elements; 0 where the array does not vary */
    int64_t offset;             /* elements from the base */
    int64_t index_stride[NEST_INDICES], index_size[NEST_INDICES]; /* of computed positions */
};
/* Made by an operator's shape function. */
struct nest_plan {
    int n_outer, n_inner;
    int64_t size[NEST_LOOPS]; /* outer loops, then inner ones */
    struct nest_lie lie[NEST_ARRAYS];
    bool own[NEST_ARRAYS];
    int n_indexed[NEST_ARRAYS];
    /* tensor arguments in schema order (absent ones left out, lists spread), then results */
    int n_arrays;
};
/* A call of a nest. */
struct nest_run {
    const struct nest *nest;
    const struct nest_plan *plan;
    void *base[NEST_ARRAYS];
    union {
        double r;
        int64_t i;
    } param[NEST_PARAMS];
    uint64_t seed, stream; /* Philox */
    int threads;           /* at most so many; results do not depend on it */
};

#endif
