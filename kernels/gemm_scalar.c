/* gemm_scalar.c - products of packed blocks without vector instructions: any processor.
 *
 * A processor without FMA gets the same bits from the library's fma, far slower.
 */
#include "kernels/gemm_kernel.h"

#define TARGET
#define ROWS                   4
#define VECTORS                4
#define C_ROWS                 4
#define FEW_K                  4
#define SCALAR_LOAD(p)         (*(p))
#define SCALAR_STORE(p, v)     (*(p) = (v))
#define SCALAR_SET(v)          (v)
#define SCALAR_FNMA32(a, b, c) __builtin_fmaf(-(a), b, c)
#define SCALAR_FNMA64(a, b, c) __builtin_fma(-(a), b, c)

#define NAME(x) x##_f32
#define REAL    float
#define VECTOR  float
#define WIDTH   1
#define LOAD    SCALAR_LOAD
#define STORE   SCALAR_STORE
#define SET     SCALAR_SET
#define FMA     __builtin_fmaf
#define FNMA    SCALAR_FNMA32
#include "kernels/gemm_micro.h"

#define NAME(x) x##_f64
#define REAL    double
#define VECTOR  double
#define WIDTH   1
#define LOAD    SCALAR_LOAD
#define STORE   SCALAR_STORE
#define SET     SCALAR_SET
#define FMA     __builtin_fma
#define FNMA    SCALAR_FNMA64
#include "kernels/gemm_micro.h"

const struct gemm_kernel gemm_scalar[GEMM_N_ACCS] = GEMM_KERNELS;
