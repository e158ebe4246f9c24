/* op.h - operators: the rows of ops.def, and a call on its way through the dispatcher.
 *
 *   op_call_begin ─ arguments ─► op_dispatch
 *      check arguments against the schema
 *      shape(c)      results' dtypes and shapes, plan of the loop nest; every bad input is found
 * here
 *      hooks before, record, digests before of what is written
 *      allocate results, backend->run(c)
 *      digests after, record, hooks after, tape
 *
 * Schema text is ATen's: "aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) ->
 * Tensor". "Tensor(a!) self" is
 * written by the operator, "-> Tensor(a!)" gives it back; "Tensor(a)" results are views.
 * `Tensor?` may be absent, `Tensor[]` is a
 * list. int, int[], float, Scalar, bool, ScalarType, str are the others.
 */
#ifndef RUNTIME_OP_H
#define RUNTIME_OP_H

#include "kernels/oracle.h"
#include "runtime/nest.h"
#include "runtime/op_schema.h"
#include "runtime/tensor.h"
#include "store/base/arena.h"

enum op_class {
    OP_VIEW,      /* results are views; nothing runs */
    OP_NEST,      /* one loop nest from `body` */
    OP_OPAQUE,    /* a kernel of a provider (kernels/), through backend->opaque */
    OP_COMPOSITE, /* calls other operators; is not itself logged, as in PyTorch */
};

/* How the compute dtype and the results' dtypes follow from the arguments (op_types.c). */
enum op_types {
    OP_T_SAME,    /* all tensors have one dtype, which is the results' */
    OP_T_PROMOTE, /* torch.result_type of all tensors and numbers */
    OP_T_FLOAT,   /* the same; integers and b8 become f32 */
    OP_T_COMPARE, /* computed as PROMOTE, the result is b8 */
    OP_T_SUM,     /* integers and b8 become i64 */
    OP_T_INDEX,   /* computed in the argument's dtype, the result is i64 */
    OP_T_BOOL,    /* computed in the argument's dtype, the result is b8 */
    OP_T_OWN,     /* shape(c) sets c->compute and the results' dtypes */
};
/* What dtypes a row takes: bits for kinds of dtypes. */
enum op_dtypes {
    OP_F = 1,
    OP_I = 2,
    OP_B = 4,
    OP_C = 8,
    OP_F8 = 16,
    OP_U = 32, /* u16 u32 u64 */
    OP_FIB = OP_F | OP_I | OP_B,
    OP_FIBC = OP_FIB | OP_C,
};

enum op_flags {
    OP_RANDOM = 1,    /* takes a stream number of the generator */
    OP_NO_VALUES = 2, /* results are uninitialised: not digested */
    OP_SERIAL = 4,    /* the nest is run by one thread, in logical order */
    OP_NOT_EXACT = 8, /* refused at determinism exact */
    OP_MOVES = 16,    /* movement: keeps bits, NaN payloads too */
    OP_BY_NESTS = 32, /* OPAQUE: run touches values by op_nest_run only, so a compiler may have
                       * the nests */
    OP_TILES = 64,    /* OPAQUE: the result is a product's, made tile by tile: op_call.done */
};

struct op_call;
struct op {
    const char *id;     /* add_Tensor: the C name */
    const char *schema; /* text */
    enum op_class class;
    enum op_types types;
    unsigned dtypes; /* op_dtypes of the tensors that set the compute dtype */
    enum err (*shape)(struct op_call *c);
    const char *body;                   /* of OP_NEST; language: nest.h */
    enum err (*run)(struct op_call *c); /* OPAQUE (on the CPU) and COMPOSITE; else NULL */
    oracle_fn *oracle;                  /* NULL for VIEW and COMPOSITE */
    /* Calls operators that give the gradients of the arguments, where op_needs_grad(c, slot).
     * result_grad[i] is NULL where
     * no gradient came; grad[] has a slot per tensor argument, lists spread (op_slot). NULL: not
     * differentiable. */
    enum err (*grad)(struct op_call *c, struct plumb_tensor *const *result_grad,
                     struct plumb_tensor **grad);
    double tolerance; /* units of oracle.h */
    unsigned flags;

    struct op_schema s; /* of the schema text, read once (op_table) */
};

/* What a result in a list is to be. */
struct op_member {
    enum dtype dtype;
    struct view_shape shape;
};
struct op_call {
    const struct op *op;
    struct op_value arg[OP_ARGS]; /* as many as op->s.n_params, defaults filled in */
    struct plumb_tensor **result; /* in the arena; written arguments stand here themselves */
    int n_results;                /* op->s.n_results, or as many as a list has */
    struct arena *arena;          /* of the frame */

