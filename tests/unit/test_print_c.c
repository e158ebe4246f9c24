/* test_print_c.c - compiled nests give the bits of interpreted ones: every construct of nest.h on
 * hostile values and layouts, random nests, 1, 2, 3 and 8 threads. */
#include "nest_cases.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/backend.h"
#include "runtime/build.h"

#ifdef __SSE2__
#include <xmmintrin.h>
#endif

static char cache[100];
static char *room[NEST_ARRAYS], *expected[NEST_ARRAYS];

static void run_case(const struct test_case *t)
{
    struct nest nest;
    struct nest_plan plan = {0};
    make(t, &nest, &plan);
    struct nest_run run = {.nest = &nest, .plan = &plan, .seed = 7, .stream = 9};
    fill_case(&nest, room, &run);
    static char *before;
    if (!before) before = malloc(CASE_ROOM);
    memcpy(before, room[X], CASE_ROOM);
    for (int i = 0; i < ARRAYS; i++) memcpy(expected[i], room[i], CASE_ROOM);
    for (int i = 0; i < ARRAYS; i++) run.base[i] = expected[i];
    if (t->in_place) run.base[OUT] = run.base[X];
    must(nest_interpret(&run));
    for (int i = 0; i < ARRAYS; i++) run.base[i] = room[i];
    if (t->in_place) run.base[OUT] = run.base[X];
    for (run.threads = 1; run.threads <= 8; run.threads += 1 + (run.threads == 3) * 4) {
        int64_t interpreted = build_stats().interpreted;
        memcpy(room[X], before, CASE_ROOM);
        must(nest_compiled(&run));
        if (build_stats().interpreted != interpreted)
            fail_msg("\"%s\" is not compiled: %s", t->body, build_note());
        for (int i = 0; i < ARRAYS; i++) {
            if (!memcmp(room[i], expected[i], CASE_ROOM)) continue;
            size_t at = 0, size = dtype_size(nest.array[i].dtype);
            while (room[i][at] == expected[i][at]) at++;
            fail_msg("\"%s\" in %s, %d threads: %s differs at element %zu", t->body,
                     dtype_name(t->compute), run.threads, names[i], at / size);
        }
    }
}

static void test_flat(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof flat_cases / sizeof *flat_cases; i++) run_case(&flat_cases[i]);
}

static void test_nested(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof nested_cases / sizeof *nested_cases; i++)
        run_case(&nested_cases[i]);
}

static void test_random_nests(void **state)
{
    (void)state;
    for (int k = 0; k < 10; k++) {
        struct buf body = {0};
        struct test_case t = random_case(&body);
        run_case(&t);
        buf_release(&body);
    }
}

/* ---- instruction sets, and a thread that was left with other rules ---- */

static void test_instruction_sets(void **state)
{
    (void)state;
    static const char *const isas[] = {"sse2", "avx2", "avx512"};
    static const struct test_case cases[] = {
        {"out = exp(x) * gelu(y) + fma(x, y, s)", DTYPE_F32, .n_outer = 1, .size = {3000}},
        {"m = amax(x); e = exp(x - m); out = e / sum(e); out1 = argmin(x)",
         DTYPE_BF16,
         {[OUT1] = DTYPE_I64},
         .n_outer = 1,
         .n_inner = 1,
         .size = {20, 1030}},
        {"out = cumsum(x); out1 = sum(x)", DTYPE_F32, .n_outer = 1, .n_inner = 1,
         .size = {3, 5000}},
        {"out1 = sum(x)", DTYPE_F64, .n_outer = 1, .n_inner = 1, .size = {70, 300},
         .transposed = true},
        {"out1 = sum(x)", DTYPE_F32, .n_outer = 1, .n_inner = 1, .size = {1030, 140},
         .transposed = true},
    };
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        if (!build_isa_present(isas[i])) {
            print_message("%s: not on this machine, not tried\n", isas[i]);
            continue;
        }
        build_set_options(&(struct build_options){.cache = cache, .isa = isas[i]});
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) run_case(&cases[k]);
    }
    build_set_options(&(struct build_options){.cache = cache});
}

#ifdef __SSE2__
static void test_flushing_thread(void **state)
{
    (void)state;
    static const struct test_case t = {"out = x * s", DTYPE_F32, .n_outer = 1, .size = {100}};
    unsigned was = _mm_getcsr(), flushing = was | 0x8040; /* FTZ, DAZ */
    struct nest nest;
    struct nest_plan plan = {0};
    float tiny[100], half[100], out[2][100];
    make(&t, &nest, &plan);
    for (int i = 0; i < 100; i++) tiny[i] = 1e-40f * (float)i, half[i] = 1e-40f * (float)i * 0.5f;
    for (int k = 0; k < 2; k++) {
        struct nest_run run = {.nest = &nest, .plan = &plan, .threads = 1};
        for (int i = 0; i < ARRAYS; i++) run.base[i] = i == X ? tiny : out[k];
        run.base[OUT1] = NULL;
        run.param[0].r = 0.5;
        _mm_setcsr(flushing);
        enum err err = k ? nest_interpret(&run) : nest_compiled(&run);
        unsigned after = _mm_getcsr();
        _mm_setcsr(was);
        must(err);
        assert_int_equal(after & ~0x3fu, flushing & ~0x3fu);
        assert_memory_equal(out[k], half, sizeof half);
    }
}
#else
static void test_flushing_thread(void **state)
{
    (void)state;
}
#endif

/* The kernels of this run, and their folder. */
static void remove_cache(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    char file[600];
    while (d && (e = readdir(d))) {
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.') unlink(file);
    }
    if (d) closedir(d);
    rmdir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flat),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_random_nests),
        cmocka_unit_test(test_instruction_sets),
        cmocka_unit_test(test_flushing_thread),
    };
    snprintf(cache, sizeof cache, "%s/cache", unit_folder());
    build_set_options(&(struct build_options){.cache = cache});
    nest_compile_after(0);
    for (int i = 0; i < NEST_ARRAYS; i++) {
        room[i] = i < ARRAYS ? malloc(CASE_ROOM) : NULL;
        expected[i] = i < ARRAYS ? malloc(CASE_ROOM) : NULL;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    struct build_stats b = build_stats();
    print_message("%lld kernels built in %lld ms\n", (long long)b.built,
                  (long long)b.build_ns / 1000000);
    arena_release(&arena);
    remove_cache(cache);
    rmdir(unit_folder());
    return failed;
}
