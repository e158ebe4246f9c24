/* gemm_avx512.c - products of packed blocks with AVX-512: 32 registers of 16 f32.
 *
 * 14 x 2 vectors: 28 accumulators, 2 of B, 1 of A. Complex, 12 x 1: 24, 2 and 2.
 */
#include "kernels/gemm_kernel.h"

#ifdef __x86_64__
#include <immintrin.h>

#define TARGET  __attribute__((target("avx512f")))
#define ROWS    14
#define VECTORS 2
#define C_ROWS  12
#define FEW_K   4

#define NAME(x) x##_f32
#define REAL    float
#define VECTOR  __m512
#define WIDTH   16
#define LOAD    _mm512_loadu_ps
#define STORE   _mm512_storeu_ps
#define SET     _mm512_set1_ps
#define FMA     _mm512_fmadd_ps
#define FNMA    _mm512_fnmadd_ps
#include "kernels/gemm_micro.h"

#define NAME(x) x##_f64
#define REAL    double
#define VECTOR  __m512d
#define WIDTH   8
#define LOAD    _mm512_loadu_pd
#define STORE   _mm512_storeu_pd
#define SET     _mm512_set1_pd
#define FMA     _mm512_fmadd_pd
#define FNMA    _mm512_fnmadd_pd
#include "kernels/gemm_micro.h"

const struct gemm_kernel gemm_avx512[GEMM_N_ACCS] = GEMM_KERNELS;
#endif
