/* gpu_build.h - texts for graphics processors into their code, without such a processor: CUDA C by
 * NVRTC, OpenCL C by libocloc. Both are loaded when first asked for.
 *
 * NVRTC is looked for as the loader does, then under PLUMB_CUDA, /usr/local/cuda, and beside the
 * program where `make deps-gpu` puts it. Threads: any; one text at a time.
 */
#ifndef RUNTIME_COMPILE_GPU_BUILD_H
#define RUNTIME_COMPILE_GPU_BUILD_H

#include "runtime/compile/code.h"
#include "store/base/span.h"

/* docs/exact.md, Arithmetic. Part of a kernel's key. */
#define NVRTC_FLAGS "-fmad=false -prec-div=true -prec-sqrt=true -ftz=false"
#define OCLOC_FLAGS "-cl-std=CL1.2 -cl-fp32-correctly-rounded-divide-sqrt"

struct gpu_built {
    struct buf code;   /* cubin, or zebin */
    struct buf report; /* what the builder said of each kernel: ptxas' lines, or .ze_info */
    int64_t build_ns;
};
void gpu_built_release(struct gpu_built *b);
/* ERR_UNSUPPORTED: the library is not there, and where it was looked for. ERR_FORMAT: it refused
 * the text; the sentence has its log. */
WARN_UNUSED enum err nvrtc_build(struct span text, const char *arch /* "sm_90" */,
                                 struct gpu_built *out);
/* f64: the device has it. */
WARN_UNUSED enum err ocloc_build(struct span text, const char *device /* "pvc" */, bool f64,
                                 struct gpu_built *out);
/* What was told of a launch by name; what was not is -1. */
struct code_resources nvrtc_resources(const struct gpu_built *b, const char *name);
struct code_resources ocloc_resources(const struct gpu_built *b, const char *name);
/* "13.0", or NULL where NVRTC is not there; static. */
const char *nvrtc_version(void);
/* Whether any number of the kernel is f64: devices without it cannot build its text. */
bool code_needs_f64(const struct code_kernel *k);

#endif
