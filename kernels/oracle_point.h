/* oracle_point.h - oracles of operators whose results' elements come from one element of each
 * argument.
 *
 * A point holds the arguments of one element, by their place in the schema, as a kernel sees them:
 * in the type that the compute dtype stands for (f32 for f32 and all below). A function sets the
 * result for one kind of compute dtype; what it may still be wrong by goes to `mag` (oracle.h).
 */
#ifndef KERNELS_ORACLE_POINT_H
#define KERNELS_ORACLE_POINT_H

#include <complex.h>
#include <math.h>
#undef complex /* names a kind of dtype here */

#include "kernels/oracle.h"

enum { POINT_ARGS = 10 };
struct point {
    const struct oracle_call *c;
    enum dtype compute;                 /* oracle_call.compute */
    enum dtype to;                      /* of the result */
    int64_t at;                         /* logical index of the element */
    long double x[POINT_ARGS];          /* of floating dtypes; complex: the real part */
    long double _Complex z[POINT_ARGS]; /* of complex ones */
    int64_t i[POINT_ARGS];              /* of integers and b8; u64: its bits */
    long double y;                      /* result of floating functions, and of all to b8 */
    long double _Complex w;             /* of complex ones with complex results */
    int64_t whole;                      /* of integer ones; cut to the result's dtype */
    long double mag;                    /* -1: |result| */
};
typedef void point_fn(struct point *p);
/* One function per kind of compute dtype; NULL where the operator does not take it. */
struct point_functions {
    point_fn *real, *integer, *complex;
};
/* Fills result r. */
void oracle_points(struct oracle_call *c, int r, const struct point_functions *f);
/* The type that arguments enter in, as a dtype: F32, F64, C64, C128, I64, U64 or B8. */
enum dtype oracle_entry(enum dtype compute);
/* Cut to what an integer dtype holds, modulo 2^bits; b8: whether it is not 0. */
long double oracle_cut(enum dtype dtype, int64_t i);
/* Total order: a NaN wins in both, and -0 is less than +0. */
long double oracle_larger(long double a, long double b);
long double oracle_smaller(long double a, long double b);

/* REAL(name, ...): the body of a function of real numbers x[0], x[1], ...; INTEGER of integers i[],
 * COMPLEX of complex numbers z[]. */
#define REAL(name, ...)                                                                            \
    static void name##_real(struct point *p)                                                       \
    {                                                                                              \
        const long double *x = p->x;                                                               \
        (void)x;                                                                                   \
        __VA_ARGS__;                                                                               \
    }
#define INTEGER(name, ...)                                                                         \
    static void name##_integer(struct point *p)                                                    \
    {                                                                                              \
        const int64_t *i = p->i;                                                                   \
        (void)i;                                                                                   \
        __VA_ARGS__;                                                                               \
    }
#define COMPLEX(name, ...)                                                                         \
    static void name##_complex(struct point *p)                                                    \
    {                                                                                              \
        const long double _Complex *z = p->z;                                                      \
        (void)z;                                                                                   \
        __VA_ARGS__;                                                                               \
    }
#define ORACLE(id, ...)                                                                            \
    oracle_fn oracle_##id;                                                                         \
    void oracle_##id(struct oracle_call *c)                                                        \
    {                                                                                              \
        static const struct point_functions f = {__VA_ARGS__};                                     \
        oracle_points(c, 0, &f);                                                                   \
    }
/* Which kinds a name has functions for. */
#define ORACLE_F(id, name)   ORACLE(id, name##_real, NULL, NULL)
#define ORACLE_C(id, name)   ORACLE(id, NULL, NULL, name##_complex)
#define ORACLE_FC(id, name)  ORACLE(id, name##_real, NULL, name##_complex)
#define ORACLE_FI(id, name)  ORACLE(id, name##_real, name##_integer, NULL)
#define ORACLE_FIC(id, name) ORACLE(id, name##_real, name##_integer, name##_complex)

#endif
