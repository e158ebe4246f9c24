/* test_gpu_suite.c - the loop nests of the operator suite in CUDA C: run on this processor
 * (cuda_host.h) and, where there is one, on a device of NVIDIA, each compared bit for bit with the
 * interpreter; built for devices that are not here.
 *
 *   first pass   samples run interpreted; the class of each nest that is met becomes a kernel
 *   second pass  each nest runs interpreted and as its kernel on copies of the arrays
 *
 * Some operators in one dtype; PLUMB_SUITE=all: all, in all (make test-cuda).
 */
#include "tests/unit/suite_run.h"

#include <sys/mman.h>

#include "runtime/compile/gpu_build.h"
#include "runtime/cuda_code.h"
#include "tests/unit/cuda_host.h"
#include "tests/unit/gpu_builds.h"
#include "tests/unit/samples_move.c"
#include "tests/unit/samples_nn.c"
#include "tests/unit/samples_point.c"
#include "tests/unit/samples_reduce.c"

enum { KERNELS = 8192, CHUNK = 128, CHUNKS = KERNELS / CHUNK, BIG = 4096 };

static struct {
    struct map class; /* -> number of the kernel */
    struct code_kernel kernel[KERNELS];
    struct code_launch launch[KERNELS];
    int number[KERNELS]; /* in its chunk */
    char name[KERNELS][32];
    int n;
    void *library[CHUNKS];          /* on this processor */
    struct cuda_code *code[CHUNKS]; /* on a device */
    int64_t runs;
} gpu;

static void must(enum err err)
{
    if (err) fail_msg("%s", err_text());
}

static int64_t *find(const struct nest_run *run, struct nest_shape *s, bool add)
{
    struct nest_class class;
    nest_shape(run->nest, run->plan, s);
    size_t n = nest_class(run->nest, s, &class);
    struct map_key key = map_key((struct span){(const char *)&class, n});
    return add ? map_put(&gpu.class, key, -1, NULL) : map_get(&gpu.class, key);
}

/* ---- the first pass ---- */

static enum err gather(const struct nest_run *run)
{
    struct nest_shape s;
    int64_t *at = find(run, &s, true);
    if (*at < 0 && gpu.n < KERNELS && s.rows && s.columns) {
        int i = gpu.n++;
        struct nest_plan *plan = malloc(sizeof *plan);
        *plan = *run->plan;
        *at = i;
        snprintf(gpu.name[i], sizeof gpu.name[i], "pl_suite_%d", i);
        gpu.number[i] = i % CHUNK;
        gpu.kernel[i] =
            (struct code_kernel){.name = gpu.name[i], .nest = run->nest, .plan = plan, .shape = s};
        gpu.launch[i] =
            (struct code_launch){.name = gpu.name[i], .kernel = &gpu.number[i], .n_kernels = 1};
    }
    return nest_interpret(run);
}

static struct code_spec chunk_spec(int chunk)
{
    int first = chunk * CHUNK, n = gpu.n - first < CHUNK ? gpu.n - first : CHUNK;
    return (struct code_spec){.kernel = gpu.kernel + first,
                              .n_kernels = n,
                              .launch = gpu.launch + first,
                              .n_launches = n};
}
static int n_chunks(void)
{
    return (gpu.n + CHUNK - 1) / CHUNK;
}

/* ---- the second pass ---- */

/* Memory that arrays of a call have in common, and its likeness. */
struct part {
    char *low, *high, *mine; /* of this processor */
    char *pages;
    size_t pages_size;
    cuda_pointer device;
};
struct parts {
    struct part part[NEST_ARRAYS];
    int n;
};

