/* op_types.c - which dtype a call computes in: PyTorch's promotion, and what each row takes. */
#include "runtime/op.h"

#include <stdio.h>

/* Of one category so far; NONE is neutral. */
static enum err mix(enum dtype *into, enum dtype t)
{
    if (*into == DTYPE_NONE) *into = t;
    else if (*into != t) TRY(dtype_promote(*into, t, into));
    return ERR_OK;
}

static enum err mix_tensor(struct dtype_mix *m, const struct plumb_tensor *t)
{
    if (!t) return ERR_OK;
    return mix(t->view.shape.n ? &m->tensor : &m->zero, t->view.dtype);
}

static enum err mix_value(struct dtype_mix *m, const struct op_value *v)
{
    switch (v->kind) {
    case OP_TENSOR: return mix_tensor(m, v->t);
    case OP_TENSORS:
        for (int i = 0; i < v->n; i++) TRY(mix_tensor(m, v->ts[i]));
        return ERR_OK;
    case OP_SCALAR: return mix(&m->number, v->is_int ? DTYPE_I64 : DTYPE_F32);
    default: return ERR_OK;
    }
}

enum err op_promote(const struct op_call *c, unsigned args, enum dtype *out)
{
    struct dtype_mix m = {0};
    enum err err = ERR_OK;
    for (int i = 0; i < c->op->s.n_params && !err; i++)
        if (args & 1u << i) err = mix_value(&m, &c->arg[i]);
    if (!err) err = dtype_result(&m, out);
    return err ? err_wrap(err, "%s: ", c->op->s.name) : ERR_OK;
}

/* A factor that has a default (alpha, value) takes no part. */
static unsigned that_promote(const struct op_call *c)
{
    unsigned args = 0;
    for (int i = 0; i < c->op->s.n_params; i++) {
        const struct op_param *p = &c->op->s.param[i];
        if (p->kind != OP_SCALAR || p->optional || !p->has_default) args |= 1u << i;
    }
    return args;
}

static unsigned bit_of(enum dtype t)
{
    switch (dtype_kind(t)) {
    case DTYPE_BOOL: return OP_B;
    case DTYPE_UNSIGNED: return t == DTYPE_U8 ? OP_I : OP_U;
    case DTYPE_SIGNED: return OP_I;
    case DTYPE_FLOAT8: return OP_F8;
    case DTYPE_FLOAT: return OP_F;
    default: return OP_C;
    }
}

enum err op_check_dtype(const struct op_call *c, int arg, enum dtype dtype, unsigned accepted)
{
    static const struct {
        unsigned bit;
        const char *text;
    } names[] = {{OP_F, "f64 f32 f16 bf16 "},  {OP_F8, "f8e4m3fn f8e5m2 "}, {OP_C, "c64 c128 "},
                 {OP_I, "i8 i16 i32 i64 u8 "}, {OP_U, "u16 u32 u64 "},      {OP_B, "b8 "}};
    char text[96];
    int n = 0;
    if (accepted & bit_of(dtype)) return ERR_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (accepted & names[i].bit)
            n += snprintf(text + n, sizeof text - (size_t)n, "%s", names[i].text);
    if (n) text[n - 1] = 0;
    return op_fail(c, arg, "dtype %s is not accepted; %s are", dtype_name(dtype),
                   n ? text : "none");
}

static enum err same(struct op_call *c)
{
    const struct plumb_tensor *first = NULL;
    for (int i = 0; i < c->op->s.n_params; i++) {
        const struct op_value *v = &c->arg[i];
        int n = v->kind == OP_TENSORS ? v->n : v->kind == OP_TENSOR;
        for (int k = 0; k < n; k++) {
            const struct plumb_tensor *t = v->kind == OP_TENSOR ? v->t : v->ts[k];
            if (!t) continue;
            if (!first) first = t;
            if (t->view.dtype != first->view.dtype)
                return op_fail(c, i, "dtype %s differs from the others, which are %s",
                               dtype_name(t->view.dtype), dtype_name(first->view.dtype));
        }
    }
    if (!first) FAIL(ERR_USAGE, "%s: a tensor is needed", c->op->s.name);
    c->compute = first->view.dtype;
    return ERR_OK;
}

static int first_tensor(const struct op_call *c)
{
    int i = 0;
    while (i < c->op->s.n_params && c->arg[i].kind != OP_TENSOR && c->arg[i].kind != OP_TENSORS)
        i++;
    return i < c->op->s.n_params ? i : 0;
}

enum err op_types_resolve(struct op_call *c)
{
    enum op_types rule = c->op->types;
    enum dtype r;
    if (rule == OP_T_OWN) return ERR_OK;
    bool promotes = rule == OP_T_PROMOTE || rule == OP_T_FLOAT || rule == OP_T_COMPARE;
    if (promotes) TRY(op_promote(c, that_promote(c), &c->compute));
    else TRY(same(c));
    TRY(op_check_dtype(c, first_tensor(c), c->compute, c->op->dtypes));
    bool discrete = dtype_is_integer(c->compute) || c->compute == DTYPE_B8;
    if (rule == OP_T_FLOAT && discrete) c->compute = DTYPE_F32;
    if (rule == OP_T_SUM && discrete) c->compute = DTYPE_I64;
    r = c->compute;
    if (rule == OP_T_COMPARE || rule == OP_T_BOOL) r = DTYPE_B8;
    if (rule == OP_T_INDEX) r = DTYPE_I64;
    for (int i = 0; i < OP_RESULTS; i++) c->dtype[i] = r;
    return ERR_OK;
}