    /* set by op->types and op->shape */
    enum dtype compute;                  /* the dtype all is computed in */
    const char *body;                    /* op->body; a shape function may choose another */
    struct view_shape shape[OP_RESULTS]; /* of results that are to be allocated */
    enum dtype dtype[OP_RESULTS];        /* NONE: the result is absent, NULL (op_absent) */
    bool writes_nothing;                 /* written arguments stay as they are in this call */
    struct op_member *member; /* of a list of results (op_members); else NULL: dtype and shape */
    struct view *view;        /* VIEW: one per result (op_views) ... */
    int view_of;              /* ... of this argument's storage */
    uint64_t seed, stream; /* OP_RANDOM: the generator's key, and the number of this call in it */
    bool exact;            /* determinism exact */
    int threads;
    const struct compiled_call
        *compiled;                /* on a tape: of a compiled function (compile/compiled.h) */
    const struct gemm_done *done; /* OP_TILES: who takes the tiles (kernels/gemm.h); NULL nobody */
    int64_t number; /* of the calls of the operator, from 1; counted where faults are injected */
    /* NEST: how arrays lie along the loops (nest.h); last: a tape leaves it out */
    struct nest_plan plan;
};

/* All operators; index is enum op_id of ops.h. The table is made on first use; ERR only for a bug
 * in a row. */
WARN_UNUSED enum err op_table(const struct op **table, int *n);
/* By name, with or without "aten::" and overload; NULL when there is none. */
const struct op *op_find(const char *name);

/* Tensors of the thread's frame, or the written arguments themselves. */
struct op_results {
    struct plumb_tensor **p;
    int n;
};
/* Runs a call: arguments in the order of the schema; those left out at the end take their
 * defaults. An error
 * names the operator, the argument, what it was and what is accepted. */
WARN_UNUSED enum err op_run(const struct op *op, const struct op_value *arg, int n_args,
                            struct op_results *out);

/* c->compute and c->dtype[] by the row's rule (op_types.c). */
WARN_UNUSED enum err op_types_resolve(struct op_call *c);

/* ---- for shape functions ---- */
/* torch.result_type of the arguments whose bits are set (tensors, lists, numbers): for OP_T_OWN. */
WARN_UNUSED enum err op_promote(const struct op_call *c, unsigned args, enum dtype *out);
/* ERR when a dtype is not among `accepted` (op_dtypes). */
WARN_UNUSED enum err op_check_dtype(const struct op_call *c, int arg, enum dtype dtype,
                                    unsigned accepted);
/* ERR_USAGE: "aten::add.Tensor: argument 'other': <text>". */
#define OP_FAIL(c, i, ...) return op_fail((c), (i), __VA_ARGS__)
enum err op_fail(const struct op_call *c, int arg, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* A dimension from -n to n - 1 (n 0 counts as 1) made non-negative. */
WARN_UNUSED enum err op_dim(const struct op_call *c, int arg, int64_t dim, int n_dims, int *out);
/* A dense result number r. */
void op_result(struct op_call *c, int r, enum dtype dtype, const struct view_shape *shape);
/* No result number r in this call: None, as PyTorch's output_mask asks for. The body does not
 * store to it. */
void op_absent(struct op_call *c, int r);
/* VIEW: c->view for n results of argument `arg`, to be filled; NULL when out of memory. */
struct view *op_views(struct op_call *c, int arg, int n);
/* c->member for n results, to be filled; NULL when out of memory. */
struct op_member *op_members(struct op_call *c, int n);
/* The written argument `arg` may be written through these views: no two of its indices share an
 * element, and no
 * other tensor argument overlaps it unless it is the very same elements. */
WARN_UNUSED enum err op_check_written(const struct op_call *c, int arg);

/* ---- for back ends ---- */
/* Computes a call whose results are made: by its nest or its run function. */
WARN_UNUSED enum err op_compute(struct op_call *c);

/* ---- for run functions ---- */
/* A loop nest on behalf of a call that takes more than one: arrays are tensors, read ones first.
 * It runs on the call's
 * back end as part of the call. Names of arrays and scalars are those of the body. */
struct op_nest {
    const char *body;
    enum dtype compute;           /* DTYPE_NONE: the call's */
    const struct nest_plan *plan; /* one lie per array, in this order */
    struct plumb_tensor *tensor[NEST_ARRAYS];
    const char *name[NEST_ARRAYS];
    int n_read, n_written;
    const char *param[NEST_PARAMS];
    struct op_value value[NEST_PARAMS]; /* INT, BOOL, REAL, SCALAR */
    int n_params;
    bool serial;
};
WARN_UNUSED enum err op_nest_run(struct op_call *c, const struct op_nest *n);
/* Forgets which nests the calling thread has met; for one that ends. */
void op_nest_thread_end(void);
/* A tensor for use within the call, freed with the frame. */
WARN_UNUSED enum err op_scratch(struct op_call *c, enum dtype dtype, const struct view_shape *shape,
                                struct plumb_tensor **out);
/* Where the first element of a tensor lies; NULL on a back end that does not compute. */
void *op_data(const struct plumb_tensor *t);
/* COMPOSITE: the call's result; NULL forwards the error of the operator that gave it. */
WARN_UNUSED enum err op_give(struct op_call *c, int r, struct plumb_tensor *t);

/* ---- for gradient rules ---- */
int op_slot(const struct op_call *c, int arg); /* slot of a tensor argument, or of a list's first */
bool op_needs_grad(const struct op_call *c, int slot);

#endif
