/* compiled_both.h - programs of functions that are run as they are, and compiled: what they see is
 * to be the same, bit for bit. */
#ifndef TESTS_COMPILED_BOTH_H
#define TESTS_COMPILED_BOTH_H

#include "plumb.h"
#include "runtime/compile/compiled.h"
#include "tests/unit/unit.h"

/* ---- a program that is run twice: functions as they are, and compiled ---- */

enum { SEEN = 1 << 18, FUNCTIONS = 4 };
static struct run {
    bool compile;
    struct {
        plumb_function fn;
        struct plumb_compiled *c;
        int entries, hits, parts; /* at the end */
        char broken[8][512];      /* per entry */
    } of[FUNCTIONS];
    int n_functions;
    atomic_int calls; /* of the functions themselves, traces too */
    char seen[SEEN];
    size_t n;
} eager, compiled, *now;

static void note_bytes(const void *p, size_t n)
{
    assert_true(now->n + n <= SEEN);
    memcpy(now->seen + now->n, p, n);
    now->n += n;
}
static inline void note_text(const char *text)
{
    note_bytes(text, strlen(text) + 1);
}
/* Values, form, and what is known of a tensor. */
static void note(const struct plumb_tensor *t)
{
    char text[TENSOR_TEXT], bytes[1 << 14];
    if (!t) {
        note_text("none");
        return;
    }
    int64_t size = view_n_bytes(&t->view);
    assert_true(size <= (int64_t)sizeof bytes);
    note_text(tensor_text(t, text));
    if (plumb_read(t, bytes, size)) fail_msg("%s", plumb_error());
    note_bytes(bytes, (size_t)size);
    char flags[] = {t->requires_grad, t->is_view, t->made_by != NULL};
    note_bytes(flags, sizeof flags);
}

/* How functions are compiled; a test program sets them once. */
static struct plumb_compile_options compile_options;
static bool compile_builds;

/* The function, compiled or not. */
static int call(plumb_function fn, struct plumb_tensor *const *in, int n_in,
                struct plumb_tensor **out, int n_out)
{
    int i = 0;
    if (!now->compile) return fn(NULL, in, n_in, out, n_out);
    while (i < now->n_functions && now->of[i].fn != fn) i++;
    if (i == now->n_functions) {
        assert_true(now->n_functions < FUNCTIONS);
        now->of[now->n_functions++].fn = fn;
        now->of[i].c = plumb_compile("f", fn, NULL, &compile_options);
        now->of[i].c->interpret = !compile_builds;
    }
    return plumb_compiled_call(now->of[i].c, in, n_in, out, n_out);
}
static void must(int rc)
{
    if (rc) fail_msg("%s", plumb_error());
}

static void run_once(struct run *r, void (*program)(void), enum plumb_determinism level,
                     const char *backend)
{
    memset(r, 0, sizeof *r);
    r->compile = r == &compiled;
    now = r;
    if (thread_self.session) plumb_close(); /* of a test that failed */
    if (!plumb_open(&(struct plumb_options){
            .seed = 5, .determinism = level, .backend = backend, .threads = 2}))
        fail_msg("%s", plumb_error());
    program();
    for (int i = 0; i < r->n_functions; i++) {
        r->of[i].entries = r->of[i].c->n_entries;
        for (int k = 0; k < r->of[i].entries; k++) {
            r->of[i].hits += (int)r->of[i].c->entry[k]->hits;
            const struct compiled_part *part = r->of[i].c->entry[k]->parts;
            for (; part; part = part->next) r->of[i].parts++;
            memcpy(r->of[i].broken[k], r->of[i].c->entry[k]->broken, 512);
        }
    }
    must(plumb_close());
}

static inline void run_both(void (*program)(void))
{
    const enum plumb_determinism levels[] = {PLUMB_EXACT, PLUMB_RUN};
    for (int i = 0; i < 2; i++) {
        run_once(&eager, program, levels[i], "cpu");
        run_once(&compiled, program, levels[i], "cpu");
        assert_int_equal(eager.n, compiled.n);
        for (size_t k = 0; k < eager.n; k++)
            if (eager.seen[k] != compiled.seen[k])
                fail_msg("byte %zu of %zu that the program saw differs", k, eager.n);
    }
}

/* As many entries, as many hits, none broken. */
static inline void assert_entries(int function, int entries, int hits)
{
    assert_int_equal(compiled.of[function].entries, entries);
    for (int i = 0; i < entries; i++) assert_string_equal(compiled.of[function].broken[i], "");
    assert_int_equal(compiled.of[function].hits, hits);
}
static inline void assert_broken(int function, const char *part)
{
    assert_int_equal(compiled.of[function].entries, 1);
    if (!strstr(compiled.of[function].broken[0], part))
        fail_msg("\"%s\" does not say \"%s\"", compiled.of[function].broken[0], part);
}

/* ---- tensors ---- */

static struct plumb_tensor *numbers_of(enum plumb_dtype dtype, int n, const int64_t *size, int seed)
{
    double v[256];
    int64_t count = 1;
    for (int i = 0; i < n; i++) count *= size[i];
    assert_true(count <= 256);
    for (int64_t i = 0; i < count; i++)
        v[i] = (double)((i * 37 + seed * 11) % 61 - 30) / 23 + (double)(i % 5) / 64;
    struct plumb_tensor *t = plumb_tensor(PLUMB_F64, n, size, v);
    return dtype == PLUMB_F64 ? t : plumb__to_copy(t, dtype);
}
static struct plumb_tensor *numbers(int64_t rows, int64_t columns, int seed)
{
    return numbers_of(PLUMB_F32, 2, (int64_t[]){rows, columns}, seed);
}
static inline struct plumb_tensor *parameter(int64_t rows, int64_t columns, int seed)
{
    return plumb_parameter("p", numbers(rows, columns, seed));
}
/* Of a frame, and gradients are wanted for it. */
static inline struct plumb_tensor *wanting(struct plumb_tensor *t)
{
    t->requires_grad = true;
    return t;
}
static inline void walk(struct plumb_tensor *y)
{
    must(plumb_backward(plumb_sum(y, 0)));
}

#define FUNCTION(name)                                                                             \
    static int name(void *context, struct plumb_tensor *const *in, int n_in,                       \
                    struct plumb_tensor **out, int n_out)
#define UNUSED (void)context, (void)in, (void)n_in, (void)out, (void)n_out, now->calls++
#define GIVES(i, x)                                                                                \
    if (!(out[i] = (x))) return -1
#define IN(...) ((struct plumb_tensor *[]){__VA_ARGS__})
/* A function whose only result is x. */
#define FUNCTION_OF(name, x)                                                                       \
    FUNCTION(name)                                                                                 \
    {                                                                                              \
        UNUSED;                                                                                    \
        GIVES(0, x);                                                                               \
        return 0;                                                                                  \
    }
#define TEST(name) static void test_##name(void **state __attribute__((unused)))
/* A test: the program sees the same, and its first function has that many entries and hits. */
#define TEST_BOTH(name, program, entries, hits)                                                    \
    TEST(name)                                                                                     \
    {                                                                                              \
        run_both(program);                                                                         \
        assert_entries(0, entries, hits);                                                          \
    }

#endif
