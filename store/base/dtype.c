/* dtype.c - names and sizes of element types, and PyTorch's promotion as rules over kinds. */
#include "store/base/dtype.h"

#include <stdio.h>

struct row {
    const char *name, *torch;
    size_t size;
    enum dtype_kind kind;
};
static const struct row rows[DTYPE_END] = {
#define X(id, code, name, torch, size, kind) [DTYPE_##id] = {name, torch, size, DTYPE_##kind},
    DTYPES(X)
#undef X
};

static const struct row *row_of(enum dtype t)
{
    REQUIRE("dtype:known", t > DTYPE_NONE && t < DTYPE_END);
    return &rows[t];
}

const char *dtype_name(enum dtype t)
{
    return row_of(t)->name;
}
const char *dtype_torch_name(enum dtype t)
{
    return row_of(t)->torch;
}
size_t dtype_size(enum dtype t)
{
    return row_of(t)->size;
}
enum dtype_kind dtype_kind(enum dtype t)
{
    return row_of(t)->kind;
}

bool dtype_is_integer(enum dtype t)
{
    enum dtype_kind kind = dtype_kind(t);
    return kind == DTYPE_UNSIGNED || kind == DTYPE_SIGNED;
}

#define X(id, code, name, torch, size, kind) name " "
static const char known[] = DTYPES(X);
#undef X

enum err dtype_find(struct span name, enum dtype *out)
{
    struct span bare = span_starts(name, "torch.") ? span_from(name, 6) : name;
    for (int t = DTYPE_NONE + 1; t < DTYPE_END; t++)
        if (span_is(bare, rows[t].name) || span_is(bare, rows[t].torch)) {
            *out = (enum dtype)t;
            return ERR_OK;
        }
    FAIL(ERR_NOT_FOUND, "'%.*s' is not a dtype; there are %.*s (or PyTorch's names of them)",
         (int)(name.n < 60 ? name.n : 60), name.p ? name.p : "", (int)sizeof known - 2, known);
}

/* u16, u32 and u64 came late to PyTorch and promote only with floats. */
static bool is_wide_unsigned(enum dtype t)
{
    return dtype_kind(t) == DTYPE_UNSIGNED && dtype_size(t) > 1;
}

static enum dtype promote_complex(enum dtype a, enum dtype b)
{
    bool wide = a == DTYPE_C128 || b == DTYPE_C128 || a == DTYPE_F64 || b == DTYPE_F64;
    return wide ? DTYPE_C128 : DTYPE_C64;
}
/* Of different dtypes of one kind. */
static enum dtype promote_alike(enum dtype a, enum dtype b)
{
    if (dtype_size(a) == dtype_size(b)) return DTYPE_F32; /* f16 and bf16 */
    return dtype_size(a) > dtype_size(b) ? a : b;
}

enum err dtype_promote(enum dtype a, enum dtype b, enum dtype *out)
{
    enum dtype high = dtype_kind(a) >= dtype_kind(b) ? a : b, low = high == a ? b : a;
    enum dtype_kind kind = dtype_kind(high), under = dtype_kind(low);
    *out = high;
    if (a == b) return ERR_OK;
    if (kind == DTYPE_FLOAT8 || under == DTYPE_FLOAT8)
        FAIL(ERR_UNSUPPORTED,
             "%s and %s have no common dtype: a float8 dtype promotes with itself only; cast one",
             dtype_torch_name(a), dtype_torch_name(b));
    if ((is_wide_unsigned(a) || is_wide_unsigned(b)) && kind != DTYPE_FLOAT)
        FAIL(
            ERR_UNSUPPORTED,
            "%s and %s have no common dtype: uint16, uint32 and uint64 promote with themselves and "
            "with floating dtypes only; cast one",
            dtype_torch_name(a), dtype_torch_name(b));
    if (kind == DTYPE_COMPLEX) *out = promote_complex(a, b);
    else if (kind == under) *out = promote_alike(a, b);
    else if (kind == DTYPE_SIGNED && under == DTYPE_UNSIGNED && high == DTYPE_I8)
        *out = DTYPE_I16; /* i8 and u8 */
    return ERR_OK;
}

static enum err with_complex(enum dtype t, enum dtype *out)
{
    if (t == DTYPE_F16)
        FAIL(ERR_UNSUPPORTED, "float16 with a complex number gives complex32, which is not "
                              "supported; cast to float32 or complex64 first");
    if (dtype_kind(t) == DTYPE_FLOAT8)
        FAIL(ERR_UNSUPPORTED, "%s has no complex dtype; cast to float32 or complex64 first",
             dtype_torch_name(t));
    *out = t == DTYPE_F64 ? DTYPE_C128 : DTYPE_C64;
    return ERR_OK;
}

/* The higher category decides, unless the lower one is of a higher kind. */
static enum err combine(enum dtype higher, enum dtype lower, enum dtype *out)
{
    *out = higher ? higher : lower;
    if (!higher || !lower) return ERR_OK;
    enum dtype_kind kind = dtype_kind(higher), under = dtype_kind(lower);
    if (kind == DTYPE_COMPLEX) return ERR_OK;
    if (kind >= DTYPE_FLOAT8) return under == DTYPE_COMPLEX ? with_complex(higher, out) : ERR_OK;
    if (under == DTYPE_COMPLEX) *out = lower; /* even over u16, which dtype_promote refuses */
    else if (kind == DTYPE_BOOL || under >= DTYPE_FLOAT8) return dtype_promote(higher, lower, out);
    return ERR_OK;
}

enum err dtype_result(const struct dtype_mix *mix, enum dtype *out)
{
    enum dtype low;
    TRY(combine(mix->zero, mix->number, &low));
    TRY(combine(mix->tensor, low, out));
    if (*out == DTYPE_NONE) FAIL(ERR_USAGE, "no operand has a dtype");
    return ERR_OK;
}

bool dtype_can_cast(enum dtype from, enum dtype to)
{
    enum dtype_kind a = dtype_kind(from), b = dtype_kind(to);
    if (a == DTYPE_COMPLEX && b != DTYPE_COMPLEX) return false;
    if (a >= DTYPE_FLOAT8 && b < DTYPE_FLOAT8) return false;
    return a == DTYPE_BOOL || b != DTYPE_BOOL;
}
