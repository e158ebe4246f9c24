/* test_build.c - kernels from texts: the cache, and every way in which compiler and cache can fail.
 * */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/build.h"

static char cache[128];
static int number;

/* A text nobody has built yet; its kernel gives `answer`. */
static struct span text_of(int answer)
{
    static char text[128];
    snprintf(text, sizeof text, "/* %d %d */ int plumb_kernel(void) { return %d; }", (int)getpid(),
             ++number, answer);
    return span_of(text);
}

/* Options with a fresh cache folder. */
static struct build_options fresh(void)
{
    snprintf(cache, sizeof cache, "%s/cache%d", unit_folder(), ++number);
    return (struct build_options){.compiler = "gcc", .cache = cache, .isa = "native"};
}

static int call(void *f)
{
    int (*kernel)(void);
    memcpy(&kernel, &f, sizeof f);
    return kernel();
}

static int built(struct span text)
{
    void *f = NULL;
    enum err err = build_kernel(text, &f);
    if (err) print_error("%s\n", err_text());
    assert_int_equal(err, ERR_OK);
    return call(f);
}

/* The only entry of the cache. */
static const char *entry(void)
{
    static char path[512];
    DIR *d = opendir(cache);
    path[0] = 0;
    for (struct dirent *e; d && (e = readdir(d));)
        if (strstr(e->d_name, ".so")) snprintf(path, sizeof path, "%s/%s", cache, e->d_name);
    if (d) closedir(d);
    return path;
}

static int files_in(const char *folder)
{
    int n = -2;
    DIR *d = opendir(folder);
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n;
}

/* A program that stands in for the compiler. */
static const char *script(const char *body)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/cc%d", unit_folder(), ++number);
    FILE *f = fopen(path, "w");
    fprintf(f, "#!/bin/sh\n%s\n", body);
    fclose(f);
    chmod(path, 0700);
    return path;
}

/* In a child, so that memory does not know the text. */
static int in_child(struct span text, struct build_stats *out)
{
    int ends[2], status = -1;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (!child) {
        void *f;
        struct build_stats s;
        int answer = build_kernel(text, &f) ? -1 : call(f);
        s = build_stats();
        if (write(ends[1], &s, sizeof s) != sizeof s) _exit(99);
        _exit(answer & 0x7f);
    }
    assert_int_equal(read(ends[0], out, sizeof *out), sizeof *out);
    waitpid(child, &status, 0);
    close(ends[0]);
    close(ends[1]);
    return WEXITSTATUS(status);
}

