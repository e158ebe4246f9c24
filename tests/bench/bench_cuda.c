/* bench_cuda.c - compiled kernels on a device of NVIDIA: time of each by events, and bytes that it
 * reads and writes in that time, beside a copy of as many.
 *
 *     bench_cuda [MIB [TIMES]]
 *
 * Tensors of MIB (default 256) of f32; each launch is run TIMES (20) in a row. The back end of the
 * session is that of the device, but its launches are timed. Without a device one line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plumb.h"
#include "runtime/compile/compiled.h"
#include "runtime/compile/gpu_build.h"
#include "runtime/cuda_code.h"
#include "runtime/session.h"

enum { LAUNCHES = 256, COLUMNS = 4096, LISTS = 64 };
static int64_t mib = 256;
static int times = 20;
static struct backend timing;
static struct backend_code timing_code;
static const struct backend *cuda;

static _Noreturn void stop(const char *what, const char *why)
{
    fprintf(stderr, "bench_cuda: %s: %s\n", what, why);
    exit(1);
}
static void must(int rc)
{
    if (rc) stop("plumb", plumb_error());
}
static struct plumb_tensor *must_have(struct plumb_tensor *t)
{
    if (!t) stop("plumb", plumb_error());
    return t;
}

/* ---- the back end ---- */

/* As the device's own, and what it takes to launch it again. */
struct timed_code {
    void *code;             /* of the device's back end */
    struct cuda_code *mine; /* the same kernels */
    struct code_spec spec;
    double ns[LAUNCHES];
};
static struct timed_code *last;

static enum err build(const struct code_spec *s, void **out)
{
    struct timed_code *c = calloc(1, sizeof *c);
    if (!c || s->n_launches > LAUNCHES) stop("building", "too many launches, or no memory");
    c->spec = *s; /* lives in the arena of the compile */
    TRY(cuda->code->build(s, &c->code));
    if (s->n_launches) TRY(cuda_code_build(s, &c->mine));
    last = *out = c;
    return ERR_OK;
}

static void release(void *code)
{
    struct timed_code *c = code;
    cuda->code->free(c->code);
    cuda_code_free(c->mine);
    free(c);
}

static enum err run(const void *code, int launch, const struct code_args *args)
{
    struct timed_code *c = (struct timed_code *)code;
    TRY(cuda->code->run(c->code, launch, args));
    return cuda_code_time(c->mine, &c->spec, launch, args, times, &c->ns[launch]);
}

static struct code_resources resources(const void *code, int launch)
{
    return cuda->code->resources(((const struct timed_code *)code)->code, launch);
}

/* ---- what is timed ---- */

#define FUNCTION(name)                                                                             \
    static int name(void *context, struct plumb_tensor *const *in, int n_in,                       \
                    struct plumb_tensor **out, int n_out)
#define UNUSED (void)context, (void)in, (void)n_in, (void)out, (void)n_out

FUNCTION(copy)
{
    UNUSED;
    return (out[0] = plumb_clone(in[0])) ? 0 : -1;
}
FUNCTION(chain)
{
    UNUSED;
    struct plumb_tensor *x = plumb_mul(in[0], in[1]);
    for (int i = 0; i < 4; i++) x = plumb_mul_scalar(plumb_relu(plumb_add(x, in[1])), 0.5);
    return (out[0] = x) ? 0 : -1;
}
FUNCTION(gelu)
{
    UNUSED;
    return (out[0] = plumb_gelu(in[0], "none")) ? 0 : -1;
}
FUNCTION(transposed)
{
    UNUSED;
    return (out[0] = plumb_add(plumb_t(in[0]), plumb_t(in[1]))) ? 0 : -1;
}
FUNCTION(softmax)
{
    UNUSED;
    return (out[0] = plumb_softmax_int(in[0], -1, 0)) ? 0 : -1;
}
FUNCTION(layer_norm)
{
    UNUSED;
    const int64_t shape[] = {COLUMNS};
    return (out[0] = plumb_layer_norm(in[0], shape, 1, NULL, NULL, 1e-5, false)) ? 0 : -1;
}
FUNCTION(sum_of_rows)
{
    UNUSED;
    const int64_t dim[] = {1};
    return (out[0] = plumb_sum_dim_intlist(in[0], dim, 1, false, 0)) ? 0 : -1;
}
FUNCTION(sum_of_columns)
{
    UNUSED;
    const int64_t dim[] = {0};
    return (out[0] = plumb_sum_dim_intlist(in[0], dim, 1, false, 0)) ? 0 : -1;
}
FUNCTION(scan)
{
    UNUSED;
    return (out[0] = plumb_cumsum(in[0], 1, 0)) ? 0 : -1;
}
/* Combined: many small ones. */
FUNCTION(list)
{
    UNUSED;
    for (int i = 0; i < LISTS; i++) {
        struct plumb_tensor *row = plumb_select_int(in[0], 0, i);
        if (!(out[i] = plumb_exp(plumb_mul_scalar(row, 0.5)))) return -1;
    }
    return 0;
}

