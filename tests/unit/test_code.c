/* test_code.c - kernels of a compile: built as one text, run alone and in combos of mixed sizes,
 * give the bits of the interpreter on 1, 2 and 5 threads. */
#include "unit.h"

#include <dirent.h>
#include <unistd.h>

#include "runtime/backend.h"
#include "runtime/build.h"
#include "runtime/compile/code.h"
#include "store/base/lists.h"

enum { X, Y, Z, OUT, OUT1, ARRAYS };
static const char *const names[ARRAYS] = {"x", "y", "z", "out", "out1"};
static struct arena arena;
static char cache[100];

static void must(enum err err)
{
    if (err) print_error("%s\n", err_text());
    assert_int_equal(err, ERR_OK);
}

static uint64_t seed = 3;
static int64_t below(int64_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((seed >> 33) % (uint64_t)n);
}

/* ---- cases ---- */

struct test_case {
    const char *name, *body;
    enum dtype compute;
    enum dtype out1; /* 0: as compute */
    int n_outer, n_inner;
    int64_t size[4];
    bool transposed; /* x and y lie the other way round */
    int64_t spread;  /* bit d: y does not vary along loop d */
    int64_t places;  /* of x, where it is read at computed positions; z holds them */
    bool scatters;   /* out is written at positions that z holds */
};
static const struct test_case cases[] = {
    {"point", "out = x + s * y", DTYPE_F32, .n_outer = 1, .size = {1000}},
    {"point_large", "out = x + s * y", DTYPE_F32, .n_outer = 1, .size = {100000}},
    {"point_rows", "out = x + s * y", DTYPE_F32, .n_outer = 2, .size = {70, 900}, .spread = 1},
    {"point_turned", "out = exp(x) / y", DTYPE_BF16, .n_outer = 2, .size = {90, 70},
     .transposed = true},
    {"one", "out = x + 1", DTYPE_F32, .n_outer = 0},
    {"none", "out = x + y", DTYPE_F32, .n_outer = 2, .size = {3, 0}},
    {"whole", "out = x * y; out1 = floordiv(x, y)", DTYPE_I32, .n_outer = 1, .size = {3000}},
    {"random", "out = uniform(linear) + x", DTYPE_F32, .n_outer = 1, .size = {5000}},
    {"rows", "out1 = sum(x * y)", DTYPE_F32, .n_outer = 1, .n_inner = 1, .size = {40, 3000}},
    {"softmax", "m = amax(x); e = exp(x - m); out = e / sum(e)", DTYPE_F32, .n_outer = 1,
     .n_inner = 1, .size = {700, 100}},
    {"softmax_long", "m = amax(x); e = exp(x - m); out = e / sum(e)", DTYPE_F32, .n_outer = 1,
     .n_inner = 1, .size = {9, 5000}},
    {"columns", "out1 = sum(x) - amax(y)", DTYPE_F32, .n_outer = 1, .n_inner = 1,
     .size = {300, 200}, .transposed = true},
    {"place", "out1 = argmax(x)", DTYPE_F32, DTYPE_I64, 1, 1, .size = {30, 1500}},
    {"scan", "out = cumsum(x) * y", DTYPE_F32, .n_outer = 1, .n_inner = 1, .size = {20, 2500}},
    {"empty_rows", "out1 = sum(x)", DTYPE_F32, .n_outer = 1, .n_inner = 1, .size = {20, 0}},
    {"gather", "out = load(x, z) + y", DTYPE_F32, .n_outer = 1, .size = {4000}, .places = 50},
    {"scatter", "store(out, z) = x", DTYPE_F32, .n_outer = 1, .size = {4000}, .places = 50,
     .scatters = true},
    {"complex", "out = x * y", DTYPE_C64, .n_outer = 1, .size = {600}},
    {"complex_scan", "out = cumsum(x)", DTYPE_C64, .n_outer = 1, .n_inner = 1, .size = {4, 100}},
};
enum { CASES = sizeof cases / sizeof *cases };

struct made {
    struct nest nest;
    struct nest_plan plan;
    char *got[ARRAYS], *want[ARRAYS], *before[ARRAYS];
    size_t size[ARRAYS]; /* bytes */
    union {
        double r;
        int64_t i;
    } param[1];
};
static struct made made[CASES];
static struct code_kernel kernel[CASES];

static void lie_dense(const struct test_case *t, int first, int end, bool backwards,
                      struct nest_lie *lie)
{
    int64_t stride = 1;
    for (int k = first; k < end; k++) {
        int d = backwards ? k : end - 1 - (k - first);
        lie->stride[d] = stride;
        stride *= t->size[d];
    }
}

