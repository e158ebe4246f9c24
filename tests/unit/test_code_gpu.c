/* test_code_gpu.c - printed CUDA C and OpenCL C give the bits of the interpreter, at every size of
 * work-group: CUDA C compiled for the CPU (cuda_host.h), OpenCL C by PoCL where it is installed.
 */
#include "nest_cases.h"

#include <sys/mman.h>

#include "cuda_host.h"
#include "opencl_host.h"
#include "runtime/backend.h"
#include "runtime/compile/code_gpu.h"
#include "runtime/compile/gpu_build.h"

enum { CASES = 128, NUMBERS = 4096 };

static char *room[ARRAYS], *expected[ARRAYS], *given[ARRAYS];
static int64_t *numbers; /* and behind them the fault */
static struct suite {
    struct test_case cases[CASES];
    struct nest nest[CASES];
    struct nest_plan plan[CASES];
    struct code_kernel kernel[CASES];
    struct code_launch launch[CASES];
    int number[CASES];
    char name[CASES][32];
    struct buf body[CASES];
    struct code_spec spec;
    int n;
} suite;

static void add(const struct test_case *t)
{
    int i = suite.n++;
    assert_true(i < CASES);
    suite.cases[i] = *t;
    make(t, &suite.nest[i], &suite.plan[i]);
    snprintf(suite.name[i], sizeof suite.name[i], "pl_case_%d", i);
    suite.kernel[i] = (struct code_kernel){
        .name = suite.name[i], .nest = &suite.nest[i], .plan = &suite.plan[i], .comment = t->body};
    nest_shape(&suite.nest[i], &suite.plan[i], &suite.kernel[i].shape);
    suite.number[i] = i;
    suite.launch[i] =
        (struct code_launch){.name = suite.name[i], .kernel = &suite.number[i], .n_kernels = 1};
}

/* Beside those of nest_cases.h: no points, one point, several levels of partials. */
static const struct test_case more[] = {
    {"out1 = sum(x) + prod(x) + amax(x)", DTYPE_F32, .n_outer = 1, .n_inner = 1, .size = {7, 0}},
    {"out1 = argmax(x) + sum(x)", DTYPE_I64, .n_outer = 1, .n_inner = 2, .size = {3, 0, 4}},
    {"out1 = sum(x) / prod(y)", DTYPE_F64, .n_outer = 1, .n_inner = 1, .size = {3, 1}},
    {"out1 = sum(x)", DTYPE_C64, .n_outer = 1, .n_inner = 1, .size = {3, 0}},
    {"out1 = sum(x); out = x", DTYPE_BF16, .n_outer = 0, .n_inner = 1, .size = {130000}},
    {"out1 = where(s > 0, argmin(x), argmax(y))", DTYPE_I64, .n_outer = 1, .n_inner = 1,
     .size = {3, 2500}},
    {"out = cumprod(x)", DTYPE_U64, .n_outer = 1, .n_inner = 1, .size = {2, 2500}},
    {"out = cumsum(x)", DTYPE_F32, .n_outer = 0, .n_inner = 1, .size = {129000}},
    {"out1 = prod(x) + sum(y)", DTYPE_C64, .n_outer = 1, .n_inner = 1, .size = {5, 100}},
    {"out1 = prod(x)", DTYPE_C128, .n_outer = 1, .n_inner = 1, .size = {3, 2500}},
    {"out = cumprod(x); out1 = prod(y)", DTYPE_C128, .n_outer = 1, .n_inner = 1, .size = {2, 1500}},
    {"out = cumsum(x)", DTYPE_C64, .n_outer = 1, .n_inner = 1, .size = {3, 0}},
};

static int make_suite(void **state)
{
    (void)state;
    for (int i = 0; i < ARRAYS; i++) {
        room[i] = malloc(CASE_ROOM);
        expected[i] = malloc(CASE_ROOM);
        given[i] = malloc(CASE_ROOM);
    }
    numbers = malloc(NUMBERS * sizeof *numbers);
    for (size_t i = 0; i < sizeof flat_cases / sizeof *flat_cases; i++) add(&flat_cases[i]);
    for (size_t i = 0; i < sizeof nested_cases / sizeof *nested_cases; i++) add(&nested_cases[i]);
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) add(&more[i]);
    for (int k = 0; k < 12; k++) {
        struct test_case t = random_case(&suite.body[k]);
        add(&t);
    }
    suite.spec = (struct code_spec){.kernel = suite.kernel,
                                    .n_kernels = suite.n,
                                    .launch = suite.launch,
                                    .n_launches = suite.n};
    return 0;
}

