/* attention_avx2.c - tiles of attention with AVX2 and FMA. */
#include "kernels/attention_kernel.h"

#include "kernels/attention_math.h"

#ifdef __x86_64__
#define TARGET __attribute__((target("avx2,fma")))

#define NAME(x)     x##_f32
#define REAL        float
#define N           16
#define FRACTION(f) attention_fraction_f32(f)
#define POWER(d)    attention_power_f32(d)
#define LEAST       -126.0f
#define MAGIC       X_MAGIC
#define LOG         x_log
#define LN2         0x1.62e43p-1f
#define LOG2E       0x1.715476p+0f
#include "kernels/attention_tile.h"

#define NAME(x)     x##_f64
#define REAL        double
#define N           8
#define FRACTION(f) attention_fraction_f64(f)
#define POWER(d)    attention_power_f64(d)
#define LEAST       -1022.0
#define MAGIC       X_MAGIC64
#define LOG         x_log64
#define LN2         0x1.62e42fefa39efp-1
#define LOG2E       0x1.71547652b82fep+0
#include "kernels/attention_tile.h"

const struct attention_kernel attention_avx2[2] = {
    [GEMM_F32] = ATTENTION_KERNEL(f32),
    [GEMM_F64] = ATTENTION_KERNEL(f64),
};
#endif
