/* cuda_code.c - modules, and launches with their numbers.
 *
 *   text ─ NVRTC ─► cubin and ptxas' report, as one entry of the cache ─► module ─► functions
 *
 * A launch's numbers and its fault lie in memory of the device that a thread has for itself, until
 * it ends (the first thread's goes with the process).
 */
#include "runtime/cuda_code.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/build.h"
#include "runtime/compile/gpu_build.h"

struct cuda_code {
    cuda_module module;
    cuda_function *function;          /* per launch */
    struct code_resources *resources; /* per launch */
    int n;
};
static _Thread_local struct {
    cuda_pointer p;
    size_t size;   /* bytes */
    int64_t *host; /* as many */
} room;

/* ---- building ---- */

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for kernels of cuda");
}

/* The cubin's size, the cubin, the report. */
static enum err make(void *context, struct span text, struct buf *out)
{
    struct gpu_built b;
    TRY(nvrtc_build(text, context, &b));
    uint64_t n = b.code.n;
    buf_put(out, &n, sizeof n);
    buf_put(out, b.code.p, b.code.n);
    buf_put(out, b.report.p, b.report.n);
    gpu_built_release(&b);
    return buf_ok(out);
}

static enum err build_text(struct span text, const struct cuda_driver *d, struct gpu_built *out)
{
    char how[200], arch[16];
    struct buf b = {0};
    uint64_t n = 0;
    const char *version = nvrtc_version();
    snprintf(arch, sizeof arch, "%s", d->arch);
    snprintf(how, sizeof how, "nvrtc %s %s %s", version ? version : "none", arch, NVRTC_FLAGS);
    *out = (struct gpu_built){0};
    enum err err = build_bytes(text, &(struct build_maker){make, arch, how}, &b);
    if (!err && b.n > sizeof n) memcpy(&n, b.p, sizeof n);
    if (!err && n > 0 && n <= b.n - sizeof n) {
        buf_put(&out->code, b.p + sizeof n, n);
        buf_put(&out->report, b.p + sizeof n + n, b.n - sizeof n - n);
        err = buf_ok(&out->code);
    } else if (!err) err = err_set(ERR_FORMAT, "the cache of kernels holds no cubin");
    buf_release(&b);
    return err;
}

static enum err load(const struct cuda_driver *d, const struct code_spec *s,
                     const struct gpu_built *b, struct cuda_code *c)
{
    const char *version = nvrtc_version();
    char what[120];
    snprintf(what, sizeof what, "loading kernels for %s by NVRTC %s (the driver has CUDA %s)",
             d->arch, version ? version : "?", d->cuda);
    TRY(cuda_check(d->module_load(&c->module, b->code.p), what));
    for (int i = 0; i < s->n_launches; i++) {
        const char *name = s->launch[i].name;
        TRY(cuda_check(d->module_function(&c->function[i], c->module, name), name));
        c->resources[i] = nvrtc_resources(b, name);
    }
    return ERR_OK;
}

static enum err build(const struct code_spec *s, struct cuda_code *c)
{
    const struct cuda_driver *d;
    struct buf text = {0};
    struct gpu_built b;
    TRY(cuda_open(&d));
    enum err err = code_gpu_text(s, true, &text);
    if (!err) {
        err = build_text(buf_text(&text), d, &b);
        if (!err) err = load(d, s, &b, c);
        gpu_built_release(&b);
    }
    buf_release(&text);
    return err;
}

enum err cuda_code_build(const struct code_spec *s, struct cuda_code **out)
{
    size_t n = (size_t)s->n_launches + 1;
    struct cuda_code *c = calloc(1, sizeof *c);
    if (!c) return no_memory();
    c->n = s->n_launches;
    c->function = calloc(n, sizeof *c->function);
    c->resources = calloc(n, sizeof *c->resources);
    enum err err = c->function && c->resources ? build(s, c) : no_memory();
    if (err) cuda_code_free(c);
    else *out = c;
    return err;
}