/* ---- one case on one machine ---- */

struct machine {
    const char *name;
    /* Runs a launch on arg[]: the numbers, the fault, the arrays. */
    void (*run)(struct machine *m, int launch, const struct code_gpu_grid *grid, void **arg);
    void *library;
};

static void expect(int i, struct nest_run *run)
{
    const struct test_case *t = &suite.cases[i];
    seed = (uint64_t)i;
    *run =
        (struct nest_run){.nest = &suite.nest[i], .plan = &suite.plan[i], .seed = 7, .stream = 9};
    fill_case(&suite.nest[i], given, run);
    for (int k = 0; k < ARRAYS; k++) {
        memcpy(expected[k], given[k], CASE_ROOM);
        run->base[k] = expected[k];
    }
    if (t->in_place) run->base[OUT] = run->base[X];
    must(nest_interpret(run));
}

static void compare(const struct machine *m, int i, int block)
{
    for (int k = 0; k < ARRAYS; k++) {
        if (!memcmp(room[k], expected[k], CASE_ROOM)) continue;
        size_t at = 0, size = dtype_size(suite.nest[i].array[k].dtype);
        while (room[k][at] == expected[k][at]) at++;
        fail_msg("case %d \"%s\" in %s on %s, blocks of %d: %s differs at element %zu", i,
                 suite.cases[i].body, dtype_name(suite.cases[i].compute), m->name, block, names[k],
                 at / size);
    }
}

static void launch_case(struct machine *m, int i, const struct nest_run *run, int block)
{
    int64_t *fault = numbers + NUMBERS - CODE_GPU_FAULT;
    void *arg[HOST_ARGS] = {numbers, fault};
    struct code_args args = {.param = run->param, .seed = run->seed, .stream = run->stream};
    struct code_gpu_grid grid = code_gpu_grid(&suite.spec, i, block);
    memset(fault, 0, CODE_GPU_FAULT * sizeof *fault);
    assert_true(code_gpu_numbers(&suite.spec, i, &grid, &args, NULL) < NUMBERS - CODE_GPU_FAULT);
    code_gpu_numbers(&suite.spec, i, &grid, &args, numbers);
    if (grid.blocks > 2 && i % 2) grid.blocks = numbers[1] = 2; /* which go on to all points */
    for (int k = 0; k < ARRAYS; k++) {
        memcpy(room[k], given[k], CASE_ROOM);
        arg[2 + k] = room[k] + suite.plan[i].lie[k].offset *
                                   (int64_t)dtype_size(suite.nest[i].array[k].dtype);
    }
    if (suite.cases[i].in_place) arg[2 + OUT] = arg[2 + X];
    if (grid.blocks) m->run(m, i, &grid, arg);
    must(code_gpu_fault(&suite.spec, i, fault));
    compare(m, i, block);
}

/* ---- CUDA C on the CPU ---- */

static void run_cuda(struct machine *m, int launch, const struct code_gpu_grid *grid, void **arg)
{
    const char *bad =
        cuda_host_run(m->library, suite.launch[launch].name, grid->blocks, grid->block, arg);
    if (bad) fail_msg("%s: %s", suite.launch[launch].name, bad);
}

