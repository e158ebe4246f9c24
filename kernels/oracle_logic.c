/* oracle_logic.c - oracles of comparisons, logic, bits, questions and choices: all exact. */
#include "kernels/oracle_point.h"

/* ---- comparison ---- */

static bool is_u64(const struct point *p)
{
    return p->compute == DTYPE_U64;
}
#define COMPARISON(id, op)                                                                         \
    REAL(id, p->y = x[0] op x[1])                                                                  \
    INTEGER(id, p->whole = is_u64(p) ? (uint64_t)i[0] op(uint64_t) i[1] : i[0] op i[1])            \
    ORACLE_FI(id##_Tensor, id)                                                                     \
    ORACLE_FI(id##_Scalar, id)
#define EQUALITY(id, op)                                                                           \
    REAL(id, p->y = x[0] op x[1])                                                                  \
    INTEGER(id, p->whole = i[0] op i[1])                                                           \
    COMPLEX(id, p->y = z[0] op z[1])                                                               \
    ORACLE_FIC(id##_Tensor, id)                                                                    \
    ORACLE_FIC(id##_Scalar, id)
EQUALITY(eq, ==)
EQUALITY(ne, !=)
COMPARISON(lt, <)
COMPARISON(le, <=)
COMPARISON(gt, >)
COMPARISON(ge, >=)

/* ---- logic and bits ---- */

#define LOGIC(id, op)                                                                              \
    REAL(id, p->y = (x[0] != 0) op(x[1] != 0))                                                     \
    INTEGER(id, p->whole = (i[0] != 0) op(i[1] != 0))                                              \
    COMPLEX(id, p->y = (z[0] != 0) op(z[1] != 0))                                                  \
    ORACLE_FIC(id, id)
LOGIC(logical_and, &&)
LOGIC(logical_or, ||)
LOGIC(logical_xor, !=)
REAL(logical_not, p->y = x[0] == 0)
INTEGER(logical_not, p->whole = i[0] == 0)
COMPLEX(logical_not, p->y = z[0] == 0)
ORACLE_FIC(logical_not, logical_not)

#define BITS(id, op)                                                                               \
    INTEGER(id, p->whole = i[0] op i[1])                                                           \
    ORACLE(id##_Tensor, NULL, id##_integer, NULL)                                                  \
    ORACLE(id##_Scalar, NULL, id##_integer, NULL)
BITS(bitwise_and, &)
BITS(bitwise_or, |)
BITS(bitwise_xor, ^)
INTEGER(bitwise_not, p->whole = p->compute == DTYPE_B8 ? !i[0] : ~i[0])
ORACLE(bitwise_not, NULL, bitwise_not_integer, NULL)

/* Every bit is moved out by 64 and more, and by less than none. */
static bool beyond(const struct point *p)
{
    return p->i[1] < 0 || p->i[1] > 63;
}
INTEGER(left_shift, p->whole = beyond(p) ? 0 : (int64_t)((uint64_t)i[0] << i[1]))
INTEGER(right_shift, p->whole = is_u64(p) ? beyond(p) ? 0 : (int64_t)((uint64_t)i[0] >> i[1])
                                          : i[0] >> (beyond(p) ? 63 : i[1]))
ORACLE(bitwise_left_shift_Tensor, NULL, left_shift_integer, NULL)
ORACLE(bitwise_right_shift_Tensor, NULL, right_shift_integer, NULL)

/* ---- questions ---- */

static bool isnan_z(long double _Complex z)
{
    return isnan(creall(z)) || isnan(cimagl(z));
}
static bool isinf_z(long double _Complex z)
{
    return isinf(creall(z)) || isinf(cimagl(z));
}
static bool isfinite_z(long double _Complex z)
{
    return isfinite(creall(z)) && isfinite(cimagl(z));
}
#define QUESTION(id, of_integers)                                                                  \
    REAL(id, p->y = id(x[0]) != 0)                                                                 \
    INTEGER(id, p->whole = of_integers)                                                            \
    COMPLEX(id, p->y = id##_z(z[0]))                                                               \
    ORACLE_FIC(id, id)
QUESTION(isnan, 0)
QUESTION(isinf, 0)
QUESTION(isfinite, 1)

/* ---- choices ---- */

static bool condition(const struct point *p, int k)
{
    return p->i[k] || p->x[k] != 0;
}
#define CHOICE(name, mask, yes, no)                                                                \
    REAL(name, p->y = condition(p, mask) ? x[yes] : x[no])                                         \
    INTEGER(name, p->whole = condition(p, mask) ? i[yes] : i[no])                                  \
    COMPLEX(name, p->w = condition(p, mask) ? z[yes] : z[no])
CHOICE(where, 0, 1, 2)
CHOICE(masked_fill, 1, 2, 0)
ORACLE_FIC(where_self, where)
ORACLE_FIC(where_ScalarOther, where)
ORACLE_FIC(where_ScalarSelf, where)
ORACLE_FIC(masked_fill_Scalar, masked_fill)
ORACLE_FIC(masked_fill_Tensor, masked_fill)
ORACLE_FIC(masked_fill__Scalar, masked_fill)
ORACLE_FIC(masked_fill__Tensor, masked_fill)
