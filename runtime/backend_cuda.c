/* backend_cuda.c - a device of NVIDIA, thin: loop nests run there as printed CUDA C; operators that
 * call kernels of their own run on this processor, their tensors copied there and back.
 *
 * The copies are recorded. So far no vendor's kernel is called. Threads: any; all on the default
 * stream.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/backend_host.h"
#include "runtime/cuda_code.h"
#include "runtime/session.h"

/* This thread runs an operator on the host: memory and nests are the host's. */
static _Thread_local bool on_host;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct map device_memory; /* pointer -> 1: of the device; 0 freed; guarded by `lock` */
static pthread_mutex_t kernels_lock = PTHREAD_MUTEX_INITIALIZER; /* held while one is built */
static struct map kernels; /* class -> struct cuda_code *; guarded by kernels_lock */

static cuda_pointer address(const void *p)
{
    return (cuda_pointer)(uintptr_t)p;
}

/* ---- memory ---- */

static enum err cuda_start(void)
{
    const struct cuda_driver *d;
    return cuda_open(&d);
}

static enum err cuda_alloc(int64_t size, void **out)
{
    const struct cuda_driver *d;
    cuda_pointer p = 0;
    char what[64];
    if (on_host) return host_alloc(size, out);
    TRY(cuda_open(&d));
    snprintf(what, sizeof what, "%lld bytes of memory of the device", (long long)size);
    TRY(cuda_check(d->alloc(&p, (size_t)size), what));
    *out = (void *)(uintptr_t)p;
    pthread_mutex_lock(&lock);
    int64_t *at = map_put(&device_memory, map_key_int((int64_t)p, 0), 1, NULL);
    if (at) *at = 1;
    pthread_mutex_unlock(&lock);
    if (at) return ERR_OK;
    (void)d->free(p);
    FAIL(ERR_NOMEM, "out of memory for a tensor");
}

static bool take_device_memory(void *p)
{
    pthread_mutex_lock(&lock);
    int64_t *at = map_get(&device_memory, map_key_int((int64_t)address(p), 0));
    bool is = at && *at;
    if (is) *at = 0;
    pthread_mutex_unlock(&lock);
    return is;
}

static void cuda_free(void *p, int64_t size)
{
    const struct cuda_driver *d;
    if (!take_device_memory(p)) host_free(p, size);
    else if (cuda_open(&d) || cuda_check(d->free(address(p)), "giving back memory")) err_clear();
}

static void record_copy(enum cap_copy kind, int64_t size, int64_t since)
{
    struct thread *t = &thread_self;
    if (t->ring && !t->quiet) cap_copied(t->ring, kind, size, host_now() - since);
}

static enum err cuda_to_host(void *host, const void *p, int64_t size)
{
    const struct cuda_driver *d;
    int64_t since = host_now();
    TRY(cuda_open(&d));
    TRY(cuda_check(d->to_host(host, address(p), (size_t)size), "copying to the host"));
    record_copy(CAP_DEVICE_TO_HOST, size, since);
    return ERR_OK;
}

static enum err cuda_from_host(void *p, const void *host, int64_t size)
{
    const struct cuda_driver *d;
    int64_t since = host_now();
    TRY(cuda_open(&d));
    TRY(cuda_check(d->to_device(address(p), host, (size_t)size), "copying to the device"));
    record_copy(CAP_HOST_TO_DEVICE, size, since);
    return ERR_OK;
}

static enum err cuda_sync(void)
{
    const struct cuda_driver *d;
    TRY(cuda_open(&d));
    return cuda_check(d->context_sync(), "waiting for the device");
}

/* Of what the view covers, on the host; not recorded, for it is no part of the program. */
static enum err cuda_digest(const struct view *v, const void *p, int threads,
                            struct digest_stats *stats, uint64_t *out)
{
    const struct cuda_driver *d;
    int64_t first, end;
    struct view part = *v;
    void *host = NULL;
    view_extent(v, &first, &end);
    if (end <= first) return host_digest(v, NULL, threads, stats, out);
    size_t size = (size_t)(end - first);
    part.offset -= first / (int64_t)dtype_size(v->dtype);
    TRY(cuda_open(&d));
    TRY(host_alloc((int64_t)size, &host));
    enum err err = cuda_check(d->to_host(host, address((const char *)p + first), size),
                              "copying for a digest");
    if (!err) err = host_digest(&part, host, threads, stats, out);
    host_free(host, (int64_t)size);
    return err;
}