static void test_built_once(void **state)
{
    (void)state;
    struct build_options o = fresh();
    struct build_stats before = build_stats(), after, child;
    build_set_options(&o);
    struct span text = text_of(42);
    assert_int_equal(in_child(text, &child), 42);
    assert_int_equal(child.built - before.built, 1);
    assert_int_equal(built(text), 42);
    assert_int_equal(built(text), 42);
    after = build_stats();
    assert_int_equal(after.built, before.built);
    assert_int_equal(after.from_disk - before.from_disk, 1);
    assert_int_equal(after.from_memory - before.from_memory, 1);
    assert_int_equal(files_in(cache), 1); /* nothing is left behind */
    struct stat s;
    assert_int_equal(stat(cache, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0700);
}

/* Truncated, changed and empty entries are built again; a foreign link is not followed. */
static void test_poisoned(void **state)
{
    (void)state;
    for (int how = 0; how < 5; how++) {
        struct build_options o = fresh();
        struct build_stats child;
        build_set_options(&o);
        struct span text = text_of(43);
        assert_int_equal(in_child(text, &child), 43);
        char path[512];
        snprintf(path, sizeof path, "%s", entry());
        if (how == 0) assert_int_equal(truncate(path, 1000), 0);
        if (how == 1) assert_int_equal(truncate(path, 0), 0);
        if (how == 2) {
            FILE *f = fopen(path, "r+");
            fseek(f, 4096, SEEK_SET);
            fputc(0x5a, f);
            fputc(0x5b, f);
            fclose(f);
        }
        if (how == 3) {
            unlink(path);
            assert_int_equal(symlink("/bin/true", path), 0);
        }
        if (how == 4) {
            FILE *f = fopen(path, "a");
            fputs("more", f);
            fclose(f);
        }
        int64_t built_before = build_stats().built;
        assert_int_equal(built(text), 43);
        assert_int_equal(build_stats().built - built_before, 1);
    }
}

static void test_open_cache_is_not_used(void **state)
{
    (void)state;
    struct build_options o = fresh();
    mkdir(cache, 0700);
    chmod(cache, 0777);
    build_set_options(&o);
    assert_int_equal(built(text_of(44)), 44);
    assert_int_equal(files_in(cache), 0);
    assert_non_null(strstr(build_note(), "0700"));
}

static void test_unusable_cache(void **state)
{
    (void)state;
    struct build_options o = fresh();
    FILE *f = fopen(cache, "w"); /* a file stands in its place */
    fclose(f);
    build_set_options(&o);
    assert_int_equal(built(text_of(45)), 45);
    o = fresh();
    mkdir(cache, 0500);
    build_set_options(&o);
    assert_int_equal(built(text_of(46)), 46);
}

/* The folder used instead is gone once the kernel is loaded, or failed. */
static void test_temporary_folder(void **state)
{
    (void)state;
    struct build_options o = fresh();
    char folder[128];
    void *f;
    FILE *file = fopen(cache, "w");
    fclose(file);
    snprintf(folder, sizeof folder, "%s/temporary", unit_folder());
    assert_int_equal(mkdir(folder, 0700), 0);
    setenv("TMPDIR", folder, 1);
    build_set_options(&o);
    assert_int_equal(built(text_of(47)), 47);
    assert_int_equal(built(text_of(48)), 48);
    assert_int_equal(files_in(folder), 0);
    o.compiler = script("exit 3");
    build_set_options(&o);
    assert_int_not_equal(build_kernel(text_of(49), &f), ERR_OK);
    assert_int_equal(files_in(folder), 0);
    unsetenv("TMPDIR");
    assert_int_equal(rmdir(folder), 0);
}

static void assert_fails(const struct build_options *o, const char *part)
{
    void *f = NULL;
    build_set_options(o);
    assert_int_not_equal(build_kernel(text_of(1), &f), ERR_OK);
    if (!strstr(err_text(), part)) print_error("\"%s\" lacks \"%s\"\n", err_text(), part);
    assert_non_null(strstr(err_text(), part));
    assert_int_equal(files_in(cache) > 0, 0);
}

static void test_bad_compilers(void **state)
{
    (void)state;
    struct build_options o = fresh();
    o.compiler = "/no/such/compiler";
    assert_fails(&o, "/no/such/compiler");
    o = fresh();
    o.compiler = "none";
    assert_fails(&o, "no compiler");
    o = fresh();
    o.compiler = script("echo 'k.c:1: error: I will not'; exit 3");
    assert_fails(&o, "status 3: k.c:1: error: I will not");
    o = fresh();
    o.compiler = script("kill -11 $$");
    assert_fails(&o, "signal 11");
    o = fresh();
    o.compiler = script("exit 0");
    assert_fails(&o, "left no kernel");
    o = fresh();
    o.compiler = script("while [ \"$1\" != -o ]; do shift; done; echo garbage >\"$2\"");
    void *f;
    build_set_options(&o);
    assert_int_not_equal(build_kernel(text_of(1), &f), ERR_OK);
    assert_non_null(strstr(err_text(), "cannot be loaded"));
    o = fresh();
    o.isa = "mmx";
    assert_fails(&o, "native, avx512, avx2 and sse2");
}

static void test_hanging_compiler(void **state)
{
    (void)state;
    struct build_options o = fresh();
    struct timespec a, b;
    o.compiler = script("sleep 1000 & sleep 1000");
    o.timeout_s = 1;
    clock_gettime(CLOCK_MONOTONIC, &a);
    assert_fails(&o, "did not end within 1 s");
    clock_gettime(CLOCK_MONOTONIC, &b);
    assert_true(b.tv_sec - a.tv_sec < 20);
}

/* What does not compile says so once and at once the next time. */
static void test_bad_text(void **state)
{
    (void)state;
    struct build_options o = fresh();
    void *f;
    build_set_options(&o);
    int64_t failed = build_stats().failed;
    assert_int_equal(build_kernel(SPAN("int plumb_kernel(void) { return x; }"), &f), ERR_IO);
    assert_non_null(strstr(err_text(), "error"));
    assert_int_equal(build_kernel(SPAN("int plumb_kernel(void) { return x; }"), &f), ERR_IO);
    assert_int_equal(build_stats().failed - failed, 1);
    assert_int_equal(build_kernel(SPAN("int another(void) { return 1; }"), &f), ERR_IO);
    assert_non_null(strstr(err_text(), "plumb_kernel"));
}

static void test_two_processes(void **state)
{
    (void)state;
    enum { N = 6 };
    struct build_options o = fresh();
    pid_t child[N];
    build_set_options(&o);
    struct span text = text_of(47);
    for (int i = 0; i < N; i++)
        if (!(child[i] = fork())) {
            void *f;
            _exit(build_kernel(text, &f) ? 99 : call(f));
        }
    for (int i = 0; i < N; i++) {
        int status = -1;
        waitpid(child[i], &status, 0);
        assert_int_equal(WEXITSTATUS(status), 47);
    }
    assert_int_equal(files_in(cache), 1);
}

static void test_instruction_sets(void **state)
{
    (void)state;
    static const char *const isas[] = {"sse2", "avx2", "avx512", "native"};
    for (int i = 0; i < 4; i++) {
        struct build_options o = fresh();
        o.isa = isas[i];
        if (!build_isa_present(isas[i])) {
            print_message("not run: kernels for %s, which this processor lacks\n", isas[i]);
            continue;
        }
        build_set_options(&o);
        assert_string_equal(build_isa(), isas[i]);
        assert_int_equal(built(text_of(50 + i)), 50 + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_built_once),
        cmocka_unit_test(test_poisoned),
        cmocka_unit_test(test_open_cache_is_not_used),
        cmocka_unit_test(test_unusable_cache),
        cmocka_unit_test(test_temporary_folder),
        cmocka_unit_test(test_bad_compilers),
        cmocka_unit_test(test_hanging_compiler),
        cmocka_unit_test(test_bad_text),
        cmocka_unit_test(test_two_processes),
        cmocka_unit_test(test_instruction_sets),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", unit_folder());
    return system(command) || failed;
}
