/* nvrtc.c - CUDA C to cubins by NVRTC, and what ptxas said of registers and spills. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/compile/gpu_build.h"

typedef struct nvrtc_program *nvrtc_program;
#define NVRTC_FUNCTIONS(X)                                                                         \
    X(int, nvrtcVersion, (int *, int *))                                                           \
    X(const char *, nvrtcGetErrorString, (int))                                                    \
    X(int, nvrtcCreateProgram,                                                                     \
      (nvrtc_program *, const char *, const char *, int, const char *const *,                      \
       const char *const *))                                                                       \
    X(int, nvrtcCompileProgram, (nvrtc_program, int, const char *const *))                         \
    X(int, nvrtcGetProgramLogSize, (nvrtc_program, size_t *))                                      \
    X(int, nvrtcGetProgramLog, (nvrtc_program, char *))                                            \
    X(int, nvrtcGetCUBINSize, (nvrtc_program, size_t *))                                           \
    X(int, nvrtcGetCUBIN, (nvrtc_program, char *))                                                 \
    X(int, nvrtcDestroyProgram, (nvrtc_program *))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool tried;
    void *library; /* NULL: not there */
    char version[16];
#define X(type, name, args) type(*name) args;
    NVRTC_FUNCTIONS(X)
#undef X
} nvrtc; /* guarded by `lock` until tried */

/* ---- the library ---- */

