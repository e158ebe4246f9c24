/* cuda_host.h - CUDA C on the CPU: a prelude in place of the device's, and blocks whose work-items
 * are fibers that take turns at each barrier.
 *
 * cuda_host_build makes a library of a printed text; cuda_host_run runs one of its kernels. One
 * thread at a time. Not under sanitizers, which do not know our stacks.
 */
#ifndef TESTS_CUDA_HOST_H
#define TESTS_CUDA_HOST_H

#include <dlfcn.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { CUDA_HOST_RUNS = 0 };
#else
enum { CUDA_HOST_RUNS = 1 };
#endif

static const char cuda_host_prelude[] =
    "#define __device__\n"
    "#define __global__\n"
    "#define __shared__ static\n"
    "#define __forceinline__ inline __attribute__((always_inline))\n"
    "#define D extern \"C\"\n"
    "#define F(n) D float n##f(float); D double n(double);\n"
    "F(floor)F(ceil)F(trunc)F(rint)F(log10)F(tan)F(asin)F(acos)F(atan)F(erfc)F(erf)F(log2)F(sin)\n"
    "F(cos) D float fmodf(float, float); D double fmod(double, double);\n"
    "D float atan2f(float, float); D double atan2(double, double); D double pow(double, double);\n"
    "#define __fmaf_rn __builtin_fmaf\n"
    "#define __fma_rn __builtin_fma\n"
    "#define __fsqrt_rn __builtin_sqrtf\n"
    "#define __dsqrt_rn __builtin_sqrt\n"
    "#define BITS(n, R, T) static inline R n(T v) { R r; __builtin_memcpy(&r, &v, sizeof r); "
    "return r; }\n"
    "BITS(__float_as_uint, unsigned, float) BITS(__uint_as_float, float, unsigned)\n"
    "BITS(__double_as_longlong, long long, double) BITS(__longlong_as_double, double, long long)\n"
    "static inline int atomicCAS(int *p, int was, int is)\n"
    "{ int v = *p; if (v == was) *p = is; return v; }\n"
    "struct host_dim { unsigned x; };\n"
    "extern \"C\" { struct host_dim threadIdx, blockDim, blockIdx; void (*host_sync)(void); }\n"
    "#define __syncthreads host_sync\n";

enum { HOST_ITEMS = 1024, HOST_STACK = 256 << 10, HOST_ARGS = 256 };
static struct cuda_host {
    jmp_buf main, item[HOST_ITEMS];
    ucontext_t context, back;
    int n_started, current;
    bool done[HOST_ITEMS];
    unsigned *index; /* threadIdx of the text */
    void (*kernel)(void);
    void **arg;
} cuda_host;

/* As the text's own kernels take their pointers: what is beyond them is not looked at. */
#define HOST_4(f, n)  f(n), f(n + 1), f(n + 2), f(n + 3)
#define HOST_16(f, n) HOST_4(f, n), HOST_4(f, n + 4), HOST_4(f, n + 8), HOST_4(f, n + 12)
#define HOST_64(f, n) HOST_16(f, n), HOST_16(f, n + 16), HOST_16(f, n + 32), HOST_16(f, n + 48)
#define HOST_ALL(f)   HOST_64(f, 0), HOST_64(f, 64), HOST_64(f, 128), HOST_64(f, 192)
#define HOST_TYPE(n)  void *
#define HOST_VALUE(n) a[n]
static void cuda_host_call(void)
{
    void **a = cuda_host.arg;
    ((void (*)(HOST_ALL(HOST_TYPE)))cuda_host.kernel)(HOST_ALL(HOST_VALUE));
}

static void cuda_host_item(void)
{
    int me = cuda_host.current;
    for (;;) {
        cuda_host_call();
        cuda_host.done[me] = true;
        if (!_setjmp(cuda_host.item[me])) _longjmp(cuda_host.main, 1);
    }
}

static void cuda_host_sync(void)
{
    int me = cuda_host.current;
    if (!_setjmp(cuda_host.item[me])) _longjmp(cuda_host.main, 1);
    *cuda_host.index = (unsigned)me;
}

static void cuda_host_turn(int i)
{
    cuda_host.current = i;
    *cuda_host.index = (unsigned)i;
    if (_setjmp(cuda_host.main)) return;
    if (i < cuda_host.n_started) _longjmp(cuda_host.item[i], 1);
    cuda_host.n_started = i + 1;
    getcontext(&cuda_host.context);
    cuda_host.context.uc_stack.ss_sp = malloc(HOST_STACK); /* for as long as the program runs */
    cuda_host.context.uc_stack.ss_size = HOST_STACK;
    makecontext(&cuda_host.context, cuda_host_item, 0);
    setcontext(&cuda_host.context);
}

/* Between two barriers work-items run one after another, up or down in turn: what one needs of
 * another without a barrier between them is found by that. NULL, or what was wrong; arg: HOST_ARGS
 * pointers. */
static const char *cuda_host_run(void *library, const char *name, int64_t blocks, int items,
                                 void **arg)
{
    unsigned *block = dlsym(library, "blockIdx"), *size = dlsym(library, "blockDim");
    void (**sync)(void) = (void (**)(void))dlsym(library, "host_sync");
    void *kernel = dlsym(library, name);
    cuda_host.index = dlsym(library, "threadIdx");
    if (!kernel || !block || !size || !sync || !cuda_host.index) return "there is no such kernel";
    memcpy(&cuda_host.kernel, &kernel, sizeof kernel);
    cuda_host.arg = arg;
    *sync = cuda_host_sync;
    *size = (unsigned)items;
    for (int64_t b = 0; b < blocks; b++) {
        *block = (unsigned)b;
        memset(cuda_host.done, 0, (size_t)items);
        bool left = true, backwards = b % 2;
        for (; left; backwards = !backwards) {
            left = false;
            for (int k = 0; k < items; k++) {
                int i = backwards ? items - 1 - k : k;
                if (!cuda_host.done[i]) cuda_host_turn(i);
                left |= !cuda_host.done[i];
            }
        }
    }
    return NULL;
}

/* What is read or written beyond the ends of local memory is an illegal instruction. */
#define CUDA_HOST_CC                                                                               \
    "clang-14 -O1 -w -mfma -ffp-contract=off -fno-math-errno -fno-strict-aliasing -fPIC "          \
    "-fsanitize=local-bounds -shared -nostdinc -std=c++17"

static bool cuda_host_is_here(void)
{
    return !system("command -v clang-14 >/dev/null");
}

/* Writes PATH.cc and PATH.so and opens the library; NULL: the compiler refused it. */
static void *cuda_host_build(const char *text, const char *path)
{
    char name[200], command[800];
    snprintf(name, sizeof name, "%s.cc", path);
    FILE *f = fopen(name, "w");
    if (!f) return NULL;
    fprintf(f, "%s%s", cuda_host_prelude, text);
    if (fclose(f)) return NULL;
    snprintf(command, sizeof command, CUDA_HOST_CC " -o %s.so %s.cc", path, path);
    if (system(command)) return NULL;
    snprintf(name, sizeof name, "%s.so", path);
    return dlopen(name, RTLD_NOW | RTLD_LOCAL);
}

#endif
