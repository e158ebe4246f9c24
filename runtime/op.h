/* op.h - operators: the rows of ops.def, and a call on its way through the dispatcher.
 *
 *   op_call_begin ─ arguments ─► op_dispatch
 *      check arguments against the schema
 *      shape(c)      results' dtypes and shapes, plan of the loop nest; every bad input is found here
 *      hooks before, record, digests before of what is written
 *      allocate results, backend->run(c)
 *      digests after, record, hooks after, tape
 *
 * Schema text is ATen's: "aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor". "Tensor(a!) self" is
 * written by the operator, "-> Tensor(a!)" gives it back; "Tensor(a)" results are views. `Tensor?` may be absent, `Tensor[]` is a
 * list. int, int[], float, Scalar, bool, ScalarType, str are the others.
 */
#ifndef RUNTIME_OP_H
#define RUNTIME_OP_H

#include "kernels/oracle.h"
#include "runtime/nest.h"
#include "runtime/tensor.h"
#include "store/base/arena.h"

enum { OP_ARGS = 16, OP_RESULTS = 8 };

enum op_kind { OP_NONE, OP_TENSOR, OP_TENSORS, OP_INT, OP_INTS, OP_SCALAR, OP_REAL, OP_BOOL, OP_DTYPE, OP_TEXT };
struct op_value {
    enum op_kind kind; /* NONE: absent */
    bool is_int;       /* of a SCALAR: i holds it */
    struct plumb_tensor *t;
    struct plumb_tensor *const *ts;
    const int64_t *is;
    int n; /* of ts or is */
    int64_t i; /* INT, BOOL, DTYPE */
    double r;  /* REAL, SCALAR (also when is_int) */
    const char *s;
};
struct op_param {
    const char *name;
    enum op_kind kind;
    bool optional;     /* written with "?" */
    bool keyword;      /* after "*" */
    bool written;      /* "(a!)" */
    bool has_default;
    struct op_value value; /* the default */
};

enum op_class {
    OP_VIEW,      /* results are views; nothing runs */
    OP_NEST,      /* one loop nest from `body` */
    OP_OPAQUE,    /* a kernel of a provider (kernels/), through backend->opaque */
    OP_COMPOSITE, /* calls other operators; is not itself logged, as in PyTorch */
};

/* How the compute dtype and the results' dtypes follow from the arguments (op_types.c). */
enum op_types {
    OP_T_SAME,       /* all tensors have one dtype, which is the results' */
    OP_T_PROMOTE,    /* torch.result_type of all tensors and numbers */
    OP_T_FLOAT,      /* the same; integers and b8 become f32 */
    OP_T_COMPARE,    /* computed as PROMOTE, the result is b8 */
    OP_T_SUM,        /* integers and b8 become i64 */
    OP_T_INDEX,      /* computed in the argument's dtype, the result is i64 */
    OP_T_BOOL,       /* computed in the argument's dtype, the result is b8 */
    OP_T_OWN,        /* shape(c) sets c->compute and the results' dtypes */
};
/* What dtypes a row takes: bits for kinds of dtypes. */
enum op_dtypes { OP_F = 1, OP_I = 2, OP_B = 4, OP_C = 8, OP_F8 = 16, OP_U = 32 /* u16 u32 u64 */ };

enum op_flags {
    OP_RANDOM = 1,    /* takes a stream number of the generator */
    OP_NO_VALUES = 2, /* results are uninitialised: not digested */
    OP_SERIAL = 4,    /* the nest is run by one thread, in logical order */
    OP_NOT_EXACT = 8, /* refused at determinism exact */
    OP_MOVES = 16,    /* movement: keeps bits, NaN payloads too */
};

struct op_call;
struct op {
    const char *id;     /* add_Tensor: the C name */
    const char *schema; /* text */
    enum op_class class;
    enum op_types types;
    unsigned dtypes; /* op_dtypes of the tensors that set the compute dtype */
    enum err (*shape)(struct op_call *c);
    const char *body; /* of OP_NEST; language: nest.h */
    enum err (*run)(struct op_call *c); /* OPAQUE (on the CPU) and COMPOSITE; else NULL */
    oracle_fn *oracle;                  /* NULL for VIEW and COMPOSITE */
    /* Calls operators that give the gradients of the arguments: for each tensor argument i that needs one sets
     * grad[i] (of a list: not differentiable). NULL: not differentiable. */
    enum err (*grad)(struct op_call *c, struct plumb_tensor *const *result_grad, struct plumb_tensor **grad);
    double tolerance; /* units of oracle.h */
    unsigned flags;

    /* from the schema text, made once (op_table) */
    char name[64];      /* aten::add.Tensor; a "default" overload has none */
    struct op_param param[OP_ARGS];
    int n_params, n_results;
    bool result_is_arg[OP_RESULTS]; /* "(a!)" */
    int result_arg[OP_RESULTS];     /* which argument then */
};

struct op_call {
    const struct op *op;
    struct op_value arg[OP_ARGS]; /* as many as op->n_params, defaults filled in */
    struct plumb_tensor *result[OP_RESULTS];
    int n_results;
    struct session *session;
    struct arena *arena; /* of this call */

    /* set by op->types and op->shape */
    enum dtype compute;                    /* the dtype all is computed in */
    struct view_shape shape[OP_RESULTS];   /* of results that are to be allocated */
    enum dtype dtype[OP_RESULTS];
    struct view view[OP_RESULTS];          /* VIEW: of argument view_of */
    int view_of;
    struct nest_plan plan; /* NEST: how arrays lie along the loops (nest.h) */
    uint64_t stream;       /* OP_RANDOM: number of this call in the generator */
};

/* All operators; index is enum op_id of ops.h. The table is made on first use; ERR only for a bug in a row. */
WARN_UNUSED enum err op_table(const struct op **table, int *n);
/* By name, with or without "aten::" and overload; NULL when there is none. */
const struct op *op_find(const char *name);

/* Runs a call: arguments in the order of the schema, missing ones at the end or of kind NONE take their defaults.
 * result[] gets op->n_results tensors of the thread's frame (or the arguments themselves). An error names the operator, the
 * argument, what it was and what is accepted. */
WARN_UNUSED enum err op_run(const struct op *op, const struct op_value *arg, int n_args, struct plumb_tensor **result);

/* ---- for shape functions ---- */
/* ERR_USAGE: "aten::add.Tensor: argument 'other': <text>". */
#define OP_FAIL(c, i, ...) return op_fail((c), (i), __VA_ARGS__)
enum err op_fail(const struct op_call *c, int arg, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* A dimension from -n to n - 1 (n 0 counts as 1) made non-negative. */
WARN_UNUSED enum err op_dim(const struct op_call *c, int arg, int64_t dim, int n_dims, int *out);
/* A dense result number r. */
void op_result(struct op_call *c, int r, enum dtype dtype, const struct view_shape *shape);

#endif
