/* gemm_avx2.c - products of packed blocks with AVX2 and FMA: 16 registers of 8 f32.
 *
 * 6 x 2 vectors: 12 accumulators, 2 of B, 1 of A. Complex, 6 x 1: 12, 2 and 2.
 */
#include "kernels/gemm_kernel.h"

#ifdef __x86_64__
#include <immintrin.h>

#define TARGET  __attribute__((target("avx2,fma")))
#define ROWS    6
#define VECTORS 2
#define C_ROWS  6
#define FEW_K   4

#define NAME(x) x##_f32
#define REAL    float
#define VECTOR  __m256
#define WIDTH   8
#define LOAD    _mm256_loadu_ps
#define STORE   _mm256_storeu_ps
#define SET     _mm256_set1_ps
#define FMA     _mm256_fmadd_ps
#define FNMA    _mm256_fnmadd_ps
#include "kernels/gemm_micro.h"

#define NAME(x) x##_f64
#define REAL    double
#define VECTOR  __m256d
#define WIDTH   4
#define LOAD    _mm256_loadu_pd
#define STORE   _mm256_storeu_pd
#define SET     _mm256_set1_pd
#define FMA     _mm256_fmadd_pd
#define FNMA    _mm256_fnmadd_pd
#include "kernels/gemm_micro.h"

const struct gemm_kernel gemm_avx2[GEMM_N_ACCS] = GEMM_KERNELS;
#endif
