/* nest_fn.h - the functions that a node CALL names: kernels/scalar.def, and arithmetic.
 *
 * Arithmetic and comparison have rows here, for languages write most of them as operators.
 */
#ifndef RUNTIME_NEST_FN_H
#define RUNTIME_NEST_FN_H

#include "runtime/nest.h"

/* name, arguments, types, result, exact: as in scalar.def */
#define NEST_ARITHMETIC(X)                                                                         \
    X(add, 2, "fibc", '=', 1)                                                                      \
    X(sub, 2, "fic", '=', 1)                                                                       \
    X(mul, 2, "fibc", '=', 1)                                                                      \
    X(div, 2, "fic", '=', 1)                                                                       \
    X(neg, 1, "fic", '=', 1)                                                                       \
    X(lt, 2, "fib", 'b', 1)                                                                        \
    X(le, 2, "fib", 'b', 1)                                                                        \
    X(gt, 2, "fib", 'b', 1)                                                                        \
    X(ge, 2, "fib", 'b', 1)                                                                        \
    X(eq, 2, "fibc", 'b', 1)                                                                       \
    X(ne, 2, "fibc", 'b', 1)

enum nest_fn {
#define SCALAR(name, n, types, result, exact) NEST_FN_##name,
#include "kernels/scalar.def"
    NEST_ARITHMETIC(SCALAR)
#undef SCALAR
        NEST_FNS
};
enum { NEST_TYPES = NEST_C128 + 1 };

struct nest_fn_row {
    const char *name, *types;
    int n_args;
    char result;
    int exact;
};
const struct nest_fn_row *nest_fn_row(int fn);
/* -1 when there is none of that name. */
int nest_fn_find(const char *name);
/* Whether `fn` takes arguments of `type` (of `where`: the second and third); *out is the result. */
bool nest_fn_type(int fn, enum nest_type type, enum nest_type *out);
bool nest_fn_is_exact(int fn, enum nest_type type);

const char *nest_type_name(enum nest_type type); /* "f32" */
/* The dtype that holds a value of the type as it is. */
enum dtype nest_type_dtype(enum nest_type type);

#endif