static void lay_out(const struct test_case *t, struct nest_plan *p)
{
    int n = t->n_outer + t->n_inner;
    p->n_outer = t->n_outer;
    p->n_inner = t->n_inner;
    p->n_arrays = ARRAYS;
    memcpy(p->size, t->size, sizeof t->size);
    for (int i = 0; i < ARRAYS; i++) {
        bool outer = i == OUT1 && t->n_inner;
        p->lie[i].offset = i; /* code_args leave it out, nest_run does not */
        lie_dense(t, 0, outer ? t->n_outer : n, t->transposed && i < Z, &p->lie[i]);
        for (int d = 0; i == Y && d < n; d++)
            if (t->spread >> d & 1) p->lie[i].stride[d] = 0;
    }
    int indexed = t->scatters ? OUT : X;
    if (!t->places) return;
    memset(p->lie[indexed].stride, 0, sizeof p->lie[indexed].stride);
    p->lie[indexed].index_stride[0] = 1;
    p->lie[indexed].index_size[0] = t->places;
}

static void build_nest(const struct test_case *t, struct made *m)
{
    struct nest_spec s = {.body = t->body, .compute = t->compute, .n_arrays = ARRAYS};
    s.n_outer = t->n_outer;
    s.n_inner = t->n_inner;
    s.serial = t->scatters;
    for (int i = 0; i < ARRAYS; i++)
        s.array[i] = (struct nest_array){
            .name = names[i], .dtype = t->compute, .written = i >= OUT, .n_indexed = 0};
    if (t->out1) s.array[OUT1].dtype = t->out1;
    if (t->places) s.array[t->scatters ? OUT : X].n_indexed = 1, s.array[Z].dtype = DTYPE_I64;
    s.own[Z] = true;
    s.own[OUT1] = t->out1 != DTYPE_NONE;
    s.outer[OUT1] = t->n_inner > 0;
    s.n_params = 1;
    s.param[0] = "s";
    s.param_type[0] = nest_type_of(t->compute);
    must(nest_build(&s, &arena, &m->nest));
    must(nest_verify(&m->nest));
}

static void fill(const struct test_case *t, struct made *m, int array)
{
    enum dtype dtype = m->nest.array[array].dtype;
    size_t one = dtype_size(dtype);
    for (size_t i = 0; i < m->size[array] / one; i++) {
        double v[2] = {(double)(below(20001) - 10000) / 1024, (double)below(100) / 8};
        int64_t place = below(t->places + !t->places);
        char *to = m->before[array] + i * one;
        if (array == Z && t->places) memcpy(to, &place, sizeof place);
        else
            dtype_cast(one == 2 * sizeof(float) && t->compute == DTYPE_C64 ? DTYPE_C128 : DTYPE_F64,
                       v, dtype, to, 1);
    }
}

static void make(int number)
{
    const struct test_case *t = &cases[number];
    struct made *m = &made[number];
    int64_t elements = ARRAYS + 1 + t->places;
    build_nest(t, m);
    lay_out(t, &m->plan);
    if (m->nest.param_type[0] == NEST_I64) m->param[0].i = 3;
    else m->param[0].r = 0.7;
    int64_t points = 1;
    for (int d = 0; d < t->n_outer + t->n_inner; d++) points *= t->size[d] ? t->size[d] : 1;
    elements += points;
    for (int i = 0; i < ARRAYS; i++) {
        m->size[i] = (size_t)elements * dtype_size(m->nest.array[i].dtype);
        m->got[i] = malloc(m->size[i]);
        m->want[i] = malloc(m->size[i]);
        m->before[i] = malloc(m->size[i]);
        fill(t, m, i);
        memcpy(m->want[i], m->before[i], m->size[i]);
    }
    struct nest_run run = {.nest = &m->nest, .plan = &m->plan, .seed = 7, .stream = 9};
    memcpy(run.param, m->param, sizeof m->param);
    for (int i = 0; i < ARRAYS; i++) run.base[i] = m->want[i];
    must(nest_interpret(&run));
    kernel[number] = (struct code_kernel){.name = t->name, .nest = &m->nest, .plan = &m->plan};
    nest_shape(&m->nest, &m->plan, &kernel[number].shape);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(cache, sizeof cache, "/tmp/plumb-unit-code-%d", (int)getpid());
    build_set_options(&(struct build_options){.cache = cache});
    for (int i = 0; i < CASES; i++) make(i);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    DIR *d = opendir(cache);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') unlinkat(dirfd(d), e->d_name, 0);
    if (d) closedir(d);
    rmdir(cache);
    for (int i = 0; i < CASES * ARRAYS; i++) {
        free(made[i / ARRAYS].got[i % ARRAYS]);
        free(made[i / ARRAYS].want[i % ARRAYS]);
        free(made[i / ARRAYS].before[i % ARRAYS]);
    }
    arena_release(&arena);
    return 0;
}

/* ---- running ---- */

static struct code_args args_of(int number)
{
    struct made *m = &made[number];
    struct code_args a = {.param = m->param, .seed = 7, .stream = 9};
    for (int i = 0; i < ARRAYS; i++)
        a.base[i] = m->got[i] + m->plan.lie[i].offset * (int64_t)dtype_size(m->nest.array[i].dtype);
    return a;
}

