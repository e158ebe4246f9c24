/* libcuda.c - in place of NVIDIA's driver: memory of the "device" has addresses that the host
 * cannot read, kernels are libraries that libnvrtc.c made, run by fibers (cuda_host.h).
 *
 * FAKE_CUDA_ERROR=NAME makes the entry of that name answer 999; FAKE_CUDA_LOG=FILE gets a line for
 * each launch, and at the end how many blocks of memory and modules were not given back. What the
 * real one refuses is refused: blocks of no bytes, calls of a thread without a context or of a
 * forked process, blocks and grids beyond a device's limits.
 */
#include "../unit/cuda_host.h"

#include <pthread.h>

/* Beyond what a processor can address. */
#define DEVICE ((unsigned long long)1 << 60)
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long blocks, modules;
static __thread int entered; /* this thread has the context */
static pid_t started;
static const char *log_path;

static int fails(const char *name)
{
    const char *given = getenv("FAKE_CUDA_ERROR");
    return given && !strcmp(given, name) ? 999 : 0;
}
#define ENTER                                                                                      \
    if (fails(__func__)) return 999;                                                               \
    if (started && started != getpid()) return 3 /* not initialised */
#define IN_CONTEXT                                                                                 \
    ENTER;                                                                                         \
    if (!entered) return 201

static void say(const char *text)
{
    FILE *f = log_path ? fopen(log_path, "a") : NULL;
    if (!f) return;
    fprintf(f, "%s\n", text);
    fclose(f);
}

static void at_end(void)
{
    char text[64];
    if (started != getpid()) return;
    snprintf(text, sizeof text, "blocks left: %ld, modules left: %ld", blocks, modules);
    say(text);
}

int cuInit(unsigned flags)
{
    (void)flags;
    ENTER;
    log_path = getenv("FAKE_CUDA_LOG");
    started = getpid();
    atexit(at_end);
    return 0;
}
int cuDriverGetVersion(int *version)
{
    ENTER;
    *version = 13010;
    return 0;
}
int cuDeviceGetCount(int *n)
{
    ENTER;
    *n = 1;
    return 0;
}
int cuDeviceGet(int *device, int number)
{
    ENTER;
    *device = number;
    return 0;
}
int cuDeviceGetName(char *name, int n, int device)
{
    (void)device;
    ENTER;
    snprintf(name, (size_t)n, "a device that is none");
    return 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    (void)device;
    ENTER;
    *value = attribute == 75 ? 9 : 0;
    return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int device)
{
    static int it;
    (void)device;
    ENTER;
    *context = &it;
    return 0;
}
int cuCtxSetCurrent(void *context)
{
    ENTER;
    entered = context != NULL;
    return context ? 0 : 201;
}
int cuCtxSynchronize(void)
{
    IN_CONTEXT;
    return 0;
}

int cuMemAlloc_v2(unsigned long long *p, size_t n)
{
    IN_CONTEXT;
    if (!n) return 1;
    void *host = malloc(n);
    if (!host) return 2;
    memset(host, 0x55, n);
    *p = DEVICE | (unsigned long long)(uintptr_t)host;
    __atomic_fetch_add(&blocks, 1, __ATOMIC_RELAXED);
    return 0;
}
static void *host_of(unsigned long long p)
{
    return (void *)(uintptr_t)(p & ~DEVICE);
}
int cuMemFree_v2(unsigned long long p)
{
    IN_CONTEXT;
    if (!(p & DEVICE)) return 1;
    free(host_of(p));
    __atomic_fetch_sub(&blocks, 1, __ATOMIC_RELAXED);
    return 0;
}
int cuMemcpyHtoD_v2(unsigned long long to, const void *from, size_t n)
{
    IN_CONTEXT;
    if (!(to & DEVICE)) return 1;
    memcpy(host_of(to), from, n);
    return 0;
}
int cuMemcpyDtoH_v2(void *to, unsigned long long from, size_t n)
{
    IN_CONTEXT;
    if (!(from & DEVICE)) return 1;
    memcpy(to, host_of(from), n);
    return 0;
}