static void extent(const struct nest_run *run, int array, char **low, char **high)
{
    const struct nest_lie *lie = &run->plan->lie[array];
    int64_t first = lie->offset, last = first;
    int64_t size = (int64_t)dtype_size(run->nest->array[array].dtype);
    for (int d = 0; d < run->plan->n_outer + run->plan->n_inner; d++) {
        int64_t far = lie->stride[d] * (run->plan->size[d] - 1);
        *(far < 0 ? &first : &last) += far;
    }
    for (int k = 0; k < run->nest->array[array].n_indexed; k++)
        last += lie->index_stride[k] * (lie->index_size[k] ? lie->index_size[k] - 1 : 0);
    *low = (char *)run->base[array] + first * size;
    *high = (char *)run->base[array] + (last + 1) * size;
}

/* Ranges that meet become one, so that what lies together does so in the likeness. */
static void add_part(struct parts *p, char *low, char *high)
{
    for (int i = 0; i < p->n; i++) {
        struct part *o = &p->part[i];
        if (high <= o->low || o->high <= low) continue;
        low = low < o->low ? low : o->low;
        high = high > o->high ? high : o->high;
        *o = p->part[--p->n];
        i = -1;
    }
    p->part[p->n++] = (struct part){.low = low, .high = high};
}

static const struct part *part_of(const struct parts *p, const char *at)
{
    for (int i = 0; i < p->n; i++)
        if (at >= p->part[i].low && at < p->part[i].high) return &p->part[i];
    fail_msg("an array is nowhere");
    return NULL;
}

/* Between pages that nobody may touch: up to the one behind it, or from the one before it on, so
 * that what a kernel reads or writes outside stops the test. */
static void guard_part(struct part *p, bool at_end)
{
    size_t n = (size_t)(p->high - p->low), page = 4096, inside = (n + page - 1) / page * page;
    p->pages_size = inside + 2 * page;
    p->pages = mmap(NULL, p->pages_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p->pages != MAP_FAILED);
    must(mprotect(p->pages + page, inside, PROT_READ | PROT_WRITE) ? ERR_IO : ERR_OK);
    p->mine = p->pages + page + (at_end ? inside - n : 0);
    memcpy(p->mine, p->low, n);
}

static void free_parts(struct parts *p)
{
    for (int i = 0; i < p->n; i++) munmap(p->part[i].pages, p->part[i].pages_size);
}

static void copy_parts(const struct nest_run *run, struct parts *p)
{
    char *low, *high;
    p->n = 0;
    for (int i = 0; i < run->nest->n_arrays; i++) {
        extent(run, i, &low, &high);
        if (run->base[i] && high > low) add_part(p, low, high);
    }
    for (int i = 0; i < p->n; i++) guard_part(&p->part[i], gpu.runs % 4 != 1);
}

static void compare(const struct nest_run *run, struct parts *p, const char *where)
{
    for (int i = 0; i < p->n; i++) {
        size_t n = (size_t)(p->part[i].high - p->part[i].low), at = 0;
        if (memcmp(p->part[i].low, p->part[i].mine, n)) {
            while (p->part[i].low[at] == p->part[i].mine[at]) at++;
            struct buf b = {0};
            nest_text(run->nest, &b);
            fail_msg("%s(%s) in %s %s: byte %zu of %zu differs\n%s", suite.at->op, suite.at->args,
                     dtype_name(suite.at->dtype), where, at, n, b.p);
        }
    }
    free_parts(p);
}

static enum err run_here(int i, struct code_args *args)
{
    static int64_t number[BIG];
    static const int blocks[] = {0, 32, 96, 256};
    struct code_spec s = chunk_spec(i / CHUNK);
    void *arg[HOST_ARGS] = {number + CODE_GPU_FAULT, number};
    struct code_gpu_grid grid = code_gpu_grid(&s, i % CHUNK, blocks[gpu.runs % 4]);
    memset(number, 0, CODE_GPU_FAULT * sizeof *number);
    code_gpu_numbers(&s, i % CHUNK, &grid, args, number + CODE_GPU_FAULT);
    memcpy(arg + 2, args->base, NEST_ARRAYS * sizeof *arg);
    const char *bad =
        cuda_host_run(gpu.library[i / CHUNK], gpu.name[i], grid.blocks, grid.block, arg);
    if (bad) fail_msg("%s: %s", gpu.name[i], bad);
    return code_gpu_fault(&s, i % CHUNK, number);
}

