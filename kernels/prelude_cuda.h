/* prelude_cuda.h - what the shared kernel texts need of CUDA C (NVRTC or nvcc).
 *
 * The names are those of prelude_c.h. Build with -fmad=false -prec-div=true -prec-sqrt=true
 * -ftz=false (docs/exact.md, Arithmetic). Run on the CPU by tests (tests/unit/cuda_host.h).
 */
#ifndef KERNELS_PRELUDE_CUDA_H
#define KERNELS_PRELUDE_CUDA_H

typedef unsigned char u8;
typedef signed char i8;
typedef unsigned short u16;
typedef short i16;
typedef unsigned int u32;
typedef int i32;
typedef unsigned long long u64;
typedef long long i64;

#define X_FN           static __device__ __forceinline__
#define X_CONST        static __device__ const
#define X_F64          1
#define X_LIBM(name)   name##f
#define X_LIBM64(name) name

/* A block of threads, one dimension. */
#define X_KERNEL extern "C" __global__ void
#define X_GLOBAL
#define X_LOCAL __shared__
#define X_LP
#define X_LID         ((i64)threadIdx.x)
#define X_LSIZE       ((i64)blockDim.x)
#define X_GROUP       ((i64)blockIdx.x)
#define X_BARRIER()   __syncthreads()
#define X_FIRST(flag) (atomicCAS((int *)(flag), 0, 1) == 0)

#define x_fma     __fmaf_rn
#define x_fma64   __fma_rn
#define x_sqrt    __fsqrt_rn
#define x_sqrt64  __dsqrt_rn
#define x_floor   floorf
#define x_floor64 floor
#define x_ceil    ceilf
#define x_ceil64  ceil
#define x_trunc   truncf
#define x_trunc64 trunc
#define x_round   rintf
#define x_round64 rint
#define x_fmod    fmodf
#define x_fmod64  fmod

X_FN u32 x_asu(float v)
{
    return __float_as_uint(v);
}
X_FN float x_asf(u32 v)
{
    return __uint_as_float(v);
}
X_FN u64 x_asu64(double v)
{
    return (u64)__double_as_longlong(v);
}
X_FN double x_asf64(u64 v)
{
    return __longlong_as_double((i64)v);
}

#endif
