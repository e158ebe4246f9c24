/* cuda_driver.c - opening libcuda.so.1 and its device. */
#include "runtime/cuda_driver.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#if __has_include(<cuda.h>)
#include <cuda.h>
/* Enumerations are unsigned to the compiler; all else is the same to the letter. */
#define X(name, symbol, args)                                                                      \
    _Static_assert(__builtin_types_compatible_p(__typeof__(&symbol), CUresult(*) args), #symbol);
CUDA_FUNCTIONS(X)
#undef X
_Static_assert(CUDA_MAJOR == (int)CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, "of cuda.h");
_Static_assert(CUDA_MINOR == (int)CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, "of cuda.h");
#endif

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct cuda_driver driver;
static enum { UNTRIED, READY, ABSENT } state; /* guarded by `lock` */
static char why[512];                         /* where it is absent */
static _Thread_local bool current;            /* the context is this thread's */

enum err cuda_check(int answer, const char *what)
{
    const char *name = NULL, *text = NULL;
    if (!answer) return ERR_OK;
    if (driver.error_name) driver.error_name(answer, &name);
    if (driver.error_text) driver.error_text(answer, &text);
    return err_set(answer == 2 ? ERR_NOMEM : ERR_IO, "cuda: %s: %s (%d): %s", what,
                   name ? name : "error", answer, text ? text : "the driver does not say more");
}

static enum err find_functions(void)
{
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        FAIL(ERR_UNSUPPORTED, "cuda: libcuda.so.1 is not there: this machine has no driver of "
                              "NVIDIA, or the loader does not find it");
#define X(name, symbol, args)                                                                      \
    if (!(*(void **)&driver.name = dlsym(library, #symbol)))                                       \
        FAIL(ERR_UNSUPPORTED, "cuda: libcuda.so.1 lacks %s: the driver is too old", #symbol);
    CUDA_FUNCTIONS(X)
#undef X
    return ERR_OK;
}

/* Of n devices that which PLUMB_CUDA_DEVICE names. */
static enum err choose_device(int n, int *out)
{
    const char *given = getenv("PLUMB_CUDA_DEVICE");
    char *end;
    *out = 0;
    if (!n) FAIL(ERR_UNSUPPORTED, "cuda: the driver sees no device");
    if (!given || !*given) return ERR_OK;
    long number = strtol(given, &end, 10);
    if (*end || number < 0 || number >= n)
        FAIL(ERR_UNSUPPORTED,
             "cuda: PLUMB_CUDA_DEVICE is '%.40s'; the driver sees %d device%s, numbers from 0 to "
             "%d are accepted",
             given, n, n == 1 ? "" : "s", n - 1);
    *out = (int)number;
    return ERR_OK;
}

static enum err open_device(void)
{
    int n = 0, number, device = 0, major = 0, minor = 0, version = 0;
    TRY(cuda_check(driver.init(0), "starting the driver"));
    TRY(cuda_check(driver.version(&version), "asking for the driver's version"));
    snprintf(driver.cuda, sizeof driver.cuda, "%d.%d", version / 1000, version % 1000 / 10);
    TRY(cuda_check(driver.device_count(&n), "counting devices"));
    TRY(choose_device(n, &number));
    TRY(cuda_check(driver.device_get(&device, number), "asking for the device"));
    TRY(cuda_check(driver.device_name(driver.device, sizeof driver.device, device),
                   "asking for the device's name"));
    TRY(cuda_check(driver.device_attribute(&major, CUDA_MAJOR, device), "asking for the device"));
    TRY(cuda_check(driver.device_attribute(&minor, CUDA_MINOR, device), "asking for the device"));
    snprintf(driver.arch, sizeof driver.arch, "sm_%d%d", major, minor);
    return cuda_check(driver.context_retain(&driver.context, device), "making a context");
}

/* Neither the driver nor its contexts outlive a fork: a child that called them would hang, or be
 * told of an error that says nothing. */
static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}
static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}
static void in_child(void)
{
    current = false;
    if (state == READY) {
        state = ABSENT;
        snprintf(why, sizeof why,
                 "cuda: this process was forked from one that had opened the device; a device is "
                 "for the process that opens it, so fork before, or start another program");
    }
    pthread_mutex_unlock(&lock);
}

static enum err open_once(void)
{
    enum err err = ERR_OK;
    if (state == UNTRIED) {
        if (pthread_atfork(before_fork, after_fork, in_child))
            FAIL(ERR_NOMEM, "out of memory for opening the device");
        err = find_functions();
        if (!err) err = open_device();
        if (err) snprintf(why, sizeof why, "%s", err_text());
        state = err ? ABSENT : READY;
        return err ? err_set(ERR_UNSUPPORTED, "%s", why) : ERR_OK;
    }
    if (state == ABSENT) FAIL(ERR_UNSUPPORTED, "%s", why);
    return ERR_OK;
}

enum err cuda_open(const struct cuda_driver **out)
{
    *out = &driver;
    if (current) return ERR_OK;
    pthread_mutex_lock(&lock);
    enum err err = open_once();
    pthread_mutex_unlock(&lock);
    if (!err) err = cuda_check(driver.context_set(driver.context), "entering the context");
    current = !err;
    return err;
}