static const struct {
    const char *name;
    plumb_function fn;
    int n_out;
} cases[] = {
    {"copy", copy, 1},
    {"chain of 13, two inputs", chain, 1},
    {"gelu", gelu, 1},
    {"sum of two transposed", transposed, 1},
    {"softmax", softmax, 1},
    {"layer norm", layer_norm, 1},
    {"sums of rows", sum_of_rows, 1},
    {"sums of columns", sum_of_columns, 1},
    {"scan of rows", scan, 1},
    {"64 rows, each alone", list, LISTS},
};

static struct plumb_tensor *make_input(double scale)
{
    int64_t rows = mib * (1 << 20) / 4 / COLUMNS, size[] = {rows > LISTS ? rows : LISTS, COLUMNS};
    struct plumb_tensor *t = must_have(plumb_tensor(PLUMB_F32, 2, size, NULL));
    must_have(plumb_uniform_(t, -scale, scale));
    return t;
}

/* A line per launch; the copy's bytes per ns, of which the others are told as a part. */
static void print_launches(const char *name, const struct program *p, double *of_copy)
{
    for (size_t i = 0; i < p->launch.n; i++) {
        const struct program_launch *l = &p->launch.p[i];
        if (l->code < 0) continue;
        double ns = last->ns[l->code], rate = (double)(l->bytes_read + l->bytes_written) / ns;
        struct code_resources r = code_resources(p->code, l->code);
        if (!*of_copy) *of_copy = rate;
        printf("  %-24s %-40.40s %10.1f us %8.1f GB/s %5.1f %% of copy  %3d registers\n", name,
               l->name, ns / 1e3, rate, 100 * rate / *of_copy, r.registers);
    }
}

static void run_case(int i, double *of_copy)
{
    struct plumb_tensor *out[LISTS];
    must(plumb_frame_begin());
    struct plumb_tensor *in[] = {make_input(2), make_input(1)};
    struct plumb_compiled *c = plumb_compile(cases[i].name, cases[i].fn, NULL, NULL);
    if (!c || plumb_compiled_call(c, in, 2, out, cases[i].n_out)) stop("plumb", plumb_error());
    if (c->n_entries != 1 || *c->entry[0]->broken) stop(cases[i].name, c->entry[0]->broken);
    print_launches(cases[i].name, &c->entry[0]->forward, of_copy);
    plumb_frame_end();
}

int main(int argc, char **argv)
{
    const struct cuda_driver *d;
    double of_copy = 0;
    if (argc > 1) mib = atoll(argv[1]);
    if (argc > 2) times = atoi(argv[2]);
    if (mib < 1 || times < 1) stop("arguments", "MIB and TIMES are numbers from 1 on");
    if (cuda_open(&d) || !nvrtc_version()) {
        printf("  not run: kernels on a device of NVIDIA: %s\n", err_text());
        return 0;
    }
    must(backend_find("cuda", &cuda));
    timing = *cuda;
    timing_code = (struct backend_code){"cuda", build, release, run, resources, cuda->code->fits};
    timing.code = &timing_code;
    if (!plumb_open(&(struct plumb_options){.backend = "cuda", .determinism = PLUMB_EXACT}))
        stop("plumb", plumb_error());
    thread_self.session->backend = &timing;
    printf("  %s (%s), CUDA %s of the driver, NVRTC %s; tensors of %lld MiB\n", d->device, d->arch,
           d->cuda, nvrtc_version(), (long long)mib);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_case((int)i, &of_copy);
    must(plumb_close());
    return 0;
}
