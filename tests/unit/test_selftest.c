/* test_selftest.c - the 29 digests of exact arithmetic with every compiler and processor there is.
 *
 * The texts are compiled here as a printed kernel would be; what cannot run is named.
 */
#include "tests/unit/unit.h"

#include <dlfcn.h>
#include <unistd.h>

#include "kernels/prelude.h"
#include "kernels/selftest.h"

#define FLAGS " -std=gnu11 -ffp-contract=off -fno-math-errno -fno-trapping-math -w -fPIC -shared "

struct way {
    const char *compiler, *flags;
    const char *needs; /* of the processor; NULL: nothing */
};
static const struct way ways[] = {
    {"gcc", "-O0", NULL},
    {"gcc", "-O2 -msse2", NULL},
    {"gcc", "-O3 -march=x86-64-v3", "avx2"},
    {"gcc", "-O3 -march=x86-64-v4", "avx512f"},
    {"clang-14", "-O0", NULL},
    {"clang-14", "-O2 -msse2", NULL},
    {"clang-14", "-O3 -march=x86-64-v3", "avx2"},
    {"clang-14", "-O3 -march=x86-64-v4", "avx512f"},
};
enum { N_WAYS = sizeof ways / sizeof *ways };

static bool processor_has(const char *what)
{
    if (!what) return true;
    if (!strcmp(what, "avx2"))
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
}
static bool compiler_is_here(const char *name)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", name);
    return system(command) == 0;
}

static void compare(const char *way, const uint64_t *got)
{
    int differ = 0;
    for (int i = 0; i < SELFTEST_DIGESTS; i++)
        if (got[i] != selftest_table[i].digest) {
            print_error("%s: %s gives %016lx, not %016lx\n", way, selftest_table[i].name,
                        (unsigned long)got[i], (unsigned long)selftest_table[i].digest);
            differ++;
        }
    if (differ) fail_msg("%s: %d of %d digests differ", way, differ, SELFTEST_DIGESTS);
}

/* Compiles the texts to FOLDER/way<k>.so and runs them. */
static void run_way(const struct way *w, int k)
{
    char source[128], library[128], command[512];
    snprintf(source, sizeof source, "%s/way.c", unit_folder());
    snprintf(library, sizeof library, "%s/way%d.so", unit_folder(), k);
    FILE *f = fopen(source, "w");
    assert_non_null(f);
    fprintf(f, "%s%svoid run(float *scratch, u64 *out) { x_test(scratch, out); }\n",
            prelude_c_text(), selftest_c_text());
    assert_int_equal(fclose(f), 0);
    snprintf(command, sizeof command, "%s %s" FLAGS "-o %s %s -lm", w->compiler, w->flags, library,
             source);
    if (system(command)) fail_msg("does not compile: %s", command);
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle) fail_msg("%s", dlerror());
    void (*run)(float *, uint64_t *) = (void (*)(float *, uint64_t *))dlsym(handle, "run");
    uint64_t got[SELFTEST_DIGESTS];
    float *scratch = malloc(sizeof(float) << 19);
    assert_true(run && scratch);
    run(scratch, got);
    free(scratch);
    dlclose(handle);
    unlink(library);
    unlink(source);
    snprintf(command, sizeof command, "%s %s", w->compiler, w->flags);
    compare(command, got);
}

static void test_this_program(void **state)
{
    (void)state;
    uint64_t got[SELFTEST_DIGESTS];
    assert_true(selftest_run(got));
    compare("this program", got);
}
static void test_every_compiler_and_processor(void **state)
{
    (void)state;
    for (int k = 0; k < N_WAYS; k++) {
        bool compiler = compiler_is_here(ways[k].compiler);
        if (compiler && processor_has(ways[k].needs)) run_way(&ways[k], k);
        else
            print_message("not run: %s %s (%s is absent)\n", ways[k].compiler, ways[k].flags,
                          compiler ? ways[k].needs : ways[k].compiler);
    }
    rmdir(unit_folder());
}

static void test_fast_arithmetic_is_refused(void **state)
{
    (void)state;
    char source[128], command[512];
    snprintf(source, sizeof source, "%s/fast.c", unit_folder());
    FILE *f = fopen(source, "w");
    assert_non_null(f);
    fputs(prelude_c_text(), f);
    assert_int_equal(fclose(f), 0);
    snprintf(command, sizeof command, "gcc -Ofast -fsyntax-only %s 2>/dev/null", source);
    if (compiler_is_here("gcc")) assert_int_not_equal(system(command), 0);
    unlink(source);
}

/* What NVRTC knows by itself. */
static const char cuda_names[] =
    "#define __device__ __attribute__((device))\n"
    "#define __forceinline__ inline __attribute__((always_inline))\n"
    "#define D extern \"C\" __device__\n"
    "#define F(n) D float n##f(float); D double n(double);\n"
    "F(floor)F(ceil)F(trunc)F(rint)F(log10)F(tan)F(asin)F(acos)F(atan)F(erfc)F(erf)F(log2)F(sin)\n"
    "F(cos) D float fmodf(float, float); D double fmod(double, double);\n"
    "D float atan2f(float, float); D double atan2(double, double); D double pow(double, double);\n"
    "D float __fmaf_rn(float, float, float); D double __fma_rn(double, double, double);\n"
    "D float __fsqrt_rn(float); D double __dsqrt_rn(double); D unsigned __float_as_uint(float);\n"
    "D float __uint_as_float(unsigned); D long long __double_as_longlong(double);\n"
    "D double __longlong_as_double(long long); D int atomicCAS(int *, int, int);\n"
    "D void __syncthreads(void); struct three { unsigned x, y, z; };\n"
    "extern __device__ const struct three threadIdx, blockIdx, blockDim, gridDim;\n"
    "#define __shared__ __attribute__((shared))\n#define __global__ __attribute__((global))\n";

static void front_end_takes(const char *before, const char *text, const char *options)
{
    char source[128], command[512];
    snprintf(source, sizeof source, "%s/text", unit_folder());
    FILE *f = fopen(source, "w");
    assert_non_null(f);
    fprintf(f, "%s%s", before, text);
    assert_int_equal(fclose(f), 0);
    snprintf(command, sizeof command, "clang-14 -w -fsyntax-only %s %s", options, source);
    if (system(command)) fail_msg("not accepted: %s", command);
    unlink(source);
}
static void test_other_languages_compile(void **state)
{
    (void)state;
    if (!compiler_is_here("clang-14")) {
        print_message("not run: OpenCL C and CUDA C (clang-14 is absent)\n");
        skip();
    }
    const char *cl = "-x cl -cl-std=CL1.2 -Xclang -finclude-default-header";
    front_end_takes("", prelude_opencl_text(), cl);
    front_end_takes("#define X_F64 1\n", prelude_opencl_text(), cl);
    front_end_takes(cuda_names, prelude_cuda_text(),
                    "-x cuda -nocudainc -nocudalib --cuda-device-only -std=c++17");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_this_program),
        cmocka_unit_test(test_fast_arithmetic_is_refused),
        cmocka_unit_test(test_other_languages_compile),
        cmocka_unit_test(test_every_compiler_and_processor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
