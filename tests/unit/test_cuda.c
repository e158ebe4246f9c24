/* test_cuda.c - back end cuda where there is a driver: a device of NVIDIA, or the driver that is
 * none (tests/fake, tests/system/test_cuda.py); elsewhere it says so and is skipped.
 *
 * Programs run on the CPU as they are and on the device compiled: they see the same, bit for bit.
 */
#include "tests/unit/compiled_both.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/compile/code.h"
#include "runtime/compile/gpu_build.h"
#include "runtime/cuda_driver.h"

/* ---- the driver ---- */

/* In a process of its own: what cuda_open says of the device that is named so. */
static void says_of_device(const char *name, const char *part)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        const struct cuda_driver *d;
        setenv("PLUMB_CUDA_DEVICE", name, 1);
        _exit(cuda_open(&d) != ERR_UNSUPPORTED || !strstr(err_text(), part));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* The driver is not open yet when this process asks itself. */
static bool is_here(void)
{
    const struct cuda_driver *d;
    int status;
    pid_t child = fork();
    if (!child) _exit(cuda_open(&d) || !nvrtc_version());
    return waitpid(child, &status, 0) == child && !status;
}

TEST(absent)
{
    print_message("not run: back end cuda (no driver or no NVRTC)\n");
    skip();
}

TEST(number_of_a_device)
{
    says_of_device("first", "PLUMB_CUDA_DEVICE is 'first'");
    says_of_device("-1", "numbers from 0 to");
    says_of_device("4711", "PLUMB_CUDA_DEVICE is '4711'");
    says_of_device("99999999999999999999", "numbers from 0 to");
}

TEST(forked)
{
    const struct cuda_driver *d;
    int status;
    must(cuda_open(&d));
    pid_t child = fork();
    if (!child) _exit(cuda_open(&d) != ERR_UNSUPPORTED || !strstr(err_text(), "forked"));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    must(cuda_open(&d));
}

/* ---- programs ---- */

static void run_on_device(void (*program)(void))
{
    run_once(&eager, program, PLUMB_EXACT, "cpu");
    run_once(&compiled, program, PLUMB_EXACT, "cuda");
    assert_int_equal(eager.n, compiled.n);
    for (size_t k = 0; k < eager.n; k++)
        if (eager.seen[k] != compiled.seen[k])
            fail_msg("byte %zu of %zu that the program saw differs", k, eager.n);
    for (int i = 0; i < compiled.n_functions; i++)
        for (int k = 0; k < compiled.of[i].entries; k++)
            assert_string_equal(compiled.of[i].broken[k], "");
}

/* Also as they are: what the function calls runs there alone. */
static void run_as_it_is_on_device(void (*program)(void))
{
    run_once(&eager, program, PLUMB_EXACT, "cpu");
    compiled = eager;
    run_once(&eager, program, PLUMB_EXACT, "cuda");
    assert_int_equal(eager.n, compiled.n);
    assert_memory_equal(eager.seen, compiled.seen, eager.n);
}

/* Sizes 0 and 1, of outer and inner loops. */
FUNCTION(of_any_size)
{
    UNUSED;
    GIVES(0, plumb_softmax_int(plumb_relu(in[0]), -1, 0));
    GIVES(1, plumb_cumsum(in[0], -1, 0));
    GIVES(2, plumb_sum(in[0], 0));
    GIVES(3, plumb_add(plumb_cumprod(in[0], 0, 0), plumb_t(plumb_t(in[0]))));
    return 0;
}
static void sizes_program(void)
{
    static const int64_t sizes[][2] = {{0, 0}, {0, 3}, {3, 0}, {1, 1}, {1, 5}, {5, 1}};
    struct plumb_tensor *y[4];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        must(call(of_any_size, IN(numbers(sizes[i][0], sizes[i][1], 1)), 1, y, 4));
        for (int k = 0; k < 4; k++) note(y[k]);
    }
}
TEST(sizes)
{
    run_on_device(sizes_program);
    run_as_it_is_on_device(sizes_program);
}

/* More sums of long rows than the local memory of a group holds at once. */
enum { MANY = 14, LONG_ROW = 2500 };
FUNCTION(many_sums)
{
    UNUSED;
    for (int i = 0; i < MANY; i++)
        GIVES(i, plumb_sum_dim_intlist(plumb_mul_scalar(in[0], i + 0.5), ((int64_t[]){1}), 1, false,
                                       0));
    return 0;
}
static struct plumb_tensor *long_rows(void)
{
    static double v[3 * LONG_ROW];
    for (int i = 0; i < 3 * LONG_ROW; i++) v[i] = (double)(i * 37 % 61 - 30) / 23;
    return plumb_tensor(PLUMB_F64, 2, (int64_t[]){3, LONG_ROW}, v);
}
static void many_sums_program(void)
{
    struct plumb_tensor *y[MANY];
    must(call(many_sums, IN(long_rows()), 1, y, MANY));
    for (int i = 0; i < MANY; i++) note(y[i]);
}
TEST(local_memory)
{
    run_on_device(many_sums_program);
}

