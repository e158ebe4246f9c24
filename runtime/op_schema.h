/* op_schema.h - the text of an operator's schema, read: names, kinds, defaults.
 *
 *   aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor
 *
 * The grammar is that of PyTorch's native function schemas, as far as rows of ops.def use it:
 * Tensor,
 * Tensor?, Tensor[], Tensor?[], Tensor(a), Tensor(a!), int, int?, int[], int[N], int[]?, SymInt
 * forms (read as int), float, float?, float[]?, Scalar, Scalar?, bool, bool?, ScalarType?, str,
 * str?;
 * Layout, Device, Generator and MemoryFormat arguments, which take None only.
 */
#ifndef RUNTIME_OP_SCHEMA_H
#define RUNTIME_OP_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/err.h"

struct plumb_tensor;

enum { OP_ARGS = 24, OP_RESULTS = 8, OP_DEFAULT_INTS = 4 };

enum op_kind {
    OP_NONE, /* absent, Python's None */
    OP_TENSOR,
    OP_TENSORS,
    OP_INT,
    OP_INTS,
    OP_SCALAR, /* an integer or a real */
    OP_REAL,
    OP_BOOL,
    OP_DTYPE,
    OP_TEXT,
};
struct op_value {
    enum op_kind kind;
    bool is_int; /* of a SCALAR: i holds it (r does too) */
    struct plumb_tensor *t;
    struct plumb_tensor *const *ts; /* of a list that allows it, NULL members are absent */
    const int64_t *is;
    int n;         /* of ts or is */
    int64_t i;     /* INT, BOOL, DTYPE */
    double r;      /* REAL, SCALAR */
    const char *s; /* TEXT */
};
struct op_param {
    char name[32];
    enum op_kind kind; /* NONE: only None may be given */
    bool optional;     /* written with "?" */
    bool keyword;      /* after "*" */
    bool written;      /* "(a!)" */
    bool truths;       /* bool[]: the integers are 0 or 1 */
    char alias;        /* letter of "(a)" or "(a!)", else 0 */
    bool has_default;
    struct op_value value; /* the default */
    int64_t ints[OP_DEFAULT_INTS];
    char text[16];
};
struct op_schema {
    char name[64]; /* aten::add.Tensor */
    struct op_param param[OP_ARGS];
    int n_params;
    int n_results;
    bool result_list;             /* "-> Tensor[]" */
    int result_arg[OP_RESULTS];   /* the written argument that a result is; -1 none */
    bool result_view[OP_RESULTS]; /* "Tensor(a)": a view of an argument */
};
/* ERR_FORMAT says what in the text is not understood, and where. */
WARN_UNUSED enum err op_schema_read(const char *text, struct op_schema *out);

#endif
