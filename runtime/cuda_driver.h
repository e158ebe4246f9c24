/* cuda_driver.h - NVIDIA's driver (libcuda.so.1) by dlopen: the functions that plumb calls, with
 * prototypes of its own, so that it builds and starts where there is no driver. They are compared
 * with cuda.h when that is there at build time (Makefile).
 *
 * One device (number 0, or PLUMB_CUDA_DEVICE), its primary context, the default stream.
 */
#ifndef RUNTIME_CUDA_DRIVER_H
#define RUNTIME_CUDA_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"

typedef unsigned long long cuda_pointer; /* CUdeviceptr */
typedef struct CUctx_st *cuda_context;
typedef struct CUmod_st *cuda_module;
typedef struct CUfunc_st *cuda_function;
typedef struct CUstream_st *cuda_stream;
typedef struct CUevent_st *cuda_event;

/* CUdevice_attribute and CUfunction_attribute */
enum { CUDA_MAJOR = 75, CUDA_MINOR = 76 };

/* Name here, symbol with the version that cuda.h gives it, arguments; all return CUresult. */
#define CUDA_FUNCTIONS(X)                                                                          \
    X(init, cuInit, (unsigned))                                                                    \
    X(version, cuDriverGetVersion, (int *))                                                        \
    X(device_count, cuDeviceGetCount, (int *))                                                     \
    X(device_get, cuDeviceGet, (int *, int))                                                       \
    X(device_name, cuDeviceGetName, (char *, int, int))                                            \
    X(device_attribute, cuDeviceGetAttribute, (int *, unsigned, int))                              \
    X(context_retain, cuDevicePrimaryCtxRetain, (cuda_context *, int))                             \
    X(context_set, cuCtxSetCurrent, (cuda_context))                                                \
    X(context_sync, cuCtxSynchronize, (void))                                                      \
    X(alloc, cuMemAlloc_v2, (cuda_pointer *, size_t))                                              \
    X(free, cuMemFree_v2, (cuda_pointer))                                                          \
    X(to_device, cuMemcpyHtoD_v2, (cuda_pointer, const void *, size_t))                            \
    X(to_host, cuMemcpyDtoH_v2, (void *, cuda_pointer, size_t))                                    \
    X(module_load, cuModuleLoadData, (cuda_module *, const void *))                                \
    X(module_unload, cuModuleUnload, (cuda_module))                                                \
    X(module_function, cuModuleGetFunction, (cuda_function *, cuda_module, const char *))          \
    X(launch, cuLaunchKernel,                                                                      \
      (cuda_function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,        \
       cuda_stream, void **, void **))                                                             \
    X(event_create, cuEventCreate, (cuda_event *, unsigned))                                       \
    X(event_record, cuEventRecord, (cuda_event, cuda_stream))                                      \
    X(event_sync, cuEventSynchronize, (cuda_event))                                                \
    X(event_elapsed, cuEventElapsedTime, (float *, cuda_event, cuda_event))                        \
    X(event_destroy, cuEventDestroy_v2, (cuda_event))                                              \
    X(error_name, cuGetErrorName, (unsigned, const char **))                                       \
    X(error_text, cuGetErrorString, (unsigned, const char **))

struct cuda_driver {
#define X(name, symbol, args) int(*name) args;
    CUDA_FUNCTIONS(X)
#undef X
    cuda_context context;
    char device[128]; /* "NVIDIA H100 80GB HBM3" */
    char arch[16];    /* "sm_90" */
    char cuda[16];    /* the newest CUDA that the driver knows, "13.0" */
};
/* Opens the driver and the device once, and makes its context current in this thread. Borrowed,
 * static. ERR_UNSUPPORTED: there is none, or this process was forked from one that had it open; the
 * sentence says what is missing. */
WARN_UNUSED enum err cuda_open(const struct cuda_driver **out);
/* ERR_IO with the driver's words for what it answered to `what`; 0 is ERR_OK, 2 ERR_NOMEM. */
WARN_UNUSED enum err cuda_check(int answer, const char *what);

#endif
