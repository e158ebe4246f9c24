/* nest_fn.c - the table of functions that nests call, and of the types of their values. */
#include "runtime/nest_fn.h"

#include <string.h>

static const struct nest_fn_row rows[] = {
#define SCALAR(name, n, types, result, exact) {#name, types, n, result, exact},
#include "kernels/scalar.def"
    NEST_ARITHMETIC(SCALAR)
#undef SCALAR
};

static const struct {
    const char *name;
    enum dtype dtype;
    char letter; /* in nest_fn_row.types */
} types[] = {
    [NEST_F32] = {"f32", DTYPE_F32, 'f'},    [NEST_F64] = {"f64", DTYPE_F64, 'f'},
    [NEST_I64] = {"i64", DTYPE_I64, 'i'},    [NEST_U64] = {"u64", DTYPE_U64, 'i'},
    [NEST_B] = {"b", DTYPE_B8, 'b'},         [NEST_C64] = {"c64", DTYPE_C64, 'c'},
    [NEST_C128] = {"c128", DTYPE_C128, 'c'},
};

const struct nest_fn_row *nest_fn_row(int fn)
{
    return &rows[fn];
}

int nest_fn_find(const char *name)
{
    for (int i = 0; i < NEST_FNS; i++)
        if (!strcmp(rows[i].name, name)) return i;
    return -1;
}

bool nest_fn_type(int fn, enum nest_type type, enum nest_type *out)
{
    *out = type;
    switch (rows[fn].result) {
    case 'b': *out = NEST_B; break;
    case 'i': *out = NEST_I64; break;
    case 'r': *out = type == NEST_C64 ? NEST_F32 : type == NEST_C128 ? NEST_F64 : type; break;
    default: break;
    }
    return strchr(rows[fn].types, types[type].letter);
}

bool nest_fn_is_exact(int fn, enum nest_type type)
{
    switch (rows[fn].exact) {
    case 1: return true;
    case 2: return type != NEST_F64 && type != NEST_C128;
    case 3: return type != NEST_C128;
    case 4: return type != NEST_C64 && type != NEST_C128;
    default: return false;
    }
}

const char *nest_type_name(enum nest_type type)
{
    return types[type].name;
}

enum dtype nest_type_dtype(enum nest_type type)
{
    return types[type].dtype;
}

enum nest_type nest_type_of(enum dtype dtype)
{
    switch (dtype_kind(dtype)) {
    case DTYPE_BOOL: return NEST_B;
    case DTYPE_UNSIGNED: return dtype == DTYPE_U64 ? NEST_U64 : NEST_I64;
    case DTYPE_SIGNED: return NEST_I64;
    case DTYPE_COMPLEX: return dtype == DTYPE_C64 ? NEST_C64 : NEST_C128;
    default: return dtype == DTYPE_F64 ? NEST_F64 : NEST_F32;
    }
}