static void test_cuda(void **state)
{
    (void)state;
    static const int blocks[] = {32, 128, 256, 64, 96, 0};
    struct code_text lines;
    struct buf text = {0};
    char path[150];
    must(code_print_cuda(&suite.spec, &lines));
    for (int i = 0; i < suite.n; i++) assert_true(lines.last_line[i] >= lines.first_line[i]);
    assert_null(strstr(lines.text.p, "#define"));
    assert_non_null(strstr(lines.text.p, "tiles")); /* some take columns */
    code_text_release(&lines);
    must(code_gpu_text(&suite.spec, true, &text));
    if (!CUDA_HOST_RUNS || !cuda_host_is_here()) {
        print_message("not run: CUDA C on the CPU (%s)\n",
                      CUDA_HOST_RUNS ? "clang-14 is absent" : "not under a sanitizer");
        buf_release(&text);
        skip();
    }
    snprintf(path, sizeof path, "%s/cuda", unit_folder());
    struct machine m = {.name = "CUDA C on the CPU", .run = run_cuda};
    m.library = cuda_host_build(text.p, path);
    assert_non_null(m.library);
    for (int i = 0; i < suite.n; i++) {
        struct nest_run run;
        expect(i, &run);
        for (int k = 0; k < 3; k++) launch_case(&m, i, &run, blocks[k + i % 2 * 3]);
    }
    buf_release(&text);
}

/* ---- elements beyond 2^31 ---- */