/* ---- modules ---- */

struct function {
    void *library;
    char name[256];
    int n_args;
};

/* The end of a library's table of sections is the end of the file. */
static size_t library_size(const unsigned char *elf)
{
    uint64_t at;
    uint16_t size, n;
    memcpy(&at, elf + 40, sizeof at);
    memcpy(&size, elf + 58, sizeof size);
    memcpy(&n, elf + 60, sizeof n);
    return at + (size_t)size * n;
}

int cuModuleLoadData(void **module, const void *image)
{
    char path[] = "/tmp/plumb-fake-module-XXXXXX";
    IN_CONTEXT;
    if (memcmp(image, "\177ELF", 4)) return 200;
    int fd = mkstemp(path);
    size_t n = library_size(image);
    if (fd < 0 || write(fd, image, n) != (ssize_t)n) return 999;
    close(fd);
    *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    unlink(path);
    if (*module) __atomic_fetch_add(&modules, 1, __ATOMIC_RELAXED);
    return *module ? 0 : 200;
}
int cuModuleUnload(void *module)
{
    IN_CONTEXT;
    __atomic_fetch_sub(&modules, 1, __ATOMIC_RELAXED);
    return dlclose(module) ? 1 : 0;
}

int cuModuleGetFunction(void **function, void *module, const char *name)
{
    char key[300];
    ENTER;
    struct function *f = calloc(1, sizeof *f);
    if (!f) return 2;
    f->library = module;
    snprintf(f->name, sizeof f->name, "%s", name);
    snprintf(key, sizeof key, "host_args_%s", name);
    int *n = dlsym(module, key);
    if (!n || !dlsym(module, name)) return free(f), 500;
    f->n_args = *n;
    *function = f;
    return 0;
}

int cuLaunchKernel(struct function *f, unsigned x, unsigned y, unsigned z, unsigned items,
                   unsigned items_y, unsigned items_z, unsigned shared, void *stream, void **arg,
                   void **extra)
{
    void *value[HOST_ARGS] = {0};
    (void)stream;
    IN_CONTEXT;
    if (y != 1 || z != 1 || items_y != 1 || items_z != 1 || shared || extra) return 1;
    if (!x || x > 2147483647u || !items || items > HOST_ITEMS) return 1;
    if (f->n_args > HOST_ARGS) return 1;
    for (int i = 0; i < f->n_args; i++) {
        unsigned long long p;
        memcpy(&p, arg[i], sizeof p);
        value[i] = host_of(p);
    }
    pthread_mutex_lock(&lock);
    say(f->name);
    const char *bad = cuda_host_run(f->library, f->name, x, (int)items, value);
    pthread_mutex_unlock(&lock);
    return bad ? 500 : 0;
}

/* ---- events ---- */

int cuEventCreate(void **event, unsigned flags)
{
    static int it;
    (void)flags;
    ENTER;
    *event = &it;
    return 0;
}
int cuEventRecord(void *event, void *stream)
{
    (void)event, (void)stream;
    ENTER;
    return 0;
}
int cuEventSynchronize(void *event)
{
    (void)event;
    ENTER;
    return 0;
}
int cuEventElapsedTime(float *ms, void *from, void *to)
{
    (void)from, (void)to;
    ENTER;
    *ms = 1;
    return 0;
}
int cuEventDestroy_v2(void *event)
{
    (void)event;
    ENTER;
    return 0;
}

int cuGetErrorName(int answer, const char **out)
{
    *out = answer == 999 ? "CUDA_ERROR_UNKNOWN" : "CUDA_ERROR";
    return 0;
}
int cuGetErrorString(int answer, const char **out)
{
    (void)answer;
    *out = "made up";
    return 0;
}
