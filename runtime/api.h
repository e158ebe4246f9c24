/* api.h - what the generated functions of plumb_ops.c are made of. */
#ifndef RUNTIME_API_H
#define RUNTIME_API_H

#include "plumb.h"
#include "runtime/ops.h"

static inline struct op_value value_tensor(struct plumb_tensor *t, bool optional)
{
    return (struct op_value){.kind = t || !optional ? OP_TENSOR : OP_NONE, .t = t};
}
static inline struct op_value value_tensors(struct plumb_tensor *const *t, int n)
{
    return (struct op_value){.kind = OP_TENSORS, .ts = t, .n = n};
}
static inline struct op_value value_int(int64_t i)
{
    return (struct op_value){.kind = OP_INT, .i = i};
}
static inline struct op_value value_int_maybe(const int64_t *i)
{
    return i ? value_int(*i) : (struct op_value){0};
}
static inline struct op_value value_ints(const int64_t *i, int n, bool optional)
{
    if (!i && optional) return (struct op_value){0};
    return (struct op_value){.kind = OP_INTS, .is = i, .n = n};
}
/* A whole number counts as an integer: C has no other way to say 2 and not 2.0. */
static inline struct op_value value_scalar(double r)
{
    bool whole = r >= -0x1p53 && r <= 0x1p53 && r == (double)(int64_t)r && !(r == 0 && 1 / r < 0);
    return (struct op_value){
        .kind = OP_SCALAR, .r = r, .is_int = whole, .i = whole ? (int64_t)r : 0};
}
static inline struct op_value value_scalar_maybe(const double *r)
{
    return r ? value_scalar(*r) : (struct op_value){0};
}
static inline struct op_value value_real(double r)
{
    return (struct op_value){.kind = OP_REAL, .r = r};
}
static inline struct op_value value_real_maybe(const double *r)
{
    return r ? value_real(*r) : (struct op_value){0};
}
static inline struct op_value value_bool(bool b)
{
    return (struct op_value){.kind = OP_BOOL, .i = b};
}
static inline struct op_value value_bool_maybe(const bool *b)
{
    return b ? value_bool(*b) : (struct op_value){0};
}
static inline struct op_value value_dtype(enum dtype t)
{
    return t ? (struct op_value){.kind = OP_DTYPE, .i = t} : (struct op_value){0};
}
static inline struct op_value value_text(const char *s)
{
    return s ? (struct op_value){.kind = OP_TEXT, .s = s} : (struct op_value){0};
}

/* The only result, or NULL. */
struct plumb_tensor *api_one(const struct op *op, const struct op_value *v, int n);
/* The results into out, at most n_out; how many there are, or -1. */
int api_several(const struct op *op, const struct op_value *v, int n, struct plumb_tensor **out,
                int n_out);

#endif