/* ---- combos ---- */

/* The device's back end, which dispatches all combos in one way, or (-1) as they are planned. */
static struct backend forced;
static struct backend_code forced_code;
static int way, n_combos[3];

static enum err build_forced(const struct code_spec *s, void **out)
{
    const struct backend *cuda;
    TRY(backend_find("cuda", &cuda));
    struct code_launch *l = calloc((size_t)s->n_launches + 1, sizeof *l);
    for (int i = 0; i < s->n_launches; i++) {
        l[i] = s->launch[i];
        if (!l[i].combo) continue;
        struct combo_group *g = malloc(sizeof *g); /* for as long as the code lives: left */
        *g = *l[i].combo;
        if (way >= 0) g->dispatch = (enum combo_dispatch)way;
        l[i].combo = g;
        n_combos[g->dispatch]++;
    }
    struct code_spec changed = *s;
    changed.launch = l;
    enum err err = cuda->code->build(&changed, out);
    free(l);
    return err;
}

/* Pointwise ones of equal and of different sizes, rows, and columns, none of which needs another:
 * launches of each kind. */
FUNCTION(independent)
{
    UNUSED;
    for (int i = 0; i < 3; i++) GIVES(i, plumb_relu(in[i]));
    for (int i = 0; i < 3; i++) GIVES(3 + i, plumb_exp(in[3 + i]));
    for (int i = 0; i < 2; i++) GIVES(6 + i, plumb_softmax_int(in[i], 1, 0));
    for (int i = 0; i < 2; i++)
        GIVES(8 + i, plumb_sum_dim_intlist(in[i], ((int64_t[]){0}), 1, false, 0));
    return 0;
}
static struct plumb_tensor *many(int64_t n, int seed)
{
    static double v[4096];
    for (int64_t i = 0; i < n; i++) v[i] = (double)((i * 37 + seed) % 61 - 30) / 23;
    return plumb__to_copy(plumb_tensor(PLUMB_F64, 1, &n, v), PLUMB_F32);
}
static void independent_program(void)
{
    struct plumb_tensor *y[10];
    struct plumb_tensor *in[] = {numbers(12, 20, 1), numbers(12, 20, 2), numbers(12, 20, 3),
                                 many(4096, 4),      many(600, 5),       many(1000, 6)};
    if (now->compile) thread_self.session->backend = &forced;
    for (int i = 0; now->compile && i < 6; i++) in[i]->storage->backend = &forced;
    must(call(independent, in, 6, y, 10));
    for (int i = 0; i < 10; i++) note(y[i]);
}

TEST(dispatch)
{
    const struct backend *cuda;
    must(backend_find("cuda", &cuda));
    forced = *cuda;
    forced_code = *cuda->code;
    forced_code.build = build_forced;
    forced.code = &forced_code;
    for (way = -1; way < 3; way++) {
        memset(n_combos, 0, sizeof n_combos);
        run_on_device(independent_program);
        if (way >= 0) assert_true(n_combos[way] >= 2);
        else assert_true(n_combos[COMBO_SEQUENTIAL] && n_combos[COMBO_ROUND_ROBIN]);
    }
}

/* ---- threads ---- */

static void *other_thread(void *session)
{
    if (plumb_enter(session)) return "no thread of the session";
    double v[6] = {1, 2, 3, 4, 5, 6};
    if (plumb_frame_begin()) return "no frame";
    struct plumb_tensor *t = plumb_tensor(PLUMB_F64, 1, (int64_t[]){6}, v);
    double got = plumb_item(plumb_sum(plumb_mul(t, t), 0));
    plumb_frame_end();
    plumb_leave();
    return got == 91 ? NULL : "another sum";
}
TEST(threads)
{
    pthread_t thread[4];
    void *said;
    struct plumb *s = plumb_open(&(struct plumb_options){.backend = "cuda"});
    if (!s) fail_msg("%s", plumb_error());
    for (int i = 0; i < 4; i++) pthread_create(&thread[i], NULL, other_thread, s);
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], &said);
        if (said) fail_msg("%s", (char *)said);
    }
    must(plumb_close());
}

int main(void)
{
    const struct CMUnitTest nothing[] = {cmocka_unit_test(test_absent)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_number_of_a_device),
        cmocka_unit_test(test_forked),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_local_memory),
        cmocka_unit_test(test_dispatch),
        cmocka_unit_test(test_threads),
    };
    if (!is_here()) return cmocka_run_group_tests(nothing, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
