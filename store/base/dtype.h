/* dtype.h - the table of element types, promotion between them, and casts of arrays.
 *
 * Casts are exact where the target holds the value, else
 *   to a floating dtype    nearest, ties to even; 16-bit and float8 targets round through f32, as
 *                          PyTorch does (f64 and wide integers round twice); overflow as in half.h;
 *                          NaN becomes the positive quiet one without payload (float8 keeps a sign)
 *   float to integer       towards zero, then to the nearest end of the range; NaN becomes 0
 *   integer to integer     modulo 2^bits
 *   to b8                  0 and -0 are false, all else, NaN too, is true
 *   complex to real        the imaginary part is dropped; to b8 either part counts
 * A cast to the same dtype keeps every bit. docs/decisions/0014 tells why.
 *
 * Threads: pure functions. The rounding mode must be the default one.
 */
#ifndef STORE_BASE_DTYPE_H
#define STORE_BASE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"
#include "store/base/span.h"

/* constant, code (it enters digests: never to change), name, PyTorch's name, bytes, kind */
#define DTYPES(X)                                                                                  \
    X(F64, 1, "f64", "float64", 8, FLOAT)                                                          \
    X(F32, 2, "f32", "float32", 4, FLOAT)                                                          \
    X(F16, 3, "f16", "float16", 2, FLOAT)                                                          \
    X(BF16, 4, "bf16", "bfloat16", 2, FLOAT)                                                       \
    X(F8E4M3FN, 5, "f8e4m3fn", "float8_e4m3fn", 1, FLOAT8)                                         \
    X(F8E5M2, 6, "f8e5m2", "float8_e5m2", 1, FLOAT8)                                               \
    X(C64, 7, "c64", "complex64", 8, COMPLEX)                                                      \
    X(C128, 8, "c128", "complex128", 16, COMPLEX)                                                  \
    X(I8, 9, "i8", "int8", 1, SIGNED)                                                              \
    X(I16, 10, "i16", "int16", 2, SIGNED)                                                          \
    X(I32, 11, "i32", "int32", 4, SIGNED)                                                          \
    X(I64, 12, "i64", "int64", 8, SIGNED)                                                          \
    X(U8, 13, "u8", "uint8", 1, UNSIGNED)                                                          \
    X(U16, 14, "u16", "uint16", 2, UNSIGNED)                                                       \
    X(U32, 15, "u32", "uint32", 4, UNSIGNED)                                                       \
    X(U64, 16, "u64", "uint64", 8, UNSIGNED)                                                       \
    X(B8, 17, "b8", "bool", 1, BOOL)

enum dtype {
    DTYPE_NONE = 0, /* no dtype: a category without operands in dtype_result */
#define X(id, code, name, torch, size, kind) DTYPE_##id = code,
    DTYPES(X)
#undef X
        DTYPE_END
};
/* In the order of promotion: a later kind wins over an earlier one. */
enum dtype_kind {
    DTYPE_BOOL,
    DTYPE_UNSIGNED,
    DTYPE_SIGNED,
    DTYPE_FLOAT8,
    DTYPE_FLOAT,
    DTYPE_COMPLEX
};

/* Of a dtype other than NONE. Strings are static. */
const char *dtype_name(enum dtype t);       /* "bf16" */
const char *dtype_torch_name(enum dtype t); /* "bfloat16" */
size_t dtype_size(enum dtype t);            /* bytes of one element */
enum dtype_kind dtype_kind(enum dtype t);
bool dtype_is_integer(enum dtype t); /* b8 is not one */

/* By our name or PyTorch's, with or without "torch.". ERR_NOT_FOUND lists what there is. */
WARN_UNUSED enum err dtype_find(struct span name, enum dtype *out);

/* torch.promote_types. ERR_UNSUPPORTED names both where PyTorch refuses: float8 with anything else,
 * u16 u32 u64 with other integers, b8 or complex. */
WARN_UNUSED enum err dtype_promote(enum dtype a, enum dtype b, enum dtype *out);

/* What takes part in one operator: for each category the promotion of its members, or NONE. */
struct dtype_mix {
    enum dtype tensor; /* tensors of at least one dimension */
    enum dtype zero;   /* tensors of no dimension */
    enum dtype number; /* plain numbers: B8, I64, F32 or C64 */
};
/* torch.result_type. A lower category counts only where its kind is higher. ERR_UNSUPPORTED also
 * for f16 with a complex number, whose complex32 is not among our dtypes. */
WARN_UNUSED enum err dtype_result(const struct dtype_mix *mix, enum dtype *out);

/* torch.can_cast: whether an operator's result may be stored so (complex to real, float to integer
 * and anything to b8 may not). dtype_cast does them all. */
bool dtype_can_cast(enum dtype from, enum dtype to);

/* Casts `n` elements; the arrays do not overlap and need no alignment. */
void dtype_cast(enum dtype from, const void *src, enum dtype to, void *dst, size_t n);

/* `n` elements as doubles, a complex one as two; 64-bit integers are rounded, the rest is exact. A
 * NaN keeps its payload and becomes quiet; the bits of f64 and c128 are taken as they are. */
void dtype_load_f64(enum dtype t, const void *src, size_t n, double *out);
/* `n` elements of an integer dtype or b8, widened to 64 bits (u64 keeps its bits). */
void dtype_load_i64(enum dtype t, const void *src, size_t n, int64_t *out);

#endif