static void to_device(struct parts *p)
{
    const struct cuda_driver *d;
    must(cuda_open(&d));
    for (int i = 0; i < p->n; i++) {
        size_t n = (size_t)(p->part[i].high - p->part[i].low);
        must(cuda_check(d->alloc(&p->part[i].device, n), "memory"));
        must(cuda_check(d->to_device(p->part[i].device, p->part[i].mine, n), "copying"));
    }
}

static void from_device(struct parts *p)
{
    const struct cuda_driver *d;
    must(cuda_open(&d));
    for (int i = 0; i < p->n; i++) {
        size_t n = (size_t)(p->part[i].high - p->part[i].low);
        must(cuda_check(d->to_host(p->part[i].mine, p->part[i].device, n), "copying back"));
        must(cuda_check(d->free(p->part[i].device), "giving back"));
    }
}

/* The kernel of the nest, with the plan of this call. */
static enum err run_kernel(int i, const struct nest_run *run, struct parts *p)
{
    struct code_kernel kept = gpu.kernel[i];
    struct code_args args = {.param = run->param, .seed = run->seed, .stream = run->stream};
    bool device = gpu.code[i / CHUNK] != NULL;
    enum err err;
    gpu.kernel[i].nest = run->nest;
    gpu.kernel[i].plan = run->plan;
    nest_shape(run->nest, run->plan, &gpu.kernel[i].shape);
    if (device) to_device(p);
    for (int k = 0; k < run->nest->n_arrays; k++) {
        char *low, *high;
        extent(run, k, &low, &high);
        if (!run->base[k] || high <= low) continue;
        const struct part *part = part_of(p, low);
        char *base = device ? (char *)(uintptr_t)part->device : part->mine;
        args.base[k] =
            base +
            ((char *)run->base[k] +
             run->plan->lie[k].offset * (int64_t)dtype_size(run->nest->array[k].dtype) - part->low);
    }
    if (device) {
        struct code_spec s = chunk_spec(i / CHUNK);
        err = cuda_code_run(gpu.code[i / CHUNK], &s, i % CHUNK, &args);
        from_device(p);
    } else err = run_here(i, &args);
    gpu.kernel[i] = kept;
    gpu.runs++;
    return err;
}

static enum err check(const struct nest_run *run)
{
    struct nest_shape s;
    struct parts p;
    int64_t *at = find(run, &s, false);
    if (!at || *at < 0) return nest_interpret(run);
    copy_parts(run, &p);
    enum err want = nest_interpret(run);
    char said[ERR_TEXT];
    snprintf(said, sizeof said, "%s", want ? err_text() : "");
    enum err got = run_kernel((int)*at, run, &p);
    if (want != got) fail_msg("%s: %s; the kernel: %s", suite.at->op, said, got ? err_text() : "");
    if (want) { /* which places were written before it was found is left open */
        free_parts(&p);
        return err_set(want, "%s", said);
    }
    compare(run, &p, gpu.code[0] ? "on the device" : "on the CPU");
    return ERR_OK;
}

/* ---- samples ---- */

static void run_sample(const struct sample *s)
{
    const struct op *op = suite_op(s->op), *table;
    enum dtype taken[SUITE_DTYPES];
    int n = 0, rows;
    bool all = getenv("PLUMB_SUITE") != NULL;
    must(op_table(&table, &rows));
    if (!all && (op - table) % 16 != 5) return;
    for (int i = 0; i < SUITE_DTYPES; i++)
        if (suite_takes(op, s, suite_dtypes[i])) taken[n++] = suite_dtypes[i];
    if (!all && n) taken[0] = taken[suite_seed(s, DTYPE_F32) % (uint64_t)n], n = 1;
    for (int i = 0; i < n; i++) suite_one(op, s, taken[i]);
}