static void run_launch(const struct code *c, const struct code_launch *l, int number, int threads)
{
    struct code_args args[2 * CASES];
    for (int m = 0; m < l->n_kernels; m++) {
        args[m] = args_of(l->kernel[m]);
        for (int i = 0; i < ARRAYS; i++)
            memcpy(made[l->kernel[m]].got[i], made[l->kernel[m]].before[i],
                   made[l->kernel[m]].size[i]);
    }
    must(code_run(c, number, args, threads));
    for (int m = 0; m < l->n_kernels; m++)
        for (int i = 0; i < ARRAYS; i++)
            if (memcmp(made[l->kernel[m]].got[i], made[l->kernel[m]].want[i],
                       made[l->kernel[m]].size[i]))
                fail_msg("%s in %s on %d threads: %s differs", cases[l->kernel[m]].name, l->name,
                         threads, names[i]);
}

/* Every kernel alone, then combos of random members. */
enum { COMBOS = 8, LAUNCHES = CASES + COMBOS };
static struct code_launch launch[LAUNCHES];
static int order[LAUNCHES][CASES];

static struct code_spec spec_of_all(void)
{
    for (int i = 0; i < CASES; i++) {
        order[i][0] = i;
        launch[i] = (struct code_launch){.name = cases[i].name, .kernel = order[i], .n_kernels = 1};
    }
    for (int i = CASES; i < LAUNCHES; i++) {
        int n = 0;
        for (int k = 0; k < CASES; k++)
            if (i == CASES || below(2)) order[i][n++] = k;
        for (int k = n - 1; k > 0; k--) {
            int other = (int)below(k + 1), was = order[i][k];
            order[i][k] = order[i][other];
            order[i][other] = was;
        }
        launch[i] = (struct code_launch){.name = "combo", .kernel = order[i], .n_kernels = n};
    }
    return (struct code_spec){
        .kernel = kernel, .n_kernels = CASES, .launch = launch, .n_launches = LAUNCHES};
}

static void run_all(const struct code *c)
{
    static const int threads[] = {1, 2, 5};
    for (int i = 0; i < LAUNCHES; i++)
        for (int t = 0; t < 3; t++) run_launch(c, &launch[i], i, threads[t]);
}

static void test_same_bits(void **state)
{
    struct code_spec s = spec_of_all();
    struct code *c;
    int64_t ns, interpreted = build_stats().interpreted;
    (void)state;
    must(code_build(&s, &c));
    bool built = !strcmp(code_how(c, &ns), "compiled") || !strcmp(code_how(c, &ns), "from cache");
    if (!built) fail_msg("%s", code_how(c, &ns));
    run_launch(c, &launch[0], 0, 2);
    assert_int_equal(build_stats().interpreted, interpreted);
    run_all(c);
    code_free(c);
}

static void test_without_compiler(void **state)
{
    struct code_spec s = spec_of_all();
    struct code *c;
    int64_t ns;
    (void)state;
    build_set_options(&(struct build_options){.cache = cache, .compiler = "none"});
    kernel[0].name = "not_built_before";
    must(code_build(&s, &c));
    assert_non_null(strstr(code_how(c, &ns), "interpreted: there is no compiler"));
    run_all(c);
    code_free(c);
    build_set_options(&(struct build_options){.cache = cache});
}

/* ---- the text ---- */

static void test_text(void **state)
{
    struct code_spec s = spec_of_all();
    struct code_text t;
    (void)state;
    kernel[1].name = "point_large";
    kernel[0].name = "point";
    kernel[0].comment = "from add in model.c\nand from \\";
    must(code_print_c(&s, &t));
    assert_non_null(
        strstr(t.text.p, "// from add in model.c\n// and from \\.\n// also point_large"));
    assert_non_null(strstr(t.text.p, "\nstatic void point(const x_call *a"));
    assert_null(strstr(t.text.p, "void point_large(")); /* its body is point's */
    assert_non_null(strstr(t.text.p, "complex_scan is interpreted: products and scans"));
    assert_int_equal(t.first_line[1], t.first_line[0]);
    assert_true(t.last_line[0] < t.first_line[2]);
    const char *p = t.text.p;
    for (int line = 1; line < t.first_line[0]; line++) p = strchr(p, '\n') + 1;
    assert_memory_equal(p, "// from add", 11);
    for (int line = t.first_line[0]; line < t.last_line[0]; line++) p = strchr(p, '\n') + 1;
    assert_memory_equal(p, "}\n", 2);
    code_text_release(&t);
    kernel[0].comment = NULL;
}

/* ---- bad positions ---- */

static void test_out_of_bounds(void **state)
{
    struct code_spec s = spec_of_all();
    struct code *c;
    int gather = 0;
    (void)state;
    while (strcmp(cases[gather].name, "gather")) gather++;
    must(code_build(&s, &c));
    struct code_args args[CASES];
    for (int i = 0; i < CASES; i++) args[i] = args_of(order[CASES][i]);
    ((int64_t *)made[gather].got[Z])[77] = 50;
    for (int threads = 1; threads <= 2; threads++) {
        assert_int_equal(code_run(c, CASES, args, threads), ERR_USAGE);
        assert_non_null(strstr(err_text(), "index 50 is out of bounds for computed position 0 of "
                                           "\"x\" with size 50"));
    }
    struct code_args one = args_of(gather);
    assert_int_equal(code_run(c, gather, &one, 2), ERR_USAGE);
    code_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_without_compiler),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_out_of_bounds),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