void cuda_code_free(struct cuda_code *c)
{
    const struct cuda_driver *d;
    if (!c) return;
    if (c->module && (cuda_open(&d) || cuda_check(d->module_unload(c->module), "unloading")))
        err_clear();
    free(c->function);
    free(c->resources);
    free(c);
}

struct code_resources cuda_code_resources(const struct cuda_code *c, int launch)
{
    return c->resources[launch];
}

/* ---- running ---- */

static pthread_key_t room_key;
static pthread_once_t room_once = PTHREAD_ONCE_INIT;
static bool has_room_key;

static void room_release(void *unused)
{
    const struct cuda_driver *d;
    (void)unused;
    if (room.p && (cuda_open(&d) || cuda_check(d->free(room.p), "giving back memory"))) err_clear();
    free(room.host);
    memset(&room, 0, sizeof room);
}
static void make_room_key(void)
{
    has_room_key = !pthread_key_create(&room_key, room_release);
}

static enum err find_room(const struct cuda_driver *d, size_t size)
{
    if (size <= room.size) return ERR_OK;
    room_release(NULL);
    pthread_once(&room_once, make_room_key);
    size = (size + 4095) / 4096 * 4096;
    if (!has_room_key || pthread_setspecific(room_key, &room)) return no_memory();
    room.host = malloc(size);
    if (!room.host) return no_memory();
    TRY(cuda_check(d->alloc(&room.p, size), "memory for a launch's numbers"));
    room.size = size;
    return ERR_OK;
}

static enum err launch(const struct cuda_driver *d, const struct cuda_code *c,
                       const struct code_spec *s, int number, const struct code_args *args,
                       const struct code_gpu_grid *grid)
{
    const struct code_launch *l = &s->launch[number];
    int n = code_gpu_arrays(s, number), at = 2;
    cuda_pointer numbers = room.p + CODE_GPU_FAULT * sizeof(int64_t), fault = room.p;
    void **value = calloc((size_t)n + 2, sizeof *value), **arg = calloc((size_t)n + 2, sizeof *arg);
    if (value && arg) {
        value[0] = (void *)(uintptr_t)numbers;
        value[1] = (void *)(uintptr_t)fault;
        for (int m = 0; m < l->n_kernels; m++)
            for (int i = 0; i < s->kernel[l->kernel[m]].nest->n_arrays; i++)
                value[at++] = args[m].base[i];
        for (int i = 0; i < at; i++) arg[i] = &value[i];
    }
    enum err err = value && arg
                       ? cuda_check(d->launch(c->function[number], (unsigned)grid->blocks, 1, 1,
                                              (unsigned)grid->block, 1, 1, 0, NULL, arg, NULL),
                                    l->name)
                       : no_memory();
    free(value);
    free(arg);
    return err;
}

enum err cuda_code_run(const struct cuda_code *c, const struct code_spec *s, int number,
                       const struct code_args *args)
{
    const struct cuda_driver *d;
    struct code_gpu_grid grid = code_gpu_grid(s, number, 0);
    size_t n = CODE_GPU_FAULT + code_gpu_numbers(s, number, &grid, args, NULL);
    if (!grid.blocks) return ERR_OK;
    TRY(cuda_open(&d));
    TRY(find_room(d, n * sizeof *room.host));
    memset(room.host, 0, CODE_GPU_FAULT * sizeof *room.host);
    code_gpu_numbers(s, number, &grid, args, room.host + CODE_GPU_FAULT);
    TRY(cuda_check(d->to_device(room.p, room.host, n * sizeof *room.host), "a launch's numbers"));
    TRY(launch(d, c, s, number, args, &grid));
    TRY(cuda_check(d->to_host(room.host, room.p, CODE_GPU_FAULT * sizeof *room.host),
                   s->launch[number].name));
    return code_gpu_fault(s, number, room.host);
}