/* ---- nests ---- */

static const int first_kernel[] = {0};

static enum err find_kernel(const struct code_spec *s, struct cuda_code **out)
{
    struct nest_class class;
    size_t n = nest_class(s->kernel->nest, &s->kernel->shape, &class);
    struct map_key key = map_key((struct span){(const char *)&class, n});
    enum err err = ERR_OK;
    pthread_mutex_lock(&kernels_lock);
    int64_t *at = map_get(&kernels, key);
    *out = at ? (struct cuda_code *)(intptr_t)*at : NULL;
    if (!at) err = cuda_code_build(s, out);
    if (!at && !err && !map_put(&kernels, key, (int64_t)(intptr_t)*out, NULL)) {
        cuda_code_free(*out);
        err = err_set(ERR_NOMEM, "out of memory for a kernel");
    }
    pthread_mutex_unlock(&kernels_lock);
    return err;
}

static enum err cuda_run_nest(const struct nest_run *run)
{
    struct code_kernel k = {.name = "pl_nest", .nest = run->nest, .plan = run->plan};
    struct code_launch l = {.name = "pl_nest_0", .kernel = first_kernel, .n_kernels = 1};
    struct code_spec s = {.kernel = &k, .n_kernels = 1, .launch = &l, .n_launches = 1};
    struct code_args args = {.param = run->param, .seed = run->seed, .stream = run->stream};
    struct cuda_code *c;
    if (on_host) return nest_compiled(run);
    nest_shape(run->nest, run->plan, &k.shape);
    if (!k.shape.rows || !k.shape.columns) return ERR_OK;
    for (int i = 0; i < run->nest->n_arrays; i++)
        args.base[i] = (char *)run->base[i] +
                       run->plan->lie[i].offset * (int64_t)dtype_size(run->nest->array[i].dtype);
    TRY(find_kernel(&s, &c));
    return cuda_code_run(c, &s, 0, &args);
}

/* ---- compiled programs ---- */

struct device_code {
    struct arena arena;
    struct code_spec spec; /* copied; nests, plans and combos are borrowed */
    struct cuda_code *code;
};

static enum err copy_spec(struct device_code *d, const struct code_spec *s)
{
    struct code_kernel *k = arena_array(&d->arena, (size_t)s->n_kernels + 1, sizeof *k);
    struct code_launch *l = arena_array(&d->arena, (size_t)s->n_launches + 1, sizeof *l);
    bool fine = k && l;
    for (int i = 0; fine && i < s->n_kernels; i++) {
        k[i] = s->kernel[i];
        k[i].comment = NULL; /* it is in the text */
        fine = (k[i].name = arena_copy(&d->arena, span_of(k[i].name)).p);
    }
    for (int i = 0; fine && i < s->n_launches; i++) {
        size_t n = (size_t)s->launch[i].n_kernels * sizeof(int);
        int *kernel = arena_alloc(&d->arena, n + 1);
        l[i] = s->launch[i];
        l[i].name = arena_copy(&d->arena, span_of(l[i].name)).p;
        l[i].kernel = kernel;
        fine = l[i].name && kernel && memcpy(kernel, s->launch[i].kernel, n);
    }
    d->spec = *s;
    d->spec.kernel = k;
    d->spec.launch = l;
    if (!fine) FAIL(ERR_NOMEM, "out of memory for the kernels of a compile");
    return ERR_OK;
}

static void free_code(void *code)
{
    struct device_code *d = code;
    cuda_code_free(d->code);
    arena_release(&d->arena);
    free(d);
}

static enum err build_code(const struct code_spec *s, void **out)
{
    struct device_code *d = calloc(1, sizeof *d);
    if (!d) FAIL(ERR_NOMEM, "out of memory for the kernels of a compile");
    enum err err = copy_spec(d, s);
    if (!err && s->n_launches) err = cuda_code_build(s, &d->code);
    if (err) free_code(d);
    else *out = d;
    return err;
}

static enum err run_code(const void *code, int launch, const struct code_args *args)
{
    const struct device_code *d = code;
    return cuda_code_run(d->code, &d->spec, launch, args);
}

static struct code_resources resources_of(const void *code, int launch)
{
    return cuda_code_resources(((const struct device_code *)code)->code, launch);
}