/* A wheel's library does not find its own second half, which must be there before it. */
static void *open_in(const char *folder)
{
    static const char *const names[] = {"13", "12"}, *const builtins[] = {"13.0", "12.9"};
    char path[1200];
    void *found = NULL;
    for (size_t i = 0; i < 2 && !found; i++) {
        snprintf(path, sizeof path, "%s%slibnvrtc-builtins.so.%s", folder, *folder ? "/" : "",
                 builtins[i]);
        if (*folder) dlopen(path, RTLD_NOW | RTLD_GLOBAL);
        snprintf(path, sizeof path, "%s%slibnvrtc.so.%s", folder, *folder ? "/" : "", names[i]);
        found = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    return found;
}

static void *open_beside_program(void)
{
    static const char *const places[] = {"cuda", "../cuda", "../../cuda"};
    char program[900], path[1100];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    void *found = NULL;
    program[n > 0 ? n : 0] = 0;
    char *end = strrchr(program, '/');
    if (!end) return NULL;
    *end = 0;
    for (size_t i = 0; i < 3 && !found; i++) {
        snprintf(path, sizeof path, "%s/%s/nvidia/cu13/lib", program, places[i]);
        found = open_in(path);
    }
    return found;
}

static void *open_library(void)
{
    char path[1000];
    const char *given = getenv("PLUMB_CUDA");
    void *found = NULL;
    if (given && *given) return open_in(given);
    found = open_in("");
    snprintf(path, sizeof path, "/usr/local/cuda/lib64");
    if (!found) found = open_in(path);
    return found ? found : open_beside_program();
}

static enum err find_library(void)
{
    int major = 0, minor = 0;
    pthread_mutex_lock(&lock);
    if (!nvrtc.tried) {
        nvrtc.tried = true;
        nvrtc.library = open_library();
#define X(type, name, args)                                                                        \
    if (nvrtc.library && !(*(void **)&nvrtc.name = dlsym(nvrtc.library, #name)))                   \
        nvrtc.library = NULL;
        NVRTC_FUNCTIONS(X)
#undef X
        if (nvrtc.library && !nvrtc.nvrtcVersion(&major, &minor))
            snprintf(nvrtc.version, sizeof nvrtc.version, "%d.%d", major, minor);
    }
    pthread_mutex_unlock(&lock);
    if (nvrtc.library) return ERR_OK;
    FAIL(ERR_UNSUPPORTED, "NVRTC (libnvrtc.so.13) is not there: PLUMB_CUDA, the loader's path, "
                          "/usr/local/cuda/lib64 and the build folder were looked in; `make "
                          "deps-gpu` puts it there");
}

const char *nvrtc_version(void)
{
    if (!find_library()) return nvrtc.version;
    err_clear();
    return NULL;
}

/* ---- building ---- */

static enum err take_log(nvrtc_program p, struct buf *out)
{
    size_t n = 0;
    if (nvrtc.nvrtcGetProgramLogSize(p, &n) || n <= 1) return ERR_OK;
    if (!buf_reserve(out, n)) FAIL(ERR_NOMEM, "out of memory for the log of NVRTC");
    if (!nvrtc.nvrtcGetProgramLog(p, out->p + out->n)) out->n += n - 1;
    return ERR_OK;
}

static enum err take_code(nvrtc_program p, struct buf *out)
{
    size_t n = 0;
    if (nvrtc.nvrtcGetCUBINSize(p, &n) || !n) FAIL(ERR_FORMAT, "NVRTC made no cubin");
    if (!buf_reserve(out, n)) FAIL(ERR_NOMEM, "out of memory for a cubin");
    if (nvrtc.nvrtcGetCUBIN(p, out->p)) FAIL(ERR_FORMAT, "NVRTC gives no cubin");
    out->n = n;
    return ERR_OK;
}

static enum err compile(nvrtc_program p, const char *arch, struct gpu_built *out)
{
    char target[64], flags[] = NVRTC_FLAGS;
    const char *option[16] = {target, "-default-device", "-w", "--ptxas-options=-v"};
    int n = 4;
    char *rest = flags;
    snprintf(target, sizeof target, "-arch=%s", arch);
    for (char *word; (word = strsep(&rest, " "));) option[n++] = word;
    int bad = nvrtc.nvrtcCompileProgram(p, n, option);
    TRY(take_log(p, &out->report));
    if (bad)
        FAIL(ERR_FORMAT, "NVRTC for %s: %s: %.800s", arch, nvrtc.nvrtcGetErrorString(bad),
             out->report.n ? out->report.p : "");
    return take_code(p, &out->code);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

enum err nvrtc_build(struct span text, const char *arch, struct gpu_built *out)
{
    *out = (struct gpu_built){0};
    nvrtc_program p = NULL;
    TRY(find_library());
    char *source = strndup(text.p, text.n);
    if (!source) FAIL(ERR_NOMEM, "out of memory for a text of CUDA C");
    int64_t begin = now_ns();
    pthread_mutex_lock(&lock); /* it builds one at a time anyway */
    int bad = nvrtc.nvrtcCreateProgram(&p, source, "plumb.cu", 0, NULL, NULL);
    enum err err = bad ? err_set(ERR_FORMAT, "NVRTC: %s", nvrtc.nvrtcGetErrorString(bad))
                       : compile(p, arch, out);
    if (p) nvrtc.nvrtcDestroyProgram(&p);
    pthread_mutex_unlock(&lock);
    free(source);
    out->build_ns = now_ns() - begin;
    if (err) gpu_built_release(out);
    return err;
}

void gpu_built_release(struct gpu_built *b)
{
    buf_release(&b->code);
    buf_release(&b->report);
}

/* ---- the report ---- */

/* The number before `word` in the text up to `end`; -1: none. */
static int number_before(const char *p, const char *end, const char *word)
{
    const char *at = strstr(p, word);
    if (!at || at >= end) return -1;
    while (at > p && at[-1] >= '0' && at[-1] <= '9') at--;
    return atoi(at);
}

/* "Compiling entry function 'NAME' for 'sm_90'", lines about it, up to the next. */
struct code_resources nvrtc_resources(const struct gpu_built *b, const char *name)
{
    struct code_resources r = {-1, -1, -1};
    char key[300];
    if (!b->report.n) return r;
    snprintf(key, sizeof key, "entry function '%s'", name);
    const char *p = strstr(b->report.p, key);
    if (!p) return r;
    const char *end = strstr(p + 1, "entry function '");
    if (!end) end = b->report.p + b->report.n;
    r.registers = number_before(p, end, " registers");
    r.shared_bytes = number_before(p, end, " bytes smem");
    if (r.shared_bytes < 0) r.shared_bytes = 0;
    int stores = number_before(p, end, " bytes spill stores");
    int loads = number_before(p, end, " bytes spill loads");
    r.spill_bytes = stores > loads ? stores : loads;
    return r;
}