static void run_samples(enum err (*run_nest)(const struct nest_run *))
{
    static struct backend b;
    suite_open(SUITE_PLAIN);
    b = backend_cpu;
    b.run_nest = run_nest;
    thread_self.session->backend = &b;
    for (size_t i = 0; i < sizeof samples_move / sizeof(struct sample); i++)
        run_sample(&samples_move[i]);
    for (size_t i = 0; i < sizeof samples_nn / sizeof(struct sample); i++)
        run_sample(&samples_nn[i]);
    for (size_t i = 0; i < sizeof samples_point / sizeof(struct sample); i++)
        run_sample(&samples_point[i]);
    for (size_t i = 0; i < sizeof samples_reduce / sizeof(struct sample); i++)
        run_sample(&samples_reduce[i]);
    assert_int_equal(plumb_close(), 0);
}

/* Every kernel of the suite is printed. */
static void check_all_printed(void)
{
    int n = 0;
    for (int i = 0; i < gpu.n; i++) {
        struct code_text text;
        struct code_spec s = {.kernel = &gpu.kernel[i], .n_kernels = 1};
        enum err err = code_print_opencl(&s, &text);
        code_text_release(&text);
        if (err) print_message("not printed: %s\n", err_text());
        n += err != ERR_OK;
        err_clear();
    }
    assert_int_equal(n, 0);
}

static int gather_kernels(void **state)
{
    (void)state;
    run_samples(gather);
    print_message("%d kernels\n", gpu.n);
    check_all_printed();
    return 0;
}

/* ---- tests ---- */

static void test_here(void **state)
{
    (void)state;
    if (!CUDA_HOST_RUNS || !cuda_host_is_here()) {
        print_message("not run: CUDA C on the CPU (%s)\n",
                      CUDA_HOST_RUNS ? "clang-14 is absent" : "not under a sanitizer");
        skip();
    }
    for (int c = 0; c < n_chunks(); c++) {
        struct code_spec s = chunk_spec(c);
        struct buf text = {0};
        char path[150];
        must(code_gpu_text(&s, true, &text));
        snprintf(path, sizeof path, "%s/suite%d", unit_folder(), c);
        gpu.library[c] = cuda_host_build(text.p, path);
        assert_non_null(gpu.library[c]);
        buf_release(&text);
    }
    run_samples(check);
    print_message("%lld calls\n", (long long)gpu.runs);
}

static void test_device(void **state)
{
    (void)state;
    const struct cuda_driver *d;
    gpu.runs = 0;
    if (cuda_open(&d) || !nvrtc_version()) {
        print_message("not run: kernels on a device of NVIDIA (%s)\n", err_text());
        err_clear();
        skip();
    }
    for (int c = 0; c < n_chunks(); c++) {
        struct code_spec s = chunk_spec(c);
        must(cuda_code_build(&s, &gpu.code[c]));
    }
    run_samples(check);
    print_message("%s (%s): %lld calls gave the interpreter's bits\n", d->device, d->arch,
                  (long long)gpu.runs);
}

/* Each text for each device that has a builder; long, so only where it is asked for. */
static void test_builds(void **state)
{
    (void)state;
    if (!getenv("PLUMB_BUILDS")) {
        print_message("not run: builds for devices that are not here (PLUMB_BUILDS)\n");
        skip();
    }
    for (int c = 0; c < n_chunks(); c++) {
        struct code_spec s = chunk_spec(c);
        gpu_builds_add(&s);
    }
    gpu_builds_run();
}

static int remove_folder(void **state)
{
    (void)state;
    char command[120];
    snprintf(command, sizeof command, "rm -rf %s", unit_folder());
    return system(command);
}

/* test_gpu_suite NAME: that test alone. */
int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_here), cmocka_unit_test(test_device),
                                       cmocka_unit_test(test_builds)};
    return cmocka_run_group_tests(tests, gather_kernels, remove_folder);
}
