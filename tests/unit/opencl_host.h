/* opencl_host.h - OpenCL C on the first CPU device there is (PoCL), by dlopen; memory is shared
 * with the host, so that a pointer to anywhere in it is an argument.
 */
#ifndef TESTS_OPENCL_HOST_H
#define TESTS_OPENCL_HOST_H

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct opencl_thing *opencl_handle;
#define OPENCL_FUNCTIONS(X)                                                                        \
    X(int32_t, clGetPlatformIDs, (uint32_t, opencl_handle *, uint32_t *))                          \
    X(int32_t, clGetDeviceIDs, (opencl_handle, uint64_t, uint32_t, opencl_handle *, uint32_t *))   \
    X(int32_t, clGetDeviceInfo, (opencl_handle, uint32_t, size_t, void *, size_t *))               \
    X(opencl_handle, clCreateContext,                                                              \
      (const intptr_t *, uint32_t, const opencl_handle *, void *, void *, int32_t *))              \
    X(opencl_handle, clCreateCommandQueue, (opencl_handle, opencl_handle, uint64_t, int32_t *))    \
    X(opencl_handle, clCreateProgramWithSource,                                                    \
      (opencl_handle, uint32_t, const char **, const size_t *, int32_t *))                         \
    X(int32_t, clBuildProgram,                                                                     \
      (opencl_handle, uint32_t, const opencl_handle *, const char *, void *, void *))              \
    X(int32_t, clGetProgramBuildInfo,                                                              \
      (opencl_handle, opencl_handle, uint32_t, size_t, void *, size_t *))                          \
    X(opencl_handle, clCreateKernel, (opencl_handle, const char *, int32_t *))                     \
    X(int32_t, clReleaseKernel, (opencl_handle))                                                   \
    X(void *, clSVMAlloc, (opencl_handle, uint64_t, size_t, uint32_t))                             \
    X(int32_t, clSetKernelArgSVMPointer, (opencl_handle, uint32_t, const void *))                  \
    X(int32_t, clEnqueueNDRangeKernel,                                                             \
      (opencl_handle, opencl_handle, uint32_t, const size_t *, const size_t *, const size_t *,     \
       uint32_t, const opencl_handle *, opencl_handle *))                                          \
    X(int32_t, clFinish, (opencl_handle))

static struct opencl_host {
#define X(type, name, args) type(*name) args;
    OPENCL_FUNCTIONS(X)
#undef X
    opencl_handle device, context, queue, program;
} opencl_host;

/* NULL, or why there is none. */
static const char *opencl_host_open(void)
{
    struct opencl_host *o = &opencl_host;
    opencl_handle platform[8];
    uint32_t n = 0;
    int32_t err = 0;
    void *lib = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!lib) return "libOpenCL.so.1 is absent";
#define X(type, name, args)                                                                        \
    *(void **)&o->name = dlsym(lib, #name);                                                        \
    if (!o->name) return "libOpenCL.so.1 has no " #name;
    OPENCL_FUNCTIONS(X)
#undef X
    if (o->clGetPlatformIDs(8, platform, &n)) return "there is no platform of OpenCL";
    for (uint32_t i = 0; i < n && i < 8 && !o->device; i++)
        if (o->clGetDeviceIDs(platform[i], 2 /* CPU */, 1, &o->device, NULL)) o->device = NULL;
    if (!o->device) return "there is no CPU device of OpenCL";
    o->context = o->clCreateContext(NULL, 1, &o->device, NULL, NULL, &err);
    if (o->context) o->queue = o->clCreateCommandQueue(o->context, o->device, 0, &err);
    return o->queue ? NULL : "the CPU device of OpenCL gives no queue";
}

static void *opencl_host_alloc(size_t n)
{
    return opencl_host.clSVMAlloc(opencl_host.context, 1 /* read and write */, n, 64);
}

/* NULL, or the compiler's log. */
static const char *opencl_host_build(const char *text, const char *options)
{
    struct opencl_host *o = &opencl_host;
    static char log[4096], all[200];
    int32_t err = 0;
    o->program = o->clCreateProgramWithSource(o->context, 1, &text, NULL, &err);
    snprintf(all, sizeof all, "-w -DX_F64=1 -cl-fp32-correctly-rounded-divide-sqrt %s", options);
    if (!o->clBuildProgram(o->program, 1, &o->device, all, NULL, NULL)) return NULL;
    o->clGetProgramBuildInfo(o->program, o->device, 0x1183 /* log */, sizeof log - 1, log, NULL);
    return log;
}

/* NULL, or what failed. */
static const char *opencl_host_run(const char *name, int64_t blocks, int items, void **arg,
                                   int n_args)
{
    struct opencl_host *o = &opencl_host;
    int32_t err = 0;
    size_t local = (size_t)items, global = (size_t)blocks * local;
    opencl_handle kernel = o->clCreateKernel(o->program, name, &err);
    if (!kernel) return "there is no such kernel";
    for (int i = 0; i < n_args; i++)
        err |= o->clSetKernelArgSVMPointer(kernel, (uint32_t)i, arg[i]);
    if (!err)
        err = o->clEnqueueNDRangeKernel(o->queue, kernel, 1, NULL, &global, &local, 0, NULL, NULL);
    err |= o->clFinish(o->queue);
    o->clReleaseKernel(kernel);
    return err ? "the launch failed" : NULL;
}

#endif