/* Three elements, two GiB apart, of memory that is there where it is touched. */
static void run_far(const struct test_case *t, const char *name)
{
    enum { APART = 1u << 31 };
    size_t room_size = 2 * (size_t)APART + 4096;
    struct nest nest;
    struct nest_plan plan;
    static const int64_t none[NEST_PARAMS];
    struct code_args args = {.param = none};
    struct buf text = {0};
    int number = 0;
    char path[150];
    unsigned char *far = mmap(NULL, room_size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(far != MAP_FAILED);
    make(t, &nest, &plan);
    plan.lie[X].stride[t->n_outer + t->n_inner - 1] = APART;
    struct code_kernel k = {.name = name, .nest = &nest, .plan = &plan};
    struct code_launch l = {.name = name, .kernel = &number, .n_kernels = 1};
    struct code_spec s = {.kernel = &k, .n_kernels = 1, .launch = &l, .n_launches = 1};
    nest_shape(&nest, &plan, &k.shape);
    must(code_gpu_text(&s, true, &text));
    snprintf(path, sizeof path, "%s/%s", unit_folder(), name);
    void *library = cuda_host_build(text.p, path),
         *arg[HOST_ARGS] = {numbers, numbers + NUMBERS / 2};
    assert_non_null(library);
    struct code_gpu_grid grid = code_gpu_grid(&s, 0, 0);
    code_gpu_numbers(&s, 0, &grid, &args, numbers);
    for (int i = 0; i < ARRAYS; i++) arg[2 + i] = room[i];
    arg[2 + X] = far;
    for (size_t i = 0; i < 3; i++) far[i * APART] = (unsigned char)(i + 5);
    assert_null(cuda_host_run(library, name, grid.blocks, grid.block, arg));
    if (t->n_inner) assert_int_equal(*(uint8_t *)room[OUT1], 18);
    else assert_memory_equal(room[OUT], "\5\6\7", 3);
    munmap(far, room_size);
    buf_release(&text);
}

static void test_far(void **state)
{
    (void)state;
    if (!CUDA_HOST_RUNS || !cuda_host_is_here()) skip();
    run_far(&(struct test_case){"out = x", DTYPE_U8, .n_outer = 1, .size = {3}}, "pl_far_0");
    run_far(
        &(struct test_case){"out1 = sum(x)", DTYPE_U8, .n_outer = 1, .n_inner = 1, .size = {1, 3}},
        "pl_far_1");
}

/* ---- several kernels in one launch ---- */

enum { MEMBERS = 3 };

/* Flat, with inner loops of one chunk, and of several. */
static const struct test_case members[MEMBERS] = {
    {"out = x + s * y", DTYPE_BF16, .n_outer = 2, .size = {30, 40}, .broadcast = 1},
    {"m = amax(x); e = exp(x - m); out = e / sum(e); out1 = m", DTYPE_F32, .n_outer = 1,
     .n_inner = 1, .size = {13, 1500}},
    {"out1 = sum(x * y)", DTYPE_F64, .n_outer = 1, .n_inner = 1, .size = {70, 33}},
};

static struct combos {
    struct nest nest[MEMBERS];
    struct nest_plan plan[MEMBERS];
    struct code_kernel kernel[MEMBERS];
    struct nest_run run[MEMBERS];
    struct code_launch launch[MEMBERS]; /* one per dispatch */
    struct combo_group group[MEMBERS];
    struct code_spec spec;
    char *memory[MEMBERS][ARRAYS], *given[MEMBERS][ARRAYS], *want[MEMBERS][ARRAYS];
    void *arg[HOST_ARGS];
} combos;

static void make_member(int m)
{
    static const char *const name[] = {"pl_poi_a_0", "pl_red_b_1", "pl_per_c_2"};
    struct combos *c = &combos;
    make(&members[m], &c->nest[m], &c->plan[m]);
    c->kernel[m] = (struct code_kernel){.name = name[m], .nest = &c->nest[m], .plan = &c->plan[m]};
    nest_shape(&c->nest[m], &c->plan[m], &c->kernel[m].shape);
    c->run[m] = (struct nest_run){.nest = &c->nest[m], .plan = &c->plan[m], .seed = 7, .stream = 9};
    for (int k = 0; k < ARRAYS; k++) {
        c->memory[m][k] = malloc(CASE_ROOM);
        c->given[m][k] = malloc(CASE_ROOM);
        c->want[m][k] = malloc(CASE_ROOM);
        c->arg[2 + m * ARRAYS + k] = c->memory[m][k];
        c->run[m].base[k] = c->want[m][k];
    }
    fill_case(&c->nest[m], c->given[m], &c->run[m]);
    for (int k = 0; k < ARRAYS; k++) memcpy(c->want[m][k], c->given[m][k], CASE_ROOM);
    must(nest_interpret(&c->run[m]));
}

/* As a plan has them: points of the flat member, rows of the others; the first launch has none. */
static struct combo_member planned[MEMBERS] = {
    {.block = {1024, 1, 0}}, {.block = {1, 1, 256}}, {.block = {16, 2, 64}}};
static const int64_t wanted_blocks[MEMBERS][MEMBERS] = {{5, 13, 70}, {2, 13, 3}, {2, 13, 3}};

static void make_combos(void)
{
    static const int number[] = {0, 1, 2};
    static const char *const name[] = {"pl_combo_fused_3", "pl_combo_fused_4", "pl_combo_fused_5"};
    struct combos *c = &combos;
    for (int m = 0; m < MEMBERS; m++) {
        make_member(m);
        c->group[m].dispatch = (enum combo_dispatch)m;
        c->group[m].member = m ? planned : NULL;
        c->launch[m] = (struct code_launch){
            .name = name[m], .kernel = number, .n_kernels = MEMBERS, .combo = &c->group[m]};
    }
    c->spec = (struct code_spec){
        .kernel = c->kernel, .n_kernels = MEMBERS, .launch = c->launch, .n_launches = MEMBERS};
    c->arg[0] = numbers;
    c->arg[1] = numbers + NUMBERS - CODE_GPU_FAULT;
}

static void run_combo(void *library, int launch, int block)
{
    struct combos *c = &combos;
    struct code_args args[MEMBERS];
    for (int m = 0; m < MEMBERS; m++) {
        args[m] = (struct code_args){.param = c->run[m].param, .seed = 7, .stream = 9};
        for (int k = 0; k < ARRAYS; k++) memcpy(c->memory[m][k], c->given[m][k], CASE_ROOM);
    }
    struct code_gpu_grid grid = code_gpu_grid(&c->spec, launch, block);
    assert_int_equal(code_gpu_arrays(&c->spec, launch), MEMBERS * ARRAYS);
    code_gpu_numbers(&c->spec, launch, &grid, args, numbers);
    for (int m = 0; m < MEMBERS; m++)
        assert_int_equal(numbers[2 * m + 1], wanted_blocks[launch][m]);
    assert_int_equal(grid.blocks, launch == COMBO_ROUND_ROBIN ? 39 : launch ? 18 : 88);
    const char *bad =
        cuda_host_run(library, c->launch[launch].name, grid.blocks, grid.block, c->arg);
    if (bad) fail_msg("%s", bad);
    for (int m = 0; m < MEMBERS; m++)
        for (int k = 0; k < ARRAYS; k++)
            if (memcmp(c->memory[m][k], c->want[m][k], CASE_ROOM))
                fail_msg("dispatch %d: %s of member %d differs", launch, names[k], m);
}

static void test_combos(void **state)
{
    (void)state;
    struct buf text = {0};
    char path[150];
    if (!CUDA_HOST_RUNS || !cuda_host_is_here()) {
        print_message("not run: combos in CUDA C on the CPU\n");
        skip();
    }
    make_combos();
    must(code_gpu_text(&combos.spec, true, &text));
    snprintf(path, sizeof path, "%s/combo", unit_folder());
    void *library = cuda_host_build(text.p, path);
    assert_non_null(library);
    buf_release(&text);
    run_combo(library, COMBO_SEQUENTIAL, 0);
    run_combo(library, COMBO_FLAT, 64);
    run_combo(library, COMBO_ROUND_ROBIN, 128);
}

/* ---- OpenCL C ---- */

static void run_opencl(struct machine *m, int launch, const struct code_gpu_grid *grid, void **arg)
{
    (void)m;
    const char *bad = opencl_host_run(suite.launch[launch].name, grid->blocks, grid->block, arg,
                                      2 + code_gpu_arrays(&suite.spec, launch));
    if (bad) fail_msg("%s: %s", suite.launch[launch].name, bad);
}

/* Every case at one size of work-group, and some of them optimised, which takes PoCL long. */
static void run_opencl_cases(const char *text, const char *options, int step)
{
    static const int blocks[] = {8, 16, 64, 0};
    struct machine m = {.name = "OpenCL C", .run = run_opencl};
    const char *log = opencl_host_build(text, options);
    if (log) fail_msg("%s", log);
    for (int i = 0; i < suite.n; i += step) {
        struct nest_run run;
        expect(i, &run);
        launch_case(&m, i, &run, blocks[i / step % 4]);
    }
}

static void test_opencl(void **state)
{
    (void)state;
    struct buf text = {0};
    char cache[100];
    must(code_gpu_text(&suite.spec, false, &text));
    snprintf(cache, sizeof cache, "%s/pocl", unit_folder());
    setenv("POCL_CACHE_DIR", cache, 1);
    const char *absent = CUDA_HOST_RUNS ? opencl_host_open() : "not under a sanitizer";
    if (absent) {
        print_message("not run: OpenCL C (%s)\n", absent);
        buf_release(&text);
        skip();
    }
    for (int i = 0; i < ARRAYS; i++) room[i] = opencl_host_alloc(CASE_ROOM);
    numbers = opencl_host_alloc(NUMBERS * sizeof *numbers);
    run_opencl_cases(text.p, "-cl-opt-disable", 2);
    run_opencl_cases(text.p, "", 13);
    buf_release(&text);
}

/* ---- code for devices that are not here ---- */

/* What every kernel of the text takes; nothing may be spilled where there are no inner loops. */
static void check_resources(const struct code_spec *s, const struct gpu_built *b,
                            const char *target,
                            struct code_resources (*told)(const struct gpu_built *, const char *))
{
    int most = 0, spills = 0;
    for (int i = 0; i < s->n_launches; i++) {
        struct code_resources r = told(b, s->launch[i].name);
        if (r.registers <= 0 || r.shared_bytes < 0 || r.spill_bytes < 0)
            fail_msg("%s: nothing is told of %s", target, s->launch[i].name);
        if (r.spill_bytes && !s->kernel[s->launch[i].kernel[0]].nest->n_inner)
            fail_msg("%s: %s spills %d bytes", target, s->launch[i].name, r.spill_bytes);
        if (r.registers > most) most = r.registers;
        spills += r.spill_bytes;
    }
    print_message("%s: %d kernels, %zu bytes, at most %d registers, %d bytes spilled, %.1f s\n",
                  target, s->n_launches, b->code.n, most, spills, (double)b->build_ns / 1e9);
}

/* Every so manyeth kernel from one on, or all with PLUMB_BUILD_ALL=1 (a minute and more). */
static void some_kernels(int from, bool f64, struct code_spec *out)
{
    static struct code_kernel kernel[CASES];
    static struct code_launch launch[CASES];
    static int number[CASES];
    int step = getenv("PLUMB_BUILD_ALL") ? 1 : 24, n = 0;
    for (int i = step == 1 ? 0 : from; i < suite.n; i += step) {
        if (!f64 && code_needs_f64(&suite.kernel[i])) continue;
        kernel[n] = suite.kernel[i];
        number[n] = n;
        launch[n] =
            (struct code_launch){.name = kernel[n].name, .kernel = &number[n], .n_kernels = 1};
        n++;
    }
    *out = (struct code_spec){.kernel = kernel, .n_kernels = n, .launch = launch, .n_launches = n};
}

static const struct target {
    const char *name;
    bool cuda, f64;
} targets[] = {{"sm_80", true, true},
               {"sm_90", true, true},
               {"skl", false, true},
               {"dg2", false, false},
               {"pvc", false, true}};

/* ERR_UNSUPPORTED: the builder is not there. */
static enum err build_for(const struct target *t, int from)
{
    struct code_spec s;
    struct buf text = {0};
    struct gpu_built b;
    some_kernels(from, t->f64, &s);
    must(code_gpu_text(&s, t->cuda, &text));
    struct span span = buf_text(&text);
    enum err err =
        t->cuda ? nvrtc_build(span, t->name, &b) : ocloc_build(span, t->name, t->f64, &b);
    buf_release(&text);
    if (err == ERR_UNSUPPORTED) return err;
    must(err);
    check_resources(&s, &b, t->name, t->cuda ? nvrtc_resources : ocloc_resources);
    gpu_built_release(&b);
    return ERR_OK;
}

static void test_devices(void **state)
{
    (void)state;
    if (!CUDA_HOST_RUNS) skip(); /* the builders are not ours to judge by sanitizers */
    for (int i = 0; i < (int)(sizeof targets / sizeof *targets); i++) {
        if (!build_for(&targets[i], i)) continue;
        print_message("not run: code for %s: %s\n", targets[i].name, err_text());
        err_clear();
    }
}

/* More values at once than any processor has registers for: the builders say so. */
static void test_spills(void **state)
{
    (void)state;
    enum { VALUES = 200 };
    struct buf body = {0};
    if (!CUDA_HOST_RUNS) skip();
    buf_puts(&body, "X_KERNEL pl_spills(X_GLOBAL double *x, X_GLOBAL const i64 *n)\n{\n");
    for (int i = 0; i < VALUES; i++)
        buf_printf(&body, "    double v%d = x[X_LID + n[%d]];\n", i, i);
    buf_puts(&body, "    X_BARRIER();\n");
    for (int i = 0; i < VALUES; i++)
        buf_printf(&body, "    x[X_LID + n[%d]] = v%d * v%d;\n", VALUES + i, i, i * 7 % VALUES);
    buf_puts(&body, "}\n");
    for (int i = 1; i <= 2; i++) { /* sm_90, skl */
        const struct target *t = &targets[i];
        struct buf text = {0};
        struct gpu_built b;
        must(code_gpu_text(&(struct code_spec){0}, t->cuda, &text));
        buf_span(&text, buf_text(&body));
        enum err err = t->cuda ? nvrtc_build(buf_text(&text), t->name, &b)
                               : ocloc_build(buf_text(&text), t->name, true, &b);
        buf_release(&text);
        if (err == ERR_UNSUPPORTED) continue;
        must(err);
        struct code_resources r =
            t->cuda ? nvrtc_resources(&b, "pl_spills") : ocloc_resources(&b, "pl_spills");
        if (r.spill_bytes < 1000) fail_msg("%s: %d bytes spilled", t->name, r.spill_bytes);
        gpu_built_release(&b);
    }
    buf_release(&body);
}

static int remove_folder(void **state)
{
    (void)state;
    char command[120];
    snprintf(command, sizeof command, "rm -rf %s", unit_folder());
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuda),    cmocka_unit_test(test_far),
        cmocka_unit_test(test_combos),  cmocka_unit_test(test_opencl),
        cmocka_unit_test(test_devices), cmocka_unit_test(test_spills),
    };
    return cmocka_run_group_tests(tests, make_suite, remove_folder);
}
