/* cuda_code.h - kernels of a compile, or of one nest, on a device of NVIDIA: printed as CUDA C,
 * built by NVRTC for the device at hand (the cache of build.h keeps what it made), launched on the
 * default stream.
 */
#ifndef RUNTIME_CUDA_CODE_H
#define RUNTIME_CUDA_CODE_H

#include "runtime/compile/code_gpu.h"
#include "runtime/cuda_driver.h"

struct cuda_code;
/* ERR_UNSUPPORTED: no device, no NVRTC, or a kernel that is not printed: the sentence says. */
WARN_UNUSED enum err cuda_code_build(const struct code_spec *s, struct cuda_code **out);
/* Unloads the module; no launch is under way. NULL is legal. */
void cuda_code_free(struct cuda_code *c);
/* s: as it was built from, or of the same classes. Waits for the kernel's end; ERR_USAGE names a
 * computed position that was outside. `base` of the arguments are pointers of the device. */
WARN_UNUSED enum err cuda_code_run(const struct cuda_code *c, const struct code_spec *s, int launch,
                                   const struct code_args *args);
/* Of a launch, as ptxas told. */
struct code_resources cuda_code_resources(const struct cuda_code *c, int launch);

#endif
