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

static enum err open_device(void)
{
    int n = 0, device = 0, major = 0, minor = 0;
    const char *given = getenv("PLUMB_CUDA_DEVICE");
    int number = given ? atoi(given) : 0;
    TRY(cuda_check(driver.init(0), "starting the driver"));
    TRY(cuda_check(driver.device_count(&n), "counting devices"));
    if (number < 0 || number >= n)
        FAIL(ERR_UNSUPPORTED, "cuda: there is no device %d; the driver sees %d", number, n);
    TRY(cuda_check(driver.device_get(&device, number), "asking for the device"));
    TRY(cuda_check(driver.device_name(driver.device, sizeof driver.device, device),
                   "asking for the device's name"));
    TRY(cuda_check(driver.device_attribute(&major, CUDA_MAJOR, device), "asking for the device"));
    TRY(cuda_check(driver.device_attribute(&minor, CUDA_MINOR, device), "asking for the device"));
    snprintf(driver.arch, sizeof driver.arch, "sm_%d%d", major, minor);
    return cuda_check(driver.context_retain(&driver.context, device), "making a context");
}

static enum err open_once(void)
{
    enum err err = ERR_OK;
    if (state == UNTRIED) {
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