static const struct backend_code code_of_cuda = {"cuda",   build_code,   free_code,
                                                 run_code, resources_of, code_gpu_fits};

/* ---- operators that run on the host ---- */

/* A storage and its likeness on the host. */
struct stage {
    struct storage *device, host;
    bool written;
};
struct staging {
    struct op_call *c;
    struct stage *stage; /* in the arena */
    int n;
};

static enum err find_stage(struct staging *s, struct storage *of, bool written,
                           struct storage **out)
{
    int i = 0;
    while (i < s->n && s->stage[i].device != of) i++;
    struct stage *to = &s->stage[i];
    *out = &to->host;
    to->written |= written;
    if (i < s->n) return ERR_OK;
    to->device = of;
    to->host = (struct storage){.backend = of->backend, .size = of->size};
    atomic_init(&to->host.refs, 1);
    atomic_init(&to->host.version, of->version);
    if (of->size) TRY(host_alloc(of->size, &to->host.p));
    s->n++;
    return of->size ? cuda_to_host(to->host.p, of->p, of->size) : ERR_OK;
}

static enum err likeness(struct staging *s, struct plumb_tensor *t, bool written,
                         struct plumb_tensor **out)
{
    *out = NULL;
    if (!t) return ERR_OK;
    struct plumb_tensor *copy = arena_alloc(s->c->arena, sizeof *copy);
    if (!copy) FAIL(ERR_NOMEM, "out of memory for a call on the host");
    *copy = *t;
    TRY(find_stage(s, t->storage, written, &copy->storage));
    *out = copy;
    return ERR_OK;
}

static int members(const struct op_value *v)
{
    return v->kind == OP_TENSORS ? v->n : v->kind == OP_TENSOR;
}

static enum err stage_arguments(struct staging *s)
{
    struct op_call *c = s->c;
    for (int i = 0; i < c->op->s.n_params; i++) {
        struct op_value *v = &c->arg[i];
        int n = members(v);
        struct plumb_tensor **to = arena_array(c->arena, (size_t)n + 1, sizeof *to);
        if (!to) FAIL(ERR_NOMEM, "out of memory for a call on the host");
        for (int k = 0; k < n; k++)
            TRY(likeness(s, v->kind == OP_TENSOR ? v->t : v->ts[k], c->op->s.param[i].written,
                         &to[k]));
        if (v->kind == OP_TENSOR) v->t = to[0];
        else if (v->kind == OP_TENSORS) v->ts = to;
    }
    for (int r = 0; r < c->n_results; r++) TRY(likeness(s, c->result[r], true, &c->result[r]));
    return ERR_OK;
}

static enum err unstage(struct staging *s, enum err err)
{
    for (int i = 0; i < s->n; i++) {
        struct stage *st = &s->stage[i];
        if (!err && st->written && st->device->size)
            err = cuda_from_host(st->device->p, st->host.p, st->device->size);
        if (st->host.p) host_free(st->host.p, st->host.size);
    }
    return err;
}

/* The call's tensors are those of the device again at the end. */
static enum err run_on_host(struct op_call *c)
{
    struct op_value arg[OP_ARGS];
    size_t n = (size_t)c->n_results;
    struct staging s = {.c = c};
    struct plumb_tensor **result = arena_array(c->arena, n + 1, sizeof *result);
    s.stage = arena_array(c->arena, (size_t)op_slot(c, c->op->s.n_params) + n + 1, sizeof *s.stage);
    if (!result || !s.stage) FAIL(ERR_NOMEM, "out of memory for a call on the host");
    memcpy(arg, c->arg, sizeof arg);
    memcpy(result, c->result, n * sizeof *result);
    enum err err = stage_arguments(&s);
    on_host = true;
    if (!err) err = c->op->run(c);
    on_host = false;
    err = unstage(&s, err);
    memcpy(c->arg, arg, sizeof arg);
    memcpy(c->result, result, n * sizeof *result);
    return err;
}

const struct backend backend_cuda = {
    .name = "cuda",
    .device = "cuda:0",
    .computes = true,
    .start = cuda_start,
    .alloc = cuda_alloc,
    .free = cuda_free,
    .run_nest = cuda_run_nest,
    .run_opaque = run_on_host,
    .code = &code_of_cuda,
    .digest = cuda_digest,
    .to_host = cuda_to_host,
    .from_host = cuda_from_host,
    .sync = cuda_sync,
    .now = host_now,
};
