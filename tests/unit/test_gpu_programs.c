/* test_gpu_programs.c - the kernels of the compiled workloads, fused and combined, built for
 * devices that are not here: registers are told and spills stay within a budget.
 *
 * The programs run on the CPU; the back end of the session hands each compile's kernels on. With
 * PLUMB_BUILDS=TABLE each launch of all workloads is built for each device, which takes long.
 */
#include "tests/unit/gpu_builds.h"

#include "runtime/session.h"
#include "runtime/work.h"

extern const struct backend backend_cpu;

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { BUILDS = 0 }; /* the builders are not ours to judge */
#else
enum { BUILDS = 1 };
#endif

static struct backend handing;          /* the CPU's, but for compiled kernels */
static const struct gpu_target *target; /* NULL: kernels are gathered for all */
static int n_programs, n_launches, most;

static void check(const struct code_spec *s, const struct gpu_built *b, const char *device,
                  struct code_resources (*told)(const struct gpu_built *, const char *))
{
    for (int i = 0; i < s->n_launches; i++) {
        struct code_resources r = told(b, s->launch[i].name);
        if (r.registers <= 0) fail_msg("%s: nothing is told of %s", device, s->launch[i].name);
        if (r.spill_bytes > GPU_SPILL_BUDGET)
            fail_msg("%s: %s spills %d bytes", device, s->launch[i].name, r.spill_bytes);
        if (r.registers > most) most = r.registers;
    }
}

static void build_for(const struct code_spec *s, const char *device, bool cuda)
{
    struct buf text = {0};
    struct gpu_built b;
    enum err err = code_gpu_text(s, cuda, &text);
    if (err) fail_msg("%s", err_text());
    err = cuda ? nvrtc_build(buf_text(&text), device, &b)
               : ocloc_build(buf_text(&text), device, true, &b);
    buf_release(&text);
    if (err == ERR_UNSUPPORTED) {
        print_message("not run: %s: %s\n", device, err_text());
        err_clear();
        return;
    }
    if (err) fail_msg("%s", err_text());
    check(s, &b, device, cuda ? nvrtc_resources : ocloc_resources);
    gpu_built_release(&b);
}

static enum err build(const struct code_spec *s, void **out)
{
    struct code *c;
    n_programs++;
    n_launches += s->n_launches;
    if (!target) gpu_builds_add(s);
    else if (BUILDS && s->n_launches) build_for(s, target->name, target->cuda);
    thread_self.session->backend = &backend_cpu;
    enum err err = code_build(s, &c);
    thread_self.session->backend = &handing;
    *out = c;
    return err;
}

static void release(void *code)
{
    code_free(code);
}

static enum err run(const void *code, int launch, const struct code_args *args)
{
    return code_run(code, launch, args, 1);
}

static struct code_resources resources(const void *code, int launch)
{
    return code_resources(code, launch);
}

static const struct backend_code by_hand = {"c", build, release, run, resources, code_gpu_fits};

static void run_workload(int (*workload)(struct work *w), const struct gpu_target *t)
{
    struct work w = {.steps = 1, .batch = 2, .seed = 1, .dtype = PLUMB_F32, .compile = true};
    target = t;
    n_programs = n_launches = most = 0;
    if (!plumb_open(&(struct plumb_options){.seed = 1})) fail_msg("%s", plumb_error());
    handing = backend_cpu;
    handing.code = &by_hand;
    thread_self.session->backend = &handing;
    if (workload(&w)) fail_msg("%s", plumb_error());
    assert_int_equal(plumb_close(), 0);
    print_message("%d compiles, %d launches for %s, at most %d registers\n", n_programs, n_launches,
                  t ? t->name : "each device", most);
    assert_true(n_programs > 0 && n_launches > 0);
}

static void test_mlp(void **state)
{
    (void)state;
    run_workload(work_mlp, &gpu_targets[0]); /* sm_80 */
    run_workload(work_mlp, &gpu_targets[2]); /* skl */
}
static void test_gpt(void **state)
{
    (void)state;
    run_workload(work_gpt, &gpu_targets[1]); /* sm_90 */
}

/* Each text of all three for each device that has a builder. */
static void test_builds(void **state)
{
    (void)state;
    if (!getenv("PLUMB_BUILDS")) {
        print_message("not run: builds of all programs for all devices (PLUMB_BUILDS)\n");
        skip();
    }
    run_workload(work_mlp, NULL);
    run_workload(work_gpt, NULL);
    run_workload(work_optimizer, NULL);
    gpu_builds_run();
}

/* test_gpu_programs NAME: that test alone. */
int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mlp), cmocka_unit_test(test_gpt),
                                       cmocka_unit_test(test_builds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
