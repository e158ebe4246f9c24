/* prelude_opencl.h - what the shared kernel texts need of OpenCL C 1.2 and later.
 *
 * The names are those of prelude_c.h. Build with -cl-fp32-correctly-rounded-divide-sqrt and no
 * other -cl option (docs/exact.md, Arithmetic); define X_F64 where the device has f64. Checked by
 * clang's front end only, on no device.
 */
#ifndef KERNELS_PRELUDE_OPENCL_H
#define KERNELS_PRELUDE_OPENCL_H

#pragma OPENCL FP_CONTRACT OFF

typedef uchar u8;
typedef char i8;
typedef ushort u16;
typedef short i16;
typedef uint u32;
typedef int i32;
typedef ulong u64;
typedef long i64;

#define X_FN           static inline
#define X_CONST        __constant
#define X_LIBM(name)   name
#define X_LIBM64(name) name

/* A work-group, one dimension. */
#define X_KERNEL      __kernel void
#define X_GLOBAL      __global
#define X_LOCAL       __local
#define X_LP          __local
#define X_LID         ((i64)get_local_id(0))
#define X_LSIZE       ((i64)get_local_size(0))
#define X_GROUP       ((i64)get_group_id(0))
#define X_BARRIER()   barrier(CLK_LOCAL_MEM_FENCE)
#define X_FIRST(flag) (atomic_cmpxchg((volatile __global int *)(flag), 0, 1) == 0)

#define x_fma   fma
#define x_sqrt  sqrt
#define x_floor floor
#define x_ceil  ceil
#define x_trunc trunc
#define x_round rint
#define x_fmod  fmod
#define x_asu   as_uint
#define x_asf   as_float
#ifdef X_F64
#define x_fma64   fma
#define x_sqrt64  sqrt
#define x_floor64 floor
#define x_ceil64  ceil
#define x_trunc64 trunc
#define x_round64 rint
#define x_fmod64  fmod
#define x_asu64   as_ulong
#define x_asf64   as_double
#endif

#endif
